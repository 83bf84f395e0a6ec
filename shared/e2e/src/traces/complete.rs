//! Whether one booking that ended is one connected view: every hop that its end needs is there,
//! every message was heard and handled by whoever hears it, and all of it hangs on the click.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use contracts::routing::hearers;

use super::{Place, Span};

/// How a booking ended, as far as its trace depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// Held, paid and bought.
    Confirmed,
    /// Undone after it was held.
    Undone {
        /// Whether money went back.
        refunded: bool,
    },
}

/// A hop that a booking has, and how its span is known.
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

const GATEWAY: Hop = hop("the click", "booking", "server", Known::Name("POST /v1/bookings"));
const TRAVELLERS: &str = "GET /internal/bookings/{id}/travellers";
const RAPID: &str = "/rapid/v3/itineraries";

/// Every booking that was held has these. That a message was heard is asked of all that were sent.
const HELD: [Hop; 8] = [
    GATEWAY,
    sent("leg.wanted sent", "booking", "holdfast.leg.wanted.v1"),
    // The owner of the travellers is asked for them just before they are needed.
    hop(
        "travellers asked for",
        "supplier-sync",
        "client",
        Known::Call("GET", "/internal/bookings/"),
    ),
    hop("travellers given", "booking", "server", Known::Name(TRAVELLERS)),
    hop("reserve at the supplier", "supplier-sync", "client", Known::Call("POST", RAPID)),
    sent("leg.changed sent", "supplier-sync", "holdfast.leg.changed.v1"),
    sent("payment.prepare sent", "booking", "holdfast.payment.prepare.v1"),
    sent("payment.prepared sent", "payment-verification", "holdfast.payment.prepared.v1"),
];

const CONFIRMED: [Hop; 4] = [
    sent("payment.seen sent", "payment-verification", "holdfast.payment.seen.v1"),
    sent("payment.settled sent", "payment-verification", "holdfast.payment.settled.v1"),
    hop("confirm at the supplier", "supplier-sync", "client", Known::Call("PUT", RAPID)),
    sent("booking.confirmed sent", "booking", "holdfast.booking.confirmed.v1"),
];

const UNDONE: [Hop; 2] = [
    sent("payment.close sent", "booking", "holdfast.payment.close.v1"),
    sent("payment.closed sent", "payment-verification", "holdfast.payment.closed.v1"),
];

const REFUNDED: [Hop; 2] = [
    sent("payment.refund sent", "booking", "holdfast.payment.refund.v1"),
    sent(
        "payment.refund_changed sent",
        "payment-verification",
        "holdfast.payment.refund_changed.v1",
    ),
];

impl Ended {
    fn hops(self) -> impl Iterator<Item = &'static Hop> {
        let (end, money): (&'static [Hop], &'static [Hop]) = match self {
            Self::Confirmed => (&CONFIRMED, &[]),
            Self::Undone { refunded: false } => (&UNDONE, &[]),
            Self::Undone { refunded: true } => (&UNDONE, &REFUNDED),
        };
        HELD.iter().chain(end).chain(money)
    }
}

impl Hop {
    fn is(&self, span: &Span) -> bool {
        span.service == self.service
            && span.kind == self.kind
            && match self.known_by {
                Known::Name(name) => span.name == name,
                Known::Message(key) => span.attribute(ROUTING_KEY) == key,
                Known::Call(method, path) => {
                    span.attribute("http.request.method") == method
                        && span.attribute("url.path").starts_with(path)
                }
            }
    }
}

const ROUTING_KEY: &str = "messaging.rabbitmq.destination.routing_key";
const MESSAGE_ID: &str = "messaging.message.id";

/// Says whether the view of a booking is whole and hangs on its click by parents and links.
///
/// # Errors
/// What is missing or hangs on nothing.
pub fn complete(spans: &[Span], ended: Ended) -> Result<(), Vec<String>> {
    let Some(click) = spans.iter().find(|span| GATEWAY.is(span)) else {
        return Err(vec![GATEWAY.what.to_owned()]);
    };
    let hanging = connected(spans, &click.place());
    let mut missing = Vec::new();
    for hop in ended.hops() {
        let mut found = spans.iter().filter(|span| hop.is(span)).peekable();
        if found.peek().is_none() {
            missing.push(hop.what.to_owned());
        } else if !found.any(|span| hanging.contains(&span.place())) {
            missing.push(format!("{} (hangs on nothing of this booking)", hop.what));
        }
    }
    let ours: Vec<&Span> = spans.iter().filter(|span| hanging.contains(&span.place())).collect();
    missing.extend(unheard(&ours));
    missing.extend(without_parent(spans, click));
    if missing.is_empty() { Ok(()) } else { Err(missing) }
}

/// Messages that one of their hearers never handled: of several tries, of which a replay is one,
/// the last is the one that counts.
fn unheard(spans: &[&Span]) -> Vec<String> {
    let sent = spans.iter().filter(|span| span.kind == "producer");
    let sent: BTreeSet<(&str, &str)> =
        sent.map(|span| (span.attribute(ROUTING_KEY), span.attribute(MESSAGE_ID))).collect();
    let mut missing = Vec::new();
    for (key, id) in sent {
        // A retry goes to one consumer by the name of its queue; it is asked for by its first way.
        for (role, _) in hearers(key) {
            let tries = spans.iter().filter(|span| {
                span.kind == "consumer" && span.service == role && span.attribute(MESSAGE_ID) == id
            });
            match tries.max_by_key(|span| span.start_ns) {
                None => missing.push(format!("{key} processed by {role}")),
                Some(last) if last.failed => {
                    missing.push(format!("{key} handled by {role} after it failed"));
                }
                Some(_) => {}
            }
        }
    }
    missing
}

/// In the booking's own trace nothing hangs on a span that was never sent.
fn without_parent(spans: &[Span], click: &Span) -> Vec<String> {
    let own: BTreeSet<Place> = spans.iter().map(Span::place).collect();
    let ours = spans.iter().filter(|span| span.trace_id == click.trace_id && *span != click);
    let lonely = ours.filter(|span| span.hangs_on().next().is_none_or(|on| !own.contains(&on)));
    lonely.map(|span| format!("what `{}` of {} hangs on", span.name, span.service)).collect()
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
