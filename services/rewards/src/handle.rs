//! The one door: messages, requests and timers all become commands or facts of an account and go
//! through here.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use contracts::ids::AccountId;
use messaging::{Handled, Handles, Outcome, Outgoing, Received, StoreError, Tx};
use rewards_core::{
    Account, Effect, Event, Policy, Refusal, decide, effects, evolve, learn,
    translate::{Inbound, Input, message_id},
};
use tracing::Span;
use uuid::Uuid;

use crate::{
    App,
    cache::Shown,
    store::{self, Changed, Recorded},
};

/// Where an input came from.
#[derive(Clone)]
pub(crate) struct Cause {
    /// `message`, `request` or `timer`.
    pub(crate) source: &'static str,
    /// Which message or grant.
    pub(crate) id: Option<Uuid>,
    /// Who asked by a request.
    pub(crate) asked: Option<Asked>,
    pub(crate) span: Span,
}

/// Who asked for something, and why.
#[derive(Clone)]
pub(crate) struct Asked {
    pub(crate) actor: String,
    pub(crate) reason: Option<String>,
}

/// What a batch came to.
pub(crate) struct Fed {
    /// One answer for each input, in order.
    pub(crate) answers: Vec<Result<(), Refusal>>,
    /// The accounts that changed, as the gateway shall show them once it is committed.
    pub(crate) shown: Vec<Shown>,
}

/// Handles what messages bring.
pub struct Handler {
    app: App,
}

impl Handler {
    /// A handler of a process.
    #[must_use]
    pub const fn new(app: App) -> Self {
        Self { app }
    }
}

impl Handles for Handler {
    type Inbound = Inbound;
    type After = Shown;

    async fn handle(
        &self,
        tx: &mut Tx,
        batch: Vec<Received<Inbound>>,
    ) -> Result<Handled<Shown>, StoreError> {
        let Some(now) = batch.iter().map(|received| received.now).max() else {
            return Ok(Handled { outcomes: Vec::new(), after: Vec::new() });
        };
        let inputs = batch.into_iter().map(|received| {
            let Received { envelope, inbound, span, .. } = received;
            (inbound, Cause { source: "message", id: Some(envelope.id.0), asked: None, span })
        });
        let fed = feed(&self.app.policy, tx, inputs.collect(), now).await?;
        // Nothing that comes by message is refused for good: too few points are an answer, too.
        let outcomes = fed.answers.iter().map(|answer| match answer {
            Ok(()) => Outcome::Done,
            Err(refusal) => Outcome::Failed(messaging::reject(refusal)),
        });
        Ok(Handled { outcomes: outcomes.collect(), after: fed.shown })
    }

    fn committed(&self, after: Vec<Shown>) {
        self.app.cache.show(after);
    }
}

/// Feeds inputs to their accounts, one after the other, and writes and says what follows.
///
/// # Errors
/// When the database fails or an account moved; then nothing of the batch may be committed.
pub(crate) async fn feed(
    policy: &Policy,
    tx: &mut Tx,
    inputs: Vec<(Inbound, Cause)>,
    now: DateTime<Utc>,
) -> Result<Fed, StoreError> {
    let ids = inputs.iter().map(|(inbound, _)| inbound.account_id.clone()).collect();
    let mut accounts: BTreeMap<AccountId, Touched> = store::load_for_update(tx.conn(), ids)
        .await?
        .into_iter()
        .map(|(id, account)| (id, Touched::of(account)))
        .collect();
    let mut answers = Vec::with_capacity(inputs.len());
    let mut said = Vec::new();
    for (Inbound { account_id, input }, cause) in inputs {
        let touched = accounts.entry(account_id.clone()).or_insert_with(|| Touched::of(None));
        let step = || touched.step(&account_id, &input, policy, now, &cause);
        answers.push(cause.span.in_scope(step).map(|messages| said.extend(messages)));
    }
    let changed: Vec<_> = accounts
        .into_iter()
        .filter_map(|(account_id, touched)| touched.changed(account_id))
        .collect();
    store::save(tx.conn(), &changed).await?;
    tx.say_all(said);
    let shown = changed.iter().map(|changed| Shown::of(&changed.account_id, &changed.account, now));
    Ok(Fed { answers, shown: shown.collect() })
}

/// An account while a batch goes over it.
struct Touched {
    account: Account,
    version_before: Option<u64>,
    recorded: Vec<Recorded>,
}

impl Touched {
    fn of(account: Option<Account>) -> Self {
        let version_before = account.as_ref().map(|account| account.version);
        Self { account: account.unwrap_or_default(), version_before, recorded: Vec::new() }
    }

    /// One input: what happened, folded in; what is to be said of it.
    fn step(
        &mut self,
        account_id: &AccountId,
        input: &Input,
        policy: &Policy,
        now: DateTime<Utc>,
        cause: &Cause,
    ) -> Result<Vec<Outgoing>, Refusal> {
        let events = match input {
            Input::Command(command) => decide(&self.account, command, policy, now)?,
            Input::Fact(fact) => learn(&self.account, fact, policy, now),
        };
        let trace_id = chassis::trace::trace_id(&cause.span);
        let mut said = Vec::new();
        for event in events {
            self.account = evolve(std::mem::take(&mut self.account), &event);
            said.extend(self.say(account_id, &event, now));
            self.recorded.push(Recorded {
                version: self.account.version,
                event,
                source: cause.source,
                cause_id: cause.id,
                asked: cause.asked.clone(),
                trace_id: trace_id.clone(),
                at: now,
            });
        }
        Ok(said)
    }

    fn say(&self, id: &AccountId, event: &Event, now: DateTime<Utc>) -> Vec<Outgoing> {
        let message_id = message_id(now, id, self.account.version);
        let said = effects(&self.account, event).into_iter();
        said.map(|Effect::Say(message)| Outgoing::new(message_id, now, &message)).collect()
    }

    fn changed(self, account_id: AccountId) -> Option<Changed> {
        let Self { account, version_before, recorded } = self;
        (!recorded.is_empty()).then_some(Changed { account_id, account, version_before, recorded })
    }
}
