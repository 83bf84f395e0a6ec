//! Customers who only look: many searches for few stays, as before every booking.

use anyhow::ensure;
use futures::{StreamExt as _, TryStreamExt as _, stream};

use crate::{
    Stack,
    gateway::Stay,
    traveller::{Traveller, stay_in},
};

/// Sold by one, by two and by all of those who sell stays.
const PROPERTIES: [&str; 3] = ["1100001", "1100002", "1100004"];
const CUSTOMERS: usize = 20;
const AT_ONCE: usize = 8;

/// Twenty customers look for the same stays; how many searches that were.
///
/// # Errors
/// When one of them is shown nothing.
pub async fn look_around(stack: &Stack) -> anyhow::Result<usize> {
    let ada = Traveller::of(stack, super::ACCOUNT).await?;
    let stays = PROPERTIES.map(|id| Stay { property_id: id.to_owned(), ..stay_in(60, 3) });
    let searches = (0..CUSTOMERS).flat_map(|_| &stays).map(|stay| {
        let ada = &ada;
        async move {
            let offers = ada.gateway.offers(stay).await?;
            ensure!(!offers.is_empty(), "nobody offers {}", stay.property_id);
            Ok(())
        }
    });
    let done: Vec<()> = stream::iter(searches).buffered(AT_ONCE).try_collect().await?;
    Ok(done.len())
}
