//! What a run of the doubles can be told: keys, durations, where to push, which node pays.

use std::time::Duration;

/// The configuration of all doubles; `Config::default()` suits a test that embeds them.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// Expedia Rapid.
    pub rapid: RapidConfig,
    /// Emerging Travel Group.
    pub etg: EtgConfig,
    /// Hotelbeds activities.
    pub hotelbeds: HotelbedsConfig,
    /// Duffel.
    pub duffel: DuffelConfig,
    /// A partner that speaks the partner API.
    pub neutral: NeutralConfig,
    /// The crypto rate feed.
    pub rates: RatesConfig,
    /// The treasury that sends refunds.
    pub treasury: TreasuryConfig,
    /// The card gateway.
    pub cards: CardsConfig,
    /// The OpenID Connect issuer.
    pub issuer: IssuerConfig,
}

/// Whom the OpenID Connect issuer knows.
#[derive(Clone, Debug)]
pub struct IssuerConfig {
    /// The one client.
    pub client_id: String,
    /// What it shows.
    pub client_secret: String,
    /// Where browsers may be sent back to.
    pub redirect_uris: Vec<String>,
}

impl Default for IssuerConfig {
    fn default() -> Self {
        Self {
            client_id: "holdfast support".to_owned(),
            client_secret: "s3cr:t/+%".to_owned(),
            redirect_uris: vec!["https://console.example/sign-in/oidc/back".to_owned()],
        }
    }
}

/// How the Rapid double behaves when no fault is armed.
#[derive(Clone, Debug)]
pub struct RapidConfig {
    /// The API key that a caller must show.
    pub key: String,
    /// The shared secret that a caller must sign with.
    pub secret: String,
    /// How long a hold stands before it is rolled back. Rapid publishes that it ends, not when:
    /// assumed.
    pub hold_for: Duration,
    /// How long a new itinerary may be missing from look-ups (published: up to 90 s).
    pub visibility_lag: Duration,
    /// How long a price check link lives. The length is not published: assumed.
    pub price_check_link_for: Duration,
    /// How long a book link lives. The length is not published: assumed.
    pub book_link_for: Duration,
    /// How many requests a minute are served before 429, search weighing properties x rooms x
    /// nights; none: no limit.
    pub capacity_per_minute: Option<u64>,
    /// Where notifications are pushed; none: nowhere.
    pub callback: Option<CallbackConfig>,
}

impl Default for RapidConfig {
    fn default() -> Self {
        Self {
            key: "dev-rapid-key".to_owned(),
            secret: "dev-rapid-secret".to_owned(),
            hold_for: Duration::from_secs(60 * 60),
            visibility_lag: Duration::ZERO,
            price_check_link_for: Duration::from_secs(60 * 60),
            book_link_for: Duration::from_secs(30 * 60),
            capacity_per_minute: None,
            callback: None,
        }
    }
}

/// Where and how notifications are pushed.
#[derive(Clone, Debug)]
pub struct CallbackConfig {
    /// An `http://` address that takes the POST.
    pub url: String,
    /// What pushes are signed with: at Rapid a Standard Webhooks secret, base64, with or without
    /// `whsec_`; at ETG the API key's token.
    pub secret: String,
    /// The pause before the first repetition of a push that was not answered 2xx; doubled each
    /// time.
    pub retry_after: Duration,
    /// How often a push is tried before it counts as undelivered.
    pub attempts: u32,
}

impl CallbackConfig {
    /// Pushes to `url`, signed with `secret`, tried 8 times from 500 ms on.
    pub fn new(url: impl Into<String>, secret: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            secret: secret.into(),
            retry_after: Duration::from_millis(500),
            attempts: 8,
        }
    }
}

/// How the ETG double behaves when no fault is armed.
#[derive(Clone, Debug)]
pub struct EtgConfig {
    /// The id of the API key that a caller must show.
    pub key: String,
    /// The key's token, which signs the webhooks too.
    pub secret: String,
    /// How long a rate's hash lives (published: 30 minutes are recommended, it lives longer).
    pub rate_for: Duration,
    /// How long a booking process takes from its start to its end.
    pub booking_takes: Duration,
    /// How long a new order may be missing from the orders ("a time gap"; assumed).
    pub visibility_lag: Duration,
    /// How many requests a minute are served before 429; none: no limit.
    pub requests_per_minute: Option<u64>,
    /// Where webhooks are pushed; none: nowhere.
    pub callback: Option<CallbackConfig>,
}

impl Default for EtgConfig {
    fn default() -> Self {
        Self {
            key: "dev-etg-key".to_owned(),
            secret: "dev-etg-secret-token".to_owned(),
            rate_for: Duration::from_secs(60 * 60),
            booking_takes: Duration::ZERO,
            visibility_lag: Duration::ZERO,
            requests_per_minute: None,
            callback: None,
        }
    }
}

/// How the Duffel double behaves when no fault is armed.
#[derive(Clone, Debug)]
pub struct DuffelConfig {
    /// What the account is called; nobody is asked for it.
    pub key: String,
    /// The access token that a caller must show.
    pub secret: String,
    /// The currency that the account is billed in: every price is in it.
    pub currency: String,
    /// How long an offer can be ordered (published: typically 30 minutes).
    pub offer_for: Duration,
    /// How long after an offer was made the space of a hold must be paid for. Airlines differ.
    pub hold_for: Duration,
    /// How long a new order may be missing from the list. Nothing is published: assumed.
    pub visibility_lag: Duration,
    /// How many requests a minute are served before 429; none: no limit.
    pub requests_per_minute: Option<u64>,
    /// Where webhooks are pushed; none: nowhere.
    pub callback: Option<CallbackConfig>,
}

impl Default for DuffelConfig {
    fn default() -> Self {
        Self {
            key: "dev-duffel".to_owned(),
            secret: "duffel_test_development-only".to_owned(),
            currency: "EUR".to_owned(),
            offer_for: Duration::from_secs(30 * 60),
            hold_for: Duration::from_secs(24 * 60 * 60),
            visibility_lag: Duration::ZERO,
            requests_per_minute: None,
            callback: None,
        }
    }
}

/// How the Hotelbeds double behaves when no fault is armed.
#[derive(Clone, Debug)]
pub struct HotelbedsConfig {
    /// The API key that a caller must show.
    pub key: String,
    /// The shared secret that a caller must sign with.
    pub secret: String,
    /// How long a preconfirmation stands (published: 30 minutes).
    pub hold_for: Duration,
    /// How long a rate key lives. Some thirty minutes, as users report.
    pub rate_key_for: Duration,
    /// How long a new booking may be missing from look-ups. Nothing is published: assumed.
    pub visibility_lag: Duration,
    /// How many requests a minute are served before 403; none: no limit.
    pub quota_per_minute: Option<u64>,
}

impl Default for HotelbedsConfig {
    fn default() -> Self {
        Self {
            key: "dev-hotelbeds-key".to_owned(),
            secret: "dev-hotelbeds-secret".to_owned(),
            hold_for: Duration::from_secs(30 * 60),
            rate_key_for: Duration::from_secs(30 * 60),
            visibility_lag: Duration::ZERO,
            quota_per_minute: None,
        }
    }
}

/// How the partner's double behaves when no fault is armed.
#[derive(Clone, Debug)]
pub struct NeutralConfig {
    /// The key that a caller must show.
    pub key: String,
    /// The shared secret that a caller must sign with.
    pub secret: String,
    /// How long an offer and a book token live.
    pub offer_for: Duration,
    /// How long a hold stands.
    pub hold_for: Duration,
    /// How many requests a minute are served before 429.
    pub requests_per_minute: u64,
    /// Where callbacks are pushed; none: nowhere.
    pub callback: Option<CallbackConfig>,
}

impl Default for NeutralConfig {
    fn default() -> Self {
        Self {
            key: "dev-neutral-key".to_owned(),
            secret: "dev-neutral-secret".to_owned(),
            offer_for: Duration::from_secs(30 * 60),
            hold_for: Duration::from_secs(30 * 60),
            requests_per_minute: 100_000,
            callback: None,
        }
    }
}

/// The prices that the rate feed starts with.
#[derive(Clone, Debug)]
pub struct RatesConfig {
    /// (asset, currency, price as a decimal string), all lower case but the price.
    pub prices: Vec<(String, String, String)>,
}

impl Default for RatesConfig {
    fn default() -> Self {
        let prices = [
            ("eth", "2500.00", "2700.00", "400000"),
            ("btc", "60000.00", "64800.00", "9600000"),
            ("ltc", "80.00", "86.40", "12800"),
            ("usdc", "0.925926", "1.00", "148.15"),
            ("usdt", "0.925926", "1.00", "148.15"),
        ];
        let row = |(asset, eur, usd, jpy): (&str, &str, &str, &str)| {
            [("eur", eur), ("usd", usd), ("jpy", jpy)]
                .map(|(vs, price)| (asset.to_owned(), vs.to_owned(), price.to_owned()))
        };
        Self { prices: prices.into_iter().flat_map(row).collect() }
    }
}

/// The nodes and the accounts that the treasury pays from.
#[derive(Clone, Debug)]
pub struct TreasuryConfig {
    /// The JSON-RPC of a node of an EVM chain (`http://`); none: payouts there are accepted and
    /// wait.
    pub evm_rpc: Option<String>,
    /// The JSON-RPC of a node of the Bitcoin family that has a wallet (`http://name:password@`);
    /// none: the same.
    pub utxo_rpc: Option<String>,
    /// An account that the node signs for; none: the last of `eth_accounts`, since tests pay from
    /// the first ones.
    pub from: Option<String>,
    /// The pause before a payout that the node refused or did not take is tried again.
    pub retry_after: Duration,
}

impl Default for TreasuryConfig {
    fn default() -> Self {
        Self { evm_rpc: None, utxo_rpc: None, from: None, retry_after: Duration::from_secs(1) }
    }
}

/// How the card gateway behaves when no fault is armed.
#[derive(Clone, Debug)]
pub struct CardsConfig {
    /// The secret key that a caller must show.
    pub secret: String,
    /// How long an authorisation stands (published: seven days).
    pub authorised_for: Duration,
    /// Where webhooks are pushed; none: nowhere.
    pub callback: Option<CallbackConfig>,
}

impl Default for CardsConfig {
    fn default() -> Self {
        Self {
            secret: "sk_test_development-only".to_owned(),
            authorised_for: Duration::from_secs(7 * 24 * 60 * 60),
            callback: None,
        }
    }
}
