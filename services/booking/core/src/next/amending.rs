//! Another leg is to take the place of one: it is held and bought while the old one stays, and only
//! what is bought puts the old one out.

use chrono::{DateTime, Utc};
use contracts::{messages::WantedLeg, mutants::mutant};

use super::{asked, closed, lost, release};
use crate::{
    amend,
    event::Event,
    fact::Deadline,
    state::{Amendment, Booking, EndWhy, Leg, ReviewWhy},
};

pub(super) fn next(booking: &Booking, now: DateTime<Utc>) -> Vec<Event> {
    let addressed = closed::addressed(booking, now);
    if !addressed.is_empty() {
        return addressed;
    }
    let reversed = closed::reversed(booking);
    if !reversed.is_empty() {
        return reversed;
    }
    let Some((amendment, old, new)) = parties(booking) else { return Vec::new() };
    if let Some(why) = lost(new) {
        return give_up(booking, new, why);
    }
    let buying = new.wanted == WantedLeg::Confirmed;
    let bought = buying && new.is_confirmed();
    if bought || (new.is_held() && mutant("amended_unbought")) {
        return replace(booking, amendment, (old, new), now);
    }
    if new.is_held() && !buying {
        return vec![Event::LegWished {
            leg_id: new.leg_id,
            version: new.wanted_version.saturating_add(1),
            wanted: WantedLeg::Confirmed,
        }];
    }
    let late = booking.deadlines.passed.contains(&Deadline::Amend);
    if late && !buying {
        return give_up(booking, new, EndWhy::NotHeldInTime);
    }
    if late && booking.review.is_none() {
        // It may be bought: nobody gives it up unlooked at, and nobody gives up the old one for it.
        return vec![Event::ReviewOpened { why: ReviewWhy::AmendmentStuck, stuck: None }];
    }
    // A leg that was cancelled alone may not go, or its money may not arrive.
    closed::review(booking, now)
}

/// The amendment, the leg that is to go and the one that is to come.
fn parties(booking: &Booking) -> Option<(&Amendment, &Leg, &Leg)> {
    let amendment = booking.amendment.as_ref()?;
    let leg = |leg_id| booking.legs.iter().find(|leg| leg.leg_id == leg_id);
    Some((amendment, leg(amendment.leg_id)?, leg(amendment.by)?))
}

/// The new one is bought: the old one goes, and so does what it cost more.
fn replace(
    booking: &Booking,
    amendment: &Amendment,
    (old, new): (&Leg, &Leg),
    now: DateTime<Utc>,
) -> Vec<Event> {
    let free = lost(old).and_then(|_| amend::without_fee(booking, old, new));
    let cancellation = free.unwrap_or(amendment.agreed);
    let mut events = vec![Event::LegReplaced { leg_id: old.leg_id, by: new.leg_id, cancellation }];
    events.extend(release(old).filter(|_| !mutant("replaced_leg_stays")));
    if !cancellation.units.is_zero() && !mutant("difference_kept") {
        let to = booking.refund_to().map(str::to_owned);
        events.push(asked(booking, cancellation.units, to, now));
    }
    events.extend(looked_at(booking));
    events
}

/// There will be no new one: the booking is what it was.
fn give_up(booking: &Booking, new: &Leg, why: EndWhy) -> Vec<Event> {
    let mut events = vec![Event::AmendmentFailed { leg_id: new.leg_id, why }];
    events.extend(release(new).filter(|_| !mutant("failed_amendment_stays")));
    events.extend(looked_at(booking));
    events
}

/// Whoever was to look at the amendment need not any more.
fn looked_at(booking: &Booking) -> Option<Event> {
    let was = booking.review.is_some_and(|review| review.why == ReviewWhy::AmendmentStuck);
    was.then_some(Event::ReviewClosed)
}
