//! What suppliers change of what was bought: both values told once, and answered by the customer.

use chrono::TimeDelta;
use contracts::{
    messages::WantedLeg,
    offer::{FlightSegment, Product},
};

use super::{
    amending::{NEW, plan},
    cancelling::{confirmed_with, undone},
    *,
};
use crate::{
    Action, AmendQuote, ChangeAnswer, EndWhy, Event, Out, Phase, ReviewWhy, Status, Theirs,
    amend_quote, change_answers, change_digest, next_actions, status,
};

const MOVED: [Action; 2] = [Action::AcceptChange, Action::RefundChange];

fn stay() -> World {
    confirmed_with(0, vec![order(20_000, None)])
}

/// Three that never come back once they are bought.
fn three(on_refusal: OnRefusal, points: u64) -> World {
    let mut world = confirmed_with(points, vec![order(20_000, None); 3]);
    world.state.as_mut().unwrap().on_refusal = on_refusal;
    world
}

/// The supplier has the days of leg `n` later by so many.
fn move_by(world: &mut World, n: u128, seq: u64, later: u32) {
    let fact = leg_moved(n, seq, world.wanted_version(n), later);
    world.tell(&fact);
}

fn leg(world: &World, n: u128) -> &crate::Leg {
    world.booking().legs.iter().find(|leg| leg.leg_id == leg_id(n)).unwrap()
}

fn digest(world: &World, n: u128) -> Uuid {
    change_digest(world.booking(), leg(world, n)).unwrap()
}

fn answer_with(
    world: &mut World,
    n: u128,
    answer: ChangeAnswer,
    agreed: Uuid,
) -> Result<(), Refusal> {
    world.ask(&Command::AnswerChange { leg_id: leg_id(n), answer, agreed })
}

fn answer(world: &mut World, n: u128, answer: ChangeAnswer) -> Result<(), Refusal> {
    let agreed = digest(world, n);
    answer_with(world, n, answer, agreed)
}

fn count(world: &World, of: impl Fn(&Event) -> bool) -> usize {
    world.journal.iter().filter(|entry| of(&entry.event)).count()
}

/// What can be done about changes.
fn answers(world: &World) -> Vec<Action> {
    let about = [Action::AcceptChange, Action::RefundChange, Action::UndoTrip];
    let all = next_actions(world.booking());
    all.into_iter().filter(|action| about.contains(action)).collect()
}

fn found(event: &Event) -> bool {
    matches!(event, Event::ChangeFound { .. })
}

/// Row: B7
#[test]
fn a_stay_that_the_supplier_moves_is_told_once_with_both_values_and_nothing_is_overwritten() {
    let mut world = stay();
    let ordered = leg(&world, 0).order.clone();
    for seq in 5..8 {
        move_by(&mut world, 0, seq, 7);
    }
    assert_eq!(count(&world, found), 1, "told once");
    let change = leg(&world, 0).change.clone().unwrap();
    assert_eq!(change.theirs, Theirs::Other { content: theirs(7) });
    assert_eq!(change.by, noon() + TimeDelta::hours(48));
    assert_eq!(leg(&world, 0).order, ordered);
    assert_eq!(status(world.booking()), Status::Confirmed);
    assert_eq!(world.booking().review.unwrap().why, ReviewWhy::ChangedBySupplier);
    assert_eq!(answers(&world), MOVED);
    assert!(world.said.contains(&Effect::WakeAt { deadline: Deadline::Answer, at: change.by }));
    // Another change is another question.
    let first = digest(&world, 0);
    move_by(&mut world, 0, 8, 8);
    assert_eq!(count(&world, found), 2);
    let again = answer_with(&mut world, 0, ChangeAnswer::Accept, first);
    let change = digest(&world, 0);
    assert_eq!(again, Err(Refusal::ChangedAgain { leg_id: leg_id(0), change }));
    // What the supplier takes back needs no answer.
    world.leg(0, 9, confirmed());
    assert_eq!((&leg(&world, 0).change, world.booking().review), (&None, None));
    assert_eq!(answers(&world), []);
}

/// Row: D5
#[test]
fn what_is_accepted_is_wished_for_as_exactly_that_and_ends_when_it_ends_now() {
    let mut world = stay();
    move_by(&mut world, 0, 5, 7);
    let agreed = digest(&world, 0);
    answer_with(&mut world, 0, ChangeAnswer::Accept, agreed).unwrap();
    let consent =
        |e: &Event| matches!(e, Event::ChangeAnswered { change, .. } if *change == agreed);
    assert_eq!(count(&world, consent), 1, "consent to these values");
    let wished = world.said.iter().rev().find_map(|effect| match effect {
        Effect::Leg(wanted) => Some(wanted.clone()),
        _ => None,
    });
    let wished = wished.unwrap();
    assert_eq!(wished.wanted, WantedLeg::Confirmed);
    assert_eq!(wished.accepts, Some(theirs(7)));
    assert_eq!(
        (wished.order.check_in, wished.order.check_out),
        (theirs(7).check_in, theirs(7).check_out)
    );
    assert_eq!(wished.order.price.minor, 20_000, "what was paid stays");
    // The stay is over a week later.
    let over = world.said.iter().filter_map(|effect| match effect {
        Effect::WakeAt { deadline: Deadline::Over, at } => Some(*at),
        _ => None,
    });
    let over: Vec<_> = over.collect();
    let last_day = theirs(7).check_out.and_time(chrono::NaiveTime::MIN).and_utc();
    assert_eq!(over, [last_day + TimeDelta::hours(36)]);
    // The same again, and the same news again, change nothing.
    let before = world.journal.len();
    answer_with(&mut world, 0, ChangeAnswer::Accept, agreed).unwrap();
    assert_eq!(world.journal.len(), before);
    move_by(&mut world, 0, 6, 7);
    assert_eq!(leg(&world, 0).change, None);
    world.leg(0, 7, confirmed());
    assert_eq!(world.booking().review, None);
    // Changed once more, it is asked once more.
    move_by(&mut world, 0, 8, 9);
    assert_eq!(count(&world, found), 2);
    assert_eq!(answers(&world), MOVED);
}

/// A flight of the day of arrival, so many hours later than sold.
pub(super) fn flight(later: i64) -> FlightSegment {
    let day = order(20_000, None).check_in.and_time(chrono::NaiveTime::MIN);
    FlightSegment {
        origin: "LHR".to_owned(),
        destination: "MAD".to_owned(),
        departs_at: day + TimeDelta::hours(8 + later),
        arrives_at: day + TimeDelta::hours(11 + later),
        flight: "ZZ117".to_owned(),
    }
}

/// Row: B7
#[test]
fn other_times_of_a_flight_within_its_day_are_a_change_to_answer_like_any_other() {
    let product = Product::Flight { segments: vec![flight(0)] };
    let sold = LegOrder { product, ..order(20_000, None) };
    let mut world = confirmed_with(0, vec![sold.clone()]);
    let later = |hours| LegContent { segments: vec![flight(hours)], ..theirs(0) };
    world.tell(&leg_theirs(0, 5, 2, later(11)));
    assert_eq!(answers(&world), MOVED);
    assert_eq!(leg(&world, 0).order, sold, "nothing is overwritten");
    let first = digest(&world, 0);
    world.tell(&leg_theirs(0, 6, 2, later(3)));
    let second = digest(&world, 0);
    let stale = answer_with(&mut world, 0, ChangeAnswer::Accept, first);
    assert_eq!(stale, Err(Refusal::ChangedAgain { leg_id: leg_id(0), change: second }));
    for _ in 0..2 {
        answer_with(&mut world, 0, ChangeAnswer::Accept, second).unwrap();
    }
    assert_eq!(leg(&world, 0).order.product.segments(), [flight(3)]);
    assert_eq!(leg(&world, 0).order.price, sold.price);
    let wished = world.said.iter().rev().find_map(|effect| match effect {
        Effect::Leg(wanted) => Some(wanted.clone()),
        _ => None,
    });
    let wished = wished.unwrap();
    assert_eq!(wished.accepts, Some(later(3)));
    assert_eq!(wished.order.product.segments(), [flight(3)]);
    // What the airline takes back before it hears of that is another change.
    world.tell(&leg_theirs(0, 7, wished.version, later(0)));
    assert_eq!(answers(&world), MOVED);
    answer(&mut world, 0, ChangeAnswer::Refund).unwrap();
    assert_eq!(world.booking().end.unwrap().why, EndWhy::ChangedBySupplier);
}

#[test]
fn what_is_dearer_than_what_was_paid_is_not_the_customers_to_accept() {
    let mut world = stay();
    let mut dearer = theirs(0);
    dearer.price.minor += 1;
    world.tell(&leg_theirs(0, 5, 2, dearer));
    assert_eq!(change_answers(world.booking(), leg(&world, 0), world.now), [ChangeAnswer::Refund]);
    let refused = answer(&mut world, 0, ChangeAnswer::Accept);
    assert!(matches!(refused, Err(Refusal::NotAllowed { .. })));
}

#[test]
fn the_only_leg_is_refunded_with_the_booking_and_costs_nothing() {
    let mut world = stay();
    move_by(&mut world, 0, 5, 7);
    answer(&mut world, 0, ChangeAnswer::Refund).unwrap();
    undone(&mut world);
    let booking = world.booking();
    assert_eq!(
        (booking.phase, booking.end.unwrap().why),
        (Phase::Cancelled, EndWhy::ChangedBySupplier)
    );
    assert!(booking.kept().is_zero(), "although its terms give nothing back");
    assert_eq!(booking.payment.refunds[0].units, units(AMOUNT));
}

#[test]
fn one_leg_of_three_is_refunded_whole_and_the_others_stay() {
    let mut world = three(OnRefusal::UndoAll, 0);
    world.leg(1, 5, gone(GoneWhy::CancelledBySupplier));
    assert_eq!(answers(&world), [Action::RefundChange, Action::UndoTrip]);
    answer(&mut world, 1, ChangeAnswer::Refund).unwrap();
    let Some(Out::Cancelled { cancellation }) = leg(&world, 1).out else { panic!() };
    assert_eq!((cancellation.fee.minor, cancellation.back.minor), (0, 20_000));
    assert_eq!(world.booking().payment.refunds[0].units, cancellation.units);
    assert_eq!((world.booking().phase, world.booking().review), (Phase::Confirmed, None));
    assert_eq!(answers(&world), []);
    assert!(next_actions(world.booking()).contains(&Action::Refund), "an address is asked for");
}

#[test]
fn a_trip_that_was_all_or_nothing_is_given_back_whole_and_the_others_fees_are_ours() {
    let mut world = three(OnRefusal::UndoAll, 0);
    world.leg(1, 5, gone(GoneWhy::CancelledBySupplier));
    answer(&mut world, 1, ChangeAnswer::UndoTrip).unwrap();
    let agreed = world.booking().cancellation.unwrap();
    assert_eq!((agreed.fee.minor, agreed.borne.minor), (0, 40_000));
    assert!(agreed.kept.is_zero() && agreed.points_back);
    let mut keeps = three(OnRefusal::KeepHeld, 0);
    keeps.leg(1, 5, gone(GoneWhy::CancelledBySupplier));
    let refused = answer(&mut keeps, 1, ChangeAnswer::UndoTrip);
    assert!(matches!(refused, Err(Refusal::NotAllowed { .. })), "it goes on without");
}

/// When the day of arrival of leg `n` may begin.
fn arrival(world: &World, n: u128) -> DateTime<Utc> {
    leg(world, n).arrival()
}

#[test]
fn a_trip_is_undone_by_a_click_until_something_of_it_may_be_used() {
    let mut first = order(20_000, Some(TimeDelta::days(1)));
    first.check_in = noon().date_naive() + chrono::Days::new(2);
    first.check_out = noon().date_naive() + chrono::Days::new(4);
    for (days, may) in [(1, true), (6, false)] {
        let orders = vec![first.clone(), order(20_000, None), order(20_000, None)];
        let mut world = confirmed_with(0, orders);
        world.now += TimeDelta::days(days);
        world.leg(1, 5, gone(GoneWhy::CancelledBySupplier));
        let told = answer(&mut world, 1, ChangeAnswer::UndoTrip);
        if !may {
            assert!(matches!(told, Err(Refusal::NotAllowed { .. })), "{told:?}");
            assert_eq!(answers(&world), [Action::RefundChange], "what was travelled has its price");
            continue;
        }
        told.unwrap();
        let agreed = world.booking().cancellation.unwrap();
        assert_eq!((agreed.fee.minor, agreed.borne.minor), (0, 40_000));
        undone(&mut world);
        assert_eq!(world.booking().payment.refunds[0].units, world.booking().payment.settled);
    }
}

#[test]
fn what_is_changed_while_it_may_be_used_is_given_back_by_nobody_alone() {
    let shorter = LegContent { check_out: theirs(0).check_out.pred_opt().unwrap(), ..theirs(0) };
    let mut world = stay();
    world.now = arrival(&world, 0);
    world.tell(&leg_theirs(0, 5, 2, shorter));
    assert_eq!(answers(&world), [Action::AcceptChange], "the guest left early");
    let refused = answer(&mut world, 0, ChangeAnswer::Refund);
    assert!(matches!(refused, Err(Refusal::NotAllowed { .. })));
    let told = crate::cancel_quote(world.booking(), world.now);
    assert!(matches!(told, Err(Refusal::NotAllowed { .. })), "a person is asked: {told:?}");

    // Cancelled then, too; not even when nobody answers.
    let mut world = three(OnRefusal::UndoAll, 0);
    world.now = arrival(&world, 1);
    world.leg(1, 5, gone(GoneWhy::CancelledBySupplier));
    assert_eq!(answers(&world), []);
    world.now += TimeDelta::hours(48);
    world.tell(&passed(Deadline::Answer));
    assert_eq!((leg(&world, 1).out, world.booking().phase), (None, Phase::Confirmed));
    assert!(world.booking().review.is_some(), "a person looks after it");

    // What was cancelled before was used by nobody.
    let mut world = three(OnRefusal::UndoAll, 0);
    world.now = arrival(&world, 1) - TimeDelta::hours(1);
    world.leg(1, 5, gone(GoneWhy::CancelledBySupplier));
    world.now += TimeDelta::hours(48);
    world.tell(&passed(Deadline::Answer));
    assert!(matches!(leg(&world, 1).out, Some(Out::Cancelled { .. })));

    // What was moved may be used when its new days begin.
    let mut world = stay();
    move_by(&mut world, 0, 5, 7);
    world.now = arrival(&world, 0) + TimeDelta::days(7);
    let refused = answer(&mut world, 0, ChangeAnswer::Refund);
    assert!(matches!(refused, Err(Refusal::NotAllowed { .. })));
    world.now -= TimeDelta::seconds(1);
    answer(&mut world, 0, ChangeAnswer::Refund).unwrap();
    assert_eq!(world.booking().phase, Phase::Unwinding);
}

#[test]
fn what_the_supplier_cancelled_is_refunded_when_nobody_answers_and_what_it_moved_is_not() {
    let mut gone_one = stay();
    gone_one.leg(0, 5, gone(GoneWhy::CancelledBySupplier));
    assert_eq!(gone_one.tell(&passed(Deadline::Answer)), 0, "not before its time");
    gone_one.now += TimeDelta::hours(48);
    gone_one.tell(&passed(Deadline::Answer));
    assert_eq!(gone_one.booking().phase, Phase::Unwinding);
    assert_eq!(gone_one.booking().end.unwrap().why, EndWhy::CancelledBySupplier);

    let mut moved = stay();
    move_by(&mut moved, 0, 5, 7);
    moved.now += TimeDelta::hours(48);
    moved.tell(&passed(Deadline::Answer));
    assert_eq!(moved.booking().phase, Phase::Confirmed);
    assert!(moved.booking().review.is_some(), "a person looks after it");
    moved.tell(&passed(Deadline::Over));
    assert_eq!(moved.booking().phase, Phase::Confirmed, "nobody knows how it went");
    answer(&mut moved, 0, ChangeAnswer::Refund).unwrap();
    assert_eq!(moved.booking().phase, Phase::Unwinding);
}

/// When the first change that waits for an answer is late, as it was said last.
fn wakes_at(world: &World) -> DateTime<Utc> {
    let timers = world.said.iter().rev().find_map(|effect| match effect {
        Effect::WakeAt { deadline: Deadline::Answer, at } => Some(*at),
        _ => None,
    });
    timers.unwrap()
}

#[test]
fn a_change_that_nobody_answers_is_late_in_its_time_whatever_becomes_of_an_earlier_one() {
    type End = fn(&mut World);
    let ends: [(&str, End); 3] = [
        ("given back", |w| answer(w, 0, ChangeAnswer::Refund).unwrap()),
        ("accepted", |w| answer(w, 0, ChangeAnswer::Accept).unwrap()),
        ("changed back", |w| {
            w.leg(0, 6, confirmed());
        }),
    ];
    for (name, end) in ends {
        let mut world = three(OnRefusal::UndoAll, 0);
        move_by(&mut world, 0, 5, 7);
        world.now += TimeDelta::hours(24);
        world.leg(1, 5, gone(GoneWhy::CancelledBySupplier));
        assert_eq!(wakes_at(&world), noon() + TimeDelta::hours(48), "{name}");
        world.now += TimeDelta::hours(6);
        end(&mut world);
        // There is one timer for both, and it was set for the first.
        assert_eq!(wakes_at(&world), noon() + TimeDelta::hours(72), "{name}");
        world.now = wakes_at(&world);
        world.tell(&passed(Deadline::Answer));
        assert!(matches!(leg(&world, 1).out, Some(Out::Cancelled { .. })), "{name}");
        assert!(!world.booking().payment.refunds.is_empty(), "{name}");
    }
}

#[test]
fn a_stay_that_is_moved_after_its_first_days_were_over_is_over_when_the_new_ones_are() {
    let mut world = stay();
    move_by(&mut world, 0, 5, 7);
    world.tell(&passed(Deadline::Over));
    answer(&mut world, 0, ChangeAnswer::Accept).unwrap();
    world.leg(0, 6, confirmed());
    assert_eq!((world.booking().phase, world.booking().review), (Phase::Confirmed, None));
    world.tell(&passed(Deadline::Over));
    assert_eq!(world.booking().phase, Phase::Completed);
}

#[test]
fn a_leg_that_points_paid_for_is_given_back_with_the_trip_alone() {
    let mut world = three(OnRefusal::UndoAll, 55_000);
    world.leg(1, 5, gone(GoneWhy::CancelledBySupplier));
    assert_eq!(
        change_answers(world.booking(), leg(&world, 1), world.now),
        [ChangeAnswer::UndoTrip]
    );
    world.now += TimeDelta::hours(48);
    world.tell(&passed(Deadline::Answer));
    assert_eq!(world.booking().phase, Phase::Confirmed, "a person decides");
    answer(&mut world, 1, ChangeAnswer::UndoTrip).unwrap();
    assert_eq!(world.booking().phase, Phase::Unwinding);
}

#[test]
fn where_the_rest_is_kept_a_leg_that_points_paid_for_has_an_answer_and_an_end() {
    // 200.00 of 600.00 are paid in money but 50.00.
    let gone_one = || {
        let mut world = three(OnRefusal::KeepHeld, 55_000);
        world.leg(1, 5, gone(GoneWhy::CancelledBySupplier));
        assert_eq!(answers(&world), [Action::UndoTrip]);
        world
    };
    let mut undone = gone_one();
    answer(&mut undone, 1, ChangeAnswer::UndoTrip).unwrap();
    assert_eq!(undone.booking().phase, Phase::Unwinding);
    assert!(
        undone.booking().kept().is_zero() && undone.booking().cancellation.unwrap().points_back
    );

    // Nobody answers: the money there is goes back, and a person makes good what points paid.
    let mut world = gone_one();
    world.now += TimeDelta::hours(48);
    world.tell(&passed(Deadline::Answer));
    let Some(Out::Cancelled { cancellation }) = leg(&world, 1).out else { panic!() };
    assert_eq!((cancellation.back.minor, cancellation.in_points), (5_000, 15_000));
    assert_eq!(world.booking().payment.refunds[0].units, world.booking().payment.settled);
    assert_eq!(world.booking().left_in_money().minor, 0);
    world.leg(1, 6, gone(GoneWhy::Released));
    world.tell(&passed(Deadline::Over));
    assert_eq!(world.booking().phase, Phase::Confirmed);
    assert_eq!(world.booking().review.unwrap().why, ReviewWhy::CancelledBySupplier);
    let (by, why) = ("ada".to_owned(), "15000 points granted".to_owned());
    let act = contracts::internal::ReviewAct::Take;
    world.ask(&Command::Review { act, by: by.clone(), why: why.clone() }).unwrap();
    let how = crate::Settle::LeaveThere;
    world.ask(&Command::SettleLeg { leg_id: leg_id(1), how, by, why }).unwrap();
    assert_eq!((world.booking().phase, world.booking().review), (Phase::Completed, None));

    // What was made good does not come back with the trip as well.
    let mut settled = gone_one();
    settled.now += TimeDelta::hours(48);
    settled.tell(&passed(Deadline::Answer));
    settled.leg(1, 6, gone(GoneWhy::Released));
    let told = crate::cancel_quote(settled.booking(), settled.now);
    assert!(matches!(told, Err(Refusal::NotAllowed { .. })), "{told:?}");
}

#[test]
fn what_points_paid_of_a_stay_that_was_used_does_not_come_back_with_the_rest() {
    let mut used = order(50_000, Some(TimeDelta::days(1)));
    used.check_in = noon().date_naive() + chrono::Days::new(2);
    used.check_out = noon().date_naive() + chrono::Days::new(4);
    let mut world = confirmed_with(55_000, vec![used, order(10_000, Some(TimeDelta::days(300)))]);
    assert!(crate::cancel_quote(world.booking(), world.now).is_ok());
    world.now += TimeDelta::days(6);
    let told = crate::cancel_quote(world.booking(), world.now);
    assert!(matches!(told, Err(Refusal::NotAllowed { .. })), "{told:?}");
}

/// Another hotel at another supplier in the place of leg `n`.
fn elsewhere(minor: i64) -> LegPlan {
    let mut plan = plan(NEW, minor);
    (plan.order.supplier, plan.order.property_id) = (Supplier::Etg, "p2".to_owned());
    plan
}

/// What it costs to have that, where nothing more is to be paid.
fn rebooking(world: &World, n: u128, minor: i64) -> Result<AmendQuote, Refusal> {
    amend_quote(world.booking(), leg_id(n), &elsewhere(minor), None, world.now)
}

/// It is under way.
pub(super) fn rebooked(world: &mut World, n: u128, minor: i64) {
    let agreed = rebooking(world, n, minor).unwrap().digest;
    let plan = Box::new(elsewhere(minor));
    world.ask(&Command::Amend { leg_id: leg_id(n), plan, agreed, pay: None }).unwrap();
    assert_eq!(world.booking().phase, Phase::Amending);
}

/// Row: A3
/// Row: A4
#[test]
fn what_the_hotel_cancelled_is_rebooked_elsewhere_and_leaving_it_costs_nothing() {
    let mut world = three(OnRefusal::UndoAll, 0);
    world.leg(1, 5, gone(GoneWhy::CancelledBySupplier));
    assert!(next_actions(world.booking()).contains(&Action::RebookChange));
    // A leg that is as ordered waits until this is answered.
    assert!(matches!(rebooking(&world, 0, 18_000), Err(Refusal::NotAllowed { .. })));
    let told = rebooking(&world, 1, 18_000).unwrap();
    assert_eq!((told.fee.minor, told.back.minor, &told.pay), (0, 2_000, &None));
    assert_eq!((told.changes_at, told.changes_basis), (None, None));
    // What costs more is paid for by the difference alone.
    let missing = rebooking(&world, 1, 20_500).unwrap_err();
    let Refusal::NeedsPayment { fee, missing, .. } = missing else { panic!("{missing:?}") };
    assert_eq!((fee.minor, missing.minor), (0, 500));

    rebooked(&mut world, 1, 18_000);
    assert_eq!(answers(&world), [], "one answer at a time");
    world.leg(NEW, 1, held());
    world.leg(NEW, 2, confirmed());
    let Some(Out::Replaced { by, cancellation }) = leg(&world, 1).out else { panic!() };
    assert_eq!((by, cancellation.fee.minor, cancellation.borne), (leg_id(NEW), 0, 0));
    assert_eq!((leg(&world, 1).wanted, &leg(&world, 1).change), (WantedLeg::Released, &None));
    assert_eq!(world.booking().payment.refunds[0].units, told.refund.units);
    assert_eq!((world.booking().phase, world.booking().review), (Phase::Confirmed, None));
    assert_eq!(answers(&world), []);
}

/// Row: A4
#[test]
fn a_rebooking_that_fails_leaves_the_change_to_be_answered_as_before() {
    let mut world = three(OnRefusal::UndoAll, 0);
    move_by(&mut world, 1, 5, 7);
    let (offered, change) = (answers(&world), leg(&world, 1).change.clone());
    let agreed = digest(&world, 1);
    rebooked(&mut world, 1, 18_000);
    world.leg(NEW, 1, refused());
    assert_eq!((world.booking().phase, leg(&world, 1).out), (Phase::Confirmed, None));
    assert_eq!((answers(&world), &leg(&world, 1).change), (offered, &change));
    assert_eq!(world.booking().review.unwrap().why, ReviewWhy::ChangedBySupplier);
    assert!(world.booking().payment.refunds.is_empty());
    assert_eq!(leg(&world, 1).wanted, WantedLeg::Confirmed);
    answer_with(&mut world, 1, ChangeAnswer::Accept, agreed).unwrap();

    // Of what the supplier took back meanwhile the terms are ours to bear: none were agreed to.
    let mut world = three(OnRefusal::UndoAll, 0);
    move_by(&mut world, 1, 5, 7);
    rebooked(&mut world, 1, 18_000);
    world.leg(1, 6, confirmed());
    world.leg(NEW, 1, held());
    world.leg(NEW, 2, confirmed());
    let Some(Out::Replaced { cancellation, .. }) = leg(&world, 1).out else { panic!() };
    assert_eq!((cancellation.fee.minor, cancellation.borne), (0, 20_000));
}

/// Row: A4
#[test]
fn a_rebooking_that_began_in_time_wins_over_the_refund_of_what_nobody_answered() {
    for bought in [true, false] {
        let mut world = three(OnRefusal::UndoAll, 0);
        world.leg(1, 5, gone(GoneWhy::CancelledBySupplier));
        world.now += TimeDelta::hours(47);
        rebooked(&mut world, 1, 20_000);
        world.now += TimeDelta::hours(1);
        world.tell(&passed(Deadline::Answer));
        assert_eq!((world.booking().phase, leg(&world, 1).out), (Phase::Amending, None));
        if bought {
            world.leg(NEW, 1, held());
            world.leg(NEW, 2, confirmed());
            assert!(matches!(leg(&world, 1).out, Some(Out::Replaced { .. })));
            assert!(world.booking().payment.refunds.is_empty());
        } else {
            world.leg(NEW, 1, refused());
            assert!(matches!(leg(&world, 1).out, Some(Out::Cancelled { .. })), "its time is over");
            assert_eq!(world.booking().payment.refunds.len(), 1);
        }
        assert_eq!(world.booking().phase, Phase::Confirmed);
    }
}

/// Row: A3
#[test]
fn what_may_have_been_used_is_rebooked_by_nobody() {
    let mut world = three(OnRefusal::UndoAll, 0);
    world.now = arrival(&world, 1);
    world.leg(1, 5, gone(GoneWhy::CancelledBySupplier));
    assert!(!next_actions(world.booking()).contains(&Action::RebookChange));
    assert!(matches!(rebooking(&world, 1, 18_000), Err(Refusal::NotAllowed { .. })));
}

/// Row: A8
#[test]
fn nothing_is_answered_where_nothing_was_changed_or_everything_is_over() {
    let mut world = stay();
    for answer in [ChangeAnswer::Accept, ChangeAnswer::Refund, ChangeAnswer::UndoTrip] {
        let refused = answer_with(&mut world, 0, answer, Uuid::nil());
        assert!(matches!(refused, Err(Refusal::NotAllowed { .. })));
    }
    world.tell(&passed(Deadline::Over));
    assert_eq!(world.booking().phase, Phase::Completed);
    move_by(&mut world, 0, 5, 7);
    assert_eq!(leg(&world, 0).change, None);
    assert_eq!(world.booking().phase, Phase::Completed);
}

/// Row: A3
/// Row: A8
#[test]
fn a_change_is_answered_in_a_confirmed_booking_alone() {
    for phase in Phase::ALL {
        let mut world = three(OnRefusal::UndoAll, 0);
        move_by(&mut world, 0, 5, 7);
        let agreed = digest(&world, 0);
        world.state.as_mut().unwrap().phase = phase;
        let before = world.booking().clone();
        for answer in [ChangeAnswer::Accept, ChangeAnswer::Refund, ChangeAnswer::UndoTrip] {
            let told = answer_with(&mut world, 0, answer, agreed);
            if phase == Phase::Confirmed {
                assert_eq!(told, Ok(()));
                break;
            }
            assert!(matches!(told, Err(Refusal::NotAllowed { .. })), "{phase:?}, {answer:?}");
            assert_eq!(*world.booking(), before, "{phase:?}, {answer:?}");
        }
    }
}
