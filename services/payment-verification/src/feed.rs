//! Reads the rate feed, believes what can be believed, and shows what one can pay with.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use chassis::{
    HttpClient, HttpClientConfig, HttpRequest,
    http_client::{CallError, CannotMakeClient},
};
use chrono::{DateTime, TimeDelta, Utc};
use contracts::{
    asset::AssetId,
    money::Currency,
    shown::{ShownAsset, ShownAssets},
};
use messaging::{StoreError, database};
use payment_verification_core::{
    assets::{Asset, Registry},
    rates::{Believed, Quoted, believe},
    settling::{Settled, settling},
};
use sqlx::PgPool;

use crate::store;

/// A feed that takes longer is asked again.
const ANSWER_WITHIN: Duration = Duration::from_secs(3);
/// How often the time that payments take is measured.
const MEASURE_EVERY: Duration = Duration::from_secs(60);

/// The rate feed and what was last believed of it.
#[derive(Debug, Clone)]
pub(crate) struct Feed {
    http: HttpClient,
    url: String,
    registry: Arc<Registry>,
    age_max: TimeDelta,
    held: Arc<Mutex<Held>>,
}

#[derive(Debug, Default)]
struct Held {
    believed: BTreeMap<(AssetId, Currency), Believed>,
    settled: BTreeMap<AssetId, Vec<Settled>>,
    measured_at: Option<Instant>,
    shown: Option<ShownAssets>,
}

/// Why the feed was not read; what was believed before stays until it is too old.
#[derive(Debug, thiserror::Error)]
pub enum FeedError {
    /// It gave no answer that can be read.
    #[error("the rate feed could not be read")]
    Feed(#[source] CallError),
    /// The database has no time for us.
    #[error("the time could not be read")]
    Store(#[from] StoreError),
}

/// The database's clock, and the same without the offset that tests give it: a feed's instants are
/// of the world's time.
#[derive(sqlx::FromRow)]
struct Times {
    now: DateTime<Utc>,
    world: DateTime<Utc>,
}

impl Feed {
    pub(crate) fn new(
        url: String,
        registry: Arc<Registry>,
        age_max: Duration,
    ) -> Result<Self, CannotMakeClient> {
        let config = HttpClientConfig { timeout: ANSWER_WITHIN, ..HttpClientConfig::default() };
        let age_max = TimeDelta::from_std(age_max).unwrap_or(TimeDelta::MAX);
        Ok(Self { http: HttpClient::new(config)?, url, registry, age_max, held: Arc::default() })
    }

    /// What is shown, as of the last reading; nothing before the first.
    pub(crate) fn shown(&self) -> Option<ShownAssets> {
        self.lock().shown.clone()
    }

    /// Reads the feed once.
    ///
    /// # Errors
    /// When it gives no answer that can be read; then what is shown has no rates that are too old.
    pub(crate) async fn step(&self, pool: &PgPool) -> Result<ShownAssets, FeedError> {
        let read = self.read().await;
        let times: Times =
            sqlx::query_as("select holdfast_now() as now, clock_timestamp() as world")
                .fetch_one(pool)
                .await
                .map_err(database("reading the time"))?;
        if let Ok(prices) = &read {
            self.take_in(prices, times.world);
        }
        self.measure(pool).await?;
        let shown = self.to_be_shown(&times);
        self.lock().shown = Some(shown.clone());
        read.map(|_| shown).map_err(FeedError::Feed)
    }

    /// Reads how long payments took lately, now and then.
    async fn measure(&self, pool: &PgPool) -> Result<(), StoreError> {
        if self.lock().measured_at.is_some_and(|at| at.elapsed() < MEASURE_EVERY) {
            return Ok(());
        }
        let mut conn = pool.acquire().await.map_err(database("taking a connection"))?;
        let settled = store::settled_lately(&mut conn).await?;
        let mut held = self.lock();
        held.settled = settled;
        held.measured_at = Some(Instant::now());
        Ok(())
    }

    /// By asset as the feed calls it: prices by currency in lower case, and `as_of`, all of them
    /// texts.
    async fn read(&self) -> Result<BTreeMap<String, BTreeMap<String, String>>, CallError> {
        let feeds: Vec<_> = self.registry.assets().map(|asset| asset.feed.as_str()).collect();
        let currencies = Currency::ALL.map(|currency| currency.code().to_lowercase());
        let (ids, vs) = (feeds.join(","), currencies.join(","));
        let url = format!("{}/v1/prices?ids={ids}&vs={vs}", self.url);
        self.http.call(HttpRequest::new(http::Method::GET, url)).await
    }

    fn take_in(&self, prices: &BTreeMap<String, BTreeMap<String, String>>, world: DateTime<Utc>) {
        for asset in self.registry.assets() {
            let Some(prices) = prices.get(&asset.feed) else {
                tracing::warn!(asset = %asset.id, "the rate feed says nothing of an asset");
                continue;
            };
            let as_of = prices.get("as_of").and_then(|text| text.parse::<DateTime<Utc>>().ok());
            let Some(as_of) = as_of else {
                tracing::warn!(asset = %asset.id, "the rate feed gives no instant");
                continue;
            };
            for currency in Currency::ALL {
                let price = prices.get(&currency.code().to_lowercase());
                let Some(price) = price else { continue };
                self.weigh(asset, Quoted { price, currency, as_of }, world);
            }
        }
    }

    fn weigh(&self, asset: &Asset, quoted: Quoted<'_>, world: DateTime<Utc>) {
        let key = (asset.id.clone(), quoted.currency);
        let mut held = self.lock();
        match believe(asset, quoted, held.believed.get(&key), world, self.age_max) {
            Ok(believed) => drop(held.believed.insert(key, believed)),
            Err(why) => {
                let currency = quoted.currency;
                tracing::warn!(asset = %asset.id, %currency, "a rate is not believed: {why}");
            }
        }
    }

    /// Every asset, with the rates that are young enough; as of the oldest of them.
    fn to_be_shown(&self, times: &Times) -> ShownAssets {
        let held = self.lock();
        let young = |believed: &&Believed| {
            times.world.signed_duration_since(believed.as_of) <= self.age_max
        };
        let oldest = held.believed.values().filter(young).map(|believed| believed.as_of).min();
        let age = oldest.map_or(TimeDelta::zero(), |oldest| {
            times.world.signed_duration_since(oldest).max(TimeDelta::zero())
        });
        let assets = self.registry.assets().map(|asset| {
            let of_asset = held.believed.iter().filter(|((id, _), _)| *id == asset.id);
            let rates = of_asset.map(|(_, believed)| believed).filter(young);
            ShownAsset {
                asset: asset.id.clone(),
                name: asset.name.clone(),
                chain: asset.chain.clone(),
                contract: asset.contract.clone(),
                decimals: asset.decimals,
                settles_in_s: self.registry.settles_in_s(asset),
                settling: self.registry.chain(&asset.chain).map_or_else(Vec::new, |chain| {
                    let settled = held.settled.get(&asset.id).map_or(&[][..], Vec::as_slice);
                    settling(asset, chain, settled)
                }),
                rates: rates.map(|believed| believed.rate.clone()).collect(),
            }
        });
        ShownAssets { as_of: times.now - age, assets: assets.collect() }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
