//! What really exists at the supplier: hashes given out, booking processes, orders, rooms left, and
//! every request received.
//!
//! Guarded by one lock that is held for microseconds: nothing here waits or calls.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, NaiveDate, SecondsFormat, Utc};
use serde_json::{Value, json};

use super::catalogue::{CHARGED, Choice, decimal, name, room_name, utc};

/// Requests remembered for `/truth`; more are not.
const REQUESTS_MAX: usize = 1_000_000;

/// What a hash stands for.
#[derive(Clone, Debug)]
pub(crate) struct Quoted {
    pub(crate) choice: Choice,
    pub(crate) price: i64,
    pub(crate) expires_at: DateTime<Utc>,
    /// Whether a prebook gave it out.
    pub(crate) prebooked: bool,
}

/// How a booking process stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Process {
    /// Created, not started.
    Created,
    /// Started; ends at that instant, with that error or none.
    Under {
        ends_at: DateTime<Utc>,
        fails: Option<&'static str>,
        twice: bool,
        hidden: Duration,
    },
    Failed(&'static str),
    Booked,
}

/// A booking process: what `partner_order_id` names.
#[derive(Clone, Debug)]
pub(crate) struct Form {
    pub(crate) order_id: u64,
    pub(crate) choice: Choice,
    pub(crate) price: i64,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) process: Process,
    pub(crate) guests: Vec<(String, String)>,
}

/// A reservation.
#[derive(Clone, Debug)]
pub(crate) struct Order {
    pub(crate) order_id: u64,
    pub(crate) partner_order_id: Arc<str>,
    pub(crate) choice: Choice,
    pub(crate) price: i64,
    pub(crate) guests: Vec<(String, String)>,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) cancelled: Option<(DateTime<Utc>, i64)>,
    /// Whether the hotel does not take it after all.
    pub(crate) rejected: bool,
    /// Whether nobody came.
    pub(crate) no_show: bool,
    /// For how long it is missing from the orders.
    pub(crate) hidden: Duration,
}

/// Something to tell.
#[derive(Clone, Debug)]
pub(crate) struct Notice {
    pub(crate) partner_order_id: Arc<str>,
    pub(crate) status: &'static str,
}

/// A request as it was received.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    pub(crate) at: DateTime<Utc>,
    pub(crate) operation: &'static str,
    pub(crate) partner_order_id: Option<Arc<str>>,
    pub(crate) status: Option<u16>,
}

/// Everything.
pub(crate) struct World {
    pub(crate) hashes: BTreeMap<String, Quoted>,
    pub(crate) forms: BTreeMap<Arc<str>, Form>,
    pub(crate) orders: Vec<Order>,
    pub(crate) notices: Vec<Notice>,
    /// Rooms left of (hotel, room); not counted where nothing is said.
    rooms_left: BTreeMap<(u64, usize), u32>,
    moves: BTreeMap<Choice, i64>,
    requests: Vec<Received>,
    minute: (i64, u64),
    last_id: u64,
}

impl World {
    pub(crate) fn new() -> Self {
        Self {
            hashes: BTreeMap::new(),
            forms: BTreeMap::new(),
            orders: Vec::new(),
            notices: Vec::new(),
            rooms_left: BTreeMap::new(),
            moves: BTreeMap::new(),
            requests: Vec::new(),
            minute: (0, 0),
            last_id: 260_453_000,
        }
    }

    pub(crate) fn mint(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    /// Ends every booking process whose time has come, in the order of their times.
    pub(crate) fn end_what_is_due(&mut self, now: DateTime<Utc>) {
        let due = |form: &Form| match form.process {
            Process::Under { ends_at, .. } => (ends_at <= now).then_some(ends_at),
            Process::Created | Process::Failed(_) | Process::Booked => None,
        };
        let mut ending: Vec<(DateTime<Utc>, Arc<str>)> = self
            .forms
            .iter()
            .filter_map(|(own, form)| due(form).map(|at| (at, own.clone())))
            .collect();
        ending.sort();
        for (at, own) in ending {
            self.end(&own, at);
        }
    }

    fn end(&mut self, own: &Arc<str>, at: DateTime<Utc>) {
        let Some(mut form) = self.forms.remove(own) else { return };
        let Process::Under { fails, twice, hidden, .. } = form.process else { return };
        let fails = fails.or_else(|| (!self.take_room(&form.choice)).then_some("soldout"));
        let status = if fails.is_some() { "failed" } else { "completed" };
        self.notices.push(Notice { partner_order_id: own.clone(), status });
        match fails {
            Some(code) => form.process = Process::Failed(code),
            None => {
                form.process = Process::Booked;
                let order = Order {
                    order_id: form.order_id,
                    partner_order_id: own.clone(),
                    choice: form.choice.clone(),
                    price: form.price,
                    guests: form.guests.clone(),
                    created_at: at,
                    cancelled: None,
                    rejected: false,
                    no_show: false,
                    hidden,
                };
                if twice {
                    let order_id = self.mint();
                    self.orders.push(Order { order_id, ..order.clone() });
                }
                self.orders.push(order);
            }
        }
        self.forms.insert(own.clone(), form);
    }

    fn take_room(&mut self, choice: &Choice) -> bool {
        match self.rooms_left.get_mut(&(choice.hid, choice.room)) {
            None => true,
            Some(0) => false,
            Some(left) => {
                *left -= 1;
                true
            }
        }
    }

    /// Gives the room back, for this fee.
    pub(crate) fn cancel(&mut self, order_id: u64, at: DateTime<Utc>, fee: i64) {
        let found = self.orders.iter_mut().find(|order| order.order_id == order_id);
        let Some(order) = found.filter(|order| order.cancelled.is_none()) else { return };
        order.cancelled = Some((at, fee));
        if let Some(left) = self.rooms_left.get_mut(&(order.choice.hid, order.choice.room)) {
            *left += 1;
        }
    }

    /// Has the hotel not take it after all.
    pub(crate) fn miss(&mut self, order_id: u64) {
        let found = self.orders.iter_mut().find(|order| order.order_id == order_id);
        found.into_iter().for_each(|order| order.no_show = true);
    }

    pub(crate) fn turn_down(&mut self, order_id: u64) {
        let found = self.orders.iter_mut().find(|order| order.order_id == order_id);
        found.into_iter().for_each(|order| order.rejected = true);
    }

    pub(crate) fn set_rooms(&mut self, hid: u64, room: usize, left: Option<u32>) {
        match left {
            Some(left) => self.rooms_left.insert((hid, room), left),
            None => self.rooms_left.remove(&(hid, room)),
        };
    }

    pub(crate) fn is_sold_out(&self, choice: &Choice) -> bool {
        self.rooms_left.get(&(choice.hid, choice.room)) == Some(&0)
    }

    /// What it costs now.
    pub(crate) fn price(&self, choice: &Choice) -> i64 {
        choice.price(self.moves.get(choice).copied().unwrap_or(1000))
    }

    /// Makes this choice a tenth dearer from here on.
    pub(crate) fn move_price(&mut self, choice: &Choice) {
        let moved = self.moves.entry(choice.clone()).or_insert(1000);
        *moved = *moved * 11 / 10;
    }

    /// Counts a request; nothing when the minute's limit is spent.
    pub(crate) fn spend(&mut self, limit: Option<u64>, now: DateTime<Utc>) -> Option<u64> {
        let minute = now.timestamp() / 60;
        if self.minute.0 != minute {
            self.minute = (minute, 0);
        }
        self.minute.1 += 1;
        limit.unwrap_or(u64::MAX).checked_sub(self.minute.1)
    }

    pub(crate) fn remember(&mut self, received: Received) {
        if self.requests.len() < REQUESTS_MAX {
            self.requests.push(received);
        }
    }

    /// Everything that really exists, narrowed to one reference of the partner's.
    pub(crate) fn truth(&self, own: Option<&str>) -> Value {
        let is_asked = |named: &str| own.is_none_or(|own| own == named);
        let orders = self.orders.iter().filter(|order| is_asked(&order.partner_order_id));
        let requests = self
            .requests
            .iter()
            .filter(|received| own.is_none() || received.partner_order_id.as_deref() == own);
        json!({
            "reservations": orders.map(Order::truth).collect::<Vec<_>>(),
            "requests": requests.map(Received::truth).collect::<Vec<_>>(),
        })
    }
}

impl Order {
    fn truth(&self) -> Value {
        let guest = |(first, last): &(String, String)| format!("{first} {last}");
        json!({
            "reference": self.order_id.to_string(),
            "client_reference": &*self.partner_order_id,
            "state": if self.cancelled.is_some() { "cancelled" } else { "confirmed" },
            "check_in": self.choice.checkin,
            "check_out": self.choice.checkout,
            "guests": self.guests.iter().map(guest).collect::<Vec<_>>(),
            "price": { "amount": decimal(self.price), "currency": CHARGED },
            "fee": self.cancelled.map(|(_, fee)| decimal(fee)),
            "created_at": instant(self.created_at),
            "cancelled_at": self.cancelled.map(|(at, _)| instant(at)),
        })
    }

    /// An order as the bookings show it.
    pub(crate) fn shown(&self) -> Value {
        let money = |minor: i64| json!({ "amount": decimal(minor), "currency_code": CHARGED });
        let guest = |(first, last): &(String, String)| {
            json!({
                "first_name": first, "first_name_original": first, "last_name": last,
                "last_name_original": last, "is_child": false, "age": null,
            })
        };
        let status = match (self.cancelled, self.rejected, self.no_show) {
            (Some(_), _, _) => "cancelled",
            (None, true, _) => "rejected",
            (None, false, true) => "noshow",
            (None, false, false) => "completed",
        };
        let fee = self.cancelled.map_or(self.price, |(_, fee)| fee);
        let refunded = self.cancelled.map_or(0, |(_, fee)| self.price - fee);
        json!({
            "agreement_number": null,
            "amount_payable": money(fee),
            "amount_refunded": money(refunded),
            "amount_sell": money(self.price),
            "cancelled_at": self.cancelled.map(|(at, _)| utc(at.naive_utc())),
            "checkin_at": self.choice.checkin,
            "checkout_at": self.choice.checkout,
            "contract_slug": "double",
            "created_at": utc(self.created_at.naive_utc()),
            "hotel_data": { "id": name(self.choice.hid), "hid": self.choice.hid, "order_id": null },
            "is_cancellable": self.cancelled.is_none(),
            "modified_at": utc(self.created_at.naive_utc()),
            "nights": self.choice.nights(),
            "order_id": self.order_id,
            "order_type": "hotel",
            "roomnights": self.choice.nights(),
            "rooms_data": [{
                "guest_data": {
                    "adults_number": self.choice.adults,
                    "children_number": self.choice.children.len(),
                    "guests": self.guests.iter().map(guest).collect::<Vec<_>>(),
                },
                "meal_name": "nomeal",
                "room_idx": 0,
                "room_name": room_name(self.choice.room),
            }],
            "source": "b2b-api",
            "status": status,
            "supplier_data": {
                "confirmation_id": self.order_id.to_string(),
                "name": "Double",
                "order_id": self.order_id.to_string(),
            },
            "partner_data": { "order_comment": null, "order_id": &*self.partner_order_id },
            "cancellation_info": {
                "free_cancellation_before": self.choice.free_before(self.price).map(utc),
                "policies": [],
            },
            "payment_data": { "payment_type": "deposit", "paid_at": null },
        })
    }
}

impl Received {
    fn truth(&self) -> Value {
        json!({
            "at": instant(self.at),
            "operation": self.operation,
            "client_reference": self.partner_order_id.as_deref(),
            "reference": null,
            "status": self.status.map_or(json!("no_answer"), |status| json!(status)),
        })
    }
}

/// An instant as the control interface writes it.
fn instant(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// The day of an instant, for what must not lie in the past.
pub(crate) fn today(now: DateTime<Utc>) -> NaiveDate {
    now.date_naive()
}
