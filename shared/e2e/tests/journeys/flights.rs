//! A flight from the search to the ticket, at a supplier that makes the order and never says so.

use chrono::{Days, Utc};
use contracts::supplier::Supplier;
use e2e::{
    gateway::describe,
    traveller::{Traveller, some_family},
};
use http::StatusCode;
use serde_json::{Value, json};

use crate::stage::{self, SOON};

/// Row: B1
#[tokio::test(flavor = "multi_thread")]
async fn a_flight_whose_order_was_never_answered_is_found_held_paid_and_confirmed_once() {
    let stack = stage::patient("flight").await;
    let ada = Traveller::of(&stack, "ada").await.unwrap();
    let double = stack.double_of(Supplier::Duffel);
    let day = Utc::now().date_naive() + Days::new(rand::random_range(30..300));

    let path = format!("/v1/flights?origin=LHR&destination=JFK&departs_on={day}&currency=EUR");
    let answer = ada.gateway.get(&path).await.unwrap();
    assert_eq!(answer.status, StatusCode::OK, "{}", describe(&answer));
    let found = answer.json();
    let parts: Vec<&Value> = found["suppliers"].as_array().unwrap().iter().collect();
    assert_eq!(parts.len(), 1, "only who sells flights is asked: {parts:?}");
    let suits =
        |offer: &&Value| offer["terms"]["holdable"] == true && offer["room_name"] == "Flexible";
    let offers = found["offers"].as_array().unwrap();
    let offer = offers.iter().find(suits).expect("a flexible fare");
    assert_eq!(offer["product"]["kind"], "flight");
    assert_eq!(offer["product"]["segments"][0]["destination"], "JFK");
    let quote = ada.gateway.quote_offer(&offer["offer_id"]).await.unwrap();

    // Whoever flies says when they were born.
    let nobody = json!({
        "quote_id": quote.quote_id,
        "travellers": [{"given_name": "Ada", "family_name": some_family()}],
        "contact": {"email": "ada@example.com", "phone": "+4930901820"},
    });
    let refused = ada.gateway.book("flight-0", &nobody).await.unwrap();
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", describe(&refused));
    let pointers: Vec<Value> = refused.json()["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|error| error["pointer"].clone())
        .collect();
    assert_eq!(pointers, ["/travellers/0/born_on", "/travellers/0/gender"]);

    double.arm("reserve", "timeout_after_commit", 1, None).await.unwrap();
    let trip = ada
        .book_quote(quote, |body| {
            body["travellers"][0]["born_on"] = json!("1990-12-10");
            body["travellers"][0]["gender"] = json!("female");
        })
        .await
        .unwrap();
    let payable = ada.until_payable(&trip, SOON).await.unwrap();
    ada.pay(&payable).await.unwrap();
    let shown = ada.until_ended(&trip, SOON).await.unwrap();
    assert_eq!(shown.status(), "confirmed", "{}", shown.0);

    let truth = double.truth().await.unwrap();
    let made: Vec<_> =
        truth.reservations.iter().filter(|one| one.guests.contains(&trip.guest)).collect();
    assert_eq!(made.len(), 1, "{made:?}");
    assert_eq!(made[0].state, "confirmed");
    assert_eq!(shown.references(), [made[0].reference.clone()]);
    assert_eq!(made[0].check_in, day.to_string());
    let about = |operation| {
        let requests = truth.requests_of(operation);
        requests.iter().filter(|r| r.client_reference == made[0].client_reference).count()
    };
    assert_eq!((about("reserve"), about("confirm")), (1, 1), "{:?}", truth.requests);
    stack.stop().await.unwrap();
}
