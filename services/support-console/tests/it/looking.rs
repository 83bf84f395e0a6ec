//! One timeline from all owners, whose reference a key is, what a replay would do, and garbage from
//! every queue.

use axum::http::StatusCode;
use contracts::routing::CONSUMERS;
use messaging::reject;
use serde_json::{Value, json};
use testkit::{broker::headers, until};

use crate::{
    browser::Browser,
    console::{Console, VIEWER, unreadable},
    neighbour::Neighbour,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_timeline_is_merged_from_who_answers_and_names_who_does_not() {
    let (console, neighbour) = Console::beside_a_service().await;
    let (booking, id) = console.refused(&neighbour).await;
    neighbour.script.mend(booking);
    console.act(&id, "replay", &json!({ "reason": "rewards was mended" })).await;
    console.until_it_stands(&id, "succeeded").await;
    let (status, told) = console.get(&format!("/v1/bookings/{booking}/timeline"), VIEWER).await;
    assert_eq!(status, StatusCode::OK, "{told}");
    let entries = told["entries"].as_array().unwrap();
    let lines: Vec<_> = entries
        .iter()
        .map(|entry| json!([entry["owner"], entry["kind"], entry["actor"]]))
        .collect();
    let expected = [
        json!(["rewards", "ledger", "rewards"]),
        json!(["support-console", "dead_letter", "rewards"]),
        json!(["support-console", "act", "staff:ada"]),
        json!(["support-console", "dead_letter", "support-console"]),
        json!(["rewards", "ledger", "rewards"]),
    ];
    assert_eq!(lines, expected);
    assert_eq!(entries[2]["what"], "replay: rewards was mended");
    assert_eq!(entries[1]["detail"]["dead_letter_id"], id);
    let at: Vec<&str> = entries.iter().map(|entry| entry["at"].as_str().unwrap()).collect();
    assert!(at.is_sorted(), "{at:?}");
    assert_eq!(answering(&told), ["rewards"]);
    let booking_says = &told["owners"][0];
    assert_eq!(booking_says["owner"], "booking");
    assert!(booking_says["why"].as_str().unwrap().contains("404"), "{booking_says}");
    let (status, _) = console.get("/v1/bookings/none/timeline", VIEWER).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    let (status, _) =
        console.get(&format!("/v1/bookings/{booking}/timeline"), Some(&["guest"])).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    console.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_looked_for_at_every_owner_and_among_dead_letters() {
    let (console, neighbour) = Console::beside_a_service().await;
    let (booking, id) = console.refused(&neighbour).await;
    let letter = console.letter(&id).await;
    let search = async |key: &str| {
        let (status, found) = console.get(&format!("/v1/search?key={key}"), VIEWER).await;
        assert_eq!(status, StatusCode::OK, "{found}");
        found
    };
    let found = search("R%201/2").await;
    let by_reference = json!([{ "booking_id": "00000000-0000-0000-0000-000000000001", "by": "reference",
                 "owner": "rewards" }]);
    assert_eq!((&found["found"], &found["dead_letters"]), (&by_reference, &json!([])));
    let waits = json!([{ "callback_id": "00000000-0000-0000-0000-000000000002",
                 "supplier": "rapid", "received_at": "2026-01-01T00:00:00Z" }]);
    assert_eq!(found["callbacks"], waits);
    assert_eq!(answering(&found), ["rewards"]);
    for key in ["booking_id", "message_id", "dead_letter_id"] {
        let found = search(letter[key].as_str().unwrap()).await;
        assert_eq!(found["dead_letters"], json!([id]), "{key}");
        assert_eq!(found["found"][0]["booking_id"], json!(booking), "{key}");
    }
    // A trace that a log names: the one it failed in, and the one of its replay.
    neighbour.script.mend(booking);
    console.act(&id, "replay", &json!({ "reason": "rewards was mended" })).await;
    let history = console.until_it_stands(&id, "succeeded").await["history"].clone();
    let of_replay = history[0]["trace_id"].as_str().unwrap().to_uppercase();
    assert_eq!(search(&of_replay).await["dead_letters"], json!([id]), "{history}");
    for bad in ["", "%20", &"x".repeat(201), "a%00b"] {
        let (status, _) = console.get(&format!("/v1/search?key={bad}"), VIEWER).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{bad}");
    }
    console.close().await;
}

/// Row: L9
#[tokio::test(flavor = "multi_thread")]
async fn a_preview_says_what_a_replay_would_do_and_does_nothing() {
    let (console, neighbour) = Console::beside_a_service().await;
    let (booking, id) = console.refused(&neighbour).await;
    let path = format!("/v1/dead-letters/{}/preview", id.as_str().unwrap());
    let preview = async || {
        let (status, preview) = console.get(&path, VIEWER).await;
        assert_eq!(status, StatusCode::OK, "{preview}");
        preview
    };
    neighbour.script.fail(booking, reject("doing it again"));
    let says = preview().await;
    assert_eq!((&says["effect"], &says["attempt"]), (&json!("dead_again"), &json!(1)));
    neighbour.script.mend(booking);
    for _ in 0..2 {
        let says = preview().await;
        assert_eq!(says["effect"], "changes");
        assert_eq!((&says["before"], &says["after"]), (&json!("0"), &json!("1")));
        assert_eq!(says["changes"], json!(["effect: 1 added"]));
    }
    assert_eq!(neighbour.effects(booking).await, 0);
    assert_eq!(console.letter(&id).await["state"], "parked");
    console.act(&id, "replay", &json!({ "reason": "as it said" })).await;
    console.until_it_stands(&id, "succeeded").await;
    assert_eq!(preview().await["effect"], "repeat");
    console.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preview_needs_its_consumer() {
    let console = Console::open().await;
    let _neighbour = Neighbour::start(&console.service, &console.signer).await;
    let (_, id) = unreadable(&console).await;
    let path = format!("/v1/dead-letters/{}/preview", id.as_str().unwrap());
    let (status, problem) = console.get(&path, VIEWER).await;
    let unavailable = (StatusCode::SERVICE_UNAVAILABLE, &json!("owner_unavailable"));
    assert_eq!((status, &problem["code"]), unavailable);
    console.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_have_killed_its_consumer_is_not_run_there_to_see() {
    let (console, _neighbour) = Console::beside_a_service().await;
    let queue = console.service.prefix.routing().dead_queue("rewards");
    for cause in ["crash", "delivery_limit"] {
        let crashed = headers(&[("holdfast-cause", cause), ("holdfast-consumer", "rewards")]);
        console.broker.publish("", &queue, crashed, cause.as_bytes()).await;
    }
    for letter in &console.letters(2).await {
        let path =
            format!("/v1/dead-letters/{}/preview", letter["dead_letter_id"].as_str().unwrap());
        let (status, problem) = console.get(&path, VIEWER).await;
        assert_eq!((status, &problem["code"]), (StatusCode::CONFLICT, &json!("may_crash")));
    }
    console.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_letter_of_ten_megabytes_is_shown_and_its_preview_says_that_it_is_too_large() {
    let (console, _neighbour) = Console::beside_a_service().await;
    let queue = console.service.prefix.routing().dead_queue("rewards");
    let refused = headers(&[("holdfast-cause", "undecodable"), ("holdfast-consumer", "rewards")]);
    console.broker.publish("", &queue, refused, &vec![b'x'; 10_000_000]).await;
    let letter = console.letters(1).await[0]["dead_letter_id"].as_str().unwrap().to_owned();
    let api = format!("/v1/dead-letters/{letter}");
    let (status, problem) = console.get(&format!("{api}/preview"), VIEWER).await;
    let too_large = (StatusCode::CONFLICT, &json!("too_large_to_preview"));
    assert_eq!((status, &problem["code"]), too_large, "{problem}");
    let (status, whole) = console.get(&api, VIEWER).await;
    assert_eq!((status, &whole["body_bytes"]), (StatusCode::OK, &json!(10_000_000)));
    let ada = Browser::signed_in(&console, "ada", "support_operator").await;
    assert_eq!(ada.get(&format!("/letters/{letter}")).await.status, StatusCode::OK);
    let page = ada.get(&format!("/letters/{letter}/replay")).await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.text.contains("are not previewed"));
    assert!(!page.text.contains("does not answer"));
    console.close().await;
}

/// Row: L7
#[tokio::test(flavor = "multi_thread")]
async fn garbage_on_every_queue_is_a_dead_letter_with_its_cause() {
    let console = Console::open().await;
    let routing = console.service.prefix.routing();
    let mut neighbours = Vec::new();
    for role in CONSUMERS {
        neighbours.push(Neighbour::in_place_of(role, &console.service, &console.signer).await);
    }
    let good = |name: &str| {
        headers(&[
            ("cloudEvents:specversion", "1.0"),
            ("cloudEvents:id", &crate::console::id().to_string()),
            ("cloudEvents:type", name),
            ("cloudEvents:source", "booking"),
            ("cloudEvents:subject", "0198c0de-0000-7000-8000-000000000001"),
            ("cloudEvents:time", "2026-01-01T00:00:00Z"),
        ])
    };
    for role in CONSUMERS {
        let queue = routing.queue(role);
        let heard = contracts::routing::heard_by(role).unwrap()[0].1;
        let other = "holdfast.nobody.hears.v9";
        console.broker.publish("", &queue, Default::default(), b"\x00\xff\xfe").await;
        console.broker.publish("", &queue, good(heard), b"{\"a\":").await;
        console.broker.publish("", &queue, good(heard), b"{}").await;
        console.broker.publish("", &queue, good(other), b"{}").await;
    }
    let letters = console.letters(4 * CONSUMERS.len()).await;
    for role in CONSUMERS {
        let of_role = letters.iter().filter(|letter| letter["consumer"] == role);
        let mut causes: Vec<_> = of_role.map(|letter| letter["cause"].clone()).collect();
        causes.sort_by_key(Value::to_string);
        assert_eq!(causes, ["undecodable", "undecodable", "undecodable", "unknown_type"], "{role}");
        until("an empty queue", || async {
            (console.broker.depth(&routing.queue(role)).await == Some(0)).then_some(())
        })
        .await;
    }
    assert!(letters.iter().all(|letter| letter["detail"].is_string()));
    console.close().await;
}

fn answering(told: &Value) -> Vec<&str> {
    let owners = told["owners"].as_array().unwrap();
    assert_eq!(owners.len(), 5);
    let answer = owners.iter().filter(|owner| owner["answers"] == true);
    answer.map(|owner| owner["owner"].as_str().unwrap()).collect()
}
