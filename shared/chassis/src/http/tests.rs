//! The edge: readiness, problems, panics, limits, stopping.

use std::time::Duration;

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::DefaultBodyLimit,
    routing::{get, post},
};
use futures::future::try_join_all;
use http::{Request, StatusCode};
use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tower::ServiceExt as _;
use tracing::instrument::WithSubscriber as _;
use tracing_subscriber::layer::SubscriberExt as _;

use super::{Json, Limits, Path, Query, Ready, app};
use crate::{ApiError, Process};

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Stay {
    nights: u8,
    guests: Vec<Guest>,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Guest {
    name: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Search {
    city: String,
    rooms: Option<u8>,
}

fn router() -> Router {
    let large = post(|Json(stay): Json<Stay>| async { Json(stay) });
    Router::new()
        .route("/stays", post(|Json(stay): Json<Stay>| async { Json(stay) }))
        .route("/large", large.layer(DefaultBodyLimit::max(4096)))
        .route("/stays/{id}", get(|Path(id): Path<uuid::Uuid>| async move { id.to_string() }))
        .route("/names/{name}", get(|Path(name): Path<String>| async move { name }))
        .route(
            "/search",
            get(|Query(search): Query<Search>| async move {
                format!("{} {:?}", search.city, search.rooms)
            }),
        )
        .route("/panics", get(|| async { panic!("a bug with a name in it: Ada") as () }))
        .route(
            "/fails",
            get(|| async { ApiError::internal(&std::io::Error::other("db password")) }),
        )
        .route("/hangs", get(std::future::pending::<()>))
}

fn wrapped(process: &Process, ready: Ready) -> Router {
    let limits =
        Limits { body_max: 1024, answer_within: Duration::from_millis(50), ..Limits::default() };
    app(process, router(), ready, limits)
}

async fn ask(router: &Router, request: Request<Body>) -> (StatusCode, http::HeaderMap, Value) {
    let (parts, body) = router.clone().oneshot(request).await.unwrap().into_parts();
    let body = to_bytes(body, usize::MAX).await.unwrap();
    let text = String::from_utf8_lossy(&body).into_owned();
    (parts.status, parts.headers, serde_json::from_str(&text).unwrap_or(Value::String(text)))
}

async fn get_from(router: &Router, path: &str) -> (StatusCode, Value) {
    let (status, _, body) = ask(router, Request::get(path).body(Body::empty()).unwrap()).await;
    (status, body)
}

async fn post_to(router: &Router, path: &str, body: impl Into<Body>) -> (StatusCode, Value) {
    let request = Request::post(path).header("content-type", "application/json; charset=utf-8");
    let (status, _, body) = ask(router, request.body(body.into()).unwrap()).await;
    (status, body)
}

fn plain() -> Router {
    wrapped(&Process::standalone("inn"), Ready::new())
}

#[tokio::test]
async fn a_good_body_is_read_and_written() {
    let stay = json!({ "nights": 2, "guests": [{ "name": "Ada" }] });
    assert_eq!(post_to(&plain(), "/stays", stay.to_string()).await, (StatusCode::OK, stay));
}

#[tokio::test]
async fn a_parameter_that_is_given_twice_is_named() {
    let router = plain();
    for query in ["city=Bonn&city=Bonn", "city=Bonn&rooms=1&city=Rome"] {
        let (status, problem) = get_from(&router, &format!("/search?{query}")).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{query}");
        let told = &problem["errors"];
        assert_eq!(told.as_array().unwrap().len(), 1, "{problem}");
        assert_eq!((&told[0]["pointer"], &told[0]["code"]), (&json!("?city"), &json!("twice")));
    }
}

#[tokio::test]
async fn a_wrong_field_is_pointed_at() {
    let router = plain();
    for (body, pointer, code) in [
        (json!({ "nights": 2 }), "/guests", "missing"),
        (json!({ "nights": 2, "guests": [{}] }), "/guests/0/name", "missing"),
        (json!({ "nights": "two", "guests": [] }), "/nights", "wrong_type"),
        (json!({ "nights": 300, "guests": [] }), "/nights", "invalid"),
        (json!({ "nights": 2, "guests": [], "price": 1 }), "/price", "unknown"),
        (
            json!({ "nights": 2, "guests": [{ "name": "A", "a/b~c": 1 }] }),
            "/guests/0/a~1b~0c",
            "unknown",
        ),
        (
            json!({ "nights": 2, "guests": [{ "name": "A" }, { "name": null }] }),
            "/guests/1/name",
            "wrong_type",
        ),
        (json!([]), "", "invalid"),
        (json!("text"), "", "wrong_type"),
    ] {
        let (status, problem) = post_to(&router, "/stays", body.to_string()).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{body}");
        let error = &problem["errors"][0];
        assert_eq!(
            (error["pointer"].as_str(), error["code"].as_str()),
            (Some(pointer), Some(code)),
            "{problem}"
        );
    }
}

/// Row: L7
#[tokio::test]
async fn everything_that_is_wrong_is_said_at_once_and_in_words_of_ours() {
    let said = |problem: &Value| {
        let errors = problem["errors"].as_array().unwrap().iter();
        let text = |error: &Value, name: &str| error[name].as_str().unwrap().to_owned();
        let mut said: Vec<_> = errors
            .map(|error| format!("{} {}", text(error, "pointer"), text(error, "detail")))
            .collect();
        said.sort();
        said
    };
    let router = plain();
    let body =
        json!({ "nights": -1, "price": 1, "vip": true, "guests": [{ "name": 4 }, "Ada", {}] });
    let (_, problem) = post_to(&router, "/stays", body.to_string()).await;
    assert_eq!(
        said(&problem),
        [
            "/guests/0/name must be a text",
            "/guests/1 must be an object",
            "/guests/2/name must be given",
            "/nights must be a whole number from 0 to 255",
            "/price is not known here",
            "/vip is not known here",
        ]
    );
    let (_, problem) = post_to(&router, "/stays", "{}").await;
    assert_eq!(said(&problem), ["/guests must be given", "/nights must be given"]);
    let (_, problem) = get_from(&router, "/search?rooms=two&sort=price&by=me").await;
    assert_eq!(
        said(&problem),
        [
            "?by is not known here",
            "?city must be given",
            "?rooms must be a whole number",
            "?sort is not known here",
        ]
    );
    let many: String = (0..300).map(|n| format!("\"f{n}\":1,")).collect();
    let (_, problem) =
        post_to(&router, "/large", format!("{{{many}\"nights\":2,\"guests\":[]}}")).await;
    assert_eq!(said(&problem).len(), 20);
}

#[tokio::test]
async fn what_is_not_json_is_told_where() {
    let router = plain();
    for body in ["{\n \"nights\": 2,,", "", "{\"nights\":2,\"guests\":[]} x", "nights=2"] {
        let (status, problem) = post_to(&router, "/stays", body).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{body}");
        assert_eq!(problem["code"], "malformed_json");
        assert!(
            problem["detail"].as_str().is_some_and(|detail| detail.contains("line ")),
            "{problem}"
        );
    }
    let (status, _) = post_to(&router, "/stays", vec![0xff, 0xfe]).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_body_that_is_not_called_json_is_refused() {
    for content_type in [None, Some("text/plain"), Some("application/x-www-form-urlencoded")] {
        let mut request = Request::post("/stays");
        if let Some(content_type) = content_type {
            request = request.header("content-type", content_type);
        }
        let (status, headers, problem) = ask(&plain(), request.body("{}".into()).unwrap()).await;
        assert_eq!(status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
        assert_eq!(headers["content-type"], "application/problem+json");
        assert_eq!(problem["code"], "unsupported_media_type");
    }
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused_and_a_route_may_take_more() {
    let stay = json!({ "nights": 2, "guests": [{ "name": "A".repeat(2000) }] }).to_string();
    let (status, problem) = post_to(&plain(), "/stays", stay.clone()).await;
    assert_eq!(
        (status, problem["code"].as_str()),
        (StatusCode::PAYLOAD_TOO_LARGE, Some("body_too_large"))
    );
    assert_eq!(post_to(&plain(), "/large", stay).await.0, StatusCode::OK);
}

#[tokio::test]
async fn path_and_query_answer_with_problems_too() {
    let router = plain();
    let (status, problem) = get_from(&router, "/stays/not-an-id").await;
    assert_eq!((status, problem["code"].as_str()), (StatusCode::NOT_FOUND, Some("not_found")));
    assert_eq!(get_from(&router, "/names/a%00b").await.0, StatusCode::NOT_FOUND);
    assert_eq!(get_from(&router, "/names/a%2500b").await.1, json!("a%00b"));
    let (status, text) = get_from(&router, "/search?city=K%C3%B6ln&rooms=2").await;
    assert_eq!((status, text), (StatusCode::OK, json!("Köln Some(2)")));
    for (query, pointer, code) in [
        ("", "?city", "missing"),
        ("?city=X&rooms=two", "?rooms", "invalid"),
        ("?city=X&sort=price", "?sort", "unknown"),
        ("?city=K%00ln", "?city", "invalid"),
        ("?city=X&so%00rt=price", "?sort", "invalid"),
    ] {
        let (status, problem) = get_from(&router, &format!("/search{query}")).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
        let error = &problem["errors"][0];
        assert_eq!(
            (error["pointer"].as_str(), error["code"].as_str()),
            (Some(pointer), Some(code)),
            "{problem}"
        );
    }
}

#[tokio::test]
async fn an_unknown_address_and_method_are_problems() {
    let router = plain();
    let (status, problem) = get_from(&router, "/nowhere").await;
    assert_eq!((status, problem["code"].as_str()), (StatusCode::NOT_FOUND, Some("no_such_route")));
    let request = Request::delete("/stays").body(Body::empty()).unwrap();
    let (status, headers, problem) = ask(&router, request).await;
    assert_eq!(
        (status, problem["code"].as_str()),
        (StatusCode::METHOD_NOT_ALLOWED, Some("no_such_method"))
    );
    assert_eq!(headers["allow"], "POST");
    assert_eq!(headers["content-type"], "application/problem+json");
}

#[tokio::test]
async fn a_panic_and_a_failure_are_500_and_say_nothing() {
    for path in ["/panics", "/fails"] {
        let (status, problem) = get_from(&plain(), path).await;
        assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(problem["code"], "internal");
        let text = problem.to_string();
        assert!(!text.contains("Ada") && !text.contains("password"), "{text}");
    }
}

#[tokio::test]
async fn a_handler_that_hangs_is_given_up() {
    let (status, problem) = get_from(&plain(), "/hangs").await;
    assert_eq!(
        (status, problem["code"].as_str()),
        (StatusCode::SERVICE_UNAVAILABLE, Some("too_slow"))
    );
}

#[tokio::test]
async fn ready_says_what_is_missing_and_what_else_is_known() {
    let process = Process::standalone("inn");
    let ready = Ready::new()
        .check("postgres", || async { Ok(()) })
        .detail("clock_offset_seconds", || async { json!(3600) });
    let (status, body) = get_from(&wrapped(&process, ready.clone()), "/ready").await;
    assert_eq!(status, StatusCode::OK);
    let expected = json!({
        "ready": true,
        "service": "inn",
        "stopping": false,
        "checks": { "postgres": "ok" },
        "details": { "clock_offset_seconds": 3600 },
    });
    assert_eq!(body, expected);

    let ready = ready.check("rabbitmq", || async { Err("no connection".to_owned()) });
    let router = wrapped(&process, ready);
    let (status, body) = get_from(&router, "/ready").await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(body["checks"], json!({ "postgres": "ok", "rabbitmq": "no connection" }));
    assert_eq!(get_from(&router, "/health").await.0, StatusCode::OK, "alive all the same");
}

#[tokio::test(start_paused = true)]
async fn a_check_that_hangs_has_failed() {
    let ready = Ready::new().check("redis", std::future::pending);
    let router = wrapped(&Process::standalone("inn"), ready);
    let (status, body) = get_from(&router, "/ready").await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(body["checks"]["redis"], "no answer within 2s");
}

#[tokio::test]
async fn a_process_that_stops_is_alive_and_not_ready() {
    let process = Process::standalone("inn");
    let router = wrapped(&process, Ready::new());
    assert_eq!(get_from(&router, "/ready").await.0, StatusCode::OK);
    process.shutdown.cancel();
    let (status, body) = get_from(&router, "/ready").await;
    assert_eq!((status, &body["stopping"]), (StatusCode::SERVICE_UNAVAILABLE, &json!(true)));
    assert_eq!(get_from(&router, "/health").await.0, StatusCode::OK);
}

#[tokio::test]
async fn requests_are_counted_by_route_and_not_by_path() {
    let router = plain();
    let id = uuid::Uuid::nil();
    assert_eq!(get_from(&router, &format!("/stays/{id}")).await.0, StatusCode::OK);
    let request = Request::builder().method("BREW").uri("/nowhere/special");
    ask(&router, request.body(Body::empty()).unwrap()).await;
    let (status, text) = get_from(&router, "/metrics").await;
    assert_eq!(status, StatusCode::OK);
    let text = text.as_str().unwrap();
    let line = "holdfast_http_requests_total{method=\"GET\",route=\"/stays/{id}\",status=\"200\"} ";
    assert!(text.contains(line), "{text}");
    let line = "holdfast_http_requests_total{method=\"_OTHER\",route=\"none\",status=\"404\"} ";
    assert!(text.contains(line), "{text}");
    assert!(!text.contains(&id.to_string()) && !text.contains("special"), "{text}");
}

#[tokio::test]
async fn a_request_is_a_span_named_by_its_route_in_the_callers_trace() {
    let exporter = InMemorySpanExporter::default();
    let provider = SdkTracerProvider::builder().with_simple_exporter(exporter.clone()).build();
    let layer = crate::telemetry::spans("inn", &provider);
    let subscriber = tracing_subscriber::registry().with(layer);
    let router = plain();
    let request = Request::get("/fails?ticket=secret")
        .header("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
        .body(Body::empty())
        .unwrap();
    let (_, _, problem) = ask(&router, request).with_subscriber(subscriber).await;
    assert_eq!(problem["trace_id"], "4bf92f3577b34da6a3ce929d0e0e4736");

    let spans = exporter.get_finished_spans().unwrap();
    let span = &spans[0];
    assert_eq!(span.name, "GET /fails");
    assert_eq!(span.span_context.trace_id().to_string(), "4bf92f3577b34da6a3ce929d0e0e4736");
    assert_eq!(span.parent_span_id.to_string(), "00f067aa0ba902b7");
    let attributes: Vec<_> =
        span.attributes.iter().map(|it| format!("{}={}", it.key, it.value)).collect();
    for expected in [
        "http.request.method=GET",
        "http.route=/fails",
        "http.response.status_code=500",
        "error.type=500",
        "url.path=/fails",
    ] {
        assert!(attributes.iter().any(|it| it == expected), "{expected} in {attributes:?}");
    }
    assert!(!format!("{span:?}").contains("secret"), "{span:?}");
}

#[tokio::test]
async fn a_burst_of_connections_waits_to_be_taken_and_none_is_dropped() {
    let listener = super::server::bind(([127, 0, 0, 1], 0).into()).await.unwrap();
    // None is taken: what does not fit is tried again and again, and never opens.
    let all = (0..500).map(|_| tokio::net::TcpStream::connect(listener.addr()));
    let open = tokio::time::timeout(Duration::from_secs(30), try_join_all(all)).await;
    assert_eq!(open.expect("all of them open").unwrap().len(), 500);
}
