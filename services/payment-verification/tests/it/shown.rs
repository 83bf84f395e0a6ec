//! What the gateway is shown: rates that can be believed, heads, and in which block money stands.

use std::time::Duration;

use chassis::{HttpClient, HttpClientConfig, HttpRequest};
use contracts::shown::{ASSETS_KEY, ShownAssets, head_key, payment_key};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use crate::{
    front::Manner,
    rig::{CHAIN, Rig, milli_ether},
};

pub(crate) async fn rates(rig: &Rig, path: &str, body: Value) {
    let http = HttpClient::new(HttpClientConfig::default()).unwrap();
    let url = format!("{}/rates{path}", rig.doubles.base_url());
    let request = HttpRequest::new(http::Method::POST, url).json(body.to_string());
    assert!(http.send(request).await.unwrap().status.is_success());
}

async fn eur_of_eth(rig: &Rig) -> Option<u64> {
    let shown: ShownAssets = serde_json::from_value(rig.redis_get(ASSETS_KEY).await).unwrap();
    let eth = shown.assets.into_iter().find(|asset| asset.asset.as_str() == "eth").unwrap();
    let mut rates = eth.rates.into_iter();
    rates.find(|rate| rate.currency.code() == "EUR").map(|rate| rate.micro_minor_per_coin)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rate_is_shown_and_a_strange_one_is_not_believed() {
    let rig = Rig::new().await;
    payment_verification::read_rates(&rig.app).await.unwrap();
    assert_eq!(eur_of_eth(&rig).await, Some(250_000_000_000));
    for (fault, operations) in [
        ("zero", &["simple_price"][..]),
        ("times_1000", &["simple_price"]),
        ("times_1000", &["ticker"]),
        ("times_1000", &["simple_price", "ticker"]),
        ("stale", &["simple_price"]),
        ("texts", &["simple_price"]),
        ("no_instant", &["simple_price"]),
        ("html_200", &["simple_price"]),
        ("html_200", &["simple_price", "ticker"]),
    ] {
        for operation in operations {
            let armed = json!({ "operation": operation, "fault": fault, "times": 1 });
            rates(&rig, "/faults", armed).await;
        }
        let read = payment_verification::read_rates(&rig.app).await;
        let silent = fault == "html_200" && operations.len() == 2;
        assert_eq!(read.is_err(), silent, "{fault} of {operations:?}: {read:?}");
        assert_eq!(eur_of_eth(&rig).await, Some(250_000_000_000), "{fault} of {operations:?}");
    }
    // A source that answers in another shape is as silent as one that shows a page.
    for shape in ["texts", "no_instant"] {
        for (operation, fault) in [("simple_price", shape), ("ticker", "html_200")] {
            let armed = json!({ "operation": operation, "fault": fault, "times": 1 });
            rates(&rig, "/faults", armed).await;
        }
        assert!(payment_verification::read_rates(&rig.app).await.is_err(), "{shape}");
    }
    rates(&rig, "/set", json!({ "id": "eth", "vs": "eur", "price": "2600.5" })).await;
    payment_verification::read_rates(&rig.app).await.unwrap();
    assert_eq!(eur_of_eth(&rig).await, Some(260_050_000_000));
    rig.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_is_answered_to_services_only() {
    let rig = Rig::new().await;
    payment_verification::read_rates(&rig.app).await.unwrap();
    let router = payment_verification::http::router(&rig.config, rig.app.clone()).unwrap();
    let token =
        |audience| rig.signer.token("booking", &[], audience, Duration::from_secs(60)).unwrap();
    let ask = |token: Option<String>| {
        let mut request = http::Request::get("/internal/shown");
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        router.clone().oneshot(request.body(axum::body::Body::empty()).unwrap())
    };
    assert_eq!(ask(None).await.unwrap().status(), 401);
    let customer = token("holdfast").expose_secret().to_owned();
    assert_eq!(ask(Some(customer)).await.unwrap().status(), 401);
    let service = token("internal").expose_secret().to_owned();
    let answer = ask(Some(service)).await.unwrap();
    assert_eq!(answer.status(), 200);
    let body = axum::body::to_bytes(answer.into_body(), 1 << 20).await.unwrap();
    let shown: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(shown, rig.redis_get(ASSETS_KEY).await);
    rig.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn heads_and_heights_are_shown_as_far_as_they_are_taken_in() {
    let rig = Rig::new().await;
    let asked = rig.prepare(milli_ether(10)).await;
    rig.pay(&asked.address, milli_ether(10)).await;
    let height = rig.anvil.head().await;
    rig.anvil.mine(1).await;
    rig.watch().await;
    assert_eq!(rig.redis_get(&head_key(CHAIN)).await["height"], height + 1);
    let key = payment_key(&asked.payment_id.to_string());
    assert_eq!(rig.redis_get(&key).await["height"], height);
    rig.anvil.reorg(2).await;
    rig.watch().await;
    assert_eq!(rig.redis_get(&key).await["height"], Value::Null);
    rig.end().await;
}

/// Row: C12
#[tokio::test(flavor = "multi_thread")]
async fn the_time_that_payments_take_is_measured_by_tier_once_there_are_enough() {
    let rig = Rig::new().await;
    let mut admin = rig.service.database.admin().await;
    // Twenty small ones, 41 to 60 s from seen to final, and one that was seen only.
    for n in 0..=20_i64 {
        let payment_id = chassis::mint::uuid7();
        let amount = json!({ "units": "1000", "decimals": 18, "asset": "eth" });
        let state = json!({ "request": { "terms": { "amount": amount } } });
        sqlx::query(
            "insert into payment (payment_id, booking_id, seq, state, created_at, changed_at)
             values ($1, $1, 2, $2::json, now(), now())",
        )
        .bind(payment_id)
        .bind(state.to_string())
        .execute(&mut admin)
        .await
        .unwrap();
        for (seq, kind, after) in [(1_i64, "transfer_seen", 0), (2, "settled", 41 + n)] {
            if n == 20 && kind == "settled" {
                continue;
            }
            sqlx::query(
                "insert into payment_event (payment_id, seq, at, kind, body)
                 values ($1, $2, timestamptz '2027-01-15 12:00Z' + $3 * interval '1 second', $4,
                         '{}')",
            )
            .bind(payment_id)
            .bind(seq)
            .bind(after)
            .bind(kind)
            .execute(&mut admin)
            .await
            .unwrap();
        }
    }
    payment_verification::read_rates(&rig.app).await.unwrap();
    let shown: ShownAssets = serde_json::from_value(rig.redis_get(ASSETS_KEY).await).unwrap();
    let eth = shown.assets.into_iter().find(|asset| asset.asset.as_str() == "eth").unwrap();
    let first = &eth.settling[0];
    assert_eq!((first.within_s, first.measured), (59, 20));
    assert!(eth.settling[1..].iter().all(|tier| tier.measured == 0 && tier.within_s > 0));
    rig.end().await;
}

/// Row: L3
#[tokio::test(flavor = "multi_thread")]
async fn the_registry_is_checked_with_the_nodes_that_answer() {
    let rig = Rig::new().await;
    // The test's token answers every call with one.
    let wrong = vec!["usdc has 6 decimals, its contract says 1".to_owned()];
    let checked = payment_verification::ask_nodes(&rig.config).await.unwrap();
    assert_eq!((checked.wrong, checked.not_asked), (wrong, vec![]));
    rig.front.behave(Manner { down: true, ..Manner::default() });
    let checked = payment_verification::ask_nodes(&rig.config).await.unwrap();
    assert!(checked.wrong.is_empty(), "{checked:?}");
    assert!(checked.not_asked[0].starts_with("eip155:31337: not asked"), "{checked:?}");
    let other = r#"[{"id":0,"result":"0x1"},{"id":1,"result":null}]"#;
    rig.front.behave(Manner { says: Some(other), ..Manner::default() });
    let checked = payment_verification::ask_nodes(&rig.config).await.unwrap();
    assert!(checked.wrong[0].contains("serves chain 1"), "{checked:?}");
    rig.end().await;
}
