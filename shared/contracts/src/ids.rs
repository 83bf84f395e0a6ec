//! Every id that crosses a boundary, and how an id is derived from what caused it.

use std::{fmt, str::FromStr};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::{Builder, Uuid};

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[cfg_attr(test, derive(utoipa::ToSchema))]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Uuid::parse_str(text).map(Self)
            }
        }
    };
}

uuid_id!(
    /// One booking: the aggregate that everything else refers to.
    BookingId
);
uuid_id!(
    /// One leg of a booking: one reservation that can be cancelled alone.
    LegId
);
uuid_id!(
    /// A price that was promised to one account for some minutes.
    QuoteId
);
uuid_id!(
    /// One payment request; a booking has one, and a booking paid from another has its own.
    PaymentId
);
uuid_id!(
    /// One message, the same over all its retries and replays.
    MessageId
);
uuid_id!(
    /// One stored callback of a supplier.
    CallbackId
);

/// Who a booking belongs to: the `sub` of the token.
///
/// 1 to 64 characters of `A-Z a-z 0-9 . _ | @ : -`, a letter or digit first: it stands in paths of
/// internal HTTP and in keys, where a slash, a question mark or `..` would mean something else.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AccountId(String);

/// The text is not an account id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an account id has 1 to 64 letters, digits and . _ | @ : -, a letter or digit first")]
pub struct NotAnAccount;

impl AccountId {
    /// Parses an account id.
    ///
    /// # Errors
    /// When it is empty, longer than 64 bytes, or has other characters.
    pub fn parse(text: &str) -> Result<Self, NotAnAccount> {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"._|@:-".contains(&b);
        let begins = text.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric());
        let fits = text.len() <= 64 && begins && text.bytes().all(plain);
        if fits { Ok(Self(text.to_owned())) } else { Err(NotAnAccount) }
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for AccountId {
    type Error = NotAnAccount;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text)
    }
}

impl From<AccountId> for String {
    fn from(id: AccountId) -> Self {
        id.0
    }
}

impl fmt::Display for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Derives an id from its cause: 48 bits of `at` in milliseconds, then a hash of `parts`.
///
/// The same cause always gives the same id, so a decision that is made twice says the same message
/// twice, and an index on it grows at its end. The result is a version 8 UUID.
#[must_use]
pub fn derive(at: DateTime<Utc>, parts: &[&[u8]]) -> Uuid {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        hash.update(part);
    }
    let digest = hash.finalize();
    let millis = u64::try_from(at.timestamp_millis()).unwrap_or(0).to_be_bytes();
    let mut bytes = [0_u8; 16];
    // The two high bytes of the milliseconds are zero until the year 10889.
    let source = millis.iter().skip(2).chain(digest.iter());
    for (to, from) in bytes.iter_mut().zip(source) {
        *to = *from;
    }
    Builder::from_custom_bytes(bytes).into_uuid()
}

impl MessageId {
    /// The id of the `n`th message that event `version` of `aggregate` caused.
    #[must_use]
    pub fn caused_by(at: DateTime<Utc>, aggregate: Uuid, version: u64, n: u64) -> Self {
        Self(derive(at, &[aggregate.as_bytes(), &version.to_be_bytes(), &n.to_be_bytes()]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_cause_gives_the_same_id_and_later_causes_sort_later() {
        let t = DateTime::from_timestamp_millis(1_800_000_000_000).unwrap();
        let a = MessageId::caused_by(t, Uuid::from_u128(7), 1, 0);
        assert_eq!(a, MessageId::caused_by(t, Uuid::from_u128(7), 1, 0));
        assert_ne!(a, MessageId::caused_by(t, Uuid::from_u128(7), 1, 1));
        assert_ne!(a, MessageId::caused_by(t, Uuid::from_u128(7), 2, 0));
        let later = t + chrono::TimeDelta::milliseconds(1);
        assert!(a < MessageId::caused_by(later, Uuid::from_u128(7), 1, 0));
        assert_eq!(a.0.get_version_num(), 8);
    }

    #[test]
    fn account_ids_cannot_stand_for_another_path() {
        for good in ["acct_1", "auth0|5f7c", "ana@example.org", "0"] {
            assert!(AccountId::parse(good).is_ok(), "{good}");
        }
        let other = ["victim?x", "victim#x", "a/../victim", "..", ".", "%2e%2e", "a%2fb"];
        for bad in ["", " a", "a b", "ä", &"x".repeat(65)].into_iter().chain(other) {
            assert!(AccountId::parse(bad).is_err(), "{bad:?}");
        }
    }
}
