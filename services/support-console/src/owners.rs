//! What the console asks of the services, side by side under one deadline. One that does not answer
//! is shown as silent and holds up nobody.

use std::time::Duration;

use anyhow::Context as _;
use chassis::{HttpClient, HttpClientConfig, SecretString, http_client::CallError};
use contracts::internal::{InboxRequest, InboxesReply, PreviewReply, PreviewRequest};
use futures::future::join_all;
use http::StatusCode;
use serde::{Serialize, de::DeserializeOwned};
use uuid::Uuid;

use crate::Config;

/// The services' addresses, and the token to speak to them with.
#[derive(Clone)]
pub(crate) struct Owners {
    http: HttpClient,
    token: SecretString,
    urls: [(&'static str, String); 5],
    within: Duration,
}

/// Who is told to do something gets so many times as long as who is asked: it does more, and to
/// wait is better than not to know.
const LONGER_FOR_ACTS: u32 = 4;

/// Whether a service answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Answering {
    pub(crate) owner: &'static str,
    pub(crate) answers: bool,
    /// Why not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) why: Option<String>,
    /// It answers, and has no such address.
    #[serde(skip)]
    pub(crate) knows_nothing_of_it: bool,
}

impl Owners {
    pub(crate) fn new(config: &Config) -> anyhow::Result<Self> {
        let http = HttpClient::new(HttpClientConfig::default())
            .context("making the client for internal HTTP")?;
        Ok(Self {
            http,
            token: config.internal_token.clone(),
            urls: [
                ("booking", config.booking_url.clone()),
                ("supplier-sync", config.supplier_sync_url.clone()),
                ("supplier-callback", config.supplier_callback_url.clone()),
                ("payment-verification", config.payment_verification_url.clone()),
                ("rewards", config.rewards_url.clone()),
            ],
            within: config.policy.support.owners_within,
        })
    }

    /// Asks all of them the same.
    pub(crate) async fn ask<T: DeserializeOwned>(
        &self,
        path: &str,
    ) -> (Vec<(&'static str, T)>, Vec<Answering>) {
        let asked = self.urls.iter().map(|(owner, url)| async move {
            let url = format!("{url}{path}");
            (*owner, self.http.get_json::<T>(&url, Some(&self.token), self.within).await)
        });
        let mut replies = Vec::new();
        let mut answering = Vec::new();
        for (owner, answer) in join_all(asked).await {
            let why = answer.as_ref().err().map(ToString::to_string);
            let not_found = StatusCode::NOT_FOUND;
            let knows_nothing_of_it = matches!(
                &answer, Err(CallError::Refused { status, .. }) if *status == not_found
            );
            answering.push(Answering { owner, answers: why.is_none(), why, knows_nothing_of_it });
            replies.extend(answer.ok().map(|reply| (owner, reply)));
        }
        (replies, answering)
    }

    /// Asks one of them; none when it is not known.
    pub(crate) async fn one<T: DeserializeOwned>(
        &self,
        owner: &str,
        path: &str,
    ) -> Option<Result<T, CallError>> {
        let url = format!("{}{path}", self.url(owner)?);
        Some(self.http.get_json(&url, Some(&self.token), self.within).await)
    }

    /// Tells one of them to do something; none when it is not known.
    pub(crate) async fn tell<B: Serialize + Sync, T: DeserializeOwned>(
        &self,
        owner: &str,
        path: &str,
        body: &B,
    ) -> Option<Result<T, CallError>> {
        let url = format!("{}{path}", self.url(owner)?);
        Some(
            self.http.post_json(&url, body, Some(&self.token), self.within * LONGER_FOR_ACTS).await,
        )
    }

    /// Asks a consumer how far it came with some messages; none when no such consumer is known.
    pub(crate) async fn inbox(
        &self,
        consumer: &str,
        message_ids: Vec<Uuid>,
    ) -> Option<Result<InboxesReply, CallError>> {
        let url = format!("{}/internal/inbox/{consumer}", self.url(consumer)?);
        let request = InboxRequest { message_ids };
        Some(self.http.post_json(&url, &request, Some(&self.token), self.within).await)
    }

    /// Asks a consumer what a message would do; none when no such consumer is known.
    pub(crate) async fn preview(
        &self,
        request: &PreviewRequest,
    ) -> Option<Result<PreviewReply, CallError>> {
        let url = format!("{}/internal/preview", self.url(&request.consumer)?);
        Some(self.http.post_json(&url, request, Some(&self.token), self.within).await)
    }

    /// A role has the name of its service.
    fn url(&self, consumer: &str) -> Option<&str> {
        self.urls.iter().find_map(|(owner, url)| (*owner == consumer).then_some(url.as_str()))
    }
}
