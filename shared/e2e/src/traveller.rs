//! A traveller: searches, quotes, books, pays on the chain, and waits for the end.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail, ensure};
use chrono::{Days, Utc};
use contracts::asset::Units;
use http::StatusCode;
use ruint::aliases::U256;
use serde_json::{Value, json};

use crate::{
    Stack,
    gateway::{Gateway, Place, Quote, Shown, Stay, describe},
    node::Node,
    token::Token,
    truth::Accepted,
};

/// How often a booking is asked for.
const POLL_EVERY: Duration = Duration::from_millis(60);

/// One account with a wallet.
#[derive(Debug, Clone)]
pub struct Traveller {
    pub account: String,
    pub gateway: Gateway,
    token: String,
    node: Node,
    wallet: String,
}

/// A booking that was accepted.
#[derive(Debug, Clone)]
pub struct Trip {
    pub booking_id: String,
    /// The lead guest's name, which nobody else has.
    pub guest: String,
    pub quote: Quote,
    /// A wallet of nobody else's, where money that is given back is to arrive.
    pub refund_to: Option<String>,
    token: String,
    /// Wherever its customer was ever told to pay to.
    places: Arc<Mutex<BTreeSet<Place>>>,
}

impl Trip {
    /// Keeps in mind where its customer is told to pay to.
    ///
    /// # Panics
    /// When somebody panicked over it.
    pub fn saw(&self, shown: &Shown) {
        self.places.lock().unwrap().extend(shown.places());
    }

    /// What the comparison needs to know of it.
    ///
    /// # Panics
    /// As [`Trip::saw`].
    #[must_use]
    pub fn accepted(&self) -> Accepted {
        Accepted {
            booking_id: self.booking_id.clone(),
            token: self.token.clone(),
            guest: self.guest.clone(),
            refund_to: self.refund_to.clone(),
            places: self.places.lock().unwrap().clone(),
        }
    }
}

/// A stay of two nights far enough ahead to be cancelled free, on days that few others take.
#[must_use]
pub fn some_stay() -> Stay {
    stay_in(rand::random_range(30..330), 2)
}

/// A stay at the first property, so many days from now.
#[must_use]
pub fn stay_in(days: u64, nights: u64) -> Stay {
    let today = Utc::now().date_naive();
    let day = |ahead: u64| today.checked_add_days(Days::new(ahead)).unwrap().to_string();
    Stay { property_id: "1100001".to_owned(), check_in: day(days), check_out: day(days + nights) }
}

/// A trip of three cities, two nights in each, one after the other.
#[must_use]
pub fn some_cities() -> [Stay; 3] {
    let first = rand::random_range(30..300);
    [("1100001", 0), ("1100101", 2), ("1100201", 4)].map(|(property, later)| Stay {
        property_id: property.to_owned(),
        ..stay_in(first + later, 2)
    })
}

/// A family name that nobody else has, in letters only.
#[must_use]
pub fn some_family() -> String {
    let letters = (0..10).map(|_| char::from(rand::random_range(b'a'..=b'z')));
    let name: String = letters.collect();
    format!("X{name}")
}

/// A booking request for a quote.
#[must_use]
pub fn request(quote: &Quote, family_name: &str) -> Value {
    json!({
        "quote_id": quote.quote_id,
        "travellers": [{"given_name": "Ada", "family_name": family_name}],
        "contact": {"email": "ada@example.com", "phone": "+4930901820"},
    })
}

impl Traveller {
    /// An account at a stack, with one of its node's wallets.
    ///
    /// # Errors
    /// When the node is away.
    pub async fn of(stack: &Stack, account: &str) -> anyhow::Result<Self> {
        let token = stack.token(account, &["customer"]);
        let node = stack.node();
        let wallets = node.accounts().await?;
        // The last one is the treasury's.
        let ours = &wallets[..wallets.len() - 1];
        let wallet = ours[rand::random_range(0..ours.len())].clone();
        let gateway = Gateway::new(&stack.url("booking"), &token);
        Ok(Self { account: account.to_owned(), gateway, token, node, wallet })
    }

    /// Quotes a stay and books it.
    ///
    /// # Errors
    /// When something is refused.
    pub async fn book(&self, stay: &Stay) -> anyhow::Result<Trip> {
        let quote = self.gateway.quote(stay).await?;
        self.book_quote(quote, |_| {}).await
    }

    /// Books a quote; `change` may change the request.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn book_quote(
        &self,
        quote: Quote,
        change: impl FnOnce(&mut Value),
    ) -> anyhow::Result<Trip> {
        let family = some_family();
        let mut body = request(&quote, &family);
        change(&mut body);
        if body["refund_to"].is_string() && body["refund_to_confirm"].is_null() {
            // The wallets of `new_wallet` carry no checksum.
            body["refund_to_confirm"] = body["refund_to"].clone();
        }
        let key = hex::encode(rand::random::<[u8; 12]>());
        let answer = self.gateway.book(&key, &body).await?;
        ensure!(answer.status == StatusCode::ACCEPTED, "not booked: {}", describe(&answer));
        let booking_id = answer.json()["booking_id"].as_str().context("no id")?.to_owned();
        let refund_to = body["refund_to"].as_str().map(str::to_owned);
        let guest = format!("Ada {family}");
        let (token, places) = (self.token.clone(), Arc::default());
        Ok(Trip { booking_id, guest, quote, refund_to, token, places })
    }

    /// An address that nothing was ever sent to.
    #[must_use]
    pub fn new_wallet(&self) -> String {
        format!("0x{}", hex::encode(rand::random::<[u8; 20]>()))
    }

    /// Waits until a booking is as wanted; fails when it ends otherwise or takes too long.
    ///
    /// # Errors
    /// With the booking as it was last seen.
    pub async fn until(
        &self,
        trip: &Trip,
        what: &str,
        within: Duration,
        wanted: impl Fn(&Shown) -> bool,
    ) -> anyhow::Result<Shown> {
        let until = Instant::now() + within;
        loop {
            let shown = self.gateway.booking(&trip.booking_id).await?;
            trip.saw(&shown);
            if wanted(&shown) {
                return Ok(shown);
            }
            if shown.ended() || Instant::now() > until {
                bail!("{} is not {what} after {within:?}: {}", trip.booking_id, shown.0);
            }
            tokio::time::sleep(POLL_EVERY).await;
        }
    }

    /// Waits until an address is shown.
    ///
    /// # Errors
    /// When none is.
    pub async fn until_payable(&self, trip: &Trip, within: Duration) -> anyhow::Result<Shown> {
        let payable = |shown: &Shown| shown.next_actions().contains(&"pay");
        self.until(trip, "payable", within, payable).await
    }

    /// Pays what is shown; the hash of the transaction.
    ///
    /// # Errors
    /// When nothing is shown or the node refuses.
    pub async fn pay(&self, shown: &Shown) -> anyhow::Result<String> {
        let amount = shown.amount().context("no amount is shown")?;
        self.pay_units(shown, amount.units).await
    }

    /// Pays so much to the address that is shown.
    ///
    /// # Errors
    /// When none is shown or the node refuses.
    pub async fn pay_units(&self, shown: &Shown, units: Units) -> anyhow::Result<String> {
        let address = shown.address().context("no address is shown")?;
        match shown.contract() {
            Some(contract) => {
                let token = Token { contract: contract.to_owned() };
                token.pay(&self.node, &self.wallet, address, units).await
            }
            None => self.node.pay(&self.wallet, address, units).await,
        }
    }

    /// Pays what another leg costs more; the hash of the transaction.
    ///
    /// # Errors
    /// When nothing of that kind is shown or the node refuses.
    pub async fn pay_difference(&self, shown: &Shown) -> anyhow::Result<String> {
        let due = shown.further().last().context("no difference is shown")?;
        let address = due["address"].as_str().context("no address is shown")?;
        let units = serde_json::from_value(due["remaining"].clone()).context("how much")?;
        self.node.pay(&self.wallet, address, units).await
    }

    /// Sends a trifle to somebody else, as the first thing that the wallet does from where the
    /// chain stands now.
    ///
    /// # Errors
    /// When the node refuses.
    pub async fn spend_elsewhere(&self) -> anyhow::Result<String> {
        self.node.pay(&self.wallet, &self.new_wallet(), Units(U256::from(1_u64))).await
    }

    /// Waits until the booking has ended, one way or the other.
    ///
    /// # Errors
    /// When it does not.
    pub async fn until_ended(&self, trip: &Trip, within: Duration) -> anyhow::Result<Shown> {
        self.until(trip, "at its end", within, Shown::ended).await
    }

    /// Books, pays and waits for the confirmation.
    ///
    /// # Errors
    /// When it is not confirmed.
    pub async fn travel(&self, stay: &Stay, within: Duration) -> anyhow::Result<(Trip, Shown)> {
        let trip = self.book(stay).await?;
        let payable = self.until_payable(&trip, within).await?;
        self.pay(&payable).await?;
        let confirmed = |shown: &Shown| shown.status() == "confirmed";
        let shown = self.until(&trip, "confirmed", within, confirmed).await?;
        Ok((trip, shown))
    }
}
