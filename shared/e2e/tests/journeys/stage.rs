//! A stack for one test, and the waiting that all of them do.

use std::time::{Duration, Instant};

use e2e::{Options, Profile, Stack};

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
