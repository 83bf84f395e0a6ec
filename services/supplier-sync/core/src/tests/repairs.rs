//! What staff may do about a leg that does not go on by itself, and what they may not.

use contracts::{
    internal::LegAct,
    messages::{GoneWhy, LegState, WantedLeg},
    money::{Currency, Money},
};
use suppliers::{Answer, SeenState};

use super::{UNKNOWN, World, bought, gone, held, seen};
use crate::{Act, Command, Doing, Refusal, decide, safe_acts};

impl World {
    fn act(&mut self, act: LegAct, evidence: Option<&str>) -> Result<(), Refusal> {
        let command = Command::Act(Act {
            by: "ada".to_owned(),
            why: "the customer waits".to_owned(),
            evidence: evidence.map(str::to_owned),
            act,
        });
        let events = decide(&self.state, &command, &self.policy, self.now)?;
        self.take(events);
        Ok(())
    }

    fn safe(&self) -> Vec<LegAct> {
        safe_acts(self.leg(), &self.policy, self.now)
    }

    /// Lets time pass; every exchange meanwhile is answered so.
    fn looks_for(&mut self, hours: i64, answer: &Answer) {
        self.passes(hours, |_| answer.clone());
    }

    /// The same, with an answer for each attempt.
    fn passes(&mut self, hours: i64, answer: impl Fn(u32) -> Answer) {
        let end = self.now + chrono::TimeDelta::hours(hours);
        for _ in 0..200 {
            if let Some(exchange) = &self.leg().in_flight {
                self.answer(answer(exchange.attempt));
            } else {
                let at = crate::wake_at(self.leg(), &self.policy);
                if at.is_none_or(|at| at > end) {
                    break;
                }
                self.wake();
            }
        }
        self.now = self.now.max(end);
    }
}

fn adopt(reference: &str) -> LegAct {
    LegAct::Adopt { reference: reference.to_owned() }
}

fn cancel(reference: &str) -> LegAct {
    LegAct::Cancel { reference: reference.to_owned() }
}

fn absent(attempt: u32, reference: Option<&str>) -> LegAct {
    LegAct::DeclareAbsent { attempt, reference: reference.map(str::to_owned) }
}

const LOOK: LegAct = LegAct::LookUp {};
const EVIDENCE: Option<&str> = Some("Rapid partner support, case 4711: no such itinerary");

/// Row: G8
#[test]
fn an_attempt_in_doubt_is_declared_absent_on_evidence_and_not_before_everything_had_to_show() {
    let mut world = World::new();
    world.want(WantedLeg::Held);
    world.answer(UNKNOWN);
    assert_eq!(world.safe(), [LOOK]);
    let early = world.act(absent(1, None), EVIDENCE);
    assert_eq!(early, Err(Refusal::NotSafe { safe: vec![LOOK] }));
    // The supplier's look-ups are of no use for hours.
    world.looks_for(5, &UNKNOWN);
    assert!(matches!(world.last_told(), Some(LegState::InDoubt { .. })));
    assert_eq!(world.safe(), [LOOK, absent(1, None)]);
    let before = world.journal.len();
    for nothing in [None, Some(""), Some("  ")] {
        assert_eq!(world.act(absent(1, None), nothing), Err(Refusal::EvidenceNeeded));
    }
    assert_eq!(world.journal.len(), before, "a refusal changes nothing");
    world.act(absent(1, None), EVIDENCE).unwrap();
    // It is wanted still: the next attempt goes out, under a reference of its own.
    assert_eq!(world.doing(), Some(Doing::Reserve { hold: true }));
    assert_eq!(world.leg().attempts.len(), 2);
    world.answer(held("R2"));
    assert!(
        matches!(world.last_told(), Some(LegState::Held { reference, .. }) if reference == "R2")
    );
    // Whoever gave that evidence was wrong: what shows all the same is given back.
    world.passes(30, |attempt| if attempt == 1 { bought("R1") } else { held("R2") });
    let released = world.leg().attempt(1).unwrap();
    assert!(released.reservations["R1"].cancel_sent);
}

#[test]
fn what_is_declared_absent_and_not_wanted_any_more_is_told_as_never_made() {
    let mut world = World::new();
    world.want(WantedLeg::Held);
    world.answer(UNKNOWN);
    world.want(WantedLeg::Released);
    world.looks_for(5, &UNKNOWN);
    world.act(absent(1, None), EVIDENCE).unwrap();
    assert_eq!(world.last_told(), Some(&LegState::Gone { why: GoneWhy::NeverMade }));
    assert_eq!(world.safe(), [LOOK], "it can be looked for all the same");
}

/// Row: G8
#[test]
fn what_is_dearer_is_taken_by_a_person_and_other_days_by_nobody() {
    let mut dearer = seen("R1", SeenState::Held { until: None });
    dearer.price = Some(Money::new(25_000, Currency::Eur));
    let mut world = World::new();
    world.want(WantedLeg::Held);
    world.answer(Answer::Seen(vec![dearer.clone()]));
    assert!(matches!(world.last_told(), Some(LegState::InDoubt { .. })));
    assert_eq!(world.safe(), [LOOK, adopt("R1"), cancel("R1")]);
    world.act(adopt("R1"), None).unwrap();
    assert!(matches!(world.last_told(), Some(LegState::Held { .. })));
    world.want(WantedLeg::Confirmed);
    assert_eq!(world.doing(), Some(Doing::Confirm));
    // Dearer once more, it is not what was taken.
    let mut dearest = seen("R1", SeenState::Confirmed);
    dearest.price = Some(Money::new(26_000, Currency::Eur));
    world.answer(UNKNOWN);
    world.wake_until_it_looks();
    world.answer(Answer::Seen(vec![dearest]));
    assert!(world.safe().contains(&adopt("R1")));

    let mut world = World::new();
    world.want(WantedLeg::Held);
    dearer.check_in = dearer.check_in.and_then(|day| day.succ_opt());
    world.answer(Answer::Seen(vec![dearer]));
    assert_eq!(world.safe(), [LOOK, cancel("R1")]);
    assert!(matches!(world.act(adopt("R1"), None), Err(Refusal::NotSafe { .. })));
}

/// Row: G8
#[test]
fn what_is_not_as_ordered_is_given_back_and_what_is_wanted_only_by_the_booking() {
    let mut odd = seen("R1", SeenState::Held { until: None });
    odd.check_out = odd.check_out.and_then(|day| day.succ_opt());
    let mut world = World::new();
    world.want(WantedLeg::Held);
    world.answer(Answer::Seen(vec![odd]));
    world.act(cancel("R1"), None).unwrap();
    assert_eq!(world.doing(), Some(Doing::Cancel));
    assert!(!world.safe().contains(&cancel("R1")), "it is under way");
    world.answer(gone("R1"));
    assert_eq!(world.last_told(), Some(&LegState::Gone { why: GoneWhy::Released }));
    assert_eq!(world.leg().attempts.len(), 1, "nothing takes its place by itself");

    let mut world = World::new();
    world.want(WantedLeg::Held);
    world.answer(held("R1"));
    assert_eq!(world.safe(), [LOOK]);
    assert_eq!(world.act(cancel("R1"), None), Err(Refusal::NotSafe { safe: vec![LOOK] }));
}

/// Row: A6
/// Row: G8
#[test]
fn a_cancel_that_waits_for_its_next_try_is_made_now() {
    let mut world = World::new();
    world.want(WantedLeg::Held);
    world.answer(held("R1"));
    world.want(WantedLeg::Released);
    for _ in 0..6 {
        while world.doing() != Some(Doing::Cancel) {
            if world.doing().is_some() {
                world.answer(held("R1"));
            } else {
                world.wake();
            }
        }
        world.answer(Answer::Refused(contracts::messages::RefusedWhy::Rejected));
    }
    while world.leg().in_doubt_since(&world.policy).is_some() {
        world.wake_until_it_looks();
        world.answer(held("R1"));
    }
    assert_eq!(world.doing(), None, "it waits");
    let tries = world.count(|doing| *doing == Doing::Cancel);
    world.act(cancel("R1"), None).unwrap();
    assert_eq!(world.doing(), Some(Doing::Cancel));
    assert_eq!(world.count(|doing| *doing == Doing::Cancel), tries + 1);
}

/// Row: G8
#[test]
fn a_bought_room_that_look_ups_do_not_show_is_gone_once_a_person_says_so_and_until_it_shows() {
    let mut world = World::new();
    world.want(WantedLeg::Confirmed);
    world.answer(bought("R1"));
    assert_eq!(world.safe(), [LOOK]);
    world.looks_for(8, &Answer::NotFound);
    assert!(matches!(world.last_told(), Some(LegState::Confirmed { .. })), "a case, no news");
    assert_eq!(world.safe(), [LOOK, absent(1, Some("R1"))]);
    assert_eq!(world.act(absent(1, Some("R1")), None), Err(Refusal::EvidenceNeeded));
    world.act(absent(1, Some("R1")), EVIDENCE).unwrap();
    let told = LegState::Gone { why: GoneWhy::CancelledBySupplier };
    assert_eq!(world.last_told(), Some(&told));
    assert_eq!(world.reserves(), 1, "nothing is bought in its place by itself");
    world.act(LOOK, None).unwrap();
    world.answer(bought("R1"));
    assert!(matches!(world.last_told(), Some(LegState::Confirmed { .. })));
}

/// Row: G8
#[test]
fn nobody_acts_on_what_was_never_wished_for_or_never_named() {
    let world = World::new();
    let command = Command::Act(Act {
        by: "ada".to_owned(),
        why: "why not".to_owned(),
        evidence: None,
        act: LOOK,
    });
    assert_eq!(decide(&world.state, &command, &world.policy, world.now), Err(Refusal::Unknown));
    let mut world = World::new();
    world.want(WantedLeg::Held);
    world.answer(held("R1"));
    for act in [adopt("R9"), cancel("R9"), absent(7, None), absent(1, Some("R9"))] {
        assert!(matches!(world.act(act, EVIDENCE), Err(Refusal::NotSafe { .. })));
    }
}
