//! Properties of any course of facts: order, repetition and lateness change nothing that matters.

use chrono::TimeDelta;
use proptest::{collection::vec, prelude::*};

use super::*;
use crate::{Action, Event, Phase, cancel_leg_quote, cancel_quote, evolve, next_actions};

/// Facts that may come in any order; numbers make later news of the same thing newer.
fn fact() -> impl Strategy<Value = Fact> {
    let state = prop_oneof![
        Just(held()),
        Just(confirmed()),
        Just(refused()),
        Just(gone(GoneWhy::Released)),
        Just(gone(GoneWhy::Lapsed)),
        Just(LegState::InDoubt { since: noon() }),
    ];
    prop_oneof![
        4 => (0..2_u128, 1..9_u64, 1..4_u32, state).prop_map(|(n, seq, v, s)| leg_news(n, seq, v, s)),
        1 => (0..2_u128, 1..9_u64, 1..4_u32, 1..3_u32).prop_map(|(n, s, v, d)| leg_moved(n, s, v, d)),
        2 => Just(prepared(AMOUNT)),
        2 => (1..9_u64, any::<bool>()).prop_map(|(s, c)| seen(s, if c { AMOUNT } else { 1 }, c)),
        2 => (1..9_u64).prop_map(|s| settled(s, AMOUNT)),
        1 => Just(closed(nothing_came())),
        1 => Just(closed(Closing::AlreadySettled { settled: units(AMOUNT) })),
        1 => (0..Deadline::ALL.len()).prop_map(|n| passed(Deadline::ALL[n])),
    ]
}

fn two_legs() -> World {
    let free = Some(TimeDelta::days(10));
    World::accepted(0, vec![order(10_000, free), order(10_000, None)])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn replaying_the_journal_gives_the_row_byte_for_byte(facts in vec(fact(), 0..40)) {
        let mut world = two_legs();
        for fact in &facts {
            world.tell(fact);
        }
        let mut state: State = None;
        for entry in &world.journal {
            let text = serde_json::to_string(entry).unwrap();
            let read: Recorded = serde_json::from_str(&text).unwrap();
            prop_assert_eq!(&read, entry);
            state = evolve(state, &read);
        }
        let row = serde_json::to_string(world.booking()).unwrap();
        prop_assert_eq!(serde_json::to_string(&state.unwrap()).unwrap(), row.as_str());
        let read: crate::Booking = serde_json::from_str(&row).unwrap();
        prop_assert_eq!(serde_json::to_string(&read).unwrap(), row);
    }

    #[test]
    fn a_repeated_fact_changes_nothing(facts in vec(fact(), 0..30)) {
        let mut world = two_legs();
        for fact in &facts {
            world.tell(fact);
            let version = world.booking().version;
            prop_assert_eq!(world.tell(fact), 0);
            prop_assert_eq!(world.booking().version, version);
        }
    }

    #[test]
    fn phases_only_move_forward_and_closed_ones_never(facts in vec(fact(), 0..40)) {
        let mut world = two_legs();
        for fact in &facts {
            let before = world.booking().phase;
            world.tell(fact);
            let after = world.booking().phase;
            prop_assert!(after >= before, "{:?} -> {:?}", before, after);
            prop_assert!(!before.is_closed() || after == before);
        }
        for way in table::ways(&world.journal) {
            prop_assert!(table::WAYS.contains(&way), "{:?}", way);
        }
    }

    #[test]
    fn nothing_is_bought_before_money_is_final_and_nothing_closes_while_something_is_owed(
        facts in vec(fact(), 0..40),
    ) {
        let mut world = two_legs();
        for fact in &facts {
            world.tell(fact);
            let booking = world.booking();
            let bought = world.journal.iter().any(|e| matches!(e.event, Event::CommitStarted));
            prop_assert!(!bought || booking.payment.settled >= units(AMOUNT));
            let broken = |e: &Recorded| matches!(e.event, Event::InvariantBroken { .. });
            let any_broken = world.journal.iter().any(broken);
            prop_assert!(!any_broken);
            if booking.phase == Phase::Confirmed {
                prop_assert!(booking.payment.is_settled());
            }
            if matches!(booking.phase, Phase::Failed | Phase::Cancelled) {
                let at_end = world.journal.iter().position(|e| matches!(e.event, Event::Failed | Event::Cancelled));
                prop_assert!(at_end.is_some());
                prop_assert!(booking.not_given_back().is_zero());
            }
        }
    }

    /// Row: A3
    #[test]
    fn what_is_not_among_the_next_actions_is_refused_and_changes_nothing(
        facts in vec(fact(), 0..40), cancels_after in 0..60_usize,
    ) {
        let mut world = two_legs();
        for (n, fact) in facts.iter().enumerate() {
            world.tell(fact);
            if n == cancels_after {
                let quote = cancel_quote(world.booking(), world.now);
                world.ask(&Command::Cancel { agreed: quote.ok().map(|q| q.digest) }).ok();
            }
            let booking = world.booking().clone();
            let allowed = next_actions(&booking);
            let agreed = cancel_quote(&booking, world.now).ok().map(|q| q.digest);
            let leg_agreed = cancel_leg_quote(&booking, leg_id(1), world.now).ok().map(|q| q.digest);
            for (action, command) in [
                (Action::Cancel, Command::Cancel { agreed }),
                (Action::CancelLeg, Command::CancelLeg { leg_id: leg_id(1), agreed: leg_agreed }),
                (Action::Refund, Command::Refund { to: "0xother".to_owned() }),
                (Action::Rebook, Command::Rebook { into: Box::new(rebooking::another(AMOUNT)) }),
            ] {
                let asked = decide(&world.state, &command, &policy(), world.now);
                match allowed.contains(&action) {
                    true => prop_assert!(asked.is_ok_and(|events| !events.is_empty())),
                    false => {
                        let refused = Refusal::NotAllowed { allowed: allowed.clone() };
                        prop_assert_eq!(asked, Err(refused));
                    }
                }
            }
        }
    }

    #[test]
    fn a_message_has_an_id_of_its_own(facts in vec(fact(), 0..40)) {
        let mut world = two_legs();
        for fact in &facts {
            world.tell(fact);
        }
        let versions: Vec<u64> = world.journal.iter().map(|e| e.version).collect();
        let expected: Vec<u64> = (1..=u64::try_from(versions.len()).unwrap()).collect();
        prop_assert_eq!(versions, expected);
    }
}
