//! Properties: whatever is repeated, reordered, lost or killed, a message takes effect at most
//! once, and is not given up before its time.

use std::{collections::BTreeSet, sync::LazyLock, time::Duration};

use contracts::policy::{DEFAULT, Messaging as Policy, Policy as All};
use proptest::prelude::*;

use super::*;

fn policy() -> Policy {
    static POLICY: LazyLock<Policy> = LazyLock::new(|| All::parse(DEFAULT).unwrap().messaging);
    POLICY.clone()
}

/// What may happen next to one message and its consumer.
#[derive(Debug, Clone, Copy)]
enum Step {
    /// The broker delivers one of the copies that are out; it stays out, as after a crash before
    /// the acknowledgement.
    Deliver { copy: usize, redelivered: bool, handler: Handler, crash: Crash },
    /// Somebody replays the message after its latest attempt.
    Replay { ahead: u32 },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Handler {
    Works,
    Fails,
    Rejects,
    Panics,
}

/// Where the process is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Crash {
    No,
    BeforeCommit,
    AfterCommit,
}

/// The shell in small: an inbox row, the effects, and the copies of the message that are out.
#[derive(Default)]
struct World {
    row: Option<Seen>,
    effects: u32,
    out: Vec<u32>,
    handled: Vec<u32>,
    said: BTreeSet<(u32, bool)>,
}

impl World {
    fn deliver(&mut self, attempt: u32, redelivered: bool, handler: Handler, crash: Crash) {
        let policy = policy();
        let delivery = Delivery { attempt, redelivered };
        let mut paid = false;
        let trouble = match verdict(delivery, self.row, policy.crash_marks_max) {
            Verdict::Repeat => return,
            Verdict::Quarantine => Some(Trouble::Permanent(Cause::Crash)),
            decided @ (Verdict::Handle | Verdict::Alone) => {
                if decided == Verdict::Alone {
                    paid = true;
                    let row = self.row.get_or_insert(Seen {
                        attempt: None,
                        state: State::Waiting,
                        marks: 0,
                    });
                    row.marks += 1;
                }
                self.handled.push(attempt);
                match handler {
                    Handler::Works => None,
                    Handler::Fails => Some(Trouble::Transient),
                    Handler::Rejects => Some(Trouble::Permanent(Cause::Rejected)),
                    Handler::Panics => Some(Trouble::Panic),
                }
            }
        };
        if crash == Crash::BeforeCommit {
            return;
        }
        let marks = Marks { count: self.row.map_or(0, |row| row.marks), paid };
        let (state, marks) = match trouble {
            None => {
                self.effects += 1;
                (State::Done, 0)
            }
            Some(trouble) => match after_failure(attempt, marks, trouble, &policy, 7) {
                Next::Retry { marks, .. } => {
                    // The outbox has one row for (message, attempt, address), however often it is
                    // written.
                    if self.said.insert((attempt + 1, false)) {
                        self.out.push(attempt + 1);
                    }
                    (State::Waiting, marks)
                }
                Next::Dead(_) => {
                    self.said.insert((attempt, true));
                    (State::Dead, 0)
                }
            },
        };
        self.row = Some(Seen { attempt: Some(attempt), state, marks });
    }
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let handler = prop_oneof![
        Just(Handler::Works),
        Just(Handler::Fails),
        Just(Handler::Rejects),
        Just(Handler::Panics)
    ];
    let crash = prop_oneof![
        4 => Just(Crash::No),
        1 => Just(Crash::BeforeCommit),
        1 => Just(Crash::AfterCommit)
    ];
    let deliver = (any::<prop::sample::Index>(), any::<bool>(), handler, crash).prop_map(
        |(copy, redelivered, handler, crash)| Step::Deliver {
            copy: copy.index(1_000_000),
            redelivered,
            handler,
            crash,
        },
    );
    let replay = (1_u32..3).prop_map(|ahead| Step::Replay { ahead });
    prop::collection::vec(prop_oneof![8 => deliver, 1 => replay], 0..60)
}

fn run(steps: &[Step], first: u32) -> World {
    let mut world = World { out: vec![first], ..World::default() };
    for step in steps {
        match *step {
            Step::Deliver { copy, redelivered, handler, crash } => {
                let attempt = world.out[copy % world.out.len()];
                world.deliver(attempt, redelivered, handler, crash);
            }
            Step::Replay { ahead } => {
                let latest = world.out.iter().copied().max().unwrap_or(0);
                world.out.push(latest + ahead);
            }
        }
    }
    world
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 2_000,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn a_message_takes_effect_at_most_once(steps in steps(), first in 0_u32..3) {
        let world = run(&steps, first);
        prop_assert!(world.effects <= 1, "{} effects", world.effects);
    }

    /// What was not done is never swallowed: from any state, the copies that are out bring it to an
    /// end.
    #[test]
    fn copies_that_are_out_bring_every_message_to_an_end(steps in steps(), first in 0_u32..3) {
        let mut world = run(&steps, first);
        for _round in 0..200 {
            if world.row.is_some_and(|row| row.state != State::Waiting) {
                break;
            }
            let latest = world.out.iter().copied().max().unwrap_or(0);
            world.deliver(latest, false, Handler::Fails, Crash::No);
        }
        prop_assert!(world.row.is_some_and(|row| row.state != State::Waiting), "{:?}", world.row);
        if world.row.is_some_and(|row| row.state == State::Dead) {
            prop_assert!(world.said.iter().any(|(_, dead)| *dead), "a dead letter was written");
        }
    }

    /// An attempt that ended is not handled again, so a retry is not scheduled twice.
    #[test]
    fn attempts_that_end_only_grow(steps in steps(), first in 0_u32..3) {
        let mut world = World { out: vec![first], ..World::default() };
        let mut ended = None;
        for step in &steps {
            if let Step::Deliver { copy, redelivered, handler, crash } = *step {
                let attempt = world.out[copy % world.out.len()];
                world.deliver(attempt, redelivered, handler, crash);
            }
            let now = world.row.and_then(|row| row.attempt);
            prop_assert!(now >= ended);
            ended = now;
        }
    }

    #[test]
    fn waits_keep_to_their_bound_and_the_bound_to_the_limit(attempt in 0_u32..64, random: u64) {
        let policy = policy();
        let bound = longest_delay(attempt, &policy);
        prop_assert!(delay(attempt, &policy, random) <= bound);
        prop_assert!(bound <= policy.retry_max);
        prop_assert!(bound <= longest_delay(attempt + 1, &policy));
    }
}

#[test]
fn the_bound_doubles_up_to_the_limit() {
    let bounds: Vec<u64> = (0..12).map(|n| longest_delay(n, &policy()).as_secs()).collect();
    assert_eq!(bounds, [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 600, 600]);
}

#[test]
fn the_whole_bound_is_used() {
    let policy = policy();
    let waits: Vec<Duration> =
        (0..1000_u64).map(|n| delay(3, &policy, n.wrapping_mul(0x9E37_79B9_7F4A_7C15))).collect();
    assert!(waits.iter().any(|wait| *wait < Duration::from_secs(1)));
    assert!(waits.iter().any(|wait| *wait > Duration::from_secs(7)));
}

#[test]
fn a_message_that_kills_its_consumer_is_given_up_after_three_marks() {
    let mut world = World { out: vec![0], ..World::default() };
    // The first delivery pays nothing; three redelivered ones leave a mark each.
    world.deliver(0, false, Handler::Works, Crash::BeforeCommit);
    for _kill in 0..3 {
        assert!(world.said.is_empty());
        world.deliver(0, true, Handler::Works, Crash::BeforeCommit);
    }
    world.deliver(0, true, Handler::Works, Crash::No);
    assert_eq!(world.row, Some(Seen { attempt: Some(0), state: State::Dead, marks: 0 }));
    assert_eq!(world.effects, 0);
    assert_eq!(world.handled.len(), 4, "the last delivery was not handled");
}

#[test]
fn marks_of_a_broker_that_restarts_are_forgotten_when_the_message_was_handled() {
    let policy = policy();
    let survived = after_failure(0, Marks { count: 2, paid: true }, Trouble::Transient, &policy, 1);
    assert!(matches!(survived, Next::Retry { marks: 0, .. }), "{survived:?}");
}

#[test]
fn three_panics_are_a_crash_and_twelve_failures_are_exhausting() {
    let policy = policy();
    let panics = |count, paid| after_failure(1, Marks { count, paid }, Trouble::Panic, &policy, 0);
    assert!(matches!(panics(1, false), Next::Retry { marks: 2, .. }));
    assert_eq!(panics(2, false), Next::Dead(Cause::Crash));
    assert!(matches!(panics(2, true), Next::Retry { marks: 2, .. }), "it has paid already");
    let fails = |attempt| after_failure(attempt, Marks::default(), Trouble::Transient, &policy, 0);
    assert!(matches!(fails(10), Next::Retry { .. }));
    assert_eq!(fails(11), Next::Dead(Cause::Exhausted));
}

#[test]
fn a_message_that_was_replayed_before_it_ever_came_is_handled() {
    let delivery = Delivery { attempt: 1, redelivered: false };
    assert_eq!(verdict(delivery, None, 3), Verdict::Handle);
}

#[test]
fn a_lease_outlives_the_wait_for_a_confirmation() {
    let now = chrono::DateTime::UNIX_EPOCH;
    assert!(!is_due(leased_until(now), now + chrono::TimeDelta::seconds(10)));
    assert!(is_due(leased_until(now), now + LEASE_FOR));
}

#[test]
fn causes_are_words_and_words_are_causes() {
    for cause in Cause::ALL {
        assert_eq!(cause.as_str().parse(), Ok(cause));
    }
    assert_eq!("Crash".parse::<Cause>(), Err(NotACause));
}
