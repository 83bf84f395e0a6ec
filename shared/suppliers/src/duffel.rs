//! Duffel, flights.
//!
//! Written from the supplier's published reference (duffel.com/docs/api, version `v2`), its guides
//! on holding orders, receiving webhooks and cancelling, and the types of its own JavaScript client
//! (`duffelhq/duffel-api-javascript`). What they leave open is marked "assumed".

mod callback;
mod key;
mod list;
mod order;
mod outcomes;
mod passengers;
mod shop;
mod wire;

use std::time::Duration;

use chrono::{DateTime, Utc};
use contracts::{
    ids::LegId,
    money::{Currency, Money},
    offer::{PriceCheck, ProductKind, Search},
    supplier::Supplier,
};
pub(crate) use outcomes::OUTCOMES;
use secrecy::{ExposeSecret as _, SecretString};

use crate::{
    Access, Answer, Ask, Asked, BadKey, Broken, Callback, Dialect, Forged, Found, HttpReply,
    HttpRequest, Known, Left, ListPage, Method, NextCall, NoHandle, Period, Quota, Reserve, Scope,
    Sent, quota,
};

/// The dialect of Duffel.
#[derive(Debug, Clone, Copy)]
pub struct Duffel;

impl Dialect for Duffel {
    fn supplier(&self) -> Supplier {
        Supplier::Duffel
    }

    fn sells(&self) -> ProductKind {
        ProductKind::Flight
    }

    fn search(&self, access: &Access, _now: DateTime<Utc>, search: &Search) -> Option<HttpRequest> {
        let Search::Flight(flight) = search else { return None };
        let body = shop::body(flight);
        Some(request(access, Method::Post, shop::SEARCH.to_owned(), Some(body)))
    }

    fn read_search(&self, search: &Search, reply: &HttpReply) -> Result<Found, Broken> {
        let Search::Flight(flight) = search else { return Err(Broken::Key) };
        shop::read_search(flight, reply)
    }

    fn price_check(
        &self,
        access: &Access,
        _now: DateTime<Utc>,
        rate_key: &str,
    ) -> Result<HttpRequest, BadKey> {
        let path = format!("/air/offers/{}", key::RateKey::parse(rate_key)?.offer);
        Ok(request(access, Method::Get, path, None))
    }

    fn read_price_check(
        &self,
        rate_key: &str,
        currency: Currency,
        reply: &HttpReply,
    ) -> Result<PriceCheck, Broken> {
        shop::read_price_check(&key::RateKey::parse(rate_key)?, currency, reply)
    }

    fn reserve(
        &self,
        access: &Access,
        _now: DateTime<Utc>,
        reserve: &Reserve<'_>,
    ) -> Result<HttpRequest, BadKey> {
        let body = order::body(access, reserve)?;
        Ok(request(access, Method::Post, "/air/orders".to_owned(), Some(body)))
    }

    fn confirm(
        &self,
        access: &Access,
        _now: DateTime<Utc>,
        known: &Known<'_>,
    ) -> Result<HttpRequest, NoHandle> {
        let body = order::Handle::of(known).and_then(|h| h.payment()).ok_or(NoHandle)?;
        Ok(request(access, Method::Post, "/air/payments".to_owned(), Some(body)))
    }

    /// The first of two calls: it makes the cancellation and tells what comes back.
    fn cancel(
        &self,
        access: &Access,
        _now: DateTime<Utc>,
        known: &Known<'_>,
    ) -> Result<HttpRequest, NoHandle> {
        let body = order::Handle::to_cancel(known).ok_or(NoHandle)?.cancellation();
        Ok(request(access, Method::Post, "/air/order_cancellations".to_owned(), Some(body)))
    }

    fn cancel_fee(&self, cost: Money, replies: &[HttpReply]) -> Option<Money> {
        order::cancel_fee(cost, replies.first()?)
    }

    fn lookup(&self, access: &Access, _now: DateTime<Utc>, known: &Known<'_>) -> HttpRequest {
        request(access, Method::Get, order::lookup_path(known, None), None)
    }

    /// A cancellation is confirmed with the id that its first call gave; a list goes on page by
    /// page.
    fn go_on(
        &self,
        access: &Access,
        _now: DateTime<Utc>,
        ask: &Ask<'_>,
        replies: &[HttpReply],
    ) -> Option<NextCall> {
        let last = replies.last()?;
        let request = match ask {
            Ask::Cancel(_) if replies.len() == 1 => {
                let path = order::confirm_cancellation(last)?;
                request(access, Method::Post, path, None)
            }
            Ask::LookUp(known) if replies.len() < order::PAGES_MAX => {
                let after = order::next_page(last)?;
                request(access, Method::Get, order::lookup_path(known, Some(&after)), None)
            }
            Ask::Cancel(_) | Ask::LookUp(_) | Ask::Reserve(_) | Ask::Confirm(_) | Ask::Amend(_) => {
                return None;
            }
        };
        Some(NextCall { request, after: Duration::ZERO })
    }

    fn read(&self, asked: &Asked<'_>, sent: &Sent) -> Answer {
        order::read(asked, sent)
    }

    fn list(
        &self,
        access: &Access,
        _now: DateTime<Utc>,
        period: &Period<'_>,
    ) -> Option<HttpRequest> {
        Some(request(access, Method::Get, list::path(period), None))
    }

    fn read_list(&self, _period: &Period<'_>, reply: &HttpReply) -> Result<ListPage, Broken> {
        list::read(reply)
    }

    /// Counted in headers, until a date (overview, "Rate limiting").
    fn quota(&self, reply: &HttpReply, now: DateTime<Utc>) -> Option<Quota> {
        let reset = quota::header(reply, "ratelimit-reset").and_then(quota::http_date);
        let resets_in =
            reset.and_then(|at| quota::until(at, now)).or_else(|| quota::retry_after(reply, now));
        if reply.status == 429 {
            return Some(Quota::spent(Scope::Account, resets_in));
        }
        let left = quota::number(reply, "ratelimit-remaining")?;
        let of = quota::number(reply, "ratelimit-limit")?;
        let left = Left::Calls { left: left.min(of), of };
        Some(Quota { scope: Scope::Account, left, resets_in })
    }

    /// The leg's id and the attempt, with a dash between; it is kept in the order's metadata, whose
    /// values may have 500 characters.
    fn client_reference(&self, leg: LegId, attempt: u32) -> String {
        format!("{}-{attempt}", leg.0.simple())
    }

    /// Any text that is long enough: the supplier makes it, and its bytes are the key as they are.
    fn is_callback_secret(&self, secret: &SecretString) -> bool {
        (16..=256).contains(&secret.expose_secret().trim().len())
    }

    fn verify_callback(
        &self,
        secrets: &[SecretString],
        now: DateTime<Utc>,
        age_max: Duration,
        headers: &[(String, String)],
        body: &[u8],
    ) -> Result<Callback, Forged> {
        callback::verify(secrets, now, age_max, headers, body)
    }
}

/// A request with the token and the version of the API that this is written from (overview, "Making
/// requests").
fn request(
    access: &Access,
    method: Method,
    path_and_query: String,
    body: Option<Vec<u8>>,
) -> HttpRequest {
    let token = access.secret.expose_secret();
    let mut headers = vec![
        ("accept".to_owned(), "application/json".to_owned()),
        ("authorization".to_owned(), format!("Bearer {token}")),
        ("duffel-version".to_owned(), "v2".to_owned()),
        ("user-agent".to_owned(), "holdfast/1".to_owned()),
    ];
    if body.is_some() {
        headers.push(("content-type".to_owned(), "application/json".to_owned()));
    }
    HttpRequest { method, path_and_query, headers, body }
}

#[cfg(test)]
mod tests;
