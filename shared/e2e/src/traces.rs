//! Traces as a test and a person want them: received, kept, checked for missing hops, drawn.

mod complete;
mod conventions;
mod picture;
mod receive;
mod store;

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Serialize};

pub use complete::{Ended, complete, connected};
pub use conventions::unconventional;
pub use picture::{page, text};
pub use receive::router;
pub use store::Store;

/// One span, as it was received.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    pub trace_id: String,
    pub span_id: String,
    /// Nothing for the root of a trace.
    pub parent_id: Option<String>,
    pub name: String,
    /// `server`, `client`, `producer`, `consumer` or `internal`.
    pub kind: String,
    pub service: String,
    pub start_ns: u64,
    pub end_ns: u64,
    /// Whether its status is an error.
    pub failed: bool,
    pub attributes: BTreeMap<String, String>,
    /// What was logged in it, and why it failed.
    #[serde(default)]
    pub said: Vec<String>,
    pub links: Vec<Place>,
}

/// Where in which trace a span is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Place {
    pub trace_id: String,
    pub span_id: String,
}

impl Span {
    #[must_use]
    pub fn place(&self) -> Place {
        Place { trace_id: self.trace_id.clone(), span_id: self.span_id.clone() }
    }

    /// An attribute, empty when it is absent.
    #[must_use]
    pub fn attribute(&self, name: &str) -> &str {
        self.attributes.get(name).map_or("", String::as_str)
    }

    /// The spans it hangs on: its parent and what it is linked to.
    fn hangs_on(&self) -> impl Iterator<Item = Place> {
        let parent = self
            .parent_id
            .as_ref()
            .map(|parent| Place { trace_id: self.trace_id.clone(), span_id: parent.clone() });
        parent.into_iter().chain(self.links.iter().cloned())
    }
}

/// A client of the receiver.
#[derive(Debug, Clone)]
pub struct Traces {
    base: String,
    http: reqwest::Client,
}

impl Traces {
    /// # Panics
    /// When no HTTP client can be made.
    #[must_use]
    pub fn at(base: &str) -> Self {
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        Self { base: base.to_owned(), http }
    }

    /// Every span of every trace that names the booking or is linked with one that does.
    ///
    /// # Errors
    /// When the receiver is away.
    pub async fn of_booking(&self, booking_id: &str) -> anyhow::Result<Vec<Span>> {
        let reply =
            self.http.get(format!("{}/traces?booking={booking_id}", self.base)).send().await?;
        Ok(reply.error_for_status()?.json().await?)
    }

    /// Every span that was received lately.
    ///
    /// # Errors
    /// When the receiver is away.
    pub async fn all(&self) -> anyhow::Result<Vec<Span>> {
        let reply = self.http.get(format!("{}/spans", self.base)).send().await?;
        Ok(reply.error_for_status()?.json().await?)
    }

    /// The booking's spans once every hop that its end needs is there, or what is missing after
    /// `within`: services send their spans once a second.
    ///
    /// # Errors
    /// When the receiver is away.
    pub async fn complete_within(
        &self,
        booking_id: &str,
        ended: Ended,
        within: Duration,
    ) -> anyhow::Result<(Vec<Span>, Result<(), Vec<String>>)> {
        let until = std::time::Instant::now() + within;
        loop {
            let spans = self.of_booking(booking_id).await?;
            let verdict = complete(&spans, ended);
            if verdict.is_ok() || std::time::Instant::now() > until {
                return Ok((spans, verdict));
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
}

#[cfg(test)]
mod tests;
