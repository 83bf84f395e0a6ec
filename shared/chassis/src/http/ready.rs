//! `GET /ready`: whether this instance should be given work, and what it lacks.

use std::{collections::BTreeMap, fmt, future::Future, sync::Arc, time::Duration};

use axum::{Extension, response::IntoResponse};
use futures::future::{BoxFuture, join_all};
use http::StatusCode;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::process::Process;

/// A check that takes longer has failed: whoever asks gives up as well.
const CHECK_WITHIN: Duration = Duration::from_secs(2);

type Check = Arc<dyn Fn() -> BoxFuture<'static, Result<(), String>> + Send + Sync>;
type Detail = Arc<dyn Fn() -> BoxFuture<'static, Value> + Send + Sync>;

/// What must be well before an instance is ready, and what it tells besides.
#[derive(Clone, Default)]
pub struct Ready {
    checks: Vec<(&'static str, Check)>,
    details: Vec<(&'static str, Detail)>,
}

impl Ready {
    /// Begins with nothing: an instance that needs nothing is ready.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds something that must be well; the error says why it is not, without secrets.
    #[must_use]
    pub fn check<F, Fut>(mut self, name: &'static str, check: F) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), String>> + Send + 'static,
    {
        self.checks.push((name, Arc::new(move || Box::pin(check()))));
        self
    }

    /// Adds something worth knowing that decides nothing, such as the clock's offset.
    #[must_use]
    pub fn detail<F, Fut>(mut self, name: &'static str, detail: F) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Value> + Send + 'static,
    {
        self.details.push((name, Arc::new(move || Box::pin(detail()))));
        self
    }
}

impl fmt::Debug for Ready {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.checks.iter().map(|(name, _)| name).collect();
        f.debug_tuple("Ready").field(&names).finish()
    }
}

/// What the route needs.
#[derive(Clone)]
pub(super) struct State {
    service: &'static str,
    stopping: CancellationToken,
    ready: Arc<Ready>,
}

impl State {
    pub(super) fn new(process: &Process, ready: Ready) -> Self {
        let stopping = process.shutdown.clone();
        Self { service: process.name, stopping, ready: Arc::new(ready) }
    }
}

/// Runs all checks side by side and answers 200 or 503.
pub(super) async fn answer(Extension(state): Extension<State>) -> impl IntoResponse {
    let checks = state.ready.checks.iter().map(|(name, check)| async move {
        let checked = tokio::time::timeout(CHECK_WITHIN, check()).await;
        let late = || Err(format!("no answer within {CHECK_WITHIN:?}"));
        (*name, checked.unwrap_or_else(|_elapsed| late()))
    });
    let details = state.ready.details.iter().map(|(name, detail)| async move {
        let told = tokio::time::timeout(CHECK_WITHIN, detail()).await;
        (*name, told.unwrap_or(Value::Null))
    });
    let (checks, details) = futures::join!(join_all(checks), join_all(details));

    let stopping = state.stopping.is_cancelled();
    let ready = !stopping && checks.iter().all(|(_, checked)| checked.is_ok());
    let told = |checked: &Result<(), String>| match checked {
        Ok(()) => Value::from("ok"),
        Err(why) => Value::from(why.as_str()),
    };
    let checks: BTreeMap<_, _> = checks.iter().map(|(name, it)| (*name, told(it))).collect();
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let body = json!({
        "ready": ready,
        "service": state.service,
        "stopping": stopping,
        "checks": checks,
        "details": details.into_iter().collect::<BTreeMap<_, _>>(),
    });
    (status, axum::Json(body))
}
