//! What support is told about messages that wait: at the broker, and here until it takes them.

use chrono::{DateTime, Utc};
use contracts::internal::OutboxReply;
use lapin::{options::QueueDeclareOptions, types::FieldTable};

use super::Messaging;
use crate::{
    connection::{BrokerError, answer},
    failure::{StoreError, database},
};

/// How full a queue is, and how many listen to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueStanding {
    /// Its name at the broker.
    pub queue: String,
    /// Messages that nobody has in hand.
    pub messages: u32,
    /// Who listens.
    pub consumers: u32,
}

impl Messaging {
    /// How full queues are, as the broker says; a queue that is not there is left out.
    ///
    /// # Errors
    /// When the broker cannot be reached.
    pub async fn queues(&self, names: &[String]) -> Result<Vec<QueueStanding>, BrokerError> {
        let mut found = Vec::with_capacity(names.len());
        let mut channel = self.inner.hear.channel().await?;
        for name in names {
            // A queue that is missing closes the channel on which it was asked for.
            if !channel.status().connected() {
                channel = self.inner.hear.channel().await?;
            }
            let options = QueueDeclareOptions { passive: true, ..Default::default() };
            let asked = channel.queue_declare(name.as_str().into(), options, FieldTable::default());
            if let Ok(queue) = answer("asking how full a queue is", asked).await {
                found.push(QueueStanding {
                    queue: name.clone(),
                    messages: queue.message_count(),
                    consumers: queue.consumer_count(),
                });
            }
        }
        if channel.status().connected() {
            answer("closing a channel", channel.close(200, "bye".into())).await?;
        }
        Ok(found)
    }

    /// What is committed here and should be at the broker by now.
    ///
    /// # Errors
    /// When the database fails.
    pub(super) async fn unsent(&self) -> Result<OutboxReply, StoreError> {
        let (due, oldest): (i64, Option<DateTime<Utc>>) = sqlx::query_as(
            "select count(*), min(available_at) from outbox where available_at <= holdfast_now()",
        )
        .fetch_one(self.pool())
        .await
        .map_err(database("counting what is not sent"))?;
        let owner = self.inner.speaker.service.to_owned();
        Ok(OutboxReply { owner, due: due.unsigned_abs(), oldest })
    }
}
