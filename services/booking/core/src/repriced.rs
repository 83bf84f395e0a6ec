//! A supplier asks another price by the time a leg is to be held: within what the order bears, the
//! same at that price takes its place, and the customer pays what was agreed.
//!
//! It is another leg at its supplier: what was refused is looked after until it is proven gone,
//! like everything that was ever sent. What is dearer than that is the customer's to decide.

use contracts::{
    ids::{LegId, derive},
    messages::{LegAsks, LegState, RefusedWhy, WantedLeg},
    money::Money,
    mutants::mutant,
    offer::{LegOrder, Reprice, Terms},
};

use crate::{
    event::{AcceptedLeg, Event},
    evolve::born_leg,
    fact::Deadline,
    next::{lost, release},
    state::{Booking, Leg},
    terms::is_askable,
};

/// Puts the same at the supplier's price in the place of every leg that was refused for its price;
/// nothing where one is lost for good. Of what is dearer the customer is asked besides.
pub(crate) fn next(booking: &Booking) -> Vec<Event> {
    let mut refused = booking.standing().filter(|leg| lost(leg).is_some());
    let late = booking.deadlines.passed.contains(&Deadline::Payable);
    let may_be_had = |leg: &Leg| borne(leg).is_some() || is_askable(leg);
    if late || !refused.clone().all(may_be_had) {
        return Vec::new();
    }
    let Some((leg, asks)) = refused.find_map(|leg| Some((leg, borne(leg)?))) else {
        return Vec::new();
    };
    let parts = [leg.leg_id.0.as_bytes().as_slice(), asks.book_key.as_bytes()];
    let (leg_id, by) = (leg.leg_id, LegId(derive(booking.created_at, &parts)));
    let mut events = vec![Event::LegRepriced { leg_id, by, asks: Box::new(asks.clone()) }];
    events.extend(release(leg));
    events.push(Event::LegWished { leg_id: by, version: 1, wanted: WantedLeg::Held });
    events
}

/// What the supplier of a refused leg asks now, where that is ours to bear. Once: whoever raises
/// the price again is refused.
fn borne(leg: &Leg) -> Option<&LegAsks> {
    let refused = Some(LegState::Refused { why: RefusedWhy::PriceChanged });
    let asks = leg.known.asks.as_deref().filter(|_| leg.known.state == refused)?;
    let order = &leg.order;
    let reprice = order.reprice.as_ref().filter(|reprice| reprice.cost.is_none())?;
    let most = order.price.plus(reprice.bears).ok()?;
    let within = asks.price.currency == most.currency && asks.price.minor <= most.minor;
    let bearable = within || mutant("any_rise_borne");
    (bearable && is_no_worse(&asks.terms, order, asks.price)).then_some(asks)
}

/// Whether terms are no worse than those that were agreed to: as refundable, no step earlier, no
/// fee that is higher by more than the price is, and nothing else to be paid at the property.
/// The customer keeps what was agreed.
fn is_no_worse(now: &Terms, agreed: &LegOrder, price: Money) -> bool {
    let terms = &agreed.terms;
    let rise = price.minor.saturating_sub(agreed.price.minor).max(0);
    let mut steps = now.cancel_steps.iter().zip(&terms.cancel_steps);
    let same = steps.all(|(now, agreed)| {
        now.from >= agreed.from && now.fee.minor <= agreed.fee.minor.saturating_add(rise)
    });
    let as_many = now.cancel_steps.len() <= terms.cancel_steps.len();
    let as_due = now.due_at_property == terms.due_at_property;
    now.holdable && (now.refundable || !terms.refundable) && as_many && same && as_due
}

/// The leg at the supplier's price; the customer's price and terms stay.
pub(crate) fn again(booking: &Booking, leg_id: LegId, by: LegId, asks: &LegAsks) -> Option<Leg> {
    let leg = booking.legs.iter().find(|leg| leg.leg_id == leg_id)?;
    let cost = Some(asks.price);
    let reprice = leg.order.reprice.as_ref().map(|known| Reprice { cost, ..known.clone() });
    let order = LegOrder { book_key: asks.book_key.clone(), reprice, ..leg.order.clone() };
    let in_place_of = Some(leg_id);
    Some(Leg { in_place_of, ..born_leg(&AcceptedLeg { leg_id: by, order }) })
}
