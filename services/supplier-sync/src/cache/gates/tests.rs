//! The script and the core say the same, on a real Redis.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a panic is a failed test"
)]

use std::time::Duration;

use rand::{Rng as _, SeedableRng as _, rngs::StdRng};
use suppliers::{Left, Scope};
use testkit::Redis;

use super::*;

const RULES: Rules = Rules {
    limit: 60,
    kept_percent: 40,
    window_ms: 10_000,
    calls_min: 6,
    failed_percent: 50,
    open_ms: 3_000,
    probe_ms: 1_000,
};
const CLASSES: [Class; 4] = [Class::Search, Class::PriceCheck, Class::Reserve, Class::Finish];
const PATHS: [&str; 3] = ["", "/search", "/cancel"];

fn gates(redis: &Redis) -> Gates {
    let policy = Policy::parse(contracts::policy::DEFAULT).unwrap();
    Gates::new(&redis.url().into(), &policy).unwrap()
}

/// A first command may find Redis too slow on a busy machine.
async fn is_connected(gates: &Gates) {
    testkit::until("Redis to answer", || async {
        gates.standing(Supplier::Rapid).await.shared.then_some(())
    })
    .await;
}

fn quota(random: &mut StdRng) -> Quota {
    let scope = if random.random_bool(0.5) { Scope::Account } else { Scope::Path };
    let left = match random.random_range(0..3) {
        0 => Left::Nothing,
        1 => Left::Percent(random.random_range(0..=100)),
        _ => Left::Calls { left: random.random_range(0..40), of: 40 },
    };
    let wait = Duration::from_millis(random.random_range(0..4_000));
    Quota { scope, left, resets_in: random.random_bool(0.8).then_some(wait) }
}

/// Row: B8
/// Row: B9
#[tokio::test]
async fn the_script_says_what_the_core_says_whatever_happens() {
    let redis = Redis::start();
    let gates = gates(&redis);
    is_connected(&gates).await;
    let (mut said, mut waited, mut opened) = (0, 0, 0);
    for seed in 0..6 {
        let mut random = StdRng::seed_from_u64(seed);
        let mut gate = Gate::default();
        let supplier = Supplier::ALL[usize::try_from(seed).unwrap() % Supplier::ALL.len()];
        let _: () = gates.redis.clone().del(key(supplier)).await.unwrap();
        let mut now = 1_795_000_000_000_i64;
        for _ in 0..400 {
            // Time may stand still, and a clock may go back.
            now += random.random_range(-20..400);
            let path = PATHS[random.random_range(0..PATHS.len())];
            let class = CLASSES[random.random_range(0..CLASSES.len())];
            let at = Some(now);
            let args = match random.random_range(0..10) {
                0..6 => {
                    let expected = match gate.ask(&RULES, class, path, now) {
                        Verdict::Go => (0, 0),
                        Verdict::Wait { until } => (1, until - now),
                        Verdict::Open { until } => (2, until - now),
                    };
                    waited += i32::from(expected.0 == 1);
                    opened += i32::from(expected.0 == 2);
                    let args =
                        Args { what: "ask", class: Some(class), path, now: at, ..Args::default() };
                    let (code, wait, ..) = gates.run(supplier, &RULES, args).await.unwrap();
                    assert_eq!((code, wait), expected, "seed {seed}, {class:?} {path}");
                    said += 1;
                    continue;
                }
                6 => {
                    gate.spend(&RULES, path, now);
                    Args { what: "spend", path, now: at, ..Args::default() }
                }
                7 => {
                    let quota = quota(&mut random);
                    gate.allow(&RULES, path, &quota, now);
                    let told = Some(allowance(&RULES, path, &quota, 0));
                    Args { what: "hear", path, told, now: at, ..Args::default() }
                }
                _ => {
                    let well = random.random_bool(0.5);
                    gate.note(&RULES, class, well, now);
                    let (class, well) = (Some(class), Some(well));
                    Args { what: "hear", class, path, well, now: at, ..Args::default() }
                }
            };
            gates.run(supplier, &RULES, args).await.unwrap();
            let (shared, ..) = gates.read(supplier).await.unwrap();
            assert_eq!(shared, gate, "seed {seed}");
        }
    }
    assert!(said > 500 && waited > 50 && opened > 50, "{said} {waited} {opened}");
}

/// Row: B8
#[tokio::test]
async fn instances_share_one_budget_and_without_redis_each_has_a_small_one() {
    let redis = Redis::start();
    let mut both = [gates(&redis), gates(&redis)];
    let rules: BTreeMap<_, _> = [(Supplier::Duffel, Rules { limit: 80, ..RULES })].into();
    for one in &mut both {
        one.rules = Arc::new(rules.clone());
    }
    for one in &both {
        is_connected(one).await;
    }
    let ask = async |class, times| {
        let mut went = 0;
        for n in 0..times {
            went += i32::from(both[n % 2].ask(Supplier::Duffel, class, "/x").await == Passage::Go);
        }
        went
    };
    // Twenty go out at once; searches leave eight of them. What comes back meanwhile is one a second.
    let searched = ask(Class::Search, 60).await;
    assert!((12..=14).contains(&searched), "{searched}");
    let booked = ask(Class::Finish, 60).await;
    assert!((8..=10).contains(&booked), "{booked}");
    drop(redis);
    let alone = ask(Class::Finish, 24).await;
    assert!((10..=16).contains(&alone), "five of each, and what comes back meanwhile: {alone}");
}
