//! What the core needs of the policy.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use contracts::policy::Rewards;

use crate::rules::POINTS_MAX;

/// How much is earned and how long it lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// Points per hundred minor units paid.
    pub earn_percent: u32,
    /// Whether what nobody came to earns all the same.
    pub no_show_earns: bool,
    /// From the end of a stay to available.
    pub vest_after: TimeDelta,
    /// From available to expired.
    pub lot_for: TimeDelta,
    /// Points of one grant.
    pub grant_points_max: u64,
}

impl From<&Rewards> for Policy {
    fn from(rewards: &Rewards) -> Self {
        // A time too long to be told is for ever.
        let delta = |time: Duration| TimeDelta::from_std(time).unwrap_or(TimeDelta::MAX);
        Self {
            earn_percent: rewards.earn_percent,
            no_show_earns: rewards.no_show_earns,
            vest_after: delta(rewards.vest_after),
            lot_for: delta(rewards.lot_for),
            // Sums of more than any entry may have would not be exact.
            grant_points_max: rewards.grant_points_max.min(POINTS_MAX),
        }
    }
}

impl Policy {
    /// From when points earned by a stay that ends at `over_at` can be redeemed.
    pub(crate) fn available_at(&self, over_at: DateTime<Utc>) -> DateTime<Utc> {
        over_at.checked_add_signed(self.vest_after).unwrap_or(DateTime::<Utc>::MAX_UTC)
    }

    /// When points that can be redeemed from `available_at` on expire.
    pub(crate) fn expires_at(&self, available_at: DateTime<Utc>) -> DateTime<Utc> {
        available_at.checked_add_signed(self.lot_for).unwrap_or(DateTime::<Utc>::MAX_UTC)
    }
}
