//! Hotelbeds activities (`APItude`), written from its published rules.
//!
//! Sources: on developer.hotelbeds.com under documentation/activities the pages availability,
//! details, booking-confirm, preconfirm-and-reconfirm, booking-details, booking-list, cancel and
//! cancellation-policies; under docs/read the page `API_Errors` for what the suite has in common.
//! Where they are silent the word "assumed" stands beside the line.

mod auth;
mod book;
mod bookings;
mod catalogue;
mod errors;
mod exchange;
mod shop;
mod shown;
mod steering;
mod world;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::routing::{any, get, post, put};
use chrono::Utc;

use crate::Life;
use crate::config::HotelbedsConfig;
use crate::faults::Board;
use catalogue::Catalogue;
use world::World;

/// Assumed: how long a new booking is hidden by `lookup_lag` when nothing else is asked for.
const VISIBILITY_LAG: Duration = Duration::from_secs(60);

/// The supplier: what it sells, what exists and what goes wrong.
pub(crate) struct Hotelbeds {
    config: HotelbedsConfig,
    catalogue: Catalogue,
    world: Mutex<World>,
    faults: Board,
    life: Life,
}

impl Hotelbeds {
    /// Opens for business with nothing booked.
    pub(crate) fn new(config: HotelbedsConfig, life: &Life) -> Self {
        Self {
            config,
            catalogue: Catalogue::new(),
            world: Mutex::new(World::new(Utc::now())),
            faults: Board::new(exchange::OFFERS),
            life: life.clone(),
        }
    }

    /// Works on the world as it is now: preconfirmations that are over are undone first.
    fn with_world<T>(&self, work: impl FnOnce(&mut World) -> T) -> T {
        let mut world = self.world.lock().unwrap();
        world.lapse(Utc::now());
        work(&mut world)
    }
}

/// Serves the API under `/activity-api/3.0` and the control interface beside it.
pub(crate) fn router(hotelbeds: Arc<Hotelbeds>) -> Router {
    let api = Router::new()
        .route("/activities/availability", post(shop::availability))
        .route("/activities/details", post(shop::details))
        .route("/bookings", put(book::confirm))
        .route("/bookings/preconfirm", put(book::preconfirm))
        .route("/bookings/reconfirm", put(book::reconfirm))
        .route("/bookings/{language}", get(bookings::list))
        .route("/bookings/{language}/{reference}", get(bookings::detail).delete(bookings::cancel))
        .route(
            "/bookings/{language}/{client_reference}/{name}/{surname}/{start}/{end}",
            get(bookings::detail_by_client_reference),
        );
    Router::new()
        .nest("/activity-api/3.0", api)
        .route("/truth", get(steering::truth))
        .route("/faults", post(steering::arm).delete(steering::disarm).get(steering::armed))
        .route("/inventory", post(steering::inventory))
        .route("/act", post(steering::act))
        .route("/plant", post(steering::plant))
        .route("/redirected", any(steering::redirected))
        .with_state(hotelbeds)
}
