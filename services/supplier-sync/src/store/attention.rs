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
    pub(crate) changed_at: DateTime<Utc>,
    /// When it is looked up next.
    pub(crate) wake_at: Option<DateTime<Utc>>,
}

/// Legs of which was told last that they are in doubt, the oldest first.
pub(crate) async fn in_doubt(
    conn: &mut PgConnection,
    at_most: i64,
) -> Result<Vec<Doubtful>, StoreError> {
    sqlx::query_as(
        "select booking_id, supplier, changed_at, wake_at from leg
          where doubt_since is not null order by doubt_since limit $1",
    )
    .bind(at_most)
    .fetch_all(conn)
    .await
    .map_err(database("reading legs in doubt"))
}
