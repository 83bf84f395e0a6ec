//! What became of replays: known from the dead letter that came of one, or from its consumer.
//!
//! Nothing is taken for a success because nothing was heard of it.

use std::time::Duration;

use chassis::Process;
use contracts::internal::{InboxReply, InboxState};
use futures::{StreamExt as _, stream};
use messaging::{Step, StoreError, database, job};

use crate::{
    App,
    store::{self, Pending},
};

const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Replays that are asked about in one step.
const ASKED_MAX: i64 = 1_000;
const ASKED_AT_ONCE: usize = 32;

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
    let asked = pending.into_iter().map(|replay| async move {
        let answer = app.owners.inbox(&replay.consumer, replay.message_id).await;
        let reply = match answer? {
            Ok(reply) => reply,
            Err(error) => {
                let (consumer, error) = (&replay.consumer, chassis::chain(&error).to_string());
                tracing::debug!(consumer, error, "a consumer does not say how a replay ended");
                return None;
            }
        };
        took_effect(&reply).map(|detail| (replay, detail))
    });
    let succeeded: Vec<(Pending, String)> = stream::iter(asked)
        .buffer_unordered(ASKED_AT_ONCE)
        .filter_map(std::future::ready)
        .collect()
        .await;
    if !succeeded.is_empty() {
        let mut conn = app.pool.acquire().await.map_err(database("taking a connection"))?;
        store::succeeded(&mut conn, &succeeded).await?;
    }
    Ok(Step::of(failed + succeeded.len()))
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
