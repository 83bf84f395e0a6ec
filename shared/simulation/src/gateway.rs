//! A card gateway: it holds what a customer allows, takes, lets go and gives back what it is asked
//! for, each once.

use std::collections::BTreeMap;

use contracts::{asset::Units, ids::PaymentId};
use payment_verification_core::card::{Stage, Told, ToldRefund, ToldState, Wish};
use uuid::Uuid;

/// What it has of one payment.
#[derive(Debug, Clone)]
pub(crate) struct Charge {
    pub(crate) units: Units,
    pub(crate) stage: Stage,
    pub(crate) refunds: Vec<ToldRefund>,
    /// Whether its holder's bank took it back for good.
    pub(crate) is_lost: bool,
}

/// Everything that it was ever asked for.
#[derive(Debug, Default)]
pub(crate) struct Gateway {
    pub(crate) charges: BTreeMap<PaymentId, Charge>,
}

impl Gateway {
    /// It gets ready to be paid so much; asked again it is the same.
    pub(crate) fn open(&mut self, id: PaymentId, units: Units) {
        let charge = || Charge { units, stage: Stage::Waits, refunds: Vec::new(), is_lost: false };
        self.charges.entry(id).or_insert_with(charge);
    }

    /// The customer allows it to hold the amount; whether it does now.
    pub(crate) fn allow(&mut self, id: PaymentId) -> bool {
        let Some(charge) = self.charges.get_mut(&id) else { return false };
        let waits = charge.stage == Stage::Waits;
        if waits {
            charge.stage = Stage::Held(charge.units);
        }
        waits
    }

    /// It does what is wished, unless it cannot; whether anything changed.
    pub(crate) fn perform(&mut self, id: PaymentId, wish: &Wish) -> bool {
        let Some(charge) = self.charges.get_mut(&id).filter(|charge| !charge.is_lost) else {
            return false;
        };
        match (wish, charge.stage) {
            (Wish::Take, Stage::Held(units)) => charge.stage = Stage::Taken(units),
            (Wish::LetGo, Stage::Waits | Stage::Held(_)) => charge.stage = Stage::Over,
            (Wish::GiveBack { refund_id, units }, Stage::Taken(_)) => {
                let known = |refund: &ToldRefund| refund.refund_id == Some(*refund_id);
                if charge.refunds.iter().any(known) {
                    return false;
                }
                let (id, refund_id) = (format!("re_{refund_id}"), Some(*refund_id));
                let state = ToldState::Pending;
                charge.refunds.push(ToldRefund { id, refund_id, units: *units, state });
            }
            _ => return false,
        }
        true
    }

    /// The holder's bank takes back for good what was taken and is wholly there; whether it did.
    pub(crate) fn lose(&mut self, id: PaymentId) -> bool {
        let Some(charge) = self.charges.get_mut(&id) else { return false };
        let taken = matches!(charge.stage, Stage::Taken(_));
        let lost = taken && !charge.is_lost && charge.given_back().is_zero();
        charge.is_lost |= lost;
        lost
    }

    /// Whether the holder's bank took it back for good.
    pub(crate) fn has_lost(&self, id: PaymentId) -> bool {
        self.charges.get(&id).is_some_and(|charge| charge.is_lost)
    }

    /// A refund that is on its way arrives, or comes back.
    pub(crate) fn end_refund(&mut self, id: PaymentId, refund_id: Uuid, state: ToldState) {
        let refunds = self.charges.get_mut(&id).into_iter().flat_map(|one| &mut one.refunds);
        for refund in refunds.filter(|refund| refund.refund_id == Some(refund_id)) {
            refund.state = state;
        }
    }

    /// What it tells of a payment.
    pub(crate) fn told(&self, id: PaymentId) -> Option<Told> {
        let charge = self.charges.get(&id)?;
        Some(Told {
            intent: format!("pi_{id}"),
            stage: charge.stage,
            is_lost: charge.is_lost,
            refunds: charge.refunds.clone(),
        })
    }

    /// What it took and has.
    pub(crate) fn taken(&self, id: PaymentId) -> Units {
        match self.charges.get(&id).map(|charge| (charge.stage, charge.is_lost)) {
            Some((Stage::Taken(units), false)) => units,
            _ => Units::ZERO,
        }
    }
}

impl Charge {
    /// What it gave back, or is about to.
    pub(crate) fn given_back(&self) -> Units {
        let live = self.refunds.iter().filter(|refund| refund.state != ToldState::Failed);
        live.fold(Units::ZERO, |sum, refund| sum.checked_add(refund.units).unwrap())
    }
}
