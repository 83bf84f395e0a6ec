//! What does not go on is shown to staff: what is tried for ever, what waits too long, and messages
//! that nobody takes.

use axum::http::StatusCode;
use messaging::retry;
use serde_json::{Value, json};
use testkit::until;

use crate::{
    browser::Browser,
    console::{Console, VIEWER, failed, id},
    neighbour::Neighbour,
    owner::Owner,
};

/// Row: H4
#[tokio::test(flavor = "multi_thread")]
async fn what_is_tried_for_ever_and_what_waits_too_long_is_listed_and_not_just_running() {
    let (mut console, neighbour) = Console::beside_a_service().await;
    let owner = Owner::start(&console).await;
    console.app = console.beside_an_owner(&owner.url).await;
    neighbour.script.fail_everything(retry("asking somebody who is away"));
    let message = failed();
    console.broker.say(&console.service.prefix.routing(), id(), 0, &message).await;
    let items = until("a message that is tried again and again", || async {
        let (status, told) = console.get("/v1/attention", VIEWER).await;
        assert_eq!(status, StatusCode::OK, "{told}");
        let items = told["items"].as_array().unwrap().clone();
        items.iter().any(|item| item[1]["kind"] == "retrying").then_some(items)
    })
    .await;
    let of = |kind: &str| items.iter().find(|item| item[1]["kind"] == kind).unwrap();
    let (who, retrying) = (&of("retrying")[0], &of("retrying")[1]);
    assert_eq!((who, &retrying["booking_id"]), (&json!("rewards"), &json!(message.booking_id)));
    assert!(retrying["what"].as_str().unwrap().contains("times"), "{retrying}");
    assert!(retrying["since"].is_string() && retrying["by"].is_string(), "{retrying}");
    assert!(of("overdue")[1]["what"].as_str().unwrap().contains("passed"), "{items:?}");
    // The worst comes first.
    let kinds: Vec<&Value> = items.iter().map(|item| &item[1]["kind"]).collect();
    assert_eq!(kinds.first(), Some(&&json!("overdue")), "{kinds:?}");

    let page = Browser::signed_in(&console, "ada", "support_viewer").await.get("/").await;
    for said in ["Tried again and again", "Waiting past a deadline", " late"] {
        assert!(page.text.contains(said), "{said}: {}", page.text);
    }
    console.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn queues_are_shown_with_what_waits_in_them_and_whether_anybody_listens() {
    let console = Console::closed().await;
    let neighbour = Neighbour::start(&console.service, &console.signer).await;
    let console = Console { app: console.beside_an_owner(&neighbour.url).await, ..console };
    let queue_of = async |name: &str| {
        let (status, flow) = console.get("/v1/flow", VIEWER).await;
        assert_eq!(status, StatusCode::OK, "{flow}");
        let queues = flow["queues"].as_array().unwrap().clone();
        queues.into_iter().find(|queue| queue["of"] == name)
    };
    let none = json!({ "of": "rewards", "messages": 0, "listening": 1, "dead": 0,
                       "trying_since": null });
    assert_eq!(queue_of("rewards").await, Some(none));
    // A queue that is not there is not shown, and holds up no other; this console parks nothing.
    assert_eq!(queue_of("booking").await, None);
    assert_eq!(queue_of("unroutable").await.unwrap()["listening"], 0);
    let (_, flow) = console.get("/v1/flow", VIEWER).await;
    assert_eq!(flow["unsent"][0], json!({ "owner": "rewards", "due": 0, "oldest": null }));

    let dead = console.service.prefix.routing().dead_queue("rewards");
    for _ in 0..3 {
        console.broker.publish("", &dead, Default::default(), b"nobody parks it").await;
    }
    until("three dead letters", || async {
        (queue_of("rewards").await?["dead"] == 3).then_some(())
    })
    .await;
    let page = Browser::signed_in(&console, "ada", "support_viewer").await.get("/").await;
    for said in ["messages in queues", "3 dead, not parked yet", "nobody"] {
        assert!(page.text.contains(said), "{said}: {}", page.text);
    }
    let (status, _) = console.get("/v1/flow", Some(&["guest"])).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    console.close().await;
}

/// Row: H4
#[tokio::test(flavor = "multi_thread")]
async fn many_odd_payments_hide_no_new_one_are_counted_and_are_all_on_a_page_of_their_own() {
    let mut console = Console::closed().await;
    let owner = Owner::start(&console).await;
    owner.crowd();
    console.app = console.beside_an_owner(&owner.url).await;
    // Each of four owners tells of twenty, and has fifty.
    let (_, told) = console.get("/v1/attention", VIEWER).await;
    assert_eq!(told["counts"], json!({ "approval": 4, "case": 200 }));
    let items = told["items"].as_array().unwrap().iter();
    let odd: Vec<_> = items.filter(|item| item[1]["kind"] == "case").collect();
    assert_eq!(odd.len(), 80);
    assert_eq!(odd[0][1]["what"], "case: number 30", "the newest comes first");

    let ada = Browser::signed_in(&console, "ada", "support_viewer").await;
    let page = ada.get("/").await.text;
    assert!(page.contains("case: number 30") && !page.contains("case: number 11"), "{page}");
    assert!(page.contains("<b>200</b>") && page.contains("And 185 more"), "{page}");
    assert!(page.contains("Refunds to approve"), "{page}");
    let all = "/attention?kind=case";
    assert!(page.contains(&format!("href=\"{all}\"")), "{page}");
    let page = ada.get(all).await.text;
    assert!(page.contains("case: number 30") && page.contains("case: number 11"), "{page}");
    assert!(page.contains("And 120 more") && !page.contains("Refunds to approve"), "{page}");
    let page = ada.get("/attention").await.text;
    assert!(page.contains("case: number 11") && page.contains("Refunds to approve"), "{page}");
    assert_eq!(ada.get("/attention?kind=nothing").await.status, StatusCode::UNPROCESSABLE_ENTITY);
    console.close().await;
}

/// Row: H4
#[tokio::test(flavor = "multi_thread")]
async fn what_is_bad_is_above_what_only_takes_long_and_what_waits_longest_is_above_the_rest() {
    let (mut console, neighbour) = Console::beside_a_service().await;
    let owner = Owner::start(&console).await;
    owner.crowd();
    console.app = console.beside_an_owner(&owner.url).await;
    console.refused(&neighbour).await;
    let page = Browser::signed_in(&console, "ada", "support_viewer").await.get("/").await.text;
    let at = |title: &str| page.find(title).expect(&page);
    let sections = [
        "Breakers that are not closed",
        "Odd payments <",
        "Dead letters by cause",
        "Refunds to approve <",
        "Cases at suppliers <",
    ];
    let places = sections.map(at);
    assert!(places.is_sorted(), "{places:?} {page}");
    console.close().await;
}

/// Row: G1
#[tokio::test(flavor = "multi_thread")]
async fn a_booking_as_it_was_shows_nothing_that_came_later() {
    let (mut console, _neighbour) = Console::beside_a_service().await;
    let owner = Owner::start(&console).await;
    console.app = console.beside_an_owner(&owner.url).await;
    let ada = Browser::signed_in(&console, "ada", "support_viewer").await;
    let now = format!("/bookings/{}", id());
    let then = format!("{now}?at=1");
    for (path, later) in [(&now, true), (&then, false)] {
        let page = ada.get(path).await.text;
        for drawn in ["rewards first", "<b>first</b>"] {
            assert!(page.contains(drawn), "{drawn}: {page}");
        }
        for drawn in ["rewards last", "<b>last</b>"] {
            assert_eq!(page.contains(drawn), later, "{path}, {drawn}: {page}");
        }
    }
    console.close().await;
}
