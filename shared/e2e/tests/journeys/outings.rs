//! A flight, a stay and an activity from three suppliers in one booking.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use contracts::supplier::Supplier;
use e2e::{
    Stack,
    double::Reservation,
    gateway::{Shown, is_final},
    outing::Outing,
    traveller::{Traveller, Trip},
    truth::World,
};
use serde_json::Value;

use crate::stage::{self, SOON, days_pass, until};

/// Only ETG sells it, which holds nothing: what can be cancelled free is bought in its place.
const AT_ETG: &str = "8473001";
const SUPPLIERS: [Supplier; 3] = [Supplier::Duffel, Supplier::Etg, Supplier::Hotelbeds];
/// Rapid sells it, and holds it.
const AT_RAPID: &str = "1100001";

/// What was ever made for a trip, by supplier.
async fn made(stack: &Stack, trip: &Trip, suppliers: [Supplier; 3]) -> Vec<Reservation> {
    let mut own = Vec::new();
    for supplier in suppliers {
        let all = stack.double_of(supplier).truth().await.unwrap().reservations.into_iter();
        own.extend(all.filter(|reservation| reservation.guests.contains(&trip.guest)));
    }
    own
}

fn states(made: &[Reservation]) -> Vec<&str> {
    made.iter().map(|reservation| reservation.state.as_str()).collect()
}

fn minor(money: &Value) -> i64 {
    money["minor"].as_str().unwrap().parse().unwrap()
}

/// Row: L1
/// Row: C11
#[tokio::test(flavor = "multi_thread")]
async fn a_flight_a_stay_and_an_activity_are_one_price_and_one_payment_and_are_travelled() {
    let stack = stage::patient("outing").await;
    let ada = Traveller::of(&stack, "ada").await.unwrap();
    let world = World::of(&stack).await.unwrap();
    let outing = Outing::free_at(AT_ETG);
    let trip = outing.book(&ada).await.unwrap();
    let payable = ada.until_payable(&trip, SOON).await.unwrap();
    let legs = payable.0["legs"].as_array().unwrap();
    let sellers: Vec<&str> = legs.iter().map(|leg| leg["supplier"].as_str().unwrap()).collect();
    assert_eq!(sellers, SUPPLIERS.map(Supplier::word));
    let sum: i64 = legs.iter().map(|leg| minor(&leg["price"])).sum();
    assert_eq!(sum, minor(&payable.0["price"]), "{}", payable.0);
    assert_eq!(trip.quote.shown["amount"], payable.0["payment"]["amount"]);
    assert_eq!(states(&made(&stack, &trip, SUPPLIERS).await), ["held", "confirmed", "held"]);

    ada.pay(&payable).await.unwrap();
    let shown = ada.until_ended(&trip, SOON).await.unwrap();
    assert_eq!(shown.status(), "confirmed", "{}", shown.0);
    let stands = made(&stack, &trip, SUPPLIERS).await;
    assert_eq!(states(&stands), ["confirmed"; 3]);
    let told: BTreeSet<String> = shown.references().into_iter().collect();
    assert_eq!(told, stands.iter().map(|one| one.reference.clone()).collect());
    let found = world.compare_within(&[trip.accepted()], SOON).await.unwrap();
    assert!(found.is_right(), "{found:?}");

    let days = (outing.first - Utc::now().date_naive()).num_days() + 4;
    days_pass(&stack, "booking", days).await;
    until("travelled", async || {
        let shown = ada.gateway.booking(&trip.booking_id).await.unwrap();
        (shown.status() == "completed").then_some(())
    })
    .await;
    days_pass(&stack, "rewards", days + 3).await;
    until("its points to be spent", async || {
        let points = ada.gateway.points().await.unwrap();
        let paid = points["points"]["available"].as_i64().unwrap_or(0);
        (paid > 0 && points["points"]["pending"] == 0).then_some(())
    })
    .await;
    stack.stop().await.unwrap();
}

/// Row: L1
/// Row: L11
#[tokio::test(flavor = "multi_thread")]
async fn what_two_suppliers_sold_is_given_back_when_the_third_refuses_after_the_money() {
    let stack = stage::patient("outing_refused").await;
    let ada = Traveller::of(&stack, "ada").await.unwrap();
    let world = World::of(&stack).await.unwrap();
    // A fare of which nothing comes back is bought after what costs nothing to give back.
    let outing = Outing { flight: is_final, ..Outing::free_at(AT_RAPID) };
    let trip = outing.book(&ada).await.unwrap();
    let payable = ada.until_payable(&trip, SOON).await.unwrap();
    let flights = stack.double_of(Supplier::Duffel);
    flights.arm("confirm", "confirm_refused", 1, None).await.unwrap();
    ada.pay(&payable).await.unwrap();
    let shown = ada.until_ended(&trip, SOON).await.unwrap();
    assert_eq!(shown.status(), "failed", "{}", shown.0);

    let asked = async |supplier| -> Vec<DateTime<Utc>> {
        let truth = stack.double_of(supplier).truth().await.unwrap();
        let confirms = truth.requests_of("confirm").into_iter();
        confirms.map(|request| request.at.parse().unwrap()).collect()
    };
    let (flight, activity) = (asked(Supplier::Duffel).await, asked(Supplier::Hotelbeds).await);
    let stay = asked(Supplier::Rapid).await;
    assert_eq!((flight.len(), stay.len(), activity.len()), (1, 1, 1));
    assert!(stay[0] < flight[0] && activity[0] < flight[0], "{stay:?} {activity:?} {flight:?}");
    assert_eq!(wished_away(&ada, &trip).await, backwards(&shown));
    let sold = [Supplier::Duffel, Supplier::Rapid, Supplier::Hotelbeds];
    assert_eq!(states(&made(&stack, &trip, sold).await), ["cancelled"; 3]);
    let rooms = stack.double_of(Supplier::Rapid).truth().await.unwrap();
    assert_eq!(rooms.requests_of("cancel").len(), 1, "{:?}", rooms.requests);
    assert!(shown.0["cancellation"].is_null(), "none of it is the customer's to pay");
    let paid = payable.amount().unwrap().units;
    until("all of the money is back", async || {
        let shown = ada.gateway.booking(&trip.booking_id).await.unwrap();
        (shown.is_refunded() && shown.refunds() == paid).then_some(())
    })
    .await;
    let wallet = trip.refund_to.clone().unwrap();
    assert_eq!(stack.node().balance(&wallet).await.unwrap(), paid);
    let found = world.compare_within(&[trip.accepted()], SOON).await.unwrap();
    assert!(found.is_right(), "{found:?}");
    stack.stop().await.unwrap();
}

/// The legs in the order in which they were wished away.
async fn wished_away(ada: &Traveller, trip: &Trip) -> Vec<String> {
    let history = ada.gateway.history(&trip.booking_id).await.unwrap();
    let released =
        |c: &&Value| c["change"] == "leg_wished" && c["evidence"]["wanted"] == "released";
    let legs = history.iter().filter(released);
    legs.map(|c| c["evidence"]["leg_id"].as_str().unwrap().to_owned()).collect()
}

/// The legs, the last one first.
fn backwards(shown: &Shown) -> Vec<String> {
    let legs = shown.0["legs"].as_array().unwrap().iter().rev();
    legs.map(|leg| leg["leg_id"].as_str().unwrap().to_owned()).collect()
}
