//! All SQL of payment-verification: rows to core types and back. Nothing here begins or ends a
//! transaction.

pub(crate) mod approval;
pub(crate) mod attention;
pub(crate) mod balance;
pub(crate) mod card;
pub(crate) mod case;
pub(crate) mod chain;
pub(crate) mod payment;
pub(crate) mod payout;
pub(crate) mod refund;
mod settling;
pub(crate) mod standing;
pub(crate) mod support;
pub(crate) mod untold;

use messaging::StoreError;
pub(crate) use settling::settled_lately;

/// A number as PostgreSQL has it. Heights, looks and versions stay far below its end.
pub(crate) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A number of a column that is never negative.
pub(crate) fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

/// Says that a row cannot be read as what it must be.
pub(crate) fn corrupt(
    table: &'static str,
    id: impl ToString,
    source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> StoreError {
    StoreError::Corrupt { table, id: id.to_string(), source: source.into() }
}
