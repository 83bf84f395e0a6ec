//! Settles raw deliveries by keeping them: dead letters, and commands that nobody took.

use std::{sync::Arc, time::Duration};

use chassis::{CancellationToken, backoff::Backoff, mint};
use lapin::{Channel, message::Delivery};

use crate::{
    connection::BrokerError,
    consumer::{Settled, Settles},
    failure::Kind,
    handles::{Parked, Parks},
    headers,
    incoming::Incoming,
    speaker::Speaker,
    topology::{self, Role},
};

const AFTER_FAILURE: Backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(5));

/// One queue of dead letters being emptied.
pub(crate) struct Parker<P> {
    pub(crate) speaker: Arc<Speaker>,
    pub(crate) queue: String,
    /// The role whose dead letters these are; none for the commands that nobody took.
    pub(crate) role: Option<Role>,
    pub(crate) parker: Arc<P>,
    pub(crate) stop: CancellationToken,
}

impl<P: Parks> Settles for Parker<P> {
    const REDELIVERED_ALONE: bool = false;

    async fn prepare(&self, channel: &Channel) -> Result<(), BrokerError> {
        topology::declare_exchanges(channel, &self.speaker.routing).await?;
        match &self.role {
            // The role may not have started yet.
            Some(role) => topology::declare_role(channel, &self.speaker.routing, role).await,
            None => Ok(()),
        }
    }

    async fn settle(&self, deliveries: Vec<Delivery>) -> Settled {
        let batch: Vec<Parked> =
            deliveries.into_iter().map(|delivery| parked(&self.queue, delivery)).collect();
        let mut failures = 0;
        loop {
            match self.parker.park(batch.clone()).await {
                Ok(()) => return Settled::All,
                Err(error) => {
                    tracing::warn!(
                        queue = self.queue,
                        error = %chassis::chain(&error),
                        "dead letters could not be kept yet"
                    );
                    if error.kind() == Kind::Broken && self.keep_each(&batch).await {
                        return Settled::All;
                    }
                }
            }
            if !AFTER_FAILURE.wait(failures, &self.stop).await {
                return Settled::GivenBack;
            }
            failures = failures.saturating_add(1);
        }
    }
}

impl<P: Parks> Parker<P> {
    /// Keeps what can be kept, each alone: one that cannot holds up no others. Says whether that
    /// was all of them.
    async fn keep_each(&self, batch: &[Parked]) -> bool {
        let mut all = true;
        for one in batch {
            if let Err(error) = self.parker.park(vec![one.clone()]).await {
                tracing::error!(
                    queue = self.queue,
                    message.id = %one.message_id,
                    error = %chassis::chain(&error),
                    "a dead letter cannot be kept; it stays at the broker"
                );
                all = false;
            }
        }
        all
    }
}

fn parked(queue: &str, delivery: Delivery) -> Parked {
    let exchange = headers::storable(delivery.exchange.as_str());
    let routing_key = headers::storable(delivery.routing_key.as_str());
    let headers =
        delivery.properties.headers().as_ref().map(headers::from_wire).unwrap_or_default();
    let read = Incoming::read(delivery);
    let fresh = read.is_fresh_and_nameless().then(mint::uuid7);
    Parked {
        queue: queue.to_owned(),
        exchange,
        routing_key,
        headers,
        body: read.body,
        message_id: read.id,
        attempt: read.attempt,
        fresh,
    }
}
