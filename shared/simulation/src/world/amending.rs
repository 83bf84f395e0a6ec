//! Travellers who want other dates: another room in the place of one that was bought.

use booking_core::{Booking, Command, LegPlan, PayPlan, Phase, Refusal, amend_quote};
use contracts::{
    asset::{Rate, Units},
    ids::{BookingId, PaymentId},
    instruction::CARD_CHAIN,
    money::Money,
};

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
        let dearer = self.chance(300);
        if dearer {
            let factor = self.seconds(101, 180);
            let price = Money::new(old.order.price.minor * factor / 100, old.order.price.currency);
            self.priced_at(&mut plan, price);
        } else if self.chance(950) {
            let price = Money::new(self.seconds(1, most.max(1)), old.order.price.currency);
            self.priced_at(&mut plan, price);
        }
        // The rate is another one by now.
        let rate = &booking.payment.rate;
        let micro = rate.micro_minor_per_coin;
        let percent = u64::try_from(self.seconds(60, 160)).unwrap();
        // A card pays one to one.
        let micro = if rate.decimals == 2 { micro } else { micro / 100 * percent };
        let rate = Rate { micro_minor_per_coin: micro, ..rate.clone() };
        let quote = match amend_quote(&booking, old.leg_id, &plan, Some(&rate), self.now) {
            Ok(quote) => quote,
            Err(Refusal::NotAllowed { .. } | Refusal::PaidByPoints { .. }) => return,
            Err(refusal) => panic!("an amendment was refused: {refusal}"),
        };
        let (leg_id, agreed) = (old.leg_id, quote.digest);
        let pay = quote.pay.map(|_| {
            self.hit(Sometimes::DifferenceAsked);
            Box::new(PayPlan { payment_id: PaymentId(self.id()), rate })
        });
        let command = Command::Amend { leg_id, plan: Box::new(plan), agreed, pay };
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

    /// Another price for a leg, at the supplier, too.
    fn priced_at(&mut self, plan: &mut LegPlan, price: Money) {
        plan.order.price = price;
        for step in &mut plan.order.terms.cancel_steps {
            step.fee = price;
        }
        let offers = self.market.offers.values_mut();
        offers.filter(|offer| offer.leg_id == plan.leg_id).for_each(|o| o.price = price);
    }

    /// What another leg costs more is shown: most pay it, some in part, too much or too late, and
    /// some never do.
    pub(super) fn difference_shown(&mut self, booking: &Booking) {
        let Some(due) = booking.due() else { return };
        let (payment_id, whole) = (due.payment.payment_id, due.payment.quoted.units);
        let ten = Units::parse("10").unwrap();
        let (seconds, units) = match self.seconds(0, 9) {
            0 => return,
            1 => (self.seconds(5, 600), Units(whole.0 / ten.0)),
            2 => (self.seconds(5, 600), whole.checked_add(ten).unwrap()),
            3 => (self.seconds(1_100, 5_000), whole),
            _ => (self.seconds(5, 900), whole),
        };
        let booking_id = booking.booking_id;
        self.put_in(seconds, Happening::PayDifference { booking_id, payment_id, units });
    }

    pub(super) fn pay_difference(
        &mut self,
        booking_id: BookingId,
        payment_id: PaymentId,
        units: Units,
    ) {
        let booking = &self.bookings.rows[&booking_id];
        let further = booking.further.iter().find(|one| one.payment.payment_id == payment_id);
        let signed = further.unwrap().payment.instruction.as_ref().unwrap();
        let address = signed.instruction.address.clone();
        if signed.instruction.chain == CARD_CHAIN {
            return self.pay_by_card(booking_id, payment_id);
        }
        self.tell(Some(booking_id), || format!("the customer pays a difference of {units}"));
        self.transfer(&address, units);
    }

    /// A leg that has to be paid for is bought when that money is final.
    pub(super) fn check_difference(&mut self, booking: &Booking) {
        let Some(due) = booking.due() else { return };
        let paid = self.payments.rows.get(&due.payment.payment_id).is_some_and(|p| p.settled);
        if !paid {
            let what = "bought before its difference is paid".to_owned();
            self.broken("S13", Some(booking.booking_id), what);
        }
    }
}
