//! Everything that can happen to a leg.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use contracts::{
    ids::CallbackId,
    messages::{CallbackClaim, LegAsks},
};
use suppliers::Answer;

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fact {
    /// An exchange with the supplier ended with this.
    Answered { exchange: u32, answer: Answer },
    /// An exchange ended with this, which shows names.
    Named {
        exchange: u32,
        answer: Answer,
        /// While others are wanted on the leg, of each reservation whose names could be compared:
        /// whether it is in those wanted.
        names: BTreeMap<String, bool>,
        /// Of each whose names could be compared: whether it is in those of nobody who travels.
        strangers: BTreeMap<String, bool>,
    },
    /// A reserve was refused because the price is another one by now.
    Repriced { exchange: u32, asks: LegAsks },
    /// An exchange could not be made because the dialect has to look the reservation up first.
    NoHandle { exchange: u32 },
    /// An exchange was not made: the supplier is not to be asked before so much time has passed.
    PutOff { exchange: u32, wait: TimeDelta },
    /// A reserve was not made, and is not to be: the supplier is left alone.
    TurnedAway { exchange: u32 },
    /// The supplier pushed something about the leg: a reason to look, and nothing else.
    Hinted {
        /// The stored callback.
        callback_id: Option<CallbackId>,
        client_reference: Option<String>,
        reference: Option<String>,
        /// What it says of the reservation that it names. It can make a look-up less urgent, where
        /// the supplier's own answers say the same; it changes nothing else.
        claim: Option<CallbackClaim>,
    },
    /// Somebody wants to know how things stand at the supplier.
    LookAsked {
        /// Who asks.
        by: String,
        /// Of which attempt; nothing for each of which anything may have been sent. One that is
        /// named is looked up whatever is believed of it.
        attempt: Option<u32>,
    },
    /// Time has passed: leases may have run out, look-ups may be due.
    Due,
}
