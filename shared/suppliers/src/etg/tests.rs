//! Requests as they are sent, the order of the calls of an exchange, and webhooks good and forged.
#![allow(clippy::indexing_slicing, reason = "a panic is a failed test")]

use contracts::{
    internal::{Traveller, TravellersReply},
    money::Money,
    offer::{LegOrder, Occupancy, Product, StaySearch, Terms},
};
use hmac::{Hmac, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;

use super::*;
use crate::{Covers, Operation, Unclear};

const NOW: i64 = 1_800_000_000;
const OWN: &str = "own-1";

#[test]
fn every_call_is_a_post_under_basic_authentication() {
    let asked = Etg.search(&access(), now(), &search().into()).unwrap();
    let header = |name| asked.headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str());
    let expected = format!("Basic {}", STANDARD.encode("the-key:the-secret"));
    assert_eq!(header("authorization"), Some(expected.as_str()));
    assert_eq!(asked.method, Method::Post);
    assert_eq!(asked.path_and_query, "/api/b2b/v3/search/hp/");
    assert_eq!(
        body(&asked),
        json!({
            "checkin": "2027-03-01", "checkout": "2027-03-03", "residency": "de", "language": "en",
            "guests": [{ "adults": 2, "children": [9, 4] }], "currency": "EUR", "hid": 8_473_727,
        })
    );
}

#[test]
fn a_room_is_not_asked_for_more_guests_than_any_takes() {
    for (adults, children) in [(7, 0), (1, 5)] {
        let occupancy = Occupancy { adults, children: vec![3; children] };
        let search = StaySearch { occupancy, ..search() };
        assert_eq!(Etg.search(&access(), now(), &search.into()), None);
    }
}

#[test]
fn a_booking_is_created_started_asked_about_until_it_ends_and_looked_at() {
    let (order, travellers) = (order(), travellers());
    let reserve = reserve(&order, &travellers);
    let first = Etg.reserve(&access(), now(), &reserve).unwrap();
    assert_eq!(first.path_and_query, "/api/b2b/v3/hotel/order/booking/form/");
    assert_eq!(body(&first)["book_hash"], "p-1");
    let said = said(&reserve, &[form("209.05"), ok(), processing(), unknown(), ok(), ok()]);
    let (paths, waits): (Vec<String>, Vec<u64>) = said.into_iter().unzip();
    assert_eq!(paths, ["finish", "status", "status", "status", "info", ""]);
    assert_eq!(waits, [0, 0, 1, 1, 0, 0]);
}

#[test]
fn a_start_that_may_have_been_one_is_asked_about_and_no_other_is() {
    let (order, travellers) = (order(), travellers());
    let reserve = reserve(&order, &travellers);
    let after = |start: HttpReply| said(&reserve, &[form("209.05"), start])[1].0.clone();
    for passing in [unknown(), error(200, "timeout"), error(500, "unknown"), reply(504, "<html>")] {
        assert_eq!(after(passing), "status");
    }
    let turned_away = error(429, "endpoint_exceeded_limit");
    for other in [turned_away, error(200, "soldout"), error(200, "a_new_error"), reply(200, "")] {
        assert_eq!(after(other), "");
    }
}

/// Row: D3
#[test]
fn nothing_is_started_at_another_price_than_was_agreed() {
    let (order, travellers) = (order(), travellers());
    let reserve = reserve(&order, &travellers);
    for price in ["219.05", "199.05", "209.0", "209,05", "-209.05", ""] {
        assert_eq!(said(&reserve, &[form(price)])[0].0, "", "{price}");
    }
    assert_eq!(said(&reserve, &[form("209.05")])[0].0, "finish");
    let usd = reply(200, &form_text("209.05").replace("EUR", "USD"));
    assert_eq!(said(&reserve, &[usd])[0].0, "");
}

#[test]
fn polling_ends_and_leaves_the_rest_to_the_look_ups() {
    let (order, travellers) = (order(), travellers());
    let reserve = reserve(&order, &travellers);
    let mut replies = vec![form("209.05"), ok()];
    replies.extend((0..40).map(|_| processing()));
    let said = said(&reserve, &replies);
    let polls = said.iter().filter(|(path, _)| path == "status").count();
    assert_eq!((polls, said[21].0.as_str()), (19, ""));
}

#[test]
fn who_polls_too_often_leaves_the_rest_to_the_look_ups_at_once() {
    let (order, travellers) = (order(), travellers());
    let reserve = reserve(&order, &travellers);
    let turned_away = error(429, "endpoint_exceeded_limit");
    let replies = [form("209.05"), ok(), processing(), turned_away];
    let said = said(&reserve, &replies);
    assert_eq!((said[2].0.as_str(), said[3].0.as_str()), ("status", ""));
    let sent = Sent::Reply(replies[3].clone());
    let asked = Asked {
        operation: Operation::Reserve,
        client_reference: OWN,
        hold: true,
        earlier: &replies[..3],
    };
    let answer = Etg.read(&asked, &sent);
    assert_eq!(answer, Answer::Unknown { why: Unclear::AcceptedOnly });
}

#[test]
fn everybody_who_was_searched_for_is_a_guest_with_a_name() {
    let (order, travellers) = (order(), travellers());
    let reserve = reserve(&order, &travellers);
    let next = Etg.go_on(&access(), now(), &Ask::Reserve(reserve), &[form("209.05")]).unwrap();
    let sent = body(&next.request);
    assert_eq!(
        sent["rooms"],
        json!([{ "guests": [
            { "first_name": "Givenne", "last_name": "Nameo" },
            { "first_name": "Other", "last_name": "Person" },
            { "first_name": "Givenne", "last_name": "Nameo", "is_child": true, "age": 9 },
            { "first_name": "Givenne", "last_name": "Nameo", "is_child": true, "age": 4 },
        ] }])
    );
    assert_eq!(sent["user"]["email"], "ops@holdfast.example");
    let payment = json!({ "type": "deposit", "amount": "209.05", "currency_code": "EUR" });
    assert_eq!(sent["payment_type"], payment);
}

#[test]
fn orders_are_asked_for_first_and_the_process_only_when_there_are_none() {
    let known = Known { client_reference: OWN, reference: Some("7"), handle: None };
    let first = Etg.lookup(&access(), now(), &known);
    assert_eq!(body(&first)["search"], json!({ "partner_order_ids": [OWN] }));
    let none = reply(200, r#"{"data":{"orders":[]},"error":null,"status":"ok"}"#);
    let some = reply(200, r#"{"data":{"orders":[{}]},"error":null,"status":"ok"}"#);
    let next = |known: &Known<'_>, replies: &[HttpReply]| {
        let next = Etg.go_on(&access(), now(), &Ask::LookUp(*known), replies);
        next.map(|next| body(&next.request))
    };
    assert_eq!(next(&known, std::slice::from_ref(&none)), Some(json!({ "partner_order_id": OWN })));
    assert_eq!(next(&known, &[some]), None);
    assert_eq!(next(&known, &[unknown()]), None);
    assert_eq!(next(&known, &[none.clone(), processing()]), None);
    let theirs = Known { client_reference: "", ..known };
    let by_theirs = Etg.lookup(&access(), now(), &theirs);
    assert_eq!(body(&by_theirs)["search"], json!({ "order_ids": [7] }));
    assert_eq!(next(&theirs, &[none]), None);
}

#[test]
fn what_is_known_by_their_reference_alone_is_cancelled_by_the_own_that_a_look_up_showed() {
    let known = Known { client_reference: "", reference: Some("7"), handle: None };
    assert!(Etg.cancel(&access(), now(), &known).is_err());
    let shown = Known { handle: Some(OWN), ..known };
    let cancel = Etg.cancel(&access(), now(), &shown).unwrap();
    assert_eq!(body(&cancel), json!({ "partner_order_id": OWN }));
    assert!(Etg.confirm(&access(), now(), &shown).is_err(), "what is there is bought");
}

#[test]
fn keys_of_others_are_none_of_ours() {
    for bad in ["", "etg1.", "etg1.e30", "rapid1.e30", "h-1"] {
        assert!(Etg.price_check(&access(), now(), bad).is_err(), "{bad}");
    }
    let key = key::RateKey { hash: "h-1".to_owned(), price: Money::new(1, Currency::Eur) };
    assert!(Etg.price_check(&access(), now(), &key.text()).is_ok());
    let odd = key::RateKey { hash: "h-1\r\nx: y".to_owned(), ..key };
    assert!(Etg.price_check(&access(), now(), &odd.text()).is_err());
}

/// Row: B4
#[test]
fn a_push_proves_its_sender_and_claims_nothing() {
    let callback = verify(&push(NOW, "token-1", "completed", "the-secret")).unwrap();
    assert_eq!(callback.covers, Covers::Sender);
    assert_eq!((callback.claim, callback.reference), (None, None));
    assert_eq!(callback.id, "token-1");
    assert_eq!(callback.client_reference.as_deref(), Some(OWN));
    // The signature says nothing of the body: whoever saw one push can make this one. It has the
    // same id, so it does nothing once the first is there, and before that it is a reason to look.
    let changed = push(NOW, "token-1", "completed", "the-secret").replace("completed", "failed");
    assert_eq!(verify(&changed).unwrap().id, "token-1");
    // So it may say anything, and what no reference of ours can be is no reference.
    for odd in ["\\u0000", "own 1", "\u{f6}wn-1"] {
        let odd = push(NOW, "token-1", "completed", "the-secret").replace(OWN, odd);
        assert_eq!(verify(&odd).unwrap().client_reference, None, "{odd}");
    }
}

/// Row: B4
#[test]
fn a_push_of_theirs_that_is_not_as_documented_is_believed_and_names_nothing() {
    let good: Value =
        serde_json::from_str(&push(NOW, "token-1", "completed", "the-secret")).unwrap();
    for (data, event) in [
        (Value::Null, None),
        (json!({}), None),
        (json!("completed"), None),
        (json!([OWN]), None),
        (json!({ "partner_order_id": 123, "status": "completed" }), Some("completed")),
        (json!({ "partner_order_id": [OWN], "status": 5 }), None),
    ] {
        let odd = json!({ "data": data, "signature": good["signature"] });
        let callback = verify(&odd.to_string()).unwrap();
        assert_eq!((callback.id.as_str(), &callback.client_reference), ("token-1", &None), "{odd}");
        assert_eq!(callback.event.as_deref(), event, "{odd}");
    }
    let without = json!({ "signature": good["signature"] });
    assert_eq!(verify(&without.to_string()).unwrap().client_reference, None);
}

/// Row: B4
#[test]
fn pushes_that_are_stale_from_the_future_or_signed_by_others_are_forged() {
    let good = |stamp| push(stamp, "token-1", "completed", "the-secret");
    assert_eq!(verify(&good(NOW - 301)), Err(Forged::Stale));
    assert_eq!(verify(&good(NOW + 301)), Err(Forged::Future));
    assert_eq!(verify(&push(NOW, "token-1", "completed", "another")), Err(Forged::Signature));
    let other_token = good(NOW).replace("token-1", "token-2");
    assert_eq!(verify(&other_token), Err(Forged::Signature));
    let signature: Value = serde_json::from_str(&good(NOW)).unwrap();
    let signature = signature["signature"]["signature"].as_str().unwrap().to_owned();
    for (what, bad) in [
        ("no JSON", "completed".to_owned()),
        ("empty", String::new()),
        ("null", "null".to_owned()),
        ("no signature", r#"{"data":{"partner_order_id":"own-1"}}"#.to_owned()),
        ("stamp as text", good(NOW).replace(&NOW.to_string(), &format!("\"{NOW}\""))),
        ("stamp as a fraction", good(NOW).replace(&NOW.to_string(), &format!("{NOW}.5"))),
        ("no hexadecimal", good(NOW).replace(&signature, "zz")),
        ("empty token", push(NOW, "", "completed", "the-secret")),
        ("token with a space", push(NOW, "a b", "completed", "the-secret")),
        ("huge token", push(NOW, &"x".repeat(129), "completed", "the-secret")),
        ("digits moved from the token to the stamp", moved()),
    ] {
        assert_eq!(verify(&bad), Err(Forged::Header), "{what}");
    }
    let cut: String = signature.chars().take(62).collect();
    let short = good(NOW).replace(&signature, &cut);
    assert_eq!(verify(&short), Err(Forged::Signature));
    let none = Etg.verify_callback(&[], now(), AGE_MAX, &[], good(NOW).as_bytes());
    assert_eq!(none, Err(Forged::Signature));
    let rotated = ["another", "the-secret"].map(|s| s.to_owned().into());
    assert!(Etg.verify_callback(&rotated, now(), AGE_MAX, &[], good(NOW).as_bytes()).is_ok());
}

/// Row: B7
#[test]
fn an_order_that_the_hotel_rejected_is_there_and_odd() {
    let asked =
        Asked { operation: Operation::Lookup, client_reference: OWN, hold: false, earlier: &[] };
    for (status, odd) in [
        ("completed", None),
        ("rejected", Some(crate::Odd::Status { ours: "confirmed", theirs: "rejected" })),
    ] {
        let order = json!({
            "order_id": 7, "status": status, "checkin_at": "2027-03-01",
            "checkout_at": "2027-03-03", "partner_data": { "order_id": OWN },
            "amount_sell": { "amount": "209.05", "currency_code": "EUR" },
        });
        let body = json!({ "data": { "orders": [order] }, "error": null, "status": "ok" });
        let answer = Etg.read(&asked, &Sent::Reply(reply(200, &body.to_string())));
        let Answer::Seen(seen) = answer else { panic!("{answer:?}") };
        assert_eq!((seen.len(), &seen[0].odd), (1, &odd), "{status}");
    }
}

#[test]
fn references_differ_by_leg_and_attempt() {
    let leg = |n: u128| LegId(uuid::Uuid::from_u128(n));
    assert_eq!(Etg.client_reference(leg(1), 2), "00000000-0000-0000-0000-000000000001-2");
    assert_ne!(Etg.client_reference(leg(1), 12), Etg.client_reference(leg(1), 2));
}

#[test]
fn no_reply_after_any_others_makes_it_panic() {
    let (order, travellers) = (order(), travellers());
    let reserve = reserve(&order, &travellers);
    let odd = [form("209.05"), ok(), processing(), unknown(), reply(200, "[]"), reply(418, "")];
    let known = Known { client_reference: OWN, reference: None, handle: None };
    for first in &odd {
        for second in &odd {
            for third in &odd {
                let replies = [first.clone(), second.clone(), third.clone()];
                for ask in [Ask::Reserve(reserve), Ask::LookUp(known), Ask::Cancel(known)] {
                    Etg.go_on(&access(), now(), &ask, &replies);
                }
                for operation in [Operation::Reserve, Operation::Lookup] {
                    let asked = Asked {
                        operation,
                        client_reference: OWN,
                        hold: true,
                        earlier: &replies[..2],
                    };
                    Etg.read(&asked, &Sent::Reply(third.clone()));
                }
            }
        }
    }
}

const AGE_MAX: Duration = Duration::from_secs(300);

fn verify(body: &str) -> Result<Callback, Forged> {
    let secrets = ["the-secret".to_owned().into()];
    Etg.verify_callback(&secrets, now(), AGE_MAX, &[], body.as_bytes())
}

fn push(stamp: i64, token: &str, status: &str, key: &str) -> String {
    let signature = signed(&format!("{stamp}{token}"), key);
    let signature = json!({ "signature": signature, "timestamp": stamp, "token": token });
    let data = json!({ "partner_order_id": OWN, "status": status });
    json!({ "data": data, "signature": signature }).to_string()
}

fn signed(text: &str, key: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).unwrap();
    mac.update(text.as_bytes());
    hex::encode(mac.finalize().into_bytes())
}

/// Time and token of a genuine push, cut at another place.
fn moved() -> String {
    let genuine = format!("{NOW}7-token");
    let signature = json!({
        "signature": signed(&genuine, "the-secret"),
        "timestamp": NOW * 10 + 7,
        "token": "-token",
    });
    json!({ "data": { "partner_order_id": OWN }, "signature": signature }).to_string()
}

/// What follows each of the replies, one after the other: the end of the path and the wait in
/// seconds.
fn said(reserve: &Reserve<'_>, replies: &[HttpReply]) -> Vec<(String, u64)> {
    let so_far = (1..=replies.len()).map(|count| &replies[..count]);
    so_far
        .map(|replies| match Etg.go_on(&access(), now(), &Ask::Reserve(*reserve), replies) {
            None => (String::new(), 0),
            Some(next) => {
                let path = next.request.path_and_query.trim_end_matches('/').to_owned();
                let name = path.rsplit('/').next().unwrap_or_default().to_owned();
                (name, next.after.as_secs())
            }
        })
        .collect()
}

fn body(request: &HttpRequest) -> Value {
    serde_json::from_slice(request.body.as_deref().unwrap_or_default()).unwrap()
}

fn reply(status: u16, text: &str) -> HttpReply {
    HttpReply { status, headers: vec![], body: text.as_bytes().to_vec() }
}

fn ok() -> HttpReply {
    reply(200, r#"{"data":null,"error":null,"status":"ok"}"#)
}

fn processing() -> HttpReply {
    reply(200, r#"{"data":null,"error":null,"status":"processing"}"#)
}

fn unknown() -> HttpReply {
    error(200, "unknown")
}

fn error(status: u16, code: &str) -> HttpReply {
    reply(status, &format!(r#"{{"data":null,"error":"{code}","status":"error"}}"#))
}

fn form(amount: &str) -> HttpReply {
    reply(200, &form_text(amount))
}

fn form_text(amount: &str) -> String {
    let way = json!({
        "type": "deposit", "amount": amount, "currency_code": "EUR",
        "is_need_credit_card_data": false,
    });
    let data = json!({ "order_id": 7, "partner_order_id": OWN, "payment_types": [way] });
    json!({ "data": data, "error": null, "status": "ok" }).to_string()
}

fn reserve<'a>(order: &'a LegOrder, travellers: &'a TravellersReply) -> Reserve<'a> {
    Reserve { client_reference: OWN, order, travellers, hold: true }
}

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(NOW, 0).unwrap()
}

fn access() -> Access {
    Access {
        key: "the-key".into(),
        secret: "the-secret".to_owned().into(),
        email: "ops@holdfast.example".into(),
        customer_ip: "192.0.2.1".into(),
        country_code: "DE".into(),
        language: "en-US".into(),
    }
}

fn search() -> StaySearch {
    StaySearch {
        property_id: "8473727".into(),
        check_in: "2027-03-01".parse().unwrap(),
        check_out: "2027-03-03".parse().unwrap(),
        occupancy: Occupancy { adults: 2, children: vec![9, 4] },
        currency: Currency::Eur,
    }
}

fn order() -> LegOrder {
    let StaySearch { property_id, check_in, check_out, occupancy, .. } = search();
    LegOrder {
        supplier: Supplier::Etg,
        book_key: "p-1".into(),
        property_id,
        check_in,
        check_out,
        occupancy,
        price: Money::new(20_905, Currency::Eur),
        terms: Terms {
            refundable: true,
            cancel_steps: vec![],
            holdable: true,
            due_at_property: Vec::new(),
        },
        product: Product::Stay,
        reprice: None,
    }
}

fn travellers() -> TravellersReply {
    let named = |given: &str, family: &str| Traveller {
        given_name: given.into(),
        family_name: family.into(),
        born_on: None,
        gender: None,
    };
    TravellersReply {
        travellers: vec![named("Givenne", "Nameo"), named("Other", "Person")],
        email: "alice@example.com".into(),
        phone: "+4915112345678".into(),
        special_requests: None,
    }
}
