//! Everything that was bought, page by page (page "Retrieve bookings").

use serde_json::{Value, json};

use super::book::{orders, seen_all};
use crate::{Asked, Broken, HttpReply, ListPage, Listed, Operation, Period, list::number};

/// The most that the supplier puts on one page.
const PER_PAGE: usize = 50;

/// Orders made in a period, the oldest first.
pub(super) fn body(period: &Period<'_>) -> Value {
    let day = |at: chrono::DateTime<chrono::Utc>| at.format("%Y-%m-%dT%H:%M").to_string();
    json!({
        "ordering": { "ordering_type": "asc", "ordering_by": "created_at" },
        "pagination": { "page_size": PER_PAGE, "page_number": number(period.cursor) },
        "search": { "created_at": { "from_date": day(period.from), "to_date": day(period.until) } },
        "language": "en",
    })
}

/// The orders of one page. A full one may be followed by another.
pub(super) fn read(period: &Period<'_>, reply: &HttpReply) -> Result<ListPage, Broken> {
    if reply.status != 200 {
        let code = super::wire::code(&reply.body);
        return Err(Broken::Status { status: reply.status, code });
    }
    let orders = orders(reply)?;
    let next = (orders.len() >= PER_PAGE).then(|| (number(period.cursor) + 1).to_string());
    let asked =
        Asked { operation: Operation::Lookup, client_reference: "", hold: false, earlier: &[] };
    let seen = seen_all(&asked, &orders)?;
    // The handle of an order is the reference that it was made under.
    let listed = |seen: crate::SeenReservation| Listed {
        client_reference: seen.handle.clone().filter(|own| !own.is_empty()),
        seen,
    };
    Ok(ListPage { reservations: seen.into_iter().map(listed).collect(), next })
}
