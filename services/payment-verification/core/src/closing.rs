//! When a payment may be called unpaid: what counts as in time, and which block has to be read
//! first.
//!
//! Two instants matter. A deadline that passed without the money is answered only after a block
//! stamped past the deadline and its grace: money mined before that pays, however late it is read.
//! A booking that is undone needs no more than a block stamped after it was asked: whatever comes
//! goes back, and what was mined before is known by then.

use chrono::{DateTime, TimeDelta, Utc};
use contracts::{
    messages::{CloseBecause, Closing},
    mutants::mutant,
};
use serde::{Deserialize, Serialize};

use crate::{
    event::Event,
    ledger::Account,
    matching,
    state::{Payment, Request, Sighting, total},
};

/// A closing that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CloseAsked {
    /// Why.
    pub because: CloseBecause,
    /// When.
    pub at: DateTime<Utc>,
}

impl Request {
    fn grace(&self) -> TimeDelta {
        TimeDelta::milliseconds(self.grace_ms)
    }

    fn away_for_max(&self) -> TimeDelta {
        TimeDelta::milliseconds(self.away_for_max_ms)
    }
}

/// Until which block time money is in time; nothing before there is a request.
#[must_use]
pub fn in_time_until(payment: &Payment) -> Option<DateTime<Utc>> {
    let request = payment.request.as_ref()?;
    let deadline = request.terms.pay_by + request.grace();
    Some(payment.back_by.map_or(deadline, |back_by| deadline.max(back_by)))
}

/// The block time that has to be passed before the closing is answered; nothing when none is to be.
#[must_use]
pub fn answered_after(payment: &Payment) -> Option<DateTime<Utc>> {
    let asked = payment.close_asked.filter(|_| payment.closing.is_none())?;
    match asked.because {
        CloseBecause::NotPaid => in_time_until(payment),
        CloseBecause::Undone | CloseBecause::CalledOff | CloseBecause::NeverShown => Some(asked.at),
    }
}

/// What a closing asked for `because` leads to at once: the answer, or that it waits.
pub(crate) fn ask(payment: &Payment, because: CloseBecause, now: DateTime<Utc>) -> Vec<Event> {
    if payment.closing.is_some() {
        return vec![];
    }
    let nobody_paid = (because == CloseBecause::NeverShown && payment.transfers.is_empty())
        || mutant("closed_without_reading");
    if payment.settled || payment.request.is_none() || nobody_paid {
        // That nobody misses what is away ends its case.
        let called_off = because == CloseBecause::CalledOff && !payment.gone_units().is_zero();
        let asked = called_off.then_some(Event::CloseAsked(CloseAsked { because, at: now }));
        return asked.into_iter().chain([answer(payment)]).collect();
    }
    // A booking that is undone while its deadline is looked into waits for less; never for more.
    let known = payment.close_asked.map(|asked| asked.because);
    if known.is_none() || (known == Some(CloseBecause::NotPaid) && because != CloseBecause::NotPaid)
    {
        return vec![Event::CloseAsked(CloseAsked { because, at: now })];
    }
    vec![]
}

/// Everything up to a block of this time is known: the answer, if one was waiting for that.
pub(crate) fn read_up_to(payment: &Payment, stamped_at: DateTime<Utc>) -> Option<Event> {
    let after = answered_after(payment)?;
    (stamped_at > after && !will_pay(payment)).then(|| answer(payment))
}

/// The answer once the price is paid, if one waits.
pub(crate) fn once_settled(payment: &Payment) -> Option<Event> {
    let waits = payment.settled && payment.closing.is_none() && payment.close_asked.is_some();
    waits.then(|| answer(payment))
}

/// Whether what stands will pay once it is deep enough, although a closing waits: then it is never
/// called unpaid, but settles or leaves.
pub(crate) fn will_pay(payment: &Payment) -> bool {
    let Some(request) = &payment.request else { return false };
    let counts = |sighting: &Sighting| is_counted(payment, sighting);
    let standing = payment.standing().map(|(_, _, sighting)| sighting).filter(counts);
    payment.close_asked.is_none_or(|asked| asked.because == CloseBecause::NotPaid)
        && matching::pays(
            request,
            total(standing.map(|sighting| sighting.units).chain([payment.moved_in()])),
        )
}

/// Whether money in this block can still pay. Only a deadline that is looked into makes it late;
/// before that is asked, all that comes is taken.
pub(crate) fn is_counted(payment: &Payment, sighting: &Sighting) -> bool {
    let strict = payment.close_asked.is_some_and(|asked| asked.because == CloseBecause::NotPaid);
    !strict || is_in_time(payment, sighting)
}

fn is_in_time(payment: &Payment, sighting: &Sighting) -> bool {
    in_time_until(payment).is_some_and(|until| sighting.stamped_at <= until)
}

/// Money that was in time left its block: it may be mined again for a while.
pub(crate) fn grace_after(before: &Payment, after: &Payment, now: DateTime<Utc>) -> Option<Event> {
    let request = before.request.as_ref()?;
    if before.settled || before.closing.is_some() {
        return None;
    }
    let mut was_in_time = before.standing().filter(|(_, _, s)| is_in_time(before, s));
    let lost = was_in_time.any(|(key, _, _)| {
        after.transfers.get(key).is_none_or(|transfer| after.stands(transfer).is_none())
    });
    let by = now + request.away_for_max();
    (lost && before.back_by.is_none_or(|known| known < by)).then_some(Event::GraceBegun { by })
}

fn answer(payment: &Payment) -> Event {
    let settled = payment.final_units();
    let closing = if payment.settled {
        Closing::AlreadySettled { settled }
    } else {
        Closing::Closed { received: payment.received(), settled }
    };
    Event::Closed { closing, due: payment.book.credit_of(Account::Customer) }
}
