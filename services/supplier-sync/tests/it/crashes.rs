//! What a process leaves behind that dies between two steps.

use contracts::messages::{LegState, WantedLeg};
use supplier_sync::App;
use testkit::until;

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
