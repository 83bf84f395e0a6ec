//! Every key supplier-callback reads.

use std::{collections::BTreeMap, net::SocketAddr};

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
use suppliers::dialect;

/// What a supplier-callback process is told by its environment.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where callbacks come in.
    pub http_addr: SocketAddr,
    pub database_url: SecretString,
    /// Connections of the pool.
    pub database_connections: u32,
    /// As the owner of the schema; only `migrate` needs it.
    pub migrate_database_url: Option<SecretString>,
    pub amqp_url: SecretString,
    /// Before every exchange and queue name; empty in production.
    pub amqp_prefix: String,
    /// What each supplier signs with; more than one while secrets are rotated. Of a supplier that
    /// has none, nothing is believed.
    pub secrets: BTreeMap<Supplier, Vec<SecretString>>,
    /// Where it is asked whose a reference is.
    pub supplier_sync_url: String,
    /// The token this service speaks to others with.
    pub internal_token: SecretString,
    /// Who may sign tokens, base64 Ed25519 public keys.
    pub token_public_keys: Vec<String>,
    /// `iss` of every token.
    pub token_issuer: String,
    /// What seals the raw callbacks; the first one seals.
    pub seal_keys: SecretString,
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
        let seal_key = "SUPPLIER_CALLBACK_SEAL_KEY";
        let seal_keys = vars.secret(seal_key);
        if !seal_keys.expose_secret().is_empty()
            && let Err(error) = Sealer::from_config(&seal_keys)
        {
            vars.problem::<()>(seal_key, error.to_string());
        }
        let pushing = Supplier::ALL.into_iter().filter(|s| dialect(*s).pushes());
        let secrets = pushing.filter_map(|s| Some((s, secrets(vars, s)?)));
        let secrets: BTreeMap<Supplier, Vec<SecretString>> = secrets.collect();
        if secrets.is_empty() {
            let key = "SUPPLIER_CALLBACK_RAPID_SECRETS";
            vars.problem::<()>(key, "is not set, nor any other supplier's");
        }
        vars.finish(Self {
            http_addr: vars.addr("SUPPLIER_CALLBACK_HTTP_ADDR"),
            database_url: vars.secret("SUPPLIER_CALLBACK_DATABASE_URL"),
            database_connections: vars.parse("SUPPLIER_CALLBACK_DATABASE_CONNECTIONS", 8),
            migrate_database_url: vars.optional_secret("SUPPLIER_CALLBACK_MIGRATE_DATABASE_URL"),
            amqp_url: vars.secret("SUPPLIER_CALLBACK_AMQP_URL"),
            amqp_prefix: vars.optional("SUPPLIER_CALLBACK_AMQP_PREFIX").unwrap_or_default(),
            secrets,
            supplier_sync_url: vars.url("SUPPLIER_CALLBACK_SUPPLIER_SYNC_URL"),
            internal_token: vars.secret("SUPPLIER_CALLBACK_INTERNAL_TOKEN"),
            token_public_keys: vars.list("SUPPLIER_CALLBACK_TOKEN_PUBLIC_KEYS"),
            token_issuer: vars.required("SUPPLIER_CALLBACK_TOKEN_ISSUER"),
            seal_keys,
            policy,
            telemetry: vars.telemetry("SUPPLIER_CALLBACK"),
        })
    }

    fn telemetry(&self) -> &TelemetryConfig {
        &self.telemetry
    }
}

/// Reads `SUPPLIER_CALLBACK_<SUPPLIER>_SECRETS`; one that cannot be a secret would be a 401 for
/// ever.
fn secrets(vars: &Vars<'_>, supplier: Supplier) -> Option<Vec<SecretString>> {
    let key = format!("SUPPLIER_CALLBACK_{}_SECRETS", supplier.word().to_ascii_uppercase());
    let list = vars.optional_secret(&key)?;
    let secrets: Vec<SecretString> =
        list.expose_secret().split(',').map(|s| s.trim().to_owned().into()).collect();
    if !secrets.iter().all(|secret| dialect(supplier).is_callback_secret(secret)) {
        vars.problem::<()>(&key, "must be secrets of the supplier's form, comma-separated");
    }
    Some(secrets)
}

#[cfg(test)]
mod tests {
    use chassis::config::{Config as _, Vars, check_sample};
    use contracts::supplier::Supplier;

    use super::Config;

    const SAMPLE: &str = include_str!("../../../deploy/env/supplier-callback.env");

    #[test]
    fn the_sample_names_every_key_and_no_other() {
        let config = check_sample::<Config>(SAMPLE).unwrap();
        let pushing: Vec<Supplier> =
            Supplier::ALL.into_iter().filter(|s| super::dialect(*s).pushes()).collect();
        assert_eq!(config.secrets.keys().copied().collect::<Vec<_>>(), pushing);
    }

    #[test]
    fn what_is_missing_or_no_secret_is_said_at_once() {
        let lookup = |key: &str| {
            let odd = [
                ("SUPPLIER_CALLBACK_RAPID_SECRETS", "whsec_dGVzdA=="),
                ("SUPPLIER_CALLBACK_SEAL_KEY", "1:short"),
            ];
            odd.iter().find(|(k, _)| *k == key).map(|(_, v)| (*v).to_owned())
        };
        let problems = Config::from_vars(&Vars::new(&lookup)).unwrap_err().to_string();
        for expected in [
            "SUPPLIER_CALLBACK_RAPID_SECRETS must be",
            "SUPPLIER_CALLBACK_SEAL_KEY ",
            "SUPPLIER_CALLBACK_DATABASE_URL is not set",
        ] {
            assert!(problems.contains(expected), "{expected} in {problems}");
        }
        assert!(!problems.contains("dGVzdA"), "{problems}");
    }
}
