//! What every phase makes of everything that can be asked or happen, as one table that a reviewer
//! can read (`TABLE.md`), and the ways between phases, as `ARCHITECTURE.md` draws them.

use std::collections::BTreeSet;

use chrono::TimeDelta;
use expect_test::expect_file;

use super::*;
use crate::{
    Action, Phase, State, amend_quote, cancel_leg_quote, cancel_quote, evolve, next_actions,
};

/// Every way from one phase to another.
pub(super) const WAYS: [(Phase, Phase); 16] = [
    (Phase::Pending, Phase::Holding),
    (Phase::Pending, Phase::Unwinding),
    (Phase::Holding, Phase::AwaitingPayment),
    (Phase::Holding, Phase::Committing),
    (Phase::Holding, Phase::Unwinding),
    (Phase::AwaitingPayment, Phase::Committing),
    (Phase::AwaitingPayment, Phase::Unwinding),
    (Phase::Committing, Phase::Confirmed),
    (Phase::Committing, Phase::Unwinding),
    (Phase::Confirmed, Phase::Amending),
    (Phase::Confirmed, Phase::Completed),
    (Phase::Confirmed, Phase::Unwinding),
    (Phase::Amending, Phase::Confirmed),
    (Phase::Amending, Phase::Unwinding),
    (Phase::Unwinding, Phase::Failed),
    (Phase::Unwinding, Phase::Cancelled),
];

/// The ways that a journal went, event by event.
pub(super) fn ways(journal: &[Recorded]) -> BTreeSet<(Phase, Phase)> {
    let (mut state, mut ways): (State, _) = (None, BTreeSet::new());
    for entry in journal {
        let before = state.as_ref().map(|booking| booking.phase);
        state = evolve(state, entry);
        let after = state.as_ref().map(|booking| booking.phase);
        ways.extend(before.zip(after).filter(|(before, after)| before != after));
    }
    ways
}

/// A booking of two legs in `phase`, reached the way bookings reach it; its second leg is as far as
/// the first has to be for the next phase.
fn in_phase(phase: Phase) -> World {
    let free = Some(TimeDelta::days(10));
    let mut world = World::accepted(500, vec![order(10_000, free), order(10_500, free)]);
    let hold = |world: &mut World| {
        world.tell(&points(1, PointsState::Held));
        world.tell(&prepared(AMOUNT));
        world.leg(1, 1, held());
    };
    match phase {
        Phase::Pending => {}
        Phase::Holding => hold(&mut world),
        Phase::AwaitingPayment => {
            hold(&mut world);
            world.leg(0, 1, held());
        }
        Phase::Committing | Phase::Confirmed | Phase::Amending | Phase::Completed => {
            hold(&mut world);
            world.leg(0, 1, held());
            world.tell(&settled(3, AMOUNT));
            world.leg(1, 2, confirmed());
            if phase != Phase::Committing {
                world.leg(0, 2, confirmed());
            }
            if phase == Phase::Amending {
                amending::started(&mut world, 9_000);
                world.leg(9, 1, held());
            }
            if phase == Phase::Completed {
                world.tell(&passed(Deadline::Over));
            }
        }
        Phase::Unwinding | Phase::Failed | Phase::Cancelled => {
            hold(&mut world);
            if phase == Phase::Failed {
                world.tell(&passed(Deadline::Payable));
            } else {
                world.ask(&CANCEL).unwrap();
            }
            world.leg(1, 2, gone(GoneWhy::Released));
            if phase != Phase::Unwinding {
                world.leg(0, 1, gone(GoneWhy::NeverMade));
                world.tell(&points(2, PointsState::Released));
                world.tell(&closed(nothing_came()));
            }
        }
    }
    assert_eq!(world.booking().phase, phase);
    world
}

enum Input {
    Asked(Command),
    Happened(Fact),
    /// The second is asked once the first happened.
    Then(Fact, fn(&World) -> Command),
}

/// Names every kind of input; one that is not in [`KINDS`] fails the test.
fn kind(input: &Input) -> &'static str {
    match input {
        Input::Then(..) => "amend",
        Input::Asked(command) => match command {
            Command::Accept(_) => "accept",
            Command::Cancel { .. } => "cancel",
            Command::CancelLeg { .. } => "cancel leg",
            Command::AcceptTerms { .. } => "accept terms",
            Command::AnswerChange { .. } => "answer",
            Command::Amend { .. } => "amend",
            Command::ChangeGuests { .. } => "change guests",
            Command::Refund { .. } => "refund",
            Command::Rebook { .. } => "rebook",
            Command::Review { .. } => "review",
            Command::SettleLeg { .. } => "settle",
        },
        Input::Happened(fact) => match fact {
            Fact::Leg(_) => "leg",
            Fact::Guests(_) => "guests",
            Fact::PaymentPrepared(_) => "prepared",
            Fact::PaymentSeen(_) => "seen",
            Fact::PaymentSettled(_) => "settled",
            Fact::PaymentReversed(_) => "reversed",
            Fact::PaymentClosed(_) => "closed",
            Fact::Refund(_) => "refund news",
            Fact::Points(_) => "points",
            Fact::Passed(Deadline::Payable) => "payable passed",
            Fact::Passed(Deadline::Pay) => "pay passed",
            Fact::Passed(Deadline::Settle) => "settle passed",
            Fact::Passed(Deadline::Commit) => "commit passed",
            Fact::Passed(Deadline::Unwind) => "unwind passed",
            Fact::Passed(Deadline::Over) => "over passed",
            Fact::Passed(Deadline::Refund) => "refund passed",
            Fact::Passed(Deadline::Amend) => "amend passed",
            Fact::Passed(Deadline::Answer) => "answer passed",
            Fact::Passed(Deadline::Difference) => "difference passed",
        },
    }
}

const KINDS: &[&str] = &[
    "accept",
    "accept terms",
    "cancel",
    "cancel leg",
    "amend",
    "change guests",
    "answer",
    "refund",
    "rebook",
    "review",
    "settle",
    "leg",
    "guests",
    "prepared",
    "seen",
    "settled",
    "reversed",
    "closed",
    "refund news",
    "points",
    "payable passed",
    "pay passed",
    "settle passed",
    "commit passed",
    "unwind passed",
    "over passed",
    "refund passed",
    "amend passed",
    "answer passed",
    "difference passed",
];

type Make = fn(&World) -> Input;

/// News of the leg that is to take the place of another, where one is.
fn of_coming(state: LegState) -> Input {
    Input::Happened(leg_news(9, 5, 1, state))
}

fn news(w: &World, state: LegState) -> Input {
    Input::Happened(leg_news(0, 5, w.wanted_version(0), state))
}

const INPUTS: &[(&str, Make)] = &[
    ("accept again", |_| Input::Asked(accept(0, vec![order(1, None)]))),
    ("cancel", |_| Input::Asked(CANCEL)),
    ("cancel, as agreed", |w| {
        let agreed = cancel_quote(w.booking(), w.now).ok().map(|quote| quote.digest);
        Input::Asked(Command::Cancel { agreed })
    }),
    ("cancel one leg", |_| Input::Asked(Command::CancelLeg { leg_id: leg_id(0), agreed: None })),
    ("cancel one leg, as agreed", |w| {
        let agreed = cancel_leg_quote(w.booking(), leg_id(0), w.now).ok();
        let agreed = agreed.map(|quote| quote.digest);
        Input::Asked(Command::CancelLeg { leg_id: leg_id(0), agreed })
    }),
    ("take what suppliers ask now", |_| Input::Asked(Command::AcceptTerms { agreed: Uuid::nil() })),
    ("take what the supplier changed", |_| {
        let (answer, agreed) = (crate::ChangeAnswer::Accept, Uuid::nil());
        Input::Asked(Command::AnswerChange { leg_id: leg_id(0), answer, agreed })
    }),
    ("amend one leg", |_| {
        let agreed = Uuid::nil();
        let plan = Box::new(amending::plan(7, 9_000));
        Input::Asked(Command::Amend { leg_id: leg_id(0), plan, agreed, pay: None })
    }),
    ("amend one leg, as agreed", |w| {
        let plan = Box::new(amending::plan(7, 9_000));
        let quote = amend_quote(w.booking(), leg_id(0), &plan, None, w.now);
        let agreed = quote.map_or(Uuid::nil(), |quote| quote.digest);
        Input::Asked(Command::Amend { leg_id: leg_id(0), plan, agreed, pay: None })
    }),
    ("rebook one leg that the supplier cancelled, as agreed", |w| {
        let cancelled = gone(GoneWhy::CancelledBySupplier);
        Input::Then(leg_news(0, 5, w.wanted_version(0), cancelled), |w| {
            let plan = Box::new(amending::plan(7, 9_000));
            let quote = amend_quote(w.booking(), leg_id(0), &plan, None, w.now);
            let agreed = quote.map_or(Uuid::nil(), |quote| quote.digest);
            Command::Amend { leg_id: leg_id(0), plan, agreed, pay: None }
        })
    }),
    ("put others on one leg", |_| Input::Asked(guests::change(0, 70))),
    ("refund to an address", |_| Input::Asked(Command::Refund { to: "0xme".to_owned() })),
    ("rebook", |_| {
        let into = Box::new(rebooking::another(AMOUNT));
        Input::Asked(Command::Rebook { into })
    }),
    ("staff look into it", |_| {
        let (by, why) = ("ada".to_owned(), "my shift".to_owned());
        Input::Asked(Command::Review { act: contracts::internal::ReviewAct::Take, by, why })
    }),
    ("staff leave a leg there", |_| {
        let (by, why) = ("ada".to_owned(), "they said so".to_owned());
        let how = crate::Settle::LeaveThere;
        Input::Asked(Command::SettleLeg { leg_id: leg_id(0), how, by, why })
    }),
    ("leg held", |w| news(w, held())),
    ("leg confirmed", |w| news(w, confirmed())),
    ("leg refused", |w| news(w, refused())),
    ("leg refused for a higher price", |w| Input::Happened(repricing::refused_for(w, 0, 12_000))),
    ("leg lapsed", |w| news(w, gone(GoneWhy::Lapsed))),
    ("leg cancelled by the supplier", |w| news(w, gone(GoneWhy::CancelledBySupplier))),
    ("leg changed by the supplier", |w| Input::Happened(leg_moved(0, 5, w.wanted_version(0), 1))),
    ("leg released", |w| news(w, gone(GoneWhy::Released))),
    ("leg in doubt", |w| news(w, LegState::InDoubt { since: noon() })),
    ("the leg that comes bought", |_| of_coming(confirmed())),
    ("the leg that comes refused", |_| of_coming(refused())),
    ("other guests on one leg", |_| Input::Happened(guests::settled_as(0, 1, guests::CHANGED))),
    ("payment prepared", |_| Input::Happened(prepared(AMOUNT))),
    ("part of the money seen", |_| Input::Happened(seen(6, 1, false))),
    ("all of the money seen", |_| Input::Happened(seen(6, AMOUNT, true))),
    ("money settled", |_| Input::Happened(settled(6, AMOUNT))),
    ("more than the price settled", |_| Input::Happened(settled(6, AMOUNT + 1))),
    ("settled money left its chain", |_| Input::Happened(reversed(7, AMOUNT, 0))),
    ("payment closed, nothing came", |_| Input::Happened(closed(nothing_came()))),
    ("payment closed, it had settled", |_| {
        Input::Happened(closed(Closing::AlreadySettled { settled: units(AMOUNT) }))
    }),
    ("refund sent", |_| Input::Happened(refund(Uuid::nil(), 1, RefundState::Sent))),
    ("refund arrived", |_| Input::Happened(refund(Uuid::nil(), 1, RefundState::Confirmed))),
    ("refund failed", |_| Input::Happened(refund(Uuid::nil(), 1, RefundState::Failed))),
    ("points held", |_| Input::Happened(points(9, PointsState::Held))),
    ("points refused", |_| Input::Happened(points(9, PointsState::Refused))),
    ("points spent", |_| Input::Happened(points(9, PointsState::Captured))),
    ("points back", |_| Input::Happened(points(9, PointsState::Released))),
    ("time to be payable over", |_| Input::Happened(passed(Deadline::Payable))),
    ("time to pay over", |_| Input::Happened(passed(Deadline::Pay))),
    ("time to settle over", |_| Input::Happened(passed(Deadline::Settle))),
    ("time to buy over", |_| Input::Happened(passed(Deadline::Commit))),
    ("time to undo over", |_| Input::Happened(passed(Deadline::Unwind))),
    ("time to refund over", |_| Input::Happened(passed(Deadline::Refund))),
    ("time to answer over", |_| Input::Happened(passed(Deadline::Answer))),
    ("time for the leg that comes over", |_| Input::Happened(passed(Deadline::Amend))),
    ("time to pay the difference over", |_| Input::Happened(passed(Deadline::Difference))),
    ("the stay over", |_| Input::Happened(passed(Deadline::Over))),
];

/// A word as messages and rows have it.
fn word(value: &impl serde::Serialize) -> String {
    serde_json::to_value(value).unwrap().as_str().unwrap().to_owned()
}

/// What a booking in `phase` makes of an input, and the ways it went.
fn cell(phase: Phase, make: Make) -> (String, World) {
    let mut world = in_phase(phase);
    let (mut before, mut events) = (world.booking().clone(), world.journal.len());
    let refused = match make(&world) {
        Input::Asked(command) => world.ask(&command).err(),
        Input::Then(fact, ask) => {
            world.tell(&fact);
            (before, events) = (world.booking().clone(), world.journal.len());
            let command = ask(&world);
            world.ask(&command).err()
        }
        Input::Happened(fact) => {
            world.tell(&fact);
            None
        }
    };
    let after = world.booking();
    let told = match &refused {
        Some(Refusal::NotAllowed { allowed }) => {
            assert_eq!(*allowed, next_actions(&before));
            let allowed: Vec<_> = allowed.iter().map(Action::clone).map(|a| word(&a)).collect();
            match allowed.is_empty() {
                true => "no".to_owned(),
                false => format!("no; {}", allowed.join(", ")),
            }
        }
        Some(Refusal::AgreementNeeded { .. } | Refusal::AmendmentToAgree { .. }) => {
            "agreement needed".to_owned()
        }
        Some(other) => other.to_string(),
        None if world.journal.len() == events => "nothing new".to_owned(),
        None if after.phase != phase => format!("**{}**", word(&after.phase)),
        None => "noted".to_owned(),
    };
    if refused.is_some() {
        assert_eq!(*after, before, "a refusal changes nothing");
    }
    let new = after.review.filter(|_| before.review.is_none());
    let review = new.map_or(String::new(), |review| format!(", review: {}", word(&review.why)));
    let refunds = after.payment.refunds.iter().filter(|refund| !refund.refund_id.is_nil());
    let refund = if refunds.count() > before.payment.refunds.len() { ", refund" } else { "" };
    (told + &review + refund, world)
}

/// Row: A3
/// Row: A8
#[test]
fn every_phase_has_an_answer_to_everything_that_can_be_asked_or_happen() {
    let mut table = "# What every phase makes of everything that can be asked or happen\n\n\
        Made by a test. Bold: the phase that follows. *noted*: learnt, the phase stays. *nothing new*: a \
        repeat.\n*no*: refused, with what is allowed instead. *review*: a person is to look. *refund*: \
        money is asked back.\n\n|   |"
        .to_owned();
    let heads: Vec<String> = Phase::ALL.iter().map(|phase| format!(" {} |", word(phase))).collect();
    table += &heads.concat();
    table += "\n|";
    table += &" --- |".repeat(Phase::ALL.len() + 1);
    table += "\n";
    let mut seen = BTreeSet::new();
    let mut kinds = BTreeSet::new();
    for &(name, make) in INPUTS {
        table += &format!("| {name} |");
        for phase in Phase::ALL {
            kinds.insert(kind(&make(&in_phase(phase))));
            let (told, world) = cell(phase, make);
            table += &format!(" {told} |");
            let after = world.booking().phase;
            assert!(!phase.is_closed() || after == phase, "a closed phase never changes: {name}");
            seen.extend(ways(&world.journal));
        }
        table += "\n";
    }
    expect_file!["../../TABLE.md"].assert_eq(&table);
    assert_eq!(
        kinds,
        KINDS.iter().copied().collect(),
        "something can be asked or happen and is not here"
    );
    // Points that pay everything need no payment.
    let mut free = World::accepted(20_000, vec![order(20_000, None)]);
    free.tell(&points(1, PointsState::Held));
    free.leg(0, 1, held());
    seen.extend(ways(&free.journal));
    assert_eq!(seen, BTreeSet::from(WAYS));
}

#[test]
fn the_ways_between_phases_are_as_the_architecture_draws_them() {
    let page = include_str!("../../../../../ARCHITECTURE.md");
    let drawing = page.split("stateDiagram-v2\n").nth(1).unwrap().split("```").next().unwrap();
    let lines = drawing.lines().filter_map(|line| line.trim().split_once(" --> "));
    let drawn: BTreeSet<(String, String)> =
        lines.map(|(from, to)| (from.to_owned(), to.to_owned())).collect();
    let mut ways: BTreeSet<_> = WAYS.iter().map(|(from, to)| (word(from), word(to))).collect();
    let edge = || "[*]".to_owned();
    ways.insert((edge(), word(&Phase::Pending)));
    let ends = Phase::ALL.into_iter().filter(|phase| phase.is_closed());
    ways.extend(ends.map(|phase| (word(&phase), edge())));
    assert_eq!(drawn, ways);
}
