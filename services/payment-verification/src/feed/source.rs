//! One source of rates, in the shape that it publishes.

use std::collections::{BTreeMap, BTreeSet};

use chassis::{HttpClient, HttpRequest, http_client::CallError};
use chrono::{DateTime, Utc};
use contracts::money::Currency;
use http::Method;
use payment_verification_core::{
    assets::{Family, Registry},
    rates::Quoted,
};
use serde::Deserialize;

/// A source by the shape of its answers, and the base of its address.
#[derive(Debug, Clone)]
pub(crate) enum Source {
    /// By asset: prices by currency in lower case, and `as_of`, all of them texts.
    Prices(String),
    /// An exchange's list of last trades: `{"symbol":"ETHEUR","price":"2500.00"}`. They bear no
    /// time, so they are as old as the reading.
    Ticker(String),
}

/// One price as a source said it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Price {
    pub(super) feed: String,
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

impl Price {
    /// The price to be weighed; one without an instant was read now.
    pub(super) fn quoted(&self, now: DateTime<Utc>) -> Quoted<'_> {
        let as_of = self.as_of.unwrap_or(now);
        Quoted { price: &self.price, currency: self.currency, as_of }
    }
}

impl Source {
    /// Everything that it says of the registry's assets.
    pub(super) async fn read(
        &self,
        http: &HttpClient,
        registry: &Registry,
    ) -> Result<Vec<Price>, CallError> {
        let of_chains = registry.assets().filter(|asset| asset.family != Family::Card);
        let feeds: BTreeSet<&str> = of_chains.map(|asset| asset.feed.as_str()).collect();
        let get = |url: String| HttpRequest::new(Method::GET, url);
        match self {
            Self::Prices(base) => {
                let currencies = Currency::ALL.map(|currency| currency.code().to_lowercase());
                let ids = Vec::from_iter(feeds).join(",");
                let url = format!("{base}/v1/prices?ids={ids}&vs={}", currencies.join(","));
                http.call(get(url)).await.map(|said| of_prices(&said))
            }
            Self::Ticker(base) => {
                let said = http.call(get(format!("{base}/api/v3/ticker/price"))).await?;
                Ok(of_trades(said, &feeds))
            }
        }
    }
}

fn of_prices(said: &BTreeMap<String, BTreeMap<String, String>>) -> Vec<Price> {
    let prices = said.iter().flat_map(|(feed, prices)| {
        let as_of = prices.get("as_of").and_then(|text| text.parse::<DateTime<Utc>>().ok());
        if as_of.is_none() {
            tracing::warn!(feed, "the rate feed gives no instant");
        }
        Currency::ALL.into_iter().filter_map(move |currency| {
            let price = prices.get(&currency.code().to_lowercase())?.clone();
            Some(Price { feed: feed.clone(), currency, price, as_of: Some(as_of?) })
        })
    });
    prices.collect()
}

fn of_trades(said: Vec<Trade>, feeds: &BTreeSet<&str>) -> Vec<Price> {
    let prices = said.into_iter().filter_map(|Trade { symbol, price }| {
        let currency = Currency::ALL.into_iter().find(|c| symbol.ends_with(c.code()))?;
        let feed = symbol.strip_suffix(currency.code())?.to_lowercase();
        let known = feeds.contains(feed.as_str());
        known.then_some(Price { feed, currency, price, as_of: None })
    });
    prices.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_shapes_say_the_same_of_one_price() {
        let said = r#"{ "eth": { "eur": "2500.00", "xxx": "1", "as_of": "2027-01-15T08:00:00Z" },
            "btc": { "eur": "90000" } }"#;
        let prices = of_prices(&serde_json::from_str(said).unwrap());
        let [only] = prices.as_slice() else { panic!("{prices:?}") };
        let said = r#"[{ "symbol": "ETHEUR", "price": "2500.00" },
            { "symbol": "ETHXXX", "price": "1" }, { "symbol": "DOGEEUR", "price": "1" }, { "symbol": "EUR", "price": "1" }]"#;
        let trades = of_trades(serde_json::from_str(said).unwrap(), &BTreeSet::from(["eth"]));
        let [trade] = trades.as_slice() else { panic!("{trades:?}") };
        assert_eq!(*trade, Price { as_of: None, ..only.clone() });
        assert_eq!(trade.quoted(DateTime::UNIX_EPOCH).as_of, DateTime::UNIX_EPOCH);
    }
}
