//! Waiting for a database that is away, with the deliveries in hand.

use std::time::{Duration, Instant};

use chassis::{CancellationToken, backoff::Backoff};
use sqlx::PgPool;

const PROBES: Backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(2));

/// Probes until the database answers. Says `false` when it did not within `down_for_max`, or the
/// process stops.
pub(crate) async fn wait_for_database(
    pool: &PgPool,
    down_for_max: Duration,
    stop: &CancellationToken,
) -> bool {
    let since = Instant::now();
    let mut probes = 0;
    loop {
        if sqlx::query("select 1").execute(pool).await.is_ok() {
            return true;
        }
        if since.elapsed() >= down_for_max || !PROBES.wait(probes, stop).await {
            return false;
        }
        probes = probes.saturating_add(1);
    }
}
