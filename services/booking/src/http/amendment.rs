//! Putting another leg in the place of one that was bought: what that costs first, and then the
//! deed, for what was agreed to.

use axum::{
    extract::State,
    response::{IntoResponse as _, Response},
};
use booking_core::{
    AmendQuote, Booking, Command, Leg, LegPlan, PayPlan, Refusal, amend_quote, may_change_guests,
};
use chassis::{
    ApiError,
    auth::Bearer,
    http::{Json, Path, Query},
    mint,
};
use chrono::{DateTime, TimeDelta, Utc};
use contracts::{
    asset::{AssetAmount, Rate, Units},
    ids::{AccountId, BookingId, LegId, PaymentId, QuoteId},
    internal::Traveller,
    money::Money,
    offer::{LegOrder, Occupancy, Offer, ProductKind},
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    account, acts,
    cancellation::DeadlineBasis,
    form::{Faults, Form, error},
    openapi::{problems, shapes},
    people::{self, LegParty, May},
    quotes, reader, refused, search,
    views::{self, RefundBasis},
};
use crate::App;

/// What amendments are sealed for, so that no other sealed text passes for one.
const AMENDMENT_AAD: &[u8] = b"amendment";

/// Whether only to tell.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    quote: Option<bool>,
}

/// The offer to tell of, or the quote that is agreed to.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Amendment {
    /// With `?quote=true`: an offer of a new search for the same property, route or activity, or,
    /// in the place of what a supplier changed, for any of its kind; without it only who is on the
    /// leg changes, in the reservation that is there.
    offer_id: Option<String>,
    /// With `?quote=true`: who is to be on the leg, the first to lead, as in a booking request;
    /// without it those who are on it now.
    #[schema(min_items = 1)]
    travellers: Option<Vec<shapes::Traveller>>,
    /// Without: the `quote` of the answer that told what it costs.
    quote: Option<String>,
}

/// What another leg in the place of one costs now.
#[derive(Serialize, ToSchema)]
#[schema(as = AmendmentQuote)]
pub(crate) struct ShownQuote {
    /// Names both legs and what it costs; the amendment that agrees to it says it.
    quote: String,
    /// Which way it goes.
    way: Way,
    #[serde(flatten)]
    costs: Costs,
    /// Until when this can be agreed to, UTC: the price is promised until then, unless giving back
    /// the old leg costs something else before that.
    deadline: DateTime<Utc>,
    /// Where that instant comes from, where it is the old leg's; null where it is the price's.
    deadline_basis: Option<DeadlineBasis>,
}

/// Which way an amendment goes.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = AmendmentWay)]
enum Way {
    /// Another reservation is bought, and the old one is given back then.
    AnotherReservation,
    /// The supplier changes the reservation that is there.
    InPlace,
}

/// What it costs.
#[derive(Serialize, ToSchema)]
#[schema(as = AmendmentCosts)]
pub(crate) struct Costs {
    /// The new leg's price.
    #[schema(value_type = shapes::Money)]
    price: Money,
    /// What giving back the old one costs, by its own terms.
    #[schema(value_type = shapes::Money)]
    fee: Money,
    /// The old price less the new one and the fee; nothing where that is less than nothing.
    #[schema(value_type = shapes::Money)]
    back: Money,
    /// What has to be paid, where the new one and the fee cost more than the old one; null where
    /// they do not.
    pay: Option<ShownDue>,
    /// What goes back of it, in what was paid with, at the rate of then.
    #[schema(value_type = shapes::AssetAmount)]
    refund: AssetAmount,
    /// The refund in whole coins, for people.
    refund_decimal: String,
    refund_basis: RefundBasis,
}

/// What has to be paid for another leg in the place of one.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = AmendmentDue)]
struct ShownDue {
    /// What the new one and the fee cost more than the old one.
    #[schema(value_type = shapes::Money)]
    price: Money,
    /// The same in the asset that the booking was paid in, at the rate of now.
    #[schema(value_type = shapes::AssetAmount)]
    amount: AssetAmount,
    /// The amount in whole coins, for people.
    amount_decimal: String,
}

/// A quote as it is sealed: it is remembered by nobody, and nothing about it can be changed.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Promise {
    booking_id: BookingId,
    leg_id: LegId,
    by: LegId,
    order: LegOrder,
    /// Who is to be on it, where it is not who is on the old one. Personal data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    travellers: Option<Vec<Traveller>>,
    agreed: Uuid,
    expires_at: DateTime<Utc>,
    /// At which rate it is paid for, where it is.
    #[serde(default)]
    pay: Option<PromisedRate>,
}

/// The same where only who is on the leg changes.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct GuestsPromise {
    booking_id: BookingId,
    leg_id: LegId,
    /// Under which they are kept.
    party: Uuid,
    /// Personal data.
    others: Vec<Traveller>,
    expires_at: DateTime<Utc>,
}

/// Either of them.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Promised {
    Another(Box<Promise>),
    InPlace(GuestsPromise),
}

impl Promised {
    const fn about(&self) -> (BookingId, LegId) {
        match self {
            Self::Another(promise) => (promise.booking_id, promise.leg_id),
            Self::InPlace(promise) => (promise.booking_id, promise.leg_id),
        }
    }

    /// Whether it was agreed to before: the same click again is answered as the first was, however
    /// late.
    fn is_known(&self, booking: &Booking) -> bool {
        booking.legs.iter().any(|leg| match self {
            Self::Another(promise) => leg.leg_id == promise.by,
            Self::InPlace(promise) => leg.guests.is_some_and(|guests| {
                guests.party == promise.party || guests.on_it == Some(promise.party)
            }),
        })
    }

    const fn expires_at(&self) -> DateTime<Utc> {
        match self {
            Self::Another(promise) => promise.expires_at,
            Self::InPlace(promise) => promise.expires_at,
        }
    }
}

/// A payment that will be asked for, at the rate of the quote.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PromisedRate {
    payment_id: PaymentId,
    rate: Rate,
}

/// What it costs, as a customer is told.
pub(crate) fn costs(quote: &AmendQuote) -> Costs {
    Costs {
        price: quote.price,
        fee: quote.fee,
        back: quote.back,
        pay: quote.pay.as_ref().map(|due| ShownDue {
            price: due.price,
            amount: due.amount.clone(),
            amount_decimal: due.amount.decimal(),
        }),
        refund: quote.refund.clone(),
        refund_decimal: quote.refund.decimal(),
        refund_basis: quote.basis.into(),
    }
}

/// Tells what other dates, guests or another room cost in the place of a leg, or has them.
///
/// With `?quote=true` the body names an offer of a new search for the same property, route or
/// activity, and who is to be on it where that changes; its price is asked for now, and nothing
/// changes. Where only who is on the leg changes and its supplier can do that in the reservation
/// that is there, no offer is named: it costs nothing, nothing is given back, and what the supplier
/// refuses leaves the leg as it was. `way` says which of them it is.
///
/// A leg that its supplier changed or cancelled (`rebook` among the `answers` of its `change`) goes
/// free: `fee` is nothing, and the offer may be of another property, route or activity and of
/// another supplier, of the same kind and in the same currency. Where that fails, the change waits
/// for its answer as before; while it is under way nothing is refunded by itself.
///
/// Without, the body names that quote: the new leg is held and bought while the old one stays, and
/// only then the old one is given back and the difference goes back. Where the new one and the fee
/// cost more than the old one, `pay` says how much: once the new one is held, the booking shows in
/// `further_payments` what to pay and where, and the new one is bought when that money is final.
/// Where the new one cannot be had, or is not paid for in time, the booking is what it was, and
/// whatever came for it goes back.
///
/// 409 `asset_not_offered` says that the difference cannot be paid in the asset of the booking now.
/// 409 `agreement_needed` says that it costs something else by now; ask for a new quote.
#[utoipa::path(
    post, path = "/v1/bookings/{id}/legs/{leg_id}/amendment", tag = "bookings",
    params(
        ("id" = Uuid, Path, description = "The booking"),
        ("leg_id" = Uuid, Path, description = "The leg"),
        ("quote" = Option<bool>, Query, description = "`true`: only tell what it costs"),
    ),
    request_body = Amendment,
    responses(
        (status = 200, description = "What it costs; nothing changed", body = ShownQuote),
        (status = 202, description = "The booking, while the new leg is held and bought", body = views::ShownBooking),
        problems::Malformed, problems::NotFound, problems::Refused, problems::Invalid,
        problems::Unavailable,
    ),
)]
pub(super) async fn amend(
    State(app): State<App>,
    bearer: Bearer,
    Path((booking_id, leg_id)): Path<(BookingId, LegId)>,
    Query(Asked { quote }): Query<Asked>,
    Json(body): Json<Value>,
) -> Result<Response, ApiError> {
    let account = account(&bearer)?;
    if quote == Some(true) {
        let booking = acts::booking_of(&app, &account, booking_id).await?;
        return Ok(Json(tell(&app, &booking, leg_id, &body).await?).into_response());
    }
    let promised = read_promise(&app, &body)?;
    if promised.about() != (booking_id, leg_id) {
        return Err(not_ours());
    }
    let booking = acts::booking_of(&app, &account, booking_id).await?;
    if !promised.is_known(&booking) && promised.expires_at() <= app.clock.now() {
        let detail = "the price is not promised any more; ask for a new quote";
        return Err(ApiError::conflict("quote_expired", detail));
    }
    let promise = match promised {
        Promised::Another(promise) => *promise,
        Promised::InPlace(GuestsPromise { party, others, .. }) => {
            let command = Command::ChangeGuests { leg_id, party };
            let named = Some(LegParty { leg_id: LegId(party), travellers: others });
            return acts::ask_for(&app, account, booking_id, command, named).await;
        }
    };
    let plan = Box::new(LegPlan { leg_id: promise.by, order: promise.order });
    let pay = promise.pay.map(|pay| {
        let PromisedRate { payment_id, rate } = pay;
        Box::new(PayPlan { payment_id, rate })
    });
    let command = Command::Amend { leg_id, plan, agreed: promise.agreed, pay };
    let named = promise.travellers;
    let named = named.map(|travellers| LegParty { leg_id: promise.by, travellers });
    let answer = acts::ask_for(&app, account.clone(), booking_id, command, named).await?;
    app.cache.drop_lock(&account, QuoteId(promise.by.0)).await;
    Ok(answer)
}

/// Tells what it comes to when only who is on the leg changes; nothing changes, and nobody is
/// asked.
fn tell_in_place(
    app: &App,
    booking: &Booking,
    leg: &Leg,
    others: Vec<Traveller>,
) -> Result<ShownQuote, ApiError> {
    if !leg.order.supplier.changes_guests() {
        let detail = "must be given: the supplier changes nobody in the reservation that is there";
        return Err(ApiError::invalid(vec![error("/offer_id", "missing", detail)]));
    }
    let now = app.clock.now();
    may_change_guests(booking, leg.leg_id, now).map_err(|refusal| refused(&refusal))?;
    fits(others.len(), places(&leg.order.occupancy))?;
    let lasts_for = TimeDelta::from_std(app.policy.lock.lasts_for).unwrap_or(TimeDelta::MAX);
    let expires_at = now + lasts_for;
    let (price, none) = (leg.order.price, Money::zero(leg.order.price.currency));
    let refund = AssetAmount { units: Units::ZERO, ..booking.payment.quoted.clone() };
    let promise = Promised::InPlace(GuestsPromise {
        booking_id: booking.booking_id,
        leg_id: leg.leg_id,
        party: mint::uuid7(),
        others,
        expires_at,
    });
    Ok(ShownQuote {
        quote: seal(app, &promise)?,
        way: Way::InPlace,
        costs: Costs {
            price,
            fee: none,
            back: none,
            pay: None,
            refund_decimal: refund.decimal(),
            refund,
            refund_basis: booking.refund_basis.into(),
        },
        deadline: expires_at,
        deadline_basis: None,
    })
}

/// Asks the supplier for the price now and tells what it comes to; changes nothing.
async fn tell(
    app: &App,
    booking: &Booking,
    leg_id: LegId,
    body: &Value,
) -> Result<ShownQuote, ApiError> {
    let leg = booking.legs.iter().find(|leg| leg.leg_id == leg_id);
    let (offer, travellers) = match (read_offer(app, body)?, leg) {
        ((Some(offer), travellers), _) => (offer, travellers),
        ((None, others), Some(leg)) => {
            return tell_in_place(app, booking, leg, others.unwrap_or_default());
        }
        ((None, _), None) => return Err(ApiError::not_found()),
    };
    let leg = leg.ok_or_else(ApiError::not_found)?;
    same_product(leg, &offer)?;
    // What cannot be done needs no supplier to be asked.
    let unpriced = LegPlan { leg_id: LegId(Uuid::nil()), order: order_of(&offer) };
    let now = app.clock.now();
    if let Err(refusal) = amend_quote(booking, leg_id, &unpriced, None, now)
        && !matches!(refusal, Refusal::NeedsPayment { .. })
    {
        return Err(refused(&refusal));
    }
    match &travellers {
        Some(named) => named_fit(named, &offer)?,
        None => stay_on(&people::on_leg(app, booking, leg_id).await?, &offer)?,
    }
    let mut legs = quotes::price_all(app, vec![offer]).await?;
    let priced = legs.pop().ok_or_else(ApiError::internal_logged)?;
    let plan = LegPlan { leg_id: priced.leg_id, order: priced.order };
    let (quote, rate) = priced_quote(app, booking, leg_id, &plan).await?;
    let now = app.clock.now();
    let lasts_for = TimeDelta::from_std(app.policy.lock.lasts_for).unwrap_or(TimeDelta::MAX);
    let price_until = now + lasts_for;
    let fee_until = quote.changes_at.filter(|at| *at < price_until);
    let expires_at = fee_until.unwrap_or(price_until);
    open_promise(app, &booking.account_id, plan.leg_id, expires_at).await?;
    let pay = rate.map(|rate| PromisedRate { payment_id: PaymentId(mint::uuid7()), rate });
    let promise = Promised::Another(Box::new(Promise {
        booking_id: booking.booking_id,
        leg_id,
        by: plan.leg_id,
        order: plan.order,
        travellers,
        agreed: quote.digest,
        expires_at,
        pay,
    }));
    Ok(ShownQuote {
        quote: seal(app, &promise)?,
        way: Way::AnotherReservation,
        costs: costs(&quote),
        deadline: expires_at,
        deadline_basis: fee_until.and(quote.changes_basis).map(DeadlineBasis::from),
    })
}

/// What it costs, and at which rate the difference is paid where there is one.
async fn priced_quote(
    app: &App,
    booking: &Booking,
    leg_id: LegId,
    plan: &LegPlan,
) -> Result<(AmendQuote, Option<Rate>), ApiError> {
    let missing = match amend_quote(booking, leg_id, plan, None, app.clock.now()) {
        Ok(quote) => return Ok((quote, None)),
        Err(Refusal::NeedsPayment { missing, .. }) => missing,
        Err(refusal) => return Err(refused(&refusal)),
    };
    let asset = &booking.payment.quoted.asset;
    let shown = quotes::assets(app).await?;
    let (rate, _) = quotes::rate(app, &shown, asset, missing.currency)?;
    quotes::payable_with(app, &shown, asset, missing, &[&plan.order])?;
    let quote = amend_quote(booking, leg_id, plan, Some(&rate), app.clock.now());
    Ok((quote.map_err(|r| refused(&r))?, Some(rate)))
}

/// Promises of amendments count among the open locks of an account: suppliers are asked for each.
async fn open_promise(
    app: &App,
    account: &AccountId,
    by: LegId,
    expires_at: DateTime<Utc>,
) -> Result<(), ApiError> {
    let until = (app.clock.now().timestamp_millis(), expires_at.timestamp_millis());
    let open_max = app.policy.lock.open_per_account_max;
    let taken = app.cache.count((account, QuoteId(by.0)), "", until, open_max).await;
    let mut conn = reader(app).await?;
    quotes::not_too_many(app, &mut conn, account, taken).await
}

/// The offer, and who is to be on it; without travellers there is an offer.
fn read_offer(
    app: &App,
    body: &Value,
) -> Result<(Option<Offer>, Option<Vec<Traveller>>), ApiError> {
    let faults = Faults::default();
    let form = Form::new(body, "", &faults);
    let named = form.optional("travellers");
    let given = named.is_none() || form.optional("offer_id").is_some();
    let opened =
        |id: &str| search::open(app, id).ok_or_else(|| "is not an offer of ours".to_owned());
    let offer = given.then(|| form.text("offer_id", opened)).flatten();
    let travellers = named.and_then(|_| people::travellers(&form, &faults, &May::of(app)));
    form.end();
    let past = |offer: &Offer| offer.check_in < search::first_day(app);
    if offer.as_ref().is_some_and(past) {
        faults.add("/offer_id", "invalid", "is in the past");
    }
    faults.answer()?;
    Ok((offer, travellers))
}

fn read_promise(app: &App, body: &Value) -> Result<Promised, ApiError> {
    let faults = Faults::default();
    let form = Form::new(body, "", &faults);
    let promise = form.text("quote", |sealed| {
        let wrong = || "must be the quote of an amendment".to_owned();
        let text = app.sealer.open_text(sealed, AMENDMENT_AAD).map_err(|_| wrong())?;
        serde_json::from_str::<Promised>(&text).map_err(|_| wrong())
    });
    form.end();
    faults.answer()?;
    promise.ok_or_else(ApiError::internal_logged)
}

fn seal(app: &App, promise: &Promised) -> Result<String, ApiError> {
    let text = serde_json::to_string(promise).map_err(|error| ApiError::internal(&error))?;
    app.sealer.seal_text(&text, AMENDMENT_AAD).map_err(|error| ApiError::internal(&error))
}

fn order_of(offer: &Offer) -> LegOrder {
    LegOrder {
        supplier: offer.supplier,
        book_key: String::new(),
        property_id: offer.property_id.clone(),
        check_in: offer.check_in,
        check_out: offer.check_out,
        occupancy: offer.occupancy.clone(),
        price: offer.price,
        terms: offer.terms.clone(),
        product: offer.product.clone(),
        reprice: None,
    }
}

/// Anything else than the same at other times, for others or another room is another booking; in
/// the place of what a supplier changed, anything of its kind will do.
fn same_product(leg: &Leg, offer: &Offer) -> Result<(), ApiError> {
    let order = &leg.order;
    let same = order.supplier == offer.supplier && order.property_id == offer.property_id;
    if order.product.kind() != offer.product.kind() || (!same && leg.change.is_none()) {
        let detail = match leg.change {
            None => "must be of the property, route or activity that the leg is of",
            Some(_) => "must be of the kind that the leg is of",
        };
        return Err(ApiError::invalid(vec![error("/offer_id", "invalid", detail)]));
    }
    if order.price.currency != offer.price.currency {
        let detail = "must be in the currency that the leg was bought in";
        return Err(ApiError::invalid(vec![error("/offer_id", "invalid", detail)]));
    }
    Ok(())
}

/// Those who are on the leg stay on it: there has to be place for them, and on a flight no seat is
/// left without a name.
fn stay_on(named: &[Traveller], offer: &Offer) -> Result<(), ApiError> {
    let (named, places) = (named.len(), places(&offer.occupancy));
    let flight = offer.product.kind() == ProductKind::Flight;
    if named <= places && (!flight || named == places) {
        return Ok(());
    }
    let detail = format!("the offer is for {places}, and {named} are on the leg");
    Err(ApiError::conflict("guests_differ", detail).with("guests", json!(named)))
}

/// Those who are to be on the new leg: there has to be place for them, and an airline wants to know
/// everybody.
fn named_fit(named: &[Traveller], offer: &Offer) -> Result<(), ApiError> {
    let places = places(&offer.occupancy);
    let mut faults = Vec::new();
    if offer.product.kind() == ProductKind::Flight {
        faults = people::unfit_for_seats(named, (places, offer.check_in), "/travellers");
    } else {
        fits(named.len(), places)?;
    }
    if faults.is_empty() { Ok(()) } else { Err(ApiError::invalid(faults)) }
}

fn fits(named: usize, places: usize) -> Result<(), ApiError> {
    if named <= places {
        return Ok(());
    }
    let detail = format!("it is for {places} guests");
    Err(ApiError::conflict("guests_differ", detail).with("guests", json!(named)))
}

fn places(occupancy: &Occupancy) -> usize {
    usize::from(occupancy.adults) + occupancy.children.len()
}

fn not_ours() -> ApiError {
    let detail = "is the quote of another leg";
    ApiError::invalid(vec![error("/quote", "invalid", detail)])
}
