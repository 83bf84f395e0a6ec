//! What happens when the broker, the database, or the way to them fails: nothing is lost, nothing
//! happens twice.

use std::time::{Duration, Instant};

use contracts::{
    envelope::header,
    ids::{BookingId, MessageId},
    message::Message as _,
    messages::{BookingFailed, PointsChanged, PointsState},
};
use futures::FutureExt as _;
use messaging::{Address, DatabaseConfig, Messaging, OutboxRow, Planning, retry};
use sqlx::Connection as _;
use testkit::{BrokerNode, Database, Proxy, TestService};
use uuid::Uuid;

use crate::counter::{
    Act, ROLE, Script, all_took_effect_once, booking, effects, hear, message, outbox,
    outbox_is_empty, say, service,
};

/// Messaging whose way to the broker is a proxy.
async fn by_broker_proxy(service: &TestService) -> (Messaging, Proxy) {
    let proxy = Proxy::to(&testkit::broker::server()).await;
    let mut config = service.messaging_config();
    config.amqp_url = testkit::broker::url_by(proxy.address());
    let pool = service.pool().await;
    (Messaging::start(config, pool, &service.process).await.unwrap(), proxy)
}

/// Messaging whose way to the database is a proxy.
async fn by_database_proxy(service: &TestService) -> (Messaging, Proxy) {
    let proxy = Proxy::to(&Database::server()).await;
    let url = service.database.service_url_by(proxy.address());
    let pool = messaging::connect(&DatabaseConfig::new(url, 10, "test")).await.unwrap();
    (Messaging::start(service.messaging_config(), pool, &service.process).await.unwrap(), proxy)
}

/// Messaging at a broker of the test's own.
async fn at(broker: &BrokerNode, service: &TestService) -> Messaging {
    let mut config = service.messaging_config();
    config.amqp_url = broker.amqp_url();
    let pool = service.pool().await;
    Messaging::start(config, pool, &service.process).await.unwrap()
}

/// Row: F5
#[tokio::test(flavor = "multi_thread")]
async fn a_broker_killed_under_load_and_started_again_loses_nothing_and_doubles_nothing() {
    let service = service().await;
    let mut broker = BrokerNode::start();
    let messaging = at(&broker, &service).await;
    hear(&messaging, &Script::default()).await;
    let first = [booking(9_999)];
    say(&messaging, &first).await;
    all_took_effect_once(messaging.pool(), &first).await;
    broker.stop();
    broker.restart();
    let bookings: Vec<Uuid> = (0..2000).map(booking).collect();
    let (before, after) = bookings.split_at(1000);
    for part in before.chunks(20) {
        say(&messaging, part).await;
    }
    broker.kill();
    for part in after.chunks(100) {
        say(&messaging, part).await;
    }
    let waiting = outbox(messaging.pool()).await;
    assert!(waiting >= 1000, "what is said without a broker waits: {waiting} rows");
    broker.restart();
    // Rows whose confirmation was cut off are leased for a while.
    service.database.offset_clock(chrono::TimeDelta::minutes(1)).await;
    all_took_effect_once(messaging.pool(), &bookings).await;
    service.stop().await;
}

/// A broker that runs out of memory or disk reads nothing more from whoever publishes. What is
/// heard is handled and acknowledged all the same, and what is said waits.
#[tokio::test(flavor = "multi_thread")]
async fn an_alarm_at_the_broker_blocks_who_speaks_and_not_who_hears() {
    let service = service().await;
    let broker = BrokerNode::start();
    let messaging = at(&broker, &service).await;
    let script = Script::default();
    let held = booking(1);
    script.set(held, Act::Hold(Box::new(Act::Take)));
    hear(&messaging, &script).await;
    say(&messaging, &[held]).await;
    script.held.notified().await;
    broker.alarm(true);
    let bookings: Vec<Uuid> = (2..500).map(booking).collect();
    say(&messaging, &bookings).await;
    speech_is_blocked(&messaging).await;
    let queue = service.prefix.routing().queue(ROLE);
    testkit::until("the delivery in hand to be counted", || async {
        (broker.unacknowledged(&queue) == 1).then_some(())
    })
    .await;
    script.let_go.notify_one();
    testkit::until("the acknowledgement of what was in hand", || async {
        (effects(messaging.pool()).await.contains_key(&held) && broker.unacknowledged(&queue) == 0)
            .then_some(())
    })
    .await;
    assert!(outbox(messaging.pool()).await > 0, "what was said waits");
    broker.alarm(false);
    all_took_effect_once(messaging.pool(), &bookings).await;
    broker.disk_full(true);
    let more: Vec<Uuid> = (500..510).map(booking).collect();
    say(&messaging, &more).await;
    speech_is_blocked(&messaging).await;
    broker.disk_full(false);
    all_took_effect_once(messaging.pool(), &more).await;
    service.stop().await;
}

async fn speech_is_blocked(messaging: &Messaging) {
    testkit::until("readiness to say that the broker blocks", || async {
        let states = messaging.ready().await;
        let blocked =
            |(part, state): &(&str, Result<(), String>)| *part == "broker.speak" && state.is_err();
        states.iter().any(blocked).then_some(())
    })
    .await;
}

/// An event is routed when it is published; a hearer that never ran must not miss it.
#[tokio::test(flavor = "multi_thread")]
async fn an_event_said_before_its_hearer_ever_ran_waits_for_it() {
    let service = service().await;
    let messaging = service.messaging().await;
    let event = PointsChanged {
        booking_id: BookingId(booking(1)),
        version: 1,
        state: PointsState::Refused,
        points: 500,
    };
    let mut tx = messaging.begin().await.unwrap();
    let id = MessageId(booking(3));
    tx.say(messaging::Outgoing::new(id, chrono::Utc::now(), &event));
    tx.commit().await.unwrap();
    outbox_is_empty(messaging.pool()).await;
    let observer = service.prefix.connect().await;
    let queue = service.prefix.routing().queue("booking");
    let kept = observer.take(&queue).await.expect("the event waits in its hearer's queue");
    assert_eq!(kept.data, serde_json::to_vec(&event).unwrap());
    service.stop().await;
}

/// Nobody hears just now, and the hearer's queue goes: it is not there to be found missing.
#[tokio::test(flavor = "multi_thread")]
async fn an_event_whose_hearers_queue_is_gone_is_said_again_to_a_new_one() {
    let service = service().await;
    let messaging = service.messaging().await;
    let observer = service.prefix.connect().await;
    let queue = service.prefix.routing().queue("booking");
    for n in [1, 2] {
        let event = PointsChanged {
            booking_id: BookingId(booking(n)),
            version: 1,
            state: PointsState::Refused,
            points: 500,
        };
        let mut tx = messaging.begin().await.unwrap();
        let id = MessageId(booking(n + 10));
        tx.say(messaging::Outgoing::new(id, chrono::Utc::now(), &event));
        tx.commit().await.unwrap();
        outbox_is_empty(messaging.pool()).await;
        let kept = observer.take(&queue).await.expect("the event waits in its hearer's queue");
        assert_eq!(kept.data, serde_json::to_vec(&event).unwrap());
        observer.delete_queue(&queue).await;
    }
    service.stop().await;
}

/// A queue that stands at the broker with other settings than ours cannot be declared. What its
/// role would hear waits; what others hear does not wait with it.
#[tokio::test(flavor = "multi_thread")]
async fn a_queue_that_cannot_be_made_holds_up_no_messages_but_its_own() {
    let service = service().await;
    let observer = service.prefix.connect().await;
    let routing = service.prefix.routing();
    let settings = lapin::options::QueueDeclareOptions::default();
    observer
        .channel
        .queue_declare(
            routing.queue("rewards").into(),
            settings,
            lapin::types::FieldTable::default(),
        )
        .await
        .unwrap();
    let messaging = service.messaging().await;
    let event = PointsChanged {
        booking_id: BookingId(booking(1)),
        version: 1,
        state: PointsState::Refused,
        points: 500,
    };
    let mut tx = messaging.begin().await.unwrap();
    // Rewards would hear the first, booking the second.
    tx.say(message(booking(2)));
    tx.say(messaging::Outgoing::new(MessageId(booking(3)), chrono::Utc::now(), &event));
    tx.commit().await.unwrap();
    let heard = routing.queue("booking");
    testkit::until("what booking hears", || async {
        observer.depth(&heard).await.filter(|waiting| *waiting > 0)
    })
    .await;
    let kept = observer.take(&heard).await.unwrap();
    assert_eq!(kept.data, serde_json::to_vec(&event).unwrap());
    testkit::until("the other one alone to be left", || async {
        (outbox(messaging.pool()).await == 1).then_some(())
    })
    .await;
    service.stop().await;
}

/// A cancelled `begin` leaves a transaction open on its connection; what runs on it next must be
/// committed all the same.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_inserted_after_cancelled_begins_is_there() {
    let service = service().await;
    let config = DatabaseConfig::new(service.database.service_url(), 2, "test");
    let pool = messaging::connect(&config).await.unwrap();
    let messaging =
        Messaging::start(service.messaging_config(), pool.clone(), &service.process).await.unwrap();
    let mut inserted = Vec::new();
    let mut cancelled = 0;
    for n in 0..200 {
        let mut begin = Box::pin(messaging.begin());
        let mut finished = false;
        for _poll in 0..n % 6 + 1 {
            if begin.as_mut().now_or_never().is_some() {
                finished = true;
                break;
            }
            tokio::time::sleep(Duration::from_micros(150)).await;
        }
        drop(begin);
        cancelled += i32::from(!finished);
        let booking = booking(n);
        sqlx::query("insert into effect (booking_id, what) values ($1, 'acknowledged')")
            .bind(booking)
            .execute(&pool)
            .await
            .unwrap();
        inserted.push(booking);
    }
    assert!(cancelled > 20, "{cancelled} begins were cancelled");
    let mut admin = service.database.admin().await;
    let there: i64 = sqlx::query_scalar("select count(*) from effect where booking_id = any($1)")
        .bind(&inserted)
        .fetch_one(&mut admin)
        .await
        .unwrap();
    assert_eq!(there, 200);
    admin.close().await.unwrap();
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_that_is_deleted_is_made_again_and_heard_again() {
    let service = service().await;
    let messaging = service.messaging().await;
    hear(&messaging, &Script::default()).await;
    let first = booking(1);
    say(&messaging, &[first]).await;
    all_took_effect_once(messaging.pool(), &[first]).await;
    let observer = service.prefix.connect().await;
    let queue = service.prefix.routing().queue(ROLE);
    observer.delete_queue(&queue).await;
    testkit::until("the queue", || async { observer.depth(&queue).await.map(drop) }).await;
    messaging.listening().await;
    let second = booking(2);
    say(&messaging, &[second]).await;
    all_took_effect_once(messaging.pool(), &[second]).await;
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn readiness_misses_a_dead_letter_queue_and_makes_it_again() {
    let service = service().await;
    let messaging = service.messaging().await;
    hear(&messaging, &Script::default()).await;
    let observer = service.prefix.connect().await;
    let dead = service.prefix.routing().dead_queue(ROLE);
    observer.delete_queue(&dead).await;
    let topology = |states: Vec<(&'static str, Result<(), String>)>| {
        states.into_iter().find(|(part, _)| *part == "broker.topology").unwrap().1
    };
    let missing = testkit::until("readiness to miss it", || async {
        topology(messaging.ready().await).err()
    })
    .await;
    assert!(missing.contains("looking for a queue"), "{missing}");
    assert_eq!(observer.depth(&dead).await, Some(0), "it is made again");
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_nobody_takes_is_kept() {
    let service = service().await;
    let messaging = service.messaging().await;
    let row = messaging.row(message(booking(1)));
    let routing = service.prefix.routing();
    let nowhere = [
        Address {
            exchange: routing.commands(),
            routing_key: "holdfast.nobody.hears.v1".to_owned(),
        },
        // A queue that does not exist, by the exchange that drops what it cannot route.
        Address {
            exchange: String::new(),
            routing_key: format!("{}nobody", service.prefix.as_str()),
        },
        // An exchange that does not exist would end the channel for everybody.
        Address { exchange: "no.such.exchange".to_owned(), routing_key: "key".to_owned() },
    ];
    let mut tx = messaging.begin().await.unwrap();
    for (n, to) in nowhere.iter().enumerate() {
        let id = MessageId(booking(n as u64));
        let headers = row.headers.as_object().unwrap().clone();
        tx.send(OutboxRow::new(to.clone(), id, 0, headers, row.body.clone()));
    }
    tx.commit().await.unwrap();
    let observer = service.prefix.connect().await;
    for _each in &nowhere {
        let kept = observer.wait_for(&routing.unroutable_queue()).await;
        assert_eq!(kept.data, row.body);
    }
    outbox_is_empty(messaging.pool()).await;
    service.stop().await;
}

/// A row that is committed late has an older place than its neighbours; a relay that remembers
/// where it was would never come back to it.
#[tokio::test(flavor = "multi_thread")]
async fn rows_that_are_committed_out_of_order_are_all_published() {
    let service = service().await;
    let messaging = service.messaging().await;
    hear(&messaging, &Script::default()).await;
    let bookings: Vec<Uuid> = (0..400).map(booking).collect();
    let mut writers = tokio::task::JoinSet::new();
    for (writer, part) in bookings.chunks(50).enumerate() {
        let (messaging, part) = (messaging.clone(), part.to_vec());
        let pool = service.pool().await;
        writers.spawn(async move {
            for (n, booking) in part.into_iter().enumerate() {
                let row = messaging.row(message(booking));
                let mut tx = pool.begin().await.unwrap();
                sqlx::query(
                    "insert into outbox
                       (outbox_id, message_id, attempt, exchange, routing_key, headers, body,
                        available_at)
                     values ($1, $2, $3, $4, $5, $6, $7, holdfast_now())",
                )
                .bind(row.outbox_id)
                .bind(row.message_id)
                .bind(row.attempt)
                .bind(row.exchange)
                .bind(row.routing_key)
                .bind(row.headers)
                .bind(row.body)
                .execute(&mut *tx)
                .await
                .unwrap();
                tokio::time::sleep(Duration::from_millis((writer * 7 + n * 3) as u64 % 23)).await;
                tx.commit().await.unwrap();
            }
        });
    }
    while let Some(written) = writers.join_next().await {
        written.unwrap();
    }
    all_took_effect_once(messaging.pool(), &bookings).await;
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cuts_under_load_lose_nothing_and_double_nothing() {
    let service = service().await;
    let (messaging, proxy) = by_broker_proxy(&service).await;
    let script = Script::default();
    hear(&messaging, &script).await;
    let bookings: Vec<Uuid> = (0..3000).map(booking).collect();
    let cutting = tokio::spawn(async move {
        for n in 0..12 {
            tokio::time::sleep(Duration::from_millis(100 + n * 20)).await;
            proxy.cut();
        }
        proxy
    });
    for part in bookings.chunks(20) {
        say(&messaging, part).await;
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let _proxy = cutting.await.unwrap();
    all_took_effect_once(messaging.pool(), &bookings).await;
    service.stop().await;
}

/// The broker ends the connection while a delivery is handled: its acknowledgement is for a
/// delivery that is not ours any more.
#[tokio::test(flavor = "multi_thread")]
async fn an_acknowledgement_of_a_delivery_from_before_a_cut_counts_for_nothing() {
    let service = service().await;
    let messaging = service.messaging().await;
    let script = Script::default();
    let held = booking(1);
    script.set(held, Act::Hold(Box::new(Act::Take)));
    hear(&messaging, &script).await;
    say(&messaging, &[held]).await;
    script.held.notified().await;
    // The management interface learns of connections late.
    testkit::until("a connection to close", || async {
        (service.prefix.cut_connections("counter hear").await > 0).then_some(())
    })
    .await;
    script.let_go.notify_one();
    all_took_effect_once(messaging.pool(), &[held]).await;
    let after = booking(2);
    testkit::until("a new connection", || async {
        let states = messaging.ready().await;
        states.into_iter().all(|(_, state)| state.is_ok()).then_some(())
    })
    .await;
    say(&messaging, &[after]).await;
    all_took_effect_once(messaging.pool(), &[after, held]).await;
    let observer = service.prefix.connect().await;
    let queue = service.prefix.routing().queue(ROLE);
    service.stop().await;
    assert_eq!(
        observer.depth(&queue).await,
        Some(0),
        "the redelivered one is acknowledged as a repeat"
    );
    assert_eq!(script.attempts_of(held), [0], "and was not handled");
}

/// The transaction is in, and nobody heard so: it is run again, and the inbox says that it took
/// effect.
#[tokio::test(flavor = "multi_thread")]
async fn a_commit_whose_answer_is_lost_is_not_done_twice() {
    let service = service().await;
    let (messaging, proxy) = by_database_proxy(&service).await;
    let script = Script::default();
    let lost = booking(1);
    script.set(lost, Act::Hold(Box::new(Act::Take)));
    hear(&messaging, &script).await;
    say(&messaging, &[lost]).await;
    script.held.notified().await;
    proxy.lose_answer_to(|sent| sent.windows(6).any(|part| part == b"COMMIT"));
    script.let_go.notify_one();
    all_took_effect_once(messaging.pool(), &[lost]).await;
    testkit::until("a lost answer", || async { (proxy.answers_lost() == 1).then_some(()) }).await;
    let observer = service.prefix.connect().await;
    let queue = service.prefix.routing().queue(ROLE);
    service.stop().await;
    assert_eq!(observer.depth(&queue).await, Some(0));
    assert_eq!(script.attempts_of(lost), [0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_away_for_a_while_loses_nothing() {
    let service = service().await;
    let (messaging, proxy) = by_database_proxy(&service).await;
    let script = Script::default();
    let held = booking(0);
    script.set(held, Act::Hold(Box::new(Act::Take)));
    hear(&messaging, &script).await;
    say(&messaging, &[held]).await;
    script.held.notified().await;
    proxy.down();
    script.let_go.notify_one();
    // Messages come in meanwhile: said by somebody whose database is well.
    let speaker = testkit::process();
    let other =
        Messaging::start(service.messaging_config(), service.pool().await, &speaker).await.unwrap();
    let mut bookings: Vec<Uuid> = (1..500).map(booking).collect();
    say(&other, &bookings).await;
    outbox_is_empty(&service.pool().await).await;
    let observer = service.prefix.connect().await;
    let queue = service.prefix.routing().queue(ROLE);
    tokio::time::sleep(Duration::from_millis(500)).await;
    let ready = observer.depth(&queue).await.unwrap();
    assert!(ready > 200, "it stopped taking: {ready} wait at the broker");
    assert_eq!(script.attempts_of(held), [0], "and does not spin");
    proxy.up();
    bookings.push(held);
    all_took_effect_once(&service.pool().await, &bookings).await;
    service.stop().await;
    speaker.stop(Duration::from_secs(10)).await.unwrap();
    assert_eq!(observer.depth(&queue).await, Some(0));
    let retried: i64 =
        sqlx::query_scalar("select count(*) from inbox where state <> 'done' or attempt > 0")
            .fetch_one(&service.pool().await)
            .await
            .unwrap();
    assert_eq!(retried, 0, "no retry was scheduled for a database's sake");
}

/// After the policy's time the consumer gives back what it holds, so that another instance may have
/// it; and it comes back when its database does.
#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_away_for_too_long_frees_the_deliveries() {
    let mut service = service().await;
    service.policy.messaging.database_down_for_max = Duration::from_millis(300);
    let (messaging, proxy) = by_database_proxy(&service).await;
    let script = Script::default();
    let held = booking(0);
    script.set(held, Act::Hold(Box::new(Act::Take)));
    hear(&messaging, &script).await;
    say(&messaging, &[held]).await;
    script.held.notified().await;
    proxy.down();
    script.let_go.notify_one();
    let observer = service.prefix.connect().await;
    let queue = service.prefix.routing().queue(ROLE);
    testkit::until("the delivery at the broker", || async {
        (observer.depth(&queue).await == Some(1)).then_some(())
    })
    .await;
    proxy.up();
    all_took_effect_once(&service.pool().await, &[held]).await;
    service.stop().await;
}

/// The way to the broker swallows everything: nobody says no, nobody says yes.
#[tokio::test(flavor = "multi_thread")]
async fn a_confirmation_that_never_comes_leaves_the_row_to_be_sent_again() {
    never_confirmed(Proxy::swallow).await;
}

/// The broker gets everything, and its confirmations are lost: it is all sent twice, and taken once.
#[tokio::test(flavor = "multi_thread")]
async fn what_arrived_and_was_never_confirmed_is_sent_again_and_takes_effect_once() {
    never_confirmed(Proxy::one_way).await;
}

async fn never_confirmed(fails: impl FnOnce(&Proxy)) {
    let service = service().await;
    let (messaging, proxy) = by_broker_proxy(&service).await;
    hear(&messaging, &Script::default()).await;
    fails(&proxy);
    let bookings: Vec<Uuid> = (0..50).map(booking).collect();
    let begun = Instant::now();
    say(&messaging, &bookings).await;
    assert!(
        begun.elapsed() < Duration::from_secs(8),
        "who says something does not wait for the broker"
    );
    testkit::until("the sweep's lease", || async {
        let leased: i64 = sqlx::query_scalar(
            "select count(*) from outbox where available_at > created_at + interval '5 seconds'",
        )
        .fetch_one(messaging.pool())
        .await
        .unwrap();
        (leased == 50).then_some(())
    })
    .await;
    // Longer than any confirmation is waited for: by then everything has been given up once.
    tokio::time::sleep_until((begun + Duration::from_secs(11)).into()).await;
    assert_eq!(outbox(messaging.pool()).await, 50, "nothing was confirmed, so everything is there");
    proxy.up();
    proxy.cut();
    service.database.offset_clock(chrono::TimeDelta::minutes(1)).await;
    all_took_effect_once(messaging.pool(), &bookings).await;
    service.stop().await;
}

/// A broker that is not there yet is no reason not to begin.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_said_before_the_broker_is_there_goes_out_when_it_is() {
    let service = service().await;
    let proxy = Proxy::to(&testkit::broker::server()).await;
    proxy.down();
    let mut config = service.messaging_config();
    config.amqp_url = testkit::broker::url_by(proxy.address());
    let messaging = Messaging::start(config, service.pool().await, &service.process).await.unwrap();
    messaging
        .consume(crate::counter::heard(), crate::counter::Counter { script: Script::default() });
    let bookings: Vec<Uuid> = (0..20).map(booking).collect();
    say(&messaging, &bookings).await;
    assert!(
        messaging.ready().await.iter().any(|(_, state)| state.is_err()),
        "and says that it is not ready"
    );
    // Heard by a queue that exists already, so that the events have a listener.
    let other = testkit::process();
    let listener =
        Messaging::start(service.messaging_config(), service.pool().await, &other).await.unwrap();
    hear(&listener, &Script::default()).await;
    proxy.up();
    all_took_effect_once(messaging.pool(), &bookings).await;
    service.stop().await;
    other.stop(Duration::from_secs(10)).await.unwrap();
}

/// What was taken is finished, what was said is sent, and the next process has the rest.
#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_stops_finishes_what_it_took() {
    let service = service().await;
    let messaging = service.messaging().await;
    let script = Script::default();
    hear(&messaging, &script).await;
    let bookings: Vec<Uuid> = (0..2000).map(booking).collect();
    say(&messaging, &bookings).await;
    testkit::until("the first effects", || async {
        (!script.seen.lock().unwrap().is_empty()).then_some(())
    })
    .await;
    service.stop().await;
    let pool = service.pool().await;
    let taken: std::collections::BTreeSet<Uuid> =
        script.seen.lock().unwrap().iter().map(|(booking, _)| *booking).collect();
    let done = effects(&pool).await;
    assert!(
        taken.iter().all(|booking| done.get(booking) == Some(&1)),
        "what was taken is finished"
    );
    assert!(taken.len() < bookings.len(), "it stopped in the middle");
    let process = testkit::process();
    let next = Messaging::start(service.messaging_config(), pool.clone(), &process).await.unwrap();
    hear(&next, &Script::default()).await;
    all_took_effect_once(&pool, &bookings).await;
    process.stop(Duration::from_secs(20)).await.unwrap();
}

/// A retry goes to the one who failed, not to everybody who hears the event.
#[tokio::test(flavor = "multi_thread")]
async fn a_retry_comes_to_the_consumer_that_failed_and_to_no_other() {
    let mut service = service().await;
    service.policy.messaging.retry_first = Duration::from_millis(20);
    let messaging = service.messaging().await;
    let script = Script::default();
    let failing = booking(1);
    script.set(failing, Act::FailTimes(2, retry("told to")));
    hear(&messaging, &script).await;
    let observer = service.prefix.connect().await;
    let other = format!("{}other", service.prefix.as_str());
    let options = lapin::options::QueueDeclareOptions { durable: true, ..Default::default() };
    observer
        .channel
        .queue_declare(other.as_str().into(), options, Default::default())
        .await
        .unwrap();
    observer
        .channel
        .queue_bind(
            other.as_str().into(),
            service.prefix.routing().events().into(),
            BookingFailed::TYPE.into(),
            Default::default(),
            Default::default(),
        )
        .await
        .unwrap();
    say(&messaging, &[failing]).await;
    all_took_effect_once(messaging.pool(), &[failing]).await;
    assert_eq!(script.attempts_of(failing), [0, 1, 2]);
    let first = observer.wait_for(&other).await;
    let headers = first.properties.headers().clone().unwrap();
    assert_eq!(headers.inner()[header::ATTEMPT], lapin::types::AMQPValue::LongLongInt(0));
    assert!(observer.take(&other).await.is_none(), "the others heard it once");
    service.stop().await;
}

/// A plan that is kept is that of the tables as they were when it was made.
#[tokio::test(flavor = "multi_thread")]
async fn plans_are_kept_or_made_each_time_as_a_service_wants_them() {
    let service = service().await;
    let plan = async |planning| {
        let url = service.database.service_url();
        let config = DatabaseConfig { planning, ..DatabaseConfig::new(url, 1, "test") };
        let pool = messaging::connect(&config).await.unwrap();
        let mut connection = pool.acquire().await.unwrap();
        let prepare = "prepare asked (text) as select state from inbox where consumer = $1";
        sqlx::raw_sql(prepare).execute(&mut *connection).await.unwrap();
        // PostgreSQL itself keeps the plan of the sixth execution.
        for _ in 0..6 {
            sqlx::raw_sql("execute asked ('rewards')").execute(&mut *connection).await.unwrap();
        }
        let told: Vec<String> = sqlx::query_scalar("explain execute asked ('rewards')")
            .persistent(false)
            .fetch_all(&mut *connection)
            .await
            .unwrap();
        told.join("\n")
    };
    let (once, each_time) = (plan(Planning::Once).await, plan(Planning::EachTime).await);
    assert!(once.contains("$1") && !once.contains("Seq Scan"), "{once}");
    assert!(each_time.contains("'rewards'"), "{each_time}");
    service.stop().await;
}
