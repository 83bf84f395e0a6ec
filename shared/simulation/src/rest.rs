//! What must hold when the faults are over and nothing is left to happen.

use std::collections::{BTreeMap, BTreeSet};

use booking_core::{
    Booking, ChangeAnswer, EndWhy, Leg, Phase, ReviewWhy, Status, Theirs, change_answers, status,
};
use chrono::TimeDelta;
use contracts::{
    asset::Units,
    ids::{AccountId, BookingId, LegId},
    messages::{Closing, LegState, RefundState, WantedLeg},
};
use payment_verification_core::{
    Payment, card::is_card, closing::in_time_until, matching, refund::RefundChange, state::Posted,
};
use rewards_core::{Book, LotId, RedemptionState, Stage, rules::Rule};
use suppliers::dialect;

use crate::{
    parcel::Role, predicates::ever_final, sometimes::Sometimes, supplier::Standing, world::World,
};

/// A hold that nobody wants is found by the sweeps within this, and released; a shorter one may
/// lapse first. They come once a day at last, and a look may take some minutes.
const FOUND_WITHIN: TimeDelta = TimeDelta::hours(25);

impl World {
    /// Checks everything; each finding is a violation.
    pub(crate) fn check_at_rest(&mut self) {
        let ids: Vec<BookingId> = self.travellers.keys().copied().collect();
        for id in ids {
            let found = match self.bookings.rows.get(&id) {
                None => vec![("Q1", "a click without a booking".to_owned())],
                Some(booking) => self.booking_at_rest(booking),
            };
            for (predicate, what) in found {
                self.broken(predicate, Some(id), what);
            }
        }
        for (predicate, what) in self.messages_at_rest() {
            self.broken(predicate, None, what);
        }
        for what in self.of_nobody() {
            self.broken("Q6", None, what);
        }
        for (about, what) in self.proofs() {
            self.broken("S7", Some(about), what);
        }
        for (about, what) in self.folds() {
            self.broken("S12", about, what);
        }
    }

    /// What lives at the supplier for a leg that no booking has.
    fn of_nobody(&self) -> Vec<String> {
        let legs = self.bookings.rows.values().flat_map(|booking| &booking.legs);
        let ours: BTreeSet<LegId> = legs.map(|leg| leg.leg_id).collect();
        let living = self.market.reservations.iter().filter(|(_, one)| one.is_live(self.now));
        let orphans = living.filter(|(_, one)| !ours.contains(&one.leg_id));
        orphans.map(|(reference, _)| format!("{reference} lives for no booking")).collect()
    }

    fn booking_at_rest(&self, booking: &Booking) -> Vec<(&'static str, String)> {
        let mut found = Vec::new();
        if let Some(why) = self.is_not_at_rest(booking) {
            found.push(("Q1", format!("{:?}, {:?}: {why}", booking.phase, booking.review)));
        }
        for leg in &booking.legs {
            found.extend(self.leg_at_rest(booking, leg).map(|what| ("Q2", what)));
        }
        found.extend(self.money_at_rest(booking).map(|what| ("Q3", what)));
        let further = booking.further.iter().filter_map(|one| self.further_at_rest(booking, one));
        found.extend(further.map(|what| ("Q3", what)));
        found.extend(self.points_at_rest(booking).map(|what| ("S8", what)));
        found
    }

    /// Closed, or waiting for a person with a reason that only a person can deal with.
    fn is_not_at_rest(&self, booking: &Booking) -> Option<String> {
        if booking.phase.is_closed() {
            return None;
        }
        let Some(review) = booking.review else { return Some("waits for nothing".to_owned()) };
        let refund_failed = || booking.failed_refund().is_some();
        // Nobody waits for what was written off.
        let money_left = || self.has_lost(booking, |payment| !payment.gone_units().is_zero());
        let not_as_ordered = || booking.legs.iter().any(|leg| self.is_not_as_ordered(leg));
        let changed = || booking.standing().any(|leg| self.waits_for_a_person(booking, leg));
        let kept = || booking.legs.iter().any(|leg| self.is_kept(leg));
        // A review stays open while the booking moves on; what holds it up now decides.
        let allowed = review.why != ReviewWhy::InvariantBroken
            && match booking.phase {
                // Sending it was refused, and the customer has not said where else to.
                Phase::Unwinding => refund_failed() || money_left() || kept(),
                Phase::Committing => not_as_ordered(),
                // It came in time and left for good before anything was bought.
                Phase::AwaitingPayment => {
                    review.why == ReviewWhy::MoneyReversed && is_settled(booking) && money_left()
                }
                // What was to go back beyond the price may have left before it could.
                // Nobody knows whether what would pay for another leg comes back, or whether a leg
                // that is not the one that was asked for shall take the place of another.
                Phase::Amending => money_left() || not_as_ordered(),
                // What points paid of a leg that went is for a person to make good.
                Phase::Confirmed => {
                    let owes_points = booking.legs.iter().any(Leg::owes_points);
                    changed() || owes_points || money_left() || refund_failed() || kept()
                }
                Phase::Pending
                | Phase::Holding
                | Phase::Completed
                | Phase::Failed
                | Phase::Cancelled => false,
            };
        (!allowed).then(|| format!("{:?} is no reason to wait", review.why))
    }

    /// Whether the supplier changed a leg, and only a person can deal with that: it moved it and
    /// the customer says nothing, or it took back what may have been used, or points paid a part of
    /// that, and they come back whole or not at all.
    fn waits_for_a_person(&self, booking: &Booking, leg: &Leg) -> bool {
        // Of the leg that another one is to take the place of it is asked once that is over.
        let amended = booking.amendment.as_ref().is_some_and(|one| one.leg_id == leg.leg_id);
        if amended && (self.was_moved(leg.leg_id) || self.was_taken_back(leg.leg_id)) {
            return true;
        }
        let Some(change) = &leg.change else { return false };
        match change.theirs {
            Theirs::Other { .. } => self.was_moved(leg.leg_id),
            Theirs::Cancelled {} => {
                let refund = change_answers(booking, leg, self.now).contains(&ChangeAnswer::Refund);
                let reason = booking.points.is_some() || leg.may_be_used(self.now);
                !refund && reason && self.was_taken_back(leg.leg_id)
            }
        }
    }

    /// Whether money that was final left its chain for good.
    fn money_left(&self, booking: &Booking) -> bool {
        self.has_lost(booking, has_left)
    }

    fn has_lost(&self, booking: &Booking, lost: impl Fn(&Payment) -> bool) -> bool {
        let of = |one: &booking_core::Payment| self.payments.rows.get(&one.payment_id);
        booking.payments().filter_map(of).any(lost)
    }

    /// Whether something is there that is not wanted, the supplier lets nobody cancel it, and a
    /// person looks into it.
    fn is_kept(&self, leg: &Leg) -> bool {
        let wanted = leg.out.is_none() && leg.wanted != WantedLeg::Released;
        let there = self.market.of(leg.leg_id).filter(|one| {
            // A hold that nobody could release may lapse long after anybody looked.
            one.is_live(self.now) || one.kept && one.lapsed_after(self.now).is_some()
        });
        let kept: Vec<bool> = there.map(|one| one.kept).collect();
        kept.len() > usize::from(wanted) && kept.contains(&true)
    }

    fn is_not_as_ordered(&self, leg: &Leg) -> bool {
        let order = &leg.order;
        let other = |one: &crate::supplier::Reservation| {
            (one.check_in, one.check_out) != (order.check_in, order.check_out)
        };
        self.market.of(leg.leg_id).any(other)
    }

    /// Exactly what was promised is there, or nothing is.
    fn leg_at_rest(&self, booking: &Booking, leg: &Leg) -> Option<String> {
        if leg.left_there || booking.review.is_some() && self.is_kept(leg) {
            return None;
        }
        let there = self.market.live(leg.leg_id, self.now);
        // Also while another leg is to take the place of one: that one stands until then.
        let amending = booking.phase == Phase::Amending;
        let stands = matches!(status(booking), Status::Confirmed | Status::Completed) || amending;
        let promised = stands && leg.out.is_none();
        let waits = booking.phase == Phase::Committing || (amending && leg.is_coming());
        if !promised && !waits {
            let left_alone = |one: &crate::supplier::Reservation| {
                let lapsed = one.lapsed_after(self.now);
                !one.kept && lapsed.is_some_and(|held_for| held_for >= FOUND_WITHIN)
            };
            // While one is not as ordered, or the time to pay ended with final money away, all of
            // them may wait for a person until they lapse.
            let waited = booking.legs.iter().any(|leg| self.is_not_as_ordered(leg))
                || is_settled(booking) && self.money_left(booking);
            // What was bought in place of a hold waits with them, and does not lapse.
            if waited && dialect(leg.order.supplier).holds_by_purchase() && there.len() < 2 {
                return None;
            }
            let lapsed = match waited {
                true => 0,
                false => self.market.of(leg.leg_id).filter(|one| left_alone(one)).count(),
            };
            let left = there.len() + lapsed;
            return (left > 0).then(|| format!("{left} of {} left over", leg.leg_id));
        }
        if there.len() > 1 {
            return Some(format!("{} of {}", there.len(), leg.leg_id));
        }
        if waits || self.waits_for_a_person(booking, leg) {
            return None;
        }
        let [(reference, one)] = there.as_slice() else {
            return Some(format!("{} is promised and not there", leg.leg_id));
        };
        let told = match &leg.known.state {
            Some(LegState::Confirmed { reference: known }) => known == *reference,
            _ => false,
        };
        let ordered = (one.check_in, one.check_out) == (leg.order.check_in, leg.order.check_out);
        let bought = one.standing(self.now) == Standing::Booked;
        (!told || !ordered || !bought)
            .then(|| format!("{} is {told} {ordered} {bought}", leg.leg_id))
    }

    /// What came is the price, or has a name in the ledger, or goes back.
    fn money_at_rest(&self, booking: &Booking) -> Option<String> {
        let promised = matches!(booking.phase, Phase::Confirmed | Phase::Completed);
        let Some(payment) = self.payments.rows.get(&booking.payment.payment_id) else {
            return (promised && !booking.payment.is_free()).then(|| "never paid".to_owned());
        };
        if let Some(what) = self.money_is_known(payment).or_else(|| self.card_at_rest(payment)) {
            return Some(what);
        }
        if let Some(what) = self.refunds_agree(&booking.payment, payment) {
            return Some(what);
        }
        if has_left(payment) {
            // Final money left for good: a case, and a loss with a name in the ledger. What was on
            // its way back by then is at most what ever came.
            let (back, ever) = (payment.refunded(), ever_final(payment));
            return (back > ever).then(|| format!("{ever} ever came, {back} goes back"));
        }
        if let Some(what) = self.is_unpaid_indeed(booking, payment) {
            return Some(what);
        }
        let received = payment.final_units();
        match booking.phase {
            Phase::Confirmed | Phase::Amending | Phase::Completed | Phase::Committing => {
                let due = booking.payment.asked.as_ref().map_or(received, |asked| asked.units);
                let (kept, back) = (booking.kept().min(received), payment.refunded());
                // What came beyond the price may go back when the customer asks for it; what a leg
                // costs less that took the place of another goes back unasked.
                let waits = booking.failed_refund().map(|_| booking.not_given_back());
                let back_or_failed = back.checked_add(waits.unwrap_or(Units::ZERO)).unwrap();
                let right = back <= received.saturating_sub(kept)
                    && back_or_failed >= due.saturating_sub(booking.kept());
                let paid = payment.settled && received >= due && right;
                (!paid && !booking.payment.is_free())
                    .then(|| format!("{received} for {due}, {kept} is kept, {back} goes back"))
            }
            Phase::Unwinding | Phase::Failed | Phase::Cancelled => {
                let (back, kept) = (payment.refunded(), booking.kept());
                let due = received.saturating_sub(kept);
                // Until the customer names another address, what came since waits with it; what a
                // leg cost that its supplier keeps waits for a person.
                let kept_there = booking.legs.iter().any(|leg| self.is_kept(leg));
                let waits = (kept_there || booking.failed_refund().is_some())
                    .then(|| booking.not_given_back());
                let failed = waits.unwrap_or(Units::ZERO);
                (back.checked_add(failed) != Some(due))
                    .then(|| format!("{received} came, {kept} is kept, {back} goes back"))
            }
            Phase::Pending | Phase::Holding | Phase::AwaitingPayment => None,
        }
    }

    /// What came for a leg that costs more is what that leg costs more, or goes back.
    fn further_at_rest(
        &self,
        booking: &Booking,
        further: &booking_core::Further,
    ) -> Option<String> {
        let Some(payment) = self.payments.rows.get(&further.payment.payment_id) else {
            let asked = further.payment.asked.is_some();
            return asked.then(|| "a difference was never asked for".to_owned());
        };
        let known = self.money_is_known(payment).or_else(|| self.card_at_rest(payment));
        if let Some(what) = known.or_else(|| self.refunds_agree(&further.payment, payment)) {
            return Some(what);
        }
        if has_left(payment) {
            let (back, ever) = (payment.refunded(), ever_final(payment));
            return (back > ever).then(|| format!("{ever} ever came, {back} goes back"));
        }
        let stands = booking.standing().any(|leg| leg.leg_id == further.leg_id);
        if stands && !payment.settled {
            return Some(format!("{} stands and its difference is not paid", further.leg_id));
        }
        let (received, back) = (payment.final_units(), payment.refunded());
        let due = received.saturating_sub(further.kept);
        let failed = booking.failed_refund().map(|_| further.not_given_back());
        let told = back.checked_add(failed.unwrap_or(Units::ZERO));
        (told != Some(due)).then(|| {
            format!("{received} came as a difference, {} is kept, {back} goes back", further.kept)
        })
    }

    /// A deadline is called missed only when the money did not come by then. On a chain that never
    /// left anything out, that can be told by looking at it.
    fn is_unpaid_indeed(&self, booking: &Booking, payment: &Payment) -> Option<String> {
        let unpaid = booking.end.is_some_and(|end| end.why == EndWhy::NotPaidInTime);
        if !unpaid || self.sometimes.of(Sometimes::Reorg) > 0 {
            return None;
        }
        let request = payment.request.as_ref()?;
        let came = self.chain.balance_at(&request.deposit.address, in_time_until(payment)?);
        matching::pays(request, came)
            .then(|| format!("{came} came in time, and it is called unpaid"))
    }

    /// What was asked to go back is known where it is sent from, with the address that it goes to,
    /// and is there when the booking says so. What was refused there is known as failed.
    fn refunds_agree(&self, ours: &booking_core::Payment, payment: &Payment) -> Option<String> {
        let journal = &self.payments.journals[&payment.payment_id];
        ours.refunds.iter().find_map(|asked| {
            let Some(known) = payment.refunds.get(&asked.refund_id) else {
                let refused = journal.iter().any(|event| match event {
                    payment_verification_core::Event::Refund {
                        refund_id,
                        change: RefundChange::Refused { .. },
                    } => *refund_id == asked.refund_id,
                    _ => false,
                });
                let told = refused && asked.state == Some(RefundState::Failed);
                let what = || format!("refund {} was never granted", asked.refund_id);
                return (!told).then(what);
            };
            if asked.to != known.to {
                return Some(format!("a refund goes to {:?}, not to {:?}", known.to, asked.to));
            }
            let over = matches!(known.state, RefundState::Confirmed | RefundState::Failed);
            // What a card's bank took back waits until somebody says that it is lost.
            let rests = over || known.to.is_none() || self.gateway.has_lost(payment.payment_id);
            let differs = asked.state.is_some() && asked.state != Some(known.state);
            let what =
                || format!("a refund is {:?}, and {:?} to its booking", known.state, asked.state);
            (!rests || differs).then(what)
        })
    }

    /// One payout proves one refund, and it is one that was sent for it.
    fn proofs(&self) -> Vec<(BookingId, String)> {
        let mut found = Vec::new();
        let mut proven = BTreeMap::new();
        for (payment_id, payment) in &self.payments.rows {
            for (refund_id, refund) in &payment.refunds {
                let Some(proof) = &refund.proof else { continue };
                if payment.request.as_ref().is_some_and(is_card) {
                    // Its gateway has each under our id.
                    continue;
                }
                let named = self.payments.named.get(&proof.transaction);
                if named != Some(&(*payment_id, *refund_id)) {
                    let what = format!("refund {refund_id} is proven by what is not its own");
                    found.push((payment.booking_id, what));
                }
                if let Some(other) = proven.insert(proof, refund_id) {
                    let what = format!("one payout proves {refund_id} and {other}");
                    found.push((payment.booking_id, what));
                }
            }
        }
        found
    }

    fn money_is_known(&self, payment: &Payment) -> Option<String> {
        let request = payment.request.as_ref()?;
        let stands = self.stands_at(payment, request);
        let known = payment.final_units();
        (stands != known).then(|| format!("{stands} stands on the chain, {known} is known"))
    }

    fn points_at_rest(&self, booking: &Booking) -> Option<String> {
        let account = self.accounts.rows.get(&booking.account_id)?;
        let ended = booking.phase.is_closed();
        let promised = matches!(booking.phase, Phase::Confirmed | Phase::Completed);
        if booking.points.is_some() && ended {
            let state = account.redemptions.get(&booking.booking_id).map(|r| r.state);
            let right = match state {
                // They may have paid the fee of a cancellation.
                Some(RedemptionState::Captured) => {
                    promised || booking.cancellation.is_some_and(|c| !c.points_back)
                }
                Some(RedemptionState::Released) => !promised,
                // They were never taken; nothing is out.
                Some(RedemptionState::Refused) | None => !promised,
                Some(RedemptionState::Held) => false,
            };
            if !right {
                return Some(format!("redeemed points are {state:?}"));
            }
            let redemption = account.redemptions.get(&booking.booking_id);
            let spent = redemption.filter(|r| r.state == RedemptionState::Captured);
            let taken: Option<u64> = spent.map(|r| r.parts.values().sum());
            if taken.is_some() && taken != booking.points.map(|points| points.points) {
                return Some(format!("{taken:?} points were taken"));
            }
        }
        let lot = account.lots.get(&LotId::Earned(Rule::Stay, booking.booking_id));
        let earned = lot.is_some_and(|lot| !matches!(lot.stage, Stage::Voided | Stage::Reversed));
        // They are taken back when the booking ends; it may wait for its refund until then.
        let undoing = booking.phase == Phase::Unwinding && booking.cancellation.is_some();
        let stands = promised || booking.phase == Phase::Amending;
        (earned != stands && !undoing).then(|| format!("points earned: {earned}"))
    }

    /// Every message took effect once at everybody it is for; nothing lies about.
    fn messages_at_rest(&self) -> Vec<(&'static str, String)> {
        let mut found = Vec::new();
        for role in Role::ALL {
            let database = &self.databases[&role];
            let unsent = database.unsent();
            if !unsent.is_empty() {
                found.push(("Q4", format!("{} has not sent {unsent:?}", role.word())));
            }
            for id in database.unfinished() {
                found.push(("S11", format!("{} has not finished {id}", role.word())));
            }
        }
        for (id, listeners, name) in &self.said {
            for role in *listeners {
                if !self.databases[role].is_done(*id) {
                    found.push(("S11", format!("{name} never took effect at {}", role.word())));
                }
            }
        }
        found
    }

    /// Every journal gives its row, byte for byte, after a way through JSON.
    fn folds(&self) -> Vec<(Option<BookingId>, String)> {
        let mut found = Vec::new();
        for (id, journal) in &self.bookings.journals {
            let state = journal.iter().fold(None, |state, entry| {
                let text = serde_json::to_string(entry).unwrap();
                booking_core::evolve(state, &serde_json::from_str(&text).unwrap())
            });
            if state.as_deref() != self.bookings.rows.get(id).map(|booking| &**booking) {
                found.push((Some(*id), "a booking is not the fold of its journal".to_owned()));
            }
        }
        for (id, journal) in &self.legs.journals {
            let row = &self.legs.rows[id];
            let policy = self.legs.policy(row.order.supplier);
            let state = journal.iter().fold(None, supplier_sync_core::evolve);
            if state.as_ref() != Some(row) {
                found.push((
                    Some(row.booking_id),
                    format!("leg {id} is not the fold of its journal"),
                ));
            }
            for what in supplier_sync_core::predicates::broken(journal, policy) {
                found.push((Some(row.booking_id), format!("leg {id}: {what}")));
            }
        }
        for (id, journal) in &self.payments.journals {
            let row = &self.payments.rows[id];
            let none = Payment::new(*id, row.booking_id);
            if payment_verification_core::evolve_all(none, journal) != *row {
                found.push((
                    Some(row.booking_id),
                    "a payment is not the fold of its journal".to_owned(),
                ));
            }
        }
        for (id, journal) in &self.accounts.journals {
            found.extend(self.account_folds(id, journal).map(|what| (None, what)));
        }
        found
    }

    fn account_folds(&self, id: &AccountId, journal: &[rewards_core::Event]) -> Option<String> {
        let folded = journal.iter().fold(rewards_core::Account::default(), rewards_core::evolve);
        let row = &self.accounts.rows[id];
        if folded != *row {
            return Some(format!("{id} is not the fold of its journal"));
        }
        let lines: Vec<_> = journal.iter().flat_map(rewards_core::postings).collect();
        let in_book = |book| -> i64 {
            lines.iter().filter(|line| line.book == book).map(|line| line.points).sum()
        };
        let sums = row.balances();
        let books = [
            // What is frozen stays where it is.
            (Book::Available, sums.available + sums.frozen),
            (Book::Pending, sums.pending),
            (Book::Held, sums.held),
        ];
        let wrong = books.iter().find(|(book, sum)| Ok(in_book(*book)) != i64::try_from(*sum));
        wrong
            .map(|(book, sum)| format!("{id} has {sum} {}, its ledger says otherwise", book.word()))
    }
}

/// Whether money that was final left its chain, and did not come back.
fn has_left(payment: &Payment) -> bool {
    payment.transfers.values().any(|t| matches!(t.posted, Posted::Reversed(_)))
}

/// Whether money had come in time when the time to pay was over.
const fn is_settled(booking: &Booking) -> bool {
    matches!(booking.payment.closing, Some(Closing::AlreadySettled { .. }))
}
