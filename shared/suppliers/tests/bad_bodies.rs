//! Every recorded good answer of every dialect, spoilt in every place: none is believed to say what
//! it does not say, and none makes a dialect panic.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a panic is a failed test"
)]

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use chrono::NaiveDateTime;
use contracts::{
    money::Currency,
    offer::{Offer, PriceCheck, Search, Terms},
    supplier::Supplier,
};
use serde::Deserialize;
use serde_json::{Value, json};
use suppliers::{
    ALL, Answer, Asked, Broken, Dialect, Found, HttpReply, Odd, Operation, SeenReservation,
    SeenState, Sent, Unclear,
};

/// One recorded reply, as far as it is needed here.
#[derive(Deserialize)]
struct Fixture {
    kind: String,
    operation: String,
    #[serde(default)]
    asked: Value,
    offer_of: Option<String>,
    reply: Reply,
    #[serde(default)]
    earlier: Vec<Reply>,
}

#[derive(Deserialize)]
struct Reply {
    status: Option<u16>,
    json: Option<Value>,
    text: Option<String>,
}

/// What a reply came to.
#[derive(Debug, PartialEq, Eq)]
enum Came {
    Offers(Result<Found, Broken>),
    Price(Result<PriceCheck, Broken>),
    Answer(Answer),
}

/// How a body is spoilt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Spoilt {
    Missing,
    Renamed,
    Retyped,
    NewWord,
    Truncated,
    Other,
}

/// Optional fields without which a reply says, as documented, something else; under another name
/// they are no such field.
const OPTIONAL: [(&str, &str, &str); 3] = [
    ("rapid", "/current_refundability", "without it the penalties' windows say it"),
    ("rapid", "/nonrefundable_date_ranges", "without it no night is excepted"),
    ("rapid", "/cancel_penalties/0/", "one of three forms of a penalty, which add up"),
];

/// Fields without which a reply says, as documented, something else: supplier, place, and why that
/// is to be borne.
const SAYS_ELSE: [(&str, &str, &str); 5] = [
    ("rapid", "/complete_payment_session", "the link is there only where a card was challenged"),
    ("hotelbeds", "/rateCode", "another rate's code: the one that was asked for is not there"),
    ("duffel", "/metadata", "an order that does not name us is somebody else's"),
    ("duffel", "/metadata/client_reference", "an order that does not name us is somebody else's"),
    ("duffel", "/price_guarantee_expires_at", "null where the price is not guaranteed"),
];

/// Row: B10
#[test]
fn no_answer_that_is_spoilt_in_any_place_is_believed() {
    let mut counts: BTreeMap<(&str, Spoilt), usize> = BTreeMap::new();
    let mut wrong = Vec::new();
    for dialect in ALL {
        let word = dialect.supplier().word();
        for (path, fixture) in good(dialect) {
            let Some(body) = &fixture.reply.json else { continue };
            let offer = fixture.offer_of.as_deref().map(|name| offer(dialect, name));
            let came = |bytes| came(dialect, &fixture, offer.as_ref(), bytes);
            let whole = came(body.to_string().into_bytes());
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            for (spoilt, place, bytes) in all_spoilt(body) {
                *counts.entry((word, spoilt)).or_default() += 1;
                let must_fail = fails_as_a_whole(&fixture, spoilt);
                let says_else = |(supplier, at, _): &(&str, &str, &str)| {
                    *supplier == word
                        && (place.ends_with(at)
                            || place.contains(&format!("{at}/"))
                            || (at.ends_with('/') && place.contains(at)))
                };
                let now = came(bytes);
                let why = is_no_more(&whole, &now, must_fail).err().or_else(|| tells(body, &now));
                if let Some(why) = why
                    && !SAYS_ELSE.iter().any(says_else)
                    && !(spoilt != Spoilt::Renamed && OPTIONAL.iter().any(says_else))
                {
                    wrong.push(format!("{word} {name} {spoilt:?} {place}: {why}"));
                }
            }
        }
    }
    println!("{counts:?}");
    for dialect in ALL {
        let word = dialect.supplier().word();
        let all: usize = counts.iter().filter(|((w, _), _)| *w == word).map(|(_, n)| n).sum();
        assert!(all >= 300, "{word}: only {all} spoilt bodies");
    }
    assert!(wrong.is_empty(), "{}:\n{}", wrong.len(), wrong.join("\n"));
}

/// Row: B7
#[test]
fn an_order_in_other_names_shows_both_by_digest_and_is_nothing_to_pay_for() {
    let duffel = suppliers::dialect(Supplier::Duffel);
    let path = folder(duffel).parent().unwrap().join("duffel/made/lookup_another_name.json");
    let fixture: Fixture = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let body = fixture.reply.json.as_ref().unwrap();
    let answer = came(duffel, &fixture, None, body.to_string().into_bytes());
    let Came::Answer(Answer::Seen(seen)) = answer else { panic!("{answer:?}") };
    let Some(Odd::Names { ours, theirs }) = &seen[0].odd else { panic!("{seen:?}") };
    assert!(ours != theirs && !ours.is_empty() && !theirs.is_empty());
    assert_eq!(seen[0].state, SeenState::Unclear);
    for name in ["Somebody", "Earhart"] {
        assert!(body.to_string().contains(name) && !format!("{ours}{theirs}").contains(name));
    }
}

/// Whether such a body proves nothing at all: where the status alone says it, or earlier replies
/// do, the last body does not matter.
fn fails_as_a_whole(fixture: &Fixture, spoilt: Spoilt) -> bool {
    let believed = matches!(fixture.reply.status, Some(200 | 201)) && fixture.earlier.is_empty();
    believed && matches!(spoilt, Spoilt::Truncated | Spoilt::Other)
}

/// What is wrong is told by its place, and never with what stood there.
fn tells(body: &Value, now: &Came) -> Option<String> {
    let mut told: Vec<&str> = Vec::new();
    match now {
        Came::Offers(
            Err(Broken::Contract { what })
            | Ok(Found { left_out: Some(Broken::Contract { what }), .. }),
        )
        | Came::Price(Err(Broken::Contract { what })) => {
            told.push(what);
        }
        Came::Answer(Answer::Unknown { why: Unclear::Malformed { what } }) => told.push(what),
        Came::Answer(Answer::Seen(seen)) => {
            told.extend(seen.iter().filter_map(|one| match one.odd.as_ref()? {
                Odd::Contract { what } => Some(what.as_str()),
                Odd::Names { .. } | Odd::Status { .. } => None,
            }));
        }
        Came::Offers(_) | Came::Price(_) | Came::Answer(_) => {}
    }
    told.into_iter().find_map(|what| {
        let secret = texts(body).into_iter().find(|text| text.len() > 12 && what.contains(text));
        let long = what.len() > 400;
        (long || secret.is_some()).then(|| format!("told too much: {what}"))
    })
}

/// Whether `now` says no more than `whole` did: the same, less, or that it is not as documented.
fn is_no_more(whole: &Came, now: &Came, must_fail: bool) -> Result<(), String> {
    let failed = match now {
        // What is left of it may be had as it was.
        Came::Offers(Ok(found)) if found.left_out.is_some() => {
            let Came::Offers(Ok(whole)) = whole else { return Err("out of nothing".to_owned()) };
            return found.offers.iter().try_for_each(|one| offers_no_more(&whole.offers, one));
        }
        Came::Offers(found) => found.is_err(),
        Came::Price(found) => found.is_err(),
        Came::Answer(answer) => matches!(answer, Answer::Unknown { .. }),
    };
    if failed || is_doubted(now) {
        return Ok(());
    }
    if must_fail {
        return Err(format!("believed: {now:?}"));
    }
    match (whole, now) {
        (same, now) if same == now => Ok(()),
        (Came::Offers(Ok(whole)), Came::Offers(Ok(now))) => {
            now.offers.iter().try_for_each(|offer| offers_no_more(&whole.offers, offer))
        }
        (Came::Price(Ok(whole)), Came::Price(Ok(now))) => price_no_more(whole, now),
        (Came::Answer(Answer::Seen(whole)), Came::Answer(Answer::Seen(now))) => {
            now.iter().try_for_each(|one| shows_no_more(whole, one))
        }
        (_, _) => Err(format!("{now:?} in place of {whole:?}")),
    }
}

/// It exists, and everything else about it is doubted, aloud.
fn is_doubted(now: &Came) -> bool {
    let Came::Answer(Answer::Seen(seen)) = now else { return false };
    seen.iter().all(|one| one.state == SeenState::Unclear && one.odd.is_some())
}

fn offers_no_more(whole: &[Offer], now: &Offer) -> Result<(), String> {
    let fits = |one: &&Offer| {
        one.price == now.price
            && (&one.property_id, one.check_in, one.check_out, one.supplier)
                == (&now.property_id, now.check_in, now.check_out, now.supplier)
            && no_kinder(&one.terms, &now.terms)
    };
    let found = whole.iter().any(|one| fits(&one));
    found.then_some(()).ok_or_else(|| format!("an offer that was not made: {now:?}"))
}

fn price_no_more(whole: &PriceCheck, now: &PriceCheck) -> Result<(), String> {
    let parts = |check: &PriceCheck| match check {
        PriceCheck::Available { price, terms, .. }
        | PriceCheck::PriceChanged { price, terms, .. } => Some((*price, terms.clone())),
        PriceCheck::SoldOut => None,
    };
    let same_kind = std::mem::discriminant(whole) == std::mem::discriminant(now);
    match (parts(whole), parts(now)) {
        (Some(whole), Some(now))
            if same_kind && whole.0 == now.0 && no_kinder(&whole.1, &now.1) =>
        {
            Ok(())
        }
        (_, _) => Err(format!("{now:?} in place of {whole:?}")),
    }
}

/// Whether terms promise the customer no more than the whole answer did.
fn no_kinder(whole: &Terms, now: &Terms) -> bool {
    whole == now
        || (!now.refundable && now.holdable <= whole.holdable)
        || (now.cancel_steps == whole.cancel_steps
            && now.refundable <= whole.refundable
            && now.holdable <= whole.holdable)
}

fn shows_no_more(whole: &[SeenReservation], now: &SeenReservation) -> Result<(), String> {
    let fits = |one: &&SeenReservation| {
        one.reference == now.reference
            && (now.state == SeenState::Unclear || same_state(one.state, now.state))
            && (now.check_in.is_none() || now.check_in == one.check_in)
            && (now.check_out.is_none() || now.check_out == one.check_out)
            && (now.price.is_none() || now.price == one.price)
            && (now.segments.is_empty() || times(now) == times(one))
    };
    let found = whole.iter().any(|one| fits(&one));
    found.then_some(()).ok_or_else(|| format!("shown as it is not: {now:?} of {whole:?}"))
}

/// Where flights go and when; an airline may have no code.
fn times(one: &SeenReservation) -> Vec<(&str, &str, NaiveDateTime, NaiveDateTime)> {
    let flights = one.segments.iter();
    flights.map(|f| (&*f.origin, &*f.destination, f.departs_at, f.arrives_at)).collect()
}

/// Until when it is held may be missing.
fn same_state(whole: SeenState, now: SeenState) -> bool {
    whole == now
        || matches!((whole, now), (SeenState::Held { .. }, SeenState::Held { until: None }))
}

fn all_spoilt(body: &Value) -> Vec<(Spoilt, String, Vec<u8>)> {
    let mut all = Vec::new();
    let mut push = |spoilt, place: &str, json: Value| {
        all.push((spoilt, place.to_owned(), json.to_string().into_bytes()));
    };
    for place in places(body) {
        let (parent, key) = place.rsplit_once('/').unwrap();
        let key = key.replace("~1", "/").replace("~0", "~");
        let held = body.pointer(&place).unwrap();
        let mut other = body.clone();
        if let Some(Value::Object(fields)) = other.pointer_mut(parent) {
            let value = fields.remove(&key).unwrap();
            push(Spoilt::Missing, &place, other.clone());
            if let Some(Value::Object(fields)) = other.pointer_mut(parent) {
                fields.insert(format!("{key}_v2"), value);
            }
            push(Spoilt::Renamed, &place, other);
        }
        for retyped in retyped(held) {
            let mut other = body.clone();
            *other.pointer_mut(&place).unwrap() = retyped;
            push(Spoilt::Retyped, &place, other);
        }
        if is_word(held) {
            let mut other = body.clone();
            *other.pointer_mut(&place).unwrap() = json!("brand_new_word");
            push(Spoilt::NewWord, &place, other);
        }
    }
    let whole = body.to_string().into_bytes();
    let step = (whole.len() / 20).max(1);
    for end in (0..whole.len()).step_by(step).chain(whole.len().saturating_sub(3)..whole.len()) {
        all.push((Spoilt::Truncated, format!("after {end} bytes"), whole[..end].to_vec()));
    }
    let deep = format!("{}{}", "[".repeat(500), "]".repeat(500));
    let html = "<!doctype html><html><body><h1>503</h1></body></html>";
    let two = [whole.as_slice(), whole.as_slice()].concat();
    let others: [(&str, Vec<u8>); 9] = [
        ("html", html.into()),
        ("null", "null".into()),
        ("true", "true".into()),
        ("number", "1e400".into()),
        ("text", "\"ok\"".into()),
        ("deep", deep.into()),
        ("bytes", vec![0xff, 0xfe, 0x00]),
        ("blank", " ".repeat(1 << 12).into()),
        ("twice", two),
    ];
    all.extend(others.into_iter().map(|(n, bytes)| (Spoilt::Other, n.to_owned(), bytes)));
    all
}

/// Words of a closed list look so; ids, prices and dates do not, and free text may be anything.
fn is_word(held: &Value) -> bool {
    held.as_str().is_some_and(|text| {
        let letters = text.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')
            || text.bytes().all(|b| b.is_ascii_uppercase() || b == b'_');
        (2..=24).contains(&text.len()) && letters
    })
}

fn retyped(held: &Value) -> Vec<Value> {
    match held {
        Value::Null => vec![json!({"a": 1})],
        Value::Bool(yes) => vec![json!(yes.to_string()), json!(7), Value::Null],
        Value::Number(n) => vec![json!({"value": n}), json!([n]), Value::Null],
        Value::String(text) => vec![json!(17), json!([text]), json!({"value": text}), Value::Null],
        Value::Array(items) => vec![json!({"items": items}), json!("none"), Value::Null],
        Value::Object(_) => vec![json!([held]), json!("none"), Value::Null],
    }
}

/// The place of everything in a document, as JSON pointers.
fn places(body: &Value) -> Vec<String> {
    let mut all = Vec::new();
    walk(body, "", &mut all);
    all
}

fn walk(value: &Value, at: &str, all: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (name, held) in fields {
                let place = format!("{at}/{}", name.replace('~', "~0").replace('/', "~1"));
                all.push(place.clone());
                walk(held, &place, all);
            }
        }
        Value::Array(items) => {
            // The others of a list are spoilt in the same way.
            for (n, held) in items.iter().enumerate().take(2) {
                let place = format!("{at}/{n}");
                all.push(place.clone());
                walk(held, &place, all);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) => vec![text.clone()],
        Value::Array(items) => items.iter().flat_map(texts).collect(),
        Value::Object(fields) => fields.values().flat_map(texts).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) => Vec::new(),
    }
}

fn came(
    dialect: &dyn Dialect,
    fixture: &Fixture,
    offer: Option<&(String, Currency)>,
    body: Vec<u8>,
) -> Came {
    let reply = HttpReply { status: fixture.reply.status.unwrap(), headers: vec![], body };
    let operation = Operation::ALL.into_iter().find(|o| o.word() == fixture.operation).unwrap();
    match operation {
        Operation::Search => {
            let search: Search = serde_json::from_value(fixture.asked.clone()).unwrap();
            Came::Offers(dialect.read_search(&search, &reply))
        }
        Operation::PriceCheck => {
            let (key, currency) = offer.unwrap();
            Came::Price(dialect.read_price_check(key, *currency, &reply))
        }
        Operation::Reserve
        | Operation::Confirm
        | Operation::Cancel
        | Operation::Amend
        | Operation::Lookup => {
            let earlier: Vec<HttpReply> = fixture.earlier.iter().map(http).collect();
            let asked = Asked {
                operation,
                client_reference: fixture.asked["client_reference"].as_str().unwrap(),
                hold: fixture.asked["hold"].as_bool().unwrap_or(false),
                earlier: &earlier,
            };
            Came::Answer(dialect.read(&asked, &Sent::Reply(reply)))
        }
    }
}

fn http(reply: &Reply) -> HttpReply {
    let body = match (&reply.json, &reply.text) {
        (Some(json), _) => json.to_string().into_bytes(),
        (None, text) => text.clone().unwrap_or_default().into_bytes(),
    };
    HttpReply { status: reply.status.unwrap_or(0), headers: vec![], body }
}

fn offer(dialect: &dyn Dialect, name: &str) -> (String, Currency) {
    let path = folder(dialect).join(format!("{name}.json"));
    let fixture: Fixture = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let search: Search = serde_json::from_value(fixture.asked).unwrap();
    let body = fixture.reply.json.unwrap().to_string().into_bytes();
    let reply = HttpReply { status: 200, headers: vec![], body };
    let offers = dialect.read_search(&search, &reply).unwrap().offers;
    (offers[0].rate_key.clone(), search.currency())
}

fn folder(dialect: &dyn Dialect) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(dialect.supplier().word())
}

/// The published good answers of a dialect.
fn good(dialect: &dyn Dialect) -> Vec<(PathBuf, Fixture)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder(dialect).join("published")).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read(&path).unwrap();
        let fixture: Fixture = serde_json::from_slice(&text).unwrap();
        if fixture.kind == "good" && fixture.reply.status.is_some() {
            found.push((path, fixture));
        }
    }
    found.sort_by(|a, b| a.0.cmp(&b.0));
    found
}
