//! A supplier in memory that is late, forgetful and silent, by a script of small numbers.
//!
//! Not a stand-in for a real one: it answers in the words of a dialect, so that thousands of odd
//! lives of one leg can be lived in a second.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use contracts::messages::{CallbackClaim, RefusedWhy};
use suppliers::{Answer, SeenReservation, SeenState};

use super::{UNKNOWN, seen};
use crate::{Call, Doing, Fact};

/// What the supplier does with one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mood {
    Good,
    /// Nothing reaches it.
    NotSent,
    /// It does what was asked and nobody hears of it.
    DoneUnheard,
    /// It does nothing and nobody hears of it.
    LostUnheard,
    /// It does it within its longest answer time, after everybody stopped waiting.
    DoneLate,
    Refuses,
    /// It makes two where one was asked for; else it is good.
    Twice,
    /// The process that called is dead; what was asked is done.
    CallerDies,
    /// The process died before it called.
    CallerDiesFirst,
}

pub(crate) const MOODS: [Mood; 9] = [
    Mood::Good,
    Mood::NotSent,
    Mood::DoneUnheard,
    Mood::LostUnheard,
    Mood::DoneLate,
    Mood::Refuses,
    Mood::Twice,
    Mood::CallerDies,
    Mood::CallerDiesFirst,
];

#[derive(Debug, Clone)]
struct Kept {
    client_reference: String,
    state: SeenState,
    shows_at: DateTime<Utc>,
}

/// What really exists.
#[derive(Debug, Default)]
pub(crate) struct Double {
    kept: BTreeMap<String, Kept>,
    late: Vec<(DateTime<Utc>, Call)>,
    made: u32,
    /// Look-ups do not show a new reservation for this long.
    lag: TimeDelta,
}

impl Double {
    pub(crate) fn with_lag(lag: TimeDelta) -> Self {
        Self { lag, ..Self::default() }
    }

    /// References of what is held or bought.
    pub(crate) fn live(&self) -> Vec<&str> {
        let live = |kept: &Kept| kept.state != SeenState::Gone;
        self.kept.iter().filter(|(_, k)| live(k)).map(|(r, _)| r.as_str()).collect()
    }

    /// A callback about an attempt: what the newest reservation of it has become, where one has.
    pub(crate) fn push(&self, call: &Call) -> Fact {
        let ours = |kept: &Kept| kept.client_reference == call.client_reference;
        let newest = self.kept.iter().rfind(|(_, kept)| ours(kept));
        let claim = newest.map(|(_, kept)| match kept.state {
            SeenState::Gone => CallbackClaim::Gone,
            SeenState::Confirmed | SeenState::NoShow => CallbackClaim::Confirmed,
            SeenState::Held { .. } | SeenState::Unclear => CallbackClaim::Made,
        });
        Fact::Hinted {
            callback_id: None,
            client_reference: Some(call.client_reference.clone()),
            reference: newest.map(|(reference, _)| reference.clone()),
            claim,
        }
    }

    pub(crate) fn is_bought(&self, reference: &str) -> bool {
        self.kept.get(reference).is_some_and(|kept| kept.state == SeenState::Confirmed)
    }

    /// Takes a request; the answer, or none when the caller is dead.
    pub(crate) fn ask(&mut self, call: &Call, mood: Mood, now: DateTime<Utc>) -> Option<Answer> {
        match mood {
            Mood::NotSent => Some(Answer::NotSent),
            Mood::LostUnheard => Some(UNKNOWN),
            Mood::CallerDiesFirst => None,
            Mood::Refuses if call.doing.mutates() => Some(Answer::Refused(RefusedWhy::Rejected)),
            Mood::DoneLate if call.doing.mutates() => {
                self.late.push((now + TimeDelta::seconds(20), call.clone()));
                Some(UNKNOWN)
            }
            Mood::DoneUnheard => {
                self.do_it(call, now);
                Some(UNKNOWN)
            }
            Mood::CallerDies => {
                self.do_it(call, now);
                None
            }
            Mood::Twice if matches!(call.doing, Doing::Reserve { .. }) => {
                self.do_it(call, now);
                Some(self.do_it(call, now))
            }
            Mood::Good | Mood::Refuses | Mood::DoneLate | Mood::Twice => {
                Some(self.do_it(call, now))
            }
        }
    }

    /// Does what was put off and is due.
    pub(crate) fn pass(&mut self, now: DateTime<Utc>) {
        let (due, later) =
            std::mem::take(&mut self.late).into_iter().partition(|(at, _)| *at <= now);
        self.late = later;
        for (at, call) in due {
            self.do_it(&call, at);
        }
    }

    fn do_it(&mut self, call: &Call, now: DateTime<Utc>) -> Answer {
        match call.doing {
            Doing::Reserve { hold } => {
                self.made += 1;
                let reference = format!("R{}", self.made);
                let state =
                    if hold { SeenState::Held { until: None } } else { SeenState::Confirmed };
                let client_reference = call.client_reference.clone();
                let shows_at = now + self.lag;
                self.kept.insert(reference.clone(), Kept { client_reference, state, shows_at });
                Answer::Seen(vec![seen(&reference, state)])
            }
            Doing::Confirm => self.change(call, SeenState::Confirmed),
            Doing::Cancel => self.change(call, SeenState::Gone),
            Doing::Amend => Answer::Accepted,
            Doing::LookUp { .. } => {
                let shown = |kept: &&Kept| {
                    kept.client_reference == call.client_reference && kept.shows_at <= now
                };
                let found: Vec<SeenReservation> = self
                    .kept
                    .iter()
                    .filter(|(_, kept)| shown(kept))
                    .map(|(reference, kept)| seen(reference, kept.state))
                    .collect();
                if found.is_empty() { Answer::NotFound } else { Answer::Seen(found) }
            }
        }
    }

    fn change(&mut self, call: &Call, to: SeenState) -> Answer {
        let reference = call.reference.as_deref().unwrap();
        let kept = self.kept.get_mut(reference).unwrap();
        if kept.state == SeenState::Gone {
            return Answer::Refused(RefusedWhy::Rejected);
        }
        kept.state = to;
        Answer::Accepted
    }
}
