//! A rewards process of one test, and the messages that it is sent.

use std::time::Duration;

use axum::{
    Router,
    body::{Body, to_bytes},
    http::{Method, Request, StatusCode, header},
};
use chassis::{ExposeSecret as _, auth::Signer, telemetry::TelemetryConfig};
use chrono::{DateTime, TimeDelta, Utc};
use contracts::{
    ids::{AccountId, BookingId, MessageId},
    internal::AccountReply,
    message::Message,
    messages::{BookingCancelled, BookingConfirmed, BookingFailed, PointsWanted, WantedPoints},
    money::{Currency, Money},
    shown::ShownPoints,
};
use rewards::{App, Config, ROLE, router};
use serde_json::Value;
use sqlx::PgConnection;
use testkit::{Redis, TestService, broker::Broker, redis, until};
use tower::ServiceExt as _;
use uuid::Uuid;

/// One rewards process with servers of its own.
pub(crate) struct House {
    pub(crate) app: App,
    pub(crate) broker: Broker,
    pub(crate) signer: Signer,
    pub(crate) redis: Redis,
    pub(crate) service: TestService,
}

impl House {
    /// A process that hears; its job is stepped by the test.
    pub(crate) async fn open() -> Self {
        let house = Self::deaf().await;
        house.app.hear();
        house.app.messaging().listening().await;
        house
    }

    /// A process that hears nothing; its edge works.
    pub(crate) async fn deaf() -> Self {
        let service = TestService::new(ROLE, &rewards::MIGRATOR).await;
        let (redis, signer) = (redis(), Signer::generate("test").unwrap());
        let broker = service.prefix.connect().await;
        let config = config(&service, &redis, &signer);
        let app = App::connect(&config, &service.process).await.unwrap();
        Self { app, broker, signer, redis, service }
    }

    pub(crate) fn config(&self) -> Config {
        config(&self.service, &self.redis, &self.signer)
    }

    /// One more instance, which hears from the same queue.
    pub(crate) async fn another_instance(&self) -> App {
        let app = App::connect(&self.config(), &self.service.process).await.unwrap();
        app.hear();
        app.messaging().listening().await;
        app
    }

    /// Says a message once, as a new one.
    pub(crate) async fn say<M: Message + Sync>(&self, message: &M) {
        self.say_as(id(), message).await;
    }

    /// Says a message under an id.
    pub(crate) async fn say_as<M: Message + Sync>(&self, id: MessageId, message: &M) {
        self.broker.say(&self.service.prefix.routing(), id, 0, message).await;
    }

    /// Waits until everything said so far was handled: one more message, which comes after it, was.
    pub(crate) async fn handled(&self) {
        let last =
            BookingFailed { booking_id: booking(), account_id: account(), version: 1, at: past() };
        self.say(&last).await;
        until("the last message", || async {
            let mut admin = self.service.database.admin().await;
            let seen: Option<i32> =
                sqlx::query_scalar("select 1 from account_event where booking_id = $1")
                    .bind(last.booking_id.0)
                    .fetch_optional(&mut admin)
                    .await
                    .unwrap();
            seen
        })
        .await;
        let app = &self.app;
        until("everything to be published", || async {
            let waiting: i64 = sqlx::query_scalar("select count(*) from outbox")
                .fetch_one(app.messaging().pool())
                .await
                .unwrap();
            (waiting == 0).then_some(())
        })
        .await;
        // It leaves no trace: what is compared before and after is the same.
        let mut admin = self.service.database.admin().await;
        for table in ["posting", "account_event", "account"] {
            let statement = format!("delete from {table} where account_id = $1");
            let statement = sqlx::query(sqlx::AssertSqlSafe(statement));
            statement.bind(last.account_id.as_str()).execute(&mut admin).await.unwrap();
        }
    }

    /// An account as another service sees it.
    pub(crate) async fn account(&self, id: &AccountId) -> AccountReply {
        let token = self.token("booking", &[], "internal");
        let (status, body) = self.call(Method::GET, &path(id), Some(&token), None).await;
        assert_eq!(status, StatusCode::OK, "{body}");
        serde_json::from_value(body).unwrap()
    }

    /// The sums of an account: available, pending, held, debt.
    pub(crate) async fn sums(&self, id: &AccountId) -> [i64; 4] {
        let ShownPoints { available, pending, held, debt, .. } = self.account(id).await.points;
        [available, pending, held, debt]
    }

    /// Gives points that can be redeemed at once.
    pub(crate) async fn grant(&self, id: &AccountId, points: u64) {
        let token = self.token("booking", &[], "internal");
        let body = serde_json::json!({ "grant_id": chassis::mint::uuid7(), "points": points });
        let (status, body) = self
            .call(Method::POST, &format!("{}/grants", path(id)), Some(&token), Some(body))
            .await;
        assert_eq!(status, StatusCode::OK, "{body}");
    }

    pub(crate) fn token(&self, subject: &str, roles: &[&str], audience: &str) -> String {
        let token = self.signer.token(subject, roles, audience, Duration::from_secs(60)).unwrap();
        token.expose_secret().to_owned()
    }

    /// Calls the service's edge.
    pub(crate) async fn call(
        &self,
        method: Method,
        path: &str,
        token: Option<&str>,
        body: Option<Value>,
    ) -> (StatusCode, Value) {
        let mut request = Request::builder().method(method).uri(path);
        if let Some(token) = token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        let request = match body {
            Some(body) => request
                .header(header::CONTENT_TYPE, "application/json")
                .body(Body::from(body.to_string())),
            None => request.body(Body::empty()),
        };
        let router: Router = router(self.app.clone());
        let answer = router.oneshot(request.unwrap()).await.unwrap();
        let status = answer.status();
        let bytes = to_bytes(answer.into_body(), usize::MAX).await.unwrap();
        (status, serde_json::from_slice(&bytes).unwrap_or(Value::Null))
    }

    /// Moves the database's clock so that it is now `at`.
    pub(crate) async fn go_to(&self, at: DateTime<Utc>) {
        self.service.database.offset_clock(at - Utc::now()).await;
    }

    /// Steps the job until nothing is due; how many accounts it did.
    pub(crate) async fn mature(&self) -> usize {
        let mut done = 0;
        while let messaging::Step::Did(count) = rewards::mature(&self.app).await.unwrap() {
            done += count;
        }
        done
    }

    /// A connection that may look at everything.
    pub(crate) async fn admin(&self) -> PgConnection {
        self.service.database.admin().await
    }

    /// All that rewards keeps, as text. Which attempts of which messages were heard is left out.
    pub(crate) async fn everything(&self) -> String {
        let mut admin = self.admin().await;
        let mut all = String::new();
        for table in ["account", "account_event", "posting", "outbox"] {
            let statement = format!(
                "select coalesce(string_agg(t::text, ';' order by t::text), '') from {table} as t"
            );
            let rows: String = sqlx::query_scalar(sqlx::AssertSqlSafe(statement))
                .fetch_one(&mut admin)
                .await
                .unwrap();
            all += &format!("{table}\n{rows}\n");
        }
        all
    }

    /// Ends the process; its log must be clean.
    pub(crate) async fn close(self) {
        self.service.stop().await;
    }
}

fn config(service: &TestService, redis: &Redis, signer: &Signer) -> Config {
    Config {
        http_addr: "127.0.0.1:0".parse().unwrap(),
        database_url: service.database.service_url(),
        database_connections: 8,
        migrate_database_url: None,
        amqp_url: service.prefix.amqp_url(),
        amqp_prefix: service.prefix.as_str().to_owned(),
        prefetch: 200,
        cache_redis_url: redis.url().into(),
        token_public_keys: vec![signer.public_key()],
        token_issuer: "test".to_owned(),
        policy: service.policy.clone(),
        telemetry: TelemetryConfig::default(),
    }
}

pub(crate) fn path(id: &AccountId) -> String {
    format!("/internal/accounts/{id}")
}

pub(crate) fn id() -> MessageId {
    MessageId(chassis::mint::uuid7())
}

pub(crate) fn booking() -> BookingId {
    BookingId(chassis::mint::uuid7())
}

pub(crate) fn account() -> AccountId {
    AccountId::parse(&format!("acct-{}", Uuid::from_u128(chassis::mint::uuid7().as_u128())))
        .unwrap()
}

pub(crate) fn past() -> DateTime<Utc> {
    "2026-01-01T00:00:00Z".parse().unwrap()
}

/// A booking of that account, paid in money, over in so many days.
pub(crate) fn confirmed(
    account_id: &AccountId,
    booking_id: BookingId,
    paid: i64,
    days: i64,
) -> BookingConfirmed {
    BookingConfirmed {
        booking_id,
        account_id: account_id.clone(),
        version: 5,
        at: past(),
        legs: Vec::new(),
        paid: Money::new(paid, Currency::Eur),
        over_at: Utc::now() + TimeDelta::days(days),
    }
}

pub(crate) fn cancelled(account_id: &AccountId, booking_id: BookingId) -> BookingCancelled {
    BookingCancelled { booking_id, account_id: account_id.clone(), version: 6, at: past() }
}

pub(crate) fn want(
    account_id: &AccountId,
    booking_id: BookingId,
    (version, wanted): (u32, WantedPoints),
    points: u64,
) -> PointsWanted {
    PointsWanted { booking_id, account_id: account_id.clone(), version, wanted, points }
}
