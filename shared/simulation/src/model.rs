//! Every way within bounds, of one leg at its supplier and of one whole booking: stateright goes
//! them, the cores are the ones that ship.
//!
//! Where the seeds draw some ways of many bookings, this goes all ways of one, and says how many
//! there were.

mod alone;
mod moment;
mod side;
mod till;
mod whole;

use std::fmt::{Debug, Write as _};

use chrono::{DateTime, TimeDelta, Utc};
use contracts::{
    money::{Currency, Money},
    offer::{LegOrder, Occupancy, Product, Terms},
    policy,
    supplier::Supplier,
};
use payment_verification_core::{assets, decide::Patience};
use stateright::{Checker as _, HasDiscoveries, Model};
use supplier_sync_core::Policy;

use self::{alone::Alone, till::Office, whole::Whole};
use crate::{fnv, mixed, story::brief};

/// How much may go wrong on one way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Bounds {
    /// Calls to a supplier that fail, in one of their ways.
    pub faults: u32,
    /// Messages that come again.
    pub repeats: u32,
    pub callbacks: u32,
    /// How often time goes on although something is under way: late messages, slow blocks.
    pub delays: u32,
    /// How often the customer pays while that is asked for.
    pub payments: u32,
    /// How often money comes at any other time.
    pub late: u32,
    /// Blocks that leave with money in them.
    pub reorgs: u32,
    /// How often the customer cancels.
    pub cancellations: u32,
    /// Refunds that the treasury cannot send.
    pub rejections: u32,
}

/// What going all ways has shown.
#[derive(Debug, Default)]
pub struct Seen {
    /// States that differ.
    pub states: usize,
    /// The longest of the shortest ways to a state.
    pub depth: usize,
    /// What must be possible and never was.
    pub never: Vec<&'static str>,
    /// What is wrong, with the shortest way that leads there.
    pub wrong: Option<(String, Vec<String>)>,
}

impl Seen {
    /// Whether every way was gone, nothing is wrong, and nothing that must be possible is missing.
    #[must_use]
    pub const fn is_well(&self) -> bool {
        self.wrong.is_none() && self.never.is_empty()
    }
}

/// What all ways are gone of, and how far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asked {
    pub name: &'static str,
    /// How many legs the booking has; 0 for one leg that nobody in particular wishes for.
    pub legs: u8,
    pub bounds: Bounds,
}

/// Nothing goes wrong, and the customer pays once and may cancel.
const CALM: Bounds = Bounds {
    faults: 0,
    repeats: 0,
    callbacks: 0,
    delays: 0,
    payments: 1,
    late: 0,
    reorgs: 0,
    cancellations: 1,
    rejections: 0,
};

/// What can be gone in minutes, with so many calls that fail.
#[must_use]
pub const fn asked(faults: u32) -> [Asked; 5] {
    const fn of(name: &'static str, legs: u8, bounds: Bounds) -> Asked {
        Asked { name, legs, bounds }
    }
    let alone = Bounds { faults, repeats: 1, callbacks: 2, payments: 0, cancellations: 0, ..CALM };
    let astray = Bounds { late: 1, reorgs: 1, rejections: 1, cancellations: 0, ..CALM };
    [
        of("one leg", 0, alone),
        of("a booking whose supplier fails", 1, Bounds { faults, ..CALM }),
        of("a booking whose messages go astray", 1, Bounds { repeats: 1, delays: 1, ..CALM }),
        of("a booking whose money goes astray", 1, astray),
        of("a trip of two legs", 2, CALM),
    ]
}

impl Asked {
    /// Goes every way; with a mistake on purpose, in a build that has them.
    #[must_use]
    pub fn explore(&self, mutant: Option<&'static str>, threads: usize) -> Seen {
        let (legs, bounds) = (self.legs, self.bounds);
        let shipped = policy::Policy::parse(policy::DEFAULT).unwrap();
        let suppliers = Policy::of(shipped.of(Supplier::Rapid));
        if legs == 0 {
            return explore(Alone { bounds, policy: suppliers, mutant }, threads);
        }
        let grace = TimeDelta::from_std(shipped.payment.grace).unwrap();
        let office = Office {
            registry: assets::Registry::parse(assets::DEFAULT).unwrap(),
            patience: Patience { grace, block_time: TimeDelta::seconds(12) },
        };
        let policy = booking_core::Policy::of(&shipped);
        explore(Whole { bounds, legs, policy, suppliers, office, mutant }, threads)
    }
}

fn explore<M>(model: M, threads: usize) -> Seen
where
    M: Model + Send + Sync + 'static,
    M::State: Clone + Debug + PartialEq + std::hash::Hash + Send + Sync + 'static,
    M::Action: Clone + Debug + PartialEq + Send + Sync + 'static,
{
    let must: Vec<_> = model.properties();
    let must: Vec<&'static str> = must
        .iter()
        .filter(|property| matches!(property.expectation, stateright::Expectation::Sometimes))
        .map(|property| property.name)
        .collect();
    let checker = model.checker().threads(threads).finish_when(HasDiscoveries::AnyFailures);
    let checker = checker.spawn_bfs().join();
    let found = checker.discoveries();
    let failed = found.iter().find(|(name, _)| !must.contains(*name));
    let wrong = failed.map(|(name, path)| {
        let way = path.clone().into_actions();
        ((*name).to_owned(), way.iter().map(brief).collect())
    });
    let never = match wrong {
        Some(_) => Vec::new(),
        None => must.into_iter().filter(|name| !found.contains_key(name)).collect(),
    };
    Seen { states: checker.unique_state_count(), depth: checker.max_depth(), never, wrong }
}

/// What is written into it leaves a number and no text.
struct Hashing(u64);

impl std::fmt::Write for Hashing {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        self.0 = mixed(self.0 ^ fnv(text.as_bytes()));
        Ok(())
    }
}

/// A number that two equal things have in common, and two others as good as never.
fn hashed(thing: &impl Debug) -> u64 {
    let mut hash = Hashing(0);
    write!(hash, "{thing:?}").unwrap();
    mixed(hash.0)
}

fn noon() -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000, 0).unwrap()
}

fn order() -> LegOrder {
    let day = noon().date_naive();
    LegOrder {
        supplier: Supplier::Rapid,
        book_key: "/v3/itineraries?token=t".to_owned(),
        property_id: "19248".to_owned(),
        check_in: day,
        check_out: day.succ_opt().unwrap(),
        occupancy: Occupancy { adults: 2, children: Vec::new() },
        price: Money::new(10_000, Currency::Eur),
        terms: Terms {
            refundable: true,
            cancel_steps: Vec::new(),
            holdable: true,
            due_at_property: Vec::new(),
        },
        product: Product::Stay,
        reprice: None,
    }
}
