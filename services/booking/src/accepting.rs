//! Requests to book that come at the same moment are committed together; each gets the answer that
//! it would have got alone.

use std::{collections::BTreeSet, time::Duration};

use messaging::{StoreError, Together, database};

use crate::{
    App,
    store::{self, Accepted, NewBooking},
};

/// As many as one transaction writes in a few milliseconds.
const AT_ONCE: usize = 64;
/// A batch that waits for a lock, or for a slow disk, holds up the next for no longer.
const PATIENCE: Duration = Duration::from_millis(50);

/// Where requests to book meet.
pub(crate) struct Accepting(Together<NewBooking, Answer>);

enum Answer {
    /// What became of it.
    Ended(Result<Accepted, StoreError>),
    /// It was not accepted with the others; why, it finds out alone.
    Alone(Box<NewBooking>),
}

impl Accepting {
    pub(crate) const fn new() -> Self {
        Self(Together::new(AT_ONCE, PATIENCE))
    }

    /// Accepts a booking, or says why not, and hands its messages to the relay.
    ///
    /// Must be awaited to the end: others may be in the same transaction.
    pub(crate) async fn accept(&self, app: &App, new: NewBooking) -> Result<Accepted, StoreError> {
        match self.0.join(new, |batch| Box::pin(run(app, batch))).await {
            Some(Answer::Ended(result)) => result,
            Some(Answer::Alone(new)) => alone(app, &new).await,
            // Whoever ran the batch panicked; what became of it, the next request finds.
            None => Ok(Accepted::Busy),
        }
    }
}

async fn run(app: &App, batch: Vec<NewBooking>) -> Vec<Answer> {
    if let [only] = batch.as_slice() {
        return vec![Answer::Ended(alone(app, only).await)];
    }
    let booked = together(app, &batch).await.unwrap_or_else(|error| {
        tracing::debug!(error = %chassis::chain(&error), "requests are accepted one by one");
        BTreeSet::new()
    });
    let answer = |new: NewBooking| {
        if booked.contains(&new.booking_id) {
            Answer::Ended(Ok(Accepted::Booked))
        } else {
            Answer::Alone(Box::new(new))
        }
    };
    batch.into_iter().map(answer).collect()
}

/// Accepts what nobody else is after: the first of each quote and key. Gives their ids.
async fn together(app: &App, batch: &[NewBooking]) -> Result<BTreeSet<uuid::Uuid>, StoreError> {
    let (mut quotes, mut keys) = (BTreeSet::new(), BTreeSet::new());
    let mut firsts = Vec::with_capacity(batch.len());
    for new in batch {
        let key = (new.account.as_str(), new.key.as_str());
        if !keys.contains(&key) && quotes.insert(new.quote_id) {
            keys.insert(key);
            firsts.push(new);
        }
    }
    let mut tx = app.messaging.begin().await?;
    let booked = store::accept_together(tx.conn(), &firsts).await?;
    for new in firsts.iter().filter(|new| booked.contains(&new.booking_id)) {
        for row in &new.outbox {
            tx.send(row.clone());
        }
    }
    tx.commit().await?;
    Ok(booked)
}

async fn alone(app: &App, new: &NewBooking) -> Result<Accepted, StoreError> {
    let mut conn = app.pool.acquire().await.map_err(database("connecting"))?;
    let accepted = store::accept(&mut conn, new).await?;
    drop(conn);
    if accepted == Accepted::Booked {
        app.messaging.committed(new.outbox.clone());
    }
    Ok(accepted)
}
