//! What support asks of every service about messages: how far a consumer came with one, what one
//! would do, and to send one again.

use axum::{
    Router,
    extract::DefaultBodyLimit,
    routing::{get, post},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use chassis::{
    ApiError, FieldError,
    http::{Json, Path},
    trace::TraceContext,
};
use contracts::{
    envelope::header,
    ids::MessageId,
    internal::{InboxReply, InboxRequest, InboxState, InboxesReply, PreviewReply, PreviewRequest},
};
use messaging_core::State;
use uuid::Uuid;

use super::{Messaging, lock};
use crate::{
    failure::{Kind, StoreError, database},
    inbox,
    incoming::Incoming,
    outgoing::{Address, OutboxRow},
    replay::{self, Replay},
};

/// A preview carries the whole message, its body a third longer in base64, and its headers.
const PREVIEW_BODY_MAX: usize = 2 * PreviewRequest::BODY_MAX;

impl Messaging {
    /// `POST /internal/inbox/{consumer}`, `GET /internal/outbox`, `GET /internal/retrying` and
    /// `POST /internal/preview`, for the guarded part of a service's router.
    pub fn routes<S: Clone + Send + Sync + 'static>(&self) -> Router<S> {
        let (asked, previewed, tried) = (self.clone(), self.clone(), self.clone());
        let said = self.clone();
        let inbox = move |Path(consumer): Path<String>, Json(request): Json<InboxRequest>| {
            let messaging = asked.clone();
            async move { messaging.heard(&consumer, request).await.map(Json) }
        };
        let preview = move |Json(request): Json<PreviewRequest>| {
            let messaging = previewed.clone();
            async move { messaging.preview(request).await.map(Json) }
        };
        let retrying = move || {
            let messaging = tried.clone();
            async move { messaging.retrying().await.map(Json).map_err(failed) }
        };
        let unsent = move || {
            let messaging = said.clone();
            async move { messaging.unsent().await.map(Json).map_err(failed) }
        };
        let router = Router::new().route("/internal/retrying", get(retrying));
        let router = router.route("/internal/outbox", get(unsent));
        router.route("/internal/inbox/{consumer}", post(inbox)).route(
            "/internal/preview",
            post(preview).layer(DefaultBodyLimit::max(PREVIEW_BODY_MAX)),
        )
    }

    async fn heard(&self, consumer: &str, request: InboxRequest) -> Result<InboxesReply, ApiError> {
        let InboxRequest { message_ids } = request;
        if message_ids.len() > InboxRequest::AT_ONCE_MAX {
            let detail = format!("must be no more than {}", InboxRequest::AT_ONCE_MAX);
            return Err(ApiError::invalid(vec![FieldError::new(
                "/message_ids",
                "invalid",
                detail,
            )]));
        }
        self.inbox(consumer, &message_ids).await.map_err(failed)
    }

    /// How far a consumer came with some messages.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn inbox(&self, consumer: &str, ids: &[Uuid]) -> Result<InboxesReply, StoreError> {
        let mut connection =
            self.pool().acquire().await.map_err(database("taking a connection"))?;
        let (_now, seen) = inbox::read(&mut connection, consumer, ids).await?;
        let messages = ids.iter().map(|id| {
            let row = seen.get(&MessageId(*id));
            InboxReply {
                consumer: consumer.to_owned(),
                message_id: *id,
                attempt: row.and_then(|row| row.attempt),
                state: row.map(|row| match row.state {
                    State::Done => InboxState::Done,
                    State::Waiting => InboxState::Waiting,
                    State::Dead => InboxState::Dead,
                }),
            }
        });
        Ok(InboxesReply { messages: messages.collect() })
    }

    /// The outbox row that sends a dead letter to its consumer again, as part of the trace that is
    /// given.
    #[must_use]
    pub fn replay(&self, replay: Replay, trace: Option<TraceContext>) -> OutboxRow {
        replay::row(replay, self.routing(), trace)
    }

    async fn preview(&self, request: PreviewRequest) -> Result<PreviewReply, ApiError> {
        let PreviewRequest { consumer, message_id, attempt, mut headers, body_base64 } = request;
        let desk = lock(&self.inner.desks).get(consumer.as_str()).cloned();
        let desk = desk.ok_or_else(ApiError::not_found)?;
        let body = STANDARD.decode(body_base64).map_err(|_not_base64| {
            let detail = "is not base64";
            ApiError::invalid(vec![FieldError::new("/body_base64", "invalid", detail)])
        })?;
        headers.insert(header::ATTEMPT.to_owned(), attempt.into());
        let routing = self.routing();
        let to = Address { exchange: routing.commands(), routing_key: routing.queue(&consumer) };
        let item = Incoming::of(to, Some(&message_id.to_string()), headers, body);
        desk.rehearse(item).await.map_err(failed)
    }
}

fn failed(error: StoreError) -> ApiError {
    match error.kind() {
        Kind::Conflict | Kind::Unreachable => {
            tracing::warn!(error = %chassis::chain(&error), "support gets no answer now");
            ApiError::unavailable("store_unavailable", "the store does not answer now")
        }
        Kind::Broken => ApiError::internal(&error),
    }
}
