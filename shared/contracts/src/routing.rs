//! Exchange, queue and dead-letter names: made here, typed nowhere.

use crate::{
    message::{Kind, Message},
    messages::{
        BookingCancelled, BookingCompleted, BookingConfirmed, BookingFailed, BookingLegCancelled,
        BookingLegReplaced, BookingMoneyReversed, BookingMoved, CallbackReceived, LegChanged,
        LegGuestsSettled, LegGuestsWanted, LegWanted, PaymentClose, PaymentClosed, PaymentPrepare,
        PaymentPrepared, PaymentRefund, PaymentRefundChanged, PaymentReversed, PaymentSeen,
        PaymentSettled, PointsChanged, PointsWanted,
    },
};

/// The names of a whole broker layout under one prefix (empty in production, one per test).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Routing {
    prefix: String,
}

impl Routing {
    /// Names that start with `prefix`.
    #[must_use]
    pub fn with_prefix(prefix: &str) -> Self {
        Self { prefix: prefix.to_owned() }
    }

    /// The direct exchange of commands; what it cannot route goes to `unroutable`.
    #[must_use]
    pub fn commands(&self) -> String {
        format!("{}holdfast.commands", self.prefix)
    }

    /// The topic exchange of events.
    #[must_use]
    pub fn events(&self) -> String {
        format!("{}holdfast.events", self.prefix)
    }

    /// The exchange a message of this kind goes to.
    #[must_use]
    pub fn exchange(&self, kind: Kind) -> String {
        match kind {
            Kind::Command => self.commands(),
            Kind::Event => self.events(),
        }
    }

    /// The fanout exchange behind the commands exchange.
    #[must_use]
    pub fn unroutable_exchange(&self) -> String {
        format!("{}holdfast.unroutable", self.prefix)
    }

    /// Where commands without a listener wait to be parked.
    #[must_use]
    pub fn unroutable_queue(&self) -> String {
        format!("{}unroutable", self.prefix)
    }

    /// The exchange that the broker itself dead-letters to.
    #[must_use]
    pub fn dead_exchange(&self) -> String {
        format!("{}holdfast.dead", self.prefix)
    }

    /// The queue of a consumer role.
    #[must_use]
    pub fn queue(&self, consumer: &str) -> String {
        format!("{}{consumer}", self.prefix)
    }

    /// The dead-letter queue of a consumer role.
    #[must_use]
    pub fn dead_queue(&self, consumer: &str) -> String {
        format!("{}{consumer}.dead", self.prefix)
    }
}

/// A message type that a role hears, and the way it goes.
pub type Heard = (Kind, &'static str);

/// Every consumer role there is; the parker listens to the dead-letter queue of each.
pub const CONSUMERS: [&str; 4] = ["booking", "supplier-sync", "payment-verification", "rewards"];

/// What each role hears.
///
/// It stands here and not with the roles alone, because whoever says an event sees to it that its
/// hearers have their queues: an event that is said before its hearer ever ran would be gone.
pub const HEARD: [(&str, &[Heard]); 4] = [
    (
        "booking",
        &[
            heard::<LegChanged>(),
            heard::<LegGuestsSettled>(),
            heard::<PaymentPrepared>(),
            heard::<PaymentSeen>(),
            heard::<PaymentSettled>(),
            heard::<PaymentReversed>(),
            heard::<PaymentClosed>(),
            heard::<PaymentRefundChanged>(),
            heard::<PointsChanged>(),
        ],
    ),
    (
        "supplier-sync",
        &[heard::<LegWanted>(), heard::<LegGuestsWanted>(), heard::<CallbackReceived>()],
    ),
    (
        "payment-verification",
        &[heard::<PaymentPrepare>(), heard::<PaymentClose>(), heard::<PaymentRefund>()],
    ),
    (
        "rewards",
        &[
            heard::<PointsWanted>(),
            heard::<BookingConfirmed>(),
            heard::<BookingFailed>(),
            heard::<BookingCancelled>(),
            heard::<BookingLegCancelled>(),
            heard::<BookingLegReplaced>(),
            heard::<BookingMoneyReversed>(),
            heard::<BookingMoved>(),
            heard::<BookingCompleted>(),
        ],
    ),
];

const fn heard<M: Message>() -> Heard {
    (M::KIND, M::TYPE)
}

/// What a role hears; nothing for a role that is not in the list.
#[must_use]
pub fn heard_by(role: &str) -> Option<&'static [Heard]> {
    HEARD.iter().find_map(|(name, heard)| (*name == role).then_some(*heard))
}

/// The roles that hear a type.
pub fn hearers(r#type: &str) -> impl Iterator<Item = (&'static str, &'static [Heard])> {
    HEARD.into_iter().filter(move |(_role, heard)| heard.iter().any(|(_, name)| *name == r#type))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_role_hears_something_and_no_type_twice() {
        assert_eq!(HEARD.map(|(role, _)| role), CONSUMERS);
        for (role, heard) in HEARD {
            let mut names: Vec<_> = heard.iter().map(|(_, name)| name).collect();
            names.sort_unstable();
            names.dedup();
            assert!(!heard.is_empty(), "{role}");
            assert_eq!(names.len(), heard.len(), "{role}");
        }
    }

    /// The parker knows a letter that no queue took by its message and its attempt: of two roles
    /// that hear one type, one's letter would pass for the other's.
    #[test]
    fn every_type_is_heard_by_one_role() {
        for (kind, name) in HEARD.into_iter().flat_map(|(_, heard)| heard) {
            assert_eq!(hearers(name).count(), 1, "{name}, {kind:?}");
        }
    }

    #[test]
    fn a_type_is_heard_by_whoever_lists_it() {
        let roles: Vec<_> = hearers(LegChanged::TYPE).map(|(role, _)| role).collect();
        assert_eq!(roles, ["booking"]);
        assert_eq!(hearers("holdfast.nobody.hears.v1").count(), 0);
    }
}
