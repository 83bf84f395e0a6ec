//! Commits: rows change, are checked, and what follows is put on its way.

use booking_core::{Action, Booking, Deadline, Phase, Recorded, next_actions};
use chrono::{DateTime, TimeDelta, Utc};
use contracts::{
    ids::{BookingId, LegId},
    message::Message as _,
    messages::{CallbackReceived, LegChanged, LegState, PointsState, WantedLeg},
};
use payment_verification_core::card::is_card;
use supplier_sync_core::{Doing, Event, Leg, wake_at};

use super::{Happening, World, bus::Memory};
use crate::{
    commit::{Commit, Rows, Timer},
    parcel::{Parcel, Role},
    predicates,
    sometimes::Sometimes,
    story::brief,
    supplier_sync::Legs,
};

/// The most events of one leg: a few a day until the day after check-out, and no circle.
const LEG_EVENTS_MAX: usize = 1_500;
/// What was held up while things failed comes this much later at the most.
const SLACK: TimeDelta = TimeDelta::hours(12);

impl World {
    pub(super) fn commit(&mut self, role: Role, commit: Commit, memory: Memory) {
        let Commit { rows, said, timers, calls } = commit;
        for row in rows {
            match row {
                Rows::Booking(state, recorded) => self.commit_booking(state, recorded),
                Rows::Leg(state, recorded) => self.commit_leg(state, recorded),
                Rows::Payment(payment, events) => {
                    let about = Some(payment.booking_id);
                    for what in predicates::payment(&payment) {
                        self.broken("S7", about, what);
                    }
                    self.tell(about, || {
                        let kinds: Vec<_> = events.iter().map(|event| event.kind()).collect();
                        format!("payment: {}", kinds.join(", "))
                    });
                    if let Some(request) = &payment.request {
                        let address = request.deposit.address.clone();
                        let before = self.payments.owners.insert(address, payment.payment_id);
                        let other = before.is_some_and(|before| before != payment.payment_id);
                        if other && !is_card(request) {
                            self.broken("S14", about, "one address for two payments".to_owned());
                        }
                    }
                    let id = payment.payment_id;
                    self.check_final(&payment, &events);
                    self.plan_refunds(&payment, &events);
                    self.wake_card(&payment);
                    self.payments.journals.entry(id).or_default().extend(events);
                    self.payments.rows.insert(id, *payment);
                    self.plan_block();
                }
                Rows::Watched(cursor) => self.payments.cursor = cursor,
                Rows::Account(id, account, events) => {
                    for what in predicates::account(&account, &events) {
                        self.broken("S8", None, what);
                    }
                    self.accounts.journals.entry(id.clone()).or_default().extend(events);
                    self.accounts.rows.insert(id, account);
                }
                Rows::Callback(id) => drop(self.callbacks.insert(id)),
            }
        }
        for (timer, at) in timers {
            let at = self.timer_at(&timer, at);
            self.timers.insert(timer.clone(), at);
            self.agenda.put(at.max(self.now), Happening::Fire(timer));
        }
        self.say(role, said, memory);
        for call in calls {
            match memory {
                Memory::Dies => self.hit(Sometimes::CrashBetweenCommitAndSend),
                Memory::Lives if self.chance(self.faults.pause) => {
                    let seconds = self.seconds(1, 200);
                    self.put_in(seconds, Happening::Send(Box::new(call)));
                }
                Memory::Lives => self.put_soon(Happening::Send(Box::new(call))),
            }
        }
    }

    fn commit_booking(&mut self, state: booking_core::State, recorded: Vec<Recorded>) {
        let booking = state.unwrap();
        let id = booking.booking_id;
        let before = self.bookings.rows.get(&id).cloned();
        self.check_wait(before.as_deref(), &booking);
        for (predicate, what) in predicates::booking(before.as_deref(), &booking, &recorded) {
            self.broken(predicate, Some(id), what);
        }
        for entry in &recorded {
            self.tell(Some(id), || format!("booking: {}", brief(&entry.event)));
            match entry.event {
                booking_core::Event::Confirmed => self.check_confirmed(&booking),
                booking_core::Event::LegRepriced { by, ref asks, .. } => {
                    self.hit(Sometimes::LegRepriced);
                    self.leg_owners.insert(by, id);
                    self.market.offer_of(&asks.book_key).leg_id = by;
                }
                booking_core::Event::TermsAccepted(ref accepted) => {
                    self.hit(Sometimes::TermsAccepted);
                    for raised in &accepted.legs {
                        self.leg_owners.insert(raised.by, id);
                        self.market.offer_of(&raised.asks.book_key).leg_id = raised.by;
                    }
                }
                booking_core::Event::LegReplaced { .. } => {
                    self.hit(Sometimes::LegReplaced);
                    self.check_confirmed(&booking);
                }
                booking_core::Event::AmendmentFailed { why, .. } => {
                    self.hit(Sometimes::AmendmentFailed);
                    if why == booking_core::EndWhy::NotPaidInTime {
                        self.hit(Sometimes::DifferenceUnpaid);
                    }
                }
                booking_core::Event::LegWished { wanted: WantedLeg::Confirmed, .. }
                    if booking.due().is_some() =>
                {
                    self.hit(Sometimes::DifferencePaid);
                    self.check_difference(&booking);
                }
                ref other => self.note_change(&booking, other),
            }
        }
        self.note_booking(before.as_deref(), &booking);
        // Another amount is shown anew.
        let now_asked = booking.payment.payment_id;
        let awaits = |b: &Booking| {
            let told = b.payment.instruction.is_some() && b.payment.payment_id == now_asked;
            b.phase == Phase::AwaitingPayment && told
        };
        let due = |b: &Booking| b.due().is_some_and(|due| due.payment.instruction.is_some());
        let difference = due(&booking) && !before.as_deref().is_some_and(due);
        let shown = awaits(&booking) && !before.as_deref().is_some_and(awaits);
        let asks = |b: &Booking| next_actions(b).contains(&Action::Refund);
        let asked = asks(&booking) && !before.as_deref().is_some_and(asks);
        let waits = |b: &Booking| booking_core::new_terms(b).map(|terms| terms.digest);
        let digest = waits(&booking).filter(|now| before.as_deref().and_then(waits) != Some(*now));
        self.bookings.journals.entry(id).or_default().extend(recorded);
        if let Some(digest) = digest {
            self.asked_about(id, digest);
        }
        if shown {
            self.shown_to_pay(&booking);
        }
        if difference {
            self.difference_shown(&booking);
        }
        if asked {
            self.asked_where_to(id);
        }
        self.bookings.rows.insert(id, booking);
    }

    fn note_booking(&mut self, before: Option<&Booking>, after: &Booking) {
        if before.is_none() && after.legs.len() > 2 {
            self.hit(Sometimes::ThreeLegs);
        }
        if after.review.is_some() && before.is_none_or(|b| b.review.is_none()) {
            self.hit(Sometimes::ReviewOpened);
        }
        let is = |b: &Booking, phase| b.phase == phase;
        if is(after, Phase::Confirmed) && !before.is_some_and(|b| is(b, Phase::Confirmed)) {
            if self.chance(self.setting.regrets) {
                let seconds = self.seconds(1, 600);
                self.put_in(seconds, Happening::Cancel(after.booking_id));
            }
            if after.payment.is_free() {
                self.hit(Sometimes::PaidByPointsAlone);
            }
            self.thinks_again(after);
        }
        let begins = |phase| is(after, phase) && !before.is_some_and(|b| is(b, phase));
        let wavers = [
            Phase::Pending,
            Phase::AwaitingPayment,
            Phase::Committing,
            Phase::Confirmed,
            Phase::Amending,
        ];
        if wavers.into_iter().any(begins) {
            self.gives_one_back(after);
        }
        if is(after, Phase::Completed) && !before.is_some_and(|b| is(b, Phase::Completed)) {
            self.hit(Sometimes::Completed);
        }
        let unwinding = |b: &Booking| b.phase == Phase::Unwinding;
        if unwinding(after) && !before.is_some_and(unwinding) {
            let held = after.legs.iter().any(booking_core::Leg::is_held);
            let gone = after.legs.iter().any(booking_core::Leg::is_gone);
            if held && gone {
                self.hit(Sometimes::LegsWentApart);
            }
            if after.points.is_some_and(|points| points.known == Some(PointsState::Refused)) {
                self.hit(Sometimes::PointsRefused);
            }
        }
    }

    /// Once nothing fails any more, no phase is waited in for longer than is said without anybody
    /// who looks at it.
    fn check_wait(&mut self, before: Option<&Booking>, after: &Booking) {
        let (id, now) = (after.booking_id, self.now);
        let moved = before.is_none_or(|b| b.phase != after.phase || b.review != after.review);
        let begun = self.waits_since.get(&id).copied();
        if moved {
            self.waits_since.insert(id, now);
        }
        let waited = before.filter(|booking| booking.review.is_none());
        let most = waited.and_then(|booking| self.waits_at_most(booking.phase));
        let since = begun.zip(self.faults_over).map(|(begun, over)| begun.max(over));
        if since.zip(most).is_some_and(|(since, most)| now > since + most + SLACK) {
            let what = format!("{:?} since {since:?}", before.map(|booking| booking.phase));
            self.broken("V1", Some(id), what);
        }
    }

    /// How long a booking may be in a phase that is not an end.
    fn waits_at_most(&self, phase: Phase) -> Option<TimeDelta> {
        let policy = &self.bookings.policy;
        let paid = policy.payment_window + policy.settle_for_max;
        match phase {
            Phase::Pending | Phase::Holding => Some(policy.pending_for_max),
            Phase::AwaitingPayment => Some(paid),
            Phase::Committing => Some(policy.commit_for_max),
            Phase::Amending => Some(policy.pending_for_max + paid + policy.commit_for_max),
            Phase::Unwinding => Some(policy.unwind_for_max + paid + policy.refund_for_max),
            Phase::Confirmed | Phase::Completed | Phase::Failed | Phase::Cancelled => None,
        }
    }

    /// What is confirmed is paid, by what stands on the chain, and is there, once.
    fn check_confirmed(&mut self, booking: &Booking) {
        let id = booking.booking_id;
        let payment = self.payments.rows.get(&booking.payment.payment_id);
        let paid = payment.is_some_and(|p| p.settled);
        let request = payment.and_then(|p| p.request.as_ref());
        let stands = payment.zip(request).map(|(one, request)| self.stands_at(one, request));
        if !paid && !booking.payment.is_free() {
            self.broken("S13", Some(id), "confirmed and not paid".to_owned());
        }
        let asked = booking.payment.asked.as_ref().map(|asked| asked.units);
        // What leaves after it counted as final is a case of its own.
        let deep = self.sometimes.of(Sometimes::ReorgBelowFinal) > 0
            || self.gateway.has_lost(booking.payment.payment_id);
        if !deep && stands.zip(asked).is_some_and(|(stands, asked)| stands < asked) {
            let what = format!("confirmed, and {stands:?} of {asked:?} stands on the chain");
            self.broken("S13", Some(id), what);
        }
        for leg in booking.standing() {
            let at = self.now;
            let there = self.market.live(leg.leg_id, at);
            let bought = there.iter().any(|(_, one)| {
                one.standing(at) == crate::supplier::Standing::Booked
                    && (one.check_in, one.check_out) == (leg.order.check_in, leg.order.check_out)
            });
            if !bought && !self.was_taken_back(leg.leg_id) && !self.was_moved(leg.leg_id) {
                let what = format!("confirmed, and {} is not bought as ordered", leg.leg_id);
                self.broken("S16", Some(id), what);
            }
        }
    }

    fn commit_leg(
        &mut self,
        state: supplier_sync_core::State,
        recorded: Vec<supplier_sync_core::Recorded>,
    ) {
        let leg = state.unwrap();
        let (id, about) = (leg.leg_id, Some(leg.booking_id));
        for entry in &recorded {
            self.tell(about, || format!("leg {}: {}", brief(&id), brief(&entry.event)));
            self.note_leg(&leg, &entry.event);
            self.check_gone(&leg, &entry.event);
        }
        if let Some(what) = self.legs.rows.get(&id).and_then(|before| went_back(before, &leg)) {
            self.broken("S2", about, what);
        }
        let Legs { journals, policies, .. } = &mut self.legs;
        let policy = &policies[&leg.order.supplier];
        let journal = journals.entry(id).or_default();
        journal.extend(recorded.iter().cloned());
        let mut wrong = Vec::new();
        if predicates::needs_whole_journal(&recorded) {
            wrong = supplier_sync_core::predicates::broken(journal, policy);
        }
        wrong.extend(supplier_sync_core::predicates::evidence_is_never_lost(&leg, policy));
        let rests = wake_at(&leg, policy).is_none();
        let too_long = journal.len() > LEG_EVENTS_MAX;
        for what in wrong {
            self.broken("S3", about, what);
        }
        if too_long {
            self.broken("S18", about, format!("leg {id} has a journal without end"));
        }
        if rests {
            self.timers.remove(&Timer::Leg(id));
        }
        self.legs.rows.insert(id, leg);
    }

    /// What the booking is told is gone is not there, where the supplier keeps what it promises.
    fn check_gone(&mut self, leg: &Leg, event: &Event) {
        let Event::Told { state: LegState::Gone { .. }, .. } = event else { return };
        if !self.supplier_is_true || !self.refusals_are_true {
            return;
        }
        let there = self.market.live(leg.leg_id, self.now).len();
        if there > 0 {
            let what = format!("{} is told to be gone, and is there", leg.leg_id);
            self.broken("S3", Some(leg.booking_id), what);
        }
    }

    fn note_leg(&mut self, leg: &Leg, event: &Event) {
        match event {
            Event::AttemptMade { attempt, client_reference } => {
                self.legs.by_reference.insert(client_reference.clone(), leg.leg_id);
                if *attempt > 1 {
                    self.hit(Sometimes::SecondAttempt);
                }
            }
            Event::Began { doing: Doing::Cancel, reference, .. } => {
                let again = |entry: &supplier_sync_core::Recorded| match &entry.event {
                    Event::Began { doing: Doing::Cancel, reference: earlier, .. } => {
                        earlier == reference
                    }
                    _ => false,
                };
                let journal = self.legs.journals.get(&leg.leg_id);
                if journal.is_some_and(|journal| journal.iter().any(again)) {
                    self.hit(Sometimes::UndoAgain);
                }
            }
            Event::Told { state: LegState::Gone { why }, .. }
                if *why == contracts::messages::GoneWhy::Lapsed =>
            {
                self.hit(Sometimes::HoldLapsed);
            }
            Event::Told { theirs: Some(_), .. } => self.changed_while_thinking(leg.leg_id),
            Event::Mismatch { .. } => self.hit(Sometimes::NotAsOrdered),
            _ => {}
        }
    }

    /// When a timer is due once it is set to this: one of a booking keeps a later time that it has,
    /// but of the time to be payable, and of an amendment's, what was said last counts.
    fn timer_at(&self, timer: &Timer, at: DateTime<Utc>) -> DateTime<Utc> {
        let known = self.timers.get(timer).copied();
        let last = |deadline| matches!(deadline, Deadline::Payable | Deadline::Amend);
        let keeps = matches!(timer, Timer::Booking(_, deadline) if !last(*deadline));
        known.filter(|_| keeps).map_or(at, |known| known.max(at))
    }

    /// A timer's row is due: it is taken in the transaction of what follows from it.
    pub(super) fn fire(&mut self, timer: Timer) {
        if self.timers.get(&timer).is_none_or(|at| *at > self.now) {
            return;
        }
        if self.crashes() {
            self.hit(Sometimes::CrashBeforeCommit);
            return self.put_in(2, Happening::Fire(timer));
        }
        self.timers.remove(&timer);
        let (role, commit) = match &timer {
            Timer::Booking(id, deadline) => {
                (Role::Booking, self.bookings.fire(*id, *deadline, self.now))
            }
            Timer::Leg(id) => {
                let due = supplier_sync_core::Fact::Due;
                (Role::SupplierSync, self.legs.learn(*id, &due, self.now))
            }
            Timer::Account(id) => (Role::Rewards, self.accounts.fire(id, self.now)),
        };
        let nothing = commit.rows.is_empty();
        self.transact(role, commit);
        if let (true, Timer::Leg(id)) = (nothing, timer) {
            self.wake_again(id);
        }
    }

    /// A leg that was woken too early says when to wake it.
    fn wake_again(&mut self, id: LegId) {
        let leg = &self.legs.rows[&id];
        let Some(at) = wake_at(leg, self.legs.policy(leg.order.supplier)) else { return };
        let booking_id = leg.booking_id;
        if at <= self.now {
            return self.broken("S3", Some(booking_id), format!("leg {id} is woken for nothing"));
        }
        self.timers.insert(Timer::Leg(id), at);
        self.agenda.put(at, Happening::Fire(Timer::Leg(id)));
    }

    /// Counts what is rare, and checks that what is old news changes nothing.
    pub(super) fn note_what_is_heard(&mut self, to: Role, parcel: &Parcel) {
        match (to, parcel.kind) {
            (Role::Booking, LegChanged::TYPE) => {
                let changed: LegChanged = parcel.open();
                let Some(booking) = self.bookings.rows.get(&changed.booking_id) else { return };
                let leg = booking.legs.iter().find(|leg| leg.leg_id == changed.leg_id).unwrap();
                if changed.seq > leg.known.seq {
                    return;
                }
                let commit = self.bookings.hear(parcel, self.now).unwrap();
                self.hit(Sometimes::StaleNewsIgnored);
                if !commit.rows.is_empty() {
                    let what = format!("old news of {} moved the booking", changed.leg_id);
                    self.broken("S2", Some(changed.booking_id), what);
                }
            }
            (Role::SupplierSync, CallbackReceived::TYPE) => {
                let Some(booking_id) = self.about(parcel) else { return };
                let callback: CallbackReceived = parcel.open();
                let leg_id =
                    callback.client_reference.and_then(|r| self.legs.by_reference.get(&r).copied());
                let leg = leg_id.and_then(|id| self.legs.rows.get(&id));
                if leg.is_some_and(|leg| leg.is_mutating()) {
                    self.hit(Sometimes::CallbackBeforeAnswer);
                }
                if self.bookings.rows.get(&booking_id).is_some_and(|b| b.phase.is_closed()) {
                    self.hit(Sometimes::CallbackAfterClosed);
                }
            }
            _ => {}
        }
    }

    /// Which booking a message is about.
    pub(super) fn about(&self, parcel: &Parcel) -> Option<BookingId> {
        if parcel.kind != CallbackReceived::TYPE {
            return Some(BookingId(parcel.about));
        }
        let callback: CallbackReceived = parcel.open();
        let leg_id = self.legs.by_reference.get(&callback.client_reference?)?;
        self.leg_owners.get(leg_id).copied()
    }

    /// Whether the supplier took back, of its own will, something of a leg.
    pub(crate) fn was_taken_back(&self, leg_id: LegId) -> bool {
        self.market.of(leg_id).any(|one| one.taken_back)
    }
}

/// Whether a reservation stands less far than it was known to stand: evidence only grows.
fn went_back(before: &Leg, after: &Leg) -> Option<String> {
    before.reservations().find_map(|(_, reference, known)| {
        let now = after.reservations().find(|(_, one, _)| *one == reference);
        let further = now.is_some_and(|(_, _, one)| one.stage >= known.stage || one.is_said_gone());
        (!further).then(|| format!("{reference} went back from {:?}", known.stage))
    })
}
