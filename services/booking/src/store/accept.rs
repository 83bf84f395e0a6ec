//! The accept statement: claim, booking, journal, travellers, timers, outbox and key in one round
//! trip.

use chrono::{DateTime, Utc};
use contracts::ids::AccountId;
use messaging::{OutboxRow, StoreError, database};
use sqlx::{PgConnection, Row as _};
use uuid::Uuid;

/// Everything that an accepted booking writes.
pub(crate) struct NewBooking<'a> {
    pub(crate) booking_id: Uuid,
    pub(crate) account: &'a AccountId,
    pub(crate) quote_id: Uuid,
    pub(crate) terms: &'a str,
    pub(crate) version: i64,
    pub(crate) phase: &'a str,
    pub(crate) state: &'a str,
    pub(crate) at: DateTime<Utc>,
    pub(crate) event_versions: Vec<i64>,
    pub(crate) event_kinds: Vec<String>,
    pub(crate) event_bodies: Vec<String>,
    pub(crate) trace_id: Option<String>,
    pub(crate) sealed: &'a [u8],
    pub(crate) timer_deadlines: Vec<String>,
    pub(crate) timer_dues: Vec<DateTime<Utc>>,
    pub(crate) traceparent: Option<String>,
    pub(crate) key: &'a str,
    pub(crate) fingerprint: &'a [u8],
    pub(crate) body: &'a str,
    pub(crate) outbox: &'a [OutboxRow],
    pub(crate) outbox_owned_s: f64,
}

/// What came of the statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Accepted {
    /// The booking stands.
    Booked,
    /// The quote was not open any more; nothing was written.
    NotClaimed,
    /// The key was used before; nothing was written.
    KeyTaken,
    /// Another request holds the quote for longer than a loser waits; nothing was written.
    Busy,
}

/// The first answer to an idempotency key.
pub(crate) struct FirstAnswer {
    pub(crate) fingerprint: Vec<u8>,
    pub(crate) booking_id: Uuid,
    pub(crate) body: String,
}

// The claim comes first: all else hangs on its row. A key that was used before violates its
// constraint and undoes the whole statement, the claim included.
const STATEMENT: &str = "
with claim as (
    update quote set claimed_by = $1
     where quote_id = $3 and account_id = $2 and terms = $4
       and claimed_by is null and expires_at > holdfast_now()
    returning quote_id
), key as (
    insert into idempotency_key (account_id, key, fingerprint, booking_id, body)
    select $2, $16, $17, $1, $18 from claim
), fold as (
    insert into booking
           (booking_id, account_id, quote_id, version, phase, state, created_at, changed_at)
    select $1, $2, $3, $5, $6, $7::json, $8, $8 from claim
), journal as (
    insert into booking_event
           (booking_id, version, at, kind, body, source, actor, cause_id, trace_id)
    select $1, e.version, $8, e.kind, e.body::json, 'request', $2, null, $12
      from claim, unnest($9::bigint[], $10::text[], $11::text[]) as e (version, kind, body)
), people as (
    insert into traveller (booking_id, sealed) select $1, $13 from claim
), clocks as (
    insert into timer (booking_id, deadline, due_at, traceparent)
    select $1, t.deadline, t.due_at, $26
      from claim, unnest($14::text[], $15::timestamptz[]) as t (deadline, due_at)
), said as (
    insert into outbox (outbox_id, message_id, attempt, exchange, routing_key, headers, body,
                        available_at)
    select o.outbox_id, o.message_id, 0, o.exchange, o.routing_key, o.headers, o.body,
           holdfast_now() + make_interval(secs => $25)
      from claim, unnest($19::uuid[], $20::uuid[], $21::text[], $22::text[], $23::jsonb[],
                         $24::bytea[])
           as o (outbox_id, message_id, exchange, routing_key, headers, body)
)
select count(*) as claimed from claim";

/// Accepts a booking, or says why not; in either case one statement of its own.
pub(crate) async fn accept(
    conn: &mut PgConnection,
    new: &NewBooking<'_>,
) -> Result<Accepted, StoreError> {
    let rows = new.outbox;
    let result = sqlx::query(STATEMENT)
        .bind(new.booking_id)
        .bind(new.account.as_str())
        .bind(new.quote_id)
        .bind(new.terms)
        .bind(new.version)
        .bind(new.phase)
        .bind(new.state)
        .bind(new.at)
        .bind(&new.event_versions)
        .bind(&new.event_kinds)
        .bind(&new.event_bodies)
        .bind(&new.trace_id)
        .bind(new.sealed)
        .bind(&new.timer_deadlines)
        .bind(&new.timer_dues)
        .bind(new.key)
        .bind(new.fingerprint)
        .bind(new.body)
        .bind(rows.iter().map(|r| r.outbox_id).collect::<Vec<_>>())
        .bind(rows.iter().map(|r| r.message_id).collect::<Vec<_>>())
        .bind(rows.iter().map(|r| r.exchange.as_str()).collect::<Vec<_>>())
        .bind(rows.iter().map(|r| r.routing_key.as_str()).collect::<Vec<_>>())
        .bind(rows.iter().map(|r| r.headers.clone()).collect::<Vec<_>>())
        .bind(rows.iter().map(|r| r.body.as_slice()).collect::<Vec<_>>())
        .bind(new.outbox_owned_s)
        .bind(&new.traceparent)
        .fetch_one(conn)
        .await;
    match result {
        Ok(row) => {
            let claimed: i64 = row.try_get("claimed").map_err(database("accepting a booking"))?;
            Ok(if claimed == 1 { Accepted::Booked } else { Accepted::NotClaimed })
        }
        Err(error) => refused(error),
    }
}

fn refused(source: sqlx::Error) -> Result<Accepted, StoreError> {
    let constraint = source.as_database_error().and_then(|e| e.constraint());
    if constraint == Some("idempotency_key_once") {
        return Ok(Accepted::KeyTaken);
    }
    let error = StoreError::Database { doing: "accepting a booking", source };
    if is_lock_wait(&error) { Ok(Accepted::Busy) } else { Err(error) }
}

/// Whether a row lock was not had in time (55P03): somebody else is at it.
pub(crate) fn is_lock_wait(error: &StoreError) -> bool {
    let StoreError::Database { source, .. } = error else { return false };
    let code = source.as_database_error().and_then(sqlx::error::DatabaseError::code);
    code.as_deref() == Some("55P03")
}

/// Reads the first answer to an account's key.
pub(crate) async fn first_answer(
    conn: &mut PgConnection,
    account: &AccountId,
    key: &str,
) -> Result<Option<FirstAnswer>, StoreError> {
    let row: Option<(Vec<u8>, Uuid, String)> = sqlx::query_as(
        "select fingerprint, booking_id, body from idempotency_key
          where account_id = $1 and key = $2",
    )
    .bind(account.as_str())
    .bind(key)
    .fetch_optional(conn)
    .await
    .map_err(database("reading an idempotency key"))?;
    Ok(row.map(|(fingerprint, booking_id, body)| FirstAnswer { fingerprint, booking_id, body }))
}
