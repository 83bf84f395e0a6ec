//! A service beside the console, in the place of one of ours: it hears what that one hears, writes
//! a row for each message that takes effect, fails where it is told to, and answers support.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{Json, Router, extract::Path, routing::get};
use chassis::{
    auth::{Signer, Verifier, guarded},
    http::Ready,
};
use contracts::{
    ids::{BookingId, CallbackId},
    internal::{FindReply, Found, FoundCallback, TimelineEntry, TimelineKind, TimelineReply},
    message::Message,
    messages::{
        BookingCancelled, BookingCompleted, BookingConfirmed, BookingFailed, BookingLegCancelled,
        BookingLegReplaced, BookingMoneyReversed, BookingMoved, CallbackReceived, LegChanged,
        LegGuestsSettled, LegGuestsWanted, LegWanted, PaymentClose, PaymentClosed, PaymentPrepare,
        PaymentPrepared, PaymentRefund, PaymentRefundChanged, PaymentReversed, PaymentSeen,
        PaymentSettled, PointsChanged, PointsWanted,
    },
};
use messaging::{
    Consumers, DatabaseConfig, Failure, Handled, Handles, Messaging, MessagingConfig, Outcome,
    Received, StoreError, Tx, database,
};
use serde_json::Map;
use sqlx::{PgConnection, PgPool, migrate::Migrator};
use testkit::{Database, TestService};
use tokio::sync::RwLock;
use uuid::Uuid;

static MIGRATOR: Migrator = sqlx::migrate!("tests/migrations");

/// What the handler does with messages about a booking; without one they take effect.
#[derive(Clone, Default)]
pub(crate) struct Script {
    fails: Arc<Mutex<BTreeMap<Uuid, Failure>>>,
    /// What the others do.
    others: Arc<Mutex<Option<Failure>>>,
    /// Whoever holds this for writing holds up every message.
    pub(crate) gate: Arc<RwLock<()>>,
}

impl Script {
    pub(crate) fn fail(&self, booking: Uuid, failure: Failure) {
        self.fails.lock().unwrap().insert(booking, failure);
    }

    pub(crate) fn fail_everything(&self, failure: Failure) {
        *self.others.lock().unwrap() = Some(failure);
    }

    pub(crate) fn mend(&self, booking: Uuid) {
        self.fails.lock().unwrap().remove(&booking);
    }
}

pub(crate) struct Neighbour {
    pub(crate) script: Script,
    pub(crate) pool: PgPool,
    pub(crate) messaging: Messaging,
    pub(crate) url: String,
    _database: Database,
}

impl Neighbour {
    /// In the place of rewards, at the console's broker layout.
    pub(crate) async fn start(service: &TestService, signer: &Signer) -> Self {
        Self::in_place_of("rewards", service, signer).await
    }

    pub(crate) async fn in_place_of(
        role: &'static str,
        service: &TestService,
        signer: &Signer,
    ) -> Self {
        let own = Database::new("rewards", &MIGRATOR).await;
        let pool = messaging::connect(&DatabaseConfig::new(own.service_url(), 4, role)).await;
        let pool = pool.unwrap();
        let mut config = MessagingConfig { service: role, ..service.messaging_config() };
        config.policy.retry_first = Duration::from_millis(20);
        let messaging = Messaging::start(config, pool.clone(), &service.process).await.unwrap();
        let script = Script::default();
        messaging.consume(heard(role), Handler { script: script.clone() });
        messaging.listening().await;
        let verifier = Verifier::from_keys(&[signer.public_key()], "test", "internal").unwrap();
        let routes = Router::new()
            .route("/internal/timeline/{booking}", get(timeline))
            .route("/internal/find", get(find))
            .merge(messaging.routes());
        let routes = guarded(routes, verifier);
        let here = "127.0.0.1:0".parse().unwrap();
        let addr = chassis::http::serve(&service.process, here, routes, Ready::new()).await;
        let url = format!("http://{}", addr.unwrap());
        Self { script, pool, messaging, url, _database: own }
    }

    /// How often messages about a booking took effect.
    pub(crate) async fn effects(&self, booking: Uuid) -> i64 {
        sqlx::query_scalar("select count(*) from effect where booking_id = $1")
            .bind(booking)
            .fetch_one(&self.pool)
            .await
            .unwrap()
    }
}

async fn timeline(Path(_booking): Path<Uuid>) -> Json<TimelineReply> {
    let entry = |at: &str, what: &str| TimelineEntry {
        at: at.parse().unwrap(),
        partner_at: None,
        kind: TimelineKind::Ledger,
        what: what.to_owned(),
        actor: "rewards".to_owned(),
        message_id: None,
        trace_id: None,
        reference: None,
        detail: Map::new(),
    };
    let entries =
        vec![entry("2020-01-01T00:00:00Z", "first"), entry("2100-01-01T00:00:00Z", "last")];
    Json(TimelineReply { owner: "rewards".to_owned(), entries })
}

async fn find(query: axum::extract::RawQuery) -> Json<FindReply> {
    let found = (query.0.as_deref() == Some("key=R+1%2F2"))
        .then(|| Found { booking_id: BookingId(Uuid::from_u128(1)), by: "reference".to_owned() });
    let callback = FoundCallback {
        callback_id: CallbackId(Uuid::from_u128(2)),
        supplier: "rapid".to_owned(),
        received_at: "2026-01-01T00:00:00Z".parse().unwrap(),
    };
    let callbacks = found.iter().map(|_| callback.clone()).collect();
    Json(FindReply { found: found.into_iter().collect(), callbacks })
}

struct Handler {
    script: Script,
}

impl Handles for Handler {
    type Inbound = Uuid;
    type After = ();

    async fn handle(
        &self,
        tx: &mut Tx,
        batch: Vec<Received<Uuid>>,
    ) -> Result<Handled<()>, StoreError> {
        let _open = self.script.gate.read().await;
        let bookings: Vec<Uuid> = batch.into_iter().map(|received| received.inbound).collect();
        sqlx::query("insert into effect (booking_id) select unnest($1::uuid[])")
            .bind(&bookings)
            .execute(tx.conn())
            .await
            .map_err(database("writing effects"))?;
        let fails = self.script.fails.lock().unwrap();
        let others = self.script.others.lock().unwrap();
        let outcomes = bookings.iter().map(|booking| {
            let failure = fails.get(booking).or(others.as_ref()).cloned();
            failure.map_or(Outcome::Done, Outcome::Failed)
        });
        Ok(Handled { outcomes: outcomes.collect(), after: Vec::new() })
    }

    async fn standing(
        &self,
        conn: &mut PgConnection,
        subject: Uuid,
    ) -> Result<Option<String>, StoreError> {
        let count: i64 = sqlx::query_scalar("select count(*) from effect where booking_id = $1")
            .bind(subject)
            .fetch_one(conn)
            .await
            .map_err(database("counting effects"))?;
        Ok(Some(count.to_string()))
    }
}

fn heard(role: &'static str) -> Consumers<Uuid> {
    fn about<M: Message>(message: M) -> Uuid {
        message.subject()
    }
    let list = Consumers::new(role);
    match role {
        "booking" => list
            .on(about::<LegChanged>)
            .on(about::<LegGuestsSettled>)
            .on(about::<PaymentPrepared>)
            .on(about::<PaymentSeen>)
            .on(about::<PaymentSettled>)
            .on(about::<PaymentReversed>)
            .on(about::<PaymentClosed>)
            .on(about::<PaymentRefundChanged>)
            .on(about::<PointsChanged>),
        "supplier-sync" => {
            list.on(about::<LegWanted>).on(about::<LegGuestsWanted>).on(about::<CallbackReceived>)
        }
        "payment-verification" => {
            list.on(about::<PaymentPrepare>).on(about::<PaymentClose>).on(about::<PaymentRefund>)
        }
        "rewards" => list
            .on(about::<PointsWanted>)
            .on(about::<BookingConfirmed>)
            .on(about::<BookingFailed>)
            .on(about::<BookingCancelled>)
            .on(about::<BookingLegCancelled>)
            .on(about::<BookingLegReplaced>)
            .on(about::<BookingMoneyReversed>)
            .on(about::<BookingMoved>)
            .on(about::<BookingCompleted>),
        other => panic!("{other} is no consumer"),
    }
}
