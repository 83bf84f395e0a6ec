//! Who travels is told to nobody who need not know: what is planted in bookings, and in whatever
//! comes from outside, stands in no log, span, figure, message, history or table, and in the
//! console only for a reason that is recorded.

use std::{collections::BTreeMap, time::Duration};

use contracts::{
    envelope::header,
    message::Message as _,
    messages::{BookingConfirmed, LegChanged},
};
use e2e::{
    SERVICES, Stack,
    broker::{Broker, Letter},
    console::Console,
    gateway::Gateway,
    traces::Traces,
    traveller::{Traveller, Trip, some_stay},
};
use http::StatusCode;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

use crate::stage::{self, SOON, until};

const EMAIL: &str = "Zq.Planted@canary.example";
const PHONE: &str = "+4930555019283";
const FAMILY: &str = "Zqplantedova";
const REQUESTS: &str = "passport C4ZQ91X7T, card 4929 7304 1185 6620, or 4929730411856620";

/// What of these nobody may meet: whole, or by the part that gives it away.
const CANARIES: [&str; 6] =
    ["Zq.Planted", "30555019283", FAMILY, "C4ZQ91X7T", "4929 7304 1185 6620", "4929730411856620"];

const REASON: &str = "the traveller called and waits";
/// Spans are sent once a second.
const SPANS_SENT: Duration = Duration::from_secs(3);

/// Fails where a text has something planted in it: plainly, in another case, or as the bytes that a
/// database shows.
fn clean(what: &str, text: &str) {
    let lower = text.to_lowercase();
    for canary in CANARIES {
        let spellings = [canary.to_lowercase(), hex::encode(canary)];
        let Some(at) = spellings.iter().find_map(|spelling| lower.find(spelling.as_str())) else {
            continue;
        };
        let from = lower.floor_char_boundary(at.saturating_sub(200));
        let around: String = lower.chars().skip(from).take(200 + canary.len()).collect();
        panic!("{canary} stands in {what}: {around}");
    }
}

/// Fails where something planted is missing: then the test shows nothing.
fn planted(what: &str, text: &str, canaries: &[&str]) {
    for canary in canaries {
        assert!(text.contains(canary), "{canary} is not in {what}: {text}");
    }
}

/// Row: J3
#[tokio::test(flavor = "multi_thread")]
async fn what_is_planted_is_seen_by_who_may_for_a_reason_and_stands_nowhere_else() {
    let stack = stage::patient("privacy").await;
    let ada = Traveller::of(&stack, "ada").await.unwrap();
    let broker = Broker::of(&stack).await.unwrap();
    let said = broker.listen().await.unwrap();

    let confirmed = a_booking_is_refused_and_another_confirmed(&ada).await;
    let refunded = a_supplier_quotes_its_guest_and_the_money_goes_back(&stack, &ada).await;
    let callback = callbacks_that_say_too_much(&stack, &confirmed).await;
    let letters = letters_that_hold_what_they_should_not(&stack, &broker, &confirmed).await;
    let trips = [&confirmed, &refunded];

    the_console_shows_it_to_nobody_by_itself(&stack, &trips, &letters).await;
    mended_by_two_it_is_sent_and_shown_to_nobody(&stack, &confirmed, &letters).await;
    who_may_see_it_sees_it_for_a_reason_and_each_look_is_recorded(&stack, &confirmed, &letters)
        .await;

    for letter in broker.drain(&said).await.unwrap() {
        clean(&format!("the message {}", letter.routing_key), &letter.whole());
    }
    for trip in trips {
        let id = trip.booking_id.as_str();
        clean("an export", &stack.command("booking", &["export", id]).await.unwrap());
        clean("a history", &json!(ada.gateway.history(id).await.unwrap()).to_string());
    }
    clean("what is kept of a callback", &callback);
    for service in SERVICES {
        let figures = Gateway::new(&stack.url(service), "").get("/metrics").await.unwrap();
        clean(&format!("the figures of {service}"), &String::from_utf8_lossy(&figures.body));
        no_table_has_it(&stack, service).await;
    }
    tokio::time::sleep(SPANS_SENT).await;
    let spans = Traces::at(&stack.url("traces")).all().await.unwrap();
    assert!(spans.len() > 100 && spans.iter().any(|span| !span.said.is_empty()));
    for span in &spans {
        clean(&format!("a span of {}", span.service), &json!(span).to_string());
    }
    let mut logs = 0;
    for file in std::fs::read_dir(stack.dir()).unwrap() {
        let path = file.unwrap().path();
        if path.extension().is_some_and(|kind| kind == "log") {
            logs += 1;
            let text = String::from_utf8_lossy(&std::fs::read(&path).unwrap()).into_owned();
            clean(&path.display().to_string(), &text);
        }
    }
    assert!(logs > SERVICES.len(), "{logs} logs");
    stack.stop().await.unwrap();
}

/// A request that is refused for what stands in it, and one that is taken and goes to its end.
async fn a_booking_is_refused_and_another_confirmed(ada: &Traveller) -> Trip {
    let quote = ada.gateway.quote(&some_stay()).await.unwrap();
    let wrong = json!({
        "quote_id": quote.quote_id, FAMILY: 1, "special_requests": REQUESTS.repeat(20),
        "travellers": [{"given_name": "", "family_name": FAMILY, "title": EMAIL}],
        "contact": {"email": "Zq.Planted", "phone": PHONE.trim_start_matches('+')},
    });
    let refused = ada.gateway.book("k", &wrong).await.unwrap();
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    let trip = ada.book_quote(quote, of_somebody).await.unwrap();
    ada.pay(&ada.until_payable(&trip, SOON).await.unwrap()).await.unwrap();
    assert_eq!(ada.until_ended(&trip, SOON).await.unwrap().status(), "confirmed");
    trip
}

fn of_somebody(request: &mut Value) {
    request["travellers"][0]["family_name"] = json!(FAMILY);
    request["contact"] = json!({"email": EMAIL, "phone": PHONE});
    request["special_requests"] = json!(REQUESTS);
}

/// An error with the guest's name in it, which no rule of the supplier's names; then a cancellation
/// with a refund.
async fn a_supplier_quotes_its_guest_and_the_money_goes_back(
    stack: &Stack,
    ada: &Traveller,
) -> Trip {
    stack.double().arm("reserve", "quoting_400", 1, None).await.unwrap();
    let quote = ada.gateway.quote(&some_stay()).await.unwrap();
    let wallet = ada.new_wallet();
    let request = |request: &mut Value| {
        of_somebody(request);
        request["refund_to"] = json!(wallet);
    };
    let trip = ada.book_quote(quote, request).await.unwrap();
    ada.pay(&ada.until_payable(&trip, SOON).await.unwrap()).await.unwrap();
    assert_eq!(ada.until_ended(&trip, SOON).await.unwrap().status(), "confirmed");
    let truth = stack.double().truth().await.unwrap();
    let answers: Vec<_> = truth.requests_of("reserve").iter().map(|r| r.status.clone()).collect();
    assert!(answers.contains(&json!(400)), "{answers:?}");
    stage::cancelled(ada, &trip).await;
    until("refunded", async || {
        let shown = ada.gateway.booking(&trip.booking_id).await.unwrap();
        (shown.status() == "cancelled" && shown.is_refunded()).then_some(())
    })
    .await;
    trip
}

/// One that is signed by its supplier and one that is not; what is told of the former inside.
async fn callbacks_that_say_too_much(stack: &Stack, trip: &Trip) -> String {
    let url = stack.database_url("supplier-callback");
    let mut conn = PgConnection::connect(&url).await.unwrap();
    let count = "select count(*) from callback";
    let before: i64 = sqlx::query_scalar(count).fetch_one(&mut conn).await.unwrap();
    let truth = stack.double().truth().await.unwrap();
    let theirs = truth.reservations.iter().find(|r| r.guests.iter().any(|g| g.contains(FAMILY)));
    let reference = &theirs.unwrap().reference;
    let more = format!("{FAMILY}, {PHONE}, {REQUESTS}");
    for reference in [reference.as_str(), "8000000000099"] {
        let kind = "itinerary.agent.change";
        stack.double().notify_with(reference, kind, (EMAIL, &more)).await.unwrap();
    }
    until("both kept", async || {
        let now: i64 = sqlx::query_scalar(count).fetch_one(&mut conn).await.unwrap();
        (now >= before + 2).then_some(())
    })
    .await;
    let path = format!("/internal/timeline/{}", trip.booking_id);
    let inside =
        Gateway::new(&stack.url("supplier-callback"), &stack.internal_token("support-console"));
    let told = inside.get(&path).await.unwrap();
    assert_eq!(told.status, StatusCode::OK);
    String::from_utf8_lossy(&told.body).into_owned()
}

/// Dead letters by what is planted in them.
struct Letters {
    /// The news of the booking, with a field that is somebody's name.
    mendable: String,
    /// What it was before.
    was: Value,
    all: Vec<String>,
}

/// The news of a booking with a name for a field, with other things where a number and an id should
/// be; one of no known type; one that is no JSON; one whose own headers say it.
async fn letters_that_hold_what_they_should_not(
    stack: &Stack,
    broker: &Broker,
    trip: &Trip,
) -> Letters {
    let queue = broker.routing().queue("rewards");
    let whole = format!("{FAMILY} <{EMAIL}> {PHONE} {REQUESTS}");
    let booking = trip.booking_id.parse().unwrap();
    let account = contracts::ids::AccountId::parse("ada").unwrap();
    let was = json!(BookingConfirmed {
        booking_id: contracts::ids::BookingId(booking),
        account_id: account,
        version: 9,
        at: "2026-01-01T00:00:00Z".parse().unwrap(),
        legs: Vec::new(),
        paid: contracts::money::Money::new(10_000, contracts::money::Currency::Eur),
        over_at: "2100-01-01T00:00:00Z".parse().unwrap(),
    });
    let spoilt = |change: &dyn Fn(&mut Value)| {
        let mut body = was.clone();
        change(&mut body);
        body.to_string().into_bytes()
    };
    let id = || uuid::Uuid::now_v7().to_string();
    let news = |kind: &str, body: &[u8], more: &[(&str, &str)]| {
        let (id, own) = (id(), trip.booking_id.as_str());
        let mut headers = vec![
            (header::SPEC, "1.0"),
            (header::ID, id.as_str()),
            (header::TYPE, kind),
            (header::SOURCE, "booking"),
            (header::SUBJECT, own),
            (header::TIME, "2026-01-01T00:00:00Z"),
        ];
        headers.extend(more);
        Letter::with_headers(body, &headers)
    };
    let kind = BookingConfirmed::TYPE;
    let named = spoilt(&|body| body[FAMILY] = json!(whole));
    let sent = [
        news(kind, &named, &[]),
        news(kind, &spoilt(&|body| body["version"] = json!(whole)), &[]),
        news(kind, &spoilt(&|body| body["account_id"] = json!(whole)), &[]),
        news(kind, &spoilt(&|body| body["paid"] = json!({ EMAIL: PHONE })), &[]),
        news(FAMILY, whole.as_bytes(), &[]),
        news(LegChanged::TYPE, whole.as_bytes(), &[]),
        news(kind, b"{", &[(FAMILY, EMAIL), ("x-note", &whole), (header::ATTEMPT, PHONE)]),
        Letter::garbage(whole.as_bytes()),
    ];
    let staff = Console::of(stack, "support_viewer");
    let before = staff.list("?limit=200").await.unwrap().len();
    for letter in &sent {
        broker.put(&queue, letter).await.unwrap();
    }
    let found = until("all of them parked", async || {
        let found = staff.list("?limit=200").await.unwrap();
        (found.len() == before + sent.len()).then_some(found)
    })
    .await;
    let named = sent[0].header(header::ID);
    let mendable = found.iter().find(|letter| letter["message_id"] == named.as_str()).unwrap();
    let id = |letter: &Value| letter["dead_letter_id"].as_str().unwrap().to_owned();
    Letters { mendable: id(mendable), was, all: found.iter().map(id).collect() }
}

/// Everything that a viewer and an operator can look at without saying why.
async fn the_console_shows_it_to_nobody_by_itself(
    stack: &Stack,
    trips: &[&Trip],
    letters: &Letters,
) {
    let mut paths: Vec<String> = ["attention", "flow", "suppliers", "cases", "payment-cases"]
        .into_iter()
        .chain(["refunds", "edits", "replays", "acts", "dead-letters?limit=200"])
        .map(|path| format!("/v1/{path}"))
        .collect();
    for trip in trips {
        let of = |what: &str| format!("/v1/bookings/{}/{what}", trip.booking_id);
        paths.extend(["seen", "legs", "timeline"].map(of));
        paths.push(format!("/v1/search?key={}", trip.booking_id));
    }
    for id in &letters.all {
        paths.push(format!("/v1/dead-letters/{id}"));
        paths.push(format!("/v1/dead-letters/{id}/preview"));
    }
    for path in &paths {
        for role in ["support_viewer", "support_operator"] {
            let answer = Console::of(stack, role).get(path).await.unwrap();
            let fine = [StatusCode::OK, StatusCode::CONFLICT].contains(&answer.status);
            assert!(fine, "{path}: {}", e2e::gateway::describe(&answer));
            clean(path, &String::from_utf8_lossy(&answer.body));
        }
    }
    // Whoever types an address where it does not belong finds nothing by it.
    for key in ["Zq.Planted%40canary.example", FAMILY, "%2B4930555019283"] {
        let path = format!("/v1/search?key={key}");
        let found = Console::of(stack, "support_viewer").get(&path).await.unwrap();
        assert_eq!(found.status, StatusCode::OK);
        assert_eq!(found.json()["found"], json!([]), "{path}");
    }
    let pages = signed_in(stack, "support_operator").await;
    let mut shown: Vec<String> =
        ["/", "/attention", "/letters", "/audit", "/cases"].map(str::to_owned).into();
    shown.extend(trips.iter().map(|trip| format!("/bookings/{}", trip.booking_id)));
    shown.extend(letters.all.iter().map(|id| format!("/letters/{id}")));
    shown.extend(
        ["edit", "replay", "unmask"].map(|act| format!("/letters/{}/{act}", letters.mendable)),
    );
    for path in shown {
        let reply = pages.page(&path).await;
        clean(&path, &reply);
    }
}

/// Sent again as it was, it fails again; mended and let pass by another person, it takes effect.
async fn mended_by_two_it_is_sent_and_shown_to_nobody(
    stack: &Stack,
    trip: &Trip,
    letters: &Letters,
) {
    let (operator, approver) =
        (Console::of(stack, "support_operator"), Console::of(stack, "support_approver"));
    operator.replay(&letters.mendable, None, "once more as it was").await.unwrap();
    let again = until("failed again", async || {
        let letter = operator.show(&letters.mendable).await.unwrap();
        letter["next_dead_letter_id"].as_str().map(str::to_owned)
    })
    .await;
    let edit = operator.propose(&again, &letters.was, "a name stands in it").await.unwrap();
    for path in ["/v1/edits".to_owned(), format!("/v1/dead-letters/{again}")] {
        let answer = operator.get(&path).await.unwrap();
        clean(&path, &String::from_utf8_lossy(&answer.body));
    }
    let pages = signed_in(stack, "support_approver").await;
    clean("the page of an edit", &pages.page(&format!("/letters/{again}")).await);
    approver.approve(&edit, "it is as it was before").await.unwrap();
    until("taken", async || {
        let letter = operator.show(&again).await.unwrap();
        (letter["state"] == "succeeded").then_some(())
    })
    .await;
    let timeline = format!("/v1/bookings/{}/timeline", trip.booking_id);
    let told = operator.get(&timeline).await.unwrap();
    clean(&timeline, &String::from_utf8_lossy(&told.body));
}

/// Letters, travellers and bookings by their address: a viewer never, others for a reason, and as
/// often as the audit says.
async fn who_may_see_it_sees_it_for_a_reason_and_each_look_is_recorded(
    stack: &Stack,
    trip: &Trip,
    letters: &Letters,
) {
    let letter = format!("/v1/dead-letters/{}/unmask", letters.mendable);
    let travellers = format!("/v1/bookings/{}/travellers", trip.booking_id);
    let contacts = "/v1/search/contacts".to_owned();
    let doors = [
        (&letter, "unmask", json!({}), &[FAMILY, EMAIL, PHONE, REQUESTS][..]),
        (&travellers, "see_travellers", json!({}), &[FAMILY, EMAIL, PHONE, REQUESTS][..]),
        (&contacts, "find_by_email", json!({ "email": EMAIL }), &[trip.booking_id.as_str()][..]),
    ];
    let (viewer, operator) =
        (Console::of(stack, "support_viewer"), Console::of(stack, "support_operator"));
    for (path, act, body, seen) in doors {
        let with = |reason: &str| {
            let mut body = body.clone();
            body["reason"] = json!(reason);
            body
        };
        let before = recorded(stack, act).await;
        let denied = viewer.post(path, &with(REASON)).await.unwrap();
        assert_eq!(denied.status, StatusCode::FORBIDDEN, "{path}");
        clean(path, &String::from_utf8_lossy(&denied.body));
        for none in ["", "  "] {
            let refused = operator.post(path, &with(none)).await.unwrap();
            assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{path}");
            clean(path, &String::from_utf8_lossy(&refused.body));
        }
        for _ in 0..2 {
            let shown = operator.post(path, &with(REASON)).await.unwrap();
            assert_eq!(shown.status, StatusCode::OK, "{path}: {}", e2e::gateway::describe(&shown));
            planted(path, &shown.json().to_string().replace("\\\"", "\""), seen);
        }
        let after = recorded(stack, act).await;
        let more = |who: &str, outcome: &str| {
            let key = (who.to_owned(), outcome.to_owned());
            after.get(&key).copied().unwrap_or(0) - before.get(&key).copied().unwrap_or(0)
        };
        let looks = (more("support_operator", "done"), more("support_viewer", "denied"));
        assert_eq!(looks, (2, 1), "{act}: {after:?}");
    }
}

/// How often each person did or tried an act, by how it ended; each that was done says why.
async fn recorded(stack: &Stack, act: &str) -> BTreeMap<(String, String), i32> {
    let viewer = Console::of(stack, "support_viewer");
    let listed = viewer.get("/v1/acts?limit=200").await.unwrap().json();
    let mut counts = BTreeMap::new();
    for one in listed["acts"].as_array().unwrap().iter().filter(|one| one["act"] == act) {
        let text = |field: &str| one[field].as_str().unwrap_or_default().to_owned();
        if one["outcome"] == "done" {
            assert_eq!(text("reason"), REASON, "{one}");
        }
        assert!(!text("from_where").is_empty() && one["roles"] != json!([]), "{one}");
        *counts.entry((text("actor"), text("outcome"))).or_default() += 1;
    }
    counts
}

/// Tables that keep, on purpose, what somebody else sent, as it came, and where in that an edit
/// differs.
const KEPT_AS_IT_CAME: [(&str, &str); 3] = [
    ("support-console", "dead_letter"),
    ("support-console", "edit"),
    ("support-console", "letter_event"),
];

async fn no_table_has_it(stack: &Stack, service: &str) {
    let mut conn = PgConnection::connect(&stack.database_url(service)).await.unwrap();
    let tables: Vec<String> =
        sqlx::query_scalar("select tablename::text from pg_tables where schemaname = 'public'")
            .fetch_all(&mut conn)
            .await
            .unwrap();
    assert!(tables.len() > 2, "{tables:?}");
    for table in tables {
        if KEPT_AS_IT_CAME.contains(&(service, &table)) {
            continue;
        }
        let rows = format!("select coalesce(string_agg(t::text, E'\n'), '') from \"{table}\" t");
        let rows: String =
            sqlx::query_scalar(AssertSqlSafe(rows)).fetch_one(&mut conn).await.unwrap();
        clean(&format!("{service}'s table {table}"), &rows);
    }
}

/// The console's pages as one member of staff.
struct Pages {
    http: reqwest::Client,
    base: String,
    cookie: String,
}

async fn signed_in(stack: &Stack, role: &str) -> Pages {
    let staff = stack.staff().await.unwrap();
    let redirect = reqwest::redirect::Policy::none();
    let http = reqwest::Client::builder().no_proxy().redirect(redirect).build().unwrap();
    let base = stack.url("support-console");
    let fields = [("name", &staff[role].name), ("password", &staff[role].password)];
    let form = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
    let request = http.post(format!("{base}/sign-in")).body(form);
    let request = request.header("content-type", "application/x-www-form-urlencoded");
    let reply = request.send().await.unwrap();
    let cookie = reply.headers()["set-cookie"].to_str().unwrap();
    let cookie = cookie.split(';').next().unwrap().to_owned();
    Pages { http, base, cookie }
}

impl Pages {
    async fn page(&self, path: &str) -> String {
        let request = self.http.get(format!("{}{path}", self.base));
        let reply = request.header("cookie", &self.cookie).send().await.unwrap();
        let status = reply.status();
        let text = reply.text().await.unwrap();
        assert!(status == 200, "{path}: {status}: {text}");
        text
    }
}
