//! One timeline of a booking, asked of its owners and merged at read; and whose reference a key is.

use std::collections::BTreeSet;

use axum::extract::State;
use chassis::{
    ApiError, FieldError,
    auth::Bearer,
    http::{Json, Path, Query},
};
use contracts::{
    ids::BookingId,
    internal::{FindReply, FoundCallback, TimelineEntry, TimelineKind, TimelineReply},
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{connection, failed, may_look};
use crate::{
    App, SERVICE, mask,
    owners::Answering,
    store::{self, ActFilter, Acted, Summary},
};

const KEY_MAX: usize = 200;
/// More than anybody does about one booking.
const ACTS_MAX: i64 = 1000;

#[derive(Debug, Serialize)]
pub(crate) struct Timeline {
    pub(crate) booking_id: BookingId,
    /// Oldest first.
    pub(crate) entries: Vec<Told>,
    pub(crate) owners: Vec<Answering>,
}

/// An entry, and who told it.
#[derive(Debug, Serialize)]
pub(crate) struct Told {
    pub(crate) owner: String,
    #[serde(flatten)]
    pub(crate) entry: TimelineEntry,
}

pub(crate) async fn show(
    State(app): State<App>,
    Bearer(claims): Bearer,
    Path(booking_id): Path<BookingId>,
) -> Result<Json<Timeline>, ApiError> {
    may_look(&claims)?;
    let path = format!("/internal/timeline/{booking_id}");
    let (own, (replies, owners)) =
        futures::join!(own(&app, booking_id.0), app.owners.ask::<TimelineReply>(&path));
    let of = |owner: &str, entries: Vec<TimelineEntry>| {
        let owner = owner.to_owned();
        entries.into_iter().map(move |entry| Told { owner: owner.clone(), entry })
    };
    let told = replies.into_iter().flat_map(|(owner, reply)| of(owner, reply.entries));
    let mut entries: Vec<Told> = told.chain(of(SERVICE, own?)).collect();
    // Stable: what an owner tells of one instant stays in its order.
    entries.sort_by_key(|told| told.entry.at);
    Ok(Json(Timeline { booking_id, entries, owners }))
}

/// What the console itself knows: dead letters, and what was done about them.
async fn own(app: &App, booking_id: Uuid) -> Result<Vec<TimelineEntry>, ApiError> {
    let mut conn = connection(app).await?;
    let letters = store::named(&mut conn, Some(booking_id), None).await;
    let letters = letters.map_err(|error| failed(&error))?;
    let filter = ActFilter { booking_id: Some(booking_id), ..ActFilter::default() };
    let acts = store::acts(&mut conn, &filter, None, ACTS_MAX).await;
    let acts = acts.map_err(|error| failed(&error))?;
    let mut entries: Vec<_> = letters
        .iter()
        .filter(|letter| letter.booking_id == Some(booking_id))
        .flat_map(letter_entries)
        .collect();
    entries.extend(acts.into_iter().map(act_entry));
    entries.sort_by_key(|entry| entry.at);
    Ok(entries)
}

/// That a message was given up, and how it stands if that has changed since.
fn letter_entries(letter: &Summary) -> Vec<TimelineEntry> {
    let name = letter.message_type.as_deref().map_or_else(|| "a message".to_owned(), mask::word);
    let who = letter.consumer.clone().unwrap_or_else(|| "broker".to_owned());
    let entry = |at, what, actor| TimelineEntry {
        at,
        partner_at: None,
        kind: TimelineKind::DeadLetter,
        what,
        actor,
        message_id: Some(letter.message_id),
        trace_id: letter.trace_id.clone(),
        reference: None,
        detail: detail(&[
            ("dead_letter_id", json!(letter.dead_letter_id)),
            ("attempt", json!(letter.attempt)),
            ("state", json!(letter.state)),
            ("next_dead_letter_id", json!(letter.next_dead_letter_id)),
        ]),
    };
    let given_up = format!("{name} is given up: {}", mask::word(&letter.cause));
    let mut entries = vec![entry(letter.last_at, given_up, who)];
    if let Some(at) = letter.state_at {
        let stands = format!("the dead letter of {name} stands as {}", letter.state.as_str());
        entries.push(entry(at, stands, SERVICE.to_owned()));
    }
    entries
}

fn act_entry(act: Acted) -> TimelineEntry {
    let Acted { act: what, outcome, reason, refusal, .. } = act;
    let what = match (reason, refusal) {
        (_, Some(refusal)) => format!("{what} {outcome}: {refusal}"),
        (Some(reason), None) if outcome != "done" => format!("{what} {outcome}: {reason}"),
        (reason, None) => format!("{what}: {}", reason.unwrap_or_default()),
    };
    TimelineEntry {
        at: act.at,
        partner_at: None,
        kind: TimelineKind::Act,
        what,
        actor: format!("staff:{}", act.actor),
        message_id: None,
        trace_id: act.trace_id,
        reference: None,
        detail: detail(&[
            ("dead_letter_id", json!(act.dead_letter_id)),
            ("from_where", json!(act.from_where)),
            ("roles", json!(act.roles)),
        ]),
    }
}

fn detail(fields: &[(&str, Value)]) -> Map<String, Value> {
    let some = fields.iter().filter(|(_, value)| !value.is_null());
    some.map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Key {
    pub(crate) key: String,
}

#[derive(Debug, Serialize)]
pub(crate) struct Search {
    pub(crate) found: Vec<Match>,
    /// Callbacks that name it and belong to no booking that is known.
    pub(crate) callbacks: Vec<FoundCallback>,
    /// Dead letters with that id, message or trace, or about that booking.
    pub(crate) dead_letters: Vec<Uuid>,
    pub(crate) owners: Vec<Answering>,
}

/// A booking that somebody knows under the key.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(crate) struct Match {
    pub(crate) booking_id: BookingId,
    pub(crate) by: String,
    pub(crate) owner: String,
}

pub(crate) async fn search(
    State(app): State<App>,
    Bearer(claims): Bearer,
    Query(Key { key }): Query<Key>,
) -> Result<Json<Search>, ApiError> {
    may_look(&claims)?;
    let key = key.trim();
    if key.is_empty() || key.len() > KEY_MAX || key.chars().any(char::is_control) {
        let detail = format!("must have 1 to {KEY_MAX} printable characters");
        return Err(ApiError::invalid(vec![FieldError::new("?key", "invalid", detail)]));
    }
    let query = form_urlencoded::Serializer::new(String::new()).append_pair("key", key).finish();
    let path = format!("/internal/find?{query}");
    let (letters, (replies, owners)) =
        futures::join!(letters(&app, key), app.owners.ask::<FindReply>(&path));
    let letters = letters?;
    let callbacks = replies.iter().flat_map(|(_, reply)| reply.callbacks.clone()).collect();
    let told = replies.into_iter().flat_map(|(owner, reply)| {
        reply.found.into_iter().map(move |found| (owner, found.booking_id, found.by))
    });
    let own = letters.iter().filter_map(|letter| {
        Some((SERVICE, BookingId(letter.booking_id?), "dead_letter".to_owned()))
    });
    let found: BTreeSet<Match> = told
        .chain(own)
        .map(|(owner, booking_id, by)| Match { booking_id, by, owner: owner.to_owned() })
        .collect();
    let dead_letters = letters.iter().map(|letter| letter.dead_letter_id).collect();
    let found = found.into_iter().collect();
    Ok(Json(Search { found, callbacks, dead_letters, owners }))
}

async fn letters(app: &App, key: &str) -> Result<Vec<Summary>, ApiError> {
    let mut conn = connection(app).await?;
    let named = store::named(&mut conn, key.parse().ok(), Some(&key.to_ascii_lowercase())).await;
    named.map_err(|error| failed(&error))
}
