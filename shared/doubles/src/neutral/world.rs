//! What really exists at the partner: offers given out, reservations, and every request received.
//!
//! Guarded by one lock that is held for microseconds: nothing here waits or calls.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use chrono::{DateTime, NaiveDate, NaiveTime, SecondsFormat, TimeDelta, Utc};
use serde_json::{Value, json};

/// Requests remembered for `/truth`; the oldest go first.
const REQUESTS_MAX: usize = 1_000_000;

/// The properties: id, name, and the price of a night in hundredths of a euro.
const PROPERTIES: [(&str, &str, i64); 3] = [
    ("NP-1001", "Pension Abendrot", 8_400),
    ("NP-1002", "Hotel Kastanie", 12_650),
    ("NP-1003", "Gasthof Linde", 9_900),
];

/// A room at a rate: its name, its share of the price of a night in hundredths, whether it can be
/// given back, and whether it can be held.
pub(crate) struct Rate {
    pub(crate) room: &'static str,
    percent: i64,
    pub(crate) refundable: bool,
    pub(crate) holdable: bool,
}

pub(crate) const RATES: [Rate; 3] = [
    Rate { room: "Double room, flexible", percent: 110, refundable: true, holdable: true },
    Rate { room: "Double room, saver", percent: 90, refundable: false, holdable: true },
    Rate { room: "Attic room, last minute", percent: 75, refundable: false, holdable: false },
];

/// What an offer or a book token stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Chosen {
    pub(crate) property: usize,
    pub(crate) rate: usize,
    pub(crate) check_in: NaiveDate,
    pub(crate) check_out: NaiveDate,
    pub(crate) guests: u32,
    pub(crate) currency: String,
    pub(crate) price: i64,
    pub(crate) expires_at: DateTime<Utc>,
}

impl Chosen {
    /// The room at its rate.
    pub(crate) fn room_id(&self) -> String {
        format!("{}-{}", PROPERTIES[self.property].0, self.rate + 1)
    }
}

/// Where a reservation stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Held { until: DateTime<Utc> },
    Confirmed,
    NoShow,
    Cancelled,
    Expired,
}

impl State {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Held { .. } => "held",
            Self::Confirmed => "confirmed",
            Self::NoShow => "no_show",
            Self::Cancelled => "cancelled",
            Self::Expired => "expired",
        }
    }
}

/// One reservation.
#[derive(Clone, Debug)]
pub(crate) struct Reservation {
    pub(crate) reference: String,
    pub(crate) client_reference: String,
    /// What was asked for, to tell a repeat from another one.
    pub(crate) asked: Value,
    pub(crate) chosen: Chosen,
    pub(crate) state: State,
    pub(crate) created_at: DateTime<Utc>,
    /// Since when it is cancelled or expired.
    pub(crate) over_at: Option<DateTime<Utc>>,
    pub(crate) invisible_for: Duration,
}

impl Reservation {
    fn become_state(&mut self, state: State, at: DateTime<Utc>) {
        self.state = state;
        self.over_at = matches!(state, State::Cancelled | State::Expired).then_some(at);
    }

    /// As the API shows it.
    pub(crate) fn shown(&self) -> Value {
        let until = match self.state {
            State::Held { until } => Some(instant(until)),
            State::Confirmed | State::NoShow | State::Cancelled | State::Expired => None,
        };
        json!({
            "reference": self.reference,
            "client_reference": self.client_reference,
            "state": self.state.word(),
            "held_until": until,
            "check_in": self.chosen.check_in,
            "check_out": self.chosen.check_out,
            "price": price(self.chosen.price, &self.chosen.currency),
            "room_id": self.chosen.room_id(),
            "guests": self.asked["guests"].as_array().cloned().unwrap_or_default(),
        })
    }

    fn truth(&self) -> Value {
        let state = match self.state {
            State::Expired => "cancelled",
            State::NoShow => "confirmed",
            other => other.word(),
        };
        let named = |guest: &Value| {
            let part = |field: &str| guest[field].as_str().unwrap_or_default().to_owned();
            format!("{} {}", part("given_name"), part("family_name"))
        };
        let guests = self.asked["guests"].as_array().map_or(&[][..], Vec::as_slice);
        let guests: Vec<String> = guests.iter().map(named).collect();
        json!({
            "reference": self.reference,
            "client_reference": self.client_reference,
            "state": state,
            "check_in": self.chosen.check_in,
            "check_out": self.chosen.check_out,
            "price": price(self.chosen.price, &self.chosen.currency),
            "guests": guests,
            "created_at": instant(self.created_at),
            "cancelled_at": self.over_at.map(instant),
        })
    }
}

/// A request as it came.
pub(crate) struct Received {
    pub(crate) at: DateTime<Utc>,
    pub(crate) operation: &'static str,
    pub(crate) client_reference: Option<String>,
    pub(crate) reference: Option<String>,
    pub(crate) status: Option<u16>,
}

impl Received {
    fn truth(&self) -> Value {
        json!({
            "at": instant(self.at),
            "operation": self.operation,
            "client_reference": self.client_reference,
            "reference": self.reference,
            "status": self.status.map_or(json!("no_answer"), |status| json!(status)),
        })
    }
}

/// Everything the partner knows.
pub(crate) struct World {
    reservations: BTreeMap<String, Reservation>,
    offers: BTreeMap<String, Chosen>,
    moved: BTreeMap<(usize, usize, NaiveDate), i64>,
    requests: VecDeque<Received>,
    next: u64,
    minute: (i64, u64),
}

impl World {
    /// An empty world whose references begin where no earlier run's did.
    pub(crate) fn new(now: DateTime<Utc>) -> Self {
        let run = u64::try_from(now.timestamp_millis() / 100).unwrap_or(0) % 1_000_000_000;
        Self {
            reservations: BTreeMap::new(),
            offers: BTreeMap::new(),
            moved: BTreeMap::new(),
            requests: VecDeque::new(),
            next: run * 1_000,
            minute: (0, 0),
        }
    }

    pub(crate) fn property(id: &str) -> Option<usize> {
        PROPERTIES.iter().position(|(known, ..)| *known == id)
    }

    pub(crate) fn shown_property(property: usize) -> Value {
        let (id, name, _) = PROPERTIES[property];
        json!({ "id": id, "name": name })
    }

    /// Ends every hold whose time is over.
    pub(crate) fn lapse(&mut self, now: DateTime<Utc>) {
        for reservation in self.reservations.values_mut() {
            if matches!(reservation.state, State::Held { until } if until <= now) {
                reservation.become_state(State::Expired, now);
            }
        }
    }

    /// Counts a request against this minute's limit; what is left of it, or nothing when it is
    /// spent.
    pub(crate) fn spend(&mut self, limit: u64, now: DateTime<Utc>) -> Option<u64> {
        let minute = now.timestamp() / 60;
        if self.minute.0 != minute {
            self.minute = (minute, 0);
            self.offers.retain(|_, offer| offer.expires_at > now);
        }
        self.minute.1 += 1;
        limit.checked_sub(self.minute.1)
    }

    pub(crate) fn remember(&mut self, received: Received) {
        if self.requests.len() == REQUESTS_MAX {
            self.requests.pop_front();
        }
        self.requests.push_back(received);
    }

    /// The answer of `GET /neutral/truth`, whole or for one client reference.
    pub(crate) fn truth(&self, client_reference: Option<&str>) -> Value {
        let asked = |known: Option<&str>| client_reference.is_none_or(|one| known == Some(one));
        let reservations = self.reservations.values();
        let reservations = reservations.filter(|it| asked(Some(&it.client_reference)));
        let requests = self.requests.iter().filter(|it| asked(it.client_reference.as_deref()));
        json!({
            "reservations": reservations.map(Reservation::truth).collect::<Vec<_>>(),
            "requests": requests.map(Received::truth).collect::<Vec<_>>(),
        })
    }

    /// What a choice costs now.
    pub(crate) fn price(&self, chosen: &Chosen) -> i64 {
        let (.., night) = PROPERTIES[chosen.property];
        let nights = (chosen.check_out - chosen.check_in).num_days();
        let permille = self.moved.get(&place(chosen)).copied().unwrap_or(1_000);
        night * nights * RATES[chosen.rate].percent / 100 * permille / 1_000
    }

    /// Makes this choice by so many thousandths dearer from here on.
    pub(crate) fn move_price(&mut self, chosen: &Chosen, permille: i64) {
        let now = self.moved.entry(place(chosen)).or_insert(1_000);
        *now = *now * (1_000 + permille) / 1_000;
    }

    /// Gives out an id that stands for a choice: of an offer, or to book with.
    pub(crate) fn give_out(&mut self, kind: &str, chosen: Chosen) -> String {
        let id = format!("{kind}-{:016x}", self.mint().wrapping_mul(0x9E37_79B9_7F4A_7C15));
        self.offers.insert(id.clone(), chosen);
        id
    }

    pub(crate) fn given_out(&self, id: &str) -> Option<&Chosen> {
        self.offers.get(id)
    }

    pub(crate) fn mint(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    pub(crate) fn mint_reference(&mut self) -> String {
        format!("NR-{}", self.mint())
    }

    pub(crate) fn add(&mut self, reservation: Reservation) {
        self.reservations.insert(reservation.reference.clone(), reservation);
    }

    pub(crate) fn get(&self, reference: &str) -> Option<&Reservation> {
        self.reservations.get(reference)
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &Reservation> {
        self.reservations.values()
    }

    pub(crate) fn become_state(&mut self, reference: &str, state: State) {
        if let Some(reservation) = self.reservations.get_mut(reference) {
            reservation.become_state(state, Utc::now());
        }
    }
}

fn place(chosen: &Chosen) -> (usize, usize, NaiveDate) {
    (chosen.property, chosen.rate, chosen.check_in)
}

/// What cancelling costs: half from seven days before the day of arrival, all from a day before.
pub(crate) fn terms(chosen: &Chosen, hold_for: Duration) -> Value {
    let rate = &RATES[chosen.rate];
    let arrival = chosen.check_in.and_time(NaiveTime::MIN).and_utc();
    let step = |days: i64, fee: i64| json!({ "from": instant(arrival - TimeDelta::days(days)), "fee": decimal(fee) });
    let fees = match rate.refundable {
        true => vec![step(7, chosen.price / 2), step(1, chosen.price)],
        false => Vec::new(),
    };
    json!({
        "refundable": rate.refundable,
        "cancel_fees": fees,
        "hold_for_s": rate.holdable.then_some(hold_for.as_secs().max(1)),
    })
}

pub(crate) fn price(minor: i64, currency: &str) -> Value {
    json!({ "amount": decimal(minor), "currency": currency })
}

/// Hundredths as the API writes them.
pub(crate) fn decimal(minor: i64) -> String {
    format!("{}.{:02}", minor / 100, minor % 100)
}

/// An instant as the API writes it.
pub(crate) fn instant(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}
