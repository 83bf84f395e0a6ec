//! What really exists at the supplier: reservations, units, moved prices, and every request
//! received.
//!
//! Guarded by one lock that is held for microseconds: nothing here waits, renders or calls.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, NaiveDate, SecondsFormat, Utc};
use serde_json::{Value, json};

use super::notifications::Notice;
use super::pricing::{Priced, Selection};

/// Requests remembered for `/truth`; the oldest go first. Far above any test, so that a long soak
/// does not grow for ever.
const REQUESTS_MAX: usize = 1_000_000;

/// Where a reservation stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Held { until: DateTime<Utc> },
    Booked,
    Cancelled { at: DateTime<Utc>, lapsed: bool },
}

/// The traveller a room is in the name of.
#[derive(Clone, Debug)]
pub(crate) struct Guest {
    pub(crate) given_name: String,
    pub(crate) family_name: String,
}

/// One room of a reservation.
#[derive(Clone, Debug)]
pub(crate) struct BookedRoom {
    pub(crate) id: String,
    pub(crate) guest: Guest,
    pub(crate) cancelled_at: Option<DateTime<Utc>>,
}

/// One itinerary.
#[derive(Clone, Debug)]
pub(crate) struct Reservation {
    pub(crate) reference: u64,
    pub(crate) client_reference: Option<Arc<str>>,
    pub(crate) email: String,
    pub(crate) phone: Value,
    pub(crate) billing_contact: Value,
    pub(crate) selection: Selection,
    pub(crate) price: Priced,
    pub(crate) rooms: Vec<BookedRoom>,
    pub(crate) state: State,
    /// The state before the last change, for look-ups that are behind.
    pub(crate) before: Option<State>,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) invisible_for: Duration,
}

impl Reservation {
    fn truth(&self) -> Value {
        let (state, cancelled_at) = match self.state {
            State::Held { .. } => ("held", None),
            State::Booked => ("confirmed", None),
            State::Cancelled { at, .. } => ("cancelled", Some(instant(at))),
        };
        let name =
            |room: &BookedRoom| format!("{} {}", room.guest.given_name, room.guest.family_name);
        json!({
            "reference": self.reference.to_string(),
            "client_reference": self.client_reference.as_deref(),
            "state": state,
            "check_in": self.selection.check_in.to_string(),
            "check_out": self.selection.check_out.to_string(),
            "guests": self.rooms.iter().map(name).collect::<Vec<_>>(),
            "price": {
                "amount": self.price.currency.write(self.price.total()),
                "currency": self.price.currency.code(),
            },
            "created_at": instant(self.created_at),
            "cancelled_at": cancelled_at,
        })
    }
}

/// Writes an instant as Rapid does.
pub(crate) fn instant(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// What a request was answered with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answered {
    Status(u16),
    Nothing,
}

/// One request received.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    pub(crate) at: DateTime<Utc>,
    pub(crate) operation: &'static str,
    pub(crate) client_reference: Option<Arc<str>>,
    pub(crate) reference: Option<u64>,
    pub(crate) answered: Answered,
}

impl Received {
    fn truth(&self) -> Value {
        json!({
            "at": instant(self.at),
            "operation": self.operation,
            "client_reference": self.client_reference.as_deref(),
            "reference": self.reference.map(|reference| reference.to_string()),
            "status": match self.answered {
                Answered::Status(status) => json!(status),
                Answered::Nothing => json!("no_answer"),
            },
        })
    }
}

/// A copy of everything, cheap to take and rendered outside the lock.
pub(crate) struct Snapshot {
    reservations: Vec<Arc<Reservation>>,
    requests: Vec<Received>,
}

impl Snapshot {
    /// The answer of `GET /rapid/truth`, whole or for one client reference.
    pub(crate) fn truth(&self, client_reference: Option<&str>) -> Value {
        let asked = |known: &Option<Arc<str>>| {
            client_reference.is_none_or(|wanted| known.as_deref() == Some(wanted))
        };
        let reservations = self.reservations.iter().filter(|it| asked(&it.client_reference));
        let requests = self.requests.iter().filter(|it| asked(&it.client_reference));
        json!({
            "reservations": reservations.map(|it| it.truth()).collect::<Vec<_>>(),
            "requests": requests.map(Received::truth).collect::<Vec<_>>(),
        })
    }
}

/// The units of one room type that are counted; a room without an entry is never sold out.
#[derive(Default)]
struct Stock {
    units: i64,
    taken: BTreeMap<NaiveDate, i64>,
}

impl Stock {
    fn left(&self, selection: &Selection) -> i64 {
        let left = |night| self.units - self.taken.get(&night).copied().unwrap_or(0);
        selection.nights().map(left).min().unwrap_or(0)
    }
}

/// (property, room, rate, check-in, check-out): what a price move is about.
type Moved = (usize, usize, usize, NaiveDate, NaiveDate);

/// Everything the supplier knows.
pub(crate) struct World {
    reservations: BTreeMap<u64, Arc<Reservation>>,
    by_client_reference: BTreeMap<Arc<str>, Vec<u64>>,
    holds: BTreeSet<(DateTime<Utc>, u64)>,
    stock: BTreeMap<(usize, usize), Stock>,
    moves: BTreeMap<Moved, i64>,
    requests: VecDeque<Received>,
    next_reference: u64,
    minute: (i64, u64),
    /// Notices of what changed, sent when the lock is given back, in the order of the changes.
    pub(crate) notices: Vec<Notice>,
}

impl World {
    /// An empty world whose itinerary ids begin where no earlier run's did.
    pub(crate) fn new(now: DateTime<Utc>) -> Self {
        let run = u64::try_from(now.timestamp_millis() / 100).unwrap_or(0) % 1_000_000_000;
        Self {
            reservations: BTreeMap::new(),
            by_client_reference: BTreeMap::new(),
            holds: BTreeSet::new(),
            stock: BTreeMap::new(),
            moves: BTreeMap::new(),
            requests: VecDeque::new(),
            next_reference: 8_000_000_000_000 + run * 1000,
            minute: (0, 0),
            notices: Vec::new(),
        }
    }

    /// Rolls back every hold whose time is over.
    pub(crate) fn lapse_holds(&mut self, now: DateTime<Utc>) {
        while let Some((until, reference)) = self.holds.first().copied() {
            if until > now {
                break;
            }
            self.cancel(reference, until, true, "itinerary.supplier.cancel");
        }
    }

    /// Counts `weight` against this minute's capacity; returns what is left in percent, or none
    /// when it is used up.
    pub(crate) fn spend(
        &mut self,
        weight: u64,
        capacity: Option<u64>,
        now: DateTime<Utc>,
    ) -> Option<u64> {
        let minute = now.timestamp() / 60;
        if self.minute.0 != minute {
            self.minute = (minute, 0);
        }
        let Some(capacity) = capacity.filter(|capacity| *capacity > 0) else { return Some(100) };
        if self.minute.1 + weight > capacity {
            return None;
        }
        self.minute.1 += weight;
        Some((capacity - self.minute.1) * 100 / capacity)
    }

    pub(crate) fn remember(&mut self, received: Received) {
        if self.requests.len() == REQUESTS_MAX {
            self.requests.pop_front();
        }
        self.requests.push_back(received);
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        Snapshot {
            reservations: self.reservations.values().cloned().collect(),
            requests: self.requests.iter().cloned().collect(),
        }
    }

    pub(crate) fn get(&self, reference: u64) -> Option<&Arc<Reservation>> {
        self.reservations.get(&reference)
    }

    /// Every reservation under a client reference, oldest first.
    pub(crate) fn by_client_reference(&self, client_reference: &str) -> Vec<Arc<Reservation>> {
        let references = self.by_client_reference.get(client_reference);
        references
            .into_iter()
            .flatten()
            .filter_map(|it| self.reservations.get(it))
            .cloned()
            .collect()
    }

    pub(crate) fn client_reference_of(&self, reference: u64) -> Option<Arc<str>> {
        self.reservations.get(&reference)?.client_reference.clone()
    }

    /// Sets how many units of a room are left for any night; none takes the count away.
    pub(crate) fn set_units(&mut self, property: usize, room: usize, units: Option<u32>) {
        match units {
            None => self.stock.remove(&(property, room)),
            Some(units) => self.stock.insert(
                (property, room),
                Stock { units: i64::from(units), taken: BTreeMap::new() },
            ),
        };
    }

    /// How many units of the selected room are left over all its nights; none when nobody counts.
    pub(crate) fn left(&self, selection: &Selection) -> Option<i64> {
        self.stock.get(&(selection.property, selection.room)).map(|stock| stock.left(selection))
    }

    fn take_units(&mut self, selection: &Selection, rooms: i64) {
        if let Some(stock) = self.stock.get_mut(&(selection.property, selection.room)) {
            for night in selection.nights() {
                *stock.taken.entry(night).or_default() += rooms;
            }
        }
    }

    /// By how much the price of this stay has moved, in permille of its first price.
    pub(crate) fn moved(&self, selection: &Selection) -> i64 {
        self.moves.get(&moved_key(selection)).copied().unwrap_or(1000)
    }

    /// Makes this stay a tenth dearer from here on.
    pub(crate) fn move_price(&mut self, selection: &Selection) {
        let dearer = self.moved(selection) * 11 / 10;
        self.moves.insert(moved_key(selection), dearer);
    }

    /// The id that the next reservation gets.
    pub(crate) fn mint_reference(&mut self) -> u64 {
        self.next_reference += 1;
        self.next_reference
    }

    /// Adds a reservation, takes its units and tells about it.
    pub(crate) fn add(&mut self, reservation: Reservation) {
        let rooms = i64::try_from(reservation.rooms.len()).unwrap_or(0);
        self.take_units(&reservation.selection, rooms);
        if let State::Held { until } = reservation.state {
            self.holds.insert((until, reservation.reference));
        }
        if let Some(client_reference) = &reservation.client_reference {
            let known = self.by_client_reference.entry(client_reference.clone()).or_default();
            known.push(reservation.reference);
        }
        self.notices.push(Notice::about(&reservation, "itinerary.agent.create"));
        self.reservations.insert(reservation.reference, Arc::new(reservation));
    }

    /// Turns a hold into a booking.
    pub(crate) fn confirm(&mut self, reference: u64) {
        let Some(reservation) = self.reservations.get_mut(&reference) else { return };
        let State::Held { until } = reservation.state else { return };
        self.holds.remove(&(until, reference));
        let reservation = Arc::make_mut(reservation);
        reservation.before = Some(reservation.state);
        reservation.state = State::Booked;
        self.notices.push(Notice::about(reservation, "itinerary.supplier.confirm"));
    }

    /// Cancels every room that is not cancelled, gives the units back and tells about it as
    /// `event`.
    pub(crate) fn cancel(
        &mut self,
        reference: u64,
        at: DateTime<Utc>,
        lapsed: bool,
        event: &'static str,
    ) {
        let Some(reservation) = self.reservations.get_mut(&reference) else { return };
        let reservation = Arc::make_mut(reservation);
        if let State::Held { until } = reservation.state {
            self.holds.remove(&(until, reference));
        }
        let mut freed = 0;
        for room in reservation.rooms.iter_mut().filter(|room| room.cancelled_at.is_none()) {
            room.cancelled_at = Some(at);
            freed += 1;
        }
        reservation.before = Some(reservation.state);
        reservation.state = State::Cancelled { at, lapsed };
        let selection = reservation.selection.clone();
        self.notices.push(Notice::about(reservation, event));
        self.take_units(&selection, -freed);
    }

    /// Puts a booked room in another name and tells about it.
    pub(crate) fn rename(&mut self, reference: u64, room: &str, guest: Guest) {
        let Some(reservation) = self.reservations.get_mut(&reference) else { return };
        let reservation = Arc::make_mut(reservation);
        if let Some(room) = reservation.rooms.iter_mut().find(|it| it.id == room) {
            room.guest = guest;
        }
        self.notices.push(Notice::about(reservation, "itinerary.agent.change"));
    }

    /// Cancels one room of a booking; the booking with it when it was the last.
    pub(crate) fn cancel_room(&mut self, reference: u64, room: &str, at: DateTime<Utc>) {
        let Some(reservation) = self.reservations.get_mut(&reference) else { return };
        let standing = reservation.rooms.iter().filter(|it| it.cancelled_at.is_none()).count();
        if standing <= 1 {
            self.cancel(reference, at, false, "itinerary.agent.cancel");
            return;
        }
        let reservation = Arc::make_mut(reservation);
        if let Some(room) = reservation.rooms.iter_mut().find(|it| it.id == room) {
            room.cancelled_at = Some(at);
        }
        let selection = reservation.selection.clone();
        self.notices.push(Notice::about(reservation, "itinerary.agent.change"));
        self.take_units(&selection, -1);
    }
}

fn moved_key(selection: &Selection) -> Moved {
    let Selection { property, room, rate, check_in, check_out, .. } = *selection;
    (property, room, rate, check_in, check_out)
}
