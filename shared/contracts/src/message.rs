//! What every message is: a type name, a way, and the booking it is about.

use serde::{Serialize, de::DeserializeOwned};
use uuid::Uuid;

/// Which way a message goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Asks one service for something; without a listener it is unroutable, and that is an error.
    Command,
    /// Says what happened; without a listener it is no error.
    Event,
}

/// A message: plain data with a type name that carries its version.
pub trait Message: Serialize + DeserializeOwned + Send + 'static {
    /// The type on the wire, `holdfast.<noun>.<what>.v<n>`; also the routing key.
    const TYPE: &'static str;
    /// Command or event.
    const KIND: Kind;

    /// What the message is about: the booking, or the callback while the booking is unknown.
    fn subject(&self) -> Uuid;
}
