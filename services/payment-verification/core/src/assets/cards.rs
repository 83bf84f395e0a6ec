//! What one can pay with by card: every currency, one to one.

use std::time::Duration;

use contracts::{
    asset::{AssetId, Rate, Units},
    instruction::CARD_CHAIN,
    money::Currency,
};

use super::{Asset, Chain, Family, Registry, Tier};

/// Held is one deep, taken is two: only what was taken is final.
pub const TAKEN_DEEP: u32 = 2;
/// The gateway charges three-decimal currencies in hundredths.
const DECIMALS_MAX: u32 = 2;
/// How long the gateway takes for a step, for saying how long a payment takes.
const STEP: Duration = Duration::from_secs(1);

impl Registry {
    /// The registry with one asset for each currency that cards are charged in.
    #[must_use]
    pub fn with_cards(mut self) -> Self {
        let chain = Chain {
            id: CARD_CHAIN.to_owned(),
            name: "Card".to_owned(),
            block_time: STEP,
            family: Family::Card,
            finalized: false,
        };
        self.chains.insert(chain.id.clone(), chain);
        let assets = Currency::ALL.into_iter().filter_map(asset);
        self.assets.extend(assets.map(|asset| (asset.id.clone(), asset)));
        self
    }
}

fn asset(currency: Currency) -> Option<Asset> {
    let code = currency.code();
    Some(Asset {
        id: AssetId::parse(&format!("card-{}", code.to_lowercase())).ok()?,
        name: format!("Card, in {code}"),
        chain: CARD_CHAIN.to_owned(),
        family: Family::Card,
        contract: None,
        decimals: decimals(currency),
        feed: String::new(),
        coin: None,
        dust: Units::ZERO,
        finalized: false,
        minimum: Units::parse(&charged_min(currency).to_string()).ok()?,
        tiers: vec![Tier { up_to: None, confirmations: TAKEN_DEEP }],
    })
}

/// The least that the gateway charges, in the smallest unit that it knows.
const fn charged_min(currency: Currency) -> u32 {
    match currency {
        Currency::Eur | Currency::Usd | Currency::Chf | Currency::Jpy => 50,
        Currency::Gbp => 30,
        // Assumed: none is published, and this is worth as much as the others.
        Currency::Kwd => 15,
    }
}

fn decimals(currency: Currency) -> u8 {
    u8::try_from(currency.scale().min(DECIMALS_MAX)).unwrap_or(0)
}

/// The currency that an asset is charged in; nothing when it is not paid by card.
#[must_use]
pub fn currency_of(id: &AssetId) -> Option<Currency> {
    let code = id.as_str().strip_prefix("card-")?;
    Currency::ALL.into_iter().find(|currency| currency.code().eq_ignore_ascii_case(code))
}

/// What one whole unit of its currency costs: one. Nothing when the asset is not paid by card.
#[must_use]
pub fn rate(asset: &Asset) -> Option<Rate> {
    let currency = currency_of(&asset.id).filter(|_| asset.family == Family::Card)?;
    let minor = 10_u64.checked_pow(currency.scale())?;
    let micro_minor_per_coin = minor.checked_mul(1_000_000)?;
    let (asset, decimals) = (asset.id.clone(), asset.decimals);
    Some(Rate { asset, decimals, currency, micro_minor_per_coin })
}

/// What the gateway calls an amount: an integer in the smallest unit that it knows. Of
/// three-decimal currencies the last digit has to be zero. Nothing when it does not fit.
#[must_use]
pub fn charged_as(currency: Currency, units: Units) -> Option<u64> {
    let factor = factor(currency)?;
    u64::try_from(units.0).ok()?.checked_mul(factor)
}

/// The units of an amount as the gateway calls it; nothing when it is no whole number of them.
#[must_use]
pub fn units_of(currency: Currency, amount: u64) -> Option<Units> {
    let factor = factor(currency)?;
    let units = amount.checked_div(factor).filter(|_| amount.checked_rem(factor) == Some(0))?;
    Units::parse(&units.to_string()).ok()
}

fn factor(currency: Currency) -> Option<u64> {
    10_u64.checked_pow(currency.scale().checked_sub(u32::from(decimals(currency)))?)
}

#[cfg(test)]
mod tests {
    use contracts::money::Money;

    use super::*;

    fn registry() -> Registry {
        Registry::parse(crate::assets::DEFAULT).unwrap().with_cards()
    }

    /// Row: L4
    #[test]
    fn a_card_pays_the_price_to_the_last_unit_whatever_decimals_its_currency_has() {
        for (currency, minor, charged) in [
            (Currency::Eur, 12_345, 12_345),
            (Currency::Jpy, 12_345, 12_345),
            (Currency::Kwd, 12_340, 12_340),
            // The gateway takes no thousandths: rounded up, as every amount is.
            (Currency::Kwd, 12_341, 12_350),
        ] {
            let id = AssetId::parse(&format!("card-{}", currency.code().to_lowercase())).unwrap();
            let registry = registry();
            let asset = registry.asset(&id).unwrap();
            let rate = rate(asset).unwrap();
            let units = rate.units_for(Money::new(minor, currency)).unwrap();
            assert_eq!(charged_as(currency, units), Some(charged), "{minor} {currency}");
            assert_eq!(units_of(currency, charged), Some(units));
        }
        assert_eq!(units_of(Currency::Kwd, 12_341), None);
    }

    #[test]
    fn only_what_is_paid_by_card_has_a_currency() {
        let ether = AssetId::parse("eth").unwrap();
        assert_eq!(currency_of(&ether), None);
        assert_eq!(rate(registry().asset(&ether).unwrap()), None);
    }
}
