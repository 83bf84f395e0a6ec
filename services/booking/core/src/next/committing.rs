//! Money is final: legs are bought in the order that keeps the undo cheap.

use chrono::{DateTime, Utc};
use contracts::{
    messages::{WantedLeg, WantedPoints},
    mutants::mutant,
};

use super::{closed, lost_leg, unwind};
use crate::{
    cancel, cancel_leg,
    event::Event,
    fact::Deadline,
    state::{Booking, EndWhy, Leg, Phase, Review, ReviewWhy},
};

/// Starts the commitment and buys the first legs.
pub(super) fn start(booking: &Booking, now: DateTime<Utc>) -> Vec<Event> {
    let mut events = vec![Event::CommitStarted];
    if booking.review.is_some_and(|review| review.why == ReviewWhy::MoneyNotFinal) {
        // It is final now; what may hang from here on is a matter of its own.
        events.push(Event::ReviewClosed);
    }
    events.extend(wave(booking, now));
    events
}

pub(super) fn next(booking: &Booking, now: DateTime<Utc>) -> Vec<Event> {
    if let Some(why) = lost_leg(booking) {
        return unwind(booking, Phase::Failed, why, now);
    }
    if let Some(cancellation) = cancel::deferred(booking, now) {
        return super::cancel(booking, cancellation, booking.agreed, now);
    }
    let one_leg = booking.deferred.is_none().then(|| cancel_leg::deferred(booking, now));
    if let Some(events) = one_leg.flatten() {
        return events;
    }
    let unwanted = closed::unwanted(booking, now);
    if !unwanted.is_empty() {
        return unwanted;
    }
    if booking.standing().all(Leg::is_confirmed) {
        // What was bought in place of a hold is wished for as all else is: what becomes of it is
        // told of from then on.
        let mut events: Vec<Event> = to_buy(booking).map(buy).collect();
        events.push(Event::Confirmed);
        if let Some(points) = booking.points.filter(|_| !mutant("points_not_captured")) {
            let version = points.wanted_version.saturating_add(1);
            events.push(Event::PointsWished { version, wanted: WantedPoints::Captured });
        }
        let money_is_away = booking.money_is_away();
        let stays = |review: Review| money_is_away && review.why == ReviewWhy::MoneyReversed;
        if booking.review.is_some_and(|review| !stays(review)) {
            events.push(Event::ReviewClosed);
        }
        return events;
    }
    // What is not bought waits for money that is there: a person looks until it is.
    let reversed = closed::reversed(booking);
    if booking.money_is_away() || !reversed.is_empty() {
        return reversed;
    }
    if booking.payment.is_lost() {
        return unwind(booking, Phase::Failed, EndWhy::PaymentLost, now);
    }
    if to_buy(booking).any(|leg| leg.is_past(now)) {
        return unwind(booking, Phase::Failed, EndWhy::HoldLapsed, now);
    }
    let wave = wave(booking, now);
    if wave.is_empty()
        && booking.deadlines.passed.contains(&Deadline::Commit)
        && booking.review.is_none()
    {
        return vec![Event::ReviewOpened { why: ReviewWhy::CommitStuck, stuck: None }];
    }
    wave
}

/// The legs that are still to be bought.
fn to_buy(booking: &Booking) -> impl Iterator<Item = &Leg> {
    booking.standing().filter(|leg| leg.wanted != WantedLeg::Confirmed && leg.deferred.is_none())
}

/// The legs to buy now, none where the days of one are over: first those that can still be
/// cancelled free, side by side; then the others one at a time, the cheapest to undo first.
fn wave(booking: &Booking, now: DateTime<Utc>) -> Vec<Event> {
    let asked = |leg: &&Leg| leg.wanted == WantedLeg::Confirmed;
    if booking.standing().filter(asked).any(|leg| !leg.is_confirmed()) {
        return Vec::new();
    }
    let mut left: Vec<&Leg> = to_buy(booking).collect();
    if left.iter().any(|leg| leg.is_past(now)) {
        return Vec::new();
    }
    if left.iter().any(|leg| leg.cancels_free(now)) {
        left.retain(|leg| leg.cancels_free(now));
    } else {
        left.sort_by_key(|leg| leg.cancel_fee(now).minor);
        left.truncate(if mutant("all_bought_at_once") { left.len() } else { 1 });
    }
    left.into_iter().map(buy).collect()
}

const fn buy(leg: &Leg) -> Event {
    Event::LegWished {
        leg_id: leg.leg_id,
        version: leg.wanted_version.saturating_add(1),
        wanted: WantedLeg::Confirmed,
    }
}
