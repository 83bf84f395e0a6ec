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
    fn no_type_is_heard_twice_and_the_parker_knows_the_role() {
        assert!(super::consumers().twice().is_empty());
        assert!(contracts::routing::CONSUMERS.contains(&crate::ROLE));
    }
}
