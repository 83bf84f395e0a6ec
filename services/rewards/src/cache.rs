//! All Redis of rewards: the points of accounts, as the gateway shows them. All of it may be lost.

use std::{collections::BTreeMap, time::Duration};

use chassis::Process;
use chrono::{DateTime, Utc};
use contracts::{
    ids::AccountId,
    shown::{ShownPoints, points_key},
};
use redis::{
    RedisError,
    aio::{ConnectionManager, ConnectionManagerConfig},
};
use rewards_core::{Account, Balances};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::sync::mpsc;

/// A Redis that is slower than this is treated as absent.
const ANSWER_WITHIN: Duration = Duration::from_millis(250);
/// Accounts that wait to be shown; beyond that, changes are not shown until the next one.
const WAITING_MAX: usize = 10_000;
/// Accounts written in one round trip.
const AT_ONCE: usize = 256;
/// Points that nobody changes are forgotten after this long; the gateway asks then.
const KEPT_FOR_S: u64 = 86_400;

/// Writes the points unless a newer version has been written: instances write in no order.
///
/// KEYS: the points, their version. ARGV: the version, the points, how long in seconds.
const SHOW: &str = "
local written = tonumber(redis.call('get', KEYS[2]) or '0')
if written > tonumber(ARGV[1]) then return 0 end
redis.call('set', KEYS[1], ARGV[2], 'EX', ARGV[3])
redis.call('set', KEYS[2], ARGV[1], 'EX', ARGV[3])
return 1";

/// The points of an account at a version.
#[derive(Debug, Clone, PartialEq)]
pub struct Shown {
    account_id: AccountId,
    version: u64,
    points: ShownPoints,
}

/// Takes points to be shown and writes them when it can.
#[derive(Debug, Clone)]
pub(crate) struct Cache {
    waiting: mpsc::Sender<Shown>,
}

impl Shown {
    pub(crate) fn of(account_id: &AccountId, account: &Account, as_of: DateTime<Utc>) -> Self {
        let points = shown_points(account, as_of);
        Self { account_id: account_id.clone(), version: account.version, points }
    }
}

/// The sums of an account, as the gateway shows them.
pub(crate) fn shown_points(account: &Account, as_of: DateTime<Utc>) -> ShownPoints {
    let Balances { available, pending, frozen, held, debt } = account.balances();
    let signed = |points| i64::try_from(points).unwrap_or(i64::MAX);
    ShownPoints {
        as_of,
        available: signed(available),
        // What is frozen cannot be redeemed yet, either.
        pending: signed(pending.saturating_add(frozen)),
        held: signed(held),
        debt: signed(debt),
    }
}

impl Cache {
    /// Starts the writer; it connects when there is something to write.
    pub(crate) fn start(url: &SecretString, process: &Process) -> Result<Self, RedisError> {
        let client = redis::Client::open(url.expose_secret())?;
        let config = ConnectionManagerConfig::new()
            .set_connection_timeout(Some(ANSWER_WITHIN))
            .set_response_timeout(Some(ANSWER_WITHIN))
            .set_number_of_retries(1);
        let redis = ConnectionManager::new_lazy_with_config(client, config)?;
        let (waiting, to_write) = mpsc::channel(WAITING_MAX);
        let shutdown = process.shutdown.clone();
        process.tasks.spawn("show points", async move {
            // What is not written when the process stops is what any lost key is: asked for again.
            tokio::select! {
                () = write_all(redis, to_write) => {}
                () = shutdown.cancelled() => {}
            }
            Ok(())
        });
        Ok(Self { waiting })
    }

    /// Hands points to the writer. Never waits: what does not fit is shown when it changes again.
    pub(crate) fn show(&self, accounts: Vec<Shown>) {
        for shown in accounts {
            if self.waiting.try_send(shown).is_err() {
                tracing::debug!("points are not shown: the writer is behind");
                return;
            }
        }
    }
}

async fn write_all(mut redis: ConnectionManager, mut to_write: mpsc::Receiver<Shown>) {
    let mut batch = Vec::with_capacity(AT_ONCE);
    let mut reachable = true;
    while to_write.recv_many(&mut batch, AT_ONCE).await > 0 {
        let newest: BTreeMap<_, _> =
            batch.drain(..).map(|shown| (shown.account_id.clone(), shown)).collect();
        match write(&mut redis, newest.values()).await {
            Ok(()) => reachable = true,
            Err(error) => {
                // Said once, not for every batch of an outage.
                if std::mem::replace(&mut reachable, false) {
                    tracing::warn!(error = %chassis::chain(&error), "points are not shown for now");
                }
            }
        }
    }
}

async fn write(
    redis: &mut ConnectionManager,
    batch: impl Iterator<Item = &Shown>,
) -> Result<(), RedisError> {
    let mut pipe = redis::pipe();
    for Shown { account_id, version, points } in batch {
        let key = points_key(account_id.as_str());
        // Plain data with text keys always has a JSON form.
        let Ok(body) = serde_json::to_string(points) else { continue };
        let version_key = format!("{key}:version");
        pipe.cmd("EVAL").arg(SHOW).arg(2).arg(key).arg(version_key);
        pipe.arg(*version).arg(body).arg(KEPT_FOR_S).ignore();
    }
    pipe.query_async(redis).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_owed_is_shown() {
        let account = Account { debt: 250, ..Account::default() };
        let shown = shown_points(&account, DateTime::UNIX_EPOCH);
        assert_eq!([shown.available, shown.pending, shown.held, shown.debt], [0, 0, 0, 250]);
    }
}
