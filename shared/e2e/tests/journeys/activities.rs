//! Something to do, from the search to the ticket, at a supplier that books and never says so.

use chrono::{Days, Utc};
use contracts::supplier::Supplier;
use e2e::{gateway::describe, traveller::Traveller};
use http::StatusCode;

use crate::stage::{self, SOON};

/// Row: B1
#[tokio::test(flavor = "multi_thread")]
async fn an_activity_whose_answer_was_lost_is_found_held_paid_and_confirmed_once() {
    let stack = stage::patient("activity").await;
    let ada = Traveller::of(&stack, "ada").await.unwrap();
    let double = stack.double_of(Supplier::Hotelbeds);
    let day = Utc::now().date_naive() + Days::new(rand::random_range(30..300));

    let path = format!("/v1/activities?destination=BCN&from={day}&to={day}&adults=1&currency=EUR");
    let answer = ada.gateway.get(&path).await.unwrap();
    assert_eq!(answer.status, StatusCode::OK, "{}", describe(&answer));
    let found = answer.json();
    assert_eq!(found["suppliers"].as_array().unwrap().len(), 1, "only who sells activities");
    let offers = found["offers"].as_array().unwrap();
    let offer = offers.iter().find(|offer| offer["terms"]["refundable"] == true).unwrap();
    assert_eq!(offer["product"]["kind"], "activity");
    assert_eq!(offer["check_in"], offer["check_out"]);
    let quote = ada.gateway.quote_offer(&offer["offer_id"]).await.unwrap();

    double.arm("reserve", "timeout_after_commit", 1, None).await.unwrap();
    let trip = ada.book_quote(quote, |_| {}).await.unwrap();
    let payable = ada.until_payable(&trip, SOON).await.unwrap();
    ada.pay(&payable).await.unwrap();
    let shown = ada.until_ended(&trip, SOON).await.unwrap();
    assert_eq!(shown.status(), "confirmed", "{}", shown.0);

    let truth = double.truth().await.unwrap();
    assert_eq!(truth.reservations.len(), 1, "{:?}", truth.reservations);
    let made = &truth.reservations[0];
    assert_eq!((made.state.as_str(), &made.guests), ("confirmed", &vec![trip.guest.clone()]));
    assert_eq!(shown.references(), std::slice::from_ref(&made.reference));
    assert_eq!(made.check_in, day.to_string());
    assert_eq!(truth.requests_of("reserve").len(), 1);
    assert_eq!(truth.requests_of("confirm").len(), 1);
    stack.stop().await.unwrap();
}
