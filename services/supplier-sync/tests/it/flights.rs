//! Flights at Duffel: two deadlines, payment by a call of its own, cancelling in two steps.

use std::time::Duration;

use chrono::TimeDelta;
use contracts::{
    messages::{LegState, RefusedWhy, WantedLeg},
    offer::Product,
    policy::Life,
    shown::Freshness,
    supplier::Supplier,
};
use serde_json::json;

use crate::world::World;

#[tokio::test]
async fn a_flight_is_found_held_paid_and_given_back() {
    let mut world = World::at(Supplier::Duffel).await;
    let app = world.start().await;
    let found = world.offers(&app).await;
    assert_eq!(found.suppliers.len(), 1);
    assert_eq!(found.suppliers[0].state, Freshness::Fresh);
    let leg = world.leg(&app).await;
    let Product::Flight { segments } = &leg.order.product else { panic!("{:?}", leg.order) };
    assert_eq!((segments[0].origin.as_str(), segments[0].destination.as_str()), ("LHR", "JFK"));

    world.want(&leg, 1, WantedLeg::Held).await;
    let held = world.told().await;
    let LegState::Held { reference, until } = held.state else { panic!("{held:?}") };
    assert!(until.is_some(), "the space has a deadline");
    world.want(&leg, 2, WantedLeg::Confirmed).await;
    assert_eq!(world.told().await.state, LegState::Confirmed { reference });
    assert_eq!(world.live().await[0]["state"], "confirmed");
    assert_eq!(world.live().await[0]["client_reference"], leg.client_reference(1));

    world.want(&leg, 3, WantedLeg::Released).await;
    let gone = world.told().await;
    assert!(matches!(gone.state, LegState::Gone { .. }), "{gone:?}");
    assert!(world.live().await.is_empty());
    assert_eq!((world.asked("quote_cancel").await, world.asked("cancel").await), (1, 1));
    assert_eq!((world.asked("reserve").await, world.asked("confirm").await), (1, 1));
}

/// Row: A9
#[tokio::test]
async fn a_cancellation_that_costs_more_than_was_agreed_is_a_case_with_both_fees() {
    let mut world = World::at(Supplier::Duffel).await;
    let app = world.start().await;
    let faults = ["", "dearer_cancellation", "refund_in_credits"];
    for (before, fault) in faults.into_iter().enumerate() {
        let leg = world.leg_of(&app, |offer| offer.terms.refundable).await;
        let (last, cost) = (leg.order.terms.cancel_steps.first().cloned(), leg.order.price);
        assert!(last.is_none_or(|step| step.fee.minor < cost.minor), "{:?}", leg.order.terms);
        world.want(&leg, 1, WantedLeg::Confirmed).await;
        while !matches!(world.told().await.state, LegState::Confirmed { .. }) {}
        if !fault.is_empty() {
            world.fault("quote_cancel", fault, 1, 0).await;
        }
        world.want(&leg, 2, WantedLeg::Released).await;
        assert!(matches!(world.told().await.state, LegState::Gone { .. }));
        let (_, body) = world.get(&app, "/internal/cases", &world.token("internal")).await;
        let cases = body["cases"].as_array().unwrap();
        assert_eq!(cases.len(), before, "{body}");
        if !fault.is_empty() {
            let ours = cases.iter().find(|case| case["leg_id"] == json!(leg.leg_id));
            let case = ours.expect("a case of this leg");
            assert_eq!(case["kind"], "fee", "{fault}");
            assert_eq!(case["theirs"]["cancel_fee"], json!(cost));
            assert_ne!(case["ours"], case["theirs"]);
        }
    }
}

/// Row: B1
#[tokio::test]
async fn an_order_that_was_made_but_never_answered_is_found_in_the_list_and_not_made_again() {
    let mut world = World::at(Supplier::Duffel).await;
    let app = world.start().await;
    for (n, fault) in ["reset_after_commit", "accepted_202", "http_500_after"].iter().enumerate() {
        let leg = world.leg(&app).await;
        let body = json!({ "operation": "reserve", "fault": fault });
        world.control("POST", "/duffel/faults", Some(body)).await;
        world.want(&leg, 1, WantedLeg::Held).await;
        assert!(matches!(world.told().await.state, LegState::InDoubt { .. }), "{fault}");
        assert_eq!(world.live().await.len(), n + 1, "{fault}: it is there, and nobody said so");
        world.wait(30).await;
        world.settle(&app).await;
        let reference = world.told_held().await;
        let live = world.live().await;
        let ours: Vec<_> = live
            .iter()
            .filter(|one| one["client_reference"] == leg.client_reference(1).as_str())
            .collect();
        assert_eq!(ours.len(), 1, "{fault}");
        assert_eq!(ours[0]["reference"], reference.as_str(), "{fault}");
        assert_eq!((world.asked("reserve").await, live.len()), (n + 1, n + 1), "{fault}");
    }
}

/// Row: B2
#[tokio::test]
async fn an_order_that_was_lost_is_made_anew_only_once_it_is_proven_dead() {
    let mut world = World::at(Supplier::Duffel).await;
    let app = world.start().await;
    let leg = world.leg(&app).await;
    world.fault("reserve", "timeout_before_commit", 1, 60_000).await;
    world.want(&leg, 1, WantedLeg::Held).await;
    assert!(matches!(world.told().await.state, LegState::InDoubt { .. }));
    for seconds in [30, 60] {
        world.wait(seconds).await;
        world.settle(&app).await;
        assert_eq!(world.asked("reserve").await, 1, "a miss within the window proves nothing");
    }
    world.wait(600).await;
    world.settle(&app).await;
    world.told_held().await;
    assert_eq!(world.asked("reserve").await, 2);
    let live = world.live().await;
    assert_eq!(live.len(), 1);
    assert_eq!(live[0]["client_reference"], leg.client_reference(2));
}

/// Row: B5
#[tokio::test]
async fn a_flight_on_another_day_or_in_another_name_is_never_paid_for() {
    let mut world = World::at(Supplier::Duffel).await;
    let app = world.start().await;
    for fault in ["wrong_dates", "wrong_guest"] {
        let leg = world.leg(&app).await;
        world.fault("reserve", fault, 1, 0).await;
        world.want(&leg, 1, WantedLeg::Held).await;
        world.want(&leg, 2, WantedLeg::Confirmed).await;
        for seconds in [30, 60] {
            world.wait(seconds).await;
            world.settle(&app).await;
        }
        let live = world.live().await;
        let ours = leg.client_reference(1);
        let made = live.iter().find(|one| one["client_reference"] == ours.as_str());
        assert_eq!(made.unwrap()["state"], "held", "{fault}");
        assert_eq!(world.asked("confirm").await, 0, "{fault}: nothing is paid for");
    }
}

/// Row: B7
#[tokio::test]
async fn a_flight_that_is_moved_within_its_day_is_told_with_both_times_and_taken_as_agreed_to() {
    let mut world = World::at(Supplier::Duffel).await;
    let app = world.start().await;
    let mut leg = world.leg(&app).await;
    world.want(&leg, 1, WantedLeg::Confirmed).await;
    while !matches!(world.told().await.state, LegState::Confirmed { .. }) {}
    let sold = leg.order.product.segments().to_vec();
    let body = json!({
        "client_reference": leg.client_reference(1), "act": "schedule_change", "hours": 5,
    });
    world.control("POST", "/duffel/act", Some(body)).await;
    // What was bought is doubted when it is read so twice.
    for seconds in [900, 60, 900] {
        world.wait(seconds).await;
        world.settle(&app).await;
    }
    let theirs = world.told().await.theirs.expect("it is told");
    let moved: Vec<_> = sold.iter().map(|f| f.departs_at + TimeDelta::hours(5)).collect();
    assert_eq!(theirs.segments.iter().map(|f| f.departs_at).collect::<Vec<_>>(), moved);
    assert_eq!((theirs.check_in, theirs.price), (leg.order.check_in, leg.order.price));
    let (_, body) = world.get(&app, "/internal/cases", &world.token("internal")).await;
    let case = &body["cases"][0];
    assert_eq!(case["kind"], "dates", "{body}");
    assert_eq!(case["ours"]["segments"], json!(sold));
    assert_eq!(case["theirs"]["segments"], json!(theirs.segments));

    leg.order.product = Product::Flight { segments: theirs.segments.clone() };
    world.agrees(&leg, 2, theirs).await;
    assert!(matches!(world.told().await.state, LegState::Confirmed { .. }));
}

#[tokio::test]
async fn an_airline_that_refuses_the_money_leaves_no_flight() {
    let mut world = World::at(Supplier::Duffel).await;
    let app = world.start().await;
    let leg = world.leg(&app).await;
    world.want(&leg, 1, WantedLeg::Held).await;
    world.told_held().await;
    world.fault("confirm", "confirm_refused", 1, 0).await;
    world.want(&leg, 2, WantedLeg::Confirmed).await;
    world.settle(&app).await;
    let told = world.told().await;
    assert!(!matches!(told.state, LegState::Confirmed { .. } | LegState::Held { .. }), "{told:?}");
    assert!(world.live().await.is_empty());
}

/// Row: D6
#[tokio::test]
async fn answers_of_flights_live_as_long_as_the_policy_says_of_flights() {
    let mut world = World::at(Supplier::Duffel).await;
    let life = |soft, hard| Life {
        soft_for: Duration::from_secs(soft),
        hard_for: Duration::from_secs(hard),
    };
    world.policy.search.flight = life(60, 120);
    // Other products live otherwise.
    world.policy.search.stay = life(600, 900);
    world.policy.search.activity = life(600, 900);
    let app = world.start().await;
    let first = world.offers(&app).await;
    assert_eq!(World::reads("duffel", "miss"), 1);
    // Before nine tenths of its soft life it is known, past eleven tenths it is asked for anew.
    world.wait(50).await;
    assert_eq!(world.offers(&app).await, first);
    assert_eq!((world.asked("search").await, World::reads("duffel", "hit")), (1, 0));
    world.wait(20).await;
    assert!(world.offers(&app).await.as_of > first.as_of);
    assert_eq!((world.asked("search").await, World::reads("duffel", "stale")), (2, 1));
    // Past its hard life nothing of it is shown although nobody else answers.
    world.wait(140).await;
    world.fault("search", "http_503", 1, 0).await;
    let none = world.offers(&app).await;
    assert_eq!((none.suppliers[0].state, none.offers.len()), (Freshness::Unavailable, 0));
}

/// Row: D5
#[tokio::test]
async fn a_flight_that_costs_more_when_it_is_to_be_paid_is_refused_at_once_and_given_back() {
    let mut world = World::at(Supplier::Duffel).await;
    let app = world.start().await;
    let leg = world.leg(&app).await;
    world.want(&leg, 1, WantedLeg::Held).await;
    world.told_held().await;
    world.fault("confirm", "price_changed", 1, 0).await;
    world.want(&leg, 2, WantedLeg::Confirmed).await;
    world.settle(&app).await;
    let told = world.told().await.state;
    assert_eq!(told, LegState::Refused { why: RefusedWhy::PriceChanged });
    world.want(&leg, 3, WantedLeg::Released).await;
    while !matches!(world.told().await.state, LegState::Gone { .. }) {}
    assert!(world.live().await.is_empty());
}
