//! One booking on one page: what its customer sees, what we know, what the supplier last said, and
//! everything that happened.

use axum::{extract::State, response::Response};
use chassis::{
    ApiError,
    http::{Json, Path, Query},
};
use contracts::{
    ids::BookingId,
    internal::{SeenReply, TimelineKind},
    money::Money,
};
use maud::{Markup, html};
use serde_json::Value;

use super::{
    layout::{Page, exactly, instant},
    legs as repairs,
    overview::silent,
    review as reviews,
    session::Session,
    timeline as list, waterfall,
};
use crate::{
    App,
    http::{
        OPERATOR, legs, review,
        seen::{self, AsOf},
        timeline::{self, Told},
    },
};

/// The page.
pub(super) async fn show(
    State(app): State<App>,
    session: Session,
    Path(booking_id): Path<BookingId>,
    Query(AsOf { at }): Query<AsOf>,
) -> Result<Response, ApiError> {
    let told = timeline::show(State(app.clone()), session.bearer(), Path(booking_id));
    let (told, seen, legs, review) = futures::join!(
        told,
        seen::ask(&app, booking_id, at),
        legs::standing(&app, booking_id),
        review::standing(&app, booking_id)
    );
    let Json(told) = told?;
    let seen = seen.and_then(Result::ok);
    let nothing = told.entries.is_empty() && told.owners.iter().all(|owner| owner.answers);
    if nothing {
        return Err(ApiError::not_found());
    }
    let shown = seen.as_ref().map(|seen| &seen.shown);
    // What came after the moment that is looked at was not known then.
    let until = seen.as_ref().filter(|seen| seen.version < seen.newest).map(|seen| seen.at);
    let known = told.entries.partition_point(|told| until.is_none_or(|at| told.entry.at <= at));
    let entries = told.entries.get(..known).unwrap_or_default();
    let body = html! {
        p.lead { code { (booking_id) } }
        (silent(&told.owners))
        @if let Some(review) = review.filter(|_| at.is_none()) {
            (reviews::section(booking_id, &review, &session))
        }
        @if let Some(seen) = &seen { (slider(booking_id, seen)) }
        div.grid {
            section.card {
                h2 { "What the customer sees" }
                @match shown { Some(shown) => (customer(shown)), None => p.empty { "booking does not say." } }
                @if session.may(OPERATOR) {
                    div.acts {
                        a.button.quiet href=(format!("/bookings/{booking_id}/travellers")) {
                            "Show who travels …"
                        }
                    }
                }
            }
            section.card {
                h2 { "What we know" }
                @match shown { Some(shown) => (ours(shown)), None => p.empty { "booking does not say." } }
            }
            section.card { h2 { "What the supplier last said" } (supplier(entries)) }
        }
        @if let Some(legs) = legs.filter(|legs| at.is_none() && !legs.legs.is_empty()) {
            (repairs::section(booking_id, &legs, &session))
        }
        section.card {
            h2 { "Waterfall" }
            (waterfall::draw(entries))
        }
        section.card {
            h2 { @if until.is_none() { "Everything that happened" } @else { "All that had happened" } }
            (list::list(entries, &app.traces))
        }
    };
    let page = Page::new("One booking", "", body);
    let open = shown.is_some_and(is_open) && at.is_none();
    Ok(if open { page.live(3) } else { page }.framed(Some(&session)))
}

fn is_open(shown: &Value) -> bool {
    let ended = ["confirmed", "completed", "no_show", "failed", "cancelled"];
    !ended.contains(&text(shown, "/status"))
}

/// Goes to the booking as it was: a link back, a link on, and a slider between.
fn slider(booking_id: BookingId, seen: &SeenReply) -> Markup {
    let link = |version: u64| format!("/bookings/{booking_id}?at={version}");
    html! {
        section.card {
            form.slider method="get" action=(format!("/bookings/{booking_id}")) {
                @if seen.version > 1 {
                    a.button.quiet href=(link(seen.version - 1)) rel="prev" { "Back" }
                } @else { span {} }
                input type="range" name="at" min="1" max=(seen.newest) value=(seen.version)
                    aria-label="The booking as of which change";
                @if seen.version < seen.newest {
                    a.button.quiet href=(link(seen.version + 1)) rel="next" { "On" }
                } @else { span {} }
                button.quiet type="submit" { "Show" }
            }
            p.sub {
                "As of change " (seen.version) " of " (seen.newest) ", " (exactly(seen.at)) ". "
                @if seen.version < seen.newest {
                    a href=(format!("/bookings/{booking_id}")) { "As it is now" }
                }
            }
        }
    }
}

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

fn customer(shown: &Value) -> Markup {
    let actions = shown.get("next_actions").and_then(Value::as_array);
    let actions: Vec<&str> = actions.into_iter().flatten().filter_map(Value::as_str).collect();
    html! {
        p { span class=(pill(text(shown, "/status"))) { (words(text(shown, "/status"))) } }
        dl.pairs {
            dt { "Price" } dd { (money(shown.get("price"))) }
            dt { "Can do now" }
            dd { (if actions.is_empty() { "nothing".to_owned() } else { words(&actions.join(", ")) }) }
            @if let Some(why) = shown.get("ended_because").and_then(Value::as_str) {
                dt { "Ended because" } dd { (words(why)) }
            }
            @if let Some(points) = shown.get("points").filter(|points| points.is_object()) {
                dt { "Points" }
                dd {
                    (scalar(points.get("redeemed"))) " redeemed, " (words(text(points, "/state")))
                }
            }
        }
    }
}

/// What a person needs of a payment; the timeline has the rest.
const PAYMENT: [(&str, &str); 6] = [
    ("state", "Money"),
    ("amount_decimal", "Amount"),
    ("remaining_decimal", "Missing"),
    ("confirmations", "Confirmations"),
    ("confirmations_needed", "Needed"),
    ("pay_by", "Pay by"),
];

fn ours(shown: &Value) -> Markup {
    let legs = shown.get("legs").and_then(Value::as_array);
    let payment = shown.get("payment");
    let review = shown.get("review").filter(|review| review.is_object());
    html! {
        @if let Some(review) = review {
            div.notice.bad {
                p { b { "In review: " } (words(text(review, "/why"))) }
                @if let Some(stuck) = review.get("stuck").filter(|stuck| stuck.is_object()) {
                    p {
                        "It hangs at " b { (words(text(stuck, "/step"))) } ": "
                        (words(text(stuck, "/reason")))
                    }
                }
                p.sub { "since " (text(review, "/since")) ", by " (text(review, "/by")) }
            }
        }
        dl.pairs {
            @for leg in legs.into_iter().flatten() {
                dt { (words(text(leg, "/kind"))) " " (text(leg, "/supplier")) }
                dd {
                    span class=(pill(text(leg, "/state"))) { (words(text(leg, "/state"))) } " "
                    code { (text(leg, "/reference")) }
                }
            }
            @for (field, name) in PAYMENT {
                @if let Some(value) = payment.and_then(|it| it.get(field))
                    .filter(|it| !it.is_null()) {
                    dt { (name) } dd { (paid(field, value)) }
                }
            }
            dt { "Accepted" } dd { (at(text(shown, "/created_at"))) }
            dt { "Last change" } dd { (at(text(shown, "/changed_at"))) }
        }
    }
}

/// A field of the payment as people read it.
fn paid(field: &str, value: &Value) -> Markup {
    let text = scalar(Some(value));
    match field {
        "pay_by" => at(&text),
        "amount_decimal" | "remaining_decimal" => html! { (short_decimal(&text)) },
        _ => html! { (words(&text)) },
    }
}

/// An instant, or the text that is none.
fn at(text: &str) -> Markup {
    match text.parse() {
        Ok(at) => instant(at),
        Err(_no_instant) => html! { (text) },
    }
}

/// The same number without the zeros that say nothing.
fn short_decimal(text: &str) -> &str {
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { text }
}

fn supplier(entries: &[Told]) -> Markup {
    let said =
        |told: &&Told| matches!(told.entry.kind, TimelineKind::Exchange | TimelineKind::Callback);
    let newest: Vec<_> = entries.iter().rev().filter(said).take(3).collect();
    html! {
        @if newest.is_empty() { p.empty { "Nothing yet." } }
        @for told in newest {
            p {
                b { (told.entry.what) }
                span.sub {
                    (instant(told.entry.at))
                    @if let Some(reference) = &told.entry.reference { " · " code { (reference) } }
                }
            }
        }
    }
}

fn pill(word: &str) -> &'static str {
    match word {
        "confirmed" | "completed" | "settled" => "pill good",
        "failed" | "failing" | "refused" => "pill bad",
        "being_checked" | "cancelling" | "cancelled" | "gone" => "pill warn",
        _ => "pill",
    }
}

fn words(text: &str) -> String {
    text.replace('_', " ")
}

fn money(value: Option<&Value>) -> String {
    let read = value.and_then(|value| serde_json::from_value::<Money>(value.clone()).ok());
    read.map_or_else(|| "–".to_owned(), |money| money.to_string())
}

fn scalar(value: Option<&Value>) -> String {
    match value {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Null) | None => "–".to_owned(),
        Some(other) => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::short_decimal;

    #[test]
    fn a_number_keeps_every_digit_that_says_something() {
        let short = ["0.112496000000", "0.000", "120.50", "100", "7.25"].map(short_decimal);
        assert_eq!(short, ["0.112496", "0", "120.5", "100", "7.25"]);
    }
}
