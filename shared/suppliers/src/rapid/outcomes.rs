//! What Rapid's replies prove. `book.rs` reads the bodies; this table says when to believe them.
//!
//! `spec` is `code/transformedSpecs.yaml` of `github.com/ExpediaGroup/rapid-java-sdk` at commit
//! `7fcc20a670`, with the line. The other sources are pages of `developers.expediagroup.com`,
//! Rapid.

use contracts::messages::RefusedWhy::{RateExpired, Rejected, SoldOut};

use crate::{
    answer::Operation::{self, Amend, Cancel, Confirm, Lookup, Reserve},
    outcomes::{
        Rule, Table,
        Verdict::{self, NotFound, NotSent, PriceChanged, SureNo, SureYes, Taken, Unknown},
    },
};

const HANDLING: &str = "handling booking requests: 500, 502, 503, 504 and bodies that are not as \
                        documented are no failed booking: retrieve it";

/// A confirm or a cancel answered with `link.invalid` or 404 is left out on purpose: after an
/// earlier try that was never answered, a spent link is what success looks like.
pub(crate) static OUTCOMES: Table = Table {
    supplier: "rapid",
    rules: &[
        // Book.
        status(Reserve, 201, SureYes, "spec 10761: created, with the itinerary"),
        status(
            Reserve,
            202,
            Unknown,
            "none published for book; elsewhere \"state unknown\", spec 13240",
        ),
        rule(
            Reserve,
            400,
            "duplicate_itinerary",
            Taken,
            "spec 10899: an itinerary has this reference",
        ),
        rule(
            Reserve,
            400,
            "address.country_code.invalid",
            SureNo(Rejected),
            "spec 10887: invalid input",
        ),
        rule(
            Reserve,
            400,
            "link.invalid",
            SureNo(RateExpired),
            "error responses: the token does not hold",
        ),
        rule(
            Reserve,
            400,
            "link.expired",
            SureNo(RateExpired),
            "error responses: the token is too old",
        ),
        rule(
            Reserve,
            401,
            "request_unauthenticated",
            NotSent,
            "spec 10905: turned away at the door",
        ),
        rule(Reserve, 403, "request_unauthorized", NotSent, "spec 10936: turned away at the door"),
        rule(Reserve, 409, "price_mismatch", PriceChanged, "spec 10994: price mismatch"),
        rule(
            Reserve,
            410,
            "rooms_unavailable",
            SureNo(SoldOut),
            "spec 11050: rooms are unavailable",
        ),
        rule(Reserve, 426, "upgrade_required", NotSent, "spec 11052: turned away at the door"),
        rule(
            Reserve,
            429,
            "too_many_requests",
            NotSent,
            "spec 11064: over capacity, not processed",
        ),
        status(Reserve, 500, Unknown, HANDLING),
        status(Reserve, 502, Unknown, HANDLING),
        status(Reserve, 503, Unknown, HANDLING),
        status(Reserve, 504, Unknown, HANDLING),
        // Resume.
        status(Confirm, 202, Unknown, "spec 13240: valid, state unknown, make a retrieve call"),
        status(Confirm, 204, SureYes, "spec 13284: the held booking has resumed"),
        rule(
            Confirm,
            401,
            "request_unauthenticated",
            NotSent,
            "spec 13378: turned away at the door",
        ),
        rule(Confirm, 403, "request_unauthorized", NotSent, "spec 13409: turned away at the door"),
        rule(Confirm, 426, "upgrade_required", NotSent, "spec 13469: turned away at the door"),
        rule(
            Confirm,
            429,
            "too_many_requests",
            NotSent,
            "spec 13481: over capacity, not processed",
        ),
        // Cancel, of what is held and of a booked room.
        status(Cancel, 202, Unknown, "spec 13635: valid, state unknown, make a retrieve call"),
        status(Cancel, 204, SureYes, "spec 13679: the booking is canceled"),
        rule(
            Cancel,
            400,
            "room_already_cancelled",
            SureYes,
            "spec 13777: the room is already cancelled",
        ),
        rule(
            Cancel,
            400,
            "cancel.post_checkout",
            SureNo(Rejected),
            "the call's test header `post_stay_cancel`: too late to cancel, nothing is done; the \
             type as partners' recorded tests have it",
        ),
        rule(
            Cancel,
            401,
            "request_unauthenticated",
            NotSent,
            "spec 13779: turned away at the door",
        ),
        rule(Cancel, 403, "request_unauthorized", NotSent, "spec 13810: turned away at the door"),
        rule(Cancel, 426, "upgrade_required", NotSent, "spec 13870: turned away at the door"),
        rule(Cancel, 429, "too_many_requests", NotSent, "spec 13882: over capacity, not processed"),
        // Change of a room's details.
        status(Amend, 202, Unknown, "spec 14813: valid, state unknown, make a retrieve call"),
        status(Amend, 204, SureYes, "spec 14857: the booking has successfully changed"),
        rule(Amend, 400, "link.invalid", SureNo(RateExpired), "spec 14899: the link is invalid"),
        rule(Amend, 401, "request_unauthenticated", NotSent, "spec 14951: turned away at the door"),
        rule(Amend, 403, "request_unauthorized", NotSent, "spec 14982: turned away at the door"),
        rule(
            Amend,
            404,
            "resource_not_found",
            SureNo(Rejected),
            "spec 14994: the itinerary was not found",
        ),
        rule(Amend, 426, "upgrade_required", NotSent, "spec 15042: turned away at the door"),
        rule(Amend, 429, "too_many_requests", NotSent, "spec 15054: over capacity, not processed"),
        // Retrieve.
        status(Lookup, 200, SureYes, "spec 8756: what exists, possibly nothing"),
        status(Lookup, 206, SureYes, "spec 9626: what exists, with fields missing"),
        rule(
            Lookup,
            401,
            "request_unauthenticated",
            NotSent,
            "spec 10542: turned away at the door",
        ),
        rule(Lookup, 403, "request_unauthorized", NotSent, "spec 10573: turned away at the door"),
        rule(
            Lookup,
            404,
            "resource_not_found",
            NotFound,
            "spec 13073, by the supplier's reference",
        ),
        rule(Lookup, 426, "upgrade_required", NotSent, "spec 10585: turned away at the door"),
        rule(Lookup, 429, "too_many_requests", NotSent, "spec 10597: over capacity, not processed"),
    ],
};

const fn rule(
    operation: Operation,
    status: u16,
    code: &'static str,
    verdict: Verdict,
    source: &'static str,
) -> Rule {
    Rule { operation, status, code: Some(code), verdict, source }
}

const fn status(operation: Operation, status: u16, verdict: Verdict, source: &'static str) -> Rule {
    Rule { operation, status, code: None, verdict, source }
}
