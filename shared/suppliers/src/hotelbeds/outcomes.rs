//! What Hotelbeds' replies prove. `book.rs` reads the bodies; this table says when to believe them.

use contracts::messages::RefusedWhy::{Rejected, SoldOut};

use crate::{
    answer::Operation::{self, Cancel, Confirm, Lookup, Reserve},
    outcomes::{
        Rule, Table,
        Verdict::{self, NotSent, SureNo, SureYes},
    },
};

const GATEWAY: &str = "docs/read/API_Errors: 403 is a wrong key, a wrong signature or a spent quota; \
                       the gateway turns it away";
const WORDING: &str = "docs/read/API_Errors: 400, the request is wrong in form or content";

/// A 500 on reconfirm or cancel is left out on purpose: that the product is gone is said of making
/// a booking, and what became of one that exists a look-up says.
pub(crate) static OUTCOMES: Table = Table {
    supplier: "hotelbeds",
    rules: &[
        // Preconfirm, or confirm at once.
        rule(Reserve, 200, SureYes, "booking-confirm: the booking, with its reference and status"),
        coded(Reserve, 400, "INVALID_REQUEST", SureNo(Rejected), WORDING),
        coded(Reserve, 400, "INVALID_DATA", SureNo(Rejected), WORDING),
        rule(Reserve, 403, NotSent, GATEWAY),
        coded(
            Reserve,
            410,
            "INVALID_DATA",
            SureNo(SoldOut),
            "docs/read/API_Errors: 410, the same request failed for its product within 15 minutes",
        ),
        rule(
            Reserve,
            500,
            SureNo(SoldOut),
            "apitude_booking/faq: 500 on a confirmation means the product is no longer available; \
             start again with a new availability",
        ),
        // Reconfirm.
        rule(Confirm, 200, SureYes, "preconfirm-and-reconfirm: answers as a confirmation does"),
        rule(Confirm, 403, NotSent, GATEWAY),
        // Cancel.
        rule(Cancel, 200, SureYes, "cancel: the booking with its new status"),
        rule(Cancel, 403, NotSent, GATEWAY),
        // List and details.
        rule(Lookup, 200, SureYes, "booking-list, booking-details: what exists"),
        rule(Lookup, 403, NotSent, GATEWAY),
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
