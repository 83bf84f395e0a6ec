//! What the core needs of the policy.

use chrono::TimeDelta;
use contracts::{messages::RefundBasis, policy};

/// Durations and worths that an accepted booking takes with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    pub pending_for_max: TimeDelta,
    pub payment_window: TimeDelta,
    pub settle_for_max: TimeDelta,
    pub commit_for_max: TimeDelta,
    pub unwind_for_max: TimeDelta,
    pub review_for_max: TimeDelta,
    pub refund_for_max: TimeDelta,
    pub refund_basis: RefundBasis,
    pub answer_for_max: TimeDelta,
    pub point_worth_minor: u32,
}

impl Policy {
    /// The core's part of the whole policy.
    #[must_use]
    pub fn of(policy: &policy::Policy) -> Self {
        let delta = |d| TimeDelta::from_std(d).unwrap_or(TimeDelta::MAX);
        let booking = &policy.booking;
        Self {
            pending_for_max: delta(booking.pending_for_max),
            payment_window: delta(booking.payment_window),
            settle_for_max: delta(booking.settle_for_max),
            commit_for_max: delta(booking.commit_for_max),
            unwind_for_max: delta(booking.unwind_for_max),
            review_for_max: delta(booking.review_for_max),
            refund_for_max: delta(policy.payment.refund_for_max),
            refund_basis: policy.payment.refund_basis,
            answer_for_max: delta(booking.answer_for_max),
            point_worth_minor: policy.rewards.point_worth_minor,
        }
    }
}
