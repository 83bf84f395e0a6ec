//! Makes by hand one of each thing that must never happen, to see it counted.

use anyhow::Context as _;

use super::Accepted;
use crate::{
    Stack,
    gateway::Shown,
    traveller::{Traveller, Trip},
};

/// Spoils the world of one confirmed booking: nobody's reservation, a second reservation, a second
/// charge. The booking that is returned was never made.
///
/// # Errors
/// When the doubles or the node refuse.
pub async fn one_of_each(
    stack: &Stack,
    traveller: &Traveller,
    trip: &Trip,
    shown: &Shown,
) -> anyhow::Result<Accepted> {
    let double = stack.double();
    let days = ("2027-06-01", "2027-06-03");
    double.plant("nobody-asked-for-this", days).await?;
    let truth = double.truth().await?;
    let own = truth.reservations.iter().find(|r| r.guests.contains(&trip.guest));
    let own = own.and_then(|r| r.client_reference.clone());
    double.plant(&own.context("the booking has no reservation")?, days).await?;
    traveller.pay(shown).await?;
    Ok(Accepted {
        booking_id: uuid::Uuid::now_v7().to_string(),
        guest: "Nobody".to_owned(),
        ..trip.accepted()
    })
}
