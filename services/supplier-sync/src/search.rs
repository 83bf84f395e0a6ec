//! Searches: answered from the cache, else by one call to each supplier whose part is missing, for
//! everybody who asks, at every instance.

mod parts;

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use contracts::{
    offer::Search,
    shown::{Freshness, ShownOffers, SupplierPart, search_digest},
    supplier::Supplier,
};
use messaging::{StoreError, database};
use suppliers::dialect;
use tokio::time::Instant;
use uuid::Uuid;

use crate::{
    App,
    cache::{Found, Kept},
    merge::merge,
    shop::now,
    store::{take_lead, yield_lead},
};

/// How often a process that does not lead looks whether the answer is there.
const LOOK_EVERY: Duration = Duration::from_millis(25);
/// At each of so many looks it asks whether the lead is free: whoever had it may have died, or
/// could not keep what it learned.
const LEAD_EVERY: u32 = 4;
/// A lead outlives the time that its holder has by this: what was learned has to be kept.
const LEAD_MARGIN: Duration = Duration::from_secs(5);

/// Answers a search: from the cache while it is fresh, else by one call for everybody who asks.
///
/// Nothing when the search itself failed on our side.
pub(crate) async fn search(app: &App, search: Search) -> Option<Arc<ShownOffers>> {
    let digest = search_digest(&search);
    let flies = app.clone();
    let key = digest.clone();
    let flight = app.shop.flights.join(&app.process.tasks, "search", &key, || async move {
        match fly(&flies, &search, &digest).await {
            Ok(found) => Some(Arc::new(found)),
            Err(error) => {
                tracing::warn!(error = %chassis::chain(&error), "a search failed");
                None
            }
        }
    });
    flight.await?
}

/// How a wait for one's turn ended.
enum Turn {
    /// Somebody learned it meanwhile.
    Answer(ShownOffers),
    /// It is this process that asks.
    Lead(Uuid),
    /// Somebody else asks, and takes too long.
    TooLate,
}

async fn fly(app: &App, search: &Search, digest: &str) -> Result<ShownOffers, StoreError> {
    let by = Instant::now() + app.policy.search.deadline;
    let known = app.cache.offers(digest).await;
    if let Some(fresh) = fresh(app, &known).await? {
        return Ok(fresh);
    }
    match turn(app, digest, by, matches!(known, Found::Away)).await? {
        Turn::Answer(answer) => Ok(answer),
        Turn::TooLate => match known {
            // Old offers that say so are worth more than none.
            Found::Known(known) => Ok(stale(known)),
            Found::Nothing | Found::Away => nobody_asked(app, search).await,
        },
        Turn::Lead(holder) => {
            let answer = lead(app, search, digest, by).await;
            yield_lead(&mut *connection(app).await?, digest, holder).await?;
            answer
        }
    }
}

/// Waits until it may ask, or has the answer of whoever did.
async fn turn(app: &App, digest: &str, by: Instant, away: bool) -> Result<Turn, StoreError> {
    let holder = chassis::mint::uuid7();
    let lasts_for = app.policy.search.deadline + LEAD_MARGIN;
    for look in 0_u32.. {
        if look.is_multiple_of(LEAD_EVERY)
            && take_lead(&mut *connection(app).await?, digest, holder, lasts_for).await?
        {
            // Whoever led before may have kept its answer between our look and our lead. A Redis
            // that was silent just now is not waited for once more.
            let found = if away { Found::Away } else { app.cache.offers(digest).await };
            let Some(fresh) = fresh(app, &found).await? else { return Ok(Turn::Lead(holder)) };
            yield_lead(&mut *connection(app).await?, digest, holder).await?;
            return Ok(Turn::Answer(fresh));
        }
        if Instant::now() >= by {
            break;
        }
        tokio::time::sleep(LOOK_EVERY).await;
        if !away && let Some(fresh) = fresh(app, &app.cache.offers(digest).await).await? {
            return Ok(Turn::Answer(fresh));
        }
    }
    Ok(Turn::TooLate)
}

/// Asks every supplier whose part is not fresh, and keeps what they say.
async fn lead(
    app: &App,
    search: &Search,
    digest: &str,
    by: Instant,
) -> Result<ShownOffers, StoreError> {
    let asked_in = app.cache.generation(search).await;
    let parts::Gathered { parts, learned, at } = parts::gather(app, search, digest, by).await?;
    let answer = compose(parts);
    let life = app.policy.search.of(search.kind());
    let kept = Kept {
        offers: &answer,
        keep_for: parts::keep_for(life, &answer, at),
        parts: &learned,
        findable_for: life.hard_for * 2,
    };
    app.cache.keep(search, digest, asked_in, kept).await;
    Ok(answer)
}

/// One answer of the parts of all suppliers, as old as the oldest of them.
fn compose(parts: Vec<ShownOffers>) -> ShownOffers {
    let as_of = parts.iter().map(|part| part.as_of).min().unwrap_or_default();
    let soft_until = parts.iter().map(|part| part.soft_until).min().unwrap_or_default();
    let mut suppliers = Vec::new();
    let mut offers = Vec::new();
    for part in parts {
        suppliers.extend(part.suppliers);
        offers.extend(part.offers);
    }
    ShownOffers { as_of, soft_until, suppliers, offers: merge(offers) }
}

/// What is said when somebody else asks and takes too long.
async fn nobody_asked(app: &App, search: &Search) -> Result<ShownOffers, StoreError> {
    let as_of = now(app).await?;
    let silent = |supplier| SupplierPart { supplier, state: Freshness::Unavailable };
    let suppliers = sellers(app, search).map(|(supplier, _)| silent(supplier)).collect();
    Ok(ShownOffers { as_of, soft_until: as_of, suppliers, offers: Vec::new() })
}

/// The suppliers that sell what is looked for, with the search in the words of each.
fn sellers(app: &App, search: &Search) -> impl Iterator<Item = (Supplier, Search)> {
    app.accounts
        .suppliers()
        .filter(|supplier| dialect(*supplier).sells() == search.kind())
        .filter_map(|supplier| Some((supplier, app.catalogue.local(search, supplier)?)))
}

/// What is in the cache, if it is within its soft life.
async fn fresh(app: &App, known: &Found) -> Result<Option<ShownOffers>, StoreError> {
    let Found::Known(known) = known else { return Ok(None) };
    let now = now(app).await?;
    Ok(is_fresh(known, now).then(|| known.clone()))
}

fn is_fresh(known: &ShownOffers, now: DateTime<Utc>) -> bool {
    known.soft_until > now
}

fn stale(mut known: ShownOffers) -> ShownOffers {
    for part in &mut known.suppliers {
        if part.state == Freshness::Fresh {
            part.state = Freshness::Stale;
        }
    }
    known
}

fn span(wait: Duration) -> TimeDelta {
    TimeDelta::from_std(wait).unwrap_or_default()
}

async fn connection(app: &App) -> Result<sqlx::pool::PoolConnection<sqlx::Postgres>, StoreError> {
    app.messaging.pool().acquire().await.map_err(database("taking a connection"))
}
