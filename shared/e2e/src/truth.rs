//! The one comparison of what was promised with what really exists. It reads only what an outsider
//! can read: the supplier's `/truth`, the node, the gateway's HTTP.

pub mod plant;

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context as _;
use contracts::asset::Units;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use http::StatusCode;
use serde::Serialize;

use crate::{
    Stack,
    double::{Double, Reservation},
    gateway::{Gateway, Shown, describe},
    node::Node,
};

/// Questions to the gateway at once.
const AT_ONCE: usize = 16;

/// A booking whose acceptance a customer has in hand.
#[derive(Debug, Clone)]
pub struct Accepted {
    pub booking_id: String,
    /// Its customer's.
    pub token: String,
    /// The lead guest's name, which no other booking has.
    pub guest: String,
}

/// Where the truth is to be had.
#[derive(Debug, Clone)]
pub struct World {
    gateway: Gateway,
    double: Double,
    node: Node,
    /// Reservations that were there before and are nobody's business here.
    before: BTreeSet<String>,
}

/// What the comparison found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Comparison {
    pub bookings: usize,
    pub confirmed: usize,
    pub undone: usize,
    pub review: usize,
    /// Accepted and not to be found, not ended, or confirmed without what was promised.
    pub lost: usize,
    /// Reservations beside the one that a booking has.
    pub double: usize,
    /// Reservations that live for no booking.
    pub orphaned: usize,
    /// Bookings of which more money was kept than they cost.
    pub overcharged: usize,
    /// A line for each thing that is wrong.
    #[serde(skip)]
    pub wrong: Vec<String>,
}

impl Comparison {
    /// Whether nobody lost anything.
    #[must_use]
    pub fn is_right(&self) -> bool {
        self.lost + self.double + self.orphaned + self.overcharged == 0
    }
}

impl World {
    /// The world of a stack, of which nothing that is reserved now counts.
    ///
    /// # Errors
    /// When the doubles are away.
    pub async fn of(stack: &Stack) -> anyhow::Result<Self> {
        let double = stack.double();
        let before = double.truth().await?.reservations;
        Ok(Self {
            gateway: Gateway::new(&stack.url("booking"), ""),
            node: stack.node(),
            before: before.into_iter().map(|reservation| reservation.reference).collect(),
            double,
        })
    }

    /// Compares every booking that was accepted with the supplier and the chain.
    ///
    /// # Errors
    /// When the gateway, the doubles or the node cannot be asked: then nothing is known.
    pub async fn compare(&self, accepted: &[Accepted]) -> anyhow::Result<Comparison> {
        let mut found = Comparison { bookings: accepted.len(), ..Comparison::default() };
        let looked = accepted.iter().map(|accepted| self.look(accepted));
        // In the order of acceptance, so that two runs say the same.
        let looked: Vec<Looked> = stream::iter(looked).buffered(AT_ONCE).try_collect().await?;
        let truth = self.double.truth().await?;
        let living: Vec<&Reservation> = truth
            .reservations
            .iter()
            .filter(|r| r.lives() && !self.before.contains(&r.reference))
            .collect();
        for (accepted, looked) in accepted.iter().zip(&looked) {
            found.judge(accepted, looked, &living);
        }
        found.judge_reservations(accepted, &looked, &living);
        Ok(found)
    }

    async fn look(&self, accepted: &Accepted) -> anyhow::Result<Looked> {
        let gateway = self.gateway.with_token(&accepted.token);
        let answer = gateway.get(&format!("/v1/bookings/{}", accepted.booking_id)).await?;
        if answer.status == StatusCode::NOT_FOUND {
            return Ok(Looked { shown: None, received: Units::ZERO });
        }
        anyhow::ensure!(answer.status == StatusCode::OK, "{}", describe(&answer));
        let shown = Shown(answer.json());
        let received = match shown.address() {
            // Nothing is ever spent from a deposit address: what it holds is what it received.
            Some(address) => self.node.balance(address).await.context("asking the node")?,
            None => Units::ZERO,
        };
        Ok(Looked { shown: Some(shown), received })
    }
}

/// A booking as the gateway and the chain have it.
struct Looked {
    shown: Option<Shown>,
    received: Units,
}

impl Looked {
    /// Whether the customer is told that the space is his or being seen to.
    fn claims(&self, reference: &str) -> bool {
        self.shown.as_ref().is_some_and(|shown| {
            let undone = matches!(shown.status(), "failed" | "cancelled");
            !undone && shown.references().iter().any(|r| r == reference)
        })
    }
}

impl Comparison {
    fn judge(&mut self, accepted: &Accepted, looked: &Looked, living: &[&Reservation]) {
        let id = &accepted.booking_id;
        let Some(shown) = &looked.shown else {
            self.lost += 1;
            return self.wrong.push(format!("{id}: accepted, and the gateway knows nothing of it"));
        };
        let status = shown.status();
        match status {
            "confirmed" | "completed" => {
                self.confirmed += 1;
                self.judge_promises(id, shown, living);
            }
            "failed" | "cancelled" => self.undone += 1,
            _ if shown.in_review() => self.review += 1,
            _ => {
                self.lost += 1;
                self.wrong.push(format!("{id}: still {status}"));
            }
        }
        let price = match (status, shown.amount()) {
            ("failed" | "cancelled", _) | (_, None) => Units::ZERO,
            (_, Some(amount)) => amount.units,
        };
        let kept = looked.received.saturating_sub(shown.refunds()).saturating_sub(price);
        // What waits to go back is not kept.
        let owed =
            matches!(shown.0["payment"]["state"].as_str(), Some("refund_waiting" | "refund_due"));
        if !kept.is_zero() && !owed && shown.ended() {
            self.overcharged += 1;
            self.wrong
                .push(format!("{id}: {status}, and {kept} units more than its price are kept"));
        }
    }

    /// A confirmed booking has every leg at the supplier, confirmed, on the days it shows.
    fn judge_promises(&mut self, id: &str, shown: &Shown, living: &[&Reservation]) {
        let legs = shown.0["legs"].as_array().cloned().unwrap_or_default();
        let stands = |leg: &serde_json::Value| {
            living.iter().any(|r| {
                leg["reference"] == r.reference.as_str()
                    && r.state == "confirmed"
                    && leg["check_in"] == r.check_in.as_str()
                    && leg["check_out"] == r.check_out.as_str()
            })
        };
        if legs.is_empty() || !legs.iter().all(stands) {
            self.lost += 1;
            self.wrong.push(format!("{id}: confirmed, and the supplier has not all of its legs"));
        }
    }

    /// Every living reservation is the one of a booking; else it is a second one, or nobody's.
    fn judge_reservations(
        &mut self,
        accepted: &[Accepted],
        looked: &[Looked],
        living: &[&Reservation],
    ) {
        let claimed: BTreeSet<&str> = living
            .iter()
            .filter(|r| looked.iter().any(|looked| looked.claims(&r.reference)))
            .map(|r| r.reference.as_str())
            .collect();
        // What ties a second reservation to a booking: our reference for it, or the guest.
        let mut ours: BTreeMap<&str, &str> = BTreeMap::new();
        for reservation in living.iter().filter(|r| claimed.contains(r.reference.as_str())) {
            let ties = reservation.guests.iter().map(String::as_str);
            for tie in ties.chain(reservation.client_reference.as_deref()) {
                ours.insert(tie, &reservation.reference);
            }
        }
        for reservation in living.iter().filter(|r| !claimed.contains(r.reference.as_str())) {
            let mut ties = reservation.guests.iter().map(String::as_str);
            let reference = reservation.client_reference.as_deref();
            let twin = reference.into_iter().chain(ties.by_ref()).find_map(|tie| ours.get(tie));
            let Reservation { reference, state, .. } = reservation;
            if let Some(first) = twin {
                self.double += 1;
                self.wrong.push(format!("{reference} ({state}) is a second one beside {first}"));
            } else {
                let guest = accepted.iter().find(|a| reservation.guests.contains(&a.guest));
                let whose = guest.map_or("nobody", |a| a.booking_id.as_str());
                self.orphaned += 1;
                self.wrong.push(format!("{reference} ({state}) lives for no booking ({whose})"));
            }
        }
    }
}
