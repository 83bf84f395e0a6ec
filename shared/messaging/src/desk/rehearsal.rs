//! What a message would do: the whole way of a delivery up to the commit, and then everything back.
//!
//! The same code that would handle it says so. Nothing leaves the transaction: what is said is not
//! written, what waits for the commit is dropped, and the inbox does not learn of it.

use std::{any::Any, collections::BTreeMap, panic::AssertUnwindSafe};

use contracts::{
    envelope::header,
    internal::{PreviewEffect, PreviewReply},
};
use futures::{FutureExt as _, future::BoxFuture};
use messaging_core::{self as core, Cause, Marks, Next, Seen, State, Trouble, Verdict};
use sqlx::{Executor as _, PgConnection};
use tracing::{Instrument as _, Span};

use super::{Desk, Failed};
use crate::{
    failure::{Failure, Kind, Outcome, StoreError, database},
    handles::{Handled, Handles},
    inbox,
    incoming::Incoming,
    outgoing::OutboxRow,
    tx::Tx,
};

/// Whoever can say what a message would do.
pub(crate) trait Rehearses: Send + Sync {
    /// Runs a delivery and takes everything back.
    fn rehearse(&self, item: Incoming) -> BoxFuture<'_, Result<PreviewReply, StoreError>>;
}

impl<H: Handles> Rehearses for Desk<H> {
    fn rehearse(&self, item: Incoming) -> BoxFuture<'_, Result<PreviewReply, StoreError>> {
        let span = tracing::info_span!(
            "rehearse",
            otel.name = %format_args!("rehearse {}", self.heard.role()),
            message.id = %item.id,
            attempt = item.attempt,
            consumer = self.heard.role(),
        );
        let rehearsing = async move {
            let speaker = std::sync::Arc::clone(&self.speaker);
            let mut tx = Tx::begin(speaker, std::sync::Arc::clone(&self.relay)).await?;
            let reply = self.rehearse_in(&mut tx, &item).await;
            // Dropped on any way out, it is rolled back as well; this way the answer waits for it.
            let undone = tx.rollback().await;
            let reply = reply?;
            undone.map(|()| reply)
        };
        rehearsing.instrument(span).boxed()
    }
}

impl<H: Handles> Desk<H> {
    async fn rehearse_in(&self, tx: &mut Tx, item: &Incoming) -> Result<PreviewReply, StoreError> {
        let (now, seen) = inbox::read(tx.conn(), self.heard.role(), &[item.id.0]).await?;
        let row = seen.get(&item.id).copied();
        let delivery = core::Delivery { attempt: item.attempt, redelivered: false };
        if core::verdict(delivery, row, self.policy.crash_marks_max) == Verdict::Repeat {
            return Ok(repeat(row));
        }
        let received = match self.decode(item, now, &Span::current()) {
            Ok(received) => received,
            Err(failed) => return Ok(self.failing(item, row, &failed)),
        };
        let subject = received.envelope.subject;
        let before = self.handler.standing(tx.conn(), subject).await?;
        let written_before = written(tx.conn()).await?;
        let handling = self.handler.handle(tx, vec![received]);
        let handled = AssertUnwindSafe(handling).catch_unwind().await;
        let after = match came_to(handled) {
            Ok(after) => after,
            Err(Came::Failed(failed)) => return Ok(self.failing(item, row, &failed)),
            Err(Came::Store(error)) if error.kind() == Kind::Broken => {
                let failed = Failed { trouble: Trouble::Transient, detail: error.to_string() };
                return Ok(self.failing(item, row, &failed));
            }
            Err(Came::Store(error)) => return Err(error),
        };
        // What is checked at the commit is checked now: there will be no commit.
        if let Err(source) = tx.conn().execute("set constraints all immediate").await {
            let detail = StoreError::Database { doing: "committing", source }.to_string();
            let failed = Failed { trouble: Trouble::Transient, detail };
            return Ok(self.failing(item, row, &failed));
        }
        let mut changes = changed(&written_before, &written(tx.conn()).await?);
        let after_it = self.handler.standing(tx.conn(), subject).await?;
        changes.extend(tx.said().iter().map(said));
        if after > 0 {
            changes.push(format!("starts what follows the commit: {after}"));
        }
        let (effect, why) = if changes.is_empty() {
            (PreviewEffect::NoChange, "it is handled and changes nothing")
        } else {
            (PreviewEffect::Changes, "it is handled and takes effect")
        };
        Ok(PreviewReply { effect, why: why.to_owned(), before, after: after_it, changes })
    }

    /// What follows when the delivery fails, by the rule that would decide it.
    fn failing(&self, item: &Incoming, row: Option<Seen>, failed: &Failed) -> PreviewReply {
        let marks = Marks { count: row.map_or(0, |row| row.marks), paid: false };
        let next = core::after_failure(item.attempt, marks, failed.trouble, &self.policy, 0);
        let detail = &failed.detail;
        let (effect, why) = match next {
            Next::Dead(cause) => {
                (PreviewEffect::DeadAgain, format!("it becomes a dead letter, {cause}: {detail}"))
            }
            Next::Retry { .. } => {
                (PreviewEffect::FailsForNow, format!("it fails and is tried again: {detail}"))
            }
        };
        reply(effect, why)
    }
}

enum Came {
    Failed(Failed),
    Store(StoreError),
}

/// How many things wait for the commit, if the delivery took effect.
fn came_to<A>(
    handled: Result<Result<Handled<A>, StoreError>, Box<dyn Any + Send>>,
) -> Result<usize, Came> {
    let permanent = Trouble::Permanent(Cause::Rejected);
    let (trouble, detail) = match handled {
        Ok(Ok(Handled { outcomes, after })) => match outcomes.into_iter().next() {
            Some(Outcome::Done) => return Ok(after.len()),
            Some(Outcome::Failed(Failure::Retry(doing))) => (Trouble::Transient, doing),
            Some(Outcome::Failed(Failure::Reject(doing))) => (permanent, doing),
            None => (Trouble::Panic, "the handler gave no answer".to_owned()),
        },
        Ok(Err(error)) => return Err(Came::Store(error)),
        Err(_panic) => (Trouble::Panic, "the handler panicked".to_owned()),
    };
    Err(Came::Failed(Failed { trouble, detail }))
}

fn repeat(row: Option<Seen>) -> PreviewReply {
    let why = match row {
        Some(Seen { state: State::Done, .. }) => "it took effect before".to_owned(),
        Some(Seen { attempt: Some(attempt), .. }) => {
            format!("this delivery ended before; the last one that did was attempt {attempt}")
        }
        Some(Seen { attempt: None, .. }) | None => "this delivery ended before".to_owned(),
    };
    reply(PreviewEffect::Repeat, why)
}

fn reply(effect: PreviewEffect, why: String) -> PreviewReply {
    PreviewReply { effect, why, before: None, after: None, changes: Vec::new() }
}

fn said(row: &OutboxRow) -> String {
    let name = row.headers.get(header::TYPE).and_then(serde_json::Value::as_str);
    let later = if row.due_at.is_some() { " later" } else { "" };
    format!("says {}{later}", name.unwrap_or(&row.routing_key))
}

/// Rows of a table that were added, changed and removed.
type Written = [i64; 3];

/// What this transaction has written so far, by table.
///
/// The server counts by connection, and what an earlier transaction did may still be among it: only
/// the difference of two looks says something.
async fn written(conn: &mut PgConnection) -> Result<BTreeMap<String, Written>, StoreError> {
    let rows: Vec<(String, i64, i64, i64)> = sqlx::query_as(
        "select relname::text, n_tup_ins, n_tup_upd, n_tup_del from pg_stat_xact_user_tables
          where n_tup_ins + n_tup_upd + n_tup_del > 0",
    )
    .fetch_all(conn)
    .await
    .map_err(database("looking at what was written"))?;
    Ok(rows.into_iter().map(|(table, ins, upd, del)| (table, [ins, upd, del])).collect())
}

fn changed(before: &BTreeMap<String, Written>, now: &BTreeMap<String, Written>) -> Vec<String> {
    let mut lines = Vec::new();
    for (table, now) in now {
        let before = before.get(table).copied().unwrap_or_default();
        for ((what, now), before) in ["added", "changed", "removed"].iter().zip(now).zip(before) {
            let count = now - before;
            if count > 0 {
                lines.push(format!("{table}: {count} {what}"));
            }
        }
    }
    lines
}
