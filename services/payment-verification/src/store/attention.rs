//! Money that should be back by now, and cases that nobody closed.

use std::time::Duration;

use chrono::{DateTime, Utc};
use contracts::{
    ids::BookingId,
    internal::{AttentionItem, AttentionKind},
};
use messaging::{StoreError, database};
use sqlx::{FromRow, PgPool};
use uuid::Uuid;

#[derive(FromRow)]
struct Row {
    booking_id: Uuid,
    what: String,
    since: DateTime<Utc>,
}

impl Row {
    fn read(self, kind: AttentionKind) -> AttentionItem {
        let (what, since) = (self.what, self.since);
        AttentionItem { kind, booking_id: Some(BookingId(self.booking_id)), what, since, by: None }
    }
}

/// Refunds that got their address longer ago than they may take and did not arrive, the oldest
/// first. One that failed is left out once another one of its payment makes up for it.
pub(crate) async fn refunds(
    pool: &PgPool,
    for_max: Duration,
    at_most: i64,
) -> Result<Vec<AttentionItem>, StoreError> {
    let rows: Vec<Row> = sqlx::query_as(
        "select booking_id, 'a refund is ' || state as what,
             greatest(addressed_at, approved_at) as since
         from refund r
         where state <> 'confirmed' and approval <> 'waits'
             and greatest(addressed_at, approved_at)
                 <= holdfast_now() - make_interval(secs => $1)
             and not (state = 'failed' and exists (
                 select from refund later
                 where later.payment_id = r.payment_id and later.state <> 'failed'
                     and later.granted_at >= r.granted_at and later.units >= r.units))
         order by since, refund_id limit $2",
    )
    .bind(for_max.as_secs_f64())
    .bind(at_most)
    .fetch_all(pool)
    .await
    .map_err(database("reading which refunds are late"))?;
    Ok(rows.into_iter().map(|row| row.read(AttentionKind::Refund)).collect())
}

/// Refunds that wait for a second person, the oldest first.
pub(crate) async fn unapproved(
    pool: &PgPool,
    at_most: i64,
) -> Result<Vec<AttentionItem>, StoreError> {
    let rows: Vec<Row> = sqlx::query_as(
        "select booking_id, 'a refund waits for a second person' as what, granted_at as since
         from refund where approval = 'waits' and state = 'granted'
         order by granted_at, refund_id limit $1",
    )
    .bind(at_most)
    .fetch_all(pool)
    .await
    .map_err(database("reading which refunds wait for a second person"))?;
    Ok(rows.into_iter().map(|row| row.read(AttentionKind::Refund)).collect())
}

/// Open cases, the newest first: many old ones must not hide what happens now.
pub(crate) async fn cases(pool: &PgPool, at_most: i64) -> Result<Vec<AttentionItem>, StoreError> {
    let rows: Vec<Row> = sqlx::query_as(
        "select booking_id, 'case: ' || replace(reason, '_', ' ') as what, opened_at as since
         from payment_case where closed_at is null
         order by opened_at desc, case_id desc limit $1",
    )
    .bind(at_most)
    .fetch_all(pool)
    .await
    .map_err(database("reading which cases are open"))?;
    Ok(rows.into_iter().map(|row| row.read(AttentionKind::Case)).collect())
}
