//! Journals as they were written once, and the rows they gave then: every build reads them, and
//! gives the same rows.
//!
//! A file is never changed: where an event is to mean something else, it becomes another kind of
//! event, and its story is recorded beside the old one. `RECORD=1` records stories that have no
//! file yet.

use std::{collections::BTreeSet, fmt::Write as _, fs, path::PathBuf};

use serde_json::Value;

mod unlucky;

use super::{rebooking::another, *};
use crate::{ChangeAnswer, Phase, cancel_leg_quote, cancel_quote, change_digest, replay};

/// The name of a file, and what the booking in it went through.
type Story = (&'static str, fn() -> World);

/// Every kind of booking.
const STORIES: &[Story] = &[
    ("confirmed_and_completed", confirmed_and_completed),
    ("sold_out_after_the_hold_of_points", sold_out),
    ("never_paid", never_paid),
    ("paid_late_and_refunded", paid_late),
    ("paid_late_and_paid_another", paid_another),
    ("cancelled_for_a_fee_with_an_address", cancelled_for_a_fee),
    ("refund_failed_and_addressed_anew", refund_failed),
    ("refund_late", refund_late),
    ("one_leg_of_two_cancelled", one_leg_cancelled),
    ("kept_what_could_be_held", kept_held),
    ("undo_stuck_and_looked_into", stuck),
    ("moved_by_the_supplier_and_accepted", moved_and_accepted),
    ("cancelled_by_the_supplier_and_refunded", cancelled_by_supplier),
    ("moved_to_other_days_for_less", moved_for_less),
    ("moved_to_other_days_for_more", moved_for_more),
    ("moved_to_other_days_and_never_paid", moved_and_never_paid),
    ("dearer_at_the_hold_and_agreed_to", dearer_and_agreed),
    ("one_leg_of_two_given_up_before_it_was_paid", given_up),
    ("one_leg_of_two_cancelled_while_its_money_came", cancelled_while_paid),
    ("cancelled_while_being_bought", cancelled_while_bought),
    ("other_guests_in_place", other_guests),
    ("other_guests_refused_and_then_cancelled", other_guests_refused),
];

fn stories() -> impl Iterator<Item = &'static Story> {
    STORIES.iter().chain(unlucky::STORIES)
}

/// What events are called, as the reader of journals says of one that it does not know.
fn kinds() -> BTreeSet<String> {
    let refused = serde_json::from_str::<crate::Event>(r#"{"is":"dreamt"}"#).unwrap_err();
    let refused = refused.to_string();
    let names = refused.split('`').skip(3).step_by(2);
    names.map(str::to_owned).collect()
}

/// Row: K1
#[test]
fn every_kind_of_event_is_in_a_journal_that_was_written_once() {
    let mut missing = kinds();
    assert!(missing.len() > 40, "{missing:?}");
    // Nobody writes it unless a rule is broken.
    missing.remove("invariant_broken");
    for file in fs::read_dir(folder()).unwrap() {
        for line in fs::read_to_string(file.unwrap().path()).unwrap().lines() {
            let entry: Value = serde_json::from_str(line).unwrap();
            if let Some(kind) = entry["event"]["is"].as_str() {
                missing.remove(kind);
            }
        }
    }
    assert!(missing.is_empty(), "{missing:?}");
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

/// A story's file: one entry of the journal a line, and the row at last.
fn written(world: &World) -> String {
    let mut text = String::new();
    for entry in &world.journal {
        writeln!(text, "{}", serde_json::to_string(entry).unwrap()).unwrap();
    }
    text + &serde_json::to_string(world.booking()).unwrap() + "\n"
}

/// Row: K1
#[test]
fn journals_of_every_kind_of_booking_that_were_written_once_give_the_rows_of_then() {
    let record = std::env::var_os("RECORD").is_some();
    for (name, story) in stories() {
        let path = folder().join(format!("{name}.jsonl"));
        if record && !path.exists() {
            fs::create_dir_all(folder()).unwrap();
            fs::write(&path, written(&story())).unwrap();
        }
        assert!(path.exists(), "{name} has no file");
    }
    let mut files: Vec<PathBuf> =
        fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(files.len() >= stories().count());
    for path in files {
        let name = path.display();
        let text = fs::read_to_string(&path).unwrap();
        let mut lines: Vec<&str> = text.lines().collect();
        let row = lines.pop().unwrap();
        let read = |line: &&str| {
            serde_json::from_str::<Recorded>(line).unwrap_or_else(|e| panic!("{name}: {e}: {line}"))
        };
        let journal: Vec<Recorded> = lines.iter().map(read).collect();
        let again: Vec<String> =
            journal.iter().map(|entry| serde_json::to_string(entry).unwrap()).collect();
        assert_eq!(again, lines, "{name}: an entry that is read is written as it was");
        let folded = replay(&journal).unwrap();
        assert_eq!(serde_json::to_string(&folded).unwrap(), row, "{name}");
    }
}

/// Where each value of a file stands; of kinds and phases, which one it is.
fn places(value: &Value, at: &str, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            let kind = fields.get("is").and_then(Value::as_str).unwrap_or_default();
            for (name, value) in fields {
                places(value, &format!("{at}/{kind}.{name}"), found);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| places(item, at, found)),
        Value::String(word) if at.ends_with(".phase") || at.ends_with(".is") => {
            found.insert(format!("{at}={word}"));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            found.insert(at.to_owned());
        }
    }
}

/// Row: K1
#[test]
fn nothing_is_written_that_no_recorded_version_knows() {
    let read = |text: &str, found: &mut BTreeSet<String>| {
        let mut lines = text.lines().peekable();
        while let Some(line) = lines.next() {
            let of = if lines.peek().is_some() { "entry" } else { "row" };
            places(&serde_json::from_str(line).unwrap(), of, found);
        }
    };
    let mut known = BTreeSet::new();
    for file in fs::read_dir(folder()).unwrap() {
        read(&fs::read_to_string(file.unwrap().path()).unwrap(), &mut known);
    }
    for (name, story) in stories() {
        let mut now = BTreeSet::new();
        read(&written(&story()), &mut now);
        let new: Vec<_> = now.difference(&known).collect();
        assert!(new.is_empty(), "{name}: {new:?}: the version before cannot read it");
    }
}

/// Row: K1
#[test]
fn an_entry_or_a_row_of_a_newer_version_is_read_by_nobody_instead_of_half() {
    let world = World::stay();
    let entry = serde_json::to_string(&world.journal[0]).unwrap();
    assert!(serde_json::from_str::<Recorded>(&entry).is_ok());
    let kind = entry.replace("\"is\":\"accepted\"", "\"is\":\"accepted_otherwise\"");
    let field = entry.replacen("\"price\"", "\"surcharge\":1,\"price\"", 1);
    let of_entry = entry.replacen("\"version\"", "\"surcharge\":1,\"version\"", 1);
    for newer in [kind, field, of_entry] {
        assert_ne!(newer, entry);
        assert!(serde_json::from_str::<Recorded>(&newer).is_err(), "{newer}");
    }
    // Also where the event is no struct of its own.
    let wished = serde_json::to_string(&world.journal[1]).unwrap();
    let newer = wished.replacen("\"wanted\"", "\"surcharge\":1,\"wanted\"", 1);
    assert_ne!(newer, wished);
    assert!(serde_json::from_str::<Recorded>(&newer).is_err(), "{newer}");
    let row = serde_json::to_string(world.booking()).unwrap();
    let phase = row.replace("\"phase\":\"pending\"", "\"phase\":\"dreaming\"");
    let field = row.replacen("\"review\"", "\"surcharge\":1,\"review\"", 1);
    for newer in [phase, field] {
        assert_ne!(newer, row);
        assert!(serde_json::from_str::<crate::Booking>(&newer).is_err(), "{newer}");
    }
}

fn cancel_leg(world: &mut World, n: u128) {
    let agreed = cancel_leg_quote(world.booking(), leg_id(n), world.now).unwrap().digest;
    world.ask(&Command::CancelLeg { leg_id: leg_id(n), agreed: Some(agreed) }).unwrap();
}

fn payable_trip() -> World {
    let mut world = World::accepted(0, vec![order(20_000, None), free().remove(0)]);
    world.leg(0, 1, held());
    world.leg(1, 1, held());
    let asked = world.booking().payment.asked.clone().unwrap();
    world.tell(&prepared_for(asked));
    world
}

fn given_up() -> World {
    let mut world = payable_trip();
    cancel_leg(&mut world, 0);
    world.leg(0, 2, gone(GoneWhy::Released));
    world
}

fn cancelled_while_paid() -> World {
    let mut world = payable_trip();
    let asked = world.booking().payment.asked.clone().unwrap();
    world.tell(&seen(2, 1, true));
    cancel_leg(&mut world, 0);
    world.tell(&settled_units(3, asked.units));
    world.leg(1, 2, confirmed());
    world
}

fn cancelled_while_bought() -> World {
    let mut world = payable_trip();
    let asked = world.booking().payment.asked.clone().unwrap();
    world.tell(&settled_units(3, asked.units));
    world.leg(1, 2, confirmed());
    let agreed = cancel_quote(world.booking(), world.now).unwrap().digest;
    world.ask(&Command::Cancel { agreed: Some(agreed) }).unwrap();
    world.leg(0, 2, confirmed());
    world
}

fn other_guests() -> World {
    let mut world = bought(free());
    world.ask(&guests::change(0, 70)).unwrap();
    world.tell(&guests::settled_as(0, 1, guests::CHANGED));
    world.tell(&passed(Deadline::Over));
    world
}

fn other_guests_refused() -> World {
    let mut world = bought(free());
    world.ask(&guests::change(0, 70)).unwrap();
    world.tell(&guests::settled_as(0, 1, guests::KEPT));
    cancel(&mut world);
    world
}

fn bought(orders: Vec<LegOrder>) -> World {
    let count = u128::try_from(orders.len()).unwrap();
    let mut world = World::accepted(0, orders);
    for n in 0..count {
        world.leg(n, 1, held());
    }
    let asked = world.booking().payment.asked.clone().unwrap();
    world.tell(&prepared_for(asked.clone()));
    world.tell(&settled_units(3, asked.units));
    for _ in 0..count {
        for n in 0..count {
            if world.wanted_version(n) > 1 {
                world.leg(n, 2, confirmed());
            }
        }
    }
    assert_eq!(world.booking().phase, Phase::Confirmed);
    world
}

fn free() -> Vec<LegOrder> {
    vec![order(20_000, Some(TimeDelta::days(10)))]
}

fn confirmed_and_completed() -> World {
    let mut world = bought(free());
    world.tell(&passed(Deadline::Over));
    world
}

fn sold_out() -> World {
    let mut world = World::accepted(500, free());
    world.tell(&points(1, PointsState::Held));
    world.leg(0, 1, refused());
    world.leg(0, 2, gone(GoneWhy::NeverMade));
    world.tell(&points(2, PointsState::Released));
    world.tell(&closed(nothing_came()));
    world
}

fn never_paid() -> World {
    let mut world = World::stay();
    world.leg(0, 1, held());
    world.tell(&prepared(AMOUNT));
    world.now += TimeDelta::minutes(21);
    world.tell(&passed(Deadline::Pay));
    world.tell(&closed(nothing_came()));
    world.leg(0, 2, gone(GoneWhy::Released));
    world
}

fn paid_late() -> World {
    let mut world = never_paid();
    world.tell(&seen(6, AMOUNT, true));
    world.tell(&settled(7, AMOUNT));
    world.ask(&Command::Refund { to: "0xme".to_owned() }).unwrap();
    refunds(&mut world, RefundState::Confirmed);
    world
}

fn paid_another() -> World {
    let mut world = never_paid();
    world.tell(&seen(6, AMOUNT, true));
    world.tell(&settled(7, AMOUNT));
    // The first one needs no money any more when it would come.
    world.ask(&Command::Rebook { into: Box::new(another(AMOUNT)) }).unwrap();
    refunds(&mut world, RefundState::Failed);
    world.ask(&Command::Rebook { into: Box::new(another(AMOUNT)) }).unwrap();
    refunds(&mut world, RefundState::Confirmed);
    world
}

/// Every refund that has no end is that far.
fn refunds(world: &mut World, state: RefundState) {
    for (n, known) in (20_u64..).zip(world.booking().payment.refunds.clone()) {
        if !known.has_arrived() && !known.has_failed() {
            world.tell(&refund_of(known.refund_id, known.units, n, state));
        }
    }
}

fn cancelled_for_a_fee() -> World {
    let mut world = bought(vec![order(20_000, None)]);
    cancel(&mut world);
    world.leg(0, 5, gone(GoneWhy::Released));
    let settled = world.booking().payment.settled;
    world.tell(&closed(Closing::AlreadySettled { settled }));
    world
}

fn cancel(world: &mut World) {
    let agreed = cancel_quote(world.booking(), world.now).unwrap().digest;
    world.ask(&Command::Cancel { agreed: Some(agreed) }).unwrap();
}

fn cancelled_free() -> World {
    let mut world = bought(free());
    cancel(&mut world);
    world.leg(0, 5, gone(GoneWhy::Released));
    let settled = world.booking().payment.settled;
    world.tell(&closed(Closing::AlreadySettled { settled }));
    world.ask(&Command::Refund { to: "0xme".to_owned() }).unwrap();
    world
}

fn refund_failed() -> World {
    let mut world = cancelled_free();
    refunds(&mut world, RefundState::Failed);
    world.ask(&Command::Refund { to: "0xother".to_owned() }).unwrap();
    refunds(&mut world, RefundState::Confirmed);
    world
}

fn refund_late() -> World {
    let mut world = cancelled_free();
    world.now += TimeDelta::hours(25);
    world.tell(&passed(Deadline::Refund));
    refunds(&mut world, RefundState::Confirmed);
    world
}

fn one_leg_cancelled() -> World {
    let mut world = bought(vec![order(20_000, None), order(10_000, Some(TimeDelta::days(10)))]);
    let agreed = cancel_leg_quote(world.booking(), leg_id(1), world.now).unwrap().digest;
    world.ask(&Command::CancelLeg { leg_id: leg_id(1), agreed: Some(agreed) }).unwrap();
    world.leg(1, 5, gone(GoneWhy::Released));
    world.tell(&passed(Deadline::Over));
    world
}

fn kept_held() -> World {
    let orders = vec![order(20_000, None), order(10_000, None)];
    let mut world = World::asked(&accept_or(OnRefusal::KeepHeld, 0, orders));
    world.leg(0, 1, held());
    world.leg(1, 1, refused());
    world
}

fn stuck() -> World {
    let mut world = World::stay();
    world.leg(0, 1, held());
    world.tell(&prepared(AMOUNT));
    world.ask(&CANCEL).unwrap();
    world.now += TimeDelta::minutes(31);
    world.tell(&passed(Deadline::Unwind));
    let (by, why) = ("ada".to_owned(), "my shift".to_owned());
    let act = contracts::internal::ReviewAct::Take;
    world.ask(&Command::Review { act, by, why }).unwrap();
    world
}

fn answer(world: &mut World, answer: ChangeAnswer) {
    let leg = world.booking().legs.iter().find(|leg| leg.change.is_some()).unwrap();
    let (leg_id, agreed) = (leg.leg_id, change_digest(world.booking(), leg).unwrap());
    world.ask(&Command::AnswerChange { leg_id, answer, agreed }).unwrap();
}

fn moved_and_accepted() -> World {
    let mut world = bought(free());
    let news = leg_moved(0, 5, world.wanted_version(0), 7);
    world.tell(&news);
    answer(&mut world, ChangeAnswer::Accept);
    world.leg(0, 6, confirmed());
    world.tell(&passed(Deadline::Over));
    world
}

fn cancelled_by_supplier() -> World {
    let mut world = bought(vec![order(20_000, None), order(10_000, None)]);
    world.leg(1, 5, gone(GoneWhy::CancelledBySupplier));
    answer(&mut world, ChangeAnswer::Refund);
    world
}

fn moved_for_less() -> World {
    let mut world = bought(free());
    amending::started(&mut world, 9_000);
    world.leg(amending::NEW, 1, held());
    world.leg(amending::NEW, 2, confirmed());
    world.leg(0, 8, gone(GoneWhy::Released));
    world.ask(&Command::Refund { to: "0xme".to_owned() }).unwrap();
    refunds(&mut world, RefundState::Confirmed);
    world
}

/// 300.00 in the place of 200.00: the rest is to be paid.
fn dearer() -> World {
    let mut world = bought(free());
    let (plan, rate) = (amending::plan(amending::NEW, 30_000), paying::rate_of(2_000));
    let told = crate::amend_quote(world.booking(), leg_id(0), &plan, Some(&rate), world.now);
    let agreed = told.unwrap().digest;
    let pay = Some(Box::new(crate::PayPlan { payment_id: paying::payment(0), rate }));
    let plan = Box::new(plan);
    world.ask(&Command::Amend { leg_id: leg_id(0), plan, agreed, pay }).unwrap();
    world.leg(amending::NEW, 1, held());
    world.tell(&paying::of(paying::payment(0), prepared(50_000_000_000_000_000)));
    world
}

fn moved_for_more() -> World {
    let mut world = dearer();
    world.tell(&paying::of(paying::payment(0), settled(4, 50_000_000_000_000_000)));
    world.leg(amending::NEW, 2, confirmed());
    world.leg(0, 8, gone(GoneWhy::Released));
    cancel(&mut world);
    world.leg(amending::NEW, 8, gone(GoneWhy::Released));
    for further in [false, true] {
        let payment = world.booking().payments().nth(usize::from(further)).unwrap();
        let closing = closed(Closing::AlreadySettled { settled: payment.settled });
        let id = payment.payment_id;
        world.tell(&paying::of(id, closing));
    }
    world.ask(&Command::Refund { to: "0xme".to_owned() }).unwrap();
    world
}

fn moved_and_never_paid() -> World {
    let mut world = dearer();
    world.now += TimeDelta::minutes(21);
    world.tell(&passed(Deadline::Difference));
    world.tell(&paying::of(paying::payment(0), closed(nothing_came())));
    world
}

fn dearer_and_agreed() -> World {
    let mut world = World::accepted(0, free());
    let news = repricing::refused_for(&world, 0, 25_000);
    world.tell(&news);
    let told = crate::new_terms(world.booking()).unwrap();
    world.ask(&Command::AcceptTerms { agreed: told.digest }).unwrap();
    world.leg(0, 6, gone(GoneWhy::NeverMade));
    world.tell(&closed(nothing_came()));
    world
}
