//! Periodic work: fires due timers, forgets what was kept only for a while.

use std::time::Duration;

use booking_core::{Deadline, Fact};
use messaging::{Step, StoreError};

use crate::{
    App,
    handle::{Cause, Input, handle},
    store,
};

const TIMERS_AT_ONCE: i64 = 64;
const FORGET_AT_ONCE: i64 = 500;

/// Starts every job.
pub(crate) fn start(app: &App) {
    let fire = app.clone();
    messaging::job(&app.process, "fire due timers", Duration::from_millis(500), move || {
        let app = fire.clone();
        async move { fire_timers(&app).await }
    });
    let forget = app.clone();
    messaging::job(&app.process, "forget what is old", Duration::from_secs(600), move || {
        let app = forget.clone();
        async move { forget_old(&app).await }
    });
}

/// Fires one batch of due timers: taking them and what follows from them is one transaction.
///
/// # Errors
/// When the database fails; the timers stay.
pub async fn fire_timers(app: &App) -> Result<Step, StoreError> {
    let mut tx = app.messaging.begin().await?;
    let due = store::claim_due(tx.conn(), TIMERS_AT_ONCE).await?;
    let Some(now) = due.iter().map(|due| due.now).max() else { return Ok(Step::Idle) };
    let count = due.len();
    let span = tracing::info_span!("fire timers", timers = count);
    let cause =
        Cause { source: "timer", actor: "booking".to_owned(), id: None, span: span.clone() };
    let inputs = due.into_iter().filter_map(|due| {
        let deadline = Deadline::from_word(&due.deadline)?;
        Some((due.booking_id, Input::Fact(Fact::Passed(deadline)), cause.clone()))
    });
    handle(app, &mut tx, inputs.collect(), now).await?;
    tx.commit().await?;
    Ok(Step::Did(count))
}

async fn forget_old(app: &App) -> Result<Step, StoreError> {
    let mut tx = app.messaging.begin().await?;
    let keys_for_s = app.policy.booking.idempotency_for.as_secs_f64();
    let gone = store::forget_old(tx.conn(), keys_for_s, FORGET_AT_ONCE).await?;
    tx.commit().await?;
    let gone = usize::try_from(gone).unwrap_or(usize::MAX);
    Ok(if gone == 0 { Step::Idle } else { Step::Did(gone) })
}
