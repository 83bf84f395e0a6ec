//! A stay, a price, terms: ours, not a supplier's.

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

use crate::{
    money::{Currency, Money},
    supplier::Supplier,
};

/// Who sleeps in a room: adults, and the ages of the children.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Occupancy {
    /// 1 to 8.
    pub adults: u8,
    /// Age in years at check-in of each child, 0 to 17, at most 6.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub children: Vec<u8>,
}

/// Which stays are looked for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StaySearch {
    /// The platform's id of the property (for now the supplier's, one supplier).
    pub property_id: String,
    /// Local date of arrival.
    pub check_in: NaiveDate,
    /// Local date of departure.
    pub check_out: NaiveDate,
    /// Who sleeps there.
    pub occupancy: Occupancy,
    /// In which currency prices are wanted.
    pub currency: Currency,
}

/// One step of a cancellation policy: from this instant on, cancelling costs this much.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CancelStep {
    /// From when, in UTC.
    pub from: DateTime<Utc>,
    /// What it costs from then on.
    pub fee: Money,
}

/// What the customer agrees to besides the price.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Terms {
    /// Whether the supplier takes anything back at all.
    pub refundable: bool,
    /// The steps of the policy, earliest first; before the first, cancelling is free (if
    /// refundable).
    #[serde(default)]
    pub cancel_steps: Vec<CancelStep>,
    /// Whether the space can be held free before it is paid.
    pub holdable: bool,
}

/// One offer of a search: a room at a rate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Offer {
    /// Who sells it.
    pub supplier: Supplier,
    /// The supplier's own key of the room at this rate; opaque, checked by the price check.
    pub rate_key: String,
    /// The property.
    pub property_id: String,
    /// The property's name.
    pub property_name: String,
    /// The room's name.
    pub room_name: String,
    /// Local date of arrival.
    pub check_in: NaiveDate,
    /// Local date of departure.
    pub check_out: NaiveDate,
    /// Who sleeps there.
    pub occupancy: Occupancy,
    /// What it costs in all, taxes and fees included.
    pub price: Money,
    /// What goes with it.
    pub terms: Terms,
}

/// What a price check answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "snake_case", deny_unknown_fields)]
pub enum PriceCheck {
    /// Still to be had at this price, with this key to book with.
    Available {
        /// The key to book with (a supplier's book token); opaque.
        book_key: String,
        /// The price now.
        price: Money,
        /// The terms now.
        terms: Terms,
    },
    /// To be had, at another price than the offer said.
    PriceChanged {
        /// The key to book with at the new price.
        book_key: String,
        /// The new price.
        price: Money,
        /// The terms now.
        terms: Terms,
    },
    /// Nothing left.
    SoldOut,
}

/// What a leg of a booking is to be at its supplier: all that a reservation needs but the names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LegOrder {
    /// Who sells it.
    pub supplier: Supplier,
    /// The key to book with, from the price check.
    pub book_key: String,
    /// The property.
    pub property_id: String,
    /// Local date of arrival.
    pub check_in: NaiveDate,
    /// Local date of departure.
    pub check_out: NaiveDate,
    /// Who sleeps there.
    pub occupancy: Occupancy,
    /// What the supplier is to be paid, as the price check said.
    pub price: Money,
    /// What goes with it.
    pub terms: Terms,
}
