//! Quotes: the durable copy of every price lock.

use chrono::{DateTime, Utc};
use contracts::ids::{AccountId, QuoteId};
use messaging::{StoreError, database};
use sqlx::{PgConnection, Row as _};
use uuid::Uuid;

use crate::quote::Quote;

/// Whether a quote can still become a booking.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ClaimState {
    Open,
    Expired,
    /// A booking took it.
    Claimed(Uuid),
}

/// Writes a quote down. Its life is counted by the database's clock.
pub(crate) async fn insert(
    conn: &mut PgConnection,
    quote: &Quote,
    terms: &str,
    body: &str,
) -> Result<(), StoreError> {
    sqlx::query(
        "insert into quote (quote_id, account_id, terms, body, expires_at)
         values ($1, $2, $3, $4::json, $5)",
    )
    .bind(quote.quote_id.0)
    .bind(quote.account_id.as_str())
    .bind(terms)
    .bind(body)
    .bind(quote.expires_at)
    .execute(conn)
    .await
    .map_err(database("writing a quote"))?;
    Ok(())
}

/// Reads an account's quote and how it stands now.
pub(crate) async fn load(
    conn: &mut PgConnection,
    account: &AccountId,
    quote_id: QuoteId,
) -> Result<Option<(Quote, ClaimState, DateTime<Utc>)>, StoreError> {
    let row = sqlx::query(
        "select body::text as body, claimed_by, expires_at > holdfast_now() as open,
                holdfast_now() as now
           from quote where quote_id = $1 and account_id = $2",
    )
    .bind(quote_id.0)
    .bind(account.as_str())
    .fetch_optional(conn)
    .await
    .map_err(database("reading a quote"))?;
    let Some(row) = row else { return Ok(None) };
    let get = database("reading a quote");
    let body: String = row.try_get("body").map_err(get)?;
    let claimed_by: Option<Uuid> =
        row.try_get("claimed_by").map_err(database("reading a quote"))?;
    let open: bool = row.try_get("open").map_err(database("reading a quote"))?;
    let now = row.try_get("now").map_err(database("reading a quote"))?;
    let quote = serde_json::from_str(&body).map_err(|source| StoreError::Corrupt {
        table: "quote",
        id: quote_id.to_string(),
        source: Box::new(source),
    })?;
    let state = match claimed_by {
        Some(booking) => ClaimState::Claimed(booking),
        None if open => ClaimState::Open,
        None => ClaimState::Expired,
    };
    Ok(Some((quote, state, now)))
}

/// Counts an account's open locks, for when Redis cannot.
pub(crate) async fn open_locks(
    conn: &mut PgConnection,
    account: &AccountId,
) -> Result<i64, StoreError> {
    sqlx::query_scalar(
        "select count(*) from quote
          where account_id = $1 and claimed_by is null and expires_at > holdfast_now()",
    )
    .bind(account.as_str())
    .fetch_one(conn)
    .await
    .map_err(database("counting open locks"))
}
