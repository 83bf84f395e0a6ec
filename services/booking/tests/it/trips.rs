//! Trips of several legs at the gateway: who is on which, and one of them cancelled alone.

use axum::http::StatusCode;
use contracts::{
    asset::{AssetAmount, Units},
    messages::LegState,
};
use serde_json::{Value, json};
use testkit::until;
use uuid::Uuid;

use crate::{
    messages::dump,
    neighbour::{Neighbour, reaches},
    world::{Answer, World, body},
};

fn person(given_name: &str) -> Value {
    json!({"given_name": given_name, "family_name": "Silva"})
}

/// Row: L7
#[tokio::test(flavor = "multi_thread")]
async fn each_leg_has_the_whole_party_or_the_travellers_named_for_it() {
    let world = World::new().await;
    let quote = world.quote_of_legs("acct_1", 3).await;
    let third = quote.legs[2].leg_id;
    let mut request = body(&quote);
    request["travellers"] = json!([person("Ana"), person("Rui")]);
    request["legs"] = json!([{"leg_id": third, "travellers": [person("Rui")]}]);
    let answer = world.book("acct_1", "k", &request).await;
    assert_eq!(answer.status, StatusCode::ACCEPTED, "{answer:?}");
    let booking_id = answer.json()["booking_id"].as_str().unwrap().to_owned();

    let names = async |query: &str| {
        let path = format!("/internal/bookings/{booking_id}/travellers{query}");
        let told = world.internal(&path).await.json();
        let travellers = told["travellers"].as_array().unwrap().clone();
        let name = |one: &Value| one["given_name"].as_str().unwrap().to_owned();
        travellers.iter().map(name).collect::<Vec<_>>()
    };
    let first = quote.legs[0].leg_id;
    assert_eq!(names(&format!("?leg={first}")).await, ["Ana", "Rui"]);
    assert_eq!(names(&format!("?leg={third}")).await, ["Rui"]);
    assert_eq!(names("").await, ["Ana", "Rui"]);
    // A leg is a reservation of its own, at its own price; the trip costs their sum.
    let shown = world.get("acct_1", &format!("/v1/bookings/{booking_id}")).await.json();
    let prices = shown["legs"].as_array().unwrap().iter().map(|leg| &leg["price"]["minor"]);
    assert_eq!(prices.collect::<Vec<_>>(), ["20000", "20000", "20000"]);
    assert_eq!(shown["price"]["minor"], "60000");
}

/// Row: L7
#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_about_the_travellers_of_legs_is_said_at_once() {
    let world = World::new().await;
    let quote = world.quote_of_legs("acct_1", 2).await;
    let first = quote.legs[0].leg_id;
    let ask = async |legs: Value| {
        let mut request = body(&quote);
        request["legs"] = legs;
        let answer = world.book("acct_1", "k", &request).await;
        let pointers = answer.json()["errors"].as_array().cloned().unwrap_or_default();
        let pointers = pointers.iter().map(|e| e["pointer"].as_str().unwrap().to_owned());
        (answer.status, pointers.collect::<Vec<_>>())
    };
    let bad = json!([
        {"leg_id": "x", "travellers": []},
        {"leg_id": first, "travellers": [{"given_name": "Ana"}], "seat": "1A"},
        {"leg_id": first, "travellers": [person("Ana")]},
    ]);
    let (status, pointers) = ask(bad).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    let expected = [
        "/legs/0/leg_id",
        "/legs/0/travellers",
        "/legs/1/travellers/0/family_name",
        "/legs/1/seat",
        "/legs/2/leg_id",
    ];
    assert_eq!(pointers, expected);
    assert_eq!(ask(json!([])).await.1, ["/legs"]);
    let strangers: Vec<Value> =
        (0..2).map(|_| json!({"leg_id": Uuid::now_v7(), "travellers": [person("Ana")]})).collect();
    assert_eq!(ask(json!(strangers)).await.1, ["/legs/0/leg_id", "/legs/1/leg_id"]);
    let three = json!([{"leg_id": first, "travellers": [person("A"), person("B"), person("C")]}]);
    assert_eq!(ask(three).await.0, StatusCode::CONFLICT);
    assert_eq!(world.count("booking").await, 0);
}

/// Row: A3
/// Row: A9
#[tokio::test(flavor = "multi_thread")]
async fn legs_are_cancelled_one_by_one_each_once_and_the_last_with_the_booking() {
    let world = World::new().await;
    world.app.hear();
    world.app.listening().await;
    let quote = world.quote_of_legs("acct_1", 3).await;
    let booking_id = world.book_quote("acct_1", &quote).await;
    let mut neighbour = Neighbour::of(&world, booking_id).await;
    let shown = neighbour.confirms_trip(&quote).await;
    assert_eq!(shown["next_actions"], json!(["cancel", "cancel_leg", "amend"]));
    let path = |n: usize, query: &str| {
        let leg_id = quote.legs[n].leg_id;
        format!("/v1/bookings/{booking_id}/legs/{leg_id}/cancellation{query}")
    };
    let whole = format!("/v1/bookings/{booking_id}/cancellation");
    let ask = async |path: &str, body: &Value| world.post("acct_1", path, body).await;
    let told = async |path: &str| {
        let answer = ask(&format!("{path}?quote=true"), &json!({})).await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        answer.json()
    };
    let refused = |answer: &Answer, code: &str, next: &Value| {
        assert_eq!((answer.status, answer.code().as_str()), (StatusCode::CONFLICT, code));
        assert_eq!(answer.json()["next_actions"], *next);
    };
    let before = dump(&world).await;

    // What makes no sense, or is somebody else's, or was not agreed to, changes nothing.
    let first = told(&path(0, "")).await;
    assert_eq!(
        (&first["fee"]["minor"], &first["deadline_basis"]),
        (&json!("0"), &json!("arrival_day"))
    );
    let unagreed = ask(&path(0, ""), &json!({})).await;
    assert_eq!((unagreed.code().as_str(), &unagreed.json()["quote"]), ("agreement_needed", &first));
    let wrong = ask(&path(0, ""), &json!({"quote": 1, "fee": 0})).await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
    let nobody = format!("/v1/bookings/{booking_id}/legs/{}/cancellation", Uuid::now_v7());
    for stranger in
        [ask(&nobody, &json!({})).await, world.post("acct_2", &path(0, ""), &json!({})).await]
    {
        assert_eq!(stranger.status, StatusCode::NOT_FOUND);
    }
    let stale = told(&whole).await;
    assert_eq!(dump(&world).await, before);

    // Two clicks at once: one is done, the other is answered like it.
    let agreed = json!({"quote": first["quote"]});
    let (there, body) = (path(0, ""), &agreed);
    let both = tokio::join!(ask(&there, body), ask(&there, body));
    assert_eq!([both.0.status, both.1.status], [StatusCode::ACCEPTED; 2]);
    let next = json!(["cancel", "cancel_leg", "refund"]);
    refused(&ask(&there, &json!({})).await, "not_allowed_now", &next);
    let shown = world.get("acct_1", &format!("/v1/bookings/{booking_id}")).await.json();
    assert_eq!(
        (&shown["status"], &shown["payment"]["state"]),
        (&json!("confirmed"), &json!("refund_due"))
    );
    assert_eq!(shown["legs"][0]["cancellation"]["back"]["minor"], "20000");
    assert_eq!(shown["legs"][0]["cancellation"]["back_units"], first["refund"]["units"]);
    assert_eq!(shown["payment"]["refunds"][0]["units"], first["refund"]["units"]);

    // What the whole costs was told before, and is less by now.
    let answer = ask(&whole, &json!({"quote": stale["quote"]})).await;
    assert_eq!(answer.code(), "agreement_needed");
    assert_eq!(answer.json()["quote"]["legs"].as_array().unwrap().len(), 2);
    let second = told(&path(1, "")).await;
    let answer = ask(&path(1, ""), &json!({"quote": second["quote"]})).await;
    assert_eq!(answer.status, StatusCode::ACCEPTED, "{answer:?}");
    let last = ask(&path(2, ""), &json!({})).await;
    refused(&last, "not_allowed_now", &json!(["cancel", "refund"]));
    let rest = told(&whole).await;
    let answer = ask(&whole, &json!({"quote": rest["quote"]})).await;
    assert_eq!(answer.json()["status"], "cancelling", "{answer:?}");
    refused(&ask(&path(2, ""), &json!({})).await, "not_allowed_now", &json!(["refund"]));
    let mut conn = world.pool.acquire().await.unwrap();
    assert!(booking::store::rebuild(&mut conn, booking_id).await.unwrap());
}

/// Row: A3
#[tokio::test(flavor = "multi_thread")]
async fn a_leg_that_is_cancelled_is_not_amended_nor_before_its_supplier_answered() {
    let world = World::new().await;
    world.app.hear();
    world.app.listening().await;
    let quote = world.quote_of_legs("acct_1", 2).await;
    let booking_id = world.book_quote("acct_1", &quote).await;
    let mut neighbour = Neighbour::of(&world, booking_id).await;
    neighbour.confirms_trip(&quote).await;
    let path = |n: usize, what: &str| {
        format!("/v1/bookings/{booking_id}/legs/{}/{what}", quote.legs[n].leg_id)
    };
    let offer = json!({"offer_id": world.other_days(&quote, "2027-04")});
    let amend = async || world.post("acct_1", &path(0, "amendment?quote=true"), &offer).await;
    let told = world.post("acct_1", &path(0, "cancellation?quote=true"), &json!({})).await.json();
    let agreed = json!({"quote": told["quote"]});
    let cancelled = world.post("acct_1", &path(0, "cancellation"), &agreed).await;
    assert_eq!(cancelled.status, StatusCode::ACCEPTED, "{cancelled:?}");
    let next = cancelled.json()["next_actions"].clone();

    // It may be there still: its supplier did not say.
    let before = dump(&world).await;
    let refused = |told: &Answer| (told.status, told.code(), told.json()["next_actions"].clone());
    let told = amend().await;
    let expected = (StatusCode::CONFLICT, "not_allowed_now".to_owned(), next);
    assert_eq!(refused(&told), expected);
    assert_eq!(dump(&world).await, before);
    let gone = LegState::Gone { why: contracts::messages::GoneWhy::Released };
    neighbour.leg_at(&quote, 0, 9, gone).await;
    until("its supplier to say so", || async {
        let shown = world.get("acct_1", &format!("/v1/bookings/{booking_id}")).await.json();
        (shown["legs"][0]["state"] == "gone").then_some(())
    })
    .await;
    assert_eq!(refused(&amend().await).0, StatusCode::CONFLICT);
}

/// Row: L1
#[tokio::test(flavor = "multi_thread")]
async fn a_customer_who_keeps_what_could_be_held_pays_for_that_alone() {
    use contracts::messages::{LegState, RefusedWhy};
    let world = World::new().await;
    world.app.hear();
    world.app.listening().await;
    let quote = world.quote_of_legs("acct_1", 3).await;
    let mut request = body(&quote);
    request["on_refusal"] = json!("keep_some");
    let wrong = world.book("acct_1", "k", &request).await;
    assert_eq!(wrong.json()["errors"][0]["pointer"], "/on_refusal");
    request["on_refusal"] = json!("keep_held");
    let answer = world.book("acct_1", "k", &request).await.json();
    let booking_id: Uuid = answer["booking_id"].as_str().unwrap().parse().unwrap();
    let mut neighbour = Neighbour::of(&world, booking_id).await;
    for n in [0, 2] {
        let held = LegState::Held { reference: format!("R{n}"), until: None };
        neighbour.leg_at(&quote, n, 1, held).await;
    }
    neighbour.leg_at(&quote, 1, 1, LegState::Refused { why: RefusedWhy::SoldOut }).await;
    let path = format!("/v1/bookings/{booking_id}");
    let shown = until("the price follows", || async {
        let shown = world.get("acct_1", &path).await.json();
        (shown["price"]["minor"] == "40000").then_some(shown)
    })
    .await;
    assert_eq!((&shown["status"], &shown["on_refusal"]), (&json!("holding"), &json!("keep_held")));
    assert_eq!(shown["legs"][1]["left_out_because"], "sold_out");
    let mut two = quote.amount.clone();
    two.units =
        quote.rate.units_for(contracts::money::Money::new(40_000, quote.price.currency)).unwrap();
    until("what is left is asked for", || async {
        let asked: Option<String> = sqlx::query_scalar(
            "select state->'payment'->'asked'->>'units' from booking where booking_id = $1",
        )
        .bind(booking_id)
        .fetch_one(&world.pool)
        .await
        .unwrap();
        (asked == Some(two.units.to_string())).then_some(())
    })
    .await;
    neighbour.prepared_for(two.clone()).await;
    let shown = reaches(&world, booking_id, "awaiting_payment").await;
    assert_eq!(shown["payment"]["amount"], serde_json::to_value(&two).unwrap());
}

/// Row: A3
/// Row: A9
#[tokio::test(flavor = "multi_thread")]
async fn a_trip_is_thought_over_while_it_is_held_and_while_it_is_bought() {
    let world = World::new().await;
    world.app.hear();
    world.app.listening().await;
    let quote = world.quote_of_legs("acct_1", 3).await;
    let booking_id = world.book_quote("acct_1", &quote).await;
    let leg = |n: usize| {
        let leg_id = quote.legs[n].leg_id;
        format!("/v1/bookings/{booking_id}/legs/{leg_id}/cancellation")
    };
    let cancel = async |path: &str| {
        let told = world.post("acct_1", &format!("{path}?quote=true"), &json!({})).await;
        assert_eq!(told.status, StatusCode::OK, "{told:?}");
        let agreed = json!({"quote": told.json()["quote"]});
        let done = world.post("acct_1", path, &agreed).await;
        assert_eq!(done.status, StatusCode::ACCEPTED, "{done:?}");
        (told.json(), done.json())
    };
    let mut neighbour = Neighbour::of(&world, booking_id).await;
    neighbour.prepared_for(quote.amount.clone()).await;
    let reference = |n: usize| format!("R{n}");
    for n in 0..3 {
        let held = LegState::Held { reference: reference(n), until: None };
        neighbour.leg_at(&quote, n, 1, held).await;
    }
    let before = reaches(&world, booking_id, "awaiting_payment").await;
    assert_eq!(before["next_actions"], json!(["pay", "cancel", "cancel_leg"]));

    // Price and amount follow, at another address.
    let (told, done) = cancel(&leg(2)).await;
    assert_eq!((&told["fee"]["minor"], &told["refund"]["units"]), (&json!("0"), &json!("0")));
    assert_eq!(done["price"]["minor"], "40000");
    assert_eq!(done["legs"][2]["left_out_because"], "cancelled_by_customer");
    assert_eq!(done["next_actions"], json!(["cancel", "cancel_leg"]), "nobody knows where to pay");
    assert_eq!((&done["payment"]["address"], done.get("further_payments")), (&Value::Null, None));
    let mut neighbour = Neighbour::of(&world, booking_id).await;
    let two_thirds =
        Units(quote.amount.units.0 / Units::parse("3").unwrap().0 * Units::parse("2").unwrap().0);
    neighbour.prepared_for(AssetAmount { units: two_thirds, ..quote.amount.clone() }).await;
    let shown = until("another address is shown", || async {
        let path = format!("/v1/bookings/{booking_id}");
        let shown = world.get("acct_1", &path).await.json();
        shown["payment"]["address"].is_string().then_some(shown)
    })
    .await;
    assert_eq!(shown["payment"]["amount"]["units"], json!(two_thirds));
    assert_ne!(shown["payment"]["payment_id"], before["payment"]["payment_id"]);
    assert_eq!(shown["status"], "awaiting_payment");

    // While it is being bought one goes for nothing, and then the other with the booking.
    neighbour.settled_units(two_thirds).await;
    let shown = reaches(&world, booking_id, "committing").await;
    assert_eq!(shown["next_actions"], json!(["cancel", "cancel_leg"]));
    let (told, done) = cancel(&leg(1)).await;
    assert_eq!(done["legs"][1]["cancellation"]["back_units"], told["refund"]["units"]);
    let whole = format!("/v1/bookings/{booking_id}/cancellation");
    let unnamed = world.post("acct_1", &whole, &json!({})).await;
    assert_eq!(
        (unnamed.status, unnamed.code().as_str()),
        (StatusCode::CONFLICT, "agreement_needed")
    );
    let (_, done) = cancel(&whole).await;
    assert_eq!(done["status"], "cancelling");
    assert_eq!(done["next_actions"], json!(["refund"]));
}
