//! The closed list of suppliers.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// A supplier the platform books at; the word is the same in URLs, file names, keys and metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum Supplier {
    /// Expedia Rapid: stays.
    Rapid,
    /// Emerging Travel Group (RateHawk): stays.
    Etg,
    /// Hotelbeds: activities.
    Hotelbeds,
    /// Duffel: flights.
    Duffel,
    /// A partner that speaks our own partner API: stays.
    Neutral,
}

impl Supplier {
    /// Every supplier.
    pub const ALL: [Self; 5] =
        [Self::Rapid, Self::Etg, Self::Hotelbeds, Self::Duffel, Self::Neutral];

    /// The supplier's word.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Rapid => "rapid",
            Self::Etg => "etg",
            Self::Hotelbeds => "hotelbeds",
            Self::Duffel => "duffel",
            Self::Neutral => "neutral",
        }
    }

    /// Whether others can be put on what is bought without another reservation, for nothing: where
    /// the dialect has such a call.
    #[must_use]
    pub const fn changes_guests(self) -> bool {
        match self {
            Self::Rapid => true,
            Self::Etg | Self::Hotelbeds | Self::Duffel | Self::Neutral => false,
        }
    }

    /// Whether of all offers of one search only one can be ordered, and once.
    #[must_use]
    pub const fn sells_a_search_once(self) -> bool {
        match self {
            Self::Duffel => true,
            Self::Rapid | Self::Etg | Self::Hotelbeds | Self::Neutral => false,
        }
    }
}

impl fmt::Display for Supplier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// The word names no supplier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("unknown supplier")]
pub struct UnknownSupplier;

impl FromStr for Supplier {
    type Err = UnknownSupplier;
    fn from_str(word: &str) -> Result<Self, UnknownSupplier> {
        Self::ALL.into_iter().find(|s| s.word() == word).ok_or(UnknownSupplier)
    }
}
