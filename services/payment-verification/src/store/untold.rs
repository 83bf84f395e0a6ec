//! What chains tell of payments whose rows cannot be read: kept in order, and told to each once its
//! row is mended.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use contracts::{asset::Units, ids::PaymentId};
use messaging::{StoreError, database};
use payment_verification_core::{
    chain::{BlockRef, Hash32},
    fact::Sighted,
};
use serde::{Deserialize, Serialize};
use sqlx::{FromRow, PgConnection};
use uuid::Uuid;

use super::corrupt;

/// Something that a payment is still to be told.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Untold {
    /// That it was put aside; nothing happened to it by that.
    Aside {},
    /// A transfer to its address; whether it pays is not known without the request.
    Came { contract: Option<String>, sighted: Sighted },
    /// What its address held.
    Held { units: Units, sent: u64, block: BlockRef, look: u64, stamped_at: DateTime<Utc> },
    /// A block left.
    BlockLeft { block: Hash32, look: u64 },
    /// A payout of one of its refunds.
    Payout { refund_id: Uuid, sighted: Sighted },
}

/// One of these, as it is kept, or why it cannot be read.
pub(crate) struct Kept {
    pub(crate) untold_id: i64,
    pub(crate) payment_id: PaymentId,
    pub(crate) chain: String,
    pub(crate) kept_at: DateTime<Utc>,
    pub(crate) untold: Result<Untold, StoreError>,
}

/// Finds the payments that this chain has something to tell, or put aside.
pub(crate) async fn payments(
    conn: &mut PgConnection,
    chain: &str,
) -> Result<Vec<PaymentId>, StoreError> {
    let ids: Vec<Uuid> =
        sqlx::query_scalar("select distinct payment_id from untold where chain = $1")
            .bind(chain)
            .fetch_all(conn)
            .await
            .map_err(database("looking for payments that were put aside"))?;
    Ok(ids.into_iter().map(PaymentId).collect())
}

#[derive(FromRow)]
struct Row {
    untold_id: i64,
    payment_id: Uuid,
    chain: String,
    kept_at: DateTime<Utc>,
    fact: String,
}

/// Reads what these payments are to be told, in its order.
pub(crate) async fn of(
    conn: &mut PgConnection,
    payments: &[PaymentId],
) -> Result<Vec<Kept>, StoreError> {
    let rows: Vec<Row> = sqlx::query_as(
        "select untold_id, payment_id, chain, kept_at, fact::text as fact
         from untold where payment_id = any($1) order by untold_id",
    )
    .bind(payments.iter().map(|id| id.0).collect::<Vec<_>>())
    .fetch_all(conn)
    .await
    .map_err(database("reading what payments are still to be told"))?;
    let kept = |row: Row| {
        let untold = serde_json::from_str(&row.fact)
            .map_err(|source| corrupt("untold", row.untold_id, source));
        let Row { untold_id, payment_id, chain, kept_at, .. } = row;
        Kept { untold_id, payment_id: PaymentId(payment_id), chain, kept_at, untold }
    };
    Ok(rows.into_iter().map(kept).collect())
}

/// Keeps something for later. What an address holds is the same at each block, and kept once until
/// a block leaves.
pub(crate) async fn keep(
    conn: &mut PgConnection,
    chain: &str,
    untold: &[(PaymentId, Untold)],
) -> Result<(), StoreError> {
    let facts: Result<Vec<String>, StoreError> = untold
        .iter()
        .map(|(id, untold)| {
            serde_json::to_string(untold).map_err(|source| corrupt("untold", id, source))
        })
        .collect();
    sqlx::query(
        "insert into untold (chain, payment_id, fact, kept_at)
         select $1, n.payment_id, n.fact::json, holdfast_now()
         from unnest($2::uuid[], $3::text[]) with ordinality as n (payment_id, fact, place)
         where not exists (
             select from untold u
             where u.payment_id = n.payment_id and u.chain = $1 and u.fact ->> 'is' = 'held'
                 and n.fact::json ->> 'is' = 'held'
                 and u.fact ->> 'units' = n.fact::json ->> 'units'
                 and not exists (
                     select from untold l
                     where l.payment_id = u.payment_id and l.chain = u.chain
                         and l.untold_id > u.untold_id and l.fact ->> 'is' = 'block_left'))
         order by n.place",
    )
    .bind(chain)
    .bind(untold.iter().map(|(id, _)| id.0).collect::<Vec<_>>())
    .bind(facts?)
    .execute(conn)
    .await
    .map_err(database("keeping what payments are still to be told"))
    .map(drop)
}

/// Forgets what was told.
pub(crate) async fn forget(conn: &mut PgConnection, told: &[i64]) -> Result<(), StoreError> {
    sqlx::query("delete from untold where untold_id = any($1)")
        .bind(told)
        .execute(conn)
        .await
        .map_err(database("forgetting what payments were told"))
        .map(drop)
}

/// Why a case is open about a payment whose row cannot be read.
const UNREADABLE: &str = "payment_unreadable";

/// Opens a case for each of these payments, again if it was closed, and says for which there was
/// none open.
pub(crate) async fn put_aside(
    conn: &mut PgConnection,
    chain: &str,
    payments: &BTreeMap<PaymentId, String>,
) -> Result<Vec<PaymentId>, StoreError> {
    let ids: Vec<Uuid> = sqlx::query_scalar(
        "with opened as (
             insert into payment_case (case_id, reason, subject, payment_id, booking_id, chain,
                 opened_at)
             select gen_random_uuid(), $3, 'payment ' || p.payment_id, p.payment_id, p.booking_id,
                 $1, holdfast_now()
             from payment p where p.payment_id = any($2)
             on conflict (reason, subject) do update
                 set opened_at = excluded.opened_at, closed_at = null, closed_because = null
                 where payment_case.closed_at is not null
             returning payment_id
         ), kept as (
             insert into untold (chain, payment_id, fact, kept_at)
             select $1, payment_id, '{\"is\": \"aside\"}'::json, holdfast_now() from opened
         )
         select payment_id from opened",
    )
    .bind(chain)
    .bind(payments.keys().map(|id| id.0).collect::<Vec<_>>())
    .bind(UNREADABLE)
    .fetch_all(conn)
    .await
    .map_err(database("putting payments aside"))?;
    Ok(ids.into_iter().map(PaymentId).collect())
}

/// Closes the cases of payments that can be read again.
pub(crate) async fn take_up(
    conn: &mut PgConnection,
    payments: &[PaymentId],
) -> Result<(), StoreError> {
    sqlx::query(
        "update payment_case set closed_at = holdfast_now(),
             closed_because = 'it can be read again and was told what had happened'
         where reason = $2 and payment_id = any($1) and closed_at is null",
    )
    .bind(payments.iter().map(|id| id.0).collect::<Vec<_>>())
    .bind(UNREADABLE)
    .execute(conn)
    .await
    .map_err(database("closing cases of payments that can be read again"))
    .map(drop)
}
