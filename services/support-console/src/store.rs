//! All SQL of the support console.

use chrono::{DateTime, Utc};
use messaging::{StoreError, database};
use serde::Serialize;
use serde_json::value::RawValue;
use sqlx::{FromRow, PgConnection};
use uuid::Uuid;

use crate::parked::DeadLetter;

/// What a list shows of a dead letter.
#[derive(Debug, Clone, PartialEq, Serialize, FromRow)]
pub(crate) struct Summary {
    pub(crate) dead_letter_id: Uuid,
    pub(crate) queue: String,
    pub(crate) consumer: Option<String>,
    pub(crate) cause: String,
    pub(crate) detail: Option<String>,
    pub(crate) message_id: Uuid,
    pub(crate) message_type: Option<String>,
    pub(crate) attempt: i32,
    pub(crate) attempts: i32,
    pub(crate) exchange: String,
    pub(crate) routing_key: String,
    pub(crate) subject: Option<Uuid>,
    pub(crate) booking_id: Option<Uuid>,
    pub(crate) trace_id: Option<String>,
    pub(crate) first_at: DateTime<Utc>,
    pub(crate) last_at: DateTime<Utc>,
    pub(crate) parked_at: DateTime<Utc>,
}

/// A dead letter with all that came with it.
pub(crate) struct Whole {
    pub(crate) summary: Summary,
    pub(crate) headers: Box<RawValue>,
    pub(crate) body: Vec<u8>,
}

/// Where a list goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct After {
    pub(crate) parked_at: DateTime<Utc>,
    pub(crate) dead_letter_id: Uuid,
}

/// What a list is narrowed by.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Filter {
    pub(crate) consumer: Option<String>,
    pub(crate) cause: Option<String>,
    pub(crate) booking_id: Option<Uuid>,
}

/// Keeps dead letters; one that is here already stays as it is.
pub(crate) async fn insert(
    conn: &mut PgConnection,
    letters: &[DeadLetter],
) -> Result<(), StoreError> {
    let headers = letters.iter().map(|letter| {
        serde_json::to_string(&letter.headers).map_err(|source| StoreError::Corrupt {
            table: "dead_letter",
            id: letter.dead_letter_id.to_string(),
            source: Box::new(source),
        })
    });
    let headers = headers.collect::<Result<Vec<_>, _>>()?;
    let text = |of: fn(&DeadLetter) -> &str| letters.iter().map(of).collect::<Vec<_>>();
    let maybe = |of: fn(&DeadLetter) -> Option<&str>| letters.iter().map(of).collect::<Vec<_>>();
    sqlx::query(
        "insert into dead_letter (dead_letter_id, queue, message_id, attempt, attempts,
                                  message_type, consumer, cause, detail, exchange, routing_key,
                                  headers, body, subject, booking_id, trace_id, first_at, last_at,
                                  parked_at)
         select dead_letter_id, queue, message_id, attempt, attempts, message_type, consumer, cause,
                detail, exchange, routing_key, headers::json, body, subject, booking_id, trace_id,
                coalesce(first_at, now), coalesce(last_at, now), now
           from unnest($1::uuid[], $2::text[], $3::uuid[], $4::integer[], $5::integer[], $6::text[],
                       $7::text[], $8::text[], $9::text[], $10::text[], $11::text[], $12::text[],
                       $13::bytea[], $14::uuid[], $15::uuid[], $16::text[], $17::timestamptz[],
                       $18::timestamptz[])
                as n (dead_letter_id, queue, message_id, attempt, attempts, message_type, consumer,
                      cause, detail, exchange, routing_key, headers, body, subject, booking_id,
                      trace_id, first_at, last_at),
                (select holdfast_now() as now) as clock
         on conflict do nothing",
    )
    .bind(letters.iter().map(|letter| letter.dead_letter_id).collect::<Vec<_>>())
    .bind(text(|letter| &letter.queue))
    .bind(letters.iter().map(|letter| letter.message_id).collect::<Vec<_>>())
    .bind(letters.iter().map(|letter| letter.attempt).collect::<Vec<_>>())
    .bind(letters.iter().map(|letter| letter.attempts).collect::<Vec<_>>())
    .bind(maybe(|letter| letter.message_type.as_deref()))
    .bind(maybe(|letter| letter.consumer.as_deref()))
    .bind(text(|letter| &letter.cause))
    .bind(maybe(|letter| letter.detail.as_deref()))
    .bind(text(|letter| &letter.exchange))
    .bind(text(|letter| &letter.routing_key))
    .bind(headers)
    .bind(letters.iter().map(|letter| letter.body.as_slice()).collect::<Vec<_>>())
    .bind(letters.iter().map(|letter| letter.subject).collect::<Vec<_>>())
    .bind(letters.iter().map(|letter| letter.booking_id).collect::<Vec<_>>())
    .bind(maybe(|letter| letter.trace_id.as_deref()))
    .bind(letters.iter().map(|letter| letter.first_at).collect::<Vec<_>>())
    .bind(letters.iter().map(|letter| letter.last_at).collect::<Vec<_>>())
    .execute(conn)
    .await
    .map_err(database("parking dead letters"))
    .map(drop)
}

/// Lists dead letters, the newest first.
pub(crate) async fn list(
    conn: &mut PgConnection,
    filter: &Filter,
    after: Option<After>,
    at_most: i64,
) -> Result<Vec<Summary>, StoreError> {
    sqlx::query_as(
        "select dead_letter_id, queue, consumer, cause, detail, message_id, message_type, attempt,
                attempts, exchange, routing_key, subject, booking_id, trace_id, first_at, last_at,
                parked_at
           from dead_letter
          where ($1::timestamptz is null or (parked_at, dead_letter_id) < ($1, $2))
            and ($3::text is null or consumer = $3)
            and ($4::text is null or cause = $4)
            and ($5::uuid is null or booking_id = $5)
          order by parked_at desc, dead_letter_id desc
          limit $6",
    )
    .bind(after.map(|after| after.parked_at))
    .bind(after.map(|after| after.dead_letter_id))
    .bind(&filter.consumer)
    .bind(&filter.cause)
    .bind(filter.booking_id)
    .bind(at_most)
    .fetch_all(conn)
    .await
    .map_err(database("listing dead letters"))
}

/// Reads one dead letter.
pub(crate) async fn load(conn: &mut PgConnection, id: Uuid) -> Result<Option<Whole>, StoreError> {
    let summary: Option<Summary> = sqlx::query_as(
        "select dead_letter_id, queue, consumer, cause, detail, message_id, message_type, attempt,
                attempts, exchange, routing_key, subject, booking_id, trace_id, first_at, last_at,
                parked_at
           from dead_letter where dead_letter_id = $1",
    )
    .bind(id)
    .fetch_optional(&mut *conn)
    .await
    .map_err(database("reading a dead letter"))?;
    let Some(summary) = summary else { return Ok(None) };
    let (headers, body): (String, Vec<u8>) =
        sqlx::query_as("select headers::text, body from dead_letter where dead_letter_id = $1")
            .bind(id)
            .fetch_one(conn)
            .await
            .map_err(database("reading a dead letter's body"))?;
    let headers = RawValue::from_string(headers).map_err(|source| StoreError::Corrupt {
        table: "dead_letter",
        id: id.to_string(),
        source: Box::new(source),
    })?;
    Ok(Some(Whole { summary, headers, body }))
}
