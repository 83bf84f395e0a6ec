//! Which process asks suppliers about a search: one at a time, by a row.
//!
//! By the server's own clock: no test moves it, and no decision about a booking hangs on it.

use std::time::Duration;

use messaging::{StoreError, database};
use sqlx::PgConnection;
use uuid::Uuid;

/// Takes the lead of a search if nobody has it, or whoever had it is out of its time.
pub(crate) async fn take_lead(
    conn: &mut PgConnection,
    digest: &str,
    holder: Uuid,
    lasts_for: Duration,
) -> Result<bool, StoreError> {
    let taken = sqlx::query(
        "insert into search_lead (digest, holder, until)
         values ($1, $2, clock_timestamp() + make_interval(secs => $3))
         on conflict on constraint search_lead_pk
         do update set holder = excluded.holder, until = excluded.until
         where search_lead.until < clock_timestamp()",
    )
    .bind(digest)
    .bind(holder)
    .bind(lasts_for.as_secs_f64())
    .execute(conn)
    .await
    .map_err(database("taking the lead of a search"))?;
    Ok(taken.rows_affected() == 1)
}

/// Ends a lead; another's is left alone.
pub(crate) async fn yield_lead(
    conn: &mut PgConnection,
    digest: &str,
    holder: Uuid,
) -> Result<(), StoreError> {
    sqlx::query("delete from search_lead where digest = $1 and holder = $2")
        .bind(digest)
        .bind(holder)
        .execute(conn)
        .await
        .map_err(database("yielding the lead of a search"))?;
    Ok(())
}
