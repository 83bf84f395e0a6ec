//! A trip over three suppliers: a flight, a room where it lands, and something to do there.

use anyhow::Context as _;
use chrono::{Days, NaiveDate, Utc};
use serde_json::{Value, json};

use crate::{
    gateway::{Gateway, Quote, Stay, Suits, suits},
    traveller::{Traveller, Trip},
};

/// What is wanted of each supplier.
#[derive(Debug, Clone)]
pub struct Outing {
    /// The property, which says who sells it.
    pub property_id: String,
    pub flight: Suits,
    pub stay: Suits,
    pub activity: Suits,
    /// The day of the flight.
    pub first: NaiveDate,
}

impl Outing {
    /// All of it held, and cancelled free for a while.
    ///
    /// # Panics
    /// In a year that no calendar has.
    #[must_use]
    pub fn free_at(property_id: &str) -> Self {
        let ahead = Days::new(rand::random_range(30..300));
        let first = Utc::now().date_naive().checked_add_days(ahead).unwrap();
        let property_id = property_id.to_owned();
        Self { property_id, flight: suits, stay: suits, activity: suits, first }
    }

    /// Quotes it in ether.
    ///
    /// # Errors
    /// When there is no such offer or it is refused.
    pub async fn quote(&self, gateway: &Gateway) -> anyhow::Result<Quote> {
        let day = |later| self.first.checked_add_days(Days::new(later)).map(|day| day.to_string());
        let (first, second) = day(0).zip(day(1)).context("a day after the first")?;
        let flights =
            format!("/v1/flights?origin=LHR&destination=MAD&departs_on={first}&currency=EUR");
        let activities = format!(
            "/v1/activities?destination=BCN&from={second}&to={second}&adults=1&currency=EUR"
        );
        let stay = Stay {
            property_id: self.property_id.clone(),
            check_in: first,
            check_out: day(2).context("a day after the second")?,
        };
        let found = [
            (gateway.found(&flights).await?, self.flight),
            (gateway.offers(&stay).await?, self.stay),
            (gateway.found(&activities).await?, self.activity),
        ];
        let mut ids = Vec::new();
        for (offers, wanted) in found {
            let offer = offers.iter().find(|offer| wanted(offer)).context("no such offer")?;
            ids.push(offer["offer_id"].clone());
        }
        gateway.quote_offers_in(&json!(ids), "eth").await
    }

    /// Quotes and books it for somebody who may fly, with a wallet for what may go back.
    ///
    /// # Errors
    /// When something is refused.
    pub async fn book(&self, ada: &Traveller) -> anyhow::Result<Trip> {
        let quote = self.quote(&ada.gateway).await?;
        let wallet = ada.new_wallet();
        ada.book_quote(quote, |body| {
            flies(body);
            body["refund_to"] = json!(wallet);
        })
        .await
    }
}

/// Whoever flies says when they were born.
pub fn flies(body: &mut Value) {
    body["travellers"][0]["born_on"] = json!("1990-12-10");
    body["travellers"][0]["gender"] = json!("female");
}
