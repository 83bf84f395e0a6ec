//! What an issuer publishes, kept for a while, and whether an ID token is its own.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use chassis::{HttpClient, HttpRequest, http_client::HttpReply};
use http::Method;
use jsonwebtoken::{
    Algorithm, DecodingKey, Validation,
    errors::ErrorKind,
    jwk::{Jwk, JwkSet, PublicKeyUse},
};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Map, Value};
use tokio::time::Instant;

use super::{Refused, Unanswered, settings::is_safe};

/// Signatures that prove who made them: no shared secrets, and never none.
const ALGORITHMS: [Algorithm; 9] = [
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
    Algorithm::ES256,
    Algorithm::ES384,
    Algorithm::EdDSA,
];
/// What was published is read again after this time.
const KNOWN_FOR: Duration = Duration::from_secs(3_600);
/// Whoever names keys that do not exist makes us read them no more often than this.
const KEYS_AGAIN_AFTER: Duration = Duration::from_secs(60);
/// How far two machines' clocks may be apart.
const LEEWAY_SECONDS: u64 = 30;
/// Longer than any honest token; what is longer is not parsed.
const TOKEN_BYTES_MAX: usize = 32 * 1024;

/// An issuer, as far as it is known.
#[derive(Clone)]
pub(super) struct Issuer {
    name: String,
    http: HttpClient,
    known: Arc<Mutex<Known>>,
}

#[derive(Default)]
struct Known {
    endpoints: Option<(Endpoints, Instant)>,
    keys: Option<(Arc<JwkSet>, Instant)>,
    /// When keys were read although some were known.
    again: Option<Instant>,
}

/// Where it is asked for what.
#[derive(Clone)]
pub(super) struct Endpoints {
    pub(super) authorization: String,
    pub(super) token: String,
    keys: String,
}

impl Issuer {
    pub(super) fn new(name: String, http: HttpClient) -> Self {
        Self { name, http, known: Arc::default() }
    }

    /// Where it is asked for what, as it publishes.
    pub(super) async fn endpoints(&self) -> Result<Endpoints, Refused> {
        #[derive(Deserialize)]
        struct Published {
            issuer: String,
            authorization_endpoint: String,
            token_endpoint: String,
            jwks_uri: String,
        }
        if let Some(endpoints) = self.known(|known| fresh(known.endpoints.as_ref())) {
            return Ok(endpoints);
        }
        let name = self.name.trim_end_matches('/');
        let url = format!("{name}/.well-known/openid-configuration");
        let published: Published = self.read(&url).await?;
        if published.issuer != self.name {
            let what = "the document is another issuer's";
            return Err(Refused::NoAnswer(Unanswered::NotFit(what)));
        }
        let endpoints = Endpoints {
            authorization: published.authorization_endpoint,
            token: published.token_endpoint,
            keys: published.jwks_uri,
        };
        if ![&endpoints.authorization, &endpoints.token, &endpoints.keys]
            .iter()
            .all(|url| is_safe(url))
        {
            let what = "an address is neither https nor on this machine";
            return Err(Refused::NoAnswer(Unanswered::NotFit(what)));
        }
        self.known(|known| known.endpoints = Some((endpoints.clone(), Instant::now())));
        Ok(endpoints)
    }

    /// The claims of an ID token, if it is this issuer's, for this client, and good now.
    pub(super) async fn claims(
        &self,
        token: &str,
        client_id: &str,
    ) -> Result<Map<String, Value>, Refused> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(Refused::BadToken("it is too long"));
        }
        let header = jsonwebtoken::decode_header(token)
            .map_err(|_none| Refused::BadToken("it has no header that can be read"))?;
        if !ALGORITHMS.contains(&header.alg) {
            return Err(Refused::BadToken("its signature is of a kind that proves nothing"));
        }
        let key = self.key(header.kid.as_deref(), header.alg).await?;
        let key = DecodingKey::from_jwk(&key)
            .map_err(|_unfit| Refused::BadToken("its key cannot be used"))?;
        let mut validation = Validation::new(header.alg);
        validation.leeway = LEEWAY_SECONDS;
        validation.validate_nbf = true;
        validation.set_issuer(&[&self.name]);
        validation.set_audience(&[client_id]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        let data = jsonwebtoken::decode::<Map<String, Value>>(token, &key, &validation);
        let claims = data.map_err(|error| Refused::BadToken(why(error.kind())))?.claims;
        let party = claims.get("azp").is_some_and(|party| party.as_str() != Some(client_id));
        let several = claims.get("aud").and_then(Value::as_array).is_some_and(|all| all.len() > 1);
        if party || (several && !claims.contains_key("azp")) {
            return Err(Refused::BadToken("it was made for somebody else"));
        }
        Ok(claims)
    }

    /// The key of that name. One that is not known may be new: keys rotate.
    async fn key(&self, kid: Option<&str>, alg: Algorithm) -> Result<Jwk, Refused> {
        let known = self.known(|known| fresh(known.keys.as_ref()));
        let found = known.as_ref().and_then(|keys| pick(keys, kid, alg));
        if let Some(key) = found {
            return Ok(key);
        }
        let unknown = || Refused::BadToken("its key is not one of the issuer's");
        if known.is_some() && !self.known(may_read_again) {
            return Err(unknown());
        }
        let endpoints = self.endpoints().await?;
        let keys: Arc<JwkSet> = Arc::new(self.read(&endpoints.keys).await?);
        self.known(|known| known.keys = Some((Arc::clone(&keys), Instant::now())));
        pick(&keys, kid, alg).ok_or_else(unknown)
    }

    async fn read<T: DeserializeOwned>(&self, url: &str) -> Result<T, Refused> {
        let request = HttpRequest::new(Method::GET, url).header("accept", "application/json");
        let answer = self.http.send(request).await;
        read(&answer.map_err(|error| Refused::NoAnswer(Unanswered::Http(error)))?)
    }

    /// Looks at what is known, or changes it; never across a wait.
    fn known<T>(&self, with: impl FnOnce(&mut Known) -> T) -> T {
        with(&mut self.known.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Reads an answer that should be JSON.
pub(super) fn read<T: DeserializeOwned>(answer: &HttpReply) -> Result<T, Refused> {
    if !answer.status.is_success() {
        return Err(Refused::NoAnswer(Unanswered::Status(answer.status)));
    }
    serde_json::from_slice(&answer.body)
        .map_err(|error| Refused::NoAnswer(Unanswered::NotReadable(error)))
}

fn fresh<T: Clone>(kept: Option<&(T, Instant)>) -> Option<T> {
    kept.filter(|(_, at)| at.elapsed() < KNOWN_FOR).map(|(value, _)| value.clone())
}

fn may_read_again(known: &mut Known) -> bool {
    let may = known.again.is_none_or(|at| at.elapsed() >= KEYS_AGAIN_AFTER);
    if may {
        known.again = Some(Instant::now());
    }
    may
}

/// The key by its name; without a name only where there is no choice.
fn pick(keys: &JwkSet, kid: Option<&str>, alg: Algorithm) -> Option<Jwk> {
    let signs = |key: &&Jwk| {
        let common = &key.common;
        let for_signing =
            common.public_key_use.as_ref().is_none_or(|it| *it == PublicKeyUse::Signature);
        let for_alg = common
            .key_algorithm
            .is_none_or(|named| Algorithm::try_from(named).is_ok_and(|named| named == alg));
        for_signing && for_alg && kid.is_none_or(|kid| common.key_id.as_deref() == Some(kid))
    };
    let mut fitting = keys.keys.iter().filter(signs);
    let first = fitting.next()?;
    if kid.is_none() && fitting.next().is_some() { None } else { Some(first.clone()) }
}

fn why(kind: &ErrorKind) -> &'static str {
    match kind {
        ErrorKind::InvalidSignature => "its signature is not the issuer's",
        ErrorKind::ExpiredSignature => "it has expired",
        ErrorKind::ImmatureSignature => "it is not good yet",
        ErrorKind::InvalidIssuer => "another issuer made it",
        ErrorKind::InvalidAudience => "it was made for somebody else",
        ErrorKind::MissingRequiredClaim(_) => "a claim is missing",
        _ => "it cannot be read",
    }
}
