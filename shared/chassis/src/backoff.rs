//! How long a supervisor waits before it tries again, so that many of them do not try at once.
//!
//! For loops that live in memory (a stream that ended, a database that is away). Retries that must
//! survive a crash are rows with a due time and belong to messaging.

use std::time::Duration;

use rand::Rng as _;

/// Exponential growth with full jitter: a wait drawn evenly from zero to the grown bound.
#[derive(Clone, Copy, Debug)]
pub struct Backoff {
    base: Duration,
    cap: Duration,
}

impl Backoff {
    /// Starts at `base`, doubles with each attempt, never passes `cap`.
    #[must_use]
    pub const fn new(base: Duration, cap: Duration) -> Self {
        Self { base, cap }
    }

    /// Draws the wait after failure number `attempt` (from 0).
    #[must_use]
    pub fn delay(&self, attempt: u32) -> Duration {
        let bound = self.bound(attempt);
        bound.mul_f64(rand::rng().random_range(0.0..=1.0))
    }

    /// Says the longest wait after failure number `attempt`.
    #[must_use]
    pub fn bound(&self, attempt: u32) -> Duration {
        let factor = 2_u32.saturating_pow(attempt.min(31));
        self.base.checked_mul(factor).map_or(self.cap, |grown| grown.min(self.cap))
    }

    /// Waits after failure number `attempt`; says `false` if the shutdown came first.
    pub async fn wait(&self, attempt: u32, shutdown: &tokio_util::sync::CancellationToken) -> bool {
        tokio::select! {
            () = tokio::time::sleep(self.delay(attempt)) => true,
            () = shutdown.cancelled() => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Backoff, Duration};

    const BACKOFF: Backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(5));

    #[test]
    fn doubles_up_to_its_cap() {
        let bounds: Vec<_> = (0..7).map(|n| BACKOFF.bound(n).as_millis()).collect();
        assert_eq!(bounds, [100, 200, 400, 800, 1600, 3200, 5000]);
        assert_eq!(BACKOFF.bound(u32::MAX), Duration::from_secs(5));
    }

    #[test]
    fn never_waits_longer_than_the_bound_and_does_spread() {
        let waits: Vec<_> = (0..200).map(|_| BACKOFF.delay(3)).collect();
        assert!(waits.iter().all(|wait| *wait <= BACKOFF.bound(3)));
        assert!(waits.iter().any(|wait| *wait < Duration::from_millis(400)));
        assert!(waits.iter().any(|wait| *wait > Duration::from_millis(400)));
    }
}
