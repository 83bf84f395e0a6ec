//! A stack for one test, and the waiting that all of them do.

use std::time::{Duration, Instant};

use e2e::{
    Options, Profile, Stack,
    gateway::describe,
    traveller::{Traveller, Trip},
};
use http::StatusCode;
use serde_json::json;
use sqlx::Connection as _;

/// Long enough for the slowest machine; nothing waits for it in vain but a test that fails.
pub(crate) const SOON: Duration = Duration::from_secs(40);

/// Short durations: locks of seconds.
pub(crate) async fn fast(name: &str) -> Stack {
    Stack::start(Options::test(name)).await.unwrap()
}

/// Short look-ups, with locks and payment windows of a minute.
pub(crate) async fn patient(name: &str) -> Stack {
    Stack::start(Options { profile: Profile::Demo, ..Options::test(name) }).await.unwrap()
}

/// The durations that ship.
pub(crate) async fn shipped(name: &str) -> Stack {
    Stack::start(Options { profile: Profile::Default, ..Options::test(name) }).await.unwrap()
}

/// Asks until the answer is there.
pub(crate) async fn until<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let until = Instant::now() + SOON;
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(Instant::now() < until, "not {what} within {SOON:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Cancels a confirmed booking, agreeing to what that costs.
pub(crate) async fn cancelled(ada: &Traveller, trip: &Trip) {
    let path = format!("/v1/bookings/{}/cancellation", trip.booking_id);
    let told = ada.gateway.post(&format!("{path}?quote=true"), &json!({})).await.unwrap().json();
    let agreed = json!({ "quote": told["quote"] });
    let answer = ada.gateway.post(&path, &agreed).await.unwrap();
    assert_eq!(answer.status, StatusCode::ACCEPTED, "{}", describe(&answer));
}

/// A service's clock goes on by so many days.
pub(crate) async fn days_pass(stack: &Stack, service: &str, days: i64) {
    minutes_ahead(stack, service, days * 24 * 60).await;
}

/// A service's clock is so many minutes ahead of the machine's.
pub(crate) async fn minutes_ahead(stack: &Stack, service: &str, minutes: i64) {
    let url = stack.database_url(service);
    let mut clock = sqlx::PgConnection::connect(&url).await.unwrap();
    sqlx::query("update holdfast_clock set ahead_by = $1 * interval '1 minute'")
        .bind(minutes)
        .execute(&mut clock)
        .await
        .unwrap();
}
