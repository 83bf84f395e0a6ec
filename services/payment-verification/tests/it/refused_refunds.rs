//! A treasury that refuses what it has, or pays what it refused.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::Bytes,
    extract::{Request, State},
    response::{IntoResponse as _, Response},
};
use chassis::{HttpClient, HttpClientConfig, HttpRequest};
use contracts::messages::RefundState;
use http::{Method, StatusCode};
use payment_verification::treasury::Treasury;
use serde_json::json;

use crate::{
    refunds::{a_day_later, ask, cases, double, granted, new_wallet, news, paid, state},
    rig::{CHAIN, Rig, milli_ether},
};

/// What becomes of one request to hand a refund over.
#[derive(Debug, Clone, Copy)]
enum Fate {
    /// The treasury acts, and its answer is lost.
    AnswerLost,
    /// It never gets there.
    Lost,
    /// It is refused.
    Refused,
}

/// Stands between the service and its treasury.
#[derive(Clone)]
struct Between {
    treasury: String,
    http: HttpClient,
    fates: Arc<Mutex<VecDeque<Fate>>>,
}

impl Between {
    /// A treasury behind this, as the service reaches it.
    async fn before(rig: &Rig, fates: &[Fate]) -> Treasury {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut config = rig.config.clone();
        config.treasury_url = format!("http://{}", listener.local_addr().unwrap());
        let between = Self {
            treasury: rig.config.treasury_url.clone(),
            http: HttpClient::new(HttpClientConfig::default()).unwrap(),
            fates: Arc::new(Mutex::new(fates.iter().copied().collect())),
        };
        let router = Router::new().fallback(pass).with_state(between);
        tokio::spawn(async move { axum::serve(listener, router).await });
        rig.app.treasury(&config).unwrap()
    }
}

async fn pass(State(between): State<Between>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let fate = match parts.method {
        Method::POST => between.fates.lock().unwrap().pop_front(),
        _ => None,
    };
    match fate {
        Some(Fate::Lost) => return StatusCode::BAD_GATEWAY.into_response(),
        Some(Fate::Refused) => return StatusCode::UNPROCESSABLE_ENTITY.into_response(),
        Some(Fate::AnswerLost) | None => {}
    }
    let url = format!("{}{}", between.treasury, parts.uri);
    let body: Bytes = axum::body::to_bytes(body, 64 * 1024).await.unwrap();
    let mut request = HttpRequest::new(parts.method, url);
    if !body.is_empty() {
        request = request.json(body.to_vec());
    }
    let reply = between.http.send(request).await.unwrap();
    match fate {
        Some(_) => StatusCode::BAD_GATEWAY.into_response(),
        None => (reply.status, reply.body).into_response(),
    }
}

async fn payouts(rig: &Rig) -> usize {
    let truth = double(rig, Method::GET, "/truth", None).await;
    truth["payouts"].as_array().unwrap().len()
}

/// Row: C10
#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_after_a_lost_answer_counts_only_when_nothing_was_taken_on() {
    let rig = Rig::new().await;
    rig.service.logs.expect("refund_failed");
    let units = milli_ether(10);
    for (first, end) in [(Fate::AnswerLost, "confirmed"), (Fate::Lost, "failed")] {
        let asked = paid(&rig, units).await;
        let refund_id = granted(&rig, &asked, units, &new_wallet()).await;
        let treasury = Between::before(&rig, &[first, Fate::Refused]).await;
        ask(&rig, &treasury).await;
        ask(&rig, &treasury).await;
        testkit::until("the end of the refund", async || {
            ask(&rig, &treasury).await;
            rig.anvil.mine(1).await;
            rig.watch().await;
            (state(&rig, refund_id).await == end).then_some(())
        })
        .await;
        assert_eq!(payouts(&rig).await, 1, "{first:?}");
    }
    rig.end().await;
}

/// Whoever was told that a refund failed may have named another address meanwhile.
///
/// Row: C10
#[tokio::test(flavor = "multi_thread")]
async fn a_payout_of_a_refund_that_failed_is_found_and_is_a_case() {
    let rig = Rig::new().await;
    rig.service.logs.expect("refund_");
    let (units, wallet) = (milli_ether(10), new_wallet());
    let asked = paid(&rig, units).await;
    let refund_id = granted(&rig, &asked, units, &wallet).await;
    let treasury = Between::before(&rig, &[Fate::Refused]).await;
    ask(&rig, &treasury).await;
    news(&rig, &asked, RefundState::Failed).await;
    ask(&rig, &treasury).await;
    assert_eq!(cases(&rig, &asked).await, "refund_failed", "it knows nothing of it");
    a_day_later(&rig).await;
    ask(&rig, &treasury).await;
    let asked_later = "select (next_ask_at > holdfast_now())::text from refund";
    assert_eq!(rig.ask_database(asked_later).await, "true", "it is asked about for good");

    let payout = json!({
        "id": refund_id, "chain": CHAIN, "asset": "eth", "contract": null, "to": wallet,
        "amount": units.to_string(),
    });
    double(&rig, Method::POST, "/payouts", Some(payout)).await;
    testkit::until("the treasury to send", async || {
        let truth = double(&rig, Method::GET, "/truth", None).await;
        (!truth["payouts"][0]["transactions"].as_array().unwrap().is_empty()).then_some(())
    })
    .await;
    rig.anvil.mine(3).await;
    rig.watch().await;
    ask(&rig, &treasury).await;
    assert_eq!(state(&rig, refund_id).await, "failed");
    let expected = "refund_disputed, refund_failed, refund_sent_after_failure";
    assert_eq!(cases(&rig, &asked).await, expected);
    rig.end().await;
}

const ASK_AGAIN: &str = include_str!("../../migrations/0004_ask_about_failed_refunds.sql");

/// They failed when nobody was asked about those any more.
///
/// Row: C10
#[tokio::test(flavor = "multi_thread")]
async fn a_refund_that_failed_long_ago_is_asked_about_again() {
    let rig = Rig::new().await;
    let before = "insert into refund (refund_id, payment_id, booking_id, units, state, granted_at,
             address, next_ask_at, chain, asset, confirmations)
         select gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), 5, state,
             holdfast_now(), address, asked, 'eip155:31337', 'eth', 2
         from (values ('failed', 'A', null), ('failed', null, null), ('confirmed', 'A', null),
             ('failed', 'A', holdfast_now() + interval '1 day')) as r (state, address, asked)";
    sqlx::query(before).execute(&rig.pool).await.unwrap();
    sqlx::query(ASK_AGAIN).execute(&rig.pool).await.unwrap();
    let due = "select string_agg(state || ' ' || coalesce(address, 'nowhere'), ', ')
         from refund where next_ask_at <= holdfast_now()";
    assert_eq!(rig.ask_database(due).await, "failed A");
    rig.end().await;
}
