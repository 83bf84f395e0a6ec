//! Legs, their journal, and the references one finds them by.

use std::collections::BTreeMap;

use chassis::trace::TraceContext;
use chrono::{DateTime, Utc};
use contracts::{ids::LegId, messages::LegState, supplier::Supplier};
use messaging::{StoreError, database};
use sqlx::PgConnection;
use supplier_sync_core::{Event, Leg, Policy, Recorded, wake_at};
use uuid::Uuid;

use super::corrupt;

/// A leg after the events of a batch.
pub(crate) struct Changed {
    pub(crate) leg: Box<Leg>,
    /// The version it was loaded with; 0 when there was no row.
    pub(crate) version_before: u64,
    pub(crate) trace: Option<TraceContext>,
    pub(crate) entries: Vec<Entry>,
    /// Whether it was due and is looked after now.
    pub(crate) woken: bool,
    pub(crate) attempts: Vec<(String, u32)>,
    pub(crate) references: Vec<String>,
}

/// One event, as it is kept.
pub(crate) struct Entry {
    pub(crate) recorded: Recorded,
    pub(crate) source: &'static str,
    pub(crate) cause_id: Option<Uuid>,
    pub(crate) trace_id: Option<String>,
}

/// Loads and locks legs in the order of their ids, so that two batches never wait for each other in
/// a circle. One that has no row yet has no lock either: whoever writes it second gets a conflict.
pub(crate) async fn load_for_update(
    conn: &mut PgConnection,
    ids: &[Uuid],
) -> Result<Vec<(Box<Leg>, Option<TraceContext>)>, StoreError> {
    let rows: Vec<(Uuid, String, Option<String>)> = sqlx::query_as(
        "select leg_id, state::text, trace::text from leg where leg_id = any($1)
          order by leg_id for update",
    )
    .bind(ids)
    .fetch_all(conn)
    .await
    .map_err(database("loading legs"))?;
    rows.into_iter()
        .map(|(id, state, trace)| {
            let leg = serde_json::from_str(&state).map_err(|error| corrupt("leg", &id, error))?;
            // A trace that cannot be read is as good as none.
            Ok((leg, trace.and_then(|text| serde_json::from_str(&text).ok())))
        })
        .collect()
}

/// Takes legs that are due, with the database's time and the trace of their newest wish. Those that
/// somebody else holds are left to them: whatever is done to a leg does what is due as well.
pub(crate) async fn claim_due(
    conn: &mut PgConnection,
    at_most: i64,
    only: Option<LegId>,
) -> Result<Vec<(LegId, Option<TraceContext>, DateTime<Utc>)>, StoreError> {
    let rows: Vec<(Uuid, Option<String>, DateTime<Utc>)> = sqlx::query_as(
        "select leg_id, trace::text, holdfast_now() from leg
          where wake_at <= holdfast_now() and ($2::uuid is null or leg_id = $2)
          order by wake_at limit $1 for update skip locked",
    )
    .bind(at_most)
    .bind(only.map(|leg_id| leg_id.0))
    .fetch_all(conn)
    .await
    .map_err(database("taking due legs"))?;
    let row = |(id, trace, now): (Uuid, Option<String>, DateTime<Utc>)| {
        (LegId(id), trace.and_then(|text| serde_json::from_str(&text).ok()), now)
    };
    Ok(rows.into_iter().map(row).collect())
}

/// Legs that are due, taken by nobody yet.
pub(crate) async fn due(conn: &mut PgConnection, at_most: i64) -> Result<Vec<LegId>, StoreError> {
    let ids: Vec<Uuid> = sqlx::query_scalar(
        "select leg_id from leg where wake_at <= holdfast_now() order by wake_at limit $1",
    )
    .bind(at_most)
    .fetch_all(conn)
    .await
    .map_err(database("listing due legs"))?;
    Ok(ids.into_iter().map(LegId).collect())
}

/// Says when legs that were due, and had nothing to do at `now`, are due again.
///
/// One that would have been due then already is due in a minute: a leg that is due and has nothing
/// to do stands in nobody's way. What became due since is due. One that is at rest for good is
/// never due again.
pub(crate) async fn sleep_again(
    conn: &mut PgConnection,
    legs: &[&Leg],
    rules: &BTreeMap<Supplier, Policy>,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    if legs.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "update leg
            set wake_at = case when n.wake_at <= $3
                               then $3 + interval '1 minute' else n.wake_at end
           from unnest($1::uuid[], $2::timestamptz[]) as n (leg_id, wake_at)
          where leg.leg_id = n.leg_id",
    )
    .bind(legs.iter().map(|leg| leg.leg_id.0).collect::<Vec<_>>())
    .bind(legs.iter().map(|leg| due_at(leg, rules)).collect::<Vec<_>>())
    .bind(now)
    .execute(conn)
    .await
    .map_err(database("letting legs sleep"))
    .map(drop)
}

fn due_at(leg: &Leg, rules: &BTreeMap<Supplier, Policy>) -> Option<DateTime<Utc>> {
    rules.get(&leg.order.supplier).and_then(|policy| wake_at(leg, policy))
}

/// Lets a leg be due so much later.
pub(crate) async fn put_off(
    conn: &mut PgConnection,
    leg_id: LegId,
    for_s: f64,
) -> Result<(), StoreError> {
    sqlx::query(
        "update leg set wake_at = holdfast_now() + make_interval(secs => $2) where leg_id = $1",
    )
    .bind(leg_id.0)
    .bind(for_s)
    .execute(conn)
    .await
    .map_err(database("putting a leg off"))
    .map(drop)
}

/// Reads the database's time.
pub(crate) async fn now(conn: &mut PgConnection) -> Result<DateTime<Utc>, StoreError> {
    sqlx::query_scalar("select holdfast_now()")
        .fetch_one(conn)
        .await
        .map_err(database("reading the clock"))
}

/// Writes the changes of a batch: legs, journal and references, one statement each.
///
/// # Errors
/// [`StoreError::Conflict`] when a leg is not at the version it was loaded with.
pub(crate) async fn save(
    conn: &mut PgConnection,
    changed: &[Changed],
    rules: &BTreeMap<Supplier, Policy>,
) -> Result<(), StoreError> {
    if changed.is_empty() {
        return Ok(());
    }
    write_legs(conn, changed, rules).await?;
    write_events(conn, changed).await?;
    write_attempts(conn, changed).await?;
    write_references(conn, changed).await
}

#[derive(Default)]
struct Legs {
    ids: Vec<Uuid>,
    bookings: Vec<Uuid>,
    suppliers: Vec<&'static str>,
    before: Vec<i64>,
    versions: Vec<i64>,
    states: Vec<String>,
    wakes: Vec<Option<DateTime<Utc>>>,
    woken: Vec<bool>,
    doubts: Vec<Option<DateTime<Utc>>>,
    traces: Vec<Option<String>>,
    times: Vec<DateTime<Utc>>,
}

impl Legs {
    fn of(changed: &[&Changed], rules: &BTreeMap<Supplier, Policy>) -> Result<Self, StoreError> {
        let mut rows = Self::default();
        for Changed { leg, version_before, trace, entries, woken, .. } in changed {
            let json = |error| corrupt("leg", &leg.leg_id, error);
            rows.ids.push(leg.leg_id.0);
            rows.bookings.push(leg.booking_id.0);
            rows.suppliers.push(leg.order.supplier.word());
            rows.before.push(signed(*version_before));
            rows.versions.push(signed(leg.version));
            rows.states.push(serde_json::to_string(leg).map_err(json)?);
            rows.wakes.push(due_at(leg, rules));
            rows.woken.push(*woken);
            rows.doubts.push(leg.told.as_ref().and_then(|told| in_doubt_since(&told.state)));
            rows.traces.push(trace.as_ref().and_then(|trace| serde_json::to_string(trace).ok()));
            rows.times.push(entries.last().map_or(DateTime::UNIX_EPOCH, |e| e.recorded.at));
        }
        Ok(rows)
    }
}

async fn write_legs(
    conn: &mut PgConnection,
    changed: &[Changed],
    rules: &BTreeMap<Supplier, Policy>,
) -> Result<(), StoreError> {
    let (new, known): (Vec<_>, Vec<_>) = changed.iter().partition(|leg| leg.version_before == 0);
    let mut written = 0;
    if !new.is_empty() {
        written += insert_legs(conn, Legs::of(&new, rules)?).await?;
    }
    if !known.is_empty() {
        written += update_legs(conn, Legs::of(&known, rules)?).await?;
    }
    if usize::try_from(written) == Ok(changed.len()) { Ok(()) } else { Err(StoreError::Conflict) }
}

/// Inserts legs. One that somebody else made meanwhile stays as it is.
async fn insert_legs(conn: &mut PgConnection, rows: Legs) -> Result<u64, StoreError> {
    let written = sqlx::query(
        "insert into leg (leg_id, booking_id, supplier, version, state, wake_at, trace, changed_at,
                          doubt_since)
         select leg_id, booking_id, supplier, version, state::json, wake_at, trace::json,
                changed_at, doubt_since
           from unnest($1::uuid[], $2::uuid[], $3::text[], $4::bigint[], $5::text[],
                       $6::timestamptz[], $7::text[], $8::timestamptz[], $9::timestamptz[])
                as n (leg_id, booking_id, supplier, version, state, wake_at, trace, changed_at,
                      doubt_since)
         on conflict (leg_id) do nothing",
    )
    .bind(rows.ids)
    .bind(rows.bookings)
    .bind(rows.suppliers)
    .bind(rows.versions)
    .bind(rows.states)
    .bind(rows.wakes)
    .bind(rows.traces)
    .bind(rows.times)
    .bind(rows.doubts)
    .execute(conn)
    .await
    .map_err(database("writing new legs"))?;
    Ok(written.rows_affected())
}

/// Updates legs that are at the version they were loaded with.
///
/// A leg may be woken too early, which is found out then, but never too late: its time is moved
/// back by its waking alone, so that most changes leave the indexes as they are.
async fn update_legs(conn: &mut PgConnection, rows: Legs) -> Result<u64, StoreError> {
    let written = sqlx::query(
        "update leg as l
            set version = n.version, state = n.state::json, trace = n.trace::json,
                changed_at = n.changed_at, doubt_since = n.doubt_since,
                wake_at = case when n.woken then n.wake_at else least(l.wake_at, n.wake_at) end
           from unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::text[], $5::timestamptz[],
                       $6::boolean[], $7::text[], $8::timestamptz[], $9::timestamptz[])
                as n (leg_id, version_before, version, state, wake_at, woken, trace, changed_at,
                      doubt_since)
          where l.leg_id = n.leg_id and l.version = n.version_before",
    )
    .bind(rows.ids)
    .bind(rows.before)
    .bind(rows.versions)
    .bind(rows.states)
    .bind(rows.wakes)
    .bind(rows.woken)
    .bind(rows.traces)
    .bind(rows.times)
    .bind(rows.doubts)
    .execute(conn)
    .await
    .map_err(database("writing legs"))?;
    Ok(written.rows_affected())
}

fn in_doubt_since(told: &LegState) -> Option<DateTime<Utc>> {
    if let LegState::InDoubt { since } = told { Some(*since) } else { None }
}

async fn write_events(conn: &mut PgConnection, changed: &[Changed]) -> Result<(), StoreError> {
    let mut ids = Vec::new();
    let mut versions = Vec::new();
    let mut times = Vec::new();
    let mut events = Vec::new();
    let mut sources = Vec::new();
    let mut causes = Vec::new();
    let mut traces = Vec::new();
    let mut callbacks = Vec::new();
    for one in changed {
        for entry in &one.entries {
            let json = |error| corrupt("leg_event", &one.leg.leg_id, error);
            ids.push(one.leg.leg_id.0);
            versions.push(signed(entry.recorded.version));
            times.push(entry.recorded.at);
            events.push(serde_json::to_string(&entry.recorded.event).map_err(json)?);
            sources.push(entry.source);
            causes.push(entry.cause_id);
            traces.push(entry.trace_id.as_deref());
            callbacks.push(callback_of(&entry.recorded.event));
        }
    }
    sqlx::query(
        "insert into leg_event
                (leg_id, version, at, event, source, cause_id, trace_id, callback_id)
         select leg_id, version, at, event::json, source, cause_id, trace_id, callback_id
           from unnest($1::uuid[], $2::bigint[], $3::timestamptz[], $4::text[], $5::text[],
                       $6::uuid[], $7::text[], $8::uuid[])
                as n (leg_id, version, at, event, source, cause_id, trace_id, callback_id)",
    )
    .bind(&ids)
    .bind(&versions)
    .bind(&times)
    .bind(&events)
    .bind(&sources)
    .bind(&causes)
    .bind(&traces)
    .bind(&callbacks)
    .execute(conn)
    .await
    .map_err(database("writing the journal"))
    .map(drop)
}

fn callback_of(event: &Event) -> Option<Uuid> {
    let Event::Hinted { callback_id, .. } = event else { return None };
    callback_id.map(|id| id.0)
}

async fn write_attempts(conn: &mut PgConnection, changed: &[Changed]) -> Result<(), StoreError> {
    let mut suppliers = Vec::new();
    let mut references = Vec::new();
    let mut ids = Vec::new();
    let mut numbers = Vec::new();
    for one in changed {
        for (client_reference, number) in &one.attempts {
            suppliers.push(one.leg.order.supplier.word());
            references.push(client_reference.as_str());
            ids.push(one.leg.leg_id.0);
            numbers.push(i32::try_from(*number).unwrap_or(i32::MAX));
        }
    }
    if ids.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "insert into attempt (supplier, client_reference, leg_id, number)
         select * from unnest($1::text[], $2::text[], $3::uuid[], $4::integer[])",
    )
    .bind(&suppliers)
    .bind(&references)
    .bind(&ids)
    .bind(&numbers)
    .execute(conn)
    .await
    .map_err(database("writing attempts"))
    .map(drop)
}

async fn write_references(conn: &mut PgConnection, changed: &[Changed]) -> Result<(), StoreError> {
    let mut suppliers = Vec::new();
    let mut references = Vec::new();
    let mut ids = Vec::new();
    for one in changed {
        for reference in &one.references {
            suppliers.push(one.leg.order.supplier.word());
            references.push(reference.as_str());
            ids.push(one.leg.leg_id.0);
        }
    }
    if ids.is_empty() {
        return Ok(());
    }
    // A supplier that names one reservation to two legs is odd; callbacks about it go to the first.
    sqlx::query(
        "insert into reservation (supplier, reference, leg_id)
         select * from unnest($1::text[], $2::text[], $3::uuid[])
         on conflict do nothing",
    )
    .bind(&suppliers)
    .bind(&references)
    .bind(&ids)
    .execute(conn)
    .await
    .map_err(database("writing references"))
    .map(drop)
}

fn signed(version: u64) -> i64 {
    i64::try_from(version).unwrap_or(i64::MAX)
}
