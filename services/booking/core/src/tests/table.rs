//! What every phase makes of every input, as one table that a reviewer can read.

use chrono::TimeDelta;
use expect_test::expect;

use super::*;
use crate::Phase;

/// A booking in `phase`, reached the way bookings reach it.
fn in_phase(phase: Phase) -> World {
    let mut world = World::accepted(500, vec![order(20_500, Some(TimeDelta::days(10)))]);
    let amount = AMOUNT;
    let hold = |world: &mut World| {
        world.tell(&points(1, PointsState::Held));
        world.tell(&prepared(amount));
    };
    match phase {
        Phase::Pending => {}
        Phase::Holding => hold(&mut world),
        Phase::AwaitingPayment => {
            hold(&mut world);
            world.leg(0, 1, held());
        }
        Phase::Committing | Phase::Confirmed | Phase::Completed => {
            hold(&mut world);
            world.leg(0, 1, held());
            world.tell(&settled(3, amount));
            if phase != Phase::Committing {
                world.leg(0, 2, confirmed());
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

type Input = (&'static str, fn(&mut World) -> usize);

const INPUTS: [Input; 18] = [
    ("cancel", |w| w.ask(&CANCEL).map_or(0, |()| 1)),
    ("leg held", |w| w.leg(0, 5, held())),
    ("leg confirmed", |w| w.leg(0, 5, confirmed())),
    ("leg refused", |w| w.leg(0, 5, refused())),
    ("leg lapsed", |w| w.leg(0, 5, gone(GoneWhy::Lapsed))),
    ("leg released", |w| w.leg(0, 5, gone(GoneWhy::Released))),
    ("leg in doubt", |w| w.leg(0, 5, LegState::InDoubt { since: noon() })),
    ("prepared", |w| w.tell(&prepared(AMOUNT))),
    ("part seen", |w| w.tell(&seen(6, 1, false))),
    ("all seen", |w| w.tell(&seen(6, AMOUNT, true))),
    ("settled", |w| w.tell(&settled(6, AMOUNT))),
    ("closed, nothing came", |w| w.tell(&closed(nothing_came()))),
    ("points refused", |w| w.tell(&points(9, PointsState::Refused))),
    ("points released", |w| w.tell(&points(9, PointsState::Released))),
    ("payable passed", |w| w.tell(&passed(Deadline::Payable))),
    ("pay passed", |w| w.tell(&passed(Deadline::Pay))),
    ("settle passed", |w| w.tell(&passed(Deadline::Settle))),
    ("over passed", |w| w.tell(&passed(Deadline::Over))),
];

#[test]
fn every_phase_has_an_answer_to_every_input() {
    let mut table = String::new();
    for phase in Phase::ALL {
        for (name, input) in INPUTS {
            let mut world = in_phase(phase);
            let before = world.journal.len();
            input(&mut world);
            let after = world.booking().phase;
            let review = world.booking().review.map_or(String::new(), |r| format!(" !{:?}", r.why));
            let events = world.journal.len() - before;
            table += &format!("{phase:?} + {name} -> {after:?}{review} ({events} events)\n");
            if phase.is_closed() {
                assert_eq!(after, phase, "a closed phase never changes: {name}");
            }
        }
    }
    expect![[r#"
        Pending + cancel -> Unwinding (3 events)
        Pending + leg held -> Holding (2 events)
        Pending + leg confirmed -> Holding (2 events)
        Pending + leg refused -> Unwinding (5 events)
        Pending + leg lapsed -> Unwinding (5 events)
        Pending + leg released -> Unwinding (5 events)
        Pending + leg in doubt -> Holding (2 events)
        Pending + prepared -> Holding (2 events)
        Pending + part seen -> Holding (2 events)
        Pending + all seen -> Holding (2 events)
        Pending + settled -> Holding (2 events)
        Pending + closed, nothing came -> Holding (2 events)
        Pending + points refused -> Unwinding (5 events)
        Pending + points released -> Holding (2 events)
        Pending + payable passed -> Unwinding (5 events)
        Pending + pay passed -> Holding (2 events)
        Pending + settle passed -> Holding (2 events)
        Pending + over passed -> Holding (2 events)
        Holding + cancel -> Unwinding (4 events)
        Holding + leg held -> AwaitingPayment (2 events)
        Holding + leg confirmed -> AwaitingPayment (2 events)
        Holding + leg refused -> Unwinding (5 events)
        Holding + leg lapsed -> Unwinding (5 events)
        Holding + leg released -> Unwinding (5 events)
        Holding + leg in doubt -> Holding (1 events)
        Holding + prepared -> Holding (0 events)
        Holding + part seen -> Holding (1 events)
        Holding + all seen -> Holding (1 events)
        Holding + settled -> Holding (1 events)
        Holding + closed, nothing came -> Holding (1 events)
        Holding + points refused -> Unwinding (5 events)
        Holding + points released -> Holding (1 events)
        Holding + payable passed -> Unwinding (5 events)
        Holding + pay passed -> Holding (1 events)
        Holding + settle passed -> Holding (1 events)
        Holding + over passed -> Holding (1 events)
        AwaitingPayment + cancel -> Unwinding (4 events)
        AwaitingPayment + leg held -> AwaitingPayment (1 events)
        AwaitingPayment + leg confirmed -> AwaitingPayment (1 events)
        AwaitingPayment + leg refused -> Unwinding (5 events)
        AwaitingPayment + leg lapsed -> Unwinding (5 events)
        AwaitingPayment + leg released -> Unwinding (5 events)
        AwaitingPayment + leg in doubt -> AwaitingPayment (1 events)
        AwaitingPayment + prepared -> AwaitingPayment (0 events)
        AwaitingPayment + part seen -> AwaitingPayment (1 events)
        AwaitingPayment + all seen -> AwaitingPayment (1 events)
        AwaitingPayment + settled -> Committing (3 events)
        AwaitingPayment + closed, nothing came -> Unwinding (5 events)
        AwaitingPayment + points refused -> AwaitingPayment (1 events)
        AwaitingPayment + points released -> AwaitingPayment (1 events)
        AwaitingPayment + payable passed -> AwaitingPayment (1 events)
        AwaitingPayment + pay passed -> AwaitingPayment (2 events)
        AwaitingPayment + settle passed -> AwaitingPayment !MoneyNotFinal (2 events)
        AwaitingPayment + over passed -> AwaitingPayment (1 events)
        Committing + cancel -> Committing (0 events)
        Committing + leg held -> Committing (1 events)
        Committing + leg confirmed -> Confirmed (3 events)
        Committing + leg refused -> Unwinding (5 events)
        Committing + leg lapsed -> Unwinding (5 events)
        Committing + leg released -> Unwinding (5 events)
        Committing + leg in doubt -> Committing (1 events)
        Committing + prepared -> Committing (0 events)
        Committing + part seen -> Committing (1 events)
        Committing + all seen -> Committing (1 events)
        Committing + settled -> Committing (1 events)
        Committing + closed, nothing came -> Committing (1 events)
        Committing + points refused -> Committing (1 events)
        Committing + points released -> Committing (1 events)
        Committing + payable passed -> Committing (1 events)
        Committing + pay passed -> Committing (1 events)
        Committing + settle passed -> Committing (1 events)
        Committing + over passed -> Committing (1 events)
        Confirmed + cancel -> Confirmed (0 events)
        Confirmed + leg held -> Confirmed (1 events)
        Confirmed + leg confirmed -> Confirmed (1 events)
        Confirmed + leg refused -> Confirmed !CancelledBySupplier (2 events)
        Confirmed + leg lapsed -> Confirmed !CancelledBySupplier (2 events)
        Confirmed + leg released -> Confirmed !CancelledBySupplier (2 events)
        Confirmed + leg in doubt -> Confirmed (1 events)
        Confirmed + prepared -> Confirmed (0 events)
        Confirmed + part seen -> Confirmed (1 events)
        Confirmed + all seen -> Confirmed (1 events)
        Confirmed + settled -> Confirmed (1 events)
        Confirmed + closed, nothing came -> Confirmed (1 events)
        Confirmed + points refused -> Confirmed (1 events)
        Confirmed + points released -> Confirmed (1 events)
        Confirmed + payable passed -> Confirmed (1 events)
        Confirmed + pay passed -> Confirmed (1 events)
        Confirmed + settle passed -> Confirmed (1 events)
        Confirmed + over passed -> Completed (2 events)
        Completed + cancel -> Completed (0 events)
        Completed + leg held -> Completed (1 events)
        Completed + leg confirmed -> Completed (1 events)
        Completed + leg refused -> Completed (1 events)
        Completed + leg lapsed -> Completed (1 events)
        Completed + leg released -> Completed (1 events)
        Completed + leg in doubt -> Completed (1 events)
        Completed + prepared -> Completed (0 events)
        Completed + part seen -> Completed (1 events)
        Completed + all seen -> Completed (1 events)
        Completed + settled -> Completed (1 events)
        Completed + closed, nothing came -> Completed (1 events)
        Completed + points refused -> Completed (1 events)
        Completed + points released -> Completed (1 events)
        Completed + payable passed -> Completed (1 events)
        Completed + pay passed -> Completed (1 events)
        Completed + settle passed -> Completed (1 events)
        Completed + over passed -> Completed (0 events)
        Unwinding + cancel -> Unwinding (0 events)
        Unwinding + leg held -> Unwinding (1 events)
        Unwinding + leg confirmed -> Unwinding (1 events)
        Unwinding + leg refused -> Unwinding (1 events)
        Unwinding + leg lapsed -> Unwinding (1 events)
        Unwinding + leg released -> Unwinding (1 events)
        Unwinding + leg in doubt -> Unwinding (1 events)
        Unwinding + prepared -> Unwinding (0 events)
        Unwinding + part seen -> Unwinding (1 events)
        Unwinding + all seen -> Unwinding (1 events)
        Unwinding + settled -> Unwinding (1 events)
        Unwinding + closed, nothing came -> Unwinding (1 events)
        Unwinding + points refused -> Unwinding (1 events)
        Unwinding + points released -> Unwinding (1 events)
        Unwinding + payable passed -> Unwinding (1 events)
        Unwinding + pay passed -> Unwinding (1 events)
        Unwinding + settle passed -> Unwinding (1 events)
        Unwinding + over passed -> Unwinding (1 events)
        Failed + cancel -> Failed (0 events)
        Failed + leg held -> Failed (1 events)
        Failed + leg confirmed -> Failed (1 events)
        Failed + leg refused -> Failed (1 events)
        Failed + leg lapsed -> Failed (1 events)
        Failed + leg released -> Failed (1 events)
        Failed + leg in doubt -> Failed (1 events)
        Failed + prepared -> Failed (0 events)
        Failed + part seen -> Failed (1 events)
        Failed + all seen -> Failed (1 events)
        Failed + settled -> Failed (2 events)
        Failed + closed, nothing came -> Failed (0 events)
        Failed + points refused -> Failed (1 events)
        Failed + points released -> Failed (1 events)
        Failed + payable passed -> Failed (0 events)
        Failed + pay passed -> Failed (1 events)
        Failed + settle passed -> Failed (1 events)
        Failed + over passed -> Failed (1 events)
        Cancelled + cancel -> Cancelled (0 events)
        Cancelled + leg held -> Cancelled (1 events)
        Cancelled + leg confirmed -> Cancelled (1 events)
        Cancelled + leg refused -> Cancelled (1 events)
        Cancelled + leg lapsed -> Cancelled (1 events)
        Cancelled + leg released -> Cancelled (1 events)
        Cancelled + leg in doubt -> Cancelled (1 events)
        Cancelled + prepared -> Cancelled (0 events)
        Cancelled + part seen -> Cancelled (1 events)
        Cancelled + all seen -> Cancelled (1 events)
        Cancelled + settled -> Cancelled (2 events)
        Cancelled + closed, nothing came -> Cancelled (0 events)
        Cancelled + points refused -> Cancelled (1 events)
        Cancelled + points released -> Cancelled (1 events)
        Cancelled + payable passed -> Cancelled (1 events)
        Cancelled + pay passed -> Cancelled (1 events)
        Cancelled + settle passed -> Cancelled (1 events)
        Cancelled + over passed -> Cancelled (1 events)
    "#]]
    .assert_eq(&table);
}
