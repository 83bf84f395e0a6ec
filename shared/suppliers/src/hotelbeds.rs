//! Hotelbeds, activities.
//!
//! Written from the pages of `developer.hotelbeds.com` under `documentation/activities`, named
//! where they are used; what they leave open is marked "assumed".

mod book;
mod key;
mod list;
mod lookup;
mod outcomes;
mod shop;
mod terms;
mod wire;

use std::time::Duration;

use chrono::{DateTime, Utc};
use contracts::{
    ids::LegId,
    money::{Currency, Money},
    offer::{ActivitySearch, LegOrder, PriceCheck, ProductKind, Search},
    supplier::Supplier,
};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};

pub(crate) use outcomes::OUTCOMES;

use crate::{
    Access, Answer, Ask, Asked, BadKey, Broken, Callback, Dialect, Forged, Found, HttpReply,
    HttpRequest, Known, ListPage, Method, NextCall, NoHandle, Period, Quota, Reserve, Scope, Sent,
    quota,
};

/// The dialect of Hotelbeds activities.
#[derive(Debug, Clone, Copy)]
pub struct Hotelbeds;

/// Every path is below this.
const ROOT: &str = "/activity-api/3.0";

impl Dialect for Hotelbeds {
    fn supplier(&self) -> Supplier {
        Supplier::Hotelbeds
    }

    fn sells(&self) -> ProductKind {
        ProductKind::Activity
    }

    fn search(&self, access: &Access, now: DateTime<Utc>, search: &Search) -> Option<HttpRequest> {
        let Search::Activity(search) = search else { return None };
        Some(availability(access, now, search, 1))
    }

    fn search_on(
        &self,
        access: &Access,
        now: DateTime<Utc>,
        search: &Search,
        replies: &[HttpReply],
    ) -> Option<HttpRequest> {
        let Search::Activity(search) = search else { return None };
        shop::is_more(replies).then(|| availability(access, now, search, replies.len() + 1))
    }

    fn read_search(&self, search: &Search, reply: &HttpReply) -> Result<Found, Broken> {
        let Search::Activity(search) = search else { return Err(Broken::Key) };
        shop::read_search(search, reply)
    }

    fn price_check(
        &self,
        access: &Access,
        now: DateTime<Utc>,
        rate_key: &str,
    ) -> Result<HttpRequest, BadKey> {
        let body = shop::details(access, &key::RateKey::parse(rate_key)?);
        Ok(request(access, now, Method::Post, "/activities/details", Some(body)))
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
        now: DateTime<Utc>,
        reserve: &Reserve<'_>,
    ) -> Result<HttpRequest, BadKey> {
        let key = key::BookKey::parse(&reserve.order.book_key)?;
        let path = if reserve.hold { "/bookings/preconfirm" } else { "/bookings" };
        let body = book::body(access, reserve, &key);
        Ok(request(access, now, Method::Put, path, Some(body)))
    }

    fn confirm(
        &self,
        access: &Access,
        now: DateTime<Utc>,
        known: &Known<'_>,
    ) -> Result<HttpRequest, NoHandle> {
        let body = book::reconfirm_body(access, book::held(known).ok_or(NoHandle)?);
        Ok(request(access, now, Method::Put, "/bookings/reconfirm", Some(body)))
    }

    /// Asks what it would cost, as the supplier advises; [`Dialect::go_on`] then cancels.
    fn cancel(
        &self,
        access: &Access,
        now: DateTime<Utc>,
        known: &Known<'_>,
    ) -> Result<HttpRequest, NoHandle> {
        let reference = book::reference(known).ok_or(NoHandle)?;
        Ok(request(access, now, Method::Delete, &book::cancel_path(access, reference, true), None))
    }

    fn cancel_fee(&self, _cost: Money, replies: &[HttpReply]) -> Option<Money> {
        book::cancel_fee(replies.first()?)
    }

    /// The activity and its modality.
    fn room(&self, order: &LegOrder) -> Option<String> {
        let key = key::RateKey::parse(&order.reprice.as_ref()?.rate_key).ok()?;
        Some(format!("{}/{}", key.activity, key.modality))
    }

    fn lookup(&self, access: &Access, now: DateTime<Utc>, known: &Known<'_>) -> HttpRequest {
        let path = match book::reference(known) {
            Some(reference) if known.client_reference.is_empty() => {
                book::detail_path(access, reference)
            }
            Some(_) | None => {
                lookup::list_path(access, known.client_reference, now, 1, lookup::Span::ToNow)
            }
        };
        request(access, now, Method::Get, &path, None)
    }

    fn go_on(
        &self,
        access: &Access,
        now: DateTime<Utc>,
        ask: &Ask<'_>,
        replies: &[HttpReply],
    ) -> Option<NextCall> {
        let (method, path) = match ask {
            Ask::Reserve(_) | Ask::Confirm(_) | Ask::Amend(_) => return None,
            Ask::Cancel(known) => {
                let reference = book::reference(known)?;
                let [simulated] = replies else { return None };
                book::would_cancel(simulated, reference).then_some(())?;
                (Method::Delete, book::cancel_path(access, reference, false))
            }
            Ask::LookUp(known) => {
                let path = lookup::next(access, now, known.client_reference, replies)?;
                (Method::Get, path)
            }
        };
        let request = request(access, now, method, &path, None);
        Some(NextCall { request, after: Duration::ZERO })
    }

    fn read(&self, asked: &Asked<'_>, sent: &Sent) -> Answer {
        book::read(asked, sent)
    }

    fn list(
        &self,
        access: &Access,
        now: DateTime<Utc>,
        period: &Period<'_>,
    ) -> Option<HttpRequest> {
        Some(request(access, now, Method::Get, &list::path(access, period), None))
    }

    fn read_list(&self, period: &Period<'_>, reply: &HttpReply) -> Result<ListPage, Broken> {
        list::read(period, reply)
    }

    /// Told only when it is spent, and as 403, which is a wrong key as well: the gateway's word
    /// says which (page "API errors").
    fn quota(&self, reply: &HttpReply, now: DateTime<Utc>) -> Option<Quota> {
        let second = match quota::header(reply, "x-mashery-error-code") {
            Some("ERR_403_DEVELOPER_OVER_QPS") => Some(Duration::from_secs(1)),
            Some("ERR_403_DEVELOPER_OVER_RATE") => None,
            Some(_) | None if reply.status == 429 => None,
            Some(_) | None => return None,
        };
        let resets_in = quota::retry_after(reply, now).or(second);
        matches!(reply.status, 403 | 429).then(|| Quota::spent(Scope::Account, resets_in))
    }

    /// 20 characters of Crockford's base32: ten of the time in the leg's id, ten of a hash of leg
    /// and attempt.
    ///
    /// The hotel API of the same suite takes 20; for activities nothing is published. The time says
    /// on which days the list of bookings is to be asked for.
    fn client_reference(&self, leg: LegId, attempt: u32) -> String {
        lookup::client_reference(leg, attempt)
    }

    fn pushes(&self) -> bool {
        false
    }

    /// Nothing is pushed for activities: whatever comes is not theirs.
    fn verify_callback(
        &self,
        _secrets: &[SecretString],
        _now: DateTime<Utc>,
        _age_max: Duration,
        _headers: &[(String, String)],
        _body: &[u8],
    ) -> Result<Callback, Forged> {
        Err(Forged::Signature)
    }
}

/// One page of what is to be had, counted from 1.
fn availability(
    access: &Access,
    now: DateTime<Utc>,
    search: &ActivitySearch,
    page: usize,
) -> HttpRequest {
    let body = shop::availability(access, search, page);
    request(access, now, Method::Post, "/activities/availability", Some(body))
}

/// A signed request: `Api-key` and `X-Signature`, SHA-256 of key, secret and seconds
/// (getting-started).
fn request(
    access: &Access,
    now: DateTime<Utc>,
    method: Method,
    path: &str,
    body: Option<Vec<u8>>,
) -> HttpRequest {
    let mut hash = Sha256::new();
    hash.update(access.key.as_bytes());
    hash.update(access.secret.expose_secret().as_bytes());
    hash.update(now.timestamp().to_string().as_bytes());
    let mut headers = vec![
        ("accept".to_owned(), "application/json".to_owned()),
        ("api-key".to_owned(), access.key.clone()),
        ("x-signature".to_owned(), hex::encode(hash.finalize())),
        ("user-agent".to_owned(), "holdfast/1".to_owned()),
    ];
    if body.is_some() {
        headers.push(("content-type".to_owned(), "application/json".to_owned()));
    }
    HttpRequest { method, path_and_query: format!("{ROOT}{path}"), headers, body }
}

/// The language of texts: two letters here.
fn language(access: &Access) -> &str {
    access.language.split('-').next().unwrap_or("en")
}

#[cfg(test)]
mod tests;
