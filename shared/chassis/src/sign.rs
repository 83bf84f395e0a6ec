//! Ed25519 signatures over bytes: what must be paid, tickets, anything one service vouches for.

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use secrecy::{ExposeSecret as _, SecretString};

/// A key could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} is not {wanted}")]
pub struct BadKey {
    /// Which key it was.
    pub what: &'static str,
    /// What it should have been.
    pub wanted: &'static str,
}

/// A signature does not fit the bytes and the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the signature does not fit")]
pub struct BadSignature;

/// The private half: signs.
pub struct SigningKey {
    pair: Ed25519KeyPair,
    seed: [u8; 32],
}

/// The public half: verifies.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct VerifyingKey([u8; 32]);

impl SigningKey {
    /// Reads the 32-byte seed from standard base64.
    ///
    /// # Errors
    ///
    /// [`BadKey`] when it is not base64 of 32 bytes.
    pub fn from_base64(seed: &SecretString) -> Result<Self, BadKey> {
        let bytes = thirty_two(seed.expose_secret(), "the signing key")?;
        Self::from_seed(bytes)
    }

    /// Makes a new key.
    ///
    /// # Errors
    ///
    /// [`BadKey`] when the library refuses the seed, which it has no reason to.
    pub fn generate() -> Result<Self, BadKey> {
        Self::from_seed(crate::mint::random_bytes())
    }

    /// Prints the seed, as [`Self::from_base64`] reads it.
    #[must_use]
    pub fn to_base64(&self) -> SecretString {
        SecretString::from(STANDARD.encode(self.seed))
    }

    /// Gives the public half.
    #[must_use]
    pub fn verifying_key(&self) -> VerifyingKey {
        let mut bytes = [0; 32];
        for (to, from) in bytes.iter_mut().zip(self.pair.public_key().as_ref()) {
            *to = *from;
        }
        VerifyingKey(bytes)
    }

    /// Signs the bytes; 64 bytes come back.
    #[must_use]
    pub fn sign(&self, bytes: &[u8]) -> Vec<u8> {
        self.pair.sign(bytes).as_ref().to_vec()
    }

    /// Signs the bytes and prints the signature in standard base64.
    #[must_use]
    pub fn sign_text(&self, bytes: &[u8]) -> String {
        STANDARD.encode(self.sign(bytes))
    }

    pub(crate) fn pair(&self) -> &Ed25519KeyPair {
        &self.pair
    }

    pub(crate) fn from_seed(seed: [u8; 32]) -> Result<Self, BadKey> {
        let pair = Ed25519KeyPair::from_seed_unchecked(&seed)
            .map_err(|_rejected| BadKey { what: "the signing key", wanted: "an Ed25519 seed" })?;
        Ok(Self { pair, seed })
    }
}

impl VerifyingKey {
    /// Reads the 32 bytes from standard base64.
    ///
    /// # Errors
    ///
    /// [`BadKey`] when it is not base64 of 32 bytes.
    pub fn from_base64(key: &str) -> Result<Self, BadKey> {
        thirty_two(key, "the verifying key").map(Self)
    }

    /// Prints the key, as [`Self::from_base64`] reads it.
    #[must_use]
    pub fn to_base64(&self) -> String {
        STANDARD.encode(self.0)
    }

    /// Gives the raw bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Checks a signature over the bytes.
    ///
    /// # Errors
    ///
    /// [`BadSignature`] for whatever reason it does not fit.
    pub fn verify(&self, bytes: &[u8], signature: &[u8]) -> Result<(), BadSignature> {
        UnparsedPublicKey::new(&ED25519, self.0)
            .verify(bytes, signature)
            .map_err(|_unspecified| BadSignature)
    }

    /// Checks a signature printed by [`SigningKey::sign_text`].
    ///
    /// # Errors
    ///
    /// [`BadSignature`] when it is no base64 or does not fit.
    pub fn verify_text(&self, bytes: &[u8], signature: &str) -> Result<(), BadSignature> {
        let signature = STANDARD.decode(signature).map_err(|_not_base64| BadSignature)?;
        self.verify(bytes, &signature)
    }
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SigningKey(*** for {:?})", self.verifying_key())
    }
}

impl std::fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "VerifyingKey({})", self.to_base64())
    }
}

fn thirty_two(text: &str, what: &'static str) -> Result<[u8; 32], BadKey> {
    let refused = BadKey { what, wanted: "32 bytes in base64" };
    let bytes = STANDARD.decode(text.trim()).map_err(|_not_base64| refused.clone())?;
    bytes.try_into().map_err(|_wrong_length| refused)
}

#[cfg(test)]
mod tests;
