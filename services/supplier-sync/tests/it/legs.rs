//! Legs from the wish to what becomes of them.

use std::sync::atomic::Ordering;

use chrono::{DateTime, Utc};
use contracts::messages::{GoneWhy, LegState, RefusedWhy, WantedLeg};
use serde_json::json;
use testkit::until;
use uuid::Uuid;

use crate::world::{FAMILY_NAME, World};

#[tokio::test]
async fn a_leg_is_held_read_and_bought_in_five_transactions_three_calls_and_two_messages() {
    let mut world = World::new().await;
    let app = world.start().await;
    let leg = world.leg(&app).await;
    world.want(&leg, 1, WantedLeg::Held).await;
    let held = world.told().await;
    let LegState::Held { reference, until } = &held.state else { panic!("{held:?}") };
    assert!(until.is_some(), "the double says how long it holds");
    assert_eq!((held.leg_id, held.wanted_version), (leg.leg_id, 1));
    assert_eq!(world.live().await[0]["state"], "held");

    world.want(&leg, 2, WantedLeg::Confirmed).await;
    let bought = world.told().await;
    assert_eq!(bought.state, LegState::Confirmed { reference: reference.clone() });
    assert!(bought.seq > held.seq);
    assert_eq!(bought.wanted_version, 2);

    let live = world.live().await;
    assert_eq!(live.len(), 1);
    assert_eq!(live[0]["state"], "confirmed");
    assert_eq!(live[0]["client_reference"], leg.client_reference(1));
    assert!(world.is_silent().await);
    let counts: (i64, i64, i64) = sqlx::query_as(
        "select (select count(distinct xmin::text) from leg_event),
                (select count(*) from exchange where status between 200 and 299),
                (select count(*) from inbox where consumer = 'supplier-sync')",
    )
    .fetch_one(&mut world.admin().await)
    .await
    .unwrap();
    assert_eq!(counts, (5, 3, 2), "transactions, exchanges, deliveries");
    assert_eq!(world.asked("lookup").await, 1, "what is held is read before it is bought");
}

/// Row: B1
#[tokio::test]
async fn a_reservation_that_was_made_but_never_answered_is_found_and_not_made_again() {
    let mut world = World::new().await;
    let app = world.start().await;
    let leg = world.leg(&app).await;
    world.fault("reserve", "timeout_after_commit", 1, 60_000).await;
    world.want(&leg, 1, WantedLeg::Held).await;
    assert!(matches!(world.told().await.state, LegState::InDoubt { .. }));
    assert_eq!(world.live().await.len(), 1, "it is there, and nobody said so");

    world.wait(30).await;
    world.settle(&app).await;
    let reference = world.told_held().await;
    let live = world.live().await;
    assert_eq!(live.len(), 1);
    assert_eq!(live[0]["reference"], reference.as_str());
    assert_eq!(live[0]["client_reference"], leg.client_reference(1));
    assert_eq!((world.asked("reserve").await, world.asked("lookup").await), (1, 1));
}

/// Row: B2
#[tokio::test]
async fn what_was_lost_is_tried_again_under_a_new_reference_once_it_is_proven_dead() {
    let mut world = World::new().await;
    let app = world.start().await;
    let leg = world.leg(&app).await;
    world.fault("reserve", "timeout_before_commit", 1, 60_000).await;
    world.want(&leg, 1, WantedLeg::Held).await;
    assert!(matches!(world.told().await.state, LegState::InDoubt { .. }));
    // Two misses within the window prove nothing.
    for seconds in [30, 60] {
        world.wait(seconds).await;
        world.settle(&app).await;
    }
    assert_eq!((world.asked("lookup").await, world.asked("reserve").await), (2, 1));
    world.wait(300).await;
    world.settle(&app).await;
    world.told_held().await;
    let live = world.live().await;
    assert_eq!(live.len(), 1);
    assert_eq!(live[0]["client_reference"], leg.client_reference(2));
    let proofs: i64 = sqlx::query_scalar(
        "select count(*) from leg_event where event ->> 'is' = 'attempt_proven_dead'",
    )
    .fetch_one(&mut world.admin().await)
    .await
    .unwrap();
    assert_eq!(proofs, 1);
}

/// Row: F2
#[tokio::test]
async fn a_release_that_overtakes_its_reserve_leaves_the_reserve_without_effect() {
    let mut world = World::new().await;
    let app = world.start().await;
    let leg = world.leg(&app).await;
    world.want(&leg, 2, WantedLeg::Released).await;
    assert_eq!(world.told().await.state, LegState::Gone { why: GoneWhy::NeverMade });
    let before = world.dump().await;
    world.want(&leg, 1, WantedLeg::Held).await;
    // A second leg shows when the first one's message has been handled: the queue is in order.
    let other = world.leg(&app).await;
    world.want(&other, 1, WantedLeg::Held).await;
    world.told_held().await;
    let overtaken = |line: &String| line.contains(&leg.leg_id.to_string());
    let after = world.dump().await;
    assert_eq!(
        after.iter().filter(|line| overtaken(line)).collect::<Vec<_>>(),
        before.iter().filter(|line| overtaken(line)).collect::<Vec<_>>(),
    );
    assert_eq!(world.asked("reserve").await, 1, "only the other leg's");
    assert!(world.live().await.iter().all(|r| r["client_reference"] == other.client_reference(1)));
}

/// Row: F2
#[tokio::test]
async fn every_message_again_in_any_order_leaves_the_same_tables() {
    let mut world = World::new().await;
    let app = world.start().await;
    let leg = world.leg(&app).await;
    let wishes = [
        (world.want(&leg, 1, WantedLeg::Held).await, 1, WantedLeg::Held),
        (world.want(&leg, 2, WantedLeg::Confirmed).await, 2, WantedLeg::Confirmed),
        (world.want(&leg, 3, WantedLeg::Released).await, 3, WantedLeg::Released),
    ];
    while world.told().await.state != (LegState::Gone { why: GoneWhy::Released }) {}
    world.settle(&app).await;
    let before = world.dump().await;
    for _ in 0..2 {
        for (id, version, wanted) in wishes.iter().rev() {
            world.say_wanted(*id, 0, &leg, *version, *wanted).await;
            // The same wish in another message: its version is not newer.
            world.want(&leg, *version, *wanted).await;
        }
    }
    // A second leg shows when the first one's messages have been handled: the queue is in order.
    let other = world.leg(&app).await;
    world.want(&other, 1, WantedLeg::Released).await;
    world.told().await;
    let ours = |line: &&String| !line.contains(&other.leg_id.to_string());
    let after = world.dump().await;
    assert_eq!(after.iter().filter(ours).collect::<Vec<_>>(), before.iter().collect::<Vec<_>>());
    assert!(world.live().await.is_empty());
    assert_eq!(world.asked("reserve").await, 1);
}

#[tokio::test]
async fn a_released_leg_is_cancelled_at_the_supplier_even_when_it_was_bought() {
    let mut world = World::new().await;
    let app = world.start().await;
    let leg = world.leg(&app).await;
    world.want(&leg, 1, WantedLeg::Confirmed).await;
    assert!(matches!(world.told().await.state, LegState::Confirmed { .. }));
    world.want(&leg, 2, WantedLeg::Released).await;
    assert_eq!(world.told().await.state, LegState::Gone { why: GoneWhy::Released });
    assert!(world.live().await.is_empty());
    assert_eq!(world.asked("cancel").await, 1);
}

#[tokio::test]
async fn a_refusal_is_told_and_the_offers_are_forgotten() {
    let mut world = World::new().await;
    let app = world.start().await;
    let leg = world.leg(&app).await;
    assert_eq!(world.asked("search").await, 1);
    world.offers(&app).await;
    assert_eq!(world.asked("search").await, 1, "the second answer is the cache's");
    world.fault("reserve", "sold_out", 1, 0).await;
    world.want(&leg, 1, WantedLeg::Held).await;
    assert_eq!(world.told().await.state, LegState::Refused { why: RefusedWhy::SoldOut });
    world.offers(&app).await;
    assert_eq!(world.asked("search").await, 2);
}

/// The supplier was asked before the room was gone, and answers after that.
#[tokio::test]
async fn an_answer_that_was_asked_for_before_a_room_was_gone_is_not_kept() {
    let mut world = World::new().await;
    world.policy.search.deadline = std::time::Duration::from_secs(20);
    let app = world.start().await;
    let leg = world.leg(&app).await;
    world.redis_forgets_answers().await;
    world.fault("search", "slow", 1, 2_500).await;
    world.fault("reserve", "sold_out", 1, 0).await;
    let gone = async {
        until("the search", || async { (world.asked("search").await == 2).then_some(()) }).await;
        world.want(&leg, 1, WantedLeg::Held).await;
        assert_eq!(world.told().await.state, LegState::Refused { why: RefusedWhy::SoldOut });
    };
    let (_late, ()) = tokio::join!(world.offers(&app), gone);
    world.offers(&app).await;
    assert_eq!(world.asked("search").await, 3, "what was said before is asked anew");
    world.offers(&app).await;
    assert_eq!(world.asked("search").await, 3, "and that is kept");
}

/// Row: B11
#[tokio::test]
async fn what_the_supplier_makes_after_the_end_is_found_by_the_sweep_and_released() {
    let mut world = World::new().await;
    let app = world.start().await;
    let leg = world.leg(&app).await;
    world.fault("reserve", "timeout_before_commit", 1, 60_000).await;
    world.want(&leg, 1, WantedLeg::Held).await;
    assert!(matches!(world.told().await.state, LegState::InDoubt { .. }));
    world.want(&leg, 2, WantedLeg::Released).await;
    assert!(matches!(world.told().await.state, LegState::InDoubt { .. }));
    for seconds in [30, 60, 300] {
        world.wait(seconds).await;
        world.settle(&app).await;
    }
    assert_eq!(world.told().await.state, LegState::Gone { why: GoneWhy::NeverMade });

    let order = &leg.order;
    world
        .control(
            "POST",
            "/rapid/plant",
            Some(json!({
                "client_reference": leg.client_reference(1),
                "property_id": order.property_id,
                "check_in": order.check_in,
                "check_out": order.check_out,
                "email": "bookings@holdfast.example",
            })),
        )
        .await;
    assert_eq!(world.live().await.len(), 1);
    world.wait(3_600).await;
    world.settle(&app).await;
    assert!(matches!(world.told().await.state, LegState::Confirmed { .. }), "it is news");
    assert_eq!(world.told().await.state, LegState::Gone { why: GoneWhy::Released });
    assert!(world.live().await.is_empty());
}

#[tokio::test]
async fn a_supplier_that_cannot_be_reached_is_tried_again_under_the_same_reference() {
    let mut world = World::new().await;
    let app = world.start().await;
    let leg = world.leg(&app).await;
    world.stop_double().await;
    world.want(&leg, 1, WantedLeg::Held).await;
    // Once at once, then ever more slowly: nothing of it has left this machine.
    until("two tries", || async { (exchanges(&world).await == 2).then_some(()) }).await;
    world.restart_double().await;
    world.wait(2).await;
    world.settle(&app).await;
    world.told_held().await;
    assert_eq!(world.live().await[0]["client_reference"], leg.client_reference(1));
    assert_eq!(world.asked("lookup").await, 0, "nothing was in doubt");
}

/// Row: B1
#[tokio::test]
async fn a_reserve_that_waited_for_the_travellers_past_its_share_of_the_lease_is_not_sent() {
    let mut world = World::new().await;
    let app = world.start().await;
    let leg = world.leg(&app).await;
    // A lease is 4 s here, and what is sent may take 3 s of it.
    world.booking_takes_ms.store(1_500, Ordering::Relaxed);
    world.want(&leg, 1, WantedLeg::Held).await;
    until("two tries", || async { (exchanges(&world).await == 2).then_some(()) }).await;
    assert_eq!(world.asked("reserve").await, 0);

    world.booking_takes_ms.store(0, Ordering::Relaxed);
    world.wait(2).await;
    world.settle(&app).await;
    world.told_held().await;
    assert_eq!(world.asked("reserve").await, 1);
    assert_eq!(world.live().await.len(), 1);
}

async fn exchanges(world: &World) -> i64 {
    sqlx::query_scalar("select count(*) from exchange where outcome = 'not_sent'")
        .fetch_one(&mut world.admin().await)
        .await
        .unwrap()
}

#[tokio::test]
async fn other_dates_than_ordered_are_never_told_as_bought() {
    let mut world = World::new().await;
    let app = world.start().await;
    let leg = world.leg(&app).await;
    world.fault("reserve", "timeout_after_commit", 1, 60_000).await;
    world.fault("lookup", "wrong_dates", 1, 0).await;
    world.want(&leg, 1, WantedLeg::Confirmed).await;
    assert!(matches!(world.told().await.state, LegState::InDoubt { .. }));
    world.wait(30).await;
    world.settle(&app).await;
    // What the supplier shows is told, and nothing of it is taken for what was ordered.
    let told = world.told().await;
    assert!(matches!(told.state, LegState::InDoubt { .. }), "{told:?}");
    let theirs = told.theirs.expect("the dates that they show");
    assert_ne!(theirs.check_in, leg.order.check_in, "{theirs:?}");
    assert!(world.is_silent().await, "still in doubt");
    let cases: i64 =
        sqlx::query_scalar("select count(*) from leg_event where event ->> 'is' = 'mismatch'")
            .fetch_one(&mut world.admin().await)
            .await
            .unwrap();
    assert_eq!(cases, 1);
    // The next read shows the true dates.
    world.wait(60).await;
    world.settle(&app).await;
    assert!(matches!(world.told().await.state, LegState::Confirmed { .. }));
}

#[tokio::test]
async fn exchanges_are_journalled_sealed_and_names_are_nowhere_in_the_clear() {
    let mut world = World::new().await;
    let app = world.start().await;
    let leg = world.leg(&app).await;
    world.want(&leg, 1, WantedLeg::Held).await;
    world.told_held().await;
    let (sealed, reply): (Vec<u8>, Vec<u8>) =
        sqlx::query_as("select request_sealed, reply_sealed from exchange")
            .fetch_one(&mut world.admin().await)
            .await
            .unwrap();
    let place = |column: &str| format!("exchange/{}/1/{column}", leg.leg_id);
    let open = app.sealer().open(&sealed, place("request").as_bytes()).unwrap();
    let request = String::from_utf8(open).unwrap();
    assert!(request.starts_with("POST /v3/itineraries"), "{request}");
    assert!(request.contains(FAMILY_NAME), "{request}");
    assert!(app.sealer().open(&reply, place("reply").as_bytes()).is_ok());
    assert!(app.sealer().open(&reply, place("request").as_bytes()).is_err(), "another place");
    let clear = world.dump().await.join("\n");
    assert!(!clear.contains(FAMILY_NAME), "{clear}");
}

#[tokio::test]
async fn the_service_can_neither_change_nor_remove_its_journals() {
    let mut world = World::new().await;
    let app = world.start().await;
    let leg = world.leg(&app).await;
    world.want(&leg, 1, WantedLeg::Held).await;
    world.told_held().await;
    let pool = world.database.pool().await;
    for table in ["leg_event", "exchange", "attempt", "reservation"] {
        for statement in [
            format!("delete from {table}"),
            format!("truncate {table}"),
            format!("update {table} set leg_id = '{}'", Uuid::nil()),
        ] {
            let refused = sqlx::query(sqlx::AssertSqlSafe(statement.clone())).execute(&pool).await;
            let code = refused.unwrap_err().into_database_error().unwrap().code().map(String::from);
            assert_eq!(code.as_deref(), Some("42501"), "{statement}");
        }
    }
    assert!(world.event_count(&leg).await > 0);
}

#[tokio::test]
async fn reserves_that_hang_do_not_hold_up_a_cancel() {
    let mut world = World::new().await;
    world.policy.supplier.rapid.calls_at_once_max = 4;
    let app = world.start().await;
    let first = world.leg(&app).await;
    world.want(&first, 1, WantedLeg::Held).await;
    world.told_held().await;
    // Four ask, three places are theirs, and each is taken for two seconds.
    world.fault("reserve", "slow", 4, 2_000).await;
    for _ in 0..4 {
        let leg = world.leg(&app).await;
        world.want(&leg, 1, WantedLeg::Held).await;
    }
    until("the reserves", || async { (world.live().await.len() == 4).then_some(()) }).await;
    world.want(&first, 2, WantedLeg::Released).await;
    let told = world.told().await;
    assert_eq!(told.leg_id, first.leg_id);
    assert_eq!(told.state, LegState::Gone { why: GoneWhy::Released });
    for _ in 0..4 {
        world.told_held().await;
    }
    assert_eq!(world.live().await.len(), 4);
}

/// Row: F2
///
/// Both calls are committed and wait: one for who travels, the other for a place behind it.
#[tokio::test]
async fn what_waits_to_be_bought_is_not_bought_once_the_leg_is_released() {
    let mut world = World::new().await;
    world.policy.supplier.rapid.calls_at_once_max = 2;
    world.policy.supplier.rapid.answer_within_max = std::time::Duration::from_secs(240);
    let app = world.start().await;
    let (held, new) = (world.leg(&app).await, world.leg(&app).await);
    world.want(&held, 1, WantedLeg::Held).await;
    world.told_held().await;
    world.booking_takes_ms.store(29_000, Ordering::Relaxed);
    world.want(&new, 1, WantedLeg::Confirmed).await;
    until("the first call", || async { (world.calls_under_way().await.len() == 1).then_some(()) })
        .await;
    world.want(&held, 2, WantedLeg::Confirmed).await;
    until("the second", || async { (world.calls_under_way().await.len() == 2).then_some(()) })
        .await;
    world.want(&new, 2, WantedLeg::Released).await;
    world.want(&held, 3, WantedLeg::Released).await;
    until("both wishes", || async {
        let sql = "select count(*) from leg where state ->> 'wanted' = 'released'";
        let given_up: i64 =
            sqlx::query_scalar(sql).fetch_one(&mut world.admin().await).await.unwrap();
        (given_up == 2).then_some(())
    })
    .await;
    world.booking_takes_ms.store(0, Ordering::Relaxed);
    let mut told = [world.told().await, world.told().await];
    told.sort_by_key(|told| told.leg_id != held.leg_id);
    assert_eq!(told[0].state, LegState::Gone { why: GoneWhy::Released });
    assert_eq!(told[1].state, LegState::Gone { why: GoneWhy::NeverMade });
    assert_eq!((world.asked("reserve").await, world.asked("confirm").await), (1, 0));
    assert!(world.live().await.is_empty());
}

#[tokio::test]
async fn confirms_that_hang_do_not_hold_up_a_cancel() {
    let mut world = World::new().await;
    world.policy.supplier.rapid.calls_at_once_max = 4;
    let app = world.start().await;
    let mut legs = Vec::new();
    for _ in 0..5 {
        let leg = world.leg(&app).await;
        world.want(&leg, 1, WantedLeg::Held).await;
        world.told_held().await;
        legs.push(leg);
    }
    // Four are bought, three places are theirs, and each is taken for two seconds.
    world.fault("confirm", "slow", 4, 2_000).await;
    for leg in &legs[1..] {
        world.want(leg, 2, WantedLeg::Confirmed).await;
    }
    until("the confirms", || async { (world.asked("confirm").await >= 3).then_some(()) }).await;
    world.want(&legs[0], 2, WantedLeg::Released).await;
    let told = world.told().await;
    assert_eq!(told.leg_id, legs[0].leg_id);
    assert_eq!(told.state, LegState::Gone { why: GoneWhy::Released });
    for _ in 1..5 {
        assert!(matches!(world.told().await.state, LegState::Confirmed { .. }));
    }
}

#[tokio::test]
async fn a_leg_that_rests_for_good_is_never_woken_again() {
    let mut world = World::new().await;
    let app = world.start().await;
    let leg = world.leg(&app).await;
    world.want(&leg, 1, WantedLeg::Held).await;
    world.told_held().await;
    world.want(&leg, 2, WantedLeg::Released).await;
    assert!(matches!(world.told().await.state, LegState::Gone { .. }));
    // It is looked at once more; the time that this look had is what it is woken for last.
    let mut conn = world.admin().await;
    for _ in 0..2 {
        world.wait(600).await;
        world.settle(&app).await;
    }
    let wakes: Option<DateTime<Utc>> =
        sqlx::query_scalar("select wake_at from leg").fetch_one(&mut conn).await.unwrap();
    assert_eq!(wakes, None);
}

#[tokio::test]
async fn a_leg_that_becomes_due_while_it_is_let_sleep_does_not_oversleep() {
    let mut world = World::new().await;
    let app = world.start().await;
    let leg = world.leg(&app).await;
    world.want(&leg, 1, WantedLeg::Held).await;
    world.told_held().await;
    // What it is woken for first is the end of its call's lease.
    world.wait(10).await;
    world.settle(&app).await;
    let mut admin = world.admin().await;
    let own: DateTime<Utc> =
        sqlx::query_scalar("select wake_at from leg").fetch_one(&mut admin).await.unwrap();
    // It is woken long before its time, and its time comes before that is written down.
    sqlx::query("update leg set wake_at = clock_timestamp()").execute(&mut admin).await.unwrap();
    let mut lock = world.admin().await;
    sqlx::query("begin").execute(&mut lock).await.unwrap();
    sqlx::query("lock table leg in share mode").execute(&mut lock).await.unwrap();
    let woken = tokio::spawn({
        let app = app.clone();
        async move { supplier_sync::wake(&app).await.unwrap() }
    });
    until("the waking to wait", || async {
        let sql = "select count(*) from pg_locks
                    where relation = 'leg'::regclass and not granted
                      and database = (select oid from pg_database where datname = current_database())";
        let waiting: i64 = sqlx::query_scalar(sql).fetch_one(&mut world.admin().await).await.unwrap();
        (waiting > 0).then_some(())
    })
    .await;
    world.wait((own - Utc::now()).num_seconds()).await;
    sqlx::query("commit").execute(&mut lock).await.unwrap();
    assert_eq!(woken.await.unwrap(), messaging::Step::Did(1));
    let wakes: DateTime<Utc> =
        sqlx::query_scalar("select wake_at from leg").fetch_one(&mut admin).await.unwrap();
    assert_eq!(wakes, own);
    assert_eq!(supplier_sync::wake(&app).await.unwrap(), messaging::Step::Did(1));
}
