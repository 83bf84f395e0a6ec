//! When to look again: the ladder of what is in doubt, callbacks, and the standing sweep of
//! everything that was sent and is not proven gone.

use chrono::{DateTime, Days, NaiveTime, Utc};
use contracts::{messages::WantedLeg, mutants::mutant};

use crate::{
    evidence::{OpenWhy, Reservation, Stage},
    next,
    policy::Policy,
    state::{Attempt, Leg, LookUpWhy, Looks},
};

/// A look-up that is to be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Look {
    pub(crate) at: DateTime<Utc>,
    pub(crate) attempt: u32,
    pub(crate) why: LookUpWhy,
}

/// When the leg has to be woken if nothing happens before; nothing when it is at rest for good.
#[must_use]
pub fn wake_at(leg: &Leg, policy: &Policy) -> Option<DateTime<Utc>> {
    if let Some(exchange) = &leg.in_flight {
        return Some(exchange.lease_until);
    }
    let look = next_look(leg, policy).map(|look| look.at);
    let sending = next::sending(leg, policy).map(|sending| sending.at);
    look.into_iter().chain(sending).min()
}

/// The look-up that is due first.
pub(crate) fn next_look(leg: &Leg, policy: &Policy) -> Option<Look> {
    let each = leg.attempts.iter().filter_map(|attempt| look_at(leg, attempt, policy));
    each.min()
}

fn look_at(leg: &Leg, attempt: &Attempt, policy: &Policy) -> Option<Look> {
    let candidates = [
        (doubt_at(leg, attempt, policy), LookUpWhy::Doubt),
        (hint_at(attempt, policy), LookUpWhy::Hint),
        (sweep_at(leg, attempt, policy), LookUpWhy::Sweep),
        (attempt.asked.map(|asked| asked.at), LookUpWhy::Staff),
    ];
    let due = candidates.into_iter().filter_map(|(at, why)| at.map(|at| (at, why)));
    let (at, why) = due.min_by_key(|(at, _)| *at)?;
    Some(Look {
        at: not_before(attempt, policy).map_or(at, |floor| at.max(floor)),
        attempt: attempt.number,
        why,
    })
}

/// Look-ups that bring no answer back off along the ladder too; those that could not be sent go out
/// again at once, and then ever more slowly. Whoever asks after that is not kept waiting.
fn not_before(attempt: &Attempt, policy: &Policy) -> Option<DateTime<Utc>> {
    let Looks { failed, last_at, not_sent, .. } = attempt.looks;
    let unsent = not_sent.map(|tries| (tries.last_at, tries.again_at(policy.ladder_wait_max())));
    let silent = failed.checked_sub(1).zip(last_at);
    let silent = silent.map(|(failed, at)| (at, at + policy.ladder_wait(failed)));
    let (since, floor) = unsent.or(silent)?;
    attempt.asked.is_none_or(|asked| asked.at <= since).then_some(floor)
}

/// Something that a look-up may settle.
struct Doubt {
    since: DateTime<Utc>,
    /// Whether the first look-up goes out at once, because nothing can still be on its way.
    at_once: bool,
    /// From when on a look-up settles it for sure; none is wasted by coming just before.
    settled_from: Option<DateTime<Utc>>,
}

fn doubt_at(leg: &Leg, attempt: &Attempt, policy: &Policy) -> Option<DateTime<Utc>> {
    let blind = attempt.in_doubt_since().map(|since| Doubt {
        since,
        at_once: false,
        settled_from: attempt.window_ends_at(policy),
    });
    let named = attempt.reservations.values();
    let named = named.filter_map(|reservation| doubt_about(leg, attempt, reservation, policy));
    let tried = leg.open_try(policy).filter(|open| open.attempt == attempt.number);
    let tried = tried.map(|open| Doubt {
        since: open.since,
        at_once: open.is_over(),
        settled_from: open.settled_from(policy),
    });
    blind.into_iter().chain(named).chain(tried).map(|doubt| rung(attempt, &doubt, policy)).min()
}

fn doubt_about(
    leg: &Leg,
    attempt: &Attempt,
    reservation: &Reservation,
    policy: &Policy,
) -> Option<Doubt> {
    if !reservation.is_live(policy) {
        return None;
    }
    if let (Some(open), Some(since)) = (reservation.open, reservation.in_doubt_since(policy)) {
        let (at_once, settled_from) = match open.why {
            OpenWhy::Unknown { until } => (false, Some(until + policy.answer_within_max)),
            OpenWhy::Refused { .. } if open.buying => (true, None),
            OpenWhy::Refused { .. } => (true, Some(open.since + policy.answer_within_max)),
            OpenWhy::NoHandle => (true, None),
        };
        return Some(Doubt { since, at_once, settled_from });
    }
    let wanted = leg.wanted != WantedLeg::Released;
    // A mismatch that outlasts the ladder is a case for a person, and the sweep's to look after.
    let odd = reservation.odd_reads > 0 && !is_spent(attempt, policy);
    // Not every answer to a reserve says what it is; that is read before it is bought, or told of
    // as bought.
    let there = matches!(reservation.stage, Stage::Held | Stage::Confirmed);
    let unread = there && !reservation.is_read();
    let unclear = reservation.stage == Stage::Listed || (wanted && (odd || unread));
    let at_once = unread && leg.wanted == WantedLeg::Confirmed;
    let since = reservation.first_seen_at;
    unclear.then_some(Doubt { since, at_once, settled_from: None })
}

/// Whether every wait of the ladder was waited.
fn is_spent(attempt: &Attempt, policy: &Policy) -> bool {
    usize::try_from(attempt.looks.in_doubt).is_ok_and(|done| done >= policy.ladder.len())
}

/// The instant of the next rung.
fn rung(attempt: &Attempt, doubt: &Doubt, policy: &Policy) -> DateTime<Utc> {
    let looks = &attempt.looks;
    let last = looks.last_at.map_or(doubt.since, |at| at.max(doubt.since));
    let at = match (doubt.at_once, looks.in_doubt) {
        // Whatever the clock said then: it may have been put back since.
        (true, 0) => DateTime::UNIX_EPOCH,
        (true, done) => last + policy.ladder_wait(done.saturating_sub(1)),
        (false, done) => last + policy.ladder_wait(done),
    };
    let settled = doubt.settled_from.filter(|from| *from > last && *from < at);
    settled.unwrap_or(at)
}

/// Callbacks that come together cause one look-up, after the last of them. Those that say what the
/// supplier's own answers have said wait for a look-up that is made anyway, and no longer than the
/// first sweep does.
fn hint_at(attempt: &Attempt, policy: &Policy) -> Option<DateTime<Utc>> {
    let hint = attempt.hint.as_ref()?;
    if attempt.is_echoed_by(hint) {
        return Some(hint.last_at + policy.window());
    }
    Some((hint.last_at + policy.hint_settles_for).min(hint.first_at + policy.hint_waits_max))
}

fn sweep_at(leg: &Leg, attempt: &Attempt, policy: &Policy) -> Option<DateTime<Utc>> {
    if attempt.is_proven_gone(policy) || mutant("never_swept") {
        return None;
    }
    let first = attempt.window_ends_at(policy)?;
    // A look-up that was made late enough for another reason is as good as the first sweep.
    let covered = attempt.looks.whole_asked_at.filter(|asked| *asked >= first);
    let regular = match attempt.looks.last_swept_at.or(covered) {
        Some(last) => last + policy.sweep_wait(attempt.looks.swept),
        None => first,
    };
    let at = lapse_at(attempt, policy).map_or(regular, |lapse| lapse.min(regular));
    (at < swept_until(leg)).then_some(at)
}

/// A hold that ran out shows as gone by then.
fn lapse_at(attempt: &Attempt, policy: &Policy) -> Option<DateTime<Utc>> {
    let held = attempt.reservations.values().filter(|r| r.stage == Stage::Held);
    let lapses = held.filter_map(|r| r.until).map(|until| until + policy.visible_after_max);
    lapses.filter(|at| attempt.looks.whole_asked_at.is_none_or(|asked| asked < *at)).min()
}

/// The end of the day after check-out, in UTC.
pub(crate) fn swept_until(leg: &Leg) -> DateTime<Utc> {
    let end = leg.order.check_out.checked_add_days(Days::new(2)).unwrap_or(leg.order.check_out);
    end.and_time(NaiveTime::MIN).and_utc()
}
