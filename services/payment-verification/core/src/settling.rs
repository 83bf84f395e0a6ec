//! How long payments take to be final: measured where there is enough to measure, else computed.

use std::time::Duration;

use contracts::{asset::Units, shown::ShownSettling};

use crate::assets::{Asset, Chain};

/// Fewer payments than this say nothing of the slowest of twenty.
const ENOUGH: usize = 20;

/// A payment that settled: how much was asked for, how long it took from first seen to final.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settled {
    /// What was asked for.
    pub asked: Units,
    /// How long it took.
    pub took: Duration,
}

/// How long each tier of an asset takes, smallest first.
///
/// The computed time is depth times block time. Nothing is said to be faster than that: a measured
/// time can only be longer, or a quiet hour would promise too much to the next busy one.
#[must_use]
pub fn settling(asset: &Asset, chain: &Chain, settled: &[Settled]) -> Vec<ShownSettling> {
    let tiers = asset.tiers.iter().map(|tier| {
        let computed = whole_seconds(chain.block_time.saturating_mul(tier.confirmations));
        let depth = |one: &&Settled| asset.confirmations_for(one.asked) == tier.confirmations;
        let took: Vec<Duration> = settled.iter().filter(depth).map(|one| one.took).collect();
        let measured = slowest_of_twenty(took);
        ShownSettling {
            up_to: tier.up_to,
            within_s: measured.map_or(computed, |(slow, _)| whole_seconds(slow).max(computed)),
            measured: measured.map_or(0, |(_, count)| u32::try_from(count).unwrap_or(u32::MAX)),
        }
    });
    tiers.collect()
}

/// The time within which nineteen of twenty were final, and of how many that was found.
fn slowest_of_twenty(mut took: Vec<Duration>) -> Option<(Duration, usize)> {
    let count = took.len();
    if count < ENOUGH {
        return None;
    }
    took.sort_unstable();
    let place = count.saturating_mul(19).div_ceil(20).saturating_sub(1);
    took.get(place).map(|slow| (*slow, count))
}

fn whole_seconds(time: Duration) -> u32 {
    let second_begun = u64::from(time.subsec_nanos() > 0);
    u32::try_from(time.as_secs().saturating_add(second_begun)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::assets::Registry;

    const SHIPPED: &str = include_str!("../../../../deploy/assets.toml");

    fn told(settled: &[Settled]) -> Vec<(u32, u32)> {
        let registry = Registry::parse(SHIPPED).unwrap();
        let asset = registry.asset(&contracts::asset::AssetId::parse("eth").unwrap()).unwrap();
        let chain = registry.chain(&asset.chain).unwrap();
        let tiers = settling(asset, chain, settled);
        tiers.iter().map(|tier| (tier.within_s, tier.measured)).collect()
    }

    fn took(asked: &str, seconds: impl Iterator<Item = u64>) -> Vec<Settled> {
        let asked = Units::parse(asked).unwrap();
        seconds.map(|s| Settled { asked, took: Duration::from_secs(s) }).collect()
    }

    #[test]
    fn depth_times_block_time_holds_until_enough_was_measured() {
        // 3, 6 and 12 blocks of a second.
        let computed = vec![(3, 0), (6, 0), (12, 0)];
        assert_eq!(told(&[]), computed);
        let small = "1000000000000000000";
        assert_eq!(told(&took(small, 1..20)), computed);
        assert_eq!(told(&took(small, 1..=20))[0], (19, 20));
        assert_eq!(told(&took(small, 1..=100)), [(95, 100), (6, 0), (12, 0)]);
        assert_eq!(told(&took("1000000000000000001", 41..=60))[1], (59, 20));
    }

    #[test]
    fn nothing_is_said_to_be_faster_than_its_blocks() {
        assert_eq!(told(&took("1", std::iter::repeat_n(0, 50)))[0], (3, 50));
    }
}
