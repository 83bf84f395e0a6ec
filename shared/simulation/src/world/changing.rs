//! Suppliers who move what was bought, travellers who answer what a supplier made of it, and those
//! who give one leg of several back.

use booking_core::{
    Booking, ChangeAnswer, Command, Event, Phase, Refusal, Theirs, cancel_leg_quote,
    change_answers, change_digest,
};
use contracts::ids::{BookingId, LegId};
use uuid::Uuid;

use super::{Happening, News, World};
use crate::{mixed, parcel::Role, sometimes::Sometimes};

/// How many in a thousand who have several legs give one of them back.
const GIVES_ONE_BACK: u64 = 200;

/// How many in a thousand cancel the whole while it is being bought.
const CANCELS_WHEN_PAID: u64 = 50;

/// How many seconds before an answer a supplier that moves it again does so.
const MOVES_BEFORE: i64 = 4;

/// What a traveller says to a change of one leg.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Saying {
    booking_id: BookingId,
    leg_id: LegId,
    /// The change that the customer saw.
    seen: Uuid,
    /// Which of the answers that are allowed.
    which: usize,
}

impl Saying {
    pub(super) const fn booking_id(&self) -> BookingId {
        self.booking_id
    }
}

impl World {
    /// The supplier moves a stay, and perhaps moves it again before anybody can have agreed.
    pub(super) fn supplier_moves(&mut self, reference: &str) {
        if !self.market.move_days(reference, self.now) {
            return;
        }
        self.hit(Sometimes::SupplierMoved);
        let booking_id = self.leg_owners[&self.market.get(reference).unwrap().leg_id];
        self.tell(Some(booking_id), || format!("the supplier moves {reference}"));
        self.supplier_pushes(News::Moved, reference);
        if self.chance(300) {
            let seconds = self.seconds(1, 900);
            self.put_in(seconds, Happening::SupplierMoves(reference.to_owned()));
        }
    }

    /// Whether the supplier moved, of its own will, something of a leg that was bought.
    pub(crate) fn was_moved(&self, leg_id: LegId) -> bool {
        self.market.of(leg_id).any(|one| one.moved)
    }

    /// A supplier changed something: many say what they make of it, some say nothing.
    ///
    /// Drawn from the digest alone, so that whoever is asked nothing meets what it met before.
    pub(super) fn told_of_change(&mut self, booking: &Booking, leg_id: LegId, theirs: &Theirs) {
        let Some(leg) = booking.legs.iter().find(|leg| leg.leg_id == leg_id) else { return };
        let Some(seen) = change_digest(booking, leg) else { return };
        let (high, low) = seen.as_u64_pair();
        let drawn = mixed(high ^ low);
        // What is gone may be left to the deadline; of what moved most say what they want.
        let silent = if *theirs == (Theirs::Cancelled {}) { 5 } else { 2 };
        if drawn % 10 < silent {
            return self.hit(Sometimes::ChangeUnanswered);
        }
        let seconds = i64::try_from(mixed(drawn) % 1_200).unwrap() + 1;
        let which = usize::try_from(mixed(!drawn) % 6).unwrap();
        // Some answer a page that shows another change than there is.
        let seen = if drawn % 10 == 9 { Uuid::from_u64_pair(low, high) } else { seen };
        let saying = Saying { booking_id: booking.booking_id, leg_id, seen, which };
        self.put_in(seconds, Happening::AnswerChange(saying));
        self.thinking.insert(leg_id, saying);
        // Some suppliers move it again while the answer is thought over, so that it is on its way
        // when we read of it.
        let live = self.market.live(leg_id, self.now);
        let moved = live.into_iter().find(|(_, one)| one.moved);
        if let Some((reference, _)) = moved.filter(|_| mixed(drawn ^ high).is_multiple_of(4)) {
            let again = Happening::SupplierMoves(reference.clone());
            self.put_in((seconds - MOVES_BEFORE).max(1), again);
        }
    }

    /// What was moved again was read again: who thinks over the first change answers it now, while
    /// the news of the second is on its way.
    pub(super) fn changed_while_thinking(&mut self, leg_id: LegId) {
        if let Some(saying) = self.thinking.remove(&leg_id) {
            self.put_in(0, Happening::AnswerChange(saying));
        }
    }

    pub(super) fn answer_change(&mut self, saying: Saying) {
        let Saying { booking_id, leg_id, seen, which } = saying;
        if self.crashes() {
            self.hit(Sometimes::CrashBeforeCommit);
            return self.put_in(3, Happening::AnswerChange(saying));
        }
        let booking = &self.bookings.rows[&booking_id];
        let Some(leg) = booking.legs.iter().find(|leg| leg.leg_id == leg_id) else { return };
        let answers = change_answers(booking, leg, self.now);
        let now = change_digest(booking, leg);
        if answers.is_empty() {
            return;
        }
        // Who may give the whole trip back mostly does.
        let whole = (which < 4 && answers.contains(&ChangeAnswer::UndoTrip))
            .then_some(ChangeAnswer::UndoTrip);
        let answer = whole.unwrap_or(answers[which % answers.len()]);
        let command = Command::AnswerChange { leg_id, answer, agreed: seen };
        match self.bookings.ask(booking_id, &command, self.now) {
            Ok(commit) => {
                if now != Some(seen) && !commit.rows.is_empty() {
                    let what = "an answer to one change was taken for another".to_owned();
                    self.broken("S7", Some(booking_id), what);
                }
                self.hit(match answer {
                    ChangeAnswer::Accept => Sometimes::ChangeAccepted,
                    ChangeAnswer::Refund => Sometimes::ChangeRefunded,
                    ChangeAnswer::UndoTrip => Sometimes::TripUndone,
                });
                self.tell(Some(booking_id), || format!("the customer says {answer:?}"));
                self.transact(Role::Booking, commit);
                if self.crashes() {
                    self.put_in(5, Happening::AnswerChange(saying));
                }
            }
            Err(Refusal::ChangedAgain { change, .. }) => {
                self.hit(Sometimes::ChangedAgain);
                self.put_in(30, Happening::AnswerChange(Saying { seen: change, ..saying }));
            }
            Err(Refusal::NotAllowed { .. } | Refusal::PaidByPoints { .. }) => {}
            Err(refusal) => panic!("an answer was refused: {refusal}"),
        }
    }

    /// Some of those who have several legs give one of them back: soon, or much later where all of
    /// it is bought. Some do not want any of it while it is being bought.
    ///
    /// Drawn from the booking alone, as who thinks again is.
    pub(super) fn gives_one_back(&mut self, booking: &Booking) {
        let (high, low) = booking.booking_id.0.as_u64_pair();
        let drawn = mixed(!(high ^ low ^ booking.version));
        if booking.phase == Phase::Committing && mixed(!drawn) % 1_000 < CANCELS_WHEN_PAID {
            let seconds = i64::try_from(mixed(drawn) % 60).unwrap();
            self.put_in(seconds + 1, Happening::Cancel(booking.booking_id));
        }
        if booking.standing().count() < 2 || drawn % 1_000 >= GIVES_ONE_BACK {
            return;
        }
        let latest: u64 = match booking.phase {
            Phase::Pending | Phase::Committing => 60,
            Phase::Confirmed if drawn.is_multiple_of(3) => 20 * 3_600,
            _ => 300,
        };
        let seconds = i64::try_from(mixed(drawn) % latest).unwrap();
        self.put_in(seconds + 1, Happening::CancelLeg(booking.booking_id));
    }

    /// Asks what giving one leg back costs, and agrees to it.
    pub(super) fn cancel_leg(&mut self, booking_id: BookingId) {
        if self.crashes() {
            self.hit(Sometimes::CrashBeforeCommit);
            return self.put_in(3, Happening::CancelLeg(booking_id));
        }
        let booking = &self.bookings.rows[&booking_id];
        let standing: Vec<LegId> = booking.standing().map(|leg| leg.leg_id).collect();
        if standing.len() < 2 {
            return;
        }
        let (high, _) = booking_id.0.as_u64_pair();
        let which = usize::try_from(mixed(high) % 6).unwrap();
        let leg_id = standing[which % standing.len()];
        let quote = match cancel_leg_quote(booking, leg_id, self.now) {
            Ok(quote) => quote,
            Err(Refusal::NotAllowed { .. } | Refusal::PaidByPoints { .. }) => return,
            Err(refusal) => panic!("what a leg costs was refused: {refusal}"),
        };
        let command = Command::CancelLeg { leg_id, agreed: Some(quote.digest) };
        match self.bookings.ask(booking_id, &command, self.now) {
            Ok(commit) => {
                self.hit(Sometimes::LegGivenBack);
                self.tell(Some(booking_id), || "the customer gives one leg back".to_owned());
                self.transact(Role::Booking, commit);
            }
            Err(refusal) => panic!("what was just told was refused: {refusal}"),
        }
    }

    /// What a booking's newest step means for those who watch it.
    pub(super) fn note_change(&mut self, booking: &Booking, event: &Event) {
        match event {
            Event::ChangeFound { leg_id, theirs, .. } => {
                self.told_of_change(booking, *leg_id, theirs);
            }
            Event::LegGivenUp { .. } => self.hit(Sometimes::LegGivenUp),
            Event::LegCancellationDeferred { .. } => self.hit(Sometimes::LegCancellationDeferred),
            Event::CancellationDeferred { .. } => self.hit(Sometimes::CancellationDeferred),
            Event::LegLeftOut { .. } => self.hit(Sometimes::LegLeftOut),
            _ => {}
        }
    }
}
