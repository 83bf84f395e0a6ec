//! Accepting: one click is one booking, a lock is bound to who and what, and ends by the database's
//! clock.

use axum::http::StatusCode;
use chrono::TimeDelta;
use contracts::{money::Money, shown::ASSETS_KEY};
use futures::future::join_all;
use serde_json::json;
use sqlx::PgConnection;

use crate::world::{World, body, send};

/// Row: A2
#[tokio::test(flavor = "multi_thread")]
async fn fifty_clicks_at_once_and_one_after_a_restart_get_the_first_answer_byte_for_byte() {
    let mut world = World::new().await;
    let quote = world.quote("acct_1", TimeDelta::minutes(10)).await;
    world.lock(&quote).await;
    let clicks = (0..50).map(|_| {
        let request = world.booking_request("acct_1", "click-1", &body(&quote));
        tokio::spawn(send(world.router.clone(), request))
    });
    let answers: Vec<_> = join_all(clicks).await.into_iter().map(Result::unwrap).collect();
    let first = answers[0].clone();
    assert_eq!(first.status, StatusCode::ACCEPTED);
    assert!(answers.iter().all(|answer| *answer == first));
    let location = format!("/v1/bookings/{}", first.json()["booking_id"].as_str().unwrap());
    assert_eq!(first.location, Some(location));

    world.restart().await;
    assert_eq!(world.book("acct_1", "click-1", &body(&quote)).await, first);
    assert_eq!(world.book("acct_1", "\"click-1\"", &body(&quote)).await, first);
    assert_eq!(world.count("booking").await, 1);
    let wishes = sqlx::query_scalar::<_, i64>(
        "select count(*) from booking_event where kind = 'leg_wished'",
    );
    assert_eq!(wishes.fetch_one(&world.pool).await.unwrap(), 1);
}

/// Row: A2
#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_required_belongs_to_the_account_and_to_one_request() {
    let world = World::new().await;
    let quote = world.quote("acct_1", TimeDelta::minutes(10)).await;
    let without = world.post("acct_1", "/v1/bookings", &body(&quote)).await;
    assert_eq!(
        (without.status, without.code()),
        (StatusCode::BAD_REQUEST, "idempotency_key_missing".to_owned())
    );
    let first = world.book("acct_1", "k", &body(&quote)).await;
    assert_eq!(first.status, StatusCode::ACCEPTED);

    let mut other = body(&quote);
    other["travellers"][0]["given_name"] = json!("Bea");
    let reused = world.book("acct_1", "k", &other).await;
    assert_eq!(
        (reused.status, reused.code()),
        (StatusCode::UNPROCESSABLE_ENTITY, "idempotency_key_reused".to_owned())
    );

    // The same request in another order and spelling is the same request.
    let again = format!(
        r#"{{ "contact": {{"phone":"+4930901820","email":"ana@example.org"}},
             "travellers": [{{"family_name":"Silva", "given_name":"Ana"}}], "quote_id": "{}" }}"#,
        quote.quote_id
    );
    let again = serde_json::from_str(&again).unwrap();
    assert_eq!(world.book("acct_1", "k", &again).await, first);

    let theirs = world.quote("acct_2", TimeDelta::minutes(10)).await;
    let answer = world.book("acct_2", "k", &body(&theirs)).await;
    assert_eq!(answer.status, StatusCode::ACCEPTED);
    assert_ne!(answer.bytes, first.bytes);
    assert_eq!(world.count("booking").await, 2);
}

/// Row: A2
#[tokio::test(flavor = "multi_thread")]
async fn requests_that_come_together_share_no_failure() {
    let world = World::new().await;
    let mut good = Vec::new();
    for n in 0..40 {
        let quote = world.quote(&format!("acct_{n}"), TimeDelta::minutes(10)).await;
        world.lock(&quote).await;
        good.push(quote);
    }
    let (_, spent) = world.booked("acct_spent").await;
    let ended = world.quote("acct_ended", TimeDelta::minutes(10)).await;
    sqlx::query("update quote set expires_at = holdfast_now() where quote_id = $1")
        .bind(ended.quote_id.0)
        .execute(&world.pool)
        .await
        .unwrap();
    let twice = [(); 2].map(|()| world.quote("acct_twice", TimeDelta::minutes(10)));
    let twice = join_all(twice).await;
    // Redis has them all, so that only the database can tell which are good.
    for quote in twice.iter().chain([&spent, &ended]) {
        world.lock(quote).await;
    }
    let one_key = "one key for two quotes";
    let bad = [(&spent, "k"), (&ended, "k"), (&twice[0], one_key), (&twice[1], one_key)];
    let mixed = good[..20].iter().map(|quote| (quote, "k")).chain(bad);
    let mixed = mixed.chain(good[20..].iter().map(|quote| (quote, "k")));
    // While two have to wait, the others gather.
    let first = world.quote("acct_first", TimeDelta::minutes(10)).await;
    world.lock(&first).await;
    let mut held = world.pool.acquire().await.unwrap();
    sqlx::raw_sql("begin; lock table booking in share mode").execute(&mut *held).await.unwrap();
    let request = world.booking_request("acct_first", "k", &body(&first));
    let waits = tokio::spawn(send(world.router.clone(), request));
    until_waiting(&mut held, 1).await;
    let mut all = mixed.map(|(quote, key)| {
        let request = world.booking_request(quote.account_id.as_str(), key, &body(quote));
        tokio::spawn(send(world.router.clone(), request))
    });
    let second = all.next().unwrap();
    until_waiting(&mut held, 2).await;
    let all: Vec<_> = std::iter::once(second).chain(all).collect();
    until_waiting(&mut held, 3).await;
    sqlx::raw_sql("rollback").execute(&mut *held).await.unwrap();
    drop(held);
    assert_eq!(waits.await.unwrap().status, StatusCode::ACCEPTED);
    let answers = join_all(all).await;
    let mut answers: Vec<_> = answers.into_iter().map(Result::unwrap).collect();
    let bad: Vec<_> = answers.drain(20..24).collect();

    let mut ids = std::collections::BTreeSet::new();
    for answer in &answers {
        assert_eq!(answer.status, StatusCode::ACCEPTED, "{answer:?}");
        ids.insert(answer.json()["booking_id"].as_str().unwrap().parse::<uuid::Uuid>().unwrap());
    }
    assert_eq!(ids.len(), 40, "each has a booking of its own");
    assert_eq!(bad[0].code(), "quote_taken");
    assert_eq!(bad[1].code(), "quote_expired");
    let mut of_one_key = [bad[2].status, bad[3].status];
    of_one_key.sort();
    assert_eq!(of_one_key, [StatusCode::ACCEPTED, StatusCode::UNPROCESSABLE_ENTITY]);

    for table in ["booking", "traveller", "idempotency_key"] {
        assert_eq!(world.count(table).await, 43, "{table}");
    }
    let mut conn = world.pool.acquire().await.unwrap();
    for id in ids {
        assert!(booking::store::rebuild(&mut conn, id).await.unwrap(), "{id}");
    }
}

/// Row: A2
/// Row: D4
#[tokio::test(flavor = "multi_thread")]
async fn an_expired_quote_makes_no_booking_and_spends_no_key() {
    let world = World::new().await;
    let old = world.quote("acct_1", TimeDelta::minutes(10)).await;
    world.service.database.offset_clock(TimeDelta::minutes(11)).await;
    let answer = world.book("acct_1", "k", &body(&old)).await;
    assert_eq!((answer.status, answer.code()), (StatusCode::CONFLICT, "quote_expired".to_owned()));
    assert_eq!((world.count("booking").await, world.count("outbox").await), (0, 0));

    let fresh = world.quote("acct_1", TimeDelta::minutes(10)).await;
    let answer = world.book("acct_1", "k", &body(&fresh)).await;
    assert_eq!(answer.status, StatusCode::ACCEPTED);
}

/// Row: D4
#[tokio::test(flavor = "multi_thread")]
async fn a_lock_that_redis_forgot_or_kept_too_long_is_decided_by_its_row() {
    let mut world = World::new().await;
    let quote = world.quote("acct_1", TimeDelta::minutes(10)).await;
    world.locks.kill();
    let answer = world.book("acct_1", "k1", &body(&quote)).await;
    assert_eq!(answer.status, StatusCode::ACCEPTED, "{answer:?}");

    // A Redis that still has a lock whose time is over changes nothing either.
    world.locks = testkit::redis();
    let old = world.quote("acct_1", TimeDelta::minutes(10)).await;
    world.lock(&old).await;
    world.restart_with_locks().await;
    world.service.database.offset_clock(TimeDelta::minutes(11)).await;
    let answer = world.book("acct_1", "k2", &body(&old)).await;
    assert_eq!((answer.status, answer.code()), (StatusCode::CONFLICT, "quote_expired".to_owned()));
    assert_eq!(world.count("booking").await, 1);
}

/// Row: D1
#[tokio::test(flavor = "multi_thread")]
async fn a_lock_belongs_to_its_account_and_to_what_was_quoted() {
    let world = World::new().await;
    let quote = world.quote("acct_1", TimeDelta::minutes(10)).await;
    let path = format!("/v1/quotes/{}", quote.quote_id);
    assert_eq!(world.get("acct_1", &path).await.status, StatusCode::OK);
    assert_eq!(world.get("acct_2", &path).await.status, StatusCode::NOT_FOUND);
    assert_eq!(world.book("acct_2", "k", &body(&quote)).await.status, StatusCode::NOT_FOUND);

    let shown = world.get("acct_1", &path).await.json();
    let mut other_terms = body(&quote);
    other_terms["terms"] = json!("0".repeat(64));
    let answer = world.book("acct_1", "k", &other_terms).await;
    assert_eq!((answer.status, answer.code()), (StatusCode::CONFLICT, "terms_differ".to_owned()));
    let mut more_guests = body(&quote);
    more_guests["travellers"] = json!(vec![json!({"given_name": "A", "family_name": "B"}); 3]);
    let answer = world.book("acct_1", "k", &more_guests).await;
    assert_eq!((answer.status, answer.code()), (StatusCode::CONFLICT, "guests_differ".to_owned()));
    assert_eq!(world.count("booking").await, 0);

    let mut same = body(&quote);
    same["terms"] = shown["terms"].clone();
    assert_eq!(world.book("acct_1", "k", &same).await.status, StatusCode::ACCEPTED);
    let answer = world.book("acct_1", "k2", &body(&quote)).await;
    assert_eq!((answer.status, answer.code()), (StatusCode::CONFLICT, "quote_taken".to_owned()));
    assert_eq!(world.get("acct_1", &path).await.json()["state"], "booked");
}

/// Row: L4
#[tokio::test(flavor = "multi_thread")]
async fn points_that_leave_less_than_can_be_paid_are_refused_and_nothing_is_booked() {
    let world = World::new().await;
    let quote = world.quote("acct_1", TimeDelta::minutes(10)).await;
    let mut shown = crate::openapi::assets(&quote);
    let least = Money::new(50, quote.price.currency);
    shown.assets[0].minimum = quote.rate.units_for(least).unwrap();
    world.show(ASSETS_KEY, &shown).await;
    let mut asked = body(&quote);
    asked["redeem_points"] = json!(quote.price.minor - least.minor + 1);
    let told = world.book("acct_1", "k", &asked).await;
    assert_eq!(told.status, StatusCode::UNPROCESSABLE_ENTITY, "{told:?}");
    let fault = &told.json()["errors"][0];
    assert_eq!(
        (&fault["pointer"], &fault["code"]),
        (&json!("/redeem_points"), &json!("leaves_too_little"))
    );
    assert_eq!(world.count("booking").await, 0);
    asked["redeem_points"] = json!(quote.price.minor - least.minor);
    assert_eq!(world.book("acct_1", "k", &asked).await.status, StatusCode::ACCEPTED);
}

#[tokio::test(flavor = "multi_thread")]
async fn personal_data_is_nowhere_but_sealed() {
    let world = World::new().await;
    let (booking_id, _) = world.booked("acct_1").await;
    let everything: Vec<String> = sqlx::query_scalar(
        "select state::text from booking union all select body::text from booking_event
         union all select encode(body, 'escape') || headers::text from outbox
         union all select encode(sealed, 'escape') from traveller
         union all select body from idempotency_key",
    )
    .fetch_all(&world.pool)
    .await
    .unwrap();
    assert!(everything.len() >= 6, "{}", everything.len());
    for text in everything {
        for canary in ["Ana", "Silva", "ana@example.org", "901820"] {
            assert!(!text.contains(canary), "{canary} in {text}");
        }
    }
    let path = format!("/internal/bookings/{booking_id}/travellers");
    assert_eq!(world.get("acct_1", &path).await.status, StatusCode::UNAUTHORIZED);
    let answer = world.internal(&path).await.json();
    assert_eq!(answer["travellers"][0]["given_name"], "Ana");
    assert_eq!(answer["phone"], "+4930901820");
}

/// How many wait for a lock of the database; asked by who holds it, because the others' connections
/// may all be waiting.
async fn waiting(held: &mut PgConnection) -> i64 {
    let sql = "select count(*) from pg_locks
                where not granted and database = (select oid from pg_database
                                                   where datname = current_database())";
    sqlx::query_scalar(sql).fetch_one(held).await.unwrap()
}

async fn until_waiting(held: &mut PgConnection, wanted: i64) {
    let begun = std::time::Instant::now();
    while waiting(held).await < wanted {
        assert!(begun.elapsed() < std::time::Duration::from_secs(30), "{wanted} do not wait");
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
}
