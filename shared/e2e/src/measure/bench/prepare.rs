//! Quotes ahead of a load, each its own, so that what is measured is the booking alone.

use std::sync::Arc;

use anyhow::{Context as _, ensure};
use futures::{StreamExt as _, TryStreamExt as _, stream};

use crate::{
    Stack,
    gateway::{Gateway, suits},
    measure::load::Shot,
    traveller::{request, some_family, stay_in},
};

/// An account may have 20 open locks.
const QUOTES_PER_ACCOUNT: usize = 10;
const AT_ONCE: usize = 32;

/// Bookings that are ready to be asked for, from as many accounts as that takes.
pub(super) async fn shots(
    stack: &Stack,
    count: usize,
    who: &str,
) -> anyhow::Result<Arc<Vec<Shot>>> {
    let gateway = Gateway::new(&stack.url("booking"), &stack.token("bench", &["customer"]));
    let offers = gateway.offers(&stay_in(100, 2)).await?;
    let offer = offers.iter().find(|offer| suits(offer)).context("no offer that can be held")?;
    let offer_id = &offer["offer_id"];
    let accounts = count.div_ceil(QUOTES_PER_ACCOUNT);
    let tokens: Vec<String> =
        (0..accounts).map(|n| stack.token(&format!("{who}-{n}"), &["customer"])).collect();
    let quoted = (0..count).map(|n| {
        let token = &tokens[n / QUOTES_PER_ACCOUNT];
        let gateway = gateway.with_token(token);
        async move {
            let quote = gateway.quote_offer(offer_id).await?;
            let body = request(&quote, &some_family()).to_string().into();
            let url = format!("{}/v1/bookings", stack.url("booking"));
            anyhow::Ok(Shot { url, token: token.clone(), key: format!("{who}-{n}"), body })
        }
    });
    let begun = std::time::Instant::now();
    let shots: Vec<Shot> = stream::iter(quoted).buffered(AT_ONCE).try_collect().await?;
    ensure!(shots.len() == count, "{} of {count} quotes", shots.len());
    let took = begun.elapsed().as_secs_f64();
    eprintln!("  {count} quotes in {took:.1} s ({:.0} a second)", count as f64 / took);
    Ok(Arc::new(shots))
}
