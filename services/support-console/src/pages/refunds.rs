//! Refunds that wait for a second person, and letting one go.

use axum::{
    extract::State,
    response::{IntoResponse as _, Redirect, Response},
};
use chassis::{
    ApiError,
    http::{Json, Path},
};
use contracts::{
    ids::BookingId, internal::WaitingRefund, messages::RefundBasis, staff::same_person,
};
use maud::{Markup, html};
use uuid::Uuid;

use super::{
    layout::{Page, ago, booking_link, csrf, reason},
    session::{Form, Session},
};
use crate::{
    App,
    http::{APPROVER, acting::Actor, actions::Because, refunds},
};

/// The page.
pub(super) async fn list(State(app): State<App>, session: Session) -> Result<Response, ApiError> {
    let waiting = refunds::waiting(&app).await?.refunds;
    let body = html! {
        p.lead {
            "So much goes back of one payment that a second person has to let it go. Nothing is "
            "sent before."
        }
        section.card {
            @if waiting.is_empty() {
                p.empty { "No refund waits for anybody." }
            } @else {
                table.stack {
                    thead { tr {
                        th { "Booking" } th.n { "Amount" } th { "Worth then" } th { "Waits for" }
                        th { "Who looked into it" } th { span.sub { "What to do" } }
                    } }
                    tbody { @for refund in &waiting { (row(refund, &session)) } }
                }
            }
        }
    };
    Ok(Page::new("Refunds to let go", "/refunds", body).live(5).framed(Some(&session)))
}

fn row(refund: &WaitingRefund, session: &Session) -> Markup {
    let own = refund.handled_by.as_deref().is_some_and(|name| same_person(name, &session.name));
    html! {
        tr {
            td data-label="Booking" { (booking_link(refund.booking_id.0)) }
            td.n data-label="Amount" { (refund.amount_decimal) " " (refund.amount.asset) }
            td data-label="Worth then" { (worth(refund)) }
            td data-label="Waits for" { (ago(refund.granted_at, session.now)) }
            td data-label="Who looked into it" {
                (refund.handled_by.as_deref().unwrap_or("nobody"))
            }
            td {
                @if session.may(APPROVER) && !own {
                    a.button.quiet href=(path(refund.booking_id, refund.refund_id)) { "Let it go …" }
                } @else if own {
                    span.sub { "somebody else has to" }
                }
            }
        }
    }
}

fn worth(refund: &WaitingRefund) -> String {
    refund.worth.map_or_else(|| "–".to_owned(), |worth| worth.to_string())
}

fn path(booking_id: BookingId, refund_id: Uuid) -> String {
    format!("/bookings/{booking_id}/refunds/{refund_id}/approval")
}

/// What letting it go would do, and a form.
pub(super) async fn ask(
    State(app): State<App>,
    session: Session,
    Path((booking_id, refund_id)): Path<(BookingId, Uuid)>,
) -> Result<Response, ApiError> {
    if !session.may(APPROVER) {
        return Err(ApiError::forbidden());
    }
    let found = refunds::one(&app, booking_id, refund_id).await?;
    let refund = found.ok_or_else(ApiError::not_found)?;
    let body = html! {
        section.card {
            h2 { "The refund" }
            dl.pairs {
                dt { "Booking" } dd { (booking_link(booking_id.0)) }
                dt { "Amount" } dd { (refund.amount_decimal) " " (refund.amount.asset) }
                dt { "At the value" } dd { (basis(refund.basis)) }
                dt { "Worth then" } dd { (worth(&refund)) }
                dt { "Will be sent" } dd { (sends(&refund)) }
                dt { "The customer said where to" }
                dd { (if refund.has_address { "yes" } else { "not yet" }) }
                dt { "Waits for" } dd { (ago(refund.granted_at, session.now)) }
                dt { "Who looked into it" }
                dd { (refund.handled_by.as_deref().unwrap_or("nobody")) }
            }
        }
        section.card.narrow {
            h2 { "This will be done" }
            p {
                "The refund is handed to the treasury, or to the card gateway, which sends it to "
                "where the customer wants it. That cannot be taken back. If you looked into this "
                "booking yourself, it is refused."
            }
            form method="post" action=(path(booking_id, refund_id)) {
                (csrf(&session))
                (reason("How you know that it is due"))
                div.acts {
                    button type="submit" { "Let it go" }
                    a.button.quiet href="/refunds" { "No, go back" }
                }
            }
        }
    };
    Ok(Page::new("Let a refund go", "/refunds", body).framed(Some(&session)))
}

/// Which value, for a person.
const fn basis(basis: RefundBasis) -> &'static str {
    match basis {
        RefundBasis::Then => "of then: as many units as were paid",
        RefundBasis::Now => "of now: as many units as were worth it when it was granted",
        RefundBasis::Fiat => {
            "in the currency of the price: as many units as are worth it when they are sent"
        }
    }
}

/// How much is sent, as far as that is known.
fn sends(refund: &WaitingRefund) -> String {
    match &refund.sends_decimal {
        Some(amount) => format!("{amount} {}", refund.amount.asset),
        None => "what it is worth at the rate of then".to_owned(),
    }
}

/// Lets it go.
pub(super) async fn approve(
    State(app): State<App>,
    actor: Actor,
    Path((booking_id, refund_id)): Path<(BookingId, Uuid)>,
    Form(because): Form<Because>,
) -> Result<Response, ApiError> {
    let path = Path((booking_id, refund_id));
    let _accepted = refunds::approve(State(app), actor, path, because.map(Json)).await?;
    Ok(Redirect::to("/refunds").into_response())
}
