//! How deep money must lie: by the amount that was asked for, and deeper when more came.
//!
//! What came beyond the price can be asked back, so a small price must not make a large amount
//! final early. Amounts without an end wait for the chain's own word besides, where it gives one.

use contracts::asset::Units;
use serde::{Deserialize, Serialize};

use crate::{
    assets::Asset,
    fact::rests_for_nothing,
    state::{Payment, Request, Sighting},
};

/// What amounts of more than this need.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Deeper {
    /// More than this.
    pub beyond: Units,
    /// How deep.
    #[serde(default, skip_serializing_if = "rests_for_nothing")]
    pub confirmations: u32,
    /// Whether the chain itself has to call it final.
    #[serde(default, skip_serializing_if = "is_false")]
    pub finalized: bool,
}

/// The newest block, and what the chain calls final.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// The height of the newest block.
    pub height: u64,
    /// Up to which height the chain itself calls blocks final, if it was asked and says so.
    pub finalized: Option<u64>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over references")]
pub(crate) const fn is_false(flag: &bool) -> bool {
    !*flag
}

/// The tiers of an asset beyond that of an amount.
pub(crate) fn deeper_than(asset: &Asset, units: Units) -> Vec<Deeper> {
    let above = asset.tiers.iter().zip(asset.tiers.iter().skip(1));
    let above = above.filter_map(|(tier, next)| {
        let beyond = tier.up_to.filter(|limit| units <= *limit)?;
        let finalized = asset.finalized && next.up_to.is_none();
        Some(Deeper { beyond, confirmations: next.confirmations, finalized })
    });
    above.collect()
}

/// Whether the chain itself has to call an amount final.
pub(crate) fn waits_for_chain(asset: &Asset, units: Units) -> bool {
    let within = |limit: Units| units <= limit;
    asset.finalized && !asset.tiers.iter().any(|tier| tier.up_to.is_some_and(within))
}

/// Whether money in this block is deep enough, by all that came.
pub(crate) fn is_deep(
    payment: &Payment,
    request: &Request,
    sighting: &Sighting,
    head: Head,
) -> bool {
    let wanted = wanted(request, payment.received());
    let confirmations = wanted.confirmations.max(sighting.rests);
    Wanted { confirmations, ..wanted }.is_met(sighting.height, head)
}

/// What money has to be to pay a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// How deep.
    confirmations: u32,
    /// Whether the chain itself has to call it final.
    finalized: bool,
}

/// What money has to be to pay a request, when so much of it comes.
pub(crate) fn wanted(request: &Request, came: Units) -> Wanted {
    let Request { confirmations, finalized, deeper, .. } = request;
    let least = Wanted { confirmations: *confirmations, finalized: *finalized };
    deeper.iter().filter(|deeper| came > deeper.beyond).fold(least, |wanted, deeper| Wanted {
        confirmations: wanted.confirmations.max(deeper.confirmations),
        finalized: wanted.finalized || deeper.finalized,
    })
}

impl Wanted {
    /// Whether what lies at this height is that.
    pub(crate) fn is_met(self, height: u64, head: Head) -> bool {
        let depth = head.height.saturating_add(1).saturating_sub(height);
        let is_called_final = head.finalized.is_some_and(|finalized| finalized >= height);
        depth >= u64::from(self.confirmations) && (is_called_final || !self.finalized)
    }
}
