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

/// How one push goes out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pushed {
    pub(crate) after: Duration,
    /// It says the opposite of what happened.
    pub(crate) contradicting: bool,
    /// It is signed with a key that nobody has.
    pub(crate) forged: bool,
}

/// How late a late push is when nothing else is asked for.
const LATE_BY: Duration = Duration::from_secs(30);
/// How long one waits for the next to overtake it.
const REORDER_WITHIN: Duration = Duration::from_secs(2);

/// The pushes that become of one, with the fault of `callback` that strikes it.
pub(crate) fn pushes(fault: Option<Fault>) -> Vec<Pushed> {
    let plain = Pushed { after: Duration::ZERO, contradicting: false, forged: false };
    let Some(fault) = fault else { return vec![plain] };
    let after = |usual| Pushed { after: fault.after(usual), ..plain };
    match fault.name {
        "callback_missing" => Vec::new(),
        "callback_duplicate" => vec![plain, after(Duration::ZERO)],
        "callback_late" => vec![after(LATE_BY)],
        "callback_reordered" => vec![after(REORDER_WITHIN)],
        "callback_contradicting" => vec![Pushed { contradicting: true, ..after(Duration::ZERO) }],
        "callback_forged" => vec![Pushed { contradicting: true, forged: true, ..plain }, plain],
        _ => vec![plain],
    }
}

/// What every double of a supplier has, as far as its dialect has something that it could spoil.
const COMMON: [&str; 37] = [
    "timeout_before_commit",
    "timeout_after_commit",
    "reset_after_commit",
    "http_500_before",
    "http_500_after",
    "http_503",
    "http_504_after",
    "http_429",
    "accepted_202",
    "malformed_body",
    "truncated_body",
    "html_200",
    "huge_body",
    "wrong_dates",
    "wrong_guest",
    "wrong_price",
    "wrong_currency",
    "sold_out",
    "price_changed",
    "lookup_lag",
    "lookup_empty",
    "cancel_refused",
    "slow",
    "redirect",
    "commit_late",
    "created_twice",
    "lookup_stale",
    "wrong_reference",
    "hold_lapses",
    "confirm_refused",
    "duplicate_reference_400",
    "callback_duplicate",
    "callback_late",
    "callback_reordered",
    "callback_contradicting",
    "callback_forged",
    "callback_missing",
];

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
            let detail = match COMMON.contains(&asked.fault.as_str()) {
                true => "is a fault of other doubles: nothing in this dialect could fail so",
                false => "is no fault",
            };
            return self.unknown(&format!("`{}` {detail}", asked.fault));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_push_goes_out_as_its_fault_is_named() {
        let fault = |name| Some(Fault { name, after: Some(Duration::from_millis(5)) });
        let plain = Pushed { after: Duration::ZERO, contradicting: false, forged: false };
        let later = Pushed { after: Duration::from_millis(5), ..plain };
        for (name, expected) in [
            ("callback_missing", vec![]),
            ("callback_duplicate", vec![plain, later]),
            ("callback_late", vec![later]),
            ("callback_reordered", vec![later]),
            ("callback_contradicting", vec![Pushed { contradicting: true, ..later }]),
            ("callback_forged", vec![Pushed { contradicting: true, forged: true, ..plain }, plain]),
        ] {
            assert_eq!(pushes(fault(name)), expected, "{name}");
        }
        assert_eq!(pushes(None), [plain]);
        let usual = |name| pushes(Some(Fault { name, after: None }))[0].after;
        assert!(usual("callback_late") > usual("callback_reordered"));
        assert!(usual("callback_reordered") > Duration::ZERO);
    }
}
