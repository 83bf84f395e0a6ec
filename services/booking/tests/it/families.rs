//! Each step of the saga against the real database: the process dies at every point of it, the
//! first time and the second; everything is said twice; it fails there, and its undo is said twice.

use std::collections::{BTreeMap, BTreeSet};

use booking::{App, quote::Quote};
use chrono::TimeDelta;
use contracts::{
    message::Message,
    messages::{
        BookingCancelled, BookingConfirmed, BookingFailed, Closing, GoneWhy, LegState, LegWanted,
        PaymentClose, PaymentPrepare, PaymentRefund, RefundState, RefusedWhy,
    },
};
use serde_json::json;
use testkit::{Doomed, Point, broker::Broker, until};
use uuid::Uuid;

use crate::{
    messages::dump,
    neighbour::{Neighbour, reaches, units},
    world::World,
};

const TO: &str = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed";

/// What a booking hears next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Prepared,
    Held,
    Seen,
    /// The money is final.
    Paid,
    Bought,
    /// The supplier says no, held or not.
    Refused,
    /// The hold ran out.
    Lapsed,
    /// The customer cancels.
    Cancelled,
    Released,
    /// Whether money came, asked because the booking is undone.
    Closed,
    ClosedUnpaid,
    RefundConfirmed,
}

use Step::{
    Bought, Cancelled, Closed, ClosedUnpaid, Held, Lapsed, Paid, Prepared, RefundConfirmed,
    Refused, Released, Seen,
};

/// Bought, and then cancelled: every step that has an undo.
const THERE_AND_BACK: [Step; 9] =
    [Prepared, Held, Seen, Paid, Bought, Cancelled, Released, Closed, RefundConfirmed];
/// Refused after the money came.
const REFUSED_AT_LAST: [Step; 6] = [Prepared, Held, Paid, Refused, Closed, RefundConfirmed];

/// One booking of a world, and where it is.
struct Journey<'a> {
    neighbour: Neighbour<'a>,
    quote: Quote,
    /// The newest version of its leg at supplier-sync.
    leg_seq: u64,
    refund_seq: u64,
}

impl<'a> Journey<'a> {
    async fn of(world: &'a World) -> Self {
        let quote = world.quote("acct_1", TimeDelta::minutes(10)).await;
        let mut body = crate::world::body(&quote);
        body["refund_to"] = json!(TO);
        let answer = world.book("acct_1", &quote.quote_id.to_string(), &body).await;
        assert_eq!(answer.status, 202, "{answer:?}");
        let booking_id: Uuid = answer.json()["booking_id"].as_str().unwrap().parse().unwrap();
        let neighbour = Neighbour::of(world, booking_id).await;
        Self { neighbour, quote, leg_seq: 0, refund_seq: 5 }
    }

    fn id(&self) -> Uuid {
        self.neighbour.booking_id.0
    }

    /// Says what comes next.
    async fn say(&mut self, step: Step) {
        let reference = || "R1".to_owned();
        let leg = match step {
            Prepared => return self.neighbour.prepared().await,
            Seen => return self.neighbour.seen().await,
            Paid => return self.neighbour.paid().await,
            Closed => {
                let closing = Closing::AlreadySettled { settled: units() };
                return self.neighbour.closed(closing).await;
            }
            ClosedUnpaid => {
                let none = contracts::asset::Units::ZERO;
                return self
                    .neighbour
                    .closed(Closing::Closed { received: none, settled: none })
                    .await;
            }
            RefundConfirmed => {
                self.refund_seq += 1;
                return self.neighbour.refund(self.refund_seq, RefundState::Confirmed).await;
            }
            Cancelled => {
                let path = format!("/v1/bookings/{}/cancellation", self.id());
                let world = self.neighbour.world;
                let quote = world.post("acct_1", &format!("{path}?quote=true"), &json!({})).await;
                let agreed = json!({"quote": quote.json()["quote"]});
                let answer = world.post("acct_1", &path, &agreed).await;
                assert_eq!(answer.status, 202, "{answer:?}");
                return;
            }
            Held => LegState::Held { reference: reference(), until: None },
            Bought => LegState::Confirmed { reference: reference() },
            Refused => LegState::Refused { why: RefusedWhy::SoldOut },
            Lapsed => LegState::Gone { why: GoneWhy::Lapsed },
            Released => LegState::Gone { why: GoneWhy::Released },
        };
        self.leg_seq += 1;
        self.neighbour.leg(&self.quote, self.leg_seq, leg).await;
    }

    /// Waits until all that was said to it took effect or was a repeat.
    async fn is_heard(&self) {
        let said: Vec<Uuid> = self.neighbour.said.iter().map(|said| said.id().0).collect();
        let count = i64::try_from(said.len()).unwrap();
        until("what was said to be heard", || async {
            let sql = "select count(*) from inbox where message_id = any($1) and state = 'done'";
            let heard: i64 = sqlx::query_scalar(sql)
                .bind(&said)
                .fetch_one(&self.neighbour.world.pool)
                .await
                .unwrap();
            (heard == count).then_some(())
        })
        .await;
    }

    /// What happened to it, by its journal.
    async fn journal(&self) -> Vec<String> {
        let sql = "select kind from booking_event where booking_id = $1 order by version";
        let pool = &self.neighbour.world.pool;
        sqlx::query_scalar(sql).bind(self.id()).fetch_all(pool).await.unwrap()
    }

    /// Its row is what its journal makes of it.
    async fn is_whole(&self) {
        let mut conn = self.neighbour.world.pool.acquire().await.unwrap();
        assert!(booking::store::rebuild(&mut conn, self.id()).await.unwrap());
    }
}

/// Everything that booking says to others.
struct Ear {
    broker: Broker,
    queues: Vec<(&'static str, String)>,
    heard: BTreeMap<&'static str, BTreeSet<String>>,
}

impl Ear {
    async fn of(world: &World) -> Self {
        async fn one<M: Message>(broker: &Broker, world: &World) -> (&'static str, String) {
            (M::TYPE, broker.overhear::<M>(&world.service.prefix).await)
        }
        let broker = world.service.prefix.connect().await;
        let queues = vec![
            one::<LegWanted>(&broker, world).await,
            one::<PaymentPrepare>(&broker, world).await,
            one::<PaymentClose>(&broker, world).await,
            one::<PaymentRefund>(&broker, world).await,
            one::<BookingConfirmed>(&broker, world).await,
            one::<BookingFailed>(&broker, world).await,
            one::<BookingCancelled>(&broker, world).await,
        ];
        Self { broker, queues, heard: BTreeMap::new() }
    }

    /// How many messages of each type there were, each counted once however often it came.
    async fn counts(&mut self, world: &World) -> BTreeMap<&'static str, usize> {
        // What a process left behind that died before it could publish it is swept.
        until("the outbox to be empty", || async {
            (world.count("outbox").await == 0).then_some(())
        })
        .await;
        for (kind, queue) in &self.queues {
            while let Some(message) = self.broker.take(queue).await {
                let headers = message.properties.headers().as_ref().unwrap().inner();
                let id = headers["cloudEvents:id"].as_long_string().unwrap();
                let id = String::from_utf8(id.as_bytes().to_vec()).unwrap();
                self.heard.entry(kind).or_default().insert(id);
            }
        }
        self.heard.iter().map(|(kind, ids)| (*kind, ids.len())).collect()
    }
}

/// A process that hears; if told so, it dies at a point of the next message.
async fn start(world: &World, point: Option<Point>) -> Doomed {
    let doomed = Doomed::new().await;
    let config = world.config_by(&doomed.to_database, &doomed.to_broker);
    let connecting = async move { App::connect(&config, &testkit::process()).await.unwrap() };
    let app = doomed.does(connecting).await;
    if let Some(point) = point {
        doomed.dies_at(point);
    }
    let hears = app.clone();
    doomed.does(async move { hears.hear() }).await;
    if point.is_none() {
        app.listening().await;
    }
    doomed
}

/// What is the same however often processes die: the journal, and how much was said of what.
async fn without_deaths(steps: &[Step]) -> (Vec<String>, BTreeMap<&'static str, usize>) {
    let world = World::new().await;
    let mut ear = Ear::of(&world).await;
    world.app.hear();
    world.app.listening().await;
    let mut journey = Journey::of(&world).await;
    for step in steps {
        journey.say(*step).await;
        journey.is_heard().await;
    }
    (journey.journal().await, ear.counts(&world).await)
}

async fn dies_twice_at_every_step(steps: &[Step], point: Point, end: &str) {
    let (journal, said) = without_deaths(steps).await;
    let world = World::new().await;
    let mut ear = Ear::of(&world).await;
    let mut process = start(&world, None).await;
    let mut journey = Journey::of(&world).await;
    for step in steps {
        if *step != Cancelled {
            process.dies_at(point);
        }
        journey.say(*step).await;
        if *step != Cancelled {
            process.dies().await;
            start(&world, Some(point)).await.dies().await;
            process = start(&world, None).await;
        }
        journey.is_heard().await;
    }
    reaches(&world, journey.id(), end).await;
    assert_eq!(journey.journal().await, journal, "{point:?}");
    assert_eq!(ear.counts(&world).await, said, "{point:?}");
    journey.is_whole().await;
}

/// Row: A4
/// Row: A5
#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_dies_twice_before_each_commit_changes_nothing() {
    Box::pin(dies_twice_at_every_step(&THERE_AND_BACK, Point::BeforeCommit, "cancelled")).await;
}

/// Row: A4
/// Row: A5
#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_dies_twice_after_each_commit_changes_nothing() {
    Box::pin(dies_twice_at_every_step(&THERE_AND_BACK, Point::AfterCommit, "cancelled")).await;
}

/// Row: A4
#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_dies_twice_before_each_acknowledgement_changes_nothing() {
    Box::pin(dies_twice_at_every_step(&REFUSED_AT_LAST, Point::BeforeAck, "failed")).await;
}

/// Wherever it fails, all of it is undone, once, although each undo is told twice.
///
/// Row: A4
#[tokio::test(flavor = "multi_thread")]
async fn a_booking_that_fails_at_any_step_is_undone_once_although_all_is_said_twice() {
    let world = World::new().await;
    world.app.hear();
    world.app.listening().await;
    for (steps, end) in [
        (&[Refused, ClosedUnpaid][..], "failed"),
        (&[Prepared, Refused, ClosedUnpaid], "failed"),
        (&[Held, Refused, ClosedUnpaid], "failed"),
        (&[Prepared, Held, Lapsed, ClosedUnpaid], "failed"),
        (&[Held, Cancelled, Released, ClosedUnpaid], "cancelled"),
        (&[Prepared, Held, Cancelled, Released, ClosedUnpaid], "cancelled"),
        (&REFUSED_AT_LAST, "failed"),
        (&[Prepared, Held, Paid, Lapsed, Closed, RefundConfirmed], "failed"),
        (&THERE_AND_BACK, "cancelled"),
    ] {
        let mut once = Journey::of(&world).await;
        let mut twice = Journey::of(&world).await;
        for step in steps {
            once.say(*step).await;
            once.is_heard().await;
            twice.say(*step).await;
            twice.is_heard().await;
            if *step != Cancelled {
                // The same again, in a message of its own.
                twice.leg_seq -=
                    u64::from(matches!(step, Held | Bought | Refused | Lapsed | Released));
                twice.refund_seq -= u64::from(*step == RefundConfirmed);
                twice.say(*step).await;
                twice.is_heard().await;
            }
        }
        reaches(&world, twice.id(), end).await;
        assert_eq!(twice.journal().await, once.journal().await, "{steps:?}");
        let undone = twice.journal().await;
        let undo = undone.iter().filter(|kind| *kind == "unwind_started").count();
        assert_eq!(undo, 1, "{undone:?}");
        twice.is_whole().await;
        let before = dump(&world).await;
        // And all of it once more, backwards, as it was said at first.
        let mut again = twice.neighbour.said.clone();
        again.reverse();
        twice.neighbour.send(again).await;
        twice.say(ClosedUnpaid).await;
        twice.is_heard().await;
        assert_eq!(dump(&world).await, before, "{steps:?}");
    }
}
