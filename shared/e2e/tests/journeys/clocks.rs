//! Each service has the clock of its own database, and they differ by ten minutes: no price is
//! promised by a rate whose age nobody knows, and what is under way ends as if they did not.

use e2e::{
    gateway::Shown,
    traveller::{Traveller, Trip, some_stay},
    truth::World,
};

use crate::stage::{self, SOON, minutes_ahead, until};

#[tokio::test(flavor = "multi_thread")]
async fn clocks_that_differ_by_ten_minutes_promise_no_price_and_lose_no_booking() {
    let stack = stage::patient("clocks").await;
    let ada = Traveller::of(&stack, "ada").await.unwrap();
    let world = World::of(&stack).await.unwrap();
    let payable = async || -> (Trip, Shown) {
        let trip = ada.book(&some_stay()).await.unwrap();
        let shown = ada.until_payable(&trip, SOON).await.unwrap();
        (trip, shown)
    };
    let confirmed = async |trip: &Trip| {
        let shown = ada.until_ended(trip, SOON).await.unwrap();
        assert_eq!(shown.status(), "confirmed", "{}", shown.0);
    };
    let no_price = async || {
        until("no price is promised", async || {
            let refused = ada.gateway.quote(&some_stay()).await.err()?;
            refused.to_string().contains("rate_unavailable").then_some(())
        })
        .await;
    };
    let mut trips = Vec::new();

    // Too late by the booking's clock, in time by the chain's: the money decides.
    let (trip, shown) = payable().await;
    minutes_ahead(&stack, "booking", 10).await;
    ada.pay(&shown).await.unwrap();
    confirmed(&trip).await;
    trips.push(trip);
    no_price().await;
    minutes_ahead(&stack, "booking", 0).await;

    // The others ahead, and behind.
    let others = ["supplier-sync", "rewards", "supplier-callback"];
    for minutes in [10, -10] {
        for service in others {
            minutes_ahead(&stack, service, -minutes).await;
        }
        let (trip, shown) = until("prices are promised again", async || {
            let quote = ada.gateway.quote(&some_stay()).await.ok()?;
            let trip = ada.book_quote(quote, |_| {}).await.unwrap();
            let shown = ada.until_payable(&trip, SOON).await.unwrap();
            Some((trip, shown))
        })
        .await;
        minutes_ahead(&stack, "payment-verification", minutes).await;
        ada.pay(&shown).await.unwrap();
        confirmed(&trip).await;
        trips.push(trip);
        no_price().await;
        minutes_ahead(&stack, "payment-verification", 0).await;
    }
    for service in others {
        minutes_ahead(&stack, service, 0).await;
    }
    let accepted: Vec<_> = trips.iter().map(Trip::accepted).collect();
    let found = world.compare_within(&accepted, SOON).await.unwrap();
    assert!(found.is_right(), "{found:?}");
    stack.stop().await.unwrap();
}
