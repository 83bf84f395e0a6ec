//! One connection to the broker: opened when it is needed, thrown away when it fails, watched for
//! blocking.
//!
//! A process has two. The broker blocks a connection that publishes when it runs out of memory or
//! disk, and the library then writes nothing at all on it, acknowledgements included; so who speaks
//! and who hears are apart.
//!
//! There is one way back from every failure (a cut, a closed channel, a stream that ended): the
//! user of a channel drops it, waits a little, and asks for a new one, which opens a new connection
//! where that is what failed. The library's own recovery stays off: with it there would be two, and
//! a stream that goes on over a cut.

use std::{
    str::FromStr as _,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use chassis::metrics::{self, Gauge};
use lapin::{
    Channel, Connection, ConnectionProperties, ConnectionStatus,
    uri::{AMQPAuthority, AMQPUri},
};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::time::timeout;

/// How long the broker may take to answer anything: a connect, a channel, a declaration, a
/// confirmation.
pub(crate) const ANSWERS_WITHIN: Duration = Duration::from_secs(10);
/// A peer that is gone without a word is noticed after two of these, in seconds.
const HEARTBEAT_SECONDS: u16 = 10;

/// Which way a connection is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    /// Publishes.
    Speak,
    /// Consumes and declares.
    Hear,
}

impl Direction {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Speak => "speak",
            Self::Hear => "hear",
        }
    }
}

/// Why there is no channel.
#[derive(Debug, thiserror::Error)]
pub enum BrokerError {
    /// The address is not one.
    #[error("the broker's address is not one: {0}")]
    Address(String),
    /// The broker refused or failed.
    #[error("the broker failed while {doing}")]
    Failed {
        /// The operation.
        doing: &'static str,
        /// Why.
        #[source]
        source: lapin::Error,
    },
    /// The broker did not answer.
    #[error("the broker did not answer while {doing}")]
    Silent {
        /// The operation.
        doing: &'static str,
    },
}

/// Waits for the broker, but not for ever.
pub(crate) async fn answer<T>(
    doing: &'static str,
    work: impl Future<Output = lapin::Result<T>>,
) -> Result<T, BrokerError> {
    match timeout(ANSWERS_WITHIN, work).await {
        Ok(done) => done.map_err(|source| BrokerError::Failed { doing, source }),
        Err(_elapsed) => Err(BrokerError::Silent { doing }),
    }
}

/// Where the broker is.
#[derive(Debug, Clone)]
pub(crate) struct Server {
    pub(crate) address: String,
    pub(crate) port: u16,
}

/// A connection that is made when it is needed.
pub(crate) struct Link {
    direction: Direction,
    uri: AMQPUri,
    name: String,
    open: tokio::sync::Mutex<Option<Arc<Connection>>>,
    status: Mutex<Option<ConnectionStatus>>,
    /// Whether the last try failed, so that an outage is one line and not one a try.
    failing: AtomicBool,
}

impl Link {
    pub(crate) fn new(
        url: &SecretString,
        name: &str,
        direction: Direction,
    ) -> Result<Self, BrokerError> {
        let mut uri = AMQPUri::from_str(url.expose_secret()).map_err(BrokerError::Address)?;
        uri.query.heartbeat.get_or_insert(HEARTBEAT_SECONDS);
        let millis = u64::try_from(ANSWERS_WITHIN.as_millis()).unwrap_or(u64::MAX);
        uri.query.connection_timeout.get_or_insert(millis);
        let name = format!("{name} {}", direction.as_str());
        Ok(Self {
            direction,
            uri,
            name,
            open: tokio::sync::Mutex::default(),
            status: Mutex::default(),
            failing: AtomicBool::new(false),
        })
    }

    /// Where it goes.
    pub(crate) fn server(&self) -> Server {
        let AMQPAuthority { host, port, .. } = &self.uri.authority;
        Server { address: host.clone(), port: *port }
    }

    /// Opens a channel, and the connection first when there is none that works.
    pub(crate) async fn channel(&self) -> Result<Channel, BrokerError> {
        let direction = self.direction.as_str();
        let opened = self.open_channel().await;
        if let Err(error) = &opened
            && !self.failing.swap(true, Ordering::Relaxed)
        {
            let error = chassis::chain(error);
            tracing::warn!(direction, %error, "the broker cannot be reached; trying until it can");
        }
        if opened.is_ok() && self.failing.swap(false, Ordering::Relaxed) {
            tracing::info!(direction, "the broker can be reached again");
        }
        opened
    }

    async fn open_channel(&self) -> Result<Channel, BrokerError> {
        let mut open = self.open.lock().await;
        if let Some(connection) = open.as_ref().filter(|connection| connection.status().connected())
        {
            match answer("opening a channel", connection.create_channel()).await {
                Ok(channel) => return Ok(channel),
                Err(error) => {
                    tracing::debug!(error = %chassis::chain(&error), "the connection is given up");
                }
            }
        }
        self.note(None);
        *open = None;
        let properties =
            ConnectionProperties::default().with_connection_name(self.name.as_str().into());
        let connection =
            answer("connecting", Connection::connect_uri(self.uri.clone(), properties)).await?;
        let channel = answer("opening a channel", connection.create_channel()).await?;
        self.note(Some(connection.status().clone()));
        *open = Some(Arc::new(connection));
        tracing::debug!(direction = self.direction.as_str(), "connected to the broker");
        Ok(channel)
    }

    /// Whether the connection stands and may be written to.
    pub(crate) fn health(&self) -> Result<(), String> {
        let direction = self.direction.as_str();
        let status = self.status.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let connected = status.as_ref().is_some_and(ConnectionStatus::connected);
        metrics::set(
            Gauge::BrokerConnected,
            &[("direction", direction)],
            if connected { 1.0 } else { 0.0 },
        );
        match status {
            Some(status) if connected && status.blocked() => Err(format!(
                "the broker blocks the connection to {direction}: it is short of memory or disk"
            )),
            Some(_) if connected => Ok(()),
            Some(_) | None => Err(format!("not connected to {direction}")),
        }
    }

    /// Whether the broker takes nothing for now. Asking for a new connection would change nothing.
    pub(crate) fn is_blocked(&self) -> bool {
        let status = self.status.lock().unwrap_or_else(PoisonError::into_inner);
        status.as_ref().is_some_and(|status| status.connected() && status.blocked())
    }

    /// Says goodbye; what is unacknowledged goes back to the queues.
    pub(crate) async fn close(&self) {
        let connection = self.open.lock().await.take();
        self.note(None);
        if let Some(connection) = connection.filter(|connection| connection.status().connected()) {
            let closed =
                answer("closing the connection", connection.close(200, "bye".into())).await;
            if let Err(error) = closed {
                tracing::debug!(
                    error = %chassis::chain(&error),
                    "the connection ended without a goodbye"
                );
            }
        }
    }

    fn note(&self, status: Option<ConnectionStatus>) {
        *self.status.lock().unwrap_or_else(PoisonError::into_inner) = status;
    }
}

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Link({})", self.name)
    }
}
