//! Joins what happened, whatever the phase, and lets the phase say what follows from the whole
//! picture.

use chrono::{DateTime, Utc};
use contracts::{messages::LegGuestsSettled, mutants::mutant};

use crate::{
    changed,
    event::Event,
    fact::{Deadline, Fact},
    guests::LegGuests,
    next, record,
    state::{Booking, Leg, Payment, Phase, State},
};

/// Follow-ups of follow-ups end long before this; more is a loop in the rules.
const ROUNDS_MAX: usize = 12;

/// Learns `fact`. A repeat gives nothing; a fact about no booking gives nothing.
#[must_use]
pub fn learn(state: &State, fact: &Fact, now: DateTime<Utc>) -> Vec<Event> {
    let Some(booking) = state else { return Vec::new() };
    let mut events = join(booking, fact, now);
    if events.is_empty() || (booking.phase.is_closed() && mutant("deaf_when_closed")) {
        return Vec::new();
    }
    if booking.phase == Phase::Pending {
        events.push(Event::HoldingStarted);
    }
    settle_down(booking, events, now)
}

/// Adds what follows from `events`, until nothing follows any more.
pub(crate) fn settle_down(
    booking: &Booking,
    mut events: Vec<Event>,
    now: DateTime<Utc>,
) -> Vec<Event> {
    let (mut after, _) = record(Some(Box::new(booking.clone())), events.clone(), now);
    for _ in 0..ROUNDS_MAX {
        let more = after.as_deref().map_or_else(Vec::new, |b| next::next(b, now));
        if more.is_empty() {
            return events;
        }
        events.extend(more.iter().cloned());
        (after, _) = record(after, more, now);
    }
    events.push(Event::InvariantBroken { what: "the rules do not settle down".to_owned() });
    events
}

/// The news in `fact`, of whichever payment it is about.
fn join(booking: &Booking, fact: &Fact, now: DateTime<Utc>) -> Vec<Event> {
    let about = match fact {
        Fact::PaymentPrepared(prepared) => Some(prepared.payment_id),
        Fact::PaymentSeen(seen) => Some(seen.payment_id),
        Fact::PaymentSettled(settled) => Some(settled.payment_id),
        Fact::PaymentReversed(reversed) => Some(reversed.payment_id),
        Fact::PaymentClosed(closed) => Some(closed.payment_id),
        Fact::Refund(changed) => Some(changed.payment_id),
        Fact::Leg(_) | Fact::Guests(_) | Fact::Points(_) | Fact::Passed(_) => None,
    };
    let is = |payment: &&Payment| Some(payment.payment_id) == about;
    let further = booking.further.iter().map(|further| &further.payment).find(is);
    let Some(payment) = further else { return news(booking, &booking.payment, fact, now) };
    let news = news(booking, payment, fact, now).into_iter();
    let payment_id = payment.payment_id;
    news.map(|event| Event::FurtherPayment { payment_id, event: Box::new(event) }).collect()
}

/// The news in `fact`: existing evidence is never overwritten by older, and no phase is asked.
fn news(booking: &Booking, payment: &Payment, fact: &Fact, now: DateTime<Utc>) -> Vec<Event> {
    let news = match fact {
        Fact::Leg(changed) => {
            let leg = booking.legs.iter().find(|leg| leg.leg_id == changed.leg_id);
            let news = |leg: &&Leg| changed.seq > leg.known.seq || mutant("old_news_wins");
            leg.filter(news).map(|_| Event::LegNews {
                leg_id: changed.leg_id,
                seq: changed.seq,
                wanted_version: changed.wanted_version,
                state: changed.state.clone(),
                evidence: changed.evidence.clone(),
                undo_failing: changed.undo_failing,
                theirs: changed.theirs.clone(),
                asks: changed.asks.clone(),
                no_show: changed.no_show,
            })
        }
        Fact::PaymentPrepared(prepared) => payment
            .instruction
            .is_none()
            .then(|| Event::PaymentReady { instruction: Box::new(prepared.instruction.clone()) }),
        Fact::PaymentSeen(seen) => (seen.seq > payment.seen_seq).then_some(Event::MoneySeen {
            seq: seen.seq,
            received: seen.received,
            complete: seen.complete,
            seen_at: seen.seen_at,
        }),
        Fact::PaymentSettled(settled) => {
            (settled.seq > payment.settled_seq).then_some(Event::MoneySettled {
                seq: settled.seq,
                received: settled.received,
                complete: settled.complete,
            })
        }
        Fact::PaymentReversed(reversed) => {
            let news = reversed.seq > payment.reversed_seq;
            let (seq, gone, settled) = (reversed.seq, reversed.gone, reversed.settled);
            let lost = reversed.lost;
            news.then_some(Event::MoneyReversed { seq, gone, settled, lost })
        }
        Fact::Guests(settled) => settled_guests(booking, settled),
        Fact::PaymentClosed(closed) => {
            let news = Event::PaymentClosed { closing: closed.closing, seq: closed.seq };
            payment.closing.is_none().then_some(news)
        }
        Fact::Refund(changed) => {
            let known = payment.refunds.iter().find(|r| r.refund_id == changed.refund_id);
            let news = known.is_none_or(|r| r.seq < Some(changed.seq));
            news.then(|| Event::RefundNews {
                refund_id: changed.refund_id,
                units: changed.units,
                state: changed.state,
                seq: changed.seq,
                transaction: changed.transaction.clone(),
                value: changed.value.clone().map(Box::new),
                otherwise: changed.otherwise,
            })
        }
        Fact::Points(changed) => booking
            .points
            .filter(|p| changed.version > p.known_version)
            .map(|_| Event::PointsNews { version: changed.version, state: changed.state }),
        Fact::Passed(deadline) => passed(booking, *deadline, now),
    };
    news.into_iter().collect()
}

fn settled_guests(booking: &Booking, settled: &LegGuestsSettled) -> Option<Event> {
    let leg = booking.legs.iter().find(|leg| leg.leg_id == settled.leg_id);
    let waits = |guests: &LegGuests| guests.version == settled.version && guests.end.is_none();
    let waits = leg.and_then(|leg| leg.guests).is_some_and(|guests| waits(&guests));
    waits.then(|| Event::GuestsSettled {
        leg_id: settled.leg_id,
        version: settled.version,
        end: settled.end,
        evidence: settled.evidence.clone(),
    })
}

fn passed(booking: &Booking, deadline: Deadline, now: DateTime<Utc>) -> Option<Event> {
    let seen = || booking.deadlines.passed.contains(&deadline);
    let known = match deadline {
        Deadline::Refund => booking.next_refund_by().is_none_or(|by| by > now),
        Deadline::Answer => changed::next_answer_by(booking).is_none_or(|by| by > now),
        // Of what is over, only what went before may still be on its way back.
        Deadline::Unwind if booking.legs.iter().any(|leg| leg.out.is_some()) => seen(),
        Deadline::Payable
        | Deadline::Pay
        | Deadline::Settle
        | Deadline::Commit
        | Deadline::Unwind
        | Deadline::Over
        | Deadline::Amend
        | Deadline::Difference => booking.phase.is_closed() || seen(),
    };
    (!known).then_some(Event::DeadlinePassed { deadline })
}
