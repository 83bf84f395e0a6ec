//! Searches: answered from the cache beside a bare server that reads the same bytes from Redis, a
//! thousand at once on a key that nobody asked before, one supplier that hangs beside others that
//! answer, and how few calls many customers cost.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::Context as _;
use chrono::{DateTime, TimeDelta, Utc};
use contracts::{policy::Policy, supplier::Supplier};
use futures::{
    StreamExt as _,
    future::{join_all, try_join_all},
    stream,
};
use rand::{Rng as _, SeedableRng as _, rngs::StdRng};
use serde_json::Value;

use super::floor::Floor;
use crate::{
    Stack,
    gateway::Stay,
    measure::{Figure, Goal, load, percentile, wire::Wire},
    traveller::stay_in,
};

const CONNECTIONS: usize = 64;
/// The machine stands still for a moment now and then, which is no figure of ours: what is told is
/// the middle one of so many turns.
const TURNS: usize = 5;
const PER_TURN_AND_SECOND: usize = 3_000;
const PART_OF_FLOOR: f64 = 0.5;
const P99_MS_MAX: f64 = 5.0;

const AT_ONCE: usize = 1_000;
/// How long the supplier takes for the one call.
const CALL: Duration = Duration::from_millis(300);
const LATER_MS_MAX: f64 = 50.0;

/// Everybody who sells stays sells this one.
const SOLD_BY_ALL: &str = "1100004";
/// How much later than the deadline an answer may be that waited for one who hangs.
const AFTER_DEADLINE: Duration = Duration::from_millis(250);

/// Stays that customers look at, the first one most.
const STAYS: u64 = 5_000;
const SEARCHES_PER_SECOND_ASKED: usize = 10_000;
const CALLS_PER_THOUSAND_MAX: f64 = 60.0;

pub(super) async fn run(
    stack: &Stack,
    floor: &Floor,
    seconds: usize,
) -> anyhow::Result<Vec<Figure>> {
    let searcher = Searcher::of(stack);
    let mut figures = cached(&searcher, floor, seconds).await?;
    figures.extend(cold(stack, &searcher, floor).await?);
    figures.push(hanging(stack, &searcher).await?);
    figures.extend(many(stack, &searcher, seconds).await?);
    Ok(figures)
}

/// Who asks.
#[derive(Clone)]
struct Searcher {
    http: reqwest::Client,
    base: String,
    token: String,
}

impl Searcher {
    fn of(stack: &Stack) -> Self {
        let token = stack.token("bench", &["customer"]);
        Self { http: load::client(), base: stack.url("booking"), token }
    }

    fn url(&self, stay: &Stay) -> String {
        let Stay { property_id, check_in, check_out } = stay;
        let base = &self.base;
        format!(
            "{base}/v1/stays?property_id={property_id}&check_in={check_in}&check_out={check_out}"
        )
    }

    async fn get(&self, url: &str) -> anyhow::Result<bytes::Bytes> {
        let reply = self.http.get(url).bearer_auth(&self.token).send().await?;
        Ok(reply.error_for_status()?.bytes().await?)
    }

    /// Asks the same so many times over so many connections: answers a second.
    async fn rate(&self, url: &str, count: usize) -> anyhow::Result<f64> {
        let next = Arc::new(AtomicUsize::new(0));
        let begun = Instant::now();
        let workers = (0..CONNECTIONS).map(|_| {
            let (next, url, token) = (next.clone(), url.to_owned(), self.token.clone());
            tokio::spawn(async move {
                let mut wire = Wire::open(&url, &token).await?;
                while next.fetch_add(1, Ordering::Relaxed) < count {
                    wire.get().await?;
                }
                anyhow::Ok(())
            })
        });
        for worker in join_all(workers).await {
            worker??;
        }
        Ok(count as f64 / begun.elapsed().as_secs_f64())
    }

    /// Asks the same a thousand times at once, each over a connection that is open already: how
    /// long until the last has its answer.
    async fn at_once(&self, url: &str) -> anyhow::Result<Duration> {
        let opened = (0..AT_ONCE).map(|_| Wire::open(url, &self.token));
        let mut wires = try_join_all(opened).await?;
        let begun = Instant::now();
        let all = wires.drain(..).map(|mut wire| tokio::spawn(async move { wire.get().await }));
        for answer in join_all(all).await {
            answer?.context("one of a thousand searches at once")?;
        }
        Ok(begun.elapsed())
    }

    /// Asks so many times a second over as many connections as ever, each by its own clock: how
    /// long each answer took from when it was due to be asked for, in milliseconds. Who is late
    /// asks at once, and the lateness counts.
    async fn by_the_clock(
        &self,
        url: &str,
        per_second: f64,
        lasts_for: Duration,
    ) -> anyhow::Result<Vec<f64>> {
        let every = Duration::from_secs_f64(CONNECTIONS as f64 / per_second);
        let begun = tokio::time::Instant::now();
        let workers = (0..CONNECTIONS).map(|n| {
            let (url, token) = (url.to_owned(), self.token.clone());
            let mut due = begun + every.mul_f64(n as f64 / CONNECTIONS as f64);
            tokio::spawn(async move {
                let mut wire = Wire::open(&url, &token).await?;
                let mut took = Vec::new();
                while due < begun + lasts_for {
                    tokio::time::sleep_until(due).await;
                    wire.get().await?;
                    took.push(due.elapsed().as_secs_f64() * 1_000.0);
                    due += every;
                }
                anyhow::Ok(took)
            })
        });
        let mut all = Vec::new();
        for took in join_all(workers).await {
            all.extend(took??);
        }
        Ok(all)
    }
}

/// Answers from the cache, in turns with the bare server, and how long they take at half that load.
async fn cached(searcher: &Searcher, floor: &Floor, seconds: usize) -> anyhow::Result<Vec<Figure>> {
    let url = searcher.url(&stay_in(40, 2));
    searcher.get(&url).await?;
    let body = searcher.get(&url).await?;
    floor.keep(&body).await?;
    let bare_url = format!("{}/cached", floor.url);
    eprintln!("cached searches of {} bytes over {CONNECTIONS} connections", body.len());
    let count = PER_TURN_AND_SECOND * seconds;
    let (mut ours, mut bare) = (Vec::new(), Vec::new());
    for _ in 0..TURNS {
        bare.push(searcher.rate(&bare_url, count).await?);
        ours.push(searcher.rate(&url, count).await?);
    }
    let (ours, bare) = (percentile(&mut ours, 50), percentile(&mut bare, 50));
    let (half, lasts_for) = (ours / 2.0, Duration::from_secs(u64::try_from(seconds)?));
    let (mut late, mut bare_late) = (Vec::new(), Vec::new());
    for _ in 0..TURNS {
        let mut took = searcher.by_the_clock(&bare_url, half, lasts_for).await?;
        bare_late.push(percentile(&mut took, 99));
        let mut took = searcher.by_the_clock(&url, half, lasts_for).await?;
        late.push(percentile(&mut took, 99));
    }
    let (p99, bare_p99) = (percentile(&mut late, 50), percentile(&mut bare_late, 50));
    let goal = Goal::OfFloor(PART_OF_FLOOR);
    Ok(vec![
        Figure::new("search_cached_per_second", ours, "1/s", Some(bare), goal),
        Figure::new("search_cached_p99", p99, "ms", Some(bare_p99), Goal::AtMost(P99_MS_MAX)),
    ])
}

/// A thousand at once on a key that nobody asked before, in turns with a thousand at once at the
/// bare server, which has the same answer ready.
async fn cold(stack: &Stack, searcher: &Searcher, floor: &Floor) -> anyhow::Result<Vec<Figure>> {
    let url = searcher.url(&stay_in(40, 2));
    floor.keep(&searcher.get(&url).await?).await?;
    let (mut later, mut bare, mut made) = (Vec::new(), Vec::new(), 0);
    for turn in 0..TURNS {
        let bare_took = searcher.at_once(&format!("{}/cached", floor.url)).await?;
        bare.push(bare_took.as_secs_f64() * 1_000.0);
        let nights = u64::try_from(turn)? + 1;
        let (calls, took) = one_cold(stack, searcher, &stay_in(41, nights)).await?;
        made = made.max(calls);
        later.push(took);
    }
    let (later, bare) = (percentile(&mut later, 50), percentile(&mut bare, 50));
    let goal = Goal::AtMost(LATER_MS_MAX);
    Ok(vec![
        Figure::new("search_cold_calls", made as f64, "calls", None, Goal::AtMost(1.0)),
        Figure::new("search_cold_last_after_call", later, "ms", Some(bare), goal),
    ])
}

/// How many calls a thousand searches at once made, and how long after the supplier's answer the
/// last of them had its own, in milliseconds.
async fn one_cold(stack: &Stack, searcher: &Searcher, stay: &Stay) -> anyhow::Result<(usize, f64)> {
    let ms = i64::try_from(CALL.as_millis())?;
    let before = calls(stack).await?;
    stack.double().arm("search", "slow", 1, Some(ms.unsigned_abs())).await?;
    searcher.at_once(&searcher.url(stay)).await?;
    let ended = Utc::now();
    let truth = stack.double().truth().await?;
    let asked = truth.requests_of("search");
    // The supplier says itself when it was asked, and answered so much later.
    let call = asked.last().context("nobody asked the supplier")?;
    let called: DateTime<Utc> = call.at.parse().context("when the supplier was asked")?;
    let later = ended - (called + TimeDelta::milliseconds(ms));
    Ok((asked.len() - before, later.as_seconds_f64() * 1_000.0))
}

/// One search over all who sell stays, of whom one hangs: the others' offers at the deadline.
async fn hanging(stack: &Stack, searcher: &Searcher) -> anyhow::Result<Figure> {
    let policy = std::fs::read_to_string(stack.endpoints()?.policy_file)?;
    let deadline = Policy::parse(&policy)?.search.deadline;
    let hangs = u64::try_from((deadline * 3).as_millis())?;
    stack.double_of(Supplier::Etg).arm("search", "slow", 1, Some(hangs)).await?;
    let stay = Stay { property_id: SOLD_BY_ALL.to_owned(), ..stay_in(42, 2) };
    let begun = Instant::now();
    let answer = searcher.get(&searcher.url(&stay)).await?;
    let took = begun.elapsed();
    stack.double_of(Supplier::Etg).clear_faults().await?;
    let answer: Value = serde_json::from_slice(&answer)?;
    let states = answer["suppliers"].as_array().into_iter().flatten();
    let states: BTreeMap<&str, &str> =
        states.filter_map(|it| Some((it["supplier"].as_str()?, it["state"].as_str()?))).collect();
    let expected = [("etg", "unavailable"), ("neutral", "fresh"), ("rapid", "fresh")];
    anyhow::ensure!(states == BTreeMap::from(expected), "one hangs, others answer: {states:?}");
    let offers = answer["offers"].as_array().map_or(0, Vec::len);
    anyhow::ensure!(offers > 0, "nothing is offered while one hangs");
    let goal = Goal::AtMost((deadline + AFTER_DEADLINE).as_secs_f64() * 1_000.0);
    let took = took.as_secs_f64() * 1_000.0;
    Ok(Figure::new("search_one_hanging", took, "ms", None, goal))
}

/// Many customers over many stays, of which few are looked at often.
async fn many(stack: &Stack, searcher: &Searcher, seconds: usize) -> anyhow::Result<Vec<Figure>> {
    let count = SEARCHES_PER_SECOND_ASKED * seconds;
    eprintln!("2 x {count} searches over {STAYS} stays");
    let mut figures = Vec::new();
    for (name, seed, goal) in [
        ("search_calls_per_thousand_from_cold", 1, Goal::None),
        ("search_calls_per_thousand", 2, Goal::AtMost(CALLS_PER_THOUSAND_MAX)),
    ] {
        let before = calls(stack).await?;
        let urls = zipf(seed, count).into_iter().map(|n| searcher.url(&stay(n)));
        let asked = urls.map(|url| async move { searcher.get(&url).await.map(drop) });
        let mut answers = stream::iter(asked).buffer_unordered(CONNECTIONS);
        while let Some(answer) = answers.next().await {
            answer?;
        }
        let made = calls(stack).await? - before;
        let per_thousand = made as f64 * 1_000.0 / count as f64;
        figures.push(Figure::new(name, per_thousand, "calls", None, goal));
    }
    Ok(figures)
}

/// The stay of a rank: another first day or length for each.
fn stay(rank: u64) -> Stay {
    stay_in(30 + rank % 400, 1 + rank / 400)
}

/// Ranks as customers choose them: each half as often as the one of half its rank.
fn zipf(seed: u64, count: usize) -> Vec<u64> {
    let mut sums = Vec::new();
    let mut sum = 0.0;
    for rank in 1..=STAYS {
        sum += 1.0 / rank as f64;
        sums.push(sum);
    }
    let mut rng = StdRng::seed_from_u64(seed);
    let draw = |_| {
        let at = rng.random_range(0.0..sum);
        sums.partition_point(|upto| *upto < at) as u64
    };
    (0..count).map(draw).collect()
}

async fn calls(stack: &Stack) -> anyhow::Result<usize> {
    Ok(stack.double().truth().await?.requests_of("search").len())
}
