//! What is sold: hotels, rooms and rates, what they cost and what cancelling costs.

use chrono::{Days, NaiveDate, NaiveDateTime, NaiveTime};
use serde_json::{Value, json};

/// How many hotels there are: `8473001` and the following.
const HOTELS: u64 = 36;
const FIRST: u64 = 8_473_001;

/// The rooms of every hotel: name, guests it takes, its price over the first.
const ROOMS: [(&str, u8, i64); 3] = [
    ("Standard Double Room (queen size bed)", 2, 0),
    ("Deluxe Room, city view (2 twin beds)", 3, 3_500),
    ("Family Suite (double bed and sofa)", 6, 9_000),
];

/// Currencies that the contract is charged in; a rate is shown in any.
pub(crate) const CHARGED: &str = "EUR";

/// Which rate of a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Rate {
    /// Free until two days before.
    Flexible,
    /// A third from the beginning, everything from five days before.
    Stepped,
    /// Nothing back, a tenth cheaper.
    NonRefundable,
    /// Flexible, and paid at the hotel with a card.
    AtTheHotel,
}

pub(crate) const RATES: [Rate; 4] =
    [Rate::Flexible, Rate::Stepped, Rate::NonRefundable, Rate::AtTheHotel];

/// A hotel, a room, a rate, the stay and who sleeps there.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Choice {
    pub(crate) hid: u64,
    pub(crate) room: usize,
    pub(crate) rate: Rate,
    pub(crate) checkin: NaiveDate,
    pub(crate) checkout: NaiveDate,
    pub(crate) adults: u8,
    pub(crate) children: Vec<u8>,
}

/// The hotel of that number.
pub(crate) fn find(hid: u64) -> Option<u64> {
    (FIRST..FIRST + HOTELS).contains(&hid).then_some(hid)
}

/// The hotel of that old name.
pub(crate) fn find_by_name(id: &str) -> Option<u64> {
    find(id.strip_prefix("double_hotel_")?.parse().ok()?)
}

/// A hotel's old name.
pub(crate) fn name(hid: u64) -> String {
    format!("double_hotel_{hid}")
}

pub(crate) fn room_name(room: usize) -> &'static str {
    ROOMS[room].0
}

/// Every rate of a hotel for a stay.
pub(crate) fn rates(
    hid: u64,
    (checkin, checkout): (NaiveDate, NaiveDate),
    adults: u8,
    children: &[u8],
) -> Vec<Choice> {
    let guests = usize::from(adults) + children.len();
    let fits = |room: &usize| usize::from(ROOMS[*room].1) >= guests;
    let all = (0..ROOMS.len()).filter(fits);
    all.flat_map(|room| {
        RATES.map(|rate| Choice {
            hid,
            room,
            rate,
            checkin,
            checkout,
            adults,
            children: children.to_vec(),
        })
    })
    .collect()
}

impl Choice {
    pub(crate) fn nights(&self) -> i64 {
        (self.checkout - self.checkin).num_days()
    }

    /// What it costs in minor units after `moved` permille of price moves.
    pub(crate) fn price(&self, moved: i64) -> i64 {
        let base = 6_000 + 450 * i64::try_from(self.hid - FIRST).unwrap_or(0);
        let children = i64::try_from(self.children.len()).unwrap_or(0);
        let extra = i64::from(self.adults.max(1)) * 700 + 400 * children;
        let night = base + ROOMS[self.room].2 + extra;
        let whole = night * self.nights();
        let whole = if self.rate == Rate::NonRefundable { whole * 9 / 10 } else { whole };
        whole * moved / 1000
    }

    /// From when, in UTC, cancelling costs what; from the beginning where there is no instant.
    pub(crate) fn fees(&self, price: i64) -> Vec<(Option<NaiveDateTime>, i64)> {
        let before = |days| {
            let day = self.checkin - Days::new(days);
            Some(day.and_time(NaiveTime::from_hms_opt(8, 0, 0).unwrap_or_default()))
        };
        match self.rate {
            Rate::Flexible | Rate::AtTheHotel => vec![(None, 0), (before(2), price)],
            Rate::Stepped => vec![(None, price / 3), (before(5), price)],
            Rate::NonRefundable => vec![(None, price)],
        }
    }

    /// What cancelling costs at `now`.
    pub(crate) fn fee_at(&self, price: i64, now: NaiveDateTime) -> i64 {
        let begun = |(from, _): &&(Option<NaiveDateTime>, i64)| from.is_none_or(|at| at <= now);
        self.fees(price).iter().rfind(begun).map_or(0, |(_, fee)| *fee)
    }

    /// Until when cancelling is free; none where it never is.
    pub(crate) fn free_before(&self, price: i64) -> Option<NaiveDateTime> {
        let fees = self.fees(price);
        let is_free = fees.first().is_some_and(|(_, fee)| *fee == 0);
        fees.iter().find(|(_, fee)| *fee > 0).and_then(|(from, _)| *from).filter(|_| is_free)
    }

    /// One rate as the hotelpage and the prebook show it.
    pub(crate) fn shown(&self, hash: &str, price: i64) -> Value {
        let fees = self.fees(price);
        let end_of = |at: usize| fees.get(at + 1).and_then(|(from, _)| from.map(utc));
        let policies: Vec<Value> = fees
            .iter()
            .enumerate()
            .map(|(at, (from, fee))| {
                json!({
                    "start_at": from.map(utc),
                    "end_at": end_of(at),
                    "amount_charge": decimal(*fee),
                    "amount_show": decimal(*fee),
                    "commission_info": commission(*fee),
                })
            })
            .collect();
        let at_the_hotel = self.rate == Rate::AtTheHotel;
        json!({
            "book_hash": hash,
            "match_hash": format!("m-{}", hash.trim_start_matches(['h', 'p', '-'])),
            "daily_prices": (0..self.nights()).map(|_| decimal(price / self.nights())).collect::<Vec<_>>(),
            "meal": "nomeal",
            "meal_data": { "value": "nomeal", "has_breakfast": false, "no_child_meal": false },
            "payment_options": { "payment_types": [{
                "amount": decimal(price),
                "show_amount": decimal(price),
                "currency_code": CHARGED,
                "show_currency_code": CHARGED,
                "by": at_the_hotel.then_some("credit_card"),
                "is_need_credit_card_data": at_the_hotel,
                "is_need_cvc": at_the_hotel,
                "type": if at_the_hotel { "hotel" } else { "deposit" },
                "vat_data": { "included": false, "applied": false, "amount": "0.00", "currency_code": CHARGED, "value": "0.00" },
                "tax_data": { "taxes": [
                    { "name": "vat", "included_by_supplier": true, "amount": decimal(price / 10), "currency_code": CHARGED },
                    { "name": "city_tax", "included_by_supplier": false, "amount": "3.00", "currency_code": CHARGED },
                ] },
                "perks": {},
                "commission_info": commission(price),
                "cancellation_penalties": {
                    "policies": policies,
                    "free_cancellation_before": self.free_before(price).map(utc),
                },
                "recommended_price": null,
            }] },
            "rg_ext": { "class": 3, "quality": 2, "capacity": ROOMS[self.room].1 },
            "room_name": room_name(self.room),
            "room_name_info": null,
            "serp_filters": ["has_bathroom"],
            "allotment": 5,
            "amenities_data": ["non-smoking"],
            "any_residency": true,
            "deposit": null,
            "no_show": null,
            "is_package": false,
        })
    }
}

fn commission(minor: i64) -> Value {
    let amounts = json!({
        "amount_gross": decimal(minor),
        "amount_net": decimal(minor),
        "amount_commission": "0.00",
    });
    json!({ "show": amounts, "charge": amounts })
}

/// Minor units as the API writes amounts.
pub(crate) fn decimal(minor: i64) -> String {
    format!("{}.{:02}", minor / 100, minor % 100)
}

/// An instant in UTC as the API writes it: without an offset.
pub(crate) fn utc(at: NaiveDateTime) -> String {
    at.format("%Y-%m-%dT%H:%M:%S").to_string()
}
