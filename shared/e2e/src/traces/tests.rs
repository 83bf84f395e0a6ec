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
    assert_eq!(complete(&[span("a", "1", None, "booking")]), Err(vec!["the click".to_owned()]));
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
