//! Dead letters by what is wrong with them, and what stands around one in time.

use chrono::{DateTime, Utc};
use messaging::{StoreError, database};
use serde::Serialize;
use sqlx::{FromRow, PgConnection};
use uuid::Uuid;

/// Letters with one business cause: supplier, step and error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, FromRow)]
pub(crate) struct LetterCause {
    pub(crate) letter_cause_id: Uuid,
    /// Empty where none has to do with it.
    pub(crate) supplier: String,
    /// Who gave them up; empty for what no queue took.
    pub(crate) consumer: String,
    pub(crate) message_type: String,
    pub(crate) cause: String,
    pub(crate) error: String,
    pub(crate) parked: i64,
    pub(crate) replaying: i64,
    pub(crate) total: i64,
    pub(crate) first_at: DateTime<Utc>,
    pub(crate) last_at: DateTime<Utc>,
    /// A sample.
    pub(crate) newest_id: Uuid,
    /// How many came in each of the last 24 hours, the oldest first.
    pub(crate) hours: Vec<i64>,
}

/// Causes with letters that wait for somebody, the worst first; and the time.
pub(crate) async fn causes(
    conn: &mut PgConnection,
    only: Option<Uuid>,
    at_most: i64,
) -> Result<Vec<LetterCause>, StoreError> {
    sqlx::query_as(
        "with clock as (select date_trunc('hour', holdfast_now()) as hour)
         select c.letter_cause_id, c.supplier, c.consumer, c.message_type, c.cause, c.error,
                c.parked, c.replaying, c.total, c.first_at, c.last_at, c.newest_id, h.hours
           from letter_cause as c, clock, lateral (
                select array_agg(coalesce(h.letters, 0) order by at) as hours
                  from generate_series(clock.hour - interval '23 hours', clock.hour,
                                       interval '1 hour') as at
                  left join letter_cause_hour as h
                    on h.letter_cause_id = c.letter_cause_id and h.hour = at
           ) as h
          where case when $1::uuid is null then c.parked > 0 or c.replaying > 0
                     else c.letter_cause_id = $1 end
          order by c.cause = 'crash' desc, c.parked desc, c.first_at
          limit $2",
    )
    .bind(only)
    .bind(at_most)
    .fetch_all(conn)
    .await
    .map_err(database("reading causes of dead letters"))
}
