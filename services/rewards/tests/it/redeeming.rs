//! Points held, spent and given back, also when messages overtake each other.

use std::{sync::Arc, time::Duration};

use contracts::{
    envelope::Envelope,
    ids::BookingId,
    messages::{
        PointsChanged, PointsState,
        WantedPoints::{Captured, Held, Released},
    },
};
use messaging::{Handles as _, Received, StoreError};
use rewards::Handler;
use testkit::until;

use crate::house::{House, account, booking, confirmed, id, past, want};

#[tokio::test]
async fn a_hold_is_spent_or_goes_back_to_the_lots_it_came_from() {
    let house = House::open().await;
    let who = account();
    house.grant(&who, 100).await;
    house.grant(&who, 100).await;
    let before = lots(&house, who.as_str()).await;
    let (one, other) = (booking(), booking());
    let heard = house.broker.overhear::<PointsChanged>(&house.service.prefix).await;

    house.say(&want(&who, one, (1, Held), 150)).await;
    assert_eq!(answer(&house, &heard).await, (one, 1, PointsState::Held, 150));
    assert_eq!(house.sums(&who).await, [50, 0, 150, 0]);
    house.say(&want(&who, other, (1, Held), 51)).await;
    assert_eq!(answer(&house, &heard).await, (other, 1, PointsState::Refused, 51));
    house.say(&want(&who, one, (2, Released), 150)).await;
    assert_eq!(answer(&house, &heard).await, (one, 2, PointsState::Released, 150));
    assert_eq!(lots(&house, who.as_str()).await, before, "original lots with original expiry");

    house.say(&want(&who, other, (2, Held), 120)).await;
    assert_eq!(answer(&house, &heard).await, (other, 2, PointsState::Held, 120));
    house.say(&want(&who, other, (3, Captured), 120)).await;
    assert_eq!(answer(&house, &heard).await, (other, 3, PointsState::Captured, 120));
    assert_eq!(house.sums(&who).await, [80, 0, 0, 0]);
    house.close().await;
}

/// Row: F2
#[tokio::test]
async fn a_release_that_overtakes_its_hold_leaves_nothing_to_hold() {
    let house = House::open().await;
    let (who, stay) = (account(), booking());
    house.grant(&who, 100).await;
    let heard = house.broker.overhear::<PointsChanged>(&house.service.prefix).await;
    house.say(&want(&who, stay, (2, Released), 60)).await;
    house.say(&want(&who, stay, (1, Held), 60)).await;
    house.handled().await;
    assert_eq!(house.sums(&who).await, [100, 0, 0, 0]);
    assert_eq!(answer(&house, &heard).await, (stay, 2, PointsState::Released, 0));
    assert!(house.broker.take(&heard).await.is_none(), "the hold was not even answered");
    house.close().await;
}

/// Row: E6
#[tokio::test]
async fn two_redemptions_in_parallel_cannot_overdraw() {
    let house = House::open().await;
    let who = account();
    house.grant(&who, 100).await;
    let handler = Arc::new(Handler::new(house.app.clone()));
    let wish = |stay| received(&want(&who, stay, (1, Held), 60));

    // The first has decided and not committed yet; the second must wait for it and see what it did.
    let mut first = house.app.messaging().begin().await.unwrap();
    handler.handle(&mut first, vec![wish(booking())]).await.unwrap();
    let mut second = house.app.messaging().begin().await.unwrap();
    let (other, wish) = (Arc::clone(&handler), wish(booking()));
    let mut waiting = tokio::spawn(async move {
        let handled = other.handle(&mut second, vec![wish]).await;
        (handled.map(|_| ()), second)
    });
    let early = tokio::time::timeout(Duration::from_millis(200), &mut waiting).await;
    assert!(early.is_err(), "the second decided before the first was done");
    first.commit().await.unwrap();
    let (handled, second) = waiting.await.unwrap();
    handled.unwrap();
    second.commit().await.unwrap();
    assert_eq!(house.sums(&who).await, [40, 0, 60, 0]);
    assert_eq!(kinds(&house, who.as_str()).await, ["granted", "held", "refused"]);
    house.close().await;
}

/// Row: E6
#[tokio::test]
async fn many_redemptions_over_two_instances_hold_exactly_what_there_is() {
    let house = House::open().await;
    let _other_instance = house.another_instance().await;
    let who = account();
    house.grant(&who, 100).await;
    let heard = house.broker.overhear::<PointsChanged>(&house.service.prefix).await;
    for _ in 0..40 {
        house.say(&want(&who, booking(), (1, Held), 30)).await;
    }
    let mut held = 0;
    for _ in 0..40 {
        held += usize::from(answer(&house, &heard).await.2 == PointsState::Held);
    }
    assert_eq!(held, 3);
    assert_eq!(house.sums(&who).await, [10, 0, 90, 0]);
    house.close().await;
}

#[tokio::test]
async fn the_first_two_messages_of_an_account_in_parallel_are_both_kept() {
    let house = House::open().await;
    let who = account();
    let handler = Arc::new(Handler::new(house.app.clone()));
    let (one, two) = (confirmed(&who, booking(), 10_000, 3), confirmed(&who, booking(), 10_000, 3));

    // There is no row to lock yet: whoever writes it second is told so, and comes again.
    let mut first = house.app.messaging().begin().await.unwrap();
    handler.handle(&mut first, vec![received(&one)]).await.unwrap();
    let mut second = house.app.messaging().begin().await.unwrap();
    let (other, late) = (Arc::clone(&handler), received(&two));
    let mut waiting =
        tokio::spawn(async move { other.handle(&mut second, vec![late]).await.map(|_| ()) });
    let early = tokio::time::timeout(Duration::from_millis(200), &mut waiting).await;
    assert!(early.is_err(), "the second wrote before the first was done");
    first.commit().await.unwrap();
    assert!(matches!(waiting.await.unwrap(), Err(StoreError::Conflict)));

    house.say(&two).await;
    house.handled().await;
    assert_eq!(house.sums(&who).await, [0, 600, 0, 0]);
    house.close().await;
}

fn received<M: Clone + Into<rewards_core::translate::Inbound>>(
    message: &M,
) -> Received<rewards_core::translate::Inbound> {
    let envelope = Envelope {
        id: id(),
        attempt: 0,
        r#type: "test".to_owned(),
        source: "test".to_owned(),
        subject: booking().0,
        time: past(),
    };
    let now = chrono::Utc::now();
    Received { envelope, inbound: message.clone().into(), now, span: tracing::Span::none() }
}

async fn answer(house: &House, queue: &str) -> (BookingId, u32, PointsState, u64) {
    let message = until("an answer", || house.broker.take(queue)).await;
    let PointsChanged { booking_id, version, state, points } =
        serde_json::from_slice(&message.data).unwrap();
    (booking_id, version, state, points)
}

async fn lots(house: &House, account: &str) -> String {
    sqlx::query_scalar("select state->>'lots' from account where account_id = $1")
        .bind(account)
        .fetch_one(&mut house.admin().await)
        .await
        .unwrap()
}

async fn kinds(house: &House, account: &str) -> Vec<String> {
    sqlx::query_scalar("select kind from account_event where account_id = $1 order by version")
        .bind(account)
        .fetch_all(&mut house.admin().await)
        .await
        .unwrap()
}
