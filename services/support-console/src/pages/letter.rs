//! One dead letter: why, what it is, what was done about it, what a replay would do.

use axum::{extract::State, response::Response};
use chassis::{
    ApiError,
    http::{Json, Path},
};
use contracts::{ids::BookingId, internal::PreviewEffect, staff::same_person};
use maud::{Markup, html};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    layout::{Page, ago, booking_link, csrf, exactly, instant, short, standing, type_name},
    letters,
    overview::silent,
    session::Session,
    timeline::list,
    traces::Traces,
};
use crate::{
    App, fault,
    http::{
        APPROVER, OPERATOR, connection, edits, failed,
        parked::{self, Shown, masked},
        preview::{self, Previewed},
        timeline::{self, Timeline},
    },
    mask,
    state::State as Stands,
    store::{self, Edit, Filter, Happened},
};

/// Entries of the booking's timeline on each side of a letter.
const BESIDE: usize = 6;

/// The page.
pub(super) async fn show(
    State(app): State<App>,
    session: Session,
    Path(id): Path<Uuid>,
) -> Result<Response, ApiError> {
    let Json(shown) = parked::show(State(app.clone()), session.bearer(), Path(id)).await?;
    let preview = async {
        if shown.summary.state != Stands::Parked && !shown.replay_late {
            return None;
        }
        let said = preview::show(State(app.clone()), session.bearer(), Path(id)).await;
        Some(said.map(|Json(it)| it))
    };
    let (preview, told) = futures::join!(preview, around(&app, &session, &shown));
    let told = told?;
    let edits = edits::waiting(&app, None, Some(id)).await?;
    let others = match shown.summary.booking_id {
        None => Vec::new(),
        Some(booking_id) => {
            let filter = Filter { booking_id: Some(booking_id), ..Filter::default() };
            let mut conn = connection(&app).await?;
            let found = store::list(&mut conn, &filter, None, 20).await;
            let found = found.map_err(|error| failed(&error))?;
            found.into_iter().filter(|one| one.dead_letter_id != id).map(masked).collect()
        }
    };
    let pending = shown.summary.state == Stands::Replaying;
    let body = html! {
        (why(&shown, &session))
        @for edit in &edits { (second(edit, &shown, &session)) }
        @if let Some(preview) = &preview { (would_do(preview)) }
        (what(&shown, &app.traces))
        (body_of(&shown))
        (done(&shown.history))
        @if let Some(told) = &told { (beside(told, &shown, &app.traces)) }
        @if !others.is_empty() {
            section.card {
                h2 { "Other letters of the same booking" }
                (letters::table(&others, session.now))
            }
        }
    };
    let page = Page::new(fault::meaning(&shown.summary.cause).title, "/letters", body);
    Ok(if pending { page.live(2) } else { page }.framed(Some(&session)))
}

/// Everything that happened to the letter's booking.
async fn around(app: &App, session: &Session, shown: &Shown) -> Result<Option<Timeline>, ApiError> {
    let Some(booking_id) = shown.summary.booking_id else { return Ok(None) };
    let booking_id = Path(BookingId(booking_id));
    let told = timeline::show(State(app.clone()), session.bearer(), booking_id).await;
    told.map(|Json(told)| Some(told))
}

/// What came before and after it for the same booking.
fn beside(told: &Timeline, shown: &Shown, traces: &Traces) -> Markup {
    let own = told.entries.partition_point(|told| told.entry.at <= shown.summary.last_at);
    let (from, to) = (own.saturating_sub(BESIDE), (own + BESIDE).min(told.entries.len()));
    html! {
        section.card {
            h2 { "Before and after it" }
            (silent(&told.owners))
            (list(told.entries.get(from..to).unwrap_or_default(), traces))
            p { a href=(format!("/bookings/{}", told.booking_id)) { "Everything about the booking" } }
        }
    }
}

fn why(shown: &Shown, session: &Session) -> Markup {
    let letter = &shown.summary;
    let meaning = fault::meaning(&letter.cause);
    html! {
        section.card {
            p { (standing(letter.state)) " " (outcome(shown)) }
            p { (meaning.explained) }
            @if let Some(detail) = &letter.detail { pre tabindex="0" { (detail) } }
            @if letter.state == Stands::Parked { p { b { "What helps: " } (meaning.advice) } }
            @if session.may(OPERATOR) { (acts(shown)) }
        }
    }
}

/// What became of it, no earlier than it is known.
fn outcome(shown: &Shown) -> Markup {
    let letter = &shown.summary;
    html! {
        @match letter.state {
            Stands::Parked => { "It waits here until somebody decides." }
            Stands::Replaying => {
                "It was sent again as attempt " (letter.replay_attempt.unwrap_or_default())
                ". Nobody knows yet what came of it."
                @if shown.replay_late {
                    " That is long ago: it may be lost, or wait where nobody takes it. Sent once "
                    "more it takes effect at most once, whichever of the two arrives."
                }
            }
            Stands::Succeeded => { "Its consumer says that it took effect." }
            Stands::FailedAgain => {
                "Its replay became "
                @if let Some(next) = letter.next_dead_letter_id {
                    a href=(format!("/letters/{next}")) { "another dead letter" }
                } @else { "another dead letter" }
                "."
            }
            Stands::Discarded => {
                "It was discarded"
                @if let Some(until) = letter.restorable_until {
                    " and can be restored until " (instant(until))
                }
                "."
            }
        }
    }
}

/// An edit that waits for a second person, and what that one can do.
fn second(edit: &Edit, shown: &Shown, session: &Session) -> Markup {
    let edited: Value = serde_json::from_slice(&edit.body).unwrap_or_default();
    let original = shown.body_text.as_deref().map(serde_json::from_str::<Value>);
    let original = original.and_then(Result::ok).unwrap_or_default();
    let at = |value: &Value, pointer: &str| {
        value.pointer(pointer).map_or_else(|| "–".to_owned(), Value::to_string)
    };
    let own = same_person(&edit.proposer, &session.name);
    let form = |act: &str, name: &str, class: &str| {
        html! {
            form method="post" action=(format!("/edits/{}/{act}", edit.edit_id)) {
                (csrf(session))
                input type="hidden" name="letter" value=(edit.dead_letter_id);
                label for=(format!("reason-{act}")) { "Reason" }
                input id=(format!("reason-{act}")) name="reason" required maxlength="500";
                div.acts { button class=(class) type="submit" { (name) } }
            }
        }
    };
    html! {
        section.card {
            h2 { "An edit waits for a second person" }
            p {
                b { (edit.proposer) } " proposed it " (ago(edit.made_at, session.now)) " ago: "
                (edit.reason.as_deref().unwrap_or(""))
            }
            div.scroll tabindex="0" role="region" aria-label="What differs" {
                table.diff {
                    thead { tr { th { "Field" } th { "It was (masked)" } th { "It would be" } } }
                    tbody {
                        @for pointer in &edit.changed {
                            tr {
                                td { (mask::pointer(pointer)) }
                                td.was { (at(&original, pointer)) }
                                td.will { (at(&edited, pointer)) }
                            }
                        }
                    }
                }
            }
            @if session.may(APPROVER) && !own { (form("approve", "Let it pass and replay it", "")) }
            @else { p.sub { "An approver who is somebody else has to let it pass." } }
            @if own || session.may(APPROVER) { (form("refuse", "Take it out", "quiet")) }
        }
    }
}

fn acts(shown: &Shown) -> Markup {
    let letter = &shown.summary;
    let link = |act: &str| format!("/letters/{}/{act}", letter.dead_letter_id);
    html! {
        div.acts {
            @match letter.state {
                Stands::Replaying if shown.replay_late => {
                    a.button href=(link("replay")) { "Replay once more …" }
                    a.button.quiet href=(link("discard")) { "Discard …" }
                }
                Stands::Parked => {
                    a.button href=(link("replay")) { "Replay …" }
                    @if shown.body_text.is_some() && letter.cause == "undecodable" {
                        a.button.quiet href=(link("edit")) { "Edit and replay …" }
                    }
                    a.button.quiet href=(link("discard")) { "Discard …" }
                }
                Stands::Discarded => { a.button href=(link("restore")) { "Restore …" } }
                Stands::Replaying | Stands::Succeeded | Stands::FailedAgain => {}
            }
            @if shown.body_masked {
                a.button.quiet href=(link("unmask")) { "Show what is masked …" }
            }
        }
    }
}

/// What a replay would do now, as its consumer says.
pub(super) fn would_do(preview: &Result<Previewed, ApiError>) -> Markup {
    let said = match preview {
        Ok(preview) => preview,
        Err(error) => {
            return html! {
                section.card {
                    h2 { "What a replay would do" }
                    div.notice.warn { p { (error.detail.as_deref().unwrap_or("it is not known")) } }
                }
            };
        }
    };
    let told = &said.preview;
    let (class, word) = match told.effect {
        PreviewEffect::Changes => ("notice good", "It would take effect."),
        PreviewEffect::NoChange => ("notice", "It would be handled, and nothing would change."),
        PreviewEffect::Repeat => ("notice", "It was handled before: nothing would change."),
        PreviewEffect::DeadAgain => ("notice bad", "It would become a dead letter again."),
        PreviewEffect::FailsForNow => ("notice warn", "It would fail now and be tried later."),
    };
    html! {
        section.card {
            h2 { "What a replay would do" }
            div class=(class) {
                p { b { (word) } " " (told.why) }
                @if let (Some(before), Some(after)) = (&told.before, &told.after) {
                    p {
                        "The booking there stands as " code { (before) }
                        @if before == after { " and would stay so." }
                        @else { " and would become " code { (after) } "." }
                    }
                }
                @if !told.changes.is_empty() {
                    ul { @for change in &told.changes { li { code { (change) } } } }
                }
            }
            p.sub { "Said by " (said.consumer) ", by the same code that would do it (attempt "
                (said.attempt) "). Nothing was written." }
        }
    }
}

fn what(shown: &Shown, traces: &Traces) -> Markup {
    let letter = &shown.summary;
    html! {
        section.card {
            h2 { "The message" }
            dl.pairs {
                dt { "Type" } dd { (letter.message_type.as_deref().map_or("none", type_name)) }
                dt { "Booking" }
                dd { @if let Some(id) = letter.booking_id { (booking_link(id)) } @else { "none" } }
                dt { "Given up by" } dd { (letter.consumer.as_deref().unwrap_or("no queue took it")) }
                dt { "A replay goes to" } dd { (letter.addressee.as_deref().unwrap_or("nobody")) }
                dt { "Sent to at first" }
                dd { code { (letter.exchange) } " with key " code { (letter.routing_key) } }
                dt { "Tried" } dd { @if letter.attempts == 1 { "once" } @else { (letter.attempts) " times" } }
                dt { "First seen" } dd { (exactly(letter.first_at)) }
                dt { "Given up" } dd { (exactly(letter.last_at)) }
                dt { "Parked" } dd { (exactly(letter.parked_at)) }
                dt { "Message" } dd { code { (letter.message_id) } }
                @if let Some(trace) = &letter.trace_id {
                    dt { "Trace" }
                    dd {
                        (traces.link(trace)) " "
                        a href=(format!("/search?key={trace}")) { "its bookings" }
                    }
                }
                @if let Some(earlier) = shown.replay_of {
                    dt { "Came of a replay of" }
                    dd { a href=(format!("/letters/{earlier}")) { (short(earlier)) } }
                }
                @if let Some(earlier) = shown.came_before {
                    dt { "It came before" }
                    dd { a href=(format!("/letters/{earlier}")) { (short(earlier)) } }
                }
            }
            h3 { "Headers" }
            pre tabindex="0" { (pretty(&json!(shown.headers))) }
        }
    }
}

fn body_of(shown: &Shown) -> Markup {
    html! {
        section.card {
            h2 { "Body" }
            @if shown.body_masked {
                p.sub {
                    "Letters are shown as x and digits as 9: whoever sent this may have put "
                    "anybody's data into it."
                }
            }
            @match &shown.body_text {
                Some(text) => pre tabindex="0" { (indented(text)) },
                None => p { (shown.body_bytes) " bytes that are no text." },
            }
        }
    }
}

/// A document with a line for each field; what is none stays as it is.
pub(super) fn indented(text: &str) -> String {
    serde_json::from_str::<Value>(text).map_or_else(|_no_json| text.to_owned(), |it| pretty(&it))
}

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default()
}

fn done(history: &[Happened]) -> Markup {
    html! {
        section.card {
            h2 { "What was done about it" }
            @if history.is_empty() {
                p.empty { "Nothing yet." }
            } @else {
                table.stack {
                    thead { tr { th { "When" } th { "What" } th { "Who" } th { "Why" } } }
                    tbody {
                        @for one in history {
                            tr {
                                td { (exactly(one.at)) }
                                td {
                                    b { (one.event.replace('_', " ")) }
                                    span.sub {
                                        @if let Some(attempt) = one.attempt { "attempt " (attempt) " " }
                                        @if let Some(consumer) = &one.consumer { "to " (consumer) " " }
                                        @if let Some(mended) = &one.mended {
                                            "edited at " (mended.join(", ")) " "
                                        }
                                        @if let Some(next) = one.next_dead_letter_id {
                                            a href=(format!("/letters/{next}")) { "the letter that came of it" }
                                        }
                                    }
                                }
                                td data-label="Who" { (one.actor.as_deref().unwrap_or("the console")) }
                                td { (one.reason.as_deref().or(one.detail.as_deref()).unwrap_or("")) }
                            }
                        }
                    }
                }
            }
        }
    }
}
