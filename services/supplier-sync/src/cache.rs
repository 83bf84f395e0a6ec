//! All Redis of supplier-sync: availability, as the gateway shows it. All of it may be lost.

use std::time::Duration;

use chassis::metrics::{self, Counter};
use chrono::NaiveDate;
use contracts::{
    offer::{ActivitySearch, FlightSearch, LegOrder, Search},
    shown::{ShownOffers, offers_key},
};
use redis::{
    AsyncCommands as _, ExistenceCheck, RedisError, SetExpiry, SetOptions,
    aio::{ConnectionManager, ConnectionManagerConfig},
};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};

/// A Redis that is slower than this is treated as absent.
const ANSWER_WITHIN: Duration = Duration::from_millis(250);

/// The cache of answers to searches.
#[derive(Clone)]
pub(crate) struct Cache {
    redis: ConnectionManager,
}

impl Cache {
    /// Connects when it is first used, and again whenever it was lost.
    pub(crate) fn new(url: &SecretString) -> Result<Self, RedisError> {
        let client = redis::Client::open(url.expose_secret())?;
        let config = ConnectionManagerConfig::new()
            .set_connection_timeout(Some(ANSWER_WITHIN))
            .set_response_timeout(Some(ANSWER_WITHIN))
            .set_number_of_retries(1);
        Ok(Self { redis: ConnectionManager::new_lazy_with_config(client, config)? })
    }

    /// Reads the answer to a search; nothing on a miss, or when Redis is away.
    pub(crate) async fn offers(&self, digest: &str) -> Option<ShownOffers> {
        let text: Result<Option<String>, RedisError> =
            self.redis.clone().get(offers_key(digest)).await;
        let text = text.inspect_err(|error| away("reading offers", error));
        let found = text.ok().flatten().and_then(|text| serde_json::from_str(&text).ok());
        let result = if found.is_some() { "hit" } else { "miss" };
        metrics::add(Counter::CacheReads, &[("result", result)], 1);
        found
    }

    /// Keeps the answer to a search, and the ways to find it when one of its offers turns out to be
    /// gone.
    pub(crate) async fn keep(
        &self,
        search: &Search,
        digest: &str,
        offers: &ShownOffers,
        keep_for: Duration,
    ) {
        // Plain data with text keys always has a JSON form.
        let Ok(body) = serde_json::to_string(offers) else { return };
        let keep_ms = i64::try_from(keep_for.as_millis()).unwrap_or(i64::MAX);
        let stay = product_key(search);
        let mut pipe = redis::pipe();
        pipe.cmd("SET").arg(offers_key(digest)).arg(body).arg("PX").arg(keep_ms).ignore();
        pipe.sadd(&stay, digest).ignore().pexpire(&stay, keep_ms).ignore();
        for offer in &offers.offers {
            pipe.cmd("SET")
                .arg(rate_key(&offer.rate_key))
                .arg(&stay)
                .arg("PX")
                .arg(keep_ms)
                .ignore();
        }
        let kept: Result<(), RedisError> = pipe.query_async(&mut self.redis.clone()).await;
        if let Err(error) = kept {
            away("keeping offers", &error);
        }
    }

    /// Forgets every answer about what was ordered: something in it is gone, or costs another
    /// price.
    ///
    /// A stay is found by what it is. What was asked for an offer of another kind cannot be told
    /// from the order, so those are found by their price checks alone, see `forget_rate`.
    pub(crate) async fn forget_order(&self, order: &LegOrder) {
        if order.product.is_stay() {
            self.forget(&stay_key(&order.property_id, order.check_in, order.check_out)).await;
        }
    }

    /// Forgets every answer about the stay of a rate.
    pub(crate) async fn forget_rate(&self, rate: &str) {
        let stay: Result<Option<String>, RedisError> = self.redis.clone().get(rate_key(rate)).await;
        match stay {
            Ok(Some(stay)) => self.forget(&stay).await,
            Ok(None) => {}
            Err(error) => away("finding the stay of a rate", &error),
        }
    }

    async fn forget(&self, stay: &str) {
        let mut redis = self.redis.clone();
        let forgotten: Result<(), RedisError> = async {
            let digests: Vec<String> = redis.smembers(stay).await?;
            let mut keys: Vec<String> = digests.iter().map(|digest| offers_key(digest)).collect();
            keys.push(stay.to_owned());
            redis.del(keys).await
        }
        .await;
        if let Err(error) = forgotten {
            away("forgetting offers", &error);
        }
    }

    /// Says whether this process is the one that asks suppliers now. When Redis is away, it is.
    pub(crate) async fn leads(&self, digest: &str, at_most: Duration) -> bool {
        let ms = u64::try_from(at_most.as_millis()).unwrap_or(u64::MAX);
        let options = SetOptions::default()
            .conditional_set(ExistenceCheck::NX)
            .with_expiration(SetExpiry::PX(ms));
        let taken: Result<Option<String>, RedisError> =
            self.redis.clone().set_options(lead_key(digest), 1, options).await;
        match taken {
            Ok(taken) => taken.is_some(),
            Err(error) => {
                away("taking the lead of a search", &error);
                true
            }
        }
    }

    /// Lets others ask again.
    pub(crate) async fn yield_lead(&self, digest: &str) {
        let dropped: Result<(), RedisError> = self.redis.clone().del(lead_key(digest)).await;
        if let Err(error) = dropped {
            away("yielding the lead of a search", &error);
        }
    }
}

fn lead_key(digest: &str) -> String {
    format!("searching:{digest}")
}

/// What answers are found by when one of their offers is gone, whoever it is for.
fn product_key(search: &Search) -> String {
    match search {
        Search::Stay(stay) => stay_key(&stay.property_id, stay.check_in, stay.check_out),
        Search::Flight(flight) => {
            let FlightSearch { origin, destination, departs_on, returns_on, .. } = flight;
            let back = returns_on.map(|day| day.to_string()).unwrap_or_default();
            format!("flights-of:{origin}:{destination}:{departs_on}:{back}")
        }
        Search::Activity(activity) => {
            let ActivitySearch { destination, from, to, .. } = activity;
            format!("activities-of:{destination}:{from}:{to}")
        }
    }
}

fn stay_key(property: &str, from: NaiveDate, to: NaiveDate) -> String {
    format!("offers-of:{property}:{from}:{to}")
}

/// Rate keys are long and a supplier's own: their digest serves.
fn rate_key(rate: &str) -> String {
    let digest = Sha256::digest(rate);
    format!("stay-of:{}", hex::encode(digest.get(..16).unwrap_or_default()))
}

fn away(doing: &'static str, error: &RedisError) {
    tracing::warn!(error = %chassis::chain(error), "Redis did not answer while {doing}");
}
