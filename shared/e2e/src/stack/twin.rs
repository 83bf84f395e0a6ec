//! One more instance of a service in a running stack, as a second machine would have.

use std::time::{Duration, Instant};

use anyhow::Context as _;

use super::{READY_WITHIN, Stack};
use crate::{ports::Ports, program::Program};

/// A second instance; it ends with this handle.
pub struct Twin {
    program: Program,
    url: String,
}

impl Stack {
    /// Starts one more instance of a service at an address of its own, and waits until it is ready.
    /// `changes` are keys of its environment with values of the caller's.
    ///
    /// # Errors
    /// When it does not get ready.
    pub async fn twin(&self, service: &str, changes: &[(&str, &str)]) -> anyhow::Result<Twin> {
        let address = format!("127.0.0.1:{}", Ports::default().free()?);
        let prefix = service.to_uppercase().replace('-', "_");
        let mut recipe = self.recipe(service)?;
        let listen = format!("{prefix}_HTTP_ADDR");
        let changes = changes.iter().copied().chain([(listen.as_str(), address.as_str())]);
        for (key, value) in changes {
            recipe.env.retain(|(known, _)| known != key);
            recipe.env.push((key.to_owned(), value.to_owned()));
        }
        recipe.log = self.dir().join(format!("{service}-twin.log"));
        recipe.lasting = false;
        let twin = Twin { program: recipe.start()?, url: format!("http://{address}") };
        let http = reqwest::Client::builder().no_proxy().build()?;
        let begun = Instant::now();
        loop {
            let answer = http.get(format!("{}/ready", twin.url)).send().await;
            let Err(why) = answer.and_then(reqwest::Response::error_for_status) else {
                return Ok(twin);
            };
            if !twin.program.lives() || begun.elapsed() > READY_WITHIN {
                return Err(why).with_context(|| format!("the second {service} is not ready"));
            }
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
    }
}

impl Twin {
    /// Its base URL.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    pub(crate) fn lives(&self) -> bool {
        self.program.lives()
    }

    pub(crate) fn pid(&self) -> u32 {
        self.program.noted.pid
    }
}

impl Drop for Twin {
    fn drop(&mut self) {
        self.program.kill();
    }
}
