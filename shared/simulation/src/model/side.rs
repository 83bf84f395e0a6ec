//! One leg at its supplier: the core that ships, a call on its way, and what is really there.

use chrono::{DateTime, TimeDelta, Utc};
use contracts::{
    messages::{LegChanged, LegState, RefusedWhy, WantedLeg},
    offer::LegOrder,
};
use supplier_sync_core::{
    Call, Command, Doing, Effect, Event, Fact, Leg, Policy, State, decide, effects, learn,
    predicates::evidence_is_never_lost, record, wake_at,
};
use suppliers::{Answer, SeenReservation, SeenState, Unclear};

use super::Bounds;
use crate::story::brief;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    Held,
    Booked,
    Cancelled,
}

/// What really is at the supplier.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Real {
    client_reference: String,
    reference: String,
    standing: Standing,
    shows_at: DateTime<Utc>,
}

/// What can become of a call, and what the supplier can do by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    Answered,
    NotSent,
    /// It arrives and is not answered, or whoever asked dies before writing the answer down; what
    /// it made shows late or not.
    AnswerLost {
        shows_late: bool,
    },
    /// It never arrives, or whoever is to send it dies before.
    Lost,
    /// It arrives later, and may be answered even later.
    Late,
    Refused,
    Arrives(usize),
    Returns(usize),
    Callback,
}

/// One leg and its supplier at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Side {
    leg: State,
    wire: Option<Box<Call>>,
    /// On their way to the supplier, beyond our patience.
    late: Vec<Call>,
    /// On their way back, beyond our patience.
    returning: Vec<(u32, Answer)>,
    real: Vec<Real>,
}

/// What is said, or what is wrong.
pub(super) type Said = Result<Vec<LegChanged>, String>;

impl Side {
    /// What may happen next, but for wishes and for time.
    pub(super) fn steps(&self, left: &Bounds) -> Vec<Step> {
        let mut steps = Vec::new();
        steps.extend((0..self.late.len()).map(Step::Arrives));
        steps.extend((0..self.returning.len()).map(Step::Returns));
        let sent = self.leg.as_ref().is_some_and(|leg| leg.exchanges > 0);
        if sent && left.callbacks > 0 {
            steps.push(Step::Callback);
        }
        let Some(call) = &self.wire else { return steps };
        steps.push(Step::Answered);
        if left.faults > 0 {
            steps.extend([Step::NotSent, Step::Lost, Step::AnswerLost { shows_late: false }]);
            if call.doing.mutates() {
                steps.push(Step::Late);
            }
            if matches!(call.doing, Doing::Reserve { .. }) {
                steps.extend([Step::Refused, Step::AnswerLost { shows_late: true }]);
            }
        }
        steps
    }

    /// Takes a step.
    pub(super) fn take(
        &mut self,
        step: Step,
        left: &mut Bounds,
        policy: &Policy,
        now: DateTime<Utc>,
    ) -> Said {
        let costs =
            !matches!(step, Step::Answered | Step::Arrives(_) | Step::Returns(_) | Step::Callback);
        left.faults -= u32::from(costs);
        let fact = match step {
            Step::Answered => {
                let Some(call) = self.wire.take() else { return Ok(Vec::new()) };
                let answer = self.serve(&call, now, now);
                Fact::Answered { exchange: call.exchange, answer }
            }
            Step::NotSent | Step::Refused => {
                let Some(call) = self.wire.take() else { return Ok(Vec::new()) };
                let answer = match step {
                    Step::NotSent => Answer::NotSent,
                    _ => Answer::Refused(RefusedWhy::SoldOut),
                };
                Fact::Answered { exchange: call.exchange, answer }
            }
            Step::AnswerLost { shows_late } => {
                let Some(call) = self.wire.take() else { return Ok(Vec::new()) };
                let late = if shows_late { policy.visible_after_max } else { TimeDelta::zero() };
                let answer = self.serve(&call, now + late, now);
                // It may come after all.
                self.returning.push((call.exchange, answer));
                return Ok(Vec::new());
            }
            Step::Lost => {
                self.wire = None;
                return Ok(Vec::new());
            }
            Step::Late => {
                self.late.extend(self.wire.take().map(|call| *call));
                return Ok(Vec::new());
            }
            Step::Arrives(n) => {
                let call = self.late.remove(n);
                let answer = self.serve(&call, now, now);
                self.returning.push((call.exchange, answer));
                return Ok(Vec::new());
            }
            Step::Returns(n) => {
                let (exchange, answer) = self.returning.remove(n);
                Fact::Answered { exchange, answer }
            }
            Step::Callback => {
                left.callbacks -= 1;
                let (callback_id, client_reference) = (None, None);
                Fact::Hinted { callback_id, client_reference, reference: None, claim: None }
            }
        };
        let events = learn(&self.leg, &fact, policy, now);
        self.happen(events, policy, now)
    }

    /// Hears a wish.
    pub(super) fn wish(&mut self, wish: &Command, policy: &Policy, now: DateTime<Utc>) -> Said {
        let events = decide(&self.leg, wish, policy, now).map_err(|no| no.to_string())?;
        self.happen(events, policy, now)
    }

    /// When time alone makes something happen; nothing while a call is on its way.
    pub(super) fn wake_at(&self, policy: &Policy) -> Option<DateTime<Utc>> {
        let leg = self.leg.as_ref().filter(|_| self.wire.is_none());
        leg.and_then(|leg| wake_at(leg, policy))
    }

    pub(super) const fn is_calling(&self) -> bool {
        self.wire.is_some()
    }

    /// Time has come to `now`: by then the supplier has done what it was sent, or never does.
    pub(super) fn forget_late(&mut self, now: DateTime<Utc>) {
        self.late.retain(|call| call.lease_until > now);
    }

    /// Its time has come.
    pub(super) fn due(&mut self, policy: &Policy, now: DateTime<Utc>) -> Said {
        let events = learn(&self.leg, &Fact::Due, policy, now);
        self.happen(events, policy, now)
    }

    fn happen(&mut self, events: Vec<Event>, policy: &Policy, now: DateTime<Utc>) -> Said {
        let mut said = Vec::new();
        for event in events {
            let (after, recorded) = record(self.leg.take(), vec![event], now);
            self.leg = after;
            let Some(leg) = self.leg.as_deref() else { continue };
            for entry in &recorded {
                for effect in effects(leg, entry) {
                    match effect {
                        Effect::Call(_) if self.wire.is_some() => {
                            return Err("two calls at a time".to_owned());
                        }
                        Effect::Call(call) => self.wire = Some(call),
                        Effect::Tell(message) => said.push(*message),
                        // Nobody asks for it here.
                        Effect::TellGuests(_) => {}
                    }
                }
                if let Some(what) = self.is_told_wrong(&entry.event) {
                    return Err(what);
                }
            }
        }
        let lost = self.leg.as_deref().and_then(|leg| evidence_is_never_lost(leg, policy));
        lost.map_or(Ok(said), Err)
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

    /// How many reservations there are of it.
    pub(super) fn live(&self) -> usize {
        self.real.iter().filter(|real| real.standing != Standing::Cancelled).count()
    }

    /// How many of them are bought.
    pub(super) fn booked(&self) -> usize {
        self.real.iter().filter(|real| real.standing == Standing::Booked).count()
    }

    /// How often it was tried to reserve it, under references of their own.
    pub(super) fn attempts(&self) -> usize {
        self.leg.as_ref().map_or(0, |leg| leg.attempts.len())
    }

    /// What is not as it was told, when nothing is left to happen.
    pub(super) fn is_wrong_at_rest(&self, policy: &Policy) -> Option<String> {
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
            format!("{:?} is wanted, told {}, {} there", leg.wanted, brief(&told), self.live())
        })
    }

    /// The supplier does what it is asked, and answers.
    fn serve(&mut self, call: &Call, shows_at: DateTime<Utc>, now: DateTime<Utc>) -> Answer {
        let odd = || Answer::Unknown { why: Unclear::Status { status: 400, code: None } };
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
            // Nobody asks for it here.
            Doing::Amend => odd(),
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
        guests: Vec::new(),
        room: None,
        check_in: Some(order.check_in),
        check_out: Some(order.check_out),
        price: Some(order.cost()),
        segments: Vec::new(),
        odd: None,
    }
}
