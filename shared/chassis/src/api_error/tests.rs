//! Problems as callers see them.

use std::time::Duration;

use axum::{body::to_bytes, response::IntoResponse as _};
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use super::{ApiError, FieldError};

async fn answered(error: ApiError) -> (StatusCode, HeaderMap, Value) {
    let response = error.into_response();
    let (parts, body) = response.into_parts();
    let body = to_bytes(body, usize::MAX).await.unwrap();
    (parts.status, parts.headers, serde_json::from_slice(&body).unwrap())
}

#[tokio::test]
async fn a_problem_carries_type_title_status_code_and_detail() {
    let error = ApiError::conflict("price_changed", "the room costs more")
        .with_title("The price has changed")
        .with("total", json!({ "amount": "120.00", "currency": "EUR" }));
    let (status, headers, body) = answered(error).await;
    assert_eq!(status, StatusCode::CONFLICT);
    assert_eq!(headers["content-type"], "application/problem+json");
    assert_eq!(headers["cache-control"], "no-store");
    assert_eq!(
        body,
        json!({
            "type": "https://holdfast.dev/problems/price_changed",
            "title": "The price has changed",
            "status": 409,
            "code": "price_changed",
            "detail": "the room costs more",
            "total": { "amount": "120.00", "currency": "EUR" },
        })
    );
}

#[tokio::test]
async fn all_wrong_fields_are_listed_at_once() {
    let errors = vec![
        FieldError::new("/travellers/0/name", "missing", "is needed"),
        FieldError::new("/contact/email", "invalid", "is no address"),
    ];
    let (status, _, body) = answered(ApiError::invalid(errors)).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(body["errors"][1]["pointer"], "/contact/email");
    assert_eq!(body["errors"].as_array().unwrap().len(), 2);
    assert_eq!(body["detail"], "/travellers/0/name: is needed (and 1 more)");
}

#[tokio::test]
async fn a_wait_is_never_rounded_down_to_nothing() {
    for (wait, seconds) in [(0, "1"), (1, "1"), (1000, "1"), (1001, "2"), (59_500, "60")] {
        let error = ApiError::too_many_requests(Duration::from_millis(wait));
        let (status, headers, _) = answered(error).await;
        assert_eq!(status, StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(headers["retry-after"], seconds, "{wait} ms");
    }
}

#[tokio::test]
async fn an_internal_error_says_nothing_of_its_cause() {
    let cause = std::io::Error::other("password authentication failed for user booking");
    let (status, _, body) = answered(ApiError::internal(&cause)).await;
    assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
    assert!(!body.to_string().contains("password"), "{body}");
}

#[tokio::test]
async fn an_extra_member_cannot_replace_what_the_problem_says() {
    let error = ApiError::not_found().with("status", 200).with("type", "about:blank");
    let (_, _, body) = answered(error).await;
    assert_eq!(body["status"], 404);
    assert_eq!(body["type"], "https://holdfast.dev/problems/not_found");
}

#[tokio::test]
async fn who_is_unknown_is_told_how_to_be_known() {
    let (_, headers, _) = answered(ApiError::unauthorized()).await;
    assert_eq!(headers["www-authenticate"], "Bearer");
}
