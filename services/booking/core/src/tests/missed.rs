//! What nobody came to, as suppliers say.

use contracts::messages::LegChanged;

use super::*;
use crate::{Phase, Status, status};

/// The supplier says of leg `n` whether anybody came.
pub(super) fn came(world: &mut World, n: u128, seq: u64, no_show: bool) {
    let wanted_version = world.wanted_version(n);
    let Fact::Leg(changed) = leg_news(n, seq, wanted_version, confirmed()) else { unreachable!() };
    world.tell(&Fact::Leg(LegChanged { no_show, ..changed }));
}

/// What was told at the end, and again after it.
fn taken(world: &World) -> Vec<Option<i64>> {
    let told = world.said.iter().filter_map(|effect| match effect {
        Effect::Completed(told) => Some(told.taken.map(|taken| taken.minor)),
        _ => None,
    });
    told.collect()
}

fn bought(mut world: World, legs: u128) -> World {
    for n in 0..legs {
        world.leg(n, 1, held());
    }
    world.tell(&prepared(AMOUNT));
    world.tell(&seen(2, AMOUNT, true));
    world.tell(&settled(3, AMOUNT));
    for n in 0..legs {
        world.leg(n, 2, confirmed());
    }
    assert_eq!(world.booking().phase, Phase::Confirmed);
    world
}

/// Row: E1
#[test]
fn a_stay_that_nobody_came_to_is_told_as_such_and_nothing_of_it_was_taken() {
    let mut world = bought(World::stay(), 1);
    came(&mut world, 0, 3, true);
    assert_eq!(status(world.booking()), Status::Confirmed, "it is not over");
    world.tell(&passed(Deadline::Over));
    assert_eq!((status(world.booking()), taken(&world)), (Status::NoShow, vec![Some(0)]));
}

/// Row: E1
#[test]
fn whoever_came_after_all_has_taken_all_of_it() {
    let mut world = bought(World::stay(), 1);
    came(&mut world, 0, 3, true);
    came(&mut world, 0, 4, false);
    world.tell(&passed(Deadline::Over));
    assert_eq!((status(world.booking()), taken(&world)), (Status::Completed, vec![None]));
}

/// Row: E1
#[test]
fn what_a_supplier_says_only_after_the_end_is_told_again() {
    let mut world = bought(World::stay(), 1);
    world.tell(&passed(Deadline::Over));
    came(&mut world, 0, 3, true);
    assert_eq!((status(world.booking()), taken(&world)), (Status::NoShow, vec![None, Some(0)]));
}

/// Row: E1
#[test]
fn one_leg_that_nobody_came_to_leaves_the_others_travelled() {
    let free = Some(TimeDelta::days(10));
    let mut world = bought(World::accepted(0, vec![order(10_000, free), order(10_000, free)]), 2);
    came(&mut world, 1, 3, true);
    world.tell(&passed(Deadline::Over));
    let left = world.booking().left_in_money().minor - world.booking().legs[1].order.price.minor;
    assert!(left > 0);
    assert_eq!((status(world.booking()), taken(&world)), (Status::Completed, vec![Some(left)]));
}

/// Row: E1
#[test]
fn where_points_paid_a_part_a_missed_leg_takes_its_share_of_the_money() {
    let free = Some(TimeDelta::days(10));
    let orders = vec![order(10_000, free), order(10_000, free)];
    let mut world = cancelling::confirmed_with(10_000, orders);
    assert_eq!(world.booking().left_in_money().minor, 10_000);
    came(&mut world, 1, 5, true);
    world.tell(&passed(Deadline::Over));
    assert_eq!(taken(&world), vec![Some(5_000)]);
}
