//! Periodic work: steps of one bounded batch each, until there is nothing to do, then a pause.

use std::{error::Error, fmt, future::Future, time::Duration};

use chassis::{
    Process,
    backoff::Backoff,
    metrics::{self, Counter},
};
use tracing::Instrument as _;

/// What a step did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// This many things; there may be more.
    Did(usize),
    /// There was nothing to do.
    Idle,
}

impl Step {
    /// From a number of things done.
    #[must_use]
    pub fn of(count: usize) -> Self {
        if count == 0 { Self::Idle } else { Self::Did(count) }
    }
}

const FAILED: Backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(30));

/// Runs steps until one says [`Step::Idle`], waits `every`, and begins again, until the process
/// stops.
///
/// A step that fails is logged and tried again later. A step is never cancelled half-way: the
/// process waits for it.
pub fn job<F, Fut, E>(process: &Process, name: &'static str, every: Duration, mut step: F)
where
    F: FnMut() -> Fut + Send + 'static,
    Fut: Future<Output = Result<Step, E>> + Send,
    E: Into<Box<dyn Error + Send + Sync>> + fmt::Debug + Send,
{
    let shutdown = process.shutdown.clone();
    process.tasks.spawn(name, async move {
        let mut failures = 0;
        while !shutdown.is_cancelled() {
            let span = tracing::info_span!(
                "job",
                otel.name = %format_args!("job {name}"),
                job = name
            );
            let wait = match step().instrument(span).await {
                Ok(Step::Did(count)) => {
                    failures = 0;
                    let count = u64::try_from(count).unwrap_or(0);
                    metrics::add(Counter::JobsDone, &[("job", name)], count);
                    continue;
                }
                Ok(Step::Idle) => {
                    failures = 0;
                    every
                }
                Err(error) => {
                    let error = error.into();
                    metrics::add(Counter::JobsFailed, &[("job", name)], 1);
                    tracing::warn!(
                        job = name,
                        error = %chassis::chain(error.as_ref()),
                        "a step failed and is tried again"
                    );
                    failures += 1;
                    FAILED.delay(failures).max(every)
                }
            };
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = shutdown.cancelled() => {}
            }
        }
        Ok(())
    });
}
