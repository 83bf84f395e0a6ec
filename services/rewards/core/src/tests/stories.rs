//! What happens to an account, told line by line.

use contracts::messages::WantedPoints::{Captured, Held, Released};
use expect_test::{Expect, expect};

use super::*;

fn check(inputs: &[(DateTime<Utc>, Input)], story: &Expect) {
    story.assert_eq(&tell(inputs));
}

/// The account after all of it.
fn after(inputs: &[(DateTime<Utc>, Input)]) -> Account {
    inputs.iter().fold(Account::default(), |account, (now, input)| apply(&account, input, *now).0)
}

/// Row: C5
#[test]
fn points_do_not_expire_while_they_cannot_be_spent() {
    let mut inputs = vec![
        (day(0), confirmed(1, 10_000, day(0))),
        (day(2), money(1, 9, true)),
        (day(5_000), due()),
    ];
    let frozen = after(&inputs);
    assert_eq!((frozen.balances().frozen, frozen.wake_at()), (300, None));
    inputs.push((day(5_001), money(1, 12, false)));
    let over = after(&inputs);
    assert_eq!((over.balances().frozen, over.balances().available), (0, 0), "then they do");
}

#[test]
fn points_are_pending_at_confirmation_and_available_after_the_stay_and_the_wait() {
    check(
        &[
            (day(0), confirmed(1, 12_345, day(10))),
            (day(0), confirmed(1, 12_345, day(10))),
            (day(11), due()),
            (day(12), due()),
            (day(742), due()),
        ],
        &expect![[r#"
            day 0: booking 1 confirmed, paid 123.45 EUR
                earned issued -370, pending +370
                = available 0, pending 370, held 0, debt 0
            day 0: booking 1 confirmed, paid 123.45 EUR
                = available 0, pending 370, held 0, debt 0
            day 11: time
                = available 0, pending 370, held 0, debt 0
            day 12: time
                matured pending -370, available +370
                = available 370, pending 0, held 0, debt 0
            day 742: time
                expired available -370, expired +370
                = available 0, pending 0, held 0, debt 0
        "#]],
    );
}

/// Row: E1
#[test]
fn what_nobody_came_to_earns_nothing_unless_the_policy_says_so() {
    let completed = |taken: Option<i64>| {
        let taken = taken.map(|minor| Money::new(minor, Currency::Eur));
        Input::Fact(Fact::Completed { booking_id: booking(1), taken })
    };
    let earned = (day(0), confirmed(1, 10_000, day(10)));
    let some = [earned.clone(), (day(11), completed(Some(4_000)))];
    assert_eq!(after(&some).balances().pending, 120);
    let none = [earned.clone(), (day(11), completed(Some(0))), (day(11), completed(Some(0)))];
    assert_eq!(after(&none).balances().pending, 0);
    // A supplier may say so only when the points can be spent.
    let late = [earned.clone(), (day(11), completed(None)), (day(30), completed(Some(0)))];
    let late = after(&late).balances();
    assert_eq!((late.available, late.pending, late.debt), (0, 0, 0));
    let generous = Policy { no_show_earns: true, ..POLICY };
    let (account, _) = apply(&Account::default(), &earned.1, earned.0);
    let Input::Fact(fact) = completed(Some(0)) else { unreachable!() };
    assert_eq!(learn(&account, &fact, &generous, day(11)), Vec::new());
}

#[test]
fn a_hold_is_spent_or_goes_back_to_its_lots() {
    check(
        &[
            (day(0), grant(1, 100)),
            (day(1), grant(2, 100)),
            (day(2), want(7, 1, Held, 150)),
            (day(2), want(7, 1, Held, 150)),
            (day(2), want(7, 2, Released, 150)),
            (day(3), want(8, 1, Held, 150)),
            (day(3), want(8, 2, Captured, 150)),
            (day(3), want(9, 1, Held, 51)),
            (day(4), want(8, 3, Released, 150)),
            (day(4), want(8, 4, Held, 150)),
        ],
        &expect![[r#"
            day 0: grant 1 of 100
                granted issued -100, available +100
                = available 100, pending 0, held 0, debt 0
            day 1: grant 2 of 100
                granted issued -100, available +100
                = available 200, pending 0, held 0, debt 0
            day 2: booking 7 wants 150 Held v1
                held available -100, held +100, available -50, held +50
                  says v1 Held 150
                = available 50, pending 0, held 150, debt 0
            day 2: booking 7 wants 150 Held v1
                = available 50, pending 0, held 150, debt 0
            day 2: booking 7 wants 150 Released v2
                released held -100, available +100, held -50, available +50
                  says v2 Released 150
                = available 200, pending 0, held 0, debt 0
            day 3: booking 8 wants 150 Held v1
                held available -100, held +100, available -50, held +50
                  says v1 Held 150
                = available 50, pending 0, held 150, debt 0
            day 3: booking 8 wants 150 Captured v2
                captured held -100, spent +100, held -50, spent +50
                  says v2 Captured 150
                = available 50, pending 0, held 0, debt 0
            day 3: booking 9 wants 51 Held v1
                refused 
                  says v1 Refused 51
                = available 50, pending 0, held 0, debt 0
            day 4: booking 8 wants 150 Released v3
                released spent -100, available +100, spent -50, available +50
                  says v3 Released 150
                = available 200, pending 0, held 0, debt 0
            day 4: booking 8 wants 150 Held v4
                wish_noted 
                  says v4 Released 0
                = available 200, pending 0, held 0, debt 0
        "#]],
    );
}

/// Row: F2
#[test]
fn a_release_that_overtakes_its_hold_is_remembered() {
    check(
        &[
            (day(0), grant(1, 100)),
            (day(0), want(7, 2, Released, 60)),
            (day(0), want(7, 1, Held, 60)),
        ],
        &expect![[r#"
            day 0: grant 1 of 100
                granted issued -100, available +100
                = available 100, pending 0, held 0, debt 0
            day 0: booking 7 wants 60 Released v2
                released 
                  says v2 Released 0
                = available 100, pending 0, held 0, debt 0
            day 0: booking 7 wants 60 Held v1
                = available 100, pending 0, held 0, debt 0
        "#]],
    );
}

#[test]
fn a_capture_that_overtakes_its_hold_takes_the_points_once() {
    check(
        &[
            (day(0), grant(1, 100)),
            (day(0), want(7, 2, Captured, 60)),
            (day(0), want(7, 1, Held, 60)),
            (day(0), want(7, 3, Held, 60)),
            (day(0), want(8, 1, Captured, 60)),
        ],
        &expect![[r#"
            day 0: grant 1 of 100
                granted issued -100, available +100
                = available 100, pending 0, held 0, debt 0
            day 0: booking 7 wants 60 Captured v2
                captured available -60, spent +60
                  says v2 Captured 60
                = available 40, pending 0, held 0, debt 0
            day 0: booking 7 wants 60 Held v1
                = available 40, pending 0, held 0, debt 0
            day 0: booking 7 wants 60 Held v3
                wish_noted 
                  says v3 Captured 60
                = available 40, pending 0, held 0, debt 0
            day 0: booking 8 wants 60 Captured v1
                refused 
                  says v1 Refused 60
                = available 40, pending 0, held 0, debt 0
        "#]],
    );
}

/// Row: E2
#[test]
fn a_cancelled_booking_leaves_no_points_before_or_after_they_were_available() {
    check(
        &[
            (day(0), confirmed(1, 10_000, day(1))),
            (day(1), cancelled(1)),
            (day(1), cancelled(1)),
            (day(1), confirmed(1, 10_000, day(1))),
            (day(2), confirmed(2, 10_000, day(1))),
            (day(5), cancelled(2)),
            (day(5), cancelled(2)),
            (day(6), cancelled(3)),
            (day(6), confirmed(3, 10_000, day(1))),
        ],
        &expect![[r#"
            day 0: booking 1 confirmed, paid 100.00 EUR
                earned issued -300, pending +300
                = available 0, pending 300, held 0, debt 0
            day 1: booking 1 cancelled
                voided pending -300, issued +300
                = available 0, pending 0, held 0, debt 0
            day 1: booking 1 cancelled
                = available 0, pending 0, held 0, debt 0
            day 1: booking 1 confirmed, paid 100.00 EUR
                = available 0, pending 0, held 0, debt 0
            day 2: booking 2 confirmed, paid 100.00 EUR
                earned issued -300, pending +300
                = available 0, pending 300, held 0, debt 0
            day 5: booking 2 cancelled
                matured pending -300, available +300
                reversed available -300, issued +300
                = available 0, pending 0, held 0, debt 0
            day 5: booking 2 cancelled
                = available 0, pending 0, held 0, debt 0
            day 6: booking 3 cancelled
                earn_barred 
                = available 0, pending 0, held 0, debt 0
            day 6: booking 3 confirmed, paid 100.00 EUR
                = available 0, pending 0, held 0, debt 0
        "#]],
    );
}

/// Row: A9
/// Row: E2
#[test]
fn a_leg_cancelled_alone_takes_back_what_was_earned_on_it_and_no_more() {
    check(
        &[
            (day(0), confirmed(1, 30_000, day(10))),
            (day(1), leg_cancelled(1, 20_000)),
            (day(1), leg_cancelled(1, 20_000)),
            // Two that overtook each other: the least that is still paid is the newest.
            (day(2), leg_cancelled(1, 5_000)),
            (day(2), leg_cancelled(1, 10_000)),
            // One that overtook the confirmation.
            (day(2), leg_cancelled(2, 10_000)),
            (day(2), confirmed(2, 30_000, day(10))),
            // Some were used before: they are owed.
            (day(13), want(7, 1, Captured, 400)),
            (day(14), leg_cancelled(2, 5_000)),
            (day(15), cancelled(2)),
            (day(16), leg_cancelled(2, 0)),
        ],
        &expect![[r#"
            day 0: booking 1 confirmed, paid 300.00 EUR
                earned issued -900, pending +900
                = available 0, pending 900, held 0, debt 0
            day 1: booking 1 lost a leg, paid 200.00 EUR
                reduced pending -300, issued +300
                = available 0, pending 600, held 0, debt 0
            day 1: booking 1 lost a leg, paid 200.00 EUR
                = available 0, pending 600, held 0, debt 0
            day 2: booking 1 lost a leg, paid 50.00 EUR
                reduced pending -450, issued +450
                = available 0, pending 150, held 0, debt 0
            day 2: booking 1 lost a leg, paid 100.00 EUR
                = available 0, pending 150, held 0, debt 0
            day 2: booking 2 lost a leg, paid 100.00 EUR
                earn_limited 
                = available 0, pending 150, held 0, debt 0
            day 2: booking 2 confirmed, paid 300.00 EUR
                earned issued -300, pending +300
                = available 0, pending 450, held 0, debt 0
            day 13: booking 7 wants 400 Captured v1
                matured pending -150, available +150
                matured pending -300, available +300
                captured available -150, spent +150, available -250, spent +250
                  says v1 Captured 400
                = available 50, pending 0, held 0, debt 0
            day 14: booking 2 lost a leg, paid 50.00 EUR
                reduced available -50, issued +50, debt -100, issued +100
                = available 0, pending 0, held 0, debt 100
            day 15: booking 2 cancelled
                reversed debt -150, issued +150
                = available 0, pending 0, held 0, debt 250
            day 16: booking 2 lost a leg, paid 0.00 EUR
                = available 0, pending 0, held 0, debt 250
        "#]],
    );
}

/// Row: C5
#[test]
fn points_of_a_booking_whose_money_left_its_chain_cannot_be_spent_until_it_is_back() {
    check(
        &[
            (day(0), confirmed(1, 10_000, day(0))),
            (day(2), money(1, 9, true)),
            (day(2), want(7, 1, Held, 1)),
            (day(3), money(1, 8, false)),
            (day(3), money(2, 5, false)),
            (day(3), money(2, 4, true)),
            (day(3), confirmed(2, 1_000, day(0))),
            (day(6), want(7, 2, Held, 30)),
            (day(7), want(8, 1, Held, 1)),
            (day(7), money(1, 12, false)),
            (day(7), want(8, 2, Held, 300)),
        ],
        &expect![[r#"
            day 0: booking 1 confirmed, paid 100.00 EUR
                earned issued -300, pending +300
                = available 0, pending 300, held 0, debt 0
            day 2: money of booking 1 away v9
                matured pending -300, available +300
                frozen 
                = available 0, pending 0, held 0, debt 0, frozen 300
            day 2: booking 7 wants 1 Held v1
                refused 
                  says v1 Refused 1
                = available 0, pending 0, held 0, debt 0, frozen 300
            day 3: money of booking 1 back v8
                = available 0, pending 0, held 0, debt 0, frozen 300
            day 3: money of booking 2 back v5
                thawed 
                = available 0, pending 0, held 0, debt 0, frozen 300
            day 3: money of booking 2 away v4
                = available 0, pending 0, held 0, debt 0, frozen 300
            day 3: booking 2 confirmed, paid 10.00 EUR
                earned issued -30, pending +30
                matured pending -30, available +30
                = available 30, pending 0, held 0, debt 0, frozen 300
            day 6: booking 7 wants 30 Held v2
                held available -30, held +30
                  says v2 Held 30
                = available 0, pending 0, held 30, debt 0, frozen 300
            day 7: booking 8 wants 1 Held v1
                refused 
                  says v1 Refused 1
                = available 0, pending 0, held 30, debt 0, frozen 300
            day 7: money of booking 1 back v12
                thawed 
                = available 300, pending 0, held 30, debt 0
            day 7: booking 8 wants 300 Held v2
                held available -300, held +300
                  says v2 Held 300
                = available 0, pending 0, held 330, debt 0
        "#]],
    );
}

/// Row: E3
#[test]
fn points_spent_before_their_booking_is_cancelled_are_owed_and_paid_by_the_next() {
    check(
        &[
            (day(0), confirmed(1, 10_000, day(0))),
            (day(2), want(7, 1, Held, 250)),
            (day(2), want(7, 2, Captured, 250)),
            (day(3), cancelled(1)),
            (day(3), want(8, 1, Held, 1)),
            (day(4), confirmed(2, 10_000, day(4))),
            (day(6), due()),
            (day(7), want(7, 3, Released, 250)),
        ],
        &expect![[r#"
            day 0: booking 1 confirmed, paid 100.00 EUR
                earned issued -300, pending +300
                = available 0, pending 300, held 0, debt 0
            day 2: booking 7 wants 250 Held v1
                matured pending -300, available +300
                held available -250, held +250
                  says v1 Held 250
                = available 50, pending 0, held 250, debt 0
            day 2: booking 7 wants 250 Captured v2
                captured held -250, spent +250
                  says v2 Captured 250
                = available 50, pending 0, held 0, debt 0
            day 3: booking 1 cancelled
                reversed available -50, issued +50, debt -250, issued +250
                = available 0, pending 0, held 0, debt 250
            day 3: booking 8 wants 1 Held v1
                refused 
                  says v1 Refused 1
                = available 0, pending 0, held 0, debt 250
            day 4: booking 2 confirmed, paid 100.00 EUR
                earned issued -300, pending +300
                = available 0, pending 300, held 0, debt 250
            day 6: time
                matured pending -300, available +300
                debt_paid available -250, debt +250
                = available 50, pending 0, held 0, debt 0
            day 7: booking 7 wants 250 Released v3
                released spent -250, available +250
                  says v3 Released 250
                = available 300, pending 0, held 0, debt 0
        "#]],
    );
}

/// Row: E2
/// Row: E3
#[test]
fn points_that_were_owed_and_paid_are_not_taken_back_again_when_they_are_released() {
    check(
        &[
            (day(0), confirmed(1, 10_000, day(0))),
            (day(2), want(2, 1, Held, 300)),
            (day(3), leg_cancelled(1, 5_000)),
            (day(4), grant(1, 200)),
            (day(5), want(2, 2, Released, 300)),
            (day(6), cancelled(1)),
            (day(6), cancelled(1)),
        ],
        &expect![[r#"
            day 0: booking 1 confirmed, paid 100.00 EUR
                earned issued -300, pending +300
                = available 0, pending 300, held 0, debt 0
            day 2: booking 2 wants 300 Held v1
                matured pending -300, available +300
                held available -300, held +300
                  says v1 Held 300
                = available 0, pending 0, held 300, debt 0
            day 3: booking 1 lost a leg, paid 50.00 EUR
                reduced debt -150, issued +150
                = available 0, pending 0, held 300, debt 150
            day 4: grant 1 of 200
                granted issued -200, available +200
                debt_paid available -150, debt +150
                = available 50, pending 0, held 300, debt 0
            day 5: booking 2 wants 300 Released v2
                released held -300, available +300
                  says v2 Released 300
                = available 350, pending 0, held 0, debt 0
            day 6: booking 1 cancelled
                reversed available -150, issued +150
                = available 200, pending 0, held 0, debt 0
            day 6: booking 1 cancelled
                = available 200, pending 0, held 0, debt 0
        "#]],
    );
}

/// Row: E4
#[test]
fn released_points_keep_the_expiry_they_had() {
    check(
        &[
            (day(0), grant(1, 100)),
            (day(100), grant(2, 100)),
            (day(700), want(7, 1, Held, 130)),
            (day(740), want(7, 2, Released, 130)),
            (day(830), due()),
        ],
        &expect![[r#"
            day 0: grant 1 of 100
                granted issued -100, available +100
                = available 100, pending 0, held 0, debt 0
            day 100: grant 2 of 100
                granted issued -100, available +100
                = available 200, pending 0, held 0, debt 0
            day 700: booking 7 wants 130 Held v1
                held available -100, held +100, available -30, held +30
                  says v1 Held 130
                = available 70, pending 0, held 130, debt 0
            day 740: booking 7 wants 130 Released v2
                released held -100, available +100, held -30, available +30
                  says v2 Released 130
                expired available -100, expired +100
                = available 100, pending 0, held 0, debt 0
            day 830: time
                expired available -100, expired +100
                = available 0, pending 0, held 0, debt 0
        "#]],
    );
}

#[test]
fn a_grant_is_given_once_and_not_changed() {
    check(
        &[
            (day(0), grant(1, 100)),
            (day(1), grant(1, 100)),
            (day(2), grant(1, 200)),
            (day(2), grant(2, 0)),
            (day(2), grant(3, u64::MAX)),
            (day(2), grant(4, 1_000_001)),
        ],
        &expect![[r#"
            day 0: grant 1 of 100
                granted issued -100, available +100
                = available 100, pending 0, held 0, debt 0
            day 1: grant 1 of 100
                = available 100, pending 0, held 0, debt 0
            day 2: grant 1 of 200
                no: this grant was given with 100 points
                = available 100, pending 0, held 0, debt 0
            day 2: grant 2 of 0
                no: a grant has 1 to 1000000 points
                = available 100, pending 0, held 0, debt 0
            day 2: grant 3 of 18446744073709551615
                no: a grant has 1 to 1000000 points
                = available 100, pending 0, held 0, debt 0
            day 2: grant 4 of 1000001
                no: a grant has 1 to 1000000 points
                = available 100, pending 0, held 0, debt 0
        "#]],
    );
}

#[test]
fn absurd_numbers_are_answered_and_do_not_overflow() {
    check(
        &[
            (day(0), grant(1, 100)),
            (day(0), want(7, 1, Held, u64::MAX)),
            (day(0), want(8, 1, Held, 0)),
            (day(0), want(8, 2, Captured, 0)),
            (day(0), confirmed(1, i64::MAX, DateTime::<Utc>::MAX_UTC)),
            (day(0), confirmed(2, i64::MIN, DateTime::<Utc>::MIN_UTC)),
        ],
        &expect![[r#"
            day 0: grant 1 of 100
                granted issued -100, available +100
                = available 100, pending 0, held 0, debt 0
            day 0: booking 7 wants 18446744073709551615 Held v1
                refused 
                  says v1 Refused 18446744073709551615
                = available 100, pending 0, held 0, debt 0
            day 0: booking 8 wants 0 Held v1
                held 
                  says v1 Held 0
                = available 100, pending 0, held 0, debt 0
            day 0: booking 8 wants 0 Captured v2
                captured 
                  says v2 Captured 0
                = available 100, pending 0, held 0, debt 0
            day 0: booking 1 confirmed, paid 92233720368547758.07 EUR
                earned issued -1000000000000, pending +1000000000000
                = available 100, pending 1000000000000, held 0, debt 0
            day 0: booking 2 confirmed, paid -92233720368547758.08 EUR
                earned 
                matured 
                = available 100, pending 1000000000000, held 0, debt 0
        "#]],
    );
}

#[test]
fn tier_and_percent_stay_with_the_entry_they_made() {
    let earned = apply(&Account::default(), &confirmed(1, 10_000, day(1)), day(0)).1;
    let json = serde_json::to_string_pretty(&earned).unwrap();
    expect![[r#"
        [
          {
            "is": "earned",
            "booking_id": "00000000-0000-0000-0000-000000000001",
            "rule": "stay",
            "tier": "member",
            "percent": 3,
            "paid": {
              "minor": "10000",
              "scale": 2,
              "currency": "EUR"
            },
            "points": 300,
            "available_at": "2027-01-18T08:00:00Z",
            "expires_at": "2029-01-17T08:00:00Z"
          }
        ]"#]]
    .assert_eq(&json);
}

#[test]
fn an_account_is_read_back_as_it_was_written() {
    let inputs = [
        (day(0), grant(1, 100)),
        (day(0), confirmed(1, 10_000, day(1))),
        (day(2), want(7, 1, Held, 60)),
        (day(2), cancelled(3)),
    ];
    let account = inputs
        .iter()
        .fold(Account::default(), |account, (now, input)| apply(&account, input, *now).0);
    let json = serde_json::to_string_pretty(&account).unwrap();
    assert_eq!(serde_json::from_str::<Account>(&json).unwrap(), account);
    expect![[r#"
        {
          "version": 4,
          "lots": {
            "stay:00000000-0000-0000-0000-000000000001": {
              "points": 300,
              "free": 300,
              "expired": 0,
              "percent": 3,
              "available_at": "2027-01-18T08:00:00Z",
              "expires_at": "2029-01-17T08:00:00Z",
              "stage": "pending"
            },
            "grant:00000000-0000-0000-0000-000000000001": {
              "points": 100,
              "free": 40,
              "expired": 0,
              "available_at": "2027-01-15T08:00:00Z",
              "expires_at": "2029-01-14T08:00:00Z",
              "stage": "available"
            }
          },
          "redemptions": {
            "00000000-0000-0000-0000-000000000007": {
              "version": 1,
              "state": "held",
              "parts": {
                "grant:00000000-0000-0000-0000-000000000001": 60
              }
            }
          },
          "barred": [
            "00000000-0000-0000-0000-000000000003"
          ],
          "debt": 0
        }"#]]
    .assert_eq(&json);
}

/// Row: E1
#[test]
fn points_of_a_stay_that_ends_later_wait_for_its_new_end_whatever_was_heard_first() {
    check(
        &[
            (day(0), confirmed(1, 10_000, day(10))),
            (day(1), moved(1, day(20))),
            (day(1), moved(1, day(20))),
            // One that ends earlier waits as long as it did.
            (day(2), leg_replaced(1, 5_000, day(15))),
            (day(21), due()),
            (day(22), due()),
            // The confirmation comes last.
            (day(30), leg_replaced(2, 10_000, day(50))),
            (day(30), moved(2, day(45))),
            (day(30), confirmed(2, 10_000, day(40))),
            (day(51), due()),
            (day(52), due()),
            // They are the customer's already.
            (day(53), moved(2, day(90))),
            // What is over earns nothing.
            (day(54), cancelled(3)),
            (day(54), moved(3, day(90))),
        ],
        &expect![[r#"
            day 0: booking 1 confirmed, paid 100.00 EUR
                earned issued -300, pending +300
                = available 0, pending 300, held 0, debt 0
            day 1: booking 1 was moved
                postponed 
                = available 0, pending 300, held 0, debt 0
            day 1: booking 1 was moved
                = available 0, pending 300, held 0, debt 0
            day 2: booking 1 got another leg, paid 50.00 EUR
                reduced pending -150, issued +150
                = available 0, pending 150, held 0, debt 0
            day 21: time
                = available 0, pending 150, held 0, debt 0
            day 22: time
                matured pending -150, available +150
                = available 150, pending 0, held 0, debt 0
            day 30: booking 2 got another leg, paid 100.00 EUR
                earn_limited 
                earn_postponed 
                = available 150, pending 0, held 0, debt 0
            day 30: booking 2 was moved
                = available 150, pending 0, held 0, debt 0
            day 30: booking 2 confirmed, paid 100.00 EUR
                earned issued -300, pending +300
                = available 150, pending 300, held 0, debt 0
            day 51: time
                = available 150, pending 300, held 0, debt 0
            day 52: time
                matured pending -300, available +300
                = available 450, pending 0, held 0, debt 0
            day 53: booking 2 was moved
                = available 450, pending 0, held 0, debt 0
            day 54: booking 3 cancelled
                earn_barred 
                = available 450, pending 0, held 0, debt 0
            day 54: booking 3 was moved
                = available 450, pending 0, held 0, debt 0
        "#]],
    );
}

#[test]
fn a_finer_currency_earns_by_its_hundredths() {
    let earned = |minor, currency| crate::rules::points_for(Money::new(minor, currency), 3);
    assert_eq!(earned(10_000, Currency::Eur), 300);
    assert_eq!(earned(100_000, Currency::Kwd), 300);
    assert_eq!(earned(339, Currency::Kwd), 1);
    assert_eq!(earned(10_000, Currency::Jpy), 300);
}
