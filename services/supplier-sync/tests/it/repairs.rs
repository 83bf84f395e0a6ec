//! Legs that do not go on by themselves, and staff who see what is safe and do it.

use axum::http::StatusCode;
use contracts::{
    ids::LegId,
    internal::{AttemptKnown, LegAct, LegActRequest, LegStanding, LegsReply},
    messages::{LegState, WantedLeg},
};
use serde_json::{Value, json};
use supplier_sync::App;
use uuid::Uuid;

use crate::world::{Leg, World};

fn asks(act: LegAct, evidence: Option<&str>) -> LegActRequest {
    LegActRequest {
        staff: "ada".to_owned(),
        why: "the customer waits".to_owned(),
        evidence: evidence.map(str::to_owned),
        act,
    }
}

async fn standing(world: &World, app: &App, leg: &Leg) -> LegStanding {
    let path = format!("/internal/bookings/{}/legs", leg.booking_id);
    let (status, body) = world.get(app, &path, &world.token("internal")).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    let LegsReply { mut legs } = serde_json::from_value(body).unwrap();
    assert_eq!(legs.len(), 1);
    legs.remove(0)
}

async fn act(world: &World, app: &App, leg: LegId, asked: &LegActRequest) -> (StatusCode, Value) {
    let path = format!("/internal/legs/{leg}/acts");
    world.post(app, &path, &world.token("internal"), asked).await
}

/// Row: G8
#[tokio::test]
async fn a_doubt_the_supplier_cannot_answer_is_ended_on_evidence_and_not_without() {
    let mut world = World::new().await;
    let app = world.start().await;
    let leg = world.leg(&app).await;
    world.fault("lookup", "http_503", 50, 0).await;
    world.fault("reserve", "http_500_before", 1, 0).await;
    world.want(&leg, 1, WantedLeg::Held).await;
    assert!(matches!(world.told().await.state, LegState::InDoubt { .. }));
    let shown = standing(&world, &app, &leg).await;
    assert_eq!(shown.attempts[0].known, AttemptKnown::Unknown);
    assert_eq!(shown.safe, [LegAct::LookUp {}]);

    let absent = LegAct::DeclareAbsent { attempt: 1, reference: None };
    let evidence = Some("Rapid partner support, case 4711: no such itinerary");
    let (status, body) = act(&world, &app, leg.leg_id, &asks(absent.clone(), evidence)).await;
    assert_eq!(status, StatusCode::CONFLICT, "it may still show: {body}");
    assert_eq!(body["safe"], json!([{"is": "look_up"}]));

    world.wait(6 * 3600).await;
    let events = world.event_count(&leg).await;
    let (status, body) = act(&world, &app, leg.leg_id, &asks(absent.clone(), None)).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(body["errors"][0]["pointer"], "/evidence");
    let mut nobody = asks(absent.clone(), evidence);
    (nobody.staff, nobody.why) = (String::new(), " ".to_owned());
    let (status, body) = act(&world, &app, leg.leg_id, &nobody).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(body["errors"].as_array().unwrap().len(), 2, "{body}");
    assert_eq!(world.event_count(&leg).await, events, "a refusal writes nothing");

    let (status, body) = act(&world, &app, leg.leg_id, &asks(absent.clone(), evidence)).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{body}");
    let (before, after) = (&body["versions"]["before"], &body["versions"]["after"]);
    assert!(before.as_u64().unwrap() < after.as_u64().unwrap(), "{body}");
    let reference = world.told_held().await;
    let (status, body) = act(&world, &app, leg.leg_id, &asks(absent, evidence)).await;
    assert_eq!(status, StatusCode::CONFLICT, "done again it is refused: {body}");
    assert_eq!(world.live().await.len(), 1, "one room, under {reference}");
    let kept: Value = sqlx::query_scalar(
        "select json_build_array(source, event -> 'by', event -> 'why', event -> 'evidence')
           from leg_event where event ->> 'is' = 'declared_absent'",
    )
    .fetch_one(&mut world.admin().await)
    .await
    .unwrap();
    assert_eq!(kept, json!(["staff", "ada", "the customer waits", evidence]));
}

/// Row: G8
#[tokio::test]
async fn a_dearer_room_is_bought_once_a_person_takes_it_and_a_wanted_one_is_not_given_back() {
    let mut world = World::new().await;
    let app = world.start().await;
    let leg = world.leg(&app).await;
    world.want(&leg, 1, WantedLeg::Held).await;
    let reference = world.told_held().await;
    let adopt = LegAct::Adopt { reference: reference.clone() };
    let cancel = LegAct::Cancel { reference: reference.clone() };
    for not_now in [&adopt, &cancel] {
        let (status, _) = act(&world, &app, leg.leg_id, &asks(not_now.clone(), None)).await;
        assert_eq!(status, StatusCode::CONFLICT, "it is as ordered, and wanted");
    }
    world.fault("lookup", "wrong_price", 50, 0).await;
    world.want(&leg, 2, WantedLeg::Confirmed).await;
    assert!(matches!(world.told().await.state, LegState::InDoubt { .. }));
    let shown = standing(&world, &app, &leg).await;
    assert!(shown.attempts[0].reservations[0].differs);
    assert_eq!(shown.safe, [LegAct::LookUp {}, adopt.clone(), cancel]);
    let (status, body) = act(&world, &app, leg.leg_id, &asks(adopt, None)).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{body}");
    assert_eq!(world.told().await.state, LegState::Confirmed { reference });
    assert!(standing(&world, &app, &leg).await.attempts[0].reservations[0].adopted);
    let nobody = act(&world, &app, LegId(Uuid::nil()), &asks(LegAct::LookUp {}, None)).await;
    assert_eq!(nobody.0, StatusCode::NOT_FOUND);
}
