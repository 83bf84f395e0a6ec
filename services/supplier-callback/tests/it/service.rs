//! Supplier-callback as a test has it: its router, its database, and an ear at the broker.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Json, Router,
    body::{Body, to_bytes},
    extract::{Path, Query},
    routing::{get, post},
};
use chassis::{
    Process,
    auth::Signer,
    config::{Config as _, Vars},
    http::{Limits, Ready, app},
    seal::Sealer,
};
use contracts::{message::Message as _, messages::CallbackReceived, supplier::Supplier};
use http::{Request, StatusCode};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};
use supplier_callback::{App, Config, MIGRATOR, router};
use testkit::{TestService, broker::Broker};
use tower::ServiceExt as _;

use crate::pushes::Push;

pub(crate) const SECRET: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oDazfBwTmLrOQ=";
pub(crate) const OLD_SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo=";
pub(crate) const OTHER_SECRET: &str = "whsec_b3RoZXIgc3VwcGxpZXIncyBzZWNyZXQsIG5vdCBvdXJz";

/// What supplier-sync gives out, once.
pub(crate) type Undelivered = Arc<Mutex<Option<Vec<String>>>>;

/// A running service.
pub(crate) struct Service {
    pub(crate) test: TestService,
    pub(crate) app: App,
    pub(crate) router: Router,
    pub(crate) broker: Broker,
    pub(crate) queue: String,
    /// What Rapid could not deliver; nothing where supplier-sync does not say.
    pub(crate) undelivered: Undelivered,
    signer: Arc<Signer>,
}

impl Service {
    pub(crate) async fn start() -> Self {
        let test = TestService::new("supplier_callback", &MIGRATOR).await;
        let url = test.database.service_url();
        Self::start_on(test, url.expose_secret()).await
    }

    /// With its database at another address.
    pub(crate) async fn start_on(test: TestService, database_url: &str) -> Self {
        Self::start_with(test, database_url, |_| {}).await
    }

    /// That lets in so many of Rapid's within a second.
    pub(crate) async fn letting_in(per_second: u32) -> Self {
        let test = TestService::new("supplier_callback", &MIGRATOR).await;
        let url = test.database.service_url();
        let most = |config: &mut Config| {
            config.policy.supplier.rapid.callbacks_per_second_max = per_second;
        };
        Self::start_with(test, url.expose_secret(), most).await
    }

    /// With these secrets, letting in what comes.
    pub(crate) async fn of_all(secrets: BTreeMap<Supplier, Vec<SecretString>>) -> Self {
        let test = TestService::new("supplier_callback", &MIGRATOR).await;
        let url = test.database.service_url();
        let change = |config: &mut Config| {
            config.secrets = secrets;
            let all = &mut config.policy.supplier;
            for one in [&mut all.rapid, &mut all.etg, &mut all.duffel, &mut all.neutral] {
                one.callbacks_per_second_max = 1_000;
            }
        };
        Self::start_with(test, url.expose_secret(), change).await
    }

    async fn start_with(
        test: TestService,
        database_url: &str,
        change: impl FnOnce(&mut Config),
    ) -> Self {
        let signer = Arc::new(Signer::generate("test").unwrap());
        let undelivered = Undelivered::default();
        let supplier_sync = supplier_sync(undelivered.clone()).await;
        let mut config = config(&test, database_url, &supplier_sync, &signer);
        change(&mut config);
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
        Self { test, app, router, broker, queue, undelivered, signer }
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

    /// Pushes whatever bytes these are, and says what was answered.
    pub(crate) async fn push_raw(&self, to: &str, push: &Push) -> StatusCode {
        let mut request = Request::post(to);
        for (name, value) in &push.headers {
            request = request.header(name, value.as_bytes());
        }
        let request = request.body(Body::from(push.body.clone())).unwrap();
        self.router.clone().oneshot(request).await.unwrap().status()
    }

    /// Asks as the holder of a token for `audience`.
    pub(crate) async fn get(&self, path: &str, audience: &str) -> (StatusCode, Value) {
        let hour = Duration::from_secs(3_600);
        let token = self.signer.token("tests", &[], audience, hour).unwrap();
        let request = Request::get(path)
            .header("authorization", format!("Bearer {}", token.expose_secret()))
            .body(Body::empty())
            .unwrap();
        let response = self.router.clone().oneshot(request).await.unwrap();
        let status = response.status();
        let body = to_bytes(response.into_body(), 1 << 20).await.unwrap();
        (status, serde_json::from_slice(&body).unwrap_or(Value::Null))
    }

    /// Pushes, and says after how many seconds to come again.
    pub(crate) async fn retry_after(
        &self,
        to: &str,
        headers: &Headers,
        body: &[u8],
    ) -> Option<u32> {
        let mut request = Request::post(to);
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        let request = request.body(Body::from(body.to_vec())).unwrap();
        let response = self.router.clone().oneshot(request).await.unwrap();
        response.headers().get("retry-after")?.to_str().ok()?.parse().ok()
    }

    /// Has a stored callback taken again.
    pub(crate) async fn again(&self, callback_id: &str) -> StatusCode {
        let hour = Duration::from_secs(3_600);
        let token = self.signer.token("tests", &[], "internal", hour).unwrap();
        let request = Request::post(format!("/internal/callbacks/{callback_id}/again"))
            .header("authorization", format!("Bearer {}", token.expose_secret()))
            .header("content-type", "application/json")
            .body(Body::from(json!({ "staff": "otto" }).to_string()))
            .unwrap();
        self.router.clone().oneshot(request).await.unwrap().status()
    }

    /// What was not believed: whose, why, and the digest, in order.
    pub(crate) async fn not_believed(&self) -> Vec<(String, String, Vec<u8>)> {
        let sql = "select supplier, why, body_digest from forged_callback order by forged_id";
        let mut admin = self.test.database.admin().await;
        sqlx::query_as(sql).fetch_all(&mut admin).await.unwrap()
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

/// The booking that supplier-sync knows, and the references of it.
pub(crate) const BOOKING: &str = "00000000-0000-0000-0000-000000000007";
pub(crate) const OURS: &str = "R194193582";
pub(crate) const THEIRS: &str = "1204309424793";

/// supplier-sync's side of the questions that it is asked.
async fn supplier_sync(undelivered: Undelivered) -> String {
    let fetch = post(move |Path(supplier): Path<String>| async move {
        let held = undelivered.lock().unwrap().as_mut().map(std::mem::take);
        assert_eq!(supplier, "rapid");
        held.map(Json).ok_or(StatusCode::SERVICE_UNAVAILABLE)
    });
    let references = get(|Path(id): Path<String>| async move {
        let known = json!([
            { "supplier": "rapid", "client_references": [OURS], "references": [THEIRS] }
        ]);
        Json(json!({ "suppliers": if id == BOOKING { known } else { json!([]) } }))
    });
    let find = get(|Query(query): Query<BTreeMap<String, String>>| async move {
        let known = [OURS, THEIRS].contains(&query["key"].as_str());
        let found = json!([{ "booking_id": BOOKING, "by": "client_reference" }]);
        Json(json!({ "found": if known { found } else { json!([]) } }))
    });
    let router = Router::new()
        .route("/internal/bookings/{id}/references", references)
        .route("/internal/suppliers/{supplier}/undelivered", fetch)
        .route("/internal/find", find);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    format!("http://{address}")
}

fn config(test: &TestService, database_url: &str, supplier_sync: &str, signer: &Signer) -> Config {
    let internal = signer.token("supplier-callback", &[], "internal", Duration::from_secs(3_600));
    let (internal, public) = (internal.unwrap(), signer.public_key());
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
        ("SUPPLIER_SYNC_URL", supplier_sync),
        ("INTERNAL_TOKEN", internal.expose_secret()),
        ("TOKEN_PUBLIC_KEYS", &public),
        ("TOKEN_ISSUER", "test"),
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
