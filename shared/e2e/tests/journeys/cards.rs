//! Bookings paid by card: 3-D Secure, a declined card, and what goes back when a supplier refuses.

use contracts::asset::Units;
use e2e::{
    Stack,
    cards::{Cards, DECLINED, GOOD, SECURE},
    gateway::Shown,
    traveller::{Traveller, Trip, some_stay},
    truth::World,
};

use crate::stage::{self, SOON, until};

/// Books a stay that a card is to pay.
async fn book(traveller: &Traveller) -> Trip {
    let quote = traveller.gateway.quote_in(&some_stay(), "card-eur").await.unwrap();
    traveller.book_quote(quote, |_| {}).await.unwrap()
}

/// What the customer's browser pays with.
fn secret(shown: &Shown) -> String {
    assert_eq!(shown.address(), None, "{}", shown.0);
    shown.0["payment"]["card"]["client_secret"].as_str().unwrap().to_owned()
}

/// What the customer is without at the gateway.
async fn charged(cards: &Cards, shown: &Shown) -> Units {
    let payment = shown.0["payment"]["payment_id"].as_str().unwrap();
    cards.charged().await.unwrap().get(payment).copied().unwrap_or_default()
}

fn of_double(stack: &Stack) -> Cards {
    Cards::at(&stack.url("doubles"))
}

/// Row: L4
#[tokio::test(flavor = "multi_thread")]
async fn a_card_pays_once_the_space_is_held_and_gets_back_what_cannot_be_had() {
    let stack = stage::patient("l4").await;
    let ada = Traveller::of(&stack, "ada").await.unwrap();
    let cards = of_double(&stack);
    let world = World::of(&stack).await.unwrap();

    // The bank asks the customer first, and an answer about the charge is lost.
    let secure = book(&ada).await;
    let payable = ada.until_payable(&secure, SOON).await.unwrap();
    assert_eq!(payable.0["payment"]["amount"]["units"].as_str().unwrap(), price(&payable));
    cards.arm("capture", "http_500_after").await.unwrap();
    let asked = cards.pay(&secret(&payable), SECURE).await.unwrap();
    assert_eq!(asked["status"], "requires_action");
    cards.authenticate(&secret(&payable), true).await.unwrap();

    // Declined, then paid by another card; nobody is told of it by a push.
    let declined = book(&ada).await;
    let payable = ada.until_payable(&declined, SOON).await.unwrap();
    let refused = cards.pay(&secret(&payable), DECLINED).await.unwrap();
    assert_eq!(refused["status"], "requires_payment_method");
    let still = ada.gateway.booking(&declined.booking_id).await.unwrap();
    assert_eq!(still.status(), "awaiting_payment", "{}", still.0);
    cards.arm("webhook", "webhook_lost").await.unwrap();
    cards.pay(&secret(&payable), GOOD).await.unwrap();

    for trip in [&secure, &declined] {
        let shown = ada.until_ended(trip, SOON).await.unwrap();
        assert_eq!(shown.status(), "confirmed", "{}", shown.0);
        assert_eq!(charged(&cards, &shown).await, shown.amount().unwrap().units);
    }

    // Refused by the supplier after the money was taken: all of it goes back to the card.
    stack.double().arm("confirm", "confirm_refused", 1, None).await.unwrap();
    let undone = book(&ada).await;
    let payable = ada.until_payable(&undone, SOON).await.unwrap();
    cards.pay(&secret(&payable), GOOD).await.unwrap();
    let shown = ada.until_ended(&undone, SOON).await.unwrap();
    assert_eq!(shown.status(), "failed", "{}", shown.0);
    let shown = until("given back", async || {
        let shown = ada.gateway.booking(&undone.booking_id).await.unwrap();
        shown.is_refunded().then_some(shown)
    })
    .await;
    assert_eq!(shown.0["payment"]["refunds"][0]["to"], "card");
    assert!(!shown.next_actions().contains(&"refund"), "nobody has to say where to");
    assert_eq!(charged(&cards, &shown).await, Units::ZERO);

    // Cancelled before anybody paid: the gateway takes no card for it any more.
    let cancelled = book(&ada).await;
    let payable = ada.until_payable(&cancelled, SOON).await.unwrap();
    ada.gateway.cancel(&cancelled.booking_id).await.unwrap();
    let shown = ada.until_ended(&cancelled, SOON).await.unwrap();
    assert_eq!(shown.status(), "cancelled", "{}", shown.0);
    assert!(cards.pay(&secret(&payable), GOOD).await.is_err());

    let trips = [&secure, &declined, &undone, &cancelled].map(Trip::accepted);
    let found = world.compare_within(&trips, SOON).await.unwrap();
    assert!(found.is_right(), "{found:?}");
    stack.stop().await.unwrap();
}

/// The price in hundredths, as the gateway is asked for it.
fn price(shown: &Shown) -> String {
    shown.0["price"]["minor"].to_string().trim_matches('"').to_owned()
}
