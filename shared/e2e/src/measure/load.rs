//! Two kinds of load: as fast as so many connections can, and so many requests a second whatever
//! the answers take.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures::future::join_all;

/// One request, ready to be sent.
#[derive(Debug, Clone)]
pub struct Shot {
    pub url: String,
    pub token: String,
    pub key: String,
    pub body: Bytes,
}

/// What came of a load.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    pub took: Duration,
    /// Of each request that was accepted, in milliseconds.
    pub latencies_ms: Vec<f64>,
    /// Bodies of the answers that were accepted, with the place of their request.
    pub accepted: Vec<(usize, Bytes)>,
    /// The first answer that was not, if any.
    pub refused: Option<String>,
}

impl Outcome {
    #[must_use]
    pub fn per_second(&self) -> f64 {
        self.accepted.len() as f64 / self.took.as_secs_f64()
    }
}

/// A client that keeps its connections.
///
/// # Panics
/// When none can be made.
#[must_use]
pub fn client() -> reqwest::Client {
    let builder = reqwest::Client::builder().no_proxy().pool_max_idle_per_host(1024);
    builder.tcp_nodelay(true).timeout(Duration::from_secs(60)).build().unwrap()
}

/// Sends every shot, each connection the next one as soon as it has its answer.
pub async fn closed(shots: Arc<Vec<Shot>>, connections: usize) -> Outcome {
    let (http, next) = (client(), Arc::new(AtomicUsize::new(0)));
    let begun = Instant::now();
    let workers = (0..connections).map(|_| {
        let (http, next, shots) = (http.clone(), next.clone(), shots.clone());
        tokio::spawn(async move {
            let mut own = Outcome::default();
            loop {
                let place = next.fetch_add(1, Ordering::Relaxed);
                let Some(shot) = shots.get(place) else { return own };
                note(&mut own, place, Instant::now(), fire(&http, shot).await);
            }
        })
    });
    let all = join_all(workers).await;
    gather(all.into_iter().flatten(), begun.elapsed())
}

/// Sends a shot at every tick; a late answer delays no other, and waiting for a free machine
/// counts.
pub async fn by_the_clock(shots: Arc<Vec<Shot>>, per_second: u32) -> Outcome {
    let http = client();
    let begun = Instant::now();
    let mut tick = tokio::time::interval(Duration::from_secs(1) / per_second);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Burst);
    let mut under_way = Vec::with_capacity(shots.len());
    for place in 0..shots.len() {
        let due: Instant = tick.tick().await.into_std();
        let (http, shots) = (http.clone(), shots.clone());
        under_way.push(tokio::spawn(async move {
            let mut own = Outcome::default();
            let answer = fire(&http, &shots[place]).await;
            note(&mut own, place, due, answer);
            own
        }));
    }
    let all = join_all(under_way).await;
    gather(all.into_iter().flatten(), begun.elapsed())
}

async fn fire(http: &reqwest::Client, shot: &Shot) -> Result<Bytes, String> {
    let request = http.post(&shot.url).header("content-type", "application/json");
    let request = request.header("idempotency-key", &shot.key).bearer_auth(&shot.token);
    let reply = request.body(shot.body.clone()).send().await.map_err(|e| format!("{e:?}"))?;
    let status = reply.status();
    let body = reply.bytes().await.map_err(|e| e.to_string())?;
    if status.is_success() {
        Ok(body)
    } else {
        Err(format!("{status} {}", String::from_utf8_lossy(&body)))
    }
}

fn note(own: &mut Outcome, place: usize, since: Instant, answer: Result<Bytes, String>) {
    match answer {
        Ok(body) => {
            own.latencies_ms.push(since.elapsed().as_secs_f64() * 1000.0);
            own.accepted.push((place, body));
        }
        Err(refused) => own.refused = Some(refused),
    }
}

fn gather(all: impl Iterator<Item = Outcome>, took: Duration) -> Outcome {
    let mut whole = Outcome { took, ..Outcome::default() };
    for own in all {
        whole.latencies_ms.extend(own.latencies_ms);
        whole.accepted.extend(own.accepted);
        whole.refused = whole.refused.or(own.refused);
    }
    whole
}
