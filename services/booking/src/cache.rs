//! All Redis of booking: price locks close at hand, and what owners show. All of it may be lost.

use std::time::Duration;

use contracts::{
    ids::{AccountId, QuoteId},
    shown::{STAMP_BYTES, ShownOffers, Stamp, unpack},
};
use redis::{
    AsyncCommands as _, RedisError, Script,
    aio::{ConnectionManager, ConnectionManagerConfig},
};
use secrecy::{ExposeSecret as _, SecretString};
use serde::de::DeserializeOwned;

use crate::quote::Quote;

/// A Redis that is slower than this is treated as absent.
const ANSWER_WITHIN: Duration = Duration::from_millis(250);

/// Takes a lock: drops the account's expired ones, counts, writes, all or nothing.
///
/// KEYS: the account's set of open locks, the lock. ARGV: now in ms, the end in ms, how many may be
/// open, the quote's id, the quote. Answers 1 when taken, 0 when too many are open.
const TAKE: &str = "
redis.call('zremrangebyscore', KEYS[1], '-inf', ARGV[1])
if redis.call('zcard', KEYS[1]) >= tonumber(ARGV[3]) then return 0 end
local left = tonumber(ARGV[2]) - tonumber(ARGV[1])
redis.call('zadd', KEYS[1], ARGV[2], ARGV[4])
redis.call('pexpire', KEYS[1], left + 60000)
redis.call('set', KEYS[2], ARGV[5], 'PX', left)
return 1";

/// Booking's two Redis instances: locks are never evicted, what is shown may be.
#[derive(Clone)]
pub(crate) struct Cache {
    locks: ConnectionManager,
    shown: ConnectionManager,
}

/// What became of taking a lock in Redis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lock {
    Taken,
    TooMany,
    /// Redis does not answer; Postgres decides.
    Away,
}

impl Cache {
    /// Connects when it is first used, and again whenever it was lost.
    pub(crate) fn new(locks: &SecretString, shown: &SecretString) -> Result<Self, RedisError> {
        Ok(Self { locks: connect(locks)?, shown: connect(shown)? })
    }

    /// Takes a price lock in one atomic script.
    pub(crate) async fn take(&self, quote: &Quote, body: &str, now_ms: i64, open_max: u32) -> Lock {
        let of = (&quote.account_id, quote.quote_id);
        self.count(of, body, (now_ms, quote.expires_at.timestamp_millis()), open_max).await
    }

    /// Counts a promise among the open locks of an account until it ends. Locks are counted like
    /// this, and promises that nobody remembers.
    pub(crate) async fn count(
        &self,
        (account, id): (&AccountId, QuoteId),
        body: &str,
        (now_ms, ends_ms): (i64, i64),
        open_max: u32,
    ) -> Lock {
        let taken: Result<i64, RedisError> = Script::new(TAKE)
            .key(locks_key(account))
            .key(lock_key(account, id))
            .arg(now_ms)
            .arg(ends_ms)
            .arg(open_max)
            .arg(id.to_string())
            .arg(body)
            .invoke_async(&mut self.locks.clone())
            .await;
        match taken {
            Ok(1) => Lock::Taken,
            Ok(_) => Lock::TooMany,
            Err(error) => {
                away("taking a price lock", &error);
                Lock::Away
            }
        }
    }

    /// Reads an account's lock; nothing when it ended, was lost, or Redis is away.
    pub(crate) async fn lock(&self, account: &AccountId, quote_id: QuoteId) -> Option<Quote> {
        let text: Result<Option<String>, RedisError> =
            self.locks.clone().get(lock_key(account, quote_id)).await;
        let text = text.inspect_err(|error| away("reading a price lock", error)).ok()??;
        serde_json::from_str(&text).ok()
    }

    /// Drops a lock that became a booking.
    pub(crate) async fn drop_lock(&self, account: &AccountId, quote_id: QuoteId) {
        let dropped: Result<(), RedisError> = redis::pipe()
            .del(lock_key(account, quote_id))
            .zrem(locks_key(account), quote_id.to_string())
            .query_async(&mut self.locks.clone())
            .await;
        if let Err(error) = dropped {
            away("dropping a price lock", &error);
        }
    }

    /// Each Redis by what it is for, and whether it answers.
    pub(crate) async fn health(&self) -> [(&'static str, bool); 2] {
        let answers = |mut redis: ConnectionManager| async move {
            let pong: Result<String, RedisError> = redis::cmd("PING").query_async(&mut redis).await;
            pong.is_ok()
        };
        let (locks, shown) =
            futures::join!(answers(self.locks.clone()), answers(self.shown.clone()));
        [("locks", locks), ("cache", shown)]
    }

    /// Reads what an owner shows; nothing on a miss.
    pub(crate) async fn shown<T: DeserializeOwned>(&self, key: &str) -> Option<T> {
        let text: Result<Option<String>, RedisError> = self.shown.clone().get(key).await;
        let text = text.inspect_err(|error| away("reading what is shown", error)).ok()??;
        serde_json::from_str(&text).ok()
    }

    /// Reads what stands before the answer to a search; nothing on a miss.
    pub(crate) async fn stamp(&self, key: &str) -> Option<Stamp> {
        let end = isize::try_from(STAMP_BYTES).unwrap_or(isize::MAX) - 1;
        let bytes: Result<Vec<u8>, RedisError> = self.shown.clone().getrange(key, 0, end).await;
        let bytes =
            bytes.inspect_err(|error| away("reading the stamp of an answer", error)).ok()?;
        Stamp::read(&bytes)
    }

    /// Reads the answer to a search, with its stamp; nothing on a miss.
    pub(crate) async fn offers(&self, key: &str) -> Option<(Stamp, ShownOffers)> {
        let bytes: Result<Option<Vec<u8>>, RedisError> = self.shown.clone().get(key).await;
        let bytes = bytes.inspect_err(|error| away("reading an answer", error)).ok()??;
        Some((Stamp::read(&bytes)?, unpack(&bytes)?))
    }

    /// Reads several things that owners show, in the order of their keys; nothing for a miss.
    pub(crate) async fn shown_all(&self, keys: &[String]) -> Vec<Option<String>> {
        if keys.is_empty() {
            return Vec::new();
        }
        let texts: Result<Vec<Option<String>>, RedisError> =
            redis::cmd("MGET").arg(keys).query_async(&mut self.shown.clone()).await;
        texts.unwrap_or_else(|error| {
            away("reading what is shown", &error);
            vec![None; keys.len()]
        })
    }
}

fn connect(url: &SecretString) -> Result<ConnectionManager, RedisError> {
    let client = redis::Client::open(url.expose_secret())?;
    let config = ConnectionManagerConfig::new()
        .set_response_timeout(Some(ANSWER_WITHIN))
        .set_connection_timeout(Some(ANSWER_WITHIN))
        .set_number_of_retries(1);
    ConnectionManager::new_lazy_with_config(client, config)
}

// One hash tag, so that the script's keys live together in a cluster.
fn locks_key(account: &AccountId) -> String {
    format!("locks:{{{account}}}")
}

fn lock_key(account: &AccountId, quote_id: QuoteId) -> String {
    format!("lock:{{{account}}}:{quote_id}")
}

fn away(doing: &'static str, error: &RedisError) {
    tracing::warn!(error = %chassis::chain(error), "Redis did not answer while {doing}");
}
