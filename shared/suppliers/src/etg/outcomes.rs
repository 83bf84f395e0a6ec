//! What ETG's replies prove. `book.rs` reads the bodies; this table says when to believe them.
//!
//! Errors of the business come with status 200 and a word (page "Errors" lists the other statuses).
//! A reserve is several calls; a word means the same in each of them.

use contracts::messages::RefusedWhy::{RateExpired, Rejected, SoldOut};

use crate::{
    answer::Operation::{self, Cancel, Lookup, Reserve},
    outcomes::{
        Rule, Table,
        Verdict::{self, NotFound, NotSent, SureNo, SureYes, Taken, Unknown},
    },
};

const CREATE: &str = "docs.emergingtravel.com, B2B API, \"Create booking process\", errors";
const START: &str = "docs.emergingtravel.com, B2B API, \"Start booking process\", errors";
const CHECK: &str =
    "docs.emergingtravel.com, B2B API, \"Check booking process\", errors and results";
const FAILED: &str = "docs.emergingtravel.com, best practices 5.3 and 5.4: the final failures";
const RETRIEVE: &str = "docs.emergingtravel.com, B2B API, \"Retrieve bookings\"";
const CANCELLING: &str =
    "docs.emergingtravel.com, B2B API, \"Cancel booking\", response and errors";
const DOOR: &str = "docs.emergingtravel.com, fundamentals, \"Errors\": turned away at the door";
const INTERNAL: &str = "docs.emergingtravel.com, \"Check booking process\": timeout, unknown and 5xx \
                        are no end, ask again";

pub(crate) static OUTCOMES: Table = Table {
    supplier: "etg",
    rules: &[
        // Create, start and check.
        rule(Reserve, "ok", SureYes, CHECK),
        rule(Reserve, "processing", Unknown, CHECK),
        rule(Reserve, "timeout", Unknown, INTERNAL),
        rule(Reserve, "unknown", Unknown, INTERNAL),
        rule(Reserve, "double_booking_form", Taken, CREATE),
        rule(Reserve, "duplicate_reservation", Taken, CREATE),
        rule(Reserve, "double_booking_finish", Taken, START),
        rule(Reserve, "contract_mismatch", SureNo(Rejected), CREATE),
        rule(Reserve, "hotel_not_found", SureNo(Rejected), CREATE),
        rule(Reserve, "insufficient_b2b_balance", SureNo(Rejected), CREATE),
        rule(Reserve, "reservation_is_not_allowed", SureNo(Rejected), CREATE),
        rule(Reserve, "sandbox_restriction", SureNo(Rejected), CREATE),
        rule(Reserve, "rate_not_found", SureNo(RateExpired), CREATE),
        rule(Reserve, "book_hash_not_found", SureNo(RateExpired), START),
        rule(Reserve, "booking_form_expired", SureNo(RateExpired), START),
        rule(
            Reserve,
            "chosen_payment_type_was_not_available_on_booking_form",
            SureNo(Rejected),
            START,
        ),
        rule(Reserve, "incorrect_chosen_payment_type", SureNo(Rejected), START),
        rule(Reserve, "email", SureNo(Rejected), START),
        rule(Reserve, "incorrect_guests_number", SureNo(Rejected), START),
        rule(Reserve, "incorrect_children_data", SureNo(Rejected), START),
        rule(Reserve, "incorrect_rooms_number", SureNo(Rejected), START),
        rule(Reserve, "unauthorized_group_booking", SureNo(Rejected), START),
        rule(Reserve, "supplier_data_required", SureNo(Rejected), START),
        rule(Reserve, "soldout", SureNo(SoldOut), FAILED),
        rule(Reserve, "book_limit", SureNo(Rejected), FAILED),
        rule(Reserve, "provider", SureNo(Rejected), FAILED),
        rule(Reserve, "block", SureNo(Rejected), FAILED),
        rule(Reserve, "charge", SureNo(Rejected), FAILED),
        rule(Reserve, "3ds", SureNo(Rejected), FAILED),
        rule(Reserve, "not_allowed", SureNo(Rejected), FAILED),
        at(Reserve, 400, "invalid_params", SureNo(Rejected), DOOR),
        at(Reserve, 400, "decoding_json", SureNo(Rejected), DOOR),
        at(Reserve, 400, "not_allowed_host", NotSent, DOOR),
        at(Reserve, 401, "no_auth_header", NotSent, DOOR),
        at(Reserve, 401, "invalid_auth_header", NotSent, DOOR),
        at(Reserve, 401, "incorrect_credentials", NotSent, DOOR),
        at(Reserve, 402, "overdue_debt", NotSent, DOOR),
        at(Reserve, 403, "not_allowed", NotSent, DOOR),
        at(Reserve, 403, "endpoint_not_active", NotSent, DOOR),
        at(Reserve, 429, "endpoint_exceeded_limit", NotSent, DOOR),
        // Cancel. That an order is not found is left out on purpose: after an earlier try that was
        // never answered, that is what success looks like.
        rule(Cancel, "ok", SureYes, CANCELLING),
        rule(Cancel, "order_not_cancellable", SureNo(Rejected), CANCELLING),
        rule(Cancel, "timeout", Unknown, CANCELLING),
        at(Cancel, 401, "no_auth_header", NotSent, DOOR),
        at(Cancel, 401, "invalid_auth_header", NotSent, DOOR),
        at(Cancel, 401, "incorrect_credentials", NotSent, DOOR),
        at(Cancel, 402, "overdue_debt", NotSent, DOOR),
        at(Cancel, 403, "not_allowed", NotSent, DOOR),
        at(Cancel, 403, "endpoint_not_active", NotSent, DOOR),
        at(Cancel, 429, "endpoint_exceeded_limit", NotSent, DOOR),
        // Retrieve, and where that shows nothing, check.
        rule(Lookup, "ok", SureYes, RETRIEVE),
        rule(Lookup, "processing", Unknown, CHECK),
        rule(Lookup, "timeout", Unknown, INTERNAL),
        rule(Lookup, "unknown", Unknown, INTERNAL),
        rule(Lookup, "order_not_found", NotFound, CHECK),
        rule(Lookup, "booking_finish_did_not_succeed", NotFound, CHECK),
        rule(Lookup, "soldout", NotFound, FAILED),
        rule(Lookup, "book_limit", NotFound, FAILED),
        rule(Lookup, "provider", NotFound, FAILED),
        rule(Lookup, "block", NotFound, FAILED),
        rule(Lookup, "charge", NotFound, FAILED),
        rule(Lookup, "3ds", NotFound, FAILED),
        at(Lookup, 401, "no_auth_header", NotSent, DOOR),
        at(Lookup, 401, "invalid_auth_header", NotSent, DOOR),
        at(Lookup, 401, "incorrect_credentials", NotSent, DOOR),
        at(Lookup, 402, "overdue_debt", NotSent, DOOR),
        at(Lookup, 403, "not_allowed", NotSent, DOOR),
        at(Lookup, 403, "endpoint_not_active", NotSent, DOOR),
        at(Lookup, 429, "endpoint_exceeded_limit", NotSent, DOOR),
    ],
};

/// A word of the business.
const fn rule(
    operation: Operation,
    code: &'static str,
    verdict: Verdict,
    source: &'static str,
) -> Rule {
    at(operation, 200, code, verdict, source)
}

const fn at(
    operation: Operation,
    status: u16,
    code: &'static str,
    verdict: Verdict,
    source: &'static str,
) -> Rule {
    Rule { operation, status, code: Some(code), verdict, source }
}
