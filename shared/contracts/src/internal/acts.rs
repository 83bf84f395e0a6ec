//! What an act of staff made of what it was done to, as its owner says.

use serde::{Deserialize, Serialize};

use super::{
    LegStanding, PaymentCase, RefundStanding, ReviewReply, SupplierCase, SupplierStanding,
};

/// Which version something was before an act of staff, and which it is after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Versions {
    /// Before it.
    pub before: u64,
    /// After it; the same where it changed nothing.
    pub after: u64,
}

/// What an owner answers to an act of staff.
pub trait Versioned {
    /// What the act made of what it was done to; none of what has no versions.
    fn versions(&self) -> Option<Versions> {
        None
    }
}

impl Versioned for () {}

impl<T: Versioned> Versioned for Option<T> {
    fn versions(&self) -> Option<Versions> {
        self.as_ref().and_then(T::versions)
    }
}

impl Versioned for LegStanding {
    fn versions(&self) -> Option<Versions> {
        self.versions
    }
}

impl Versioned for ReviewReply {
    fn versions(&self) -> Option<Versions> {
        self.versions
    }
}

impl Versioned for RefundStanding {
    fn versions(&self) -> Option<Versions> {
        self.versions
    }
}

impl Versioned for RefundLetGo {
    fn versions(&self) -> Option<Versions> {
        Some(self.versions)
    }
}

impl Versioned for SupplierStanding {}
impl Versioned for SupplierCase {}
impl Versioned for PaymentCase {}

/// Answer to `POST /internal/refunds/{id}/approval` of payment-verification.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RefundLetGo {
    /// What it made of the refund's payment.
    pub versions: Versions,
}
