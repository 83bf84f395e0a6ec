//! What became of replays: known from the dead letter that came of one, or from its consumer.
//!
//! Nothing is taken for a success because nothing was heard of it.

use std::{collections::BTreeMap, time::Duration};

use chassis::Process;
use contracts::internal::{InboxReply, InboxRequest, InboxState};
use futures::{StreamExt as _, stream};
use messaging::{Step, StoreError, database, job};
use uuid::Uuid;

use crate::{
    App,
    store::{self, Pending},
};

/// A replay of many waits for each of its first steps to be known.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// Replays that are asked about in one step.
const ASKED_MAX: i64 = 2_000;
/// Questions that are under way at once, each about many replays to one consumer.
const ASKED_AT_ONCE: usize = 8;

pub(crate) fn start(app: &App, process: &Process) {
    let app = app.clone();
    job(process, "settle replays", LOOK_EVERY, move || {
        let app = app.clone();
        async move { settle_replays(&app).await }
    });
}

/// Looks once at what became of replays that are under way.
///
/// # Errors
/// When the database fails.
pub async fn settle_replays(app: &App) -> Result<Step, StoreError> {
    let mut conn = app.pool.acquire().await.map_err(database("taking a connection"))?;
    let failed = store::failed_again(&mut conn).await?;
    let pending = store::pending(&mut conn, ASKED_MAX).await?;
    drop(conn);
    let asked = questions(pending).into_iter().map(|replays| ask(app, replays));
    let succeeded: Vec<(Pending, String)> =
        stream::iter(asked).buffer_unordered(ASKED_AT_ONCE).concat().await;
    if !succeeded.is_empty() {
        let mut conn = app.pool.acquire().await.map_err(database("taking a connection"))?;
        store::succeeded(&mut conn, &succeeded).await?;
    }
    Ok(Step::of(failed + succeeded.len()))
}

/// Replays to one consumer, no more than it may be asked about at once.
fn questions(pending: Vec<Pending>) -> Vec<Vec<Pending>> {
    let mut of = BTreeMap::<String, Vec<Pending>>::new();
    for replay in pending {
        of.entry(replay.consumer.clone()).or_default().push(replay);
    }
    let chunks = of.values().flat_map(|replays| replays.chunks(InboxRequest::AT_ONCE_MAX));
    chunks.map(<[Pending]>::to_vec).collect()
}

/// Asks one consumer; says which of the replays took effect, and how.
async fn ask(app: &App, replays: Vec<Pending>) -> Vec<(Pending, String)> {
    let Some(first) = replays.first() else { return Vec::new() };
    let ids = replays.iter().map(|replay| replay.message_id).collect();
    let told = match app.owners.inbox(&first.consumer, ids).await {
        None => return Vec::new(),
        Some(Ok(told)) => told,
        Some(Err(error)) => {
            let (consumer, error) = (&first.consumer, chassis::chain(&error).to_string());
            tracing::debug!(consumer, error, "a consumer does not say how replays ended");
            return Vec::new();
        }
    };
    let effects: BTreeMap<Uuid, String> = told
        .messages
        .iter()
        .filter_map(|reply| Some((reply.message_id, took_effect(reply)?)))
        .collect();
    let succeeded = replays.into_iter().filter_map(|replay| {
        let detail = effects.get(&replay.message_id)?.clone();
        Some((replay, detail))
    });
    succeeded.collect()
}

/// A message takes effect once, by whichever of its deliveries.
fn took_effect(reply: &InboxReply) -> Option<String> {
    match (reply.state, reply.attempt) {
        (Some(InboxState::Done), Some(attempt)) => {
            Some(format!("took effect as attempt {attempt}"))
        }
        (Some(InboxState::Done), None) => Some("took effect".to_owned()),
        (Some(InboxState::Waiting | InboxState::Dead) | None, _) => None,
    }
}
