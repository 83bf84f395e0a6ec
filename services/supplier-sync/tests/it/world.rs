//! One supplier-sync with everything around it: servers, the double, booking's side of internal
//! HTTP.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use axum::{
    Json, Router,
    body::Body,
    extract::Path,
    http::{HeaderMap, Request, StatusCode, header},
    routing::get,
};
use chassis::{ExposeSecret as _, Process, SecretString, auth::Signer};
use chrono::{Days, TimeDelta, Utc};
use contracts::{
    ids::{BookingId, CallbackId, LegId, MessageId},
    internal::{
        Gender, PriceCheckReply, PriceCheckRequest, SearchReply, Traveller, TravellersReply,
    },
    messages::{
        CallbackClaim, CallbackReceived, LegChanged, LegContent, LegState, LegWanted, WantedLeg,
    },
    money::{Currency, Money},
    offer::{
        ActivitySearch, FlightSearch, LegOrder, Occupancy, Offer, PriceCheck, Reprice, Search,
        StaySearch,
    },
    policy::Policy,
    supplier::Supplier,
};
use doubles::Doubles;
use serde_json::{Value, json};
use sqlx::PgConnection;
use supplier_sync::{App, Config, catalogue::Catalogue};
use testkit::{Database, Logs, Prefix, Redis, broker::Broker, until};
use tower::ServiceExt as _;
use uuid::Uuid;

/// Whoever travels has this name, and it must turn up in no clear text.
pub(crate) const FAMILY_NAME: &str = "Lovelace";
/// Under which others are told of who may be put on a leg.
pub(crate) const OTHERS: Uuid = Uuid::from_u128(0xbea);
/// Every property of the double has rates that can be held.
pub(crate) const PROPERTY: &str = "1100001";
/// One that two suppliers sell.
pub(crate) const SHARED_PROPERTY: &str = "1100002";

/// Everything but the process under test, which a test may have several of.
pub(crate) struct World {
    pub(crate) supplier: Supplier,
    /// Another one that is sold.
    pub(crate) beside: Option<Supplier>,
    pub(crate) logs: Logs,
    pub(crate) database: Database,
    pub(crate) prefix: Prefix,
    pub(crate) broker: Broker,
    pub(crate) redis: Redis,
    pub(crate) double: Option<Doubles>,
    pub(crate) double_at: SocketAddr,
    pub(crate) process: Process,
    pub(crate) policy: Policy,
    heard: String,
    told: Mutex<BTreeSet<(LegId, u64)>>,
    booking: SocketAddr,
    /// How long booking takes to say who travels, in milliseconds.
    pub(crate) booking_takes_ms: Arc<AtomicU64>,
    /// How often booking was asked who travels.
    pub(crate) booking_asked: Arc<AtomicU64>,
    signer: Arc<Signer>,
    ahead_by: TimeDelta,
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::at(Supplier::Rapid).await
    }

    /// With an account at one supplier and its double.
    pub(crate) async fn at(supplier: Supplier) -> Self {
        let logs = Logs::watch();
        let database = Database::new("supplier_sync", &supplier_sync::MIGRATOR).await;
        let prefix = Prefix::new();
        let broker = prefix.connect().await;
        let double = start_double("127.0.0.1:0".parse().unwrap()).await;
        let signer = Arc::new(Signer::generate("test").unwrap());
        let mut policy = Policy::parse(contracts::policy::DEFAULT).unwrap();
        // An exchange is given up after three quarters of this; the windows are passed by moving
        // the clock.
        let all = &mut policy.supplier;
        let stays = [&mut all.rapid, &mut all.etg, &mut all.neutral];
        for one in stays.into_iter().chain([&mut all.hotelbeds, &mut all.duffel]) {
            one.answer_within_max = Duration::from_secs(4);
        }
        let booking_takes_ms = Arc::new(AtomicU64::new(0));
        let booking_asked = Arc::new(AtomicU64::new(0));
        Self {
            supplier,
            beside: None,
            logs,
            database,
            broker,
            redis: Redis::start(),
            double_at: double.local_addr(),
            double: Some(double),
            process: testkit::process(),
            policy,
            heard: String::new(),
            told: Mutex::default(),
            booking: booking(signer.clone(), booking_takes_ms.clone(), booking_asked.clone()).await,
            booking_takes_ms,
            booking_asked,
            signer,
            ahead_by: TimeDelta::zero(),
            prefix,
        }
    }

    /// Our account at a supplier's double.
    fn account(&self, supplier: Supplier) -> supplier_sync::config::Account {
        let doubles::Config { rapid, etg, hotelbeds, duffel, neutral, .. } =
            doubles::Config::default();
        let (key, secret) = match supplier {
            Supplier::Rapid => (rapid.key, rapid.secret),
            Supplier::Etg => (etg.key, etg.secret),
            Supplier::Hotelbeds => (hotelbeds.key, hotelbeds.secret),
            Supplier::Duffel => (duffel.key, duffel.secret),
            Supplier::Neutral => (neutral.key, neutral.secret),
        };
        supplier_sync::config::Account {
            url: format!("http://{}/{supplier}", self.double_at),
            key,
            secret: secret.into(),
            email: "bookings@holdfast.example".to_owned(),
            customer_ip: "127.0.0.1".to_owned(),
            country_code: "DE".to_owned(),
            language: "en-US".to_owned(),
        }
    }

    pub(crate) fn config(&self) -> Config {
        let sold = [Some(self.supplier), self.beside].into_iter().flatten();
        Config {
            http_addr: "127.0.0.1:0".parse().unwrap(),
            database_url: self.database.service_url(),
            database_connections: 6,
            migrate_database_url: None,
            amqp_url: self.prefix.amqp_url(),
            amqp_prefix: self.prefix.as_str().to_owned(),
            prefetch: 200,
            cache_redis_url: self.redis.url().into(),
            booking_url: format!("http://{}", self.booking),
            internal_token: self.token("internal"),
            token_public_keys: vec![self.signer.public_key()],
            token_issuer: "test".to_owned(),
            seal_keys: "1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=".to_owned().into(),
            accounts: sold.map(|supplier| (supplier, self.account(supplier))).collect(),
            catalogue: Arc::new(Catalogue::parse(supplier_sync::catalogue::DEFAULT).unwrap()),
            policy: Arc::new(self.policy.clone()),
            telemetry: chassis::TelemetryConfig::default(),
        }
    }

    /// A process that hears, calls and records; its jobs are stepped by the test.
    pub(crate) async fn start(&mut self) -> App {
        let app = App::connect(&self.config(), &self.process).await.unwrap();
        app.make_calls();
        app.hear();
        self.listen_along(&app).await;
        app
    }

    /// Hears what the service says from now on.
    pub(crate) async fn listen_along(&mut self, app: &App) {
        app.messaging().listening().await;
        self.heard = self.broker.overhear::<LegChanged>(&self.prefix).await;
    }

    pub(crate) fn token(&self, audience: &str) -> SecretString {
        self.signer.token("tests", &[], audience, Duration::from_secs(3600)).unwrap()
    }

    /// Puts the service's clock further ahead.
    pub(crate) async fn wait(&mut self, seconds: i64) {
        self.ahead_by += TimeDelta::seconds(seconds);
        self.database.offset_clock(self.ahead_by).await;
    }

    /// Puts the service's clock to the next noon, where no test runs into the night.
    pub(crate) async fn noon(&mut self) {
        let now = (Utc::now() + self.ahead_by).timestamp();
        self.wait((43_200 - now).rem_euclid(86_400)).await;
    }

    /// Wakes what is due until nothing is due any more, and waits until every call has ended.
    pub(crate) async fn settle(&self, app: &App) {
        until("every call to end", || async {
            while supplier_sync::wake(app).await.unwrap() != messaging::Step::Idle {}
            self.calls_under_way().await.is_empty().then_some(())
        })
        .await;
    }

    /// Wakes what is due, which is nothing.
    pub(crate) async fn settle_nothing(&self, app: &App) {
        assert_eq!(supplier_sync::wake(app).await.unwrap(), messaging::Step::Idle);
    }

    /// Empties the cache, as a restart of Redis does.
    pub(crate) async fn redis_forgets(&self) {
        let client = redis::Client::open(self.redis.url()).unwrap();
        let mut connection = client.get_multiplexed_async_connection().await.unwrap();
        let _: () = redis::cmd("FLUSHALL").query_async(&mut connection).await.unwrap();
    }

    /// Empties what is kept of searches, and nothing else.
    pub(crate) async fn redis_forgets_answers(&self) {
        let client = redis::Client::open(self.redis.url()).unwrap();
        let mut connection = client.get_multiplexed_async_connection().await.unwrap();
        let keys: Vec<String> =
            redis::cmd("KEYS").arg("*").query_async(&mut connection).await.unwrap();
        let answers: Vec<_> = keys.into_iter().filter(|key| !key.starts_with("gate:")).collect();
        if !answers.is_empty() {
            let _: () = redis::cmd("DEL").arg(answers).query_async(&mut connection).await.unwrap();
        }
    }

    /// Has Redis answer nobody for a while.
    pub(crate) async fn redis_rests(&self, rest: Duration) {
        let client = redis::Client::open(self.redis.url()).unwrap();
        let mut connection = client.get_multiplexed_async_connection().await.unwrap();
        let ms = u64::try_from(rest.as_millis()).unwrap();
        let pause = redis::cmd("CLIENT").arg("PAUSE").arg(ms).arg("ALL").to_owned();
        let _: () = pause.query_async(&mut connection).await.unwrap();
    }

    /// Has another process ask about what is looked for, for so many seconds.
    pub(crate) async fn another_leads(&self, seconds: i32) {
        sqlx::query(
            "insert into search_lead (digest, holder, until)
             values ($1, $2, clock_timestamp() + make_interval(secs => $3))",
        )
        .bind(contracts::shown::search_digest(&self.looked_for()))
        .bind(Uuid::new_v4())
        .bind(seconds)
        .execute(&mut self.admin().await)
        .await
        .unwrap();
    }

    /// Legs with an exchange under way.
    pub(crate) async fn calls_under_way(&self) -> Vec<Uuid> {
        let sql = "select leg_id from leg where state #>> '{in_flight}' is not null";
        sqlx::query_scalar(sql).fetch_all(&mut self.admin().await).await.unwrap()
    }

    pub(crate) async fn admin(&self) -> PgConnection {
        self.database.admin().await
    }

    /// Wants a leg, as booking does.
    pub(crate) async fn want(&self, leg: &Leg, version: u32, wanted: WantedLeg) -> MessageId {
        let id = MessageId(Uuid::new_v4());
        self.say_wanted(id, 0, leg, version, wanted).await;
        id
    }

    pub(crate) async fn say_wanted(
        &self,
        id: MessageId,
        attempt: u32,
        leg: &Leg,
        version: u32,
        wanted: WantedLeg,
    ) {
        let message = wish(leg, version, wanted);
        self.broker.say(&self.prefix.routing(), id, attempt, &message).await;
    }

    /// Wants a leg as it is ordered now, which is what the supplier made of it.
    pub(crate) async fn agrees(&self, leg: &Leg, version: u32, accepts: LegContent) {
        let (id, accepts) = (MessageId(Uuid::new_v4()), Some(accepts));
        let message = LegWanted { accepts, ..wish(leg, version, WantedLeg::Confirmed) };
        self.broker.say(&self.prefix.routing(), id, 0, &message).await;
    }

    /// Pushes a callback, as supplier-callback says it.
    pub(crate) async fn callback(&self, ours: Option<&str>, theirs: Option<&str>) -> CallbackId {
        self.callback_saying(ours, theirs, None).await
    }

    /// Pushes a callback that says what became of a reservation.
    pub(crate) async fn callback_saying(
        &self,
        ours: Option<&str>,
        theirs: Option<&str>,
        claim: Option<CallbackClaim>,
    ) -> CallbackId {
        let callback_id = CallbackId(Uuid::new_v4());
        self.push(callback_id, (ours, theirs), claim).await;
        callback_id
    }

    /// A callback that came before is taken again, and names something of ours now.
    pub(crate) async fn callback_again(&self, callback_id: CallbackId, ours: Option<&str>) {
        self.push(callback_id, (ours, None), None).await;
    }

    async fn push(
        &self,
        callback_id: CallbackId,
        (ours, theirs): (Option<&str>, Option<&str>),
        claim: Option<CallbackClaim>,
    ) {
        let message = CallbackReceived {
            callback_id,
            supplier: self.supplier,
            client_reference: ours.map(str::to_owned),
            reference: theirs.map(str::to_owned),
            claim,
            received_at: Utc::now() + self.ahead_by,
        };
        let id = MessageId(Uuid::new_v4());
        self.broker.say(&self.prefix.routing(), id, 0, &message).await;
    }

    /// Makes a leg's row unreadable, as a bug of ours would.
    pub(crate) async fn spoil(&self, leg: &Leg) {
        let sql = "update leg set state = json_build_object('odd', state) where leg_id = $1";
        sqlx::query(sql).bind(leg.leg_id.0).execute(&mut self.admin().await).await.unwrap();
    }

    /// Undoes [`Self::spoil`].
    pub(crate) async fn mend(&self, leg: &Leg) {
        let sql = "update leg set state = state -> 'odd' where leg_id = $1";
        sqlx::query(sql).bind(leg.leg_id.0).execute(&mut self.admin().await).await.unwrap();
    }

    /// Waits until so many callbacks about a leg have been heard.
    pub(crate) async fn hinted(&self, leg: &Leg, times: i64) {
        until("the callbacks to be heard", || async {
            let heard: i64 = sqlx::query_scalar(
                "select count(*) from leg_event where leg_id = $1 and event ->> 'is' = 'hinted'",
            )
            .bind(leg.leg_id.0)
            .fetch_one(&mut self.admin().await)
            .await
            .unwrap();
            (heard == times).then_some(())
        })
        .await;
    }

    /// A reservation that the supplier makes behind everybody's back, under the reference of an
    /// attempt.
    pub(crate) async fn plant(&self, leg: &Leg, attempt: u32, state: &str) -> String {
        let order = &leg.order;
        let planted = json!({
            "client_reference": leg.client_reference(attempt),
            "property_id": order.property_id,
            "check_in": order.check_in,
            "check_out": order.check_out,
            "state": state,
            "email": "bookings@holdfast.example",
        });
        let made = self.control("POST", "/rapid/plant", Some(planted)).await;
        made["reference"].as_str().unwrap().to_owned()
    }

    /// What the double was asked to cancel, in order.
    pub(crate) async fn cancels(&self) -> Vec<String> {
        let truth = self.truth().await;
        let all = truth["requests"].as_array().unwrap().iter();
        let cancels = all.filter(|request| request["operation"] == "cancel");
        cancels.map(|request| request["reference"].as_str().unwrap().to_owned()).collect()
    }

    pub(crate) async fn get(
        &self,
        app: &App,
        path: &str,
        token: &SecretString,
    ) -> (StatusCode, Value) {
        let request = Request::get(path)
            .header(header::AUTHORIZATION, format!("Bearer {}", token.expose_secret()))
            .body(Body::empty())
            .unwrap();
        let reply = supplier_sync::router(app.clone()).oneshot(request).await.unwrap();
        let status = reply.status();
        let bytes = axum::body::to_bytes(reply.into_body(), usize::MAX).await.unwrap();
        (status, serde_json::from_slice(&bytes).unwrap_or(Value::Null))
    }

    /// How often the cache was read with this result for a supplier.
    pub(crate) fn reads(supplier: &str, result: &str) -> u64 {
        counted("holdfast_cache_reads_total", &[("supplier", supplier), ("result", result)])
    }

    /// How many calls of an operation had no answer, or none that was of use.
    pub(crate) fn not_answered(operation: &str) -> u64 {
        let of = |outcome| {
            let labels = [("operation", operation), ("outcome", outcome)];
            counted("holdfast_supplier_calls_total", &labels)
        };
        of("broken_contract") + of("no_answer")
    }

    /// The next thing the service says of any leg; a message that came before is no news.
    pub(crate) async fn told(&self) -> LegChanged {
        loop {
            let message = self.broker.wait_for(&self.heard).await;
            if let Some(news) = self.news(&message.data) {
                return news;
            }
        }
    }

    fn news(&self, body: &[u8]) -> Option<LegChanged> {
        let changed: LegChanged = serde_json::from_slice(body).unwrap();
        let new = self.told.lock().unwrap().insert((changed.leg_id, changed.seq));
        new.then_some(changed)
    }

    pub(crate) async fn told_held(&self) -> String {
        match self.told().await.state {
            LegState::Held { reference, .. } => reference,
            other => panic!("not held: {other:?}"),
        }
    }

    /// Whether nothing more was said.
    pub(crate) async fn is_silent(&self) -> bool {
        while let Some(message) = self.broker.take(&self.heard).await {
            if self.news(&message.data).is_some() {
                return false;
            }
        }
        true
    }

    pub(crate) async fn event_count(&self, leg: &Leg) -> i64 {
        sqlx::query_scalar("select count(*) from leg_event where leg_id = $1")
            .bind(leg.leg_id.0)
            .fetch_one(&mut self.admin().await)
            .await
            .unwrap()
    }

    /// Everything the service's tables say, but what is only about deliveries.
    pub(crate) async fn dump(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for table in ["leg", "leg_event", "attempt", "reservation", "exchange", "callback_hint"] {
            let sql = format!("select t::text from {table} t order by 1");
            let rows: Vec<String> = sqlx::query_scalar(sqlx::AssertSqlSafe(sql))
                .fetch_all(&mut self.admin().await)
                .await
                .unwrap();
            lines.extend(rows.into_iter().map(|row| format!("{table} {row}")));
        }
        lines
    }

    pub(crate) async fn restart_double(&mut self) {
        self.double = Some(start_double(self.double_at).await);
    }

    pub(crate) async fn stop_double(&mut self) {
        self.double.take().unwrap().shutdown().await;
    }

    /// Arms a fault once.
    pub(crate) async fn fault(&self, operation: &str, fault: &str, times: u32, after_ms: u64) {
        let body = json!({
            "operation": operation, "fault": fault, "times": times, "after_ms": after_ms
        });
        self.control("POST", &format!("/{}/faults", self.supplier), Some(body)).await;
    }

    pub(crate) async fn control(&self, method: &str, path: &str, body: Option<Value>) -> Value {
        let url = format!("http://{}{path}", self.double_at);
        let client = chassis::HttpClient::new(chassis::HttpClientConfig::default()).unwrap();
        let method = axum::http::Method::from_bytes(method.as_bytes()).unwrap();
        let mut request = chassis::HttpRequest::new(method, url);
        if let Some(body) = body {
            request = request.json(body.to_string());
        }
        client.call(request).await.unwrap()
    }

    pub(crate) async fn truth(&self) -> Value {
        self.control("GET", &format!("/{}/truth", self.supplier), None).await
    }

    /// What is held or bought at the double.
    pub(crate) async fn live(&self) -> Vec<Value> {
        let truth = self.truth().await;
        let all = truth["reservations"].as_array().unwrap().iter();
        all.filter(|r| r["state"] != "cancelled").cloned().collect()
    }

    /// How often the double was asked for an operation.
    pub(crate) async fn asked(&self, operation: &str) -> usize {
        let truth = self.truth().await;
        let all = truth["requests"].as_array().unwrap().iter();
        all.filter(|request| request["operation"] == operation).count()
    }

    /// What is looked for at this world's supplier.
    fn looked_for(&self) -> Search {
        let day = Utc::now().date_naive() + Days::new(30);
        match self.supplier {
            Supplier::Rapid if self.beside.is_none() => Self::search(),
            Supplier::Rapid | Supplier::Etg => Self::search_of(SHARED_PROPERTY),
            Supplier::Hotelbeds => Search::Activity(ActivitySearch {
                destination: "BCN".to_owned(),
                from: day,
                to: day,
                participants: Occupancy { adults: 1, children: Vec::new() },
                currency: Currency::Eur,
            }),
            Supplier::Neutral => Self::search_of("NP-1001"),
            Supplier::Duffel => Search::Flight(FlightSearch {
                origin: "LHR".to_owned(),
                destination: "JFK".to_owned(),
                departs_on: day,
                returns_on: None,
                passengers: Occupancy { adults: 1, children: Vec::new() },
                currency: Currency::Eur,
            }),
        }
    }

    pub(crate) fn search() -> Search {
        Self::search_of(PROPERTY)
    }

    fn search_of(property_id: &str) -> Search {
        let arrival = Utc::now().date_naive() + Days::new(30);
        Search::Stay(StaySearch {
            property_id: property_id.to_owned(),
            check_in: arrival,
            check_out: arrival + Days::new(2),
            occupancy: Occupancy { adults: 2, children: Vec::new() },
            currency: Currency::Eur,
        })
    }

    pub(crate) async fn post(
        &self,
        app: &App,
        path: &str,
        token: &SecretString,
        body: &(impl serde::Serialize + Sync),
    ) -> (StatusCode, Value) {
        let request = Request::post(path)
            .header(header::AUTHORIZATION, format!("Bearer {}", token.expose_secret()))
            .header(header::CONTENT_TYPE, "application/json")
            .body(Body::from(serde_json::to_vec(body).unwrap()))
            .unwrap();
        let reply = supplier_sync::router(app.clone()).oneshot(request).await.unwrap();
        let status = reply.status();
        let bytes = axum::body::to_bytes(reply.into_body(), usize::MAX).await.unwrap();
        (status, serde_json::from_slice(&bytes).unwrap_or(Value::Null))
    }

    pub(crate) async fn offers(&self, app: &App) -> SearchReply {
        self.found(app, &self.looked_for()).await
    }

    /// What a search finds.
    pub(crate) async fn found(&self, app: &App, search: &Search) -> SearchReply {
        let token = self.token("internal");
        let (status, body) = self.post(app, "/internal/search", &token, search).await;
        assert_eq!(status, StatusCode::OK, "{body}");
        serde_json::from_value(body).unwrap()
    }

    pub(crate) async fn price_check(&self, app: &App, offer: &Offer) -> (StatusCode, Value) {
        let request = PriceCheckRequest {
            supplier: offer.supplier,
            rate_key: offer.rate_key.clone(),
            occupancy: offer.occupancy.clone(),
            currency: offer.price.currency,
        };
        self.post(app, "/internal/price-check", &self.token("internal"), &request).await
    }

    /// A leg of a booking of its own, for an offer that can be held, found and checked as booking
    /// does.
    pub(crate) async fn leg(&self, app: &App) -> Leg {
        self.leg_of(app, |_| true).await
    }

    /// A leg for the first such offer that can be held.
    pub(crate) async fn leg_of(&self, app: &App, fits: impl Fn(&Offer) -> bool) -> Leg {
        let mut offers = self.offers(app).await.offers.into_iter();
        let offer = offers.find(|offer| offer.terms.holdable && fits(offer)).unwrap();
        let (status, body) = self.price_check(app, &offer).await;
        assert_eq!(status, StatusCode::OK, "{body}");
        let PriceCheck::Available { book_key, price, terms } =
            serde_json::from_value::<PriceCheckReply>(body).unwrap()
        else {
            panic!("not available")
        };
        let order = LegOrder {
            supplier: offer.supplier,
            book_key,
            property_id: offer.property_id,
            check_in: offer.check_in,
            check_out: offer.check_out,
            occupancy: offer.occupancy,
            price,
            terms,
            product: offer.product,
            reprice: Some(Reprice {
                rate_key: offer.rate_key,
                bears: Money::new(price.minor / 10, price.currency),
                cost: None,
            }),
        };
        Leg { booking_id: BookingId(Uuid::now_v7()), leg_id: LegId(Uuid::now_v7()), order }
    }
}

/// A leg as booking knows it.
#[derive(Clone)]
pub(crate) struct Leg {
    pub(crate) booking_id: BookingId,
    pub(crate) leg_id: LegId,
    pub(crate) order: LegOrder,
}

impl Leg {
    pub(crate) fn client_reference(&self, attempt: u32) -> String {
        suppliers::dialect(self.order.supplier).client_reference(self.leg_id, attempt)
    }
}

fn wish(leg: &Leg, version: u32, wanted: WantedLeg) -> LegWanted {
    LegWanted {
        booking_id: leg.booking_id,
        leg_id: leg.leg_id,
        version,
        wanted,
        order: leg.order.clone(),
        accepts: None,
    }
}

async fn start_double(at: SocketAddr) -> Doubles {
    Doubles::start(at, doubles::Config::default()).await.unwrap()
}

/// Booking's side of the one question it is asked: who travels.
async fn booking(
    signer: Arc<Signer>,
    takes_ms: Arc<AtomicU64>,
    asked_so_often: Arc<AtomicU64>,
) -> SocketAddr {
    let verifier =
        chassis::auth::Verifier::from_keys(&[signer.public_key()], "test", "internal").unwrap();
    type Asked = axum::extract::Query<BTreeMap<String, String>>;
    let travellers = get(move |headers: HeaderMap, Path(id): Path<Uuid>, asked: Asked| {
        let good = verifier.authenticate(&headers).is_ok() && !id.is_nil();
        let takes = takes_ms.clone();
        asked_so_often.fetch_add(1, Ordering::Relaxed);
        async move {
            // A test that has changed its mind lets those go that wait.
            let begun = Instant::now();
            let left = || {
                let takes = Duration::from_millis(takes.load(Ordering::Relaxed));
                takes.checked_sub(begun.elapsed())
            };
            while let Some(left) = left() {
                tokio::time::sleep(left.min(Duration::from_millis(20))).await;
            }
            let others = asked.get("party").is_some_and(|party| *party == OTHERS.to_string());
            let lead = if others { "Bea" } else { "Ada" };
            if good { Ok(Json(travellers(lead))) } else { Err(StatusCode::UNAUTHORIZED) }
        }
    });
    let router = Router::new().route("/internal/bookings/{id}/travellers", travellers);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    address
}

fn travellers(lead: &str) -> TravellersReply {
    TravellersReply {
        travellers: vec![Traveller {
            given_name: lead.to_owned(),
            family_name: FAMILY_NAME.to_owned(),
            born_on: chrono::NaiveDate::from_ymd_opt(1990, 12, 10),
            gender: Some(Gender::Female),
        }],
        email: "ada@example.com".to_owned(),
        phone: "+4930123456".to_owned(),
        special_requests: None,
    }
}

/// What a counter of this process says of the series with these labels.
fn counted(name: &str, labels: &[(&str, &str)]) -> u64 {
    let text = chassis::metrics::render();
    let labels: Vec<String> =
        labels.iter().map(|(name, value)| format!("{name}=\"{value}\"")).collect();
    let mut lines = text.lines().filter(|line| line.starts_with(&format!("{name}{{")));
    let of = lines.find(|line| labels.iter().all(|label| line.contains(label)));
    of.map_or(0, |line| line.rsplit_once(' ').unwrap().1.parse().unwrap())
}
