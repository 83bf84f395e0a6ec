//! A booking that waits for a person: who looks into it, and what is safe to do about it.
//!
//! No act closes a review: it closes when what it was opened for is over.

use contracts::{
    internal::{ReviewAct, SafeAct},
    messages::WantedLeg,
};

use crate::{
    command::Refusal,
    event::Event,
    state::{Booking, Leg, Review, ReviewWhy, Stuck, StuckStep, StuckWhy},
};

/// Decides who looks into it. The same again is a repeat.
pub(crate) fn decide(
    booking: &Booking,
    act: ReviewAct,
    by: &str,
    why: &str,
) -> Result<Vec<Event>, Refusal> {
    if booking.review.is_none() {
        return Err(Refusal::NotInReview);
    }
    let (by, why) = (by.to_owned(), why.to_owned());
    match (act, &booking.reviewer) {
        (ReviewAct::Take, None) => Ok(vec![Event::ReviewTaken { by, why }]),
        (ReviewAct::Take, Some(reviewer)) if reviewer.name == by => Ok(Vec::new()),
        (ReviewAct::Take, Some(reviewer)) => Err(Refusal::TakenBy { name: reviewer.name.clone() }),
        // Also by somebody else: people go on holiday.
        (ReviewAct::Release, Some(_)) => Ok(vec![Event::ReviewReleased { by, why }]),
        (ReviewAct::Release, None) => Ok(Vec::new()),
    }
}

/// What can be done now, and where; nothing when the booking waits for nobody.
#[must_use]
pub fn safe_acts(booking: &Booking) -> Vec<SafeAct> {
    let Some(review) = booking.review else { return Vec::new() };
    let mut safe = vec![match booking.reviewer {
        None => SafeAct::Take {},
        Some(_) => SafeAct::Release {},
    }];
    safe.extend(about(booking, review));
    safe
}

fn about(booking: &Booking, review: Review) -> Vec<SafeAct> {
    let repair = |leg: &Leg| SafeAct::RepairLeg { leg_id: leg.leg_id };
    match review.why {
        ReviewWhy::Stuck => review.stuck.and_then(unstick).into_iter().collect(),
        ReviewWhy::CommitStuck => {
            let hangs = |leg: &&Leg| leg.wanted == WantedLeg::Confirmed && !leg.is_confirmed();
            booking.legs.iter().filter(hangs).map(repair).collect()
        }
        ReviewWhy::AmendmentStuck => {
            booking.legs.iter().filter(|leg| leg.is_coming()).map(repair).collect()
        }
        ReviewWhy::CancelledBySupplier => {
            booking.legs.iter().filter(|leg| leg.is_gone()).map(repair).collect()
        }
        ReviewWhy::ChangedBySupplier => {
            booking.legs.iter().filter(|leg| leg.change.is_some()).map(repair).collect()
        }
        // Blocks are waited for; a broken rule is for an engineer.
        ReviewWhy::MoneyNotFinal | ReviewWhy::MoneyReversed | ReviewWhy::InvariantBroken => {
            Vec::new()
        }
    }
}

/// What helps a step of the undo that does not go on.
fn unstick(stuck: Stuck) -> Option<SafeAct> {
    match stuck.step {
        StuckStep::ReleaseLeg { leg_id } => Some(SafeAct::RepairLeg { leg_id }),
        StuckStep::SendRefund { .. } if stuck.reason == StuckWhy::Refused => {
            Some(SafeAct::AskForAddress {})
        }
        StuckStep::SendRefund { refund_id } => Some(SafeAct::ProveRefund { refund_id }),
        StuckStep::ReleasePoints | StuckStep::ClosePayment | StuckStep::SettleMoney => None,
    }
}
