//! What can go wrong on demand: faults armed per operation, taken one by one in the order they were
//! armed.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::time::Duration;

use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::control::problem;

/// One fault that a double knows, and the operations it makes sense for.
pub(crate) struct Offer {
    pub(crate) fault: &'static str,
    pub(crate) operations: &'static [&'static str],
}

/// A fault that strikes one request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fault {
    pub(crate) name: &'static str,
    after: Option<Duration>,
}

impl Fault {
    /// The pause that was asked for, or `default`.
    pub(crate) fn after(&self, default: Duration) -> Duration {
        self.after.unwrap_or(default)
    }

    /// The pause that was asked for, if one was.
    pub(crate) fn after_asked(&self) -> Option<Duration> {
        self.after
    }
}

/// The body of `POST /{double}/faults`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Arm {
    operation: Option<String>,
    fault: String,
    #[serde(default = "once")]
    times: u32,
    after_ms: Option<u64>,
}

fn once() -> u32 {
    1
}

/// A fault that waits for its requests.
#[derive(Clone, Serialize)]
struct Armed {
    operation: &'static str,
    fault: &'static str,
    times: u32,
    after_ms: Option<u64>,
}

/// All faults of one double that are armed now.
pub(crate) struct Board {
    offers: &'static [Offer],
    /// The operation that is meant where none is named.
    usual: Option<&'static str>,
    armed: Mutex<VecDeque<Armed>>,
}

impl Board {
    pub(crate) fn new(offers: &'static [Offer]) -> Self {
        Self { offers, usual: None, armed: Mutex::default() }
    }

    /// A board of a double that mostly does one thing: that is what a fault strikes when no
    /// operation is named.
    pub(crate) fn mostly(usual: &'static str, offers: &'static [Offer]) -> Self {
        Self { usual: Some(usual), ..Self::new(offers) }
    }

    /// Arms what `body` asks for and answers 204, or 400 with everything that can be armed.
    ///
    /// A double with a single operation does not need it named.
    pub(crate) fn arm(&self, body: &[u8]) -> Response {
        let asked: Arm = match crate::control::read(body) {
            Ok(asked) => asked,
            Err(answer) => return answer,
        };
        let Some(offer) = self.offers.iter().find(|offer| offer.fault == asked.fault) else {
            return self.unknown(&format!("there is no fault `{}`", asked.fault));
        };
        let operation = match (&asked.operation, offer.operations) {
            (None, [only]) => Some(*only),
            (None, operations) => self.usual.filter(|usual| operations.contains(usual)),
            (Some(name), operations) => operations.iter().copied().find(|known| known == name),
        };
        let Some(operation) = operation else {
            let named = asked.operation.as_deref().unwrap_or("none");
            return self.unknown(&format!("`{}` is no fault of operation `{named}`", asked.fault));
        };
        self.armed.lock().unwrap().push_back(Armed {
            operation,
            fault: offer.fault,
            times: asked.times,
            after_ms: asked.after_ms,
        });
        StatusCode::NO_CONTENT.into_response()
    }

    /// The fault that strikes the next request of `operation`, if one is armed.
    pub(crate) fn take(&self, operation: &str) -> Option<Fault> {
        let mut armed = self.armed.lock().unwrap();
        armed.retain(|entry| entry.times > 0);
        let entry = armed.iter_mut().find(|entry| entry.operation == operation)?;
        entry.times -= 1;
        Some(Fault { name: entry.fault, after: entry.after_ms.map(Duration::from_millis) })
    }

    /// Disarms everything.
    pub(crate) fn clear(&self) -> Response {
        self.armed.lock().unwrap().clear();
        StatusCode::NO_CONTENT.into_response()
    }

    /// What is armed now, and what can be.
    pub(crate) fn list(&self) -> Response {
        let armed: Vec<Armed> = self.armed.lock().unwrap().iter().cloned().collect();
        axum::Json(json!({ "armed": armed, "faults": self.catalogue() })).into_response()
    }

    fn unknown(&self, detail: &str) -> Response {
        let more = json!({ "faults": self.catalogue() });
        problem(StatusCode::BAD_REQUEST, "unknown-fault", detail, more)
    }

    fn catalogue(&self) -> serde_json::Value {
        let entry = |offer: &Offer| (offer.fault.to_owned(), json!(offer.operations));
        serde_json::Value::Object(self.offers.iter().map(entry).collect())
    }
}
