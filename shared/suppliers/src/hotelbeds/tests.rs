//! What Hotelbeds is asked, to the byte, and how an exchange goes on.

use chrono::{DateTime, Utc};
use contracts::{
    ids::LegId,
    internal::{Traveller, TravellersReply},
    money::{Currency, Money},
    offer::{ActivitySearch, LegOrder, Occupancy, Product, Search, StaySearch, Terms},
    supplier::Supplier,
};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Hotelbeds, key::BookKey};
use crate::{
    Access, Answer, Ask, Asked, Dialect as _, HttpReply, HttpRequest, Known, Method, Operation,
    Reserve, Sent, Unclear,
};

const OURS: &str = "01KBJVQ3G0ABCDEFGHJK";

fn access() -> Access {
    Access {
        key: "key".into(),
        secret: "secret".to_owned().into(),
        email: "ops@holdfast.example".into(),
        customer_ip: "192.0.2.1".into(),
        country_code: "DE".into(),
        language: "en-US".into(),
    }
}

fn now() -> DateTime<Utc> {
    "2027-02-01T22:11:03Z".parse().unwrap()
}

fn who() -> Occupancy {
    Occupancy { adults: 1, children: vec![9] }
}

fn header<'r>(request: &'r HttpRequest, name: &str) -> &'r str {
    request.headers.iter().find(|(n, _)| n == name).map_or("", |(_, value)| value)
}

fn body(request: &HttpRequest) -> Value {
    serde_json::from_slice(request.body.as_deref().unwrap()).unwrap()
}

fn reply(body: &Value) -> HttpReply {
    HttpReply { status: 200, headers: vec![], body: body.to_string().into_bytes() }
}

#[test]
fn a_search_goes_on_until_all_that_there_is_was_shown() {
    let search = Search::Activity(ActivitySearch {
        destination: "ROM".to_owned(),
        from: "2027-03-01".parse().unwrap(),
        to: "2027-03-02".parse().unwrap(),
        participants: who(),
        currency: Currency::Eur,
    });
    let page = |items: usize, pagination: Value| {
        reply(&json!({ "activities": vec![json!({}); items], "pagination": pagination }))
    };
    let of = |total: u64| json!({ "itemsPerPage": 100, "page": 1, "totalItems": total });
    let next = |replies: &[HttpReply]| {
        let request = Hotelbeds.search_on(&access(), now(), &search, replies);
        request.map(|request| body(&request)["pagination"]["page"].clone())
    };
    assert_eq!(next(&[page(100, of(100))]), None);
    assert_eq!(next(&[page(100, of(101))]), Some(json!(2)));
    assert_eq!(next(&[page(100, of(230)), page(100, of(230))]), Some(json!(3)));
    assert_eq!(next(&[page(100, of(230)), page(100, of(230)), page(30, of(230))]), None);
    // What shows nothing, or does not say how much there is, is the end.
    assert_eq!(next(&[page(100, of(230)), page(0, of(230))]), None);
    assert_eq!(next(&[page(100, Value::Null)]), None);
    assert_eq!(next(&[HttpReply { status: 200, headers: vec![], body: b"{".to_vec() }]), None);
}

#[test]
fn every_request_is_signed_with_key_secret_and_seconds() {
    let known = Known { client_reference: "", reference: Some("102-7"), handle: None };
    let request = Hotelbeds.lookup(&access(), now(), &known);
    assert_eq!(header(&request, "api-key"), "key");
    // printf 'keysecret1801519863' | sha256sum
    let signed = "keysecret1801519863";
    let expected = hex::encode(<sha2::Sha256 as sha2::Digest>::digest(signed));
    assert_eq!(now().timestamp(), 1_801_519_863);
    assert_eq!(header(&request, "x-signature"), expected);
    assert_eq!(request.path_and_query, "/activity-api/3.0/bookings/en/102-7");
}

#[test]
fn a_search_asks_for_a_destination_and_stays_are_not_sold() {
    let search = ActivitySearch {
        destination: "BCN".into(),
        from: "2027-03-01".parse().unwrap(),
        to: "2027-03-02".parse().unwrap(),
        participants: who(),
        currency: Currency::Eur,
    };
    let request = Hotelbeds.search(&access(), now(), &Search::Activity(search)).unwrap();
    assert_eq!(request.path_and_query, "/activity-api/3.0/activities/availability");
    assert_eq!(header(&request, "content-type"), "application/json");
    let asked = body(&request);
    assert_eq!(asked["filters"][0]["searchFilterItems"][0]["value"], "BCN");
    assert_eq!(asked["paxes"], json!([{ "age": 30 }, { "age": 9 }]));
    let stay = StaySearch {
        property_id: "1".into(),
        check_in: "2027-03-01".parse().unwrap(),
        check_out: "2027-03-02".parse().unwrap(),
        occupancy: who(),
        currency: Currency::Eur,
    };
    assert_eq!(Hotelbeds.search(&access(), now(), &Search::Stay(stay)), None);
}

#[test]
fn a_hold_is_a_preconfirmation_in_our_own_name_for_the_travellers() {
    let day = "2027-03-01".parse().unwrap();
    let key = BookKey { rate_key: "3ajeb1pcqslb8r850t2atsqk4d".into(), from: day, to: day };
    let order = LegOrder {
        supplier: Supplier::Hotelbeds,
        book_key: key.text(),
        property_id: "E-E10-PF2SHOW".into(),
        check_in: day,
        check_out: day,
        occupancy: who(),
        price: Money::new(8_850, Currency::Eur),
        terms: Terms {
            refundable: true,
            cancel_steps: vec![],
            holdable: true,
            due_at_property: Vec::new(),
        },
        product: Product::Activity { session: None },
        reprice: None,
    };
    let lead = Traveller {
        given_name: "Ada".into(),
        family_name: "Quill".into(),
        born_on: None,
        gender: None,
    };
    let travellers = TravellersReply {
        travellers: vec![lead],
        email: "ada@example.com".into(),
        phone: "+4915112345678".into(),
        special_requests: None,
    };
    let reserve =
        |hold| Reserve { client_reference: OURS, order: &order, travellers: &travellers, hold };
    let request = Hotelbeds.reserve(&access(), now(), &reserve(true)).unwrap();
    assert_eq!(request.method, Method::Put);
    assert_eq!(request.path_and_query, "/activity-api/3.0/bookings/preconfirm");
    let asked = body(&request);
    assert_eq!(asked["clientReference"], OURS);
    assert_eq!(asked["holder"]["surname"], "Bookings");
    assert_eq!(asked["holder"]["email"], "ops@holdfast.example");
    let pax = |age: u8, kind: &str| json!({ "name": "Ada", "surname": "Quill", "age": age, "type": kind });
    assert_eq!(asked["activities"][0]["paxes"], json!([pax(30, "ADULT"), pax(9, "CHILDREN")]));
    assert!(!asked.to_string().contains("ada@example.com"));
    let bought = Hotelbeds.reserve(&access(), now(), &reserve(false)).unwrap();
    assert_eq!(bought.path_and_query, "/activity-api/3.0/bookings");
    let foreign = LegOrder { book_key: "/v3/itineraries?token=a".into(), ..order.clone() };
    let foreign = Reserve { order: &foreign, ..reserve(true) };
    assert!(Hotelbeds.reserve(&access(), now(), &foreign).is_err());
}

#[test]
fn what_is_held_can_be_reconfirmed_and_a_reference_never_leads_elsewhere() {
    let known = |handle| Known { client_reference: OURS, reference: None, handle };
    let request = Hotelbeds.confirm(&access(), now(), &known(Some("held:102-7"))).unwrap();
    assert_eq!(request.path_and_query, "/activity-api/3.0/bookings/reconfirm");
    assert_eq!(body(&request), json!({ "language": "en", "reference": "102-7" }));
    assert!(Hotelbeds.confirm(&access(), now(), &known(Some("102-7"))).is_err(), "bought already");
    for odd in ["", "held:", "102", "102-7/../../admin", "102-7?x=1", "-7", "held:102-é"] {
        assert!(Hotelbeds.confirm(&access(), now(), &known(Some(odd))).is_err(), "{odd}");
        assert!(Hotelbeds.cancel(&access(), now(), &known(Some(odd))).is_err(), "{odd}");
    }
}

#[test]
fn a_cancellation_is_simulated_first_and_then_done() {
    let known = Known { client_reference: OURS, reference: Some("102-7"), handle: None };
    let ask = Ask::Cancel(known);
    let first = Hotelbeds.cancel(&access(), now(), &known).unwrap();
    assert_eq!(
        first.path_and_query,
        "/activity-api/3.0/bookings/en/102-7?cancellationFlag=SIMULATION"
    );
    let told = reply(&json!({ "booking": { "reference": "102-7", "total": 0 } }));
    let next = Hotelbeds.go_on(&access(), now(), &ask, std::slice::from_ref(&told)).unwrap();
    assert_eq!(next.request.method, Method::Delete);
    assert_eq!(
        next.request.path_and_query,
        "/activity-api/3.0/bookings/en/102-7?cancellationFlag=CANCELLATION"
    );
    assert_eq!(Hotelbeds.go_on(&access(), now(), &ask, &[told.clone(), told.clone()]), None);
    let of_another = reply(&json!({ "booking": { "reference": "102-8" } }));
    let refused = HttpReply { status: 400, ..told };
    for simulated in [of_another, refused] {
        assert_eq!(Hotelbeds.go_on(&access(), now(), &ask, &[simulated]), None);
    }
}

#[test]
fn a_look_up_lists_the_days_of_the_leg_page_by_page_and_then_asks_for_details() {
    let leg = LegId(Uuid::new_v7(uuid::Timestamp::from_unix(
        uuid::NoContext,
        u64::try_from(now().timestamp()).unwrap(),
        0,
    )));
    let ours = Hotelbeds.client_reference(leg, 0);
    let known = Known { client_reference: &ours, reference: Some("102-7"), handle: None };
    let ask = Ask::LookUp(known);
    let later = now() + chrono::TimeDelta::days(40);
    let first = Hotelbeds.lookup(&access(), later, &known);
    assert_eq!(
        first.path_and_query,
        "/activity-api/3.0/bookings/en?start=2027-01-31&end=2027-03-14&includedCancelled=true\
         &filterType=CREATION&itemsPerPage=100&page=1"
    );
    let page = |references: &[&str], total: u64| {
        let bookings: Vec<Value> = references
            .iter()
            .map(|it| json!({ "reference": "102-7", "clientReference": it }))
            .collect();
        reply(&json!({ "bookings": bookings, "pagination": { "totalItems": total } }))
    };
    let next = |replies: &[HttpReply]| {
        Hotelbeds.go_on(&access(), later, &ask, replies).map(|next| next.request.path_and_query)
    };
    assert_eq!(next(&[page(&["other"], 1)]), None, "it is not there");
    let second = next(&[page(&["other"], 2)]).unwrap();
    assert!(second.ends_with("&page=2"), "{second}");
    let details = next(&[page(&["other"], 2), page(&[&ours], 2)]).unwrap();
    assert_eq!(details, "/activity-api/3.0/bookings/en/102-7");
    assert_eq!(next(&[page(&[&ours, &ours], 2)]), None, "two are told as they are");
    let many = vec![page(&["other"], 1_000); 20];
    assert_eq!(next(&many), None, "it ends somewhere");

    // Of more than is ever read, the leg's own days come first.
    let first = page(&["other"], 2_001);
    let of_leg = |n| {
        format!(
            "/activity-api/3.0/bookings/en?start=2027-01-31&end=2027-02-03&includedCancelled=true\
             &filterType=CREATION&itemsPerPage=100&page={n}"
        )
    };
    assert_eq!(next(std::slice::from_ref(&first)), Some(of_leg(1)));
    assert_eq!(next(&[first.clone(), page(&["other"], 2)]), Some(of_leg(2)));
    let there = [first.clone(), page(&["other"], 2), page(&[&ours], 2)];
    assert_eq!(next(&there), Some("/activity-api/3.0/bookings/en/102-7".to_owned()));
    let read = |earlier: &[HttpReply], last: HttpReply| {
        let asked =
            Asked { operation: Operation::Lookup, client_reference: &ours, hold: false, earlier };
        Hotelbeds.read(&asked, &Sent::Reply(last))
    };
    // What is not among them may be among the others.
    let none = read(&there[..2], page(&["other"], 2));
    assert_eq!(none, Answer::Unknown { why: Unclear::Incomplete });
    assert_eq!(read(&[first], page(&[], 0)), Answer::Unknown { why: Unclear::Incomplete });
    assert_eq!(read(&many[..19], many[19].clone()), Answer::Unknown { why: Unclear::Incomplete });
}

#[test]
fn a_look_up_covers_every_day_from_the_leg_to_the_look_up_and_one_more_on_each_side() {
    let made = |at: DateTime<Utc>| {
        let seconds = u64::try_from(at.timestamp()).unwrap();
        LegId(Uuid::new_v7(uuid::Timestamp::from_unix(uuid::NoContext, seconds, 0)))
    };
    let days = |leg: LegId, days_later: i64| {
        // A later attempt is found too, and its reference tells the day of the leg alone.
        let ours = Hotelbeds.client_reference(leg, 2);
        let known = Known { client_reference: &ours, reference: None, handle: None };
        let at = now() + chrono::TimeDelta::days(days_later);
        let path = Hotelbeds.lookup(&access(), at, &known).path_and_query;
        let (_, query) = path.split_once("start=").unwrap();
        query.split_once("&included").unwrap().0.replace("&end=", "..")
    };
    let leg = made(now());
    assert_eq!(days(leg, 0), "2027-01-31..2027-02-03");
    assert_eq!(days(leg, 1), "2027-01-31..2027-02-03");
    assert_eq!(days(leg, 2), "2027-01-31..2027-02-04");
    assert_eq!(days(leg, 9), "2027-01-31..2027-02-11");
    // A clock that was ahead when the leg was thought of.
    assert_eq!(days(made(now() + chrono::TimeDelta::days(5)), 0), "2027-01-31..2027-02-03");
}

#[test]
fn an_error_code_that_is_no_word_is_left_out() {
    let asked =
        Asked { operation: Operation::Confirm, client_reference: OURS, hold: true, earlier: &[] };
    let code = |header: &str, said: &str| {
        let body = json!({ "errors": [{ "code": said, "text": "" }] });
        let headers = vec![("X-Mashery-Error-Code".to_owned(), header.to_owned())];
        let answer = Hotelbeds
            .read(&asked, &Sent::Reply(HttpReply { status: 418, headers, ..reply(&body) }));
        let Answer::Unknown { why: Unclear::Status { status: 418, code } } = answer else {
            panic!("{answer:?}")
        };
        code
    };
    let (longest, long) = ("A".repeat(64), "A".repeat(65));
    let word = |word: &str| Some(word.to_owned());
    assert_eq!(code("ERR_403_NOT_AUTHORIZED", "INVALID_DATA"), word("ERR_403_NOT_AUTHORIZED"));
    for odd in ["", "Ada Quill", "ada@example.com", "a\nb", "É", long.as_str()] {
        assert_eq!(code(odd, "INVALID_DATA"), word("INVALID_DATA"), "{odd:?}");
        assert_eq!(code("ERR_1", odd), word("ERR_1"), "{odd:?}");
        assert_eq!(code(odd, odd), None, "{odd:?}");
    }
    assert_eq!(code(&longest, ""), word(&longest));
}

#[test]
fn client_references_are_of_20_characters_stable_and_each_its_own() {
    let leg = LegId(Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0001));
    let other = LegId(Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0002));
    let all = [
        Hotelbeds.client_reference(leg, 0),
        Hotelbeds.client_reference(leg, 1),
        Hotelbeds.client_reference(other, 0),
    ];
    assert!(all.iter().all(|it| it.len() == 20), "{all:?}");
    assert!(all[0] != all[1] && all[0] != all[2] && all[1] != all[2], "{all:?}");
    assert_eq!(Hotelbeds.client_reference(leg, 0), all[0]);
}
