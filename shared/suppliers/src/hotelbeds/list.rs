//! Every booking, page by page (page booking-list).

use chrono::Days;
use serde_json::value::RawValue;

use super::{
    book::{head, shown},
    language,
    wire::{self, BookingHead, List},
};
use crate::{Access, Broken, HttpReply, ListPage, Listed, Period, list::number};

/// Nothing says how many there may be.
const PER_PAGE: u64 = 100;

/// Bookings made on the days of a period, cancelled or not. The days are the server's, so there is
/// one more on each side.
pub(super) fn path(access: &Access, period: &Period<'_>) -> String {
    let (from, until) = (period.from.date_naive(), period.until.date_naive());
    let start = from.checked_sub_days(Days::new(1)).unwrap_or(from);
    let end = until.checked_add_days(Days::new(1)).unwrap_or(until);
    format!(
        "/bookings/{}?start={start}&end={end}&includedCancelled=true&filterType=CREATION\
         &itemsPerPage={PER_PAGE}&page={}",
        language(access),
        number(period.cursor)
    )
}

/// The bookings of one page.
pub(super) fn read(period: &Period<'_>, reply: &HttpReply) -> Result<ListPage, Broken> {
    if reply.status != 200 {
        let code = wire::codes(reply).into_iter().next();
        return Err(Broken::Status { status: reply.status, code });
    }
    let list: List = wire::read("bookings", &reply.body)?;
    let page = number(period.cursor);
    let is_last = page.saturating_mul(PER_PAGE) >= list.pagination.total_items;
    if list.bookings.is_empty() && !is_last {
        return Err(Broken::contract("fewer bookings than `totalItems`"));
    }
    let listed = |booking: &RawValue| {
        let named: BookingHead = wire::read("booking", booking.get().as_bytes())?;
        let reference = head(booking.get(), None)?;
        let seen = shown(&reference, booking.get(), None);
        Ok(Listed { client_reference: named.client_reference, seen })
    };
    let reservations = list.bookings.iter().map(|it| listed(it)).collect::<Result<_, Broken>>()?;
    Ok(ListPage { reservations, next: (!is_last).then(|| (page + 1).to_string()) })
}
