//! The supplier's world: what really is reserved there, and what it says of it, in Rapid's own
//! bytes.
//!
//! Requests and replies are those of the real dialect, so its reading of them is simulated too.

use std::collections::BTreeMap;

use chrono::{DateTime, Months, NaiveDate, TimeDelta, Utc};
use contracts::{ids::LegId, money::Money};
use serde_json::{Value, json};
use suppliers::{HttpReply, HttpRequest, Method};

/// Something that can be booked, by the token in its link.
#[derive(Debug, Clone)]
pub(crate) struct Offer {
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
pub(crate) struct Itinerary {
    pub(crate) leg_id: LegId,
    pub(crate) client_reference: String,
    pub(crate) check_in: NaiveDate,
    pub(crate) check_out: NaiveDate,
    price: Money,
    shows_at: DateTime<Utc>,
    until: DateTime<Utc>,
    moves: Vec<(DateTime<Utc>, Standing)>,
    pub(crate) taken_back: bool,
    pub(crate) moved: bool,
    /// Nobody can cancel it, ever.
    pub(crate) kept: bool,
}

/// How the supplier serves one request.
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
    Refused,
    Duplicate,
    SpentLink,
    /// It was to be cancelled, and cannot be.
    Kept,
    Showed,
    ShowedNothing,
    Nothing,
}

/// The supplier.
#[derive(Debug)]
pub(crate) struct Rapid {
    pub(crate) hold_for: TimeDelta,
    pub(crate) offers: BTreeMap<String, Offer>,
    pub(crate) itineraries: BTreeMap<String, Itinerary>,
}

impl Itinerary {
    pub(crate) fn standing(&self, at: DateTime<Utc>) -> Standing {
        let past = self.moves.iter().rev().find(|(moved_at, _)| *moved_at <= at);
        match past.or(self.moves.first()).map_or(Standing::Held, |(_, standing)| *standing) {
            Standing::Held if self.until <= at => Standing::Lapsed,
            standing => standing,
        }
    }

    /// How long it was held, if nobody bought or released it until it lapsed.
    pub(crate) fn lapsed_after(&self, at: DateTime<Utc>) -> Option<TimeDelta> {
        let made_at = self.moves.first().map(|(made_at, _)| *made_at)?;
        (self.standing(at) == Standing::Lapsed).then(|| self.until - made_at)
    }

    pub(crate) fn is_live(&self, at: DateTime<Utc>) -> bool {
        matches!(self.standing(at), Standing::Held | Standing::Booked)
    }
}

impl Rapid {
    pub(crate) fn new(hold_for: TimeDelta) -> Self {
        Self { hold_for, offers: BTreeMap::new(), itineraries: BTreeMap::new() }
    }

    /// What is there for a leg.
    pub(crate) fn live(&self, leg_id: LegId, at: DateTime<Utc>) -> Vec<(&String, &Itinerary)> {
        let there = |(_, one): &(&String, &Itinerary)| one.leg_id == leg_id && one.is_live(at);
        self.itineraries.iter().filter(there).collect()
    }

    /// Everything that ever was there for a leg.
    pub(crate) fn of(&self, leg_id: LegId) -> impl Iterator<Item = &Itinerary> {
        self.itineraries.values().filter(move |one| one.leg_id == leg_id)
    }

    pub(crate) fn get(&self, reference: &str) -> Option<&Itinerary> {
        self.itineraries.get(reference)
    }

    /// Whether a client reference was used, ever.
    pub(crate) fn is_taken(&self, ours: &str) -> bool {
        self.itineraries.values().any(|one| one.client_reference == ours)
    }

    /// The property cancels.
    pub(crate) fn take_back(&mut self, reference: &str, now: DateTime<Utc>) -> bool {
        let Some(one) = self.itineraries.get_mut(reference) else { return false };
        let live = one.is_live(now);
        if live {
            one.moves.push((now, Standing::Cancelled));
            one.taken_back = true;
        }
        live
    }

    /// The property has it a day later.
    pub(crate) fn move_days(&mut self, reference: &str, now: DateTime<Utc>) -> bool {
        let Some(one) = self.itineraries.get_mut(reference) else { return false };
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
        request: &HttpRequest,
        manner: Manner,
        now: DateTime<Utc>,
    ) -> (HttpReply, Did) {
        let (path, query) = request.path_and_query.split_once('?').unwrap();
        let value = |name: &str| {
            let pair = query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
            pair.unwrap().to_owned()
        };
        let reference = path.strip_prefix("/v3/itineraries/").map(|rest| {
            let end = rest.find('/').unwrap_or(rest.len());
            rest[..end].to_owned()
        });
        match (request.method, reference) {
            (Method::Post, None) => {
                let body: Value = serde_json::from_slice(request.body.as_ref().unwrap()).unwrap();
                let ours = body["affiliate_reference_id"].as_str().unwrap();
                self.book(&value("token"), ours, body["hold"] == json!(true), manner, now)
            }
            (Method::Put, Some(reference)) => self.resume(&reference, now),
            (Method::Delete, Some(reference)) => self.cancel(&reference, &value("token"), now),
            (Method::Get, None) => self.show(&value("affiliate_reference_id"), manner, now),
            (method, reference) => panic!("{method:?} {reference:?}"),
        }
    }

    fn book(
        &mut self,
        token: &str,
        ours: &str,
        hold: bool,
        manner: Manner,
        now: DateTime<Utc>,
    ) -> (HttpReply, Did) {
        if self.is_taken(ours) {
            return (bad_input("duplicate_itinerary"), Did::Duplicate);
        }
        let offer = &self.offers[token];
        if offer.sold_out {
            return (error(410, "rooms_unavailable"), Did::Refused);
        }
        if offer.price_changed {
            return (error(409, "price_mismatch"), Did::Refused);
        }
        let reference = self.make(token, ours, hold, manner, now);
        let links = self.links(&reference, now);
        let body = json!({ "itinerary_id": reference, "links": links });
        (reply(201, &body), Did::Made(reference))
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
        let offer = &self.offers[token];
        let reference = format!("8{:012}", self.itineraries.len());
        let days = |day: NaiveDate| match manner.other_dates {
            true => day.checked_add_months(Months::new(1)).unwrap(),
            false => day,
        };
        let made = Itinerary {
            leg_id: offer.leg_id,
            client_reference: ours.to_owned(),
            check_in: days(offer.check_in),
            check_out: days(offer.check_out),
            price: offer.price,
            shows_at: now + manner.visible_after,
            until: now + self.hold_for,
            moves: vec![(now, if hold { Standing::Held } else { Standing::Booked })],
            taken_back: false,
            moved: false,
            kept: manner.keeps,
        };
        self.itineraries.insert(reference.clone(), made);
        reference
    }

    fn resume(&mut self, reference: &str, now: DateTime<Utc>) -> (HttpReply, Did) {
        let Some(one) = self.itineraries.get_mut(reference) else {
            return (error(404, "resource_not_found"), Did::Nothing);
        };
        match one.standing(now) {
            Standing::Held => {
                one.moves.push((now, Standing::Booked));
                (empty(204), Did::Booked(reference.to_owned()))
            }
            Standing::Lapsed => (bad_input("link.expired"), Did::Nothing),
            Standing::Booked | Standing::Cancelled => (bad_input("link.invalid"), Did::SpentLink),
        }
    }

    fn cancel(&mut self, reference: &str, token: &str, now: DateTime<Utc>) -> (HttpReply, Did) {
        let Some(one) = self.itineraries.get_mut(reference) else {
            return (error(404, "resource_not_found"), Did::Nothing);
        };
        match one.standing(now) {
            // The links of a hold are spent once it is bought.
            Standing::Booked if token == "h" => (bad_input("link.invalid"), Did::SpentLink),
            Standing::Held | Standing::Booked if one.kept => {
                (bad_input("cancel.post_checkout"), Did::Kept)
            }
            Standing::Held | Standing::Booked => {
                one.moves.push((now, Standing::Cancelled));
                (empty(204), Did::Cancelled(reference.to_owned()))
            }
            Standing::Cancelled | Standing::Lapsed => {
                (error(400, "room_already_cancelled"), Did::Nothing)
            }
        }
    }

    fn show(&self, ours: &str, manner: Manner, now: DateTime<Utc>) -> (HttpReply, Did) {
        let found = self
            .itineraries
            .iter()
            .filter(|(_, one)| one.client_reference == ours && one.shows_at <= now);
        let shown: Vec<Value> =
            found.map(|(reference, one)| self.shown(reference, one, manner, now)).collect();
        let did = if shown.is_empty() { Did::ShowedNothing } else { Did::Showed };
        (reply(200, &Value::Array(shown)), did)
    }

    fn shown(&self, reference: &str, one: &Itinerary, manner: Manner, now: DateTime<Utc>) -> Value {
        let made_at = one.moves[0].0;
        if manner.bare {
            return json!({ "itinerary_id": reference, "creation_date_time": made_at.to_rfc3339() });
        }
        let at = (now - manner.stale).max(made_at);
        let (status, room_links) = match one.standing(at) {
            Standing::Held => ("pending", json!({})),
            Standing::Booked => {
                let href = format!("/v3/itineraries/{reference}/rooms/1?token=b");
                ("booked", json!({ "cancel": { "method": "DELETE", "href": href } }))
            }
            Standing::Cancelled | Standing::Lapsed => ("canceled", json!({})),
        };
        json!({
            "itinerary_id": reference,
            "affiliate_reference_id": one.client_reference,
            "creation_date_time": made_at.to_rfc3339(),
            "links": self.links(reference, at),
            "rooms": [{
                "id": "1",
                "status": status,
                "checkin": one.check_in.to_string(),
                "checkout": one.check_out.to_string(),
                "rate": { "pricing": { "totals": { "inclusive": { "billable_currency": {
                    "value": one.price.decimal(),
                    "currency": one.price.currency.code(),
                } } } } },
                "links": room_links,
            }],
        })
    }

    fn links(&self, reference: &str, at: DateTime<Utc>) -> Value {
        let one = &self.itineraries[reference];
        if one.standing(at) != Standing::Held {
            return json!({});
        }
        let href = format!("/v3/itineraries/{reference}?token=h");
        json!({
            "resume": { "method": "PUT", "href": href, "expires": one.until.to_rfc3339() },
            "cancel": { "method": "DELETE", "href": href },
        })
    }
}

pub(crate) fn reply(status: u16, body: &Value) -> HttpReply {
    HttpReply { status, headers: Vec::new(), body: body.to_string().into_bytes() }
}

pub(crate) fn empty(status: u16) -> HttpReply {
    HttpReply { status, headers: Vec::new(), body: Vec::new() }
}

pub(crate) fn error(status: u16, kind: &str) -> HttpReply {
    reply(status, &json!({ "type": kind, "message": "words" }))
}

fn bad_input(kind: &str) -> HttpReply {
    let errors = json!([{ "type": kind, "message": "words" }]);
    reply(400, &json!({ "type": "invalid_input", "message": "words", "errors": errors }))
}
