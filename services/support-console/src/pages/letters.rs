//! Dead letters: by cause, or one by one.

use axum::{
    extract::State,
    response::{IntoResponse as _, Response},
};
use chassis::{ApiError, http::Query};
use chrono::{DateTime, Utc};
use maud::{Markup, html};
use serde::Deserialize;
use uuid::Uuid;

use super::{
    causes,
    layout::{Page, ago, booking_link, short, standing, type_name},
    session::Session,
};
use crate::{
    App, fault,
    http::{OPERATOR, connection, failed, paging::Page as Cut, parked::masked},
    state::State as Stands,
    store::{self, Filter, LetterCause, Summary},
};

/// What the list is narrowed by.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Wanted {
    group: Option<Uuid>,
    consumer: Option<String>,
    state: Option<String>,
    cursor: Option<String>,
}

const STATES: [(&str, &str); 6] = [
    ("parked", "waiting"),
    ("replaying", "replay pending"),
    ("failed_again", "failed again"),
    ("succeeded", "succeeded"),
    ("discarded", "discarded"),
    ("", "all"),
];

/// The page.
pub(super) async fn show(
    State(app): State<App>,
    session: Session,
    Query(wanted): Query<Wanted>,
) -> Result<Response, ApiError> {
    let state = wanted.state.clone().unwrap_or_else(|| "parked".to_owned());
    let page = Cut::read(Some(50), wanted.cursor.as_deref())?;
    let consumer = wanted.consumer.clone().filter(|consumer| !consumer.is_empty());
    let filter = Filter {
        consumer: consumer.clone(),
        state: Stands::try_from(state.clone()).ok(),
        letter_cause_id: wanted.group,
        ..Filter::default()
    };
    let (letters, next, causes) = {
        let mut conn = connection(&app).await?;
        let letters = store::list(&mut conn, &filter, page.after, page.rows()).await;
        let mut letters = letters.map_err(|error| failed(&error))?;
        let next = page.cut(&mut letters, |letter| (letter.parked_at, letter.dead_letter_id));
        let causes = store::causes(&mut conn, wanted.group, 200).await;
        (letters, next, causes.map_err(|error| failed(&error))?)
    };
    let letters: Vec<Summary> = letters.into_iter().map(masked).collect();
    let now = session.now;
    let group = causes.first().filter(|_| wanted.group.is_some());
    let link = |state: &str, cursor: Option<&str>| {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.append_pair("state", state);
        if let Some(group) = wanted.group {
            query.append_pair("group", &group.to_string());
        }
        if let Some(consumer) = &consumer {
            query.append_pair("consumer", consumer);
        }
        if let Some(cursor) = cursor {
            query.append_pair("cursor", cursor);
        }
        format!("/letters?{}", query.finish())
    };
    let body = html! {
        @match group {
            Some(group) => (about(group, &session, now)),
            None => @if !causes.is_empty() {
                section.card {
                    h2 { "By cause" }
                    (causes::table(&causes, now))
                }
            },
        }
        section.card {
            h2 { "One by one" }
            nav.acts aria-label="How they stand" {
                @for (word, name) in STATES {
                    a class=(if word == state { "button" } else { "button quiet" })
                        aria-current=[(word == state).then_some("true")]
                        href=(link(word, None)) { (name) }
                }
            }
            @if letters.is_empty() {
                p.empty { "None." }
            } @else {
                (table(&letters, now))
            }
            @if let Some(next) = &next {
                p.acts { a.button.quiet href=(link(&state, Some(next))) rel="next" { "Older ones" } }
            }
        }
    };
    let title = group.map_or("Dead letters", |group| fault::meaning(&group.cause).title);
    Ok(Page::new(title, "/letters", body).framed(Some(&session)).into_response())
}

fn about(group: &LetterCause, session: &Session, now: DateTime<Utc>) -> Markup {
    let meaning = fault::meaning(&group.cause);
    html! {
        section.card {
            p { (meaning.explained) " " b { (meaning.advice) } }
            @if !group.error.is_empty() { pre tabindex="0" { (group.error) } }
            (causes::table(std::slice::from_ref(group), now))
            p.sub { (group.total) " ever" }
            @if session.may(OPERATOR) && group.parked > 0 {
                div.acts {
                    a.button href=(format!("/runs/new?group={}", group.letter_cause_id)) {
                        "Replay them …"
                    }
                    a.button.quiet href=(format!("/letters/{}", group.newest_id)) {
                        "Look at the newest"
                    }
                }
            }
        }
    }
}

/// Letters, each a line.
pub(super) fn table(letters: &[Summary], now: DateTime<Utc>) -> Markup {
    html! {
        table.stack {
            thead { tr {
                th { "Letter" } th { "Message" } th { "Booking" } th { "Given up" } th { "Stands" }
            } }
            tbody {
                @for letter in letters {
                    tr {
                        td {
                            a href=(format!("/letters/{}", letter.dead_letter_id)) {
                                (fault::meaning(&letter.cause).title)
                            }
                            span.sub { (letter.detail.as_deref().unwrap_or("")) }
                        }
                        td data-label="Message" {
                            (letter.message_type.as_deref().map_or("of no type", type_name))
                            span.sub {
                                (letter.consumer.as_deref().unwrap_or("no queue"))
                                " · " (short(letter.message_id)) " · attempt " (letter.attempt)
                            }
                        }
                        td data-label="Booking" {
                            @if let Some(id) = letter.booking_id { (booking_link(id)) } @else { "–" }
                        }
                        td data-label="Given up" { (ago(letter.last_at, now)) " ago" }
                        td { (standing(letter.state)) }
                    }
                }
            }
        }
    }
}
