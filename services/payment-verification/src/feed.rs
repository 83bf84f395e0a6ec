//! Reads the sources of rates, believes what can be believed, and shows what one can pay with.

mod source;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use chassis::{
    HttpClient, HttpClientConfig,
    http_client::{CallError, CannotMakeClient},
};
use chrono::{DateTime, TimeDelta, Utc};
use contracts::{
    asset::AssetId,
    money::Currency,
    shown::{NotPayable, ShownAsset, ShownAssets},
};
use messaging::{StoreError, database};
use payment_verification_core::{
    assets::{Asset, Family, Registry, cards},
    rates::{Believed, Quoted, believe},
    settling::{Settled, settling},
};
use sqlx::PgPool;

use self::source::Price;
pub(crate) use self::source::Source;
use crate::store;

/// A feed that takes longer is asked again.
const ANSWER_WITHIN: Duration = Duration::from_secs(3);
/// How often the time that payments take is measured.
const MEASURE_EVERY: Duration = Duration::from_secs(60);

/// The sources of rates and what was last believed of them.
#[derive(Debug, Clone)]
pub(crate) struct Feed {
    http: HttpClient,
    sources: Arc<[Source]>,
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
        sources: Vec<Source>,
        registry: Arc<Registry>,
        age_max: Duration,
    ) -> Result<Self, CannotMakeClient> {
        let config = HttpClientConfig { timeout: ANSWER_WITHIN, ..HttpClientConfig::default() };
        let age_max = TimeDelta::from_std(age_max).unwrap_or(TimeDelta::MAX);
        let (http, sources) = (HttpClient::new(config)?, sources.into());
        Ok(Self { http, sources, registry, age_max, held: Arc::default() })
    }

    /// What is shown, as of the last reading; nothing before the first.
    pub(crate) fn shown(&self) -> Option<ShownAssets> {
        self.lock().shown.clone()
    }

    /// The rate of an asset now; nothing where none that is young enough is believed.
    pub(crate) fn rate(&self, asset: &str, currency: &str, now: DateTime<Utc>) -> Option<Believed> {
        let shown = self.shown()?;
        let is_young = now.signed_duration_since(shown.as_of) <= self.age_max;
        let known = shown.assets.iter().find(|known| known.asset.as_str() == asset)?;
        let rate = known.rates.iter().find(|rate| rate.currency.code() == currency)?;
        is_young.then(|| Believed { rate: rate.clone(), as_of: shown.as_of })
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

    /// What the sources say. One that is silent is left out, as long as another speaks.
    async fn read(&self) -> Result<Vec<Price>, CallError> {
        let (mut prices, mut failed, mut heard) = (vec![], None, false);
        for source in self.sources.iter() {
            match source.read(&self.http, &self.registry).await {
                Ok(said) => {
                    heard = true;
                    prices.extend(said);
                }
                Err(error) => {
                    let error = failed.insert(error);
                    let error = chassis::chain(error);
                    tracing::warn!(%error, "a source of rates could not be read");
                }
            }
        }
        match failed {
            Some(error) if !heard => Err(error),
            _ => Ok(prices),
        }
    }

    fn take_in(&self, prices: &[Price], world: DateTime<Utc>) {
        for asset in self.registry.assets().filter(|asset| asset.family != Family::Card) {
            let of_asset: Vec<_> = prices.iter().filter(|said| said.asset == asset.id).collect();
            if of_asset.is_empty() {
                tracing::warn!(asset = %asset.id, "no source of rates speaks of an asset");
            }
            for currency in Currency::ALL {
                let quotes = of_asset.iter().filter(|said| said.currency == currency);
                let quotes: Vec<_> = quotes.map(|said| said.quoted(world)).collect();
                if !quotes.is_empty() {
                    self.weigh(asset, currency, &quotes, world);
                }
            }
        }
    }

    fn weigh(
        &self,
        asset: &Asset,
        currency: Currency,
        quotes: &[Quoted<'_>],
        world: DateTime<Utc>,
    ) {
        let key = (asset.id.clone(), currency);
        let mut held = self.lock();
        match believe(asset, quotes, held.believed.get(&key), world, self.age_max) {
            Ok(believed) => drop(held.believed.insert(key, believed)),
            Err(why) => {
                tracing::warn!(asset = %asset.id, %currency, "a rate is not believed: {why}");
            }
        }
    }

    /// Every asset, with the rates that stay young enough until the feed was read again; as of the
    /// oldest of them. One that is about to be too old is left out, so that it takes none of the
    /// others with it.
    fn to_be_shown(&self, times: &Times) -> ShownAssets {
        let held = self.lock();
        let young = |believed: &&Believed| {
            times.world.signed_duration_since(believed.as_of) <= self.age_max * 3 / 4
        };
        let oldest = held.believed.values().filter(young).map(|believed| believed.as_of).min();
        let age = oldest.map_or(TimeDelta::zero(), |oldest| {
            times.world.signed_duration_since(oldest).max(TimeDelta::zero())
        });
        let shown = |asset: &Asset, not_payable| {
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
                minimum: asset.minimum,
                not_payable,
                rates: match cards::rate(asset) {
                    Some(rate) => vec![rate],
                    None => rates.map(|believed| believed.rate.clone()).collect(),
                },
            }
        };
        let watched = self.registry.assets().map(|asset| shown(asset, None));
        let unwatched =
            self.registry.unwatched().map(|asset| shown(asset, Some(NotPayable::NoNode)));
        ShownAssets { as_of: times.now - age, assets: watched.chain(unwatched).collect() }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
