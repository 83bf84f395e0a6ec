//! Every key supplier-sync reads.

use std::{collections::BTreeMap, net::SocketAddr, sync::Arc};

use chassis::{
    config::{Config as ReadConfig, Problems, Vars},
    seal::Sealer,
    telemetry::TelemetryConfig,
};
use contracts::{
    policy::{self, Policy},
    supplier::Supplier,
};
use secrecy::{ExposeSecret as _, SecretString};

use crate::catalogue::{self, Catalogue};

/// What a supplier-sync process is told by its environment.
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
    /// Redis for availability; may evict.
    pub cache_redis_url: SecretString,
    /// Where travellers are asked for.
    pub booking_url: String,
    /// The token this service speaks to others with.
    pub internal_token: SecretString,
    /// Who may sign tokens, base64 Ed25519 public keys.
    pub token_public_keys: Vec<String>,
    /// `iss` of every token.
    pub token_issuer: String,
    /// What seals journalled requests and replies; the first key seals, all open.
    pub seal_keys: SecretString,
    /// Our account at each supplier that we sell; never empty.
    pub accounts: BTreeMap<Supplier, Account>,
    /// Which property is which at each supplier.
    pub catalogue: Arc<Catalogue>,
    pub policy: Arc<Policy>,
    pub telemetry: TelemetryConfig,
}

/// Our account at one supplier.
#[derive(Debug, Clone)]
pub struct Account {
    /// The base address of its API.
    pub url: String,
    pub key: String,
    pub secret: SecretString,
    /// Our own address, given with every booking in place of the customer's.
    pub email: String,
    /// The address calls are made for, where the supplier insists on one.
    pub customer_ip: String,
    /// Where we sell, ISO 3166-1 alpha-2.
    pub country_code: String,
    /// Of names and texts, BCP 47.
    pub language: String,
}

impl ReadConfig for Config {
    fn from_vars(vars: &Vars<'_>) -> Result<Self, Problems> {
        let policy = vars.file("HOLDFAST_POLICY");
        let policy = Policy::parse(policy.as_deref().unwrap_or(policy::DEFAULT))
            .map_err(|error| vars.problem::<()>("HOLDFAST_POLICY", error.message()))
            .or_else(|_noted| Policy::parse(policy::DEFAULT))
            .map_err(|_shipped_is_broken| Problems(Vec::new()))?;
        let seal_keys = vars.secret("SUPPLIER_SYNC_SEAL_KEY");
        if !seal_keys.expose_secret().is_empty()
            && let Err(error) = Sealer::from_config(&seal_keys)
        {
            vars.problem::<()>("SUPPLIER_SYNC_SEAL_KEY", error.to_string());
        }
        let accounts: BTreeMap<Supplier, Account> =
            Supplier::ALL.into_iter().filter_map(|s| Some((s, account(vars, s)?))).collect();
        if accounts.is_empty() {
            vars.problem::<()>("SUPPLIER_SYNC_RAPID_URL", "is not set, nor any other supplier's");
        }
        let catalogue = vars.file("HOLDFAST_CATALOGUE");
        let catalogue = Catalogue::parse(catalogue.as_deref().unwrap_or(catalogue::DEFAULT))
            .map_err(|error| vars.problem::<()>("HOLDFAST_CATALOGUE", error))
            .or_else(|_noted| Catalogue::parse(catalogue::DEFAULT))
            .map_err(|_shipped_is_broken| Problems(Vec::new()))?;
        vars.finish(Self {
            http_addr: vars.addr("SUPPLIER_SYNC_HTTP_ADDR"),
            database_url: vars.secret("SUPPLIER_SYNC_DATABASE_URL"),
            database_connections: vars.parse("SUPPLIER_SYNC_DATABASE_CONNECTIONS", 12),
            migrate_database_url: vars.optional_secret("SUPPLIER_SYNC_MIGRATE_DATABASE_URL"),
            amqp_url: vars.secret("SUPPLIER_SYNC_AMQP_URL"),
            amqp_prefix: vars.optional("SUPPLIER_SYNC_AMQP_PREFIX").unwrap_or_default(),
            prefetch: vars.parse("SUPPLIER_SYNC_AMQP_PREFETCH", 200),
            cache_redis_url: vars.secret("SUPPLIER_SYNC_CACHE_REDIS_URL"),
            booking_url: vars.url("SUPPLIER_SYNC_BOOKING_URL"),
            internal_token: vars.secret("SUPPLIER_SYNC_INTERNAL_TOKEN"),
            token_public_keys: vars.list("SUPPLIER_SYNC_TOKEN_PUBLIC_KEYS"),
            token_issuer: vars.required("SUPPLIER_SYNC_TOKEN_ISSUER"),
            seal_keys,
            accounts,
            catalogue: Arc::new(catalogue),
            policy: Arc::new(policy),
            telemetry: vars.telemetry("SUPPLIER_SYNC"),
        })
    }

    fn telemetry(&self) -> &TelemetryConfig {
        &self.telemetry
    }
}

/// Reads `SUPPLIER_SYNC_<SUPPLIER>_…`; a supplier without an address is not sold, and nothing else
/// is read of it.
fn account(vars: &Vars<'_>, supplier: Supplier) -> Option<Account> {
    let prefix = format!("SUPPLIER_SYNC_{}", supplier.word().to_ascii_uppercase());
    let address = format!("{prefix}_URL");
    vars.optional(&address)?;
    Some(Account {
        url: vars.url(&address),
        key: vars.required(&format!("{prefix}_KEY")),
        secret: vars.secret(&format!("{prefix}_SECRET")),
        email: vars.required(&format!("{prefix}_EMAIL")),
        customer_ip: vars.required(&format!("{prefix}_CUSTOMER_IP")),
        country_code: vars.required(&format!("{prefix}_COUNTRY_CODE")),
        language: vars.required(&format!("{prefix}_LANGUAGE")),
    })
}

#[cfg(test)]
mod tests {
    use chassis::config::{Config as _, Vars, check_sample};
    use contracts::supplier::Supplier;

    use super::Config;

    const SAMPLE: &str = include_str!("../../../deploy/env/supplier-sync.env");

    #[test]
    fn the_sample_names_every_key_and_no_other() {
        let config = check_sample::<Config>(SAMPLE).unwrap();
        assert_eq!(config.accounts.keys().copied().collect::<Vec<_>>(), Supplier::ALL);
    }

    #[test]
    fn some_supplier_has_to_be_sold() {
        let problems = Config::from_vars(&Vars::new(&|_| None)).unwrap_err().to_string();
        assert!(problems.contains("nor any other supplier's"), "{problems}");
    }

    #[test]
    fn everything_that_is_wrong_is_said_at_once_and_no_secret_with_it() {
        let lookup = |key: &str| {
            let odd = [
                ("SUPPLIER_SYNC_SEAL_KEY", "1:c2hvcnQ="),
                ("SUPPLIER_SYNC_RAPID_URL", "rapid.example"),
            ];
            odd.iter().find(|(k, _)| *k == key).map(|(_, v)| (*v).to_owned())
        };
        let problems = Config::from_vars(&Vars::new(&lookup)).unwrap_err().to_string();
        for expected in [
            "SUPPLIER_SYNC_SEAL_KEY ",
            "SUPPLIER_SYNC_RAPID_URL ",
            "SUPPLIER_SYNC_RAPID_SECRET is not set",
            "SUPPLIER_SYNC_DATABASE_URL is not set",
        ] {
            assert!(problems.contains(expected), "{expected} in {problems}");
        }
        assert!(!problems.contains("c2hvcnQ"), "{problems}");
    }
}
