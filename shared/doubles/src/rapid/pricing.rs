//! What a stay costs and what cancelling it costs: a pure function of property, dates, guests and
//! currency.
//!
//! All amounts are integers in the currency's minor unit; nothing is random, so two runs agree.

use chrono::{
    DateTime, Datelike, Days, NaiveDate, NaiveTime, SecondsFormat, TimeZone, Utc, Weekday,
};
use serde_json::{Map, Value, json};

use super::catalogue::{Catalogue, Property, Rate, Room, Terms};

/// A currency that rates are sold in here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Currency {
    Eur,
    Usd,
    Jpy,
}

impl Currency {
    pub(crate) fn parse(code: &str) -> Option<Self> {
        match code {
            "EUR" => Some(Self::Eur),
            "USD" => Some(Self::Usd),
            "JPY" => Some(Self::Jpy),
            _ => None,
        }
    }

    pub(crate) fn code(self) -> &'static str {
        match self {
            Self::Eur => "EUR",
            Self::Usd => "USD",
            Self::Jpy => "JPY",
        }
    }

    /// From euro cents into this currency's minor unit.
    fn of_cents(self, cents: i64) -> i64 {
        match self {
            Self::Eur => cents,
            Self::Usd => cents * 108 / 100,
            Self::Jpy => cents * 160 / 100,
        }
    }

    /// Writes an amount with the precision of the currency.
    pub(crate) fn write(self, minor: i64) -> String {
        match self {
            Self::Eur | Self::Usd => format!("{}.{:02}", minor / 100, minor % 100),
            Self::Jpy => minor.to_string(),
        }
    }
}

/// The guests of one room, as Rapid writes them: `2` or `2-9,4`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Occupancy {
    pub(crate) adults: usize,
    pub(crate) children: Vec<u8>,
}

impl Occupancy {
    pub(crate) fn parse(given: &str) -> Option<Self> {
        let (adults, children) = match given.split_once('-') {
            None => (given, Vec::new()),
            Some((adults, ages)) => {
                (adults, ages.split(',').map(str::parse).collect::<Result<Vec<u8>, _>>().ok()?)
            }
        };
        let adults = adults.parse().ok().filter(|adults| (1..=8).contains(adults))?;
        children.iter().all(|age| *age < 18).then_some(Self { adults, children })
    }

    pub(crate) fn guests(&self) -> usize {
        self.adults + self.children.len()
    }

    pub(crate) fn write(&self) -> String {
        let ages: Vec<String> = self.children.iter().map(u8::to_string).collect();
        match ages.is_empty() {
            true => self.adults.to_string(),
            false => format!("{}-{}", self.adults, ages.join(",")),
        }
    }
}

/// What somebody wants to buy; property, room and rate are places in the catalogue.
#[derive(Clone, Debug)]
pub(crate) struct Selection {
    pub(crate) property: usize,
    pub(crate) room: usize,
    pub(crate) rate: usize,
    pub(crate) check_in: NaiveDate,
    pub(crate) check_out: NaiveDate,
    pub(crate) occupancies: Vec<Occupancy>,
    pub(crate) currency: Currency,
}

impl Selection {
    pub(crate) fn property<'a>(&self, catalogue: &'a Catalogue) -> &'a Property {
        &catalogue.properties[self.property]
    }

    pub(crate) fn room<'a>(&self, catalogue: &'a Catalogue) -> &'a Room {
        &self.property(catalogue).rooms[self.room]
    }

    pub(crate) fn rate<'a>(&self, catalogue: &'a Catalogue) -> &'a Rate {
        &self.room(catalogue).rates[self.rate]
    }

    /// Every night of the stay by the date it begins.
    pub(crate) fn nights(&self) -> impl Iterator<Item = NaiveDate> + use<> {
        let last = self.check_out;
        self.check_in.iter_days().take_while(move |night| *night < last)
    }
}

/// One night of one room.
#[derive(Clone, Debug)]
struct Night {
    base: i64,
    tax: i64,
}

/// The price of one room of a stay.
#[derive(Clone, Debug)]
pub(crate) struct RoomPrice {
    nights: Vec<Night>,
    property_fee: i64,
}

/// The price of a stay: its rooms in the order of the occupancies.
#[derive(Clone, Debug)]
pub(crate) struct Priced {
    pub(crate) currency: Currency,
    pub(crate) rooms: Vec<RoomPrice>,
}

impl RoomPrice {
    fn exclusive(&self) -> i64 {
        self.nights.iter().map(|night| night.base).sum()
    }

    pub(crate) fn inclusive(&self) -> i64 {
        self.nights.iter().map(|night| night.base + night.tax).sum()
    }
}

impl Priced {
    /// What is paid to Rapid for everything, taxes and fees in.
    pub(crate) fn total(&self) -> i64 {
        self.rooms.iter().map(RoomPrice::inclusive).sum()
    }

    /// The same stay at another price.
    pub(crate) fn scaled(mut self, permille: i64) -> Self {
        for night in self.rooms.iter_mut().flat_map(|room| &mut room.nights) {
            night.base = night.base * permille / 1000;
            night.tax = night.tax * permille / 1000;
        }
        self
    }

    /// The same figures in another currency: a lie that a buyer must notice.
    pub(crate) fn mislabelled(mut self) -> Self {
        self.currency = match self.currency {
            Currency::Eur | Currency::Jpy => Currency::Usd,
            Currency::Usd => Currency::Eur,
        };
        self
    }
}

/// Prices a selection; `permille` is 1000 unless the supplier moved this price.
pub(crate) fn price(catalogue: &Catalogue, wanted: &Selection, permille: i64) -> Priced {
    let rooms = wanted.occupancies.iter().map(|guests| room_price(catalogue, wanted, guests));
    Priced { currency: wanted.currency, rooms: rooms.collect() }.scaled(permille)
}

fn room_price(catalogue: &Catalogue, wanted: &Selection, guests: &Occupancy) -> RoomPrice {
    let property = wanted.property(catalogue);
    let extra_adults = i64::try_from(guests.adults.saturating_sub(2)).unwrap_or(0);
    let children = i64::try_from(guests.children.len()).unwrap_or(0);
    let plain = property.night_minor * wanted.room(catalogue).permille / 1000
        * wanted.rate(catalogue).terms.permille()
        / 1000
        * (1000 + 150 * extra_adults + 50 * children)
        / 1000;
    let night = |date: NaiveDate| {
        let weekend = matches!(date.weekday(), Weekday::Fri | Weekday::Sat);
        let season = 900 + i64::from(date.ordinal() * 37 % 251);
        let cents = plain * season / 1000 * if weekend { 1200 } else { 1000 } / 1000;
        let base = wanted.currency.of_cents(cents);
        Night { base, tax: base / 10 }
    };
    let nights: Vec<Night> = wanted.nights().map(night).collect();
    let guest_nights = i64::try_from(nights.len() * guests.guests()).unwrap_or(0);
    let property_fee = wanted.currency.of_cents(property.city_tax_minor * guest_nights);
    RoomPrice { nights, property_fee }
}

/// Writes one room's price as Rapid's pricing information.
///
/// Shopping answers in the billed and the asked currency, which are one and the same here; an
/// itinerary only in the first.
pub(crate) fn pricing_json(price: &RoomPrice, currency: Currency, shopping: bool) -> Value {
    let amount =
        |minor: i64| json!({ "value": currency.write(minor), "currency": currency.code() });
    let charge = |minor: i64| match shopping {
        true => json!({ "billable_currency": amount(minor), "request_currency": amount(minor) }),
        false => json!({ "billable_currency": amount(minor) }),
    };
    let line = |kind: &str, minor: i64| json!({ "type": kind, "value": currency.write(minor), "currency": currency.code() });
    let nightly: Vec<Value> = price
        .nights
        .iter()
        .map(|night| json!([line("base_rate", night.base), line("tax_and_service_fee", night.tax)]))
        .collect();
    let mut totals = json!({
        "inclusive": charge(price.inclusive()),
        "exclusive": charge(price.exclusive()),
        "property_inclusive": charge(price.inclusive() + price.property_fee),
    });
    let mut pricing = json!({ "nightly": nightly });
    if price.property_fee > 0 {
        totals["property_fees"] = charge(price.property_fee);
        pricing["fees"] = json!({ "mandatory_tax": charge(price.property_fee) });
    }
    pricing["totals"] = totals;
    pricing
}

/// Writes the price of every occupancy asked for, under the words it was asked with.
pub(crate) fn occupancy_pricing(wanted: &Selection, price: &Priced) -> Value {
    let entry = |(guests, room): (&Occupancy, &RoomPrice)| {
        (guests.write(), pricing_json(room, price.currency, true))
    };
    Value::Object(wanted.occupancies.iter().zip(&price.rooms).map(entry).collect::<Map<_, _>>())
}

/// How much of a room's price is kept on cancellation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Penalty {
    Nights(usize),
    Percent(i64),
}

/// A span in which cancelling costs something.
pub(crate) struct Window {
    start: DateTime<chrono::FixedOffset>,
    end: DateTime<chrono::FixedOffset>,
    penalty: Penalty,
}

/// When cancelling costs what, in the property's own time; `from` is the instant of the offer or
/// the booking.
pub(crate) fn windows(
    catalogue: &Catalogue,
    wanted: &Selection,
    from: DateTime<Utc>,
) -> Vec<Window> {
    let zone = wanted.property(catalogue).zone;
    let from = from.with_timezone(&zone);
    let at = |days_before: u64, hour: u32| {
        let date = wanted.check_in.checked_sub_days(Days::new(days_before)).unwrap();
        let time = NaiveTime::from_hms_opt(hour, 0, 0).unwrap();
        zone.from_local_datetime(&date.and_time(time)).unwrap().max(from)
    };
    let end = zone
        .from_local_datetime(&wanted.check_out.and_time(NaiveTime::from_hms_opt(12, 0, 0).unwrap()))
        .unwrap();
    match wanted.rate(catalogue).terms {
        Terms::Flexible | Terms::FlexibleNow => {
            vec![Window { start: at(2, 18), end, penalty: Penalty::Nights(1) }]
        }
        Terms::Partial => vec![
            Window { start: from, end: at(7, 18), penalty: Penalty::Percent(30) },
            Window { start: at(7, 18), end, penalty: Penalty::Percent(100) },
        ],
        Terms::NonRefundable | Terms::NonRefundableHeld => {
            vec![Window { start: from, end, penalty: Penalty::Percent(100) }]
        }
    }
}

/// What is kept of `price` when it is cancelled at `now`.
pub(crate) fn fee(windows: &[Window], price: &RoomPrice, now: DateTime<Utc>) -> i64 {
    let open = windows.iter().find(|window| window.start <= now && now < window.end);
    match open.map(|window| window.penalty) {
        None => 0,
        Some(Penalty::Percent(percent)) => price.inclusive() * percent / 100,
        Some(Penalty::Nights(nights)) => {
            price.nights.iter().take(nights).map(|night| night.base + night.tax).sum()
        }
    }
}

/// Writes the windows as Rapid's cancel penalties.
pub(crate) fn penalties_json(windows: &[Window], currency: Currency) -> Value {
    let write =
        |at: &DateTime<chrono::FixedOffset>| at.to_rfc3339_opts(SecondsFormat::Millis, false);
    let entry = |window: &Window| {
        let mut entry = json!({
            "currency": currency.code(),
            "start": write(&window.start),
            "end": write(&window.end),
        });
        match window.penalty {
            Penalty::Nights(nights) => entry["nights"] = json!(nights.to_string()),
            Penalty::Percent(percent) => entry["percent"] = json!(format!("{percent}%")),
        }
        entry
    };
    windows.iter().filter(|window| window.start < window.end).map(entry).collect()
}

/// The nights that are never refunded, whatever the penalties say.
pub(crate) fn nonrefundable_ranges(catalogue: &Catalogue, wanted: &Selection) -> Value {
    match wanted.rate(catalogue).terms {
        Terms::NonRefundable | Terms::NonRefundableHeld => {
            let last = wanted.check_out.pred_opt().unwrap();
            json!([{ "start": wanted.check_in.to_string(), "end": last.to_string() }])
        }
        Terms::Flexible | Terms::FlexibleNow | Terms::Partial => json!([]),
    }
}

/// Whether cancelling at `now` costs anything.
pub(crate) fn costs_now(windows: &[Window], now: DateTime<Utc>) -> bool {
    windows.iter().any(|window| window.start <= now && now < window.end)
}
