//! A stay, a flight or an activity, a price, terms: ours, not a supplier's.
//!
//! What every product has stands in the same fields: what it is (`property_id`), its first and its
//! last local day (`check_in`, `check_out`), for whom. They keep the names that stays gave them,
//! because rows and messages are kept. What only one kind has is its [`Product`].

use chrono::{DateTime, NaiveDate, NaiveDateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{
    money::{Currency, Money},
    supplier::Supplier,
};

/// Who sleeps in a room, flies or takes part: adults, and the ages of the children.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
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

/// Which flights are looked for: there, and back where a day for that is given.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FlightSearch {
    /// IATA code of the airport or city of departure.
    pub origin: String,
    /// IATA code of the airport or city of arrival.
    pub destination: String,
    /// Local date of departure.
    pub departs_on: NaiveDate,
    /// Local date of the flight back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub returns_on: Option<NaiveDate>,
    /// Who flies.
    pub passengers: Occupancy,
    /// In which currency prices are wanted.
    pub currency: Currency,
}

/// Which activities are looked for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ActivitySearch {
    /// The platform's code of the place (for now the supplier's, one supplier).
    pub destination: String,
    /// The first local date that suits.
    pub from: NaiveDate,
    /// The last one.
    pub to: NaiveDate,
    /// Who takes part.
    pub participants: Occupancy,
    /// In which currency prices are wanted.
    pub currency: Currency,
}

/// What is looked for. No two of the forms have the same fields, so that a stay's needs no tag.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Search {
    /// Rooms.
    Stay(StaySearch),
    /// Flights.
    Flight(FlightSearch),
    /// Activities.
    Activity(ActivitySearch),
}

impl Search {
    /// The kind of what is looked for.
    #[must_use]
    pub const fn kind(&self) -> ProductKind {
        match self {
            Self::Stay(_) => ProductKind::Stay,
            Self::Flight(_) => ProductKind::Flight,
            Self::Activity(_) => ProductKind::Activity,
        }
    }

    /// In which currency prices are wanted.
    #[must_use]
    pub const fn currency(&self) -> Currency {
        match self {
            Self::Stay(stay) => stay.currency,
            Self::Flight(flight) => flight.currency,
            Self::Activity(activity) => activity.currency,
        }
    }
}

impl From<StaySearch> for Search {
    fn from(stay: StaySearch) -> Self {
        Self::Stay(stay)
    }
}

impl From<FlightSearch> for Search {
    fn from(flight: FlightSearch) -> Self {
        Self::Flight(flight)
    }
}

impl From<ActivitySearch> for Search {
    fn from(activity: ActivitySearch) -> Self {
        Self::Activity(activity)
    }
}

/// The kinds of products.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProductKind {
    /// A room for some nights.
    Stay,
    /// Seats on flights.
    Flight,
    /// Something to do.
    Activity,
}

/// What only one kind of product has. A stay has nothing of its own, and is left out of JSON.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Product {
    /// A room for some nights.
    #[default]
    Stay,
    /// Seats on flights. `property_id` is the route (`LHR-JFK`), `check_in` the local day of the
    /// first departure, `check_out` the local day of the last arrival.
    Flight {
        /// Every flight, in the order they are flown.
        segments: Vec<FlightSegment>,
    },
    /// Something to do. `property_id` is its code; `check_in` and `check_out` are the days it is
    /// for, the same one where it takes a day.
    Activity {
        /// When it begins, in the supplier's words (`10:00`, `morning`), where it has a session.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        session: Option<String>,
    },
}

impl Product {
    /// Its kind.
    #[must_use]
    pub const fn kind(&self) -> ProductKind {
        match self {
            Self::Stay => ProductKind::Stay,
            Self::Flight { .. } => ProductKind::Flight,
            Self::Activity { .. } => ProductKind::Activity,
        }
    }

    /// Its flights; none of anything else.
    #[must_use]
    pub fn segments(&self) -> &[FlightSegment] {
        match self {
            Self::Flight { segments } => segments,
            Self::Stay | Self::Activity { .. } => &[],
        }
    }

    /// Whether it is a stay, which needs no words of its own.
    #[must_use]
    pub const fn is_stay(&self) -> bool {
        matches!(self, Self::Stay)
    }
}

/// One flight: from take-off to landing. Times are local to each airport.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct FlightSegment {
    /// IATA code of the airport of departure.
    pub origin: String,
    /// IATA code of the airport of arrival.
    pub destination: String,
    /// When it takes off there.
    pub departs_at: NaiveDateTime,
    /// When it lands there.
    pub arrives_at: NaiveDateTime,
    /// Carrier and number, as sold: `BA117`.
    pub flight: String,
}

/// One step of a cancellation policy: from this instant on, cancelling costs this much.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct CancelStep {
    /// From when, in UTC.
    pub from: DateTime<Utc>,
    /// What it costs from then on.
    pub fee: Money,
    /// Where that instant comes from.
    #[serde(default, skip_serializing_if = "StepBasis::is_instant")]
    pub basis: StepBasis,
}

impl CancelStep {
    /// A step at an instant that the supplier named.
    #[must_use]
    pub const fn new(from: DateTime<Utc>, fee: Money) -> Self {
        Self { from, fee, basis: StepBasis::Instant }
    }
}

/// Where the instant of a step comes from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum StepBasis {
    /// The supplier named it, with its offset from UTC.
    #[default]
    Instant,
    /// The supplier named a local time and not its time zone: this is the earliest instant that it
    /// could be.
    LocalEarliest,
}

impl StepBasis {
    /// Whether it is the one that need not be said.
    #[must_use]
    pub const fn is_instant(&self) -> bool {
        matches!(self, Self::Instant)
    }
}

/// What the customer agrees to besides the price.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
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
    /// What the property itself collects besides the price, which does not contain it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub due_at_property: Vec<DueAtProperty>,
}

/// One thing that is paid at the property: a city tax, a resort fee.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct DueAtProperty {
    /// What it is, in the supplier's word: `mandatory_tax`, `resort_fee`, `city_tax`.
    pub what: String,
    /// How much for the whole stay, as the supplier estimates it: a plain decimal number of units
    /// of `currency`.
    pub amount: String,
    /// Which currency of ISO 4217; the property's own, which need not be one that we price in.
    pub currency: String,
}

impl DueAtProperty {
    const CHARS_MAX: usize = 64;

    /// Nothing where the amount is no plain decimal, the currency has not three capitals, or any of
    /// them is longer than such a thing is.
    #[must_use]
    pub fn of(what: &str, amount: &str, currency: &str) -> Option<Self> {
        let (whole, rest) = amount.split_once('.').unwrap_or((amount, "0"));
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        let short = [what, amount].iter().all(|text| text.chars().count() <= Self::CHARS_MAX);
        let named = !what.trim().is_empty();
        let capitals = currency.len() == 3 && currency.bytes().all(|b| b.is_ascii_uppercase());
        let good = digits(whole) && digits(rest) && short && named && capitals;
        good.then(|| Self {
            what: what.to_owned(),
            amount: amount.to_owned(),
            currency: currency.to_owned(),
        })
    }

    /// Whether it is nothing at all.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        self.amount.bytes().all(|b| matches!(b, b'0' | b'.'))
    }
}

/// One offer of a search: a room at a rate, seats at a fare, places at a price.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Offer {
    /// Who sells it.
    pub supplier: Supplier,
    /// The supplier's own key of the room at this rate; opaque, checked by the price check.
    pub rate_key: String,
    /// The property, route or activity.
    pub property_id: String,
    /// The name of the property, the airline or the activity.
    pub property_name: String,
    /// The name of the room, the fare or the kind of participation.
    pub room_name: String,
    /// Its first local day: of arrival at a property, of departure of a flight.
    pub check_in: NaiveDate,
    /// Its last local day: of departure from a property, of arrival of a flight.
    pub check_out: NaiveDate,
    /// For whom.
    pub occupancy: Occupancy,
    /// What it costs in all, taxes and fees included.
    pub price: Money,
    /// What goes with it.
    pub terms: Terms,
    /// What only this kind of product has.
    #[serde(default, skip_serializing_if = "Product::is_stay")]
    pub product: Product,
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
#[cfg_attr(test, derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct LegOrder {
    /// Who sells it.
    pub supplier: Supplier,
    /// The key to book with, from the price check.
    pub book_key: String,
    /// The property, route or activity.
    pub property_id: String,
    /// Its first local day: of arrival at a property, of departure of a flight.
    pub check_in: NaiveDate,
    /// Its last local day: of departure from a property, of arrival of a flight.
    pub check_out: NaiveDate,
    /// For whom.
    pub occupancy: Occupancy,
    /// What the customer pays for it: what the price check said. The supplier is paid
    /// [`LegOrder::cost`].
    pub price: Money,
    /// What goes with it.
    pub terms: Terms,
    /// What only this kind of product has.
    #[serde(default, skip_serializing_if = "Product::is_stay")]
    pub product: Product,
    /// What becomes of it where the supplier asks another price; nothing where it is then refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reprice: Option<Reprice>,
}

impl LegOrder {
    /// What the supplier may ask for it: what it said when it was asked last.
    #[must_use]
    pub fn cost(&self) -> Money {
        self.reprice.as_ref().and_then(|reprice| reprice.cost).unwrap_or(self.price)
    }
}

/// What becomes of an order where the supplier asks another price by the time it is held.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Reprice {
    /// The offer's key, by which the price is asked for once more.
    pub rate_key: String,
    /// So much more than the price is ours to bear; what is dearer is not taken.
    pub bears: Money,
    /// What the supplier asks now, once that is taken; the customer's price stays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<Money>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_due_at_a_property_is_a_plain_amount_of_a_currency_or_nothing_that_can_be_told() {
        let due = DueAtProperty::of("city_tax", "1419.51", "HUF").unwrap();
        let written = serde_json::to_value(&due).unwrap();
        let shape = serde_json::json!(
            { "what": "city_tax", "amount": "1419.51", "currency": "HUF" }
        );
        assert_eq!(written, shape);
        assert!(!due.is_nothing());
        assert!(
            ["0", "0.00"]
                .iter()
                .all(|none| { DueAtProperty::of("city_tax", none, "EUR").unwrap().is_nothing() })
        );
        for amount in ["", ".", "1.", ".5", "-1", "+1", "1e3", "1,5", " 1", "NaN", "١"] {
            assert_eq!(DueAtProperty::of("city_tax", amount, "EUR"), None, "{amount:?}");
        }
        for currency in ["", "EU", "eur", "EURO", "€", "E1R"] {
            assert_eq!(DueAtProperty::of("city_tax", "1", currency), None, "{currency:?}");
        }
        let long = "x".repeat(65);
        for what in ["", " ", long.as_str()] {
            assert_eq!(DueAtProperty::of(what, "1", "EUR"), None, "{what:?}");
        }
        assert_eq!(DueAtProperty::of("city_tax", &"1".repeat(65), "EUR"), None);
    }
}
