//! Turns SIGTERM and SIGINT into a stream of names.

use std::io;

use tokio::{
    signal::unix::{SignalKind, signal},
    sync::mpsc,
};

/// Starts listening; every signal comes out by its name.
pub(super) fn listen() -> io::Result<mpsc::UnboundedReceiver<&'static str>> {
    let (sender, receiver) = mpsc::unbounded_channel();
    for (kind, name) in [(SignalKind::terminate(), "SIGTERM"), (SignalKind::interrupt(), "SIGINT")]
    {
        let mut signals = signal(kind)?;
        let sender = sender.clone();
        #[expect(
            clippy::disallowed_methods,
            reason = "the shutdown cannot wait for its own signals"
        )]
        tokio::spawn(async move {
            while signals.recv().await.is_some() && sender.send(name).is_ok() {}
        });
    }
    Ok(receiver)
}
