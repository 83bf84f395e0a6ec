//! The doubles as a process: flags in, one line when it listens, until it is told to stop.
#![allow(
    clippy::print_stdout,
    reason = "the one line that says where it listens is for whoever started it"
)]

use std::net::SocketAddr;
use std::time::Duration;

use clap::Parser;
use doubles::{
    CallbackConfig, CardsConfig, Config, Doubles, DuffelConfig, EtgConfig, HotelbedsConfig,
    IssuerConfig, NeutralConfig, RapidConfig, RatesConfig, TreasuryConfig,
};
use tokio::signal::unix::{SignalKind, signal};

/// Stand-ins for suppliers (/rapid, /etg, /hotelbeds, /duffel, /neutral), a card gateway (/cards),
/// a crypto rate feed (/rates) and a treasury (/treasury).
///
/// For development and tests only. Faults are armed over HTTP; see the README of this crate.
#[derive(Parser)]
#[command(name = "doubles", version)]
struct Flags {
    /// Address to listen on; port 0 picks a free one
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// API key that callers of Rapid must show
    #[arg(long, default_value = "dev-rapid-key")]
    rapid_key: String,
    /// Shared secret that callers of Rapid must sign with
    #[arg(long, default_value = "dev-rapid-secret")]
    rapid_secret: String,
    /// How long a hold at Rapid stands, in milliseconds
    #[arg(long, default_value_t = 3_600_000)]
    rapid_hold_ms: u64,
    /// How long a new itinerary may be missing from look-ups, in milliseconds
    #[arg(long, default_value_t = 0)]
    rapid_visibility_lag_ms: u64,
    /// How long a price check link lives, in milliseconds
    #[arg(long, default_value_t = 3_600_000)]
    rapid_price_check_link_ms: u64,
    /// How long a book link lives, in milliseconds
    #[arg(long, default_value_t = 1_800_000)]
    rapid_book_link_ms: u64,
    /// Requests a minute before Rapid answers 429; no limit when left out
    #[arg(long)]
    rapid_capacity_per_minute: Option<u64>,
    /// Where Rapid pushes its notifications (http only); nowhere when left out
    #[arg(long, requires = "rapid_callback_secret")]
    rapid_callback_url: Option<String>,
    /// Standard Webhooks secret of the notifications (base64, `whsec_` allowed)
    #[arg(long)]
    rapid_callback_secret: Option<String>,
    /// Pause before the first repetition of a push, in milliseconds; doubles each time
    #[arg(long, default_value_t = 500)]
    callback_retry_ms: u64,
    /// How often a push is tried before it is undelivered
    #[arg(long, default_value_t = 8)]
    callback_attempts: u32,
    /// Id of the API key that callers of ETG must show
    #[arg(long, default_value = "dev-etg-key")]
    etg_key: String,
    /// Token of that key
    #[arg(long, default_value = "dev-etg-secret-token")]
    etg_secret: String,
    /// How long a booking process takes at ETG, in milliseconds
    #[arg(long, default_value_t = 300)]
    etg_booking_ms: u64,
    /// How long a new order may be missing from ETG's orders, in milliseconds
    #[arg(long, default_value_t = 0)]
    etg_visibility_lag_ms: u64,
    /// Where ETG pushes its webhooks (http only); nowhere when left out
    #[arg(long, requires = "etg_callback_secret")]
    etg_callback_url: Option<String>,
    /// What ETG signs its webhooks with: the key's token
    #[arg(long)]
    etg_callback_secret: Option<String>,
    /// What the account at Duffel is called
    #[arg(long, default_value = "dev-duffel")]
    duffel_key: String,
    /// The access token at Duffel
    #[arg(long, default_value = "duffel_test_development-only")]
    duffel_secret: String,
    /// How long after an offer of Duffel a hold must be paid for, in milliseconds
    #[arg(long, default_value_t = 86_400_000)]
    duffel_hold_ms: u64,
    /// Where webhooks of Duffel are pushed
    #[arg(long, requires = "duffel_callback_secret")]
    duffel_callback_url: Option<String>,
    /// What they are signed with
    #[arg(long)]
    duffel_callback_secret: Option<String>,
    /// API key that callers of Hotelbeds must show
    #[arg(long, default_value = "dev-hotelbeds-key")]
    hotelbeds_key: String,
    /// Shared secret that callers of Hotelbeds must sign with
    #[arg(long, default_value = "dev-hotelbeds-secret")]
    hotelbeds_secret: String,
    /// How long a preconfirmation at Hotelbeds stands, in milliseconds
    #[arg(long, default_value_t = 1_800_000)]
    hotelbeds_hold_ms: u64,
    /// Key that callers of the partner must show
    #[arg(long, default_value = "dev-neutral-key")]
    neutral_key: String,
    /// Shared secret that callers of the partner must sign with
    #[arg(long, default_value = "dev-neutral-secret")]
    neutral_secret: String,
    /// How long a hold at the partner stands, in milliseconds
    #[arg(long, default_value_t = 1_800_000)]
    neutral_hold_ms: u64,
    /// Where the partner pushes its callbacks (http only); nowhere when left out
    #[arg(long, requires = "neutral_callback_secret")]
    neutral_callback_url: Option<String>,
    /// Standard Webhooks secret of the callbacks (base64, `whsec_` allowed)
    #[arg(long)]
    neutral_callback_secret: Option<String>,
    /// Secret key that callers of the card gateway must show
    #[arg(long, default_value = "sk_test_development-only")]
    cards_secret: String,
    /// Where webhooks of the card gateway are pushed
    #[arg(long, requires = "cards_callback_secret")]
    cards_callback_url: Option<String>,
    /// What they are signed with
    #[arg(long)]
    cards_callback_secret: Option<String>,
    /// The client of the OpenID Connect issuer
    #[arg(long, default_value = "holdfast-support")]
    issuer_client_id: String,
    /// What that client shows
    #[arg(long, default_value = "development-only")]
    issuer_client_secret: String,
    /// Where the issuer may send browsers back to; may be given several times
    #[arg(long = "issuer-redirect-url")]
    issuer_redirect_urls: Vec<String>,
    /// A price of the rate feed, such as eth/eur=2500.00; may be given several times
    #[arg(long = "rate", value_parser = rate)]
    rates: Vec<(String, String, String)>,
    /// JSON-RPC of the EVM node that the treasury pays through (http only)
    #[arg(long)]
    evm_rpc: Option<String>,
    /// JSON-RPC of the node of the Bitcoin family whose wallet the treasury pays from
    /// (http://name:password@host:port)
    #[arg(long)]
    utxo_rpc: Option<String>,
    /// Unlocked account of the node that the treasury pays from; the node's last when left out
    #[arg(long)]
    treasury_from: Option<String>,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let flags = Flags::parse();
    let listen = flags.listen;
    let running = Doubles::start(listen, flags.into_config()).await?;
    println!("doubles listen on {}", running.base_url());
    let mut terminated = signal(SignalKind::terminate())?;
    tokio::select! {
        _ = terminated.recv() => {}
        interrupted = tokio::signal::ctrl_c() => interrupted?,
    }
    running.shutdown().await;
    Ok(())
}

impl Flags {
    fn into_config(self) -> Config {
        let callback = |url: Option<String>, secret: Option<String>| {
            url.zip(secret).map(|(url, secret)| CallbackConfig {
                retry_after: Duration::from_millis(self.callback_retry_ms),
                attempts: self.callback_attempts,
                ..CallbackConfig::new(url, secret)
            })
        };
        let mut rates = RatesConfig::default();
        rates.prices.extend(self.rates);
        Config {
            rapid: RapidConfig {
                key: self.rapid_key,
                secret: self.rapid_secret,
                hold_for: Duration::from_millis(self.rapid_hold_ms),
                visibility_lag: Duration::from_millis(self.rapid_visibility_lag_ms),
                price_check_link_for: Duration::from_millis(self.rapid_price_check_link_ms),
                book_link_for: Duration::from_millis(self.rapid_book_link_ms),
                capacity_per_minute: self.rapid_capacity_per_minute,
                callback: callback(self.rapid_callback_url, self.rapid_callback_secret),
            },
            etg: EtgConfig {
                key: self.etg_key,
                secret: self.etg_secret,
                booking_takes: Duration::from_millis(self.etg_booking_ms),
                visibility_lag: Duration::from_millis(self.etg_visibility_lag_ms),
                callback: callback(self.etg_callback_url, self.etg_callback_secret),
                ..EtgConfig::default()
            },
            duffel: DuffelConfig {
                key: self.duffel_key,
                secret: self.duffel_secret,
                hold_for: Duration::from_millis(self.duffel_hold_ms),
                callback: callback(self.duffel_callback_url, self.duffel_callback_secret),
                ..DuffelConfig::default()
            },
            hotelbeds: HotelbedsConfig {
                key: self.hotelbeds_key,
                secret: self.hotelbeds_secret,
                hold_for: Duration::from_millis(self.hotelbeds_hold_ms),
                ..HotelbedsConfig::default()
            },
            neutral: NeutralConfig {
                key: self.neutral_key,
                secret: self.neutral_secret,
                hold_for: Duration::from_millis(self.neutral_hold_ms),
                callback: callback(self.neutral_callback_url, self.neutral_callback_secret),
                ..NeutralConfig::default()
            },
            cards: CardsConfig {
                secret: self.cards_secret,
                callback: callback(self.cards_callback_url, self.cards_callback_secret),
                ..CardsConfig::default()
            },
            issuer: IssuerConfig {
                client_id: self.issuer_client_id,
                client_secret: self.issuer_client_secret,
                redirect_uris: self.issuer_redirect_urls,
            },
            rates,
            treasury: TreasuryConfig {
                evm_rpc: self.evm_rpc,
                utxo_rpc: self.utxo_rpc,
                from: self.treasury_from,
                ..TreasuryConfig::default()
            },
        }
    }
}

/// Reads `asset/currency=price`.
fn rate(given: &str) -> Result<(String, String, String), String> {
    let (pair, price) = given.split_once('=').ok_or("expected asset/currency=price")?;
    let (asset, vs) = pair.split_once('/').ok_or("expected asset/currency=price")?;
    Ok((asset.to_lowercase(), vs.to_lowercase(), price.to_owned()))
}
