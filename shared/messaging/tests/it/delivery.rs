//! What reaches a handler, how often, and what becomes of what fails.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, atomic::Ordering},
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use contracts::{envelope::header, ids::derive, message::Message as _, messages::BookingFailed};
use lapin::types::{AMQPValue, FieldTable};
use messaging::{Parked, Parks, StoreError, reject, retry};
use uuid::Uuid;

use crate::counter::{
    Act, ROLE, Script, all_took_effect_once, booking, effects, hear, message, outbox,
    outbox_is_empty, say, service,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_message_takes_effect_once_and_its_row_leaves_the_outbox() {
    let service = service().await;
    let messaging = service.messaging().await;
    let script = Script::default();
    hear(&messaging, &script).await;
    let bookings: Vec<Uuid> = (0..300).map(booking).collect();
    say(&messaging, &bookings).await;
    all_took_effect_once(messaging.pool(), &bookings).await;
    testkit::until("what follows the commits", || async {
        (script.after.load(Ordering::SeqCst) == 300).then_some(())
    })
    .await;
    assert!(
        script.batches.lock().unwrap().iter().any(|size| *size > 8),
        "many went into one transaction"
    );
    for (part, state) in messaging.ready().await {
        assert_eq!(state, Ok(()), "{part} is ready");
    }
    service.stop().await;
}

/// Row: F2
#[tokio::test(flavor = "multi_thread")]
async fn the_whole_traffic_twice_and_in_another_order_has_the_same_effects() {
    let service = service().await;
    let messaging = service.messaging().await;
    let script = Script::default();
    let bookings: Vec<Uuid> = (0..200).map(booking).collect();
    for booking in bookings.iter().step_by(10) {
        script.set(*booking, Act::FailTimes(1, retry("told to")));
    }
    hear(&messaging, &script).await;
    let observer = service.prefix.connect().await;
    let rows: Vec<_> = bookings.iter().map(|booking| messaging.row(message(*booking))).collect();
    for row in rows.iter().chain(rows.iter().rev()) {
        publish(&observer, row).await;
    }
    all_took_effect_once(messaging.pool(), &bookings).await;
    let before = effects(messaging.pool()).await;
    for row in rows.iter().step_by(3).chain(&rows) {
        publish(&observer, row).await;
    }
    let queue = service.prefix.routing().queue(ROLE);
    // The last message is another one, so when it took effect all before it were looked at.
    let last = booking(1000);
    say(&messaging, &[last]).await;
    all_took_effect_once(messaging.pool(), &[last]).await;
    testkit::until("an empty queue", || async {
        (observer.depth(&queue).await == Some(0)).then_some(())
    })
    .await;
    service.stop().await;
    let mut after = effects(&service.pool().await).await;
    assert_eq!(after.remove(&last), Some(1));
    assert_eq!(after, before);
}

/// Row: F2
#[tokio::test(flavor = "multi_thread")]
async fn a_cut_between_commit_and_acknowledgement_leaves_one_retry() {
    let service = service().await;
    let proxy = testkit::Proxy::to(&testkit::broker::server()).await;
    let mut config = service.messaging_config();
    config.amqp_url = testkit::broker::url_by(proxy.address());
    config.policy.retry_first = Duration::from_secs(3600);
    config.policy.retry_max = Duration::from_secs(3600);
    let messaging =
        messaging::Messaging::start(config, service.pool().await, &service.process).await.unwrap();
    let script = Script::default();
    let booking = booking(1);
    script.set(booking, Act::Hold(Box::new(Act::Fail(retry("told to")))));
    hear(&messaging, &script).await;
    say(&messaging, &[booking]).await;
    script.held.notified().await;
    // The broker takes the delivery back while it is handled, so its acknowledgement comes too
    // late.
    proxy.cut();
    script.let_go.notify_one();
    // A message behind it: when it took effect, the redelivered one was settled again.
    testkit::until("the retry", || async { (outbox(messaging.pool()).await == 1).then_some(()) })
        .await;
    messaging.listening().await;
    let queue = service.prefix.routing().queue(ROLE);
    let observer = service.prefix.connect().await;
    testkit::until("an empty queue", || async {
        (observer.depth(&queue).await == Some(0)).then_some(())
    })
    .await;
    service.stop().await;
    assert_eq!(script.attempts_of(booking), [0], "the redelivered one was a repeat");
    let retries: Vec<(i32, DateTime<Utc>)> =
        sqlx::query_as("select attempt, available_at from outbox")
            .fetch_all(&service.pool().await)
            .await
            .unwrap();
    assert_eq!(retries.len(), 1);
    assert_eq!(retries[0].0, 1);
    assert_eq!(observer.depth(&queue).await, Some(0), "and it is acknowledged");
}

/// Row: F5
#[tokio::test(flavor = "multi_thread")]
async fn retries_back_off_with_jitter_and_survive_a_restart() {
    let service = service().await;
    let script = Script::default();
    let bookings: Vec<Uuid> = (0..40).map(booking).collect();
    for booking in &bookings {
        script.set(*booking, Act::FailTimes(2, retry("asking another service")));
    }
    let mut config = service.messaging_config();
    config.policy.retry_first = Duration::from_secs(600);
    config.policy.retry_max = Duration::from_secs(6000);
    let messaging =
        messaging::Messaging::start(config.clone(), service.pool().await, &service.process)
            .await
            .unwrap();
    hear(&messaging, &script).await;
    say(&messaging, &bookings).await;
    let first = waiting_delays(&messaging, 40, 1).await;
    let longest = TimeDelta::seconds(600);
    assert!(
        first
            .iter()
            .all(|delay| *delay >= TimeDelta::zero() - TimeDelta::seconds(5) && *delay <= longest)
    );
    spread(&first, longest);
    // The process ends; the retries are in the table, and the next process goes on with them.
    service.stop().await;
    let process = testkit::process();
    let messaging =
        messaging::Messaging::start(config, service.pool().await, &process).await.unwrap();
    hear(&messaging, &script).await;
    service.database.offset_clock(TimeDelta::seconds(700)).await;
    let second = waiting_delays(&messaging, 40, 2).await;
    let longest = TimeDelta::seconds(1200);
    assert!(second.iter().all(|delay| *delay <= longest));
    assert!(second.iter().any(|delay| *delay > TimeDelta::seconds(600)), "the bound has doubled");
    spread(&second, longest);
    service.database.offset_clock(TimeDelta::seconds(700 + 1300)).await;
    all_took_effect_once(messaging.pool(), &bookings).await;
    assert!(bookings.iter().all(|booking| script.attempts_of(*booking) == [0, 1, 2]));
    process.stop(Duration::from_secs(20)).await.unwrap();
}

/// Row: F5
#[tokio::test(flavor = "multi_thread")]
async fn a_permanent_failure_is_a_dead_letter_at_once_and_a_lasting_one_after_its_attempts() {
    let mut service = service().await;
    service.policy.messaging.retry_first = Duration::from_millis(20);
    service.policy.messaging.retry_max = Duration::from_millis(40);
    service.policy.messaging.attempts_max = 4;
    let messaging = service.messaging().await;
    let script = Script::default();
    let (permanent, lasting, good) = (booking(1), booking(2), booking(3));
    script.set(permanent, Act::Fail(reject("its account is closed")));
    script.set(lasting, Act::Fail(retry("asking another service")));
    hear(&messaging, &script).await;
    say(&messaging, &[permanent, lasting, good]).await;
    let observer = service.prefix.connect().await;
    let dead = service.prefix.routing().dead_queue(ROLE);
    let first = headers(&observer.wait_for(&dead).await);
    assert_eq!(text(&first, header::SUBJECT), permanent.to_string());
    assert_eq!(text(&first, header::CAUSE), "rejected");
    assert_eq!(text(&first, header::DETAIL), "its account is closed");
    assert_eq!(script.attempts_of(permanent).last(), Some(&0));
    let second = headers(&observer.wait_for(&dead).await);
    assert_eq!(text(&second, header::SUBJECT), lasting.to_string());
    assert_eq!(text(&second, header::CAUSE), "exhausted");
    assert_eq!(second[header::ATTEMPT], AMQPValue::LongLongInt(3));
    assert_eq!(script.attempts_of(lasting).last(), Some(&3));
    all_took_effect_once(messaging.pool(), &[good]).await;
    let effects = effects(messaging.pool()).await;
    assert_eq!(effects.len(), 1, "what a failed delivery wrote is rolled back");
    service.stop().await;
}

/// Row: F6
/// Row: F7
#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_keeps_what_the_message_was_and_says_why_it_is_dead() {
    let service = service().await;
    let messaging = service.messaging().await;
    hear(&messaging, &Script::default()).await;
    let observer = service.prefix.connect().await;
    let routing = service.prefix.routing();
    let row = messaging.row(message(booking(1)));
    let body = b"{\"not\": \"a booking\xff".to_vec();
    let mut sent = table(&row.headers);
    let traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    sent.insert(header::TRACEPARENT.into(), AMQPValue::LongString(traceparent.into()));
    sent.insert("x-odd".into(), AMQPValue::Timestamp(1_800_000_000));
    sent.insert("x-zero".into(), AMQPValue::LongString("a\0b".into()));
    observer.publish(&routing.events(), BookingFailed::TYPE, sent.clone(), &body).await;
    let letter = observer.wait_for(&routing.dead_queue(ROLE)).await;
    assert_eq!(letter.data, body, "byte for byte");
    let got = headers(&letter);
    for (name, value) in sent.inner() {
        assert_eq!(&got[name.as_str()], value, "{name}");
    }
    assert_eq!(text(&got, header::CAUSE), "undecodable");
    assert!(text(&got, header::DETAIL).contains("line 1"), "{}", text(&got, header::DETAIL));
    assert_eq!(text(&got, header::EXCHANGE), routing.events());
    assert_eq!(text(&got, header::ROUTING_KEY), BookingFailed::TYPE);
    assert_eq!(text(&got, header::CONSUMER), ROLE);
    for name in [header::FIRST_AT, header::LAST_AT] {
        DateTime::parse_from_rfc3339(&text(&got, name)).unwrap();
    }
    // Another version of a type that is heard; a message of nobody; nothing at all.
    let mut other = table(&row.headers);
    other.insert(header::ID.into(), AMQPValue::LongString(Uuid::new_v4().to_string().into()));
    other.insert(header::TYPE.into(), AMQPValue::LongString("holdfast.booking.failed.v9".into()));
    observer.publish(&routing.events(), BookingFailed::TYPE, other, &row.body).await;
    let letter = headers(&observer.wait_for(&routing.dead_queue(ROLE)).await);
    assert_eq!(text(&letter, header::CAUSE), "unknown_type");
    assert!(text(&letter, header::DETAIL).contains("holdfast.booking.failed.v9"));
    observer.publish(&routing.events(), BookingFailed::TYPE, FieldTable::default(), b"").await;
    let letter = observer.wait_for(&routing.dead_queue(ROLE)).await;
    assert_eq!(text(&headers(&letter), header::CAUSE), "undecodable");
    assert!(letter.properties.message_id().is_some(), "it has an id by which it can be handled");
    outbox_is_empty(messaging.pool()).await;
    service.stop().await;
}

/// Row: F6
#[tokio::test(flavor = "multi_thread")]
async fn bytes_without_an_id_are_a_dead_letter_each_time_that_they_are_sent() {
    let service = service().await;
    let messaging = service.messaging().await;
    hear(&messaging, &Script::default()).await;
    let observer = service.prefix.connect().await;
    let routing = service.prefix.routing();
    let (queue, dead) = (routing.queue(ROLE), routing.dead_queue(ROLE));
    for _ in 0..3 {
        observer.publish("", &queue, FieldTable::default(), b"the same").await;
    }
    let mut attempts = BTreeSet::new();
    let mut ids = BTreeSet::new();
    for _ in 0..3 {
        let letter = observer.wait_for(&dead).await;
        ids.insert(letter.properties.message_id().as_ref().unwrap().as_str().to_owned());
        attempts.insert(format!("{:?}", headers(&letter)[header::ATTEMPT]));
    }
    assert_eq!((ids.len(), attempts.len()), (1, 3), "{attempts:?}");
    outbox_is_empty(messaging.pool()).await;
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_takes_nobody_along_and_three_of_them_are_a_crash() {
    let mut service = service().await;
    service.policy.messaging.retry_first = Duration::from_millis(20);
    service.policy.messaging.retry_max = Duration::from_millis(40);
    let messaging = service.messaging().await;
    let script = Script::default();
    let poison = booking(0);
    let neighbours: Vec<Uuid> = (1..200).map(booking).collect();
    script.set(poison, Act::Panic);
    hear(&messaging, &script).await;
    let mut all = neighbours.clone();
    all.insert(77, poison);
    say(&messaging, &all).await;
    let observer = service.prefix.connect().await;
    let letter = headers(&observer.wait_for(&service.prefix.routing().dead_queue(ROLE)).await);
    assert_eq!(text(&letter, header::CAUSE), "crash");
    assert_eq!(text(&letter, header::SUBJECT), poison.to_string());
    all_took_effect_once(messaging.pool(), &neighbours).await;
    assert_eq!(
        script.attempts_of(poison).last(),
        Some(&2),
        "three attempts, each may have been in a batch first"
    );
    service.stop().await;
}

/// Row: F3
#[tokio::test(flavor = "multi_thread")]
async fn what_the_broker_cannot_dead_letter_stays_in_its_queue() {
    let service = service().await;
    let messaging = service.messaging().await;
    hear(&messaging, &Script::default()).await;
    let row = messaging.row(message(booking(1)));
    service.stop().await;
    let observer = service.prefix.connect().await;
    let routing = service.prefix.routing();
    publish(&observer, &row).await;
    observer.delete_queue(&routing.dead_queue(ROLE)).await;
    let queue = routing.queue(ROLE);
    let taken = testkit::until("the message", || async {
        let options = lapin::options::BasicGetOptions::default();
        observer.channel.basic_get(queue.as_str().into(), options).await.unwrap()
    })
    .await;
    let refuse = lapin::options::BasicRejectOptions { requeue: false };
    assert!(taken.acker.reject(refuse).await.unwrap());
    // Neither ready nor taken, and still there: it waits in its queue until its dead-letter queue
    // is back.
    testkit::until("the broker to count it", || async {
        let status = service.prefix.queue_status(&queue).await;
        (status["messages_dlx"] == 1).then_some(())
    })
    .await;
}

/// A replay is the same message with the next attempt: it takes effect once, however often it is
/// sent.
#[tokio::test(flavor = "multi_thread")]
async fn a_replayed_dead_letter_takes_effect_once() {
    let service = service().await;
    let messaging = service.messaging().await;
    let script = Script::default();
    let booking = booking(1);
    script.set(booking, Act::Fail(reject("not yet")));
    hear(&messaging, &script).await;
    say(&messaging, &[booking]).await;
    let observer = service.prefix.connect().await;
    let letter = observer.wait_for(&service.prefix.routing().dead_queue(ROLE)).await;
    script.set(booking, Act::Take);
    let sent = headers(&letter);
    for _twice in 0..2 {
        let mut replay = FieldTable::from(
            sent.clone()
                .into_iter()
                .map(|(k, v)| (k.into(), v))
                .collect::<std::collections::BTreeMap<_, _>>(),
        );
        replay.insert(header::ATTEMPT.into(), AMQPValue::LongLongInt(1));
        observer
            .publish(
                &text(&sent, header::EXCHANGE),
                &text(&sent, header::ROUTING_KEY),
                replay,
                &letter.data,
            )
            .await;
    }
    all_took_effect_once(messaging.pool(), &[booking]).await;
    service.stop().await;
    assert_eq!(script.attempts_of(booking), [0, 1]);
}

/// How long the retries of an attempt wait, seen from when they were scheduled.
async fn waiting_delays(
    messaging: &messaging::Messaging,
    count: i64,
    attempt: i32,
) -> Vec<TimeDelta> {
    testkit::until("the retries", || async {
        let waiting: i64 = sqlx::query_scalar("select count(*) from outbox where attempt = $1")
            .bind(attempt)
            .fetch_one(messaging.pool())
            .await
            .unwrap();
        (waiting == count).then_some(())
    })
    .await;
    let rows: Vec<(DateTime<Utc>, DateTime<Utc>)> =
        sqlx::query_as("select created_at, available_at from outbox where attempt = $1")
            .bind(attempt)
            .fetch_all(messaging.pool())
            .await
            .unwrap();
    rows.into_iter().map(|(created, available)| available - created).collect()
}

/// Full jitter: some wait little, some long.
fn spread(delays: &[TimeDelta], longest: TimeDelta) {
    assert!(delays.iter().any(|delay| *delay < longest / 3), "{delays:?}");
    assert!(delays.iter().any(|delay| *delay > longest / 2), "{delays:?}");
}

pub(crate) async fn publish(observer: &testkit::broker::Broker, row: &messaging::OutboxRow) {
    observer.publish(&row.exchange, &row.routing_key, table(&row.headers), &row.body).await;
}

fn table(headers: &serde_json::Value) -> FieldTable {
    let mut table = FieldTable::default();
    for (name, value) in headers.as_object().unwrap() {
        let value = match value {
            serde_json::Value::String(text) => AMQPValue::LongString(text.as_str().into()),
            number => AMQPValue::LongLongInt(number.as_i64().unwrap()),
        };
        table.insert(name.as_str().into(), value);
    }
    table
}

fn headers(
    message: &lapin::message::BasicGetMessage,
) -> std::collections::BTreeMap<String, AMQPValue> {
    let table = message.properties.headers().clone().unwrap_or_default();
    table.inner().iter().map(|(name, value)| (name.to_string(), value.clone())).collect()
}

fn text(headers: &std::collections::BTreeMap<String, AMQPValue>, name: &str) -> String {
    match headers.get(name) {
        Some(AMQPValue::LongString(text)) => text.to_string(),
        other => panic!("{name} is {other:?}"),
    }
}

/// Keeps what it is given, but no batch that has the spoilt one in it.
#[derive(Clone, Default)]
struct Picky {
    kept: Arc<Mutex<BTreeSet<Vec<u8>>>>,
}

const SPOILT: &[u8] = b"spoilt";

impl Parks for Picky {
    async fn park(&self, batch: Vec<Parked>) -> Result<(), StoreError> {
        if batch.iter().any(|one| one.body == SPOILT) {
            let source = "it cannot be kept".into();
            return Err(StoreError::Corrupt { table: "dead_letter", id: String::new(), source });
        }
        self.kept.lock().unwrap().extend(batch.into_iter().map(|one| one.body));
        Ok(())
    }
}

/// Row: F1
#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_that_cannot_be_kept_holds_up_no_others_and_is_not_lost() {
    let service = service().await;
    service.logs.expect("a dead letter cannot be kept");
    let messaging = service.messaging().await;
    hear(&messaging, &Script::default()).await;
    let observer = service.prefix.connect().await;
    let routing = service.prefix.routing();
    let dead = routing.dead_queue(ROLE);
    // All of them wait before anybody looks, so that they come together.
    let bodies: Vec<Vec<u8>> = (0..9_u8).map(|n| vec![n]).collect();
    for body in bodies[..4].iter().map(Vec::as_slice).chain([SPOILT]) {
        observer.publish(&routing.commands(), &dead, FieldTable::default(), body).await;
    }
    for body in &bodies[4..] {
        observer.publish(&routing.commands(), &dead, FieldTable::default(), body).await;
    }
    let picky = Picky::default();
    messaging.park(vec![dead.clone()], picky.clone());
    let all = BTreeSet::from_iter(bodies);
    testkit::until("the others to be kept", || async {
        (*picky.kept.lock().unwrap() == all).then_some(())
    })
    .await;
    service.stop().await;
    let still = testkit::until("it to be there again", || observer.take(&dead)).await;
    assert!(still.data == SPOILT || all.contains(&still.data));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_forgotten_is_found_without_a_look_at_what_is_kept() {
    let service = service().await;
    let pool = service.pool().await;
    // Every page has something old on it, as where new rows took the places of forgotten ones.
    let now = Utc::now();
    let old = now - TimeDelta::days(100);
    let (mut ids, mut times) = (Vec::new(), Vec::new());
    for n in 0..100_000_u32 {
        let at = if n % 5_000 == 0 { old } else { now };
        ids.push(derive(at, &[&n.to_be_bytes()]));
        times.push(at);
    }
    let rows = "insert into inbox (consumer, message_id, attempt, state, handled_at)
        select $1, id, 0, 'done', at from unnest($2::uuid[], $3::timestamptz[]) as n (id, at)";
    sqlx::query(rows).bind(ROLE).bind(ids).bind(times).execute(&pool).await.unwrap();
    // Given up, and never done; old by its id, and handled today.
    let others = "insert into inbox (consumer, message_id, attempt, state, handled_at)
        values ($1, $2, 0, 'dead', $3), ($1, $4, 0, 'done', holdfast_now())";
    let (dead, late) = (derive(old, &[b"dead"]), derive(old, &[b"late"]));
    let others = sqlx::query(others).bind(ROLE).bind(dead).bind(old).bind(late);
    others.execute(&pool).await.unwrap();
    pool.close().await;
    let measured = service.pool().await;
    let pages = async || -> (i64, i64) {
        let told = "select coalesce(io.heap_blks_read + io.heap_blks_hit, 0), t.n_tup_del
            from pg_statio_user_tables as io join pg_stat_user_tables as t using (relid)
            where t.relname = 'inbox'";
        sqlx::query_as(told).fetch_one(&measured).await.unwrap()
    };
    let before = testkit::until("the figures of what was written", async || {
        let (pages, _) = pages().await;
        (pages > 1_000).then_some(pages)
    })
    .await;
    let messaging = service.messaging().await;
    let after = testkit::until("all that is old to be forgotten", async || {
        let (pages, deleted) = pages().await;
        (deleted == 20).then_some(pages)
    })
    .await;
    assert!(after - before < 500, "{} pages were looked at", after - before);
    let kept: i64 =
        sqlx::query_scalar("select count(*) from inbox").fetch_one(&measured).await.unwrap();
    assert_eq!(kept, 100_000 - 20 + 2);
    drop(messaging);
    service.stop().await;
}
