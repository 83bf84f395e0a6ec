//! A confirmed stay is moved to other days: the new room is bought before the old one is given
//! back, and the difference goes to where the customer says.

use e2e::{
    gateway::{Shown, Stay},
    traveller::{Traveller, Trip, stay_in},
    truth::World,
};
use http::StatusCode;
use serde_json::{Value, json};

use crate::stage::{self, SOON, until};

fn minor(money: &Value) -> i64 {
    money["minor"].as_str().unwrap().parse().unwrap()
}

/// What the gateway answers to an amendment of the first leg, or to the question what it costs.
async fn ask(ada: &Traveller, trip: &Trip, query: &str, body: &Value) -> (StatusCode, Value) {
    let shown = ada.gateway.booking(&trip.booking_id).await.unwrap();
    let leg_id = shown.0["legs"][0]["leg_id"].as_str().unwrap().to_owned();
    let path = format!("/v1/bookings/{}/legs/{leg_id}/amendment{query}", trip.booking_id);
    let answer = ada.gateway.post(&path, body).await.unwrap();
    (answer.status, answer.json())
}

/// An offer for so many nights on other days, of the kind that the stay was bought at.
async fn offer(ada: &Traveller, days: u64, nights: u64) -> Value {
    let offers = ada.gateway.offers(&stay_in(days, nights)).await.unwrap();
    offers.into_iter().find(e2e::gateway::suits).expect("an offer that can be held")
}

/// Row: A4
/// Row: C11
#[tokio::test(flavor = "multi_thread")]
async fn a_stay_is_moved_to_other_days_and_the_difference_comes_back() {
    let stack = stage::patient("amend").await;
    let world = World::of(&stack).await.unwrap();
    let ada = Traveller::of(&stack, "ada").await.unwrap();
    let (trip, before) = ada.travel(&stay_in(60, 3), SOON).await.unwrap();
    assert!(before.next_actions().contains(&"amend"), "{:?}", before.next_actions());

    let shorter = offer(&ada, 90, 1).await;
    let (status, told) =
        ask(&ada, &trip, "?quote=true", &json!({"offer_id": shorter["offer_id"]})).await;
    assert_eq!(status, StatusCode::OK, "{told}");
    let (old, new) = (minor(&before.0["legs"][0]["price"]), minor(&told["price"]));
    assert_eq!((minor(&told["fee"]), minor(&told["back"])), (0, old - new));
    assert_eq!(
        ada.gateway.booking(&trip.booking_id).await.unwrap().0["version"],
        before.0["version"]
    );
    let (status, _) = ask(&ada, &trip, "", &json!({"quote": "of nobody"})).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);

    let agreed = json!({"quote": told["quote"]});
    let (status, shown) = ask(&ada, &trip, "", &agreed).await;
    assert_eq!((status, &shown["status"]), (StatusCode::ACCEPTED, &json!("amending")), "{shown}");
    let moved = until("moved", async || {
        let shown = ada.gateway.booking(&trip.booking_id).await.unwrap();
        (shown.status() == "confirmed").then_some(shown)
    })
    .await;
    let legs = moved.0["legs"].as_array().unwrap();
    assert_eq!(
        (&legs[0]["replaced"]["by"], &legs[1]["in_place_of"]),
        (&legs[1]["leg_id"], &legs[0]["leg_id"])
    );
    assert_eq!(
        (&legs[1]["state"], &legs[1]["check_in"]),
        (&json!("confirmed"), &shorter["check_in"])
    );
    // The same click again changes nothing.
    let (status, again) = ask(&ada, &trip, "", &agreed).await;
    assert_eq!((status, again["legs"].as_array().unwrap().len()), (StatusCode::ACCEPTED, 2));

    let wallet = ada.new_wallet();
    let path = format!("/v1/bookings/{}/refund", trip.booking_id);
    let given = ada.gateway.post(&path, &json!({"to": wallet, "confirm": wallet})).await.unwrap();
    assert_eq!(given.status, StatusCode::ACCEPTED, "{}", given.json());
    let due = told["refund"]["units"].as_str().unwrap().to_owned();
    until("the difference is on the chain", async || {
        (stack.node().balance(&wallet).await.unwrap().to_string() == due).then_some(())
    })
    .await;
    one_stands(&stack, &ada, &trip, &moved).await;
    let found = world.compare_within(&[trip.accepted()], SOON).await.unwrap();
    assert!(found.is_right(), "{found:?}");
    made_longer(&stack, &world, &ada, &trip).await;
    taken_by_others(&stack, &ada).await;
    stack.stop().await.unwrap();
}

/// More nights cost more: the new room is held, the difference is paid by a payment of its own, and
/// only then the new room is bought and the old one given back.
async fn made_longer(stack: &e2e::Stack, world: &World, ada: &Traveller, first: &Trip) {
    let (trip, before) = ada.travel(&stay_in(120, 2), SOON).await.unwrap();
    let longer = offer(ada, 200, 5).await;
    let (status, told) =
        ask(ada, &trip, "?quote=true", &json!({"offer_id": longer["offer_id"]})).await;
    assert_eq!(status, StatusCode::OK, "{told}");
    let (old, new) = (minor(&before.0["legs"][0]["price"]), minor(&told["price"]));
    assert_eq!((minor(&told["pay"]["price"]), minor(&told["back"])), (new - old, 0));
    let agreed = json!({"quote": told["quote"]});
    let (status, shown) = ask(ada, &trip, "", &agreed).await;
    assert_eq!((status, &shown["status"]), (StatusCode::ACCEPTED, &json!("amending")), "{shown}");
    let payable = ada.until_payable(&trip, SOON).await.unwrap();
    let due = &payable.0["further_payments"][0];
    assert_eq!((&due["amount"], &due["settled"]), (&told["pay"]["amount"], &json!(false)));
    assert_ne!(due["address"], payable.0["payment"]["address"]);
    assert_eq!(payable.0["payment"]["state"], "due");
    let state = |shown: &Shown, leg: usize| shown.0["legs"][leg]["state"].clone();
    assert_eq!((state(&payable, 0), state(&payable, 1)), (json!("confirmed"), json!("held")));
    ada.pay_difference(&payable).await.unwrap();
    let confirmed = |shown: &Shown| shown.status() == "confirmed";
    let moved = ada.until(&trip, "moved", SOON, confirmed).await.unwrap();
    assert_eq!(state(&moved, 1), json!("confirmed"), "{}", moved.0);
    assert_eq!(moved.0["further_payments"][0]["settled"], true);
    assert_eq!(moved.0["legs"][0]["replaced"]["paid"], told["pay"]["price"]);
    assert_eq!((minor(&before.0["price"]), minor(&moved.0["price"])), (old, new));
    one_stands(stack, ada, &trip, &moved).await;
    let found = world.compare_within(&[first.accepted(), trip.accepted()], SOON).await.unwrap();
    assert!(found.is_right(), "{found:?}");
}

/// Somebody else leads, and there is a third: another room for three takes the place of the one for
/// two, in their names.
async fn taken_by_others(stack: &e2e::Stack, ada: &Traveller) {
    let (trip, bought) = ada.travel(&stay_in(150, 2), SOON).await.unwrap();
    let Stay { property_id, check_in, check_out } = stay_in(150, 2);
    let search = |adults: u8| {
        format!(
            "/v1/stays?property_id={property_id}&check_in={check_in}&check_out={check_out}&adults={adults}&currency=EUR"
        )
    };
    let room = async |adults| {
        let offers = ada.gateway.found(&search(adults)).await.unwrap();
        offers.into_iter().find(e2e::gateway::suits).expect("a room that can be held")
    };
    let family = trip.guest.trim_start_matches("Ada ").to_owned();
    let person = |given: &str| json!({"given_name": given, "family_name": family});
    let party = json!([person("Bea"), person("Ada"), person("Cid")]);
    let for_two = json!({"offer_id": room(2).await["offer_id"], "travellers": party});
    let (status, refused) = ask(ada, &trip, "?quote=true", &for_two).await;
    assert_eq!((status, refused["code"].as_str()), (StatusCode::CONFLICT, Some("guests_differ")));
    let nobody = json!({"offer_id": room(3).await["offer_id"], "travellers": []});
    let (status, _) = ask(ada, &trip, "?quote=true", &nobody).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);

    let for_three = json!({"offer_id": room(3).await["offer_id"], "travellers": party});
    let (status, told) = ask(ada, &trip, "?quote=true", &for_three).await;
    assert_eq!(status, StatusCode::OK, "{told}");
    assert!(!told["quote"].as_str().unwrap().contains(&family), "the quote is sealed");
    let (status, shown) = ask(ada, &trip, "", &json!({"quote": told["quote"]})).await;
    assert_eq!((status, &shown["status"]), (StatusCode::ACCEPTED, &json!("amending")), "{shown}");
    if !told["pay"].is_null() {
        let payable = ada.until_payable(&trip, SOON).await.unwrap();
        ada.pay_difference(&payable).await.unwrap();
    }
    let confirmed = |shown: &Shown| shown.status() == "confirmed";
    let moved = ada.until(&trip, "taken by others", SOON, confirmed).await.unwrap();
    let truth = stack.double().truth().await.unwrap();
    let at = |reference: &Value| {
        let one = truth.reservations.iter().find(|r| json!(r.reference) == *reference).unwrap();
        one.guests.clone()
    };
    let (old, new) = (&bought.0["legs"][0]["reference"], &moved.0["legs"][1]["reference"]);
    assert_eq!((at(old), at(new)), (vec![trip.guest.clone()], vec![format!("Bea {family}")]));
    until("the old one is given back", async || {
        let truth = stack.double().truth().await.unwrap();
        let state = |reference: &Value| {
            let mut all = truth.reservations.iter();
            all.find(|r| json!(r.reference) == *reference).unwrap().state.clone()
        };
        (state(old) == "cancelled").then(|| assert_eq!(state(new), "confirmed"))
    })
    .await;
}

/// The supplier has the new one alone; the new one was bought before the old one was given back.
async fn one_stands(stack: &e2e::Stack, ada: &Traveller, trip: &Trip, moved: &Shown) {
    let ours = until("the old one is given back", async || {
        let truth = stack.double().truth().await.unwrap();
        let ours: Vec<_> =
            truth.reservations.into_iter().filter(|r| r.guests.contains(&trip.guest)).collect();
        ours.iter().any(|r| r.state == "cancelled").then_some(ours)
    })
    .await;
    assert_eq!(ours.len(), 2);
    let stands: Vec<_> = ours.iter().filter(|r| r.state == "confirmed").collect();
    assert_eq!(stands.len(), 1);
    assert_eq!(moved.0["legs"][1]["reference"], stands[0].reference.as_str());
    let history = ada.gateway.history(&trip.booking_id).await.unwrap();
    let at = |change: &str| history.iter().position(|c| c["change"] == change).unwrap();
    assert!(at("amendment_started") < at("leg_replaced"));
    let replaced = &history[at("leg_replaced")];
    assert_eq!(replaced["before"]["status"], "amending");
    let released =
        history.iter().position(|c| c["evidence"]["wanted"] == "released").expect("given back");
    assert!(at("leg_replaced") < released, "{history:?}");
    assert!(!json!(history).to_string().contains("token="), "the key that buys a room");
    let checked = stack.command("booking", &["check"]).await.unwrap();
    let checked: Value = serde_json::from_str(checked.lines().last().unwrap()).unwrap();
    assert_eq!(checked["differ"], 0);
}
