//! The whole table: what is known × what is wanted × what is answered → what follows.

use std::fmt::Write as _;

use contracts::messages::{RefusedWhy, WantedLeg};
use suppliers::{Answer, SeenState};

use super::{UNKNOWN, World, bought, gone, held, seen};
use crate::{Doing, Event, Fact};

type Prepare = fn(&mut World);

/// Each brings a leg to a point where an exchange is under way.
const KNOWN: [(&str, Prepare); 6] = [
    ("reserve under way", |world| world.want(WantedLeg::Held)),
    ("reserve unknown, look-up under way", |world| {
        world.want(WantedLeg::Held);
        world.answer(UNKNOWN);
        world.wake();
    }),
    ("lease of reserve ran out, look-up under way", |world| {
        world.want(WantedLeg::Held);
        world.wake();
        world.wake();
    }),
    ("held, confirm under way", |world| {
        world.want(WantedLeg::Held);
        world.answer(held("R1"));
        world.want(WantedLeg::Confirmed);
    }),
    ("confirm unknown, look-up under way", |world| {
        world.want(WantedLeg::Held);
        world.answer(held("R1"));
        world.want(WantedLeg::Confirmed);
        world.answer(UNKNOWN);
        world.wake();
    }),
    ("bought, cancel under way", |world| {
        world.want(WantedLeg::Confirmed);
        world.answer(bought("R1"));
        world.want(WantedLeg::Released);
    }),
];

fn answers() -> Vec<(&'static str, Answer)> {
    let listed = Answer::Seen(vec![seen("R1", SeenState::Unclear)]);
    let both = Answer::Seen(vec![
        seen("R1", SeenState::Held { until: None }),
        seen("R2", SeenState::Held { until: None }),
    ]);
    vec![
        ("not sent", Answer::NotSent),
        ("unknown", UNKNOWN),
        ("not found", Answer::NotFound),
        ("refused", Answer::Refused(RefusedWhy::SoldOut)),
        ("accepted", Answer::Accepted),
        ("listed", listed),
        ("held", held("R1")),
        ("bought", bought("R1")),
        ("gone", gone("R1")),
        ("two held", both),
    ]
}

#[test]
fn what_follows_from_every_answer_at_every_point_for_every_wish() {
    let mut text = String::new();
    for (known, prepare) in KNOWN {
        for wanted in [WantedLeg::Held, WantedLeg::Confirmed, WantedLeg::Released] {
            writeln!(text, "\n{known}; wanted {wanted:?}").unwrap();
            for (words, answer) in answers() {
                let mut world = World::new();
                prepare(&mut world);
                world.want(wanted);
                let before = world.journal.len();
                world.answer(answer);
                writeln!(text, "  {words:<10} → {}", follows(&world, before)).unwrap();
            }
            let mut world = World::new();
            prepare(&mut world);
            world.want(wanted);
            let before = world.journal.len();
            let exchange = world.leg().exchanges;
            world.fact(&Fact::NoHandle { exchange });
            writeln!(text, "  {:<10} → {}", "no handle", follows(&world, before)).unwrap();
        }
    }
    expect_test::expect_file!["table.txt"].assert_eq(&text);
}

fn follows(world: &World, before: usize) -> String {
    let mut parts: Vec<String> = Vec::new();
    for recorded in &world.journal[before..] {
        match &recorded.event {
            Event::Told { state, .. } => parts.push(format!("told {}", short(state))),
            Event::Began { doing, reference, .. } => {
                let about = reference.as_deref().unwrap_or("");
                parts.push(format!("{} {about}", verb(*doing)).trim().to_owned());
            }
            Event::AttemptMade { attempt, .. } => parts.push(format!("attempt {attempt}")),
            Event::InvariantBroken { what } => parts.push(format!("BROKEN {what}")),
            Event::Mismatch { .. } => parts.push("case".to_owned()),
            Event::GuestsSettled { end, .. } => parts.push(format!("told of guests {end:?}")),
            Event::Wanted { .. }
            | Event::GuestsWanted { .. }
            | Event::Answered { .. }
            | Event::LeaseRanOut { .. }
            | Event::Hinted { .. }
            | Event::LookAsked { .. }
            | Event::Adopted { .. }
            | Event::CancelAsked { .. }
            | Event::DeclaredAbsent { .. }
            | Event::AttemptProvenDead { .. }
            | Event::GaveUp { .. }
            | Event::Agreed { .. } => {}
        }
    }
    if parts.is_empty() {
        let at = crate::wake_at(world.leg(), &world.policy);
        return at
            .map_or("rest".to_owned(), |at| format!("wait {} s", (at - world.now).num_seconds()));
    }
    parts.join("; ")
}

fn verb(doing: Doing) -> &'static str {
    match doing {
        Doing::Reserve { hold: true } => "hold",
        Doing::Reserve { hold: false } => "buy",
        Doing::Confirm => "confirm",
        Doing::Cancel => "cancel",
        Doing::Amend => "amend",
        Doing::LookUp { .. } => "look up",
    }
}

fn short(state: &contracts::messages::LegState) -> String {
    use contracts::messages::LegState;
    match state {
        LegState::Held { reference, .. } => format!("held {reference}"),
        LegState::Confirmed { reference } => format!("confirmed {reference}"),
        LegState::Gone { why } => format!("gone {why:?}"),
        LegState::Refused { why } => format!("refused {why:?}"),
        LegState::InDoubt { .. } => "in doubt".to_owned(),
    }
}
