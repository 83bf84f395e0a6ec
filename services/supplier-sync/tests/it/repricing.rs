//! A supplier asks another price by the time a leg is to be held.

use contracts::{
    ids::LegId,
    messages::{LegState, RefusedWhy, WantedLeg},
    supplier::Supplier,
};
use uuid::Uuid;

use crate::world::{Leg, World};

/// Row: D5
#[tokio::test]
async fn a_hold_refused_for_its_price_is_told_with_the_price_of_now_which_can_be_held() {
    for supplier in [Supplier::Rapid, Supplier::Neutral] {
        let mut world = World::at(supplier).await;
        let app = world.start().await;
        let leg = world.leg(&app).await;
        world.fault("reserve", "price_changed", 1, 0).await;
        world.want(&leg, 1, WantedLeg::Held).await;
        let told = world.told().await;
        assert_eq!(told.state, LegState::Refused { why: RefusedWhy::PriceChanged }, "{supplier}");
        let asks = told.asks.unwrap();
        assert_ne!(asks.price, leg.order.price, "{supplier}");
        assert_eq!(world.live().await.len(), 0);
        // What is to be had at that price is another leg.
        let mut order = leg.order.clone();
        order.book_key.clone_from(&asks.book_key);
        order.reprice.as_mut().unwrap().cost = Some(asks.price);
        let again = Leg { leg_id: LegId(Uuid::now_v7()), order, ..leg };
        world.want(&again, 1, WantedLeg::Held).await;
        let told = world.told().await;
        assert!(
            matches!(told.state, LegState::Held { .. } | LegState::Confirmed { .. }),
            "{supplier}: {told:?}"
        );
        assert_eq!(world.live().await.len(), 1);
    }
}

/// Row: D5
#[tokio::test]
async fn where_the_price_of_now_is_not_told_the_hold_is_refused_all_the_same() {
    let mut world = World::new().await;
    let app = world.start().await;
    let leg = world.leg(&app).await;
    world.fault("reserve", "price_changed", 1, 0).await;
    world.fault("price_check", "sold_out", 1, 0).await;
    world.want(&leg, 1, WantedLeg::Held).await;
    let told = world.told().await;
    assert_eq!(told.state, LegState::Refused { why: RefusedWhy::PriceChanged });
    assert_eq!(told.asks, None);
}
