//! What a check comes to, and in which words.

/// What a check comes to.
pub(crate) type Said = Result<String, Fault>;

/// Why a check did not pass.
#[derive(Debug, Clone)]
pub(crate) enum Fault {
    /// Something else than was expected was seen.
    Seen(String),
    /// It cannot be asked of this dialect, or not now.
    Skipped(String),
    /// It could not be asked here, so nothing is known.
    NotTested(String),
}

impl Fault {
    /// Could not be asked, because another check did not pass.
    pub(crate) fn see(check: &str) -> Self {
        Self::NotTested(format!("not tested: see {check}"))
    }
}

impl From<String> for Fault {
    fn from(seen: String) -> Self {
        Self::Seen(seen)
    }
}
