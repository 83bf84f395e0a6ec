//! The frame of every page, and the few things that pages share.

use axum::response::{IntoResponse, Response};
use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use http::StatusCode;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use uuid::Uuid;

use super::session::Session;
use crate::state::State;

/// Where the browser gets the look; the part after the name changes with it.
pub(super) const CSS_PATH: &str = "/assets/console.css";
pub(super) const JS_PATH: &str = "/assets/console.js";

/// A page, before it has its frame.
pub(crate) struct Page {
    pub(super) title: String,
    /// Which entry of the navigation it belongs to.
    pub(super) place: &'static str,
    pub(super) body: Markup,
    /// Seconds after which it is read again; none for what stays.
    pub(super) live: Option<u32>,
    pub(super) status: StatusCode,
    /// Where it sends its reader on to at once.
    pub(super) onward: Option<String>,
}

impl Page {
    pub(super) fn new(title: impl Into<String>, place: &'static str, body: Markup) -> Self {
        let (title, status) = (title.into(), StatusCode::OK);
        Self { title, place, body, live: None, status, onward: None }
    }

    pub(super) fn live(self, seconds: u32) -> Self {
        Self { live: Some(seconds), ..self }
    }

    pub(super) fn onward(self, to: &str) -> Self {
        Self { onward: Some(format!("0;url={to}")), ..self }
    }

    /// Puts the frame around it.
    pub(super) fn framed(self, session: Option<&Session>) -> Response {
        let Self { title, place, body, live, status, onward } = self;
        let page = html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    title { (title) " · Holdfast support" }
                    link rel="stylesheet" href=(CSS_PATH);
                    link rel="icon" href="data:,";
                    script src=(JS_PATH) defer {}
                    @if let Some(onward) = &onward {
                        meta http-equiv="refresh" content=(onward);
                    }
                }
                body {
                    a.skip href="#main" { "Skip to the page" }
                    @if let Some(session) = session { (top(session, place)) }
                    main id="main" data-live=[live] {
                        h1 { (title) }
                        (body)
                    }
                    footer { "All times are UTC, by the owner's database." }
                }
            }
        };
        (status, [(http::header::CONTENT_TYPE, "text/html; charset=utf-8")], page.into_string())
            .into_response()
    }
}

fn top(session: &Session, place: &str) -> Markup {
    let places = [
        ("/", "Overview"),
        ("/letters", "Dead letters"),
        ("/runs", "Replays"),
        ("/refunds", "Refunds"),
        ("/suppliers", "Suppliers"),
        ("/cases", "Cases"),
        ("/audit", "Audit"),
    ];
    html! {
        header.top {
            div {
                a.brand href="/" { (anchor()) "Holdfast support" }
                nav aria-label="Main" {
                    @for (href, name) in places {
                        a href=(href) aria-current=[(href == place).then_some("page")] { (name) }
                    }
                }
                form.find action="/search" method="get" role="search" {
                    input type="search" name="key" required maxlength="200" autocomplete="off"
                        aria-label="Booking, reference, transaction, address, trace or message"
                        placeholder="Booking, reference, transaction, trace …";
                    button.quiet type="submit" { "Find" }
                }
                div.me {
                    span { b { (session.name) } " · " (role_name(&session.role)) }
                    form action="/sign-out" method="post" {
                        (csrf(session))
                        button.quiet type="submit" { "Sign out" }
                    }
                }
            }
        }
    }
}

fn anchor() -> Markup {
    PreEscaped(
        r#"<svg width="20" height="20" viewBox="0 0 20 20" aria-hidden="true" fill="none" stroke="currentColor" stroke-width="2" stroke-linecap="round"><circle cx="10" cy="4" r="2"/><path d="M10 6v12M6 9h8M3 12c0 4 3 6 7 6s7-2 7-6"/></svg>"#
            .to_owned(),
    )
}

/// A role as people say it.
pub(super) fn role_name(role: &str) -> &str {
    role.strip_prefix("support_").unwrap_or(role)
}

/// What every form carries, so that no other site can send it.
pub(super) fn csrf(session: &Session) -> Markup {
    html! { input type="hidden" name="csrf" value=(session.csrf); }
}

/// An instant.
pub(super) fn instant(at: DateTime<Utc>) -> Markup {
    let machine = at.to_rfc3339_opts(SecondsFormat::Micros, true);
    html! { time datetime=(machine) { (at.format("%Y-%m-%d %H:%M:%S")) } }
}

/// An instant to the millisecond.
pub(super) fn exactly(at: DateTime<Utc>) -> Markup {
    let machine = at.to_rfc3339_opts(SecondsFormat::Micros, true);
    html! { time datetime=(machine) { (at.format("%Y-%m-%d %H:%M:%S%.3f")) } }
}

/// A length of time as people say it.
pub(super) fn span(length: TimeDelta) -> String {
    let seconds = length.num_seconds().max(0);
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min", seconds / 60),
        3_600..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    }
}

/// How long ago.
pub(super) fn ago(at: DateTime<Utc>, now: DateTime<Utc>) -> Markup {
    let machine = at.to_rfc3339_opts(SecondsFormat::Micros, true);
    html! { time datetime=(machine) title=(at.format("%Y-%m-%d %H:%M:%S UTC")) { (span(now - at)) } }
}

/// How a letter stands, as a coloured word.
pub(super) fn standing(state: State) -> Markup {
    let (class, word) = match state {
        State::Parked => ("pill warn", "waits for a decision"),
        State::Replaying => ("pill", "replay pending"),
        State::Succeeded => ("pill good", "succeeded"),
        State::FailedAgain => ("pill bad", "failed again"),
        State::Discarded => ("pill", "discarded"),
    };
    html! { span class=(class) { (word) } }
}

/// A booking's link.
pub(super) fn booking_link(id: Uuid) -> Markup {
    html! { a href=(format!("/bookings/{id}")) { code.id { (short(id)) } } }
}

/// The end of an id: ids begin with the time, so the end tells them apart.
pub(super) fn short(id: Uuid) -> String {
    let text = id.to_string();
    let end: String = text.chars().skip(24).collect();
    format!("…{end}")
}

/// A field for the reason that every act needs.
pub(super) fn reason(hint: &str) -> Markup {
    html! {
        label for="reason" { "Reason" }
        textarea id="reason" name="reason" required maxlength="500" placeholder=(hint) {}
        p.sub { "It is kept in the audit, with your name. No personal data, please." }
    }
}

/// A message type without what all of them share.
pub(super) fn type_name(name: &str) -> &str {
    name.strip_prefix("holdfast.").unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_of_time_is_said_in_its_largest_unit() {
        let said = |seconds| span(TimeDelta::seconds(seconds));
        assert_eq!([said(-5), said(59), said(60), said(7_200)], ["0 s", "59 s", "1 min", "2 h"]);
        assert_eq!(said(259_200), "3 days");
    }
}
