//! Periodic work: wakes legs that are due, joins callbacks that waited, says which wait for too
//! long, compares suppliers' lists with ours, and forgets old price checks and what waited in vain.

use std::time::Duration;

use chassis::{
    metrics::{self, Counter},
    trace,
};
use contracts::ids::{CallbackId, LegId};
use messaging::{Step, StoreError, StoreTrouble, database};
use supplier_sync_core::Fact;

use crate::{
    App,
    handle::{self, Cause, Input, Work, feed},
    store::{self, Among},
};

/// Leases and ladders are a matter of seconds; tries of what could not be sent begin with one.
const WAKE_EVERY: Duration = Duration::from_millis(250);
/// A callback that was early has a leg within moments.
const JOIN_EVERY: Duration = Duration::from_secs(1);
/// One that came longer ago than this has most likely none, and is looked at once in so long.
const JOIN_OLD_EVERY: Duration = Duration::from_secs(3_600);
/// One that has waited for so long is forgotten.
const WAITS_FOR: Duration = Duration::from_secs(90 * 86_400);
const SURFACE_EVERY: Duration = Duration::from_secs(60);
/// Whoever asked for a comparison waits for it.
const COMPARE_EVERY: Duration = Duration::from_secs(5);
/// After this long nobody can expect any more that a leg turns up by itself.
const SURFACE_AFTER: Duration = Duration::from_secs(15 * 60);
/// What cannot be handled is tried again after this, and each time a person is told.
const PUT_OFF_FOR: Duration = Duration::from_secs(10 * 60);
const FORGET_EVERY: Duration = Duration::from_secs(600);
/// As many as one transaction takes in some ten milliseconds.
const AT_ONCE: i64 = 64;
/// As many old rows as go in one statement.
const FORGET_AT_ONCE: i64 = 1_000;

/// Starts every job.
pub(crate) fn start(app: &App) {
    let ours = app.clone();
    messaging::job(&app.process, "wake legs", WAKE_EVERY, move || {
        let app = ours.clone();
        async move { wake(&app).await }
    });
    let ours = app.clone();
    messaging::job(&app.process, "join callbacks", JOIN_EVERY, move || {
        let app = ours.clone();
        async move { join_callbacks(&app).await }
    });
    let ours = app.clone();
    messaging::job(&app.process, "join old callbacks", JOIN_OLD_EVERY, move || {
        let app = ours.clone();
        async move { join_old_callbacks(&app).await }
    });
    let ours = app.clone();
    messaging::job(&app.process, "forget callbacks", FORGET_EVERY, move || {
        let app = ours.clone();
        async move { forget_callbacks(&app).await }
    });
    let ours = app.clone();
    messaging::job(&app.process, "surface callbacks", SURFACE_EVERY, move || {
        let app = ours.clone();
        async move { surface_callbacks(&app).await }
    });
    let ours = app.clone();
    messaging::job(&app.process, "compare lists", COMPARE_EVERY, move || {
        let app = ours.clone();
        async move { crate::compare(&app).await }
    });
    let ours = app.clone();
    messaging::job(&app.process, "forget price checks", FORGET_EVERY, move || {
        let app = ours.clone();
        async move { forget_price_checks(&app).await }
    });
}

/// Drops price checks that nobody asks about any more, a batch at a time.
///
/// # Errors
/// When the database fails.
pub async fn forget_price_checks(app: &App) -> Result<Step, StoreError> {
    let mut conn = app.messaging.pool().acquire().await.map_err(database("taking a connection"))?;
    let older_than_s = app.policy.search.price_checks_kept_for.as_secs_f64();
    let gone = store::forget_price_checks(&mut conn, older_than_s, FORGET_AT_ONCE).await?;
    Ok(Step::of(usize::try_from(gone).unwrap_or(usize::MAX)))
}

/// Wakes one batch of legs that are due: leases that ran out, look-ups, tries.
///
/// A batch that fails for a fault of one of its legs is woken one by one; the leg is put off,
/// loudly, and holds up no other.
///
/// # Errors
/// When the database fails; the legs stay due.
pub async fn wake(app: &App) -> Result<Step, StoreError> {
    match wake_some(app, None).await {
        Err(error) if error.kind() == StoreTrouble::Broken => wake_singly(app).await,
        done => done,
    }
}

async fn wake_singly(app: &App) -> Result<Step, StoreError> {
    let mut conn = app.messaging.pool().acquire().await.map_err(database("taking a connection"))?;
    let due = store::due(&mut conn, AT_ONCE).await?;
    drop(conn);
    for leg_id in &due {
        match wake_some(app, Some(*leg_id)).await {
            Ok(_) => {}
            Err(error) if error.kind() == StoreTrouble::Broken => {
                put_off(app, *leg_id, &error).await?;
            }
            Err(error) => return Err(error),
        }
    }
    Ok(Step::of(due.len()))
}

/// Lets a leg that cannot be handled wait for a person.
async fn put_off(app: &App, leg_id: LegId, error: &StoreError) -> Result<(), StoreError> {
    let mut tx = app.messaging.begin().await?;
    store::put_off(tx.conn(), leg_id, PUT_OFF_FOR.as_secs_f64()).await?;
    tx.commit().await?;
    metrics::add(Counter::JobsFailed, &[("job", "wake legs")], 1);
    tracing::error!(
        leg.id = %leg_id, error = %chassis::chain(error),
        "a leg that is due cannot be handled and is put off"
    );
    Ok(())
}

/// Wakes the legs that are due, or one of them.
async fn wake_some(app: &App, only: Option<LegId>) -> Result<Step, StoreError> {
    let mut tx = app.messaging.begin().await?;
    let due = store::claim_due(tx.conn(), AT_ONCE, only).await?;
    let Some(now) = due.iter().map(|(_, _, now)| *now).max() else { return Ok(Step::Idle) };
    let count = due.len();
    let works = due.into_iter().map(|(leg_id, wished, _)| {
        // A trace of its own: what time starts, nobody waits for. Linked to the wish it serves.
        let span = tracing::info_span!(parent: None, "wake leg", leg.id = %leg_id);
        if let Some(wished) = wished {
            trace::link(&span, &wished);
        }
        let cause = Cause { source: "timer", id: None, span };
        Work { leg_id, input: Input::Fact(Fact::Due), cause }
    });
    let fed = feed(app, &mut tx, works.collect(), Vec::new(), now).await?;
    tx.commit().await?;
    handle::committed(app, fed.follows);
    Ok(Step::Did(count))
}

/// Feeds one batch of callbacks that came lately to the legs there are for them by now. One whose
/// leg cannot be handled waits on, and holds up no other.
///
/// # Errors
/// When the database fails; the callbacks wait on.
pub async fn join_callbacks(app: &App) -> Result<Step, StoreError> {
    join(app, Among::Since(JOIN_OLD_EVERY.as_secs_f64())).await
}

/// The same for callbacks of any age.
///
/// # Errors
/// When the database fails; the callbacks wait on.
pub async fn join_old_callbacks(app: &App) -> Result<Step, StoreError> {
    join(app, Among::All).await
}

/// Drops callbacks that waited in vain for so long that they belong to nobody, a batch at a time.
///
/// # Errors
/// When the database fails.
pub async fn forget_callbacks(app: &App) -> Result<Step, StoreError> {
    let mut conn = app.messaging.pool().acquire().await.map_err(database("taking a connection"))?;
    let gone = store::forget_waiting(&mut conn, WAITS_FOR.as_secs_f64(), FORGET_AT_ONCE).await?;
    Ok(Step::of(usize::try_from(gone).unwrap_or(usize::MAX)))
}

async fn join(app: &App, among: Among) -> Result<Step, StoreError> {
    match join_some(app, among).await {
        Err(error) if error.kind() == StoreTrouble::Broken => join_singly(app, among).await,
        done => done,
    }
}

async fn join_singly(app: &App, among: Among) -> Result<Step, StoreError> {
    let mut tx = app.messaging.begin().await?;
    let waiting = store::waiting(tx.conn(), AT_ONCE, among).await?;
    // Each is taken again by a transaction of its own.
    tx.commit().await?;
    for callback_id in waiting.iter().map(|one| one.callback_id) {
        match join_some(app, Among::One(callback_id)).await {
            Ok(_) => {}
            Err(error) if error.kind() == StoreTrouble::Broken => {
                let mut tx = app.messaging.begin().await?;
                let for_s = PUT_OFF_FOR.as_secs_f64();
                store::put_off_waiting(tx.conn(), callback_id, for_s).await?;
                tx.commit().await?;
                metrics::add(Counter::JobsFailed, &[("job", "join callbacks")], 1);
                tracing::error!(
                    callback.id = %callback_id, error = %chassis::chain(&error),
                    "a callback that waited cannot be joined and is put off"
                );
            }
            Err(error) => return Err(error),
        }
    }
    Ok(Step::of(waiting.len()))
}

/// Joins the callbacks that there are legs for.
async fn join_some(app: &App, among: Among) -> Result<Step, StoreError> {
    let mut tx = app.messaging.begin().await?;
    let waiting = store::waiting(tx.conn(), AT_ONCE, among).await?;
    let Some(now) = waiting.iter().map(|one| one.now).max() else { return Ok(Step::Idle) };
    let ids: Vec<_> = waiting.iter().map(|one| one.callback_id).collect();
    let works = waiting.into_iter().map(|one| {
        let span = tracing::Span::current();
        let cause = Cause { source: "parked", id: Some(one.callback_id), span };
        let (client_reference, reference) = (one.client_reference, one.reference);
        let (callback_id, claim) = (Some(CallbackId(one.callback_id)), one.claim);
        let input = Input::Fact(Fact::Hinted { callback_id, client_reference, reference, claim });
        Work { leg_id: one.leg_id, input, cause }
    });
    let fed = feed(app, &mut tx, works.collect(), Vec::new(), now).await?;
    store::join(tx.conn(), &ids).await?;
    tx.commit().await?;
    handle::committed(app, fed.follows);
    Ok(Step::Did(ids.len()))
}

/// Says, once for each, which callbacks nobody knows a leg for.
///
/// # Errors
/// When the database fails; they are said later.
pub async fn surface_callbacks(app: &App) -> Result<Step, StoreError> {
    let mut tx = app.messaging.begin().await?;
    let surfaced = store::surface(tx.conn(), SURFACE_AFTER.as_secs_f64()).await?;
    tx.commit().await?;
    for (callback_id, supplier) in &surfaced {
        tracing::warn!(
            %callback_id, %supplier,
            "a callback is about a reservation that nobody here knows"
        );
    }
    // All of them at once: there is never more to do in the same minute.
    Ok(Step::Idle)
}
