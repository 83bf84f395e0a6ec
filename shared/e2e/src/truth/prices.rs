//! What each bought reservation costs: as we know it, and as its supplier has it.

use std::collections::BTreeMap;

use anyhow::Context as _;
use contracts::{
    internal::{LegsReply, ReservationStage},
    money::Money,
};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use http::StatusCode;

use super::{AT_ONCE, World};
use crate::{
    double::Reservation,
    gateway::{Gateway, describe},
};

/// Every bought reservation of these bookings of which both sides say another price in the same
/// currency, in words.
///
/// # Errors
/// When somebody cannot be asked.
pub(super) async fn differing(
    world: &World,
    owner: &Gateway,
    bookings: &[String],
) -> anyhow::Result<Vec<String>> {
    let mut theirs: BTreeMap<String, Vec<Reservation>> = BTreeMap::new();
    for double in &world.doubles {
        for reservation in double.truth().await?.reservations {
            theirs.entry(reservation.reference.clone()).or_default().push(reservation);
        }
    }
    let asked = bookings.iter().map(|booking| async move {
        let answer = owner.get(&format!("/internal/bookings/{booking}/legs")).await?;
        anyhow::ensure!(answer.status == StatusCode::OK, "{}", describe(&answer));
        let legs = serde_json::from_slice::<LegsReply>(&answer.body).context("legs")?;
        anyhow::Ok((booking, legs))
    });
    let all: Vec<_> = stream::iter(asked).buffered(AT_ONCE).try_collect().await?;
    let mut wrong = Vec::new();
    for (booking, legs) in all {
        let attempts = legs.legs.iter().flat_map(|leg| &leg.attempts);
        let bought = attempts
            .flat_map(|attempt| &attempt.reservations)
            .filter(|one| one.chosen && one.stage == ReservationStage::Confirmed);
        for (one, ours) in bought.filter_map(|one| Some((one, one.price?))) {
            let there = theirs.get(&one.reference).into_iter().flatten();
            let mut prices = there.filter_map(|it| price(it, ours)).peekable();
            if prices.peek().is_some() && !prices.any(|price| price == ours) {
                let reference = &one.reference;
                wrong
                    .push(format!("{booking}: {reference} is {ours} here and another price there"));
            }
        }
    }
    Ok(wrong)
}

/// What a reservation costs there, where that is told in the same currency.
fn price(there: &Reservation, ours: Money) -> Option<Money> {
    let same = there.price.currency == ours.currency.to_string();
    same.then(|| Money::parse_decimal(&there.price.amount, ours.currency).ok()).flatten()
}
