//! A booking as its customer sees it.

use booking_core::{
    Booking, LegCancellation, Out, Payment, Phase, Theirs, change_digest, is_doubtful, money,
    next_actions_at, status,
};
use chrono::{DateTime, NaiveDate, Utc};
use contracts::{
    asset::{AssetAmount, Units},
    ids::{BookingId, LegId, PaymentId, QuoteId},
    instruction::Instruction,
    messages::LegState,
    money::Money,
    offer::{FlightSegment, Product, Terms},
    supplier::Supplier,
};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    further::{ShownFurther, further, further_told, is_hidden},
    terms::{ShownNewTerms, new_terms},
    words::{
        Action, AllowedAnswer, EndWhy, GuestsWord, LegWord, MoneyAxis, OnRefusal, PointsWord,
        RefundBasis, RefundWord, ReviewWhy, Status, StuckStep, StuckWhy,
    },
};
use crate::{
    App,
    http::{events, openapi::shapes},
    live,
};

/// A booking.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Booking)]
pub(crate) struct ShownBooking {
    #[schema(value_type = Uuid)]
    booking_id: BookingId,
    status: Status,
    /// How many changes made it; the id of its newest event.
    version: u64,
    created_at: DateTime<Utc>,
    changed_at: DateTime<Utc>,
    #[schema(value_type = Uuid)]
    quote_id: QuoteId,
    /// All legs together, but those that were left out.
    #[schema(value_type = shapes::Money)]
    price: Money,
    on_refusal: OnRefusal,
    legs: Vec<ShownLeg>,
    payment: ShownPayment,
    /// What has to be paid, or was, for legs that cost more than those whose place they took.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    further_payments: Vec<ShownFurther>,
    /// What suppliers ask now, while the booking is `awaiting_consent`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false)]
    new_terms: Option<ShownNewTerms>,
    /// Nothing when no points are redeemed.
    points: Option<ShownPoints>,
    /// Why it was or is being undone.
    ended_because: Option<EndWhy>,
    /// What cancelling it cost, where it was bought before or may have been; agreed to and not done
    /// yet while it is `cancelling` and not known what is bought.
    cancellation: Option<ShownCancellation>,
    /// The booking that its money pays instead of going back, where the customer chose so.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Uuid>, required = false)]
    pays_for: Option<BookingId>,
    /// The leg that is to take the place of another, while that is under way.
    amendment: Option<ShownAmendment>,
    /// A person looks at it.
    review: Option<ShownReview>,
    /// What can be done now; anything else is refused.
    next_actions: Vec<Action>,
    /// Where the same is told live, with a ticket that is good for some minutes. An event does not
    /// have it.
    #[serde(skip_serializing_if = "Option::is_none")]
    events_url: Option<String>,
}

/// What the customer agreed to when cancelling what was bought.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = BookingCancellation)]
struct ShownCancellation {
    #[schema(value_type = shapes::Money)]
    fee: Money,
    /// The part of what was paid that pays the fee, in the smallest unit; the rest goes back.
    #[schema(value_type = shapes::Units)]
    fee_units: Units,
    /// Whether redeemed points come back; if not, they pay a part of the fee.
    points_back: bool,
}

/// One leg of a booking: one reservation at a supplier.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = BookingLeg)]
struct ShownLeg {
    #[schema(value_type = Uuid)]
    leg_id: LegId,
    #[schema(value_type = shapes::Supplier)]
    supplier: Supplier,
    property_id: String,
    check_in: NaiveDate,
    check_out: NaiveDate,
    #[schema(value_type = shapes::Money)]
    price: Money,
    /// What the supplier asks now, where it refused because the price is another one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<shapes::Money>, required = false)]
    price_now: Option<Money>,
    #[schema(value_type = shapes::Terms)]
    terms: Terms,
    /// What only this kind of product has; absent for a stay.
    #[serde(skip_serializing_if = "Product::is_stay")]
    #[schema(value_type = shapes::Product, required = false)]
    product: Product,
    state: LegWord,
    /// The supplier's reference.
    reference: Option<String>,
    /// Until when the space is held without being bought.
    held_until: Option<DateTime<Utc>>,
    /// The leg whose place it takes, or was to take.
    #[schema(value_type = Option<Uuid>)]
    in_place_of: Option<LegId>,
    /// The leg that took its place.
    replaced: Option<ShownReplacement>,
    /// Why the booking goes on without it, where it could not be had.
    left_out_because: Option<EndWhy>,
    /// What cancelling it alone cost.
    cancellation: Option<ShownLegCancellation>,
    /// What was agreed to for cancelling it alone, while that waits: for money that is not final,
    /// an answer whether it is bought, or the end of an amendment.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<shapes::Money>, required = false)]
    cancelling_for: Option<Money>,
    /// What the supplier changed of it, while it waits for an answer.
    change: Option<ShownChange>,
    /// How far the newest wish is to have others on it in the reservation that is there; absent
    /// where there was none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false)]
    guests: Option<GuestsWord>,
}

/// What a supplier changed of what was bought.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = BookingLegChange)]
pub(crate) struct ShownChange {
    /// Names exactly these values; an answer says it.
    change: Uuid,
    /// As it was bought.
    ours: ShownContent,
    /// As the supplier has it now; null where it is cancelled there.
    theirs: Option<ShownContent>,
    since: DateTime<Utc>,
    /// Until when to answer. What the supplier cancelled is refunded then.
    answer_by: DateTime<Utc>,
    /// What can be answered.
    answers: Vec<AllowedAnswer>,
}

/// What can change of a leg.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = BookingLegContent)]
struct ShownContent {
    check_in: NaiveDate,
    check_out: NaiveDate,
    #[schema(value_type = shapes::Money)]
    price: Money,
    /// The flights, where those changed; absent where they did not.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<shapes::FlightSegment>, required = false)]
    segments: Vec<FlightSegment>,
}

/// What the customer agreed to when having another leg in the place of one.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = BookingLegReplacement)]
struct ShownReplacement {
    /// The leg that took its place.
    #[schema(value_type = Uuid)]
    by: LegId,
    /// What giving it back cost.
    #[schema(value_type = shapes::Money)]
    fee: Money,
    /// Its price less the fee and the new one's price; nothing where that is less than nothing.
    #[schema(value_type = shapes::Money)]
    back: Money,
    /// What was paid for the new one beside that.
    #[schema(value_type = shapes::Money)]
    paid: Money,
    /// The same in the smallest unit of what was paid with, at the rate of then.
    #[schema(value_type = shapes::Units)]
    back_units: Units,
}

/// A leg that is to take the place of another; that one stays until this one is bought.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = BookingAmendment)]
struct ShownAmendment {
    /// The leg that is to go.
    #[schema(value_type = Uuid)]
    leg_id: LegId,
    /// The one that is to come.
    #[schema(value_type = Uuid)]
    by: LegId,
    /// Until when that one must be held.
    held_by: DateTime<Utc>,
    /// Which of the further payments pays for it; null where nothing has to be paid.
    #[schema(value_type = Option<Uuid>)]
    payment_id: Option<PaymentId>,
}

/// What the customer agreed to when cancelling one leg.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = BookingLegCancellation)]
struct ShownLegCancellation {
    #[schema(value_type = shapes::Money)]
    fee: Money,
    /// The leg's price less the fee.
    #[schema(value_type = shapes::Money)]
    back: Money,
    /// The same in the smallest unit of what was paid with, at the rate of then.
    #[schema(value_type = shapes::Units)]
    back_units: Units,
}

/// What is to be paid and what came. Address and amount are null until everything is held.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = BookingPayment)]
struct ShownPayment {
    state: MoneyAxis,
    #[schema(value_type = Uuid)]
    payment_id: PaymentId,
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
    /// What is missing, in the smallest unit.
    #[schema(value_type = Option<shapes::Units>)]
    remaining: Option<Units>,
    /// What is missing, in whole coins.
    remaining_decimal: Option<String>,
    /// What a wallet opens to pay what is missing: EIP-681, or BIP-21; null when nothing is.
    #[schema(
        example = "ethereum:0x9858EfFD232B4033E47d90003D41EC34EcaEda94@1?value=80000000000000000"
    )]
    uri: Option<String>,
    /// How deep the newest money lies, never more than needed; null while none came, and when
    /// nobody knows, which `confirmations_unknown` says.
    confirmations: Option<u64>,
    /// Why it is not known how deep the money lies.
    confirmations_unknown: Option<&'static str>,
    confirmations_needed: Option<u32>,
    /// Until when the money must be seen.
    pay_by: DateTime<Utc>,
    /// Where money that goes back is sent; null while the customer has not said.
    refund_to: Option<String>,
    refund_basis: RefundBasis,
    /// Of this payment and of the further ones.
    refunds: Vec<ShownRefund>,
}

/// A payment at the card gateway. Card data goes there and never comes here.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = BookingCard)]
pub(super) struct ShownCard {
    /// What the gateway's page in the customer's browser pays with, 3-D Secure included; a
    /// declined card may be followed by another.
    client_secret: String,
}

impl ShownCard {
    /// What an instruction to pay by card says.
    pub(super) fn of(told: &Instruction) -> Self {
        Self { client_secret: told.address.clone() }
    }
}

/// Money on its way back.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = BookingRefund)]
struct ShownRefund {
    refund_id: Uuid,
    /// Of which payment it gives back.
    #[schema(value_type = Uuid)]
    payment_id: PaymentId,
    #[schema(value_type = shapes::Units)]
    units: Units,
    /// Null until its owner heard of it.
    state: Option<RefundWord>,
    basis: RefundBasis,
    /// What of it had paid, in the currency of the price, where it goes back by value; the rest
    /// goes back as it came. Absent where as many units go back as were paid.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<shapes::Money>, required = false)]
    worth: Option<Money>,
    /// How many units are sent, in all; null while it is not known at which rate.
    #[schema(value_type = Option<shapes::Units>)]
    sends: Option<Units>,
    /// The rate of that: what one whole coin costs, in millionths of the minor unit of `worth`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false)]
    sends_at: Option<ShownRefundRate>,
    /// Where to; null while it waits for an address.
    to: Option<String>,
    /// Until when it is to have arrived.
    by: Option<DateTime<Utc>>,
    /// The transaction that brings it, once it is seen.
    transaction: Option<String>,
    /// How many of the units that were to be sent no transaction brought: somebody of support says
    /// that they were given in another way. Absent where there are none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<shapes::Units>, required = false)]
    otherwise: Option<Units>,
}

/// At which rate a refund goes back by value.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = BookingRefundRate)]
struct ShownRefundRate {
    #[schema(value_type = shapes::Units)]
    micro_minor_per_coin: String,
    as_of: DateTime<Utc>,
}

/// Points that pay a part.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = BookingPoints)]
struct ShownPoints {
    redeemed: u64,
    #[schema(value_type = shapes::Money)]
    worth: Money,
    state: Option<PointsWord>,
}

/// A person looks at the booking, until a deadline.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = BookingReview)]
struct ShownReview {
    why: ReviewWhy,
    since: DateTime<Utc>,
    by: DateTime<Utc>,
    /// What does not go on, where that is why.
    stuck: Option<ShownStuck>,
}

/// A step of the undo that does not go on.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = BookingStuck)]
struct ShownStuck {
    step: StuckStep,
    /// The leg or the refund that it is about.
    about: Option<Uuid>,
    reason: StuckWhy,
    /// How often it was tried, as far as is known.
    attempts: u32,
}

/// Shows a booking to its customer, with how deep its money lies now and where to watch it.
pub(crate) async fn booking(app: &App, booking: &Booking) -> ShownBooking {
    let depth = live::depths(&app.cache, &[booking]).await.pop().flatten();
    ShownBooking { events_url: events::url(app, booking), ..at_depth(app, booking, depth) }
}

/// Shows a booking whose money lies that deep.
pub(crate) fn at_depth(app: &App, booking: &Booking, depth: Option<u64>) -> ShownBooking {
    let told = instruction(app, booking);
    let now = app.clock.now();
    let mut actions = next_actions_at(booking, now);
    let due = booking.due().map(|due| further_told(app, booking, due));
    if due.unwrap_or(told).is_none() {
        // What cannot be shown cannot be paid.
        actions.retain(|action| *action != booking_core::Action::Pay);
    }
    ShownBooking {
        booking_id: booking.booking_id,
        status: status(booking).into(),
        version: booking.version,
        created_at: booking.created_at,
        changed_at: booking.changed_at,
        quote_id: booking.quote_id,
        price: price(booking),
        on_refusal: booking.on_refusal.into(),
        legs: booking.legs.iter().map(|one| leg(booking, one, now)).collect(),
        payment: payment(booking, told, depth),
        further_payments: booking
            .further
            .iter()
            .filter(|one| !is_hidden(booking, one))
            .map(|one| further(app, booking, one))
            .collect(),
        new_terms: new_terms(booking),
        points: booking.points.map(|points| ShownPoints {
            redeemed: points.points,
            worth: points.worth,
            state: points.known.map(PointsWord::from),
        }),
        ended_because: booking.end.map(|end| end.why.into()),
        cancellation: booking.cancellation.or(booking.deferred).map(|agreed| ShownCancellation {
            fee: agreed.fee,
            fee_units: kept(booking, agreed.kept),
            points_back: agreed.points_back,
        }),
        pays_for: booking.pays_for().map(|other| other.booking_id),
        amendment: booking.amendment.map(|amendment| ShownAmendment {
            leg_id: amendment.leg_id,
            by: amendment.by,
            held_by: amendment.held_by,
            payment_id: amendment.payment_id,
        }),
        review: booking.review.map(|review| ShownReview {
            why: review.why.into(),
            since: review.since,
            by: review.by,
            stuck: review.stuck.map(stuck),
        }),
        next_actions: actions.into_iter().map(Action::from).collect(),
        events_url: None,
    }
}

fn stuck(stuck: booking_core::Stuck) -> ShownStuck {
    use booking_core::StuckStep as Step;
    let (step, about) = match stuck.step {
        Step::ReleaseLeg { leg_id } => (StuckStep::ReleaseLeg, Some(leg_id.0)),
        Step::ReleasePoints => (StuckStep::ReleasePoints, None),
        Step::ClosePayment => (StuckStep::ClosePayment, None),
        Step::SettleMoney => (StuckStep::SettleMoney, None),
        Step::SendRefund { refund_id } => (StuckStep::SendRefund, Some(refund_id)),
    };
    ShownStuck { step, about, reason: stuck.reason.into(), attempts: stuck.attempts }
}

/// What the supplier changed of a leg, if that waits for an answer.
fn change(booking: &Booking, leg: &booking_core::Leg, now: DateTime<Utc>) -> Option<ShownChange> {
    let (known, change) = leg.change.as_ref().zip(change_digest(booking, leg))?;
    let order = &leg.order;
    let theirs = match &known.theirs {
        Theirs::Cancelled {} => None,
        Theirs::Other { content } => Some(ShownContent {
            check_in: content.check_in,
            check_out: content.check_out,
            price: content.price,
            segments: content.segments.clone(),
        }),
    };
    let other_flights = theirs.as_ref().is_some_and(|theirs| !theirs.segments.is_empty());
    let flights = order.product.segments().iter().filter(|_| other_flights);
    Some(ShownChange {
        change,
        ours: ShownContent {
            check_in: order.check_in,
            check_out: order.check_out,
            price: order.price,
            segments: flights.cloned().collect(),
        },
        theirs,
        since: known.since,
        answer_by: known.by,
        answers: AllowedAnswer::of(booking, leg, now),
    })
}

fn leg(booking: &Booking, leg: &booking_core::Leg, now: DateTime<Utc>) -> ShownLeg {
    let (state, reference, held_until) = match &leg.known.state {
        None => (LegWord::Pending, None, None),
        Some(LegState::Held { reference, until }) => (LegWord::Held, Some(reference), *until),
        Some(LegState::Confirmed { reference }) if leg.is_no_show() => {
            (LegWord::NoShow, Some(reference), None)
        }
        Some(LegState::Confirmed { reference }) => (LegWord::Confirmed, Some(reference), None),
        Some(LegState::Gone { .. }) => (LegWord::Gone, None, None),
        Some(LegState::Refused { .. }) => (LegWord::Refused, None, None),
        Some(LegState::InDoubt { .. }) => (LegWord::BeingChecked, None, None),
    };
    // What its supplier made of it stands there under this one.
    let theirs = leg.known.theirs.as_ref().map(|content| &content.reference);
    let change = change(booking, leg, now);
    let state = if change.is_some() { LegWord::ChangedBySupplier } else { state };
    let (left_out_because, cancellation) = match &leg.out {
        None | Some(Out::Coming | Out::Replaced { .. }) => (None, None),
        Some(Out::NotHeld { why } | Out::NotTaken { why }) => (Some((*why).into()), None),
        Some(Out::Repriced { .. }) => (Some(booking_core::EndWhy::PriceChanged.into()), None),
        Some(Out::Cancelled { cancellation: agreed }) => {
            let LegCancellation { fee, back, .. } = *agreed;
            (None, Some(ShownLegCancellation { fee, back, back_units: agreed.all_units() }))
        }
    };
    ShownLeg {
        leg_id: leg.leg_id,
        supplier: leg.order.supplier,
        property_id: leg.order.property_id.clone(),
        check_in: leg.order.check_in,
        check_out: leg.order.check_out,
        price: leg.order.price,
        price_now: leg.known.asks.as_ref().filter(|_| leg.is_gone()).map(|asks| asks.price),
        terms: leg.order.terms.clone(),
        product: leg.order.product.clone(),
        state,
        reference: reference.or(theirs).cloned(),
        held_until,
        in_place_of: leg.in_place_of,
        replaced: replaced(leg),
        left_out_because,
        cancellation,
        guests: leg.guests.as_ref().map(GuestsWord::of),
        cancelling_for: leg.deferred,
        change,
    }
}

/// What is booked costs: as at first, with each leg that took another's place in its stead.
fn price(booking: &Booking) -> Money {
    let now = |by: LegId| booking.legs.iter().find(|leg| leg.leg_id == by);
    let more = |leg: &booking_core::Leg| match leg.out {
        Some(Out::Replaced { by, .. }) => {
            Some(now(by)?.order.price.minor.saturating_sub(leg.order.price.minor))
        }
        _ => None,
    };
    let minor = booking.legs.iter().filter_map(more).fold(booking.price.minor, i64::saturating_add);
    Money::new(minor, booking.price.currency)
}

fn replaced(leg: &booking_core::Leg) -> Option<ShownReplacement> {
    let Some(Out::Replaced { by, cancellation }) = leg.out else { return None };
    let LegCancellation { fee, back, .. } = cancellation;
    let in_money = |minor: i64| Money::new(minor.max(0), back.currency);
    Some(ShownReplacement {
        by,
        fee,
        back: in_money(back.minor),
        paid: in_money(back.minor.saturating_neg()),
        back_units: cancellation.all_units(),
    })
}

/// What is ours of all payments, where that of the first one is so much.
fn kept(booking: &Booking, first: Units) -> Units {
    let further = booking.further.iter();
    further.fold(first, |sum, one| sum.checked_add(one.kept).unwrap_or(sum))
}

/// What a wallet opens to pay what is missing; nothing when nothing is.
pub(super) fn pay_uri(told: &Instruction, booking: &Booking) -> Option<String> {
    let left = told.amount.units.saturating_sub(booking.payment.received);
    told.uri(left).filter(|_| !left.is_zero())
}

fn payment(booking: &Booking, told: Option<&Instruction>, depth: Option<u64>) -> ShownPayment {
    let payment = &booking.payment;
    let remaining = told.map(|t| AssetAmount {
        units: t.amount.units.saturating_sub(payment.received),
        ..t.amount.clone()
    });
    let confirmations = depth.filter(|_| told.is_some());
    let unknown = told.is_some() && confirmations.is_none() && !payment.received.is_zero();
    ShownPayment {
        state: money(booking).into(),
        payment_id: payment.payment_id,
        chain: told.map(|t| t.chain.clone()),
        contract: told.and_then(|t| t.contract.clone()),
        address: told.filter(|t| !t.is_card()).map(|t| t.address.clone()),
        card: told.filter(|t| t.is_card()).map(ShownCard::of),
        amount: told.map(|t| t.amount.clone()),
        amount_decimal: told.map(|t| t.amount.decimal()),
        received: payment.received,
        uri: told.and_then(|told| pay_uri(told, booking)),
        remaining: remaining.as_ref().map(|amount| amount.units),
        remaining_decimal: remaining.as_ref().map(AssetAmount::decimal),
        confirmations,
        confirmations_unknown: unknown.then_some("payment-verification shows no head of the chain"),
        confirmations_needed: told.map(|t| t.confirmations),
        pay_by: booking.deadlines.pay_by,
        refund_to: booking.refund_to().map(str::to_owned),
        refund_basis: booking.refund_basis.into(),
        refunds: booking
            .payments()
            .flat_map(|one| one.refunds.iter().map(|known| refund(booking, one.payment_id, known)))
            .collect(),
    }
}

fn refund(booking: &Booking, payment_id: PaymentId, refund: &booking_core::Refund) -> ShownRefund {
    let priced = refund.value.as_ref().and_then(|value| value.priced.as_ref());
    ShownRefund {
        payment_id,
        refund_id: refund.refund_id,
        units: refund.units,
        state: refund.state.map(RefundWord::from),
        basis: booking.refund_basis.into(),
        worth: refund.value.as_ref().map(|value| value.worth),
        sends: match (&refund.value, refund.state) {
            (Some(_), _) => priced.map(|priced| priced.units),
            // Its owner may say yet that it goes back by value.
            (None, None) if !booking.refund_basis.is_then() => None,
            (None, _) => Some(refund.units),
        },
        sends_at: priced.map(|priced| ShownRefundRate {
            micro_minor_per_coin: priced.rate.micro_minor_per_coin.to_string(),
            as_of: priced.as_of,
        }),
        to: refund.to.clone(),
        by: refund.by,
        transaction: refund.transaction.clone(),
        otherwise: refund.otherwise,
    }
}

/// What to pay and where, if it may be shown and the signature of payment-verification holds.
pub(super) fn instruction<'a>(app: &App, booking: &'a Booking) -> Option<&'a Instruction> {
    // Nobody is asked to pay for what is looked into; where what came is, is shown.
    let asked = booking.payment.received.is_zero() && booking.phase == Phase::AwaitingPayment;
    let shown = is_shown(booking) && !(asked && is_doubtful(booking));
    if shown { signed(app, booking, &booking.payment) } else { None }
}

/// What to pay of a payment and where, if the signature of payment-verification holds.
pub(super) fn signed<'a>(
    app: &App,
    booking: &Booking,
    payment: &'a Payment,
) -> Option<&'a Instruction> {
    let signed = payment.instruction.as_ref()?;
    let told = &signed.instruction;
    let bytes = told.signed_bytes().ok()?;
    let holds = app.instruction_key.verify_text(&bytes, &signed.signature).is_ok();
    let ours = told.booking_id == booking.booking_id
        && told.payment_id == payment.payment_id
        && Some(&told.amount) == payment.asked.as_ref();
    if holds && ours {
        return Some(told);
    }
    tracing::error!(
        booking.id = %booking.booking_id,
        "a payment instruction does not carry payment-verification's signature"
    );
    None
}

/// Whether an address may be seen: once everything is held, and on the way out only where money
/// came.
fn is_shown(booking: &Booking) -> bool {
    match booking.phase {
        Phase::Pending | Phase::Holding => false,
        Phase::AwaitingPayment | Phase::Committing => true,
        Phase::Confirmed | Phase::Amending | Phase::Completed => true,
        Phase::Unwinding | Phase::Failed | Phase::Cancelled => !booking.payment.received.is_zero(),
    }
}
