//! A console of one test, and a service beside it that cannot handle what it hears.

use std::time::Duration;

use axum::{
    body::{Body, to_bytes},
    http::{Request, StatusCode, header},
};
use chassis::{ExposeSecret as _, auth::Signer, telemetry::TelemetryConfig};
use contracts::{
    ids::{AccountId, BookingId, MessageId},
    messages::BookingFailed,
};
use messaging::{
    Consumers, DatabaseConfig, Handled, Handles, Messaging, MessagingConfig, Outcome, Received,
    StoreError, Tx,
};
use serde_json::Value;
use support_console::{App, Config, DATABASE_ROLE, MIGRATOR, router};
use testkit::{TestService, broker::Broker, until};
use tower::ServiceExt as _;

/// One console with servers of its own.
pub(crate) struct Console {
    pub(crate) app: App,
    pub(crate) broker: Broker,
    signer: Signer,
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

    /// A console that does not park yet.
    pub(crate) async fn closed() -> Self {
        let service = TestService::new(DATABASE_ROLE, &MIGRATOR).await;
        let signer = Signer::generate("test").unwrap();
        let config = Config {
            http_addr: "127.0.0.1:0".parse().unwrap(),
            database_url: service.database.service_url(),
            database_connections: 4,
            migrate_database_url: None,
            amqp_url: service.prefix.amqp_url(),
            amqp_prefix: service.prefix.as_str().to_owned(),
            prefetch: 64,
            token_public_keys: vec![signer.public_key()],
            token_issuer: "test".to_owned(),
            policy: service.policy.clone(),
            telemetry: TelemetryConfig::default(),
        };
        let app = App::connect(&config, &service.process).await.unwrap();
        let broker = service.prefix.connect().await;
        Self { app, broker, signer, service }
    }

    /// Starts a consumer role that refuses everything for good.
    pub(crate) async fn with_a_service_that_refuses(&self) -> Messaging {
        let database = DatabaseConfig::new(self.service.database.service_url(), 4, "refuses");
        let pool = messaging::connect(&database).await.unwrap();
        let config = MessagingConfig { service: "rewards", ..self.service.messaging_config() };
        let refuses = Messaging::start(config, pool, &self.service.process).await.unwrap();
        let heard = Consumers::new("rewards").on(|_: BookingFailed| ());
        refuses.consume(heard, Refuses);
        refuses.listening().await;
        refuses
    }

    /// Calls the console; `roles` none is a call without a token.
    pub(crate) async fn get(&self, path: &str, roles: Option<&[&str]>) -> (StatusCode, Value) {
        let mut request = Request::get(path);
        if let Some(roles) = roles {
            let token =
                self.signer.token("ada", roles, "holdfast", Duration::from_secs(60)).unwrap();
            let bearer = format!("Bearer {}", token.expose_secret());
            request = request.header(header::AUTHORIZATION, bearer);
        }
        let request = request.body(Body::empty()).unwrap();
        let answer = router(self.app.clone()).oneshot(request).await.unwrap();
        let status = answer.status();
        let bytes = to_bytes(answer.into_body(), usize::MAX).await.unwrap();
        (status, serde_json::from_slice(&bytes).unwrap_or(Value::Null))
    }

    /// Waits for so many dead letters and lists them, the newest first.
    pub(crate) async fn letters(&self, count: usize) -> Vec<Value> {
        until(&format!("{count} dead letters"), || async {
            let (status, page) =
                self.get("/v1/dead-letters?limit=200", Some(&["support_viewer"])).await;
            assert_eq!(status, StatusCode::OK, "{page}");
            let letters = page["dead_letters"].as_array().unwrap().clone();
            (letters.len() >= count).then_some(letters)
        })
        .await
    }

    /// Reads one dead letter whole.
    pub(crate) async fn letter(&self, id: &Value) -> Value {
        let path = format!("/v1/dead-letters/{}", id.as_str().unwrap());
        let (status, letter) = self.get(&path, Some(&["support_viewer"])).await;
        assert_eq!(status, StatusCode::OK, "{letter}");
        letter
    }

    /// Ends the process; its log must be clean.
    pub(crate) async fn close(self) {
        self.service.stop().await;
    }
}

struct Refuses;

impl Handles for Refuses {
    type Inbound = ();
    type After = ();

    async fn handle(
        &self,
        _tx: &mut Tx,
        batch: Vec<Received<()>>,
    ) -> Result<Handled<()>, StoreError> {
        let outcomes =
            batch.iter().map(|_| Outcome::Failed(messaging::reject("doing what is asked")));
        Ok(Handled { outcomes: outcomes.collect(), after: Vec::new() })
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

pub(crate) fn id() -> MessageId {
    MessageId(chassis::mint::uuid7())
}
