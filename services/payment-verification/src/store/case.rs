//! What a person may have to look into, each with its reason, once.

use chrono::{DateTime, Utc};
use contracts::{
    asset::Units,
    ids::{BookingId, PaymentId, derive},
    internal::PaymentCase,
};
use messaging::{StoreError, database};
use payment_verification_core::{
    cases::Over,
    chain::{Hash32, TransferKey},
};
use sqlx::{FromRow, PgConnection, PgPool};
use uuid::Uuid;

use super::{corrupt, unsigned};

/// How many cases one answer lists.
const LISTED_MAX: i64 = 1_000;

/// Something odd about a payment.
#[derive(Debug, Clone)]
pub(crate) struct NewCase {
    pub(crate) payment_id: PaymentId,
    /// Why, in a word.
    pub(crate) reason: &'static str,
    /// What it is about; with the reason it makes a case the same when it is found again.
    pub(crate) subject: String,
    /// The transfer that shows it, where one does.
    pub(crate) transfer: Option<Shown>,
}

/// A transfer that shows what is odd.
#[derive(Debug, Clone)]
pub(crate) struct Shown {
    pub(crate) chain: String,
    pub(crate) key: TransferKey,
    /// The token's contract; nothing for the chain's own coin.
    pub(crate) contract: Option<String>,
    pub(crate) units: Units,
    pub(crate) block: Hash32,
}

impl NewCase {
    /// A case about one transfer.
    pub(crate) fn of_transfer(payment_id: PaymentId, reason: &'static str, shown: Shown) -> Self {
        let subject = format!("{} {}", shown.chain, shown.key);
        Self { payment_id, reason, subject, transfer: Some(shown) }
    }
}

/// A case that begins, or cases that are over.
#[derive(Debug, Clone)]
pub(crate) enum Turn {
    Opens(NewCase),
    Over(PaymentId, Over),
}

/// Opens and closes cases in the order in which it came to that.
pub(crate) async fn turn(
    conn: &mut PgConnection,
    turns: Vec<Turn>,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let mut opening = vec![];
    for turn in turns {
        match turn {
            Turn::Opens(case) => opening.push(case),
            Turn::Over(payment, over) => {
                open(conn, &std::mem::take(&mut opening), now).await?;
                close_over(conn, payment, &over, now).await?;
            }
        }
    }
    open(conn, &opening, now).await
}

/// Opens cases; those that are known stay as they are. One that ended by itself opens again, and
/// one that a person closed does not.
pub(crate) async fn open(
    conn: &mut PgConnection,
    cases: &[NewCase],
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    if cases.is_empty() {
        return Ok(());
    }
    let shown = || cases.iter().map(|case| case.transfer.as_ref());
    sqlx::query(
        "insert into payment_case (case_id, reason, subject, payment_id, booking_id, chain,
             transaction_hash, position, contract, units, block_hash, opened_at)
         select distinct on (c.reason, c.subject)
             c.case_id, c.reason, c.subject, c.payment_id, p.booking_id, c.chain,
             c.transaction_hash, c.position, c.contract, c.units::numeric, c.block_hash, $11
         from unnest($1::uuid[], $2::text[], $3::text[], $4::uuid[], $5::text[], $6::bytea[],
                 $7::text[], $8::text[], $9::text[], $10::bytea[])
             as c (case_id, reason, subject, payment_id, chain, transaction_hash, position,
                 contract, units, block_hash)
             join payment p on p.payment_id = c.payment_id
         on conflict (reason, subject) do update
             set opened_at = excluded.opened_at, closed_at = null, closed_because = null
             where payment_case.closed_at is not null and not exists (
                 select from payment_case_closing z where z.case_id = payment_case.case_id)",
    )
    .bind(
        cases
            .iter()
            .map(|case| derive(now, &[case.reason.as_bytes(), case.subject.as_bytes()]))
            .collect::<Vec<_>>(),
    )
    .bind(cases.iter().map(|case| case.reason).collect::<Vec<_>>())
    .bind(cases.iter().map(|case| case.subject.as_str()).collect::<Vec<_>>())
    .bind(cases.iter().map(|case| case.payment_id.0).collect::<Vec<_>>())
    .bind(shown().map(|shown| shown.map(|s| s.chain.as_str())).collect::<Vec<_>>())
    .bind(shown().map(|shown| shown.map(|s| s.key.transaction.0.to_vec())).collect::<Vec<_>>())
    .bind(shown().map(|shown| shown.map(|s| s.key.position.as_str())).collect::<Vec<_>>())
    .bind(shown().map(|shown| shown.and_then(|s| s.contract.as_deref())).collect::<Vec<_>>())
    .bind(shown().map(|shown| shown.map(|s| s.units.to_string())).collect::<Vec<_>>())
    .bind(shown().map(|shown| shown.map(|s| s.block.0.to_vec())).collect::<Vec<_>>())
    .bind(now)
    .execute(conn)
    .await
    .map_err(database("opening cases"))
    .map(drop)
}

/// Why a case is open about money that was final, was claimed, and left its chain.
pub(crate) const REVERSED: &str = "payment_reversed";

/// A transfer that left its chain and is final again.
#[derive(Debug, Clone)]
pub(crate) struct Restored {
    pub(crate) chain: String,
    pub(crate) key: TransferKey,
    /// The block that it stands in now.
    pub(crate) block: Hash32,
}

/// Closes the cases of money that is back, each with the block it left and the one it stands in.
pub(crate) async fn close_reversed(
    conn: &mut PgConnection,
    restored: &[Restored],
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    if restored.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "update payment_case c set closed_at = $5,
             closed_because = 'final again in block ' || r.block || '; it had left block 0x'
                 || encode(c.block_hash, 'hex')
         from unnest($1::text[], $2::bytea[], $3::text[], $4::text[])
             as r (chain, transaction_hash, position, block)
         where c.reason = $6 and c.closed_at is null and c.chain = r.chain
             and c.transaction_hash = r.transaction_hash and c.position = r.position",
    )
    .bind(restored.iter().map(|back| back.chain.as_str()).collect::<Vec<_>>())
    .bind(restored.iter().map(|back| back.key.transaction.0.to_vec()).collect::<Vec<_>>())
    .bind(restored.iter().map(|back| back.key.position.as_str()).collect::<Vec<_>>())
    .bind(restored.iter().map(|back| back.block.to_string()).collect::<Vec<_>>())
    .bind(now)
    .bind(REVERSED)
    .execute(conn)
    .await
    .map_err(database("closing cases of money that is back"))
    .map(drop)
}

/// Closes the cases of a payment, or of one of its refunds, that are over.
pub(crate) async fn close_over(
    conn: &mut PgConnection,
    payment: PaymentId,
    over: &Over,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let refund = over.refund_id.map(|id| format!("refund {id}"));
    sqlx::query(
        "with closed as (
             update payment_case set closed_at = $5, closed_because = $4
             where payment_id = $1 and reason = any($2) and closed_at is null
                 and ($3::text is null or subject = $3 or starts_with(subject, $3 || ' '))
             returning case_id)
         insert into payment_case_closing (case_id, at, staff, why)
         select case_id, $5, $6, $4 from closed where $6 is not null",
    )
    .bind(payment.0)
    .bind(over.reasons)
    .bind(refund)
    .bind(&over.because)
    .bind(now)
    .bind(over.staff.as_deref())
    .execute(conn)
    .await
    .map_err(database("closing cases that are over"))
    .map(drop)
}

#[derive(FromRow)]
struct Row {
    case_id: Uuid,
    reason: String,
    subject: String,
    payment_id: Uuid,
    booking_id: Uuid,
    chain: Option<String>,
    transaction_hash: Option<Vec<u8>>,
    contract: Option<String>,
    units: Option<String>,
    opened_at: DateTime<Utc>,
    closed_at: Option<DateTime<Utc>>,
    closed_by: Option<String>,
    closed_because: Option<String>,
}

/// Cases, with who closed them.
macro_rules! cases_where {
    ($rest:literal) => {
        concat!(
            "select c.case_id, c.reason, c.subject, c.payment_id, c.booking_id, c.chain,
                 c.transaction_hash, c.contract, c.units::text as units, c.opened_at, c.closed_at,
                 z.staff as closed_by, c.closed_because
             from payment_case c
             left join payment_case_closing z on z.case_id = c.case_id and z.at = c.closed_at ",
            $rest
        )
    };
}

/// Lists cases, the newest first.
pub(crate) async fn list(pool: &PgPool) -> Result<Vec<PaymentCase>, StoreError> {
    let rows: Vec<Row> =
        sqlx::query_as(cases_where!("order by c.opened_at desc, c.case_id desc limit $1"))
            .bind(LISTED_MAX)
            .fetch_all(pool)
            .await
            .map_err(database("listing cases"))?;
    rows.into_iter().map(Row::read).collect()
}

/// Lists the cases that are open, the newest first: many old ones must not hide what happens now.
pub(crate) async fn open_ones(pool: &PgPool) -> Result<Vec<PaymentCase>, StoreError> {
    let rows: Vec<Row> = sqlx::query_as(cases_where!(
        "where c.closed_at is null order by c.opened_at desc, c.case_id desc limit $1"
    ))
    .bind(LISTED_MAX)
    .fetch_all(pool)
    .await
    .map_err(database("listing open cases"))?;
    rows.into_iter().map(Row::read).collect()
}

/// Counts the cases that are open.
pub(crate) async fn count_open(pool: &PgPool) -> Result<u64, StoreError> {
    let count: i64 =
        sqlx::query_scalar("select count(*) from payment_case where closed_at is null")
            .fetch_one(pool)
            .await
            .map_err(database("counting open cases"))?;
    Ok(unsigned(count))
}

/// One case, open or closed.
pub(crate) async fn one(pool: &PgPool, case_id: Uuid) -> Result<Option<PaymentCase>, StoreError> {
    let row: Option<Row> = sqlx::query_as(cases_where!("where c.case_id = $1"))
        .bind(case_id)
        .fetch_optional(pool)
        .await
        .map_err(database("reading a case"))?;
    row.map(Row::read).transpose()
}

/// Closes a case, unless it is closed, with who did and why.
pub(crate) async fn close(
    pool: &PgPool,
    case_id: Uuid,
    staff: &str,
    why: &str,
) -> Result<(), StoreError> {
    sqlx::query(
        "with closed as (update payment_case
                         set closed_at = holdfast_now(), closed_because = $3
                         where case_id = $1 and closed_at is null
                         returning case_id, closed_at)
         insert into payment_case_closing (case_id, at, staff, why)
         select case_id, closed_at, $2, $3 from closed",
    )
    .bind(case_id)
    .bind(staff)
    .bind(why)
    .execute(pool)
    .await
    .map_err(database("closing a case"))
    .map(drop)
}

/// Closes the open cases of a payment whose money is lost, with who says so and why.
pub(crate) async fn close_lost(
    conn: &mut PgConnection,
    payment: PaymentId,
    staff: &str,
    why: &str,
) -> Result<(), StoreError> {
    sqlx::query(
        "with closed as (update payment_case
                         set closed_at = holdfast_now(), closed_because = 'written off: ' || $4
                         where payment_id = $1 and reason = $2 and closed_at is null
                         returning case_id, closed_at, closed_because)
         insert into payment_case_closing (case_id, at, staff, why)
         select case_id, closed_at, $3, closed_because from closed",
    )
    .bind(payment.0)
    .bind(REVERSED)
    .bind(staff)
    .bind(why)
    .execute(conn)
    .await
    .map_err(database("closing cases of money that is lost"))
    .map(drop)
}

impl Row {
    fn read(self) -> Result<PaymentCase, StoreError> {
        let units = self.units.as_deref().map(Units::parse).transpose();
        Ok(PaymentCase {
            case_id: self.case_id,
            reason: self.reason,
            subject: self.subject,
            payment_id: PaymentId(self.payment_id),
            booking_id: BookingId(self.booking_id),
            chain: self.chain,
            transaction: self.transaction_hash.map(|hash| format!("0x{}", hex::encode(hash))),
            contract: self.contract,
            units: units.map_err(|source| corrupt("payment_case", self.case_id, source))?,
            asset: None,
            amount_decimal: None,
            opened_at: self.opened_at,
            closed_at: self.closed_at,
            closed_by: self.closed_by,
            closed_because: self.closed_because,
        })
    }
}
