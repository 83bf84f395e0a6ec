//! A broker of three nodes, each killed and each cut off from the others in turn, while customers
//! book: what two of three have taken in is not lost.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{Report, ended, load::Load, servers::Servers};
use crate::{Options, Profile, Stack, truth::World};

const NODES: usize = 3;
/// The load gets this long between two faults.
const BETWEEN: Duration = Duration::from_secs(3);
/// All nodes are one broker again within this.
const TOGETHER_WITHIN: Duration = Duration::from_secs(90);
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Kills each node, and cuts each off, for so long; `tell` hears of every fault.
///
/// # Errors
/// When the system cannot be started, or the nodes do not find each other again.
pub async fn cluster(
    each: Duration,
    per_second: u32,
    tell: impl Fn(&str),
) -> anyhow::Result<Report> {
    let servers = Servers::start_with_three_nodes().await?;
    tell("three nodes are one broker");
    let options = Options {
        profile: Profile::Demo,
        infra: Some(servers.infra()?),
        share_of_traces: 0.0,
        ..Options::test("cluster")
    };
    let stack = Arc::new(Stack::start(options).await?);
    let world = World::of(&stack).await?;
    let load = Load::begin(Arc::clone(&stack), per_second);
    let mut counts: BTreeMap<String, u32> = BTreeMap::new();
    for n in 0..NODES {
        tokio::time::sleep(BETWEEN).await;
        tell(&format!("kill -9 of node {n}"));
        *counts.entry("node killed".to_owned()).or_default() += 1;
        tokio::task::block_in_place(|| servers.kill_node(n));
        tokio::time::sleep(each).await;
        tokio::task::block_in_place(|| servers.restart_node(n));
        together(&servers).await?;
        tokio::time::sleep(BETWEEN).await;
        tell(&format!("node {n} is cut off from the others"));
        *counts.entry("node cut off".to_owned()).or_default() += 1;
        tokio::task::block_in_place(|| servers.part_node(n, true));
        tokio::time::sleep(each).await;
        let left = tokio::task::block_in_place(|| servers.nodes_seen_by((n + 1) % NODES));
        anyhow::ensure!(left == NODES - 1, "node {n} is not cut off: {left} are together");
        tokio::task::block_in_place(|| servers.part_node(n, false));
        together(&servers).await?;
    }
    tell("the faults are over");
    ended(stack, &world, load, true, counts, 0).await
}

/// Waits until each node sees all of them.
async fn together(servers: &Servers) -> anyhow::Result<()> {
    let began = Instant::now();
    let seen = || (0..NODES).all(|n| servers.nodes_seen_by(n) == NODES);
    while !tokio::task::block_in_place(seen) {
        anyhow::ensure!(began.elapsed() < TOGETHER_WITHIN, "the nodes do not find each other");
        tokio::time::sleep(LOOK_EVERY).await;
    }
    Ok(())
}
