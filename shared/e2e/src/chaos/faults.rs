//! Faults drawn from a seed, of two sorts at once: one after the other our processes die or stand
//! still, and one after the other what they stand on dies, is cut off, or does wrong. So a service
//! dies also while the broker or the database is away.

use std::{
    collections::BTreeMap,
    process::Command,
    sync::Arc,
    time::{Duration, Instant},
};

use rand::{Rng as _, SeedableRng as _, rngs::StdRng};

use super::servers::Servers;
use crate::{SERVICES, Stack, double::Double, stack::Twin};

/// What the supplier does wrong, by operation.
const SUPPLIER: [(&str, &str); 8] = [
    ("reserve", "timeout_after_commit"),
    ("reserve", "timeout_before_commit"),
    ("confirm", "timeout_after_commit"),
    ("confirm", "http_504_after"),
    ("cancel", "timeout_after_commit"),
    ("lookup", "http_503"),
    ("callback", "callback_missing"),
    ("callback", "callback_duplicate"),
];
/// How a frame begins that says `basic.publish`: its class and its method.
const PUBLISHED: [u8; 4] = [0, 60, 0, 40];
/// Whoever starts while what it needs is away may die of it, and is started again, for so long.
const UP_WITHIN: Duration = Duration::from_secs(120);
const START_EVERY: Duration = Duration::from_millis(500);

/// How often each fault happened.
pub(super) type Counts = BTreeMap<String, u32>;

/// Chances drawn from a seed, and what came of them.
struct Drawn {
    rng: StdRng,
    counts: Counts,
}

impl Drawn {
    fn new(seed: u64) -> Self {
        Self { rng: StdRng::seed_from_u64(seed), counts: Counts::new() }
    }

    fn count(&mut self, what: &str) {
        *self.counts.entry(what.to_owned()).or_default() += 1;
    }

    fn below(&mut self, end: usize) -> usize {
        self.rng.random_range(0..end)
    }

    fn wait(&mut self, from_ms: u64, to_ms: u64) -> Duration {
        Duration::from_millis(self.rng.random_range(from_ms..to_ms))
    }
}

/// What happens to our processes, of which there are two of each service.
pub(super) struct Processes {
    drawn: Drawn,
    /// The second of each, in the order of [`SERVICES`].
    twins: Vec<Option<Twin>>,
}

impl Processes {
    /// Starts the second instances.
    pub(super) async fn beside(stack: &Stack, seed: u64) -> anyhow::Result<Self> {
        let mut twins = Vec::new();
        for service in SERVICES {
            twins.push(Some(stack.twin(service, &[]).await?));
        }
        Ok(Self { drawn: Drawn::new(seed), twins })
    }

    /// One fault after the other until then; how often each was.
    pub(super) async fn fail(
        &mut self,
        until: Instant,
        stack: &Stack,
        tell: &(impl Fn(&str) + Sync),
    ) -> anyhow::Result<Counts> {
        while Instant::now() < until {
            self.next(stack, tell).await?;
            tokio::time::sleep(self.drawn.wait(200, 2_000)).await;
        }
        Ok(std::mem::take(&mut self.drawn.counts))
    }

    async fn next(&mut self, stack: &Stack, tell: &(impl Fn(&str) + Sync)) -> anyhow::Result<()> {
        let n = self.drawn.below(SERVICES.len());
        let (service, second) = (SERVICES[n], self.drawn.below(2) == 1);
        let named = if second { format!("the second {service}") } else { service.to_owned() };
        match self.drawn.below(100) {
            0..65 => {
                tell(&format!("kill -9 of {named}"));
                self.drawn.count("services");
                if second {
                    self.twins[n] = None;
                } else {
                    stack.kill(service);
                }
                tokio::time::sleep(self.drawn.wait(50, 1_500)).await;
                self.revive(n, stack).await
            }
            65..85 => {
                tell(&format!("{named} stands still"));
                self.drawn.count("stops");
                let still = self.drawn.wait(300, 5_000);
                let twin = || self.twins[n].as_ref().map(Twin::pid);
                if let Some(pid) = if second { twin() } else { stack.pid(service) } {
                    signal(pid, "STOP");
                    tokio::time::sleep(still).await;
                    signal(pid, "CONT");
                }
                Ok(())
            }
            _ => {
                let redis = ["redis-locks", "redis-cache"][self.drawn.below(2)];
                tell(&format!("{redis} forgets everything"));
                self.drawn.count("redis");
                stack.kill(redis);
                tokio::time::sleep(self.drawn.wait(10, 800)).await;
                stack.restart(redis).await
            }
        }
    }

    /// Starts what does not run of a service, as whoever watches over it would.
    async fn revive(&mut self, n: usize, stack: &Stack) -> anyhow::Result<()> {
        let until = Instant::now() + UP_WITHIN;
        loop {
            let started = match (&self.twins[n], stack.lives(SERVICES[n])) {
                (_, false) => stack.restart(SERVICES[n]).await,
                (Some(twin), true) if twin.lives() => return Ok(()),
                (_, true) => {
                    let twin = stack.twin(SERVICES[n], &[]).await;
                    twin.map(|twin| drop(self.twins[n].replace(twin)))
                }
            };
            if let Err(why) = started {
                anyhow::ensure!(Instant::now() < until, "{why:#}");
            }
            tokio::time::sleep(START_EVERY).await;
        }
    }

    /// Everything runs.
    pub(super) async fn end(&mut self, stack: &Stack) -> anyhow::Result<()> {
        for n in 0..SERVICES.len() {
            self.revive(n, stack).await?;
        }
        Ok(())
    }
}

/// What happens to what our processes stand on.
pub(super) struct Ground {
    drawn: Drawn,
}

impl Ground {
    pub(super) fn new(seed: u64) -> Self {
        // Other chances than those of the processes.
        Self { drawn: Drawn::new(!seed) }
    }

    /// One fault after the other until then; how often each was.
    pub(super) async fn fail(
        &mut self,
        until: Instant,
        stack: &Stack,
        servers: &Arc<Servers>,
        tell: &(impl Fn(&str) + Sync),
    ) -> anyhow::Result<Counts> {
        while Instant::now() < until {
            self.next(stack, servers, tell).await?;
            // All wait for these: more of them, and nobody would come to any end.
            tokio::time::sleep(self.drawn.wait(1_000, 6_000)).await;
        }
        Ok(std::mem::take(&mut self.drawn.counts))
    }

    async fn next(
        &mut self,
        stack: &Stack,
        servers: &Arc<Servers>,
        tell: &(impl Fn(&str) + Sync),
    ) -> anyhow::Result<()> {
        match self.drawn.below(100) {
            0..12 => {
                tell("kill -9 of the broker");
                self.drawn.count("broker");
                at(servers, Servers::kill_broker).await?;
            }
            12..24 => {
                tell("kill -9 of the database");
                self.drawn.count("database");
                at(servers, Servers::kill_database).await??;
            }
            24..28 => {
                tell("the broker is short of memory");
                self.drawn.count("alarms");
                at(servers, |servers| servers.alarm(true)).await?;
                tokio::time::sleep(self.drawn.wait(500, 5_000)).await;
                at(servers, |servers| servers.alarm(false)).await?;
            }
            28..32 => {
                tell("the broker's disk is full");
                self.drawn.count("disks");
                at(servers, |servers| servers.fill_broker(true)).await?;
                tokio::time::sleep(self.drawn.wait(500, 5_000)).await;
                at(servers, |servers| servers.fill_broker(false)).await?;
            }
            32..36 => self.fill_database(servers, tell).await?,
            36..62 => self.cut(servers, tell).await,
            _ => {
                let fault = SUPPLIER[self.drawn.below(SUPPLIER.len())];
                let times = u32::try_from(1 + self.drawn.below(3))?;
                self.arm(&stack.double(), fault, times, tell).await;
            }
        }
        Ok(())
    }

    /// Fills the disk of the database for a while, where it has one of its own.
    async fn fill_database(
        &mut self,
        servers: &Arc<Servers>,
        tell: &(impl Fn(&str) + Sync),
    ) -> anyhow::Result<()> {
        if !at(servers, Servers::fill_database).await?? {
            tell("the database has no disk of its own that could be filled");
            self.drawn.count("disks_not_filled");
            return Ok(());
        }
        tell("the database's disk is full");
        self.drawn.count("disks");
        tokio::time::sleep(self.drawn.wait(500, 5_000)).await;
        at(servers, Servers::free_database).await?
    }

    /// Lets the supplier do wrong; what cannot be armed is told, and left out.
    async fn arm(
        &mut self,
        double: &Double,
        (operation, fault): (&str, &str),
        times: u32,
        tell: &(impl Fn(&str) + Sync),
    ) {
        match double.arm(operation, fault, times, None).await {
            Ok(()) => {
                tell(&format!("the supplier: {operation} {fault}"));
                self.drawn.count("supplier");
            }
            Err(why) => {
                tell(&format!("the supplier knows no {operation} {fault}: {why:#}"));
                self.drawn.count("not_armed");
            }
        }
    }

    /// Cuts a way: all at once, for a while, with what is sent swallowed, or only what is answered,
    /// or with an answer lost.
    async fn cut(&mut self, servers: &Servers, tell: &(impl Fn(&str) + Sync)) {
        let (name, way) = match self.drawn.below(2) {
            0 => ("broker", &servers.to_broker),
            _ => ("database", &servers.to_database),
        };
        let lasts = self.drawn.wait(200, 4_000);
        let how = match self.drawn.below(5) {
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
            3 => {
                way.one_way();
                "open one way"
            }
            _ if name == "broker" => {
                way.lose_answer_to(|sent| {
                    sent.windows(PUBLISHED.len()).any(|part| part == PUBLISHED)
                });
                "swallowing the confirmation of a message"
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
        self.drawn.count("partitions");
        tokio::time::sleep(lasts).await;
        way.up();
        way.cut();
    }
}

/// Every way is open, and the supplier does right.
pub(super) async fn end(stack: &Stack, servers: &Servers) -> anyhow::Result<()> {
    for way in [&servers.to_broker, &servers.to_database] {
        way.up();
    }
    stack.double().clear_faults().await
}

/// Does something at the servers that takes its time, while others go on.
async fn at<T: Send + 'static>(
    servers: &Arc<Servers>,
    does: impl FnOnce(&Servers) -> T + Send + 'static,
) -> anyhow::Result<T> {
    let servers = Arc::clone(servers);
    Ok(tokio::task::spawn_blocking(move || does(&servers)).await?)
}

pub(super) fn signal(pid: u32, signal: &str) {
    drop(Command::new("kill").args([format!("-{signal}"), pid.to_string()]).status());
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use contracts::supplier::Supplier;

    use super::*;

    #[tokio::test]
    async fn every_fault_can_be_armed_and_one_that_cannot_is_told_and_left_out() {
        let free = "127.0.0.1:0".parse().unwrap();
        let doubles = doubles::Doubles::start(free, doubles::Config::default()).await.unwrap();
        let double = Double::of(Supplier::Rapid, &doubles.base_url());
        let told = Mutex::new(Vec::new());
        let tell = |what: &str| told.lock().unwrap().push(what.to_owned());
        let mut ground = Ground::new(1);
        for fault in SUPPLIER {
            ground.arm(&double, fault, 1, &tell).await;
        }
        let all = u32::try_from(SUPPLIER.len()).unwrap();
        assert_eq!(ground.drawn.counts, Counts::from([("supplier".to_owned(), all)]), "{told:?}");
        ground.arm(&double, ("reserve", "no such thing"), 1, &tell).await;
        assert_eq!(ground.drawn.counts["not_armed"], 1);
        assert!(told.lock().unwrap().last().unwrap().contains("no such thing"));
        doubles.shutdown().await;
    }
}
