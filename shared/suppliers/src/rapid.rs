//! Expedia Rapid, stays.
//!
//! Written from the specification that ships with the supplier's own Java SDK
//! (`ExpediaGroup/rapid-java-sdk`, `code/transformedSpecs.yaml`; "spec" with a line number below)
//! and its published pages on holds, booking requests and errors. What they leave open is marked
//! "assumed".

mod book;
mod key;
mod link;
mod outcomes;
mod shop;
mod terms;
mod wire;

use std::time::Duration;

use chrono::{DateTime, Utc};
use contracts::{
    ids::LegId,
    messages::CallbackClaim,
    money::Currency,
    offer::{LegOrder, PriceCheck, ProductKind, Search},
    supplier::Supplier,
};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256, Sha512};

pub(crate) use outcomes::OUTCOMES;

use crate::{
    Access, Amend, Answer, Asked, BadKey, Broken, Callback, Covers, Dialect, Forged, Found,
    HttpReply, HttpRequest, Known, Left, Method, NoHandle, Quota, Reserve, Scope, Sent, callback,
    quota,
};

/// The dialect of Expedia Rapid.
#[derive(Debug, Clone, Copy)]
pub struct Rapid;

impl Dialect for Rapid {
    fn supplier(&self) -> Supplier {
        Supplier::Rapid
    }

    fn sells(&self) -> ProductKind {
        ProductKind::Stay
    }

    fn search(&self, access: &Access, now: DateTime<Utc>, search: &Search) -> Option<HttpRequest> {
        let Search::Stay(stay) = search else { return None };
        Some(request(access, now, Method::Get, shop::path(access, stay)))
    }

    fn read_search(&self, search: &Search, reply: &HttpReply) -> Result<Found, Broken> {
        let Search::Stay(stay) = search else { return Err(Broken::Key) };
        shop::read_search(stay, reply)
    }

    fn price_check(
        &self,
        access: &Access,
        now: DateTime<Utc>,
        rate_key: &str,
    ) -> Result<HttpRequest, BadKey> {
        let key = key::RateKey::parse(rate_key)?;
        Ok(request(access, now, Method::Get, key.href))
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
        let path = link::BOOK.checked(&reserve.order.book_key).ok_or(BadKey)?;
        let mut made = request(access, now, Method::Post, path);
        made.headers.push(("content-type".into(), "application/json".into()));
        made.body = Some(book::body(access, reserve));
        Ok(made)
    }

    fn confirm(
        &self,
        access: &Access,
        now: DateTime<Utc>,
        known: &Known<'_>,
    ) -> Result<HttpRequest, NoHandle> {
        let path = book::Handle::of(known).resume.ok_or(NoHandle)?;
        Ok(request(access, now, Method::Put, path))
    }

    fn cancel(
        &self,
        access: &Access,
        now: DateTime<Utc>,
        known: &Known<'_>,
    ) -> Result<HttpRequest, NoHandle> {
        let path = book::Handle::of(known).cancel.ok_or(NoHandle)?;
        Ok(request(access, now, Method::Delete, path))
    }

    /// Spec 14716, a change of a room's details: no other itinerary, nothing to pay, and the same
    /// again is the same.
    fn amend(
        &self,
        access: &Access,
        now: DateTime<Utc>,
        amend: &Amend<'_>,
    ) -> Result<HttpRequest, NoHandle> {
        let path = book::Handle::of(&amend.known).change.ok_or(NoHandle)?;
        let mut made = request(access, now, Method::Put, path);
        made.headers.push(("content-type".into(), "application/json".into()));
        made.body = Some(book::change(amend));
        Ok(made)
    }

    fn lookup(&self, access: &Access, now: DateTime<Utc>, known: &Known<'_>) -> HttpRequest {
        request(access, now, Method::Get, book::lookup_path(access, known))
    }

    fn read(&self, asked: &Asked<'_>, sent: &Sent) -> Answer {
        book::read(asked, sent)
    }

    /// The property and the rate of the offer's link, as an itinerary names them too.
    fn room(&self, order: &LegOrder) -> Option<String> {
        key::RateKey::parse(&order.reprice.as_ref()?.rate_key).ok()?.room()
    }

    /// In percent, with the end of the minute in milliseconds; both headers are optional (page
    /// "Rate limiting").
    fn quota(&self, reply: &HttpReply, now: DateTime<Utc>) -> Option<Quota> {
        let reset = quota::number(reply, "rate-limit-minute-reset");
        let reset = reset.and_then(|ms| i64::try_from(ms).ok());
        let resets_in = reset
            .and_then(DateTime::from_timestamp_millis)
            .and_then(|at| quota::until(at, now))
            .or_else(|| quota::retry_after(reply, now));
        if reply.status == 429 {
            return Some(Quota::spent(Scope::Account, resets_in));
        }
        let percent = quota::number(reply, "rate-limit-minute-remaining")?;
        let percent = u8::try_from(percent).ok().filter(|percent| *percent <= 100)?;
        Some(Quota { scope: Scope::Account, left: Left::Percent(percent), resets_in })
    }

    /// 28 characters of Crockford's base32: 26 of the leg's id, two of the attempt.
    ///
    /// The supplier takes 3 to 28 characters without `< > ( ) &` (spec 22982); one case only, so
    /// that no comparison of theirs can confuse two. An attempt past 1,023 is hashed together with
    /// its leg.
    fn client_reference(&self, leg: LegId, attempt: u32) -> String {
        let mut reference = base32(leg.0.as_bytes());
        match u8::try_from(attempt >> 5) {
            Ok(high) if high < 32 => {
                let low = u8::try_from(attempt & 31).unwrap_or(0);
                reference.extend([digit(high), digit(low)]);
                reference
            }
            Ok(_) | Err(_) => {
                let mut hash = Sha256::new();
                hash.update(leg.0.as_bytes());
                hash.update(attempt.to_be_bytes());
                base32(&hash.finalize()).chars().take(28).collect()
            }
        }
    }

    fn keeps_undelivered(&self) -> bool {
        true
    }

    /// Page on notifications: up to 25 with each call, each returned once.
    fn undelivered(&self, access: &Access, now: DateTime<Utc>) -> Option<HttpRequest> {
        Some(request(access, now, Method::Get, "/v3/notifications?undeliverable=true".to_owned()))
    }

    fn read_undelivered(&self, reply: &HttpReply) -> Result<Vec<String>, Broken> {
        if reply.status != 200 {
            let code = wire::codes(&reply.body).into_iter().next();
            return Err(Broken::Status { status: reply.status, code });
        }
        let all: Vec<Box<RawValue>> = wire::read("notifications", &reply.body)?;
        Ok(all.into_iter().map(|one| one.get().to_owned()).collect())
    }

    /// Assumed: the id of a push is that of its event, so that what came after all is a repeat.
    fn undelivered_callback(&self, body: &str) -> Option<Callback> {
        let notification: wire::Notification = serde_json::from_str(body).unwrap_or_default();
        let event = notification.event_id.clone();
        let plain = |id: &String| {
            (1..=64).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_graphic() && b != b'.')
        };
        let id = event.filter(plain).unwrap_or_else(|| hex::encode(Sha256::digest(body)));
        Some(read_notification(id, notification))
    }

    /// Assumed: the supplier does not publish how it signs; see the README.
    fn verify_callback(
        &self,
        secrets: &[SecretString],
        now: DateTime<Utc>,
        age_max: Duration,
        headers: &[(String, String)],
        body: &[u8],
    ) -> Result<Callback, Forged> {
        let id = callback::verify_standard(secrets, now, age_max, headers, body)?;
        // A body that cannot be read is still a push of theirs: it is kept, and names nothing.
        let notification = serde_json::from_slice(body).unwrap_or_default();
        Ok(read_notification(id.to_owned(), notification))
    }
}

fn read_notification(id: String, notification: wire::Notification) -> Callback {
    let said = |text: Option<String>| {
        text.filter(|t| (1..=64).contains(&t.len()) && t.bytes().all(|b| b.is_ascii_graphic()))
    };
    Callback {
        id,
        client_reference: said(notification.affiliate_reference_id),
        reference: said(notification.itinerary_id),
        claim: claim(notification.event_type.as_deref()),
        event: said(notification.event_type),
        covers: Covers::Body,
    }
}

/// What an event says of its itinerary (spec 23401, the page on notifications). A change says
/// nothing of how the itinerary stands.
fn claim(event: Option<&str>) -> Option<CallbackClaim> {
    match event? {
        "itinerary.agent.create" => Some(CallbackClaim::Made),
        "itinerary.supplier.confirm" => Some(CallbackClaim::Confirmed),
        "itinerary.agent.cancel" | "itinerary.supplier.cancel" | "itinerary.fraud.cancel" => {
            Some(CallbackClaim::Gone)
        }
        _ => None,
    }
}

/// A signed request: `EAN APIKey=…,Signature=…,timestamp=…`, SHA-512 of key, secret and seconds
/// (spec 24059 and the page on signature authentication that it refers to).
fn request(access: &Access, now: DateTime<Utc>, method: Method, path: String) -> HttpRequest {
    let stamp = now.timestamp();
    let mut hash = Sha512::new();
    hash.update(access.key.as_bytes());
    hash.update(access.secret.expose_secret().as_bytes());
    hash.update(stamp.to_string().as_bytes());
    let signature = hex::encode(hash.finalize());
    let key = &access.key;
    let headers = [
        ("accept", "application/json".to_owned()),
        // Published: required, and `gzip` is the one value.
        ("accept-encoding", "gzip".to_owned()),
        ("authorization", format!("EAN APIKey={key},Signature={signature},timestamp={stamp}")),
        ("customer-ip", access.customer_ip.clone()),
        ("user-agent", "holdfast/1".to_owned()),
    ];
    HttpRequest {
        method,
        path_and_query: path,
        headers: headers.map(|(name, value)| (name.to_owned(), value)).to_vec(),
        body: None,
    }
}

/// Crockford's base32, most significant bit first; the last digit is padded with zeros.
fn base32(bytes: &[u8]) -> String {
    let mut text = String::new();
    let (mut bits, mut held) = (0_u32, 0_u32);
    for byte in bytes {
        held = (held << 8) | u32::from(*byte);
        bits += 8;
        while bits >= 5 {
            bits -= 5;
            text.push(digit(u8::try_from((held >> bits) & 31).unwrap_or(0)));
            held &= (1 << bits) - 1;
        }
    }
    if bits > 0 {
        text.push(digit(u8::try_from((held << (5 - bits)) & 31).unwrap_or(0)));
    }
    text
}

fn digit(value: u8) -> char {
    let digits = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    digits.get(usize::from(value)).copied().map_or('0', char::from)
}

#[cfg(test)]
mod tests;
