//! What a search shows of what lies in the cache: page by page, marked where it is partial or old,
//! and nothing that was forgotten.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use axum::http::StatusCode;
use chrono::{TimeDelta, Utc};
use contracts::{
    money::{Currency, Money},
    offer::{DueAtProperty, Occupancy, Offer, Product, Search, StaySearch, Terms},
    shown::{Freshness, ShownOffers, SupplierPart, offers_key, pack, search_digest},
    supplier::Supplier,
};
use redis::AsyncCommands as _;
use serde_json::{Value, json};

use crate::world::World;

const PATH: &str = "/v1/stays?property_id=1&check_in=2027-03-14&check_out=2027-03-16";

fn search() -> Search {
    Search::Stay(StaySearch {
        property_id: "1".to_owned(),
        check_in: "2027-03-14".parse().unwrap(),
        check_out: "2027-03-16".parse().unwrap(),
        occupancy: Occupancy { adults: 2, children: Vec::new() },
        currency: Currency::Eur,
    })
}

/// Several of one price and one name, which only their keys tell apart.
fn offer(n: i64) -> Offer {
    Offer {
        supplier: Supplier::Rapid,
        rate_key: format!("rate {n}"),
        property_id: "1".to_owned(),
        property_name: "Harbour House".to_owned(),
        room_name: "Double".to_owned(),
        check_in: "2027-03-14".parse().unwrap(),
        check_out: "2027-03-16".parse().unwrap(),
        occupancy: Occupancy { adults: 2, children: Vec::new() },
        price: Money::new(10_000 + n / 7, Currency::Eur),
        terms: Terms {
            refundable: true,
            cancel_steps: Vec::new(),
            holdable: true,
            due_at_property: DueAtProperty::of("city_tax", "1419.51", "HUF").into_iter().collect(),
        },
        product: Product::Stay,
    }
}

fn answer(offers: i64) -> ShownOffers {
    let now = Utc::now();
    let part = |supplier, state| SupplierPart { supplier, state };
    ShownOffers {
        as_of: now,
        soft_until: now + TimeDelta::minutes(5),
        suppliers: vec![
            part(Supplier::Rapid, Freshness::Fresh),
            part(Supplier::Etg, Freshness::Unavailable),
        ],
        offers: (0..offers).map(offer).collect(),
    }
}

async fn kept(world: &World, answer: &ShownOffers, id: u8) {
    let mut redis = connection(world).await;
    let key = offers_key(&search_digest(&search()));
    let () = redis.set(key, pack(answer, [id; 16])).await.unwrap();
}

async fn connection(world: &World) -> redis::aio::MultiplexedConnection {
    let client = redis::Client::open(world.cache.url()).unwrap();
    client.get_multiplexed_async_connection().await.unwrap()
}

async fn found(world: &World, path: &str) -> Value {
    let answer = world.get("acct_1", path).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    answer.json()
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_show_every_offer_once_and_a_cursor_is_good_for_its_search_alone() {
    let world = World::new().await;
    kept(&world, &answer(250), 1).await;
    let (mut prices, mut ids, mut sizes) = (Vec::new(), Vec::new(), Vec::new());
    let mut path = PATH.to_owned();
    let mut cursor = String::new();
    loop {
        let page = found(&world, &path).await;
        let offers = page["offers"].as_array().unwrap();
        sizes.push(offers.len());
        prices.extend(offers.iter().map(|offer| offer["price"]["minor"].clone()));
        ids.extend(offers.iter().map(|offer| offer["offer_id"].clone()));
        let Some(next) = page["next"].as_str() else { break };
        cursor = next.to_owned();
        path = format!("{PATH}&cursor={next}");
    }
    assert_eq!(sizes, [100, 100, 50]);
    assert!(prices.is_sorted_by_key(|minor| minor.as_str().unwrap().parse::<i64>().unwrap()));
    let expected: Vec<String> = (0..250).map(|n| (10_000 + n / 7).to_string()).collect();
    assert_eq!(prices, expected);
    let due = json!([{ "what": "city_tax", "amount": "1419.51", "currency": "HUF" }]);
    assert_eq!(found(&world, PATH).await["offers"][0]["terms"]["due_at_property"], due);
    let small = found(&world, &format!("{PATH}&limit=3")).await;
    assert_eq!(small["offers"].as_array().unwrap().len(), 3);

    let other = PATH.replace("property_id=1", "property_id=2");
    let odd = format!("{}x", cursor.split_at(cursor.len() - 1).0);
    for wrong in [
        format!("{PATH}&limit=0"),
        format!("{PATH}&limit=201"),
        format!("{PATH}&cursor={odd}"),
        format!("{PATH}&cursor={}", ids[0].as_str().unwrap()),
        format!("{other}&cursor={cursor}"),
    ] {
        let answer = world.get("acct_1", &wrong).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{wrong}");
    }
    let both = world.get("acct_1", &format!("{PATH}&limit=0&cursor=zzz")).await.json();
    let pointers = both["errors"].as_array().unwrap().iter().map(|error| &error["pointer"]);
    assert_eq!(pointers.collect::<Vec<_>>(), ["?limit", "?cursor"]);
    let twice = world.get("acct_1", &format!("{PATH}&limit=1&limit=2")).await.json();
    assert_eq!(twice["errors"][0]["pointer"], "?limit");
}

/// Row: D6
/// Row: D7
#[tokio::test(flavor = "multi_thread")]
async fn an_answer_says_who_is_missing_and_what_redis_forgets_is_shown_no_more() {
    let world = World::new().await;
    kept(&world, &answer(3), 1).await;
    let first = found(&world, PATH).await;
    assert_eq!(first["partial"], serde_json::json!(["etg"]));
    assert_eq!(first["suppliers"][0]["state"], "fresh");
    // The same answer is written once, and another one anew.
    assert_eq!(found(&world, PATH).await, first);
    let mut whole = answer(4);
    whole.suppliers.truncate(1);
    kept(&world, &whole, 2).await;
    let second = found(&world, PATH).await;
    assert_eq!(second["offers"].as_array().unwrap().len(), 4);
    assert_eq!(second["partial"], serde_json::json!([]));

    let mut old = answer(3);
    old.soft_until = Utc::now() - TimeDelta::seconds(1);
    kept(&world, &old, 3).await;
    let stale = found(&world, PATH).await;
    let states = [0, 1].map(|n| stale["suppliers"][n]["state"].clone());
    assert_eq!(states, ["stale", "unavailable"]);

    kept(&world, &whole, 4).await;
    found(&world, PATH).await;
    let () = connection(&world).await.del(offers_key(&search_digest(&search()))).await.unwrap();
    // Nobody else is there to be asked.
    assert_eq!(world.get("acct_1", PATH).await.status, StatusCode::SERVICE_UNAVAILABLE);
}

/// A supplier-sync that takes its time; how often it was asked.
async fn slow_sync(world: &mut World, takes: Duration) -> Arc<AtomicU32> {
    let asked = Arc::new(AtomicU32::new(0));
    let counts = Arc::clone(&asked);
    let answers = move || async move {
        counts.fetch_add(1, Ordering::SeqCst);
        tokio::time::sleep(takes).await;
        axum::Json(answer(3))
    };
    let routes = axum::Router::new().route("/internal/search", axum::routing::post(answers));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    world.config.supplier_sync_url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
    world.restart().await;
    asked
}

/// Row: D6
#[tokio::test(flavor = "multi_thread")]
async fn an_old_answer_is_asked_anew_once_at_a_time_however_many_pages_of_it_are_shown() {
    let mut world = World::new().await;
    let asked = slow_sync(&mut world, Duration::from_secs(2)).await;
    let mut old = answer(50);
    old.soft_until = Utc::now() - TimeDelta::seconds(1);
    kept(&world, &old, 1).await;
    for limit in 1..=20 {
        let page = found(&world, &format!("{PATH}&limit={limit}")).await;
        assert_eq!(page["suppliers"][0]["state"], "stale");
    }
    testkit::until("it is asked", || async { (asked.load(Ordering::SeqCst) > 0).then_some(()) })
        .await;
    assert_eq!(asked.load(Ordering::SeqCst), 1);
}

/// How often the series of a supplier and a result was counted.
fn reads(supplier: &str, result: &str) -> u64 {
    let text = chassis::metrics::render();
    let lines = text.lines().filter(|line| line.starts_with("holdfast_cache_reads_total{"));
    let labels = [format!("supplier=\"{supplier}\""), format!("result=\"{result}\"")];
    let mut of = lines.filter(|line| labels.iter().all(|label| line.contains(label)));
    of.next().map_or(0, |line| line.rsplit_once(' ').unwrap().1.parse().unwrap())
}

/// Row: D6
#[tokio::test(flavor = "multi_thread")]
async fn what_was_asked_for_now_is_no_hit_of_the_cache() {
    let mut world = World::new().await;
    slow_sync(&mut world, Duration::ZERO).await;
    let counted = || {
        [("rapid", "miss"), ("rapid", "hit"), ("rapid", "stale"), ("etg", "silent")]
            .map(|(supplier, result)| reads(supplier, result))
    };
    found(&world, PATH).await;
    assert_eq!(counted(), [1, 0, 0, 1], "cold");
    kept(&world, &answer(3), 1).await;
    // Read from Redis, and then from what was written of it before.
    for _ in 0..2 {
        found(&world, PATH).await;
    }
    assert_eq!(counted(), [1, 2, 0, 3], "known");
    let mut old = answer(3);
    old.soft_until = Utc::now() - TimeDelta::seconds(1);
    kept(&world, &old, 2).await;
    found(&world, PATH).await;
    assert_eq!(counted(), [1, 2, 1, 4], "old");
}
