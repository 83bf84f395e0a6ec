//! Calls to the supplier: what is sent, what becomes of it on its way, what is learnt of it.

use chrono::TimeDelta;
use contracts::{
    ids::{BookingId, LegId},
    internal::{Traveller as Name, TravellersReply},
    messages::{LegAsks, RefusedWhy},
    money::Money,
};
use rand::Rng as _;
use supplier_sync_core::{Call, Doing, Fact};
use suppliers::{Answer, Asked, HttpReply, HttpRequest, Known, Operation, Reserve, Sent};

use super::{Answering, Happening, World};
use crate::{
    fnv, mixed,
    parcel::Role,
    rapid::{Did, Manner, Offer, empty, error},
    sometimes::Sometimes,
    story::brief,
    supplier_sync::rapid,
};

/// The supplier does nothing any more after this long, where it keeps its promise.
const ANSWERS_WITHIN_S: i64 = 120;

/// One call under way.
#[derive(Debug, Clone)]
pub(crate) struct Exchange {
    leg_id: LegId,
    booking_id: BookingId,
    number: u32,
    operation: Operation,
    client_reference: String,
    hold: bool,
}

impl Exchange {
    pub(super) const fn booking_id(&self) -> BookingId {
        self.booking_id
    }
}

impl World {
    /// A process makes the call it committed a moment ago.
    pub(super) fn send(&mut self, call: &Call) {
        if self.now >= call.lease_until {
            return;
        }
        let exchange = Exchange {
            leg_id: call.leg_id,
            booking_id: call.booking_id,
            number: call.exchange,
            operation: call.doing.operation(),
            client_reference: call.client_reference.clone(),
            hold: call.doing == Doing::Reserve { hold: true },
        };
        let Some(request) = self.request(call) else {
            return self.not_made(call, &Fact::NoHandle { exchange: call.exchange });
        };
        if let Some(fact) = self.gate(call) {
            return self.not_made(call, &fact);
        }
        self.tell(Some(call.booking_id), || {
            let leg = brief(&call.leg_id);
            format!("leg {leg}: sends {} #{}", exchange.operation.word(), call.exchange)
        });
        self.travel(call, exchange, request);
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

    fn request(&self, call: &Call) -> Option<HttpRequest> {
        let known = Known {
            client_reference: &call.client_reference,
            reference: call.reference.as_deref(),
            handle: call.handle.as_deref(),
        };
        let (access, now) = (&self.access, self.now);
        match call.doing {
            Doing::Reserve { hold } => {
                let name = |text: &str| text.to_owned();
                let travellers = TravellersReply {
                    travellers: vec![Name {
                        given_name: name("Ada"),
                        family_name: name("L"),
                        born_on: None,
                        gender: None,
                    }],
                    email: name("ada@example.com"),
                    phone: name("+4915112345678"),
                    special_requests: None,
                };
                let reserve = Reserve {
                    client_reference: &call.client_reference,
                    order: &call.order,
                    travellers: &travellers,
                    hold,
                };
                Some(rapid().reserve(access, now, &reserve).unwrap())
            }
            Doing::Confirm => rapid().confirm(access, now, &known).ok(),
            Doing::Cancel => rapid().cancel(access, now, &known).ok(),
            // Nobody asks for it here.
            Doing::Amend => None,
            Doing::LookUp { .. } => Some(rapid().lookup(access, now, &known)),
        }
    }

    /// The network and the supplier's moods decide how a request fares.
    fn travel(&mut self, call: &Call, exchange: Exchange, request: HttpRequest) {
        let mutates = call.doing.mutates();
        let manner = Manner { keeps: self.keeps(call), ..self.manner(mutates) };
        let given_up_at = (call.lease_until - TimeDelta::seconds(1)).max(self.now);
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
            let sent = Sent::Reply(error(429, "too_many_requests"));
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
            let status = [500, 502, 503, 202][self.rng.random_range(0..4)];
            let sent = Sent::Reply(error(status, "unknown_internal_error"));
            return self.put_in(2, back(&exchange, sent));
        }
        if self.chance(self.faults.answer_lost) {
            self.hit(Sometimes::TimeoutAfterCommit);
            self.put_soon(arrives(&exchange, Answering::Lost));
            return lost(self, &exchange);
        }
        if self.chance(self.faults.request_repeated) {
            // Something on the way sends it twice, and passes on the second answer.
            self.put_soon(arrives(&exchange, Answering::Lost));
        }
        let instead = self.chance(self.faults.error_after).then(|| error(504, "gateway_timeout"));
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
        let (reply, did) = self.rapid.serve(request, manner, self.now);
        self.tell(Some(exchange.booking_id), || {
            format!("the supplier gets {} #{}: {did:?}", exchange.operation.word(), exchange.number)
        });
        self.note_what_it_did(&exchange, request, &did);
        if let Answering::Comes { at, instead } = answer {
            let sent = Sent::Reply(instead.unwrap_or(reply));
            self.agenda.put(at.max(self.now), Happening::Return { exchange, sent });
        }
    }

    fn note_what_it_did(&mut self, exchange: &Exchange, request: &HttpRequest, did: &Did) {
        match did {
            Did::Made(reference) => {
                self.supplier_pushes("itinerary.agent.create", reference);
                self.check_one_is_there(exchange.leg_id, exchange.booking_id);
            }
            Did::Booked(reference) => {
                self.supplier_pushes("itinerary.agent.change", reference);
                if self.chance(self.faults.takes_back) {
                    let seconds = self.seconds(600, 48 * 3_600);
                    let taken = Happening::SupplierTakesBack(reference.clone());
                    self.put_in(seconds, taken);
                }
                if self.chance(self.faults.moves_days) {
                    let seconds = self.seconds(600, 48 * 3_600);
                    self.put_in(seconds, Happening::SupplierMoves(reference.clone()));
                } else if let Some(seconds) = self.moves_a_part_after(exchange) {
                    self.put_in(seconds, Happening::SupplierMoves(reference.clone()));
                }
            }
            Did::Cancelled(reference) => self.supplier_pushes("itinerary.agent.cancel", reference),
            Did::Duplicate => self.hit(Sometimes::DuplicateReserve),
            Did::SpentLink => self.hit(Sometimes::SpentLink),
            Did::Kept => self.hit(Sometimes::NotToBeCancelled),
            Did::Refused if self.chance(self.faults.refusal_lies) => {
                let token = request.path_and_query.split_once("token=").unwrap().1.to_owned();
                let client_reference = exchange.client_reference.clone();
                let hold = exchange.hold;
                let seconds = self.seconds(1, ANSWERS_WITHIN_S - 20);
                self.put_in(seconds, Happening::SupplierMakes { token, client_reference, hold });
            }
            Did::Refused | Did::Showed | Did::ShowedNothing | Did::Nothing => {}
        }
    }

    /// Parts of a trip are moved more often than what is booked alone, so that whole trips are
    /// given back for it.
    ///
    /// Drawn from the leg alone, so that everybody else meets what they met before.
    fn moves_a_part_after(&self, exchange: &Exchange) -> Option<i64> {
        let traveller = self.travellers.get(&exchange.booking_id)?;
        let several = traveller.accept.legs.len() > 1 && self.faults.moves_days > 0;
        let (high, low) = exchange.leg_id.0.as_u64_pair();
        let drawn = mixed(high ^ low);
        let seconds = || 600 + i64::try_from(mixed(drawn) % (6 * 3_600)).unwrap();
        (several && drawn.is_multiple_of(4)).then(seconds)
    }

    /// It said no, and does it all the same.
    pub(super) fn supplier_makes(&mut self, token: &str, client_reference: &str, hold: bool) {
        let manner = self.manner(true);
        if self.rapid.is_taken(client_reference) {
            return;
        }
        let reference = self.rapid.make(token, client_reference, hold, manner, self.now);
        let leg_id = self.rapid.get(&reference).unwrap().leg_id;
        let booking_id = self.leg_owners[&leg_id];
        self.tell(Some(booking_id), || format!("the supplier makes {reference} after its refusal"));
        self.supplier_pushes("itinerary.agent.create", &reference);
        self.check_one_is_there(leg_id, booking_id);
    }

    pub(super) fn supplier_takes_back(&mut self, reference: &str) {
        if self.rapid.take_back(reference, self.now) {
            self.hit(Sometimes::SupplierTookBack);
            let booking_id = self.leg_owners[&self.rapid.get(reference).unwrap().leg_id];
            self.tell(Some(booking_id), || format!("the supplier takes {reference} back"));
            self.supplier_pushes("itinerary.supplier.cancel", reference);
        }
    }

    /// Never two at a time, unless the supplier broke its word on how long things take.
    fn check_one_is_there(&mut self, leg_id: LegId, booking_id: BookingId) {
        let there = self.rapid.live(leg_id, self.now).len();
        if there > 1 && self.supplier_is_true {
            self.broken("S5", Some(booking_id), format!("{there} reservations of {leg_id}"));
        } else if there > 1 {
            self.hit(Sometimes::TwoLiveForAWhile);
        }
    }

    /// An answer, or the end of waiting for one, is recorded.
    pub(super) fn answered(&mut self, exchange: &Exchange, sent: &Sent) {
        if self.crashes() {
            return self.hit(Sometimes::CrashBetweenSendAndRecord);
        }
        if self.chance(self.faults.pause) {
            let (exchange, sent) = (exchange.clone(), sent.clone());
            let seconds = self.seconds(30, 600);
            return self.put_in(seconds, Happening::Return { exchange, sent });
        }
        let asked = Asked {
            operation: exchange.operation,
            client_reference: &exchange.client_reference,
            hold: exchange.hold,
            earlier: &[],
        };
        let answer = rapid().read(&asked, sent);
        self.note_answer(exchange, &answer);
        let number = exchange.number;
        let fact = match self.asks_now(exchange, &answer) {
            Some(asks) => Fact::Repriced { exchange: number, asks },
            None => Fact::Answered { exchange: number, answer },
        };
        let commit = self.legs.learn(exchange.leg_id, &fact, self.now);
        self.transact(Role::SupplierSync, commit);
    }

    /// What the supplier asks for what it refused for its price: a little more than is borne, or
    /// less.
    fn asks_now(&mut self, exchange: &Exchange, answer: &Answer) -> Option<LegAsks> {
        let refused = *answer == Answer::Refused(RefusedWhy::PriceChanged);
        let order = self.legs.rows.get(&exchange.leg_id)?.order.clone();
        let reprice = order.reprice.as_ref().filter(|reprice| {
            refused && exchange.operation == Operation::Reserve && reprice.cost.is_none()
        })?;
        let more = self.seconds(0, 2 * reprice.bears.minor + 2);
        let price = Money::new(order.price.minor + more, order.price.currency);
        let old = order.book_key.split_once("token=").unwrap().1.to_owned();
        let token = format!("{old}x{}", exchange.number);
        let offer = Offer { price, price_changed: false, ..self.rapid.offers[&old].clone() };
        self.rapid.offers.insert(token.clone(), offer);
        let book_key = format!("/v3/itineraries?token={token}");
        Some(LegAsks { book_key, price, terms: order.terms.clone() })
    }

    fn note_answer(&mut self, exchange: &Exchange, answer: &Answer) {
        self.tell(Some(exchange.booking_id), || {
            format!(
                "{} #{} is answered: {}",
                exchange.operation.word(),
                exchange.number,
                answer.word()
            )
        });
        let leg = &self.legs.rows[&exchange.leg_id];
        if leg.in_flight.as_ref().is_none_or(|e| e.number != exchange.number) {
            self.hit(Sometimes::AnswerAfterLease);
        }
        let ours = &exchange.client_reference;
        match answer {
            Answer::NotFound => drop(self.found_nothing.insert(ours.clone())),
            Answer::Refused(_) if exchange.operation == Operation::Reserve => {
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
