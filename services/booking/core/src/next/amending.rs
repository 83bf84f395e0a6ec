//! Another leg is to take the place of one: it is held and bought while the old one stays, and only
//! what is bought puts the old one out.

use chrono::{DateTime, Utc};
use contracts::{messages::WantedLeg, mutants::mutant};

use super::{closed, difference, lost, release};
use crate::{
    amend,
    cancel::leg_fee,
    changed,
    event::Event,
    fact::Deadline,
    state::{Amendment, Booking, EndWhy, Leg, LegCancellation, ReviewWhy},
};

pub(super) fn next(booking: &Booking, now: DateTime<Utc>) -> Vec<Event> {
    let money = closed::money(booking, now);
    if !money.is_empty() {
        return money;
    }
    // What suppliers make of the legs that stay is noted meanwhile; it is answered afterwards.
    let noted = changed::noted_beside(booking, now);
    if !noted.is_empty() {
        return noted;
    }
    let Some((amendment, old, new)) = parties(booking) else {
        return changing_guests(booking, now);
    };
    if let Some(why) = lost(new) {
        return give_up(booking, new, why);
    }
    let buying = new.wanted == WantedLeg::Confirmed;
    let bought = buying && new.is_confirmed();
    if bought || (new.is_held() && mutant("amended_unbought")) {
        return replace(booking, amendment, (old, new), now);
    }
    if let Some(due) = booking.due().filter(|_| !buying) {
        let waits = difference::next(booking, due, new);
        return if waits.is_empty() { closed::review(booking, now) } else { waits };
    }
    if !buying && new.is_past(now) {
        return give_up(booking, new, EndWhy::HoldLapsed);
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

/// Others are being put on a leg: its supplier's word is waited for.
fn changing_guests(booking: &Booking, now: DateTime<Utc>) -> Vec<Event> {
    let late = booking.deadlines.passed.contains(&Deadline::Amend);
    if late && booking.review.is_none() {
        return vec![Event::ReviewOpened { why: ReviewWhy::AmendmentStuck, stuck: None }];
    }
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
    let free = || amend::without_fee(booking, amendment.agreed);
    let is_changed = changed::is_changed(old);
    let free = (is_changed && !old.may_be_used(now)).then(free).flatten();
    let agreed = free.unwrap_or(amendment.agreed);
    // The customer pays what was agreed to, whatever giving it back costs by now: also where the
    // supplier took back meanwhile what it had changed.
    let change = old.change.clone().filter(|_| is_changed);
    let terms = leg_fee(&Leg { change, ..old.clone() }, now).fee;
    let borne = terms.minor.saturating_sub(agreed.fee.minor).max(0);
    let cancellation = LegCancellation { borne, ..agreed };
    let mut events = vec![Event::LegReplaced { leg_id: old.leg_id, by: new.leg_id, cancellation }];
    events.extend(release(old).filter(|_| !mutant("replaced_leg_stays")));
    events.extend(closed::asked_at_once(booking, cancellation.units, now));
    events.extend(looked_at(booking));
    events
}

/// There will be no new one: the booking is what it was.
pub(crate) fn give_up(booking: &Booking, new: &Leg, why: EndWhy) -> Vec<Event> {
    let mut events = vec![Event::AmendmentFailed { leg_id: new.leg_id, why }];
    events.extend(difference::close(booking));
    events.extend(release(new).filter(|_| !mutant("failed_amendment_stays")));
    events.extend(looked_at(booking));
    events
}

/// Whoever was to look at the amendment need not any more.
fn looked_at(booking: &Booking) -> Option<Event> {
    let about = |why| matches!(why, ReviewWhy::AmendmentStuck | ReviewWhy::MoneyNotFinal);
    let was = booking.review.is_some_and(|review| about(review.why));
    was.then_some(Event::ReviewClosed)
}
