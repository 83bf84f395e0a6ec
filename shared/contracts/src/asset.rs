//! What one can pay with: assets, amounts of up to 256 bits, and the rate that turns a price into
//! one.
#![deny(clippy::arithmetic_side_effects)]

use std::fmt;

use ruint::aliases::{U256, U512};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{
    money::{Currency, Money, MoneyError, place_point},
    mutants::mutant,
};

/// The name of an asset in the registry: `eth`, `usdc-ethereum`; lower case, digits and dashes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AssetId(String);

impl AssetId {
    /// Parses an asset id.
    ///
    /// # Errors
    /// When it is empty, longer than 40 bytes or has other characters than `a-z`, `0-9` and `-`.
    pub fn parse(text: &str) -> Result<Self, MoneyError> {
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        if (1..=40).contains(&text.len()) && text.bytes().all(plain) {
            Ok(Self(text.to_owned()))
        } else {
            Err(MoneyError::UnknownCurrency)
        }
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is a currency that a card is charged in.
    #[must_use]
    pub fn is_card(&self) -> bool {
        self.0.starts_with("card-")
    }
}

impl TryFrom<String> for AssetId {
    type Error = MoneyError;
    fn try_from(text: String) -> Result<Self, MoneyError> {
        Self::parse(&text)
    }
}

impl From<AssetId> for String {
    fn from(id: AssetId) -> Self {
        id.0
    }
}

impl fmt::Display for AssetId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An amount in the smallest unit of an asset (wei, satoshi, token units).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Units(pub U256);

impl Units {
    /// Nothing.
    pub const ZERO: Self = Self(U256::ZERO);

    /// Reads a plain decimal integer.
    ///
    /// # Errors
    /// When it is empty, has anything but digits, or does not fit in 256 bits.
    pub fn parse(text: &str) -> Result<Self, MoneyError> {
        if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
            return Err(MoneyError::NotAnAmount);
        }
        U256::from_str_radix(text, 10).map(Self).map_err(|_| MoneyError::OutOfRange)
    }

    /// The sum, or nothing when it does not fit.
    #[must_use]
    pub fn checked_add(self, other: Self) -> Option<Self> {
        self.0.checked_add(other.0).map(Self)
    }

    /// What is left of `self` after `other`, never below nothing.
    #[must_use]
    pub fn saturating_sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }

    /// Whether this is nothing.
    #[must_use]
    pub fn is_zero(self) -> bool {
        self.0.is_zero()
    }
}

impl fmt::Display for Units {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Serialize for Units {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&self.0.to_string())
    }
}

impl<'de> Deserialize<'de> for Units {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        use serde::de::Error as _;
        Self::parse(&String::deserialize(from)?).map_err(D::Error::custom)
    }
}

/// An amount of an asset. In JSON: `{"units":"1500000000000000000","decimals":18,"asset":"eth"}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct AssetAmount {
    /// How much, in the smallest unit.
    pub units: Units,
    /// How many decimals one whole coin has.
    pub decimals: u8,
    /// Of what.
    pub asset: AssetId,
}

impl AssetAmount {
    /// The amount as a plain decimal number of whole coins, for people.
    #[must_use]
    pub fn decimal(&self) -> String {
        place_point(&self.units.to_string(), usize::from(self.decimals), false)
    }
}

/// What one whole coin costs, as the rate feed said it and as a quote locks it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Rate {
    /// Which asset.
    pub asset: AssetId,
    /// How many decimals one whole coin has.
    pub decimals: u8,
    /// In which currency the price is.
    pub currency: Currency,
    /// The price of one whole coin in millionths of the currency's minor unit.
    pub micro_minor_per_coin: u64,
}

impl Rate {
    /// How many units of the asset pay `price`, rounded up to the next unit, so that the payer
    /// covers the price by less than one unit too much.
    ///
    /// # Errors
    /// When the price is negative or in another currency, the rate is zero, or it does not fit.
    pub fn units_for(&self, price: Money) -> Result<Units, MoneyError> {
        let (below, is_whole) = self.units(price)?;
        let up = if is_whole || mutant("rounded_down") { U512::ZERO } else { U512::from(1_u8) };
        let units = below.checked_add(up).ok_or(MoneyError::OutOfRange)?;
        U256::checked_from_limbs_slice(units.as_limbs()).map(Units).ok_or(MoneyError::OutOfRange)
    }

    /// How many units of the asset `worth` buys, rounded down to a whole one.
    ///
    /// # Errors
    /// When the worth is negative or in another currency, the rate is zero, or it does not fit.
    pub fn units_within(&self, worth: Money) -> Result<Units, MoneyError> {
        let (below, _) = self.units(worth)?;
        U256::checked_from_limbs_slice(below.as_limbs()).map(Units).ok_or(MoneyError::OutOfRange)
    }

    /// The whole units of a price, and whether they are all of it.
    fn units(&self, price: Money) -> Result<(U512, bool), MoneyError> {
        if price.currency != self.currency {
            return Err(MoneyError::DifferentCurrencies);
        }
        let minor = u64::try_from(price.minor).map_err(|_| MoneyError::OutOfRange)?;
        let per_coin = U512::from(self.micro_minor_per_coin);
        let one_coin = U512::from(10_u8).checked_pow(U512::from(self.decimals));
        let scaled = one_coin
            .and_then(|coin| coin.checked_mul(U512::from(minor)))
            .and_then(|n| n.checked_mul(U512::from(1_000_000_u32)))
            .ok_or(MoneyError::OutOfRange)?;
        let below = scaled.checked_div(per_coin).ok_or(MoneyError::OutOfRange)?;
        let rest = scaled.checked_rem(per_coin).ok_or(MoneyError::OutOfRange)?;
        let below = if mutant("float_money") { as_a_float_keeps_it(below) } else { below };
        Ok((below, rest.is_zero()))
    }
}

/// The 53 bits that a float of 64 has for digits.
fn as_a_float_keeps_it(number: U512) -> U512 {
    let lost = number.bit_len().saturating_sub(53);
    number.wrapping_shr(lost).wrapping_shl(lost)
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects, reason = "a test may overflow; it fails then")]
mod tests {
    use super::*;

    fn eth(micro: u64) -> Rate {
        Rate {
            asset: AssetId::parse("eth").unwrap(),
            decimals: 18,
            currency: Currency::Eur,
            micro_minor_per_coin: micro,
        }
    }

    #[test]
    fn a_price_becomes_units_rounded_up() {
        // One ether costs 2500.00 euro: 250000 minor units.
        let rate = eth(250_000_000_000);
        let units = rate.units_for(Money::new(25_000, Currency::Eur)).unwrap();
        assert_eq!(units.to_string(), "100000000000000000");
        let third = eth(300_000_000_000).units_for(Money::new(1, Currency::Eur)).unwrap();
        assert_eq!(third.to_string(), "3333333333334");
        assert!(rate.units_for(Money::new(1, Currency::Usd)).is_err());
        assert!(rate.units_for(Money::new(-1, Currency::Eur)).is_err());
        assert!(eth(0).units_for(Money::new(1, Currency::Eur)).is_err());
    }

    #[test]
    fn units_are_plain_digits_up_to_256_bits() {
        let max = "115792089237316195423570985008687907853269984665640564039457584007913129639935";
        assert_eq!(Units::parse(max).unwrap().to_string(), max);
        for bad in ["", "-1", "+1", "1.0", "1e3", "0x10", "1_000", &format!("{max}0")] {
            assert!(Units::parse(bad).is_err(), "{bad}");
        }
        assert!(serde_json::from_str::<Units>("5").is_err());
    }

    proptest::proptest! {
        #[test]
        fn the_payer_covers_the_price_and_by_less_than_one_unit(
            minor in 0..10_000_000_000_i64, micro in 1..u64::MAX, decimals in 0..30_u8,
            currency in 0..Currency::ALL.len(),
        ) {
            // With no decimals, two or three: the minor unit is what counts.
            let currency = Currency::ALL[currency];
            let rate = Rate { decimals, currency, ..eth(micro) };
            let units = rate.units_for(Money::new(minor, currency)).unwrap();
            let price = U512::from(minor.unsigned_abs()) * U512::from(1_000_000_u32)
                * U512::from(10_u8).pow(U512::from(decimals));
            let paid = U512::from(units.0) * U512::from(micro);
            proptest::prop_assert!(paid >= price);
            proptest::prop_assert!(paid < price + U512::from(micro));
            // What is bought for it is never worth more, and by less than one unit less.
            let within = rate.units_within(Money::new(minor, currency)).unwrap();
            let bought = U512::from(within.0) * U512::from(micro);
            proptest::prop_assert!(bought <= price && price < bought + U512::from(micro));
        }
    }
}
