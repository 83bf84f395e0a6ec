//! Who is asking: bearer tokens (JWT), signed with Ed25519 and nothing else.
//!
//! A router is closed with [`guarded`]; its handlers take [`Bearer`]. A token must carry `sub`,
//! `exp`, the issuer and the audience: a claim that is absent is refused like a wrong one. The time
//! is the machine's, because a token is not a business deadline.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use aws_lc_rs::{encoding::AsBigEndian as _, signature::Ed25519KeyPair};
use axum::{
    Router,
    extract::{FromRequestParts, Request, State},
    middleware::{self, Next},
    response::Response,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{HeaderMap, StatusCode, header, request::Parts};
use jsonwebtoken::{
    Algorithm, DecodingKey, EncodingKey, Header, Validation, errors::ErrorKind,
    get_current_timestamp,
};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};

use crate::{
    api_error::ApiError,
    sign::{BadKey, SigningKey, VerifyingKey},
};

mod known_tokens;

use known_tokens::KnownTokens;

/// How far two machines' clocks may be apart.
const LEEWAY_SECONDS: u64 = 5;
/// Longer than any honest token; what is longer is not parsed.
const TOKEN_BYTES_MAX: usize = 8 * 1024;

/// Checks tokens of one issuer for one audience. Cheap to clone.
#[derive(Clone)]
pub struct Verifier(Arc<Inner>);

struct Inner {
    keys: Vec<DecodingKey>,
    validation: Validation,
    known: KnownTokens,
}

/// What a token says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// Who it is: an account, a member of staff, a service.
    pub sub: String,
    /// Who says so.
    pub iss: String,
    /// For whom it is said.
    pub aud: Audience,
    /// Until when, in seconds since 1970.
    pub exp: u64,
    /// What they may do.
    #[serde(default)]
    pub roles: BTreeSet<String>,
}

/// For whom a token is: one name or several.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Audience {
    /// One name.
    One(String),
    /// Several.
    Many(Vec<String>),
}

/// A token was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// There is none.
    #[error("there is no bearer token")]
    Absent,
    /// It was good once.
    #[error("the token has expired")]
    Expired,
    /// Anything else; which is told to nobody.
    #[error("the token is not valid here")]
    Invalid,
}

/// The claims of whoever sent the request.
///
/// Works with any state: [`guarded`] has checked the token and left the claims with the request. A
/// route outside a guard that takes it answers 500, for it would be open by mistake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bearer(pub Claims);

/// Makes tokens: for tests, for development, and for services that call each other.
#[derive(Debug)]
pub struct Signer {
    issuer: String,
    encoding: EncodingKey,
    public: VerifyingKey,
}

/// A token could not be made.
#[derive(Debug, thiserror::Error)]
#[error("signing a token")]
pub struct CannotSign(#[source] jsonwebtoken::errors::Error);

impl Verifier {
    /// Reads public keys, each a PEM or 32 bytes in base64; a token signed with any of them is
    /// good.
    ///
    /// # Errors
    ///
    /// [`BadKey`] when there is none or one cannot be read.
    pub fn from_keys<K: AsRef<str>>(
        keys: &[K],
        issuer: &str,
        audience: &str,
    ) -> Result<Self, BadKey> {
        let keys =
            keys.iter().map(|key| public_key(key.as_ref())).collect::<Result<Vec<_>, _>>()?;
        if keys.is_empty() {
            return Err(BadKey { what: "the list of token keys", wanted: "of one key or more" });
        }
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.leeway = LEEWAY_SECONDS;
        validation.validate_nbf = true;
        validation.set_issuer(&[issuer]);
        validation.set_audience(&[audience]);
        // The library checks only what is there unless it is told what must be; `Claims` insists,
        // too.
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        Ok(Self(Arc::new(Inner { keys, validation, known: KnownTokens::default() })))
    }

    /// Checks a token.
    ///
    /// # Errors
    ///
    /// [`Refused`] when it is not good here and now.
    pub fn verify(&self, token: &str) -> Result<Claims, Refused> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(Refused::Invalid);
        }
        let digest = known_tokens::digest(token);
        if let Some(claims) = self.0.known.get(&digest) {
            let expired = claims.exp < get_current_timestamp().saturating_sub(LEEWAY_SECONDS);
            return if expired { Err(Refused::Expired) } else { Ok(claims) };
        }
        for key in &self.0.keys {
            match jsonwebtoken::decode::<Claims>(token, key, &self.0.validation) {
                Ok(data) => {
                    self.0.known.put(digest, &data.claims);
                    return Ok(data.claims);
                }
                Err(error) => match error.kind() {
                    ErrorKind::InvalidSignature => {}
                    ErrorKind::ExpiredSignature => return Err(Refused::Expired),
                    _ => return Err(Refused::Invalid),
                },
            }
        }
        Err(Refused::Invalid)
    }

    /// Checks the token of a request's `Authorization` header.
    ///
    /// # Errors
    ///
    /// [`Refused`] when there is none or it is not good here and now.
    pub fn authenticate(&self, headers: &HeaderMap) -> Result<Claims, Refused> {
        let value = headers.get(header::AUTHORIZATION).ok_or(Refused::Absent)?;
        let value = value.to_str().map_err(|_not_ascii| Refused::Invalid)?;
        let (scheme, token) = value.split_once(' ').ok_or(Refused::Invalid)?;
        if !scheme.eq_ignore_ascii_case("bearer") {
            return Err(Refused::Absent);
        }
        self.verify(token.trim())
    }
}

impl Claims {
    /// Says whether a role was given.
    #[must_use]
    pub fn has_role(&self, role: &str) -> bool {
        self.roles.contains(role)
    }

    /// Refuses whoever was not given a role.
    ///
    /// # Errors
    ///
    /// 403.
    pub fn require_role(&self, role: &str) -> Result<(), ApiError> {
        if self.has_role(role) { Ok(()) } else { Err(ApiError::forbidden()) }
    }
}

/// Closes every route of a router to whoever has no valid token.
///
/// Routes added to the router afterwards are open, so close it last.
pub fn guarded<S>(router: Router<S>, verifier: Verifier) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    router.route_layer(middleware::from_fn_with_state(verifier, check_token))
}

/// Closes every route of a router to whoever has no valid token with this role.
pub fn guarded_for<S>(router: Router<S>, verifier: Verifier, role: &'static str) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    let router = router.route_layer(middleware::from_fn_with_state(role, check_role));
    guarded(router, verifier)
}

async fn check_token(
    State(verifier): State<Verifier>,
    mut request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    let claims = verifier.authenticate(request.headers())?;
    request.extensions_mut().insert(Bearer(claims));
    Ok(next.run(request).await)
}

async fn check_role(
    State(role): State<&'static str>,
    Bearer(claims): Bearer,
    request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    claims.require_role(role)?;
    Ok(next.run(request).await)
}

impl<S: Send + Sync> FromRequestParts<S> for Bearer {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, ApiError> {
        parts.extensions.get::<Self>().cloned().ok_or_else(|| {
            tracing::error!("a route takes a bearer token and no guard checks one");
            ApiError::internal_logged()
        })
    }
}

impl From<Refused> for ApiError {
    fn from(refused: Refused) -> Self {
        let code = match refused {
            Refused::Absent => return Self::unauthorized(),
            Refused::Expired => "token_expired",
            Refused::Invalid => "token_invalid",
        };
        Self::new(StatusCode::UNAUTHORIZED, code, refused.to_string())
    }
}

impl Signer {
    /// Signs with a key, in the name of an issuer.
    ///
    /// # Errors
    ///
    /// [`BadKey`] when the key cannot be written down, which it has no reason to.
    pub fn new(key: &SigningKey, issuer: impl Into<String>) -> Result<Self, BadKey> {
        let document = key
            .pair()
            .to_pkcs8v1()
            .map_err(|_unspecified| BadKey { what: "the token key", wanted: "an Ed25519 key" })?;
        Ok(Self {
            issuer: issuer.into(),
            encoding: EncodingKey::from_ed_der(document.as_ref()),
            public: key.verifying_key(),
        })
    }

    /// Reads the private key from a PKCS#8 PEM.
    ///
    /// # Errors
    ///
    /// [`BadKey`] when it is none.
    pub fn from_pem(pem: &SecretString, issuer: impl Into<String>) -> Result<Self, BadKey> {
        let refused = || BadKey { what: "the token key", wanted: "an Ed25519 key in PKCS#8 PEM" };
        let pem = pem.expose_secret().replace("\\n", "\n");
        let body: String =
            pem.lines().map(str::trim).filter(|line| !line.starts_with('-')).collect();
        let der = STANDARD.decode(body).map_err(|_not_base64| refused())?;
        let pair =
            Ed25519KeyPair::from_pkcs8_maybe_unchecked(&der).map_err(|_rejected| refused())?;
        let seed = pair.seed().and_then(|seed| seed.as_be_bytes()).map_err(|_none| refused())?;
        let seed = seed.as_ref().try_into().map_err(|_length| refused())?;
        Self::new(&SigningKey::from_seed(seed)?, issuer)
    }

    /// Makes a new key, for tests and for setting up a machine.
    ///
    /// # Errors
    ///
    /// [`BadKey`], as [`Self::new`].
    pub fn generate(issuer: impl Into<String>) -> Result<Self, BadKey> {
        Self::new(&SigningKey::generate()?, issuer)
    }

    /// Gives the public key in base64, as [`Verifier::from_keys`] reads it.
    #[must_use]
    pub fn public_key(&self) -> String {
        self.public.to_base64()
    }

    /// Makes a token that is good from now on for a while.
    ///
    /// # Errors
    ///
    /// [`CannotSign`] when the library fails.
    pub fn token(
        &self,
        subject: &str,
        roles: &[&str],
        audience: &str,
        valid_for: Duration,
    ) -> Result<SecretString, CannotSign> {
        let claims = Claims {
            sub: subject.to_owned(),
            iss: self.issuer.clone(),
            aud: Audience::One(audience.to_owned()),
            exp: get_current_timestamp().saturating_add(valid_for.as_secs()),
            roles: roles.iter().map(|role| (*role).to_owned()).collect(),
        };
        self.sign(&claims)
    }

    /// Signs claims as they are.
    ///
    /// # Errors
    ///
    /// [`CannotSign`] when they are no JSON object or the library fails.
    pub fn sign<T: Serialize>(&self, claims: &T) -> Result<SecretString, CannotSign> {
        jsonwebtoken::encode(&Header::new(Algorithm::EdDSA), claims, &self.encoding)
            .map(SecretString::from)
            .map_err(CannotSign)
    }
}

impl std::fmt::Debug for Verifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Verifier({} keys)", self.0.keys.len())
    }
}

fn public_key(text: &str) -> Result<DecodingKey, BadKey> {
    let text = text.trim();
    if !text.starts_with("-----BEGIN") {
        return VerifyingKey::from_base64(text).map(|key| DecodingKey::from_ed_der(key.as_bytes()));
    }
    DecodingKey::from_ed_pem(text.replace("\\n", "\n").as_bytes())
        .map_err(|_bad| BadKey { what: "a token key", wanted: "an Ed25519 public key in PEM" })
}

#[cfg(test)]
mod tests;
