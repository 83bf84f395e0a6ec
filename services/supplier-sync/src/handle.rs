//! The one door: messages, answers and timers all become commands or facts of a leg and go through
//! here.

mod noted;

use std::{collections::BTreeMap, time::Instant};

use chassis::{
    metrics::{self, Counter},
    trace::{self, TraceContext},
};
use chrono::{DateTime, Utc};
use contracts::{
    ids::{LegId, MessageId},
    messages::CallbackReceived,
    supplier::Supplier,
};
use messaging::{Handled, Handles, Outcome, Outgoing, Received, StoreError, Tx};
use sqlx::PgConnection;
use supplier_sync_core::{
    Call, Command, Drift, Effect, Event, Fact, Policy, Recorded, Refusal, State, decide, drifts,
    effects, learn, record,
};
use tracing::Span;
use uuid::Uuid;

use self::noted::Noted;
use crate::{
    App, calls,
    consumers::Inbound,
    store::{self, Changed, Entry, NewCase},
};

/// What is fed to a leg.
pub(crate) enum Input {
    Command(Command),
    Fact(Fact),
}

/// Where an input came from.
#[derive(Clone)]
pub(crate) struct Cause {
    /// `message`, `answer`, `timer`, `parked` or `staff`.
    pub(crate) source: &'static str,
    pub(crate) id: Option<Uuid>,
    pub(crate) span: Span,
}

/// One input for one leg.
pub(crate) struct Work {
    pub(crate) leg_id: LegId,
    pub(crate) input: Input,
    pub(crate) cause: Cause,
}

/// A call that is to be made once its event is committed.
pub(crate) struct Started {
    pub(crate) call: Box<Call>,
    pub(crate) trace: Option<TraceContext>,
    /// When its lease began, by this process's own timer.
    pub(crate) began: Instant,
}

/// What follows once a batch is committed, and not before: it may be taken back.
pub(crate) enum Follow {
    Call(Started),
    /// A person, or a board, is to see this event.
    Note(Box<Noted>),
}

/// What a batch came to.
pub(crate) struct Fed {
    /// One answer for each input, in order.
    pub(crate) answers: Vec<Result<(), Refusal>>,
    pub(crate) follows: Vec<Follow>,
}

/// Does what follows of batches that are committed.
pub(crate) fn committed(app: &App, follows: Vec<Follow>) {
    let mut started = Vec::new();
    for follow in follows {
        match follow {
            Follow::Call(call) => started.push(call),
            Follow::Note(noted) => noted.tell(),
        }
    }
    calls::begin(app, started);
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
    type After = Follow;

    async fn handle(
        &self,
        tx: &mut Tx,
        batch: Vec<Received<Inbound>>,
    ) -> Result<Handled<Follow>, StoreError> {
        let Some(now) = batch.iter().map(|received| received.now).max() else {
            return Ok(Handled { outcomes: Vec::new(), after: Vec::new() });
        };
        let mut outcomes = vec![Outcome::Done; batch.len()];
        let mut works = Vec::with_capacity(batch.len());
        let mut callbacks = Vec::new();
        for (n, received) in batch.into_iter().enumerate() {
            let Received { envelope, inbound, span, .. } = received;
            let cause = Cause { source: "message", id: Some(envelope.id.0), span };
            match inbound {
                Inbound::Leg(inbound) => {
                    let input = Input::Command(inbound.command);
                    works.push((Some(n), Work { leg_id: inbound.leg_id, input, cause }));
                }
                Inbound::Callback(callback) => callbacks.push((callback, cause)),
            }
        }
        works.extend(hints(tx, callbacks).await?.into_iter().map(|work| (None, work)));
        let (places, works): (Vec<_>, Vec<_>) = works.into_iter().unzip();
        let fed = feed(&self.app, tx, works, Vec::new(), now).await?;
        for (place, answer) in places.into_iter().zip(fed.answers) {
            let outcome = place.and_then(|n| outcomes.get_mut(n));
            if let (Some(outcome), Err(refusal)) = (outcome, answer) {
                *outcome = Outcome::Failed(messaging::reject(refusal));
            }
        }
        Ok(Handled { outcomes, after: fed.follows })
    }

    async fn standing(
        &self,
        conn: &mut PgConnection,
        subject: Uuid,
    ) -> Result<Option<String>, StoreError> {
        store::standing(conn, subject).await
    }

    fn committed(&self, after: Vec<Follow>) {
        committed(&self.app, after);
    }
}

/// The legs that callbacks are about. A callback about none that is known is kept until there is
/// one.
async fn hints(
    tx: &mut Tx,
    callbacks: Vec<(CallbackReceived, Cause)>,
) -> Result<Vec<Work>, StoreError> {
    if callbacks.is_empty() {
        return Ok(Vec::new());
    }
    let asked: Vec<&CallbackReceived> = callbacks.iter().map(|(callback, _)| callback).collect();
    let legs = store::legs_of(tx.conn(), &asked).await?;
    let mut works = Vec::new();
    let mut unknown = Vec::new();
    for ((callback, cause), leg_id) in callbacks.into_iter().zip(legs) {
        match leg_id {
            Some(leg_id) => works.push(Work { leg_id, input: hint(&callback), cause }),
            None => unknown.push(callback),
        }
    }
    store::park(tx.conn(), &unknown).await?;
    Ok(works)
}

fn hint(callback: &CallbackReceived) -> Input {
    Input::Fact(Fact::Hinted {
        callback_id: Some(callback.callback_id),
        claim: callback.claim,
        client_reference: callback.client_reference.clone(),
        reference: callback.reference.clone(),
    })
}

/// Feeds inputs to their legs, one after the other, and writes and says what follows. What was
/// found odd beside them is written with what they show: a transaction takes its cases in one
/// order, once, so that no two wait for each other in a circle.
///
/// # Errors
/// When the database fails or a leg moved; then nothing of the batch may be committed.
pub(crate) async fn feed(
    app: &App,
    tx: &mut Tx,
    works: Vec<Work>,
    cases: Vec<NewCase>,
    now: DateTime<Utc>,
) -> Result<Fed, StoreError> {
    let mut ids: Vec<Uuid> = works.iter().map(|work| work.leg_id.0).collect();
    ids.sort_unstable();
    ids.dedup();
    let loaded = store::load_for_update(tx.conn(), &ids).await?;
    let mut touched: BTreeMap<LegId, Touched> =
        loaded.into_iter().map(|(leg, trace)| (leg.leg_id, Touched::of(leg, trace))).collect();
    let mut answers = Vec::with_capacity(works.len());
    let mut follows = Follows { cases, ..Follows::default() };
    for Work { leg_id, input, cause } in works {
        let leg = touched.entry(leg_id).or_default();
        let step = || leg.step(app, &input, &cause, now, &mut follows);
        answers.push(cause.span.in_scope(step));
    }
    let (idle, changed): (Vec<_>, Vec<_>) =
        touched.into_values().partition(|leg| leg.entries.is_empty());
    let idle = idle.iter().filter(|leg| leg.woken).filter_map(|leg| leg.state.as_deref());
    store::sleep_again(tx.conn(), &idle.collect::<Vec<_>>(), &app.rules, now).await?;
    let changed: Vec<Changed> = changed.into_iter().filter_map(Touched::changed).collect();
    store::save(tx.conn(), &changed, &app.rules).await?;
    store::open_cases(tx.conn(), &follows.cases).await?;
    tx.say_all(follows.said);
    Ok(Fed { answers, follows: follows.after })
}

#[derive(Default)]
struct Follows {
    said: Vec<Outgoing>,
    after: Vec<Follow>,
    cases: Vec<NewCase>,
}

/// A leg while a batch goes over it.
#[derive(Default)]
struct Touched {
    state: State,
    version_before: u64,
    trace: Option<TraceContext>,
    entries: Vec<Entry>,
    /// Whether it was due.
    woken: bool,
    /// References that were not known before the batch.
    attempts: Vec<(String, u32)>,
    references: Vec<String>,
}

impl Touched {
    fn of(leg: Box<supplier_sync_core::Leg>, trace: Option<TraceContext>) -> Self {
        Self { version_before: leg.version, state: Some(leg), trace, ..Self::default() }
    }

    /// One input: what happened, folded in; what is to be said and done of it.
    fn step(
        &mut self,
        app: &App,
        input: &Input,
        cause: &Cause,
        now: DateTime<Utc>,
        follows: &mut Follows,
    ) -> Result<(), Refusal> {
        let Some(supplier) = supplier(&self.state, input) else { return Ok(()) };
        let Some(policy) = app.rules.get(&supplier) else { return Ok(()) };
        self.woken |= matches!(input, Input::Fact(Fact::Due));
        let events = match input {
            Input::Command(command) => {
                if matches!(command, Command::Want { .. }) {
                    self.trace = trace::of(&cause.span).or_else(|| self.trace.take());
                }
                decide(&self.state, command, policy, now)?
            }
            Input::Fact(fact) => learn(&self.state, fact, policy, now),
        };
        let trace_id = trace::trace_id(&cause.span);
        for event in events {
            self.note_references(&event);
            // Effects are seen from the leg just after their event.
            let (state, recorded) = record(self.state.take(), vec![event], now);
            self.state = state;
            for one in recorded {
                self.follow(&one, cause, follows);
                self.compare(&one, policy, follows);
                let (source, cause_id) = (cause.source, cause.id);
                let trace_id = trace_id.clone();
                self.entries.push(Entry { recorded: one, source, cause_id, trace_id });
            }
        }
        Ok(())
    }

    fn follow(&self, recorded: &Recorded, cause: &Cause, follows: &mut Follows) {
        let Some(leg) = self.state.as_deref() else { return };
        let note = Noted::of(leg, &recorded.event, &cause.span);
        follows.after.extend(note.map(|noted| Follow::Note(Box::new(noted))));
        for (n, effect) in (0_u64..).zip(effects(leg, recorded)) {
            match effect {
                Effect::Tell(message) => {
                    let id = MessageId::caused_by(recorded.at, leg.leg_id.0, recorded.version, n);
                    follows.said.push(Outgoing::new(id, recorded.at, &*message));
                }
                Effect::TellGuests(message) => {
                    let id = MessageId::caused_by(recorded.at, leg.leg_id.0, recorded.version, n);
                    follows.said.push(Outgoing::new(id, recorded.at, &*message));
                }
                Effect::Call(call) => {
                    let (trace, began) = (trace::of(&cause.span), Instant::now());
                    follows.after.push(Follow::Call(Started { call, trace, began }));
                }
            }
        }
    }

    /// What of an event is not as we have it: each a case.
    fn compare(&self, recorded: &Recorded, policy: &Policy, follows: &mut Follows) {
        let Some(leg) = self.state.as_deref() else { return };
        let supplier = leg.order.supplier.word();
        for Drift { kind, reference, ours, theirs } in drifts(leg, recorded, policy) {
            let labels = [("supplier", supplier), ("kind", kind.word())];
            metrics::add(Counter::DriftCases, &labels, 1);
            follows.cases.push(NewCase {
                supplier,
                kind: kind.word(),
                subject: reference,
                leg: Some((leg.leg_id, leg.booking_id)),
                ours,
                theirs,
            });
        }
    }

    fn note_references(&mut self, event: &Event) {
        if let Event::AttemptMade { attempt, client_reference } = event {
            self.attempts.push((client_reference.clone(), *attempt));
        }
        let Event::Answered { outcome, .. } = event else { return };
        let known = |reference: &str| {
            let leg = self.state.as_deref();
            leg.is_some_and(|leg| leg.reservations().any(|(_, known, _)| known == reference))
        };
        let new = outcome.references().filter(|reference| !known(reference));
        let new: Vec<String> = new.map(str::to_owned).collect();
        self.references.extend(new);
    }

    fn changed(self) -> Option<Changed> {
        let Self { state, version_before, trace, entries, woken, attempts, references } = self;
        let leg = state?;
        Some(Changed { leg, version_before, trace, entries, woken, attempts, references })
    }
}

/// Whose rules count: the leg's supplier, or that of the order that makes it a leg.
fn supplier(state: &State, input: &Input) -> Option<Supplier> {
    let ordered = match input {
        Input::Command(Command::Want { order, .. }) => Some(order.supplier),
        Input::Command(Command::Act(_) | Command::WantGuests { .. }) | Input::Fact(_) => None,
    };
    state.as_deref().map(|leg| leg.order.supplier).or(ordered)
}
