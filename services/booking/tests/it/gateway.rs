//! The edge: everything wrong is said at once, and nothing wrong gets in.

use axum::{
    body::Body,
    http::{Request, StatusCode},
};
use chrono::{Days, TimeDelta, Utc};
use contracts::shown::ASSETS_KEY;
use serde_json::{Value, json};
use testkit::until;

use crate::world::{World, body};

fn faults(problem: &Value) -> Vec<(String, String)> {
    let text = |v: &Value| v.as_str().unwrap().to_owned();
    let errors = problem["errors"].as_array().unwrap();
    errors.iter().map(|e| (text(&e["pointer"]), text(&e["code"]))).collect()
}

/// Row: L7
#[tokio::test(flavor = "multi_thread")]
async fn a_booking_request_is_told_every_fault_at_once() {
    let world = World::new().await;
    let bad = json!({
        "quote_id": "not-a-uuid",
        "travellers": [
            {"given_name": "", "family_name": "x".repeat(51)},
            {"given_name": 5, "middle": "M", "family_name": "李"},
        ],
        "contact": {"email": "nobody", "phone": "030 901820"},
        "special_requests": "r".repeat(501),
        "redeem_points": -1,
        "refund_to": "x",
        "status": "confirmed",
    });
    let answer = world.book("acct_1", "k", &bad).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    let pair = |(p, c): (&str, &str)| (p.to_owned(), c.to_owned());
    let expected = [
        ("/quote_id", "invalid"),
        ("/travellers/0/given_name", "invalid"),
        ("/travellers/0/family_name", "invalid"),
        ("/travellers/1/given_name", "wrong_type"),
        ("/travellers/1/middle", "unknown"),
        ("/contact/email", "invalid"),
        ("/contact/phone", "invalid"),
        ("/special_requests", "invalid"),
        ("/redeem_points", "wrong_type"),
        ("/refund_to", "invalid"),
        ("/status", "unknown"),
    ];
    assert_eq!(faults(&answer.json()), expected.map(pair));
    // Mistyped unnoticed, it would send money to nobody: all in one case it is said twice.
    let lower = "0x5aaeb6053f3e94c9b9a09f33669435e7ef1beaed";
    for (again, fault) in [(json!(null), "missing"), (json!(format!("{lower}0")), "differs")] {
        let mut unsure = bad.clone();
        unsure["refund_to"] = json!(lower);
        unsure["refund_to_confirm"] = again;
        let answer = world.book("acct_1", "k", &unsure).await;
        let fault = pair(("/refund_to_confirm", fault));
        assert!(faults(&answer.json()).contains(&fault), "{:?}", answer.json());
    }
    for table in ["booking", "booking_event", "outbox", "idempotency_key", "traveller"] {
        assert_eq!(world.count(table).await, 0, "{table}");
    }
}

/// Row: C10
#[tokio::test(flavor = "multi_thread")]
async fn an_address_for_refunds_is_of_the_family_that_is_paid_in() {
    let world = World::new().await;
    let quote = world.quote("acct_1", TimeDelta::minutes(10)).await;
    let mut shown = crate::openapi::assets(&quote);
    shown.assets[0].chain = "bip122:000000000019d6689c085ae165831e93".to_owned();
    world.show(ASSETS_KEY, &shown).await;
    let mut asked = body(&quote);
    asked["refund_to"] = json!("0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed");
    let answer = world.book("acct_1", "k", &asked).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{answer:?}");
    assert_eq!(faults(&answer.json()), [("/refund_to".to_owned(), "invalid".to_owned())]);
    assert!(answer.json()["errors"][0]["detail"].as_str().unwrap().contains("segregated witness"));
    assert_eq!(world.count("booking").await, 0);
    asked["refund_to"] = json!("bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4");
    assert_eq!(world.book("acct_1", "k", &asked).await.status, StatusCode::ACCEPTED);
}

/// Row: L7
#[tokio::test(flavor = "multi_thread")]
async fn a_search_is_told_every_fault_at_once() {
    let world = World::new().await;
    let path = "/v1/stays?check_in=2020-01-02&check_out=2020-01-01&adults=0&children=3,99\
                &currency=ZZZ&sort=price";
    let answer = world.get("acct_1", path).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    let said: Vec<String> = faults(&answer.json()).into_iter().map(|(p, _)| p).collect();
    let expected =
        ["?adults", "?children", "?currency", "?sort", "?property_id", "?check_in", "?check_out"];
    assert_eq!(said, expected);
    // Twelve hours west of UTC a day is over last: what began before it is in the past everywhere.
    let first_day = (Utc::now() - TimeDelta::hours(12)).date_naive();
    for (check_in, past) in [(first_day, false), (first_day.pred_opt().unwrap(), true)] {
        let path =
            format!("/v1/stays?check_in={check_in}&check_out={}&x=1", first_day + Days::new(2));
        let said = faults(&world.get("acct_1", &path).await.json());
        let fault = ("?check_in".to_owned(), "invalid".to_owned());
        assert_eq!(said.contains(&fault), past, "{said:?}");
    }
}

/// Row: L7
#[tokio::test(flavor = "multi_thread")]
async fn searches_for_flights_and_activities_are_told_every_fault_at_once() {
    let world = World::new().await;
    let told = async |path: &str| {
        let answer = world.get("acct_1", path).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{answer:?}");
        faults(&answer.json()).into_iter().map(|(pointer, _)| pointer).collect::<Vec<_>>()
    };
    assert_eq!(told("/v1/flights").await, ["?origin", "?destination", "?departs_on"]);
    let odd = "/v1/flights?origin=London&destination=jfk&departs_on=2020-01-02&returns_on=2019-01-02\
               &adults=9&cabin=first";
    let expected = ["?origin", "?destination", "?adults", "?cabin", "?departs_on", "?returns_on"];
    assert_eq!(told(odd).await, expected);
    let nowhere = "/v1/flights?origin=LHR&destination=LHR&departs_on=tomorrow";
    assert_eq!(told(nowhere).await, ["?departs_on", "?destination"]);
    assert_eq!(told("/v1/activities").await, ["?destination", "?from", "?to"]);
    let odd = "/v1/activities?destination=&from=2020-01-02&to=2020-12-31&children=99&page=2";
    assert_eq!(told(odd).await, ["?destination", "?children", "?page", "?from", "?to"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_quotes_an_offer_that_its_supplier_keeps_no_longer_is_sent_to_search_again() {
    let mut world = World::new().await;
    let over = || async { (StatusCode::GONE, axum::Json(json!({"code": "offer_expired"}))) };
    let routes = axum::Router::new().route("/internal/price-check", axum::routing::post(over));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    world.config.supplier_sync_url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
    world.restart().await;
    let quote = world.quote("acct_1", TimeDelta::minutes(10)).await;
    world.show(ASSETS_KEY, &crate::openapi::assets(&quote)).await;
    let order = &quote.legs[0].order;
    let offer = world.seal_offer(&json!({
        "supplier": "rapid", "rate_key": "k", "property_id": "1",
        "property_name": "Harbour House", "room_name": "Double",
        "check_in": order.check_in, "check_out": order.check_out,
        "occupancy": {"adults": 2}, "price": order.price, "terms": order.terms,
    }));
    let asked = json!({"offers": [offer], "pay_with": "eth"});
    let answer = world.post("acct_1", "/v1/quotes", &asked).await;
    let told = (answer.status, answer.code());
    assert_eq!(told, (StatusCode::CONFLICT, "offer_expired".to_owned()), "{answer:?}");
    assert_eq!(answer.json()["pointers"], json!(["/offers/0"]));
    assert!(answer.json()["detail"].as_str().unwrap().contains("search again"));
}

/// Row: L7
#[tokio::test(flavor = "multi_thread")]
async fn a_quote_request_is_told_every_fault_at_once() {
    let world = World::new().await;
    let told = async |body: Value| {
        let answer = world.post("acct_1", "/v1/quotes", &body).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{answer:?}");
        faults(&answer.json()).into_iter().map(|(pointer, _)| pointer).collect::<Vec<_>>()
    };
    let bad = json!({"offers": ["made-up", 5], "pay_with": "E T H", "price": 1, "total": "0"});
    let expected = ["/offers/0", "/offers/1", "/pay_with", "/price", "/total"];
    assert_eq!(told(bad).await, expected);
    assert_eq!(told(json!({"pay_with": 5})).await, ["/offers", "/pay_with"]);
    assert_eq!(told(json!([])).await, [""]);

    // Offers of ours that cannot go together, or are over: sealed, so only we can have made them.
    let offer = |currency: &str, check_in: &str| {
        let price = json!({"minor": "10000", "scale": 2, "currency": currency});
        world.seal_offer(&json!({
            "supplier": "rapid",
            "rate_key": "k",
            "property_id": "1",
            "property_name": "Harbour House",
            "room_name": "Double",
            "check_in": check_in,
            "check_out": "2027-03-16",
            "occupancy": {"adults": 2},
            "price": price,
            "terms": {"refundable": true, "cancel_steps": [], "holdable": true},
        }))
    };
    let offers = [offer("EUR", "2027-03-14"), offer("USD", "2020-03-14")];
    let faults = told(json!({"offers": offers, "pay_with": "eth", "x": null})).await;
    assert_eq!(faults, ["/x", "/offers/1", "/offers"]);
    assert_eq!(world.count("quote").await, 0);

    let quote = world.quote("acct_1", TimeDelta::minutes(10)).await;
    world.show(ASSETS_KEY, &crate::openapi::assets(&quote)).await;
    let unpayable = json!({"offers": ["made-up"], "pay_with": "shells"});
    assert_eq!(told(unpayable).await, ["/offers/0", "/pay_with"]);

    // What has rates and none in the currency of the price is not offered, however long one waits.
    let mut shown = crate::openapi::assets(&quote);
    shown.assets[0].rates[0].currency = contracts::money::Currency::Chf;
    world.show(ASSETS_KEY, &shown).await;
    let in_euro = json!({"offers": [offer("EUR", "2027-03-14")], "pay_with": "eth"});
    let answer = world.post("acct_1", "/v1/quotes", &in_euro).await;
    let refused = (StatusCode::CONFLICT, "asset_not_offered");
    assert_eq!((answer.status, answer.code().as_str()), refused, "{answer:?}");
    assert!(answer.json()["detail"].as_str().unwrap().contains("currency of the price"));
    shown.assets[0].rates.clear();
    world.show(ASSETS_KEY, &shown).await;
    let answer = world.post("acct_1", "/v1/quotes", &in_euro).await;
    let later = (StatusCode::SERVICE_UNAVAILABLE, "rate_unavailable");
    assert_eq!((answer.status, answer.code().as_str()), later, "{answer:?}");

    let huge = json!({"offers": ["x".repeat(1 << 20)], "pay_with": "eth"});
    let answer = world.post("acct_1", "/v1/quotes", &huge).await;
    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
    let (booking_id, _) = world.booked("acct_1").await;
    let path = format!("/v1/bookings/{booking_id}/events?ticket=x&since=1");
    let answer = world.get("acct_1", &path).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(answer.json()["errors"][0]["pointer"], "?since");
}

/// Row: L7
#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_are_too_large_or_no_json_and_strangers_get_a_clear_answer() {
    let world = World::new().await;
    let quote = world.quote("acct_1", TimeDelta::minutes(10)).await;
    let mut huge = body(&quote);
    huge["special_requests"] = json!("x".repeat(1 << 20));
    let answer = world.book("acct_1", "k", &huge).await;
    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);

    let post = |token: &str, content_type: &str, body: &'static str| {
        let request = Request::post("/v1/bookings")
            .header("authorization", format!("Bearer {token}"))
            .header("idempotency-key", "k")
            .header("content-type", content_type);
        request.body(Body::from(body)).unwrap()
    };
    let token = world.token("acct_1");
    let staff = world.token_of_staff();
    let answers = [
        (post(&token, "application/json", "{\"quote_id\": "), StatusCode::BAD_REQUEST),
        (post(&token, "application/json", "[]"), StatusCode::UNPROCESSABLE_ENTITY),
        (post(&token, "text/plain", "{}"), StatusCode::UNSUPPORTED_MEDIA_TYPE),
        (post(&staff, "application/json", "{}"), StatusCode::FORBIDDEN),
        (post("", "application/json", "{}"), StatusCode::UNAUTHORIZED),
        (post("a.b.c", "application/json", "{}"), StatusCode::UNAUTHORIZED),
    ];
    for (request, expected) in answers {
        let answer = world.send(request).await;
        assert_eq!(answer.status, expected);
        assert!(answer.json()["type"].as_str().unwrap().starts_with("https://"), "{answer:?}");
    }
    let (booking_id, _) = world.booked("acct_1").await;
    for path in ["", "/history"] {
        let path = format!("/v1/bookings/{booking_id}{path}");
        assert_eq!(world.get("acct_2", &path).await.status, StatusCode::NOT_FOUND);
    }
    let path = format!("/v1/bookings/{booking_id}/cancellation");
    assert_eq!(world.post("acct_2", &path, &json!({})).await.status, StatusCode::NOT_FOUND);
}

/// Row: A3
#[tokio::test(flavor = "multi_thread")]
async fn a_booking_lists_what_can_be_done_and_refuses_everything_else_without_a_trace() {
    let world = World::new().await;
    let (booking_id, _) = world.booked("acct_1").await;
    let path = format!("/v1/bookings/{booking_id}");
    assert_eq!(world.get("acct_1", &path).await.json()["next_actions"], json!(["cancel"]));
    let cancel = format!("{path}/cancellation");
    let answer = world.post("acct_1", &cancel, &json!({})).await;
    assert_eq!(answer.status, StatusCode::ACCEPTED);
    assert_eq!(answer.json()["status"], "cancelling");
    assert_eq!(answer.json()["next_actions"], json!([]));

    let history = format!("{path}/history");
    let before = (world.get("acct_1", &history).await, world.count("timer").await);
    let again = world.post("acct_1", &cancel, &json!({})).await;
    assert_eq!((again.status, again.code()), (StatusCode::CONFLICT, "not_allowed_now".to_owned()));
    assert_eq!(again.json()["next_actions"], json!([]));
    assert_eq!((world.get("acct_1", &history).await, world.count("timer").await), before);
}

/// Row: K2
#[tokio::test(flavor = "multi_thread")]
async fn readiness_names_the_redis_that_is_away_and_bookings_go_on() {
    let mut world = World::new().await;
    world.app.hear();
    world.app.listening().await;
    let is = async |world: &World, locks: &str| {
        let request = Request::get("/ready").body(Body::empty()).unwrap();
        let told = world.send(request).await.json();
        let redis = &told["details"]["redis"];
        (told["ready"] == true && *redis == json!({"cache": "ok", "locks": locks})).then_some(())
    };
    until("readiness", || is(&world, "ok")).await;
    world.locks.kill();
    until("readiness to name what is away, which decides nothing", || is(&world, "away")).await;
    world.booked("acct_1").await;
}
