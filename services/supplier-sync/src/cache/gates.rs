//! The gates of suppliers: what may be asked of each, as all instances know it together.
//!
//! Redis holds them. When it is away each instance goes by what it has seen itself, with a share of
//! the budget that is small enough for several of them.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use chassis::metrics::{self, Gauge};
use contracts::{policy::Policy, supplier::Supplier};
use redis::{
    AsyncCommands as _, RedisError, Script,
    aio::{ConnectionManager, ConnectionManagerConfig},
};
use secrecy::{ExposeSecret as _, SecretString};
use supplier_sync_core::gate::{
    Allowance, Breaker, Class, Gate, PROBES_NEEDED, Rules, Verdict, allowance,
};
use suppliers::Quota;
use tokio::time::Instant;

/// A Redis that is slower than this is treated as absent.
const ANSWER_WITHIN: Duration = Duration::from_millis(250);
/// The share of the budget, in hundredths, of an instance that cannot ask the others.
const ALONE_PERCENT: i64 = 25;
/// The fields of a breaker.
const BREAKER: [&str; 7] =
    ["open_since", "open_until", "probe_until", "good", "window_at", "calls", "failed"];
const GATE: &str = include_str!("gates/gate.lua");

/// The gates of all suppliers.
#[derive(Clone)]
pub(crate) struct Gates {
    redis: ConnectionManager,
    script: Arc<Script>,
    rules: Arc<BTreeMap<Supplier, Rules>>,
    /// What this instance has seen itself, by its own timer.
    alone: Arc<Mutex<BTreeMap<Supplier, Gate>>>,
    since: Instant,
}

/// Whether a call may go out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Passage {
    Go,
    /// Too much was asked; not before so much time has passed.
    Wait(Duration),
    /// The supplier is left alone for so long.
    Open(Duration),
}

/// A gate, when it was read by its own clock, and whether all instances share it.
pub(crate) struct Seen {
    pub(crate) gate: Gate,
    pub(crate) now: i64,
    pub(crate) shared: bool,
    /// Who closed the breaker by hand last, as it was written.
    pub(crate) reset: Option<String>,
}

/// What the script is asked beside a supplier's rules.
#[derive(Default)]
struct Args<'a> {
    what: &'static str,
    class: Option<Class>,
    path: &'a str,
    well: Option<bool>,
    told: Option<(String, Allowance)>,
    /// For tests: the time, in place of Redis's.
    now: Option<i64>,
}

impl Gates {
    /// Connects when it is first used, and again whenever it was lost.
    pub(crate) fn new(url: &SecretString, policy: &Policy) -> Result<Self, RedisError> {
        let client = redis::Client::open(url.expose_secret())?;
        let config = ConnectionManagerConfig::new()
            .set_connection_timeout(Some(ANSWER_WITHIN))
            .set_response_timeout(Some(ANSWER_WITHIN))
            .set_number_of_retries(1);
        let rules = Supplier::ALL.map(|supplier| (supplier, Rules::of(policy.of(supplier))));
        Ok(Self {
            redis: ConnectionManager::new_lazy_with_config(client, config)?,
            script: Arc::new(Script::new(GATE)),
            rules: Arc::new(rules.into()),
            alone: Arc::default(),
            since: Instant::now(),
        })
    }

    /// Asks whether a call to a path may go out, and counts it when it may.
    pub(crate) async fn ask(&self, supplier: Supplier, class: Class, path: &str) -> Passage {
        let path = bare(path);
        let Some(rules) = self.rules.get(&supplier) else { return Passage::Go };
        let args = Args { what: "ask", class: Some(class), path, ..Args::default() };
        let (code, wait) = match self.run(supplier, rules, args).await {
            Ok((code, wait, ..)) => (code, wait),
            Err(error) => {
                away("asking a supplier's gate", &error);
                self.with(supplier, |gate, now| {
                    match gate.ask(&rules.alone(ALONE_PERCENT), class, path, now) {
                        Verdict::Go => (0, 0),
                        Verdict::Wait { until } => (1, until - now),
                        Verdict::Open { until } => (2, until - now),
                    }
                })
            }
        };
        let wait = Duration::from_millis(u64::try_from(wait).unwrap_or(0));
        match code {
            0 => Passage::Go,
            1 => Passage::Wait(wait),
            _ => Passage::Open(wait),
        }
    }

    /// Counts one more call of an exchange that has begun.
    pub(crate) async fn spend(&self, supplier: Supplier, path: &str) {
        let path = bare(path);
        let Some(rules) = self.rules.get(&supplier) else { return };
        let args = Args { what: "spend", path, ..Args::default() };
        if let Err(error) = self.run(supplier, rules, args).await {
            away("counting a call", &error);
            let rules = rules.alone(ALONE_PERCENT);
            self.with(supplier, |gate, now| gate.spend(&rules, path, now));
        }
    }

    /// Learns what a reply said is left, and whether a call ended as it should.
    pub(crate) async fn hear(
        &self,
        supplier: Supplier,
        (class, path): (Class, &str),
        quota: Option<&Quota>,
        well: Option<bool>,
    ) {
        let path = bare(path);
        let Some(rules) = self.rules.get(&supplier) else { return };
        if quota.is_none() && well.is_none() {
            return;
        }
        // This instance's own gate learns it too: it is what there is when Redis goes away.
        self.with(supplier, |gate, now| {
            let rules = rules.alone(ALONE_PERCENT);
            quota.into_iter().for_each(|quota| gate.allow(&rules, path, quota, now));
            well.into_iter().for_each(|well| gate.note(&rules, class, well, now));
        });
        let told = quota.map(|quota| allowance(rules, path, quota, 0));
        let args = Args { what: "hear", class: Some(class), path, well, told, ..Args::default() };
        match self.run(supplier, rules, args).await {
            Ok((_, _, open, _)) => {
                let labels = [("supplier", supplier.word()), ("of", word(class))];
                metrics::set(Gauge::BreakerOpen, &labels, if open == 0 { 0.0 } else { 1.0 });
            }
            Err(error) => away("telling a supplier's gate", &error),
        }
    }

    /// How a gate stands.
    pub(crate) async fn standing(&self, supplier: Supplier) -> Seen {
        match self.read(supplier).await {
            Ok((gate, now, reset)) => Seen { gate, now, shared: true, reset },
            Err(error) => {
                away("reading a supplier's gate", &error);
                let (gate, now) = self.with(supplier, |gate, now| (gate.clone(), now));
                Seen { gate, now, shared: false, reset: None }
            }
        }
    }

    /// A supplier's rules, as all instances together keep them.
    pub(crate) fn rules(&self, supplier: Supplier) -> Option<&Rules> {
        self.rules.get(&supplier)
    }

    /// Closes a breaker, and keeps who did so. Says whether all instances know.
    pub(crate) async fn close(&self, supplier: Supplier, by: &str) -> bool {
        self.with(supplier, |gate, _now| gate.close());
        let counted = [Class::Finish, Class::Search]
            .map(|class| BREAKER.map(|field| format!("{}{field}", prefix(class))))
            .concat();
        let closed: Result<(), RedisError> = redis::pipe()
            .atomic()
            .hdel(key(supplier), &counted)
            .hset(key(supplier), "reset", by)
            .query_async(&mut self.redis.clone())
            .await;
        for class in [Class::Finish, Class::Search] {
            let labels = [("supplier", supplier.word()), ("of", word(class))];
            metrics::set(Gauge::BreakerOpen, &labels, 0.0);
        }
        closed.inspect_err(|error| away("closing a breaker", error)).is_ok()
    }

    fn with<T>(&self, supplier: Supplier, work: impl FnOnce(&mut Gate, i64) -> T) -> T {
        // Not from nothing: a gate that was never used counts from the time before.
        let now = i64::try_from(self.since.elapsed().as_millis()).unwrap_or(i64::MAX / 4);
        let mut alone = self.alone.lock().unwrap_or_else(PoisonError::into_inner);
        work(alone.entry(supplier).or_default(), now.saturating_add(1))
    }

    async fn run(
        &self,
        supplier: Supplier,
        rules: &Rules,
        args: Args<'_>,
    ) -> Result<(i64, i64, i64, i64), RedisError> {
        let (burst, per_minute) = rules.bucket();
        let text = |number: Option<i64>| number.map(|n| n.to_string()).unwrap_or_default();
        let class = args.class.unwrap_or(Class::Finish);
        let (name, told) = args.told.unzip();
        self.script
            .key(key(supplier))
            .arg(args.what)
            .arg(text(args.now))
            .arg(burst)
            .arg(per_minute)
            .arg(rules.window_ms)
            .arg(rules.calls_min)
            .arg(rules.failed_percent)
            .arg(rules.open_ms)
            .arg(rules.probe_ms)
            .arg(u8::from(class.is_stopped()))
            .arg(rules.floor(class))
            .arg(args.path)
            .arg(text(args.well.map(i64::from)))
            .arg(name.map(|name| format!(".{name}")).unwrap_or_default())
            .arg(text(told.map(|told| told.left)))
            .arg(text(told.map(|told| told.of)))
            .arg(text(told.map(|told| told.until)))
            .arg(PROBES_NEEDED)
            .arg(prefix(class))
            .arg(class.gives_way_ms())
            .invoke_async(&mut self.redis.clone())
            .await
    }

    async fn read(&self, supplier: Supplier) -> Result<(Gate, i64, Option<String>), RedisError> {
        let mut redis = self.redis.clone();
        let fields: BTreeMap<String, String> = redis.hgetall(key(supplier)).await?;
        let (seconds, micros): (i64, i64) = redis::cmd("TIME").query_async(&mut redis).await?;
        let now = seconds.saturating_mul(1_000).saturating_add(micros / 1_000);
        Ok((gate(&fields), now, fields.get("reset").cloned()))
    }
}

/// A gate as the script keeps it.
fn gate(fields: &BTreeMap<String, String>) -> Gate {
    let number = |field: &str| fields.get(field).and_then(|text| text.parse::<i64>().ok());
    let breaker = |class: Class| {
        let number = |field: &str| number(&format!("{}{field}", prefix(class)));
        let count = |field: &str| number(field).unwrap_or(0);
        Breaker {
            window: (count("window_at"), count("calls"), count("failed")),
            open: number("open_since").zip(number("open_until")),
            probe_until: count("probe_until"),
            good: count("good"),
        }
    };
    let allowances = fields.iter().filter_map(|(field, text)| {
        let name = field.strip_prefix("allowance:")?;
        let mut parts = text.split(' ').map(|part| part.parse::<i64>().ok());
        let (left, of, until) = (parts.next()??, parts.next()??, parts.next()??);
        Some((name.to_owned(), Allowance { left, of, until }))
    });
    Gate {
        filled: number("level").zip(number("level_at")),
        allowances: allowances.collect(),
        booking: breaker(Class::Finish),
        searching: breaker(Class::Search),
    }
}

/// What stands before the names of the fields of a class's breaker.
const fn prefix(class: Class) -> &'static str {
    match class {
        Class::Search => "search_",
        Class::PriceCheck | Class::Reserve | Class::Finish => "",
    }
}

/// The word of a class's breaker in metrics.
const fn word(class: Class) -> &'static str {
    match class {
        Class::Search => "search",
        Class::PriceCheck | Class::Reserve | Class::Finish => "booking",
    }
}

fn key(supplier: Supplier) -> String {
    format!("gate:{supplier}")
}

/// The path without what is asked of it.
fn bare(path_and_query: &str) -> &str {
    path_and_query.split('?').next().unwrap_or_default()
}

fn away(doing: &'static str, error: &RedisError) {
    tracing::warn!(error = %chassis::chain(error), "Redis did not answer while {doing}");
}

#[cfg(test)]
mod tests;
