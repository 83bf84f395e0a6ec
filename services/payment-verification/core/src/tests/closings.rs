//! When a payment is called unpaid, and when it is not.
//!
//! The deadline is 1,200 s after the start, the grace 600 s; three blocks of 300 s are a depth.

use contracts::messages::{CloseBecause, Closing};
use expect_test::{Expect, expect};

use super::world::{
    Step::{Ask, Tell},
    World, head, left, made_at, not_paid, prepare, prepare_in, read_up_to, seen, story, undone,
};
use crate::Command;

fn check(steps: Vec<(&str, super::world::Step)>, expected: &Expect) {
    expected.assert_eq(&story(steps));
}

/// Row: C9
#[test]
fn silence_is_believed_only_after_a_block_past_the_deadline_and_its_grace() {
    check(
        vec![
            ("asked", Ask(prepare(100))),
            ("a block past the deadline", Tell(read_up_to(1_201))),
            ("the deadline passed", Ask(not_paid())),
            ("asked again", Ask(not_paid())),
            ("a block within the grace", Tell(read_up_to(1_800))),
            ("a block after it", Tell(read_up_to(1_801))),
            ("a later one", Tell(read_up_to(2_000))),
        ],
        &expect![[r#"
            asked
              prepared: 3 deep
                -> prepared: pay 100 to 0xADD7
            a block past the deadline
            the deadline passed
              close asked: NotPaid
            asked again
            a block within the grace
            a block after it
              closed(0 seen, 0 final), due 0
                -> closed(0 seen, 0 final) #3
            a later one
        "#]],
    );
}

/// Row: C9
#[test]
fn money_mined_in_time_and_read_late_pays() {
    check(
        vec![
            ("asked", Ask(prepare(100))),
            ("the deadline passed", Ask(not_paid())),
            ("mined in time", Tell(made_at(seen(1, 100, 10, 1), 1_800))),
            ("long after", Tell(read_up_to(9_000))),
            ("deep", Tell(head(12, 3))),
            ("later still", Tell(read_up_to(9_001))),
        ],
        &expect![[r#"
            asked
              prepared: 3 deep
                -> prepared: pay 100 to 0xADD7
            the deadline passed
              close asked: NotPaid
            mined in time
              transfer of 100 in block 10
              seen: 100, complete: true
                -> seen #4: 100, complete: true, at +1s
            long after
            deep
              final: 100
              settled: price 100, dust 0, excess 0
              already settled(100), due 0
                -> post 100 received>customer
                -> settled #6: 100
                -> post 100 customer>price
                -> already settled(100) #7
            later still
            account received +0 -100
            account customer +100 -100
            account price +100 -0
        "#]],
    );
}

/// The first block of Bitcoin after the deadline often comes later than the grace.
///
/// Row: C9
#[test]
fn bitcoin_that_was_sent_in_time_pays_though_its_block_is_made_long_after_the_deadline() {
    let mined = |minutes_late: i64| {
        let mut world = World::as_shipped();
        world.ask(&prepare_in("btc", 8, 100_000));
        world.wait(1_200);
        world.ask(&not_paid());
        world.tell(&read_up_to(1_200 + 60 * (minutes_late - 1)));
        world.tell(&made_at(seen(1, 100_000, 10, 1), 1_200 + 60 * minutes_late));
        world.tell(&read_up_to(9_000));
        world.tell(&head(30, 3));
        world.payment
    };
    for minutes_late in [25, 40] {
        let paid = mined(minutes_late);
        let settled = paid.final_units();
        assert_eq!(paid.closing, Some(Closing::AlreadySettled { settled }), "{minutes_late}");
    }
    let late = mined(41);
    assert!(!late.settled && matches!(late.closing, Some(Closing::Closed { .. })), "{late:?}");
}

/// Row: C9
#[test]
fn money_mined_too_late_and_read_before_the_answer_goes_back() {
    check(
        vec![
            ("asked", Ask(prepare(100))),
            ("the deadline passed", Ask(not_paid())),
            ("mined too late", Tell(made_at(seen(1, 100, 10, 1), 1_801))),
            ("deep", Tell(head(12, 3))),
            ("the node is not behind", Tell(read_up_to(9_000))),
        ],
        &expect![[r#"
            asked
              prepared: 3 deep
                -> prepared: pay 100 to 0xADD7
            the deadline passed
              close asked: NotPaid
            mined too late
              transfer of 100 in block 10
              seen: 100, complete: true
                -> seen #4: 100, complete: true, at +1s
            deep
              final: 100
                -> post 100 received>customer
            the node is not behind
              closed(100 seen, 100 final), due 100
                -> closed(100 seen, 100 final) #6
                -> post 100 customer>refund_due
            account received +0 -100
            account customer +100 -100
            account refund_due +100 -0
        "#]],
    );
}

/// Row: C2
#[test]
fn too_little_at_the_deadline_goes_back_and_a_top_up_in_time_pays() {
    let short = |top_up_at| {
        story(vec![
            ("asked", Ask(prepare(100))),
            ("a part", Tell(made_at(seen(1, 60, 10, 1), 100))),
            ("the deadline passed", Ask(not_paid())),
            ("the rest", Tell(made_at(seen(2, 40, 11, 2), top_up_at))),
            ("read on", Tell(read_up_to(1_801))),
            ("deep", Tell(head(13, 4))),
        ])
    };
    let (in_time, late) = (short(1_700), short(1_801));
    assert!(in_time.contains("already settled(100)"), "{in_time}");
    assert!(late.contains("closed(100 seen, 0 final)"), "{late}");
    assert!(late.contains("came late: 100") && !late.contains("settled: price"), "{late}");
}

/// Row: C4
#[test]
fn money_that_left_its_block_may_be_mined_again_for_a_while() {
    let again = |mined_at| {
        story(vec![
            ("asked", Ask(prepare(100))),
            ("in time", Tell(made_at(seen(1, 100, 10, 1), 1_190))),
            ("its block left", Tell(left(10, 2))),
            ("the deadline passed", Ask(not_paid())),
            ("mined again", Tell(made_at(seen(1, 100, 13, 5), mined_at))),
            ("read on", Tell(read_up_to(2_103))),
            ("deep", Tell(head(15, 7))),
        ])
    };
    // It left at +2s by our clock and may be away for 900 s; the deadline and its grace are later.
    let (in_time, late) = (again(1_800), again(1_801));
    assert!(in_time.contains("already settled(100)"), "{in_time}");
    assert!(late.contains("closed(100 seen, 0 final)") && late.contains("came late"), "{late}");
}

/// Row: C4
#[test]
fn the_wait_for_money_that_left_is_as_long_as_its_depth_takes() {
    let mut world = World::new();
    world.ask(&prepare(100));
    world.wait(1_700);
    world.tell(&made_at(seen(1, 100, 10, 1), 1_700));
    world.tell(&left(10, 2));
    world.ask(&not_paid());
    world.tell(&read_up_to(2_600));
    assert!(world.payment.closing.is_none(), "three blocks of 300 s after it left are not over");
    let mut back = world.clone();
    back.tell(&made_at(seen(1, 100, 13, 5), 2_600));
    back.tell(&head(15, 7));
    assert!(back.payment.settled);
    world.tell(&read_up_to(2_603));
    assert!(world.payment.closing.is_some() && !world.payment.settled);
}

#[test]
fn a_booking_that_is_undone_waits_for_one_block_and_for_nothing_where_nobody_can_have_paid() {
    check(
        vec![
            ("asked", Ask(prepare(100))),
            ("money", Tell(made_at(seen(1, 100, 10, 1), 10))),
            ("never shown, it is said", Ask(Command::Close(CloseBecause::NeverShown))),
            ("a block of that moment", Tell(read_up_to(1))),
            ("the next block", Tell(read_up_to(2))),
            ("deep", Tell(head(12, 3))),
        ],
        &expect![[r#"
            asked
              prepared: 3 deep
                -> prepared: pay 100 to 0xADD7
            money
              transfer of 100 in block 10
              seen: 100, complete: true
                -> seen #3: 100, complete: true, at +1s
            never shown, it is said
              close asked: NeverShown
            a block of that moment
            the next block
              closed(100 seen, 0 final), due 0
                -> closed(100 seen, 0 final) #5
            deep
              final: 100
              came late: 100
                -> post 100 received>customer
                -> settled #7: 100
                -> post 100 customer>refund_due
            account received +0 -100
            account customer +100 -100
            account refund_due +100 -0
        "#]],
    );
    check(
        vec![
            ("asked", Ask(prepare(100))),
            ("never shown", Ask(Command::Close(CloseBecause::NeverShown))),
        ],
        &expect![[r#"
            asked
              prepared: 3 deep
                -> prepared: pay 100 to 0xADD7
            never shown
              closed(0 seen, 0 final), due 0
                -> closed(0 seen, 0 final) #2
        "#]],
    );
    check(
        vec![
            ("asked", Ask(prepare(100))),
            ("the deadline passed", Ask(not_paid())),
            ("the room is lost meanwhile", Ask(undone())),
            ("the next block", Tell(read_up_to(1))),
        ],
        &expect![[r#"
            asked
              prepared: 3 deep
                -> prepared: pay 100 to 0xADD7
            the deadline passed
              close asked: NotPaid
            the room is lost meanwhile
              close asked: Undone
            the next block
              closed(0 seen, 0 final), due 0
                -> closed(0 seen, 0 final) #4
        "#]],
    );
}

#[test]
fn money_that_became_final_answers_a_closing_that_waits() {
    check(
        vec![
            ("asked", Ask(prepare(100))),
            ("money", Tell(made_at(seen(1, 100, 10, 1), 10))),
            ("undone", Ask(undone())),
            ("deep before the next block is known", Tell(head(12, 3))),
        ],
        &expect![[r#"
            asked
              prepared: 3 deep
                -> prepared: pay 100 to 0xADD7
            money
              transfer of 100 in block 10
              seen: 100, complete: true
                -> seen #3: 100, complete: true, at +1s
            undone
              close asked: Undone
            deep before the next block is known
              final: 100
              settled: price 100, dust 0, excess 0
              already settled(100), due 0
                -> post 100 received>customer
                -> settled #6: 100
                -> post 100 customer>price
                -> already settled(100) #7
            account received +0 -100
            account customer +100 -100
            account price +100 -0
        "#]],
    );
}
