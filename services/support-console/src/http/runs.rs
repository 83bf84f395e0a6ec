//! Replays of many letters: begun, watched, paused, gone on with, stopped.

use axum::extract::State;
use chassis::{
    ApiError, FieldError,
    auth::Bearer,
    http::{Json, Path},
};
use http::StatusCode;
use serde::{Deserialize, Deserializer, Serialize, de::Error as _};
use uuid::Uuid;

use super::{
    OPERATOR,
    acting::{self, About, Actor, Attempt},
    actions::Because,
    connection, failed, in_a_column, may_look,
};
use crate::{
    App, mask,
    runs::Progress,
    store::{self, Filter, NewRun, Run},
};

/// Nobody has as many letters.
pub(crate) const LETTERS_MAX: u32 = 1_000_000_000;
const STEP_MAX: i32 = 10_000;
const STEPS_MAX: usize = 10;
const LISTED_MAX: i64 = 50;

/// Which letters are sent again, and why.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wanted {
    #[serde(deserialize_with = "acting::reason")]
    pub(crate) reason: String,
    pub(crate) letter_cause_id: Option<Uuid>,
    pub(crate) consumer: Option<String>,
    pub(crate) cause: Option<String>,
    /// No more than so many, the oldest first; all that wait without it.
    #[serde(default, deserialize_with = "at_most")]
    pub(crate) at_most: Option<u32>,
    /// Letters of each step before the rest; as the policy says without it.
    pub(crate) ladder: Option<Vec<Step>>,
}

/// How many letters a step has.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(try_from = "i64")]
pub(crate) struct Step(i32);

impl TryFrom<i64> for Step {
    type Error = String;

    fn try_from(step: i64) -> Result<Self, String> {
        let step = i32::try_from(step).ok().filter(|step| (1..=STEP_MAX).contains(step));
        step.map(Self).ok_or_else(|| format!("must be 1 to {STEP_MAX}"))
    }
}

fn at_most<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u32>, D::Error> {
    let wanted = Option::<i64>::deserialize(from)?;
    let most = |most| u32::try_from(most).ok().filter(|most| (1..=LETTERS_MAX).contains(most));
    let too_many = || D::Error::custom(format!("must be 1 to {LETTERS_MAX}"));
    wanted.map(|wanted| most(wanted).ok_or_else(too_many)).transpose()
}

/// A run, and how far it is.
#[derive(Debug, Serialize)]
pub(crate) struct ShownRun {
    #[serde(flatten)]
    pub(crate) run: Run,
    pub(crate) left: u64,
    pub(crate) pending: u64,
    /// Nobody heard of them for too long.
    pub(crate) late: u64,
    pub(crate) succeeded: u64,
    pub(crate) failed: u64,
    pub(crate) refused: u64,
}

/// What is done to a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    Pause,
    Resume,
    Stop,
}

impl Change {
    pub(crate) fn named(name: &str) -> Option<Self> {
        [Self::Pause, Self::Resume, Self::Stop].into_iter().find(|it| it.word() == name)
    }

    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::Stop => "stop",
        }
    }

    /// How the run stands afterwards, and the act's name.
    const fn leads_to(self) -> (&'static str, &'static str) {
        match self {
            Self::Pause => ("paused", "pause_replays"),
            Self::Resume => ("running", "resume_replays"),
            Self::Stop => ("stopped", "stop_replays"),
        }
    }
}

pub(crate) async fn list(
    State(app): State<App>,
    Bearer(claims): Bearer,
) -> Result<Json<Vec<ShownRun>>, ApiError> {
    may_look(&claims)?;
    read(&app, None).await.map(Json)
}

pub(crate) async fn show(
    State(app): State<App>,
    Bearer(claims): Bearer,
    Path(id): Path<Uuid>,
) -> Result<Json<ShownRun>, ApiError> {
    may_look(&claims)?;
    let found = read(&app, Some(id)).await?;
    found.into_iter().next().map(Json).ok_or_else(ApiError::not_found)
}

async fn read(app: &App, only: Option<Uuid>) -> Result<Vec<ShownRun>, ApiError> {
    let mut conn = connection(app).await?;
    let runs = store::runs(&mut conn, only, LISTED_MAX).await.map_err(|error| failed(&error))?;
    let mut shown = Vec::with_capacity(runs.len());
    for run in runs {
        let progress = store::progress(&mut conn, &run, app.support.replay_known_within).await;
        let Progress { left, pending, late, succeeded, failed: again, refused } =
            progress.map_err(|error| failed(&error))?;
        shown.push(ShownRun { run, left, pending, late, succeeded, failed: again, refused });
    }
    Ok(shown)
}

/// Begins a run of all letters that wait now and fit. 202: none of them is sent yet.
pub(crate) async fn begin(
    State(app): State<App>,
    actor: Actor,
    body: Result<Json<Wanted>, ApiError>,
) -> Result<(StatusCode, Json<ShownRun>), ApiError> {
    let attempt = Attempt::permit(&app, actor, "replay_many", None, OPERATOR).await?;
    let Json(wanted) = body?;
    let attempt = attempt.because(&wanted.reason)?;
    let (ladder, at_most) = limits(&app, &wanted)?;
    in_a_column("/consumer", wanted.consumer.as_deref())?;
    in_a_column("/cause", wanted.cause.as_deref())?;
    let filter = Filter {
        letter_cause_id: wanted.letter_cause_id,
        consumer: wanted.consumer,
        cause: wanted.cause,
        ..Filter::default()
    };
    let id = chassis::mint::uuid7();
    let act = attempt.done().of_run(id);
    let support = &app.support;
    let new = NewRun {
        replay_run_id: id,
        act_id: act.act_id,
        about: &about(&filter),
        ladder: &ladder,
        per_second: i32::try_from(support.replay_per_second).unwrap_or(i32::MAX),
        failed_percent_max: i32::try_from(support.replay_failed_percent_max).unwrap_or(100),
        at_most: at_most.map(i64::from),
    };
    let mut tx = app.messaging.begin().await.map_err(|error| failed(&error))?;
    let made = async {
        store::record(tx.conn(), &act).await?;
        store::new_run(tx.conn(), &new, &filter, i64::from(support.replay_listed)).await
    };
    let letters = made.await.map_err(|error| failed(&error))?;
    if letters == 0 {
        drop(tx);
        let error = ApiError::conflict("no_letters", "no letter that waits is like that");
        return Err(attempt.refused(error).await);
    }
    tx.commit().await.map_err(|error| failed(&error))?;
    let found = read(&app, Some(id)).await?;
    let run = found.into_iter().next().ok_or_else(ApiError::not_found)?;
    Ok((StatusCode::ACCEPTED, Json(run)))
}

fn limits(app: &App, wanted: &Wanted) -> Result<(Vec<i32>, Option<u32>), ApiError> {
    let of_policy = || app.support.replay_ladder.iter().filter_map(|n| i32::try_from(*n).ok());
    let steps: Vec<i32> = match &wanted.ladder {
        Some(steps) => steps.iter().map(|step| step.0).collect(),
        None => of_policy().collect(),
    };
    let at_most = wanted.at_most;
    let wrong = [
        (steps.len() > STEPS_MAX, "/ladder", format!("must have up to {STEPS_MAX} steps")),
        (
            // A form says it in a field of its own.
            at_most.is_some_and(|most| !(1..=LETTERS_MAX).contains(&most)),
            "/at_most",
            format!("must be 1 to {LETTERS_MAX}"),
        ),
    ];
    let wrong = wrong.into_iter().filter(|(wrong, ..)| *wrong);
    let wrong: Vec<_> =
        wrong.map(|(_, field, detail)| FieldError::new(field, "invalid", detail)).collect();
    if wrong.is_empty() { Ok((steps, at_most)) } else { Err(ApiError::invalid(wrong)) }
}

/// What the letters have in common, in words.
fn about(filter: &Filter) -> String {
    let parts = [
        filter.letter_cause_id.map(|id| format!("cause {id}")),
        filter.consumer.as_deref().map(|consumer| format!("given up by {}", mask::word(consumer))),
        filter.cause.as_deref().map(|cause| format!("cause {}", mask::word(cause))),
    ];
    let parts: Vec<_> = parts.into_iter().flatten().collect();
    if parts.is_empty() { "all letters that wait".to_owned() } else { parts.join(", ") }
}

pub(crate) async fn change(
    State(app): State<App>,
    actor: Actor,
    Path((id, change)): Path<(Uuid, String)>,
    body: Result<Json<Because>, ApiError>,
) -> Result<Json<ShownRun>, ApiError> {
    let change = Change::named(&change).ok_or_else(ApiError::not_found)?;
    let (state, act) = change.leads_to();
    let about = About { replay_run_id: Some(id), ..About::default() };
    let attempt = Attempt::permit_about(&app, actor, act, about, OPERATOR).await?;
    let Json(Because { reason }) = body?;
    let attempt = attempt.because(&reason)?;
    let mut tx = app.messaging.begin().await.map_err(|error| failed(&error))?;
    let why = (change == Change::Stop).then_some(reason.as_str());
    let act = attempt.done();
    let changed = async {
        let changed = store::change_run(tx.conn(), id, state, why).await?;
        store::record(tx.conn(), &act).await.map(|()| changed)
    };
    if !changed.await.map_err(|error| failed(&error))? {
        drop(tx);
        let detail = format!("it is over, or {state} already");
        return Err(attempt.refused(ApiError::conflict("not_changed", detail)).await);
    }
    tx.commit().await.map_err(|error| failed(&error))?;
    let found = read(&app, Some(id)).await?;
    found.into_iter().next().map(Json).ok_or_else(ApiError::not_found)
}
