//! What tests of services stand on: real servers, a database and a broker layout of their own, a
//! watched log. For tests only.
#![doc = include_str!("../README.md")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::too_many_lines,
    clippy::disallowed_methods,
    reason = "a panic is a failed test"
)]

pub mod broker;
mod broker_node;
pub mod database;
mod doomed;
pub mod infra;
mod litecoin;
pub mod logs;
pub mod nodes;
mod preview;
pub mod proxy;
mod service;

pub use broker::Prefix;
pub use broker_node::BrokerNode;
pub use database::Database;
pub use doomed::{Doomed, Point};
pub use infra::Infra;
pub use litecoin::Litecoin;
pub use logs::Logs;
pub use nodes::{Anvil, Redis, redis};
pub use preview::preview_of;
pub use proxy::Proxy;
pub use service::TestService;

use std::{future::Future, time::Duration};

/// A process that no signal reaches, with the log watched from now on.
#[must_use]
pub fn process() -> chassis::Process {
    logs::install();
    chassis::Process::standalone("test")
}

/// Asks again and again until the answer is there.
///
/// # Panics
/// When it is not there after 30 s.
pub async fn until<T, F, Fut>(what: &str, mut ask: F) -> T
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Option<T>>,
{
    let asking = async {
        loop {
            if let Some(answer) = ask().await {
                return answer;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    match tokio::time::timeout(Duration::from_secs(30), asking).await {
        Ok(answer) => answer,
        Err(_elapsed) => panic!("waited 30 s for: {what}"),
    }
}

/// Runs async work to its end from a place that cannot wait: `Drop`.
fn blocking<Fut>(work: Fut)
where
    Fut: Future<Output = ()> + Send + 'static,
{
    let worker = std::thread::spawn(move || {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work);
    });
    drop(worker.join());
}
