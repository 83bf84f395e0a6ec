//! Each step of a leg against the real database and the double: the process dies at every commit
//! of it, the one that comes after it dies at its first, and what was wished comes about, once.

use std::time::Duration;

use chrono::TimeDelta;
use contracts::messages::{LegChanged, LegState, WantedLeg};
use supplier_sync::App;
use testkit::{Doomed, Point};

use crate::world::{Leg, World};

/// What is wished, and what comes of it.
const STEPS: [(WantedLeg, &str); 3] =
    [(WantedLeg::Held, "held"), (WantedLeg::Confirmed, "confirmed"), (WantedLeg::Released, "gone")];
/// What is done at the supplier for each wish, and how the reservation stands there then.
const DEEDS: [(&str, &str); 3] =
    [("reserve", "held"), ("confirm", "confirmed"), ("cancel", "cancelled")];
/// What a process that is cut off at its commit would still do, it does in this time.
const LINGERS: Duration = Duration::from_millis(300);
/// Seconds after which a doubt is looked into again; all of them prove that nothing was made.
const WAITS: [i64; 9] = [5, 30, 60, 300, 30, 60, 300, 300, 300];

/// A process that hears, calls and records; its jobs are stepped by the test. If told so, it dies
/// at the n-th such point from its beginning.
async fn start(world: &World, dies: Option<(usize, Point)>) -> (Doomed, App) {
    let doomed = Doomed::new().await;
    let mut config = world.config();
    config.database_url = world.database.service_url_by(doomed.to_database.address());
    config.amqp_url = testkit::broker::url_by(doomed.to_broker.address());
    let connecting = async move { App::connect(&config, &testkit::process()).await.unwrap() };
    let app = doomed.does(connecting).await;
    if let Some((n, point)) = dies {
        doomed.dies_at_nth(n, point);
    }
    let works = app.clone();
    let begins = async move {
        works.make_calls();
        works.hear();
    };
    doomed.does(begins).await;
    if dies.is_none() {
        app.messaging().listening().await;
    }
    (doomed, app)
}

/// What the booking was told last, in a word.
async fn told(world: &World, leg: &Leg) -> Option<String> {
    let sql = "select state #>> '{told,state,is}' from leg where leg_id = $1";
    let told = sqlx::query_scalar::<_, Option<String>>(sql).bind(leg.leg_id.0);
    told.fetch_optional(&mut world.admin().await).await.unwrap().flatten()
}

/// Lets time pass until the process is at its point, or what was wished has come about; whether it
/// is the latter.
async fn goes_on(world: &mut World, (doomed, app): &(Doomed, App), leg: &Leg, end: &str) -> bool {
    for wait in WAITS {
        // A moment by the clock on the wall, so that nothing is looked into that is under way.
        for _look in 0..20 {
            if doomed.is_there() {
                return false;
            }
            if told(world, leg).await.as_deref() == Some(end) {
                // What stands there may have been committed on the way to the point.
                tokio::time::sleep(LINGERS).await;
                return !doomed.is_there();
            }
            assert!(world.live().await.len() < 2, "there are two");
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        world.wait(wait).await;
        let app = app.clone();
        // It fails where the process dies of it.
        doomed.does(async move { supplier_sync::wake(&app).await.map(drop).ok() }).await;
    }
    panic!("{end} does not come about: {:?}", told(world, leg).await);
}

/// What a death on the way to the first reservation leaves behind: our reference for it is kept
/// before anything is sent, and not until then.
async fn is_registered_first(world: &World, n: usize, point: Point) {
    let kept: i64 = sqlx::query_scalar("select count(*) from attempt")
        .fetch_one(&mut world.admin().await)
        .await
        .unwrap();
    let sent = world.asked("reserve").await;
    let expected = match (n, point) {
        (1, Point::BeforeCommit) => (0, 0),
        (1, Point::AfterCommit) => (1, 0),
        (_, Point::BeforeAck) => (1, sent),
        (_, Point::BeforeCommit | Point::AfterCommit) => (1, 1),
    };
    assert_eq!((kept, sent), expected, "references kept and sent, dead at {n} {point:?}");
}

/// One leg held, bought and given back, with two deaths at each of these; how many processes died.
async fn dies_at(n: usize, point: Point) -> usize {
    let mut world = World::new().await;
    let desk = App::connect(&world.config(), &world.process).await.unwrap();
    let leg = world.leg(&desk).await;
    let (mut process, mut deaths) = (start(&world, None).await, 0);
    let heard = world.broker.overhear::<LegChanged>(&world.prefix).await;
    for (version, (wanted, end)) in (1..).zip(STEPS) {
        process.0.dies_at_nth(n, point);
        world.want(&leg, version, wanted).await;
        for again in [Some((1, point)), None] {
            if !goes_on(&mut world, &process, &leg, end).await {
                tokio::time::sleep(LINGERS).await;
                process.0.dies().await;
                deaths += 1;
                if deaths == 1 && wanted == WantedLeg::Held {
                    is_registered_first(&world, n, point).await;
                }
                process = start(&world, again).await;
            }
        }
        // Whoever came to no point has done it all; whoever comes after does the rest.
        process.0.ends();
        process = start(&world, None).await;
        assert!(goes_on(&mut world, &process, &leg, end).await);
        if wanted == WantedLeg::Held {
            // What was sent, or may have been, is looked for and not sent again.
            assert_eq!(world.asked("reserve").await, 1, "after {n} {point:?}");
            let unanswered =
                matches!((n, point), (1, Point::AfterCommit) | (2, Point::BeforeCommit));
            let looked = world.asked("lookup").await > 0;
            assert!(looked || !unanswered, "nobody looked after {n} {point:?}");
        }
        let live = world.live().await;
        let expected = usize::from(wanted != WantedLeg::Released);
        assert_eq!(live.len(), expected, "{wanted:?} after {n} {point:?}: {live:?}");
        assert!(live.iter().all(|one| one["state"] == end), "{live:?}");
    }
    // Heard twice or not, each wish stands once in the journal.
    let wishes: i64 =
        sqlx::query_scalar("select count(*) from leg_event where event ->> 'is' = 'wanted'")
            .fetch_one(&mut world.admin().await)
            .await
            .unwrap();
    assert_eq!(wishes, 3, "after {n} {point:?}");
    // What the dead had committed and not said is said by others.
    world.wait(TimeDelta::minutes(5).num_seconds()).await;
    testkit::until("all to be said", || async {
        let unsent: i64 = sqlx::query_scalar("select count(*) from outbox")
            .fetch_one(&mut world.admin().await)
            .await
            .unwrap();
        (unsent == 0).then_some(())
    })
    .await;
    let mut said = std::collections::BTreeMap::new();
    while let Some(message) = world.broker.take(&heard).await {
        let changed: LegChanged = serde_json::from_slice(&message.data).unwrap();
        said.insert(changed.seq, changed.state);
    }
    let held = said.values().find_map(|state| match state {
        LegState::Held { reference, .. } => Some(reference.clone()),
        _ => None,
    });
    let bought = LegState::Confirmed { reference: held.expect("it was told held") };
    assert!(said.values().any(|state| *state == bought), "{said:?}");
    assert!(matches!(said.values().last(), Some(LegState::Gone { .. })), "{said:?}");
    deaths
}

/// Row: A4
/// Row: A5
#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_dies_before_its_intent_is_kept_sends_nothing_and_it_comes_about_once() {
    // Each of the three wishes is heard in a commit of its own.
    assert_eq!(Box::pin(dies_at(1, Point::BeforeCommit)).await, 6);
}

/// Row: A4
/// Row: A5
#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_dies_with_its_intent_leaves_one_reservation_or_none() {
    assert_eq!(Box::pin(dies_at(1, Point::AfterCommit)).await, 6);
}

/// Row: A4
/// Row: A5
#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_dies_with_the_answer_leaves_one_reservation_or_none() {
    assert!(Box::pin(dies_at(2, Point::BeforeCommit)).await > 3);
}

/// Row: A4
/// Row: A5
#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_dies_before_it_says_what_the_answer_was_leaves_one_reservation_or_none() {
    assert!(Box::pin(dies_at(2, Point::AfterCommit)).await > 3);
}

/// Row: A4
#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_dies_before_it_acknowledges_a_wish_changes_nothing() {
    assert!(Box::pin(dies_at(1, Point::BeforeAck)).await > 3);
}

/// Row: A4
/// Row: A5
///
/// The supplier has done it, and the process dies before it has recorded that; the one that comes
/// after it dies before it has recorded what it found out.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_done_by_a_process_that_died_before_its_record_is_found_and_not_done_again() {
    let mut world = World::new().await;
    let desk = App::connect(&world.config(), &world.process).await.unwrap();
    let leg = world.leg(&desk).await;
    let mut process = start(&world, None).await;
    for (version, ((wanted, end), (deed, stands))) in (1..).zip(STEPS.into_iter().zip(DEEDS)) {
        // Done at once, answered a little later.
        world.fault(deed, "slow", 1, 700).await;
        world.want(&leg, version, wanted).await;
        testkit::until("the supplier to have done it", || async {
            let truth = world.truth().await;
            (truth["reservations"][0]["state"] == stands).then_some(())
        })
        .await;
        process.0.dies_at(Point::BeforeCommit);
        process.0.dies().await;
        assert_ne!(told(&world, &leg).await.as_deref(), Some(end), "it is not recorded");
        let second = start(&world, Some((1, Point::BeforeCommit))).await;
        assert!(!goes_on(&mut world, &second, &leg, end).await, "{deed}: nobody died");
        second.0.dies().await;
        process = start(&world, None).await;
        assert!(goes_on(&mut world, &process, &leg, end).await);
        assert_eq!(world.asked(deed).await, 1, "{deed} was sent again");
        assert_eq!(world.truth().await["reservations"].as_array().unwrap().len(), 1);
    }
}
