//! What support asks: what happened to a booking's payments, and whose a reference is.

use chrono::{DateTime, Utc};
use contracts::{ids::BookingId, internal::Found};
use messaging::{StoreError, database};
use sqlx::{FromRow, PgPool};
use uuid::Uuid;

/// Something that happened to a payment.
#[derive(Debug, FromRow)]
pub(crate) struct Happened {
    pub(crate) at: DateTime<Utc>,
    pub(crate) source: Source,
    pub(crate) payment_id: Uuid,
    /// The event, the reason of the transaction or of the case.
    pub(crate) kind: String,
    /// The event, the lines of the transaction, or what the case is about.
    pub(crate) body: String,
    pub(crate) chain: Option<String>,
    pub(crate) traceparent: Option<String>,
    /// The message that caused it.
    pub(crate) cause_id: Option<Uuid>,
}

/// Where something that happened is kept, in the order in which one thing makes all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub(crate) enum Source {
    /// In the payment's journal.
    Journal,
    /// In its ledger.
    Ledger,
    /// A case was opened.
    Opened,
    /// A case was closed.
    Closed,
}

/// Reads what happened to a booking's payments, the oldest first, at most the newest `limit`.
pub(crate) async fn timeline(
    pool: &PgPool,
    booking_id: BookingId,
    limit: i64,
) -> Result<Vec<Happened>, StoreError> {
    let mut rows: Vec<Happened> = sqlx::query_as(
        "with own as (
             select payment_id, state #>> '{request,chain}' as chain, traceparent
             from payment where booking_id = $1
         ), told as (
             select e.at, e.seq, 1 as place, 'journal' as source, own.payment_id, e.kind,
                 e.body::text as body, own.chain, own.traceparent, e.cause_id
             from own join payment_event e using (payment_id)
             union all
             select min(l.at), l.seq, 2, 'ledger', own.payment_id, min(l.reason),
                 json_agg(json_build_object('account', l.account, 'asset', l.asset,
                     'units', l.units::text) order by l.line)::text,
                 min(own.chain), min(own.traceparent), null
             from own join ledger_entry l using (payment_id) group by own.payment_id, l.seq
             union all
             select moment.at, null, moment.place, moment.source, own.payment_id, c.reason,
                 json_strip_nulls(json_build_object('case_id', c.case_id, 'about', c.subject,
                     'transaction', '0x' || encode(c.transaction_hash, 'hex'),
                     'contract', c.contract, 'units', c.units::text, 'chain', c.chain,
                     'staff', z.staff, 'why', c.closed_because))::text,
                 coalesce(c.chain, own.chain), own.traceparent, null
             from own join payment_case c using (payment_id)
                 left join payment_case_closing z on z.case_id = c.case_id and z.at = c.closed_at
                 cross join lateral (
                     values (c.opened_at, 3, 'opened'), (c.closed_at, 4, 'closed')
                 ) as moment (at, place, source)
             where moment.at is not null
         )
         select at, source, payment_id, kind, body, chain, traceparent, cause_id from told
         order by at desc, seq desc, place desc limit $2",
    )
    .bind(booking_id.0)
    .bind(limit)
    .fetch_all(pool)
    .await
    .map_err(database("reading what happened to a booking's payments"))?;
    rows.reverse();
    Ok(rows)
}

/// Finds the bookings of a booking's, payment's or refund's id, or of a message that was heard.
pub(crate) async fn find_id(pool: &PgPool, id: Uuid) -> Result<Vec<Found>, StoreError> {
    let rows: Vec<(Uuid, String)> = sqlx::query_as(
        "select booking_id, 'booking' from payment where booking_id = $1
         union select booking_id, 'payment' from payment where payment_id = $1
         union select booking_id, 'refund' from refund where refund_id = $1
         union select p.booking_id, 'message'
             from payment_event e join payment p using (payment_id) where e.cause_id = $1",
    )
    .bind(id)
    .fetch_all(pool)
    .await
    .map_err(database("looking for a booking by an id"))?;
    Ok(found(rows))
}

/// Finds the bookings that an address was given out for, or that a refund of went there.
pub(crate) async fn find_address(pool: &PgPool, key: &[u8]) -> Result<Vec<Found>, StoreError> {
    let rows: Vec<(Uuid, String)> = sqlx::query_as(
        "select p.booking_id, 'address' from address a join payment p using (payment_id)
         where a.address_key = $1
         union select booking_id, 'refund_address' from refund where address_key = $1 limit 50",
    )
    .bind(key)
    .fetch_all(pool)
    .await
    .map_err(database("looking for a booking by an address"))?;
    Ok(found(rows))
}

/// Finds the bookings that a transaction paid, or was to pay, or gave money back for.
pub(crate) async fn find_transaction(pool: &PgPool, hash: &[u8]) -> Result<Vec<Found>, StoreError> {
    let rows: Vec<(Uuid, String)> = sqlx::query_as(
        "select p.booking_id, 'transaction' from transfer t join payment p using (payment_id)
         where t.chain in (select chain from watch) and t.transaction_hash = $1
         union select booking_id, 'transaction' from payment_case where transaction_hash = $1
         union select r.booking_id, 'refund_transaction'
             from refund_transaction t join refund r using (refund_id)
             where t.transaction_hash = $1 limit 50",
    )
    .bind(hash)
    .fetch_all(pool)
    .await
    .map_err(database("looking for a booking by a transaction"))?;
    Ok(found(rows))
}

/// Finds the booking of a payment by what the card gateway calls it.
pub(crate) async fn find_card(pool: &PgPool, intent: &str) -> Result<Vec<Found>, StoreError> {
    let rows: Vec<(Uuid, String)> =
        sqlx::query_as("select booking_id, 'card' from card where intent = $1")
            .bind(intent)
            .fetch_all(pool)
            .await
            .map_err(database("looking for a booking by the card gateway's name"))?;
    Ok(found(rows))
}

fn found(rows: Vec<(Uuid, String)>) -> Vec<Found> {
    rows.into_iter().map(|(id, by)| Found { booking_id: BookingId(id), by }).collect()
}
