//! All SQL of supplier-callback: the raw callbacks, sealed, each once.

mod support;

use chassis::{mint, seal::Sealer};
use chrono::{DateTime, Utc};
use contracts::{
    ids::{CallbackId, MessageId},
    messages::CallbackReceived,
    supplier::Supplier,
};
use messaging::{Outgoing, StoreError, database};
use sqlx::{PgConnection, PgPool};
use suppliers::Callback;
use uuid::Uuid;

pub(crate) use self::support::{Received, about, named_by};
use crate::App;

/// A callback as it came. It may carry personal data, so it is kept sealed.
#[derive(Clone, PartialEq, Eq)]
pub struct Raw {
    /// Headers, in their order.
    pub headers: Vec<(String, String)>,
    /// The body, byte for byte.
    pub body: Vec<u8>,
}

impl std::fmt::Debug for Raw {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Raw({} headers, {} bytes)", self.headers.len(), self.body.len())
    }
}

/// Whether a callback was new.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stored {
    /// It is stored, and will be said.
    First,
    /// It was there before, and was said then.
    Again,
}

/// The database's clock, which time stamps are compared with.
pub(crate) async fn now(pool: &PgPool) -> Result<DateTime<Utc>, StoreError> {
    sqlx::query_scalar("select holdfast_now()")
        .fetch_one(pool)
        .await
        .map_err(database("reading the clock"))
}

/// Stores a callback and says that it was received, both or neither; a repeat does nothing.
pub(crate) async fn keep(
    app: &App,
    supplier: Supplier,
    now: DateTime<Utc>,
    callback: &Callback,
    raw: &Raw,
) -> Result<Stored, StoreError> {
    let id = CallbackId(mint::uuid7());
    let sealed = seal(&app.sealer, id, raw)?;
    let mut tx = app.messaging.begin().await?;
    let stored = insert(tx.conn(), id, supplier, now, callback, &sealed).await?;
    if stored == Stored::First {
        let message = CallbackReceived {
            callback_id: id,
            supplier,
            client_reference: callback.client_reference.clone(),
            reference: callback.reference.clone(),
            claim: callback.claim,
            received_at: now,
        };
        tx.say(Outgoing::new(MessageId::caused_by(now, id.0, 0, 0), now, &message));
    }
    tx.commit().await?;
    Ok(stored)
}

/// Opens a stored callback.
///
/// # Errors
/// When there is none, or it does not open.
pub async fn open(
    conn: &mut PgConnection,
    sealer: &Sealer,
    id: CallbackId,
) -> Result<Raw, StoreError> {
    let (headers, body): (Vec<u8>, Vec<u8>) =
        sqlx::query_as("select headers_sealed, body_sealed from callback where callback_id = $1")
            .bind(id.0)
            .fetch_one(conn)
            .await
            .map_err(database("reading a callback"))?;
    let headers = sealer.open(&headers, &place(id, "headers")).map_err(|e| corrupt(id, e))?;
    Ok(Raw {
        headers: serde_json::from_slice(&headers).map_err(|e| corrupt(id, e))?,
        body: sealer.open(&body, &place(id, "body")).map_err(|e| corrupt(id, e))?,
    })
}

struct Sealed {
    headers: Vec<u8>,
    body: Vec<u8>,
}

fn seal(sealer: &Sealer, id: CallbackId, raw: &Raw) -> Result<Sealed, StoreError> {
    let headers = serde_json::to_vec(&raw.headers).map_err(|e| corrupt(id, e))?;
    Ok(Sealed {
        headers: sealer.seal(&headers, &place(id, "headers")).map_err(|e| corrupt(id, e))?,
        body: sealer.seal(&raw.body, &place(id, "body")).map_err(|e| corrupt(id, e))?,
    })
}

/// What a sealed value is bound to: moved to another row or column, it does not open.
fn place(id: CallbackId, column: &str) -> Vec<u8> {
    format!("callback/{id}/{column}").into_bytes()
}

async fn insert(
    conn: &mut PgConnection,
    id: CallbackId,
    supplier: Supplier,
    now: DateTime<Utc>,
    callback: &Callback,
    sealed: &Sealed,
) -> Result<Stored, StoreError> {
    let first: Option<Uuid> = sqlx::query_scalar(
        "insert into callback
             (callback_id, supplier, external_id, event, client_reference, reference,
              headers_sealed, body_sealed, received_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
         on conflict on constraint callback_is_stored_once do nothing
         returning callback_id",
    )
    .bind(id.0)
    .bind(supplier.word())
    .bind(&callback.id)
    .bind(&callback.event)
    .bind(&callback.client_reference)
    .bind(&callback.reference)
    .bind(&sealed.headers)
    .bind(&sealed.body)
    .bind(now)
    .fetch_optional(conn)
    .await
    .map_err(database("storing a callback"))?;
    Ok(if first.is_some() { Stored::First } else { Stored::Again })
}

fn corrupt(
    id: CallbackId,
    source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> StoreError {
    StoreError::Corrupt { table: "callback", id: id.to_string(), source: source.into() }
}
