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

/// How long it is remembered that answers about something were forgotten: longer than any search
/// takes.
const FORGOTTEN_FOR_MS: i64 = 600_000;

/// Keeps an answer unless what it is about was forgotten since it was asked for: whoever asked
/// before would bring back what is gone.
const KEEP: &str = r"
if (redis.call('get', KEYS[1]) or '') ~= ARGV[1] then return 0 end
redis.call('sadd', KEYS[2], ARGV[2])
redis.call('pexpire', KEYS[2], ARGV[3])
for n = 3, #KEYS do
    redis.call('set', KEYS[n], ARGV[2 * n - 2], 'px', ARGV[2 * n - 1])
end
return 1";

/// Between what answers are found by and how often they had been forgotten.
const ASKED_IN: char = '\u{1f}';

/// How often answers about something had been forgotten when it was asked about.
pub(crate) struct Generation(Option<String>);

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

    /// Reads what [`Self::keep`] needs to know from before suppliers are asked.
    pub(crate) async fn generation(&self, search: &Search) -> Generation {
        let read: Result<Option<String>, RedisError> =
            self.redis.clone().get(generation_key(&product_key(search))).await;
        // When Redis is away what was forgotten cannot be known, and nothing is kept.
        let read = read.inspect_err(|error| away("asking what was forgotten", error));
        Generation(read.ok().map(Option::unwrap_or_default))
    }

    /// Keeps the answer to a search, what is new of its parts, and the ways to find it when one of
    /// its offers turns out to be gone; not what was asked for before that.
    pub(crate) async fn keep(
        &self,
        search: &Search,
        digest: &str,
        asked_in: Generation,
        new: Kept<'_>,
    ) {
        let Generation(Some(generation)) = asked_in else { return };
        let product = product_key(search);
        let script = redis::Script::new(KEEP);
        let mut call = script.prepare_invoke();
        // Longer than any part: what cannot be found cannot be forgotten.
        call.key(generation_key(&product)).key(&product);
        call.arg(&generation).arg(digest).arg(ms(new.findable_for));
        let body = pack(new.offers, new_id());
        call.key(offers_key(digest)).arg(body).arg(ms(new.keep_for));
        for (supplier, part, keep_for) in new.parts {
            let body = pack(part, new_id());
            call.key(part_key(*supplier, digest)).arg(body).arg(ms(*keep_for));
        }
        let found_by = format!("{product}{ASKED_IN}{generation}");
        for offer in &new.offers.offers {
            call.key(rate_key(&offer.rate_key)).arg(&found_by).arg(ms(new.findable_for));
        }
        let kept: Result<i64, RedisError> = call.invoke_async(&mut self.redis.clone()).await;
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
        if let Some(found_by) = self.found_by(rate).await {
            self.forget(product_of(&found_by).0).await;
        }
    }

    /// Whether an answer in which a rate was shown was forgotten since: one of its offers may have
    /// been ordered. Not while Redis does not say.
    pub(crate) async fn was_forgotten(&self, rate: &str) -> bool {
        let Some(found_by) = self.found_by(rate).await else { return false };
        let (product, asked_in) = product_of(&found_by);
        let read: Result<Option<String>, RedisError> =
            self.redis.clone().get(generation_key(product)).await;
        let read = read.inspect_err(|error| away("asking what was forgotten", error));
        read.is_ok_and(|now| asked_in.is_some_and(|then| then != now.unwrap_or_default()))
    }

    /// What the answers are found by that a rate is in.
    async fn found_by(&self, rate: &str) -> Option<String> {
        let read: Result<Option<String>, RedisError> = self.redis.clone().get(rate_key(rate)).await;
        read.inspect_err(|error| away("finding the stay of a rate", error)).ok().flatten()
    }

    async fn forget(&self, stay: &str) {
        let mut redis = self.redis.clone();
        let forgotten: Result<(), RedisError> = async {
            // First: what is kept from now on was asked for after what is forgotten.
            let generation = generation_key(stay);
            let mut counted = redis::pipe();
            counted.incr(&generation, 1).ignore().pexpire(&generation, FORGOTTEN_FOR_MS).ignore();
            let () = counted.query_async(&mut redis).await?;
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

/// What answers are found by, and how often they had been forgotten when it was asked about.
fn product_of(found_by: &str) -> (&str, Option<&str>) {
    found_by.split_once(ASKED_IN).map_or((found_by, None), |(product, then)| (product, Some(then)))
}

/// How often answers about it were forgotten.
fn generation_key(product: &str) -> String {
    format!("forgotten:{product}")
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
