//! What a leg is right now.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use contracts::{
    ids::{BookingId, LegId},
    messages::{
        CallbackClaim, EvidenceSource, LegAsks, LegContent, LegState, RefusedWhy, UndoFailing,
        WantedLeg,
    },
    mutants::mutant,
    offer::LegOrder,
};
use serde::{Deserialize, Serialize};
use suppliers::Operation;

use crate::{
    amend::Guests,
    evidence::{Blind, NotSent, ODD_READS_TOLD, Open, OpenWhy, Reservation, Shown, Stage},
    policy::Policy,
};

/// A leg, or nothing when none was ever wished for.
pub type State = Option<Box<Leg>>;

/// One leg of a booking at one supplier.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Leg {
    pub leg_id: LegId,
    pub booking_id: BookingId,
    /// How many events it has.
    pub version: u64,
    pub order: Box<LegOrder>,
    pub wanted: WantedLeg,
    pub wanted_version: u32,
    /// In the order of their numbers, which start at 1.
    pub attempts: Vec<Attempt>,
    /// The highest number an exchange was given.
    pub exchanges: u32,
    /// The exchange under way; there is never a second one.
    pub in_flight: Option<Exchange>,
    /// Exchanges whose lease ran out; their answers may still come.
    pub overdue: Vec<Exchange>,
    /// What the booking was told last.
    pub told: Option<Told>,
    /// A callback that was looked into and of which the booking has not been told.
    #[serde(default)]
    pub heard: Option<Heard>,
    /// Others who are wanted on what is bought.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guests: Option<Guests>,
}

/// One try to get a reservation, under one client reference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attempt {
    pub number: u32,
    pub client_reference: String,
    /// What is known as long as the supplier has named no reservation.
    pub blind: Blind,
    /// When the last byte of it can have been sent; nothing when it surely never was. What is shown
    /// under it was sent, whatever the supplier said to it.
    pub sent_until: Option<DateTime<Utc>>,
    /// Since when the supplier's answer to it is outstanding.
    pub unknown_since: Option<DateTime<Utc>>,
    pub not_sent: Option<NotSent>,
    pub gave_up: bool,
    /// Whether that was because its supplier was left alone.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub turned_away: bool,
    pub proven_dead: bool,
    /// Whether the supplier answered it by a reservation of another client reference: that no
    /// look-up shows anything then proves nothing, so only a person may call it dead.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub misnamed: bool,
    /// What the supplier named under its client reference, by the supplier's reference.
    pub reservations: BTreeMap<String, Reservation>,
    pub looks: Looks,
    pub hint: Option<Hint>,
    /// A member of staff who waits for a look-up.
    #[serde(default)]
    pub asked: Option<Asked>,
    /// The newest exchange about it that was answered.
    #[serde(default)]
    pub answered: Option<Shown>,
    /// What the supplier asks now, where it refused because the price is another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asks: Option<LegAsks>,
}

/// The look-ups of an attempt so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Looks {
    /// Answered ones since something last came into doubt.
    pub in_doubt: u32,
    /// Answered ones of the standing sweep.
    pub swept: u32,
    /// Ones in a row that brought no answer.
    pub failed: u32,
    /// Ones in a row that could not be sent.
    #[serde(default)]
    pub not_sent: Option<NotSent>,
    pub last_at: Option<DateTime<Utc>>,
    pub last_swept_at: Option<DateTime<Utc>>,
    /// When the newest answered one by client reference was asked.
    pub whole_asked_at: Option<DateTime<Utc>>,
}

/// Callbacks that wait for a look-up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hint {
    pub first_at: DateTime<Utc>,
    pub last_at: DateTime<Utc>,
    /// Only a look-up with a higher number was asked after them.
    pub after_exchange: u32,
    /// What they say of each reservation, the furthest.
    #[serde(default)]
    pub claims: BTreeMap<String, CallbackClaim>,
    /// Whether one of them has to be looked into whatever is known: it says nothing that could be
    /// known, or what it says was known to be over.
    #[serde(default)]
    pub vague: bool,
    /// The reservation that the last of them names.
    #[serde(default)]
    pub about: Option<String>,
}

/// Reservations that callbacks may name before one look-up; more is odd enough to look.
const CLAIMS_MAX: usize = 8;

impl Hint {
    pub(crate) const fn new(at: DateTime<Utc>, after_exchange: u32) -> Self {
        let claims = BTreeMap::new();
        let (first_at, last_at) = (at, at);
        Self { first_at, last_at, after_exchange, claims, vague: false, about: None }
    }

    /// Takes what one more callback says.
    pub(crate) fn note(&mut self, reference: Option<&str>, claim: Option<CallbackClaim>) {
        self.about = reference.map(str::to_owned);
        match (reference, claim) {
            (Some(reference), Some(claim)) if self.claims.len() < CLAIMS_MAX => {
                let known = self.claims.entry(reference.to_owned()).or_insert(claim);
                *known = claim.max(*known);
            }
            (Some(_) | None, Some(_) | None) => self.vague = true,
        }
    }
}

/// Staff who wait for a look-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Asked {
    pub at: DateTime<Utc>,
    /// Only a look-up with a higher number was asked after them.
    pub after_exchange: u32,
}

/// A callback that was looked into.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Heard {
    pub attempt: u32,
    /// The look-up.
    pub exchange: u32,
    /// The reservation that it named.
    pub reference: Option<String>,
}

/// One exchange with the supplier.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exchange {
    pub number: u32,
    pub doing: Doing,
    pub attempt: u32,
    pub reference: Option<String>,
    pub began_at: DateTime<Utc>,
    pub lease_until: DateTime<Utc>,
    /// What an earlier one had left open, should this one turn out not to be sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Open>,
}

/// What an exchange is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case", deny_unknown_fields)]
pub enum Doing {
    /// Makes a reservation: held, or bought outright.
    Reserve {
        hold: bool,
    },
    /// Buys what is held.
    Confirm,
    Cancel,
    /// Puts others on what is bought.
    Amend,
    /// Asks what there is; the only one that changes nothing.
    LookUp {
        why: LookUpWhy,
    },
}

/// Why a look-up is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LookUpWhy {
    Doubt,
    Hint,
    Sweep,
    Staff,
}

/// What the booking was told, and for which wish.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Told {
    pub wanted_version: u32,
    pub state: LegState,
    #[serde(default)]
    pub undo_failing: Option<UndoFailing>,
    /// What it was told that the supplier has, where that is not what was ordered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub theirs: Option<LegContent>,
    /// Whether it was told that nobody came.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub no_show: bool,
}

impl Doing {
    /// Whether it can change what is at the supplier.
    #[must_use]
    pub const fn mutates(self) -> bool {
        match self {
            Self::Reserve { .. } | Self::Confirm | Self::Cancel | Self::Amend => true,
            Self::LookUp { .. } => false,
        }
    }

    /// How what its answer shows comes to be known.
    #[must_use]
    pub const fn evidence(self) -> EvidenceSource {
        match self {
            Self::Reserve { .. } | Self::Confirm | Self::Cancel | Self::Amend => {
                EvidenceSource::Answer
            }
            Self::LookUp { why: LookUpWhy::Hint } => EvidenceSource::Callback,
            Self::LookUp { .. } => EvidenceSource::LookUp,
        }
    }

    /// The supplier operation.
    #[must_use]
    pub const fn operation(self) -> Operation {
        match self {
            Self::Reserve { .. } => Operation::Reserve,
            Self::Confirm => Operation::Confirm,
            Self::Cancel => Operation::Cancel,
            Self::Amend => Operation::Amend,
            Self::LookUp { .. } => Operation::Lookup,
        }
    }
}

impl Leg {
    /// The reservation that is wanted, if one is there, with its attempt's number.
    ///
    /// What the booking was told of stays; else one that agrees with the order, the newest attempt,
    /// the furthest stage, and the smallest reference, so that the choice never hangs on an order
    /// of news.
    #[must_use]
    pub fn chosen(&self, policy: &Policy) -> Option<(u32, &str, &Reservation)> {
        let told = self.told_reference();
        let kept = self.live(policy).filter(|(_, _, reservation)| !reservation.discarded);
        kept.max_by(|a, b| {
            let key = |(number, reference, reservation): &(u32, &str, &Reservation)| {
                let agrees = !self.is_mismatched(reference, reservation);
                (agrees, told == Some(*reference), *number, reservation.stage)
            };
            key(a).cmp(&key(b)).then_with(|| b.1.cmp(a.1))
        })
    }

    /// Every reservation that counts as there.
    pub fn live(&self, policy: &Policy) -> impl Iterator<Item = (u32, &str, &Reservation)> {
        self.reservations().filter(|(_, _, reservation)| reservation.is_live(policy))
    }

    /// Every reservation the supplier ever named.
    pub fn reservations(&self) -> impl Iterator<Item = (u32, &str, &Reservation)> {
        self.attempts.iter().flat_map(|attempt| {
            let each = attempt.reservations.iter();
            each.map(|(reference, reservation)| (attempt.number, reference.as_str(), reservation))
        })
    }

    /// Whether its dates or its price are not the order's. Where the booking believes it bought,
    /// one odd read is not enough to say so.
    #[must_use]
    pub fn is_mismatched(&self, reference: &str, reservation: &Reservation) -> bool {
        let needed = if self.is_told_confirmed(reference) { ODD_READS_TOLD } else { 1 };
        reservation.odd_reads >= needed && !reservation.is_adopted() && !mutant("mismatch_ignored")
    }

    /// Why we do not buy what is held and reads otherwise than it was ordered. One odd read may be
    /// one too many; the second says so.
    #[must_use]
    pub(crate) fn refuses(&self, policy: &Policy, reservation: &Reservation) -> Option<RefusedWhy> {
        let odd = reservation.stage == Stage::Held
            && reservation.odd_reads >= ODD_READS_TOLD
            && !reservation.is_adopted()
            && reservation.in_doubt_since(policy).is_none();
        let content =
            reservation.content.as_ref().filter(|_| odd && !mutant("mismatch_ignored"))?;
        let cost = self.order.cost();
        let dearer = content.price.is_some_and(|price| price != cost);
        Some(if dearer { RefusedWhy::PriceChanged } else { RefusedWhy::Rejected })
    }

    /// Whether the booking was told that what it wants by now is not to be had.
    #[must_use]
    pub(crate) fn is_told_refused(&self) -> bool {
        self.told.as_ref().is_some_and(|told| {
            let refused = matches!(told.state, LegState::Refused { .. });
            refused && told.wanted_version == self.wanted_version
        })
    }

    /// Since when something that was sent is unresolved; while it is, only look-ups go out.
    #[must_use]
    pub fn in_doubt_since(&self, policy: &Policy) -> Option<DateTime<Utc>> {
        let attempts = self.attempts.iter().filter_map(Attempt::in_doubt_since);
        let opened = self.reservations().filter_map(|(_, _, r)| r.in_doubt_since(policy));
        let tried = self.open_try(policy).filter(|open| open.why != OpenWhy::NoHandle);
        let tried = tried.map(|open| open.since);
        attempts.chain(opened).chain(tried).min()
    }

    /// Whether an exchange that can change something is under way.
    #[must_use]
    pub fn is_mutating(&self) -> bool {
        self.in_flight.as_ref().is_some_and(|exchange| exchange.doing.mutates())
    }

    /// Whether anything of an attempt may have been sent, or is being sent.
    #[must_use]
    pub fn may_have_sent(&self, attempt: &Attempt) -> bool {
        let sending = self.in_flight.as_ref().is_some_and(|one| one.attempt == attempt.number);
        sending || attempt.sent_until.is_some()
    }

    /// What is there and not wanted, and has to be given back.
    #[must_use]
    pub fn unwanted(&self, policy: &Policy) -> Vec<(u32, &str, &Reservation)> {
        let kept = match self.wanted {
            WantedLeg::Released => None,
            WantedLeg::Held | WantedLeg::Confirmed => self.chosen(policy).map(|(_, r, _)| r),
        };
        self.live(policy).filter(|(_, reference, _)| Some(*reference) != kept).collect()
    }

    /// The attempt with that number.
    #[must_use]
    pub fn attempt(&self, number: u32) -> Option<&Attempt> {
        self.attempts.iter().find(|attempt| attempt.number == number)
    }

    /// The attempt that these references are of; the newest where they name none that is known.
    #[must_use]
    pub fn attempt_about(
        &self,
        client_reference: Option<&str>,
        reference: Option<&str>,
    ) -> Option<u32> {
        let mut all = self.attempts.iter();
        let ours = all.find(|a| client_reference == Some(a.client_reference.as_str()));
        let theirs = || {
            let named = |r: &str| self.attempts.iter().find(|a| a.reservations.contains_key(r));
            reference.and_then(named)
        };
        ours.or_else(theirs).or_else(|| self.attempts.last()).map(|attempt| attempt.number)
    }

    /// The reservation the booking was told of last.
    fn told_reference(&self) -> Option<&str> {
        match &self.told.as_ref()?.state {
            LegState::Held { reference, .. } | LegState::Confirmed { reference } => Some(reference),
            LegState::Gone { .. } | LegState::Refused { .. } | LegState::InDoubt { .. } => None,
        }
    }

    fn is_told_confirmed(&self, reference: &str) -> bool {
        let told = self.told.as_ref().map(|told| &told.state);
        matches!(told, Some(LegState::Confirmed { reference: known }) if known == reference)
    }
}

impl Attempt {
    /// An attempt nothing of which was sent.
    #[must_use]
    pub(crate) fn new(number: u32, client_reference: String) -> Self {
        Self {
            number,
            client_reference,
            blind: Blind::NotSent,
            sent_until: None,
            unknown_since: None,
            not_sent: None,
            gave_up: false,
            turned_away: false,
            proven_dead: false,
            misnamed: false,
            reservations: BTreeMap::new(),
            looks: Looks::default(),
            hint: None,
            asked: None,
            answered: None,
            asks: None,
        }
    }

    /// Whether callbacks say nothing but what the supplier's answers say already. They are looked
    /// into all the same; but our next look-up is soon enough.
    #[must_use]
    pub fn is_echoed_by(&self, hint: &Hint) -> bool {
        !hint.vague && !hint.claims.is_empty() && self.proves_all_of(hint)
    }

    /// Whether what callbacks say is what the supplier's answers say.
    pub(crate) fn proves_all_of(&self, hint: &Hint) -> bool {
        hint.claims.iter().all(|(reference, claim)| {
            self.reservations.get(reference).is_some_and(|known| known.proves(*claim))
        })
    }

    /// Whether a callback says that something is there of which we know that it is gone.
    pub(crate) fn contradicts(&self, reference: Option<&str>, claim: CallbackClaim) -> bool {
        let known = reference.and_then(|reference| self.reservations.get(reference));
        claim != CallbackClaim::Gone && known.is_some_and(Reservation::is_said_gone)
    }

    /// Since when it may have made a reservation of which nothing was seen.
    #[must_use]
    pub fn in_doubt_since(&self) -> Option<DateTime<Utc>> {
        let doubtful = match self.blind {
            Blind::Unknown | Blind::NotFound { .. } => {
                self.reservations.is_empty() && !self.proven_dead
            }
            Blind::NotSent | Blind::Refused { .. } => false,
        };
        self.unknown_since.filter(|_| doubtful)
    }

    /// When "not found" begins to prove something.
    #[must_use]
    pub fn window_ends_at(&self, policy: &Policy) -> Option<DateTime<Utc>> {
        self.sent_until.map(|until| until + policy.window())
    }

    /// The two look-ups that prove it dead, if there are two, the later one late enough.
    #[must_use]
    pub fn death(&self, policy: &Policy) -> Option<(DateTime<Utc>, DateTime<Utc>)> {
        let Blind::NotFound { first_asked_at, last_asked_at } = self.blind else { return None };
        let late_enough = self.window_ends_at(policy).is_some_and(|end| last_asked_at >= end)
            || mutant("not_found_trusted_early");
        let twice = first_asked_at < last_asked_at;
        let silent = self.reservations.is_empty() && !self.misnamed;
        (silent && twice && late_enough).then_some((first_asked_at, last_asked_at))
    }

    /// Whether nothing of it can be at the supplier any more: never sent; or the supplier itself
    /// said no, or gone, of everything it named, and a look-up for the whole attempt, asked when
    /// everything had to show, brought nothing else. Two "not found" are never enough: suppliers
    /// are late.
    #[must_use]
    pub fn is_proven_gone(&self, policy: &Policy) -> bool {
        let Some(window_end) = self.window_ends_at(policy) else { return true };
        let looked = self.looks.whole_asked_at.is_some_and(|at| at >= window_end)
            || mutant("refusal_ends_it");
        let said = match self.blind {
            Blind::Refused { .. } => true,
            Blind::NotSent | Blind::Unknown | Blind::NotFound { .. } => {
                !self.reservations.is_empty()
            }
        };
        looked && said && self.reservations.values().all(Reservation::is_said_gone)
    }

    /// Whether the supplier named something of it that reached `stage`.
    #[must_use]
    pub fn reached(&self, stage: Stage) -> bool {
        self.reservations.values().any(|reservation| reservation.stage >= stage)
    }
}
