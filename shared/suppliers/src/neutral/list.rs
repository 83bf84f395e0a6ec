//! Everything of our account, page by page (`GET /v1/reservations` by `created_from`).

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::value::RawValue;

use super::{
    book::one,
    wire::{self, Head, List},
};
use crate::{Broken, HttpReply, ListPage, Listed, Period, list::number};

/// What is documented for a page.
const PER_PAGE: usize = 100;

/// Reservations made in a period, the oldest first.
pub(super) fn path(period: &Period<'_>) -> String {
    let instant = |at: DateTime<Utc>| at.to_rfc3339_opts(SecondsFormat::Secs, true);
    let (from, until) = (instant(period.from), instant(period.until));
    format!(
        "/v1/reservations?created_from={from}&created_to={until}&page={}",
        number(period.cursor)
    )
}

/// The reservations of one page. A full one may be followed by another.
pub(super) fn read(period: &Period<'_>, reply: &HttpReply) -> Result<ListPage, Broken> {
    if reply.status != 200 {
        return Err(Broken::Status { status: reply.status, code: wire::code(reply) });
    }
    let List { reservations } = wire::read("list", &reply.body)?;
    let next = (reservations.len() >= PER_PAGE).then(|| (number(period.cursor) + 1).to_string());
    let listed = |shown: &RawValue| {
        let head: Head = wire::read("reservation", shown.get().as_bytes())?;
        let seen = one(shown.get().as_bytes(), "")?;
        Ok(Listed { client_reference: Some(head.client_reference), seen })
    };
    let reservations = reservations.iter().map(|it| listed(it)).collect::<Result<_, Broken>>()?;
    Ok(ListPage { reservations, next })
}
