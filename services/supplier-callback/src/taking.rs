//! Callbacks that come at the same moment are checked by one reading of the clock and kept in one
//! transaction; each gets the answer that it would have got alone.

use std::time::Duration;

use chrono::{DateTime, Utc};
use contracts::supplier::Supplier;
use messaging::{StoreError, Together};
use suppliers::{Callback, Forged, dialect};
use tracing::Span;

use crate::{
    App,
    store::{self, Kept, Raw, Stored},
};

/// As many as one transaction writes in a few milliseconds.
const AT_ONCE: usize = 64;
/// A batch that waits for a lock, or for a slow disk, holds up the next for no longer.
const PATIENCE: Duration = Duration::from_millis(50);
/// A supplier does not feel it, and what comes within it costs one transaction.
const GATHERS: Duration = Duration::from_millis(20);

/// One callback as it came.
pub(crate) struct Push {
    pub(crate) supplier: Supplier,
    pub(crate) raw: Raw,
    /// What it says belongs to the request's trace.
    pub(crate) span: Span,
}

/// What became of a callback.
pub(crate) enum Taken {
    /// It is stored, now or before; what the supplier calls the event.
    Stored(Stored, Option<String>),
    /// Nobody has to believe it.
    Forged(Forged),
    /// It is not stored, or we do not know that it is.
    Unstored(StoreError),
}

/// Where callbacks meet.
pub(crate) struct Taking(Together<Push, Taken>);

impl Taking {
    pub(crate) const fn new() -> Self {
        Self(Together::gathering(AT_ONCE, PATIENCE, GATHERS))
    }

    /// Takes a callback to the end, also when whoever pushed it hangs up. Nothing when that
    /// panicked.
    pub(crate) async fn take(app: &App, push: Push) -> Option<Taken> {
        let task = app.clone();
        let taken = app.process.tasks.to_the_end("take a callback", async move {
            task.taking.0.join(push, |batch| run(&task, batch)).await
        });
        taken.await.flatten()
    }
}

/// One that cannot be stored holds up no other: they are then stored one by one.
async fn run(app: &App, batch: Vec<Push>) -> Vec<Taken> {
    match once(app, &batch).await {
        Ok(taken) => taken,
        Err(error) if batch.len() <= 1 => vec![Taken::Unstored(error)],
        Err(error) => {
            tracing::warn!(
                error = %chassis::chain(&error),
                "callbacks could not be stored together and are stored one by one"
            );
            let mut taken = Vec::with_capacity(batch.len());
            for push in batch.chunks(1) {
                let one = once(app, push).await.map(Vec::into_iter);
                taken.extend(
                    one.map_or_else(|error| Some(Taken::Unstored(error)), |mut one| one.next()),
                );
            }
            taken
        }
    }
}

/// What a callback says, if one of our secrets signed it and it is not older than that.
pub(crate) fn verify(
    app: &App,
    supplier: Supplier,
    raw: &Raw,
    now: DateTime<Utc>,
    age_max: Duration,
) -> Result<Callback, Forged> {
    let secrets = app.secrets.get(&supplier).map(Vec::as_slice).unwrap_or_default();
    dialect(supplier).verify_callback(secrets, now, age_max, &raw.headers, &raw.body)
}

async fn once(app: &App, batch: &[Push]) -> Result<Vec<Taken>, StoreError> {
    let mut tx = app.messaging.begin().await?;
    let now = store::now(tx.conn()).await?;
    let mut checked = Vec::with_capacity(batch.len());
    let mut believed = Vec::new();
    for push in batch {
        let Push { supplier, raw, span } = push;
        let age_max = app.policy.of(*supplier).callback_age_max;
        checked.push(verify(app, *supplier, raw, now, age_max).map(|callback| {
            let event = callback.event.clone();
            believed.push(Kept { supplier: *supplier, callback, raw, span });
            event
        }));
    }
    let mut stored = store::keep(app, &mut tx, now, &believed).await?.into_iter();
    tx.commit().await?;
    let taken = checked.into_iter().map(|checked| match checked {
        // One for each that is believed, in their order.
        Ok(event) => Taken::Stored(stored.next().unwrap_or(Stored::Again), event),
        Err(forged) => Taken::Forged(forged),
    });
    Ok(taken.collect())
}
