//! What our own stand-ins (`shared/doubles`) are asked with: the defaults of the command.

use contracts::supplier::Supplier;

/// How the stand-in of a supplier lets in whom, and what it sells.
#[derive(Debug, Clone, Copy)]
pub struct StandIn {
    /// The key it gives out.
    pub key: &'static str,
    /// The secret that goes with it.
    pub secret: &'static str,
    /// Something that it sells.
    pub what: &'static str,
}

impl StandIn {
    /// That of a supplier.
    #[must_use]
    pub const fn of(supplier: Supplier) -> Self {
        let (key, secret, what) = match supplier {
            Supplier::Rapid => ("dev-rapid-key", "dev-rapid-secret", "1100001"),
            Supplier::Etg => ("dev-etg-key", "dev-etg-secret-token", "8473001"),
            Supplier::Hotelbeds => ("dev-hotelbeds-key", "dev-hotelbeds-secret", "BCN"),
            Supplier::Duffel => ("dev-duffel", "duffel_test_development-only", "LHR-JFK"),
            Supplier::Neutral => ("dev-neutral-key", "dev-neutral-secret", "NP-1001"),
        };
        Self { key, secret, what }
    }
}
