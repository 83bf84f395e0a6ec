//! Legs at a partner that speaks our own partner API.

use contracts::{
    messages::{GoneWhy, LegState, RefusedWhy, WantedLeg},
    supplier::Supplier,
};
use serde_json::json;

use crate::world::World;

#[tokio::test]
async fn a_stay_at_a_partner_is_held_bought_and_given_back() {
    let mut world = World::at(Supplier::Neutral).await;
    let app = world.start().await;
    let leg = world.leg(&app).await;
    world.want(&leg, 1, WantedLeg::Held).await;
    let LegState::Held { until, .. } = world.told().await.state else { panic!("not held") };
    assert!(until.is_some(), "it says until when");
    assert_eq!(world.live().await[0]["state"], "held");
    world.want(&leg, 2, WantedLeg::Confirmed).await;
    assert!(matches!(world.told().await.state, LegState::Confirmed { .. }));
    assert_eq!(world.live().await[0]["state"], "confirmed");
    world.want(&leg, 3, WantedLeg::Released).await;
    assert_eq!(world.told().await.state, LegState::Gone { why: GoneWhy::Released });
    assert!(world.live().await.is_empty());
}

/// Row: B1
#[tokio::test]
async fn a_reservation_that_a_partner_made_and_never_answered_is_found_and_not_made_again() {
    for fault in ["timeout_after_commit", "reset_after_commit", "http_500_after", "accepted_202"] {
        let mut world = World::at(Supplier::Neutral).await;
        let app = world.start().await;
        let leg = world.leg(&app).await;
        world.fault("reserve", fault, 1, 0).await;
        world.want(&leg, 1, WantedLeg::Held).await;
        assert!(matches!(world.told().await.state, LegState::InDoubt { .. }), "{fault}");
        world.wait(30).await;
        world.settle(&app).await;
        let reference = world.told_held().await;
        let live = world.live().await;
        assert_eq!(live.len(), 1, "{fault}");
        assert_eq!(live[0]["reference"], reference.as_str());
        assert_eq!(live[0]["client_reference"], leg.client_reference(1));
        assert_eq!(world.asked("reserve").await, 1, "{fault}");
    }
}

/// Row: B2
#[tokio::test]
async fn what_a_partner_lost_is_tried_again_under_a_new_reference_once_it_is_proven_dead() {
    let mut world = World::at(Supplier::Neutral).await;
    let app = world.start().await;
    let leg = world.leg(&app).await;
    world.fault("reserve", "timeout_before_commit", 1, 0).await;
    world.want(&leg, 1, WantedLeg::Held).await;
    assert!(matches!(world.told().await.state, LegState::InDoubt { .. }));
    for seconds in [5, 15, 90] {
        assert_eq!(world.asked("reserve").await, 1, "nothing is proven yet");
        world.wait(seconds).await;
        world.settle(&app).await;
    }
    world.told_held().await;
    let live = world.live().await;
    assert_eq!(live.len(), 1);
    assert_eq!(live[0]["client_reference"], leg.client_reference(2));
}

/// Row: B3
#[tokio::test]
async fn what_a_partner_refuses_is_told_in_our_words_and_nobody_looks() {
    let mut world = World::at(Supplier::Neutral).await;
    let app = world.start().await;
    let leg = world.leg(&app).await;
    world.fault("reserve", "sold_out", 1, 0).await;
    world.want(&leg, 1, WantedLeg::Held).await;
    assert_eq!(world.told().await.state, LegState::Refused { why: RefusedWhy::SoldOut });
    assert_eq!((world.asked("lookup").await, world.live().await.len()), (0, 0));
}

/// Row: B7
#[tokio::test]
async fn that_nobody_came_is_told_of_what_was_bought_where_a_supplier_says_so() {
    for supplier in [Supplier::Neutral, Supplier::Etg] {
        let mut world = World::at(supplier).await;
        let app = world.start().await;
        let leg = world.leg(&app).await;
        world.want(&leg, 1, WantedLeg::Confirmed).await;
        let bought = world.told().await;
        assert!(matches!(bought.state, LegState::Confirmed { .. }) && !bought.no_show);
        let own = leg.client_reference(1);
        let act = json!({ "client_reference": own, "act": "no_show" });
        world.control("POST", &format!("/{supplier}/act"), Some(act)).await;
        world.callback(Some(&own), None).await;
        world.hinted(&leg, 1).await;
        world.wait(2).await;
        world.settle(&app).await;
        let missed = world.told().await;
        assert_eq!((missed.state, missed.no_show), (bought.state, true), "{supplier}");
        assert_eq!(world.live().await.len(), 1, "nothing is given back for it");
    }
}
