//! The receiver's HTTP: spans in by OTLP, traces out as JSON and as a page.

use std::sync::{Arc, Mutex};

use axum::{
    Json, Router,
    extract::{DefaultBodyLimit, Path, Query, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use bytes::Bytes;
use opentelemetry_proto::tonic::{
    collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse},
    common::v1::{AnyValue, KeyValue, any_value::Value},
    trace::v1 as otlp,
};
use prost::Message as _;
use serde::Deserialize;

use super::{Place, Span, Store, page};

/// What an exporter sends at once stays below this.
const BODY_MAX: usize = 16 * 1024 * 1024;

type Shared = Arc<Mutex<Store>>;

/// `POST /v1/traces`, `GET /traces?booking=`, `GET /traces/{id}`, `GET /traces/{id}/view`, `GET
/// /spans`, `GET /health`.
pub fn router() -> Router {
    Router::new()
        .route("/v1/traces", post(receive))
        .route("/traces", get(of_booking))
        .route("/traces/{id}", get(of_trace))
        .route("/traces/{id}/view", get(view))
        .route("/spans", get(all))
        .route("/health", get(health))
        .layer(DefaultBodyLimit::max(BODY_MAX))
        .with_state(Shared::default())
}

async fn receive(State(store): State<Shared>, body: Bytes) -> Response {
    let Ok(request) = ExportTraceServiceRequest::decode(body) else {
        return (StatusCode::BAD_REQUEST, "not an OTLP trace request in protobuf").into_response();
    };
    let mut store = store.lock().unwrap();
    for resource in request.resource_spans {
        let service = resource.resource.map(|r| r.attributes).unwrap_or_default();
        let service = text_of(&service, "service.name");
        for span in resource.scope_spans.into_iter().flat_map(|scope| scope.spans) {
            store.add(read(span, &service));
        }
    }
    let done = ExportTraceServiceResponse::default().encode_to_vec();
    ([(header::CONTENT_TYPE, "application/x-protobuf")], done).into_response()
}

fn read(span: otlp::Span, service: &str) -> Span {
    let kind = match span.kind() {
        otlp::span::SpanKind::Server => "server",
        otlp::span::SpanKind::Client => "client",
        otlp::span::SpanKind::Producer => "producer",
        otlp::span::SpanKind::Consumer => "consumer",
        otlp::span::SpanKind::Internal | otlp::span::SpanKind::Unspecified => "internal",
    };
    let failed = span.status.as_ref().is_some_and(|s| s.code() == otlp::status::StatusCode::Error);
    let told = span.status.iter().map(|status| status.message.clone());
    let logged = span.events.iter().map(|event| {
        let fields =
            event.attributes.iter().map(|a| format!(" {}={}", a.key, text(a.value.as_ref())));
        fields.fold(event.name.clone(), |line, field| line + &field)
    });
    let said = told.chain(logged).filter(|line| !line.is_empty()).collect();
    let links = span.links.iter().map(|link| Place {
        trace_id: hex::encode(&link.trace_id),
        span_id: hex::encode(&link.span_id),
    });
    Span {
        trace_id: hex::encode(&span.trace_id),
        span_id: hex::encode(&span.span_id),
        parent_id: (!span.parent_span_id.is_empty()).then(|| hex::encode(&span.parent_span_id)),
        said,
        links: links.collect(),
        attributes: span
            .attributes
            .iter()
            .map(|a| (a.key.clone(), text(a.value.as_ref())))
            .collect(),
        kind: kind.to_owned(),
        service: service.to_owned(),
        start_ns: span.start_time_unix_nano,
        end_ns: span.end_time_unix_nano,
        failed,
        name: span.name,
    }
}

fn text_of(attributes: &[KeyValue], key: &str) -> String {
    text(attributes.iter().find(|a| a.key == key).and_then(|a| a.value.as_ref()))
}

fn text(value: Option<&AnyValue>) -> String {
    match value.and_then(|value| value.value.as_ref()) {
        Some(Value::StringValue(text)) => text.clone(),
        Some(Value::BoolValue(is)) => is.to_string(),
        Some(Value::IntValue(number)) => number.to_string(),
        Some(Value::DoubleValue(number)) => number.to_string(),
        // Lists, maps and bytes, which nothing of ours sends.
        Some(other) => format!("{other:?}"),
        None => String::new(),
    }
}

#[derive(Deserialize)]
struct Asked {
    booking: String,
}

async fn of_booking(State(store): State<Shared>, Query(asked): Query<Asked>) -> Json<Vec<Span>> {
    Json(store.lock().unwrap().booking(&asked.booking))
}

async fn all(State(store): State<Shared>) -> Json<Vec<Span>> {
    Json(store.lock().unwrap().all().cloned().collect())
}

async fn of_trace(State(store): State<Shared>, Path(id): Path<String>) -> Response {
    let spans = store.lock().unwrap().trace(&id);
    if spans.is_empty() {
        return (StatusCode::NOT_FOUND, "no such trace").into_response();
    }
    Json(spans).into_response()
}

async fn view(State(store): State<Shared>, Path(id): Path<String>) -> Response {
    let spans = store.lock().unwrap().trace(&id);
    if spans.is_empty() {
        return (StatusCode::NOT_FOUND, "no such trace").into_response();
    }
    axum::response::Html(page(&id, &spans)).into_response()
}

async fn health(State(store): State<Shared>) -> Json<serde_json::Value> {
    let (spans, traces) = store.lock().unwrap().size();
    Json(serde_json::json!({"spans": spans, "traces": traces}))
}
