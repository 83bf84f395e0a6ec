//! Applies an event. Asks no questions: it already happened.

use chrono::{DateTime, TimeDelta, Utc};
use contracts::{
    asset::{AssetAmount, Units},
    ids::{LegId, PaymentId},
    instruction::CARD,
    messages::{Closing, WantedLeg, WantedPoints},
    mutants::mutant,
    offer::Product,
};
use uuid::Uuid;

use crate::{
    changed::{ChangeAnswer, SupplierChange, Theirs},
    event::{AcceptedLeg, AcceptedTerms, Event, Recorded},
    fact::Deadline,
    guests, repriced,
    state::{
        Amendment, Booking, Deadlines, End, EndWhy, Further, Known, Leg, Out, Payment, Phase,
        Points, Refund, Review, ReviewWhy, Reviewer, State, Stuck, keep_further, take_further,
    },
    terms,
};

/// The booking after `recorded`.
#[must_use]
pub fn evolve(state: State, recorded: &Recorded) -> State {
    let Some(mut booking) = state else { return born(recorded) };
    booking.version = recorded.version;
    booking.changed_at = recorded.at;
    apply(&mut booking, recorded);
    Some(booking)
}

fn born(recorded: &Recorded) -> State {
    let Event::Accepted(accepted) = &recorded.event else { return None };
    Some(Box::new(Booking {
        booking_id: accepted.booking_id,
        account_id: accepted.account_id.clone(),
        quote_id: accepted.quote_id,
        version: recorded.version,
        created_at: recorded.at,
        changed_at: recorded.at,
        phase: Phase::Pending,
        end: None,
        cancellation: None,
        deferred: None,
        agreed: None,
        amendment: None,
        on_refusal: accepted.on_refusal,
        legs: accepted.legs.iter().map(born_leg).collect(),
        price: accepted.price,
        payment: Payment {
            refund_to: accepted.refund_to.clone(),
            ..Payment::new(accepted.payment_id, accepted.rate.clone(), accepted.quoted.clone())
        },
        refund_basis: accepted.refund_basis,
        further: Vec::new(),
        points: (accepted.points > 0).then_some(Points {
            points: accepted.points,
            worth: accepted.points_worth,
            wanted: WantedPoints::Held,
            wanted_version: 0,
            known_version: 0,
            known: None,
        }),
        deadlines: Deadlines {
            payable_by: accepted.payable_by,
            pay_by: accepted.pay_by,
            settle_by: accepted.settle_by,
            commit_for_s: accepted.commit_for_s,
            unwind_for_s: accepted.unwind_for_s,
            review_for_s: accepted.review_for_s,
            refund_for_s: accepted.refund_for_s,
            answer_for_s: accepted.answer_for_s,
            passed: Vec::new(),
        },
        rebooked: None,
        review: None,
        reviewer: None,
        looked: None,
    }))
}

pub(crate) fn born_leg(leg: &AcceptedLeg) -> Leg {
    Leg {
        leg_id: leg.leg_id,
        order: leg.order.clone(),
        wanted: WantedLeg::Held,
        wanted_version: 0,
        known: Known {
            seq: 0,
            wanted_version: 0,
            state: None,
            undo_failing: None,
            theirs: None,
            asks: None,
            no_show: false,
        },
        in_place_of: None,
        out: None,
        agreed: None,
        deferred: None,
        change: None,
        asked: false,
        accepted: None,
        left_there: false,
        points_made_good: false,
        guests: None,
    }
}

#[expect(clippy::too_many_lines, reason = "one arm an event")]
fn apply(booking: &mut Booking, recorded: &Recorded) {
    match &recorded.event {
        Event::Accepted(_) | Event::LegGivenBack { .. } => {}
        Event::LegWished { leg_id, version, wanted } => {
            for leg in booking.legs.iter_mut().filter(|leg| leg.leg_id == *leg_id) {
                leg.wanted = *wanted;
                leg.wanted_version = *version;
            }
            amendment_has_time(booking, *leg_id);
        }
        Event::LegNews {
            leg_id,
            seq,
            wanted_version,
            state,
            undo_failing,
            theirs,
            asks,
            no_show,
            ..
        } => {
            let (seq, wanted_version, undo_failing) = (*seq, *wanted_version, *undo_failing);
            let no_show = *no_show;
            for leg in booking.legs.iter_mut().filter(|leg| leg.leg_id == *leg_id) {
                let (state, theirs) = (Some(state.clone()), theirs.clone());
                let asks = asks.clone();
                leg.known =
                    Known { seq, wanted_version, state, undo_failing, theirs, asks, no_show };
            }
        }
        Event::LegRepriced { leg_id, by, asks } => {
            let again = repriced::again(booking, *leg_id, *by, asks);
            leave(booking, *leg_id, Out::Repriced { by: *by, agreed: None });
            booking.legs.extend(again);
        }
        Event::TermsAsked { leg_id, by } => {
            legs_of(booking, *leg_id).for_each(|leg| leg.asked = true);
            booking.deadlines.payable_by = *by;
        }
        Event::TermsAccepted(accepted) => terms_accepted(booking, accepted),
        Event::ChangeFound { leg_id, theirs, by } => {
            let (theirs, since, by, late) = (theirs.clone(), recorded.at, *by, false);
            let change = SupplierChange { theirs, since, by, late };
            legs_of(booking, *leg_id).for_each(|leg| leg.change = Some(change.clone()));
        }
        Event::ChangeOver { leg_id } => legs_of(booking, *leg_id).for_each(|leg| leg.change = None),
        Event::ChangeAnswered { leg_id, answer, .. } => {
            legs_of(booking, *leg_id).for_each(|leg| answered(leg, *answer));
            if *answer == ChangeAnswer::Accept {
                // Other dates end at another time.
                booking.deadlines.passed.retain(|deadline| *deadline != Deadline::Over);
            }
        }
        Event::LegLeftOut { leg_id, why, payable_by } => {
            leave(booking, *leg_id, Out::NotHeld { why: *why });
            if let Some(by) = payable_by {
                booking.deadlines.payable_by = *by;
                booking.deadlines.passed.retain(|deadline| *deadline != Deadline::Payable);
            }
        }
        Event::LegGivenUp { leg_id, agreed, quoted, payment_id } => {
            legs_of(booking, *leg_id).for_each(|leg| leg.agreed = Some(*agreed));
            leave(booking, *leg_id, Out::NotHeld { why: EndWhy::CancelledByCustomer });
            ask_anew(booking, quoted, payment_id.map(|payment_id| (payment_id, *leg_id)));
        }
        Event::LegCancellationDeferred { leg_id, fee, agreed } => {
            for leg in legs_of(booking, *leg_id) {
                (leg.deferred, leg.agreed) = (Some(*fee), Some(*agreed));
            }
        }
        Event::LegCancelled { leg_id, cancellation, agreed } => {
            legs_of(booking, *leg_id).for_each(|leg| leg.agreed = *agreed);
            owe(&mut booking.payment, cancellation.units);
            take_further(booking, cancellation.of_further);
            leave(booking, *leg_id, Out::Cancelled { cancellation: *cancellation });
        }
        Event::LegLeftThere { leg_id, .. } => legs_of(booking, *leg_id).for_each(left_there),
        Event::AmendmentStarted { leg_id, leg, agreed, held_by, difference } => {
            let (leg_id, by) = (*leg_id, leg.leg_id);
            let payment_id = difference.as_ref().map(|difference| difference.payment_id);
            booking.phase = Phase::Amending;
            let (agreed, held_by) = (*agreed, *held_by);
            booking.amendment = Some(Amendment { leg_id, by, agreed, held_by, payment_id });
            booking.further.extend(difference.as_ref().map(|one| Further::new(one, by)));
            let (out, in_place_of) = (Some(Out::Coming), Some(leg_id));
            booking.legs.push(Leg { out, in_place_of, ..born_leg(leg) });
            amendment_has_time(booking, by);
        }
        Event::LegReplaced { leg_id, by, cancellation } => {
            let cancellation = *cancellation;
            owe(&mut booking.payment, cancellation.units);
            // What was paid for it is told as less than nothing that goes back.
            let paid = booking.due().map_or(0, |due| due.pays.minor);
            take_further(booking, cancellation.of_further.saturating_add(paid));
            leave(booking, *leg_id, Out::Replaced { by: *by, cancellation });
            booking.legs.iter_mut().filter(|leg| leg.leg_id == *by).for_each(|leg| leg.out = None);
            // Other dates end at another time.
            booking.deadlines.passed.retain(|deadline| *deadline != Deadline::Over);
            amendment_ended(booking);
        }
        Event::AmendmentFailed { leg_id, why } => {
            leave(booking, *leg_id, Out::NotTaken { why: *why });
            let paid = booking.due().map_or(0, |due| due.pays.minor);
            take_further(booking, paid);
            amendment_ended(booking);
        }
        Event::GuestsWished { leg_id, version, party, .. } => {
            booking.phase = Phase::Amending;
            booking.deadlines.passed.retain(|deadline| *deadline != Deadline::Amend);
            legs_of(booking, *leg_id).for_each(|leg| guests::wished(leg, *version, *party));
        }
        Event::GuestsSettled { leg_id, end, .. } => {
            legs_of(booking, *leg_id).for_each(|leg| guests::settled(leg, *end));
            if booking.is_changing_guests() {
                booking.phase = Phase::Confirmed;
            }
        }
        Event::PointsWished { version, wanted } => {
            if let Some(points) = &mut booking.points {
                points.wanted = *wanted;
                points.wanted_version = *version;
            }
        }
        Event::PointsNews { version, state } => {
            if let Some(points) = &mut booking.points {
                points.known = Some(*state);
                points.known_version = *version;
            }
        }
        Event::DeadlinePassed { deadline: Deadline::Refund } => refunds_late(booking, recorded.at),
        Event::DeadlinePassed { deadline: Deadline::Answer } => unanswered(booking, recorded.at),
        Event::DeadlinePassed { deadline } => booking.deadlines.passed.push(*deadline),
        Event::HoldingStarted => booking.phase = Phase::Holding,
        Event::Payable => booking.phase = Phase::AwaitingPayment,
        Event::CommitStarted => booking.phase = Phase::Committing,
        Event::Confirmed => booking.phase = Phase::Confirmed,
        Event::Completed => booking.phase = Phase::Completed,
        Event::Rebooked { into } => booking.rebooked = Some(into.as_ref().clone()),
        Event::CancellationAgreed { cancellation, agreed } => {
            booking.agreed = *agreed;
            keep_further(booking, cancellation.further);
            booking.cancellation = Some(*cancellation);
        }
        Event::CancellationDeferred { cancellation, agreed } => {
            (booking.deferred, booking.agreed) = (Some(*cancellation), Some(*agreed));
        }
        Event::UnwindStarted { end, why } => {
            booking.phase = Phase::Unwinding;
            booking.end = Some(End { phase: *end, why: *why });
            (booking.amendment, booking.deferred) = (None, None);
            if booking.cancellation.is_none() {
                keep_further(booking, 0);
            }
            for leg in &mut booking.legs {
                (leg.change, leg.deferred) = (None, None);
                if leg.is_coming() {
                    leg.out = Some(Out::NotTaken { why: *why });
                }
            }
            undo_has_time(booking);
        }
        Event::Failed => booking.phase = Phase::Failed,
        Event::Cancelled => booking.phase = Phase::Cancelled,
        Event::ReviewOpened { why, stuck } => open_review(booking, *why, *stuck, recorded),
        Event::InvariantBroken { .. } => {
            open_review(booking, ReviewWhy::InvariantBroken, None, recorded);
        }
        Event::ReviewClosed => {
            booking.review = None;
            put_down(booking);
        }
        Event::ReviewTaken { by, .. } => {
            booking.reviewer = Some(Reviewer { name: by.clone(), since: recorded.at });
        }
        Event::ReviewReleased { .. } => put_down(booking),
        Event::FurtherPayment { payment_id, event } => {
            further_payment(booking, *payment_id, event, recorded.at);
        }
        Event::MoneyReversed { .. } => {
            apply_money(&mut booking.payment, &recorded.event);
            if booking.phase == Phase::Committing && !booking.money_is_away() {
                // Nothing could be bought meanwhile.
                booking.deadlines.passed.retain(|deadline| *deadline != Deadline::Commit);
            }
        }
        Event::PaymentAsked { .. }
        | Event::PaymentReady { .. }
        | Event::MoneySeen { .. }
        | Event::MoneySettled { .. }
        | Event::CloseAsked { .. }
        | Event::PaymentClosed { .. }
        | Event::RefundAsked { .. }
        | Event::RefundAddressGiven { .. }
        | Event::RefundAddressed { .. }
        | Event::RefundNews { .. } => apply_money(&mut booking.payment, &recorded.event),
    }
}

/// What happened to a payment beside the first.
fn further_payment(booking: &mut Booking, id: PaymentId, event: &Event, at: DateTime<Utc>) {
    let known = booking.further.iter_mut().find(|further| further.payment.payment_id == id);
    let Some(further) = known else { return };
    apply_money(&mut further.payment, event);
    if let Event::PaymentAsked { .. } = event {
        further.pay_by = Some(at + TimeDelta::seconds(further.pay_for_s));
        let leg_id = further.leg_id;
        // What an earlier one had to be paid by says nothing about this one.
        booking.deadlines.passed.retain(|deadline| *deadline != Deadline::Difference);
        amendment_has_time(booking, leg_id);
    } else if let Event::RefundNews { refund_id, .. } = event {
        let refund = further.payment.refunds.iter().find(|r| r.refund_id == *refund_id);
        let failed = refund.filter(|refund| refund.has_failed()).map(|r| r.to.clone());
        if failed == Some(booking.payment.refund_to.clone()) {
            // Refunds of all payments go to one place.
            booking.payment.refund_to = None;
        }
    }
}

/// Goes on at what suppliers ask now. The payment that was asked for so far was shown to nobody.
fn terms_accepted(booking: &mut Booking, accepted: &AcceptedTerms) {
    let AcceptedTerms { digest, legs, price, quoted, payment_id, payable_by } = accepted;
    for raised in legs {
        let again = terms::again(booking, raised);
        leave(booking, raised.leg_id, Out::Repriced { by: raised.by, agreed: Some(*digest) });
        booking.legs.extend(again);
    }
    if !mutant("raise_not_paid") {
        booking.price = *price;
    }
    ask_anew(booking, quoted, payment_id.zip(legs.first().map(|raised| raised.leg_id)));
    booking.deadlines.payable_by = *payable_by;
    booking.deadlines.passed.retain(|deadline| *deadline != Deadline::Payable);
}

/// Another amount is to be asked for, by `anew` where one was asked for before on account of a leg.
fn ask_anew(booking: &mut Booking, quoted: &AssetAmount, anew: Option<(PaymentId, LegId)>) {
    let old = &mut booking.payment;
    (old.quoted, old.asked) = (quoted.clone(), old.asked.take().filter(|_| anew.is_some()));
    if let Some((payment_id, leg_id)) = anew {
        let new = Payment::new(payment_id, old.rate.clone(), quoted.clone());
        let new = Payment { refund_to: old.refund_to.clone(), ..new };
        let old = std::mem::replace(old, new);
        booking.further.push(Further::superseded(old, leg_id, booking.price));
    }
}

/// What the customer makes of the change of a leg.
fn answered(leg: &mut Leg, answer: ChangeAnswer) {
    let accepted = leg.change.take().filter(|_| answer == ChangeAnswer::Accept);
    if let Some(Theirs::Other { content }) = accepted.map(|change| change.theirs) {
        // Its days and flights are what was agreed to now; what was paid for it stays.
        leg.order.check_in = content.check_in;
        leg.order.check_out = content.check_out;
        if let (Product::Flight { segments }, false) =
            (&mut leg.order.product, content.segments.is_empty())
        {
            segments.clone_from(&content.segments);
        }
        leg.accepted = Some(content);
    }
}

/// Nothing more is to be done about a leg.
fn left_there(leg: &mut Leg) {
    if leg.owes_points() && (leg.is_gone() || leg.left_there) {
        // It went, and what points paid of it was made good.
        leg.points_made_good = true;
    } else {
        leg.left_there = true;
        leg.change = None;
    }
}

fn legs_of(booking: &mut Booking, leg_id: LegId) -> impl Iterator<Item = &mut Leg> {
    booking.legs.iter_mut().filter(move |leg| leg.leg_id == leg_id)
}

/// Every change has a time of its own.
fn unanswered(booking: &mut Booking, at: DateTime<Utc>) {
    let changes = booking.legs.iter_mut().filter_map(|leg| leg.change.as_mut());
    changes.filter(|change| change.by <= at).for_each(|change| change.late = true);
}

/// The booking goes on without a leg. What was never held was never sold.
fn leave(booking: &mut Booking, leg_id: LegId, out: Out) {
    for leg in booking.legs.iter_mut().filter(|leg| leg.leg_id == leg_id) {
        leg.out = Some(out);
        (leg.change, leg.deferred) = (None, None);
        if matches!(out, Out::NotHeld { .. }) {
            booking.price = booking.price.minus(leg.order.price).unwrap_or(booking.price);
        }
    }
    undo_has_time(booking);
}

/// Each step of an amendment has its whole time.
fn amendment_has_time(booking: &mut Booking, leg_id: LegId) {
    if booking.amendment.is_some_and(|amendment| amendment.by == leg_id) {
        booking.deadlines.passed.retain(|deadline| *deadline != Deadline::Amend);
    }
}

fn amendment_ended(booking: &mut Booking) {
    booking.phase = Phase::Confirmed;
    booking.amendment = None;
}

/// What is undone from here on has its whole time, whatever was undone before.
fn undo_has_time(booking: &mut Booking) {
    booking.deadlines.passed.retain(|deadline| *deadline != Deadline::Unwind);
}

#[expect(clippy::too_many_lines, reason = "one arm an event")]
fn apply_money(payment: &mut Payment, event: &Event) {
    match event {
        Event::PaymentAsked { amount } => payment.asked = Some(amount.clone()),
        Event::PaymentReady { instruction } => {
            payment.instruction = Some(instruction.as_ref().clone());
            if instruction.instruction.is_card() {
                // Nobody has to say where to: it goes back to the card.
                payment.refund_to = Some(CARD.to_owned());
            }
        }
        Event::MoneySeen { seq, received, complete, seen_at } => {
            payment.seen_seq = *seq;
            payment.received = *received;
            payment.complete = *complete;
            payment.seen_at = payment.seen_at.or(Some(*seen_at));
        }
        Event::MoneySettled { seq, received, complete } => {
            payment.settled_seq = *seq;
            payment.paid |= *complete;
            if *seq > payment.reversed_seq {
                payment.settled = payment.settled.max(*received);
                payment.received = payment.received.max(*received);
            }
        }
        Event::MoneyReversed { seq, gone, settled, lost } => {
            payment.reversed_seq = *seq;
            payment.gone = *gone;
            payment.lost = *lost;
            if *seq > payment.settled_seq {
                payment.settled = *settled;
            }
        }
        Event::CloseAsked { .. } => payment.close_asked = true,
        Event::PaymentClosed { closing, seq } => {
            payment.closing = Some(*closing);
            let (Closing::Closed { settled, .. } | Closing::AlreadySettled { settled }) = closing;
            if payment.reversed_seq == 0 || *seq > payment.reversed_seq {
                // What left since is not there any more.
                payment.settled = payment.settled.max(*settled);
            }
            if let (Closing::Closed { received, .. }, true) = (closing, *seq > payment.seen_seq) {
                // What was seen by then, also where the message that told it comes later.
                payment.seen_seq = *seq;
                payment.received = *received;
            }
        }
        Event::RefundAddressGiven { to } => payment.refund_to = Some(to.clone()),
        Event::RefundAsked { refund_id, units, to, by } => {
            payment.owed = payment.owed.saturating_sub(*units);
            change_refund(payment, *refund_id, *units, |r| (r.to, r.by) = (to.clone(), *by));
        }
        Event::RefundAddressed { refund_id, to, by } => {
            let addressed = |r: &mut Refund| (r.to, r.by) = (Some(to.clone()), Some(*by));
            change_refund(payment, *refund_id, Units::ZERO, addressed);
        }
        Event::RefundNews { refund_id, units, state, seq, transaction, value, otherwise } => {
            change_refund(payment, *refund_id, *units, |r| {
                r.state = Some(*state);
                r.seq = Some(*seq).filter(|seq| *seq > 0);
                r.transaction.clone_from(transaction);
                r.value.clone_from(value);
                r.otherwise = *otherwise;
            });
            let known = payment.refunds.iter().find(|refund| refund.refund_id == *refund_id);
            if known.is_some_and(|r| r.has_failed() && r.to == payment.refund_to) {
                // Money could not be sent there; the customer names another address, or this again.
                payment.refund_to = None;
            }
        }
        Event::Accepted(_)
        | Event::LegWished { .. }
        | Event::LegNews { .. }
        | Event::LegRepriced { .. }
        | Event::TermsAsked { .. }
        | Event::TermsAccepted(_)
        | Event::ChangeFound { .. }
        | Event::ChangeOver { .. }
        | Event::ChangeAnswered { .. }
        | Event::LegLeftOut { .. }
        | Event::LegGivenUp { .. }
        | Event::LegCancellationDeferred { .. }
        | Event::LegCancelled { .. }
        | Event::LegLeftThere { .. }
        | Event::LegGivenBack { .. }
        | Event::AmendmentStarted { .. }
        | Event::LegReplaced { .. }
        | Event::AmendmentFailed { .. }
        | Event::GuestsWished { .. }
        | Event::GuestsSettled { .. }
        | Event::FurtherPayment { .. }
        | Event::PointsWished { .. }
        | Event::PointsNews { .. }
        | Event::DeadlinePassed { .. }
        | Event::HoldingStarted
        | Event::Payable
        | Event::CommitStarted
        | Event::Confirmed
        | Event::Completed
        | Event::CancellationAgreed { .. }
        | Event::CancellationDeferred { .. }
        | Event::Rebooked { .. }
        | Event::UnwindStarted { .. }
        | Event::Failed
        | Event::Cancelled
        | Event::ReviewOpened { .. }
        | Event::ReviewClosed
        | Event::ReviewTaken { .. }
        | Event::ReviewReleased { .. }
        | Event::InvariantBroken { .. } => {}
    }
}

/// What goes back as soon as it can be sent.
fn owe(payment: &mut Payment, units: Units) {
    payment.owed = payment.owed.checked_add(units).unwrap_or(payment.owed);
}

/// Every refund has a time of its own.
fn refunds_late(booking: &mut Booking, at: DateTime<Utc>) {
    let over = |refund: &&mut Refund| refund.by.is_some_and(|by| by <= at);
    let further = booking.further.iter_mut().map(|further| &mut further.payment);
    let payments = std::iter::once(&mut booking.payment).chain(further);
    payments.flat_map(|p| &mut p.refunds).filter(over).for_each(|refund| refund.late = true);
}

/// Changes a refund; one that is not known yet comes last.
fn change_refund(
    payment: &mut Payment,
    refund_id: Uuid,
    units: Units,
    change: impl FnOnce(&mut Refund),
) {
    match payment.refunds.iter_mut().find(|refund| refund.refund_id == refund_id) {
        Some(refund) => change(refund),
        None => {
            let mut refund = born_refund(refund_id, units);
            change(&mut refund);
            payment.refunds.push(refund);
        }
    }
}

const fn born_refund(refund_id: Uuid, units: Units) -> Refund {
    Refund {
        refund_id,
        units,
        state: None,
        seq: None,
        to: None,
        by: None,
        late: false,
        transaction: None,
        value: None,
        otherwise: None,
    }
}

/// Nobody looks into it any more; who did is kept.
fn put_down(booking: &mut Booking) {
    if let Some(reviewer) = booking.reviewer.take() {
        booking.looked = Some(reviewer.name);
    }
}

fn open_review(booking: &mut Booking, why: ReviewWhy, stuck: Option<Stuck>, recorded: &Recorded) {
    let by = recorded.at + TimeDelta::seconds(booking.deadlines.review_for_s);
    booking.review = Some(Review { why, since: recorded.at, by, stuck });
}
