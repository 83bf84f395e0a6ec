//! What support asks about callbacks.

use contracts::internal::{FindReply, TimelineKind, TimelineReply};
use http::StatusCode;
use uuid::Uuid;

use crate::service::{BOOKING, OURS, SECRET, Service, THEIRS, now, signed};

const RAPID: &str = "/v1/callbacks/rapid";

/// Row: G1
#[tokio::test]
async fn the_callbacks_of_a_booking_are_told_and_found_and_nothing_that_is_sealed() {
    let service = Service::start().await;
    let body = |event: &str, theirs: &str, ours: &str| {
        format!(
            r#"{{"event_type":"{event}","itinerary_id":"{theirs}","email":"ada@example.com",
                "affiliate_reference_id":"{ours}"}}"#
        )
        .into_bytes()
    };
    for (id, body) in [
        ("msg_1", body("itinerary.agent.create", THEIRS, "")),
        ("msg_2", body("itinerary.supplier.cancel", "", OURS)),
        ("msg_3", body("itinerary.agent.create", "8000000000000", "ANOTHER")),
    ] {
        let headers = signed(SECRET, id, now(), &body);
        assert_eq!(service.push(RAPID, &headers, &body).await.0, StatusCode::OK);
    }
    let first = service.heard().await.callback_id;

    let path = format!("/internal/timeline/{BOOKING}");
    let (status, body) = service.get(&path, "internal").await;
    assert_eq!(status, StatusCode::OK, "{body}");
    assert!(!body.to_string().contains("example.com"), "{body}");
    let reply: TimelineReply = serde_json::from_value(body).unwrap();
    let lines: Vec<_> = reply.entries.iter().map(|entry| entry.what.as_str()).collect();
    assert_eq!(
        lines,
        [
            "a callback was taken: itinerary.agent.create",
            "a callback was taken: itinerary.supplier.cancel"
        ]
    );
    assert!(reply.entries.iter().all(|entry| entry.kind == TimelineKind::Callback));
    let (_, body) = service.get(&format!("/internal/timeline/{}", Uuid::nil()), "internal").await;
    assert_eq!(serde_json::from_value::<TimelineReply>(body).unwrap().entries, []);

    let said = reply.entries[0].message_id.unwrap();
    for (key, found) in [
        (said.to_string(), 1),
        (first.to_string(), 1),
        ("msg_2".to_owned(), 1),
        ("msg_3".to_owned(), 0),
    ] {
        let (_, body) = service.get(&format!("/internal/find?key={key}"), "internal").await;
        let reply: FindReply = serde_json::from_value(body).unwrap();
        assert_eq!(reply.found.len(), found, "{key}");
        assert!(reply.found.iter().all(|one| one.booking_id.to_string() == BOOKING));
    }
    for path in [path, "/internal/find?key=x".to_owned()] {
        assert_eq!(service.get(&path, "holdfast").await.0, StatusCode::UNAUTHORIZED, "{path}");
    }
}
