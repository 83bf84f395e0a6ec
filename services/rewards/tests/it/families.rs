//! Each step of an account against the real database: the process dies at every point of it, the
//! first time and the second; everything is said twice, and then all of it again backwards.

use contracts::{
    ids::{AccountId, BookingId},
    messages::{
        BookingFailed, PointsChanged,
        WantedPoints::{Captured, Held, Released},
    },
};
use rewards::App;
use testkit::{Doomed, Point, until};

use crate::house::{House, account, booking, cancelled, confirmed, past, want};

/// What an account hears next of a booking.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Wished,
    Spent,
    /// The stay is booked, and earns.
    Booked,
    Cancelled,
    GivenBack,
    /// It came to nothing.
    Failed,
}

use Step::{Booked, Failed, GivenBack, Spent, Wished};

const THERE_AND_BACK: [Step; 5] = [Wished, Spent, Booked, Step::Cancelled, GivenBack];

/// One booking of one account that has some points.
struct Stay {
    who: AccountId,
    booking_id: BookingId,
}

impl Stay {
    async fn of(house: &House) -> Self {
        let stay = Self { who: account(), booking_id: booking() };
        house.grant(&stay.who, 100).await;
        stay
    }

    async fn say(&self, house: &House, step: Step) {
        let Self { who, booking_id } = self;
        let want = |version, wanted| want(who, *booking_id, (version, wanted), 60);
        match step {
            Wished => house.say(&want(1, Held)).await,
            Spent => house.say(&want(2, Captured)).await,
            GivenBack => house.say(&want(3, Released)).await,
            Booked => house.say(&confirmed(who, *booking_id, 10_000, 3)).await,
            Step::Cancelled => house.say(&cancelled(who, *booking_id)).await,
            Failed => {
                let (booking_id, account_id) = (*booking_id, who.clone());
                house.say(&BookingFailed { booking_id, account_id, version: 6, at: past() }).await;
            }
        }
    }

    /// What happened in the account, and what it has.
    async fn is(&self, house: &House) -> (Vec<String>, [i64; 4]) {
        let sql = "select kind from account_event where account_id = $1 order by version";
        let kinds = sqlx::query_scalar(sql).bind(self.who.as_str());
        let kinds = kinds.fetch_all(&mut house.admin().await).await.unwrap();
        (kinds, house.sums(&self.who).await)
    }
}

/// Waits until so many messages took effect or were repeats.
async fn heard(house: &House, count: i64) {
    until("what was said to be heard", || async {
        let sql = "select count(distinct message_id) from inbox where state = 'done'";
        let heard: i64 = sqlx::query_scalar(sql).fetch_one(&mut house.admin().await).await.unwrap();
        (heard == count).then_some(())
    })
    .await;
}

/// A process that hears; if told so, it dies at a point of the next message.
async fn start(house: &House, point: Option<Point>) -> Doomed {
    let doomed = Doomed::new().await;
    let mut config = house.config();
    config.database_url = house.service.database.service_url_by(doomed.to_database.address());
    config.amqp_url = testkit::broker::url_by(doomed.to_broker.address());
    let connecting = async move { App::connect(&config, &testkit::process()).await.unwrap() };
    let app = doomed.does(connecting).await;
    if let Some(point) = point {
        doomed.dies_at(point);
    }
    let hears = app.clone();
    doomed.does(async move { hears.hear() }).await;
    if point.is_none() {
        app.messaging().listening().await;
    }
    doomed
}

/// How many answers booking got; each is counted once however often it came.
async fn answers(house: &House, queue: &str) -> usize {
    until("everything to be published", || async {
        let sql = "select count(*) from outbox";
        let unsent: i64 =
            sqlx::query_scalar(sql).fetch_one(&mut house.admin().await).await.unwrap();
        (unsent == 0).then_some(())
    })
    .await;
    let mut versions = std::collections::BTreeSet::new();
    while let Some(message) = house.broker.take(queue).await {
        let changed: PointsChanged = serde_json::from_slice(&message.data).unwrap();
        versions.insert((changed.booking_id.0, changed.version, format!("{:?}", changed.state)));
    }
    versions.len()
}

async fn dies_twice_at_every_step(point: Point) {
    let undisturbed = House::open().await;
    let queue = undisturbed.broker.overhear::<PointsChanged>(&undisturbed.service.prefix).await;
    let stay = Stay::of(&undisturbed).await;
    for (count, step) in (1..).zip(THERE_AND_BACK) {
        stay.say(&undisturbed, step).await;
        heard(&undisturbed, count).await;
    }
    let expected = (stay.is(&undisturbed).await, answers(&undisturbed, &queue).await);
    undisturbed.close().await;

    let house = House::deaf().await;
    let queue = house.broker.overhear::<PointsChanged>(&house.service.prefix).await;
    let stay = Stay::of(&house).await;
    let mut process = start(&house, None).await;
    for (count, step) in (1..).zip(THERE_AND_BACK) {
        process.dies_at(point);
        stay.say(&house, step).await;
        process.dies().await;
        start(&house, Some(point)).await.dies().await;
        process = start(&house, None).await;
        heard(&house, count).await;
    }
    assert_eq!((stay.is(&house).await, answers(&house, &queue).await), expected, "{point:?}");
}

/// Row: A4
/// Row: E6
#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_dies_twice_before_each_commit_moves_points_once() {
    Box::pin(dies_twice_at_every_step(Point::BeforeCommit)).await;
}

/// Row: A4
/// Row: E6
#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_dies_twice_after_each_commit_moves_points_once() {
    Box::pin(dies_twice_at_every_step(Point::AfterCommit)).await;
}

/// Row: A4
/// Row: E6
#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_dies_twice_before_each_acknowledgement_moves_points_once() {
    Box::pin(dies_twice_at_every_step(Point::BeforeAck)).await;
}

/// Wherever it ends, all of it is undone, once, although all is said twice.
///
/// Row: A4
/// Row: E6
#[tokio::test(flavor = "multi_thread")]
async fn points_of_what_fails_at_any_step_come_back_once_although_all_is_said_twice() {
    let house = House::open().await;
    for steps in [
        &[Failed][..],
        &[GivenBack],
        &[Wished, GivenBack, Failed],
        &[Wished, Failed, GivenBack],
        &[Wished, Spent, GivenBack, Failed],
        &[Booked, Step::Cancelled],
        &THERE_AND_BACK,
    ] {
        let (once, twice) = (Stay::of(&house).await, Stay::of(&house).await);
        for step in steps {
            once.say(&house, *step).await;
            twice.say(&house, *step).await;
            twice.say(&house, *step).await;
        }
        house.handled().await;
        let (journal, sums) = twice.is(&house).await;
        assert_eq!((journal.clone(), sums), once.is(&house).await, "{steps:?}");
        assert_eq!(sums, [100, 0, 0, 0], "{steps:?}");
        for step in steps.iter().rev() {
            twice.say(&house, *step).await;
        }
        house.handled().await;
        assert_eq!(twice.is(&house).await, (journal, sums), "{steps:?} again, backwards");
    }
    house.close().await;
}
