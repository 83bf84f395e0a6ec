//! Who is at the browser: the session behind a cookie, and what every form must carry.

use std::net::SocketAddr;

use axum::{
    body::Body,
    extract::{ConnectInfo, FromRequest, FromRequestParts, Request, State},
    middleware::Next,
    response::{IntoResponse as _, Redirect, Response},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use chassis::{
    ApiError, FieldError,
    auth::{Audience, Bearer, Claims},
};
use chrono::{DateTime, Utc};
use http::{HeaderMap, Method, StatusCode, header, request::Parts};
use serde::de::DeserializeOwned;
use subtle::ConstantTimeEq as _;

use crate::{
    App,
    http::{ROLES, acting::forwarded, connection, failed},
    origin,
    staff::digest,
    store,
};

/// Bound to this host and to TLS; browsers take it over plain HTTP from loopback only.
pub(super) const COOKIE: &str = "__Host-holdfast-support";
/// What the console's script says when it reads a page again.
const LIVE: &str = "x-live";
/// A form with a body that was edited.
const FORM_MAX: usize = 256 * 1024;

/// A member of staff at a browser.
#[derive(Debug, Clone)]
pub(crate) struct Session {
    pub(super) name: String,
    pub(super) role: String,
    /// What this session's forms carry.
    pub(super) csrf: String,
    /// The database's time when the request came.
    pub(super) now: DateTime<Utc>,
}

impl Session {
    /// What the API would be told by a token: each role may what the lesser ones may.
    pub(super) fn bearer(&self) -> Bearer {
        let upto = ROLES.iter().position(|role| *role == self.role);
        let roles = ROLES.iter().take(upto.map_or(0, |at| at + 1));
        Bearer(Claims {
            sub: self.name.clone(),
            iss: crate::SERVICE.to_owned(),
            aud: Audience::One("holdfast".to_owned()),
            exp: 0,
            roles: roles.map(|role| (*role).to_owned()).collect(),
        })
    }

    /// Whether its role is at least this one.
    pub(super) fn may(&self, role: &str) -> bool {
        crate::http::has_rank(&self.bearer().0, role)
    }
}

/// Lets through who has a good session; sends others to sign in.
pub(super) async fn required(
    State(app): State<App>,
    mut request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    let Some(session) = of(&app, request.headers()).await? else {
        let reading = request.method() == Method::GET;
        let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
        let query = form_urlencoded::Serializer::new(String::new())
            .append_pair("next", if reading { path } else { "/" })
            .finish();
        return Ok(Redirect::to(&format!("/sign-in?{query}")).into_response());
    };
    request.extensions_mut().insert(session.bearer());
    request.extensions_mut().insert(session.clone());
    let mut response = next.run(request).await;
    // For whoever puts a frame around an error.
    response.extensions_mut().insert(session);
    Ok(response)
}

/// Refuses what another site sends: a browser says where a request comes from.
pub(super) async fn same_site(request: Request, next: Next) -> Result<Response, ApiError> {
    if request.method() != Method::GET && !is_ours(request.headers()) {
        let detail = "this form was not sent from the console's own pages";
        return Err(ApiError::new(StatusCode::FORBIDDEN, "other_site", detail));
    }
    Ok(next.run(request).await)
}

fn is_ours(headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    let origin = text("origin").map(|origin| {
        let host = origin.split_once("://").map(|(_, host)| host);
        host.is_some() && host == text("host")
    });
    let site = text("sec-fetch-site").map(|site| site == "same-origin" || site == "none");
    origin != Some(false) && site != Some(false)
}

/// The session of a request's cookie, if it is good now.
pub(super) async fn of(app: &App, headers: &HeaderMap) -> Result<Option<Session>, ApiError> {
    let Some(token) = token(headers) else { return Ok(None) };
    let mut conn = connection(app).await?;
    let (idle, longest) = (app.support.session_idle, app.support.session_max);
    // A page that is read again by itself has nobody before it.
    let used = !headers.contains_key(LIVE);
    let row = store::session(&mut conn, &digest(&token), idle, longest, used).await;
    let row = row.map_err(|error| failed(&error))?;
    Ok(row.map(|row| {
        let csrf = URL_SAFE_NO_PAD.encode(digest(&format!("csrf {token}")));
        Session { name: row.name, role: row.role, csrf, now: row.now }
    }))
}

/// The session's token in the cookie.
pub(super) fn token(headers: &HeaderMap) -> Option<String> {
    cookie(headers, COOKIE).filter(|token| token.len() <= 100)
}

/// A cookie's value by its name.
pub(super) fn cookie(headers: &HeaderMap, wanted: &str) -> Option<String> {
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = cookies.flat_map(|line| line.split(';'));
    pairs.find_map(|pair| {
        let (name, value) = pair.trim().split_once('=')?;
        (name == wanted).then(|| value.to_owned())
    })
}

/// Where a request comes from, without the port: the same person has many.
pub(super) fn place(app: &App, parts: &Parts) -> String {
    let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|peer| peer.0.ip());
    let origin = peer.map(|peer| app.proxies.origin(peer, forwarded(&parts.headers)));
    origin.map_or_else(|| "unknown".to_owned(), origin::place)
}

impl<S: Send + Sync> FromRequestParts<S> for Session {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, ApiError> {
        parts.extensions.get::<Self>().cloned().ok_or_else(|| {
            tracing::error!("a page takes a session and nobody asks for one");
            ApiError::internal_logged()
        })
    }
}

/// A form of ours: read only when it carries its session's token. What of it cannot be read is
/// said after it is known whether its sender may do such a thing at all: a denial is recorded.
pub(super) struct Form<T>(pub(super) Result<T, ApiError>);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Form<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let (mut parts, body) = request.into_parts();
        let session = Session::from_request_parts(&mut parts, state).await?;
        let pairs = pairs(body).await?;
        let (token, fields): (Vec<_>, Vec<_>) =
            pairs.into_iter().partition(|(name, _)| name == "csrf");
        let given = token.first().map_or("", |(_, value)| value.as_str());
        if !bool::from(given.as_bytes().ct_eq(session.csrf.as_bytes())) {
            let detail = "this form is not of your session any more; load the page again";
            return Err(ApiError::new(StatusCode::FORBIDDEN, "form_expired", detail));
        }
        Ok(Self(parse(&fields)))
    }
}

/// The fields of a form.
pub(super) async fn pairs(body: Body) -> Result<Vec<(String, String)>, ApiError> {
    let bytes = axum::body::to_bytes(body, FORM_MAX).await.map_err(|_too_large| {
        let detail = "the form is too large";
        ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", detail)
    })?;
    Ok(form_urlencoded::parse(&bytes).into_owned().collect())
}

/// Reads fields into a type.
pub(super) fn parse<T: DeserializeOwned>(fields: &[(String, String)]) -> Result<T, ApiError> {
    let text = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
    serde_urlencoded::from_str(&text).map_err(|error| {
        ApiError::invalid(vec![FieldError::new("the form", "invalid", error.to_string())])
    })
}
