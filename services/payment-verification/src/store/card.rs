//! Payments by card: when the gateway is asked about which, and what it pushed.

use std::time::Duration;

use chassis::trace::TraceContext;
use chrono::{DateTime, Utc};
use contracts::ids::{BookingId, PaymentId};
use messaging::{StoreError, database};
use payment_verification_core::{Payment, card::is_card};
use sqlx::{FromRow, PgConnection, PgPool};
use uuid::Uuid;

/// Has the gateway asked about those of these payments that are paid by card, as soon as may be:
/// once more by whoever asks just now and knows nothing of the change.
pub(crate) async fn wake(
    conn: &mut PgConnection,
    payments: impl Iterator<Item = &Payment>,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let by_card = payments
        .filter(|payment| payment.request.as_ref().or(payment.asked.as_ref()).is_some_and(is_card));
    let (ids, bookings): (Vec<_>, Vec<_>) =
        by_card.map(|payment| (payment.payment_id.0, payment.booking_id.0)).unzip();
    if ids.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "insert into card (payment_id, booking_id, next_look_at, created_at)
         select p.payment_id, p.booking_id, $3, $3
         from unnest($1::uuid[], $2::uuid[]) as p (payment_id, booking_id)
         on conflict (payment_id) do update
             set next_look_at = least(card.next_look_at, excluded.next_look_at),
                 woken = card.woken + 1",
    )
    .bind(ids)
    .bind(bookings)
    .bind(now)
    .execute(conn)
    .await
    .map_err(database("having the card gateway asked"))
    .map(drop)
}

/// A payment that the gateway is to be asked about.
#[derive(Debug, Clone)]
pub(crate) struct Due {
    pub(crate) payment_id: PaymentId,
    pub(crate) booking_id: BookingId,
    pub(crate) intent: Option<String>,
    pub(crate) attempt: i32,
    /// How often it was asked in vain.
    pub(crate) asks: u32,
    /// How often it was woken, as far as whoever asks knows.
    pub(crate) woken: i64,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) trace: Option<TraceContext>,
}

#[derive(FromRow)]
struct DueRow {
    payment_id: Uuid,
    booking_id: Uuid,
    intent: Option<String>,
    attempt: i32,
    asks: i32,
    woken: i64,
    created_at: DateTime<Utc>,
    traceparent: Option<String>,
    tracestate: Option<String>,
}

/// Takes payments that are due, and keeps them from other instances for a while: whoever dies over
/// one leaves it to the next.
pub(crate) async fn take_due(
    pool: &PgPool,
    at_once: i64,
    lease: Duration,
) -> Result<Vec<Due>, StoreError> {
    let rows: Vec<DueRow> = sqlx::query_as(
        "with due as (
             select payment_id from card where next_look_at <= holdfast_now()
             order by next_look_at limit $1 for update skip locked
         )
         update card c set asks = c.asks + 1,
             next_look_at = holdfast_now() + make_interval(secs => $2)
         from due, payment p
         where c.payment_id = due.payment_id and p.payment_id = c.payment_id
         returning c.payment_id, c.booking_id, c.intent, c.attempt, c.asks - 1 as asks, c.woken,
             c.created_at, p.traceparent, p.tracestate",
    )
    .bind(at_once)
    .bind(lease.as_secs_f64())
    .fetch_all(pool)
    .await
    .map_err(database("taking card payments that are due"))?;
    Ok(rows.into_iter().map(DueRow::read).collect())
}

impl DueRow {
    fn read(self) -> Due {
        let tracestate = self.tracestate;
        Due {
            payment_id: PaymentId(self.payment_id),
            booking_id: BookingId(self.booking_id),
            intent: self.intent,
            attempt: self.attempt,
            asks: u32::try_from(self.asks).unwrap_or(0),
            woken: self.woken,
            created_at: self.created_at,
            trace: self.traceparent.map(|traceparent| TraceContext { traceparent, tracestate }),
        }
    }
}

/// Keeps what the gateway calls a payment; what it was called first stays.
pub(crate) async fn keep_intent(
    conn: &mut PgConnection,
    payment: PaymentId,
    intent: &str,
) -> Result<(), StoreError> {
    sqlx::query("update card set intent = $2 where payment_id = $1 and intent is null")
        .bind(payment.0)
        .bind(intent)
        .execute(conn)
        .await
        .map_err(database("keeping the gateway's name of a payment"))
        .map(drop)
}

/// Has the next request come under another key: the gateway failed for good under the last.
pub(crate) async fn next_attempt(pool: &PgPool, due: &Due) -> Result<(), StoreError> {
    sqlx::query("update card set attempt = $2 + 1 where payment_id = $1 and attempt = $2")
        .bind(due.payment_id.0)
        .bind(due.attempt)
        .execute(pool)
        .await
        .map_err(database("moving on to another key"))
        .map(drop)
}

/// Says when the gateway is asked next; at once where it pushed something meanwhile.
pub(crate) async fn look_again(
    conn: &mut PgConnection,
    due: &Due,
    at: Option<DateTime<Utc>>,
    answered: bool,
) -> Result<(), StoreError> {
    sqlx::query(
        "update card set next_look_at = case when woken > $2 then holdfast_now() else $3 end,
             asks = case when $4 then 0 else asks end
         where payment_id = $1",
    )
    .bind(due.payment_id.0)
    .bind(due.woken)
    .bind(at)
    .bind(answered)
    .execute(conn)
    .await
    .map_err(database("saying when the card gateway is asked again"))
    .map(drop)
}

/// What the gateway pushed.
#[derive(Debug)]
pub(crate) struct Pushed {
    pub(crate) event_id: String,
    pub(crate) kind: String,
    pub(crate) intent: Option<String>,
    pub(crate) body_digest: Vec<u8>,
}

/// Keeps a push and has the gateway asked about its payment; nothing for a repeat.
pub(crate) async fn keep_push(pool: &PgPool, pushed: &Pushed) -> Result<(), StoreError> {
    sqlx::query(
        "with kept as (
             insert into card_event (event_id, kind, intent, body_digest, received_at)
             values ($1, $2, $3, $4, holdfast_now())
             on conflict (event_id) do nothing returning intent
         )
         update card set woken = woken + 1, next_look_at = holdfast_now()
         from kept where card.intent = kept.intent",
    )
    .bind(&pushed.event_id)
    .bind(&pushed.kind)
    .bind(&pushed.intent)
    .bind(&pushed.body_digest)
    .execute(pool)
    .await
    .map_err(database("keeping what the card gateway pushed"))
    .map(drop)
}

/// The time by the database's clock.
pub(crate) async fn now(conn: &mut PgConnection) -> Result<DateTime<Utc>, StoreError> {
    sqlx::query_scalar("select holdfast_now()")
        .fetch_one(conn)
        .await
        .map_err(database("reading the time"))
}

/// The world's time by the database's clock, which signatures are made by.
pub(crate) async fn world_time(pool: &PgPool) -> Result<DateTime<Utc>, StoreError> {
    sqlx::query_scalar("select clock_timestamp()")
        .fetch_one(pool)
        .await
        .map_err(database("reading the time"))
}
