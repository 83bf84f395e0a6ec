//! The one comparison of what was promised with what really exists. It reads only what an outsider
//! can read: the supplier's `/truth`, the node, the gateway's HTTP and through it the points. The
//! proof of a whole system adds what an auditor can read: the list of bookings and both ledgers.

mod judge;
mod ledgers;
pub mod plant;
mod prices;
pub mod proof;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use anyhow::Context as _;
use contracts::asset::Units;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use http::StatusCode;
use serde::Serialize;
use serde_json::Value;

use crate::{
    Stack,
    cards::Cards,
    coins::Coins,
    double::{Double, Reservation},
    gateway::{Gateway, Place, Shown, describe},
    node::Node,
    processes::DOUBLES,
};

/// Questions to the gateway at once.
const AT_ONCE: usize = 16;
/// How often the world is looked at until it is right.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// On a busy machine.
const POINTS_WITHIN: Duration = Duration::from_secs(10);
/// An account shows so many entries; one that has more shows only its newest.
const ENTRIES_SHOWN: usize = 50;

/// A booking whose acceptance a customer has in hand.
#[derive(Debug, Clone)]
pub struct Accepted {
    pub booking_id: String,
    /// Its customer's.
    pub token: String,
    /// The lead guest's name, which no other booking has.
    pub guest: String,
    /// A wallet where nothing but this booking's refund arrives, if its customer named one.
    pub refund_to: Option<String>,
    /// Wherever its customer was ever told to pay to. What came there is looked for also where
    /// nothing of it is shown any more.
    pub places: BTreeSet<Place>,
}

/// Where the truth is to be had.
#[derive(Debug, Clone)]
pub struct World {
    gateway: Gateway,
    /// Every supplier.
    doubles: Vec<Double>,
    cards: Cards,
    node: Node,
    coins: Option<Coins>,
    /// Reservations that were there before and are nobody's business here.
    before: BTreeSet<String>,
    /// Where a reservation's booking is asked for, if bookings may be under way.
    owner_of_legs: Option<Gateway>,
}

/// What the comparison found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Comparison {
    pub bookings: usize,
    pub confirmed: usize,
    pub undone: usize,
    /// Neither ended nor lost: somebody has to look.
    pub review: usize,
    /// Under way, where that is no loss.
    pub open: usize,
    /// Accepted and not to be found, not ended, or confirmed without what was promised: a leg, its
    /// points.
    pub lost: usize,
    /// Reservations beside the one that a booking has, or that several legs have, and points that
    /// were credited twice.
    pub double: usize,
    /// Reservations that live for no booking.
    pub orphaned: usize,
    /// Bookings of which more money or points were kept than they cost.
    pub overcharged: usize,
    /// Bookings of which more money went back than was due, or less points were taken.
    pub given_away: usize,
    /// Bookings that somebody has to look at, whether they ended or not.
    pub in_review: usize,
    /// A line for each thing that is wrong.
    #[serde(skip)]
    pub wrong: Vec<String>,
}

impl Comparison {
    /// Whether nobody lost anything.
    #[must_use]
    pub fn is_right(&self) -> bool {
        self.lost + self.double + self.orphaned + self.overcharged + self.given_away == 0
    }
}

impl World {
    /// The world of a stack, of which nothing that is reserved now counts.
    ///
    /// # Errors
    /// When the doubles are away.
    pub async fn of(stack: &Stack) -> anyhow::Result<Self> {
        let doubles = stack.doubles();
        let mut before = BTreeSet::new();
        for double in &doubles {
            let there = double.truth().await?.reservations.into_iter();
            before.extend(there.map(|reservation| reservation.reference));
        }
        Ok(Self {
            gateway: Gateway::new(&stack.url("booking"), ""),
            node: stack.node(),
            coins: stack.coins(),
            before,
            doubles,
            cards: Cards::at(&stack.url(DOUBLES)),
            owner_of_legs: None,
        })
    }

    /// Compares every booking that was accepted with the supplier, the chain and the points.
    ///
    /// # Errors
    /// When the gateway, the doubles or the node cannot be asked: then nothing is known.
    pub async fn compare(&self, accepted: &[Accepted]) -> anyhow::Result<Comparison> {
        self.compare_with(accepted, &self.entries(accepted).await?).await
    }

    /// The same with what moved points by booking, as far as that is known.
    async fn compare_with(
        &self,
        accepted: &[Accepted],
        entries: &BTreeMap<String, Vec<Entry>>,
    ) -> anyhow::Result<Comparison> {
        let looked = accepted.iter().map(|accepted| self.look(accepted, entries));
        // In the order of acceptance, so that two runs say the same.
        let mut looked: Vec<Looked> = stream::iter(looked).buffered(AT_ONCE).try_collect().await?;
        let charged = self.cards.charged().await?;
        looked.iter_mut().for_each(|looked| looked.add_card(&charged));
        let living = self.living(accepted, &looked).await?;
        Ok(judge::judged(accepted, &looked, &living, self.owner_of_legs.is_some()))
    }

    /// What really is reserved, but for what belongs to a booking that is under way and shows no
    /// reference yet.
    async fn living(
        &self,
        accepted: &[Accepted],
        looked: &[Looked],
    ) -> anyhow::Result<Vec<Reservation>> {
        let open = |looked: &Looked| looked.shown.as_ref().is_some_and(|shown| !shown.ended());
        let open = accepted.iter().zip(looked).filter(|(_, looked)| open(looked));
        let open: BTreeSet<&str> = open.map(|(one, _)| one.booking_id.as_str()).collect();
        let claimed: BTreeSet<&str> = looked.iter().flat_map(Looked::claimed).collect();
        let mut living = Vec::new();
        for double in &self.doubles {
            for one in double.truth().await?.reservations {
                let counts = one.lives() && !self.before.contains(&one.reference);
                let claimed = claimed.contains(one.reference.as_str());
                if counts && (claimed || !self.is_under_way(&one, &open).await?) {
                    living.push(one);
                }
            }
        }
        Ok(living)
    }

    /// Compares until all is right, or for so long: points and refunds come some time after the end
    /// of a booking.
    ///
    /// # Errors
    /// As [`World::compare`].
    pub async fn compare_within(
        &self,
        accepted: &[Accepted],
        within: Duration,
    ) -> anyhow::Result<Comparison> {
        let until = Instant::now() + within;
        loop {
            let found = self.compare(accepted).await?;
            if found.is_right() || Instant::now() > until {
                return Ok(found);
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    async fn look(
        &self,
        accepted: &Accepted,
        entries: &BTreeMap<String, Vec<Entry>>,
    ) -> anyhow::Result<Looked> {
        let gateway = self.gateway.with_token(&accepted.token);
        let answer = gateway.get(&format!("/v1/bookings/{}", accepted.booking_id)).await?;
        if answer.status == StatusCode::NOT_FOUND {
            return Ok(Looked::default());
        }
        anyhow::ensure!(answer.status == StatusCode::OK, "{}", describe(&answer));
        let shown = Shown(answer.json());
        let places: BTreeSet<Place> = &shown.places() | &accepted.places;
        let mut received = Units::ZERO;
        for Place { address, contract } in &places {
            // Nothing is ever spent from a deposit address: what it holds is what it received.
            let holds = self.holds(contract.as_deref(), address).await?;
            received = received.checked_add(holds).unwrap_or(received);
        }
        let token = places.first().and_then(|place| place.contract.as_deref());
        let returned = match &accepted.refund_to {
            Some(wallet) => Some(self.holds(token, wallet).await?),
            None => None,
        };
        let points = entries.get(&accepted.booking_id).cloned();
        Ok(Looked { shown: Some(shown), received, returned, points })
    }

    /// What lies at an address. Nothing is known of chains that there is no node of here.
    pub(crate) async fn holds(&self, token: Option<&str>, address: &str) -> anyhow::Result<Units> {
        let balance = match (token, &self.coins) {
            (Some(token), _) => self.node.token_balance(token, address).await,
            (None, _) if address.starts_with("0x") => self.node.balance(address).await,
            (None, Some(coins)) => coins.holds(address).await,
            (None, None) => anyhow::bail!("there is no node of the chain of {address}"),
        };
        balance.context("asking the node")
    }

    /// What moved points, by booking; nothing of those whose accounts show only some of it.
    async fn entries(&self, accepted: &[Accepted]) -> anyhow::Result<BTreeMap<String, Vec<Entry>>> {
        let tokens: BTreeSet<&String> = accepted.iter().map(|accepted| &accepted.token).collect();
        let asked = tokens.into_iter().map(|token| async move {
            let gateway = self.gateway.with_token(token);
            let until = Instant::now() + POINTS_WITHIN;
            loop {
                let told = gateway.points().await?;
                if let Some(entries) = told["entries"].as_array() {
                    return anyhow::Ok((token, entries.clone()));
                }
                // The gateway waits for its owner for a moment only.
                anyhow::ensure!(Instant::now() < until, "rewards does not answer");
                tokio::time::sleep(LOOK_EVERY).await;
            }
        });
        let all: Vec<_> = stream::iter(asked).buffered(AT_ONCE).try_collect().await?;
        let shown = all.into_iter().filter(|(_, entries)| entries.len() < ENTRIES_SHOWN);
        let shown: BTreeMap<&String, Vec<Value>> = shown.collect();
        Ok(entries_of(accepted, &shown))
    }
}

/// What moved the points of each booking, from what its own token was shown: one account may have
/// several.
fn entries_of(
    accepted: &[Accepted],
    shown: &BTreeMap<&String, Vec<Value>>,
) -> BTreeMap<String, Vec<Entry>> {
    let own = |one: &Accepted| {
        let all = shown.get(&one.token)?.iter();
        let own = all.filter(|entry| entry["booking_id"] == one.booking_id.as_str());
        Some((one.booking_id.clone(), own.filter_map(Entry::of).collect()))
    };
    accepted.iter().filter_map(own).collect()
}

/// What moved points of one booking.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    kind: String,
    /// Positive where the customer gained.
    points: i64,
}

impl Entry {
    fn of(shown: &Value) -> Option<Self> {
        Some(Self { kind: shown["kind"].as_str()?.to_owned(), points: shown["points"].as_i64()? })
    }
}

/// A booking as the gateway, the chain and rewards have it.
#[derive(Debug, Clone, Default)]
struct Looked {
    shown: Option<Shown>,
    received: Units,
    /// What the customer's wallet got back, where that is known.
    returned: Option<Units>,
    /// What moved its points, where all of it is known.
    points: Option<Vec<Entry>>,
}
