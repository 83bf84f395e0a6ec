//! Which prices of a feed are believed.

use chrono::{DateTime, TimeDelta, Utc};
use contracts::{asset::Rate, money::Currency};
use ruint::aliases::U256;

use crate::assets::Asset;

/// A price may not be more than this many times the last one, or less than that part of it.
const JUMP_MAX: u64 = 10;
/// A last price older than this says nothing about the next one.
const LAST_COUNTS_FOR: TimeDelta = TimeDelta::hours(1);
/// A price may be this far ahead of our clock; feeds have clocks of their own.
const AHEAD_MAX: TimeDelta = TimeDelta::seconds(30);
/// Millionths of a minor unit have this many decimals.
const MICRO_DECIMALS: usize = 6;

/// One price as a feed said it.
#[derive(Debug, Clone, Copy)]
pub struct Quoted<'a> {
    /// What one whole coin costs, as a plain decimal number of whole units of the currency.
    pub price: &'a str,
    /// In which currency.
    pub currency: Currency,
    /// When the feed saw it.
    pub as_of: DateTime<Utc>,
}

/// A price that was believed, and from when it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Believed {
    /// The rate.
    pub rate: Rate,
    /// When the feed saw it.
    pub as_of: DateTime<Utc>,
}

/// Why a price is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotBelieved {
    /// It is no plain decimal number.
    #[error("the price is no plain decimal number")]
    NotAPrice,
    /// It is nothing, or less than can be written.
    #[error("the price is zero")]
    Zero,
    /// It does not fit.
    #[error("the price is out of range")]
    OutOfRange,
    /// It is older than the policy allows, or from the future.
    #[error("the price is not of now")]
    NotOfNow,
    /// It is too far from the last one.
    #[error("the price is too far from the last one")]
    Jumped,
}

/// Believes a price, or says why not.
///
/// # Errors
/// When it is none, zero, stale, or too far from the last believed one.
pub fn believe(
    asset: &Asset,
    quoted: Quoted<'_>,
    last: Option<&Believed>,
    now: DateTime<Utc>,
    age_max: TimeDelta,
) -> Result<Believed, NotBelieved> {
    let micro = micro_minor(quoted.price, quoted.currency)?;
    if now.signed_duration_since(quoted.as_of) > age_max
        || quoted.as_of.signed_duration_since(now) > AHEAD_MAX
    {
        return Err(NotBelieved::NotOfNow);
    }
    let counts = |last: &&Believed| now.signed_duration_since(last.as_of) <= LAST_COUNTS_FOR;
    if let Some(last) = last.filter(counts) {
        let before = last.rate.micro_minor_per_coin;
        let too_much = micro > before.saturating_mul(JUMP_MAX);
        if too_much || before > micro.saturating_mul(JUMP_MAX) {
            return Err(NotBelieved::Jumped);
        }
    }
    let rate = Rate {
        asset: asset.id.clone(),
        decimals: asset.decimals,
        currency: quoted.currency,
        micro_minor_per_coin: micro,
    };
    Ok(Believed { rate, as_of: quoted.as_of })
}

/// Reads a decimal price as millionths of a minor unit; what is smaller is cut off.
fn micro_minor(text: &str, currency: Currency) -> Result<u64, NotBelieved> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let plain = |digits: &str| digits.bytes().all(|b| b.is_ascii_digit());
    let dotted = text.ends_with('.');
    if whole.is_empty() || dotted || text.len() > 60 || !plain(whole) || !plain(fraction) {
        return Err(NotBelieved::NotAPrice);
    }
    let scale = usize::try_from(currency.scale()).map_err(|_| NotBelieved::OutOfRange)?;
    let places = scale.saturating_add(MICRO_DECIMALS);
    let kept: String = fraction.chars().chain(std::iter::repeat('0')).take(places).collect();
    let micro =
        U256::from_str_radix(&format!("{whole}{kept}"), 10).map_err(|_| NotBelieved::OutOfRange)?;
    let micro = u64::try_from(micro).map_err(|_| NotBelieved::OutOfRange)?;
    if micro == 0 { Err(NotBelieved::Zero) } else { Ok(micro) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::assets::{DEFAULT, Registry};

    fn ask(price: &str, as_of_s: i64, last: Option<&Believed>) -> Result<Believed, NotBelieved> {
        let registry = Registry::parse(DEFAULT).unwrap();
        let now = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        let as_of = now + TimeDelta::seconds(as_of_s);
        let quoted = Quoted { price, currency: Currency::Eur, as_of };
        believe(registry.assets().next().unwrap(), quoted, last, now, TimeDelta::seconds(60))
    }

    #[test]
    fn a_price_is_read_to_the_last_millionth_of_a_cent() {
        let micro = |price| ask(price, 0, None).map(|b| b.rate.micro_minor_per_coin);
        assert_eq!(micro("2500.00"), Ok(250_000_000_000));
        assert_eq!(micro("2500"), Ok(250_000_000_000));
        assert_eq!(micro("0.00000001"), Ok(1));
        assert_eq!(micro("0.123456789"), Ok(12_345_678));
        for (bad, why) in [
            ("0", NotBelieved::Zero),
            ("0.000000001", NotBelieved::Zero),
            ("", NotBelieved::NotAPrice),
            ("-1", NotBelieved::NotAPrice),
            ("1e3", NotBelieved::NotAPrice),
            ("NaN", NotBelieved::NotAPrice),
            (".5", NotBelieved::NotAPrice),
            ("5.", NotBelieved::NotAPrice),
            ("99999999999999999999", NotBelieved::OutOfRange),
        ] {
            assert_eq!(micro(bad), Err(why), "{bad}");
        }
    }

    #[test]
    fn a_price_of_another_time_or_far_from_the_last_is_not_believed() {
        assert_eq!(ask("2500", -61, None), Err(NotBelieved::NotOfNow));
        assert_eq!(ask("2500", 31, None), Err(NotBelieved::NotOfNow));
        let last = ask("2500", -60, None).unwrap();
        assert!(ask("25000", 0, Some(&last)).is_ok());
        assert_eq!(ask("25000.01", 0, Some(&last)), Err(NotBelieved::Jumped));
        assert_eq!(ask("2500000", 0, Some(&last)), Err(NotBelieved::Jumped));
        assert_eq!(ask("249", 0, Some(&last)), Err(NotBelieved::Jumped));
        let as_of = last.as_of - TimeDelta::hours(2);
        assert!(ask("249", 0, Some(&Believed { as_of, ..last })).is_ok());
    }
}
