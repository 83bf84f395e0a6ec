//! Exchange, queue and dead-letter names: made here, typed nowhere.

use crate::message::Kind;

/// The names of a whole broker layout under one prefix (empty in production, one per test).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Routing {
    prefix: String,
}

impl Routing {
    /// Names that start with `prefix`.
    #[must_use]
    pub fn with_prefix(prefix: &str) -> Self {
        Self { prefix: prefix.to_owned() }
    }

    /// The direct exchange of commands; what it cannot route goes to `unroutable`.
    #[must_use]
    pub fn commands(&self) -> String {
        format!("{}holdfast.commands", self.prefix)
    }

    /// The topic exchange of events.
    #[must_use]
    pub fn events(&self) -> String {
        format!("{}holdfast.events", self.prefix)
    }

    /// The exchange a message of this kind goes to.
    #[must_use]
    pub fn exchange(&self, kind: Kind) -> String {
        match kind {
            Kind::Command => self.commands(),
            Kind::Event => self.events(),
        }
    }

    /// The fanout exchange behind the commands exchange.
    #[must_use]
    pub fn unroutable_exchange(&self) -> String {
        format!("{}holdfast.unroutable", self.prefix)
    }

    /// Where commands without a listener wait to be parked.
    #[must_use]
    pub fn unroutable_queue(&self) -> String {
        format!("{}unroutable", self.prefix)
    }

    /// The exchange that the broker itself dead-letters to.
    #[must_use]
    pub fn dead_exchange(&self) -> String {
        format!("{}holdfast.dead", self.prefix)
    }

    /// The queue of a consumer role.
    #[must_use]
    pub fn queue(&self, consumer: &str) -> String {
        format!("{}{consumer}", self.prefix)
    }

    /// The dead-letter queue of a consumer role.
    #[must_use]
    pub fn dead_queue(&self, consumer: &str) -> String {
        format!("{}{consumer}.dead", self.prefix)
    }
}

/// Every consumer role there is; the parker listens to the dead-letter queue of each.
pub const CONSUMERS: [&str; 4] = ["booking", "supplier-sync", "payment-verification", "rewards"];
