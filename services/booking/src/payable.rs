//! Which assets a price can be paid in: those whose money is usually final before the space is let
//! go. Pure.

use std::time::Duration;

use chrono::{DateTime, Utc};
use contracts::{
    asset::{AssetAmount, AssetId, Rate, Units},
    money::Money,
    offer::LegOrder,
    policy::Policy,
    shown::{NotPayable, ShownAsset},
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::http::shapes;

/// An asset of a quote: what would have to be paid, or why it is not offered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = QuotedAsset)]
pub(crate) struct Payable {
    /// As in `/v1/assets`.
    #[schema(value_type = String)]
    pub(crate) asset: AssetId,
    pub(crate) name: String,
    /// At the rate of now; only the asset that is paid with has its amount promised.
    #[schema(value_type = Option<shapes::AssetAmount>)]
    pub(crate) amount: Option<AssetAmount>,
    /// The amount in whole coins, for people.
    pub(crate) amount_decimal: Option<String>,
    /// How long a payment of this amount usually takes to be final.
    pub(crate) settles_within_s: Option<u32>,
    pub(crate) offered: bool,
    /// Why it is not offered.
    pub(crate) why_not: Option<WhyNot>,
}

/// Why an asset is not offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum WhyNot {
    /// There is no rate that is young enough.
    NoRate,
    /// Money seen at the end of the payment window would usually be final after the space was let
    /// go.
    SettlesTooLate,
    /// Nobody watches its chain here.
    NoNode,
    /// The price is less than what is asked for in this asset.
    TooSmall,
}

/// How long money may take from seen to final, should it be seen at the very end of the window.
pub(crate) fn time_to_settle<'a>(
    policy: &Policy,
    orders: impl Iterator<Item = &'a LegOrder>,
) -> Duration {
    let held_for = orders.map(|order| policy.of(order.supplier).holds_for_min).min();
    let spent = policy.booking.payment_window + policy.booking.hold_margin;
    held_for.unwrap_or_default().saturating_sub(spent)
}

/// How an asset stands for a price. `rates_hold` says whether its rates are young enough.
pub(crate) fn payable(
    asset: &ShownAsset,
    price: Money,
    time_to_settle: Duration,
    rates_hold: RatesHold,
) -> Payable {
    let amount = match rates_hold {
        RatesHold::Yes => amount(asset, price),
        RatesHold::No => None,
    };
    let settles_within_s = amount.as_ref().map(|amount| asset.settles_within_s(amount.units));
    let why_not = match &amount {
        Some(amount) => why_not(asset, amount.units, time_to_settle),
        None if asset.not_payable == Some(NotPayable::NoNode) => Some(WhyNot::NoNode),
        None => Some(WhyNot::NoRate),
    };
    Payable {
        asset: asset.asset.clone(),
        name: asset.name.clone(),
        amount_decimal: amount.as_ref().map(AssetAmount::decimal),
        amount,
        settles_within_s,
        offered: why_not.is_none(),
        why_not,
    }
}

/// Why an amount of an asset cannot be paid; nothing when it can.
pub(crate) fn why_not(
    asset: &ShownAsset,
    units: Units,
    time_to_settle: Duration,
) -> Option<WhyNot> {
    let settles_within = Duration::from_secs(u64::from(asset.settles_within_s(units)));
    if asset.not_payable == Some(NotPayable::NoNode) {
        Some(WhyNot::NoNode)
    } else if units < asset.minimum {
        Some(WhyNot::TooSmall)
    } else if settles_within > time_to_settle {
        Some(WhyNot::SettlesTooLate)
    } else {
        None
    }
}

/// Whether what is shown is young enough to promise a price by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RatesHold {
    Yes,
    No,
}

impl RatesHold {
    /// What was read longer ago than `age_max` does not hold. Their owner has a clock of its own:
    /// one that is ahead must not make an old rate young, so what was read later than now holds no
    /// longer.
    pub(crate) fn of(as_of: DateTime<Utc>, now: DateTime<Utc>, age_max: Duration) -> Self {
        let age = (now - as_of).abs().to_std().unwrap_or(Duration::MAX);
        if age <= age_max { Self::Yes } else { Self::No }
    }
}

fn amount(asset: &ShownAsset, price: Money) -> Option<AssetAmount> {
    let rate: &Rate = asset.rates.iter().find(|rate| rate.currency == price.currency)?;
    let units = rate.units_for(price).ok()?;
    Some(AssetAmount { units, decimals: rate.decimals, asset: rate.asset.clone() })
}

#[cfg(test)]
mod tests {
    use contracts::{money::Currency, policy, shown::ShownSettling, supplier::Supplier};

    use super::*;

    fn ether() -> ShownAsset {
        let asset = AssetId::parse("eth").unwrap();
        let currency = Currency::Eur;
        let rate = Rate {
            asset: asset.clone(),
            decimals: 18,
            currency,
            micro_minor_per_coin: 250_000_000_000,
        };
        let tier = |up_to: Option<&str>, within_s| ShownSettling {
            up_to: up_to.map(|text| Units::parse(text).unwrap()),
            within_s,
            measured: 0,
        };
        ShownAsset {
            asset,
            name: "Ether".to_owned(),
            chain: "eip155:1".to_owned(),
            contract: None,
            decimals: 18,
            settles_in_s: 768,
            settling: vec![tier(Some("1000000000000000000"), 36), tier(None, 768)],
            minimum: Units::parse("1000000000000").unwrap(),
            not_payable: None,
            rates: vec![rate],
        }
    }

    fn at(minor: i64, seconds: u64, rates_hold: RatesHold) -> (Option<u32>, Option<WhyNot>) {
        let price = Money::new(minor, Currency::Eur);
        let payable = payable(&ether(), price, Duration::from_secs(seconds), rates_hold);
        assert_eq!(payable.offered, payable.why_not.is_none());
        (payable.settles_within_s, payable.why_not)
    }

    /// Row: C12
    #[test]
    fn an_asset_is_offered_when_its_amount_is_final_before_the_space_is_let_go() {
        // One coin is 2,500.00: a small amount needs 36 s, a large one 768 s.
        assert_eq!(at(250_000, 36, RatesHold::Yes), (Some(36), None));
        assert_eq!(at(250_000, 35, RatesHold::Yes), (Some(36), Some(WhyNot::SettlesTooLate)));
        assert_eq!(at(250_001, 767, RatesHold::Yes), (Some(768), Some(WhyNot::SettlesTooLate)));
        assert_eq!(at(250_001, 768, RatesHold::Yes), (Some(768), None));
        assert_eq!(at(250_000, 36, RatesHold::No), (None, Some(WhyNot::NoRate)));
    }

    #[test]
    fn a_rate_is_as_old_as_its_owners_clock_is_away_from_ours_in_either_direction() {
        let now = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        let most = Duration::from_secs(60);
        let held = [-600, -61, -60, 0, 60, 61, 600]
            .map(|ago| RatesHold::of(now - chrono::TimeDelta::seconds(ago), now, most));
        let (yes, no) = (RatesHold::Yes, RatesHold::No);
        assert_eq!(held, [no, no, yes, yes, yes, no, no]);
    }

    #[test]
    fn an_asset_without_a_rate_in_the_currency_is_listed_and_not_offered() {
        let price = Money::new(100, Currency::Usd);
        let payable = payable(&ether(), price, Duration::MAX, RatesHold::Yes);
        assert_eq!((payable.amount, payable.why_not), (None, Some(WhyNot::NoRate)));
    }

    #[test]
    fn an_asset_is_not_offered_for_less_than_its_minimum_or_without_a_node() {
        let price = |minor| Money::new(minor, Currency::Eur);
        let asked = |asset: &ShownAsset, minor| {
            payable(asset, price(minor), Duration::MAX, RatesHold::Yes).why_not
        };
        // One cent is four millionths of a coin.
        let minimum = Units::parse("4000000000001").unwrap();
        let ether = ShownAsset { minimum, ..ether() };
        assert_eq!((asked(&ether, 1), asked(&ether, 2)), (Some(WhyNot::TooSmall), None));
        let unwatched = ShownAsset { not_payable: Some(NotPayable::NoNode), ..ether };
        assert_eq!(asked(&unwatched, 250_000), Some(WhyNot::NoNode));
    }

    #[test]
    fn the_shipped_policy_leaves_time_to_pay_for_what_every_supplier_holds() {
        let policy = Policy::parse(policy::DEFAULT).unwrap();
        let order = |supplier| LegOrder {
            supplier,
            book_key: String::new(),
            property_id: String::new(),
            check_in: chrono::NaiveDate::MIN,
            check_out: chrono::NaiveDate::MAX,
            occupancy: contracts::offer::Occupancy { adults: 2, children: Vec::new() },
            price: Money::zero(Currency::Eur),
            terms: contracts::offer::Terms {
                refundable: true,
                cancel_steps: Vec::new(),
                holdable: true,
                due_at_property: Vec::new(),
            },
            product: contracts::offer::Product::Stay,
            reprice: None,
        };
        // What it holds for, less twenty minutes to pay and five of margin.
        let minutes = |supplier| match supplier {
            Supplier::Rapid => 35,
            Supplier::Hotelbeds => 4,
            Supplier::Etg => 215,
            Supplier::Duffel => 95,
            Supplier::Neutral => 5,
        };
        for supplier in Supplier::ALL {
            let time = time_to_settle(&policy, [order(supplier)].iter());
            assert_eq!(time, Duration::from_secs(minutes(supplier) * 60), "{supplier:?}");
            // A few blocks, or a card.
            assert_eq!(why_not(&ether(), Units::parse("1000000000000000000").unwrap(), time), None);
        }
        assert_eq!(time_to_settle(&policy, std::iter::empty()), Duration::ZERO);
    }
}
