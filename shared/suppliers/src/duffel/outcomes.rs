//! What Duffel's replies prove. `order.rs` reads the bodies; this table says when to believe them.
//!
//! Sources are pages of duffel.com/docs, version `v2` of the API.

use contracts::messages::RefusedWhy::{RateExpired, Rejected, SoldOut};

use crate::{
    answer::Operation::{self, Cancel, Confirm, Lookup, Reserve},
    outcomes::{
        Rule, Table,
        Verdict::{self, NotFound, NotSent, PriceChanged, SureNo, SureYes, Taken, Unknown},
    },
};

const ERRORS: &str = "api/overview/errors: the request was not let in";
const LIMITS: &str = "api/overview/rate-limits: not served; try again after `ratelimit-reset`";
const DO_NOT_RETRY: &str = "api/overview/errors: something went wrong, do not send it again";
const ACCEPTED: &str =
    "api/overview/errors: 202 is not completed; wait for the event, or list the orders";

/// 502, 503 and 504 are left out on purpose: the general advice to send again later does not say
/// that nothing was done. So are cancellations that are refused: of an order that is gone already,
/// and look-ups tell those apart.
pub(crate) static OUTCOMES: Table = Table {
    supplier: "duffel",
    rules: &[
        // Order.
        status(Reserve, 201, SureYes, "api/orders/create-order: the order"),
        status(Reserve, 202, Unknown, ACCEPTED),
        status(Reserve, 401, NotSent, ERRORS),
        status(Reserve, 429, NotSent, LIMITS),
        status(Reserve, 500, Unknown, DO_NOT_RETRY),
        rule(
            Reserve,
            "offer_no_longer_available",
            SureNo(SoldOut),
            "changelog: order creation errors; search again",
        ),
        rule(
            Reserve,
            "offer_expired",
            SureNo(RateExpired),
            "api/offers: an offer can be ordered until `expires_at`",
        ),
        rule(
            Reserve,
            "price_changed",
            PriceChanged,
            "changelog: the airline has another price; get the offer again",
        ),
        rule(
            Reserve,
            "offer_request_already_booked",
            Taken,
            "an order was made from this offer request, perhaps by us: there is one for each",
        ),
        rule(
            Reserve,
            "duplicate_booking",
            Taken,
            "assumed: the airline has these passengers on this flight already",
        ),
        rule(
            Reserve,
            "insufficient_balance",
            SureNo(Rejected),
            "api/orders/create-order: the balance does not cover it",
        ),
        rule(
            Reserve,
            "validation_required",
            SureNo(Rejected),
            "api/overview/errors: 422, a field is missing",
        ),
        rule(
            Reserve,
            "validation_format",
            SureNo(Rejected),
            "api/overview/errors: 422, a field is odd",
        ),
        rule(
            Reserve,
            "validation_length",
            SureNo(Rejected),
            "api/overview/errors: 422, too many or too few of something",
        ),
        rule(
            Reserve,
            "validation_inclusion",
            SureNo(Rejected),
            "api/overview/errors: 422, a value is none of those that are taken",
        ),
        rule(
            Reserve,
            "validation_age",
            SureNo(Rejected),
            "api/overview/errors: 422, a passenger is not of the age that was searched for",
        ),
        rule(
            Reserve,
            "validation_infant_passenger",
            SureNo(Rejected),
            "api/overview/errors: 422, an infant is on the lap of nobody",
        ),
        // Payment.
        status(Confirm, 201, SureYes, "api/payments/create-payment: the payment"),
        status(Confirm, 202, Unknown, ACCEPTED),
        status(Confirm, 401, NotSent, ERRORS),
        status(Confirm, 429, NotSent, LIMITS),
        status(
            Confirm,
            500,
            Unknown,
            "api/payments/create-payment: it may have been made at the airline",
        ),
        rule(Confirm, "already_paid", Taken, "api/payments/create-payment: the order is paid for"),
        rule(
            Confirm,
            "past_payment_required_by_date",
            SureNo(RateExpired),
            "api/payments/create-payment: the space is released",
        ),
        rule(
            Confirm,
            "price_changed",
            PriceChanged,
            "api/payments/create-payment: the order has another price",
        ),
        rule(
            Confirm,
            "schedule_changed",
            SureNo(Rejected),
            "api/payments/create-payment: the airline changed the flights",
        ),
        rule(
            Confirm,
            "already_cancelled",
            SureNo(Rejected),
            "api/payments/create-payment: the order was cancelled",
        ),
        rule(
            Confirm,
            "insufficient_balance",
            SureNo(Rejected),
            "api/payments/create-payment: the balance does not cover it",
        ),
        // Cancellation: made, then confirmed.
        status(Cancel, 200, SureYes, "api/order-cancellations/confirm: the confirmed cancellation"),
        status(
            Cancel,
            201,
            SureYes,
            "api/order-cancellations/create: made; believed only when it is confirmed",
        ),
        status(Cancel, 202, Unknown, ACCEPTED),
        status(Cancel, 401, NotSent, ERRORS),
        status(Cancel, 429, NotSent, LIMITS),
        // What exists.
        status(Lookup, 200, SureYes, "api/orders/get-orders and get-order-by-id"),
        status(Lookup, 401, NotSent, ERRORS),
        status(
            Lookup,
            404,
            NotFound,
            "api/overview/errors: the resource does not exist; believed of one order by its id",
        ),
        status(Lookup, 429, NotSent, LIMITS),
    ],
};

const fn status(operation: Operation, status: u16, verdict: Verdict, source: &'static str) -> Rule {
    Rule { operation, status, code: None, verdict, source }
}

/// Every error of business comes with 422.
const fn rule(
    operation: Operation,
    code: &'static str,
    verdict: Verdict,
    source: &'static str,
) -> Rule {
    Rule { operation, status: 422, code: Some(code), verdict, source }
}
