//! Everything that happened to a booking, as a list with a sign for each kind of thing.

use contracts::internal::TimelineKind;
use maud::{Markup, PreEscaped, html};
use serde_json::json;

use super::{layout::exactly, traces::Traces};
use crate::http::timeline::Told;

/// Kinds in the order of a booking's way, with the word for people and the sign.
const KINDS: [(TimelineKind, &str, &str, &str); 7] = [
    (TimelineKind::State, "state", "states", r#"<path d="M3 8l3 3 7-7"/>"#),
    (TimelineKind::Exchange, "exchange", "calls", r#"<path d="M2 6h10l-3-3M14 10H4l3 3"/>"#),
    (TimelineKind::Callback, "callback", "callbacks", r#"<path d="M13 4v5H4l3-3M4 9l3 3"/>"#),
    (
        TimelineKind::Payment,
        "payment",
        "payments",
        r#"<circle cx="8" cy="8" r="5"/><path d="M8 5v6M6 8h4"/>"#,
    ),
    (TimelineKind::Ledger, "ledger", "ledger", r#"<path d="M4 3h8v10H4zM6 6h4M6 9h4"/>"#),
    (
        TimelineKind::DeadLetter,
        "dead_letter",
        "dead letters",
        r#"<path d="M2 4h12v8H2zM2 4l6 5 6-5"/>"#,
    ),
    (
        TimelineKind::Act,
        "act",
        "staff",
        r#"<circle cx="8" cy="5" r="2.5"/><path d="M3 14c0-3 2-5 5-5s5 2 5 5"/>"#,
    ),
];

/// The word for a kind in classes and filters.
pub(super) fn word(kind: TimelineKind) -> &'static str {
    KINDS.iter().find(|(of, ..)| *of == kind).map_or("state", |(_, word, ..)| word)
}

fn icon(kind: TimelineKind) -> Markup {
    let (_, word, name, path) =
        KINDS.iter().find(|(of, ..)| *of == kind).copied().unwrap_or((kind, "state", "states", ""));
    html! {
        span class=(format!("icon k-{word}")) {
            svg width="16" height="16" viewBox="0 0 16 16" role="img" aria-label=(name) fill="none"
                stroke="currentColor" stroke-width="1.6" stroke-linecap="round" stroke-linejoin="round" {
                (PreEscaped(path))
            }
        }
    }
}

/// The list, the newest first: what a person looks for is mostly the end.
pub(super) fn list(entries: &[Told], traces: &Traces) -> Markup {
    let there = |kind| entries.iter().any(|told| told.entry.kind == kind);
    html! {
        fieldset.filters {
            legend { "Show" }
            @for (kind, word, name, _) in KINDS {
                @if there(kind) {
                    label { input type="checkbox" checked data-kind=(word); (name) }
                }
            }
        }
        ol.timeline {
            @for told in entries.iter().rev() { (line(told, traces)) }
        }
    }
}

fn line(told: &Told, traces: &Traces) -> Markup {
    let entry = &told.entry;
    let letter = entry.detail.get("dead_letter_id").and_then(serde_json::Value::as_str);
    let came = Some(entry).filter(|entry| entry.kind == TimelineKind::Callback);
    let callback = came.and_then(|came| came.detail.get("callback_id")?.as_str());
    html! {
        li data-of=(word(entry.kind)) {
            (icon(entry.kind))
            div.when {
                (exactly(entry.at))
                @if let Some(at) = entry.partner_at { span.sub { "there " (exactly(at)) } }
            }
            div.what {
                b { (entry.what) }
                span.sub {
                    (entry.actor) @if entry.actor != told.owner { " · told by " (told.owner) }
                    @if let Some(reference) = &entry.reference { " · " code { (reference) } }
                    @if let Some(letter) = letter {
                        " · " a href=(format!("/letters/{letter}")) { "the letter" }
                    }
                    @if let Some(callback) = callback {
                        " · " a href=(format!("/callbacks/{callback}")) { "take it again …" }
                    }
                }
                @if !entry.detail.is_empty() || entry.message_id.is_some() {
                    details {
                        summary { "more" }
                        pre tabindex="0" {
                            (serde_json::to_string_pretty(&json!(entry.detail)).unwrap_or_default())
                        }
                        @if let Some(id) = entry.message_id {
                            span.sub { "message " a href=(format!("/search?key={id}")) { code { (id) } } }
                        }
                        @if let Some(id) = &entry.trace_id { span.sub { "trace " (traces.link(id)) } }
                    }
                }
            }
        }
    }
}
