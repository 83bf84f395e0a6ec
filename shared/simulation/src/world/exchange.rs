//! Calls to suppliers: what is sent, what becomes of it on its way, what is learnt of it.

use std::sync::Arc;

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use contracts::{
    ids::{BookingId, LegId},
    internal::{Gender, Traveller as Name, TravellersReply},
    messages::{LegAsks, RefusedWhy},
    money::Money,
    supplier::Supplier,
};
use rand::Rng as _;
use supplier_sync_core::{Call, Doing, Fact};
use suppliers::{
    Amend, Answer, Ask, Asked, Dialect, HttpReply, HttpRequest, Known, NextCall, Operation,
    Reserve, Sent, dialect,
};

use super::{Answering, Happening, News, World};
use crate::{
    fnv, mixed,
    parcel::Role,
    sometimes::Sometimes,
    story::brief,
    supplier::{Did, Manner, Offer, empty, gateway_timeout, too_many, unsure},
};

/// A supplier does nothing any more after this long, where it keeps its promise.
const ANSWERS_WITHIN_S: i64 = 120;

/// One exchange under way, of one call or several.
#[derive(Debug, Clone)]
pub(crate) struct Exchange {
    call: Arc<Call>,
    /// The replies to the calls before, oldest first.
    earlier: Vec<HttpReply>,
    given_up_at: DateTime<Utc>,
}

impl Exchange {
    pub(super) fn booking_id(&self) -> BookingId {
        self.call.booking_id
    }

    fn operation(&self) -> Operation {
        self.call.doing.operation()
    }

    fn is_hold(&self) -> bool {
        self.call.doing == Doing::Reserve { hold: true }
    }

    fn dialect(&self) -> &'static dyn Dialect {
        dialect(self.call.supplier)
    }
}

/// What an exchange is for, in the dialects' words.
fn ask<'a>(call: &'a Call, travellers: &'a TravellersReply) -> Ask<'a> {
    let client_reference = call.client_reference.as_str();
    let (reference, handle) = (call.reference.as_deref(), call.handle.as_deref());
    let known = Known { client_reference, reference, handle };
    match call.doing {
        Doing::Reserve { hold } => {
            Ask::Reserve(Reserve { client_reference, order: &call.order, travellers, hold })
        }
        Doing::Confirm => Ask::Confirm(known),
        Doing::Cancel => Ask::Cancel(known),
        Doing::Amend => Ask::Amend(Amend { known, travellers }),
        Doing::LookUp { .. } => Ask::LookUp(known),
    }
}

/// Who travels, everywhere.
fn party() -> TravellersReply {
    let name = |text: &str| text.to_owned();
    TravellersReply {
        travellers: vec![Name {
            given_name: name("Ada"),
            family_name: name("L"),
            born_on: NaiveDate::from_ymd_opt(1990, 12, 10),
            gender: Some(Gender::Female),
        }],
        email: name("ada@example.com"),
        phone: name("+4915112345678"),
        special_requests: None,
    }
}

impl World {
    /// A process makes the call it committed a moment ago.
    pub(super) fn send(&mut self, call: Call) {
        if self.now >= call.lease_until {
            return;
        }
        let Some(request) = self.request(&call) else {
            return self.not_made(&call, &Fact::NoHandle { exchange: call.exchange });
        };
        if let Some(fact) = self.gate(&call) {
            return self.not_made(&call, &fact);
        }
        self.tell(Some(call.booking_id), || {
            let (leg, supplier) = (brief(&call.leg_id), call.supplier);
            let word = call.doing.operation().word();
            format!("leg {leg}: sends {word} #{} to {supplier}", call.exchange)
        });
        let given_up_at = (call.lease_until - TimeDelta::seconds(1)).max(self.now);
        let exchange = Exchange { call: Arc::new(call), earlier: Vec::new(), given_up_at };
        self.travel(exchange, request);
    }

    /// What becomes of a call that is not made.
    fn not_made(&mut self, call: &Call, fact: &Fact) {
        let commit = self.legs.learn(call.leg_id, fact, self.now);
        self.transact(Role::SupplierSync, commit);
    }

    /// A call waits while many others go to the supplier; a reserve is not made while the supplier
    /// is left alone.
    fn gate(&mut self, call: &Call) -> Option<Fact> {
        let exchange = call.exchange;
        if self.chance(self.faults.put_off) {
            self.hit(Sometimes::CallPutOff);
            let wait = TimeDelta::seconds(self.seconds(1, 180));
            return Some(Fact::PutOff { exchange, wait });
        }
        let reserves = matches!(call.doing, Doing::Reserve { .. });
        (reserves && self.chance(self.faults.left_alone)).then(|| {
            self.hit(Sometimes::ReserveTurnedAway);
            Fact::TurnedAway { exchange }
        })
    }

    /// The first request of an exchange; nothing where it needs a look-up first.
    fn request(&self, call: &Call) -> Option<HttpRequest> {
        let (dialect, access, now) = (dialect(call.supplier), &self.access, self.now);
        match ask(call, &party()) {
            Ask::Reserve(reserve) => Some(dialect.reserve(access, now, &reserve).unwrap()),
            Ask::Confirm(known) => dialect.confirm(access, now, &known).ok(),
            Ask::Cancel(known) => dialect.cancel(access, now, &known).ok(),
            // Nobody asks for it here.
            Ask::Amend(_) => None,
            Ask::LookUp(known) => Some(dialect.lookup(access, now, &known)),
        }
    }

    /// The network and the supplier's moods decide how a request fares.
    pub(super) fn travel(&mut self, exchange: Exchange, request: HttpRequest) {
        let supplier = exchange.call.supplier;
        let mutates = exchange.call.doing.mutates();
        let manner = Manner { keeps: self.keeps(&exchange.call), ..self.manner(mutates) };
        let given_up_at = exchange.given_up_at.max(self.now);
        let back =
            |exchange: &Exchange, sent| Happening::Return { exchange: exchange.clone(), sent };
        let arrives = |exchange: &Exchange, answer| {
            let (exchange, request) = (exchange.clone(), request.clone());
            Happening::Arrive { exchange, request, manner, answer }
        };
        let lost = |world: &mut Self, exchange: &Exchange| {
            world.agenda.put(given_up_at, back(exchange, Sent::NoAnswer));
        };
        if self.chance(self.faults.connection_refused) {
            return self.put_soon(back(&exchange, Sent::NotSent));
        }
        if self.chance(self.faults.turned_away) {
            let sent = Sent::Reply(too_many(supplier));
            return self.put_in(1, back(&exchange, sent));
        }
        if self.chance(self.faults.request_lost) {
            self.hit(Sometimes::TimeoutBeforeArrival);
            return lost(self, &exchange);
        }
        if mutates && self.chance(self.faults.breaks_promises) {
            let seconds = self.seconds(430, 3 * 3_600);
            self.hit(Sometimes::PromiseBroken);
            self.put_in(seconds, arrives(&exchange, Answering::Lost));
            return lost(self, &exchange);
        }
        if self.chance(self.faults.late) {
            let seconds = self.seconds(10, ANSWERS_WITHIN_S);
            self.hit(Sometimes::LateCommit);
            self.put_in(seconds, arrives(&exchange, Answering::Lost));
            return lost(self, &exchange);
        }
        if self.chance(self.faults.error_before) {
            if self.chance(300) {
                let seconds = self.seconds(1, ANSWERS_WITHIN_S);
                self.put_in(seconds, arrives(&exchange, Answering::Lost));
            }
            let sent = Sent::Reply(unsure(supplier, self.rng.random_range(0..4)));
            return self.put_in(2, back(&exchange, sent));
        }
        if self.chance(self.faults.answer_lost) {
            self.hit(Sometimes::TimeoutAfterCommit);
            self.put_soon(arrives(&exchange, Answering::Lost));
            return lost(self, &exchange);
        }
        // Whoever takes a client reference twice makes two of it: nobody could tell.
        let once = supplier != Supplier::Hotelbeds || !mutates;
        if self.chance(self.faults.request_repeated) && once {
            // Something on the way sends it twice, and passes on the second answer.
            self.put_soon(arrives(&exchange, Answering::Lost));
        }
        let instead = self.chance(self.faults.error_after).then(gateway_timeout);
        let instead = match self.chance(self.faults.garbled) {
            true => Some(self.garbled()),
            false => instead,
        };
        let takes = TimeDelta::milliseconds(self.rng.random_range(50..3_000));
        let at = (self.now + takes).min(given_up_at);
        let arrival = TimeDelta::milliseconds(self.rng.random_range(20..50));
        let comes = arrives(&exchange, Answering::Comes { at, instead });
        self.agenda.put(self.now + arrival, comes);
    }

    fn manner(&mut self, mutates: bool) -> Manner {
        let visible_after = self.seconds(0, i64::from(self.faults.visible_after_max_s));
        let stale = self.seconds(0, i64::from(self.faults.look_up_stale_max_s));
        Manner {
            visible_after: TimeDelta::seconds(visible_after),
            stale: TimeDelta::seconds(stale),
            bare: !mutates && self.chance(self.faults.look_up_bare),
            other_dates: mutates && self.chance(self.faults.other_dates),
            keeps: false,
        }
    }

    /// Whether what a call makes can be cancelled by nobody.
    ///
    /// Drawn from the attempt alone, so that everybody else meets what they met before.
    fn keeps(&self, call: &Call) -> bool {
        let (high, low) = call.leg_id.0.as_u64_pair();
        let drawn = mixed(fnv(call.client_reference.as_bytes()) ^ mixed(high ^ low));
        drawn % 1_000 < u64::from(self.faults.keeps)
    }

    fn garbled(&mut self) -> HttpReply {
        let html = |status| HttpReply { body: b"<html>Sorry".to_vec(), ..empty(status) };
        match self.rng.random_range(0..4) {
            0 => html(200),
            1 => html(201),
            2 => HttpReply { body: br#"{"itinerary_id":"89"#.to_vec(), ..empty(201) },
            _ => empty(202),
        }
    }

    /// The supplier gets a request.
    pub(super) fn arrive(
        &mut self,
        exchange: Exchange,
        request: &HttpRequest,
        manner: Manner,
        answer: Answering,
    ) {
        let supplier = exchange.call.supplier;
        let (reply, did) = self.market.serve(supplier, request, manner, self.now);
        self.tell(Some(exchange.booking_id()), || {
            let (word, number) = (exchange.operation().word(), exchange.call.exchange);
            format!(
                "{supplier} gets {word} #{number}, call {}: {did:?}",
                exchange.earlier.len() + 1
            )
        });
        self.note_what_it_did(&exchange, &did);
        if let Answering::Comes { at, instead } = answer {
            let sent = Sent::Reply(instead.unwrap_or(reply));
            self.agenda.put(at.max(self.now), Happening::Return { exchange, sent });
        }
    }

    fn note_what_it_did(&mut self, exchange: &Exchange, did: &Did) {
        match did {
            Did::Made(reference) => {
                self.supplier_pushes(News::Made, reference);
                self.check_one_is_there(exchange.call.leg_id, exchange.booking_id());
                if exchange.dialect().holds_by_purchase() {
                    self.hit(Sometimes::BoughtToHold);
                    self.what_becomes_of(exchange, reference);
                }
            }
            Did::Booked(reference) => {
                self.supplier_pushes(News::Bought, reference);
                self.what_becomes_of(exchange, reference);
            }
            Did::Cancelled(reference) => self.supplier_pushes(News::Cancelled, reference),
            Did::Duplicate => self.hit(Sometimes::DuplicateReserve),
            Did::SpentLink => self.hit(Sometimes::SpentLink),
            Did::Kept => self.hit(Sometimes::NotToBeCancelled),
            Did::Waits => self.hit(Sometimes::StillUnderWay),
            Did::Refused(token) if self.chance(self.faults.refusal_lies) => {
                let token = token.clone();
                let client_reference = exchange.call.client_reference.clone();
                let hold = exchange.is_hold();
                let seconds = self.seconds(1, ANSWERS_WITHIN_S - 20);
                self.put_in(seconds, Happening::SupplierMakes { token, client_reference, hold });
            }
            Did::Refused(_) | Did::Showed | Did::ShowedNothing | Did::Nothing => {}
        }
    }

    /// Suppliers take back what was bought, or move it.
    fn what_becomes_of(&mut self, exchange: &Exchange, reference: &str) {
        if self.chance(self.faults.takes_back) {
            let seconds = self.seconds(600, 48 * 3_600);
            self.put_in(seconds, Happening::SupplierTakesBack(reference.to_owned()));
        }
        if self.chance(self.faults.moves_days) {
            let seconds = self.seconds(600, 48 * 3_600);
            self.put_in(seconds, Happening::SupplierMoves(reference.to_owned()));
        } else if let Some(seconds) = self.moves_a_part_after(exchange) {
            self.put_in(seconds, Happening::SupplierMoves(reference.to_owned()));
        }
    }

    /// Parts of a trip are moved more often than what is booked alone, so that whole trips are
    /// given back for it.
    ///
    /// Drawn from the leg alone, so that everybody else meets what they met before.
    fn moves_a_part_after(&self, exchange: &Exchange) -> Option<i64> {
        let traveller = self.travellers.get(&exchange.booking_id())?;
        let several = traveller.accept.legs.len() > 1 && self.faults.moves_days > 0;
        let (high, low) = exchange.call.leg_id.0.as_u64_pair();
        let drawn = mixed(high ^ low);
        let seconds = || 600 + i64::try_from(mixed(drawn) % (6 * 3_600)).unwrap();
        (several && drawn.is_multiple_of(4)).then(seconds)
    }

    /// It said no, and does it all the same.
    pub(super) fn supplier_makes(&mut self, token: &str, client_reference: &str, hold: bool) {
        let manner = self.manner(true);
        if self.market.is_taken(client_reference) {
            return;
        }
        let reference = self.market.make(token, client_reference, hold, manner, self.now);
        let leg_id = self.market.get(&reference).unwrap().leg_id;
        let booking_id = self.leg_owners[&leg_id];
        self.tell(Some(booking_id), || format!("the supplier makes {reference} after its refusal"));
        self.supplier_pushes(News::Made, &reference);
        self.check_one_is_there(leg_id, booking_id);
    }

    pub(super) fn supplier_takes_back(&mut self, reference: &str) {
        if self.market.take_back(reference, self.now) {
            self.hit(Sometimes::SupplierTookBack);
            let booking_id = self.leg_owners[&self.market.get(reference).unwrap().leg_id];
            self.tell(Some(booking_id), || format!("the supplier takes {reference} back"));
            self.supplier_pushes(News::TakenBack, reference);
        }
    }

    /// Never two at a time, unless the supplier broke its word on how long things take.
    fn check_one_is_there(&mut self, leg_id: LegId, booking_id: BookingId) {
        let there = self.market.live(leg_id, self.now).len();
        if there > 1 && self.supplier_is_true {
            self.broken("S5", Some(booking_id), format!("{there} reservations of {leg_id}"));
        } else if there > 1 {
            self.hit(Sometimes::TwoLiveForAWhile);
        }
    }

    /// A reply, or the end of waiting for one: the exchange goes on, or what came of it is kept.
    pub(super) fn answered(&mut self, mut exchange: Exchange, sent: Sent) {
        if self.crashes() {
            if !exchange.earlier.is_empty() {
                self.hit(Sometimes::CrashBetweenCalls);
            }
            return self.hit(Sometimes::CrashBetweenSendAndRecord);
        }
        if self.chance(self.faults.pause) {
            let seconds = self.seconds(30, 600);
            return self.put_in(seconds, Happening::Return { exchange, sent });
        }
        let sent = match sent {
            Sent::Reply(reply) => {
                exchange.earlier.push(reply);
                let Some(next) = self.next_call(&exchange) else {
                    let reply = exchange.earlier.pop().unwrap();
                    return self.ended(&exchange, &Sent::Reply(reply));
                };
                self.hit(Sometimes::ExchangeWentOn);
                let after = TimeDelta::from_std(next.after).unwrap();
                if self.now + after < exchange.given_up_at {
                    let going_on = Happening::GoOn { exchange, request: next.request };
                    return self.agenda.put(self.now + after, going_on);
                }
                // It ends before this one could be sent.
                Sent::NotSent
            }
            Sent::NotSent | Sent::NoAnswer => sent,
        };
        if !exchange.earlier.is_empty() {
            self.hit(Sometimes::ExchangeCutShort);
        }
        self.ended(&exchange, &sent);
    }

    fn next_call(&self, exchange: &Exchange) -> Option<NextCall> {
        let (call, travellers) = (&exchange.call, party());
        let asked = ask(call, &travellers);
        exchange.dialect().go_on(&self.access, self.now, &asked, &exchange.earlier)
    }

    fn ended(&mut self, exchange: &Exchange, sent: &Sent) {
        let asked = Asked {
            operation: exchange.operation(),
            client_reference: &exchange.call.client_reference,
            hold: exchange.is_hold(),
            earlier: &exchange.earlier,
        };
        let answer = exchange.dialect().read(&asked, sent);
        self.note_answer(exchange, &answer);
        let number = exchange.call.exchange;
        let fact = match self.asks_now(exchange, &answer) {
            Some(asks) => Fact::Repriced { exchange: number, asks },
            None => Fact::Answered { exchange: number, answer },
        };
        let commit = self.legs.learn(exchange.call.leg_id, &fact, self.now);
        self.transact(Role::SupplierSync, commit);
    }

    /// What the supplier asks for what it refused for its price: a little more than is borne, or
    /// less.
    fn asks_now(&mut self, exchange: &Exchange, answer: &Answer) -> Option<LegAsks> {
        let refused = *answer == Answer::Refused(RefusedWhy::PriceChanged);
        let order = self.legs.rows.get(&exchange.call.leg_id)?.order.clone();
        let reprice = order.reprice.as_ref().filter(|reprice| {
            refused && exchange.operation() == Operation::Reserve && reprice.cost.is_none()
        })?;
        let more = self.seconds(0, 2 * reprice.bears.minor + 2);
        let price = Money::new(order.price.minor + more, order.price.currency);
        let old = self.market.token(&order.book_key).to_owned();
        let token = format!("{old}x{}", exchange.call.exchange);
        let offer = Offer { price, price_changed: false, ..self.market.offers[&old].clone() };
        let book_key = self.market.sells(&token, offer);
        Some(LegAsks { book_key, price, terms: order.terms.clone() })
    }

    fn note_answer(&mut self, exchange: &Exchange, answer: &Answer) {
        self.tell(Some(exchange.booking_id()), || {
            let (word, number) = (exchange.operation().word(), exchange.call.exchange);
            format!("{word} #{number} is answered: {}", answer.word())
        });
        let leg = &self.legs.rows[&exchange.call.leg_id];
        if leg.in_flight.as_ref().is_none_or(|e| e.number != exchange.call.exchange) {
            self.hit(Sometimes::AnswerAfterLease);
        }
        let ours = &exchange.call.client_reference;
        match answer {
            Answer::NotFound => drop(self.found_nothing.insert(ours.clone())),
            Answer::Refused(_) if exchange.operation() == Operation::Reserve => {
                self.refused.insert(ours.clone());
            }
            Answer::Seen(_) => {
                if self.found_nothing.remove(ours) {
                    self.hit(Sometimes::NotFoundThenFound);
                }
                if self.refused.remove(ours) {
                    self.hit(Sometimes::RefusedThenFound);
                }
            }
            Answer::NotSent | Answer::Unknown { .. } | Answer::Refused(_) | Answer::Accepted => {}
        }
    }
}
