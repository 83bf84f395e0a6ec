//! Deposit addresses from a public key: derived ahead of need, each place used once.
//!
//! The key is public, so whoever takes this process can watch deposits and not spend them.

use std::{
    collections::{BTreeMap, VecDeque},
    fmt,
    str::FromStr,
    sync::{Arc, Mutex, PoisonError},
};

use alloy_primitives::Address;
use bitcoin::{
    CompressedPublicKey,
    bip32::{ChildNumber, Xpub},
    hashes::Hash as _,
    secp256k1::{PublicKey, Secp256k1, VerifyOnly},
};
use messaging::{StoreError, database};
pub(crate) use payment_verification_core::address::key as address_key;
use payment_verification_core::{
    address::witness_of_key_hash,
    assets::{Asset, Family},
    state::Deposit,
};
use sqlx::PgConnection;

/// How many addresses wait to be given out; some seconds of a busy service.
const READY: usize = 1024;
/// How many are derived at a time: some milliseconds of computing.
const AT_ONCE: usize = 128;

/// The public key that all deposit addresses come from: the account's, at its branch of receiving
/// addresses.
#[derive(Clone)]
pub struct AccountKey {
    branch: Xpub,
    curve: Arc<Secp256k1<VerifyOnly>>,
}

/// The text is not a key that may be used here. It is not printed: it may be a private one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotAnAccountKey {
    /// It is a private key.
    #[error("is a private key; give this service the extended public key only")]
    Private,
    /// It is no key.
    #[error("is not an extended public key (xpub…)")]
    NotAKey,
}

impl FromStr for AccountKey {
    type Err = NotAnAccountKey;

    fn from_str(text: &str) -> Result<Self, NotAnAccountKey> {
        let text = text.trim();
        // Every prefix of a private extended key of SLIP-132 has `prv` in its second place.
        if text.get(1..4) == Some("prv") {
            return Err(NotAnAccountKey::Private);
        }
        let account = Xpub::from_str(text).map_err(|_refused| NotAnAccountKey::NotAKey)?;
        let curve = Arc::new(Secp256k1::verification_only());
        let branch = account
            .derive_pub(&curve, &[ChildNumber::Normal { index: 0 }])
            .map_err(|_refused| NotAnAccountKey::NotAKey)?;
        Ok(Self { branch, curve })
    }
}

impl fmt::Debug for AccountKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AccountKey({})", self.branch.parent_fingerprint)
    }
}

impl AccountKey {
    /// Derives the address at a place; none where the curve has no key, which is one place in
    /// 2^127.
    #[must_use]
    pub fn address(&self, index: u32) -> Option<Address> {
        self.child(index)?
            .serialize_uncompressed()
            .split_first()
            .map(|(_tag, raw)| Address::from_raw_public_key(raw))
    }

    /// Derives the address at a place as chains of the Bitcoin family with this prefix write it
    /// (BIP-84).
    #[must_use]
    pub fn witness_address(&self, index: u32, hrp: &str) -> Option<String> {
        let hash = CompressedPublicKey(self.child(index)?).wpubkey_hash();
        witness_of_key_hash(hrp, hash.to_byte_array())
    }

    fn child(&self, index: u32) -> Option<PublicKey> {
        let child = ChildNumber::from_normal_idx(index).ok()?;
        self.branch.derive_pub(&self.curve, &[child]).ok().map(|key| key.public_key)
    }
}

/// Addresses that were derived and not yet given out.
#[derive(Clone, Debug)]
pub(crate) struct Addresses {
    key: AccountKey,
    // Of chains that have a key of their own.
    by_chain: Arc<BTreeMap<String, AccountKey>>,
    ready: Arc<Mutex<VecDeque<Deposit>>>,
}

impl Addresses {
    pub(crate) fn new(key: AccountKey, by_chain: BTreeMap<String, AccountKey>) -> Self {
        Self { key, by_chain: Arc::new(by_chain), ready: Arc::default() }
    }

    /// The same place as the asset's chain writes it; nothing where that chain has no key.
    pub(crate) fn on_chain_of(&self, asset: &Asset, deposit: &Deposit) -> Option<Deposit> {
        match &asset.family {
            // The gateway gives its own.
            Family::Card => None,
            Family::Evm { .. } => Some(deposit.clone()),
            Family::Utxo { hrp, .. } => {
                let index = deposit.index;
                let address = self.by_chain.get(&asset.chain)?.witness_address(index, hrp)?;
                Some(Deposit { address, index })
            }
        }
    }

    /// Takes addresses, and derives what is missing.
    pub(crate) async fn take(
        &self,
        conn: &mut PgConnection,
        count: usize,
    ) -> Result<Vec<Deposit>, StoreError> {
        let mut taken: Vec<Deposit> = {
            let mut ready = self.lock();
            let here = count.min(ready.len());
            ready.drain(..here).collect()
        };
        if taken.len() < count {
            taken.extend(self.derive(conn, count - taken.len()).await?);
        }
        Ok(taken)
    }

    /// Gives back what was not used.
    pub(crate) fn put_back(&self, deposits: Vec<Deposit>) {
        self.lock().extend(deposits);
    }

    /// Derives one batch if too few are ready; says how many.
    pub(crate) async fn top_up(&self, conn: &mut PgConnection) -> Result<usize, StoreError> {
        if self.lock().len() >= READY {
            return Ok(0);
        }
        let more = self.derive(conn, AT_ONCE).await?;
        let count = more.len();
        self.put_back(more);
        Ok(count)
    }

    /// Reserves places and derives their addresses. A sequence takes nothing back, so a place is
    /// nobody else's even if the transaction is rolled back; a place that is lost with the process
    /// is never used.
    async fn derive(
        &self,
        conn: &mut PgConnection,
        count: usize,
    ) -> Result<Vec<Deposit>, StoreError> {
        let places: Vec<i64> =
            sqlx::query_scalar("select nextval('deposit_index') from generate_series(1, $1)")
                .bind(i64::try_from(count).unwrap_or(0))
                .fetch_all(conn)
                .await
                .map_err(database("reserving addresses"))?;
        let key = self.key.clone();
        let derived = tokio::task::spawn_blocking(move || {
            let places = places.into_iter().filter_map(|place| u32::try_from(place).ok());
            places
                .filter_map(|index| {
                    let address = key.address(index)?.to_checksum(None);
                    Some(Deposit { address, index })
                })
                .collect()
        });
        derived.await.map_err(|source| StoreError::Corrupt {
            table: "address",
            id: String::new(),
            source: Box::new(source),
        })
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, VecDeque<Deposit>> {
        self.ready.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::str::FromStr as _;

    use bitcoin::{
        NetworkKind,
        bip32::{ChildNumber, Xpriv, Xpub},
        secp256k1::Secp256k1,
    };

    use super::*;

    fn offline() -> (Xpriv, String) {
        let private = Xpriv::new_master(NetworkKind::Main, &[7; 32]).unwrap();
        (private, Xpub::from_priv(&Secp256k1::new(), &private).to_string())
    }

    /// Row: J5
    #[test]
    fn the_private_half_exists_only_outside_and_fits_the_addresses_given_out() {
        let (private, public) = offline();
        let key = AccountKey::from_str(&public).unwrap();
        for index in [0, 1, 77, 0x7fff_ffff] {
            let path = [0, index].map(|index| ChildNumber::Normal { index });
            let spends = private
                .derive_priv(&Secp256k1::new(), &path)
                .unwrap()
                .to_keypair(&Secp256k1::new());
            let raw = spends.public_key().serialize_uncompressed();
            assert_eq!(key.address(index), Some(Address::from_raw_public_key(&raw[1..])));
        }
        assert_eq!(key.address(0x8000_0000), None, "a hardened child needs the private key");
    }

    /// Row: J5
    #[test]
    fn a_private_key_is_refused_and_not_printed() {
        let (private, public) = offline();
        let refused = AccountKey::from_str(&private.to_string()).unwrap_err();
        assert_eq!(refused, NotAnAccountKey::Private);
        let told = format!("{refused} {refused:?} {:?}", AccountKey::from_str(&public));
        assert!(!told.contains(&private.to_string()) && !told.contains(&public), "{told}");
        for bad in ["", "x", "xpub", "zprvA", &public.replace('6', "7")] {
            assert!(AccountKey::from_str(bad).is_err(), "{bad}");
        }
    }

    /// Row: J5
    #[test]
    fn a_known_seed_gives_the_address_that_wallets_of_the_bitcoin_family_give() {
        // `abandon … about` at m/84'/0'/0', as BIP-84 writes its test vector.
        let seed = concat!(
            "5eb00bbddcf069084889a8ab9155568165f5c453ccb85e70811aaed6f6da5fc1",
            "9a5ac40b389cd370d086206dec8aa6c43daea6690f20ad3d8d48b2d2ce9e38e4",
        );
        let curve = Secp256k1::new();
        let master = Xpriv::new_master(NetworkKind::Main, &hex::decode(seed).unwrap()).unwrap();
        let path = [84, 0, 0].map(|index| ChildNumber::Hardened { index });
        let account = master.derive_priv(&curve, &path).unwrap();
        let key = AccountKey::from_str(&Xpub::from_priv(&curve, &account).to_string()).unwrap();
        let address = |index| key.witness_address(index, "bc").unwrap();
        assert_eq!(address(0), "bc1qcr8te4kr609gcawutmrza0j4xv80jy8z306fyu");
        assert_eq!(address(1), "bc1qnjg0jd8228aq7egyzacy8cys3knf9xvrerkf9g");
        assert!(key.witness_address(0, "ltc").unwrap().starts_with("ltc1q"));
    }

    #[test]
    fn a_known_key_gives_the_address_other_wallets_give() {
        // The first two children of the test vector that every wallet derives from `abandon …
        // about` at m/44'/60'/0'.
        let key = concat!(
            "xpub6DCoCpSuQZB2jawqnGMEPS63ePKWkwWPH4TU45Q7LPXWuNd8TMtVxRrgjtEshuq",
            "pK3mdhaWHPFsBngh5GFZaM6si3yZdUsT8ddYM3PwnATt",
        );
        let key = AccountKey::from_str(key).unwrap();
        assert_eq!(
            key.address(0).unwrap().to_checksum(None),
            "0x9858EfFD232B4033E47d90003D41EC34EcaEda94"
        );
    }
}
