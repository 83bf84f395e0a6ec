//! Timers: what is due is done, and what cannot be done holds up nothing else.

use chrono::TimeDelta;
use messaging::Step;
use serde_json::json;
use testkit::until;

use crate::{
    neighbour::{Neighbour, reaches},
    world::World,
};

async fn fire_all(world: &World) {
    while booking::fire_timers(&world.app).await.unwrap() != Step::Idle {}
}

/// Row: A6
#[tokio::test(flavor = "multi_thread")]
async fn a_booking_that_cannot_be_read_holds_up_no_other() {
    let world = World::new().await;
    world.service.logs.expect("a booking's row cannot be read");
    world.app.hear();
    world.app.listening().await;
    let (broken, quote) = world.booked("acct_1").await;
    let (sound, _) = world.booked("acct_1").await;
    let mut neighbour = Neighbour::of(&world, broken).await;
    sqlx::query("update booking set state = '{}' where booking_id = $1")
        .bind(broken)
        .execute(&world.pool)
        .await
        .unwrap();
    world.service.database.offset_clock(TimeDelta::minutes(11)).await;
    fire_all(&world).await;
    // The other one is undone, since it was not payable in time.
    let shown = world.get("acct_1", &format!("/v1/bookings/{sound}")).await.json();
    assert_eq!(shown["status"], "failing");
    assert_eq!(shown["ended_because"], "not_held_in_time");
    // The timer of the broken one rests, to be tried again.
    let (left, due): (i64, bool) = sqlx::query_as(
        "select count(*), bool_or(due_at <= holdfast_now()) from timer
          where booking_id = $1 and deadline = 'payable'",
    )
    .bind(broken)
    .fetch_one(&world.pool)
    .await
    .unwrap();
    assert_eq!((left, due), (1, false));

    // So is what others say of it: parked with its cause, while its neighbours are handled.
    neighbour.released(&quote, 1).await;
    let dead: String = until("the message is parked", || async {
        let broker = world.service.prefix.connect().await;
        let queue = world.service.prefix.routing().dead_queue("booking");
        let message = broker.take(&queue).await?;
        let headers = message.properties.headers().as_ref()?.inner();
        let cause = headers["holdfast-cause"].as_long_string()?;
        Some(String::from_utf8_lossy(cause.as_bytes()).into_owned())
    })
    .await;
    assert_eq!(dead, "rejected");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_timer_fires_in_a_trace_of_its_own_that_is_linked_to_where_it_was_set() {
    let world = World::new().await;
    let (booking_id, _) = world.booked("acct_1").await;
    let set: String =
        sqlx::query_scalar("select traceparent from timer where booking_id = $1 limit 1")
            .bind(booking_id)
            .fetch_one(&world.pool)
            .await
            .unwrap();
    let trace = set.split('-').nth(1).unwrap().to_owned();
    world.service.database.offset_clock(TimeDelta::minutes(11)).await;
    fire_all(&world).await;
    let fired = until("the timer's span has ended", || async {
        let spans = world.service.logs.spans();
        spans.into_iter().find(|span| {
            span.name == "fire timer"
                && span.links.iter().any(|l| l.span_context.trace_id().to_string() == trace)
        })
    })
    .await;
    assert_ne!(fired.span_context.trace_id().to_string(), trace);
    assert_eq!(json!(fired.parent_span_id.to_string()), json!("0000000000000000"));
}

/// Row: A6
#[tokio::test(flavor = "multi_thread")]
async fn an_undo_that_is_late_is_shown_with_its_step_its_reason_and_its_attempts() {
    let world = World::new().await;
    world.app.hear();
    world.app.listening().await;
    let (booking_id, quote) = world.booked("acct_1").await;
    let path = format!("/v1/bookings/{booking_id}");
    world.post("acct_1", &format!("{path}/cancellation"), &json!({})).await;
    world.service.database.offset_clock(TimeDelta::minutes(31)).await;
    fire_all(&world).await;
    let shown = world.get("acct_1", &path).await.json();
    assert_eq!(shown["status"], "cancelling");
    assert_eq!(shown["review"]["why"], "stuck");
    let stuck = json!({
        "step": "release_leg",
        "about": quote.legs[0].leg_id,
        "reason": "no_answer",
        "attempts": 1,
    });
    assert_eq!(shown["review"]["stuck"], stuck);
    let mut neighbour = Neighbour::of(&world, booking_id).await;
    neighbour.released(&quote, 1).await;
    let closing = contracts::messages::Closing::Closed {
        received: contracts::asset::Units::ZERO,
        settled: contracts::asset::Units::ZERO,
    };
    neighbour.closed(closing).await;
    let shown = reaches(&world, booking_id, "cancelled").await;
    assert!(shown["review"].is_null());
}

/// Row: H4
#[tokio::test(flavor = "multi_thread")]
async fn a_deadline_that_nobody_handled_is_told_to_support_and_one_ahead_is_not() {
    let world = World::new().await;
    let (booking_id, _) = world.booked("acct_1").await;
    let told = world.internal("/internal/attention").await.json();
    assert_eq!(told["items"], json!([]), "{told}");
    world.service.database.offset_clock(TimeDelta::hours(24)).await;
    let told = world.internal("/internal/attention").await.json();
    let item = &told["items"][0];
    assert_eq!(
        (item["kind"].as_str(), item["booking_id"].as_str()),
        (Some("overdue"), Some(booking_id.to_string().as_str())),
        "{told}"
    );
    assert!(item["what"].as_str().unwrap().contains("passed"), "{item}");
}

/// Row: H4
#[tokio::test(flavor = "multi_thread")]
async fn many_bookings_in_review_hide_no_deadline_that_passed_and_are_counted() {
    let world = World::new().await;
    let (booking_id, _) = world.booked("acct_1").await;
    world.post("acct_1", &format!("/v1/bookings/{booking_id}/cancellation"), &json!({})).await;
    world.service.database.offset_clock(TimeDelta::minutes(31)).await;
    fire_all(&world).await;
    let many = [
        "insert into booking (booking_id, account_id, quote_id, version, phase, state, created_at,
             changed_at, review_since)
         select gen_random_uuid(), account_id, gen_random_uuid(), version, phase, state, created_at,
             changed_at, review_since
           from booking, generate_series(1, 249)",
        "insert into timer (booking_id, deadline, due_at)
         select booking_id, 'nobodys', holdfast_now() - interval '1 hour' from booking
          order by booking_id limit 3",
    ];
    for rows in many {
        sqlx::raw_sql(rows).execute(&world.pool).await.unwrap();
    }
    let told = world.internal("/internal/attention").await.json();
    let of = |kind: &str| {
        let items = told["items"].as_array().unwrap().iter();
        items.filter(|item| item["kind"] == kind).count()
    };
    assert_eq!((of("review"), of("overdue")), (200, 3), "{}", told["counts"]);
    assert_eq!((&told["counts"], &told["more"]), (&json!({ "review": 250 }), &json!(true)));
}
