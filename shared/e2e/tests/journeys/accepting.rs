//! A click is accepted at once, once, and for good.

use std::sync::Arc;

use e2e::{
    gateway::{Answer, Gateway, describe},
    traveller::{Traveller, request, some_family, some_stay},
};
use futures::future::join_all;
use http::{Method, StatusCode};
use serde_json::json;

use crate::stage::{self, SOON, until};

/// Row: A1
#[tokio::test(flavor = "multi_thread")]
async fn a_booking_is_accepted_while_the_supplier_has_not_answered() {
    let stack = stage::patient("a1").await;
    let traveller = Traveller::of(&stack, "ada").await.unwrap();
    let quote = traveller.gateway.quote(&some_stay()).await.unwrap();
    // Nothing that the supplier is asked from here on is answered within a minute.
    let double = stack.double();
    for operation in ["reserve", "lookup", "price_check", "search"] {
        double.arm(operation, "slow", 1000, Some(60_000)).await.unwrap();
    }
    let body = request(&quote, &some_family());
    let answer = traveller.gateway.book("click", &body).await.unwrap();

    assert_eq!(answer.status, StatusCode::ACCEPTED, "{}", describe(&answer));
    let told = answer.json();
    assert_eq!(told["status"], "pending");
    let booking_id = told["booking_id"].as_str().unwrap();
    assert_eq!(answer.header("location"), format!("/v1/bookings/{booking_id}"));
    // The supplier is being asked, and the customer is told no more than is known.
    until("asked to reserve", async || {
        let truth = double.truth().await.unwrap();
        (!truth.requests_of("reserve").is_empty()).then_some(())
    })
    .await;
    let shown = traveller.gateway.booking(booking_id).await.unwrap();
    assert!(["pending", "holding"].contains(&shown.status()), "{}", shown.0);
    assert_eq!(shown.address(), None);
    stack.stop().await.unwrap();
}

/// Row: A2
#[tokio::test(flavor = "multi_thread")]
async fn one_key_is_one_booking_and_one_answer_also_after_a_crash() {
    let stack = stage::patient("a2").await;
    let traveller = Traveller::of(&stack, "ada").await.unwrap();
    let gateway = Arc::new(traveller.gateway.clone());
    let quote = gateway.quote(&some_stay()).await.unwrap();
    let body = request(&quote, &some_family());

    let all_at_once = async || -> Vec<Answer> {
        let clicks = (0..50).map(|_| {
            let (gateway, body) = (gateway.clone(), body.clone());
            tokio::spawn(async move { gateway.book("one-click", &body).await.unwrap() })
        });
        join_all(clicks).await.into_iter().map(Result::unwrap).collect()
    };
    let first = all_at_once().await;
    stack.kill("booking");
    stack.restart("booking").await.unwrap();
    let again = all_at_once().await;

    for answer in first.iter().chain(&again) {
        assert_eq!(answer.status, StatusCode::ACCEPTED, "{}", describe(answer));
        assert_eq!(answer.body, first[0].body);
        assert_eq!(answer.header("location"), first[0].header("location"));
    }
    let booking_id = first[0].json()["booking_id"].as_str().unwrap().to_owned();
    until("held", async || {
        let shown = gateway.booking(&booking_id).await.unwrap();
        shown.next_actions().contains(&"pay").then_some(())
    })
    .await;
    let truth = stack.double().truth().await.unwrap();
    assert_eq!(truth.requests_of("reserve").len(), 1);
    assert_eq!(truth.reservations.len(), 1);

    // The same key in quotation marks, and the same request with its fields in another order.
    let quoted = gateway.book("\"one-click\"", &body).await.unwrap();
    assert_eq!(quoted.body, first[0].body);
    let text = format!(
        r#"{{ "contact":{}, "travellers":{},  "quote_id":{} }}"#,
        body["contact"], body["travellers"], body["quote_id"]
    );
    let headers = [("idempotency-key", "one-click")];
    let shuffled = gateway.send(Method::POST, "/v1/bookings", &headers, Some(text.into())).await;
    assert_eq!(shuffled.unwrap().body, first[0].body);
    // Another request under the key.
    let mut other = body.clone();
    other["travellers"][0]["given_name"] = json!("Grace");
    let refused = gateway.book("one-click", &other).await.unwrap();
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", describe(&refused));
    assert_eq!(refused.header("content-type"), "application/problem+json");
    // No key.
    let refused = gateway.post("/v1/bookings", &body).await.unwrap();
    assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{}", describe(&refused));
    assert_eq!(refused.header("content-type"), "application/problem+json");
    stack.stop().await.unwrap();
}

/// Row: A2
#[tokio::test(flavor = "multi_thread")]
async fn a_key_belongs_to_its_account_and_only_a_booking_spends_it() {
    let stack = stage::fast("a2_keys").await;
    let ada = Traveller::of(&stack, "ada").await.unwrap();
    let grace = Traveller::of(&stack, "grace").await.unwrap();
    let quote = ada.gateway.quote(&some_stay()).await.unwrap();
    let quote_path = format!("/v1/quotes/{}", quote.quote_id);
    until("expired", async || {
        let answer = ada.gateway.get(&quote_path).await.unwrap();
        (answer.json()["state"] == "expired").then_some(())
    })
    .await;

    let too_late = ada.gateway.book("key", &request(&quote, &some_family())).await.unwrap();
    assert_eq!(too_late.status, StatusCode::CONFLICT, "{}", describe(&too_late));
    // The key was not spent: another request may use it.
    let first = book_anew(&ada.gateway).await;
    assert_eq!(first.status, StatusCode::ACCEPTED, "{}", describe(&first));
    // Now it is, and for this account alone.
    let refused = book_anew(&ada.gateway).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", describe(&refused));
    let others = book_anew(&grace.gateway).await;
    assert_eq!(others.status, StatusCode::ACCEPTED, "{}", describe(&others));
    assert_ne!(others.json()["booking_id"], first.json()["booking_id"]);
    stack.stop().await.unwrap();
}

/// Books a new quote under the same key.
async fn book_anew(gateway: &Gateway) -> Answer {
    let quote = gateway.quote(&some_stay()).await.unwrap();
    gateway.book("key", &request(&quote, &some_family())).await.unwrap()
}

/// Row: A3
#[tokio::test(flavor = "multi_thread")]
async fn a_booking_names_what_it_allows_and_anything_else_changes_nothing() {
    let stack = stage::patient("a3").await;
    let traveller = Traveller::of(&stack, "ada").await.unwrap();
    let trip = traveller.book(&some_stay()).await.unwrap();
    let payable = traveller.until_payable(&trip, SOON).await.unwrap();
    assert_eq!(payable.next_actions(), ["pay", "cancel"]);

    let answer = traveller.gateway.cancel(&trip.booking_id).await.unwrap();
    assert_eq!(answer.status, StatusCode::ACCEPTED, "{}", describe(&answer));
    let ended = traveller.until_ended(&trip, SOON).await.unwrap();
    assert_eq!(ended.status(), "cancelled");
    assert!(ended.next_actions().is_empty());

    let before = traveller.gateway.history(&trip.booking_id).await.unwrap();
    let refused = traveller.gateway.cancel(&trip.booking_id).await.unwrap();
    assert_eq!(refused.status, StatusCode::CONFLICT, "{}", describe(&refused));
    assert_eq!(refused.json()["next_actions"], json!([]));
    assert_eq!(traveller.gateway.history(&trip.booking_id).await.unwrap(), before);
    let after = traveller.gateway.booking(&trip.booking_id).await.unwrap();
    assert_eq!(after.0["version"], ended.0["version"]);
    stack.stop().await.unwrap();
}

/// Row: F1
#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_killed_under_load_loses_nothing_that_it_accepted() {
    const CLICKS: usize = 40;
    let stack = stage::patient("f1").await;
    let traveller = Traveller::of(&stack, "ada").await.unwrap();
    let gateway = Arc::new(traveller.gateway.clone());
    let mut bodies = Vec::new();
    for _ in 0..CLICKS {
        let quote = gateway.quote(&some_stay()).await.unwrap();
        bodies.push(request(&quote, &some_family()));
    }
    let answered = Arc::new(tokio::sync::Semaphore::new(0));
    let clicks = bodies.iter().cloned().enumerate().map(|(n, body)| {
        let (gateway, answered) = (gateway.clone(), answered.clone());
        tokio::spawn(async move {
            let answer = gateway.book(&format!("key-{n}"), &body).await.ok();
            answered.add_permits(1);
            answer
        })
    });
    let clicks: Vec<_> = clicks.collect();
    // Some are answered, some are under way, and what was said a moment ago is still to be
    // published.
    let _some = answered.acquire_many(8).await.unwrap();
    stack.kill("booking");
    let first: Vec<Option<Answer>> =
        join_all(clicks).await.into_iter().map(Result::unwrap).collect();
    stack.restart("booking").await.unwrap();

    let mut bookings = Vec::new();
    for (n, (body, answer)) in bodies.iter().zip(&first).enumerate() {
        // Whoever got no answer asks again, under the same key.
        let again = gateway.book(&format!("key-{n}"), body).await.unwrap();
        assert_eq!(again.status, StatusCode::ACCEPTED, "{}", describe(&again));
        if let Some(answer) = answer {
            assert_eq!(answer.body, again.body);
        }
        bookings.push(again.json()["booking_id"].as_str().unwrap().to_owned());
    }
    assert!(first.iter().filter(|answer| answer.is_some()).count() >= 8);
    for booking_id in &bookings {
        until("held after the crash", async || {
            let shown = gateway.booking(booking_id).await.unwrap();
            assert!(!shown.ended(), "{}", shown.0);
            shown.next_actions().contains(&"pay").then_some(())
        })
        .await;
    }
    // Nothing was said that was not also kept: each booking has one reservation, and there is no
    // other.
    let truth = stack.double().truth().await.unwrap();
    assert_eq!(truth.reservations.len(), CLICKS);
    assert_eq!(truth.requests_of("reserve").len(), CLICKS);
    stack.stop().await.unwrap();
}
