//! Every supplier's dialect, found by an exhaustive match.

use contracts::supplier::Supplier;

use crate::{
    Dialect, duffel::Duffel, etg::Etg, hotelbeds::Hotelbeds, neutral::Neutral, rapid::Rapid,
};

/// Every dialect.
pub static ALL: [&'static dyn Dialect; Supplier::ALL.len()] =
    [&Rapid, &Etg, &Hotelbeds, &Duffel, &Neutral];

/// The dialect of a supplier.
#[must_use]
pub fn dialect(supplier: Supplier) -> &'static dyn Dialect {
    match supplier {
        Supplier::Rapid => &Rapid,
        Supplier::Etg => &Etg,
        Supplier::Hotelbeds => &Hotelbeds,
        Supplier::Duffel => &Duffel,
        Supplier::Neutral => &Neutral,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_supplier_has_its_own_dialect() {
        assert_eq!(ALL.map(Dialect::supplier), Supplier::ALL);
        for supplier in Supplier::ALL {
            assert_eq!(dialect(supplier).supplier(), supplier);
        }
    }
}
