//! Legs at Hotelbeds: activities, held by a preconfirmation, looked up through the list.

use std::{collections::BTreeSet, time::Duration};

use chrono::{Days, Utc};
use contracts::{
    messages::{GoneWhy, LegState, RefusedWhy, WantedLeg},
    money::Currency,
    offer::{ActivitySearch, Occupancy, Search},
    supplier::Supplier,
};

use crate::world::World;

#[tokio::test]
async fn an_activity_is_held_bought_and_given_back_after_its_fee_was_asked_for() {
    let mut world = World::at(Supplier::Hotelbeds).await;
    let app = world.start().await;
    let leg = world.leg(&app).await;
    assert_eq!(leg.order.check_in, leg.order.check_out, "it takes a day");
    world.want(&leg, 1, WantedLeg::Held).await;
    let LegState::Held { until, .. } = world.told().await.state else { panic!("not held") };
    assert!(until.is_some(), "a preconfirmation stands for thirty minutes");
    assert_eq!(world.live().await[0]["state"], "held");
    world.want(&leg, 2, WantedLeg::Confirmed).await;
    assert!(matches!(world.told().await.state, LegState::Confirmed { .. }));
    assert_eq!(world.live().await[0]["state"], "confirmed");
    world.want(&leg, 3, WantedLeg::Released).await;
    assert_eq!(world.told().await.state, LegState::Gone { why: GoneWhy::Released });
    assert!(world.live().await.is_empty());
    assert_eq!((world.asked("quote_cancel").await, world.asked("cancel").await), (1, 1));
}

#[tokio::test]
async fn activities_on_several_pages_are_all_offered_and_a_page_that_is_late_takes_none_away() {
    let mut world = World::at(Supplier::Hotelbeds).await;
    world.policy.search.deadline = Duration::from_secs(4);
    let app = world.start().await;
    let day = Utc::now().date_naive() + Days::new(30);
    let search = |adults| {
        Search::Activity(ActivitySearch {
            destination: "ROM".to_owned(),
            from: day,
            to: day,
            participants: Occupancy { adults, children: Vec::new() },
            currency: Currency::Eur,
        })
    };
    let activities = async |adults| {
        let offers = world.found(&app, &search(adults)).await.offers;
        let ids: BTreeSet<String> = offers.into_iter().map(|offer| offer.property_id).collect();
        ids.len()
    };
    assert_eq!(activities(1).await, 230);
    assert_eq!(world.asked("search").await, 3);
    // The second page comes when nobody waits for it any more.
    world.fault("search", "slow", 2, 2_500).await;
    assert_eq!(activities(2).await, 100);
}

/// Row: B1
#[tokio::test]
async fn an_activity_that_was_made_but_never_answered_is_found_in_the_list_and_not_made_again() {
    let mut world = World::at(Supplier::Hotelbeds).await;
    let app = world.start().await;
    let leg = world.leg(&app).await;
    world.fault("reserve", "timeout_after_commit", 1, 60_000).await;
    world.want(&leg, 1, WantedLeg::Held).await;
    assert!(matches!(world.told().await.state, LegState::InDoubt { .. }));
    assert_eq!(world.live().await.len(), 1, "it is there, and nobody said so");
    world.wait(30).await;
    world.settle(&app).await;
    let reference = world.told_held().await;
    let live = world.live().await;
    assert_eq!(live.len(), 1);
    assert_eq!(live[0]["reference"], reference.as_str());
    assert_eq!(live[0]["client_reference"], leg.client_reference(1));
    assert_eq!(
        (world.asked("reserve").await, world.asked("lookup").await),
        (1, 2),
        "list, details"
    );
}

/// Row: B2
#[tokio::test]
async fn an_activity_that_was_lost_is_tried_again_under_a_new_reference_once_it_is_proven_dead() {
    let mut world = World::at(Supplier::Hotelbeds).await;
    let app = world.start().await;
    let leg = world.leg(&app).await;
    world.fault("reserve", "timeout_before_commit", 1, 60_000).await;
    world.want(&leg, 1, WantedLeg::Held).await;
    assert!(matches!(world.told().await.state, LegState::InDoubt { .. }));
    for seconds in [30, 60, 300] {
        assert_eq!(world.asked("reserve").await, 1, "nothing is proven yet");
        world.wait(seconds).await;
        world.settle(&app).await;
    }
    world.told_held().await;
    let live = world.live().await;
    assert_eq!(live.len(), 1);
    assert_eq!(live[0]["client_reference"], leg.client_reference(2));
}

/// The same status as at Rapid, where it proves nothing: here it is a refusal, and nobody looks.
///
/// Row: B3
#[tokio::test]
async fn a_500_is_sold_out_here_and_unknown_at_rapid() {
    let mut world = World::at(Supplier::Hotelbeds).await;
    let app = world.start().await;
    let leg = world.leg(&app).await;
    world.fault("reserve", "sold_out", 1, 0).await;
    world.want(&leg, 1, WantedLeg::Held).await;
    assert_eq!(world.told().await.state, LegState::Refused { why: RefusedWhy::SoldOut });
    let status: i32 = sqlx::query_scalar("select status from exchange where operation = 'reserve'")
        .fetch_one(&mut world.admin().await)
        .await
        .unwrap();
    assert_eq!(status, 500);
    assert_eq!(world.asked("lookup").await, 0);

    let mut rapid = World::new().await;
    let app = rapid.start().await;
    let leg = rapid.leg(&app).await;
    rapid.fault("reserve", "http_500_before", 1, 0).await;
    rapid.want(&leg, 1, WantedLeg::Held).await;
    assert!(matches!(rapid.told().await.state, LegState::InDoubt { .. }));
}
