#![doc = include_str!("../README.md")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::too_many_lines,
    clippy::disallowed_methods,
    reason = "a panic is a failed test"
)]

mod cards;
pub mod config;
mod control;
mod delivery;
mod duffel;
mod etg;
mod faults;
mod hotelbeds;
mod issuer;
mod neutral;
mod outgoing;
mod rapid;
mod rates;
mod server;
mod treasury;

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use config::{
    CallbackConfig, CardsConfig, Config, DuffelConfig, EtgConfig, HotelbedsConfig, IssuerConfig,
    NeutralConfig, RapidConfig, RatesConfig, TreasuryConfig,
};

/// What every double needs of the process it lives in: tasks that end with it.
#[derive(Clone, Default)]
pub(crate) struct Life {
    tasks: TaskTracker,
    ends: CancellationToken,
}

impl Life {
    /// Runs `work` beside the requests until it is done or the server ends.
    pub(crate) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        let ends = self.ends.clone();
        self.tasks.spawn(async move {
            tokio::select! {
                () = ends.cancelled() => {}
                () = work => {}
            }
        });
    }
}

/// All stand-ins behind one listening address.
///
/// Everything they know is in memory: dropping or shutting down this handle forgets it.
pub struct Doubles {
    address: SocketAddr,
    life: Life,
}

impl Doubles {
    /// Listens on `address` (port 0 picks a free one) and serves until [`Doubles::shutdown`] or
    /// drop.
    ///
    /// # Errors
    /// When the address cannot be bound or the callback secret is not base64.
    pub async fn start(address: SocketAddr, config: Config) -> anyhow::Result<Self> {
        let life = Life::default();
        let router = Router::new()
            .nest("/rapid", rapid::router(Arc::new(rapid::Rapid::new(config.rapid, &life)?)))
            .nest(
                "/hotelbeds",
                hotelbeds::router(Arc::new(hotelbeds::Hotelbeds::new(config.hotelbeds, &life))),
            )
            .nest("/duffel", duffel::router(Arc::new(duffel::Duffel::new(config.duffel, &life))))
            .nest(
                "/neutral",
                neutral::router(Arc::new(neutral::Neutral::new(config.neutral, &life))),
            )
            .nest("/etg", etg::router(Arc::new(etg::Etg::new(config.etg, &life))))
            .nest("/cards", cards::router(Arc::new(cards::Cards::new(config.cards, &life))))
            .nest("/issuer", issuer::router(config.issuer))
            .nest("/rates", rates::router(config.rates))
            .nest("/treasury", treasury::router(config.treasury, &life))
            .route("/health", axum::routing::get(|| async { "ok" }))
            .fallback(nothing_here);
        let address = server::listen(address, router, &life).await?;
        Ok(Self { address, life })
    }

    /// Where the doubles listen.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// The base URL, without a slash at its end.
    pub fn base_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Stops listening, cuts what is open, and waits until every task has ended.
    pub async fn shutdown(self) {
        self.life.ends.cancel();
        self.life.tasks.close();
        self.life.tasks.wait().await;
    }
}

impl Drop for Doubles {
    fn drop(&mut self) {
        self.life.ends.cancel();
    }
}

/// Says which doubles there are to whoever asks for another one.
async fn nothing_here(uri: http::Uri) -> axum::response::Response {
    let doubles =
        ["rapid", "etg", "hotelbeds", "duffel", "neutral", "cards", "issuer", "rates", "treasury"];
    let more = serde_json::json!({ "doubles": doubles });
    let detail = format!("nothing is at {}", uri.path());
    control::problem(http::StatusCode::NOT_FOUND, "nothing-here", &detail, more)
}
