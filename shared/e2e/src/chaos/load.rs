//! Customers who do not give up: each asks again under the same key until there is an answer, and
//! most pay. Some pay a part with points, some travel on to a second city, some cancel.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use anyhow::{Context as _, ensure};
use http::StatusCode;
use serde_json::{Value, json};
use tokio::{
    sync::watch,
    task::{JoinHandle, JoinSet},
    time::Instant,
};

use crate::{
    Stack,
    gateway::{Quote, suits},
    journeys::grant,
    traveller::{Traveller, request, some_cities, some_family, some_stay},
    truth::Accepted,
};

/// Bookings of one account, so that all of its points are shown.
const PER_ACCOUNT: usize = 5;
/// Of so many customers one never pays.
const ONE_IN_NEVER_PAYS: usize = 8;
/// Of so many one redeems points, one goes on to a second city, and one cancels after all.
const ONE_IN_REDEEMS: usize = 3;
const ONE_IN_TRAVELS_ON: usize = 10;
const ONE_IN_CANCELS: usize = 11;
/// What is given to whoever redeems some, who redeems all of it.
const POINTS: u64 = 1_000;
/// Whoever asks again waits longer each time, up to the second of these: thousands who ask twice a
/// second for minutes would be a test of something else.
const AGAIN_AFTER: [Duration; 2] = [Duration::from_millis(500), Duration::from_secs(8)];
/// How long somebody looks for an address to pay to.
const LOOKS_FOR: Duration = Duration::from_secs(60);
/// Everything that was clicked is answered within this, once nothing fails any more.
const ANSWERED_WITHIN: Duration = Duration::from_secs(60);

/// A stream of customers.
pub(super) struct Load {
    stop: watch::Sender<bool>,
    coming: JoinHandle<JoinSet<Option<Customer>>>,
}

/// Whose click was accepted.
struct Customer {
    accepted: Accepted,
    /// Whether an earlier click had no answer, or one that says nothing.
    in_doubt: bool,
}

/// Everybody whose click was accepted.
pub(super) struct Clicked {
    pub(super) accepted: Vec<Accepted>,
    /// How many of them did not know it at first, and learned it by asking again under the same
    /// key.
    pub(super) recovered: usize,
}

impl Load {
    pub(super) fn begin(stack: Arc<Stack>, per_second: u32) -> Self {
        let stop = watch::Sender::new(false);
        let mut stopped = stop.subscribe();
        let coming = tokio::spawn(async move {
            let mut customers = JoinSet::new();
            let mut tick = tokio::time::interval(Duration::from_secs(1) / per_second.max(1));
            tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            for n in 0_usize.. {
                tokio::select! {
                    _ = tick.tick() => {}
                    _ = stopped.changed() => break,
                }
                let (stack, stopped) = (Arc::clone(&stack), stopped.clone());
                customers.spawn(async move { customer(&stack, n, &stopped).await });
            }
            customers
        });
        Self { stop, coming }
    }

    /// Nobody new comes; waits for everybody's answer.
    pub(super) async fn end(self) -> anyhow::Result<Clicked> {
        self.stop.send_replace(true);
        let mut customers = self.coming.await?;
        let mut clicked = Clicked { accepted: Vec::new(), recovered: 0 };
        let all = async {
            while let Some(customer) = customers.join_next().await {
                let Some(customer) = customer.context("a customer")? else { continue };
                clicked.accepted.push(customer.accepted);
                clicked.recovered += usize::from(customer.in_doubt);
            }
            anyhow::Ok(())
        };
        let answered = tokio::time::timeout(ANSWERED_WITHIN + 2 * LOOKS_FOR, all).await;
        answered.context("a click is never answered")??;
        Ok(clicked)
    }
}

/// One customer, from the quote to the payment, and perhaps back; nothing when there was no quote,
/// or no booking.
async fn customer(stack: &Stack, n: usize, stopped: &watch::Receiver<bool>) -> Option<Customer> {
    let account = format!("chaos-{}", n / PER_ACCOUNT);
    let over = || *stopped.borrow();
    let traveller = Traveller::of(stack, &account).await.ok()?;
    let mut waits = Waits::default();
    let quote = loop {
        match quote(&traveller, every(n, ONE_IN_TRAVELS_ON)).await {
            Ok(quote) => break quote,
            // Whoever has no quote has nothing to lose.
            Err(_) if over() => return None,
            Err(_) => waits.next().await,
        }
    };
    let family = some_family();
    let mut body = request(&quote, &family);
    let wallet = traveller.new_wallet();
    body["refund_to"] = wallet.as_str().into();
    body["refund_to_confirm"] = wallet.as_str().into();
    if every(n, ONE_IN_REDEEMS) && grant(stack, &account, POINTS).await.is_ok() {
        body["redeem_points"] = POINTS.into();
    }
    let key = hex::encode(rand::random::<[u8; 12]>());
    let (booking_id, in_doubt) = click(&traveller, &key, &body).await?;
    let mut accepted = Accepted {
        booking_id,
        token: stack.token(&account, &["customer"]),
        guest: format!("Ada {family}"),
        refund_to: Some(wallet),
        places: BTreeSet::new(),
    };
    if !every(n, ONE_IN_NEVER_PAYS) {
        // Whoever cannot find out where to pay does not.
        pay(&traveller, &mut accepted).await.ok();
        if every(n, ONE_IN_CANCELS) {
            // Whoever is told nothing travels after all.
            cancel(&traveller, &accepted.booking_id).await.ok();
        }
    }
    Some(Customer { accepted, in_doubt })
}

/// The waits of one who asks again and again.
#[derive(Default)]
struct Waits(u32);

impl Waits {
    async fn next(&mut self) {
        let [first, most] = AGAIN_AFTER;
        let wait = first.saturating_mul(1 << self.0.min(16)).min(most);
        self.0 += 1;
        // Not all at the same time.
        tokio::time::sleep(wait.mul_f64(rand::random_range(0.5..1.0))).await;
    }
}

/// Whether it is the turn of one of so many.
fn every(n: usize, one_in: usize) -> bool {
    n % one_in == one_in - 1
}

/// The quote of a stay, or of two cities.
async fn quote(traveller: &Traveller, two: bool) -> anyhow::Result<Quote> {
    if !two {
        return traveller.gateway.quote(&some_stay()).await;
    }
    let [first, second, _] = some_cities();
    traveller.gateway.quote_trip(&[(first, suits), (second, suits)]).await
}

/// Clicks until there is an answer that is one: accepted, or refused for good; and whether it took
/// more than one click.
async fn click(traveller: &Traveller, key: &str, body: &Value) -> Option<(String, bool)> {
    let (mut in_doubt, mut waits) = (false, Waits::default());
    loop {
        if let Ok(answer) = traveller.gateway.book(key, body).await {
            if answer.status == StatusCode::ACCEPTED {
                let booking_id = answer.json()["booking_id"].as_str()?.to_owned();
                return Some((booking_id, in_doubt));
            }
            let again = answer.status.is_server_error()
                || answer.status == StatusCode::TOO_MANY_REQUESTS
                || answer.problem() == "in_progress";
            if !again {
                return None;
            }
        }
        in_doubt = true;
        waits.next().await;
    }
}

/// Pays as soon as an address is shown, once.
async fn pay(traveller: &Traveller, accepted: &mut Accepted) -> anyhow::Result<()> {
    let (until, mut waits) = (Instant::now() + LOOKS_FOR, Waits::default());
    loop {
        if let Ok(shown) = traveller.gateway.booking(&accepted.booking_id).await {
            accepted.places.extend(shown.places());
            if shown.ended() {
                return Ok(());
            }
            if shown.next_actions().contains(&"pay") {
                return traveller.pay(&shown).await.map(drop);
            }
        }
        ensure!(Instant::now() < until, "no address");
        waits.next().await;
    }
}

/// Cancels for what it costs as soon as that may be, bought or not.
async fn cancel(traveller: &Traveller, booking_id: &str) -> anyhow::Result<()> {
    let path = format!("/v1/bookings/{booking_id}/cancellation");
    let (until, mut waits) = (Instant::now() + LOOKS_FOR, Waits::default());
    loop {
        let asked = traveller.gateway.post(&format!("{path}?quote=true"), &json!({})).await;
        if let Some(told) = asked.ok().filter(|told| told.status == StatusCode::OK) {
            let agreed = json!({"quote": told.json()["quote"]});
            let answer = traveller.gateway.post(&path, &agreed).await;
            if answer.is_ok_and(|answer| answer.status == StatusCode::ACCEPTED) {
                return Ok(());
            }
        }
        ensure!(Instant::now() < until, "it cannot be cancelled");
        waits.next().await;
    }
}
