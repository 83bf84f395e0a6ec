//! What is wrong with one booking, and with reservations that no booking has.

use std::collections::{BTreeMap, BTreeSet};

use contracts::asset::Units;
use serde_json::Value;

use super::{Accepted, Comparison, Looked};
use crate::{double::Reservation, gateway::Shown};

impl Looked {
    /// Whether the customer is told that the space is his or being seen to.
    pub(super) fn claims(&self, reference: &str) -> bool {
        self.shown.as_ref().is_some_and(|shown| {
            let undone = matches!(shown.status(), "failed" | "cancelled");
            !undone && shown.references().iter().any(|r| r == reference)
        })
    }

    /// Where a card was to pay, what it was charged is all that came, and nothing of it is back:
    /// the gateway counts what it gave back.
    pub(super) fn add_card(&mut self, charged: &BTreeMap<String, Units>) {
        let Some(shown) = &self.shown else { return };
        let payments = std::iter::once(&shown.0["payment"]).chain(shown.further());
        let ids = payments.filter_map(|payment| payment["payment_id"].as_str());
        let charged: Vec<Units> = ids.filter_map(|id| charged.get(id)).copied().collect();
        if !charged.is_empty() {
            let add = |sum: Units, more: &Units| sum.checked_add(*more).unwrap_or(sum);
            self.received = charged.iter().fold(Units::ZERO, add);
            self.returned = Some(Units::ZERO);
        }
    }

    /// Money that came and did not go back. What went back is what the wallet got, and where no
    /// wallet is known, what the gateway says.
    fn kept(&self, shown: &Shown) -> Units {
        let returned = self.returned.unwrap_or_else(|| shown.refunds());
        self.received.saturating_sub(returned)
    }

    /// How many points entries of one kind moved, and how many such entries there are.
    fn moved(&self, kind: &str) -> (i64, usize) {
        let entries = self.points.iter().flatten().filter(|entry| entry["kind"] == kind);
        let points: Vec<i64> = entries.filter_map(|entry| entry["points"].as_i64()).collect();
        (points.iter().sum(), points.len())
    }
}

impl Comparison {
    /// `may_be_open` says whether a booking may be under way, or has to have ended by now.
    pub(super) fn judge(
        &mut self,
        accepted: &Accepted,
        looked: &Looked,
        living: &[&Reservation],
        may_be_open: bool,
    ) {
        let id = &accepted.booking_id;
        let Some(shown) = &looked.shown else {
            self.lost += 1;
            return self.wrong.push(format!("{id}: accepted, and the gateway knows nothing of it"));
        };
        let status = shown.status();
        match status {
            "confirmed" | "completed" | "no_show" => {
                self.confirmed += 1;
                self.judge_promises(id, shown, living);
                self.judge_points_of_confirmed(id, shown, looked);
            }
            "failed" | "cancelled" => {
                self.undone += 1;
                self.judge_points_of_undone(id, shown, looked);
            }
            _ if shown.in_review() => self.review += 1,
            _ if may_be_open => self.open += 1,
            _ => {
                self.lost += 1;
                self.wrong.push(format!("{id}: still {status}"));
            }
        }
        self.judge_money(id, shown, looked);
    }

    /// Of a booking that ended nothing is kept but its price, less what legs that were cancelled
    /// alone give back, or the fee of its cancellation.
    fn judge_money(&mut self, id: &str, shown: &Shown, looked: &Looked) {
        let price = match (shown.status(), shown.charged()) {
            ("failed", _) | (_, None) => Units::ZERO,
            ("cancelled", Some(charged)) => shown.fee().unwrap_or(Units::ZERO).min(charged),
            (_, Some(charged)) => charged.saturating_sub(shown.given_back()),
        };
        let excess = looked.kept(shown).saturating_sub(price);
        // What waits to go back is not kept.
        let owed =
            matches!(shown.0["payment"]["state"].as_str(), Some("refund_waiting" | "refund_due"));
        if !excess.is_zero() && !owed && shown.ended() {
            self.overcharged += 1;
            self.wrong.push(format!(
                "{id}: {}, and {excess} units more than its price are kept",
                shown.status()
            ));
        }
    }

    /// A confirmed booking has every leg at the supplier, confirmed, on the days it shows.
    fn judge_promises(&mut self, id: &str, shown: &Shown, living: &[&Reservation]) {
        let legs = shown.0["legs"].as_array().cloned().unwrap_or_default();
        let stands = |leg: &Value| {
            living.iter().any(|r| {
                leg["reference"] == r.reference.as_str()
                    && r.state == "confirmed"
                    && leg["check_in"] == r.check_in.as_str()
                    && leg["check_out"] == r.check_out.as_str()
            })
        };
        let mut promised = legs.iter().filter(|leg| Shown::goes_on_with(leg)).peekable();
        if promised.peek().is_none() || !promised.all(stands) {
            self.lost += 1;
            self.wrong.push(format!("{id}: confirmed, and the supplier has not all of its legs"));
        }
    }

    /// What was paid in money earned points, once.
    fn judge_points_of_confirmed(&mut self, id: &str, shown: &Shown, looked: &Looked) {
        if looked.points.is_none() || shown.amount().is_none_or(|amount| amount.units.is_zero()) {
            return;
        }
        match looked.moved("earned").1 {
            0 => {
                self.lost += 1;
                self.wrong.push(format!("{id}: confirmed, and its points were not credited"));
            }
            1 => {}
            times => {
                self.double += 1;
                self.wrong.push(format!("{id}: its points were credited {times} times"));
            }
        }
    }

    /// What was set aside or spent for a booking that was undone came back, unless it was agreed
    /// that it pays a fee.
    fn judge_points_of_undone(&mut self, id: &str, shown: &Shown, looked: &Looked) {
        if shown.0["cancellation"]["points_back"] == false {
            return;
        }
        // Points that were set aside and then spent are told of twice.
        let taken = looked.moved("held").0.min(looked.moved("captured").0);
        let kept = -(taken + looked.moved("released").0);
        if kept > 0 {
            self.overcharged += 1;
            self.wrong.push(format!("{id}: undone, and {kept} of its points are kept"));
        }
    }

    /// Every living reservation is the one of a booking; else it is a second one, or nobody's.
    pub(super) fn judge_reservations(
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
