//! What suppliers ask more than was agreed to, before it is held: the customer goes on with it, or
//! does not.

use axum::{extract::State, response::Response};
use booking_core::{Booking, Command, new_terms};
use chassis::{
    ApiError,
    auth::Bearer,
    http::{Json, Path},
};
use contracts::{
    ids::BookingId,
    shown::{ASSETS_KEY, ShownAssets},
};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    account, acts,
    form::{Faults, Form},
    openapi::problems,
    quotes, views,
};
use crate::{App, payable};

/// An agreement to what suppliers ask now.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AgreementToTerms {
    /// The `digest` of the booking's `new_terms`: it names exactly the prices and the terms that
    /// are agreed to.
    digest: Uuid,
}

/// Goes on at what suppliers ask now.
///
/// While a supplier asks more than is ours to bear, or has worse terms, the booking is
/// `awaiting_consent` and nothing can be paid. Who agrees pays what is asked; cancelling costs
/// nothing, and saying nothing until `answer_by` undoes it. When something else is asked meanwhile,
/// the answer is 409 `terms_changed` with the terms of now. 409 `asset_not_offered` says that what
/// would be left to pay cannot be paid in the asset of the booking.
#[utoipa::path(
    post, path = "/v1/bookings/{id}/terms", tag = "bookings",
    params(("id" = Uuid, Path, description = "The booking")),
    request_body = AgreementToTerms,
    responses(
        (
            status = 202,
            description = "The booking, as it goes on. The same agreement said again is the same \
                           wish, and is answered with the booking as it is then",
            body = views::ShownBooking,
        ),
        problems::Malformed, problems::NotFound, problems::Refused, problems::Invalid,
    ),
)]
pub(super) async fn accept(
    State(app): State<App>,
    bearer: Bearer,
    Path(booking_id): Path<BookingId>,
    Json(body): Json<Value>,
) -> Result<Response, ApiError> {
    let account = account(&bearer)?;
    let agreed = read(&body)?;
    let booking = acts::booking_of(&app, &account, booking_id).await?;
    check_payable(&app, &booking, agreed).await?;
    acts::ask(&app, account, booking_id, Command::AcceptTerms { agreed }).await
}

/// Refuses an agreement to an amount that nobody could pay, as a quote of it would be.
///
/// Where Redis has no assets, nobody is asked: a payment that cannot be had ends the booking then.
async fn check_payable(app: &App, booking: &Booking, agreed: Uuid) -> Result<(), ApiError> {
    let told = new_terms(booking).filter(|terms| terms.digest == agreed);
    let Some(amount) = told.map(|terms| terms.amount).filter(|amount| !amount.units.is_zero())
    else {
        return Ok(());
    };
    let Some(shown) = app.cache.shown::<ShownAssets>(ASSETS_KEY).await else { return Ok(()) };
    let Some(asset) = shown.assets.iter().find(|asset| asset.asset == amount.asset) else {
        return Ok(());
    };
    let time = payable::time_to_settle(&app.policy, booking.standing().map(|leg| &leg.order));
    match payable::why_not(asset, amount.units, time) {
        None => Ok(()),
        why => Err(quotes::not_offered(why)),
    }
}

fn read(body: &Value) -> Result<Uuid, ApiError> {
    let faults = Faults::default();
    let form = Form::new(body, "", &faults);
    let agreed = form.text("digest", |text| {
        text.parse().map_err(|_| "must be the digest of new terms".to_owned())
    });
    form.end();
    faults.answer()?;
    agreed.ok_or_else(ApiError::internal_logged)
}
