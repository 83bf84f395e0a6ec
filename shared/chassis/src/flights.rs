//! One answer for everybody who asks the same at a time.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use futures::{
    FutureExt as _,
    future::{BoxFuture, Shared},
};

use crate::Tasks;

type Flight<T> = Shared<BoxFuture<'static, Option<T>>>;

/// The questions under way in this process, by key: whoever asks what is being asked already waits
/// for that answer.
///
/// Nothing is kept: once a flight has landed, the next one who asks takes off anew.
pub struct Flights<T> {
    flights: Arc<Mutex<BTreeMap<String, Flight<T>>>>,
}

impl<T: Clone + Send + Sync + 'static> Flights<T> {
    /// Joins the flight of a key, or takes off.
    ///
    /// A flight goes on to its end even when everybody who asked has hung up. `None` when it
    /// panicked, which is logged and counted.
    pub async fn join<F>(
        &self,
        tasks: &Tasks,
        name: &'static str,
        key: &str,
        fly: impl FnOnce() -> F,
    ) -> Option<T>
    where
        F: Future<Output = T> + Send + 'static,
    {
        let flight = self.with(|flights| match flights.get(key) {
            Some(flight) => flight.clone(),
            None => {
                let flight = self.take_off(tasks.clone(), name, key.to_owned(), fly());
                flights.insert(key.to_owned(), flight.clone());
                flight
            }
        });
        flight.await
    }

    /// Whether somebody asks this already: whoever joins waits for what that comes to.
    #[must_use]
    pub fn is_under_way(&self, key: &str) -> bool {
        self.with(|flights| flights.contains_key(key))
    }

    fn take_off<F>(&self, tasks: Tasks, name: &'static str, key: String, flight: F) -> Flight<T>
    where
        F: Future<Output = T> + Send + 'static,
    {
        let flights = self.clone();
        let work = async move {
            let (lands, landed) = (flights.clone(), key.clone());
            let done = tasks.to_the_end(name, async move {
                let answer = flight.await;
                // Here, where it happens although nobody waits: a flight that stayed would be taken
                // for the answer of a later question.
                lands.land(&landed);
                answer
            });
            let answer = done.await;
            if answer.is_none() {
                // It panicked on its way.
                flights.land(&key);
            }
            answer
        };
        work.boxed().shared()
    }

    fn land(&self, key: &str) {
        self.with(|flights| flights.remove(key));
    }

    fn with<R>(&self, work: impl FnOnce(&mut BTreeMap<String, Flight<T>>) -> R) -> R {
        work(&mut self.flights.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl<T> Clone for Flights<T> {
    fn clone(&self) -> Self {
        Self { flights: Arc::clone(&self.flights) }
    }
}

impl<T> Default for Flights<T> {
    fn default() -> Self {
        Self { flights: Arc::default() }
    }
}

impl<T> fmt::Debug for Flights<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Flights").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use futures::future::join;
    use tokio::sync::oneshot;

    use super::*;
    use crate::Process;

    #[tokio::test]
    async fn whoever_asks_what_is_being_asked_gets_that_answer_and_the_next_one_asks_anew() {
        let process = Process::standalone("inn");
        let flights = Flights::<u32>::default();
        assert!(!flights.is_under_way("stay"));
        let (lands, landed) = oneshot::channel();
        let first =
            flights.join(&process.tasks, "search", "stay", || async { landed.await.unwrap() });
        let second = async {
            assert!(flights.is_under_way("stay") && !flights.is_under_way("flight"));
            lands.send(1).unwrap();
            flights.join(&process.tasks, "search", "stay", || async { 2 }).await
        };
        assert_eq!(join(first, second).await, (Some(1), Some(1)));
        assert!(!flights.is_under_way("stay"));
        assert_eq!(flights.join(&process.tasks, "search", "stay", || async { 3 }).await, Some(3));
    }
}
