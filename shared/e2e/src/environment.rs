//! A service's environment in a stack: its sample (`deploy/env/<service>.env`) names every key, the
//! stack has the values.

use std::path::Path;

use anyhow::Context as _;

use crate::keys::{ISSUER, Keys};

/// Where everything of a stack is, in the words of the compose file.
#[derive(Debug, Clone)]
pub(crate) struct Places {
    /// (as the samples write it, as it is here)
    pub(crate) addresses: Vec<(String, String)>,
    /// The address a service listens on.
    pub(crate) listen: String,
    pub(crate) database_url: String,
    pub(crate) migrate_database_url: String,
    pub(crate) amqp_url: String,
    pub(crate) amqp_prefix: String,
    pub(crate) policy: String,
    pub(crate) assets: String,
    /// The share of traces that is sent.
    pub(crate) share: f64,
}

/// Every key of the service's sample with the value it has in the stack. Empty ones are left out.
///
/// The owner's URL of the database is for `migrate` alone.
pub(crate) fn of(
    root: &Path,
    service: &str,
    places: &Places,
    keys: &Keys,
    migrates: bool,
) -> anyhow::Result<Vec<(String, String)>> {
    let path = root.join(format!("deploy/env/{service}.env"));
    let sample = std::fs::read_to_string(&path);
    let sample = sample.with_context(|| format!("reading {}", path.display()))?;
    let prefix = format!("{}_", service.to_uppercase().replace('-', "_"));
    let mut env = vec![("RUST_BACKTRACE".to_owned(), "1".to_owned())];
    for line in sample.lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with('#')) {
        let (key, shipped) = line.split_once('=').unwrap_or((line, ""));
        let own = key.strip_prefix(&prefix).unwrap_or(key);
        if own == "MIGRATE_DATABASE_URL" && !migrates {
            continue;
        }
        let value = value(service, own, shipped, places, keys)?;
        if !value.is_empty() {
            env.push((key.to_owned(), value));
        }
    }
    Ok(env)
}

fn value(
    service: &str,
    own: &str,
    shipped: &str,
    places: &Places,
    keys: &Keys,
) -> anyhow::Result<String> {
    Ok(match own {
        "HTTP_ADDR" => places.listen.clone(),
        "DATABASE_URL" => places.database_url.clone(),
        "MIGRATE_DATABASE_URL" => places.migrate_database_url.clone(),
        "AMQP_URL" => places.amqp_url.clone(),
        "AMQP_PREFIX" => places.amqp_prefix.clone(),
        "HOLDFAST_POLICY" => places.policy.clone(),
        "ASSETS" => places.assets.clone(),
        "TOKEN_PUBLIC_KEYS" => keys.token_public()?,
        "TOKEN_ISSUER" => ISSUER.to_owned(),
        "INTERNAL_TOKEN" => keys.token(service, &[], "internal")?,
        "INSTRUCTION_PUBLIC_KEY" => keys.instruction_public()?,
        "INSTRUCTION_KEY" => keys.instruction_seed.clone(),
        "XPUB" => keys.xpub.clone(),
        "SEAL_KEY" => seal_key(service, shipped, keys)?,
        "TELEMETRY_SHARE" => places.share.to_string(),
        _ => match of_supplier(own, keys) {
            Some(secret) => secret.to_owned(),
            None => places
                .addresses
                .iter()
                .fold(shipped.to_owned(), |value, (compose, here)| value.replace(compose, here)),
        },
    })
}

/// `<SUPPLIER>_KEY` and the like.
fn of_supplier<'a>(own: &str, keys: &'a Keys) -> Option<&'a str> {
    keys.suppliers.iter().find_map(|(supplier, keys)| {
        let word = supplier.word().to_ascii_uppercase();
        match own.strip_prefix(&word)? {
            "_KEY" => Some(keys.key.as_str()),
            "_SECRET" => Some(keys.secret.as_str()),
            "_SECRETS" => keys.webhook_secret.as_deref(),
            _ => None,
        }
    })
}

/// Some services know a key by a number before it, so that it can be replaced; the sample shows
/// which.
fn seal_key(service: &str, shipped: &str, keys: &Keys) -> anyhow::Result<String> {
    let key = match service {
        "booking" => &keys.booking_seal,
        "supplier-sync" => &keys.supplier_sync_seal,
        "supplier-callback" => &keys.supplier_callback_seal,
        other => anyhow::bail!("{other} has no sealing key in a stack"),
    };
    Ok(match shipped.split_once(':') {
        Some((number, _)) => format!("{number}:{key}"),
        None => key.clone(),
    })
}
