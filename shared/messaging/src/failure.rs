//! How a delivery ended, what its handler says went wrong, and what a store may answer.

use std::fmt;

/// How a handler ended with one delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It took effect, or was refused and answered, or needed none.
    Done,
    /// It did not take effect; what the handler wrote for it is rolled back.
    Failed(Failure),
}

/// What a handler says of a delivery that it could not handle. The text says what was being done,
/// without personal data: it travels in the dead letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// It may go better later.
    Retry(String),
    /// It will never go better.
    Reject(String),
}

/// Says that trying again may help.
pub fn retry(doing: impl fmt::Display) -> Failure {
    Failure::Retry(doing.to_string())
}

/// Says that trying again is of no use.
pub fn reject(doing: impl fmt::Display) -> Failure {
    Failure::Reject(doing.to_string())
}

/// What can go wrong between a service and its tables.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Somebody else changed the row first; load it again and decide again.
    #[error("the row was changed by somebody else")]
    Conflict,
    /// A row cannot be read as what it must be: our bug, never the caller's.
    #[error("the row {id} of {table} cannot be read")]
    Corrupt {
        /// The table.
        table: &'static str,
        /// The row.
        id: String,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The database refused, failed, or is away.
    #[error("the database failed while {doing}")]
    Database {
        /// The operation.
        doing: &'static str,
        /// Why.
        #[source]
        source: sqlx::Error,
    },
}

/// Wraps a database's error together with what was being done.
pub fn database(doing: &'static str) -> impl FnOnce(sqlx::Error) -> StoreError {
    move |source| StoreError::Database { doing, source }
}

/// What kind of trouble an error of the store is, for whoever may run the work again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Run it again at once.
    Conflict,
    /// The database is away, full or turned down: nothing is decided until it is back.
    Unreachable,
    /// The work itself fails.
    Broken,
}

impl StoreError {
    /// What kind of trouble it is.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::Conflict => Kind::Conflict,
            Self::Corrupt { .. } => Kind::Broken,
            Self::Database { source, .. } => kind_of(source),
        }
    }
}

fn kind_of(error: &sqlx::Error) -> Kind {
    match error {
        sqlx::Error::Database(refused) => {
            refused.code().map_or(Kind::Broken, |code| of_code(&code))
        }
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::Protocol(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed
        | sqlx::Error::BeginFailed => Kind::Unreachable,
        _ => Kind::Broken,
    }
}

/// By PostgreSQL's error classes.
fn of_code(code: &str) -> Kind {
    match code {
        // Serialization failure, deadlock, lock not available.
        "40001" | "40P01" | "55P03" => Kind::Conflict,
        // Idle for too long in a transaction, read-only because another server leads now.
        "25P03" | "25006" => Kind::Unreachable,
        // A statement that ran out of time is the work's own fault; the other interventions are the
        // operator's.
        "57014" => Kind::Broken,
        // Connection, resources, operator, system.
        _ if ["08", "53", "57", "58"].iter().any(|class| code.starts_with(class)) => {
            Kind::Unreachable
        }
        _ => Kind::Broken,
    }
}
