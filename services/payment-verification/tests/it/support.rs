//! What support asks: a booking's money as a timeline, and whose a reference is.

use std::time::Duration;

use contracts::{
    internal::{AttentionKind, AttentionReply, FindReply, TimelineKind, TimelineReply},
    messages::PaymentRefund,
};
use secrecy::ExposeSecret as _;
use serde::de::DeserializeOwned;
use tower::ServiceExt as _;
use uuid::Uuid;

use crate::rig::{Heard, Rig, milli_ether, refund_message};

async fn ask<T: DeserializeOwned>(rig: &Rig, path: &str) -> T {
    let router = payment_verification::http::router(&rig.config, rig.app.clone()).unwrap();
    let token = rig.signer.token("support-console", &[], "internal", Duration::from_secs(60));
    let bearer = format!("Bearer {}", token.unwrap().expose_secret());
    let request = http::Request::get(path).header("authorization", bearer);
    let answer = router.oneshot(request.body(axum::body::Body::empty()).unwrap()).await.unwrap();
    assert_eq!(answer.status(), 200, "{path}");
    let body = axum::body::to_bytes(answer.into_body(), 1 << 20).await.unwrap();
    serde_json::from_slice(&body).unwrap()
}

/// Row: G1
#[tokio::test(flavor = "multi_thread")]
async fn support_sees_a_bookings_money_and_finds_it_by_every_reference() {
    let rig = Rig::new().await;
    let asked = rig.prepare(milli_ether(30)).await;
    let transaction = rig.pay(&asked.address, milli_ether(30)).await;
    rig.anvil.mine(2).await;
    rig.watch().await;
    rig.settled(asked.payment_id).await;
    let wallet = format!("0x{:040x}", Uuid::new_v4().as_u128());
    let refund_id = Uuid::now_v7();
    let to = Some(wallet.clone());
    rig.say(&PaymentRefund { to, ..refund_message(&asked, refund_id, milli_ether(30)) }).await;
    rig.hear(asked.payment_id, |heard| matches!(heard, Heard::Refund(_)).then_some(())).await;

    let path = format!("/internal/timeline/{}", asked.booking_id);
    let told: TimelineReply = ask(&rig, &path).await;
    assert_eq!(told.owner, "payment-verification");
    let what: Vec<_> = told.entries.iter().map(|e| (e.kind, e.what.as_str())).collect();
    let amount = milli_ether(30);
    let (moved, settled, back) = (
        format!("finalised: received -{amount} eth, customer {amount} eth"),
        format!("settled: customer -{amount} eth, price {amount} eth"),
        format!(
            "refund granted: price -{amount} eth, customer {amount} eth, customer -{amount} eth, \
             refund_granted {amount} eth"
        ),
    );
    use TimelineKind::{Ledger, Payment};
    assert_eq!(
        what,
        [
            (Payment, "prepared"),
            (Payment, "transfer seen"),
            (Payment, "seen changed"),
            (Payment, "finalised"),
            (Ledger, moved.as_str()),
            (Payment, "settled"),
            (Ledger, settled.as_str()),
            (Payment, "refund granted"),
            (Ledger, back.as_str()),
        ]
    );
    assert!(told.entries.is_sorted_by_key(|entry| entry.at));
    let seen = &told.entries[1];
    assert_eq!(seen.reference.as_deref(), Some(transaction.as_str()));
    // What was asked has the message that asked, and what the chain shows has none.
    let messages: Vec<_> = told.entries.iter().map(|entry| entry.message_id).collect();
    assert!(
        messages[0].is_some()
            && messages[7].is_some()
            && messages[1..7].iter().all(Option::is_none)
    );
    assert_eq!(seen.actor, "chain:eip155:31337");
    assert!(seen.partner_at.is_some());
    let text = serde_json::to_string(&told).unwrap().to_lowercase();
    assert!(!text.contains(&wallet) && !text.contains(&asked.address.to_lowercase()), "{text}");
    let nobodys = format!("/internal/timeline/{}", Uuid::now_v7());
    assert_eq!(ask::<TimelineReply>(&rig, &nobodys).await.entries, []);

    for (key, by) in [
        (asked.booking_id.to_string(), "booking"),
        (asked.payment_id.to_string(), "payment"),
        (refund_id.to_string(), "refund"),
        (messages[0].unwrap().to_string(), "message"),
        (messages[7].unwrap().to_string(), "message"),
        (asked.address.clone(), "address"),
        (asked.address.to_lowercase(), "address"),
        (wallet, "refund_address"),
        (transaction.to_uppercase().replace("0X", "0x"), "transaction"),
    ] {
        let reply: FindReply = ask(&rig, &format!("/internal/find?key={key}")).await;
        let found: Vec<_> = reply.found.iter().map(|f| (f.booking_id, f.by.as_str())).collect();
        assert_eq!(found, [(asked.booking_id, by)], "{key}");
    }
    for nobodys in [Uuid::now_v7().to_string(), format!("0x{}", "9".repeat(64)), "ada".to_owned()] {
        let reply: FindReply = ask(&rig, &format!("/internal/find?key={nobodys}")).await;
        assert_eq!(reply.found, []);
    }
    rig.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn attention_is_asked_for_late_refunds_for_those_to_let_go_and_for_the_newest_cases() {
    let rig = Rig::new().await;
    let asked = rig.prepare(milli_ether(30)).await;
    let (payment, booking) = (asked.payment_id, asked.booking_id);
    // Each of a payment of its own, and how many hours ago it got its address.
    let late = "insert into refund (refund_id, payment_id, booking_id, units, state, granted_at,
             addressed_at, chain, asset, confirmations)
         select gen_random_uuid(), md5(r.payment)::uuid, $1, r.units, r.state,
             holdfast_now() - make_interval(hours => r.granted),
             holdfast_now() - make_interval(hours => r.addressed), 'eip155:31337', 'eth', 2
         from (values ('waits', 5, 'granted', 90, null), ('young', 5, 'sent', 90, 23),
             ('arrived', 5, 'confirmed', 90, 90), ('late', 5, 'granted', 90, 25),
             ('later', 5, 'sent', 90, 30), ('failed', 5, 'failed', 90, 40),
             ('made up for', 5, 'failed', 90, 80), ('made up for', 5, 'sent', 20, 20),
             ('in part', 5, 'failed', 90, 50), ('in part', 4, 'confirmed', 40, 40))
             as r (payment, units, state, granted, addressed)";
    sqlx::query(late).bind(booking.0).execute(&rig.pool).await.unwrap();
    let cases = "insert into payment_case (case_id, reason, subject, payment_id, booking_id,
             opened_at, closed_at)
         select gen_random_uuid(), 'look_alike_token', n::text, $1, $2,
             holdfast_now() - make_interval(mins => n), case when n = 7 then holdfast_now() end
         from generate_series(1, 120) as n";
    sqlx::query(cases).bind(payment.0).bind(booking.0).execute(&rig.pool).await.unwrap();

    // Those that wait for a person are no fewer for all those that are late.
    let many = "insert into refund (refund_id, payment_id, booking_id, units, state, granted_at,
             addressed_at, chain, asset, confirmations, approval)
         select gen_random_uuid(), gen_random_uuid(), $1, 5, 'granted',
             holdfast_now() - make_interval(mins => n), null, 'eip155:31337', 'eth', 2, 'waits'
         from generate_series(1, 130) as n";
    sqlx::query(many).bind(booking.0).execute(&rig.pool).await.unwrap();

    let told: AttentionReply = ask(&rig, "/internal/attention").await;
    let of = |kind| told.items.iter().filter(|item| item.kind == kind).collect::<Vec<_>>();
    let (refunds, cases) = (of(AttentionKind::Refund), of(AttentionKind::Case));
    let waiting = of(AttentionKind::Approval);
    assert!(told.items.is_sorted_by_key(|item| item.kind), "refunds come first");
    assert_eq!(waiting.len(), 100);
    assert!(waiting.is_sorted_by_key(|item| item.since));
    let what: Vec<_> = refunds.iter().map(|item| item.what.as_str()).collect();
    let (failed, sent) = ("a refund is failed", "a refund is sent");
    assert_eq!(what, [failed, failed, sent, "a refund is granted"]);
    assert!(refunds.is_sorted_by_key(|item| item.since));
    assert!(cases.is_sorted_by_key(|item| std::cmp::Reverse(item.since)));
    // Rows are stamped one after the other, within a moment.
    let span = cases[0].since - cases.last().unwrap().since + chrono::TimeDelta::seconds(30);
    assert_eq!((cases.len(), span.num_minutes()), (100, 100), "the closed one is not told");
    let counts = [(AttentionKind::Approval, 130), (AttentionKind::Case, 119)];
    assert_eq!(told.counts.into_iter().collect::<Vec<_>>(), counts, "all late ones are told");
    assert!(told.more);
    rig.end().await;
}
