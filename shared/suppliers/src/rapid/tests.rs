//! What Rapid is sent, to the letter, and its callbacks.

use chrono::NaiveDate;
use contracts::{
    internal::{Traveller, TravellersReply},
    money::Money,
    offer::{LegOrder, Occupancy, StaySearch, Terms},
};
use expect_test::expect;
use uuid::Uuid;

use super::*;

const NOW: i64 = 1_800_000_000;

#[test]
fn requests_are_signed_with_key_secret_and_seconds() {
    let asked = Rapid.search(&access(), now(), &search().into()).unwrap();
    let header = |name| asked.headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str());
    let hash = hex::encode(Sha512::digest(b"the-keythe-secret1800000000"));
    let expected = format!("EAN APIKey=the-key,Signature={hash},timestamp=1800000000");
    assert_eq!(header("authorization"), Some(expected.as_str()));
    assert_eq!(header("customer-ip"), Some("192.0.2.1"));
    assert_eq!(header("accept-encoding"), Some("gzip"));
    assert!(!format!("{asked:?} {:?}", access()).contains("the-secret"));
}

#[test]
fn a_search_asks_with_every_required_parameter() {
    expect!["GET /v3/properties/availability?property_id=19248&checkin=2027-03-01&checkout=2027-03-03&occupancy=2-9,4&currency=EUR&country_code=DE&language=en-US&rate_plan_count=50&sales_channel=website&sales_environment=hotel_only&filter=expedia_collect&include=rooms.rates.current_refundability&include=rooms.rates.holdable"]
        .assert_eq(&line(&Rapid.search(&access(), now(), &search().into()).unwrap()));
}

#[test]
fn a_booking_carries_our_address_and_not_the_customers() {
    let order = order();
    let travellers = travellers();
    let reserve =
        Reserve { client_reference: "REF", order: &order, travellers: &travellers, hold: true };
    let made = Rapid.reserve(&access(), now(), &reserve).unwrap();
    let body: serde_json::Value = serde_json::from_slice(made.body.as_ref().unwrap()).unwrap();
    expect![[r#"
        POST /v3/itineraries?token=MY5S3j36cOcL
        {
          "affiliate_reference_id": "REF",
          "email": "ops+rapid@holdfast.example",
          "hold": true,
          "payments": [
            {
              "billing_contact": {
                "address": {
                  "country_code": "DE"
                },
                "family_name": "Nameo",
                "given_name": "Givenne"
              },
              "type": "affiliate_collect"
            }
          ],
          "phone": {
            "country_code": "49",
            "number": "15112345678"
          },
          "rooms": [
            {
              "family_name": "Nameo",
              "given_name": "Givenne",
              "smoking": false,
              "special_request": "a quiet room"
            }
          ]
        }"#]]
    .assert_eq(&format!("{}\n{body:#}", line(&made)));
}

#[test]
fn look_ups_go_by_our_reference_and_our_address() {
    let mut known = Known { client_reference: "REF", reference: Some("899"), handle: None };
    expect!["GET /v3/itineraries?affiliate_reference_id=REF&email=ops%2Brapid%40holdfast.example"]
        .assert_eq(&line(&Rapid.lookup(&access(), now(), &known)));
    known.client_reference = "";
    expect!["GET /v3/itineraries/899?email=ops%2Brapid%40holdfast.example"]
        .assert_eq(&line(&Rapid.lookup(&access(), now(), &known)));
}

#[test]
fn confirm_and_cancel_follow_the_handle_and_no_other() {
    let handle =
        r#"{"resume":"/v3/itineraries/899?token=a","cancel":"/v3/itineraries/899?token=b"}"#;
    let known = |handle| Known { client_reference: "REF", reference: Some("899"), handle };
    let (access, now) = (access(), now());
    let confirm = Rapid.confirm(&access, now, &known(Some(handle))).unwrap();
    expect!["PUT /v3/itineraries/899?token=a"].assert_eq(&line(&confirm));
    let cancel = Rapid.cancel(&access, now, &known(Some(handle))).unwrap();
    expect!["DELETE /v3/itineraries/899?token=b"].assert_eq(&line(&cancel));
    for bad in [
        None,
        Some(""),
        Some("{}"),
        Some("[]"),
        Some(r#"{"resume":"https://evil.example/","cancel":"//evil.example/v3/itineraries/1"}"#),
        Some(r#"{"resume":"/v3/properties/1","cancel":"/v3/itineraries/../x"}"#),
    ] {
        assert_eq!(Rapid.confirm(&access, now, &known(bad)), Err(NoHandle), "{bad:?}");
        assert_eq!(Rapid.cancel(&access, now, &known(bad)), Err(NoHandle), "{bad:?}");
    }
}

#[test]
fn keys_that_are_not_ours_ask_nothing() {
    let order =
        LegOrder { book_key: "https://evil.example/v3/itineraries?token=a".into(), ..order() };
    let travellers = travellers();
    let reserve =
        Reserve { client_reference: "REF", order: &order, travellers: &travellers, hold: false };
    assert_eq!(Rapid.reserve(&access(), now(), &reserve), Err(BadKey));
    for bad in ["", "rapid1.", "rapid1.e30", "rapid1.%%%", "/v3/properties/1", "rapid2.e30"] {
        assert_eq!(Rapid.price_check(&access(), now(), bad), Err(BadKey), "{bad}");
    }
}

#[test]
fn client_references_are_stable_distinct_and_of_the_published_form() {
    let leg = LegId(Uuid::from_u128(0x0123_4567_89ab_cdef_0123_4567_89ab_cdef));
    let next = LegId(Uuid::from_u128(0x0123_4567_89ab_cdef_0123_4567_89ab_cdf0));
    let mut seen = std::collections::BTreeSet::new();
    for attempt in (0..2_000).chain([u32::MAX - 1, u32::MAX]) {
        for leg in [leg, next] {
            let reference = Rapid.client_reference(leg, attempt);
            assert_eq!(reference, Rapid.client_reference(leg, attempt));
            assert!((3..=28).contains(&reference.len()), "{reference}");
            assert!(reference.bytes().all(|b| b.is_ascii_digit() || b.is_ascii_uppercase()));
            assert!(seen.insert(reference), "attempt {attempt}");
        }
    }
    expect!["04HMASW9NF6YY0938NKRKAYDXW00"].assert_eq(&Rapid.client_reference(leg, 0));
}

mod callbacks {
    use super::*;

    const SECRET: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oDazfBwTmLrOQ=";
    const OTHER: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo=";
    const BODY: &[u8] = br#"{"event_id":"e02d6f41","event_type":"itinerary.supplier.cancel",
        "event_time":"2027-01-28T20:31:03.423Z","itinerary_id":"1204309424793",
        "email":"alice@example.com","message":"words","affiliate_reference_id":"R194193582"}"#;

    #[test]
    fn a_signed_callback_names_what_it_is_about() {
        let callback = verify(&[SECRET], &signed(SECRET, "msg_1", NOW, BODY), BODY).unwrap();
        let expected = Callback {
            id: "msg_1".into(),
            client_reference: Some("R194193582".into()),
            reference: Some("1204309424793".into()),
            event: Some("itinerary.supplier.cancel".into()),
            claim: Some(CallbackClaim::Gone),
            covers: Covers::Body,
        };
        assert_eq!(callback, expected);
    }

    #[test]
    fn what_an_event_says_of_its_itinerary_is_told_apart_and_a_change_says_nothing() {
        let cases = [
            ("itinerary.agent.create", Some(CallbackClaim::Made)),
            ("itinerary.agent.change", None),
            ("itinerary.agent.cancel", Some(CallbackClaim::Gone)),
            ("itinerary.supplier.confirm", Some(CallbackClaim::Confirmed)),
            ("itinerary.supplier.cancel", Some(CallbackClaim::Gone)),
            ("itinerary.fraud.cancel", Some(CallbackClaim::Gone)),
            ("itinerary.of.another.kind", None),
        ];
        for (event, claim) in cases {
            let body = format!(r#"{{"event_type":"{event}","itinerary_id":"1"}}"#).into_bytes();
            let callback = verify(&[SECRET], &signed(SECRET, "msg_1", NOW, &body), &body).unwrap();
            assert_eq!(callback.claim, claim, "{event}");
        }
    }

    /// Row: B4
    #[test]
    fn only_a_callback_signed_by_a_secret_of_ours_in_time_over_this_body_is_believed() {
        let good = signed(SECRET, "msg_1", NOW, BODY);
        assert_eq!(verify(&[OTHER], &good, BODY), Err(Forged::Signature));
        assert_eq!(verify(&[], &good, BODY), Err(Forged::Signature));
        let mut changed = BODY.to_vec();
        changed[20] ^= 1;
        assert_eq!(verify(&[SECRET], &good, &changed), Err(Forged::Signature));
        assert_eq!(verify(&[SECRET], &good, b""), Err(Forged::Signature));
        for (name, value) in [("webhook-id", "msg_2"), ("webhook-timestamp", "1800000001")] {
            let moved = with(&good, name, value);
            assert_eq!(verify(&[SECRET], &moved, BODY), Err(Forged::Signature), "{name}");
        }
    }

    #[test]
    fn during_a_rotation_either_secret_and_either_signature_will_do() {
        let old = signed(OTHER, "msg_1", NOW, BODY);
        assert!(verify(&[SECRET, OTHER], &old, BODY).is_ok());
        let new = signed(SECRET, "msg_1", NOW, BODY);
        let both = format!("v1,AAAA {} v2,AAAA {}", old[2].1, new[2].1);
        assert!(verify(&[SECRET], &with(&new, "webhook-signature", &both), BODY).is_ok());
    }

    #[test]
    fn time_stamps_are_believed_up_to_the_limit_in_both_directions() {
        for (at, expected) in [
            (NOW - 300, Ok(())),
            (NOW - 301, Err(Forged::Stale)),
            (NOW + 300, Ok(())),
            (NOW + 301, Err(Forged::Future)),
        ] {
            let got = verify(&[SECRET], &signed(SECRET, "msg_1", at, BODY), BODY).map(|_| ());
            assert_eq!(got, expected, "{at}");
        }
    }

    #[test]
    fn headers_that_could_be_read_in_two_ways_are_refused() {
        let good = signed(SECRET, "msg_1", NOW, BODY);
        // The same bytes are signed: `msg.1800000000` at `…` and `msg` at `1800000000.…`.
        let dotted = signed(SECRET, "msg.1", NOW, BODY);
        assert_eq!(verify(&[SECRET], &dotted, BODY), Err(Forged::Header));
        for (name, value) in [
            ("webhook-id", ""),
            ("webhook-id", "a b"),
            ("webhook-timestamp", "+1800000000"),
            ("webhook-timestamp", "-1"),
            ("webhook-timestamp", "soon"),
            ("webhook-timestamp", "99999999999999999999"),
        ] {
            let odd = with(&good, name, value);
            assert_eq!(verify(&[SECRET], &odd, BODY), Err(Forged::Header), "{name} {value}");
        }
        for n in 0..3 {
            let mut twice = good.clone();
            twice.push(twice[n].clone());
            assert_eq!(verify(&[SECRET], &twice, BODY), Err(Forged::Header));
            let mut missing = good.clone();
            missing.remove(n);
            assert_eq!(verify(&[SECRET], &missing, BODY), Err(Forged::Header));
        }
        for signature in ["", "v1,", "v1", "v2,AAAA", "v1,!!!!", "v1,AAAA"] {
            let odd = with(&good, "webhook-signature", signature);
            assert_eq!(verify(&[SECRET], &odd, BODY), Err(Forged::Signature), "{signature}");
        }
    }

    #[test]
    fn a_body_that_cannot_be_read_names_nothing_but_is_theirs() {
        for body in [&b""[..], b"not json", b"{}", b"{\"itinerary_id\":7}", b"\xff\xfe"] {
            let headers = signed_raw(SECRET, "msg_1", NOW, body);
            let callback = verify(&[SECRET], &headers, body).unwrap();
            assert_eq!((callback.client_reference, callback.reference), (None, None));
        }
    }

    #[test]
    fn secrets_are_base64_of_at_least_24_bytes() {
        let is = |text: &str| callback::is_secret(&text.to_owned().into());
        assert!(is(SECRET) && is(SECRET.strip_prefix("whsec_").unwrap()));
        assert!(!is("") && !is("whsec_") && !is("c2hvcnQ=") && !is("whsec_not base64"));
    }

    fn verify(
        secrets: &[&str],
        headers: &[(String, String)],
        body: &[u8],
    ) -> Result<Callback, Forged> {
        let secrets: Vec<SecretString> = secrets.iter().map(|s| (*s).to_owned().into()).collect();
        Rapid.verify_callback(&secrets, now(), Duration::from_secs(300), headers, body)
    }

    /// Signed by the reference implementation, so that both sides are not one mistake.
    fn signed(secret: &str, id: &str, at: i64, body: &[u8]) -> Vec<(String, String)> {
        let webhook = standardwebhooks::Webhook::new(secret).unwrap();
        headers(id, at, webhook.sign(id, at, body).unwrap())
    }

    /// The reference implementation signs text only.
    fn signed_raw(secret: &str, id: &str, at: i64, body: &[u8]) -> Vec<(String, String)> {
        use base64::Engine as _;
        use hmac::Mac as _;
        let engine = base64::engine::general_purpose::STANDARD;
        let key = engine.decode(secret.strip_prefix("whsec_").unwrap()).unwrap();
        let mut mac = hmac::Hmac::<Sha256>::new_from_slice(&key).unwrap();
        mac.update(format!("{id}.{at}.").as_bytes());
        mac.update(body);
        headers(id, at, format!("v1,{}", engine.encode(mac.finalize().into_bytes())))
    }

    fn headers(id: &str, at: i64, signature: String) -> Vec<(String, String)> {
        vec![
            ("Webhook-Id".into(), id.into()),
            ("webhook-timestamp".into(), at.to_string()),
            ("webhook-signature".into(), signature),
        ]
    }

    fn with(headers: &[(String, String)], name: &str, value: &str) -> Vec<(String, String)> {
        let change = |(n, v): &(String, String)| {
            let same = n.eq_ignore_ascii_case(name);
            (n.clone(), if same { value.to_owned() } else { v.clone() })
        };
        headers.iter().map(change).collect()
    }
}

fn line(request: &HttpRequest) -> String {
    format!("{} {}", request.method.word(), request.path_and_query)
}

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(NOW, 0).unwrap()
}

fn day(day: u32) -> NaiveDate {
    NaiveDate::from_ymd_opt(2027, 3, day).unwrap()
}

fn access() -> Access {
    Access {
        key: "the-key".into(),
        secret: "the-secret".to_owned().into(),
        email: "ops+rapid@holdfast.example".into(),
        customer_ip: "192.0.2.1".into(),
        country_code: "DE".into(),
        language: "en-US".into(),
    }
}

fn search() -> StaySearch {
    StaySearch {
        property_id: "19248".into(),
        check_in: day(1),
        check_out: day(3),
        occupancy: Occupancy { adults: 2, children: vec![9, 4] },
        currency: Currency::Eur,
    }
}

fn order() -> LegOrder {
    LegOrder {
        supplier: Supplier::Rapid,
        book_key: "/v3/itineraries?token=MY5S3j36cOcL".into(),
        property_id: "19248".into(),
        check_in: day(1),
        check_out: day(3),
        occupancy: search().occupancy,
        price: Money::new(20_905, Currency::Eur),
        terms: Terms {
            refundable: true,
            cancel_steps: vec![],
            holdable: true,
            due_at_property: Vec::new(),
        },
        product: contracts::offer::Product::Stay,
        reprice: None,
    }
}

fn travellers() -> TravellersReply {
    TravellersReply {
        travellers: vec![Traveller {
            given_name: "Givenne".into(),
            family_name: "Nameo".into(),
            born_on: None,
            gender: None,
        }],
        email: "alice@example.com".into(),
        phone: "+4915112345678".into(),
        special_requests: Some("a quiet room".into()),
    }
}
