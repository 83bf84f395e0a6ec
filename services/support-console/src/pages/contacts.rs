//! Finds the bookings of an e-mail address: asked for with a reason, and the search recorded.

use axum::{extract::State, response::Response};
use chassis::{ApiError, http::Json};
use maud::html;

use super::{
    layout::{Page, booking_link, csrf, reason},
    session::{Form, Session},
};
use crate::{
    App,
    http::{
        OPERATOR,
        acting::Actor,
        contacts::{self, Wanted},
    },
};

/// What searching means, and a form to do it.
pub(super) async fn ask(session: Session) -> Result<Response, ApiError> {
    if !session.may(OPERATOR) {
        return Err(ApiError::forbidden());
    }
    let body = html! {
        section.card.narrow {
            h2 { "This will be done" }
            p {
                "Bookings whose contact has this e-mail address are shown. "
                "That you searched is recorded, with your reason and without the address."
            }
            form method="post" action="/search/contacts" {
                (csrf(&session))
                label for="email" { "E-mail address" }
                input type="email" id="email" name="email" required maxlength="254" autocomplete="off";
                (reason("Why you have to know"))
                div.acts { button type="submit" { "Find" } }
            }
        }
    };
    std::future::ready(Ok(Page::new("Search by e-mail", "", body).framed(Some(&session)))).await
}

/// Shows them.
pub(super) async fn show(
    State(app): State<App>,
    session: Session,
    actor: Actor,
    Form(wanted): Form<Wanted>,
) -> Result<Response, ApiError> {
    let Json(result) = contacts::find(State(app), actor, wanted.map(Json)).await?;
    let body = html! {
        p.lead { "That you searched is recorded." }
        section.card {
            h2 { "Bookings" }
            @if result.found.is_empty() { p.empty { "No booking has that address." } }
            @else {
                ul { @for found in &result.found { li { (booking_link(found.booking_id.0)) } } }
            }
        }
        p { a href="/search/contacts" { "Search again" } }
    };
    Ok(Page::new("Search by e-mail", "", body).framed(Some(&session)))
}
