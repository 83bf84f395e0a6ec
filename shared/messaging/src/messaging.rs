//! One per process: the way to hear and to speak.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::Context as _;
use chassis::{
    CancellationToken, Process,
    metrics::{self, Gauge},
};
use contracts::{policy, routing::Routing};
use secrecy::SecretString;
use sqlx::PgPool;
use tokio_util::task::TaskTracker;

use crate::{
    connection::{Direction, Link},
    consumer::Listener,
    database::clock_offset,
    desk::{Desk, Rehearses},
    failure::{StoreError, database},
    handles::{Handles, Parks},
    inbox,
    job::{Step, job},
    outgoing::{OutboxRow, Outgoing},
    parker::Parker,
    publisher::Publisher,
    relay::{self, Relay},
    speaker::Speaker,
    subscription::Consumers,
    topology::{self, Role},
    tx::Tx,
};

mod retrying;
mod standing;
mod support;

pub use standing::QueueStanding;

/// How one process speaks and hears.
#[derive(Debug, Clone)]
pub struct MessagingConfig {
    /// Who says what this process says.
    pub service: &'static str,
    /// The broker.
    pub amqp_url: SecretString,
    /// What every name at the broker begins with: nothing in production, something of its own in a
    /// test.
    pub prefix: String,
    /// Deliveries that may be in hand.
    pub prefetch: u16,
    /// Batches, retries, leases.
    pub policy: policy::Messaging,
}

/// How long the topology is taken for what it was when it was last looked at.
const TOPOLOGY_IS_FRESH_FOR: Duration = Duration::from_secs(1);
/// A relay that is this far behind is not ready.
const LAG_MAX: Duration = Duration::from_secs(60);
/// Redeliveries and replays may come this late, and no later.
const REMEMBERED_FOR_DAYS: i32 = 90;
const MEASURE_EVERY: Duration = Duration::from_secs(5);
const FORGET_EVERY: Duration = Duration::from_secs(600);

/// The way to hear and to speak. Cheap to clone.
#[derive(Clone)]
pub struct Messaging {
    inner: Arc<Inner>,
}

struct Inner {
    speaker: Arc<Speaker>,
    relay: Arc<Relay>,
    hear: Arc<Link>,
    process: Process,
    consumers: TaskTracker,
    prefetch: u16,
    policy: policy::Messaging,
    roles: Mutex<Vec<Role>>,
    listening: Mutex<Vec<Arc<AtomicBool>>>,
    /// The desks of the roles that this process knows, for previews.
    desks: Mutex<BTreeMap<&'static str, Arc<dyn Rehearses>>>,
    topology: tokio::sync::Mutex<Option<(Instant, Result<(), String>)>>,
}

impl Messaging {
    /// Starts the relay: what is committed is published from now on. The broker need not be there
    /// yet.
    ///
    /// # Errors
    /// When the broker's address is not one.
    pub async fn start(
        config: MessagingConfig,
        pool: PgPool,
        process: &Process,
    ) -> anyhow::Result<Self> {
        let name = format!("{}{}", config.prefix, config.service);
        let link = |direction| {
            Link::new(&config.amqp_url, &name, direction).context("reading the broker's address")
        };
        let routing = Routing::with_prefix(&config.prefix);
        let publisher = Publisher::new(link(Direction::Speak)?, routing.clone());
        let hear = Arc::new(link(Direction::Hear)?);
        let server = hear.server();
        // The exchanges are there before the first consumer binds to them, if the broker is.
        if !Box::pin(publisher.is_ready()).await {
            tracing::warn!("the broker is not there yet; what is said waits in the outbox");
        }
        let (relay, inlets) = Relay::new(pool, publisher, config.policy.sweep_after);
        let relay = Arc::new(relay);
        let consumers = TaskTracker::new();
        let running =
            relay::run(Arc::clone(&relay), inlets, consumers.clone(), process.shutdown.clone());
        let hearing = Arc::clone(&hear);
        process.tasks.spawn("relay", async move {
            running.await;
            hearing.close().await;
            Ok(())
        });
        let inner = Inner {
            speaker: Arc::new(Speaker { service: config.service, routing, server }),
            relay,
            hear,
            process: process.clone(),
            consumers,
            prefetch: config.prefetch,
            policy: config.policy,
            roles: Mutex::default(),
            listening: Mutex::default(),
            desks: Mutex::default(),
            topology: tokio::sync::Mutex::default(),
        };
        let messaging = Self { inner: Arc::new(inner) };
        let measured = messaging.clone();
        job(process, "measure messaging", MEASURE_EVERY, move || {
            let messaging = measured.clone();
            async move { messaging.inner.measure().await }
        });
        let pool = messaging.pool().clone();
        job(process, "forget messages", FORGET_EVERY, move || {
            let pool = pool.clone();
            async move { inbox::forget(&pool, REMEMBERED_FOR_DAYS).await.map(Step::of) }
        });
        Ok(messaging)
    }

    /// Begins a unit of work. May be cancelled at any point.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn begin(&self) -> Result<Tx, StoreError> {
        Tx::begin(Arc::clone(&self.inner.speaker), Arc::clone(&self.inner.relay)).await
    }

    /// The pool.
    #[must_use]
    pub fn pool(&self) -> &PgPool {
        self.inner.relay.pool()
    }

    /// The names at the broker.
    #[must_use]
    pub fn routing(&self) -> &Routing {
        &self.inner.speaker.routing
    }

    /// How long a fresh row belongs to the memory path: what a statement that writes the outbox
    /// itself adds to the time.
    #[must_use]
    pub fn sweep_after(&self) -> Duration {
        self.inner.relay.sweep_after()
    }

    /// The outbox row of a message, for a service that writes it in a statement of its own.
    #[must_use]
    pub fn row(&self, message: Outgoing) -> OutboxRow {
        self.inner.speaker.row(message)
    }

    /// Takes rows that a service wrote itself, after it committed them. Never blocks; what does not
    /// fit into memory is found by the sweep.
    pub fn committed(&self, rows: Vec<OutboxRow>) {
        self.inner.relay.committed(rows);
    }

    /// Hears what is in the list, until the process stops.
    ///
    /// The role's queue and bindings are declared when it begins to listen, and by whoever says
    /// what it hears, so that nothing is missed. For a role that `contracts::routing` does not list
    /// only the first holds: an event that is published before has no listener and is gone.
    pub fn consume<H: Handles>(&self, consumers: Consumers<H::Inbound>, handler: H) {
        let role = Role { name: consumers.role().to_owned(), bindings: consumers.bindings() };
        if let Err(wrong) = consumers.check() {
            self.inner.process.tasks.spawn("consumer", async move { anyhow::bail!(wrong) });
            return;
        }
        lock(&self.inner.roles).push(role.clone());
        let stop = self.inner.process.shutdown.clone();
        let queue = self.inner.speaker.routing.queue(consumers.role());
        let desk = self.desk(role, consumers, handler);
        let listener = self.listener(queue, stop);
        self.spawn(listener.run(desk));
    }

    /// Knows how to handle what is in the list, without hearing it: for an instance that only
    /// answers requests, previews among them.
    pub fn know<H: Handles>(&self, consumers: Consumers<H::Inbound>, handler: H) {
        let role = Role { name: consumers.role().to_owned(), bindings: consumers.bindings() };
        drop(self.desk(role, consumers, handler));
    }

    fn desk<H: Handles>(
        &self,
        role: Role,
        heard: Consumers<H::Inbound>,
        handler: H,
    ) -> Arc<Desk<H>> {
        let name = heard.role();
        let desk = Arc::new(Desk {
            speaker: Arc::clone(&self.inner.speaker),
            relay: Arc::clone(&self.inner.relay),
            policy: self.inner.policy.clone(),
            role,
            heard,
            handler,
            stop: self.inner.process.shutdown.clone(),
        });
        lock(&self.inner.desks).insert(name, Arc::clone(&desk) as Arc<dyn Rehearses>);
        desk
    }

    /// Keeps every delivery of some queues, until the process stops: the dead-letter queues of
    /// roles, and the queue of unroutable commands.
    pub fn park<P: Parks>(&self, queues: Vec<String>, parker: P) {
        let parker = Arc::new(parker);
        let routing = &self.inner.speaker.routing;
        for queue in queues {
            let of = contracts::routing::CONSUMERS
                .into_iter()
                .find(|name| routing.dead_queue(name) == queue);
            let role = of.map(|name| Role { name: name.to_owned(), bindings: Vec::new() });
            let stop = self.inner.process.shutdown.clone();
            let settles = Parker {
                speaker: Arc::clone(&self.inner.speaker),
                queue: queue.clone(),
                role,
                parker: Arc::clone(&parker),
                stop: stop.clone(),
            };
            let listener = self.listener(queue, stop);
            self.spawn(listener.run(settles));
        }
    }

    /// What readiness asks: each part by name, and what is wrong with it.
    pub async fn ready(&self) -> Vec<(&'static str, Result<(), String>)> {
        let relay = match self.inner.relay.lag().await {
            Ok(lag) if lag.overdue <= LAG_MAX => Ok(()),
            Ok(lag) => {
                Err(format!("{} messages wait, the first for {} s", lag.due, lag.overdue.as_secs()))
            }
            Err(error) => Err(error.to_string()),
        };
        vec![
            ("broker.speak", self.inner.relay.link().health()),
            ("broker.hear", self.inner.hearing()),
            ("broker.topology", self.inner.topology().await),
            ("relay", relay),
        ]
    }

    /// Waits until every consumer that was started can get deliveries: from then on no event is
    /// missed.
    pub async fn listening(&self) {
        while !lock(&self.inner.listening).iter().all(|flag| flag.load(Ordering::Relaxed)) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// One sweep of the outbox: publishes what is due and was left behind.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn relay_step(&self) -> Result<Step, StoreError> {
        self.inner.relay.step().await
    }

    fn listener(&self, queue: String, stop: CancellationToken) -> Listener {
        let listening = Arc::new(AtomicBool::new(false));
        lock(&self.inner.listening).push(Arc::clone(&listening));
        Listener {
            link: Arc::clone(&self.inner.hear),
            queue,
            prefetch: self.inner.prefetch,
            batch_max: usize::from(self.inner.policy.batch_max),
            batch_wait: self.inner.policy.batch_wait,
            stop,
            listening,
        }
    }

    fn spawn(&self, listening: impl Future<Output = ()> + Send + 'static) {
        let listening = self.inner.consumers.track_future(listening);
        self.inner.process.tasks.spawn("consumer", async move {
            listening.await;
            Ok(())
        });
    }
}

impl Inner {
    /// Shows what an operator watches, and makes again what is missing at the broker.
    async fn measure(&self) -> Result<Step, StoreError> {
        // Both say themselves what is wrong, and show it.
        drop((self.hearing(), self.relay.link().health(), self.topology().await));
        self.relay.lag().await?;
        let pool = self.relay.pool();
        let idle = u32::try_from(pool.num_idle()).unwrap_or(u32::MAX);
        let used = pool.size().saturating_sub(idle);
        metrics::set(Gauge::PoolConnections, &[("state", "idle")], f64::from(idle));
        metrics::set(Gauge::PoolConnections, &[("state", "used")], f64::from(used));
        let mut connection =
            pool.acquire().await.map_err(database("reading the clock's offset"))?;
        let offset =
            clock_offset(&mut connection).await.map_err(database("reading the clock's offset"))?;
        metrics::set(Gauge::ClockOffset, &[], offset.as_seconds_f64());
        Ok(Step::Idle)
    }

    fn hearing(&self) -> Result<(), String> {
        let listening = lock(&self.listening);
        if listening.is_empty() {
            return Ok(());
        }
        if listening.iter().all(|flag| flag.load(Ordering::Relaxed)) {
            return self.hear.health();
        }
        Err("a consumer does not listen".to_owned())
    }

    /// Whether exchanges and queues are there. What is missing is made again, and is missing until
    /// the next look.
    async fn topology(&self) -> Result<(), String> {
        // Whoever begins to listen declares; before that there is nothing to miss.
        self.hearing()?;
        let mut last = self.topology.lock().await;
        if let Some((at, known)) = last.as_ref()
            && at.elapsed() < TOPOLOGY_IS_FRESH_FOR
        {
            return known.clone();
        }
        let checked =
            self.check_topology().await.map_err(|error| chassis::chain(&error).to_string());
        if let Err(missing) = &checked {
            tracing::warn!(error = missing, "the broker has not got all that is needed");
            self.declare_topology().await;
        }
        *last = Some((Instant::now(), checked.clone()));
        checked
    }

    async fn check_topology(&self) -> Result<(), crate::connection::BrokerError> {
        let roles = lock(&self.roles).clone();
        let channel = self.hear.channel().await?;
        let checked = topology::check(&channel, &self.speaker.routing, &roles).await;
        if channel.status().connected() {
            crate::connection::answer("closing a channel", channel.close(200, "bye".into()))
                .await?;
        }
        checked
    }

    async fn declare_topology(&self) {
        let roles = lock(&self.roles).clone();
        let declaring = async {
            let channel = self.hear.channel().await?;
            topology::declare_exchanges(&channel, &self.speaker.routing).await?;
            for role in &roles {
                topology::declare_role(&channel, &self.speaker.routing, role).await?;
            }
            crate::connection::answer("closing a channel", channel.close(200, "bye".into())).await
        };
        if let Err(error) = declaring.await {
            tracing::warn!(error = %chassis::chain(&error), "what is missing could not be made");
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl std::fmt::Debug for Messaging {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Messaging({})", self.inner.speaker.service)
    }
}
