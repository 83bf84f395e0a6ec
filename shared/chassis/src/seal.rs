//! Seals personal data and tokens so that a database, a queue or a browser can carry them unread.
//!
//! AES-256-GCM with a random nonce. A sealed value is one byte of key id, twelve of nonce, then the
//! cipher text with its tag. The associated data says what the value belongs to (a row's id and
//! column, a ticket's purpose): a value moved to another place does not open there.
//! Random nonces are good for 2^32 values a key; rotate long before by putting a new key first.

use std::{collections::BTreeMap, fmt};

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use secrecy::{ExposeSecret as _, SecretString};

use crate::{mint, sign::BadKey};

/// Seals with one key and opens with that and older ones.
pub struct Sealer {
    current: u8,
    keys: BTreeMap<u8, LessSafeKey>,
}

/// A sealed value did not open: another key, another place, or it was changed.
///
/// The reasons are not told apart, because whoever tampers would learn from them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the sealed value does not open here")]
pub struct DoesNotOpen;

/// A value could not be sealed; it is too large or the library failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the value could not be sealed")]
pub struct CannotSeal;

impl Sealer {
    /// Reads keys from a configured list, `2:<base64 of 32 bytes>,1:<...>`; the first one seals.
    ///
    /// # Errors
    ///
    /// [`BadKey`] when the list is empty, repeats an id or holds something else.
    pub fn from_config(keys: &SecretString) -> Result<Self, BadKey> {
        const WANTED: &str = "a list of `<0-255>:<base64 of 32 bytes>`, ids unlike";
        let refused = || BadKey { what: "the sealing keys", wanted: WANTED };
        let mut current = None;
        let mut found = BTreeMap::new();
        for entry in keys.expose_secret().split(',') {
            let (id, key) = entry.split_once(':').ok_or_else(refused)?;
            let id: u8 = id.trim().parse().map_err(|_not_a_number| refused())?;
            let bytes = STANDARD.decode(key.trim()).map_err(|_not_base64| refused())?;
            let key = UnboundKey::new(&AES_256_GCM, &bytes).map_err(|_length| refused())?;
            if found.insert(id, LessSafeKey::new(key)).is_some() {
                return Err(refused());
            }
            current = current.or(Some(id));
        }
        Ok(Self { current: current.ok_or_else(refused)?, keys: found })
    }

    /// Makes a configured list of one new key, for tests and for setting up a machine.
    #[must_use]
    pub fn generate_config() -> SecretString {
        SecretString::from(format!("1:{}", STANDARD.encode(mint::random_bytes::<32>())))
    }

    /// Seals a value for the place `aad` names.
    ///
    /// # Errors
    ///
    /// [`CannotSeal`] when the library refuses, as for values of many gigabytes.
    pub fn seal(&self, plain: &[u8], aad: &[u8]) -> Result<Vec<u8>, CannotSeal> {
        let key = self.keys.get(&self.current).ok_or(CannotSeal)?;
        let nonce: [u8; NONCE_LEN] = mint::random_bytes();
        let mut body = plain.to_vec();
        key.seal_in_place_append_tag(
            Nonce::assume_unique_for_key(nonce),
            Aad::from(aad),
            &mut body,
        )
        .map_err(|_unspecified| CannotSeal)?;
        let mut sealed = Vec::with_capacity(1 + NONCE_LEN + body.len());
        sealed.push(self.current);
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(&body);
        Ok(sealed)
    }

    /// Opens a value that was sealed for the place `aad` names, with whichever key it names.
    ///
    /// # Errors
    ///
    /// [`DoesNotOpen`], and no reason.
    pub fn open(&self, sealed: &[u8], aad: &[u8]) -> Result<Vec<u8>, DoesNotOpen> {
        let (id, rest) = sealed.split_first().ok_or(DoesNotOpen)?;
        let (nonce, body) = rest.split_first_chunk::<NONCE_LEN>().ok_or(DoesNotOpen)?;
        let key = self.keys.get(id).ok_or(DoesNotOpen)?;
        let mut body = body.to_vec();
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let plain_len = key
            .open_in_place(nonce, Aad::from(aad), &mut body)
            .map_err(|_unspecified| DoesNotOpen)?
            .len();
        body.truncate(plain_len);
        Ok(body)
    }

    /// Seals a text into a text that needs no escaping in a URL or a header.
    ///
    /// # Errors
    ///
    /// [`CannotSeal`], as [`Self::seal`].
    pub fn seal_text(&self, plain: &str, aad: &[u8]) -> Result<String, CannotSeal> {
        self.seal(plain.as_bytes(), aad).map(|sealed| URL_SAFE_NO_PAD.encode(sealed))
    }

    /// Opens what [`Self::seal_text`] made.
    ///
    /// # Errors
    ///
    /// [`DoesNotOpen`], and no reason.
    pub fn open_text(&self, sealed: &str, aad: &[u8]) -> Result<String, DoesNotOpen> {
        let sealed = URL_SAFE_NO_PAD.decode(sealed).map_err(|_not_base64| DoesNotOpen)?;
        String::from_utf8(self.open(&sealed, aad)?).map_err(|_not_text| DoesNotOpen)
    }
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ids: Vec<_> = self.keys.keys().collect();
        f.debug_struct("Sealer").field("current", &self.current).field("keys", &ids).finish()
    }
}

#[cfg(test)]
mod tests;
