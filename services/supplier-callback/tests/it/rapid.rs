//! The dialect of Rapid and the stand-in for Rapid, each written from the published rules alone:
//! they must agree.

use chassis::http_client::{HttpClient, HttpClientConfig, HttpError, HttpRequest, Reach};
use chrono::{Days, Utc};
use contracts::{
    ids::LegId,
    internal::{Traveller, TravellersReply},
    messages::RefusedWhy,
    money::Currency,
    offer::{LegOrder, Occupancy, Offer, PriceCheck, Search, StaySearch},
    supplier::Supplier,
};
use doubles::{CallbackConfig, Config, Doubles, RapidConfig};
use http::Method;
use serde_json::{Value, json};
use suppliers::{
    Access, Answer, Asked, Broken, Dialect, HttpReply, Known, Operation, Reserve, SeenReservation,
    SeenState, Sent, Unclear, dialect,
};
use uuid::Uuid;

use crate::service::{SECRET, Service};

#[tokio::test]
async fn a_room_is_found_held_bought_and_cancelled() {
    let rapid = Rapid::start(None).await;
    let offers = rapid.search().await;
    assert!(offers.len() > 5, "{} offers", offers.len());
    assert!(offers.iter().any(|o| o.terms.holdable) && offers.iter().any(|o| !o.terms.holdable));
    let offer = flexible(&offers);
    assert!(offer.terms.refundable && !offer.terms.cancel_steps.is_empty(), "{:?}", offer.terms);
    let firm = offers.iter().find(|o| !o.terms.refundable).expect("a rate without refund");
    assert!(firm.price < offer.price);

    let order = rapid.check(offer).await;
    assert_eq!((order.price, &order.terms), (offer.price, &offer.terms));
    let held = rapid.reserve(&order, "REF1", true).await;
    let held = one(held);
    assert!(matches!(held.state, SeenState::Held { until: Some(_) }), "{held:?}");

    let seen = one(rapid.lookup("REF1").await);
    assert_eq!(seen.state, held.state);
    assert_eq!(seen.reference, held.reference);
    assert_eq!((seen.check_in, seen.check_out), (Some(order.check_in), Some(order.check_out)));
    assert_eq!(seen.price, Some(order.price));

    assert_eq!(rapid.confirm(&held).await, Answer::Accepted);
    let bought = one(rapid.lookup("REF1").await);
    assert_eq!(bought.state, SeenState::Confirmed);
    // A link that was followed is spent, and that proves nothing.
    assert!(matches!(rapid.confirm(&held).await, Answer::Unknown { .. }));
    assert_eq!(rapid.cancel(&bought).await, Answer::Accepted);
    assert_eq!(rapid.cancel(&bought).await, Answer::Accepted, "cancelled already");
    assert_eq!(one(rapid.lookup("REF1").await).state, SeenState::Gone);
    assert_eq!(rapid.truth("REF1").await, ["cancelled"]);
}

#[tokio::test]
async fn a_rate_that_cannot_be_held_is_bought_at_once() {
    let rapid = Rapid::start(None).await;
    let offers = rapid.search().await;
    let firm = offers.iter().find(|o| !o.terms.holdable).unwrap();
    let order = rapid.check(firm).await;
    let bought = one(rapid.reserve(&order, "REF1", false).await);
    assert_eq!(bought.state, SeenState::Confirmed);
    // The answer to a purchase has no link to cancel it; the look-up has.
    assert!(rapid.dialect.cancel(&rapid.access, Utc::now(), &known(&bought)).is_err());
    let seen = one(rapid.lookup("REF1").await);
    assert_eq!((seen.state, &seen.reference), (SeenState::Confirmed, &bought.reference));
    assert_eq!(rapid.cancel(&seen).await, Answer::Accepted);
    // And holding it is refused for a reason that is not published: it is looked up.
    let order = rapid.check(firm).await;
    let answer = rapid.reserve(&order, "REF2", true).await;
    assert!(
        matches!(answer, Answer::Unknown { why: Unclear::Status { status: 400, .. } }),
        "{answer:?}"
    );
    assert_eq!(rapid.lookup("REF2").await, Answer::NotFound);
}

/// Row: B3
#[tokio::test]
async fn every_fault_at_booking_is_read_as_what_it_proves() {
    let rapid = Rapid::start(None).await;
    let offers = rapid.search().await;
    let offer = flexible(&offers);
    let status = |status: u16, code: Option<&str>| Answer::Unknown {
        why: Unclear::Status { status, code: code.map(str::to_owned) },
    };
    let unknown = |why| Answer::Unknown { why };
    // What the reserve proves, and what truly exists after it.
    let cases: Vec<(&str, Answer, &[&str])> = vec![
        ("http_500_before", status(500, Some("unknown_internal_error")), &[]),
        ("http_500_after", status(500, Some("unknown_internal_error")), &["held"]),
        ("http_503", status(503, Some("service_unavailable")), &[]),
        ("http_504_after", status(504, None), &["held"]),
        ("http_429", Answer::NotSent, &[]),
        ("accepted_202", unknown(Unclear::AcceptedOnly), &["held"]),
        ("reset_after_commit", unknown(Unclear::NoAnswer), &["held"]),
        ("huge_body", unknown(Unclear::NoAnswer), &["held"]),
        ("html_200", status(200, None), &["held"]),
        ("sold_out", Answer::Refused(RefusedWhy::SoldOut), &[]),
        ("price_changed", Answer::Refused(RefusedWhy::PriceChanged), &[]),
        ("duplicate_reference_400", unknown(Unclear::Duplicate), &["held"]),
    ];
    for (n, (fault, expected, exists)) in cases.into_iter().enumerate() {
        let reference = format!("REF-{n}");
        let order = rapid.check(offer).await;
        rapid.arm("reserve", fault).await;
        let answer = rapid.reserve(&order, &reference, true).await;
        assert_eq!(answer, expected, "{fault}");
        assert_eq!(rapid.truth(&reference).await, exists, "{fault}");
        match (rapid.lookup(&reference).await, exists.is_empty()) {
            (Answer::NotFound, true) => {}
            (Answer::Seen(seen), false) => assert_eq!(seen.len(), exists.len(), "{fault}"),
            (other, _) => panic!("{fault}: {other:?}"),
        }
    }
    for fault in ["malformed_body", "truncated_body", "redirect"] {
        let order = rapid.check(offer).await;
        rapid.arm("reserve", fault).await;
        let answer = rapid.reserve(&order, fault, true).await;
        assert!(matches!(answer, Answer::Unknown { .. }), "{fault}: {answer:?}");
    }
}

/// Row: B3
#[tokio::test]
async fn a_client_reference_that_is_taken_is_looked_up() {
    let rapid = Rapid::start(None).await;
    let offers = rapid.search().await;
    let order = rapid.check(flexible(&offers)).await;
    let first = one(rapid.reserve(&order, "REF1", true).await);
    let order = rapid.check(flexible(&offers)).await;
    let again = rapid.reserve(&order, "REF1", true).await;
    assert_eq!(again, Answer::Unknown { why: Unclear::Duplicate });
    assert_eq!(one(rapid.lookup("REF1").await).reference, first.reference);
    assert_eq!(rapid.truth("REF1").await, ["held"]);
}

#[tokio::test]
async fn look_ups_show_both_twins_and_believe_no_stranger() {
    let rapid = Rapid::start(None).await;
    let offers = rapid.search().await;
    let order = rapid.check(flexible(&offers)).await;
    rapid.arm("reserve", "created_twice").await;
    rapid.reserve(&order, "REF1", true).await;
    let Answer::Seen(twins) = rapid.lookup("REF1").await else { panic!("nothing seen") };
    assert_eq!(twins.len(), 2);
    for twin in &twins {
        assert_eq!(rapid.cancel(twin).await, Answer::Accepted);
    }
    assert_eq!(rapid.truth("REF1").await, ["cancelled", "cancelled"]);

    rapid.arm("lookup", "wrong_reference").await;
    let answer = rapid.lookup("REF1").await;
    assert!(matches!(answer, Answer::Unknown { why: Unclear::Malformed { .. } }), "{answer:?}");
    rapid.arm("lookup", "lookup_empty").await;
    assert_eq!(rapid.lookup("REF1").await, Answer::NotFound);
    for fault in ["html_200", "truncated_body", "http_500_after", "huge_body"] {
        rapid.arm("lookup", fault).await;
        let answer = rapid.lookup("REF1").await;
        assert!(matches!(answer, Answer::Unknown { .. }), "{fault}: {answer:?}");
    }
}

#[tokio::test]
async fn a_confirm_that_is_refused_shows_in_the_look_up() {
    let rapid = Rapid::start(None).await;
    let offers = rapid.search().await;
    let order = rapid.check(flexible(&offers)).await;
    let held = one(rapid.reserve(&order, "REF1", true).await);
    rapid.arm("confirm", "accepted_202").await;
    assert_eq!(rapid.confirm(&held).await, Answer::Unknown { why: Unclear::AcceptedOnly });
    let held = one(rapid.reserve(&rapid.check(flexible(&offers)).await, "REF2", true).await);
    rapid.arm("confirm", "confirm_refused").await;
    assert!(matches!(rapid.confirm(&held).await, Answer::Unknown { .. }));
    assert_eq!(one(rapid.lookup("REF2").await).state, SeenState::Gone);
}

#[tokio::test]
async fn searches_and_price_checks_that_lie_are_not_believed() {
    let rapid = Rapid::start(None).await;
    for fault in ["html_200", "truncated_body", "malformed_body", "http_503", "redirect"] {
        rapid.arm("search", fault).await;
        assert!(rapid.try_search().await.is_err(), "{fault}");
    }
    rapid.arm("search", "sold_out").await;
    assert_eq!(rapid.try_search().await, Ok(vec![]));
    let offers = rapid.search().await;
    let offer = flexible(&offers);
    rapid.arm("price_check", "sold_out").await;
    assert_eq!(rapid.try_check(offer).await, Ok(PriceCheck::SoldOut));
    rapid.arm("price_check", "wrong_currency").await;
    assert!(matches!(rapid.try_check(offer).await, Err(Broken::Contract { .. })));
    rapid.arm("price_check", "wrong_price").await;
    assert!(matches!(rapid.try_check(offer).await, Ok(PriceCheck::PriceChanged { .. })));
    rapid.arm("price_check", "price_changed").await;
    let Ok(PriceCheck::PriceChanged { price, .. }) = rapid.try_check(offer).await else {
        panic!("the price did not change")
    };
    assert_ne!(price, offer.price);
}

#[tokio::test]
async fn what_the_supplier_pushes_is_taken_and_said() {
    let service = Service::start().await;
    let router = supplier_callback::router(service.app.clone());
    let addr = chassis::http::serve(
        &service.test.process,
        "127.0.0.1:0".parse().unwrap(),
        router,
        chassis::http::Ready::new(),
    )
    .await
    .unwrap();
    let url = format!("http://{addr}/v1/callbacks/rapid");
    let rapid = Rapid::start(Some(CallbackConfig::new(url, SECRET))).await;
    let offers = rapid.search().await;
    let order = rapid.check(flexible(&offers)).await;
    let reference = rapid.dialect.client_reference(LegId(Uuid::from_u128(7)), 1);
    let held = one(rapid.reserve(&order, &reference, true).await);
    let said = service.heard().await;
    assert_eq!(said.client_reference, Some(reference));
    assert_eq!(said.reference, Some(held.reference));

    rapid.arm("callback", "callback_duplicate").await;
    assert_eq!(
        rapid.confirm(&held_again(&rapid, &said.client_reference).await).await,
        Answer::Accepted
    );
    service.heard().await;
    rapid.arm("callback", "callback_forged").await;
    let bought = held_again(&rapid, &said.client_reference).await;
    assert_eq!(rapid.cancel(&bought).await, Answer::Accepted);
    let rest = rapid.doubles;
    rest.shutdown().await;
    service.test.stop().await;
}

async fn held_again(rapid: &Rapid, reference: &Option<String>) -> SeenReservation {
    one(rapid.lookup(reference.as_deref().unwrap()).await)
}

/// The stand-in, and the dialect that speaks to it over real HTTP.
struct Rapid {
    doubles: Doubles,
    client: HttpClient,
    dialect: &'static dyn Dialect,
    access: Access,
}

impl Rapid {
    async fn start(callback: Option<CallbackConfig>) -> Self {
        let rapid = RapidConfig { callback, ..RapidConfig::default() };
        let access = Access {
            key: rapid.key.clone(),
            secret: rapid.secret.clone().into(),
            email: "ops+rapid@holdfast.example".into(),
            customer_ip: "192.0.2.1".into(),
            country_code: "DE".into(),
            language: "en-US".into(),
        };
        let config = Config { rapid, ..Config::default() };
        let doubles = Doubles::start("127.0.0.1:0".parse().unwrap(), config).await.unwrap();
        let client = HttpClient::new(HttpClientConfig {
            reach: Reach::Anywhere,
            ..HttpClientConfig::default()
        })
        .unwrap();
        Self { doubles, client, dialect: dialect(Supplier::Rapid), access }
    }

    async fn send(&self, request: &suppliers::HttpRequest) -> Sent {
        let method: Method = request.method.word().parse().unwrap();
        let url = format!("{}/rapid{}", self.doubles.base_url(), request.path_and_query);
        let mut sent = HttpRequest::new(method, url);
        for (name, value) in &request.headers {
            let name: http::HeaderName = name.parse().unwrap();
            sent.headers.insert(name, value.parse().unwrap());
        }
        sent.body = request.body.clone().unwrap_or_default().into();
        match self.client.send(sent).await {
            Ok(reply) => Sent::Reply(HttpReply {
                status: reply.status.as_u16(),
                headers: vec![],
                body: reply.body.to_vec(),
            }),
            Err(HttpError::NotSent { .. }) => Sent::NotSent,
            Err(HttpError::MaybeSent { .. }) => Sent::NoAnswer,
        }
    }

    async fn reply(&self, request: &suppliers::HttpRequest) -> Result<HttpReply, Broken> {
        match self.send(request).await {
            Sent::Reply(reply) => Ok(reply),
            Sent::NotSent | Sent::NoAnswer => Err(Broken::contract("no whole answer")),
        }
    }

    async fn try_search(&self) -> Result<Vec<Offer>, Broken> {
        let arrival = Utc::now().date_naive() + Days::new(30);
        let search = Search::Stay(StaySearch {
            property_id: "1100401".into(),
            check_in: arrival,
            check_out: arrival + Days::new(2),
            occupancy: Occupancy { adults: 2, children: vec![] },
            currency: Currency::Eur,
        });
        let request = self.dialect.search(&self.access, Utc::now(), &search).unwrap();
        Ok(self.dialect.read_search(&search, &self.reply(&request).await?)?.offers)
    }

    async fn search(&self) -> Vec<Offer> {
        self.try_search().await.expect("offers")
    }

    async fn try_check(&self, offer: &Offer) -> Result<PriceCheck, Broken> {
        let request = self.dialect.price_check(&self.access, Utc::now(), &offer.rate_key).unwrap();
        let reply = self.reply(&request).await?;
        self.dialect.read_price_check(&offer.rate_key, offer.price.currency, &reply)
    }

    async fn check(&self, offer: &Offer) -> LegOrder {
        let (book_key, price, terms) = match self.try_check(offer).await {
            Ok(
                PriceCheck::Available { book_key, price, terms }
                | PriceCheck::PriceChanged { book_key, price, terms },
            ) => (book_key, price, terms),
            other => panic!("{other:?}"),
        };
        LegOrder {
            supplier: Supplier::Rapid,
            book_key,
            property_id: offer.property_id.clone(),
            check_in: offer.check_in,
            check_out: offer.check_out,
            occupancy: offer.occupancy.clone(),
            price,
            terms,
            product: offer.product.clone(),
            reprice: None,
        }
    }

    async fn reserve(&self, order: &LegOrder, client_reference: &str, hold: bool) -> Answer {
        let travellers = TravellersReply {
            travellers: vec![Traveller {
                given_name: "Givenne".into(),
                family_name: "Nameo".into(),
                born_on: None,
                gender: None,
            }],
            email: "alice@example.com".into(),
            phone: "+4915112345678".into(),
            special_requests: None,
        };
        let reserve = Reserve { client_reference, order, travellers: &travellers, hold };
        let request = self.dialect.reserve(&self.access, Utc::now(), &reserve).unwrap();
        let sent = self.send(&request).await;
        let asked = Asked { operation: Operation::Reserve, client_reference, hold, earlier: &[] };
        self.dialect.read(&asked, &sent)
    }

    async fn lookup(&self, client_reference: &str) -> Answer {
        let known = Known { client_reference, reference: None, handle: None };
        let request = self.dialect.lookup(&self.access, Utc::now(), &known);
        self.read(Operation::Lookup, client_reference, &request).await
    }

    async fn confirm(&self, seen: &SeenReservation) -> Answer {
        let request = self.dialect.confirm(&self.access, Utc::now(), &known(seen)).unwrap();
        self.read(Operation::Confirm, "", &request).await
    }

    async fn cancel(&self, seen: &SeenReservation) -> Answer {
        let request = self.dialect.cancel(&self.access, Utc::now(), &known(seen)).unwrap();
        self.read(Operation::Cancel, "", &request).await
    }

    async fn read(
        &self,
        operation: Operation,
        client_reference: &str,
        request: &suppliers::HttpRequest,
    ) -> Answer {
        let sent = self.send(request).await;
        self.dialect.read(&Asked { operation, client_reference, hold: false, earlier: &[] }, &sent)
    }

    async fn arm(&self, operation: &str, fault: &str) {
        let body = json!({ "operation": operation, "fault": fault, "times": 1 });
        let url = format!("{}/rapid/faults", self.doubles.base_url());
        let request = HttpRequest::new(Method::POST, url).json(body.to_string());
        let reply = self.client.send(request).await.unwrap();
        assert_eq!(reply.status, 204, "{operation} {fault}");
    }

    /// The states of what truly exists under a client reference.
    async fn truth(&self, client_reference: &str) -> Vec<String> {
        let base = self.doubles.base_url();
        let url = format!("{base}/rapid/truth?client_reference={client_reference}");
        let reply = self.client.send(HttpRequest::new(Method::GET, url)).await.unwrap();
        let truth: Value = serde_json::from_slice(&reply.body).unwrap();
        let states = truth["reservations"].as_array().unwrap().iter();
        states.map(|r| r["state"].as_str().unwrap().to_owned()).collect()
    }
}

fn flexible(offers: &[Offer]) -> &Offer {
    offers.iter().find(|o| o.terms.holdable && o.terms.refundable).expect("a rate to hold")
}

fn one(answer: Answer) -> SeenReservation {
    match answer {
        Answer::Seen(mut seen) if seen.len() == 1 => seen.remove(0),
        other => panic!("{other:?}"),
    }
}

fn known(seen: &SeenReservation) -> Known<'_> {
    Known { client_reference: "", reference: Some(&seen.reference), handle: seen.handle.as_deref() }
}
