//! Where money that goes back is sent, and how that is shown.

use axum::http::StatusCode;
use contracts::messages::{Closing, LegState, PaymentRefund, RefundBasis, RefundState, RefusedWhy};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    neighbour::{AMOUNT, Neighbour, reaches, units},
    world::World,
};

const TO: &str = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed";

/// Refused by the supplier after the money came; only the refund is left.
pub(crate) async fn failed(
    world: &World,
    neighbour: &mut Neighbour<'_>,
    quote: &booking::quote::Quote,
) {
    neighbour.prepared().await;
    neighbour.leg(quote, 1, LegState::Held { reference: "R1".to_owned(), until: None }).await;
    neighbour.settled().await;
    neighbour.leg(quote, 2, LegState::Refused { why: RefusedWhy::SoldOut }).await;
    neighbour.closed(Closing::AlreadySettled { settled: units() }).await;
    reaches(world, neighbour.booking_id.0, "failed").await;
}

async fn shown(world: &World, booking_id: Uuid) -> Value {
    world.get("acct_1", &format!("/v1/bookings/{booking_id}")).await.json()
}

/// Row: A3
/// Row: C3
#[tokio::test(flavor = "multi_thread")]
async fn the_customer_says_where_the_money_goes_and_two_clicks_send_it_once() {
    let world = World::new().await;
    world.app.hear();
    world.app.listening().await;
    let (booking_id, quote) = world.booked("acct_1").await;
    let path = format!("/v1/bookings/{booking_id}/refund");
    // Nothing goes back yet.
    let early = world.post("acct_1", &path, &json!({"to": TO})).await;
    assert_eq!((early.status, early.code().as_str()), (StatusCode::CONFLICT, "not_allowed_now"));

    let mut neighbour = Neighbour::of(&world, booking_id).await;
    failed(&world, &mut neighbour, &quote).await;
    let waits = shown(&world, booking_id).await;
    assert_eq!(waits["payment"]["state"], "refund_due");
    assert_eq!(waits["next_actions"], json!(["refund", "rebook"]));
    let refund = &waits["payment"]["refunds"][0];
    assert_eq!((&refund["units"], &refund["basis"]), (&json!(AMOUNT), &json!("then")));
    assert_eq!((&refund["to"], &refund["by"]), (&Value::Null, &Value::Null));

    // An address with a slip, without a checksum, of nobody: told, and nothing changes.
    let slip = TO.replace("0x5aA", "0x5AA");
    let zero = format!("0x{}", "0".repeat(40));
    for (body, pointer) in [
        (json!({"to": slip}), "/to"),
        (json!({"to": zero}), "/to"),
        (json!({"to": TO.to_lowercase()}), "/confirm"),
        (json!({"to": TO, "confirm": "no"}), "/confirm"),
        (json!({}), "/to"),
    ] {
        let told = world.post("acct_1", &path, &body).await;
        assert_eq!(told.status, StatusCode::UNPROCESSABLE_ENTITY, "{body}");
        assert_eq!(told.json()["errors"][0]["pointer"], pointer, "{body}");
    }
    assert_eq!(world.post("acct_2", &path, &json!({"to": TO})).await.status, 404);
    assert_eq!(shown(&world, booking_id).await["version"], waits["version"]);

    let clicks =
        [(); 8].map(|()| world.request("POST", "acct_1", &path, &[], Some(&json!({"to": TO}))));
    let answers = futures::future::join_all(clicks.map(|click| world.send(click))).await;
    for answer in answers {
        assert_eq!(answer.status, StatusCode::ACCEPTED, "{answer:?}");
        assert_eq!(answer.json()["payment"]["refund_to"], TO);
    }
    let given = shown(&world, booking_id).await;
    assert_eq!(given["next_actions"], json!([]));
    assert_eq!(given["payment"]["refunds"][0]["to"], TO);
    assert!(given["payment"]["refunds"][0]["by"].is_string());
    let addressed: Vec<_> = history(&world, booking_id, "refund_addressed").await;
    assert_eq!(addressed.len(), 1);
    let other = json!({"to": "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359"});
    let told = world.post("acct_1", &path, &other).await;
    assert_eq!(told.status, StatusCode::CONFLICT, "another address after the first");

    neighbour.refund(6, RefundState::Sent).await;
    neighbour.refund(7, RefundState::Confirmed).await;
    testkit::until("the money is back", || async {
        let shown = shown(&world, booking_id).await;
        (shown["payment"]["state"] == "refunded").then_some(())
    })
    .await;
    assert_eq!(shown(&world, booking_id).await["status"], "failed");
}

async fn history(world: &World, booking_id: Uuid, change: &str) -> Vec<Value> {
    let told = world.get("acct_1", &format!("/v1/bookings/{booking_id}/history")).await.json();
    let changes = told["changes"].as_array().unwrap().clone();
    changes.into_iter().filter(|one| one["change"] == change).collect()
}

/// What is told payment-verification: the same refund, first without and then with its address.
#[tokio::test(flavor = "multi_thread")]
async fn a_refund_keeps_its_name_when_it_gets_its_address() {
    let world = World::new().await;
    world.app.hear();
    world.app.listening().await;
    let broker = world.service.prefix.connect().await;
    let heard = broker.overhear::<PaymentRefund>(&world.service.prefix).await;
    let (booking_id, quote) = world.booked("acct_1").await;
    let mut neighbour = Neighbour::of(&world, booking_id).await;
    failed(&world, &mut neighbour, &quote).await;
    let path = format!("/v1/bookings/{booking_id}/refund");
    world.post("acct_1", &path, &json!({"to": TO})).await;
    let mut said = Vec::<PaymentRefund>::new();
    for _ in 0..2 {
        let message = broker.wait_for(&heard).await;
        said.push(serde_json::from_slice(&message.data).unwrap());
    }
    // They may overtake each other; payment-verification takes them in any order.
    said.sort_by_key(|m| m.to.is_some());
    assert_eq!(said[0].refund_id, said[1].refund_id);
    assert_eq!([said[0].to.as_deref(), said[1].to.as_deref()], [None, Some(TO)]);
    assert!(said.iter().all(|m| m.units == units() && m.basis == RefundBasis::Then));
}
