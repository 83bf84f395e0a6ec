//! How suppliers do: breakers, what may still be asked, and a breaker closed by hand.

use axum::{
    extract::State,
    response::{IntoResponse as _, Redirect, Response},
};
use chassis::{
    ApiError,
    http::{Json, Path},
};
use chrono::{DateTime, Utc};
use contracts::{
    internal::{BreakerState, ComparisonOutcome, ComparisonStanding, SupplierStanding},
    supplier::Supplier,
};
use futures::future::join_all;
use maud::{Markup, html};

use super::{
    layout::{Page, ago, csrf, instant, reason, span},
    session::{Form, Session},
};
use crate::{
    App,
    http::{APPROVER, acting::Actor, actions::Because, elsewhere, suppliers},
};

/// Every supplier that is sold.
pub(super) async fn show(State(app): State<App>, session: Session) -> Result<Response, ApiError> {
    let reply = suppliers::standing(&app).await;
    let sold = reply.iter().flat_map(|reply| &reply.suppliers);
    let asked = sold.map(|one| suppliers::compared(&app, one.supplier));
    // One that was never compared has nothing to show.
    let compared: Vec<ComparisonStanding> =
        join_all(asked).await.into_iter().flatten().filter_map(Result::ok).collect();
    let body = html! {
        p.lead {
            "Each call to a supplier passes its gate. An open breaker refuses what is new and lets "
            "through what looks up, confirms or gives back."
        }
        @match &reply {
            None => div.notice.warn role="status" { p { b { "supplier-sync" } " does not answer." } },
            Some(reply) => {
                @for one in &reply.suppliers { (card(one, &session)) }
                @if reply.suppliers.is_empty() { p.empty { "No supplier is sold." } }
                @else { (comparisons(&compared, session.now)) }
            }
        }
    };
    Ok(Page::new("Suppliers", "/suppliers", body).live(5).framed(Some(&session)))
}

/// The last comparison with each supplier's whole list, where it has one.
fn comparisons(compared: &[ComparisonStanding], now: DateTime<Utc>) -> Markup {
    html! {
        section.card aria-labelledby="comparisons" {
            h2 id="comparisons" { "Compared with their lists" }
            p.sub {
                "Every night all that a supplier has of us is compared with what we have. What differs "
                "is looked up, and is " a href="/cases#suppliers" { "a case" } " once that shows the same."
            }
            @if compared.is_empty() { p.empty { "None was compared yet." } }
            @else {
                table.stack {
                    thead { tr {
                        th { "Supplier" } th { "Begun" } th { "How it ended" } th.n { "Reservations" }
                        th.n { "Differ" } th.n { "Not there" } th.n { "Unknown to us" }
                        th.n { "Open cases" }
                    } }
                    tbody {
                        @for one in compared {
                            tr {
                                td { (one.supplier) }
                                td data-label="Begun" {
                                    (ago(one.begun_at, now)) " ago"
                                    span.sub { "by " (one.asked_by.as_deref().unwrap_or("the night")) }
                                }
                                td data-label="How it ended" {
                                    @match one.outcome {
                                        ComparisonOutcome::UnderWay => span.pill { "under way" },
                                        ComparisonOutcome::Done => span.pill.good { "all read" },
                                        ComparisonOutcome::GivenUp => span.pill.bad { "given up" },
                                    }
                                    span.sub { (one.pages) " pages" }
                                }
                                td.n data-label="Reservations" { (one.listed) }
                                td.n data-label="Differ" { (one.differing) }
                                td.n data-label="Not there" { (one.missing) }
                                td.n data-label="Unknown to us" { (one.unknown) }
                                td.n data-label="Open cases" { (one.open_cases) }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn card(one: &SupplierStanding, session: &Session) -> Markup {
    let now = session.now;
    html! {
        section.card aria-labelledby=(one.supplier) {
            h2 id=(one.supplier) { (one.supplier) " " (breaker(one)) }
            @if !one.shared {
                div.notice.warn role="status" {
                    p { "Redis does not answer: this is what one instance knows by itself." }
                }
            }
            dl.pairs {
                dt { "Breaker" }
                dd {
                    (one.breaker.failed) " of " (one.breaker.calls) " calls failed lately"
                    @if let Some(at) = one.breaker.opened_at { "; not closed for " (ago(at, now)) }
                    @if let Some(at) = one.breaker.probes_at { "; the next trial " (until(at, now)) }
                }
                @if let Some(reset) = &one.breaker.reset {
                    dt { "Closed by hand" }
                    dd { (instant(reset.at)) " by " b { (reset.staff) } ": " (reset.why) }
                }
                dt { "Our budget" }
                dd {
                    (one.calls_per_minute_max) " calls a minute; " (one.calls_free)
                    " may go out at once now"
                }
                @for quota in &one.quotas {
                    dt { "Their quota" }
                    dd {
                        @if let Some(path) = &quota.path { code { (path) } ": " }
                        (quota.left_percent) " % left, counted anew " (until(quota.until, now))
                    }
                }
            }
            @if one.breaker.state != BreakerState::Closed && session.may(APPROVER) {
                div.acts {
                    a.button.quiet href=(format!("/suppliers/{}/reset", one.supplier)) {
                        "Close the breaker …"
                    }
                }
            }
        }
    }
}

/// How a breaker stands, as a coloured word.
pub(super) fn breaker(one: &SupplierStanding) -> Markup {
    let (class, word) = match one.breaker.state {
        BreakerState::Closed => ("pill good", "closed"),
        BreakerState::Open => ("pill bad", "open"),
        BreakerState::HalfOpen => ("pill warn", "half open"),
    };
    html! { span class=(class) { (word) } }
}

fn until(at: DateTime<Utc>, now: DateTime<Utc>) -> String {
    if at <= now { "now".to_owned() } else { format!("in {}", span(at - now)) }
}

/// What closing a breaker means, and a form to do it.
pub(super) async fn ask(
    State(app): State<App>,
    session: Session,
    Path(supplier): Path<Supplier>,
) -> Result<Response, ApiError> {
    if !session.may(APPROVER) {
        return Err(ApiError::forbidden());
    }
    let reply = suppliers::standing(&app).await;
    let reply = reply.ok_or_else(|| elsewhere::silent("supplier-sync"))?;
    let all = &reply.suppliers;
    let one = all.iter().find(|one| one.supplier == supplier).ok_or_else(ApiError::not_found)?;
    let body = html! {
        (card(one, &session))
        section.card.narrow {
            h2 { "This will be done" }
            p {
                "What it counted is forgotten, and everything is sent to " b { (supplier) }
                " again: searches, prices, holds. Should calls still fail it opens again by itself."
            }
            @if one.breaker.state == BreakerState::Closed {
                div.notice.warn role="alert" { p { "It is closed as things stand now." } }
            }
            form method="post" action=(format!("/suppliers/{supplier}/reset")) {
                (csrf(&session))
                (reason("How you know that the supplier answers again"))
                div.acts {
                    button type="submit" { "Close the breaker" }
                    a.button.quiet href="/suppliers" { "No, go back" }
                }
            }
        }
    };
    let title = format!("Close the breaker of {supplier}");
    Ok(Page::new(title, "/suppliers", body).framed(Some(&session)))
}

/// Does it.
pub(super) async fn reset(
    State(app): State<App>,
    actor: Actor,
    Path(supplier): Path<Supplier>,
    Form(because): Form<Because>,
) -> Result<Response, ApiError> {
    drop(suppliers::reset(State(app), actor, Path(supplier), because.map(Json)).await?);
    Ok(Redirect::to("/suppliers").into_response())
}
