//! Periodic work: watching the chains, reading rates, deriving addresses ahead of need.

use std::time::Duration;

use messaging::{Step, StoreError, database, job};

use crate::{App, cards::Cards, feed::FeedError, treasury::Treasury, watcher::Watcher};

/// How often the rate feed is read: some ten readings within the age that a quote accepts.
const RATES_EVERY: Duration = Duration::from_secs(5);
/// How often the store of derived addresses is looked at.
const ADDRESSES_EVERY: Duration = Duration::from_millis(250);

/// Starts all of it.
pub(crate) fn start(app: &App, watchers: Vec<Watcher>, treasury: Treasury, cards: Option<Cards>) {
    for watcher in watchers {
        job(&app.process, "watch", app.policy.watch_every, move || {
            let watcher = watcher.clone();
            async move { watcher.step().await }
        });
    }
    job(&app.process, "refunds", app.policy.watch_every, move || {
        let treasury = treasury.clone();
        async move { treasury.step().await }
    });
    if let Some(cards) = cards {
        job(&app.process, "cards", app.policy.watch_every, move || {
            let cards = cards.clone();
            async move { cards.step().await }
        });
    }
    let rates = app.clone();
    job(&app.process, "rates", RATES_EVERY, move || {
        let app = rates.clone();
        async move { read_rates(&app).await }
    });
    let addresses = app.clone();
    job(&app.process, "addresses", ADDRESSES_EVERY, move || {
        let app = addresses.clone();
        async move { top_up(&app).await }
    });
}

/// Reads the rate feed once and shows what is believed of it.
///
/// # Errors
/// When the feed or the database is of no use.
pub async fn read_rates(app: &App) -> Result<Step, FeedError> {
    let read = app.feed.step(app.messaging.pool()).await;
    if let Some(shown) = app.feed.shown() {
        app.cache.show_assets(&shown).await;
    }
    read.map(|_| Step::Idle)
}

async fn top_up(app: &App) -> Result<Step, StoreError> {
    let mut conn = app.messaging.pool().acquire().await.map_err(database("deriving addresses"))?;
    app.addresses.top_up(&mut conn).await.map(Step::of)
}
