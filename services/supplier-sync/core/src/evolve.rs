//! Applies an event, no questions asked: it already happened.

use chrono::{DateTime, Utc};
use contracts::{
    messages::{CallbackClaim, GoneWhy, UndoFailedWhy, WantedLeg},
    mutants::mutant,
};
use suppliers::dialect;

use crate::{
    amend::Guests,
    event::{Event, Outcome, Recorded, Seen},
    evidence::{Blind, NotSent, Open, OpenWhy, Reading, Reservation, Shown, Stage},
    state::{Asked, Attempt, Doing, Exchange, Heard, Hint, Leg, LookUpWhy, State, Told},
};

/// Exchanges without an answer that are remembered; an answer that is later than so many others
/// brings nothing that a look-up does not.
const OVERDUE_MAX: usize = 8;

/// Folds an event into the leg.
#[must_use]
pub fn evolve(state: State, recorded: &Recorded) -> State {
    let mut leg = match (state, &recorded.event) {
        (Some(leg), _) => leg,
        (None, first) => wished(first)?,
    };
    leg.version = recorded.version;
    apply(&mut leg, &recorded.event, recorded.at);
    Some(leg)
}

/// A leg begins with the first wish for it.
fn wished(event: &Event) -> State {
    let Event::Wanted { booking_id, leg_id, wanted_version, wanted, order } = event else {
        return None;
    };
    Some(Box::new(Leg {
        leg_id: *leg_id,
        booking_id: *booking_id,
        version: 0,
        order: order.clone()?,
        wanted: *wanted,
        wanted_version: *wanted_version,
        attempts: Vec::new(),
        exchanges: 0,
        in_flight: None,
        overdue: Vec::new(),
        told: None,
        heard: None,
        guests: None,
    }))
}

fn apply(leg: &mut Leg, event: &Event, at: DateTime<Utc>) {
    match event {
        Event::Wanted { wanted_version, wanted, order, .. } => {
            leg.wanted = *wanted;
            leg.wanted_version = *wanted_version;
            if let Some(order) = order {
                let before = std::mem::replace(&mut leg.order, order.clone());
                let all = leg.attempts.iter_mut().flat_map(|it| it.reservations.values_mut());
                all.for_each(|reservation| reservation.judge_anew(&before, order));
            }
            wished_anew(leg);
        }
        Event::GuestsWanted { version, party } => {
            let (before, exchanges) = (leg.guests.take(), leg.exchanges);
            leg.guests = Some(Guests::wanted(before, *version, *party, exchanges));
        }
        Event::GuestsSettled { end, .. } => {
            if let Some(guests) = &mut leg.guests {
                (guests.end, guests.told, guests.open) = (Some(*end), true, None);
            }
        }
        Event::AttemptMade { attempt, client_reference } => {
            leg.attempts.push(Attempt::new(*attempt, client_reference.clone()));
        }
        Event::Began { exchange, doing, attempt, reference, lease_until } => begin(
            leg,
            Exchange {
                number: *exchange,
                doing: *doing,
                attempt: *attempt,
                reference: reference.clone(),
                began_at: at,
                lease_until: *lease_until,
                before: None,
            },
        ),
        Event::Answered { exchange, outcome } => answered(leg, *exchange, outcome, at),
        Event::LeaseRanOut { exchange } => lease_ran_out(leg, *exchange, at),
        Event::Hinted { attempt, reference, claim, .. } => {
            hinted(leg, *attempt, reference.as_deref(), *claim, at);
        }
        Event::LookAsked { attempt, .. } => {
            let asked = Asked { at, after_exchange: leg.exchanges };
            change(leg, *attempt, |attempt| attempt.asked = Some(asked));
        }
        Event::AttemptProvenDead { attempt, .. }
        | Event::DeclaredAbsent { attempt, reference: None, .. } => {
            change(leg, *attempt, |attempt| attempt.proven_dead = true);
        }
        Event::Adopted { attempt, reference, .. } => {
            repaired(leg, *attempt, reference, Reservation::adopt);
        }
        Event::CancelAsked { attempt, reference, .. } => {
            repaired(leg, *attempt, reference, Reservation::discard);
        }
        Event::DeclaredAbsent { attempt, reference: Some(reference), .. } => {
            let newest = leg.exchanges;
            repaired(leg, *attempt, reference, |one| one.declared_gone_after = Some(newest));
        }
        Event::GaveUp { attempt } => change(leg, *attempt, |attempt| attempt.gave_up = true),
        Event::Mismatch { reference, .. } => mismatch(leg, reference, true),
        Event::Agreed { reference } => mismatch(leg, reference, false),
        Event::Told { state, undo_failing, theirs, no_show, .. } => {
            let (wanted_version, undo_failing) = (leg.wanted_version, *undo_failing);
            let (state, theirs, no_show) = (state.clone(), theirs.clone(), *no_show);
            leg.told = Some(Told { wanted_version, state, undo_failing, theirs, no_show });
            leg.heard = None;
        }
        Event::InvariantBroken { .. } => {}
    }
}

fn change(leg: &mut Leg, number: u32, with: impl FnOnce(&mut Attempt)) {
    if let Some(attempt) = leg.attempts.iter_mut().find(|attempt| attempt.number == number) {
        with(attempt);
    }
}

fn repaired(leg: &mut Leg, number: u32, reference: &str, with: impl FnOnce(&mut Reservation)) {
    change(leg, number, |attempt| {
        if let Some(reservation) = attempt.reservations.get_mut(reference) {
            with(reservation);
        }
    });
}

fn mismatch(leg: &mut Leg, reference: &str, recorded: bool) {
    for attempt in &mut leg.attempts {
        if let Some(reservation) = attempt.reservations.get_mut(reference) {
            reservation.mismatch_recorded = recorded;
        }
    }
}

/// Whoever wishes anew is not kept waiting for the next try to give something back.
fn wished_anew(leg: &mut Leg) {
    for attempt in &mut leg.attempts {
        for undo in attempt.reservations.values_mut().filter_map(|one| one.undo.as_mut()) {
            undo.last_at = None;
        }
    }
}

fn hinted(
    leg: &mut Leg,
    number: u32,
    reference: Option<&str>,
    claim: Option<CallbackClaim>,
    at: DateTime<Utc>,
) {
    let after_exchange = leg.exchanges;
    change(leg, number, |attempt| {
        if mutant("callback_is_state") && claim == Some(CallbackClaim::Gone) {
            let about = attempt.reservations.get_mut(reference.unwrap_or_default());
            about.into_iter().for_each(|r| r.stage = Stage::Gone { why: GoneWhy::Released });
        }
        let before = attempt.hint.take();
        // What tells us nothing has been waiting for others, not for this one.
        let first_at = before.as_ref().filter(|hint| !attempt.is_echoed_by(hint));
        let mut hint = Hint {
            first_at: first_at.map_or(at, |hint| hint.first_at),
            last_at: at,
            after_exchange,
            ..before.unwrap_or_else(|| Hint::new(at, after_exchange))
        };
        hint.note(reference, claim.filter(|claim| !attempt.contradicts(reference, *claim)));
        attempt.hint = Some(hint);
    });
}

/// An exchange about a reservation takes the place of the one that was left open.
fn begin(leg: &mut Leg, mut exchange: Exchange) {
    leg.exchanges = exchange.number;
    let (number, attempt, about) = (exchange.number, exchange.attempt, exchange.reference.clone());
    let about = about.filter(|_| exchange.doing != Doing::Amend);
    let before = &mut exchange.before;
    change(leg, attempt, |attempt| {
        if let Some(reservation) = about.and_then(|r| attempt.reservations.get_mut(&r)) {
            reservation.begun = number;
            *before = reservation.open.take();
        }
    });
    leg.in_flight = Some(exchange);
}

fn answered(leg: &mut Leg, number: u32, outcome: &Outcome, at: DateTime<Utc>) {
    let Some(exchange) = take(leg, number) else { return };
    let source = exchange.doing.evidence();
    let reading = Reading { exchange: number, source, asked_at: exchange.began_at, learnt_at: at };
    let order = &leg.order;
    let is_newest = leg.attempts.last().is_some_and(|last| last.number == exchange.attempt);
    let Some(attempt) = leg.attempts.iter_mut().find(|a| a.number == exchange.attempt) else {
        return;
    };
    // Whether there was anything to it is asked of what was known before the look-up.
    let hint = attempt.hint.take();
    let called = hint.as_ref().filter(|hint| !attempt.is_echoed_by(hint)).cloned();
    attempt.hint = hint;
    if outcome.may_have_been_sent() {
        attempt.answered = Some(reading.shown());
    }
    let show = |attempt: &mut Attempt, seen: &[Seen]| {
        for one in seen {
            // What is there was sent, also where the supplier said that it had taken nothing.
            attempt.sent_until.get_or_insert(at);
            let reservation = attempt.reservations.entry(one.reference.clone());
            reservation.or_insert_with(|| Reservation::named(at)).join(one, reading, order);
        }
    };
    let refused = matches!(outcome, Outcome::Refused { .. });
    // Where a cancel names no reservation, which of several is gone is for a look-up to show.
    let any_of_them = !dialect(order.supplier).cancels_by_reference()
        && attempt.reservations.values().filter(|one| !one.is_said_gone()).count() > 1;
    let one_is_gone = *outcome == Outcome::Accepted && exchange.doing == Doing::Cancel;
    let outcome = if one_is_gone && any_of_them { &Outcome::Unknown } else { outcome };
    if exchange.doing == Doing::Cancel && outcome.may_have_been_sent() && !refused {
        let about = exchange.reference.as_deref().unwrap_or_default();
        let each = attempt.reservations.iter_mut().filter(|one| any_of_them || one.0 == about);
        each.for_each(|(_, reservation)| reservation.cancel_sent = true);
    }
    let deaf = mutant("late_evidence_ignored") && leg.wanted == WantedLeg::Released;
    if let Outcome::Seen { reservations } = outcome
        && !deaf
    {
        show(attempt, reservations);
    }
    if let (Some(guests), Outcome::Seen { reservations }, false) =
        (&mut leg.guests, outcome, exchange.doing.mutates())
    {
        guests.looked(reservations, reading);
    }
    match exchange.doing {
        Doing::Reserve { .. } => {
            attempt.reserved(outcome, at);
            // It may have left later than what proved it dead was asked.
            attempt.proven_dead &= !(is_newest && outcome.may_have_been_sent());
        }
        Doing::Confirm => attempt.moved(&exchange, Going::Buying, outcome, at),
        Doing::Cancel => attempt.moved(&exchange, Going::Cancelling, outcome, at),
        Doing::Amend => {
            attempt.looks.in_doubt = 0;
            leg.guests.iter_mut().for_each(|guests| guests.tried(&exchange, outcome, at));
        }
        Doing::LookUp { why } => attempt.looked(why, outcome, reading),
    }
    // A callback that is looked into is told of where it said what is not so, or came after the
    // end.
    if let Some(called) = called.filter(|_| attempt.hint.is_none()) {
        let untrue = !attempt.proves_all_of(&called);
        if untrue || leg.wanted == WantedLeg::Released {
            let reference = called.about;
            leg.heard = Some(Heard { attempt: exchange.attempt, exchange: number, reference });
        }
    }
}

/// The exchange with that number, which is over; nothing when its answer was learnt before.
fn take(leg: &mut Leg, number: u32) -> Option<Exchange> {
    if leg.in_flight.as_ref().is_some_and(|exchange| exchange.number == number) {
        return leg.in_flight.take();
    }
    let at = leg.overdue.iter().position(|exchange| exchange.number == number)?;
    Some(leg.overdue.remove(at))
}

fn lease_ran_out(leg: &mut Leg, number: u32, at: DateTime<Utc>) {
    let Some(exchange) = take(leg, number) else { return };
    let until = exchange.lease_until;
    let nothing = if mutant("lease_means_not_sent") { Outcome::NotSent } else { Outcome::Unknown };
    if exchange.doing == Doing::Amend {
        let guests = leg.guests.iter_mut();
        guests.for_each(|guests| guests.tried(&exchange, &Outcome::Unknown, until));
    }
    change(leg, exchange.attempt, |attempt| match exchange.doing {
        Doing::Amend => attempt.looks.in_doubt = 0,
        Doing::Reserve { .. } => attempt.reserved(&nothing, until),
        Doing::Confirm => attempt.moved(&exchange, Going::Buying, &Outcome::Unknown, until),
        Doing::Cancel => attempt.moved(&exchange, Going::Cancelling, &Outcome::Unknown, until),
        Doing::LookUp { .. } => attempt.look_failed(at),
    });
    leg.overdue.push(exchange);
    let surplus = leg.overdue.len().saturating_sub(OVERDUE_MAX);
    leg.overdue.drain(..surplus);
}

/// Where an exchange about a reservation was to bring it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Going {
    Buying,
    Cancelling,
}

impl Attempt {
    /// A reserve ended; the last byte of it left before `at`.
    fn reserved(&mut self, outcome: &Outcome, at: DateTime<Utc>) {
        match outcome {
            Outcome::Unknown if mutant("no_answer_is_not_sent") => {
                self.not_sent = Some(NotSent::again(self.not_sent, at, None));
                return;
            }
            Outcome::NotSent | Outcome::NoHandle | Outcome::PutOff { .. } | Outcome::TurnedAway => {
                let until = outcome.put_off_until();
                self.not_sent = Some(NotSent::again(self.not_sent, at, until));
                self.turned_away |= *outcome == Outcome::TurnedAway;
                self.gave_up |= self.turned_away;
                return;
            }
            // A reserve is answered by what was made or by a refusal; anything else says nothing.
            Outcome::Unknown | Outcome::Misnamed | Outcome::NotFound | Outcome::Accepted => {
                self.blind = self.blind.join(Blind::Unknown);
                self.unknown_since = self.unknown_since.or(Some(at));
                self.looks.in_doubt = 0;
            }
            Outcome::Refused { why, asks } => {
                self.blind = self.blind.join(Blind::Refused { why: *why });
                self.asks = asks.as_deref().cloned();
            }
            Outcome::Seen { .. } => self.blind = self.blind.join(Blind::Unknown),
        }
        self.misnamed |= *outcome == Outcome::Misnamed;
        self.sent_until = self.sent_until.max(Some(at));
        self.not_sent = None;
    }

    /// A confirm or a cancel of one reservation ended.
    fn moved(&mut self, exchange: &Exchange, going: Going, outcome: &Outcome, at: DateTime<Utc>) {
        let about = exchange.reference.as_deref().unwrap_or_default();
        let Some(reservation) = self.reservations.get_mut(about) else { return };
        let buying = going == Going::Buying;
        // What a later one is to bring about is not what an earlier one left open; that it is done
        // counts whenever it is heard.
        if exchange.number < reservation.begun && *outcome != Outcome::Accepted {
            return;
        }
        let open = |why| Open { exchange: exchange.number, why, buying, since: at };
        let shown = Shown { exchange: exchange.number, source: exchange.doing.evidence() };
        let mut failed = None;
        match outcome {
            Outcome::NotSent | Outcome::PutOff { .. } | Outcome::TurnedAway => {
                let until = outcome.put_off_until();
                reservation.not_sent = Some(NotSent::again(reservation.not_sent, at, until));
                if let Some(before) = exchange.before {
                    reservation.leave_open(before);
                }
                return;
            }
            Outcome::NoHandle => {
                reservation.leave_open(open(OpenWhy::NoHandle));
                // A read in between has shown no way either.
                let again = exchange.before.is_some_and(|before| before.why == OpenWhy::NoHandle);
                failed = again.then_some(UndoFailedWhy::Refused);
            }
            Outcome::Unknown if buying && mutant("purchase_assumed") => {
                reservation.done(Stage::Confirmed, shown);
            }
            Outcome::Unknown if !buying && mutant("cancel_assumed") => {
                reservation.done(Stage::Gone { why: GoneWhy::Released }, shown);
            }
            Outcome::Unknown | Outcome::Misnamed | Outcome::NotFound | Outcome::Seen { .. } => {
                // A lease that ran out comes without an answer.
                reservation.cancel_sent |= !buying;
                reservation.leave_open(open(OpenWhy::Unknown { until: at }));
                failed = Some(UndoFailedWhy::Unknown);
            }
            Outcome::Refused { why, .. } => {
                reservation.leave_open(open(OpenWhy::Refused { why: *why }));
                failed = Some(UndoFailedWhy::Refused);
            }
            Outcome::Accepted if buying => {
                // The handle named the ways of a hold, which are spent.
                reservation.handle = None;
                reservation.done(Stage::Confirmed, shown);
            }
            Outcome::Accepted => {
                reservation.done(Stage::Gone { why: GoneWhy::Released }, shown);
            }
        }
        if let Some(why) = failed.filter(|_| !buying) {
            reservation.not_undone(exchange.number, why, at);
        }
        reservation.not_sent = None;
        // What the reads so far did not make possible, the next one need not: the ladder goes on.
        if *outcome != Outcome::NoHandle {
            self.looks.in_doubt = 0;
        }
    }

    /// A look-up ended. What it showed is joined already.
    fn looked(&mut self, why: LookUpWhy, outcome: &Outcome, reading: Reading) {
        match outcome {
            Outcome::Seen { reservations } => {
                for (reference, reservation) in &mut self.reservations {
                    let shown = reservations.iter().any(|seen| seen.reference == *reference);
                    // What a later one showed, an earlier one that is heard late takes not back.
                    if !shown && reading.exchange > reservation.read_exchange {
                        reservation.not_there(reading.asked_at);
                    }
                }
            }
            Outcome::NotFound => self.found_nothing(reading),
            // It surely never left: no answer failed to come.
            Outcome::NotSent | Outcome::PutOff { .. } | Outcome::TurnedAway => {
                let (before, until) = (self.looks.not_sent, outcome.put_off_until());
                self.looks.not_sent = Some(NotSent::again(before, reading.learnt_at, until));
                return;
            }
            Outcome::Unknown
            | Outcome::Misnamed
            | Outcome::Refused { .. }
            | Outcome::Accepted
            | Outcome::NoHandle => {
                return self.look_failed(reading.learnt_at);
            }
        }
        self.looks.failed = 0;
        self.looks.not_sent = None;
        self.looks.last_at = Some(reading.learnt_at);
        self.looks.whole_asked_at = self.looks.whole_asked_at.max(Some(reading.asked_at));
        match why {
            LookUpWhy::Doubt => self.looks.in_doubt = self.looks.in_doubt.saturating_add(1),
            LookUpWhy::Sweep => {
                self.looks.swept = self.looks.swept.saturating_add(1);
                self.looks.last_swept_at = Some(reading.learnt_at);
            }
            LookUpWhy::Hint | LookUpWhy::Staff => {}
        }
        self.hint.take_if(|hint| reading.exchange > hint.after_exchange);
        self.asked.take_if(|asked| reading.exchange > asked.after_exchange);
    }

    fn found_nothing(&mut self, Reading { exchange, asked_at, .. }: Reading) {
        // Of what was never sent there is nothing to find; it may still be sent.
        if self.blind != Blind::NotSent {
            let nothing = Blind::NotFound { first_asked_at: asked_at, last_asked_at: asked_at };
            self.blind = self.blind.join(nothing);
        }
        let older = |reservation: &&mut Reservation| exchange > reservation.read_exchange;
        let shown_before = self.reservations.values_mut().filter(older);
        shown_before.for_each(|reservation| reservation.not_there(asked_at));
    }

    fn look_failed(&mut self, at: DateTime<Utc>) {
        self.looks.not_sent = None;
        self.looks.failed = self.looks.failed.saturating_add(1);
        self.looks.last_at = Some(at);
    }
}
