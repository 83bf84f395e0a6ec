//! Staff see dead letters by pages; nobody else does, and nobody changes one.

use axum::http::StatusCode;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use sqlx::Connection as _;
use uuid::Uuid;

use crate::console::{Console, failed, id};

#[tokio::test]
async fn only_staff_see_dead_letters() {
    let console = Console::open().await;
    let nothing = format!("/v1/dead-letters/{}", id());
    for (roles, list, one) in [
        (None, StatusCode::UNAUTHORIZED, StatusCode::UNAUTHORIZED),
        (Some(vec![]), StatusCode::FORBIDDEN, StatusCode::FORBIDDEN),
        (Some(vec!["guest"]), StatusCode::FORBIDDEN, StatusCode::FORBIDDEN),
        (Some(vec!["support_viewer"]), StatusCode::OK, StatusCode::NOT_FOUND),
        (Some(vec!["support_operator"]), StatusCode::OK, StatusCode::NOT_FOUND),
        (Some(vec!["support_approver"]), StatusCode::OK, StatusCode::NOT_FOUND),
        (Some(vec!["support_admin"]), StatusCode::OK, StatusCode::NOT_FOUND),
    ] {
        let (status, _) = console.get("/v1/dead-letters", roles.as_deref()).await;
        assert_eq!(status, list, "{roles:?}");
        let (status, _) = console.get(&nothing, roles.as_deref()).await;
        assert_eq!(status, one, "{roles:?}");
    }
    console.close().await;
}

#[tokio::test]
async fn pages_show_every_letter_once_and_filters_narrow_them() {
    let console = Console::open().await;
    let _refuses = console.with_a_service_that_refuses().await;
    let routing = console.service.prefix.routing();
    for _ in 0..7 {
        console.broker.say(&routing, id(), 0, &failed()).await;
    }
    let all = console.letters(7).await;

    let mut seen = Vec::new();
    let mut path = "/v1/dead-letters?limit=3".to_owned();
    loop {
        let (_, page) = console.get(&path, Some(&["support_viewer"])).await;
        seen.extend(page["dead_letters"].as_array().unwrap().clone());
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        path = format!("/v1/dead-letters?limit=3&cursor={cursor}");
    }
    assert_eq!(seen, all);

    let count = async |query: String| {
        let path = format!("/v1/dead-letters?{query}");
        let (_, page) = console.get(&path, Some(&["support_viewer"])).await;
        page["dead_letters"].as_array().map(Vec::len)
    };
    let one = all[4]["booking_id"].as_str().unwrap();
    assert_eq!(count(format!("booking_id={one}")).await, Some(1));
    assert_eq!(count("consumer=rewards&cause=rejected".to_owned()).await, Some(7));
    assert_eq!(count("cause=crash".to_owned()).await, Some(0));
    console.close().await;
}

#[tokio::test]
async fn a_bad_question_is_told_all_that_is_wrong() {
    let console = Console::open().await;
    let ask = async |query: &str| {
        let path = format!("/v1/dead-letters?{query}");
        let (status, body) = console.get(&path, Some(&["support_viewer"])).await;
        let pointers = body["errors"].as_array().cloned().unwrap_or_default();
        (status, pointers.into_iter().map(|e| e["pointer"].clone()).collect::<Vec<Value>>())
    };
    let invalid = StatusCode::UNPROCESSABLE_ENTITY;
    let both = vec![json!("?limit"), json!("?cursor")];
    assert_eq!(ask("limit=0&cursor=zzz").await, (invalid, both));
    // Places before and after all that a list can have, and what the database has no time for.
    let odd = [-1, 253_402_300_800_000_000, -300_000_000_000_000_000, 8_000_000_000_000_000_000];
    for micros in odd.map(|micros: i64| micros.to_string()) {
        let cursor = URL_SAFE_NO_PAD.encode(format!("{micros} {}", Uuid::nil()));
        let told = ask(&format!("cursor={cursor}")).await;
        assert_eq!(told, (invalid, vec![json!("?cursor")]), "{micros}");
    }
    assert_eq!(ask("limit=many").await.0, invalid);
    assert_eq!(ask("colour=blue").await.0, invalid);
    let (status, _) = console.get("/v1/dead-letters/none", Some(&["support_viewer"])).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    console.close().await;
}

#[tokio::test]
async fn the_service_can_neither_change_nor_forget_a_dead_letter() {
    use chassis::ExposeSecret as _;
    let console = Console::closed().await;
    let url = console.service.database.service_url();
    let mut conn = sqlx::PgConnection::connect(url.expose_secret()).await.unwrap();
    for statement in
        ["update dead_letter set cause = 'none'", "delete from dead_letter", "truncate dead_letter"]
    {
        let error = sqlx::raw_sql(statement).execute(&mut conn).await.unwrap_err();
        let error = error.into_database_error().unwrap();
        assert_eq!(error.code().as_deref(), Some("42501"), "{statement}");
    }
    console.close().await;
}
