//! Events in the making: each is applied at once, so that the next one sees it.

use chrono::{DateTime, Utc};
use contracts::mutants::mutant;

use crate::{
    event::{Event, Parts},
    evolve,
    state::{Account, LotId, Stage},
};

/// An account and what is happening to it.
pub(crate) struct Draft {
    pub(crate) account: Account,
    events: Vec<Event>,
}

impl Draft {
    /// Starts from an account to which nothing is due any more at `now`.
    pub(crate) fn at(account: &Account, now: DateTime<Utc>) -> Self {
        let mut draft = Self { account: account.clone(), events: Vec::new() };
        draft.settle(now);
        draft
    }

    /// Applies an event.
    pub(crate) fn happen(&mut self, event: Event) {
        self.account = evolve(std::mem::take(&mut self.account), &event);
        self.events.push(event);
    }

    /// Lets everything happen that follows by itself at `now`, and gives what happened.
    pub(crate) fn finish(mut self, now: DateTime<Utc>) -> Vec<Event> {
        self.settle(now);
        self.events
    }

    /// Takes points from the lots that expire first; nothing when there are not enough.
    pub(crate) fn pick(&self, points: u64) -> Option<Parts> {
        let lots = self.account.lots.iter();
        let open = lots.filter(|(id, lot)| lot.is_open() && !self.account.is_frozen(id));
        let mut open: Vec<_> = open.collect();
        open.sort_by_key(|(id, lot)| (lot.expires_at, **id));
        let mut missing = points;
        let mut parts = Parts::new();
        for (id, lot) in open {
            let part = missing.min(lot.free);
            if part > 0 {
                parts.insert(*id, part);
                missing -= part;
            }
        }
        (missing == 0 || mutant("too_few_points_do")).then_some(parts)
    }

    /// Points mature, then pay what is owed, the first to expire first; then what is old expires.
    ///
    /// So a timer that ran late leaves the same account as one that ran on time, and points that
    /// come back serve a debt before they expire.
    fn settle(&mut self, now: DateTime<Utc>) {
        for (lot, points) in self.matured_by(now) {
            self.happen(Event::Matured { lot, points });
        }
        self.pay_debt();
        for (lot, points) in self.expired_by(now) {
            self.happen(Event::Expired { lot, points });
        }
    }

    fn pay_debt(&mut self) {
        let payable = self.account.debt.min(self.account.balances().available);
        if payable > 0
            && let Some(parts) = self.pick(payable)
        {
            self.happen(Event::DebtPaid { parts });
        }
    }

    fn matured_by(&self, now: DateTime<Utc>) -> Vec<(LotId, u64)> {
        let lots = self.account.lots.iter();
        let due = lots.filter(|(_, lot)| lot.stage == Stage::Pending && lot.available_at <= now);
        let mut due: Vec<_> = due.collect();
        due.sort_by_key(|(id, lot)| (lot.available_at, **id));
        due.into_iter().map(|(id, lot)| (*id, lot.free)).collect()
    }

    fn expired_by(&self, now: DateTime<Utc>) -> Vec<(LotId, u64)> {
        let lots = self.account.lots.iter();
        // What cannot be spent meanwhile does not expire meanwhile.
        let due = lots.filter(|(id, lot)| {
            lot.is_open() && lot.expires_at <= now && !self.account.is_frozen(id)
        });
        due.map(|(id, lot)| (*id, lot.free)).collect()
    }
}
