//! What must be at the broker: exchanges, queues, bindings. Declared when a user begins, checked by
//! readiness.
//!
//! Only what RabbitMQ 3.10 to 4.x have in common. Queues are durable quorum queues.

use chassis::metrics::{self, Gauge};
use contracts::{message::Kind, routing::Routing};
use lapin::{
    Channel, ExchangeKind,
    options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions},
    types::{AMQPValue, FieldTable},
};

use crate::connection::{BrokerError, answer};

/// A last resort behind our own rules: a queue without a limit of its own gets 20 from newer
/// brokers.
const DELIVERIES_MAX: i64 = 10_000;
/// Nothing is behind a queue of dead letters: what a broker drops there is lost. So there is no
/// limit in practice.
const DELIVERIES_OF_DEAD_MAX: i64 = 1_000_000_000;

/// A consumer role at the broker: its queue, its dead letters, what it hears.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Role {
    pub(crate) name: String,
    pub(crate) bindings: Vec<(Kind, &'static str)>,
}

/// Declares the exchanges, and the queue of commands that nobody takes.
pub(crate) async fn declare_exchanges(
    channel: &Channel,
    routing: &Routing,
) -> Result<(), BrokerError> {
    let unroutable = routing.unroutable_exchange();
    exchange(channel, &unroutable, ExchangeKind::Fanout, FieldTable::default()).await?;
    // A command that nobody takes is an error that must show, so it waits where it is parked.
    let mut arguments = FieldTable::default();
    arguments.insert("alternate-exchange".into(), long_string(&unroutable));
    exchange(channel, &routing.commands(), ExchangeKind::Direct, arguments).await?;
    exchange(channel, &routing.events(), ExchangeKind::Topic, FieldTable::default()).await?;
    // No alternate here: what the broker cannot dead-letter stays in its queue.
    exchange(channel, &routing.dead_exchange(), ExchangeKind::Direct, FieldTable::default())
        .await?;
    let queue = routing.unroutable_queue();
    declare_queue(channel, &queue, parked_queue()).await?;
    bind(channel, &queue, &unroutable, "").await
}

/// Declares a role's queue and its queue of dead letters, and binds both.
///
/// Both are also bound to the commands exchange by their own names. Retries and dead letters that
/// we send go to one consumer by that address, and if its queue is missing they are unroutable and
/// parked, not lost.
pub(crate) async fn declare_role(
    channel: &Channel,
    routing: &Routing,
    role: &Role,
) -> Result<(), BrokerError> {
    let queue = routing.queue(&role.name);
    let dead = routing.dead_queue(&role.name);
    declare_queue(channel, &dead, parked_queue()).await?;
    bind(channel, &dead, &routing.dead_exchange(), &dead).await?;
    bind(channel, &dead, &routing.commands(), &dead).await?;
    declare_queue(channel, &queue, role_queue(routing, &dead)).await?;
    bind(channel, &queue, &routing.commands(), &queue).await?;
    for (kind, name) in &role.bindings {
        bind(channel, &queue, &routing.exchange(*kind), name).await?;
    }
    Ok(())
}

/// Checks that everything is there, without making anything, and shows how full the queues are. A
/// missing part closes the channel, so it is one that nobody else uses.
pub(crate) async fn check(
    channel: &Channel,
    routing: &Routing,
    roles: &[Role],
) -> Result<(), BrokerError> {
    let exchanges = [
        (routing.commands(), ExchangeKind::Direct),
        (routing.events(), ExchangeKind::Topic),
        (routing.dead_exchange(), ExchangeKind::Direct),
        (routing.unroutable_exchange(), ExchangeKind::Fanout),
    ];
    for (name, kind) in exchanges {
        let options = ExchangeDeclareOptions { passive: true, ..Default::default() };
        let declared = channel.exchange_declare(name.into(), kind, options, FieldTable::default());
        answer("looking for an exchange", declared).await?;
    }
    let roles =
        roles.iter().flat_map(|role| [routing.queue(&role.name), routing.dead_queue(&role.name)]);
    for name in std::iter::once(routing.unroutable_queue()).chain(roles) {
        let options = QueueDeclareOptions { passive: true, ..Default::default() };
        let declared = channel.queue_declare(name.as_str().into(), options, FieldTable::default());
        let depth = answer("looking for a queue", declared).await?.message_count();
        metrics::set(Gauge::QueueDepth, &[("queue", &name)], f64::from(depth));
    }
    Ok(())
}

/// A queue whose rejected or too often delivered messages go to `dead`, at least once: the broker
/// takes them from here only when they are there, and for that it must be allowed to refuse instead
/// of dropping when it is full.
fn role_queue(routing: &Routing, dead: &str) -> FieldTable {
    let mut arguments = quorum(DELIVERIES_MAX);
    arguments.insert("x-dead-letter-exchange".into(), long_string(&routing.dead_exchange()));
    arguments.insert("x-dead-letter-routing-key".into(), long_string(dead));
    arguments.insert("x-dead-letter-strategy".into(), long_string("at-least-once"));
    arguments.insert("x-overflow".into(), long_string("reject-publish"));
    arguments
}

fn parked_queue() -> FieldTable {
    quorum(DELIVERIES_OF_DEAD_MAX)
}

fn quorum(deliveries_max: i64) -> FieldTable {
    let mut arguments = FieldTable::default();
    arguments.insert("x-queue-type".into(), long_string("quorum"));
    arguments.insert("x-delivery-limit".into(), AMQPValue::LongLongInt(deliveries_max));
    arguments
}

fn long_string(text: &str) -> AMQPValue {
    AMQPValue::LongString(text.into())
}

async fn exchange(
    channel: &Channel,
    name: &str,
    kind: ExchangeKind,
    arguments: FieldTable,
) -> Result<(), BrokerError> {
    let options = ExchangeDeclareOptions { durable: true, ..Default::default() };
    answer("declaring an exchange", channel.exchange_declare(name.into(), kind, options, arguments))
        .await
}

async fn declare_queue(
    channel: &Channel,
    name: &str,
    arguments: FieldTable,
) -> Result<(), BrokerError> {
    let options = QueueDeclareOptions { durable: true, ..Default::default() };
    answer("declaring a queue", channel.queue_declare(name.into(), options, arguments))
        .await
        .map(drop)
}

async fn bind(channel: &Channel, queue: &str, from: &str, key: &str) -> Result<(), BrokerError> {
    let bound = channel.queue_bind(
        queue.into(),
        from.into(),
        key.into(),
        QueueBindOptions::default(),
        FieldTable::default(),
    );
    answer("binding a queue", bound).await
}
