//! Bookings that do not go on by themselves.

use booking_core::Booking;
use chrono::{DateTime, Utc};
use messaging::{StoreError, database};
use sqlx::PgConnection;
use uuid::Uuid;

use super::bookings::parse;

/// A deadline that passed and that nobody handled.
#[derive(sqlx::FromRow)]
pub(crate) struct Late {
    pub(crate) booking_id: Uuid,
    pub(crate) deadline: String,
    pub(crate) due_at: DateTime<Utc>,
}

/// Bookings that a person has to look at, the oldest change first.
pub(crate) async fn in_review(
    conn: &mut PgConnection,
    at_most: i64,
) -> Result<Vec<Booking>, StoreError> {
    let rows: Vec<(Uuid, String)> = sqlx::query_as(
        "select booking_id, state::text from booking where review_since is not null
          order by review_since limit $1",
    )
    .bind(at_most)
    .fetch_all(conn)
    .await
    .map_err(database("reading bookings in review"))?;
    rows.into_iter().map(|(id, state)| parse(id, &state)).collect()
}

/// Deadlines that passed a while ago: whoever handles them does not.
pub(crate) async fn late(conn: &mut PgConnection, at_most: i64) -> Result<Vec<Late>, StoreError> {
    sqlx::query_as(
        "select booking_id, deadline, due_at from timer
          where due_at < holdfast_now() - interval '1 minute' order by due_at limit $1",
    )
    .bind(at_most)
    .fetch_all(conn)
    .await
    .map_err(database("reading late timers"))
}

/// Counts the bookings that a person has to look at.
pub(crate) async fn count_in_review(conn: &mut PgConnection) -> Result<u64, StoreError> {
    let count: i64 =
        sqlx::query_scalar("select count(*) from booking where review_since is not null")
            .fetch_one(conn)
            .await
            .map_err(database("counting bookings in review"))?;
    Ok(u64::try_from(count).unwrap_or_default())
}

/// Counts the deadlines that passed a while ago.
pub(crate) async fn count_late(conn: &mut PgConnection) -> Result<u64, StoreError> {
    let count: i64 = sqlx::query_scalar(
        "select count(*) from timer where due_at < holdfast_now() - interval '1 minute'",
    )
    .fetch_one(conn)
    .await
    .map_err(database("counting late timers"))?;
    Ok(u64::try_from(count).unwrap_or_default())
}
