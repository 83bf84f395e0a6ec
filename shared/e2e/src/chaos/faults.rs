//! One fault after another, drawn from a seed: processes die or stand still, servers die,
//! connections are cut, what may be lost is lost.

use std::{collections::BTreeMap, process::Command, time::Duration};

use anyhow::Context as _;
use rand::{Rng as _, SeedableRng as _, rngs::StdRng};

use super::servers::Servers;
use crate::{SERVICES, Stack};

/// What the supplier does wrong, by operation.
const SUPPLIER: [(&str, &str); 4] = [
    ("reserve", "timeout_after_commit"),
    ("reserve", "timeout_before_commit"),
    ("confirm", "timeout_after_commit"),
    ("cancel", "timeout_after_commit"),
];

/// The faults of one run.
pub(super) struct Faults {
    rng: StdRng,
    pub(super) counts: BTreeMap<String, u32>,
}

impl Faults {
    pub(super) fn new(seed: u64) -> Self {
        Self { rng: StdRng::seed_from_u64(seed), counts: BTreeMap::new() }
    }

    fn count(&mut self, what: &str) {
        *self.counts.entry(what.to_owned()).or_default() += 1;
    }

    fn wait(&mut self, from_ms: u64, to_ms: u64) -> Duration {
        Duration::from_millis(self.rng.random_range(from_ms..to_ms))
    }

    /// The next one, from its beginning to its end.
    pub(super) async fn next(
        &mut self,
        stack: &Stack,
        servers: &Servers,
        tell: &(impl Fn(&str) + Sync),
    ) -> anyhow::Result<()> {
        let service = SERVICES[self.rng.random_range(0..SERVICES.len())];
        let kind = self.rng.random_range(0..100);
        match kind {
            0..45 => {
                tell(&format!("kill -9 {service}"));
                self.count("services");
                stack.kill(service);
                tokio::time::sleep(self.wait(50, 1_500)).await;
                stack.restart(service).await?;
            }
            45..60 => {
                tell(&format!("{service} stands still"));
                self.count("stops");
                let still = self.wait(300, 5_000);
                if let Some(pid) = stack.pid(service) {
                    signal(pid, "STOP");
                    tokio::time::sleep(still).await;
                    signal(pid, "CONT");
                }
            }
            60..65 => {
                tell("kill -9 of the broker");
                self.count("broker");
                tokio::task::block_in_place(|| servers.kill_broker());
            }
            65..70 => {
                tell("kill -9 of the database");
                self.count("database");
                tokio::task::block_in_place(|| servers.kill_database())?;
            }
            70..80 => {
                let redis = ["redis-locks", "redis-cache"][self.rng.random_range(0..2)];
                tell(&format!("{redis} forgets everything"));
                self.count("redis");
                stack.kill(redis);
                tokio::time::sleep(self.wait(10, 800)).await;
                stack.restart(redis).await?;
            }
            80..92 => self.cut(servers, tell).await,
            _ => {
                let (operation, fault) = SUPPLIER[self.rng.random_range(0..SUPPLIER.len())];
                tell(&format!("the supplier: {operation} {fault}"));
                self.count("supplier");
                let times = self.rng.random_range(1..4);
                stack.double().arm(operation, fault, times, None).await.context(fault)?;
            }
        }
        let between = self.wait(200, 2_000);
        tokio::time::sleep(between).await;
        Ok(())
    }

    /// Cuts a way: all at once, for a while, with what is sent swallowed, or with an answer lost.
    async fn cut(&mut self, servers: &Servers, tell: &(impl Fn(&str) + Sync)) {
        let (name, way) = match self.rng.random_range(0..2) {
            0 => ("broker", &servers.to_broker),
            _ => ("database", &servers.to_database),
        };
        let lasts = self.wait(200, 4_000);
        let how = match self.rng.random_range(0..4) {
            0 => {
                way.cut();
                "cut"
            }
            1 => {
                way.down();
                "away"
            }
            2 => {
                way.swallow();
                "half open"
            }
            _ => {
                let commit = b"COMMIT";
                way.lose_answer_to(move |sent| {
                    sent.windows(commit.len()).any(|part| part.eq_ignore_ascii_case(commit))
                });
                "swallowing the answer to a commit"
            }
        };
        tell(&format!("the way to the {name} is {how}"));
        self.count("partitions");
        tokio::time::sleep(lasts).await;
        way.up();
        way.cut();
    }

    /// Everything runs and every way is open.
    pub(super) async fn end(&self, stack: &Stack, servers: &Servers) -> anyhow::Result<()> {
        for way in [&servers.to_broker, &servers.to_database] {
            way.up();
        }
        stack.double().clear_faults().await?;
        for name in SERVICES {
            if !stack.lives(name) {
                stack.restart(name).await?;
            }
        }
        Ok(())
    }
}

fn signal(pid: u32, signal: &str) {
    drop(Command::new("kill").args([format!("-{signal}"), pid.to_string()]).status());
}
