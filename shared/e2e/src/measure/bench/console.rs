//! The console with much behind it: how long each page takes at the server, with all owners up and
//! with one that hangs, how long a search takes, and how fast a group of letters is replayed.

mod fill;

use std::{
    collections::BTreeMap,
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use reqwest::{Client, header, redirect};
use serde_json::{Value, json};
use sqlx::{Connection as _, PgConnection};

use crate::{
    Stack,
    gateway::Gateway,
    measure::{Figure, Goal, percentile},
    traveller::{Traveller, some_stay},
};

pub use self::fill::Filled;

const PAGE_MS_MAX: f64 = 150.0;
const PAGE_MS_MAX_WITH_ONE_HANGING: f64 = 1_000.0;
const SEARCH_MS_MAX: f64 = 100.0;
const REPLAYS_PER_SECOND_MIN: f64 = 1_000.0;
/// As many as one run takes.
const GROUP: u32 = 10_000;
/// The shipped rate is for days on which a consumer has other work, too.
const GROUP_PER_SECOND: i32 = 5_000;
/// How often each page is read.
const READS: usize = 40;
/// Reads with an owner that hangs take long.
const READS_WITH_ONE_HANGING: usize = 5;
/// What a whole booking, or a group, may take at most.
const PATIENCE: Duration = Duration::from_secs(240);

pub(super) async fn run(stack: &Stack, filled: Filled) -> anyhow::Result<Vec<Figure>> {
    let ada = Traveller::of(stack, "ada").await?;
    let trip = ada.book(&some_stay()).await?;
    ada.pay(&ada.until_payable(&trip, PATIENCE).await?).await?;
    ensure!(ada.until_ended(&trip, PATIENCE).await?.status() == "confirmed", "not confirmed");
    let began = Instant::now();
    fill::fill(stack, filled, GROUP).await?;
    eprintln!("  filled in {:.0?}: {filled:?}", began.elapsed());
    let staff = Staff::of(stack).await?;
    let pages = pages(&staff, &trip.booking_id).await?;
    let mut figures = read_all(&staff, &pages, "page", READS, PAGE_MS_MAX).await?;
    let searches = searches(&staff, &trip.booking_id).await?;
    figures.extend(read_all(&staff, &searches, "search", READS, SEARCH_MS_MAX).await?);
    // An owner that takes the connection and never answers.
    let pid = stack.pid("rewards").context("rewards does not run")?.to_string();
    signal("-STOP", &pid)?;
    let hanging = read_all(
        &staff,
        &pages,
        "page_one_hanging",
        READS_WITH_ONE_HANGING,
        PAGE_MS_MAX_WITH_ONE_HANGING,
    )
    .await;
    signal("-CONT", &pid)?;
    figures.extend(hanging?);
    figures.push(replay(stack, &staff).await?);
    Ok(figures)
}

fn signal(name: &str, pid: &str) -> anyhow::Result<()> {
    ensure!(Command::new("kill").args([name, pid]).status()?.success(), "kill {name} {pid}");
    Ok(())
}

/// A member of staff at a browser, and by token.
struct Staff {
    http: Client,
    url: String,
    cookie: String,
    api: Gateway,
}

impl Staff {
    async fn of(stack: &Stack) -> anyhow::Result<Self> {
        let http = Client::builder().redirect(redirect::Policy::none()).build()?;
        let url = stack.url("support-console");
        let staff = stack.staff().await?;
        let who = staff.get("support_approver").context("an approver")?;
        let form = form_urlencoded::Serializer::new(String::new())
            .append_pair("name", &who.name)
            .append_pair("password", &who.password)
            .finish();
        let answer = http
            .post(format!("{url}/sign-in"))
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(form)
            .send()
            .await?;
        let cookie = answer.headers().get(header::SET_COOKIE).context("a session")?.to_str()?;
        let cookie = cookie.split(';').next().unwrap_or_default().to_owned();
        let token = stack.token("bench", &["support_approver"]);
        let api = Gateway::new(&url, &token);
        Ok(Self { http, url, cookie, api })
    }

    async fn get(&self, path: &str) -> anyhow::Result<f64> {
        let began = Instant::now();
        let url = format!("{}{path}", self.url);
        let answer = self.http.get(&url).header(header::COOKIE, &self.cookie).send().await?;
        let status = answer.status();
        answer.bytes().await?;
        ensure!(status.is_success() || status.is_redirection(), "{path}: {status}");
        Ok(began.elapsed().as_secs_f64() * 1_000.0)
    }
}

/// By name, the path of each page.
type Paths = BTreeMap<String, String>;

async fn pages(staff: &Staff, booking: &str) -> anyhow::Result<Paths> {
    let listed = staff.api.get("/v1/dead-letters?limit=1").await?.json();
    let letter = &listed["dead_letters"][0];
    let text = |name: &str| letter[name].as_str().unwrap_or_default();
    let pages = [
        ("overview", "/".to_owned()),
        ("letters", "/letters".to_owned()),
        ("letters_of_cause", format!("/letters?group={}", text("letter_cause_id"))),
        ("letters_discarded", "/letters?state=discarded".to_owned()),
        ("letter", format!("/letters/{}", text("dead_letter_id"))),
        ("replay_form", format!("/letters/{}/replay", text("dead_letter_id"))),
        ("booking", format!("/bookings/{booking}")),
        ("runs", "/runs".to_owned()),
        ("suppliers", "/suppliers".to_owned()),
        ("cases", "/cases".to_owned()),
        ("audit", "/audit".to_owned()),
    ];
    Ok(pages.map(|(name, path)| (name.to_owned(), path)).into())
}

/// Every key that a booking can be found by, as its own timeline tells them.
async fn searches(staff: &Staff, booking: &str) -> anyhow::Result<Paths> {
    let told = staff.api.get(&format!("/v1/bookings/{booking}/timeline")).await?.json();
    let entries = told["entries"].as_array().cloned().unwrap_or_default();
    let mut keys = BTreeMap::from([("booking".to_owned(), booking.to_owned())]);
    for (name, field) in
        [("message", "message_id"), ("trace", "trace_id"), ("reference", "reference")]
    {
        let values = entries.iter().filter_map(|entry| entry[field].as_str());
        for (nth, value) in
            values.collect::<std::collections::BTreeSet<_>>().iter().take(4).enumerate()
        {
            keys.insert(format!("{name}_{nth}"), (*value).to_owned());
        }
    }
    for (name, key) in keys.iter().filter(|(name, _)| name.starts_with("message")) {
        let found = staff.api.get(&format!("/v1/search?key={key}")).await?.json();
        let is_it = |found: &Value| found["booking_id"] == booking;
        let is_found = found["found"].as_array().is_some_and(|found| found.iter().any(is_it));
        ensure!(is_found, "{name} does not lead to the booking: {found}");
    }
    let query = |key: String| {
        let query =
            form_urlencoded::Serializer::new(String::new()).append_pair("key", &key).finish();
        format!("/search?{query}")
    };
    Ok(keys.into_iter().map(|(name, key)| (name, query(key))).collect())
}

/// Reads each so often, one after the other; the time below which 95 of 100 lie.
async fn read_all(
    staff: &Staff,
    pages: &Paths,
    what: &str,
    reads: usize,
    most: f64,
) -> anyhow::Result<Vec<Figure>> {
    let mut figures = Vec::new();
    for (name, path) in pages {
        staff.get(path).await?;
        let mut took = Vec::with_capacity(reads);
        for _ in 0..reads {
            took.push(staff.get(path).await?);
        }
        let name = format!("console_{what}_p95_{name}");
        figures.push(Figure::new(&name, percentile(&mut took, 95), "ms", None, Goal::AtMost(most)));
    }
    Ok(figures)
}

/// Replays the group that can be replayed, until of each letter is known that it took effect.
async fn replay(stack: &Stack, staff: &Staff) -> anyhow::Result<Figure> {
    let wanted = json!({
        "reason": "measured", "cause": fill::REPLAYABLE, "at_most": GROUP, "ladder": [1, 5, 20, 100],
    });
    let mut conn = PgConnection::connect(&stack.database_url("support-console")).await?;
    let answer = staff.api.post("/v1/replays", &wanted).await?;
    ensure!(answer.status.is_success(), "not begun: {}", answer.json());
    let run = answer.json()["replay_run_id"].as_str().unwrap_or_default().to_owned();
    sqlx::query("update replay_run set per_second = $1 where replay_run_id = $2::uuid")
        .bind(GROUP_PER_SECOND)
        .bind(&run)
        .execute(&mut conn)
        .await?;
    let began = Instant::now();
    let done = loop {
        tokio::time::sleep(Duration::from_millis(100)).await;
        let told: Value = staff.api.get(&format!("/v1/replays/{run}")).await?.json();
        if told["state"] != "running" {
            break told;
        }
        ensure!(began.elapsed() < PATIENCE, "after {PATIENCE:?}: {told}");
    };
    let took = began.elapsed();
    let all = json!(["done", GROUP, 0, 0]);
    let told = json!([done["state"], done["succeeded"], done["failed"], done["refused"]]);
    ensure!(told == all, "{told} instead of {all}");
    let heard: i64 = fill::effects(stack).await?;
    ensure!(heard == i64::from(GROUP), "{heard} took effect at their consumer");
    let rate = f64::from(GROUP) / took.as_secs_f64();
    let goal = Goal::AtLeast(REPLAYS_PER_SECOND_MIN);
    Ok(Figure::new("console_group_replay_per_second", rate, "1/s", None, goal))
}
