//! The document, part by part.

use serde_json::{Map, Value, json};
use utoipa::{
    ToSchema,
    openapi::{RefOr, Schema},
};

use crate::{
    envelope::{SPEC_VERSION, header},
    message::{Kind, Message},
    messages::*,
    routing::{HEARD, Heard, Routing},
};

const DEAD: &str = "dead-letter";

/// The whole document.
pub(super) fn document() -> Value {
    let mut parts = Parts::default();
    parts.everything();
    let Parts { mut messages, mut schemas, mut channels, mut operations } = parts;
    for (role, heard) in HEARD {
        queue(&mut channels, &mut operations, role, heard);
    }
    schemas.insert("headers".to_owned(), headers());
    schemas.insert("dead_headers".to_owned(), dead_headers());
    messages.insert(DEAD.to_owned(), dead_letter());
    json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": "Holdfast messages",
            "version": "1",
            "description": "What the services of Holdfast say to each other over RabbitMQ. A type \
                names its version, `holdfast.<noun>.<what>.v<n>`, and is the routing key. What \
                breaks a reader is a new version. A type or a version that its hearer does not \
                know becomes a dead letter whose `holdfast-cause` is `unknown_type`.",
            "license": { "name": "MIT OR Apache-2.0" },
        },
        "defaultContentType": "application/json",
        "servers": {
            "broker": {
                "host": "localhost:5672",
                "protocol": "amqp",
                "protocolVersion": "0.9.1",
                "description": "RabbitMQ 3.10 to 4.x; each service is told where it is.",
            },
        },
        "channels": channels,
        "operations": operations,
        "components": { "messages": messages, "schemas": schemas },
    })
}

#[derive(Default)]
struct Parts {
    messages: Map<String, Value>,
    schemas: Map<String, Value>,
    channels: Map<String, Value>,
    operations: Map<String, Value>,
}

impl Parts {
    fn everything(&mut self) {
        self.say::<LegWanted>("booking");
        self.say::<LegGuestsWanted>("booking");
        self.say::<LegChanged>("supplier-sync");
        self.say::<LegGuestsSettled>("supplier-sync");
        self.say::<CallbackReceived>("supplier-callback");
        self.say::<PaymentPrepare>("booking");
        self.say::<PaymentClose>("booking");
        self.say::<PaymentRefund>("booking");
        self.say::<PaymentPrepared>("payment-verification");
        self.say::<PaymentSeen>("payment-verification");
        self.say::<PaymentSettled>("payment-verification");
        self.say::<PaymentReversed>("payment-verification");
        self.say::<PaymentClosed>("payment-verification");
        self.say::<PaymentRefundChanged>("payment-verification");
        self.say::<PointsWanted>("booking");
        self.say::<PointsChanged>("rewards");
        self.say::<BookingConfirmed>("booking");
        self.say::<BookingFailed>("booking");
        self.say::<BookingCancelled>("booking");
        self.say::<BookingLegCancelled>("booking");
        self.say::<BookingLegReplaced>("booking");
        self.say::<BookingMoneyReversed>("booking");
        self.say::<BookingMoved>("booking");
        self.say::<BookingCompleted>("booking");
    }

    /// One message: its shape, the channel it goes by, and who says it.
    fn say<M: Message + ToSchema>(&mut self, by: &str) {
        let mut shapes: Vec<(String, RefOr<Schema>)> = Vec::new();
        M::schemas(&mut shapes);
        for (name, shape) in shapes {
            self.schemas.insert(name, serde_json::to_value(shape).unwrap());
        }
        let mut payload = serde_json::to_value(M::schema()).unwrap();
        let about = payload.as_object_mut().unwrap().remove("description").unwrap_or_default();
        let (_, version) = M::TYPE.rsplit_once(".v").unwrap();
        let message = json!({
            "name": M::TYPE,
            "description": about,
            "x-version": version,
            "headers": { "$ref": "#/components/schemas/headers" },
            "payload": payload,
            "bindings": { "amqp": { "messageType": M::TYPE, "bindingVersion": "0.3.0" } },
        });
        self.messages.insert(M::TYPE.to_owned(), message);
        let (kind, word) = match M::KIND {
            Kind::Command => ("direct", "Sent to the one service that does it."),
            Kind::Event => ("topic", "Sent to whoever listens."),
        };
        let exchange = json!({
            "name": Routing::default().exchange(M::KIND),
            "type": kind, "durable": true, "autoDelete": false, "vhost": "/",
        });
        let channel = json!({
            "address": M::TYPE,
            "description": word,
            "messages": { M::TYPE: { "$ref": format!("#/components/messages/{}", M::TYPE) } },
            "bindings": {
                "amqp": { "is": "routingKey", "exchange": exchange, "bindingVersion": "0.3.0" },
            },
        });
        self.channels.insert(M::TYPE.to_owned(), channel);
        let operation = json!({
            "action": "send",
            "summary": format!("{by} says it."),
            "channel": { "$ref": format!("#/channels/{}", M::TYPE) },
            "bindings": {
                "amqp": { "deliveryMode": 2, "mandatory": M::KIND == Kind::Event, "bindingVersion": "0.3.0" },
            },
        });
        self.operations.insert(format!("{by}.sends.{}", M::TYPE), operation);
    }
}

/// A role's queue and its queue of dead letters.
fn queue(
    channels: &mut Map<String, Value>,
    operations: &mut Map<String, Value>,
    role: &str,
    heard: &[Heard],
) {
    let routing = Routing::default();
    let binding = |name: &str| {
        json!({
            "amqp": {
                "is": "queue",
                "queue": {
                    "name": name, "durable": true, "exclusive": false, "autoDelete": false,
                    "vhost": "/",
                },
                "bindingVersion": "0.3.0",
            },
        })
    };
    let (name, dead) = (routing.queue(role), routing.dead_queue(role));
    let said: Map<String, Value> = heard
        .iter()
        .map(|(_, said)| {
            (said.to_string(), json!({ "$ref": format!("#/components/messages/{said}") }))
        })
        .collect();
    let listens: Vec<Value> = heard
        .iter()
        .map(|(_, said)| json!({ "$ref": format!("#/channels/{name}/messages/{said}") }))
        .collect();
    let hears = format!("What {role} hears, in a quorum queue.");
    let channel = json!({
        "address": name, "description": hears, "messages": said, "bindings": binding(&name),
    });
    channels.insert(name.clone(), channel);
    let parked = format!("What {role} gave up.");
    let parked = json!({
        "address": dead, "description": parked, "bindings": binding(&dead),
        "messages": { DEAD: { "$ref": format!("#/components/messages/{DEAD}") } },
    });
    channels.insert(dead.clone(), parked);
    let receive = json!({
        "action": "receive",
        "channel": { "$ref": format!("#/channels/{name}") },
        "messages": listens,
        "bindings": { "amqp": { "ack": true, "bindingVersion": "0.3.0" } },
    });
    operations.insert(format!("{role}.receives"), receive);
    let gives_up = json!({
        "action": "send",
        "channel": { "$ref": format!("#/channels/{dead}") },
        "messages": [{ "$ref": format!("#/channels/{dead}/messages/{DEAD}") }],
    });
    operations.insert(format!("{role}.gives-up"), gives_up);
}

fn text(about: &str) -> Value {
    json!({ "type": "string", "description": about })
}

fn known(format: &str, about: &str) -> Value {
    json!({ "type": "string", "format": format, "description": about })
}

/// What travels around every message.
fn headers() -> Value {
    json!({
        "type": "object",
        "required": [
            header::SPEC, header::ID, header::TYPE, header::SOURCE, header::SUBJECT, header::TIME,
            header::ATTEMPT,
        ],
        "properties": {
            header::SPEC: { "type": "string", "const": SPEC_VERSION },
            header::ID: known("uuid", "The message's id, the same over retries and replays."),
            header::TYPE: text("The type with its version."),
            header::SOURCE: text("Which service said it."),
            header::SUBJECT: known("uuid", "The booking, or the callback while that is unknown."),
            header::TIME: known("date-time", "When it was said."),
            header::ATTEMPT: {
                "type": "integer", "minimum": 0,
                "description": "How often it was tried before.",
            },
            header::TRACEPARENT: {
                "type": "string", "pattern": "^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$",
                "description": "W3C trace context, as text.",
            },
            header::TRACESTATE: text("W3C trace state, as text."),
        },
    })
}

/// What a dead letter has besides.
fn dead_headers() -> Value {
    json!({
        "type": "object",
        "required": [header::CAUSE, header::CONSUMER],
        "properties": {
            header::CAUSE: {
                "type": "string",
                "enum": ["undecodable", "unknown_type", "exhausted", "rejected", "crash"],
                "description": "Why it is dead; `unknown_type` where its type, or this version of \
                    it, has no handler.",
            },
            header::DETAIL: text("What went wrong, in one line without personal data."),
            header::CONSUMER: text("Who gave it up."),
            header::EXCHANGE: text("The exchange it was sent to."),
            header::ROUTING_KEY: text("The routing key it was sent with."),
            header::FIRST_AT: known("date-time", "When it was first seen."),
            header::LAST_AT: known("date-time", "When it was given up."),
        },
    })
}

fn dead_letter() -> Value {
    json!({
        "name": DEAD,
        "description": "A message that was given up, as it came: whatever headers and body it had, \
            and why.",
        "headers": { "$ref": "#/components/schemas/dead_headers" },
    })
}
