//! Hands granted refunds to the treasury and asks what became of them.
//!
//! The treasury holds the spending keys and is somebody else. A refund is its own id there: told
//! twice it is the same payout, so an answer that was lost costs nothing. Once it said that it has
//! a refund it is only asked, never told again: a treasury that forgot must not pay twice. What it
//! names is its word; the watcher's blocks decide what was sent. A refusal counts once it is sure
//! that no earlier telling was taken on, and what failed is asked about for good: the customer may
//! have named another address meanwhile.

mod answer;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use chassis::{
    HttpClient, HttpClientConfig, HttpRequest, backoff::Backoff, http_client::CannotMakeClient,
    trace,
};
use chrono::{DateTime, Utc};
use contracts::{ids::PaymentId, messages::RefundState};
use http::Method;
use messaging::{Step, StoreError};
use payment_verification_core::{
    Fact,
    chain::Hash32,
    rates::Believed,
    refund::{Finding, Refund},
};
use secrecy::SecretString;
use sqlx::PgConnection;
use tracing::Instrument as _;

use self::answer::{Answer, Payout, Question, read};
use crate::{
    App,
    chains::Nodes,
    handle::Desk,
    store::{
        chain as cursors, payout,
        refund::{self, Due, Pair, Unpriced, Wanted},
    },
};

/// A treasury that takes longer may have acted; it is asked again.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// How long refunds are kept from other instances while they are asked about.
const LEASE: Duration = Duration::from_secs(60);
/// How many refunds one step asks about, side by side.
const AT_ONCE: i64 = 16;
/// How many refunds that wait for a rate one step looks at.
const PRICED_AT_ONCE: i64 = 200;

/// The treasury as this service reaches it.
#[derive(Debug, Clone)]
pub struct Treasury {
    app: App,
    http: HttpClient,
    url: String,
    token: Option<SecretString>,
    nodes: BTreeMap<String, Nodes>,
    backoff: Backoff,
}

/// What the treasury has of what it was told and did not answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MayHave {
    HasNone,
    Has,
    DoesNotSay,
}

impl Treasury {
    /// # Errors
    /// When no client can be made.
    pub(crate) fn new(
        app: App,
        url: String,
        token: Option<SecretString>,
        nodes: BTreeMap<String, Nodes>,
    ) -> Result<Self, CannotMakeClient> {
        let config = HttpClientConfig { timeout: ANSWER_WITHIN, ..HttpClientConfig::default() };
        let http = HttpClient::new(config)?;
        let backoff = Backoff::new(app.policy.refund_ask_first, app.policy.refund_ask_max);
        Ok(Self { app, http, url, token, nodes, backoff })
    }

    /// Asks about some refunds that are due, and learns what the answers say.
    ///
    /// # Errors
    /// When the database is of no use; what was taken is asked about again later.
    pub async fn step(&self) -> Result<Step, StoreError> {
        let mut failed = self.price().await?;
        let due = refund::take_due(self.app.messaging.pool(), AT_ONCE, LEASE).await?;
        let count = due.len();
        let mut asking = tokio::task::JoinSet::new();
        for due in due {
            let treasury = self.clone();
            let span = tracing::info_span!(
                "refund",
                otel.name = "ask treasury",
                booking.id = %due.booking_id,
                payment.id = %due.payment_id,
                refund.id = %due.refund_id,
            );
            if let Some(parent) = &due.trace {
                trace::set_parent(&span, parent);
            }
            asking.spawn(async move { treasury.look_after(&due).await }.instrument(span));
        }
        while let Some(ended) = asking.join_next().await {
            match ended {
                Ok(Ok(())) => {}
                Ok(Err(error)) => failed = Some(error),
                Err(error) => tracing::error!("asking about a refund ended early: {error}"),
            }
        }
        failed.map_or_else(|| Ok(Step::of(count)), Err)
    }

    /// Prices refunds that go back by value and wait for a rate; where none is young enough and
    /// believed they go on waiting, ahead of nobody, and `attention` says so. One that cannot be
    /// priced holds up no other; why not is given back.
    async fn price(&self) -> Result<Option<StoreError>, StoreError> {
        let pool = self.app.messaging.pool();
        let (now, wanted) = refund::rates_wanted(pool).await?;
        let believed = |Pair { asset, currency }: Pair| {
            let believed = self.app.feed.rate(&asset, &currency, now)?;
            Some((Pair { asset, currency }, believed))
        };
        let known: BTreeMap<Pair, Believed> = wanted.into_iter().filter_map(believed).collect();
        let waiting = refund::unpriced(pool, Vec::from_iter(known.keys()), PRICED_AT_ONCE).await?;
        let mut failed = None;
        for Unpriced { refund_id, payment_id, pair } in waiting {
            let Some(believed) = known.get(&pair).cloned() else { continue };
            let fact = Fact::RateBelieved { refund_id, believed };
            if let Err(error) = self.believe(PaymentId(payment_id), &fact, now).await {
                failed = Some(error);
            }
        }
        Ok(failed)
    }

    async fn believe(
        &self,
        id: PaymentId,
        fact: &Fact,
        now: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        let mut tx = self.app.messaging.begin().await?;
        let mut desk = Desk::open(&self.app, tx.conn(), &[id]).await?;
        desk.tell(id, fact, now)?;
        desk.save(&mut tx).await?;
        tx.commit().await
    }

    async fn look_after(&self, due: &Due) -> Result<(), StoreError> {
        let answer = self.ask(due).await;
        let mined = self.mined(due, &answer).await?;
        self.learn(due, &answer, &mined).await
    }

    pub(crate) const fn app(&self) -> &App {
        &self.app
    }

    /// Whether it may have a refund of a payment although it was never heard to say so: the answer
    /// to what it was told may be lost.
    ///
    /// # Errors
    /// When the database is of no use.
    pub(crate) async fn may_have(&self, payment: PaymentId) -> Result<MayHave, StoreError> {
        for due in refund::unheard(self.app.messaging.pool(), payment).await? {
            match self.put(&Payout::of(&due), Question::HasItStill).await {
                Answer::Cannot => {}
                Answer::Unknown => return Ok(MayHave::DoesNotSay),
                answer @ (Answer::Has(_) | Answer::Disagrees) => {
                    self.learn(&due, &answer, &[]).await?;
                    return Ok(MayHave::Has);
                }
            }
        }
        Ok(MayHave::HasNone)
    }

    /// Hands a refund over, or asks about one that was.
    async fn ask(&self, due: &Due) -> Answer {
        let payout = Payout::of(due);
        let answer = self.put(&payout, Question::of(due)).await;
        if answer == Answer::Cannot && !due.failed && due.asks > 0 {
            // It was told before, and that answer may be lost.
            return self.put(&payout, Question::HasItStill).await;
        }
        answer
    }

    async fn put(&self, payout: &Payout, question: Question) -> Answer {
        let request = match question {
            Question::WhatOf | Question::HasItStill => {
                HttpRequest::new(Method::GET, format!("{}/payouts/{}", self.url, payout.id))
            }
            Question::TakeOn => {
                let Ok(body) = serde_json::to_vec(payout) else { return Answer::Unknown };
                HttpRequest::new(Method::POST, format!("{}/payouts", self.url)).json(body)
            }
        };
        match self.http.send(request.bearer(self.token.as_ref())).await {
            Ok(reply) => read(&reply, payout, question),
            Err(error) => {
                let error = chassis::chain(&error).to_string();
                tracing::warn!(error, "the treasury gave no answer about a refund");
                Answer::Unknown
            }
        }
    }

    /// The transactions that were named and of which no transfer is known to be this refund's, with
    /// the height at which each is mined; none where the node says nothing of use.
    async fn mined(&self, due: &Due, answer: &Answer) -> Result<Vec<(Hash32, u64)>, StoreError> {
        let Some(node) = self.nodes.get(&due.chain) else { return Ok(vec![]) };
        let known = refund::unproven(self.app.messaging.pool(), due.refund_id).await?;
        let mut named = BTreeSet::from_iter(known);
        if let Answer::Has(transactions) = answer {
            named.extend(transactions);
        }
        let mut mined = vec![];
        for transaction in named {
            match node.mined(transaction).await {
                Ok(block) => mined.extend(block.map(|block| (transaction, block.height))),
                Err(error) => {
                    let error = chassis::chain(&error).to_string();
                    tracing::warn!(error, "a payout could not be looked for");
                }
            }
        }
        Ok(mined)
    }

    /// Takes in what the treasury said, in one transaction that holds the chain still: no block
    /// comes or leaves meanwhile.
    async fn learn(
        &self,
        due: &Due,
        answer: &Answer,
        mined: &[(Hash32, u64)],
    ) -> Result<(), StoreError> {
        let mut tx = self.app.messaging.begin().await?;
        let Some(cursor) = cursors::lock_cursor(tx.conn(), &due.chain).await? else {
            return Ok(());
        };
        let (id, refund_id, now) = (due.payment_id, due.refund_id, cursor.now);
        let mut desk = Desk::open(&self.app, tx.conn(), &[id]).await?;
        let mut facts = hear(tx.conn(), due, answer, now).await?;
        let (head, look) = (cursor.at.height, cursor.look);
        facts.push(Fact::HeadMoved { head, look, finalized: None });
        for fact in &facts {
            desk.tell(id, fact, now)?;
        }
        for transaction in astray(&desk, due, mined, head) {
            let finding = Finding::Astray(transaction);
            desk.tell(id, &Fact::RefundFound { refund_id, finding }, now)?;
        }
        let addressed_at = refund::addressed_at(tx.conn(), refund_id).await?.unwrap_or(now);
        let late_at = addressed_at + refund::span_of(self.app.policy.refund_for_max);
        if now >= late_at {
            let finding = Finding::Overdue;
            desk.tell(id, &Fact::RefundFound { refund_id, finding }, now)?;
        }
        let state = desk.payment(id).and_then(|payment| payment.refunds.get(&refund_id));
        let next = self.next_ask(due, state, late_at, now);
        desk.save(&mut tx).await?;
        refund::ask_again(tx.conn(), refund_id, next).await?;
        tx.commit().await
    }

    /// When the treasury is asked next. A refund that arrived is asked about once more when it
    /// would have been late, for what was sent besides; one that failed or that staff answered for,
    /// for good, ever more seldom.
    fn next_ask(
        &self,
        due: &Due,
        refund: Option<&Refund>,
        late_at: DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> Option<DateTime<Utc>> {
        let refund = refund?;
        let for_good = refund.state == RefundState::Failed || refund.settled_otherwise().is_some();
        match refund.state {
            RefundState::Failed | RefundState::Confirmed if for_good && now >= late_at => {
                Some(now + refund::span_of(self.app.policy.refund_for_max))
            }
            RefundState::Confirmed => (now < late_at).then_some(late_at),
            RefundState::Granted | RefundState::Sent | RefundState::Failed => {
                // Half of the bound at least: a treasury is not asked in a hurry.
                let bound = self.backoff.bound(due.asks);
                let wait = bound / 2 + self.backoff.delay(due.asks) / 2;
                let at = now + refund::span_of(wait);
                Some(if now < late_at { at.min(late_at) } else { at })
            }
        }
    }
}

/// Writes down what the treasury said, and says what a payment learns from it.
async fn hear(
    conn: &mut PgConnection,
    due: &Due,
    answer: &Answer,
    now: DateTime<Utc>,
) -> Result<Vec<Fact>, StoreError> {
    let refund_id = due.refund_id;
    let transactions = match answer {
        Answer::Has(transactions) => transactions,
        Answer::Cannot => return Ok(vec![Fact::PayoutRejected { refund_id }]),
        Answer::Disagrees => {
            return Ok(vec![Fact::RefundFound { refund_id, finding: Finding::Disputed }]);
        }
        Answer::Unknown => return Ok(vec![]),
    };
    refund::add_told(conn, refund_id, transactions, now).await?;
    for transaction in transactions.iter().copied() {
        payout::claim(conn, &Wanted { refund_id, transaction }).await?;
    }
    let hashes = transactions.iter().map(|hash| hash.0.to_vec()).collect();
    let claimed = payout::claimed_in(conn, &due.chain, hashes).await?.into_iter();
    let own = claimed.filter(|claimed| claimed.refund_id == refund_id);
    let seen = own.map(|own| Fact::PayoutSeen { refund_id, sighted: own.sighted });
    // It has what it said it could not send: it may send it, and another one was asked for since.
    let disputed = due.failed.then_some(Finding::Disputed);
    let disputed = disputed.map(|finding| Fact::RefundFound { refund_id, finding });
    Ok(seen.chain(disputed).collect())
}

/// Which of the named transactions are deep under the head that was taken in, and bring this refund
/// nothing.
fn astray(desk: &Desk<'_>, due: &Due, mined: &[(Hash32, u64)], head: u64) -> Vec<Hash32> {
    let payment = desk.payment(due.payment_id);
    let Some(refund) = payment.and_then(|payment| payment.refunds.get(&due.refund_id)) else {
        return vec![];
    };
    let brings = |hash: &Hash32| refund.payouts.keys().any(|key| key.transaction == *hash);
    let is_deep = |height: u64| head.saturating_add(1).saturating_sub(height) >= due.confirmations;
    let astray = mined.iter().filter(|(hash, height)| is_deep(*height) && !brings(hash));
    astray.map(|(hash, _)| *hash).collect()
}
