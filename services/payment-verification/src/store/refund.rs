//! Refunds: their rows, which are a part of their payment's fold, and what the treasury is to be
//! asked about them.

use std::time::Duration;

use chassis::trace::TraceContext;
use chrono::{DateTime, TimeDelta, Utc};
use contracts::{
    ids::{BookingId, PaymentId},
    messages::{RefundBasis, RefundState},
    money::Money,
};
use messaging::{StoreError, database};
use payment_verification_core::{
    Payment,
    chain::Hash32,
    refund::{
        Refund as Granted,
        approval::{self, Approval},
    },
    state::{Posted, Request},
};
use sqlx::{FromRow, PgConnection, PgPool};
use uuid::Uuid;

use crate::address::address_key;

/// Writes refunds as their payments have them. One that gets its address is to be handed over at
/// once, and one whose proof left the chain is looked after again.
pub(crate) async fn save(
    conn: &mut PgConnection,
    touched: &[(&Payment, Uuid)],
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let rows: Vec<Row<'_>> = touched.iter().filter_map(Row::of).collect();
    if rows.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "insert into refund as old (refund_id, payment_id, booking_id, units, address, address_key,
             state, chain, contract, asset, confirmations, approval, approved_by, approved_at,
             handled_by, basis, decimals, worth_minor, worth_currency, sends, rate_wanted_at,
             granted_at, addressed_at, next_ask_at)
         select r.refund_id, r.payment_id, r.booking_id, r.units::numeric, r.address, r.address_key,
             r.state, r.chain, r.contract, r.asset, r.confirmations, r.approval, r.approved_by,
             case when r.approved_by is not null then $19 end,
             r.handled_by, r.basis, r.decimals, r.worth_minor, r.worth_currency,
             r.sends::numeric, case when r.wants_rate then $19 end, $19,
             case when r.address_key is not null then $19 end,
             case when r.address_key is not null and r.approval <> 'waits' then $19 end
         from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::bytea[],
                 $7::text[], $8::text[], $9::text[], $10::text[], $11::bigint[], $12::text[],
                 $13::text[], $14::text[], $15::text[], $16::integer[], $17::bigint[], $18::text[],
                 $20::text[], $21::boolean[])
             as r (refund_id, payment_id, booking_id, units, address, address_key, state, chain,
                 contract, asset, confirmations, approval, approved_by, handled_by, basis, decimals,
                 worth_minor, worth_currency, sends, wants_rate)
         on conflict (refund_id) do update set
             state = excluded.state, address = excluded.address,
             address_key = excluded.address_key,
             approval = excluded.approval, approved_by = excluded.approved_by,
             approved_at = coalesce(old.approved_at, excluded.approved_at),
             addressed_at = coalesce(old.addressed_at, excluded.addressed_at),
             sends = excluded.sends,
             rate_wanted_at = case when excluded.rate_wanted_at is not null
                 then coalesce(old.rate_wanted_at, excluded.rate_wanted_at) end,
             next_ask_at = case
                 when old.next_ask_at is null and excluded.state in ('granted', 'sent')
                     then excluded.next_ask_at
                 else old.next_ask_at
             end",
    )
    .bind(rows.iter().map(|row| row.refund_id).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| row.payment.payment_id.0).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| row.payment.booking_id.0).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| row.refund.units.to_string()).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| row.refund.to.as_deref()).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| row.address_key()).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| state_name(row.refund.state)).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| row.request.chain.as_str()).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| row.request.contract.as_deref()).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| row.request.terms.amount.asset.to_string()).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| i64::from(row.refund.confirmations)).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| approval_name(&row.refund.approval)).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| approved_by(&row.refund.approval)).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| row.refund.handled_by.as_deref()).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| basis_name(row.refund.basis)).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| i32::from(row.request.terms.amount.decimals)).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| row.worth().map(|worth| worth.minor)).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| row.worth().map(|w| w.currency.code())).collect::<Vec<_>>())
    .bind(now)
    .bind(rows.iter().map(|row| row.refund.sends().map(|u| u.to_string())).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| row.refund.wants_rate()).collect::<Vec<_>>())
    .execute(&mut *conn)
    .await
    .map_err(database("writing refunds"))?;
    save_payouts(conn, touched).await
}

/// Says of the payouts of these refunds whether they are final.
async fn save_payouts(
    conn: &mut PgConnection,
    touched: &[(&Payment, Uuid)],
) -> Result<(), StoreError> {
    let (mut chains, mut hashes, mut positions, mut finals) = (vec![], vec![], vec![], vec![]);
    for (payment, refund_id) in touched {
        let (Some(request), Some(refund)) = (&payment.request, payment.refunds.get(refund_id))
        else {
            continue;
        };
        for (key, payout) in &refund.payouts {
            chains.push(request.chain.as_str());
            hashes.push(key.transaction.0.to_vec());
            positions.push(key.position.as_str());
            finals.push(matches!(payout.posted, Posted::Final(_)));
        }
    }
    if chains.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "update payout set final = p.final
         from unnest($1::text[], $2::bytea[], $3::text[], $4::boolean[])
             as p (chain, transaction_hash, position, final)
         where payout.chain = p.chain and payout.transaction_hash = p.transaction_hash
             and payout.position = p.position and payout.final <> p.final",
    )
    .bind(chains)
    .bind(hashes)
    .bind(positions)
    .bind(finals)
    .execute(conn)
    .await
    .map_err(database("writing which payouts are final"))
    .map(drop)
}

struct Row<'a> {
    payment: &'a Payment,
    request: &'a Request,
    refund_id: Uuid,
    refund: &'a Granted,
}

impl<'a> Row<'a> {
    fn of((payment, refund_id): &(&'a Payment, Uuid)) -> Option<Self> {
        let refund = payment.refunds.get(refund_id)?;
        let request = payment.request.as_ref()?;
        Some(Self { payment, request, refund_id: *refund_id, refund })
    }

    fn address_key(&self) -> Option<Vec<u8>> {
        self.refund.to.as_deref().and_then(address_key)
    }

    fn worth(&self) -> Option<Money> {
        approval::worth(self.request, self.refund.units)
    }
}

const fn approval_name(approval: &Approval) -> &'static str {
    match approval {
        Approval::NotNeeded => "not_needed",
        Approval::Waits => "waits",
        Approval::Given { .. } => "given",
    }
}

fn approved_by(approval: &Approval) -> Option<&str> {
    match approval {
        Approval::Given { by } => Some(by),
        Approval::NotNeeded | Approval::Waits => None,
    }
}

const fn basis_name(basis: RefundBasis) -> &'static str {
    match basis {
        RefundBasis::Then => "then",
        RefundBasis::Now => "now",
        RefundBasis::Fiat => "fiat",
    }
}

const fn state_name(state: RefundState) -> &'static str {
    match state {
        RefundState::Granted => "granted",
        RefundState::Sent => "sent",
        RefundState::Confirmed => "confirmed",
        RefundState::Failed => "failed",
    }
}

/// A refund that the treasury is to be asked about.
#[derive(Debug, Clone)]
pub(crate) struct Due {
    pub(crate) refund_id: Uuid,
    pub(crate) payment_id: PaymentId,
    pub(crate) booking_id: BookingId,
    pub(crate) units: String,
    pub(crate) to: String,
    pub(crate) chain: String,
    pub(crate) contract: Option<String>,
    pub(crate) asset: String,
    pub(crate) confirmations: u64,
    /// Whether it is known that the treasury has it.
    pub(crate) handed: bool,
    /// Whether the treasury is not to send it: it cannot, or staff answered for it before.
    pub(crate) failed: bool,
    /// How often it was asked before.
    pub(crate) asks: u32,
    pub(crate) trace: Option<TraceContext>,
}

#[derive(FromRow)]
struct DueRow {
    refund_id: Uuid,
    payment_id: Uuid,
    booking_id: Uuid,
    units: String,
    address: String,
    chain: String,
    contract: Option<String>,
    asset: String,
    confirmations: i64,
    handed: bool,
    failed: bool,
    asks: i32,
    traceparent: Option<String>,
    tracestate: Option<String>,
}

/// Takes refunds that are due, and keeps them from other instances for a while: whoever dies over
/// one leaves it to the next. One of money that left its chain is not handed over until as much as
/// goes back is final again, also where a person closed the case; nor is one of a payment that was
/// not told yet what became of its money.
pub(crate) async fn take_due(
    pool: &PgPool,
    at_once: i64,
    lease: Duration,
) -> Result<Vec<Due>, StoreError> {
    let rows: Vec<DueRow> = sqlx::query_as(
        "with due as (
             select refund_id from refund o where next_ask_at <= holdfast_now()
                 and (sends is not null or basis = 'then')
                 and (handed_at is not null or (
                     not exists (select from untold u where u.payment_id = o.payment_id)
                     and (not exists (
                         select from payment_case c where c.payment_id = o.payment_id
                             and c.reason = $3
                             and (c.closed_at is null or exists (
                                 select from payment_case_closing z where z.case_id = c.case_id)))
                     or (select coalesce(sum(t.units), 0) from transfer t
                         where t.payment_id = o.payment_id and t.final)
                     >= (select coalesce(sum(a.units), 0) from refund a
                         where a.payment_id = o.payment_id and a.state <> 'failed'))))
             order by next_ask_at limit $1 for update skip locked
         )
         update refund r set asks = r.asks + 1,
             next_ask_at = holdfast_now() + make_interval(secs => $2)
         from due, payment p
         where r.refund_id = due.refund_id and p.payment_id = r.payment_id
         returning r.refund_id, r.payment_id, r.booking_id,
             coalesce(r.sends, r.units)::text as units, r.address,
             r.chain, r.contract, r.asset, r.confirmations, r.handed_at is not null as handed,
             r.state = 'failed' or (r.state = 'confirmed' and r.handed_at is null) as failed,
             r.asks - 1 as asks, p.traceparent, p.tracestate",
    )
    .bind(at_once)
    .bind(lease.as_secs_f64())
    .bind(super::case::REVERSED)
    .fetch_all(pool)
    .await
    .map_err(database("taking refunds that are due"))?;
    Ok(rows.into_iter().map(DueRow::read).collect())
}

impl DueRow {
    fn read(self) -> Due {
        let tracestate = self.tracestate;
        Due {
            refund_id: self.refund_id,
            payment_id: PaymentId(self.payment_id),
            booking_id: BookingId(self.booking_id),
            units: self.units,
            to: self.address,
            chain: self.chain,
            contract: self.contract,
            asset: self.asset,
            confirmations: super::unsigned(self.confirmations),
            handed: self.handed,
            failed: self.failed,
            asks: u32::try_from(self.asks).unwrap_or(0),
            trace: self.traceparent.map(|traceparent| TraceContext { traceparent, tracestate }),
        }
    }
}

/// The refunds of a payment that the treasury was told and is not known to have: what it answered
/// may be lost.
pub(crate) async fn unheard(pool: &PgPool, payment: PaymentId) -> Result<Vec<Due>, StoreError> {
    let rows: Vec<DueRow> = sqlx::query_as(
        "select r.refund_id, r.payment_id, r.booking_id,
             coalesce(r.sends, r.units)::text as units, r.address,
             r.chain, r.contract, r.asset, r.confirmations, false as handed, false as failed,
             r.asks, p.traceparent, p.tracestate
         from refund r join payment p using (payment_id)
         where r.payment_id = $1 and r.state = 'granted' and r.handed_at is null and r.asks > 0
             and r.address is not null",
    )
    .bind(payment.0)
    .fetch_all(pool)
    .await
    .map_err(database("looking for refunds that may be under way"))?;
    Ok(rows.into_iter().map(DueRow::read).collect())
}

/// What a rate is wanted of, and in what.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, FromRow)]
pub(crate) struct Pair {
    pub(crate) asset: String,
    pub(crate) currency: String,
}

/// A refund that waits for a rate.
#[derive(Debug, Clone, FromRow)]
pub(crate) struct Unpriced {
    pub(crate) refund_id: Uuid,
    pub(crate) payment_id: Uuid,
    #[sqlx(flatten)]
    pub(crate) pair: Pair,
}

/// The rates that refunds wait for, and what time it is.
pub(crate) async fn rates_wanted(pool: &PgPool) -> Result<(DateTime<Utc>, Vec<Pair>), StoreError> {
    let pairs = sqlx::query_as(
        "select distinct asset, worth_currency as currency from refund
         where rate_wanted_at is not null and worth_currency is not null",
    )
    .fetch_all(pool)
    .await
    .map_err(database("looking for rates that refunds wait for"))?;
    let now = sqlx::query_scalar("select holdfast_now()").fetch_one(pool).await;
    Ok((now.map_err(database("reading the time"))?, pairs))
}

/// Finds refunds that wait for one of these rates, those that wait longest first.
pub(crate) async fn unpriced(
    pool: &PgPool,
    known: Vec<&Pair>,
    at_most: i64,
) -> Result<Vec<Unpriced>, StoreError> {
    sqlx::query_as(
        "select refund_id, payment_id, asset, worth_currency as currency from refund
         where rate_wanted_at is not null and (asset, worth_currency) in (
             select * from unnest($1::text[], $2::text[]))
         order by rate_wanted_at limit $3",
    )
    .bind(known.iter().map(|pair| pair.asset.as_str()).collect::<Vec<_>>())
    .bind(known.iter().map(|pair| pair.currency.as_str()).collect::<Vec<_>>())
    .bind(at_most)
    .fetch_all(pool)
    .await
    .map_err(database("looking for refunds that wait for a rate"))
}

/// The transactions that were named for a refund and of which no transfer is known to be its own.
pub(crate) async fn unproven(pool: &PgPool, refund_id: Uuid) -> Result<Vec<Hash32>, StoreError> {
    let rows: Vec<Vec<u8>> = sqlx::query_scalar(
        "select t.transaction_hash from refund_transaction t join refund r using (refund_id)
         where t.refund_id = $1 and not exists (
             select from payout p where p.refund_id = t.refund_id and p.chain = r.chain
                 and p.transaction_hash = t.transaction_hash)",
    )
    .bind(refund_id)
    .fetch_all(pool)
    .await
    .map_err(database("reading which transactions prove nothing"))?;
    rows.iter().map(|bytes| super::chain::hash("refund_transaction", bytes)).collect()
}

/// Notes that the treasury has a refund, and which transactions it named.
pub(crate) async fn add_told(
    conn: &mut PgConnection,
    refund_id: Uuid,
    transactions: &[Hash32],
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    sqlx::query(
        "with handed as (
             update refund set handed_at = $3 where refund_id = $1 and handed_at is null
         )
         insert into refund_transaction (refund_id, transaction_hash, told_at)
         select $1, hash, $3 from unnest($2::bytea[]) as hash
         on conflict (refund_id, transaction_hash) do nothing",
    )
    .bind(refund_id)
    .bind(transactions.iter().map(|hash| hash.0.to_vec()).collect::<Vec<_>>())
    .bind(now)
    .execute(conn)
    .await
    .map_err(database("keeping what the treasury told"))
    .map(drop)
}

/// The payment and the chain of a refund; nothing when there is none.
pub(crate) async fn chain_of(
    conn: &mut PgConnection,
    refund_id: Uuid,
) -> Result<Option<(PaymentId, String)>, StoreError> {
    let row: Option<(Uuid, String)> =
        sqlx::query_as("select payment_id, chain from refund where refund_id = $1")
            .bind(refund_id)
            .fetch_optional(conn)
            .await
            .map_err(database("finding a refund"))?;
    Ok(row.map(|(id, chain)| (PaymentId(id), chain)))
}

/// Notes a transaction that somebody else than the treasury named for a refund.
pub(crate) async fn add_named(
    conn: &mut PgConnection,
    refund_id: Uuid,
    transaction: Hash32,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    sqlx::query(
        "insert into refund_transaction (refund_id, transaction_hash, told_at) values ($1, $2, $3)
         on conflict (refund_id, transaction_hash) do nothing",
    )
    .bind(refund_id)
    .bind(transaction.0.as_slice())
    .bind(now)
    .execute(conn)
    .await
    .map_err(database("keeping a named transaction"))
    .map(drop)
}

/// When a refund got its address, or was let go if that came later; nothing before it had one.
pub(crate) async fn addressed_at(
    conn: &mut PgConnection,
    refund_id: Uuid,
) -> Result<Option<DateTime<Utc>>, StoreError> {
    sqlx::query_scalar(
        "select greatest(addressed_at, approved_at) from refund where refund_id = $1",
    )
    .bind(refund_id)
    .fetch_one(conn)
    .await
    .map_err(database("reading when a refund got its address"))
}

/// Whether the treasury has a refund of the payment that did not end.
pub(crate) async fn is_handed(
    conn: &mut PgConnection,
    payment: PaymentId,
) -> Result<bool, StoreError> {
    sqlx::query_scalar(
        "select exists (select from refund where payment_id = $1 and handed_at is not null
             and state in ('granted', 'sent'))",
    )
    .bind(payment.0)
    .fetch_one(conn)
    .await
    .map_err(database("looking for refunds that are under way"))
}

/// Says when the treasury is asked about a refund next; nothing when not any more.
pub(crate) async fn ask_again(
    conn: &mut PgConnection,
    refund_id: Uuid,
    at: Option<DateTime<Utc>>,
) -> Result<(), StoreError> {
    sqlx::query("update refund set next_ask_at = $2 where refund_id = $1")
        .bind(refund_id)
        .bind(at)
        .execute(conn)
        .await
        .map_err(database("saying when the treasury is asked again"))
        .map(drop)
}

/// A refund and a transaction that was named for it.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    pub(crate) refund_id: Uuid,
    pub(crate) transaction: Hash32,
}

/// Finds refunds for which one of these transactions was named, the oldest first.
pub(crate) async fn told_of(
    conn: &mut PgConnection,
    chain: &str,
    transactions: Vec<Vec<u8>>,
) -> Result<Vec<Wanted>, StoreError> {
    let rows: Vec<(Uuid, Vec<u8>)> = sqlx::query_as(
        "select r.refund_id, t.transaction_hash
         from refund_transaction t join refund r using (refund_id)
         where r.chain = $1 and t.transaction_hash = any($2)
         order by r.granted_at, r.refund_id, t.transaction_hash",
    )
    .bind(chain)
    .bind(transactions)
    .fetch_all(conn)
    .await
    .map_err(database("looking for refunds by their transactions"))?;
    rows.into_iter()
        .map(|(refund_id, bytes)| {
            let transaction = super::chain::hash("refund_transaction", &bytes)?;
            Ok(Wanted { refund_id, transaction })
        })
        .collect()
}

/// A span of time as PostgreSQL adds it; as long as can be when it does not fit.
pub(crate) fn span_of(duration: Duration) -> TimeDelta {
    TimeDelta::from_std(duration).unwrap_or(TimeDelta::MAX)
}
