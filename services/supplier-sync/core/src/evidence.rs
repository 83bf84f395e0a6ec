//! What a supplier's answers prove about an attempt: joined, never dropped, in any order the same.
//!
//! Existence only grows. Content (dates, price, until when) is what the newest read that spoke of
//! it said; a read that leaves something out takes back nothing.

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use contracts::{
    messages::{
        CallbackClaim, EvidenceSource, GoneWhy, LegContent, RefusedWhy, UndoFailedWhy, UndoFailing,
    },
    money::Money,
    mutants::mutant,
    offer::{FlightSegment, LegOrder},
};
use serde::{Deserialize, Serialize};

use crate::{
    event::{Seen, SeenStage},
    policy::Policy,
};

/// What is known of an attempt of which the supplier has named no reservation yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case", deny_unknown_fields)]
pub enum Blind {
    /// Nothing of it has left this machine.
    NotSent,
    /// It was sent, or may have been.
    Unknown,
    /// Look-ups found nothing; these are the first and the last of them, by when they were asked.
    NotFound { first_asked_at: DateTime<Utc>, last_asked_at: DateTime<Utc> },
    /// The supplier said no, surely.
    Refused { why: RefusedWhy },
}

impl Blind {
    const fn rank(self) -> u8 {
        match self {
            Self::NotSent => 0,
            Self::Unknown => 1,
            Self::NotFound { .. } => 2,
            Self::Refused { .. } => 3,
        }
    }

    /// Both pieces of evidence together.
    #[must_use]
    pub fn join(self, other: Self) -> Self {
        match (self, other) {
            (
                Self::NotFound { first_asked_at: a, last_asked_at: b },
                Self::NotFound { first_asked_at: c, last_asked_at: d },
            ) => Self::NotFound { first_asked_at: a.min(c), last_asked_at: b.max(d) },
            (Self::Refused { why: a }, Self::Refused { why: b }) => Self::Refused { why: a.min(b) },
            (a, b) if b.rank() > a.rank() => b,
            (a, _) => a,
        }
    }
}

/// How far a reservation has come; the larger wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case", deny_unknown_fields)]
pub enum Stage {
    /// It is there; how it stands was not said.
    Listed,
    Held,
    Confirmed,
    Gone {
        why: GoneWhy,
    },
}

impl Stage {
    /// The word used in cases.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Listed => "listed",
            Self::Held => "held",
            Self::Confirmed => "confirmed",
            Self::Gone { .. } => "gone",
        }
    }

    /// Both pieces of evidence together; of two reasons to be gone the one nearer to us wins.
    #[must_use]
    pub fn join(self, other: Self) -> Self {
        match (self, other) {
            (Self::Gone { why: a }, Self::Gone { why: b }) => Self::Gone { why: a.min(b) },
            (a, b) => a.max(b),
        }
    }
}

/// What the newest read said of a reservation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Content {
    /// The exchange that read it.
    pub exchange: u32,
    pub check_in: Option<NaiveDate>,
    pub check_out: Option<NaiveDate>,
    pub price: Option<Money>,
    /// Its flights, where they are not those that were ordered.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub segments: Vec<FlightSegment>,
    /// While it is held: whether it is in the names of nobody who travels, where that was compared.
    /// Of what is bought that is a case, and for people to mend.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub for_others: Option<bool>,
}

/// An exchange about a reservation that ended without saying how the reservation stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Open {
    pub exchange: u32,
    pub why: OpenWhy,
    /// Whether it was to buy; otherwise it was to cancel.
    pub buying: bool,
    pub since: DateTime<Utc>,
}

/// Why an exchange about a reservation left it open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case", deny_unknown_fields)]
pub enum OpenWhy {
    /// It may have been done, and may still be done until `until` and the longest answer time.
    Unknown { until: DateTime<Utc> },
    /// The supplier said no. What is true, a read has to say.
    Refused { why: RefusedWhy },
    /// It was not sent, because the dialect needs a read first.
    NoHandle,
}

/// Look-ups of the whole attempt that did not show a reservation it had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Missing {
    pub first_asked_at: DateTime<Utc>,
    pub last_asked_at: DateTime<Utc>,
}

/// Tries in a row to give a reservation back that did not succeed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Undo {
    pub tries: u32,
    /// How the last one ended.
    pub why: UndoFailedWhy,
    /// The last one.
    pub exchange: u32,
    /// When the first one ended.
    pub since: DateTime<Utc>,
    /// When the last one ended; nothing once somebody wished for it anew, which is not kept
    /// waiting.
    pub last_at: Option<DateTime<Utc>>,
}

/// The exchange that showed something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shown {
    pub exchange: u32,
    pub source: EvidenceSource,
}

/// A try that was lost may be lost again; one that is lost this often is worth telling.
const UNDO_LOST_MAX: u32 = 3;
/// A cancel that could not be sent this often is worth telling, and again whenever that doubles.
const UNDO_NOT_SENT_MAX: u32 = 8;

/// So many reads in a row that differ from the order are told of what is believed to be bought.
pub(crate) const ODD_READS_TOLD: u32 = 2;

/// What is known of one reservation that the supplier named.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reservation {
    pub stage: Stage,
    pub first_seen_at: DateTime<Utc>,
    /// Until when it is held, as the newest answer said.
    pub until: Option<DateTime<Utc>>,
    /// The dialect's own way to it, from the newest answer that had one.
    pub handle: Option<String>,
    pub content: Option<Content>,
    /// Reads in a row that differ from the order.
    pub odd_reads: u32,
    /// Whether a mismatch stands recorded.
    pub mismatch_recorded: bool,
    /// Whether a cancellation of it was ever sent by us and not refused.
    pub cancel_sent: bool,
    pub open: Option<Open>,
    /// The newest exchange about it that was begun.
    #[serde(default, skip_serializing_if = "is_none_yet")]
    pub begun: u32,
    /// The newest exchange that showed it, and when that was asked.
    pub read_exchange: u32,
    pub read_asked_at: Option<DateTime<Utc>>,
    pub missing: Option<Missing>,
    /// Since when and how often an exchange about it could not be sent.
    pub not_sent: Option<NotSent>,
    /// Tries to give it back that did not succeed.
    #[serde(default)]
    pub undo: Option<Undo>,
    /// What first showed it as it stands.
    #[serde(default)]
    pub shown: Option<Shown>,
    /// What a member of staff took it with, although it is not as ordered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adopted: Option<Content>,
    /// Whether a member of staff wants it given back, whatever it is.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub discarded: bool,
    /// A member of staff said that it is gone: only an exchange with a higher number shows
    /// otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub declared_gone_after: Option<u32>,
    /// Whether nobody came, as the newest read that shows it bought says.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub no_show: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
const fn is_none_yet(number: &u32) -> bool {
    *number == 0
}

/// Tries that surely did not leave this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NotSent {
    pub first_at: DateTime<Utc>,
    pub last_at: DateTime<Utc>,
    pub times: u32,
    /// Not before then, by the newest of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<DateTime<Utc>>,
}

impl NotSent {
    /// One more at `at`, and none before `until`.
    pub(crate) fn again(
        before: Option<Self>,
        at: DateTime<Utc>,
        until: Option<DateTime<Utc>>,
    ) -> Self {
        let (first_at, times) = before.map_or((at, 0), |n| (n.first_at, n.times));
        Self { first_at, last_at: at, times: times.saturating_add(1), until }
    }

    /// Goes out again at once, and then ever more slowly.
    pub(crate) fn again_at(self, wait_max: TimeDelta) -> DateTime<Utc> {
        let wait = match self.times {
            0 | 1 => TimeDelta::zero(),
            more => TimeDelta::seconds(1_i64 << more.saturating_sub(2).min(16)),
        };
        let next = self.last_at + wait.min(wait_max);
        self.until.map_or(next, |until| until.max(next))
    }
}

/// An answer about a reservation: which exchange, when asked, when learnt.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reading {
    pub(crate) exchange: u32,
    pub(crate) source: EvidenceSource,
    pub(crate) asked_at: DateTime<Utc>,
    pub(crate) learnt_at: DateTime<Utc>,
}

impl Reservation {
    /// A reservation the supplier has just named for the first time.
    pub(crate) fn named(at: DateTime<Utc>) -> Self {
        Self {
            stage: Stage::Listed,
            first_seen_at: at,
            until: None,
            handle: None,
            content: None,
            odd_reads: 0,
            mismatch_recorded: false,
            cancel_sent: false,
            open: None,
            begun: 0,
            read_exchange: 0,
            read_asked_at: None,
            missing: None,
            not_sent: None,
            undo: None,
            shown: None,
            adopted: None,
            discarded: false,
            declared_gone_after: None,
            no_show: false,
        }
    }

    /// Takes it as the newest read shows it.
    pub(crate) fn adopt(&mut self) {
        self.adopted.clone_from(&self.content);
        self.discarded = false;
    }

    /// Gives it up; the next try to give it back is not waited for.
    pub(crate) fn discard(&mut self) {
        self.discarded = true;
        self.adopted = None;
        if let Some(undo) = &mut self.undo {
            undo.last_at = None;
        }
    }

    /// Whether a member of staff took it as it is, and it is so still, or better.
    #[must_use]
    pub fn is_adopted(&self) -> bool {
        self.adopted.as_ref().zip(self.content.as_ref()).is_some_and(|(taken, now)| {
            let days = |content: &Content| (content.check_in, content.check_out);
            let dearer = now.price.zip(taken.price).is_some_and(|(now, taken)| {
                now.currency != taken.currency || now.minor > taken.minor
            });
            days(now) == days(taken) && now.segments == taken.segments && !dearer
        })
    }

    /// Whether a member of staff said that it is gone, and no read since shows it.
    #[must_use]
    pub fn is_declared_gone(&self) -> bool {
        self.declared_gone_after.is_some_and(|newest| self.read_exchange <= newest)
    }

    /// Whether it was read for which days it is. What it costs is not said by every read.
    #[must_use]
    pub fn is_read(&self) -> bool {
        self.content
            .as_ref()
            .is_some_and(|read| read.check_in.is_some() && read.check_out.is_some())
    }

    /// Whether the newest look-up, asked when whatever was sent must have shown, did not show it.
    #[must_use]
    pub fn is_missing_past(&self, window: TimeDelta) -> bool {
        let ended = self.open.map_or(self.first_seen_at, |open| open.ended_at());
        self.missing.is_some_and(|missing| missing.last_asked_at >= ended + window)
    }

    /// Joins what an answer showed.
    pub(crate) fn join(&mut self, seen: &Seen, reading: Reading, order: &LegOrder) {
        self.reach(self.stage_of(seen, reading), reading.shown());
        if reading.exchange >= self.read_exchange {
            self.read_exchange = reading.exchange;
            self.read_asked_at = self.read_asked_at.max(Some(reading.asked_at));
            self.missing = None;
            self.take_content(seen, reading.exchange, order);
        }
        self.settle();
    }

    /// Takes what only the newest answer may say.
    fn take_content(&mut self, seen: &Seen, exchange: u32, order: &LegOrder) {
        match seen.stage {
            SeenStage::Held { until } => self.until = until.or(self.until),
            SeenStage::Confirmed => self.no_show = false,
            SeenStage::NoShow => self.no_show = true,
            SeenStage::Listed | SeenStage::Gone => {}
        }
        if seen.handle.is_some() {
            self.handle.clone_from(&seen.handle);
        }
        let (check_in, check_out, price) = (seen.check_in, seen.check_out, seen.price);
        let (segments, for_others) = (seen.segments.clone(), seen.for_others);
        let said = Content { exchange, check_in, check_out, price, segments, for_others };
        let says_something =
            check_in.is_some() || check_out.is_some() || price.is_some() || for_others.is_some();
        let newer = self.content.as_ref().is_none_or(|content| exchange > content.exchange);
        if says_something && newer {
            // What was odd before and is not spoken of is neither seen again nor mended.
            let again = u32::from(said.differs_from(order));
            let mut content = said.over(self.content.take());
            if seen.stage == SeenStage::Confirmed {
                content.for_others = None;
            }
            let odd = content.differs_from(order);
            self.odd_reads = if odd { self.odd_reads.saturating_add(again) } else { 0 };
            self.content = Some(content);
        }
    }

    /// What was read before is held against another order now. Nothing about it is doubtful, so no
    /// second read is waited for.
    pub(crate) fn judge_anew(&mut self, before: &LegOrder, order: &LegOrder) {
        let read = self.content.iter_mut().chain(&mut self.adopted);
        read.for_each(|content| content.beside(before, order));
        if self.content.as_ref().is_some_and(|content| content.differs_from(order)) {
            self.odd_reads = self.odd_reads.max(ODD_READS_TOLD);
        }
    }

    /// The stage an answer proves. Why something is gone, the supplier does not say; we can tell.
    fn stage_of(&self, seen: &Seen, reading: Reading) -> Stage {
        match seen.stage {
            SeenStage::Listed => Stage::Listed,
            SeenStage::Held { .. } => Stage::Held,
            SeenStage::Confirmed | SeenStage::NoShow => Stage::Confirmed,
            SeenStage::Gone => Stage::Gone { why: self.gone_why(reading.learnt_at) },
        }
    }

    fn gone_why(&self, at: DateTime<Utc>) -> GoneWhy {
        // A cancellation that was refused may have had its effect all the same.
        if self.cancel_sent || self.undo.is_some() {
            GoneWhy::Released
        } else if self.stage < Stage::Confirmed && self.until.is_some_and(|until| until <= at) {
            GoneWhy::Lapsed
        } else {
            GoneWhy::CancelledBySupplier
        }
    }

    /// Takes the supplier's word that what was asked is done.
    pub(crate) fn done(&mut self, stage: Stage, shown: Shown) {
        self.reach(stage, shown);
        self.settle();
    }

    fn reach(&mut self, stage: Stage, shown: Shown) {
        let after = if mutant("stale_read_wins") { stage } else { self.stage.join(stage) };
        if after != self.stage || self.shown.is_none() {
            self.shown = Some(shown);
        }
        self.stage = after;
    }

    /// Notes a try to give it back that did not succeed.
    pub(crate) fn not_undone(&mut self, exchange: u32, why: UndoFailedWhy, at: DateTime<Utc>) {
        let before = self.undo.map_or((0, at), |undo| (undo.tries, undo.since));
        let (tries, since) = (before.0.saturating_add(1), before.1);
        self.undo = Some(Undo { tries, why, exchange, since, last_at: Some(at) });
    }

    /// When it may be tried again to give it back.
    pub(crate) fn undo_at(&self, policy: &Policy) -> Option<DateTime<Utc>> {
        let undo = self.undo?;
        undo.last_at.map(|at| at + policy.undo_wait(undo.tries, undo.why))
    }

    /// That giving it back fails, once a read after the last try shows it still there, and since
    /// when. What may be chance is not told at once: a try that was lost, or could not be sent.
    #[must_use]
    pub fn undo_failing(&self) -> Option<(DateTime<Utc>, UndoFailing)> {
        let looked = |undo: &Undo| self.read_exchange > undo.exchange;
        let told = self.undo.filter(looked).filter(|undo| match undo.why {
            UndoFailedWhy::Refused => true,
            UndoFailedWhy::Unknown | UndoFailedWhy::NotSent => undo.tries >= UNDO_LOST_MAX,
        });
        if let Some(undo) = told {
            return Some((undo.since, UndoFailing { attempts: undo.tries, why: undo.why }));
        }
        let unsent = self.not_sent.filter(|n| n.times >= UNDO_NOT_SENT_MAX)?;
        // Told as often as it doubles.
        let attempts = 1_u32 << unsent.times.ilog2();
        Some((unsent.first_at, UndoFailing { attempts, why: UndoFailedWhy::NotSent }))
    }

    /// Whether the supplier's own answers already say what a callback says.
    #[must_use]
    pub fn proves(&self, claim: CallbackClaim) -> bool {
        match claim {
            CallbackClaim::Made => true,
            CallbackClaim::Confirmed => self.stage >= Stage::Confirmed,
            CallbackClaim::Gone => self.is_said_gone(),
        }
    }

    /// Leaves an exchange open, unless the reservation is already where it was to go.
    pub(crate) fn leave_open(&mut self, open: Open) {
        self.open = Some(open);
        self.settle();
    }

    /// Closes what is open when the reservation is where the exchange was to bring it.
    fn settle(&mut self) {
        let there = match self.open {
            Some(Open { buying: true, .. }) => self.stage >= Stage::Confirmed,
            Some(Open { buying: false, .. }) => self.is_said_gone(),
            None => false,
        };
        if there {
            self.open = None;
        }
    }

    /// Notes a look-up that did not show it.
    pub(crate) fn not_there(&mut self, asked_at: DateTime<Utc>) {
        let missing = self.missing.map_or(
            Missing { first_asked_at: asked_at, last_asked_at: asked_at },
            |m| Missing {
                first_asked_at: m.first_asked_at.min(asked_at),
                last_asked_at: m.last_asked_at.max(asked_at),
            },
        );
        self.missing = Some(missing);
    }

    /// Whether the supplier said itself that it is gone.
    #[must_use]
    pub fn is_said_gone(&self) -> bool {
        matches!(self.stage, Stage::Gone { .. })
    }

    /// Whether it counts as there: not said gone, and not missing for so long that it lapsed.
    #[must_use]
    pub fn is_live(&self, policy: &Policy) -> bool {
        !self.is_said_gone() && !self.is_declared_gone() && !self.is_missing_for_good(policy)
    }

    /// Not shown twice, the later time well after whatever was sent could have ended and shown.
    /// Only for what we asked to be cancelled and for holds: what was bought and is missing is a
    /// case, not a cancellation.
    fn is_missing_for_good(&self, policy: &Policy) -> bool {
        let Some(missing) = self.missing else { return false };
        let ended = self.open.map_or(self.first_seen_at, |open| open.ended_at());
        let twice = missing.first_asked_at < missing.last_asked_at;
        let lapsable = self.cancel_sent || self.stage < Stage::Confirmed;
        let proven = twice && missing.last_asked_at >= ended + policy.window();
        lapsable && (proven || mutant("missing_once_is_gone"))
    }

    /// Why it is gone, if it is.
    #[must_use]
    pub fn why_gone(&self, policy: &Policy) -> Option<GoneWhy> {
        match self.stage {
            Stage::Gone { why } => Some(why),
            Stage::Confirmed if self.is_declared_gone() && !self.cancel_sent => {
                Some(GoneWhy::CancelledBySupplier)
            }
            Stage::Listed | Stage::Held | Stage::Confirmed if !self.is_live(policy) => {
                Some(if self.cancel_sent { GoneWhy::Released } else { GoneWhy::Lapsed })
            }
            Stage::Listed | Stage::Held | Stage::Confirmed => None,
        }
    }

    /// Since when an exchange about it is in doubt: until a read settles it, nothing else is sent.
    ///
    /// Buying or cancelling a named reservation again can make no second one, so a read that was
    /// asked after the longest answer time and shows it unmoved is enough to try again.
    #[must_use]
    pub fn in_doubt_since(&self, policy: &Policy) -> Option<DateTime<Utc>> {
        let open = self.open?;
        let settled = match open.why {
            OpenWhy::Unknown { until } => {
                self.read_asked_at.is_some_and(|at| at >= until + policy.answer_within_max)
            }
            OpenWhy::Refused { .. } if open.buying => self.read_exchange > open.exchange,
            OpenWhy::Refused { .. } => {
                self.read_asked_at.is_some_and(|at| at >= open.since + policy.answer_within_max)
            }
            OpenWhy::NoHandle => self.read_exchange > open.exchange && self.handle.is_some(),
        };
        (!settled && self.is_live(policy)).then_some(open.since)
    }

    /// Whether what is open is looked up at once, because nothing can still be on its way.
    #[must_use]
    pub fn is_looked_into_at_once(&self) -> bool {
        match self.open.map(|open| open.why) {
            Some(OpenWhy::Refused { .. } | OpenWhy::NoHandle) => true,
            Some(OpenWhy::Unknown { .. }) | None => false,
        }
    }

    /// Why it cannot be bought, once a read after the refusal has shown that it indeed is not.
    #[must_use]
    pub fn refused_to_sell(&self) -> Option<RefusedWhy> {
        let open = self.open.filter(|open| open.buying && self.read_exchange > open.exchange)?;
        match open.why {
            OpenWhy::Refused { why } => Some(why),
            OpenWhy::Unknown { .. } | OpenWhy::NoHandle => None,
        }
    }
}

impl Reading {
    pub(crate) const fn shown(self) -> Shown {
        Shown { exchange: self.exchange, source: self.source }
    }
}

impl Open {
    /// When the last byte of it can have been sent.
    fn ended_at(&self) -> DateTime<Utc> {
        match self.why {
            OpenWhy::Unknown { until } => until,
            OpenWhy::Refused { .. } | OpenWhy::NoHandle => self.since,
        }
    }
}

impl Content {
    /// Whether it is for the days, and of the flights, that were ordered.
    #[must_use]
    pub fn has_days_of(&self, order: &LegOrder) -> bool {
        self.check_in == Some(order.check_in)
            && self.check_out == Some(order.check_out)
            && self.segments.is_empty()
    }

    /// What this read said, and of the rest what was known before. Whoever says a flight's days
    /// says its flights.
    fn over(self, before: Option<Self>) -> Self {
        let Some(before) = before else { return self };
        Self {
            segments: if self.check_in.is_some() { self.segments } else { before.segments },
            check_in: self.check_in.or(before.check_in),
            check_out: self.check_out.or(before.check_out),
            price: self.price.or(before.price),
            for_others: self.for_others.or(before.for_others),
            ..self
        }
    }

    /// The same beside another order: flights are named where they are not the ordered ones.
    fn beside(&mut self, before: &LegOrder, order: &LegOrder) {
        if self.segments.is_empty() && self.check_in.is_some() {
            self.segments = before.product.segments().to_vec();
        }
        if self.segments == order.product.segments() {
            self.segments.clear();
        }
    }

    /// All of it; what no read said is as ordered.
    #[must_use]
    pub fn of(&self, reference: &str, order: &LegOrder) -> LegContent {
        LegContent {
            reference: reference.to_owned(),
            check_in: self.check_in.unwrap_or(order.check_in),
            check_out: self.check_out.unwrap_or(order.check_out),
            price: self.price.unwrap_or_else(|| order.cost()),
            segments: self.segments.clone(),
        }
    }

    /// Whether it is another stay or other flights than were ordered, dearer, or somebody else's.
    #[must_use]
    pub fn differs_from(&self, order: &LegOrder) -> bool {
        let other_day = |read: Option<NaiveDate>, ordered| read.is_some_and(|day| day != ordered);
        let cost = order.cost();
        let dearer = |price: Money| price.currency != cost.currency || price.minor > cost.minor;
        other_day(self.check_in, order.check_in)
            || other_day(self.check_out, order.check_out)
            || !self.segments.is_empty()
            || self.price.is_some_and(dearer)
            || self.for_others == Some(true)
    }
}
