//! A payment beside the first, as its customer sees it: of what one leg costs more than the one
//! whose place it takes.

use booking_core::{Booking, Further, Leg, Out};
use chrono::{DateTime, Utc};
use contracts::{
    asset::{AssetAmount, Units},
    ids::{LegId, PaymentId},
    instruction::Instruction,
    money::Money,
};
use serde::Serialize;
use utoipa::ToSchema;

use super::booking::{ShownCard, signed};
use crate::{App, http::openapi::shapes};

/// A payment of what one leg costs more than the one whose place it takes. Address and amount are
/// null until that leg is held, and again once it cannot be had, where no money came.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = BookingFurtherPayment)]
pub(super) struct ShownFurther {
    #[schema(value_type = Uuid)]
    payment_id: PaymentId,
    /// The leg that it pays for.
    #[schema(value_type = Uuid)]
    leg_id: LegId,
    /// What of the price it pays; less what went back of it.
    #[schema(value_type = shapes::Money)]
    pays: Money,
    /// The chain, as CAIP-2 writes it.
    chain: Option<String>,
    /// The token's contract; null for the chain's own coin.
    contract: Option<String>,
    /// Null where a card pays.
    address: Option<String>,
    /// How a card pays; null where money is sent to an address.
    card: Option<ShownCard>,
    #[schema(value_type = Option<shapes::AssetAmount>)]
    amount: Option<AssetAmount>,
    /// The amount in whole coins, for people.
    amount_decimal: Option<String>,
    /// What was seen, in the smallest unit.
    #[schema(value_type = shapes::Units)]
    received: Units,
    /// Whether it is final.
    settled: bool,
    /// What is missing, in the smallest unit.
    #[schema(value_type = Option<shapes::Units>)]
    remaining: Option<Units>,
    /// What a wallet opens to pay what is missing; null when nothing is.
    uri: Option<String>,
    confirmations_needed: Option<u32>,
    /// Until when the money must be seen; null until it is asked for.
    pay_by: Option<DateTime<Utc>>,
}

/// What a wallet opens to pay what is missing of a further payment; nothing when nothing is.
pub(super) fn due_uri(app: &App, booking: &Booking, further: &Further) -> Option<String> {
    let told = further_told(app, booking, further).filter(|_| !further.payment.close_asked)?;
    let left = told.amount.units.saturating_sub(further.payment.received);
    told.uri(left).filter(|_| !left.is_zero())
}

/// Shows a further payment.
pub(super) fn further(app: &App, booking: &Booking, further: &Further) -> ShownFurther {
    let (payment, told) = (&further.payment, further_told(app, booking, further));
    // What is being closed asks for nothing any more.
    let asks = told.filter(|_| !payment.close_asked);
    let left = asks.map(|told| told.amount.units.saturating_sub(payment.received));
    ShownFurther {
        payment_id: payment.payment_id,
        leg_id: further.leg_id,
        pays: further.pays,
        chain: told.map(|t| t.chain.clone()),
        contract: told.and_then(|t| t.contract.clone()),
        address: told.filter(|t| !t.is_card()).map(|t| t.address.clone()),
        card: told.filter(|t| t.is_card()).map(ShownCard::of),
        amount: told.map(|t| t.amount.clone()),
        amount_decimal: told.map(|t| t.amount.decimal()),
        received: payment.received,
        settled: payment.asked.is_some() && payment.is_settled(),
        remaining: left,
        uri: due_uri(app, booking, further),
        confirmations_needed: told.map(|t| t.confirmations),
        pay_by: further.pay_by,
    }
}

/// Whether it is one that another took the place of, because the price rose before anybody was
/// shown it or a leg was given up; where money came of it all the same, it is shown.
pub(super) fn is_hidden(booking: &Booking, further: &Further) -> bool {
    let raised = |leg: &Leg| matches!(leg.out, Some(Out::Repriced { .. } | Out::NotHeld { .. }));
    let raised = booking.legs.iter().any(|leg| leg.leg_id == further.leg_id && raised(leg));
    raised && further.payment.received.is_zero()
}

/// What to pay of a further payment and where: while its leg may be had, and where money came.
pub(super) fn further_told<'a>(
    app: &App,
    booking: &Booking,
    further: &'a Further,
) -> Option<&'a Instruction> {
    // Nobody is asked to pay for what was not had, or is looked into.
    let lost = |leg: &Leg| match leg.out {
        Some(Out::NotTaken { .. }) => true,
        Some(Out::Coming) => leg.is_in_doubt(),
        _ => false,
    };
    let lost = booking.legs.iter().any(|leg| leg.leg_id == further.leg_id && lost(leg));
    let shown = !lost || !further.payment.received.is_zero();
    signed(app, booking, &further.payment).filter(|_| shown)
}
