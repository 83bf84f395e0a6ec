//! The judge counts each thing that must never happen, and nothing else.

use contracts::asset::Units;
use serde_json::{Value, json};

use super::{Accepted, Comparison, Entry, Looked, entries_of, judge::judged};
use crate::{
    double::{Price, Reservation},
    gateway::Shown,
};

const DAYS: (&str, &str) = ("2027-06-01", "2027-06-03");
const PRICE: u64 = 100;

/// One booking of a world: what its customer has in hand, and how it looks.
#[derive(Clone)]
struct Case {
    accepted: Accepted,
    looked: Looked,
}

fn units(units: u64) -> Units {
    Units::parse(&units.to_string()).unwrap()
}

fn leg(reference: &str) -> Value {
    json!({"reference": reference, "check_in": DAYS.0, "check_out": DAYS.1})
}

fn there(reference: &str, guest: &str) -> Reservation {
    Reservation {
        reference: reference.to_owned(),
        client_reference: Some(format!("ours-{reference}")),
        state: "confirmed".to_owned(),
        check_in: DAYS.0.to_owned(),
        check_out: DAYS.1.to_owned(),
        guests: vec![guest.to_owned()],
        price: Price { amount: "1.00".to_owned(), currency: "EUR".to_owned() },
    }
}

/// A booking that is paid, and its legs.
fn booking(status: &str, guest: &str, legs: &[Value]) -> Case {
    let amount = json!({"asset": "eth", "units": PRICE.to_string(), "decimals": 18});
    let payment =
        json!({"state": "settled", "amount": amount, "refund_to": "0xback", "refunds": []});
    let shown = json!({"status": status, "legs": legs, "payment": payment, "review": null});
    let accepted = Accepted {
        booking_id: format!("of-{guest}"),
        token: String::new(),
        guest: guest.to_owned(),
        refund_to: Some("0xback".to_owned()),
        places: std::collections::BTreeSet::new(),
    };
    let looked = Looked {
        shown: Some(Shown(shown)),
        received: units(PRICE),
        returned: Some(Units::ZERO),
        points: Some(Vec::new()),
    };
    Case { accepted, looked }
}

fn confirmed(guest: &str, reference: &str) -> Case {
    booking("confirmed", guest, &[leg(reference)]).moved("earned", 10)
}

/// One that all money of came back of.
fn undone(status: &str) -> Case {
    let mut case = booking(status, "Ada", &[]).says("/payment/state", json!("refunded"));
    case.looked.returned = Some(units(PRICE));
    case
}

impl Case {
    fn says(mut self, pointer: &str, value: Value) -> Self {
        let shown = &mut self.looked.shown.as_mut().unwrap().0;
        let (parent, field) = pointer.rsplit_once('/').unwrap();
        shown.pointer_mut(parent).unwrap()[field] = value;
        self
    }

    fn moved(mut self, kind: &str, points: i64) -> Self {
        let entry = Entry { kind: kind.to_owned(), points };
        self.looked.points.as_mut().unwrap().push(entry);
        self
    }

    fn got_back(mut self, back: u64) -> Self {
        self.looked.returned = Some(units(back));
        self
    }
}

fn judge(cases: &[Case], living: &[Reservation]) -> Comparison {
    let accepted: Vec<Accepted> = cases.iter().map(|case| case.accepted.clone()).collect();
    let looked: Vec<Looked> = cases.iter().map(|case| case.looked.clone()).collect();
    judged(&accepted, &looked, living, false)
}

/// Lost, double, orphaned, overcharged, given away.
fn wrong(cases: &[Case], living: &[Reservation]) -> [usize; 5] {
    let found = judge(cases, living);
    assert_eq!(found.wrong.is_empty(), found.is_right(), "{found:?}");
    [found.lost, found.double, found.orphaned, found.overcharged, found.given_away]
}

#[test]
fn a_right_world_has_nothing_wrong() {
    let cases = [confirmed("Ada", "r1"), undone("failed"), undone("cancelled")];
    let living = [there("r1", "Ada")];
    assert_eq!(wrong(&cases, &living), [0; 5]);
    let found = judge(&cases, &living);
    assert_eq!((found.confirmed, found.undone, found.review, found.in_review), (1, 2, 0, 0));
}

#[test]
fn money_of_an_undone_booking_of_which_nobody_knows_is_kept() {
    let unseen = undone("failed").says("/payment/state", json!("none")).got_back(0);
    assert_eq!(wrong(&[unseen], &[]), [0, 0, 0, 1, 0]);
}

#[test]
fn a_refund_that_never_arrives_is_kept_where_it_is_known_where_it_should_go() {
    for (status, state) in [("failed", "refund_due"), ("cancelled", "refund_waiting")] {
        let waits = undone(status).says("/payment/state", json!(state)).got_back(0);
        assert_eq!(wrong(std::slice::from_ref(&waits), &[]), [0, 0, 0, 1, 0], "{status}");
        let mut nowhere = waits.clone().says("/payment/refund_to", Value::Null);
        nowhere.accepted.refund_to = None;
        assert_eq!(wrong(&[nowhere.clone()], &[]), [0; 5], "its customer has not said where to");
        nowhere = nowhere.says("/payment/card", json!({"client_secret": "x"}));
        assert_eq!(wrong(&[nowhere], &[])[3], 1, "it goes back to the card");
        let under_way = judged(&[waits.accepted], &[waits.looked], &[], true);
        assert!(under_way.is_right(), "{under_way:?}");
    }
    // Of a booking that goes on without one of its legs.
    let given_back = json!({"reference": "r2", "cancellation": {"back_units": "40"}});
    let without = booking("confirmed", "Ada", &[leg("r1"), given_back]).moved("earned", 10);
    let without = without.says("/payment/state", json!("refund_due"));
    let living = [there("r1", "Ada")];
    assert_eq!(wrong(std::slice::from_ref(&without), &living), [0, 0, 0, 1, 0]);
    assert_eq!(wrong(&[without.clone().got_back(40)], &living), [0; 5]);
    assert_eq!(wrong(&[without.got_back(80)], &living), [0, 0, 0, 0, 1], "it came twice");
}

#[test]
fn a_refund_that_comes_twice_is_given_away() {
    assert_eq!(wrong(&[undone("failed").got_back(2 * PRICE)], &[]), [0, 0, 0, 0, 1]);
    let fee = json!({"fee_units": "30", "points_back": true});
    let for_a_fee = undone("cancelled").says("/cancellation", fee);
    assert_eq!(wrong(&[for_a_fee.clone().got_back(70)], &[]), [0; 5]);
    assert_eq!(wrong(&[for_a_fee], &[]), [0, 0, 0, 0, 1], "its fee, too");
}

#[test]
fn a_review_counts_whether_the_booking_ended_or_not() {
    let review = json!({"why": "stuck", "by": "2027-06-01T00:00:00Z"});
    let mut cases = [confirmed("Ada", "r1"), undone("failed"), booking("failing", "Eve", &[])];
    cases = cases.map(|case| case.says("/review", review.clone()));
    let found = judge(&cases, &[there("r1", "Ada")]);
    assert!(found.is_right(), "{found:?}");
    assert_eq!((found.confirmed, found.undone, found.review, found.in_review), (1, 1, 1, 3));
}

#[test]
fn a_leg_that_was_given_back_and_stands_is_found() {
    for out in ["cancellation", "replaced", "left_out_because"] {
        let mut gone = leg("r2");
        gone[out] = json!({"back_units": "0"});
        let case = booking("confirmed", "Ada", &[leg("r1"), gone]).moved("earned", 10);
        let right = [there("r1", "Ada")];
        assert_eq!(wrong(std::slice::from_ref(&case), &right), [0; 5], "{out}");
        let stands = [there("r1", "Ada"), there("r2", "Ada")];
        assert_eq!(wrong(&[case], &stands), [0, 1, 0, 0, 0], "{out}");
    }
}

#[test]
fn two_bookings_on_one_reservation_are_told_and_one_of_them_is_lost() {
    let cases = [confirmed("Ada", "r1"), confirmed("Eve", "r1")];
    assert_eq!(wrong(&cases, &[there("r1", "Ada")]), [1, 1, 0, 0, 0]);
    let not_hers = [confirmed("Ada", "r1")];
    assert_eq!(wrong(&not_hers, &[there("r1", "Eve")])[0], 1, "it is somebody else's");
}

#[test]
fn points_are_spent_once_where_it_is_confirmed_and_go_back_where_it_is_not() {
    let redeemed = json!({"redeemed": 25});
    let living = [there("r1", "Ada")];
    let held = confirmed("Ada", "r1").says("/points", redeemed.clone()).moved("held", -25);
    let spent = held.clone().moved("captured", -25);
    assert_eq!(wrong(std::slice::from_ref(&spent), &living), [0; 5]);
    assert_eq!(wrong(&[spent.clone().moved("captured", -25)], &living), [0, 0, 0, 1, 0]);
    assert_eq!(wrong(&[held], &living), [0, 0, 0, 0, 1], "never taken");
    assert_eq!(wrong(&[spent.moved("released", 25)], &living), [0, 0, 0, 0, 1], "given back");
    let unasked = confirmed("Ada", "r1").moved("captured", -25);
    assert_eq!(wrong(&[unasked], &living), [0, 0, 0, 1, 0]);

    let spent = undone("cancelled").says("/points", redeemed);
    let spent = spent.moved("held", -25).moved("captured", -25);
    assert_eq!(wrong(std::slice::from_ref(&spent), &[]), [0, 0, 0, 1, 0]);
    let back = spent.moved("released", 25);
    assert_eq!(wrong(std::slice::from_ref(&back), &[]), [0; 5]);
    assert_eq!(wrong(&[back.moved("released", 25)], &[]), [0, 0, 0, 0, 1]);
    let earned = undone("cancelled").moved("earned", 10);
    assert_eq!(wrong(std::slice::from_ref(&earned), &[]), [0, 0, 0, 0, 1]);
    for taken_back in ["voided", "reversed"] {
        assert_eq!(wrong(&[earned.clone().moved(taken_back, -10)], &[]), [0; 5]);
    }
}

#[test]
fn an_account_with_two_tokens_has_its_points_once() {
    let mut both = [confirmed("Ada", "r1").accepted, confirmed("Eve", "r2").accepted];
    both[1].token = "another".to_owned();
    let entries: Vec<Value> = both
        .iter()
        .map(|one| json!({"booking_id": one.booking_id, "kind": "earned", "points": 10}))
        .collect();
    let tokens = both.each_ref().map(|one| &one.token);
    let shown = tokens.map(|token| (token, entries.clone())).into_iter().collect();
    let once = vec![Entry { kind: "earned".to_owned(), points: 10 }];
    let each = both.each_ref().map(|one| (one.booking_id.clone(), once.clone()));
    assert_eq!(entries_of(&both, &shown), each.into_iter().collect());
    // Of an account that shows only some of it nothing is known.
    assert!(entries_of(&both, &std::collections::BTreeMap::new()).is_empty());
}

#[test]
fn what_should_have_come_or_be_over_by_now_is_late() {
    let now = "2027-06-01T00:00:00Z".parse().unwrap();
    let (past, coming) = ("2027-05-31T23:59:59Z", "2027-06-01T00:00:01Z");
    let late = |case: Case| case.looked.shown.unwrap().overdue(now).len();
    let refund = |state: &str, by: &str| {
        let refunds = json!([{"refund_id": "x", "state": state, "by": by}]);
        undone("failed").says("/payment/refunds", refunds)
    };
    assert_eq!(late(refund("sent", past)), 1);
    assert_eq!(late(refund("sent", coming)), 0);
    assert_eq!(late(refund("confirmed", past)), 0);
    assert_eq!(late(refund("failed", past)), 0, "it waits for its customer");
    let review = |by: &str| undone("failed").says("/review", json!({"why": "stuck", "by": by}));
    assert_eq!((late(review(past)), late(review(coming))), (1, 0));
}
