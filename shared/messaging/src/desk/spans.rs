//! The spans of what is processed, by OpenTelemetry's conventions for messaging.

use chassis::trace;
use tracing::{Span, field::Empty};

use super::Desk;
use crate::{handles::Handles, incoming::Incoming};

impl<H: Handles> Desk<H> {
    /// One span a delivery, a child of its sender's.
    pub(super) fn process_span(&self, item: &Incoming) -> Span {
        let role = self.heard.role();
        let queue = self.speaker.routing.queue(role);
        let server = &self.speaker.server;
        let place = format!("{}:{}:{queue}", item.sent_to.exchange, item.sent_to.routing_key);
        let span = tracing::info_span!(
            parent: None,
            "process",
            otel.name = %format_args!("process {place}"),
            otel.kind = "consumer",
            otel.status_code = Empty,
            otel.status_description = Empty,
            error.type = Empty,
            messaging.system = "rabbitmq",
            messaging.operation.name = "process",
            messaging.operation.r#type = "process",
            messaging.destination.name = place,
            messaging.rabbitmq.destination.routing_key = item.sent_to.routing_key,
            messaging.message.id = %item.id,
            messaging.message.body.size = item.body.len(),
            server.address = server.address,
            server.port = server.port,
            message.id = %item.id,
            attempt = item.attempt,
            consumer = role,
            booking.id = item.envelope.as_ref().ok().map(|envelope| envelope.subject.to_string()),
        );
        if let Some(sender) = item.trace() {
            trace::set_parent(&span, &sender);
        }
        span
    }

    /// The span of the work on a batch: the delivery's own when there is one, else one that is
    /// linked to each.
    pub(super) fn batch_span(&self, spans: &[Span]) -> Span {
        if let [only] = spans {
            return only.clone();
        }
        let queue = self.speaker.routing.queue(self.heard.role());
        let server = &self.speaker.server;
        let batch = tracing::info_span!(
            parent: None,
            "batch",
            otel.name = %format_args!("process batch {queue}"),
            otel.kind = "consumer",
            messaging.system = "rabbitmq",
            messaging.operation.name = "process batch",
            messaging.operation.r#type = "process",
            messaging.destination.name = queue,
            messaging.batch.message_count = spans.len(),
            server.address = server.address,
            server.port = server.port,
            consumer = self.heard.role(),
        );
        for context in spans.iter().filter_map(trace::of) {
            trace::link(&batch, &context);
        }
        batch
    }
}
