//! Timers, and the end of what is kept only for a while.

use chrono::{DateTime, Utc};
use messaging::{StoreError, database};
use sqlx::PgConnection;
use uuid::Uuid;

/// A timer to set.
pub(crate) struct Timer {
    pub(crate) booking_id: Uuid,
    pub(crate) deadline: &'static str,
    pub(crate) due_at: DateTime<Utc>,
    /// Where it was set.
    pub(crate) traceparent: Option<String>,
}

/// A timer that is due.
#[derive(sqlx::FromRow)]
pub(crate) struct Due {
    pub(crate) booking_id: Uuid,
    pub(crate) deadline: String,
    pub(crate) traceparent: Option<String>,
    pub(crate) now: DateTime<Utc>,
}

/// Sets timers; one that is set already keeps its time, unless the new one is later.
///
/// The time to be payable may end sooner than was thought, because something is held for less; each
/// step of an amendment has its own time, whatever an earlier one had. Of these what was said last
/// counts.
pub(crate) async fn set_timers(
    conn: &mut PgConnection,
    timers: &[Timer],
) -> Result<(), StoreError> {
    if timers.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "insert into timer (booking_id, deadline, due_at, traceparent)
         select t.booking_id, t.deadline,
                case when t.deadline in ('payable', 'amend')
                     then (array_agg(t.due_at order by t.nth desc))[1]
                     else max(t.due_at) end,
                max(t.traceparent)
           from unnest($1::uuid[], $2::text[], $3::timestamptz[], $4::text[])
                with ordinality as t (booking_id, deadline, due_at, traceparent, nth)
          group by t.booking_id, t.deadline
         on conflict (booking_id, deadline) do update
             set due_at = case when excluded.deadline in ('payable', 'amend') then excluded.due_at
                               else greatest(timer.due_at, excluded.due_at) end",
    )
    .bind(timers.iter().map(|t| t.booking_id).collect::<Vec<_>>())
    .bind(timers.iter().map(|t| t.deadline).collect::<Vec<_>>())
    .bind(timers.iter().map(|t| t.due_at).collect::<Vec<_>>())
    .bind(timers.iter().map(|t| t.traceparent.as_deref()).collect::<Vec<_>>())
    .execute(conn)
    .await
    .map_err(database("setting timers"))?;
    Ok(())
}

/// Takes timers that are due out of the table; the transaction that does so handles them.
pub(crate) async fn claim_due(conn: &mut PgConnection, most: i64) -> Result<Vec<Due>, StoreError> {
    sqlx::query_as(
        "with due as (
             select booking_id, deadline from timer where due_at <= holdfast_now()
              order by due_at limit $1 for update skip locked
         )
         delete from timer t using due
          where t.booking_id = due.booking_id and t.deadline = due.deadline
         returning t.booking_id, t.deadline, t.traceparent, holdfast_now() as now",
    )
    .bind(most)
    .fetch_all(conn)
    .await
    .map_err(database("claiming due timers"))
}

/// Puts off timers that could not be handled, so that they hold up no other.
pub(crate) async fn put_off(
    conn: &mut PgConnection,
    timers: &[&Due],
    for_s: f64,
) -> Result<(), StoreError> {
    sqlx::query(
        "insert into timer (booking_id, deadline, due_at, traceparent)
         select t.booking_id, t.deadline, holdfast_now() + make_interval(secs => $4), t.traceparent
           from unnest($1::uuid[], $2::text[], $3::text[]) as t (booking_id, deadline, traceparent)
         on conflict (booking_id, deadline) do nothing",
    )
    .bind(timers.iter().map(|t| t.booking_id).collect::<Vec<_>>())
    .bind(timers.iter().map(|t| t.deadline.as_str()).collect::<Vec<_>>())
    .bind(timers.iter().map(|t| t.traceparent.as_deref()).collect::<Vec<_>>())
    .bind(for_s)
    .execute(conn)
    .await
    .map_err(database("putting timers off"))?;
    Ok(())
}

/// Drops idempotency keys past their time and quotes that nobody took.
pub(crate) async fn forget_old(
    conn: &mut PgConnection,
    keys_for_s: f64,
    most: i64,
) -> Result<u64, StoreError> {
    let keys = sqlx::query(
        "delete from idempotency_key where (account_id, key) in (
             select account_id, key from idempotency_key
              where created_at < holdfast_now() - make_interval(secs => $1) limit $2)",
    )
    .bind(keys_for_s)
    .bind(most)
    .execute(&mut *conn)
    .await
    .map_err(database("forgetting idempotency keys"))?;
    let quotes = sqlx::query(
        "delete from quote where quote_id in (
             select quote_id from quote
              where claimed_by is null and expires_at < holdfast_now() - interval '1 day'
              limit $1)",
    )
    .bind(most)
    .execute(conn)
    .await
    .map_err(database("forgetting quotes"))?;
    Ok(keys.rows_affected().saturating_add(quotes.rows_affected()))
}
