//! Whether one confirmed booking is one connected view: every hop there, and hanging on the click.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::{Place, Span};

/// A hop that a confirmed booking of one stay has, and how its span is known.
struct Hop {
    what: &'static str,
    service: &'static str,
    kind: &'static str,
    known_by: Known,
}

enum Known {
    /// By the span's name.
    Name(&'static str),
    /// By the routing key of the message.
    Message(&'static str),
    /// By the request: its method and how its path begins.
    Call(&'static str, &'static str),
}

const fn hop(
    what: &'static str,
    service: &'static str,
    kind: &'static str,
    known_by: Known,
) -> Hop {
    Hop { what, service, kind, known_by }
}

const fn sent(what: &'static str, service: &'static str, message: &'static str) -> Hop {
    hop(what, service, "producer", Known::Message(message))
}

const fn heard(what: &'static str, service: &'static str, message: &'static str) -> Hop {
    hop(what, service, "consumer", Known::Message(message))
}

const GATEWAY: Hop = hop("the click", "booking", "server", Known::Name("POST /v1/bookings"));

const HOPS: [Hop; 19] = [
    GATEWAY,
    sent("leg.wanted sent", "booking", "holdfast.leg.wanted.v1"),
    heard("leg.wanted processed", "supplier-sync", "holdfast.leg.wanted.v1"),
    hop(
        "reserve at the supplier",
        "supplier-sync",
        "client",
        Known::Call("POST", "/rapid/v3/itineraries"),
    ),
    hop(
        "confirm at the supplier",
        "supplier-sync",
        "client",
        Known::Call("PUT", "/rapid/v3/itineraries"),
    ),
    sent("leg.changed sent", "supplier-sync", "holdfast.leg.changed.v1"),
    heard("leg.changed processed", "booking", "holdfast.leg.changed.v1"),
    sent("payment.prepare sent", "booking", "holdfast.payment.prepare.v1"),
    heard("payment.prepare processed", "payment-verification", "holdfast.payment.prepare.v1"),
    sent("payment.prepared sent", "payment-verification", "holdfast.payment.prepared.v1"),
    heard("payment.prepared processed", "booking", "holdfast.payment.prepared.v1"),
    sent("payment.seen sent", "payment-verification", "holdfast.payment.seen.v1"),
    heard("payment.seen processed", "booking", "holdfast.payment.seen.v1"),
    sent("payment.settled sent", "payment-verification", "holdfast.payment.settled.v1"),
    heard("payment.settled processed", "booking", "holdfast.payment.settled.v1"),
    sent("booking.confirmed sent", "booking", "holdfast.booking.confirmed.v1"),
    heard("booking.confirmed processed", "rewards", "holdfast.booking.confirmed.v1"),
    // The owner of the travellers is asked for them just before they are needed.
    hop(
        "travellers asked for",
        "supplier-sync",
        "client",
        Known::Call("GET", "/internal/bookings/"),
    ),
    hop(
        "travellers given",
        "booking",
        "server",
        Known::Name("GET /internal/bookings/{id}/travellers"),
    ),
];

impl Hop {
    fn is(&self, span: &Span) -> bool {
        span.service == self.service
            && span.kind == self.kind
            && match self.known_by {
                Known::Name(name) => span.name == name,
                Known::Message(key) => {
                    span.attribute("messaging.rabbitmq.destination.routing_key") == key
                }
                Known::Call(method, path) => {
                    span.attribute("http.request.method") == method
                        && span.attribute("url.path").starts_with(path)
                }
            }
    }
}

/// Says whether every hop of a confirmed booking is there and hangs on the click by parents and
/// links.
///
/// # Errors
/// The hops that are missing or hang on nothing.
pub fn complete(spans: &[Span]) -> Result<(), Vec<String>> {
    let Some(click) = spans.iter().find(|span| GATEWAY.is(span)) else {
        return Err(vec![GATEWAY.what.to_owned()]);
    };
    let hanging = connected(spans, &click.place());
    let mut missing = Vec::new();
    for hop in &HOPS {
        let mut found = spans.iter().filter(|span| hop.is(span)).peekable();
        if found.peek().is_none() {
            missing.push(hop.what.to_owned());
        } else if !found.any(|span| hanging.contains(&span.place())) {
            missing.push(format!("{} (hangs on nothing of this booking)", hop.what));
        }
    }
    // In the booking's own trace nothing hangs on a span that was never sent.
    let own: BTreeSet<Place> = spans.iter().map(Span::place).collect();
    let ours = spans.iter().filter(|span| span.trace_id == click.trace_id);
    for span in ours.filter(|span| *span != click) {
        if span.hangs_on().next().is_none_or(|parent| !own.contains(&parent)) {
            missing.push(format!("what `{}` of {} hangs on", span.name, span.service));
        }
    }
    if missing.is_empty() { Ok(()) } else { Err(missing) }
}

/// Every span that is reached from one by parents and links, in either direction.
#[must_use]
pub fn connected(spans: &[Span], from: &Place) -> BTreeSet<Place> {
    let mut edges: BTreeMap<Place, BTreeSet<Place>> = BTreeMap::new();
    for span in spans {
        for other in span.hangs_on() {
            edges.entry(other.clone()).or_default().insert(span.place());
            edges.entry(span.place()).or_default().insert(other);
        }
    }
    let mut reached = BTreeSet::from([from.clone()]);
    let mut ahead = VecDeque::from([from.clone()]);
    while let Some(place) = ahead.pop_front() {
        for next in edges.get(&place).into_iter().flatten() {
            if reached.insert(next.clone()) {
                ahead.push_back(next.clone());
            }
        }
    }
    reached
}
