//! Why a message is dead: one of a few words, the same on the wire and in the console.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// Why a message was given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// Its headers or its body cannot be read.
    Undecodable,
    /// Its type, or this version of its type, has no handler here.
    UnknownType,
    /// It failed as often as the policy allows.
    Exhausted,
    /// The handler said that trying again is of no use.
    Rejected,
    /// It killed its consumer, or made it panic, as often as the policy allows.
    Crash,
}

/// The text is not the name of a cause.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotACause;

impl Cause {
    /// Every cause there is.
    pub const ALL: [Self; 5] =
        [Self::Undecodable, Self::UnknownType, Self::Exhausted, Self::Rejected, Self::Crash];

    /// The word on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Undecodable => "undecodable",
            Self::UnknownType => "unknown_type",
            Self::Exhausted => "exhausted",
            Self::Rejected => "rejected",
            Self::Crash => "crash",
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Cause {
    type Err = NotACause;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|cause| cause.as_str() == text).ok_or(NotACause)
    }
}

impl fmt::Display for NotACause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not the name of a cause")
    }
}

impl std::error::Error for NotACause {}
