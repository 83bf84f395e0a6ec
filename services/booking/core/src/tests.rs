//! Stories of bookings, the table of what every phase makes of every input, and properties.

#![allow(
    clippy::wildcard_enum_match_arm,
    clippy::too_many_lines,
    reason = "a story shows what is worth showing; a table is long"
)]

mod amending;
mod cancelling;
mod cancelling_early;
mod changing;
mod golden;
mod guests;
mod leaving;
mod legs;
mod missed;
mod paying;
mod properties;
mod rebooking;
mod refunding;
mod repricing;
mod reversing;
mod stories;
mod stuck;
mod table;

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use contracts::{
    asset::{AssetAmount, AssetId, Rate, Units},
    ids::{AccountId, BookingId, LegId, PaymentId, QuoteId},
    instruction::{Instruction, SignedInstruction},
    messages::{
        Closing, GoneWhy, LegChanged, LegContent, LegState, PaymentClosed, PaymentPrepared,
        PaymentRefundChanged, PaymentReversed, PaymentSeen, PaymentSettled, PointsChanged,
        PointsState, RefundBasis, RefundState, RefusedWhy,
    },
    money::{Currency, Money},
    offer::{CancelStep, LegOrder, Occupancy, Terms},
    supplier::Supplier,
};
use uuid::Uuid;

use crate::{
    Accept, Command, Deadline, Effect, Fact, LegPlan, OnRefusal, Policy, Recorded, Refusal, State,
    decide, effects, learn, record,
};

/// The amount of `accept(0, ..)`: 200.00 EUR at 2500 EUR per coin, in wei.
const AMOUNT: u64 = 80_000_000_000_000_000;

/// A cancellation that names no quote.
const CANCEL: Command = Command::Cancel { agreed: None };

fn noon() -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000, 0).unwrap()
}

fn policy() -> Policy {
    Policy {
        pending_for_max: TimeDelta::minutes(10),
        payment_window: TimeDelta::minutes(20),
        settle_for_max: TimeDelta::minutes(60),
        commit_for_max: TimeDelta::minutes(30),
        unwind_for_max: TimeDelta::minutes(30),
        review_for_max: TimeDelta::hours(4),
        refund_for_max: TimeDelta::hours(24),
        answer_for_max: TimeDelta::hours(48),
        refund_basis: RefundBasis::Then,
        point_worth_minor: 1,
    }
}

fn leg_id(n: u128) -> LegId {
    LegId(Uuid::from_u128(0x100 + n))
}

fn order(minor: i64, free_for: Option<TimeDelta>) -> LegOrder {
    let price = Money::new(minor, Currency::Eur);
    let day = |d| NaiveDate::from_ymd_opt(2027, 3, d).unwrap();
    LegOrder {
        supplier: Supplier::Rapid,
        book_key: "key".to_owned(),
        property_id: "p1".to_owned(),
        check_in: day(14),
        check_out: day(16),
        occupancy: Occupancy { adults: 2, children: Vec::new() },
        price,
        terms: Terms {
            refundable: free_for.is_some(),
            cancel_steps: free_for
                .map(|d| CancelStep::new(noon() + d, price))
                .into_iter()
                .collect(),
            holdable: true,
            due_at_property: Vec::new(),
        },
        product: contracts::offer::Product::Stay,
        reprice: None,
    }
}

fn rate() -> Rate {
    Rate {
        asset: AssetId::parse("eth").unwrap(),
        decimals: 18,
        currency: Currency::Eur,
        micro_minor_per_coin: 250_000_000_000,
    }
}

fn accept(points: u64, orders: Vec<LegOrder>) -> Command {
    accept_or(OnRefusal::UndoAll, points, orders)
}

fn accept_or(on_refusal: OnRefusal, points: u64, orders: Vec<LegOrder>) -> Command {
    let minor = orders.iter().map(|o| o.price.minor).sum();
    let price = Money::new(minor, Currency::Eur);
    let units = rate().units_for(price).unwrap();
    Command::Accept(Box::new(Accept {
        booking_id: BookingId(Uuid::from_u128(1)),
        account_id: AccountId::parse("acct_1").unwrap(),
        quote_id: QuoteId(Uuid::from_u128(2)),
        payment_id: PaymentId(Uuid::from_u128(3)),
        legs: (0_u128..)
            .zip(orders)
            .map(|(n, order)| LegPlan { leg_id: leg_id(n), order })
            .collect(),
        on_refusal,
        price,
        rate: rate(),
        quoted: AssetAmount { units, decimals: 18, asset: rate().asset },
        points,
        refund_to: None,
    }))
}

/// A booking and what it said, driven by the test.
struct World {
    state: State,
    now: DateTime<Utc>,
    journal: Vec<Recorded>,
    said: Vec<Effect>,
}

impl World {
    fn accepted(points: u64, orders: Vec<LegOrder>) -> Self {
        Self::asked(&accept(points, orders))
    }

    fn asked(accept: &Command) -> Self {
        let mut world = Self { state: None, now: noon(), journal: Vec::new(), said: Vec::new() };
        world.ask(accept).unwrap();
        world
    }

    /// One stay of 200.00 EUR, cancelled free for ten days.
    fn stay() -> Self {
        Self::accepted(0, vec![order(20_000, Some(TimeDelta::days(10)))])
    }

    fn ask(&mut self, command: &Command) -> Result<(), Refusal> {
        let events = decide(&self.state, command, &policy(), self.now)?;
        self.take(events);
        Ok(())
    }

    fn tell(&mut self, fact: &Fact) -> usize {
        let events = learn(&self.state, fact, self.now);
        let count = events.len();
        self.take(events);
        count
    }

    fn take(&mut self, events: Vec<crate::Event>) {
        let (state, recorded) = record(self.state.take(), events, self.now);
        self.state = state;
        if let Some(booking) = &self.state {
            self.said.extend(recorded.iter().flat_map(|e| effects(booking, e)));
        }
        self.journal.extend(recorded);
    }

    fn booking(&self) -> &crate::Booking {
        self.state.as_deref().unwrap()
    }

    fn wanted_version(&self, n: u128) -> u32 {
        self.booking().legs.iter().find(|l| l.leg_id == leg_id(n)).unwrap().wanted_version
    }

    /// News of leg `n`, as an answer to the newest wish.
    fn leg(&mut self, n: u128, seq: u64, state: LegState) -> usize {
        let fact = leg_news(n, seq, self.wanted_version(n), state);
        self.tell(&fact)
    }
}

fn leg_news(n: u128, seq: u64, wanted_version: u32, state: LegState) -> Fact {
    let booking_id = BookingId(Uuid::from_u128(1));
    Fact::Leg(LegChanged {
        booking_id,
        leg_id: leg_id(n),
        seq,
        wanted_version,
        state,
        evidence: None,
        undo_failing: None,
        theirs: None,
        asks: None,
        no_show: false,
    })
}

/// What the supplier makes of leg `n`: its days are later by so many.
fn theirs(later: u32) -> LegContent {
    let order = order(20_000, None);
    let day = |day: NaiveDate| day + chrono::Days::new(u64::from(later));
    LegContent {
        reference: "R1".to_owned(),
        check_in: day(order.check_in),
        check_out: day(order.check_out),
        price: order.price,
        segments: Vec::new(),
    }
}

fn leg_moved(n: u128, seq: u64, wanted_version: u32, later: u32) -> Fact {
    leg_theirs(n, seq, wanted_version, theirs(later))
}

fn leg_theirs(n: u128, seq: u64, wanted_version: u32, content: LegContent) -> Fact {
    let state = LegState::InDoubt { since: noon() };
    let Fact::Leg(changed) = leg_news(n, seq, wanted_version, state) else { unreachable!() };
    Fact::Leg(LegChanged { theirs: Some(content), ..changed })
}

fn held() -> LegState {
    LegState::Held { reference: "R1".to_owned(), until: Some(noon() + TimeDelta::hours(24)) }
}

fn confirmed() -> LegState {
    LegState::Confirmed { reference: "R1".to_owned() }
}

fn refused() -> LegState {
    LegState::Refused { why: RefusedWhy::SoldOut }
}

fn gone(why: GoneWhy) -> LegState {
    LegState::Gone { why }
}

fn units(n: u64) -> Units {
    Units::parse(&n.to_string()).unwrap()
}

fn ids() -> (BookingId, PaymentId) {
    (BookingId(Uuid::from_u128(1)), PaymentId(Uuid::from_u128(3)))
}

fn prepared(amount: u64) -> Fact {
    prepared_for(AssetAmount { units: units(amount), decimals: 18, asset: rate().asset })
}

fn prepared_for(amount: AssetAmount) -> Fact {
    let (booking_id, payment_id) = ids();
    Fact::PaymentPrepared(Box::new(PaymentPrepared {
        booking_id,
        payment_id,
        seq: 1,
        instruction: SignedInstruction {
            instruction: Instruction {
                booking_id,
                payment_id,
                chain: "eip155:31337".to_owned(),
                contract: None,
                address: "0xaa".to_owned(),
                amount,
                pay_by: noon() + TimeDelta::minutes(20),
                confirmations: 3,
                scheme: None,
            },
            signature: "signed".to_owned(),
        },
    }))
}

fn seen(seq: u64, received: u64, complete: bool) -> Fact {
    let (booking_id, payment_id) = ids();
    let received = units(received);
    Fact::PaymentSeen(PaymentSeen {
        booking_id,
        payment_id,
        seq,
        received,
        complete,
        seen_at: noon(),
    })
}

fn settled(seq: u64, received: u64) -> Fact {
    settled_units(seq, units(received))
}

fn settled_units(seq: u64, received: Units) -> Fact {
    let (booking_id, payment_id) = ids();
    let complete = true;
    Fact::PaymentSettled(PaymentSettled { booking_id, payment_id, seq, received, complete })
}

fn reversed(seq: u64, gone: u64, settled: u64) -> Fact {
    let (booking_id, payment_id) = ids();
    let (gone, settled, lost) = (units(gone), units(settled), Units::ZERO);
    Fact::PaymentReversed(PaymentReversed { booking_id, payment_id, seq, gone, settled, lost })
}

/// All that was away is lost for good.
fn lost(seq: u64, lost: u64) -> Fact {
    let (booking_id, payment_id) = ids();
    let (gone, settled, lost) = (Units::ZERO, Units::ZERO, units(lost));
    Fact::PaymentReversed(PaymentReversed { booking_id, payment_id, seq, gone, settled, lost })
}

/// Told before any money was.
fn closed(closing: Closing) -> Fact {
    closed_at(2, closing)
}

fn closed_at(seq: u64, closing: Closing) -> Fact {
    let (booking_id, payment_id) = ids();
    Fact::PaymentClosed(PaymentClosed { booking_id, payment_id, seq, closing })
}

fn nothing_came() -> Closing {
    Closing::Closed { received: Units::ZERO, settled: Units::ZERO }
}

fn refund(refund_id: Uuid, amount: u64, state: RefundState) -> Fact {
    let later = u64::from(state > RefundState::Granted) + u64::from(state > RefundState::Sent);
    refund_of(refund_id, units(amount), 10 + later, state)
}

fn refund_of(refund_id: Uuid, units: Units, seq: u64, state: RefundState) -> Fact {
    let (booking_id, payment_id) = ids();
    let transaction = None;
    Fact::Refund(PaymentRefundChanged {
        booking_id,
        payment_id,
        seq,
        refund_id,
        units,
        state,
        transaction,
        value: None,
        otherwise: None,
    })
}

fn points(version: u32, state: PointsState) -> Fact {
    let (booking_id, _) = ids();
    Fact::Points(PointsChanged { booking_id, version, state, points: 500 })
}

fn passed(deadline: Deadline) -> Fact {
    Fact::Passed(deadline)
}
