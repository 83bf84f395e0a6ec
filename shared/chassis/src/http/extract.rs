//! Bodies, path and query, read strictly; all that is wrong becomes a problem to act on.

use std::{borrow::Cow, collections::BTreeMap, time::Duration};

use axum::{
    RequestExt as _,
    body::Body,
    extract::{FromRequest, FromRequestParts, Request},
    response::{IntoResponse, Response},
};
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, StatusCode, header, request::Parts};
use http_body_util::{BodyExt as _, LengthLimitError};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use serde_path_to_error::{Path as ErrorPath, Segment};

use super::faults::{self, Pairs};
use crate::api_error::{ApiError, FieldError};

/// How much of a body that is too large is read and dropped: some megabytes, for some moments.
const HEARD_OUT_FRAMES: usize = 512;
const HEARD_OUT_FOR: Duration = Duration::from_secs(2);

/// A JSON body, in or out.
///
/// In: 415 when it is not called JSON, 413 when it is too large, 400 with line and column when it
/// is not JSON, 422 with a JSON pointer for each field that is unknown, missing or wrong.
/// Whether unknown fields are refused is the type's to say (`#[serde(deny_unknown_fields)]`).
#[derive(Debug, Clone, Copy)]
pub struct Json<T>(pub T);

/// The parameters of the path; what does not parse is not found.
#[derive(Debug, Clone, Copy)]
pub struct Path<T>(pub T);

/// The parameters of the query; 422 with `?name` for each that is unknown, missing or wrong, is
/// given twice, or has a zero byte, which no text column takes.
#[derive(Debug, Clone, Copy)]
pub struct Query<T>(pub T);

impl<T, S> FromRequest<S> for Json<T>
where
    T: DeserializeOwned,
    S: Send + Sync,
{
    type Rejection = ApiError;

    async fn from_request(request: Request, _state: &S) -> Result<Self, ApiError> {
        if !is_json(request.headers()) {
            let detail = "the body must be application/json";
            return Err(ApiError::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "unsupported_media_type",
                detail,
            ));
        }
        let body = whole(request.into_limited_body()).await?;
        parse(&body).map(Self)
    }
}

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        axum::Json(self.0).into_response()
    }
}

impl<T, S> FromRequestParts<S> for Path<T>
where
    T: DeserializeOwned + Send,
    S: Send + Sync,
{
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        if parts.uri.path().contains("%00") {
            return Err(ApiError::not_found());
        }
        let path = axum::extract::Path::<T>::from_request_parts(parts, state).await;
        // An id that is none names nothing, like one that was never given out.
        path.map(|path| Self(path.0)).map_err(|_rejection| ApiError::not_found())
    }
}

impl<T, S> FromRequestParts<S> for Query<T>
where
    T: DeserializeOwned,
    S: Send + Sync,
{
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, ApiError> {
        let query = parts.uri.query().unwrap_or_default();
        let pairs: Vec<_> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        let zeros: Vec<_> = pairs
            .iter()
            .filter(|(name, value)| name.contains('\0') || value.contains('\0'))
            .map(|(name, _)| {
                let detail = "must have no zero byte";
                FieldError::new(format!("?{}", name.replace('\0', "")), "invalid", detail)
            })
            .collect();
        if !zeros.is_empty() {
            return Err(ApiError::invalid(zeros));
        }
        let twice: Vec<_> = twice(pairs.iter().map(|(name, _)| &**name)).collect();
        if !twice.is_empty() {
            return Err(ApiError::invalid(twice));
        }
        query_fault(&pairs)
            .map(Self)
            .map_err(|_first| ApiError::invalid(faults::all::<T>(Pairs(pairs))))
    }
}

/// What is wrong with the parameters that are given more than once: nobody knows which is meant.
pub fn twice<'a>(names: impl Iterator<Item = &'a str>) -> impl Iterator<Item = FieldError> {
    let mut given = BTreeMap::<&str, usize>::new();
    for name in names {
        *given.entry(name).or_default() += 1;
    }
    let twice = given.into_iter().filter(|(_, times)| *times > 1);
    twice.map(|(name, _)| FieldError::new(format!("?{name}"), "twice", "is given twice"))
}

/// Reads a query, or says what is wrong with it first.
pub(super) fn query_fault<T: DeserializeOwned>(
    pairs: &[(String, String)],
) -> Result<T, FieldError> {
    let text = form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
    let pairs = form_urlencoded::parse(text.as_bytes());
    let deserializer = serde_urlencoded::Deserializer::new(pairs);
    serde_path_to_error::deserialize(deserializer).map_err(|error| {
        let field = field_error(&error.inner().to_string(), pointer(error.path()));
        let name = field.pointer.trim_start_matches('/').to_owned();
        FieldError { pointer: format!("?{name}"), ..field }
    })
}

/// What is wrong first with a document.
pub(super) fn json_fault(error: &serde_path_to_error::Error<serde_json::Error>) -> FieldError {
    field_error(&error.inner().to_string(), pointer(error.path()))
}

/// Parses a JSON body as the extractor does.
///
/// # Errors
///
/// 400 or 422.
pub(crate) fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, ApiError> {
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let parsed = serde_path_to_error::deserialize(&mut deserializer);
    let value = parsed.map_err(|error| {
        let first = refused(error.inner(), pointer(error.path()));
        if !error.inner().is_data() {
            return first;
        }
        // A document may be spoilt after what is wrong in it.
        match serde_json::from_slice::<Value>(body) {
            Ok(document) => match faults::all::<T>(document) {
                all if all.is_empty() => first,
                all => ApiError::invalid(all),
            },
            Err(error) => refused(&error, String::new()),
        }
    })?;
    deserializer.end().map_err(|error| refused(&error, String::new()))?;
    Ok(value)
}

fn refused(error: &serde_json::Error, pointer: String) -> ApiError {
    let place = format!(" at line {} column {}", error.line(), error.column());
    let message = error.to_string();
    let message = message.strip_suffix(&place).unwrap_or(&message);
    if error.is_data() {
        return ApiError::invalid(vec![field_error(message, pointer)]);
    }
    ApiError::bad_request("malformed_json", format!("the body is not JSON: {message}{place}"))
}

/// Reads serde's sentence: which field, and which kind of wrong.
fn field_error(message: &str, parent: String) -> FieldError {
    let named = |prefix: &str| {
        let rest = message.strip_prefix(prefix)?;
        rest.split_once('`').map(|(name, _)| name)
    };
    let (code, name) = if let Some(name) = named("missing field `") {
        ("missing", Some(name))
    } else if let Some(name) = named("unknown field `") {
        ("unknown", Some(name))
    } else if message.starts_with("invalid type") {
        ("wrong_type", None)
    } else {
        ("invalid", None)
    };
    let pointer = match name.map(escaped) {
        // Some paths lead to the field, some to what holds it.
        Some(name) if !parent.ends_with(&format!("/{name}")) => format!("{parent}/{name}"),
        Some(_) | None => parent,
    };
    FieldError { pointer, code: Cow::Borrowed(code), detail: message.to_owned() }
}

/// Writes a path as a JSON pointer (RFC 6901).
fn pointer(path: &ErrorPath) -> String {
    let part = |segment: &Segment| match segment {
        Segment::Seq { index } => Some(index.to_string()),
        Segment::Map { key } => Some(escaped(key)),
        // The name of a variant is no part of the document, and of the unknown nothing is known.
        Segment::Enum { .. } | Segment::Unknown => None,
    };
    path.iter().filter_map(part).fold(String::new(), |pointer, part| pointer + "/" + &part)
}

fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

fn is_json(headers: &HeaderMap) -> bool {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let media_type = value.unwrap_or_default().split(';').next().unwrap_or_default().trim();
    media_type.eq_ignore_ascii_case("application/json")
        || media_type.to_ascii_lowercase().ends_with("+json")
}

async fn whole(mut body: Body) -> Result<Bytes, ApiError> {
    let mut bytes = BytesMut::new();
    while let Some(frame) = body.frame().await {
        match frame {
            // Trailers are nothing we read.
            Ok(frame) => bytes.extend_from_slice(frame.data_ref().map_or(&[], Bytes::as_ref)),
            Err(error) if is_too_large(&error) => {
                hear_out(body).await;
                let detail = "the body is larger than this address takes";
                return Err(ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", detail));
            }
            Err(_broken) => {
                let detail = "the body ended before it was complete";
                return Err(ApiError::bad_request("body_unreadable", detail));
            }
        }
    }
    Ok(bytes.freeze())
}

/// Drops the rest of a body that is too large, for a while: a client that is cut off while it still
/// sends never reads why.
async fn hear_out(mut body: Body) {
    let rest = async {
        for _ in 0..HEARD_OUT_FRAMES {
            if body.frame().await.is_none() {
                break;
            }
        }
    };
    drop(tokio::time::timeout(HEARD_OUT_FOR, rest).await);
}

fn is_too_large(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut causes = std::iter::successors(Some(error), |error| error.source());
    causes.any(|cause| cause.is::<LengthLimitError>())
}
