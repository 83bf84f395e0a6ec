//! What is believed, what is kept, what is said.

use chrono::TimeDelta;
use contracts::{ids::CallbackId, supplier::Supplier};
use http::StatusCode;
use secrecy::ExposeSecret as _;
use supplier_callback::{MIGRATOR, open};
use testkit::{Database, Proxy, TestService};

use crate::service::{Headers, OLD_SECRET, OTHER_SECRET, SECRET, Service, now, signed};

const RAPID: &str = "/v1/callbacks/rapid";
/// Odd spaces, an escape, a letter beyond ASCII and a line at the end: kept as they are.
const BODY: &[u8] =
    b"{ \"event_id\" : \"e02d6f41\",\n\t\"event_type\":\"itinerary.supplier.cancel\",
  \"itinerary_id\": \"1204309424793\", \"email\":\"al\\u0069ce@example.com\",
  \"message\":\"d\xc3\xa9j\xc3\xa0 vu\",
  \"affiliate_reference_id\":\"R194193582\" }\n\n";

/// Row: B4
#[tokio::test]
async fn what_is_not_proven_to_be_the_suppliers_is_401_and_leaves_nothing() {
    let service = Service::start().await;
    let (good, at) = (|id| signed(SECRET, id, now(), BODY), now());
    let mut changed = BODY.to_vec();
    changed[30] ^= 1;
    let cases: Vec<(&str, Headers, &[u8])> = vec![
        ("a bad signature", with(good("m1"), "webhook-signature", "v1,AAAA"), BODY),
        ("no signature", without(good("m2"), "webhook-signature"), BODY),
        ("an unknown version", with(good("m3"), "webhook-signature", "v2,AAAA"), BODY),
        ("another's key", signed(OTHER_SECRET, "m4", at, BODY), BODY),
        ("too old", signed(SECRET, "m5", at - 310, BODY), BODY),
        ("from the future", signed(SECRET, "m6", at + 310, BODY), BODY),
        (
            "a time stamp that was moved",
            with(good("m7"), "webhook-timestamp", &(at - 9).to_string()),
            BODY,
        ),
        ("no time stamp", without(good("m8"), "webhook-timestamp"), BODY),
        ("another id", with(good("m9"), "webhook-id", "m10"), BODY),
        ("an id with a dot", signed(SECRET, "m.11", at, BODY), BODY),
        ("no id", without(good("m12"), "webhook-id"), BODY),
        ("a changed body", good("m13"), &changed),
        ("no body", good("m14"), b""),
        ("nothing at all", vec![], b""),
    ];
    let mut answers = Vec::new();
    for (what, headers, body) in cases {
        let (status, answer) = service.push(RAPID, &headers, body).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED, "{what}");
        answers.push(answer);
    }
    answers.dedup();
    assert_eq!(answers.len(), 1, "the answers tell the reasons apart: {answers:?}");
    assert!(!answers[0].contains("detail"), "{answers:?}");
    assert_eq!(service.stored().await, 0);
    service.is_silent().await;
}

/// Row: B4
#[tokio::test]
async fn the_databases_clock_decides_what_is_stale() {
    let service = Service::start().await;
    let signed_now = signed(SECRET, "m1", now(), BODY);
    for ahead in [TimeDelta::minutes(6), TimeDelta::minutes(-6)] {
        service.test.database.offset_clock(ahead).await;
        let (status, _) = service.push(RAPID, &signed_now, BODY).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED, "{ahead}");
    }
    service.test.database.offset_clock(TimeDelta::minutes(4)).await;
    assert_eq!(service.push(RAPID, &signed_now, BODY).await.0, StatusCode::OK);
}

/// Row: B4
#[tokio::test]
async fn a_repeated_id_is_200_and_said_once_however_many_come_at_once() {
    let service = Service::start().await;
    let same = signed(SECRET, "msg_same", now(), BODY);
    let pushes = (0..20).map(|_| service.push(RAPID, &same, BODY));
    for (status, _) in futures::future::join_all(pushes).await {
        assert_eq!(status, StatusCode::OK);
    }
    // Sent again later, as repeats are: another time stamp, another secret, the same id.
    let later = signed(OLD_SECRET, "msg_same", now() + 60, BODY);
    assert_eq!(service.push(RAPID, &later, BODY).await.0, StatusCode::OK);

    assert_eq!(service.stored().await, 1);
    let said = service.heard().await;
    assert_eq!(said.supplier, Supplier::Rapid);
    assert_eq!(said.client_reference.as_deref(), Some("R194193582"));
    assert_eq!(said.reference.as_deref(), Some("1204309424793"));
    let other = signed(SECRET, "msg_other", now(), b"{}");
    assert_eq!(service.push(RAPID, &other, b"{}").await.0, StatusCode::OK);
    let next = service.heard().await;
    assert_ne!(next.callback_id, said.callback_id);
    service.is_silent().await;
}

/// Row: B4
#[tokio::test]
async fn callbacks_that_come_together_are_each_judged_alone() {
    let service = Service::start().await;
    let good: Vec<_> = (0..30).map(|n| signed(SECRET, &format!("msg_{n}"), now(), BODY)).collect();
    let forged = signed(OTHER_SECRET, "msg_forged", now(), BODY);
    let stale = signed(SECRET, "msg_stale", now() - 310, BODY);
    let pushes = good[..15].iter().chain([&forged, &stale]).chain(&good[15..]);
    let pushes = pushes.map(|headers| service.push(RAPID, headers, BODY));
    let mut answers = futures::future::join_all(pushes).await;
    for (status, _) in answers.drain(15..17) {
        assert_eq!(status, StatusCode::UNAUTHORIZED);
    }
    assert!(answers.iter().all(|(status, _)| *status == StatusCode::OK), "{answers:?}");
    assert_eq!(service.stored().await, 30);
    let mut said = std::collections::BTreeSet::new();
    for _ in 0..30 {
        said.insert(service.heard().await.callback_id);
    }
    assert_eq!(said.len(), 30, "each is said once");
    service.is_silent().await;
}

/// Row: B4
#[tokio::test]
async fn what_came_is_kept_byte_for_byte_and_sealed() {
    let service = Service::start().await;
    let headers = signed(SECRET, "msg_1", now(), BODY);
    assert_eq!(service.push(RAPID, &headers, BODY).await.0, StatusCode::OK);
    let said = service.heard().await;

    let mut conn = service.test.database.admin().await;
    let raw = open(&mut conn, service.sealer(), said.callback_id).await.unwrap();
    assert_eq!(raw.body, BODY);
    let kept: Vec<(&str, &str)> =
        raw.headers.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    for (name, value) in &headers {
        assert!(kept.contains(&(*name, value.as_str())), "{name} in {kept:?}");
    }

    let dump: String = sqlx::query_scalar(
        "select encode(body_sealed, 'escape') || encode(headers_sealed, 'escape') from callback",
    )
    .fetch_one(&mut conn)
    .await
    .unwrap();
    assert!(!dump.contains("example.com") && !dump.contains("webhook"), "{dump}");
    sqlx::query("update callback set callback_id = $1")
        .bind(uuid::Uuid::from_u128(1))
        .execute(&mut conn)
        .await
        .unwrap();
    let moved = open(&mut conn, service.sealer(), CallbackId(uuid::Uuid::from_u128(1))).await;
    assert!(moved.is_err(), "a sealed value opens in another row");
}

#[tokio::test]
async fn the_service_may_not_change_what_came() {
    let service = Service::start().await;
    let pool = service.test.pool().await;
    for statement in
        ["update callback set event = null", "delete from callback", "truncate callback"]
    {
        let refused = sqlx::raw_sql(statement).execute(&pool).await.unwrap_err().to_string();
        assert!(refused.contains("permission denied"), "{statement}: {refused}");
    }
}

#[tokio::test]
async fn a_callback_about_nothing_we_know_is_200_whatever_it_says() {
    let service = Service::start().await;
    for (n, body) in
        [&b"{\"itinerary_id\":\"nobodys\"}"[..], b"not json", b"", b"[1,2"].iter().enumerate()
    {
        let headers = signed(SECRET, &format!("msg_{n}"), now(), body);
        assert_eq!(service.push(RAPID, &headers, body).await.0, StatusCode::OK, "{n}");
        let said = service.heard().await;
        assert_eq!(said.reference.as_deref(), (n == 0).then_some("nobodys"));
    }
}

/// Row: B4
#[tokio::test]
async fn a_callback_with_what_no_database_keeps_is_taken_and_names_nothing() {
    let service = Service::start().await;
    for (n, odd) in
        ["\\u0000", "1204\\u0000", "\\u0007", "a b", "\\ud83d\\ude00"].iter().enumerate()
    {
        let body = format!(
            "{{\"event_type\":\"{odd}\",\"itinerary_id\":\"{odd}\",\
             \"affiliate_reference_id\":\"{odd}\"}}"
        );
        let headers = signed(SECRET, &format!("msg_{n}"), now(), body.as_bytes());
        let (status, answer) = service.push(RAPID, &headers, body.as_bytes()).await;
        assert_eq!(status, StatusCode::OK, "{odd}: {answer}");
        let said = service.heard().await;
        assert_eq!((said.reference, said.client_reference), (None, None), "{odd}");
        let mut conn = service.test.database.admin().await;
        let raw = open(&mut conn, service.sealer(), said.callback_id).await.unwrap();
        assert_eq!(raw.body, body.as_bytes(), "{odd}");
    }
    assert_eq!(service.stored().await, 5);
}

#[tokio::test]
async fn too_much_is_413_and_other_addresses_are_404() {
    let service = Service::start().await;
    let just = vec![b' '; 256 * 1024];
    let much = vec![b' '; 256 * 1024 + 1];
    let headers = |body: &[u8]| signed(SECRET, "msg_1", now(), body);
    let (status, _) = service.push(RAPID, &headers(&much), &much).await;
    assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(service.push(RAPID, &headers(&just), &just).await.0, StatusCode::OK);
    for to in ["/v1/callbacks/nobody", "/v1/callbacks/RAPID", "/v1/callbacks/", "/v1/callbacks"] {
        let (status, _) = service.push(to, &headers(BODY), BODY).await;
        assert_eq!(status, StatusCode::NOT_FOUND, "{to}");
    }
}

#[tokio::test]
async fn without_its_database_it_asks_for_the_callback_again_and_loses_none() {
    let test = TestService::new("supplier_callback", &MIGRATOR).await;
    let way = Proxy::to(&Database::server()).await;
    let url = test.database.service_url_by(way.address());
    let service = Service::start_on(test, url.expose_secret()).await;
    let headers = signed(SECRET, "msg_1", now(), BODY);
    way.down();
    let (status, answer) = service.push(RAPID, &headers, BODY).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{answer}");
    way.up();
    testkit::until("the callback to be taken", || async {
        let (status, _) = service.push(RAPID, &headers, BODY).await;
        (status == StatusCode::OK).then_some(())
    })
    .await;
    service.heard().await;
    assert_eq!(service.stored().await, 1);
    service.is_silent().await;
}

/// The commit reaches the server and its answer does not reach us: the supplier is told to send
/// again, and its repeat finds the callback stored and said.
#[tokio::test]
async fn a_commit_whose_answer_is_lost_is_neither_lost_nor_doubled() {
    let test = TestService::new("supplier_callback", &MIGRATOR).await;
    let way = Proxy::to(&Database::server()).await;
    let url = test.database.service_url_by(way.address());
    let service = Service::start_on(test, url.expose_secret()).await;
    let headers = signed(SECRET, "msg_1", now(), BODY);
    let marks = |sent: &[u8]| sent.windows(6).any(|w| w.eq_ignore_ascii_case(b"commit"));
    way.lose_answer_to(marks);
    let (status, answer) = service.push(RAPID, &headers, BODY).await;
    assert_eq!(way.answers_lost(), 1);
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{answer}");
    assert_eq!(service.push(RAPID, &headers, BODY).await.0, StatusCode::OK);
    assert_eq!(service.stored().await, 1);
    service.heard().await;
    service.is_silent().await;
}

fn with(mut headers: Headers, name: &str, value: &str) -> Headers {
    for (_, old) in headers.iter_mut().filter(|(n, _)| *n == name) {
        value.clone_into(old);
    }
    headers
}

fn without(mut headers: Headers, name: &str) -> Headers {
    headers.retain(|(n, _)| *n != name);
    headers
}
