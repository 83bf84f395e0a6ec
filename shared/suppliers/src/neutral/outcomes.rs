//! What a partner's replies prove. `book.rs` reads the bodies; this table says when to believe
//! them.

use contracts::messages::RefusedWhy::{RateExpired, Rejected, SoldOut};

use crate::{
    answer::Operation::{self, Cancel, Confirm, Lookup, Reserve},
    outcomes::{
        Rule, Table,
        Verdict::{self, NotSent, PriceChanged, SureNo, SureYes, Taken},
    },
};

const DOOR: &str = "partner-api.yaml, info: 401, 403, 429 and 503 `not_processed` are said before anything is done";
const MADE: &str = "partner-api.yaml, POST /v1/reservations";
const CONFIRMED: &str = "partner-api.yaml, POST /v1/reservations/{reference}/confirm";
const CANCELLED: &str = "partner-api.yaml, DELETE /v1/reservations/{reference}";
const LISTED: &str = "partner-api.yaml, GET /v1/reservations";

/// Every other 5xx is left out on purpose: it may have been said after the deed.
pub(crate) static OUTCOMES: Table = Table {
    supplier: "neutral",
    rules: &[
        rule(Reserve, 200, SureYes, MADE),
        rule(Reserve, 201, SureYes, MADE),
        coded(Reserve, 400, "malformed", SureNo(Rejected), MADE),
        coded(Reserve, 409, "price_changed", PriceChanged, MADE),
        coded(Reserve, 409, "reference_taken", Taken, MADE),
        coded(Reserve, 409, "sold_out", SureNo(SoldOut), MADE),
        coded(Reserve, 410, "offer_expired", SureNo(RateExpired), MADE),
        coded(Reserve, 422, "invalid", SureNo(Rejected), MADE),
        rule(Reserve, 401, NotSent, DOOR),
        rule(Reserve, 403, NotSent, DOOR),
        rule(Reserve, 429, NotSent, DOOR),
        coded(Reserve, 503, "not_processed", NotSent, DOOR),
        rule(Confirm, 200, SureYes, CONFIRMED),
        coded(Confirm, 409, "hold_over", SureNo(Rejected), CONFIRMED),
        rule(Confirm, 401, NotSent, DOOR),
        rule(Confirm, 403, NotSent, DOOR),
        rule(Confirm, 429, NotSent, DOOR),
        coded(Confirm, 503, "not_processed", NotSent, DOOR),
        rule(Cancel, 200, SureYes, CANCELLED),
        coded(Cancel, 409, "not_cancellable", SureNo(Rejected), CANCELLED),
        rule(Cancel, 401, NotSent, DOOR),
        rule(Cancel, 403, NotSent, DOOR),
        rule(Cancel, 429, NotSent, DOOR),
        coded(Cancel, 503, "not_processed", NotSent, DOOR),
        rule(Lookup, 200, SureYes, LISTED),
        rule(Lookup, 401, NotSent, DOOR),
        rule(Lookup, 403, NotSent, DOOR),
        rule(Lookup, 429, NotSent, DOOR),
        coded(Lookup, 503, "not_processed", NotSent, DOOR),
    ],
};

const fn rule(operation: Operation, status: u16, verdict: Verdict, source: &'static str) -> Rule {
    Rule { operation, status, code: None, verdict, source }
}

const fn coded(
    operation: Operation,
    status: u16,
    code: &'static str,
    verdict: Verdict,
    source: &'static str,
) -> Rule {
    Rule { operation, status, code: Some(code), verdict, source }
}
