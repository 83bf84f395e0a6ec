//! Fetches callbacks that a supplier could not deliver, and takes them like those that were pushed:
//! stored once, said once, a hint and never more.
//!
//! supplier-sync asks, which has the account and its budget. The supplier gives each out once: what
//! is lost between its answer and our commit is found by the sweep of what it was about, as any
//! callback is that never came.

use std::time::Duration;

use chassis::metrics::{self, Counter};
use contracts::supplier::Supplier;
use messaging::{Step, StoreError, database};
use suppliers::dialect;
use tracing::Span;

use crate::{
    App,
    store::{self, Kept, Raw, Stored},
};

/// How often the job looks whether a supplier is due.
const LOOK_EVERY: Duration = Duration::from_secs(30);
/// A door that was shut was shut for longer than the supplier's last try.
const ASK_EVERY: Duration = Duration::from_secs(5 * 60);
/// After a failure, and for as long as one process asks.
const AGAIN_AFTER: Duration = Duration::from_secs(60);
/// supplier-sync waits a little less for the supplier.
const WITHIN: Duration = Duration::from_secs(20);
/// What fails for longer is told to a person.
pub(crate) const TOLD_AFTER: Duration = Duration::from_secs(15 * 60);
/// They are given out once, so storing them is tried more than once.
const TRIES: u32 = 5;
const TRY_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// Starts the job.
pub(crate) fn start(app: &App) {
    let ours = app.clone();
    messaging::job(&app.process, "fetch undelivered callbacks", LOOK_EVERY, move || {
        let app = ours.clone();
        async move { fetch_undelivered(&app).await }
    });
}

/// Asks one supplier that is due.
///
/// # Errors
/// When the database fails; it is asked again.
pub async fn fetch_undelivered(app: &App) -> Result<Step, StoreError> {
    for supplier in app.secrets.keys().copied().filter(|s| dialect(*s).keeps_undelivered()) {
        let mut conn = connection(app).await?;
        let is_due = store::take_due(&mut conn, supplier, AGAIN_AFTER.as_secs_f64()).await?;
        drop(conn);
        if is_due {
            return fetch(app, supplier).await;
        }
    }
    Ok(Step::Idle)
}

async fn fetch(app: &App, supplier: Supplier) -> Result<Step, StoreError> {
    let url = format!("{}/internal/suppliers/{supplier}/undelivered", app.supplier_sync_url);
    let asked = app.http.post_json(&url, &(), Some(&app.internal_token), WITHIN).await;
    let bodies: Vec<String> = match asked {
        Ok(bodies) => bodies,
        Err(error) => {
            tracing::warn!(
                error = %chassis::chain(&error), %supplier,
                "callbacks that could not be delivered cannot be fetched"
            );
            let mut conn = connection(app).await?;
            store::asked(&mut conn, supplier, false, AGAIN_AFTER.as_secs_f64()).await?;
            return Ok(Step::Idle);
        }
    };
    let mut tries = 1;
    loop {
        match keep(app, supplier, &bodies).await {
            Ok(new) => return Ok(Step::of(new)),
            Err(error) if tries == TRIES => {
                tracing::error!(
                    %supplier, count = bodies.len(),
                    "callbacks were fetched and could not be stored; what they are about is swept"
                );
                return Err(error);
            }
            Err(_) => {}
        }
        tries += 1;
        tokio::time::sleep(TRY_AGAIN_AFTER).await;
    }
}

/// Stores them and says how many are new; where some were, there may be more.
async fn keep(app: &App, supplier: Supplier, bodies: &[String]) -> Result<usize, StoreError> {
    let read = |body: &String| {
        let callback = dialect(supplier).undelivered_callback(body)?;
        Some((callback, Raw { headers: Vec::new(), body: body.as_bytes().to_vec() }))
    };
    let read: Vec<_> = bodies.iter().filter_map(read).collect();
    let span = Span::current();
    let kept = read.iter().map(|(callback, raw)| Kept {
        supplier,
        callback: callback.clone(),
        raw,
        span: &span,
    });
    let kept: Vec<Kept<'_>> = kept.collect();
    let mut tx = app.messaging.begin().await?;
    let now = store::now(tx.conn()).await?;
    let stored = store::keep(app, &mut tx, now, &kept).await?;
    let new = stored.iter().filter(|stored| **stored == Stored::First).count();
    let again = if new == 0 { ASK_EVERY } else { Duration::ZERO };
    store::asked(tx.conn(), supplier, true, again.as_secs_f64()).await?;
    tx.commit().await?;
    let labels = [("supplier", supplier.word()), ("verdict", "undelivered")];
    metrics::add(Counter::CallbacksReceived, &labels, u64::try_from(new).unwrap_or(0));
    if !bodies.is_empty() {
        tracing::info!(%supplier, new, count = bodies.len(), "undelivered callbacks were fetched");
    }
    Ok(new)
}

async fn connection(app: &App) -> Result<sqlx::pool::PoolConnection<sqlx::Postgres>, StoreError> {
    app.messaging.pool().acquire().await.map_err(database("taking a connection"))
}
