//! One leg, wished for by nobody in particular: wishes in any order and again.

use std::hash::{Hash, Hasher};

use chrono::{DateTime, Utc};
use contracts::{
    ids::{BookingId, LegId},
    messages::WantedLeg,
};
use stateright::{Model, Property};
use supplier_sync_core::{Command, Policy};
use uuid::Uuid;

use super::{
    Bounds, hashed, order,
    side::{self, Side},
};

/// Wishes in the order of their versions.
const WISHES: [WantedLeg; 3] = [WantedLeg::Held, WantedLeg::Confirmed, WantedLeg::Released];

/// One leg of nobody's.
pub(super) struct Alone {
    pub(super) bounds: Bounds,
    pub(super) policy: Policy,
    pub(super) mutant: Option<&'static str>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    Wish(usize),
    Supplier(side::Step),
    Time,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Moment {
    now: DateTime<Utc>,
    side: Side,
    wishes: [u32; 3],
    left: Bounds,
    wrong: Option<String>,
}

impl Hash for Moment {
    fn hash<H: Hasher>(&self, state: &mut H) {
        hashed(self).hash(state);
    }
}

impl Model for Alone {
    type State = Moment;
    type Action = Step;

    fn init_states(&self) -> Vec<Moment> {
        vec![Moment {
            now: super::noon(),
            side: Side::default(),
            wishes: [0; 3],
            left: self.bounds,
            wrong: None,
        }]
    }

    fn actions(&self, moment: &Moment, steps: &mut Vec<Step>) {
        for (n, heard) in moment.wishes.iter().enumerate() {
            if *heard == 0 || (*heard == 1 && moment.left.repeats > 0) {
                steps.push(Step::Wish(n));
            }
        }
        steps.extend(moment.side.steps(&moment.left).into_iter().map(Step::Supplier));
        if moment.side.wake_at(&self.policy).is_some() {
            steps.push(Step::Time);
        }
    }

    fn next_state(&self, moment: &Moment, step: Step) -> Option<Moment> {
        crate::mutants::make(self.mutant);
        let mut next = moment.clone();
        let (policy, now) = (&self.policy, next.now);
        let said = match step {
            Step::Wish(n) => {
                next.left.repeats -= u32::from(next.wishes[n] > 0);
                next.wishes[n] += 1;
                next.side.wish(&wish(n), policy, now)
            }
            Step::Supplier(step) => next.side.take(step, &mut next.left, policy, now),
            Step::Time => {
                next.now = now.max(next.side.wake_at(policy)?);
                next.side.forget_late(next.now);
                next.side.due(policy, next.now)
            }
        };
        next.wrong = said.err();
        (next != *moment).then_some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("at most one reservation", |_, moment: &Moment| {
                moment.side.live() <= 1
            }),
            Property::always("what is told is true", |_, moment: &Moment| moment.wrong.is_none()),
            Property::always("at rest it is as it was told", |model: &Self, moment: &Moment| {
                !model.rests(moment) || moment.side.is_wrong_at_rest(&model.policy).is_none()
            }),
            Property::sometimes("it rests", Self::rests),
        ]
    }
}

impl Alone {
    /// Whether nothing is left to happen.
    fn rests(&self, moment: &Moment) -> bool {
        let mut steps = Vec::new();
        self.actions(moment, &mut steps);
        steps.is_empty()
    }
}

fn wish(n: usize) -> Command {
    Command::Want {
        booking_id: BookingId(Uuid::from_u128(1)),
        leg_id: LegId(Uuid::from_u128(2)),
        version: u32::try_from(n).unwrap() + 1,
        wanted: WISHES[n],
        order: Box::new(order()),
        accepts: None,
    }
}
