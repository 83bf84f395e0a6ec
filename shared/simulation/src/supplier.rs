//! The suppliers' worlds: what really is reserved there. What each says of it, in its own bytes, is
//! below.
//!
//! Requests and replies are those of the real dialects, so their reading of them is simulated too.

mod duffel;
mod etg;
mod hotelbeds;
mod rapid;

use std::collections::BTreeMap;

use chrono::{DateTime, Months, NaiveDate, NaiveTime, TimeDelta, Utc};
use contracts::{
    ids::LegId,
    money::Money,
    offer::{FlightSegment, Product},
    supplier::Supplier,
};
use serde_json::{Value, json};
use suppliers::{HttpReply, HttpRequest};

/// Who sells here: where a leg is booked is drawn from these.
pub(crate) const ELSEWHERE: [Supplier; 3] = [Supplier::Etg, Supplier::Hotelbeds, Supplier::Duffel];

/// Something that can be booked, by the token that stands for it in the key to book with.
#[derive(Debug, Clone)]
pub(crate) struct Offer {
    pub(crate) supplier: Supplier,
    pub(crate) leg_id: LegId,
    pub(crate) check_in: NaiveDate,
    pub(crate) check_out: NaiveDate,
    pub(crate) price: Money,
    pub(crate) sold_out: bool,
    pub(crate) price_changed: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    Held,
    Booked,
    Cancelled,
    Lapsed,
}

/// One reservation as it really is.
#[derive(Debug)]
pub(crate) struct Reservation {
    pub(crate) supplier: Supplier,
    pub(crate) leg_id: LegId,
    token: String,
    pub(crate) client_reference: String,
    pub(crate) check_in: NaiveDate,
    pub(crate) check_out: NaiveDate,
    price: Money,
    shows_at: DateTime<Utc>,
    /// Until when it is held, unless it is bought.
    until: DateTime<Utc>,
    moves: Vec<(DateTime<Utc>, Standing)>,
    pub(crate) taken_back: bool,
    pub(crate) moved: bool,
    /// Nobody can cancel it, ever.
    pub(crate) kept: bool,
}

/// How a supplier serves one request.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Manner {
    /// What is made shows in look-ups after this.
    pub(crate) visible_after: TimeDelta,
    /// A look-up is answered with what was true this long ago.
    pub(crate) stale: TimeDelta,
    /// A look-up shows no more than that something exists.
    pub(crate) bare: bool,
    /// What is made is for other days.
    pub(crate) other_dates: bool,
    /// What is made can be cancelled by nobody.
    pub(crate) keeps: bool,
}

/// What serving a request really did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Did {
    Made(String),
    Booked(String),
    Cancelled(String),
    /// The token of what it did not sell.
    Refused(String),
    Duplicate,
    SpentLink,
    /// It was to be cancelled, and cannot be.
    Kept,
    /// It says that it is not done yet.
    Waits,
    Showed,
    ShowedNothing,
    Nothing,
}

/// All suppliers.
#[derive(Debug)]
pub(crate) struct Market {
    /// How long a hold stands where the supplier does not publish it.
    pub(crate) hold_for: TimeDelta,
    pub(crate) offers: BTreeMap<String, Offer>,
    /// The tokens, by the key that each is booked with.
    tokens: BTreeMap<String, String>,
    pub(crate) reservations: BTreeMap<String, Reservation>,
    etg: etg::Desk,
    duffel: duffel::Desk,
}

impl Reservation {
    pub(crate) fn standing(&self, at: DateTime<Utc>) -> Standing {
        let past = self.moves.iter().rev().find(|(moved_at, _)| *moved_at <= at);
        match past.or(self.moves.first()).map_or(Standing::Held, |(_, standing)| *standing) {
            Standing::Held if self.until <= at => Standing::Lapsed,
            standing => standing,
        }
    }

    /// How long it was held, if nobody bought or released it until it lapsed.
    pub(crate) fn lapsed_after(&self, at: DateTime<Utc>) -> Option<TimeDelta> {
        (self.standing(at) == Standing::Lapsed).then(|| self.until - self.made_at())
    }

    pub(crate) fn is_live(&self, at: DateTime<Utc>) -> bool {
        matches!(self.standing(at), Standing::Held | Standing::Booked)
    }

    fn made_at(&self) -> DateTime<Utc> {
        self.moves[0].0
    }

    /// How a look-up shows it that is answered with what was true some time ago.
    fn seen(&self, manner: Manner, now: DateTime<Utc>) -> Standing {
        self.standing((now - manner.stale).max(self.made_at()))
    }
}

impl Market {
    pub(crate) fn new(hold_for: TimeDelta) -> Self {
        Self {
            hold_for,
            offers: BTreeMap::new(),
            tokens: BTreeMap::new(),
            reservations: BTreeMap::new(),
            etg: etg::Desk::default(),
            duffel: duffel::Desk::default(),
        }
    }

    /// Offers something; what it is booked with.
    pub(crate) fn sells(&mut self, token: &str, offer: Offer) -> String {
        let key = match offer.supplier {
            Supplier::Rapid | Supplier::Neutral => format!("/v3/itineraries?token={token}"),
            Supplier::Etg => token.to_owned(),
            Supplier::Hotelbeds => hotelbeds::book_key(&offer, token),
            Supplier::Duffel => duffel::book_key(token),
        };
        self.offers.insert(token.to_owned(), offer);
        self.tokens.insert(key.clone(), token.to_owned());
        key
    }

    /// The token in a key to book with.
    pub(crate) fn token(&self, book_key: &str) -> &str {
        &self.tokens[book_key]
    }

    pub(crate) fn offer_of(&mut self, book_key: &str) -> &mut Offer {
        let token = &self.tokens[book_key];
        self.offers.get_mut(token).unwrap()
    }

    /// What is there for a leg.
    pub(crate) fn live(&self, leg_id: LegId, at: DateTime<Utc>) -> Vec<(&String, &Reservation)> {
        let there = |(_, one): &(&String, &Reservation)| one.leg_id == leg_id && one.is_live(at);
        self.reservations.iter().filter(there).collect()
    }

    /// Everything that ever was there for a leg.
    pub(crate) fn of(&self, leg_id: LegId) -> impl Iterator<Item = &Reservation> {
        self.reservations.values().filter(move |one| one.leg_id == leg_id)
    }

    pub(crate) fn get(&self, reference: &str) -> Option<&Reservation> {
        self.reservations.get(reference)
    }

    /// Whether a client reference was used, ever.
    pub(crate) fn is_taken(&self, ours: &str) -> bool {
        self.reservations.values().any(|one| one.client_reference == ours)
    }

    /// The property cancels.
    pub(crate) fn take_back(&mut self, reference: &str, now: DateTime<Utc>) -> bool {
        let Some(one) = self.reservations.get_mut(reference) else { return false };
        let live = one.is_live(now);
        if live {
            one.moves.push((now, Standing::Cancelled));
            one.taken_back = true;
        }
        live
    }

    /// The property has it a day later.
    pub(crate) fn move_days(&mut self, reference: &str, now: DateTime<Utc>) -> bool {
        let Some(one) = self.reservations.get_mut(reference) else { return false };
        let booked = one.standing(now) == Standing::Booked && now.date_naive() < one.check_in;
        if booked {
            one.check_in = one.check_in.succ_opt().unwrap();
            one.check_out = one.check_out.succ_opt().unwrap();
            one.moved = true;
        }
        booked
    }

    /// Serves a request: does what it asks, and answers.
    pub(crate) fn serve(
        &mut self,
        supplier: Supplier,
        request: &HttpRequest,
        manner: Manner,
        now: DateTime<Utc>,
    ) -> (HttpReply, Did) {
        match supplier {
            Supplier::Rapid => rapid::serve(self, request, manner, now),
            Supplier::Etg => etg::serve(self, request, manner, now),
            Supplier::Hotelbeds => hotelbeds::serve(self, request, manner, now),
            Supplier::Duffel => duffel::serve(self, request, manner, now),
            Supplier::Neutral => panic!("nothing is booked at a partner here"),
        }
    }

    /// Makes a reservation, whatever was said of it.
    pub(crate) fn make(
        &mut self,
        token: &str,
        ours: &str,
        hold: bool,
        manner: Manner,
        now: DateTime<Utc>,
    ) -> String {
        let offer = self.offers[token].clone();
        let number = self.reservations.len();
        let (reference, held_for) = match offer.supplier {
            Supplier::Rapid | Supplier::Neutral => (format!("8{number:012}"), self.hold_for),
            Supplier::Etg => (self.etg.order_of(ours), TimeDelta::zero()),
            Supplier::Hotelbeds => (format!("102-{}", 6_000_000 + number), hotelbeds::HELD_FOR),
            Supplier::Duffel => (format!("ord_{number:012}"), self.hold_for),
        };
        let days = |day: NaiveDate| match manner.other_dates {
            true => day.checked_add_months(Months::new(1)).unwrap(),
            false => day,
        };
        let held = hold && offer.supplier != Supplier::Etg;
        let made = Reservation {
            supplier: offer.supplier,
            leg_id: offer.leg_id,
            token: token.to_owned(),
            client_reference: ours.to_owned(),
            check_in: days(offer.check_in),
            check_out: days(offer.check_out),
            price: offer.price,
            shows_at: now + manner.visible_after,
            until: now + held_for,
            moves: vec![(now, if held { Standing::Held } else { Standing::Booked })],
            taken_back: false,
            moved: false,
            kept: manner.keeps,
        };
        self.reservations.insert(reference.clone(), made);
        reference
    }

    fn moves_to(&mut self, reference: &str, standing: Standing, now: DateTime<Utc>) {
        self.reservations.get_mut(reference).unwrap().moves.push((now, standing));
    }

    /// What of a supplier's shows by now, as it was made.
    fn shown(&self, of: Supplier, now: DateTime<Utc>) -> Vec<(&String, &Reservation)> {
        let shows = |(_, one): &(&String, &Reservation)| one.supplier == of && one.shows_at <= now;
        let mut all: Vec<_> = self.reservations.iter().filter(shows).collect();
        all.sort_by_key(|(reference, one)| (one.made_at(), *reference));
        all
    }
}

/// What only one kind of product has.
pub(crate) fn product(supplier: Supplier, check_in: NaiveDate, check_out: NaiveDate) -> Product {
    match supplier {
        Supplier::Rapid | Supplier::Etg | Supplier::Neutral => Product::Stay,
        Supplier::Hotelbeds => Product::Activity { session: None },
        Supplier::Duffel => Product::Flight {
            segments: vec![FlightSegment {
                origin: "LHR".to_owned(),
                destination: "JFK".to_owned(),
                departs_at: check_in.and_time(NaiveTime::MIN + TimeDelta::hours(8)),
                arrives_at: check_out.and_time(NaiveTime::MIN + TimeDelta::hours(11)),
                flight: "ZZ117".to_owned(),
            }],
        },
    }
}

/// The answer to a call too many.
pub(crate) fn too_many(supplier: Supplier) -> HttpReply {
    match supplier {
        Supplier::Rapid | Supplier::Neutral => rapid::error(429, "too_many_requests"),
        Supplier::Etg => etg::error(429, "endpoint_exceeded_limit"),
        Supplier::Hotelbeds => hotelbeds::over_rate(),
        Supplier::Duffel => duffel::error(429, "rate_limit_exceeded"),
    }
}

/// An answer that says neither yes nor no, one of four.
pub(crate) fn unsure(supplier: Supplier, which: usize) -> HttpReply {
    match supplier {
        Supplier::Rapid | Supplier::Neutral => {
            rapid::error([500, 502, 503, 202][which], "unknown_internal_error")
        }
        Supplier::Etg if which == 0 => etg::error(200, "timeout"),
        Supplier::Etg if which == 1 => etg::error(200, "unknown"),
        Supplier::Etg => etg::error([0, 0, 500, 502][which], "core_error"),
        // 500 says of a reservation that it is sold out.
        Supplier::Hotelbeds => hotelbeds::error([502, 503, 504, 202][which], "SYSTEM_ERROR"),
        Supplier::Duffel => duffel::error([500, 502, 503, 202][which], "internal_server_error"),
    }
}

/// The answer of something between us and a supplier that waited for it no longer.
pub(crate) fn gateway_timeout() -> HttpReply {
    reply(504, &json!({ "type": "gateway_timeout", "message": "words" }))
}

pub(crate) fn reply(status: u16, body: &Value) -> HttpReply {
    HttpReply { status, headers: Vec::new(), body: body.to_string().into_bytes() }
}

pub(crate) fn empty(status: u16) -> HttpReply {
    HttpReply { status, headers: Vec::new(), body: Vec::new() }
}

fn body_of(request: &HttpRequest) -> Value {
    serde_json::from_slice(request.body.as_deref().unwrap_or_default()).unwrap_or_default()
}

/// One value of a query, as it is written there.
fn param<'q>(query: &'q str, name: &str) -> Option<&'q str> {
    query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
}

fn text<'v>(value: &'v Value, pointer: &str) -> &'v str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}
