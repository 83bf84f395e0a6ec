//! Callbacks: reasons to look, and nothing else.

use axum::http::StatusCode;
use contracts::{
    messages::{CallbackClaim, EvidenceSource, GoneWhy, LegState, WantedLeg},
    supplier::Supplier,
};
use doubles::{CallbackConfig, Config, Doubles};
use messaging::Step;
use serde_json::json;
use testkit::until;

use crate::world::World;

/// Row: B5
#[tokio::test]
async fn callbacks_that_come_together_cause_one_look_up_after_the_last() {
    let mut world = World::new().await;
    let app = world.start().await;
    let leg = world.leg(&app).await;
    world.want(&leg, 1, WantedLeg::Held).await;
    let reference = world.told_held().await;
    for n in 0..5 {
        let ours = leg.client_reference(1);
        let ours = (n % 2 == 0).then_some(ours.as_str());
        world.callback(ours, Some(&reference)).await;
    }
    world.hinted(&leg, 5).await;
    supplier_sync::wake(&app).await.unwrap();
    assert_eq!(world.asked("lookup").await, 0, "others may follow");
    world.wait(2).await;
    world.settle(&app).await;
    assert_eq!(world.asked("lookup").await, 1);
    assert!(world.is_silent().await, "nothing is new");
}

/// What a callback says is never believed: the supplier is asked.
#[tokio::test]
async fn a_cancellation_by_the_supplier_is_read_and_told() {
    let mut world = World::new().await;
    let app = world.start().await;
    let leg = world.leg(&app).await;
    world.want(&leg, 1, WantedLeg::Confirmed).await;
    let LegState::Confirmed { reference } = world.told().await.state else { panic!("not bought") };
    world
        .control("POST", "/rapid/act", Some(json!({ "reference": reference, "act": "cancel" })))
        .await;
    world.callback(None, Some(&reference)).await;
    world.hinted(&leg, 1).await;
    world.wait(2).await;
    world.settle(&app).await;
    assert_eq!(world.told().await.state, LegState::Gone { why: GoneWhy::CancelledBySupplier });
}

/// Row: B5
#[tokio::test]
async fn callbacks_in_any_order_end_at_what_the_supplier_shows_with_one_look_up() {
    let mut world = World::new().await;
    let app = world.start().await;
    let claims = [CallbackClaim::Made, CallbackClaim::Confirmed, CallbackClaim::Gone];
    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        let leg = world.leg(&app).await;
        world.want(&leg, 1, WantedLeg::Confirmed).await;
        let LegState::Confirmed { reference } = world.told().await.state else { panic!("held") };
        let act = json!({ "reference": reference, "act": "cancel" });
        world.control("POST", "/rapid/act", Some(act)).await;
        let before = world.asked("lookup").await;
        for which in order {
            let ours = leg.client_reference(1);
            world.callback_saying(Some(&ours), Some(&reference), Some(claims[which])).await;
        }
        world.hinted(&leg, 3).await;
        world.wait(2).await;
        world.settle(&app).await;
        let told = world.told().await;
        let gone = LegState::Gone { why: GoneWhy::CancelledBySupplier };
        assert_eq!(told.state, gone, "{order:?}");
        assert_eq!(told.evidence.unwrap().source, EvidenceSource::Callback, "{order:?}");
        assert_eq!(world.asked("lookup").await, before + 1, "{order:?}");
    }
    assert!(world.is_silent().await, "nothing is new");
}

/// Row: B5
#[tokio::test]
async fn callbacks_that_echo_our_own_calls_cost_no_look_up_while_the_booking_is_in_motion() {
    let mut world = World::new().await;
    let app = world.start().await;
    let leg = world.leg(&app).await;
    world.want(&leg, 1, WantedLeg::Held).await;
    let reference = world.told_held().await;
    world.callback_saying(None, Some(&reference), Some(CallbackClaim::Made)).await;
    world.hinted(&leg, 1).await;
    world.want(&leg, 2, WantedLeg::Confirmed).await;
    assert!(matches!(world.told().await.state, LegState::Confirmed { .. }));
    for _ in 0..3 {
        world.callback_saying(None, Some(&reference), Some(CallbackClaim::Confirmed)).await;
    }
    world.hinted(&leg, 4).await;
    world.wait(20).await;
    world.settle(&app).await;
    assert_eq!(world.asked("lookup").await, 1, "what is held is read before it is bought");
    // They are looked into all the same, once: by the first sweep.
    world.wait(304).await;
    world.settle(&app).await;
    assert_eq!(world.asked("lookup").await, 2);
    assert!(world.is_silent().await, "nothing is new");
}

/// Row: B4
#[tokio::test]
async fn a_callback_that_says_what_is_not_so_changes_nothing_and_is_told() {
    let mut world = World::new().await;
    let app = world.start().await;
    let leg = world.leg(&app).await;
    world.want(&leg, 1, WantedLeg::Confirmed).await;
    let bought = world.told().await;
    let LegState::Confirmed { reference } = bought.state.clone() else { panic!("not bought") };
    world.callback_saying(None, Some(&reference), Some(CallbackClaim::Gone)).await;
    world.hinted(&leg, 1).await;
    world.wait(2).await;
    world.settle(&app).await;
    let told = world.told().await;
    assert_eq!(told.state, bought.state);
    let evidence = told.evidence.unwrap();
    assert_eq!(evidence.source, EvidenceSource::Callback);
    assert_eq!(evidence.client_reference, leg.client_reference(1));
    assert_eq!(evidence.reference.as_deref(), Some(reference.as_str()));
    assert_eq!(world.live().await.len(), 1);
}

/// Row: B6
#[tokio::test]
async fn a_callback_before_its_leg_waits_and_is_joined_and_one_about_nothing_surfaces() {
    let mut world = World::new().await;
    let app = world.start().await;
    let leg = world.leg(&app).await;
    world.callback(Some(&leg.client_reference(1)), None).await;
    world.callback(None, Some("9999999999999")).await;
    until("both to wait", || async { (waiting(&world).await == 2).then_some(()) }).await;
    assert_eq!(supplier_sync::join_callbacks(&app).await.unwrap(), Step::Idle);

    world.want(&leg, 1, WantedLeg::Held).await;
    world.told_held().await;
    assert_eq!(supplier_sync::join_callbacks(&app).await.unwrap(), Step::Did(1));
    assert_eq!(waiting(&world).await, 1);
    world.wait(2).await;
    world.settle(&app).await;
    assert_eq!(world.asked("lookup").await, 1);

    supplier_sync::surface_callbacks(&app).await.unwrap();
    assert_eq!(surfaced(&world).await, 0);
    assert_eq!(attention(&world, &app).await, Vec::<String>::new());
    world.wait(20 * 60).await;
    supplier_sync::surface_callbacks(&app).await.unwrap();
    assert_eq!(surfaced(&world).await, 1);
    assert_eq!(waiting(&world).await, 1, "it still waits");
    let told = attention(&world, &app).await;
    assert!(told.len() == 1 && told[0].contains("9999999999999"), "{told:?}");
}

/// Row: B6
#[tokio::test]
async fn a_callback_that_named_nothing_is_joined_once_it_is_said_again_and_names_a_leg() {
    let mut world = World::new().await;
    let app = world.start().await;
    let leg = world.leg(&app).await;
    world.want(&leg, 1, WantedLeg::Held).await;
    world.told_held().await;
    let callback_id = world.callback(None, None).await;
    until("it to wait", || async { (waiting(&world).await == 1).then_some(()) }).await;
    let ours = leg.client_reference(1);
    world.callback_again(callback_id, Some(&ours)).await;
    world.hinted(&leg, 1).await;
}

/// Row: B6
#[tokio::test]
async fn a_callback_that_has_waited_long_is_looked_at_now_and_then_and_forgotten_in_the_end() {
    let mut world = World::new().await;
    let app = world.start().await;
    let leg = world.leg(&app).await;
    let ours = leg.client_reference(1);
    world.callback(Some(&ours), None).await;
    world.callback(None, Some("9999999999999")).await;
    until("both to wait", || async { (waiting(&world).await == 2).then_some(()) }).await;
    let found = async |key: &str| {
        let path = format!("/internal/find?key={key}");
        let (_, body) = world.get(&app, &path, &world.token("internal")).await;
        body["callbacks"].as_array().map_or(0, Vec::len)
    };
    assert_eq!((found(&ours).await, found("9999999999999").await, found("8").await), (1, 1, 0));
    world.wait(3_700).await;
    world.want(&leg, 1, WantedLeg::Held).await;
    world.told_held().await;
    assert_eq!(supplier_sync::join_callbacks(&app).await.unwrap(), Step::Idle);
    assert_eq!(supplier_sync::join_old_callbacks(&app).await.unwrap(), Step::Did(1));
    assert_eq!(supplier_sync::join_old_callbacks(&app).await.unwrap(), Step::Idle);

    world.wait(89 * 86_400).await;
    assert_eq!(supplier_sync::forget_callbacks(&app).await.unwrap(), Step::Idle);
    world.wait(86_400).await;
    assert_eq!(supplier_sync::forget_callbacks(&app).await.unwrap(), Step::Did(1));
    assert_eq!(waiting(&world).await, 0);
}

/// What support is told of callbacks.
async fn attention(world: &World, app: &supplier_sync::App) -> Vec<String> {
    let (_, body) = world.get(app, "/internal/attention", &world.token("internal")).await;
    let items = body["items"].as_array().unwrap().iter();
    let callbacks = items.filter(|item| item["kind"] == "callback");
    callbacks.map(|item| item["what"].as_str().unwrap().to_owned()).collect()
}

/// A callback whose leg cannot be read is not lost, and holds up no other.
#[tokio::test]
async fn a_callback_that_cannot_be_joined_waits_and_the_others_are_joined() {
    let mut world = World::new().await;
    let app = world.start().await;
    let (odd, good) = (world.leg(&app).await, world.leg(&app).await);
    for leg in [&odd, &good] {
        world.callback(Some(&leg.client_reference(1)), None).await;
    }
    until("both to wait", || async { (waiting(&world).await == 2).then_some(()) }).await;
    for leg in [&odd, &good] {
        world.want(leg, 1, WantedLeg::Held).await;
        world.told_held().await;
    }
    world.spoil(&odd).await;
    world.logs.expect("a callback that waited cannot be joined and is put off");
    assert_eq!(supplier_sync::join_callbacks(&app).await.unwrap(), Step::Did(2));
    assert_eq!(supplier_sync::join_callbacks(&app).await.unwrap(), Step::Idle);
    world.hinted(&good, 1).await;
    assert_eq!(waiting(&world).await, 1, "it is not lost");
    world.mend(&odd).await;
    world.wait(601).await;
    assert_eq!(supplier_sync::join_callbacks(&app).await.unwrap(), Step::Did(1));
    assert_eq!(waiting(&world).await, 0);
}

async fn waiting(world: &World) -> i64 {
    sqlx::query_scalar("select count(*) from callback_hint where joined_at is null")
        .fetch_one(&mut world.admin().await)
        .await
        .unwrap()
}

async fn surfaced(world: &World) -> i64 {
    sqlx::query_scalar("select count(*) from callback_hint where surfaced_at is not null")
        .fetch_one(&mut world.admin().await)
        .await
        .unwrap()
}

/// Row: B4
#[tokio::test]
async fn what_could_not_be_delivered_is_given_out_once_and_only_by_a_supplier_that_keeps_it() {
    let mut world = World::new().await;
    let mut config = Config::default();
    // Nobody is at home there.
    let mut door = CallbackConfig::new(
        "http://127.0.0.1:1/callbacks",
        "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oDazfBwTmLrOQ=",
    );
    door.attempts = 1;
    config.rapid.callback = Some(door);
    let double = Doubles::start("127.0.0.1:0".parse().unwrap(), config).await.unwrap();
    world.double_at = double.local_addr();
    let app = world.start().await;
    let leg = world.leg(&app).await;
    world.want(&leg, 1, WantedLeg::Held).await;
    let reference = world.told_held().await;
    let token = world.token("internal");
    let fetch = async |supplier: &str| {
        let path = format!("/internal/suppliers/{supplier}/undelivered");
        world.post(&app, &path, &token, &()).await
    };
    let bodies = until("what was not delivered", async || {
        let (status, body) = fetch("rapid").await;
        assert_eq!(status, StatusCode::OK, "{body}");
        let bodies: Vec<String> = serde_json::from_value(body).unwrap();
        (!bodies.is_empty()).then_some(bodies)
    })
    .await;
    let dialect = suppliers::dialect(Supplier::Rapid);
    let callback = dialect.undelivered_callback(&bodies[0]).unwrap();
    assert_eq!(callback.reference.as_deref(), Some(reference.as_str()));
    assert_eq!(callback.client_reference, Some(leg.client_reference(1)));
    assert_eq!(fetch("rapid").await.1, json!([]));
    assert_eq!(fetch("duffel").await.0, StatusCode::NOT_FOUND);
    double.shutdown().await;
    assert_eq!(fetch("rapid").await.0, StatusCode::SERVICE_UNAVAILABLE);
}
