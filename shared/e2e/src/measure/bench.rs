//! The measures of `./scripts/bench`, each against a stack of its own: one's backlog is not
//! another's load.

mod accept;
mod chain;
mod console;
mod floor;
mod prepare;
mod search;
mod whole;

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use sqlx::{Connection as _, PgConnection};

use super::{Figure, usage::Group};
use crate::{Options, Profile, SERVICES, Stack};

pub use console::Filled;

/// The measures there are.
const NAMES: [&str; 6] = ["whole", "search", "p99", "accept", "console", "chain"];
/// Spans are made for every request and sent for some, as in production.
const SHARE_OF_TRACES: f64 = 0.01;
/// A node of RabbitMQ tells of its process soon after its start.
const BROKER_NAMED_WITHIN: Duration = Duration::from_secs(30);

/// Runs the named measures, or all of them.
///
/// # Errors
/// When a name is unknown, or a stack does not do what it is there for: then there is nothing to
/// measure.
pub async fn run(seconds: usize, filled: Filled, names: &[String]) -> anyhow::Result<Vec<Figure>> {
    for name in names {
        anyhow::ensure!(NAMES.contains(&name.as_str()), "no measure `{name}`: {NAMES:?}");
    }
    let wanted = |name: &str| names.is_empty() || names.iter().any(|n| n == name);
    let mut figures = Vec::new();
    if wanted("whole") {
        let stack = stack("bench_whole").await?;
        warn_if_not_durable(&stack).await?;
        figures.extend(whole::run(&stack, seconds).await?);
        stack.stop().await?;
    }
    if wanted("search") {
        let stack = stack("bench_search").await?;
        let floor = floor::Floor::start(&stack).await?;
        figures.extend(search::run(&stack, &floor, seconds).await?);
        drop(floor);
        stack.stop().await?;
    }
    if wanted("p99") || wanted("accept") {
        let stack = stack("bench_accept").await?;
        let floor = floor::Floor::start(&stack).await?;
        if wanted("p99") {
            figures.extend(accept::p99(&stack, &floor, seconds).await?);
        }
        if wanted("accept") {
            figures.extend(accept::throughput(&stack, &floor, seconds).await?);
        }
        drop(floor);
        stack.stop().await?;
    }
    if wanted("console") {
        let stack = stack("bench_console").await?;
        figures.extend(console::run(&stack, filled).await?);
        stack.stop().await?;
    }
    if wanted("chain") {
        let stack = stack("bench_chain").await?;
        figures.extend(chain::run(&stack, seconds).await?);
        stack.stop().await?;
    }
    Ok(figures)
}

async fn stack(name: &str) -> anyhow::Result<Stack> {
    eprintln!("starting a stack for {name}");
    let options = Options {
        profile: Profile::Default,
        share_of_traces: SHARE_OF_TRACES,
        ..Options::test(name)
    };
    Stack::start(options).await
}

async fn warn_if_not_durable(stack: &Stack) -> anyhow::Result<()> {
    let mut conn = PgConnection::connect(&stack.database_url("booking")).await?;
    let fsync: String = sqlx::query_scalar("show fsync").fetch_one(&mut conn).await?;
    if fsync != "on" {
        eprintln!("PostgreSQL does not flush to disk (fsync = {fsync}): these are not the figures");
    }
    Ok(())
}

/// Everything that serves: services, PostgreSQL, RabbitMQ, Redis. What PostgreSQL does over the
/// connections given is the load generator's.
async fn servers(
    stack: &Stack,
    own: &mut [&mut PgConnection],
) -> anyhow::Result<BTreeMap<String, Group>> {
    let mut groups = BTreeMap::new();
    for name in SERVICES.into_iter().chain(["redis-locks", "redis-cache"]) {
        let pid = stack.pid(name).with_context(|| format!("{name} does not run"))?;
        groups.insert(name.to_owned(), Group::One(pid));
    }
    let mut backends = Vec::new();
    for conn in own {
        backends.push(backend(conn).await?);
    }
    let postmaster = backends.first().and_then(|pid| super::usage::parent(*pid));
    let postmaster = postmaster.context("PostgreSQL runs elsewhere; its time cannot be counted")?;
    groups.insert("postgresql".to_owned(), Group::Family(postmaster, backends));
    let (api, _) = stack.broker().context("RabbitMQ's management API is off")?;
    groups.insert("rabbitmq".to_owned(), Group::One(broker(&format!("{api}/api/nodes")).await?));
    Ok(groups)
}

/// The process of RabbitMQ, which a node that has just started does not tell yet.
async fn broker(nodes: &str) -> anyhow::Result<u32> {
    let until = Instant::now() + BROKER_NAMED_WITHIN;
    loop {
        let nodes: serde_json::Value = reqwest::get(nodes).await?.json().await?;
        if let Some(pid) = nodes[0]["os_pid"].as_str() {
            return Ok(pid.parse()?);
        }
        anyhow::ensure!(Instant::now() < until, "RabbitMQ names no process");
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

/// The process of PostgreSQL that serves a connection.
async fn backend(conn: &mut PgConnection) -> anyhow::Result<u32> {
    let pid: i32 = sqlx::query_scalar("select pg_backend_pid()").fetch_one(conn).await?;
    Ok(u32::try_from(pid)?)
}
