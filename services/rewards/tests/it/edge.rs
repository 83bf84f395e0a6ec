//! Who may ask what over HTTP, and what bad input is told.

use axum::http::{Method, StatusCode};
use serde_json::json;

use crate::house::{House, account, path};

#[tokio::test]
async fn only_services_see_accounts_and_only_admins_give_points() {
    let house = House::open().await;
    let who = account();
    let (see, give) = (path(&who), format!("{}/grants", path(&who)));
    let gift = || Some(json!({ "grant_id": chassis::mint::uuid7(), "points": 10 }));
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
        (Method::POST, &give, Some(&admin), gift(), StatusCode::OK),
        (Method::POST, &give, Some(&service), gift(), StatusCode::OK),
    ] {
        let said = format!("{method} {path} {token:?}");
        let (status, _) = house.call(method, path, token.map(String::as_str), body).await;
        assert_eq!(status, wanted, "{said}");
    }
    assert_eq!(house.sums(&who).await, [20, 0, 0, 0]);
    house.close().await;
}

#[tokio::test]
async fn a_gift_is_given_once_and_bad_ones_are_told_why() {
    let house = House::open().await;
    let who = account();
    let token = house.token("booking", &[], "internal");
    let address = format!("{}/grants", path(&who));
    let give = |body| house.call(Method::POST, &address, Some(&token), Some(body));
    let grant_id = chassis::mint::uuid7();
    for _ in 0..3 {
        let (status, body) = give(json!({ "grant_id": grant_id, "points": 10 })).await;
        assert_eq!(status, StatusCode::OK, "{body}");
        assert_eq!(body["points"]["available"], 10);
    }
    let (status, body) = give(json!({ "grant_id": grant_id, "points": 11 })).await;
    assert_eq!((status, &body["code"]), (StatusCode::CONFLICT, &json!("grant_differs")));
    let (status, body) = give(json!({ "grant_id": chassis::mint::uuid7(), "points": 0 })).await;
    assert_eq!(
        (status, &body["code"]),
        (StatusCode::UNPROCESSABLE_ENTITY, &json!("grant_out_of_range"))
    );
    let (status, _) = give(json!({ "grant_id": grant_id, "points": 10, "extra": 1 })).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    let (status, _) = give(json!({ "grant_id": grant_id, "points": -1 })).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(house.sums(&who).await, [10, 0, 0, 0]);
    house.close().await;
}
