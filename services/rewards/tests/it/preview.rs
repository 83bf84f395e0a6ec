//! What a message would do, said without doing it.

use axum::http::{Method, StatusCode};
use contracts::{
    internal::{PreviewEffect, PreviewReply},
    message::Message as _,
    messages::{PointsChanged, WantedPoints},
};
use serde_json::json;
use testkit::preview_of;

use crate::house::{House, account, booking, want};

/// Row: L9
#[tokio::test(flavor = "multi_thread")]
async fn a_preview_holds_no_points_and_says_that_it_would() {
    let house = House::open().await;
    let (account, booking) = (account(), booking());
    house.grant(&account, 100).await;
    house.handled().await;
    let before = house.everything().await;
    let held = want(&account, booking, (1, WantedPoints::Held), 40);
    let request = json!(preview_of(rewards::ROLE, &held));
    let token = house.token("support-console", &[], "internal");
    for _ in 0..2 {
        let asked = Some(request.clone());
        let (status, body) =
            house.call(Method::POST, "/internal/preview", Some(&token), asked).await;
        assert_eq!(status, StatusCode::OK, "{body}");
        let reply: PreviewReply = serde_json::from_value(body).unwrap();
        assert_eq!(reply.effect, PreviewEffect::Changes, "{reply:?}");
        let has = |line: &str| reply.changes.iter().any(|change| change == line);
        assert!(has("account: 1 changed") && has("account_event: 1 added"), "{reply:?}");
        assert!(has(&format!("says {}", PointsChanged::TYPE)), "{reply:?}");
    }
    assert_eq!(house.everything().await, before, "nothing is written or said");
    assert_eq!(house.sums(&account).await, [100, 0, 0, 0]);
    let customers = house.token("acct-1", &[], "holdfast");
    let asked = Some(request.clone());
    let (status, _) = house.call(Method::POST, "/internal/preview", Some(&customers), asked).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);

    // And it does what was said.
    house.say(&held).await;
    house.handled().await;
    assert_eq!(house.sums(&account).await, [60, 0, 40, 0]);
    house.close().await;
}
