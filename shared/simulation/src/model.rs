//! Every way that one leg can go at its supplier, within bounds: wishes in any order and again,
//! calls that are lost, late, refused or answered after the end, things that show late, callbacks.
//!
//! The core is the one that ships. Where the seeds draw some ways of many legs, this goes all ways
//! of one, and says how many there were.

use std::{collections::BTreeSet, fmt::Write as _};

use chrono::{DateTime, TimeDelta, Utc};
use contracts::{
    ids::{BookingId, LegId},
    messages::{LegState, RefusedWhy, WantedLeg},
    money::{Currency, Money},
    offer::{LegOrder, Occupancy, Product, Terms},
    policy,
    supplier::Supplier,
};
use supplier_sync_core::{
    Call, Command, Doing, Effect, Event, Fact, Leg, Policy, State, decide, effects, learn,
    predicates::evidence_is_never_lost, record, wake_at,
};
use suppliers::{Answer, SeenReservation, SeenState, Unclear};
use uuid::Uuid;

use crate::{fnv, mixed, story::brief};

/// How much may go wrong on one way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Calls that fail, in one of their ways.
    pub faults: u32,
    /// Wishes that are heard again.
    pub repeats: u32,
    pub callbacks: u32,
}

/// What going all ways has shown.
#[derive(Debug, Default)]
pub struct Seen {
    pub states: u64,
    /// States in which nothing is left to happen.
    pub ends: u64,
    /// The longest way.
    pub depth: usize,
    /// What is wrong, with the way that led there.
    pub wrong: Option<(String, Vec<String>)>,
}

/// Wishes in the order of their versions.
const WISHES: [WantedLeg; 3] = [WantedLeg::Held, WantedLeg::Confirmed, WantedLeg::Released];
/// A way that is longer goes round in circles.
const DEPTH_MAX: usize = 400;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    Held,
    Booked,
    Cancelled,
}

/// What really is at the supplier.
#[derive(Debug, Clone)]
struct Real {
    client_reference: String,
    reference: String,
    standing: Standing,
    shows_at: DateTime<Utc>,
}

/// What one step may be.
#[derive(Debug, Clone, Copy)]
enum Step {
    Wish(usize),
    Answered,
    NotSent,
    /// It arrives and is not answered, and shows late or not.
    AnswerLost {
        shows_late: bool,
    },
    /// It never arrives.
    Lost,
    /// It arrives later, and may be answered even later.
    Late,
    Refused,
    Arrives(usize),
    Returns(usize),
    Callback,
    Time,
}

/// Everything at one moment.
#[derive(Debug, Clone)]
struct Moment {
    now: DateTime<Utc>,
    leg: State,
    wishes: [u32; 3],
    wire: Option<Box<Call>>,
    /// On their way to the supplier, beyond our patience.
    late: Vec<Call>,
    /// On their way back, beyond our patience.
    returning: Vec<(u32, Answer)>,
    real: Vec<Real>,
    left: Bounds,
}

/// Goes all ways.
#[must_use]
pub fn explore(bounds: Bounds) -> Seen {
    let shipped = policy::Policy::parse(policy::DEFAULT).unwrap();
    let policy = Policy::of(shipped.of(Supplier::Rapid));
    let mut seen = Seen::default();
    let mut known = BTreeSet::new();
    let first = Moment {
        now: DateTime::from_timestamp(1_800_000_000, 0).unwrap(),
        leg: None,
        wishes: [0; 3],
        wire: None,
        late: Vec::new(),
        returning: Vec::new(),
        real: Vec::new(),
        left: bounds,
    };
    let mut path: Vec<(Moment, Vec<Step>, String)> =
        vec![(first.clone(), first.steps(&policy), String::new())];
    while let Some((moment, steps, _)) = path.last_mut() {
        let Some(step) = steps.pop() else {
            path.pop();
            continue;
        };
        let mut next = moment.clone();
        let wrong = next.take(step, &policy);
        let told = |path: &[(Moment, Vec<Step>, String)]| {
            let way = path.iter().skip(1).map(|(_, _, step)| step.clone());
            way.chain([format!("{step:?}")]).collect()
        };
        if let Some(what) = wrong {
            seen.wrong = Some((what, told(&path)));
            return seen;
        }
        if !known.insert(next.key()) {
            continue;
        }
        seen.states += 1;
        let steps = next.steps(&policy);
        if steps.is_empty() {
            seen.ends += 1;
            if let Some(what) = next.is_wrong_at_rest(&policy) {
                seen.wrong = Some((what, told(&path)));
                return seen;
            }
        }
        seen.depth = seen.depth.max(path.len());
        if path.len() > DEPTH_MAX {
            seen.wrong = Some(("it goes round in circles".to_owned(), told(&path)));
            return seen;
        }
        path.push((next, steps, format!("{step:?}")));
    }
    seen
}

/// What is written into it leaves a number and no text.
struct Hashing(u64);

impl std::fmt::Write for Hashing {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        self.0 = mixed(self.0 ^ fnv(text.as_bytes()));
        Ok(())
    }
}

impl Moment {
    /// A number that two equal moments have in common, and two others as good as never.
    fn key(&self) -> u64 {
        let mut hash = Hashing(0);
        write!(hash, "{self:?}").unwrap();
        mixed(hash.0)
    }

    fn steps(&self, policy: &Policy) -> Vec<Step> {
        let mut steps = Vec::new();
        for (n, heard) in self.wishes.iter().enumerate() {
            if *heard == 0 || (*heard == 1 && self.left.repeats > 0) {
                steps.push(Step::Wish(n));
            }
        }
        steps.extend((0..self.late.len()).map(Step::Arrives));
        steps.extend((0..self.returning.len()).map(Step::Returns));
        let sent = self.leg.as_ref().is_some_and(|leg| leg.exchanges > 0);
        if sent && self.left.callbacks > 0 {
            steps.push(Step::Callback);
        }
        if let Some(call) = &self.wire {
            steps.push(Step::Answered);
            if self.left.faults > 0 {
                steps.extend([Step::NotSent, Step::Lost, Step::AnswerLost { shows_late: false }]);
                if call.doing.mutates() {
                    steps.push(Step::Late);
                }
                if matches!(call.doing, Doing::Reserve { .. }) {
                    steps.extend([Step::Refused, Step::AnswerLost { shows_late: true }]);
                }
            }
        } else if self.leg.as_ref().is_some_and(|leg| wake_at(leg, policy).is_some()) {
            steps.push(Step::Time);
        }
        steps
    }

    /// Takes a step; what is wrong then.
    fn take(&mut self, step: Step, policy: &Policy) -> Option<String> {
        let fact = match step {
            Step::Wish(n) => return self.wish(n, policy),
            Step::Answered => {
                let call = self.wire.take()?;
                let answer = self.serve(&call, self.now);
                Fact::Answered { exchange: call.exchange, answer }
            }
            Step::NotSent | Step::Refused => {
                self.left.faults -= 1;
                let call = self.wire.take()?;
                let answer = match step {
                    Step::NotSent => Answer::NotSent,
                    _ => Answer::Refused(RefusedWhy::SoldOut),
                };
                Fact::Answered { exchange: call.exchange, answer }
            }
            Step::AnswerLost { shows_late } => {
                self.left.faults -= 1;
                let call = self.wire.take()?;
                let late = if shows_late { policy.visible_after_max } else { TimeDelta::zero() };
                let answer = self.serve(&call, self.now + late);
                // It may come after all.
                self.returning.push((call.exchange, answer));
                return self.is_wrong();
            }
            Step::Lost => {
                self.left.faults -= 1;
                self.wire = None;
                return None;
            }
            Step::Late => {
                self.left.faults -= 1;
                self.late.push(*self.wire.take()?);
                return None;
            }
            Step::Arrives(n) => {
                let call = self.late.remove(n);
                let answer = self.serve(&call, self.now);
                self.returning.push((call.exchange, answer));
                return self.is_wrong();
            }
            Step::Returns(n) => {
                let (exchange, answer) = self.returning.remove(n);
                Fact::Answered { exchange, answer }
            }
            Step::Callback => {
                self.left.callbacks -= 1;
                let (callback_id, client_reference) = (None, None);
                Fact::Hinted { callback_id, client_reference, reference: None, claim: None }
            }
            Step::Time => {
                let at = wake_at(self.leg.as_ref()?, policy)?;
                self.now = self.now.max(at);
                // By then the supplier has done it, or never does.
                let now = self.now;
                self.late.retain(|call| call.lease_until > now);
                Fact::Due
            }
        };
        let events = learn(&self.leg, &fact, policy, self.now);
        self.happen(events, policy)
    }

    fn wish(&mut self, n: usize, policy: &Policy) -> Option<String> {
        self.left.repeats -= u32::from(self.wishes[n] > 0);
        self.wishes[n] += 1;
        let command = Command::Want {
            booking_id: BookingId(Uuid::from_u128(1)),
            leg_id: LegId(Uuid::from_u128(2)),
            version: u32::try_from(n).unwrap() + 1,
            wanted: WISHES[n],
            order: Box::new(order(self.now)),
            accepts: None,
        };
        let events = decide(&self.leg, &command, policy, self.now).unwrap();
        self.happen(events, policy)
    }

    fn happen(&mut self, events: Vec<Event>, policy: &Policy) -> Option<String> {
        for event in events {
            let (after, recorded) = record(self.leg.take(), vec![event], self.now);
            self.leg = after;
            let leg = self.leg.as_deref()?;
            for entry in &recorded {
                for effect in effects(leg, entry) {
                    match effect {
                        Effect::Call(_) if self.wire.is_some() => {
                            return Some("two calls at a time".to_owned());
                        }
                        Effect::Call(call) => self.wire = Some(call),
                        Effect::Tell(_) => {}
                    }
                }
                if let Some(what) = self.is_told_wrong(&entry.event) {
                    return Some(what);
                }
            }
        }
        let leg = self.leg.as_deref()?;
        evidence_is_never_lost(leg, policy).or_else(|| self.is_wrong())
    }

    /// What the booking is told has to be true.
    fn is_told_wrong(&self, event: &Event) -> Option<String> {
        match event {
            Event::InvariantBroken { what } => Some(what.clone()),
            Event::Told { state: LegState::Confirmed { reference }, .. } => {
                let booked =
                    |real: &Real| real.reference == *reference && real.standing == Standing::Booked;
                (!self.real.iter().any(booked)).then(|| format!("{reference} is not bought"))
            }
            Event::Told { state: LegState::Gone { .. }, .. } => {
                (self.live() > 0).then(|| "told gone, and it is there".to_owned())
            }
            _ => None,
        }
    }

    fn live(&self) -> usize {
        self.real.iter().filter(|real| real.standing != Standing::Cancelled).count()
    }

    fn is_wrong(&self) -> Option<String> {
        (self.live() > 1).then(|| format!("{} reservations of one leg", self.live()))
    }

    fn is_wrong_at_rest(&self, policy: &Policy) -> Option<String> {
        let leg: &Leg = self.leg.as_deref()?;
        let told = leg.told.as_ref().map(|told| &told.state);
        let right = match (leg.wanted, told) {
            (WantedLeg::Released, Some(LegState::Gone { .. } | LegState::Refused { .. })) => {
                self.live() == 0
            }
            (_, Some(LegState::Confirmed { .. })) => self.live() == 1,
            (_, Some(LegState::Gone { .. } | LegState::Refused { .. })) => self.live() == 0,
            _ => false,
        };
        let owed = leg.unwanted(policy).len();
        (!right || owed > 0).then(|| {
            format!(
                "at rest: {:?} is wanted, told {}, {} there",
                leg.wanted,
                brief(&told),
                self.live()
            )
        })
    }

    /// The supplier does what it is asked, and answers.
    fn serve(&mut self, call: &Call, shows_at: DateTime<Utc>) -> Answer {
        let odd = || Answer::Unknown { why: Unclear::Status { status: 400, code: None } };
        let now = self.now;
        match call.doing {
            Doing::Reserve { hold } => {
                if self.real.iter().any(|r| r.client_reference == call.client_reference) {
                    return Answer::Unknown { why: Unclear::Duplicate };
                }
                let real = Real {
                    client_reference: call.client_reference.clone(),
                    reference: format!("R{}", self.real.len()),
                    standing: if hold { Standing::Held } else { Standing::Booked },
                    shows_at,
                };
                let bare = SeenReservation {
                    check_in: None,
                    check_out: None,
                    price: None,
                    ..shown(&real, &call.order)
                };
                self.real.push(real);
                Answer::Seen(vec![bare])
            }
            Doing::Confirm | Doing::Cancel => {
                let named = |real: &&mut Real| Some(&real.reference) == call.reference.as_ref();
                let Some(real) = self.real.iter_mut().find(named) else { return odd() };
                let (ok, to) = match call.doing {
                    Doing::Confirm => (real.standing == Standing::Held, Standing::Booked),
                    _ => (real.standing != Standing::Cancelled, Standing::Cancelled),
                };
                if !ok {
                    return odd();
                }
                real.standing = to;
                Answer::Accepted
            }
            Doing::LookUp { .. } => {
                let own =
                    |r: &&Real| r.client_reference == call.client_reference && r.shows_at <= now;
                let found: Vec<_> =
                    self.real.iter().filter(own).map(|real| shown(real, &call.order)).collect();
                if found.is_empty() { Answer::NotFound } else { Answer::Seen(found) }
            }
        }
    }
}

fn shown(real: &Real, order: &LegOrder) -> SeenReservation {
    SeenReservation {
        reference: real.reference.clone(),
        handle: Some("handle".to_owned()),
        state: match real.standing {
            Standing::Held => SeenState::Held { until: None },
            Standing::Booked => SeenState::Confirmed,
            Standing::Cancelled => SeenState::Gone,
        },
        check_in: Some(order.check_in),
        check_out: Some(order.check_out),
        price: Some(order.price),
        odd: None,
    }
}

fn order(now: DateTime<Utc>) -> LegOrder {
    let day = DateTime::from_timestamp(1_800_000_000, 0).unwrap_or(now).date_naive();
    LegOrder {
        supplier: Supplier::Rapid,
        book_key: "/v3/itineraries?token=t".to_owned(),
        property_id: "19248".to_owned(),
        check_in: day,
        check_out: day.succ_opt().unwrap(),
        occupancy: Occupancy { adults: 2, children: Vec::new() },
        price: Money::new(10_000, Currency::Eur),
        terms: Terms { refundable: true, cancel_steps: Vec::new(), holdable: true },
        product: Product::Stay,
    }
}
