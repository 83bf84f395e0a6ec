//! What comes in from outside is right as a whole, or refused with everything that is wrong with
//! it.

use e2e::{
    gateway::{Gateway, describe},
    traveller::{Traveller, request, some_family, some_stay},
};
use http::{Method, StatusCode};
use serde_json::json;

use crate::stage;

/// Row: L7
#[tokio::test(flavor = "multi_thread")]
async fn the_edge_says_everything_that_is_wrong_at_once() {
    let stack = stage::patient("l7").await;
    let ada = Traveller::of(&stack, "ada").await.unwrap();
    let gateway = &ada.gateway;
    let quote = gateway.quote(&some_stay()).await.unwrap();

    let body = json!({
        "quote_id": "no-id",
        "travellers": [
            {"given_name": "", "family_name": "x".repeat(51), "title": "Dr"},
            {"given_name": "李"},
        ],
        "contact": {"email": "ada", "phone": "030 901820"},
        "special_requests": "y".repeat(501),
        "redeem_points": -1,
        "price": 1,
    });
    let refused = gateway.book("k", &body).await.unwrap();
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", describe(&refused));
    assert_eq!(refused.header("content-type"), "application/problem+json");
    let mut pointers = refused.pointers();
    pointers.sort();
    assert_eq!(
        pointers,
        [
            "/contact/email",
            "/contact/phone",
            "/price",
            "/quote_id",
            "/redeem_points",
            "/special_requests",
            "/travellers/0/family_name",
            "/travellers/0/given_name",
            "/travellers/0/title",
            "/travellers/1/family_name",
        ]
    );

    let path = "/v1/stays?property_id=&check_in=2020-01-02&check_out=2020-01-01&adults=0&currency=DOGE&page=2";
    let refused = gateway.get(path).await.unwrap();
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", describe(&refused));
    let errors = refused.json()["errors"].as_array().unwrap().clone();
    let names =
        errors.iter().map(|e| e["pointer"].as_str().unwrap().trim_start_matches('?').to_owned());
    let names: std::collections::BTreeSet<String> = names.collect();
    for name in ["property_id", "check_in", "check_out", "adults", "currency", "page"] {
        assert!(names.contains(name), "{name} is not in {names:?}");
    }

    let offers = json!({"offers": ["none of ours"], "pay_with": "doubloons", "hurry": true});
    let refused = gateway.post("/v1/quotes", &offers).await.unwrap();
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", describe(&refused));
    assert!(refused.pointers().contains(&"/offers/0".to_owned()), "{}", describe(&refused));
    assert!(refused.pointers().contains(&"/hurry".to_owned()), "{}", describe(&refused));

    // Not JSON, not the right kind, far too long.
    let post = async |body: Vec<u8>, kind: &str| {
        let headers = [("idempotency-key", "k"), ("content-type", kind)];
        gateway.send(Method::POST, "/v1/bookings", &headers[..1], Some(body.into())).await.unwrap()
    };
    let refused = post(b"{\"quote_id\": ".to_vec(), "application/json").await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{}", describe(&refused));
    let huge = format!("{{\"quote_id\": \"{}\"}}", "z".repeat(1024 * 1024));
    let refused = post(huge.into_bytes(), "application/json").await;
    assert_eq!(refused.status, StatusCode::PAYLOAD_TOO_LARGE, "{}", describe(&refused));
    assert_eq!(refused.header("content-type"), "application/problem+json");

    // None of that spent the quote.
    let accepted = gateway.book("k", &request(&quote, &some_family())).await.unwrap();
    assert_eq!(accepted.status, StatusCode::ACCEPTED, "{}", describe(&accepted));
    let booking = format!("/v1/bookings/{}", accepted.json()["booking_id"].as_str().unwrap());

    // Somebody else's booking is no booking; no token, a spoilt one, and one for services are none.
    let grace = gateway.with_token(&stack.token("grace", &["customer"]));
    let strangers = [
        (grace.clone(), StatusCode::NOT_FOUND),
        (gateway.with_token(""), StatusCode::UNAUTHORIZED),
        (gateway.with_token("not.a.token"), StatusCode::UNAUTHORIZED),
        (gateway.with_token(&stack.internal_token("rewards")), StatusCode::UNAUTHORIZED),
        (gateway.with_token(&foreign_token()), StatusCode::UNAUTHORIZED),
        (gateway.with_token(&stack.token("ada", &["support_admin"])), StatusCode::FORBIDDEN),
    ];
    for (stranger, status) in &strangers {
        for path in [booking.clone(), format!("{booking}/history")] {
            let answer = stranger.get(&path).await.unwrap();
            assert_eq!(answer.status, *status, "{path}: {}", describe(&answer));
        }
    }
    let refused = grace.cancel(accepted.json()["booking_id"].as_str().unwrap()).await.unwrap();
    assert_eq!(refused.status, StatusCode::NOT_FOUND, "{}", describe(&refused));
    // A customer's token opens no door between services.
    let id = accepted.json()["booking_id"].as_str().unwrap().to_owned();
    let inside = gateway.get(&format!("/internal/bookings/{id}/travellers")).await.unwrap();
    assert_eq!(inside.status, StatusCode::UNAUTHORIZED, "{}", describe(&inside));
    for service in ["supplier-sync", "payment-verification", "rewards"] {
        let stranger = Gateway::new(&stack.url(service), &stack.token("ada", &["customer"]));
        let path = if service == "rewards" { "/internal/accounts/ada" } else { "/internal/shown" };
        let status = stranger.get(path).await.unwrap().status;
        let closed =
            [StatusCode::UNAUTHORIZED, StatusCode::NOT_FOUND, StatusCode::METHOD_NOT_ALLOWED];
        assert!(closed.contains(&status), "{service}: {status}");
    }
    stack.stop().await.unwrap();
}

/// A token of the right shape, signed by somebody else.
fn foreign_token() -> String {
    use secrecy::ExposeSecret as _;
    let signer = chassis::auth::Signer::generate("holdfast-dev").unwrap();
    let hour = std::time::Duration::from_secs(3600);
    signer.token("ada", &["customer"], "holdfast", hour).unwrap().expose_secret().to_owned()
}
