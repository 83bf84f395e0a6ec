//! The SQL of the outbox: written with the state, leased by a sweep, deleted when confirmed.

use std::time::Duration;

use chrono::{DateTime, Utc};
use messaging_core::lease_for;
use serde_json::Value;
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use crate::outgoing::OutboxRow;

/// Writes rows with one statement. A row that is there already is the same message said twice.
///
/// What is due at once belongs to the memory path for `sweep_after`.
pub(crate) async fn insert(
    connection: &mut PgConnection,
    rows: &[OutboxRow],
    sweep_after: Duration,
) -> Result<(), sqlx::Error> {
    let ids: Vec<Uuid> = rows.iter().map(|row| row.outbox_id).collect();
    let messages: Vec<Uuid> = rows.iter().map(|row| row.message_id).collect();
    let attempts: Vec<i32> = rows.iter().map(|row| row.attempt).collect();
    let exchanges: Vec<&str> = rows.iter().map(|row| row.exchange.as_str()).collect();
    let keys: Vec<&str> = rows.iter().map(|row| row.routing_key.as_str()).collect();
    let headers: Vec<&Value> = rows.iter().map(|row| &row.headers).collect();
    let bodies: Vec<&[u8]> = rows.iter().map(|row| row.body.as_slice()).collect();
    let due: Vec<Option<DateTime<Utc>>> = rows.iter().map(|row| row.due_at).collect();
    sqlx::query(
        "insert into outbox
           (outbox_id, message_id, attempt, exchange, routing_key, headers, body, available_at)
         select o.outbox_id, o.message_id, o.attempt, o.exchange, o.routing_key, o.headers, o.body,
                coalesce(o.due_at, holdfast_now() + $9 * interval '1 millisecond')
         from unnest($1::uuid[], $2::uuid[], $3::int4[], $4::text[], $5::text[], $6::jsonb[],
                     $7::bytea[], $8::timestamptz[])
           as o (outbox_id, message_id, attempt, exchange, routing_key, headers, body, due_at)
         on conflict on constraint outbox_pk do nothing",
    )
    .bind(ids)
    .bind(messages)
    .bind(attempts)
    .bind(exchanges)
    .bind(keys)
    .bind(headers)
    .bind(bodies)
    .bind(due)
    .bind(i64::try_from(sweep_after.as_millis()).unwrap_or(i64::MAX))
    .execute(connection)
    .await
    .map(drop)
}

#[derive(sqlx::FromRow)]
struct Leased {
    outbox_id: Uuid,
    message_id: Uuid,
    attempt: i32,
    exchange: String,
    routing_key: String,
    headers: Value,
    body: Vec<u8>,
}

/// Takes rows that are due, oldest first, for [`lease_for`]. What another sweep is taking is passed
/// over.
pub(crate) async fn lease(pool: &PgPool, limit: i64) -> Result<Vec<OutboxRow>, sqlx::Error> {
    let rows: Vec<Leased> = sqlx::query_as(
        "update outbox set available_at = holdfast_now() + $2 * interval '1 millisecond'
         where outbox_id in (
           select outbox_id from outbox where available_at <= holdfast_now()
           order by available_at limit $1 for update skip locked)
         returning outbox_id, message_id, attempt, exchange, routing_key, headers, body",
    )
    .bind(limit)
    .bind(lease_for().num_milliseconds())
    .fetch_all(pool)
    .await?;
    Ok(rows.into_iter().map(OutboxRow::from).collect())
}

impl From<Leased> for OutboxRow {
    fn from(row: Leased) -> Self {
        let Leased { outbox_id, message_id, attempt, exchange, routing_key, headers, body } = row;
        Self { outbox_id, message_id, attempt, exchange, routing_key, headers, body, due_at: None }
    }
}

/// Deletes rows that the broker confirmed.
pub(crate) async fn delete(pool: &PgPool, ids: &[Uuid]) -> Result<u64, sqlx::Error> {
    let deleted =
        sqlx::query("delete from outbox where outbox_id = any($1)").bind(ids).execute(pool).await?;
    Ok(deleted.rows_affected())
}

/// How much waits in the outbox.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Lag {
    /// Rows that should have gone already.
    pub(crate) due: f64,
    /// How long the first of them waits.
    pub(crate) overdue: Duration,
    /// Rows that wait for their next attempt, by the queue they will go to.
    pub(crate) retries: Vec<(String, f64)>,
}

/// Measures how far behind the relay is. Rows that wait for a later attempt are not behind.
pub(crate) async fn lag(pool: &PgPool) -> Result<Lag, sqlx::Error> {
    let (due, overdue): (f64, f64) = sqlx::query_as(
        "select count(*)::float8,
                coalesce(extract(epoch from holdfast_now() - min(available_at)), 0)::float8
         from outbox where available_at <= holdfast_now()",
    )
    .fetch_one(pool)
    .await?;
    let retries = sqlx::query_as(
        "select routing_key, count(*)::float8 from outbox
         where available_at > holdfast_now() and attempt > 0 group by routing_key",
    )
    .fetch_all(pool)
    .await?;
    Ok(Lag { due, overdue: Duration::try_from_secs_f64(overdue).unwrap_or_default(), retries })
}
