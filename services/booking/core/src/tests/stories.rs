//! Stories: what goes in, what happened, what was said, phase by phase.

use chrono::TimeDelta;
use contracts::messages::WantedLeg;
use expect_test::{Expect, expect};

use super::*;
use crate::{Event, Phase, money, next_actions, status};

/// One line per event and per thing said; ids and amounts left out where they are noise.
fn story(world: &World) -> String {
    let booking = world.booking();
    let mut lines: Vec<String> =
        world.journal.iter().map(|e| format!("{:>2} {}", e.version, brief(&e.event))).collect();
    lines.push(format!(
        "-> {:?}, money {:?}, next {:?}",
        status(booking),
        money(booking),
        next_actions(booking)
    ));
    lines.extend(world.said.iter().map(|effect| format!("   says {}", said(effect))));
    lines.join("\n") + "\n"
}

fn brief(event: &Event) -> String {
    match event {
        Event::Accepted(a) => format!("accepted: {} legs, {} points", a.legs.len(), a.points),
        Event::LegWished { version, wanted, .. } => format!("leg wished {wanted:?} v{version}"),
        Event::LegNews { seq, state, .. } => format!("leg news #{seq}: {state:?}"),
        Event::PaymentAsked { amount } => format!("payment asked: {}", amount.units),
        Event::PaymentReady { .. } => "payment ready".to_owned(),
        other => format!("{other:?}"),
    }
}

pub(super) fn said(effect: &Effect) -> String {
    match effect {
        Effect::Leg(m) => format!("leg {:?} v{}", m.wanted, m.version),
        Effect::Guests(m) => format!("guests v{}", m.version),
        Effect::Points(m) => format!("points {:?} v{} ({})", m.wanted, m.version, m.points),
        Effect::Prepare(m) => format!("prepare {} for {}", m.amount.units, m.price),
        Effect::Close(_) => "close the payment".to_owned(),
        Effect::Refund(m) => match &m.to {
            Some(to) => format!("refund {} to {to}", m.units),
            None => format!("refund {}", m.units),
        },
        Effect::Confirmed(m) => format!("booking confirmed, paid {}, over {}", m.paid, m.over_at),
        Effect::Failed(_) => "booking failed".to_owned(),
        Effect::Cancelled(_) => "booking cancelled".to_owned(),
        Effect::LegReplaced(m) => format!("leg replaced, paid {}, over {}", m.paid, m.over_at),
        Effect::LegCancelled(m) => format!("leg cancelled, paid {}", m.paid),
        Effect::Moved(m) => format!("leg moved, over {}", m.over_at),
        Effect::MoneyReversed(m) => format!("money away: {}", m.away),
        Effect::Completed(m) => match m.taken {
            Some(taken) => format!("booking completed, {taken} of it taken"),
            None => "booking completed".to_owned(),
        },
        Effect::WakeAt { deadline, at } => {
            format!("wake {deadline:?} in {}s", (*at - noon()).num_seconds())
        }
    }
}

fn check(world: &World, expected: &Expect) {
    expected.assert_eq(&story(world));
}

#[test]
fn a_stay_is_held_paid_bought_and_confirmed() {
    let mut world = World::stay();
    world.leg(0, 1, held());
    world.tell(&prepared(AMOUNT));
    world.tell(&seen(2, AMOUNT, true));
    world.tell(&settled(3, AMOUNT));
    world.leg(0, 2, confirmed());
    world.tell(&passed(Deadline::Over));
    check(
        &world,
        &expect![[r#"
             1 accepted: 1 legs, 0 points
             2 leg wished Held v1
             3 payment asked: 80000000000000000
             4 leg news #1: Held { reference: "R1", until: Some(2027-01-16T08:00:00Z) }
             5 HoldingStarted
             6 payment ready
             7 Payable
             8 MoneySeen { seq: 2, received: Units(80000000000000000), complete: true, seen_at: 2027-01-15T08:00:00Z }
             9 MoneySettled { seq: 3, received: Units(80000000000000000), complete: true }
            10 CommitStarted
            11 leg wished Confirmed v2
            12 leg news #2: Confirmed { reference: "R1" }
            13 Confirmed
            14 DeadlinePassed { deadline: Over }
            15 Completed
            -> Completed, money Settled, next []
               says wake Payable in 600s
               says wake Pay in 1200s
               says wake Settle in 4800s
               says leg Held v1
               says prepare 80000000000000000 for 200.00 EUR
               says wake Commit in 1800s
               says leg Confirmed v2
               says booking confirmed, paid 200.00 EUR, over 2027-03-17 12:00:00 UTC
               says wake Over in 5284800s
               says booking completed
        "#]],
    );
}

#[test]
fn a_sold_out_leg_ends_the_booking_before_anything_is_payable() {
    let mut world = World::stay();
    world.tell(&prepared(AMOUNT));
    world.leg(0, 1, refused());
    world.leg(0, 2, gone(GoneWhy::NeverMade));
    world.tell(&closed(nothing_came()));
    check(
        &world,
        &expect![[r#"
             1 accepted: 1 legs, 0 points
             2 leg wished Held v1
             3 payment asked: 80000000000000000
             4 payment ready
             5 HoldingStarted
             6 leg news #1: Refused { why: SoldOut }
             7 UnwindStarted { end: Failed, why: SoldOut }
             8 leg wished Released v2
             9 CloseAsked { because: NeverShown }
            10 leg news #2: Gone { why: NeverMade }
            11 PaymentClosed { closing: Closed { received: Units(0), settled: Units(0) }, seq: 2 }
            12 Failed
            -> Failed, money None, next []
               says wake Payable in 600s
               says wake Pay in 1200s
               says wake Settle in 4800s
               says leg Held v1
               says prepare 80000000000000000 for 200.00 EUR
               says wake Unwind in 1800s
               says leg Released v2
               says close the payment
               says booking failed
        "#]],
    );
}

#[test]
fn a_payment_that_never_comes_is_closed_before_the_booking_is_undone() {
    let mut world = World::stay();
    world.leg(0, 1, held());
    world.tell(&prepared(AMOUNT));
    world.tell(&passed(Deadline::Pay));
    assert_eq!(status(world.booking()), crate::Status::AwaitingPayment);
    world.tell(&closed(nothing_came()));
    world.leg(0, 2, gone(GoneWhy::Released));
    check(
        &world,
        &expect![[r#"
             1 accepted: 1 legs, 0 points
             2 leg wished Held v1
             3 payment asked: 80000000000000000
             4 leg news #1: Held { reference: "R1", until: Some(2027-01-16T08:00:00Z) }
             5 HoldingStarted
             6 payment ready
             7 Payable
             8 DeadlinePassed { deadline: Pay }
             9 CloseAsked { because: NotPaid }
            10 PaymentClosed { closing: Closed { received: Units(0), settled: Units(0) }, seq: 2 }
            11 UnwindStarted { end: Failed, why: NotPaidInTime }
            12 leg wished Released v2
            13 leg news #2: Gone { why: Released }
            14 Failed
            -> Failed, money None, next []
               says wake Payable in 600s
               says wake Pay in 1200s
               says wake Settle in 4800s
               says leg Held v1
               says prepare 80000000000000000 for 200.00 EUR
               says close the payment
               says wake Unwind in 1800s
               says leg Released v2
               says booking failed
        "#]],
    );
}

#[test]
fn money_that_settled_in_time_wins_over_the_deadline() {
    let mut world = World::stay();
    world.leg(0, 1, held());
    world.tell(&prepared(AMOUNT));
    world.tell(&passed(Deadline::Pay));
    world.tell(&closed(Closing::AlreadySettled { settled: units(AMOUNT) }));
    check(
        &world,
        &expect![[r#"
             1 accepted: 1 legs, 0 points
             2 leg wished Held v1
             3 payment asked: 80000000000000000
             4 leg news #1: Held { reference: "R1", until: Some(2027-01-16T08:00:00Z) }
             5 HoldingStarted
             6 payment ready
             7 Payable
             8 DeadlinePassed { deadline: Pay }
             9 CloseAsked { because: NotPaid }
            10 PaymentClosed { closing: AlreadySettled { settled: Units(80000000000000000) }, seq: 2 }
            11 CommitStarted
            12 leg wished Confirmed v2
            -> Committing, money Settled, next [Cancel]
               says wake Payable in 600s
               says wake Pay in 1200s
               says wake Settle in 4800s
               says leg Held v1
               says prepare 80000000000000000 for 200.00 EUR
               says close the payment
               says wake Commit in 1800s
               says leg Confirmed v2
        "#]],
    );
}

#[test]
fn money_told_of_while_the_payment_is_closed_does_not_buy_what_the_answer_undoes() {
    let mut world = World::stay();
    world.leg(0, 5, held());
    world.tell(&prepared(AMOUNT));
    world.tell(&passed(Deadline::Pay));
    assert!(world.booking().payment.close_asked);
    // It became final after the payment was closed, and its news overtook the answer.
    world.tell(&settled(12, AMOUNT));
    assert_eq!(world.booking().phase, Phase::AwaitingPayment);
    world.tell(&closed(nothing_came()));
    assert_eq!(world.booking().phase, Phase::Unwinding);
    let refunds = &world.booking().payment.refunds;
    assert_eq!(refunds.iter().map(|refund| refund.units).collect::<Vec<_>>(), [units(AMOUNT)]);
}

#[test]
fn a_refusal_after_the_money_came_gives_the_money_back() {
    let mut world = World::stay();
    world.leg(0, 1, held());
    world.tell(&prepared(AMOUNT));
    world.tell(&settled(3, AMOUNT));
    world.leg(0, 2, refused());
    world.tell(&closed(Closing::AlreadySettled { settled: units(AMOUNT) }));
    world.leg(0, 3, gone(GoneWhy::NeverMade));
    let refund_id = world.booking().payment.refunds[0].refund_id;
    world.tell(&refund(refund_id, AMOUNT, RefundState::Granted));
    assert_eq!(status(world.booking()), crate::Status::Failed);
    world.ask(&Command::Refund { to: "0xme".to_owned() }).unwrap();
    world.tell(&refund(refund_id, AMOUNT, RefundState::Confirmed));
    check(
        &world,
        &expect![[r#"
             1 accepted: 1 legs, 0 points
             2 leg wished Held v1
             3 payment asked: 80000000000000000
             4 leg news #1: Held { reference: "R1", until: Some(2027-01-16T08:00:00Z) }
             5 HoldingStarted
             6 payment ready
             7 Payable
             8 MoneySettled { seq: 3, received: Units(80000000000000000), complete: true }
             9 CommitStarted
            10 leg wished Confirmed v2
            11 leg news #2: Refused { why: SoldOut }
            12 UnwindStarted { end: Failed, why: SoldOut }
            13 leg wished Released v3
            14 CloseAsked { because: Undone }
            15 PaymentClosed { closing: AlreadySettled { settled: Units(80000000000000000) }, seq: 2 }
            16 RefundAsked { refund_id: 01a3185c-5000-838b-9993-2af16ca0d3be, units: Units(80000000000000000), to: None, by: None }
            17 leg news #3: Gone { why: NeverMade }
            18 Failed
            19 RefundNews { refund_id: 01a3185c-5000-838b-9993-2af16ca0d3be, units: Units(80000000000000000), state: Granted, seq: 10, transaction: None, value: None, otherwise: None }
            20 RefundAddressGiven { to: "0xme" }
            21 RefundAddressed { refund_id: 01a3185c-5000-838b-9993-2af16ca0d3be, to: "0xme", by: 2027-01-16T08:00:00Z }
            22 RefundNews { refund_id: 01a3185c-5000-838b-9993-2af16ca0d3be, units: Units(80000000000000000), state: Confirmed, seq: 12, transaction: None, value: None, otherwise: None }
            -> Failed, money Refunded, next []
               says wake Payable in 600s
               says wake Pay in 1200s
               says wake Settle in 4800s
               says leg Held v1
               says prepare 80000000000000000 for 200.00 EUR
               says wake Commit in 1800s
               says leg Confirmed v2
               says wake Unwind in 1800s
               says leg Released v3
               says close the payment
               says refund 80000000000000000
               says booking failed
               says refund 80000000000000000 to 0xme
               says wake Refund in 86400s
        "#]],
    );
}

#[test]
fn money_after_the_end_goes_back_and_the_phase_stays() {
    let mut world = World::stay();
    world.tell(&prepared(AMOUNT));
    world.leg(0, 1, refused());
    world.leg(0, 2, gone(GoneWhy::NeverMade));
    world.tell(&closed(nothing_came()));
    world.journal.clear();
    world.said.clear();
    world.tell(&settled(5, AMOUNT));
    world.tell(&settled(5, AMOUNT));
    check(
        &world,
        &expect![[r#"
            13 MoneySettled { seq: 5, received: Units(80000000000000000), complete: true }
            14 RefundAsked { refund_id: 01a3185c-5000-838b-9993-2af16ca0d3be, units: Units(80000000000000000), to: None, by: None }
            -> Failed, money RefundDue, next [Refund, Rebook]
               says refund 80000000000000000
        "#]],
    );
}

#[test]
fn points_are_held_before_the_amount_is_known() {
    let mut world = World::accepted(500, vec![order(20_000, Some(TimeDelta::days(10)))]);
    world.leg(0, 1, held());
    world.tell(&points(1, PointsState::Held));
    check(
        &world,
        &expect![[r#"
         1 accepted: 1 legs, 500 points
         2 leg wished Held v1
         3 PointsWished { version: 1, wanted: Held }
         4 leg news #1: Held { reference: "R1", until: Some(2027-01-16T08:00:00Z) }
         5 HoldingStarted
         6 PointsNews { version: 1, state: Held }
         7 payment asked: 78000000000000000
        -> Holding, money Due, next [Cancel]
           says wake Payable in 600s
           says wake Pay in 1200s
           says wake Settle in 4800s
           says leg Held v1
           says points Held v1 (500)
           says prepare 78000000000000000 for 195.00 EUR
    "#]],
    );
}

#[test]
fn points_that_cannot_be_held_end_the_booking_before_anything_is_payable() {
    let mut world = World::accepted(500, vec![order(20_000, Some(TimeDelta::days(10)))]);
    world.leg(0, 1, held());
    world.tell(&points(1, PointsState::Refused));
    world.leg(0, 2, gone(GoneWhy::Released));
    world.tell(&points(2, PointsState::Released));
    check(
        &world,
        &expect![[r#"
         1 accepted: 1 legs, 500 points
         2 leg wished Held v1
         3 PointsWished { version: 1, wanted: Held }
         4 leg news #1: Held { reference: "R1", until: Some(2027-01-16T08:00:00Z) }
         5 HoldingStarted
         6 PointsNews { version: 1, state: Refused }
         7 UnwindStarted { end: Failed, why: PointsUnavailable }
         8 leg wished Released v2
         9 PointsWished { version: 2, wanted: Released }
        10 leg news #2: Gone { why: Released }
        11 Failed
        12 PointsNews { version: 2, state: Released }
        -> Failed, money None, next []
           says wake Payable in 600s
           says wake Pay in 1200s
           says wake Settle in 4800s
           says leg Held v1
           says points Held v1 (500)
           says wake Unwind in 1800s
           says leg Released v2
           says points Released v2 (500)
           says booking failed
    "#]],
    );
}

/// Row: D3
#[test]
fn a_booking_paid_by_points_alone_confirms_without_a_payment() {
    let mut world = World::accepted(20_000, vec![order(20_000, Some(TimeDelta::days(10)))]);
    world.tell(&points(1, PointsState::Held));
    world.leg(0, 1, held());
    world.leg(0, 2, confirmed());
    check(
        &world,
        &expect![[r#"
             1 accepted: 1 legs, 20000 points
             2 leg wished Held v1
             3 PointsWished { version: 1, wanted: Held }
             4 PointsNews { version: 1, state: Held }
             5 HoldingStarted
             6 payment asked: 0
             7 leg news #1: Held { reference: "R1", until: Some(2027-01-16T08:00:00Z) }
             8 CommitStarted
             9 leg wished Confirmed v2
            10 leg news #2: Confirmed { reference: "R1" }
            11 Confirmed
            12 PointsWished { version: 2, wanted: Captured }
            -> Confirmed, money None, next [Cancel, Amend]
               says wake Payable in 600s
               says wake Pay in 1200s
               says wake Settle in 4800s
               says leg Held v1
               says points Held v1 (20000)
               says wake Commit in 1800s
               says leg Confirmed v2
               says booking confirmed, paid 0.00 EUR, over 2027-03-17 12:00:00 UTC
               says wake Over in 5284800s
               says points Captured v2 (20000)
        "#]],
    );
}

/// Row: D3
#[test]
fn what_was_bought_in_place_of_a_hold_is_wished_for_when_the_booking_is_confirmed() {
    let orders = vec![order(20_000, None), order(10_000, None)];
    let mut world = World::accepted(30_000, orders);
    world.tell(&points(1, PointsState::Held));
    world.leg(0, 1, confirmed());
    world.leg(1, 1, confirmed());
    let booking = world.booking();
    assert_eq!(booking.phase, Phase::Confirmed);
    let wanted = booking.legs.iter().map(|leg| (leg.wanted, leg.wanted_version));
    assert_eq!(wanted.collect::<Vec<_>>(), [(WantedLeg::Confirmed, 2), (WantedLeg::Confirmed, 2)]);
}

#[test]
fn legs_that_cancel_free_are_bought_side_by_side_before_the_others_one_by_one() {
    let free = Some(TimeDelta::days(10));
    let orders =
        vec![order(50_000, None), order(10_000, free), order(20_000, free), order(30_000, None)];
    let mut world = World::accepted(0, orders);
    for n in 0..4 {
        world.leg(n, 1, held());
    }
    world.tell(&prepared(440_000_000_000_000_000));
    world.said.clear();
    world.journal.clear();
    world.tell(&settled(3, 440_000_000_000_000_000));
    world.leg(1, 2, confirmed());
    world.leg(2, 2, confirmed());
    world.leg(3, 2, confirmed());
    world.leg(0, 2, refused());
    check(
        &world,
        &expect![[r#"
            14 MoneySettled { seq: 3, received: Units(440000000000000000), complete: true }
            15 CommitStarted
            16 leg wished Confirmed v2
            17 leg wished Confirmed v2
            18 leg news #2: Confirmed { reference: "R1" }
            19 leg news #2: Confirmed { reference: "R1" }
            20 leg wished Confirmed v2
            21 leg news #2: Confirmed { reference: "R1" }
            22 leg wished Confirmed v2
            23 leg news #2: Refused { why: SoldOut }
            24 UnwindStarted { end: Failed, why: SoldOut }
            25 leg wished Released v3
            26 leg wished Released v3
            27 leg wished Released v3
            28 leg wished Released v3
            29 CloseAsked { because: Undone }
            -> Failing, money RefundDue, next [Refund]
               says wake Commit in 1800s
               says leg Confirmed v2
               says leg Confirmed v2
               says leg Confirmed v2
               says leg Confirmed v2
               says wake Unwind in 1800s
               says leg Released v3
               says leg Released v3
               says leg Released v3
               says leg Released v3
               says close the payment
        "#]],
    );
}

#[test]
fn a_customer_cancels_before_paying_and_cannot_cancel_twice() {
    let mut world = World::stay();
    world.leg(0, 1, held());
    world.tell(&prepared(AMOUNT));
    world.ask(&CANCEL).unwrap();
    assert_eq!(world.ask(&CANCEL), Err(Refusal::NotAllowed { allowed: Vec::new() }));
    world.leg(0, 2, gone(GoneWhy::Released));
    world.tell(&closed(nothing_came()));
    assert_eq!(world.ask(&CANCEL), Err(Refusal::NotAllowed { allowed: Vec::new() }));
    check(
        &world,
        &expect![[r#"
             1 accepted: 1 legs, 0 points
             2 leg wished Held v1
             3 payment asked: 80000000000000000
             4 leg news #1: Held { reference: "R1", until: Some(2027-01-16T08:00:00Z) }
             5 HoldingStarted
             6 payment ready
             7 Payable
             8 UnwindStarted { end: Cancelled, why: CancelledByCustomer }
             9 leg wished Released v2
            10 CloseAsked { because: Undone }
            11 leg news #2: Gone { why: Released }
            12 PaymentClosed { closing: Closed { received: Units(0), settled: Units(0) }, seq: 2 }
            13 Cancelled
            -> Cancelled, money None, next []
               says wake Payable in 600s
               says wake Pay in 1200s
               says wake Settle in 4800s
               says leg Held v1
               says prepare 80000000000000000 for 200.00 EUR
               says wake Unwind in 1800s
               says leg Released v2
               says close the payment
               says booking cancelled
        "#]],
    );
}

#[test]
fn what_cannot_be_undone_in_time_is_for_a_person_and_is_never_shown_as_done() {
    let mut world = World::stay();
    world.leg(0, 1, held());
    world.tell(&prepared(AMOUNT));
    world.ask(&CANCEL).unwrap();
    world.tell(&closed(nothing_came()));
    world.tell(&passed(Deadline::Unwind));
    assert!(world.booking().review.is_some());
    world.leg(0, 2, gone(GoneWhy::Released));
    assert!(world.booking().review.is_none());
    check(
        &world,
        &expect![[r#"
             1 accepted: 1 legs, 0 points
             2 leg wished Held v1
             3 payment asked: 80000000000000000
             4 leg news #1: Held { reference: "R1", until: Some(2027-01-16T08:00:00Z) }
             5 HoldingStarted
             6 payment ready
             7 Payable
             8 UnwindStarted { end: Cancelled, why: CancelledByCustomer }
             9 leg wished Released v2
            10 CloseAsked { because: Undone }
            11 PaymentClosed { closing: Closed { received: Units(0), settled: Units(0) }, seq: 2 }
            12 DeadlinePassed { deadline: Unwind }
            13 ReviewOpened { why: Stuck, stuck: Some(Stuck { step: ReleaseLeg { leg_id: LegId(00000000-0000-0000-0000-000000000100) }, reason: NoAnswer, attempts: 1 }) }
            14 leg news #2: Gone { why: Released }
            15 ReviewClosed
            16 Cancelled
            -> Cancelled, money None, next []
               says wake Payable in 600s
               says wake Pay in 1200s
               says wake Settle in 4800s
               says leg Held v1
               says prepare 80000000000000000 for 200.00 EUR
               says wake Unwind in 1800s
               says leg Released v2
               says close the payment
               says booking cancelled
        "#]],
    );
}

#[test]
fn what_the_supplier_takes_back_after_confirmation_is_for_a_person() {
    let mut world = World::stay();
    world.leg(0, 1, held());
    world.tell(&prepared(AMOUNT));
    world.tell(&settled(3, AMOUNT));
    world.leg(0, 2, confirmed());
    world.journal.clear();
    world.said.clear();
    world.leg(0, 3, gone(GoneWhy::CancelledBySupplier));
    check(
        &world,
        &expect![[r#"
            13 leg news #3: Gone { why: CancelledBySupplier }
            14 ChangeFound { leg_id: LegId(00000000-0000-0000-0000-000000000100), theirs: Cancelled, by: 2027-01-17T08:00:00Z }
            15 ReviewOpened { why: CancelledBySupplier, stuck: None }
            -> Confirmed, money Settled, next [Cancel, RefundChange, RebookChange]
               says wake Answer in 172800s
        "#]],
    );
}

#[test]
fn a_leg_that_the_supplier_confirms_again_needs_nobody_any_more() {
    let mut world = World::stay();
    world.leg(0, 1, held());
    world.tell(&prepared(AMOUNT));
    world.tell(&settled(3, AMOUNT));
    world.leg(0, 2, confirmed());
    world.leg(0, 3, gone(GoneWhy::CancelledBySupplier));
    let why = |world: &World| world.booking().review.map(|review| review.why);
    // While nobody knows, a person still has to look.
    for (seq, state) in [(4, LegState::InDoubt { since: noon() }), (5, held())] {
        world.leg(0, seq, state);
        assert_eq!(why(&world), Some(crate::ReviewWhy::CancelledBySupplier));
    }
    world.leg(0, 6, confirmed());
    assert_eq!(why(&world), None);
    world.tell(&passed(Deadline::Over));
    assert_eq!(world.booking().phase, Phase::Completed);
}

#[test]
fn quotes_that_contradict_themselves_are_refused() {
    let stay = || order(20_000, None);
    let change = |change: fn(&mut Accept)| {
        let Command::Accept(mut accept) = accept(0, vec![stay()]) else { unreachable!() };
        change(&mut accept);
        decide(&None, &Command::Accept(accept), &policy(), noon())
    };
    assert!(change(|_| ()).is_ok());
    assert_eq!(change(|a| a.price.minor += 1), Err(Refusal::QuoteBroken));
    assert_eq!(change(|a| a.quoted.units = units(1)), Err(Refusal::QuoteBroken));
    assert_eq!(change(|a| a.legs.clear()), Err(Refusal::QuoteBroken));
    assert_eq!(change(|a| a.points = 20_001), Err(Refusal::TooManyPoints));
    // Twenty dinars are twenty thousand fils, and two thousand points.
    fn in_dinars(a: &mut Accept) {
        a.price.currency = Currency::Kwd;
        a.rate.currency = Currency::Kwd;
        a.legs.iter_mut().for_each(|leg| leg.order.price.currency = Currency::Kwd);
        a.quoted.units = a.rate.units_for(a.price).unwrap();
    }
    let dinars = change(|a| {
        in_dinars(a);
        a.points = 2_000;
    });
    let Some(Event::Accepted(accepted)) = dinars.unwrap().into_iter().next() else { panic!() };
    assert_eq!(accepted.points_worth, accepted.price);
    let too_many = change(|a| {
        in_dinars(a);
        a.points = 2_001;
    });
    assert_eq!(too_many, Err(Refusal::TooManyPoints));
    assert_eq!(change(|a| a.legs[0].order.terms.holdable = false), Err(Refusal::NotHoldable));
}
