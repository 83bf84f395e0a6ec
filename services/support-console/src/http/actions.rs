//! What staff do about a dead letter: each in one transaction with its row of the audit.

use axum::extract::State;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use chassis::{
    ApiError,
    http::{Json, Path},
    trace,
};
use chrono::{DateTime, TimeDelta, Utc};
use contracts::internal::Versions;
use http::StatusCode;
use messaging::Tx;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::{
    OPERATOR,
    acting::{self, Actor, Attempt},
    edits, failed,
};
use crate::{
    App, mask,
    replay::{self, Plan, What},
    state::{self, State as Stands, Wish},
    store::{self, Act, Edit, NewEvent, Whole},
};

/// Why something is done.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Because {
    #[serde(deserialize_with = "acting::reason")]
    pub(crate) reason: String,
}

/// Why a letter is sent again, and what its body is mended to.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReplayWanted {
    #[serde(deserialize_with = "acting::reason")]
    pub(crate) reason: String,
    pub(crate) body: Option<Value>,
}

/// What was done.
#[derive(Debug, Serialize)]
pub(crate) struct Done {
    dead_letter_id: Uuid,
    state: Stands,
    #[serde(skip_serializing_if = "Option::is_none")]
    replay: Option<Sent>,
    #[serde(skip_serializing_if = "Option::is_none")]
    restorable_until: Option<DateTime<Utc>>,
    /// That waits for a second person; nothing is sent yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    edit: Option<Edit>,
}

/// A replay under way.
#[derive(Debug, Serialize)]
struct Sent {
    consumer: String,
    attempt: u32,
    trace_id: Option<String>,
    /// Where a mended body differs.
    mended: Option<Vec<String>>,
}

/// A dead letter with nothing hidden.
#[derive(Debug, Serialize)]
pub(crate) struct Unmasked {
    pub(crate) dead_letter_id: Uuid,
    pub(crate) headers: Map<String, Value>,
    pub(crate) body_base64: String,
    pub(crate) body_text: Option<String>,
}

type Body<T> = Result<Json<T>, ApiError>;

/// Sends a letter again. 202: nobody knows yet what comes of it.
pub(crate) async fn replay(
    State(app): State<App>,
    actor: Actor,
    Path(id): Path<Uuid>,
    body: Body<ReplayWanted>,
) -> Result<(StatusCode, Json<Done>), ApiError> {
    let attempt = Attempt::permit(&app, actor, Wish::Replay.as_str(), Some(id), OPERATOR).await?;
    let Json(ReplayWanted { reason, body }) = body?;
    let begun = begin(&app, attempt.because(&reason)?, Wish::Replay, id).await?;
    match &body {
        Some(edited) if replay::needs_second(begun.whole.summary.message_type.as_deref()) => {
            propose(begun, edited).await
        }
        edited => {
            let what = edited.as_ref().map_or(What::Original, What::Mended);
            Box::pin(send(&app, begun, what, None)).await
        }
    }
}

/// Keeps an edit until a second person lets it pass. 202 as well: nothing is sent yet.
async fn propose(mut begun: Begun, edited: &Value) -> Result<(StatusCode, Json<Done>), ApiError> {
    let id = begun.whole.summary.dead_letter_id;
    let attempt_after = i64::from(begun.whole.summary.attempt) + 1;
    let plan = match replay::plan(&begun.whole, attempt_after, What::Mended(edited)) {
        Ok(plan) => plan,
        Err(error) => return Err(begun.refuse(error).await),
    };
    let act = begun.done(false).named("propose_edit");
    let edit = Edit {
        edit_id: chassis::mint::uuid7(),
        dead_letter_id: id,
        made_at: begun.whole.now,
        proposer: act.actor.clone(),
        reason: act.reason.clone(),
        changed: plan.changed.unwrap_or_default(),
        body: plan.replay.body,
    };
    let written = async {
        store::record(begun.tx.conn(), &act).await?;
        store::propose_edit(begun.tx.conn(), &edit, act.act_id).await
    };
    if !written.await.map_err(|error| failed(&error))? {
        let detail = "another edit of it waits for a second person";
        return Err(begun.refuse(ApiError::conflict("edit_waits", detail)).await);
    }
    let state = begun.whole.summary.state;
    begun.tx.commit().await.map_err(|error| failed(&error))?;
    let edit = Some(edits::masked(edit));
    let done = Done { dead_letter_id: id, state, replay: None, restorable_until: None, edit };
    Ok((StatusCode::ACCEPTED, Json(done)))
}

/// Sends a letter again, as it was or as it was edited; `edit_id` is the edit that is agreed to.
pub(crate) async fn send(
    app: &App,
    begun: Begun,
    what: What<'_>,
    edit_id: Option<Uuid>,
) -> Result<(StatusCode, Json<Done>), ApiError> {
    let mut begun = begun;
    let id = begun.whole.summary.dead_letter_id;
    let message_id = begun.whole.summary.message_id;
    let next = store::next_attempt(begun.tx.conn(), message_id).await;
    let next = next.map_err(|error| failed(&error))?;
    let Plan { replay, changed } = match replay::plan(&begun.whole, next, what) {
        Ok(plan) => plan,
        Err(error) => return Err(begun.refuse(error).await),
    };
    let span = replay::span(&begun.whole, &replay);
    let trace_id = trace::trace_id(&span);
    let event = NewEvent::Replayed {
        message_id,
        consumer: replay.consumer.clone(),
        // A plan has no attempt that does not fit.
        attempt: i32::try_from(replay.attempt).unwrap_or(i32::MAX),
        trace_id: trace_id.clone(),
        mended: changed.clone().map(|changed| (replay.body.clone(), changed)),
    };
    let (consumer, attempt) = (replay.consumer.clone(), replay.attempt);
    begun.tx.send(app.messaging.replay(replay, trace::of(&span)));
    begun.finish(&event, edit_id).await?;
    let mended = changed.map(|changed| changed.iter().map(|at| mask::pointer(at)).collect());
    let replay = Some(Sent { consumer, attempt, trace_id, mended });
    let state = Stands::Replaying;
    let done = Done { dead_letter_id: id, state, replay, restorable_until: None, edit: None };
    Ok((StatusCode::ACCEPTED, Json(done)))
}

/// Puts a letter aside, for a while in a way that can be taken back.
pub(crate) async fn discard(
    State(app): State<App>,
    actor: Actor,
    Path(id): Path<Uuid>,
    body: Body<Because>,
) -> Result<Json<Done>, ApiError> {
    let attempt = Attempt::permit(&app, actor, Wish::Discard.as_str(), Some(id), OPERATOR).await?;
    let Json(Because { reason }) = body?;
    let begun = begin(&app, attempt.because(&reason)?, Wish::Discard, id).await?;
    let lasts = TimeDelta::from_std(app.support.restorable_for).unwrap_or(TimeDelta::zero());
    let restorable_until = begun.whole.now + lasts;
    begun.finish(&NewEvent::Discarded { restorable_until }, None).await?;
    let (state, restorable_until) = (Stands::Discarded, Some(restorable_until));
    Ok(Json(Done { dead_letter_id: id, state, replay: None, restorable_until, edit: None }))
}

/// Takes a letter back from where it was put aside.
pub(crate) async fn restore(
    State(app): State<App>,
    actor: Actor,
    Path(id): Path<Uuid>,
    body: Body<Because>,
) -> Result<Json<Done>, ApiError> {
    let attempt = Attempt::permit(&app, actor, Wish::Restore.as_str(), Some(id), OPERATOR).await?;
    let Json(Because { reason }) = body?;
    let begun = begin(&app, attempt.because(&reason)?, Wish::Restore, id).await?;
    begun.finish(&NewEvent::Restored, None).await?;
    let state = Stands::Parked;
    Ok(Json(Done { dead_letter_id: id, state, replay: None, restorable_until: None, edit: None }))
}

/// Shows a letter with nothing hidden.
pub(crate) async fn unmask(
    State(app): State<App>,
    actor: Actor,
    Path(id): Path<Uuid>,
    body: Body<Because>,
) -> Result<Json<Unmasked>, ApiError> {
    let attempt = Attempt::permit(&app, actor, Wish::Unmask.as_str(), Some(id), OPERATOR).await?;
    let Json(Because { reason }) = body?;
    let mut begun = begin(&app, attempt.because(&reason)?, Wish::Unmask, id).await?;
    let act = begun.done(false);
    store::record(begun.tx.conn(), &act).await.map_err(|error| failed(&error))?;
    begun.tx.commit().await.map_err(|error| failed(&error))?;
    let Whole { headers, body, .. } = begun.whole;
    let body_base64 = STANDARD.encode(&body);
    let body_text = String::from_utf8(body).ok();
    Ok(Json(Unmasked { dead_letter_id: id, headers, body_base64, body_text }))
}

/// An act that can be done as the letter stands, and is not yet.
pub(crate) struct Begun {
    attempt: Attempt,
    whole: Whole,
    pub(crate) tx: Tx,
}

pub(crate) async fn begin(
    app: &App,
    attempt: Attempt,
    wish: Wish,
    id: Uuid,
) -> Result<Begun, ApiError> {
    let mut attempt = attempt;
    let mut tx = app.messaging.begin().await.map_err(|error| failed(&error))?;
    let found = store::load(tx.conn(), id).await.map_err(|error| failed(&error))?;
    let Some(whole) = found else {
        drop(tx);
        return Err(attempt.refused(ApiError::not_found()).await);
    };
    attempt.about(whole.summary.booking_id);
    let mut begun = Begun { attempt, whole, tx };
    let summary = &begun.whole.summary;
    let late = summary.is_late(app.support.replay_known_within, begun.whole.now);
    match state::may(wish, summary.state, late, summary.restorable_until, begun.whole.now) {
        Ok(()) => Ok(begun),
        Err(refusal) => {
            let error = begun.taken(refusal.code, refusal.detail).await?;
            let summary = &begun.whole.summary;
            let error = error
                .with("state", summary.state.as_str())
                .with("next_dead_letter_id", summary.next_dead_letter_id.map(|id| id.to_string()));
            Err(begun.refuse(error).await)
        }
    }
}

impl Begun {
    /// The act when it is done, and whether it changes how the letter stands.
    fn done(&self, changes: bool) -> Act {
        let before = u64::from(self.whole.summary.version.unsigned_abs());
        let versions = Versions { before, after: before + u64::from(changes) };
        self.attempt.done().making(Some(versions))
    }

    /// Why it cannot be done, and who did last what it cannot be done for.
    async fn taken(&mut self, code: &'static str, detail: &str) -> Result<ApiError, ApiError> {
        let id = self.whole.summary.dead_letter_id;
        let by = store::last_actor(self.tx.conn(), id).await.map_err(|error| failed(&error))?;
        Ok(match by {
            Some(by) => {
                let detail = format!("{detail}; the last to act on it was {by}");
                ApiError::conflict(code, detail).with("by", by)
            }
            None => ApiError::conflict(code, detail),
        })
    }

    /// Writes the act and what follows from it, or neither.
    async fn finish(mut self, event: &NewEvent, edit: Option<Uuid>) -> Result<(), ApiError> {
        let summary = &self.whole.summary;
        let (id, version) = (summary.dead_letter_id, summary.version.saturating_add(1));
        let act = self.done(true);
        let write = async {
            store::record(self.tx.conn(), &act).await?;
            if let Some(edit) = edit {
                store::decide_edit(self.tx.conn(), edit, "approved", act.act_id).await?;
            }
            store::add_event(self.tx.conn(), id, version, act.act_id, event).await
        };
        if !write.await.map_err(|error| failed(&error))? {
            // Waited for whoever was first, who has committed.
            let detail = "somebody else was first; look again";
            let error = self.taken("changed_meanwhile", detail).await?;
            return Err(self.refuse(error).await);
        }
        self.tx.commit().await.map_err(|error| failed(&error))
    }

    /// Ends the transaction before the refusal is written by another connection.
    pub(crate) async fn refuse(self, error: ApiError) -> ApiError {
        let Self { attempt, tx, .. } = self;
        drop(tx);
        attempt.refused(error).await
    }
}
