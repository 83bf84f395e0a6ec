//! Trips of several legs: all of it or nothing, in the order that keeps the undo cheap.

use std::collections::BTreeSet;

use e2e::{
    Stack,
    double::Reservation,
    gateway::{Shown, costs_a_part, is_final, suits},
    traveller::{Traveller, Trip, some_cities},
    truth::World,
};
use serde_json::{Value, json};

use crate::stage::{self, SOON, until};

/// Books a trip and waits until it can be paid.
async fn payable(ada: &Traveller, wanted: [fn(&Value) -> bool; 3]) -> (Trip, Shown) {
    let legs: Vec<_> = some_cities().into_iter().zip(wanted).collect();
    let quote = ada.gateway.quote_trip(&legs).await.unwrap();
    let wallet = json!(ada.new_wallet());
    let trip = ada
        .book_quote(quote, |body| {
            (body["refund_to"], body["refund_to_confirm"]) = (wallet.clone(), wallet);
        })
        .await
        .unwrap();
    let payable = ada.until_payable(&trip, SOON).await.unwrap();
    (trip, payable)
}

/// The reservations that were ever made for a trip.
async fn reservations(stack: &Stack, trip: &Trip) -> Vec<Reservation> {
    let all = stack.double().truth().await.unwrap().reservations.into_iter();
    all.filter(|reservation| reservation.guests.contains(&trip.guest)).collect()
}

/// Nothing of the trip lives, and each reservation that was made was cancelled once.
async fn nothing_is_left(stack: &Stack, world: &World, trip: &Trip) {
    let made = reservations(stack, trip).await;
    let truth = stack.double().truth().await.unwrap();
    for reservation in &made {
        assert_eq!(reservation.state, "cancelled", "{reservation:?}");
        let cancels = truth.requests_of("cancel");
        let own = cancels.iter().filter(|r| {
            r.client_reference == reservation.client_reference && r.status == json!(204)
        });
        assert!(own.count() <= 1, "{reservation:?}");
    }
    let found = world.compare_within(&[trip.accepted()], SOON).await.unwrap();
    assert!(found.is_right(), "{found:?}");
}

/// The legs in the order in which they were wished away.
fn wished_away(history: &[Value]) -> Vec<&str> {
    let released =
        |c: &&Value| c["change"] == "leg_wished" && c["evidence"]["wanted"] == "released";
    history.iter().filter(released).map(|c| c["evidence"]["leg_id"].as_str().unwrap()).collect()
}

fn leg_ids(shown: &Shown) -> Vec<&str> {
    let legs = shown.0["legs"].as_array().unwrap();
    legs.iter().map(|leg| leg["leg_id"].as_str().unwrap()).collect()
}

fn happened(history: &[Value], change: &str) -> usize {
    history.iter().filter(|c| c["change"] == change).count()
}

/// Row: C11
/// Row: L1
#[tokio::test(flavor = "multi_thread")]
async fn a_trip_of_three_legs_is_one_price_one_payment_and_three_reservations() {
    let stack = stage::patient("trip").await;
    let ada = Traveller::of(&stack, "ada").await.unwrap();
    let world = World::of(&stack).await.unwrap();
    let (trip, payable) = payable(&ada, [suits, suits, suits]).await;
    let minor = |money: &Value| money["minor"].as_str().unwrap().parse::<i64>().unwrap();
    let legs = payable.0["legs"].as_array().unwrap();
    let sum: i64 = legs.iter().map(|leg| minor(&leg["price"])).sum();
    assert_eq!((legs.len(), sum), (3, minor(&payable.0["price"])));
    assert_eq!(trip.quote.shown["total"], payable.0["price"]);
    assert_eq!(trip.quote.shown["amount"], payable.0["payment"]["amount"]);
    assert!(legs.iter().all(|leg| leg["state"] == "held" && leg["held_until"].is_string()));

    ada.pay(&payable).await.unwrap();
    let shown = ada.until_ended(&trip, SOON).await.unwrap();
    assert_eq!(shown.status(), "confirmed", "{}", shown.0);
    let made = reservations(&stack, &trip).await;
    let told: BTreeSet<String> = shown.references().into_iter().collect();
    let stand: BTreeSet<String> = made.iter().map(|r| r.reference.clone()).collect();
    assert_eq!((made.len(), told), (3, stand));
    let ours: BTreeSet<_> = made.iter().map(|r| &r.client_reference).collect();
    assert_eq!(ours.len(), 3, "each reservation has a reference of its own");
    let found = world.compare_within(&[trip.accepted()], SOON).await.unwrap();
    assert!(found.is_right(), "{found:?}");
    stack.stop().await.unwrap();
}

/// Row: L1
#[tokio::test(flavor = "multi_thread")]
async fn a_trip_whose_second_leg_is_refused_is_undone_whole_and_told_once() {
    let stack = stage::patient("trip_refused").await;
    let ada = Traveller::of(&stack, "ada").await.unwrap();
    let world = World::of(&stack).await.unwrap();
    let stays = some_cities();
    let legs: Vec<_> = stays.clone().map(|stay| (stay, suits as fn(&Value) -> bool)).into();
    let quote = ada.gateway.quote_trip(&legs).await.unwrap();
    // It sells out between the price check and the click.
    stack.double().units(&stays[1].property_id, Some(0)).await.unwrap();
    let trip = ada.book_quote(quote, |_| {}).await.unwrap();
    let shown = ada.until_ended(&trip, SOON).await.unwrap();
    assert_eq!((shown.status(), &shown.0["ended_because"]), ("failed", &json!("sold_out")));
    assert_eq!(shown.address(), None);

    let history = ada.gateway.history(&trip.booking_id).await.unwrap();
    let mut backwards = leg_ids(&shown);
    backwards.reverse();
    assert_eq!(wished_away(&history), backwards);
    // All of it was wished in one go, not one after the other was done.
    let wished = |c: &&Value| c["change"] == "leg_wished" && c["evidence"]["wanted"] == "released";
    let instants: BTreeSet<_> =
        history.iter().filter(wished).map(|c| c["at"].as_str().unwrap()).collect();
    assert_eq!(instants.len(), 1);
    assert_eq!((happened(&history, "failed"), happened(&history, "payable")), (1, 0));
    nothing_is_left(&stack, &world, &trip).await;
    stack.double().units(&stays[1].property_id, None).await.unwrap();

    // Held, and lost again before anybody paid.
    let (trip, payable) = payable(&ada, [suits, suits, suits]).await;
    let second = payable.0["legs"][1]["reference"].as_str().unwrap();
    stack.double().act(second, "cancel").await.unwrap();
    stack.double().notify(second, "itinerary.supplier.cancel").await.unwrap();
    let shown = ada.until_ended(&trip, SOON).await.unwrap();
    assert_eq!(shown.status(), "failed", "{}", shown.0);
    assert_eq!(reservations(&stack, &trip).await.len(), 3);
    nothing_is_left(&stack, &world, &trip).await;
    stack.stop().await.unwrap();
}

/// Row: L1
/// Row: L11
#[tokio::test(flavor = "multi_thread")]
async fn what_cancels_free_is_bought_first_and_given_back_when_the_rest_is_refused() {
    let stack = stage::patient("trip_order").await;
    let ada = Traveller::of(&stack, "ada").await.unwrap();
    let world = World::of(&stack).await.unwrap();
    // The one that never comes back is named first, and bought last.
    let (trip, payable) = payable(&ada, [is_final, suits, suits]).await;
    let double = stack.double();
    double.arm("confirm", "slow", 2, Some(0)).await.unwrap();
    double.arm("confirm", "confirm_refused", 1, None).await.unwrap();
    assert!(double.truth().await.unwrap().requests_of("confirm").is_empty());
    let refs: Vec<String> = payable.references();
    ada.pay(&payable).await.unwrap();
    let shown = ada.until_ended(&trip, SOON).await.unwrap();
    assert_eq!(shown.status(), "failed", "{}", shown.0);

    let truth = double.truth().await.unwrap();
    let confirms: Vec<&str> = truth
        .requests_of("confirm")
        .iter()
        .map(|request| request.reference.as_deref().unwrap())
        .collect();
    assert_eq!((confirms.len(), confirms[2]), (3, refs[0].as_str()));
    nothing_is_left(&stack, &world, &trip).await;
    until("all of the money is back", async || {
        let shown = ada.gateway.booking(&trip.booking_id).await.unwrap();
        let paid = shown.amount().unwrap().units;
        (shown.is_refunded() && shown.refunds() == paid).then_some(())
    })
    .await;
    assert!(shown.0["cancellation"].is_null(), "our own undo costs the customer nothing");
    stack.stop().await.unwrap();
}

/// Row: A3
/// Row: A9
#[tokio::test(flavor = "multi_thread")]
async fn one_leg_is_cancelled_for_its_own_fee_and_the_others_are_travelled() {
    let stack = stage::patient("trip_leg").await;
    let ada = Traveller::of(&stack, "ada").await.unwrap();
    let world = World::of(&stack).await.unwrap();
    let (trip, payable) = payable(&ada, [suits, costs_a_part, suits]).await;
    ada.pay(&payable).await.unwrap();
    let shown = ada.until_ended(&trip, SOON).await.unwrap();
    let actions = vec!["cancel", "cancel_leg", "amend"];
    assert_eq!((shown.status(), shown.next_actions()), ("confirmed", actions));
    until("points are pending", async || {
        let points = ada.gateway.points().await.unwrap();
        (points["points"]["pending"].as_i64() > Some(0)).then_some(())
    })
    .await;
    let before = ada.gateway.history(&trip.booking_id).await.unwrap();
    let second = shown.0["legs"][1].clone();
    let id = second["leg_id"].as_str().unwrap();
    let path = format!("/v1/bookings/{}/legs/{id}/cancellation", trip.booking_id);
    let ask = async |query: &str, body: Value| {
        let answer = ada.gateway.post(&format!("{path}{query}"), &body).await.unwrap();
        (answer.status.as_u16(), answer.json())
    };

    let (status, told) = ask("?quote=true", json!({})).await;
    assert_eq!((status, &told["fee"]), (200, &second["terms"]["cancel_steps"][0]["fee"]));
    assert!(told["deadline"].as_str().unwrap().ends_with('Z'), "{told}");
    assert_eq!(told["deadline_basis"], "supplier_instant");
    let (status, refused) = ask("", json!({})).await;
    assert_eq!((status, &refused["quote"]), (409, &told));
    assert_eq!(ada.gateway.history(&trip.booking_id).await.unwrap(), before);
    // Twice at the same moment: one is done, the other answered like it; without what was agreed to
    // it is another.
    let agreed = json!({"quote": told["quote"]});
    let both = tokio::join!(ask("", agreed.clone()), ask("", agreed));
    for (status, done) in [both.0, both.1] {
        assert_eq!(
            (status, &done["status"], &done["legs"][1]["cancellation"]["fee"]),
            (202, &json!("confirmed"), &told["fee"])
        );
    }
    let (status, again) = ask("", json!({})).await;
    assert_eq!((status, &again["next_actions"]), (409, &json!(["cancel", "cancel_leg"])));

    let wallet = trip.refund_to.clone().unwrap();
    let due = told["refund"]["units"].as_str().unwrap();
    until("the leg's money is back, and no more", async || {
        (stack.node().balance(&wallet).await.unwrap().to_string() == due).then_some(())
    })
    .await;
    let references: Vec<String> = payable.references();
    until("the leg is given back", async || {
        let made = reservations(&stack, &trip).await;
        let state = |n: usize| &made.iter().find(|r| r.reference == references[n]).unwrap().state;
        (state(1) == "cancelled")
            .then(|| assert!(state(0) == "confirmed" && state(2) == "confirmed"))
    })
    .await;
    until("what was earned on it is taken back", async || {
        let points = ada.gateway.points().await.unwrap();
        let entries = points["entries"].as_array().unwrap();
        entries.iter().any(|entry| entry["kind"] == "reduced").then_some(())
    })
    .await;
    let found = world.compare_within(&[trip.accepted()], SOON).await.unwrap();
    assert!(found.is_right(), "{found:?}");
    stack.stop().await.unwrap();
}

/// Row: A3
/// Row: A9
#[tokio::test(flavor = "multi_thread")]
async fn a_trip_is_thought_over_before_it_is_paid_and_while_it_is_bought() {
    let stack = stage::patient("trip_early").await;
    let ada = Traveller::of(&stack, "ada").await.unwrap();
    let world = World::of(&stack).await.unwrap();
    let agree = async |path: String| {
        let told = ada.gateway.post(&format!("{path}?quote=true"), &json!({})).await.unwrap();
        assert_eq!(told.status.as_u16(), 200, "{}", told.json());
        let agreed = json!({"quote": told.json()["quote"]});
        let done = ada.gateway.post(&path, &agreed).await.unwrap();
        (done.status.as_u16(), told.json(), done.json())
    };

    // One leg is given up before anything is paid: the amount follows, and the rest is travelled.
    let (trip, first) = payable(&ada, [suits, is_final, suits]).await;
    let dropped = first.0["legs"][1].clone();
    let id = dropped["leg_id"].as_str().unwrap();
    let path = format!("/v1/bookings/{}/legs/{id}/cancellation", trip.booking_id);
    let (status, told, _) = agree(path).await;
    assert_eq!((status, &told["fee"]["minor"]), (202, &json!("0")));
    let less = ada.until_payable(&trip, SOON).await.unwrap();
    assert_ne!(less.address(), first.address());
    assert!(less.amount().unwrap().units < first.amount().unwrap().units);
    ada.pay(&less).await.unwrap();
    let shown = ada.until_ended(&trip, SOON).await.unwrap();
    assert_eq!((shown.status(), shown.references().len()), ("confirmed", 2), "{}", shown.0);
    until("the leg that was given up is gone", async || {
        let made = reservations(&stack, &trip).await;
        let own = made.iter().find(|r| json!(r.reference) == dropped["reference"]).unwrap();
        (own.state == "cancelled").then_some(())
    })
    .await;

    // The whole is cancelled while it is bought: only what may be bought costs something.
    let (other, payable) = payable(&ada, [suits, is_final, suits]).await;
    stack.double().arm("confirm", "slow", 3, Some(4_000)).await.unwrap();
    ada.pay(&payable).await.unwrap();
    let buying = |shown: &Shown| shown.status() == "committing";
    ada.until(&other, "bought", SOON, buying).await.unwrap();
    let (status, told, done) =
        agree(format!("/v1/bookings/{}/cancellation", other.booking_id)).await;
    assert_eq!((status, &done["status"]), (202, &json!("cancelling")), "{told} {done}");
    let ended = |shown: &Shown| shown.status() == "cancelled";
    let shown = ada.until(&other, "undone", SOON, ended).await.unwrap();
    let due = told["refund"]["units"].as_str().unwrap();
    assert_eq!((shown.refunds().to_string().as_str(), shown.is_refunded()), (due, true));
    let found = world.compare_within(&[trip.accepted(), other.accepted()], SOON).await.unwrap();
    assert!(found.is_right(), "{found:?}");
    stack.stop().await.unwrap();
}
