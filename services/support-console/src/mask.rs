//! What of a dead letter is shown without asking: everything that a service of ours wrote, and of
//! the rest only its shape. Whoever sent garbage may have put a name or a card number into it.

use chrono::DateTime;
use contracts::{envelope::header, mend};
use serde_json::{Map, Value};
use uuid::Uuid;

/// Text beyond this is not shown masked: a shape of a megabyte helps nobody.
const SHOWN_MAX: usize = 4096;
/// A number with more digits may be that of a card or a passport.
const DIGITS_MAX: usize = 6;

/// Headers that we or the broker write, with what a consumer makes of them.
const OURS: [&str; 14] = [
    header::ID,
    header::SPEC,
    header::TYPE,
    header::SOURCE,
    header::SUBJECT,
    header::TIME,
    header::ATTEMPT,
    header::TRACEPARENT,
    header::CAUSE,
    header::CONSUMER,
    header::EXCHANGE,
    header::ROUTING_KEY,
    header::FIRST_AT,
    header::LAST_AT,
];

/// A body as it may be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Shown {
    /// The text; none for bytes that are no text.
    pub(crate) text: Option<String>,
    /// Whether something of it is hidden.
    pub(crate) masked: bool,
}

/// Shows a body whole if it is what its type says: such messages carry no personal data.
pub(crate) fn body(message_type: Option<&str>, bytes: &[u8]) -> Shown {
    let Ok(text) = std::str::from_utf8(bytes) else { return Shown { text: None, masked: true } };
    if message_type.is_some_and(|name| mend::is_readable(name, bytes)) || text.is_empty() {
        return Shown { text: Some(text.to_owned()), masked: false };
    }
    let shown = match serde_json::from_str::<Value>(text) {
        Ok(json) => value(&json).to_string(),
        Err(_no_json) => shape(text),
    };
    let shown: String = shown.chars().take(SHOWN_MAX).collect();
    Shown { text: Some(shown), masked: true }
}

/// Shows headers: ours where they are plain words, the shape of everything else.
pub(crate) fn headers(headers: &Map<String, Value>) -> Map<String, Value> {
    let shown = headers.iter().map(|(name, held)| {
        let ours = OURS.contains(&name.as_str()) || name.starts_with("x-");
        let held = if ours { words(held) } else { value(held) };
        (key(name), held)
    });
    shown.collect()
}

/// Shows a sentence of ours, with the shape of what it quotes.
pub(crate) fn sentence(text: &str) -> String {
    let quoted = |(n, part): (usize, &str)| {
        if n % 2 == 1 && !is_word(part) { shape(part) } else { part.to_owned() }
    };
    text.split('`').enumerate().map(quoted).collect::<Vec<_>>().join("`")
}

/// Shows a word of ours, or the shape of what stands in its place.
pub(crate) fn word(text: &str) -> String {
    if is_word(text) { text.to_owned() } else { shape(text) }
}

/// Shows where something is in a document, with the shape of names that are not like ours.
pub(crate) fn pointer(text: &str) -> String {
    text.split('/').map(key).collect::<Vec<_>>().join("/")
}

/// Shows a sentence that nobody of ours is known to have written.
pub(crate) fn foreign(text: &str) -> String {
    shape(text)
}

/// Shows the structure of a document, and of its texts and long numbers only the shape.
pub(crate) fn value(held: &Value) -> Value {
    match held {
        Value::Null | Value::Bool(_) => held.clone(),
        Value::Number(number) if number.to_string().len() <= DIGITS_MAX => held.clone(),
        Value::Number(number) => shape(&number.to_string()).into(),
        Value::String(text) if is_id_or_instant(text) => held.clone(),
        Value::String(text) => shape(text).into(),
        Value::Array(items) => items.iter().map(value).collect(),
        Value::Object(fields) => {
            fields.iter().map(|(name, held)| (key(name), value(held))).collect()
        }
    }
}

fn words(held: &Value) -> Value {
    match held {
        Value::String(text) => word(text).into(),
        Value::Array(items) => items.iter().map(words).collect(),
        Value::Object(fields) => {
            fields.iter().map(|(name, held)| (key(name), words(held))).collect()
        }
        // One as long as a card's is shaped like one in a body.
        Value::Number(_) => value(held),
        Value::Null | Value::Bool(_) => held.clone(),
    }
}

/// A name of a field or a header; one that is not like ours may be somebody's, and somebody's
/// begins with a capital.
fn key(name: &str) -> String {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "_-:$.".contains(c);
    let is_name = OURS.contains(&name)
        || name.len() <= 64 && name.chars().all(plain) && digits(name) <= DIGITS_MAX;
    if is_name { name.to_owned() } else { shape(name) }
}

/// Types, queues, ids, instants, trace contexts, numbers: what we write into headers.
fn is_word(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "_-:.".contains(c);
    // A name has letters beside its numbers; that of a card or a phone has none.
    let is_number = !text.chars().any(|c| c.is_ascii_lowercase()) && digits(text) > DIGITS_MAX;
    is_id_or_instant(text)
        || is_trace(text)
        || (text.len() <= 100
            && text.chars().all(plain)
            && !is_number
            && longest_number(text) <= DIGITS_MAX)
}

/// How many digits stand together, as cards and phones are written: with or without what parts
/// them.
fn longest_number(text: &str) -> usize {
    let parts = text.split(|c: char| c.is_ascii_lowercase() || c == ':');
    parts.map(digits).max().unwrap_or_default()
}

fn is_id_or_instant(text: &str) -> bool {
    (text.len() == 36 && Uuid::parse_str(text).is_ok())
        || DateTime::parse_from_rfc3339(text).is_ok()
}

fn is_trace(text: &str) -> bool {
    text.len() == 55 && text.chars().all(|c| c.is_ascii_hexdigit() || c == '-')
}

fn digits(text: &str) -> usize {
    text.chars().filter(char::is_ascii_digit).count()
}

/// Letters become `x`, digits become `9`; the rest stays.
fn shape(text: &str) -> String {
    let masked = |c: char| match c {
        c if c.is_alphabetic() => 'x',
        c if c.is_numeric() => '9',
        c => c,
    };
    text.chars().take(SHOWN_MAX).map(masked).collect()
}

#[cfg(test)]
mod tests {
    use contracts::{message::Message as _, messages::BookingFailed};
    use serde_json::json;

    use super::*;

    const ID: &str = "0198c0de-0000-7000-8000-000000000001";

    #[test]
    fn a_body_that_can_be_read_is_shown_whole() {
        let text = json!({ "booking_id": ID, "account_id": "acct_1", "version": 3,
                           "at": "2026-01-01T00:00:00Z" })
        .to_string();
        let shown = body(Some(BookingFailed::TYPE), text.as_bytes());
        assert_eq!(shown, Shown { text: Some(text.clone()), masked: false });
        assert!(body(Some("another.type"), text.as_bytes()).masked);
        assert!(body(None, text.as_bytes()).masked);
    }

    #[test]
    fn of_garbage_only_the_shape_is_shown() {
        let planted = json!({
            "booking_id": ID, "at": "2026-01-01T00:00:00Z", "version": 3, "name": "Ada Lovelace",
            "card": 4_111_111_111_111_111_u64, "passport": "X1234567", "Ada Lovelace": true,
            "Lovelace": 1,
            "list": ["ada@example.org", { "phone": "+44 20 7946 0000" }], "lower": "lovelace",
        });
        let shown = body(Some(BookingFailed::TYPE), planted.to_string().as_bytes());
        let text = shown.text.unwrap();
        for secret in ["Ada", "Lovelace", "4111", "1234567", "example.org", "7946", "lovelace"] {
            assert!(!text.contains(secret), "{secret} in {text}");
        }
        let shown: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(shown["booking_id"], ID);
        assert_eq!((&shown["version"], &shown["name"]), (&json!(3), &json!("xxx xxxxxxxx")));

        let shown = body(None, b"Ada Lovelace <ada@example.org> 4111 1111");
        assert_eq!(shown.text.as_deref(), Some("xxx xxxxxxxx <xxx@xxxxxxx.xxx> 9999 9999"));
        assert_eq!(body(None, b"\xff\xfe"), Shown { text: None, masked: true });
    }

    #[test]
    fn headers_of_ours_are_shown_where_they_are_what_we_write() {
        let given = json!({
            "cloudEvents:type": "holdfast.booking.failed.v1", "cloudEvents:subject": ID,
            "cloudEvents:time": "2026-01-01T00:00:00.000001Z", "holdfast-attempt": 2,
            "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "holdfast-exchange": "t.holdfast.events", "holdfast-consumer": "rewards",
            "x-death": [{ "queue": "t.rewards", "count": 1, "reason": "delivery_limit" }],
        });
        let given = given.as_object().unwrap();
        assert_eq!(&headers(given), given);
        let card = json!({ "x-card": 4_111_111_111_111_111_u64 });
        let shown = headers(card.as_object().unwrap());
        assert!(!json!(shown).to_string().contains("4111"), "{shown:?}");
        let planted = json!({ "cloudEvents:type": "Ada Lovelace", "vendor": "ada", "Ada L": 1,
                              "cloudEvents:source": "4111111111111111",
                              "holdfast-cause": "card4111111111111111",
                              "holdfast-consumer": "visa-4111-1111-1111-1111" });
        let shown = headers(planted.as_object().unwrap());
        let expected = json!({ "cloudEvents:type": "xxx xxxxxxxx", "vendor": "xxx", "xxx x": 1,
                               "cloudEvents:source": "9999999999999999",
                               "holdfast-cause": "xxxx9999999999999999",
                               "holdfast-consumer": "xxxx-9999-9999-9999-9999" });
        assert_eq!(&shown, expected.as_object().unwrap());
    }

    #[test]
    fn what_a_sentence_quotes_is_masked() {
        let said = "rewards does not know the type `Ada Lovelace`";
        assert_eq!(sentence(said), "rewards does not know the type `xxx xxxxxxxx`");
        let said = "rewards does not know the type `holdfast.a.b.v2`";
        assert_eq!(sentence(said), said);
    }
}
