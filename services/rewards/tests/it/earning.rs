//! Points earned by stays: pending, then available, or taken back.

use chrono::{TimeDelta, Utc};
use contracts::{
    messages::BookingCompleted,
    shown::{ShownPoints, points_key},
};
use testkit::until;

use crate::house::{House, account, booking, cancelled, confirmed, id, past};

/// Row: E1
#[tokio::test]
async fn points_are_pending_at_confirmation_and_available_after_check_out_plus_the_delay() {
    let house = House::open().await;
    let (who, stay) = (account(), booking());
    let message = confirmed(&who, stay, 12_345, 3);

    // A hundred deliveries: the same message again and again, and the same news under other ids.
    let same = id();
    for _ in 0..50 {
        house.say_as(same, &message).await;
        house.say(&message).await;
    }
    house.handled().await;
    assert_eq!(house.sums(&who).await, [0, 370, 0, 0]);
    let earned: i64 =
        sqlx::query_scalar("select count(*) from account_event where account_id = $1")
            .bind(who.as_str())
            .fetch_one(&mut house.admin().await)
            .await
            .unwrap();
    assert_eq!(earned, 1, "one entry for a hundred deliveries");

    let vest_after = TimeDelta::from_std(house.service.policy.rewards.vest_after).unwrap();
    let available_at = message.over_at + vest_after;
    house.go_to(message.over_at + TimeDelta::minutes(1)).await;
    let completed = BookingCompleted {
        booking_id: stay,
        account_id: who.clone(),
        version: 7,
        at: past(),
        taken: None,
    };
    house.say(&completed).await;
    house.handled().await;
    house.go_to(available_at - TimeDelta::minutes(1)).await;
    assert_eq!(house.mature().await, 0, "nothing is due a minute before");
    assert_eq!(house.sums(&who).await, [0, 370, 0, 0]);

    house.go_to(available_at + TimeDelta::minutes(1)).await;
    assert_eq!(house.mature().await, 1);
    assert_eq!(house.sums(&who).await, [370, 0, 0, 0]);
    assert_eq!(house.mature().await, 0, "once");
    let kinds: Vec<String> =
        house.account(&who).await.entries.into_iter().map(|e| e.kind).collect();
    assert_eq!(kinds, ["matured", "earned"]);
    house.close().await;
}

/// Row: E2
#[tokio::test]
async fn a_cancelled_booking_takes_its_points_back_before_and_after_they_were_available() {
    let house = House::open().await;
    let (who, early, late) = (account(), booking(), booking());
    house.say(&confirmed(&who, early, 10_000, 3)).await;
    house.say(&confirmed(&who, late, 20_000, 3)).await;
    house.say(&cancelled(&who, early)).await;
    house.say(&cancelled(&who, early)).await;
    house.handled().await;
    assert_eq!(house.sums(&who).await, [0, 600, 0, 0]);

    house.go_to(Utc::now() + TimeDelta::days(30)).await;
    house.mature().await;
    assert_eq!(house.sums(&who).await, [600, 0, 0, 0]);
    house.say(&cancelled(&who, late)).await;
    house.say(&cancelled(&who, late)).await;
    house.say(&confirmed(&who, late, 20_000, 3)).await;
    house.handled().await;
    assert_eq!(house.sums(&who).await, [0, 0, 0, 0]);
    let books: Vec<(String, i64)> = sqlx::query_as(
        "select book, sum(points)::bigint from posting where account_id = $1
          group by book order by book",
    )
    .bind(who.as_str())
    .fetch_all(&mut house.admin().await)
    .await
    .unwrap();
    assert!(books.iter().all(|(_, points)| *points == 0), "as if never earned: {books:?}");
    house.close().await;
}

/// Row: E1
#[tokio::test]
async fn an_account_that_cannot_be_read_is_put_off_and_holds_up_no_other() {
    is_put_off_and_holds_up_no_other("json_build_object('odd', state)", "state -> 'odd'").await;
}

/// A process of the version before meets what a newer one wrote.
///
/// Row: K1
#[tokio::test]
async fn an_account_of_a_newer_version_is_put_off_and_not_written_back_without_what_is_new() {
    is_put_off_and_holds_up_no_other(
        "(state::jsonb || '{\"surcharge\": 1}')::json",
        "(state::jsonb - 'surcharge')::json",
    )
    .await;
}

/// Makes a row unreadable, as a statement says, and then right again.
async fn is_put_off_and_holds_up_no_other(spoil: &str, mend: &str) {
    let house = House::open().await;
    let logs = &house.service.logs;
    logs.expect("put off");
    let (bad, good) = (account(), account());
    for who in [&bad, &good] {
        house.say(&confirmed(who, booking(), 10_000, 3)).await;
    }
    house.handled().await;
    let statement = |set| format!("update account set state = {set} where account_id = $1");
    let spoil = sqlx::query(sqlx::AssertSqlSafe(statement(spoil))).bind(bad.as_str());
    spoil.execute(&mut house.admin().await).await.unwrap();

    let row = async || {
        let sql = "select state::text from account where account_id = $1";
        let row = sqlx::query_scalar::<_, String>(sql).bind(bad.as_str());
        row.fetch_one(&mut house.admin().await).await.unwrap()
    };
    let spoilt = row().await;

    let later = Utc::now() + TimeDelta::days(30);
    house.go_to(later).await;
    // A turn that was given up may hold the sound one for a moment; then it is done in the next.
    assert!(house.mature().await >= 2);
    assert_eq!(house.sums(&good).await, [300, 0, 0, 0]);
    let told = || logs.errors().iter().filter(|line| line.contains("put off")).count();
    assert_eq!((house.mature().await, told()), (0, 1), "it is told once and left alone");

    assert_eq!(row().await, spoilt, "nobody writes what nobody reads");

    let mend = sqlx::query(sqlx::AssertSqlSafe(statement(mend))).bind(bad.as_str());
    mend.execute(&mut house.admin().await).await.unwrap();
    house.go_to(later + TimeDelta::minutes(61)).await;
    assert_eq!((house.mature().await, told()), (1, 1));
    assert_eq!(house.sums(&bad).await, [300, 0, 0, 0]);
    house.close().await;
}

#[tokio::test]
async fn points_are_shown_to_the_gateway_and_a_lost_redis_changes_nothing() {
    let mut house = House::open().await;
    let who = account();
    house.grant(&who, 100).await;
    let client = redis::Client::open(house.redis.url()).unwrap();
    let mut conn = client.get_multiplexed_async_connection().await.unwrap();
    let key = points_key(who.as_str());
    let shown = until("the points in Redis", || {
        let (mut conn, key) = (conn.clone(), key.clone());
        async move {
            let text: Option<String> =
                redis::cmd("GET").arg(key).query_async(&mut conn).await.unwrap();
            text.map(|text| serde_json::from_str::<ShownPoints>(&text).unwrap())
        }
    })
    .await;
    assert_eq!((shown.available, shown.pending), (100, 0));

    // Another instance has written a later version: an older one does not replace it.
    let later: String = redis::cmd("SET")
        .arg(format!("{key}:version"))
        .arg(999)
        .query_async(&mut conn)
        .await
        .unwrap();
    assert_eq!(later, "OK");
    house.grant(&who, 50).await;
    let other = account();
    house.grant(&other, 1).await;
    until("the other account in Redis", || {
        let (mut conn, key) = (conn.clone(), points_key(other.as_str()));
        async move {
            let got = redis::cmd("GET").arg(key).query_async::<Option<String>>(&mut conn).await;
            got.unwrap()
        }
    })
    .await;
    let text: String = redis::cmd("GET").arg(&key).query_async(&mut conn).await.unwrap();
    assert_eq!(serde_json::from_str::<ShownPoints>(&text).unwrap().available, 100);

    house.redis.kill();
    house.grant(&who, 25).await;
    assert_eq!(house.sums(&who).await, [175, 0, 0, 0]);
    house.close().await;
}
