//! What is wrong with one booking, and with reservations that no booking has.

use std::collections::BTreeMap;

use contracts::asset::Units;
use serde_json::Value;

use super::{Accepted, Comparison, Looked};
use crate::{double::Reservation, gateway::Shown};

/// What really is reserved, by the supplier's reference.
type There<'a> = BTreeMap<&'a str, Vec<&'a Reservation>>;

/// Judges every booking, and everything that is reserved. `may_be_open` says whether a booking may
/// be under way, or has to have ended by now.
pub(super) fn judged(
    accepted: &[Accepted],
    looked: &[Looked],
    living: &[Reservation],
    may_be_open: bool,
) -> Comparison {
    let mut found = Comparison { bookings: accepted.len(), ..Comparison::default() };
    let mut there = There::new();
    for reservation in living {
        there.entry(&reservation.reference).or_default().push(reservation);
    }
    for (accepted, looked) in accepted.iter().zip(looked) {
        found.judge(accepted, looked, &there, may_be_open);
    }
    found.judge_reservations(accepted, looked, living);
    found
}

impl Looked {
    /// The reservations of which the customer is told that they are his or being seen to. What was
    /// given back is not: whoever finds it there finds it orphaned.
    pub(super) fn claimed(&self) -> impl Iterator<Item = &str> {
        let undone = |shown: &&Shown| matches!(shown.status(), "failed" | "cancelled");
        let shown = self.shown.iter().filter(move |shown| !undone(shown));
        shown.flat_map(Shown::standing).filter_map(|leg| leg["reference"].as_str())
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

    /// How many points entries of some kinds moved.
    fn moved(&self, kinds: &[&str]) -> i64 {
        let entries = self.points.iter().flatten();
        entries.filter(|e| kinds.contains(&e.kind.as_str())).map(|e| e.points).sum()
    }
}

impl Comparison {
    fn judge(
        &mut self,
        accepted: &Accepted,
        looked: &Looked,
        there: &There<'_>,
        may_be_open: bool,
    ) {
        let id = &accepted.booking_id;
        let Some(shown) = &looked.shown else {
            self.lost += 1;
            return self.wrong.push(format!("{id}: accepted, and the gateway knows nothing of it"));
        };
        self.in_review += usize::from(shown.in_review());
        let status = shown.status();
        match status {
            "confirmed" | "completed" | "no_show" => {
                self.confirmed += 1;
                self.judge_promises(accepted, shown, there);
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
        if shown.ended() {
            self.judge_money(accepted, shown, looked, may_be_open);
        }
    }

    /// Of a booking that ended nothing is kept but its price, less what legs that were cancelled
    /// alone give back, or the fee of its cancellation; and nothing of that goes back.
    fn judge_money(
        &mut self,
        accepted: &Accepted,
        shown: &Shown,
        looked: &Looked,
        may_be_open: bool,
    ) {
        let (id, status) = (&accepted.booking_id, shown.status());
        let price = match (status, shown.charged()) {
            ("failed", _) | (_, None) => Units::ZERO,
            ("cancelled", Some(charged)) => shown.fee().unwrap_or(Units::ZERO).min(charged),
            (_, Some(charged)) => charged.saturating_sub(shown.given_back()),
        };
        let excess = looked.kept(shown).saturating_sub(price);
        let state = shown.0["payment"]["state"].as_str();
        // What waits to go back is not kept: while it may be on its way, or until its customer
        // says where to.
        let named = accepted.refund_to.is_some() || shown.knows_where_back();
        let waits = matches!(state, Some("refund_waiting" | "refund_due"));
        if !excess.is_zero() && !(waits && (may_be_open || !named)) {
            self.overcharged += 1;
            self.wrong
                .push(format!("{id}: {status}, and {excess} units more than its price are kept"));
        }
        let returned = looked.returned.unwrap_or(Units::ZERO);
        let too_much = returned.saturating_sub(looked.received.saturating_sub(price));
        if !too_much.is_zero() {
            self.given_away += 1;
            self.wrong.push(format!("{id}: {status}, and {too_much} units too much went back"));
        }
    }

    /// A confirmed booking has every leg at the supplier, confirmed, for its guest, on the days it
    /// shows.
    fn judge_promises(&mut self, accepted: &Accepted, shown: &Shown, there: &There<'_>) {
        let guest = &accepted.guest;
        let stands = |leg: &Value| {
            let named = leg["reference"].as_str().and_then(|reference| there.get(reference));
            named.into_iter().flatten().any(|r| {
                r.state == "confirmed"
                    && leg["check_in"] == r.check_in.as_str()
                    && leg["check_out"] == r.check_out.as_str()
                    && (guest.is_empty() || r.guests.contains(guest))
            })
        };
        let mut promised = shown.standing().peekable();
        if promised.peek().is_none() || !promised.all(stands) {
            let id = &accepted.booking_id;
            self.lost += 1;
            self.wrong.push(format!("{id}: confirmed, and the supplier has not all of its legs"));
        }
    }

    /// What was paid in money earned points, once, and what was redeemed is spent, once.
    fn judge_points_of_confirmed(&mut self, id: &str, shown: &Shown, looked: &Looked) {
        let Some(entries) = &looked.points else { return };
        let earns = shown.amount().is_some_and(|amount| !amount.units.is_zero());
        match entries.iter().filter(|entry| entry.kind == "earned").count() {
            0 if earns => {
                self.lost += 1;
                self.wrong.push(format!("{id}: confirmed, and its points were not credited"));
            }
            0 | 1 => {}
            times => {
                self.double += 1;
                self.wrong.push(format!("{id}: its points were credited {times} times"));
            }
        }
        let redeemed = shown.0["points"]["redeemed"].as_i64().unwrap_or(0);
        let spent = -looked.moved(&["captured", "released"]);
        if spent > redeemed {
            self.overcharged += 1;
            self.wrong.push(format!("{id}: {spent} points are spent, and {redeemed} redeemed"));
        } else if spent < redeemed {
            self.given_away += 1;
            self.wrong.push(format!("{id}: {redeemed} points redeemed, and {spent} are spent"));
        }
    }

    /// What was set aside or spent for a booking that was undone came back, unless it was agreed
    /// that it pays a fee; what the booking earned is gone.
    fn judge_points_of_undone(&mut self, id: &str, shown: &Shown, looked: &Looked) {
        let earned = looked.moved(&["earned", "voided", "reversed", "reduced"]);
        // Points that were set aside and then spent are told of twice.
        let taken = looked.moved(&["held"]).min(looked.moved(&["captured"]));
        let kept = -(taken + looked.moved(&["released"]));
        let pays_fee = shown.0["cancellation"]["points_back"] == false;
        if kept > 0 && !pays_fee {
            self.overcharged += 1;
            self.wrong.push(format!("{id}: undone, and {kept} of its points are kept"));
        }
        if earned > 0 || kept < 0 {
            let left = earned.max(-kept);
            self.given_away += 1;
            self.wrong.push(format!("{id}: undone, and its customer has {left} points of it"));
        }
    }

    /// Every living reservation is that of one leg; else it is a second one, or nobody's.
    fn judge_reservations(
        &mut self,
        accepted: &[Accepted],
        looked: &[Looked],
        living: &[Reservation],
    ) {
        let mut claims: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (accepted, looked) in accepted.iter().zip(looked) {
            for reference in looked.claimed() {
                claims.entry(reference).or_default().push(&accepted.booking_id);
            }
        }
        let (claimed, alone): (Vec<_>, Vec<_>) =
            living.iter().partition(|r| claims.contains_key(r.reference.as_str()));
        // What ties a second reservation to a booking: our reference for it, or the guest.
        let mut ours: BTreeMap<&str, &str> = BTreeMap::new();
        for reservation in claimed {
            let Reservation { reference, state, .. } = reservation;
            ours.extend(ties(reservation).map(|tie| (tie, reference.as_str())));
            if let Some(several) = claims.get(reference.as_str()).filter(|all| all.len() > 1) {
                let whose = several.join(", ");
                self.double += 1;
                self.wrong.push(format!("{reference} ({state}) is that of several legs: {whose}"));
            }
        }
        for reservation in alone {
            let Reservation { reference, state, .. } = reservation;
            if let Some(first) = ties(reservation).find_map(|tie| ours.get(tie)) {
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

/// Our reference for a reservation, and whom it is for.
fn ties(reservation: &Reservation) -> impl Iterator<Item = &str> {
    let reference = reservation.client_reference.as_deref();
    reference.into_iter().chain(reservation.guests.iter().map(String::as_str))
}
