//! What is only read: bookings that somebody watches, and journals that support asks for.

use booking_core::Booking;
use chrono::{DateTime, Utc};
use contracts::ids::BookingId;
use messaging::{StoreError, database};
use sqlx::PgConnection;
use uuid::Uuid;

use super::bookings::parse;

/// Reads those bookings that are past the version they are known at.
///
/// A row that cannot be read is told of and left out; it holds up no other.
pub(crate) async fn newer(
    conn: &mut PgConnection,
    known: impl Iterator<Item = (Uuid, u64)>,
) -> Result<Vec<Booking>, StoreError> {
    let (ids, versions): (Vec<Uuid>, Vec<i64>) =
        known.map(|(id, version)| (id, i64::try_from(version).unwrap_or(i64::MAX))).unzip();
    let rows: Vec<(Uuid, String)> = sqlx::query_as(
        "select b.booking_id, b.state::text
           from unnest($1::uuid[], $2::bigint[]) as known (booking_id, version)
           join booking b using (booking_id) where b.version > known.version",
    )
    .bind(&ids)
    .bind(&versions)
    .fetch_all(conn)
    .await
    .map_err(database("reading watched bookings"))?;
    let read = rows.into_iter().filter_map(|(id, state)| {
        let told = |error: &StoreError| tracing::error!(error = %chassis::chain(error), "a row");
        parse(id, &state).inspect_err(told).ok()
    });
    Ok(read.collect())
}

/// One entry of a booking's journal, with where it came from.
#[derive(sqlx::FromRow)]
pub(crate) struct JournalRow {
    pub(crate) version: i64,
    pub(crate) at: DateTime<Utc>,
    pub(crate) kind: String,
    pub(crate) body: String,
    pub(crate) source: String,
    pub(crate) actor: String,
    pub(crate) cause_id: Option<Uuid>,
    pub(crate) trace_id: Option<String>,
}

/// Reads the newest entries of a booking's journal, oldest first; none when there is no such
/// booking.
pub(crate) async fn journal(
    conn: &mut PgConnection,
    booking_id: BookingId,
    at_most: i64,
) -> Result<Vec<JournalRow>, StoreError> {
    let newest_first = sqlx::query_as(
        "select version, at, kind, body::text as body, source, actor, cause_id, trace_id
           from booking_event where booking_id = $1 order by version desc limit $2",
    );
    let mut rows: Vec<JournalRow> = newest_first
        .bind(booking_id.0)
        .bind(at_most)
        .fetch_all(conn)
        .await
        .map_err(database("reading a journal"))?;
    rows.reverse();
    Ok(rows)
}

/// Finds bookings by an id of booking's own: a booking's or a quote's.
pub(crate) async fn by_own_id(conn: &mut PgConnection, id: Uuid) -> Result<Vec<Uuid>, StoreError> {
    sqlx::query_scalar(
        "select booking_id from booking where booking_id = $1
         union select booking_id from booking where quote_id = $1",
    )
    .bind(id)
    .fetch_all(conn)
    .await
    .map_err(database("finding a booking"))
}

/// Bookings that are shown for one key at most, the newest of them.
const FOUND_MAX: i64 = 50;

/// Finds bookings of which something began in a trace (a request, a timer), the newest first.
pub(crate) async fn by_trace(
    conn: &mut PgConnection,
    trace_id: &str,
) -> Result<Vec<Uuid>, StoreError> {
    sqlx::query_scalar(
        "select distinct booking_id from booking_event where trace_id = $1 and cause_id is null
          order by booking_id desc limit $2",
    )
    .bind(trace_id)
    .bind(FOUND_MAX)
    .fetch_all(conn)
    .await
    .map_err(database("finding the bookings of a trace"))
}

/// Finds bookings of which a message brought something.
pub(crate) async fn by_message(
    conn: &mut PgConnection,
    message_id: Uuid,
) -> Result<Vec<Uuid>, StoreError> {
    sqlx::query_scalar("select distinct booking_id from booking_event where cause_id = $1 limit $2")
        .bind(message_id)
        .bind(FOUND_MAX)
        .fetch_all(conn)
        .await
        .map_err(database("finding the booking of a message"))
}

/// Finds bookings by the digest of an e-mail address, the newest first.
pub(crate) async fn by_email(
    conn: &mut PgConnection,
    email_index: &[u8],
) -> Result<Vec<Uuid>, StoreError> {
    sqlx::query_scalar(
        "select booking_id from traveller where email_index = $1 order by booking_id desc limit $2",
    )
    .bind(email_index)
    .bind(FOUND_MAX)
    .fetch_all(conn)
    .await
    .map_err(database("finding the bookings of an e-mail address"))
}
