//! Names at the broker that belong to one test, and a look at what is there.

use chrono::Utc;
use contracts::{
    envelope::{SPEC_VERSION, header},
    ids::MessageId,
    message::Message,
    routing::Routing,
};
use lapin::{
    BasicProperties, Channel, Connection, ConnectionProperties,
    message::BasicGetMessage,
    options::{
        BasicGetOptions, BasicPublishOptions, ConfirmSelectOptions, QueueBindOptions,
        QueueDeclareOptions, QueueDeleteOptions,
    },
    types::{AMQPValue, FieldTable},
};
use secrecy::SecretString;
use serde_json::Value;

use crate::{blocking, infra::Infra};

/// What every name of one test begins with; queues and exchanges under it are deleted at the end.
pub struct Prefix(String);

impl Prefix {
    /// A prefix that nobody has used.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "each is another one")]
    pub fn new() -> Self {
        // Letters only: a long number in a name would be taken for somebody's.
        let letters = (0..12).map(|_| char::from(rand::random_range(b'a'..=b'z')));
        Self(format!("test-{}.", letters.collect::<String>()))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The names under it.
    #[must_use]
    pub fn routing(&self) -> Routing {
        Routing::with_prefix(&self.0)
    }

    /// The broker's address.
    #[must_use]
    pub fn amqp_url(&self) -> SecretString {
        Infra::get().amqp.clone().into()
    }

    /// A connection of the test's own.
    ///
    /// # Panics
    /// When the broker cannot be reached.
    pub async fn connect(&self) -> Broker {
        let name = format!("{}observer", self.0);
        let properties = ConnectionProperties::default().with_connection_name(name.into());
        let connection = Connection::connect(&Infra::get().amqp, properties)
            .await
            .expect("RabbitMQ answers; see scripts/lib/infra status");
        let channel = connection.create_channel().await.unwrap();
        channel.confirm_select(ConfirmSelectOptions::default()).await.unwrap();
        Broker { connection, channel }
    }

    /// What the management interface says of a queue, some seconds late.
    pub async fn queue_status(&self, queue: &str) -> Value {
        api("GET", &format!("queues/%2F/{}", escaped(queue))).await
    }

    /// Closes every connection whose name begins with the prefix, or with it and `role`, from the
    /// broker's side. Says how many. The management interface learns of connections late.
    ///
    /// # Panics
    /// When the management interface cannot be reached.
    pub async fn cut_connections(&self, role: &str) -> usize {
        let begin = format!("{}{role}", self.0);
        let mut cut = 0;
        for connection in api("GET", "connections").await.as_array().into_iter().flatten() {
            let given = connection["user_provided_name"].as_str().unwrap_or_default();
            if given.starts_with(&begin) && !given.ends_with("observer") {
                let name = connection["name"].as_str().unwrap();
                api("DELETE", &format!("connections/{}", escaped(name))).await;
                cut += 1;
            }
        }
        cut
    }
}

/// A test's own hands at the broker.
pub struct Broker {
    connection: Connection,
    /// A channel with confirmations on. A missing queue ends it.
    pub channel: Channel,
}

impl Broker {
    /// Publishes and waits for the confirmation.
    ///
    /// # Panics
    /// When the broker does not take it.
    pub async fn publish(&self, exchange: &str, key: &str, headers: FieldTable, body: &[u8]) {
        let properties = BasicProperties::default().with_delivery_mode(2).with_headers(headers);
        let options = BasicPublishOptions::default();
        let confirm = self
            .channel
            .basic_publish(exchange.into(), key.into(), options, body, properties)
            .await
            .unwrap();
        assert!(confirm.await.unwrap().is_ack(), "the broker took the message");
    }

    /// Says a message as a service would, and waits for the confirmation.
    ///
    /// # Panics
    /// When the broker does not take it.
    pub async fn say<M: Message + Sync>(
        &self,
        routing: &Routing,
        id: MessageId,
        attempt: u32,
        message: &M,
    ) {
        let mut headers = FieldTable::default();
        let mut put = |name: &str, text: String| {
            headers.insert(name.into(), AMQPValue::LongString(text.into()));
        };
        put(header::SPEC, SPEC_VERSION.to_owned());
        put(header::ID, id.to_string());
        put(header::TYPE, M::TYPE.to_owned());
        put(header::SOURCE, "test".to_owned());
        put(header::SUBJECT, message.subject().to_string());
        put(header::TIME, Utc::now().to_rfc3339());
        headers.insert(header::ATTEMPT.into(), AMQPValue::LongLongInt(attempt.into()));
        let body = serde_json::to_vec(message).unwrap();
        self.publish(&routing.exchange(M::KIND), M::TYPE, headers, &body).await;
    }

    /// Hears every message of a type from now on, in a queue of the test's own whose name it gives.
    ///
    /// # Panics
    /// When the broker refuses.
    pub async fn overhear<M: Message>(&self, prefix: &Prefix) -> String {
        let queue = format!("{}overheard.{}", prefix.0, M::TYPE);
        let declared = QueueDeclareOptions::default();
        self.channel
            .queue_declare(queue.as_str().into(), declared, FieldTable::default())
            .await
            .unwrap();
        let exchange = prefix.routing().exchange(M::KIND);
        let bound = QueueBindOptions::default();
        let (queue_name, key) = (queue.as_str().into(), M::TYPE.into());
        self.channel
            .queue_bind(queue_name, exchange.into(), key, bound, FieldTable::default())
            .await
            .unwrap();
        queue
    }

    /// Takes one message out of a queue.
    ///
    /// # Panics
    /// When the queue is not there.
    pub async fn take(&self, queue: &str) -> Option<BasicGetMessage> {
        let options = BasicGetOptions { no_ack: true };
        self.channel.basic_get(queue.into(), options).await.unwrap()
    }

    /// Waits for a message in a queue and takes it out.
    pub async fn wait_for(&self, queue: &str) -> BasicGetMessage {
        crate::until(&format!("a message in {queue}"), || self.take(queue)).await
    }

    /// How many messages are ready in a queue; none when there is no such queue.
    ///
    /// # Panics
    /// When the broker cannot be reached.
    pub async fn depth(&self, queue: &str) -> Option<u32> {
        let channel = self.connection.create_channel().await.unwrap();
        let options = QueueDeclareOptions { passive: true, ..Default::default() };
        let declared =
            channel.queue_declare(queue.into(), options, FieldTable::default()).await.ok()?;
        channel.close(200, "bye".into()).await.unwrap();
        Some(declared.message_count())
    }

    /// Deletes a queue with everything in it.
    ///
    /// # Panics
    /// When the broker refuses.
    pub async fn delete_queue(&self, queue: &str) {
        self.channel.queue_delete(queue.into(), QueueDeleteOptions::default()).await.unwrap();
    }

    /// A further channel.
    ///
    /// # Panics
    /// When the broker refuses.
    pub async fn channel(&self) -> Channel {
        self.connection.create_channel().await.unwrap()
    }
}

impl Drop for Prefix {
    fn drop(&mut self) {
        let prefix = std::mem::take(&mut self.0);
        blocking(async move {
            for kind in ["queues", "exchanges"] {
                for thing in
                    api("GET", &format!("{kind}/%2F")).await.as_array().into_iter().flatten()
                {
                    let name = thing["name"].as_str().unwrap_or_default();
                    if name.starts_with(&prefix) {
                        api("DELETE", &format!("{kind}/%2F/{}", escaped(name))).await;
                    }
                }
            }
        });
    }
}

/// Headers of text, for a message that no service of ours would say.
#[must_use]
pub fn headers(texts: &[(&str, &str)]) -> FieldTable {
    let mut headers = FieldTable::default();
    for (name, text) in texts {
        headers.insert((*name).into(), AMQPValue::LongString((*text).into()));
    }
    headers
}

/// One call of the management interface; null when there is none or it has no answer.
async fn api(method: &str, path: &str) -> Value {
    let base = Infra::get().rabbitmq_api.trim_end_matches('/');
    if base.is_empty() {
        return Value::Null;
    }
    let client = reqwest::Client::new();
    let method = method.parse().expect("a method");
    let Ok(answer) = client.request(method, format!("{base}/api/{path}")).send().await else {
        return Value::Null;
    };
    answer.json().await.unwrap_or(Value::Null)
}

fn escaped(name: &str) -> String {
    name.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' => {
                char::from(byte).to_string()
            }
            other => format!("%{other:02X}"),
        })
        .collect()
}

/// Host and port of the broker.
#[must_use]
pub fn server() -> String {
    split(&Infra::get().amqp).1.to_owned()
}

/// The broker's address, by way of a proxy.
#[must_use]
pub fn url_by(host_and_port: &str) -> SecretString {
    let (before, _host, after) = split(&Infra::get().amqp);
    format!("{before}{host_and_port}{after}").into()
}

/// An address around its host and port.
fn split(url: &str) -> (&str, &str, &str) {
    let begin = url.rfind('@').map_or_else(|| url.find("://").expect("a URL") + 3, |at| at + 1);
    let (before, rest) = url.split_at(begin);
    let (host, after) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    (before, host, after)
}
