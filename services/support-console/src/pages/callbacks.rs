//! A callback taken again: what that means, and a form to do it.

use axum::{
    extract::State,
    response::{IntoResponse as _, Redirect, Response},
};
use chassis::{
    ApiError,
    http::{Json, Path},
};
use contracts::ids::CallbackId;
use maud::html;

use super::{
    layout::{Page, booking_link, csrf, reason},
    session::{Form, Session},
};
use crate::{
    App,
    http::{OPERATOR, acting::Actor, actions::Because, callbacks},
};

/// What would be done, and a form to do it.
pub(super) async fn ask(
    State(app): State<App>,
    session: Session,
    Path(id): Path<CallbackId>,
) -> Result<Response, ApiError> {
    if !session.may(OPERATOR) {
        return Err(ApiError::forbidden());
    }
    let booking = callbacks::booking_of(&app, id).await;
    let body = html! {
        p.lead { "Callback " code { (id) } }
        section.card.narrow {
            h2 { "This will be done" }
            p {
                "It is said once more, as it is read today. Whoever hears of it looks again at the "
                "supplier how things stand; the callback itself changes nothing. It is stored as it is."
            }
            p {
                @match booking {
                    Some(booking) => { "It is about " (booking_link(booking.0)) "." }
                    None => { "It is about no booking that is known." }
                }
            }
            form method="post" action=(format!("/callbacks/{id}")) {
                (csrf(&session))
                (reason("Why it is to be looked into once more"))
                div.acts {
                    button type="submit" { "Take it again" }
                    a.button.quiet href="/" { "No, go back" }
                }
            }
        }
    };
    Ok(Page::new("Take a callback again", "", body).framed(Some(&session)))
}

/// Does it.
pub(super) async fn again(
    State(app): State<App>,
    actor: Actor,
    Path(id): Path<CallbackId>,
    Form(because): Form<Because>,
) -> Result<Response, ApiError> {
    callbacks::again(State(app.clone()), actor, Path(id), because.map(Json)).await?;
    let booking = callbacks::booking_of(&app, id).await;
    let to = booking.map_or_else(|| "/audit".to_owned(), |booking| format!("/bookings/{booking}"));
    Ok(Redirect::to(&to).into_response())
}
