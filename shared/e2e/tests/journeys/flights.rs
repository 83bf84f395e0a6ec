//! A flight from the search to the ticket, at a supplier that makes the order and never says so.

use chrono::{Days, NaiveDate, Utc};
use contracts::supplier::Supplier;
use e2e::{
    gateway::describe,
    traveller::{Traveller, some_family},
};
use http::StatusCode;
use serde_json::{Value, json};

use crate::stage::{self, SOON, until};

/// Says of the only traveller what an airline wants to know.
fn for_a_seat(body: &mut Value) {
    body["travellers"][0]["born_on"] = json!("1990-12-10");
    body["travellers"][0]["gender"] = json!("female");
}

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
    let trip = ada.book_quote(quote, for_a_seat).await.unwrap();
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

/// The flexible fare of a day.
async fn flexible(ada: &Traveller, day: NaiveDate) -> Value {
    let path = format!("/v1/flights?origin=LHR&destination=JFK&departs_on={day}&currency=EUR");
    let offers = ada.gateway.found(&path).await.unwrap();
    offers.into_iter().find(|offer| offer["room_name"] == "Flexible").expect("a flexible fare")
}

fn minor(money: &Value) -> i64 {
    money["minor"].as_str().unwrap().parse().unwrap()
}

/// Another day is another order, and the old one is given back last: one that is sold out leaves
/// the flight as it was, and one whose answer is lost is found and is the only one.
///
/// Row: A4
#[tokio::test(flavor = "multi_thread")]
async fn a_flight_is_moved_to_another_day_or_stays_exactly_as_it_was() {
    let stack = stage::patient("moved-flight").await;
    let ada = Traveller::of(&stack, "ada").await.unwrap();
    let double = stack.double_of(Supplier::Duffel);
    let first = Utc::now().date_naive() + Days::new(rand::random_range(30..150));
    let second = first + Days::new(100);
    let (one, other) = (flexible(&ada, first).await, flexible(&ada, second).await);
    let second_is_dearer = minor(&one["price"]) < minor(&other["price"]);
    let (dearer, cheaper) = if second_is_dearer { (other, one) } else { (one, other) };
    let cheap_day: NaiveDate = cheaper["check_in"].as_str().unwrap().parse().unwrap();

    let quote = ada.gateway.quote_offer(&dearer["offer_id"]).await.unwrap();
    let trip = ada.book_quote(quote, for_a_seat).await.unwrap();
    let payable = ada.until_payable(&trip, SOON).await.unwrap();
    ada.pay(&payable).await.unwrap();
    let before = ada.until_ended(&trip, SOON).await.unwrap();
    assert_eq!(before.status(), "confirmed", "{}", before.0);
    let leg_id = before.0["legs"][0]["leg_id"].as_str().unwrap();
    let path = format!("/v1/bookings/{}/legs/{leg_id}/amendment", trip.booking_id);
    let moved_to_the_other_day = async || {
        let offer = flexible(&ada, cheap_day).await;
        let body = json!({"offer_id": offer["offer_id"]});
        let told = ada.gateway.post(&format!("{path}?quote=true"), &body).await.unwrap();
        assert_eq!(told.status, StatusCode::OK, "{}", describe(&told));
        let told = told.json();
        assert_eq!(told["way"], "another_reservation");
        let back = minor(&dearer["price"]) - minor(&told["price"]);
        assert_eq!((minor(&told["fee"]), minor(&told["back"])), (0, back));
        let agreed = json!({"quote": told["quote"]});
        let begun = ada.gateway.post(&path, &agreed).await.unwrap();
        assert_eq!(begun.status, StatusCode::ACCEPTED, "{}", describe(&begun));
        until("moved, or not", async || {
            let shown = ada.gateway.booking(&trip.booking_id).await.unwrap();
            (shown.status() == "confirmed").then_some(shown)
        })
        .await
    };
    let orders = async || {
        let truth = double.truth().await.unwrap();
        let ours = |order: &e2e::double::Reservation| order.guests.contains(&trip.guest);
        truth.reservations.into_iter().filter(ours).collect::<Vec<_>>()
    };

    double.arm("reserve", "sold_out", 1, None).await.unwrap();
    let kept = moved_to_the_other_day().await;
    assert_eq!(kept.references(), before.references());
    assert_eq!((&kept.0["price"], kept.refunds()), (&before.0["price"], before.refunds()));
    let made = orders().await;
    assert_eq!(made.len(), 1, "{made:?}");
    assert_eq!(made[0].state, "confirmed");
    until("nothing is left of what was refused", async || {
        let shown = ada.gateway.booking(&trip.booking_id).await.unwrap();
        shown.next_actions().contains(&"amend").then_some(())
    })
    .await;

    double.arm("reserve", "timeout_after_commit", 1, None).await.unwrap();
    let moved = moved_to_the_other_day().await;
    let made = until("the old order is given back", async || {
        let made = orders().await;
        made.iter().any(|order| order.state == "cancelled").then_some(made)
    })
    .await;
    assert_eq!(made.len(), 2, "{made:?}");
    let stands: Vec<_> = made.iter().filter(|order| order.state == "confirmed").collect();
    assert_eq!(stands.len(), 1, "{made:?}");
    assert_eq!(stands[0].check_in, cheap_day.to_string());
    assert_eq!(moved.references(), [stands[0].reference.clone()]);
    let truth = double.truth().await.unwrap();
    let asked = truth.requests_of("reserve").into_iter();
    let asked = asked.filter(|r| r.client_reference == stands[0].client_reference);
    assert_eq!(asked.map(|r| &r.status).collect::<Vec<_>>(), ["no_answer"]);
    stack.stop().await.unwrap();
}
