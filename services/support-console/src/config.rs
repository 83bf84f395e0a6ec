//! Every key the support console reads.

use std::net::SocketAddr;

use chassis::{
    config::{Config as ReadConfig, Problems, Vars},
    telemetry::TelemetryConfig,
};
use contracts::policy::{self, Policy};
use secrecy::SecretString;

use crate::{oidc, origin::Proxies, pages::Traces};

/// What a console's process is told by its environment.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where staff reach it.
    pub http_addr: SocketAddr,
    /// Whose word about where a request comes from is taken.
    pub trusted_proxies: Proxies,
    pub database_url: SecretString,
    /// Connections of the pool.
    pub database_connections: u32,
    /// As the owner of the schema; only `migrate` needs it.
    pub migrate_database_url: Option<SecretString>,
    pub amqp_url: SecretString,
    /// Before every exchange and queue name; empty in production.
    pub amqp_prefix: String,
    /// Dead letters the broker hands over before the first of them is acknowledged.
    pub prefetch: u16,
    /// Who may sign tokens, base64 Ed25519 public keys.
    pub token_public_keys: Vec<String>,
    /// `iss` of every token.
    pub token_issuer: String,
    /// Where staff sign in besides here.
    pub oidc: Option<oidc::Settings>,
    /// Whether staff sign in here by a password.
    pub passwords: bool,
    /// Where the services answer the console.
    pub booking_url: String,
    pub supplier_sync_url: String,
    pub supplier_callback_url: String,
    pub payment_verification_url: String,
    pub rewards_url: String,
    /// The token the console speaks to them with.
    pub internal_token: SecretString,
    /// Where staff see the spans of a trace.
    pub traces: Traces,
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
            http_addr: vars.addr("SUPPORT_CONSOLE_HTTP_ADDR"),
            trusted_proxies: vars.parse("SUPPORT_CONSOLE_TRUSTED_PROXIES", Proxies::default()),
            database_url: vars.secret("SUPPORT_CONSOLE_DATABASE_URL"),
            database_connections: vars.parse("SUPPORT_CONSOLE_DATABASE_CONNECTIONS", 4),
            migrate_database_url: vars.optional_secret("SUPPORT_CONSOLE_MIGRATE_DATABASE_URL"),
            amqp_url: vars.secret("SUPPORT_CONSOLE_AMQP_URL"),
            amqp_prefix: vars.optional("SUPPORT_CONSOLE_AMQP_PREFIX").unwrap_or_default(),
            prefetch: vars.parse("SUPPORT_CONSOLE_AMQP_PREFETCH", 64),
            token_public_keys: vars.list("SUPPORT_CONSOLE_TOKEN_PUBLIC_KEYS"),
            token_issuer: vars.required("SUPPORT_CONSOLE_TOKEN_ISSUER"),
            oidc: oidc::Settings::read(vars),
            passwords: vars.parse("SUPPORT_CONSOLE_PASSWORDS", true),
            booking_url: vars.url("SUPPORT_CONSOLE_BOOKING_URL"),
            supplier_sync_url: vars.url("SUPPORT_CONSOLE_SUPPLIER_SYNC_URL"),
            supplier_callback_url: vars.url("SUPPORT_CONSOLE_SUPPLIER_CALLBACK_URL"),
            payment_verification_url: vars.url("SUPPORT_CONSOLE_PAYMENT_VERIFICATION_URL"),
            rewards_url: vars.url("SUPPORT_CONSOLE_REWARDS_URL"),
            internal_token: vars.secret("SUPPORT_CONSOLE_INTERNAL_TOKEN"),
            traces: vars.parse("SUPPORT_CONSOLE_TRACES_URL", Traces::default()),
            policy,
            telemetry: vars.telemetry("SUPPORT_CONSOLE"),
        })
    }

    fn telemetry(&self) -> &TelemetryConfig {
        &self.telemetry
    }
}

#[cfg(test)]
mod tests {
    use chassis::config::check_sample;

    #[test]
    fn the_sample_names_every_key_and_no_other() {
        let sample = include_str!("../../../deploy/env/support-console.env");
        check_sample::<super::Config>(sample).unwrap();
    }
}
