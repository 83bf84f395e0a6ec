//! Everything of one booking at one moment, and how it goes on when something is heard.

use std::{
    fmt,
    hash::{Hash, Hasher},
    ops::Deref,
    sync::Arc,
};

use booking_core::{
    Booking, Command, Deadline, Effect, Event, Fact, Inbound, Phase, State, decide, effects, learn,
    record,
};
use chrono::{DateTime, Utc};
use contracts::{
    asset::Units,
    messages::{
        LegChanged, LegWanted, PaymentClose, PaymentClosed, PaymentPrepare, PaymentPrepared,
        PaymentRefund, PaymentRefundChanged, PaymentReversed, PaymentSeen, PaymentSettled,
    },
};
use payment_verification_core::translate::Said;

use super::{
    Bounds, hashed,
    side::{self, Side},
    till::Till,
};

/// A message on its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Post {
    Leg(LegWanted),
    Prepare(PaymentPrepare),
    Close(PaymentClose),
    Refund(PaymentRefund),
    Changed(LegChanged),
    Prepared(PaymentPrepared),
    Seen(PaymentSeen),
    Settled(PaymentSettled),
    Reversed(PaymentReversed),
    Closed(PaymentClosed),
    RefundChanged(PaymentRefundChanged),
}

/// A part of a moment, shared with all moments that have the same.
#[derive(Clone)]
pub(super) struct Shared<T>(Arc<T>, u64);

/// Everything at one moment.
#[derive(Debug, Clone, PartialEq, Hash)]
pub(super) struct Moment {
    pub(super) now: DateTime<Utc>,
    pub(super) booking: Shared<State>,
    pub(super) timers: Shared<Vec<(Deadline, DateTime<Utc>)>>,
    pub(super) sides: Vec<Shared<Side>>,
    pub(super) till: Shared<Till>,
    /// In an order that does not hang on who came first.
    pub(super) post: Vec<Shared<Post>>,
    pub(super) addresses: u32,
    pub(super) left: Bounds,
    pub(super) wrong: Option<String>,
}

impl<T: fmt::Debug> Shared<T> {
    pub(super) fn new(value: T) -> Self {
        let hash = hashed(&value);
        Self(Arc::new(value), hash)
    }
}

impl<T> Deref for Shared<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: fmt::Debug> fmt::Debug for Shared<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<T: PartialEq> PartialEq for Shared<T> {
    fn eq(&self, other: &Self) -> bool {
        self.1 == other.1 && (Arc::ptr_eq(&self.0, &other.0) || self.0 == other.0)
    }
}

impl<T> Hash for Shared<T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.1.hash(state);
    }
}

impl Moment {
    pub(super) fn known(&self) -> Option<&Booking> {
        (*self.booking).as_deref()
    }

    pub(super) fn phase(&self) -> Option<Phase> {
        self.known().map(|booking| booking.phase)
    }

    pub(super) fn is_there(&self) -> bool {
        let promised = matches!(self.phase(), Some(Phase::Confirmed | Phase::Completed));
        !promised || self.sides.iter().all(|side| side.booked() == 1)
    }

    pub(super) fn is_covered(&self) -> bool {
        let payment = &self.till.payment;
        let Some(booking) = self.known() else { return true };
        let asked_back = booking.payment.refunds.iter().filter(|refund| !refund.has_failed());
        let sum = |sum: Units, more: Units| sum.checked_add(more).unwrap();
        let asked_back = asked_back.map(|refund| refund.units).fold(Units::ZERO, sum);
        self.till.goes_back() <= payment.final_units() && asked_back <= booking.payment.settled
    }

    /// Whether anybody was ever shown what to pay.
    pub(super) fn is_shown(&self) -> bool {
        self.known().is_some_and(|booking| booking.payment.instruction.is_some())
            && self.till.payment.request.is_some()
    }

    pub(super) fn supplier(
        &mut self,
        n: usize,
        happens: impl FnOnce(&mut Side, &mut Bounds, DateTime<Utc>) -> side::Said,
    ) {
        let mut side = (*self.sides[n]).clone();
        match happens(&mut side, &mut self.left, self.now) {
            Ok(said) => said.into_iter().for_each(|message| self.put(Post::Changed(message))),
            Err(what) => self.wrong = Some(what),
        }
        if side != *self.sides[n] {
            self.sides[n] = Shared::new(side);
        }
    }

    pub(super) fn money(
        &mut self,
        happens: impl FnOnce(&mut Till, &mut Bounds, DateTime<Utc>) -> Vec<Said>,
    ) {
        let mut till = (*self.till).clone();
        for said in happens(&mut till, &mut self.left, self.now) {
            self.put(match said {
                Said::Prepared(message) => Post::Prepared(message),
                Said::Seen(message) => Post::Seen(message),
                Said::Settled(message) => Post::Settled(message),
                Said::Reversed(message) => Post::Reversed(message),
                Said::Closed(message) => Post::Closed(message),
                Said::Refund(message) => Post::RefundChanged(message),
            });
        }
        self.till = Shared::new(till);
    }

    pub(super) fn hear(&mut self, message: impl Into<Inbound>) {
        self.learn(&message.into().fact);
    }

    pub(super) fn learn(&mut self, fact: &Fact) {
        let events = learn(&self.booking, fact, self.now);
        self.happen(events);
    }

    /// Asks; nothing where it is refused.
    pub(super) fn ask(&mut self, command: &Command, policy: &booking_core::Policy) -> Option<()> {
        let events = decide(&self.booking, command, policy, self.now).ok()?;
        self.happen(events);
        Some(())
    }

    pub(super) fn happen(&mut self, events: Vec<Event>) {
        if events.is_empty() {
            return;
        }
        let (after, recorded) = record((*self.booking).clone(), events, self.now);
        let mut timers = (*self.timers).clone();
        let booking = after.as_deref().unwrap();
        for entry in &recorded {
            if let Event::InvariantBroken { what } = &entry.event {
                self.wrong = Some(what.clone());
            }
            for effect in effects(booking, entry) {
                match effect {
                    Effect::WakeAt { deadline, at } => set_timer(&mut timers, deadline, at),
                    Effect::Leg(message) => self.put(Post::Leg(message)),
                    Effect::Prepare(message) => self.put(Post::Prepare(message)),
                    Effect::Close(message) => self.put(Post::Close(message)),
                    Effect::Refund(message) => self.put(Post::Refund(message)),
                    // Nobody who is here hears of these.
                    Effect::Points(_)
                    | Effect::Guests(_)
                    | Effect::Confirmed(_)
                    | Effect::Failed(_)
                    | Effect::Cancelled(_)
                    | Effect::LegCancelled(_)
                    | Effect::LegReplaced(_)
                    | Effect::MoneyReversed(_)
                    | Effect::Moved(_)
                    | Effect::Completed(_) => {}
                }
            }
        }
        self.booking = Shared::new(after);
        self.timers = Shared::new(timers);
    }

    fn put(&mut self, post: Post) {
        let post = Shared::new(post);
        let at = self.post.partition_point(|one| one.1 < post.1);
        self.post.insert(at, post);
    }
}

/// As the table of timers has it: one that is set keeps its time unless the new one is later, but
/// of the time to be payable, and of an amendment's, what was said last counts.
fn set_timer(timers: &mut Vec<(Deadline, DateTime<Utc>)>, deadline: Deadline, at: DateTime<Utc>) {
    let known = timers.iter().find(|(one, _)| *one == deadline).map(|(_, at)| *at);
    let known = known.filter(|_| !matches!(deadline, Deadline::Payable | Deadline::Amend));
    timers.retain(|(one, _)| *one != deadline);
    timers.push((deadline, known.map_or(at, |known| known.max(at))));
    timers.sort_unstable();
}
