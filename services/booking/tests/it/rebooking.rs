//! Money that is due back pays another booking, as its customer says.

use axum::http::StatusCode;
use contracts::{
    asset::Units,
    ids::PaymentId,
    instruction::payment_at,
    messages::{LegState, PaymentRefund, PaymentRefundChanged, PaymentSettled, RefundState},
};
use serde_json::{Value, json};

use crate::{
    neighbour::{Neighbour, reaches, units},
    refunding::failed,
    world::World,
};

const TO: &str = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed";

/// Row: A3
/// Row: C3
#[tokio::test(flavor = "multi_thread")]
async fn of_sending_money_back_and_paying_another_booking_with_it_one_wins() {
    let world = World::new().await;
    world.app.hear();
    world.app.listening().await;
    let broker = world.service.prefix.connect().await;
    let heard = broker.overhear::<PaymentRefund>(&world.service.prefix).await;
    let (from, quote) = world.booked("acct_1").await;
    let mut neighbour = Neighbour::of(&world, from).await;
    failed(&world, &mut neighbour, &quote).await;
    let (other, other_quote) = world.booked("acct_1").await;
    let (stranger, _) = world.booked("acct_2").await;
    let path = format!("/v1/bookings/{from}/rebooking");

    // Before it is held it waits for no money; others' bookings, and nonsense, are none.
    let early = world.post("acct_1", &path, &json!({"booking_id": other})).await;
    assert_eq!((early.status, early.code().as_str()), (StatusCode::CONFLICT, "nothing_to_pay"));
    for body in [json!({"booking_id": stranger}), json!({"booking_id": "x"}), json!({})] {
        let told = world.post("acct_1", &path, &body).await;
        assert_eq!(told.status, StatusCode::UNPROCESSABLE_ENTITY, "{body}");
        assert_eq!(told.json()["errors"][0]["pointer"], "/booking_id");
    }
    let body = json!({"booking_id": other});
    assert_eq!(world.post("acct_2", &path, &body).await.status, StatusCode::NOT_FOUND);

    let mut to_pay = Neighbour::of(&world, other).await;
    to_pay.prepared().await;
    to_pay.leg(&other_quote, 1, LegState::Held { reference: "R2".to_owned(), until: None }).await;
    reaches(&world, other, "awaiting_payment").await;
    let refund = format!("/v1/bookings/{from}/refund");
    let clicks = (0..8).map(|n| match n % 2 {
        0 => world.request("POST", "acct_1", &path, &[], Some(&body)),
        _ => world.request("POST", "acct_1", &refund, &[], Some(&json!({"to": TO}))),
    });
    let answers = futures::future::join_all(clicks.map(|click| world.send(click))).await;
    let taken: Vec<bool> = answers.iter().map(|a| a.status == StatusCode::ACCEPTED).collect();
    let all_of = |first: usize| (first..8).step_by(2).all(|n| taken[n]);
    let none_of = |first: usize| (first..8).step_by(2).all(|n| !taken[n]);
    let rebooked = all_of(0) && none_of(1);
    assert!(rebooked || (all_of(1) && none_of(0)), "{taken:?}");

    let shown = world.get("acct_1", &format!("/v1/bookings/{from}")).await.json();
    assert_eq!(shown["next_actions"], json!([]));
    let wanted = if rebooked { json!(other) } else { Value::Null };
    assert_eq!(shown["pays_for"], wanted, "{shown}");
    // The refund that waited has its place: told once, under the name that it had.
    let mut said = Vec::<PaymentRefund>::new();
    for _ in 0..2 {
        let message = broker.wait_for(&heard).await;
        said.push(serde_json::from_slice(&message.data).unwrap());
    }
    said.sort_by_key(|message| message.to.is_some());
    assert_eq!((said[0].refund_id, said[0].units), (said[1].refund_id, units()));
    let place: Option<PaymentId> = said[1].to.as_deref().and_then(payment_at);
    assert_eq!(place, rebooked.then_some(to_pay.payment_id));

    // It could not go there: both are open again.
    neighbour.refund(6, RefundState::Failed).await;
    testkit::until("open again", || async {
        let shown = world.get("acct_1", &format!("/v1/bookings/{from}")).await.json();
        (shown["next_actions"] == json!(["refund", "rebook"])).then_some(())
    })
    .await;
    let again = world.post("acct_1", &path, &body).await;
    assert_eq!(again.status, StatusCode::ACCEPTED, "{again:?}");
    assert_eq!(again.json()["pays_for"], json!(other));
}

/// Row: A3
/// Row: C3
#[tokio::test(flavor = "multi_thread")]
async fn what_comes_after_the_other_booking_is_paid_does_not_go_there_however_often_it_is_said() {
    let world = World::new().await;
    world.app.hear();
    world.app.listening().await;
    let (from, quote) = world.booked("acct_1").await;
    let mut neighbour = Neighbour::of(&world, from).await;
    failed(&world, &mut neighbour, &quote).await;
    let (other, other_quote) = world.booked("acct_1").await;
    let mut to_pay = Neighbour::of(&world, other).await;
    to_pay.prepared().await;
    to_pay.leg(&other_quote, 1, LegState::Held { reference: "R2".to_owned(), until: None }).await;
    reaches(&world, other, "awaiting_payment").await;
    let (path, body) = (format!("/v1/bookings/{from}/rebooking"), json!({"booking_id": other}));
    assert_eq!(world.post("acct_1", &path, &body).await.status, StatusCode::ACCEPTED);
    neighbour.refund(6, RefundState::Confirmed).await;
    to_pay.settled().await;
    reaches(&world, other, "committing").await;
    // The same click again, also now.
    let again = world.post("acct_1", &path, &body).await;
    assert_eq!((again.status, &again.json()["pays_for"]), (StatusCode::ACCEPTED, &json!(other)));

    // As much again comes late, is to go there, too, and cannot.
    let twice = Units::parse("160000000000000000").unwrap();
    let (booking_id, payment_id) = (neighbour.booking_id, neighbour.payment_id);
    let settled =
        PaymentSettled { booking_id, payment_id, seq: 20, received: twice, complete: true };
    neighbour.say(&settled).await;
    let shown = async || world.get("acct_1", &format!("/v1/bookings/{from}")).await.json();
    let newest = testkit::until("the rest is to go there", || async {
        let refunds = shown().await["payment"]["refunds"].as_array().unwrap().clone();
        refunds.get(1).map(|refund| refund["refund_id"].as_str().unwrap().to_owned())
    })
    .await;
    let failed = PaymentRefundChanged {
        booking_id,
        payment_id,
        seq: 21,
        refund_id: newest.parse().unwrap(),
        units: units(),
        state: RefundState::Failed,
        transaction: None,
        value: None,
        otherwise: None,
    };
    neighbour.say(&failed).await;
    testkit::until("it is due here", || async {
        (shown().await["next_actions"] == json!(["refund", "rebook"])).then_some(())
    })
    .await;
    let version = shown().await["version"].clone();
    let told = world.post("acct_1", &path, &body).await;
    assert_eq!((told.status, told.code().as_str()), (StatusCode::CONFLICT, "nothing_to_pay"));
    assert_eq!(shown().await["version"], version, "it is asked of nobody");
}
