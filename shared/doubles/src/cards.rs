//! A card gateway, written from what Stripe publishes of payment intents.
//!
//! Sources: docs.stripe.com, reference of payment intents, refunds, disputes, errors and idempotent
//! requests; the guides on placing a hold, on 3-D Secure, on webhooks and their signatures, and the
//! list of test cards. Where they are silent the word "assumed" stands beside the line.

mod answers;
mod api;
mod exchange;
mod steering;
mod webhooks;
mod world;

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::routing::{get, post};
use chrono::Utc;

use crate::Life;
use crate::config::CardsConfig;
use crate::faults::Board;
use webhooks::Webhooks;
use world::World;

/// The gateway: what was paid and what goes wrong.
pub(crate) struct Cards {
    config: CardsConfig,
    world: Mutex<World>,
    faults: Board,
    webhooks: Webhooks,
}

impl Cards {
    /// Opens for business with nothing paid.
    pub(crate) fn new(config: CardsConfig, life: &Life) -> Self {
        Self {
            webhooks: Webhooks::new(config.callback.clone(), life),
            config,
            world: Mutex::default(),
            faults: Board::new(exchange::OFFERS),
        }
    }

    /// Works on the world as it is now: what was authorised too long ago is given back first.
    fn with_world<T>(&self, work: impl FnOnce(&mut World) -> T) -> T {
        let (result, events) = {
            let mut world = self.world.lock().unwrap();
            world.lapse(Utc::now(), self.config.authorised_for);
            let result = work(&mut world);
            (result, std::mem::take(&mut world.events))
        };
        for event in events {
            self.tell(&event);
        }
        result
    }
}

/// Serves the API under `/v1`, the page where customers type their card, and the control interface.
pub(crate) fn router(cards: Arc<Cards>) -> Router {
    let api = Router::new()
        .route("/payment_intents", post(api::create))
        .route("/payment_intents/{id}", get(api::show))
        .route("/payment_intents/{id}/capture", post(api::capture))
        .route("/payment_intents/{id}/cancel", post(api::cancel))
        .route("/refunds", post(api::refund).get(api::refunds))
        .route("/disputes", get(api::disputes));
    Router::new()
        .nest("/v1", api)
        .route("/pay/{secret}", get(steering::page).post(steering::pay))
        .route("/pay/{secret}/authenticate", post(steering::authenticate))
        .route("/truth", get(steering::truth))
        .route("/faults", post(steering::arm).delete(steering::disarm).get(steering::armed))
        .route("/act", post(steering::act))
        .route("/notify", post(steering::notify))
        .with_state(cards)
}
