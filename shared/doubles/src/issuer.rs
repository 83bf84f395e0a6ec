//! An OpenID Connect issuer, strict by the published rules: discovery, authorization code with PKCE
//! (S256), a confidential client, ID tokens signed with ES256 or RS256, keys that rotate.
//!
//! Nobody types a password here: who is at the browser is set by `POST /issuer/person`.

mod keys;
mod token;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use bytes::Bytes;
use http::{HeaderMap, StatusCode, header};
use serde_json::{Map, Value, json};

use crate::config::IssuerConfig;
use crate::control::{self, problem};
use crate::faults::{Board, Offer};
use keys::Key;

const OFFERS: &[Offer] = &[
    Offer { fault: "wrong_nonce", operations: &["token"] },
    Offer { fault: "no_nonce", operations: &["token"] },
    Offer { fault: "wrong_audience", operations: &["token"] },
    Offer { fault: "other_party", operations: &["token"] },
    Offer { fault: "wrong_issuer", operations: &["token"] },
    Offer { fault: "expired", operations: &["token"] },
    Offer { fault: "no_expiry", operations: &["token"] },
    Offer { fault: "not_yet", operations: &["token"] },
    Offer { fault: "other_key", operations: &["token"] },
    Offer { fault: "unknown_key", operations: &["token"] },
    Offer { fault: "alg_none", operations: &["token"] },
    Offer { fault: "alg_hs256", operations: &["token"] },
    Offer { fault: "spoilt_claims", operations: &["token"] },
    Offer { fault: "http_500", operations: &["token", "keys", "discovery"] },
    Offer { fault: "not_json", operations: &["token", "keys", "discovery"] },
    Offer { fault: "hang", operations: &["token", "keys", "discovery"] },
    Offer { fault: "other_issuer", operations: &["discovery"] },
];

/// A code that is not used within this time is worth nothing.
const CODE_FOR: Duration = Duration::from_secs(60);

pub(crate) struct Issuer {
    config: IssuerConfig,
    faults: Board,
    world: Mutex<World>,
}

#[derive(Default)]
struct World {
    /// Claims of who is at the browser; nobody: access is denied.
    person: Option<Map<String, Value>>,
    codes: BTreeMap<String, Code>,
    key: Option<Key>,
    keys_made: u32,
    keys_read: u32,
}

/// What a code was given out for.
struct Code {
    redirect_uri: String,
    challenge: String,
    nonce: String,
    claims: Map<String, Value>,
    made: Instant,
}

/// Serves the issuer, and what tests tell it.
pub(crate) fn router(config: IssuerConfig) -> Router {
    let issuer = Issuer {
        config,
        faults: Board::mostly("token", OFFERS),
        world: Mutex::new(World::default()),
    };
    Router::new()
        .route("/.well-known/openid-configuration", get(discovery))
        .route("/authorize", get(authorize))
        .route("/token", post(token::give))
        .route("/keys", get(published))
        .route("/keys/read", get(read))
        .route("/person", post(person))
        .route("/rotate", post(rotate))
        .route(
            "/faults",
            post(|State(issuer): State<Arc<Issuer>>, body: Bytes| async move {
                issuer.faults.arm(&body)
            })
            .delete(|State(issuer): State<Arc<Issuer>>| async move { issuer.faults.clear() })
            .get(|State(issuer): State<Arc<Issuer>>| async move { issuer.faults.list() }),
        )
        .with_state(Arc::new(issuer))
}

/// The issuer's name is its address, as the caller reached it.
fn name(headers: &HeaderMap) -> String {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    format!("http://{}/issuer", host.unwrap_or_default())
}

async fn discovery(State(issuer): State<Arc<Issuer>>, headers: HeaderMap) -> Response {
    let fault = match issuer.fault("discovery").await {
        Ok(fault) => fault,
        Err(answer) => return answer,
    };
    let name = name(&headers);
    let told = if fault == "other_issuer" { "https://other.example" } else { &name };
    let document = json!({
        "issuer": told,
        "authorization_endpoint": format!("{name}/authorize"),
        "token_endpoint": format!("{name}/token"),
        "jwks_uri": format!("{name}/keys"),
        "response_types_supported": ["code"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["ES256", "RS256"],
        "token_endpoint_auth_methods_supported": ["client_secret_basic"],
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": true,
    });
    Json(document).into_response()
}

/// Lets the browser go back with a code. What is wrong about the client or where it goes back to is
/// told here and nowhere else: nobody is sent to an address that was not registered.
async fn authorize(
    State(issuer): State<Arc<Issuer>>,
    headers: HeaderMap,
    Query(asked): Query<BTreeMap<String, String>>,
) -> Response {
    let text = |name: &str| asked.get(name).map(String::as_str).unwrap_or_default();
    let wrong = |detail: &str| problem(StatusCode::BAD_REQUEST, "bad-request", detail, Value::Null);
    if text("client_id") != issuer.config.client_id {
        return wrong("no such client");
    }
    let back = text("redirect_uri");
    if !issuer.config.redirect_uris.iter().any(|known| known == back) {
        return wrong("redirect_uri is not registered");
    }
    let mut answer = vec![("state", text("state").to_owned()), ("iss", name(&headers))];
    let mut world = issuer.world.lock().unwrap();
    match unfit(&asked).or_else(|| world.person.is_none().then_some("access_denied")) {
        Some(error) => answer.push(("error", error.to_owned())),
        None => {
            let code = uuid::Uuid::new_v4().to_string();
            let given = Code {
                redirect_uri: back.to_owned(),
                challenge: text("code_challenge").to_owned(),
                nonce: text("nonce").to_owned(),
                claims: world.person.clone().unwrap(),
                made: Instant::now(),
            };
            world.codes.insert(code.clone(), given);
            answer.push(("code", code));
        }
    }
    let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(answer).finish();
    (StatusCode::SEE_OTHER, [(header::LOCATION, format!("{back}?{query}"))]).into_response()
}

async fn published(State(issuer): State<Arc<Issuer>>) -> Response {
    if let Err(answer) = issuer.fault("keys").await {
        return answer;
    }
    let mut world = issuer.world.lock().unwrap();
    world.keys_read += 1;
    let key = world.key().public();
    Json(json!({ "keys": [key] })).into_response()
}

/// How often the keys were read.
async fn read(State(issuer): State<Arc<Issuer>>) -> Response {
    Json(json!({ "times": issuer.world.lock().unwrap().keys_read })).into_response()
}

/// Says who is at the browser from now on: the claims of their ID token; `null` for nobody.
async fn person(State(issuer): State<Arc<Issuer>>, body: Bytes) -> Response {
    match control::read(&body) {
        Ok(claims) => {
            issuer.world.lock().unwrap().person = claims;
            StatusCode::NO_CONTENT.into_response()
        }
        Err(answer) => answer,
    }
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Rotate {
    alg: String,
}

/// Signs with a new key from now on; the old one is published no more.
async fn rotate(State(issuer): State<Arc<Issuer>>, body: Bytes) -> Response {
    let Rotate { alg } = match control::read(&body) {
        Ok(asked) => asked,
        Err(answer) => return answer,
    };
    let mut world = issuer.world.lock().unwrap();
    world.make_key(&alg);
    StatusCode::NO_CONTENT.into_response()
}

/// What is wrong with a request for a code, as the browser is told it.
fn unfit(asked: &BTreeMap<String, String>) -> Option<&'static str> {
    let text = |name: &str| asked.get(name).map(String::as_str).unwrap_or_default();
    if text("response_type") != "code" {
        return Some("unsupported_response_type");
    }
    if !text("scope").split(' ').any(|scope| scope == "openid") {
        return Some("invalid_scope");
    }
    let proof = text("code_challenge_method") == "S256" && text("code_challenge").len() == 43;
    let whole = proof && text("state").len() >= 20 && text("nonce").len() >= 20;
    (!whole).then_some("invalid_request")
}

impl Issuer {
    /// The fault that strikes, or the answer that it is.
    async fn fault(&self, operation: &str) -> Result<&'static str, Response> {
        match self.faults.take(operation).map(|fault| fault.name) {
            Some("http_500") => Err(StatusCode::INTERNAL_SERVER_ERROR.into_response()),
            Some("not_json") => Err("<html>moment, please</html>".into_response()),
            Some("hang") => std::future::pending().await,
            Some(other) => Ok(other),
            None => Ok(""),
        }
    }
}

impl World {
    fn key(&mut self) -> &Key {
        if self.key.is_none() {
            self.make_key("ES256");
        }
        self.key.as_ref().unwrap()
    }

    fn make_key(&mut self, alg: &str) {
        self.keys_made += 1;
        self.key = Some(Key::make(alg, format!("key-{}", self.keys_made)));
    }
}
