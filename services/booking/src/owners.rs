//! What the gateway asks of its neighbours over internal HTTP, each under a deadline.

use std::{sync::Arc, time::Duration};

use anyhow::Context as _;
use chassis::{HttpClient, HttpClientConfig, SecretString, http_client::CallError};
use contracts::{
    internal::{AccountReply, PriceCheckReply, PriceCheckRequest, SearchReply},
    offer::Search,
    policy::Policy,
    shown::ShownAssets,
};

use crate::{NEIGHBOUR_DEADLINE, config::Config};

/// The neighbours' addresses and the token to speak to them with.
#[derive(Clone)]
pub(crate) struct Owners {
    http: HttpClient,
    token: SecretString,
    supplier_sync: String,
    payment_verification: String,
    rewards: String,
    search_within: Duration,
    policy: Arc<Policy>,
}

/// Room for the answer to travel after the neighbour's own deadline.
const MARGIN: Duration = Duration::from_millis(500);

impl Owners {
    pub(crate) fn new(config: &Config) -> anyhow::Result<Self> {
        let http = HttpClient::new(HttpClientConfig::default())
            .context("making the client for internal HTTP")?;
        Ok(Self {
            http,
            token: config.internal_token.clone(),
            supplier_sync: config.supplier_sync_url.clone(),
            payment_verification: config.payment_verification_url.clone(),
            rewards: config.rewards_url.clone(),
            search_within: config.policy.search.deadline + MARGIN,
            policy: config.policy.clone(),
        })
    }

    /// Asks supplier-sync for offers.
    pub(crate) async fn search(&self, search: &Search) -> Result<SearchReply, CallError> {
        let url = format!("{}/internal/search", self.supplier_sync);
        self.http.post_json(&url, search, Some(&self.token), self.search_within).await
    }

    /// Asks supplier-sync for the price now.
    pub(crate) async fn price_check(
        &self,
        request: &PriceCheckRequest,
    ) -> Result<PriceCheckReply, CallError> {
        let url = format!("{}/internal/price-check", self.supplier_sync);
        let within = self.policy.of(request.supplier).price_check_deadline + MARGIN;
        self.http.post_json(&url, request, Some(&self.token), within).await
    }

    /// Asks payment-verification for assets and rates.
    pub(crate) async fn assets(&self) -> Result<ShownAssets, CallError> {
        let url = format!("{}/internal/shown", self.payment_verification);
        self.http.get_json(&url, Some(&self.token), NEIGHBOUR_DEADLINE).await
    }

    /// Asks rewards for an account.
    pub(crate) async fn account(&self, account: &str) -> Result<AccountReply, CallError> {
        let url = format!("{}/internal/accounts/{account}", self.rewards);
        self.http.get_json(&url, Some(&self.token), NEIGHBOUR_DEADLINE).await
    }
}
