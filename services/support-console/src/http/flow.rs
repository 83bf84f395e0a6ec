//! How messages flow: what waits at the broker and who listens there, and what services have not
//! got rid of yet.

use std::time::Duration;

use axum::extract::State;
use chassis::{ApiError, auth::Bearer, http::Json};
use chrono::{DateTime, Utc};
use contracts::{
    internal::{AttentionReply, OutboxReply},
    routing::CONSUMERS,
};
use messaging::QueueStanding;
use serde::Serialize;

use super::may_look;
use crate::{App, owners::Answering};

/// The broker is asked for a handful of figures: longer than this it is not well.
const BROKER_WITHIN: Duration = Duration::from_secs(2);

#[derive(Debug, Serialize)]
pub(crate) struct Flow {
    /// Queues of consumers, and of what none of them took; none when the broker does not say.
    pub(crate) queues: Option<Vec<Queue>>,
    /// What services have committed to say, and the broker should have by now.
    pub(crate) unsent: Vec<OutboxReply>,
    pub(crate) owners: Vec<Answering>,
}

/// A queue at the broker.
#[derive(Debug, Serialize)]
pub(crate) struct Queue {
    /// Its consumer; `unroutable` for commands that no queue took.
    pub(crate) of: String,
    pub(crate) messages: u32,
    pub(crate) listening: u32,
    /// Dead letters that are not parked yet.
    pub(crate) dead: u32,
    /// Since when its consumer tries the oldest of those that fail each time. The broker does not
    /// say how old what waits there is.
    pub(crate) trying_since: Option<DateTime<Utc>>,
}

pub(super) async fn show(
    State(app): State<App>,
    Bearer(claims): Bearer,
) -> Result<Json<Flow>, ApiError> {
    may_look(&claims)?;
    Ok(Json(look(&app).await))
}

/// Asks the broker and everybody side by side.
pub(crate) async fn look(app: &App) -> Flow {
    let (mut queues, (replies, mut owners), (retrying, _)) = futures::join!(
        queues(app),
        app.owners.ask::<OutboxReply>("/internal/outbox"),
        app.owners.ask::<AttentionReply>("/internal/retrying")
    );
    for queue in queues.iter_mut().flatten() {
        let own = retrying.iter().filter(|(owner, _)| *owner == queue.of);
        queue.trying_since = own.flat_map(|(_, reply)| &reply.items).map(|item| item.since).min();
    }
    // Who has no such question says nothing that could wait.
    owners.retain(|owner| !owner.knows_nothing_of_it);
    Flow { queues, unsent: replies.into_iter().map(|(_, reply)| reply).collect(), owners }
}

async fn queues(app: &App) -> Option<Vec<Queue>> {
    let routing = &app.routing;
    let own = CONSUMERS.iter().flat_map(|of| [routing.queue(of), routing.dead_queue(of)]);
    let names: Vec<String> = own.chain([routing.unroutable_queue()]).collect();
    let asked = tokio::time::timeout(BROKER_WITHIN, app.messaging.queues(&names)).await;
    let told = asked.ok()?.ok()?;
    let of = |name: &str| told.iter().find(|queue: &&QueueStanding| queue.queue == name);
    let mut queues: Vec<Queue> = CONSUMERS
        .iter()
        .filter_map(|consumer| {
            let queue = of(&routing.queue(consumer))?;
            let dead = of(&routing.dead_queue(consumer)).map_or(0, |dead| dead.messages);
            let (messages, listening) = (queue.messages, queue.consumers);
            let of = (*consumer).to_owned();
            Some(Queue { of, messages, listening, dead, trying_since: None })
        })
        .collect();
    queues.extend(of(&routing.unroutable_queue()).map(|queue| Queue {
        of: "unroutable".to_owned(),
        messages: queue.messages,
        listening: queue.consumers,
        dead: 0,
        trying_since: None,
    }));
    Some(queues)
}
