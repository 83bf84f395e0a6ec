//! When callbacks that could not be delivered are asked for.

use chrono::{DateTime, Utc};
use contracts::supplier::Supplier;
use messaging::{StoreError, database};
use sqlx::PgConnection;

/// Takes a supplier that is due, for so many seconds; whether it was.
pub(crate) async fn take_due(
    conn: &mut PgConnection,
    supplier: Supplier,
    lease_s: f64,
) -> Result<bool, StoreError> {
    let taken = sqlx::query(
        "insert into undelivered as u (supplier, due_at)
         values ($1, holdfast_now() + make_interval(secs => $2))
         on conflict (supplier) do update set due_at = excluded.due_at
            where u.due_at <= holdfast_now()",
    )
    .bind(supplier.word())
    .bind(lease_s)
    .execute(conn)
    .await
    .map_err(database("taking a supplier that is due"))?;
    Ok(taken.rows_affected() == 1)
}

/// Notes how asking went, and when it is asked again.
pub(crate) async fn asked(
    conn: &mut PgConnection,
    supplier: Supplier,
    is_well: bool,
    again_s: f64,
) -> Result<(), StoreError> {
    sqlx::query(
        "update undelivered
            set due_at = holdfast_now() + make_interval(secs => $3),
                failing_since = case when $2 then null
                                     else coalesce(failing_since, holdfast_now()) end
          where supplier = $1",
    )
    .bind(supplier.word())
    .bind(is_well)
    .bind(again_s)
    .execute(conn)
    .await
    .map_err(database("noting how asking went"))
    .map(drop)
}

/// Suppliers that could not be asked for so many seconds, and since when.
pub(crate) async fn failing(
    conn: &mut PgConnection,
    for_s: f64,
) -> Result<Vec<(String, DateTime<Utc>)>, StoreError> {
    sqlx::query_as(
        "select supplier, failing_since from undelivered
          where failing_since <= holdfast_now() - make_interval(secs => $1) order by supplier",
    )
    .bind(for_s)
    .fetch_all(conn)
    .await
    .map_err(database("reading which suppliers cannot be asked"))
}
