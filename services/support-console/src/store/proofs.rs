//! How proofs of the whole system ended.

use chrono::{DateTime, Utc};
use messaging::{StoreError, database};
use serde::Serialize;
use sqlx::{FromRow, PgConnection};
use uuid::Uuid;

/// A proof that was told of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, FromRow)]
pub(crate) struct Proof {
    pub(crate) at: DateTime<Utc>,
    /// Nothing where it could not be told.
    pub(crate) differences: Option<i32>,
}

pub(crate) async fn add_proof(
    conn: &mut PgConnection,
    proof_id: Uuid,
    differences: Option<i32>,
) -> Result<(), StoreError> {
    sqlx::query("insert into proof (proof_id, at, differences) values ($1, holdfast_now(), $2)")
        .bind(proof_id)
        .bind(differences)
        .execute(conn)
        .await
        .map(drop)
        .map_err(database("noting a proof"))
}

/// The newest, and the time.
pub(crate) async fn last_proof(
    conn: &mut PgConnection,
) -> Result<(Option<Proof>, DateTime<Utc>), StoreError> {
    let last = sqlx::query_as("select at, differences from proof order by at desc limit 1")
        .fetch_optional(&mut *conn)
        .await
        .map_err(database("reading the newest proof"))?;
    let now = sqlx::query_scalar("select holdfast_now()")
        .fetch_one(conn)
        .await
        .map_err(database("reading the time"))?;
    Ok((last, now))
}
