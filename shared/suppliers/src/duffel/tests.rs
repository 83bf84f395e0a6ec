//! What Duffel is sent, to the letter, and its webhooks.

use chrono::NaiveDate;
use contracts::{
    internal::{Gender, Traveller, TravellersReply},
    messages::CallbackClaim,
    money::Money,
    offer::{FlightSearch, LegOrder, Occupancy, Product, Terms},
};
use expect_test::expect;
use hmac::{Hmac, Mac as _};
use serde_json::Value;
use sha2::Sha256;
use uuid::Uuid;

use super::*;
use crate::{Covers, Operation, Unclear};

const NOW: i64 = 1_800_000_000;

#[test]
fn every_request_carries_the_token_and_the_version_and_shows_neither() {
    let asked = Duffel.search(&access(), now(), &search(None).into()).unwrap();
    let header = |name| asked.headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str());
    assert_eq!(header("authorization"), Some("Bearer the-secret"));
    assert_eq!(header("duffel-version"), Some("v2"));
    assert_eq!(header("content-type"), Some("application/json"));
    assert!(!format!("{asked:?} {:?}", access()).contains("the-secret"));
}

#[test]
fn a_search_asks_for_a_slice_there_and_one_back_for_everybody() {
    let back = NaiveDate::from_ymd_opt(2027, 3, 9);
    let asked = Duffel.search(&access(), now(), &search(back).into()).unwrap();
    expect!["POST /air/offer_requests?return_offers=true&supplier_timeout=5000"]
        .assert_eq(&line(&asked));
    expect![[r#"{"data":{"passengers":[{"type":"adult"},{"type":"adult"},{"age":9}],"slices":[{"departure_date":"2027-03-01","destination":"JFK","origin":"LHR"},{"departure_date":"2027-03-09","destination":"LHR","origin":"JFK"}]}}"#]]
        .assert_eq(&body(&asked).to_string());
}

#[test]
fn nothing_but_flights_is_looked_for() {
    let stay = contracts::offer::StaySearch {
        property_id: "1".into(),
        check_in: NaiveDate::MIN,
        check_out: NaiveDate::MAX,
        occupancy: Occupancy { adults: 1, children: vec![] },
        currency: Currency::Eur,
    };
    assert_eq!(Duffel.search(&access(), now(), &stay.into()), None);
}

#[test]
fn a_hold_names_everybody_on_a_seat_and_carries_our_reference() {
    let (order, travellers) = (order(), travellers());
    let reserve =
        Reserve { client_reference: "0123-1", order: &order, travellers: &travellers, hold: true };
    let asked = Duffel.reserve(&access(), now(), &reserve).unwrap();
    assert_eq!(line(&asked), "POST /air/orders");
    let body = body(&asked);
    let data = &body["data"];
    assert_eq!(data["type"], "hold");
    assert_eq!(data["selected_offers"], serde_json::json!(["off_1"]));
    assert_eq!(data["metadata"]["client_reference"], "0123-1");
    assert_eq!(data.get("payments"), None);
    let seats: Vec<String> = data["passengers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|p| {
            let text = |field: &str| p[field].as_str().unwrap_or("-").to_owned();
            let fields = ["id", "title", "given_name", "gender", "born_on", "infant_passenger_id"];
            fields.map(text).join(" ")
        })
        .collect();
    expect![[r#"
        pas_1 ms Ada f 1990-12-10 pas_3
        pas_2 mr Kim m 2018-01-02 -
        pas_3 ms Bo f 2026-06-01 -"#]]
    .assert_eq(&seats.join("\n"));
    assert_eq!(data["passengers"][0]["phone_number"], "+4930901820");
    assert_eq!(data["passengers"][0]["email"], "ops@holdfast.example");

    let instant = Reserve { hold: false, ..reserve };
    let asked = Duffel.reserve(&access(), now(), &instant).unwrap();
    let body = self::body(&asked);
    assert_eq!(body["data"]["type"], "instant");
    expect![[r#"[{"amount":"123.45","currency":"EUR","type":"balance"}]"#]]
        .assert_eq(&body["data"]["payments"].to_string());
}

#[test]
fn nobody_flies_without_a_seat_a_birthday_or_a_gender() {
    let order = order();
    let without = |change: &dyn Fn(&mut Vec<Traveller>)| {
        let mut travellers = travellers();
        change(&mut travellers.travellers);
        let reserve =
            Reserve { client_reference: "r", order: &order, travellers: &travellers, hold: true };
        Duffel.reserve(&access(), now(), &reserve)
    };
    assert!(without(&|_| {}).is_ok());
    assert_eq!(without(&|people| people.truncate(2)), Err(BadKey));
    assert_eq!(without(&|people| people.push(person("Ann", "1980-01-01"))), Err(BadKey));
    assert_eq!(without(&|people| people[1].born_on = None), Err(BadKey));
    assert_eq!(without(&|people| people[2].gender = None), Err(BadKey));
}

#[test]
fn a_payment_is_what_the_newest_read_said_is_due() {
    let handle = r#"{"order":"ord_1","due":["123.45","EUR"]}"#;
    let asked = Duffel.confirm(&access(), now(), &known(Some(handle))).unwrap();
    assert_eq!(line(&asked), "POST /air/payments");
    expect![[r#"{"data":{"order_id":"ord_1","payment":{"amount":"123.45","currency":"EUR","type":"balance"}}}"#]]
        .assert_eq(&body(&asked).to_string());
    let paid = Some(r#"{"order":"ord_1"}"#);
    assert_eq!(Duffel.confirm(&access(), now(), &known(paid)), Err(NoHandle));
    for bad in
        [None, Some(""), Some("{}"), Some("[]"), Some(r#"{"order":"../x","due":["1","EUR"]}"#)]
    {
        assert_eq!(Duffel.confirm(&access(), now(), &known(bad)), Err(NoHandle), "{bad:?}");
    }
}

#[test]
fn an_order_that_could_not_be_read_further_is_cancelled_by_its_id() {
    let asked =
        Asked { operation: Operation::Reserve, client_reference: "r", hold: true, earlier: &[] };
    let bare = r#"{"data":{"id":"ord_9","metadata":{"client_reference":"r"}}}"#;
    let answer = Duffel.read(&asked, &Sent::Reply(reply(201, bare)));
    let Answer::Seen(seen) = answer else { panic!("{answer:?}") };
    let (reference, handle) = (Some(seen[0].reference.as_str()), seen[0].handle.as_deref());
    let known = Known { client_reference: "r", reference, handle };
    let request = Duffel.cancel(&access(), now(), &known).unwrap();
    assert_eq!(line(&request), "POST /air/order_cancellations");
    expect![[r#"{"data":{"order_id":"ord_9"}}"#]].assert_eq(&body(&request).to_string());
    assert_eq!(Duffel.confirm(&access(), now(), &known), Err(NoHandle), "unread is never paid for");
    for odd in [None, Some(""), Some("ord_"), Some("ord_../x"), Some("off_9")] {
        let known = Known { reference: odd, ..known };
        assert_eq!(Duffel.cancel(&access(), now(), &known), Err(NoHandle), "{odd:?}");
    }
}

/// Row: B7
#[test]
fn an_order_says_which_flights_it_is_for_and_when_they_fly() {
    let fixture = include_str!("../../fixtures/duffel/published/reserve_held.json");
    let fixture: Value = serde_json::from_str(fixture).unwrap();
    let (asked, made) = (&fixture["asked"], fixture["reply"]["json"].to_string());
    let flights = |body: &str| {
        let client_reference = asked["client_reference"].as_str().unwrap();
        let (operation, hold, earlier) = (Operation::Reserve, true, &[][..]);
        let asked = Asked { operation, client_reference, hold, earlier };
        let answer = Duffel.read(&asked, &Sent::Reply(reply(201, body)));
        let Answer::Seen(seen) = answer else { panic!("{answer:?}") };
        (seen[0].check_in, seen[0].segments.clone())
    };
    let (day, sold) = flights(&made);
    let told: Vec<String> = sold
        .iter()
        .map(|f| format!("{} {} {} {}", f.flight, f.origin, f.departs_at, f.arrives_at))
        .collect();
    assert_eq!(told, ["ZZ117 LHR 2027-03-01 09:30:00 2027-03-01 12:40:00"]);
    let (same_day, moved) = flights(&made.replace("T09:30:00", "T19:30:00"));
    assert_eq!(same_day, day, "it still flies on that day");
    assert_eq!((moved[0].departs_at - sold[0].departs_at).num_hours(), 10);
    let (_, renumbered) = flights(&made.replace("\"117\"", "\"119\""));
    assert_eq!(renumbered[0].flight, "ZZ119");
}

#[test]
fn a_cancellation_is_made_and_then_confirmed_by_its_own_id() {
    let known = known(Some(r#"{"order":"ord_1"}"#));
    let first = Duffel.cancel(&access(), now(), &known).unwrap();
    assert_eq!(line(&first), "POST /air/order_cancellations");
    let made = |id: &str| reply(201, &format!(r#"{{"data":{{"id":"{id}","confirmed_at":null}}}}"#));
    let ask = Ask::Cancel(known);
    let next = Duffel.go_on(&access(), now(), &ask, &[made("ore_7")]).unwrap();
    assert_eq!(line(&next.request), "POST /air/order_cancellations/ore_7/actions/confirm");
    assert_eq!(Duffel.go_on(&access(), now(), &ask, &[made("../../x")]), None);
    assert_eq!(Duffel.go_on(&access(), now(), &ask, &[reply(422, "{}")]), None);
    assert_eq!(Duffel.go_on(&access(), now(), &ask, &[made("ore_7"), made("ore_7")]), None);
    // Made and not confirmed is not done.
    let asked =
        Asked { operation: Operation::Cancel, client_reference: "r", hold: false, earlier: &[] };
    let answer = Duffel.read(&asked, &Sent::Reply(made("ore_7")));
    assert!(matches!(answer, Answer::Unknown { .. }), "{answer:?}");
}

/// Row: A9
#[test]
fn what_comes_back_as_anything_but_money_counts_as_kept() {
    let cost = Money::new(12_345, Currency::Eur);
    let fee = |to: &str, amount: &str| {
        let told = serde_json::json!({
            "id": "ore_7", "confirmed_at": null, "refund_amount": amount,
            "refund_currency": "EUR", "refund_to": to,
        });
        let made = reply(201, &serde_json::json!({ "data": told }).to_string());
        Duffel.cancel_fee(cost, &[made]).map(|fee| fee.minor)
    };
    for money in ["balance", "arc_bsp_cash", "card", "original_form_of_payment"] {
        assert_eq!(fee(money, "123.45"), Some(0), "{money}");
        assert_eq!(fee(money, "23.45"), Some(10_000), "{money}");
        assert_eq!(fee(money, "0.00"), Some(12_345), "{money}");
    }
    for none in ["voucher", "airline_credits", "a_new_way", ""] {
        assert_eq!(fee(none, "123.45"), Some(12_345), "{none}");
    }
    assert_eq!(fee("awaiting_payment", "0.00"), None, "nothing was paid");
}

#[test]
fn a_list_is_read_to_its_last_page_and_no_further_than_forty() {
    let leg = LegId(Uuid::parse_str("019a0000-0000-7000-8000-000000000001").unwrap());
    let reference = Duffel.client_reference(leg, 1);
    let known = Known { client_reference: &reference, reference: None, handle: None };
    let first = Duffel.lookup(&access(), now(), &known);
    expect![
        "GET /air/orders?limit=50&sort=created_at&created_at%5Bafter%5D=2025-10-20T04%3A53%3A11Z"
    ]
    .assert_eq(&line(&first));
    let page = reply(200, r#"{"data":[],"meta":{"after":"g2wA=="}}"#);
    let ask = Ask::LookUp(known);
    let next = Duffel.go_on(&access(), now(), &ask, std::slice::from_ref(&page)).unwrap();
    assert!(line(&next.request).ends_with("&after=g2wA=="), "{}", line(&next.request));
    let forty = vec![page.clone(); 40];
    assert!(Duffel.go_on(&access(), now(), &ask, &forty[..39]).is_some());
    assert_eq!(Duffel.go_on(&access(), now(), &ask, &forty), None);
    let asked = Asked {
        operation: Operation::Lookup,
        client_reference: &reference,
        hold: false,
        earlier: &forty[..39],
    };
    // What was not read may have it.
    let answer = Duffel.read(&asked, &Sent::Reply(page.clone()));
    assert_eq!(answer, Answer::Unknown { why: Unclear::Incomplete });
    // What was read and has it is enough.
    let ours = serde_json::json!({ "id": "ord_9", "metadata": { "client_reference": reference } });
    let has_it = reply(200, &format!(r#"{{"data":[{ours}],"meta":{{"after":"g2wA=="}}}}"#));
    let earlier = [vec![has_it], forty[..38].to_vec()].concat();
    let answer = Duffel.read(&Asked { earlier: &earlier, ..asked }, &Sent::Reply(page));
    assert!(matches!(&answer, Answer::Seen(seen) if seen[0].reference == "ord_9"), "{answer:?}");
    let odd = reply(200, r#"{"data":[],"meta":{"after":"../&x=1"}}"#);
    assert_eq!(Duffel.go_on(&access(), now(), &ask, &[odd]), None);
}

#[test]
fn an_order_is_looked_up_by_its_own_reference_where_ours_is_empty() {
    let known = Known { client_reference: "", reference: Some("ord_9"), handle: None };
    assert_eq!(line(&Duffel.lookup(&access(), now(), &known)), "GET /air/orders/ord_9");
    let known = Known { client_reference: "0123-1", ..known };
    let asked = Duffel.lookup(&access(), now(), &known);
    assert_eq!(line(&asked), "GET /air/orders?limit=50&sort=created_at");
}

#[test]
fn keys_that_are_not_ours_ask_nothing() {
    for bad in ["", "duffel1.", "duffel1.e30", "duffel1.%%%", "rapid1.e30", "off_1"] {
        assert_eq!(Duffel.price_check(&access(), now(), bad), Err(BadKey), "{bad}");
    }
    let price = Money::new(1, Currency::Eur);
    let sneaky = key::RateKey { offer: "off_1/../../x".into(), price }.text();
    assert_eq!(Duffel.price_check(&access(), now(), &sneaky), Err(BadKey));
    let good = key::RateKey { offer: "off_1".into(), price }.text();
    assert_eq!(
        line(&Duffel.price_check(&access(), now(), &good).unwrap()),
        "GET /air/offers/off_1"
    );
}

#[test]
fn client_references_are_stable_and_distinct() {
    let leg = LegId(Uuid::from_u128(7));
    assert_eq!(Duffel.client_reference(leg, 1), "00000000000000000000000000000007-1");
    assert_ne!(Duffel.client_reference(leg, 1), Duffel.client_reference(leg, 2));
}

mod webhooks {
    use super::*;

    const SECRET: &str = "QKfUULLQh+8SegYmIsF6kA==";
    const BODY: &[u8] = br#"{"id":"wev_1","type":"order.created","idempotency_key":"ord_1",
        "data":{"object":{"id":"ord_1","metadata":{"client_reference":"0123-1"}}}}"#;

    #[test]
    fn a_signed_one_names_its_order_and_repeats_have_one_id() {
        let callback = verify(&signed(SECRET, NOW, BODY), BODY).unwrap();
        let expected = Callback {
            id: "order.created:ord_1".into(),
            client_reference: Some("0123-1".into()),
            reference: Some("ord_1".into()),
            event: Some("order.created".into()),
            claim: Some(CallbackClaim::Made),
            covers: Covers::Body,
        };
        assert_eq!(callback, expected);
        let again = String::from_utf8(BODY.to_vec()).unwrap().replace("wev_1", "wev_2");
        let again = verify(&signed(SECRET, NOW, again.as_bytes()), again.as_bytes()).unwrap();
        assert_eq!(again.id, callback.id);
    }

    #[test]
    fn a_cancellation_is_told_of_the_order_and_a_change_of_schedule_claims_nothing() {
        let told =
            |body: &str| verify(&signed(SECRET, NOW, body.as_bytes()), body.as_bytes()).unwrap();
        let gone = told(
            r#"{"id":"wev_3","type":"order_cancellation.confirmed","idempotency_key":"ore_1","data":{"object":{"id":"ore_1","order_id":"ord_1"}}}"#,
        );
        assert_eq!(
            (gone.reference.as_deref(), gone.claim),
            (Some("ord_1"), Some(CallbackClaim::Gone))
        );
        let changed = told(
            r#"{"id":"wev_4","type":"order.airline_initiated_change_detected","data":{"id":"ord_1"}}"#,
        );
        assert_eq!((changed.id.as_str(), changed.reference.as_deref()), ("wev_4", Some("ord_1")));
        assert_eq!(changed.claim, None);
    }

    #[test]
    fn what_is_not_theirs_is_not_believed() {
        let good = signed(SECRET, NOW, BODY);
        assert_eq!(verify(&good, b"{}"), Err(Forged::Signature));
        assert_eq!(verify(&signed("another secret!!", NOW, BODY), BODY), Err(Forged::Signature));
        assert_eq!(verify(&signed(SECRET, NOW - 301, BODY), BODY), Err(Forged::Stale));
        assert_eq!(verify(&signed(SECRET, NOW + 301, BODY), BODY), Err(Forged::Future));
        assert_eq!(verify(&[], BODY), Err(Forged::Header));
        assert_eq!(verify(&[good.clone(), good].concat(), BODY), Err(Forged::Header));
        for odd in
            ["", "t=,v1=", "t=1800000000", "v1=00,t=1", "t=1.8e9,v1=00", "t=1800000000,v1=zz"]
        {
            let headers = [("x-duffel-signature".to_owned(), odd.to_owned())];
            assert_eq!(verify(&headers, BODY), Err(Forged::Header), "{odd}");
        }
    }

    #[test]
    fn whatever_the_body_is_a_signed_one_is_kept() {
        for body in ["", "null", "[]", "{}", r#"{"data":7}"#, r#"{"data":{"object":[]}}"#, "\u{0}"]
        {
            let callback = verify(&signed(SECRET, NOW, body.as_bytes()), body.as_bytes()).unwrap();
            assert_eq!(callback.reference, None, "{body}");
            assert!((1..=128).contains(&callback.id.len()), "{body}");
        }
    }

    fn verify(headers: &[(String, String)], body: &[u8]) -> Result<Callback, Forged> {
        let secrets = [SecretString::from("an older secret, still good"), SECRET.into()];
        Duffel.verify_callback(&secrets, now(), Duration::from_secs(300), headers, body)
    }

    fn signed(secret: &str, at: i64, body: &[u8]) -> Vec<(String, String)> {
        let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
        mac.update(format!("{at}.").as_bytes());
        mac.update(body);
        let made = hex::encode(mac.finalize().into_bytes());
        vec![("X-Duffel-Signature".to_owned(), format!("t={at},v1={made}"))]
    }
}

fn search(back: Option<NaiveDate>) -> FlightSearch {
    FlightSearch {
        origin: "LHR".into(),
        destination: "JFK".into(),
        departs_on: NaiveDate::from_ymd_opt(2027, 3, 1).unwrap(),
        returns_on: back,
        passengers: Occupancy { adults: 2, children: vec![9] },
        currency: Currency::Eur,
    }
}

fn order() -> LegOrder {
    let seat = |id: &str, age| key::Seat { id: id.into(), age };
    let seats = vec![seat("pas_1", None), seat("pas_2", Some(9)), seat("pas_3", Some(0))];
    LegOrder {
        supplier: Supplier::Duffel,
        book_key: key::BookKey { offer: "off_1".into(), seats }.text(),
        property_id: "LHR-JFK".into(),
        check_in: NaiveDate::from_ymd_opt(2027, 3, 1).unwrap(),
        check_out: NaiveDate::from_ymd_opt(2027, 3, 1).unwrap(),
        occupancy: Occupancy { adults: 1, children: vec![9, 0] },
        price: Money::new(12_345, Currency::Eur),
        terms: Terms {
            refundable: true,
            cancel_steps: vec![],
            holdable: true,
            due_at_property: Vec::new(),
        },
        product: Product::Flight { segments: vec![] },
        reprice: None,
    }
}

fn person(given_name: &str, born_on: &str) -> Traveller {
    Traveller {
        given_name: given_name.into(),
        family_name: "Quill".into(),
        born_on: Some(born_on.parse().unwrap()),
        gender: Some(if given_name == "Kim" { Gender::Male } else { Gender::Female }),
    }
}

/// In an order that is not the seats'.
fn travellers() -> TravellersReply {
    let people = [("Bo", "2026-06-01"), ("Kim", "2018-01-02"), ("Ada", "1990-12-10")];
    TravellersReply {
        travellers: people.map(|(name, born_on)| person(name, born_on)).to_vec(),
        email: "ada@example.com".into(),
        phone: "+49 30 901820".into(),
        special_requests: None,
    }
}

fn known(handle: Option<&str>) -> Known<'_> {
    Known { client_reference: "0123-1", reference: Some("ord_1"), handle }
}

fn access() -> Access {
    Access {
        key: "the-key".into(),
        secret: "the-secret".to_owned().into(),
        email: "ops@holdfast.example".into(),
        customer_ip: "192.0.2.1".into(),
        country_code: "DE".into(),
        language: "en".into(),
    }
}

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(NOW, 0).unwrap()
}

fn reply(status: u16, body: &str) -> HttpReply {
    HttpReply { status, headers: vec![], body: body.as_bytes().to_vec() }
}

fn line(request: &HttpRequest) -> String {
    format!("{} {}", request.method.word(), request.path_and_query)
}

fn body(request: &HttpRequest) -> Value {
    serde_json::from_slice(request.body.as_deref().unwrap()).unwrap()
}
