//! Payments, their journal, their ledger, their addresses and refunds.

use std::collections::BTreeMap;

use chassis::trace::TraceContext;
use chrono::{DateTime, Utc};
use contracts::ids::{MessageId, PaymentId};
use messaging::{StoreError, database};
use payment_verification_core::{
    Event, Payment,
    closing::answered_after,
    ledger::Posting,
    state::{Deposit, Request},
};
use sqlx::{FromRow, PgConnection};
use uuid::Uuid;

use super::{corrupt, signed};
use crate::address::address_key;

/// A payment as its row has it.
#[derive(Debug, Clone)]
pub(crate) struct Loaded {
    pub(crate) payment: Payment,
    /// Where the booking's trace stood when it was asked for.
    pub(crate) trace: Option<TraceContext>,
    /// Whether something happened that it is still to be told.
    pub(crate) is_behind: bool,
}

/// Payments of which some may have rows that cannot be read.
#[derive(Debug, Default)]
pub(crate) struct Rows {
    pub(crate) readable: BTreeMap<PaymentId, Loaded>,
    pub(crate) unreadable: BTreeMap<PaymentId, StoreError>,
}

#[derive(FromRow)]
struct Row {
    payment_id: Uuid,
    state: String,
    traceparent: Option<String>,
    tracestate: Option<String>,
    is_behind: bool,
    seq: i64,
    journalled: Option<i64>,
}

/// Loads payments and locks them until the transaction ends, in the order of their ids, so that two
/// batches that share payments wait for each other and never in a circle.
pub(crate) async fn load(
    conn: &mut PgConnection,
    payments: &[PaymentId],
) -> Result<Rows, StoreError> {
    let ids: Vec<Uuid> = payments.iter().map(|id| id.0).collect();
    let rows: Vec<Row> = sqlx::query_as(
        "select payment_id, state::text as state, traceparent, tracestate,
             exists (select from untold u where u.payment_id = p.payment_id) as is_behind,
             seq, (select max(e.seq) from payment_event e where e.payment_id = p.payment_id)
                 as journalled
         from payment p where payment_id = any($1) order by payment_id for update",
    )
    .bind(ids)
    .fetch_all(conn)
    .await
    .map_err(database("loading payments"))?;
    let mut read = Rows::default();
    for row in rows {
        let id = PaymentId(row.payment_id);
        match row.payment() {
            Ok(payment) => {
                let Row { traceparent, tracestate, is_behind, .. } = row;
                let trace = traceparent.map(|traceparent| TraceContext { traceparent, tracestate });
                read.readable.insert(id, Loaded { payment, trace, is_behind });
            }
            Err(error) => drop(read.unreadable.insert(id, error)),
        }
    }
    Ok(read)
}

impl Row {
    /// The payment, if the row is of it and as new as its journal: one that was mended wrongly
    /// could never be written.
    fn payment(&self) -> Result<Payment, StoreError> {
        let id = self.payment_id;
        let payment: Payment =
            serde_json::from_str(&self.state).map_err(|source| corrupt("payment", id, source))?;
        if payment.payment_id.0 != id {
            return Err(corrupt("payment", id, "its state is another payment's"));
        }
        let seq = signed(payment.seq);
        // Of the journal that is only what had been written before the row was waited for.
        if self.seq != seq || self.journalled.is_some_and(|newest| newest > seq) {
            return Err(corrupt("payment", id, "its state is not as new as its journal"));
        }
        Ok(payment)
    }
}

/// A payment to be written, and the version its row has.
pub(crate) struct Changed<'a> {
    pub(crate) loaded: &'a Loaded,
    /// 0 when there is no row.
    pub(crate) seq_before: u64,
}

/// Writes payments: new ones and changed ones, each with one statement. Somebody else's change in
/// between is a conflict.
pub(crate) async fn save(
    conn: &mut PgConnection,
    changed: &[Changed<'_>],
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let (new, old): (Vec<_>, Vec<_>) = changed.iter().partition(|changed| changed.seq_before == 0);
    if !new.is_empty() {
        let columns = Columns::of(&new)?;
        let written = sqlx::query(
            "insert into payment (payment_id, booking_id, seq, state, traceparent, tracestate,
                 close_chain, close_after, created_at, changed_at)
             select p.payment_id, p.booking_id, p.seq, p.state::json, p.traceparent, p.tracestate,
                 p.close_chain, p.close_after, $9, $9
             from unnest($1::uuid[], $2::uuid[], $3::bigint[], $4::text[], $5::text[], $6::text[],
                     $7::text[], $8::timestamptz[])
                 as p (payment_id, booking_id, seq, state, traceparent, tracestate, close_chain,
                     close_after)
             on conflict (payment_id) do nothing",
        )
        .bind(columns.payment_ids)
        .bind(columns.booking_ids)
        .bind(columns.seqs)
        .bind(columns.states)
        .bind(columns.traceparents)
        .bind(columns.tracestates)
        .bind(columns.close_chains)
        .bind(columns.close_afters)
        .bind(now)
        .execute(&mut *conn)
        .await
        .map_err(database("adding payments"))?;
        all_or_conflict(written.rows_affected(), new.len())?;
    }
    if !old.is_empty() {
        let columns = Columns::of(&old)?;
        let written = sqlx::query(
            "update payment set seq = p.seq, state = p.state::json, changed_at = $9,
                 traceparent = p.traceparent, tracestate = p.tracestate,
                 close_chain = p.close_chain, close_after = p.close_after
             from unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::text[], $5::text[], $6::text[],
                     $7::text[], $8::timestamptz[])
                 as p (payment_id, seq_before, seq, state, traceparent, tracestate, close_chain,
                     close_after)
             where payment.payment_id = p.payment_id and payment.seq = p.seq_before",
        )
        .bind(columns.payment_ids)
        .bind(old.iter().map(|changed| signed(changed.seq_before)).collect::<Vec<_>>())
        .bind(columns.seqs)
        .bind(columns.states)
        .bind(columns.traceparents)
        .bind(columns.tracestates)
        .bind(columns.close_chains)
        .bind(columns.close_afters)
        .bind(now)
        .execute(&mut *conn)
        .await
        .map_err(database("changing payments"))?;
        all_or_conflict(written.rows_affected(), old.len())?;
    }
    Ok(())
}

#[derive(Default)]
struct Columns {
    payment_ids: Vec<Uuid>,
    booking_ids: Vec<Uuid>,
    seqs: Vec<i64>,
    states: Vec<String>,
    traceparents: Vec<Option<String>>,
    tracestates: Vec<Option<String>>,
    close_chains: Vec<Option<String>>,
    close_afters: Vec<Option<DateTime<Utc>>>,
}

impl Columns {
    fn of(changed: &[&Changed<'_>]) -> Result<Self, StoreError> {
        let mut columns = Self::default();
        for Changed { loaded: Loaded { payment, trace, .. }, .. } in changed {
            let state = serde_json::to_string(payment)
                .map_err(|source| corrupt("payment", payment.payment_id, source))?;
            columns.payment_ids.push(payment.payment_id.0);
            columns.booking_ids.push(payment.booking_id.0);
            columns.seqs.push(signed(payment.seq));
            columns.states.push(state);
            columns.traceparents.push(trace.as_ref().map(|trace| trace.traceparent.clone()));
            columns.tracestates.push(trace.as_ref().and_then(|trace| trace.tracestate.clone()));
            let close_after = answered_after(payment);
            let chain = payment.request.as_ref().map(|request| request.chain.clone());
            columns.close_chains.push(chain.filter(|_| close_after.is_some()));
            columns.close_afters.push(close_after);
        }
        Ok(columns)
    }
}

fn all_or_conflict(written: u64, wanted: usize) -> Result<(), StoreError> {
    if usize::try_from(written) == Ok(wanted) { Ok(()) } else { Err(StoreError::Conflict) }
}

/// One event and its place in its payment's journal.
pub(crate) struct Entry {
    pub(crate) payment_id: PaymentId,
    pub(crate) seq: u64,
    pub(crate) event: Event,
    /// The message that caused it.
    pub(crate) cause: Option<MessageId>,
}

/// Adds events to the journal.
pub(crate) async fn add_events(
    conn: &mut PgConnection,
    entries: &[Entry],
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    if entries.is_empty() {
        return Ok(());
    }
    let bodies: Result<Vec<_>, _> = entries
        .iter()
        .map(|entry| {
            serde_json::to_string(&entry.event)
                .map_err(|source| corrupt("payment_event", entry.payment_id, source))
        })
        .collect();
    sqlx::query(
        "insert into payment_event (payment_id, seq, at, kind, body, cause_id)
         select e.payment_id, e.seq, $6, e.kind, e.body::json, e.cause_id
         from unnest($1::uuid[], $2::bigint[], $3::text[], $4::text[], $5::uuid[])
             as e (payment_id, seq, kind, body, cause_id)",
    )
    .bind(entries.iter().map(|entry| entry.payment_id.0).collect::<Vec<_>>())
    .bind(entries.iter().map(|entry| signed(entry.seq)).collect::<Vec<_>>())
    .bind(entries.iter().map(|entry| entry.event.kind()).collect::<Vec<_>>())
    .bind(bodies?)
    .bind(entries.iter().map(|entry| entry.cause.map(|id| id.0)).collect::<Vec<_>>())
    .bind(now)
    .execute(conn)
    .await
    .map_err(database("adding to the journal"))
    .map(drop)
}

/// An address that is given to a payment for good.
pub(crate) struct Given {
    payment_id: PaymentId,
    deposit: Deposit,
    /// The chain whose own coin it is for; nothing for a token's.
    native_chain: Option<String>,
}

impl Given {
    /// The address of a request.
    pub(crate) fn of(payment_id: PaymentId, request: &Request) -> Self {
        let native_chain = request.contract.is_none().then(|| request.chain.clone());
        Self { payment_id, deposit: request.deposit.clone(), native_chain }
    }
}

/// Remembers for good which address belongs to which payment.
pub(crate) async fn add_addresses(
    conn: &mut PgConnection,
    given: &[Given],
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    if given.is_empty() {
        return Ok(());
    }
    let keys: Option<Vec<_>> =
        given.iter().map(|given| address_key(&given.deposit.address)).collect();
    let keys = keys.ok_or_else(|| corrupt("address", "new", "a derived address is none"))?;
    sqlx::query(
        "insert into address (address_key, address, derivation_index, payment_id, native_chain,
             given_at)
         select a.address_key, a.address, a.derivation_index, a.payment_id, a.native_chain, $6
         from unnest($1::bytea[], $2::text[], $3::bigint[], $4::uuid[], $5::text[])
             as a (address_key, address, derivation_index, payment_id, native_chain)",
    )
    .bind(keys)
    .bind(given.iter().map(|given| given.deposit.address.as_str()).collect::<Vec<_>>())
    .bind(given.iter().map(|given| i64::from(given.deposit.index)).collect::<Vec<_>>())
    .bind(given.iter().map(|given| given.payment_id.0).collect::<Vec<_>>())
    .bind(given.iter().map(|given| given.native_chain.as_deref()).collect::<Vec<_>>())
    .bind(now)
    .execute(conn)
    .await
    .map_err(database("giving out addresses"))
    .map(drop)
}

/// One transaction of the ledger: what an event of a payment moved.
pub(crate) struct Transaction {
    pub(crate) payment_id: PaymentId,
    pub(crate) seq: u64,
    pub(crate) reason: &'static str,
    pub(crate) asset: String,
    pub(crate) postings: Vec<Posting>,
}

/// Writes transactions: two lines a posting, out of one account and into the other.
pub(crate) async fn post(
    conn: &mut PgConnection,
    transactions: &[Transaction],
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let mut lines = Lines::default();
    for transaction in transactions {
        let mut line = 0;
        for posting in &transaction.postings {
            for (account, units) in [
                (posting.debit, format!("-{}", posting.units)),
                (posting.credit, posting.units.to_string()),
            ] {
                lines.payment_ids.push(transaction.payment_id.0);
                lines.seqs.push(signed(transaction.seq));
                lines.lines.push(line);
                lines.reasons.push(transaction.reason);
                lines.accounts.push(account.name());
                lines.assets.push(transaction.asset.clone());
                lines.units.push(units);
                line += 1;
            }
        }
    }
    if lines.lines.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "insert into ledger_entry (payment_id, seq, line, at, reason, account, asset, units)
         select l.payment_id, l.seq, l.line, $8, l.reason, l.account, l.asset, l.units::numeric
         from unnest($1::uuid[], $2::bigint[], $3::int[], $4::text[], $5::text[], $6::text[],
                 $7::text[])
             as l (payment_id, seq, line, reason, account, asset, units)",
    )
    .bind(lines.payment_ids)
    .bind(lines.seqs)
    .bind(lines.lines)
    .bind(lines.reasons)
    .bind(lines.accounts)
    .bind(lines.assets)
    .bind(lines.units)
    .bind(now)
    .execute(conn)
    .await
    .map_err(database("writing the ledger"))
    .map(drop)
}

#[derive(Default)]
struct Lines {
    payment_ids: Vec<Uuid>,
    seqs: Vec<i64>,
    lines: Vec<i32>,
    reasons: Vec<&'static str>,
    accounts: Vec<&'static str>,
    assets: Vec<String>,
    units: Vec<String>,
}
