//! Stories and properties of an account of points.

use std::fmt::Write as _;

use chrono::{DateTime, TimeDelta, Utc};
use contracts::{
    ids::BookingId,
    messages::WantedPoints,
    money::{Currency, Money},
};
use uuid::Uuid;

use crate::{
    Account, Balances, Command, Event, Fact, GrantId, Policy, decide, effects, evolve, learn,
    postings, translate::Input,
};

mod golden;
mod properties;
mod stories;

const POLICY: Policy = Policy {
    earn_percent: 3,
    no_show_earns: false,
    vest_after: TimeDelta::hours(48),
    lot_for: TimeDelta::days(730),
    grant_points_max: 1_000_000,
};

/// A whole number of days after the tests' beginning.
fn day(days: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000, 0).unwrap() + TimeDelta::days(days)
}

fn booking(n: u128) -> BookingId {
    BookingId(Uuid::from_u128(n))
}

fn grant(n: u128, points: u64) -> Input {
    Input::Command(Command::Grant { grant_id: GrantId(Uuid::from_u128(n)), points })
}

fn want(n: u128, version: u32, wanted: WantedPoints, points: u64) -> Input {
    Input::Command(Command::Want { booking_id: booking(n), version, wanted, points })
}

fn confirmed(n: u128, paid_minor: i64, over_at: DateTime<Utc>) -> Input {
    let paid = Money::new(paid_minor, Currency::Eur);
    Input::Fact(Fact::Confirmed { booking_id: booking(n), paid, over_at })
}

fn cancelled(n: u128) -> Input {
    Input::Fact(Fact::Cancelled { booking_id: booking(n) })
}

fn leg_cancelled(n: u128, paid_minor: i64) -> Input {
    let paid = Money::new(paid_minor, Currency::Eur);
    Input::Fact(Fact::LegCancelled { booking_id: booking(n), paid })
}

fn leg_replaced(n: u128, paid_minor: i64, over_at: DateTime<Utc>) -> Input {
    let paid = Money::new(paid_minor, Currency::Eur);
    Input::Fact(Fact::LegReplaced { booking_id: booking(n), paid, over_at })
}

fn moved(n: u128, over_at: DateTime<Utc>) -> Input {
    Input::Fact(Fact::Moved { booking_id: booking(n), over_at })
}

fn money(n: u128, version: u64, away: bool) -> Input {
    Input::Fact(Fact::MoneyReversed { booking_id: booking(n), version, away })
}

fn due() -> Input {
    Input::Fact(Fact::Due)
}

/// What an input does to an account; a refusal does nothing.
fn apply(account: &Account, input: &Input, now: DateTime<Utc>) -> (Account, Vec<Event>) {
    let events = match input {
        Input::Command(command) => decide(account, command, &POLICY, now).unwrap_or_default(),
        Input::Fact(fact) => learn(account, fact, &POLICY, now),
    };
    (events.iter().fold(account.clone(), evolve), events)
}

/// Every input with what happened by it, what was said, and the sums at the end.
fn tell(inputs: &[(DateTime<Utc>, Input)]) -> String {
    let mut account = Account::default();
    let mut story = String::new();
    for (now, input) in inputs {
        writeln!(story, "day {}: {}", (*now - day(0)).num_days(), short(input)).unwrap();
        if let Input::Command(command) = input
            && let Err(refusal) = decide(&account, command, &POLICY, *now)
        {
            writeln!(story, "    no: {refusal}").unwrap();
        }
        for event in apply(&account, input, *now).1 {
            account = evolve(account, &event);
            let lines: Vec<_> = postings(&event)
                .iter()
                .map(|line| format!("{} {:+}", line.book.word(), line.points))
                .collect();
            writeln!(story, "    {} {}", event.kind(), lines.join(", ")).unwrap();
            for effect in effects(&account, &event) {
                let crate::Effect::Say(said) = effect;
                writeln!(story, "      says v{} {:?} {}", said.version, said.state, said.points)
                    .unwrap();
            }
        }
        let Balances { available, pending, frozen, held, debt } = account.balances();
        write!(story, "    = available {available}, pending {pending}, held {held}, debt {debt}")
            .unwrap();
        let frozen = if frozen == 0 { String::new() } else { format!(", frozen {frozen}") };
        writeln!(story, "{frozen}").unwrap();
    }
    story
}

fn short(input: &Input) -> String {
    match input {
        Input::Command(Command::Want { booking_id, version, wanted, points }) => {
            format!("booking {} wants {points} {wanted:?} v{version}", booking_id.0.as_u128())
        }
        Input::Command(Command::Grant { grant_id, points }) => {
            format!("grant {} of {points}", grant_id.0.as_u128())
        }
        Input::Fact(Fact::Confirmed { booking_id, paid, .. }) => {
            format!("booking {} confirmed, paid {paid}", booking_id.0.as_u128())
        }
        Input::Fact(Fact::LegCancelled { booking_id, paid }) => {
            format!("booking {} lost a leg, paid {paid}", booking_id.0.as_u128())
        }
        Input::Fact(Fact::LegReplaced { booking_id, paid, .. }) => {
            format!("booking {} got another leg, paid {paid}", booking_id.0.as_u128())
        }
        Input::Fact(Fact::Moved { booking_id, .. }) => {
            format!("booking {} was moved", booking_id.0.as_u128())
        }
        Input::Fact(Fact::Cancelled { booking_id }) => {
            format!("booking {} cancelled", booking_id.0.as_u128())
        }
        Input::Fact(Fact::Failed { booking_id }) => {
            format!("booking {} failed", booking_id.0.as_u128())
        }
        Input::Fact(Fact::Completed { booking_id, .. }) => {
            format!("booking {} completed", booking_id.0.as_u128())
        }
        Input::Fact(Fact::MoneyReversed { booking_id, version, away }) => {
            let how = if *away { "away" } else { "back" };
            format!("money of booking {} {how} v{version}", booking_id.0.as_u128())
        }
        Input::Fact(Fact::Due) => "time".to_owned(),
    }
}
