//! Supplier-callback as a test has it: its router, its database, and an ear at the broker.

use axum::{
    Router,
    body::{Body, to_bytes},
};
use chassis::{
    Process,
    config::{Config as _, Vars},
    http::{Limits, Ready, app},
    seal::Sealer,
};
use contracts::{message::Message as _, messages::CallbackReceived};
use http::{Request, StatusCode};
use secrecy::ExposeSecret as _;
use supplier_callback::{App, Config, MIGRATOR, router};
use testkit::{TestService, broker::Broker};
use tower::ServiceExt as _;

pub(crate) const SECRET: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oDazfBwTmLrOQ=";
pub(crate) const OLD_SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo=";
pub(crate) const OTHER_SECRET: &str = "whsec_b3RoZXIgc3VwcGxpZXIncyBzZWNyZXQsIG5vdCBvdXJz";

/// A running service.
pub(crate) struct Service {
    pub(crate) test: TestService,
    pub(crate) app: App,
    pub(crate) router: Router,
    pub(crate) broker: Broker,
    pub(crate) queue: String,
}

impl Service {
    pub(crate) async fn start() -> Self {
        let test = TestService::new("supplier_callback", &MIGRATOR).await;
        let url = test.database.service_url();
        Self::start_on(test, url.expose_secret()).await
    }

    /// With its database at another address.
    pub(crate) async fn start_on(test: TestService, database_url: &str) -> Self {
        let config = config(&test, database_url);
        let app = App::connect(&config, &test.process).await.expect("the service connects");
        let broker = test.prefix.connect().await;
        let queue = format!("{}ear", test.prefix.as_str());
        let ear = &broker.channel;
        ear.queue_declare(queue.as_str().into(), Default::default(), Default::default())
            .await
            .unwrap();
        let events = test.prefix.routing().events();
        let key = CallbackReceived::TYPE;
        ear.queue_bind(
            queue.as_str().into(),
            events.into(),
            key.into(),
            Default::default(),
            Default::default(),
        )
        .await
        .unwrap();
        let router = wrapped(&test.process, app.clone());
        Self { test, app, router, broker, queue }
    }

    /// Pushes, and says what was answered.
    pub(crate) async fn push(
        &self,
        to: &str,
        headers: &Headers,
        body: &[u8],
    ) -> (StatusCode, String) {
        let mut request = Request::post(to);
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        let request = request.body(Body::from(body.to_vec())).unwrap();
        let response = self.router.clone().oneshot(request).await.unwrap();
        let status = response.status();
        let body = to_bytes(response.into_body(), 1 << 20).await.unwrap();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    /// The next message that was said.
    pub(crate) async fn heard(&self) -> CallbackReceived {
        let message = self.broker.wait_for(&self.queue).await;
        serde_json::from_slice(&message.delivery.data).expect("a callback.received")
    }

    /// Nothing is waiting to be said, and nothing was said that was not heard.
    pub(crate) async fn is_silent(&self) {
        testkit::until("an empty outbox", || async {
            let mut admin = self.test.database.admin().await;
            let waiting: i64 = sqlx::query_scalar("select count(*) from outbox")
                .fetch_one(&mut admin)
                .await
                .unwrap();
            (waiting == 0).then_some(())
        })
        .await;
        assert_eq!(self.broker.depth(&self.queue).await, Some(0));
    }

    pub(crate) async fn stored(&self) -> i64 {
        let mut admin = self.test.database.admin().await;
        sqlx::query_scalar("select count(*) from callback").fetch_one(&mut admin).await.unwrap()
    }

    pub(crate) fn sealer(&self) -> &Sealer {
        self.app.sealer()
    }
}

fn wrapped(process: &Process, callbacks: App) -> Router {
    app(process, router(callbacks), Ready::new(), Limits::default())
}

fn config(test: &TestService, database_url: &str) -> Config {
    let amqp_url = test.prefix.amqp_url();
    let seal_key = Sealer::generate_config();
    let secrets = format!("{SECRET}, {OLD_SECRET}");
    let given = [
        ("HTTP_ADDR", "127.0.0.1:0"),
        ("DATABASE_URL", database_url),
        ("AMQP_URL", amqp_url.expose_secret()),
        ("AMQP_PREFIX", test.prefix.as_str()),
        ("RAPID_SECRETS", &secrets),
        ("SEAL_KEY", seal_key.expose_secret()),
    ];
    let lookup = |key: &str| {
        let name = key.strip_prefix("SUPPLIER_CALLBACK_")?;
        given.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
    };
    Config::from_vars(&Vars::new(&lookup)).expect("a configuration")
}

pub(crate) type Headers = Vec<(&'static str, String)>;

/// Signed by the reference implementation of Standard Webhooks.
pub(crate) fn signed(secret: &str, id: &str, at: i64, body: &[u8]) -> Headers {
    let signature = standardwebhooks::Webhook::new(secret).unwrap().sign(id, at, body).unwrap();
    vec![
        ("webhook-id", id.to_owned()),
        ("webhook-timestamp", at.to_string()),
        ("webhook-signature", signature),
        ("content-type", "application/json".to_owned()),
    ]
}

pub(crate) fn now() -> i64 {
    chrono::Utc::now().timestamp()
}
