//! What a cancellation costs as the supplier says, beside what the terms say that were agreed to.
//!
//! The customer is charged what was agreed, whatever the supplier asks: more than that is ours to
//! bear, and a case for a person who takes it up with the supplier.

use chrono::{DateTime, Utc};
use contracts::{money::Money, offer::LegOrder};
use serde_json::json;
use supplier_sync_core::{Call, Doing};
use suppliers::{Dialect, HttpReply, Sent};

use crate::store::NewCase;

/// The case of a cancellation that costs more than was agreed; nothing where the supplier does not
/// say, or asks no more.
pub(super) fn higher(
    dialect: &dyn Dialect,
    call: &Call,
    earlier: &[HttpReply],
    sent: &Sent,
) -> Option<NewCase> {
    let reference = call.reference.clone()?;
    if call.doing != Doing::Cancel {
        return None;
    }
    let last = if let Sent::Reply(reply) = sent { Some(reply) } else { None };
    let replies: Vec<HttpReply> = earlier.iter().chain(last).cloned().collect();
    let theirs = dialect.cancel_fee(call.order.cost(), &replies)?;
    let ours = agreed(&call.order, call.began_at);
    let is_more = theirs.currency != ours.currency || theirs.minor > ours.minor;
    is_more.then(|| NewCase {
        supplier: call.supplier.word(),
        kind: "fee",
        subject: reference,
        leg: Some((call.leg_id, call.booking_id)),
        ours: json!({ "cancel_fee": ours }),
        theirs: json!({ "cancel_fee": theirs }),
    })
}

/// What cancelling costs at `now` by the terms of the order.
fn agreed(order: &LegOrder, now: DateTime<Utc>) -> Money {
    if !order.terms.refundable {
        return order.cost();
    }
    let begun = order.terms.cancel_steps.iter().filter(|step| step.from <= now);
    let newest = begun.max_by_key(|step| step.from);
    newest.map_or_else(|| Money::new(0, order.price.currency), |step| step.fee)
}
