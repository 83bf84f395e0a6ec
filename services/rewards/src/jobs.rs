//! Periodic work: what time alone does to accounts.

use std::time::Duration;

use chassis::{
    Process,
    metrics::{self, Counter},
};
use messaging::{Step, StoreError, StoreTrouble, database};
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
/// What cannot be handled is tried again after this, and each time a person is told.
const PUT_OFF_FOR: Duration = Duration::from_secs(60 * 60);

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
/// A batch that fails for a fault of one of its accounts is done one by one; that account is put
/// off, loudly, and holds up no other.
///
/// # Errors
/// When the database fails; the accounts stay due.
pub async fn mature(app: &App) -> Result<Step, StoreError> {
    match mature_some(app, None).await {
        Err(error) if error.kind() == StoreTrouble::Broken => mature_singly(app).await,
        done => done,
    }
}

async fn mature_singly(app: &App) -> Result<Step, StoreError> {
    let mut conn = app.pool.acquire().await.map_err(database("taking a connection"))?;
    let due = store::due(&mut conn, ACCOUNTS_AT_ONCE).await?;
    drop(conn);
    for name in &due {
        match mature_some(app, Some(name)).await {
            Ok(_) => {}
            Err(error) if error.kind() == StoreTrouble::Broken => {
                put_off(app, name, &error).await?;
            }
            Err(error) => return Err(error),
        }
    }
    Ok(Step::of(due.len()))
}

/// Lets an account that cannot be handled wait for a person. The error names it.
async fn put_off(app: &App, name: &str, error: &StoreError) -> Result<(), StoreError> {
    let mut tx = app.messaging.begin().await?;
    store::put_off(tx.conn(), name, PUT_OFF_FOR.as_secs_f64()).await?;
    tx.commit().await?;
    metrics::add(Counter::JobsFailed, &[("job", "mature points")], 1);
    tracing::error!(
        error = %chassis::chain(error), "an account that is due cannot be handled and is put off"
    );
    Ok(())
}

/// Does what is due to one batch of accounts, or to one of them.
async fn mature_some(app: &App, only: Option<&str>) -> Result<Step, StoreError> {
    let mut tx = app.messaging.begin().await?;
    let due = store::claim_due(tx.conn(), ACCOUNTS_AT_ONCE, only).await?;
    let Some(now) = due.iter().map(|(_, now)| *now).max() else { return Ok(Step::Idle) };
    let cause = Cause { source: "timer", id: None, asked: None, span: tracing::Span::current() };
    let count = due.len();
    let inputs = due
        .into_iter()
        .map(|(account_id, _)| (Inbound::fact(account_id, Fact::Due), cause.clone()));
    let fed = feed(&app.policy, &mut tx, inputs.collect(), now).await?;
    tx.commit().await?;
    app.cache.show(fed.shown);
    Ok(Step::Did(count))
}
