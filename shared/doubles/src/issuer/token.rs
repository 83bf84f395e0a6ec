//! Codes for ID tokens: once, in time, to the client that shows its secret and the proof of its
//! challenge.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use bytes::Bytes;
use chrono::Utc;
use hmac::{Hmac, Mac as _};
use http::{HeaderMap, StatusCode, header};
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use super::{CODE_FOR, Code, Issuer, Key, name};

/// How long an ID token is good.
const GOOD_FOR: i64 = 300;

fn refuse(status: StatusCode, error: &str) -> Response {
    (status, Json(json!({ "error": error }))).into_response()
}

pub(super) async fn give(
    State(issuer): State<Arc<Issuer>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let fault = match issuer.fault("token").await {
        Ok(fault) => fault,
        Err(answer) => return answer,
    };
    if !issuer.knows(&headers) {
        return refuse(StatusCode::UNAUTHORIZED, "invalid_client");
    }
    let form: BTreeMap<_, _> = form_urlencoded::parse(&body).into_owned().collect();
    let text = |name: &str| form.get(name).map(String::as_str).unwrap_or_default();
    if text("grant_type") != "authorization_code" {
        return refuse(StatusCode::BAD_REQUEST, "unsupported_grant_type");
    }
    let mut world = issuer.world.lock().unwrap();
    // Whatever is wrong with it, a code is used up.
    let Some(code) = world.codes.remove(text("code")) else {
        return refuse(StatusCode::BAD_REQUEST, "invalid_grant");
    };
    let proof = URL_SAFE_NO_PAD.encode(Sha256::digest(text("code_verifier")));
    let fits = code.redirect_uri == text("redirect_uri")
        && code.challenge == proof
        && code.made.elapsed() < CODE_FOR;
    if !fits {
        return refuse(StatusCode::BAD_REQUEST, "invalid_grant");
    }
    let claims = claims(&code, &name(&headers), &issuer.config.client_id, fault);
    let token = signed(world.key(), &Value::Object(claims), fault, &issuer.config.client_secret);
    let token = json!({
        "access_token": "for-nothing-here", "token_type": "Bearer", "expires_in": GOOD_FOR,
        "id_token": token,
    });
    ([(header::CACHE_CONTROL, "no-store")], Json(token)).into_response()
}

impl Issuer {
    /// Whether the client shows its secret, in `Authorization`, each part encoded as in a form.
    fn knows(&self, headers: &HeaderMap) -> bool {
        let shown = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let encoded = shown.and_then(|text| text.strip_prefix("Basic "));
        let decoded = encoded.and_then(|text| STANDARD.decode(text).ok());
        let text = decoded.and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_default();
        let part = |text: &str| {
            let pair = format!("x={text}");
            form_urlencoded::parse(pair.as_bytes()).next().map(|(_, value)| value.into_owned())
        };
        let Some((id, secret)) = text.split_once(':') else { return false };
        part(id).as_deref() == Some(self.config.client_id.as_str())
            && part(secret).as_deref() == Some(self.config.client_secret.as_str())
    }
}

fn claims(code: &Code, issuer: &str, client: &str, fault: &str) -> Map<String, Value> {
    let now = Utc::now().timestamp();
    let mut claims = code.claims.clone();
    claims.insert("iss".to_owned(), json!(issuer));
    claims.insert("aud".to_owned(), json!(client));
    claims.insert("iat".to_owned(), json!(now));
    claims.insert("exp".to_owned(), json!(now + GOOD_FOR));
    claims.insert("nonce".to_owned(), json!(code.nonce));
    let mut set = |name: &str, value: Value| drop(claims.insert(name.to_owned(), value));
    match fault {
        "wrong_nonce" => set("nonce", json!("of-another-sign-in-altogether")),
        "wrong_audience" => set("aud", json!("somebody-else")),
        "other_party" => {
            set("aud", json!([client, "somebody-else"]));
            set("azp", json!("somebody-else"));
        }
        "wrong_issuer" => set("iss", json!("https://other.example")),
        "expired" => set("exp", json!(now - 3_600)),
        "not_yet" => set("nbf", json!(now + 3_600)),
        "no_nonce" => drop(claims.remove("nonce")),
        "no_expiry" => drop(claims.remove("exp")),
        _ => {}
    }
    claims
}

fn signed(key: &Key, claims: &Value, fault: &str, secret: &str) -> String {
    let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let kid = if fault == "unknown_key" { "nobodys" } else { key.kid.as_str() };
    let alg = match fault {
        "alg_none" => "none",
        "alg_hs256" => "HS256",
        _ => key.alg(),
    };
    let header = encode(&json!({ "typ": "JWT", "alg": alg, "kid": kid }));
    let text = format!("{header}.{}", encode(claims));
    let signature = match fault {
        "alg_none" => Vec::new(),
        "alg_hs256" => {
            let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
            mac.update(text.as_bytes());
            mac.finalize().into_bytes().to_vec()
        }
        "other_key" => Key::make(key.alg(), key.kid.clone()).sign(&text),
        _ => key.sign(&text),
    };
    let text = if fault == "spoilt_claims" {
        // Somebody on the way wants to be an administrator.
        let mut other = claims.clone();
        other["groups"] = json!(["holdfast-admins"]);
        format!("{header}.{}", encode(&other))
    } else {
        text
    };
    format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature))
}
