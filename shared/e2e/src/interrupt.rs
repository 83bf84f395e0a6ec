//! What a long command does when whoever called it has had enough.

use anyhow::bail;
use tokio::signal::unix::{SignalKind, signal};

/// Works until all is done, or until the process is told to end: then what was started ends with
/// the work, which is dropped.
///
/// # Errors
/// When the work fails, or is cut short.
pub async fn or_interrupted<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let mut interrupted = signal(SignalKind::interrupt())?;
    let mut terminated = signal(SignalKind::terminate())?;
    tokio::select! {
        done = work => return done,
        _ = interrupted.recv() => {}
        _ = terminated.recv() => {}
    }
    bail!("cut short; what it started is ended");
}

#[cfg(test)]
mod tests {
    use std::{
        future::pending,
        process::Command,
        sync::atomic::{AtomicBool, Ordering},
    };

    use super::*;

    #[tokio::test]
    async fn whoever_is_told_to_end_drops_the_work_and_says_so() {
        static ENDED: AtomicBool = AtomicBool::new(false);
        struct Started;
        impl Drop for Started {
            fn drop(&mut self) {
                ENDED.store(true, Ordering::Relaxed);
            }
        }
        for name in ["-INT", "-TERM"] {
            ENDED.store(false, Ordering::Relaxed);
            let work = async {
                let _started = Started;
                let id = std::process::id().to_string();
                Command::new("kill").args([name, &id]).status()?;
                pending::<anyhow::Result<()>>().await
            };
            let told = or_interrupted(work).await.unwrap_err().to_string();
            assert!(told.contains("cut short"), "{told}");
            assert!(ENDED.load(Ordering::Relaxed), "{name}");
        }
        assert_eq!(or_interrupted(async { Ok(7) }).await.unwrap(), 7);
    }
}
