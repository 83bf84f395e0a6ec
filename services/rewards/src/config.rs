//! Every key rewards reads.

use std::net::SocketAddr;

use chassis::{
    config::{Config as ReadConfig, Problems, Vars},
    telemetry::TelemetryConfig,
};
use contracts::policy::{self, Policy};
use secrecy::SecretString;

/// What a rewards process is told by its environment.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where the edge for other services listens.
    pub http_addr: SocketAddr,
    pub database_url: SecretString,
    /// Connections of the pool.
    pub database_connections: u32,
    /// As the owner of the schema; only `migrate` needs it.
    pub migrate_database_url: Option<SecretString>,
    pub amqp_url: SecretString,
    /// Before every exchange and queue name; empty in production.
    pub amqp_prefix: String,
    /// Deliveries the broker hands over before the first of them is acknowledged.
    pub prefetch: u16,
    /// Redis for what the gateway is shown; may evict.
    pub cache_redis_url: SecretString,
    /// Who may sign tokens, base64 Ed25519 public keys.
    pub token_public_keys: Vec<String>,
    /// `iss` of every token.
    pub token_issuer: String,
    pub policy: Policy,
    pub telemetry: TelemetryConfig,
}

impl ReadConfig for Config {
    fn from_vars(vars: &Vars<'_>) -> Result<Self, Problems> {
        let policy = vars.file("HOLDFAST_POLICY");
        let policy = Policy::parse(policy.as_deref().unwrap_or(policy::DEFAULT))
            .map_err(|error| vars.problem::<()>("HOLDFAST_POLICY", error.message()))
            .or_else(|_noted| Policy::parse(policy::DEFAULT))
            .map_err(|_shipped_is_broken| Problems(Vec::new()))?;
        vars.finish(Self {
            http_addr: vars.addr("REWARDS_HTTP_ADDR"),
            database_url: vars.secret("REWARDS_DATABASE_URL"),
            database_connections: vars.parse("REWARDS_DATABASE_CONNECTIONS", 8),
            migrate_database_url: vars.optional_secret("REWARDS_MIGRATE_DATABASE_URL"),
            amqp_url: vars.secret("REWARDS_AMQP_URL"),
            amqp_prefix: vars.optional("REWARDS_AMQP_PREFIX").unwrap_or_default(),
            prefetch: vars.parse("REWARDS_AMQP_PREFETCH", 200),
            cache_redis_url: vars.secret("REWARDS_CACHE_REDIS_URL"),
            token_public_keys: vars.list("REWARDS_TOKEN_PUBLIC_KEYS"),
            token_issuer: vars.required("REWARDS_TOKEN_ISSUER"),
            policy,
            telemetry: vars.telemetry("REWARDS"),
        })
    }

    fn telemetry(&self) -> &TelemetryConfig {
        &self.telemetry
    }
}

#[cfg(test)]
mod tests {
    use chassis::config::{Config as _, Vars, check_sample};

    use super::Config;

    const SAMPLE: &str = include_str!("../../../deploy/env/rewards.env");

    #[test]
    fn the_sample_names_every_key_and_no_other() {
        let config = check_sample::<Config>(SAMPLE).unwrap();
        assert_eq!(config.policy.rewards.earn_percent, 3);
    }

    #[test]
    fn a_bad_policy_is_one_problem_among_all_the_others() {
        let lookup = |key: &str| (key == "HOLDFAST_POLICY").then(|| "/etc/hostname".to_owned());
        let problems = Config::from_vars(&Vars::new(&lookup)).unwrap_err().to_string();
        assert!(problems.contains("HOLDFAST_POLICY"), "{problems}");
        assert!(problems.contains("REWARDS_DATABASE_URL is not set"), "{problems}");
    }
}
