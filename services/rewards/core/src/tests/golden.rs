//! Journals as they were written once, and the rows they gave then: every build reads them, and
//! gives the same rows.
//!
//! A file is never changed: where an event is to mean something else, it becomes another kind of
//! event, and its story is recorded beside the old one. `RECORD=1` records stories that have no
//! file yet.

use std::{collections::BTreeSet, fs, path::PathBuf};

use contracts::messages::WantedPoints::{Captured, Held, Released};
use serde_json::Value;

use super::*;

/// The name of a file, and what the account in it went through.
type Story = (&'static str, fn() -> Vec<(DateTime<Utc>, Input)>);

/// Every kind of account.
const STORIES: &[Story] = &[
    ("earned_spent_and_expired", spent),
    ("given_back_owed_and_paid", owed),
    ("heard_in_another_order", out_of_order),
];

/// Of an account's journal, the events that some story above has to hold.
const EVENTS: &[&str] = &[
    "captured",
    "debt_paid",
    "earn_barred",
    "earn_limited",
    "earn_postponed",
    "earned",
    "expired",
    "frozen",
    "granted",
    "held",
    "matured",
    "postponed",
    "reduced",
    "refused",
    "released",
    "returned",
    "reversed",
    "spent",
    "thawed",
    "voided",
    "wish_noted",
];

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

fn files() -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> =
        fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

/// A story's file: one entry of the journal a line, and the row at last.
fn written(inputs: &[(DateTime<Utc>, Input)]) -> String {
    let (mut account, mut text) = (Account::default(), String::new());
    for (now, input) in inputs {
        let (after, events) = apply(&account, input, *now);
        account = after;
        for event in &events {
            writeln!(text, "{}", serde_json::to_string(event).unwrap()).unwrap();
        }
    }
    text + &serde_json::to_string(&account).unwrap() + "\n"
}

/// Row: K1
#[test]
fn journals_of_every_kind_of_account_that_were_written_once_give_the_rows_of_then() {
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
        let again: Vec<Value> =
            journal.iter().map(|event| serde_json::to_value(event).unwrap()).collect();
        let then: Vec<Value> =
            lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(again, then, "{name}: an entry that is read is written as it was");
        let folded = journal.iter().fold(Account::default(), evolve);
        assert_eq!(serde_json::to_string(&folded).unwrap(), row, "{name}");
        kinds.extend(then.iter().map(|entry| entry["is"].as_str().unwrap().to_owned()));
    }
    assert_eq!(kinds, EVENTS.iter().map(|kind| (*kind).to_owned()).collect());
}

/// Row: K1
#[test]
fn what_is_written_of_an_account_today_is_what_was_written_then() {
    for (name, story) in STORIES {
        let then = fs::read_to_string(folder().join(format!("{name}.jsonl"))).unwrap();
        assert_eq!(written(&story()), then, "{name}: the version before may not read it");
    }
}

/// Row: K1
#[test]
fn what_a_newer_version_wrote_of_an_account_is_read_by_nobody_instead_of_half() {
    let more = |value: &Value| {
        let mut more = value.clone();
        more["surcharge"] = Value::from(1);
        more
    };
    for file in files() {
        let text = fs::read_to_string(file).unwrap();
        let mut lines: Vec<&str> = text.lines().collect();
        let row: Value = serde_json::from_str(lines.pop().unwrap()).unwrap();
        let mut newer = vec![more(&row)];
        for part in ["lots", "redemptions", "money"] {
            for name in row[part].as_object().into_iter().flatten().map(|(name, _)| name) {
                let mut with = row.clone();
                with[part][name] = more(&with[part][name]);
                newer.push(with);
            }
        }
        for newer in newer {
            assert!(serde_json::from_value::<Account>(newer.clone()).is_err(), "{newer}");
        }
        for line in lines {
            let entry: Value = serde_json::from_str(line).unwrap();
            let mut kind = entry.clone();
            kind["is"] = Value::from("dreamt");
            for newer in [more(&entry), kind] {
                assert!(serde_json::from_value::<Event>(newer.clone()).is_err(), "{newer}");
            }
        }
    }
}

fn spent() -> Vec<(DateTime<Utc>, Input)> {
    vec![
        (day(0), grant(1, 100)),
        (day(0), confirmed(1, 12_345, day(10))),
        (day(1), moved(1, day(20))),
        (day(2), leg_cancelled(1, 10_000)),
        (day(22), due()),
        (day(23), want(2, 1, Held, 150)),
        (day(23), want(2, 2, Captured, 150)),
        (day(24), want(3, 1, Held, 100_000)),
        (day(25), want(4, 1, Captured, 20)),
        (day(26), want(5, 1, Held, 10)),
        (day(26), want(5, 2, Released, 10)),
        (day(26), want(6, 1, Released, 10)),
        (day(26), want(6, 2, Released, 10)),
        (day(27), want(4, 2, Released, 20)),
        (day(5_000), due()),
    ]
}

fn owed() -> Vec<(DateTime<Utc>, Input)> {
    vec![
        (day(0), confirmed(1, 10_000, day(0))),
        (day(2), due()),
        (day(2), money(1, 9, true)),
        (day(3), money(1, 12, false)),
        (day(3), want(2, 1, Held, 200)),
        (day(3), want(2, 2, Captured, 200)),
        (day(4), cancelled(1)),
        (day(5), grant(1, 500)),
        (day(6), confirmed(3, 5_000, day(30))),
        (day(7), cancelled(3)),
        (day(8), want(2, 3, Released, 200)),
    ]
}

fn out_of_order() -> Vec<(DateTime<Utc>, Input)> {
    vec![
        (day(0), cancelled(1)),
        (day(0), confirmed(1, 10_000, day(10))),
        (day(0), leg_cancelled(2, 4_000)),
        (day(0), moved(2, day(40))),
        (day(0), confirmed(2, 10_000, day(10))),
        (day(1), money(4, 3, true)),
        (day(1), confirmed(4, 10_000, day(10))),
    ]
}
