//! What somebody has to see to: what is odd about payments, and what differs between us and
//! suppliers or is not as they document it; of the latter one with both sides, and its closing.

use axum::{
    extract::State,
    response::{IntoResponse as _, Redirect, Response},
};
use chassis::{
    ApiError,
    http::{Json, Path},
};
use chrono::{DateTime, Utc};
use contracts::internal::SupplierCase;
use maud::{Markup, html};
use serde_json::Value;
use uuid::Uuid;

use super::{
    layout::{Page, ago, booking_link, csrf, instant, reason},
    payment_cases as odd_payments,
    session::{Form, Session},
};
use crate::{
    App,
    http::{OPERATOR, acting::Actor, actions::Because, cases, payment_cases},
};

/// The open ones of both sorts.
pub(super) async fn list(State(app): State<App>, session: Session) -> Result<Response, ApiError> {
    let (odd, reply) = futures::join!(payment_cases::open(&app), cases::open(&app));
    let body = html! {
        p.lead { "Each waits until somebody has seen to it." }
        section.card id="payments" {
            h2 { "Odd payments" @if let Some(odd) = &odd { " " span.pill { (odd.open) } } }
            p.sub { "What came and does not pay, what left and should not have, what a card's holder complains of; the newest first." }
            @match &odd {
                None => div.notice.warn role="status" { p { b { "payment-verification" } " does not answer." } },
                Some(odd) if odd.cases.is_empty() => p.empty { "None is open." },
                Some(odd) => {
                    (odd_payments::table(&odd.cases, session.now))
                    @if let more @ 1.. = odd.open.saturating_sub(odd.cases.len() as u64) {
                        p { "And " (more) " older ones." }
                    }
                },
            }
        }
        section.card id="suppliers" {
            h2 { "At suppliers" @if let Some(reply) = &reply { " " span.pill { (reply.cases.len()) } } }
            p.sub { "What suppliers have and we do not, or the other way round; the oldest first." }
            @match &reply {
                None => div.notice.warn role="status" { p { b { "supplier-sync" } " does not answer." } },
                Some(reply) if reply.cases.is_empty() => p.empty { "None is open." },
                Some(reply) => (table(&reply.cases, session.now)),
            }
        }
    };
    Ok(Page::new("Cases", "/cases", body).live(10).framed(Some(&session)))
}

/// Cases as a table.
pub(super) fn table(cases: &[SupplierCase], now: DateTime<Utc>) -> Markup {
    html! {
        table.stack {
            thead { tr {
                th { "What" } th { "Supplier" } th { "About" } th { "Booking" } th { "For" }
                th.n { "Seen" }
            } }
            tbody {
                @for case in cases {
                    tr {
                        td { a href=(format!("/cases/{}", case.case_id)) { (title(&case.kind)) } }
                        td data-label="Supplier" { (case.supplier) }
                        td data-label="About" { code { (case.subject) } }
                        td data-label="Booking" {
                            @match case.booking_id {
                                Some(booking) => (booking_link(booking.0)),
                                None => "–",
                            }
                        }
                        td data-label="For" { (ago(case.opened_at, now)) }
                        td.n data-label="Seen" { (times(case.times)) }
                    }
                }
            }
        }
    }
}

fn times(count: u32) -> String {
    if count == 1 { "once".to_owned() } else { format!("{count} times") }
}

/// A kind of case as people say it.
fn title(kind: &str) -> &str {
    match kind {
        "status" => "Another state",
        "dates" => "Other dates",
        "names" => "Other names",
        "price" => "Another price",
        "room" => "Another room",
        "missing" => "Not there",
        "orphan" => "Nobody ordered it",
        "fee" => "Dearer to cancel",
        "contract" => "An answer not as documented",
        other => other,
    }
}

fn explained(kind: &str) -> &'static str {
    match kind {
        "missing" => "We hold a reservation that the supplier does not show.",
        "orphan" => {
            "The supplier has a reservation under our reference that no booking wants. It is given back where the rules allow it."
        }
        "fee" => {
            "Cancelling cost more than the terms say that were agreed to. The customer is charged what was agreed; the rest is ours."
        }
        "contract" => {
            "The supplier answered in another form than it documents. Below is the form of the answer; values are not kept."
        }
        _ => "What the supplier shows of a reservation is not what we have of it.",
    }
}

/// One, with both sides.
pub(super) async fn show(
    State(app): State<App>,
    session: Session,
    Path(id): Path<Uuid>,
) -> Result<Response, ApiError> {
    let Json(case) = cases::show(State(app), session.bearer(), Path(id)).await?;
    let (left, right) = match case.kind.as_str() {
        "contract" => ("As documented", "As it came"),
        _ => ("We have", "The supplier has"),
    };
    let body = html! {
        p.lead { (explained(&case.kind)) }
        @if let Some(closed) = &case.closed {
            div.notice.good role="status" {
                p { "Closed by " b { (closed.staff) } " at " (instant(closed.at)) ": " (closed.why) }
            }
        }
        section.card {
            dl.pairs {
                dt { "Supplier" } dd { (case.supplier) }
                dt { "About" } dd { code { (case.subject) } }
                @if let Some(booking) = case.booking_id {
                    dt { "Booking" } dd { a href=(format!("/bookings/{booking}")) { code { (booking) } } }
                }
                dt { "Open since" } dd { (instant(case.opened_at)) }
                dt { "Seen" } dd { (times(case.times)) ", last at " (instant(case.last_at)) }
            }
        }
        div.grid {
            section.card { h2 { (left) } (side(&case.ours)) }
            section.card { h2 { (right) } (side(&case.theirs)) }
        }
        @if case.closed.is_none() && session.may(OPERATOR) { (closing(&case, &session)) }
    };
    Ok(Page::new(title(&case.kind), "/cases", body).framed(Some(&session)))
}

fn side(value: &Value) -> Markup {
    html! { pre tabindex="0" { (serde_json::to_string_pretty(value).unwrap_or_default()) } }
}

fn closing(case: &SupplierCase, session: &Session) -> Markup {
    html! {
        section.card.narrow {
            h2 { "Close it" }
            p {
                "Nothing is changed at the supplier or in the booking: you say that it is seen to. "
                @if case.kind == "contract" { "It opens again when such an answer comes again." }
                @else { "It opens again when either side shows something else." }
            }
            form method="post" action=(format!("/cases/{}", case.case_id)) {
                (csrf(session))
                (reason("What was done about it, or why nothing has to be"))
                div.acts { button type="submit" { "Close it" } }
            }
        }
    }
}

/// Closes it.
pub(super) async fn close(
    State(app): State<App>,
    actor: Actor,
    Path(id): Path<Uuid>,
    Form(because): Form<Because>,
) -> Result<Response, ApiError> {
    drop(cases::close(State(app), actor, Path(id), because.map(Json)).await?);
    Ok(Redirect::to(&format!("/cases/{id}")).into_response())
}
