//! Replays of many letters: what one would do, how far each is, and the ways to hold it.

use axum::{
    extract::State,
    response::{IntoResponse as _, Redirect, Response},
};
use chassis::{
    ApiError,
    http::{Json, Path, Query},
};
use maud::{Markup, html};
use serde::{Deserialize, Deserializer, de::Error as _};
use uuid::Uuid;

use super::{
    causes,
    layout::{Page, ago, csrf, instant, reason},
    session::{Form, Session},
};
use crate::{
    App, fault,
    http::{
        OPERATOR,
        acting::Actor,
        actions::Because,
        connection, failed,
        runs::{self, Change, LETTERS_MAX, ShownRun, Wanted},
    },
    runs::ends,
    store,
};

/// Which letters a run would be about.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Of {
    group: Uuid,
}

/// What the form of a new run says.
#[derive(Debug, Deserialize)]
pub(super) struct Said {
    group: Uuid,
    reason: String,
    /// All that wait where it is left empty.
    #[serde(default, deserialize_with = "at_most")]
    at_most: Option<u32>,
    #[serde(default)]
    canary: bool,
}

fn at_most<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u32>, D::Error> {
    let text = String::deserialize(from)?;
    let number = Some(text.trim()).filter(|text| !text.is_empty());
    number.map(|text| text.parse().map_err(D::Error::custom)).transpose()
}

/// All runs, the newest first.
pub(super) async fn list(State(app): State<App>, session: Session) -> Result<Response, ApiError> {
    let Json(all) = runs::list(State(app), session.bearer()).await?;
    let body = html! {
        p.lead { "Letters that are sent again together. A replay of a cause begins at its letters." }
        section.card {
            @if all.is_empty() { p.empty { "None yet." } }
            @else {
                table.stack {
                    thead { tr {
                        th { "Begun" } th { "Letters" } th { "Took effect" } th { "Failed again" }
                        th { "By" } th { "Stands" }
                    } }
                    tbody {
                        @for one in &all {
                            tr {
                                td {
                                    a href=(format!("/runs/{}", one.run.replay_run_id)) {
                                        (instant(one.run.made_at))
                                    }
                                    span.sub { (one.run.reason.as_deref().unwrap_or("")) }
                                }
                                td data-label="Letters" { (one.run.letters) }
                                td data-label="Took effect" { (one.succeeded) }
                                td data-label="Failed again" { (one.failed) }
                                td data-label="By" { (one.run.actor) }
                                td { (stands(one)) }
                            }
                        }
                    }
                }
            }
        }
    };
    Ok(Page::new("Replays of many", "/runs", body).live(3).framed(Some(&session)))
}

/// What a run of a cause would do, and a form to begin it.
pub(super) async fn ask(
    State(app): State<App>,
    session: Session,
    Query(Of { group }): Query<Of>,
) -> Result<Response, ApiError> {
    if !session.may(OPERATOR) {
        return Err(ApiError::forbidden());
    }
    let found = {
        let mut conn = connection(&app).await?;
        store::causes(&mut conn, Some(group), 1).await.map_err(|error| failed(&error))?
    };
    let cause = found.first().ok_or_else(ApiError::not_found)?;
    let support = &app.support;
    let steps: Vec<String> = support.replay_ladder.iter().map(ToString::to_string).collect();
    let body = html! {
        section.card {
            h2 { (fault::meaning(&cause.cause).title) }
            (causes::table(&found, session.now))
            p { a href=(format!("/letters/{}", cause.newest_id)) { "What the newest of them would do" } }
        }
        section.card.narrow {
            h2 { "This will be done" }
            p {
                "Letters that wait now are sent again, the oldest first, each to the one consumer "
                "that gave it up. First " (steps.join(", ")) ", each step when all of the one "
                "before is known to have taken effect; then the rest, " (support.replay_per_second)
                " a second at most. It stops by itself when more than "
                (support.replay_failed_percent_max) " % fail again. You can pause and stop it."
            }
            form method="post" action="/runs" {
                (csrf(&session))
                input type="hidden" name="group" value=(group);
                label for="at_most" { "At most; all " (cause.parked) " where it is left empty" }
                input id="at_most" name="at_most" type="number" min="1" max=(LETTERS_MAX);
                label { input type="checkbox" name="canary" value="true" checked; " in growing steps" }
                (reason("What was mended, or why they would work now"))
                div.acts {
                    button type="submit" { "Replay them" }
                    a.button.quiet href=(format!("/letters?group={group}")) { "No, go back" }
                }
            }
        }
    };
    Ok(Page::new("Replay many letters", "/runs", body).framed(Some(&session)))
}

/// Begins one.
pub(super) async fn begin(
    State(app): State<App>,
    actor: Actor,
    Form(said): Form<Said>,
) -> Result<Response, ApiError> {
    let wanted = said.map(|said| {
        Json(Wanted {
            reason: said.reason,
            letter_cause_id: Some(said.group),
            at_most: said.at_most,
            ladder: (!said.canary).then(Vec::new),
            ..Wanted::default()
        })
    });
    let (_, Json(run)) = runs::begin(State(app), actor, wanted).await?;
    Ok(Redirect::to(&format!("/runs/{}", run.run.replay_run_id)).into_response())
}

/// One run.
pub(super) async fn show(
    State(app): State<App>,
    session: Session,
    Path(id): Path<Uuid>,
) -> Result<Response, ApiError> {
    let Json(shown) = runs::show(State(app), session.bearer(), Path(id)).await?;
    let run = &shown.run;
    let open = run.state == "running" || run.state == "paused";
    let body = html! {
        p.lead {
            "Begun by " b { (run.actor) } " " (ago(run.made_at, session.now)) " ago: "
            (run.reason.as_deref().unwrap_or(""))
        }
        section.card {
            p { (stands(&shown)) }
            @if let Some(why) = &run.why { div.notice.warn role="status" { p { (why) } } }
            (meter(&shown))
            div.figures {
                div.figure { b { (shown.succeeded) } span { "took effect" } }
                div class=(if shown.failed > 0 { "figure bad" } else { "figure" }) {
                    b { (shown.failed) } span { "failed again" }
                }
                div.figure { b { (shown.pending) } span { "sent, not known yet" } }
                @if shown.late > 0 {
                    div.figure.bad { b { (shown.late) } span { "not heard of for long" } }
                }
                div.figure { b { (shown.left) } span { "not sent" } }
                div.figure { b { (shown.refused) } span { "could not be sent" } }
            }
            h2 { "Steps" }
            (ladder(&shown))
            p.sub {
                (run.per_second) " a second at most; stops when more than "
                (run.failed_percent_max) " % fail again."
            }
            @if open && session.may(OPERATOR) { (holds(&session, &shown)) }
        }
    };
    let page = Page::new("A replay of many", "/runs", body);
    Ok(if open { page.live(1) } else { page }.framed(Some(&session)))
}

fn holds(session: &Session, shown: &ShownRun) -> Markup {
    let changes = match shown.run.state.as_str() {
        "running" => [(Change::Pause, "Pause", "quiet"), (Change::Stop, "Stop for good", "danger")],
        _ => [(Change::Resume, "Go on", ""), (Change::Stop, "Stop for good", "danger")],
    };
    html! {
        div.acts {
            @for (change, name, class) in changes {
                form method="post"
                    action=(format!("/runs/{}/{}", shown.run.replay_run_id, change.word())) {
                    (csrf(session))
                    input type="hidden" name="reason" value=(format!("{name}, on its page"));
                    button class=(class) type="submit" { (name) }
                }
            }
        }
    }
}

/// Pauses, goes on, stops.
pub(super) async fn change(
    State(app): State<App>,
    actor: Actor,
    Path((id, change)): Path<(Uuid, String)>,
    Form(because): Form<Because>,
) -> Result<Response, ApiError> {
    drop(runs::change(State(app), actor, Path((id, change)), because.map(Json)).await?);
    Ok(Redirect::to(&format!("/runs/{id}")).into_response())
}

fn stands(shown: &ShownRun) -> Markup {
    let (class, word) = match shown.run.state.as_str() {
        "running" => ("pill", "under way"),
        "paused" => ("pill warn", "paused"),
        "stopped" => ("pill bad", "stopped"),
        _ if shown.failed > 0 || shown.refused > 0 || shown.late > 0 => {
            ("pill warn", "done, not all took effect")
        }
        _ => ("pill good", "done"),
    };
    html! { span class=(class) { (word) } }
}

fn meter(shown: &ShownRun) -> Markup {
    let all = shown.run.letters.unsigned_abs().max(1);
    let part = |count: u64| count * 1_000 / all;
    let (good, bad, wait) = (part(shown.succeeded), part(shown.failed), part(shown.pending));
    html! {
        div.meter {
            svg viewBox="0 0 1000 10" preserveAspectRatio="none" role="img"
                aria-label=(format!("{} of {all} known", shown.succeeded + shown.failed)) {
                rect.m-good x="0" y="0" width=(good) height="10" {}
                rect.m-bad x=(good) y="0" width=(bad) height="10" {}
                rect.m-wait x=(good + bad) y="0" width=(wait) height="10" {}
            }
        }
    }
}

fn ladder(shown: &ShownRun) -> Markup {
    let all = shown.run.letters.unsigned_abs();
    let mut steps: Vec<u64> = ends(&shown.run.ladder).take_while(|end| *end < all).collect();
    steps.push(all);
    let known = all - shown.left - shown.pending;
    let begins: Vec<u64> = std::iter::once(0).chain(steps.iter().copied()).collect();
    html! {
        ol.ladder {
            @for (begin, end) in begins.iter().zip(&steps) {
                @let step = step(&shown.run.state, known, (*begin, *end));
                li class=(step) { (end - begin) }
            }
        }
    }
}

/// How far a run is with the letters from `begin` to `end` when it is known of so many what became
/// of them: the step that a run stopped at is no success, and none comes after it.
fn step(state: &str, known: u64, (begin, end): (u64, u64)) -> &'static str {
    let stopped = state == "stopped";
    if stopped && begin < known && known <= end {
        "bad"
    } else if known >= end {
        "done"
    } else if known >= begin && !stopped {
        "now"
    } else {
        ""
    }
}

#[cfg(test)]
mod tests {
    use super::step;

    #[test]
    fn the_step_that_a_run_stopped_at_is_no_success_and_none_comes_after_it() {
        let steps = |state, known| [(0, 1), (1, 6), (6, 13)].map(|ends| step(state, known, ends));
        assert_eq!(steps("stopped", 1), ["bad", "", ""]);
        assert_eq!(steps("stopped", 3), ["done", "bad", ""]);
        assert_eq!(steps("stopped", 0), ["", "", ""]);
        assert_eq!(steps("running", 3), ["done", "now", ""]);
        assert_eq!(steps("done", 13), ["done", "done", "done"]);
    }
}
