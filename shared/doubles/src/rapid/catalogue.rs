//! What Rapid sells here: three dozen made-up properties, always the same, with rooms and rates of
//! every kind.

use std::collections::BTreeMap;

use chrono::FixedOffset;

/// One property. Its zone is a fixed offset: no daylight saving, so that deadlines are the same all
/// year.
pub(crate) struct Property {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) city: &'static str,
    pub(crate) country: &'static str,
    pub(crate) zone: FixedOffset,
    pub(crate) stars: u8,
    pub(crate) latitude: &'static str,
    pub(crate) longitude: &'static str,
    /// The price of a plain night in euro cents.
    pub(crate) night_minor: i64,
    /// What the property collects itself per guest and night, in euro cents.
    pub(crate) city_tax_minor: i64,
    pub(crate) rooms: Vec<Room>,
}

/// One room type.
pub(crate) struct Room {
    pub(crate) id: String,
    pub(crate) name: &'static str,
    pub(crate) bed_group: String,
    pub(crate) beds: (&'static str, &'static str, u8),
    pub(crate) guests_max: usize,
    pub(crate) permille: i64,
    pub(crate) rates: Vec<Rate>,
}

/// One way to buy a room.
pub(crate) struct Rate {
    pub(crate) id: String,
    pub(crate) terms: Terms,
}

/// The terms of a rate: what decides holding, refunding and the price.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Terms {
    /// Free to cancel until two days before check-in, then one night; can be held.
    Flexible,
    /// 30 % from the start, everything from seven days before check-in; can be held.
    Partial,
    /// Nothing back; cannot be held.
    NonRefundable,
    /// As flexible, but cannot be held.
    FlexibleNow,
    /// Nothing back once booked, but can be held.
    NonRefundableHeld,
}

impl Terms {
    pub(crate) fn holdable(self) -> bool {
        match self {
            Self::Flexible | Self::Partial | Self::NonRefundableHeld => true,
            Self::NonRefundable | Self::FlexibleNow => false,
        }
    }

    /// Whether the rate is refunded in full when cancelled right after booking.
    pub(crate) fn refundable(self) -> bool {
        matches!(self, Self::Flexible | Self::FlexibleNow)
    }

    pub(crate) fn permille(self) -> i64 {
        match self {
            Self::Flexible => 1000,
            Self::FlexibleNow => 970,
            Self::Partial => 920,
            Self::NonRefundableHeld => 860,
            Self::NonRefundable => 830,
        }
    }
}

/// Everything on sale, found by the supplier's ids.
pub(crate) struct Catalogue {
    pub(crate) properties: Vec<Property>,
    by_id: BTreeMap<String, usize>,
}

/// (city, country, offset in minutes, latitude, longitude, night in cents, city tax in cents)
type City = (&'static str, &'static str, i32, &'static str, &'static str, i64, i64);

const CITIES: [City; 12] = [
    ("Lisbon", "PT", 0, "38.7169", "-9.1399", 12_400, 200),
    ("Porto", "PT", 0, "41.1496", "-8.6110", 10_100, 200),
    ("Madrid", "ES", 60, "40.4168", "-3.7038", 13_300, 0),
    ("Paris", "FR", 60, "48.8566", "2.3522", 19_800, 520),
    ("Berlin", "DE", 60, "52.5200", "13.4050", 11_900, 0),
    ("Athens", "GR", 120, "37.9838", "23.7275", 9_700, 150),
    ("London", "GB", 0, "51.5072", "-0.1276", 21_500, 0),
    ("New York", "US", -300, "40.7128", "-74.0060", 28_600, 0),
    ("San Francisco", "US", -480, "37.7749", "-122.4194", 24_300, 0),
    ("Tokyo", "JP", 540, "35.6762", "139.6503", 17_200, 0),
    ("Auckland", "NZ", 720, "-36.8509", "174.7645", 14_800, 0),
    ("Honolulu", "US", -600, "21.3099", "-157.8581", 26_900, 0),
];

const NAMES: [&str; 3] = ["Lantern House", "Quillfeather Hotel", "Saltmarsh Rooms"];

/// (name, bed type, bed size, beds, guests, permille of the plain night)
const ROOMS: [(&str, &str, &str, u8, usize, i64); 3] = [
    ("Double Room", "QueenBed", "Queen", 1, 2, 1000),
    ("Family Room", "FullBed", "Full", 2, 4, 1450),
    ("Corner Suite", "KingBed", "King", 1, 3, 1900),
];

impl Catalogue {
    pub(crate) fn new() -> Self {
        let mut properties = Vec::new();
        for (at, city) in CITIES.iter().enumerate() {
            for (which, name) in NAMES.iter().enumerate() {
                properties.push(property(at, which, city, name));
            }
        }
        let by_id = properties.iter().enumerate().map(|(at, it)| (it.id.clone(), at)).collect();
        Self { properties, by_id }
    }

    /// Where the property stands in [`Catalogue::properties`].
    pub(crate) fn find(&self, id: &str) -> Option<usize> {
        self.by_id.get(id).copied()
    }
}

fn property(at: usize, which: usize, city: &City, name: &str) -> Property {
    let (city, country, offset, latitude, longitude, night_minor, city_tax_minor) = *city;
    let id = format!("{}", 1_100_000 + at * 100 + which + 1);
    let dearer = [1000, 1240, 780][which];
    Property {
        name: format!("{name} {city}"),
        city,
        country,
        zone: FixedOffset::east_opt(offset * 60).unwrap(),
        stars: [4, 5, 3][which],
        latitude,
        longitude,
        night_minor: night_minor * dearer / 1000,
        city_tax_minor,
        rooms: ROOMS.iter().enumerate().map(|(at, each)| room(&id, at, each)).collect(),
        id,
    }
}

fn room(
    property: &str,
    at: usize,
    described: &(&'static str, &'static str, &'static str, u8, usize, i64),
) -> Room {
    let (name, bed, size, beds, guests_max, permille) = *described;
    let id = format!("2{property}{}", at + 1);
    let kinds = match at % 2 {
        0 => [Terms::Flexible, Terms::Partial, Terms::NonRefundable, Terms::FlexibleNow],
        _ => [Terms::Flexible, Terms::Partial, Terms::NonRefundable, Terms::NonRefundableHeld],
    };
    let rate = |(n, terms): (usize, &Terms)| Rate { id: format!("3{id}{n}"), terms: *terms };
    Room {
        name,
        bed_group: format!("4{id}"),
        beds: (bed, size, beds),
        guests_max,
        permille,
        rates: kinds.iter().enumerate().map(rate).collect(),
        id,
    }
}
