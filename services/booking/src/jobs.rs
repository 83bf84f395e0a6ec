//! Periodic work: fires due timers, forgets what was kept only for a while.

use std::time::Duration;

use booking_core::{Deadline, Fact, Refusal};
use chassis::trace::TraceContext;
use messaging::{Step, StoreError};
use tracing::Span;

use crate::{
    App,
    handle::{Cause, Input, Unhandled, handle},
    store::{self, Due},
};

const TIMERS_AT_ONCE: i64 = 64;
const FORGET_AT_ONCE: i64 = 500;
/// How long a timer rests that could not be handled.
const REST: Duration = Duration::from_secs(60);

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
/// A timer that nothing can be done with is put off and told of; it holds up no other.
///
/// # Errors
/// When the database fails; the timers stay.
pub async fn fire_timers(app: &App) -> Result<Step, StoreError> {
    let mut tx = app.messaging.begin().await?;
    let due = store::claim_due(tx.conn(), TIMERS_AT_ONCE).await?;
    let Some(now) = due.iter().map(|due| due.now).max() else { return Ok(Step::Idle) };
    let known = |due: &&Due| Deadline::from_word(&due.deadline).is_some();
    let (fired, mut rest): (Vec<&Due>, Vec<&Due>) = due.iter().partition(known);
    for due in &rest {
        tracing::error!(booking.id = %due.booking_id, "nobody knows the timer `{}`", due.deadline);
    }
    let answers = handle(app, &mut tx, fired.iter().filter_map(|due| input(due)).collect(), now);
    for (due, answer) in fired.iter().zip(answers.await?) {
        match answer {
            Ok(()) => {}
            Err(Unhandled::Unreadable(_)) => rest.push(due),
            Err(Unhandled::Refused(Refusal::Unknown)) => {
                tracing::error!(booking.id = %due.booking_id, "a timer of no booking is dropped");
            }
            Err(Unhandled::Refused(refusal)) => {
                tracing::error!(booking.id = %due.booking_id, "a timer was refused: {refusal}");
            }
        }
    }
    if !rest.is_empty() {
        store::put_off(tx.conn(), &rest, REST.as_secs_f64()).await?;
    }
    tx.commit().await?;
    Ok(Step::Did(due.len()))
}

/// What a timer feeds to its booking, in a trace of its own that is linked to the one it was set
/// in.
fn input(due: &Due) -> Option<(uuid::Uuid, Input, Cause)> {
    let deadline = Deadline::from_word(&due.deadline)?;
    let span = tracing::info_span!(
        parent: None, "fire timer", booking.id = %due.booking_id, deadline = due.deadline
    );
    link(&span, due.traceparent.as_deref());
    let cause = Cause { source: "timer", actor: "booking".to_owned(), id: None, span };
    Some((due.booking_id, Input::Fact(Fact::Passed(deadline)), cause))
}

fn link(span: &Span, traceparent: Option<&str>) {
    if let Some(traceparent) = traceparent {
        let set = TraceContext { traceparent: traceparent.to_owned(), tracestate: None };
        chassis::trace::link(span, &set);
    }
}

async fn forget_old(app: &App) -> Result<Step, StoreError> {
    let mut tx = app.messaging.begin().await?;
    let keys_for_s = app.policy.booking.idempotency_for.as_secs_f64();
    let gone = store::forget_old(tx.conn(), keys_for_s, FORGET_AT_ONCE).await?;
    tx.commit().await?;
    let gone = usize::try_from(gone).unwrap_or(usize::MAX);
    Ok(if gone == 0 { Step::Idle } else { Step::Did(gone) })
}
