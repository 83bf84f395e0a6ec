//! The accept loop: takes connections until the shutdown, then lets each finish what it began.

use std::{io, net::SocketAddr, pin::pin, sync::Arc, time::Duration};

use axum::{Router, body::Body, extract::ConnectInfo};
use http::Request;
use hyper::{body::Incoming, server::conn::http1};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpSocket, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    time::sleep,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::ServiceExt as _;

/// How long a client may take to send a request's head, idle time on a kept connection included.
///
/// Longer than our own clients keep an idle connection, so that they close first and never write
/// into one that is being closed.
const HEAD_WITHIN: Duration = Duration::from_secs(30);
/// How long to wait when the process is out of descriptors; taking more at once cannot help.
const BREATHE_FOR: Duration = Duration::from_millis(100);

/// Connections that may wait to be taken; the system's `net.core.somaxconn` bounds it too, and has
/// this value where nobody changed it. Of a burst that does not fit the system drops some without a
/// word: whoever connected tries again after a second, or sends into nothing for as long.
const WAITING_MAX: u32 = 4_096;

/// A socket that listens.
#[derive(Debug)]
pub struct Listener {
    listener: TcpListener,
    addr: SocketAddr,
}

/// An address cannot be listened on.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {addr}")]
pub struct CannotListen {
    /// The address.
    pub addr: SocketAddr,
    #[source]
    source: io::Error,
}

/// Listens on an address; port 0 takes a free one.
///
/// # Errors
///
/// [`CannotListen`] when the address is taken or not ours.
pub async fn bind(addr: SocketAddr) -> Result<Listener, CannotListen> {
    let refused = |source| CannotListen { addr, source };
    let listener = listen(addr).map_err(refused)?;
    let addr = listener.local_addr().map_err(refused)?;
    Ok(Listener { listener, addr })
}

fn listen(addr: SocketAddr) -> io::Result<TcpListener> {
    let socket = if addr.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // As the standard library does: a service that ends and begins again finds its port free.
    socket.set_reuseaddr(true)?;
    socket.bind(addr)?;
    socket.listen(WAITING_MAX)
}

impl Listener {
    /// Says where it listens.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }
}

/// Serves until the shutdown, then until every connection has ended.
pub(super) async fn run(
    Listener { listener, .. }: Listener,
    router: Router,
    connections_max: usize,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    let slots = Arc::new(Semaphore::new(connections_max));
    let connections = TaskTracker::new();
    loop {
        let accepted = tokio::select! {
            accepted = accept(&listener, &slots) => accepted?,
            () = shutdown.cancelled() => break,
        };
        match accepted {
            Ok((stream, peer, slot)) => {
                let served = connection(stream, peer, router.clone(), shutdown.clone());
                connections.spawn(async move {
                    served.await;
                    drop(slot);
                });
            }
            Err(error) if is_of_the_connection(&error) => {}
            Err(error) => {
                tracing::warn!(%error, "cannot take connections for a moment");
                sleep(BREATHE_FOR).await;
            }
        }
    }
    drop(listener);
    connections.close();
    connections.wait().await;
    Ok(())
}

type Accepted = io::Result<(TcpStream, SocketAddr, OwnedSemaphorePermit)>;

async fn accept(listener: &TcpListener, slots: &Arc<Semaphore>) -> anyhow::Result<Accepted> {
    let slot = Arc::clone(slots).acquire_owned().await?;
    Ok(listener.accept().await.map(|(stream, peer)| (stream, peer, slot)))
}

async fn connection(
    stream: TcpStream,
    peer: SocketAddr,
    router: Router,
    shutdown: CancellationToken,
) {
    // Answers are written whole, so waiting to fill a packet only costs 40 ms.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "a connection keeps Nagle's algorithm");
    }
    let service = router.map_request(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(ConnectInfo(peer));
        request.map(Body::new)
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_WITHIN)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(service));
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = shutdown.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        // The other side went away or spoke no HTTP: theirs to know.
        tracing::debug!(%error, "a connection ended early");
    }
}

fn is_of_the_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}
