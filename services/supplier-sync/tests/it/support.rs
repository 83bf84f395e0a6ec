//! What support asks of the service.

use axum::http::StatusCode;
use contracts::{
    ids::LegId,
    internal::{
        FindReply, LookUpReply, LookUpRequest, ReferencesReply, TimelineKind, TimelineReply,
    },
    messages::{CallbackClaim, LegState, WantedLeg},
};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::world::{FAMILY_NAME, World};

#[tokio::test]
async fn the_timeline_tells_wishes_calls_callbacks_and_news_and_no_names() {
    let mut world = World::new().await;
    let app = world.start().await;
    let leg = world.leg(&app).await;
    world.want(&leg, 1, WantedLeg::Held).await;
    let reference = world.told_held().await;
    let claim = Some(CallbackClaim::Made);
    let callback_id = world.callback_saying(None, Some(&reference), claim).await;
    world.hinted(&leg, 1).await;
    world.fault("cancel", "http_500_before", 1, 0).await;
    world.want(&leg, 2, WantedLeg::Released).await;
    assert!(matches!(world.told().await.state, LegState::InDoubt { .. }));
    for seconds in [30, 60] {
        world.wait(seconds).await;
        world.settle(&app).await;
    }
    assert!(matches!(world.told().await.state, LegState::Gone { .. }));

    let token = world.token("internal");
    let path = format!("/internal/timeline/{}", leg.booking_id);
    let (status, body) = world.get(&app, &path, &token).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    assert!(!body.to_string().contains(FAMILY_NAME));
    let reply: TimelineReply = serde_json::from_value(body).unwrap();
    assert_eq!(reply.owner, "supplier-sync");
    assert!(reply.entries.is_sorted_by_key(|entry| entry.at));
    let lines: Vec<_> = reply.entries.iter().map(|entry| entry.what.as_str()).collect();
    let has = |start: &str| lines.iter().filter(|line| line.starts_with(start)).count();
    for (start, times) in [
        ("wanted held", 1),
        ("attempt 1", 1),
        ("reserve: seen (status 201", 1),
        ("told: held until", 1),
        ("a callback says: made", 1),
        ("wanted released", 1),
        ("cancel: unknown (status 500", 1),
        ("told: in doubt since", 1),
        ("cancel: accepted (status 204", 1),
        ("told: released", 1),
    ] {
        assert_eq!(has(start), times, "{start} in {lines:#?}");
    }
    assert!(has("lookup: seen (status 200") >= 1, "{lines:#?}");
    assert_eq!(has("cancel began"), 0, "what has ended is told once: {lines:#?}");
    let callback = reply.entries.iter().find(|entry| entry.kind == TimelineKind::Callback).unwrap();
    assert_eq!(callback.actor, "supplier:rapid");
    assert_eq!(callback.detail["callback_id"], json!(callback_id));
    assert_eq!(callback.reference.as_deref(), Some(reference.as_str()));
    assert!(callback.message_id.is_some());

    let (_, body) = world.get(&app, &format!("/internal/timeline/{}", Uuid::nil()), &token).await;
    assert_eq!(body["entries"], json!([]));
}

#[tokio::test]
async fn a_booking_is_found_by_every_reference_that_the_service_knows() {
    let mut world = World::new().await;
    let app = world.start().await;
    let leg = world.leg(&app).await;
    world.want(&leg, 1, WantedLeg::Held).await;
    let reference = world.told_held().await;
    let callback_id = world.callback(None, Some(&reference)).await;
    world.hinted(&leg, 1).await;
    let token = world.token("internal");
    let (_, told) =
        world.get(&app, &format!("/internal/timeline/{}", leg.booking_id), &token).await;
    let TimelineReply { entries, .. } = serde_json::from_value(told).unwrap();
    let wish = entries.iter().find(|entry| entry.kind == TimelineKind::State);
    let message = wish.and_then(|entry| entry.message_id).unwrap();
    for (key, by) in [
        (message.to_string(), "message"),
        (leg.client_reference(1), "client_reference"),
        (reference.clone(), "supplier_reference"),
        (leg.leg_id.to_string(), "leg"),
        (leg.booking_id.to_string(), "booking"),
        (callback_id.to_string(), "callback"),
    ] {
        let (status, body) = world.get(&app, &format!("/internal/find?key={key}"), &token).await;
        assert_eq!(status, StatusCode::OK, "{body}");
        let FindReply { found, .. } = serde_json::from_value(body).unwrap();
        assert_eq!(found.len(), 1, "{by}");
        assert_eq!((found[0].booking_id, found[0].by.as_str()), (leg.booking_id, by));
    }
    let (_, body) = world.get(&app, "/internal/find?key=nobodys", &token).await;
    assert_eq!(body["found"], json!([]));

    let path = format!("/internal/bookings/{}/references", leg.booking_id);
    let (_, body) = world.get(&app, &path, &token).await;
    let ReferencesReply { suppliers } = serde_json::from_value(body).unwrap();
    assert_eq!(suppliers.len(), 1);
    assert_eq!(suppliers[0].client_references, [leg.client_reference(1)]);
    assert_eq!(suppliers[0].references, [reference]);
}

#[tokio::test]
async fn staff_get_a_look_up_now_where_something_was_sent() {
    let mut world = World::new().await;
    let app = world.start().await;
    let leg = world.leg(&app).await;
    world.fault("reserve", "timeout_after_commit", 1, 60_000).await;
    world.want(&leg, 1, WantedLeg::Held).await;
    assert!(matches!(world.told().await.state, LegState::InDoubt { .. }));
    let token = world.token("internal");
    let staff = LookUpRequest { staff: "ada".to_owned() };
    let path = |leg_id: LegId| format!("/internal/legs/{leg_id}/look-up");
    let (status, body) = world.post(&app, &path(leg.leg_id), &token, &staff).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{body}");
    assert_eq!(serde_json::from_value::<LookUpReply>(body).unwrap().attempts, 1);
    world.told_held().await;
    assert_eq!(world.asked("lookup").await, 1, "the ladder would have waited");
    let by: Value = sqlx::query_scalar(
        "select json_build_array(source, event ->> 'by') from leg_event
          where event ->> 'is' = 'look_asked'",
    )
    .fetch_one(&mut world.admin().await)
    .await
    .unwrap();
    assert_eq!(by, json!(["staff", "ada"]));

    let unsent = world.leg(&app).await;
    world.want(&unsent, 1, WantedLeg::Released).await;
    world.told().await;
    let (status, _) = world.post(&app, &path(unsent.leg_id), &token, &staff).await;
    assert_eq!(status, StatusCode::CONFLICT);
    let (status, _) = world.post(&app, &path(LegId(Uuid::nil())), &token, &staff).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    let nobody = LookUpRequest { staff: String::new() };
    let (status, _) = world.post(&app, &path(leg.leg_id), &token, &nobody).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
}

#[tokio::test]
async fn only_services_may_ask_for_support() {
    let mut world = World::new().await;
    let app = world.start().await;
    let customer = world.token("holdfast");
    let id = Uuid::nil();
    for path in [
        format!("/internal/timeline/{id}"),
        "/internal/find?key=x".to_owned(),
        format!("/internal/bookings/{id}/references"),
        format!("/internal/bookings/{id}/legs"),
    ] {
        let (status, _) = world.get(&app, &path, &customer).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED, "{path}");
    }
    let staff = LookUpRequest { staff: "ada".to_owned() };
    let path = format!("/internal/legs/{id}/look-up");
    let (status, _) = world.post(&app, &path, &customer, &staff).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
}
