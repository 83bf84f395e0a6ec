//! Every order, page by page, the oldest first.

use chrono::SecondsFormat;
use serde_json::value::RawValue;

use super::{
    order::{next_page, order_of},
    wire::{self, Envelope, OrderHead},
};
use crate::{Broken, HttpReply, ListPage, Listed, Period};

/// An order is some 10 KiB, and a page stays well below what is read of one answer.
const PER_PAGE: u32 = 50;

/// Orders made since the period began. Nothing documented ends it: what is newer is listed too.
pub(super) fn path(period: &Period<'_>) -> String {
    let from = period.from.to_rfc3339_opts(SecondsFormat::Secs, true).replace(':', "%3A");
    let mut path =
        format!("/air/orders?limit={PER_PAGE}&sort=created_at&created_at%5Bafter%5D={from}");
    if let Some(after) = period.cursor {
        path.push_str(&format!("&after={after}"));
    }
    path
}

/// The orders of one page.
pub(super) fn read(reply: &HttpReply) -> Result<ListPage, Broken> {
    if reply.status != 200 {
        let code = wire::codes(&reply.body).into_iter().next();
        return Err(Broken::Status { status: reply.status, code });
    }
    let page: Envelope<Vec<Box<RawValue>>> = wire::read("orders", &reply.body)?;
    let next = next_page(reply);
    if next.is_none() && page.meta.after.is_some() {
        return Err(Broken::contract("orders at `meta.after`"));
    }
    let reservations = page.data.iter().map(|order| listed(order)).collect::<Result<_, _>>()?;
    Ok(ListPage { reservations, next })
}

fn listed(order: &RawValue) -> Result<Listed, Broken> {
    let head: OrderHead = wire::read("order", order.get().as_bytes())?;
    let own = head.metadata.and_then(|wrote| wrote.client_reference);
    let seen = order_of(own.as_deref().unwrap_or_default(), order)?;
    let seen = seen.ok_or_else(|| Broken::contract("order at `metadata`"))?;
    Ok(Listed { client_reference: own, seen })
}
