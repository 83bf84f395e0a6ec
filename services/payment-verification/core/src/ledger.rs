//! Double entry in units of one asset: what each event moves between which accounts.
//!
//! Every transaction moves as much out as in. The customer's account is empty once the payment is
//! settled or closed; whatever stays lies in an account whose name is the reason.

use std::collections::BTreeMap;

use contracts::{asset::Units, messages::Closing};
use serde::{Deserialize, Serialize};

use crate::event::{Event, Grant};

/// An account of one payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Account {
    /// What lies at our address.
    Received,
    /// What the customer gave and nobody has a claim on yet.
    Customer,
    /// What pays the booking.
    Price,
    /// What was missing within the tolerance, borne by us.
    Dust,
    /// What was paid too much.
    Excess,
    /// What is due back because the payment was closed.
    RefundDue,
    /// What was granted to go back.
    RefundGranted,
    /// What was final and left the chain.
    Reversed,
    /// What pays another booking instead: it went into that payment, or came out of one.
    Moved,
    /// What the treasury sent.
    PaidOut,
    /// What the treasury sent and nobody had granted.
    Misspent,
    /// What was granted, did not come, and a person answers for: it was given otherwise, or is owed
    /// no more.
    SettledOtherwise,
    /// What was sent more or less than was granted, of refunds that went back by value.
    ExchangeDifference,
    /// What was final, left the chain and is lost to us.
    WrittenOff,
}

impl Account {
    /// The account's name in the ledger.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Received => "received",
            Self::Customer => "customer",
            Self::Price => "price",
            Self::Dust => "dust",
            Self::Excess => "excess",
            Self::RefundDue => "refund_due",
            Self::RefundGranted => "refund_granted",
            Self::Reversed => "reversed",
            Self::Moved => "moved",
            Self::PaidOut => "paid_out",
            Self::Misspent => "misspent",
            Self::SettledOtherwise => "settled_otherwise",
            Self::ExchangeDifference => "exchange_difference",
            Self::WrittenOff => "written_off",
        }
    }
}

/// Money that is lost, by whose it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Loss {
    /// The customer had paid so much of it too much.
    pub of_excess: Units,
    /// So much of it was due back.
    pub of_due: Units,
    /// The rest is ours to bear.
    pub ours: Units,
}

/// One line of a transaction: `units` out of one account and into another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Posting {
    /// Which account is debited.
    pub debit: Account,
    /// Which account is credited.
    pub credit: Account,
    /// How much.
    pub units: Units,
}

/// Both sides of one account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sides {
    /// All that was debited.
    pub debit: Units,
    /// All that was credited.
    pub credit: Units,
}

/// The accounts of one payment.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Book(pub BTreeMap<Account, Sides>);

impl Book {
    /// What was credited more than debited; nothing when it is the other way round.
    #[must_use]
    pub fn credit_of(&self, account: Account) -> Units {
        let sides = self.0.get(&account).copied().unwrap_or_default();
        sides.credit.saturating_sub(sides.debit)
    }

    /// Writes one posting on both its accounts.
    pub(crate) fn post(&mut self, posting: Posting) {
        let debited = self.0.entry(posting.debit).or_default();
        debited.debit = Units(debited.debit.0.saturating_add(posting.units.0));
        let credited = self.0.entry(posting.credit).or_default();
        credited.credit = Units(credited.credit.0.saturating_add(posting.units.0));
    }
}

/// The transaction an event makes; empty when it moves nothing.
///
/// A posting names both its accounts, so a transaction cannot be out of balance.
#[must_use]
pub fn postings(event: &Event) -> Vec<Posting> {
    use Account::{
        Customer, Dust, Excess, Moved, Price, Received, RefundDue, Reversed, WrittenOff,
    };
    let lines = match event {
        Event::MovedIn { moved, .. } => vec![(Moved, Customer, moved.units)],
        Event::Finalised { units, .. } => vec![(Received, Customer, *units)],
        Event::Settled { price, dust, excess, .. } => {
            let paid = price.saturating_sub(*dust);
            vec![(Customer, Price, paid), (Dust, Price, *dust), (Customer, Excess, *excess)]
        }
        Event::Exceeded { units } => vec![(Customer, Excess, *units)],
        Event::Closed { closing: Closing::Closed { .. } | Closing::AlreadySettled { .. }, due } => {
            vec![(Customer, RefundDue, *due)]
        }
        Event::CameLate { units, .. } => vec![(Customer, RefundDue, *units)],
        Event::Withdrawn { units, .. } => vec![(Customer, Received, *units)],
        Event::Reversed { units, .. } => vec![(Reversed, Received, *units)],
        Event::Restored { units, .. } => vec![(Received, Reversed, *units)],
        Event::WrittenOff { loss, .. } => vec![
            (Excess, Reversed, loss.of_excess),
            (RefundDue, Reversed, loss.of_due),
            (WrittenOff, Reversed, loss.ours),
        ],
        Event::Recovered { ours, due } => {
            vec![(Reversed, WrittenOff, *ours), (Reversed, RefundDue, *due)]
        }
        Event::RefundGranted(grant) => granted(grant),
        Event::Refund { change, .. } => change.moves(),
        Event::Prepared(_)
        | Event::CardAsked(_)
        | Event::Refused { .. }
        | Event::TransferSeen(_)
        | Event::BlockLeft { .. }
        | Event::CloseAsked(_)
        | Event::GraceBegun { .. }
        | Event::SeenChanged { .. } => vec![],
    };
    let moved = lines.into_iter().filter(|(_, _, units)| !units.is_zero());
    moved.map(|(debit, credit, units)| Posting { debit, credit, units }).collect()
}

/// A refund goes through the customer's account, so that its history reads: came, was the price,
/// went back.
fn granted(grant: &Grant) -> Vec<(Account, Account, Units)> {
    use Account::{Customer, Excess, Price, RefundDue, RefundGranted};
    vec![
        (RefundDue, Customer, grant.of_due),
        (Excess, Customer, grant.of_excess),
        (Price, Customer, grant.of_price),
        (Customer, RefundGranted, grant.units),
    ]
}
