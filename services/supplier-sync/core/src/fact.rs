//! Everything that can happen to a leg.

use suppliers::Answer;

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fact {
    /// An exchange with the supplier ended with this.
    Answered { exchange: u32, answer: Answer },
    /// An exchange could not be made because the dialect has to look the reservation up first.
    NoHandle { exchange: u32 },
    /// The supplier pushed something about the leg: a reason to look, and nothing else.
    Hinted { client_reference: Option<String>, reference: Option<String> },
    /// Time has passed: leases may have run out, look-ups may be due.
    Due,
}
