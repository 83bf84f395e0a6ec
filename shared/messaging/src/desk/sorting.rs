//! What each delivery of a batch is: to be handled, failed already, or a repeat.

use std::{borrow::Cow, collections::BTreeMap, panic::AssertUnwindSafe};

use chrono::{DateTime, Utc};
use contracts::ids::MessageId;
use messaging_core::{self as core, Cause, Seen, Trouble, Verdict};
use tracing::Span;

use super::{Broke, Desk, Failed, Progress};
use crate::{
    handles::{Handles, Received},
    incoming::Incoming,
    subscription::NotHeard,
};

/// What a batch is made of, once the inbox was read.
pub(super) struct Sorted<I> {
    pub(super) handle: Vec<(usize, Received<I>)>,
    pub(super) failed: Vec<(usize, Failed)>,
    pub(super) repeats: u64,
}

/// The batch, in which bytes without an id that came here before are one attempt more: each time
/// that they are sent has an end of its own.
pub(super) fn numbered<'a>(
    batch: &'a [Incoming],
    seen: &BTreeMap<MessageId, Seen>,
) -> Cow<'a, [Incoming]> {
    let ended = |item: &Incoming| {
        seen.get(&item.id).filter(|_| item.is_fresh_and_nameless()).and_then(|row| row.attempt)
    };
    if batch.iter().all(|item| ended(item).is_none()) {
        return Cow::Borrowed(batch);
    }
    let numbered = batch.iter().map(|item| {
        let next = ended(item).map_or(0, |attempt| attempt.saturating_add(1));
        Incoming { attempt: item.attempt.max(next), ..item.clone() }
    });
    numbered.collect()
}

impl<H: Handles> Desk<H> {
    /// Says for each delivery what it is: to be handled, failed already, or a repeat.
    pub(super) fn sort(
        &self,
        batch: &[Incoming],
        progress: &Progress,
        now: DateTime<Utc>,
        seen: &BTreeMap<MessageId, Seen>,
        spans: &[Span],
    ) -> Result<Sorted<H::Inbound>, Broke> {
        let mut sorted =
            Sorted { handle: Vec::with_capacity(batch.len()), failed: Vec::new(), repeats: 0 };
        for (place, (item, span)) in batch.iter().zip(spans).enumerate() {
            let delivery = core::Delivery { attempt: item.attempt, redelivered: item.redelivered };
            let row = seen.get(&item.id).copied();
            match core::verdict(delivery, row, self.policy.crash_marks_max) {
                Verdict::Repeat => {
                    sorted.repeats += 1;
                    continue;
                }
                Verdict::Alone if !progress.marked => return Err(Broke::Unmarked),
                Verdict::Quarantine if !progress.marked => {
                    let detail = "its consumer ended each time before it was handled".to_owned();
                    sorted.failed.push((
                        place,
                        Failed { trouble: Trouble::Permanent(Cause::Crash), detail },
                    ));
                    continue;
                }
                Verdict::Handle | Verdict::Alone | Verdict::Quarantine => {}
            }
            if let Some(failed) = progress.failed.get(&place) {
                sorted.failed.push((place, failed.clone()));
                continue;
            }
            match self.decode(item, now, span) {
                Ok(received) => sorted.handle.push((place, received)),
                Err(failed) => sorted.failed.push((place, failed)),
            }
        }
        Ok(sorted)
    }

    pub(super) fn decode(
        &self,
        item: &Incoming,
        now: DateTime<Utc>,
        span: &Span,
    ) -> Result<Received<H::Inbound>, Failed> {
        let failed = |cause, detail| Failed { trouble: Trouble::Permanent(cause), detail };
        let envelope =
            item.envelope.clone().map_err(|detail| failed(Cause::Undecodable, detail))?;
        // A conversion of a service's own may panic as well as its handler.
        let decoding = AssertUnwindSafe(|| self.heard.decode(&envelope.r#type, &item.body));
        let inbound = match std::panic::catch_unwind(decoding) {
            Ok(Ok(inbound)) => inbound,
            Ok(Err(error @ NotHeard::UnknownType { .. })) => {
                return Err(failed(Cause::UnknownType, error.to_string()));
            }
            Ok(Err(error @ NotHeard::Undecodable { .. })) => {
                return Err(failed(Cause::Undecodable, error.to_string()));
            }
            Err(_panic) => {
                let detail = "decoding panicked".to_owned();
                return Err(Failed { trouble: Trouble::Panic, detail });
            }
        };
        Ok(Received { envelope, inbound, now, span: span.clone() })
    }
}
