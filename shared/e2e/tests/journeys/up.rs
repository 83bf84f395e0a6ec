//! `up` as a person calls it: again, after a crash, and where the machine does not give what is
//! needed.

use std::{
    fs::Permissions,
    net::TcpListener,
    os::unix::fs::{PermissionsExt as _, symlink},
    path::{Path, PathBuf},
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use contracts::routing::Routing;
use e2e::{
    Endpoints, SERVICES, Stack, broker::Broker, checkout::Checkout, coins::Coins, gateway::Gateway,
    node::Node, up::endpoints_file,
};
use serde_json::Value;
use sqlx::Connection as _;
use tokio::process::Command;

use crate::stage::until;

const NAME: &str = "up_again";

/// Calls the driver behind `./scripts/up` and `./scripts/down`; whether it did well, what it said.
async fn stack(arguments: &[&str]) -> (bool, String) {
    let mut command = Command::new(Checkout::find().bin().join("stack"));
    let done = command.args(["--name", NAME]).args(arguments).output().await.unwrap();
    let said = [done.stdout, done.stderr].concat();
    (done.status.success(), String::from_utf8_lossy(&said).into_owned())
}

fn pids(stack: &Stack) -> Vec<Option<u32>> {
    SERVICES.map(|service| stack.pid(service)).to_vec()
}

/// Row: K3
#[tokio::test(flavor = "multi_thread")]
async fn a_second_up_changes_nothing_and_a_third_mends_what_died() {
    // Whatever a run that was broken off left behind.
    stack(&["down"]).await;
    let (well, said) = stack(&["up", "--profile", "fast"]).await;
    assert!(well && said.starts_with("up ("), "{said}");
    let file = endpoints_file(NAME);
    let endpoints = Endpoints::load(&file).unwrap();
    everything_can_be_reached(&endpoints).await;
    let running = Stack::open(NAME).unwrap().unwrap();
    let (before, written) = (pids(&running), std::fs::read(&file).unwrap());

    let (well, said) = stack(&["up"]).await;
    assert!(well && said.contains("up already"), "{said}");
    assert_eq!(pids(&Stack::open(NAME).unwrap().unwrap()), before);
    let policy = |bytes: &[u8]| serde_json::from_slice::<Value>(bytes).unwrap()["gateway"].clone();
    assert_eq!(policy(&std::fs::read(&file).unwrap()), policy(&written));
    let (well, said) = stack(&["up", "--profile", "default"]).await;
    assert!(!well && said.contains("it runs with profile fast"), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");

    // One that died is started again, unless somebody took its port.
    running.kill("rewards");
    let address = running.url("rewards").trim_start_matches("http://").to_owned();
    // The kernel gives the port back a moment after the process is gone.
    let taken = until("its port is free", async || TcpListener::bind(&address).ok()).await;
    let (well, said) = stack(&["up"]).await;
    assert!(!well && said.contains(&format!("another process listens on {address}")), "{said}");
    assert_eq!(said.lines().filter(|line| line.contains("port taken")).count(), 1, "{said}");
    assert!(!said.contains("log ends with"), "{said}");
    drop(taken);
    let (well, said) = stack(&["up"]).await;
    assert!(well && said.contains("rewards had ended; starting it again"), "{said}");
    // So is what holds nothing that is not elsewhere: the world stays.
    let node = running.pid("anvil");
    running.kill("redis-locks");
    let (well, said) = stack(&["up"]).await;
    assert!(well && said.contains("redis-locks had ended; starting it again"), "{said}");
    assert_eq!(Stack::open(NAME).unwrap().unwrap().pid("anvil"), node);

    let (well, said) = stack(&["down"]).await;
    assert!(well, "{said}");
    assert!(!file.exists());
    assert_eq!(stack(&["down"]).await, (true, "nothing runs\n".to_owned()));
    running.stop().await.unwrap();
}

/// What the file names is there, and answers to whom it should.
async fn everything_can_be_reached(endpoints: &Endpoints) {
    let tokens = &endpoints.tokens;
    for token in [&tokens.customer, &tokens.other_customer] {
        let status =
            Gateway::new(&endpoints.gateway, token).get("/v1/assets").await.unwrap().status;
        assert_eq!(status, 200);
        let console = Gateway::new(&endpoints.console, token);
        assert_eq!(console.get("/v1/dead-letters").await.unwrap().status, 403);
    }
    let staff = [
        (&tokens.support_viewer, "support_viewer"),
        (&tokens.support_operator, "support_operator"),
        (&tokens.support_approver, "support_approver"),
        (&tokens.support_admin, "support_admin"),
    ];
    for (token, role) in staff {
        let console = Gateway::new(&endpoints.console, token);
        assert_eq!(console.get("/v1/dead-letters").await.unwrap().status, 200);
        let claims = claims(token);
        assert_eq!(claims["sub"], role);
        assert_eq!((&claims["iss"], &claims["aud"]), (&"holdfast-dev".into(), &"holdfast".into()));
        let left = claims["exp"].as_i64().unwrap() - chrono::Utc::now().timestamp();
        assert!((29..=30).contains(&(left / 86_400)), "{claims}");
    }
    let anybody = |base: &str| Gateway::new(base, "");
    let there = [
        (&endpoints.callback, "/health"),
        (&endpoints.doubles, "/rapid/truth"),
        (&endpoints.rate_feed, "/faults"),
        (&endpoints.treasury, "/truth"),
        (&endpoints.otlp, "/health"),
    ];
    for (base, path) in there {
        let status = anybody(base).get(path).await.unwrap().status;
        assert_eq!(status, 200, "{base}{path}");
    }
    if let Some(api) = &endpoints.rabbitmq_api {
        assert_eq!(anybody(api).get("/api/overview").await.unwrap().status, 200);
    }
    let coins = Coins::at(endpoints.utxo_rpc.as_ref().unwrap());
    let wallet = coins.call("getbalance", serde_json::json!([])).await.unwrap();
    assert!(wallet.as_f64().unwrap() > 0.0, "{wallet}");
    Broker::at(&endpoints.amqp, Routing::default()).await.unwrap();
    for redis in [&endpoints.redis, &endpoints.redis_cache] {
        let client = redis::Client::open(redis.as_str()).unwrap();
        let mut conn = client.get_multiplexed_async_connection().await.unwrap();
        let pong: String = redis::cmd("ping").query_async(&mut conn).await.unwrap();
        assert_eq!(pong, "PONG");
    }
    let database = format!("{}/{NAME}_booking", endpoints.postgres);
    sqlx::PgConnection::connect(&database).await.unwrap().close().await.unwrap();
    let node = Node::at(&endpoints.evm_rpc);
    assert!(endpoints.evm_payers.len() >= 2);
    let payer = &node.accounts().await.unwrap()[0];
    let token = &endpoints.evm_tokens["usdc"];
    assert!(!node.token_balance(token, payer).await.unwrap().is_zero());
    assert_eq!(endpoints.profile, "fast");
    assert_eq!(endpoints.policy["profile"], "fast");
    assert!(Path::new(&endpoints.policy_file).is_file());
}

/// What a token says, whoever signed it.
fn claims(token: &str) -> Value {
    let body = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(body).unwrap()).unwrap()
}

/// A folder that is gone with its handle.
struct Elsewhere(PathBuf);

impl Drop for Elsewhere {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).ok();
    }
}

/// A folder with this checkout's scripts alone, so that nothing of ours is touched.
fn scripts_elsewhere() -> Elsewhere {
    let elsewhere = Elsewhere(std::env::temp_dir().join(hex::encode(rand::random::<[u8; 8]>())));
    let (root, to) = (Checkout::find().root().to_path_buf(), &elsewhere.0);
    std::fs::create_dir_all(to.join("scripts/lib")).unwrap();
    for name in ["infra", "tools"] {
        let script = format!("scripts/lib/{name}");
        std::fs::copy(root.join(&script), to.join(&script)).unwrap();
    }
    std::fs::create_dir(to.join(".run")).unwrap();
    symlink(root.join(".run/tools"), to.join(".run/tools")).unwrap();
    elsewhere
}

async fn one_line(command: &mut Command) -> String {
    let done = command.output().await.unwrap();
    let said = [done.stdout, done.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    assert!(!done.status.success(), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
    said
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_and_a_missing_permission_are_said_in_one_line() {
    let elsewhere = scripts_elsewhere();
    let infra = elsewhere.0.join("scripts/lib/infra");

    // What measures the disk finds a megabyte.
    let tools = elsewhere.0.join("tools");
    std::fs::create_dir(&tools).unwrap();
    let df = tools.join("df");
    std::fs::write(&df, "#!/bin/sh\necho head\necho disk 2000 1000 1000 50% /\n").unwrap();
    std::fs::set_permissions(&df, Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", tools.display(), std::env::var("PATH").unwrap());
    let said = one_line(Command::new(&infra).arg("up").env("PATH", path)).await;
    assert!(said.contains("disk full: 0 MB free under"), "{said}");

    // Somebody who may not write here.
    std::fs::remove_dir_all(elsewhere.0.join(".run/infra")).unwrap();
    let run = elsewhere.0.join(".run");
    std::fs::set_permissions(&run, Permissions::from_mode(0o555)).unwrap();
    let mut somebody = Command::new("setpriv");
    if is_root() {
        somebody.args(["--reuid", "65534", "--regid", "65534", "--clear-groups", "--"]);
    }
    let said = one_line(somebody.arg(&infra).arg("up")).await;
    assert!(said.contains("missing permission: cannot write to"), "{said}");
}

/// Whether the process may write everywhere, so that somebody else has to try.
fn is_root() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let uid = status.lines().find_map(|line| line.strip_prefix("Uid:")).unwrap();
    uid.split_whitespace().nth(1) == Some("0")
}
