//! The OpenID Connect issuer keeps to what is published: codes are good once, in proof, for its
//! client.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use doubles::{Config, Doubles};
use reqwest::{Client, Response, StatusCode, redirect};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

const BACK: &str = "https://console.example/sign-in/oidc/back";
const VERIFIER: &str = "a-verifier-of-forty-three-characters-or-more";
const STATE: &str = "a-state-that-is-long-enough";

struct Browser {
    issuer: String,
    http: Client,
    _doubles: Doubles,
}

impl Browser {
    async fn new() -> Self {
        let doubles = Doubles::start(([127, 0, 0, 1], 0).into(), Config::default()).await.unwrap();
        let issuer = format!("{}/issuer", doubles.base_url());
        let http = Client::builder().redirect(redirect::Policy::none()).build().unwrap();
        let ada = json!({ "sub": "ada" });
        http.post(format!("{issuer}/person")).json(&ada).send().await.unwrap();
        Self { issuer, http, _doubles: doubles }
    }

    async fn asks(&self, change: &[(&str, &str)]) -> Response {
        let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(VERIFIER));
        let mut query = vec![
            ("response_type", "code"),
            ("client_id", "holdfast support"),
            ("redirect_uri", BACK),
            ("scope", "openid"),
            ("state", STATE),
            ("nonce", "a-nonce-that-is-long-enough"),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
        ];
        query.retain(|(name, _)| change.iter().all(|(changed, _)| changed != name));
        query.extend(change);
        self.http.get(format!("{}/authorize", self.issuer)).query(&query).send().await.unwrap()
    }

    /// What the browser is sent back with.
    async fn gets(&self, change: &[(&str, &str)]) -> String {
        let answer = self.asks(change).await;
        assert_eq!(answer.status(), StatusCode::SEE_OTHER);
        answer.headers()["location"].to_str().unwrap().to_owned()
    }

    async fn code(&self) -> String {
        let back = self.gets(&[]).await;
        assert!(back.contains(STATE), "{back}");
        back.split("code=").nth(1).unwrap().to_owned()
    }

    async fn token(&self, secret: &str, code: &str, verifier: &str, back: &str) -> (u16, Value) {
        let form = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", back),
            ("code_verifier", verifier),
        ];
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let answer = self
            .http
            .post(format!("{}/token", self.issuer))
            .basic_auth("holdfast+support", Some(secret))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(body)
            .send()
            .await
            .unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap())
    }
}

const SECRET: &str = "s3cr%3At%2F%2B%25";

#[tokio::test]
async fn a_code_is_good_once_and_only_with_secret_proof_and_address() {
    let browser = Browser::new().await;
    let code = browser.code().await;
    let (status, given) = browser.token(SECRET, &code, VERIFIER, BACK).await;
    assert_eq!(status, 200, "{given}");
    let token = given["id_token"].as_str().unwrap();
    let claims = URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap();
    let claims: Value = serde_json::from_slice(&claims).unwrap();
    assert_eq!((&claims["sub"], &claims["aud"]), (&json!("ada"), &json!("holdfast support")));
    let again = browser.token(SECRET, &code, VERIFIER, BACK).await;
    assert_eq!(again, (400, json!({ "error": "invalid_grant" })));
    for (secret, verifier, back, expected) in [
        ("wrong", VERIFIER, BACK, 401),
        ("s3cr:t/+%", VERIFIER, BACK, 401),
        (SECRET, "another-verifier", BACK, 400),
        (SECRET, "", BACK, 400),
        (SECRET, VERIFIER, "https://evil.example", 400),
    ] {
        let code = browser.code().await;
        let (status, told) = browser.token(secret, &code, verifier, back).await;
        assert_eq!(status, expected, "{secret} {verifier} {back}: {told}");
    }
}

#[tokio::test]
async fn nobody_is_sent_to_an_address_that_is_not_registered_or_with_half_a_request() {
    let browser = Browser::new().await;
    for change in [("client_id", "other"), ("redirect_uri", "https://evil.example")] {
        assert_eq!(browser.asks(&[change]).await.status(), StatusCode::BAD_REQUEST, "{change:?}");
    }
    for (change, error) in [
        (("response_type", "token"), "unsupported_response_type"),
        (("scope", "profile"), "invalid_scope"),
        (("code_challenge_method", "plain"), "invalid_request"),
        (("nonce", ""), "invalid_request"),
    ] {
        let back = browser.gets(&[change]).await;
        assert!(back.contains(&format!("error={error}")), "{back}");
        assert!(!back.contains("code="), "{back}");
    }
}
