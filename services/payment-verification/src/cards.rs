//! Asks the card gateway how payments by card stand, and for what they need.
//!
//! The gateway decides what was charged; a payment learns it and wishes the next thing. Each round
//! asks first and wishes then, so an answer that was lost, a process that died or a push that never
//! came costs a round and no money: what was done is seen to be done. A push only brings a round
//! forward.

mod api;
mod push;
mod signature;
mod told;

use std::{sync::Arc, time::Duration};

use chassis::{backoff::Backoff, http_client::CannotMakeClient, trace};
use chrono::{DateTime, TimeDelta, Utc};
use messaging::{Step, StoreError};
use payment_verification_core::{
    Fact, Payment,
    assets::cards::{charged_as, currency_of},
    card::{Stage, Told, Wish, facts, wish},
    closing::answered_after,
    state::Request,
};
use secrecy::SecretString;
use tracing::Instrument as _;

use self::{
    api::{Gateway, Outcome},
    told::{Look, NotOurs},
};
use crate::{
    App,
    handle::Desk,
    store::{
        card::{self, Due},
        case::{self, NewCase},
        refund::{self, span_of},
    },
};
pub(crate) use push::take;

/// How long payments are kept from other instances while the gateway is asked.
const LEASE: Duration = Duration::from_secs(60);
/// How many payments one step asks about, side by side.
const AT_ONCE: i64 = 16;
/// How many things one payment wishes in a row before others have their turn.
const ROUNDS: usize = 6;
/// While a customer may pay, the gateway is asked this often, should a push be lost.
const CUSTOMER_EVERY: TimeDelta = TimeDelta::seconds(5);
/// What was taken is looked at this often for as long as its holder may complain.
const TAKEN_EVERY: TimeDelta = TimeDelta::days(1);
/// Four months after what was bought, and never later than this after it was paid.
const COMPLAINTS_FOR: TimeDelta = TimeDelta::days(540);
/// A moment past an instant, for what is answered only after it.
const JUST_AFTER: TimeDelta = TimeDelta::milliseconds(5);

/// The card gateway as this service works with it.
#[derive(Debug, Clone)]
pub struct Cards {
    app: App,
    gateway: Arc<Gateway>,
    backoff: Backoff,
}

/// What came of what was wished.
enum Came {
    /// Something was done, or is known not to have been: the next round sees it.
    Known,
    /// The gateway will not do it.
    Refused(Wish),
    /// Nobody knows; whoever asks again sees it.
    Unknown,
}

impl Cards {
    /// # Errors
    /// When no client can be made.
    pub(crate) fn new(app: App, url: String, key: SecretString) -> Result<Self, CannotMakeClient> {
        let backoff = Backoff::new(app.policy.refund_ask_first, app.policy.refund_ask_max);
        Ok(Self { app, gateway: Arc::new(Gateway::new(url, key)?), backoff })
    }

    /// Asks about some payments that are due, and does what they wish.
    ///
    /// # Errors
    /// When the database is of no use; what was taken is asked about again later.
    pub async fn step(&self) -> Result<Step, StoreError> {
        let due = card::take_due(self.app.messaging.pool(), AT_ONCE, LEASE).await?;
        let count = due.len();
        let mut asking = tokio::task::JoinSet::new();
        for due in due {
            let cards = self.clone();
            let span = tracing::info_span!(
                "card",
                otel.name = "ask card gateway",
                booking.id = %due.booking_id,
                payment.id = %due.payment_id,
            );
            if let Some(parent) = &due.trace {
                trace::set_parent(&span, parent);
            }
            asking.spawn(async move { cards.look_after(due).await }.instrument(span));
        }
        let mut failed = None;
        while let Some(ended) = asking.join_next().await {
            match ended {
                Ok(Ok(())) => {}
                Ok(Err(error)) => failed = Some(error),
                Err(error) => tracing::error!("asking about a card payment ended early: {error}"),
            }
        }
        failed.map_or_else(|| Ok(Step::of(count)), Err)
    }

    async fn look_after(&self, mut due: Due) -> Result<(), StoreError> {
        if due.intent.is_none() && !self.open(&mut due).await? {
            return Ok(());
        }
        let Some(intent) = due.intent.clone() else { return Ok(()) };
        let mut refused = None;
        for _ in 0..ROUNDS {
            let Some(look) = self.look(&intent).await else { break };
            let wish = self.learn(&mut due, &look, refused.take()).await?;
            let Some(wish) = wish.filter(|wish| *wish != Wish::Wait) else { return Ok(()) };
            match self.perform(&mut due, &intent, wish).await? {
                Came::Known => {}
                Came::Refused(wish) => refused = Some(wish),
                Came::Unknown => {
                    // What was done all the same is seen; nothing is asked for again at once.
                    let Some(look) = self.look(&intent).await else { break };
                    match self.learn(&mut due, &look, None).await? {
                        None | Some(Wish::Wait) => return Ok(()),
                        Some(_) => break,
                    }
                }
            }
        }
        self.later(&due).await
    }

    /// Has the gateway make the payment; whether it is there now.
    async fn open(&self, due: &mut Due) -> Result<bool, StoreError> {
        let mut tx = self.app.messaging.begin().await?;
        let desk = Desk::open(&self.app, tx.conn(), &[due.payment_id]).await?;
        let asked = desk.payment(due.payment_id).filter(|payment| payment.closing.is_none());
        let asked = asked.and_then(|payment| payment.asked.clone());
        let Some((currency, amount)) = asked.as_ref().and_then(charge_of) else {
            // It was closed before anybody could pay it.
            card::look_again(tx.conn(), due, None, true).await?;
            tx.commit().await?;
            return Ok(false);
        };
        drop(desk);
        drop(tx);
        let opened = self.gateway.open(due.payment_id, amount, currency, due.attempt).await;
        let (intent, secret) = match opened {
            Outcome::Done(intent) if intent.payment() == Some(due.payment_id) => {
                match intent.client_secret {
                    Some(secret) => (intent.id, secret),
                    None => return self.later(due).await.map(|()| false),
                }
            }
            Outcome::Spent => {
                card::next_attempt(self.app.messaging.pool(), due).await?;
                return self.later(due).await.map(|()| false);
            }
            Outcome::Refused => {
                // Asked again all the same: its deadline ends the booking if that helps nothing.
                self.refused(due).await?;
                return self.later(due).await.map(|()| false);
            }
            Outcome::Done(_) | Outcome::Unknown => {
                return self.later(due).await.map(|()| false);
            }
        };
        let mut tx = self.app.messaging.begin().await?;
        let now = card::now(tx.conn()).await?;
        let mut desk = Desk::open(&self.app, tx.conn(), &[due.payment_id]).await?;
        card::keep_intent(tx.conn(), due.payment_id, &intent).await?;
        desk.tell(due.payment_id, &Fact::CardOpened { secret }, now)?;
        due.woken += i64::from(desk.changed().next().is_some());
        desk.save(&mut tx).await?;
        tx.commit().await?;
        due.intent = Some(intent);
        Ok(true)
    }

    /// A person learns of a payment that the gateway does not make: nobody can pay it.
    async fn refused(&self, due: &Due) -> Result<(), StoreError> {
        let id = due.payment_id;
        tracing::error!(payment.id = %id, booking.id = %due.booking_id, "card_refused");
        let (reason, subject) = ("card_refused", format!("payment {id}"));
        let mut tx = self.app.messaging.begin().await?;
        let now = card::now(tx.conn()).await?;
        let found = NewCase { payment_id: id, reason, subject, transfer: None };
        case::open(tx.conn(), &[found], now).await?;
        tx.commit().await
    }

    /// Everything that the gateway tells of a payment; nothing when it does not tell all.
    async fn look(&self, intent: &str) -> Option<Look> {
        let intent = self.gateway.read(intent).await?;
        let was_taken = intent.status == told::TAKEN;
        let (mut refunds, mut disputes) = (vec![], vec![]);
        if was_taken {
            refunds = self.gateway.refunds(&intent.id).await?;
        }
        if intent.is_disputed() {
            disputes = self.gateway.disputes(&intent.id).await?;
        }
        Some(Look { intent, refunds, disputes })
    }

    /// Takes in what the gateway told, in one transaction that holds the payment still, and says
    /// what it wishes then; nothing when what was told is not about it.
    async fn learn(
        &self,
        due: &mut Due,
        look: &Look,
        refused: Option<Wish>,
    ) -> Result<Option<Wish>, StoreError> {
        let id = due.payment_id;
        let mut tx = self.app.messaging.begin().await?;
        let now = card::now(tx.conn()).await?;
        let mut desk = Desk::open(&self.app, tx.conn(), &[id]).await?;
        let Some(payment) = desk.payment(id).cloned() else { return Ok(None) };
        let request = payment.request.as_ref().or(payment.asked.as_ref());
        let told = match request.map(|request| look.about(id, request)) {
            Some(Ok(told)) => told,
            Some(Err(NotOurs(why))) => {
                tracing::error!(payment.id = %id, "the gateway tells of another charge: {why}");
                let subject = format!("payment {id} {why}");
                let found =
                    NewCase { payment_id: id, reason: "card_differs", subject, transfer: None };
                case::open(tx.conn(), &[found], now).await?;
                let at = now + span_of(self.backoff.delay(due.asks)).max(CUSTOMER_EVERY);
                card::look_again(tx.conn(), due, Some(at), false).await?;
                tx.commit().await?;
                return Ok(None);
            }
            None => return Ok(None),
        };
        for fact in facts(&payment, &told, now).iter().chain(&refusal(&told, refused.as_ref())) {
            desk.tell(id, fact, now)?;
        }
        let Some(payment) = desk.payment(id).cloned() else { return Ok(None) };
        // What the gateway has is on its way, and is no loss that can be written off.
        let has = told.refunds.iter().filter_map(|refund| refund.refund_id);
        for refund_id in has.filter(|refund_id| payment.refunds.contains_key(refund_id)) {
            refund::add_told(tx.conn(), refund_id, &[], now).await?;
        }
        case::open(tx.conn(), &look.cases(id), now).await?;
        for over in look.over() {
            case::close_over(tx.conn(), id, &over, now).await?;
        }
        let wish = match (wish(&payment, &told, now), refused) {
            // The bank gives no money for what it held: it is given up, and the booking told so.
            (Wish::Take, Some(Wish::Take)) => Wish::LetGo,
            (Wish::LetGo, Some(Wish::LetGo)) => Wish::Wait,
            (wish, _) => wish,
        };
        due.woken += i64::from(desk.changed().next().is_some());
        desk.save(&mut tx).await?;
        let next = match wish {
            Wish::Wait => self.next_look(due, &payment, &told, now),
            Wish::Take | Wish::LetGo | Wish::GiveBack { .. } => Some(now + span_of(LEASE)),
        };
        card::look_again(tx.conn(), due, next, wish == Wish::Wait).await?;
        tx.commit().await?;
        self.show(&payment, now).await;
        Ok(Some(wish))
    }

    async fn show(&self, payment: &Payment, now: DateTime<Utc>) {
        let height = payment.newest_height();
        let chain = payment.request.as_ref().map(|request| request.chain.as_str());
        let Some(chain) = chain.filter(|_| height.is_some()) else { return };
        self.app.cache.show_head(chain, payment_verification_core::card::HEAD, now).await;
        self.app.cache.show_payments(&[(payment.payment_id, height)], now).await;
    }

    /// Asks the gateway for what a payment wishes.
    async fn perform(&self, due: &mut Due, intent: &str, wish: Wish) -> Result<Came, StoreError> {
        let (id, attempt) = (due.payment_id, due.attempt);
        let outcome = match &wish {
            Wish::Wait => return Ok(Came::Known),
            Wish::Take => self.gateway.take(intent, id, attempt).await.without_body(),
            Wish::LetGo => self.gateway.let_go(intent, id, attempt).await.without_body(),
            Wish::GiveBack { refund_id, units } => {
                let Some(amount) = self.amount_of(due, *units).await? else {
                    return Ok(Came::Refused(wish));
                };
                self.gateway.give_back(intent, *refund_id, amount, attempt).await.without_body()
            }
        };
        Ok(match outcome {
            Outcome::Done(()) => Came::Known,
            Outcome::Refused => Came::Refused(wish),
            Outcome::Unknown => Came::Unknown,
            Outcome::Spent => {
                card::next_attempt(self.app.messaging.pool(), due).await?;
                due.attempt = due.attempt.saturating_add(1);
                Came::Known
            }
        })
    }

    /// An amount of a payment as the gateway calls it.
    async fn amount_of(
        &self,
        due: &Due,
        units: contracts::asset::Units,
    ) -> Result<Option<u64>, StoreError> {
        let mut tx = self.app.messaging.begin().await?;
        let desk = Desk::open(&self.app, tx.conn(), &[due.payment_id]).await?;
        let request = desk.payment(due.payment_id).and_then(|payment| payment.request.as_ref());
        let currency = request.and_then(|request| currency_of(&request.terms.amount.asset));
        Ok(currency.and_then(|currency| charged_as(currency, units)))
    }

    /// When a payment that wishes nothing is looked at next; nothing when nothing is to come.
    fn next_look(
        &self,
        due: &Due,
        payment: &Payment,
        told: &Told,
        now: DateTime<Utc>,
    ) -> Option<DateTime<Utc>> {
        let answered = answered_after(payment).map(|after| (after + JUST_AFTER).max(now));
        match told.stage {
            Stage::Over => answered,
            Stage::Waits | Stage::Held(_) => {
                let soon = now + CUSTOMER_EVERY;
                Some(answered.filter(|at| *at > now).map_or(soon, |at| at.min(soon)))
            }
            Stage::Taken(_) => {
                let is_open = payment.refunds.values().any(told::is_open);
                let every = match is_open {
                    true => span_of(self.app.policy.refund_ask_max),
                    false => TAKEN_EVERY,
                };
                let at = answered.map_or(now + every, |answered| answered.min(now + every));
                let may_change = is_open || answered.is_some();
                (may_change || now - due.created_at < COMPLAINTS_FOR).then_some(at)
            }
        }
    }

    /// Has the gateway asked again after a while, ever more seldom.
    async fn later(&self, due: &Due) -> Result<(), StoreError> {
        let mut tx = self.app.messaging.begin().await?;
        let now = card::now(tx.conn()).await?;
        let wait = self.backoff.bound(due.asks) / 2 + self.backoff.delay(due.asks) / 2;
        card::look_again(tx.conn(), due, Some(now + span_of(wait)), false).await?;
        tx.commit().await
    }
}

impl<T> Outcome<T> {
    fn without_body(self) -> Outcome<()> {
        match self {
            Self::Done(_) => Outcome::Done(()),
            Self::Refused => Outcome::Refused,
            Self::Unknown => Outcome::Unknown,
            Self::Spent => Outcome::Spent,
        }
    }
}

/// What a payment learns of a refund that the gateway refused: it fails, unless it is there.
fn refusal(told: &Told, refused: Option<&Wish>) -> Vec<Fact> {
    let Some(Wish::GiveBack { refund_id, .. }) = refused else { return vec![] };
    let there = told.refunds.iter().any(|refund| refund.refund_id == Some(*refund_id));
    if there { vec![] } else { vec![Fact::PayoutRejected { refund_id: *refund_id }] }
}

/// The currency and the amount that a request is charged.
fn charge_of(request: &Request) -> Option<(contracts::money::Currency, u64)> {
    let amount = &request.terms.amount;
    let currency = currency_of(&amount.asset)?;
    Some((currency, charged_as(currency, amount.units)?))
}
