//! A supplier asks more by the time of the hold: shown with both prices, agreed to once, undone by
//! silence.

use axum::http::StatusCode;
use chrono::{DateTime, TimeDelta, Utc};
use contracts::{
    messages::{Closing, GoneWhy, LegAsks, LegChanged, LegState, RefusedWhy},
    money::{Currency, Money},
    shown::ASSETS_KEY,
};
use serde_json::{Value, json};
use testkit::until;
use uuid::Uuid;

use crate::{
    neighbour::{Neighbour, reaches},
    world::{Answer, World},
};

const KEY: &str = "/v3/itineraries?token=dearer";

/// That the supplier asks so much for the first leg.
async fn asks(neighbour: &mut Neighbour<'_>, quote: &booking::quote::Quote, seq: u64, minor: i64) {
    let leg = &quote.legs[0];
    let price = Money::new(minor, Currency::Eur);
    let terms = leg.order.terms.clone();
    let asks = Some(Box::new(LegAsks { book_key: KEY.to_owned(), price, terms }));
    let changed = LegChanged {
        booking_id: neighbour.booking_id,
        leg_id: leg.leg_id,
        seq,
        wanted_version: 9,
        state: LegState::Refused { why: RefusedWhy::PriceChanged },
        evidence: None,
        undo_failing: None,
        theirs: None,
        asks,
        no_show: false,
    };
    neighbour.say(&changed).await;
}

async fn agree(world: &World, booking_id: Uuid, digest: &Value) -> Answer {
    let path = format!("/v1/bookings/{booking_id}/terms");
    world.post("acct_1", &path, &json!({ "digest": digest })).await
}

/// When the time to be payable ends, in milliseconds.
async fn due(world: &World, booking_id: Uuid) -> i64 {
    let due: DateTime<Utc> = sqlx::query_scalar(
        "select due_at from timer where booking_id = $1 and deadline = 'payable'",
    )
    .bind(booking_id)
    .fetch_one(&world.pool)
    .await
    .unwrap();
    due.timestamp_millis()
}

/// Until when an answer is said to count, in milliseconds.
fn answer_by(shown: &Value) -> i64 {
    let told = shown["new_terms"]["answer_by"].as_str().unwrap();
    told.parse::<DateTime<Utc>>().unwrap().timestamp_millis()
}

/// Row: A3
/// Row: D5
#[tokio::test(flavor = "multi_thread")]
async fn a_dearer_stay_shows_both_prices_and_goes_on_with_exactly_what_its_customer_agreed_to() {
    let world = World::new().await;
    world.app.hear();
    world.app.listening().await;
    let (booking_id, quote) = world.booked("acct_1").await;
    let none = agree(&world, booking_id, &json!(Uuid::nil())).await;
    assert_eq!((none.status, none.code().as_str()), (StatusCode::CONFLICT, "not_allowed_now"));
    let wrong = agree(&world, booking_id, &json!("yes")).await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);

    let mut neighbour = Neighbour::of(&world, booking_id).await;
    neighbour.prepared().await;
    asks(&mut neighbour, &quote, 1, 25_000).await;
    let shown = reaches(&world, booking_id, "awaiting_consent").await;
    assert_eq!(shown["next_actions"], json!(["accept_terms", "cancel"]));
    let (old, new) = (&shown["price"]["minor"], &shown["new_terms"]["price"]["minor"]);
    assert_eq!((old, new), (&json!("20000"), &json!("25000")));
    assert_eq!(shown["new_terms"]["legs"][0]["price"]["minor"], "25000");
    assert_eq!(shown["new_terms"]["amount"]["units"], "100000000000000000");
    assert_eq!(shown["payment"]["address"], Value::Null, "nothing can be paid");
    let first = shown["new_terms"]["digest"].clone();

    // Another rise by the time of the answer asks again.
    asks(&mut neighbour, &quote, 2, 26_000).await;
    let path = format!("/v1/bookings/{booking_id}");
    let shown = until("the second rise shows", || async {
        let shown = world.get("acct_1", &path).await.json();
        (shown["new_terms"]["digest"] != first).then_some(shown)
    })
    .await;
    let second = shown["new_terms"]["digest"].clone();
    let stale = agree(&world, booking_id, &first).await;
    assert_eq!((stale.status, stale.code().as_str()), (StatusCode::CONFLICT, "terms_changed"));
    assert_eq!(stale.json()["new_terms"]["digest"], second);
    for _ in 0..2 {
        let taken = agree(&world, booking_id, &second).await;
        assert_eq!(taken.status, StatusCode::ACCEPTED, "{taken:?}");
        let taken = taken.json();
        assert_eq!((&taken["status"], &taken["new_terms"]), (&json!("holding"), &Value::Null));
        assert_eq!(
            (&taken["price"]["minor"], taken["legs"].as_array().unwrap().len()),
            (&json!("26000"), 2)
        );
        assert_ne!(taken["payment"]["payment_id"], json!(neighbour.payment_id.0));
        assert_eq!(taken["further_payments"], Value::Null, "what nobody was shown stays unseen");
    }
    let history = world.get("acct_1", &format!("{path}/history")).await.json();
    let changes = history["changes"].as_array().unwrap();
    let mut agreed = changes.iter().filter(|change| change["change"] == "terms_accepted");
    let (once, twice) = (agreed.next().unwrap(), agreed.next());
    assert_eq!((&once["evidence"]["digest"], twice), (&second, None));
    assert_eq!((&once["actor"], &once["source"]), (&json!("acct_1"), &json!("request")));
    assert!(!history.to_string().contains(KEY), "the key that buys it is nobody's");
    let mut conn = world.pool.acquire().await.unwrap();
    assert!(booking::store::rebuild(&mut conn, booking_id).await.unwrap());
}

/// Row: D5
#[tokio::test(flavor = "multi_thread")]
async fn a_dearer_stay_that_nobody_answers_for_is_undone_when_its_time_is_over() {
    let world = World::new().await;
    world.app.hear();
    world.app.listening().await;
    let (booking_id, quote) = world.booked("acct_1").await;
    let mut neighbour = Neighbour::of(&world, booking_id).await;
    asks(&mut neighbour, &quote, 1, 25_000).await;
    let shown = reaches(&world, booking_id, "awaiting_consent").await;
    assert_eq!(due(&world, booking_id).await, answer_by(&shown));
    world.service.database.offset_clock(TimeDelta::minutes(11)).await;
    while booking::fire_timers(&world.app).await.unwrap() != messaging::Step::Idle {}
    let shown = reaches(&world, booking_id, "failing").await;
    assert_eq!(shown["ended_because"], "price_changed");
    let late = agree(&world, booking_id, &json!(Uuid::nil())).await;
    assert_eq!((late.status, late.code().as_str()), (StatusCode::CONFLICT, "not_allowed_now"));
    neighbour.leg(&quote, 2, LegState::Gone { why: GoneWhy::NeverMade }).await;
    let nothing = contracts::asset::Units::ZERO;
    neighbour.closed(Closing::Closed { received: nothing, settled: nothing }).await;
    reaches(&world, booking_id, "failed").await;
}

/// Row: D5
#[tokio::test(flavor = "multi_thread")]
async fn a_dearer_stay_of_a_trip_is_undone_when_what_is_held_of_it_ends() {
    let world = World::new().await;
    world.app.hear();
    world.app.listening().await;
    let quote = world.quote_of_legs("acct_1", 2).await;
    let booking_id = world.book_quote("acct_1", &quote).await;
    let mut neighbour = Neighbour::of(&world, booking_id).await;
    let held_until = Utc::now() + TimeDelta::minutes(3);
    let held = LegState::Held { reference: "R2".to_owned(), until: Some(held_until) };
    neighbour.leg_at(&quote, 1, 1, held).await;
    asks(&mut neighbour, &quote, 1, 25_000).await;
    reaches(&world, booking_id, "awaiting_consent").await;
    // Whichever of the two was heard first.
    let shown = until("the hold counts", || async {
        let now = world.get("acct_1", &format!("/v1/bookings/{booking_id}")).await.json();
        (answer_by(&now) == held_until.timestamp_millis()).then_some(now)
    })
    .await;
    assert_eq!(due(&world, booking_id).await, answer_by(&shown));
    let digest = shown["new_terms"]["digest"].clone();

    // The clock is past it, and the timer did not come yet.
    world.service.database.offset_clock(TimeDelta::minutes(4)).await;
    until("the service reads the clock", || async {
        let other = agree(&world, booking_id, &json!(Uuid::nil())).await;
        (other.code() == "not_allowed_now").then_some(())
    })
    .await;
    let late = agree(&world, booking_id, &digest).await;
    assert_eq!((late.status, late.code().as_str()), (StatusCode::CONFLICT, "not_allowed_now"));
    assert_eq!(late.json()["next_actions"], json!(["cancel", "cancel_leg"]));
    while booking::fire_timers(&world.app).await.unwrap() != messaging::Step::Idle {}
    let shown = reaches(&world, booking_id, "failing").await;
    assert_eq!(shown["ended_because"], "price_changed");
}

/// Row: D5
/// Row: C12
#[tokio::test(flavor = "multi_thread")]
async fn a_rise_that_leaves_less_than_can_be_paid_is_agreed_to_by_nobody() {
    let world = World::new().await;
    world.app.hear();
    world.app.listening().await;
    let quote = world.quote("acct_1", TimeDelta::minutes(10)).await;
    let mut shown = crate::openapi::assets(&quote);
    let least = Money::new(50, quote.price.currency);
    shown.assets[0].minimum = quote.rate.units_for(least).unwrap();
    world.show(ASSETS_KEY, &shown).await;
    // Points pay all of it.
    let mut asked = crate::world::body(&quote);
    asked["redeem_points"] = json!(quote.price.minor);
    let booked = world.book("acct_1", "k", &asked).await;
    assert_eq!(booked.status, StatusCode::ACCEPTED, "{booked:?}");
    let booking_id: Uuid = booked.json()["booking_id"].as_str().unwrap().parse().unwrap();
    let mut neighbour = Neighbour::of(&world, booking_id).await;
    asks(&mut neighbour, &quote, 1, 20_049).await;
    let told = reaches(&world, booking_id, "awaiting_consent").await;
    let refused = agree(&world, booking_id, &told["new_terms"]["digest"]).await;
    assert_eq!(
        (refused.status, refused.code().as_str()),
        (StatusCode::CONFLICT, "asset_not_offered")
    );
    assert_eq!(reaches(&world, booking_id, "awaiting_consent").await["version"], told["version"]);

    // One cent more can be paid; for that money it may not be final in time.
    asks(&mut neighbour, &quote, 2, 20_050).await;
    let path = format!("/v1/bookings/{booking_id}");
    let told = until("the second rise shows", || async {
        let now = world.get("acct_1", &path).await.json();
        (now["new_terms"]["digest"] != told["new_terms"]["digest"]).then_some(now)
    })
    .await;
    let digest = &told["new_terms"]["digest"];
    let mut slow = shown.clone();
    slow.assets[0].settles_in_s = 24 * 60 * 60;
    world.show(ASSETS_KEY, &slow).await;
    let refused = agree(&world, booking_id, digest).await;
    assert_eq!(
        (refused.status, refused.code().as_str()),
        (StatusCode::CONFLICT, "asset_not_offered")
    );
    world.show(ASSETS_KEY, &shown).await;
    let taken = agree(&world, booking_id, digest).await;
    assert_eq!(taken.status, StatusCode::ACCEPTED, "{taken:?}");
    // The same click again, whatever is shown by then.
    world.show(ASSETS_KEY, &slow).await;
    assert_eq!(agree(&world, booking_id, digest).await.status, StatusCode::ACCEPTED);
}
