//! Hands at a stack's broker, such as an operator has: takes a message out of a queue, changes it,
//! sends it again, listens to everything that is said.

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use contracts::{
    message::Kind,
    routing::{HEARD, Routing},
};
use lapin::{
    BasicProperties, Channel, Connection, ConnectionProperties,
    options::{
        BasicAckOptions, BasicGetOptions, BasicNackOptions, BasicPublishOptions,
        ConfirmSelectOptions, QueueBindOptions, QueueDeclareOptions,
    },
    types::{AMQPValue, FieldTable},
};

use crate::Stack;

/// How often an empty queue is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// A connection of one's own to a stack's broker.
pub struct Broker {
    /// Ends with its handle, and the channel with it.
    _connection: Connection,
    channel: Channel,
    routing: Routing,
}

/// A message as it lay in a queue.
#[derive(Debug, Clone)]
pub struct Letter {
    pub exchange: String,
    pub routing_key: String,
    properties: BasicProperties,
    pub body: Vec<u8>,
}

impl Letter {
    /// A message of nobody, without a header.
    #[must_use]
    pub fn garbage(body: &[u8]) -> Self {
        Self {
            exchange: String::new(),
            routing_key: String::new(),
            properties: BasicProperties::default().with_delivery_mode(2),
            body: body.to_vec(),
        }
    }

    /// A message with these headers.
    #[must_use]
    pub fn with_headers(body: &[u8], headers: &[(&str, &str)]) -> Self {
        let mut table = FieldTable::default();
        for (name, text) in headers {
            table.insert((*name).into(), AMQPValue::LongString((*text).into()));
        }
        let garbage = Self::garbage(body);
        Self { properties: garbage.properties.with_headers(table), ..garbage }
    }

    /// Everything that is written on it and in it, as text.
    #[must_use]
    pub fn whole(&self) -> String {
        let headers = self.properties.headers().as_ref().map(FieldTable::inner);
        let names = headers.into_iter().flatten().map(|(name, _)| name.as_str());
        let lines = names.map(|name| format!("{name}: {}\n", self.header(name)));
        let properties = format!("{:?}\n", self.properties);
        lines.collect::<String>() + &properties + &String::from_utf8_lossy(&self.body)
    }

    /// A header's text, empty when there is none.
    #[must_use]
    pub fn header(&self, name: &str) -> String {
        let headers = self.properties.headers().as_ref().map(FieldTable::inner);
        let value = headers.and_then(|headers| headers.get(name));
        let text = value.and_then(|value| value.as_long_string());
        text.map(|text| String::from_utf8_lossy(text.as_bytes()).into_owned()).unwrap_or_default()
    }
}

impl Broker {
    /// # Errors
    /// When the broker cannot be reached.
    pub async fn of(stack: &Stack) -> anyhow::Result<Self> {
        let (url, routing) = stack.amqp();
        Self::at(&url, routing).await
    }

    /// The broker at an address.
    ///
    /// # Errors
    /// When it cannot be reached.
    pub async fn at(url: &str, routing: Routing) -> anyhow::Result<Self> {
        let properties = ConnectionProperties::default().with_connection_name("onlooker".into());
        let connection = Connection::connect(url, properties).await.context("to the broker")?;
        let channel = connection.create_channel().await?;
        channel.confirm_select(ConfirmSelectOptions::default()).await?;
        Ok(Self { _connection: connection, channel, routing })
    }

    /// The names of the stack's queues and exchanges.
    #[must_use]
    pub fn routing(&self) -> &Routing {
        &self.routing
    }

    /// Takes the first message out of a queue that is wanted, and leaves the others there.
    ///
    /// # Errors
    /// When none came in time, or there is no such queue.
    pub async fn take(
        &self,
        queue: &str,
        within: Duration,
        wanted: impl Fn(&Letter) -> bool,
    ) -> anyhow::Result<Letter> {
        let until = Instant::now() + within;
        loop {
            let mut others = Vec::new();
            let mut found = None;
            while let Some((letter, tag)) = self.get(queue).await? {
                if wanted(&letter) {
                    self.channel.basic_ack(tag, BasicAckOptions::default()).await?;
                    found = Some(letter);
                    break;
                }
                others.push(tag);
            }
            for tag in others {
                let back = BasicNackOptions { requeue: true, ..Default::default() };
                self.channel.basic_nack(tag, back).await?;
            }
            if let Some(letter) = found {
                return Ok(letter);
            }
            ensure!(Instant::now() < until, "no such message in {queue} after {within:?}");
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Takes everything out of a queue.
    ///
    /// # Errors
    /// When there is no such queue.
    pub async fn drain(&self, queue: &str) -> anyhow::Result<Vec<Letter>> {
        let mut all = Vec::new();
        while let Some((letter, tag)) = self.get(queue).await? {
            self.channel.basic_ack(tag, BasicAckOptions::default()).await?;
            all.push(letter);
        }
        Ok(all)
    }

    async fn get(&self, queue: &str) -> anyhow::Result<Option<(Letter, u64)>> {
        let got = self.channel.basic_get(queue.into(), BasicGetOptions::default()).await?;
        let delivery = got.map(|message| message.delivery);
        Ok(delivery.map(|delivery| {
            let tag = delivery.delivery_tag;
            let letter = Letter {
                exchange: delivery.exchange.to_string(),
                routing_key: delivery.routing_key.to_string(),
                properties: delivery.properties,
                body: delivery.data,
            };
            (letter, tag)
        }))
    }

    /// Sends a message where it came from, with all its headers.
    ///
    /// # Errors
    /// When the broker does not take it.
    pub async fn send(&self, letter: &Letter) -> anyhow::Result<()> {
        self.publish(&letter.exchange, &letter.routing_key, letter).await
    }

    /// Puts a message straight into a queue.
    ///
    /// # Errors
    /// When the broker does not take it.
    pub async fn put(&self, queue: &str, letter: &Letter) -> anyhow::Result<()> {
        self.publish("", queue, letter).await
    }

    async fn publish(&self, exchange: &str, key: &str, letter: &Letter) -> anyhow::Result<()> {
        let confirm = self
            .channel
            .basic_publish(
                exchange.into(),
                key.into(),
                BasicPublishOptions::default(),
                &letter.body,
                letter.properties.clone(),
            )
            .await?;
        ensure!(confirm.await?.is_ack(), "the broker does not take a message to {exchange}:{key}");
        Ok(())
    }

    /// Keeps a copy of every command and event from now on; the name of the queue they are in.
    ///
    /// # Errors
    /// When the broker refuses.
    pub async fn listen(&self) -> anyhow::Result<String> {
        let queue = format!("{}onlooker", self.routing.queue(""));
        let declared = QueueDeclareOptions { exclusive: true, ..Default::default() };
        let none = FieldTable::default;
        self.channel.queue_declare(queue.as_str().into(), declared, none()).await?;
        let commands = HEARD.iter().flat_map(|(_role, heard)| heard.iter());
        let commands = commands.filter(|(kind, _)| *kind == Kind::Command).map(|(_, name)| *name);
        let keys = commands.map(|name| (self.routing.commands(), name));
        for (exchange, key) in keys.chain([(self.routing.events(), "#")]) {
            let bound = QueueBindOptions::default();
            let (queue, exchange) = (queue.as_str().into(), exchange.into());
            self.channel.queue_bind(queue, exchange, key.into(), bound, none()).await?;
        }
        Ok(queue)
    }

    /// How many messages wait in a queue for somebody to take them.
    ///
    /// # Errors
    /// When there is no such queue.
    pub async fn ready(&self, queue: &str) -> anyhow::Result<u32> {
        let look = QueueDeclareOptions { passive: true, ..Default::default() };
        let found = self.channel.queue_declare(queue.into(), look, FieldTable::default()).await?;
        Ok(found.message_count())
    }
}
