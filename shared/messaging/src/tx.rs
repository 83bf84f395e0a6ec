//! One unit of work: state and the messages that follow from it, committed together.

use std::sync::Arc;

use sqlx::{PgConnection, Postgres, Transaction};

use crate::{
    failure::{StoreError, database},
    outbox,
    outgoing::{OutboxRow, Outgoing},
    relay::Relay,
    speaker::Speaker,
};

/// A transaction that carries messages. Dropped without [`Tx::commit`], it leaves nothing behind.
pub struct Tx {
    transaction: Transaction<'static, Postgres>,
    said: Vec<OutboxRow>,
    speaker: Arc<Speaker>,
    relay: Arc<Relay>,
}

impl Tx {
    #[expect(clippy::disallowed_methods, reason = "this is the place the ban points to")]
    pub(crate) async fn begin(
        speaker: Arc<Speaker>,
        relay: Arc<Relay>,
    ) -> Result<Self, StoreError> {
        // Runs to its end even when nobody waits for it any more. Cancelled half-way it would leave
        // a transaction open on its connection, and whoever has that next would never commit.
        let pool = relay.pool().clone();
        let transaction = tokio::spawn(async move { pool.begin().await }).await;
        let transaction = transaction.map_err(|_ended| sqlx::Error::WorkerCrashed);
        let transaction = transaction.flatten().map_err(database("beginning"))?;
        Ok(Self { transaction, said: Vec::new(), speaker, relay })
    }

    /// The connection, inside the transaction.
    pub fn conn(&mut self) -> &mut PgConnection {
        &mut self.transaction
    }

    /// Says a message when the transaction commits.
    pub fn say(&mut self, message: Outgoing) {
        self.said.push(self.speaker.row(message));
    }

    /// Says messages when the transaction commits.
    pub fn say_all(&mut self, messages: impl IntoIterator<Item = Outgoing>) {
        let Self { said, speaker, .. } = self;
        said.extend(messages.into_iter().map(|message| speaker.row(message)));
    }

    /// Sends a row as it is when the transaction commits: a replay of what was parked.
    pub fn send(&mut self, row: OutboxRow) {
        self.said.push(row);
    }

    /// Writes all messages with one statement, commits, and hands what is due to the relay.
    ///
    /// # Errors
    /// When the database fails. If it failed while committing, the transaction may have been
    /// committed: whoever runs it again must find out from the tables.
    pub async fn commit(mut self) -> Result<(), StoreError> {
        if !self.said.is_empty() {
            outbox::insert(&mut self.transaction, &self.said, self.relay.sweep_after())
                .await
                .map_err(database("writing the outbox"))?;
        }
        self.transaction.commit().await.map_err(database("committing"))?;
        self.relay.committed(self.said);
        Ok(())
    }

    /// What would be said.
    pub(crate) fn said(&self) -> &[OutboxRow] {
        &self.said
    }

    /// Takes everything back.
    pub(crate) async fn rollback(self) -> Result<(), StoreError> {
        self.transaction.rollback().await.map_err(database("rolling back"))
    }
}

impl std::fmt::Debug for Tx {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Tx({} messages)", self.said.len())
    }
}
