//! A process of a service under test that dies at a point of what it does: from then on nothing of
//! its own reaches a server, and nothing of a server's reaches it.

use std::{
    future::Future,
    sync::atomic::{AtomicUsize, Ordering},
};

use tokio::runtime::Runtime;

use crate::{Database, Proxy, broker, until};

/// Where a process dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Point {
    /// All is written, and nothing committed.
    BeforeCommit,
    /// It is committed, and nothing said or acknowledged.
    AfterCommit,
    /// It is committed, and not acknowledged.
    BeforeAck,
}

/// A runtime of its own with ways of its own to the servers, so that all of it can be ended.
pub struct Doomed {
    runtime: Option<Runtime>,
    /// Its way to the database.
    pub to_database: Proxy,
    /// Its way to the broker.
    pub to_broker: Proxy,
}

impl Doomed {
    /// A process that does nothing yet.
    ///
    /// # Panics
    /// When it has no place.
    pub async fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread();
        let runtime = { runtime }.worker_threads(1).enable_all().build().unwrap();
        let to_database = Proxy::to(&Database::server()).await;
        let to_broker = Proxy::to(&broker::server()).await;
        Self { runtime: Some(runtime), to_database, to_broker }
    }

    /// Has the process do something, and waits for it.
    ///
    /// # Panics
    /// When it panics.
    pub async fn does<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> T {
        self.runtime.as_ref().unwrap().spawn(work).await.unwrap()
    }

    /// It dies at the first such point from now on.
    pub fn dies_at(&self, point: Point) {
        self.dies_at_nth(1, point);
    }

    /// It dies at the n-th such point from now on.
    pub fn dies_at_nth(&self, n: usize, point: Point) {
        let nth = move |part: &'static [u8]| {
            let seen = AtomicUsize::new(0);
            move |sent: &[u8]| {
                let there = sent.windows(part.len()).any(|bytes| bytes == part);
                there && seen.fetch_add(1, Ordering::SeqCst) + 1 == n
            }
        };
        match point {
            Point::BeforeCommit => self.to_database.fall_at(false, nth(b"COMMIT")),
            Point::AfterCommit => self.to_database.fall_at(true, nth(b"COMMIT")),
            // A frame of class 60, method 80: basic.ack.
            Point::BeforeAck => self.to_broker.fall_at(false, nth(&[0, 60, 0, 80])),
        }
    }

    /// Whether it came to its point.
    #[must_use]
    pub fn is_there(&self) -> bool {
        self.to_database.answers_lost() + self.to_broker.answers_lost() > 0
    }

    /// Waits until it is at its point, and ends it there.
    pub async fn dies(self) {
        let there = || async { self.is_there().then_some(()) };
        until("the process to be at its point", there).await;
        self.ends();
    }

    /// Ends it wherever it is.
    pub fn ends(self) {
        self.to_database.down();
        self.to_broker.down();
    }
}

impl Drop for Doomed {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
