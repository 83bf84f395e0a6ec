//! Dead letters by what is wrong with them.

use chrono::{DateTime, Utc};
use maud::{Markup, html};

use super::layout::{ago, type_name};
use crate::{fault, store::LetterCause};

/// Causes, each a link to its letters.
pub(super) fn table(causes: &[LetterCause], now: DateTime<Utc>) -> Markup {
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
