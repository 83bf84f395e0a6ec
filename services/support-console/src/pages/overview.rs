//! What needs a person now, the worst first.

use axum::{extract::State, response::Response};
use chassis::{ApiError, http::Query};
use chrono::{DateTime, Utc};
use contracts::internal::{AttentionItem, AttentionKind, SupplierCase, SupplierStanding};
use maud::{Markup, html};
use serde::Deserialize;

use super::{
    cases, causes,
    layout::{Page, ago, booking_link},
    queues,
    session::Session,
    suppliers::breaker,
};
use crate::{
    App,
    http::{
        attention::{self, Attention},
        flow,
        proofs::Proven,
    },
    owners::Answering,
    store::{LateReplay, LetterCause},
};

/// Causes that are shown; the list of letters has all.
const CAUSES_SHOWN: usize = 12;
/// Items of one kind that are shown.
const ITEMS_SHOWN: usize = 15;
/// As many messages as an operator is called for.
const QUEUED_IS_MANY: u64 = 1_000;

/// The page.
pub(super) async fn show(State(app): State<App>, session: Session) -> Result<Response, ApiError> {
    let (found, flow) = futures::join!(attention::look(&app), flow::look(&app));
    let found = found?;
    let Attention { causes, counts, breakers, cases_open, owners, .. } = &found;
    let now = session.now;
    let waiting: i64 = causes.iter().map(|cause| cause.parked).sum();
    let pending: i64 = causes.iter().map(|cause| cause.replaying).sum();
    let queued = flow.queues.iter().flatten().map(|queue| u64::from(queue.messages)).sum::<u64>();
    let count = |kind| counts.get(&kind).copied().unwrap_or_default();
    let figures = [
        (waiting.unsigned_abs(), "dead letters wait", "bad"),
        (pending.unsigned_abs(), "replays pending", ""),
        (found.replays_late, "replays not heard of", "bad"),
        (count(AttentionKind::Review), "bookings in review", "bad"),
        (count(AttentionKind::Overdue), "past a deadline", "warn"),
        (count(AttentionKind::UnknownOutcome), "unknown outcomes", "warn"),
        (breakers.len() as u64, "breakers not closed", "bad"),
        (*cases_open as u64, "cases at suppliers", "warn"),
        (count(AttentionKind::Case), "odd payments", "bad"),
        (count(AttentionKind::Refund), "refunds that are late", "warn"),
        (count(AttentionKind::Approval), "refunds to approve", "warn"),
        (queued, "messages in queues", if queued >= QUEUED_IS_MANY { "warn" } else { "" }),
    ];
    let body = html! {
        p.lead { "What does not go on by itself, the worst first." }
        (silent(owners))
        div.figures {
            @for (count, name, class) in figures {
                div class=(format!("figure {}", if count > 0 { class } else { "" })) {
                    b { (count) } span { (name) }
                }
            }
        }
        (proof(&found.proof, now))
        @for troubles in sorted(&found, now) { (troubles) }
        @if causes.is_empty() {
            section.card { p.empty { "No dead letter waits for anybody." } }
        }
        (queues::section(&flow, now))
    };
    Ok(Page::new("Overview", "/", body).live(5).framed(Some(&session)))
}

/// Every sort of trouble that there is: what is bad before what only takes long, and of each the
/// one first of which the oldest waits longest.
fn sorted(found: &Attention, now: DateTime<Utc>) -> Vec<Markup> {
    let Attention { causes, breakers, cases, cases_open, late_replays, replays_late, .. } = found;
    let mut all = Vec::new();
    let mut add = |is_bad: bool, oldest: Option<DateTime<Utc>>, markup: Markup| {
        if let Some(oldest) = oldest {
            all.push((!is_bad, oldest, markup));
        }
    };
    for kind in &KINDS {
        let of_kind = found.items.iter().filter(|(_, item)| item.kind == kind.0);
        let oldest = of_kind.map(|(_, item)| item.since).min();
        add(BAD.contains(&kind.0), oldest, section(kind, found, ITEMS_SHOWN, now));
    }
    let opened = breakers.iter().map(|one| one.breaker.opened_at.unwrap_or(now)).min();
    add(true, opened, suppliers(breakers, now));
    add(true, causes.iter().map(|cause| cause.first_at).min(), letters(causes, now));
    let late = late_replays.iter().map(|replay| replay.since).min();
    add(true, late, unheard(late_replays, *replays_late, now));
    let differ = cases.iter().map(|case| case.opened_at).min();
    add(false, differ, differing(cases, *cases_open, now));
    all.sort_by_key(|(is_well, oldest, _)| (*is_well, *oldest));
    all.into_iter().map(|(_, _, markup)| markup).collect()
}

/// Dead letters by cause.
fn letters(told: &[LetterCause], now: DateTime<Utc>) -> Markup {
    html! {
        section.card aria-labelledby="causes" {
            h2 id="causes" { "Dead letters by cause" }
            (causes::table(told.get(..CAUSES_SHOWN).unwrap_or(told), now))
            @if told.len() > CAUSES_SHOWN { p { a href="/letters" { "All dead letters" } } }
        }
    }
}

/// Replays of which nobody heard for too long.
fn unheard(told: &[LateReplay], count: u64, now: DateTime<Utc>) -> Markup {
    html! {
        section.card {
            h2 { "Replays that nobody heard of " span.pill { (count) } }
            p.sub {
                "Each was sent, and its consumer does not say that it has it: it is lost, or waits "
                "where nobody takes it. It can be sent once more; of both one takes effect."
            }
            table.stack {
                thead { tr { th { "Letter" } th { "Booking" } th { "To" } th { "For" } } }
                tbody {
                    @for one in told.iter().take(ITEMS_SHOWN) {
                        tr {
                            td {
                                a href=(format!("/letters/{}", one.dead_letter_id)) {
                                    "attempt " (one.attempt)
                                }
                            }
                            td data-label="Booking" {
                                @if let Some(id) = one.booking_id { (booking_link(id)) } @else { "–" }
                            }
                            td data-label="To" { (one.consumer) }
                            td data-label="For" { (ago(one.since, now)) }
                        }
                    }
                }
            }
            @if count > ITEMS_SHOWN as u64 {
                p { a href="/letters?state=replaying" { "All that are pending" } }
            }
        }
    }
}

/// The proof of every night, where it found something or is missing.
fn proof(proven: &Proven, now: DateTime<Utc>) -> Markup {
    html! {
        @if let Some(trouble) = &proven.trouble {
            div.notice.bad role="status" {
                p {
                    b { "The proof of the whole: " } (trouble)
                    @if let Some(last) = &proven.last { ". It ended " (ago(last.at, now)) " ago" }
                    "."
                }
            }
        }
    }
}

/// Suppliers to whom nothing new goes.
fn suppliers(breakers: &[SupplierStanding], now: DateTime<Utc>) -> Markup {
    html! {
        @if !breakers.is_empty() {
            section.card {
                h2 { "Breakers that are not closed" }
                p.sub { "Nothing new is sent to these suppliers; what was begun is looked up and given back." }
                table.stack {
                    thead { tr { th { "Supplier" } th { "Breaker" } th { "For" } th { "Failed lately" } } }
                    tbody {
                        @for one in breakers {
                            tr {
                                td { a href=(format!("/suppliers#{}", one.supplier)) { (one.supplier) } }
                                td data-label="Breaker" { (breaker(one)) }
                                td data-label="For" {
                                    @match one.breaker.opened_at { Some(at) => (ago(at, now)), None => "–" }
                                }
                                td data-label="Failed lately" {
                                    (one.breaker.failed) " of " (one.breaker.calls)
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// What differs at suppliers, the oldest first.
fn differing(told: &[SupplierCase], open: usize, now: DateTime<Utc>) -> Markup {
    html! {
        @if !told.is_empty() {
            section.card {
                h2 { "Cases at suppliers " span.pill { (open) } }
                (cases::table(told.get(..ITEMS_SHOWN).unwrap_or(told), now))
                @if open > ITEMS_SHOWN { p { a href="/cases" { "All cases" } } }
            }
        }
    }
}

/// A kind of bookings' troubles, with its title, why somebody is needed, and where more is known.
type Kind = (AttentionKind, &'static str, &'static str, Option<(&'static str, &'static str)>);

/// What does not get well by itself.
const BAD: [AttentionKind; 4] = [
    AttentionKind::Review,
    AttentionKind::Overdue,
    AttentionKind::UnknownOutcome,
    AttentionKind::Case,
];

/// The worst first.
const KINDS: [Kind; 9] = [
    (
        AttentionKind::Review,
        "Bookings in review",
        "They go on only when a person has looked.",
        None,
    ),
    (
        AttentionKind::Overdue,
        "Waiting past a deadline",
        "Something should have happened by now.",
        None,
    ),
    (
        AttentionKind::UnknownOutcome,
        "Unknown outcomes",
        "Nobody knows yet what a call to a supplier did; it is being looked up.",
        None,
    ),
    (
        AttentionKind::Drift,
        "Not what was ordered",
        "What the supplier has differs from what was booked.",
        None,
    ),
    (
        AttentionKind::Refund,
        "Refunds that are late",
        "Money that should go back and has not arrived.",
        None,
    ),
    (
        AttentionKind::Approval,
        "Refunds to approve",
        "Nothing is sent before a second person lets it go.",
        Some(("/refunds", "Look at them")),
    ),
    (
        AttentionKind::Case,
        "Odd payments",
        "Payments that match nothing, or match it oddly; the newest first.",
        Some(("/cases", "What shows each, and to close one")),
    ),
    (
        AttentionKind::Callback,
        "Callbacks about nothing",
        "Suppliers pushed what no leg of ours has, or somebody pushed in their name.",
        None,
    ),
    (
        AttentionKind::Retrying,
        "Tried again and again",
        "Each try fails and is taken back; the next one comes by itself.",
        None,
    ),
];

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    /// Only this; everything without it.
    kind: Option<AttentionKind>,
}

/// All that was told of a kind, or of every kind.
pub(super) async fn attention(
    State(app): State<App>,
    session: Session,
    Query(Wanted { kind }): Query<Wanted>,
) -> Result<Response, ApiError> {
    let found = attention::look(&app).await?;
    let wanted = KINDS.into_iter().filter(|(of, ..)| kind.is_none_or(|kind| kind == *of));
    let wanted: Vec<Kind> = wanted.collect();
    let is_empty = wanted.iter().all(|(kind, ..)| !found.counts.contains_key(kind));
    let body = html! {
        (silent(&found.owners))
        @for kind in &wanted { (section(kind, &found, usize::MAX, session.now)) }
        @if is_empty { section.card { p.empty { "Nothing waits for anybody." } } }
    };
    Ok(Page::new("What needs attention", "/", body).live(10).framed(Some(&session)))
}

fn section(kind: &Kind, found: &Attention, at_most: usize, now: DateTime<Utc>) -> Markup {
    let (kind, title, why, further) = kind;
    let of_kind = found.items.iter().filter(|(_, item)| item.kind == *kind);
    let told: Vec<_> = of_kind.take(at_most).collect();
    let count = found.counts.get(kind).copied().unwrap_or_default();
    let more = count.saturating_sub(told.len() as u64);
    html! {
        @if count > 0 {
            section.card {
                h2 { (title) " " span.pill { (count) } }
                p.sub { (why) }
                table.stack {
                    thead { tr {
                        th { "Booking" } th { "What" } th { "Told by" } th { "For" } th { "Due" }
                    } }
                    tbody { @for (owner, item) in told { (row(owner, item, now)) } }
                }
                @if more > 0 {
                    p {
                        "And " (more) " more"
                        @if at_most == ITEMS_SHOWN {
                            ": " a href=(format!("/attention?kind={}", word(*kind))) { "all that is told" }
                        } @else { ", which are told when some of these are done." }
                    }
                }
                @if let Some((path, words)) = further { p { a href=(path) { (words) } } }
            }
        }
    }
}

/// A kind as the query names it.
fn word(kind: AttentionKind) -> String {
    let word = serde_json::to_value(kind).unwrap_or_default();
    word.as_str().unwrap_or_default().to_owned()
}

fn row(owner: &str, item: &AttentionItem, now: DateTime<Utc>) -> Markup {
    html! {
        tr {
            td data-label="Booking" {
                @if let Some(booking) = item.booking_id { (booking_link(booking.0)) } @else { "–" }
            }
            td { (item.what) }
            td data-label="Told by" { (owner) }
            td data-label="For" { (ago(item.since, now)) }
            td data-label="Due" {
                @match item.by {
                    Some(by) if by < now => span.pill.bad { (ago(by, now)) " late" },
                    Some(by) => { "in " (super::layout::span(by - now)) },
                    None => "–",
                }
            }
        }
    }
}

/// Owners that do not answer are named: what they know is missing on the page.
pub(super) fn silent(owners: &[Answering]) -> Markup {
    let away: Vec<_> = owners.iter().filter(|owner| !owner.answers).collect();
    html! {
        @if !away.is_empty() {
            div.notice.warn role="status" {
                p {
                    "Not answering: "
                    @for (n, owner) in away.iter().enumerate() {
                        @if n > 0 { ", " }
                        b { (owner.owner) } " (" (owner.why.as_deref().unwrap_or("no answer")) ")"
                    }
                    ". What they know is missing on this page."
                }
            }
        }
    }
}
