//! The journal of price checks. There is no leg yet when an offer is checked; the key to book with
//! says later which one rests on it.

use chrono::{DateTime, Utc};
use contracts::ids::BookingId;
use messaging::{StoreError, database};
use sha2::{Digest as _, Sha256};
use sqlx::PgConnection;
use uuid::Uuid;

/// One price check, as it is kept.
pub(crate) struct NewPriceCheck {
    pub(crate) check_id: Uuid,
    pub(crate) supplier: &'static str,
    /// The key to book with that it gave.
    pub(crate) book_key: Option<String>,
    pub(crate) status: Option<u16>,
    pub(crate) outcome: &'static str,
    pub(crate) detail: Option<String>,
    pub(crate) request_sealed: Option<Vec<u8>>,
    pub(crate) reply_sealed: Option<Vec<u8>>,
    pub(crate) took_ms: i32,
}

/// One that a leg was ordered by, without what was sent and answered.
#[derive(sqlx::FromRow)]
pub(crate) struct PriceChecked {
    pub(crate) leg_id: Uuid,
    pub(crate) supplier: String,
    pub(crate) status: Option<i32>,
    pub(crate) outcome: String,
    pub(crate) detail: Option<String>,
    pub(crate) began_at: DateTime<Utc>,
    pub(crate) took_ms: i32,
}

/// What a sealed column of a price check is sealed for.
pub(crate) fn price_check_place(check_id: Uuid, column: &str) -> String {
    format!("price_check/{check_id}/{column}")
}

/// Writes one that ended just now.
pub(crate) async fn keep_price_check(
    conn: &mut PgConnection,
    check: &NewPriceCheck,
) -> Result<(), StoreError> {
    let digest = check.book_key.as_ref().map(|key| Sha256::digest(key).to_vec());
    sqlx::query(
        "insert into price_check
                (check_id, supplier, book_key_digest, status, outcome, detail, request_sealed,
                 reply_sealed, began_at, took_ms)
         values ($1, $2, $3, $4, $5, $6, $7, $8,
                 holdfast_now() - make_interval(secs => $9 / 1000.0), $9)",
    )
    .bind(check.check_id)
    .bind(check.supplier)
    .bind(digest)
    .bind(check.status.map(i32::from))
    .bind(check.outcome)
    .bind(&check.detail)
    .bind(&check.request_sealed)
    .bind(&check.reply_sealed)
    .bind(check.took_ms)
    .execute(conn)
    .await
    .map_err(database("writing a price check"))
    .map(drop)
}

/// The price checks that a booking's legs were ordered by.
pub(crate) async fn price_checks_of(
    conn: &mut PgConnection,
    booking_id: BookingId,
) -> Result<Vec<PriceChecked>, StoreError> {
    sqlx::query_as(
        "select l.leg_id, p.supplier, p.status, p.outcome, p.detail, p.began_at, p.took_ms
           from leg l join price_check p
             on p.book_key_digest = sha256(convert_to(l.state->'order'->>'book_key', 'UTF8'))
            and p.supplier = l.supplier
          where l.booking_id = $1
          order by p.began_at desc limit 100",
    )
    .bind(booking_id.0)
    .fetch_all(conn)
    .await
    .map_err(database("reading the price checks of a booking"))
}

/// Drops those that are older, a batch at a time; how many.
pub(crate) async fn forget_price_checks(
    conn: &mut PgConnection,
    older_than_s: f64,
    most: i64,
) -> Result<u64, StoreError> {
    let gone = sqlx::query(
        "delete from price_check where check_id in (
             select check_id from price_check
              where began_at < holdfast_now() - make_interval(secs => $1)
              order by began_at limit $2)",
    )
    .bind(older_than_s)
    .bind(most)
    .execute(conn)
    .await
    .map_err(database("forgetting price checks"))?;
    Ok(gone.rows_affected())
}
