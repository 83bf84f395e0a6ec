//! Availability: asked of the supplier once however many ask us, never believed when it is sold.

use std::{collections::BTreeSet, time::Duration};

use e2e::{
    Stack,
    gateway::{Gateway, Stay, describe, suits},
    traveller::{Traveller, request, some_family, stay_in},
};
use futures::future::join_all;
use http::StatusCode;
use serde_json::{Value, json};
use sqlx::{Connection as _, PgConnection};

use crate::stage::{self, until};

fn path(stay: &Stay) -> String {
    let Stay { property_id, check_in, check_out } = stay;
    format!(
        "/v1/stays?property_id={property_id}&check_in={check_in}&check_out={check_out}&adults=2&currency=EUR"
    )
}

async fn asked(stack: &Stack, operation: &str) -> usize {
    stack.double().truth().await.unwrap().requests_of(operation).len()
}

/// A thousand at once, over both gateways; their answers.
async fn a_thousand(gateways: &[Gateway; 2], stay: &Stay) -> Vec<Value> {
    let path = path(stay);
    let all = (0..1_000).map(|n| gateways[n % 2].get(&path));
    let answers = join_all(all).await.into_iter().map(|answer| {
        let answer = answer.unwrap();
        assert_eq!(answer.status, StatusCode::OK, "{}", describe(&answer));
        answer.json()
    });
    answers.collect()
}

/// Seconds from one moment to another, as they are shown.
fn since(earlier: &str, later: &Value) -> i64 {
    let of = |text: &str| chrono::DateTime::parse_from_rfc3339(text).unwrap();
    (of(later.as_str().unwrap()) - of(earlier)).num_seconds()
}

async fn redis(stack: &Stack, name: &str) -> redis::aio::MultiplexedConnection {
    let client = redis::Client::open(stack.url(name)).unwrap();
    client.get_multiplexed_async_connection().await.unwrap()
}

/// Row: D6
#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_searches_over_two_of_everything_ask_the_supplier_once() {
    let stack = stage::shipped("d6").await;
    let search = stack.twin("supplier-sync", &[]).await.unwrap();
    let twin = stack.twin("booking", &[("BOOKING_SUPPLIER_SYNC_URL", search.url())]).await.unwrap();
    let token = stack.token("ada", &["customer"]);
    let gateways = [Gateway::new(&stack.url("booking"), &token), Gateway::new(twin.url(), &token)];
    let (stay, double) = (stay_in(40, 2), stack.double());

    // Cold, and the supplier takes its time.
    double.arm("search", "slow", 1, Some(300)).await.unwrap();
    let cold = a_thousand(&gateways, &stay).await;
    let calls = asked(&stack, "search").await;
    assert_eq!(calls, 1);
    let as_of: BTreeSet<&str> = cold.iter().map(|a| a["as_of"].as_str().unwrap()).collect();
    assert_eq!(as_of.len(), 1, "{as_of:?}");
    let newest = as_of.last().copied().unwrap().to_owned();
    assert!(cold.iter().all(|a| a["suppliers"][0]["state"] == "fresh"));
    assert!(!cold[0]["offers"].as_array().unwrap().is_empty());

    // Past its soft life of five minutes, and a tenth of it. A gateway reads the clock each second.
    for service in ["booking", "supplier-sync", "payment-verification"] {
        let mut conn = PgConnection::connect(&stack.database_url(service)).await.unwrap();
        let later = "update holdfast_clock set ahead_by = interval '331 seconds'";
        sqlx::query(later).execute(&mut conn).await.unwrap();
    }
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    double.arm("search", "slow", 1, Some(300)).await.unwrap();
    let expired = a_thousand(&gateways, &stay).await;
    let mut stale = expired.iter().filter(|a| a["suppliers"][0]["state"] == "stale");
    assert!(stale.clone().count() > 0, "{}", expired[0]);
    // What is not marked was learned anew.
    assert!(expired.iter().all(|a| {
        let as_of = a["as_of"].as_str().unwrap();
        (a["suppliers"][0]["state"] == "stale") == (as_of <= newest.as_str())
    }));
    let old_offers = stale.next_back().unwrap()["offers"].as_array().unwrap().clone();
    until("refreshed", async || {
        let answer = gateways[0].get(&path(&stay)).await.unwrap().json();
        (answer["suppliers"][0]["state"] == "fresh").then_some(())
    })
    .await;
    let calls = asked(&stack, "search").await;
    assert_eq!(calls, 2);

    // What was stale is quoted at the supplier's price of now, or not at all.
    let offer_id = &old_offers.iter().find(|offer| suits(offer)).unwrap()["offer_id"];
    assert_eq!(asked(&stack, "price_check").await, 0);
    // Rates of five minutes ago promise nothing.
    until("a rate of now", async || {
        let shown = gateways[1].get("/v1/assets").await.unwrap().json();
        let eth = shown["assets"].as_array().unwrap().iter().find(|one| one["asset"] == "eth")?;
        let rates = eth["rates"].as_array().unwrap();
        (!rates.is_empty() && since(&newest, &shown["as_of"]) > 300).then_some(())
    })
    .await;
    gateways[1].quote_offer(offer_id).await.unwrap();
    assert_eq!(asked(&stack, "price_check").await, 1);
    drop((twin, search));
    stack.stop().await.unwrap();
}

/// Row: D6
#[tokio::test(flavor = "multi_thread")]
async fn answers_that_were_learned_together_do_not_end_together() {
    let stack = stage::shipped("d6_jitter").await;
    let ada = Traveller::of(&stack, "ada").await.unwrap();
    let stays: Vec<Stay> = (30..50).map(|day| stay_in(day, 2)).collect();
    for stay in &stays {
        ada.gateway.offers(stay).await.unwrap();
    }
    let mut conn = redis(&stack, "redis-cache").await;
    let keys: Vec<String> =
        redis::cmd("keys").arg("shown:offers:*").query_async(&mut conn).await.unwrap();
    assert_eq!(keys.len(), stays.len());
    let (mut soft, mut hard) = (BTreeSet::new(), BTreeSet::new());
    for key in &keys {
        let kept: Vec<u8> = redis::cmd("get").arg(key).query_async(&mut conn).await.unwrap();
        let shown = contracts::shown::unpack(&kept).unwrap();
        soft.insert((shown.soft_until - shown.as_of).num_seconds());
        let left: i64 = redis::cmd("pttl").arg(key).query_async(&mut conn).await.unwrap();
        hard.insert(left / 1_000);
    }
    // 5 and 15 minutes, a tenth more or less; some of the hard life has passed.
    assert!(soft.iter().all(|s| (270..=330).contains(s)), "{soft:?}");
    assert!(hard.iter().all(|s| (750..=990).contains(s)), "{hard:?}");
    assert!(soft.last().unwrap() - soft.first().unwrap() > 10, "{soft:?}");
    assert!(hard.last().unwrap() - hard.first().unwrap() > 30, "{hard:?}");
    stack.stop().await.unwrap();
}

/// Row: D7
#[tokio::test(flavor = "multi_thread")]
async fn what_turns_out_sold_or_dearer_is_forgotten_at_once() {
    let stack = stage::shipped("d7").await;
    let ada = Traveller::of(&stack, "ada").await.unwrap();
    let (stay, double) = (stay_in(70, 2), stack.double());
    let offer_of = async || {
        let offers = ada.gateway.offers(&stay).await.unwrap();
        offers.into_iter().find(suits).unwrap()
    };
    let offer = offer_of().await;
    assert_eq!(offer_of().await["price"], offer["price"]);
    assert_eq!(asked(&stack, "search").await, 1);

    // Dearer when it is quoted: the answer has the new price, and an offer to quote it by.
    double.arm("price_check", "price_changed", 1, None).await.unwrap();
    let ask = |offer_id: &Value| json!({"offers": [offer_id], "pay_with": "eth"});
    let refused = ada.gateway.post("/v1/quotes", &ask(&offer["offer_id"])).await.unwrap();
    assert_eq!(refused.status, StatusCode::CONFLICT, "{}", describe(&refused));
    assert_eq!(refused.problem(), "price_changed");
    let moved = refused.json()["offers"][0].take();
    assert_eq!(moved["pointer"], "/offers/0");
    assert_ne!(moved["price"], offer["price"]);
    assert!(moved["offer_id"].is_string());
    let fresh = offer_of().await;
    assert_eq!(asked(&stack, "search").await, 2);

    // Sold out when it is booked.
    let quote = ada.gateway.quote_offer(&fresh["offer_id"]).await.unwrap();
    double.arm("reserve", "sold_out", 1, None).await.unwrap();
    let accepted = ada.gateway.book("click", &request(&quote, &some_family())).await.unwrap();
    let booking_id = accepted.json()["booking_id"].as_str().unwrap().to_owned();
    let ended = until("failed", async || {
        let shown = ada.gateway.booking(&booking_id).await.unwrap();
        shown.ended().then_some(shown)
    })
    .await;
    assert_eq!(ended.0["ended_because"], "sold_out", "{}", ended.0);
    offer_of().await;
    assert_eq!(asked(&stack, "search").await, 3);
    // And what nothing was said of stays cached.
    offer_of().await;
    assert_eq!(asked(&stack, "search").await, 3);
    stack.stop().await.unwrap();
}

/// Row: D7
#[tokio::test(flavor = "multi_thread")]
async fn without_any_redis_stays_are_found_quoted_and_held_at_the_right_price() {
    let stack = stage::shipped("d7_redis").await;
    let ada = Traveller::of(&stack, "ada").await.unwrap();
    let stay = stay_in(90, 2);
    let with = ada.gateway.offers(&stay).await.unwrap();
    stack.kill("redis-cache");
    stack.kill("redis-locks");
    let without = ada.gateway.offers(&stay).await.unwrap();
    let prices = |offers: &[Value]| -> Vec<String> {
        offers.iter().map(|offer| offer["price"].to_string()).collect()
    };
    assert_eq!(prices(&without), prices(&with));
    let trip = ada.book(&stay).await.unwrap();
    let shown = until("held", async || {
        let shown = ada.gateway.booking(&trip.booking_id).await.unwrap();
        shown.next_actions().contains(&"pay").then_some(shown)
    })
    .await;
    assert_eq!(shown.0["payment"]["amount"], trip.quote.shown["amount"]);
    let held = stack.double().reservation_of(&trip.guest).await.unwrap();
    assert_eq!(held.state, "held");
    // How deep money lies is shown through Redis; without it that is not known, and not invented.
    assert_eq!(shown.0["payment"]["confirmations"], Value::Null);
    stack.stop().await.unwrap();
}

/// Row: C12
#[tokio::test(flavor = "multi_thread")]
async fn an_asset_that_settles_after_the_space_is_let_go_is_listed_with_the_reason() {
    let stack = stage::shipped("c12").await;
    let ada = Traveller::of(&stack, "ada").await.unwrap();
    let quote = ada.gateway.quote(&stay_in(100, 2)).await.unwrap();
    let assets = quote.shown["assets"].as_array().unwrap();
    let eth = assets.iter().find(|asset| asset["asset"] == "eth").unwrap();
    assert_eq!((&eth["offered"], &eth["why_not"]), (&json!(true), &Value::Null));
    assert_eq!(eth["amount"], quote.shown["amount"]);
    assert_eq!(eth["settles_within_s"], 3);

    // The chain has become slow: its owner shows that, and shows nothing else meanwhile.
    stack.pause("payment-verification").await.unwrap();
    let mut conn = redis(&stack, "redis-cache").await;
    let key = contracts::shown::ASSETS_KEY;
    let text: String = redis::cmd("get").arg(key).query_async(&mut conn).await.unwrap();
    let mut shown: Value = serde_json::from_str(&text).unwrap();
    // An hour's hold, less 20 minutes to pay and 5 of margin, leaves 35.
    for (within_s, offered) in [(2_100, true), (2_101, false)] {
        for asset in shown["assets"].as_array_mut().unwrap() {
            if asset["asset"] == "eth" {
                asset["settling"][0]["within_s"] = json!(within_s);
            }
        }
        redis::cmd("set").arg(key).arg(shown.to_string()).exec_async(&mut conn).await.unwrap();
        let offers = ada.gateway.offers(&stay_in(100, 2)).await.unwrap();
        let offer = offers.iter().find(|offer| suits(offer)).unwrap();
        let ask = json!({"offers": [offer["offer_id"]], "pay_with": "eth"});
        let answer = ada.gateway.post("/v1/quotes", &ask).await.unwrap();
        let expected = if offered { StatusCode::CREATED } else { StatusCode::CONFLICT };
        assert_eq!(answer.status, expected, "{}", describe(&answer));
        let told = answer.json();
        let eth = told["assets"].as_array().unwrap().iter().find(|a| a["asset"] == "eth").unwrap();
        assert_eq!(
            (&eth["offered"], &eth["settles_within_s"]),
            (&json!(offered), &json!(within_s))
        );
        if !offered {
            assert_eq!(answer.problem(), "asset_not_offered");
            assert_eq!(eth["why_not"], "settles_too_late");
        }
    }
    stack.stop().await.unwrap();
}
