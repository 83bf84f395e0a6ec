//! Acts on one dead letter: first a page that says what would be done, then the act itself.

use axum::{
    extract::State,
    response::{IntoResponse as _, Redirect, Response},
};
use chassis::{
    ApiError,
    http::{Json, Path},
};
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::Value;
use uuid::Uuid;

use super::{
    layout::{Page, csrf, reason, type_name},
    letter::{indented, would_do},
    session::{Form, Session},
};
use crate::{
    App, fault,
    http::{
        OPERATOR,
        acting::{Actor, Attempt},
        actions::{self, Because, ReplayWanted},
        connection, failed,
        parked::{self, Shown},
        preview,
    },
    mask, replay,
    state::{State as Stands, Wish},
    store,
};

/// What an act's form says.
#[derive(Deserialize)]
pub(super) struct Said {
    reason: String,
    /// The edited body of a letter.
    #[serde(default)]
    body: String,
    /// That the difference was seen.
    #[serde(default)]
    seen: bool,
}

/// What would be done, and a form to do it.
pub(super) async fn ask(
    State(app): State<App>,
    session: Session,
    Path((id, act)): Path<(Uuid, String)>,
) -> Result<Response, ApiError> {
    let act = Act::named(&act).ok_or_else(ApiError::not_found)?;
    if !session.may(OPERATOR) {
        // An act denied is recorded when it is tried; to look at its form is not to try.
        return Err(ApiError::forbidden());
    }
    let Json(shown) = parked::show(State(app.clone()), session.bearer(), Path(id)).await?;
    let previewed = match act {
        Act::Replay => {
            let preview = preview::show(State(app), session.bearer(), Path(id)).await;
            Some(preview.map(|Json(preview)| preview))
        }
        Act::Edit | Act::Discard | Act::Restore | Act::Unmask => None,
    };
    let body = html! {
        p.lead {
            (fault::meaning(&shown.summary.cause).title) " · "
            (shown.summary.message_type.as_deref().map_or("of no type", type_name)) " · "
            a href=(format!("/letters/{id}")) { "back to the letter" }
        }
        @if let Some(preview) = &previewed { (would_do(preview)) }
        section.card.narrow {
            h2 { "This will be done" }
            (explained(act, &shown))
            form method="post" action=(format!("/letters/{id}/{}", act.sent_to())) {
                (csrf(&session))
                (reason(act.hint()))
                div.acts {
                    button.danger[act == Act::Discard] type="submit" { (act.button()) }
                    a.button.quiet href=(format!("/letters/{id}")) { "No, go back" }
                }
            }
        }
    };
    Ok(Page::new(act.title(), "/letters", body).framed(Some(&session)))
}

/// Does it.
pub(super) async fn act(
    State(app): State<App>,
    session: Session,
    actor: Actor,
    Path((id, act)): Path<(Uuid, String)>,
    Form(said): Form<Said>,
) -> Result<Response, ApiError> {
    let act = Act::named(&act).ok_or_else(ApiError::not_found)?;
    match act {
        Act::Replay => {
            let wanted = said.map(|said| Json(ReplayWanted { reason: said.reason, body: None }));
            Box::pin(actions::replay(State(app), actor, Path(id), wanted)).await?;
        }
        Act::Discard => {
            let because = because(said);
            Box::pin(actions::discard(State(app), actor, Path(id), because)).await?;
        }
        Act::Restore => {
            let because = because(said);
            Box::pin(actions::restore(State(app), actor, Path(id), because)).await?;
        }
        Act::Unmask => {
            let asked = actions::unmask(State(app), actor, Path(id), because(said));
            let whole = Box::pin(asked).await?;
            return Ok(unmasked(&session, id, &whole.0));
        }
        Act::Edit if said.as_ref().is_ok_and(|said| said.seen) => {
            let wanted = said.and_then(|Said { reason, body, .. }| {
                Ok(Json(ReplayWanted { reason, body: Some(document(&body)?) }))
            });
            Box::pin(actions::replay(State(app), actor, Path(id), wanted)).await?;
        }
        Act::Edit => {
            let name = Wish::Replay.as_str();
            drop(Attempt::permit(&app, actor, name, Some(id), OPERATOR).await?);
            let Said { reason, body, .. } = said?;
            return difference(&app, &session, id, &reason, &body).await;
        }
    }
    Ok(Redirect::to(&format!("/letters/{id}")).into_response())
}

fn because(said: Result<Said, ApiError>) -> Result<Json<Because>, ApiError> {
    said.map(|said| Json(Because { reason: said.reason }))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Act {
    Replay,
    Edit,
    Discard,
    Restore,
    Unmask,
}

impl Act {
    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "replay" => Self::Replay,
            "edit" => Self::Edit,
            "discard" => Self::Discard,
            "restore" => Self::Restore,
            "unmask" => Self::Unmask,
            _ => return None,
        })
    }

    /// Who edits must see: that is asked for first, and recorded.
    const fn sent_to(self) -> &'static str {
        match self {
            Self::Replay => "replay",
            Self::Discard => "discard",
            Self::Restore => "restore",
            Self::Edit | Self::Unmask => "unmask",
        }
    }

    const fn title(self) -> &'static str {
        match self {
            Self::Replay => "Replay this letter",
            Self::Edit => "Edit this letter",
            Self::Discard => "Discard this letter",
            Self::Restore => "Restore this letter",
            Self::Unmask => "Show what is masked",
        }
    }

    const fn button(self) -> &'static str {
        match self {
            Self::Replay => "Replay it",
            Self::Edit => "Show it whole and edit",
            Self::Discard => "Discard it",
            Self::Restore => "Restore it",
            Self::Unmask => "Show it whole",
        }
    }

    const fn hint(self) -> &'static str {
        match self {
            Self::Replay => "What was mended, or why it would work now",
            Self::Edit | Self::Unmask => "Why you have to see it",
            Self::Discard => "Why it needs no effect",
            Self::Restore => "Why it is needed after all",
        }
    }
}

fn explained(act: Act, shown: &Shown) -> Markup {
    let letter = &shown.summary;
    let to = letter.addressee.as_deref().unwrap_or("nobody");
    html! {
        @match act {
            Act::Replay => {
                p {
                    "The same message goes to " b { (to) } " again, as its next attempt, byte for "
                    "byte. No other service hears it again. It takes effect at most once."
                }
                @if fault::may_have_killed(&letter.cause) {
                    div.notice.bad { p { "It may end the process of " (to) " once more." } }
                }
            }
            Act::Edit | Act::Unmask => {
                p {
                    "Headers and body are shown to you with nothing hidden. They may hold "
                    "somebody's data. That you looked is recorded."
                }
            }
            Act::Discard => {
                p { "It is put aside and nothing is sent. It can be restored for a while; nothing is deleted." }
            }
            Act::Restore => p { "It waits for a decision again." },
        }
        @if letter.state == Stands::Replaying {
            div.notice.warn {
                p {
                    "A replay of it is under way."
                    @if shown.replay_late { " Nobody heard of it for long." }
                }
            }
        }
    }
}

fn unmasked(session: &Session, id: Uuid, whole: &actions::Unmasked) -> Response {
    let text = whole.body_text.as_deref();
    let headers = serde_json::to_string_pretty(&whole.headers).unwrap_or_default();
    let body = html! {
        p.lead { "That you looked is recorded. " a href=(format!("/letters/{id}")) { "Back to the letter" } }
        section.card {
            h2 { "Headers" }
            pre tabindex="0" { (headers) }
            h2 { "Body" }
            @match text {
                Some(text) => pre tabindex="0" { (indented(text)) },
                None => { p { "Bytes that are no text, as base64:" } pre tabindex="0" { (whole.body_base64) } }
            }
        }
        @if let Some(text) = text {
            section.card {
                h2 { "Edit and replay" }
                p {
                    "Only what could not be read may be given anew: instants and counters. Fields "
                    "that no such message has may be left out. Everything else is locked. The "
                    "original stays as it is."
                }
                form method="post" action=(format!("/letters/{id}/edit")) {
                    (csrf(session))
                    label for="body" { "Body" }
                    textarea.mono id="body" name="body" spellcheck="false" { (indented(text)) }
                    (reason("What was spoilt, and how you know what is right"))
                    div.acts { button type="submit" { "Show the difference" } }
                }
            }
        }
    };
    Page::new("The letter with nothing hidden", "/letters", body).framed(Some(session))
}

/// What an edit would change, before it is done. What was there stays masked: to see it is an act
/// of its own.
async fn difference(
    app: &App,
    session: &Session,
    id: Uuid,
    reason: &str,
    body: &str,
) -> Result<Response, ApiError> {
    let edited = document(body)?;
    let whole = {
        let mut conn = connection(app).await?;
        let whole = store::load(&mut conn, id).await.map_err(|error| failed(&error))?;
        whole.ok_or_else(ApiError::not_found)?
    };
    let next = i64::from(whole.summary.attempt) + 1;
    let changed =
        replay::plan(&whole, next, replay::What::Mended(&edited))?.changed.unwrap_or_default();
    let original: Value = serde_json::from_slice(&whole.body).unwrap_or_default();
    let at = |value: Option<Value>| value.map_or_else(|| "–".to_owned(), |held| held.to_string());
    let page = html! {
        section.card {
            h2 { "What differs" }
            div.scroll tabindex="0" role="region" aria-label="What differs" {
                table.diff {
                    thead { tr { th { "Field" } th { "It was" } th { "It will be" } } }
                    tbody {
                        @for pointer in &changed {
                            tr {
                                td { (mask::pointer(pointer)) }
                                td.was { (at(original.pointer(pointer).map(mask::value))) }
                                td.will { (at(edited.pointer(pointer).cloned())) }
                            }
                        }
                    }
                }
            }
            p { "Reason: " (reason) }
            form method="post" action=(format!("/letters/{id}/edit")) {
                (csrf(session))
                input type="hidden" name="seen" value="true";
                input type="hidden" name="reason" value=(reason);
                input type="hidden" name="body" value=(body);
                div.acts {
                    button type="submit" {
                        @if replay::needs_second(whole.summary.message_type.as_deref()) {
                            "Propose it to a second person"
                        } @else { "Replay it so" }
                    }
                    a.button.quiet href=(format!("/letters/{id}")) { "No, go back" }
                }
            }
        }
    };
    Ok(Page::new("Is this what you mean?", "/letters", page).framed(Some(session)))
}

fn document(text: &str) -> Result<Value, ApiError> {
    serde_json::from_str(text).map_err(|error| {
        ApiError::unprocessable("not_json", format!("the edited body is not JSON: {error}"))
    })
}
