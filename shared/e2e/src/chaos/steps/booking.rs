//! One booking: how it comes to a step, and from there to its end.

use std::time::{Duration, Instant};

use anyhow::ensure;
use http::StatusCode;
use serde_json::json;

use super::{Fault, Step};
use crate::{
    Stack,
    double::Double,
    gateway::{Shown, describe},
    traveller::{Traveller, Trip, some_stay},
};

const STEP_WITHIN: Duration = Duration::from_secs(40);
const LOOK_EVERY: Duration = Duration::from_millis(30);
/// A supplier makes what it said nothing of, when nobody waits for it any more.
const LATE_BY_MS: u64 = 9_000;
/// More than a supplier announces of a round.
const ALL: u32 = 10_000;

/// Books and goes as far as the step. Where the fault is the supplier's, it waits there for what is
/// asked of it next.
pub(super) async fn come_to(
    stack: &Stack,
    traveller: &Traveller,
    step: Step,
    fault: Fault,
) -> anyhow::Result<Trip> {
    let (double, fails) = (stack.double(), fault == Fault::Fail);
    let quote = traveller.gateway.quote(&some_stay()).await?;
    let at_the_click = match step {
        Step::Asked if fails => Some(("http_504_after", None)),
        Step::Left if fails => Some(("commit_late", Some(LATE_BY_MS))),
        Step::Asked | Step::Left => Some(("timeout_after_commit", None)),
        Step::Clicked if fails => Some(("timeout_before_commit", None)),
        _ => None,
    };
    if matches!(step, Step::Asked | Step::Left) {
        double.arm("callback", "callback_missing", ALL, None).await?;
    }
    if let Some((how, after)) = at_the_click {
        double.arm("reserve", how, 1, after).await?;
    }
    let asked = double.truth().await?.requests_of("reserve").len();
    let wallet = traveller.new_wallet();
    let trip = traveller.book_quote(quote, |body| body["refund_to"] = json!(wallet)).await?;
    match step {
        Step::Clicked => return Ok(trip),
        Step::Asked | Step::Left => {
            let late = step == Step::Left && fails;
            until("the supplier was asked", async || {
                let truth = double.truth().await?;
                let made = truth.reservations.iter().any(|one| one.guests.contains(&trip.guest));
                Ok(made || late && truth.requests_of("reserve").len() > asked)
            })
            .await?;
            if step == Step::Left {
                let answer = traveller.gateway.cancel(&trip.booking_id).await?;
                ensure!(answer.status == StatusCode::ACCEPTED, "{}", describe(&answer));
            }
            return Ok(trip);
        }
        _ => {}
    }
    let payable = traveller.until_payable(&trip, STEP_WITHIN).await?;
    match step {
        Step::Refused => double.arm("confirm", "confirm_refused", 1, None).await?,
        Step::Held if fails => double.arm("confirm", "timeout_before_commit", 1, None).await?,
        Step::Paid if fails => double.arm("confirm", "timeout_after_commit", 1, None).await?,
        Step::Seen if fails => double.arm("confirm", "http_504_after", 1, None).await?,
        _ => {}
    }
    if step == Step::Held {
        return Ok(trip);
    }
    if step == Step::Refused && fails {
        double.arm("cancel", "http_503", 1, None).await?;
    }
    traveller.pay(&payable).await?;
    match step {
        Step::Seen => {
            let seen = |shown: &Shown| {
                shown.ended() || shown.remaining().is_some_and(|units| units.is_zero())
            };
            traveller.until(&trip, "seen", STEP_WITHIN, seen).await?;
        }
        Step::Cancelled => {
            let confirmed = |shown: &Shown| shown.status() == "confirmed";
            traveller.until(&trip, "confirmed", STEP_WITHIN, confirmed).await?;
            if fails {
                double.arm("cancel", "timeout_after_commit", 1, None).await?;
            }
            cancel_confirmed(traveller, &trip).await?;
        }
        Step::Refused => {
            let failing = |shown: &Shown| shown.status() == "failing" || shown.ended();
            traveller.until(&trip, "failing", STEP_WITHIN, failing).await?;
        }
        _ => {}
    }
    Ok(trip)
}

async fn cancel_confirmed(traveller: &Traveller, trip: &Trip) -> anyhow::Result<()> {
    let path = format!("/v1/bookings/{}/cancellation", trip.booking_id);
    let quote = traveller.gateway.post(&format!("{path}?quote=true"), &json!({})).await?;
    let agreed = json!({"quote": quote.json()["quote"]});
    let answer = traveller.gateway.post(&path, &agreed).await?;
    ensure!(answer.status == StatusCode::ACCEPTED, "{}", describe(&answer));
    Ok(())
}

/// What is left to be done by its customer, and the end that it has to come to, here and at the
/// supplier.
pub(super) async fn finish(
    double: &Double,
    traveller: &Traveller,
    step: Step,
    trip: &Trip,
) -> anyhow::Result<()> {
    if matches!(step, Step::Clicked | Step::Asked | Step::Held) {
        let payable = traveller.until_payable(trip, STEP_WITHIN).await?;
        traveller.pay(&payable).await?;
    }
    until(&format!("{} is {}", trip.booking_id, step.end()), async || {
        // A confirmed booking has ended, and goes on from there.
        let shown = traveller.gateway.booking(&trip.booking_id).await?;
        Ok(shown.status() == step.end())
    })
    .await?;
    until(&format!("{} is {} at its supplier", trip.booking_id, step.end()), async || {
        let all = double.truth().await?.reservations.into_iter();
        let own: Vec<_> = all.filter(|one| one.guests.contains(&trip.guest)).collect();
        let living = own.iter().filter(|one| one.lives()).count();
        Ok(!own.is_empty() && living == usize::from(step.end() == "confirmed"))
    })
    .await
}

async fn until(
    what: &str,
    mut is_so: impl AsyncFnMut() -> anyhow::Result<bool>,
) -> anyhow::Result<()> {
    let until = Instant::now() + STEP_WITHIN;
    while !is_so().await? {
        ensure!(Instant::now() < until, "not within {STEP_WITHIN:?}: {what}");
        tokio::time::sleep(LOOK_EVERY).await;
    }
    Ok(())
}
