//! What suppliers change of what was bought: shown with both values, answered once, told on.

use axum::http::StatusCode;
use chrono::{TimeDelta, Utc};
use contracts::{
    message::Message as _,
    messages::{GoneWhy, LegState, LegWanted},
    money::{Currency, Money},
    offer::{CancelStep, Terms},
};
use serde_json::{Value, json};
use testkit::until;
use uuid::Uuid;

use crate::{
    neighbour::{Neighbour, reaches},
    world::{Answer, World, quote},
};

async fn answer(world: &World, booking_id: Uuid, change: &Value, answer: &str) -> Answer {
    let shown = world.get("acct_1", &format!("/v1/bookings/{booking_id}")).await.json();
    let leg_id = shown["legs"][0]["leg_id"].as_str().unwrap().to_owned();
    let path = format!("/v1/bookings/{booking_id}/legs/{leg_id}/change");
    world.post("acct_1", &path, &json!({"change": change, "answer": answer})).await
}

/// The booking once its first leg shows a change other than `known`.
async fn changed(world: &World, booking_id: Uuid, known: &Value) -> Value {
    let path = format!("/v1/bookings/{booking_id}");
    until("the supplier's change shows", || async {
        let shown = world.get("acct_1", &path).await.json();
        let change = &shown["legs"][0]["change"];
        (!change.is_null() && change["change"] != *known).then_some(shown)
    })
    .await
}

/// Row: B7
/// Row: D5
#[tokio::test(flavor = "multi_thread")]
async fn a_stay_that_the_supplier_moved_shows_both_values_and_is_taken_as_exactly_that() {
    let world = World::new().await;
    world.app.hear();
    world.app.listening().await;
    let (booking_id, quote) = world.booked("acct_1").await;
    let mut neighbour = Neighbour::of(&world, booking_id).await;
    neighbour.confirms(&quote).await;
    let none = answer(&world, booking_id, &json!(Uuid::nil()), "accept").await;
    assert_eq!((none.status, none.code().as_str()), (StatusCode::CONFLICT, "not_allowed_now"));
    let wrong = answer(&world, booking_id, &json!("it"), "maybe").await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(wrong.json()["errors"].as_array().unwrap().len(), 2);

    neighbour.moved(&quote, 3, 7).await;
    let shown = changed(&world, booking_id, &Value::Null).await;
    let leg = &shown["legs"][0];
    assert_eq!(
        (&shown["status"], &leg["state"]),
        (&json!("confirmed"), &json!("changed_by_supplier"))
    );
    assert_eq!(leg["reference"], "R1", "there is something to ask the hotel by");
    let order = &quote.legs[0].order;
    assert_eq!(leg["change"]["ours"]["check_in"], json!(order.check_in));
    assert_eq!(leg["check_in"], json!(order.check_in), "nothing is overwritten");
    let theirs = order.check_in + chrono::Days::new(7);
    assert_eq!(leg["change"]["theirs"]["check_in"], json!(theirs));
    assert_eq!(leg["change"]["answers"], json!(["accept", "refund", "rebook"]));
    assert_eq!(shown["review"]["why"], "changed_by_supplier");
    let first = leg["change"]["change"].clone();

    // It is another one by the time of the answer.
    neighbour.moved(&quote, 4, 8).await;
    let shown = changed(&world, booking_id, &first).await;
    let second = shown["legs"][0]["change"]["change"].clone();
    let stale = answer(&world, booking_id, &first, "accept").await;
    assert_eq!((stale.status, stale.code().as_str()), (StatusCode::CONFLICT, "changed_again"));
    assert_eq!(stale.json()["next_actions"], shown["next_actions"]);
    assert_eq!(stale.json()["change"], second);
    for _ in 0..2 {
        let taken = answer(&world, booking_id, &second, "accept").await;
        assert_eq!(taken.status, StatusCode::ACCEPTED, "{taken:?}");
        let taken = taken.json();
        assert_eq!(taken["legs"][0]["change"], Value::Null);
        assert_eq!(taken["legs"][0]["check_in"], json!(order.check_in + chrono::Days::new(8)));
    }
    let wished = "select count(*) from booking_event
                   where kind = 'leg_wished' and body->'event'->>'version' = '3'";
    let wished: i64 = sqlx::query_scalar(wished).fetch_one(&world.pool).await.unwrap();
    assert_eq!(wished, 1, "{} is said once", LegWanted::TYPE);
    neighbour.leg(&quote, 5, LegState::Confirmed { reference: "R1".to_owned() }).await;
    until("nobody is to look any more", || async {
        let shown = world.get("acct_1", &format!("/v1/bookings/{booking_id}")).await.json();
        shown["review"].is_null().then_some(())
    })
    .await;
    let mut conn = world.pool.acquire().await.unwrap();
    assert!(booking::store::rebuild(&mut conn, booking_id).await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stay_that_the_hotel_cancelled_is_refunded_whole_when_its_customer_says_so() {
    let world = World::new().await;
    world.app.hear();
    world.app.listening().await;
    let (booking_id, quote) = world.booked("acct_1").await;
    let mut neighbour = Neighbour::of(&world, booking_id).await;
    neighbour.confirms(&quote).await;
    neighbour.leg(&quote, 3, LegState::Gone { why: GoneWhy::CancelledBySupplier }).await;
    let shown = changed(&world, booking_id, &Value::Null).await;
    let change = &shown["legs"][0]["change"];
    assert_eq!(
        (&change["theirs"], &change["answers"]),
        (&Value::Null, &json!(["refund", "rebook"]))
    );
    let refused = answer(&world, booking_id, &change["change"], "accept").await;
    assert_eq!(refused.code(), "not_allowed_now");
    let refunded = answer(&world, booking_id, &change["change"], "refund").await;
    assert_eq!(refunded.status, StatusCode::ACCEPTED, "{refunded:?}");
    let refunded = refunded.json();
    assert_eq!(refunded["ended_because"], "cancelled_by_supplier");
    assert_eq!(refunded["cancellation"]["fee"]["minor"], "0");
    let again = answer(&world, booking_id, &change["change"], "refund").await;
    assert_eq!(again.status, StatusCode::ACCEPTED, "the same click again");
    let other = answer(&world, booking_id, &change["change"], "undo_trip").await;
    assert_eq!((other.status, other.code().as_str()), (StatusCode::CONFLICT, "not_allowed_now"));
    reaches(&world, booking_id, "cancelling").await;
}

/// A supplier-sync that says that everything is to be had at this price.
async fn sells_for(world: &mut World, minor: i64, terms: &Terms) {
    let price = Money::new(minor, Currency::Eur);
    let available = json!({
        "answer": "available", "book_key": "another", "price": price, "terms": terms,
    });
    let answers = move || async move { axum::Json(available) };
    let routes = axum::Router::new().route("/internal/price-check", axum::routing::post(answers));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    world.config.supplier_sync_url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
    world.restart().await;
}

/// Row: A3
/// Row: A4
#[tokio::test(flavor = "multi_thread")]
async fn a_stay_that_the_hotel_cancelled_is_rebooked_elsewhere_for_nothing_but_the_difference() {
    let mut world = World::new().await;
    let terms = quote("acct_1", Utc::now()).legs[0].order.terms.clone();
    sells_for(&mut world, 15_000, &terms).await;
    world.app.hear();
    world.app.listening().await;
    // Nothing of it comes back a day from now.
    let steps = |now| vec![CancelStep::new(now, Money::new(20_000, Currency::Eur))];
    let quote = world.quote_with("acct_1", TimeDelta::minutes(10), steps).await;
    let booking_id = world.book_quote("acct_1", &quote).await;
    let (first, order) = (quote.legs[0].leg_id, &quote.legs[0].order);
    let mut neighbour = Neighbour::of(&world, booking_id).await;
    neighbour.confirms(&quote).await;
    let offer = |supplier: &str, currency: &str| {
        world.seal_offer(&json!({
            "supplier": supplier, "rate_key": "k", "property_id": "p2",
            "property_name": "Inn", "room_name": "Double",
            "check_in": order.check_in, "check_out": order.check_out,
            "occupancy": order.occupancy, "terms": terms,
            "price": {"minor": "15000", "currency": currency, "scale": 2},
        }))
    };
    let path = format!("/v1/bookings/{booking_id}/legs/{first}/amendment");
    let tell = async |offer: String| {
        world.post("acct_1", &format!("{path}?quote=true"), &json!({"offer_id": offer})).await
    };
    let early = tell(offer("etg", "EUR")).await;
    assert_eq!(
        early.status,
        StatusCode::UNPROCESSABLE_ENTITY,
        "as ordered, it is no other house's"
    );

    neighbour.leg(&quote, 3, LegState::Gone { why: GoneWhy::CancelledBySupplier }).await;
    let shown = changed(&world, booking_id, &Value::Null).await;
    assert!(shown["next_actions"].as_array().unwrap().contains(&json!("rebook_change")));
    let change = shown["legs"][0]["change"]["change"].clone();
    let how = answer(&world, booking_id, &change, "rebook").await;
    assert_eq!(how.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(how.json()["errors"][0]["detail"].as_str().unwrap().contains("amendment"), "{how:?}");
    let foreign = tell(offer("etg", "USD")).await;
    assert_eq!(foreign.status, StatusCode::UNPROCESSABLE_ENTITY);
    let told = tell(offer("etg", "EUR")).await;
    assert_eq!(told.status, StatusCode::OK, "{told:?}");
    let told = told.json();
    let minor = |field: &str| told[field]["minor"].as_str().unwrap().to_owned();
    assert_eq!((minor("fee").as_str(), minor("back").as_str()), ("0", "5000"));
    let agreed = json!({"quote": told["quote"]});
    for _ in 0..2 {
        let taken = world.post("acct_1", &path, &agreed).await;
        assert_eq!(taken.status, StatusCode::ACCEPTED, "{taken:?}");
        assert_eq!(taken.json()["status"], "amending");
    }
    let shown = world.get("acct_1", &format!("/v1/bookings/{booking_id}")).await.json();
    assert_eq!(shown["legs"].as_array().unwrap().len(), 2);
    assert_eq!(shown["legs"][0]["change"]["answers"], json!([]));
    let second: Uuid = shown["legs"][1]["leg_id"].as_str().unwrap().parse().unwrap();
    let mut another = quote.clone();
    another.legs[0].leg_id = contracts::ids::LegId(second);
    let reference = || "R2".to_owned();
    neighbour.leg(&another, 1, LegState::Held { reference: reference(), until: None }).await;
    neighbour.leg(&another, 2, LegState::Confirmed { reference: reference() }).await;
    let shown = reaches(&world, booking_id, "confirmed").await;
    let legs = &shown["legs"];
    assert_eq!(legs[0]["replaced"]["fee"]["minor"], "0");
    assert_eq!((&legs[0]["change"], &shown["review"]), (&Value::Null, &Value::Null));
    assert_eq!((&legs[1]["supplier"], &legs[1]["state"]), (&json!("etg"), &json!("confirmed")));
    assert_eq!(shown["price"]["minor"], "15000");
    let mut conn = world.pool.acquire().await.unwrap();
    assert!(booking::store::rebuild(&mut conn, booking_id).await.unwrap());
}
