//! What messaging asks of a service.

use std::future::Future;

use chrono::{DateTime, Utc};
use contracts::{envelope::Envelope, ids::MessageId};
use serde_json::{Map, Value};
use sqlx::PgConnection;
use tracing::Span;
use uuid::Uuid;

use crate::{
    failure::{Outcome, StoreError},
    tx::Tx,
};

/// One delivery, decoded.
#[derive(Debug)]
pub struct Received<I> {
    /// What travels around the body.
    pub envelope: Envelope,
    /// What the body became.
    pub inbound: I,
    /// The database's time, read once for the batch.
    pub now: DateTime<Utc>,
    /// The delivery's span: run the core inside it, so that what it says carries the trace on.
    pub span: Span,
}

/// What a handler made of a batch.
#[derive(Debug)]
pub struct Handled<A> {
    /// One outcome for each delivery, in order.
    pub outcomes: Vec<Outcome>,
    /// What is to be started once all of it is committed.
    pub after: Vec<A>,
}

/// A service's way to handle what it hears.
pub trait Handles: Send + Sync + 'static {
    /// What bodies become.
    type Inbound: Send + 'static;
    /// What is to be started once the transaction is committed; `()` where nothing is.
    type After: Send + 'static;

    /// Handles a batch: loads, decides, writes, says.
    ///
    /// Everything happens inside `tx`, which commits all of it or nothing. When an outcome is a
    /// failure, everything is rolled back and the rest is handled again without that delivery. The
    /// same batch may come again after an error; nothing that `tx` does not roll back may happen in
    /// here.
    fn handle(
        &self,
        tx: &mut Tx,
        batch: Vec<Received<Self::Inbound>>,
    ) -> impl Future<Output = Result<Handled<Self::After>, StoreError>> + Send;

    /// What a person would call the state of what messages are about, in a word: a preview shows it
    /// before and after.
    fn standing(
        &self,
        _conn: &mut PgConnection,
        _subject: Uuid,
    ) -> impl Future<Output = Result<Option<String>, StoreError>> + Send {
        std::future::ready(Ok(None))
    }

    /// Starts what waited for the commit. Must not block. It may never be called for a batch whose
    /// commit was not answered: what must happen is in the tables, and a sweep finds it.
    fn committed(&self, after: Vec<Self::After>) {
        drop(after);
    }
}

/// A delivery as it came, for whoever keeps dead letters.
#[derive(Debug, Clone, PartialEq)]
pub struct Parked {
    /// The queue it waited in.
    pub queue: String,
    /// The exchange it came through, of this last hop.
    pub exchange: String,
    /// The key it came with, of this last hop.
    pub routing_key: String,
    /// Every header. What JSON has no form for is an object with one key that starts with `$`.
    pub headers: Map<String, Value>,
    /// The body, byte for byte.
    pub body: Vec<u8>,
    /// The message's id; derived from its bytes when it has none that can be read.
    pub message_id: MessageId,
    /// How often it was tried before.
    pub attempt: u32,
    /// An id of this delivery, where the message has none and the broker gives it for the first
    /// time: the same bytes may have been kept before, and this is another time that they came.
    pub fresh: Option<Uuid>,
}

/// Keeps raw deliveries. There is no inbox: keeping the same delivery twice must be the same as
/// once.
pub trait Parks: Send + Sync + 'static {
    /// Keeps a batch for good; after `Ok` it is acknowledged. An error keeps it with the broker,
    /// and it is tried again until it is kept.
    fn park(&self, batch: Vec<Parked>) -> impl Future<Output = Result<(), StoreError>> + Send;
}
