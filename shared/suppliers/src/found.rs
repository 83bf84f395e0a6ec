//! What a search found.

use contracts::offer::Offer;

use crate::Broken;

/// The offers of an answer, without those that are not as the supplier documents them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    /// What can be had.
    pub offers: Vec<Offer>,
    /// What is wrong with the first of those that were left out.
    pub left_out: Option<Broken>,
}

impl Found {
    /// The offers of an answer, of which one part after the other was read. A part that breaks the
    /// contract takes nothing else away; where there is nothing else, the answer is broken.
    pub(crate) fn of(
        parts: impl IntoIterator<Item = Result<Vec<Offer>, Broken>>,
    ) -> Result<Self, Broken> {
        let mut found = Self::default();
        for part in parts {
            match part {
                Ok(offers) => found.offers.extend(offers),
                Err(odd @ Broken::Contract { .. }) => {
                    found.left_out.get_or_insert(odd);
                }
                Err(other) => return Err(other),
            }
        }
        match found.left_out {
            Some(odd) if found.offers.is_empty() => Err(odd),
            left_out => Ok(Self { left_out, ..found }),
        }
    }
}
