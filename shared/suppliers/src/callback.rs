//! Callbacks that are signed as Standard Webhooks says: id, time stamp and raw body under one HMAC.

/// A callback that is proven to be the supplier's. A hint to look, never state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Callback {
    /// The supplier's id of it, the same over repeats.
    pub id: String,
    /// Our reference, where it names one.
    pub client_reference: Option<String>,
    /// The supplier's reference, where it names one.
    pub reference: Option<String>,
    /// What the supplier calls the event, where it says.
    pub event: Option<String>,
    /// What the signature proves.
    pub covers: Covers,
}

/// What a signature covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Covers {
    /// The body too.
    Body,
    /// Only that the supplier sent something; the body may be anybody's.
    Sender,
}

/// Why a callback is not believed. For our own log: the sender is told nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Forged {
    /// A header is missing or not of its form.
    #[error("header missing or malformed")]
    Header,
    /// Its time stamp is too old.
    #[error("too old")]
    Stale,
    /// Its time stamp is ahead of us.
    #[error("from the future")]
    Future,
    /// No secret of ours made its signature.
    #[error("signature does not hold")]
    Signature,
}

impl Forged {
    /// The word used in metrics and logs.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Header => "header",
            Self::Stale => "stale",
            Self::Future => "future",
            Self::Signature => "signature",
        }
    }
}
