//! Rows made again from their journals: for one booking, for an export, for the whole database.

use booking_core::{Booking, Recorded, replay};
use chrono::{DateTime, Utc};
use contracts::{
    ids::BookingId,
    internal::{ExportReply, ExportedEvent},
};
use messaging::{StoreError, database};
use sqlx::{PgConnection, Row as _, postgres::PgRow};
use uuid::Uuid;

use super::{bookings::parse, json, word};

/// Reads a booking with all of its journal, as texts, byte for byte.
pub(crate) async fn export(
    conn: &mut PgConnection,
    booking_id: BookingId,
) -> Result<Option<ExportReply>, StoreError> {
    // One statement, so that row and journal are of one instant; the row once, beside the first
    // entry, or alone where the journal is lost.
    let rows = sqlx::query(
        "select case when row_number() over (order by e.version) = 1 then b.state::text end as row,
                e.version, e.at, e.kind, e.body::text as body, e.source, e.actor, e.cause_id,
                e.trace_id
           from booking b left join booking_event e using (booking_id)
          where b.booking_id = $1 order by e.version",
    )
    .bind(booking_id.0)
    .fetch_all(conn)
    .await
    .map_err(database("exporting a booking"))?;
    let Some(first) = rows.first() else { return Ok(None) };
    let row: Option<String> = first.try_get("row").map_err(database("exporting a booking"))?;
    let journal = rows.iter().filter_map(|row| exported(row).transpose()).collect::<Result<_, _>>();
    let journal = journal.map_err(database("exporting a booking"))?;
    Ok(Some(ExportReply { booking_id, row: row.unwrap_or_default(), journal }))
}

fn exported(row: &PgRow) -> Result<Option<ExportedEvent>, sqlx::Error> {
    let Some(version) = row.try_get::<Option<i64>, _>("version")? else { return Ok(None) };
    Ok(Some(ExportedEvent {
        version: version.unsigned_abs(),
        at: row.try_get("at")?,
        change: row.try_get("kind")?,
        body: row.try_get("body")?,
        source: row.try_get("source")?,
        actor: row.try_get("actor")?,
        cause: row.try_get("cause_id")?,
        trace_id: row.try_get("trace_id")?,
    }))
}

/// Folds a journal of texts into the text of its row; into nothing where it does not begin with
/// the booking.
///
/// # Errors
/// When an entry cannot be read.
pub fn folded<'a>(
    booking_id: Uuid,
    journal: impl IntoIterator<Item = &'a str>,
) -> Result<String, StoreError> {
    let read = |body: &str| {
        serde_json::from_str::<Recorded>(body).map_err(|source| StoreError::Corrupt {
            table: "booking_event",
            id: booking_id.to_string(),
            source: Box::new(source),
        })
    };
    let entries: Vec<Recorded> = journal.into_iter().map(read).collect::<Result<_, _>>()?;
    Ok(replay(&entries).as_deref().map(json).transpose()?.unwrap_or_default())
}

/// Folds a booking's journal again and says whether that is its row, byte for byte.
///
/// # Errors
/// When the rows cannot be read.
pub async fn rebuild(conn: &mut PgConnection, booking_id: Uuid) -> Result<bool, StoreError> {
    let Some(export) = export(conn, BookingId(booking_id)).await? else { return Ok(false) };
    Ok(is_its_fold(&export))
}

/// Whether an export's row is what its journal folds into; one that cannot be read, or has no
/// beginning, folds into none.
#[must_use]
pub fn is_its_fold(export: &ExportReply) -> bool {
    let journal = export.journal.iter().map(|entry| entry.body.as_str());
    folded(export.booking_id.0, journal).is_ok_and(|text| !text.is_empty() && text == export.row)
}

/// Whether row and columns are what the journal folds into.
pub(crate) async fn is_whole(
    conn: &mut PgConnection,
    export: &ExportReply,
) -> Result<bool, StoreError> {
    if !is_its_fold(export) {
        return Ok(false);
    }
    let booking = parse(export.booking_id.0, &export.row)?;
    let Columns { account, version, phase, review } = Columns::of(&booking)?;
    // A row that waits for nobody has no instant since when.
    sqlx::query_scalar(
        "select account_id = $2 and version = $3 and phase = $4 and created_at = $5
                and changed_at = $6 and review_since is not distinct from $7
           from booking where booking_id = $1",
    )
    .bind(export.booking_id.0)
    .bind(account)
    .bind(version)
    .bind(phase)
    .bind(booking.created_at)
    .bind(booking.changed_at)
    .bind(review)
    .fetch_one(conn)
    .await
    .map_err(database("comparing a row"))
}

/// What stands beside the state in a booking's row.
struct Columns<'a> {
    account: &'a str,
    version: i64,
    phase: String,
    review: Option<DateTime<Utc>>,
}

impl<'a> Columns<'a> {
    fn of(booking: &'a Booking) -> Result<Self, StoreError> {
        Ok(Self {
            account: booking.account_id.as_str(),
            version: i64::try_from(booking.version).unwrap_or(i64::MAX),
            phase: word(&booking.phase)?,
            review: booking.review.as_ref().map(|review| review.since),
        })
    }
}

/// Locks a booking's row, however it reads.
pub(crate) async fn lock(conn: &mut PgConnection, booking_id: Uuid) -> Result<(), StoreError> {
    sqlx::query("select from booking where booking_id = $1 for update")
        .bind(booking_id)
        .execute(conn)
        .await
        .map(|_| ())
        .map_err(database("locking a booking"))
}

/// Lets all that is read from here on be of one instant, without a lock.
pub(crate) async fn at_one_instant(conn: &mut PgConnection) -> Result<(), StoreError> {
    sqlx::query("set transaction isolation level repeatable read, read only")
        .execute(conn)
        .await
        .map(|_| ())
        .map_err(database("beginning to read"))
}

/// Makes a row what its journal folds into.
pub(crate) async fn restore(
    conn: &mut PgConnection,
    booking_id: Uuid,
    state: &str,
) -> Result<(), StoreError> {
    let booking = parse(booking_id, state)?;
    let Columns { account, version, phase, review } = Columns::of(&booking)?;
    sqlx::query(
        "update booking
            set account_id = $2, version = $3, phase = $4, state = $5::json, created_at = $6,
                changed_at = $7, review_since = $8
          where booking_id = $1",
    )
    .bind(booking_id)
    .bind(account)
    .bind(version)
    .bind(phase)
    .bind(state)
    .bind(booking.created_at)
    .bind(booking.changed_at)
    .bind(review)
    .execute(conn)
    .await
    .map(|_| ())
    .map_err(database("restoring a row"))
}

/// Writes an export down; gives its account.
pub(crate) async fn import(
    conn: &mut PgConnection,
    export: &ExportReply,
    state: &str,
) -> Result<String, StoreError> {
    let booking = parse(export.booking_id.0, state)?;
    let Columns { account, version, phase, review } = Columns::of(&booking)?;
    sqlx::query(
        "insert into booking (booking_id, account_id, quote_id, version, phase, state, created_at,
                              changed_at, review_since)
         values ($1, $2, $3, $4, $5, $6::json, $7, $8, $9)",
    )
    .bind(export.booking_id.0)
    .bind(account)
    .bind(booking.quote_id.0)
    .bind(version)
    .bind(phase)
    .bind(state)
    .bind(booking.created_at)
    .bind(booking.changed_at)
    .bind(review)
    .execute(&mut *conn)
    .await
    .map_err(database("importing a booking"))?;
    for entry in &export.journal {
        sqlx::query(
            "insert into booking_event
                    (booking_id, version, at, kind, body, source, actor, cause_id, trace_id)
             values ($1, $2, $3, $4, $5::json, $6, $7, $8, $9)",
        )
        .bind(export.booking_id.0)
        .bind(i64::try_from(entry.version).unwrap_or(i64::MAX))
        .bind(entry.at)
        .bind(&entry.change)
        .bind(&entry.body)
        .bind(&entry.source)
        .bind(&entry.actor)
        .bind(entry.cause)
        .bind(&entry.trace_id)
        .execute(&mut *conn)
        .await
        .map_err(database("importing a journal"))?;
    }
    Ok(account.to_owned())
}

/// Reads the ids of bookings after `last`, in order.
pub(crate) async fn ids_after(
    conn: &mut PgConnection,
    last: Option<Uuid>,
    at_most: i64,
) -> Result<Vec<Uuid>, StoreError> {
    let rows = sqlx::query(
        "select booking_id from booking where booking_id > $1 order by booking_id limit $2",
    )
    .bind(last.unwrap_or_default())
    .bind(at_most)
    .fetch_all(conn)
    .await
    .map_err(database("reading ids"))?;
    let id = |row: PgRow| row.try_get(0).map_err(database("reading ids"));
    rows.into_iter().map(id).collect()
}
