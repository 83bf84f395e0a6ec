//! Everything payment-verification hears.

use contracts::messages::{PaymentClose, PaymentPrepare, PaymentRefund};
use messaging::Consumers;
use payment_verification_core::translate::Asked;

use crate::ROLE;

/// The subscription list.
pub(crate) fn consumers() -> Consumers<Asked> {
    Consumers::new(ROLE)
        .on(|message: PaymentPrepare| Asked::from(message))
        .on(|message: PaymentClose| Asked::from(message))
        .on(|message: PaymentRefund| Asked::from(message))
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_list_is_what_speakers_are_told_that_the_role_hears() {
        assert_eq!(super::consumers().check(), Ok(()));
    }
}
