//! One source of rates, in the shape that it publishes.

use std::collections::{BTreeMap, BTreeSet};

use chassis::{HttpClient, HttpRequest, http_client::CallError};
use chrono::{DateTime, Utc};
use contracts::{asset::AssetId, money::Currency};
use http::Method;
use payment_verification_core::{
    assets::{Asset, Family, Registry},
    rates::Quoted,
};
use serde::{Deserialize, de::Error as _};
use serde_json::value::RawValue;

/// A number with more digits than this, or so many noughts in its exponent, is no price.
const DIGITS_MAX: usize = 30;

/// A source by the shape of its answers, and the base of its address.
#[derive(Debug, Clone)]
pub(crate) enum Source {
    /// CoinGecko's prices by coin: `{"ethereum":{"eur":2500.1,"last_updated_at":1800000000}}`.
    SimplePrice(String),
    /// Binance's last trades: `[{"symbol":"ETHEUR","price":"2500.00"}]`. They bear no time, so they
    /// are as old as the reading.
    Ticker(String),
}

/// One price of an asset as a source said it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Price {
    pub(super) asset: AssetId,
    pub(super) currency: Currency,
    pub(super) price: String,
    /// None when the source names no instant, which is that of the reading then.
    as_of: Option<DateTime<Utc>>,
}

#[derive(Deserialize)]
struct Trade {
    symbol: String,
    price: String,
}

/// What is said of each coin: numbers by currency, and when; kept as the text they are.
type Coins = BTreeMap<String, BTreeMap<String, Box<RawValue>>>;

impl Price {
    /// The price to be weighed; one without an instant was read now.
    pub(super) fn quoted(&self, now: DateTime<Utc>) -> Quoted<'_> {
        let as_of = self.as_of.unwrap_or(now);
        Quoted { price: &self.price, currency: self.currency, as_of }
    }
}

impl Source {
    /// Everything that it says of the registry's assets.
    ///
    /// # Errors
    /// When it is silent, or any part of what it says is not of its shape.
    pub(super) async fn read(
        &self,
        http: &HttpClient,
        registry: &Registry,
    ) -> Result<Vec<Price>, CallError> {
        let get = |url: String| HttpRequest::new(Method::GET, url);
        match self {
            Self::SimplePrice(base) => {
                let coins: BTreeSet<&str> =
                    of_chains(registry).filter_map(|asset| asset.coin.as_deref()).collect();
                let ids = Vec::from_iter(coins).join(",");
                let currencies = Currency::ALL.map(lower).join(",");
                let url = format!(
                    "{base}/api/v3/simple/price?ids={ids}&vs_currencies={currencies}\
                     &include_last_updated_at=true&precision=full"
                );
                let said: Coins = http.call(get(url)).await?;
                of_coins(&said, registry).map_err(CallError::NotReadable)
            }
            Self::Ticker(base) => {
                let said = http.call(get(format!("{base}/api/v3/ticker/price"))).await?;
                Ok(of_trades(said, registry))
            }
        }
    }
}

/// What is on a chain: a card pays one to one.
fn of_chains(registry: &Registry) -> impl Iterator<Item = &Asset> {
    registry.assets().filter(|asset| asset.family != Family::Card)
}

fn lower(currency: Currency) -> String {
    currency.code().to_lowercase()
}

fn of_coins(said: &Coins, registry: &Registry) -> Result<Vec<Price>, serde_json::Error> {
    let mut prices = vec![];
    for asset in of_chains(registry) {
        let Some((coin, said)) = asset.coin.as_ref().and_then(|coin| said.get_key_value(coin))
        else {
            continue;
        };
        // A coin that nobody trades any more has nothing at all, or nulls.
        if said.is_empty() {
            continue;
        }
        let wrong = |what: &str| serde_json::Error::custom(format!("{coin} has {what}"));
        let at = said.get("last_updated_at").and_then(|at| at.get().parse().ok());
        let as_of = at.and_then(|at| DateTime::from_timestamp(at, 0));
        let as_of = as_of.ok_or_else(|| wrong("no instant"))?;
        for currency in Currency::ALL {
            let Some(number) = said.get(&lower(currency)).map(|number| number.get()) else {
                continue;
            };
            if number != "null" {
                let price = plain(number).ok_or_else(|| wrong("a price that is none"))?;
                let (asset, as_of) = (asset.id.clone(), Some(as_of));
                prices.push(Price { asset, currency, price, as_of });
            }
        }
    }
    Ok(prices)
}

fn of_trades(said: Vec<Trade>, registry: &Registry) -> Vec<Price> {
    let said: BTreeMap<String, String> =
        said.into_iter().map(|Trade { symbol, price }| (symbol, price)).collect();
    let pairs = of_chains(registry)
        .flat_map(|asset| Currency::ALL.into_iter().map(move |currency| (asset, currency)));
    let price = |(asset, currency): (&Asset, Currency)| {
        let symbol = format!("{}{}", asset.feed.to_uppercase(), currency.code());
        let price = said.get(&symbol)?.clone();
        Some(Price { asset: asset.id.clone(), currency, price, as_of: None })
    };
    pairs.filter_map(price).collect()
}

/// A JSON number as a plain decimal number, digit by digit: prices of small coins have exponents.
/// Nothing where it is below zero or longer than a price.
fn plain(number: &str) -> Option<String> {
    let (digits, exponent) = number.split_once(['e', 'E']).unwrap_or((number, "0"));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let is_number = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    let long = whole.len() + fraction.len() > DIGITS_MAX;
    if whole.is_empty() || long || !is_number(whole) || !is_number(fraction) {
        return None;
    }
    let exponent: i32 = exponent.parse().ok()?;
    let moved = usize::try_from(exponent.unsigned_abs()).ok()?;
    if moved > DIGITS_MAX {
        return None;
    }
    // With enough digits on both sides the point is only put elsewhere.
    let noughts = "0".repeat(moved);
    let (whole, fraction) = match exponent.is_negative() {
        true => (noughts + whole, fraction.to_owned()),
        false => (whole.to_owned(), fraction.to_owned() + &noughts),
    };
    let point = i64::try_from(whole.len()).ok()? + i64::from(exponent);
    let all = whole + &fraction;
    let (whole, fraction) = all.split_at_checked(usize::try_from(point).ok()?)?;
    let whole = match whole.trim_start_matches('0') {
        "" => "0",
        digits => digits,
    };
    let fraction = fraction.trim_end_matches('0');
    Some(if fraction.is_empty() { whole.to_owned() } else { format!("{whole}.{fraction}") })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Coins and a token on two chains; one has no coin, two are the same one.
    fn registry() -> Registry {
        let mut text = String::new();
        for (number, id, more) in [
            (1, "eth", "coin = \"ethereum\""),
            (2, "eth-other", "coin = \"ethereum\"\nfeed = \"eth\""),
            (3, "pepe", "coin = \"pepe\""),
            (4, "odd", "feed = \"odd\""),
        ] {
            text += &format!(
                "[[chain]]\nid = \"eip155:{number}\"\nname = \"One\"\nblock_time = \"12s\"\n\
                 [[asset]]\nid = \"{id}\"\nname = \"One\"\nchain = \"eip155:{number}\"\n\
                 decimals = 18\n{more}\ntiers = [{{ confirmations = 3 }}]\n"
            );
        }
        Registry::parse(&text).unwrap()
    }

    fn coins(said: &str) -> Result<Vec<Price>, serde_json::Error> {
        of_coins(&serde_json::from_str(said)?, &registry())
    }

    fn told(prices: &[Price]) -> Vec<(&str, &str)> {
        prices.iter().map(|said| (said.asset.as_str(), said.price.as_str())).collect()
    }

    #[test]
    fn both_shapes_say_the_same_of_one_price() {
        let prices = coins(
            r#"{ "ethereum": { "eur": 2500.10, "xxx": 1, "last_updated_at": 1800000000 },
                "pepe": { "eur": 6.5e-06, "usd": null, "last_updated_at": 1800000001 },
                "odd": { "eur": 1, "last_updated_at": 1800000000 } }"#,
        )
        .unwrap();
        let expected = [("eth", "2500.1"), ("eth-other", "2500.1"), ("pepe", "0.0000065")];
        assert_eq!(told(&prices), expected);
        let at = |n| DateTime::from_timestamp(n, 0);
        assert_eq!([prices[0].as_of, prices[2].as_of], [at(1_800_000_000), at(1_800_000_001)]);

        let said = r#"[{ "symbol": "ETHEUR", "price": "2500.1" }, { "symbol": "EUR", "price": "1" },
            { "symbol": "ETHXXX", "price": "1" }, { "symbol": "DOGEEUR", "price": "1" }]"#;
        let trades = of_trades(serde_json::from_str(said).unwrap(), &registry());
        assert_eq!(told(&trades), [("eth", "2500.1"), ("eth-other", "2500.1")]);
        assert_eq!(trades[0], Price { as_of: None, ..prices[0].clone() });
        assert_eq!(trades[0].quoted(DateTime::UNIX_EPOCH).as_of, DateTime::UNIX_EPOCH);
    }

    #[test]
    fn a_coin_without_a_price_is_left_out_and_any_other_shape_is_an_error() {
        assert_eq!(coins(r#"{}"#).unwrap(), []);
        assert_eq!(coins(r#"{ "ethereum": {} }"#).unwrap(), []);
        for bad in [
            r#"{ "eur": 2500 }"#,
            r#"{ "eur": 2500, "last_updated_at": "2027-01-15T08:00:00Z" }"#,
            r#"{ "eur": 2500, "last_updated_at": 1800000000.5 }"#,
            r#"{ "eur": 2500, "last_updated_at": null }"#,
            r#"{ "eur": "2500", "last_updated_at": 1800000000 }"#,
            r#"{ "eur": -2500, "last_updated_at": 1800000000 }"#,
            r#"{ "eur": 1e99, "last_updated_at": 1800000000 }"#,
            r#"{ "eur": [2500], "last_updated_at": 1800000000 }"#,
            r#"[]"#,
            r#"2500"#,
        ] {
            let said = format!(r#"{{ "ethereum": {bad} }}"#);
            assert!(coins(&said).is_err(), "{bad}");
        }
        for bad in ["[]", "null", r#"{ "status": { "error_code": 429 }, "ethereum": 1 }"#] {
            assert!(coins(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_number_is_read_as_its_digits_and_never_as_a_float() {
        for (number, expected) in [
            ("2500.10", Some("2500.1")),
            ("0", Some("0")),
            ("67187.3358936566", Some("67187.3358936566")),
            ("9007199254740993.1", Some("9007199254740993.1")),
            ("8.62e-06", Some("0.00000862")),
            ("1.25E+2", Some("125")),
            ("1e3", Some("1000")),
            ("12345e-2", Some("123.45")),
            ("0e0", Some("0")),
            ("1e31", None),
            ("1e-31", None),
            ("1e99999999999", None),
            ("-1", None),
            ("-0.0", None),
            ("\"1\"", None),
            ("true", None),
            ("1234567890123456789012345678901", None),
        ] {
            assert_eq!(plain(number).as_deref(), expected, "{number}");
        }
    }
}
