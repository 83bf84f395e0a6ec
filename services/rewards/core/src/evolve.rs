//! Applies an event, no questions asked.

use chrono::{DateTime, Utc};
use contracts::{ids::BookingId, mutants::mutant};

use crate::{
    event::{Event, Parts},
    state::{Account, Lot, LotId, PaidMoney, Redemption, RedemptionState, Stage},
};

/// What an account is after an event.
#[must_use]
#[expect(clippy::too_many_lines, reason = "one arm an event")]
pub fn evolve(mut account: Account, event: &Event) -> Account {
    account.version += 1;
    match event {
        Event::Earned { booking_id, rule, percent, points, available_at, expires_at, .. } => {
            let id = LotId::Earned(*rule, *booking_id);
            let lot = new_lot(*points, Stage::Pending, *available_at, *expires_at);
            account.lots.insert(id, Lot { percent: *percent, ..lot });
            account.limits.remove(booking_id);
            account.later.remove(booking_id);
        }
        Event::EarnLimited { booking_id, paid } => {
            account.limits.insert(*booking_id, *paid);
        }
        Event::Reduced { lot, voided, taken, expired, owed } => {
            account.debt += owed;
            account.in_lot(lot, |lot| {
                lot.points = lot.points.saturating_sub(voided + taken + expired + owed);
                lot.free = lot.free.saturating_sub(voided + taken);
                lot.expired = lot.expired.saturating_sub(*expired);
            });
        }
        Event::EarnPostponed { booking_id, available_at } => {
            account.later.insert(*booking_id, *available_at);
        }
        Event::Postponed { lot, available_at, expires_at } => account.in_lot(lot, |lot| {
            (lot.available_at, lot.expires_at) = (*available_at, *expires_at);
        }),
        Event::EarnBarred { booking_id } => {
            account.barred.insert(*booking_id);
        }
        Event::Granted { grant_id, points, available_at, expires_at } => {
            let id = LotId::Granted(*grant_id);
            account.lots.insert(id, new_lot(*points, Stage::Available, *available_at, *expires_at));
        }
        Event::Matured { lot, .. } => account.in_lot(lot, |lot| lot.stage = Stage::Available),
        Event::Voided { lot, points } => account.in_lot(lot, |lot| lot.end(Stage::Voided, *points)),
        Event::Reversed { lot, taken, owed } => {
            account.debt += owed;
            account.in_lot(lot, |lot| lot.end(Stage::Reversed, *taken));
        }
        Event::Expired { lot, points } => account.in_lot(lot, |lot| {
            lot.free = lot.free.saturating_sub(*points);
            lot.expired += points;
        }),
        Event::Frozen { booking_id, version } => {
            account.money.insert(*booking_id, PaidMoney { version: *version, away: true });
        }
        Event::Thawed { booking_id, version } => {
            account.money.insert(*booking_id, PaidMoney { version: *version, away: false });
        }
        Event::DebtPaid { parts } => {
            account.take(parts);
            account.debt = account.debt.saturating_sub(parts.values().sum());
        }
        Event::Held { booking_id, version, parts } => {
            account.take(parts);
            account.redeem(*booking_id, *version, RedemptionState::Held, parts);
        }
        Event::Spent { booking_id, version, parts } => {
            account.take(parts);
            account.redeem(*booking_id, *version, RedemptionState::Captured, parts);
        }
        Event::Captured { booking_id, version, parts } => {
            account.redeem(*booking_id, *version, RedemptionState::Captured, parts);
        }
        Event::Released { booking_id, version, parts }
        | Event::Returned { booking_id, version, parts } => {
            if !mutant("released_into_nothing") {
                account.give_back(parts);
            }
            account.redeem(*booking_id, *version, RedemptionState::Released, &Parts::new());
        }
        Event::Refused { booking_id, version, .. } => {
            account.redeem(*booking_id, *version, RedemptionState::Refused, &Parts::new());
        }
        Event::WishNoted { booking_id, version } => {
            if let Some(redemption) = account.redemptions.get_mut(booking_id) {
                redemption.version = *version;
            }
        }
    }
    account
}

fn new_lot(
    points: u64,
    stage: Stage,
    available_at: DateTime<Utc>,
    expires_at: DateTime<Utc>,
) -> Lot {
    Lot { points, free: points, expired: 0, percent: 0, available_at, expires_at, stage }
}

impl Account {
    fn in_lot(&mut self, id: &LotId, change: impl FnOnce(&mut Lot)) {
        if let Some(lot) = self.lots.get_mut(id) {
            change(lot);
        }
    }

    fn take(&mut self, parts: &Parts) {
        for (id, points) in parts {
            self.in_lot(id, |lot| lot.free = lot.free.saturating_sub(*points));
        }
    }

    fn give_back(&mut self, parts: &Parts) {
        for (id, points) in parts {
            self.in_lot(id, |lot| lot.free += points);
        }
    }

    fn redeem(&mut self, booking: BookingId, version: u32, state: RedemptionState, parts: &Parts) {
        let redemption = Redemption { version, state, parts: parts.clone() };
        self.redemptions.insert(booking, redemption);
    }
}

impl Lot {
    fn end(&mut self, stage: Stage, taken: u64) {
        self.stage = stage;
        self.free = self.free.saturating_sub(taken);
    }
}
