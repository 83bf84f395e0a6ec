//! What may be mended and what is locked.

use serde_json::json;

use super::*;
use crate::routing::HEARD;

const BOOKING: &str = "00000000-0000-0000-0000-000000000001";
const OTHER: &str = "00000000-0000-0000-0000-000000000002";

fn good() -> Value {
    json!({
        "booking_id": BOOKING, "account_id": "acct_1", "version": 13,
        "at": "2027-01-15T08:00:00Z", "over_at": "2027-03-16T23:59:59Z",
        "legs": [{
            "leg_id": OTHER, "supplier": "rapid", "reference": "R1", "check_in": "2027-03-14",
            "check_out": "2027-03-16",
            "price": { "minor": "20000", "scale": 2, "currency": "EUR" },
        }],
        "paid": { "minor": "20000", "scale": 2, "currency": "EUR" },
    })
}

fn with(pointer: &str, value: Value) -> Value {
    let mut body = good();
    *body.pointer_mut(pointer).unwrap() = value;
    body
}

fn mended(original: &Value, mended: &Value) -> Result<Vec<String>, Vec<(String, FaultKind)>> {
    let subject = BOOKING.parse().unwrap();
    let original = original.to_string();
    match mend(BookingConfirmed::TYPE, subject, original.as_bytes(), mended) {
        Ok(Mended { body, changed }) => {
            assert!(is_readable(BookingConfirmed::TYPE, &body));
            Ok(changed)
        }
        Err(faults) => Err(faults.into_iter().map(|fault| (fault.pointer, fault.kind)).collect()),
    }
}

fn locked(pointer: &str) -> Result<Vec<String>, Vec<(String, FaultKind)>> {
    Err(vec![(pointer.to_owned(), FaultKind::Locked)])
}

#[test]
fn every_type_that_is_heard_can_be_read() {
    for (_, heard) in HEARD {
        for (_, name) in heard {
            assert!(reader(name).is_some(), "{name}");
        }
    }
}

#[test]
fn an_instant_or_a_counter_that_could_not_be_read_is_given_anew() {
    for (pointer, broken) in [
        ("/over_at", json!("after breakfast")),
        ("/over_at", json!(null)),
        ("/at", json!(17)),
        ("/version", json!("thirteen")),
        ("/version", json!(-1)),
    ] {
        let broken = with(pointer, broken);
        assert_eq!(mended(&broken, &good()), Ok(vec![pointer.to_owned()]), "{broken}");
    }
}

#[test]
fn what_no_such_message_has_is_left_out() {
    let mut original = good();
    original["surname"] = json!("Lovelace");
    assert_eq!(mended(&original, &good()), Ok(vec!["/surname".to_owned()]));
    let mut original = good();
    original["legs"][0]["note/x"] = json!(1);
    assert_eq!(mended(&original, &good()), Ok(vec!["/legs/0/note~1x".to_owned()]));
}

#[test]
fn what_could_be_read_stays() {
    let later = with("/over_at", json!("2028-03-16T23:59:59Z"));
    assert_eq!(mended(&good(), &later), locked("/over_at"));
    assert_eq!(mended(&good(), &with("/version", json!(14))), locked("/version"));
    let same = Err(vec![(String::new(), FaultKind::Unchanged)]);
    assert_eq!(mended(&good(), &good()), same);
}

#[test]
fn ids_money_and_states_are_locked_broken_or_not() {
    for (pointer, broken) in [
        ("/account_id", json!("someone else")),
        ("/account_id", json!(5)),
        ("/legs/0/leg_id", json!("no id")),
        ("/legs/0/reference", json!(7)),
        ("/legs/0/price/minor", json!("1")),
        ("/paid/minor", json!(20_000)),
        ("/paid/currency", json!("EURO")),
        ("/legs/0/supplier", json!("acme")),
    ] {
        assert_eq!(mended(&with(pointer, broken), &good()), locked(pointer), "{pointer}");
    }
}

#[test]
fn all_that_is_wrong_is_told_at_once() {
    let mut body = with("/paid/minor", json!("30000"));
    body["account_id"] = json!("acct_2");
    let both = [("/account_id", FaultKind::Locked), ("/paid/minor", FaultKind::Locked)];
    let both = both.map(|(pointer, kind)| (pointer.to_owned(), kind));
    assert_eq!(mended(&good(), &body), Err(both.to_vec()));
}

#[test]
fn a_body_is_what_its_type_says_and_about_what_it_was() {
    let unreadable = Err(vec![(String::new(), FaultKind::Unreadable)]);
    assert_eq!(mended(&good(), &json!({ "booking_id": BOOKING })), unreadable);
    assert_eq!(mended(&good(), &with("/booking_id", json!(OTHER))), locked(""));
    let (subject, body) = (BOOKING.parse().unwrap(), good());
    let fault = mend("holdfast.nobody.hears.v1", subject, b"{}", &body).unwrap_err();
    assert_eq!(fault.first().unwrap().kind, FaultKind::Unreadable);
}

#[test]
fn what_is_no_json_at_all_gives_no_id_to_compare_with() {
    let subject = BOOKING.parse().unwrap();
    let faults = mend(BookingConfirmed::TYPE, subject, b"\xff{", &good()).unwrap_err();
    let [fault] = faults.as_slice() else { panic!("{faults:?}") };
    assert_eq!((fault.pointer.as_str(), fault.kind), ("", FaultKind::Locked));
}

/// A word can also be said as a field of that name with nothing in it, which reads as that word.
#[test]
fn what_is_locked_is_not_given_anew_as_an_object() {
    for (pointer, object) in [
        ("/legs/0/price/currency", json!({ "USD": null })),
        ("/legs/0/supplier", json!({ "etg": null })),
    ] {
        let after = with(pointer, object);
        assert!(is_readable(BookingConfirmed::TYPE, after.to_string().as_bytes()), "{after}");
        for before in [good().pointer(pointer).unwrap().clone(), json!("acme"), json!(null)] {
            assert_eq!(mended(&with(pointer, before), &after), locked(pointer), "{after}");
        }
    }
    // Nor where there was nothing, which has a meaning of its own.
    let before = json!({ "booking_id": BOOKING, "payment_id": OTHER, "surprise": 1 });
    let after =
        json!({ "booking_id": BOOKING, "payment_id": OTHER, "because": { "undone": null } });
    assert!(is_readable(PaymentClose::TYPE, after.to_string().as_bytes()));
    let body = before.to_string();
    let said = mend(PaymentClose::TYPE, BOOKING.parse().unwrap(), body.as_bytes(), &after);
    let faults = said.unwrap_err();
    let [fault] = faults.as_slice() else { panic!("{faults:?}") };
    assert_eq!((fault.pointer.as_str(), fault.kind), ("/because", FaultKind::Locked));
}

#[test]
fn an_optional_field_is_not_dropped() {
    let original = json!({
        "booking_id": BOOKING, "payment_id": OTHER, "refund_id": OTHER, "units": "5",
        "to": "0xaa", "basis": "then", "surprise": 1,
    });
    let mut body = original.clone();
    body.as_object_mut().unwrap().remove("surprise");
    let subject = BOOKING.parse().unwrap();
    let mend =
        |body: &Value| mend(PaymentRefund::TYPE, subject, original.to_string().as_bytes(), body);
    assert_eq!(mend(&body).unwrap().changed, ["/surprise"]);
    body.as_object_mut().unwrap().remove("to");
    assert_eq!(mend(&body).unwrap_err().first().unwrap().pointer, "/to");
}

/// What the type knows and could not be read would take its default: a decision made by hand.
#[test]
fn a_field_that_could_not_be_read_is_not_dropped() {
    let before = json!({ "booking_id": BOOKING, "payment_id": OTHER, "because": "undone2" });
    let after = json!({ "booking_id": BOOKING, "payment_id": OTHER });
    let body = before.to_string();
    let said = mend(PaymentClose::TYPE, BOOKING.parse().unwrap(), body.as_bytes(), &after);
    let faults = said.unwrap_err();
    let [fault] = faults.as_slice() else { panic!("{faults:?}") };
    assert_eq!((fault.pointer.as_str(), fault.kind), ("/because", FaultKind::Locked));
}
