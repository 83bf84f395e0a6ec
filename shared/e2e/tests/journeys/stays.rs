//! A stay at a supplier that holds nothing: it is bought where it can be cancelled free, and the
//! traveller notices nothing of that.

use contracts::supplier::Supplier;
use e2e::{
    gateway::Stay,
    traveller::{Traveller, some_stay},
};

use crate::stage::{self, SOON};

/// Only ETG sells it.
fn stay_at_etg() -> Stay {
    Stay { property_id: "8473001".to_owned(), ..some_stay() }
}

/// Row: B1
/// Row: B2
#[tokio::test(flavor = "multi_thread")]
async fn a_stay_whose_booking_was_started_and_never_answered_is_found_paid_and_there_once() {
    let stack = stage::patient("etg").await;
    let ada = Traveller::of(&stack, "ada").await.unwrap();
    let double = stack.double_of(Supplier::Etg);
    double.arm("callback", "callback_missing", 100, None).await.unwrap();
    double.arm("reserve", "timeout_after_commit", 1, Some(60_000)).await.unwrap();

    let (trip, shown) = ada.travel(&stay_at_etg(), SOON).await.unwrap();

    let truth = double.truth().await.unwrap();
    let reserves = truth.requests_of("reserve");
    assert_eq!(reserves.len(), 1, "{reserves:?}");
    assert_eq!(reserves[0].status, "no_answer");
    assert_eq!(truth.reservations.len(), 1);
    assert_eq!(truth.reservations[0].state, "confirmed");
    assert_eq!(shown.references(), [truth.reservations[0].reference.clone()]);
    assert!(truth.reservations[0].guests.contains(&trip.guest));
    stack.stop().await.unwrap();
}
