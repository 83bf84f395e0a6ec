//! Messages that fail again and again and wait for their next try.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use contracts::{
    envelope::header,
    internal::{AttentionItem, AttentionKind, AttentionReply},
};
use serde_json::Value;

use super::Messaging;
use crate::failure::{StoreError, database};

/// Fewer tries are the way of the world.
const TRIES_MIN: i32 = 3;
const ITEMS_MAX: usize = 200;

#[derive(sqlx::FromRow)]
struct Retry {
    attempt: i32,
    headers: Value,
    created_at: DateTime<Utc>,
    available_at: DateTime<Utc>,
}

impl Messaging {
    /// What is tried again here for the third time or later, the most tried first.
    ///
    /// # Errors
    /// When the database fails.
    pub(super) async fn retrying(&self) -> Result<AttentionReply, StoreError> {
        // A dead letter has the attempt at which it was given up, and goes to another queue.
        let rows: Vec<Retry> = sqlx::query_as(
            "select attempt, headers, created_at, available_at from outbox
              where attempt >= $1 and routing_key not like '%.dead'
              order by attempt desc, created_at limit $2",
        )
        .bind(TRIES_MIN)
        .bind(i64::try_from(ITEMS_MAX).unwrap_or(i64::MAX) + 1)
        .fetch_all(self.pool())
        .await
        .map_err(database("reading retries"))?;
        let more = rows.len() > ITEMS_MAX;
        let mut counts = BTreeMap::new();
        if more {
            counts.insert(AttentionKind::Retrying, self.count_retrying().await?);
        }
        let items = rows.iter().take(ITEMS_MAX).map(item).collect();
        Ok(AttentionReply { owner: self.inner.speaker.service.to_owned(), items, more, counts })
    }

    async fn count_retrying(&self) -> Result<u64, StoreError> {
        let count: i64 = sqlx::query_scalar(
            "select count(*) from outbox where attempt >= $1 and routing_key not like '%.dead'",
        )
        .bind(TRIES_MIN)
        .fetch_one(self.pool())
        .await
        .map_err(database("counting retries"))?;
        Ok(u64::try_from(count).unwrap_or_default())
    }
}

fn item(retry: &Retry) -> AttentionItem {
    let text = |name: &str| retry.headers.get(name).and_then(Value::as_str);
    let since = text(header::TIME).and_then(|at| DateTime::parse_from_rfc3339(at).ok());
    let name = text(header::TYPE).unwrap_or("a message");
    AttentionItem {
        kind: AttentionKind::Retrying,
        booking_id: text(header::SUBJECT).and_then(|id| id.parse().ok()),
        what: format!("{name} failed {} times", retry.attempt),
        since: since.map_or(retry.created_at, |at| at.with_timezone(&Utc)),
        by: Some(retry.available_at),
    }
}
