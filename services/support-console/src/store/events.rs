//! What happened to dead letters after they were parked. Rows are only added; the state of a letter
//! is what the last of them says.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use chrono::{DateTime, Utc};
use messaging::{StoreError, database};
use serde::Serialize;
use sqlx::{FromRow, PgConnection};
use uuid::Uuid;

/// What a member of staff made of a letter.
#[derive(Debug, Clone)]
pub(crate) enum NewEvent {
    Replayed {
        message_id: Uuid,
        consumer: String,
        attempt: i32,
        trace_id: Option<String>,
        /// The mended body, and where it differs.
        mended: Option<(Vec<u8>, Vec<String>)>,
    },
    Discarded {
        restorable_until: DateTime<Utc>,
    },
    Restored,
}

/// One event of a letter, as it is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, FromRow)]
pub(crate) struct Happened {
    pub(crate) version: i32,
    pub(crate) at: DateTime<Utc>,
    pub(crate) event: String,
    /// Who did it; none for what was learnt.
    pub(crate) actor: Option<String>,
    pub(crate) reason: Option<String>,
    pub(crate) consumer: Option<String>,
    pub(crate) attempt: Option<i32>,
    /// Where a mended body differs from the original.
    pub(crate) mended: Option<Vec<String>>,
    pub(crate) trace_id: Option<String>,
    pub(crate) restorable_until: Option<DateTime<Utc>>,
    pub(crate) next_dead_letter_id: Option<Uuid>,
    pub(crate) detail: Option<String>,
}

/// A replay whose outcome is not known.
#[derive(Debug, Clone, FromRow)]
pub(crate) struct Pending {
    pub(crate) dead_letter_id: Uuid,
    pub(crate) version: i32,
    pub(crate) message_id: Uuid,
    pub(crate) consumer: String,
}

/// Adds an event, unless somebody else has added one meanwhile; says whether it is there.
pub(crate) async fn add_event(
    conn: &mut PgConnection,
    dead_letter_id: Uuid,
    version: i32,
    act_id: Uuid,
    event: &NewEvent,
) -> Result<bool, StoreError> {
    let (name, replay, until) = match event {
        NewEvent::Replayed { message_id, consumer, attempt, trace_id, mended } => {
            ("replayed", Some((message_id, consumer, attempt, trace_id, mended)), None)
        }
        NewEvent::Discarded { restorable_until } => ("discarded", None, Some(*restorable_until)),
        NewEvent::Restored => ("restored", None, None),
    };
    let mended = replay.and_then(|(_, _, _, _, mended)| mended.as_ref());
    let added = sqlx::query(
        "insert into letter_event (dead_letter_id, version, at, event, act_id, message_id, consumer,
                                   attempt, trace_id, mended, changed, restorable_until)
         values ($1, $2, holdfast_now(), $3, $4, $5, $6, $7, $8, $9, $10, $11)
         on conflict do nothing",
    )
    .bind(dead_letter_id)
    .bind(version)
    .bind(name)
    .bind(act_id)
    .bind(replay.map(|(message_id, ..)| *message_id))
    .bind(replay.map(|(_, consumer, ..)| consumer.as_str()))
    .bind(replay.map(|(_, _, attempt, ..)| *attempt))
    .bind(replay.and_then(|(_, _, _, trace_id, _)| trace_id.as_deref()))
    .bind(mended.map(|(body, _)| body.as_slice()))
    .bind(mended.map(|(_, changed)| changed.as_slice()))
    .bind(until)
    .execute(conn)
    .await
    .map_err(database("adding an event of a dead letter"))?;
    Ok(added.rows_affected() == 1)
}

/// A replay that is one of many.
pub(crate) struct NewReplay {
    pub(crate) dead_letter_id: Uuid,
    pub(crate) version: i32,
    pub(crate) message_id: Uuid,
    pub(crate) consumer: String,
    pub(crate) attempt: i32,
    pub(crate) trace_id: Option<String>,
}

/// Adds the events of many replays, but of those to which somebody else has done something
/// meanwhile; says which are there.
pub(crate) async fn add_replays(
    conn: &mut PgConnection,
    act_id: Uuid,
    replays: &[&NewReplay],
) -> Result<BTreeSet<Uuid>, StoreError> {
    let added: Vec<Uuid> = sqlx::query_scalar(
        "insert into letter_event (dead_letter_id, version, at, event, act_id, message_id, consumer,
                                   attempt, trace_id)
         select dead_letter_id, version, holdfast_now(), 'replayed', $1, message_id, consumer,
                attempt, trace_id
           from unnest($2::uuid[], $3::integer[], $4::uuid[], $5::text[], $6::integer[], $7::text[])
                as n (dead_letter_id, version, message_id, consumer, attempt, trace_id)
         on conflict do nothing
         returning dead_letter_id",
    )
    .bind(act_id)
    .bind(replays.iter().map(|replay| replay.dead_letter_id).collect::<Vec<_>>())
    .bind(replays.iter().map(|replay| replay.version).collect::<Vec<_>>())
    .bind(replays.iter().map(|replay| replay.message_id).collect::<Vec<_>>())
    .bind(replays.iter().map(|replay| replay.consumer.as_str()).collect::<Vec<_>>())
    .bind(replays.iter().map(|replay| replay.attempt).collect::<Vec<_>>())
    .bind(replays.iter().map(|replay| replay.trace_id.as_deref()).collect::<Vec<_>>())
    .fetch_all(conn)
    .await
    .map_err(database("adding the events of replays"))?;
    Ok(added.into_iter().collect())
}

/// The attempt that a replay of each message is: later than every one that is known here.
pub(crate) async fn next_attempts(
    conn: &mut PgConnection,
    message_ids: &[Uuid],
) -> Result<BTreeMap<Uuid, i64>, StoreError> {
    let next: Vec<(Uuid, i64)> = sqlx::query_as(
        "select id, greatest((select max(attempt) from dead_letter where message_id = id),
                             (select max(attempt) from letter_event where message_id = id))::int8
                    + 1
           from (select distinct unnest($1::uuid[]) as id) as wanted",
    )
    .bind(message_ids)
    .fetch_all(conn)
    .await
    .map_err(database("counting the attempts of messages"))?;
    Ok(next.into_iter().collect())
}

/// The attempt that a replay of a message is: later than every one that is known here.
pub(crate) async fn next_attempt(
    conn: &mut PgConnection,
    message_id: Uuid,
) -> Result<i64, StoreError> {
    sqlx::query_scalar(
        "select greatest((select max(attempt) from dead_letter where message_id = $1),
                         (select max(attempt) from letter_event where message_id = $1))::int8 + 1",
    )
    .bind(message_id)
    .fetch_one(conn)
    .await
    .map_err(database("counting the attempts of a message"))
}

/// What happened to a letter, in order.
pub(crate) async fn history(
    conn: &mut PgConnection,
    dead_letter_id: Uuid,
) -> Result<Vec<Happened>, StoreError> {
    sqlx::query_as(
        "select e.version, e.at, e.event, a.actor, a.reason, e.consumer, e.attempt,
                e.changed as mended, e.trace_id, e.restorable_until, e.next_dead_letter_id, e.detail
           from letter_event as e left join act as a using (act_id)
          where e.dead_letter_id = $1
          order by e.version",
    )
    .bind(dead_letter_id)
    .fetch_all(conn)
    .await
    .map_err(database("reading what happened to a dead letter"))
}

/// Who did something about a letter last.
pub(crate) async fn last_actor(
    conn: &mut PgConnection,
    dead_letter_id: Uuid,
) -> Result<Option<String>, StoreError> {
    sqlx::query_scalar(
        "select a.actor from letter_event as e join act as a using (act_id)
          where e.dead_letter_id = $1 order by e.version desc limit 1",
    )
    .bind(dead_letter_id)
    .fetch_optional(conn)
    .await
    .map_err(database("reading who acted on a dead letter"))
}

/// The letter whose replay became this one.
pub(crate) async fn replay_of(
    conn: &mut PgConnection,
    dead_letter_id: Uuid,
) -> Result<Option<Uuid>, StoreError> {
    sqlx::query_scalar(
        "select dead_letter_id from letter_event where next_dead_letter_id = $1
          order by at limit 1",
    )
    .bind(dead_letter_id)
    .fetch_optional(conn)
    .await
    .map_err(database("reading what a dead letter came of"))
}

/// The letter of the same bytes that came before this one, where nobody replayed that one.
pub(crate) async fn came_before(
    conn: &mut PgConnection,
    dead_letter_id: Uuid,
) -> Result<Option<Uuid>, StoreError> {
    sqlx::query_scalar(
        "select o.dead_letter_id
           from dead_letter as d
           join dead_letter as o on o.message_id = d.message_id and o.queue = d.queue
                and o.attempt < d.attempt
          where d.dead_letter_id = $1
            and not exists (select from letter_event where next_dead_letter_id = $1)
          order by o.attempt desc limit 1",
    )
    .bind(dead_letter_id)
    .fetch_optional(conn)
    .await
    .map_err(database("reading which dead letter came before"))
}

/// Notes every replay that became a dead letter again; says how many.
pub(crate) async fn failed_again(conn: &mut PgConnection) -> Result<usize, StoreError> {
    let noted = sqlx::query(
        "insert into letter_event (dead_letter_id, version, at, event, next_dead_letter_id, detail)
         select r.dead_letter_id, r.version + 1, holdfast_now(), 'failed_again', n.dead_letter_id,
                n.cause
           from pending_replay as r
           join lateral (
                select dead_letter_id, cause from dead_letter as n
                 where n.message_id = r.message_id and n.attempt >= r.attempt
                   and r.consumer in (n.consumer, n.addressee)
                 order by n.attempt, n.parked_at limit 1
           ) as n on true
         on conflict do nothing",
    )
    .execute(conn)
    .await
    .map_err(database("noting replays that failed"))?;
    Ok(usize::try_from(noted.rows_affected()).unwrap_or(usize::MAX))
}

/// Replays whose outcome is not known, any of them: one that is never answered keeps no other from
/// being asked about.
pub(crate) async fn pending(
    conn: &mut PgConnection,
    at_most: i64,
) -> Result<Vec<Pending>, StoreError> {
    sqlx::query_as(
        "select dead_letter_id, version, message_id, consumer
           from pending_replay order by random() limit $1",
    )
    .bind(at_most)
    .fetch_all(conn)
    .await
    .map_err(database("reading replays that are under way"))
}

/// A replay of which nobody heard for long.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, FromRow)]
pub(crate) struct LateReplay {
    pub(crate) dead_letter_id: Uuid,
    pub(crate) booking_id: Option<Uuid>,
    /// Who should have it.
    pub(crate) consumer: String,
    pub(crate) attempt: i32,
    /// When it was sent.
    pub(crate) since: DateTime<Utc>,
}

/// Replays of which nobody heard for this long, the oldest first, and how many there are.
pub(crate) async fn late_replays(
    conn: &mut PgConnection,
    within: Duration,
    at_most: i64,
) -> Result<(Vec<LateReplay>, u64), StoreError> {
    let within = within.as_secs_f64();
    let count: i64 = sqlx::query_scalar(
        "select count(*) from pending_replay
          where at <= holdfast_now() - make_interval(secs => $1)",
    )
    .bind(within)
    .fetch_one(&mut *conn)
    .await
    .map_err(database("counting replays that nobody heard of"))?;
    let late = sqlx::query_as(
        "select p.dead_letter_id, d.booking_id, p.consumer, p.attempt, p.at as since
           from pending_replay as p join dead_letter as d using (dead_letter_id)
          where p.at <= holdfast_now() - make_interval(secs => $1)
          order by p.at, p.dead_letter_id limit $2",
    )
    .bind(within)
    .bind(at_most)
    .fetch_all(conn)
    .await
    .map_err(database("reading replays that nobody heard of"))?;
    Ok((late, count.unsigned_abs()))
}

/// Notes replays that took effect.
pub(crate) async fn succeeded(
    conn: &mut PgConnection,
    replays: &[(Pending, String)],
) -> Result<(), StoreError> {
    sqlx::query(
        "insert into letter_event (dead_letter_id, version, at, event, detail)
         select n.dead_letter_id, n.version + 1, holdfast_now(), 'succeeded', n.detail
           from unnest($1::uuid[], $2::integer[], $3::text[]) as n (dead_letter_id, version, detail)
         on conflict do nothing",
    )
    .bind(replays.iter().map(|(replay, _)| replay.dead_letter_id).collect::<Vec<_>>())
    .bind(replays.iter().map(|(replay, _)| replay.version).collect::<Vec<_>>())
    .bind(replays.iter().map(|(_, detail)| detail.as_str()).collect::<Vec<_>>())
    .execute(conn)
    .await
    .map(drop)
    .map_err(database("noting replays that took effect"))
}
