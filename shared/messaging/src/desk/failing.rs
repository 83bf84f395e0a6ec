//! What becomes of a delivery that failed: its next attempt, or a dead letter.

use chassis::{
    metrics::{self, Counter},
    trace,
};
use chrono::{DateTime, TimeDelta, Utc};
use messaging_core::{self as core, Marks, Next, State};
use rand::Rng as _;
use tracing::Span;

use super::{Desk, Failed};
use crate::{
    handles::Handles,
    inbox::Entry,
    incoming::{Incoming, Post},
    tx::Tx,
};

/// A delivery that failed, and what is known of it.
pub(super) struct Case<'a> {
    pub(super) item: &'a Incoming,
    pub(super) failed: &'a Failed,
    pub(super) marks: Marks,
    pub(super) now: DateTime<Utc>,
}

impl<H: Handles> Desk<H> {
    /// Puts the retry or the dead letter into the transaction, and says what is remembered.
    pub(super) fn give_up_or_retry(&self, tx: &mut Tx, case: &Case<'_>, span: &Span) -> Entry {
        let Case { item, failed, marks, now } = *case;
        let post = Post { routing: &self.speaker.routing, role: self.heard.role() };
        let role = ("consumer", self.heard.role());
        let random = rand::rng().random();
        let next = core::after_failure(item.attempt, marks, failed.trouble, &self.policy, random);
        let (state, marks) = match next {
            Next::Retry { after, marks } => {
                let due_at = now + TimeDelta::from_std(after).unwrap_or(TimeDelta::zero());
                tx.send(item.retry(&post, now, due_at, trace::of(span)));
                metrics::add(Counter::MessagesRetried, &[role], 1);
                span.in_scope(|| {
                    tracing::info!(
                        message.id = %item.id,
                        attempt = item.attempt,
                        detail = failed.detail,
                        "a message is tried again later"
                    );
                });
                (State::Waiting, marks)
            }
            Next::Dead(cause) => {
                tx.send(item.dead(&post, now, cause, &failed.detail));
                metrics::add(Counter::MessagesDead, &[role, ("cause", cause.as_str())], 1);
                span.in_scope(|| {
                    tracing::warn!(
                        message.id = %item.id,
                        attempt = item.attempt,
                        %cause,
                        detail = failed.detail,
                        "a message is given up as a dead letter"
                    );
                });
                (State::Dead, 0)
            }
        };
        span.record("otel.status_code", "ERROR");
        span.record("error.type", failed.trouble.as_str());
        span.record("otel.status_description", failed.detail.as_str());
        Entry { id: item.id, attempt: item.attempt, state, marks }
    }
}
