//! What flies where: a made-up airline, `Duffel Airways` as in the supplier's own sandbox, between
//! a few real airports, four fares a flight.

use chrono::{Duration, NaiveDate, NaiveDateTime, NaiveTime};

/// Airports: code, city's code, offset from UTC in hours in winter.
const AIRPORTS: [(&str, &str, i64); 10] = [
    ("LHR", "LON", 0),
    ("LGW", "LON", 0),
    ("CDG", "PAR", 1),
    ("FRA", "FRA", 1),
    ("BER", "BER", 1),
    ("MAD", "MAD", 1),
    ("JFK", "NYC", -5),
    ("SFO", "SFO", -8),
    ("NRT", "TYO", 9),
    ("SIN", "SIN", 8),
];

/// One flight of a slice, in local times.
#[derive(Clone)]
pub(crate) struct Flight {
    pub(crate) origin: &'static str,
    pub(crate) origin_city: &'static str,
    pub(crate) destination: &'static str,
    pub(crate) destination_city: &'static str,
    pub(crate) departs_at: NaiveDateTime,
    pub(crate) arrives_at: NaiveDateTime,
    pub(crate) number: String,
}

/// A fare: what comes back, and whether space can be held.
pub(crate) struct Fare {
    pub(crate) name: &'static str,
    /// Permille of the flexible price.
    pub(crate) permille: i64,
    /// What cancelling costs in minor units; none where nothing comes back.
    pub(crate) penalty: Option<i64>,
    pub(crate) holdable: bool,
    /// Whether the price is promised as long as the space.
    pub(crate) price_held: bool,
}

pub(crate) const FARES: [Fare; 4] = [
    Fare { name: "Flexible", permille: 1000, penalty: Some(0), holdable: true, price_held: true },
    Fare {
        name: "Standard",
        permille: 800,
        penalty: Some(4_000),
        holdable: true,
        price_held: false,
    },
    Fare { name: "Basic", permille: 600, penalty: None, holdable: true, price_held: true },
    Fare { name: "Now", permille: 550, penalty: Some(0), holdable: false, price_held: false },
];

fn find(code: &str) -> Option<(&'static str, &'static str, i64)> {
    AIRPORTS.into_iter().find(|(airport, city, _)| *airport == code || *city == code)
}

/// The flight of a day; none between places that nobody flies between.
pub(crate) fn flight(origin: &str, destination: &str, day: NaiveDate) -> Option<Flight> {
    let (from, to) = (find(origin)?, find(destination)?);
    if from.0 == to.0 {
        return None;
    }
    let departs_at = day.and_time(NaiveTime::from_hms_opt(9, 30, 0)?);
    let hours = 1 + (from.2 - to.2).abs();
    let arrives_at = departs_at + Duration::hours(hours + to.2 - from.2);
    let number = 100 + seed(from.0, to.0, day) % 800;
    Some(Flight {
        origin: from.0,
        origin_city: from.1,
        destination: to.0,
        destination_city: to.1,
        departs_at,
        arrives_at,
        number: number.to_string(),
    })
}

/// What one seat costs flexibly, in minor units.
pub(crate) fn price(flights: &[Flight]) -> i64 {
    let one = |flight: &Flight| {
        12_000 + seed(flight.origin, flight.destination, flight.departs_at.date()) % 8_000
    };
    flights.iter().map(one).sum()
}

fn seed(from: &str, to: &str, day: NaiveDate) -> i64 {
    let text = format!("{from}{to}{day}");
    text.bytes().fold(7, |sum, byte| (sum * 31 + i64::from(byte)) % 1_000_003)
}
