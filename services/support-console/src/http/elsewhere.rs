//! Acts that another service does. The audit has each before that one is told, and how it ended
//! afterwards: whatever dies meanwhile, nothing is done that nobody is recorded for.

use chassis::{
    ApiError, FieldError,
    http_client::{CallError, HttpError},
};
use contracts::internal::Versioned;
use http::StatusCode;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use super::acting::Attempt;
use crate::App;

/// What is told to whom.
pub(crate) struct Told<B> {
    pub(crate) owner: &'static str,
    pub(crate) path: String,
    pub(crate) body: B,
}

/// Tells an owner to do something, to its end even if the caller goes away.
///
/// # Errors
/// What the owner refused, or that nobody knows whether it is done.
pub(crate) async fn tell<B, T>(app: &App, attempt: Attempt, told: Told<B>) -> Result<T, ApiError>
where
    B: Serialize + Send + Sync + 'static,
    T: DeserializeOwned + Versioned + Send + 'static,
{
    let app = app.clone();
    let tasks = app.tasks.clone();
    let done = tasks.to_the_end("tell an owner", async move { go(&app, &attempt, &told).await });
    done.await.unwrap_or_else(|| Err(ApiError::internal_logged()))
}

/// That an owner does not answer, so that nothing can be done.
pub(crate) fn silent(owner: &str) -> ApiError {
    ApiError::unavailable("owner_unavailable", format!("{owner} does not answer"))
}

async fn go<B: Serialize + Sync, T: DeserializeOwned + Versioned>(
    app: &App,
    attempt: &Attempt,
    told: &Told<B>,
) -> Result<T, ApiError> {
    attempt.begun().await?;
    let owner = told.owner;
    match app.owners.tell::<_, T>(owner, &told.path, &told.body).await {
        Some(Ok(answer)) => attempt.done_elsewhere(answer.versions()).await.map(|()| answer),
        Some(Err(error)) if may_be_done(&error) => {
            let detail = format!("{owner} does not say whether it is done: look at how it stands");
            let error = ApiError::unavailable("owner_unavailable", detail);
            Err(attempt.not_known(error).await)
        }
        Some(Err(error)) => Err(attempt.refused(said(owner, &error)).await),
        None => Err(attempt.refused(ApiError::not_found()).await),
    }
}

/// Whether the owner may have done it although it did not say so.
fn may_be_done(error: &CallError) -> bool {
    match error {
        CallError::NoAnswer(HttpError::NotSent { .. }) | CallError::NotWritable(_) => false,
        CallError::Refused { status, .. } => status.is_server_error(),
        _ => true,
    }
}

/// What the owner said, to whoever asked.
fn said(owner: &str, error: &CallError) -> ApiError {
    let CallError::Refused { status, problem } = error else { return silent(owner) };
    let text = |value: &Value, name: &str| {
        value.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    let detail = text(problem, "detail");
    match *status {
        StatusCode::CONFLICT => ApiError::conflict("not_safe_now", detail),
        StatusCode::NOT_FOUND => ApiError::not_found(),
        StatusCode::UNPROCESSABLE_ENTITY => {
            let errors = problem.get("errors").and_then(Value::as_array);
            let errors = errors.into_iter().flatten().map(|error| {
                FieldError::new(text(error, "pointer"), "invalid", text(error, "detail"))
            });
            let errors: Vec<_> = errors.collect();
            if errors.is_empty() {
                ApiError::unprocessable("refused_by_owner", detail)
            } else {
                ApiError::invalid(errors)
            }
        }
        _ => ApiError::unavailable("owner_unavailable", format!("{owner}: {status}")),
    }
}
