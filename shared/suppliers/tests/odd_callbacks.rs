//! Callbacks that are forged or odd, made of good ones of every supplier that pushes: none is
//! believed, and what is wrong with each is told in one of four words.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::string_slice,
    reason = "a panic is a failed test"
)]

#[path = "odd_callbacks/pushes.rs"]
mod pushes;

use std::{collections::BTreeMap, time::Duration};

use chrono::{DateTime, Utc};
use contracts::supplier::Supplier;
use secrecy::SecretString;
use suppliers::{Covers, Forged, dialect};

use pushes::{PUSHERS, Push, secret};

const AGE_MAX: Duration = Duration::from_secs(300);

fn now() -> DateTime<Utc> {
    "2026-11-21T12:00:00Z".parse().unwrap()
}

fn good(supplier: Supplier) -> Push {
    pushes::good(supplier, now().timestamp())
}

fn verdict(supplier: Supplier, push: &Push) -> Result<suppliers::Callback, Forged> {
    let secrets = [SecretString::from(secret(supplier))];
    dialect(supplier).verify_callback(&secrets, now(), AGE_MAX, &push.headers, &push.body)
}

/// Row: B4
#[test]
fn a_hundred_odd_callbacks_of_every_kind_are_told_and_none_is_believed() {
    let mut told: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for supplier in PUSHERS {
        let believed = verdict(supplier, &good(supplier)).expect("the good one is believed");
        for (name, push) in pushes::odd(supplier, now().timestamp()) {
            match verdict(supplier, &push) {
                Err(forged) => {
                    *told.entry((supplier.word(), forged.word())).or_default() += 1;
                }
                // Where only the sender is proven, the body is anybody's, and claims nothing.
                Ok(callback) if believed.covers == Covers::Sender && name.starts_with("body") => {
                    assert_eq!(callback.claim, None, "{supplier} {name}");
                    *told.entry((supplier.word(), "claims nothing")).or_default() += 1;
                }
                Ok(callback) => panic!("{supplier} believed {name}: {callback:?}"),
            }
        }
    }
    println!("{told:?}");
    assert!(told.values().sum::<usize>() >= 100, "{told:?}");
    for word in ["header", "stale", "future", "signature"] {
        let of = |supplier: Supplier| told.contains_key(&(supplier.word(), word));
        assert!(PUSHERS.into_iter().all(of), "{word}: {told:?}");
    }
}

/// Row: B4
#[test]
fn whatever_is_pushed_in_the_name_of_a_supplier_that_pushes_nothing_is_not_believed() {
    for (name, push) in PUSHERS.map(|s| (s, good(s))) {
        assert!(verdict(Supplier::Hotelbeds, &push).is_err(), "{name}");
    }
}

/// Row: B4
#[test]
fn a_push_that_comes_again_is_known_by_its_id() {
    for supplier in PUSHERS {
        let ids = [good(supplier), good(supplier)].map(|p| verdict(supplier, &p).unwrap().id);
        assert_eq!(ids[0], ids[1], "{supplier}");
    }
}
