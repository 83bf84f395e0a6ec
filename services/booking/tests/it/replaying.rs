//! Rows made again from their journals, and a booking carried into another stack.

use axum::http::StatusCode;
use booking::replay;
use contracts::ids::BookingId;
use sqlx::PgPool;
use uuid::Uuid;

use crate::{
    neighbour::{Neighbour, reaches},
    world::World,
};

/// A confirmed booking of `acct_1`.
async fn confirmed(world: &World) -> Uuid {
    world.app.hear();
    world.app.listening().await;
    let (booking_id, quote) = world.booked("acct_1").await;
    Neighbour::of(world, booking_id).await.confirms(&quote).await;
    reaches(world, booking_id, "confirmed").await;
    booking_id
}

async fn row(pool: &PgPool) -> (String, String, i64) {
    sqlx::query_as("select state::text, phase, version from booking").fetch_one(pool).await.unwrap()
}

/// Row: A10
#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_was_spoilt_by_hand_is_found_and_made_again() {
    let world = World::new().await;
    world.service.logs.expect("a journal cannot be read");
    let booking_id = confirmed(&world).await;
    let before = row(&world.pool).await;
    let whole = replay::rows(&world.pool, None, true).await.unwrap();
    assert_eq!((whole.checked, whole.differ.len()), (1, 0), "{whole:?}");
    for spoil in [
        r#"update booking set state = replace(state::text, '"confirmed"', '"failed"')::json"#,
        "update booking set phase = 'failed'",
        "update booking set state = '{}', version = 1",
    ] {
        assert_eq!(sqlx::query(spoil).execute(&world.pool).await.unwrap().rows_affected(), 1);
        let found = replay::rows(&world.pool, None, true).await.unwrap();
        assert_eq!((found.differ, found.restored), (vec![booking_id], 0), "{spoil}");
        assert_ne!(row(&world.pool).await, before, "{spoil}: who checks changes nothing");
        let made = replay::rows(&world.pool, Some(booking_id), false).await.unwrap();
        assert_eq!((made.checked, made.restored), (1, 1), "{spoil}");
        assert_eq!(row(&world.pool).await, before, "{spoil}");
    }
    // A journal that cannot be read makes nothing.
    let stranger = "insert into booking_event (booking_id, version, at, kind, body, source, actor)
                    select booking_id, 1000, at, 'x', '{\"is\":\"x\"}', source, actor
                      from booking_event where version = 1";
    sqlx::query(stranger).execute(&world.pool).await.unwrap();
    let found = replay::rows(&world.pool, None, false).await.unwrap();
    assert_eq!((found.differ, found.restored), (vec![booking_id], 0));
    assert_eq!(row(&world.pool).await, before);
    assert_eq!(replay::rows(&world.pool, Some(Uuid::nil()), true).await.unwrap().checked, 0);
}

/// Row: A10
#[tokio::test(flavor = "multi_thread")]
async fn a_row_whose_journal_is_lost_or_has_no_beginning_is_named_and_holds_up_nobody() {
    let world = World::new().await;
    world.service.logs.expect("a journal has no beginning");
    let spoilt = confirmed(&world).await;
    let before = row(&world.pool).await;
    let (lost, headless) = (Uuid::from_u128(1), Uuid::from_u128(2));
    for id in [lost, headless] {
        let copy = "insert into booking (booking_id, account_id, quote_id, version, phase, state,
                                         created_at, changed_at)
                    select $1, account_id, $1, version, phase, state, created_at, changed_at
                      from booking where booking_id = $2";
        sqlx::query(copy).bind(id).bind(spoilt).execute(&world.pool).await.unwrap();
    }
    let rest = "insert into booking_event (booking_id, version, at, kind, body, source, actor)
                select $1, version, at, kind, body, source, actor
                  from booking_event where booking_id = $2 and version > 1";
    sqlx::query(rest).bind(headless).bind(spoilt).execute(&world.pool).await.unwrap();
    let phase = "update booking set phase = 'failed' where booking_id = $1";
    sqlx::query(phase).bind(spoilt).execute(&world.pool).await.unwrap();

    let found = replay::rows(&world.pool, None, true).await.unwrap();
    assert_eq!((found.checked, found.differ), (3, vec![lost, headless, spoilt]));
    let made = replay::rows(&world.pool, None, false).await.unwrap();
    assert_eq!((made.checked, made.differ.len(), made.restored), (3, 3, 1));
    let found = replay::rows(&world.pool, None, true).await.unwrap();
    assert_eq!(found.differ, vec![lost, headless], "the one that could be is made again");
    let made: (String, String, i64) =
        sqlx::query_as("select state::text, phase, version from booking where booking_id = $1")
            .bind(spoilt)
            .fetch_one(&world.pool)
            .await
            .unwrap();
    assert_eq!(made, before);
}

/// Row: A10
#[tokio::test(flavor = "multi_thread")]
async fn a_booking_is_carried_into_another_stack_with_nothing_about_its_person() {
    let world = World::new().await;
    let booking_id = confirmed(&world).await;
    let export = replay::without_persons(&world.pool, BookingId(booking_id)).await.unwrap();
    let text = serde_json::to_string(&export).unwrap();
    let (state, ..) = row(&world.pool).await;
    let state: serde_json::Value = serde_json::from_str(&state).unwrap();
    let named = |pointer: &str| state.pointer(pointer).and_then(|v| v.as_str()).unwrap().to_owned();
    for secret in [
        named("/account_id"),
        named("/payment/instruction/instruction/address"),
        named("/payment/instruction/signature"),
        named("/legs/0/order/book_key"),
        named("/legs/0/known/state/reference"),
    ] {
        assert!(!text.contains(&format!("\"{secret}\"")), "{secret}");
        assert!(!text.contains(&format!("\\\"{secret}\\\"")), "{secret}");
    }

    let elsewhere = World::new().await;
    // What was signed is masked, so it is shown to nobody.
    for watched in [&world, &elsewhere] {
        watched.service.logs.expect("does not carry payment-verification's signature");
    }
    let mut config = elsewhere.config.clone();
    let refused = replay::may_import(&config).unwrap_err();
    assert!(refused.to_string().contains("BOOKING_STACK=development"), "{refused}");
    config.stack = booking::config::Stack::Development;
    replay::may_import(&config).unwrap();
    let account = replay::take(&elsewhere.pool, &export).await.unwrap();
    let whole = replay::rows(&elsewhere.pool, None, true).await.unwrap();
    assert_eq!((whole.checked, whole.differ.len()), (1, 0), "{whole:?}");
    let path = format!("/v1/bookings/{booking_id}/history");
    let (there, here) = (elsewhere.get(&account, &path).await, world.get("acct_1", &path).await);
    assert_eq!((there.status, here.status), (StatusCode::OK, StatusCode::OK));
    let words = |answer: &serde_json::Value| -> Vec<String> {
        let changes = answer["changes"].as_array().unwrap().iter();
        changes.map(|change| format!("{} {}", change["change"], change["after"])).collect()
    };
    assert_eq!(words(&there.json()), words(&here.json()), "it went the same way");
    assert!(replay::take(&elsewhere.pool, &export).await.is_err(), "it is there");

    let path = format!("/internal/bookings/{booking_id}/export");
    let raw = serde_json::from_slice(&world.internal(&path).await.bytes).unwrap();
    let refused = replay::take(&elsewhere.pool, &raw).await.unwrap_err();
    assert!(refused.to_string().contains("not masked"), "{refused}");
}
