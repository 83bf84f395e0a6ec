//! All SQL of rewards.

mod support;

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use contracts::{
    ids::{AccountId, BookingId},
    internal::PointsEntry,
};
use messaging::{StoreError, database};
use rewards_core::{Account, Event, postings};
use serde::Serialize;
use sqlx::PgConnection;
use uuid::Uuid;

pub(crate) use self::support::{
    BookingEntry, bookings_of, bookings_of_message, knows_booking, of_booking,
};
use crate::handle::Asked;

/// An account after the events of a batch.
pub(crate) struct Changed {
    pub(crate) account_id: AccountId,
    pub(crate) account: Account,
    /// The version it was loaded with; none when there was no row.
    pub(crate) version_before: Option<u64>,
    pub(crate) recorded: Vec<Recorded>,
}

/// One event, as it is kept.
pub(crate) struct Recorded {
    pub(crate) version: u64,
    pub(crate) event: Event,
    pub(crate) source: &'static str,
    pub(crate) cause_id: Option<Uuid>,
    pub(crate) asked: Option<Asked>,
    pub(crate) trace_id: Option<String>,
    pub(crate) at: DateTime<Utc>,
}

/// Loads and locks accounts in the order of their ids, so that two batches never wait for each
/// other in a circle. One that has no row yet has no lock either: whoever writes it second gets a
/// conflict.
pub(crate) async fn load_for_update(
    conn: &mut PgConnection,
    ids: BTreeSet<AccountId>,
) -> Result<BTreeMap<AccountId, Option<Account>>, StoreError> {
    let names: Vec<&str> = ids.iter().map(AccountId::as_str).collect();
    let rows: Vec<(String, String)> = sqlx::query_as(
        "select account_id, state::text from account where account_id = any($1)
          order by account_id for update",
    )
    .bind(&names)
    .fetch_all(conn)
    .await
    .map_err(database("loading accounts"))?;
    let mut accounts: BTreeMap<_, _> = ids.into_iter().map(|id| (id, None)).collect();
    for (name, state) in rows {
        accounts.insert(account_id(&name)?, Some(parse(&name, &state)?));
    }
    Ok(accounts)
}

/// Reads an account as it is, with the database's time.
pub(crate) async fn load(
    conn: &mut PgConnection,
    id: &AccountId,
) -> Result<(Option<Account>, DateTime<Utc>), StoreError> {
    let (state, now): (Option<String>, DateTime<Utc>) = sqlx::query_as(
        "select (select state::text from account where account_id = $1), holdfast_now()",
    )
    .bind(id.as_str())
    .fetch_one(conn)
    .await
    .map_err(database("reading an account"))?;
    Ok((state.map(|state| parse(id.as_str(), &state)).transpose()?, now))
}

/// Reads the database's time.
pub(crate) async fn now(conn: &mut PgConnection) -> Result<DateTime<Utc>, StoreError> {
    sqlx::query_scalar("select holdfast_now()")
        .fetch_one(conn)
        .await
        .map_err(database("reading the clock"))
}

/// Reads the newest entries that moved points, newest first.
pub(crate) async fn entries(
    conn: &mut PgConnection,
    id: &AccountId,
    at_most: i64,
) -> Result<Vec<PointsEntry>, StoreError> {
    let rows: Vec<(DateTime<Utc>, String, Option<Uuid>, i64)> = sqlx::query_as(
        "select at, kind, booking_id, points from account_event
          where account_id = $1 and points <> 0 order by version desc limit $2",
    )
    .bind(id.as_str())
    .bind(at_most)
    .fetch_all(conn)
    .await
    .map_err(database("reading an account's entries"))?;
    let entry = |(at, kind, booking_id, points): (_, _, Option<Uuid>, _)| PointsEntry {
        at,
        kind,
        booking_id: booking_id.map(BookingId),
        points,
    };
    Ok(rows.into_iter().map(entry).collect())
}

/// Takes accounts to which something is due, or one of them, with the database's time. Those that
/// somebody else holds are left to them: whatever is done to an account does what is due as well.
pub(crate) async fn claim_due(
    conn: &mut PgConnection,
    at_most: i64,
    only: Option<&str>,
) -> Result<Vec<(AccountId, DateTime<Utc>)>, StoreError> {
    let rows: Vec<(String, DateTime<Utc>)> = sqlx::query_as(
        "select account_id, holdfast_now() from account
          where wake_at <= holdfast_now() and ($2::text is null or account_id = $2)
          order by wake_at limit $1 for update skip locked",
    )
    .bind(at_most)
    .bind(only)
    .fetch_all(conn)
    .await
    .map_err(database("taking due accounts"))?;
    rows.into_iter().map(|(name, now)| Ok((account_id(&name)?, now))).collect()
}

/// Lists accounts to which something is due by their names, which need not be readable.
pub(crate) async fn due(conn: &mut PgConnection, at_most: i64) -> Result<Vec<String>, StoreError> {
    sqlx::query_scalar(
        "select account_id from account where wake_at <= holdfast_now() order by wake_at limit $1",
    )
    .bind(at_most)
    .fetch_all(conn)
    .await
    .map_err(database("listing due accounts"))
}

/// Lets an account be due again later.
pub(crate) async fn put_off(
    conn: &mut PgConnection,
    name: &str,
    for_s: f64,
) -> Result<(), StoreError> {
    sqlx::query(
        "update account set wake_at = holdfast_now() + make_interval(secs => $2)
          where account_id = $1",
    )
    .bind(name)
    .bind(for_s)
    .execute(conn)
    .await
    .map_err(database("putting an account off"))
    .map(drop)
}

/// Writes the changes of a batch: accounts, events and ledger, one statement each.
///
/// # Errors
/// [`StoreError::Conflict`] when an account is not at the version it was loaded with.
pub(crate) async fn save(conn: &mut PgConnection, changed: &[Changed]) -> Result<(), StoreError> {
    let (new, old): (Vec<_>, Vec<_>) = changed.iter().partition(|c| c.version_before.is_none());
    update_accounts(conn, &old).await?;
    insert_accounts(conn, &new).await?;
    write_events(conn, changed).await?;
    write_postings(conn, changed).await
}

/// The columns of accounts.
#[derive(Default)]
struct Columns<'a> {
    names: Vec<&'a str>,
    before: Vec<i64>,
    versions: Vec<i64>,
    states: Vec<String>,
    wakes: Vec<Option<DateTime<Utc>>>,
}

impl<'a> Columns<'a> {
    fn of(changed: &[&'a Changed]) -> Result<Self, StoreError> {
        let mut columns = Self::default();
        for one in changed {
            columns.names.push(one.account_id.as_str());
            columns.before.push(signed(one.version_before.unwrap_or_default()));
            columns.versions.push(signed(one.account.version));
            columns.states.push(json("account", &one.account_id, &one.account)?);
            columns.wakes.push(one.account.wake_at());
        }
        Ok(columns)
    }
}

async fn update_accounts(conn: &mut PgConnection, batch: &[&Changed]) -> Result<(), StoreError> {
    if batch.is_empty() {
        return Ok(());
    }
    let columns = Columns::of(batch)?;
    let written = sqlx::query(
        "update account as a set version = n.version, state = n.state::json, wake_at = n.wake_at
           from unnest($1::text[], $2::bigint[], $3::bigint[], $4::text[], $5::timestamptz[])
                as n (account_id, version_before, version, state, wake_at)
          where a.account_id = n.account_id and a.version = n.version_before",
    )
    .bind(&columns.names)
    .bind(&columns.before)
    .bind(&columns.versions)
    .bind(&columns.states)
    .bind(&columns.wakes)
    .execute(conn)
    .await
    .map_err(database("updating accounts"))?;
    all_or_conflict(written.rows_affected(), batch.len())
}

async fn insert_accounts(conn: &mut PgConnection, batch: &[&Changed]) -> Result<(), StoreError> {
    if batch.is_empty() {
        return Ok(());
    }
    let columns = Columns::of(batch)?;
    let written = sqlx::query(
        "insert into account (account_id, version, state, wake_at)
         select account_id, version, state::json, wake_at
           from unnest($1::text[], $2::bigint[], $3::text[], $4::timestamptz[])
                as n (account_id, version, state, wake_at)
         on conflict do nothing",
    )
    .bind(&columns.names)
    .bind(&columns.versions)
    .bind(&columns.states)
    .bind(&columns.wakes)
    .execute(conn)
    .await
    .map_err(database("inserting accounts"))?;
    all_or_conflict(written.rows_affected(), batch.len())
}

async fn write_events(conn: &mut PgConnection, batch: &[Changed]) -> Result<(), StoreError> {
    let all =
        batch.iter().flat_map(|c| c.recorded.iter().map(|recorded| (&c.account_id, recorded)));
    let mut names = Vec::new();
    let mut versions = Vec::new();
    let mut kinds = Vec::new();
    let mut bookings = Vec::new();
    let mut points = Vec::new();
    let mut events = Vec::new();
    let mut sources = Vec::new();
    let mut causes = Vec::new();
    let mut actors = Vec::new();
    let mut reasons = Vec::new();
    let mut traces = Vec::new();
    let mut times = Vec::new();
    for (id, recorded) in all {
        names.push(id.as_str());
        versions.push(signed(recorded.version));
        kinds.push(recorded.event.kind());
        bookings.push(recorded.event.booking_id().map(|booking_id| booking_id.0));
        points.push(recorded.event.points_shown());
        events.push(json("account_event", id, &recorded.event)?);
        sources.push(recorded.source);
        causes.push(recorded.cause_id);
        actors.push(recorded.asked.as_ref().map(|asked| asked.actor.as_str()));
        reasons.push(recorded.asked.as_ref().and_then(|asked| asked.reason.as_deref()));
        traces.push(recorded.trace_id.as_deref());
        times.push(recorded.at);
    }
    if names.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "insert into account_event (account_id, version, kind, booking_id, points, event, source,
                                    cause_id, actor, reason, trace_id, at)
         select account_id, version, kind, booking_id, points, event::json, source, cause_id,
                actor, reason, trace_id, at
           from unnest($1::text[], $2::bigint[], $3::text[], $4::uuid[], $5::bigint[], $6::text[],
                       $7::text[], $8::uuid[], $9::text[], $10::text[], $11::text[],
                       $12::timestamptz[])
                as n (account_id, version, kind, booking_id, points, event, source, cause_id,
                      actor, reason, trace_id, at)",
    )
    .bind(&names)
    .bind(&versions)
    .bind(&kinds)
    .bind(&bookings)
    .bind(&points)
    .bind(&events)
    .bind(&sources)
    .bind(&causes)
    .bind(&actors)
    .bind(&reasons)
    .bind(&traces)
    .bind(&times)
    .execute(conn)
    .await
    .map_err(database("writing events"))
    .map(drop)
}

async fn write_postings(conn: &mut PgConnection, batch: &[Changed]) -> Result<(), StoreError> {
    let mut names = Vec::new();
    let mut versions = Vec::new();
    let mut lines = Vec::new();
    let mut books = Vec::new();
    let mut lots = Vec::new();
    let mut points = Vec::new();
    for changed in batch {
        for recorded in &changed.recorded {
            for (line, posting) in (0_i16..).zip(postings(&recorded.event)) {
                names.push(changed.account_id.as_str());
                versions.push(signed(recorded.version));
                lines.push(line);
                books.push(posting.book.word());
                lots.push(posting.lot.to_string());
                points.push(posting.points);
            }
        }
    }
    if names.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "insert into posting (account_id, version, line, book, lot, points)
         select * from unnest($1::text[], $2::bigint[], $3::smallint[], $4::text[], $5::text[],
                              $6::bigint[])",
    )
    .bind(&names)
    .bind(&versions)
    .bind(&lines)
    .bind(&books)
    .bind(&lots)
    .bind(&points)
    .execute(conn)
    .await
    .map_err(database("writing the ledger"))
    .map(drop)
}

fn all_or_conflict(written: u64, wanted: usize) -> Result<(), StoreError> {
    if usize::try_from(written) == Ok(wanted) { Ok(()) } else { Err(StoreError::Conflict) }
}

fn account_id(name: &str) -> Result<AccountId, StoreError> {
    AccountId::parse(name).map_err(|source| corrupt("account", name, source))
}

fn parse(name: &str, state: &str) -> Result<Account, StoreError> {
    serde_json::from_str(state).map_err(|source| corrupt("account", name, source))
}

fn json(table: &'static str, id: &AccountId, value: &impl Serialize) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|source| corrupt(table, id.as_str(), source))
}

fn corrupt(
    table: &'static str,
    id: &str,
    source: impl std::error::Error + Send + Sync + 'static,
) -> StoreError {
    StoreError::Corrupt { table, id: id.to_owned(), source: Box::new(source) }
}

fn signed(version: u64) -> i64 {
    i64::try_from(version).unwrap_or(i64::MAX)
}
