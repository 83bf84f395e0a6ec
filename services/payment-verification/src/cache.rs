//! All Redis of payment-verification: what the gateway is shown. All of it may be lost.

use std::{collections::BTreeMap, time::Duration};

use chrono::{DateTime, Utc};
use contracts::{
    asset::Units,
    ids::PaymentId,
    shown::{
        ASSETS_KEY, ShownAssets, ShownHead, ShownPayment, ShownWaiting, head_key, payment_key,
        waiting_key,
    },
};
use redis::{
    Pipeline, RedisError,
    aio::{ConnectionManager, ConnectionManagerConfig},
};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Serialize;

/// A Redis that is slower than this is treated as absent.
const ANSWER_WITHIN: Duration = Duration::from_millis(250);
/// Heads and rates are written every few seconds; what is left after a while is wrong.
const NEWS_LIVES_S: u64 = 600;
/// What waits is read again every few seconds.
const WAITING_LIVES_S: u64 = 60;
/// A payment's height is of use while its booking waits.
const PAYMENT_LIVES_S: u64 = 7 * 24 * 3600;

/// Redis, where what is shown lies.
#[derive(Clone)]
pub(crate) struct Cache {
    redis: ConnectionManager,
}

impl std::fmt::Debug for Cache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Cache")
    }
}

impl Cache {
    /// Connects when it is first used, and again whenever it was lost.
    pub(crate) fn new(url: &SecretString) -> Result<Self, RedisError> {
        let client = redis::Client::open(url.expose_secret())?;
        let config = ConnectionManagerConfig::new()
            .set_response_timeout(Some(ANSWER_WITHIN))
            .set_connection_timeout(Some(ANSWER_WITHIN))
            .set_number_of_retries(1);
        Ok(Self { redis: ConnectionManager::new_lazy_with_config(client, config)? })
    }

    /// Shows what one can pay with.
    pub(crate) async fn show_assets(&self, assets: &ShownAssets) {
        let mut pipe = redis::pipe();
        put(&mut pipe, ASSETS_KEY, assets, NEWS_LIVES_S);
        self.send(pipe).await;
    }

    /// Shows how far a chain is taken in.
    pub(crate) async fn show_head(&self, chain: &str, height: u64, as_of: DateTime<Utc>) {
        let mut pipe = redis::pipe();
        put(&mut pipe, &head_key(chain), &ShownHead { as_of, height }, NEWS_LIVES_S);
        self.send(pipe).await;
    }

    /// Shows in which block each payment's newest money stands.
    pub(crate) async fn show_payments(
        &self,
        payments: &[(PaymentId, Option<u64>)],
        as_of: DateTime<Utc>,
    ) {
        if payments.is_empty() {
            return;
        }
        let mut pipe = redis::pipe();
        for (id, height) in payments {
            let shown = ShownPayment { as_of, height: *height };
            put(&mut pipe, &payment_key(&id.to_string()), &shown, PAYMENT_LIVES_S);
        }
        self.send(pipe).await;
    }

    /// Shows what waits to be mined for each payment; soon forgotten, so that nobody reads of money
    /// that was replaced.
    pub(crate) async fn show_waiting(
        &self,
        waiting: &BTreeMap<PaymentId, Units>,
        no_more: &[PaymentId],
        as_of: DateTime<Utc>,
    ) {
        if waiting.is_empty() && no_more.is_empty() {
            return;
        }
        let mut pipe = redis::pipe();
        for id in no_more {
            pipe.del(waiting_key(&id.to_string())).ignore();
        }
        for (id, units) in waiting {
            let shown = ShownWaiting { as_of, units: *units };
            put(&mut pipe, &waiting_key(&id.to_string()), &shown, WAITING_LIVES_S);
        }
        self.send(pipe).await;
    }

    async fn send(&self, pipe: Pipeline) {
        let sent: Result<(), RedisError> = pipe.query_async(&mut self.redis.clone()).await;
        if let Err(error) = sent {
            tracing::warn!(error = %chassis::chain(&error), "nothing is shown: Redis is away");
        }
    }
}

fn put<T: Serialize>(pipe: &mut Pipeline, key: &str, shown: &T, lives_s: u64) {
    // Plain data always has a JSON form; without one there is nothing to show.
    if let Ok(text) = serde_json::to_string(shown) {
        pipe.set_ex(key, text, lives_s).ignore();
    }
}
