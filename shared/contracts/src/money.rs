//! Minor units and a currency; checked or not at all.
#![deny(clippy::arithmetic_side_effects)]

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A currency of ISO 4217 that the platform can price in, with the number of its decimals.
///
/// The list is closed: a supplier's answer in another currency is a broken contract, not a guess.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
#[serde(rename_all = "UPPERCASE")]
pub enum Currency {
    /// Euro, 2 decimals.
    Eur,
    /// United States dollar, 2 decimals.
    Usd,
    /// Pound sterling, 2 decimals.
    Gbp,
    /// Swiss franc, 2 decimals.
    Chf,
    /// Yen, no decimals.
    Jpy,
    /// Kuwaiti dinar, 3 decimals.
    Kwd,
}

impl Currency {
    /// Every currency, in the order of the enum.
    pub const ALL: [Self; 6] = [Self::Eur, Self::Usd, Self::Gbp, Self::Chf, Self::Jpy, Self::Kwd];

    /// How many decimals the minor unit stands for (ISO 4217).
    #[must_use]
    pub const fn scale(self) -> u32 {
        match self {
            Self::Eur | Self::Usd | Self::Gbp | Self::Chf => 2,
            Self::Jpy => 0,
            Self::Kwd => 3,
        }
    }

    /// The three letters.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Eur => "EUR",
            Self::Usd => "USD",
            Self::Gbp => "GBP",
            Self::Chf => "CHF",
            Self::Jpy => "JPY",
            Self::Kwd => "KWD",
        }
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl FromStr for Currency {
    type Err = MoneyError;
    fn from_str(text: &str) -> Result<Self, MoneyError> {
        Self::ALL.into_iter().find(|c| c.code() == text).ok_or(MoneyError::UnknownCurrency)
    }
}

/// Why an amount could not be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MoneyError {
    /// The currency is not one the platform prices in.
    #[error("unknown currency")]
    UnknownCurrency,
    /// Two currencies met in one sum.
    #[error("different currencies")]
    DifferentCurrencies,
    /// The result does not fit.
    #[error("amount out of range")]
    OutOfRange,
    /// The text is not a plain decimal number with at most the currency's decimals.
    #[error("not a plain decimal amount")]
    NotAnAmount,
}

/// An amount in minor units of a currency.
///
/// In JSON: `{"minor":"12345","scale":2,"currency":"EUR"}` is 123.45 euro. The amount is a string,
/// so that no parser makes a float of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Money {
    /// Minor units, may be negative in ledgers.
    pub minor: i64,
    /// What they are units of.
    pub currency: Currency,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    minor: String,
    scale: u32,
    currency: Currency,
}

impl Serialize for Money {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        Wire {
            minor: self.minor.to_string(),
            scale: self.currency.scale(),
            currency: self.currency,
        }
        .serialize(to)
    }
}

impl<'de> Deserialize<'de> for Money {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        use serde::de::Error as _;
        let wire = Wire::deserialize(from)?;
        if wire.scale != wire.currency.scale() {
            return Err(D::Error::custom("scale is not the currency's"));
        }
        let minor = plain_integer(&wire.minor).map_err(D::Error::custom)?;
        Ok(Self { minor, currency: wire.currency })
    }
}

impl Money {
    /// An amount of `minor` units.
    #[must_use]
    pub const fn new(minor: i64, currency: Currency) -> Self {
        Self { minor, currency }
    }

    /// Nothing.
    #[must_use]
    pub const fn zero(currency: Currency) -> Self {
        Self { minor: 0, currency }
    }

    /// The sum of two amounts of one currency.
    ///
    /// # Errors
    /// When the currencies differ or the sum does not fit.
    pub fn plus(self, other: Self) -> Result<Self, MoneyError> {
        self.same_currency(other)?;
        let minor = self.minor.checked_add(other.minor).ok_or(MoneyError::OutOfRange)?;
        Ok(Self { minor, ..self })
    }

    /// The difference of two amounts of one currency.
    ///
    /// # Errors
    /// When the currencies differ or the difference does not fit.
    pub fn minus(self, other: Self) -> Result<Self, MoneyError> {
        self.same_currency(other)?;
        let minor = self.minor.checked_sub(other.minor).ok_or(MoneyError::OutOfRange)?;
        Ok(Self { minor, ..self })
    }

    /// Reads a plain decimal (`"123.45"`), as suppliers write amounts.
    ///
    /// # Errors
    /// When it has a sign other than a leading minus, an exponent, more decimals than the currency
    /// has (unless they are zeros), or does not fit.
    pub fn parse_decimal(text: &str, currency: Currency) -> Result<Self, MoneyError> {
        let (negative, digits) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let plain = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
        if whole.is_empty() || !plain(whole) || !plain(fraction) || digits.ends_with('.') {
            return Err(MoneyError::NotAnAmount);
        }
        let scale = usize::try_from(currency.scale()).map_err(|_| MoneyError::OutOfRange)?;
        let kept: String = fraction.chars().chain(std::iter::repeat('0')).take(scale).collect();
        if fraction.chars().skip(scale).any(|c| c != '0') {
            return Err(MoneyError::NotAnAmount);
        }
        let minor = plain_integer(&format!("{whole}{kept}"))?;
        let minor =
            if negative { minor.checked_neg().ok_or(MoneyError::OutOfRange)? } else { minor };
        Ok(Self { minor, currency })
    }

    /// The amount as a plain decimal, `123.45`.
    #[must_use]
    pub fn decimal(self) -> String {
        let scale = usize::try_from(self.currency.scale()).unwrap_or(0);
        place_point(&self.minor.unsigned_abs().to_string(), scale, self.minor < 0)
    }

    fn same_currency(self, other: Self) -> Result<(), MoneyError> {
        if self.currency == other.currency { Ok(()) } else { Err(MoneyError::DifferentCurrencies) }
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.decimal(), self.currency)
    }
}

/// Writes `digits` with a decimal point `scale` places from their end.
pub(crate) fn place_point(digits: &str, scale: usize, negative: bool) -> String {
    let sign = if negative { "-" } else { "" };
    if scale == 0 {
        return format!("{sign}{digits}");
    }
    let width = scale.saturating_add(1);
    let padded = format!("{digits:0>width$}");
    let (whole, fraction) = padded.split_at(padded.len().saturating_sub(scale));
    format!("{sign}{whole}.{fraction}")
}

fn plain_integer(text: &str) -> Result<i64, MoneyError> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(MoneyError::NotAnAmount);
    }
    text.parse().map_err(|_| MoneyError::OutOfRange)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_strings_of_minor_units_with_their_scale() {
        let money = Money::new(12_345, Currency::Eur);
        let json = serde_json::to_string(&money).unwrap();
        assert_eq!(json, r#"{"minor":"12345","scale":2,"currency":"EUR"}"#);
        assert_eq!(serde_json::from_str::<Money>(&json).unwrap(), money);
        for bad in [
            r#"{"minor":12345,"scale":2,"currency":"EUR"}"#,
            r#"{"minor":"1e3","scale":2,"currency":"EUR"}"#,
            r#"{"minor":"+1","scale":2,"currency":"EUR"}"#,
            r#"{"minor":"١","scale":2,"currency":"EUR"}"#,
            r#"{"minor":"1","scale":3,"currency":"EUR"}"#,
            r#"{"minor":"1","scale":2,"currency":"XXX"}"#,
            r#"{"minor":"9223372036854775808","scale":2,"currency":"EUR"}"#,
        ] {
            assert!(serde_json::from_str::<Money>(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn decimals_of_suppliers_are_read_to_the_last_unit_or_refused() {
        let eur = |t| Money::parse_decimal(t, Currency::Eur).map(|m| m.minor);
        assert_eq!(eur("123.45"), Ok(12_345));
        assert_eq!(eur("123"), Ok(12_300));
        assert_eq!(eur("0.10"), Ok(10));
        assert_eq!(eur("1.500"), Ok(150));
        assert_eq!(eur("-2.5"), Ok(-250));
        for bad in ["1.505", "", ".5", "1.", "1,5", "1e2", "+1", "NaN", "٣"] {
            assert_eq!(eur(bad), Err(MoneyError::NotAnAmount), "{bad}");
        }
        assert_eq!(Money::parse_decimal("1.5", Currency::Jpy), Err(MoneyError::NotAnAmount));
        assert_eq!(Money::parse_decimal("1.234", Currency::Kwd).unwrap().minor, 1_234);
        assert_eq!(Money::new(5, Currency::Eur).to_string(), "0.05 EUR");
        assert_eq!(Money::new(-1234, Currency::Kwd).to_string(), "-1.234 KWD");
    }

    proptest::proptest! {
        #[test]
        fn what_is_written_is_read_back(minor in proptest::num::i64::ANY, n in 0..6_usize) {
            let money = Money::new(minor, Currency::ALL[n]);
            proptest::prop_assume!(minor != i64::MIN);
            let read = Money::parse_decimal(&money.decimal(), money.currency);
            proptest::prop_assert_eq!(read, Ok(money));
            let json = serde_json::to_string(&money).unwrap();
            proptest::prop_assert_eq!(serde_json::from_str::<Money>(&json).unwrap(), money);
        }
    }
}
