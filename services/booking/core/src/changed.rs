//! What a supplier changed of what was bought: told with both values, answered by the customer.
//!
//! Nothing of theirs takes the place of ours before the customer agreed to exactly that. Giving it
//! back costs nothing, and neither does having another leg in its place. What the supplier
//! cancelled is refunded in time also where nobody answers; what it only moved is not, because the
//! customer may well be on the way there. What may have been used by the time it was changed is for
//! a person.

use chrono::{DateTime, TimeDelta, Utc};
use contracts::{
    ids::{LegId, derive},
    messages::{LegContent, LegState, WantedLeg},
    money::Money,
    mutants::mutant,
    offer::FlightSegment,
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    amend,
    cancel::{CancelQuote, take, take_what_is_there},
    command::Refusal,
    event::Event,
    next,
    state::{Booking, EndWhy, Leg, LegCancellation, OnRefusal, Out, Phase},
    view::{Action, next_actions_at},
};

/// How long the customer has in bookings that keep nothing else: those from before it was kept, and
/// those that were given exactly this, so that the version before reads them.
const ANSWER_FOR: TimeDelta = TimeDelta::hours(48);

/// How long the customer has, as a booking keeps it.
pub(crate) fn kept_s(answer_for: TimeDelta) -> i64 {
    if answer_for == ANSWER_FOR { 0 } else { answer_for.num_seconds() }
}

/// What the supplier made of a leg that was bought.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case", deny_unknown_fields)]
pub enum Theirs {
    /// Nothing: it is cancelled there.
    Cancelled {},
    /// Something else than was ordered.
    Other { content: LegContent },
}

/// A change of the supplier's that waits for the customer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SupplierChange {
    pub theirs: Theirs,
    pub since: DateTime<Utc>,
    /// Until when the customer is to answer.
    pub by: DateTime<Utc>,
    /// Whether nobody had answered by then.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub late: bool,
}

/// What the customer makes of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChangeAnswer {
    /// It is taken as the supplier has it now.
    Accept,
    /// The leg is given back, and all of its money goes back; the others stay.
    Refund,
    /// The whole trip is given back, and all of its money: it was booked as all or nothing.
    UndoTrip,
}

/// The digest of a leg's change: of exactly the values that an answer is about.
#[must_use]
pub fn change_digest(booking: &Booking, leg: &Leg) -> Option<Uuid> {
    leg.change.as_ref().map(|change| digest(booking, leg.leg_id, &change.theirs))
}

fn digest(booking: &Booking, leg_id: LegId, theirs: &Theirs) -> Uuid {
    let values = match theirs {
        Theirs::Cancelled {} => vec!["cancelled".to_owned()],
        Theirs::Other { content } => {
            let mut values = vec![
                content.reference.clone(),
                content.check_in.to_string(),
                content.check_out.to_string(),
                content.price.minor.to_string(),
                content.price.currency.code().to_owned(),
            ];
            values.extend(content.segments.iter().map(flight));
            values
        }
    };
    let subject = [booking.booking_id.0.as_bytes().as_slice(), leg_id.0.as_bytes()];
    let values = values.iter().map(String::as_bytes);
    let parts: Vec<&[u8]> = subject.into_iter().chain(values).collect();
    derive(booking.created_at, &parts)
}

fn flight(segment: &FlightSegment) -> String {
    let FlightSegment { origin, destination, departs_at, arrives_at, flight } = segment;
    format!("{flight} {origin} {departs_at} {destination} {arrives_at}")
}

/// The answers that a leg's change allows at `now`; none where nothing was changed.
#[must_use]
pub fn change_answers(booking: &Booking, leg: &Leg, now: DateTime<Utc>) -> Vec<ChangeAnswer> {
    let waits = booking.phase == Phase::Confirmed && leg.out.is_none();
    let Some(change) = leg.change.as_ref().filter(|_| waits) else { return Vec::new() };
    let acceptable = match &change.theirs {
        Theirs::Cancelled {} => false,
        // What was paid never grows: whether we bear what is asked beyond it, support decides.
        Theirs::Other { content } => {
            let (theirs, ours) = (content.price, leg.order.cost());
            theirs.currency == ours.currency && theirs.minor <= ours.minor
        }
    };
    let several = booking.standing().nth(1).is_some();
    let unused = !leg.may_be_used(now);
    // Points come back whole or not at all: what they paid a part of goes with the trip.
    let alone = all_of(booking, leg).is_some();
    // What was travelled has its price, which nobody agreed to here: then a person is asked.
    let others = booking.standing().filter(|other| other.leg_id != leg.leg_id);
    let to_give_back = others.clone().all(|other| !other.may_be_used(now));
    let whole = several && to_give_back && (booking.on_refusal == OnRefusal::UndoAll || !alone);
    let mut answers = Vec::from_iter(acceptable.then_some(ChangeAnswer::Accept));
    answers.extend((unused && (alone || !several)).then_some(ChangeAnswer::Refund));
    answers.extend((unused && whole).then_some(ChangeAnswer::UndoTrip));
    answers
}

/// Whether another leg may be had in the place of one that its supplier changed, which then goes
/// free: any of the same kind, by an amendment of it.
#[must_use]
pub fn may_be_rebooked(booking: &Booking, leg: &Leg, now: DateTime<Utc>) -> bool {
    booking.phase == Phase::Confirmed
        && leg.out.is_none()
        && leg.deferred.is_none()
        && leg.change.is_some()
        && !leg.may_be_used(now)
        && amend::is_open(booking, |other| other.change.is_some())
}

/// All the money of a leg; nothing where points paid a part of it.
fn all_of(booking: &Booking, leg: &Leg) -> Option<LegCancellation> {
    let price = leg.order.price;
    take(booking, Money::zero(price.currency), price.minor)
}

/// The next actions that changes bring.
pub(crate) fn actions(booking: &Booking, now: DateTime<Utc>) -> Vec<Action> {
    let action = |answer| match answer {
        ChangeAnswer::Accept => Action::AcceptChange,
        ChangeAnswer::Refund => Action::RefundChange,
        ChangeAnswer::UndoTrip => Action::UndoTrip,
    };
    let each = booking.legs.iter().flat_map(|leg| change_answers(booking, leg, now));
    let mut actions: Vec<Action> = each.map(action).collect();
    let rebook = booking.legs.iter().any(|leg| may_be_rebooked(booking, leg, now));
    actions.extend(rebook.then_some(Action::RebookChange));
    actions.sort_unstable();
    actions.dedup();
    actions
}

/// What the supplier has of a leg that was bought, where that is not what the customer agreed to.
/// While an answer is outstanding, nobody knows.
enum Found {
    AsAgreed,
    Changed(Theirs),
    Unknown,
}

fn found(leg: &Leg) -> Found {
    if next::lost(leg).is_some() {
        return Found::Changed(Theirs::Cancelled {});
    }
    match (&leg.known.state, &leg.known.theirs) {
        (Some(LegState::Confirmed { .. }), _) => Found::AsAgreed,
        (Some(LegState::InDoubt { .. }), Some(theirs)) if leg.accepted.as_ref() != Some(theirs) => {
            Found::Changed(Theirs::Other { content: theirs.clone() })
        }
        (
            Some(
                LegState::InDoubt { .. }
                | LegState::Held { .. }
                | LegState::Gone { .. }
                | LegState::Refused { .. },
            )
            | None,
            _,
        ) => Found::Unknown,
    }
}

/// Whether the supplier has something else of a leg than what was agreed to, or nothing.
pub(crate) fn is_changed(leg: &Leg) -> bool {
    matches!(found(leg), Found::Changed(_))
}

/// Notes what suppliers changed, and that they changed it back; refunds what they cancelled once
/// the customer had the time to answer.
pub(crate) fn next(booking: &Booking, now: DateTime<Utc>) -> Vec<Event> {
    let news: Vec<Event> = booking.standing().filter_map(|leg| noted(booking, leg, now)).collect();
    if !news.is_empty() {
        return news;
    }
    let cancelled = |change: &SupplierChange| change.theirs == Theirs::Cancelled {};
    let late = |leg: &&Leg| leg.change.as_ref().is_some_and(|c| c.late && cancelled(c));
    let unanswered = booking.standing().filter(late).filter(|leg| !leg.may_be_used(now));
    let unanswered = unanswered.filter(|_| !mutant("never_refunded"));
    let back = |leg| match booking.on_refusal {
        OnRefusal::UndoAll => refunded(booking, leg, now),
        OnRefusal::KeepHeld => given_back(booking, leg, now),
    };
    unanswered.map(back).find(|events| !events.is_empty()).unwrap_or_default()
}

/// Notes what suppliers changed of the legs that no amendment is about.
pub(crate) fn noted_beside(booking: &Booking, now: DateTime<Utc>) -> Vec<Event> {
    let replaced = booking.amendment.map(|amendment| amendment.leg_id);
    let legs = booking.standing().filter(|leg| Some(leg.leg_id) != replaced);
    legs.filter_map(|leg| noted(booking, leg, now)).collect()
}

fn noted(booking: &Booking, leg: &Leg, now: DateTime<Utc>) -> Option<Event> {
    let known = leg.change.as_ref().map(|change| &change.theirs);
    match found(leg) {
        _ if leg.left_there => None,
        Found::Changed(theirs) if known != Some(&theirs) => {
            let time = match booking.deadlines.answer_for_s {
                0 => ANSWER_FOR,
                seconds => TimeDelta::seconds(seconds),
            };
            Some(Event::ChangeFound { leg_id: leg.leg_id, theirs, by: now + time })
        }
        Found::AsAgreed if known.is_some() => Some(Event::ChangeOver { leg_id: leg.leg_id }),
        Found::Changed(_) | Found::AsAgreed | Found::Unknown => None,
    }
}

/// When the next change that nobody answered is late.
pub(crate) fn next_answer_by(booking: &Booking) -> Option<DateTime<Utc>> {
    let waits = booking.standing().filter_map(|leg| leg.change.as_ref());
    waits.filter(|change| !change.late).map(|change| change.by).min()
}

/// What the customer makes of the change of a leg.
pub(crate) fn answer(
    booking: &Booking,
    leg_id: LegId,
    answer: ChangeAnswer,
    agreed: Uuid,
    now: DateTime<Utc>,
) -> Result<Vec<Event>, Refusal> {
    let leg = booking.legs.iter().find(|leg| leg.leg_id == leg_id).ok_or(Refusal::NoSuchLeg)?;
    let taken = leg.accepted.as_ref().filter(|_| answer == ChangeAnswer::Accept);
    let taken = taken.map(|content| Theirs::Other { content: content.clone() });
    if leg.change.is_none() && taken.is_some_and(|t| digest(booking, leg_id, &t) == agreed) {
        // The same answer again is a repeat.
        return Ok(Vec::new());
    }
    if is_answered(booking, leg, answer, agreed) {
        return Ok(Vec::new());
    }
    let allowed = change_answers(booking, leg, now);
    let refused = || Refusal::NotAllowed { allowed: next_actions_at(booking, now) };
    let change = change_digest(booking, leg).filter(|_| !allowed.is_empty()).ok_or_else(refused)?;
    if change != agreed && !mutant("any_change_agreed") {
        return Err(Refusal::ChangedAgain { leg_id, change });
    }
    if !allowed.contains(&answer) {
        return Err(refused());
    }
    let mut events = vec![Event::ChangeAnswered { leg_id, answer, change }];
    events.extend(match answer {
        ChangeAnswer::Accept => vec![Event::LegWished {
            leg_id,
            version: leg.wanted_version.saturating_add(1),
            wanted: WantedLeg::Confirmed,
        }],
        ChangeAnswer::Refund => refunded(booking, leg, now),
        ChangeAnswer::UndoTrip => whole(booking, leg, now),
    });
    let nothing_follows = events.len() == 1;
    if nothing_follows {
        // Points paid a part of it, and come back whole or not at all.
        return Err(Refusal::PaidByPoints { allowed: next_actions_at(booking, now) });
    }
    Ok(events)
}

/// Whether the leg or the trip was given back for exactly this change.
fn is_answered(booking: &Booking, leg: &Leg, answer: ChangeAnswer, agreed: Uuid) -> bool {
    let theirs =
        leg.known.theirs.as_ref().map(|content| Theirs::Other { content: content.clone() });
    let named = |theirs: &Theirs| digest(booking, leg.leg_id, theirs) == agreed;
    let named = named(&Theirs::Cancelled {}) || theirs.is_some_and(|theirs| named(&theirs));
    let trip = booking.end.is_some_and(|end| {
        matches!(end.why, EndWhy::CancelledBySupplier | EndWhy::ChangedBySupplier)
    });
    let several = booking.standing().nth(1).is_some();
    let alone = matches!(leg.out, Some(Out::Cancelled { .. })) && leg.agreed.is_none();
    let given_back = match answer {
        ChangeAnswer::Accept => false,
        ChangeAnswer::Refund => alone || (trip && leg.out.is_none() && !several),
        ChangeAnswer::UndoTrip => trip && leg.out.is_none() && several,
    };
    leg.change.is_none() && named && given_back
}

/// Gives back a leg that the supplier changed, and all of its money; the last one with the booking.
/// Nothing where points paid a part of it and the others stay.
fn refunded(booking: &Booking, leg: &Leg, now: DateTime<Utc>) -> Vec<Event> {
    if booking.standing().nth(1).is_none() {
        return whole(booking, leg, now);
    }
    let agreed = all_of(booking, leg);
    agreed.map_or_else(Vec::new, |agreed| next::cancel_leg(booking, leg.leg_id, agreed, None, now))
}

/// Gives back a leg, and as much of its money as there is: what points paid of it is for a person.
pub(crate) fn given_back(booking: &Booking, leg: &Leg, now: DateTime<Utc>) -> Vec<Event> {
    let all = refunded(booking, leg, now);
    if !all.is_empty() {
        return all;
    }
    let agreed = take_what_is_there(booking, leg.order.price);
    agreed.map_or_else(Vec::new, |agreed| next::cancel_leg(booking, leg.leg_id, agreed, None, now))
}

/// Gives everything back; what the terms of the legs charge for it is ours to bear.
fn whole(booking: &Booking, leg: &Leg, now: DateTime<Utc>) -> Vec<Event> {
    let gone = leg.change.as_ref().is_some_and(|change| change.theirs == Theirs::Cancelled {});
    let why = if gone { EndWhy::CancelledBySupplier } else { EndWhy::ChangedBySupplier };
    next::give_back(booking, CancelQuote::borne(booking, now), why, now)
}
