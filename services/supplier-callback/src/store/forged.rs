//! Callbacks that were not believed: of each which supplier's it was to be, why not, when, and a
//! digest; nothing of what it said.

use chrono::{DateTime, Utc};
use contracts::supplier::Supplier;
use messaging::{StoreError, database};
use sqlx::PgConnection;
use suppliers::Forged;

/// Notes one that was not believed, unless so many of its supplier are noted within an hour.
pub(crate) async fn note(
    conn: &mut PgConnection,
    supplier: Supplier,
    why: Forged,
    body_digest: &[u8],
    at_most: u32,
) -> Result<(), StoreError> {
    sqlx::query(
        "insert into forged_callback (forged_id, supplier, why, body_digest, at)
         select $1, $2, $3, $4, holdfast_now()
          where (select count(*) from forged_callback
                  where supplier = $2 and at > holdfast_now() - interval '1 hour') < $5",
    )
    .bind(chassis::mint::uuid7())
    .bind(supplier.word())
    .bind(why.word())
    .bind(body_digest)
    .bind(i64::from(at_most))
    .execute(conn)
    .await
    .map_err(database("noting a callback that was not believed"))
    .map(drop)
}

/// What was not believed of one supplier.
#[derive(sqlx::FromRow)]
pub(crate) struct NotBelieved {
    pub(crate) supplier: String,
    pub(crate) times: i64,
    pub(crate) first_at: DateTime<Utc>,
}

/// What was noted within a day, by supplier.
pub(crate) async fn within_a_day(conn: &mut PgConnection) -> Result<Vec<NotBelieved>, StoreError> {
    sqlx::query_as(
        "select supplier, count(*) as times, min(at) as first_at from forged_callback
          where at > holdfast_now() - interval '1 day' group by supplier order by supplier",
    )
    .fetch_all(conn)
    .await
    .map_err(database("reading what was not believed"))
}
