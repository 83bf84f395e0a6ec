//! The opaque tokens of Rapid's links: they carry what was chosen, sealed, so that nothing is kept
//! per search.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, NaiveDate, TimeZone, Utc};
use sha2::{Digest, Sha256};

use super::pricing::{Currency, Occupancy, Selection};

const SEAL: usize = 12;

/// Seals and opens tokens with a key of this run.
pub(crate) struct Tokens {
    key: [u8; 32],
}

/// What a link may be used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    PriceCheck,
    Book,
    Shop,
}

impl Purpose {
    fn letter(self) -> &'static str {
        match self {
            Self::PriceCheck => "c",
            Self::Book => "b",
            Self::Shop => "s",
        }
    }
}

/// A chosen rate at the price it was shown with.
pub(crate) struct Choice {
    pub(crate) selection: Selection,
    pub(crate) total_minor: i64,
    pub(crate) expires_at: DateTime<Utc>,
}

impl Tokens {
    pub(crate) fn new(key: [u8; 32]) -> Self {
        Self { key }
    }

    pub(crate) fn choice(&self, purpose: Purpose, choice: &Choice) -> String {
        let wanted = &choice.selection;
        let guests: Vec<String> = wanted.occupancies.iter().map(Occupancy::write).collect();
        self.seal(&format!(
            "{}|{}|{}|{}|{}|{}|{}|{}|{}|{}",
            purpose.letter(),
            choice.expires_at.timestamp_millis(),
            wanted.property,
            wanted.room,
            wanted.rate,
            wanted.check_in,
            wanted.check_out,
            wanted.currency.code(),
            choice.total_minor,
            guests.join(";"),
        ))
    }

    /// Reads a token back; none when it was not made here for this purpose.
    pub(crate) fn read_choice(&self, purpose: Purpose, token: &str) -> Option<Choice> {
        let opened = self.open(token)?;
        let parts: Vec<&str> = opened.split('|').collect();
        let [letter, expires, property, room, rate, check_in, check_out, currency, total, guests] =
            parts[..]
        else {
            return None;
        };
        if letter != purpose.letter() {
            return None;
        }
        let date = |text: &str| NaiveDate::parse_from_str(text, "%Y-%m-%d").ok();
        Some(Choice {
            selection: Selection {
                property: property.parse().ok()?,
                room: room.parse().ok()?,
                rate: rate.parse().ok()?,
                check_in: date(check_in)?,
                check_out: date(check_out)?,
                occupancies: guests.split(';').map(Occupancy::parse).collect::<Option<_>>()?,
                currency: Currency::parse(currency)?,
            },
            total_minor: total.parse().ok()?,
            expires_at: Utc.timestamp_millis_opt(expires.parse().ok()?).single()?,
        })
    }

    /// The token of every link of an itinerary.
    pub(crate) fn itinerary(&self, reference: u64) -> String {
        self.seal(&format!("i|{reference}"))
    }

    pub(crate) fn read_itinerary(&self, token: &str) -> Option<u64> {
        self.open(token)?.strip_prefix("i|")?.parse().ok()
    }

    fn seal(&self, words: &str) -> String {
        let mut bytes = self.tag(words.as_bytes()).to_vec();
        bytes.extend_from_slice(words.as_bytes());
        URL_SAFE_NO_PAD.encode(bytes)
    }

    fn open(&self, token: &str) -> Option<String> {
        let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
        let (tag, words) = bytes.split_at_checked(SEAL)?;
        if self.tag(words) != tag {
            return None;
        }
        String::from_utf8(words.to_vec()).ok()
    }

    fn tag(&self, words: &[u8]) -> [u8; SEAL] {
        let hash = Sha256::new().chain_update(self.key).chain_update(words).finalize();
        let mut tag = [0; SEAL];
        tag.copy_from_slice(&hash[..SEAL]);
        tag
    }
}
