//! Publishes rows and says which of them the broker confirmed.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{MutexGuard, PoisonError},
    time::Instant,
};

use chassis::{
    metrics::{self, Counter, Histogram},
    trace::{self, TraceContext},
};
use contracts::{
    envelope::header,
    routing::{Heard, Routing},
};
use futures::future::join_all;
use lapin::{
    BasicProperties, Channel, Confirmation,
    options::{BasicPublishOptions, ConfirmSelectOptions},
    types::{AMQPValue, FieldTable, ShortString},
};
use serde_json::Value;
use tokio::{sync::Mutex, time::timeout};
use tracing::Span;
use uuid::Uuid;

use crate::{
    connection::{ANSWERS_WITHIN, BrokerError, Link, Server, answer},
    headers,
    outgoing::OutboxRow,
    topology::{self, Role},
};

/// Survives a restart of the broker. A dead-lettered copy keeps it, so it is set on every message.
const PERSISTENT: u8 = 2;

pub(crate) struct Publisher {
    server: Server,
    link: Link,
    routing: Routing,
    commands: String,
    events: String,
    dead: String,
    unroutable: String,
    channel: Mutex<Option<Channel>>,
    /// Types whose hearers have had their queues since the last new channel.
    heard: std::sync::Mutex<BTreeSet<&'static str>>,
    /// Held while queues are declared.
    seeing: Mutex<()>,
}

impl Publisher {
    pub(crate) fn new(link: Link, routing: Routing) -> Self {
        Self {
            server: link.server(),
            link,
            commands: routing.commands(),
            events: routing.events(),
            dead: routing.dead_exchange(),
            unroutable: routing.unroutable_exchange(),
            routing,
            channel: Mutex::default(),
            heard: std::sync::Mutex::default(),
            seeing: Mutex::default(),
        }
    }

    pub(crate) fn link(&self) -> &Link {
        &self.link
    }

    /// Whether rows could be sent now; opens a channel when there is none.
    pub(crate) async fn is_ready(&self) -> bool {
        if self.link.is_blocked() {
            return false;
        }
        match self.channel().await {
            Ok(_channel) => true,
            Err(error) => {
                tracing::debug!(error = %chassis::chain(&error), "messages wait for the broker");
                false
            }
        }
    }

    /// Publishes rows all at once and waits for their confirmations, but not for ever. Whatever
    /// went wrong, what is not in the answer was not confirmed, which says nothing about whether it
    /// arrived.
    pub(crate) async fn publish(&self, rows: &[OutboxRow]) -> Vec<Uuid> {
        if self.link.is_blocked() {
            return Vec::new();
        }
        let channel = match self.channel().await {
            Ok(channel) => channel,
            Err(error) => {
                tracing::debug!(error = %chassis::chain(&error), "messages wait for the broker");
                return Vec::new();
            }
        };
        let unheard = self.see_to_hearers(rows).await;
        let heard = |row: &&OutboxRow| !unheard.contains(row.routing_key.as_str());
        let rows: Vec<&OutboxRow> = rows.iter().filter(heard).collect();
        let begun = Instant::now();
        let mut confirmed = Vec::with_capacity(rows.len());
        // Polled in order, each is written to the connection before the next; nobody waits for the
        // one before.
        let sends = rows.iter().map(|&row| timeout(ANSWERS_WITHIN, self.send(&channel, row)));
        let mut broken = false;
        for (row, sent) in rows.iter().zip(join_all(sends).await) {
            match sent {
                Ok(Ok(Confirmation::Ack(None))) => confirmed.push(row.outbox_id),
                // It went to nobody, although somebody hears of it: their queues are made again.
                Ok(Ok(Confirmation::Ack(Some(_returned)))) => {
                    tracing::warn!(
                        message.r#type = row.routing_key,
                        "the queues of a message's hearers are gone; it will be sent again"
                    );
                    self.lock_heard().remove(row.routing_key.as_str());
                }
                // The broker took it not: a full queue, a lost leader. The channel is fine.
                Ok(Ok(Confirmation::Nack(_) | Confirmation::NotRequested)) => {}
                Ok(Err(error)) => {
                    tracing::debug!(error = %chassis::chain(&error), "a publication has no answer");
                    broken = true;
                }
                Err(_elapsed) => broken = true,
            }
        }
        if broken {
            tracing::warn!(
                count = rows.len() - confirmed.len(),
                "the broker did not confirm messages; they will be sent again"
            );
            self.give_up(&channel).await;
        }
        count(&rows, confirmed.len(), begun);
        confirmed
    }

    /// Declares the queues of the roles that hear these rows, once for each type. Says for which
    /// types that failed: their rows wait, and no others with them.
    ///
    /// An event is routed when it is published: a hearer that never ran yet would miss it for good.
    async fn see_to_hearers(&self, rows: &[OutboxRow]) -> BTreeSet<&'static str> {
        let mut failed = BTreeSet::new();
        if self.unheard(rows).is_empty() {
            return failed;
        }
        // Rows that come meanwhile wait: they would be published before these, and need the same.
        let _one_at_a_time = self.seeing.lock().await;
        for (_kind, name) in self.unheard(rows) {
            match self.declare_hearers(name).await {
                Ok(()) => drop(self.lock_heard().insert(name)),
                Err(error) => {
                    tracing::warn!(
                        error = %chassis::chain(&error),
                        message.r#type = name,
                        "messages wait until the queues of their hearers could be made"
                    );
                    failed.insert(name);
                }
            }
        }
        failed
    }

    async fn declare_hearers(&self, r#type: &str) -> Result<(), BrokerError> {
        for (role, heard) in contracts::routing::hearers(r#type) {
            let role = Role { name: role.to_owned(), bindings: heard.to_vec() };
            // On a channel of its own: what the broker refuses ends the channel.
            let channel = self.link.channel().await?;
            topology::declare_role(&channel, &self.routing, &role).await?;
            answer("closing a channel", channel.close(200, "bye".into())).await?;
        }
        Ok(())
    }

    /// The types of these rows whose hearers may have no queue yet.
    fn unheard(&self, rows: &[OutboxRow]) -> Vec<Heard> {
        let heard = self.lock_heard();
        let mut unheard: Vec<Heard> = Vec::new();
        for row in rows {
            let key = row.routing_key.as_str();
            if heard.contains(key) || unheard.iter().any(|(_, name)| *name == key) {
                continue;
            }
            let types = contracts::routing::hearers(key).flat_map(|(_, types)| types);
            unheard.extend(types.copied().find(|(_, name)| *name == key));
        }
        unheard
    }

    fn lock_heard(&self) -> MutexGuard<'_, BTreeSet<&'static str>> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn send(&self, channel: &Channel, row: &OutboxRow) -> lapin::Result<Confirmation> {
        let (Ok(exchange), Ok(routing_key)) = (
            ShortString::try_new(self.exchange_of(row)),
            ShortString::try_new(row.routing_key.as_str()),
        ) else {
            // Nothing that long comes over the wire, so a person wrote it into the table.
            tracing::error!(
                outbox.id = %row.outbox_id,
                "a message has an address that no broker takes"
            );
            return Ok(Confirmation::Nack(None));
        };
        let mut table = headers::to_wire(&row.headers);
        // Held until the confirmation, so that the span shows how long it took.
        let _span = hop(row, &self.server, &mut table);
        let properties = BasicProperties::default()
            .with_delivery_mode(PERSISTENT)
            .with_content_type("application/json".into())
            .with_message_id(row.message_id.to_string().into())
            .with_headers(table);
        // A command that nobody takes is parked by the broker; an event would be dropped.
        let mandatory = exchange.as_str() == self.events.as_str()
            && contracts::routing::hearers(&row.routing_key).next().is_some();
        let options = BasicPublishOptions { mandatory, ..BasicPublishOptions::default() };
        channel.basic_publish(exchange, routing_key, options, &row.body, properties).await?.await
    }

    /// The exchange to publish to: the row's own, when it is one of ours.
    ///
    /// The default exchange drops what it cannot route, and confirms it; the commands exchange
    /// reaches the same queues by name and parks the rest. An exchange that does not exist would
    /// end the channel, with everything on it.
    fn exchange_of<'a>(&'a self, row: &'a OutboxRow) -> &'a str {
        let ours = [&self.commands, &self.events, &self.dead, &self.unroutable];
        if row.exchange.is_empty() {
            &self.commands
        } else if ours.contains(&&row.exchange) {
            &row.exchange
        } else {
            &self.unroutable
        }
    }

    /// The channel in use, or a new one with confirmations switched on and the exchanges declared.
    async fn channel(&self) -> Result<Channel, BrokerError> {
        let mut open = self.channel.lock().await;
        if let Some(channel) = open.as_ref().filter(|channel| channel.status().connected()) {
            return Ok(channel.clone());
        }
        *open = None;
        let channel = self.link.channel().await?;
        // A broker that was away may have come back without its queues.
        self.lock_heard().clear();
        topology::declare_exchanges(&channel, &self.routing).await?;
        let confirming = channel.confirm_select(ConfirmSelectOptions::default());
        answer("asking for confirmations", confirming).await?;
        *open = Some(channel.clone());
        Ok(channel)
    }

    /// Drops a channel that did not answer, with all confirmations that it still owes.
    async fn give_up(&self, channel: &Channel) {
        let mut open = self.channel.lock().await;
        if open.as_ref() == Some(channel) {
            *open = None;
        }
        drop(open);
        if channel.status().connected() && !self.link.is_blocked() {
            let closed =
                answer("closing a channel", channel.close(200, "not answered".into())).await;
            if let Err(error) = closed {
                tracing::debug!(
                    error = %chassis::chain(&error),
                    "a channel ended without a goodbye"
                );
            }
        }
    }
}

/// Makes the hop visible: a span of its own under the one that said the message, and the receiver's
/// parent.
///
/// A dead letter keeps the context that it had; its way to the parker is no hop of the booking.
fn hop(row: &OutboxRow, server: &Server, table: &mut FieldTable) -> Option<Span> {
    let said = |name| row.headers.get(name).and_then(Value::as_str).map(str::to_owned);
    if row.headers.get(header::CAUSE).is_some() {
        return None;
    }
    let traceparent = said(header::TRACEPARENT)?;
    let span = tracing::info_span!(
        "send",
        otel.name = %format_args!("send {}:{}", row.exchange, row.routing_key),
        otel.kind = "producer",
        messaging.system = "rabbitmq",
        messaging.operation.name = "send",
        messaging.operation.r#type = "send",
        messaging.destination.name = %format_args!("{}:{}", row.exchange, row.routing_key),
        messaging.rabbitmq.destination.routing_key = row.routing_key,
        messaging.message.id = %row.message_id,
        messaging.message.body.size = row.body.len(),
        server.address = server.address,
        server.port = server.port,
    );
    if span.is_disabled() {
        return None;
    }
    trace::set_parent(&span, &TraceContext { traceparent, tracestate: said(header::TRACESTATE) });
    if let Some(context) = trace::of(&span) {
        let value = AMQPValue::LongString(context.traceparent.into());
        table.insert(header::TRACEPARENT.into(), value);
    }
    Some(span)
}

fn count(rows: &[&OutboxRow], confirmed: usize, begun: Instant) {
    metrics::observe(Histogram::PublishSeconds, &[], begun.elapsed());
    if confirmed < rows.len() {
        return;
    }
    let mut by_type: BTreeMap<&str, u64> = BTreeMap::new();
    for row in rows {
        let name = row.headers.get(header::TYPE).and_then(Value::as_str).unwrap_or("none");
        // Of what is sent back as it came anything may be the type.
        let known = contracts::routing::hearers(name).next().is_some();
        *by_type.entry(if known { name } else { "other" }).or_default() += 1;
    }
    for (name, count) in by_type {
        metrics::add(Counter::MessagesPublished, &[("type", name)], count);
    }
}
