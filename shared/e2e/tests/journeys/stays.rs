//! A stay at a supplier that holds nothing: it is bought where it can be cancelled free, and the
//! traveller notices nothing of that.

use chrono::{NaiveDate, Utc};
use contracts::supplier::Supplier;
use e2e::{
    gateway::Stay,
    traveller::{Traveller, some_stay},
    truth::World,
};

use crate::stage::{self, SOON, days_pass, until};

/// Only ETG sells it.
fn stay_at_etg() -> Stay {
    Stay { property_id: "8473001".to_owned(), ..some_stay() }
}

/// Row: B1
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

/// Row: B7
/// Row: E1
#[tokio::test(flavor = "multi_thread")]
async fn a_stay_that_nobody_came_to_ends_as_such_and_earns_nothing() {
    let stack = stage::patient("missed").await;
    let ada = Traveller::of(&stack, "ada").await.unwrap();
    let world = World::of(&stack).await.unwrap();
    let (trip, shown) = ada.travel(&stay_at_etg(), SOON).await.unwrap();
    let points = async || ada.gateway.points().await.unwrap();
    until("its points are pending", async || {
        (points().await["points"]["pending"].as_i64() > Some(0)).then_some(())
    })
    .await;
    let leg = &shown.0["legs"][0];
    let reference = leg["reference"].as_str().unwrap();
    stack.double_of(Supplier::Etg).act(reference, "no_show").await.unwrap();
    let state = async || {
        let shown = ada.gateway.booking(&trip.booking_id).await.unwrap();
        (shown.status().to_owned(), shown.0["legs"][0]["state"].clone())
    };
    until("told that nobody came", async || {
        (state().await == ("confirmed".to_owned(), "no_show".into())).then_some(())
    })
    .await;

    let last: NaiveDate = leg["check_out"].as_str().unwrap().parse().unwrap();
    days_pass(&stack, "booking", (last - Utc::now().date_naive()).num_days() + 3).await;
    until("over", async || {
        (state().await == ("no_show".to_owned(), "no_show".into())).then_some(())
    })
    .await;
    until("its points are taken back", async || {
        let points = points().await;
        (points["points"]["pending"] == 0 && points["points"]["available"] == 0).then_some(())
    })
    .await;
    let found = world.compare_within(&[trip.accepted()], SOON).await.unwrap();
    assert!(found.is_right(), "{found:?}");
    stack.stop().await.unwrap();
}
