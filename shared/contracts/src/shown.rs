//! What owners put into Redis for the gateway, each with an `as_of`; lost at any time without harm.

mod packed;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::{
    asset::{AssetId, Rate, Units},
    offer::{Occupancy, Offer, Search},
    supplier::Supplier,
};

pub use packed::{STAMP_BYTES, Stamp, pack, unpack};

/// Key of `ShownAssets`.
pub const ASSETS_KEY: &str = "shown:assets";
/// Key of `ShownHead` of a chain.
#[must_use]
pub fn head_key(chain: &str) -> String {
    format!("shown:head:{chain}")
}
/// Key of `ShownPoints` of an account.
#[must_use]
pub fn points_key(account: &str) -> String {
    format!("shown:points:{account}")
}
/// Key of `ShownOffers` of a search, by its digest.
#[must_use]
pub fn offers_key(digest: &str) -> String {
    format!("shown:offers:{digest}")
}
/// Digest of a search: the same for whoever asks the same.
#[must_use]
pub fn search_digest(search: &Search) -> String {
    let people = |who: &Occupancy| {
        let ages: Vec<String> = who.children.iter().map(u8::to_string).collect();
        [who.adults.to_string(), ages.join(",")]
    };
    let (mut parts, who, currency) = match search {
        Search::Stay(stay) => {
            let days = [stay.check_in, stay.check_out].map(|day| day.to_string());
            let parts = [vec![stay.property_id.clone()], days.to_vec()].concat();
            (parts, &stay.occupancy, stay.currency)
        }
        Search::Flight(flight) => {
            let back = flight.returns_on.map(|day| day.to_string()).unwrap_or_default();
            let route = [&flight.origin, &flight.destination].map(Clone::clone);
            let days = vec!["flight".to_owned(), flight.departs_on.to_string(), back];
            ([days, route.to_vec()].concat(), &flight.passengers, flight.currency)
        }
        Search::Activity(activity) => {
            let days = [activity.from, activity.to].map(|day| day.to_string());
            let place = vec!["activity".to_owned(), activity.destination.clone()];
            ([place, days.to_vec()].concat(), &activity.participants, activity.currency)
        }
    };
    parts.extend(people(who));
    parts.push(currency.to_string());
    // The separator is no character of any part.
    let digest = Sha256::digest(parts.join("\u{1f}"));
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}
/// Key of what a payment has received, `ShownPayment`.
#[must_use]
pub fn payment_key(payment: &str) -> String {
    format!("shown:payment:{payment}")
}

/// Key of what waits to be mined for a payment, `ShownWaiting`.
#[must_use]
pub fn waiting_key(payment: &str) -> String {
    format!("shown:waiting:{payment}")
}

/// The assets one can pay with and their rates now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShownAssets {
    /// When the rates were read.
    pub as_of: DateTime<Utc>,
    /// The assets.
    pub assets: Vec<ShownAsset>,
}

/// One asset of the registry, as a payer sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShownAsset {
    /// The asset.
    pub asset: AssetId,
    /// Its name for people.
    pub name: String,
    /// The chain, as CAIP-2 writes it.
    pub chain: String,
    /// The token's contract; nothing for the chain's own coin.
    pub contract: Option<String>,
    /// How many decimals one whole coin has.
    pub decimals: u8,
    /// How long a payment of the largest tier takes to be final, in seconds.
    pub settles_in_s: u32,
    /// The same for each tier, smallest first.
    #[serde(default)]
    pub settling: Vec<ShownSettling>,
    /// Less than this is not asked for.
    #[serde(default)]
    pub minimum: Units,
    /// Why it cannot be paid with, whatever its price; nothing when it can.
    #[serde(default)]
    pub not_payable: Option<NotPayable>,
    /// What one whole coin costs, by currency; empty when the feed has nothing younger than the
    /// policy allows.
    pub rates: Vec<Rate>,
}

/// Why an asset of the registry cannot be paid with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NotPayable {
    /// Nobody watches its chain here.
    NoNode,
}

/// How long payments of a tier usually take to be final, once they are seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShownSettling {
    /// Up to which amount; nothing for the last tier.
    pub up_to: Option<Units>,
    /// Nineteen of twenty are final within so many seconds.
    pub within_s: u32,
    /// Of how many payments that was measured; 0 when it is depth times block time.
    pub measured: u32,
}

impl ShownAsset {
    /// How long a payment of this amount usually takes to be final, in seconds.
    #[must_use]
    pub fn settles_within_s(&self, amount: Units) -> u32 {
        let fits = |tier: &&ShownSettling| tier.up_to.is_none_or(|limit| amount <= limit);
        self.settling.iter().find(fits).map_or(self.settles_in_s, |tier| tier.within_s)
    }
}

/// The head of a chain, for "n of m" confirmations.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShownHead {
    /// When it was read.
    pub as_of: DateTime<Utc>,
    /// The height.
    pub height: u64,
}

/// What a payment has received and in which block, for "n of m" confirmations.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShownPayment {
    /// When it was written.
    pub as_of: DateTime<Utc>,
    /// The height of the newest block that has money of it.
    pub height: Option<u64>,
}

/// What a node has of a payment that is in no block yet: it may be replaced, and counts for
/// nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShownWaiting {
    /// When it was read.
    pub as_of: DateTime<Utc>,
    /// How much.
    pub units: Units,
}

/// The points of an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShownPoints {
    /// When it was read.
    pub as_of: DateTime<Utc>,
    /// Can be redeemed.
    pub available: i64,
    /// Earned, not to be redeemed yet.
    pub pending: i64,
    /// Set aside for bookings under way.
    pub held: i64,
    /// Owed because spent points had to be taken back.
    pub debt: i64,
}

/// How fresh a supplier's part of an answer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Freshness {
    /// Within its soft life.
    Fresh,
    /// Past its soft life; being refreshed.
    Stale,
    /// The supplier did not answer.
    Unavailable,
}

/// One supplier's part of an answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SupplierPart {
    /// Who.
    pub supplier: Supplier,
    /// How fresh.
    pub state: Freshness,
}

/// The cached answer to a search.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShownOffers {
    /// When the suppliers were asked.
    pub as_of: DateTime<Utc>,
    /// Until when it is fresh; after that it is shown as stale while it is refreshed.
    pub soft_until: DateTime<Utc>,
    /// Each supplier's part.
    pub suppliers: Vec<SupplierPart>,
    /// The offers.
    pub offers: Vec<Offer>,
}
