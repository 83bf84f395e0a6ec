//! A booking that waits for a person: who looks into it, and what is safe to do about it.
//!
//! No act closes a review: it closes when what it was opened for is over.

use chrono::{DateTime, Utc};
use contracts::{
    ids::LegId,
    internal::{ReviewAct, SafeAct},
    messages::WantedLeg,
};

use crate::{
    changed,
    command::{Refusal, Settle},
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
        // They name a leg, and are asked for as such.
        (ReviewAct::LeaveLeg | ReviewAct::GiveBackLeg, _) => Err(Refusal::NotSafe),
    }
}

/// Settles a leg by hand. Who does has to look into it: what follows may be money, and nobody lets
/// go what they asked for.
pub(crate) fn settle(
    booking: &Booking,
    (leg_id, how): (LegId, Settle),
    (by, why): (&str, &str),
    now: DateTime<Utc>,
) -> Result<Vec<Event>, Refusal> {
    let leg = booking.legs.iter().find(|leg| leg.leg_id == leg_id).ok_or(Refusal::NoSuchLeg)?;
    if leg.left_there && how == Settle::LeaveThere && !leg.owes_points() {
        // The same click again.
        return Ok(Vec::new());
    }
    let act = match how {
        Settle::LeaveThere => SafeAct::LeaveLeg { leg_id },
        Settle::GiveBack => SafeAct::GiveBackLeg { leg_id },
    };
    if let Some(other) = booking.reviewer.as_ref().filter(|reviewer| reviewer.name != by) {
        return Err(Refusal::TakenBy { name: other.name.clone() });
    }
    if !safe_acts(booking, now).contains(&act) {
        return Err(Refusal::NotSafe);
    }
    let (by, why) = (by.to_owned(), why.to_owned());
    Ok(match how {
        Settle::LeaveThere => {
            vec![Event::LegLeftThere { leg_id, by: Some(by), why: Some(why) }]
        }
        Settle::GiveBack => {
            let mut events = vec![Event::LegGivenBack { leg_id, by, why }];
            events.extend(changed::given_back(booking, leg, now));
            events
        }
    })
}

/// What can be done at `now`, and where; nothing when the booking waits for nobody.
#[must_use]
pub fn safe_acts(booking: &Booking, now: DateTime<Utc>) -> Vec<SafeAct> {
    let Some(review) = booking.review else { return Vec::new() };
    let mut safe = vec![match booking.reviewer {
        None => SafeAct::Take {},
        Some(_) => SafeAct::Release {},
    }];
    safe.extend(about(booking, review));
    if booking.reviewer.is_some() {
        safe.extend(by_hand(booking, review, now));
    }
    safe
}

/// What whoever looks into it can settle: a leg that its supplier does not take back for good, what
/// it changed where the customer's time to answer is over or they may have used it, and points that
/// had to be made good.
fn by_hand(booking: &Booking, review: Review, now: DateTime<Utc>) -> Vec<SafeAct> {
    if let Some(Stuck {
        step: StuckStep::ReleaseLeg { leg_id }, reason: StuckWhy::Refused, ..
    }) = review.stuck
    {
        let mut legs = booking.legs.iter().filter(|leg| leg.leg_id == leg_id);
        // One that stands is there for good: what was refused is a second one beside it.
        let to_go = legs.any(|leg| leg.wanted == WantedLeg::Released);
        return Vec::from_iter(to_go.then_some(SafeAct::LeaveLeg { leg_id }));
    }
    let open = |leg: &&Leg| {
        let change = leg.change.as_ref();
        review.why.is_the_suppliers()
            && change.is_some_and(|change| change.late || leg.may_be_used(now))
    };
    let each = |leg: &Leg| {
        let leg_id = leg.leg_id;
        // What nobody can have used is no leg to be paid for.
        let leave = leg.may_be_used(now).then_some(SafeAct::LeaveLeg { leg_id });
        leave.into_iter().chain([SafeAct::GiveBackLeg { leg_id }])
    };
    let owes = booking.legs.iter().filter(|leg| leg.owes_points());
    let made_good = owes.map(|leg| SafeAct::LeaveLeg { leg_id: leg.leg_id });
    booking.standing().filter(open).flat_map(each).chain(made_good).collect()
}

fn about(booking: &Booking, review: Review) -> Vec<SafeAct> {
    let repair = |leg: &Leg| SafeAct::RepairLeg { leg_id: leg.leg_id };
    match review.why {
        ReviewWhy::Stuck => review.stuck.map(unstick).unwrap_or_default(),
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
        // It may be mined again; what a card's holder got back is lost.
        ReviewWhy::MoneyReversed => vec![SafeAct::WriteOffMoney {}],
        // Blocks are waited for; a broken rule is for an engineer.
        ReviewWhy::MoneyNotFinal | ReviewWhy::InvariantBroken => Vec::new(),
    }
}

/// What helps a step of the undo that does not go on.
fn unstick(stuck: Stuck) -> Vec<SafeAct> {
    match stuck.step {
        StuckStep::ReleaseLeg { leg_id } => vec![SafeAct::RepairLeg { leg_id }],
        StuckStep::SendRefund { .. } if stuck.reason == StuckWhy::Refused => {
            vec![SafeAct::AskForAddress {}]
        }
        StuckStep::SendRefund { refund_id } => {
            vec![SafeAct::ProveRefund { refund_id }, SafeAct::SettleRefund { refund_id }]
        }
        StuckStep::ReleasePoints | StuckStep::ClosePayment | StuckStep::SettleMoney => Vec::new(),
    }
}
