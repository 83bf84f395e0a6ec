//! What is asked of supplier-sync about legs, by whoever looks after them.

use serde::{Deserialize, Serialize};

use crate::supplier::Supplier;

/// `POST /internal/legs/{id}/look-up` of supplier-sync: see now how things stand at the supplier.
///
/// 404 when nobody ever wished for the leg, 409 when nothing of it was ever sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LookUpRequest {
    /// The member of staff who asks: the `sub` of their token.
    pub staff: String,
}

/// Answer to a [`LookUpRequest`], with 202: the look-ups are on their way, one after the other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LookUpReply {
    /// How many attempts are looked up.
    pub attempts: u32,
}

/// Answer to `GET /internal/bookings/{id}/references` of supplier-sync: under which references
/// suppliers know a booking.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReferencesReply {
    /// Each supplier's.
    pub suppliers: Vec<SupplierReferences>,
}

/// One supplier's references.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SupplierReferences {
    /// Whose.
    pub supplier: Supplier,
    /// Ours, one for each attempt.
    pub client_references: Vec<String>,
    /// The supplier's, one for each reservation it ever named.
    pub references: Vec<String>,
}
