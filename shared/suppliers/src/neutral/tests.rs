//! What is sent to a partner, byte for byte where it is signed.

use contracts::{
    internal::{Traveller, TravellersReply},
    offer::{LegOrder, Occupancy, Product, Terms},
};
use uuid::Uuid;

use super::*;

fn now() -> DateTime<Utc> {
    "2027-02-01T12:00:00Z".parse().unwrap()
}

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

fn header<'a>(request: &'a HttpRequest, name: &str) -> &'a str {
    &request.headers.iter().find(|(known, _)| known == name).unwrap().1
}

#[test]
fn a_request_is_signed_over_time_verb_path_and_body() {
    let known = Known { client_reference: "ours-0", reference: None, handle: None };
    let request = Neutral.lookup(&access(), now(), &known);
    assert_eq!(request.path_and_query, "/v1/reservations?client_reference=ours-0");
    assert_eq!(header(&request, "partner-timestamp"), "1801483200");
    // printf '1801483200\nGET\n/v1/reservations?client_reference=ours-0\n' |
    //   openssl dgst -sha256 -hmac secret
    assert_eq!(header(&request, "partner-signature"), SIGNED);
    let later = Neutral.lookup(&access(), now() + chrono::TimeDelta::seconds(1), &known);
    let other = Known { client_reference: "ours-1", ..known };
    let other = Neutral.lookup(&access(), now(), &other);
    for another in [later, other] {
        assert_ne!(header(&another, "partner-signature"), header(&request, "partner-signature"));
    }
}

const SIGNED: &str = "v1=97651a0e6915791bad5ad3033b3f381428d4045bfb4831299d704eded55a08d9";

#[test]
fn an_order_names_what_it_may_cost_and_gives_our_address_for_the_customers() {
    let check_in = chrono::NaiveDate::from_ymd_opt(2027, 3, 14).unwrap();
    let price = contracts::money::Money::new(18_480, Currency::Eur);
    let cost = contracts::money::Money::new(18_840, Currency::Eur);
    let order = LegOrder {
        supplier: Supplier::Neutral,
        book_key: key::BookKey { book_token: "bt-1".to_owned() }.text(),
        property_id: "NP-1001".to_owned(),
        check_in,
        check_out: check_in.succ_opt().unwrap(),
        occupancy: Occupancy { adults: 1, children: vec![] },
        price,
        terms: Terms {
            refundable: true,
            cancel_steps: vec![],
            holdable: true,
            due_at_property: Vec::new(),
        },
        product: Product::Stay,
        reprice: Some(contracts::offer::Reprice {
            rate_key: "of-1".to_owned(),
            bears: cost,
            cost: Some(cost),
        }),
    };
    let travellers = TravellersReply {
        travellers: vec![Traveller {
            given_name: "Ada".to_owned(),
            family_name: "Quill".to_owned(),
            born_on: None,
            gender: None,
        }],
        email: "ada@example.com".to_owned(),
        phone: "+4930123456".to_owned(),
        special_requests: None,
    };
    let reserve =
        Reserve { client_reference: "ours-0", order: &order, travellers: &travellers, hold: true };
    let request = Neutral.reserve(&access(), now(), &reserve).unwrap();
    let body: serde_json::Value = serde_json::from_slice(&request.body.unwrap()).unwrap();
    assert_eq!(
        body,
        serde_json::json!({
            "client_reference": "ours-0",
            "book_token": "bt-1",
            "hold": true,
            "price": { "amount": "188.40", "currency": "EUR" },
            "guests": [{ "given_name": "Ada", "family_name": "Quill" }],
            "contact": { "email": "ops@holdfast.example", "phone": "+4930123456" },
        })
    );
    for odd in ["", "neutral1.", "neutral1.e30", "rapid1.abc", "bt-1"] {
        let order = LegOrder { book_key: odd.to_owned(), ..order.clone() };
        let reserve = Reserve { order: &order, ..reserve };
        assert_eq!(Neutral.reserve(&access(), now(), &reserve), Err(BadKey), "{odd:?}");
    }
}

#[test]
fn only_what_is_held_is_confirmed_and_nothing_but_an_id_becomes_part_of_a_path() {
    let known = |handle| Known { client_reference: "ours-0", reference: None, handle };
    let confirm = |handle| {
        Neutral.confirm(&access(), now(), &known(handle)).map(|request| request.path_and_query)
    };
    let cancel = |handle| {
        Neutral.cancel(&access(), now(), &known(handle)).map(|request| request.path_and_query)
    };
    assert_eq!(confirm(Some("held:NR-7")).unwrap(), "/v1/reservations/NR-7/confirm");
    assert_eq!(cancel(Some("held:NR-7")).unwrap(), "/v1/reservations/NR-7");
    assert_eq!(cancel(Some("NR-7")).unwrap(), "/v1/reservations/NR-7");
    assert_eq!(confirm(Some("NR-7")), Err(NoHandle), "bought already");
    for odd in [None, Some(""), Some("held:"), Some("held:../x"), Some("a?b"), Some("a/b")] {
        assert_eq!((confirm(odd), cancel(odd)), (Err(NoHandle), Err(NoHandle)), "{odd:?}");
    }
    let theirs = Known { client_reference: "", reference: Some("NR-7"), handle: None };
    let request = Neutral.lookup(&access(), now(), &theirs);
    assert_eq!(request.path_and_query, "/v1/reservations?reference=NR-7");
}

#[test]
fn client_references_fit_are_stable_and_each_its_own() {
    let leg = LegId(Uuid::from_u128(u128::MAX));
    let other = LegId(Uuid::from_u128(1));
    let all = [
        Neutral.client_reference(leg, 0),
        Neutral.client_reference(leg, u32::MAX),
        Neutral.client_reference(other, 0),
    ];
    assert!(all.iter().all(|it| key::is_id(it)), "{all:?}");
    assert!(all[0] != all[1] && all[0] != all[2], "{all:?}");
    assert_eq!(Neutral.client_reference(leg, 0), all[0]);
}
