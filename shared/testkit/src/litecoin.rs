//! A node of the Bitcoin family that a test has for itself, with a wallet that has coins.

use std::{
    path::PathBuf,
    process::{Child, Command},
};

use serde_json::{Value, json};

use crate::{infra::Infra, nodes::start, until};

/// How the node says that it is not there yet.
const WARMING_UP: i64 = -28;

/// A Litecoin node in regtest: it speaks Bitcoin Core's JSON-RPC, and mines when it is told to.
pub struct Litecoin {
    child: Child,
    port: u16,
    folder: PathBuf,
    http: reqwest::Client,
}

impl Litecoin {
    /// The chain, as CAIP-2 writes it.
    pub const CHAIN: &str = "bip122:530827f38f93b43ed12af0b3ad25a288";

    /// Starts a node whose wallet can spend some thousand coins.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn start() -> Self {
        let folder =
            std::env::temp_dir().join(format!("holdfast-litecoin-{:016x}", rand::random::<u64>()));
        std::fs::create_dir_all(&folder).unwrap();
        let (child, port) = start(|port| {
            let mut command = Command::new(&Infra::get().litecoind);
            command
                .args(["-regtest", "-server=1", "-listen=0", "-dnsseed=0", "-discover=0"])
                .args([
                    "-upnp=0",
                    "-mempoolreplacement=1",
                    "-txindex=1",
                    "-fallbackfee=0.0002",
                    "-printtoconsole=0",
                ])
                .args(["-rpcbind=127.0.0.1", "-rpcallowip=127.0.0.1", "-rpcuser=test"])
                .args(["-rpcpassword=test".to_owned(), format!("-rpcport={port}")])
                .arg(format!("-datadir={}", folder.display()));
            command
        });
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let node = Self { child, port, folder, http };
        until("the node to be there", || async {
            let told = node.ask("createwallet", json!(["wallet"])).await;
            (told["error"]["code"] != WARMING_UP).then_some(())
        })
        .await;
        // What a block makes can be spent a hundred blocks later.
        node.mine(130).await;
        node
    }

    /// The address of its JSON-RPC, with the name and the word it wants.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://test:test@127.0.0.1:{}", self.port)
    }

    async fn ask(&self, method: &str, params: Value) -> Value {
        let call = json!({ "jsonrpc": "1.0", "id": 1, "method": method, "params": params });
        let answer = self.http.post(self.url()).json(&call).send().await.unwrap();
        answer.json().await.unwrap()
    }

    /// Calls a method.
    ///
    /// # Panics
    /// When the node answers with an error.
    pub async fn rpc(&self, method: &str, params: Value) -> Value {
        let mut answer = self.ask(method, params).await;
        assert!(answer["error"].is_null(), "{method}: {}", answer["error"]);
        answer["result"].take()
    }

    /// Calls a method whose answer is a text.
    ///
    /// # Panics
    /// When the node answers with something else.
    pub async fn text(&self, method: &str, params: Value) -> String {
        self.rpc(method, params).await.as_str().unwrap().to_owned()
    }

    /// Mines blocks with what waits.
    pub async fn mine(&self, blocks: u64) {
        let own = self.text("getnewaddress", json!(["", "bech32"])).await;
        self.mine_to(&own, blocks).await;
    }

    /// Mines blocks whose own coins go to an address.
    pub async fn mine_to(&self, address: &str, blocks: u64) {
        self.rpc("generatetoaddress", json!([blocks, address])).await;
    }

    /// Sends coins, a decimal text, in a transaction that may be replaced; says its id.
    pub async fn pay(&self, to: &str, coins: &str) -> String {
        self.text("sendtoaddress", json!([to, coins, "", "", false, true])).await
    }

    /// Drops the newest blocks; what was in them waits again.
    pub async fn reorg(&self, depth: u64) {
        let height = self.rpc("getblockcount", json!([])).await.as_u64().unwrap();
        let first = self.text("getblockhash", json!([height + 1 - depth])).await;
        self.rpc("invalidateblock", json!([first])).await;
    }
}

impl Drop for Litecoin {
    fn drop(&mut self) {
        drop((self.child.kill(), self.child.wait()));
        drop(std::fs::remove_dir_all(&self.folder));
    }
}
