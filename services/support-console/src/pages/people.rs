//! Who travels: asked for with a reason, shown once, and the look recorded.

use axum::{extract::State, response::Response};
use chassis::{
    ApiError,
    http::{Json, Path},
};
use contracts::ids::BookingId;
use maud::html;

use super::{
    layout::{Page, csrf, reason},
    session::{Form, Session},
};
use crate::{
    App,
    http::{OPERATOR, acting::Actor, actions::Because, people},
};

/// What looking means, and a form to do it.
pub(super) async fn ask(
    session: Session,
    Path(booking_id): Path<BookingId>,
) -> Result<Response, ApiError> {
    if !session.may(OPERATOR) {
        return Err(ApiError::forbidden());
    }
    let body = html! {
        section.card.narrow {
            h2 { "This will be done" }
            p {
                "Names, birthdays, contact and wishes of whoever travels are shown to you, once. "
                "That you looked is recorded, with your reason."
            }
            form method="post" action=(format!("/bookings/{booking_id}/travellers")) {
                (csrf(&session))
                (reason("Why you have to know"))
                div.acts {
                    button type="submit" { "Show them" }
                    a.button.quiet href=(format!("/bookings/{booking_id}")) { "No, go back" }
                }
            }
        }
    };
    std::future::ready(Ok(Page::new("Who travels", "", body).framed(Some(&session)))).await
}

/// Shows them.
pub(super) async fn show(
    State(app): State<App>,
    session: Session,
    actor: Actor,
    Path(booking_id): Path<BookingId>,
    Form(because): Form<Because>,
) -> Result<Response, ApiError> {
    let people = people::show(State(app), actor, Path(booking_id), because.map(Json)).await;
    let Json(people) = people?;
    let body = html! {
        p.lead {
            "That you looked is recorded. "
            a href=(format!("/bookings/{booking_id}")) { "Back to the booking" }
        }
        section.card {
            table.stack {
                thead { tr { th { "Given name" } th { "Family name" } th { "Born" } } }
                tbody {
                    @for one in &people.travellers {
                        tr {
                            td { (one.given_name) }
                            td { (one.family_name) }
                            td data-label="Born" {
                                @match one.born_on { Some(day) => (day), None => "not needed" }
                            }
                        }
                    }
                }
            }
        }
        section.card {
            dl.pairs {
                dt { "E-mail" } dd { (people.email) }
                dt { "Phone" } dd { (people.phone) }
                dt { "Wishes" } dd { (people.special_requests.as_deref().unwrap_or("none")) }
            }
        }
    };
    Ok(Page::new("Who travels", "", body).framed(Some(&session)))
}
