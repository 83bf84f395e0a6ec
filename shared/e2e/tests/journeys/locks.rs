//! A price lock is bound, ends, and does not live in Redis alone; the last unit is sold once.

use std::sync::Arc;

use e2e::{
    Stack,
    gateway::{Gateway, Shown, describe, suits},
    traveller::{Traveller, request, some_family, some_stay, stay_in},
};
use futures::{StreamExt as _, future::join_all, stream};
use http::StatusCode;
use serde_json::json;

use crate::stage::{self, until};

/// Row: D1
#[tokio::test(flavor = "multi_thread")]
async fn a_lock_is_its_accounts_and_promises_what_was_quoted() {
    let stack = stage::patient("d1").await;
    let ada = Traveller::of(&stack, "ada").await.unwrap();
    let grace = Traveller::of(&stack, "grace").await.unwrap();
    let quote = ada.gateway.quote(&some_stay()).await.unwrap();
    let body = request(&quote, &some_family());

    let path = format!("/v1/quotes/{}", quote.quote_id);
    assert_eq!(grace.gateway.get(&path).await.unwrap().status, StatusCode::NOT_FOUND);
    let stolen = grace.gateway.book("k", &body).await.unwrap();
    assert_eq!(stolen.status, StatusCode::NOT_FOUND, "{}", describe(&stolen));

    // Whoever names terms gets those or nothing; more guests than were quoted is another stay.
    let mut other_terms = body.clone();
    other_terms["terms"] = json!("00".repeat(32));
    let mut other_guests = body.clone();
    other_guests["travellers"] = json!(vec![body["travellers"][0].clone(); 3]);
    for changed in [other_terms, other_guests] {
        let refused = ada.gateway.book("k", &changed).await.unwrap();
        assert_eq!(refused.status, StatusCode::CONFLICT, "{}", describe(&refused));
    }
    // A rate, a stay or a currency is no field of the request at all.
    let mut with_price = body.clone();
    with_price["price"] = json!("1.00");
    let refused = ada.gateway.book("k", &with_price).await.unwrap();
    assert_eq!(refused.pointers(), ["/price"]);

    let mut same_terms = body.clone();
    same_terms["terms"] = quote.shown["terms"].clone();
    let accepted = ada.gateway.book("k", &same_terms).await.unwrap();
    assert_eq!(accepted.status, StatusCode::ACCEPTED, "{}", describe(&accepted));
    assert_eq!(ada.gateway.get(&path).await.unwrap().json()["state"], "booked");
    stack.stop().await.unwrap();
}

/// Row: D4
#[tokio::test(flavor = "multi_thread")]
async fn an_expired_lock_books_nothing_and_a_live_one_outlives_the_memory_of_redis() {
    let stack = stage::fast("d4").await;
    let ada = Traveller::of(&stack, "ada").await.unwrap();
    let expires = async |gateway: &Gateway, quote_id: &str| {
        let path = format!("/v1/quotes/{quote_id}");
        until("expired", async || {
            let answer = gateway.get(&path).await.unwrap();
            (answer.json()["state"] == "expired").then_some(())
        })
        .await;
    };
    // Known to Redis as expired; unknown to Redis and expired.
    let kept = ada.gateway.quote(&some_stay()).await.unwrap();
    let flushed = ada.gateway.quote(&some_stay()).await.unwrap();
    expires(&ada.gateway, &kept.quote_id).await;
    let refused = ada.gateway.book("a", &request(&kept, &some_family())).await.unwrap();
    assert_eq!(refused.status, StatusCode::CONFLICT, "{}", describe(&refused));
    assert_eq!(refused.problem(), "quote_expired");
    expires(&ada.gateway, &flushed.quote_id).await;
    flush(&stack).await;
    let refused = ada.gateway.book("b", &request(&flushed, &some_family())).await.unwrap();
    assert_eq!(refused.status, StatusCode::CONFLICT, "{}", describe(&refused));
    assert_eq!(refused.problem(), "quote_expired");
    // Live, and Redis has lost its memory.
    let live = ada.gateway.quote(&some_stay()).await.unwrap();
    flush(&stack).await;
    let accepted = ada.gateway.book("c", &request(&live, &some_family())).await.unwrap();
    assert_eq!(accepted.status, StatusCode::ACCEPTED, "{}", describe(&accepted));
    // Only the live one became a booking, so the supplier holds one room.
    let booking_id = accepted.json()["booking_id"].as_str().unwrap().to_owned();
    until("held", async || {
        let shown = ada.gateway.booking(&booking_id).await.unwrap();
        shown.next_actions().contains(&"pay").then_some(())
    })
    .await;
    assert_eq!(stack.double().truth().await.unwrap().reservations.len(), 1);
    stack.stop().await.unwrap();
}

async fn flush(stack: &Stack) {
    let client = redis::Client::open(stack.url("redis-locks")).unwrap();
    let mut redis = client.get_multiplexed_async_connection().await.unwrap();
    let _ok: String = redis::cmd("flushall").query_async(&mut redis).await.unwrap();
}

/// Row: D2
/// Row: D3
#[tokio::test(flavor = "multi_thread")]
async fn of_two_hundred_customers_on_the_last_unit_one_is_asked_to_pay() {
    const CUSTOMERS: usize = 200;
    let stack = stage::patient("d3").await;
    let stay = stay_in(60, 2);
    let double = stack.double();
    let first = Traveller::of(&stack, "customer-0").await.unwrap();
    let offers = first.gateway.offers(&stay).await.unwrap();
    let offer_id = offers.iter().find(|offer| suits(offer)).unwrap()["offer_id"].clone();
    double.units(&stay.property_id, Some(1)).await.unwrap();

    let customers: Vec<Arc<Gateway>> = (0..CUSTOMERS)
        .map(|n| stack.token(&format!("customer-{n}"), &["customer"]))
        .map(|token| Arc::new(first.gateway.with_token(&token)))
        .collect();
    let quotes = customers.iter().map(|gateway| gateway.quote_offer(&offer_id));
    let quotes: Vec<_> = stream::iter(quotes).buffered(32).map(Result::unwrap).collect().await;
    let clicks = customers.iter().zip(&quotes).map(|(gateway, quote)| async move {
        let answer = gateway.book("click", &request(quote, &some_family())).await.unwrap();
        assert_eq!(answer.status, StatusCode::ACCEPTED, "{}", describe(&answer));
        answer.json()["booking_id"].as_str().unwrap().to_owned()
    });
    let bookings: Vec<String> = join_all(clicks).await;

    // Each is watched to its end, and every address that is shown on the way is noted.
    let watched = customers.iter().zip(&bookings).map(|(gateway, booking_id)| async {
        let mut addresses = std::collections::BTreeSet::new();
        let mut paid = false;
        loop {
            let shown = gateway.booking(booking_id).await.unwrap();
            addresses.extend(shown.address().map(str::to_owned));
            if shown.next_actions().contains(&"pay") && !paid {
                first.pay(&shown).await.unwrap();
                paid = true;
            }
            if shown.ended() {
                return (shown, addresses);
            }
            // Two hundred who ask more often would be the load, and not the booking of a unit.
            tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        }
    });
    let ended: Vec<(Shown, std::collections::BTreeSet<String>)> = join_all(watched).await;

    let confirmed: Vec<_> =
        ended.iter().filter(|(shown, _)| shown.status() == "confirmed").collect();
    assert_eq!(confirmed.len(), 1);
    let amount = confirmed[0].0.amount().unwrap();
    assert_eq!(confirmed[0].0.0["payment"]["received"], amount.units.to_string());
    assert_eq!(confirmed[0].1.len(), 1);
    for (shown, addresses) in &ended {
        if shown.status() == "confirmed" {
            continue;
        }
        assert_eq!(shown.status(), "failed", "{}", shown.0);
        assert_eq!(shown.0["ended_because"], "sold_out", "{}", shown.0);
        assert_eq!(shown.0["payment"]["received"], "0");
        assert!(addresses.is_empty(), "{addresses:?} was shown: {}", shown.0);
    }
    let truth = double.truth().await.unwrap();
    assert_eq!(truth.reservations.iter().filter(|r| r.lives()).count(), 1);
    // The amount that was asked is the amount of the quote, to the last unit.
    let place =
        bookings.iter().position(|id| confirmed[0].0.0["booking_id"] == id.as_str()).unwrap();
    assert_eq!(quotes[place].shown["amount"]["units"], amount.units.to_string());
    stack.stop().await.unwrap();
}
