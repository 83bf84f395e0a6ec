//! How long until the next try, and when to stop.

use std::time::Duration;

use contracts::policy::Messaging as Policy;

use crate::Cause;

/// What went wrong with one delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// It may go better later.
    Transient,
    /// It will never go better.
    Permanent(Cause),
    /// The handler panicked.
    Panic,
}

impl Trouble {
    /// One of a few words, for a span.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Transient => "transient",
            Self::Permanent(cause) => cause.as_str(),
            Self::Panic => "panic",
        }
    }
}

/// What follows from a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Try again after this long, as the next attempt.
    Retry {
        /// How long from now.
        after: Duration,
        /// The marks that the message carries on.
        marks: u32,
    },
    /// Give it up.
    Dead(Cause),
}

/// Decides what follows when attempt `attempt` failed.
///
/// `marks` are those of this delivery and the ones before it: a delivery that was marked before it
/// was handled has paid for its panic already. `random` is any number, all equally likely.
#[must_use]
pub fn after_failure(
    attempt: u32,
    marks: Marks,
    trouble: Trouble,
    policy: &Policy,
    random: u64,
) -> Next {
    let marks = match trouble {
        Trouble::Permanent(cause) => return Next::Dead(cause),
        Trouble::Transient => 0,
        Trouble::Panic if marks.paid => marks.count,
        Trouble::Panic => marks.count.saturating_add(1),
    };
    if marks >= policy.crash_marks_max && trouble == Trouble::Panic {
        return Next::Dead(Cause::Crash);
    }
    if attempt.saturating_add(1) >= policy.attempts_max {
        return Next::Dead(Cause::Exhausted);
    }
    Next::Retry { after: delay(attempt, policy, random), marks }
}

/// The marks of a message, and whether this delivery has added its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Marks {
    /// How many there are.
    pub count: u32,
    /// Whether the delivery at hand is among them.
    pub paid: bool,
}

/// How long to wait after attempt `attempt`: anything between nothing and the longest delay.
///
/// Full jitter: what failed together does not come back together.
#[must_use]
pub fn delay(attempt: u32, policy: &Policy, random: u64) -> Duration {
    let longest = u64::try_from(longest_delay(attempt, policy).as_millis()).unwrap_or(u64::MAX);
    let within =
        longest.checked_add(1).map_or(random, |choices| random.checked_rem(choices).unwrap_or(0));
    Duration::from_millis(within)
}

/// The longest wait after attempt `attempt`: doubled each time, up to the policy's limit.
#[must_use]
pub fn longest_delay(attempt: u32, policy: &Policy) -> Duration {
    let factor = 1_u32.checked_shl(attempt.min(31)).unwrap_or(u32::MAX);
    policy.retry_first.checked_mul(factor).unwrap_or(policy.retry_max).min(policy.retry_max)
}
