//! A supplier asks more than is ours to bear by the time a leg is to be held, or has worse terms:
//! the customer is asked, while nothing can be paid yet.
//!
//! The digest names exactly the prices and the terms that are asked about. Who agrees pays what the
//! supplier asks: the leg is held anew at that price, and the amount follows by a payment of its
//! own, because one that was asked for never changes. Silence undoes what nobody has paid.

use chrono::{DateTime, Utc};
use contracts::{
    asset::AssetAmount,
    ids::{LegId, PaymentId, derive},
    messages::{CloseBecause, LegAsks, LegState, RefusedWhy, WantedLeg},
    money::Money,
    offer::{LegOrder, Reprice},
};
use uuid::Uuid;

use crate::{
    command::Refusal,
    event::{AcceptedLeg, AcceptedTerms, Event, RaisedLeg},
    evolve::born_leg,
    fact::Deadline,
    next::{lost, release},
    policy::Policy,
    state::{Booking, Leg, Out, Phase},
    view::next_actions_at,
};

/// What the customer is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewTerms {
    /// Names exactly these prices and terms; an agreement says it.
    pub digest: Uuid,
    /// All legs together at what their suppliers ask now.
    pub price: Money,
    /// What would be paid for that, after points, at the locked rate.
    pub amount: AssetAmount,
    /// Until when an answer counts.
    pub answer_by: DateTime<Utc>,
    /// What each supplier asks now.
    pub legs: Vec<LegTerms>,
}

/// What a supplier asks for a leg now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LegTerms {
    pub leg_id: LegId,
    pub asks: LegAsks,
}

/// What the customer is asked; nothing where nothing is asked.
#[must_use]
pub fn new_terms(booking: &Booking) -> Option<NewTerms> {
    let asked = booking.phase == Phase::Holding && refused(booking).all(|leg| leg.asked);
    let legs = askable(booking).filter(|_| asked)?;
    let (price, amount) = priced(booking, &legs)?;
    let amount = paid(booking, price, &amount)?;
    let digest = digest(booking, &legs);
    let answer_by = booking.deadlines.payable_by;
    Some(NewTerms { digest, price, amount, answer_by, legs })
}

/// Asks the customer, or waits for the answer; nothing where that cannot help, or no time is left.
pub(crate) fn next(booking: &Booking, now: DateTime<Utc>) -> Option<Vec<Event>> {
    let legs = askable(booking)?;
    priced(booking, &legs)?;
    let by = answer_by(booking);
    // What is held since may last shorter than what was told.
    let sooner = by < booking.deadlines.payable_by;
    let fresh = refused(booking).filter(|leg| !leg.asked || sooner);
    let events: Vec<Event> =
        fresh.map(|leg| Event::TermsAsked { leg_id: leg.leg_id, by }).collect();
    (events.is_empty() || by > now).then_some(events)
}

/// Goes on at what the suppliers ask now, as the customer agreed to.
pub(crate) fn accept(
    booking: &Booking,
    agreed: Uuid,
    policy: &Policy,
    now: DateTime<Utc>,
) -> Result<Vec<Event>, Refusal> {
    if booking.legs.iter().any(|leg| agreed_to(leg) == Some(agreed)) {
        // The same agreement again.
        return Ok(Vec::new());
    }
    let refused = || Refusal::NotAllowed { allowed: next_actions_at(booking, now) };
    // The timer that ends it may come later than that.
    let terms = new_terms(booking).filter(|terms| now < terms.answer_by).ok_or_else(refused)?;
    if terms.digest != agreed {
        return Err(Refusal::TermsToAgree { terms: Box::new(terms) });
    }
    let (price, quoted) = priced(booking, &terms.legs).ok_or_else(refused)?;
    let open = booking.payment.asked.is_some() && !booking.payment.is_free();
    let payment_id = open.then(|| {
        let parts = [booking.payment.payment_id.0.as_bytes().as_slice(), agreed.as_bytes()];
        PaymentId(derive(booking.created_at, &parts))
    });
    let payable_by = while_held(booking, now + policy.pending_for_max);
    let legs: Vec<RaisedLeg> = terms.legs.into_iter().map(|leg| raised(booking, leg)).collect();
    let (old, new): (Vec<_>, Vec<_>) = legs.iter().map(|leg| (leg.leg_id, leg.by)).unzip();
    let mut events = vec![Event::TermsAccepted(Box::new(AcceptedTerms {
        digest: agreed,
        legs,
        price,
        quoted,
        payment_id,
        payable_by,
    }))];
    events.extend(payment_id.map(|_| close(booking)));
    events.extend(booking.legs.iter().filter(|leg| old.contains(&leg.leg_id)).filter_map(release));
    events.extend(new.into_iter().map(|leg_id| Event::LegWished {
        leg_id,
        version: 1,
        wanted: WantedLeg::Held,
    }));
    Ok(events)
}

/// The digest that the customer agreed to for a leg that another one took the place of.
const fn agreed_to(leg: &Leg) -> Option<Uuid> {
    if let Some(Out::Repriced { agreed, .. }) = leg.out { agreed } else { None }
}

/// The leg at what its supplier asks, which is what the customer pays.
pub(crate) fn again(booking: &Booking, raised: &RaisedLeg) -> Option<Leg> {
    let leg = booking.legs.iter().find(|leg| leg.leg_id == raised.leg_id)?;
    let asks = raised.asks.clone();
    let reprice = leg.order.reprice.as_ref().map(|known| Reprice { cost: None, ..known.clone() });
    let (book_key, price, terms) = (asks.book_key, asks.price, asks.terms);
    let order = LegOrder { book_key, price, terms, reprice, ..leg.order.clone() };
    let in_place_of = Some(raised.leg_id);
    Some(Leg { in_place_of, ..born_leg(&AcceptedLeg { leg_id: raised.by, order }) })
}

/// Whether the customer may be asked about a leg: its supplier refused it for its price alone, and
/// would hold it at another one.
pub(crate) fn is_askable(leg: &Leg) -> bool {
    asks(leg).is_some()
}

fn asks(leg: &Leg) -> Option<&LegAsks> {
    let refused = Some(LegState::Refused { why: RefusedWhy::PriceChanged });
    let asks = leg.known.asks.as_deref().filter(|_| leg.known.state == refused)?;
    let payable = asks.price.currency == leg.order.price.currency && asks.price.minor > 0;
    (payable && asks.terms.holdable).then_some(asks)
}

fn refused(booking: &Booking) -> impl Iterator<Item = &Leg> {
    booking.standing().filter(|leg| lost(leg).is_some())
}

/// What the suppliers of all refused legs ask; nothing where one cannot be had at any price, or the
/// time to have them is over.
fn askable(booking: &Booking) -> Option<Vec<LegTerms>> {
    let late = booking.deadlines.passed.contains(&Deadline::Payable);
    let each =
        refused(booking).map(|leg| Some(LegTerms { leg_id: leg.leg_id, asks: asks(leg)?.clone() }));
    let legs: Vec<LegTerms> = each.collect::<Option<_>>()?;
    (!late && !legs.is_empty()).then_some(legs)
}

/// The price of all legs with these, and the amount of it before points. Nothing where points would
/// pay more than that.
fn priced(booking: &Booking, legs: &[LegTerms]) -> Option<(Money, AssetAmount)> {
    let old = |leg_id| booking.legs.iter().find(|leg| leg.leg_id == leg_id);
    let mut price = booking.price;
    for leg in legs {
        price = price.minus(old(leg.leg_id)?.order.price).ok()?.plus(leg.asks.price).ok()?;
    }
    let units = booking.payment.rate.units_for(price).ok()?;
    let amount = AssetAmount { units, ..booking.payment.quoted.clone() };
    paid(booking, price, &amount).map(|_| (price, amount))
}

/// What is left to pay of a price after points.
fn paid(booking: &Booking, price: Money, amount: &AssetAmount) -> Option<AssetAmount> {
    let Some(points) = booking.points else { return Some(amount.clone()) };
    let left = price.minus(points.worth).ok().filter(|left| left.minor >= 0)?;
    let units = booking.payment.rate.units_for(left).ok()?;
    Some(AssetAmount { units, ..amount.clone() })
}

/// Until when an answer counts: everything must be held and payable by then.
fn answer_by(booking: &Booking) -> DateTime<Utc> {
    while_held(booking, booking.deadlines.payable_by)
}

/// This, or sooner: it must be paid in time, and what is held must last.
pub(crate) fn while_held(booking: &Booking, by: DateTime<Utc>) -> DateTime<Utc> {
    let until = |leg: &Leg| match &leg.known.state {
        Some(LegState::Held { until, .. }) => *until,
        Some(
            LegState::Confirmed { .. }
            | LegState::Gone { .. }
            | LegState::Refused { .. }
            | LegState::InDoubt { .. },
        )
        | None => None,
    };
    let held = booking.standing().filter_map(until).min();
    let by = by.min(booking.deadlines.pay_by);
    held.map_or(by, |held| held.min(by))
}

fn digest(booking: &Booking, legs: &[LegTerms]) -> Uuid {
    let mut values = Vec::new();
    for LegTerms { leg_id, asks } in legs {
        let (price, terms) = (asks.price, &asks.terms);
        values.push(leg_id.to_string());
        values.push(format!("{} {}", price.minor, price.currency.code()));
        values.push(format!("{} {}", terms.refundable, terms.holdable));
        let steps = terms.cancel_steps.iter();
        values.extend(steps.map(|step| format!("{} {}", step.from.timestamp(), step.fee.minor)));
    }
    let values = values.iter().map(String::as_bytes);
    let parts: Vec<&[u8]> =
        [booking.booking_id.0.as_bytes().as_slice()].into_iter().chain(values).collect();
    derive(booking.created_at, &parts)
}

fn raised(booking: &Booking, leg: LegTerms) -> RaisedLeg {
    let LegTerms { leg_id, asks } = leg;
    let parts = [leg_id.0.as_bytes().as_slice(), asks.book_key.as_bytes()];
    RaisedLeg { leg_id, by: LegId(derive(booking.created_at, &parts)), asks }
}

/// Nobody was shown the payment that was asked for so far.
fn close(booking: &Booking) -> Event {
    let event = Box::new(Event::CloseAsked { because: CloseBecause::NeverShown });
    Event::FurtherPayment { payment_id: booking.payment.payment_id, event }
}
