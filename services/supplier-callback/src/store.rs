//! All SQL of supplier-callback: the raw callbacks, sealed, each once.

mod forged;
mod support;
mod undelivered;

use std::collections::BTreeSet;

use chassis::{mint, seal::Sealer};
use chrono::{DateTime, Utc};
use contracts::{
    ids::{CallbackId, MessageId},
    messages::CallbackReceived,
    supplier::Supplier,
};
use messaging::{Outgoing, StoreError, Tx, database};
use sqlx::PgConnection;
use suppliers::Callback;
use tracing::Span;
use uuid::Uuid;

pub(crate) use self::{
    forged::{NotBelieved, note, within_a_day},
    support::{Received, about, load, named_by},
    undelivered::{asked, failing, take_due},
};
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
pub(crate) async fn now(conn: &mut PgConnection) -> Result<DateTime<Utc>, StoreError> {
    sqlx::query_scalar("select holdfast_now()")
        .fetch_one(conn)
        .await
        .map_err(database("reading the clock"))
}

/// A callback that is believed and shall be kept.
pub(crate) struct Kept<'a> {
    pub(crate) supplier: Supplier,
    pub(crate) callback: Callback,
    pub(crate) raw: &'a Raw,
    pub(crate) span: &'a Span,
}

/// Stores callbacks and says of each that it was received, all or none; a repeat does nothing. One
/// answer each, in order.
pub(crate) async fn keep(
    app: &App,
    tx: &mut Tx,
    now: DateTime<Utc>,
    batch: &[Kept<'_>],
) -> Result<Vec<Stored>, StoreError> {
    let mut rows = Vec::with_capacity(batch.len());
    for kept in batch {
        let id = CallbackId(mint::uuid7());
        rows.push((id, kept, seal(&app.sealer, id, kept.raw)?));
    }
    let first = insert(tx.conn(), now, &rows).await?;
    let mut stored = Vec::with_capacity(batch.len());
    let mut messages = Vec::with_capacity(first.len());
    for (id, Kept { supplier, callback, span, .. }, _sealed) in &rows {
        if !first.contains(&id.0) {
            stored.push(Stored::Again);
            continue;
        }
        let message = said(*id, *supplier, callback, now);
        let message_id = MessageId::caused_by(now, id.0, 0, 0);
        tx.say(span.in_scope(|| Outgoing::new(message_id, now, &message)));
        messages.push((message_id, *id));
        stored.push(Stored::First);
    }
    note_said(tx.conn(), now, &messages, None).await?;
    Ok(stored)
}

/// Notes as which messages callbacks were said.
pub(crate) async fn note_said(
    conn: &mut PgConnection,
    now: DateTime<Utc>,
    messages: &[(MessageId, CallbackId)],
    staff: Option<&str>,
) -> Result<(), StoreError> {
    if messages.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "insert into callback_said (message_id, callback_id, at, staff)
         select s.message_id, s.callback_id, $3, $4
           from unnest($1::uuid[], $2::uuid[]) as s (message_id, callback_id)",
    )
    .bind(messages.iter().map(|(message, _)| message.0).collect::<Vec<_>>())
    .bind(messages.iter().map(|(_, callback)| callback.0).collect::<Vec<_>>())
    .bind(now)
    .bind(staff)
    .execute(conn)
    .await
    .map_err(database("noting as which message a callback was said"))
    .map(drop)
}

/// What is said of a callback.
pub(crate) fn said(
    id: CallbackId,
    supplier: Supplier,
    callback: &Callback,
    received_at: DateTime<Utc>,
) -> CallbackReceived {
    CallbackReceived {
        callback_id: id,
        supplier,
        client_reference: callback.client_reference.clone(),
        reference: callback.reference.clone(),
        claim: callback.claim,
        received_at,
    }
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

/// Inserts what is new; gives the ids of that.
async fn insert(
    conn: &mut PgConnection,
    now: DateTime<Utc>,
    rows: &[(CallbackId, &Kept<'_>, Sealed)],
) -> Result<BTreeSet<Uuid>, StoreError> {
    if rows.is_empty() {
        return Ok(BTreeSet::new());
    }
    let callbacks = || rows.iter().map(|(_, kept, _)| &kept.callback);
    // In one order, so that two instances that are pushed the same do not lock up.
    let first: Vec<Uuid> = sqlx::query_scalar(
        "insert into callback
             (callback_id, supplier, external_id, event, client_reference, reference,
              headers_sealed, body_sealed, received_at)
         select c.*, $9
           from unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[],
                       $7::bytea[], $8::bytea[])
                as c (callback_id, supplier, external_id, event, client_reference, reference,
                      headers_sealed, body_sealed)
          order by c.supplier, c.external_id
         on conflict on constraint callback_is_stored_once do nothing
         returning callback_id",
    )
    .bind(rows.iter().map(|(id, _, _)| id.0).collect::<Vec<_>>())
    .bind(rows.iter().map(|(_, kept, _)| kept.supplier.word()).collect::<Vec<_>>())
    .bind(callbacks().map(|c| c.id.as_str()).collect::<Vec<_>>())
    .bind(callbacks().map(|c| c.event.as_deref()).collect::<Vec<_>>())
    .bind(callbacks().map(|c| c.client_reference.as_deref()).collect::<Vec<_>>())
    .bind(callbacks().map(|c| c.reference.as_deref()).collect::<Vec<_>>())
    .bind(rows.iter().map(|(_, _, sealed)| sealed.headers.as_slice()).collect::<Vec<_>>())
    .bind(rows.iter().map(|(_, _, sealed)| sealed.body.as_slice()).collect::<Vec<_>>())
    .bind(now)
    .fetch_all(conn)
    .await
    .map_err(database("storing callbacks"))?;
    Ok(first.into_iter().collect())
}

fn corrupt(
    id: CallbackId,
    source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> StoreError {
    StoreError::Corrupt { table: "callback", id: id.to_string(), source: source.into() }
}
