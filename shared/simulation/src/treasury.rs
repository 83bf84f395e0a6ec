//! Whoever sends refunds: asked under an id, once is enough; what was sent or refused stays so.

use std::collections::BTreeMap;

use uuid::Uuid;

/// What became of a refund that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    Sent,
    Refused,
}

/// Every refund that was ever asked for.
#[derive(Debug, Default)]
pub(crate) struct Treasury {
    pub(crate) orders: BTreeMap<Uuid, Order>,
}
