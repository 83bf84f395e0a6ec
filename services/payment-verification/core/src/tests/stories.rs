//! What happens to a payment, told as a payer or a chain would.

use expect_test::{Expect, expect};

use super::world::{
    Step::{Ask, Tell},
    World, head, left, prepare, read_up_to, refund, seen, story, undone, units,
};
use crate::{Effect, ledger::Account};

fn check(steps: Vec<(&str, super::world::Step)>, expected: &Expect) {
    expected.assert_eq(&story(steps));
}

#[test]
fn a_payment_settles_once_and_only_at_its_depth() {
    check(
        vec![
            ("asked", Ask(prepare(100))),
            ("asked again", Ask(prepare(100))),
            ("head before any money", Tell(head(9, 1))),
            ("money in block 10", Tell(seen(1, 100, 10, 2))),
            ("the same again", Tell(seen(1, 100, 10, 2))),
            ("depth 1", Tell(head(10, 2))),
            ("depth 2", Tell(head(11, 3))),
            ("depth 3", Tell(head(12, 4))),
            ("depth 3 again", Tell(head(12, 4))),
            ("depth 4", Tell(head(13, 5))),
        ],
        &expect![[r#"
            asked
              prepared: 3 deep
                -> prepared: pay 100 to 0xADD7
            asked again
            head before any money
            money in block 10
              transfer of 100 in block 10
              seen: 100, complete: true
                -> seen #3: 100, complete: true, at +2s
            the same again
            depth 1
            depth 2
            depth 3
              final: 100
              settled: price 100, dust 0, excess 0
                -> post 100 received>customer
                -> settled #5: 100
                -> post 100 customer>price
            depth 3 again
            depth 4
            account received +0 -100
            account customer +100 -100
            account price +100 -0
        "#]],
    );
}

#[test]
fn a_large_amount_must_be_deeper() {
    check(
        vec![
            ("asked", Ask(prepare(1001))),
            ("money", Tell(seen(1, 1001, 10, 2))),
            ("depth 5", Tell(head(14, 6))),
            ("depth 6", Tell(head(15, 7))),
        ],
        &expect![[r#"
            asked
              prepared: 6 deep
                -> prepared: pay 1001 to 0xADD7
            money
              transfer of 1001 in block 10
              seen: 1001, complete: true
                -> seen #3: 1001, complete: true, at +1s
            depth 5
            depth 6
              final: 1001
              settled: price 1001, dust 0, excess 0
                -> post 1001 received>customer
                -> settled #5: 1001
                -> post 1001 customer>price
            account received +0 -1001
            account customer +1001 -1001
            account price +1001 -0
        "#]],
    );
}

#[test]
fn too_little_is_topped_up_and_too_much_is_kept_apart() {
    check(
        vec![
            ("asked", Ask(prepare(100))),
            ("a part", Tell(seen(1, 60, 10, 1))),
            ("the part is deep", Tell(head(12, 3))),
            ("the rest and more", Tell(seen(2, 45, 13, 4))),
            ("all is deep", Tell(head(15, 6))),
            ("once more", Tell(seen(3, 7, 16, 7))),
            ("deep too", Tell(head(18, 9))),
        ],
        &expect![[r#"
            asked
              prepared: 3 deep
                -> prepared: pay 100 to 0xADD7
            a part
              transfer of 60 in block 10
              seen: 60, complete: false
                -> seen #3: 60, complete: false, at +1s
            the part is deep
              final: 60
                -> post 60 received>customer
            the rest and more
              transfer of 45 in block 13
              seen: 105, complete: true
                -> seen #6: 105, complete: true, at +1s
            all is deep
              final: 45
              settled: price 100, dust 0, excess 5
                -> post 45 received>customer
                -> settled #8: 105
                -> post 100 customer>price, 5 customer>excess
            once more
              transfer of 7 in block 16
              seen: 112, complete: true
                -> seen #10: 112, complete: true, at +1s
            deep too
              final: 7
              exceeded by 7
                -> post 7 received>customer
                -> settled #12: 112
                -> post 7 customer>excess
            account received +0 -112
            account customer +112 -112
            account price +100 -0
            account excess +12 -0
        "#]],
    );
}

#[test]
fn what_is_short_by_dust_pays() {
    check(
        vec![
            ("asked", Ask(prepare(100))),
            ("three short", Tell(seen(1, 97, 10, 1))),
            ("one more", Tell(seen(2, 1, 10, 1))),
            ("deep", Tell(head(12, 3))),
        ],
        &expect![[r#"
            asked
              prepared: 3 deep
                -> prepared: pay 100 to 0xADD7
            three short
              transfer of 97 in block 10
              seen: 97, complete: false
                -> seen #3: 97, complete: false, at +1s
            one more
              transfer of 1 in block 10
              seen: 98, complete: true
                -> seen #5: 98, complete: true, at +1s
            deep
              final: 98
              settled: price 100, dust 2, excess 0
                -> post 98 received>customer
                -> settled #7: 98
                -> post 98 customer>price, 2 dust>price
            account received +0 -98
            account customer +98 -98
            account price +100 -0
            account dust +0 -2
        "#]],
    );
}

#[test]
fn money_counts_only_while_its_block_is_canonical() {
    check(
        vec![
            ("asked", Ask(prepare(100))),
            ("money in block 10", Tell(seen(1, 100, 10, 1))),
            ("block 10 left", Tell(left(10, 2))),
            ("again", Tell(left(10, 2))),
            ("the old sight, late", Tell(seen(1, 100, 10, 1))),
            ("the head moves", Tell(head(30, 3))),
            ("mined again in block 31", Tell(seen(1, 100, 31, 4))),
            ("deep in the new block", Tell(head(33, 6))),
        ],
        &expect![[r#"
            asked
              prepared: 3 deep
                -> prepared: pay 100 to 0xADD7
            money in block 10
              transfer of 100 in block 10
              seen: 100, complete: true
                -> seen #3: 100, complete: true, at +1s
            block 10 left
              block left
              back by +902s
              seen: 0, complete: false
                -> seen #6: 0, complete: false, at +1s
            again
            the old sight, late
            the head moves
            mined again in block 31
              transfer of 100 in block 31
              seen: 100, complete: true
                -> seen #8: 100, complete: true, at +1s
            deep in the new block
              final: 100
              settled: price 100, dust 0, excess 0
                -> post 100 received>customer
                -> settled #10: 100
                -> post 100 customer>price
            account received +0 -100
            account customer +100 -100
            account price +100 -0
        "#]],
    );
}

#[test]
fn a_closing_before_the_money_makes_it_due_back() {
    check(
        vec![
            ("asked", Ask(prepare(100))),
            ("closed", Ask(undone())),
            ("a later block", Tell(read_up_to(3_600))),
            ("closed again", Ask(undone())),
            ("late money", Tell(seen(1, 100, 10, 1))),
            ("refund before it is final", Ask(refund(1, 100))),
            ("deep", Tell(head(12, 3))),
            ("refund", Ask(refund(2, 100))),
            ("again", Ask(refund(2, 100))),
            ("a second one", Ask(refund(3, 1))),
        ],
        &expect![[r#"
            asked
              prepared: 3 deep
                -> prepared: pay 100 to 0xADD7
            closed
              close asked: Undone
            a later block
              closed(0 seen, 0 final), due 0
                -> closed(0 seen, 0 final) #3
            closed again
            late money
              transfer of 100 in block 10
              seen: 100, complete: true
                -> seen #5: 100, complete: true, at +2s
            refund before it is final
              refund_refused: more than what is final and not yet granted
                -> refund #6: Failed 100
            deep
              final: 100
              came late: 100
                -> post 100 received>customer
                -> settled #8: 100
                -> post 100 customer>refund_due
            refund
              refund of 100: due 100, excess 0, price 0
                -> refund #9: Granted 100
                -> post 100 refund_due>customer, 100 customer>refund_granted
            again
            a second one
              refund_refused: more than what is final and not yet granted
                -> refund #10: Failed 1
            account received +0 -100
            account customer +200 -200
            account refund_due +100 -100
            account refund_granted +100 -0
        "#]],
    );
}

#[test]
fn a_closing_with_a_final_part_says_so() {
    check(
        vec![
            ("asked", Ask(prepare(100))),
            ("a part", Tell(seen(1, 60, 10, 1))),
            ("deep", Tell(head(12, 3))),
            ("another part", Tell(seen(2, 10, 13, 4))),
            ("refund while open", Ask(refund(1, 60))),
            ("closed", Ask(undone())),
            ("a later block", Tell(read_up_to(3_600))),
            ("the other part is deep", Tell(head(15, 6))),
        ],
        &expect![[r#"
            asked
              prepared: 3 deep
                -> prepared: pay 100 to 0xADD7
            a part
              transfer of 60 in block 10
              seen: 60, complete: false
                -> seen #3: 60, complete: false, at +1s
            deep
              final: 60
                -> post 60 received>customer
            another part
              transfer of 10 in block 13
              seen: 70, complete: false
                -> seen #6: 70, complete: false, at +1s
            refund while open
              refund_refused: the payment is still open
                -> refund #7: Failed 60
            closed
              close asked: Undone
            a later block
              closed(70 seen, 60 final), due 60
                -> closed(70 seen, 60 final) #9
                -> post 60 customer>refund_due
            the other part is deep
              final: 10
              came late: 10
                -> post 10 received>customer
                -> settled #11: 70
                -> post 10 customer>refund_due
            account received +0 -70
            account customer +70 -70
            account refund_due +70 -0
        "#]],
    );
}

#[test]
fn a_closing_after_the_settlement_is_too_late() {
    check(
        vec![
            ("asked", Ask(prepare(100))),
            ("money", Tell(seen(1, 103, 10, 1))),
            ("deep", Tell(head(12, 3))),
            ("closed", Ask(undone())),
            ("a later block", Tell(read_up_to(3_600))),
            ("the excess back", Ask(refund(1, 3))),
            ("other terms, same refund", Ask(refund(1, 4))),
            ("a part of the price back", Ask(refund(2, 40))),
            ("more than there is", Ask(refund(3, 61))),
        ],
        &expect![[r#"
            asked
              prepared: 3 deep
                -> prepared: pay 100 to 0xADD7
            money
              transfer of 103 in block 10
              seen: 103, complete: true
                -> seen #3: 103, complete: true, at +1s
            deep
              final: 103
              settled: price 100, dust 0, excess 3
                -> post 103 received>customer
                -> settled #5: 103
                -> post 100 customer>price, 3 customer>excess
            closed
              already settled(103), due 0
                -> already settled(103) #6
            a later block
            the excess back
              refund of 3: due 0, excess 3, price 0
                -> refund #7: Granted 3
                -> post 3 excess>customer, 3 customer>refund_granted
            other terms, same refund
              refused: the refund has other terms
            a part of the price back
              refund of 40: due 0, excess 0, price 40
                -> refund #9: Granted 40
                -> post 40 price>customer, 40 customer>refund_granted
            more than there is
              refund_refused: more than what is final and not yet granted
                -> refund #10: Failed 61
            account received +0 -103
            account customer +146 -146
            account price +100 -40
            account excess +3 -3
            account refund_granted +43 -0
        "#]],
    );
}

#[test]
fn a_closing_that_overtakes_its_request_is_remembered() {
    check(
        vec![
            ("closed", Ask(undone())),
            ("a later block", Tell(read_up_to(3_600))),
            ("asked", Ask(prepare(100))),
            ("the head moves", Tell(head(10, 1))),
        ],
        &expect![[r#"
            closed
              closed(0 seen, 0 final), due 0
                -> closed(0 seen, 0 final) #1
            a later block
            asked
              refused: the payment is closed
                -> closed(0 seen, 0 final) #2
            the head moves
        "#]],
    );
}

#[test]
fn other_terms_for_the_same_payment_are_refused() {
    check(
        vec![
            ("asked", Ask(prepare(100))),
            ("for less", Ask(prepare(99))),
            ("nothing at all", Tell(head(10, 1))),
        ],
        &expect![[r#"
            asked
              prepared: 3 deep
                -> prepared: pay 100 to 0xADD7
            for less
              refused: the payment has other terms
            nothing at all
        "#]],
    );
    check(
        vec![("for nothing", Ask(prepare(0)))],
        &expect![[r#"
            for nothing
              refused: there is nothing to pay
        "#]],
    );
}

#[test]
fn a_final_part_that_leaves_is_the_payers_again() {
    check(
        vec![
            ("asked", Ask(prepare(100))),
            ("a part", Tell(seen(1, 60, 10, 1))),
            ("deep", Tell(head(12, 3))),
            ("its block left", Tell(left(10, 4))),
            ("all of it", Tell(seen(2, 100, 14, 8))),
            ("deep", Tell(head(16, 10))),
            ("the part, mined again", Tell(seen(1, 60, 17, 11))),
            ("deep again", Tell(head(19, 13))),
        ],
        &expect![[r#"
            asked
              prepared: 3 deep
                -> prepared: pay 100 to 0xADD7
            a part
              transfer of 60 in block 10
              seen: 60, complete: false
                -> seen #3: 60, complete: false, at +1s
            deep
              final: 60
                -> post 60 received>customer
            its block left
              block left
              withdrawn: 60
              back by +903s
              seen: 0, complete: false
                -> post 60 customer>received
                -> seen #8: 0, complete: false, at +1s
            all of it
              transfer of 100 in block 14
              seen: 100, complete: true
                -> seen #10: 100, complete: true, at +1s
            deep
              final: 100
              settled: price 100, dust 0, excess 0
                -> post 100 received>customer
                -> settled #12: 100
                -> post 100 customer>price
            the part, mined again
              transfer of 60 in block 17
              seen: 160, complete: true
                -> seen #14: 160, complete: true, at +1s
            deep again
              final: 60
              exceeded by 60
                -> post 60 received>customer
                -> settled #16: 160
                -> post 60 customer>excess
            account received +60 -220
            account customer +220 -220
            account price +100 -0
            account excess +60 -0
        "#]],
    );
}

#[test]
fn a_reorg_below_the_policy_reverses_what_was_final() {
    check(
        vec![
            ("asked", Ask(prepare(100))),
            ("money", Tell(seen(1, 100, 10, 1))),
            ("deep", Tell(head(12, 3))),
            ("its block left", Tell(left(10, 4))),
            ("mined again", Tell(seen(1, 100, 14, 8))),
            ("deep again", Tell(head(16, 10))),
        ],
        &expect![[r#"
            asked
              prepared: 3 deep
                -> prepared: pay 100 to 0xADD7
            money
              transfer of 100 in block 10
              seen: 100, complete: true
                -> seen #3: 100, complete: true, at +1s
            deep
              final: 100
              settled: price 100, dust 0, excess 0
                -> post 100 received>customer
                -> settled #5: 100
                -> post 100 customer>price
            its block left
              block left
              reversed: 100
              seen: 0, complete: false
                -> away #7: 100, final: 0
                -> post 100 reversed>received
                -> seen #8: 0, complete: false, at +1s
            mined again
              transfer of 100 in block 14
              seen: 100, complete: true
                -> seen #10: 100, complete: true, at +1s
            deep again
              restored: 100
                -> away #11: 0, final: 100
                -> post 100 received>reversed
            account received +100 -200
            account customer +100 -100
            account price +100 -0
            account reversed +100 -100
        "#]],
    );
}

/// Row: C5
#[test]
fn what_is_paid_anew_after_a_deep_reorg_takes_the_place_of_what_left() {
    let mut world = World::new();
    world.ask(&prepare(100));
    world.tell(&seen(1, 100, 10, 2));
    world.tell(&head(12, 4));
    let away = |world: &World| {
        world.said.iter().rev().find_map(|effect| {
            let Effect::SayReversed(told) = effect else { return None };
            Some((told.gone, told.settled))
        })
    };
    world.tell(&left(10, 5));
    assert_eq!(away(&world), Some((units(100), units(0))));
    // A part, and then the rest and a little more.
    world.tell(&seen(2, 60, 13, 6));
    world.tell(&head(15, 8));
    assert_eq!(away(&world), Some((units(40), units(60))));
    world.tell(&seen(3, 50, 16, 9));
    world.tell(&head(18, 11));
    assert_eq!(away(&world), Some((units(0), units(110))));
    // What left comes back: nothing is away, and all that is too much can be asked back.
    world.tell(&seen(1, 100, 19, 12));
    world.tell(&head(21, 14));
    assert_eq!(away(&world), Some((units(0), units(210))));
    assert_eq!(world.payment.book.credit_of(Account::Excess), units(110));
    assert_eq!(world.payment.book.credit_of(Account::Reversed), units(0));

    // What was due back and left is missed, whatever comes besides.
    let mut world = World::new();
    world.ask(&prepare(100));
    world.tell(&seen(1, 50, 10, 2));
    world.tell(&head(12, 4));
    world.ask(&undone());
    world.tell(&read_up_to(10));
    world.tell(&left(10, 5));
    assert_eq!(away(&world), Some((units(50), units(0))));
    world.tell(&seen(2, 50, 13, 6));
    world.tell(&head(15, 8));
    assert_eq!(world.payment.away_units(), units(50));
}

#[test]
fn nothing_at_all_pays_nothing_however_little_is_asked_for() {
    check(
        vec![("as little as dust", Ask(prepare(2))), ("blocks come", Tell(head(12, 3)))],
        &expect![[r#"
            as little as dust
              prepared: 3 deep
                -> prepared: pay 2 to 0xADD7
            blocks come
        "#]],
    );
}
