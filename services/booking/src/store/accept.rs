//! Accepting: claim, booking, journal, travellers, timers, outbox and key. For one request in one
//! statement; for requests that come together with as few as for one.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use contracts::ids::AccountId;
use messaging::{OutboxRow, StoreError, database};
use sqlx::{PgConnection, Row as _};
use uuid::Uuid;

/// Everything that an accepted booking writes.
pub(crate) struct NewBooking {
    pub(crate) booking_id: Uuid,
    pub(crate) account: AccountId,
    pub(crate) quote_id: Uuid,
    pub(crate) terms: String,
    pub(crate) version: i64,
    pub(crate) phase: String,
    pub(crate) state: String,
    pub(crate) at: DateTime<Utc>,
    pub(crate) event_versions: Vec<i64>,
    pub(crate) event_kinds: Vec<String>,
    pub(crate) event_bodies: Vec<String>,
    pub(crate) trace_id: Option<String>,
    pub(crate) sealed: Vec<u8>,
    pub(crate) email_index: Vec<u8>,
    pub(crate) timer_deadlines: Vec<String>,
    pub(crate) timer_dues: Vec<DateTime<Utc>>,
    pub(crate) traceparent: Option<String>,
    pub(crate) key: String,
    pub(crate) fingerprint: Vec<u8>,
    pub(crate) body: String,
    pub(crate) outbox: Vec<OutboxRow>,
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
    insert into traveller (booking_id, sealed, email_index) select $1, $13, $27 from claim
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
    new: &NewBooking,
) -> Result<Accepted, StoreError> {
    let rows = &new.outbox;
    let result = sqlx::query(STATEMENT)
        .bind(new.booking_id)
        .bind(new.account.as_str())
        .bind(new.quote_id)
        .bind(&new.terms)
        .bind(new.version)
        .bind(&new.phase)
        .bind(&new.state)
        .bind(new.at)
        .bind(&new.event_versions)
        .bind(&new.event_kinds)
        .bind(&new.event_bodies)
        .bind(&new.trace_id)
        .bind(&new.sealed)
        .bind(&new.timer_deadlines)
        .bind(&new.timer_dues)
        .bind(&new.key)
        .bind(&new.fingerprint)
        .bind(&new.body)
        .bind(rows.iter().map(|r| r.outbox_id).collect::<Vec<_>>())
        .bind(rows.iter().map(|r| r.message_id).collect::<Vec<_>>())
        .bind(rows.iter().map(|r| r.exchange.as_str()).collect::<Vec<_>>())
        .bind(rows.iter().map(|r| r.routing_key.as_str()).collect::<Vec<_>>())
        .bind(rows.iter().map(|r| r.headers.clone()).collect::<Vec<_>>())
        .bind(rows.iter().map(|r| r.body.as_slice()).collect::<Vec<_>>())
        .bind(new.outbox_owned_s)
        .bind(&new.traceparent)
        .bind(&new.email_index)
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

// Locked in one order, and what another request holds at this moment is passed over: it is asked
// for again alone, and waits there.
const CLAIM: &str = "
with free as (
    select q.quote_id, a.booking_id
      from unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[])
           as a (booking_id, quote_id, account_id, terms)
      join quote q on q.quote_id = a.quote_id and q.account_id = a.account_id
                  and q.terms = a.terms
     where q.claimed_by is null and q.expires_at > (select holdfast_now())
     order by q.quote_id for update of q skip locked
)
update quote q set claimed_by = f.booking_id from free f where q.quote_id = f.quote_id
returning f.booking_id";

const WRITE: &str = "
with key as (
    insert into idempotency_key (account_id, key, fingerprint, booking_id, body)
    select * from unnest($2::text[], $9::text[], $10::bytea[], $1::uuid[], $11::text[])
           as k (account_id, key, fingerprint, booking_id, body)
     order by account_id, key
), fold as (
    insert into booking
           (booking_id, account_id, quote_id, version, phase, state, created_at, changed_at)
    select b.booking_id, b.account_id, b.quote_id, b.version, b.phase, b.state::json, b.at, b.at
      from unnest($1::uuid[], $2::text[], $3::uuid[], $4::bigint[], $5::text[], $6::text[],
                  $7::timestamptz[])
           as b (booking_id, account_id, quote_id, version, phase, state, at)
), people as (
    insert into traveller (booking_id, sealed, email_index)
    select * from unnest($1::uuid[], $8::bytea[], $23::bytea[])
), clocks as (
    insert into timer (booking_id, deadline, due_at, traceparent)
    select * from unnest($12::uuid[], $13::text[], $14::timestamptz[], $22::text[])
)
insert into booking_event
       (booking_id, version, at, kind, body, source, actor, cause_id, trace_id)
select e.booking_id, e.version, e.at, e.kind, e.body::json, 'request', e.actor, null, e.trace_id
  from unnest($15::uuid[], $16::bigint[], $17::timestamptz[], $18::text[], $19::text[],
              $20::text[], $21::text[])
       as e (booking_id, version, at, kind, body, actor, trace_id)";

/// Accepts those of some bookings whose quotes are open and held by nobody; says which, by their
/// ids. No two may be of the same quote.
///
/// # Errors
/// When the database fails, or a key was used before; then nothing may be committed.
pub(crate) async fn accept_together(
    conn: &mut PgConnection,
    batch: &[&NewBooking],
) -> Result<BTreeSet<Uuid>, StoreError> {
    let claimed: Vec<Uuid> = sqlx::query_scalar(CLAIM)
        .bind(batch.iter().map(|b| b.booking_id).collect::<Vec<_>>())
        .bind(batch.iter().map(|b| b.quote_id).collect::<Vec<_>>())
        .bind(batch.iter().map(|b| b.account.as_str()).collect::<Vec<_>>())
        .bind(batch.iter().map(|b| b.terms.as_str()).collect::<Vec<_>>())
        .fetch_all(&mut *conn)
        .await
        .map_err(database("claiming quotes"))?;
    let claimed: BTreeSet<Uuid> = claimed.into_iter().collect();
    let mut columns = Columns::default();
    for booking in batch.iter().filter(|booking| claimed.contains(&booking.booking_id)) {
        columns.push(booking);
    }
    columns.write(conn).await?;
    Ok(claimed)
}

#[derive(Default)]
struct Columns<'a> {
    bookings: Vec<&'a NewBooking>,
    timer_of: Vec<Uuid>,
    timer_deadlines: Vec<&'a str>,
    timer_dues: Vec<DateTime<Utc>>,
    timer_traces: Vec<Option<&'a str>>,
    event_of: Vec<Uuid>,
    event_versions: Vec<i64>,
    event_times: Vec<DateTime<Utc>>,
    event_kinds: Vec<&'a str>,
    event_bodies: Vec<&'a str>,
    event_actors: Vec<&'a str>,
    event_traces: Vec<Option<&'a str>>,
}

impl<'a> Columns<'a> {
    fn push(&mut self, booking: &'a NewBooking) {
        self.bookings.push(booking);
        for (deadline, due) in booking.timer_deadlines.iter().zip(&booking.timer_dues) {
            self.timer_of.push(booking.booking_id);
            self.timer_deadlines.push(deadline);
            self.timer_dues.push(*due);
            self.timer_traces.push(booking.traceparent.as_deref());
        }
        let kinds_and_bodies = booking.event_kinds.iter().zip(&booking.event_bodies);
        for (version, (kind, body)) in booking.event_versions.iter().zip(kinds_and_bodies) {
            self.event_of.push(booking.booking_id);
            self.event_versions.push(*version);
            self.event_times.push(booking.at);
            self.event_kinds.push(kind);
            self.event_bodies.push(body);
            self.event_actors.push(booking.account.as_str());
            self.event_traces.push(booking.trace_id.as_deref());
        }
    }

    fn of<T>(&self, column: impl Fn(&'a NewBooking) -> T) -> Vec<T> {
        self.bookings.iter().map(|booking| column(booking)).collect()
    }

    async fn write(&self, conn: &mut PgConnection) -> Result<(), StoreError> {
        if self.bookings.is_empty() {
            return Ok(());
        }
        sqlx::query(WRITE)
            .bind(self.of(|b| b.booking_id))
            .bind(self.of(|b| b.account.as_str()))
            .bind(self.of(|b| b.quote_id))
            .bind(self.of(|b| b.version))
            .bind(self.of(|b| b.phase.as_str()))
            .bind(self.of(|b| b.state.as_str()))
            .bind(self.of(|b| b.at))
            .bind(self.of(|b| b.sealed.as_slice()))
            .bind(self.of(|b| b.key.as_str()))
            .bind(self.of(|b| b.fingerprint.as_slice()))
            .bind(self.of(|b| b.body.as_str()))
            .bind(&self.timer_of)
            .bind(&self.timer_deadlines)
            .bind(&self.timer_dues)
            .bind(&self.event_of)
            .bind(&self.event_versions)
            .bind(&self.event_times)
            .bind(&self.event_kinds)
            .bind(&self.event_bodies)
            .bind(&self.event_actors)
            .bind(&self.event_traces)
            .bind(&self.timer_traces)
            .bind(self.of(|b| b.email_index.as_slice()))
            .execute(conn)
            .await
            .map_err(database("accepting bookings"))
            .map(drop)
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
