//! Work of many that is committed together: while one batch is being written, the next gathers.
//!
//! What a transaction costs, it costs once for a batch. Where somebody waits for the answer, nobody
//! waits to fill one: whoever comes while little is being written goes alone and at once. Where
//! nobody does, a batch gathers for a moment first. And nobody waits for a batch that waits itself,
//! for a lock perhaps: after a while the next one begins beside it.

use std::{
    collections::VecDeque,
    pin::pin,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{Semaphore, oneshot},
    time::{sleep, timeout},
};

/// While one batch waits for the disk, another is put together.
const BESIDE: usize = 2;

/// Where requests meet. Each brings an item and gets an answer of its own.
#[derive(Debug)]
pub struct Together<T, A> {
    waiting: Mutex<VecDeque<(T, oneshot::Sender<A>)>>,
    writing: Semaphore,
    at_most: usize,
    patience: Duration,
    gathers: Duration,
}

impl<T: Send, A: Send> Together<T, A> {
    /// Batches of so many items at most, two beside each other, for each of which the next
    /// waits so long at most.
    #[must_use]
    pub const fn new(at_most: usize, patience: Duration) -> Self {
        Self::beside(BESIDE, at_most, patience, Duration::ZERO)
    }

    /// One batch after the other, and none begins before so much time was given to others to come
    /// along.
    #[must_use]
    pub const fn gathering(at_most: usize, patience: Duration, gathers: Duration) -> Self {
        Self::beside(1, at_most, patience, gathers)
    }

    const fn beside(batches: usize, at_most: usize, patience: Duration, gathers: Duration) -> Self {
        let waiting = Mutex::new(VecDeque::new());
        Self { waiting, writing: Semaphore::const_new(batches), at_most, patience, gathers }
    }

    /// Brings an item; says what `run` answered for it, or nothing when `run` had no answer for it
    /// or panicked.
    ///
    /// One of those who wait runs the batch, with all that have come by then: `run` answers in the
    /// order of the items. It must be awaited to the end, because others may wait for it: whoever
    /// may be cancelled calls this from a task of its own.
    pub async fn join<F>(&self, item: T, run: impl Fn(Vec<T>) -> F + Send) -> Option<A>
    where
        F: Future<Output = Vec<A>> + Send,
    {
        let (answer, mut answered) = oneshot::channel();
        self.with(|waiting| waiting.push_back((item, answer)));
        loop {
            let turn = tokio::select! {
                biased;
                answer = &mut answered => return answer.ok(),
                turn = self.writing.acquire() => turn.ok()?,
            };
            if !self.gathers.is_zero() {
                sleep(self.gathers).await;
            }
            let (items, answers): (Vec<_>, Vec<_>) = self.with(|waiting| {
                let count = waiting.len().min(self.at_most);
                waiting.drain(..count).unzip()
            });
            // Somebody else took this one along; the answer has come or is coming.
            if items.is_empty() {
                drop(turn);
                return answered.await.ok();
            }
            let mut running = pin!(run(items));
            let given = match timeout(self.patience, &mut running).await {
                Ok(given) => {
                    drop(turn);
                    given
                }
                Err(_elapsed) => {
                    drop(turn);
                    running.await
                }
            };
            for (to, answer) in answers.into_iter().zip(given) {
                // Whoever hung up has no use for it.
                drop(to.send(answer));
            }
        }
    }

    fn with<R>(&self, work: impl FnOnce(&mut VecDeque<(T, oneshot::Sender<A>)>) -> R) -> R {
        work(&mut self.waiting.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures::future::join_all;

    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn each_gets_its_own_answer_and_who_comes_meanwhile_goes_together() {
        let together = Together::new(64, LONG);
        let batches = AtomicUsize::new(0);
        let run = |items: Vec<usize>| {
            batches.fetch_add(1, Ordering::Relaxed);
            async move {
                tokio::task::yield_now().await;
                items.into_iter().map(|n| n * 2).collect()
            }
        };
        let answers = join_all((0..100).map(|n| together.join(n, run))).await;
        assert_eq!(answers, (0..100).map(|n| Some(n * 2)).collect::<Vec<_>>());
        // The first two alone, then as many as fit.
        assert!(batches.load(Ordering::Relaxed) <= 4, "{batches:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_batch_that_gathers_takes_along_who_comes_meanwhile_and_keeps_nobody_longer() {
        let together = Together::gathering(64, LONG, Duration::from_millis(20));
        let run = |items: Vec<usize>| async move { vec![items.len(); items.len()] };
        let come = |after: u64| {
            let together = &together;
            async move {
                sleep(Duration::from_millis(after)).await;
                let came = tokio::time::Instant::now();
                let with = together.join(0, run).await;
                (with, came.elapsed() <= Duration::from_millis(20))
            }
        };
        let together = join_all([0, 5, 19, 30].map(come)).await;
        assert_eq!(together, [3, 3, 3, 1].map(|with| (Some(with), true)));
    }

    #[tokio::test]
    async fn a_batch_has_no_more_than_it_may() {
        let together = Together::new(3, LONG);
        let run = |items: Vec<usize>| async move { vec![items.len(); items.len()] };
        let sizes = join_all((0..20).map(|n| together.join(n, run))).await;
        assert!(sizes.iter().all(|size| size.is_some_and(|size| size <= 3)), "{sizes:?}");
    }

    #[tokio::test]
    async fn who_gets_no_answer_is_told_so() {
        let together = Together::<usize, usize>::new(64, LONG);
        let run = |_items: Vec<usize>| async { Vec::new() };
        assert_eq!(together.join(1, run).await, None);
        let run = |items: Vec<usize>| async move { items };
        assert_eq!(together.join(2, run).await, Some(2));
    }

    #[tokio::test]
    async fn nobody_waits_for_a_batch_that_waits_itself() {
        let together = Together::new(64, Duration::from_millis(1));
        let others = together.writing.acquire_many(1).await;
        let go = Semaphore::new(0);
        let run = |items: Vec<usize>| {
            let go = &go;
            async move {
                if items.contains(&0) {
                    drop(go.acquire().await);
                }
                items
            }
        };
        let stuck = together.join(0, run);
        let next = async {
            tokio::task::yield_now().await;
            let answer = together.join(1, run).await;
            go.add_permits(1);
            answer
        };
        let both = timeout(Duration::from_secs(10), futures::future::join(stuck, next)).await;
        drop(others);
        assert_eq!(both, Ok((Some(0), Some(1))));
    }
}
