//! What every supplier must pass: each dialect over all its fixtures, and each fixture's kinds
//! complete.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a panic is a failed test"
)]

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use contracts::{
    messages::RefusedWhy,
    offer::{PriceCheck, Search, Terms},
    supplier::Supplier,
};
use serde::Deserialize;
use serde_json::{Value, json};
use suppliers::{
    ALL, Answer, Asked, Broken, Dialect, HttpReply, Known, Operation, SeenReservation, SeenState,
    Sent, Unclear,
    outcomes::{TABLES, Verdict},
};

/// One reply, and what it must come to.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Fixture {
    /// Where the supplier says so; `made` where we made it up.
    source: String,
    kind: Kind,
    operation: String,
    #[serde(default)]
    asked: Value,
    /// Of a price check: the search fixture whose first offer is checked.
    offer_of: Option<String>,
    reply: Reply,
    /// The replies to the calls before, oldest first, where the exchange took several.
    #[serde(default)]
    earlier: Vec<Reply>,
    expect: Value,
}

#[derive(Deserialize, PartialEq, Eq, PartialOrd, Ord, Clone, Copy, Debug)]
#[serde(rename_all = "snake_case")]
enum Kind {
    Good,
    Bad,
    Empty,
    Odd,
    UnknownStatus,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Reply {
    status: Option<u16>,
    json: Option<Value>,
    text: Option<String>,
    sent: Option<String>,
}

/// Where the offers of a search stand in each supplier's answer.
const OFFERS: [(&str, &str); 5] = [
    ("rapid", "/0/rooms/0/rates"),
    ("etg", "/data/hotels/0/rates"),
    ("hotelbeds", "/activities"),
    ("duffel", "/data/offers"),
    ("neutral", "/offers"),
];

#[test]
fn an_offer_that_is_not_as_documented_takes_no_other_away() {
    for dialect in ALL {
        let word = dialect.supplier().word();
        let (_, place) = OFFERS.into_iter().find(|(of, _)| *of == word).unwrap();
        let good = fixtures(dialect).into_iter().map(|(_, fixture)| fixture);
        let mut good = good.filter(|it| it.kind == Kind::Good && it.operation == "search");
        let good = good
            .find(|fixture| {
                let told = fixture.reply.json.as_ref().and_then(|json| json.pointer(place));
                told.and_then(Value::as_array).is_some_and(|told| !told.is_empty())
            })
            .unwrap_or_else(|| panic!("{word} finds nothing in any fixture"));
        let search: Search = serde_json::from_value(good.asked.clone()).unwrap();
        let read = |change: &dyn Fn(&mut Vec<Value>)| {
            let mut body = good.reply.json.clone().unwrap();
            change(body.pointer_mut(place).unwrap().as_array_mut().unwrap());
            let body = body.to_string().into_bytes();
            dialect.read_search(&search, &HttpReply { status: 200, headers: vec![], body })
        };
        let whole = read(&|_| ()).unwrap();
        assert!(!whole.offers.is_empty() && whole.left_out.is_none(), "{word}");
        let odd = read(&|offers| offers.insert(0, json!({ "new": 1 }))).unwrap();
        assert_eq!(odd.offers, whole.offers, "{word}");
        assert!(matches!(odd.left_out, Some(Broken::Contract { .. })), "{word}: {odd:?}");
        let nothing_else = read(&|offers| *offers = vec![json!({ "new": 1 })]);
        assert!(matches!(nothing_else, Err(Broken::Contract { .. })), "{word}: {nothing_else:?}");
    }
}

#[test]
fn every_dialect_reads_every_fixture_as_its_supplier_means_it() {
    let mut wrong = Vec::new();
    for dialect in ALL {
        for (path, fixture) in fixtures(dialect) {
            let got = read(dialect, &fixture);
            if got != fixture.expect {
                wrong.push(format!(
                    "{}\n  expected {}\n  got      {got}",
                    path.display(),
                    fixture.expect
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{} fixtures:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn every_dialect_has_a_good_a_bad_an_empty_and_an_unknown_fixture_of_every_operation() {
    for dialect in ALL {
        let mut kinds: BTreeMap<String, BTreeSet<Kind>> = BTreeMap::new();
        for (path, fixture) in fixtures(dialect) {
            let published = path.parent().unwrap().ends_with("published");
            assert_eq!(published, fixture.source != "made", "{}", path.display());
            kinds.entry(fixture.operation).or_default().insert(fixture.kind);
        }
        // What is bought at once is never confirmed.
        let asked = |operation: &Operation| match operation {
            Operation::Confirm => !dialect.holds_by_purchase(),
            Operation::Amend => dialect.supplier().changes_guests(),
            _ => true,
        };
        for operation in Operation::ALL.into_iter().filter(asked) {
            for kind in [Kind::Good, Kind::Bad, Kind::Empty, Kind::UnknownStatus] {
                let has = kinds.get(operation.word()).is_some_and(|k| k.contains(&kind));
                assert!(has, "{} {}: no {kind:?}", dialect.supplier(), operation.word());
            }
        }
    }
}

/// Row: B3
#[test]
fn the_same_500_is_sold_out_at_one_supplier_and_unknown_at_another() {
    let told = |supplier: &str| {
        let table = TABLES.iter().find(|t| t.supplier == supplier).unwrap();
        table.verdict(Operation::Reserve, 500, &[])
    };
    assert_eq!(told("hotelbeds"), Verdict::SureNo(RefusedWhy::SoldOut));
    assert_eq!(told("rapid"), Verdict::Unknown);
}

/// Row: B3
#[test]
fn accepted_with_202_is_unknown_for_book_resume_and_cancel() {
    for dialect in ALL {
        for operation in [Operation::Reserve, Operation::Confirm, Operation::Cancel] {
            let answer = dialect.read(&asked(operation), &reply(202, "{}"));
            assert_eq!(
                answer,
                Answer::Unknown { why: Unclear::AcceptedOnly },
                "{} {}",
                dialect.supplier(),
                operation.word()
            );
        }
    }
}

/// Row: B3
#[test]
fn what_no_table_lists_is_unknown() {
    let codes = ["".to_owned(), "a_new_error".to_owned(), "sold_out".to_owned()];
    for table in TABLES {
        let listed: BTreeSet<(Operation, u16)> =
            table.rules.iter().map(|r| (r.operation, r.status)).collect();
        for operation in Operation::ALL {
            for status in (100..600).filter(|s| !listed.contains(&(operation, *s))) {
                for code in &codes {
                    let verdict = table.verdict(operation, status, std::slice::from_ref(code));
                    assert_eq!(verdict, Verdict::Unknown, "{} {status}", table.supplier);
                }
            }
        }
        for rule in table.rules.iter().filter(|r| r.code.is_some()) {
            let other = table.verdict(rule.operation, rule.status, &["a_new_error".to_owned()]);
            assert_eq!(other, Verdict::Unknown, "{} {rule:?}", table.supplier);
        }
    }
    // And a dialect believes its table.
    for dialect in ALL {
        let unlisted = |status: &u16| judged(dialect, Operation::Reserve, *status).is_none();
        for status in [200, 204, 302, 404, 418, 500, 599].into_iter().filter(unlisted) {
            let answer = dialect.read(&asked(Operation::Reserve), &reply(status, "{}"));
            assert!(matches!(answer, Answer::Unknown { .. }), "{status} {answer:?}");
        }
    }
}

/// Row: B3
#[test]
fn a_taken_client_reference_is_looked_up_and_never_refused() {
    let body = r#"{"type":"invalid_input","message":"","errors":[
        {"type":"address.country_code.invalid","message":""},
        {"type":"duplicate_itinerary","message":""}]}"#;
    let answer = suppliers::rapid::Rapid.read(&asked(Operation::Reserve), &reply(400, body));
    assert_eq!(answer, Answer::Unknown { why: Unclear::Duplicate });
    let rapid = TABLES.iter().find(|t| t.supplier == "rapid").unwrap();
    let verdict = rapid.verdict(Operation::Reserve, 400, &["duplicate_itinerary".to_owned()]);
    assert_eq!(verdict.word(), "sure_yes");
}

/// Row: B3
#[test]
fn no_reply_at_all_is_unknown_unless_nothing_was_sent() {
    for dialect in ALL {
        for operation in
            [Operation::Reserve, Operation::Confirm, Operation::Cancel, Operation::Lookup]
        {
            let asked = asked(operation);
            assert_eq!(dialect.read(&asked, &Sent::NotSent), Answer::NotSent);
            let none = dialect.read(&asked, &Sent::NoAnswer);
            assert_eq!(none, Answer::Unknown { why: Unclear::NoAnswer });
        }
    }
}

#[test]
fn no_body_whatever_makes_a_dialect_panic_or_believe_it() {
    let bodies: Vec<Vec<u8>> = [
        &b""[..],
        b"\xff\xfe",
        b"null",
        b"[]",
        b"{}",
        b"[[]]",
        b"\"\"",
        b"1e400",
        b"{\"type\":7}",
        b"[null]",
        b"{\"itinerary_id\":null}",
    ]
    .map(<[u8]>::to_vec)
    .into();
    for dialect in ALL {
        for status in (100..600).step_by(1) {
            for body in &bodies {
                for operation in [Operation::Reserve, Operation::Confirm, Operation::Cancel] {
                    let sent =
                        Sent::Reply(HttpReply { status, headers: vec![], body: body.clone() });
                    let answer = dialect.read(&asked(operation), &sent);
                    let done = matches!(answer, Answer::Accepted);
                    assert_eq!(
                        done,
                        dialect.supplier() == Supplier::Rapid
                            && status == 204
                            && operation != Operation::Reserve,
                        "{answer:?}"
                    );
                    let refused = matches!(answer, Answer::Refused(_));
                    let listed = judged(dialect, operation, status);
                    assert_eq!(refused, matches!(listed, Some(Verdict::SureNo(_))), "{answer:?}");
                    assert!(!matches!(answer, Answer::Seen(_)), "{answer:?}");
                }
            }
        }
    }
}

/// What the dialect's table says of a status whatever the body says, where that is no yes.
fn judged(dialect: &dyn Dialect, operation: Operation, status: u16) -> Option<Verdict> {
    let table = TABLES.iter().find(|t| t.supplier == dialect.supplier().word()).unwrap();
    match table.verdict(operation, status, &[]) {
        Verdict::Unknown | Verdict::SureYes => None,
        other => Some(other),
    }
}

fn asked(operation: Operation) -> Asked<'static> {
    Asked { operation, client_reference: "0123456789ABCDEFGHJKMNPQRS00", hold: true, earlier: &[] }
}

fn reply(status: u16, body: &str) -> Sent {
    Sent::Reply(HttpReply { status, headers: vec![], body: body.as_bytes().to_vec() })
}

fn read(dialect: &dyn Dialect, fixture: &Fixture) -> Value {
    let http = |reply: &Reply| HttpReply {
        status: reply.status.unwrap_or(0),
        headers: vec![],
        body: match (&reply.json, &reply.text) {
            (Some(json), _) => json.to_string().into_bytes(),
            (None, text) => text.clone().unwrap_or_default().into_bytes(),
        },
    };
    let reply = http(&fixture.reply);
    let earlier: Vec<HttpReply> = fixture.earlier.iter().map(http).collect();
    let operation =
        Operation::ALL.into_iter().find(|o| o.word() == fixture.operation).expect("an operation");
    match operation {
        Operation::Search => {
            let search: Search = serde_json::from_value(fixture.asked.clone()).unwrap();
            match dialect.read_search(&search, &reply) {
                Ok(found) => found
                    .offers
                    .iter()
                    .map(|o| format!("{}: {}{}", o.room_name, o.price, terms(&o.terms)))
                    .collect(),
                Err(broken) => none(&broken),
            }
        }
        Operation::PriceCheck => {
            let (key, currency) = offer(dialect, fixture.offer_of.as_deref().expect("an offer"));
            match dialect.read_price_check(&key, currency, &reply) {
                Ok(PriceCheck::Available { price, terms: t, .. }) => {
                    format!("available {price}{}", terms(&t)).into()
                }
                Ok(PriceCheck::PriceChanged { price, terms: t, .. }) => {
                    format!("price changed {price}{}", terms(&t)).into()
                }
                Ok(PriceCheck::SoldOut) => "sold out".into(),
                Err(broken) => none(&broken),
            }
        }
        Operation::Reserve
        | Operation::Confirm
        | Operation::Cancel
        | Operation::Amend
        | Operation::Lookup => {
            let asked = Asked {
                operation,
                client_reference: fixture.asked["client_reference"].as_str().unwrap(),
                hold: fixture.asked["hold"].as_bool().unwrap_or(false),
                earlier: &earlier,
            };
            let sent = match fixture.reply.sent.as_deref() {
                None => Sent::Reply(reply),
                Some("not_sent") => Sent::NotSent,
                Some("no_answer") => Sent::NoAnswer,
                Some(other) => panic!("{other}"),
            };
            answer(dialect, &dialect.read(&asked, &sent))
        }
    }
}

fn none(broken: &Broken) -> Value {
    format!("no answer: {broken}").into()
}

fn terms(terms: &Terms) -> String {
    let mut text = if terms.refundable { ", refundable" } else { ", not refundable" }.to_owned();
    for step in &terms.cancel_steps {
        let from = step.from.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true);
        let basis = if step.basis.is_instant() { "" } else { " at the earliest" };
        text.push_str(&format!(", from {from}{basis} {}", step.fee));
    }
    if terms.holdable {
        text.push_str(", holdable");
    }
    for due in &terms.due_at_property {
        text.push_str(&format!(", {} {} {} at the property", due.what, due.amount, due.currency));
    }
    text
}

fn answer(dialect: &dyn Dialect, answer: &Answer) -> Value {
    match answer {
        Answer::Unknown { why } => format!("unknown {}: {why}", why.word()).into(),
        Answer::Refused(why) => {
            let why = serde_json::to_value(why).unwrap();
            format!("refused {}", why.as_str().unwrap()).into()
        }
        Answer::Seen(seen) => seen.iter().map(|one| shown(dialect, one)).collect(),
        Answer::NotSent | Answer::NotFound | Answer::Accepted => answer.word().into(),
    }
}

fn shown(dialect: &dyn Dialect, seen: &SeenReservation) -> String {
    let mut text = format!("{} {}", seen.reference, seen.state.word());
    if let SeenState::Held { until: Some(until) } = seen.state {
        let until = until.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true);
        text.push_str(&format!(" until {until}"));
    }
    if let (Some(check_in), Some(check_out)) = (seen.check_in, seen.check_out) {
        text.push_str(&format!(", {check_in}..{check_out}"));
    }
    if let Some(price) = seen.price {
        text.push_str(&format!(" {price}"));
    }
    let known = Known { client_reference: "x", reference: None, handle: seen.handle.as_deref() };
    let (access, now) = (access(), chrono::DateTime::UNIX_EPOCH);
    let can = (
        dialect.confirm(&access, now, &known).is_ok(),
        dialect.cancel(&access, now, &known).is_ok(),
    );
    text.push_str(match can {
        (true, true) => ", can confirm and cancel",
        (true, false) => ", can confirm",
        (false, true) => ", can cancel",
        (false, false) => "",
    });
    text
}

fn access() -> suppliers::Access {
    suppliers::Access {
        key: "key".into(),
        secret: "secret".to_owned().into(),
        email: "ops@holdfast.example".into(),
        customer_ip: "192.0.2.1".into(),
        country_code: "DE".into(),
        language: "en-US".into(),
    }
}

fn offer(dialect: &dyn Dialect, name: &str) -> (String, contracts::money::Currency) {
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

fn fixtures(dialect: &dyn Dialect) -> Vec<(PathBuf, Fixture)> {
    let mut found = Vec::new();
    for part in ["published", "made"] {
        for entry in std::fs::read_dir(folder(dialect).join(part)).unwrap() {
            let path = entry.unwrap().path();
            let text = std::fs::read(&path).unwrap();
            let fixture =
                serde_json::from_slice(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
            found.push((path, fixture));
        }
    }
    found.sort_by(|a, b| a.0.cmp(&b.0));
    assert!(found.len() > 40, "{}: {} fixtures", dialect.supplier(), found.len());
    found
}
