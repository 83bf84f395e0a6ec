//! A partner that speaks Holdfast's partner API, written from its document (`partner-api.yaml`).

mod api;
mod exchange;
mod steering;
mod webhooks;
mod world;

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::routing::{any, delete, get, post};
use chrono::Utc;

use crate::Life;
use crate::config::NeutralConfig;
use crate::faults::Board;
use webhooks::Webhooks;
use world::World;

/// The partner: what it sells, what exists and what goes wrong.
pub(crate) struct Neutral {
    config: NeutralConfig,
    world: Mutex<World>,
    faults: Board,
    webhooks: Webhooks,
    life: Life,
}

impl Neutral {
    /// Opens for business with nothing booked.
    pub(crate) fn new(config: NeutralConfig, life: &Life) -> Self {
        Self {
            webhooks: Webhooks::new(config.callback.clone(), life),
            config,
            world: Mutex::new(World::new(Utc::now())),
            faults: Board::new(exchange::OFFERS),
            life: life.clone(),
        }
    }

    /// Works on the world as it is now: holds that are over end first.
    fn with_world<T>(&self, work: impl FnOnce(&mut World) -> T) -> T {
        let mut world = self.world.lock().unwrap();
        world.lapse(Utc::now());
        work(&mut world)
    }
}

/// Serves the API under `/v1` and the control interface beside it.
pub(crate) fn router(neutral: Arc<Neutral>) -> Router {
    let api = Router::new()
        .route("/offers", post(api::offers))
        .route("/offers/{offer_id}/check", post(api::check))
        .route("/reservations", post(api::reserve).get(api::list))
        .route("/reservations/{reference}", delete(api::cancel))
        .route("/reservations/{reference}/confirm", post(api::confirm));
    Router::new()
        .nest("/v1", api)
        .route("/truth", get(steering::truth))
        .route("/faults", post(steering::arm).delete(steering::disarm).get(steering::armed))
        .route("/act", post(steering::act))
        .route("/plant", post(steering::plant))
        .route("/redirected", any(steering::redirected))
        .with_state(neutral)
}
