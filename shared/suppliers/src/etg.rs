//! Emerging Travel Group (RateHawk), stays.
//!
//! Written from the supplier's published pages on its API of version 3
//! (`docs.emergingtravel.com`, B2B API; "page" with a name below) as they were in spring 2026. What
//! they leave open is marked "assumed".
//!
//! Nothing is held here: a reservation is bought, by creating a booking process, starting it and
//! asking how it goes until it has ended. What can be cancelled free is bought where a hold is
//! wanted.

mod book;
mod key;
mod list;
mod outcomes;
mod shop;
mod terms;
mod webhook;
mod wire;

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use chrono::{DateTime, Utc};
use contracts::{
    ids::LegId,
    money::{Currency, Money},
    offer::{PriceCheck, ProductKind, Search},
    supplier::Supplier,
};
use secrecy::{ExposeSecret as _, SecretString};

pub(crate) use outcomes::OUTCOMES;

use crate::{
    Access, Answer, Ask, Asked, BadKey, Broken, Callback, Dialect, Forged, Found, HttpReply,
    HttpRequest, Known, Left, ListPage, Method, NextCall, NoHandle, Period, Quota, Reserve, Scope,
    Sent, quota,
};

/// The dialect of Emerging Travel Group.
#[derive(Debug, Clone, Copy)]
pub struct Etg;

impl Dialect for Etg {
    fn supplier(&self) -> Supplier {
        Supplier::Etg
    }

    fn sells(&self) -> ProductKind {
        ProductKind::Stay
    }

    fn search(&self, access: &Access, _now: DateTime<Utc>, search: &Search) -> Option<HttpRequest> {
        let Search::Stay(stay) = search else { return None };
        Some(request(access, "search/hp", &shop::search(access, stay)?))
    }

    fn read_search(&self, search: &Search, reply: &HttpReply) -> Result<Found, Broken> {
        match search {
            Search::Stay(stay) => shop::read_search(stay, reply),
            Search::Flight(_) | Search::Activity(_) => Err(Broken::contract("not asked for")),
        }
    }

    fn price_check(
        &self,
        access: &Access,
        _now: DateTime<Utc>,
        rate_key: &str,
    ) -> Result<HttpRequest, BadKey> {
        let key = key::RateKey::parse(rate_key)?;
        Ok(request(access, "hotel/prebook", &shop::prebook(&key)))
    }

    fn read_price_check(
        &self,
        rate_key: &str,
        currency: Currency,
        reply: &HttpReply,
    ) -> Result<PriceCheck, Broken> {
        shop::read_price_check(&key::RateKey::parse(rate_key)?, currency, reply)
    }

    /// Creates the booking process; [`Dialect::go_on`] starts it and asks how it went.
    fn reserve(
        &self,
        access: &Access,
        _now: DateTime<Utc>,
        reserve: &Reserve<'_>,
    ) -> Result<HttpRequest, BadKey> {
        let hash = key::checked_hash(&reserve.order.book_key).ok_or(BadKey)?;
        Ok(request(access, book::FORM, &book::form(access, reserve, hash)))
    }

    /// Never: what is there is bought.
    fn confirm(
        &self,
        _access: &Access,
        _now: DateTime<Utc>,
        _known: &Known<'_>,
    ) -> Result<HttpRequest, NoHandle> {
        Err(NoHandle)
    }

    fn cancel(
        &self,
        access: &Access,
        _now: DateTime<Utc>,
        known: &Known<'_>,
    ) -> Result<HttpRequest, NoHandle> {
        let order = book::order_of(known).ok_or(NoHandle)?;
        Ok(request(access, book::CANCEL, &book::about(order)))
    }

    fn cancel_fee(&self, _cost: Money, replies: &[HttpReply]) -> Option<Money> {
        book::cancel_fee(replies.last()?)
    }

    fn lookup(&self, access: &Access, _now: DateTime<Utc>, known: &Known<'_>) -> HttpRequest {
        request(access, book::INFO, &book::info(known))
    }

    fn go_on(
        &self,
        access: &Access,
        _now: DateTime<Utc>,
        ask: &Ask<'_>,
        replies: &[HttpReply],
    ) -> Option<NextCall> {
        let next = match ask {
            Ask::Reserve(reserve) => book::after_reserve(access, reserve, replies)?,
            Ask::LookUp(known) => book::after_lookup(known, replies)?,
            Ask::Confirm(_) | Ask::Cancel(_) | Ask::Amend(_) => return None,
        };
        Some(NextCall { request: request(access, next.path, &next.body), after: next.after })
    }

    fn read(&self, asked: &Asked<'_>, sent: &Sent) -> Answer {
        book::read(asked, sent)
    }

    fn list(
        &self,
        access: &Access,
        _now: DateTime<Utc>,
        period: &Period<'_>,
    ) -> Option<HttpRequest> {
        Some(request(access, book::INFO, &list::body(period)))
    }

    fn read_list(&self, period: &Period<'_>, reply: &HttpReply) -> Result<ListPage, Broken> {
        list::read(period, reply)
    }

    /// Each endpoint counts for itself, and says so in `debug` of every answer (page "Errors").
    fn quota(&self, reply: &HttpReply, now: DateTime<Utc>) -> Option<Quota> {
        let told = wire::limit(&reply.body).filter(|limit| limit.is_limited);
        let reset = told.as_ref().and_then(|limit| limit.reset);
        let resets_in = reset.and_then(|at| quota::until(at.and_utc(), now));
        if reply.status == 429 {
            let resets_in = resets_in.or_else(|| quota::retry_after(reply, now));
            return Some(Quota::spent(Scope::Path, resets_in));
        }
        let limit = told?;
        let (left, of) = (u64::try_from(limit.remaining).ok()?, limit.requests_number);
        let left = Left::Calls { left: left.min(of), of };
        Some(Quota { scope: Scope::Path, left, resets_in })
    }

    /// `order/cancel` takes a `partner_order_id` alone.
    fn cancels_by_reference(&self) -> bool {
        false
    }

    fn holds_by_purchase(&self) -> bool {
        true
    }

    /// The API key's token, with which pushes are signed as well.
    fn is_callback_secret(&self, secret: &SecretString) -> bool {
        let text = secret.expose_secret();
        (16..=128).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic())
    }

    /// The leg's id and the attempt (page "Create booking process": 3 to 256 characters, unique, a
    /// UUID for preference).
    fn client_reference(&self, leg: LegId, attempt: u32) -> String {
        format!("{}-{attempt}", leg.0.as_hyphenated())
    }

    fn verify_callback(
        &self,
        secrets: &[SecretString],
        now: DateTime<Utc>,
        age_max: Duration,
        _headers: &[(String, String)],
        body: &[u8],
    ) -> Result<Callback, Forged> {
        webhook::verify(secrets, now, age_max, body)
    }
}

/// Every call is a POST of JSON under HTTP Basic, the key's id and its token (page
/// "Authorization").
fn request(access: &Access, path: &str, body: &serde_json::Value) -> HttpRequest {
    let pair = format!("{}:{}", access.key, access.secret.expose_secret());
    let headers = [
        ("accept", "application/json".to_owned()),
        ("authorization", format!("Basic {}", STANDARD.encode(pair))),
        ("content-type", "application/json".to_owned()),
        ("user-agent", "holdfast/1".to_owned()),
    ];
    HttpRequest {
        method: Method::Post,
        path_and_query: format!("/api/b2b/v3/{path}/"),
        headers: headers.map(|(name, value)| (name.to_owned(), value)).to_vec(),
        body: Some(body.to_string().into_bytes()),
    }
}

/// The two letters of the language; `en` where they are not two (page "Retrieve hotelpage").
fn language(access: &Access) -> String {
    let tag = access.language.split('-').next().unwrap_or_default().to_ascii_lowercase();
    if tag.len() == 2 { tag } else { "en".to_owned() }
}

#[cfg(test)]
mod tests;
