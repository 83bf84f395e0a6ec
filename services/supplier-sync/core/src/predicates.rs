//! What must hold of a leg after every step, said without the rules that make it hold.
//!
//! Each function reads the journal, or the leg it folds to, and gives what is wrong with it. Tests
//! and the simulator call them all through [`broken`].

use chrono::{DateTime, Utc};
use contracts::messages::{GuestsEnd, LegState, WantedLeg};

use crate::{
    event::{Event, Outcome, Recorded},
    evidence::{Reservation, Stage},
    evolve,
    next::is_left_there,
    policy::Policy,
    state::{Attempt, Doing, Leg, State},
    wake_at,
};

/// Everything that is wrong with a journal, as sentences.
#[must_use]
pub fn broken(journal: &[Recorded], policy: &Policy) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut state: State = None;
    for recorded in journal {
        if let Some(leg) = state.as_deref() {
            wrong.extend(one_at_a_time(leg, recorded, policy));
            wrong.extend(nothing_bought_unread(leg, recorded));
            wrong.extend(versions_grow(leg, recorded));
        }
        wrong.extend(no_blind_retry(journal, recorded, policy));
        wrong.extend(sent_once(journal, recorded));
        state = evolve(state, recorded);
        if let Some(leg) = state.as_deref() {
            wrong.extend(told_is_true(leg, recorded));
            wrong.extend(told_gone_is_gone(leg, recorded, policy));
            wrong.extend(told_of_guests_is_true(journal, recorded));
        }
        if let Event::InvariantBroken { what } = &recorded.event {
            wrong.push(what.clone());
        }
    }
    wrong.extend(state.as_deref().and_then(|leg| evidence_is_never_lost(leg, policy)));
    wrong.extend(state.as_deref().and_then(seen_was_sent));
    wrong
}

/// What the supplier shows was sent, whatever it answered: it is swept like anything that was.
fn seen_was_sent(leg: &Leg) -> Option<String> {
    let unsent = |one: &&Attempt| !one.reservations.is_empty() && one.sent_until.is_none();
    let attempt = leg.attempts.iter().find(unsent)?;
    Some(format!("attempt {} shows at the supplier and passes for never sent", attempt.number))
}

/// What is bought was read before: an answer to a hold that does not say for which days it is may
/// hold others.
fn nothing_bought_unread(before: &Leg, recorded: &Recorded) -> Option<String> {
    let Event::Began { doing: Doing::Confirm, reference, .. } = &recorded.event else {
        return None;
    };
    let held = |(_, one, _): &(u32, &str, &Reservation)| Some(*one) == reference.as_deref();
    let read = before.reservations().find(held).is_some_and(|(.., held)| held.is_read());
    (!read).then(|| format!("{reference:?} is bought, and nobody has read what it is"))
}

/// Each event has the next version.
fn versions_grow(before: &Leg, recorded: &Recorded) -> Option<String> {
    let next = before.version.saturating_add(1);
    (recorded.version != next)
        .then(|| format!("version {} after {}", recorded.version, before.version))
}

/// Nothing that changes something is sent while something else is under way or in doubt.
fn one_at_a_time(before: &Leg, recorded: &Recorded, policy: &Policy) -> Option<String> {
    let Event::Began { exchange, doing, .. } = &recorded.event else { return None };
    if before.in_flight.is_some() {
        return Some(format!("exchange {exchange} begins while another one is under way"));
    }
    let doubt = before.in_doubt_since(policy).filter(|_| doing.mutates())?;
    Some(format!("exchange {exchange} changes something, in doubt since {doubt}"))
}

/// A reservation that exists and is not wanted is being released, or will be looked after, or its
/// supplier kept it until the stay was over, and that was told.
#[must_use]
pub fn evidence_is_never_lost(leg: &Leg, policy: &Policy) -> Option<String> {
    let chosen = match leg.wanted {
        WantedLeg::Released => None,
        WantedLeg::Held | WantedLeg::Confirmed => leg.chosen(policy).map(|(_, one, _)| one),
    };
    let live = leg.live(policy).filter(|(_, _, one)| !is_left_there(leg, one, policy));
    let unwanted: Vec<&str> =
        live.map(|(_, one, _)| one).filter(|one| Some(*one) != chosen).collect();
    let owned = leg.in_flight.is_some() || wake_at(leg, policy).is_some();
    (!unwanted.is_empty() && !owned).then(|| format!("nobody releases {unwanted:?}"))
}

/// A new attempt is made only when the one before it surely never was sent, or was not found twice,
/// the later time after everything that was sent could have ended and shown. So there is one client
/// reference at a time.
fn no_blind_retry(journal: &[Recorded], made: &Recorded, policy: &Policy) -> Option<String> {
    let Event::AttemptMade { attempt, .. } = made.event else { return None };
    let before = attempt.checked_sub(1).filter(|before| *before > 0)?;
    let past: Vec<&Recorded> = journal.iter().filter(|r| r.version < made.version).collect();
    let declares = |event: &Event| {
        let Event::DeclaredAbsent { attempt, reference, .. } = event else { return false };
        *attempt == before && reference.is_none()
    };
    let declared = past.iter().find(|r| declares(&r.event)).map(|r| r.at);
    let sends = exchanges(&past, before, |doing| matches!(doing, Doing::Reserve { .. }));
    let looks = exchanges(&past, before, |doing| !doing.mutates());
    let sent_until = sends.iter().filter_map(|send| send.left_until()).max()?;
    if declared.is_some_and(|at| at >= sent_until + policy.window()) {
        return None;
    }
    let found_nothing = looks.iter().filter(|look| look.outcome == Some(&Outcome::NotFound));
    let mut asked: Vec<DateTime<Utc>> = found_nothing.map(|look| look.began_at).collect();
    asked.sort();
    asked.dedup();
    let late = asked.last().is_some_and(|at| *at >= sent_until + policy.window());
    (asked.len() < 2 || !late)
        .then(|| format!("attempt {attempt} without proof that {before} is dead"))
}

/// A reserve that may have arrived is looked up, and never sent again.
fn sent_once(journal: &[Recorded], began: &Recorded) -> Option<String> {
    let Event::Began { doing: Doing::Reserve { .. }, attempt, .. } = began.event else {
        return None;
    };
    let past: Vec<&Recorded> = journal.iter().filter(|r| r.version < began.version).collect();
    let sends = exchanges(&past, attempt, |doing| matches!(doing, Doing::Reserve { .. }));
    let arrived = sends.iter().any(|send| send.left_until().is_some());
    arrived.then(|| format!("attempt {attempt} is sent again, although it may have arrived"))
}

/// What the booking is told is gone is not there, as far as is known.
fn told_gone_is_gone(leg: &Leg, recorded: &Recorded, policy: &Policy) -> Option<String> {
    let Event::Told { state: LegState::Gone { .. }, .. } = &recorded.event else { return None };
    let (_, reference, _) = leg.live(policy).next()?;
    Some(format!("told that it is gone, and {reference} is there"))
}

/// What the booking is told is bought is bought, and is what was ordered.
fn told_is_true(leg: &Leg, recorded: &Recorded) -> Option<String> {
    let Event::Told { state: LegState::Confirmed { reference }, .. } = &recorded.event else {
        return None;
    };
    let mut all = leg.reservations();
    let Some((_, _, reservation)) = all.find(|(_, known, _)| known == reference) else {
        return Some(format!("told of {reference}, which nobody has seen"));
    };
    let odd = reservation.content.as_ref().is_some_and(|content| content.differs_from(&leg.order))
        && !reservation.is_adopted();
    let bought = reservation.stage == Stage::Confirmed;
    (!bought || (odd && reservation.odd_reads >= 2))
        .then(|| format!("told that {reference} is bought, and it is not, or not as ordered"))
}

/// That others are on what is bought is told on the supplier's word or on what it shows; that it
/// was kept is never told against its word.
fn told_of_guests_is_true(journal: &[Recorded], recorded: &Recorded) -> Option<String> {
    let Event::GuestsSettled { version, end, .. } = &recorded.event else { return None };
    let past: Vec<&Recorded> = journal.iter().filter(|r| r.version < recorded.version).collect();
    let wish =
        |event: &Event| matches!(event, Event::GuestsWanted { version: v, .. } if v == version);
    let wished = past.iter().find(|r| wish(&r.event))?;
    let amends = |number: u32| {
        past.iter().any(|r| {
            let began = matches!(&r.event, Event::Began { exchange, doing: Doing::Amend, .. }
                if *exchange == number);
            began && r.version > wished.version
        })
    };
    let word = past.iter().any(|r| {
        let Event::Answered { exchange, outcome } = &r.event else { return false };
        *outcome == Outcome::Accepted && amends(*exchange)
    });
    let shown = past.iter().filter(|r| r.version > wished.version).any(|r| {
        let Event::Answered { outcome: Outcome::Seen { reservations }, .. } = &r.event else {
            return false;
        };
        reservations.iter().any(|one| one.as_wanted == Some(true))
    });
    match end {
        GuestsEnd::Changed => {
            (!word && !shown).then(|| "told of other guests, whom nobody has seen".to_owned())
        }
        GuestsEnd::Kept { .. } => word.then(|| "told that guests stay who were changed".to_owned()),
    }
}

/// One exchange, as the journal has it.
struct Past<'a> {
    began_at: DateTime<Utc>,
    lease_until: DateTime<Utc>,
    ended_at: Option<DateTime<Utc>>,
    outcome: Option<&'a Outcome>,
}

impl Past<'_> {
    /// When its last byte can have left; nothing when surely none did.
    fn left_until(&self) -> Option<DateTime<Utc>> {
        match self.outcome {
            Some(outcome) => self.ended_at.filter(|_| outcome.may_have_been_sent()),
            None => Some(self.lease_until),
        }
    }
}

fn exchanges<'a>(
    journal: &[&'a Recorded],
    of: u32,
    wanted: impl Fn(Doing) -> bool,
) -> Vec<Past<'a>> {
    let mut found = Vec::new();
    for recorded in journal {
        let Event::Began { exchange, doing, attempt, lease_until, .. } = &recorded.event else {
            continue;
        };
        if *attempt != of || !wanted(*doing) {
            continue;
        }
        let end = journal.iter().find_map(|r| {
            let Event::Answered { exchange: n, outcome } = &r.event else { return None };
            (n == exchange).then_some((r.at, outcome))
        });
        found.push(Past {
            began_at: recorded.at,
            lease_until: *lease_until,
            ended_at: end.map(|(at, _)| at),
            outcome: end.map(|(_, outcome)| outcome),
        });
    }
    found
}
