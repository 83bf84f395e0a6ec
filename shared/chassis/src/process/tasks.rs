//! Starts tasks so that the end waits for them and their panics are seen.

use std::{
    any::Any,
    collections::BTreeMap,
    fmt,
    future::Future,
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, PoisonError},
};

use anyhow::{Context as _, anyhow};
use futures::FutureExt as _;
use tokio::sync::mpsc;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::Instrument as _;

use crate::metrics::{self, Counter};

/// Where the tasks of a process are started. Cheap to clone.
#[derive(Clone)]
pub struct Tasks {
    tracker: TaskTracker,
    shutdown: CancellationToken,
    failed: mpsc::UnboundedSender<anyhow::Error>,
    running: Arc<Mutex<BTreeMap<&'static str, usize>>>,
}

impl Tasks {
    pub(super) fn new(
        shutdown: CancellationToken,
        failed: mpsc::UnboundedSender<anyhow::Error>,
    ) -> Self {
        Self { tracker: TaskTracker::new(), shutdown, failed, running: Arc::default() }
    }

    /// Starts a task that lives as long as the process: a relay, a consumer, a server.
    ///
    /// It watches `shutdown` and ends when that is cancelled. If it ends before that, well, with an
    /// error or by a panic, the process goes down with a failure. Work that has an end of its own
    /// goes through [`Self::spawn_short`].
    pub fn spawn<Fut>(&self, name: &'static str, task: Fut)
    where
        Fut: Future<Output = anyhow::Result<()>> + Send + 'static,
    {
        let (shutdown, failed) = (self.shutdown.clone(), self.failed.clone());
        let running = self.count(name);
        self.tracker.spawn(async move {
            let ended = AssertUnwindSafe(task).catch_unwind().await;
            let ended = match ended {
                Ok(Ok(())) if shutdown.is_cancelled() => Ok(()),
                Ok(Ok(())) => Err(anyhow!("it ended although nobody asked it to")),
                Ok(Err(error)) => Err(error),
                Err(panic) => Err(anyhow!("it panicked: {}", panic_text(panic.as_ref()))),
            };
            if let Err(error) = ended.with_context(|| format!("the task `{name}` failed")) {
                // Nobody listens any more when the process is past its deadline.
                drop(failed.send(error));
            }
            drop(running);
        });
    }

    /// Starts work that has an end of its own: what a request or a delivery leaves to do.
    ///
    /// It stays in the caller's span. The end of the process waits for it. A panic is logged and
    /// counted and takes nothing else down; errors are the work's own to handle.
    pub fn spawn_short<Fut>(&self, name: &'static str, work: Fut)
    where
        Fut: Future<Output = ()> + Send + 'static,
    {
        let running = self.count(name);
        let work = async move {
            if AssertUnwindSafe(work).catch_unwind().await.is_err() {
                // The panic hook has logged what and where.
                metrics::add(Counter::TasksPanicked, &[("task", name)], 1);
            }
            drop(running);
        };
        self.tracker.spawn(work.in_current_span());
    }

    /// Runs work of a request to its end even when whoever asked hangs up, and waits for it.
    ///
    /// `None` when it panicked, which is logged and counted.
    pub async fn to_the_end<Fut>(&self, name: &'static str, work: Fut) -> Option<Fut::Output>
    where
        Fut: Future<Output: Send + 'static> + Send + 'static,
    {
        let (give, take) = tokio::sync::oneshot::channel();
        self.spawn_short(name, async move {
            // Nobody takes it when the caller is gone; the work is done all the same.
            drop(give.send(work.await));
        });
        take.await.ok()
    }

    /// Says whether nothing is running.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.tracker.is_empty()
    }

    /// Waits until nothing is running.
    pub(super) async fn drained(&self) {
        self.tracker.close();
        self.tracker.wait().await;
    }

    fn count(&self, name: &'static str) -> Running {
        *lock(&self.running).entry(name).or_default() += 1;
        Running { name, all: Arc::clone(&self.running) }
    }
}

/// Lists what is running, for the line that says what did not end in time.
impl fmt::Display for Tasks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let running = lock(&self.running);
        if running.is_empty() {
            return f.write_str("no task is running");
        }
        let list: Vec<_> = running.iter().map(|(name, n)| format!("{name} ({n})")).collect();
        write!(f, "running: {}", list.join(", "))
    }
}

impl fmt::Debug for Tasks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Counts a task while it runs, and also when it is dropped.
struct Running {
    name: &'static str,
    all: Arc<Mutex<BTreeMap<&'static str, usize>>>,
}

impl Drop for Running {
    fn drop(&mut self) {
        let mut all = lock(&self.all);
        if let Some(count) = all.get_mut(self.name) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                all.remove(self.name);
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn panic_text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("without a text")
}
