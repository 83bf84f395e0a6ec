//! Contract messages to inputs, effects to messages.

use chrono::{DateTime, Utc};
use contracts::{
    ids::{AccountId, MessageId, derive},
    messages::{
        BookingCancelled, BookingCompleted, BookingConfirmed, BookingFailed, BookingLegCancelled,
        BookingLegReplaced, BookingMoneyReversed, BookingMoved, PointsWanted,
    },
};

use crate::{command::Command, fact::Fact};

/// A command or a fact, and the account it is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inbound {
    /// Which account.
    pub account_id: AccountId,
    /// What it is to decide on or to learn.
    pub input: Input,
}

/// What an account is to decide on or to learn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// It may be refused.
    Command(Command),
    /// It may not.
    Fact(Fact),
}

impl Inbound {
    /// A command for an account.
    #[must_use]
    pub const fn command(account_id: AccountId, command: Command) -> Self {
        Self { account_id, input: Input::Command(command) }
    }

    /// A fact for an account.
    #[must_use]
    pub const fn fact(account_id: AccountId, fact: Fact) -> Self {
        Self { account_id, input: Input::Fact(fact) }
    }
}

impl From<PointsWanted> for Inbound {
    fn from(message: PointsWanted) -> Self {
        let PointsWanted { booking_id, account_id, version, wanted, points } = message;
        Self::command(account_id, Command::Want { booking_id, version, wanted, points })
    }
}

impl From<BookingConfirmed> for Inbound {
    fn from(message: BookingConfirmed) -> Self {
        let BookingConfirmed { booking_id, account_id, paid, over_at, .. } = message;
        Self::fact(account_id, Fact::Confirmed { booking_id, paid, over_at })
    }
}

impl From<BookingCancelled> for Inbound {
    fn from(message: BookingCancelled) -> Self {
        Self::fact(message.account_id, Fact::Cancelled { booking_id: message.booking_id })
    }
}

impl From<BookingLegCancelled> for Inbound {
    fn from(message: BookingLegCancelled) -> Self {
        let BookingLegCancelled { booking_id, account_id, paid, .. } = message;
        Self::fact(account_id, Fact::LegCancelled { booking_id, paid })
    }
}

impl From<BookingLegReplaced> for Inbound {
    fn from(message: BookingLegReplaced) -> Self {
        let BookingLegReplaced { booking_id, account_id, paid, over_at, .. } = message;
        Self::fact(account_id, Fact::LegReplaced { booking_id, paid, over_at })
    }
}

impl From<BookingMoved> for Inbound {
    fn from(message: BookingMoved) -> Self {
        let BookingMoved { booking_id, account_id, over_at, .. } = message;
        Self::fact(account_id, Fact::Moved { booking_id, over_at })
    }
}

impl From<BookingFailed> for Inbound {
    fn from(message: BookingFailed) -> Self {
        Self::fact(message.account_id, Fact::Failed { booking_id: message.booking_id })
    }
}

impl From<BookingMoneyReversed> for Inbound {
    fn from(message: BookingMoneyReversed) -> Self {
        let BookingMoneyReversed { booking_id, account_id, version, away, .. } = message;
        Self::fact(account_id, Fact::MoneyReversed { booking_id, version, away })
    }
}

impl From<BookingCompleted> for Inbound {
    fn from(message: BookingCompleted) -> Self {
        let BookingCompleted { booking_id, account_id, taken, .. } = message;
        Self::fact(account_id, Fact::Completed { booking_id, taken })
    }
}

/// The id of the message that the event of that version caused; an event causes at most one.
#[must_use]
pub fn message_id(at: DateTime<Utc>, account_id: &AccountId, version: u64) -> MessageId {
    let parts: [&[u8]; 3] =
        [b"points.changed", account_id.as_str().as_bytes(), &version.to_be_bytes()];
    MessageId(derive(at, &parts))
}
