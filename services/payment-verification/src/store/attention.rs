//! Money that should be back by now, money that waits for a second person, and cases that nobody
//! closed.

use std::time::Duration;

use chrono::{DateTime, Utc};
use contracts::{
    ids::BookingId,
    internal::{AttentionItem, AttentionKind},
};
use messaging::{StoreError, database};
use sqlx::{FromRow, PgPool};
use uuid::Uuid;

use super::unsigned;

/// Things of one kind that wait for somebody.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub(crate) kind: AttentionKind,
    /// The first of them.
    pub(crate) items: Vec<AttentionItem>,
    /// How many there are.
    pub(crate) count: u64,
}

#[derive(FromRow)]
struct Row {
    booking_id: Uuid,
    what: String,
    since: DateTime<Utc>,
    count: i64,
}

impl Waiting {
    fn of(kind: AttentionKind, rows: Vec<Row>) -> Self {
        let count = rows.first().map_or(0, |row| unsigned(row.count));
        let item = |row: Row| AttentionItem {
            kind,
            booking_id: Some(BookingId(row.booking_id)),
            what: row.what,
            since: row.since,
            by: None,
        };
        Self { kind, items: rows.into_iter().map(item).collect(), count }
    }
}

fn limit(at_most: usize) -> i64 {
    i64::try_from(at_most).unwrap_or(i64::MAX)
}

/// A refund that waits longer than this for a rate needs a person: the sources are away, or are not
/// believed.
const RATE_WITHIN_S: f64 = 60.0;

/// Refunds that got their address longer ago than they may take and did not arrive, the oldest
/// first, and those for which there is no rate. One that failed is left out once another one of its
/// payment makes up for it.
pub(crate) async fn refunds(
    pool: &PgPool,
    for_max: Duration,
    at_most: usize,
) -> Result<Waiting, StoreError> {
    let rows: Vec<Row> = sqlx::query_as(
        "select booking_id, what, since, count(*) over () as count
         from (
             select refund_id, booking_id, 'a refund is ' || state as what,
                 greatest(addressed_at, approved_at) as since
             from refund r
             where state <> 'confirmed' and approval <> 'waits' and rate_wanted_at is null
                 and greatest(addressed_at, approved_at)
                     <= holdfast_now() - make_interval(secs => $1)
                 and not (state = 'failed' and exists (
                     select from refund later
                     where later.payment_id = r.payment_id and later.state <> 'failed'
                         and later.granted_at >= r.granted_at and later.units >= r.units))
             union all
             select refund_id, booking_id, 'a refund waits for a rate', rate_wanted_at
             from refund
             where rate_wanted_at <= holdfast_now() - make_interval(secs => $3)
         ) as waiting
         order by since, refund_id limit $2",
    )
    .bind(for_max.as_secs_f64())
    .bind(limit(at_most))
    .bind(RATE_WITHIN_S)
    .fetch_all(pool)
    .await
    .map_err(database("reading which refunds are late"))?;
    Ok(Waiting::of(AttentionKind::Refund, rows))
}

/// Refunds that wait for a second person, the oldest first.
pub(crate) async fn unapproved(pool: &PgPool, at_most: usize) -> Result<Waiting, StoreError> {
    let rows: Vec<Row> = sqlx::query_as(
        "select booking_id, 'a refund waits for a second person' as what, granted_at as since,
             count(*) over () as count
         from refund where approval = 'waits' and state = 'granted'
         order by granted_at, refund_id limit $1",
    )
    .bind(limit(at_most))
    .fetch_all(pool)
    .await
    .map_err(database("reading which refunds wait for a second person"))?;
    Ok(Waiting::of(AttentionKind::Approval, rows))
}

/// Open cases, the newest first: many old ones must not hide what happens now.
pub(crate) async fn cases(pool: &PgPool, at_most: usize) -> Result<Waiting, StoreError> {
    let rows: Vec<Row> = sqlx::query_as(
        "select c.booking_id, 'case: ' || replace(c.reason, '_', ' ') as what,
             c.opened_at as since, open.count
         from payment_case c
             cross join (select count(*) from payment_case where closed_at is null) as open
         where c.closed_at is null
         order by c.opened_at desc, c.case_id desc limit $1",
    )
    .bind(limit(at_most))
    .fetch_all(pool)
    .await
    .map_err(database("reading which cases are open"))?;
    Ok(Waiting::of(AttentionKind::Case, rows))
}
