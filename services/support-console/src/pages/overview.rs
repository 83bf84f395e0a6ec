//! What needs a person now, the worst first.

use axum::{extract::State, response::Response};
use chassis::{ApiError, http::Query};
use chrono::{DateTime, Utc};
use contracts::internal::{AttentionItem, AttentionKind, SupplierCase, SupplierStanding};
use maud::{Markup, html};
use serde::Deserialize;

use super::{
    cases,
    layout::{Page, ago, booking_link, type_name},
    session::Session,
    suppliers::breaker,
};
use crate::{
    App, fault,
    http::{
        attention::{self, Attention},
        flow::{self, Flow},
        proofs::Proven,
    },
    owners::Answering,
    store::LetterCause,
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
    let Attention { causes, counts, breakers, cases, cases_open, owners, .. } = &found;
    let now = session.now;
    let waiting: i64 = causes.iter().map(|cause| cause.parked).sum();
    let pending: i64 = causes.iter().map(|cause| cause.replaying).sum();
    let queued = flow.queues.iter().flatten().map(|queue| u64::from(queue.messages)).sum::<u64>();
    let count = |kind| counts.get(&kind).copied().unwrap_or_default();
    let figures = [
        (waiting.unsigned_abs(), "dead letters wait", "bad"),
        (pending.unsigned_abs(), "replays pending", ""),
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
        (suppliers(breakers, now))
        @for kind in KINDS { (section(&kind, &found, ITEMS_SHOWN, now)) }
        section.card aria-labelledby="causes" {
            h2 id="causes" { "Dead letters by cause" }
            @if causes.is_empty() {
                p.empty { "No dead letter waits for anybody." }
            } @else {
                (causes_table(causes.get(..CAUSES_SHOWN).unwrap_or(causes), now))
                @if causes.len() > CAUSES_SHOWN {
                    p { a href="/letters" { "All dead letters" } }
                }
            }
        }
        (differing(cases, *cases_open, now))
        (flowing(&flow, now))
    };
    Ok(Page::new("Overview", "/", body).live(5).framed(Some(&session)))
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

/// How messages flow, with what is slow or deaf standing out.
fn flowing(flow: &Flow, now: DateTime<Utc>) -> Markup {
    let unsent = |of: &str| flow.unsent.iter().find(|reply| reply.owner == of);
    html! {
        section.card {
            h2 { "Messages" }
            @match &flow.queues {
                None => div.notice.bad role="status" { p { "The broker does not answer." } },
                Some(queues) => table.stack {
                    thead { tr {
                        th { "Queue" } th.n { "Waiting" } th { "Listening" } th { "Not sent yet by it" }
                    } }
                    tbody {
                        @for queue in queues {
                            tr {
                                td { (queue.of) }
                                td.n data-label="Waiting" {
                                    b { (queue.messages) }
                                    @if queue.dead > 0 { span.sub { (queue.dead) " dead, not parked yet" } }
                                }
                                td data-label="Listening" {
                                    @if queue.listening == 0 { span.pill.bad { "nobody" } }
                                    @else { (queue.listening) }
                                }
                                td data-label="Not sent yet" {
                                    @match unsent(&queue.of).map(|it| (it.due, it.oldest)) {
                                        Some((due, Some(oldest))) if due > 0 => {
                                            (due) ", the oldest for " (ago(oldest, now))
                                        }
                                        Some(_) => "nothing",
                                        None => "–",
                                    }
                                }
                            }
                        }
                    }
                },
            }
        }
    }
}

/// A kind of bookings' troubles, with its title, why somebody is needed, and where more is known.
type Kind = (AttentionKind, &'static str, &'static str, Option<(&'static str, &'static str)>);

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

/// Causes, each a link to its letters.
pub(super) fn causes_table(causes: &[LetterCause], now: DateTime<Utc>) -> Markup {
    html! {
        table.stack {
            thead { tr {
                th { "What is wrong" } th { "Where" } th.n { "Waiting" } th { "Oldest" }
                th { "Newest" } th { "Last 24 h" }
            } }
            tbody {
                @for cause in causes {
                    tr {
                        td {
                            a href=(format!("/letters?group={}", cause.letter_cause_id)) {
                                (fault::meaning(&cause.cause).title)
                            }
                            span.sub { (cause.error) }
                        }
                        td data-label="Where" {
                            (if cause.consumer.is_empty() { "no queue took it" } else { &cause.consumer })
                            @if !cause.supplier.is_empty() { " · " (cause.supplier) }
                            span.sub { (type_name(&cause.message_type)) }
                        }
                        td.n data-label="Waiting" {
                            b { (cause.parked) }
                            @if cause.replaying > 0 { span.sub { (cause.replaying) " pending" } }
                        }
                        td data-label="Oldest" { (ago(cause.first_at, now)) }
                        td data-label="Newest" { (ago(cause.last_at, now)) }
                        td data-label="Last 24 h" { (bars(&cause.hours)) }
                    }
                }
            }
        }
    }
}

/// How many came in each hour, as bars.
fn bars(hours: &[i64]) -> Markup {
    const HEIGHT: i64 = 24;
    let most = hours.iter().copied().max().unwrap_or(0).max(1);
    let total: i64 = hours.iter().sum();
    let height = |count: i64| if count == 0 { 1 } else { (count * HEIGHT / most).max(3) };
    html! {
        svg.bars width="96" height=(HEIGHT) viewBox=(format!("0 0 96 {HEIGHT}")) role="img"
            aria-label=(format!("{total} in the last 24 hours, {} in this hour",
                hours.last().copied().unwrap_or(0))) {
            @for (at, count) in hours.iter().enumerate() {
                rect class=[(*count == 0).then_some("none")] x=(at * 4) width="3"
                    y=(HEIGHT - height(*count)) height=(height(*count)) {}
            }
        }
    }
}
