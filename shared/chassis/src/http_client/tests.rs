//! What was surely not sent, and what may have been.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use http::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};
use tokio_util::task::TaskTracker;
use tracing::{Instrument as _, instrument::WithSubscriber as _};
use tracing_subscriber::layer::SubscriberExt as _;

use super::{CallError, HttpClient, HttpClientConfig, HttpError, HttpRequest, Reach, Reason};
use crate::{chain, telemetry, trace};

/// What the other side does with a request once it has read its head.
#[derive(Clone, Copy)]
enum Server {
    Says(&'static str),
    SaysPacked(&'static [u8]),
    HangsUp,
    StaysSilent,
    /// Sends the head and some of the body it promised.
    StopsMidway,
    /// Sends a body without end.
    NeverEnds,
}

/// A raw server, so that it can misbehave; counts the requests that arrived.
async fn server(behaviour: Server) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let arrived = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&arrived);
    let tasks = TaskTracker::new();
    tasks.clone().spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            tasks.spawn(answer(stream, behaviour, Arc::clone(&counter)));
        }
    });
    (addr, arrived)
}

async fn answer(mut stream: TcpStream, behaviour: Server, arrived: Arc<AtomicUsize>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    arrived.fetch_add(1, Ordering::SeqCst);
    let head = String::from_utf8(head).unwrap();
    match behaviour {
        Server::Says("the head it got") => {
            let body = serde_json::to_string(&head.to_lowercase()).unwrap();
            let length = body.len();
            let reply = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{body}");
            stream.write_all(reply.as_bytes()).await.unwrap();
        }
        Server::SaysPacked(body) => {
            let length = body.len();
            let head = format!(
                "HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: {length}\r\n\r\n"
            );
            stream.write_all(head.as_bytes()).await.unwrap();
            stream.write_all(body).await.unwrap();
        }
        Server::Says(reply) => stream.write_all(reply.as_bytes()).await.unwrap(),
        Server::HangsUp => {}
        Server::StaysSilent => std::future::pending().await,
        Server::StopsMidway => {
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\nhalf").await.unwrap();
        }
        Server::NeverEnds => {
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
            while stream.write_all(&[b'x'; 1024]).await.is_ok() {}
        }
    }
}

fn client() -> HttpClient {
    HttpClient::new(HttpClientConfig {
        connect_timeout: Duration::from_millis(300),
        timeout: Duration::from_millis(900),
        max_body: 4096,
        ..HttpClientConfig::default()
    })
    .unwrap()
}

async fn post(addr: impl std::fmt::Display) -> HttpError {
    let request = HttpRequest::new(Method::POST, format!("http://{addr}/book")).json("{}");
    client().send(request).await.expect_err("there is no whole answer")
}

#[tokio::test]
async fn a_connection_that_was_refused_sent_nothing() {
    let addr = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let error = post(addr).await;
    assert!(!error.may_have_been_sent(), "{error}");
    assert_eq!(error.reason(), Reason::Connect);
    assert!(chain(&error).to_string().contains("refused"), "{}", chain(&error));
}

#[tokio::test]
async fn a_name_that_is_none_sent_nothing() {
    let error = post("no-such-host.invalid").await;
    assert!(!error.may_have_been_sent(), "{error}");
}

#[tokio::test]
async fn an_address_that_is_none_sent_nothing() {
    for url in ["", "not an address", "/book", "mailto:a@b.example"] {
        let error = client().send(HttpRequest::new(Method::GET, url)).await.unwrap_err();
        assert!(!error.may_have_been_sent(), "{url}: {error}");
        assert_eq!(error.reason(), Reason::NotARequest, "{url}");
    }
}

#[tokio::test]
async fn tls_with_something_that_speaks_none_sent_nothing() {
    let (addr, arrived) = server(Server::HangsUp).await;
    let request = HttpRequest::new(Method::POST, format!("https://{addr}/book"));
    let error = client().send(request).await.unwrap_err();
    assert!(!error.may_have_been_sent(), "{error}");
    assert_eq!(arrived.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_connection_that_is_never_answered_sent_nothing() {
    // Nothing answers there: RFC 5737 keeps the block for documents. Some networks refuse at once.
    let error = post("192.0.2.1:9").await;
    assert!(!error.may_have_been_sent() || error.reason() == Reason::Timeout, "{error}");
}

#[tokio::test]
async fn whatever_happens_after_the_request_left_may_have_been_acted_on() {
    for (behaviour, reason) in [
        (Server::HangsUp, Reason::Broken),
        (Server::StaysSilent, Reason::Timeout),
        (Server::StopsMidway, Reason::Broken),
        (Server::NeverEnds, Reason::BodyTooLarge),
        (Server::Says("this is no HTTP\r\n\r\n"), Reason::Broken),
    ] {
        let (addr, arrived) = server(behaviour).await;
        let error = post(addr).await;
        assert!(error.may_have_been_sent(), "{error}");
        assert_eq!(error.reason(), reason);
        assert_eq!(arrived.load(Ordering::SeqCst), 1, "nothing is tried again");
    }
}

#[tokio::test]
async fn a_body_is_read_up_to_the_cap_and_not_beyond() {
    let whole = format!("HTTP/1.1 200 OK\r\ncontent-length: 4096\r\n\r\n{}", "x".repeat(4096));
    let (addr, _) = server(Server::Says(whole.leak())).await;
    let url = format!("http://{addr}/");
    let reply = client().send(HttpRequest::new(Method::GET, url)).await.unwrap();
    assert_eq!(reply.body.len(), 4096);

    let over = format!("HTTP/1.1 200 OK\r\ncontent-length: 4097\r\n\r\n{}", "x".repeat(4097));
    let (addr, _) = server(Server::Says(over.leak())).await;
    let url = format!("http://{addr}/");
    let error = client().send(HttpRequest::new(Method::GET, url)).await.unwrap_err();
    assert_eq!(error.reason(), Reason::BodyTooLarge);
}

/// `{"rooms":` with 300 sevens and `}`, as gzip packs it.
const PACKED: [u8; 34] = [
    0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0x03, 0xab, 0x56, 0x2a, 0xca, 0xcf, 0xcf,
    0x2d, 0x56, 0xb2, 0x32, 0x1f, 0x05, 0x44, 0x83, 0x5a, 0x00, 0xd0, 0xa4, 0xdf, 0x89, 0x36, 0x01,
    0x00, 0x00,
];

#[tokio::test]
async fn a_packed_body_is_unpacked_and_counts_as_what_it_unpacks_to() {
    for (max_body, whole) in [(310, true), (309, false)] {
        let (addr, _) = server(Server::SaysPacked(&PACKED)).await;
        let config = HttpClientConfig { max_body, ..HttpClientConfig::default() };
        let request = HttpRequest::new(Method::GET, format!("http://{addr}/"));
        match HttpClient::new(config).unwrap().send(request).await {
            Ok(reply) => {
                assert!(whole && reply.body.starts_with(b"{\"rooms\":777"), "{reply:?}");
            }
            Err(error) => assert!(!whole && error.reason() == Reason::BodyTooLarge, "{error}"),
        }
    }
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_is_not_followed() {
    let (elsewhere, arrived) = server(Server::Says("HTTP/1.1 200 OK\r\n\r\n")).await;
    let moved =
        format!("HTTP/1.1 307 Moved\r\nlocation: http://{elsewhere}/\r\ncontent-length: 0\r\n\r\n");
    let (addr, _) = server(Server::Says(moved.leak())).await;
    let request = HttpRequest::new(Method::POST, format!("http://{addr}/book")).json("{}");
    let reply = client().send(request).await.unwrap();
    assert_eq!(reply.status, StatusCode::TEMPORARY_REDIRECT);
    assert_eq!(arrived.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn the_trace_and_the_token_go_along() {
    let provider = telemetry::provider("inn", &telemetry::TelemetryConfig::default()).unwrap();
    let subscriber = tracing_subscriber::registry().with(telemetry::spans("inn", &provider));
    async {
        let (addr, _) = server(Server::Says("the head it got")).await;
        let span = tracing::info_span!("handler");
        let trace_id = trace::trace_id(&span).unwrap();
        let token = "s3cret".to_owned().into();
        let url = format!("http://{addr}/internal/x");
        let client = client();
        let within = Duration::from_secs(2);
        let head = client.get_json::<String>(&url, Some(&token), within).instrument(span).await;
        let head = head.unwrap();
        assert!(head.contains(&format!("traceparent: 00-{trace_id}-")), "{head}");
        assert!(head.contains("authorization: bearer s3cret"), "{head}");
        assert!(head.contains("user-agent: holdfast/"), "{head}");
    }
    .with_subscriber(subscriber)
    .await;
}

#[tokio::test]
async fn a_refusal_of_another_service_keeps_its_code() {
    let body = json!({ "code": "price_changed", "total": "120.00" }).to_string();
    let reply = format!("HTTP/1.1 409 Conflict\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    let (addr, _) = server(Server::Says(reply.leak())).await;
    let url = format!("http://{addr}/internal/price-check");
    let within = Duration::from_secs(2);
    let asked = client().post_json::<_, Value>(&url, &json!({}), None, within).await;
    let error = asked.unwrap_err();
    assert_eq!(error.status(), Some(StatusCode::CONFLICT));
    assert_eq!(error.code(), Some("price_changed"));

    let (addr, _) = server(Server::Says("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n<>")).await;
    let url = format!("http://{addr}/");
    let asked = client().get_json::<Value>(&url, None, within).await;
    assert!(matches!(asked, Err(CallError::NotReadable(_))), "{asked:?}");
}

#[tokio::test]
async fn an_error_does_not_repeat_the_address() {
    let addr = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let request = HttpRequest::new(Method::GET, format!("http://{addr}/v1?api_key=s3cret"));
    let error = client().send(request).await.unwrap_err();
    assert!(!chain(&error).to_string().contains("s3cret"), "{}", chain(&error));
    assert!(!format!("{error:?}").contains("s3cret"), "{error:?}");
}

#[tokio::test]
async fn a_client_for_strangers_addresses_calls_no_private_one() {
    let (addr, arrived) = server(Server::Says("HTTP/1.1 200 OK\r\n\r\n")).await;
    let config = HttpClientConfig { reach: Reach::PublicOnly, ..HttpClientConfig::default() };
    let client = HttpClient::new(config).unwrap();
    let port = addr.port();
    for host in ["127.0.0.1", "localhost", "[::1]", "2130706433", "0.0.0.0"] {
        let request = HttpRequest::new(Method::POST, format!("http://{host}:{port}/hook"));
        let error = client.send(request).await.expect_err(host);
        assert!(!error.may_have_been_sent(), "{host}: {error}");
        assert_eq!(error.reason(), Reason::NotPublic, "{host}: {}", chain(&error));
    }
    assert_eq!(arrived.load(Ordering::SeqCst), 0);
}
