//! What support asks about messages: what one would do, how far a consumer came with one, and one
//! sent again.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use axum::{
    Router,
    body::{Body, to_bytes},
    http::{Request, StatusCode, header},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use chrono::Utc;
use contracts::{
    envelope,
    ids::{BookingId, MessageId},
    internal::{
        InboxRequest, InboxState, InboxesReply, PreviewEffect, PreviewReply, PreviewRequest,
    },
    message::Message as _,
    messages::{BookingCancelled, BookingFailed},
};
use messaging::{
    Address, Consumers, Handled, Handles, Messaging, Outcome, Outgoing, Received, Replay,
    StoreError, Tx, database, reject, retry,
};
use serde_json::{Map, Value};
use sqlx::{PgConnection, PgPool};
use tower::ServiceExt as _;
use uuid::Uuid;

use crate::counter::{
    Act, Counter, ROLE, Script, all_took_effect_once, booking, effects, hear, message, outbox,
    outbox_is_empty, say, service,
};

/// Writes a row, says that something was cancelled, and has something to do after the commit.
#[derive(Clone, Default)]
struct Busy {
    after: Arc<AtomicUsize>,
}

impl Handles for Busy {
    type Inbound = BookingFailed;
    type After = Uuid;

    async fn handle(
        &self,
        tx: &mut Tx,
        batch: Vec<Received<BookingFailed>>,
    ) -> Result<Handled<Uuid>, StoreError> {
        let BookingFailed { booking_id, account_id, version, at } = batch[0].inbound.clone();
        sqlx::query("insert into effect (booking_id, what) values ($1, 'failed')")
            .bind(booking_id.0)
            .execute(tx.conn())
            .await
            .map_err(database("writing an effect"))?;
        let said = BookingCancelled { booking_id, account_id, version, at };
        tx.say(Outgoing::new(MessageId::caused_by(at, booking_id.0, 2, 0), at, &said));
        Ok(Handled { outcomes: vec![Outcome::Done], after: vec![booking_id.0] })
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
        Ok(Some(format!("{count} effects")))
    }

    fn committed(&self, after: Vec<Uuid>) {
        self.after.fetch_add(after.len(), Ordering::SeqCst);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preview_says_what_a_message_would_do_and_leaves_nothing_behind() {
    let service = service().await;
    let messaging = service.messaging().await;
    let busy = Busy::default();
    let heard = Consumers::new(ROLE).on(|message: BookingFailed| message);
    messaging.know(heard, busy.clone());
    let observer = service.prefix.connect().await;
    let overheard = observer.overhear::<BookingCancelled>(&service.prefix).await;

    let booking = booking(1);
    for _ in 0..3 {
        let reply = preview(&messaging, &row(&messaging, booking), 0).await;
        assert_eq!(reply.effect, PreviewEffect::Changes, "{reply:?}");
        assert_eq!(reply.before.as_deref(), Some("0 effects"));
        assert_eq!(reply.after.as_deref(), Some("1 effects"));
        let says = format!("says {}", BookingCancelled::TYPE);
        let expected =
            ["effect: 1 added".to_owned(), says, "starts what follows the commit: 1".to_owned()];
        assert_eq!(reply.changes, expected);
    }

    let pool = messaging.pool();
    assert_eq!(effects(pool).await, BTreeMap::new(), "nothing is written");
    assert_eq!((outbox(pool).await, inbox(pool).await), (0, 0), "nothing is said or remembered");
    assert_eq!(busy.after.load(Ordering::SeqCst), 0, "nothing is started");
    // What memory would have sent is in the queue before this.
    let mut tx = messaging.begin().await.unwrap();
    tx.say(message(booking));
    tx.commit().await.unwrap();
    outbox_is_empty(pool).await;
    assert_eq!(observer.depth(&overheard).await, Some(0), "nothing is published");
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preview_says_how_a_message_would_fail() {
    let service = service().await;
    let messaging = service.messaging().await;
    let script = Script::default();
    messaging.know(crate::counter::heard(), Counter { script: script.clone() });
    let booking = booking(1);
    let of = async |act: Act, attempt: u32| {
        script.set(booking, act);
        let reply = preview(&messaging, &row(&messaging, booking), attempt).await;
        (reply.effect, reply.why)
    };
    let dead = PreviewEffect::DeadAgain;
    let (effect, why) = of(Act::Fail(reject("reading the price")), 0).await;
    assert_eq!((effect, why.contains("rejected: reading the price")), (dead, true), "{why}");
    let (effect, why) = of(Act::Fail(retry("asking a neighbour")), 0).await;
    let later = PreviewEffect::FailsForNow;
    assert_eq!((effect, why.contains("asking a neighbour")), (later, true), "{why}");
    let last = service.policy.messaging.attempts_max - 1;
    let (effect, why) = of(Act::Fail(retry("asking a neighbour")), last).await;
    assert_eq!((effect, why.contains("exhausted")), (dead, true), "{why}");
    let (effect, _) = of(Act::Panic, 0).await;
    assert_eq!(effect, later);

    let mut garbage = row(&messaging, booking);
    garbage.body = b"no json".to_vec();
    let reply = preview(&messaging, &garbage, 0).await;
    assert_eq!((reply.effect, reply.why.contains("undecodable")), (dead, true), "{reply:?}");

    // A batch that rolls back leaves the table as it was, panics included.
    assert_eq!(effects(messaging.pool()).await, BTreeMap::new());
    let (status, _) = ask(&messaging, post("nobody", &row(&messaging, booking), 0)).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    service.stop().await;
}

/// Row: G4
#[tokio::test(flavor = "multi_thread")]
async fn a_replay_takes_effect_once_although_its_id_is_in_the_inbox() {
    let service = service().await;
    let messaging = service.messaging().await;
    let script = Script::default();
    let booking = booking(1);
    script.set(booking, Act::Fail(reject("told to")));
    hear(&messaging, &script).await;
    let message = message(booking);
    let id = message.id();
    assert_eq!(state(&messaging, id).await, (None, None));
    let mut tx = messaging.begin().await.unwrap();
    tx.say(message);
    tx.commit().await.unwrap();
    let observer = service.prefix.connect().await;
    let routing = service.prefix.routing();
    let dead = observer.wait_for(&routing.dead_queue(ROLE)).await;
    assert_eq!(state(&messaging, id).await, (Some(0), Some(InboxState::Dead)));

    script.set(booking, Act::Take);
    let replay = |attempt: u32| Replay {
        message_id: id,
        attempt,
        origin: Address { exchange: routing.events(), routing_key: BookingFailed::TYPE.into() },
        consumer: ROLE.into(),
        headers: as_said(id, booking),
        body: dead.delivery.data.clone(),
    };
    let send = async |attempt: u32| {
        let mut tx = messaging.begin().await.unwrap();
        tx.send(messaging.replay(replay(attempt), None));
        tx.commit().await.unwrap();
        outbox_is_empty(messaging.pool()).await;
    };
    // The attempt that ended before, the next one, the same again, and a later one.
    send(0).await;
    assert_eq!(
        preview(&messaging, &messaging.replay(replay(0), None), 0).await.effect,
        PreviewEffect::Repeat
    );
    send(1).await;
    all_took_effect_once(messaging.pool(), &[booking]).await;
    send(1).await;
    send(2).await;
    let last = crate::counter::booking(2);
    say(&messaging, &[last]).await;
    all_took_effect_once(messaging.pool(), &[booking, last]).await;
    assert_eq!(script.attempts_of(booking), [0, 1]);
    assert_eq!(state(&messaging, id).await, (Some(1), Some(InboxState::Done)));
    service.stop().await;
}

fn row(messaging: &Messaging, booking: Uuid) -> messaging::OutboxRow {
    messaging.row(message(booking))
}

/// The headers of a message that a service said.
fn as_said(id: MessageId, booking: Uuid) -> Map<String, Value> {
    let mut headers = Map::new();
    for (name, value) in [
        (envelope::header::SPEC, "1.0".to_owned()),
        (envelope::header::TYPE, BookingFailed::TYPE.to_owned()),
        (envelope::header::SOURCE, "counter".to_owned()),
        (envelope::header::SUBJECT, BookingId(booking).to_string()),
        (envelope::header::TIME, Utc::now().to_rfc3339()),
        (envelope::header::ID, id.to_string()),
    ] {
        headers.insert(name.to_owned(), value.into());
    }
    headers
}

async fn preview(messaging: &Messaging, row: &messaging::OutboxRow, attempt: u32) -> PreviewReply {
    let (status, body) = ask(messaging, post(ROLE, row, attempt)).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    serde_json::from_value(body).unwrap()
}

fn post(consumer: &str, row: &messaging::OutboxRow, attempt: u32) -> Request<Body> {
    let request = PreviewRequest {
        consumer: consumer.to_owned(),
        message_id: row.message_id,
        attempt,
        headers: row.headers.as_object().unwrap().clone(),
        body_base64: STANDARD.encode(&row.body),
    };
    let body = serde_json::to_vec(&request).unwrap();
    let request =
        Request::post("/internal/preview").header(header::CONTENT_TYPE, "application/json");
    request.body(Body::from(body)).unwrap()
}

async fn state(messaging: &Messaging, id: MessageId) -> (Option<u32>, Option<InboxState>) {
    // Beside one that nobody ever heard.
    let (status, body) = ask(messaging, ask_for(&[id.0, Uuid::nil()])).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    let reply: InboxesReply = serde_json::from_value(body).unwrap();
    let [asked, unheard] = reply.messages.as_slice() else { panic!("two: {reply:?}") };
    assert_eq!((asked.message_id, unheard.message_id), (id.0, Uuid::nil()));
    assert_eq!((unheard.attempt, unheard.state), (None, None));
    (asked.attempt, asked.state)
}

fn ask_for(message_ids: &[Uuid]) -> Request<Body> {
    let body = serde_json::to_vec(&InboxRequest { message_ids: message_ids.to_vec() }).unwrap();
    let request = Request::post(format!("/internal/inbox/{ROLE}"))
        .header(header::CONTENT_TYPE, "application/json");
    request.body(Body::from(body)).unwrap()
}

async fn ask(messaging: &Messaging, request: Request<Body>) -> (StatusCode, Value) {
    let router: Router = messaging.routes();
    let answer = router.oneshot(request).await.unwrap();
    let status = answer.status();
    let body = to_bytes(answer.into_body(), usize::MAX).await.unwrap();
    (status, serde_json::from_slice(&body).unwrap_or(Value::Null))
}

async fn inbox(pool: &PgPool) -> i64 {
    sqlx::query_scalar("select count(*) from inbox").fetch_one(pool).await.unwrap()
}
