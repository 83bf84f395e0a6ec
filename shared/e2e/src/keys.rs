//! The keys of one stack: made once, kept in its folder, handed out only to whom they belong.

use std::{collections::BTreeMap, os::unix::fs::OpenOptionsExt as _, path::Path, time::Duration};

use anyhow::Context as _;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bitcoin::{
    Network,
    bip32::{DerivationPath, Xpriv, Xpub},
    secp256k1::Secp256k1,
};
use chassis::{auth::Signer, sign::SigningKey};
use contracts::supplier::Supplier;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};

/// `iss` of every token of a development stack.
pub(crate) const ISSUER: &str = "holdfast-dev";
const TOKEN_FOR: Duration = Duration::from_secs(30 * 24 * 3600);
/// Where an Ethereum wallet keeps its first account.
const ACCOUNT: &str = "m/44'/60'/0'";

/// Every secret of a stack, and what is public of what has no secret here at all.
#[derive(Serialize, Deserialize)]
pub(crate) struct Keys {
    /// Seed of the key that signs tokens; no service is given it.
    token_seed: String,
    /// Seed of the key that signs payment instructions; for payment-verification alone.
    pub(crate) instruction_seed: String,
    /// One key for each service that seals.
    pub(crate) booking_seal: String,
    pub(crate) supplier_sync_seal: String,
    pub(crate) supplier_callback_seal: String,
    /// Deposit addresses come from it. Its private half was dropped as soon as it was made.
    pub(crate) xpub: String,
    /// Shared with each supplier's double. One that an older version did not know gets its own when
    /// the file is read.
    #[serde(default)]
    pub(crate) suppliers: BTreeMap<Supplier, SupplierKeys>,
}

/// Our account at the double of a supplier.
#[derive(Serialize, Deserialize)]
pub(crate) struct SupplierKeys {
    pub(crate) key: String,
    pub(crate) secret: String,
    /// Signs the double's callbacks; nothing where the supplier pushes none.
    pub(crate) webhook_secret: Option<String>,
}

impl SupplierKeys {
    /// Keys of the form that the supplier gives out.
    fn generate(supplier: Supplier) -> Self {
        let hex = hex::encode(rand::random::<[u8; 20]>());
        match supplier {
            Supplier::Rapid => Self {
                key: hex::encode(rand::random::<[u8; 12]>()),
                secret: hex,
                webhook_secret: Some(format!(
                    "whsec_{}",
                    STANDARD.encode(rand::random::<[u8; 32]>())
                )),
            },
            // Pushes are signed with the key's token.
            Supplier::Etg => Self {
                key: hex::encode(rand::random::<[u8; 4]>()),
                secret: hex.clone(),
                webhook_secret: Some(hex),
            },
            Supplier::Duffel => Self {
                // The token is all there is; the key names the account to people.
                key: hex::encode(rand::random::<[u8; 8]>()),
                secret: format!("duffel_test_{hex}"),
                webhook_secret: Some(STANDARD.encode(rand::random::<[u8; 16]>())),
            },
            Supplier::Neutral => Self {
                key: hex::encode(rand::random::<[u8; 8]>()),
                secret: hex,
                webhook_secret: Some(format!(
                    "whsec_{}",
                    STANDARD.encode(rand::random::<[u8; 32]>())
                )),
            },
            // Nothing is pushed.
            Supplier::Hotelbeds => Self {
                key: hex::encode(rand::random::<[u8; 16]>()),
                secret: hex,
                webhook_secret: None,
            },
        }
    }
}

impl Keys {
    pub(crate) fn generate() -> anyhow::Result<Self> {
        let random = || STANDARD.encode(rand::random::<[u8; 32]>());
        Ok(Self {
            token_seed: random(),
            instruction_seed: random(),
            booking_seal: random(),
            supplier_sync_seal: random(),
            supplier_callback_seal: random(),
            xpub: xpub()?,
            suppliers: Supplier::ALL.map(|s| (s, SupplierKeys::generate(s))).into(),
        })
    }

    pub(crate) fn save(&self, path: &Path) -> anyhow::Result<()> {
        let file = std::fs::File::options()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(path)
            .with_context(|| format!("writing {}", path.display()))?;
        Ok(serde_json::to_writer_pretty(file, self)?)
    }

    pub(crate) fn load(path: &Path) -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(path);
        let text = text.with_context(|| format!("reading {}", path.display()))?;
        let mut keys: Self = serde_json::from_str(&text)
            .with_context(|| format!("{} is not as `up` writes it", path.display()))?;
        let known = keys.suppliers.len();
        for supplier in Supplier::ALL {
            let made = || SupplierKeys::generate(supplier);
            keys.suppliers.entry(supplier).or_insert_with(made);
        }
        if keys.suppliers.len() > known {
            keys.save(path)?;
        }
        Ok(keys)
    }

    fn signer(&self) -> anyhow::Result<Signer> {
        let key = SigningKey::from_base64(&SecretString::from(self.token_seed.clone()))?;
        Ok(Signer::new(&key, ISSUER)?)
    }

    /// The public half of the token key, as services read it.
    pub(crate) fn token_public(&self) -> anyhow::Result<String> {
        Ok(self.signer()?.public_key())
    }

    /// The public half of the instruction key.
    pub(crate) fn instruction_public(&self) -> anyhow::Result<String> {
        let key = SigningKey::from_base64(&SecretString::from(self.instruction_seed.clone()))?;
        Ok(key.verifying_key().to_base64())
    }

    /// A token of a customer, of staff or of a service.
    pub(crate) fn token(
        &self,
        who: &str,
        roles: &[&str],
        audience: &str,
    ) -> anyhow::Result<String> {
        let token = self.signer()?.token(who, roles, audience, TOKEN_FOR)?;
        Ok(token.expose_secret().to_owned())
    }
}

fn xpub() -> anyhow::Result<String> {
    let curve = Secp256k1::new();
    let master = Xpriv::new_master(Network::Bitcoin, &rand::random::<[u8; 32]>())?;
    let account = master.derive_priv(&curve, &ACCOUNT.parse::<DerivationPath>()?)?;
    Ok(Xpub::from_priv(&curve, &account).to_string())
}
