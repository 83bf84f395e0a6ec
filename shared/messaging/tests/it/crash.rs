//! What is left when the process is killed: a child of the test, killed for real.

use std::{
    process::{Child, Command, Stdio},
    time::Duration,
};

use messaging::{DatabaseConfig, Messaging, MessagingConfig};
use secrecy::{ExposeSecret as _, SecretString};
use testkit::TestService;
use uuid::Uuid;

use crate::counter::{
    Act, Counter, ROLE, Script, all_took_effect_once, booking, effects, hear, heard, message,
    outbox, service,
};

/// What the child is told, in its environment.
const JOB: &str = "HOLDFAST_TEST_CHILD_JOB";
const DATABASE: &str = "HOLDFAST_TEST_CHILD_DATABASE";
const BROKER: &str = "HOLDFAST_TEST_CHILD_BROKER";
const PREFIX: &str = "HOLDFAST_TEST_CHILD_PREFIX";
const POISON: &str = "HOLDFAST_TEST_CHILD_POISON";

/// Not a test of its own: the program of the children. Without a job it has nothing to do.
#[tokio::test(flavor = "multi_thread")]
async fn child() {
    let Ok(job) = std::env::var(JOB) else { return };
    let variable = |name: &str| std::env::var(name).unwrap();
    let url: SecretString = variable(DATABASE).into();
    let pool = messaging::connect(&DatabaseConfig::new(url, 10, "child")).await.unwrap();
    let config = MessagingConfig {
        service: ROLE,
        amqp_url: variable(BROKER).into(),
        prefix: variable(PREFIX),
        prefetch: 200,
        policy: contracts::policy::Policy::parse(contracts::policy::DEFAULT).unwrap().messaging,
    };
    let process = testkit::process();
    let messaging = Messaging::start(config, pool, &process).await.unwrap();
    match job.as_str() {
        "commit and die" => {
            let mut uncommitted = messaging.begin().await.unwrap();
            uncommitted.say(message(booking(0)));
            write_said(&mut uncommitted, booking(0)).await;
            let mut tx = messaging.begin().await.unwrap();
            for n in 1..101 {
                let booking = booking(n);
                tx.say(message(booking));
                write_said(&mut tx, booking).await;
            }
            tx.commit().await.unwrap();
            std::process::abort();
        }
        "say until killed" => {
            for n in 0.. {
                let mut tx = messaging.begin().await.unwrap();
                for m in 0..3 {
                    let booking = booking(n * 3 + m);
                    tx.say(message(booking));
                    write_said(&mut tx, booking).await;
                }
                tx.commit().await.unwrap();
            }
        }
        "hear" => {
            let script = Script::default();
            if let Ok(poison) = std::env::var(POISON) {
                script.set(poison.parse().unwrap(), Act::Abort);
            }
            messaging.consume(heard(), Counter { script });
            std::future::pending::<()>().await;
        }
        other => panic!("no job is called {other}"),
    }
}

/// Beside the message, in its transaction: what a booking would be.
async fn write_said(tx: &mut messaging::Tx, booking: Uuid) {
    sqlx::query("insert into effect (booking_id, what) values ($1, 'said')")
        .bind(booking)
        .execute(tx.conn())
        .await
        .unwrap();
}

fn spawn(service: &TestService, job: &str, broker: &SecretString, poison: Option<Uuid>) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", "crash::child", "--nocapture"])
        .env(JOB, job)
        .env(DATABASE, service.database.service_url().expose_secret())
        .env(BROKER, broker.expose_secret())
        .env(PREFIX, service.prefix.as_str())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    if let Some(poison) = poison {
        command.env(POISON, poison.to_string());
    }
    command.spawn().unwrap()
}

/// What the children said, as their own rows have it.
async fn said(service: &TestService) -> Vec<Uuid> {
    sqlx::query_scalar("delete from effect where what = 'said' returning booking_id")
        .fetch_all(&mut service.database.admin().await)
        .await
        .unwrap()
}

/// Row: F1
#[tokio::test(flavor = "multi_thread")]
async fn what_was_committed_before_a_kill_is_published_and_nothing_else() {
    let service = service().await;
    // Nobody listens there, so nothing can be published before the end.
    let nowhere: SecretString = "amqp://127.0.0.1:1/%2f".to_owned().into();
    let mut child = spawn(&service, "commit and die", &nowhere, None);
    assert!(!child.wait().unwrap().success(), "the child was killed");
    let pool = service.pool().await;
    assert_eq!(outbox(&pool).await, 100, "rows of committed messages, and of no other");
    let said = said(&service).await;
    assert_eq!(said.len(), 100);
    let messaging = service.messaging().await;
    hear(&messaging, &Script::default()).await;
    all_took_effect_once(&pool, &said).await;
    assert_eq!(effects(&pool).await.len(), 100);
    service.stop().await;
}

/// Row: F1
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_published_of_a_commit_that_fails_at_last() {
    let service = service().await;
    let messaging = service.messaging().await;
    hear(&messaging, &Script::default()).await;
    let (lost, kept) = (booking(1), booking(2));
    let mut tx = messaging.begin().await.unwrap();
    tx.say(message(lost));
    sqlx::query("insert into effect (booking_id, what) values ($1, 'slow')")
        .bind(lost)
        .execute(tx.conn())
        .await
        .unwrap();
    let committing = tokio::spawn(tx.commit());
    let mut admin = service.database.admin().await;
    for _poll in 0..50 {
        let slow = "select count(*) from pg_stat_activity
                    where datname = current_database() and wait_event = 'PgSleep'";
        let committing: i64 = sqlx::query_scalar(slow).fetch_one(&mut admin).await.unwrap();
        if committing == 1 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    // A message said meanwhile has gone all its way: there was time enough for the other.
    crate::counter::say(&messaging, &[kept]).await;
    testkit::until("the other message's effect", || async {
        effects(messaging.pool()).await.contains_key(&kept).then_some(())
    })
    .await;
    sqlx::query(
        "select pg_terminate_backend(pid) from pg_stat_activity
         where datname = current_database() and wait_event = 'PgSleep'",
    )
    .execute(&mut admin)
    .await
    .unwrap();
    assert!(committing.await.unwrap().is_err(), "the commit failed");
    all_took_effect_once(messaging.pool(), &[kept]).await;
    service.stop().await;
    assert_eq!(effects(&service.pool().await).await.get(&lost), None);
}

/// Row: F1
#[tokio::test(flavor = "multi_thread")]
async fn kills_at_any_instant_lose_no_message_and_publish_none_that_was_not_committed() {
    let service = service().await;
    let listener = testkit::process();
    let messaging = Messaging::start(service.messaging_config(), service.pool().await, &listener)
        .await
        .unwrap();
    hear(&messaging, &Script::default()).await;
    for kill in 0..6 {
        let mut child = spawn(&service, "say until killed", &service.prefix.amqp_url(), None);
        testkit::until("something said", || async {
            let said: i64 = sqlx::query_scalar("select count(*) from effect where what = 'said'")
                .fetch_one(messaging.pool())
                .await
                .unwrap();
            (said > kill * 60 + 30).then_some(())
        })
        .await;
        tokio::time::sleep(Duration::from_millis(17 * u64::try_from(kill).unwrap())).await;
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let said = said(&service).await;
    assert!(said.len() > 300);
    service.database.offset_clock(chrono::TimeDelta::minutes(1)).await;
    all_took_effect_once(messaging.pool(), &said).await;
    assert_eq!(
        effects(messaging.pool()).await.len(),
        said.len(),
        "nothing took effect that was not committed"
    );
    listener.stop(Duration::from_secs(20)).await.unwrap();
}

/// Row: F4
#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_kills_its_consumer_is_a_dead_letter_and_its_neighbours_are_not() {
    let service = service().await;
    let messaging = service.messaging().await;
    let routing = service.prefix.routing();
    // The queue is there and full before the first consumer lives.
    {
        let process = testkit::process();
        let declaring =
            Messaging::start(service.messaging_config(), service.pool().await, &process)
                .await
                .unwrap();
        hear(&declaring, &Script::default()).await;
        process.stop(Duration::from_secs(10)).await.unwrap();
    }
    let mut bookings: Vec<Uuid> = (0..150).map(booking).collect();
    let poison = bookings[70];
    crate::counter::say(&messaging, &bookings).await;
    bookings.retain(|booking| *booking != poison);
    let observer = service.prefix.connect().await;
    let dead = routing.dead_queue(ROLE);
    let mut kills = 0;
    let letter = 'children: loop {
        let mut child = spawn(&service, "hear", &service.prefix.amqp_url(), Some(poison));
        while child.try_wait().unwrap().is_none() {
            if let Some(letter) = observer.take(&dead).await {
                child.kill().unwrap();
                child.wait().unwrap();
                break 'children letter;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        kills += 1;
        assert!(kills < 10, "it is given up at last");
    };
    assert_eq!(kills, 4, "one first delivery, three marked ones");
    let headers = letter.properties.headers().clone().unwrap();
    let cause = headers.inner()["holdfast-cause"].clone();
    assert_eq!(cause, lapin::types::AMQPValue::LongString("crash".into()));
    let mut child = spawn(&service, "hear", &service.prefix.amqp_url(), None);
    all_took_effect_once(messaging.pool(), &bookings).await;
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(effects(messaging.pool()).await.get(&poison), None);
    // Killed before it had noted the confirmation, a child leaves the dead letter to be sent once
    // more.
    while let Some(again) = observer.take(&dead).await {
        assert_eq!(again.data, letter.data, "no neighbour was given up");
    }
    service.stop().await;
}
