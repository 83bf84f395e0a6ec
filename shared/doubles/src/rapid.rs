//! Expedia Rapid (stays), written from its published rules.
//!
//! Sources: the OpenAPI document of ExpediaGroup/rapid-java-sdk (`code/transformedSpecs.yaml`), and
//! on developers.expediagroup.com the pages signature-authentication, rapid-error-responses,
//! handling-booking-requests, hold-resume and notifications. Where they are silent the word
//! "assumed" stands beside the line.

mod auth;
mod book;
mod catalogue;
mod change;
mod content;
mod errors;
mod exchange;
mod itinerary;
mod notifications;
mod pricing;
mod query;
mod shop;
mod steering;
mod token;
mod world;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::routing::{any, delete, get, post};
use chrono::Utc;
use sha2::{Digest, Sha256};

use crate::Life;
use crate::config::RapidConfig;
use crate::faults::Board;
use catalogue::Catalogue;
use notifications::{Manner, Notifier};
use token::Tokens;
use world::World;

/// Published (handling-booking-requests): a new booking may be missing from look-ups for up to 90
/// s.
const VISIBILITY_LAG_PUBLISHED: Duration = Duration::from_secs(90);
/// How often holds are looked at while nobody calls; each request looks too.
const LAPSE_EVERY: Duration = Duration::from_millis(50);

/// The supplier: what it sells, what exists, what goes wrong and whom it tells.
pub(crate) struct Rapid {
    config: RapidConfig,
    catalogue: Catalogue,
    tokens: Tokens,
    world: Mutex<World>,
    faults: Arc<Board>,
    notifier: Notifier,
    life: Life,
}

impl Rapid {
    /// Opens for business with nothing reserved.
    ///
    /// # Errors
    /// When the callback secret is not base64.
    pub(crate) fn new(config: RapidConfig, life: &Life) -> anyhow::Result<Self> {
        let faults = Arc::new(Board::new(exchange::OFFERS));
        let notifier = Notifier::start(config.callback.clone(), faults.clone(), life)?;
        // Made of the secret, so that links outlive a restart as they do at a real supplier.
        let key = Sha256::new().chain_update("links").chain_update(&config.secret).finalize();
        Ok(Self {
            config,
            catalogue: Catalogue::new(),
            tokens: Tokens::new(key.into()),
            world: Mutex::new(World::new(Utc::now())),
            faults,
            notifier,
            life: life.clone(),
        })
    }

    /// Works on the world as it is now: holds that are over are rolled back first, and what changed
    /// is told after.
    fn with_world<T>(&self, work: impl FnOnce(&mut World) -> T) -> T {
        let mut world = self.world.lock().unwrap();
        world.lapse_holds(Utc::now());
        let done = work(&mut world);
        // Told under the lock, so that notices leave in the order of the changes; telling only
        // queues them.
        for notice in world.notices.drain(..) {
            self.notifier.tell(notice, Manner::Usual);
        }
        done
    }
}

/// Serves the API under `/v3` and the control interface beside it.
pub(crate) fn router(rapid: Arc<Rapid>) -> Router {
    let watched = rapid.clone();
    rapid.life.spawn(async move {
        loop {
            tokio::time::sleep(LAPSE_EVERY).await;
            watched.with_world(|_| ());
        }
    });
    let api = Router::new()
        .route("/properties/content", get(content::show))
        .route("/properties/availability", get(shop::availability))
        .route("/properties/{property_id}/availability", get(shop::additional_rates))
        .route("/properties/{property_id}/rooms/{room_id}/rates/{rate_id}", get(shop::price_check))
        .route("/itineraries", post(book::create).get(itinerary::retrieve_by_client_reference))
        .route(
            "/itineraries/{itinerary_id}",
            get(itinerary::retrieve).put(itinerary::resume).delete(itinerary::cancel),
        )
        .route(
            "/itineraries/{itinerary_id}/rooms/{room_id}",
            delete(itinerary::cancel_room).put(change::change_room),
        )
        .route("/notifications", get(notifications::undelivered).post(notifications::test));
    Router::new()
        .nest("/v3", api)
        .route("/truth", get(steering::truth))
        .route("/faults", post(steering::arm).delete(steering::disarm).get(steering::armed))
        .route("/inventory", post(steering::inventory))
        .route("/notify", post(steering::notify))
        .route("/act", post(steering::act))
        .route("/plant", post(steering::plant))
        .route("/redirected", any(steering::redirected))
        .with_state(rapid)
}
