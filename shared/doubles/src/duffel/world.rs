//! Everything the supplier knows: offers, orders, cancellations, what it was asked.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Map, Value, json};

use super::catalogue::{FARES, Fare, Flight};

const REQUESTS_MAX: usize = 20_000;

/// A seat of an offer, before there is a name.
#[derive(Clone)]
pub(crate) struct Seat {
    pub(crate) id: String,
    /// None for an adult.
    pub(crate) age: Option<u8>,
}

/// An offer that was made.
#[derive(Clone)]
pub(crate) struct Offered {
    pub(crate) id: String,
    /// The offer request it answers.
    pub(crate) request: String,
    pub(crate) slices: Vec<Flight>,
    pub(crate) seats: Vec<Seat>,
    pub(crate) fare: usize,
    pub(crate) total: i64,
    pub(crate) currency: String,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) expires_at: DateTime<Utc>,
    pub(crate) held_until: DateTime<Utc>,
}

impl Offered {
    pub(crate) fn fare(&self) -> &'static Fare {
        &FARES[self.fare]
    }
}

/// An order that exists.
#[derive(Clone)]
pub(crate) struct Order {
    pub(crate) id: String,
    pub(crate) offer: Offered,
    pub(crate) kind: &'static str,
    pub(crate) passengers: Vec<Value>,
    pub(crate) metadata: Map<String, Value>,
    pub(crate) booking_reference: String,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) paid_at: Option<DateTime<Utc>>,
    pub(crate) cancelled_at: Option<DateTime<Utc>>,
}

impl Order {
    pub(crate) fn client_reference(&self) -> Option<&str> {
        self.metadata.get("client_reference").and_then(Value::as_str)
    }

    pub(crate) fn awaits_payment(&self) -> bool {
        self.paid_at.is_none() && self.cancelled_at.is_none()
    }

    fn truth(&self) -> Value {
        let state = match (self.cancelled_at, self.paid_at) {
            (Some(_), _) => "cancelled",
            (None, Some(_)) => "confirmed",
            (None, None) => "held",
        };
        let name = |passenger: &Value| {
            let part = |field: &str| passenger[field].as_str().unwrap_or_default().to_owned();
            format!("{} {}", part("given_name"), part("family_name"))
        };
        let first = self.offer.slices.first().map(|flight| flight.departs_at.date().to_string());
        let last = self.offer.slices.last().map(|flight| flight.arrives_at.date().to_string());
        json!({
            "reference": self.id,
            "client_reference": self.client_reference(),
            "state": state,
            "check_in": first,
            "check_out": last,
            "guests": self.passengers.iter().map(name).collect::<Vec<_>>(),
            "price": { "amount": decimal(self.offer.total), "currency": self.offer.currency },
            "created_at": instant(self.created_at),
            "cancelled_at": self.cancelled_at.map(instant),
        })
    }
}

/// A cancellation that was made, and perhaps confirmed.
#[derive(Clone)]
pub(crate) struct Cancellation {
    pub(crate) id: String,
    pub(crate) order: String,
    pub(crate) refund: i64,
    /// Whether the airline gives credits, and no money.
    pub(crate) in_credits: bool,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) expires_at: DateTime<Utc>,
    pub(crate) confirmed_at: Option<DateTime<Utc>>,
}

/// A request and how it was answered.
pub(crate) struct Received {
    pub(crate) at: DateTime<Utc>,
    pub(crate) operation: &'static str,
    pub(crate) client_reference: Option<String>,
    pub(crate) reference: Option<String>,
    pub(crate) status: Option<u16>,
}

/// Everything the supplier knows.
pub(crate) struct World {
    pub(crate) offers: BTreeMap<String, Offered>,
    /// Offer requests of which an offer was ordered: there is one order for each.
    pub(crate) booked: BTreeSet<String>,
    /// In the order they were made.
    pub(crate) orders: Vec<Order>,
    pub(crate) cancellations: Vec<Cancellation>,
    requests: VecDeque<Received>,
    run: i64,
    next: u64,
    minute: (i64, u64),
}

impl World {
    /// An empty world whose ids begin where no earlier run's did.
    pub(crate) fn new(now: DateTime<Utc>) -> Self {
        Self {
            offers: BTreeMap::new(),
            booked: BTreeSet::new(),
            orders: Vec::new(),
            cancellations: Vec::new(),
            requests: VecDeque::new(),
            run: now.timestamp_millis(),
            next: 0,
            minute: (0, 0),
        }
    }

    /// An id of the supplier's form: `ord_0000…`.
    pub(crate) fn mint(&mut self, prefix: &str) -> String {
        self.next += 1;
        format!("{prefix}_0000{:x}{:06}", self.run, self.next)
    }

    /// Space that was not paid for by its time is released. Assumed: it shows as cancelled.
    pub(crate) fn lapse(&mut self, now: DateTime<Utc>) {
        for order in &mut self.orders {
            if order.awaits_payment() && order.offer.held_until <= now {
                order.cancelled_at = Some(order.offer.held_until);
            }
        }
        if self.offers.len() > 10_000 {
            self.offers.retain(|_, offer| offer.expires_at > now);
        }
    }

    /// Counts a request against this minute's limit: what is left, or nothing when it is spent.
    pub(crate) fn spend(&mut self, limit: u64, now: DateTime<Utc>) -> Option<u64> {
        let minute = now.timestamp() / 60;
        if self.minute.0 != minute {
            self.minute = (minute, 0);
        }
        self.minute.1 += 1;
        limit.checked_sub(self.minute.1)
    }

    pub(crate) fn order(&self, id: &str) -> Option<&Order> {
        self.orders.iter().find(|order| order.id == id)
    }

    pub(crate) fn order_mut(&mut self, id: &str) -> Option<&mut Order> {
        self.orders.iter_mut().find(|order| order.id == id)
    }

    pub(crate) fn remember(&mut self, received: Received) {
        if self.requests.len() == REQUESTS_MAX {
            self.requests.pop_front();
        }
        self.requests.push_back(received);
    }

    /// The answer of `GET /duffel/truth`, whole or for one client reference.
    pub(crate) fn truth(&self, client_reference: Option<&str>) -> Value {
        let asked =
            |known: Option<&str>| client_reference.is_none_or(|wanted| known == Some(wanted));
        let orders = self.orders.iter().filter(|order| asked(order.client_reference()));
        let requests = self.requests.iter().filter(|it| asked(it.client_reference.as_deref()));
        let told = |it: &Received| {
            json!({
                "at": instant(it.at),
                "operation": it.operation,
                "client_reference": it.client_reference,
                "reference": it.reference,
                "status": it.status.map_or(json!("no_answer"), |status| json!(status)),
            })
        };
        json!({
            "reservations": orders.map(Order::truth).collect::<Vec<_>>(),
            "requests": requests.map(told).collect::<Vec<_>>(),
        })
    }
}

/// Writes minor units as a decimal with two places.
pub(crate) fn decimal(minor: i64) -> String {
    format!("{}.{:02}", minor / 100, minor % 100)
}

/// Writes an instant as the API does.
pub(crate) fn instant(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Micros, true)
}
