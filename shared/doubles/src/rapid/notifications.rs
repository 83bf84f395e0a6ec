//! Notifications: pushed when something changes, and fetched when the push was never taken.
//!
//! Published (notifications): the event types and the body; pushes for changes made *outside* the
//! API; undelivered ones by `GET /v3/notifications?undeliverable=true`, 25 a call, each returned
//! once. Assumed: that a push is signed by Standard Webhooks (how Rapid signs is not published),
//! that it is repeated with growing pauses, and pushes for changes made through the API too, so
//! that a receiver meets early, doubled and crossing ones.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::{Query, State};
use axum::response::Response;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};
use standardwebhooks::{
    HEADER_WEBHOOK_ID, HEADER_WEBHOOK_SIGNATURE, HEADER_WEBHOOK_TIMESTAMP, Webhook,
};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::Rapid;
use super::errors::{Wrong, invalid};
use super::exchange::{Answer, Subject, exchange};
use super::query::{Pairs, value};
use super::world::{Reservation, instant};
use crate::Life;
use crate::config::CallbackConfig;
use crate::faults::{Board, Fault};
use crate::outgoing::Outgoing;

/// The published event types that can be tested.
pub(super) const EVENT_TYPES: [&str; 6] = [
    "itinerary.agent.create",
    "itinerary.agent.change",
    "itinerary.agent.cancel",
    "itinerary.supplier.confirm",
    "itinerary.supplier.cancel",
    "itinerary.fraud.cancel",
];

/// Published: the most that one call returns.
const UNDELIVERED_PER_CALL: usize = 25;
/// Notifications of one itinerary keep their order; this many itineraries are pushed side by side.
const LANES: u64 = 16;
const PUSH_DEADLINE: Duration = Duration::from_secs(10);
/// How late a late callback is when nothing else is asked for.
const LATE_BY: Duration = Duration::from_secs(30);
/// How long a callback waits for one to overtake it.
const REORDER_WITHIN: Duration = Duration::from_secs(2);
/// How long after the one that overtook it.
const REORDER_GAP: Duration = Duration::from_millis(100);

/// Something to tell.
#[derive(Clone, Debug)]
pub(crate) struct Notice {
    pub(crate) reference: String,
    pub(crate) client_reference: Option<Arc<str>>,
    pub(crate) email: String,
    pub(crate) event_type: &'static str,
    /// In the place of the usual words.
    pub(crate) message: Option<String>,
}

impl Notice {
    pub(crate) fn about(reservation: &Reservation, event_type: &'static str) -> Self {
        Self {
            reference: reservation.reference.to_string(),
            client_reference: reservation.client_reference.clone(),
            email: reservation.email.clone(),
            event_type,
            message: None,
        }
    }

    /// The same itinerary, said to have become the opposite.
    fn contradicted(mut self) -> Self {
        self.event_type = match self.event_type {
            "itinerary.agent.create" | "itinerary.agent.change" | "itinerary.supplier.confirm" => {
                "itinerary.supplier.cancel"
            }
            _ => "itinerary.supplier.confirm",
        };
        self
    }

    fn message(&self) -> &str {
        if let Some(message) = &self.message {
            return message;
        }
        match self.event_type {
            "itinerary.agent.create" => "An agent created this itinerary.",
            "itinerary.agent.change" => "An agent changed this itinerary.",
            "itinerary.agent.cancel" => "An agent canceled one or more rooms on this itinerary.",
            "itinerary.supplier.confirm" => "The property confirmed this itinerary.",
            "itinerary.supplier.cancel" => {
                "The property canceled one or more rooms on this itinerary."
            }
            _ => "This itinerary was canceled.",
        }
    }
}

/// A notice made ready: its id and body stay the same over every repetition.
#[derive(Clone)]
struct Push {
    id: String,
    body: Bytes,
    forged: bool,
}

impl Push {
    fn of(notice: &Notice, forged: bool) -> Self {
        let id = uuid::Uuid::new_v4().to_string();
        let body = json!({
            "event_id": id,
            "event_type": notice.event_type,
            "event_time": instant(Utc::now()),
            "itinerary_id": notice.reference,
            "email": notice.email,
            "message": notice.message(),
            "affiliate_reference_id": notice.client_reference.as_deref().unwrap_or_default(),
        });
        Self { id, body: Bytes::from(body.to_string()), forged }
    }
}

/// Sends what it is told to the configured address, with the faults of `callback`.
#[derive(Clone)]
pub(crate) struct Notifier {
    told: UnboundedSender<(Notice, Manner)>,
    undelivered: Arc<Mutex<VecDeque<Bytes>>>,
}

/// How a notice goes out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    /// With whatever fault is armed.
    Usual,
    /// Just so, whatever is armed.
    Plain,
    /// Signed with a key that is not ours.
    Forged,
}

impl Notifier {
    /// Starts the tasks that push; without a configuration everything told is forgotten.
    ///
    /// # Errors
    /// When the secret is not base64.
    pub(crate) fn start(
        config: Option<CallbackConfig>,
        faults: Arc<Board>,
        life: &Life,
    ) -> anyhow::Result<Self> {
        let (told, hears) = unbounded_channel();
        let undelivered = Arc::new(Mutex::new(VecDeque::new()));
        if let Some(config) = config {
            let pusher = Arc::new(Pusher {
                signer: Webhook::new(&config.secret)?,
                forger: Webhook::from_bytes(b"a key of somebody else, 32 bytes".to_vec())?,
                config,
                outgoing: Outgoing::new(),
                undelivered: undelivered.clone(),
                life: life.clone(),
            });
            life.spawn(dispatch(pusher, faults, hears, life.clone()));
        }
        Ok(Self { told, undelivered })
    }

    pub(crate) fn tell(&self, notice: Notice, manner: Manner) {
        // Nobody listens when no address is configured.
        self.told.send((notice, manner)).ok();
    }

    fn take_undelivered(&self) -> Vec<Value> {
        let mut undelivered = self.undelivered.lock().unwrap();
        let count = undelivered.len().min(UNDELIVERED_PER_CALL);
        undelivered.drain(..count).filter_map(|body| serde_json::from_slice(&body).ok()).collect()
    }
}

/// Gives every notice to its lane, or does with it what the fault says.
async fn dispatch(
    pusher: Arc<Pusher>,
    faults: Arc<Board>,
    mut hears: UnboundedReceiver<(Notice, Manner)>,
    life: Life,
) {
    let lanes: Vec<UnboundedSender<Push>> = (0..LANES).map(|_| lane(&pusher, &life)).collect();
    let mut waiting: Option<Push> = None;
    let mut wait_until = tokio::time::Instant::now();
    loop {
        let heard = tokio::select! {
            heard = hears.recv() => heard,
            () = tokio::time::sleep_until(wait_until), if waiting.is_some() => {
                // Nothing came to overtake it.
                waiting.take().into_iter().for_each(|push| pusher.later(push, Duration::ZERO));
                continue;
            }
        };
        let Some((notice, manner)) = heard else { return };
        let fault = match manner {
            Manner::Usual => faults.take("callback"),
            Manner::Plain | Manner::Forged => None,
        };
        let overtaken = waiting.take();
        let number: u64 = notice.reference.parse().unwrap_or(0);
        let lane = &lanes[usize::try_from(number % LANES).unwrap_or(0)];
        match fault {
            Some(fault) if fault.name == "callback_reordered" => {
                waiting = Some(Push::of(&notice, false));
                wait_until = tokio::time::Instant::now() + fault.after(REORDER_WITHIN);
            }
            Some(fault) => pusher.faulty(notice, fault, lane),
            None => {
                lane.send(Push::of(&notice, manner == Manner::Forged)).ok();
            }
        }
        overtaken.into_iter().for_each(|push| pusher.later(push, REORDER_GAP));
    }
}

fn lane(pusher: &Arc<Pusher>, life: &Life) -> UnboundedSender<Push> {
    let (sends, mut takes) = unbounded_channel::<Push>();
    let pusher = pusher.clone();
    life.spawn(async move {
        while let Some(push) = takes.recv().await {
            if !pusher.push(&push).await {
                pusher.repeat(push);
            }
        }
    });
    sends
}

struct Pusher {
    config: CallbackConfig,
    signer: Webhook,
    forger: Webhook,
    outgoing: Outgoing,
    undelivered: Arc<Mutex<VecDeque<Bytes>>>,
    life: Life,
}

impl Pusher {
    fn faulty(self: &Arc<Self>, notice: Notice, fault: Fault, lane: &UnboundedSender<Push>) {
        match fault.name {
            "callback_duplicate" => {
                let push = Push::of(&notice, false);
                lane.send(push.clone()).ok();
                match fault.after_asked() {
                    Some(pause) => self.later(push, pause),
                    None => {
                        lane.send(push).ok();
                    }
                }
            }
            "callback_late" => self.later(Push::of(&notice, false), fault.after(LATE_BY)),
            "callback_contradicting" => {
                let push = Push::of(&notice.contradicted(), false);
                self.later(push, fault.after(Duration::ZERO));
            }
            "callback_forged" => {
                lane.send(Push::of(&notice.clone().contradicted(), true)).ok();
                lane.send(Push::of(&notice, false)).ok();
            }
            // Missing: never sent, and not among the undelivered either.
            _ => {}
        }
    }

    /// Pushes after `pause`, beside the lanes.
    fn later(self: &Arc<Self>, push: Push, pause: Duration) {
        let pusher = self.clone();
        self.life.spawn(async move {
            tokio::time::sleep(pause).await;
            if !pusher.push(&push).await {
                pusher.repeat(push);
            }
        });
    }

    /// Tries again with growing pauses; at the end it is undelivered.
    fn repeat(self: &Arc<Self>, push: Push) {
        let pusher = self.clone();
        self.life.spawn(async move {
            let mut pause = pusher.config.retry_after;
            for _ in 1..pusher.config.attempts {
                tokio::time::sleep(pause).await;
                if pusher.push(&push).await {
                    return;
                }
                pause = pause.saturating_mul(2);
            }
            pusher.undelivered.lock().unwrap().push_back(push.body);
        });
    }

    /// Pushes once; whether it needs no repetition. A forger does not try again.
    async fn push(&self, push: &Push) -> bool {
        let now: DateTime<Utc> = Utc::now();
        let signer = if push.forged { &self.forger } else { &self.signer };
        let Ok(signature) = signer.sign(&push.id, now.timestamp(), &push.body) else { return true };
        let timestamp = now.timestamp().to_string();
        let headers = [
            (HEADER_WEBHOOK_ID, push.id.as_str()),
            (HEADER_WEBHOOK_TIMESTAMP, timestamp.as_str()),
            (HEADER_WEBHOOK_SIGNATURE, signature.as_str()),
        ];
        let pushed =
            self.outgoing.post(&self.config.url, &headers, push.body.clone(), PUSH_DEADLINE).await;
        match pushed {
            Ok((status, _)) => status.is_success() || push.forged,
            Err(error) => {
                tracing::debug!(error = %error, "a notification was not taken");
                push.forged
            }
        }
    }
}

/// `GET /v3/notifications?undeliverable=true`
pub(super) async fn undelivered(
    State(rapid): State<Arc<Rapid>>,
    headers: HeaderMap,
    Query(query): Query<Pairs>,
) -> Response {
    exchange(rapid, "notifications", &headers, Subject::default(), move |rapid, _, _| {
        if value(&query, "undeliverable") != Some("true") {
            let message = "undeliverable must be true.";
            return invalid(vec![Wrong::new("undeliverable.required", message).field(
                "undeliverable",
                "querystring",
                Value::Null,
            )]);
        }
        Answer::of(StatusCode::OK, Value::Array(rapid.notifier.take_undelivered()))
    })
    .await
}

/// `POST /v3/notifications`: pushes a test notification.
pub(super) async fn test(
    State(rapid): State<Arc<Rapid>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    exchange(rapid, "notifications", &headers, Subject::default(), move |rapid, _, _| {
        let asked: Value = serde_json::from_slice(&body).unwrap_or_default();
        let known = EVENT_TYPES.into_iter().find(|known| asked["event_type"] == *known);
        let Some(event_type) = known else {
            let message =
                format!("Event type is not supported. Supported event types are: {EVENT_TYPES:?}");
            return invalid(vec![Wrong::new("event_type.not_supported", message).field(
                "event_type",
                "path",
                asked["event_type"].clone(),
            )]);
        };
        let notice = Notice {
            reference: "8999989898988".to_owned(),
            client_reference: None,
            email: "test@example.com".to_owned(),
            event_type,
            message: None,
        };
        rapid.notifier.tell(notice, Manner::Plain);
        Answer::empty(StatusCode::NO_CONTENT)
    })
    .await
}
