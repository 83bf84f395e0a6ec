//! How many are let in, what is kept of those that are not believed, and one taken again.

use std::collections::BTreeSet;

use contracts::supplier::Supplier;
use http::StatusCode;
use secrecy::ExposeSecret as _;
use sha2::{Digest as _, Sha256};
use supplier_callback::MIGRATOR;
use testkit::{Database, Proxy, TestService};

use crate::pushes::{self, PUSHERS};
use crate::service::{OTHER_SECRET, SECRET, Service, now, signed};

const RAPID: &str = "/v1/callbacks/rapid";
const BODY: &[u8] = br#"{"event_type":"itinerary.supplier.cancel","itinerary_id":"1204309424793"}"#;

async fn push(service: &Service, secret: &str, id: u32) -> StatusCode {
    let headers = signed(secret, &format!("msg_{id}"), now(), BODY);
    service.push(RAPID, &headers, BODY).await.0
}

/// Row: B4
#[tokio::test]
async fn a_flood_of_one_supplier_is_429_and_forged_ones_take_no_place_of_those_that_are_signed() {
    let service = Service::letting_in(1).await;
    let mut forged = Vec::new();
    for id in 0..15 {
        forged.push(push(&service, OTHER_SECRET, id).await);
    }
    assert_eq!(forged[..10], [StatusCode::UNAUTHORIZED; 10]);
    assert_eq!(forged[14], StatusCode::TOO_MANY_REQUESTS);
    let mut taken = Vec::new();
    for id in 0..15 {
        taken.push(push(&service, SECRET, id).await);
    }
    assert_eq!(taken[..10], [StatusCode::OK; 10]);
    assert_eq!(taken[14], StatusCode::TOO_MANY_REQUESTS);
    let let_in = taken.iter().filter(|status| **status == StatusCode::OK).count();
    assert_eq!(service.stored().await, i64::try_from(let_in).unwrap());
    // It is told when to come again, and then it is taken.
    let headers = signed(SECRET, "msg_14", now(), BODY);
    let after = service.retry_after(RAPID, &headers, BODY).await.expect("a time to wait");
    assert!((1..=10).contains(&after), "{after}");
    testkit::until("a place", || async {
        (push(&service, SECRET, 14).await == StatusCode::OK).then_some(())
    })
    .await;
}

/// Row: B4
#[tokio::test]
async fn one_that_is_caught_and_sent_again_takes_no_place_of_those_that_bring_news() {
    let service = Service::letting_in(1).await;
    let caught = signed(SECRET, "msg_0", now(), BODY);
    let mut again = Vec::new();
    for _ in 0..15 {
        again.push(service.push(RAPID, &caught, BODY).await.0);
    }
    assert_eq!(again[..11], [StatusCode::OK; 11]);
    assert_eq!(again[14], StatusCode::TOO_MANY_REQUESTS);
    for id in 1..10 {
        assert_eq!(push(&service, SECRET, id).await, StatusCode::OK, "{id}");
    }
    assert_eq!(service.stored().await, 10);
}

/// Row: B4
#[tokio::test]
async fn what_nobody_of_ours_signed_is_refused_without_a_database() {
    let test = TestService::new("supplier_callback", &MIGRATOR).await;
    let way = Proxy::to(&Database::server()).await;
    let url = test.database.service_url_by(way.address());
    let service = Service::start_on(test, url.expose_secret()).await;
    way.down();
    assert_eq!(push(&service, OTHER_SECRET, 1).await, StatusCode::UNAUTHORIZED);
    assert_eq!(push(&service, SECRET, 1).await, StatusCode::SERVICE_UNAVAILABLE);
    way.up();
}

/// Row: B4
#[tokio::test]
async fn what_was_not_believed_is_kept_as_a_digest_and_only_so_many_in_an_hour() {
    let service = Service::start().await;
    assert_eq!(push(&service, OTHER_SECRET, 0).await, StatusCode::UNAUTHORIZED);
    let stale = signed(SECRET, "msg_old", now() - 310, BODY);
    assert_eq!(service.push(RAPID, &stale, BODY).await.0, StatusCode::UNAUTHORIZED);
    let kept = service.not_believed().await;
    let why: Vec<_> = kept.iter().map(|(whose, why, _)| (whose.as_str(), why.as_str())).collect();
    assert_eq!(why, [("rapid", "signature"), ("rapid", "stale")]);
    assert!(kept[0].2.len() == 32 && kept[0].2 == kept[1].2, "one body, one digest");

    for id in 1..150 {
        assert_eq!(push(&service, OTHER_SECRET, id).await, StatusCode::UNAUTHORIZED);
    }
    assert_eq!(service.not_believed().await.len(), 100);
    assert_eq!(service.stored().await, 0);
    let (_, told) = service.get("/internal/attention", "internal").await;
    assert_eq!(told["items"].as_array().unwrap().len(), 1, "{told}");
    assert_eq!(told["items"][0]["kind"], "callback");
}

/// Row: B4
#[tokio::test]
async fn every_odd_push_of_every_supplier_is_refused_and_kept_with_its_reason_and_none_is_said() {
    let secrets = PUSHERS.map(|supplier| (supplier, vec![pushes::secret(supplier).into()]));
    let service = Service::of_all(secrets.into()).await;
    let (mut refused, mut hints) = (Vec::new(), 0);
    for supplier in PUSHERS {
        let path = format!("/v1/callbacks/{supplier}");
        for (name, push) in pushes::odd(supplier, now()) {
            match service.push_raw(&path, &push).await {
                StatusCode::UNAUTHORIZED => {
                    refused.push((supplier.word().to_owned(), Sha256::digest(&push.body).to_vec()));
                }
                // It is read by nobody.
                StatusCode::PAYLOAD_TOO_LARGE => assert_eq!(name, "body huge", "{supplier}"),
                // Only who sends is signed there: a hint to look, and no more.
                StatusCode::OK if supplier == Supplier::Etg && name.starts_with("body") => {
                    hints += 1;
                }
                other => panic!("{supplier} {name}: {other}"),
            }
        }
    }
    assert!(refused.len() >= 100, "{}", refused.len());
    let kept = service.not_believed().await;
    let whose = kept.iter().map(|(whose, _, digest)| (whose.clone(), digest.clone()));
    assert_eq!(whose.collect::<Vec<_>>(), refused);
    for supplier in PUSHERS {
        let of = kept.iter().filter(|(whose, _, _)| *whose == supplier.word());
        let whys: BTreeSet<&str> = of.map(|(_, why, _)| why.as_str()).collect();
        assert_eq!(Vec::from_iter(whys), ["future", "header", "signature", "stale"], "{supplier}");
    }
    // All of them have one id.
    assert!(hints > 1);
    let said = service.heard().await;
    assert_eq!((said.supplier, said.claim), (Supplier::Etg, None));
    assert_eq!(service.stored().await, 1);
    service.is_silent().await;
}

/// Row: B6
#[tokio::test]
async fn a_stored_callback_is_taken_again_and_said_once_more_under_its_id() {
    let service = Service::start().await;
    assert_eq!(push(&service, SECRET, 1).await, StatusCode::OK);
    let first = service.heard().await;
    let id = first.callback_id.to_string();
    assert_eq!(service.again(&id).await, StatusCode::ACCEPTED);
    assert_eq!(service.heard().await, first);
    assert_eq!(service.again(&uuid::Uuid::nil().to_string()).await, StatusCode::NOT_FOUND);
    assert_eq!(service.stored().await, 1);
    service.is_silent().await;
}
