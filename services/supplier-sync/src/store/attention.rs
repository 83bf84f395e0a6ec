//! Legs of which nobody knows how they stand.

use chrono::{DateTime, Utc};
use messaging::{StoreError, database};
use sqlx::PgConnection;
use uuid::Uuid;

/// A leg in doubt.
#[derive(sqlx::FromRow)]
pub(crate) struct Doubtful {
    pub(crate) booking_id: Uuid,
    pub(crate) supplier: String,
    pub(crate) doubt_since: DateTime<Utc>,
    /// When it is looked up next.
    pub(crate) wake_at: Option<DateTime<Utc>>,
}

/// Legs of which was told last that they are in doubt, the oldest first.
pub(crate) async fn in_doubt(
    conn: &mut PgConnection,
    at_most: i64,
) -> Result<Vec<Doubtful>, StoreError> {
    sqlx::query_as(
        "select booking_id, supplier, doubt_since, wake_at from leg
          where doubt_since is not null order by doubt_since limit $1",
    )
    .bind(at_most)
    .fetch_all(conn)
    .await
    .map_err(database("reading legs in doubt"))
}

/// Counts the legs of which was told last that they are in doubt.
pub(crate) async fn count_in_doubt(conn: &mut PgConnection) -> Result<u64, StoreError> {
    let count: i64 = sqlx::query_scalar("select count(*) from leg where doubt_since is not null")
        .fetch_one(conn)
        .await
        .map_err(database("counting legs in doubt"))?;
    Ok(u64::try_from(count).unwrap_or_default())
}
