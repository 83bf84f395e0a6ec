//! Which property of ours is which at each supplier: `deploy/catalogue.toml`.
//!
//! Two suppliers may use one number for two hotels, so a supplier is asked only under the id that
//! is written down for it, and its offers come back under ours.

use std::collections::{BTreeMap, BTreeSet};

use contracts::{offer::Search, supplier::Supplier};
use serde::Deserialize;

/// The file that ships.
pub const DEFAULT: &str = include_str!("../../../deploy/catalogue.toml");

/// The properties that are written down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Catalogue {
    properties: BTreeMap<String, BTreeMap<Supplier, String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(default)]
    property: Vec<Property>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Property {
    id: String,
    at: BTreeMap<Supplier, String>,
}

impl Catalogue {
    /// Reads the file.
    ///
    /// # Errors
    /// What is wrong with it: a property that is listed twice, or two that are the same one at a
    /// supplier.
    pub fn parse(text: &str) -> Result<Self, String> {
        let written: Written = toml::from_str(text).map_err(|error| error.message().to_owned())?;
        let mut properties = BTreeMap::new();
        let mut taken = BTreeSet::new();
        for Property { id, at } in written.property {
            for (supplier, theirs) in &at {
                if !taken.insert((*supplier, theirs.clone())) {
                    return Err(format!("{theirs} of {supplier} is two properties"));
                }
            }
            if properties.insert(id.clone(), at).is_some() {
                return Err(format!("{id} is listed twice"));
            }
        }
        Ok(Self { properties })
    }

    /// A search in the supplier's own words; nothing when it does not sell the property.
    pub(crate) fn local(&self, search: &Search, supplier: Supplier) -> Option<Search> {
        let Search::Stay(stay) = search else { return Some(search.clone()) };
        let theirs = match self.properties.get(&stay.property_id) {
            Some(at) => at.get(&supplier)?.clone(),
            None => (supplier == Supplier::Rapid).then(|| stay.property_id.clone())?,
        };
        let mut stay = stay.clone();
        stay.property_id = theirs;
        Some(Search::Stay(stay))
    }
}

#[cfg(test)]
mod tests {
    use contracts::{
        money::Currency,
        offer::{Occupancy, StaySearch},
    };

    use super::*;

    fn local(catalogue: &Catalogue, property_id: &str, supplier: Supplier) -> Option<String> {
        let day = |text: &str| text.parse().unwrap();
        let stay = StaySearch {
            property_id: property_id.to_owned(),
            check_in: day("2027-03-01"),
            check_out: day("2027-03-03"),
            occupancy: Occupancy { adults: 2, children: Vec::new() },
            currency: Currency::Eur,
        };
        match catalogue.local(&stay.into(), supplier)? {
            Search::Stay(stay) => Some(stay.property_id),
            Search::Flight(_) | Search::Activity(_) => None,
        }
    }

    #[test]
    fn a_supplier_is_asked_only_under_the_id_that_is_written_down() {
        let shipped = Catalogue::parse(DEFAULT).unwrap();
        let asked = |id, supplier| local(&shipped, id, supplier);
        assert_eq!(asked("1100002", Supplier::Rapid).as_deref(), Some("1100002"));
        assert_eq!(asked("1100002", Supplier::Etg).as_deref(), Some("8473002"));
        assert_eq!(asked("8473001", Supplier::Rapid), None);
        assert_eq!(asked("unlisted", Supplier::Rapid).as_deref(), Some("unlisted"));
        assert_eq!(asked("unlisted", Supplier::Etg), None);
    }

    #[test]
    fn one_property_twice_and_two_that_are_one_are_refused() {
        let property =
            |id, theirs| format!("[[property]]\nid = \"{id}\"\nat = {{ etg = \"{theirs}\" }}\n");
        let twice = format!("{}{}", property("1", "7"), property("1", "8"));
        assert_eq!(Catalogue::parse(&twice), Err("1 is listed twice".to_owned()));
        let same = format!("{}{}", property("1", "7"), property("2", "7"));
        assert_eq!(Catalogue::parse(&same), Err("7 of etg is two properties".to_owned()));
        assert!(Catalogue::parse("[[property]]\nid = \"1\"\nat = { nobody = \"7\" }").is_err());
        assert!(Catalogue::parse("[[hotel]]").is_err());
    }
}
