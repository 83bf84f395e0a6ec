//! Everything there is in one run, and the loop that lets it happen.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};
use contracts::{
    asset::Units,
    ids::{BookingId, LegId, MessageId, PaymentId},
    policy,
};
use payment_verification_core::decide::Patience;
use rand::{Rng as _, SeedableRng as _, rngs::SmallRng};
use supplier_sync_core::Call;
use suppliers::{Access, HttpRequest, Sent};
use uuid::Uuid;

use crate::{
    Violation,
    agenda::Agenda,
    booking::Bookings,
    chain::Chain,
    commit::Timer,
    database::Database,
    gateway::Gateway,
    mixed,
    parcel::{Parcel, Role},
    payments::Payments,
    rewards::Accounts,
    sometimes::{Counters, Sometimes},
    story::Story,
    supplier::{Manner, Market},
    supplier_sync::Legs,
    swarm::{Faults, Mix, Setting},
    treasury::Treasury,
};

mod amending;
mod bus;
mod cards;
mod changing;
mod commits;
mod exchange;
mod money;
mod people;
mod refunds;
mod turns;
mod webhooks;

pub(crate) use bus::Memory;
pub(crate) use changing::Saying;
pub(crate) use exchange::Exchange;
pub(crate) use people::Traveller;
pub(crate) use webhooks::{News, Push};

/// A run that takes more steps than this goes round in circles.
const STEPS_MAX: u64 = 300_000;

/// What only happens after so many years never happens.
const YEARS: i64 = 12;

/// A deliberate mistake, for the tests that prove that mistakes are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Sabotage {
    #[default]
    None,
    /// What a supplier shows after a leg is closed is not learnt.
    LateEvidenceDropped,
    /// Every delivery is handled, whatever the inbox says.
    InboxSkipped,
    /// A delivery is acknowledged before its effect is committed.
    AckedFirst,
    /// "Not found" counts although what was made may not show yet.
    NotFoundTrustedEarly,
    /// A message is forgotten once it was given to the broker, confirmed or not.
    ConfirmNotAwaited,
    /// Something stands at the supplier that nobody ever ordered.
    Orphan,
}

/// What happens next.
#[derive(Debug)]
pub(crate) enum Happening {
    Deliver { to: Role, parcel: Parcel, redelivered: bool },
    Publish { from: Role, row: u64 },
    Sweep(Role),
    Fire(Timer),
    Send(Box<Call>),
    Arrive { exchange: Exchange, request: HttpRequest, manner: Manner, answer: Answering },
    Return { exchange: Exchange, sent: Sent },
    GoOn { exchange: Exchange, request: HttpRequest },
    SupplierMakes { token: String, client_reference: String, hold: bool },
    SupplierTakesBack(String),
    SupplierMoves(String),
    Push(Push),
    Accept(BookingId),
    Cancel(BookingId),
    AgreeToTerms(BookingId, Uuid),
    Amend(BookingId),
    CancelLeg(BookingId),
    AnswerChange(Saying),
    GiveAddress(BookingId),
    LookAtCard(PaymentId),
    CardPush(PaymentId),
    CardRefundEnds { payment_id: PaymentId, refund_id: Uuid },
    CardLost(PaymentId),
    WriteOff(PaymentId),
    AskTreasury { payment_id: PaymentId, refund_id: Uuid },
    LetRefundGo { payment_id: PaymentId, refund_id: Uuid },
    Pay { booking_id: BookingId, part: u32 },
    PayDifference { booking_id: BookingId, payment_id: PaymentId, units: Units },
    Mine,
    Watch,
    Replay(Role, Parcel),
    FaultsEnd,
}

/// What becomes of the supplier's answer.
#[derive(Debug, Clone)]
pub(crate) enum Answering {
    /// It comes, perhaps not as the supplier documents it.
    Comes { at: DateTime<Utc>, instead: Option<suppliers::HttpReply> },
    /// It does not, and was given up by then, or is.
    Lost,
}

/// One run.
pub(crate) struct World {
    pub(crate) now: DateTime<Utc>,
    pub(crate) agenda: Agenda<Happening>,
    pub(crate) rng: SmallRng,
    /// What each turn's chance is drawn from, and how often it was whose turn.
    random: u64,
    turns: BTreeMap<Option<BookingId>, u64>,
    pub(crate) faults: Faults,
    pub(crate) setting: Setting,
    /// Whether the supplier keeps what it promises, in this run.
    pub(crate) supplier_is_true: bool,
    /// Whether nothing is made after it was refused, in this run.
    pub(crate) refusals_are_true: bool,
    pub(crate) sabotage: Sabotage,
    pub(crate) messaging: policy::Messaging,
    pub(crate) access: Access,

    pub(crate) databases: BTreeMap<Role, Database>,
    pub(crate) bookings: Bookings,
    pub(crate) legs: Legs,
    pub(crate) payments: Payments,
    pub(crate) accounts: Accounts,
    pub(crate) callbacks: BTreeSet<String>,
    /// For when each row in a table of timers is due.
    pub(crate) timers: BTreeMap<Timer, DateTime<Utc>>,
    pub(crate) parked: BTreeSet<(Role, MessageId, u32)>,
    /// Since when each booking is in its phase, with nobody to look at it.
    pub(crate) waits_since: BTreeMap<BookingId, DateTime<Utc>>,
    /// When nothing failed any more.
    pub(crate) faults_over: Option<DateTime<Utc>>,

    pub(crate) market: Market,
    pub(crate) chain: Chain,
    /// When the next block comes, if one is planned.
    pub(crate) mining: Option<DateTime<Utc>>,
    pub(crate) watching: bool,
    pub(crate) treasury: Treasury,
    pub(crate) gateway: Gateway,
    /// What travellers will say who think over a change of a leg.
    pub(crate) thinking: BTreeMap<LegId, Saying>,
    /// When each payment by card is looked at next.
    pub(crate) looks: BTreeMap<PaymentId, DateTime<Utc>>,
    pub(crate) travellers: BTreeMap<BookingId, Traveller>,
    /// Everybody's booking in the order in which they were drawn.
    pub(crate) invited: Vec<BookingId>,
    /// Whose leg it is.
    pub(crate) leg_owners: BTreeMap<LegId, BookingId>,
    /// Every message ever said, and whose it is; not in the real system, for the check alone.
    pub(crate) said: Vec<(MessageId, &'static [Role], &'static str)>,
    pub(crate) found_nothing: BTreeSet<String>,
    pub(crate) refused: BTreeSet<String>,

    pub(crate) sometimes: Counters,
    pub(crate) story: Story,
    pub(crate) violations: Vec<Violation>,
    pub(crate) steps: u64,
}

impl World {
    pub(crate) fn new(random: u64, mix: Mix, sabotage: Sabotage, story: Story) -> Self {
        let mut rng = SmallRng::seed_from_u64(random);
        let setting = Setting::draw(mix, &mut rng);
        let mut faults = Faults::draw(mix, &mut rng);
        faults.disputed = Faults::disputed(mix, random);
        faults.keeps = Faults::keeps(mix, random);
        faults.elsewhere = Faults::elsewhere(mix, random);
        let shipped = policy::Policy::parse(policy::DEFAULT).unwrap();
        let registry = payment_verification_core::assets::DEFAULT;
        let now = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        let chain = Chain::new(now);
        let faulty_for = TimeDelta::seconds(i64::from(setting.rush_s) + 4 * 3_600);
        let mut agenda = Agenda::new();
        agenda.put(now + faulty_for, Happening::FaultsEnd);
        let grace = TimeDelta::from_std(shipped.payment.grace).unwrap();
        let mut policies = supplier_sync_core::Policy::all(&shipped);
        if sabotage == Sabotage::NotFoundTrustedEarly {
            policies.values_mut().for_each(|one| one.visible_after_max = TimeDelta::zero());
        }
        Self {
            now,
            agenda,
            rng,
            random: mixed(random),
            turns: BTreeMap::new(),
            supplier_is_true: faults.breaks_promises == 0,
            refusals_are_true: faults.refusal_lies == 0,
            sabotage,
            messaging: shipped.messaging.clone(),
            access: Access {
                key: "key".to_owned(),
                secret: "secret".into(),
                email: "ops@holdfast.example".to_owned(),
                customer_ip: "203.0.113.1".to_owned(),
                country_code: "DE".to_owned(),
                language: "en-US".to_owned(),
            },
            databases: Role::ALL.into_iter().map(|role| (role, Database::default())).collect(),
            bookings: Bookings {
                policy: booking_core::Policy::of(&shipped),
                rows: BTreeMap::new(),
                journals: BTreeMap::new(),
            },
            legs: Legs {
                policies,
                rows: BTreeMap::new(),
                journals: BTreeMap::new(),
                by_reference: BTreeMap::new(),
                sabotage,
            },
            payments: Payments {
                registry: payment_verification_core::assets::Registry::parse(registry)
                    .unwrap()
                    .with_cards(),
                patience: Patience { grace, block_time: TimeDelta::seconds(12) },
                rows: BTreeMap::new(),
                journals: BTreeMap::new(),
                owners: BTreeMap::new(),
                named: BTreeMap::new(),
                cursor: chain.cursor(),
            },
            accounts: Accounts {
                policy: (&shipped.rewards).into(),
                rows: BTreeMap::new(),
                journals: BTreeMap::new(),
            },
            callbacks: BTreeSet::new(),
            timers: BTreeMap::new(),
            parked: BTreeSet::new(),
            waits_since: BTreeMap::new(),
            faults_over: None,
            market: Market::new(TimeDelta::seconds(setting.hold_for_s)),
            chain,
            mining: None,
            watching: false,
            treasury: Treasury::default(),
            gateway: Gateway::default(),
            thinking: BTreeMap::new(),
            looks: BTreeMap::new(),
            travellers: BTreeMap::new(),
            invited: Vec::new(),
            leg_owners: BTreeMap::new(),
            said: Vec::new(),
            found_nothing: BTreeSet::new(),
            refused: BTreeSet::new(),
            sometimes: Counters::default(),
            story,
            violations: Vec::new(),
            steps: 0,
            faults,
            setting,
        }
    }

    /// Lets nothing fail but some kinds of what was drawn.
    pub(crate) fn only_faults(&mut self, kinds: &BTreeSet<String>) {
        self.faults.keep(kinds);
        self.supplier_is_true = self.faults.breaks_promises == 0;
        self.refusals_are_true = self.faults.refusal_lies == 0;
    }

    /// Lets everything happen, first with faults and then without, until nothing is left to happen.
    pub(crate) fn run(&mut self) {
        let end = self.now + TimeDelta::days(YEARS * 366);
        while let Some((at, what)) = self.agenda.take() {
            if at > end {
                break;
            }
            self.now = at;
            self.steps += 1;
            self.turn(&what);
            self.happen(what);
            if self.steps > STEPS_MAX {
                self.broken("S18", None, "it goes round in circles".to_owned());
            }
            if !self.violations.is_empty() {
                return;
            }
        }
        self.check_at_rest();
    }

    fn happen(&mut self, what: Happening) {
        match what {
            Happening::Deliver { to, parcel, redelivered } => self.deliver(to, parcel, redelivered),
            Happening::Publish { from, row } => self.publish(from, row),
            Happening::Sweep(role) => self.sweep(role),
            Happening::Fire(timer) => self.fire(timer),
            Happening::Send(call) => self.send(*call),
            Happening::Arrive { exchange, request, manner, answer } => {
                self.arrive(exchange, &request, manner, answer);
            }
            Happening::Return { exchange, sent } => self.answered(exchange, sent),
            Happening::GoOn { exchange, request } => self.travel(exchange, request),
            Happening::SupplierMakes { token, client_reference, hold } => {
                self.supplier_makes(&token, &client_reference, hold);
            }
            Happening::SupplierTakesBack(reference) => self.supplier_takes_back(&reference),
            Happening::SupplierMoves(reference) => self.supplier_moves(&reference),
            Happening::Push(push) => self.push(push),
            Happening::Accept(booking_id) => self.accept(booking_id),
            Happening::Cancel(booking_id) => self.cancel(booking_id),
            Happening::AgreeToTerms(booking_id, agreed) => self.agree_to_terms(booking_id, agreed),
            Happening::Amend(booking_id) => self.amend(booking_id),
            Happening::CancelLeg(booking_id) => self.cancel_leg(booking_id),
            Happening::AnswerChange(saying) => self.answer_change(saying),
            Happening::GiveAddress(booking_id) => self.give_address(booking_id),
            Happening::LookAtCard(id) => self.look_at_card(id),
            Happening::CardPush(id) => self.card_pushed(id),
            Happening::CardRefundEnds { payment_id, refund_id } => {
                self.card_refund_ends(payment_id, refund_id);
            }
            Happening::CardLost(id) => self.card_lost(id),
            Happening::WriteOff(id) => self.write_off(id),
            Happening::AskTreasury { payment_id, refund_id } => {
                self.ask_treasury(payment_id, refund_id);
            }
            Happening::LetRefundGo { payment_id, refund_id } => {
                self.let_refund_go(payment_id, refund_id);
            }
            Happening::PayDifference { booking_id, payment_id, units } => {
                self.pay_difference(booking_id, payment_id, units);
            }
            Happening::Pay { booking_id, part } => self.pay(booking_id, part),
            Happening::Mine => self.mine(),
            Happening::Watch => self.watch(),
            Happening::Replay(role, parcel) => self.replay(role, parcel),
            Happening::FaultsEnd => {
                self.faults = Faults::default();
                self.faults_over = Some(self.now);
                if self.sabotage == Sabotage::Orphan {
                    self.plant();
                }
                self.story.tell(self.now, None, || "faults end here".to_owned());
            }
        }
    }

    /// Puts something at the supplier that nobody ordered.
    fn plant(&mut self) {
        let token = self.market.offers.keys().next().unwrap().clone();
        let manner = Manner::default();
        self.market.make(&token, "ordered by nobody", false, manner, self.now);
    }

    pub(crate) fn chance(&mut self, in_a_thousand: u32) -> bool {
        // Drawn also where it never is, so that leaving out a kind of fault shifts nothing.
        self.rng.random_range(0..1_000) < in_a_thousand
    }

    /// One of the points where a process can die.
    pub(crate) fn crashes(&mut self) -> bool {
        self.chance(self.faults.crash)
    }

    /// What is left of a process just after its commit: it may die there, or lose the answer to the
    /// commit and have to take it for undone.
    pub(crate) fn after_commit(&mut self) -> Memory {
        if self.crashes() {
            return Memory::Dies;
        }
        if self.chance(self.faults.commit_unknown) {
            self.hit(Sometimes::CommitUnknown);
            return Memory::Dies;
        }
        Memory::Lives
    }

    pub(crate) fn hit(&mut self, what: Sometimes) {
        self.sometimes.hit(what);
    }

    pub(crate) fn put_in(&mut self, seconds: i64, what: Happening) {
        self.agenda.put(self.now + TimeDelta::seconds(seconds), what);
    }

    /// After some milliseconds, as things take inside a machine room.
    pub(crate) fn put_soon(&mut self, what: Happening) {
        let soon = TimeDelta::milliseconds(self.rng.random_range(1..40));
        self.agenda.put(self.now + soon, what);
    }

    pub(crate) fn seconds(&mut self, from: i64, to: i64) -> i64 {
        self.rng.random_range(from..=to.max(from))
    }

    pub(crate) fn database(&mut self, role: Role) -> &mut Database {
        self.databases.get_mut(&role).unwrap()
    }

    pub(crate) fn tell(&mut self, about: Option<BookingId>, text: impl FnOnce() -> String) {
        self.story.tell(self.now, about, text);
    }

    pub(crate) fn broken(
        &mut self,
        predicate: &'static str,
        about: Option<BookingId>,
        what: String,
    ) {
        self.tell(about, || format!("BROKEN {predicate}: {what}"));
        self.violations.push(Violation { predicate, booking_id: about, what });
    }
}
