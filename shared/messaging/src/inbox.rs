//! The SQL of the inbox: what a consumer remembers of the messages it heard.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use contracts::ids::MessageId;
use messaging_core::{Seen, State};
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use crate::failure::{StoreError, database};

/// How one attempt ended, as it is remembered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) id: MessageId,
    pub(crate) attempt: u32,
    pub(crate) state: State,
    pub(crate) marks: u32,
}

#[derive(sqlx::FromRow)]
struct Row {
    now: DateTime<Utc>,
    message_id: Option<Uuid>,
    attempt: Option<i32>,
    state: Option<String>,
    marks: Option<i32>,
}

/// Reads what is remembered of some messages, and the time, with one statement.
pub(crate) async fn read(
    connection: &mut PgConnection,
    consumer: &str,
    ids: &[Uuid],
) -> Result<(DateTime<Utc>, BTreeMap<MessageId, Seen>), StoreError> {
    let rows: Vec<Row> = sqlx::query_as(
        "select clock.now, i.message_id, i.attempt, i.state, i.marks
         from (select holdfast_now() as now) as clock
         left join inbox as i on i.consumer = $1 and i.message_id = any($2)",
    )
    .bind(consumer)
    .bind(ids)
    .fetch_all(connection)
    .await
    .map_err(database("reading the inbox"))?;
    let now = rows.first().map(|row| row.now);
    let now = now.ok_or_else(|| database("reading the clock")(sqlx::Error::RowNotFound))?;
    let mut seen = BTreeMap::new();
    for row in rows {
        let (Some(id), Some(attempt), Some(state), Some(marks)) =
            (row.message_id, row.attempt, row.state, row.marks)
        else {
            continue;
        };
        let state = State::parse(&state).ok_or_else(|| StoreError::Corrupt {
            table: "inbox",
            id: id.to_string(),
            source: format!("`{state}` is no state").into(),
        })?;
        let row = Seen {
            attempt: u32::try_from(attempt).ok(),
            state,
            marks: u32::try_from(marks).unwrap_or(0),
        };
        seen.insert(MessageId(id), row);
    }
    Ok((now, seen))
}

/// Remembers how attempts ended. A row that another instance wrote meanwhile is a conflict: this
/// transaction must not commit what that one has decided.
pub(crate) async fn write(
    connection: &mut PgConnection,
    consumer: &str,
    now: DateTime<Utc>,
    entries: &[Entry],
) -> Result<(), StoreError> {
    let number = |number: u32| i32::try_from(number).unwrap_or(i32::MAX);
    let ids: Vec<Uuid> = entries.iter().map(|entry| entry.id.0).collect();
    let attempts: Vec<i32> = entries.iter().map(|entry| number(entry.attempt)).collect();
    let states: Vec<&str> = entries.iter().map(|entry| entry.state.as_str()).collect();
    let marks: Vec<i32> = entries.iter().map(|entry| number(entry.marks)).collect();
    // In the order of ids, so that two instances with the same messages wait for each other and do
    // not lock up.
    let written = sqlx::query(
        "insert into inbox as i (consumer, message_id, attempt, state, marks, handled_at)
         select $1, e.message_id, e.attempt, e.state, e.marks, $6
         from unnest($2::uuid[], $3::int4[], $4::text[], $5::int4[])
           as e (message_id, attempt, state, marks)
         order by e.message_id
         on conflict on constraint inbox_pk do update
         set attempt = excluded.attempt, state = excluded.state, marks = excluded.marks,
             handled_at = excluded.handled_at
         where i.state <> 'done' and i.attempt < excluded.attempt",
    )
    .bind(consumer)
    .bind(ids)
    .bind(attempts)
    .bind(states)
    .bind(marks)
    .bind(now)
    .execute(connection)
    .await
    .map_err(database("writing the inbox"))?;
    if usize::try_from(written.rows_affected()).ok() == Some(entries.len()) {
        Ok(())
    } else {
        Err(StoreError::Conflict)
    }
}

/// Adds a mark before a redelivered message is handled, committed on its own, so that it outlives
/// what the message may do to this process.
pub(crate) async fn mark(pool: &PgPool, consumer: &str, id: MessageId) -> Result<(), StoreError> {
    sqlx::query(
        "insert into inbox as i (consumer, message_id, attempt, state, marks, handled_at)
         values ($1, $2, -1, 'waiting', 1, holdfast_now())
         on conflict on constraint inbox_pk do update set marks = i.marks + 1
         where i.state <> 'done'",
    )
    .bind(consumer)
    .bind(id.0)
    .execute(pool)
    .await
    .map(drop)
    .map_err(database("marking a redelivered message"))
}

/// Forgets messages that took effect so long ago that no redelivery comes any more. What is not
/// done is kept.
///
/// An id begins with the millisecond that it was made in, and nothing is handled before that: so
/// what is old stands at the beginning of the primary key. One whose id says nothing of its time is
/// none of ours.
pub(crate) async fn forget(pool: &PgPool, older_than_days: i32) -> Result<usize, StoreError> {
    let gone = sqlx::query(
        "delete from inbox where (message_id, consumer) in (
           select i.message_id, i.consumer
           from (select holdfast_now() - $1 * interval '1 day' as at) as cutoff,
             lateral (
               select message_id, consumer from inbox
               where message_id < (lpad(to_hex((extract(epoch from cutoff.at) * 1000)::bigint),
                                        12, '0') || repeat('0', 20))::uuid
                 and handled_at < cutoff.at and state = 'done'
               order by message_id, consumer limit 5000) as i)",
    )
    .bind(older_than_days)
    .execute(pool)
    .await
    .map_err(database("forgetting old messages"))?;
    Ok(usize::try_from(gone.rows_affected()).unwrap_or(usize::MAX))
}
