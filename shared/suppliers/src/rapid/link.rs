//! The supplier's links: a path and a token that we send back as they came, to no other host.

/// Where a kind of link may lead.
///
/// The specification allows absolute links too (spec 21256, `Link.href`). We take relative ones
/// under `/v3/` only: a reply must not be able to choose whom we send our signature to.
pub(super) struct Way {
    method: &'static str,
    prefix: &'static str,
}

/// From an offer to its price check.
pub(super) const PRICE_CHECK: Way = Way { method: "GET", prefix: "/v3/properties/" };
/// From a price check to a booking.
pub(super) const BOOK: Way = Way { method: "POST", prefix: "/v3/itineraries?" };
/// From a held booking to a booked one.
pub(super) const RESUME: Way = Way { method: "PUT", prefix: "/v3/itineraries/" };
/// From a held or booked one to none.
pub(super) const CANCEL: Way = Way { method: "DELETE", prefix: "/v3/itineraries/" };

/// From a booked room to one of other details.
pub(super) const CHANGE: Way = Way { method: "PUT", prefix: "/v3/itineraries/" };

/// Tokens are long; this much is plenty, and more is no link.
const LENGTH_MAX: usize = 4_096;

impl Way {
    /// The link, if it leads this way.
    pub(super) fn checked(&self, href: &str) -> Option<String> {
        let path = href.split('?').next().unwrap_or_default();
        let plain = href.len() <= LENGTH_MAX
            && href.bytes().all(|b| b.is_ascii_graphic() && !b"\\#\"<>".contains(&b));
        let straight = !path.contains("//") && !path.split('/').any(|s| s == ".." || s == ".");
        let fits = plain && straight && !path.contains('%') && href.starts_with(self.prefix);
        fits.then(|| href.to_owned())
    }

    /// The link of a reply, if its method and its path are this way's.
    pub(super) fn of(&self, link: &super::wire::Link) -> Option<String> {
        if link.method == self.method { self.checked(&link.href) } else { None }
    }
}

/// Encodes a value of a query; everything but letters, digits and `-._~,` is escaped.
pub(super) fn encode(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~,".contains(&byte) {
            text.push(char::from(byte));
        } else {
            text.push('%');
            text.push_str(&hex::encode_upper([byte]));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_lead_nowhere_but_to_the_supplier() {
        assert!(RESUME.checked("/v3/itineraries/899?token=MY5S3j36cOcL").is_some());
        for bad in [
            "",
            "https://evil.example/v3/itineraries/899?token=a",
            "//evil.example/v3/itineraries/899",
            "/v2/itineraries/899",
            "/v3/properties/899",
            "/v3/itineraries/../../admin",
            "/v3/itineraries/%2e%2e/admin",
            "/v3/itineraries//evil",
            "/v3/itineraries/8 99",
            "/v3/itineraries/8\r\nhost: evil",
            "/v3/itineraries/899#fragment",
            "/v3/itineraries/é",
            &format!("/v3/itineraries/{}", "x".repeat(LENGTH_MAX)),
        ] {
            assert_eq!(RESUME.checked(bad), None, "{bad}");
        }
    }

    #[test]
    fn values_of_queries_are_escaped() {
        assert_eq!(encode("ops+rapid@holdfast.example"), "ops%2Brapid%40holdfast.example");
        assert_eq!(encode("2-9,4"), "2-9,4");
        assert_eq!(encode("a&b=c é"), "a%26b%3Dc%20%C3%A9");
    }
}
