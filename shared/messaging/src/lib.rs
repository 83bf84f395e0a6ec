//! How a message travels: the one way to hear and to speak.
#![doc = include_str!("../README.md")]
#![warn(missing_docs)]

mod connection;
mod consumer;
mod database;
mod desk;
mod failure;
mod handles;
mod headers;
mod inbox;
mod incoming;
mod job;
mod messaging;
mod outbox;
mod outgoing;
mod parker;
mod publisher;
mod relay;
mod replay;
mod speaker;
mod subscription;
mod together;
mod topology;
mod tx;

pub use connection::BrokerError;
pub use database::{
    DatabaseConfig, MigrationError, Planning, clock_offset, connect, migrate, migrations,
    migrations_missing,
};
pub use failure::{Failure, Kind as StoreTrouble, Outcome, StoreError, database, reject, retry};
pub use handles::{Handled, Handles, Parked, Parks, Received};
pub use job::{Step, job};
pub use messaging::{Messaging, MessagingConfig, QueueStanding};
pub use messaging_core::Cause;
pub use outgoing::{Address, OutboxRow, Outgoing};
pub use replay::Replay;
pub use subscription::{Consumers, NotHeard};
pub use together::Together;
pub use tx::Tx;
