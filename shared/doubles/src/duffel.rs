//! Duffel (flights), written from its published rules.
//!
//! Sources: on duffel.com/docs the reference (api, version `v2`) of offer requests, offers, orders,
//! payments, order cancellations, webhooks and errors, and the guides on holding orders, cancelling
//! and receiving webhooks. Where they are silent the word "assumed" stands beside the line.

mod catalogue;
mod errors;
mod exchange;
mod orders;
mod passengers;
mod shop;
mod shown;
mod steering;
mod webhooks;
mod world;

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::routing::{any, get, post};
use chrono::Utc;

use crate::Life;
use crate::config::DuffelConfig;
use crate::faults::Board;
use webhooks::Webhooks;
use world::World;

/// The supplier: what exists and what goes wrong.
pub(crate) struct Duffel {
    config: DuffelConfig,
    world: Mutex<World>,
    faults: Board,
    webhooks: Webhooks,
    life: Life,
}

impl Duffel {
    /// Opens for business with nothing booked.
    pub(crate) fn new(config: DuffelConfig, life: &Life) -> Self {
        Self {
            webhooks: Webhooks::new(config.callback.clone(), life),
            config,
            world: Mutex::new(World::new(Utc::now())),
            faults: Board::new(exchange::OFFERS),
            life: life.clone(),
        }
    }

    /// Works on the world as it is now: space that was not paid for in time is released first.
    fn with_world<T>(&self, work: impl FnOnce(&mut World) -> T) -> T {
        let mut world = self.world.lock().unwrap();
        world.lapse(Utc::now());
        work(&mut world)
    }
}

/// Serves the API under `/air` and the control interface beside it.
pub(crate) fn router(duffel: Arc<Duffel>) -> Router {
    let api = Router::new()
        .route("/offer_requests", post(shop::offer_request))
        .route("/offers/{id}", get(shop::offer))
        .route("/orders", post(orders::create).get(orders::list))
        .route("/orders/{id}", get(orders::show))
        .route("/payments", post(orders::pay))
        .route("/order_cancellations", post(orders::quote_cancellation))
        .route("/order_cancellations/{id}/actions/confirm", post(orders::confirm_cancellation));
    Router::new()
        .nest("/air", api)
        .route("/truth", get(steering::truth))
        .route("/faults", post(steering::arm).delete(steering::disarm).get(steering::armed))
        .route("/act", post(steering::act))
        .route("/redirected", any(steering::redirected))
        .with_state(duffel)
}
