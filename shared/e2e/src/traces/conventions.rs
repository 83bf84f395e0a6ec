//! Whether spans are named and described as OpenTelemetry's semantic conventions say, so that any
//! tool for traces understands them.
//!
//! The rules are those of the pages "Messaging spans", "RabbitMQ" and "HTTP spans" of
//! opentelemetry.io/docs/specs/semconv: what they require, or require where it is known, and of
//! what they recommend that which we can know. The names are the constants of the crate that is
//! generated from the same registry.

use opentelemetry_semantic_conventions::attribute::{
    ERROR_TYPE, HTTP_REQUEST_METHOD, HTTP_RESPONSE_STATUS_CODE, HTTP_ROUTE,
    MESSAGING_BATCH_MESSAGE_COUNT, MESSAGING_DESTINATION_NAME, MESSAGING_MESSAGE_BODY_SIZE,
    MESSAGING_MESSAGE_ID, MESSAGING_OPERATION_NAME, MESSAGING_OPERATION_TYPE,
    MESSAGING_RABBITMQ_DESTINATION_ROUTING_KEY, MESSAGING_SYSTEM, SERVER_ADDRESS, SERVER_PORT,
    URL_FULL, URL_PATH, URL_SCHEME,
};

use super::Span;

/// What a convention is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Of {
    /// A message given to the broker.
    Sending,
    /// A delivery, or a batch of them, that is worked on.
    Processing,
    /// A call over HTTP.
    Calling,
    /// An answer over HTTP.
    Answering,
}

/// What an attribute must be.
#[derive(Debug, Clone, Copy)]
enum Must {
    /// This word.
    Be(&'static str),
    /// One of these words.
    BeOf(&'static [&'static str]),
    /// There, and a number.
    Count,
    /// There, whatever it says.
    Say,
    /// There where the span failed.
    SayOfFailure,
    /// There, as an address without a query or a name to sign in with.
    Locate,
}

use Must::{Be, BeOf, Count, Locate, Say, SayOfFailure};
use Of::{Answering, Calling, Processing, Sending};

const METHODS: &[&str] = &[
    "GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", "QUERY",
    "_OTHER",
];

/// Every rule about one attribute. What is said of names and of kinds besides is in [`named`] and
/// [`of`].
const RULES: [(Of, &str, Must); 24] = [
    (Sending, MESSAGING_SYSTEM, Be("rabbitmq")),
    (Sending, MESSAGING_OPERATION_NAME, Say),
    (Sending, MESSAGING_OPERATION_TYPE, Be("send")),
    (Sending, MESSAGING_DESTINATION_NAME, Say),
    (Sending, MESSAGING_RABBITMQ_DESTINATION_ROUTING_KEY, Say),
    (Sending, MESSAGING_MESSAGE_ID, Say),
    (Sending, SERVER_ADDRESS, Say),
    (Sending, SERVER_PORT, Count),
    (Processing, MESSAGING_SYSTEM, Be("rabbitmq")),
    (Processing, MESSAGING_OPERATION_NAME, Say),
    (Processing, MESSAGING_OPERATION_TYPE, Be("process")),
    (Processing, MESSAGING_DESTINATION_NAME, Say),
    (Processing, SERVER_ADDRESS, Say),
    (Processing, SERVER_PORT, Count),
    (Processing, ERROR_TYPE, SayOfFailure),
    (Calling, HTTP_REQUEST_METHOD, BeOf(METHODS)),
    (Calling, SERVER_ADDRESS, Say),
    (Calling, SERVER_PORT, Count),
    (Calling, URL_FULL, Locate),
    (Calling, ERROR_TYPE, SayOfFailure),
    (Answering, HTTP_REQUEST_METHOD, BeOf(METHODS)),
    (Answering, URL_PATH, Say),
    (Answering, URL_SCHEME, BeOf(&["http", "https"])),
    (Answering, ERROR_TYPE, SayOfFailure),
];

/// Every name that is used in the conventions' own namespaces.
const NAMES: [&str; 17] = [
    ERROR_TYPE,
    HTTP_REQUEST_METHOD,
    HTTP_RESPONSE_STATUS_CODE,
    HTTP_ROUTE,
    MESSAGING_BATCH_MESSAGE_COUNT,
    MESSAGING_DESTINATION_NAME,
    MESSAGING_MESSAGE_BODY_SIZE,
    MESSAGING_MESSAGE_ID,
    MESSAGING_OPERATION_NAME,
    MESSAGING_OPERATION_TYPE,
    MESSAGING_RABBITMQ_DESTINATION_ROUTING_KEY,
    MESSAGING_SYSTEM,
    SERVER_ADDRESS,
    SERVER_PORT,
    URL_FULL,
    URL_PATH,
    URL_SCHEME,
];
const NAMESPACES: [&str; 6] = ["error.", "http.", "messaging.", "network.", "server.", "url."];

/// What is not as the conventions say, a line each; nothing where all is.
#[must_use]
pub fn unconventional(spans: &[Span]) -> Vec<String> {
    let mut said: Vec<String> = spans.iter().flat_map(wrong_of).collect();
    said.sort();
    said.dedup();
    said
}

fn wrong_of(span: &Span) -> Vec<String> {
    let at = |what: String| format!("{} `{}` ({}): {what}", span.service, span.name, span.kind);
    let unknown = span.attributes.keys().filter(|name| {
        NAMESPACES.iter().any(|space| name.starts_with(space)) && !NAMES.contains(&name.as_str())
    });
    let mut wrong: Vec<String> =
        unknown.map(|name| at(format!("the conventions have no {name}"))).collect();
    match of(span) {
        Err(what) => wrong.push(at(what.to_owned())),
        Ok(None) => {}
        Ok(Some(of)) => {
            let rules = RULES.iter().filter(|(about, _, _)| *about == of);
            wrong.extend(rules.filter_map(|(_, name, must)| broken(span, name, *must)).map(at));
            let expected = named(span, of);
            if span.name != expected {
                wrong.push(at(format!("its name would be `{expected}`")));
            }
            wrong.extend(misplaced(span, of).map(at));
        }
    }
    wrong
}

/// What a span is about by its attributes, and whether it is of the kind that goes with that.
fn of(span: &Span) -> Result<Option<Of>, &'static str> {
    let (messaging, http) = (has(span, "messaging."), has(span, "http."));
    match (messaging, http, span.kind.as_str()) {
        (true, false, "producer") => Ok(Some(Sending)),
        (true, false, "consumer") => Ok(Some(Processing)),
        (false, true, "client") => Ok(Some(Calling)),
        (false, true, "server") => Ok(Some(Answering)),
        (false, false, "internal") => Ok(None),
        (true, _, _) => Err("who sends is a producer, who processes a consumer"),
        (false, true, _) => Err("who calls is a client, who answers a server"),
        (false, false, _) => Err("it does not say what it is about"),
    }
}

fn has(span: &Span, namespace: &str) -> bool {
    span.attributes.keys().any(|name| name.starts_with(namespace))
}

fn broken(span: &Span, name: &str, must: Must) -> Option<String> {
    let value = span.attribute(name);
    let holds = match must {
        Be(word) => value == word,
        BeOf(words) => words.contains(&value),
        Count => value.parse::<u64>().is_ok(),
        Say => !value.is_empty(),
        SayOfFailure => !span.failed || !value.is_empty(),
        Locate => value.starts_with("http") && !value.contains(['?', '@', '#']),
    };
    (!holds).then(|| format!("{name} is `{value}` and must {must:?}"))
}

/// `{operation} {destination}` of messages, `{method} {route}` of requests.
fn named(span: &Span, of: Of) -> String {
    let (what, whereto) = match of {
        Sending | Processing => (MESSAGING_OPERATION_NAME, MESSAGING_DESTINATION_NAME),
        // A path has references in it: a call is named by its method alone.
        Calling => (HTTP_REQUEST_METHOD, ""),
        Answering => (HTTP_REQUEST_METHOD, HTTP_ROUTE),
    };
    let name = format!("{} {}", span.attribute(what), span.attribute(whereto));
    name.trim_end().to_owned()
}

/// The parts of a destination that RabbitMQ has: `{exchange}:{routing key}` of what is sent,
/// `{exchange}:{routing key}:{queue}` of what is processed, the queue alone of a batch.
fn misplaced(span: &Span, of: Of) -> Option<String> {
    let destination = span.attribute(MESSAGING_DESTINATION_NAME);
    let key = span.attribute(MESSAGING_RABBITMQ_DESTINATION_ROUTING_KEY);
    let batch = span.attributes.contains_key(MESSAGING_BATCH_MESSAGE_COUNT);
    let parts: Vec<&str> = destination.split(':').collect();
    let holds = match (of, parts.as_slice()) {
        (Calling | Answering, _) => true,
        (Sending, [exchange, by]) => !exchange.is_empty() && *by == key,
        (Processing, [exchange, by, queue]) => {
            !batch
                && !exchange.is_empty()
                && *by == key
                && !queue.is_empty()
                && !span.attribute(MESSAGING_MESSAGE_ID).is_empty()
        }
        (Processing, [_queue]) => batch && key.is_empty(),
        (Sending | Processing, _) => false,
    };
    (!holds).then(|| format!("`{destination}` is not where RabbitMQ has a message"))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn span(kind: &str, name: &str, attributes: &[(&str, &str)]) -> Span {
        let text = |text: &&str| (*text).to_owned();
        Span {
            trace_id: "a".to_owned(),
            span_id: "1".to_owned(),
            parent_id: None,
            name: name.to_owned(),
            kind: kind.to_owned(),
            service: "booking".to_owned(),
            start_ns: 1,
            end_ns: 2,
            failed: false,
            attributes: attributes.iter().map(|(name, value)| (text(name), text(value))).collect(),
            said: Vec::new(),
            links: Vec::new(),
        }
    }

    fn good() -> [Span; 5] {
        const SERVER: [(&str, &str); 2] = [("server.address", "127.0.0.1"), ("server.port", "1")];
        let message = |kind: &str, operation: &str, r#type: &str, destination: &str, key: bool| {
            let mut said = BTreeMap::from(SERVER);
            said.insert("messaging.system", "rabbitmq");
            said.insert("messaging.operation.name", operation);
            said.insert("messaging.operation.type", r#type);
            said.insert("messaging.destination.name", destination);
            if key {
                said.insert("messaging.rabbitmq.destination.routing_key", "k.v1");
                said.insert("messaging.message.id", "M");
            } else {
                said.insert("messaging.batch.message_count", "2");
            }
            let said: Vec<_> = said.into_iter().collect();
            span(kind, &format!("{operation} {destination}"), &said)
        };
        let asked = [
            ("http.request.method", "GET"),
            ("url.full", "http://127.0.0.1:1/v3/x"),
            ("url.path", "/v3/x"),
            SERVER[0],
            SERVER[1],
        ];
        let answered = [
            ("http.request.method", "GET"),
            ("http.route", "/v1/{id}"),
            ("url.path", "/v1/7"),
            ("url.scheme", "http"),
        ];
        [
            message("producer", "send", "send", "events:k.v1", true),
            message("consumer", "process", "process", "events:k.v1:booking", true),
            message("consumer", "process batch", "process", "booking", false),
            span("client", "GET", &asked),
            span("server", "GET /v1/{id}", &answered),
        ]
    }

    /// Row: H2
    #[test]
    fn what_follows_the_conventions_is_fine() {
        assert_eq!(unconventional(&good()), Vec::<String>::new());
        assert_eq!(unconventional(&[span("internal", "job x", &[("attempt", "1")])]), [""; 0]);
    }

    /// Row: H2
    #[test]
    fn no_rule_is_broken_unseen() {
        let all_of = |span: &Span| of(span).unwrap().unwrap();
        for (about, name, must) in RULES {
            for span in good().into_iter().filter(|span| all_of(span) == about) {
                let mut without = span.clone();
                without.failed = true;
                without.attributes.remove(name);
                assert_ne!(unconventional(&[without]), [""; 0], "{} without {name}", span.name);
                if matches!(must, Be(_) | BeOf(_) | Count | Locate) {
                    let mut other = span.clone();
                    other.attributes.insert(name.to_owned(), "ftp://a@b?c".to_owned());
                    assert_ne!(unconventional(&[other]), [""; 0], "{} {name}", span.name);
                }
            }
        }
        for span in good() {
            let changes: [fn(&mut Span); 4] = [
                |span| span.name.push_str(" 7"),
                |span| "internal".clone_into(&mut span.kind),
                |span| drop(span.attributes.insert("messaging.kafka".to_owned(), "x".to_owned())),
                |span| {
                    let place = "messaging.destination.name".to_owned();
                    span.attributes.insert(place, "a:b:c:d".to_owned());
                },
            ];
            for (n, change) in changes.into_iter().enumerate() {
                let mut changed = span.clone();
                change(&mut changed);
                assert_ne!(unconventional(&[changed]), [""; 0], "{} change {n}", span.name);
            }
        }
    }
}
