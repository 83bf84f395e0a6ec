//! What may go wrong in one run, and how often: drawn per seed, so that every run is hostile in its
//! own way.
//!
//! Each kind of fault is off in half of the runs. A run where everything fails a little hides what
//! a run
//! shows where one thing fails all the time.

use std::collections::BTreeSet;

use rand::{Rng as _, rngs::SmallRng, seq::IndexedRandom as _};

use crate::mixed;

/// How hostile a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mix {
    /// Nothing fails but what customers and suppliers may do.
    Calm,
    /// Each kind of fault is drawn.
    Swarm,
    /// Every kind of fault is on, none so high that nothing could be confirmed.
    Worst,
}

impl Mix {
    /// The mix of a numbered seed: one in twenty is calm, one in twenty the worst.
    #[must_use]
    pub const fn of(seed: u64) -> Self {
        match seed % 20 {
            0 => Self::Calm,
            1 => Self::Worst,
            _ => Self::Swarm,
        }
    }

    /// Its word.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Calm => "calm",
            Self::Swarm => "swarm",
            Self::Worst => "worst",
        }
    }
}

/// Makes the struct of all faults, with a way to every one by its name.
macro_rules! faults {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {
        /// The faults of one run. Numbers without a unit are chances in a thousand.
        #[derive(Debug, Clone, Default)]
        pub(crate) struct Faults {
            $($(#[$doc])* pub(crate) $name: u32,)*
        }

        impl Faults {
            /// Every kind by its name, and how bad it is.
            fn each(&mut self) -> Vec<(&'static str, &mut u32)> {
                vec![$((stringify!($name), &mut self.$name)),*]
            }
        }
    };
}

faults! {
    // Our processes, at each point where they can die.
    crash,
    handler_fails,
    /// The database commits, and the answer to that is lost.
    commit_unknown,
    pause,
    // The bus.
    delivery_lost,
    ack_lost,
    publish_lost,
    confirm_lost,
    repeated,
    delayed,
    delay_max_s,
    /// Hours late.
    held_up,
    // The supplier.
    connection_refused,
    request_lost,
    answer_lost,
    request_repeated,
    late,
    error_before,
    error_after,
    garbled,
    turned_away,
    look_up_bare,
    look_up_stale_max_s,
    visible_after_max_s,
    refusal_lies,
    takes_back,
    /// Moves what was bought.
    moves_days,
    other_dates,
    /// Does what it was asked long after it said nothing would be done any more.
    breaks_promises,
    // Our own gate before it.
    put_off,
    left_alone,
    // Its callbacks.
    callback_lost,
    callback_repeated,
    callback_late_max_s,
    callback_forged,
    /// Signed as it should be, and long ago.
    callback_old,
    /// Signed as it should be, and not true.
    callback_lies,
    // The chain.
    reorg,
    reorg_depth_max,
    /// Of reorganisations, how many go deeper than anything that counted as final.
    reorg_deep,
    transfer_dropped,
    node_away,
    /// Of charged cards, how many get it back from their bank.
    disputed,
    /// Of reservations, how many the supplier lets nobody cancel, ever.
    keeps,
    /// Of legs, how many are booked at others than Rapid.
    elsewhere,
}

/// What stays the same over a run, faults or not.
#[derive(Debug, Clone)]
pub(crate) struct Setting {
    pub(crate) sold_out: u32,
    pub(crate) price_changed: u32,
    pub(crate) cancels: u32,
    /// Whoever is told that all is booked cancels at once.
    pub(crate) regrets: u32,
    /// Whoever cancels agrees to a quote that was made some time ago.
    pub(crate) agrees_late: u32,
    pub(crate) odd_payer: u32,
    // Whoever sends refunds.
    pub(crate) treasury_refuses: u32,
    pub(crate) treasury_sends_twice: u32,
    pub(crate) treasury_sends_other: u32,
    pub(crate) redeems: u32,
    pub(crate) more_legs: u32,
    pub(crate) large: u32,
    pub(crate) hold_for_s: i64,
    /// How long bookings go on coming in, in seconds.
    pub(crate) rush_s: u32,
}

impl Setting {
    pub(crate) fn draw(mix: Mix, rng: &mut SmallRng) -> Self {
        const HOLDS_S: [i64; 6] = [3_600, 3_600, 26 * 3_600, 26 * 3_600, 60 * 24 * 3_600, 1_500];
        let lapses = if mix == Mix::Swarm { HOLDS_S.len() } else { HOLDS_S.len() - 1 };
        Self {
            sold_out: rng.random_range(0..60),
            price_changed: rng.random_range(0..40),
            cancels: rng.random_range(40..160),
            regrets: rng.random_range(0..250),
            agrees_late: rng.random_range(0..500),
            treasury_refuses: rng.random_range(0..300),
            treasury_sends_twice: rng.random_range(0..200),
            treasury_sends_other: rng.random_range(0..200),
            odd_payer: rng.random_range(100..400),
            redeems: rng.random_range(0..500),
            more_legs: rng.random_range(0..400),
            large: rng.random_range(0..150),
            hold_for_s: HOLDS_S[..lapses].choose(rng).copied().unwrap_or(3_600),
            rush_s: rng.random_range(60..7_200),
        }
    }
}

impl Faults {
    pub(crate) fn draw(mix: Mix, rng: &mut SmallRng) -> Self {
        match mix {
            Mix::Calm => Self::default(),
            Mix::Swarm => Self::drawn(rng, 500, 1),
            Mix::Worst => Self::drawn(rng, 1_000, 3),
        }
    }

    /// The kinds that are on.
    pub(crate) fn kinds(mut self) -> BTreeSet<&'static str> {
        self.each().into_iter().filter(|(_, most)| **most > 0).map(|(kind, _)| kind).collect()
    }

    /// Ends all but some kinds.
    pub(crate) fn keep(&mut self, kinds: &BTreeSet<String>) {
        for (kind, most) in self.each() {
            if !kinds.contains(kind) {
                *most = 0;
            }
        }
    }

    /// `on` is the chance of each kind, `mild` divides how high it may be.
    fn drawn(rng: &mut SmallRng, on: u32, mild: u32) -> Self {
        let mut up_to = |most: u32| {
            let most = (most / mild).max(1);
            if rng.random_range(0..1_000) < on { rng.random_range(1..=most) } else { 0 }
        };
        Self {
            crash: up_to(250),
            handler_fails: up_to(700),
            commit_unknown: up_to(150),
            pause: up_to(60),
            delivery_lost: up_to(300),
            ack_lost: up_to(300),
            publish_lost: up_to(300),
            confirm_lost: up_to(300),
            repeated: up_to(400),
            delayed: up_to(300),
            delay_max_s: up_to(600),
            held_up: up_to(120),
            connection_refused: up_to(200),
            request_lost: up_to(250),
            answer_lost: up_to(250),
            request_repeated: up_to(150),
            late: up_to(200),
            error_before: up_to(150),
            error_after: up_to(150),
            garbled: up_to(150),
            turned_away: up_to(150),
            look_up_bare: up_to(200),
            look_up_stale_max_s: up_to(250),
            visible_after_max_s: up_to(290),
            refusal_lies: up_to(500),
            takes_back: up_to(150),
            other_dates: up_to(30),
            breaks_promises: up_to(120),
            callback_lost: up_to(600),
            callback_repeated: up_to(500),
            callback_late_max_s: up_to(20_000),
            callback_forged: up_to(200),
            callback_old: up_to(200),
            callback_lies: up_to(300),
            reorg: up_to(250),
            reorg_depth_max: up_to(2),
            reorg_deep: up_to(60),
            transfer_dropped: up_to(400),
            node_away: up_to(300),
            put_off: up_to(200),
            left_alone: up_to(60),
            moves_days: up_to(150),
            disputed: 0,
            keeps: 0,
            elsewhere: 0,
        }
    }

    /// Drawn by itself, as the next is.
    pub(crate) const fn keeps(mix: Mix, random: u64) -> u32 {
        match mix {
            Mix::Calm => 0,
            Mix::Swarm if !mixed(!random).is_multiple_of(4) => 0,
            Mix::Swarm => 150,
            Mix::Worst => 20,
        }
    }

    /// No fault, and drawn as if it were one: a run can be made again without.
    pub(crate) const fn elsewhere(mix: Mix, random: u64) -> u32 {
        match mix {
            Mix::Swarm if mixed(!mixed(random)).is_multiple_of(4) => 0,
            Mix::Calm | Mix::Worst | Mix::Swarm => 600,
        }
    }

    /// Drawn by itself, so that what is drawn beside it stays what it was.
    pub(crate) const fn disputed(mix: Mix, random: u64) -> u32 {
        let drawn = mixed(random);
        match mix {
            Mix::Calm => 0,
            Mix::Swarm if drawn.is_multiple_of(2) => 0,
            Mix::Swarm => 200,
            Mix::Worst => 50,
        }
    }
}
