//! Money that should go back, and cases that nobody closed.

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
    is_refund: bool,
    booking_id: Uuid,
    what: String,
    since: DateTime<Utc>,
}

/// Refunds that did not arrive and open cases, the oldest first.
pub(crate) async fn list(pool: &PgPool, at_most: i64) -> Result<Vec<AttentionItem>, StoreError> {
    let rows: Vec<Row> = sqlx::query_as(
        "(select true as is_refund, booking_id,
                 case when addressed_at is null then 'a refund waits for the customer''s address'
                      else 'a refund is ' || state end as what,
                 coalesce(addressed_at, granted_at) as since
            from refund where state <> 'confirmed' order by granted_at limit $1)
         union all
         (select false, booking_id, 'case: ' || replace(reason, '_', ' '), opened_at
            from payment_case where closed_at is null order by opened_at limit $1)
         order by since limit $1",
    )
    .bind(at_most)
    .fetch_all(pool)
    .await
    .map_err(database("reading what needs a person"))?;
    let item = |row: Row| AttentionItem {
        kind: if row.is_refund { AttentionKind::Refund } else { AttentionKind::Case },
        booking_id: Some(BookingId(row.booking_id)),
        what: row.what,
        since: row.since,
        by: None,
    };
    Ok(rows.into_iter().map(item).collect())
}
