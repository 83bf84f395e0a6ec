//! Signing in at an OpenID Connect issuer: the authorization code flow with PKCE, nonce and state.
//!
//! Nothing of a sign-in under way is kept here: state, nonce and verifier are made of a secret in
//! the browser's own cookie, so an answer is good in that browser only, at whichever instance.

mod claims;
mod issuer;
mod settings;

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use chassis::{
    HttpClient, HttpClientConfig, HttpRequest,
    http_client::{CannotMakeClient, HttpError},
};
use http::{HeaderValue, Method, StatusCode, header};
use secrecy::ExposeSecret as _;
use serde::Deserialize;
use subtle::ConstantTimeEq as _;

pub(crate) use self::claims::Person;
use self::issuer::Issuer;
pub use self::settings::{Role, Settings};
use crate::staff::digest;

/// Longer than any issuer needs; a browser waits for it.
const WITHIN: Duration = Duration::from_secs(5);

/// A client of one issuer.
#[derive(Clone)]
pub(crate) struct Oidc {
    settings: Settings,
    http: HttpClient,
    issuer: Issuer,
}

/// A sign-in that was begun, as the secret in a browser's cookie says.
pub(crate) struct Begun(String);

/// What the issuer sent the browser back with.
#[derive(Debug, Deserialize)]
pub(crate) struct Back {
    pub(crate) state: Option<String>,
    pub(crate) code: Option<String>,
    /// Why there is no code.
    pub(crate) error: Option<String>,
    /// Who says so, where the issuer tells it.
    pub(crate) iss: Option<String>,
}

/// Why nobody can be signed in.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refused {
    /// The issuer does not answer as it should.
    #[error("asking the issuer")]
    NoAnswer(#[source] Unanswered),
    /// What came back is not of this browser's sign-in.
    #[error("it is not of a sign-in that this browser began")]
    NotBegunHere,
    /// The issuer let nobody in.
    #[error("the issuer said no")]
    Denied,
    /// The issuer did not take the code.
    #[error("the code is not good")]
    BadCode,
    /// The token proves nothing.
    #[error("the ID token is not good: {0}")]
    BadToken(&'static str),
}

/// An issuer did not answer as it should.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unanswered {
    #[error("there was no answer")]
    Http(#[source] HttpError),
    #[error("it answered {0}")]
    Status(StatusCode),
    #[error("the answer is not readable")]
    NotReadable(#[source] serde_json::Error),
    #[error("{0}")]
    NotFit(&'static str),
}

impl Begun {
    /// A new one.
    pub(crate) fn new() -> Self {
        Self(chassis::mint::token())
    }

    /// The one that a cookie is of.
    pub(crate) fn of(secret: &str) -> Self {
        Self(secret.to_owned())
    }

    pub(crate) fn secret(&self) -> &str {
        &self.0
    }

    /// Whoever knows one of these learns nothing of the others, nor of the secret.
    fn derived(&self, what: &str) -> String {
        URL_SAFE_NO_PAD.encode(digest(&format!("oidc {what} {}", self.0)))
    }
}

impl Oidc {
    pub(crate) fn new(settings: Settings) -> Result<Self, CannotMakeClient> {
        let http = HttpClient::new(HttpClientConfig { timeout: WITHIN, ..Default::default() })?;
        let issuer = Issuer::new(settings.issuer.clone(), http.clone());
        Ok(Self { settings, http, issuer })
    }

    /// What people call the issuer: its host.
    pub(crate) fn title(&self) -> &str {
        let (_, rest) = self.settings.issuer.split_once("://").unwrap_or_default();
        rest.split('/').next().unwrap_or_default()
    }

    /// Where to send a browser.
    ///
    /// # Errors
    /// When the issuer does not say where.
    pub(crate) async fn address(&self, begun: &Begun) -> Result<String, Refused> {
        let endpoints = self.issuer.endpoints().await?;
        let verifier = begun.derived("verifier");
        let query = form_urlencoded::Serializer::new(String::new())
            .append_pair("response_type", "code")
            .append_pair("client_id", &self.settings.client_id)
            .append_pair("redirect_uri", &self.settings.redirect_url)
            .append_pair("scope", &self.settings.scopes)
            .append_pair("state", &begun.derived("state"))
            .append_pair("nonce", &begun.derived("nonce"))
            .append_pair("code_challenge", &URL_SAFE_NO_PAD.encode(digest(&verifier)))
            .append_pair("code_challenge_method", "S256")
            .finish();
        let join = if endpoints.authorization.contains('?') { '&' } else { '?' };
        Ok(format!("{}{join}{query}", endpoints.authorization))
    }

    /// Says who came back.
    ///
    /// # Errors
    /// When it cannot be told who that is.
    pub(crate) async fn person(&self, begun: &Begun, back: &Back) -> Result<Person, Refused> {
        let state = back.state.as_deref().unwrap_or_default();
        if !bool::from(state.as_bytes().ct_eq(begun.derived("state").as_bytes())) {
            return Err(Refused::NotBegunHere);
        }
        if back.iss.as_ref().is_some_and(|iss| *iss != self.settings.issuer) {
            return Err(Refused::NotBegunHere);
        }
        if back.error.is_some() {
            return Err(Refused::Denied);
        }
        let code = back.code.as_deref().ok_or(Refused::NotBegunHere)?;
        let token = self.token(begun, code).await?;
        let claims = self.issuer.claims(&token, &self.settings.client_id).await?;
        let nonce = claims.get("nonce").and_then(|nonce| nonce.as_str()).unwrap_or_default();
        if !bool::from(nonce.as_bytes().ct_eq(begun.derived("nonce").as_bytes())) {
            return Err(Refused::BadToken("it is of another sign-in"));
        }
        claims::person(&claims, &self.settings)
    }

    /// The ID token that a code is good for.
    async fn token(&self, begun: &Begun, code: &str) -> Result<String, Refused> {
        #[derive(Deserialize)]
        struct Given {
            id_token: String,
        }
        let endpoints = self.issuer.endpoints().await?;
        let form = form_urlencoded::Serializer::new(String::new())
            .append_pair("grant_type", "authorization_code")
            .append_pair("code", code)
            .append_pair("redirect_uri", &self.settings.redirect_url)
            .append_pair("code_verifier", &begun.derived("verifier"))
            .finish();
        let mut request = HttpRequest::new(Method::POST, endpoints.token)
            .header("content-type", "application/x-www-form-urlencoded")
            .header("accept", "application/json");
        request.body = form.into_bytes().into();
        request.headers.insert(header::AUTHORIZATION, self.basic());
        let answer = self.http.send(request).await;
        let answer = answer.map_err(|error| Refused::NoAnswer(Unanswered::Http(error)))?;
        if answer.status.is_client_error() {
            return Err(Refused::BadCode);
        }
        let Given { id_token } = issuer::read(&answer)?;
        Ok(id_token)
    }

    /// The client's own name and secret, each encoded as in a form: either may have a colon.
    fn basic(&self) -> HeaderValue {
        use base64::engine::general_purpose::STANDARD;
        let encoded =
            |text: &str| -> String { form_urlencoded::byte_serialize(text.as_bytes()).collect() };
        let Settings { client_id, client_secret, .. } = &self.settings;
        let pair = format!("{}:{}", encoded(client_id), encoded(client_secret.expose_secret()));
        let value = HeaderValue::try_from(format!("Basic {}", STANDARD.encode(pair)));
        let mut value = value.unwrap_or_else(|_not_ascii| HeaderValue::from_static(""));
        value.set_sensitive(true);
        value
    }
}
