//! Journals as they were written once, and the rows they gave then: every build reads them, and
//! gives the same rows.
//!
//! A file is never changed: where an event is to mean something else, it becomes another kind of
//! event, and its story is recorded beside the old one. `RECORD=1` records stories that have no
//! file yet.

use std::{collections::BTreeSet, fmt::Write as _, fs, path::PathBuf};

use contracts::{
    asset::{AssetId, Rate},
    messages::RefundBasis,
    money::Currency,
};
use serde_json::Value;
use uuid::Uuid;

use super::world::{
    World, hash, head, left, not_paid, prepare, prepare_in, read_up_to, refund, seen, start,
    undone, units,
};
use crate::{
    Command, Event, Fact, Payment,
    card::{Stage, Told, facts},
    chain::{BlockRef, TransferKey},
    command::RefundAsked,
    evolve_all,
    fact::Sighted,
    rates::Believed,
    refund::Finding,
};

/// The name of a file, and what the payment in it went through.
type Story = (&'static str, fn() -> World);

/// Every kind of payment.
const STORIES: &[Story] = &[
    ("paid_in_parts_and_too_much", paid_in_parts),
    ("paid_late_and_refunded_to_another_address", late_and_refunded),
    ("paid_late_and_paid_another", paid_another),
    ("paid_by_another_payment", paid_by_another),
    ("left_before_anybody_had_a_claim", withdrawn),
    ("left_after_it_settled_and_came_back", reversed_and_restored),
    ("left_for_good_and_came_back_all_the_same", lost_and_recovered),
    ("refunded_by_value_after_a_second_person_let_it_go", refunded_by_value),
    ("refunded_twice_wrong_and_added_up", misspent),
    ("refunded_in_parts_that_fell_short_and_settled", in_parts),
    ("by_card_and_given_back", by_card),
    ("asked_for_in_a_coin_that_names_its_links", in_a_new_coin),
];

/// Of a payment's journal, the kinds that some story above has to hold.
const KINDS: &[&str] = &[
    "prepared",
    "card_asked",
    "refused",
    "transfer_seen",
    "block_left",
    "seen_changed",
    "moved_in",
    "finalised",
    "settled",
    "exceeded",
    "close_asked",
    "grace_begun",
    "closed",
    "came_late",
    "withdrawn",
    "reversed",
    "restored",
    "written_off",
    "recovered",
    "refund_granted",
    "refund_refused",
    "refund_approved",
    "refund_priced",
    "refund_address_given",
    "refund_address_refused",
    "refund_failed",
    "payout_seen",
    "refund_sent",
    "refund_moved",
    "refund_unsent",
    "refund_confirmed",
    "refund_added_up",
    "refund_settled",
    "refund_fell_short",
    "payout_misspent",
    "payout_reversed",
    "refund_finding",
    "refund_proof_named",
];

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

/// A story's file: one entry of the journal a line, and the row at last.
fn written(world: &World) -> String {
    let mut text = String::new();
    for event in &world.journal {
        writeln!(text, "{}", serde_json::to_string(event).unwrap()).unwrap();
    }
    text + &serde_json::to_string(&world.payment).unwrap() + "\n"
}

fn files() -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> =
        fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

/// Row: K1
#[test]
fn journals_of_every_kind_of_payment_that_were_written_once_give_the_rows_of_then() {
    let record = std::env::var_os("RECORD").is_some();
    for (name, story) in STORIES {
        let path = folder().join(format!("{name}.jsonl"));
        if record && !path.exists() {
            fs::create_dir_all(folder()).unwrap();
            fs::write(&path, written(&story())).unwrap();
        }
        assert!(path.exists(), "{name} has no file");
    }
    let mut kinds = BTreeSet::new();
    for path in files() {
        let name = path.display();
        let text = fs::read_to_string(&path).unwrap();
        let mut lines: Vec<&str> = text.lines().collect();
        let row = lines.pop().unwrap();
        let read = |line: &&str| {
            serde_json::from_str::<Event>(line).unwrap_or_else(|e| panic!("{name}: {e}: {line}"))
        };
        let journal: Vec<Event> = lines.iter().map(read).collect();
        let again: Vec<String> =
            journal.iter().map(|event| serde_json::to_string(event).unwrap()).collect();
        assert_eq!(again, lines, "{name}: an entry that is read is written as it was");
        let known: Payment = serde_json::from_str(row).unwrap();
        let folded = evolve_all(Payment::new(known.payment_id, known.booking_id), &journal);
        assert_eq!(serde_json::to_string(&folded).unwrap(), row, "{name}");
        kinds.extend(journal.iter().map(Event::kind));
    }
    let wanted: BTreeSet<&str> = KINDS.iter().copied().collect();
    assert_eq!(kinds, wanted, "every kind of event is in a story");
}

/// Where each value of a file stands, without the names that are ids; of kinds, which one it is.
fn places(value: &Value, at: &str, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            let kind = fields.get("is").and_then(Value::as_str).unwrap_or_default();
            for (name, value) in fields {
                let is_word = name.chars().all(|c| c.is_ascii_lowercase() || c == '_');
                let name = if is_word { name } else { "*" };
                places(value, &format!("{at}/{kind}.{name}"), found);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| places(item, at, found)),
        Value::String(word) if at.ends_with(".is") => {
            found.insert(format!("{at}={word}"));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            found.insert(at.to_owned());
        }
    }
}

/// Row: K1
#[test]
fn nothing_is_written_of_a_payment_that_no_recorded_version_knows() {
    let read = |text: &str, found: &mut BTreeSet<String>| {
        let mut lines = text.lines().peekable();
        while let Some(line) = lines.next() {
            let of = if lines.peek().is_some() { "entry" } else { "row" };
            places(&serde_json::from_str(line).unwrap(), of, found);
        }
    };
    let mut known = BTreeSet::new();
    for file in files() {
        read(&fs::read_to_string(file).unwrap(), &mut known);
    }
    for (name, story) in STORIES {
        let mut now = BTreeSet::new();
        read(&written(&story()), &mut now);
        let new: Vec<_> = now.difference(&known).collect();
        assert!(new.is_empty(), "{name}: {new:?}: the version before cannot read it");
    }
}

/// Every object of a value with one more field, one at a time.
fn with_a_field_more(value: &Value) -> Vec<Value> {
    let inner = |make: &dyn Fn(Value) -> Value, inner: &Value| {
        with_a_field_more(inner).into_iter().map(make).collect::<Vec<_>>()
    };
    match value {
        Value::Object(fields) => {
            let mut more = vec![];
            // What has ids for names may have another id; a kind without fields never gets one.
            let is_row_of = |name: &String| name.contains(|c: char| c.is_ascii_digit());
            let is_word = fields.len() == 1 && fields.values().all(Value::is_string);
            if !fields.keys().any(is_row_of) && !fields.is_empty() && !is_word {
                let mut one = fields.clone();
                one.insert("surcharge".to_owned(), Value::from(1));
                more.push(Value::Object(one));
            }
            for (name, field) in fields {
                let put = |new: Value| {
                    let mut fields = fields.clone();
                    fields.insert(name.clone(), new);
                    Value::Object(fields)
                };
                more.extend(inner(&put, field));
            }
            more
        }
        Value::Array(items) => {
            let put = |n: usize| {
                move |new: Value| {
                    let mut items = items.clone();
                    items[n] = new;
                    Value::Array(items)
                }
            };
            items.iter().enumerate().flat_map(|(n, item)| inner(&put(n), item)).collect()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => vec![],
    }
}

/// Row: K1
#[test]
fn what_a_newer_version_wrote_of_a_payment_is_read_by_nobody_instead_of_half() {
    let mut tried = 0;
    for file in files() {
        let text = fs::read_to_string(file).unwrap();
        let mut lines: Vec<&str> = text.lines().collect();
        let row: Value = serde_json::from_str(lines.pop().unwrap()).unwrap();
        for newer in with_a_field_more(&row) {
            tried += 1;
            assert!(serde_json::from_value::<Payment>(newer.clone()).is_err(), "{newer}");
        }
        for line in lines {
            let entry: Value = serde_json::from_str(line).unwrap();
            let mut kind = entry.clone();
            kind["is"] = Value::from("dreamt");
            let mut newer = with_a_field_more(&entry);
            newer.push(kind);
            for newer in newer {
                tried += 1;
                assert!(serde_json::from_value::<Event>(newer.clone()).is_err(), "{newer}");
            }
        }
    }
    assert!(tried > 500, "{tried}");
}

const ADDRESS: &str = "0x00000000000000000000000000000000000000Aa";
const OTHER: &str = "0x00000000000000000000000000000000000000bb";

fn to_address(n: u128, amount: u64, to: Option<&str>, basis: RefundBasis) -> Command {
    let (refund_id, to) = (Uuid::from_u128(n), to.map(str::to_owned));
    let handled_by = Some("otto".to_owned());
    Command::Refund(RefundAsked { refund_id, units: units(amount), to, basis, handled_by })
}

fn payout(n: u128, transaction: u8, amount: u64, block: u8, look: u64) -> Fact {
    let key = TransferKey { transaction: hash(transaction), position: "log3".to_owned() };
    let block = BlockRef { height: u64::from(block), hash: hash(block) };
    let sighted = Sighted { key, units: units(amount), block, look, stamped_at: start(), rests: 2 };
    Fact::PayoutSeen { refund_id: Uuid::from_u128(n), sighted }
}

/// As much came in time as was asked for, and is final.
fn paid(amount: u64) -> World {
    let mut world = World::on_a_chain_that_says_what_is_final();
    world.ask(&prepare(amount));
    world.tell(&seen(1, amount, 10, 2));
    world.tell(&Fact::HeadMoved { head: 16, look: 4, finalized: Some(16) });
    assert!(world.payment.settled);
    world
}

fn paid_in_parts() -> World {
    let mut world = World::on_a_chain_that_says_what_is_final();
    world.ask(&prepare(100));
    // Asked for again in other words.
    world.ask(&prepare(99));
    world.tell(&seen(1, 40, 10, 2));
    world.tell(&seen(2, 58, 11, 3));
    world.tell(&head(14, 4));
    assert!(world.payment.settled, "two units are dust");
    world.tell(&seen(3, 30, 15, 5));
    world.tell(&head(30, 6));
    world.ask(&undone());
    world
}

/// Closed unpaid, and so much afterwards.
fn late(came: u64) -> World {
    let mut world = World::new();
    world.ask(&prepare(100));
    world.tell(&seen(9, 5, 8, 1));
    world.tell(&left(8, 2));
    world.ask(&not_paid());
    world.tell(&read_up_to(100_000));
    world.wait(100_000);
    world.tell(&read_up_to(200_000));
    assert!(world.payment.closing.is_some());
    world.tell(&seen(1, came, 10, 2));
    world.tell(&head(20, 3));
    world
}

fn late_and_refunded() -> World {
    let mut world = late(100);
    world.ask(&to_address(1, 100, Some("0xnowhere"), RefundBasis::Then));
    world.ask(&to_address(2, 100, None, RefundBasis::Then));
    world.ask(&to_address(2, 100, Some(ADDRESS), RefundBasis::Then));
    world.tell(&Fact::PayoutRejected { refund_id: Uuid::from_u128(2) });
    world.ask(&to_address(3, 1_000, Some(OTHER), RefundBasis::Then));
    world.ask(&to_address(5, 100, None, RefundBasis::Then));
    world.ask(&to_address(5, 100, Some("0xnowhere"), RefundBasis::Then));
    world.ask(&to_address(4, 100, Some(OTHER), RefundBasis::Then));
    world.tell(&payout(4, 50, 100, 30, 30));
    world.tell(&left(30, 31));
    world.tell(&payout(4, 50, 100, 32, 32));
    world.tell(&head(60, 33));
    world
}

/// One whose money comes from another.
fn moving() -> (World, World) {
    let (mut from, mut into) = (late(100), World::new());
    into.payment = Payment::new(super::moving::OTHER, into.payment.booking_id);
    into.ask(&prepare(100));
    super::moving::moved(&mut from, &mut into, 100);
    (from, into)
}

fn paid_another() -> World {
    moving().0
}

fn paid_by_another() -> World {
    moving().1
}

fn withdrawn() -> World {
    let mut world = World::new();
    world.ask(&prepare(100));
    world.tell(&seen(1, 40, 10, 2));
    world.tell(&head(20, 3));
    world.tell(&left(10, 4));
    world
}

fn reversed_and_restored() -> World {
    let mut world = paid(100);
    world.tell(&left(10, 5));
    world.tell(&seen(1, 100, 18, 6));
    world.tell(&head(40, 7));
    world
}

fn lost_and_recovered() -> World {
    let mut world = paid(130);
    world.ask(&refund(1, 70));
    world.tell(&left(10, 5));
    world.tell(&Fact::WrittenOff { by: "ada".to_owned(), why: "spent otherwise".to_owned() });
    world.tell(&seen(1, 130, 18, 6));
    world.tell(&head(40, 7));
    world
}

fn refunded_by_value() -> World {
    const PAID: u64 = 100_000_000_000_000_000;
    let mut world = World::on_a_chain_that_says_what_is_final();
    world.alone_max = 10_000;
    world.ask(&prepare(PAID));
    world.tell(&seen(1, PAID, 10, 2));
    world.tell(&Fact::HeadMoved { head: 16, look: 4, finalized: Some(16) });
    world.ask(&to_address(1, PAID, Some(ADDRESS), RefundBasis::Fiat));
    let (by, why) = ("anna".to_owned(), "as agreed".to_owned());
    world.tell(&Fact::RefundApproved { refund_id: Uuid::from_u128(1), by, why });
    let asset = AssetId::parse("eth").unwrap();
    let rate = Rate {
        asset,
        decimals: 18,
        currency: Currency::Eur,
        micro_minor_per_coin: 500_000_000_000,
    };
    let believed = Believed { rate, as_of: start() };
    world.tell(&Fact::RateBelieved { refund_id: Uuid::from_u128(1), believed });
    world.tell(&payout(1, 50, PAID / 2, 20, 5));
    world.tell(&Fact::HeadMoved { head: 40, look: 6, finalized: Some(40) });
    world.tell(&left(20, 7));
    world
}

fn misspent() -> World {
    let mut world = paid(100);
    world.ask(&to_address(1, 100, Some(ADDRESS), RefundBasis::Then));
    let refund_id = Uuid::from_u128(1);
    for finding in [Finding::Overdue, Finding::Disputed, Finding::Astray(hash(60))] {
        world.tell(&Fact::RefundFound { refund_id, finding });
    }
    let (by, why) = ("anna".to_owned(), "the treasury has it".to_owned());
    world.tell(&Fact::ProofNamed { refund_id, transaction: hash(51), by, why });
    world.tell(&payout(1, 50, 60, 20, 5));
    world.tell(&payout(1, 51, 100, 21, 6));
    world.tell(&Fact::HeadMoved { head: 40, look: 8, finalized: Some(40) });
    world.tell(&payout(1, 52, 100, 41, 9));
    world.tell(&Fact::HeadMoved { head: 60, look: 10, finalized: Some(60) });
    world.tell(&left(21, 11));
    world
}

fn in_parts() -> World {
    let mut world = paid(100);
    world.ask(&to_address(1, 100, Some(ADDRESS), RefundBasis::Then));
    world.tell(&payout(1, 50, 50, 20, 5));
    world.tell(&payout(1, 51, 53, 21, 6));
    world.tell(&Fact::HeadMoved { head: 40, look: 8, finalized: Some(40) });
    world.tell(&left(21, 9));
    world.tell(&Fact::HeadMoved { head: 60, look: 10, finalized: Some(60) });
    let (by, why) = ("anna".to_owned(), "the rest went by bank".to_owned());
    world.tell(&Fact::RefundSettled { refund_id: Uuid::from_u128(1), by, why });
    world
}

fn in_a_new_coin() -> World {
    let mut world = World::in_a_new_coin();
    world.ask(&prepare_in("new-coin", 8, 150_000_000));
    world
}

fn by_card() -> World {
    let mut world = World::with_cards();
    world.ask(&prepare_in("card-eur", 2, 25_000));
    world.tell(&Fact::CardOpened { secret: "pi_1_shown".to_owned() });
    for stage in [Stage::Held(units(25_000)), Stage::Taken(units(25_000))] {
        let told = Told { intent: "pi_1".to_owned(), stage, is_lost: false, refunds: vec![] };
        for fact in facts(&world.payment, &told, start()) {
            world.tell(&fact);
        }
    }
    world.ask(&to_address(1, 10_000, Some("card"), RefundBasis::Then));
    world
}
