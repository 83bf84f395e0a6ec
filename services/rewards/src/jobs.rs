//! Periodic work: what time alone does to accounts.

use std::time::Duration;

use chassis::Process;
use messaging::{Step, StoreError};
use rewards_core::{Fact, translate::Inbound};

use crate::{
    App,
    handle::{Cause, feed},
    store,
};

/// Points are not needed to the second; a stay's end is a matter of days.
const MATURE_EVERY: Duration = Duration::from_secs(1);
/// As many accounts as one transaction takes in a few milliseconds.
const ACCOUNTS_AT_ONCE: i64 = 64;

/// Starts every job.
pub(crate) fn start(app: &App, process: &Process) {
    let app = app.clone();
    messaging::job(process, "mature points", MATURE_EVERY, move || {
        let app = app.clone();
        async move { mature(&app).await }
    });
}

/// Lets points of one batch of accounts become available, pay debts and expire, as is due.
///
/// # Errors
/// When the database fails; the accounts stay due.
pub async fn mature(app: &App) -> Result<Step, StoreError> {
    let mut tx = app.messaging.begin().await?;
    let due = store::claim_due(tx.conn(), ACCOUNTS_AT_ONCE).await?;
    let Some(now) = due.iter().map(|(_, now)| *now).max() else { return Ok(Step::Idle) };
    let cause = Cause { source: "timer", id: None, span: tracing::Span::current() };
    let count = due.len();
    let inputs = due
        .into_iter()
        .map(|(account_id, _)| (Inbound::fact(account_id, Fact::Due), cause.clone()));
    let fed = feed(&app.policy, &mut tx, inputs.collect(), now).await?;
    tx.commit().await?;
    app.cache.show(fed.shown);
    Ok(Step::Did(count))
}
