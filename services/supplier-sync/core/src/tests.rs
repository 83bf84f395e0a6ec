//! Stories, the whole table, properties.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::too_many_lines,
    reason = "a panic is a failed test"
)]

mod amending;
mod comparing;
mod double;
mod drifting;
mod evidence;
mod repairs;
mod stories;
mod table;
mod worlds;

use chrono::{DateTime, NaiveDate, NaiveTime, TimeDelta, Utc};
use contracts::{
    ids::{BookingId, LegId},
    messages::{CallbackClaim, LegChanged, LegGuestsSettled, LegState, WantedLeg},
    money::{Currency, Money},
    offer::{FlightSegment, LegOrder, Occupancy, Product, Terms},
    policy,
    supplier::Supplier,
};
use suppliers::{Answer, SeenReservation, SeenState, Unclear};
use uuid::Uuid;

use crate::{
    Call, Command, Doing, Effect, Event, Fact, Leg, Policy, Recorded, State, decide, effects,
    learn, predicates, record, wake_at,
};

/// One leg with everything that happened to it, and a clock that is set by hand.
pub(crate) struct World {
    pub(crate) policy: Policy,
    pub(crate) state: State,
    pub(crate) journal: Vec<Recorded>,
    pub(crate) now: DateTime<Utc>,
    pub(crate) calls: Vec<Call>,
    pub(crate) told: Vec<LegChanged>,
    /// How wishes for other guests ended.
    pub(crate) settled: Vec<LegGuestsSettled>,
    pub(crate) order: LegOrder,
    /// Whether the whole journal is checked after every step, or when the test asks for it.
    pub(crate) checks: Checks,
    wishes: u32,
    /// What the customer agreed to of what the supplier changed.
    accepts: Option<contracts::messages::LegContent>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Checks {
    EveryStep,
    AtTheEnd,
}

pub(crate) fn start() -> DateTime<Utc> {
    "2026-11-21T10:00:00Z".parse().unwrap()
}

pub(crate) fn order() -> LegOrder {
    LegOrder {
        supplier: Supplier::Rapid,
        book_key: "key".to_owned(),
        property_id: "19248".to_owned(),
        check_in: NaiveDate::from_ymd_opt(2026, 11, 25).unwrap(),
        check_out: NaiveDate::from_ymd_opt(2026, 11, 27).unwrap(),
        occupancy: Occupancy { adults: 2, children: Vec::new() },
        price: Money::new(24_000, Currency::Eur),
        terms: Terms {
            refundable: true,
            cancel_steps: Vec::new(),
            holdable: true,
            due_at_property: Vec::new(),
        },
        product: Product::Stay,
        reprice: None,
    }
}

pub(crate) fn seen(reference: &str, state: SeenState) -> SeenReservation {
    SeenReservation {
        handle: Some(format!("ways of {reference}")),
        check_in: Some(order().check_in),
        check_out: Some(order().check_out),
        price: Some(order().price),
        ..SeenReservation::bare(reference, state)
    }
}

/// A flight of the day that was ordered, so many hours later than sold.
pub(crate) fn flight(later: i64) -> FlightSegment {
    let day = order().check_in.and_time(NaiveTime::MIN);
    FlightSegment {
        origin: "LHR".to_owned(),
        destination: "MAD".to_owned(),
        departs_at: day + TimeDelta::hours(8 + later),
        arrives_at: day + TimeDelta::hours(11 + later),
        flight: "ZZ117".to_owned(),
    }
}

/// A world whose order is that flight.
pub(crate) fn flown() -> World {
    let product = Product::Flight { segments: vec![flight(0)] };
    World { order: LegOrder { product, ..order() }, ..World::new() }
}

/// Bought, and flown so many hours later than sold.
pub(crate) fn flies(later: i64) -> Answer {
    let segments = vec![flight(later)];
    Answer::Seen(vec![SeenReservation { segments, ..seen("R1", SeenState::Confirmed) }])
}

pub(crate) fn held(reference: &str) -> Answer {
    Answer::Seen(vec![seen(reference, SeenState::Held { until: None })])
}

pub(crate) fn bought(reference: &str) -> Answer {
    Answer::Seen(vec![seen(reference, SeenState::Confirmed)])
}

pub(crate) fn gone(reference: &str) -> Answer {
    Answer::Seen(vec![seen(reference, SeenState::Gone)])
}

/// A callback that names a reservation and says nothing of it.
pub(crate) fn hint(reference: &str) -> Fact {
    let reference = Some(reference.to_owned());
    Fact::Hinted { callback_id: None, client_reference: None, reference, claim: None }
}

/// A callback that says what became of a reservation.
pub(crate) fn claim(reference: &str, claim: CallbackClaim) -> Fact {
    let (reference, claim) = (Some(reference.to_owned()), Some(claim));
    Fact::Hinted { callback_id: None, client_reference: None, reference, claim }
}

/// The reserve under way is turned away: not before an hour has passed.
pub(crate) fn turned_away(world: &mut World) {
    let (exchange, wait) = (world.leg().exchanges, TimeDelta::hours(1));
    world.fact(&Fact::PutOff { exchange, wait });
}

pub(crate) const UNKNOWN: Answer = Answer::Unknown { why: Unclear::NoAnswer };

impl World {
    pub(crate) fn new() -> Self {
        let shipped = policy::Policy::parse(policy::DEFAULT).unwrap();
        Self {
            policy: Policy::of(shipped.of(Supplier::Rapid)),
            state: None,
            journal: Vec::new(),
            now: start(),
            calls: Vec::new(),
            told: Vec::new(),
            settled: Vec::new(),
            order: order(),
            checks: Checks::EveryStep,
            wishes: 0,
            accepts: None,
        }
    }

    pub(crate) fn leg(&self) -> &Leg {
        self.state.as_deref().unwrap()
    }

    pub(crate) fn want(&mut self, wanted: WantedLeg) {
        self.wishes += 1;
        self.want_version(self.wishes, wanted);
    }

    pub(crate) fn want_version(&mut self, version: u32, wanted: WantedLeg) {
        let command = Command::Want {
            booking_id: BookingId(Uuid::from_u128(1)),
            leg_id: LegId(Uuid::from_u128(2)),
            version,
            wanted,
            order: Box::new(self.order.clone()),
            accepts: self.accepts.clone(),
        };
        let events = decide(&self.state, &command, &self.policy, self.now).unwrap();
        self.take(events);
    }

    /// The newest call is answered.
    pub(crate) fn answer(&mut self, answer: Answer) {
        let exchange = self.leg().exchanges;
        self.answer_to(exchange, answer);
    }

    pub(crate) fn answer_to(&mut self, exchange: u32, answer: Answer) {
        self.fact(&Fact::Answered { exchange, answer });
    }

    pub(crate) fn fact(&mut self, fact: &Fact) {
        let events = learn(&self.state, fact, &self.policy, self.now);
        self.take(events);
    }

    pub(crate) fn wait(&mut self, seconds: i64) {
        self.now += TimeDelta::seconds(seconds);
    }

    /// Lets time pass until the leg wants to be woken, and wakes it. Says whether it wanted to be.
    pub(crate) fn wake(&mut self) -> bool {
        let Some(at) = self.state.as_deref().and_then(|leg| wake_at(leg, &self.policy)) else {
            return false;
        };
        self.now = self.now.max(at);
        self.fact(&Fact::Due);
        true
    }

    /// Whether the leg wants to be woken by now.
    pub(crate) fn due(&self) -> bool {
        let at = self.state.as_deref().and_then(|leg| wake_at(leg, &self.policy));
        at.is_some_and(|at| at <= self.now)
    }

    /// The exchange under way is a look-up; wakes the leg until it is.
    pub(crate) fn wake_until_it_looks(&mut self) {
        for _ in 0..20 {
            if self.leg().in_flight.as_ref().is_some_and(|e| !e.doing.mutates()) {
                return;
            }
            assert!(self.wake(), "the leg is at rest");
        }
        panic!("it never looks");
    }

    pub(crate) fn doing(&self) -> Option<Doing> {
        self.leg().in_flight.as_ref().map(|exchange| exchange.doing)
    }

    pub(crate) fn last_told(&self) -> Option<&LegState> {
        self.told.last().map(|changed| &changed.state)
    }

    pub(crate) fn count(&self, wanted: impl Fn(&Doing) -> bool) -> usize {
        self.calls.iter().filter(|call| wanted(&call.doing)).count()
    }

    pub(crate) fn reserves(&self) -> usize {
        self.count(|doing| matches!(doing, Doing::Reserve { .. }))
    }

    pub(crate) fn look_ups(&self) -> usize {
        self.count(|doing| !doing.mutates())
    }

    fn take(&mut self, events: Vec<Event>) {
        // Effects are seen from the leg just after each event.
        for event in events {
            let (state, recorded) = record(self.state.take(), vec![event], self.now);
            self.state = state;
            for one in recorded {
                for effect in effects(self.leg(), &one) {
                    match effect {
                        Effect::Call(call) => self.calls.push(*call),
                        Effect::Tell(changed) => self.told.push(*changed),
                        Effect::TellGuests(settled) => self.settled.push(*settled),
                    }
                }
                self.journal.push(one);
            }
        }
        match self.checks {
            Checks::EveryStep => self.check(),
            Checks::AtTheEnd => {
                assert_eq!(predicates::evidence_is_never_lost(self.leg(), &self.policy), None);
            }
        }
    }

    pub(crate) fn check(&self) {
        assert_eq!(predicates::broken(&self.journal, &self.policy), Vec::<String>::new());
        self.folds_back();
    }

    /// The journal gives the row, byte for byte, also after a way through the database.
    fn folds_back(&self) {
        let mut state: State = None;
        for recorded in &self.journal {
            let text = serde_json::to_string(recorded).unwrap();
            state = crate::evolve(state, &serde_json::from_str(&text).unwrap());
        }
        let row = serde_json::to_string(&self.state).unwrap();
        assert_eq!(serde_json::to_string(&state).unwrap(), row);
        let back: State = serde_json::from_str(&row).unwrap();
        assert_eq!(serde_json::to_string(&back).unwrap(), row);
    }
}
