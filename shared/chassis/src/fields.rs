//! The names of log and span fields: the same thing has the same name everywhere.
//!
//! `tracing` takes a constant as a field name in braces:
//! `tracing::info!({ fields::BOOKING_ID } = %booking_id, "the booking is confirmed")`.
//! The literal (`booking.id = %booking_id`) is the same field.

/// The booking a line is about.
pub const BOOKING_ID: &str = "booking.id";
/// One reservation of a booking that can be cancelled alone.
pub const LEG_ID: &str = "leg.id";
/// One try to reserve a leg at a supplier.
pub const ATTEMPT_ID: &str = "attempt.id";
/// The payment request of a booking.
pub const PAYMENT_ID: &str = "payment.id";
/// A price lock.
pub const QUOTE_ID: &str = "quote.id";
/// A dead letter kept by the support console.
pub const PARKED_ID: &str = "parked.id";
/// A supplier's short name.
pub const SUPPLIER: &str = "supplier";
/// What was asked of a supplier or a node: search, reserve, confirm, cancel, look-up.
pub const OPERATION: &str = "operation";
/// How it went, as a class: sure-yes, sure-no, price-changed, not-sent, unknown.
pub const OUTCOME: &str = "outcome";
/// A chain's name.
pub const CHAIN: &str = "chain";
/// An asset one can pay with.
pub const ASSET: &str = "asset";
/// The id of a message, the same over all its attempts.
pub const MESSAGE_ID: &str = "message.id";
/// The type of a message on the wire.
pub const MESSAGE_TYPE: &str = "message.type";
/// Which delivery of a message or which retry of a call this is, from 0.
pub const ATTEMPT: &str = "attempt";
/// The queue a message came from.
pub const QUEUE: &str = "queue";
/// The consumer that handles a message.
pub const CONSUMER: &str = "consumer";
/// A periodic job's name.
pub const JOB: &str = "job";
/// A long-lived task's name.
pub const TASK: &str = "task";
/// An error with all its causes; print it by [`crate::chain()`].
pub const ERROR: &str = "error";
/// Who acted: a staff member's or an account's id, never a name.
pub const ACTOR: &str = "actor";
/// How many things a step did.
pub const COUNT: &str = "count";
/// How long something took, in milliseconds.
pub const TOOK_MS: &str = "took_ms";
