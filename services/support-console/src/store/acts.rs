//! The audit: everything that staff did or were kept from doing. Rows are only added.

use chrono::{DateTime, Utc};
use contracts::internal::Versions;
use messaging::{StoreError, database};
use serde::Serialize;
use sqlx::{FromRow, PgConnection, QueryBuilder};
use uuid::Uuid;

use super::{After, go_on};

/// How an act ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Somebody else is about to be told to do it; how it ended is a row of its own.
    Begun,
    Done,
    /// The role may not.
    Denied,
    /// It cannot be done as things are.
    Refused,
    /// Whoever was told has not answered.
    NotKnown,
}

/// An act that is to be recorded.
#[derive(Debug, Clone)]
pub(crate) struct Act {
    pub(crate) act_id: Uuid,
    pub(crate) actor: String,
    pub(crate) roles: Vec<String>,
    pub(crate) from_where: String,
    pub(crate) act: &'static str,
    pub(crate) outcome: Outcome,
    pub(crate) reason: Option<String>,
    pub(crate) refusal: Option<String>,
    pub(crate) dead_letter_id: Option<Uuid>,
    pub(crate) booking_id: Option<Uuid>,
    pub(crate) replay_run_id: Option<Uuid>,
    /// `case:<id>`, `payment_case:<id>`, `callback:<id>` or `supplier:<word>`.
    pub(crate) about: Option<String>,
    /// What it makes of the letter, leg, booking or payment that it is done to.
    pub(crate) versions: Option<Versions>,
    pub(crate) trace_id: Option<String>,
}

/// An act as it is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, FromRow)]
pub(crate) struct Acted {
    pub(crate) act_id: Uuid,
    pub(crate) at: DateTime<Utc>,
    pub(crate) actor: String,
    pub(crate) roles: Vec<String>,
    pub(crate) from_where: String,
    pub(crate) act: String,
    pub(crate) outcome: String,
    pub(crate) reason: Option<String>,
    pub(crate) refusal: Option<String>,
    pub(crate) dead_letter_id: Option<Uuid>,
    pub(crate) booking_id: Option<Uuid>,
    pub(crate) replay_run_id: Option<Uuid>,
    pub(crate) about: Option<String>,
    /// Which version the letter, leg, booking or payment was that it was done to.
    pub(crate) version_before: Option<i64>,
    /// Which it was then.
    pub(crate) version_after: Option<i64>,
    pub(crate) trace_id: Option<String>,
}

/// What a list of acts is narrowed by.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ActFilter {
    pub(crate) dead_letter_id: Option<Uuid>,
    pub(crate) booking_id: Option<Uuid>,
    pub(crate) replay_run_id: Option<Uuid>,
    pub(crate) actor: Option<String>,
}

impl Act {
    /// The same under another name.
    pub(crate) fn named(self, act: &'static str) -> Self {
        Self { act, ..self }
    }

    /// The same with what it makes of what it is done to.
    pub(crate) fn making(self, versions: Option<Versions>) -> Self {
        Self { versions, ..self }
    }

    /// The same about a replay of many.
    pub(crate) fn of_run(self, replay_run_id: Uuid) -> Self {
        Self { replay_run_id: Some(replay_run_id), ..self }
    }
}

impl Outcome {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Begun => "begun",
            Self::Done => "done",
            Self::Denied => "denied",
            Self::Refused => "refused",
            Self::NotKnown => "not_known",
        }
    }
}

/// Adds an act.
pub(crate) async fn record(conn: &mut PgConnection, act: &Act) -> Result<(), StoreError> {
    sqlx::query(
        "insert into act (act_id, at, actor, roles, from_where, act, outcome, reason, refusal,
                          dead_letter_id, booking_id, replay_run_id, trace_id, about,
                          version_before, version_after)
         values ($1, holdfast_now(), $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)",
    )
    .bind(act.act_id)
    .bind(&act.actor)
    .bind(&act.roles)
    .bind(&act.from_where)
    .bind(act.act)
    .bind(act.outcome.as_str())
    .bind(&act.reason)
    .bind(&act.refusal)
    .bind(act.dead_letter_id)
    .bind(act.booking_id)
    .bind(act.replay_run_id)
    .bind(&act.trace_id)
    .bind(&act.about)
    .bind(act.versions.map(|versions| version(versions.before)))
    .bind(act.versions.map(|versions| version(versions.after)))
    .execute(conn)
    .await
    .map(drop)
    .map_err(database("recording an act"))
}

fn version(version: u64) -> i64 {
    i64::try_from(version).unwrap_or(i64::MAX)
}

/// What decides over a booking's money besides letting it go.
const DECIDING: &[&str] =
    &["take_review", "adopt", "cancel_at_supplier", "declare_absent", "propose_edit"];

/// Who did something about a booking that its money hangs on, or may have.
pub(crate) async fn hands_on(
    conn: &mut PgConnection,
    booking_id: Uuid,
) -> Result<Vec<String>, StoreError> {
    sqlx::query_scalar(
        "select distinct actor from act
          where booking_id = $1 and act = any($2) and outcome in ('begun', 'done', 'not_known')",
    )
    .bind(booking_id)
    .bind(DECIDING)
    .fetch_all(conn)
    .await
    .map_err(database("reading who had a hand in a booking"))
}

/// Lists acts, the newest first.
pub(crate) async fn acts(
    conn: &mut PgConnection,
    filter: &ActFilter,
    after: Option<After>,
    at_most: i64,
) -> Result<Vec<Acted>, StoreError> {
    let mut query = QueryBuilder::new(
        "select act_id, at, actor, roles, from_where, act, outcome, reason, refusal, dead_letter_id,
                booking_id, replay_run_id, about, version_before, version_after, trace_id
           from act
          where true",
    );
    let ids = [
        (" and dead_letter_id = ", filter.dead_letter_id),
        (" and booking_id = ", filter.booking_id),
        (" and replay_run_id = ", filter.replay_run_id),
    ];
    for (condition, id) in ids {
        if let Some(id) = id {
            query.push(condition).push_bind(id);
        }
    }
    if let Some(actor) = &filter.actor {
        query.push(" and actor = ").push_bind(actor);
    }
    go_on(&mut query, "at, act_id", after);
    query.push(" order by at desc, act_id desc limit ").push_bind(at_most);
    query.build_query_as().fetch_all(conn).await.map_err(database("listing acts"))
}
