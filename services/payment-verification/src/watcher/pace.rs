//! How many blocks are asked for together: as many as the nodes give.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use crate::chains::ChainError;

/// How many blocks are asked for together. A step that comes to nothing asks for half as many next
/// time, so that blocks which a node cannot give all at once do not stop the chain; then more
/// again.
#[derive(Debug, Clone)]
pub(super) struct Pace {
    max: u64,
    now: Arc<AtomicU64>,
}

impl Pace {
    pub(super) fn of(max: u64) -> Self {
        Self { max, now: Arc::new(AtomicU64::new(max)) }
    }

    pub(super) fn blocks(&self) -> u64 {
        self.now.load(Ordering::Relaxed)
    }

    /// Takes note of what came of asking.
    pub(super) fn went<T>(&self, answer: &Result<T, ChainError>) {
        let now = self.blocks();
        let next = match answer {
            Ok(_) => now.saturating_mul(2).min(self.max),
            Err(
                ChainError::NoAnswer { .. }
                | ChainError::NotReadable { .. }
                | ChainError::Refused { .. },
            ) => (now / 2).max(1),
            Err(
                ChainError::OtherChain { .. }
                | ChainError::Changed { .. }
                | ChainError::Disagree { .. },
            ) => now,
        };
        self.now.store(next, Ordering::Relaxed);
    }
}
