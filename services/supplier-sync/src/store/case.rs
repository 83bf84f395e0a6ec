//! What was found odd about suppliers.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use contracts::{
    ids::{BookingId, LegId},
    internal::SupplierCase,
};
use messaging::{StoreError, database};
use serde_json::Value;
use sqlx::PgConnection;
use uuid::Uuid;

use super::corrupt;

/// Something odd, as it was just seen.
#[derive(Debug, Clone)]
pub(crate) struct NewCase {
    pub(crate) supplier: &'static str,
    pub(crate) kind: &'static str,
    pub(crate) subject: String,
    pub(crate) leg: Option<(LegId, BookingId)>,
    pub(crate) ours: Value,
    pub(crate) theirs: Value,
}

/// Opens cases, or counts those that were seen before.
///
/// In one order, so that two who see the same never wait for each other in a circle.
pub(crate) async fn open_cases(
    conn: &mut PgConnection,
    cases: impl IntoIterator<Item = &NewCase>,
) -> Result<(), StoreError> {
    let key = |case: &NewCase| (case.supplier, case.kind, case.subject.clone());
    let cases: BTreeMap<_, _> = cases.into_iter().map(|case| (key(case), case)).collect();
    if cases.is_empty() {
        return Ok(());
    }
    let all = || cases.values();
    let legs: Vec<Option<Uuid>> = all().map(|case| case.leg.map(|(leg, _)| leg.0)).collect();
    let bookings: Vec<_> = all().map(|case| case.leg.map(|(_, booking)| booking.0)).collect();
    sqlx::query(
        "insert into supplier_case as c
                (case_id, supplier, kind, subject, leg_id, booking_id, ours, theirs, opened_at,
                 last_at, times)
         select gen_random_uuid(), supplier, kind, subject, leg_id, booking_id, ours::json,
                theirs::json, holdfast_now(), holdfast_now(), 1
           from unnest($1::text[], $2::text[], $3::text[], $4::uuid[], $5::uuid[], $6::text[],
                       $7::text[])
                as n (supplier, kind, subject, leg_id, booking_id, ours, theirs)
         on conflict on constraint supplier_case_once do update
            set last_at = excluded.last_at, times = c.times + 1, ours = excluded.ours,
                theirs = excluded.theirs",
    )
    .bind(all().map(|case| case.supplier).collect::<Vec<_>>())
    .bind(all().map(|case| case.kind).collect::<Vec<_>>())
    .bind(all().map(|case| case.subject.as_str()).collect::<Vec<_>>())
    .bind(legs)
    .bind(bookings)
    .bind(all().map(|case| case.ours.to_string()).collect::<Vec<_>>())
    .bind(all().map(|case| case.theirs.to_string()).collect::<Vec<_>>())
    .execute(conn)
    .await
    .map_err(database("writing cases"))
    .map(drop)
}

#[derive(sqlx::FromRow)]
struct Row {
    case_id: Uuid,
    supplier: String,
    kind: String,
    subject: String,
    leg_id: Option<Uuid>,
    booking_id: Option<Uuid>,
    ours: String,
    theirs: String,
    opened_at: DateTime<Utc>,
    last_at: DateTime<Utc>,
    times: i32,
}

/// The newest cases.
pub(crate) async fn cases(
    conn: &mut PgConnection,
    at_most: i64,
) -> Result<Vec<SupplierCase>, StoreError> {
    let rows: Vec<Row> = sqlx::query_as(
        "select case_id, supplier, kind, subject, leg_id, booking_id, ours::text, theirs::text,
                opened_at, last_at, times
           from supplier_case order by opened_at desc, case_id limit $1",
    )
    .bind(at_most)
    .fetch_all(conn)
    .await
    .map_err(database("reading cases"))?;
    rows.into_iter().map(shown).collect()
}

fn shown(row: Row) -> Result<SupplierCase, StoreError> {
    let json = |text: &str| {
        serde_json::from_str(text).map_err(|error| corrupt("supplier_case", &row.case_id, error))
    };
    Ok(SupplierCase {
        case_id: row.case_id,
        supplier: row
            .supplier
            .parse()
            .map_err(|error| corrupt("supplier_case", &row.case_id, error))?,
        ours: json(&row.ours)?,
        theirs: json(&row.theirs)?,
        kind: row.kind,
        subject: row.subject,
        booking_id: row.booking_id.map(BookingId),
        leg_id: row.leg_id.map(LegId),
        opened_at: row.opened_at,
        last_at: row.last_at,
        times: u32::try_from(row.times).unwrap_or(0),
    })
}
