//! A stay at a partner that speaks our own partner API, whose prices move between quote and hold.

use contracts::supplier::Supplier;
use e2e::{
    double::Double,
    gateway::{Shown, Stay},
    traveller::{Traveller, Trip, some_stay},
};
use http::StatusCode;
use serde_json::{Value, json};

use crate::stage::{self, SOON};

/// Only the partner sells it.
fn stay_at_the_partner() -> Stay {
    Stay { property_id: "NP-1001".to_owned(), ..some_stay() }
}

/// Books a stay whose price rises by a tenth before it is held; as its customer is asked about it.
async fn dearer(ada: &Traveller, double: &Double) -> (Trip, Shown) {
    let quote = ada.gateway.quote(&stay_at_the_partner()).await.unwrap();
    double.arm("reserve", "price_changed", 1, None).await.unwrap();
    let trip = ada.book_quote(quote, |_| {}).await.unwrap();
    let asked = |shown: &Shown| shown.status() == "awaiting_consent";
    let shown = ada.until(&trip, "asked about", SOON, asked).await.unwrap();
    assert_eq!(shown.next_actions(), ["accept_terms", "cancel"]);
    assert_eq!(shown.address(), None, "nothing can be paid");
    (trip, shown)
}

async fn agree(ada: &Traveller, trip: &Trip, digest: &Value) -> e2e::gateway::Answer {
    let path = format!("/v1/bookings/{}/terms", trip.booking_id);
    ada.gateway.post(&path, &json!({ "digest": digest })).await.unwrap()
}

/// What the partner asks, as the gateway writes it.
fn minor(amount: &str) -> Value {
    json!(amount.replace('.', ""))
}

/// Row: D5
#[tokio::test(flavor = "multi_thread")]
async fn a_price_that_rises_a_little_is_ours_to_bear_and_of_one_that_rises_much_the_customer_is_asked()
 {
    let stack = stage::patient("partner").await;
    let ada = Traveller::of(&stack, "ada").await.unwrap();
    let double = stack.double_of(Supplier::Neutral);

    let quote = ada.gateway.quote(&stay_at_the_partner()).await.unwrap();
    let quoted = quote.shown["total"].clone();
    double.arm("reserve", "price_crept", 1, None).await.unwrap();
    let trip = ada.book_quote(quote, |_| {}).await.unwrap();
    let payable = ada.until_payable(&trip, SOON).await.unwrap();
    assert_eq!(payable.0["price"], quoted, "{}", payable.0);
    ada.pay(&payable).await.unwrap();
    let shown = ada.until_ended(&trip, SOON).await.unwrap();
    assert_eq!(shown.status(), "confirmed", "{}", shown.0);
    let truth = double.truth().await.unwrap();
    assert_eq!(truth.reservations.len(), 1, "{:?}", truth.reservations);
    let made = &truth.reservations[0];
    assert_eq!((made.state.as_str(), &made.guests), ("confirmed", &vec![trip.guest.clone()]));
    assert_ne!(minor(&made.price.amount), quoted["minor"], "the partner is paid what it asks");
    assert_eq!(shown.references(), std::slice::from_ref(&made.reference));

    // Who agrees to more pays more, and that is what the partner gets.
    let (trip, asked) = dearer(&ada, &double).await;
    let new = &asked.0["new_terms"];
    assert_ne!(new["price"], asked.0["price"], "{}", asked.0);
    let stale = agree(&ada, &trip, &json!(uuid::Uuid::nil())).await;
    assert_eq!((stale.status, stale.problem().as_str()), (StatusCode::CONFLICT, "terms_changed"));
    for _ in 0..2 {
        assert_eq!(agree(&ada, &trip, &new["digest"]).await.status, StatusCode::ACCEPTED);
    }
    let payable = ada.until_payable(&trip, SOON).await.unwrap();
    assert_eq!(payable.0["payment"]["amount"], new["amount"], "{}", payable.0);
    ada.pay(&payable).await.unwrap();
    let shown = ada.until_ended(&trip, SOON).await.unwrap();
    assert_eq!((shown.status(), &shown.0["price"]), ("confirmed", &new["price"]), "{}", shown.0);
    let truth = double.truth().await.unwrap();
    let made = truth.reservations.iter().find(|made| made.guests == [trip.guest.clone()]).unwrap();
    assert_eq!(minor(&made.price.amount), new["price"]["minor"]);

    // Who does not want it gives up nothing.
    let (trip, _) = dearer(&ada, &double).await;
    let answer = ada.gateway.cancel(&trip.booking_id).await.unwrap();
    assert_eq!(answer.status, StatusCode::ACCEPTED);
    let shown = ada.until_ended(&trip, SOON).await.unwrap();
    assert_eq!(shown.status(), "cancelled", "{}", shown.0);
    assert_eq!(double.truth().await.unwrap().reservations.len(), 2, "nothing was made");
    stack.stop().await.unwrap();
}
