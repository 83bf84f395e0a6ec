//! The whole system without I/O, by seed: the production cores, a hostile world around them, and
//! what must hold.
#![doc = include_str!("../README.md")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::too_many_lines,
    clippy::disallowed_methods,
    reason = "a panic is a failed test"
)]

mod agenda;
mod booking;
mod chain;
mod commit;
mod database;
mod gateway;
#[cfg(feature = "mutants")]
pub mod hunt;
mod parcel;
mod payments;
mod predicates;
mod rest;
mod rewards;
pub mod shrink;
mod sometimes;
mod story;
mod supplier;
mod supplier_sync;
mod swarm;
mod tally;
mod treasury;
mod world;

pub mod model;
pub mod mutants;

use std::collections::BTreeSet;

use contracts::ids::BookingId;

pub use sometimes::{Counters, Sometimes};
pub use story::Line;
pub use swarm::Mix;
pub use tally::Tally;
pub use world::Sabotage;

use crate::{story::Story, world::World};

/// The stream of seeds that CI and development use.
pub const STREAM: &str = "development";

/// One run, to be made again whenever somebody wants to see it again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    pub stream: String,
    pub seed: u64,
    pub bookings: u32,
    /// Nothing: that of the seed.
    pub mix: Option<Mix>,
    pub sabotage: Sabotage,
    /// The mistake that the cores make, in a build that has them.
    pub mutant: Option<&'static str>,
    pub part: Part,
}

/// What is left of a run that was made smaller; by itself all of it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Part {
    /// Nobody clicks but these, counted as they were drawn; nothing: everybody.
    pub bookings: Option<BTreeSet<u32>>,
    /// Nothing fails but this; nothing: all that was drawn.
    pub faults: Option<BTreeSet<String>>,
    /// What happens to those who are left is drawn anew for each number but 0.
    pub salt: u64,
}

/// Something that must hold, and did not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Its short name: `S3`, `Q2`.
    pub predicate: &'static str,
    pub booking_id: Option<BookingId>,
    pub what: String,
}

/// What came of a run.
#[derive(Debug)]
pub struct Report {
    pub run: Run,
    pub mix: Mix,
    pub bookings: u64,
    /// How many of them were confirmed, whatever became of them later.
    pub confirmed: u64,
    pub steps: u64,
    pub violations: Vec<Violation>,
    /// The kinds of faults that were on.
    pub faults: BTreeSet<&'static str>,
    /// Which booking the first violation is about, counted as they were drawn.
    pub about: Option<u32>,
    pub sometimes: Counters,
    /// The same for the same run, and for no other.
    pub fingerprint: u64,
    /// Empty unless it was asked for.
    pub story: Vec<Line>,
}

impl Run {
    /// A seed of a stream, with nothing special about it.
    #[must_use]
    pub fn new(stream: &str, seed: u64, bookings: u32) -> Self {
        let stream = stream.to_owned();
        Self {
            stream,
            seed,
            bookings,
            mix: None,
            sabotage: Sabotage::None,
            mutant: None,
            part: Part::default(),
        }
    }

    /// Runs it.
    #[must_use]
    pub fn run(&self) -> Report {
        self.told(Story::Untold)
    }

    /// Runs it and tells its story.
    #[must_use]
    pub fn trace(&self) -> Report {
        self.told(Story::Told(Vec::new()))
    }

    fn told(&self, story: Story) -> Report {
        mutants::make(self.mutant);
        let mix = self.mix.unwrap_or(Mix::of(self.seed));
        let random = mixed(fnv(self.stream.as_bytes()) ^ mixed(self.seed));
        let mut world = World::new(random, mix, self.sabotage, story);
        if let Some(kinds) = &self.part.faults {
            world.only_faults(kinds);
        }
        let faults = world.faults.clone().kinds();
        world.invite(self.bookings, self.part.bookings.as_ref());
        if self.part.salt != 0 {
            world.draw_from(mixed(random ^ mixed(self.part.salt)));
        }
        world.run();
        let about = world.violations.first().and_then(|violation| violation.booking_id);
        let about = about.and_then(|id| world.invited.iter().position(|one| *one == id));
        let journals = &world.bookings.journals;
        let confirmed = journals.values().filter(|journal| {
            journal.iter().any(|entry| entry.event == booking_core::Event::Confirmed)
        });
        Report {
            run: self.clone(),
            mix,
            bookings: u64::from(self.bookings),
            confirmed: u64::try_from(confirmed.count()).unwrap(),
            steps: world.steps,
            faults,
            about: about.and_then(|place| u32::try_from(place).ok()),
            fingerprint: world.fingerprint(),
            violations: world.violations,
            sometimes: world.sometimes,
            story: world.story.lines(),
        }
    }
}

impl Report {
    /// The story of the booking that the first violation is about; of all where it is about none.
    #[must_use]
    pub fn shortened(&self) -> Vec<&Line> {
        let about = self.violations.first().and_then(|violation| violation.booking_id);
        let told =
            |line: &&Line| about.is_none() || line.booking_id.is_none() || line.booking_id == about;
        self.story.iter().filter(told).collect()
    }
}

impl World {
    /// A number that hangs on everything that was written.
    fn fingerprint(&self) -> u64 {
        let mut hash = fnv(&self.steps.to_be_bytes());
        let mut add = |bytes: &[u8]| hash = mixed(hash ^ fnv(bytes));
        for booking in self.bookings.rows.values() {
            add(&booking.version.to_be_bytes());
            add(format!("{:?} {}", booking.phase, booking.changed_at).as_bytes());
        }
        for leg in self.legs.rows.values() {
            add(&leg.version.to_be_bytes());
            add(format!("{:?}", leg.told).as_bytes());
        }
        for payment in self.payments.rows.values() {
            add(&payment.seq.to_be_bytes());
        }
        for account in self.accounts.rows.values() {
            add(&account.version.to_be_bytes());
        }
        add(self.now.to_rfc3339().as_bytes());
        hash
    }
}

/// Fowler, Noll and Vo's hash, 64 bits.
fn fnv(bytes: &[u8]) -> u64 {
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, step)
}

/// Steele, Lea and Flood's finaliser: numbers that are near each other come out far apart.
const fn mixed(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
