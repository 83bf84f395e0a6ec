//! The audit: who did what, why and from where; and who was kept from it.

use axum::{extract::State, response::Response};
use chassis::{
    ApiError,
    http::{Json, Query},
};
use maud::{Markup, html};
use serde::Deserialize;

use super::{
    layout::{Page, booking_link, exactly, role_name, short},
    session::Session,
};
use crate::{
    App,
    http::acts::{self, Wanted as Asked},
};

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Wanted {
    actor: String,
    cursor: Option<String>,
}

/// The page.
pub(super) async fn show(
    State(app): State<App>,
    session: Session,
    Query(Wanted { actor, cursor }): Query<Wanted>,
) -> Result<Response, ApiError> {
    let who = Some(actor.trim().to_owned()).filter(|actor| !actor.is_empty());
    let asked = Asked { actor: who, cursor, ..Asked::default() };
    let Json(listed) = acts::list(State(app), session.bearer(), Query(asked)).await?;
    let older = listed.next_cursor.as_ref().map(|cursor| {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.append_pair("actor", actor.trim()).append_pair("cursor", cursor);
        format!("/audit?{}", query.finish())
    });
    let body = html! {
        p.lead { "Every act of staff, allowed or not. Nobody can change it or take anything out." }
        form.acts method="get" action="/audit" {
            label for="actor" { "Who" }
            input id="actor" name="actor" value=(actor) maxlength="200";
            button.quiet type="submit" { "Show" }
        }
        section.card {
            @if listed.acts.is_empty() { p.empty { "None." } }
            @else {
                table.stack {
                    thead { tr {
                        th { "When" } th { "Who" } th { "What" } th { "About" } th { "Why" } th { "From" }
                    } }
                    tbody {
                        @for act in &listed.acts {
                            tr {
                                td { (exactly(act.at)) }
                                td data-label="Who" {
                                    b { (act.actor) }
                                    span.sub { (act.roles.iter().map(|role| role_name(role)).collect::<Vec<_>>().join(", ")) }
                                }
                                td {
                                    (act.act.replace('_', " ")) " "
                                    @match act.outcome.as_str() {
                                        "done" => span.pill.good { "done" },
                                        "begun" => span.pill { "begun" },
                                        "not_known" => span.pill.warn { "not known" },
                                        "denied" => span.pill.bad { "denied" },
                                        _ => span.pill.warn { "refused" },
                                    }
                                    @if let Some(refusal) = &act.refusal { span.sub { (refusal) } }
                                }
                                td data-label="About" {
                                    @if let Some(id) = act.dead_letter_id {
                                        a href=(format!("/letters/{id}")) { "letter " span.id { (short(id)) } } " "
                                    }
                                    @if let Some(id) = act.booking_id { (booking_link(id)) " " }
                                    @if let Some(id) = act.replay_run_id {
                                        a href=(format!("/runs/{id}")) { "replay of many " span.id { (short(id)) } }
                                    }
                                    (elsewhere(act.about.as_deref()))
                                    @if let (Some(before), Some(after)) =
                                        (act.version_before, act.version_after) {
                                        span.sub { "version " (before) " → " (after) }
                                    }
                                }
                                td { (act.reason.as_deref().unwrap_or("")) }
                                td data-label="From" { span.sub { (act.from_where) } }
                            }
                        }
                    }
                }
            }
            @if let Some(older) = older { p.acts { a.button.quiet href=(older) rel="next" { "Older ones" } } }
        }
    };
    Ok(Page::new("Audit", "/audit", body).framed(Some(&session)))
}

/// A link to what of a supplier an act was about.
fn elsewhere(about: Option<&str>) -> Markup {
    html! {
        @match about.and_then(|text| text.split_once(':')) {
            Some(("case", id)) => a href=(format!("/cases/{id}")) { "case" },
            Some(("callback", id)) => a href=(format!("/callbacks/{id}")) { "callback" },
            Some(("payment_case", id)) => a href=(format!("/payment-cases/{id}")) { "odd payment" },
            Some((_, word)) => a href="/suppliers" { (word) },
            None => {}
        }
    }
}
