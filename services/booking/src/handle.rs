//! The one door: messages, timers and requests all become facts or commands and go through here.

use std::collections::BTreeMap;

use booking_core::{
    Booking, Command, Effect, Fact, Inbound, Policy, Recorded, Refusal, State, decide, effects,
    learn, record,
};
use chrono::{DateTime, Utc};
use contracts::ids::MessageId;
use messaging::{Handled, Handles, Outcome, Outgoing, Received, StoreError, Tx, retry};
use sqlx::PgConnection;
use tracing::Span;
use uuid::Uuid;

use crate::{
    App,
    store::{self, Saved, Timer},
};

/// What is fed to a booking.
pub(crate) enum Input {
    Fact(Fact),
    Command(Command),
}

/// Where an input came from, for the journal.
#[derive(Clone)]
pub(crate) struct Cause {
    pub(crate) source: &'static str,
    pub(crate) actor: String,
    pub(crate) id: Option<Uuid>,
    pub(crate) span: Span,
}

/// Why an input changed nothing.
#[derive(Debug)]
pub(crate) enum Unhandled {
    /// A business "no".
    Refused(Refusal),
    /// The booking's row cannot be read; until somebody mends it nothing can be done with it.
    Unreadable(String),
}

/// Handles what messages bring.
pub(crate) struct Handler {
    app: App,
}

impl Handler {
    pub(crate) const fn new(app: App) -> Self {
        Self { app }
    }
}

impl Handles for Handler {
    type Inbound = Inbound;
    type After = ();

    async fn handle(
        &self,
        tx: &mut Tx,
        batch: Vec<Received<Inbound>>,
    ) -> Result<Handled<()>, StoreError> {
        let now = batch.iter().map(|r| r.now).max();
        let Some(now) = now else { return Ok(Handled { outcomes: Vec::new(), after: Vec::new() }) };
        let inputs = batch.into_iter().map(|received| {
            let cause = Cause {
                source: "message",
                actor: received.envelope.source.clone(),
                id: Some(received.envelope.id.0),
                span: received.span.clone(),
            };
            (received.inbound.booking_id.0, Input::Fact(received.inbound.fact), cause)
        });
        let outcomes = handle(&self.app, tx, inputs.collect(), now).await?;
        let outcomes = outcomes.into_iter().map(|outcome| match outcome {
            Ok(()) | Err(Unhandled::Refused(Refusal::NotAllowed { .. })) => Outcome::Done,
            // Its accept is committed before anything is said of it, so this one is early or lost.
            Err(Unhandled::Refused(Refusal::Unknown)) => {
                Outcome::Failed(retry("finding the booking"))
            }
            Err(Unhandled::Refused(refusal)) => Outcome::Failed(messaging::reject(refusal)),
            Err(Unhandled::Unreadable(why)) => Outcome::Failed(messaging::reject(why)),
        });
        Ok(Handled { outcomes: outcomes.collect(), after: Vec::new() })
    }

    async fn standing(
        &self,
        conn: &mut PgConnection,
        subject: Uuid,
    ) -> Result<Option<String>, StoreError> {
        store::standing(conn, subject).await
    }
}

/// A booking while a batch goes over it.
struct Touched {
    state: State,
    /// Events with the input that brought them, in order.
    changes: Vec<(Vec<Recorded>, Cause)>,
}

/// Feeds `inputs` to their bookings and writes what follows; one answer each, in order.
///
/// # Errors
/// When the database fails or a version moved; then nothing of the batch may be committed.
pub(crate) async fn handle(
    app: &App,
    tx: &mut Tx,
    inputs: Vec<(Uuid, Input, Cause)>,
    now: DateTime<Utc>,
) -> Result<Vec<Result<(), Unhandled>>, StoreError> {
    let mut ids: Vec<Uuid> = inputs.iter().map(|(id, _, _)| *id).collect();
    ids.sort_unstable();
    ids.dedup();
    let (mut touched, unreadable) = load(tx, &ids).await?;
    let policy = Policy::of(&app.policy);
    let mut answers = Vec::with_capacity(inputs.len());
    let (mut said, mut timers) = (Vec::new(), Vec::new());
    for (id, input, cause) in inputs {
        let Some(touched) = touched.get_mut(&id) else {
            let why = unreadable.get(&id).cloned().map(Unhandled::Unreadable);
            answers.push(Err(why.unwrap_or(Unhandled::Refused(Refusal::Unknown))));
            continue;
        };
        let answer = cause.span.in_scope(|| {
            let events = step(&mut touched.state, &input, &policy, now)?;
            if let (false, Some(after)) = (events.is_empty(), touched.state.as_deref()) {
                follow(&events, after, &mut said, &mut timers);
                touched.changes.push((events, cause.clone()));
            }
            Ok(())
        });
        answers.push(answer.map_err(Unhandled::Refused));
    }
    write(tx, &touched, &timers).await?;
    tx.say_all(said);
    Ok(answers)
}

/// The bookings, and why some of them cannot be read.
type Loaded = (BTreeMap<Uuid, Touched>, BTreeMap<Uuid, String>);

async fn load(tx: &mut Tx, ids: &[Uuid]) -> Result<Loaded, StoreError> {
    let (mut touched, mut unreadable) = (BTreeMap::new(), BTreeMap::new());
    for (id, row) in store::load_for_update(tx.conn(), ids).await? {
        match row {
            Ok(booking) => {
                let state = Some(Box::new(booking));
                touched.insert(id, Touched { state, changes: Vec::new() });
            }
            Err(error) => {
                // Of the text only what names the table: the reader's own may quote the row.
                let error = error.to_string();
                tracing::error!(booking.id = %id, error, "a booking's row cannot be read");
                unreadable.insert(id, error);
            }
        }
    }
    Ok((touched, unreadable))
}

/// One input: what happened, folded in.
fn step(
    state: &mut State,
    input: &Input,
    policy: &Policy,
    now: DateTime<Utc>,
) -> Result<Vec<Recorded>, Refusal> {
    let events = match input {
        Input::Fact(fact) => learn(state, fact, now),
        Input::Command(command) => decide(state, command, policy, now)?,
    };
    let before = state.as_deref().map(|booking| booking.phase);
    let (after, recorded) = record(state.take(), events, now);
    if let (Some(before), Some(after)) = (before, after.as_deref())
        && before != after.phase
    {
        tracing::info!(
            booking.id = %after.booking_id,
            "the booking went from {before:?} to {:?}", after.phase
        );
    }
    *state = after;
    Ok(recorded)
}

/// What follows from the events of one input: messages and timers.
pub(crate) fn follow(
    events: &[Recorded],
    after: &Booking,
    said: &mut Vec<Outgoing>,
    timers: &mut Vec<Timer>,
) {
    let traceparent = chassis::trace::current().map(|context| context.traceparent);
    for entry in events {
        for (n, effect) in (0_u64..).zip(effects(after, entry)) {
            let id = MessageId::caused_by(entry.at, after.booking_id.0, entry.version, n);
            match effect {
                Effect::WakeAt { deadline, at } => timers.push(Timer {
                    booking_id: after.booking_id.0,
                    deadline: deadline.word(),
                    due_at: at,
                    traceparent: traceparent.clone(),
                }),
                Effect::Leg(m) => said.push(Outgoing::new(id, entry.at, &m)),
                Effect::Guests(m) => said.push(Outgoing::new(id, entry.at, &m)),
                Effect::Points(m) => said.push(Outgoing::new(id, entry.at, &m)),
                Effect::Prepare(m) => said.push(Outgoing::new(id, entry.at, &m)),
                Effect::Close(m) => said.push(Outgoing::new(id, entry.at, &m)),
                Effect::Refund(m) => said.push(Outgoing::new(id, entry.at, &m)),
                Effect::Confirmed(m) => said.push(Outgoing::new(id, entry.at, &m)),
                Effect::Failed(m) => said.push(Outgoing::new(id, entry.at, &m)),
                Effect::Cancelled(m) => said.push(Outgoing::new(id, entry.at, &m)),
                Effect::LegReplaced(m) => said.push(Outgoing::new(id, entry.at, &m)),
                Effect::LegCancelled(m) => said.push(Outgoing::new(id, entry.at, &m)),
                Effect::MoneyReversed(m) => said.push(Outgoing::new(id, entry.at, &m)),
                Effect::Moved(m) => said.push(Outgoing::new(id, entry.at, &m)),
                Effect::Completed(m) => said.push(Outgoing::new(id, entry.at, &m)),
            }
        }
    }
}

async fn write(
    tx: &mut Tx,
    touched: &BTreeMap<Uuid, Touched>,
    timers: &[Timer],
) -> Result<(), StoreError> {
    let mut rows = Vec::new();
    let mut journal = Vec::new();
    for Touched { state, changes } in touched.values() {
        let events = changes.iter().map(|(events, _)| events.len()).sum::<usize>();
        let Some(booking) = state.as_deref().filter(|_| events > 0) else { continue };
        rows.push((booking, events));
        for (events, cause) in changes {
            journal.push(Saved {
                booking,
                events,
                source: cause.source,
                actor: cause.actor.clone(),
                cause_id: cause.id,
                trace_id: chassis::trace::trace_id(&cause.span),
            });
        }
    }
    store::save(tx.conn(), &rows, &journal).await?;
    store::set_timers(tx.conn(), timers).await
}
