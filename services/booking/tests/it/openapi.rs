//! The gateway's description of itself: nothing missing, nothing untrue, readable without a network.

use std::collections::{BTreeMap, BTreeSet};

use axum::{
    body::Body,
    http::{Method, Request, StatusCode},
};
use chrono::{TimeDelta, Utc};
use contracts::{
    asset::AssetId,
    messages::LegState,
    shown::{ASSETS_KEY, ShownAsset, ShownAssets},
};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    neighbour::{Neighbour, reaches},
    world::{Answer, World, body, send},
};

/// Not the customer's: typed in the contracts, or every service's own, or the reader itself.
const NOT_DESCRIBED: [&str; 6] =
    ["/internal/", "/health", "/ready", "/metrics", "/docs", "/openapi.json"];

async fn document(world: &World) -> Value {
    let request = Request::get("/openapi.json").body(Body::empty()).unwrap();
    let answer = send(world.router.clone(), request).await;
    assert_eq!(answer.status, StatusCode::OK);
    answer.json()
}

/// Every path that the router has, from what it says of itself.
fn routes(world: &World) -> BTreeSet<String> {
    let told = format!("{:?}", world.router);
    // After its own routes it tells those that answer what has none.
    let told = told.split("fallback_router").next().unwrap_or_default();
    let paths = told.split("RouteId(").skip(1).filter_map(|rest| {
        let path = rest.split_once("): \"")?;
        // A path follows its own number, not some later one's.
        path.0.bytes().all(|b| b.is_ascii_digit()).then_some(path.1.split('"').next()?)
    });
    paths.filter(|path| path.starts_with('/')).map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_route_is_described_and_nothing_else_is() {
    let world = World::new().await;
    let document = document(&world).await;
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"), "{}", document["openapi"]);
    let routes = routes(&world);
    assert!(routes.contains("/internal/timeline/{booking}"), "the router tells: {routes:?}");
    let described: BTreeMap<String, BTreeSet<String>> = document["paths"]
        .as_object()
        .unwrap()
        .iter()
        .map(|(path, item)| {
            let methods = ["get", "post", "put", "patch", "delete"].into_iter();
            let methods = methods.filter(|method| item.get(method).is_some());
            (path.clone(), methods.map(str::to_uppercase).collect())
        })
        .collect();
    let mut found = BTreeMap::new();
    let customers =
        routes.into_iter().filter(|path| !NOT_DESCRIBED.iter().any(|p| path.starts_with(p)));
    for path in customers {
        let somewhere = path.replace("{id}", &Uuid::now_v7().to_string());
        let somewhere = somewhere.replace("{leg_id}", &Uuid::now_v7().to_string());
        let mut methods = BTreeSet::new();
        for method in [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
            let request = Request::builder().method(&method).uri(&somewhere);
            let answer = send(world.router.clone(), request.body(Body::empty()).unwrap()).await;
            if answer.status != StatusCode::METHOD_NOT_ALLOWED {
                methods.insert(method.to_string());
            }
        }
        found.insert(path, methods);
    }
    assert_eq!(found, described);
}

/// Holds answers against what the document says of them.
struct Checker {
    document: Value,
    checked: BTreeSet<(String, String)>,
}

impl Checker {
    fn check(&mut self, method: &str, path: &str, answer: &Answer) {
        let status = answer.status.as_str().to_owned();
        let responses = &self.document["paths"][path][method]["responses"];
        let told = responses.get(&status).or_else(|| responses.get("default"));
        let told = told.unwrap_or_else(|| panic!("{method} {path} does not tell of {status}"));
        let content = told["content"].as_object().unwrap();
        let schema = &content.values().next().unwrap()["schema"];
        let problem = content.contains_key("application/problem+json");
        assert_eq!(problem, !answer.status.is_success(), "{method} {path} {status}");
        let whole = json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "allOf": [schema],
            "components": self.document["components"],
        });
        let validator = jsonschema::validator_for(&whole).unwrap();
        let body = answer.json();
        let wrong: Vec<String> = validator
            .iter_errors(&body)
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect();
        assert!(wrong.is_empty(), "{method} {path} {status}: {wrong:#?}\n{body:#}");
        self.checked.insert((format!("{method} {path}"), status));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn live_answers_are_what_the_document_says() {
    const BOOKING: &str = "/v1/bookings/{id}";
    let world = World::new().await;
    world.app.hear();
    world.app.listening().await;
    let document = document(&world).await;
    let mut checker = Checker { document, checked: BTreeSet::new() };

    let (booking_id, quote) = world.booked("acct_1").await;
    let path = format!("/v1/bookings/{booking_id}");
    checker.check("get", BOOKING, &world.get("acct_1", &path).await);
    let mut neighbour = Neighbour::of(&world, booking_id).await;
    neighbour.prepared().await;
    let until = Some(Utc::now() + TimeDelta::hours(1));
    neighbour.leg(&quote, 1, LegState::Held { reference: "R1".to_owned(), until }).await;
    reaches(&world, booking_id, "awaiting_payment").await;
    checker.check("get", BOOKING, &world.get("acct_1", &path).await);
    checker.check("get", BOOKING, &world.get("acct_2", &path).await);
    let history = world.get("acct_1", &format!("{path}/history")).await;
    checker.check("get", "/v1/bookings/{id}/history", &history);
    let events = Request::get(format!("{path}/events?ticket=x")).body(Body::empty()).unwrap();
    let events = send(world.router.clone(), events).await;
    checker.check("get", "/v1/bookings/{id}/events", &events);
    let leg = format!("{path}/legs/{}/cancellation", quote.legs[0].leg_id);
    let refused = world.post("acct_1", &leg, &json!({})).await;
    checker.check("post", "/v1/bookings/{id}/legs/{leg_id}/cancellation", &refused);
    let cancel = format!("{path}/cancellation");
    for _ in 0..2 {
        let cancelled = world.post("acct_1", &cancel, &json!({})).await;
        checker.check("post", "/v1/bookings/{id}/cancellation", &cancelled);
    }

    let quote = world.quote("acct_1", TimeDelta::minutes(10)).await;
    let path = format!("/v1/quotes/{}", quote.quote_id);
    for account in ["acct_1", "acct_2"] {
        checker.check("get", "/v1/quotes/{id}", &world.get(account, &path).await);
    }
    let mut wrong = body(&quote);
    wrong["travellers"] = json!([{"given_name": ""}]);
    let without_key = world.request("POST", "acct_1", "/v1/bookings", &[], Some(&wrong));
    checker.check("post", "/v1/bookings", &world.send(without_key).await);
    let unnamed = Request::post("/v1/bookings").body(Body::empty()).unwrap();
    checker.check("post", "/v1/bookings", &send(world.router.clone(), unnamed).await);
    for request in [&wrong, &body(&quote), &wrong] {
        checker.check("post", "/v1/bookings", &world.book("acct_1", "key", request).await);
    }
    let mut huge = body(&quote);
    huge["special_requests"] = json!("x".repeat(1 << 20));
    checker.check("post", "/v1/bookings", &world.book("acct_1", "huge", &huge).await);

    // Nobody shows assets, no supplier can be asked; then the assets are shown.
    let stay = "/v1/stays?property_id=1&check_in=2027-03-14&check_out=2027-03-16";
    checker.check("get", "/v1/stays", &world.get("acct_1", stay).await);
    checker.check("get", "/v1/stays", &world.get("acct_1", "/v1/stays?check_in=x").await);
    let flight = "/v1/flights?origin=LHR&destination=JFK&departs_on=2027-03-14";
    let activity = "/v1/activities?destination=BCN&from=2027-03-14&to=2027-03-16";
    for (call, path) in [("/v1/flights", flight), ("/v1/activities", activity)] {
        checker.check("get", call, &world.get("acct_1", path).await);
        checker.check("get", call, &world.get("acct_1", call).await);
    }
    checker.check("get", "/v1/assets", &world.get("acct_1", "/v1/assets").await);
    let ask = json!({"offers": [], "pay_with": "ETH", "x": 1});
    checker.check("post", "/v1/quotes", &world.post("acct_1", "/v1/quotes", &ask).await);
    world.show(ASSETS_KEY, &assets(&quote)).await;
    checker.check("get", "/v1/assets", &world.get("acct_1", "/v1/assets").await);
    checker.check("get", "/v1/rewards", &world.get("acct_1", "/v1/rewards").await);

    let seen = |call: &str, status: &str| (call.to_owned(), status.to_owned());
    for (call, status) in [
        ("get /v1/bookings/{id}", "200"),
        ("get /v1/bookings/{id}", "404"),
        ("get /v1/bookings/{id}/history", "200"),
        ("get /v1/bookings/{id}/events", "401"),
        ("post /v1/bookings/{id}/legs/{leg_id}/cancellation", "409"),
        ("post /v1/bookings/{id}/cancellation", "202"),
        ("post /v1/bookings/{id}/cancellation", "409"),
        ("get /v1/quotes/{id}", "200"),
        ("post /v1/bookings", "202"),
        ("post /v1/bookings", "400"),
        ("post /v1/bookings", "401"),
        ("post /v1/bookings", "413"),
        ("post /v1/bookings", "422"),
        ("get /v1/stays", "422"),
        ("get /v1/stays", "503"),
        ("get /v1/flights", "422"),
        ("get /v1/flights", "503"),
        ("get /v1/activities", "422"),
        ("get /v1/activities", "503"),
        ("get /v1/assets", "200"),
        ("get /v1/rewards", "200"),
        ("post /v1/quotes", "422"),
    ] {
        assert!(checker.checked.contains(&seen(call, status)), "{call} never answered {status}");
    }
}

pub(crate) fn assets(quote: &booking::quote::Quote) -> ShownAssets {
    let asset = ShownAsset {
        asset: AssetId::parse("eth").unwrap(),
        name: "Ether".to_owned(),
        chain: "eip155:31337".to_owned(),
        contract: None,
        decimals: 18,
        settles_in_s: 12,
        settling: Vec::new(),
        minimum: contracts::asset::Units::ZERO,
        not_payable: None,
        rates: vec![quote.rate.clone()],
    };
    ShownAssets { as_of: Utc::now(), assets: vec![asset] }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_reader_needs_nothing_from_elsewhere() {
    let world = World::new().await;
    let get = async |path: &str| {
        let request = Request::get(path).body(Body::empty()).unwrap();
        let response = tower::ServiceExt::oneshot(world.router.clone(), request).await.unwrap();
        let policy = response.headers().get("content-security-policy").cloned();
        let status = response.status();
        let bytes = axum::body::to_bytes(response.into_body(), 1 << 24).await.unwrap();
        (status, policy, String::from_utf8_lossy(&bytes).into_owned())
    };
    assert!(get("/docs").await.0.is_redirection());
    let (status, policy, page) = get("/docs/").await;
    assert_eq!(status, StatusCode::OK);
    assert!(policy.unwrap().to_str().unwrap().starts_with("default-src 'self'"));
    let named = page.split(['"', '\'']).filter(|text| {
        let file = |end: &str| text.ends_with(end);
        file(".js") || file(".css") || file(".png")
    });
    let named: BTreeSet<&str> = named.collect();
    assert!(named.iter().any(|file| file.ends_with("bundle.js")), "{page}");
    for file in named {
        assert!(!file.contains("//"), "{file} is elsewhere");
        let (status, _, text) = get(&format!("/docs/{}", file.trim_start_matches("./"))).await;
        assert_eq!(status, StatusCode::OK, "{file}");
        if file.ends_with("initializer.js") {
            assert!(text.contains("/openapi.json"), "{text}");
            assert!(text.contains(r#""validatorUrl": "none""#), "{text}");
        }
    }
}

/// What is made of parts allows what each of them has.
#[tokio::test]
async fn no_part_of_a_schema_forbids_the_others() {
    let world = World::new().await;
    let document = document(&world).await;
    let mut waits = vec![&document];
    let mut found = 0;
    while let Some(value) = waits.pop() {
        let parts = value["allOf"].as_array().filter(|parts| parts.len() > 1);
        for part in parts.into_iter().flatten() {
            let named = part["$ref"].as_str().and_then(|name| name.strip_prefix('#'));
            let part = named.map_or(part, |pointer| document.pointer(pointer).unwrap());
            assert_ne!(part["additionalProperties"], false, "{part}");
            found += 1;
        }
        waits.extend(value.as_object().into_iter().flat_map(|fields| fields.values()));
        waits.extend(value.as_array().into_iter().flatten());
    }
    assert!(found > 0, "nothing is made of parts");
}
