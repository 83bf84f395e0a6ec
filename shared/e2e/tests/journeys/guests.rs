//! Somebody else is to sleep in a room that is bought: its supplier changes the name in the
//! reservation that is there. No other one is made, and nothing is cancelled or paid.

use e2e::{
    Stack,
    gateway::Shown,
    traveller::{Traveller, Trip, stay_in},
    truth::{Accepted, World},
};
use http::StatusCode;
use serde_json::{Value, json};

use crate::stage::{self, SOON, until};

async fn ask(ada: &Traveller, trip: &Trip, query: &str, body: &Value) -> (StatusCode, Value) {
    let shown = ada.gateway.booking(&trip.booking_id).await.unwrap();
    let leg_id = shown.0["legs"][0]["leg_id"].as_str().unwrap().to_owned();
    let path = format!("/v1/bookings/{}/legs/{leg_id}/amendment{query}", trip.booking_id);
    let answer = ada.gateway.post(&path, body).await.unwrap();
    (answer.status, answer.json())
}

fn family(trip: &Trip) -> String {
    trip.guest.trim_start_matches("Ada ").to_owned()
}

/// Tells that another leads, and agrees to it twice at once.
async fn lead_by(ada: &Traveller, trip: &Trip, given: &str) {
    let lead = json!([{"given_name": given, "family_name": family(trip)}]);
    let (status, told) = ask(ada, trip, "?quote=true", &json!({"travellers": lead})).await;
    assert_eq!((status, &told["way"]), (StatusCode::OK, &json!("in_place")), "{told}");
    assert_eq!((&told["fee"]["minor"], &told["pay"]), (&json!("0"), &Value::Null));
    let agreed = json!({"quote": told["quote"]});
    let (one, other) = tokio::join!(ask(ada, trip, "", &agreed), ask(ada, trip, "", &agreed));
    assert_eq!((one.0, other.0), (StatusCode::ACCEPTED, StatusCode::ACCEPTED), "{}", one.1);
}

async fn confirmed(ada: &Traveller, trip: &Trip, guests: &str) -> Shown {
    let over =
        |shown: &Shown| shown.status() == "confirmed" && shown.0["legs"][0]["guests"] == guests;
    ada.until(trip, guests, SOON, over).await.unwrap()
}

/// The supplier has one reservation of this family, bought, with this reference and this name.
async fn stands(stack: &Stack, trip: &Trip, shown: &Shown, given: &str) {
    let family = family(trip);
    let truth = stack.double().truth().await.unwrap();
    let own = truth.reservations.iter().filter(|r| r.guests.iter().any(|g| g.ends_with(&family)));
    let own: Vec<_> = own.collect();
    assert_eq!(own.len(), 1, "{own:?}");
    assert_eq!(
        (own[0].state.as_str(), &own[0].guests),
        ("confirmed", &vec![format!("{given} {family}")])
    );
    assert_eq!(shown.0["legs"][0]["reference"], own[0].reference.as_str());
    assert_eq!(shown.0["legs"].as_array().unwrap().len(), 1);
}

/// Row: A3
/// Row: A10
#[tokio::test(flavor = "multi_thread")]
async fn another_guest_takes_a_room_that_is_bought_and_it_stays_one_reservation() {
    let stack = stage::patient("guests").await;
    let world = World::of(&stack).await.unwrap();
    let ada = Traveller::of(&stack, "ada").await.unwrap();
    let (trip, _) = ada.travel(&stay_in(60, 3), SOON).await.unwrap();

    lead_by(&ada, &trip, "Bea").await;
    let shown = confirmed(&ada, &trip, "changed").await;
    stands(&stack, &trip, &shown, "Bea").await;
    let asked = async |stack: &Stack, operation: &str| {
        stack.double().truth().await.unwrap().requests_of(operation).len()
    };
    assert_eq!((asked(&stack, "amend").await, asked(&stack, "cancel").await), (1, 0));

    // It is made, and nobody says so.
    stack.double().arm("amend", "timeout_after_commit", 1, None).await.unwrap();
    lead_by(&ada, &trip, "Cid").await;
    until("the supplier is asked", async || (asked(&stack, "amend").await == 2).then_some(()))
        .await;
    stack.double().clear_faults().await.unwrap();
    let shown = ada.until(&trip, "found out", SOON, |shown| shown.status() == "confirmed").await;
    let shown = shown.unwrap();
    assert_eq!(shown.0["legs"][0]["guests"], "changed");
    stands(&stack, &trip, &shown, "Cid").await;
    assert_eq!(asked(&stack, "amend").await, 2, "it is looked up and not made again");

    // It is refused: the room is whose it was, and can be had otherwise.
    stack.double().arm("amend", "amend_refused", 1, None).await.unwrap();
    lead_by(&ada, &trip, "Dan").await;
    let shown = confirmed(&ada, &trip, "kept").await;
    stands(&stack, &trip, &shown, "Cid").await;
    assert!(shown.next_actions().contains(&"amend"), "{:?}", shown.next_actions());

    let history = ada.gateway.history(&trip.booking_id).await.unwrap();
    let ends: Vec<&Value> =
        history.iter().filter(|change| change["change"] == "guests_settled").collect();
    assert_eq!(ends.len(), 3, "{history:?}");
    assert_eq!(
        (&ends[0]["before"]["status"], &ends[0]["after"]["status"]),
        (&json!("amending"), &json!("confirmed"))
    );
    assert_eq!(ends[0]["evidence"]["evidence"]["source"], "answer");
    // Its callback made us look, or we did by ourselves.
    assert_ne!(ends[1]["evidence"]["evidence"]["source"], "answer");
    assert!(!json!(history).to_string().contains(&family(&trip)), "names are in no history");
    let guest = format!("Cid {}", family(&trip));
    let accepted = Accepted { guest, ..trip.accepted() };
    let found = world.compare_within(&[accepted], SOON).await.unwrap();
    assert!(found.is_right(), "{found:?}");
    let checked = stack.command("booking", &["check"]).await.unwrap();
    let checked: Value = serde_json::from_str(checked.lines().last().unwrap()).unwrap();
    assert_eq!(checked["differ"], 0);
    stack.stop().await.unwrap();
}
