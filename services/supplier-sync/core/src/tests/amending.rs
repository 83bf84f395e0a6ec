//! Others on what is bought, in the reservation that is there.

use std::collections::BTreeMap;

use contracts::{
    ids::BookingId,
    messages::{GuestsEnd, RefusedWhy, WantedLeg},
};
use expect_test::{Expect, expect};
use suppliers::{Answer, SeenState};
use uuid::Uuid;

use super::{UNKNOWN, World, bought, gone, held, seen, stories};
use crate::{Command, Doing, Fact, Refusal, decide};

fn wish(world: &World, version: u32) -> Command {
    let booking_id = world.leg().booking_id;
    let party = Uuid::from_u128(version.into());
    Command::WantGuests { booking_id, version, party }
}

/// Others are wanted.
fn want(world: &mut World, version: u32) {
    let events = decide(&world.state, &wish(world, version), &world.policy, world.now).unwrap();
    world.take(events);
}

/// A leg that is bought and was read since, so that the way to change it is known.
fn read() -> World {
    let mut world = World::new();
    world.want(WantedLeg::Held);
    world.answer(held("R1"));
    world.want(WantedLeg::Confirmed);
    world.answer(Answer::Accepted);
    world.fact(&super::hint("R1"));
    world.wait(1);
    world.fact(&Fact::Due);
    world.answer(bought("R1"));
    world
}

/// The look-up under way shows the reservation, and whose it is.
fn shows(world: &mut World, as_wanted: bool) {
    let exchange = world.leg().exchanges;
    let names = BTreeMap::from([("R1".to_owned(), as_wanted)]);
    world.fact(&Fact::Named { exchange, answer: bought("R1"), names, strangers: BTreeMap::new() });
}

fn amends(world: &World) -> usize {
    world.count(|doing| *doing == Doing::Amend)
}

fn ends(world: &World) -> Vec<GuestsEnd> {
    world.settled.iter().map(|settled| settled.end).collect()
}

fn check(world: &World, from: usize, expected: &Expect) {
    let lines = world.journal[from..].iter().map(|recorded| stories::line(&recorded.event));
    expected.assert_eq(&lines.map(|line| line + "\n").collect::<String>());
}

/// Row: A4
#[test]
fn others_are_put_on_what_is_bought_by_one_call_and_nothing_else_is_asked_of_it() {
    let mut world = read();
    let (from, told) = (world.journal.len(), world.told.len());
    want(&mut world, 1);
    assert_eq!(world.calls.last().unwrap().reference.as_deref(), Some("R1"));
    let naming = world.calls.last().unwrap().naming.unwrap();
    assert_eq!((naming.party, naming.decides), (Uuid::from_u128(1), false));
    world.answer(Answer::Accepted);
    check(
        &world,
        from,
        &expect![[r#"
        other guests wanted (1)
          4 → amend R1
          4 ← Accepted
        told of guests Changed
    "#]],
    );
    let settled = &world.settled[0];
    let evidence = settled.evidence.as_ref().unwrap();
    assert_eq!((evidence.reference.as_deref(), evidence.exchange), (Some("R1"), Some(4)));
    assert_eq!(world.told.len(), told, "it is bought, as it was");
    // The same again, and an older wish, are nothing new; another booking's is none.
    want(&mut world, 1);
    assert_eq!((amends(&world), world.settled.len()), (1, 1));
    let Command::WantGuests { version, party, .. } = wish(&world, 2) else { unreachable!() };
    let booking_id = BookingId(Uuid::from_u128(77));
    let odd = Command::WantGuests { booking_id, version, party };
    let refused = decide(&world.state, &odd, &world.policy, world.now);
    assert_eq!(refused, Err(Refusal::OtherBooking));
    let nobody = decide(&None, &odd, &world.policy, world.now);
    assert_eq!(nobody, Err(Refusal::Unknown));
}

/// Row: A4
#[test]
fn a_change_of_guests_that_was_made_and_not_answered_is_looked_up_and_not_made_again() {
    let mut world = read();
    want(&mut world, 1);
    let from = world.journal.len();
    world.answer(UNKNOWN);
    world.wake_until_it_looks();
    assert_eq!(world.settled, [], "nobody knows so far");
    assert!(world.calls.last().unwrap().naming.unwrap().decides);
    shows(&mut world, true);
    check(
        &world,
        from,
        &expect![[r#"
              4 ← Unknown
              5 → look up (Doubt) attempt 1
              5 ← R1 confirmed
            told of guests Changed
        "#]],
    );
    assert_eq!(amends(&world), 1);
}

/// Row: A4
#[test]
fn a_change_of_guests_that_was_lost_is_made_again_once_nothing_of_it_can_come_and_then_given_up() {
    let mut world = read();
    want(&mut world, 1);
    for tries in 1..=3 {
        assert_eq!((world.doing(), amends(&world)), (Some(Doing::Amend), tries));
        let sent = world.now;
        world.answer(UNKNOWN);
        while world.doing() != Some(Doing::Amend) && world.settled.is_empty() {
            world.wake_until_it_looks();
            assert!(amends(&world) == tries, "not while it may still come");
            shows(&mut world, false);
            if world.doing().is_none() && world.settled.is_empty() {
                assert!(world.wake());
            }
        }
        assert!(world.now >= sent + world.policy.answer_within_max);
    }
    let why = RefusedWhy::Unavailable;
    assert_eq!(ends(&world), [GuestsEnd::Kept { why }]);
    assert_eq!((amends(&world), world.leg().told.is_some()), (3, true));
}

/// Row: A4
#[test]
fn a_change_of_guests_that_was_refused_is_read_and_leaves_the_leg_as_it_was() {
    let mut world = read();
    let before = world.told.len();
    want(&mut world, 1);
    let from = world.journal.len();
    world.answer(Answer::Refused(RefusedWhy::RateExpired));
    assert!(!world.doing().unwrap().mutates(), "what is true, a read has to say");
    shows(&mut world, false);
    check(
        &world,
        from,
        &expect![[r#"
              4 ← Refused { why: RateExpired }
              5 → look up (Doubt) attempt 1
              5 ← R1 confirmed
            told of guests Kept { why: RateExpired }
        "#]],
    );
    assert_eq!((amends(&world), world.told.len()), (1, before));
    // The next wish is a wish of its own.
    want(&mut world, 2);
    world.answer(Answer::Accepted);
    let kept = GuestsEnd::Kept { why: RefusedWhy::RateExpired };
    assert_eq!(ends(&world), [kept, GuestsEnd::Changed]);
}

#[test]
fn where_no_way_is_known_it_is_looked_for_once() {
    for found in [true, false] {
        let mut world = read();
        want(&mut world, 1);
        let exchange = world.leg().exchanges;
        world.fact(&Fact::NoHandle { exchange });
        assert!(!world.doing().unwrap().mutates());
        world.answer(bought("R1"));
        assert_eq!(world.doing(), Some(Doing::Amend));
        if found {
            world.answer(Answer::Accepted);
            assert_eq!(ends(&world), [GuestsEnd::Changed]);
        } else {
            let exchange = world.leg().exchanges;
            world.fact(&Fact::NoHandle { exchange });
            let why = RefusedWhy::Rejected;
            assert_eq!(ends(&world), [GuestsEnd::Kept { why }]);
        }
        assert_eq!(amends(&world), 2);
    }
}

#[test]
fn a_change_of_guests_that_cannot_be_sent_for_too_long_is_given_up_and_nothing_was_changed() {
    let mut world = read();
    want(&mut world, 1);
    for _ in 0..200 {
        if !world.settled.is_empty() {
            break;
        }
        match world.doing() {
            Some(Doing::Amend) => world.answer(Answer::NotSent),
            Some(_) => world.answer(bought("R1")),
            None => assert!(world.wake()),
        }
    }
    let why = RefusedWhy::CouldNotBeSent;
    assert_eq!(ends(&world), [GuestsEnd::Kept { why }]);
}

/// Row: A4
#[test]
fn what_is_cancelled_while_its_guests_change_is_given_back_once_it_is_known_how_that_ended() {
    let mut world = read();
    want(&mut world, 1);
    world.want(WantedLeg::Released);
    assert_eq!(world.doing(), Some(Doing::Amend), "one at a time");
    world.answer(UNKNOWN);
    world.wake_until_it_looks();
    assert_eq!(world.count(|doing| *doing == Doing::Cancel), 0);
    shows(&mut world, true);
    assert_eq!(world.doing(), Some(Doing::Cancel));
    world.answer(Answer::Accepted);
    assert_eq!(amends(&world), 1);
}

#[test]
fn what_its_supplier_cancelled_is_for_nobody_else() {
    let mut world = read();
    want(&mut world, 1);
    world.answer(UNKNOWN);
    world.wake_until_it_looks();
    world.answer(gone("R1"));
    let why = RefusedWhy::Rejected;
    assert_eq!(ends(&world), [GuestsEnd::Kept { why }]);
    assert_eq!(amends(&world), 1);
}

#[test]
fn names_that_cannot_be_compared_decide_nothing() {
    let mut world = read();
    want(&mut world, 1);
    for _ in 0..200 {
        match world.doing() {
            Some(Doing::Amend) => world.answer(UNKNOWN),
            Some(_) => world.answer(Answer::Seen(vec![seen("R1", SeenState::Confirmed)])),
            None if !world.wake() => break,
            None => {}
        }
    }
    assert_eq!((amends(&world), ends(&world)), (3, Vec::new()), "a person looks");
    // It holds up nobody.
    world.want(WantedLeg::Released);
    while world.doing() != Some(Doing::Cancel) {
        world.answer(bought("R1"));
    }
}

/// A process that dies with the call, or whose answer comes after its lease.
#[test]
fn a_change_of_guests_whose_process_died_is_looked_up_and_a_late_answer_counts() {
    let mut world = read();
    want(&mut world, 1);
    let exchange = world.leg().exchanges;
    world.wake();
    assert!(world.leg().overdue.iter().any(|one| one.number == exchange));
    world.answer_to(exchange, Answer::Accepted);
    assert_eq!(ends(&world), [GuestsEnd::Changed]);
}
