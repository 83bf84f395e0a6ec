//! What a reply says of how much more may be asked: each supplier has its own form, and what comes
//! out is the same.

use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::HttpReply;

/// How much a supplier still lets us ask, by one of its replies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// What it counts.
    pub scope: Scope,
    /// What is left.
    pub left: Left,
    /// When it counts anew, from the reply on; nothing where the reply does not say.
    pub resets_in: Option<Duration>,
}

/// What a quota counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Every call of our account.
    Account,
    /// The calls to one path.
    Path,
}

/// What is left of a quota.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Left {
    /// Nothing: the call was turned away.
    Nothing,
    /// So many hundredths.
    Percent(u8),
    /// So many calls.
    Calls {
        /// Left of them.
        left: u64,
        /// Allowed in all.
        of: u64,
    },
}

impl Quota {
    /// The call was turned away because too much was asked.
    pub(crate) fn spent(scope: Scope, resets_in: Option<Duration>) -> Self {
        Self { scope, left: Left::Nothing, resets_in }
    }
}

/// The value of a header.
pub(crate) fn header<'a>(reply: &'a HttpReply, wanted: &str) -> Option<&'a str> {
    let mut all = reply.headers.iter();
    all.find(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, value)| value.trim())
}

/// A header that is a whole number.
pub(crate) fn number(reply: &HttpReply, wanted: &str) -> Option<u64> {
    header(reply, wanted)?.parse().ok()
}

/// How long `retry-after` asks to wait (RFC 9110, 10.2.3): seconds, or a date.
pub(crate) fn retry_after(reply: &HttpReply, now: DateTime<Utc>) -> Option<Duration> {
    let text = header(reply, "retry-after")?;
    let seconds = text.parse().ok().map(Duration::from_secs);
    seconds.or_else(|| until(http_date(text)?, now))
}

/// A date in the form of HTTP.
pub(crate) fn http_date(text: &str) -> Option<DateTime<Utc>> {
    DateTime::parse_from_rfc2822(text).ok().map(|at| at.with_timezone(&Utc))
}

/// From now until then; nothing where it is past.
pub(crate) fn until(at: DateTime<Utc>, now: DateTime<Utc>) -> Option<Duration> {
    (at - now).to_std().ok()
}

#[cfg(test)]
mod tests {
    use contracts::supplier::Supplier;
    use serde_json::json;

    use super::*;
    use crate::dialect;

    fn reply(status: u16, headers: &[(&str, &str)], body: &str) -> HttpReply {
        let headers = headers.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        HttpReply { status, headers, body: body.as_bytes().to_vec() }
    }

    fn said(supplier: Supplier, reply: &HttpReply) -> Option<Quota> {
        dialect(supplier).quota(reply, "2026-11-21T12:00:30Z".parse().unwrap())
    }

    fn quota(scope: Scope, left: Left, seconds: Option<u64>) -> Option<Quota> {
        Some(Quota { scope, left, resets_in: seconds.map(Duration::from_secs) })
    }

    /// Row: B8
    #[test]
    fn rapid_says_percent_until_an_instant_in_milliseconds() {
        let at = "1795262460000";
        let headers = [("Rate-Limit-Minute-Remaining", "37"), ("Rate-Limit-Minute-Reset", at)];
        let told = said(Supplier::Rapid, &reply(200, &headers, "[]"));
        assert_eq!(told, quota(Scope::Account, Left::Percent(37), Some(30)));
        let told = said(Supplier::Rapid, &reply(429, &headers, "{}"));
        assert_eq!(told, quota(Scope::Account, Left::Nothing, Some(30)));
        // The headers are optional, and only the whole of one means anything.
        assert_eq!(said(Supplier::Rapid, &reply(200, &[], "[]")), None);
        for odd in ["", "101", "-1", "37.5", "a lot"] {
            let headers = [("rate-limit-minute-remaining", odd), headers[1]];
            assert_eq!(said(Supplier::Rapid, &reply(200, &headers, "[]")), None, "{odd}");
        }
        let told = said(Supplier::Rapid, &reply(429, &[("retry-after", "7")], "{}"));
        assert_eq!(told, quota(Scope::Account, Left::Nothing, Some(7)));
    }

    /// Row: B8
    #[test]
    fn etg_counts_each_endpoint_in_the_body() {
        let body = |remaining: i64| {
            let endpoint = json!({
                "is_active": true, "is_limited": true, "remaining": remaining,
                "requests_number": 30, "reset": "2026-11-21T12:01:00", "seconds_number": 60,
            });
            json!({"data": null, "debug": {"api_endpoint": endpoint}, "error": null, "status": "ok"})
                .to_string()
        };
        let told = said(Supplier::Etg, &reply(200, &[], &body(11)));
        assert_eq!(told, quota(Scope::Path, Left::Calls { left: 11, of: 30 }, Some(30)));
        let told = said(Supplier::Etg, &reply(429, &[], &body(0)));
        assert_eq!(told, quota(Scope::Path, Left::Nothing, Some(30)));
        let free = body(11).replace("\"is_limited\":true", "\"is_limited\":false");
        assert_eq!(said(Supplier::Etg, &reply(200, &[], &free)), None);
        assert_eq!(said(Supplier::Etg, &reply(200, &[], &body(-1))), None);
        assert_eq!(said(Supplier::Etg, &reply(200, &[], "<html>")), None);
        let told = said(Supplier::Etg, &reply(429, &[], "<html>"));
        assert_eq!(told, quota(Scope::Path, Left::Nothing, None));
    }

    /// Row: B8
    #[test]
    fn duffel_counts_in_headers_until_a_date() {
        let headers = [
            ("ratelimit-limit", "60"),
            ("ratelimit-remaining", "3"),
            ("ratelimit-reset", "Sat, 21 Nov 2026 12:01:00 GMT"),
        ];
        let told = said(Supplier::Duffel, &reply(200, &headers, "{}"));
        assert_eq!(told, quota(Scope::Account, Left::Calls { left: 3, of: 60 }, Some(30)));
        let told = said(Supplier::Duffel, &reply(429, &headers, "{}"));
        assert_eq!(told, quota(Scope::Account, Left::Nothing, Some(30)));
        assert_eq!(said(Supplier::Duffel, &reply(200, &headers[1..], "{}")), None);
    }

    /// Row: B8
    #[test]
    fn a_partner_counts_in_headers_for_so_many_seconds() {
        let headers =
            [("ratelimit-limit", "60"), ("ratelimit-remaining", "3"), ("ratelimit-reset", "30")];
        let told = said(Supplier::Neutral, &reply(200, &headers, "{}"));
        assert_eq!(told, quota(Scope::Account, Left::Calls { left: 3, of: 60 }, Some(30)));
        let told = said(Supplier::Neutral, &reply(429, &headers, "{}"));
        assert_eq!(told, quota(Scope::Account, Left::Nothing, Some(30)));
        let later = [headers[2], ("retry-after", "45")];
        let told = said(Supplier::Neutral, &reply(429, &later, "{}"));
        assert_eq!(told, quota(Scope::Account, Left::Nothing, Some(45)));
        assert_eq!(said(Supplier::Neutral, &reply(200, &headers[1..], "{}")), None);
    }

    /// Row: B8
    #[test]
    fn hotelbeds_says_403_with_a_word_of_its_gateway() {
        let over = [("X-Mashery-Error-Code", "ERR_403_DEVELOPER_OVER_RATE")];
        let told = said(Supplier::Hotelbeds, &reply(403, &over, "{}"));
        assert_eq!(told, quota(Scope::Account, Left::Nothing, None));
        let over = [("x-mashery-error-code", "ERR_403_DEVELOPER_OVER_QPS")];
        let told = said(Supplier::Hotelbeds, &reply(403, &over, "{}"));
        assert_eq!(told, quota(Scope::Account, Left::Nothing, Some(1)));
        // A wrong key is no quota, and waiting does not mend it.
        let key = [("x-mashery-error-code", "ERR_403_DEVELOPER_INACTIVE")];
        assert_eq!(said(Supplier::Hotelbeds, &reply(403, &key, "{}")), None);
        assert_eq!(said(Supplier::Hotelbeds, &reply(403, &[], "{}")), None);
    }
}
