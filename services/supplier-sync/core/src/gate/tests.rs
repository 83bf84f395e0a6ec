//! What the gate promises, for any order of calls and answers.

use proptest::prelude::*;

use super::*;

const RULES: Rules = Rules {
    limit: 40,
    kept_percent: 40,
    window_ms: 60_000,
    calls_min: 10,
    failed_percent: 50,
    open_ms: 30_000,
    probe_ms: 4_000,
};

const CLASSES: [Class; 4] = [Class::Search, Class::PriceCheck, Class::Reserve, Class::Finish];

fn spent(seconds: u64) -> Quota {
    let resets_in = Some(Duration::from_secs(seconds));
    Quota { scope: Scope::Account, left: Left::Nothing, resets_in }
}

fn percent(left: u8) -> Quota {
    let resets_in = Some(Duration::from_secs(30));
    Quota { scope: Scope::Account, left: Left::Percent(left), resets_in }
}

proptest! {
    /// Row: B8
    #[test]
    fn no_minute_sees_more_calls_than_its_limit(
        limit in 4_i64..200,
        steps in prop::collection::vec((0_i64..1_500, 0_usize..4), 1..600),
    ) {
        let rules = Rules { limit, ..RULES };
        let (mut gate, mut now, mut sent) = (Gate::default(), 1_000_000, Vec::new());
        for (pause, class) in steps {
            now += pause;
            if gate.ask(&rules, CLASSES[class], "", now) == Verdict::Go {
                sent.push(now);
            }
        }
        for (n, first) in sent.iter().enumerate() {
            let within = sent[n..].iter().filter(|at| **at < first + MINUTE_MS).count();
            prop_assert!(i64::try_from(within).unwrap() <= limit, "{within} of {limit}");
        }
    }

    /// Row: B8
    #[test]
    fn whatever_is_searched_a_booking_has_its_share(
        limit in 8_i64..400,
        kept_percent in 20_i64..90,
        pauses in prop::collection::vec(0_i64..200, 1..500),
    ) {
        let rules = Rules { limit, kept_percent, ..RULES };
        let (burst, _) = rules.bucket();
        let (mut gate, mut now) = (Gate::default(), 1_000_000);
        for pause in pauses {
            now += pause;
            gate.ask(&rules, Class::Search, "", now);
            let kept = (burst * kept_percent / 100).min(burst - CALL);
            prop_assert!(gate.level(&rules, now) >= kept);
        }
        let mut now_too = gate.clone();
        for _ in 0..(burst * kept_percent / 100).min(burst - CALL) / CALL {
            prop_assert_eq!(now_too.ask(&rules, Class::Finish, "", now), Verdict::Go);
        }
    }

    #[test]
    fn whoever_waits_as_long_as_told_goes(
        limit in 4_i64..200,
        asked in prop::collection::vec((0_i64..500, 0_usize..4), 0..100),
        class in 0_usize..4,
        left in prop::option::of(0_u8..=100),
    ) {
        let rules = Rules { limit, ..RULES };
        let (mut gate, mut now) = (Gate::default(), 1_000_000);
        for (pause, class) in asked {
            now += pause;
            gate.ask(&rules, CLASSES[class], "", now);
        }
        if let Some(left) = left {
            gate.allow(&rules, "", &percent(left), now);
        }
        // What the supplier counts, and then what we count.
        for _ in 0..2 {
            if let Verdict::Wait { until } = gate.clone().ask(&rules, CLASSES[class], "", now) {
                prop_assert!(until > now);
                now = until;
            }
        }
        let waits = matches!(gate.ask(&rules, CLASSES[class], "", now), Verdict::Wait { .. });
        prop_assert!(!waits);
    }
}

/// Row: B8
#[test]
fn what_a_supplier_says_is_left_counts_and_searches_leave_their_share_of_that_too() {
    let rules = Rules { limit: 4_000, ..RULES };
    let mut gate = Gate::default();
    gate.allow(&rules, "", &percent(39), 0);
    let wait = Verdict::Wait { until: 30_000 };
    assert_eq!(gate.ask(&rules, Class::Search, "", 1), wait);
    assert_eq!(gate.ask(&rules, Class::PriceCheck, "", 1), Verdict::Go);
    gate.allow(&rules, "", &percent(19), 0);
    assert_eq!(gate.ask(&rules, Class::PriceCheck, "", 1), wait);
    assert_eq!(gate.ask(&rules, Class::Reserve, "", 1), Verdict::Go);
    assert_eq!(gate.ask(&rules, Class::Finish, "", 1), Verdict::Go);
    // Then the minute is over.
    assert_eq!(gate.ask(&rules, Class::Search, "", 30_000), Verdict::Go);
    // Calls of ours count until the next answer says what is left.
    let few = Quota { left: Left::Calls { left: 2, of: 100 }, ..percent(0) };
    gate.allow(&rules, "", &few, 40_000);
    assert_eq!(gate.ask(&rules, Class::Finish, "", 40_001), Verdict::Go);
    assert_eq!(gate.ask(&rules, Class::Finish, "", 40_001), Verdict::Go);
    assert_eq!(gate.ask(&rules, Class::Finish, "", 40_001), Verdict::Wait { until: 70_000 });
}

/// Row: B8
#[test]
fn a_supplier_that_turns_a_call_away_is_asked_nothing_until_it_said() {
    let mut gate = Gate::default();
    gate.allow(&RULES, "", &spent(20), 1_000);
    for class in CLASSES {
        let until = if class == Class::Search { 23_000 } else { 21_000 };
        assert_eq!(gate.ask(&RULES, class, "", 2_000), Verdict::Wait { until });
    }
    // What comes back first is for whoever cancels, looks up and books.
    assert_eq!(gate.ask(&RULES, Class::Search, "", 22_999), Verdict::Wait { until: 23_000 });
    assert_eq!(gate.ask(&RULES, Class::Finish, "", 21_000), Verdict::Go);
    assert_eq!(gate.clone().ask(&RULES, Class::Search, "", 23_000), Verdict::Go);
    // One that does not say how long is asked again soon, and one that says a year within minutes.
    gate.allow(&RULES, "", &Quota { resets_in: None, ..spent(0) }, 30_000);
    assert_eq!(gate.ask(&RULES, Class::Finish, "", 30_001), Verdict::Wait { until: 35_000 });
    gate.allow(&RULES, "", &spent(365 * 86_400), 40_000);
    assert_eq!(gate.ask(&RULES, Class::Finish, "", 40_001), Verdict::Wait { until: 940_000 });
}

#[test]
fn a_path_that_is_spent_stops_no_other() {
    let mut gate = Gate::default();
    gate.allow(&RULES, "/search", &Quota { scope: Scope::Path, ..spent(20) }, 0);
    assert_eq!(gate.ask(&RULES, Class::Finish, "/search", 1), Verdict::Wait { until: 20_000 });
    assert_eq!(gate.ask(&RULES, Class::Finish, "/cancel", 1), Verdict::Go);
}

/// Row: B9
#[test]
fn the_breaker_opens_on_its_ratio_and_stops_only_what_begins_something_new() {
    let rules = Rules { limit: 4_000, ..RULES };
    let mut gate = Gate::default();
    for n in 0..9 {
        gate.note(&rules, Class::Reserve, n % 2 == 0, 1_000);
    }
    assert_eq!(gate.booking.open, None, "nine calls say little");
    gate.note(&rules, Class::Reserve, true, 1_000);
    assert_eq!(gate.booking.open, None, "four of ten");
    for _ in 0..2 {
        gate.note(&rules, Class::Reserve, false, 2_000);
    }
    assert_eq!(gate.booking.open, Some((2_000, 32_000)), "six of twelve");
    for class in [Class::PriceCheck, Class::Reserve] {
        assert_eq!(gate.ask(&rules, class, "", 3_000), Verdict::Open { until: 32_000 });
    }
    assert_eq!(gate.ask(&rules, Class::Finish, "", 3_000), Verdict::Go);
    assert_eq!(gate.ask(&rules, Class::Search, "", 3_000), Verdict::Go);
}

/// Row: B9
#[test]
fn the_breaker_forgets_what_was_before_its_window() {
    let mut gate = Gate::default();
    for n in 0..100 {
        gate.note(&RULES, Class::Reserve, n % 9 < 5, n * 7_000);
    }
    assert_eq!(gate.booking.open, None, "never ten calls in a minute");
}

/// Row: B9
#[test]
fn the_breaker_probes_one_at_a_time_and_closes_on_good_answers() {
    let rules = Rules { limit: 4_000, ..RULES };
    let mut gate = Gate::default();
    for _ in 0..10 {
        gate.note(&rules, Class::Reserve, false, 0);
    }
    let open = |until| Verdict::Open { until };
    assert_eq!(gate.ask(&rules, Class::Reserve, "", 30_000), Verdict::Go, "a probe");
    assert_eq!(gate.ask(&rules, Class::PriceCheck, "", 30_001), open(34_000), "one at a time");
    // A probe that nobody tells of holds up the next one only for so long.
    assert_eq!(gate.ask(&rules, Class::Reserve, "", 34_000), Verdict::Go);
    gate.note(&rules, Class::Reserve, false, 35_000);
    assert_eq!(gate.ask(&rules, Class::PriceCheck, "", 36_000), open(65_000));
    for n in 0..PROBES_NEEDED {
        assert!(gate.booking.open.is_some());
        assert_eq!(gate.ask(&rules, Class::Reserve, "", 65_000 + n), Verdict::Go);
        gate.note(&rules, Class::Reserve, true, 65_000 + n);
    }
    assert_eq!(gate.booking.open, None);
    assert_eq!(gate.ask(&rules, Class::Search, "", 66_000), Verdict::Go);
    // What it counted before is forgotten.
    gate.note(&rules, Class::Reserve, false, 66_000);
    assert_eq!(gate.booking.open, None);
}

/// Row: B9
#[test]
fn a_search_that_is_ill_stops_searches_and_nothing_that_books() {
    let rules = Rules { limit: 4_000, ..RULES };
    let mut gate = Gate::default();
    for _ in 0..10 {
        gate.note(&rules, Class::Search, false, 0);
    }
    let open = |until| Verdict::Open { until };
    assert_eq!(gate.ask(&rules, Class::Search, "", 1), open(30_000));
    for class in [Class::PriceCheck, Class::Reserve, Class::Finish] {
        assert_eq!(gate.ask(&rules, class, "", 1), Verdict::Go);
    }
    // However searches fare, none of them takes a probe of those that book.
    for _ in 0..10 {
        gate.note(&rules, Class::Reserve, false, 2);
    }
    assert_eq!(gate.ask(&rules, Class::Search, "", 30_002), Verdict::Go, "its own probe");
    assert_eq!(gate.ask(&rules, Class::Reserve, "", 30_002), Verdict::Go, "and theirs");
    gate.note(&rules, Class::Search, false, 30_003);
    for n in 0..PROBES_NEEDED {
        gate.note(&rules, Class::Finish, true, 30_004 + n);
    }
    assert_eq!((gate.booking.open, gate.searching.open), (None, Some((0, 60_003))));
}
