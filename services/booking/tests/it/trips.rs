//! Trips of several legs at the gateway: who is on which.

use axum::http::StatusCode;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::world::{World, body};

fn person(given_name: &str) -> Value {
    json!({"given_name": given_name, "family_name": "Silva"})
}

/// Row: L7
#[tokio::test(flavor = "multi_thread")]
async fn each_leg_has_the_whole_party_or_the_travellers_named_for_it() {
    let world = World::new().await;
    let quote = world.quote_of_legs("acct_1", 3).await;
    let third = quote.legs[2].leg_id;
    let mut request = body(&quote);
    request["travellers"] = json!([person("Ana"), person("Rui")]);
    request["legs"] = json!([{"leg_id": third, "travellers": [person("Rui")]}]);
    let answer = world.book("acct_1", "k", &request).await;
    assert_eq!(answer.status, StatusCode::ACCEPTED, "{answer:?}");
    let booking_id = answer.json()["booking_id"].as_str().unwrap().to_owned();

    let names = async |query: &str| {
        let path = format!("/internal/bookings/{booking_id}/travellers{query}");
        let told = world.internal(&path).await.json();
        let travellers = told["travellers"].as_array().unwrap().clone();
        let name = |one: &Value| one["given_name"].as_str().unwrap().to_owned();
        travellers.iter().map(name).collect::<Vec<_>>()
    };
    let first = quote.legs[0].leg_id;
    assert_eq!(names(&format!("?leg={first}")).await, ["Ana", "Rui"]);
    assert_eq!(names(&format!("?leg={third}")).await, ["Rui"]);
    assert_eq!(names("").await, ["Ana", "Rui"]);
    // A leg is a reservation of its own, at its own price; the trip costs their sum.
    let shown = world.get("acct_1", &format!("/v1/bookings/{booking_id}")).await.json();
    let prices = shown["legs"].as_array().unwrap().iter().map(|leg| &leg["price"]["minor"]);
    assert_eq!(prices.collect::<Vec<_>>(), ["20000", "20000", "20000"]);
    assert_eq!(shown["price"]["minor"], "60000");
}

/// Row: L7
#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_about_the_travellers_of_legs_is_said_at_once() {
    let world = World::new().await;
    let quote = world.quote_of_legs("acct_1", 2).await;
    let first = quote.legs[0].leg_id;
    let ask = async |legs: Value| {
        let mut request = body(&quote);
        request["legs"] = legs;
        let answer = world.book("acct_1", "k", &request).await;
        let pointers = answer.json()["errors"].as_array().cloned().unwrap_or_default();
        let pointers = pointers.iter().map(|e| e["pointer"].as_str().unwrap().to_owned());
        (answer.status, pointers.collect::<Vec<_>>())
    };
    let bad = json!([
        {"leg_id": "x", "travellers": []},
        {"leg_id": first, "travellers": [{"given_name": "Ana"}], "seat": "1A"},
        {"leg_id": first, "travellers": [person("Ana")]},
    ]);
    let (status, pointers) = ask(bad).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    let expected = [
        "/legs/0/leg_id",
        "/legs/0/travellers",
        "/legs/1/travellers/0/family_name",
        "/legs/1/seat",
        "/legs/2/leg_id",
    ];
    assert_eq!(pointers, expected);
    assert_eq!(ask(json!([])).await.1, ["/legs"]);
    let strangers: Vec<Value> =
        (0..2).map(|_| json!({"leg_id": Uuid::now_v7(), "travellers": [person("Ana")]})).collect();
    assert_eq!(ask(json!(strangers)).await.1, ["/legs/0/leg_id", "/legs/1/leg_id"]);
    let three = json!([{"leg_id": first, "travellers": [person("A"), person("B"), person("C")]}]);
    assert_eq!(ask(three).await.0, StatusCode::CONFLICT);
    assert_eq!(world.count("booking").await, 0);
}
