//! The one door: payments are loaded, asked or told something, and saved with all that follows, in
//! one transaction.

mod aside;

use std::collections::{BTreeMap, BTreeSet};

use chassis::trace;
use chrono::{DateTime, TimeDelta, Utc};
use contracts::ids::{BookingId, MessageId, PaymentId};
use messaging::{Handled, Handles, Outcome, Outgoing, Received, StoreError, Tx, reject};
use payment_verification_core::{
    Command, Effect, Event, Fact, Payment,
    assets::Asset,
    card::is_card,
    cases::ends,
    chain::TransferKey,
    decide,
    decide::{Means, Patience, Refusal, needs_deposit, refused},
    depth::Head,
    effects, evolve, learn,
    moving::{arrives, destination},
    refund::RefundChange,
    state::Deposit,
    translate::{Asked, Said, said},
};
use sqlx::PgConnection;
use uuid::Uuid;

use self::aside::Aside;
use crate::{
    App,
    address::address_key,
    store::{
        self, card,
        case::{self, NewCase, REVERSED, Restored, Shown, Turn},
        chain::{Touched, heads, payments_at, save_transfers},
        corrupt,
        payment::{self, Changed, Entry, Given, Loaded, Rows, Transaction},
        refund,
    },
};

/// Handles what payment-verification hears.
pub(crate) struct Handler {
    app: App,
}

impl Handler {
    pub(crate) fn new(app: App) -> Self {
        Self { app }
    }
}

impl Handles for Handler {
    type Inbound = Asked;
    type After = ();

    async fn handle(
        &self,
        tx: &mut Tx,
        batch: Vec<Received<Asked>>,
    ) -> Result<Handled<()>, StoreError> {
        // Locked together, so that money that moves from one to the other leaves and comes at once.
        let named = batch.iter().flat_map(|received| {
            let asked = &received.inbound;
            [Some(asked.payment_id), destination(&asked.command)]
        });
        let ids: Vec<_> = named.flatten().collect();
        let mut desk = Desk::open(&self.app, tx.conn(), &ids).await?;
        let wanted = batch.iter().filter(|received| desk.will_need_deposit(&received.inbound));
        let wanted = wanted.count();
        desk.deposits = self.app.addresses.take(tx.conn(), wanted).await?;
        desk.ours = ours_among(tx.conn(), &batch).await?;
        if batch.iter().any(|received| destination(&received.inbound.command).is_some()) {
            desk.heads = heads(tx.conn()).await?;
        }
        let mut outcomes = Vec::with_capacity(batch.len());
        for received in batch {
            let Received { envelope, inbound, now, span } = received;
            desk.cause = Some(envelope.id);
            outcomes.push(span.in_scope(|| desk.ask(&inbound, now))?);
        }
        self.app.addresses.put_back(std::mem::take(&mut desk.deposits));
        desk.save(tx).await?;
        Ok(Handled { outcomes, after: vec![] })
    }

    async fn standing(
        &self,
        conn: &mut PgConnection,
        subject: Uuid,
    ) -> Result<Option<String>, StoreError> {
        store::standing::standing(conn, subject).await
    }
}

/// Payments that are being worked on, and all that follows from it.
pub(crate) struct Desk<'a> {
    app: &'a App,
    open: BTreeMap<PaymentId, Open>,
    deposits: Vec<Deposit>,
    /// Of the places that refunds are wanted at, those that bookings are paid to.
    ours: BTreeSet<Vec<u8>>,
    /// The newest block of each chain, where money is to move from one payment to another.
    heads: BTreeMap<String, Head>,
    given: Vec<Given>,
    refunds: BTreeSet<(PaymentId, Uuid)>,
    cases: Vec<Turn>,
    back: Vec<Restored>,
    journal: Vec<Entry>,
    transactions: Vec<Transaction>,
    messages: Vec<Outgoing>,
    at: Option<DateTime<Utc>>,
    /// The message that is being answered.
    cause: Option<MessageId>,
    aside: Aside,
}

struct Open {
    loaded: Loaded,
    seq_before: u64,
    touched: BTreeSet<TransferKey>,
}

impl<'a> Desk<'a> {
    /// Loads payments and locks them until the transaction ends.
    pub(crate) async fn open(
        app: &'a App,
        conn: &mut PgConnection,
        payments: &[PaymentId],
    ) -> Result<Self, StoreError> {
        let Rows { readable, unreadable } = payment::load(conn, payments).await?;
        if let Some(error) = unreadable.into_values().next() {
            return Err(error);
        }
        let mut desk = Self::of(app, readable);
        desk.catch_up(conn).await?;
        if let Some((id, why)) = desk.aside.unread() {
            return Err(corrupt("untold", id, why));
        }
        Ok(desk)
    }

    /// The same for who watches a chain: a payment that cannot be read is put aside and holds up no
    /// other.
    pub(crate) async fn open_on(
        chain: &str,
        app: &'a App,
        conn: &mut PgConnection,
        payments: &[PaymentId],
    ) -> Result<Self, StoreError> {
        let Rows { readable, unreadable } = payment::load(conn, payments).await?;
        let mut desk = Self { aside: Aside::on(chain, unreadable), ..Self::of(app, readable) };
        desk.catch_up(conn).await?;
        Ok(desk)
    }

    fn of(app: &'a App, loaded: BTreeMap<PaymentId, Loaded>) -> Self {
        let open = loaded.into_iter().map(|(id, loaded)| {
            let seq_before = loaded.payment.seq;
            (id, Open { loaded, seq_before, touched: BTreeSet::new() })
        });
        Self {
            app,
            open: open.collect(),
            deposits: vec![],
            ours: BTreeSet::new(),
            heads: BTreeMap::new(),
            given: vec![],
            refunds: BTreeSet::new(),
            cases: vec![],
            back: vec![],
            journal: vec![],
            transactions: vec![],
            messages: vec![],
            at: None,
            cause: None,
            aside: Aside::default(),
        }
    }

    /// One of the loaded payments.
    pub(crate) fn payment(&self, id: PaymentId) -> Option<&Payment> {
        self.open.get(&id).map(|open| &open.loaded.payment)
    }

    /// The payments that changed.
    pub(crate) fn changed(&self) -> impl Iterator<Item = &Payment> {
        let changed = |open: &&Open| open.loaded.payment.seq != open.seq_before;
        self.open.values().filter(changed).map(|open| &open.loaded.payment)
    }

    fn will_need_deposit(&self, asked: &Asked) -> bool {
        match self.payment(asked.payment_id) {
            Some(payment) => needs_deposit(payment, &asked.command),
            None => matches!(asked.command, Command::Prepare(_)),
        }
    }

    /// Asks something of a payment. A refusal is an answer, and is kept in the journal like one.
    fn ask(&mut self, asked: &Asked, now: DateTime<Utc>) -> Result<Outcome, StoreError> {
        let Asked { booking_id, payment_id, command } = asked;
        let into = destination(command).and_then(|id| self.payment(id)).cloned();
        let open =
            self.open.entry(*payment_id).or_insert_with(|| Open::new(*payment_id, *booking_id));
        if open.loaded.payment.booking_id != *booking_id {
            return Ok(Outcome::Failed(reject("asking for a payment of another booking")));
        }
        if open.loaded.trace.is_none() {
            open.loaded.trace = trace::current();
        }
        let deposit = needs_deposit(&open.loaded.payment, command).then(|| self.deposits.pop());
        let asset = match command {
            Command::Prepare(terms) => self.app.registry.asset(&terms.amount.asset),
            Command::Refund(_) => {
                let request = open.loaded.payment.request.as_ref();
                request.and_then(|request| self.app.registry.asset(&request.terms.amount.asset))
            }
            Command::Close(_) => None,
        };
        let patience = patience(self.app, asset);
        let place = deposit.flatten();
        let written = |place: &Deposit| self.app.addresses.on_chain_of(asset?, place);
        let deposit = place.as_ref().and_then(written);
        let price = open.loaded.payment.request.as_ref().map(|request| request.terms.price);
        let refund_alone_max = price.map(|price| self.app.policy.refund_alone_max(price.currency));
        let request = open.loaded.payment.request.as_ref();
        let head = request.and_then(|request| self.heads.get(&request.chain)).copied();
        let into = into.as_ref();
        let means = Means { asset, deposit, patience, refund_alone_max, into, head };
        // What came there would be a payment again, and go back again, and so on.
        let to_ourselves = place_of(command).is_some_and(|key| self.ours.contains(&key));
        let decided = match to_ourselves {
            true => Err(Refusal::NoAddress),
            false => decide(&open.loaded.payment, command, &means, now),
        };
        let events = match decided {
            Ok(events) => events,
            Err(refusal) => {
                let (booking, payment) = (booking_id, payment_id);
                tracing::warn!(booking.id = %booking, payment.id = %payment, "refused: {refusal}");
                vec![refused(&open.loaded.payment, command, refusal)]
            }
        };
        let used = matches!(events.as_slice(), [Event::Prepared(_)]);
        if !used {
            self.deposits.extend(place);
        }
        let from = &open.loaded.payment;
        let moved: Vec<_> = events.iter().filter_map(|event| arrives(from, event)).collect();
        self.apply(*payment_id, events, now)?;
        for (into, fact) in moved {
            self.tell(into, &fact, now)?;
        }
        Ok(Outcome::Done)
    }

    /// Tells a payment what happened on its chain, as part of its booking's trace.
    pub(crate) fn tell(
        &mut self,
        id: PaymentId,
        fact: &Fact,
        now: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        let Some(open) = self.open.get(&id) else {
            self.keep_fact(id, fact);
            return Ok(());
        };
        let events = learn(&open.loaded.payment, fact, now);
        if events.is_empty() {
            return Ok(());
        }
        let span = observation(&open.loaded, fact);
        span.in_scope(|| self.apply(id, events, now))
    }

    fn apply(
        &mut self,
        id: PaymentId,
        events: Vec<Event>,
        now: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        self.at = Some(now);
        for event in events {
            let Some(open) = self.open.get_mut(&id) else { return Ok(()) };
            open.touch(&event);
            let before =
                std::mem::replace(&mut open.loaded.payment, Payment::new(id, BookingId(id.0)));
            open.loaded.payment = evolve(before, &event);
            let payment = &open.loaded.payment;
            let seq = payment.seq;
            for (n, effect) in (0..).zip(effects(payment, &event)) {
                let message_id = MessageId::caused_by(now, id.0, seq, n);
                match &effect {
                    Effect::Post(postings) => self.transactions.push(Transaction {
                        payment_id: id,
                        seq,
                        reason: event.kind(),
                        asset: asset_of(payment),
                        postings: postings.clone(),
                    }),
                    Effect::SayPrepared(_)
                    | Effect::SaySeen(_)
                    | Effect::SaySettled(_)
                    | Effect::SayReversed(_)
                    | Effect::SayClosed(_)
                    | Effect::SayRefund(_) => {
                        self.messages.extend(message(self.app, payment, &effect, message_id, now)?);
                    }
                }
            }
            match &event {
                Event::Prepared(request) if is_card(request) => {}
                Event::Prepared(request) => self.given.push(Given::of(id, request)),
                Event::RefundGranted(grant) => drop(self.refunds.insert((id, grant.refund_id))),
                Event::Refund { refund_id, change } => {
                    self.refunds.insert((id, *refund_id));
                    self.cases.extend(case_of(payment, *refund_id, change).map(Turn::Opens));
                }
                Event::Reversed { units, transfers } => {
                    tracing::error!(payment.id = %id, %units, "settled money left its chain");
                    let gone = transfers.iter().filter_map(|key| reversed(payment, key));
                    self.cases.extend(gone.map(Turn::Opens));
                }
                Event::Restored { transfers, .. } => {
                    let back = transfers.iter().filter_map(|key| restored(payment, key));
                    self.back.extend(back);
                }
                _ => {}
            }
            self.cases.extend(ends(payment, &event).map(|over| Turn::Over(id, over)));
            self.journal.push(Entry { payment_id: id, seq, event, cause: self.cause });
        }
        Ok(())
    }

    /// Writes everything, one statement a table, and says what is to be said when the transaction
    /// commits.
    pub(crate) async fn save(self, tx: &mut Tx) -> Result<(), StoreError> {
        self.aside.save(tx.conn()).await?;
        let Some(at) = self.at else { return Ok(()) };
        let conn = tx.conn();
        let changed_now = self.changed();
        let changed: Vec<_> = self
            .open
            .values()
            .filter(|open| open.loaded.payment.seq != open.seq_before)
            .map(|open| Changed { loaded: &open.loaded, seq_before: open.seq_before })
            .collect();
        payment::save(conn, &changed, at).await?;
        payment::add_events(conn, &self.journal, at).await?;
        payment::add_addresses(conn, &self.given, at).await?;
        let touched: Vec<_> = self
            .open
            .values()
            .flat_map(|open| {
                let payment = &open.loaded.payment;
                open.touched.iter().map(move |key| Touched { payment, key: key.clone() })
            })
            .collect();
        save_transfers(conn, &touched).await?;
        payment::post(conn, &self.transactions, at).await?;
        let refunds = self.refunds.iter();
        let refunds: Vec<_> =
            refunds.filter_map(|(id, refund)| Some((self.payment(*id)?, *refund))).collect();
        refund::save(conn, &refunds, at).await?;
        card::wake(conn, changed_now, at).await?;
        case::turn(conn, self.cases, at).await?;
        case::close_reversed(conn, &self.back, at).await?;
        tx.say_all(self.messages);
        Ok(())
    }
}

impl Open {
    fn new(payment_id: PaymentId, booking_id: BookingId) -> Self {
        let payment = Payment::new(payment_id, booking_id);
        let loaded = Loaded { payment, trace: None, is_behind: false };
        Self { loaded, seq_before: 0, touched: BTreeSet::new() }
    }

    /// Remembers which rows of transfers an event changes.
    fn touch(&mut self, event: &Event) {
        match event {
            Event::TransferSeen(sighted) => drop(self.touched.insert(sighted.key.clone())),
            Event::BlockLeft { block, .. } => {
                let transfers = self.loaded.payment.transfers.iter();
                let in_it =
                    transfers.filter(|(_, transfer)| transfer.sightings.contains_key(block));
                self.touched.extend(in_it.map(|(key, _)| key.clone()));
            }
            Event::Finalised { transfers, .. }
            | Event::Withdrawn { transfers, .. }
            | Event::Reversed { transfers, .. }
            | Event::Restored { transfers, .. } => self.touched.extend(transfers.iter().cloned()),
            _ => {}
        }
    }
}

/// How long money in an asset is waited for.
fn patience(app: &App, asset: Option<&Asset>) -> Patience {
    let chain = asset.and_then(|asset| app.registry.chain(&asset.chain));
    Patience::on(chain, TimeDelta::from_std(app.policy.grace).unwrap_or(TimeDelta::MAX))
}

/// The case that a change of a refund opens, if it opens one.
fn case_of(payment: &Payment, refund_id: Uuid, change: &RefundChange) -> Option<NewCase> {
    let reason = change.case()?;
    let subject = match change.transaction() {
        Some(transaction) => format!("refund {refund_id} {transaction}"),
        None => format!("refund {refund_id}"),
    };
    let (id, booking) = (payment.payment_id, payment.booking_id);
    tracing::error!(payment.id = %id, booking.id = %booking, refund.id = %refund_id, "{reason}");
    Some(NewCase { payment_id: id, reason, subject, transfer: None })
}

/// The case of a transfer that left after it had been final and claimed: one for each block that
/// it left.
fn reversed(payment: &Payment, key: &TransferKey) -> Option<NewCase> {
    let (request, transfer) = (payment.request.as_ref()?, payment.transfers.get(key)?);
    let (block, sighting) = transfer.sightings.iter().max_by_key(|(_, seen)| seen.look)?;
    let shown = Shown {
        chain: request.chain.clone(),
        key: key.clone(),
        contract: request.contract.clone(),
        units: sighting.units,
        block: *block,
    };
    let subject = format!("{} {key} {block}", request.chain);
    let (payment_id, reason) = (payment.payment_id, REVERSED);
    Some(NewCase { payment_id, reason, subject, transfer: Some(shown) })
}

/// A transfer that is final again, and the block it stands in now.
fn restored(payment: &Payment, key: &TransferKey) -> Option<Restored> {
    let (request, transfer) = (payment.request.as_ref()?, payment.transfers.get(key)?);
    let standing = payment.stands(transfer)?;
    let (block, _) = transfer.sightings.iter().find(|(_, seen)| **seen == standing)?;
    Some(Restored { chain: request.chain.clone(), key: key.clone(), block: *block })
}

fn asset_of(payment: &Payment) -> String {
    let asset = payment.request.as_ref().map(|request| request.terms.amount.asset.to_string());
    asset.unwrap_or_default()
}

/// What an effect says, in the trace of the current span.
fn message(
    app: &App,
    payment: &Payment,
    effect: &Effect,
    id: MessageId,
    now: DateTime<Utc>,
) -> Result<Option<Outgoing>, StoreError> {
    let sign = |instruction: &contracts::instruction::Instruction| {
        let bytes = instruction.signed_bytes();
        bytes.map(|bytes| app.instruction_key.sign_text(&bytes))
    };
    let said = said(payment, effect, sign)
        .map_err(|source| corrupt("payment", payment.payment_id, source))?;
    Ok(said.map(|said| match said {
        Said::Prepared(message) => Outgoing::new(id, now, &message),
        Said::Seen(message) => Outgoing::new(id, now, &message),
        Said::Settled(message) => Outgoing::new(id, now, &message),
        Said::Reversed(message) => Outgoing::new(id, now, &message),
        Said::Closed(message) => Outgoing::new(id, now, &message),
        Said::Refund(message) => Outgoing::new(id, now, &message),
    }))
}

/// The span of something seen on the chain: a child of what asked for the payment, so that a
/// booking is one trace.
fn observation(loaded: &Loaded, fact: &Fact) -> tracing::Span {
    let what = match fact {
        Fact::TransferSeen(_) => "see transfer",
        Fact::BlockLeft { .. } => "see block leave",
        Fact::HeadMoved { .. } => "see depth",
        Fact::ReadUpTo { .. } => "see time pass",
        Fact::PayoutSeen { .. } => "see payout",
        Fact::PayoutRejected { .. } => "learn that a refund cannot be sent",
        Fact::RefundFound { .. } => "find out about a refund",
        Fact::MovedIn { .. } => "take in money of another payment",
        Fact::CardOpened { .. } => "see the card gateway ready",
        Fact::RateBelieved { .. } => "price a refund",
        Fact::RefundApproved { .. } => "let a refund go",
        Fact::RefundSettled { .. } => "answer for what is missing of a refund",
        Fact::WrittenOff { .. } => "write money off",
        Fact::ProofNamed { .. } => "name the proof of a refund",
    };
    let span = tracing::info_span!(
        "observe",
        otel.name = what,
        booking.id = %loaded.payment.booking_id,
        payment.id = %loaded.payment.payment_id,
    );
    if let Some(parent) = &loaded.trace {
        trace::set_parent(&span, parent);
    }
    span
}

/// Where a refund is wanted, as its chain compares it.
fn place_of(command: &Command) -> Option<Vec<u8>> {
    match command {
        Command::Refund(asked) => asked.to.as_deref().and_then(address_key),
        Command::Prepare(_) | Command::Close(_) => None,
    }
}

/// The places among these refunds that are addresses of ours.
async fn ours_among(
    conn: &mut PgConnection,
    batch: &[Received<Asked>],
) -> Result<BTreeSet<Vec<u8>>, StoreError> {
    let places = batch.iter().filter_map(|received| place_of(&received.inbound.command));
    let owners = payments_at(conn, places.collect()).await?;
    Ok(owners.into_keys().collect())
}
