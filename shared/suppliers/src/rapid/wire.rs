//! Rapid's JSON, as far as we read it. What is required here is what the answer means nothing
//! without.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use serde::{
    Deserialize,
    de::{DeserializeOwned, IgnoredAny},
};
use serde_json::{Value, value::RawValue};

use crate::Broken;

/// A map of names to links.
pub(super) type Links = BTreeMap<String, Link>;

/// Spec 21250, `Link`.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Link {
    pub(super) method: String,
    pub(super) href: String,
    pub(super) expires: Option<String>,
}

/// Spec 21463, `Property` and `PropertyAvailability`.
#[derive(Debug, Deserialize)]
pub(super) struct Property {
    pub(super) property_id: String,
    pub(super) status: String,
    pub(super) rooms: Option<Vec<Room>>,
}

/// Spec 21499, `RoomAvailability`.
#[derive(Debug, Deserialize)]
pub(super) struct Room {
    pub(super) room_name: String,
    /// Each a `Rate`, and read by itself.
    pub(super) rates: Vec<Box<RawValue>>,
}

/// Spec 21514, `Rate`; `holdable` is of the page on hold and resume.
#[derive(Debug, Deserialize)]
pub(super) struct Rate {
    pub(super) status: String,
    pub(super) refundable: bool,
    pub(super) current_refundability: Option<String>,
    pub(super) merchant_of_record: String,
    pub(super) holdable: Option<bool>,
    pub(super) bed_groups: BTreeMap<String, BedGroup>,
    #[serde(default)]
    pub(super) cancel_penalties: Vec<CancelPenalty>,
    #[serde(default)]
    pub(super) nonrefundable_date_ranges: Vec<DateRange>,
    pub(super) occupancy_pricing: BTreeMap<String, Pricing>,
    /// What else it has.
    #[serde(flatten)]
    others: BTreeMap<String, IgnoredAny>,
}

/// What a rate may have besides (spec 21514).
const UNREAD: [&str; 11] = [
    "id",
    "available_rooms",
    "member_deal_available",
    "sale_scenario",
    "amenities",
    "links",
    "marketing_fee_incentives",
    "promotions",
    "card_on_file_limit",
    "refundable_damage_deposit",
    "deposits",
];

impl Rate {
    /// Whether it has nothing but what is published. Another name may be a new one of what says
    /// that less is given back.
    pub(super) fn is_published(&self) -> bool {
        self.others.keys().all(|name| UNREAD.contains(&name.as_str()))
    }
}

/// Spec 21707, `BedGroupAvailability`.
#[derive(Debug, Deserialize)]
pub(super) struct BedGroup {
    pub(super) description: String,
    pub(super) links: BedGroupLinks,
}

/// Spec 21725, `BedGroupAvailabilityLinks`.
#[derive(Debug, Deserialize)]
pub(super) struct BedGroupLinks {
    pub(super) price_check: Link,
}

/// Spec 23481, `CancelPenalty`. Its examples write `nights` as a number, its schema as a string.
/// One that has more charges more than we would read.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CancelPenalty {
    pub(super) currency: String,
    pub(super) start: String,
    pub(super) end: String,
    pub(super) amount: Option<String>,
    pub(super) nights: Option<Nights>,
    pub(super) percent: Option<String>,
}

/// A number of nights, in either of its published forms.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Nights {
    Number(u32),
    Text(String),
}

/// Spec 23505, `NonrefundableDateRange`; both ends belong to it.
#[derive(Debug, Deserialize)]
pub(super) struct DateRange {
    pub(super) start: NaiveDate,
    pub(super) end: NaiveDate,
}

/// Spec 23514, `PricingInformation`. The nights stay unread until a penalty counts them. `fees` are
/// by their kinds what the property collects for the whole stay: `mandatory_fee`, `mandatory_tax`,
/// `resort_fee`.
#[derive(Debug, Deserialize)]
pub(super) struct Pricing {
    pub(super) nightly: Option<Value>,
    pub(super) totals: Totals,
    #[serde(default)]
    pub(super) fees: BTreeMap<String, Charge>,
}

/// Spec 23601, `Totals`: `inclusive` is with taxes and fees, but for what the property collects
/// itself.
#[derive(Debug, Deserialize)]
pub(super) struct Totals {
    pub(super) inclusive: Charge,
}

/// Spec 23659, `Charge`: what is billed, and the same in the currency that was asked for.
#[derive(Debug, Deserialize)]
pub(super) struct Charge {
    pub(super) billable_currency: Amount,
    pub(super) request_currency: Option<Amount>,
}

/// Spec 23668 and 23537, `Amount` and `NightCharge`.
#[derive(Debug, Deserialize)]
pub(super) struct Amount {
    pub(super) value: String,
    pub(super) currency: String,
}

/// Spec 21894, `RoomPriceCheck`.
#[derive(Debug, Deserialize)]
pub(super) struct PriceCheck {
    pub(super) status: String,
    #[serde(default)]
    pub(super) occupancy_pricing: BTreeMap<String, Pricing>,
    #[serde(default)]
    pub(super) links: Links,
}

/// The part of an itinerary that proves that it exists: spec 22420 and 23152, `Itinerary`,
/// `ItineraryCreation`.
#[derive(Debug, Deserialize)]
pub(super) struct ItineraryHead {
    pub(super) itinerary_id: String,
    pub(super) affiliate_reference_id: Option<String>,
}

/// The part of an itinerary that says what it is. Personal data.
#[derive(Deserialize)]
pub(super) struct ItineraryDetail {
    #[serde(default)]
    pub(super) links: Links,
    #[serde(default)]
    pub(super) rooms: Vec<RoomDetail>,
    pub(super) property_id: Option<String>,
}

/// Spec 22522, `RoomItinerary`. Personal data.
#[derive(Deserialize)]
pub(super) struct RoomDetail {
    pub(super) status: String,
    pub(super) checkin: Option<NaiveDate>,
    pub(super) checkout: Option<NaiveDate>,
    pub(super) rate: Option<RateDetail>,
    pub(super) given_name: Option<String>,
    pub(super) family_name: Option<String>,
    #[serde(default)]
    pub(super) links: Links,
}

/// Spec 22601, `RateItinerary`.
#[derive(Debug, Deserialize)]
pub(super) struct RateDetail {
    pub(super) id: Option<String>,
    pub(super) pricing: Option<Pricing>,
}

/// Spec 23401, `Notification`, as far as a hint needs it.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Notification {
    pub(super) event_id: Option<String>,
    pub(super) event_type: Option<String>,
    pub(super) itinerary_id: Option<String>,
    pub(super) affiliate_reference_id: Option<String>,
}

#[derive(Deserialize)]
struct Error {
    r#type: String,
    #[serde(default)]
    errors: Vec<NestedError>,
}

#[derive(Deserialize)]
struct NestedError {
    r#type: String,
}

/// The error codes of a reply: the nested ones first, for they say more, then the class.
///
/// Codes are words. Text that is none is left out: it may be anything, and codes go into logs.
pub(super) fn codes(body: &[u8]) -> Vec<String> {
    let Ok(error) = serde_json::from_slice::<Error>(body) else { return Vec::new() };
    let word = |code: &String| {
        (1..=64).contains(&code.len())
            && code
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._".contains(&b))
    };
    let nested = error.errors.into_iter().map(|e| e.r#type);
    nested.chain([error.r#type]).filter(word).collect()
}

/// Reads JSON, and says where it is not what the supplier documents, never what stood there.
pub(super) fn read<T: DeserializeOwned>(what: &str, body: &[u8]) -> Result<T, Broken> {
    let mut from = serde_json::Deserializer::from_slice(body);
    let read = serde_path_to_error::deserialize(&mut from).map_err(|e| broken(what, e.path()))?;
    from.end().map_err(|_| Broken::contract(format!("{what} with something after it")))?;
    Ok(read)
}

/// Reads a part of JSON already read.
pub(super) fn part<T: DeserializeOwned>(what: &str, value: &Value) -> Result<T, Broken> {
    serde_path_to_error::deserialize(value).map_err(|e| broken(what, e.path()))
}

/// Names the place; a path can be as long as the reply is deep, and is cut.
fn broken(what: &str, path: &serde_path_to_error::Path) -> Broken {
    let path: String = path.to_string().chars().take(120).collect();
    Broken::contract(format!("{what} at `{path}`"))
}
