//! Searches and price checks: asked once, kept for a while, forgotten when they turn out wrong.

use std::time::Duration;

use axum::http::StatusCode;
use contracts::{
    offer::PriceCheck,
    shown::{Freshness, ShownOffers, offers_key, search_digest},
};
use futures::future::join_all;
use redis::AsyncCommands as _;

use crate::world::World;

/// Row: D6
///
/// Several threads, as in a service: with one, eighty tokens are checked before Redis is listened
/// to, and a Redis that seems slow is taken for absent.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn however_many_ask_at_once_the_supplier_is_asked_once_by_all_instances() {
    let mut world = World::new().await;
    let app = world.start().await;
    let other = world.start().await;
    // Both are connected to Redis, which a first command may find too slow.
    for one in [&app, &other] {
        world.offers(one).await;
    }
    world.redis_forgets().await;
    let before = world.asked("search").await;
    world.fault("search", "slow", 1, 300).await;
    let asked = (0..80).map(|n| world.offers(if n % 2 == 0 { &app } else { &other }));
    let answers = join_all(asked).await;
    assert!(answers.iter().all(|answer| *answer == answers[0]));
    assert!(!answers[0].offers.is_empty());
    assert_eq!(world.asked("search").await, before + 1);
    // Past its soft life, and 10 % of it.
    world.wait(331).await;
    let refreshed = world.offers(&app).await;
    assert!(refreshed.as_of > answers[0].as_of);
    assert_eq!(world.asked("search").await, before + 2);
}

/// A search whose askers all hung up is not the answer to a later one.
#[tokio::test]
async fn a_search_that_nobody_waits_for_any_more_ends_and_leaves_nothing_behind() {
    let mut world = World::new().await;
    let app = world.start().await;
    world.fault("search", "slow", 1, 500).await;
    let impatient = tokio::time::timeout(Duration::from_millis(100), world.offers(&app)).await;
    assert!(impatient.is_err(), "it hung up");
    let client = redis::Client::open(world.redis.url()).unwrap();
    let mut redis = client.get_multiplexed_async_connection().await.unwrap();
    let key = offers_key(&search_digest(&World::search()));
    testkit::until("the answer to be kept", || {
        let mut redis = redis.clone();
        let key = key.clone();
        async move { redis.exists::<_, bool>(key).await.unwrap().then_some(()) }
    })
    .await;
    let first: String = redis.get(&key).await.unwrap();
    let first: ShownOffers = serde_json::from_str(&first).unwrap();
    world.wait(331).await;
    let later = world.offers(&app).await;
    assert!(later.as_of > first.as_of, "it is asked anew");
    assert_eq!(world.asked("search").await, 2);
}

/// Row: D6
#[tokio::test]
async fn whoever_waited_in_vain_for_anothers_answer_asks_no_supplier_of_its_own() {
    let mut world = World::new().await;
    world.policy.search.deadline = Duration::from_millis(300);
    let app = world.start().await;
    let client = redis::Client::open(world.redis.url()).unwrap();
    let mut redis = client.get_multiplexed_async_connection().await.unwrap();
    // Another process leads, and takes its time.
    let lead = format!("searching:{}", search_digest(&World::search()));
    let _: () = redis.set_ex(&lead, 1, 60).await.unwrap();
    let found = world.offers(&app).await;
    assert!(found.offers.is_empty());
    assert_eq!(found.suppliers[0].state, Freshness::Unavailable);
    assert_eq!(world.asked("search").await, 0);
}

#[tokio::test]
async fn a_supplier_that_does_not_answer_leaves_the_old_offers_marked_stale() {
    let mut world = World::new().await;
    let app = world.start().await;
    let fresh = world.offers(&app).await;
    world.wait(331).await;
    world.fault("search", "http_503", 1, 0).await;
    let stale = world.offers(&app).await;
    assert_eq!(stale.offers, fresh.offers);
    assert_eq!(stale.suppliers[0].state, Freshness::Stale);
    world.redis_forgets().await;
    world.fault("search", "html_200", 1, 0).await;
    let none = world.offers(&app).await;
    assert!(none.offers.is_empty());
    assert_eq!(none.suppliers[0].state, Freshness::Unavailable);
}

/// Row: D7
#[tokio::test]
async fn sold_out_at_a_price_check_forgets_the_stay_at_once() {
    let mut world = World::new().await;
    let app = world.start().await;
    let offers = world.offers(&app).await.offers;
    for (fault, searches) in [("sold_out", 2), ("price_changed", 3)] {
        world.fault("price_check", fault, 1, 0).await;
        let (status, body) = world.price_check(&app, &offers[0]).await;
        assert_eq!(status, StatusCode::OK, "{body}");
        let answer: PriceCheck = serde_json::from_value(body).unwrap();
        assert!(!matches!(answer, PriceCheck::Available { .. }), "{answer:?}");
        world.offers(&app).await;
        assert_eq!(world.asked("search").await, searches);
    }
}

/// Row: D7
#[tokio::test]
async fn without_redis_searches_and_legs_are_slower_and_never_wrong() {
    let mut world = World::new().await;
    let app = world.start().await;
    world.redis.kill();
    let offers = world.offers(&app).await;
    assert!(!offers.offers.is_empty());
    assert_eq!(offers.suppliers[0].state, Freshness::Fresh);
    let leg = world.leg(&app).await;
    world.fault("reserve", "sold_out", 1, 0).await;
    world.want(&leg, 1, contracts::messages::WantedLeg::Held).await;
    let told = world.told().await.state;
    assert!(matches!(told, contracts::messages::LegState::Refused { .. }), "{told:?}");
}

#[tokio::test]
async fn price_checks_that_get_no_answer_and_keys_of_others_are_told_apart() {
    let mut world = World::new().await;
    let app = world.start().await;
    let mut offer = world.offers(&app).await.offers.remove(0);
    world.fault("price_check", "http_503", 1, 0).await;
    let (status, _) = world.price_check(&app, &offer).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    offer.rate_key = "https://elsewhere.example/".to_owned();
    let (status, _) = world.price_check(&app, &offer).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
}

#[tokio::test]
async fn only_services_may_ask() {
    let mut world = World::new().await;
    let app = world.start().await;
    let customer = world.token("holdfast");
    for path in ["/internal/search", "/internal/price-check"] {
        let (status, _) = world.post(&app, path, &customer, &World::search()).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED, "{path}");
    }
    let odd = serde_json::json!({ "property_id": 7, "extra": true });
    let (status, body) = world.post(&app, "/internal/search", &world.token("internal"), &odd).await;
    assert!(status.is_client_error(), "{body}");
    assert_eq!(world.asked("search").await, 0);
}
