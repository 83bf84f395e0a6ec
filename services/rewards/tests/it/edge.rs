//! Who may ask what over HTTP, and what bad input is told.

use axum::http::{Method, StatusCode};
use contracts::internal::{TimelineKind, TimelineReply};
use serde_json::json;

use crate::house::{House, account, booking, cancelled, confirmed, path};

#[tokio::test]
async fn only_services_see_accounts_and_only_admins_give_points() {
    let house = House::open().await;
    let who = account();
    let (see, give) = (path(&who), format!("{}/grants", path(&who)));
    let gift = || {
        Some(json!({ "grant_id": chassis::mint::uuid7(), "points": 10, "reason": " they waited" }))
    };
    let no_reason = || Some(json!({ "grant_id": chassis::mint::uuid7(), "points": 10 }));
    let customer = house.token(who.as_str(), &[], "holdfast");
    let viewer = house.token("ada", &["support_viewer"], "holdfast");
    let admin = house.token("grace", &["support_admin"], "holdfast");
    let service = house.token("booking", &[], "internal");

    for (method, path, token, body, wanted) in [
        (Method::GET, &see, None, None, StatusCode::UNAUTHORIZED),
        (Method::GET, &see, Some(&customer), None, StatusCode::UNAUTHORIZED),
        (Method::GET, &see, Some(&service), None, StatusCode::OK),
        (Method::POST, &give, None, gift(), StatusCode::UNAUTHORIZED),
        (Method::POST, &give, Some(&customer), gift(), StatusCode::FORBIDDEN),
        (Method::POST, &give, Some(&viewer), gift(), StatusCode::FORBIDDEN),
        (Method::POST, &give, Some(&viewer), Some(json!({})), StatusCode::FORBIDDEN),
        (Method::POST, &give, Some(&admin), no_reason(), StatusCode::UNPROCESSABLE_ENTITY),
        (Method::POST, &give, Some(&admin), gift(), StatusCode::OK),
        (Method::POST, &give, Some(&service), no_reason(), StatusCode::OK),
    ] {
        let said = format!("{method} {path} {token:?}");
        let (status, _) = house.call(method, path, token.map(String::as_str), body).await;
        assert_eq!(status, wanted, "{said}");
    }
    assert_eq!(house.sums(&who).await, [20, 0, 0, 0]);
    let kept: Vec<(String, Option<String>)> = sqlx::query_as(
        "select actor, reason from account_event where account_id = $1 order by version",
    )
    .bind(who.as_str())
    .fetch_all(&mut house.admin().await)
    .await
    .unwrap();
    let because = Some("they waited".to_owned());
    assert_eq!(kept, [("staff:grace".to_owned(), because), ("booking".to_owned(), None)]);
    house.close().await;
}

#[tokio::test]
async fn support_is_told_of_a_bookings_points_and_finds_it_by_its_account() {
    let house = House::open().await;
    let (who, booking_id) = (account(), booking());
    house.say(&confirmed(&who, booking_id, 10_000, 3)).await;
    house.say(&cancelled(&who, booking_id)).await;
    house.handled().await;
    let service = house.token("support-console", &[], "internal");
    let customer = house.token(who.as_str(), &[], "holdfast");
    let get = |path: String, token: String| {
        let house = &house;
        async move { house.call(Method::GET, &path, Some(&token), None).await }
    };
    let path = format!("/internal/timeline/{booking_id}");
    assert_eq!(get(path.clone(), customer.clone()).await.0, StatusCode::UNAUTHORIZED);
    let (status, body) = get(path, service.clone()).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    assert!(!body.to_string().contains(who.as_str()), "{body}");
    let told: TimelineReply = serde_json::from_value(body).unwrap();
    let said: Vec<_> = told.entries.iter().map(|e| (e.kind, e.what.as_str())).collect();
    let ledger = TimelineKind::Ledger;
    assert_eq!(said, [(ledger, "earned: +300 points"), (ledger, "voided: -300 points")]);
    assert!(told.entries.iter().all(|e| e.message_id.is_some() && e.actor == "booking"));

    let message = told.entries[1].message_id.unwrap();
    for (key, by) in [
        (booking_id.to_string(), "booking"),
        (who.to_string(), "account"),
        (message.to_string(), "message"),
    ] {
        let (_, body) = get(format!("/internal/find?key={key}"), service.clone()).await;
        let expected = json!({ "found": [{ "booking_id": booking_id, "by": by }] });
        assert_eq!(body, expected, "{key}");
    }
    for key in [booking().to_string(), account().to_string(), "a%20b".to_owned()] {
        let (status, body) = get(format!("/internal/find?key={key}"), service.clone()).await;
        assert_eq!((status, &body), (StatusCode::OK, &json!({ "found": [] })), "{key}");
    }
    let path = format!("/internal/find?key={booking_id}");
    assert_eq!(get(path, customer).await.0, StatusCode::UNAUTHORIZED);
    house.close().await;
}

#[tokio::test]
async fn a_gift_is_given_once_and_bad_ones_are_told_why() {
    let house = House::open().await;
    let who = account();
    let token = house.token("booking", &[], "internal");
    let address = format!("{}/grants", path(&who));
    let give = |body| house.call(Method::POST, &address, Some(&token), Some(body));
    let grant = chassis::mint::uuid7;
    let grant_id = grant();
    for _ in 0..3 {
        let (status, body) = give(json!({ "grant_id": grant_id, "points": 10 })).await;
        assert_eq!(status, StatusCode::OK, "{body}");
        assert_eq!(body["points"]["available"], 10);
    }
    let (status, body) = give(json!({ "grant_id": grant_id, "points": 11 })).await;
    assert_eq!((status, &body["code"]), (StatusCode::CONFLICT, &json!("grant_differs")));
    let invalid = StatusCode::UNPROCESSABLE_ENTITY;
    let most = house.service.policy.rewards.grant_points_max;
    for points in [0, most + 1, 1_000_000_000_000] {
        let (status, body) = give(json!({ "grant_id": grant(), "points": points })).await;
        assert_eq!((status, &body["code"]), (invalid, &json!("grant_out_of_range")), "{points}");
    }
    for reason in ["", " ", "a\0b", &"x".repeat(501)] {
        let body = json!({ "grant_id": grant(), "points": 1, "reason": reason });
        let (status, body) = give(body).await;
        let told = (status, &body["errors"][0]["pointer"]);
        assert_eq!(told, (invalid, &json!("/reason")), "{reason:?}");
    }
    let (status, _) = give(json!({ "grant_id": grant_id, "points": 10, "extra": 1 })).await;
    assert_eq!(status, invalid);
    let (status, _) = give(json!({ "grant_id": grant_id, "points": -1 })).await;
    assert_eq!(status, invalid);
    assert_eq!(house.sums(&who).await, [10, 0, 0, 0]);
    house.close().await;
}
