//! Searches and price checks: asked once, kept for a while, forgotten when they turn out wrong.

use std::time::{Duration, Instant};

use axum::http::StatusCode;
use contracts::{
    messages::WantedLeg,
    offer::{Offer, PriceCheck},
    shown::{Freshness, ShownOffers, offers_key, search_digest, unpack},
    supplier::Supplier,
};
use futures::future::join_all;
use messaging::Step;
use redis::AsyncCommands as _;
use serde_json::Value;
use sqlx::Connection as _;
use supplier_sync::forget_price_checks;
use uuid::Uuid;

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
    let first: Vec<u8> = redis.get(&key).await.unwrap();
    let first = unpack(&first).unwrap();
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
    // Another process leads, and takes its time.
    world.another_leads(60).await;
    let found = world.offers(&app).await;
    assert!(found.offers.is_empty());
    assert_eq!(found.suppliers[0].state, Freshness::Unavailable);
    assert_eq!(world.asked("search").await, 0);
}

/// Row: D6
///
/// Redis answers nobody for a while, as on a machine that is busy with other things: it is waited
/// for, and who asks is decided elsewhere.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn while_redis_says_nothing_for_a_second_the_supplier_is_still_asked_once() {
    let mut world = World::new().await;
    let app = world.start().await;
    let other = world.start().await;
    for one in [&app, &other] {
        world.offers(one).await;
    }
    world.redis_forgets().await;
    let before = world.asked("search").await;
    world.redis_rests(Duration::from_secs(1)).await;
    let asked = (0..20).map(|n| world.offers(if n % 2 == 0 { &app } else { &other }));
    let answers = join_all(asked).await;
    assert!(answers.iter().all(|answer| *answer == answers[0]));
    assert_eq!(world.asked("search").await, before + 1);
}

/// Row: D6
///
/// What Redis knows is waited for through a moment in which it is slow: to ask the supplier takes
/// as long, and costs a call.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_a_slow_redis_knows_is_waited_for_and_not_asked_for_again() {
    let mut world = World::new().await;
    let app = world.start().await;
    let other = world.start().await;
    let known = world.offers(&app).await;
    world.offers(&other).await;
    let before = world.asked("search").await;
    world.redis_rests(Duration::from_millis(700)).await;
    assert_eq!(world.offers(&other).await, known);
    assert_eq!(world.asked("search").await, before);
}

/// Row: D6
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn without_any_redis_no_two_instances_ask_at_once() {
    let mut world = World::new().await;
    let app = world.start().await;
    let other = world.start().await;
    world.redis.kill();
    world.fault("search", "slow", 2, 400).await;
    let began = Instant::now();
    let asked = (0..20).map(|n| world.offers(if n % 2 == 0 { &app } else { &other }));
    let answers = join_all(asked).await;
    assert!(answers.iter().all(|answer| answer.suppliers[0].state == Freshness::Fresh));
    assert_eq!(world.asked("search").await, 2, "one call of each instance");
    assert!(began.elapsed() >= Duration::from_millis(800), "one after the other");
}

/// Row: D6
#[tokio::test]
async fn one_supplier_that_hangs_leaves_the_others_theirs_and_is_asked_alone_later() {
    let mut world = World::new().await;
    world.beside = Some(Supplier::Etg);
    world.policy.search.deadline = Duration::from_millis(1_500);
    let app = world.start().await;
    let asked_of_etg = async |world: &World| {
        let truth = world.control("GET", "/etg/truth", None).await;
        let all = truth["requests"].as_array().unwrap().iter();
        all.filter(|request| request["operation"] == "search").count()
    };
    let states = |found: &ShownOffers| -> Vec<(Supplier, Freshness)> {
        found.suppliers.iter().map(|part| (part.supplier, part.state)).collect()
    };
    let both = |rapid, etg| vec![(Supplier::Rapid, rapid), (Supplier::Etg, etg)];
    world.fault("search", "slow", 1, 20_000).await;
    let began = Instant::now();
    let found = world.offers(&app).await;
    let took = began.elapsed();
    assert!(took >= Duration::from_millis(1_500) && took < Duration::from_secs(15), "{took:?}");
    assert_eq!(states(&found), both(Freshness::Unavailable, Freshness::Fresh));
    assert!(!found.offers.is_empty());
    assert!(found.offers.iter().all(|offer| offer.supplier == Supplier::Etg));
    assert_eq!((world.asked("search").await, asked_of_etg(&world).await), (1, 1));
    // A tenth of the soft life later only the one that is missing is asked.
    world.wait(34).await;
    let whole = world.offers(&app).await;
    assert_eq!(states(&whole), both(Freshness::Fresh, Freshness::Fresh));
    assert_eq!((world.asked("search").await, asked_of_etg(&world).await), (2, 1));
    // Much later that one is silent again: what it offered stands beside what the other offers now.
    world.wait(331).await;
    world.fault("search", "http_503", 1, 0).await;
    let mixed = world.offers(&app).await;
    assert_eq!(states(&mixed), both(Freshness::Stale, Freshness::Fresh));
    assert!(mixed.offers.iter().any(|offer| offer.supplier == Supplier::Rapid));
    assert_eq!((world.asked("search").await, asked_of_etg(&world).await), (3, 2));
}

#[tokio::test]
async fn where_nobody_answers_nobody_is_asked_again_at_once() {
    let mut world = World::new().await;
    let app = world.start().await;
    world.fault("search", "http_503", 1, 0).await;
    for _ in 0..3 {
        assert_eq!(world.offers(&app).await.suppliers[0].state, Freshness::Unavailable);
    }
    assert_eq!(world.asked("search").await, 1);
    world.wait(3).await;
    assert_eq!(world.offers(&app).await.suppliers[0].state, Freshness::Fresh);
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

#[tokio::test]
async fn what_the_property_collects_itself_is_told_with_its_offers_and_prices() {
    for (supplier, what) in [(Supplier::Rapid, "mandatory_tax"), (Supplier::Etg, "city_tax")] {
        let mut world = World::at(supplier).await;
        let app = world.start().await;
        for offer in world.offers(&app).await.offers {
            let [due] = offer.terms.due_at_property.as_slice() else { panic!("{offer:?}") };
            assert_eq!((due.what.as_str(), due.currency.as_str()), (what, "EUR"));
            let (_, body) = world.price_check(&app, &offer).await;
            let answer: PriceCheck = serde_json::from_value(body).unwrap();
            let PriceCheck::Available { terms, .. } = answer else { panic!("{answer:?}") };
            assert_eq!(terms.due_at_property, offer.terms.due_at_property);
        }
    }
}

/// Row: D7
#[tokio::test]
async fn what_we_book_ourselves_forgets_what_was_known_of_it() {
    for supplier in [Supplier::Rapid, Supplier::Duffel] {
        let mut world = World::at(supplier).await;
        let app = world.start().await;
        // An offer of a flight can be ordered once: the next customer is to be shown another one.
        for searches in 1..=2 {
            let leg = world.leg(&app).await;
            assert_eq!(world.asked("search").await, searches, "{supplier}");
            world.want(&leg, 1, WantedLeg::Held).await;
            let told = world.told().await.state;
            assert!(matches!(told, contracts::messages::LegState::Held { .. }), "{told:?}");
        }
    }
}

/// Row: D7
#[tokio::test]
async fn of_a_search_that_sells_once_no_other_offer_is_sold_once_one_was_ordered() {
    let mut world = World::at(Supplier::Duffel).await;
    let app = world.start().await;
    let shown = world.offers(&app).await.offers;
    let leg = world.leg(&app).await;
    for offer in shown.iter().take(2) {
        let (status, body) = world.price_check(&app, offer).await;
        assert_eq!(status, StatusCode::OK, "nobody ordered yet: {body}");
    }
    world.want(&leg, 1, WantedLeg::Held).await;
    world.told().await;
    for offer in shown.iter().take(2) {
        let (status, body) = world.price_check(&app, offer).await;
        assert_eq!((status, &body["code"]), (StatusCode::GONE, &"offer_expired".into()), "{body}");
    }
    let new = world.offers(&app).await.offers;
    assert_eq!(world.price_check(&app, &new[0]).await.0, StatusCode::OK);
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
    world.want(&leg, 1, WantedLeg::Held).await;
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

/// A row of the journal of price checks.
type Kept = (Uuid, String, Option<i32>, Vec<u8>, Option<Vec<u8>>);

#[tokio::test]
async fn what_a_price_rests_on_is_journalled_told_with_its_leg_and_forgotten_some_day() {
    let mut world = World::new().await;
    world.policy.supplier.rapid.price_check_deadline = Duration::from_millis(500);
    let app = world.start().await;
    let leg = world.leg(&app).await;
    let offer = world.offers(&app).await.offers.remove(0);
    for fault in ["sold_out", "price_changed", "http_503", "timeout_before_commit"] {
        world.fault("price_check", fault, 1, 0).await;
        world.price_check(&app, &offer).await;
    }
    let kept: Vec<Kept> = sqlx::query_as(
        "select check_id, outcome, status, request_sealed, reply_sealed from price_check
          order by check_id",
    )
    .fetch_all(&mut world.admin().await)
    .await
    .unwrap();
    let told: Vec<_> = kept.iter().map(|one| (one.1.as_str(), one.2, one.4.is_some())).collect();
    let expected = [
        ("available", Some(200), true),
        ("sold_out", Some(200), true),
        ("price_changed", Some(200), true),
        ("refused", Some(503), true),
        ("no_answer", None, false),
    ];
    assert_eq!(told, expected);
    let (check_id, .., request, reply) = &kept[0];
    let open = |sealed: &[u8], column: &str| {
        let place = format!("price_check/{check_id}/{column}");
        String::from_utf8(app.sealer().open(sealed, place.as_bytes()).unwrap()).unwrap()
    };
    assert!(open(request, "request").starts_with("GET /v3/properties/"));
    assert!(open(reply.as_ref().unwrap(), "reply").contains("occupancy_pricing"));
    // The leg that is ordered by one of them tells of it, and of no other.
    world.want(&leg, 1, WantedLeg::Held).await;
    world.told_held().await;
    let path = format!("/internal/timeline/{}", leg.booking_id);
    let (_, body) = world.get(&app, &path, &world.token("internal")).await;
    let lines = body["entries"].as_array().unwrap().iter();
    let lines: Vec<_> = lines.filter(|line| line["detail"]["operation"] == "price_check").collect();
    assert_eq!(lines.len(), 1, "{body}");
    assert!(lines[0]["what"].as_str().unwrap().starts_with("price_check: available (status 200"));
    assert_eq!(lines[0]["detail"]["leg_id"], leg.leg_id.to_string());
    // They are kept for ninety days.
    world.wait(89 * 86_400).await;
    assert_eq!(forget_price_checks(&app).await.unwrap(), Step::Idle);
    world.wait(2 * 86_400).await;
    assert_eq!(forget_price_checks(&app).await.unwrap(), Step::Did(5));
}

#[tokio::test]
async fn a_price_check_that_never_left_is_journalled_as_not_sent() {
    let mut world = World::new().await;
    let app = world.start().await;
    let offer = world.offers(&app).await.offers.remove(0);
    world.stop_double().await;
    let (status, _) = world.price_check(&app, &offer).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    let kept: (String, bool) =
        sqlx::query_as("select outcome, reply_sealed is null from price_check")
            .fetch_one(&mut world.admin().await)
            .await
            .unwrap();
    assert_eq!(kept, ("not_sent".to_owned(), true));
}

#[tokio::test]
async fn whoever_waits_for_a_price_gets_it_where_its_journal_does_not_answer() {
    let mut world = World::new().await;
    let app = world.start().await;
    let offer = world.offers(&app).await.offers.remove(0);
    let mut admin = world.admin().await;
    let mut tx = admin.begin().await.unwrap();
    let held = "lock table price_check in access exclusive mode";
    sqlx::query(held).execute(&mut *tx).await.unwrap();
    let (status, body) = world.price_check(&app, &offer).await;
    assert_eq!((status, &body["answer"]), (StatusCode::OK, &Value::from("available")), "{body}");
}

/// Row: B10
#[tokio::test]
async fn a_question_whose_answer_is_spoilt_is_a_case_or_a_count_and_never_an_offer() {
    let mut world = World::new().await;
    let app = world.start().await;
    let offer = world.offers(&app).await.offers.remove(0);
    let spoilt = ["malformed_body", "truncated_body", "html_200", "huge_body"];
    for (n, fault) in (1..).zip(spoilt) {
        world.redis_forgets().await;
        world.fault("search", fault, 1, 0).await;
        let found = world.offers(&app).await;
        assert_eq!(found.suppliers[0].state, Freshness::Unavailable, "{fault}");
        assert!(found.offers.is_empty(), "{fault}");
        assert_eq!(World::not_answered("search"), n, "{fault}");
        world.fault("price_check", fault, 1, 0).await;
        let (status, body) = world.price_check(&app, &offer).await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{fault} {body}");
        assert_eq!(World::not_answered("price_check"), n, "{fault}");
    }
    let (_, body) = world.get(&app, "/internal/cases", &world.token("internal")).await;
    for operation in ["search", "price_check"] {
        let mut cases = body["cases"].as_array().unwrap().iter();
        let of = |case: &&Value| case["subject"].as_str().unwrap().starts_with(operation);
        assert_eq!(cases.find(of).expect(operation)["kind"], "contract", "{body}");
    }
}

/// Row: B10
#[tokio::test]
async fn a_rate_that_is_not_as_documented_takes_no_other_off_sale() {
    let mut world = World::new().await;
    let app = world.start().await;
    let whole = world.offers(&app).await.offers;
    world.redis_forgets().await;
    world.fault("search", "new_field", 1, 0).await;
    let found = world.offers(&app).await;
    assert_eq!(found.suppliers[0].state, Freshness::Fresh, "{:?}", found.suppliers);
    let rates = |offers: &[Offer]| offers.iter().map(|one| one.price).collect::<Vec<_>>();
    assert!(!found.offers.is_empty() && found.offers.len() < whole.len(), "{found:?}");
    assert!(rates(&found.offers).iter().all(|price| rates(&whole).contains(price)));
    assert_eq!(World::not_answered("search"), 0);
    let (_, body) = world.get(&app, "/internal/cases", &world.token("internal")).await;
    let cases = body["cases"].as_array().unwrap();
    let [case] = cases.as_slice() else { panic!("{body}") };
    assert_eq!(case["kind"], "contract", "{body}");
    assert!(case["subject"].as_str().unwrap().starts_with("search: rate"), "{body}");
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
