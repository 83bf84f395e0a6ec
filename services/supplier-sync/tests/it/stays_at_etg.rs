//! Stays at Emerging Travel Group: bought where a hold is wanted, and asked about until the booking
//! has ended; and two suppliers of stays side by side.

use std::time::{Duration, Instant};

use contracts::{
    messages::{LegState, WantedLeg},
    shown::Freshness,
    supplier::Supplier,
};
use serde_json::json;
use supplier_sync::App;
use testkit::until;

use crate::world::{SHARED_PROPERTY, World};

/// Row: L11
#[tokio::test]
async fn what_cannot_be_held_is_bought_where_it_can_be_cancelled_free_and_given_back_free() {
    let mut world = World::at(Supplier::Etg).await;
    let app = world.start().await;
    let found = world.offers(&app).await;
    assert_eq!(found.suppliers[0].state, Freshness::Fresh);
    let holdable = found.offers.iter().filter(|offer| offer.terms.holdable).count();
    assert!(holdable > 0 && holdable < found.offers.len(), "{holdable}");
    let leg = world.leg(&app).await;
    assert_eq!(
        leg.order.property_id, SHARED_PROPERTY,
        "the property is ours, whatever they call it"
    );
    world.want(&leg, 1, WantedLeg::Held).await;
    let told = world.told().await;
    let LegState::Confirmed { reference } = told.state else { panic!("{told:?}") };
    assert_eq!(world.live().await[0]["client_reference"], leg.client_reference(1));
    // The money is final: nothing is left to be bought.
    world.want(&leg, 2, WantedLeg::Confirmed).await;
    assert_eq!(world.told().await.state, LegState::Confirmed { reference });
    world.want(&leg, 3, WantedLeg::Released).await;
    assert!(matches!(world.told().await.state, LegState::Gone { .. }));
    assert_eq!((world.asked("reserve").await, world.asked("cancel").await), (1, 1));
    let truth = world.truth().await;
    assert_eq!(truth["reservations"][0]["fee"], "0.00");
}

/// Row: B1
#[tokio::test]
async fn a_booking_that_was_started_and_never_answered_is_found_and_not_made_again() {
    let mut world = World::at(Supplier::Etg).await;
    let app = world.start().await;
    for (n, fault) in ["reset_after_commit", "html_200", "malformed_body"].iter().enumerate() {
        let leg = world.leg(&app).await;
        world.fault("reserve", fault, 1, 0).await;
        world.want(&leg, 1, WantedLeg::Held).await;
        assert!(matches!(world.told().await.state, LegState::InDoubt { .. }), "{fault}");
        assert_eq!(world.live().await.len(), n + 1, "{fault}: it is there, and nobody said so");
        world.wait(3).await;
        world.settle(&app).await;
        assert!(matches!(world.told().await.state, LegState::Confirmed { .. }), "{fault}");
        assert_eq!((world.asked("reserve").await, world.live().await.len()), (n + 1, n + 1));
    }
}

/// Row: B1
#[tokio::test]
async fn a_booking_that_takes_its_time_or_is_not_known_for_a_while_is_waited_for() {
    let mut world = World::at(Supplier::Etg).await;
    let app = world.start().await;
    for (fault, after_ms) in [("stays_processing", 300), ("error_unknown_after", 0)] {
        let leg = world.leg(&app).await;
        world.fault("reserve", fault, 1, after_ms).await;
        world.want(&leg, 1, WantedLeg::Held).await;
        let told = world.told().await.state;
        assert!(matches!(told, LegState::Confirmed { .. }), "{fault}: {told:?}");
    }
    assert_eq!((world.asked("reserve").await, world.live().await.len()), (2, 2));
}

/// Row: B2
#[tokio::test]
async fn a_booking_that_was_never_started_is_made_anew_only_once_it_is_proven_dead() {
    let mut world = World::at(Supplier::Etg).await;
    let app = world.start().await;
    let leg = world.leg(&app).await;
    world.fault("reserve", "http_500_before", 1, 0).await;
    world.want(&leg, 1, WantedLeg::Held).await;
    assert!(matches!(world.told().await.state, LegState::InDoubt { .. }));
    for seconds in [3, 6] {
        world.wait(seconds).await;
        world.settle(&app).await;
        assert_eq!(world.asked("reserve").await, 1, "a miss within the window proves nothing");
    }
    world.wait(900).await;
    world.settle(&app).await;
    assert!(matches!(world.told().await.state, LegState::Confirmed { .. }));
    assert_eq!(world.asked("reserve").await, 2);
    let live = world.live().await;
    assert_eq!(live.len(), 1);
    assert_eq!(live[0]["client_reference"], leg.client_reference(2));
}

/// Row: B4
#[tokio::test]
async fn a_push_that_proves_only_its_sender_changes_nothing_before_the_order_was_read() {
    let mut world = World::at(Supplier::Etg).await;
    let app = world.start().await;
    let leg = world.leg(&app).await;
    world.want(&leg, 1, WantedLeg::Confirmed).await;
    assert!(matches!(world.told().await.state, LegState::Confirmed { .. }));
    let own = leg.client_reference(1);
    let looked = world.asked("lookup").await;
    // It says `failed`, and it is not so.
    world.callback(Some(&own), None).await;
    world.hinted(&leg, 1).await;
    world.wait(2).await;
    world.settle(&app).await;
    assert!(world.asked("lookup").await > looked, "the order was read");
    assert_eq!(world.live().await.len(), 1);
    // The hotel cancels.
    let act = json!({ "client_reference": own, "act": "cancel" });
    world.control("POST", "/etg/act", Some(act)).await;
    world.callback(Some(&own), None).await;
    world.hinted(&leg, 2).await;
    world.wait(2).await;
    world.settle(&app).await;
    loop {
        if let LegState::Gone { .. } = world.told().await.state {
            break;
        }
    }
}

/// Row: B7
#[tokio::test]
async fn a_bought_room_that_the_hotel_rejects_is_a_case_of_its_leg() {
    let mut world = World::at(Supplier::Etg).await;
    let app = world.start().await;
    for before in 0..2 {
        let leg = world.leg(&app).await;
        world.want(&leg, 1, WantedLeg::Confirmed).await;
        assert!(matches!(world.told().await.state, LegState::Confirmed { .. }));
        let own = leg.client_reference(1);
        let act = json!({ "client_reference": own, "act": "reject" });
        world.control("POST", "/etg/act", Some(act)).await;
        world.callback(Some(&own), None).await;
        world.hinted(&leg, 1).await;
        world.wait(2).await;
        world.settle(&app).await;
        let (_, body) = world.get(&app, "/internal/cases", &world.token("internal")).await;
        let cases = body["cases"].as_array().unwrap();
        assert_eq!(cases.len(), before + 1, "{body}");
        let case = cases.iter().find(|case| case["leg_id"] == json!(leg.leg_id)).expect("a case");
        assert_eq!(
            (&case["kind"], &case["theirs"]["status"]),
            (&json!("status"), &json!("rejected"))
        );
    }
    assert_eq!(world.live().await.len(), 2, "nothing is cancelled for it");
}

/// Row: D3
#[tokio::test]
async fn a_booking_process_at_another_price_is_never_started() {
    let mut world = World::at(Supplier::Etg).await;
    let app = world.start().await;
    let leg = world.leg(&app).await;
    world.fault("form", "price_changed", 1, 0).await;
    world.want(&leg, 1, WantedLeg::Held).await;
    let told = world.told().await.state;
    assert!(matches!(told, LegState::Refused { .. }), "{told:?}");
    assert_eq!((world.asked("reserve").await, world.live().await.len()), (0, 0));
}

#[tokio::test]
async fn of_two_suppliers_one_that_hangs_costs_its_own_offers_and_no_more_than_the_deadline() {
    let mut world = World::new().await;
    world.beside = Some(Supplier::Etg);
    world.policy.search.deadline = Duration::from_millis(1_500);
    let app = world.start().await;
    let both = world.offers(&app).await;
    let parts: Vec<_> = both.suppliers.iter().map(|part| (part.supplier, part.state)).collect();
    let fresh = |supplier| (supplier, Freshness::Fresh);
    assert_eq!(parts, [fresh(Supplier::Rapid), fresh(Supplier::Etg)]);
    for supplier in [Supplier::Rapid, Supplier::Etg] {
        assert!(both.offers.iter().any(|offer| offer.supplier == supplier), "{supplier}");
    }
    assert!(both.offers.is_sorted_by_key(|offer| offer.price.minor));
    assert!(both.offers.iter().all(|offer| offer.property_id == SHARED_PROPERTY));

    world.redis_forgets().await;
    let slow = json!({ "operation": "search", "fault": "slow", "after_ms": 60_000 });
    world.control("POST", "/etg/faults", Some(slow)).await;
    let begun = Instant::now();
    let partial = world.offers(&app).await;
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    let states: Vec<_> = partial.suppliers.iter().map(|part| part.state).collect();
    assert_eq!(states, [Freshness::Fresh, Freshness::Unavailable]);
    assert!(!partial.offers.is_empty());
    assert!(partial.offers.iter().all(|offer| offer.supplier == Supplier::Rapid));
    // It is asked for anew long before a whole answer would be.
    world.wait(40).await;
    let whole = world.offers(&app).await;
    assert!(whole.offers.iter().any(|offer| offer.supplier == Supplier::Etg));
}

/// Row: B11
#[tokio::test]
async fn of_two_orders_under_one_reference_none_is_left_whichever_a_cancel_takes() {
    let mut world = World::at(Supplier::Etg).await;
    let app = world.start().await;
    let leg = world.leg(&app).await;
    world.fault("reserve", "created_twice", 1, 0).await;
    world.want(&leg, 1, WantedLeg::Held).await;
    // The one that is kept is the one that is there, whichever a cancel took.
    left(&mut world, &app, 1).await;
    let there = world.live().await[0]["reference"].as_str().unwrap().to_owned();
    let told = || async { leg_told(&world).await == there };
    until("the booking to be told", || async { told().await.then_some(()) }).await;
    world.want(&leg, 2, WantedLeg::Released).await;
    left(&mut world, &app, 0).await;
    assert_eq!(world.asked("cancel").await, 2);
}

/// The reservation that the booking was told of last.
async fn leg_told(world: &World) -> String {
    let sql = "select coalesce(state -> 'told' -> 'state' ->> 'reference', '') from leg";
    sqlx::query_scalar(sql).fetch_one(&mut world.admin().await).await.unwrap()
}

/// Lets time pass until so many are left at the supplier.
async fn left(world: &mut World, app: &App, count: usize) {
    until("the first order", || async { (!world.live().await.is_empty()).then_some(()) }).await;
    for _ in 0..12 {
        world.wait(60).await;
        world.settle(app).await;
    }
    assert_eq!(world.live().await.len(), count, "{:?}", world.live().await);
}
