//! What a process leaves behind that dies between two steps.

use contracts::messages::{LegState, WantedLeg};
use supplier_sync::App;
use testkit::{Database, Proxy, until};

use crate::world::World;

/// Row: A5
///
/// The intent is committed and the process is gone before it calls: nobody knows whether it did.
#[tokio::test]
async fn an_intent_whose_process_died_is_looked_up_and_never_sent_by_another() {
    let mut world = World::new().await;
    // This one hears and commits, and never calls.
    let dead = testkit::process();
    let app = App::connect(&world.config(), &dead).await.unwrap();
    let leg = world.leg(&app).await;
    app.hear();
    world.listen_along(&app).await;
    world.want(&leg, 1, WantedLeg::Held).await;
    until("the intent", || async { (world.calls_under_way().await.len() == 1).then_some(()) })
        .await;
    dead.stop(std::time::Duration::from_secs(10)).await.unwrap();

    let app = world.start().await;
    world.settle_nothing(&app).await;
    assert_eq!(world.calls_under_way().await.len(), 1, "the lease holds");
    world.wait(5).await;
    supplier_sync::wake(&app).await.unwrap();
    assert!(matches!(world.told().await.state, LegState::InDoubt { .. }));
    for seconds in [30, 60] {
        world.wait(seconds).await;
        world.settle(&app).await;
    }
    assert_eq!((world.asked("lookup").await, world.asked("reserve").await), (2, 0));
    // Once it is proven that it never arrived, a new attempt is made.
    world.wait(300).await;
    world.settle(&app).await;
    world.told_held().await;
    assert_eq!(world.live().await[0]["client_reference"], leg.client_reference(2));
}

/// Row: A5
///
/// The supplier has made it, and the process dies before it can say so to its own database.
#[test]
fn a_reservation_whose_answer_died_with_its_process_is_adopted() {
    let runtime = || tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let (ours, doomed) = (runtime(), runtime());
    let (mut world, leg) = ours.block_on(async {
        let mut world = World::new().await;
        let config = world.config();
        let app = doomed
            .spawn(async move {
                let process = testkit::process();
                let app = App::connect(&config, &process).await.unwrap();
                app.make_calls();
                app.hear();
                app
            })
            .await
            .unwrap();
        let leg = world.leg(&app).await;
        world.listen_along(&app).await;
        // Done at once, answered two seconds later.
        world.fault("reserve", "slow", 1, 2_000).await;
        world.want(&leg, 1, WantedLeg::Held).await;
        until("the reservation", || async { (world.live().await.len() == 1).then_some(()) }).await;
        (world, leg)
    });
    doomed.shutdown_background();
    ours.block_on(async {
        let app = world.start().await;
        world.wait(5).await;
        supplier_sync::wake(&app).await.unwrap();
        assert!(matches!(world.told().await.state, LegState::InDoubt { .. }));
        world.wait(30).await;
        world.settle(&app).await;
        let reference = world.told_held().await;
        let live = world.live().await;
        assert_eq!(live.len(), 1);
        assert_eq!(live[0]["reference"], reference.as_str());
        assert_eq!(live[0]["client_reference"], leg.client_reference(1));
        assert_eq!(world.asked("reserve").await, 1);
        drop(world);
    });
}

#[tokio::test]
async fn a_process_that_is_asked_to_stop_records_what_is_under_way() {
    let mut world = World::new().await;
    let app = world.start().await;
    let leg = world.leg(&app).await;
    world.fault("reserve", "slow", 1, 1_500).await;
    world.want(&leg, 1, WantedLeg::Held).await;
    until("the reservation", || async { (world.live().await.len() == 1).then_some(()) }).await;
    world.process.stop(std::time::Duration::from_secs(20)).await.unwrap();
    assert!(world.calls_under_way().await.is_empty());
    let journalled: String = sqlx::query_scalar("select outcome from exchange")
        .fetch_one(&mut world.admin().await)
        .await
        .unwrap();
    assert_eq!(journalled, "seen");
}

/// A process that stops may still commit an intent after its lanes and its recorder are gone: the
/// call is given back, and the next process makes it without waiting for the lease.
#[tokio::test]
async fn a_call_that_a_stopping_process_starts_is_given_back_at_once() {
    let mut world = World::new().await;
    let app = world.start().await;
    let leg = world.leg(&app).await;
    world.fault("reserve", "timeout_after_commit", 1, 60_000).await;
    world.want(&leg, 1, WantedLeg::Held).await;
    assert!(matches!(world.told().await.state, LegState::InDoubt { .. }));
    world.process.stop(std::time::Duration::from_secs(20)).await.unwrap();

    world.wait(30).await;
    assert_eq!(supplier_sync::wake(&app).await.unwrap(), messaging::Step::Did(1));
    until("the call to be given back", || async {
        world.calls_under_way().await.is_empty().then_some(())
    })
    .await;
    assert_eq!(world.asked("lookup").await, 0);

    world.process = testkit::process();
    let app = world.start().await;
    world.wait(1).await;
    world.settle(&app).await;
    world.told_held().await;
    assert_eq!(world.asked("lookup").await, 1);
}

#[tokio::test]
async fn a_leg_that_cannot_be_read_holds_up_no_other_that_is_due() {
    let mut world = World::new().await;
    let app = world.start().await;
    let (odd, good) = (world.leg(&app).await, world.leg(&app).await);
    world.fault("reserve", "timeout_after_commit", 2, 60_000).await;
    for leg in [&odd, &good] {
        world.want(leg, 1, WantedLeg::Held).await;
        assert!(matches!(world.told().await.state, LegState::InDoubt { .. }));
    }
    world.spoil(&odd).await;
    world.wait(30).await;
    world.logs.expect("a leg that is due cannot be handled and is put off");
    assert_eq!(supplier_sync::wake(&app).await.unwrap(), messaging::Step::Did(2));
    assert_eq!(world.told().await.leg_id, good.leg_id);
    assert_eq!(world.logs.errors().len(), 1, "a person is told");
    assert_eq!(supplier_sync::wake(&app).await.unwrap(), messaging::Step::Idle, "it is put off");
    // It is tried again after a while, and is well once somebody has mended it.
    world.mend(&odd).await;
    world.wait(600).await;
    world.settle(&app).await;
    assert_eq!(world.told().await.leg_id, odd.leg_id);
}

/// An answer that came while the database was away is learnt when it is back.
#[tokio::test]
async fn an_answer_waits_for_the_database() {
    let mut world = World::new().await;
    let way = Proxy::to(&Database::server()).await;
    let mut config = world.config();
    config.database_url = world.database.service_url_by(way.address());
    let app = App::connect(&config, &world.process).await.unwrap();
    app.make_calls();
    app.hear();
    world.listen_along(&app).await;
    let leg = world.leg(&app).await;
    world.fault("reserve", "slow", 1, 1_000).await;
    world.want(&leg, 1, WantedLeg::Held).await;
    until("the reservation", || async { (world.live().await.len() == 1).then_some(()) }).await;
    way.down();
    until("the answer", || async {
        let counted = chassis::metrics::render();
        let answered = |line: &str| {
            line.starts_with("holdfast_supplier_calls_total") && line.contains("reserve")
        };
        counted.lines().any(answered).then_some(())
    })
    .await;
    way.up();
    let reference = world.told_held().await;
    assert_eq!(world.live().await[0]["reference"], reference.as_str());
    let journalled: String = sqlx::query_scalar("select outcome from exchange")
        .fetch_one(&mut world.admin().await)
        .await
        .unwrap();
    assert_eq!(journalled, "seen");
    assert_eq!(world.asked("lookup").await, 0);
}

/// Legs whose time was set and that have nothing to do stand in nobody's way, however many.
#[tokio::test]
async fn legs_with_nothing_to_do_do_not_starve_one_that_has() {
    let mut world = World::new().await;
    let app = world.start().await;
    let leg = world.leg(&app).await;
    world.fault("reserve", "timeout_after_commit", 1, 60_000).await;
    world.want(&leg, 1, WantedLeg::Held).await;
    assert!(matches!(world.told().await.state, LegState::InDoubt { .. }));
    let idle = world.leg(&app).await;
    world.want(&idle, 1, WantedLeg::Released).await;
    world.told().await;
    sqlx::query(
        "insert into leg select n.id, booking_id, supplier, version,
                replace(state::text, leg_id::text, n.id::text)::json,
                holdfast_now() - interval '1 hour', trace, changed_at
           from leg, (select gen_random_uuid() as id from generate_series(1, 200)) as n
          where leg_id = $1",
    )
    .bind(idle.leg_id.0)
    .execute(&mut world.admin().await)
    .await
    .unwrap();
    world.wait(30).await;
    // 201 legs, 64 at a time.
    for _ in 0..4 {
        supplier_sync::wake(&app).await.unwrap();
    }
    world.told_held().await;
}
