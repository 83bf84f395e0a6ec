//! The control interface of a supplier's double: what really exists, faults, units, plants.

use anyhow::Context as _;
use contracts::supplier::Supplier;
use serde::Deserialize;
use serde_json::{Value, json};

/// A supplier's double, steered and asked from outside.
#[derive(Debug, Clone)]
pub struct Double {
    base: String,
    http: reqwest::Client,
}

/// Everything that the supplier knows.
#[derive(Debug, Clone, Deserialize)]
pub struct SupplierTruth {
    pub reservations: Vec<Reservation>,
    pub requests: Vec<Request>,
}

/// A reservation that really exists.
#[derive(Debug, Clone, Deserialize)]
pub struct Reservation {
    pub reference: String,
    pub client_reference: Option<String>,
    /// `held`, `confirmed` or `cancelled`.
    pub state: String,
    pub check_in: String,
    pub check_out: String,
    pub guests: Vec<String>,
    pub price: Price,
}

/// What a reservation costs, as the supplier writes it.
#[derive(Debug, Clone, Deserialize)]
pub struct Price {
    pub amount: String,
    pub currency: String,
}

/// A request the supplier received.
#[derive(Debug, Clone, Deserialize)]
pub struct Request {
    pub at: String,
    pub operation: String,
    pub client_reference: Option<String>,
    pub reference: Option<String>,
    /// The HTTP status, or `no_answer`.
    pub status: Value,
}

impl Reservation {
    /// Whether it takes a room from somebody else.
    #[must_use]
    pub fn lives(&self) -> bool {
        self.state != "cancelled"
    }
}

impl SupplierTruth {
    /// The requests of one operation.
    #[must_use]
    pub fn requests_of(&self, operation: &str) -> Vec<&Request> {
        self.requests.iter().filter(|request| request.operation == operation).collect()
    }
}

impl Double {
    /// A supplier's double behind the doubles' base URL.
    ///
    /// # Panics
    /// When no HTTP client can be made.
    #[must_use]
    pub fn of(supplier: Supplier, doubles: &str) -> Self {
        let http = reqwest::Client::builder().no_proxy().build();
        Self { base: format!("{doubles}/{supplier}"), http: http.unwrap() }
    }

    /// # Errors
    /// When the doubles are away.
    pub async fn truth(&self) -> anyhow::Result<SupplierTruth> {
        let reply = self.http.get(format!("{}/truth", self.base)).send().await?;
        Ok(reply.error_for_status()?.json().await?)
    }

    /// The one reservation for a guest.
    ///
    /// # Errors
    /// When there is none or more than one.
    pub async fn reservation_of(&self, guest: &str) -> anyhow::Result<Reservation> {
        let all = self.truth().await?.reservations.into_iter();
        let own: Vec<_> = all.filter(|r| r.guests.iter().any(|name| name == guest)).collect();
        match <[Reservation; 1]>::try_from(own) {
            Ok([only]) => Ok(only),
            Err(own) => anyhow::bail!("{} reservations for {guest}", own.len()),
        }
    }

    /// Arms a fault for the next so many requests of an operation.
    ///
    /// # Errors
    /// When the doubles are away or know no such fault.
    pub async fn arm(
        &self,
        operation: &str,
        fault: &str,
        times: u32,
        after_ms: Option<u64>,
    ) -> anyhow::Result<()> {
        let mut body = json!({"operation": operation, "fault": fault, "times": times});
        if let Some(after) = after_ms {
            body["after_ms"] = json!(after);
        }
        self.post("faults", &body).await.map(drop)
    }

    /// # Errors
    /// When the doubles are away.
    pub async fn clear_faults(&self) -> anyhow::Result<()> {
        let reply = self.http.delete(format!("{}/faults", self.base)).send().await?;
        reply.error_for_status()?;
        Ok(())
    }

    /// So many units are left of every room of the property; `None` stops counting.
    ///
    /// # Errors
    /// When the doubles are away.
    pub async fn units(&self, property_id: &str, units: Option<u32>) -> anyhow::Result<()> {
        let body = json!({"property_id": property_id, "units": units});
        self.post("inventory", &body).await.map(drop)
    }

    /// Makes a reservation behind everybody's back; its reference.
    ///
    /// # Errors
    /// When the doubles are away.
    pub async fn plant(
        &self,
        client_reference: &str,
        days: (&str, &str),
    ) -> anyhow::Result<String> {
        let body = json!({
            "client_reference": client_reference, "check_in": days.0, "check_out": days.1,
        });
        let reply: Value = self.post("plant", &body).await?.json().await?;
        reply["reference"].as_str().map(str::to_owned).context("the double names no reference")
    }

    /// Something happens outside the API: `cancel` or `lapse`.
    ///
    /// # Errors
    /// When the doubles are away or know no such reservation.
    pub async fn act(&self, reference: &str, act: &str) -> anyhow::Result<()> {
        self.post("act", &json!({"reference": reference, "act": act})).await.map(drop)
    }

    /// The airline moves flights that were sold by so many hours.
    ///
    /// # Errors
    /// When the doubles are away or know no such order.
    pub async fn reschedule(&self, reference: &str, hours: i16) -> anyhow::Result<()> {
        let act = json!({"reference": reference, "act": "schedule_change", "hours": hours});
        self.post("act", &act).await.map(drop)
    }

    /// Pushes a callback about a reservation now, whatever is true of it.
    ///
    /// # Errors
    /// When the doubles are away or know no such kind of callback.
    pub async fn notify(&self, reference: &str, event_type: &str) -> anyhow::Result<()> {
        let body = json!({"reference": reference, "event_type": event_type});
        self.post("notify", &body).await.map(drop)
    }

    /// Pushes a callback that says more than it should.
    ///
    /// # Errors
    /// As [`Double::notify`].
    pub async fn notify_with(
        &self,
        reference: &str,
        event_type: &str,
        (email, message): (&str, &str),
    ) -> anyhow::Result<()> {
        let body = json!({
            "reference": reference, "event_type": event_type, "email": email, "message": message,
        });
        self.post("notify", &body).await.map(drop)
    }

    /// Pushes a callback that somebody else signed.
    ///
    /// # Errors
    /// As [`Double::notify`].
    pub async fn forge(&self, reference: &str, event_type: &str) -> anyhow::Result<()> {
        let body = json!({"reference": reference, "event_type": event_type, "forged": true});
        self.post("notify", &body).await.map(drop)
    }

    async fn post(&self, path: &str, body: &Value) -> anyhow::Result<reqwest::Response> {
        let reply = self.http.post(format!("{}/{path}", self.base)).json(body).send().await?;
        if reply.status().is_success() {
            return Ok(reply);
        }
        let status = reply.status();
        anyhow::bail!("{path}: {status}: {}", reply.text().await.unwrap_or_default())
    }
}
