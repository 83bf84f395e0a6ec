//! Travellers who want other dates: another room in the place of one that was bought.

use booking_core::{Booking, Command, Phase, Refusal, amend_quote};
use contracts::{ids::BookingId, money::Money};

use super::{Happening, World};
use crate::{mixed, sometimes::Sometimes};

/// How many in a thousand think again.
const AMEND: u64 = 250;

impl World {
    /// Some of those who hear that all is booked want other dates soon after, or much later.
    ///
    /// Drawn from the booking alone, so that whoever does not think again meets what it met before
    /// there was anything to amend.
    pub(super) fn thinks_again(&mut self, booking: &Booking) {
        let (high, low) = booking.booking_id.0.as_u64_pair();
        let drawn = mixed(high ^ low ^ booking.version);
        if drawn % 1_000 >= AMEND {
            return;
        }
        let latest: u64 = if drawn.is_multiple_of(3) { 20 * 3_600 } else { 300 };
        let seconds = i64::try_from(mixed(drawn) % latest).unwrap();
        self.put_in(seconds + 1, Happening::Amend(booking.booking_id));
    }

    /// Asks what another room costs in the place of one, and agrees to it.
    pub(super) fn amend(&mut self, booking_id: BookingId) {
        if self.crashes() {
            self.hit(Sometimes::CrashBeforeCommit);
            return self.put_in(3, Happening::Amend(booking_id));
        }
        let booking = self.bookings.rows[&booking_id].clone();
        let standing: Vec<_> = booking.standing().collect();
        if booking.phase != Phase::Confirmed || standing.is_empty() {
            return;
        }
        let turn = usize::try_from(self.seconds(0, 7)).unwrap();
        let old = standing[turn % standing.len()];
        let mut plan = self.leg(booking_id);
        let most = old.order.price.minor - old.cancel_fee(self.now).minor;
        if self.chance(900) {
            let price = Money::new(self.seconds(1, most.max(1)), old.order.price.currency);
            plan.order.price = price;
            for step in &mut plan.order.terms.cancel_steps {
                step.fee = price;
            }
            let offers = self.rapid.offers.values_mut();
            offers.filter(|offer| offer.leg_id == plan.leg_id).for_each(|o| o.price = price);
        }
        let quote = match amend_quote(&booking, old.leg_id, &plan, self.now) {
            Ok(quote) => quote,
            Err(Refusal::NeedsPayment { .. }) => return self.hit(Sometimes::AmendmentTooDear),
            Err(Refusal::NotAllowed { .. } | Refusal::PaidByPoints { .. }) => return,
            Err(refusal) => panic!("an amendment was refused: {refusal}"),
        };
        let (leg_id, agreed) = (old.leg_id, quote.digest);
        let command = Command::Amend { leg_id, plan: Box::new(plan), agreed };
        match self.bookings.ask(booking_id, &command, self.now) {
            Ok(commit) => {
                self.hit(Sometimes::AmendmentStarted);
                self.tell(Some(booking_id), || "the customer wants other dates".to_owned());
                self.transact(crate::parcel::Role::Booking, commit);
                if self.chance(200) {
                    let seconds = self.seconds(1, 900);
                    self.put_in(seconds, Happening::Cancel(booking_id));
                }
            }
            Err(refusal) => panic!("what was just told was refused: {refusal}"),
        }
    }
}
