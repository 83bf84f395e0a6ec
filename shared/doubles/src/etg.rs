//! Emerging Travel Group (RateHawk), stays, written from its published rules.
//!
//! Sources: on docs.emergingtravel.com the pages of its B2B API of version 3 (retrieve hotelpage,
//! prebook rate from hotelpage step, create, start and check booking process, receive booking
//! status webhook, retrieve bookings, cancel booking), the page on errors and the best practices.
//! Where they are silent the word "assumed" stands beside the line.

mod book;
mod catalogue;
mod exchange;
mod orders;
mod push;
mod shop;
mod steering;
mod world;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::routing::{any, get, post};
use chrono::Utc;

use crate::Life;
use crate::config::EtgConfig;
use crate::faults::Board;
use push::Pusher;
use world::World;

/// How often bookings under way are looked at while nobody calls; each request looks too.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// The supplier: what exists, what goes wrong and whom it tells.
pub(crate) struct Etg {
    config: EtgConfig,
    world: Mutex<World>,
    faults: Arc<Board>,
    pusher: Option<Arc<Pusher>>,
    life: Life,
}

impl Etg {
    /// Opens for business with nothing booked.
    pub(crate) fn new(config: EtgConfig, life: &Life) -> Self {
        let faults = Arc::new(Board::new(exchange::OFFERS));
        let pusher = config.callback.clone().map(|to| Pusher::new(to, faults.clone(), life));
        Self { config, world: Mutex::new(World::new()), faults, pusher, life: life.clone() }
    }

    /// Works on the world as it is now: bookings whose time has come have ended first, and whoever
    /// waits for them is told.
    fn with_world<T>(&self, work: impl FnOnce(&mut World) -> T) -> T {
        let mut world = self.world.lock().unwrap();
        world.end_what_is_due(Utc::now());
        let done = work(&mut world);
        for notice in world.notices.drain(..) {
            if let Some(pusher) = &self.pusher {
                pusher.tell(notice);
            }
        }
        done
    }
}

/// Serves the API under `/api/b2b/v3` and the control interface beside it.
pub(crate) fn router(etg: Arc<Etg>) -> Router {
    let watched = etg.clone();
    etg.life.spawn(async move {
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            watched.with_world(|_| ());
        }
    });
    let api = Router::new()
        .route("/search/hp/", post(shop::hotelpage))
        .route("/hotel/prebook/", post(shop::prebook))
        .route("/hotel/order/booking/form/", post(book::form))
        .route("/hotel/order/booking/finish/", post(book::finish))
        .route("/hotel/order/booking/finish/status/", post(book::status))
        .route("/hotel/order/info/", post(orders::info))
        .route("/hotel/order/cancel/", post(orders::cancel));
    Router::new()
        .nest("/api/b2b/v3", api)
        .route("/truth", get(steering::truth))
        .route("/faults", post(steering::arm).delete(steering::disarm).get(steering::armed))
        .route("/inventory", post(steering::inventory))
        .route("/notify", post(steering::notify))
        .route("/act", post(steering::act))
        .route("/plant", post(steering::plant))
        .route("/redirected", any(steering::redirected))
        .with_state(etg)
}
