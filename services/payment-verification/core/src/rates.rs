//! Which prices of a feed are believed.

use chrono::{DateTime, TimeDelta, Utc};
use contracts::{asset::Rate, money::Currency};
use ruint::aliases::U256;

use crate::assets::Asset;

/// A price may not be more than this many times the last one, or less than that part of it.
const JUMP_MAX: u64 = 10;
/// A price that a single source names may be this far from the last one, in hundredths of the lower
/// of the two: nobody else says so.
const ALONE_MAX_PERCENT: u64 = 25;
/// Sources that name the same price may be this far apart, in hundredths of the lower one.
const APART_MAX_PERCENT: u64 = 5;
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
    /// The sources are too far from each other.
    #[error("the sources are too far from each other")]
    Apart,
    /// It is too far from the last one.
    #[error("the price is too far from the last one")]
    Jumped,
}

/// Believes what several sources say of one price, or says why not.
///
/// A source whose price is none, or not of now, is left out. The others have to lie close together,
/// and the one in their middle is the price; between two it is half their sum, rounded down to a
/// millionth of a minor unit, so that the payer's amount is never rounded down for it. As old as
/// the oldest of them.
///
/// # Errors
/// When none is left (with what is wrong with the first), they are too far from each other, or the
/// price is too far from the last believed one.
pub fn believe(
    asset: &Asset,
    quotes: &[Quoted<'_>],
    last: Option<&Believed>,
    now: DateTime<Utc>,
    age_max: TimeDelta,
) -> Result<Believed, NotBelieved> {
    let (mut prices, mut as_of, mut wrong) = (vec![], now, None);
    for quoted in quotes {
        match of_now(quoted, now, age_max) {
            Ok(micro) => {
                prices.push(micro);
                as_of = as_of.min(quoted.as_of);
            }
            Err(why) => wrong = wrong.or(Some(why)),
        }
    }
    let Some(micro) = middle(&mut prices)? else {
        return Err(wrong.unwrap_or(NotBelieved::NotAPrice));
    };
    let counts = |last: &&Believed| now.signed_duration_since(last.as_of) <= LAST_COUNTS_FOR;
    if let Some(last) = last.filter(counts) {
        let before = last.rate.micro_minor_per_coin;
        let percent = if prices.len() == 1 { 100 + ALONE_MAX_PERCENT } else { 100 * JUMP_MAX };
        let (least, most) = (U256::from(micro.min(before)), U256::from(micro.max(before)));
        if most.saturating_mul(U256::from(100_u8)) > least.saturating_mul(U256::from(percent)) {
            return Err(NotBelieved::Jumped);
        }
    }
    let currency = quotes.first().map_or(Currency::Eur, |quoted| quoted.currency);
    let rate = Rate {
        asset: asset.id.clone(),
        decimals: asset.decimals,
        currency,
        micro_minor_per_coin: micro,
    };
    Ok(Believed { rate, as_of })
}

/// What one source says, if that is a price of now.
fn of_now(quoted: &Quoted<'_>, now: DateTime<Utc>, age_max: TimeDelta) -> Result<u64, NotBelieved> {
    let micro = micro_minor(quoted.price, quoted.currency)?;
    if now.signed_duration_since(quoted.as_of) > age_max
        || quoted.as_of.signed_duration_since(now) > AHEAD_MAX
    {
        return Err(NotBelieved::NotOfNow);
    }
    Ok(micro)
}

/// The price in the middle; nothing when there is none.
fn middle(prices: &mut [u64]) -> Result<Option<u64>, NotBelieved> {
    prices.sort_unstable();
    let (Some(least), Some(most)) = (prices.first(), prices.last()) else { return Ok(None) };
    let apart = U256::from(most.saturating_sub(*least)).saturating_mul(U256::from(100_u8));
    if apart > U256::from(*least).saturating_mul(U256::from(APART_MAX_PERCENT)) {
        return Err(NotBelieved::Apart);
    }
    let half = prices.len() / 2;
    let upper = prices.get(half).copied().unwrap_or(*most);
    if prices.len() % 2 == 1 {
        return Ok(Some(upper));
    }
    let lower = prices.get(half.saturating_sub(1)).copied().unwrap_or(*least);
    Ok(Some(lower.midpoint(upper)))
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
        let quoted = [Quoted { price, currency: Currency::Eur, as_of }];
        believe(
            registry.asset(&contracts::asset::AssetId::parse("eth").unwrap()).unwrap(),
            &quoted,
            last,
            now,
            TimeDelta::seconds(60),
        )
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
        assert!(ask("3125", 0, Some(&last)).is_ok());
        assert!(ask("2000", 0, Some(&last)).is_ok());
        assert_eq!(ask("3125.01", 0, Some(&last)), Err(NotBelieved::Jumped));
        assert_eq!(ask("1999.99", 0, Some(&last)), Err(NotBelieved::Jumped));
        let as_of = last.as_of - TimeDelta::hours(2);
        assert!(ask("249", 0, Some(&Believed { as_of, ..last })).is_ok());
    }

    #[test]
    fn what_several_sources_say_may_be_further_from_the_last_than_what_one_says() {
        let last = ask("2500", -60, None).unwrap();
        let both = |price| {
            let registry = Registry::parse(DEFAULT).unwrap();
            let asset = contracts::asset::AssetId::parse("eth").unwrap();
            let now = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
            let quoted = Quoted { price, currency: Currency::Eur, as_of: now };
            let asset = registry.asset(&asset).unwrap();
            believe(asset, &[quoted, quoted], Some(&last), now, TimeDelta::seconds(60))
        };
        assert!(both("25000").is_ok());
        assert!(both("250").is_ok());
        assert_eq!(both("25000.01"), Err(NotBelieved::Jumped));
        assert_eq!(both("249.99"), Err(NotBelieved::Jumped));
    }

    /// What several sources make of one price, each with its age in seconds.
    fn among(currency: Currency, said: &[(&str, i64)]) -> Result<(u64, i64), NotBelieved> {
        let registry = Registry::parse(DEFAULT).unwrap();
        let asset = registry.assets().next().unwrap();
        let now = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        let quotes = said.iter().map(|(price, age_s)| {
            let as_of = now - TimeDelta::seconds(*age_s);
            Quoted { price, currency, as_of }
        });
        let quotes: Vec<_> = quotes.collect();
        let believed = believe(asset, &quotes, None, now, TimeDelta::seconds(60))?;
        let age = now.signed_duration_since(believed.as_of).num_seconds();
        Ok((believed.rate.micro_minor_per_coin, age))
    }

    #[test]
    fn of_several_sources_the_middle_is_believed_and_one_that_is_wrong_is_left_out() {
        let eur = |said: &[(&str, i64)]| among(Currency::Eur, said);
        assert_eq!(eur(&[("100", 5), ("103", 1), ("101", 2)]), Ok((10_100_000_000, 5)));
        assert_eq!(eur(&[("100", 0), ("102", 0)]), Ok((10_100_000_000, 0)));
        assert_eq!(eur(&[("0.00000001", 0), ("0.00000001", 9)]), Ok((1, 9)));
        assert_eq!(eur(&[("100", 0), ("105", 0)]), Ok((10_250_000_000, 0)));
        assert_eq!(eur(&[("100", 0), ("105.00000001", 0)]), Err(NotBelieved::Apart));
        assert_eq!(eur(&[("100", 0), ("100000", 0)]), Err(NotBelieved::Apart));
        for wrong in [("0", 0), ("1e3", 0), ("100", 61), ("<html>", 0)] {
            assert_eq!(eur(&[wrong, ("100", 3)]), Ok((10_000_000_000, 3)), "{wrong:?}");
            assert!(eur(&[wrong, wrong]).is_err(), "{wrong:?}");
        }
        assert!(eur(&[]).is_err());
    }

    #[test]
    fn currencies_without_decimals_and_with_three_are_read_in_their_own_minor_unit() {
        assert_eq!(among(Currency::Jpy, &[("400000", 0)]), Ok((400_000_000_000, 0)));
        assert_eq!(among(Currency::Jpy, &[("0.0000019", 0)]), Ok((1, 0)));
        assert_eq!(among(Currency::Kwd, &[("767.125", 0)]), Ok((767_125_000_000, 0)));
        assert_eq!(among(Currency::Kwd, &[("0.000000001", 0)]), Ok((1, 0)));
    }
}
