//! A console of one test, and services beside it.

use std::{net::SocketAddr, time::Duration};

use axum::{
    body::{Body, to_bytes},
    extract::ConnectInfo,
    http::{Method, Request, StatusCode, header},
};
use chassis::{ExposeSecret as _, SecretString, auth::Signer, telemetry::TelemetryConfig};
use contracts::{
    envelope,
    ids::{AccountId, BookingId, MessageId},
    message::Message as _,
    messages::BookingFailed,
};
use messaging::{Outgoing, reject};
use serde_json::{Value, json};
use support_console::{App, Config, DATABASE_ROLE, MIGRATOR, router, settle_replays};
use testkit::{
    TestService,
    broker::{Broker, headers},
    until,
};
use tower::ServiceExt as _;
use uuid::Uuid;

use crate::neighbour::Neighbour;

pub(crate) const VIEWER: Option<&[&str]> = Some(&["support_viewer"]);
pub(crate) const OPERATOR: Option<&[&str]> = Some(&["support_operator"]);
pub(crate) const APPROVER: Option<&[&str]> = Some(&["support_approver"]);

/// Where nobody listens.
const SILENT: &str = "http://127.0.0.1:1";

/// One console with servers of its own.
pub(crate) struct Console {
    pub(crate) app: App,
    pub(crate) config: Config,
    pub(crate) broker: Broker,
    pub(crate) signer: Signer,
    pub(crate) service: TestService,
}

impl Console {
    /// A console that parks.
    pub(crate) async fn open() -> Self {
        let console = Self::closed().await;
        console.app.park();
        console.app.messaging().listening().await;
        console
    }

    /// A console that parks, and a service in the place of rewards.
    pub(crate) async fn beside_a_service() -> (Self, Neighbour) {
        Self::with_policy(|_| ()).await
    }

    /// The same, with another policy.
    pub(crate) async fn with_policy(
        change: impl FnOnce(&mut contracts::policy::Policy),
    ) -> (Self, Neighbour) {
        let mut service = Box::pin(Self::service()).await;
        change(&mut service.policy);
        let signer = Signer::generate("test").unwrap();
        let neighbour = Neighbour::start(&service, &signer).await;
        let url = neighbour.url.clone();
        let console = Box::pin(Self::of(service, signer, &url)).await;
        console.app.park();
        console.app.messaging().listening().await;
        (console, neighbour)
    }

    /// A console that does not park yet.
    pub(crate) async fn closed() -> Self {
        let service = Box::pin(Self::service()).await;
        Box::pin(Self::of(service, Signer::generate("test").unwrap(), SILENT)).await
    }

    async fn service() -> TestService {
        let mut service = TestService::new(DATABASE_ROLE, &MIGRATOR).await;
        // Nobody waits before a page, and the machine may be busy.
        service.policy.support.owners_within = Duration::from_secs(10);
        service
    }

    async fn of(service: TestService, signer: Signer, rewards_url: &str) -> Self {
        let token = signer.token("support-console", &[], "internal", Duration::from_secs(600));
        let config = Config {
            http_addr: "127.0.0.1:0".parse().unwrap(),
            trusted_proxies: "10.0.0.0/8".parse().unwrap(),
            database_url: service.database.service_url(),
            database_connections: 4,
            migrate_database_url: None,
            amqp_url: service.prefix.amqp_url(),
            amqp_prefix: service.prefix.as_str().to_owned(),
            prefetch: 64,
            token_public_keys: vec![signer.public_key()],
            token_issuer: "test".to_owned(),
            oidc: None,
            passwords: true,
            // One that does not know the question, and others that are not there.
            booking_url: format!("{rewards_url}/elsewhere"),
            supplier_sync_url: SILENT.to_owned(),
            supplier_callback_url: SILENT.to_owned(),
            payment_verification_url: SILENT.to_owned(),
            rewards_url: rewards_url.to_owned(),
            internal_token: token.unwrap(),
            traces: "https://traces.example/{trace_id}".parse().unwrap(),
            policy: service.policy.clone(),
            telemetry: TelemetryConfig::default(),
        };
        let app = App::connect(&config, &service.process).await.unwrap();
        let broker = service.prefix.connect().await;
        Self { app, config, broker, signer, service }
    }

    /// Another instance of the console, which reaches the broker at this address.
    pub(crate) async fn another(&self, amqp_url: SecretString) -> App {
        let config = Config { amqp_url, ..self.config.clone() };
        App::connect(&config, &self.service.process).await.unwrap()
    }

    /// The console again, with the owner of legs at this address, which has little time to answer.
    pub(crate) async fn beside_an_owner_of_legs(&self, supplier_sync_url: String) -> App {
        let mut config = Config { supplier_sync_url, ..self.config.clone() };
        config.policy.support.owners_within = Duration::from_millis(300);
        App::connect(&config, &self.service.process).await.unwrap()
    }

    /// The console again, with everything that owners are asked at this address.
    pub(crate) async fn beside_an_owner(&self, url: &str) -> App {
        let config = Config {
            booking_url: url.to_owned(),
            supplier_sync_url: url.to_owned(),
            supplier_callback_url: url.to_owned(),
            payment_verification_url: url.to_owned(),
            ..self.config.clone()
        };
        App::connect(&config, &self.service.process).await.unwrap()
    }

    /// Calls the console; `roles` none is a call without a token.
    pub(crate) async fn call(
        &self,
        app: &App,
        method: Method,
        path: &str,
        roles: Option<&[&str]>,
        body: Option<&Value>,
    ) -> (StatusCode, Value) {
        self.call_as(("ada", roles), app, method, path, body).await
    }

    /// The same as somebody else.
    pub(crate) async fn call_as(
        &self,
        (who, roles): (&str, Option<&[&str]>),
        app: &App,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> (StatusCode, Value) {
        let mut request = Request::builder().method(method).uri(path);
        if let Some(roles) = roles {
            let token = self.signer.token(who, roles, "holdfast", Duration::from_secs(60)).unwrap();
            let bearer = format!("Bearer {}", token.expose_secret());
            request = request.header(header::AUTHORIZATION, bearer);
        }
        let body = body.map(|body| body.to_string()).unwrap_or_default();
        let request = request.header(header::CONTENT_TYPE, "application/json");
        let mut request = request.body(Body::from(body)).unwrap();
        let peer: SocketAddr = "192.0.2.7:5000".parse().unwrap();
        request.extensions_mut().insert(ConnectInfo(peer));
        let answer = router(app.clone()).oneshot(request).await.unwrap();
        let status = answer.status();
        let bytes = to_bytes(answer.into_body(), usize::MAX).await.unwrap();
        (status, serde_json::from_slice(&bytes).unwrap_or(Value::Null))
    }

    pub(crate) async fn get(&self, path: &str, roles: Option<&[&str]>) -> (StatusCode, Value) {
        self.call(&self.app, Method::GET, path, roles, None).await
    }

    pub(crate) async fn post(
        &self,
        path: &str,
        roles: Option<&[&str]>,
        body: &Value,
    ) -> (StatusCode, Value) {
        self.call(&self.app, Method::POST, path, roles, Some(body)).await
    }

    /// Does something with a dead letter as an operator.
    pub(crate) async fn act(&self, id: &Value, what: &str, body: &Value) -> (StatusCode, Value) {
        let path = format!("/v1/dead-letters/{}/{what}", id.as_str().unwrap());
        self.post(&path, OPERATOR, body).await
    }

    /// Waits for so many dead letters and lists them, the newest first.
    pub(crate) async fn letters(&self, count: usize) -> Vec<Value> {
        until(&format!("{count} dead letters"), || async {
            let (status, page) = self.get("/v1/dead-letters?limit=200", VIEWER).await;
            assert_eq!(status, StatusCode::OK, "{page}");
            let letters = page["dead_letters"].as_array().unwrap().clone();
            (letters.len() >= count).then_some(letters)
        })
        .await
    }

    /// Reads one dead letter whole.
    pub(crate) async fn letter(&self, id: &Value) -> Value {
        let path = format!("/v1/dead-letters/{}", id.as_str().unwrap());
        let (status, letter) = self.get(&path, VIEWER).await;
        assert_eq!(status, StatusCode::OK, "{letter}");
        letter
    }

    /// Looks at what became of replays until a letter stands so, and reads it.
    pub(crate) async fn until_it_stands(&self, id: &Value, state: &str) -> Value {
        until(&format!("the letter {state}"), || async {
            settle_replays(&self.app).await.unwrap();
            let letter = self.letter(id).await;
            (letter["state"] == state).then_some(letter)
        })
        .await
    }

    /// Starts a service in the place of rewards that refuses everything for good.
    pub(crate) async fn with_a_service_that_refuses(&self) -> Neighbour {
        let neighbour = Neighbour::start(&self.service, &self.signer).await;
        neighbour.script.fail_everything(reject("doing what is asked"));
        neighbour
    }

    /// A dead letter with nothing hidden.
    pub(crate) async fn unmasked(&self, id: &Value) -> Value {
        let because = json!({ "reason": "to see all of it" });
        let (status, whole) = self.act(id, "unmask", &because).await;
        assert_eq!(status, StatusCode::OK, "{whole}");
        whole
    }

    /// A message that its consumer refused, as a dead letter.
    pub(crate) async fn refused(&self, neighbour: &Neighbour) -> (Uuid, Value) {
        let message = failed();
        neighbour.script.fail(message.booking_id.0, reject("doing what is asked"));
        let mut tx = neighbour.messaging.begin().await.unwrap();
        tx.say(Outgoing::new(id(), message.at, &message));
        tx.commit().await.unwrap();
        let path = format!("/v1/dead-letters?booking_id={}", message.booking_id);
        let letter = until("the dead letter", || async {
            let (_, page) = self.get(&path, VIEWER).await;
            page["dead_letters"].get(0).cloned()
        })
        .await;
        (message.booking_id.0, letter["dead_letter_id"].clone())
    }

    /// Says a message with a good envelope and this body.
    pub(crate) async fn say(&self, name: &str, subject: Uuid, body: &[u8]) {
        let (id, subject) = (id().to_string(), subject.to_string());
        let around = headers(&[
            (envelope::header::SPEC, "1.0"),
            (envelope::header::ID, &id),
            (envelope::header::TYPE, name),
            (envelope::header::SOURCE, "booking"),
            (envelope::header::SUBJECT, &subject),
            (envelope::header::TIME, "2026-01-01T00:00:00Z"),
        ]);
        let events = self.service.prefix.routing().events();
        self.broker.publish(&events, name, around, body).await;
    }

    /// The audit about a dead letter, oldest first: what, how it ended, why, why not.
    pub(crate) async fn audit(&self, id: &Value) -> Vec<Value> {
        let path = format!("/v1/acts?dead_letter_id={}", id.as_str().unwrap());
        let (status, page) = self.get(&path, VIEWER).await;
        assert_eq!(status, StatusCode::OK, "{page}");
        let acts = page["acts"].as_array().unwrap().iter().rev();
        acts.map(|act| json!([act["act"], act["outcome"], act["reason"], act["refusal"]])).collect()
    }

    /// Ends the process; its log must be clean.
    pub(crate) async fn close(self) {
        self.service.stop().await;
    }
}

pub(crate) fn failed() -> BookingFailed {
    BookingFailed {
        booking_id: BookingId(chassis::mint::uuid7()),
        account_id: AccountId::parse("acct-1").unwrap(),
        version: 3,
        at: "2026-01-01T00:00:00Z".parse().unwrap(),
    }
}

/// A message whose time nobody can read, as a dead letter.
pub(crate) async fn unreadable(console: &Console) -> (BookingFailed, Value) {
    let message = failed();
    let mut body = json!(message);
    body["at"] = json!("Ada Lovelace came late");
    body["surname"] = json!("Lovelace");
    let bytes = body.to_string();
    console.say(BookingFailed::TYPE, message.booking_id.0, bytes.as_bytes()).await;
    let letter = console.letters(1).await[0].clone();
    (message, letter["dead_letter_id"].clone())
}

pub(crate) fn id() -> MessageId {
    MessageId(chassis::mint::uuid7())
}
