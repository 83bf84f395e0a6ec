//! The ledger: it balances, it is never changed, it can be replayed.

use std::collections::BTreeMap;

use contracts::messages::WantedPoints::{Captured, Held, Released};
use rewards_core::{Account, Event, evolve, postings};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

use crate::house::{House, account, booking, cancelled, confirmed, id, want};

/// Row: E8
#[tokio::test]
async fn every_entry_balances_and_the_service_cannot_change_one() {
    let house = House::open().await;
    let who = account();
    house.grant(&who, 100).await;
    let mut service = as_service(&house).await;

    for statement in [
        "update posting set points = 1",
        "delete from posting",
        "truncate posting",
        "update account_event set points = 1",
        "delete from account_event",
        "truncate account_event cascade",
        "delete from account",
        "truncate account cascade",
        "alter table posting disable trigger posting_balances",
        "drop trigger posting_balances on posting",
        "create or replace function posting_must_balance() returns trigger language plpgsql
            as 'begin return null; end'",
    ] {
        let code = refused(&mut service, statement).await;
        assert_eq!(code.0, "42501", "`{statement}` must be denied: {code:?}");
    }

    // A line more in an old entry, a pair that does not balance, nothing, nowhere, no entry.
    let lines = |values: &str| {
        format!(
            "insert into posting (account_id, version, line, book, lot, points) values {values}"
        )
    };
    let account_id = who.as_str();
    for (values, constraint) in [
        (format!("('{account_id}', 1, 7, 'available', 'x', 5)"), "posting_balances"),
        (
            format!(
                "('{account_id}', 1, 7, 'issued', 'x', -4),
                 ('{account_id}', 1, 8, 'available', 'x', 5)"
            ),
            "posting_balances",
        ),
        (format!("('{account_id}', 1, 7, 'available', 'x', 0)"), "posting_moves_something"),
        (format!("('{account_id}', 1, 7, 'pocket', 'x', 1)"), "posting_book_is_known"),
        (
            format!(
                "('{account_id}', 99, 0, 'issued', 'x', -5),
                 ('{account_id}', 99, 1, 'available', 'x', 5)"
            ),
            "posting_event_fk",
        ),
    ] {
        let (code, found) = refused(&mut service, &lines(&values)).await;
        assert!(code.starts_with("23") && found == constraint, "{values}: {code} {found}");
    }
    assert_eq!(sum(&house).await, (2, 0), "the two lines of the grant, and no more");
    house.close().await;
}

/// Row: E8
/// Row: F2
#[tokio::test]
async fn the_whole_log_heard_twice_leaves_the_same_database() {
    let house = House::open().await;
    let who = account();
    house.grant(&who, 500).await;
    let stays: Vec<_> = (0..30).map(|_| booking()).collect();
    let mut log = Vec::new();
    for (n, stay) in stays.iter().enumerate() {
        log.push((id(), Said::Want(want(&who, *stay, (1, Held), 20))));
        let end = if n % 3 == 0 { Released } else { Captured };
        log.push((id(), Said::Want(want(&who, *stay, (2, end), 20))));
        log.push((
            id(),
            Said::Confirmed(confirmed(&who, *stay, 10_000, i64::try_from(n).unwrap())),
        ));
        if n % 4 == 0 {
            log.push((id(), Said::Cancelled(cancelled(&who, *stay))));
        }
    }
    for (id, said) in &log {
        said.say(&house, *id).await;
    }
    house.handled().await;
    let once = house.everything().await;

    for (id, said) in log.iter().rev() {
        said.say(&house, *id).await;
    }
    house.handled().await;
    assert_eq!(house.everything().await, once, "the same messages");
    for (_, said) in &log {
        said.say(&house, id()).await;
    }
    house.handled().await;
    assert_eq!(house.everything().await, once, "the same news under other ids");

    let (_, total) = sum(&house).await;
    assert_eq!(total, 0);
    replayed(&house, who.as_str()).await;
    house.close().await;
}

#[tokio::test]
async fn hundreds_of_bookings_of_one_account_are_folded_batch_by_batch() {
    let house = House::open().await;
    let who = account();
    for _ in 0..300 {
        house.say(&confirmed(&who, booking(), 1_000, 3)).await;
    }
    house.handled().await;
    assert_eq!(house.sums(&who).await, [0, 9_000, 0, 0]);
    assert_eq!(house.account(&who).await.entries.len(), 50, "an answer has at most 50 entries");
    replayed(&house, who.as_str()).await;
    house.close().await;
}

enum Said {
    Want(contracts::messages::PointsWanted),
    Confirmed(contracts::messages::BookingConfirmed),
    Cancelled(contracts::messages::BookingCancelled),
}

impl Said {
    async fn say(&self, house: &House, id: contracts::ids::MessageId) {
        match self {
            Self::Want(message) => house.say_as(id, message).await,
            Self::Confirmed(message) => house.say_as(id, message).await,
            Self::Cancelled(message) => house.say_as(id, message).await,
        }
    }
}

/// Replaying the events gives the row byte for byte and the ledger line by line.
async fn replayed(house: &House, account: &str) {
    let mut admin = house.admin().await;
    let events: Vec<(i64, String)> = sqlx::query_as(
        "select version, event::text from account_event where account_id = $1 order by version",
    )
    .bind(account)
    .fetch_all(&mut admin)
    .await
    .unwrap();
    let mut state = Account::default();
    let mut lines = BTreeMap::new();
    for (version, text) in events {
        let event: Event = serde_json::from_str(&text).unwrap();
        state = evolve(state, &event);
        assert_eq!(state.version, u64::try_from(version).unwrap(), "no gaps");
        for (line, posting) in (0_i16..).zip(postings(&event)) {
            let entry = (posting.book.word().to_owned(), posting.lot.to_string(), posting.points);
            lines.insert((version, line), entry);
        }
    }
    let row: String = sqlx::query_scalar("select state::text from account where account_id = $1")
        .bind(account)
        .fetch_one(&mut admin)
        .await
        .unwrap();
    assert_eq!(serde_json::to_string(&state).unwrap(), row);
    let kept: Vec<(i64, i16, String, String, i64)> = sqlx::query_as(
        "select version, line, book, lot, points from posting where account_id = $1",
    )
    .bind(account)
    .fetch_all(&mut admin)
    .await
    .unwrap();
    let kept: BTreeMap<_, _> =
        kept.into_iter().map(|(v, n, book, lot, points)| ((v, n), (book, lot, points))).collect();
    assert_eq!(lines, kept);
}

async fn as_service(house: &House) -> PgConnection {
    use chassis::ExposeSecret as _;
    PgConnection::connect(house.service.database.service_url().expose_secret()).await.unwrap()
}

/// The code and the constraint of a refusal.
async fn refused(conn: &mut PgConnection, statement: &str) -> (String, String) {
    let error = sqlx::raw_sql(AssertSqlSafe(statement.to_owned())).execute(conn).await;
    let error = error.expect_err(statement).into_database_error().expect("the server refuses");
    let constraint = error.constraint().unwrap_or_default().to_owned();
    (error.code().unwrap_or_default().into_owned(), constraint)
}

/// How many lines there are and what they come to.
async fn sum(house: &House) -> (i64, i64) {
    sqlx::query_as("select count(*), coalesce(sum(points), 0)::bigint from posting")
        .fetch_one(&mut house.admin().await)
        .await
        .unwrap()
}
