//! The join of evidence: any order, any repetition, the same result.

use chrono::TimeDelta;
use contracts::messages::{GoneWhy, RefusedWhy};
use proptest::prelude::*;
use suppliers::{Answer, SeenState};

use super::{UNKNOWN, World, hint, seen, start};
use crate::{Blind, Doing, Stage};
use contracts::messages::WantedLeg;

fn blind() -> impl Strategy<Value = Blind> {
    let at = |s: i64| start() + TimeDelta::seconds(s);
    prop_oneof![
        Just(Blind::NotSent),
        Just(Blind::Unknown),
        (0..9_i64)
            .prop_map(move |s| Blind::NotFound { first_asked_at: at(s), last_asked_at: at(s) }),
        prop_oneof![Just(RefusedWhy::SoldOut), Just(RefusedWhy::Rejected)]
            .prop_map(|why| Blind::Refused { why }),
    ]
}

fn stage() -> impl Strategy<Value = Stage> {
    prop_oneof![
        Just(Stage::Listed),
        Just(Stage::Held),
        Just(Stage::Confirmed),
        prop_oneof![
            Just(GoneWhy::Released),
            Just(GoneWhy::Lapsed),
            Just(GoneWhy::CancelledBySupplier)
        ]
        .prop_map(|why| Stage::Gone { why }),
    ]
}

/// A reservation as answers may show it, with the number of the read that shows it.
fn states() -> impl Strategy<Value = Vec<SeenState>> {
    let one = prop_oneof![
        Just(SeenState::Unclear),
        Just(SeenState::Held { until: None }),
        Just(SeenState::Confirmed),
        Just(SeenState::Gone),
    ];
    prop::collection::vec(one, 1..6)
}

proptest! {
    #[test]
    fn joining_is_the_same_in_any_order_and_any_number(a in blind(), b in blind(), c in blind()) {
        prop_assert_eq!(a.join(b), b.join(a));
        prop_assert_eq!(a.join(b).join(c), a.join(b.join(c)));
        prop_assert_eq!(a.join(a), a);
    }

    #[test]
    fn stages_join_the_same_way(a in stage(), b in stage(), c in stage()) {
        prop_assert_eq!(a.join(b), b.join(a));
        prop_assert_eq!(a.join(b).join(c), a.join(b.join(c)));
        prop_assert_eq!(a.join(a), a);
    }

    /// Row: B5
    ///
    /// Look-ups whose leases ran out answer in any order, each any number of times, between
    /// callbacks.
    #[test]
    fn late_answers_in_any_order_give_the_same_evidence(
        states in states(),
        order in prop::collection::vec(any::<prop::sample::Index>(), 0..20),
        hints in prop::collection::vec(any::<bool>(), 20),
    ) {
        let straight: Vec<usize> = (0..states.len()).collect();
        let mut shuffled: Vec<usize> = order.iter().map(|i| i.index(states.len())).collect();
        shuffled.extend((0..states.len()).filter(|n| !order.iter().any(|i| i.index(states.len()) == *n)));
        let one = evidence(&states, &straight, &[]);
        let other = evidence(&states, &shuffled, &hints);
        prop_assert_eq!(one, other);
    }
}

/// What is known once every look-up has answered, in that order.
fn evidence(states: &[SeenState], order: &[usize], hints: &[bool]) -> String {
    let mut world = World::new();
    world.want(WantedLeg::Confirmed);
    world.answer(UNKNOWN);
    let mut exchanges = Vec::new();
    for _ in states {
        world.wake_until_it_looks();
        exchanges.push(world.leg().exchanges);
        // Its answer does not come before its lease is over.
        world.wake();
    }
    for (n, which) in order.iter().enumerate() {
        if hints.get(n) == Some(&true) {
            world.fact(&hint("R1"));
        }
        let mut shown = seen("R1", states[*which]);
        shown.price = shown.price.map(|price| contracts::money::Money {
            minor: price.minor - i64::try_from(*which).unwrap(),
            ..price
        });
        world.answer_to(exchanges[*which], Answer::Seen(vec![shown]));
    }
    assert_eq!(world.count(|doing| matches!(doing, Doing::Reserve { .. })), 1);
    let reservation = &world.leg().attempts[0].reservations["R1"];
    format!("{:?} {:?} {:?}", reservation.stage, reservation.content, reservation.handle)
}
