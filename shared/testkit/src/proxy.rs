//! A TCP way to a server that can be cut, refused, held, or made to swallow answers or both ways.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
    task::JoinHandle,
};

const PASS: u8 = 0;
const REFUSE: u8 = 1;
const SWALLOW: u8 = 2;
const ONE_WAY: u8 = 3;

type Watch = Arc<dyn Fn(&[u8]) -> bool + Send + Sync>;

/// What waits for a client to send something.
#[derive(Clone)]
struct Trap {
    marks: Watch,
    /// Whether the server gets what is sent.
    arrives: bool,
    /// Whether the way is down from then on, for everybody.
    falls: bool,
}

/// A way to one server.
pub struct Proxy {
    address: String,
    state: Arc<State>,
    accepting: JoinHandle<()>,
}

struct State {
    mode: AtomicU8,
    cuts: watch::Sender<u64>,
    trap: std::sync::Mutex<Option<Trap>>,
    lost: watch::Sender<u64>,
}

impl Proxy {
    /// A way to `server`, a host and a port.
    ///
    /// # Panics
    /// When no port can be opened.
    pub async fn to(server: &str) -> Self {
        Self::to_any(vec![server.to_owned()]).await
    }

    /// A way to whichever of several servers takes a connection, a later one of them for each new
    /// connection.
    ///
    /// # Panics
    /// When no port can be opened.
    pub async fn to_any(servers: Vec<String>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let state = Arc::new(State {
            mode: AtomicU8::new(PASS),
            cuts: watch::Sender::new(0),
            trap: std::sync::Mutex::default(),
            lost: watch::Sender::new(0),
        });
        let shared = Arc::clone(&state);
        let accepting = tokio::spawn(async move {
            for first in 0.. {
                let Ok((client, _from)) = listener.accept().await else { return };
                if shared.mode.load(Ordering::SeqCst) == REFUSE {
                    continue;
                }
                let mut servers = servers.clone();
                let count = servers.len();
                servers.rotate_left(first % count);
                tokio::spawn(carry(client, servers, Arc::clone(&shared)));
            }
        });
        Self { address, state, accepting }
    }

    /// Host and port to connect to.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Cuts every connection that is open; new ones are let through unless they are refused.
    pub fn cut(&self) {
        self.state.cuts.send_modify(|cuts| *cuts += 1);
    }

    /// Cuts every connection and lets no new one through.
    pub fn down(&self) {
        self.state.mode.store(REFUSE, Ordering::SeqCst);
        self.cut();
    }

    /// Lets everything through again.
    pub fn up(&self) {
        self.state.mode.store(PASS, Ordering::SeqCst);
    }

    /// Takes what clients and server send and passes none of it on, until [`Self::up`] and
    /// [`Self::cut`].
    pub fn swallow(&self) {
        self.state.mode.store(SWALLOW, Ordering::SeqCst);
    }

    /// Passes on what clients send, and none of what servers answer, until [`Self::up`] and
    /// [`Self::cut`].
    pub fn one_way(&self) {
        self.state.mode.store(ONE_WAY, Ordering::SeqCst);
    }

    /// The next time a client sends something that `marks` says yes to, the server gets it, the
    /// answer is swallowed, and the connection is cut. Once.
    ///
    /// # Panics
    /// Never.
    pub fn lose_answer_to(&self, marks: impl Fn(&[u8]) -> bool + Send + Sync + 'static) {
        let trap = Trap { marks: Arc::new(marks), arrives: true, falls: false };
        *self.state.trap.lock().unwrap() = Some(trap);
    }

    /// The next time a client sends something that `marks` says yes to, the way is down, as for a
    /// process that dies at that moment: before the server gets it, or before it answers.
    ///
    /// # Panics
    /// Never.
    pub fn fall_at(&self, arrives: bool, marks: impl Fn(&[u8]) -> bool + Send + Sync + 'static) {
        let trap = Trap { marks: Arc::new(marks), arrives, falls: true };
        *self.state.trap.lock().unwrap() = Some(trap);
    }

    /// How many answers were lost in one of these ways.
    #[must_use]
    pub fn answers_lost(&self) -> u64 {
        *self.state.lost.borrow()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
        self.cut();
    }
}

impl State {
    /// An answer is lost, and if the way is down, all that was open with it.
    fn lose(&self) {
        self.lost.send_modify(|lost| *lost += 1);
        if self.mode.load(Ordering::SeqCst) == REFUSE {
            self.cuts.send_modify(|cuts| *cuts += 1);
        }
    }
}

async fn carry(client: TcpStream, servers: Vec<String>, state: Arc<State>) {
    let mut connected = None;
    for server in servers {
        connected = TcpStream::connect(server).await.ok();
        if connected.is_some() {
            break;
        }
    }
    let Some(server) = connected else { return };
    drop((client.set_nodelay(true), server.set_nodelay(true)));
    let mut cuts = state.cuts.subscribe();
    cuts.borrow_and_update();
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let losing = watch::Sender::new(false);
    let lost = losing.subscribe();
    tokio::select! {
        _end = up_way(from_client, to_server, &state, &losing) => {}
        _end = down_way(from_server, to_client, &state, lost) => {}
        _cut = cuts.changed() => {}
    }
}

async fn up_way(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    state: &State,
    losing: &watch::Sender<bool>,
) -> io::Result<()> {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let count = from.read(&mut buffer).await?;
        if count == 0 {
            return Ok(());
        }
        if state.mode.load(Ordering::SeqCst) == SWALLOW {
            continue;
        }
        let trap = state.trap.lock().unwrap().clone();
        if let Some(trap) = trap.filter(|trap| (trap.marks)(&buffer[..count])) {
            *state.trap.lock().unwrap() = None;
            if trap.falls {
                state.mode.store(REFUSE, Ordering::SeqCst);
            }
            if !trap.arrives {
                state.lose();
                return Ok(());
            }
            losing.send_replace(true);
        }
        to.write_all(&buffer[..count]).await?;
    }
}

async fn down_way(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    state: &State,
    lost: watch::Receiver<bool>,
) -> io::Result<()> {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let count = from.read(&mut buffer).await?;
        if count == 0 {
            return Ok(());
        }
        if *lost.borrow() {
            // The server has answered, so it has done what it was asked.
            state.lose();
            return Ok(());
        }
        if !matches!(state.mode.load(Ordering::SeqCst), SWALLOW | ONE_WAY) {
            to.write_all(&buffer[..count]).await?;
        }
    }
}
