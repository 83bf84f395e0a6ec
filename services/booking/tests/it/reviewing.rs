//! A booking that waits for a person: shown with why, since when, whose it is, and what is safe.

use axum::http::StatusCode;
use contracts::{
    asset::Units,
    ids::LegId,
    internal::{ReviewReply, SafeAct},
    messages::{Closing, LegState, UndoFailedWhy, UndoFailing},
};
use serde_json::{Value, json};
use testkit::until;
use uuid::Uuid;

use crate::{
    neighbour::{Neighbour, reaches},
    world::World,
};

async fn shown(world: &World, booking_id: Uuid) -> ReviewReply {
    let answer = world.internal(&format!("/internal/bookings/{booking_id}/review")).await;
    assert_eq!(answer.status, StatusCode::OK);
    serde_json::from_value(answer.json()).unwrap()
}

async fn act(world: &World, booking_id: Uuid, staff: &str, act: &str) -> (StatusCode, Value) {
    let body = json!({"staff": staff, "why": "my shift", "act": act});
    let path = format!("/internal/bookings/{booking_id}/review");
    let answer = world.internal_post(&path, &body).await;
    (answer.status, answer.json())
}

/// Row: G8
/// Row: A6
#[tokio::test(flavor = "multi_thread")]
async fn a_review_says_why_since_when_whose_it_is_and_what_is_safe() {
    let world = World::new().await;
    world.app.hear();
    world.app.listening().await;
    let (booking_id, quote) = world.booked("acct_1").await;
    let (status, body) = act(&world, booking_id, "ada", "take").await;
    assert_eq!((status, &body["code"]), (StatusCode::CONFLICT, &json!("not_in_review")), "{body}");
    let nothing = shown(&world, booking_id).await;
    assert!(nothing.review.is_none() && nothing.safe.is_empty());

    let mut neighbour = Neighbour::of(&world, booking_id).await;
    neighbour.prepared().await;
    neighbour.leg(&quote, 1, LegState::Held { reference: "R1".to_owned(), until: None }).await;
    reaches(&world, booking_id, "awaiting_payment").await;
    let cancelled =
        world.post("acct_1", &format!("/v1/bookings/{booking_id}/cancellation"), &json!({})).await;
    assert_eq!(cancelled.status, StatusCode::ACCEPTED);
    let failing = UndoFailing { attempts: 3, why: UndoFailedWhy::Refused };
    neighbour.undo_failing(&quote, 2, failing).await;
    let reply = until("the review", async || {
        Some(shown(&world, booking_id).await).filter(|reply| reply.review.is_some())
    })
    .await;
    let review = reply.review.unwrap();
    let stuck = review.stuck.unwrap();
    assert_eq!(review.why, "stuck");
    assert_eq!((stuck.step.as_str(), stuck.reason.as_str()), ("release_leg", "refused"));
    assert_eq!((stuck.attempts, review.owner), (3, None));
    let leg_id = quote.legs[0].leg_id;
    assert_eq!(stuck.leg_id, Some(leg_id));
    assert_eq!(reply.safe, [SafeAct::Take {}, SafeAct::RepairLeg { leg_id }]);

    // One that was open before its column was there is listed all the same.
    sqlx::raw_sql("update booking set review_since = null").execute(&world.pool).await.unwrap();
    let filled = include_str!("../../migrations/0004_reviews_known.sql");
    for (migrated, count) in [("select 1", 0), (filled, 1)] {
        sqlx::raw_sql(migrated).execute(&world.pool).await.unwrap();
        let listed = world.internal("/internal/attention").await.json();
        assert_eq!(listed["items"].as_array().unwrap().len(), count, "{listed}");
    }

    let (status, body) = act(&world, booking_id, "ada", "take").await;
    assert_eq!((status, &body["review"]["owner"]), (StatusCode::OK, &json!("ada")), "{body}");
    let after = body["versions"]["after"].as_i64().unwrap();
    assert_eq!(body["versions"]["before"], after - 1, "{body}");
    let (status, body) = act(&world, booking_id, "bob", "take").await;
    assert_eq!((status, &body["owner"]), (StatusCode::CONFLICT, &json!("ada")), "{body}");
    let (_, body) = act(&world, booking_id, "ada", "take").await;
    let version: i64 =
        sqlx::query_scalar("select max(version) from booking_event where booking_id = $1")
            .bind(booking_id)
            .fetch_one(&world.pool)
            .await
            .unwrap();
    assert_eq!(version, after, "taken again it changes nothing: {body}");
    let (status, body) = act(&world, booking_id, " ", "release").await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{body}");
    let (status, _) = act(&world, Uuid::nil(), "ada", "take").await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    let kept: Value = sqlx::query_scalar(
        "select json_build_array(source, actor, body -> 'event' -> 'why') from booking_event
          where kind = 'review_taken'",
    )
    .fetch_one(&world.pool)
    .await
    .unwrap();
    assert_eq!(kept, json!(["staff", "staff:ada", "my shift"]));
    // Their customer reads that support looks into it, not who, nor what they noted.
    let told = world.get("acct_1", &format!("/v1/bookings/{booking_id}/history")).await;
    let text = String::from_utf8(told.bytes.clone()).unwrap();
    assert!(!text.contains("\"ada\"") && !text.contains("staff:ada"), "{text}");
    assert!(!text.contains("my shift"), "{text}");
    let changes = told.json()["changes"].as_array().unwrap().clone();
    let taken = changes.iter().find(|change| change["change"] == "review_taken").unwrap();
    assert_eq!((&taken["actor"], &taken["source"]), (&json!("support"), &json!("staff")));
    assert_eq!(taken["evidence"], json!({"is": "review_taken"}));
    let customer = world.get("acct_1", &format!("/internal/bookings/{booking_id}/review")).await;
    assert_eq!(customer.status, StatusCode::UNAUTHORIZED);
}

/// A leg is named with the act, and left there or given back by whoever looks into the booking.
async fn settle(
    world: &World,
    booking_id: Uuid,
    act: &str,
    leg_id: Option<LegId>,
) -> (StatusCode, Value) {
    let body = json!({"staff": "ada", "why": "they told me", "act": act, "leg_id": leg_id});
    let path = format!("/internal/bookings/{booking_id}/review");
    let answer = world.internal_post(&path, &body).await;
    (answer.status, answer.json())
}

/// Row: G8
/// Row: A6
#[tokio::test(flavor = "multi_thread")]
async fn a_leg_that_its_supplier_keeps_is_left_there_and_the_booking_ends() {
    let world = World::new().await;
    world.app.hear();
    world.app.listening().await;
    let (booking_id, quote) = world.booked("acct_1").await;
    let mut neighbour = Neighbour::of(&world, booking_id).await;
    neighbour.prepared().await;
    neighbour.leg(&quote, 1, LegState::Held { reference: "R1".to_owned(), until: None }).await;
    reaches(&world, booking_id, "awaiting_payment").await;
    let path = format!("/v1/bookings/{booking_id}");
    world.post("acct_1", &format!("{path}/cancellation"), &json!({})).await;
    let failing = UndoFailing { attempts: 3, why: UndoFailedWhy::Refused };
    neighbour.undo_failing(&quote, 2, failing).await;
    until("the review", async || shown(&world, booking_id).await.review).await;
    act(&world, booking_id, "ada", "take").await;
    let leg_id = quote.legs[0].leg_id;
    let leave = SafeAct::LeaveLeg { leg_id };
    assert!(shown(&world, booking_id).await.safe.contains(&leave));

    for (what, leg) in [("leave_leg", None), ("take", Some(leg_id))] {
        let (status, body) = settle(&world, booking_id, what, leg).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{body}");
    }
    let (status, body) = settle(&world, booking_id, "give_back_leg", Some(leg_id)).await;
    assert_eq!((status, &body["code"]), (StatusCode::CONFLICT, &json!("not_safe_now")), "{body}");
    let (status, body) = settle(&world, booking_id, "leave_leg", Some(leg_id)).await;
    assert_eq!((status, &body["review"]), (StatusCode::OK, &Value::Null), "{body}");
    let closing = Closing::Closed { received: Units::ZERO, settled: Units::ZERO };
    neighbour.closed(closing).await;
    reaches(&world, booking_id, "cancelled").await;
    // Its customer reads that it was left there, not by whom and what they noted.
    let told = world.get("acct_1", &format!("{path}/history")).await;
    let text = String::from_utf8(told.bytes).unwrap();
    assert!(text.contains("leg_left_there") && !text.contains("they told me"), "{text}");
}
