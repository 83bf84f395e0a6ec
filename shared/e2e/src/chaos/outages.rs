//! PostgreSQL, RabbitMQ, Redis and one service are away, one after the other, while customers
//! book: nobody helps, and nothing is lost.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::{Duration, Instant},
};

use contracts::{envelope::header, routing::hearers};
use serde::Serialize;

use super::{Report, ended, load::Load, servers::Servers};
use crate::{Options, Profile, SERVICES, Stack, broker::Broker, truth::World};

/// More than any consumer takes at once, so that all of it lies there when the database goes.
const BESIDES: usize = 600;
/// The load gets this long between two outages.
const BETWEEN: Duration = Duration::from_secs(3);
/// Everything is ready again within this.
const READY_WITHIN: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// What is away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Away {
    Database,
    Broker,
    Redis,
    Service,
}

impl Away {
    pub const ALL: [Self; 4] = [Self::Database, Self::Broker, Self::Redis, Self::Service];

    const fn word(self) -> &'static str {
        match self {
            Self::Database => "database",
            Self::Broker => "broker",
            Self::Redis => "redis",
            Self::Service => "supplier-sync",
        }
    }
}

/// What one outage was like from outside.
#[derive(Debug, Clone, Serialize)]
pub struct Outage {
    /// Who told readiness, and by which check, while it lasted: `booking: database`.
    pub told: BTreeSet<String>,
    /// How long after its end until all were ready.
    pub ready_s: f64,
    /// When each check that failed after its end failed last.
    pub failed_until_s: BTreeMap<String, f64>,
}

/// What came of all of them.
#[derive(Debug, Serialize)]
pub struct Outages {
    #[serde(flatten)]
    pub report: Report,
    pub outages: BTreeMap<&'static str, Outage>,
    /// Messages that lay in the queues besides, each for the second time.
    pub repeated: usize,
}

/// Runs a system of its own, takes one thing after the other away for a while, and helps nowhere.
///
/// # Errors
/// When the system cannot be started, or does not get ready again.
pub async fn outages(
    each: Duration,
    per_second: u32,
    tell: impl Fn(&str),
) -> anyhow::Result<Outages> {
    let servers = Servers::start().await?;
    let options = Options {
        profile: Profile::Demo,
        infra: Some(servers.infra()?),
        share_of_traces: 0.0,
        ..Options::test("outages")
    };
    let stack = Arc::new(Stack::start(options).await?);
    let world = World::of(&stack).await?;
    let (url, routing) = stack.amqp();
    let broker = Broker::at(&url, routing.clone()).await?;
    let copies = broker.listen().await?;
    let load = Load::begin(Arc::clone(&stack), per_second);
    tokio::time::sleep(BETWEEN).await;
    let (mut outages, mut repeated, mut kills) = (BTreeMap::new(), 0, BTreeMap::new());
    for away in Away::ALL {
        tell(&format!("{} is away for {each:?}", away.word()));
        *kills.entry(away.word().to_owned()).or_default() += 1;
        if away == Away::Database {
            // What was said before is said again: full queues, and nothing new in them.
            let said = broker.drain(&copies).await?;
            servers.stop_database();
            for letter in said.iter().cycle().take(if said.is_empty() { 0 } else { BESIDES }) {
                for (role, _) in hearers(&letter.header(header::TYPE)) {
                    broker.put(&routing.queue(role), letter).await?;
                    repeated += 1;
                }
            }
        }
        outages.insert(away.word(), outage(&stack, &servers, away, each).await?);
        tokio::time::sleep(BETWEEN).await;
    }
    tell("everything is back");
    drop(broker);
    let report = ended(stack, &world, load, false, kills, 0).await?;
    Ok(Outages { report, outages, repeated })
}

/// One outage from its beginning until all is ready again.
async fn outage(
    stack: &Stack,
    servers: &Servers,
    away: Away,
    lasts: Duration,
) -> anyhow::Result<Outage> {
    match away {
        Away::Database => servers.stop_database(),
        Away::Broker => tokio::task::block_in_place(|| servers.stop_broker()),
        Away::Redis => {
            for name in ["redis-locks", "redis-cache"] {
                stack.kill(name);
            }
        }
        Away::Service => stack.kill(away.word()),
    }
    let until = Instant::now() + lasts;
    let mut told = BTreeSet::new();
    while Instant::now() < until {
        for (name, why) in stack.lacking().await {
            told.insert(format!("{name}: {why}"));
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    match away {
        Away::Database => tokio::task::block_in_place(|| servers.start_database())?,
        Away::Broker => tokio::task::block_in_place(|| servers.start_broker()),
        Away::Redis => {
            for name in ["redis-locks", "redis-cache"] {
                stack.restart(name).await?;
            }
        }
        Away::Service => stack.restart(away.word()).await?,
    }
    let back = Instant::now();
    let mut failed_until_s = BTreeMap::new();
    loop {
        let lacking = stack.lacking().await;
        if lacking.is_empty() {
            break;
        }
        let since = seconds(back);
        failed_until_s.extend(lacking.iter().map(|(name, why)| (format!("{name}: {why}"), since)));
        anyhow::ensure!(back.elapsed() < READY_WITHIN, "not ready after {away:?}: {lacking:?}");
        tokio::time::sleep(LOOK_EVERY).await;
    }
    Ok(Outage { told, ready_s: seconds(back), failed_until_s })
}

/// To a tenth.
fn seconds(since: Instant) -> f64 {
    (since.elapsed().as_secs_f64() * 10.0).round() / 10.0
}

impl Stack {
    /// Which check of which service fails, and which service does not answer.
    async fn lacking(&self) -> Vec<(&'static str, String)> {
        let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(4)).build();
        let Ok(client) = client else { return Vec::new() };
        let asked = SERVICES.map(|service| {
            let asked = client.get(format!("{}/ready", self.url(service))).send();
            async move {
                let Ok(answer) = asked.await else { return vec![(service, "away".to_owned())] };
                let body: serde_json::Value = answer.json().await.unwrap_or_default();
                let checks = body["checks"].as_object().cloned().unwrap_or_default();
                let redis = body["details"]["redis"].as_object().cloned().unwrap_or_default();
                let failed = checks.into_iter().chain(redis).filter(|(_, told)| told != "ok");
                failed.map(|(check, _)| (service, check)).collect()
            }
        });
        futures::future::join_all(asked).await.into_iter().flatten().collect()
    }
}
