//! What is kept, found, connected and drawn.

use std::collections::BTreeMap;

use super::*;

fn span(trace: &str, id: &str, parent: Option<&str>, service: &str) -> Span {
    Span {
        trace_id: trace.to_owned(),
        span_id: id.to_owned(),
        parent_id: parent.map(str::to_owned),
        name: format!("span {id}"),
        kind: "internal".to_owned(),
        service: service.to_owned(),
        start_ns: 1,
        end_ns: 2,
        failed: false,
        attributes: BTreeMap::new(),
        said: Vec::new(),
        links: Vec::new(),
    }
}

#[test]
fn a_view_reaches_over_parents_and_links_and_no_further() {
    let mut replay = span("b", "3", None, "console");
    replay.links.push(Place { trace_id: "a".to_owned(), span_id: "2".to_owned() });
    let spans = [
        span("a", "1", None, "booking"),
        span("a", "2", Some("1"), "rewards"),
        replay,
        span("b", "4", Some("3"), "rewards"),
        span("c", "5", None, "booking"),
    ];
    let reached = connected(&spans, &spans[0].place());
    assert_eq!(reached.len(), 4);
    assert!(!reached.contains(&spans[4].place()));
}

#[test]
fn a_trace_without_a_click_is_not_complete() {
    let spans = [span("a", "1", None, "booking")];
    assert_eq!(complete(&spans, Ended::Confirmed), Err(vec!["the click".to_owned()]));
}

fn message(kind: &str, id: &str, parent: Option<&str>, service: &str) -> Span {
    let mut hop = span("a", id, parent, service);
    hop.kind = kind.to_owned();
    let mut put =
        |name: &str, value: &str| hop.attributes.insert(name.to_owned(), value.to_owned());
    put("messaging.rabbitmq.destination.routing_key", "holdfast.booking.confirmed.v1");
    put("messaging.message.id", "M");
    hop
}

/// A click, `booking.confirmed` sent, and one try of rewards that failed.
fn failed_once() -> Vec<Span> {
    let mut click = span("a", "1", None, "booking");
    "POST /v1/bookings".clone_into(&mut click.name);
    click.kind = "server".to_owned();
    let mut tried = message("consumer", "3", Some("2"), "rewards");
    tried.failed = true;
    vec![click, message("producer", "2", Some("1"), "booking"), tried]
}

fn what_is_missing(spans: &[Span]) -> Vec<String> {
    let missing = complete(spans, Ended::Confirmed).err().unwrap_or_default();
    missing.into_iter().filter(|what| what.contains("booking.confirmed")).collect()
}

#[test]
fn a_message_that_nobody_heard_and_one_that_failed_at_last_are_missing() {
    let spans = failed_once();
    let handled = "holdfast.booking.confirmed.v1 handled by rewards after it failed";
    assert_eq!(what_is_missing(&spans), [handled]);
    let heard = "holdfast.booking.confirmed.v1 processed by rewards";
    assert_eq!(what_is_missing(&spans[..2]), [heard]);
}

#[test]
fn a_replay_in_another_trace_counts_when_it_is_linked_with_what_failed() {
    let mut spans = failed_once();
    let mut replay = message("producer", "4", None, "support-console");
    "b".clone_into(&mut replay.trace_id);
    let mut again = message("consumer", "5", Some("4"), "rewards");
    "b".clone_into(&mut again.trace_id);
    again.start_ns = 9;
    spans.extend([replay, again]);
    assert_eq!(what_is_missing(&spans).len(), 1, "nothing ties it to the booking");
    spans[3].links.push(Place { trace_id: "a".to_owned(), span_id: "3".to_owned() });
    assert!(what_is_missing(&spans).is_empty());
}

#[test]
fn the_store_finds_a_booking_and_what_is_linked_with_it() {
    let mut store = Store::default();
    let mut own = span("a", "1", None, "booking");
    own.attributes.insert("booking.id".to_owned(), "B".to_owned());
    let mut batch = span("b", "2", None, "rewards");
    batch.links.push(own.place());
    store.add(own);
    store.add(batch);
    store.add(span("c", "3", None, "booking"));
    assert_eq!(store.booking("B").len(), 2);
    assert_eq!(store.trace("c").len(), 1);
    assert!(store.booking("nobody").is_empty());
}

#[test]
fn a_picture_has_a_line_for_each_span_below_its_parent() {
    let spans = [span("a", "2", Some("1"), "rewards"), span("a", "1", None, "booking")];
    let lines: Vec<String> = text(&spans).lines().map(str::to_owned).collect();
    assert!(lines[0].starts_with("booking span 1"), "{lines:?}");
    assert!(lines[1].starts_with("  rewards span 2"), "{lines:?}");
    assert!(page("a<b", &spans).contains("a&lt;b"));
}
