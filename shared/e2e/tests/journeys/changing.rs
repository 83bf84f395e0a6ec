//! Suppliers change what was bought, or sell out before the click, and the customer says what is to
//! become of it.

use std::collections::BTreeMap;

use chrono::{Days, NaiveDateTime, TimeDelta, Utc};
use contracts::supplier::Supplier;
use e2e::{
    Options, Profile, Stack,
    double::Reservation,
    gateway::{Shown, Stay, suits},
    outing::flies,
    traveller::{Traveller, Trip, some_cities, stay_in},
    truth::World,
};
use http::StatusCode;
use serde_json::{Value, json};

use crate::stage::{self, SOON, until};

/// Books a stay with a wallet for what may go back, pays it, and waits until it is bought.
async fn travels(ada: &Traveller, stay: &Stay) -> (Trip, Shown) {
    let wallet = json!(ada.new_wallet());
    let quote = ada.gateway.quote(stay).await.unwrap();
    let booked = ada.book_quote(quote, |body| {
        (body["refund_to"], body["refund_to_confirm"]) = (wallet.clone(), wallet);
    });
    let trip = booked.await.unwrap();
    let shown = bought(ada, &trip).await;
    (trip, shown)
}

/// Pays what is held, and waits until it is bought.
async fn bought(ada: &Traveller, trip: &Trip) -> Shown {
    let payable = ada.until_payable(trip, SOON).await.unwrap();
    ada.pay(&payable).await.unwrap();
    let shown = ada.until_ended(trip, SOON).await.unwrap();
    assert_eq!(shown.status(), "confirmed", "{}", shown.0);
    shown
}

/// The booking once its first leg has a change to answer.
async fn changed(ada: &Traveller, trip: &Trip) -> Shown {
    until("told of the change", async || {
        let shown = ada.gateway.booking(&trip.booking_id).await.unwrap();
        (!shown.0["legs"][0]["change"].is_null()).then_some(shown)
    })
    .await
}

/// Asks something of the first leg.
async fn ask(ada: &Traveller, trip: &Trip, what: &str, body: &Value) -> (StatusCode, Value) {
    let shown = ada.gateway.booking(&trip.booking_id).await.unwrap();
    let leg_id = shown.0["legs"][0]["leg_id"].as_str().unwrap().to_owned();
    let path = format!("/v1/bookings/{}/legs/{leg_id}/{what}", trip.booking_id);
    let answer = ada.gateway.post(&path, body).await.unwrap();
    (answer.status, answer.json())
}

/// The hotel cancels, and says so.
async fn cancelled_by_the_hotel(
    stack: &Stack,
    ada: &Traveller,
    trip: &Trip,
    shown: &Shown,
) -> Shown {
    let reference = shown.references().pop().unwrap();
    stack.double().act(&reference, "cancel").await.unwrap();
    stack.double().notify(&reference, "itinerary.supplier.cancel").await.unwrap();
    changed(ada, trip).await
}

/// The reservations that were ever made for a trip, and live.
async fn living(stack: &Stack, trip: &Trip) -> Vec<Reservation> {
    let all = stack.double().truth().await.unwrap().reservations.into_iter();
    all.filter(|one| one.guests.contains(&trip.guest) && one.lives()).collect()
}

/// Row: A3
/// Row: A4
#[tokio::test(flavor = "multi_thread")]
async fn what_the_hotel_cancels_is_refunded_whole_or_rebooked_elsewhere_as_its_customer_says() {
    let changes = BTreeMap::from([("BOOKING_STACK".to_owned(), "production".to_owned())]);
    let options = Options { profile: Profile::Demo, changes, ..Options::test("changing") };
    let stack = Stack::start(options).await.unwrap();
    let world = World::of(&stack).await.unwrap();
    let ada = Traveller::of(&stack, "ada").await.unwrap();

    let (back, shown) = travels(&ada, &stay_in(60, 2)).await;
    let told = cancelled_by_the_hotel(&stack, &ada, &back, &shown).await;
    let change = &told.0["legs"][0]["change"];
    assert_eq!(
        (&change["theirs"], &change["answers"]),
        (&Value::Null, &json!(["refund", "rebook"]))
    );
    for action in ["refund_change", "rebook_change"] {
        assert!(told.next_actions().contains(&action), "{:?}", told.next_actions());
    }
    let answer = |answer: &str| json!({"change": change["change"], "answer": answer});
    let (status, refused) = ask(&ada, &back, "change", &answer("accept")).await;
    assert_eq!((status, &refused["code"]), (StatusCode::CONFLICT, &json!("not_allowed_now")));
    let (status, _) = ask(&ada, &back, "change", &answer("refund")).await;
    assert_eq!(status, StatusCode::ACCEPTED);
    let ended = ada.until(&back, "refunded", SOON, Shown::is_refunded).await.unwrap();
    assert_eq!((ended.status(), ended.refunds()), ("cancelled", shown.amount().unwrap().units));
    let wallet = back.refund_to.clone().unwrap();
    until("all of the money is back", async || {
        (stack.node().balance(&wallet).await.unwrap() == ended.refunds()).then_some(())
    })
    .await;

    let (moved, shown) = travels(&ada, &stay_in(90, 2)).await;
    cancelled_by_the_hotel(&stack, &ada, &moved, &shown).await;
    let elsewhere = Stay { property_id: "1100101".to_owned(), ..stay_in(90, 2) };
    let offers = ada.gateway.offers(&elsewhere).await.unwrap();
    let offer = offers.into_iter().find(suits).expect("a room in another house");
    let wanted = json!({"offer_id": offer["offer_id"]});
    let (status, told) = ask(&ada, &moved, "amendment?quote=true", &wanted).await;
    assert_eq!((status, &told["fee"]["minor"]), (StatusCode::OK, &json!("0")), "{told}");
    let agreed = json!({"quote": told["quote"]});
    let (status, under_way) = ask(&ada, &moved, "amendment", &agreed).await;
    assert_eq!((status, &under_way["status"]), (StatusCode::ACCEPTED, &json!("amending")));
    if !told["pay"].is_null() {
        let payable = ada.until_payable(&moved, SOON).await.unwrap();
        ada.pay_difference(&payable).await.unwrap();
    }
    let confirmed = |shown: &Shown| shown.status() == "confirmed";
    let shown = ada.until(&moved, "rebooked", SOON, confirmed).await.unwrap();
    let legs = &shown.0["legs"];
    assert_eq!(
        (&legs[0]["replaced"]["fee"]["minor"], &legs[0]["change"]),
        (&json!("0"), &Value::Null)
    );
    assert_eq!(
        (&legs[1]["property_id"], &legs[1]["state"]),
        (&json!("1100101"), &json!("confirmed"))
    );
    let stands = living(&stack, &moved).await;
    assert_eq!(
        stands.iter().map(|one| json!(one.reference)).collect::<Vec<_>>(),
        [legs[1]["reference"].clone()]
    );
    let found = world.compare_within(&[back.accepted(), moved.accepted()], SOON).await.unwrap();
    assert!(found.is_right(), "{found:?}");

    // Nothing of it is carried into a stack that is not for development.
    let export = stack.dir().join("export.json");
    let exported = stack.command("booking", &["export", &moved.booking_id]).await.unwrap();
    std::fs::write(&export, exported.lines().last().unwrap()).unwrap();
    let refused = stack.command("booking", &["import", export.to_str().unwrap()]).await;
    let refused = format!("{:#}", refused.unwrap_err());
    assert!(refused.contains("BOOKING_STACK=development"), "{refused}");
    stack.stop().await.unwrap();
}

/// Row: A3
/// Row: B7
#[tokio::test(flavor = "multi_thread")]
async fn a_flight_that_is_moved_within_its_day_is_flown_at_the_times_that_its_customer_took() {
    let stack = stage::patient("changing_flight").await;
    let ada = Traveller::of(&stack, "ada").await.unwrap();
    let airline = stack.double_of(Supplier::Duffel);
    let day = Utc::now().date_naive() + Days::new(rand::random_range(30..300));
    let path = format!("/v1/flights?origin=LHR&destination=MAD&departs_on={day}&currency=EUR");
    let offers = ada.gateway.found(&path).await.unwrap();
    let offer = offers.into_iter().find(suits).expect("a fare that can be held");
    let quote = ada.gateway.quote_offer(&offer["offer_id"]).await.unwrap();
    let trip = ada.book_quote(quote, flies).await.unwrap();
    let shown = bought(&ada, &trip).await;
    let sold = shown.0["legs"][0]["product"]["segments"].clone();

    let reference = shown.references().pop().unwrap();
    airline.reschedule(&reference, 5).await.unwrap();
    let told = changed(&ada, &trip).await;
    let leg = &told.0["legs"][0];
    assert_eq!((told.status(), &leg["state"]), ("confirmed", &json!("changed_by_supplier")));
    let change = &leg["change"];
    assert_eq!(change["answers"], json!(["accept", "refund", "rebook"]));
    assert_eq!(change["ours"]["segments"], sold);
    assert_eq!(leg["product"]["segments"], sold, "nothing is overwritten");
    assert_eq!(change["ours"]["check_in"], change["theirs"]["check_in"], "it is the same day");
    let departs = |segments: &Value| -> NaiveDateTime {
        segments[0]["departs_at"].as_str().unwrap().parse().unwrap()
    };
    let theirs = change["theirs"]["segments"].clone();
    assert_eq!(departs(&theirs) - departs(&sold), TimeDelta::hours(5));

    let accept = json!({"change": change["change"], "answer": "accept"});
    let (status, taken) = ask(&ada, &trip, "change", &accept).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{taken}");
    assert_eq!(taken["legs"][0]["product"]["segments"], theirs);
    until("all is as agreed", async || {
        let shown = ada.gateway.booking(&trip.booking_id).await.unwrap();
        let leg = &shown.0["legs"][0];
        (leg["state"] == "confirmed" && shown.0["review"].is_null()).then_some(())
    })
    .await;
    let truth = airline.truth().await.unwrap();
    assert!(truth.requests_of("cancel").is_empty(), "{:?}", truth.requests);
    assert_eq!(truth.requests_of("reserve").len(), 1);
    stack.stop().await.unwrap();
}

/// Row: L1
#[tokio::test(flavor = "multi_thread")]
async fn who_keeps_what_could_be_held_travels_without_what_was_sold_out_before_the_click() {
    let stack = stage::patient("keep_held").await;
    let world = World::of(&stack).await.unwrap();
    let ada = Traveller::of(&stack, "ada").await.unwrap();
    let stays = some_cities();
    let legs: Vec<_> = stays.clone().map(|stay| (stay, suits as fn(&Value) -> bool)).into();
    let quote = ada.gateway.quote_trip(&legs).await.unwrap();
    stack.double().units(&stays[1].property_id, Some(0)).await.unwrap();
    let booked = ada.book_quote(quote, |body| body["on_refusal"] = json!("keep_held"));
    let trip = booked.await.unwrap();
    let shown = bought(&ada, &trip).await;
    let legs = shown.0["legs"].as_array().unwrap();
    assert_eq!(legs[1]["left_out_because"], "sold_out");
    let minor = |money: &Value| money["minor"].as_str().unwrap().parse::<i64>().unwrap();
    let kept = minor(&legs[0]["price"]) + minor(&legs[2]["price"]);
    assert_eq!(minor(&shown.0["price"]), kept, "the price follows");
    assert!(kept < minor(&trip.quote.shown["total"]));
    let stands = living(&stack, &trip).await;
    let mut told = shown.references();
    told.sort();
    let mut there: Vec<String> = stands.iter().map(|one| one.reference.clone()).collect();
    there.sort();
    assert_eq!((there.len(), there), (2, told));
    assert!(stands.iter().all(|one| one.state == "confirmed"));
    let found = world.compare_within(&[trip.accepted()], SOON).await.unwrap();
    assert!(found.is_right(), "{found:?}");
    stack.stop().await.unwrap();
}
