//! Takes deliveries, has them settled, acknowledges them: the only file that does.
//!
//! A delivery is acknowledged when whoever settles it has committed what becomes of it, and never
//! before. One loop serves a channel; whatever ends it (a cut, a cancelled consumer, a deleted
//! queue, an answer that did not come) leads to a new channel, with everything that was held given
//! back by the broker.

use std::{
    collections::{BTreeMap, BTreeSet},
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use chassis::{CancellationToken, backoff::Backoff};
use futures::StreamExt as _;
use lapin::{
    Acker, Channel, Consumer,
    message::Delivery,
    options::{BasicAckOptions, BasicCancelOptions, BasicConsumeOptions, BasicQosOptions},
    types::{FieldTable, ShortString},
};
use tokio::time::{sleep_until, timeout_at};

use crate::connection::{BrokerError, Link, answer};

/// What became of deliveries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Settled {
    /// All are settled, and that is committed.
    All,
    /// They cannot be settled for now; the broker shall have them back.
    GivenBack,
}

/// Whoever settles deliveries.
pub(crate) trait Settles: Send + Sync + 'static {
    /// Redelivered ones come with no other beside them.
    const REDELIVERED_ALONE: bool;

    /// Declares what it listens to.
    fn prepare(&self, channel: &Channel) -> impl Future<Output = Result<(), BrokerError>> + Send;

    /// Settles deliveries. It is never cancelled.
    fn settle(&self, deliveries: Vec<Delivery>) -> impl Future<Output = Settled> + Send;
}

impl<S: Settles> Settles for Arc<S> {
    const REDELIVERED_ALONE: bool = S::REDELIVERED_ALONE;

    fn prepare(&self, channel: &Channel) -> impl Future<Output = Result<(), BrokerError>> + Send {
        S::prepare(self, channel)
    }

    fn settle(&self, deliveries: Vec<Delivery>) -> impl Future<Output = Settled> + Send {
        S::settle(self, deliveries)
    }
}

/// How one queue is listened to.
pub(crate) struct Listener {
    pub(crate) link: Arc<Link>,
    pub(crate) queue: String,
    pub(crate) prefetch: u16,
    pub(crate) batch_max: usize,
    pub(crate) batch_wait: Duration,
    pub(crate) stop: CancellationToken,
    /// Whether deliveries can come.
    pub(crate) listening: Arc<AtomicBool>,
}

/// How long what the broker had sent already may take to be settled when the process stops.
const DRAIN_FOR: Duration = Duration::from_secs(10);
/// A listener that lived this long had no trouble with the way it was set up.
const SETTLED_IN: Duration = Duration::from_secs(30);
const AFTER_END: Backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(5));

#[derive(Debug, thiserror::Error)]
enum Ended {
    #[error("the broker failed")]
    Broker(#[from] BrokerError),
    #[error("the stream of deliveries failed")]
    Stream(#[source] lapin::Error),
    #[error("the stream of deliveries ended: the consumer was cancelled or its queue deleted")]
    Cancelled,
    #[error("the channel is not the one any more that the deliveries came by")]
    Gone,
    #[error("the deliveries were given back")]
    GivenBack,
}

impl Listener {
    /// Listens until the process stops, from whatever it has to begin again.
    pub(crate) async fn run(self, settles: impl Settles) {
        let mut failures = 0;
        while !self.stop.is_cancelled() {
            let begun = Instant::now();
            let ended = self.listen(&settles).await;
            self.listening.store(false, Ordering::Relaxed);
            let Err(ended) = ended else { return };
            if begun.elapsed() > SETTLED_IN {
                failures = 0;
            }
            if matches!(ended, Ended::Broker(_)) && failures > 0 {
                // The connection has said it once.
                tracing::debug!(
                    queue = self.queue,
                    error = %chassis::chain(&ended),
                    "still not listening"
                );
            } else {
                tracing::warn!(
                    queue = self.queue,
                    error = %chassis::chain(&ended),
                    "listening again after a while"
                );
            }
            AFTER_END.wait(failures, &self.stop).await;
            failures = failures.saturating_add(1);
        }
    }

    async fn listen(&self, settles: &impl Settles) -> Result<(), Ended> {
        let channel = self.link.channel().await?;
        settles.prepare(&channel).await?;
        // Before anything is consumed: without a limit the broker sends the whole queue.
        answer("limiting deliveries", channel.basic_qos(self.prefetch, BasicQosOptions::default()))
            .await?;
        let consuming = channel.basic_consume(
            self.queue.as_str().into(),
            "".into(),
            BasicConsumeOptions::default(),
            FieldTable::default(),
        );
        let mut deliveries = Deliveries(Some(answer("beginning to consume", consuming).await?));
        self.listening.store(true, Ordering::Relaxed);
        let mut acks = Acks::default();
        let mut batch = Vec::with_capacity(self.batch_max);
        let ended = loop {
            let gathered = tokio::select! {
                biased;
                () = self.stop.cancelled() => None,
                gathered = self.gather(&mut deliveries, &mut batch) => Some(gathered),
            };
            let settled = self.work(std::mem::take(&mut batch), &mut acks, settles).await;
            match (gathered, settled) {
                (Some(Ok(())), Ok(())) => {}
                (None, Ok(())) => {
                    break self.drain(&channel, &mut deliveries, &mut acks, settles).await;
                }
                (_, Err(ended)) | (Some(Err(ended)), Ok(())) => break Err(ended),
            }
        };
        // What is not acknowledged goes back to the queue with the channel.
        if channel.status().connected() {
            let closed = answer("closing a channel", channel.close(200, "bye".into())).await;
            if let Err(error) = closed {
                tracing::debug!(
                    error = %chassis::chain(&error),
                    "a channel ended without a goodbye"
                );
            }
        }
        ended
    }

    /// Waits for a delivery, then a moment for more. What came is in `batch`, also when it ends or
    /// is cancelled.
    async fn gather(
        &self,
        deliveries: &mut Deliveries,
        batch: &mut Vec<Delivery>,
    ) -> Result<(), Ended> {
        batch.push(deliveries.next().await?);
        let until = tokio::time::Instant::now() + self.batch_wait;
        while batch.len() < self.batch_max {
            match timeout_at(until, deliveries.next()).await {
                Ok(delivery) => batch.push(delivery?),
                Err(_elapsed) => break,
            }
        }
        Ok(())
    }

    async fn work(
        &self,
        batch: Vec<Delivery>,
        acks: &mut Acks,
        settles: &impl Settles,
    ) -> Result<(), Ended> {
        let (again, fresh): (Vec<_>, Vec<_>) =
            batch.into_iter().partition(|delivery| delivery.redelivered && alone(settles));
        if !fresh.is_empty() {
            self.settle(fresh, acks, settles).await?;
        }
        for delivery in again {
            self.settle(vec![delivery], acks, settles).await?;
        }
        Ok(())
    }

    async fn settle(
        &self,
        batch: Vec<Delivery>,
        acks: &mut Acks,
        settles: &impl Settles,
    ) -> Result<(), Ended> {
        let ackers: BTreeMap<u64, Acker> =
            batch.iter().map(|delivery| (delivery.delivery_tag, delivery.acker.clone())).collect();
        match settles.settle(batch).await {
            Settled::All => acks.acknowledge(ackers).await,
            Settled::GivenBack => Err(Ended::GivenBack),
        }
    }

    /// Stops taking, and settles what was sent already: given back, it would come again as
    /// redelivered.
    async fn drain(
        &self,
        channel: &Channel,
        deliveries: &mut Deliveries,
        acks: &mut Acks,
        settles: &impl Settles,
    ) -> Result<(), Ended> {
        let until = tokio::time::Instant::now() + DRAIN_FOR;
        let cancelling = channel.basic_cancel(deliveries.tag(), BasicCancelOptions::default());
        answer("cancelling the consumer", cancelling).await?;
        loop {
            let mut batch = Vec::new();
            let gathered = tokio::select! {
                biased;
                gathered = self.gather(deliveries, &mut batch) => gathered,
                () = sleep_until(until) => return Ok(()),
            };
            self.work(batch, acks, settles).await?;
            match gathered {
                Ok(()) => {}
                Err(Ended::Cancelled) => return Ok(()),
                Err(ended) => return Err(ended),
            }
        }
    }
}

/// A stream that may be asked again after its end.
struct Deliveries(Option<Consumer>);

impl Deliveries {
    fn tag(&self) -> ShortString {
        self.0.as_ref().map_or_else(ShortString::default, Consumer::tag)
    }

    async fn next(&mut self) -> Result<Delivery, Ended> {
        let stream = self.0.as_mut().ok_or(Ended::Cancelled)?;
        let Some(next) = stream.next().await else {
            self.0 = None;
            return Err(Ended::Cancelled);
        };
        next.map_err(Ended::Stream)
    }
}

fn alone<S: Settles>(_settles: &S) -> bool {
    S::REDELIVERED_ALONE
}

/// Which deliveries of a channel are acknowledged: all below `next`, and those in `beyond`.
#[derive(Debug)]
struct Acks {
    next: u64,
    beyond: BTreeSet<u64>,
}

impl Default for Acks {
    fn default() -> Self {
        // The first delivery of a channel is number 1.
        Self { next: 1, beyond: BTreeSet::new() }
    }
}

impl Acks {
    /// Acknowledges settled deliveries: with one frame what closes up to those before, the others
    /// one by one.
    async fn acknowledge(&mut self, settled: BTreeMap<u64, Acker>) -> Result<(), Ended> {
        let multiple = self.settle(settled.keys().copied());
        for (tag, acker) in settled {
            let options = match multiple {
                Some(last) if tag < last => continue,
                Some(last) => BasicAckOptions { multiple: tag == last },
                None => BasicAckOptions { multiple: false },
            };
            // "No" is the answer for a delivery of a channel that is gone: it was not acknowledged
            // and comes again.
            if !answer("acknowledging", acker.ack(options)).await? {
                return Err(Ended::Gone);
            }
        }
        Ok(())
    }

    /// Notes settled tags; says up to which of them everything is settled.
    fn settle(&mut self, tags: impl Iterator<Item = u64> + Clone) -> Option<u64> {
        self.beyond.extend(tags.clone());
        while self.beyond.remove(&self.next) {
            self.next = self.next.saturating_add(1);
        }
        tags.filter(|tag| *tag < self.next).max()
    }
}

#[cfg(test)]
mod tests {
    use super::Acks;

    #[test]
    fn acknowledges_many_at_once_only_where_nothing_is_missing_before() {
        let mut acks = Acks::default();
        assert_eq!(acks.settle([1, 2, 3].into_iter()), Some(3));
        // 4 is still held.
        assert_eq!(acks.settle([5, 7].into_iter()), None);
        assert_eq!(acks.settle([6].into_iter()), None);
        // 5 to 7 are acknowledged already, so 4 is the last one to name.
        assert_eq!(acks.settle([4].into_iter()), Some(4));
        assert_eq!(acks.settle([8, 10].into_iter()), Some(8));
        assert_eq!(acks.settle([9].into_iter()), Some(9));
        assert_eq!(acks.next, 11);
    }
}
