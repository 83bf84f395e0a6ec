//! Where the money that goes back is sent: an address that the customer gives and confirms.

use axum::{extract::State, response::Response};
use booking_core::Command;
use chassis::{
    ApiError,
    auth::Bearer,
    http::{Json, Path},
};
use contracts::ids::BookingId;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::{
    account, acts,
    address::{self, Chain},
    form::{Faults, Form},
    openapi::problems,
    views,
};
use crate::App;

/// Where the money goes.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RefundRequest {
    /// An address of the chain that was paid on, as wallets show it: it carries a checksum, on an
    /// EVM chain in its upper and lower case. On a chain of the Bitcoin family it is one of
    /// segregated witness, with that chain's prefix.
    #[schema(example = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed")]
    to: String,
    /// The same again; needed where `to` is of an EVM chain, all in one case, and so carries
    /// no checksum.
    confirm: Option<String>,
}

/// Says where the money that goes back is sent. It is never sent where it came from by itself.
///
/// The same address again is a repeat; another one is refused once one was given.
#[utoipa::path(
    post, path = "/v1/bookings/{id}/refund", tag = "bookings", request_body = RefundRequest,
    params(("id" = Uuid, Path, description = "The booking")),
    responses(
        (status = 202, description = "The booking, with the address it has now", body = views::ShownBooking),
        problems::Malformed, problems::NotFound, problems::Refused, problems::Invalid,
    ),
)]
pub(super) async fn give(
    State(app): State<App>,
    bearer: Bearer,
    Path(booking_id): Path<BookingId>,
    Json(body): Json<Value>,
) -> Result<Response, ApiError> {
    let account = account(&bearer)?;
    let booking = acts::booking_of(&app, &account, booking_id).await?;
    let signed = booking.payment.instruction.as_ref().map(|signed| &signed.instruction);
    let paid_to = signed.map(|instruction| instruction.address.as_str());
    let to = read(&body, &Chain::paid_on(signed), paid_to)?;
    acts::ask(&app, account, booking_id, Command::Refund { to }).await
}

fn read(body: &Value, chain: &Chain, paid_to: Option<&str>) -> Result<String, ApiError> {
    let faults = Faults::default();
    let form = Form::new(body, "", &faults);
    form.required("to");
    let to = address::confirmed(&form, &faults, chain, "to", "confirm");
    form.end();
    // What came to it would be a payment again, and go back again.
    let ours = to.as_deref().zip(paid_to).is_some_and(|(to, ours)| to.eq_ignore_ascii_case(ours));
    if ours && *chain != Chain::Card {
        let detail = "is where this booking is paid to: give an address of your own wallet";
        faults.add(&form.at("to"), "ours", detail);
    }
    faults.answer()?;
    to.ok_or_else(ApiError::internal_logged)
}

#[cfg(test)]
mod tests {
    use contracts::instruction::CARD;
    use serde_json::json;

    use super::*;

    const TO: &str = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed";

    fn evm(body: &Value) -> Result<String, ApiError> {
        read(body, &Chain::Evm, None)
    }

    #[test]
    fn money_does_not_go_back_to_where_the_booking_is_paid_to() {
        let paid_to = TO.to_lowercase();
        assert!(read(&json!({"to": TO}), &Chain::Evm, Some(&paid_to)).is_err());
        let other = "0x000000000000000000000000000000000000dEaD";
        assert!(read(&json!({"to": TO}), &Chain::Evm, Some(other)).is_ok());
        assert!(read(&json!({"to": CARD}), &Chain::Card, Some(CARD)).is_ok());
    }

    #[test]
    fn an_address_is_confirmed_by_its_checksum_or_by_saying_it_again() {
        assert_eq!(evm(&json!({"to": TO})).ok().as_deref(), Some(TO));
        let lower = TO.to_lowercase();
        assert!(evm(&json!({"to": lower})).is_err());
        let again = evm(&json!({"to": lower, "confirm": lower}));
        assert_eq!(again.ok().as_deref(), Some(TO));
        assert!(evm(&json!({"to": TO, "confirm": lower})).is_err());
        assert!(evm(&json!({"to": TO, "from": TO})).is_err());
        assert!(evm(&json!({})).is_err());
    }

    #[test]
    fn an_address_with_a_checksum_of_its_own_is_said_once() {
        let chain = Chain::Segwit { prefix: Some("bc".to_owned()) };
        let to = "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4";
        assert_eq!(read(&json!({"to": to}), &chain, None).ok().as_deref(), Some(to));
        assert!(read(&json!({"to": to, "confirm": "no"}), &chain, None).is_err());
        assert!(read(&json!({"to": TO}), &chain, None).is_err());
    }
}
