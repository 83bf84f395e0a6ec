//! A whole system under load while its processes are killed and its connections cut; afterwards,
//! with the faults off, everything accepted has to come to a right end.

pub mod cluster;
mod faults;
mod load;
pub mod outages;
mod servers;
pub mod steps;
pub mod upgrade;

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use serde::Serialize;

use crate::{
    Change, Options, Profile, Stack,
    console::Console,
    double::{Double, SupplierTruth},
    truth::{Accepted, Comparison, World, proof::prove},
};

use self::{
    faults::{Counts, Ground, Processes},
    load::{Clicked, Load},
    servers::Servers,
};

/// After the faults everything has to be right within this.
const CONVERGES_WITHIN: Duration = Duration::from_secs(240);
/// Ledgers, prices, points and journals agree within this, once all of it is right.
const PROVEN_WITHIN: Duration = Duration::from_secs(60);
/// No booking is open for so long.
const OPEN_FOR_MAX: Duration = Duration::from_secs(24 * 3_600);
/// What was to fail and did not: a run where nothing else is counted means nothing.
const MISSED: [&str; 2] = ["not_armed", "disks_not_filled"];
/// How often it is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Asked {
    /// How long the load and the faults last.
    pub lasts: Duration,
    /// Which faults come, in which order.
    pub seed: u64,
    /// Bookings a second.
    pub per_second: u32,
    /// Whether anything fails; if not, it is a control.
    pub faults: bool,
}

/// What came of it.
#[derive(Debug, Serialize)]
pub struct Report {
    pub bookings: usize,
    pub confirmed: usize,
    pub undone: usize,
    pub lost: usize,
    pub double: usize,
    pub orphaned: usize,
    pub overcharged: usize,
    pub given_away: usize,
    /// Ended or not, somebody has to look.
    pub stuck: usize,
    /// Reservations that were asked for again under one reference although the first time may have
    /// made one.
    pub sent_again: usize,
    /// Bookings whose customer had no answer at first, and found them under the same key.
    pub recovered: usize,
    /// Of everything that there is, whoever clicked for it: what of ledgers, prices, points and
    /// journals does not agree with the world or with each other; nothing where nobody looked.
    pub differences: Option<usize>,
    /// How often each fault happened.
    pub kills: BTreeMap<String, u32>,
    /// Messages that were parked, and sent again by staff once the faults were over.
    pub parked: usize,
    pub converged_s: f64,
    pub confirmed_share: f64,
    pub seed: u64,
    #[serde(skip)]
    pub wrong: Vec<String>,
}

impl Report {
    /// Whether nobody lost anything, and enough was confirmed for that to mean something.
    #[must_use]
    pub fn is_well(&self, faults: bool) -> bool {
        let wrong = self.lost + self.double + self.orphaned + self.overcharged;
        let wrong = wrong + self.given_away + self.stuck + self.sent_again;
        let enough = if faults { 0.2 } else { 0.5 };
        let failed = |kind: &String| !MISSED.contains(&kind.as_str());
        let failed = !faults || self.kills.keys().any(failed);
        let agrees = self.differences.unwrap_or(0) == 0;
        wrong == 0 && agrees && failed && self.bookings > 0 && self.confirmed_share >= enough
    }

    /// Counts what was asked of the supplier again without knowing how it ended. The end may be
    /// right all the same, where the supplier refuses it or what it made twice is found.
    async fn look_for_sent_again(&mut self, double: &Double) -> anyhow::Result<()> {
        let truth = double.truth().await?;
        let again = sent_again(&truth);
        self.sent_again = again.len();
        self.wrong.extend(again);
        Ok(())
    }
}

/// A line for each reserve under a reference under which one was sent before that may have been
/// taken in: all but those that the supplier had no time for.
fn sent_again(truth: &SupplierTruth) -> Vec<String> {
    let mut sent = BTreeMap::new();
    let mut again = Vec::new();
    for request in truth.requests_of("reserve") {
        let Some(reference) = &request.client_reference else { continue };
        let untouched = matches!(request.status.as_u64(), Some(429 | 503));
        if let Some(before) = sent.get(reference) {
            again.push(format!("{reference} was reserved again after {before}"));
        } else if !untouched {
            sent.insert(reference, &request.status);
        }
    }
    again
}

/// From here on a run's look-ups become as rare in its course as those of the policy that ships do.
const LONG: Duration = Duration::from_secs(600);

/// What is bought is looked up until its end: every half minute would be a look-up for each of
/// thousands of bookings all the time, which no policy means.
const LONG_RUN: [Change; 2] = [
    ("supplier.*", "ladder", r#"["200ms", "400ms", "800ms", "1s", "2s", "5s", "15s"]"#),
    ("supplier.*", "sweep", r#"["4s", "10s", "30s", "2m", "10m"]"#),
];

/// Runs a system of its own, with a broker and a database server of its own, and tells what came of
/// it. `tell` hears of every fault.
///
/// # Errors
/// When the system cannot be started, or cannot be asked afterwards.
pub async fn run(asked: Asked, tell: impl Fn(&str) + Sync) -> anyhow::Result<Report> {
    let servers = Arc::new(Servers::start().await?);
    let options = Options {
        profile: Profile::Demo,
        policy: if asked.lasts < LONG { Vec::new() } else { LONG_RUN.to_vec() },
        infra: Some(servers.infra()?),
        share_of_traces: 0.0,
        talks: true,
        ..Options::test("chaos")
    };
    let stack = Arc::new(Stack::start(options).await?);
    let mut processes = Processes::beside(&stack, asked.seed).await?;
    let mut ground = Ground::new(asked.seed);
    let world = World::of(&stack).await?;
    let load = Load::begin(Arc::clone(&stack), asked.per_second);
    let until = Instant::now() + asked.lasts;
    let mut counts = Counts::new();
    if asked.faults {
        let (ours, theirs) = tokio::try_join!(
            processes.fail(until, &stack, &tell),
            ground.fail(until, &stack, &servers, &tell),
        )?;
        counts.extend(ours.into_iter().chain(theirs));
    } else {
        tokio::time::sleep(asked.lasts).await;
    }
    faults::end(&stack, &servers).await?;
    processes.end(&stack).await?;
    tell("the faults are over");
    ended(stack, &world, load, true, counts, asked.seed).await
}

/// Ends the load, waits until every booking came to its end, stops the system, and says what was
/// counted; `staffed`, where staff help.
async fn ended(
    stack: Arc<Stack>,
    world: &World,
    load: Load,
    staffed: bool,
    kills: BTreeMap<String, u32>,
    seed: u64,
) -> anyhow::Result<Report> {
    let began = Instant::now();
    let Clicked { accepted, recovered } = load.end().await?;
    let (compared, parked) = converge(&stack, world, &accepted, began, staffed).await?;
    let mut report = Report { recovered, ..told(&compared, kills, parked, began.elapsed(), seed) };
    if staffed {
        let proof = prove(&stack, PROVEN_WITHIN, OPEN_FOR_MAX).await?;
        report.differences = Some(proof.differences);
        if proof.differences > 0 {
            report.wrong.extend(proof.compared.wrong);
        }
    }
    report.look_for_sent_again(&stack.double()).await?;
    if let Ok(stack) = Arc::try_unwrap(stack) {
        stack.stop().await.ok();
    }
    Ok(report)
}

/// Waits until all is right, or for as long as it may take; staff send again what was parked, if
/// there are any.
async fn converge(
    stack: &Stack,
    world: &World,
    accepted: &[Accepted],
    began: Instant,
    staffed: bool,
) -> anyhow::Result<(Comparison, usize)> {
    let console = Console::of(stack, "support_operator");
    let mut parked = 0;
    loop {
        let letters = console.list("?state=parked").await.unwrap_or_default();
        if !staffed {
            parked = letters.len();
        }
        for letter in letters.iter().filter(|_| staffed) {
            let id = letter["dead_letter_id"].as_str().unwrap_or_default();
            if console.replay(id, None, "the faults are over").await.is_ok() {
                parked += 1;
            }
        }
        let over = began.elapsed() > CONVERGES_WITHIN;
        match world.compare(accepted).await {
            Ok(compared) if over || compared.is_right() && compared.in_review == 0 => {
                return Ok((compared, parked));
            }
            // What was killed last may not answer everybody yet.
            Err(error) if over => return Err(error),
            Ok(_) | Err(_) => {}
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

fn told(
    compared: &Comparison,
    kills: BTreeMap<String, u32>,
    parked: usize,
    took: Duration,
    seed: u64,
) -> Report {
    Report {
        bookings: compared.bookings,
        confirmed: compared.confirmed,
        undone: compared.undone,
        lost: compared.lost,
        double: compared.double,
        orphaned: compared.orphaned,
        overcharged: compared.overcharged,
        given_away: compared.given_away,
        stuck: compared.in_review,
        sent_again: 0,
        recovered: 0,
        differences: None,
        kills,
        parked,
        converged_s: (took.as_secs_f64() * 10.0).round() / 10.0,
        confirmed_share: compared.confirmed as f64 / compared.bookings.max(1) as f64,
        seed,
        wrong: compared.wrong.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn a_reserve_is_sent_again_only_where_the_supplier_had_no_time_for_the_first() {
        let request = |(reference, status): (&str, Value)| {
            json!({"at": "", "operation": "reserve", "client_reference": reference,
                "reference": null, "status": status})
        };
        let counted = |requests: &[(&str, Value)]| {
            let requests: Vec<Value> = requests.iter().cloned().map(request).collect();
            let truth = json!({"reservations": [], "requests": requests});
            sent_again(&serde_json::from_value(truth).unwrap()).len()
        };
        assert_eq!(counted(&[("a", json!("no_answer")), ("b", json!(201)), ("c", json!(400))]), 0);
        assert_eq!(counted(&[("a", json!(503)), ("a", json!(429)), ("a", json!(201))]), 0);
        assert_eq!(counted(&[("a", json!("no_answer")), ("a", json!(400))]), 1);
        assert_eq!(counted(&[("a", json!(504)), ("b", json!(201)), ("a", json!(201))]), 1);
    }
}
