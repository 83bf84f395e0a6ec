//! The broker and both its ends: at least once, in any order, now or hours later.

use booking_core::Phase;
use chrono::{TimeDelta, Utc};
use contracts::{ids::BookingId, message::Message as _, messages::BookingConfirmed};
use messaging_core::{
    Cause, Delivery, Marks, Next, State, Trouble, Verdict, after_failure, verdict,
};
use rand::Rng as _;

use super::{Happening, Sabotage, World};
use crate::{
    commit::{Commit, Handled},
    database::delta,
    parcel::{Parcel, Role, To},
    sometimes::Sometimes,
};

/// Whether what a process holds in memory outlives its commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Memory {
    Lives,
    Dies,
}

impl World {
    pub(super) fn deliver(&mut self, to: Role, parcel: Parcel, redelivered: bool) {
        if self.chance(self.faults.delivery_lost) {
            self.hit(Sometimes::DeliveryLost);
            return self.redeliver(to, parcel);
        }
        let delivery = Delivery { attempt: parcel.attempt, redelivered };
        let seen = self.database(to).seen(parcel.id);
        let marks_max = self.messaging.crash_marks_max;
        let says = match self.sabotage {
            Sabotage::InboxSkipped => Verdict::Handle,
            _ => verdict(delivery, seen, marks_max),
        };
        let mut marked = false;
        let mut trouble = None;
        match says {
            Verdict::Repeat => {
                self.hit(Sometimes::RepeatAbsorbed);
                return self.acknowledge(to, parcel);
            }
            Verdict::Handle => {}
            Verdict::Alone => {
                self.database(to).mark(parcel.id);
                marked = true;
            }
            Verdict::Quarantine => {
                self.hit(Sometimes::Quarantined);
                trouble = Some(Trouble::Permanent(Cause::Crash));
            }
        }
        if self.crashes() {
            self.hit(Sometimes::CrashBeforeCommit);
            if self.sabotage != Sabotage::AckedFirst {
                self.redeliver(to, parcel);
            }
            return;
        }
        if trouble.is_none() && self.chance(self.faults.handler_fails) {
            trouble = Some(Trouble::Transient);
        }
        let handled = match trouble {
            Some(trouble) => Err(trouble),
            None => self.hear(to, &parcel),
        };
        let memory = self.after_commit();
        match handled {
            Ok(commit) => {
                let database = self.database(to);
                database.remember(parcel.id, parcel.attempt, State::Done, 0);
                let effects = database.effects.entry(parcel.id).or_default();
                *effects += 1;
                if *effects > 1 {
                    let about = self.about(&parcel);
                    let what = format!("{} took {} twice", to.word(), parcel.name());
                    self.broken("S9", about, what);
                }
                let about = self.about(&parcel);
                self.tell(about, || {
                    let again = if parcel.attempt > 0 { " again" } else { "" };
                    format!("{} hears {}{again}", to.word(), parcel.name())
                });
                self.commit(to, commit, memory);
            }
            Err(trouble) => self.failed(to, &parcel, trouble, marked, memory),
        }
        match memory {
            Memory::Dies => {
                self.hit(Sometimes::CrashBetweenCommitAndAck);
                self.redeliver(to, parcel);
            }
            Memory::Lives => self.acknowledge(to, parcel),
        }
    }

    fn hear(&mut self, to: Role, parcel: &Parcel) -> Handled {
        if parcel.kind == BookingConfirmed::TYPE {
            let row = self.bookings.rows.get(&BookingId(parcel.about));
            if row.is_some_and(|booking| booking.phase == Phase::Cancelled) {
                self.hit(Sometimes::ConfirmationOvertaken);
            }
        }
        self.note_what_is_heard(to, parcel);
        match to {
            Role::Booking => self.bookings.hear(parcel, self.now),
            Role::SupplierSync => self.legs.hear(parcel, self.now),
            Role::Payments => self.payments.hear(parcel, self.now),
            Role::Rewards => self.accounts.hear(parcel, self.now),
            Role::Callbacks => panic!("it hears nothing"),
        }
    }

    /// Schedules the next attempt or gives the message up, in one transaction with its inbox row.
    fn failed(&mut self, to: Role, parcel: &Parcel, trouble: Trouble, paid: bool, memory: Memory) {
        let count = self.database(to).seen(parcel.id).map_or(0, |seen| seen.marks);
        let marks = Marks { count, paid };
        let random = self.rng.random();
        let next = after_failure(parcel.attempt, marks, trouble, &self.messaging, random);
        let now = self.now;
        match next {
            Next::Retry { after, marks } => {
                let again =
                    Parcel { attempt: parcel.attempt + 1, to: To::Only(to), ..parcel.clone() };
                let database = self.database(to);
                database.remember(parcel.id, parcel.attempt, State::Waiting, marks);
                database.enqueue(again, now + delta(after));
                self.plan_sweep(to);
            }
            Next::Dead(cause) => {
                if cause == Cause::Exhausted {
                    self.hit(Sometimes::Exhausted);
                }
                let about = self.about(parcel);
                self.tell(about, || format!("{} gives up {}: {cause}", to.word(), parcel.name()));
                self.database(to).remember(parcel.id, parcel.attempt, State::Dead, 0);
                let dead = Parcel { to: To::Parker(to, cause), ..parcel.clone() };
                self.say(to, vec![dead], memory);
            }
        }
    }

    fn acknowledge(&mut self, to: Role, parcel: Parcel) {
        if self.chance(self.faults.ack_lost) {
            self.redeliver(to, parcel);
        }
    }

    fn redeliver(&mut self, to: Role, parcel: Parcel) {
        let seconds = self.seconds(1, 60);
        self.put_in(seconds, Happening::Deliver { to, parcel, redelivered: true });
    }

    /// Writes messages into the outbox; a process that lives publishes them at once.
    pub(super) fn say(&mut self, from: Role, said: Vec<Parcel>, memory: Memory) {
        if said.is_empty() {
            return;
        }
        let swept_at = self.now + delta(self.messaging.sweep_after);
        for parcel in said {
            if parcel.to == To::Listeners {
                self.said.push((parcel.id, parcel.listeners(), parcel.name()));
            }
            let row = self.database(from).enqueue(parcel, swept_at);
            match memory {
                Memory::Lives => self.put_soon(Happening::Publish { from, row }),
                Memory::Dies => self.hit(Sometimes::CrashBetweenCommitAndPublish),
            }
        }
        self.plan_sweep(from);
    }

    pub(super) fn publish(&mut self, from: Role, row: u64) {
        let Some(parcel) = self.database(from).row(row).cloned() else { return };
        if self.chance(self.faults.publish_lost) {
            if self.sabotage == Sabotage::ConfirmNotAwaited {
                self.database(from).confirmed(row);
            }
            return;
        }
        self.route(&parcel);
        if self.chance(self.faults.confirm_lost) {
            self.hit(Sometimes::ConfirmLost);
            if self.sabotage != Sabotage::ConfirmNotAwaited {
                return;
            }
        }
        self.database(from).confirmed(row);
    }

    /// The broker has it, and hands it to every queue it belongs to.
    fn route(&mut self, parcel: &Parcel) {
        if let To::Parker(role, cause) = parcel.to {
            if self.parked.insert((role, parcel.id, parcel.attempt)) {
                let about = self.about(parcel);
                self.tell(about, || format!("{} is parked: {cause}", parcel.name()));
                let seconds = self.seconds(60, 7_200);
                self.put_in(seconds, Happening::Replay(role, parcel.clone()));
            }
            return;
        }
        for to in parcel.listeners() {
            let copies = 1 + u32::from(self.chance(self.faults.repeated));
            for copy in 0..copies {
                let delayed = copy > 0 || self.chance(self.faults.delayed);
                let most = i64::from(self.faults.delay_max_s) * if copy > 0 { 20 } else { 1 };
                let seconds = match self.chance(self.faults.held_up) {
                    true => self.seconds(1_800, 6 * 3_600),
                    false if delayed => self.seconds(0, most),
                    false => 0,
                };
                let parcel = parcel.clone();
                let milliseconds = TimeDelta::milliseconds(self.rng.random_range(1..60));
                let at: chrono::DateTime<Utc> =
                    self.now + TimeDelta::seconds(seconds) + milliseconds;
                self.agenda.put(at, Happening::Deliver { to: *to, parcel, redelivered: false });
            }
        }
    }

    pub(super) fn plan_sweep(&mut self, role: Role) {
        let now = self.now;
        let database = self.database(role);
        let Some(due) = database.next_due() else { return };
        let due = due.max(now);
        if database.sweep_at.is_none_or(|at| due < at) {
            database.sweep_at = Some(due);
            self.agenda.put(due, Happening::Sweep(role));
        }
    }

    pub(super) fn sweep(&mut self, role: Role) {
        let now = self.now;
        let database = self.database(role);
        if database.sweep_at == Some(now) {
            database.sweep_at = None;
        }
        for row in database.take_due(now) {
            self.publish(role, row);
        }
        self.plan_sweep(role);
    }

    /// Staff replay a dead letter, press the button twice, and once more when it is over.
    pub(super) fn replay(&mut self, role: Role, parcel: Parcel) {
        let about = self.about(&parcel);
        self.tell(about, || format!("staff replay {}", parcel.name()));
        self.hit(Sometimes::DeadLetterReplayedTwice);
        for more in [1, 1, 2] {
            let to = To::Only(role);
            self.route(&Parcel { attempt: parcel.attempt + more, to, ..parcel.clone() });
        }
    }

    /// A transaction that no message asked for.
    pub(super) fn transact(&mut self, role: Role, commit: Commit) {
        let memory = self.after_commit();
        self.commit(role, commit, memory);
    }
}
