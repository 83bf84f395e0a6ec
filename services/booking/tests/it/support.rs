//! What support asks: what happened to a booking, and which booking a key means.

use axum::http::StatusCode;
use contracts::{
    internal::{FindReply, TimelineKind, TimelineReply},
    messages::LegState,
};
use serde_json::json;
use uuid::Uuid;

use crate::{
    neighbour::{Neighbour, reaches},
    world::{World, body},
};

#[tokio::test(flavor = "multi_thread")]
async fn support_is_told_what_happened_and_nothing_personal() {
    let world = World::new().await;
    world.app.hear();
    world.app.listening().await;
    let quote = world.quote("acct_1", chrono::TimeDelta::minutes(10)).await;
    let mut asked = body(&quote);
    let refund_to = "0x00000000000000000000000000000000000000cc";
    asked["refund_to"] = refund_to.into();
    asked["refund_to_confirm"] = refund_to.into();
    let booked = world.book("acct_1", "key", &asked).await.json();
    let booking_id: Uuid = booked["booking_id"].as_str().unwrap().parse().unwrap();
    let mut neighbour = Neighbour::of(&world, booking_id).await;
    neighbour.prepared().await;
    neighbour.leg(&quote, 1, LegState::Held { reference: "R1".to_owned(), until: None }).await;
    reaches(&world, booking_id, "awaiting_payment").await;

    let answer = world.internal(&format!("/internal/timeline/{booking_id}")).await;
    assert_eq!(answer.status, StatusCode::OK);
    let told = String::from_utf8(answer.bytes.clone()).unwrap();
    for hidden in ["Ana", "ana@example.org", "901820", refund_to, "token=", "0x", "acct_1"] {
        assert!(!told.contains(hidden), "{hidden}: {told}");
    }
    let reply: TimelineReply = serde_json::from_value(answer.json()).unwrap();
    assert_eq!(reply.owner, "booking");
    let first = &reply.entries[0];
    assert_eq!((first.what.as_str(), first.actor.as_str()), ("1: accepted", "customer"));
    assert!(reply.entries.iter().all(|entry| entry.kind == TimelineKind::State));
    assert!(reply.entries.windows(2).all(|pair| pair[0].at <= pair[1].at));
    let heard = reply.entries.iter().find(|entry| entry.message_id.is_some()).unwrap();
    assert_ne!(heard.actor, "customer");
    let key = heard.message_id.unwrap();
    let found = world.internal(&format!("/internal/find?key={key}")).await.json();
    assert_eq!(found, json!({ "found": [{ "booking_id": booking_id, "by": "message" }] }));

    // Nor is the address, also not within what a wallet opens.
    let seen = world.internal(&format!("/internal/bookings/{booking_id}/seen")).await;
    let text = String::from_utf8(seen.bytes.clone()).unwrap();
    assert_eq!(seen.json()["shown"]["status"], "awaiting_payment", "{text}");
    assert!(!text.contains("0x") && !text.contains("ethereum:"), "{text}");

    // Who knows nothing says so, and is not missing.
    let nothing = world.internal(&format!("/internal/timeline/{}", Uuid::now_v7())).await;
    let nothing: TimelineReply = serde_json::from_value(nothing.json()).unwrap();
    assert!(nothing.entries.is_empty());
    let customers = world.get("acct_1", &format!("/internal/timeline/{booking_id}")).await;
    assert_eq!(customers.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_booking_is_found_by_its_id_and_its_quotes() {
    let world = World::new().await;
    let (booking_id, quote) = world.booked("acct_1").await;
    world.booked("acct_1").await;
    let find = async |key: &str| {
        let answer = world.internal(&format!("/internal/find?key={key}")).await;
        assert_eq!(answer.status, StatusCode::OK);
        let reply: FindReply = serde_json::from_value(answer.json()).unwrap();
        let found = reply.found.into_iter().map(|found| (found.booking_id.0, found.by));
        found.collect::<Vec<_>>()
    };
    let found = |by: &str| vec![(booking_id, by.to_owned())];
    assert_eq!(find(&booking_id.to_string()).await, found("booking"));
    assert_eq!(find(&quote.quote_id.to_string()).await, found("quote"));
    assert_eq!(find(&Uuid::now_v7().to_string()).await, []);
    assert_eq!(find("ana%40example.org").await, []);
    let unknown = world.internal("/internal/find?id=x").await;
    assert_eq!(unknown.status, StatusCode::UNPROCESSABLE_ENTITY);
}

/// Row: G1
#[tokio::test(flavor = "multi_thread")]
async fn bookings_are_found_by_an_e_mail_address_that_stands_nowhere_and_by_a_trace() {
    let world = World::new().await;
    let (first, _) = world.booked("acct_1").await;
    let (second, _) = world.booked("acct_2").await;
    let by_email = async |email: &str| {
        let answer =
            world.internal_post("/internal/find-contact", &json!({ "email": email })).await;
        assert_eq!(answer.status, StatusCode::OK);
        let reply: FindReply = serde_json::from_value(answer.json()).unwrap();
        reply.found.into_iter().map(|found| found.booking_id.0).collect::<Vec<_>>()
    };
    assert_eq!(by_email("ana@example.org").await, [second, first], "the newest first");
    assert_eq!(by_email(" Ana@Example.ORG ").await, [second, first]);
    assert_eq!(by_email("ann@example.org").await, Vec::<Uuid>::new());
    let held: String =
        sqlx::query_scalar("select row_to_json(t)::text from traveller as t limit 1")
            .fetch_one(&world.pool)
            .await
            .unwrap();
    let plain: Vec<String> = "ana@example.org".bytes().map(|byte| format!("{byte:02x}")).collect();
    assert!(!held.contains("ana@") && !held.contains(&plain.concat()), "{held}");

    // Bookings from before there was an index get theirs.
    sqlx::query("update traveller set email_index = null").execute(&world.pool).await.unwrap();
    assert_eq!(by_email("ana@example.org").await, Vec::<Uuid>::new());
    assert_eq!(world.app.index_contacts().await.unwrap(), 2);
    assert_eq!(world.app.index_contacts().await.unwrap(), 0);
    assert_eq!(by_email("ana@example.org").await, [second, first]);

    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    sqlx::query("update booking_event set trace_id = $1 where booking_id = $2")
        .bind(trace)
        .bind(second)
        .execute(&mut world.service.database.admin().await)
        .await
        .unwrap();
    let answer = world.internal(&format!("/internal/find?key={}", trace.to_uppercase())).await;
    let found = json!([{ "booking_id": second, "by": "trace" }]);
    assert_eq!(answer.json()["found"], found);
}
