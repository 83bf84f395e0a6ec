//! Signing in at an OpenID Connect issuer, which is strict, and hostile where it is told to be.

use axum::http::{Method, StatusCode, header};
use chassis::{HttpClient, HttpClientConfig, HttpReply, HttpRequest, SecretString};
use chrono::TimeDelta;
use doubles::Doubles;
use serde_json::{Value, json};
use support_console::{App, oidc};

use crate::{
    browser::{Browser, Page, staff_member},
    console::{Console, VIEWER, id},
};

/// As the double is told it at first.
const BACK: &str = "https://console.example/sign-in/oidc/back";

struct Stage {
    console: Box<Console>,
    doubles: Doubles,
    http: HttpClient,
}

impl Stage {
    async fn new() -> Self {
        let mut console = Box::new(Console::closed().await);
        let here = ([127, 0, 0, 1], 0).into();
        let doubles = Doubles::start(here, doubles::Config::default()).await.unwrap();
        let http = HttpClient::new(HttpClientConfig::default()).unwrap();
        console.config.oidc = Some(settings(&doubles));
        console.app = App::connect(&console.config, &console.service.process).await.unwrap();
        let stage = Self { console, doubles, http };
        stage.somebody_is_there(json!({ "sub": "7", "groups": ["staff", "holdfast-ops"] })).await;
        stage
    }

    async fn tell(&self, what: &str, body: &Value) {
        let url = format!("{}/issuer/{what}", self.doubles.base_url());
        let request = HttpRequest::new(Method::POST, url).json(body.to_string());
        let answer = self.http.send(request).await.unwrap();
        assert_eq!(answer.status, StatusCode::NO_CONTENT, "{answer:?}");
    }

    async fn somebody_is_there(&self, claims: Value) {
        self.tell("person", &claims).await;
    }

    async fn fault(&self, operation: &str, fault: &str) {
        self.tell("faults", &json!({ "operation": operation, "fault": fault })).await;
    }

    /// How often the console read the issuer's keys.
    async fn keys_read(&self) -> u64 {
        let url = format!("{}/issuer/keys/read", self.doubles.base_url());
        let told: Value = self.http.call(HttpRequest::new(Method::GET, url)).await.unwrap();
        told["times"].as_u64().unwrap()
    }

    /// What the issuer answers a browser that the console sent there.
    async fn at_the_issuer(&self, address: &str) -> HttpReply {
        self.http.send(HttpRequest::new(Method::GET, address)).await.unwrap()
    }

    /// The whole way: there, and back with what the issuer said; the browser keeps its cookies.
    async fn sign_in(&self, browser: &mut Browser<'_>) -> Page {
        let back = self.way_back(browser, "/").await;
        let page = browser.get(&back).await;
        browser.keep(&page);
        page
    }

    /// The address that the issuer sends the browser back to.
    async fn way_back(&self, browser: &mut Browser<'_>, next: &str) -> String {
        let page = browser.get(&format!("/sign-in/oidc?next={next}")).await;
        assert_eq!(page.status, StatusCode::SEE_OTHER, "{}", page.text);
        browser.keep(&page);
        let answer = self.at_the_issuer(page.location()).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{answer:?}");
        let back = answer.headers[header::LOCATION].to_str().unwrap();
        back.strip_prefix("https://console.example").unwrap().to_owned()
    }

    /// Who is there gets in, or is told this.
    async fn is_told(&self, status: StatusCode, words: &str) {
        let mut browser = Browser::of(&self.console);
        let page = self.sign_in(&mut browser).await;
        assert_eq!(page.status, status, "{}", page.text);
        assert!(page.text.contains(words), "{words}: {}", page.text);
        let inside = browser.get("/letters").await.status;
        let let_in = if status == StatusCode::OK { StatusCode::OK } else { StatusCode::SEE_OTHER };
        assert_eq!(inside, let_in, "{words}");
    }

    async fn audit(&self) -> Vec<Value> {
        let (_, page) = self.console.get("/v1/acts", VIEWER).await;
        let acts = page["acts"].as_array().unwrap().iter().rev();
        acts.map(|act| json!([act["actor"], act["act"], act["outcome"], act["roles"]])).collect()
    }

    async fn close(self) {
        let Self { console, doubles, .. } = self;
        doubles.shutdown().await;
        Box::pin((*console).close()).await;
    }
}

fn settings(doubles: &Doubles) -> oidc::Settings {
    let known = doubles::config::IssuerConfig::default();
    oidc::Settings {
        issuer: format!("{}/issuer", doubles.base_url()),
        client_id: known.client_id,
        client_secret: SecretString::from(known.client_secret),
        redirect_url: BACK.to_owned(),
        scopes: "openid profile".to_owned(),
        name_claim: "sub".to_owned(),
        role_claim: "groups".to_owned(),
        roles: vec![
            "holdfast-ops=support_operator".parse().unwrap(),
            "holdfast-admins=support_admin".parse().unwrap(),
        ],
    }
}

/// Row: G9
#[tokio::test(flavor = "multi_thread")]
async fn whom_the_issuer_names_gets_the_role_of_their_group_and_a_session_as_any_other() {
    let stage = Stage::new().await;
    let console = &stage.console;
    let mut ada = Browser::of(console);
    let page = ada.get("/sign-in?next=%2Fletters%3Fstate%3Dparked").await;
    let link = "/sign-in/oidc?next=%2Fletters%3Fstate%3Dparked";
    assert!(page.text.contains(link), "{}", page.text);
    let back = stage.way_back(&mut ada, "%2Fletters%3Fstate%3Dparked").await;
    let page = ada.get(&back).await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.text);
    // No redirect: browsers keep a strict cookie from what another site began.
    assert!(page.text.contains(r#"content="0;url=/letters?state=parked""#), "{}", page.text);
    ada.keep(&page);
    let page = ada.get("/").await;
    assert!(page.text.contains("<b>sso:7</b> · operator"), "{}", page.text);
    // Roles are as with a password.
    let letter = format!("/letters/{}/replay", id());
    let page = ada.submit("/", &letter, &[("reason", "let me")]).await;
    assert_eq!(page.status, StatusCode::NOT_FOUND, "an operator may: {}", page.text);
    assert_eq!(ada.get("/suppliers/rapid/reset").await.status, StatusCode::FORBIDDEN);
    let operator = json!(["support_operator"]);
    assert_eq!(stage.audit().await[0], json!(["sso:7", "sign_in", "done", operator]));
    // The session ends as any other: by signing out, by time, by the command.
    let page = ada.submit("/", "/sign-out", &[]).await;
    assert_eq!(page.location(), "/sign-in");
    assert_eq!(ada.get("/letters").await.status, StatusCode::SEE_OTHER);
    stage.sign_in(&mut ada).await;
    assert_eq!(ada.get("/letters").await.status, StatusCode::OK);
    console.service.database.offset_clock(TimeDelta::minutes(31)).await;
    assert_eq!(ada.get("/letters").await.status, StatusCode::SEE_OTHER);
    stage.close().await;
}

/// Row: G9
#[tokio::test(flavor = "multi_thread")]
async fn who_is_in_no_group_with_a_role_is_told_so_and_gets_no_session() {
    let stage = Stage::new().await;
    for groups in [json!(["staff"]), json!([]), json!("support_admin"), json!(null)] {
        stage.somebody_is_there(json!({ "sub": "7", "groups": groups })).await;
        stage.is_told(StatusCode::FORBIDDEN, "none of your groups may do anything here").await;
    }
    let denied = json!(["sso:7", "sign_in", "denied", []]);
    assert_eq!(stage.audit().await, vec![denied; 4]);
    // A name that a member of staff with a password has is another's all the same.
    staff_member(&stage.console, "ada", "support_admin").await;
    stage.somebody_is_there(json!({ "sub": "ada", "groups": ["holdfast-ops"] })).await;
    stage.is_told(StatusCode::OK, "You are signed in").await;
    assert_eq!(stage.audit().await[4][0], json!("sso:ada"));
    // Who did not get past the issuer.
    stage.somebody_is_there(Value::Null).await;
    stage.is_told(StatusCode::FORBIDDEN, "You were not let in there").await;
    stage.close().await;
}

/// Row: G9
#[tokio::test(flavor = "multi_thread")]
async fn an_id_token_that_is_not_wholly_right_lets_nobody_in() {
    let stage = Stage::new().await;
    let hostile = [
        "wrong_nonce",
        "no_nonce",
        "wrong_audience",
        "other_party",
        "wrong_issuer",
        "expired",
        "no_expiry",
        "not_yet",
        "other_key",
        "unknown_key",
        "alg_none",
        "alg_hs256",
        "spoilt_claims",
    ];
    let mut let_in = Vec::new();
    for fault in hostile {
        stage.fault("token", fault).await;
        let mut browser = Browser::of(&stage.console);
        let page = stage.sign_in(&mut browser).await;
        let refused = page.status == StatusCode::UNAUTHORIZED
            && page.text.contains("cannot be relied on")
            && browser.get("/letters").await.status == StatusCode::SEE_OTHER;
        let_in.extend((!refused).then_some(fault));
    }
    assert_eq!(let_in, Vec::<&str>::new());
    assert_eq!(stage.audit().await, Vec::<Value>::new());
    stage.is_told(StatusCode::OK, "You are signed in").await;
    stage.close().await;
}

/// Row: G9
#[tokio::test(flavor = "multi_thread")]
async fn an_answer_is_good_once_and_in_the_browser_that_asked() {
    let stage = Stage::new().await;
    let mut ada = Browser::of(&stage.console);
    let back = stage.way_back(&mut ada, "/").await;
    let begun = StatusCode::BAD_REQUEST;
    // Somebody else's browser: without a cookie, and with that of a sign-in of its own.
    let mut eve = Browser::of(&stage.console);
    assert_eq!(eve.get(&back).await.status, begun);
    stage.way_back(&mut eve, "/").await;
    assert_eq!(eve.get(&back).await.status, begun);
    // Another state, another issuer, no code.
    let state = back.split("state=").nth(1).unwrap().split('&').next().unwrap();
    for (from, to) in [(state, "x"), ("issuer&", "elsewhere&"), ("code=", "cod=")] {
        assert!(back.contains(from), "{back} {from}");
        assert_eq!(ada.get(&back.replace(from, to)).await.status, begun, "{from}");
    }
    // A code that was made up is not good, and neither is hers a second time.
    let code = back.split("code=").nth(1).unwrap().split('&').next().unwrap();
    let page = ada.get(&back.replace(code, "made-up")).await;
    assert_eq!(page.status, StatusCode::UNAUTHORIZED);
    assert_eq!(ada.get(&back).await.status, StatusCode::OK);
    let page = ada.get(&back).await;
    assert_eq!(page.status, StatusCode::UNAUTHORIZED, "{}", page.text);
    assert!(page.text.contains("used already"), "{}", page.text);
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_is_sent_there_with_proof_to_come_and_nothing_to_steal() {
    let stage = Stage::new().await;
    let mut ada = Browser::of(&stage.console);
    let page = ada.get("/sign-in/oidc?next=https://evil.example").await;
    let cookie = page.headers[header::SET_COOKIE].to_str().unwrap();
    for flag in ["__Host-", "HttpOnly", "Secure", "SameSite=Lax", "Path=/", "Max-Age=600"] {
        assert!(cookie.contains(flag), "{cookie}");
    }
    let secret = cookie.split(['=', '.']).nth(1).unwrap();
    let address = page.location().to_owned();
    assert!(!address.contains(secret), "{address}");
    for part in ["response_type=code", "code_challenge_method=S256", "scope=openid+profile"] {
        assert!(address.contains(part), "{part}: {address}");
    }
    let field = |name: &str| {
        let pair = address.split(['?', '&']).find(|pair| pair.starts_with(name)).unwrap();
        pair.split_once('=').unwrap().1.to_owned()
    };
    assert_ne!(field("state="), field("nonce="));
    // Where somebody wanted to is a path of ours, whatever the link said.
    ada.keep(&page);
    let answer = stage.at_the_issuer(&address).await;
    let back = answer.headers[header::LOCATION].to_str().unwrap();
    let page = ada.get(back.strip_prefix("https://console.example").unwrap()).await;
    assert!(page.text.contains(r#"content="0;url=/""#), "{}", page.text);
    // The issuer itself lets no code go to who cannot prove that it asked: without a challenge, or
    // to another address.
    let without = address.replace("code_challenge=", "c=");
    let answer = stage.at_the_issuer(&without).await;
    let back = answer.headers[header::LOCATION].to_str().unwrap();
    assert!(back.contains("error=invalid_request"), "{back}");
    let elsewhere = address.replace("console.example", "evil.example");
    assert_eq!(stage.at_the_issuer(&elsewhere).await.status, StatusCode::BAD_REQUEST);
    stage.close().await;
}

/// Row: G9
#[tokio::test(flavor = "multi_thread")]
async fn keys_are_kept_read_again_when_they_rotate_and_not_for_every_name_that_is_made_up() {
    let stage = Stage::new().await;
    for _ in 0..3 {
        stage.is_told(StatusCode::OK, "You are signed in").await;
    }
    assert_eq!(stage.keys_read().await, 1);
    stage.tell("rotate", &json!({ "alg": "RS256" })).await;
    stage.is_told(StatusCode::OK, "You are signed in").await;
    assert_eq!(stage.keys_read().await, 2);
    for _ in 0..3 {
        stage.fault("token", "unknown_key").await;
        stage.is_told(StatusCode::UNAUTHORIZED, "cannot be relied on").await;
    }
    assert_eq!(stage.keys_read().await, 2, "once more in a minute, and that was the rotation");
    stage.is_told(StatusCode::OK, "You are signed in").await;
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_issuer_that_does_not_answer_as_it_should_lets_nobody_in_and_is_named() {
    let stage = Stage::new().await;
    let browser = Browser::of(&stage.console);
    for fault in ["http_500", "not_json", "other_issuer"] {
        stage.fault("discovery", fault).await;
        let page = browser.get("/sign-in/oidc").await;
        assert_eq!(page.status, StatusCode::SERVICE_UNAVAILABLE, "{fault}");
        assert!(page.text.contains("127.0.0.1:"), "{}", page.text);
    }
    for (operation, fault) in
        [("token", "http_500"), ("token", "not_json"), ("keys", "http_500"), ("keys", "not_json")]
    {
        stage.fault(operation, fault).await;
        stage.is_told(StatusCode::SERVICE_UNAVAILABLE, "does not answer as it should").await;
    }
    stage.is_told(StatusCode::OK, "You are signed in").await;
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_an_issuer_there_is_no_such_way_in_and_without_passwords_no_other() {
    let mut stage = Stage::new().await;
    let password = staff_member(&stage.console, "ada", "support_admin").await;
    let (config, process) = (&stage.console.config, &stage.console.service.process);
    let only = support_console::Config { passwords: false, ..config.clone() };
    let neither = support_console::Config { oidc: None, ..config.clone() };
    let (only, neither) = (
        App::connect(&only, process).await.unwrap(),
        App::connect(&neither, process).await.unwrap(),
    );
    stage.console.app = only;
    let mut ada = Browser::of(&stage.console);
    assert_eq!(ada.sign_in("ada", &password).await.status, StatusCode::NOT_FOUND);
    let page = ada.get("/sign-in").await.text;
    assert!(page.contains("Sign in with") && !page.contains("password"), "{page}");
    stage.is_told(StatusCode::OK, "You are signed in").await;
    stage.console.app = neither;
    let mut ada = Browser::of(&stage.console);
    assert!(!ada.get("/sign-in").await.text.contains("Sign in with"));
    for path in ["/sign-in/oidc", "/sign-in/oidc/back?code=x&state=y"] {
        assert_eq!(ada.get(path).await.status, StatusCode::NOT_FOUND);
    }
    assert_eq!(ada.sign_in("ada", &password).await.status, StatusCode::SEE_OTHER);
    stage.close().await;
}
