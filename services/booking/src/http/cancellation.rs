//! Cancelling a whole booking, or one leg of it: what it costs first, and then the deed, for the
//! fee agreed to.

use axum::{
    body::Bytes,
    extract::State,
    response::{IntoResponse as _, Response},
};
use booking_core::{CancelQuote, Command, cancel_leg_quote, cancel_quote};
use chassis::{
    ApiError,
    auth::Bearer,
    http::{Json, Path, Query},
};
use chrono::{DateTime, Utc};
use contracts::{
    asset::AssetAmount,
    ids::{BookingId, LegId},
    money::Money,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    account, acts,
    form::{Faults, Form},
    openapi::{problems, shapes},
    quotes, refused,
    views::{self, RefundBasis},
};
use crate::App;

/// Whether only to tell.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    quote: Option<bool>,
}

/// The quote that is agreed to; needed once the booking is being bought, and for one leg.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Cancellation {
    /// The `quote` of the answer that told fee and refund.
    quote: Option<Uuid>,
}

/// What cancelling costs now.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = CancellationQuote)]
pub(crate) struct ShownQuote {
    /// Names fee and refund; the cancellation that agrees to them says it.
    quote: Uuid,
    #[schema(value_type = shapes::Money)]
    fee: Money,
    /// What goes back: as many units as were paid, less the fee at the rate of then. The fee is
    /// rounded up to a whole unit. Where `refund_basis` is not `then`, another amount is sent.
    #[schema(value_type = shapes::AssetAmount)]
    refund: AssetAmount,
    /// The refund in whole coins, for people.
    refund_decimal: String,
    refund_basis: RefundBasis,
    /// What of the refund had paid, in the currency of the price: it goes back by this value.
    /// Absent where `refund_basis` is `then`, and where nothing had paid yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<shapes::Money>, required = false)]
    refund_worth: Option<Money>,
    /// How much that would be at the rate of now, rounded down to a whole unit; absent where no
    /// rate is young enough.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<shapes::AssetAmount>, required = false)]
    refund_now: Option<AssetAmount>,
    /// Redeemed points that come back.
    points_back: u64,
    /// Until when this fee holds, UTC; null when it holds as long as the booking can be cancelled.
    deadline: Option<DateTime<Utc>>,
    /// Where that instant comes from.
    deadline_basis: Option<DeadlineBasis>,
    /// Each reservation by its own terms.
    legs: Vec<ShownFee>,
}

/// Where a deadline comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum DeadlineBasis {
    /// The supplier named the instant, with its offset from UTC.
    SupplierInstant,
    /// The supplier named a local time and not its time zone: 14 hours before that time in UTC, the
    /// earliest it could be.
    LocalEarliest,
    /// The day of arrival may have begun: 14 hours before it begins in UTC, since its time zone is
    /// not known.
    ArrivalDay,
}

impl From<booking_core::DeadlineBasis> for DeadlineBasis {
    fn from(basis: booking_core::DeadlineBasis) -> Self {
        use booking_core::DeadlineBasis as Core;
        match basis {
            Core::SupplierInstant => Self::SupplierInstant,
            Core::LocalEarliest => Self::LocalEarliest,
            Core::ArrivalDay => Self::ArrivalDay,
        }
    }
}

/// What one reservation costs to cancel.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = CancellationFee)]
struct ShownFee {
    #[schema(value_type = Uuid)]
    leg_id: LegId,
    #[schema(value_type = shapes::Money)]
    fee: Money,
    deadline: Option<DateTime<Utc>>,
    deadline_basis: Option<DeadlineBasis>,
}

/// A cancellation quote as its customer sees it.
pub(crate) fn shown(quote: &CancelQuote) -> ShownQuote {
    let legs: Vec<ShownFee> = quote.legs.iter().map(shown_fee).collect();
    let first = legs.iter().find(|leg| leg.deadline == quote.changes_at);
    ShownQuote {
        quote: quote.digest,
        fee: quote.fee,
        refund: quote.refund.clone(),
        refund_decimal: quote.refund.decimal(),
        refund_basis: quote.basis.into(),
        refund_worth: quote.worth,
        refund_now: None,
        points_back: quote.points_back,
        deadline: quote.changes_at,
        deadline_basis: first.and_then(|leg| leg.deadline_basis),
        legs,
    }
}

/// The same with what its worth would bring at the rate of now, where there is one.
async fn told(app: &App, quote: &CancelQuote) -> ShownQuote {
    let refund_now = match quote.worth {
        Some(worth) => bought_now(app, &quote.refund, worth).await,
        None => None,
    };
    ShownQuote { refund_now, ..shown(quote) }
}

async fn bought_now(app: &App, paid: &AssetAmount, worth: Money) -> Option<AssetAmount> {
    let assets = quotes::assets(app).await.ok()?;
    let (rate, _) = quotes::rate(app, &assets, &paid.asset, worth.currency).ok()?;
    Some(AssetAmount { units: rate.units_within(worth).ok()?, ..paid.clone() })
}

fn shown_fee(leg: &booking_core::LegFee) -> ShownFee {
    ShownFee {
        leg_id: leg.leg_id,
        fee: leg.fee,
        deadline: leg.changes_at,
        deadline_basis: leg.basis.map(DeadlineBasis::from),
    }
}

/// Tells what cancelling costs, or cancels.
///
/// A booking that is being bought or is confirmed is cancelled for the fee that was told: the body
/// names the quote. When it names none, or fee or refund are others by now, the answer is 409
/// `agreement_needed` with the quote that holds, and nothing changes. While nobody knows whether
/// something is bought that costs a fee, the booking is `cancelling`, nothing more is bought, and
/// it is undone with the answer; where it turns out that something cannot be had, all the money
/// goes back.
#[utoipa::path(
    post, path = "/v1/bookings/{id}/cancellation", tag = "bookings",
    params(
        ("id" = Uuid, Path, description = "The booking"),
        ("quote" = Option<bool>, Query, description = "`true`: only tell what it costs"),
    ),
    request_body = Option<Cancellation>,
    responses(
        (status = 200, description = "What it costs; nothing changed", body = ShownQuote),
        (
            status = 202,
            description = "The booking, being undone. The same agreement said again is the same \
                           wish, and is answered with the booking as it is then",
            body = views::ShownBooking,
        ),
        problems::Malformed, problems::NotFound, problems::Refused, problems::Invalid,
    ),
)]
pub(super) async fn cancel(
    State(app): State<App>,
    bearer: Bearer,
    Path(booking_id): Path<BookingId>,
    Query(Asked { quote }): Query<Asked>,
    body: Bytes,
) -> Result<Response, ApiError> {
    let account = account(&bearer)?;
    let agreed = agreed(&body)?;
    if quote == Some(true) {
        let booking = acts::booking_of(&app, &account, booking_id).await?;
        let quote = cancel_quote(&booking, app.clock.now()).map_err(|r| refused(&r))?;
        return Ok(Json(told(&app, &quote).await).into_response());
    }
    acts::ask(&app, account, booking_id, Command::Cancel { agreed }).await
}

/// Tells what cancelling one leg costs, or cancels it; the others stay.
///
/// Its own terms say what it costs, and its price less that goes back. The body names the quote
/// that was told; when it names none or another, the answer is 409 `agreement_needed` with the
/// quote that holds. The last leg is cancelled with the booking.
///
/// Before anything is paid the leg is given up: price and amount follow, and the amount is paid to
/// another address. Once money was seen, the leg's price goes back when that is final. Where it is
/// not known whether the leg is bought, or another leg is being replaced, `cancelling_for` tells
/// the fee until it is done; what was never bought costs nothing. One leg at a time.
#[utoipa::path(
    post, path = "/v1/bookings/{id}/legs/{leg_id}/cancellation", tag = "bookings",
    params(
        ("id" = Uuid, Path, description = "The booking"),
        ("leg_id" = Uuid, Path, description = "The leg"),
        ("quote" = Option<bool>, Query, description = "`true`: only tell what it costs"),
    ),
    request_body = Option<Cancellation>,
    responses(
        (status = 200, description = "What it costs; nothing changed", body = ShownQuote),
        (
            status = 202,
            description = "The booking, going on without the leg. The same agreement said again \
                           is the same wish, and is answered with the booking as it is then",
            body = views::ShownBooking,
        ),
        problems::Malformed, problems::NotFound, problems::Refused, problems::Invalid,
    ),
)]
pub(super) async fn cancel_leg(
    State(app): State<App>,
    bearer: Bearer,
    Path((booking_id, leg_id)): Path<(BookingId, LegId)>,
    Query(Asked { quote }): Query<Asked>,
    body: Bytes,
) -> Result<Response, ApiError> {
    let account = account(&bearer)?;
    let agreed = agreed(&body)?;
    if quote == Some(true) {
        let booking = acts::booking_of(&app, &account, booking_id).await?;
        let quote = cancel_leg_quote(&booking, leg_id, app.clock.now()).map_err(|r| refused(&r))?;
        return Ok(Json(told(&app, &quote).await).into_response());
    }
    acts::ask(&app, account, booking_id, Command::CancelLeg { leg_id, agreed }).await
}

/// The quote that the body names; a cancellation that costs nothing needs no body.
fn agreed(body: &[u8]) -> Result<Option<Uuid>, ApiError> {
    if body.is_empty() {
        return Ok(None);
    }
    let body: Value = serde_json::from_slice(body)
        .map_err(|_| ApiError::bad_request("malformed", "the body is not JSON"))?;
    let faults = Faults::default();
    let form = Form::new(&body, "", &faults);
    let agreed = form.optional_text("quote", |text| {
        text.parse().map_err(|_| "must be the quote of a cancellation".to_owned())
    });
    form.end();
    faults.answer()?;
    Ok(agreed)
}
