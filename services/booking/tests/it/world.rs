//! A booking service of one test: its database, broker names, two Redis, its gateway without a
//! socket.

use std::time::Duration;

use axum::{
    Router,
    body::{Body, to_bytes},
    http::{Request, StatusCode},
};
use booking::{
    App, Config,
    quote::{Quote, QuotedLeg},
};
use chassis::{Config as _, auth::Signer, sign::SigningKey};
use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use contracts::{
    asset::{AssetAmount, AssetId, Rate, Units},
    ids::{AccountId, LegId, QuoteId},
    instruction::{Instruction, SignedInstruction},
    money::{Currency, Money},
    offer::{CancelStep, DueAtProperty, LegOrder, Occupancy, Terms},
    supplier::Supplier,
};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use sqlx::PgPool;
use testkit::{Proxy, Redis, TestService};
use tower::ServiceExt as _;
use uuid::Uuid;

pub(crate) struct World {
    pub(crate) service: TestService,
    pub(crate) locks: Redis,
    pub(crate) app: App,
    pub(crate) router: Router,
    pub(crate) pool: PgPool,
    signer: Signer,
    pub(crate) instructions: SigningKey,
    pub(crate) config: Config,
    pub(crate) cache: Redis,
}

/// What a request was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) location: Option<String>,
    pub(crate) bytes: Vec<u8>,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap_or_else(|_| {
            panic!("no JSON: {} {:?}", self.status, String::from_utf8_lossy(&self.bytes))
        })
    }

    /// The problem's code.
    pub(crate) fn code(&self) -> String {
        let problem = self.json();
        let kind = problem["type"].as_str().unwrap_or_default();
        kind.rsplit('/').next().unwrap_or_default().to_owned()
    }
}

impl World {
    pub(crate) async fn new() -> Self {
        let service = TestService::new("booking", &booking::MIGRATOR).await;
        let (locks, cache) = (testkit::redis(), testkit::redis());
        let signer = Signer::generate("test").unwrap();
        let instructions = SigningKey::generate().unwrap();
        let config = config(&service, &locks, &cache, &signer, &instructions);
        let app = App::connect(&config, &service.process).await.unwrap();
        let router = router(&service, &config, &app);
        let pool = service.pool().await;
        Self { service, locks, app, router, pool, signer, instructions, config, cache }
    }

    /// The same service after a restart: nothing in memory survives.
    pub(crate) async fn restart(&mut self) {
        self.app = App::connect(&self.config, &self.service.process).await.unwrap();
        self.router = router(&self.service, &self.config, &self.app);
    }

    /// What a process is told that reaches its database and its broker by other ways.
    pub(crate) fn config_by(&self, database: &Proxy, broker: &Proxy) -> Config {
        Config {
            database_url: self.service.database.service_url_by(database.address()),
            amqp_url: testkit::broker::url_by(broker.address()),
            ..self.config.clone()
        }
    }

    /// A restart that finds the locks at another address.
    pub(crate) async fn restart_with_locks(&mut self) {
        self.config.locks_redis_url = self.locks.url().into();
        self.restart().await;
    }

    /// Asks as another service does.
    pub(crate) async fn internal(&self, path: &str) -> Answer {
        let token =
            self.signer.token("supplier-sync", &[], "internal", Duration::from_secs(600)).unwrap();
        let request = Request::builder()
            .uri(path)
            .header("authorization", format!("Bearer {}", token.expose_secret()))
            .body(Body::empty());
        self.send(request.unwrap()).await
    }

    /// Asks as another service does, with a body.
    pub(crate) async fn internal_post(&self, path: &str, body: &Value) -> Answer {
        let token = self
            .signer
            .token("support-console", &[], "internal", Duration::from_secs(600))
            .unwrap();
        let request = Request::post(path)
            .header("authorization", format!("Bearer {}", token.expose_secret()))
            .header("content-type", "application/json")
            .body(Body::from(body.to_string()));
        self.send(request.unwrap()).await
    }

    pub(crate) fn token(&self, account: &str) -> String {
        let token = self.signer.token(account, &[], "holdfast", Duration::from_secs(600)).unwrap();
        token.expose_secret().to_owned()
    }

    pub(crate) fn token_of_staff(&self) -> String {
        let (roles, hour) = (["support_admin"], Duration::from_secs(3600));
        let token = self.signer.token("anna", &roles, "holdfast", hour).unwrap();
        token.expose_secret().to_owned()
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        send(self.router.clone(), request).await
    }

    pub(crate) async fn get(&self, account: &str, path: &str) -> Answer {
        self.send(self.request("GET", account, path, &[], None)).await
    }

    pub(crate) async fn post(&self, account: &str, path: &str, body: &Value) -> Answer {
        self.send(self.request("POST", account, path, &[], Some(body))).await
    }

    pub(crate) async fn book(&self, account: &str, key: &str, body: &Value) -> Answer {
        self.send(self.booking_request(account, key, body)).await
    }

    pub(crate) fn booking_request(&self, account: &str, key: &str, body: &Value) -> Request<Body> {
        self.request("POST", account, "/v1/bookings", &[("idempotency-key", key)], Some(body))
    }

    pub(crate) fn request(
        &self,
        method: &str,
        account: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Request<Body> {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header("authorization", format!("Bearer {}", self.token(account)));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        match body {
            Some(body) => {
                let request = request.header("content-type", "application/json");
                request.body(Body::from(body.to_string())).unwrap()
            }
            None => request.body(Body::empty()).unwrap(),
        }
    }

    /// The id of an offer, as the gateway makes it.
    /// An offer of the stay that quotes are of, for other days of the same month.
    pub(crate) fn other_days(&self, quote: &Quote, month: &str) -> String {
        let order = &quote.legs[0].order;
        self.seal_offer(&serde_json::json!({
            "supplier": order.supplier, "rate_key": "k", "property_id": order.property_id,
            "property_name": "Harbour House", "room_name": "Double",
            "check_in": format!("{month}-20"), "check_out": format!("{month}-22"),
            "occupancy": order.occupancy, "price": order.price, "terms": order.terms,
        }))
    }

    pub(crate) fn seal_offer(&self, offer: &Value) -> String {
        let sealer = chassis::seal::Sealer::from_config(&self.config.seal_keys).unwrap();
        sealer.seal_text(&offer.to_string(), b"offer").unwrap()
    }

    /// Shows something as its owner does.
    pub(crate) async fn show(&self, key: &str, shown: &(impl serde::Serialize + Sync)) {
        let text = serde_json::to_string(shown).unwrap();
        let client = redis::Client::open(self.cache.url()).unwrap();
        let mut conn = client.get_multiplexed_async_connection().await.unwrap();
        redis::cmd("SET").arg(key).arg(text).exec_async(&mut conn).await.unwrap();
    }

    /// A quote as the gateway writes one, ending `lasts_for` from the database's now.
    pub(crate) async fn quote(&self, account: &str, lasts_for: TimeDelta) -> Quote {
        self.quote_with(account, lasts_for, |_| Vec::new()).await
    }

    /// A quote with the steps of its cancellation policy, counted from the database's now.
    pub(crate) async fn quote_with(
        &self,
        account: &str,
        lasts_for: TimeDelta,
        steps: impl FnOnce(DateTime<Utc>) -> Vec<CancelStep>,
    ) -> Quote {
        let now: DateTime<Utc> =
            sqlx::query_scalar("select holdfast_now()").fetch_one(&self.pool).await.unwrap();
        let mut quote = quote(account, now + lasts_for);
        quote.legs[0].order.terms.cancel_steps = steps(now);
        self.promise(account, quote).await
    }

    /// A quote over so many legs, all alike.
    pub(crate) async fn quote_of_legs(&self, account: &str, count: usize) -> Quote {
        let now: DateTime<Utc> =
            sqlx::query_scalar("select holdfast_now()").fetch_one(&self.pool).await.unwrap();
        let mut quote = quote(account, now + TimeDelta::minutes(10));
        let first = quote.legs[0].clone();
        let legs = (0..count).map(|_| QuotedLeg { leg_id: LegId(Uuid::now_v7()), ..first.clone() });
        quote.legs = legs.collect();
        quote.price.minor *= i64::try_from(count).unwrap();
        quote.amount.units = quote.rate.units_for(quote.price).unwrap();
        self.promise(account, quote).await
    }

    async fn promise(&self, account: &str, quote: Quote) -> Quote {
        sqlx::query(
            "insert into quote (quote_id, account_id, terms, body, expires_at)
             values ($1, $2, $3, $4::json, $5)",
        )
        .bind(quote.quote_id.0)
        .bind(account)
        .bind(quote.terms().unwrap())
        .bind(serde_json::to_string(&quote).unwrap())
        .bind(quote.expires_at)
        .execute(&self.pool)
        .await
        .unwrap();
        quote
    }

    /// Puts a quote's lock into Redis, where the gateway looks first.
    pub(crate) async fn lock(&self, quote: &Quote) {
        let client = redis::Client::open(self.locks.url()).unwrap();
        let mut conn = client.get_multiplexed_async_connection().await.unwrap();
        let key = format!("lock:{{{}}}:{}", quote.account_id, quote.quote_id);
        let text = serde_json::to_string(quote).unwrap();
        redis::cmd("SET").arg(key).arg(text).exec_async(&mut conn).await.unwrap();
    }

    /// Books a fresh quote and returns the booking's id and its leg's.
    pub(crate) async fn booked(&self, account: &str) -> (Uuid, Quote) {
        let quote = self.quote(account, TimeDelta::minutes(10)).await;
        (self.book_quote(account, &quote).await, quote)
    }

    /// Books a quote and returns the booking's id.
    pub(crate) async fn book_quote(&self, account: &str, quote: &Quote) -> Uuid {
        let key = quote.quote_id.to_string();
        let answer = self.book(account, &key, &body(quote)).await;
        assert_eq!(answer.status, StatusCode::ACCEPTED, "{answer:?}");
        answer.json()["booking_id"].as_str().unwrap().parse().unwrap()
    }

    /// A row count.
    pub(crate) async fn count(&self, table: &'static str) -> i64 {
        let sql = sqlx::AssertSqlSafe(format!("select count(*) from {table}"));
        sqlx::query_scalar(sql).fetch_one(&self.pool).await.unwrap()
    }

    pub(crate) fn sign(&self, instruction: Instruction) -> SignedInstruction {
        let signature = self.instructions.sign_text(&instruction.signed_bytes().unwrap());
        SignedInstruction { instruction, signature }
    }
}

pub(crate) async fn send(router: Router, request: Request<Body>) -> Answer {
    let response = router.oneshot(request).await.unwrap();
    let status = response.status();
    let location = response.headers().get("location");
    let location = location.map(|l| l.to_str().unwrap().to_owned());
    let bytes = to_bytes(response.into_body(), 1 << 20).await.unwrap().to_vec();
    Answer { status, location, bytes }
}

fn router(service: &TestService, config: &Config, app: &App) -> Router {
    let routes = booking::http::router(config, app.clone()).unwrap();
    let limits = chassis::http::Limits::default();
    chassis::http::app(&service.process, routes, booking::http::ready(app), limits)
}

fn config(
    service: &TestService,
    locks: &Redis,
    cache: &Redis,
    signer: &Signer,
    instructions: &SigningKey,
) -> Config {
    let nobody = "http://127.0.0.1:9";
    let vars = [
        ("BOOKING_HTTP_ADDR", "127.0.0.1:0".to_owned()),
        ("BOOKING_DATABASE_URL", service.database.service_url().expose_secret().to_owned()),
        ("BOOKING_AMQP_URL", service.prefix.amqp_url().expose_secret().to_owned()),
        ("BOOKING_AMQP_PREFIX", service.prefix.as_str().to_owned()),
        ("BOOKING_LOCKS_REDIS_URL", locks.url()),
        ("BOOKING_CACHE_REDIS_URL", cache.url()),
        ("BOOKING_SUPPLIER_SYNC_URL", nobody.to_owned()),
        ("BOOKING_PAYMENT_VERIFICATION_URL", nobody.to_owned()),
        ("BOOKING_REWARDS_URL", nobody.to_owned()),
        ("BOOKING_INTERNAL_TOKEN", "internal".to_owned()),
        ("BOOKING_TOKEN_PUBLIC_KEYS", signer.public_key()),
        ("BOOKING_TOKEN_ISSUER", "test".to_owned()),
        ("BOOKING_INSTRUCTION_PUBLIC_KEY", instructions.verifying_key().to_base64()),
        ("BOOKING_SEAL_KEYS", format!("1:{}", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=")),
        ("BOOKING_CONTACT_KEY", "ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8=".to_owned()),
    ];
    let lookup = |key: &str| vars.iter().find(|(k, _)| *k == key).map(|(_, v)| v.clone());
    Config::from_vars(&chassis::Vars::new(&lookup)).unwrap()
}

pub(crate) fn quote(account: &str, expires_at: DateTime<Utc>) -> Quote {
    let price = Money::new(20_000, Currency::Eur);
    let rate = Rate {
        asset: AssetId::parse("eth").unwrap(),
        decimals: 18,
        currency: Currency::Eur,
        micro_minor_per_coin: 250_000_000_000,
    };
    let day = |d| NaiveDate::from_ymd_opt(2027, 3, d).unwrap();
    Quote {
        quote_id: QuoteId(Uuid::now_v7()),
        account_id: AccountId::parse(account).unwrap(),
        legs: vec![QuotedLeg {
            leg_id: LegId(Uuid::now_v7()),
            property_name: "Harbour House".to_owned(),
            room_name: "Double".to_owned(),
            order: LegOrder {
                supplier: Supplier::Rapid,
                book_key: "/v3/itineraries?token=t".to_owned(),
                property_id: "p1".to_owned(),
                check_in: day(14),
                check_out: day(16),
                occupancy: Occupancy { adults: 2, children: Vec::new() },
                price,
                terms: Terms {
                    refundable: true,
                    cancel_steps: Vec::new(),
                    holdable: true,
                    due_at_property: DueAtProperty::of("city_tax", "14.20", "EUR")
                        .into_iter()
                        .collect(),
                },
                product: contracts::offer::Product::Stay,
                reprice: None,
            },
        }],
        price,
        amount: AssetAmount {
            units: Units::parse("80000000000000000").unwrap(),
            decimals: 18,
            asset: rate.asset.clone(),
        },
        rate,
        rate_as_of: expires_at,
        expires_at,
    }
}

/// A request that books the quote.
pub(crate) fn body(quote: &Quote) -> Value {
    json!({
        "quote_id": quote.quote_id,
        "travellers": [{"given_name": "Ana", "family_name": "Silva"}],
        "contact": {"email": "ana@example.org", "phone": "+49 30 901820"},
    })
}
