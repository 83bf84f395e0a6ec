//! Our own partner API, for partners that have none of their own: stays.
//!
//! Written from `partner-api.yaml` in this crate's folder, whose paths and words are named where
//! they are used.

mod book;
mod callback;
mod key;
mod list;
mod outcomes;
mod shop;
mod wire;

use std::time::Duration;

use chrono::{DateTime, Utc};
use contracts::{
    ids::LegId,
    money::Currency,
    offer::{LegOrder, PriceCheck, ProductKind, Search},
    supplier::Supplier,
};
use hmac::{Hmac, Mac as _};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::Sha256;

pub(crate) use outcomes::OUTCOMES;

use crate::{
    Access, Answer, Asked, BadKey, Broken, Callback, Dialect, Forged, Found, HttpReply,
    HttpRequest, Known, Left, ListPage, Method, NoHandle, Period, Quota, Reserve, Scope, Sent,
    quota,
};

/// The dialect of our own partner API.
#[derive(Debug, Clone, Copy)]
pub struct Neutral;

impl Dialect for Neutral {
    fn supplier(&self) -> Supplier {
        Supplier::Neutral
    }

    fn sells(&self) -> ProductKind {
        ProductKind::Stay
    }

    fn search(&self, access: &Access, now: DateTime<Utc>, search: &Search) -> Option<HttpRequest> {
        let Search::Stay(search) = search else { return None };
        Some(request(access, now, Method::Post, "/v1/offers", Some(shop::search(search))))
    }

    fn read_search(&self, search: &Search, reply: &HttpReply) -> Result<Found, Broken> {
        let Search::Stay(search) = search else { return Err(Broken::Key) };
        shop::read_search(search, reply)
    }

    fn price_check(
        &self,
        access: &Access,
        now: DateTime<Utc>,
        rate_key: &str,
    ) -> Result<HttpRequest, BadKey> {
        let key = key::RateKey::parse(rate_key)?;
        let path = format!("/v1/offers/{}/check", key.offer_id);
        Ok(request(access, now, Method::Post, &path, None))
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
        let body = book::body(access, reserve, &key);
        Ok(request(access, now, Method::Post, "/v1/reservations", Some(body)))
    }

    fn confirm(
        &self,
        access: &Access,
        now: DateTime<Utc>,
        known: &Known<'_>,
    ) -> Result<HttpRequest, NoHandle> {
        let path = format!("/v1/reservations/{}/confirm", book::held(known).ok_or(NoHandle)?);
        Ok(request(access, now, Method::Post, &path, None))
    }

    fn cancel(
        &self,
        access: &Access,
        now: DateTime<Utc>,
        known: &Known<'_>,
    ) -> Result<HttpRequest, NoHandle> {
        let path = format!("/v1/reservations/{}", book::reference(known).ok_or(NoHandle)?);
        Ok(request(access, now, Method::Delete, &path, None))
    }

    fn lookup(&self, access: &Access, now: DateTime<Utc>, known: &Known<'_>) -> HttpRequest {
        let path = match book::reference(known) {
            Some(reference) if known.client_reference.is_empty() => {
                format!("/v1/reservations?reference={reference}")
            }
            Some(_) | None => {
                format!("/v1/reservations?client_reference={}", known.client_reference)
            }
        };
        request(access, now, Method::Get, &path, None)
    }

    fn room(&self, order: &LegOrder) -> Option<String> {
        key::RateKey::parse(&order.reprice.as_ref()?.rate_key).ok()?.room_id
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
        Some(request(access, now, Method::Get, &list::path(period), None))
    }

    fn read_list(&self, period: &Period<'_>, reply: &HttpReply) -> Result<ListPage, Broken> {
        list::read(period, reply)
    }

    /// `ratelimit-*` on every answer; `retry-after` beside a 429.
    fn quota(&self, reply: &HttpReply, now: DateTime<Utc>) -> Option<Quota> {
        let resets_in = quota::number(reply, "ratelimit-reset").map(Duration::from_secs);
        if reply.status == 429 {
            return Some(Quota::spent(
                Scope::Account,
                quota::retry_after(reply, now).or(resets_in),
            ));
        }
        let of = quota::number(reply, "ratelimit-limit")?;
        let left = quota::number(reply, "ratelimit-remaining")?;
        Some(Quota { scope: Scope::Account, left: Left::Calls { left, of }, resets_in })
    }

    /// The leg's id without its dashes, a dash and the attempt: at most 43 of the 64 characters
    /// that there are.
    fn client_reference(&self, leg: LegId, attempt: u32) -> String {
        format!("{}-{attempt}", leg.0.simple())
    }

    fn with_body(
        &self,
        access: &Access,
        now: DateTime<Utc>,
        asked: HttpRequest,
        body: Vec<u8>,
    ) -> HttpRequest {
        request(access, now, asked.method, &asked.path_and_query, Some(body))
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

/// A signed request: HMAC-SHA256 over time, verb, path with its query, and body.
fn request(
    access: &Access,
    now: DateTime<Utc>,
    method: Method,
    path_and_query: &str,
    body: Option<Vec<u8>>,
) -> HttpRequest {
    let stamp = now.timestamp().to_string();
    let mut headers = vec![
        ("accept".to_owned(), "application/json".to_owned()),
        ("partner-key".to_owned(), access.key.clone()),
        ("partner-timestamp".to_owned(), stamp.clone()),
    ];
    // A key of any length makes an HMAC.
    if let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(access.secret.expose_secret().as_bytes()) {
        for part in [stamp.as_str(), method.word(), path_and_query] {
            mac.update(part.as_bytes());
            mac.update(b"\n");
        }
        mac.update(body.as_deref().unwrap_or_default());
        let signature = format!("v1={}", hex::encode(mac.finalize().into_bytes()));
        headers.push(("partner-signature".to_owned(), signature));
    }
    if body.is_some() {
        headers.push(("content-type".to_owned(), "application/json".to_owned()));
    }
    HttpRequest { method, path_and_query: path_and_query.to_owned(), headers, body }
}

#[cfg(test)]
mod tests;
