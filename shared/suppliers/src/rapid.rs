//! Expedia Rapid, stays.

use chrono::{DateTime, Utc};
use contracts::{
    ids::LegId,
    money::Currency,
    offer::{Offer, PriceCheck, StaySearch},
    supplier::Supplier,
};
use secrecy::SecretString;

use crate::{
    Access, Answer, Asked, BadKey, Broken, Callback, Dialect, Forged, HttpReply, HttpRequest,
    Known, Method, NoHandle, Reserve, Sent, Unclear,
};

/// The dialect of Expedia Rapid.
pub struct Rapid;

impl Dialect for Rapid {
    fn supplier(&self) -> Supplier {
        Supplier::Rapid
    }
    fn search(&self, _: &Access, _: DateTime<Utc>, _: &StaySearch) -> HttpRequest {
        HttpRequest { method: Method::Get, path_and_query: "/".into(), headers: vec![], body: None }
    }
    fn read_search(&self, _: &StaySearch, _: &HttpReply) -> Result<Vec<Offer>, Broken> {
        Err(Broken::Expired)
    }
    fn price_check(&self, _: &Access, _: DateTime<Utc>, _: &str) -> Result<HttpRequest, BadKey> {
        Err(BadKey)
    }
    fn read_price_check(&self, _: &str, _: Currency, _: &HttpReply) -> Result<PriceCheck, Broken> {
        Err(Broken::Expired)
    }
    fn reserve(
        &self,
        _: &Access,
        _: DateTime<Utc>,
        _: &Reserve<'_>,
    ) -> Result<HttpRequest, BadKey> {
        Err(BadKey)
    }
    fn confirm(
        &self,
        _: &Access,
        _: DateTime<Utc>,
        _: &Known<'_>,
    ) -> Result<HttpRequest, NoHandle> {
        Err(NoHandle)
    }
    fn cancel(&self, _: &Access, _: DateTime<Utc>, _: &Known<'_>) -> Result<HttpRequest, NoHandle> {
        Err(NoHandle)
    }
    fn lookup(&self, _: &Access, _: DateTime<Utc>, _: &Known<'_>) -> HttpRequest {
        HttpRequest { method: Method::Get, path_and_query: "/".into(), headers: vec![], body: None }
    }
    fn read(&self, _: &Asked<'_>, _: &Sent) -> Answer {
        Answer::Unknown { why: Unclear::NoAnswer }
    }
    fn client_reference(&self, leg: LegId, attempt: u32) -> String {
        format!("{leg}{attempt}")
    }
    fn verify_callback(
        &self,
        _: &[SecretString],
        _: DateTime<Utc>,
        _: std::time::Duration,
        _: &[(String, String)],
        _: &[u8],
    ) -> Result<Callback, Forged> {
        Err(Forged::Signature)
    }
}
