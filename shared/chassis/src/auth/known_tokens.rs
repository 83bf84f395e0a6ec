//! Tokens whose signature was checked already: a customer sends the same one with every request,
//! and checking a signature takes longer than anything else that a request does in memory.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use aws_lc_rs::digest::{SHA256, digest as sha256};

use super::Claims;

/// Some 2 MiB. When there are more, all are forgotten: each costs one check to be known again.
const KNOWN_MAX: usize = 4096;

/// What stands for a token here; the token itself is nowhere kept.
pub(super) type Digest = [u8; 32];

/// Claims of tokens that were good when they were checked. Whether they still are is a matter of
/// their `exp` alone, because the keys are the same for as long as the process lives.
#[derive(Default)]
pub(super) struct KnownTokens(Mutex<BTreeMap<Digest, Claims>>);

/// The digest of a whole token, its signature included.
pub(super) fn digest(token: &str) -> Digest {
    let mut bytes = Digest::default();
    for (byte, of) in bytes.iter_mut().zip(sha256(&SHA256, token.as_bytes()).as_ref()) {
        *byte = *of;
    }
    bytes
}

impl KnownTokens {
    pub(super) fn get(&self, digest: &Digest) -> Option<Claims> {
        self.lock().get(digest).cloned()
    }

    pub(super) fn put(&self, digest: Digest, claims: &Claims) {
        let mut known = self.lock();
        if known.len() >= KNOWN_MAX {
            known.clear();
        }
        known.insert(digest, claims.clone());
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Digest, Claims>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
