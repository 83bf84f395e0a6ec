//! Other guests on a leg that was bought, in the reservation that is there.

use contracts::messages::{GuestsEnd, LegGuestsSettled, RefusedWhy, WantedLeg};
use expect_test::expect;

use super::{
    amending::{out, said, two, wanted},
    *,
};
use crate::{
    Action, Phase, ReviewWhy, Status, cancel_leg_quote, cancel_quote, may_change_guests,
    next_actions, status,
};

pub(super) const CHANGED: GuestsEnd = GuestsEnd::Changed;
pub(super) const KEPT: GuestsEnd = GuestsEnd::Kept { why: RefusedWhy::RateExpired };

pub(super) fn change(n: u128, party: u128) -> Command {
    Command::ChangeGuests { leg_id: leg_id(n), party: Uuid::from_u128(party) }
}

pub(super) fn settled_as(n: u128, version: u32, end: GuestsEnd) -> Fact {
    let booking_id = BookingId(Uuid::from_u128(1));
    Fact::Guests(LegGuestsSettled { booking_id, leg_id: leg_id(n), version, end, evidence: None })
}

fn on_it(world: &World, n: u128) -> Vec<u128> {
    world.booking().parties_of(leg_id(n)).map(|party| party.as_u128()).collect()
}

/// Row: A3
/// Row: A4
#[test]
fn others_are_put_on_a_leg_in_place_and_nothing_else_of_the_booking_changes() {
    let mut world = two();
    let before = world.booking().clone();
    let leg = leg_id(0).0.as_u128();
    assert_eq!(on_it(&world, 0), [leg]);
    world.ask(&change(0, 70)).unwrap();
    assert_eq!(status(world.booking()), Status::Amending);
    assert_eq!(on_it(&world, 0), [leg], "nobody knows so far");
    // The same click again is one wish; another beside it is not taken.
    let version = world.booking().version;
    world.ask(&change(0, 70)).unwrap();
    assert_eq!(world.booking().version, version);
    let allowed = vec![Action::Cancel, Action::CancelLeg];
    assert_eq!(world.ask(&change(1, 71)), Err(Refusal::NotAllowed { allowed }));
    world.tell(&settled_as(0, 7, CHANGED));
    assert_eq!(status(world.booking()), Status::Amending, "of another wish");

    world.tell(&settled_as(0, 1, CHANGED));
    expect![[r#"
        guests v1
        wake Amend in 1800s
    "#]]
    .assert_eq(&said(&world));
    assert_eq!(on_it(&world, 0), [70, leg]);
    let after = crate::Booking {
        legs: before.legs.clone(),
        version: before.version,
        changed_at: before.changed_at,
        deadlines: before.deadlines.clone(),
        ..world.booking().clone()
    };
    assert_eq!(after, before);
    let kept = crate::Leg { guests: None, ..world.booking().legs[0].clone() };
    assert_eq!((&kept, &world.booking().legs[1]), (&before.legs[0], &before.legs[1]));
    // Told twice, and the same click once more, are nothing new.
    let version = world.booking().version;
    world.tell(&settled_as(0, 1, KEPT));
    world.ask(&change(0, 70)).unwrap();
    assert_eq!(world.booking().version, version);
}

/// Row: A3
/// Row: A4
#[test]
fn guests_that_a_supplier_does_not_change_leave_the_booking_as_it_was() {
    let mut world = two();
    let before = world.booking().clone();
    world.ask(&change(0, 70)).unwrap();
    world.tell(&settled_as(0, 1, KEPT));
    assert_eq!(status(world.booking()), Status::Confirmed);
    assert_eq!(on_it(&world, 0), [leg_id(0).0.as_u128()]);
    assert_eq!(next_actions(world.booking()), next_actions(&before));
    assert_eq!(wanted(&world, 0), WantedLeg::Confirmed);
    // Another try is a wish of its own; whoever was on it before stays until it is done.
    world.ask(&change(0, 71)).unwrap();
    world.tell(&settled_as(0, 1, CHANGED));
    assert_eq!(status(world.booking()), Status::Amending, "of the one before");
    world.tell(&settled_as(0, 2, CHANGED));
    world.ask(&change(0, 72)).unwrap();
    world.tell(&settled_as(0, 3, KEPT));
    assert_eq!(on_it(&world, 0), [71, leg_id(0).0.as_u128()]);
}

/// Row: A3
#[test]
fn guests_are_changed_of_what_is_bought_and_stands_and_can_be_changed_in_place() {
    let refused = |world: &World, n: u128| may_change_guests(world.booking(), leg_id(n), world.now);
    let mut world = two();
    assert_eq!(refused(&world, 0), Ok(()));
    assert_eq!(refused(&world, 7), Err(Refusal::NoSuchLeg));
    let fee = cancel_leg_quote(world.booking(), leg_id(0), world.now).unwrap().digest;
    world.ask(&Command::CancelLeg { leg_id: leg_id(0), agreed: Some(fee) }).unwrap();
    world.leg(0, 5, gone(GoneWhy::Released));
    let allowed = next_actions(world.booking());
    assert_eq!(world.ask(&change(0, 70)), Err(Refusal::NotAllowed { allowed }));
    let pending = World::stay();
    let allowed = next_actions(pending.booking());
    assert_eq!(refused(&pending, 0), Err(Refusal::NotAllowed { allowed }));

    let mut elsewhere = order(20_000, None);
    elsewhere.supplier = Supplier::Etg;
    let mut world = cancelling::confirmed_with(0, vec![elsewhere]);
    let allowed = next_actions(world.booking());
    assert!(allowed.contains(&Action::Amend), "another reservation can take its place");
    assert_eq!(world.ask(&change(0, 70)), Err(Refusal::NotAllowed { allowed }));
}

/// Row: A4
#[test]
fn a_change_of_guests_that_nobody_answers_is_for_a_person_until_it_is() {
    let mut world = two();
    world.ask(&change(0, 70)).unwrap();
    world.tell(&passed(Deadline::Amend));
    let review = world.booking().review.unwrap();
    assert_eq!(
        (review.why, status(world.booking())),
        (ReviewWhy::AmendmentStuck, Status::Amending)
    );
    world.tell(&settled_as(0, 1, CHANGED));
    assert_eq!((world.booking().review, status(world.booking())), (None, Status::Confirmed));
    // The next one has its whole time.
    world.ask(&change(0, 71)).unwrap();
    assert_eq!(world.booking().review, None);
}

/// Row: A3
/// Row: A4
#[test]
fn what_is_cancelled_while_its_guests_change_goes_for_its_fee_whatever_becomes_of_them() {
    let mut world = two();
    world.now += TimeDelta::days(6);
    world.ask(&change(0, 70)).unwrap();
    let told = cancel_leg_quote(world.booking(), leg_id(0), world.now).unwrap();
    assert_eq!(told.fee.minor, 5_000);
    let agreed = Some(told.digest);
    world.ask(&Command::CancelLeg { leg_id: leg_id(0), agreed }).unwrap();
    assert_eq!((status(world.booking()), out(&world, 0)), (Status::Amending, None));
    world.tell(&settled_as(0, 1, CHANGED));
    assert!(out(&world, 0).is_some());
    assert_eq!(wanted(&world, 0), WantedLeg::Released);

    let mut world = two();
    world.ask(&change(0, 70)).unwrap();
    let agreed = Some(cancel_quote(world.booking(), world.now).unwrap().digest);
    world.ask(&Command::Cancel { agreed }).unwrap();
    assert_eq!(world.booking().phase, Phase::Unwinding);
    // It is heard, and brings nothing back.
    world.tell(&settled_as(0, 1, CHANGED));
    assert_eq!(world.booking().phase, Phase::Unwinding);
    assert_eq!(wanted(&world, 0), WantedLeg::Released);
}

#[test]
fn what_a_supplier_makes_of_another_leg_meanwhile_is_noted_and_answered_afterwards() {
    let mut world = two();
    world.ask(&change(0, 70)).unwrap();
    world.leg(1, 5, gone(GoneWhy::CancelledBySupplier));
    assert!(world.booking().legs[1].change.is_some());
    world.tell(&settled_as(0, 1, CHANGED));
    assert_eq!(world.booking().review.unwrap().why, ReviewWhy::CancelledBySupplier);
    assert!(next_actions(world.booking()).contains(&Action::RefundChange));
}
