//! Others on what is bought, in the reservation that is there: what was tried, what a look-up
//! shows of it, and what follows.
//!
//! A try whose outcome is not known is looked up, and the names that are shown decide. Only when
//! nothing of it can still come is it tried again, which does no harm: the same names again are the
//! same.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use contracts::messages::{GuestsEnd, LegEvidence, RefusedWhy, WantedLeg};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    event::{Event, Outcome, Seen, SeenStage},
    evidence::{NotSent, OpenWhy, Reading, Reservation, Shown, Stage},
    policy::Policy,
    state::{Exchange, Leg},
};

/// Tries of one wish that may have arrived; what is shown unchanged after so many stays so.
const TRIES_MAX: u32 = 3;

/// Others who are wanted on what is bought.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Guests {
    pub version: u32,
    /// Under which the booking tells who they are.
    pub party: Uuid,
    /// Only exchanges with a higher number are of this wish.
    pub after_exchange: u32,
    /// Tries that may have arrived.
    pub tries: u32,
    /// The newest try, while it is not known how it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub open: Option<OpenTry>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_sent: Option<NotSent>,
    /// How it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<GuestsEnd>,
    /// What showed that they are on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shown: Option<Shown>,
    /// Whether the booking was told.
    pub told: bool,
}

/// A try that ended without saying whether it was done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OpenTry {
    pub exchange: u32,
    pub attempt: u32,
    /// The reservation.
    pub reference: String,
    pub why: OpenWhy,
    pub since: DateTime<Utc>,
    /// The newest look-up after it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read: Option<NamesRead>,
}

/// What a look-up showed of the names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NamesRead {
    pub exchange: u32,
    pub asked_at: DateTime<Utc>,
    /// Whether they are those that are wanted; nothing where that could not be compared.
    pub as_wanted: Option<bool>,
}

impl OpenTry {
    /// When a look-up settles it for sure.
    pub(crate) fn settled_from(&self, policy: &Policy) -> Option<DateTime<Utc>> {
        match self.why {
            OpenWhy::Unknown { until } => Some(until + policy.answer_within_max),
            OpenWhy::Refused { .. } | OpenWhy::NoHandle => None,
        }
    }

    /// Whether nothing can still be on its way.
    pub(crate) const fn is_over(&self) -> bool {
        match self.why {
            OpenWhy::Unknown { .. } => false,
            OpenWhy::Refused { .. } | OpenWhy::NoHandle => true,
        }
    }

    fn is_settled(&self, policy: &Policy) -> bool {
        let from = self.settled_from(policy);
        self.read.is_some_and(|read| from.is_none_or(|from| read.asked_at >= from))
    }

    fn as_wanted(&self) -> Option<bool> {
        self.read.and_then(|read| read.as_wanted)
    }
}

impl Guests {
    /// A new wish; what an earlier one left open stays so.
    pub(crate) fn wanted(before: Option<Self>, version: u32, party: Uuid, exchanges: u32) -> Self {
        Self {
            version,
            party,
            after_exchange: exchanges,
            tries: 0,
            open: before.and_then(|before| before.open),
            not_sent: None,
            end: None,
            shown: None,
            told: false,
        }
    }

    /// A try ended.
    pub(crate) fn tried(&mut self, exchange: &Exchange, outcome: &Outcome, at: DateTime<Utc>) {
        let older = self.open.as_ref().is_some_and(|open| exchange.number < open.exchange);
        if self.end.is_some() || (older && *outcome != Outcome::Accepted) {
            return;
        }
        let own = exchange.number > self.after_exchange;
        let why = match outcome {
            Outcome::NotSent | Outcome::PutOff { .. } | Outcome::TurnedAway => {
                self.not_sent = Some(NotSent::again(self.not_sent, at, outcome.put_off_until()));
                return;
            }
            Outcome::NoHandle => {
                let known = self.open.as_ref().is_some_and(|open| open.why == OpenWhy::NoHandle);
                if known && own {
                    // The supplier shows no way to change it.
                    self.end = Some(GuestsEnd::Kept { why: RefusedWhy::Rejected });
                    self.open = None;
                    return;
                }
                OpenWhy::NoHandle
            }
            Outcome::Accepted if own => {
                let source = exchange.doing.evidence();
                return self.done(Shown { exchange: exchange.number, source });
            }
            Outcome::Refused { why, .. } => OpenWhy::Refused { why: *why },
            Outcome::Accepted
            | Outcome::Unknown
            | Outcome::Misnamed
            | Outcome::NotFound
            | Outcome::Seen { .. } => OpenWhy::Unknown { until: at },
        };
        self.tries = self.tries.saturating_add(u32::from(own && why != OpenWhy::NoHandle));
        self.not_sent = None;
        self.open = Some(OpenTry {
            exchange: exchange.number,
            attempt: exchange.attempt,
            reference: exchange.reference.clone().unwrap_or_default(),
            why,
            since: at,
            read: None,
        });
    }

    /// A look-up showed these.
    pub(crate) fn looked(&mut self, seen: &[Seen], reading: Reading) {
        let Some(open) = &mut self.open else { return };
        let Some(one) = seen.iter().find(|one| one.reference == open.reference) else { return };
        let newest = open.read.map_or(open.exchange, |read| read.exchange);
        if reading.exchange <= newest {
            return;
        }
        let as_wanted = one.as_wanted;
        open.read =
            Some(NamesRead { exchange: reading.exchange, asked_at: reading.asked_at, as_wanted });
        if as_wanted == Some(true) && self.tries > 0 && self.end.is_none() {
            self.done(reading.shown());
        }
    }

    fn done(&mut self, shown: Shown) {
        self.tries = self.tries.max(1);
        (self.end, self.shown, self.open) = (Some(GuestsEnd::Changed), Some(shown), None);
    }

    /// Under which the booking tells who is on it, as far as anybody knows.
    pub(crate) fn naming(&self) -> Option<Naming> {
        match self.end {
            None => Some(Naming { party: self.party, decides: self.tries > 0 }),
            Some(GuestsEnd::Changed) => Some(Naming { party: self.party, decides: false }),
            Some(GuestsEnd::Kept { .. }) => None,
        }
    }
}

/// Whose names a call is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Naming {
    /// Under which the booking tells who they are.
    pub party: Uuid,
    /// Whether what is shown decides if they are on it.
    pub decides: bool,
}

impl Leg {
    /// The try that has to be looked into; until that settles it nothing else is sent, unless it
    /// was not sent for want of a way.
    pub(crate) fn open_try(&self, policy: &Policy) -> Option<&OpenTry> {
        let open = self.guests.as_ref()?.open.as_ref()?;
        let there = self.live(policy).any(|(_, reference, _)| reference == open.reference);
        (there && !open.is_settled(policy)).then_some(open)
    }
}

/// How a wish ended, if it did and the booking was not told.
pub(crate) fn settled(leg: &Leg, policy: &Policy, now: DateTime<Utc>) -> Option<Event> {
    let guests = leg.guests.as_ref().filter(|guests| !guests.told)?;
    let end = guests.end.or_else(|| kept(leg, guests, policy, now))?;
    Some(Event::GuestsSettled {
        version: guests.version,
        end,
        evidence: guests.shown.and_then(|shown| evidence(leg, shown)),
    })
}

/// Why they are surely not on it, and are not to be any more.
fn kept(leg: &Leg, guests: &Guests, policy: &Policy, now: DateTime<Utc>) -> Option<GuestsEnd> {
    if leg.is_mutating() || leg.open_try(policy).is_some() {
        return None;
    }
    let because = |why| Some(GuestsEnd::Kept { why });
    let Some((_, reference, _)) = subject(leg, policy) else {
        return because(RefusedWhy::Rejected);
    };
    let open = guests.open.as_ref().filter(|open| open.reference == reference);
    let unchanged = guests.tries == 0 || open.is_some_and(|o| o.as_wanted() == Some(false));
    let late = |tries: NotSent| tries.first_at + policy.retry_not_sent_for <= now;
    if guests.not_sent.is_some_and(late) && unchanged {
        return because(RefusedWhy::CouldNotBeSent);
    }
    match open?.why {
        OpenWhy::Refused { why } if unchanged || guests.tries == 1 => because(why),
        OpenWhy::Unknown { .. } if unchanged && guests.tries >= TRIES_MAX => {
            because(RefusedWhy::Unavailable)
        }
        OpenWhy::Refused { .. } | OpenWhy::Unknown { .. } | OpenWhy::NoHandle => None,
    }
}

/// The reservation that they are wanted on: bought, wanted, and as it was ordered.
fn subject<'a>(leg: &'a Leg, policy: &Policy) -> Option<(u32, &'a str, &'a Reservation)> {
    let chosen = leg.chosen(policy).filter(|_| leg.wanted == WantedLeg::Confirmed)?;
    let (_, reference, reservation) = chosen;
    let good = reservation.stage == Stage::Confirmed && !leg.is_mismatched(reference, reservation);
    good.then_some(chosen)
}

/// A reservation with the number of its attempt and its reference.
type Subject<'a> = (u32, &'a str, &'a Reservation);

/// The reservation that is to be changed, and not before when; nothing before a try that was made
/// is looked into.
pub(crate) fn sending<'a>(
    leg: &'a Leg,
    policy: &Policy,
    wait_max: TimeDelta,
) -> Option<(DateTime<Utc>, Subject<'a>)> {
    let guests = leg.guests.as_ref().filter(|guests| guests.end.is_none() && !guests.told)?;
    let subject = subject(leg, policy).filter(|_| leg.open_try(policy).is_none())?;
    let again = match guests.open.as_ref().map(|open| open.why) {
        None | Some(OpenWhy::NoHandle) => true,
        Some(OpenWhy::Unknown { .. }) => guests.tries < TRIES_MAX,
        // One that was left by an earlier wish says nothing about this one.
        Some(OpenWhy::Refused { .. }) => guests.tries == 0,
    };
    let at = guests.not_sent.map_or(DateTime::<Utc>::MIN_UTC, |tries| tries.again_at(wait_max));
    again.then_some((at, subject))
}

fn evidence(leg: &Leg, shown: Shown) -> Option<LegEvidence> {
    let (attempt, reference, _) = leg.reservations().find(|(_, _, reservation)| {
        reservation.stage == Stage::Confirmed && !reservation.is_declared_gone()
    })?;
    Some(LegEvidence {
        source: shown.source,
        attempt,
        client_reference: leg.attempt(attempt)?.client_reference.clone(),
        reference: Some(reference.to_owned()),
        exchange: Some(shown.exchange),
    })
}

/// Notes of each reservation whether it is in the names that are wanted, and of one that is held
/// whether it is somebody else's.
pub(crate) fn compared(
    outcome: Outcome,
    names: &BTreeMap<String, bool>,
    strangers: &BTreeMap<String, bool>,
) -> Outcome {
    let Outcome::Seen { mut reservations } = outcome else { return outcome };
    for one in &mut reservations {
        one.as_wanted = names.get(&one.reference).copied();
        let is_held = matches!(one.stage, SeenStage::Held { .. });
        one.for_others = strangers.get(&one.reference).copied().filter(|_| is_held);
    }
    Outcome::Seen { reservations }
}
