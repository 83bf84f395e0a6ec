//! What becomes of a trip beside being booked: several legs, one of them refused, given back, moved
//! or taken away.

use anyhow::{Context as _, ensure};
use contracts::{asset::Units, supplier::Supplier};
use http::StatusCode;
use serde_json::{Value, json};

use super::{
    Lane,
    steps::{STEP_WITHIN, pay_and_confirm, shorter, until},
};
use crate::{
    Stack,
    gateway::{Shown, Suits, costs_a_part, describe, suits},
    outing::Outing,
    traveller::{Traveller, Trip, some_cities, some_stay, stay_in},
};

/// A trip of three cities is one price, one payment, and a reservation in each.
pub(super) async fn three(stack: &Stack, ada: &Traveller, lane: &Lane) -> anyhow::Result<Shown> {
    lane.say("three rooms in three cities, quoted together");
    let trip = cities(ada, [suits, suits, suits]).await?;
    lane.accepted(&trip, ", all three are being held");
    let shown = pay_and_confirm(ada, &trip, lane).await?;
    let bought = reservations(stack, &trip, "confirmed").await?;
    ensure!(bought.len() == 3, "{bought:?} are confirmed");
    lane.done("confirmed: one payment, three reservations");
    Ok(shown)
}

/// What three suppliers sell is one price, one payment, and a reservation at each.
pub(super) async fn outing(stack: &Stack, ada: &Traveller, lane: &Lane) -> anyhow::Result<Shown> {
    lane.say("a flight, a room and a day out at three suppliers, quoted together");
    let trip = Outing::free_at(&some_stay().property_id).book(ada).await?;
    lane.accepted(&trip, ", all three are being held");
    let shown = pay_and_confirm(ada, &trip, lane).await?;
    for double in [Supplier::Duffel, Supplier::Rapid, Supplier::Hotelbeds] {
        let made = stack.double_of(double).reservation_of(&trip.guest).await?;
        ensure!(made.state == "confirmed", "at {double}: {made:?}");
    }
    lane.done("confirmed: one payment, a reservation at each supplier");
    Ok(shown)
}

/// The second of three rooms is sold out when it is to be held: nothing of the others stays.
pub(super) async fn refused(stack: &Stack, ada: &Traveller, lane: &Lane) -> anyhow::Result<Shown> {
    lane.say("three rooms; the second will be gone before the click");
    let cities = some_cities();
    let second = cities[1].property_id.clone();
    let legs: Vec<_> = cities.map(|stay| (stay, suits as Suits)).into();
    let quote = ada.gateway.quote_trip(&legs).await?;
    stack.double().units(&second, Some(0)).await?;
    let trip = ada.book_quote(quote, |_| {}).await;
    let ended = match &trip {
        Ok(trip) => {
            lane.accepted(trip, ", the first is being held");
            ada.until_ended(trip, STEP_WITHIN).await
        }
        Err(_) => Err(anyhow::anyhow!("it was not accepted")),
    };
    stack.double().units(&second, None).await?;
    let (trip, shown) = (trip?, ended?);
    ensure!(shown.status() == "failed", "it is {}", shown.0);
    ensure!(shown.0["ended_because"] == json!("sold_out"), "it is {}", shown.0);
    ensure!(shown.address().is_none(), "an address was shown: {}", shown.0);
    let held = reservations(stack, &trip, "held").await?;
    ensure!(held.is_empty(), "{held:?} are still held");
    lane.done("undone: the others are free again, nothing was asked for");
    Ok(shown)
}

/// One of three rooms is given back for what its own terms charge; the others are travelled.
pub(super) async fn one_back(stack: &Stack, ada: &Traveller, lane: &Lane) -> anyhow::Result<Shown> {
    lane.say("three rooms, one of which costs a part to give back");
    let trip = cities(ada, [suits, costs_a_part, suits]).await?;
    lane.accepted(&trip, ", all three are being held");
    let shown = pay_and_confirm(ada, &trip, lane).await?;
    let path = leg_path(&trip, &shown, 1, "cancellation")?;
    let told = post(ada, &format!("{path}?quote=true"), &json!({}), StatusCode::OK).await?;
    lane.say(&format!("confirmed; giving back the second costs {}", money(&told["fee"])));
    let agreed = json!({"quote": told["quote"]});
    let shown = post(ada, &path, &agreed, StatusCode::ACCEPTED).await?;
    ensure!(shown["status"] == json!("confirmed"), "it is {shown}");
    arrived(stack, &trip, &told["refund"]).await?;
    let bought = reservations(stack, &trip, "confirmed").await?;
    ensure!(bought.len() == 2, "{bought:?} are confirmed");
    lane.done(&format!("the others stay; {} kept, the rest is back", money(&told["fee"])));
    ada.gateway.booking(&trip.booking_id).await
}

/// A stay gets other days that cost more: the new room is held, the difference paid, and only then
/// the old room given back.
pub(super) async fn longer(stack: &Stack, ada: &Traveller, lane: &Lane) -> anyhow::Result<Shown> {
    lane.say("two nights, to be made four");
    let days = rand::random_range(30..150);
    let trip = ada.book(&stay_in(days, 2)).await?;
    lane.accepted(&trip, ", the room is being held");
    let shown = pay_and_confirm(ada, &trip, lane).await?;
    let offers = ada.gateway.offers(&stay_in(days + 150, 4)).await?;
    let offer = offers.iter().find(|offer| suits(offer)).context("no such offer")?;
    let path = leg_path(&trip, &shown, 0, "amendment")?;
    let asked = json!({"offer_id": offer["offer_id"]});
    let told = post(ada, &format!("{path}?quote=true"), &asked, StatusCode::OK).await?;
    ensure!(!told["pay"].is_null(), "it costs no more: {told}");
    lane.say(&format!("confirmed; other days cost {} more", money(&told["pay"]["price"])));
    post(ada, &path, &json!({"quote": told["quote"]}), StatusCode::ACCEPTED).await?;
    let payable = ada.until_payable(&trip, STEP_WITHIN).await?;
    let transaction = ada.pay_difference(&payable).await?;
    lane.say(&format!("held; the difference is sent in {}", shorter(&transaction)));
    let moved = |shown: &Shown| shown.status() == "confirmed";
    let shown = ada.until(&trip, "moved", STEP_WITHIN, moved).await?;
    until("room given back", async || {
        let living = reservations(stack, &trip, "confirmed").await?;
        Ok((living == shown.0["legs"][1]["reference"].as_str().into_iter().collect::<Vec<_>>())
            .then_some(()))
    })
    .await?;
    lane.done("moved: the difference is paid, the first room given back");
    Ok(shown)
}

/// The hotel cancels what was confirmed: the customer is told and takes all of the money back.
pub(super) async fn taken(stack: &Stack, ada: &Traveller, lane: &Lane) -> anyhow::Result<Shown> {
    lane.say("searching and quoting");
    let wallet = ada.new_wallet();
    let quote = ada.gateway.quote(&some_stay()).await?;
    let trip = ada.book_quote(quote, |body| body["refund_to"] = json!(wallet)).await?;
    lane.accepted(&trip, ", the room is being held");
    let shown = pay_and_confirm(ada, &trip, lane).await?;
    let reference = shown.references().pop().context("it has a reference")?;
    let double = stack.double();
    double.act(&reference, "cancel").await?;
    double.notify(&reference, "itinerary.supplier.cancel").await?;
    lane.say("confirmed; the hotel cancels it");
    let changed = async || {
        let shown = ada.gateway.booking(&trip.booking_id).await?;
        Ok((!shown.0["legs"][0]["change"].is_null()).then_some(shown))
    };
    let shown = until("change to answer", changed).await?;
    let path = leg_path(&trip, &shown, 0, "change")?;
    let answer = json!({"change": shown.0["legs"][0]["change"]["change"], "answer": "refund"});
    post(ada, &path, &answer, StatusCode::ACCEPTED).await?;
    lane.say("told to the customer, who wants the money back");
    let shown = ada.until(&trip, "refunded", STEP_WITHIN, Shown::is_refunded).await?;
    ensure!(shown.status() == "cancelled", "it is {}", shown.0);
    arrived(stack, &trip, &shown.0["payment"]["amount"]).await?;
    lane.done("cancelled: all of the money is back");
    Ok(shown)
}

async fn cities(ada: &Traveller, wanted: [Suits; 3]) -> anyhow::Result<Trip> {
    let legs: Vec<_> = some_cities().into_iter().zip(wanted).collect();
    let quote = ada.gateway.quote_trip(&legs).await?;
    let wallet = ada.new_wallet();
    ada.book_quote(quote, |body| body["refund_to"] = json!(wallet)).await
}

/// The references of a trip's reservations that are in a state.
async fn reservations(stack: &Stack, trip: &Trip, state: &str) -> anyhow::Result<Vec<String>> {
    let all = stack.double().truth().await?.reservations.into_iter();
    let own = all.filter(|one| one.guests.contains(&trip.guest) && one.state == state);
    Ok(own.map(|one| one.reference).collect())
}

fn leg_path(trip: &Trip, shown: &Shown, leg: usize, what: &str) -> anyhow::Result<String> {
    let leg_id = shown.0["legs"][leg]["leg_id"].as_str().context("a leg has an id")?;
    Ok(format!("/v1/bookings/{}/legs/{leg_id}/{what}", trip.booking_id))
}

async fn post(
    ada: &Traveller,
    path: &str,
    body: &Value,
    wanted: StatusCode,
) -> anyhow::Result<Value> {
    let answer = ada.gateway.post(path, body).await?;
    ensure!(answer.status == wanted, "{path}: {}", describe(&answer));
    Ok(answer.json())
}

/// Waits until an amount is in the wallet that the customer named.
async fn arrived(stack: &Stack, trip: &Trip, amount: &Value) -> anyhow::Result<()> {
    let due: Units = serde_json::from_value(amount["units"].clone())?;
    let wallet = trip.refund_to.as_deref().context("no wallet was named")?;
    let node = stack.node();
    until("refund on the chain", async || Ok((node.balance(wallet).await? == due).then_some(())))
        .await
}

/// An amount as people write it.
fn money(amount: &Value) -> String {
    let minor = amount["minor"].as_str().and_then(|minor| minor.parse::<i64>().ok()).unwrap_or(0);
    let currency = amount["currency"].as_str().unwrap_or("");
    format!("{}.{:02} {currency}", minor / 100, minor % 100)
}
