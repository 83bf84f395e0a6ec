//! What was found odd about suppliers.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use contracts::{
    ids::{BookingId, LegId},
    internal::{CaseClosed, SupplierCase},
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
                theirs = excluded.theirs,
                closed_at = case when c.kind <> 'contract' and c.ours::text = excluded.ours::text
                                  and c.theirs::text = excluded.theirs::text
                            then c.closed_at end,
                opened_at = case when c.closed_at is null
                                   or (c.kind <> 'contract'
                                       and c.ours::text = excluded.ours::text
                                       and c.theirs::text = excluded.theirs::text)
                            then c.opened_at else excluded.opened_at end",
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
    closed_at: Option<DateTime<Utc>>,
    closed_by: Option<String>,
    closed_why: Option<String>,
}

/// A case, with who closed it last.
macro_rules! cases_where {
    ($rest:literal) => {
        concat!(
            "select c.case_id, c.supplier, c.kind, c.subject, c.leg_id, c.booking_id,
                    c.ours::text, c.theirs::text, c.opened_at, c.last_at, c.times, c.closed_at,
                    z.staff as closed_by, z.why as closed_why
               from supplier_case as c
               left join lateral (select staff, why from supplier_case_closing as z
                                   where z.case_id = c.case_id
                                   order by z.at desc limit 1) as z on c.closed_at is not null ",
            $rest
        )
    };
}

/// The cases that are open, the oldest first.
pub(crate) async fn cases(
    conn: &mut PgConnection,
    at_most: i64,
) -> Result<Vec<SupplierCase>, StoreError> {
    let rows: Vec<Row> = sqlx::query_as(cases_where!(
        "where c.closed_at is null order by c.opened_at, c.case_id limit $1"
    ))
    .bind(at_most)
    .fetch_all(conn)
    .await
    .map_err(database("reading cases"))?;
    rows.into_iter().map(shown).collect()
}

/// One case, open or closed.
pub(crate) async fn case(
    conn: &mut PgConnection,
    case_id: Uuid,
) -> Result<Option<SupplierCase>, StoreError> {
    let row: Option<Row> = sqlx::query_as(cases_where!("where c.case_id = $1"))
        .bind(case_id)
        .fetch_optional(conn)
        .await
        .map_err(database("reading a case"))?;
    row.map(shown).transpose()
}

/// Closes a case, unless it is closed, with who did and why; says whether it was open.
pub(crate) async fn close_case(
    conn: &mut PgConnection,
    case_id: Uuid,
    staff: &str,
    why: &str,
) -> Result<bool, StoreError> {
    let closed = sqlx::query(
        "with closed as (update supplier_case set closed_at = holdfast_now()
                          where case_id = $1 and closed_at is null
                         returning case_id, closed_at)
         insert into supplier_case_closing (case_id, at, staff, why)
         select case_id, closed_at, $2, $3 from closed",
    )
    .bind(case_id)
    .bind(staff)
    .bind(why)
    .execute(conn)
    .await
    .map_err(database("closing a case"))?;
    Ok(closed.rows_affected() == 1)
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
        closed: row.closed_at.map(|at| CaseClosed {
            staff: row.closed_by.unwrap_or_default(),
            why: row.closed_why.unwrap_or_default(),
            at,
        }),
    })
}
