//! Whole lives of a leg against a hostile supplier: whatever it does, and whenever we die, what is
//! there in the end is what is wanted, and never two.

use chrono::TimeDelta;
use contracts::messages::{LegState, WantedLeg};
use proptest::prelude::*;

use super::{
    Checks, World,
    double::{Double, MOODS, Mood},
};

#[derive(Debug, Clone)]
struct Script {
    moods: Vec<Mood>,
    /// After which exchange the second wish comes, and what it is.
    then: (usize, WantedLeg),
    first: WantedLeg,
    lag_s: i64,
    hints: Vec<bool>,
}

fn script() -> impl Strategy<Value = Script> {
    let mood = prop_oneof![
        3 => Just(Mood::Good),
        7 => prop::sample::select(MOODS.to_vec()),
    ];
    let wish =
        prop_oneof![Just(WantedLeg::Held), Just(WantedLeg::Confirmed), Just(WantedLeg::Released)];
    let first = prop_oneof![Just(WantedLeg::Held), Just(WantedLeg::Confirmed)];
    (
        prop::collection::vec(mood, 0..14),
        (0..6_usize, wish),
        first,
        0..300_i64,
        prop::collection::vec(any::<bool>(), 40),
    )
        .prop_map(|(moods, then, first, lag_s, hints)| Script {
            moods,
            then,
            first,
            lag_s,
            hints,
        })
}

/// Lives a leg to its end; every predicate is checked over its whole journal.
fn live(script: &Script) -> (World, Double) {
    let mut world = World { checks: Checks::AtTheEnd, ..World::new() };
    let mut double = Double::with_lag(TimeDelta::seconds(script.lag_s));
    let mut moods = script.moods.iter().copied();
    let mut answered = 0;
    let mut turn = 0;
    world.want(script.first);
    loop {
        turn += 1;
        assert!(turn < 400, "it never comes to rest");
        if answered == script.then.0 && world.leg().wanted_version == 1 {
            world.want(script.then.1);
        }
        if let Some(exchange) = world.leg().in_flight.clone() {
            let call = world.calls.last().unwrap().clone();
            assert_eq!(call.exchange, exchange.number);
            let mood = moods.next().unwrap_or(Mood::Good);
            let answer = double.ask(&call, mood, world.now);
            if script.hints.get(turn) == Some(&true) {
                world.fact(&double.push(&call));
            }
            world.wait(3);
            if let Some(answer) = answer {
                world.answer_to(exchange.number, answer.clone());
                // The same answer once more.
                world.answer_to(exchange.number, answer);
            } else {
                world.wake();
            }
            answered += 1;
        } else if world.leg().wanted_version == 1 && script.then.0 > answered {
            // The second wish waits for more exchanges than the first one causes.
            world.want(script.then.1);
        } else if !world.wake() {
            world.check();
            return (world, double);
        }
        double.pass(world.now);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_there_is_what_is_wanted_and_never_two(script in script()) {
        let (world, double) = live(&script);
        let live = double.live();
        prop_assert!(live.len() <= 1, "two are there: {live:?}");
        match world.last_told() {
            Some(LegState::Held { reference, .. }) => prop_assert_eq!(live, [reference.as_str()]),
            Some(LegState::Confirmed { reference }) => {
                prop_assert!(double.is_bought(reference));
                prop_assert_eq!(live, [reference.as_str()]);
            }
            Some(LegState::Gone { .. }) => prop_assert!(live.is_empty(), "{live:?} is there"),
            Some(LegState::Refused { .. }) => prop_assert!(
                live.is_empty() || world.leg().wanted == WantedLeg::Confirmed,
                "{live:?} is there"
            ),
            told => prop_assert!(false, "left as {told:?}"),
        }
        if world.leg().wanted == WantedLeg::Released {
            prop_assert!(double.live().is_empty());
        }
    }
}

/// The hostile lives are not vacuous: each odd thing happens, and new attempts are made.
#[test]
fn the_lives_see_every_mood_and_second_attempts() {
    let lost = Script {
        moods: vec![Mood::LostUnheard],
        then: (0, WantedLeg::Held),
        first: WantedLeg::Held,
        lag_s: 200,
        hints: Vec::new(),
    };
    let (world, double) = live(&lost);
    assert_eq!((world.leg().attempts.len(), double.live().len()), (2, 1));
    for mood in MOODS {
        let (world, double) = live(&Script { moods: vec![mood], ..lost.clone() });
        let refused = mood == Mood::Refuses;
        assert_eq!(double.live().len(), usize::from(!refused), "{mood:?}");
        assert_eq!(matches!(world.last_told(), Some(LegState::Held { .. })), !refused, "{mood:?}");
    }
}
