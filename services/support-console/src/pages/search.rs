//! Finds a booking or a letter by whatever a customer, a supplier or a log names.

use axum::{
    extract::State,
    response::{IntoResponse as _, Redirect, Response},
};
use chassis::{
    ApiError,
    http::{Json, Query},
};
use maud::html;

use super::{
    layout::{Page, booking_link, exactly, short},
    overview::silent,
    session::Session,
};
use crate::{
    App,
    http::{
        OPERATOR,
        timeline::{self, Key},
    },
};

/// The page, or the one booking that is meant.
pub(super) async fn show(
    State(app): State<App>,
    session: Session,
    Query(Key { key }): Query<Key>,
) -> Result<Response, ApiError> {
    let asked = Query(Key { key: key.clone() });
    let Json(result) = timeline::search(State(app), session.bearer(), asked).await?;
    let mut bookings: Vec<_> = result.found.iter().map(|found| found.booking_id).collect();
    bookings.dedup();
    let all_answer = result.owners.iter().all(|owner| owner.answers);
    if let ([only], true, []) = (bookings.as_slice(), all_answer, &*result.callbacks) {
        return Ok(Redirect::to(&format!("/bookings/{only}")).into_response());
    }
    let body = html! {
        p.lead { "For " code { (key) } }
        (silent(&result.owners))
        @if session.may(OPERATOR) {
            p { a href="/search/contacts" { "Search by an e-mail address" } }
        }
        section.card {
            h2 { "Bookings" }
            @if result.found.is_empty() { p.empty { "No booking is known under that." } }
            @else {
                table.stack {
                    thead { tr { th { "Booking" } th { "Known by its" } th { "To" } } }
                    tbody {
                        @for found in &result.found {
                            tr {
                                td { (booking_link(found.booking_id.0)) }
                                td data-label="Known by its" { (found.by.replace('_', " ")) }
                                td data-label="To" { (found.owner) }
                            }
                        }
                    }
                }
            }
        }
        @if !result.callbacks.is_empty() {
            section.card {
                h2 { "Callbacks about nothing that is known" }
                ul {
                    @for callback in &result.callbacks {
                        li {
                            code { (callback.callback_id) } " of " (callback.supplier) ", "
                            (exactly(callback.received_at))
                        }
                    }
                }
            }
        }
        @if !result.dead_letters.is_empty() {
            section.card {
                h2 { "Dead letters" }
                ul {
                    @for id in &result.dead_letters {
                        li { a href=(format!("/letters/{id}")) { (short(*id)) } }
                    }
                }
            }
        }
    };
    Ok(Page::new("Search", "", body).framed(Some(&session)))
}
