//! Bookings: the row that is the fold, and the journal that is the record.

use booking_core::{Booking, Recorded};
use chrono::{DateTime, Utc};
use contracts::ids::{AccountId, BookingId};
use messaging::{StoreError, database};
use sqlx::PgConnection;
use uuid::Uuid;

/// The events that one input brought to a booking.
pub(crate) struct Saved<'a> {
    pub(crate) booking: &'a Booking,
    pub(crate) events: &'a [Recorded],
    /// What brought them: `message`, `request` or `timer`.
    pub(crate) source: &'static str,
    pub(crate) actor: String,
    pub(crate) cause_id: Option<Uuid>,
    pub(crate) trace_id: Option<String>,
}

/// One line of a booking's history.
#[derive(sqlx::FromRow)]
pub(crate) struct HistoryRow {
    pub(crate) version: i64,
    pub(crate) at: DateTime<Utc>,
    pub(crate) kind: String,
    pub(crate) body: String,
    pub(crate) source: String,
    pub(crate) actor: String,
    pub(crate) cause_id: Option<Uuid>,
}

/// Loads and locks bookings in the order of their ids, so that two batches never wait for each
/// other. One that cannot be read holds up no other.
pub(crate) async fn load_for_update(
    conn: &mut PgConnection,
    ids: &[Uuid],
) -> Result<Vec<(Uuid, Result<Booking, StoreError>)>, StoreError> {
    let rows: Vec<(Uuid, String)> = sqlx::query_as(
        "select booking_id, state::text from booking where booking_id = any($1)
          order by booking_id for update",
    )
    .bind(ids)
    .fetch_all(conn)
    .await
    .map_err(database("loading bookings"))?;
    Ok(rows.into_iter().map(|(id, state)| (id, parse(id, &state))).collect())
}

/// Reads a booking, whoever's it is.
pub(crate) async fn load(
    conn: &mut PgConnection,
    booking_id: BookingId,
) -> Result<Option<Booking>, StoreError> {
    let state: Option<String> =
        sqlx::query_scalar("select state::text from booking where booking_id = $1")
            .bind(booking_id.0)
            .fetch_optional(conn)
            .await
            .map_err(database("loading a booking"))?;
    state.map(|state| parse(booking_id.0, &state)).transpose()
}

/// Loads an account's booking; another account's is as if it did not exist.
pub(crate) async fn load_for_account(
    conn: &mut PgConnection,
    account: &AccountId,
    booking_id: BookingId,
) -> Result<Option<Booking>, StoreError> {
    let state: Option<String> = sqlx::query_scalar(
        "select state::text from booking where booking_id = $1 and account_id = $2",
    )
    .bind(booking_id.0)
    .bind(account.as_str())
    .fetch_optional(conn)
    .await
    .map_err(database("loading a booking"))?;
    state.map(|state| parse(booking_id.0, &state)).transpose()
}

pub(super) fn parse(id: Uuid, state: &str) -> Result<Booking, StoreError> {
    serde_json::from_str(state).map_err(|source| StoreError::Corrupt {
        table: "booking",
        id: id.to_string(),
        source: Box::new(source),
    })
}

/// Writes the changes of a batch: one statement for the rows, one for the journal.
///
/// `rows` are the bookings after their last event, with how many events they gained.
///
/// # Errors
/// `Conflict` when a row is not at the version that the changes start from.
pub(crate) async fn save(
    conn: &mut PgConnection,
    rows: &[(&Booking, usize)],
    journal: &[Saved<'_>],
) -> Result<(), StoreError> {
    if rows.is_empty() {
        return Ok(());
    }
    write_rows(conn, rows).await?;
    write_journal(conn, journal).await
}

async fn write_rows(
    conn: &mut PgConnection,
    batch: &[(&Booking, usize)],
) -> Result<(), StoreError> {
    let mut ids = Vec::with_capacity(batch.len());
    let mut from = Vec::with_capacity(batch.len());
    let mut to = Vec::with_capacity(batch.len());
    let mut phases = Vec::with_capacity(batch.len());
    let mut states = Vec::with_capacity(batch.len());
    let mut changed = Vec::with_capacity(batch.len());
    let mut reviews = Vec::with_capacity(batch.len());
    for (booking, events) in batch {
        let version = i64::try_from(booking.version).unwrap_or(i64::MAX);
        let events = i64::try_from(*events).unwrap_or(i64::MAX);
        ids.push(booking.booking_id.0);
        from.push(version.saturating_sub(events));
        to.push(version);
        phases.push(word(&booking.phase)?);
        states.push(json(*booking)?);
        changed.push(booking.changed_at);
        reviews.push(booking.review.as_ref().map(|review| review.since));
    }
    let written = sqlx::query(
        "update booking as b
            set version = n.version, phase = n.phase, state = n.state::json,
                changed_at = n.changed_at, review_since = n.review_since
           from unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::text[], $5::text[],
                       $6::timestamptz[], $7::timestamptz[])
                as n (booking_id, version_before, version, phase, state, changed_at, review_since)
          where b.booking_id = n.booking_id and b.version = n.version_before",
    )
    .bind(&ids)
    .bind(&from)
    .bind(&to)
    .bind(&phases)
    .bind(&states)
    .bind(&changed)
    .bind(&reviews)
    .execute(conn)
    .await
    .map_err(database("saving bookings"))?;
    let all = u64::try_from(batch.len()).unwrap_or(u64::MAX);
    if written.rows_affected() == all { Ok(()) } else { Err(StoreError::Conflict) }
}

async fn write_journal(conn: &mut PgConnection, batch: &[Saved<'_>]) -> Result<(), StoreError> {
    let mut ids = Vec::new();
    let mut versions = Vec::new();
    let mut times = Vec::new();
    let mut kinds = Vec::new();
    let mut bodies = Vec::new();
    let mut sources = Vec::new();
    let mut actors = Vec::new();
    let mut causes = Vec::new();
    let mut traces = Vec::new();
    for saved in batch {
        for entry in saved.events {
            ids.push(saved.booking.booking_id.0);
            versions.push(i64::try_from(entry.version).unwrap_or(i64::MAX));
            times.push(entry.at);
            kinds.push(word(&entry.event)?);
            bodies.push(json(entry)?);
            sources.push(saved.source);
            actors.push(saved.actor.as_str());
            causes.push(saved.cause_id);
            traces.push(saved.trace_id.as_deref());
        }
    }
    sqlx::query(
        "insert into booking_event
                (booking_id, version, at, kind, body, source, actor, cause_id, trace_id)
         select e.booking_id, e.version, e.at, e.kind, e.body::json, e.source, e.actor, e.cause_id,
                e.trace_id
           from unnest($1::uuid[], $2::bigint[], $3::timestamptz[], $4::text[], $5::text[],
                       $6::text[], $7::text[], $8::uuid[], $9::text[])
                as e (booking_id, version, at, kind, body, source, actor, cause_id, trace_id)",
    )
    .bind(&ids)
    .bind(&versions)
    .bind(&times)
    .bind(&kinds)
    .bind(&bodies)
    .bind(&sources)
    .bind(&actors)
    .bind(&causes)
    .bind(&traces)
    .execute(conn)
    .await
    .map_err(database("writing the journal"))?;
    Ok(())
}

/// Reads the journal of an account's booking.
pub(crate) async fn history(
    conn: &mut PgConnection,
    account: &AccountId,
    booking_id: BookingId,
) -> Result<Vec<HistoryRow>, StoreError> {
    sqlx::query_as(
        "select e.version, e.at, e.kind, e.body::text as body, e.source, e.actor, e.cause_id
           from booking_event e join booking b using (booking_id)
          where b.booking_id = $1 and b.account_id = $2 order by e.version",
    )
    .bind(booking_id.0)
    .bind(account.as_str())
    .fetch_all(conn)
    .await
    .map_err(database("reading the history"))
}

/// Reads the sealed travellers of a booking.
pub(crate) async fn travellers(
    conn: &mut PgConnection,
    booking_id: BookingId,
) -> Result<Option<Vec<u8>>, StoreError> {
    sqlx::query_scalar("select sealed from traveller where booking_id = $1")
        .bind(booking_id.0)
        .fetch_optional(conn)
        .await
        .map_err(database("reading travellers"))
}

/// Writes the sealed travellers of a booking anew.
pub(crate) async fn reseal_travellers(
    conn: &mut PgConnection,
    booking_id: BookingId,
    sealed: &[u8],
) -> Result<(), StoreError> {
    sqlx::query("update traveller set sealed = $2 where booking_id = $1")
        .bind(booking_id.0)
        .bind(sealed)
        .execute(conn)
        .await
        .map_err(database("writing travellers"))
        .map(drop)
}

/// Sealed travellers that have no digest of their e-mail address, after this booking's.
pub(crate) async fn travellers_unindexed(
    conn: &mut PgConnection,
    after: Uuid,
    at_most: i64,
) -> Result<Vec<(Uuid, Vec<u8>)>, StoreError> {
    sqlx::query_as(
        "select booking_id, sealed from traveller
          where email_index is null and booking_id > $1 order by booking_id limit $2",
    )
    .bind(after)
    .bind(at_most)
    .fetch_all(conn)
    .await
    .map_err(database("reading travellers without an index"))
}

/// Keeps digests of e-mail addresses.
pub(crate) async fn index_travellers(
    conn: &mut PgConnection,
    digests: &[(Uuid, Vec<u8>)],
) -> Result<(), StoreError> {
    sqlx::query(
        "update traveller as t set email_index = n.email_index
           from unnest($1::uuid[], $2::bytea[]) as n (booking_id, email_index)
          where t.booking_id = n.booking_id",
    )
    .bind(digests.iter().map(|(id, _)| *id).collect::<Vec<_>>())
    .bind(digests.iter().map(|(_, digest)| digest.as_slice()).collect::<Vec<_>>())
    .execute(conn)
    .await
    .map_err(database("indexing travellers"))
    .map(drop)
}

/// The text of a value.
pub(crate) fn json<T: serde::Serialize>(value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(unwritable)
}

/// The `is` of an event or the word of a phase.
pub(crate) fn word<T: serde::Serialize>(value: &T) -> Result<String, StoreError> {
    let value = serde_json::to_value(value).map_err(unwritable)?;
    let word = value.as_str().or_else(|| value.get("is").and_then(serde_json::Value::as_str));
    Ok(word.unwrap_or_default().to_owned())
}

fn unwritable(source: serde_json::Error) -> StoreError {
    StoreError::Corrupt { table: "booking", id: String::new(), source: Box::new(source) }
}
