//! Staff's HTTP: what support sees of dead letters, and what it does about them.

use anyhow::{Context as _, ensure};
use http::StatusCode;
use serde_json::{Value, json};

use crate::{
    Stack,
    gateway::{Answer, Gateway, describe},
};

/// The console as one member of staff.
#[derive(Debug, Clone)]
pub struct Console {
    http: Gateway,
}

impl Console {
    /// A member of staff with one role.
    #[must_use]
    pub fn of(stack: &Stack, role: &str) -> Self {
        let token = stack.token(role, &[role]);
        Self { http: Gateway::new(&stack.url("support-console"), &token) }
    }

    /// Asks for anything.
    ///
    /// # Errors
    /// When the console does not answer.
    pub async fn get(&self, path: &str) -> anyhow::Result<Answer> {
        self.http.get(path).await
    }

    /// Asks for any act; whatever the answer is.
    ///
    /// # Errors
    /// When the console does not answer.
    pub async fn post(&self, path: &str, body: &Value) -> anyhow::Result<Answer> {
        self.http.post(path, body).await
    }

    /// The dead letters of a booking, newest first.
    ///
    /// # Errors
    /// When they are not to be had.
    pub async fn of_booking(&self, booking_id: &str) -> anyhow::Result<Vec<Value>> {
        self.list(&format!("?booking_id={booking_id}")).await
    }

    /// A page of dead letters, by the console's own query.
    ///
    /// # Errors
    /// When they are not to be had.
    pub async fn list(&self, query: &str) -> anyhow::Result<Vec<Value>> {
        let answer = self.http.get(&format!("/v1/dead-letters{query}")).await?;
        ensure!(answer.status == StatusCode::OK, "dead letters: {}", describe(&answer));
        serde_json::from_value(answer.json()["dead_letters"].take()).context("a list")
    }

    /// All that came with one.
    ///
    /// # Errors
    /// When it is not to be had.
    pub async fn show(&self, id: &str) -> anyhow::Result<Value> {
        let answer = self.http.get(&format!("/v1/dead-letters/{id}")).await?;
        ensure!(answer.status == StatusCode::OK, "dead letter {id}: {}", describe(&answer));
        Ok(answer.json())
    }

    /// What of one is hidden, for a reason.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn unmask(&self, id: &str, reason: &str) -> anyhow::Result<Value> {
        let path = format!("/v1/dead-letters/{id}/unmask");
        let answer = self.http.post(&path, &json!({"reason": reason})).await?;
        ensure!(answer.status == StatusCode::OK, "not unmasked: {}", describe(&answer));
        Ok(answer.json())
    }

    /// Asks for a dead letter to be sent again, mended or as it was; whatever the answer is.
    ///
    /// # Errors
    /// When the console does not answer.
    pub async fn ask_for_replay(
        &self,
        id: &str,
        mended: Option<&Value>,
        reason: &str,
    ) -> anyhow::Result<Answer> {
        let mut body = json!({"reason": reason});
        if let Some(mended) = mended {
            body["body"] = mended.clone();
        }
        self.http.post(&format!("/v1/dead-letters/{id}/replay"), &body).await
    }

    /// Sends a dead letter again, mended or as it was.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn replay(
        &self,
        id: &str,
        mended: Option<&Value>,
        reason: &str,
    ) -> anyhow::Result<()> {
        let answer = self.ask_for_replay(id, mended, reason).await?;
        ensure!(answer.status.is_success(), "not replayed: {}", describe(&answer));
        Ok(())
    }

    /// Begins to send all letters of one cause again; the run's id.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn replay_many(&self, cause: &str, reason: &str) -> anyhow::Result<String> {
        let wanted = json!({"reason": reason, "cause": cause});
        let answer = self.http.post("/v1/replays", &wanted).await?;
        ensure!(answer.status.is_success(), "not begun: {}", describe(&answer));
        answer.json()["replay_run_id"].as_str().map(str::to_owned).context("a run")
    }

    /// How far a run is.
    ///
    /// # Errors
    /// When it is not to be had.
    pub async fn run(&self, id: &str) -> anyhow::Result<Value> {
        let answer = self.http.get(&format!("/v1/replays/{id}")).await?;
        ensure!(answer.status == StatusCode::OK, "run {id}: {}", describe(&answer));
        Ok(answer.json())
    }

    /// Proposes how a dead letter is mended; the edit waits for somebody else.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn propose(&self, id: &str, mended: &Value, reason: &str) -> anyhow::Result<String> {
        let answer = self.ask_for_replay(id, Some(mended), reason).await?;
        ensure!(answer.status == StatusCode::ACCEPTED, "not taken: {}", describe(&answer));
        let edit = answer.json()["edit"]["edit_id"].as_str().map(str::to_owned);
        edit.context("an edit that waits")
    }

    /// Lets an edit of somebody else's pass.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn approve(&self, edit_id: &str, reason: &str) -> anyhow::Result<()> {
        let path = format!("/v1/edits/{edit_id}/approve");
        let answer = self.http.post(&path, &json!({"reason": reason})).await?;
        ensure!(answer.status.is_success(), "not approved: {}", describe(&answer));
        Ok(())
    }
}
