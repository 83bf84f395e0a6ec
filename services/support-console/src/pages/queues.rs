//! How messages flow, with what is slow or deaf standing out.

use chrono::{DateTime, Utc};
use maud::{Markup, html};

use super::layout::ago;
use crate::http::flow::Flow;

/// How messages flow, with what is slow or deaf standing out.
pub(super) fn section(flow: &Flow, now: DateTime<Utc>) -> Markup {
    let unsent = |of: &str| flow.unsent.iter().find(|reply| reply.owner == of);
    html! {
        section.card {
            h2 { "Messages" }
            p.sub {
                "The broker counts what waits and does not say how old it is. Of each consumer: how "
                "long it has tried the oldest that fails; and how long the oldest that it said waits to "
                "be sent."
            }
            @match &flow.queues {
                None => div.notice.bad role="status" { p { "The broker does not answer." } },
                Some(queues) => table.stack {
                    thead { tr {
                        th { "Queue" } th.n { "Waiting" } th { "Listening" } th { "Tried again" }
                        th { "Not sent yet by it" }
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
                                td data-label="Tried again" {
                                    @match queue.trying_since {
                                        Some(since) => { "the oldest for " (ago(since, now)) }
                                        None => "nothing",
                                    }
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
