//! What a message would do, said without doing it.

use std::time::Duration;

use axum::body::{Body, to_bytes};
use contracts::{
    internal::{PreviewEffect, PreviewReply},
    message::Message,
};
use secrecy::ExposeSecret as _;
use testkit::preview_of;
use tower::ServiceExt as _;

use crate::rig::{Rig, milli_ether, prepare_message, refund_message};

async fn preview<M: Message + Sync>(rig: &Rig, message: &M) -> PreviewReply {
    let router = payment_verification::http::router(&rig.config, rig.app.clone()).unwrap();
    let token = rig.signer.token("support-console", &[], "internal", Duration::from_secs(60));
    let request = http::Request::post("/internal/preview")
        .header("authorization", format!("Bearer {}", token.unwrap().expose_secret()))
        .header("content-type", "application/json");
    let asked = serde_json::to_vec(&preview_of(payment_verification::ROLE, message)).unwrap();
    let answer = router.oneshot(request.body(Body::from(asked)).unwrap()).await.unwrap();
    assert_eq!(answer.status(), 200);
    let body = to_bytes(answer.into_body(), 1 << 20).await.unwrap();
    serde_json::from_slice(&body).unwrap()
}

/// Row: L9
#[tokio::test(flavor = "multi_thread")]
async fn a_preview_gives_out_no_address_and_says_that_it_would() {
    let rig = Rig::new().await;
    let before = rig.everything().await;
    let message = prepare_message("eth", 18, milli_ether(30));
    let reply = preview(&rig, &message).await;
    assert_eq!(reply.effect, PreviewEffect::Changes, "{reply:?}");
    assert_eq!((reply.before, reply.after.as_deref()), (None, Some("asked for")));
    assert!(reply.changes.iter().any(|line| line == "payment: 1 added"), "{:?}", reply.changes);
    assert_eq!(rig.everything().await, before, "nothing is written");

    rig.say(&message).await;
    let asked = rig.prepared(&message).await;
    let before = rig.everything().await;
    let reply = preview(&rig, &message).await;
    assert_eq!(reply.before.as_deref(), Some("asked for"));
    let refused = refund_message(&asked, uuid::Uuid::now_v7(), milli_ether(30));
    let reply = preview(&rig, &refused).await;
    assert_eq!(reply.after.as_deref(), Some("asked for"), "{reply:?}");
    assert_eq!(rig.everything().await, before, "nothing is written");
    rig.end().await;
}
