//! Finds again what is sealed: a keyed digest that is the same for the same text, and says nothing
//! of it to whoever has no key.

use aws_lc_rs::hmac::{self, HMAC_SHA256};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use secrecy::{ExposeSecret as _, SecretString};

use crate::{mint, sign::BadKey};

/// Makes digests by which a sealed text is found.
///
/// A plain hash would not do: there are few enough addresses and phone numbers to try them all. The
/// key is not one that seals, so that whoever can search can read nothing.
pub struct BlindIndex(hmac::Key);

impl BlindIndex {
    /// Reads the key, base64 of 32 bytes.
    ///
    /// # Errors
    ///
    /// [`BadKey`] when it is something else.
    pub fn from_config(key: &SecretString) -> Result<Self, BadKey> {
        let refused = || BadKey { what: "the key of an index", wanted: "base64 of 32 bytes" };
        let bytes = STANDARD.decode(key.expose_secret().trim());
        let bytes = bytes.map_err(|_not_base64| refused())?;
        if bytes.len() != 32 {
            return Err(refused());
        }
        Ok(Self(hmac::Key::new(HMAC_SHA256, &bytes)))
    }

    /// Makes a new key, as [`Self::from_config`] reads it.
    #[must_use]
    pub fn generate_config() -> SecretString {
        SecretString::from(STANDARD.encode(mint::random_bytes::<32>()))
    }

    /// The digest of a text of one kind; the same text of another kind has another.
    #[must_use]
    pub fn digest(&self, kind: &str, text: &str) -> Vec<u8> {
        let mut context = hmac::Context::with_key(&self.0);
        for part in [kind.as_bytes(), &[0], text.as_bytes()] {
            context.update(part);
        }
        context.sign().as_ref().to_vec()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_the_same_for_the_same_text_kind_and_key_and_for_nothing_else() {
        let index = BlindIndex::from_config(&BlindIndex::generate_config()).unwrap();
        let other = BlindIndex::from_config(&BlindIndex::generate_config()).unwrap();
        let digest = index.digest("email", "ana@example.org");
        assert_eq!(digest, index.digest("email", "ana@example.org"));
        assert_ne!(digest, index.digest("email", "ann@example.org"));
        assert_ne!(digest, index.digest("phone", "ana@example.org"));
        assert_ne!(digest, other.digest("email", "ana@example.org"));
        assert_eq!(digest.len(), 32);
    }

    #[test]
    fn a_key_is_thirty_two_bytes() {
        for bad in ["", "no base64!", "AAECAwQ=", &STANDARD.encode([7; 33])] {
            assert!(BlindIndex::from_config(&bad.to_owned().into()).is_err(), "{bad}");
        }
    }
}
