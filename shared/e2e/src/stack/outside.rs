//! A stack as somebody outside needs it: addresses, tokens, and ways to look behind the curtain.

use std::collections::BTreeMap;

use anyhow::Context as _;
use contracts::{routing::Routing, supplier::Supplier};

use super::{SERVICES, Stack, TOKEN};
use crate::{
    coins::Coins,
    double::Double,
    endpoints::{Endpoints, SignIn, Tokens, keep},
    node::Node,
    processes::{CACHE, CHAIN_ID, COINS, DOUBLES, LOCKS, NODE, TRACES},
    program::Recipe,
    servers::{Database, Place},
    token::{SYMBOL, Token},
};

/// Who is made for development, each with a role.
const STAFF: [(&str, &str); 4] = [
    ("vera", "support_viewer"),
    ("otto", "support_operator"),
    ("anna", "support_approver"),
    ("adam", "support_admin"),
];
const STAFF_FILE: &str = "staff.json";

impl Stack {
    /// The base URL of a service or of a process beside them.
    #[must_use]
    pub fn url(&self, name: &str) -> String {
        self.layout.url(name)
    }

    /// A superuser's way into a service's database, for tests that look behind the curtain.
    #[must_use]
    pub fn database_url(&self, service: &str) -> String {
        Database::of(&self.infra, &self.layout.name, service).superuser_url()
    }

    /// The broker's management API and the stack's vhost, where there is one.
    #[must_use]
    pub fn broker(&self) -> Option<(String, String)> {
        Some((self.infra.rabbitmq_api.clone()?, self.layout.name.clone()))
    }

    /// The broker's address with the stack's vhost, and the names of what is there.
    #[must_use]
    pub fn amqp(&self) -> (String, Routing) {
        let place = Place::of(&self.infra, &self.layout.name);
        (place.amqp_url, Routing::with_prefix(&place.prefix))
    }

    /// How far payment-verification has read the chain.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn read_blocks(&self) -> anyhow::Result<u64> {
        let http = reqwest::Client::builder().no_proxy().build()?;
        let url = format!("{}/ready", self.url("payment-verification"));
        let reply = http.get(url).send().await?;
        let told: serde_json::Value = reply.json().await?;
        let height = told["details"]["chains"][format!("eip155:{CHAIN_ID}")]["height"].as_u64();
        height.with_context(|| format!("no chain in {told}"))
    }

    /// Runs one of a service's own commands where the service runs; what it printed.
    ///
    /// # Errors
    /// When it cannot be started or fails, with all that it said.
    pub async fn command(&self, service: &str, arguments: &[&str]) -> anyhow::Result<String> {
        run(service, &self.recipe(service)?, arguments).await
    }

    /// One member of staff of each role, by role; made, or given a new password, when no file has
    /// them.
    ///
    /// # Errors
    /// When the console's command fails.
    pub async fn staff(&self) -> anyhow::Result<BTreeMap<String, SignIn>> {
        let path = self.dir().join(STAFF_FILE);
        if let Ok(text) = std::fs::read_to_string(&path) {
            return Ok(serde_json::from_str(&text)?);
        }
        let mut staff = BTreeMap::new();
        for (name, role) in STAFF {
            let added = self.as_owner("support-console", &["staff", "add", name, role]).await;
            let password = match added {
                Err(error) if error.to_string().contains("already") => {
                    // Added before and its password lost: it gets another.
                    self.as_owner("support-console", &["staff", "password", name]).await?
                }
                added => added?,
            };
            // After lines of the log.
            let password = password.lines().last().unwrap_or_default().to_owned();
            staff.insert(role.to_owned(), SignIn { name: name.to_owned(), password });
        }
        keep(&path, &serde_json::to_string_pretty(&staff)?)?;
        Ok(staff)
    }

    /// Runs one of a service's own commands as the owner of its schema; what it printed.
    async fn as_owner(&self, service: &str, arguments: &[&str]) -> anyhow::Result<String> {
        let recipe = self.layout.service(&self.checkout, &self.infra, &self.keys, service, true)?;
        run(service, &recipe, arguments).await
    }

    /// The double of the supplier that most journeys are about.
    #[must_use]
    pub fn double(&self) -> Double {
        self.double_of(Supplier::Rapid)
    }

    #[must_use]
    pub fn double_of(&self, supplier: Supplier) -> Double {
        Double::of(supplier, &self.url(DOUBLES))
    }

    /// The doubles of all suppliers.
    #[must_use]
    pub fn doubles(&self) -> Vec<Double> {
        Supplier::ALL.map(|supplier| self.double_of(supplier)).to_vec()
    }

    #[must_use]
    pub fn node(&self) -> Node {
        Node::at(&self.url(NODE))
    }

    /// The node of the Bitcoin family, where there is one.
    #[must_use]
    pub fn coins(&self) -> Option<Coins> {
        self.layout.has_coins().then(|| Coins::at(&self.url(COINS)))
    }

    /// A token for anyone: a customer by account, staff by roles.
    ///
    /// # Panics
    /// When the key cannot sign.
    #[must_use]
    pub fn token(&self, who: &str, roles: &[&str]) -> String {
        self.keys.token(who, roles, "holdfast").unwrap()
    }

    /// A service's token.
    ///
    /// # Panics
    /// When the key cannot sign.
    #[must_use]
    pub fn internal_token(&self, who: &str) -> String {
        self.keys.token(who, &[], "internal").unwrap()
    }

    /// Everything an HTTP client needs.
    ///
    /// # Errors
    /// When the node left no list of its accounts.
    pub fn endpoints(&self) -> anyhow::Result<Endpoints> {
        let staff = STAFF.map(|(_, role)| role);
        // Whoever may do more may do less, too.
        let staff_token = |rank: usize| self.token(staff[rank], &staff[..=rank]);
        let known = std::fs::read_to_string(self.dir().join(STAFF_FILE));
        let policy: toml::Table = toml::from_str(&self.layout.profile.policy())?;
        Ok(Endpoints {
            gateway: self.url("booking"),
            callback: self.url("supplier-callback"),
            console: self.url("support-console"),
            doubles: self.url(DOUBLES),
            postgres: self.infra.postgres.clone(),
            redis: self.url(LOCKS),
            redis_cache: self.url(CACHE),
            amqp: Place::of(&self.infra, &self.layout.name).amqp_url,
            rabbitmq_api: self.infra.rabbitmq_api.clone(),
            evm_rpc: self.url(NODE),
            evm_payers: self.payers()?,
            evm_tokens: BTreeMap::from([(SYMBOL.to_owned(), self.token_on_chain()?.contract)]),
            utxo_rpc: self.layout.has_coins().then(|| self.layout.coins_url()),
            rate_feed: format!("{}/rates", self.url(DOUBLES)),
            treasury: format!("{}/treasury", self.url(DOUBLES)),
            otlp: self.url(TRACES),
            services: SERVICES.map(|s| (s.to_owned(), self.url(s))).into(),
            profile: self.layout.profile.name().to_owned(),
            policy: serde_json::to_value(policy)?,
            policy_file: self.dir().join("policy.toml").display().to_string(),
            tokens: Tokens {
                customer: self.token("customer-1", &["customer"]),
                other_customer: self.token("customer-2", &["customer"]),
                support_viewer: staff_token(0),
                support_operator: staff_token(1),
                support_approver: staff_token(2),
                support_admin: staff_token(3),
            },
            staff: known.map_or_else(|_none| Ok(BTreeMap::new()), |t| serde_json::from_str(&t))?,
        })
    }

    /// The test token that the node has; every account of the node holds some.
    ///
    /// # Errors
    /// When the stack left no note of it.
    pub fn token_on_chain(&self) -> anyhow::Result<Token> {
        let path = self.dir().join(TOKEN);
        let text = std::fs::read_to_string(&path);
        let text = text.with_context(|| format!("reading {}", path.display()))?;
        Ok(serde_json::from_str(&text)?)
    }

    /// The node's funded keys, all but the last, which is the treasury's.
    fn payers(&self) -> anyhow::Result<Vec<String>> {
        let path = self.dir().join("node.json");
        let text = std::fs::read_to_string(&path);
        let text = text.with_context(|| format!("reading {}", path.display()))?;
        let told: serde_json::Value = serde_json::from_str(&text)?;
        let mut keys: Vec<String> = serde_json::from_value(told["private_keys"].clone())?;
        keys.pop();
        Ok(keys)
    }
}

async fn run(service: &str, recipe: &Recipe, arguments: &[&str]) -> anyhow::Result<String> {
    let mut command = tokio::process::Command::new(&recipe.exe);
    command.args(arguments).env_clear().envs(recipe.env.clone()).kill_on_drop(true);
    let done = command.output().await.with_context(|| format!("starting {service}"))?;
    let said = String::from_utf8_lossy(&done.stdout).into_owned();
    let errors = String::from_utf8_lossy(&done.stderr);
    anyhow::ensure!(done.status.success(), "{service} {arguments:?}: {said}{errors}");
    Ok(said)
}
