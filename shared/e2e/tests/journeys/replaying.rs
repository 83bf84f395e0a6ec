//! Many letters are sent again while whoever has a part in it dies: the console, the browser that
//! asked for it, the broker.

use contracts::{
    envelope::header,
    ids::{AccountId, BookingId},
    message::Message as _,
    messages::BookingConfirmed,
    money::{Currency, Money},
};
use e2e::{
    Options, Profile, Stack,
    broker::{Broker, Letter},
    checkout::{Checkout, Infra},
    chromium,
    console::Console,
};
use serde_json::{Value, json};
use sqlx::{Connection as _, PgConnection};
use testkit::BrokerNode;
use uuid::Uuid;

use crate::stage::{self, until};

const LETTERS: u64 = 120;

/// Row: G5
#[tokio::test(flavor = "multi_thread")]
async fn a_console_that_is_killed_in_the_middle_of_a_replay_sends_each_letter_once() {
    let stack = stage::fast("console_killed").await;
    let staff = Console::of(&stack, "support_operator");
    parked(&stack, &staff, LETTERS).await;

    let run = staff.replay_many("exhausted", "rewards was mended").await.unwrap();
    let mut sent = 0;
    for _ in 0..2 {
        let told = until("more of them sent", async || {
            let told = staff.run(&run).await.unwrap();
            (LETTERS - told["left"].as_u64().unwrap() > sent).then_some(told)
        })
        .await;
        stack.kill("support-console");
        assert_eq!(told["state"], "running", "it is in the middle: {told}");
        sent = LETTERS - told["left"].as_u64().unwrap();
        stack.restart("support-console").await.unwrap();
    }
    let told = until("all of them known", async || {
        let told = staff.run(&run).await.unwrap();
        (told["state"] != "running").then_some(told)
    })
    .await;
    let figures = ["succeeded", "failed", "refused"].map(|name| told[name].as_u64().unwrap());
    assert_eq!((&told["state"], figures), (&Value::from("done"), [LETTERS, 0, 0]), "{told}");
    each_took_effect_once(&stack, LETTERS).await;
    stack.stop().await.unwrap();
}

/// Letters that outlast a browser, a broker that comes back and a person who asks again.
const MANY: u64 = 400;

/// Row: G5
#[tokio::test(flavor = "multi_thread")]
async fn a_browser_and_a_broker_that_die_in_the_middle_of_a_replay_lose_and_double_nothing() {
    let mut node = tokio::task::spawn_blocking(BrokerNode::start).await.unwrap();
    let infra = Infra {
        amqp: format!("amqp://guest:guest@{}/%2f", node.address()),
        rabbitmq_api: None,
        ..Checkout::find().infra().unwrap()
    };
    let options =
        Options { profile: Profile::Demo, infra: Some(infra), ..Options::test("browser_killed") };
    let stack = Stack::start(options).await.unwrap();
    let staff = Console::of(&stack, "support_operator");
    let letters = parked(&stack, &staff, MANY).await;
    let sign_in = stack.staff().await.unwrap();
    let task = json!({
        "console": stack.url("support-console"),
        "operator": sign_in["support_operator"],
        "group": letters[0]["letter_cause_id"],
    });

    // The browser dies with the form under way; whoever sat before it asks for the same again.
    let person = tokio::spawn(async move { chromium::run("killed.cjs", &task).await });
    until("some of them sent", async || (sent(&staff).await > 5).then_some(())).await;
    tokio::task::block_in_place(|| node.kill());
    let said = person.await.unwrap().unwrap();
    assert!(said.contains("asked again"), "{said}");
    let before = sent(&staff).await;
    assert!(before < MANY, "{before} were sent: it is over");
    tokio::task::block_in_place(|| node.restart());
    let runs = until("both runs over", async || {
        let runs = staff.get("/v1/replays").await.unwrap().json().as_array().cloned().unwrap();
        runs.iter().all(|run| run["state"] != "running").then_some(runs)
    })
    .await;
    assert_eq!(runs.len(), 2, "{runs:?}");
    let sum = |name: &str| runs.iter().filter_map(|run| run[name].as_u64()).sum::<u64>();
    assert_eq!((sum("succeeded"), sum("failed"), sum("left")), (MANY, 0, 0), "{runs:?}");
    each_took_effect_once(&stack, MANY).await;
    stack.stop().await.unwrap();
}

/// Letters of the runs that were sent.
async fn sent(staff: &Console) -> u64 {
    let runs = staff.get("/v1/replays").await.unwrap().json();
    let counts = ["pending", "succeeded", "failed"];
    let each = runs.as_array().unwrap().iter();
    each.flat_map(|run| counts.map(|name| run[name].as_u64().unwrap_or(0))).sum()
}

/// So many letters of as many bookings wait, all of one cause.
async fn parked(stack: &Stack, staff: &Console, count: u64) -> Vec<Value> {
    let broker = Broker::of(stack).await.unwrap();
    for _ in 0..count {
        let letter = given_up(Uuid::now_v7());
        broker.put(&broker.routing().dead_queue("rewards"), &letter).await.unwrap();
    }
    until("all of them parked", async || {
        let rows = "select 1 from dead_letter";
        (self::count(stack, "support-console", rows).await == count).then_some(())
    })
    .await;
    staff.list("?consumer=rewards&limit=200").await.unwrap()
}

/// What each asked for was done, and done once.
async fn each_took_effect_once(stack: &Stack, letters: u64) {
    let replayed = "select dead_letter_id from letter_event
                     where event = 'replayed' group by 1 having count(*) = 1";
    assert_eq!(count(stack, "support-console", replayed).await, letters);
    let replays = "select 1 from letter_event where event = 'replayed'";
    assert_eq!(count(stack, "support-console", replays).await, letters);
    let earned = "select booking_id from account_event group by 1 having count(*) = 1";
    assert_eq!(count(stack, "rewards", earned).await, letters);
    assert_eq!(count(stack, "rewards", "select 1 from account_event").await, letters);
}

/// News of a confirmed booking that rewards tried too often.
fn given_up(booking: Uuid) -> Letter {
    let at = "2026-01-01T00:00:00Z".parse().unwrap();
    let message = BookingConfirmed {
        booking_id: BookingId(booking),
        account_id: AccountId::parse(&format!("acct-{}", booking.simple())).unwrap(),
        version: 9,
        at,
        legs: Vec::new(),
        paid: Money::new(10_000, Currency::Eur),
        // Long to go, so that each earns and nothing more happens to it.
        over_at: "2100-01-01T00:00:00Z".parse().unwrap(),
    };
    let (id, subject) = (Uuid::now_v7().to_string(), booking.to_string());
    let headers = [
        (header::SPEC, "1.0"),
        (header::ID, &id),
        (header::TYPE, BookingConfirmed::TYPE),
        (header::SOURCE, "booking"),
        (header::SUBJECT, &subject),
        (header::TIME, "2026-01-01T00:00:00Z"),
        (header::CONSUMER, "rewards"),
        (header::CAUSE, "exhausted"),
    ];
    Letter::with_headers(&serde_json::to_vec(&message).unwrap(), &headers)
}

async fn count(stack: &Stack, service: &str, rows: &'static str) -> u64 {
    let mut conn = PgConnection::connect(&stack.database_url(service)).await.unwrap();
    sqlx::query(rows).fetch_all(&mut conn).await.unwrap().len() as u64
}
