//! Addresses that may hold coin which only their balance tells of.

use chrono::{DateTime, Utc};
use contracts::{asset::Units, ids::PaymentId};
use messaging::{StoreError, database};
use sqlx::{FromRow, PgConnection, PgPool};
use uuid::Uuid;

use super::corrupt;

/// An address for a chain's own coin, and what is known to have come to it.
#[derive(Debug, Clone)]
pub(crate) struct Known {
    pub(crate) payment_id: PaymentId,
    pub(crate) address: String,
    pub(crate) received: Units,
}

#[derive(FromRow)]
struct Row {
    payment_id: Uuid,
    address: String,
    received: String,
}

impl Row {
    fn read(self) -> Result<Known, StoreError> {
        let received = Units::parse(&self.received)
            .map_err(|source| corrupt("transfer", self.payment_id, source))?;
        Ok(Known { payment_id: PaymentId(self.payment_id), address: self.address, received })
    }
}

/// Whether balances of this chain were ever looked at.
pub(crate) async fn is_looked_at(pool: &PgPool, chain: &str) -> Result<bool, StoreError> {
    let looked: Option<bool> =
        sqlx::query_scalar("select balances_looked_at is not null from watch where chain = $1")
            .bind(chain)
            .fetch_optional(pool)
            .await
            .map_err(database("reading whether balances are looked at"))?;
    Ok(looked.unwrap_or(false))
}

/// The time of the block at whose end balances were looked at last; nothing before the first look.
pub(crate) async fn looked_at(
    conn: &mut PgConnection,
    chain: &str,
) -> Result<Option<DateTime<Utc>>, StoreError> {
    let at: Option<Option<DateTime<Utc>>> =
        sqlx::query_scalar("select balances_looked_at from watch where chain = $1")
            .bind(chain)
            .fetch_optional(conn)
            .await
            .map_err(database("reading when balances were looked at"))?;
    Ok(at.flatten())
}

/// Notes that balances were looked at, at the end of a block of this time.
pub(crate) async fn look(
    conn: &mut PgConnection,
    chain: &str,
    stamped_at: DateTime<Utc>,
) -> Result<(), StoreError> {
    sqlx::query("update watch set balances_looked_at = $2 where chain = $1")
        .bind(chain)
        .bind(stamped_at)
        .execute(conn)
        .await
        .map_err(database("noting that balances were looked at"))
        .map(drop)
}

/// The newest addresses for a chain's own coin; their payments' ids are in the order of time.
pub(crate) async fn newest(
    pool: &PgPool,
    chain: &str,
    at_most: i64,
) -> Result<Vec<Known>, StoreError> {
    let rows: Vec<Row> = sqlx::query_as(
        "select a.payment_id, a.address, t.received from (
             select payment_id, address from address where native_chain = $1
             order by payment_id desc limit $2
         ) a cross join lateral (
             select coalesce(sum(units), 0)::text as received from transfer
             where payment_id = a.payment_id and stands
         ) t",
    )
    .bind(chain)
    .bind(at_most)
    .fetch_all(pool)
    .await
    .map_err(database("reading the newest addresses"))?;
    rows.into_iter().map(Row::read).collect()
}

/// The next addresses for a chain's own coin after one, the oldest first.
pub(crate) async fn after(
    pool: &PgPool,
    chain: &str,
    after: PaymentId,
    at_most: i64,
) -> Result<Vec<Known>, StoreError> {
    let rows: Vec<Row> = sqlx::query_as(
        "select a.payment_id, a.address, t.received from (
             select payment_id, address from address where native_chain = $1 and payment_id > $2
             order by payment_id limit $3
         ) a cross join lateral (
             select coalesce(sum(units), 0)::text as received from transfer
             where payment_id = a.payment_id and stands
         ) t order by a.payment_id",
    )
    .bind(chain)
    .bind(after.0)
    .bind(at_most)
    .fetch_all(pool)
    .await
    .map_err(database("reading addresses in turn"))?;
    rows.into_iter().map(Row::read).collect()
}
