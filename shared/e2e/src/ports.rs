//! Free ports below the ephemeral range, so that no outgoing connection takes one that a restart
//! needs.

use std::{collections::BTreeSet, net::TcpListener, ops::Range};

/// Below 32768, above what Debian's packages and this checkout's servers use.
const RANGE: Range<u16> = 20_000..32_000;

/// Hands out ports, each once.
#[derive(Debug, Default)]
pub(crate) struct Ports(BTreeSet<u16>);

impl Ports {
    /// A port that nobody listens on now.
    ///
    /// # Errors
    /// When all of them are taken.
    pub(crate) fn free(&mut self) -> anyhow::Result<u16> {
        // Stacks that start at the same time begin at different places.
        for _ in 0..10_000 {
            let port = rand::random_range(RANGE);
            if !self.0.contains(&port) && TcpListener::bind(("127.0.0.1", port)).is_ok() {
                self.0.insert(port);
                return Ok(port);
            }
        }
        anyhow::bail!("no free port between {} and {}", RANGE.start, RANGE.end)
    }
}
