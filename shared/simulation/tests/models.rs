//! Every way within bounds, of one leg and of one whole booking.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::too_many_lines,
    clippy::disallowed_methods,
    reason = "a panic is a failed test"
)]

use simulation::model::{Asked, Bounds};

fn every_way_is_right(name: &'static str, legs: u8, bounds: Bounds, at_least: usize) {
    let asked = Asked { name, legs, bounds };
    let seen = asked.explore(None, 1);
    println!("{name}: {} states, the longest way has {} steps", seen.states, seen.depth);
    assert!(seen.is_well(), "{:?} {:?}", seen.wrong, seen.never);
    assert!(seen.states >= at_least, "{} states", seen.states);
}

/// Row: A7
#[test]
fn every_way_of_one_leg_ends_right() {
    let bounds = Bounds { repeats: 1, callbacks: 1, ..Bounds::default() };
    every_way_is_right("leg", 0, bounds, 5_000);
}

const CALM: Bounds = Bounds {
    faults: 0,
    repeats: 0,
    callbacks: 0,
    delays: 0,
    payments: 1,
    late: 0,
    reorgs: 0,
    cancellations: 0,
    rejections: 0,
};

/// Row: A4
/// Row: A5
#[test]
fn every_way_of_a_booking_whose_supplier_fails_once_ends_right() {
    every_way_is_right("supplier", 1, Bounds { faults: 1, ..CALM }, 1_500);
}

/// Row: A4
#[test]
fn every_way_of_a_booking_that_may_be_cancelled_at_any_time_ends_right() {
    every_way_is_right("cancelled", 1, Bounds { cancellations: 1, ..CALM }, 5_000);
}

/// Row: F2
#[test]
fn every_way_of_a_booking_whose_messages_come_again_and_late_ends_right() {
    every_way_is_right("messages", 1, Bounds { repeats: 1, delays: 1, ..CALM }, 4_000);
}

/// Row: C4
#[test]
fn every_way_of_a_booking_whose_money_leaves_its_block_ends_right() {
    every_way_is_right("reorg", 1, Bounds { reorgs: 1, ..CALM }, 4_000);
}

/// Row: C3
#[test]
fn every_way_of_a_booking_whose_money_comes_too_late_ends_right() {
    let bounds = Bounds { payments: 0, late: 1, rejections: 1, ..CALM };
    every_way_is_right("late", 1, bounds, 600);
}

/// Row: A4
#[test]
fn every_way_of_a_trip_ends_right() {
    every_way_is_right("trip", 2, CALM, 300);
}
