//! Comparisons of a supplier's whole list with ours: how far each is, and what it found.

use chrono::{DateTime, Utc};
use contracts::{
    ids::LegId,
    internal::{ComparisonOutcome, ComparisonStanding},
    supplier::Supplier,
};
use messaging::{StoreError, database};
use sqlx::PgConnection;
use suppliers::Listed;
use uuid::Uuid;

use super::corrupt;

/// A step of a comparison that is this process's to make.
#[derive(Debug, sqlx::FromRow)]
pub(crate) struct Step {
    pub(crate) comparison_id: Uuid,
    pub(crate) supplier: String,
    pub(crate) made_from: DateTime<Utc>,
    pub(crate) begun_at: DateTime<Utc>,
    pub(crate) stage: String,
    pub(crate) next_page: Option<String>,
    pub(crate) after_leg: Option<Uuid>,
    pub(crate) failures: i32,
    /// Until when nobody else makes it; whoever makes it later does so until another time.
    pub(crate) due_at: DateTime<Utc>,
}

/// What one step found.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Count {
    pub(crate) pages: i32,
    pub(crate) listed: i32,
    pub(crate) differing: i32,
    pub(crate) missing: i32,
    pub(crate) unknown: i32,
}

/// Begins a comparison of everything made since the oldest leg that may still be at the supplier,
/// and of at least a week; nothing where one is under way, or was begun since `unless_since`.
///
/// The night's comparison needs a leg that was there before the night, and the oldest has the
/// lowest id: an empty system compares nothing.
pub(crate) async fn begin_comparison(
    conn: &mut PgConnection,
    supplier: Supplier,
    asked_by: Option<&str>,
    unless_since: Option<DateTime<Utc>>,
) -> Result<bool, StoreError> {
    let begun = sqlx::query(
        "insert into comparison (comparison_id, supplier, asked_by, made_from, begun_at, stage,
                                 due_at)
         select gen_random_uuid(), $1, $2,
                least(holdfast_now() - interval '7 days',
                      (select min(e.at) from leg as l join leg_event as e on e.leg_id = l.leg_id
                        where l.supplier = $1 and l.wake_at is not null and e.version = 1)
                      - interval '1 hour'),
                holdfast_now(), 'listing', holdfast_now()
          where $3::timestamptz is null
             or (not exists (select from comparison as c
                              where c.supplier = $1 and c.begun_at >= $3)
                 and (select e.at from leg_event as e
                       where e.version = 1
                         and e.leg_id = (select l.leg_id from leg as l where l.supplier = $1
                                          order by l.leg_id limit 1)) < $3)
         on conflict do nothing",
    )
    .bind(supplier.word())
    .bind(asked_by)
    .bind(unless_since)
    .execute(conn)
    .await
    .map_err(database("beginning a comparison"))?;
    Ok(begun.rows_affected() == 1)
}

/// Takes the step that is due first, for so many seconds.
pub(crate) async fn claim_comparison(
    conn: &mut PgConnection,
    for_s: f64,
) -> Result<Option<Step>, StoreError> {
    sqlx::query_as(
        "update comparison set due_at = holdfast_now() + make_interval(secs => $1)
          where comparison_id = (select comparison_id from comparison
                                  where ended_at is null and due_at <= holdfast_now()
                                  order by due_at limit 1 for update skip locked)
         returning comparison_id, supplier, made_from, begun_at, stage, next_page, after_leg,
                   failures, due_at",
    )
    .bind(for_s)
    .fetch_optional(conn)
    .await
    .map_err(database("taking a comparison"))
}

/// Lets the step be made later, unless another makes it by now; `failed` counts those that failed
/// in a row.
pub(crate) async fn delay_comparison(
    conn: &mut PgConnection,
    step: &Step,
    for_s: f64,
    failed: bool,
) -> Result<(), StoreError> {
    sqlx::query(
        "update comparison
            set due_at = holdfast_now() + make_interval(secs => $2),
                failures = failures + case when $3 then 1 else 0 end
          where comparison_id = $1 and ended_at is null and due_at = $4",
    )
    .bind(step.comparison_id)
    .bind(for_s)
    .bind(failed)
    .bind(step.due_at)
    .execute(conn)
    .await
    .map_err(database("putting a comparison off"))
    .map(drop)
}

/// Notes what a page showed; without a next page our own legs are next.
pub(crate) async fn page_compared(
    conn: &mut PgConnection,
    step: &Step,
    references: &[&str],
    next: Option<&str>,
    count: Count,
) -> Result<(), StoreError> {
    sqlx::query(
        "insert into comparison_listed (comparison_id, reference)
         select $1, * from unnest($2::text[]) on conflict do nothing",
    )
    .bind(step.comparison_id)
    .bind(references)
    .execute(&mut *conn)
    .await
    .map_err(database("noting what is listed"))?;
    let stage = if next.is_some() { "listing" } else { "missing" };
    step_done(conn, step, (stage, next, None), count).await
}

/// Notes that the legs up to `after` were looked for on the pages; without one, all were.
pub(crate) async fn legs_compared(
    conn: &mut PgConnection,
    step: &Step,
    after: Option<LegId>,
    count: Count,
) -> Result<(), StoreError> {
    let stage = if after.is_some() { "missing" } else { "done" };
    step_done(&mut *conn, step, (stage, None, after), count).await?;
    if after.is_none() { forget_listed(conn, step.comparison_id).await } else { Ok(()) }
}

/// Ends a comparison that cannot go on.
pub(crate) async fn give_up_comparison(
    conn: &mut PgConnection,
    step: &Step,
) -> Result<(), StoreError> {
    step_done(&mut *conn, step, ("given_up", None, None), Count::default()).await?;
    forget_listed(conn, step.comparison_id).await
}

/// # Errors
/// [`StoreError::Conflict`] when the step took so long that another may have made it: what it found
/// counts once.
async fn step_done(
    conn: &mut PgConnection,
    step: &Step,
    (stage, next_page, after_leg): (&str, Option<&str>, Option<LegId>),
    count: Count,
) -> Result<(), StoreError> {
    let written = sqlx::query(
        "update comparison
            set stage = $2, next_page = $3, after_leg = $4, failures = 0, due_at = holdfast_now(),
                pages = pages + $5, listed = listed + $6, differing = differing + $7,
                missing = missing + $8, unknown = unknown + $9,
                ended_at = case when $2 in ('done', 'given_up') then holdfast_now() end
          where comparison_id = $1 and ended_at is null and due_at = $10",
    )
    .bind(step.comparison_id)
    .bind(stage)
    .bind(next_page)
    .bind(after_leg.map(|leg_id| leg_id.0))
    .bind(count.pages)
    .bind(count.listed)
    .bind(count.differing)
    .bind(count.missing)
    .bind(count.unknown)
    .bind(step.due_at)
    .execute(conn)
    .await
    .map_err(database("noting how far a comparison is"))?;
    if written.rows_affected() == 1 { Ok(()) } else { Err(StoreError::Conflict) }
}

/// A supplier whose list was not compared with ours.
#[derive(Debug, sqlx::FromRow)]
pub(crate) struct NotCompared {
    pub(crate) supplier: String,
    pub(crate) begun_at: DateTime<Utc>,
    pub(crate) given_up: bool,
}

/// Suppliers whose newest comparison was given up, or has been going on for most of a day.
pub(crate) async fn not_compared(conn: &mut PgConnection) -> Result<Vec<NotCompared>, StoreError> {
    sqlx::query_as(
        "select supplier, begun_at, stage = 'given_up' as given_up
           from (select distinct on (supplier) supplier, begun_at, stage, ended_at
                   from comparison order by supplier, begun_at desc) as newest
          where stage = 'given_up'
             or (ended_at is null and begun_at < holdfast_now() - interval '20 hours')",
    )
    .fetch_all(conn)
    .await
    .map_err(database("reading which lists were not compared"))
}

async fn forget_listed(conn: &mut PgConnection, comparison_id: Uuid) -> Result<(), StoreError> {
    sqlx::query("delete from comparison_listed where comparison_id = $1")
        .bind(comparison_id)
        .execute(conn)
        .await
        .map_err(database("forgetting what is listed"))
        .map(drop)
}

/// The leg of each listed reservation, in order, by our reference or by the supplier's, and when it
/// changed last; nothing for what no leg knows.
pub(crate) async fn legs_of_listed(
    conn: &mut PgConnection,
    supplier: Supplier,
    listed: &[Listed],
) -> Result<Vec<Option<(LegId, DateTime<Utc>)>>, StoreError> {
    let rows: Vec<(Option<Uuid>, Option<DateTime<Utc>>)> = sqlx::query_as(
        "select l.leg_id, l.changed_at
           from unnest($2::text[], $3::text[]) with ordinality
                as n (client_reference, reference, place)
           left join attempt as a
             on a.supplier = $1 and a.client_reference = n.client_reference
           left join reservation as r on r.supplier = $1 and r.reference = n.reference
           left join leg as l on l.leg_id = coalesce(a.leg_id, r.leg_id)
          order by n.place",
    )
    .bind(supplier.word())
    .bind(listed.iter().map(|one| ours(one.client_reference.as_deref())).collect::<Vec<_>>())
    .bind(listed.iter().map(|one| one.seen.reference.as_str()).collect::<Vec<_>>())
    .fetch_all(conn)
    .await
    .map_err(database("finding the legs of what is listed"))?;
    Ok(rows.into_iter().map(|(leg, at)| Some((LegId(leg?), at?))).collect())
}

/// A client reference that may be ours: what has a character that no text column takes is not.
fn ours(named: Option<&str>) -> Option<&str> {
    named.filter(|named| !named.contains('\0'))
}

/// Legs after `after`, in order, that may be at the supplier and have been left alone since
/// `unchanged_since`.
pub(crate) async fn legs_at(
    conn: &mut PgConnection,
    supplier: Supplier,
    after: Option<Uuid>,
    unchanged_since: DateTime<Utc>,
    at_most: i64,
) -> Result<Vec<Uuid>, StoreError> {
    sqlx::query_scalar(
        "select leg_id from leg
          where supplier = $1 and wake_at is not null and leg_id > $2
            and changed_at <= $3
          order by leg_id limit $4",
    )
    .bind(supplier.word())
    .bind(after.unwrap_or_default())
    .bind(unchanged_since)
    .bind(at_most)
    .fetch_all(conn)
    .await
    .map_err(database("listing legs at a supplier"))
}

/// Which of these references were on no page.
pub(crate) async fn not_listed(
    conn: &mut PgConnection,
    comparison_id: Uuid,
    references: &[&str],
) -> Result<Vec<String>, StoreError> {
    sqlx::query_scalar(
        "select reference from unnest($2::text[]) as n (reference)
          where not exists (select from comparison_listed as c
                             where c.comparison_id = $1 and c.reference = n.reference)",
    )
    .bind(comparison_id)
    .bind(references)
    .fetch_all(conn)
    .await
    .map_err(database("looking for what is not listed"))
}

#[derive(sqlx::FromRow)]
struct Row {
    comparison_id: Uuid,
    supplier: String,
    asked_by: Option<String>,
    begun_at: DateTime<Utc>,
    stage: String,
    pages: i32,
    listed: i32,
    differing: i32,
    missing: i32,
    unknown: i32,
    ended_at: Option<DateTime<Utc>>,
    open_cases: i64,
}

/// The newest comparison with a supplier, and how many cases about its reservations are open now.
pub(crate) async fn newest_comparison(
    conn: &mut PgConnection,
    supplier: Supplier,
) -> Result<Option<ComparisonStanding>, StoreError> {
    let row: Option<Row> = sqlx::query_as(
        "select comparison_id, supplier, asked_by, begun_at, stage, pages, listed, differing,
                missing, unknown, ended_at,
                (select count(*) from supplier_case
                  where supplier = $1 and kind <> 'contract' and closed_at is null) as open_cases
           from comparison where supplier = $1 order by begun_at desc limit 1",
    )
    .bind(supplier.word())
    .fetch_optional(conn)
    .await
    .map_err(database("reading a comparison"))?;
    row.map(shown).transpose()
}

fn shown(row: Row) -> Result<ComparisonStanding, StoreError> {
    let count = |n: i32| u32::try_from(n).unwrap_or(0);
    Ok(ComparisonStanding {
        comparison_id: row.comparison_id,
        supplier: row
            .supplier
            .parse()
            .map_err(|error| corrupt("comparison", &row.comparison_id, error))?,
        asked_by: row.asked_by,
        begun_at: row.begun_at,
        ended_at: row.ended_at,
        outcome: match row.stage.as_str() {
            "done" => ComparisonOutcome::Done,
            "given_up" => ComparisonOutcome::GivenUp,
            _ => ComparisonOutcome::UnderWay,
        },
        pages: count(row.pages),
        listed: count(row.listed),
        differing: count(row.differing),
        missing: count(row.missing),
        unknown: count(row.unknown),
        open_cases: u32::try_from(row.open_cases).unwrap_or(u32::MAX),
    })
}
