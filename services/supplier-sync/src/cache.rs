//! All Redis of supplier-sync: availability, as the gateway shows it, and what may be asked of
//! suppliers. All of it may be lost.

mod gates;

use std::{collections::BTreeMap, time::Duration};

use chrono::NaiveDate;
use contracts::{
    offer::{ActivitySearch, FlightSearch, LegOrder, Search},
    shown::{ShownOffers, offers_key, pack, unpack},
    supplier::Supplier,
};
use redis::{
    AsyncCommands as _, RedisError,
    aio::{ConnectionManager, ConnectionManagerConfig},
};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};

pub(crate) use self::gates::{Gates, Passage, Seen};

/// A Redis that is slower than this is treated as absent. What is read and kept here saves calls to
/// suppliers, which take as long, so that it is waited for through a moment without processor.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// What Redis says of a search.
pub(crate) enum Found {
    Known(ShownOffers),
    Nothing,
    /// It does not answer.
    Away,
}

/// What was learned of a search.
pub(crate) struct Kept<'a> {
    /// The whole answer, and how long it is kept.
    pub(crate) offers: &'a ShownOffers,
    pub(crate) keep_for: Duration,
    /// The parts of it that are new, and how long each is kept.
    pub(crate) parts: &'a [(Supplier, ShownOffers, Duration)],
    /// How long all of it is found by what it is about.
    pub(crate) findable_for: Duration,
}

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

    /// Reads the answer to a search.
    pub(crate) async fn offers(&self, digest: &str) -> Found {
        let bytes: Result<Option<Vec<u8>>, RedisError> =
            self.redis.clone().get(offers_key(digest)).await;
        match bytes {
            Ok(bytes) => bytes.and_then(|b| unpack(&b)).map_or(Found::Nothing, Found::Known),
            Err(error) => {
                away("reading offers", &error);
                Found::Away
            }
        }
    }

    /// Reads the parts of suppliers of the answer to a search; none of those that are not there, or
    /// when Redis is away.
    pub(crate) async fn parts(
        &self,
        digest: &str,
        suppliers: &[Supplier],
    ) -> BTreeMap<Supplier, ShownOffers> {
        if suppliers.is_empty() {
            return BTreeMap::new();
        }
        let keys: Vec<String> = suppliers.iter().map(|one| part_key(*one, digest)).collect();
        let read: Result<Vec<Option<Vec<u8>>>, RedisError> = self.redis.clone().mget(keys).await;
        let read = read.inspect_err(|error| away("reading parts of offers", error));
        let found = suppliers.iter().zip(read.unwrap_or_default());
        found.filter_map(|(supplier, bytes)| Some((*supplier, unpack(&bytes?)?))).collect()
    }

    /// Keeps the answer to a search, what is new of its parts, and the ways to find it when one of
    /// its offers turns out to be gone.
    pub(crate) async fn keep(&self, search: &Search, digest: &str, new: Kept<'_>) {
        let product = product_key(search);
        let mut pipe = redis::pipe();
        let body = pack(new.offers, new_id());
        pipe.pset_ex(offers_key(digest), body, ms(new.keep_for)).ignore();
        for (supplier, part, keep_for) in new.parts {
            let body = pack(part, new_id());
            pipe.pset_ex(part_key(*supplier, digest), body, ms(*keep_for)).ignore();
        }
        // Longer than any part: what cannot be found cannot be forgotten.
        let findable = i64::try_from(new.findable_for.as_millis()).unwrap_or(i64::MAX);
        pipe.sadd(&product, digest).ignore().pexpire(&product, findable).ignore();
        for offer in &new.offers.offers {
            let key = rate_key(&offer.rate_key);
            pipe.pset_ex(key, &product, ms(new.findable_for)).ignore();
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
    /// from the order, so those are found by the key they are booked with, see `book_by`.
    pub(crate) async fn forget_order(&self, order: &LegOrder) {
        if order.product.is_stay() {
            self.forget(&stay_key(&order.property_id, order.check_in, order.check_out)).await;
        } else {
            self.forget_rate(&order.book_key).await;
        }
    }

    /// Notes that a rate is booked with another key, so that its answers are found by that as well.
    pub(crate) async fn book_by(&self, rate: &str, book: &str) {
        let mut copy = redis::cmd("COPY");
        copy.arg(rate_key(rate)).arg(rate_key(book)).arg("REPLACE");
        let copied: Result<(), RedisError> = copy.exec_async(&mut self.redis.clone()).await;
        if let Err(error) = copied {
            away("noting the key that a rate is booked with", &error);
        }
    }

    /// Forgets every answer in which a rate is.
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
            let of_all = |digest: &String| {
                let parts = Supplier::ALL.into_iter().map(|one| part_key(one, digest));
                parts.chain([offers_key(digest)]).collect::<Vec<_>>()
            };
            let mut keys: Vec<String> = digests.iter().flat_map(of_all).collect();
            keys.push(stay.to_owned());
            redis.del(keys).await
        }
        .await;
        if let Err(error) = forgotten {
            away("forgetting offers", &error);
        }
    }
}

fn part_key(supplier: Supplier, digest: &str) -> String {
    format!("offers-part:{supplier}:{digest}")
}

fn new_id() -> [u8; 16] {
    *chassis::mint::uuid7().as_bytes()
}

fn ms(wait: Duration) -> u64 {
    u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)
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
