//! One booking from the click to its end: the cores of booking, supplier-sync and
//! payment-verification as they ship, messages that come in any order and again, calls that are
//! lost, late or refused, money that comes, leaves or comes too late, and a customer who cancels
//! whenever that can be done.
//!
//! A process that dies is a message that comes again, or a call whose answer nobody wrote down.
//! Every step grows a version, moves the time or takes away what was under way, so no way goes
//! round in circles: where there are finitely many states, each way comes to rest, and it is looked
//! at there.

use booking_core::{
    Accept, Action, Booking, Command, Deadline, Fact, LegPlan, OnRefusal, Phase, cancel_quote,
    decide, next_actions,
};
use chrono::{DateTime, TimeDelta, Utc};
use contracts::{
    asset::{AssetAmount, AssetId, Rate},
    ids::{AccountId, BookingId, LegId, PaymentId, QuoteId},
    money::{Currency, Money},
    offer::CancelStep,
};
use payment_verification_core::translate::Asked;
use stateright::{Model, Property};
use uuid::Uuid;

use super::{
    Bounds,
    moment::{Moment, Post, Shared},
    noon, order,
    side::{self, Side},
    till::{Office, Till, Turn, address},
};

/// One booking of so many legs.
pub(super) struct Whole {
    pub(super) bounds: Bounds,
    pub(super) legs: u8,
    pub(super) policy: booking_core::Policy,
    pub(super) suppliers: supplier_sync_core::Policy,
    pub(super) office: Office,
    pub(super) mutant: Option<&'static str>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// The n-th message arrives.
    Deliver(usize),
    /// The n-th message arrives, and will come again.
    DeliverTwice(usize),
    Supplier(usize, side::Step),
    Money(Turn),
    /// The customer cancels.
    Cancel,
    /// The customer says where refunds go: again, where more came than it cost, or anew, after they
    /// could not go where they were to.
    NameAddress,
    /// Nothing happens until the next thing is due.
    Time,
}

impl Model for Whole {
    type State = Moment;
    type Action = Step;

    fn init_states(&self) -> Vec<Moment> {
        crate::mutants::make(self.mutant);
        let (booking_id, payment_id) =
            (BookingId(Uuid::from_u128(1)), PaymentId(Uuid::from_u128(3)));
        let mut first = Moment {
            now: noon(),
            booking: Shared::new(None),
            timers: Shared::new(Vec::new()),
            sides: vec![Shared::new(Side::default()); usize::from(self.legs)],
            till: Shared::new(Till::new(payment_id, booking_id, noon())),
            post: Vec::new(),
            addresses: 1,
            left: self.bounds,
            wrong: None,
        };
        let click = Command::Accept(Box::new(self.click(booking_id, payment_id)));
        let events = decide(&None, &click, &self.policy, noon()).unwrap();
        first.happen(events);
        vec![first]
    }

    fn actions(&self, moment: &Moment, steps: &mut Vec<Step>) {
        self.owed(moment, steps);
        let busy = !steps.is_empty();
        let dues = self.next_due(moment).is_some();
        let calling = moment.sides.iter().any(|side| side.is_calling());
        if dues && !calling && (!busy || moment.left.delays > 0) {
            steps.push(Step::Time);
        }
        if moment.left.repeats > 0 {
            steps.extend((0..moment.post.len()).map(Step::DeliverTwice));
        }
        for (n, side) in moment.sides.iter().enumerate() {
            let wire = |step: &side::Step| {
                !matches!(
                    step,
                    side::Step::Answered | side::Step::Arrives(_) | side::Step::Returns(_)
                )
            };
            let possible = side.steps(&moment.left).into_iter().filter(wire);
            steps.extend(possible.map(|step| Step::Supplier(n, step)));
        }
        if moment.is_shown() {
            let actions = moment.known().map(next_actions).unwrap_or_default();
            let asked = actions.contains(&Action::Pay);
            let turns = moment.till.possible(&moment.left, asked);
            steps.extend(turns.into_iter().map(Step::Money));
        }
        if moment.left.cancellations > 0 {
            steps.push(Step::Cancel);
        }
    }

    fn next_state(&self, moment: &Moment, step: Step) -> Option<Moment> {
        crate::mutants::make(self.mutant);
        let mut next = moment.clone();
        match step {
            Step::Deliver(n) => {
                let post = next.post.remove(n);
                self.deliver(&mut next, &post);
            }
            Step::DeliverTwice(n) => {
                next.left.repeats -= 1;
                let post = next.post[n].clone();
                self.deliver(&mut next, &post);
            }
            Step::Supplier(n, step) => {
                next.supplier(n, |side, left, now| side.take(step, left, &self.suppliers, now));
            }
            Step::Money(turn) => next.money(|till, left, now| till.take(turn, left, now)),
            Step::Cancel => {
                next.left.cancellations -= 1;
                let agreed = cancel_quote(next.known()?, next.now).ok().map(|quote| quote.digest);
                next.ask(&Command::Cancel { agreed }, &self.policy)?;
            }
            Step::NameAddress => {
                let to = known_or_new(moment);
                next.addresses += u32::from(moment.known()?.refund_to() != Some(to.as_str()));
                next.ask(&Command::Refund { to }, &self.policy)?;
            }
            Step::Time => {
                let (at, due) = self.next_due(moment)?;
                let mut steps = Vec::new();
                self.owed(moment, &mut steps);
                next.left.delays -= u32::from(!steps.is_empty());
                next.now = next.now.max(at);
                self.come(&mut next, due);
            }
        }
        (next != *moment).then_some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let mut all = vec![
            Property::always("no leg is there twice", |_: &Self, moment: &Moment| {
                moment.sides.iter().all(|side| side.live() <= 1)
            }),
            Property::always("nothing is bought without final money", |_, moment: &Moment| {
                moment.till.payment.settled || moment.sides.iter().all(|side| side.booked() == 0)
            }),
            Property::always("nothing is confirmed that is not bought", |_, moment: &Moment| {
                moment.is_there()
            }),
            Property::always("no more goes back than came", |_, moment: &Moment| {
                moment.is_covered()
            }),
            Property::always("no rule is broken", |_, moment: &Moment| moment.wrong.is_none()),
            Property::always("it ends right", |model: &Self, moment: &Moment| {
                !model.rests(moment) || model.is_wrong_at_rest(moment).is_none()
            }),
            Property::sometimes("not paid and undone", |model: &Self, moment: &Moment| {
                model.rests(moment)
                    && moment.phase() == Some(Phase::Failed)
                    && moment.till.payment.final_units().is_zero()
            }),
        ];
        let bounds = self.bounds;
        if bounds.late + bounds.cancellations > 0 {
            all.push(Property::sometimes(
                "undone, and the money is back",
                |model: &Self, moment| {
                    let moment: &Moment = moment;
                    let undone = matches!(moment.phase(), Some(Phase::Failed | Phase::Cancelled));
                    undone && model.rests(moment) && !moment.till.goes_back().is_zero()
                },
            ));
        }
        if bounds.payments > 0 {
            all.push(Property::sometimes("bought and over", |model: &Self, moment: &Moment| {
                moment.phase() == Some(Phase::Completed) && model.rests(moment)
            }));
        }
        if bounds.reorgs > 0 {
            all.push(Property::sometimes("money left its block", |_, moment: &Moment| {
                !moment.till.payment.left.is_empty()
            }));
        }
        if bounds.cancellations > 0 && bounds.payments > 0 {
            all.push(Property::sometimes(
                "cancelled for a fee",
                |model: &Self, moment: &Moment| {
                    let kept = moment.known().is_some_and(|booking| !booking.kept().is_zero());
                    kept && moment.phase() == Some(Phase::Cancelled) && model.rests(moment)
                },
            ));
        }
        if bounds.faults > 0 {
            all.push(Property::sometimes("a second attempt", |_, moment: &Moment| {
                moment.sides.iter().any(|side| side.attempts() > 1)
            }));
        }
        all
    }
}

/// Where the customer says that refunds go.
fn known_or_new(moment: &Moment) -> String {
    let known = moment.known().and_then(Booking::refund_to);
    known.map_or_else(|| address(moment.addresses + 1), str::to_owned)
}

/// What time alone makes happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    Timer(Deadline),
    Leg(usize),
    Block,
}

impl Whole {
    /// What is sure to happen, sooner or later, while time stands still.
    fn owed(&self, moment: &Moment, steps: &mut Vec<Step>) {
        steps.extend((0..moment.post.len()).map(Step::Deliver));
        let none = Bounds::default();
        for (n, side) in moment.sides.iter().enumerate() {
            steps.extend(side.steps(&none).into_iter().map(|step| Step::Supplier(n, step)));
        }
        steps.extend(moment.till.owed().into_iter().map(Step::Money));
        if steps.is_empty() && self.may_name_address(moment) {
            steps.push(Step::NameAddress);
        }
    }

    fn may_name_address(&self, moment: &Moment) -> bool {
        let asked =
            moment.known().is_some_and(|booking| next_actions(booking).contains(&Action::Refund));
        let command = Command::Refund { to: known_or_new(moment) };
        let decided = || decide(&moment.booking, &command, &self.policy, moment.now);
        asked && decided().is_ok_and(|events| !events.is_empty())
    }

    fn next_due(&self, moment: &Moment) -> Option<(DateTime<Utc>, Due)> {
        let timers = moment.timers.iter().map(|(deadline, at)| (*at, Due::Timer(*deadline)));
        let legs = moment.sides.iter().enumerate();
        let legs = legs.filter_map(|(n, side)| Some((side.wake_at(&self.suppliers)?, Due::Leg(n))));
        let block = moment.till.waits_for().map(|at| (at, Due::Block));
        timers.chain(legs).chain(block).min()
    }

    /// Whether nothing is left to happen, but for what somebody may do or not.
    fn rests(&self, moment: &Moment) -> bool {
        let mut steps = Vec::new();
        self.owed(moment, &mut steps);
        steps.is_empty() && self.next_due(moment).is_none()
    }

    fn come(&self, next: &mut Moment, due: Due) {
        for n in 0..next.sides.len() {
            next.supplier(n, |side, _, now| {
                side.forget_late(now);
                Ok(Vec::new())
            });
        }
        match due {
            Due::Timer(deadline) => {
                let left = next.timers.iter().filter(|(one, _)| *one != deadline).copied();
                next.timers = Shared::new(left.collect());
                next.learn(&Fact::Passed(deadline));
            }
            Due::Leg(n) => next.supplier(n, |side, _, now| side.due(&self.suppliers, now)),
            Due::Block => next.money(|till, _, now| till.read(now)),
        }
    }

    fn deliver(&self, next: &mut Moment, post: &Post) {
        let asked = |next: &mut Moment, asked: Asked| {
            next.money(|till, _, now| till.ask(&asked.command, &self.office, now));
        };
        match post.clone() {
            Post::Leg(message) => {
                let n = place(message.leg_id);
                let inbound: supplier_sync_core::Inbound = message.into();
                next.supplier(n, |side, _, now| side.wish(&inbound.command, &self.suppliers, now));
            }
            Post::Prepare(message) => asked(next, message.into()),
            Post::Close(message) => asked(next, message.into()),
            Post::Refund(message) => asked(next, message.into()),
            Post::Changed(message) => next.hear(message),
            Post::Prepared(message) => next.hear(message),
            Post::Seen(message) => next.hear(message),
            Post::Settled(message) => next.hear(message),
            Post::Reversed(message) => next.hear(message),
            Post::Closed(message) => next.hear(message),
            Post::RefundChanged(message) => next.hear(message),
        }
    }

    /// What is not as it was promised, when nothing is left to happen.
    fn is_wrong_at_rest(&self, moment: &Moment) -> Option<String> {
        let booking = moment.known()?;
        if !booking.phase.is_closed() || booking.review.is_some() {
            return Some(format!("{:?} at rest, {:?}", booking.phase, booking.review));
        }
        let bought = usize::from(booking.phase == Phase::Completed);
        for side in &moment.sides {
            if (side.live(), side.booked()) != (bought, bought) {
                return Some(format!("{:?}, and {} there", booking.phase, side.live()));
            }
            if let Some(what) = side.is_wrong_at_rest(&self.suppliers) {
                return Some(what);
            }
        }
        let came = moment.till.payment.final_units();
        let (kept, back) = (booking.kept(), moment.till.goes_back());
        let right = came.saturating_sub(kept) == back && moment.till.all_back();
        (!right || kept > came).then(|| format!("{came} came, {kept} is kept, {back} went back"))
    }

    fn click(&self, booking_id: BookingId, payment_id: PaymentId) -> Accept {
        let legs: Vec<LegPlan> = (0..self.legs).map(plan).collect();
        let price = Money::new(10_000 * i64::from(self.legs), Currency::Eur);
        let asset = AssetId::parse("eth").unwrap();
        let rate = Rate {
            asset: asset.clone(),
            decimals: 18,
            currency: Currency::Eur,
            micro_minor_per_coin: 250_000_000_000,
        };
        let units = rate.units_for(price).unwrap();
        Accept {
            booking_id,
            account_id: AccountId::parse("acct_1").unwrap(),
            quote_id: QuoteId(Uuid::from_u128(2)),
            payment_id,
            legs,
            on_refusal: OnRefusal::UndoAll,
            price,
            quoted: AssetAmount { asset, units, decimals: rate.decimals },
            rate,
            points: 0,
            refund_to: Some(address(1)),
        }
    }
}

/// The n-th leg. The first costs something to cancel from the beginning, the others nothing.
fn plan(n: u8) -> LegPlan {
    let mut order = order();
    order.check_in = order.check_in.succ_opt().unwrap();
    order.check_out = order.check_in.succ_opt().unwrap();
    if n == 0 {
        let fee = Money::new(2_000, Currency::Eur);
        order.terms.cancel_steps = vec![CancelStep::new(noon() - TimeDelta::days(1), fee)];
    }
    LegPlan { leg_id: LegId(Uuid::from_u128(0x100 + u128::from(n))), order }
}

fn place(leg_id: LegId) -> usize {
    usize::try_from(leg_id.0.as_u128() - 0x100).unwrap()
}
