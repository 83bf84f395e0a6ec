//! Who speaks: the service's name and the names of its broker layout.

use contracts::routing::Routing;

use crate::{
    connection::Server,
    outgoing::{OutboxRow, Outgoing},
};

/// Turns messages into rows as one service says them.
#[derive(Debug)]
pub(crate) struct Speaker {
    pub(crate) service: &'static str,
    pub(crate) routing: Routing,
    /// The broker, as spans name it.
    pub(crate) server: Server,
}

impl Speaker {
    pub(crate) fn row(&self, message: Outgoing) -> OutboxRow {
        message.into_row(&self.routing, self.service)
    }
}
