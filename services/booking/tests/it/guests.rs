//! Other guests on a leg that was bought, in the reservation that is there: told first, agreed to,
//! wished once.

use axum::http::StatusCode;
use chrono::TimeDelta;
use contracts::messages::{GuestsEnd, LegGuestsSettled, RefusedWhy};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    messages::dump,
    neighbour::{Neighbour, reaches},
    world::World,
};

fn person(given_name: &str) -> Value {
    json!({"given_name": given_name, "family_name": "Silva"})
}

async fn names(world: &World, booking_id: Uuid, query: &str) -> Vec<String> {
    let path = format!("/internal/bookings/{booking_id}/travellers{query}");
    let told = world.internal(&path).await.json();
    let travellers = told["travellers"].as_array().cloned().unwrap_or_default();
    travellers.iter().map(|one| one["given_name"].as_str().unwrap().to_owned()).collect()
}

/// Row: A3
/// Row: L7
#[tokio::test(flavor = "multi_thread")]
async fn others_are_wished_on_a_leg_once_and_are_on_it_when_its_supplier_says_so() {
    let world = World::new().await;
    world.app.hear();
    world.app.listening().await;
    let quote = world.quote("acct_1", TimeDelta::minutes(10)).await;
    let booking_id = world.book_quote("acct_1", &quote).await;
    let leg_id = quote.legs[0].leg_id;
    let mut neighbour = Neighbour::of(&world, booking_id).await;
    neighbour.confirms(&quote).await;
    let on_leg = format!("?leg={leg_id}");
    let first = names(&world, booking_id, &on_leg).await;
    let path = format!("/v1/bookings/{booking_id}/legs/{leg_id}/amendment");
    let ask = async |query: &str, body: &Value| {
        world.post("acct_1", &format!("{path}{query}"), body).await
    };

    let before = dump(&world).await;
    let told = ask("?quote=true", &json!({"travellers": [person("Bea"), person("Rui")]})).await;
    assert_eq!(told.status, StatusCode::OK, "{told:?}");
    let told = told.json();
    assert_eq!(told["way"], "in_place");
    let minor = |field: &str| told[field]["minor"].as_str().unwrap().to_owned();
    assert_eq!((minor("price").as_str(), minor("fee").as_str()), ("20000", "0"));
    assert_eq!((minor("back").as_str(), &told["pay"]), ("0", &Value::Null));
    assert!(!told.to_string().contains("Silva"), "the quote is sealed");
    let three = json!({"travellers": [person("A"), person("B"), person("C")]});
    let refused = ask("?quote=true", &three).await;
    assert_eq!((refused.status, refused.code().as_str()), (StatusCode::CONFLICT, "guests_differ"));
    for wrong in
        [json!({}), json!({"travellers": []}), json!({"travellers": [{"given_name": "A"}]})]
    {
        let answer = ask("?quote=true", &wrong).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{wrong}");
    }
    let elsewhere = format!("/v1/bookings/{booking_id}/legs/{}/amendment", Uuid::now_v7());
    let agreed = json!({"quote": told["quote"]});
    let answer = world.post("acct_1", &elsewhere, &agreed).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(dump(&world).await, before, "nothing was agreed to");

    // A double click is one wish.
    let (one, other) = tokio::join!(ask("", &agreed), ask("", &agreed));
    for answer in [one, other] {
        assert_eq!(answer.status, StatusCode::ACCEPTED, "{answer:?}");
        assert_eq!(answer.json()["status"], "amending");
        assert_eq!(answer.json()["legs"][0]["guests"], "changing");
    }
    let wished: Vec<String> = sqlx::query_scalar(
        "select body ->> 'event' from booking_event where booking_id = $1
            and body #>> '{event,is}' = 'guests_wished'",
    )
    .bind(booking_id)
    .fetch_all(&world.pool)
    .await
    .unwrap();
    assert_eq!(wished.len(), 1);
    let wish: Value = serde_json::from_str(&wished[0]).unwrap();
    let named = format!("{on_leg}&party={}", wish["party"].as_str().unwrap());
    assert_eq!(names(&world, booking_id, &named).await, ["Bea", "Rui"]);
    assert_eq!(names(&world, booking_id, &on_leg).await, first, "nobody knows so far");
    let nobody = format!("/internal/bookings/{booking_id}/travellers{on_leg}&party={leg_id}");
    assert_eq!(world.internal(&nobody).await.status, StatusCode::NOT_FOUND);

    let booking = neighbour.booking_id;
    let settled = |version, end| LegGuestsSettled {
        booking_id: booking,
        leg_id,
        version,
        end,
        evidence: None,
    };
    neighbour.say(&settled(1, GuestsEnd::Changed)).await;
    let shown = reaches(&world, booking_id, "confirmed").await;
    assert_eq!(shown["legs"].as_array().unwrap().len(), 1);
    assert_eq!(shown["legs"][0]["guests"], "changed");
    assert_eq!(names(&world, booking_id, &on_leg).await, ["Bea", "Rui"]);
    // The same click again, late, is answered as the first was.
    let again = ask("", &agreed).await;
    assert_eq!(
        (again.status, again.json()["status"].as_str()),
        (StatusCode::ACCEPTED, Some("confirmed"))
    );

    // What is refused leaves it as it was.
    let told = ask("?quote=true", &json!({"travellers": [person("Cid")]})).await.json();
    let wished = ask("", &json!({"quote": told["quote"]})).await;
    assert_eq!(wished.status, StatusCode::ACCEPTED, "{wished:?}");
    neighbour.say(&settled(2, GuestsEnd::Kept { why: RefusedWhy::Rejected })).await;
    let shown = reaches(&world, booking_id, "confirmed").await;
    assert_eq!(shown["legs"][0]["guests"], "kept");
    assert_eq!(names(&world, booking_id, &on_leg).await, ["Bea", "Rui"]);
    let history = world.get("acct_1", &format!("/v1/bookings/{booking_id}/history")).await.json();
    assert!(!history.to_string().contains("Silva"), "names are in no history");
}
