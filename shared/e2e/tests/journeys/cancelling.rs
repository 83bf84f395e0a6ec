//! A confirmed booking is cancelled: the fee is told first and agreed to, the room goes back to the
//! supplier, and the money to where the customer says.

use e2e::{
    Stack,
    gateway::{Gateway, Shown},
    traveller::{Traveller, Trip, some_stay, stay_in},
    truth::World,
};
use http::StatusCode;
use serde_json::{Value, json};
use sqlx::Connection as _;

use crate::stage::{self, SOON, until};

/// What the gateway answers to a cancellation, or to the question what it costs.
async fn ask(ada: &Traveller, trip: &Trip, query: &str, body: &Value) -> (StatusCode, Value) {
    let path = format!("/v1/bookings/{}/cancellation{query}", trip.booking_id);
    let answer = ada.gateway.post(&path, body).await.unwrap();
    (answer.status, answer.json())
}

/// Tells where the refund goes, and waits until it is there.
async fn refunded(stack: &Stack, ada: &Traveller, trip: &Trip, quote: &Value) -> Shown {
    let waits = |shown: &Shown| shown.next_actions().contains(&"refund");
    ada.until(trip, "waiting for an address", SOON, waits).await.unwrap();
    let wallet = ada.new_wallet();
    let path = format!("/v1/bookings/{}/refund", trip.booking_id);
    let unsure = ada.gateway.post(&path, &json!({"to": wallet})).await.unwrap();
    assert_eq!(unsure.status, StatusCode::UNPROCESSABLE_ENTITY, "no checksum and not confirmed");
    let body = json!({"to": wallet, "confirm": wallet});
    for _ in 0..2 {
        let given = ada.gateway.post(&path, &body).await.unwrap();
        assert_eq!(given.status, StatusCode::ACCEPTED, "{}", given.json());
    }
    let due = quote["refund"]["units"].as_str().unwrap().to_owned();
    let node = stack.node();
    until("refunded on the chain", async || {
        (node.balance(&wallet).await.unwrap().to_string() == due).then_some(())
    })
    .await;
    until("shown as refunded", async || {
        let shown = ada.gateway.booking(&trip.booking_id).await.unwrap();
        let done = shown.status() == "cancelled" && shown.0["payment"]["state"] == "refunded";
        done.then_some(shown)
    })
    .await
}

/// The supplier has the reservation as cancelled, once.
async fn given_back(stack: &Stack, trip: &Trip) {
    let truth = stack.double().truth().await.unwrap();
    let ours: Vec<_> =
        truth.reservations.iter().filter(|r| r.guests.contains(&trip.guest)).collect();
    assert_eq!(ours.len(), 1);
    assert_eq!(ours[0].state, "cancelled");
    let cancels = truth.requests_of("cancel");
    let ours = cancels.iter().filter(|r| r.client_reference == ours[0].client_reference);
    assert_eq!(ours.count(), 1);
}

/// Row: A3
/// Row: A8
/// Row: A10
/// Row: E2
#[tokio::test(flavor = "multi_thread")]
async fn a_confirmed_booking_is_cancelled_free_and_stays_cancelled_whatever_is_called_later() {
    let stack = stage::patient("cancel_free").await;
    let ada = Traveller::of(&stack, "ada").await.unwrap();
    let (trip, confirmed) = ada.travel(&some_stay(), SOON).await.unwrap();
    until("points are pending", async || {
        let points = ada.gateway.points().await.unwrap();
        (points["points"]["pending"].as_i64() > Some(0)).then_some(())
    })
    .await;
    let before = ada.gateway.history(&trip.booking_id).await.unwrap();

    let (status, quote) = ask(&ada, &trip, "?quote=true", &json!({})).await;
    assert_eq!(status, StatusCode::OK, "{quote}");
    assert_eq!(quote["fee"]["minor"], "0");
    assert_eq!(quote["refund"], confirmed.0["payment"]["amount"]);
    assert_eq!(quote["deadline_basis"], "supplier_instant");
    assert!(quote["deadline"].as_str().unwrap().ends_with('Z'));
    let (status, refused) = ask(&ada, &trip, "", &json!({})).await;
    assert_eq!((status, &refused["quote"]), (StatusCode::CONFLICT, &quote));
    assert_eq!(ada.gateway.history(&trip.booking_id).await.unwrap(), before);

    let (status, shown) = ask(&ada, &trip, "", &json!({"quote": quote["quote"]})).await;
    assert_eq!((status, &shown["status"]), (StatusCode::ACCEPTED, &json!("cancelling")));
    refunded(&stack, &ada, &trip, &quote).await;
    given_back(&stack, &trip).await;
    until("points are taken back", async || {
        let points = ada.gateway.points().await.unwrap();
        (points["points"]["pending"] == 0 && points["points"]["available"] == 0).then_some(())
    })
    .await;

    // The supplier calls late and says that it is confirmed: it is looked at and written down.
    let was = ada.gateway.history(&trip.booking_id).await.unwrap();
    let reference = confirmed.references().pop().unwrap();
    stack.double().notify(&reference, "itinerary.agent.create").await.unwrap();
    let now = until("the callback is in the history", async || {
        let now = ada.gateway.history(&trip.booking_id).await.unwrap();
        (now.len() > was.len()).then_some(now)
    })
    .await;
    let fact = now.last().unwrap();
    assert_eq!(fact["change"], "leg_news", "{fact}");
    assert_eq!(fact["evidence"]["evidence"]["source"], "callback", "{fact}");
    assert_eq!(fact["after"]["status"], "cancelled");
    given_back(&stack, &trip).await;
    let world = World::of(&stack).await.unwrap();
    let found = world.compare_within(&[trip.accepted()], SOON).await.unwrap();
    assert!(found.is_right(), "{found:?}");
    made_again(&stack, &trip).await;
    stack.stop().await.unwrap();
}

/// Every row is what its journal gives, in the database and in an export; one that is not is found.
async fn made_again(stack: &Stack, trip: &Trip) {
    let checked = stack.command("booking", &["check"]).await.unwrap();
    let checked: Value = serde_json::from_str(checked.lines().last().unwrap()).unwrap();
    assert_eq!((&checked["bookings"], &checked["differ"]), (&json!(1), &json!(0)));
    let internal = Gateway::new(&stack.url("booking"), &stack.internal_token("tests"));
    let path = format!("/internal/bookings/{}/export", trip.booking_id);
    let export = internal.get(&path).await.unwrap();
    assert_eq!(export.status, StatusCode::OK);
    let file = stack.dir().join("export.json");
    std::fs::write(&file, &export.body).unwrap();
    let row = stack.command("booking", &["replay", file.to_str().unwrap()]).await.unwrap();
    assert_eq!(row.lines().last().unwrap(), export.json()["row"].as_str().unwrap());

    let mut booking = sqlx::PgConnection::connect(&stack.database_url("booking")).await.unwrap();
    sqlx::query("update booking set state = replace(state::text, 'cancelled', 'failed')::json")
        .execute(&mut booking)
        .await
        .unwrap();
    let found = stack.command("booking", &["check"]).await.unwrap_err().to_string();
    assert!(found.contains(r#""differ":1"#), "{found}");
}

/// Row: A3
/// Row: C11
#[tokio::test(flavor = "multi_thread")]
async fn a_confirmed_booking_is_cancelled_for_the_fee_that_was_told_and_asks_again_when_it_rose() {
    let stack = stage::patient("cancel_fee").await;
    let ada = Traveller::of(&stack, "ada").await.unwrap();
    // The day after tomorrow: one night is lost by now.
    let offers = ada.gateway.offers(&stay_in(1, 2)).await.unwrap();
    let costs = |offer: &&Value| {
        let terms = &offer["terms"];
        terms["holdable"] == true
            && terms["refundable"] == true
            && terms["cancel_steps"][0]["fee"] != offer["price"]
    };
    let offer = offers.iter().find(costs).expect("an offer with a fee");
    let quote = ada.gateway.quote_offer(&offer["offer_id"]).await.unwrap();
    let trip = ada.book_quote(quote, |_| {}).await.unwrap();
    let payable = ada.until_payable(&trip, SOON).await.unwrap();
    ada.pay(&payable).await.unwrap();
    let shown = ada.until_ended(&trip, SOON).await.unwrap();
    assert_eq!(shown.status(), "confirmed");
    let (_, told) = ask(&ada, &trip, "?quote=true", &json!({})).await;
    let minor = |money: &Value| money["minor"].as_str().unwrap().parse::<i64>().unwrap();
    let (fee, price) = (minor(&told["fee"]), minor(&shown.0["price"]));
    assert!(0 < fee && fee < price, "{told}");

    // A trip of next month: free now, and everything on the day of arrival.
    let (later, _) = ada.travel(&stay_in(20, 2), SOON).await.unwrap();
    let (_, free) = ask(&ada, &later, "?quote=true", &json!({})).await;
    assert_eq!(free["fee"]["minor"], "0");

    let (status, _) = ask(&ada, &trip, "", &json!({"quote": told["quote"]})).await;
    assert_eq!(status, StatusCode::ACCEPTED);
    let end = refunded(&stack, &ada, &trip, &told).await;
    assert_eq!(end.0["payment"]["refunds"][0]["units"], told["refund"]["units"]);
    given_back(&stack, &trip).await;

    let mut booking = sqlx::PgConnection::connect(&stack.database_url("booking")).await.unwrap();
    sqlx::query("update holdfast_clock set ahead_by = interval '19 days 12 hours'")
        .execute(&mut booking)
        .await
        .unwrap();
    let dearer = until("the fee has risen", async || {
        let (_, quote) = ask(&ada, &later, "?quote=true", &json!({})).await;
        (quote["fee"] != free["fee"]).then_some(quote)
    })
    .await;
    let (status, refused) = ask(&ada, &later, "", &json!({"quote": free["quote"]})).await;
    assert_eq!((status, &refused["quote"]), (StatusCode::CONFLICT, &dearer));
    assert_eq!(ada.gateway.booking(&later.booking_id).await.unwrap().status(), "confirmed");
    stack.stop().await.unwrap();
}
