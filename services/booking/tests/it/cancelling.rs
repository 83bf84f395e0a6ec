//! Cancelling a confirmed booking: told first, agreed to, done once.

use axum::http::StatusCode;
use chrono::{DateTime, TimeDelta, Utc};
use contracts::{
    messages::{Closing, RefundState},
    money::{Currency, Money},
    offer::{CancelStep, StepBasis},
};
use serde_json::{Value, json};
use testkit::until;
use uuid::Uuid;

use crate::{
    messages::dump,
    neighbour::{AMOUNT, Neighbour, reaches, units},
    world::{Answer, World},
};

/// Free for an hour, then 50.00 EUR.
fn steps(now: DateTime<Utc>) -> Vec<CancelStep> {
    let fee = Money::new(5_000, Currency::Eur);
    vec![CancelStep::new(now + TimeDelta::hours(1), fee)]
}

async fn ask(world: &World, booking_id: Uuid, query: &str, body: &Value) -> Answer {
    let path = format!("/v1/bookings/{booking_id}/cancellation{query}");
    world.post("acct_1", &path, body).await
}

/// Row: A3
#[tokio::test(flavor = "multi_thread")]
async fn a_confirmed_booking_is_cancelled_for_the_fee_that_was_agreed_to_and_no_other() {
    let world = World::new().await;
    world.app.hear();
    world.app.listening().await;
    let quote = world.quote_with("acct_1", TimeDelta::minutes(10), steps).await;
    let booking_id = world.book_quote("acct_1", &quote).await;
    let mut neighbour = Neighbour::of(&world, booking_id).await;
    let shown = neighbour.confirms(&quote).await;
    assert_eq!(shown["next_actions"], json!(["cancel", "amend"]));
    let before = dump(&world).await;

    let free = ask(&world, booking_id, "?quote=true", &json!({})).await;
    assert_eq!(free.status, StatusCode::OK, "{free:?}");
    let free = free.json();
    assert_eq!(free["fee"]["minor"], "0");
    assert_eq!(free["refund"]["units"], AMOUNT);
    assert_eq!(free["refund_basis"], "then");
    let from = quote.legs[0].order.terms.cancel_steps[0].from;
    assert_eq!(free["deadline"], json!(from));
    assert_eq!(free["deadline_basis"], "supplier_instant");

    // Without agreement, or with another's, nothing happens.
    for body in [json!({}), json!({"quote": Uuid::nil()})] {
        let asked = ask(&world, booking_id, "", &body).await;
        assert_eq!(
            (asked.status, asked.code().as_str()),
            (StatusCode::CONFLICT, "agreement_needed")
        );
        assert_eq!(asked.json()["quote"], free);
        assert_eq!(asked.json()["next_actions"], json!(["cancel", "amend"]));
    }
    // The fee rises between the quote and the yes.
    world.service.database.offset_clock(TimeDelta::minutes(61)).await;
    let agreed = json!({"quote": free["quote"]});
    let dearer = until("the fee has risen", || async {
        let dearer = ask(&world, booking_id, "?quote=true", &json!({})).await.json();
        (dearer["fee"]["minor"] == "5000").then_some(dearer)
    })
    .await;
    let asked = ask(&world, booking_id, "", &agreed).await;
    assert_eq!(asked.status, StatusCode::CONFLICT, "{asked:?}");
    assert_eq!(asked.json()["quote"], dearer);
    assert_eq!(dearer["refund"]["units"], "60000000000000000");
    assert_eq!(dump(&world).await, before, "a quote or a refused cancellation changed something");

    let agreed = json!({"quote": dearer["quote"]});
    let cancelled = ask(&world, booking_id, "", &agreed).await;
    assert_eq!(cancelled.status, StatusCode::ACCEPTED, "{cancelled:?}");
    assert_eq!(cancelled.json()["status"], "cancelling");
    // The same click again is answered as the first was; without what was agreed to it is another.
    let again = ask(&world, booking_id, "", &agreed).await;
    assert_eq!(
        (again.status, &again.json()["status"]),
        (StatusCode::ACCEPTED, &json!("cancelling"))
    );
    let again = ask(&world, booking_id, "", &json!({})).await;
    assert_eq!((again.status, again.code().as_str()), (StatusCode::CONFLICT, "not_allowed_now"));
    assert_eq!(again.json()["next_actions"], json!(["refund"]));

    neighbour.released(&quote, 3).await;
    neighbour.closed(Closing::AlreadySettled { settled: units() }).await;
    let shown = reaches(&world, booking_id, "cancelled").await;
    assert_eq!(shown["payment"]["state"], "refund_due");
    assert_eq!(shown["payment"]["refunds"][0]["units"], "60000000000000000");
    assert_eq!(shown["next_actions"], json!(["refund", "rebook"]));
    let mut conn = world.pool.acquire().await.unwrap();
    assert!(booking::store::rebuild(&mut conn, booking_id).await.unwrap());
}

/// Row: A9
#[tokio::test(flavor = "multi_thread")]
async fn a_deadline_of_a_local_time_is_told_as_such() {
    let world = World::new().await;
    world.app.hear();
    world.app.listening().await;
    let local = |now| {
        let step = |step| CancelStep { basis: StepBasis::LocalEarliest, ..step };
        steps(now).into_iter().map(step).collect()
    };
    let quote = world.quote_with("acct_1", TimeDelta::minutes(10), local).await;
    let booking_id = world.book_quote("acct_1", &quote).await;
    let mut neighbour = Neighbour::of(&world, booking_id).await;
    let shown = neighbour.confirms(&quote).await;
    assert_eq!(shown["legs"][0]["terms"]["cancel_steps"][0]["basis"], "local_earliest");
    let told = ask(&world, booking_id, "?quote=true", &json!({})).await.json();
    assert_eq!(told["deadline_basis"], "local_earliest", "{told}");
    assert_eq!(told["legs"][0]["deadline_basis"], "local_earliest");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_booking_that_is_not_confirmed_is_cancelled_free_and_without_a_body() {
    let world = World::new().await;
    let (booking_id, _) = world.booked("acct_1").await;
    let told = ask(&world, booking_id, "?quote=true", &json!({})).await.json();
    assert_eq!((&told["fee"]["minor"], &told["deadline"]), (&json!("0"), &Value::Null));
    let path = format!("/v1/bookings/{booking_id}/cancellation");
    let request = world.request("POST", "acct_1", &path, &[], None);
    let cancelled = world.send(request).await;
    assert_eq!(cancelled.status, StatusCode::ACCEPTED, "{cancelled:?}");
    assert_eq!(cancelled.json()["status"], "cancelling");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancellation_that_makes_no_sense_is_told_so_and_changes_nothing() {
    let world = World::new().await;
    let (booking_id, _) = world.booked("acct_1").await;
    let before = dump(&world).await;
    let wrong = json!({"quote": "soon", "because": "rain"});
    let told = ask(&world, booking_id, "", &wrong).await;
    assert_eq!(told.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(told.json()["errors"].as_array().unwrap().len(), 2);
    let told = ask(&world, booking_id, "?quote=maybe", &json!({})).await;
    assert_eq!(told.status, StatusCode::UNPROCESSABLE_ENTITY);
    let path = format!("/v1/bookings/{booking_id}/cancellation?quote=true");
    assert_eq!(world.post("acct_2", &path, &json!({})).await.status, StatusCode::NOT_FOUND);
    assert_eq!(dump(&world).await, before);
}

/// Row: A3
#[tokio::test(flavor = "multi_thread")]
async fn of_two_cancellations_of_the_whole_at_once_one_counts_and_both_are_answered_alike() {
    let world = World::new().await;
    world.app.hear();
    world.app.listening().await;
    let quote = world.quote_with("acct_1", TimeDelta::minutes(10), steps).await;
    let booking_id = world.book_quote("acct_1", &quote).await;
    let mut neighbour = Neighbour::of(&world, booking_id).await;
    neighbour.confirms(&quote).await;
    let told = ask(&world, booking_id, "?quote=true", &json!({})).await.json();
    let agreed = json!({"quote": told["quote"]});
    let click = || ask(&world, booking_id, "", &agreed);
    let (one, other, third) = tokio::join!(click(), click(), click());
    for answer in [one, other, third] {
        assert_eq!(answer.status, StatusCode::ACCEPTED, "{answer:?}");
        assert_eq!(answer.json()["status"], "cancelling");
    }
    let sql = "select count(*) from booking_event
                where kind in ('cancellation_agreed', 'unwind_started')";
    let kept: i64 = sqlx::query_scalar(sql).fetch_one(&world.pool).await.unwrap();
    assert_eq!(kept, 2, "each of them once");
}

/// Row: A3
#[tokio::test(flavor = "multi_thread")]
async fn what_is_completed_is_neither_cancelled_nor_changed_nor_refunded() {
    let world = World::new().await;
    world.app.hear();
    world.app.listening().await;
    let quote = world.quote_with("acct_1", TimeDelta::minutes(10), steps).await;
    let booking_id = world.book_quote("acct_1", &quote).await;
    let mut neighbour = Neighbour::of(&world, booking_id).await;
    neighbour.confirms(&quote).await;
    let told = ask(&world, booking_id, "?quote=true", &json!({})).await.json();
    world.service.database.offset_clock(TimeDelta::days(150)).await;
    while booking::fire_timers(&world.app).await.unwrap() != messaging::Step::Idle {}
    let shown = reaches(&world, booking_id, "completed").await;
    assert_eq!(shown["next_actions"], json!([]));

    let before = dump(&world).await;
    let leg = format!("legs/{}/", quote.legs[0].leg_id);
    let offer = world.other_days(&quote, "2027-11");
    let to = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed";
    for (path, body) in [
        ("cancellation?quote=true".to_owned(), json!({})),
        ("cancellation".to_owned(), json!({"quote": told["quote"]})),
        ("cancellation".to_owned(), json!({})),
        (format!("{leg}cancellation"), json!({})),
        (format!("{leg}amendment?quote=true"), json!({"offer_id": offer})),
        ("refund".to_owned(), json!({"to": to})),
    ] {
        let path = format!("/v1/bookings/{booking_id}/{path}");
        let told = world.post("acct_1", &path, &body).await;
        let refused = (told.status, told.code(), told.json()["next_actions"].clone());
        assert_eq!(
            refused,
            (StatusCode::CONFLICT, "not_allowed_now".to_owned(), json!([])),
            "{path}"
        );
    }
    assert_eq!(dump(&world).await, before);
}

/// Row: A8
#[tokio::test(flavor = "multi_thread")]
async fn a_closed_booking_takes_no_command_and_keeps_every_fact() {
    let world = World::new().await;
    world.app.hear();
    world.app.listening().await;
    let quote = world.quote_with("acct_1", TimeDelta::minutes(10), |_| Vec::new()).await;
    let booking_id = world.book_quote("acct_1", &quote).await;
    let mut neighbour = Neighbour::of(&world, booking_id).await;
    neighbour.confirms(&quote).await;
    let told = ask(&world, booking_id, "?quote=true", &json!({})).await.json();
    ask(&world, booking_id, "", &json!({"quote": told["quote"]})).await;
    let to = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed";
    let path = format!("/v1/bookings/{booking_id}/refund");
    assert_eq!(world.post("acct_1", &path, &json!({"to": to})).await.status, StatusCode::ACCEPTED);
    neighbour.closed(Closing::AlreadySettled { settled: units() }).await;
    until("the refund is asked for", || async {
        let shown = world.get("acct_1", &format!("/v1/bookings/{booking_id}")).await.json();
        (shown["payment"]["refunds"] != json!([])).then_some(())
    })
    .await;
    neighbour.refund(5, RefundState::Confirmed).await;
    neighbour.released(&quote, 3).await;
    let shown = reaches(&world, booking_id, "cancelled").await;
    assert_eq!(shown["payment"]["state"], "refunded");

    let before = dump(&world).await;
    let again = ask(&world, booking_id, "", &json!({"quote": told["quote"]})).await;
    assert_eq!(again.status, StatusCode::ACCEPTED, "the same click again changes nothing");
    let told = ask(&world, booking_id, "", &json!({})).await;
    assert_eq!((told.status, &told.json()["next_actions"]), (StatusCode::CONFLICT, &json!([])));
    let other = json!({"to": "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359"});
    assert_eq!(world.post("acct_1", &path, &other).await.status, StatusCode::CONFLICT);
    assert_eq!(dump(&world).await, before);

    // A late callback made supplier-sync look, and tell what it saw.
    let history = format!("/v1/bookings/{booking_id}/history");
    let length = |history: &Value| history["changes"].as_array().unwrap().len();
    let was = length(&world.get("acct_1", &history).await.json());
    neighbour.late_callback(&quote, 4).await;
    let changes = until("the fact is in the history", || async {
        let told = world.get("acct_1", &history).await.json();
        (length(&told) > was).then(|| told["changes"].as_array().unwrap().clone())
    })
    .await;
    let fact = changes.last().unwrap();
    assert_eq!(fact["change"], "leg_news");
    assert_eq!(fact["evidence"]["evidence"]["source"], "callback");
    assert_eq!(fact["evidence"]["state"]["is"], "confirmed");
    assert_eq!(fact["before"]["status"], "cancelled");
    assert_eq!(fact["after"]["status"], "cancelled");
    let shown = world.get("acct_1", &format!("/v1/bookings/{booking_id}")).await.json();
    assert_eq!(shown["status"], "cancelled");
}
