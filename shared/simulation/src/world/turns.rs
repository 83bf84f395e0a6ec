//! Chance, drawn for each step from the booking that the step is about and how often it was that
//! booking's turn: leaving another booking out, or a kind of fault, leaves what it meets as it was.

use contracts::ids::{BookingId, LegId};
use rand::{SeedableRng as _, rngs::SmallRng};

use super::{Happening, World};
use crate::{commit::Timer, mixed};

impl World {
    /// Whatever chance decides from now on is drawn from another number.
    pub(crate) fn draw_from(&mut self, random: u64) {
        self.random = random;
    }

    /// It is the turn of what happens next.
    pub(super) fn turn(&mut self, what: &Happening) {
        let about = self.whose(what);
        let turns = self.turns.entry(about).or_default();
        *turns += 1;
        let whose = about.map_or(0, |id| {
            let (high, low) = id.0.as_u64_pair();
            mixed(high ^ mixed(low))
        });
        self.rng = SmallRng::seed_from_u64(mixed(self.random ^ whose ^ mixed(*turns)));
    }

    /// Which booking it is about, if it is about one.
    fn whose(&self, what: &Happening) -> Option<BookingId> {
        match what {
            Happening::Deliver { parcel, .. } | Happening::Replay(_, parcel) => self.about(parcel),
            Happening::Publish { from, row } => {
                self.databases[from].row(*row).and_then(|parcel| self.about(parcel))
            }
            Happening::Fire(Timer::Booking(booking_id, _))
            | Happening::Accept(booking_id)
            | Happening::Cancel(booking_id)
            | Happening::AgreeToTerms(booking_id, _)
            | Happening::Amend(booking_id)
            | Happening::CancelLeg(booking_id)
            | Happening::GiveAddress(booking_id)
            | Happening::PayDifference { booking_id, .. }
            | Happening::Pay { booking_id, .. } => Some(*booking_id),
            Happening::Fire(Timer::Leg(leg_id)) => self.owner(*leg_id),
            Happening::Send(call) => Some(call.booking_id),
            Happening::Arrive { exchange, .. }
            | Happening::Return { exchange, .. }
            | Happening::GoOn { exchange, .. } => Some(exchange.booking_id()),
            Happening::SupplierMakes { token, .. } => self.owner(self.market.offers[token].leg_id),
            Happening::AnswerChange(saying) => Some(saying.booking_id()),
            Happening::SupplierTakesBack(reference) | Happening::SupplierMoves(reference) => {
                self.of_reference(reference)
            }
            Happening::Push(push) => self.of_reference(push.reference()),
            Happening::LookAtCard(payment_id)
            | Happening::CardPush(payment_id)
            | Happening::CardLost(payment_id)
            | Happening::WriteOff(payment_id)
            | Happening::CardRefundEnds { payment_id, .. }
            | Happening::AskTreasury { payment_id, .. }
            | Happening::LetRefundGo { payment_id, .. } => {
                self.payments.rows.get(payment_id).map(|payment| payment.booking_id)
            }
            Happening::Fire(Timer::Account(_))
            | Happening::Sweep(_)
            | Happening::Mine
            | Happening::Watch
            | Happening::FaultsEnd => None,
        }
    }

    fn owner(&self, leg_id: LegId) -> Option<BookingId> {
        self.leg_owners.get(&leg_id).copied()
    }

    fn of_reference(&self, reference: &str) -> Option<BookingId> {
        self.market.get(reference).and_then(|one| self.owner(one.leg_id))
    }
}
