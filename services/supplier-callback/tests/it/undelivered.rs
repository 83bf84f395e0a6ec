//! Callbacks that the supplier could not deliver.

use chrono::TimeDelta;
use contracts::messages::CallbackClaim;
use http::StatusCode;
use messaging::Step;
use serde_json::json;
use supplier_callback::{fetch_undelivered, open};

use crate::service::{OURS, SECRET, Service, THEIRS, now, signed};

fn notification(event_id: &str) -> String {
    json!({
        "event_id": event_id, "event_type": "itinerary.supplier.cancel", "itinerary_id": THEIRS,
        "affiliate_reference_id": OURS, "email": "ada@example.com",
    })
    .to_string()
}

/// Row: B4
#[tokio::test]
async fn what_could_not_be_delivered_is_fetched_stored_sealed_and_said_once_like_a_push() {
    let service = Service::start().await;
    // One of them came after all.
    let pushed = notification("event_1");
    let headers = signed(SECRET, "event_1", now(), pushed.as_bytes());
    let (status, _) = service.push("/v1/callbacks/rapid", &headers, pushed.as_bytes()).await;
    assert_eq!(status, StatusCode::OK);
    service.heard().await;
    let odd = "{\"event_id\":7}".to_owned();
    *service.undelivered.lock().unwrap() = Some(vec![pushed, notification("event_2"), odd]);
    assert_eq!(fetch_undelivered(&service.app).await.unwrap(), Step::Did(2));
    let mut said = [service.heard().await, service.heard().await];
    said.sort_by_key(|one| one.reference.is_none());
    let [named, of_nothing] = said;
    assert_eq!(named.claim, Some(CallbackClaim::Gone));
    assert_eq!(
        (named.reference.as_deref(), named.client_reference.as_deref()),
        (Some(THEIRS), Some(OURS))
    );
    assert_eq!((of_nothing.reference, of_nothing.claim), (None, None));
    assert_eq!(service.stored().await, 3);
    let mut conn = service.test.database.admin().await;
    let raw = open(&mut conn, service.sealer(), named.callback_id).await.unwrap();
    assert_eq!(raw.body, notification("event_2").as_bytes());
    // There may be more, so it is asked again at once; then it is left alone for a while.
    assert_eq!(fetch_undelivered(&service.app).await.unwrap(), Step::Idle);
    *service.undelivered.lock().unwrap() = Some(vec![notification("event_3")]);
    assert_eq!(fetch_undelivered(&service.app).await.unwrap(), Step::Idle);
    assert_eq!(service.stored().await, 3);
    // What is on its way when the clock moves on counts as left behind, and is said again.
    service.is_silent().await;
    service.test.database.offset_clock(TimeDelta::minutes(6)).await;
    assert_eq!(fetch_undelivered(&service.app).await.unwrap(), Step::Did(1));
    service.heard().await;
    service.is_silent().await;
    // What is given out again is nothing new, and not asked for again without pause.
    service.test.database.offset_clock(TimeDelta::minutes(12)).await;
    *service.undelivered.lock().unwrap() = Some(vec![notification("event_3")]);
    assert_eq!(fetch_undelivered(&service.app).await.unwrap(), Step::Idle);
    assert_eq!(fetch_undelivered(&service.app).await.unwrap(), Step::Idle);
    // Taken again by hand it is said as it was read.
    assert_eq!(service.again(&named.callback_id.to_string()).await, StatusCode::ACCEPTED);
    let again = service.heard().await;
    assert_eq!((again.callback_id, again.reference), (named.callback_id, named.reference));
    service.is_silent().await;
}

/// Row: B4
#[tokio::test]
async fn a_supplier_that_cannot_be_asked_what_it_could_not_deliver_is_told_to_a_person() {
    let service = Service::start().await;
    let told = async || {
        let (_, told) = service.get("/internal/attention", "internal").await;
        told["items"].as_array().unwrap().clone()
    };
    for minutes in [0, 2, 16] {
        assert!(told().await.is_empty(), "not yet");
        service.test.database.offset_clock(TimeDelta::minutes(minutes)).await;
        assert_eq!(fetch_undelivered(&service.app).await.unwrap(), Step::Idle);
    }
    let items = told().await;
    assert_eq!(items.len(), 1, "{items:?}");
    assert_eq!(items[0]["what"], "callbacks that rapid could not deliver cannot be fetched");
    *service.undelivered.lock().unwrap() = Some(vec![]);
    service.test.database.offset_clock(TimeDelta::minutes(18)).await;
    assert_eq!(fetch_undelivered(&service.app).await.unwrap(), Step::Idle);
    assert!(told().await.is_empty());
}
