//! A stay at a partner that speaks our own partner API, whose prices move between quote and hold.

use contracts::supplier::Supplier;
use e2e::{
    gateway::Stay,
    traveller::{Traveller, some_stay},
};

use crate::stage::{self, SOON};

/// Only the partner sells it.
fn stay_at_the_partner() -> Stay {
    Stay { property_id: "NP-1001".to_owned(), ..some_stay() }
}

/// Row: D5
#[tokio::test(flavor = "multi_thread")]
async fn a_price_that_rises_a_little_is_ours_to_bear_and_one_that_rises_much_undoes_what_nobody_paid()
 {
    let stack = stage::patient("partner").await;
    let ada = Traveller::of(&stack, "ada").await.unwrap();
    let double = stack.double_of(Supplier::Neutral);

    let quote = ada.gateway.quote(&stay_at_the_partner()).await.unwrap();
    let quoted = quote.shown["price"]["amount"].as_str().unwrap().to_owned();
    double.arm("reserve", "price_crept", 1, None).await.unwrap();
    let trip = ada.book_quote(quote, |_| {}).await.unwrap();
    let payable = ada.until_payable(&trip, SOON).await.unwrap();
    assert_eq!(payable.0["price"]["amount"], quoted.as_str(), "{}", payable.0);
    ada.pay(&payable).await.unwrap();
    let shown = ada.until_ended(&trip, SOON).await.unwrap();
    assert_eq!(shown.status(), "confirmed", "{}", shown.0);
    let truth = double.truth().await.unwrap();
    assert_eq!(truth.reservations.len(), 1, "{:?}", truth.reservations);
    let made = &truth.reservations[0];
    assert_eq!((made.state.as_str(), &made.guests), ("confirmed", &vec![trip.guest.clone()]));
    assert_ne!(made.price.amount, quoted, "the partner is paid what it asks");
    assert_eq!(shown.references(), std::slice::from_ref(&made.reference));

    let quote = ada.gateway.quote(&stay_at_the_partner()).await.unwrap();
    double.arm("reserve", "price_changed", 1, None).await.unwrap();
    let trip = ada.book_quote(quote, |_| {}).await.unwrap();
    let shown = ada.until_ended(&trip, SOON).await.unwrap();
    assert_eq!(shown.status(), "failed", "{}", shown.0);
    assert_eq!(double.truth().await.unwrap().reservations.len(), 1, "nothing was made");
    stack.stop().await.unwrap();
}
