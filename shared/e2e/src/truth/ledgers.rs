//! What the ledgers of money and of points say, line by line, beside what should follow from it.

use std::collections::BTreeMap;

use anyhow::Context as _;
use contracts::internal::AccountReply;
use sqlx::{Connection as _, PgConnection};
use uuid::Uuid;

use super::Entry;
use crate::{Stack, gateway::Shown};

/// Sums of lines by account.
type Sums = BTreeMap<String, i128>;

/// Both ledgers, summed.
#[derive(Debug, Default)]
pub(super) struct Ledgers {
    /// By booking.
    money: BTreeMap<Uuid, Sums>,
    /// Every address that was given out, by booking.
    pub(super) addresses: BTreeMap<Uuid, Vec<String>>,
    /// By whose points they are.
    points: BTreeMap<String, Sums>,
    /// What moved points, by booking.
    pub(super) entries: BTreeMap<String, Vec<Entry>>,
}

impl Ledgers {
    /// Reads them where they are written, as an auditor would.
    pub(super) async fn read(stack: &Stack) -> anyhow::Result<Self> {
        let mut ledgers = Self::default();
        let mut money = PgConnection::connect(&stack.database_url("payment-verification")).await?;
        let lines: Vec<(Uuid, String, String)> = sqlx::query_as(
            "select p.booking_id, l.account, sum(l.units)::text
             from ledger_entry l join payment p using (payment_id)
             group by p.booking_id, l.account",
        )
        .fetch_all(&mut money)
        .await
        .context("reading the ledger of money")?;
        for (booking_id, account, sum) in lines {
            let sums = ledgers.money.entry(booking_id).or_default();
            sums.insert(account, sum.parse().context("a sum")?);
        }
        let addresses: Vec<(Uuid, String)> = sqlx::query_as(
            "select p.booking_id, a.address from address a join payment p using (payment_id)",
        )
        .fetch_all(&mut money)
        .await
        .context("reading the addresses")?;
        for (booking_id, address) in addresses {
            ledgers.addresses.entry(booking_id).or_default().push(address);
        }
        let mut points = PgConnection::connect(&stack.database_url("rewards")).await?;
        let lines: Vec<(String, String, i64)> = sqlx::query_as(
            "select account_id, book, sum(points)::bigint from posting group by account_id, book",
        )
        .fetch_all(&mut points)
        .await
        .context("reading the ledger of points")?;
        for (account, book, sum) in lines {
            ledgers.points.entry(account).or_default().insert(book, sum.into());
        }
        let entries: Vec<(Uuid, String, i64)> = sqlx::query_as(
            "select booking_id, kind, points from account_event
             where booking_id is not null and points <> 0",
        )
        .fetch_all(&mut points)
        .await
        .context("reading what moved points")?;
        for (booking_id, kind, points) in entries {
            let own = ledgers.entries.entry(booking_id.to_string()).or_default();
            own.push(Entry { kind, points });
        }
        Ok(ledgers)
    }

    /// Whose points there are.
    pub(super) fn accounts(&self) -> impl Iterator<Item = &String> {
        self.points.keys()
    }

    /// What is wrong with a booking's money. `came` is what lies at its addresses.
    pub(super) fn wrong_money(&self, booking_id: Uuid, shown: &Shown, came: i128) -> Vec<String> {
        let none = Sums::new();
        let sums = self.money.get(&booking_id).unwrap_or(&none);
        let of = |account: &str| sums.get(account).copied().unwrap_or_default();
        let mut wrong = Vec::new();
        let sum: i128 = sums.values().sum();
        if sum != 0 {
            wrong.push(format!("{booking_id}: its ledger is out of balance by {sum}"));
        }
        for account in ["misspent", "reversed"] {
            if of(account) != 0 {
                wrong.push(format!("{booking_id}: {} units are {account}", of(account).abs()));
            }
        }
        // What is under way may be seen and not final yet, or sent and not proven.
        if !shown.ended() {
            return wrong;
        }
        let known = of("received").abs();
        if known != came {
            wrong.push(format!(
                "{booking_id}: {came} units came to its addresses, its ledger knows {known}"
            ));
        }
        // What pays another booking instead, or what staff answers for, is told as a refund that
        // arrived, too.
        let paid_out = of("paid_out").abs() + of("moved").max(0) + of("settled_otherwise").max(0);
        let told = arrived(shown);
        if paid_out != told {
            wrong.push(format!(
                "{booking_id}: {paid_out} units went back by its ledger, {told} are told to have arrived"
            ));
        }
        wrong
    }

    /// What came out of payments and went into none, or the other way round.
    pub(super) fn wrong_moves(&self) -> Option<String> {
        let sum: i128 = self.money.values().filter_map(|sums| sums.get("moved")).sum();
        (sum != 0).then(|| format!("{sum} units left one booking for another and are nowhere"))
    }

    /// What is wrong with an account of points, as its owner shows it.
    pub(super) fn wrong_points(&self, account: &str, told: &AccountReply) -> Vec<String> {
        let none = Sums::new();
        let sums = self.points.get(account).unwrap_or(&none);
        let of = |book: &str| sums.get(book).copied().unwrap_or_default();
        let mut wrong = Vec::new();
        let sum: i128 = sums.values().sum();
        if sum != 0 {
            wrong.push(format!("{account}: its ledger of points is out of balance by {sum}"));
        }
        let points = &told.points;
        let shown = [
            ("available", points.available),
            ("pending", points.pending),
            ("held", points.held),
            ("debt", -points.debt),
        ];
        for (book, shown) in shown {
            if of(book) != i128::from(shown) {
                wrong
                    .push(format!("{account}: {shown} points {book}, its ledger has {}", of(book)));
            }
        }
        wrong
    }
}

/// What the customer is told to have back.
fn arrived(shown: &Shown) -> i128 {
    let refunds = shown.0["payment"]["refunds"].as_array().into_iter().flatten();
    let arrived = refunds.filter(|refund| refund["state"] == "confirmed");
    // What goes back by value is sent in other units than were paid.
    let sent = |refund: &serde_json::Value| {
        refund["sends"].as_str().or_else(|| refund["units"].as_str())?.parse::<i128>().ok()
    };
    let units = arrived.filter_map(sent);
    units.sum()
}

#[cfg(test)]
mod tests {
    use contracts::{internal::AccountReply, shown::ShownPoints};
    use serde_json::json;

    use super::*;

    const BOOKING: Uuid = Uuid::from_u128(7);

    fn money(lines: &[(&str, i128)]) -> Ledgers {
        let sums = lines.iter().map(|(account, sum)| ((*account).to_owned(), *sum)).collect();
        Ledgers { money: BTreeMap::from([(BOOKING, sums)]), ..Ledgers::default() }
    }

    fn shown(status: &str, back: &str) -> Shown {
        let refunds =
            json!([{"units": back, "state": "confirmed"}, {"units": "9", "state": "sent"}]);
        Shown(json!({"status": status, "payment": {"refunds": refunds}}))
    }

    #[test]
    fn every_difference_of_money_is_told_and_nothing_else() {
        let right = money(&[("received", -10), ("price", 7), ("paid_out", 3)]);
        let (done, under_way) = (shown("confirmed", "3"), shown("awaiting_payment", "0"));
        assert_eq!(right.wrong_money(BOOKING, &done, 10), Vec::<String>::new());
        assert_eq!(right.wrong_money(BOOKING, &done, 11).len(), 1, "more came");
        assert_eq!(right.wrong_money(BOOKING, &done, 9).len(), 1, "less came");
        assert_eq!(right.wrong_money(BOOKING, &shown("confirmed", "4"), 10).len(), 1, "told more");
        assert_eq!(right.wrong_money(BOOKING, &under_way, 99), Vec::<String>::new());
        let lines = [("received", -10), ("price", 8), ("paid_out", 3)];
        assert_eq!(money(&lines).wrong_money(BOOKING, &under_way, 10).len(), 1, "out of balance");
        let lines = [("received", -10), ("reversed", 2), ("misspent", 1), ("price", 7)];
        assert_eq!(money(&lines).wrong_money(BOOKING, &shown("confirmed", "0"), 10).len(), 2);
        // What pays another booking went back from here and came nowhere.
        let lines = [("received", -10), ("price", 7), ("moved", 3)];
        let moved = money(&lines);
        assert_eq!(moved.wrong_money(BOOKING, &done, 10), Vec::<String>::new());
        assert!(moved.wrong_moves().is_some() && right.wrong_moves().is_none());
        // Money that no ledger knows of.
        assert_eq!(Ledgers::default().wrong_money(BOOKING, &shown("failed", "0"), 5).len(), 1);
    }

    #[test]
    fn every_difference_of_points_is_told_and_nothing_else() {
        let ledgers = |lines: &[(&str, i128)]| {
            let sums = lines.iter().map(|(book, sum)| ((*book).to_owned(), *sum)).collect();
            Ledgers { points: BTreeMap::from([("ada".to_owned(), sums)]), ..Ledgers::default() }
        };
        let told = |available, pending, held, debt| {
            let as_of = chrono::DateTime::UNIX_EPOCH;
            let points = ShownPoints { as_of, available, pending, held, debt };
            AccountReply { points, entries: Vec::new() }
        };
        let right = ledgers(&[("issued", -9), ("available", 5), ("pending", 3), ("held", 1)]);
        assert_eq!(right.wrong_points("ada", &told(5, 3, 1, 0)), Vec::<String>::new());
        let wrong = [told(4, 3, 1, 0), told(5, 2, 1, 0), told(5, 3, 0, 0), told(5, 3, 1, 1)];
        for told in wrong {
            assert_eq!(right.wrong_points("ada", &told).len(), 1);
        }
        let owes = ledgers(&[("issued", 2), ("debt", -2)]);
        assert_eq!(owes.wrong_points("ada", &told(0, 0, 0, 2)), Vec::<String>::new());
        let odd = ledgers(&[("issued", -9), ("available", 5)]);
        assert_eq!(odd.wrong_points("ada", &told(5, 0, 0, 0)).len(), 1);
    }
}
