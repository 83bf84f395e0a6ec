//! What support asks: the entries of a booking, and which bookings a key means.

use chrono::{DateTime, Utc};
use contracts::ids::{AccountId, BookingId};
use messaging::{StoreError, database};
use sqlx::PgConnection;
use uuid::Uuid;

/// One entry of a booking's points, with what brought it.
#[derive(sqlx::FromRow)]
pub(crate) struct BookingEntry {
    pub(crate) version: i64,
    pub(crate) at: DateTime<Utc>,
    pub(crate) kind: String,
    pub(crate) points: i64,
    pub(crate) event: String,
    pub(crate) source: String,
    pub(crate) cause_id: Option<Uuid>,
    pub(crate) trace_id: Option<String>,
}

/// Reads the newest entries of a booking, oldest first.
pub(crate) async fn of_booking(
    conn: &mut PgConnection,
    booking_id: BookingId,
    at_most: i64,
) -> Result<Vec<BookingEntry>, StoreError> {
    let newest_first = sqlx::query_as(
        "select version, at, kind, points, event::text as event, source, cause_id, trace_id
           from account_event where booking_id = $1 order by at desc, version desc limit $2",
    );
    let mut entries: Vec<BookingEntry> = newest_first
        .bind(booking_id.0)
        .bind(at_most)
        .fetch_all(conn)
        .await
        .map_err(database("reading a booking's entries"))?;
    entries.reverse();
    Ok(entries)
}

/// Says whether a booking ever concerned any account.
pub(crate) async fn knows_booking(
    conn: &mut PgConnection,
    booking_id: Uuid,
) -> Result<bool, StoreError> {
    sqlx::query_scalar("select exists (select from account_event where booking_id = $1)")
        .bind(booking_id)
        .fetch_one(conn)
        .await
        .map_err(database("finding a booking"))
}

/// The bookings for which a message moved points.
pub(crate) async fn bookings_of_message(
    conn: &mut PgConnection,
    message_id: Uuid,
    at_most: i64,
) -> Result<Vec<Uuid>, StoreError> {
    sqlx::query_scalar(
        "select distinct booking_id from account_event
          where cause_id = $1 and booking_id is not null limit $2",
    )
    .bind(message_id)
    .bind(at_most)
    .fetch_all(conn)
    .await
    .map_err(database("finding the bookings of a message"))
}

/// The bookings among an account's newest entries, the newest first.
pub(crate) async fn bookings_of(
    conn: &mut PgConnection,
    id: &AccountId,
    at_most: i64,
) -> Result<Vec<Uuid>, StoreError> {
    sqlx::query_scalar(
        "select booking_id from (
            select booking_id, version from account_event
             where account_id = $1 and booking_id is not null order by version desc limit 1000
         ) as newest group by booking_id order by max(version) desc limit $2",
    )
    .bind(id.as_str())
    .bind(at_most)
    .fetch_all(conn)
    .await
    .map_err(database("finding an account's bookings"))
}
