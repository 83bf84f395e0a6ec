//! What really exists at the supplier: rate keys given out, bookings, places, and every request
//! received.
//!
//! Guarded by one lock that is held for microseconds: nothing here waits or calls.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, NaiveDate, SecondsFormat, Utc};
use serde_json::{Value, json};

use super::catalogue::Chosen;

/// Requests remembered for `/truth`; the oldest go first.
const REQUESTS_MAX: usize = 1_000_000;

/// Where a booking stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Preconfirmed { until: DateTime<Utc> },
    Confirmed,
    Cancelled { at: DateTime<Utc> },
}

/// What a rate key stands for.
#[derive(Clone, Debug)]
pub(crate) struct Quoted {
    pub(crate) chosen: Chosen,
    pub(crate) ages: Vec<u8>,
    pub(crate) total: i64,
    pub(crate) expires_at: DateTime<Utc>,
}

/// Somebody who takes part.
#[derive(Clone, Debug)]
pub(crate) struct Pax {
    pub(crate) name: String,
    pub(crate) surname: String,
    pub(crate) age: u8,
}

/// One booking of one activity.
#[derive(Clone, Debug)]
pub(crate) struct Booking {
    pub(crate) reference: String,
    pub(crate) client_reference: Option<Arc<str>>,
    pub(crate) holder: (String, String),
    pub(crate) chosen: Chosen,
    pub(crate) currency: String,
    pub(crate) total: i64,
    pub(crate) paxes: Vec<Pax>,
    pub(crate) state: State,
    /// The state before the last change, for look-ups that are behind.
    pub(crate) before: Option<State>,
    /// What cancelling has cost, once it is cancelled.
    pub(crate) charged: i64,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) invisible_for: Duration,
}

impl Booking {
    fn truth(&self) -> Value {
        let (state, cancelled_at) = match self.state {
            State::Preconfirmed { .. } => ("held", None),
            State::Confirmed => ("confirmed", None),
            State::Cancelled { at } => ("cancelled", Some(instant(at))),
        };
        let name = |pax: &Pax| format!("{} {}", pax.name, pax.surname);
        json!({
            "reference": self.reference,
            "client_reference": self.client_reference.as_deref(),
            "state": state,
            "check_in": self.chosen.from.to_string(),
            "check_out": self.chosen.to.to_string(),
            "guests": self.paxes.iter().map(name).collect::<Vec<_>>(),
            "price": { "amount": decimal(self.total), "currency": self.currency },
            "created_at": instant(self.created_at),
            "cancelled_at": cancelled_at,
        })
    }
}

/// Writes minor units as a decimal with two places.
pub(crate) fn decimal(minor: i64) -> String {
    format!("{}.{:02}", minor / 100, minor % 100)
}

/// Writes an instant as the API does.
pub(crate) fn instant(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// One request received; no status where there was no answer.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    pub(crate) at: DateTime<Utc>,
    pub(crate) operation: &'static str,
    pub(crate) client_reference: Option<Arc<str>>,
    pub(crate) reference: Option<String>,
    pub(crate) status: Option<u16>,
}

impl Received {
    fn truth(&self) -> Value {
        json!({
            "at": instant(self.at),
            "operation": self.operation,
            "client_reference": self.client_reference.as_deref(),
            "reference": self.reference,
            "status": self.status.map_or(json!("no_answer"), |status| json!(status)),
        })
    }
}

/// (activity, modality): what places are counted for.
type Place = (usize, usize);

/// Everything the supplier knows.
pub(crate) struct World {
    bookings: BTreeMap<String, Booking>,
    quoted: BTreeMap<String, Quoted>,
    places: BTreeMap<Place, i64>,
    taken: BTreeMap<(Place, NaiveDate), i64>,
    moves: BTreeMap<Chosen, i64>,
    requests: VecDeque<Received>,
    next_number: u64,
    next_key: u64,
    minute: (i64, u64),
}

impl World {
    /// An empty world whose references begin where no earlier run's did.
    pub(crate) fn new(now: DateTime<Utc>) -> Self {
        let run = u64::try_from(now.timestamp_millis() / 100).unwrap_or(0) % 1_000_000_000;
        Self {
            bookings: BTreeMap::new(),
            quoted: BTreeMap::new(),
            places: BTreeMap::new(),
            taken: BTreeMap::new(),
            moves: BTreeMap::new(),
            requests: VecDeque::new(),
            next_number: run * 1000,
            next_key: run * 1_000_000,
            minute: (0, 0),
        }
    }

    /// Undoes every preconfirmation whose time is over, and forgets rate keys that are too old.
    pub(crate) fn lapse(&mut self, now: DateTime<Utc>) {
        let over = |booking: &&Booking| match booking.state {
            State::Preconfirmed { until } => until <= now,
            State::Confirmed | State::Cancelled { .. } => false,
        };
        let lapsed: Vec<String> =
            self.bookings.values().filter(over).map(|it| it.reference.clone()).collect();
        for reference in lapsed {
            self.cancel(&reference, now, 0);
        }
    }

    /// Counts a request against this minute's quota; false when it is spent.
    pub(crate) fn spend(&mut self, quota: Option<u64>, now: DateTime<Utc>) -> bool {
        let minute = now.timestamp() / 60;
        if self.minute.0 != minute {
            self.minute = (minute, 0);
            self.quoted.retain(|_, quoted| quoted.expires_at > now);
        }
        self.minute.1 += 1;
        quota.is_none_or(|quota| self.minute.1 <= quota)
    }

    pub(crate) fn remember(&mut self, received: Received) {
        if self.requests.len() == REQUESTS_MAX {
            self.requests.pop_front();
        }
        self.requests.push_back(received);
    }

    /// The answer of `GET /hotelbeds/truth`, whole or for one client reference.
    pub(crate) fn truth(&self, client_reference: Option<&str>) -> Value {
        let asked = |known: &Option<Arc<str>>| {
            client_reference.is_none_or(|wanted| known.as_deref() == Some(wanted))
        };
        let bookings = self.bookings.values().filter(|it| asked(&it.client_reference));
        let requests = self.requests.iter().filter(|it| asked(&it.client_reference));
        json!({
            "reservations": bookings.map(Booking::truth).collect::<Vec<_>>(),
            "requests": requests.map(Received::truth).collect::<Vec<_>>(),
        })
    }

    /// Gives out a new rate key.
    pub(crate) fn quote(&mut self, quoted: Quoted) -> String {
        self.next_key += 1;
        let key = format!("{:0>26}", base32(self.next_key.wrapping_mul(0x9E37_79B9_7F4A_7C15)));
        self.quoted.insert(key.clone(), quoted);
        key
    }

    pub(crate) fn quoted(&self, key: &str) -> Option<&Quoted> {
        self.quoted.get(key)
    }

    pub(crate) fn get(&self, reference: &str) -> Option<&Booking> {
        self.bookings.get(reference)
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &Booking> {
        self.bookings.values()
    }

    /// Sets how many places a modality has on any day; none stops the count.
    pub(crate) fn set_places(&mut self, place: Place, places: Option<u32>) {
        self.taken.retain(|(counted, _), _| *counted != place);
        match places {
            None => self.places.remove(&place),
            Some(places) => self.places.insert(place, i64::from(places)),
        };
    }

    /// How many places are left that day; none when nobody counts.
    pub(crate) fn left(&self, chosen: &Chosen) -> Option<i64> {
        let place = (chosen.activity, chosen.modality);
        let taken = self.taken.get(&(place, chosen.from)).copied().unwrap_or(0);
        self.places.get(&place).map(|places| places - taken)
    }

    fn take(&mut self, chosen: &Chosen, places: i64) {
        let place = (chosen.activity, chosen.modality);
        *self.taken.entry((place, chosen.from)).or_default() += places;
    }

    /// By how much a price has moved, in permille of its first.
    pub(crate) fn moved(&self, chosen: &Chosen) -> i64 {
        self.moves.get(chosen).copied().unwrap_or(1000)
    }

    /// Makes this choice a tenth dearer from here on.
    pub(crate) fn move_price(&mut self, chosen: &Chosen) {
        let dearer = self.moved(chosen) * 11 / 10;
        self.moves.insert(*chosen, dearer);
    }

    pub(crate) fn mint_reference(&mut self) -> String {
        self.next_number += 1;
        format!("102-{}", self.next_number)
    }

    pub(crate) fn add(&mut self, booking: Booking) {
        let places = i64::try_from(booking.paxes.len()).unwrap_or(0);
        self.take(&booking.chosen, places);
        self.bookings.insert(booking.reference.clone(), booking);
    }

    /// Turns a preconfirmation into a booking.
    pub(crate) fn reconfirm(&mut self, reference: &str) {
        if let Some(booking) = self.bookings.get_mut(reference) {
            booking.before = Some(booking.state);
            booking.state = State::Confirmed;
        }
    }

    /// Cancels it for this charge and gives its places back.
    pub(crate) fn cancel(&mut self, reference: &str, at: DateTime<Utc>, charged: i64) {
        let Some(booking) = self.bookings.get_mut(reference) else { return };
        booking.before = Some(booking.state);
        booking.state = State::Cancelled { at };
        booking.charged = charged;
        let (chosen, places) = (booking.chosen, i64::try_from(booking.paxes.len()).unwrap_or(0));
        self.take(&chosen, -places);
    }
}

fn base32(mut number: u64) -> String {
    let mut text = String::new();
    while number > 0 {
        let digit = u32::try_from(number % 32).unwrap_or(0);
        text.push(char::from_digit(digit, 32).unwrap_or('0'));
        number /= 32;
    }
    text
}
