//! A supplier that books and never answers.

use e2e::traveller::{Traveller, some_stay};

use crate::stage::{self, SOON};

/// Row: B1
#[tokio::test(flavor = "multi_thread")]
async fn a_reservation_whose_answer_was_lost_is_found_and_is_the_only_one() {
    let stack = stage::patient("b1").await;
    let traveller = Traveller::of(&stack, "ada").await.unwrap();
    let double = stack.double();
    double.arm("callback", "callback_missing", 100, None).await.unwrap();
    double.arm("reserve", "timeout_after_commit", 1, Some(60_000)).await.unwrap();

    let (trip, shown) = traveller.travel(&some_stay(), SOON).await.unwrap();

    let truth = double.truth().await.unwrap();
    let reserves = truth.requests_of("reserve");
    assert_eq!(reserves.len(), 1, "{reserves:?}");
    assert_eq!(reserves[0].status, "no_answer");
    // It was looked for by our own reference, which was kept before the call.
    let ours = truth.reservations[0].client_reference.clone();
    assert!(ours.is_some());
    assert!(truth.requests_of("lookup").iter().any(|lookup| lookup.client_reference == ours));
    assert_eq!(truth.reservations.len(), 1);
    assert_eq!(truth.reservations[0].state, "confirmed");
    assert_eq!(shown.references(), [truth.reservations[0].reference.clone()]);
    assert_eq!(truth.reservations[0].guests, [trip.guest]);
    stack.stop().await.unwrap();
}
