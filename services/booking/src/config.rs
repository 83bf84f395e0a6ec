//! Every key booking reads.

use std::{net::SocketAddr, sync::Arc};

use chassis::{
    config::{Config as ReadConfig, Problems, Vars},
    telemetry::TelemetryConfig,
};
use contracts::policy::{self, Policy};
use secrecy::SecretString;

/// What a booking process is told by its environment.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where the gateway listens.
    pub http_addr: SocketAddr,
    /// What this process does.
    pub role: Role,
    /// What the stack is for that this process is of.
    pub stack: Stack,
    pub database_url: SecretString,
    /// Connections of the pool.
    pub database_connections: u32,
    /// As the owner of the schema; only `migrate` needs it.
    pub migrate_database_url: Option<SecretString>,
    pub amqp_url: SecretString,
    /// Before every exchange and queue name; empty in production.
    pub amqp_prefix: String,
    /// Redis for price locks; never evicts.
    pub locks_redis_url: SecretString,
    /// Redis for what owners show; may evict.
    pub cache_redis_url: SecretString,
    pub supplier_sync_url: String,
    pub payment_verification_url: String,
    pub rewards_url: String,
    /// The token this service speaks to others with.
    pub internal_token: SecretString,
    /// Who may sign tokens, base64 Ed25519 public keys.
    pub token_public_keys: Vec<String>,
    /// `iss` of every token.
    pub token_issuer: String,
    /// Who signs payment instructions, a base64 Ed25519 public key.
    pub instruction_public_key: String,
    /// Seals travellers and offers: `id:base64 of 32 bytes`, the first seals, all open.
    pub seal_keys: SecretString,
    /// Makes the digests by which a booking is found by an e-mail address, base64 of 32 bytes.
    pub contact_key: SecretString,
    /// Origins of web apps that may call the gateway.
    pub cors_origins: Vec<String>,
    pub policy: Arc<Policy>,
    pub telemetry: TelemetryConfig,
}

/// What a stack is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Stack {
    /// Real bookings, and nothing else.
    #[default]
    Production,
    /// Trying things out: bookings may be carried into it.
    Development,
}

impl std::str::FromStr for Stack {
    type Err = &'static str;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "production" => Ok(Self::Production),
            "development" => Ok(Self::Development),
            _ => Err("must be production or development"),
        }
    }
}

/// What a process does; a role can be scaled alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Role {
    /// Serves the gateway.
    Api,
    /// Handles messages and timers.
    Worker,
    #[default]
    Both,
}

impl std::str::FromStr for Role {
    type Err = &'static str;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "api" => Ok(Self::Api),
            "worker" => Ok(Self::Worker),
            "both" => Ok(Self::Both),
            _ => Err("must be api, worker or both"),
        }
    }
}

impl Role {
    /// Whether messages and timers are handled.
    #[must_use]
    pub const fn works(self) -> bool {
        matches!(self, Self::Worker | Self::Both)
    }
}

impl ReadConfig for Config {
    fn from_vars(vars: &Vars<'_>) -> Result<Self, Problems> {
        let policy_text = vars.file("HOLDFAST_POLICY");
        let policy = Policy::parse(policy_text.as_deref().unwrap_or(policy::DEFAULT));
        let policy = match policy {
            Ok(policy) => Some(policy),
            Err(error) => vars.problem("HOLDFAST_POLICY", error.message()),
        };
        let Some(policy) = policy else { return Err(first_problems(vars)) };
        vars.finish(Self {
            http_addr: vars.addr("BOOKING_HTTP_ADDR"),
            role: vars.parse("BOOKING_ROLE", Role::Both),
            stack: vars.parse("BOOKING_STACK", Stack::Production),
            database_url: vars.secret("BOOKING_DATABASE_URL"),
            database_connections: vars.parse("BOOKING_DATABASE_CONNECTIONS", 16),
            migrate_database_url: vars.optional_secret("BOOKING_MIGRATE_DATABASE_URL"),
            amqp_url: vars.secret("BOOKING_AMQP_URL"),
            amqp_prefix: vars.optional("BOOKING_AMQP_PREFIX").unwrap_or_default(),
            locks_redis_url: vars.secret("BOOKING_LOCKS_REDIS_URL"),
            cache_redis_url: vars.secret("BOOKING_CACHE_REDIS_URL"),
            supplier_sync_url: vars.url("BOOKING_SUPPLIER_SYNC_URL"),
            payment_verification_url: vars.url("BOOKING_PAYMENT_VERIFICATION_URL"),
            rewards_url: vars.url("BOOKING_REWARDS_URL"),
            internal_token: vars.secret("BOOKING_INTERNAL_TOKEN"),
            token_public_keys: vars.list("BOOKING_TOKEN_PUBLIC_KEYS"),
            token_issuer: vars.required("BOOKING_TOKEN_ISSUER"),
            instruction_public_key: vars.required("BOOKING_INSTRUCTION_PUBLIC_KEY"),
            seal_keys: vars.secret("BOOKING_SEAL_KEYS"),
            contact_key: vars.secret("BOOKING_CONTACT_KEY"),
            cors_origins: vars.list("BOOKING_CORS_ORIGINS"),
            policy: Arc::new(policy),
            telemetry: vars.telemetry("BOOKING"),
        })
    }

    fn telemetry(&self) -> &TelemetryConfig {
        &self.telemetry
    }
}

fn first_problems(vars: &Vars<'_>) -> Problems {
    match vars.finish(()) {
        Err(problems) => problems,
        Ok(()) => Problems(Vec::new()),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_sample_names_every_key_and_no_other() {
        let sample = include_str!("../../../deploy/env/booking.env");
        if let Err(differences) = chassis::config::check_sample::<super::Config>(sample) {
            panic!("{differences:#?}");
        }
    }
}
