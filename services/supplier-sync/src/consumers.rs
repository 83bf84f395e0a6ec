//! Everything supplier-sync hears.

use contracts::messages::{CallbackReceived, LegGuestsWanted, LegWanted};
use messaging::Consumers;
use supplier_sync_core as core;

/// What a message becomes.
#[derive(Debug, Clone)]
pub(crate) enum Inbound {
    Leg(core::Inbound),
    Callback(CallbackReceived),
}

/// The subscription list.
pub(crate) fn consumers() -> Consumers<Inbound> {
    Consumers::new(crate::ROLE)
        .on(|message: LegWanted| Inbound::Leg(message.into()))
        .on(|message: LegGuestsWanted| Inbound::Leg(message.into()))
        .on(Inbound::Callback)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_list_is_what_speakers_are_told_that_the_role_hears() {
        assert_eq!(super::consumers().check(), Ok(()));
    }
}
