//! One payment and everything that happens to it, printed line by line.

use std::fmt::Write as _;

use chrono::{DateTime, TimeDelta, Utc};
use contracts::{
    asset::{AssetAmount, AssetId, Units},
    ids::{BookingId, PaymentId},
    messages::{CloseBecause, Closing, RefundBasis},
    money::{Currency, Money},
};
use uuid::Uuid;

use crate::{
    Command, Effect, Event, Fact, Payment,
    assets::{DEFAULT, Registry},
    chain::{BlockRef, Hash32, TransferKey},
    command::{RefundAsked, Terms},
    decide::{Means, Patience, decide, needs_deposit, refused},
    depth::Head,
    effects, evolve,
    fact::Sighted,
    learn,
    refund::RefundChange,
    state::Deposit,
};

const REGISTRY: &str = r#"
    chain = [{ id = "eip155:31337", name = "Test", block_time = "5m" }]
    [[asset]]
    id = "eth"
    name = "Ether"
    chain = "eip155:31337"
    decimals = 18
    dust = "0.000000000000000002"
    tiers = [{ up_to = "0.000000000000001", confirmations = 3 }, { confirmations = 6 }]
"#;

/// What somebody adds to the registry: a network and a coin of its own, a token and a coin.
pub(crate) const NEW: &str = r#"
[[chain]]
id = "eip155:4242"
name = "A network that is new"
block_time = "3s"
tiers = [{ up_to = "50", confirmations = 5 }, { confirmations = 40 }]

[[chain]]
id = "bip122:0123456789abcdef0123456789abcdef"
name = "A coin that is new"
block_time = "60s"
address_prefix = "nc"
uri = "newcoin"
tiers = [{ confirmations = 20 }]

[[asset]]
id = "new-token"
name = "New token"
chain = "eip155:4242"
contract = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"
decimals = 6
worth = "2.5"

[[asset]]
id = "new-coin"
name = "New coin"
chain = "bip122:0123456789abcdef0123456789abcdef"
decimals = 8
coin = "new-coin-2"
"#;

pub(crate) fn start() -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000, 0).unwrap()
}

pub(crate) fn hash(n: u8) -> Hash32 {
    Hash32([n; 32])
}

pub(crate) fn units(n: u64) -> Units {
    Units::parse(&n.to_string()).unwrap()
}

pub(crate) fn prepare(amount: u64) -> Command {
    prepare_in("eth", 18, amount)
}

pub(crate) fn prepare_in(asset: &str, decimals: u8, amount: u64) -> Command {
    let asset = AssetId::parse(asset).unwrap();
    Command::Prepare(Terms {
        amount: AssetAmount { units: units(amount), decimals, asset },
        price: Money::new(25_000, Currency::Eur),
        pay_by: start() + TimeDelta::minutes(20),
    })
}

pub(crate) fn refund(n: u128, amount: u64) -> Command {
    let refund_id = Uuid::from_u128(n);
    Command::Refund(RefundAsked {
        refund_id,
        units: units(amount),
        to: None,
        basis: RefundBasis::Then,
        handled_by: None,
    })
}

/// Transfer `n` of `amount` in the block `block` of height `block`, seen by `look`.
pub(crate) fn seen(n: u8, amount: u64, block: u8, look: u64) -> Fact {
    Fact::TransferSeen(Sighted {
        key: TransferKey { transaction: hash(n), position: String::new() },
        units: units(amount),
        block: BlockRef { height: u64::from(block), hash: hash(block) },
        look,
        stamped_at: start(),
        rests: 0,
    })
}

pub(crate) fn left(block: u8, look: u64) -> Fact {
    Fact::BlockLeft { block: hash(block), look }
}

pub(crate) fn head(head: u64, look: u64) -> Fact {
    Fact::HeadMoved { head, look, finalized: None }
}

/// Every block is read up to one of `seconds` after the start.
pub(crate) fn read_up_to(seconds: i64) -> Fact {
    Fact::ReadUpTo { stamped_at: start() + TimeDelta::seconds(seconds) }
}

/// The booking is undone.
pub(crate) fn undone() -> Command {
    Command::Close(CloseBecause::Undone)
}

/// The deadline passed without the money.
pub(crate) fn not_paid() -> Command {
    Command::Close(CloseBecause::NotPaid)
}

/// The same transfer in a block made `seconds` after the start.
pub(crate) fn made_at(fact: Fact, seconds: i64) -> Fact {
    let Fact::TransferSeen(mut sighted) = fact else { return fact };
    sighted.stamped_at = start() + TimeDelta::seconds(seconds);
    Fact::TransferSeen(sighted)
}

/// One payment, from nothing.
#[derive(Clone)]
pub(crate) struct World {
    pub(crate) payment: Payment,
    pub(crate) journal: Vec<Event>,
    pub(crate) said: Vec<Effect>,
    /// What may go back before a second person has to let it go, in cents.
    pub(crate) alone_max: i64,
    /// The payment that is named as the place of a refund.
    pub(crate) into: Option<Payment>,
    /// The newest block that was told.
    pub(crate) head: Option<Head>,
    registry: Registry,
    address: &'static str,
    now: DateTime<Utc>,
}

impl World {
    pub(crate) fn new() -> Self {
        let ids = (PaymentId(Uuid::from_u128(1)), BookingId(Uuid::from_u128(2)));
        Self {
            payment: Payment::new(ids.0, ids.1),
            journal: vec![],
            said: vec![],
            alone_max: i64::MAX,
            into: None,
            head: None,
            registry: Registry::parse(REGISTRY).unwrap(),
            address: "0xADD7",
            now: start(),
        }
    }

    /// With the registry that ships.
    pub(crate) fn as_shipped() -> Self {
        Self { registry: Registry::parse(DEFAULT).unwrap(), ..Self::new() }
    }

    /// With a coin that only the registry knows.
    pub(crate) fn in_a_new_coin() -> Self {
        let registry = Registry::parse(&format!("{DEFAULT}{NEW}")).unwrap();
        Self { registry, address: "nc1qaa", ..Self::new() }
    }

    /// With the registry that ships, and cards.
    pub(crate) fn with_cards() -> Self {
        Self { registry: Registry::parse(DEFAULT).unwrap().with_cards(), ..Self::new() }
    }

    /// On a chain that says by itself what is final.
    pub(crate) fn on_a_chain_that_says_what_is_final() -> Self {
        let text = REGISTRY.replace("\"5m\" }", "\"5m\", finalized = true }");
        Self { registry: Registry::parse(&text).unwrap(), ..Self::new() }
    }

    /// With an address that its chain could have.
    pub(crate) fn at_an_account() -> Self {
        Self { address: "0x00000000000000000000000000000000000aDD07", ..Self::new() }
    }

    pub(crate) fn ask(&mut self, command: &Command) -> Vec<Event> {
        let known = self.payment.request.as_ref().map(|request| &request.terms);
        let terms = if let Command::Prepare(terms) = command { Some(terms) } else { known };
        let asset = terms.and_then(|terms| self.registry.asset(&terms.amount.asset));
        let deposit = needs_deposit(&self.payment, command)
            .then(|| Deposit { address: self.address.to_owned(), index: 7 });
        let chain = asset.and_then(|asset| self.registry.chain(&asset.chain));
        let patience = Patience::on(chain, TimeDelta::minutes(10));
        let refund_alone_max = Some(Money::new(self.alone_max, Currency::Eur));
        let (into, head) = (self.into.as_ref(), self.head);
        let means = Means { asset, deposit, patience, refund_alone_max, into, head };
        let events = match decide(&self.payment, command, &means, self.now) {
            Ok(events) => events,
            Err(refusal) => vec![refused(&self.payment, command, refusal)],
        };
        self.apply(events)
    }

    /// Lets seconds pass.
    pub(crate) fn wait(&mut self, seconds: i64) {
        self.now += TimeDelta::seconds(seconds);
    }

    pub(crate) fn tell(&mut self, fact: &Fact) -> Vec<Event> {
        self.now += TimeDelta::seconds(1);
        if let Fact::HeadMoved { head, finalized, .. } = fact {
            self.head = Some(Head { height: *head, finalized: *finalized });
        }
        let events = learn(&self.payment, fact, self.now);
        self.apply(events)
    }

    fn apply(&mut self, events: Vec<Event>) -> Vec<Event> {
        for event in &events {
            self.payment = evolve(self.payment.clone(), event);
            self.said.extend(effects(&self.payment, event));
            self.journal.push(event.clone());
        }
        events
    }
}

/// What is asked and what happens, in order.
pub(crate) enum Step {
    Ask(Command),
    Tell(Fact),
}

/// Runs a story and prints what each step did.
pub(crate) fn story(steps: Vec<(&str, Step)>) -> String {
    let mut world = World::new();
    let mut text = String::new();
    for (title, step) in steps {
        let before = world.said.len();
        let events = match step {
            Step::Ask(command) => world.ask(&command),
            Step::Tell(fact) => world.tell(&fact),
        };
        writeln!(text, "{title}").unwrap();
        for event in &events {
            writeln!(text, "  {}", print(event)).unwrap();
        }
        for effect in &world.said[before..] {
            writeln!(text, "    -> {}", print_effect(effect)).unwrap();
        }
    }
    let accounts: Vec<_> = world
        .payment
        .book
        .0
        .iter()
        .map(|(account, sides)| format!("{} +{} -{}", account.name(), sides.credit, sides.debit))
        .collect();
    for line in accounts {
        writeln!(text, "account {line}").unwrap();
    }
    text
}

fn print(event: &Event) -> String {
    match event {
        Event::CardAsked(_) => "card asked".to_owned(),
        Event::Prepared(request) => format!("prepared: {} deep", request.confirmations),
        Event::Refused { refusal } => format!("refused: {refusal}"),
        Event::TransferSeen(s) => format!("transfer of {} in block {}", s.units, s.block.height),
        Event::BlockLeft { .. } => "block left".to_owned(),
        Event::SeenChanged { received, complete, .. } => {
            format!("seen: {received}, complete: {complete}")
        }
        Event::Finalised { units, .. } => format!("final: {units}"),
        Event::Settled { price, dust, excess, .. } => {
            format!("settled: price {price}, dust {dust}, excess {excess}")
        }
        Event::MovedIn { moved, .. } => format!("moved in: {}", moved.units),
        Event::Exceeded { units } => format!("exceeded by {units}"),
        Event::CloseAsked(asked) => format!("close asked: {:?}", asked.because),
        Event::GraceBegun { by } => format!("back by {}", after(*by)),
        Event::Closed { closing, due } => format!("{}, due {due}", print_closing(closing)),
        Event::CameLate { units, .. } => format!("came late: {units}"),
        Event::Withdrawn { units, .. } => format!("withdrawn: {units}"),
        Event::Reversed { units, .. } => format!("reversed: {units}"),
        Event::Restored { units, .. } => format!("restored: {units}"),
        Event::WrittenOff { loss, by, .. } => format!("{} written off by {by}", loss.units()),
        Event::Recovered { ours, due } => format!("recovered: {ours}, due {due}"),
        Event::RefundGranted(g) => {
            format!(
                "refund of {}: due {}, excess {}, price {}",
                g.units, g.of_due, g.of_excess, g.of_price
            )
        }
        Event::Refund { change, .. } => print_change(change),
    }
}

fn print_change(change: &RefundChange) -> String {
    let kind = change.kind();
    match change {
        RefundChange::Refused { refusal, .. } => format!("{kind}: {refusal}"),
        RefundChange::AddressGiven { to } => format!("{kind}: {to}"),
        RefundChange::Approved { by, .. } => format!("{kind} by {by}"),
        RefundChange::Priced(priced) => format!("{kind}: {}", priced.units),
        RefundChange::PayoutSeen(s) => format!("{kind}: {} in block {}", s.units, s.block.height),
        RefundChange::AddressRefused { units }
        | RefundChange::Failed { units }
        | RefundChange::Moved { units, .. }
        | RefundChange::Confirmed { units, .. } => format!("{kind}: {units}"),
        RefundChange::AddedUp(ending) | RefundChange::FellShort(ending) => {
            format!("{kind}: {}", ending.came)
        }
        RefundChange::Settled { ending, by, .. } => {
            format!("{kind}: {} came, {by} answers for {}", ending.came, ending.otherwise)
        }
        RefundChange::Misspent { units, why, .. } => format!("{kind}: {units}, {why:?}"),
        RefundChange::Reversed { units, proof, .. } => format!("{kind}: {units}, proof: {proof}"),
        RefundChange::ProofNamed { transaction, by, .. } => format!("{by} names {transaction}"),
        RefundChange::Found(finding) => format!("{kind}: {finding:?}"),
        RefundChange::Sent { .. } | RefundChange::Unsent => kind.to_owned(),
    }
}

/// An instant as the story counts it.
fn after(at: DateTime<Utc>) -> String {
    format!("+{}s", at.signed_duration_since(start()).num_seconds())
}

fn print_closing(closing: &Closing) -> String {
    match closing {
        Closing::Closed { received, settled } => {
            format!("closed({received} seen, {settled} final)")
        }
        Closing::AlreadySettled { settled } => format!("already settled({settled})"),
    }
}

fn print_effect(effect: &Effect) -> String {
    match effect {
        Effect::SayPrepared(i) => format!("prepared: pay {} to {}", i.amount.units, i.address),
        Effect::SaySeen(m) => {
            let at = after(m.seen_at);
            format!("seen #{}: {}, complete: {}, at {at}", m.seq, m.received, m.complete)
        }
        Effect::SaySettled(m) => format!("settled #{}: {}", m.seq, m.received),
        Effect::SayReversed(m) => format!("away #{}: {}, final: {}", m.seq, m.gone, m.settled),
        Effect::SayClosed(m) => format!("{} #{}", print_closing(&m.closing), m.seq),
        Effect::SayRefund(m) => {
            let otherwise = m.otherwise.map(|units| format!(", {units} otherwise"));
            let otherwise = otherwise.unwrap_or_default();
            format!("refund #{}: {:?} {}{otherwise}", m.seq, m.state, m.units)
        }
        Effect::Post(postings) => {
            let lines = postings
                .iter()
                .map(|p| format!("{} {}>{}", p.units, p.debit.name(), p.credit.name()));
            format!("post {}", lines.collect::<Vec<_>>().join(", "))
        }
    }
}
