//! Every event as double entries that sum to zero.

use crate::{
    event::{Event, Parts},
    state::LotId,
};

/// A book of an account's ledger. The sum of all of them is always zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Book {
    /// The platform's: minus what it gave out and has not taken back.
    Issued,
    /// The customer's: earned, not to be redeemed yet.
    Pending,
    /// The customer's: can be redeemed.
    Available,
    /// The customer's: set aside.
    Held,
    /// The customer's: minus what is owed.
    Debt,
    /// The platform's: redeemed.
    Spent,
    /// The platform's: came to nothing.
    Expired,
}

impl Book {
    /// Every book.
    pub const ALL: [Self; 7] = [
        Self::Issued,
        Self::Pending,
        Self::Available,
        Self::Held,
        Self::Debt,
        Self::Spent,
        Self::Expired,
    ];

    /// The book's name.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Issued => "issued",
            Self::Pending => "pending",
            Self::Available => "available",
            Self::Held => "held",
            Self::Debt => "debt",
            Self::Spent => "spent",
            Self::Expired => "expired",
        }
    }
}

/// One line of the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Posting {
    /// In which book.
    pub book: Book,
    /// Of which lot.
    pub lot: LotId,
    /// How many points came, or went when negative; never zero.
    pub points: i64,
}

/// The lines of an event; none for one that moves no points.
#[must_use]
pub fn postings(event: &Event) -> Vec<Posting> {
    let mut lines = Vec::new();
    match event {
        Event::Earned { booking_id, rule, points, .. } => {
            let lot = LotId::Earned(*rule, *booking_id);
            moved(&mut lines, lot, *points, Book::Issued, Book::Pending);
        }
        Event::Granted { grant_id, points, .. } => {
            let lot = LotId::Granted(*grant_id);
            moved(&mut lines, lot, *points, Book::Issued, Book::Available);
        }
        Event::Matured { lot, points } => {
            moved(&mut lines, *lot, *points, Book::Pending, Book::Available);
        }
        Event::Voided { lot, points } => {
            moved(&mut lines, *lot, *points, Book::Pending, Book::Issued);
        }
        Event::Reversed { lot, taken, owed } => {
            moved(&mut lines, *lot, *taken, Book::Available, Book::Issued);
            moved(&mut lines, *lot, *owed, Book::Debt, Book::Issued);
        }
        Event::Reduced { lot, voided, taken, expired, owed } => {
            moved(&mut lines, *lot, *voided, Book::Pending, Book::Issued);
            moved(&mut lines, *lot, *taken, Book::Available, Book::Issued);
            moved(&mut lines, *lot, *expired, Book::Expired, Book::Issued);
            moved(&mut lines, *lot, *owed, Book::Debt, Book::Issued);
        }
        Event::Expired { lot, points } => {
            moved(&mut lines, *lot, *points, Book::Available, Book::Expired);
        }
        Event::Held { parts, .. } => all_moved(&mut lines, parts, Book::Available, Book::Held),
        Event::Captured { parts, .. } => all_moved(&mut lines, parts, Book::Held, Book::Spent),
        Event::Spent { parts, .. } => all_moved(&mut lines, parts, Book::Available, Book::Spent),
        Event::Released { parts, .. } => all_moved(&mut lines, parts, Book::Held, Book::Available),
        Event::Returned { parts, .. } => all_moved(&mut lines, parts, Book::Spent, Book::Available),
        Event::DebtPaid { parts } => all_moved(&mut lines, parts, Book::Available, Book::Debt),
        Event::EarnBarred { .. }
        | Event::EarnLimited { .. }
        | Event::EarnPostponed { .. }
        | Event::Postponed { .. }
        | Event::Frozen { .. }
        | Event::Thawed { .. }
        | Event::Refused { .. }
        | Event::WishNoted { .. } => {}
    }
    lines
}

fn all_moved(lines: &mut Vec<Posting>, parts: &Parts, from: Book, to: Book) {
    for (lot, points) in parts {
        moved(lines, *lot, *points, from, to);
    }
}

fn moved(lines: &mut Vec<Posting>, lot: LotId, points: u64, from: Book, to: Book) {
    let points = i64::try_from(points).unwrap_or(i64::MAX);
    if points != 0 {
        lines.push(Posting { book: from, lot, points: -points });
        lines.push(Posting { book: to, lot, points });
    }
}
