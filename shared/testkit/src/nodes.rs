//! Nodes that a test has for itself: started, waited for, killed with it.

use std::{
    net::{TcpListener, TcpStream},
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::infra::Infra;

/// A Redis of one test.
pub struct Redis {
    child: Child,
    port: u16,
    folder: PathBuf,
}

/// Starts a Redis that keeps nothing on disk.
///
/// # Panics
/// When it does not start.
#[must_use]
pub fn redis() -> Redis {
    Redis::start()
}

impl Redis {
    /// Starts a Redis that keeps nothing on disk.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn start() -> Self {
        let folder =
            std::env::temp_dir().join(format!("holdfast-redis-{:016x}", rand::random::<u64>()));
        std::fs::create_dir_all(&folder).unwrap();
        let (child, port) = start(|port| {
            let mut command = Command::new(&Infra::get().redis_server);
            command
                .args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no"])
                .args(["--maxmemory", "64mb", "--maxmemory-policy", "noeviction"])
                .args(["--port", &port.to_string()])
                .current_dir(&folder);
            command
        });
        Self { child, port, folder }
    }

    /// The address.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Kills it, as if the machine had lost power.
    ///
    /// # Panics
    /// When it cannot be killed.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        drop((self.child.kill(), self.child.wait()));
        drop(std::fs::remove_dir_all(&self.folder));
    }
}

/// An EVM node of one test.
pub struct Anvil {
    child: Child,
    port: u16,
}

impl Anvil {
    /// Starts a node of chain 31337 that mines each transaction at once; `finalized` is two blocks
    /// behind.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn start() -> Self {
        Self::of_chain(31_337)
    }

    /// Starts a node of another chain.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn of_chain(number: u64) -> Self {
        let number = number.to_string();
        let (child, port) = start(|port| {
            let mut command = Command::new(&Infra::get().anvil);
            command.args(["--host", "127.0.0.1", "--chain-id", &number, "--silent"]).args([
                "--slots-in-an-epoch",
                "1",
                "--port",
                &port.to_string(),
            ]);
            command
        });
        Self { child, port }
    }

    /// The address of its JSON-RPC.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Calls a method.
    ///
    /// # Panics
    /// When the node answers with an error.
    pub async fn rpc(&self, method: &str, params: Value) -> Value {
        let call = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        let answer = reqwest::Client::new().post(self.url()).json(&call).send().await.unwrap();
        let mut answer: Value = answer.json().await.unwrap();
        assert!(answer.get("error").is_none(), "{method}: {}", answer["error"]);
        answer["result"].take()
    }

    /// Mines blocks.
    pub async fn mine(&self, blocks: u64) {
        self.rpc("anvil_mine", json!([format!("0x{blocks:x}")])).await;
    }

    /// Replaces the last blocks by empty ones.
    pub async fn reorg(&self, depth: u64) {
        self.rpc("anvil_reorg", json!([depth, []])).await;
    }

    /// Whether each transaction is mined at once.
    pub async fn set_automine(&self, on: bool) {
        self.rpc("evm_setAutomine", json!([on])).await;
    }

    /// The number of the newest block.
    ///
    /// # Panics
    /// When the node answers with something else.
    pub async fn head(&self) -> u64 {
        let number = self.rpc("eth_blockNumber", json!([])).await;
        u64::from_str_radix(number.as_str().unwrap().trim_start_matches("0x"), 16).unwrap()
    }

    /// The accounts that the node can send from.
    ///
    /// # Panics
    /// When the node answers with something else.
    pub async fn accounts(&self) -> Vec<String> {
        let accounts = self.rpc("eth_accounts", json!([])).await;
        accounts
            .as_array()
            .unwrap()
            .iter()
            .map(|account| account.as_str().unwrap().to_owned())
            .collect()
    }
}

impl Drop for Anvil {
    fn drop(&mut self) {
        drop((self.child.kill(), self.child.wait()));
    }
}

/// Starts a program on a free port and waits until it listens. Another process may take the port
/// first: then again.
pub(crate) fn start(command: impl Fn(u16) -> Command) -> (Child, u16) {
    for _try in 0..5 {
        let port = free_port();
        let mut child = command(port).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(15) {
            if child.try_wait().unwrap().is_some() {
                break;
            }
            if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return (child, port);
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        drop((child.kill(), child.wait()));
    }
    panic!("the node did not start");
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
