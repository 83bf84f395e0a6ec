//! What booking asks: prepared, closed, refunded; twice, and in the wrong order.

use std::collections::BTreeSet;

use bitcoin::{bip32::ChildNumber, secp256k1::Secp256k1};
use chassis::trace::TraceContext;
use contracts::messages::{Closing, PaymentClosed, RefundState};
use sqlx::AssertSqlSafe;
use uuid::Uuid;

use crate::rig::{
    Asked, CHAIN, Heard, Rig, close_message, milli_ether, prepare_message, refund_message, units,
};

fn closed(heard: &Heard) -> Option<PaymentClosed> {
    match heard {
        Heard::Closed(closed) => Some(closed.clone()),
        _ => None,
    }
}

/// Row: J5
/// Row: S14
#[tokio::test(flavor = "multi_thread")]
async fn what_to_pay_is_signed_and_its_address_is_a_child_of_the_public_key() {
    let rig = Rig::new().await;
    let message = prepare_message("eth", 18, milli_ether(100));
    rig.say(&message).await;
    let asked = rig.prepared(&message).await;
    let Some(Heard::Prepared(prepared)) = rig.said(asked.payment_id).pop() else { panic!() };

    let signed = &prepared.instruction;
    let bytes = signed.instruction.signed_bytes().unwrap();
    rig.instruction_key.verify_text(&bytes, &signed.signature).unwrap();
    let mut other = signed.instruction.clone();
    other.address = "0x00000000000000000000000000000000000000aa".to_owned();
    let bytes = other.signed_bytes().unwrap();
    assert!(rig.instruction_key.verify_text(&bytes, &signed.signature).is_err());

    let told = &signed.instruction;
    assert_eq!((told.chain.as_str(), told.contract.as_ref()), (CHAIN, None));
    assert_eq!((&told.amount, told.pay_by), (&message.amount, message.pay_by));
    assert_eq!((told.booking_id, told.confirmations), (message.booking_id, 3));

    // Only the holder of the private half, which this service was never given, can spend from the
    // address.
    let index = "select derivation_index from address";
    let index: u32 = rig.ask_database(index).await.parse().unwrap();
    let path = [0, index].map(|index| ChildNumber::Normal { index });
    let key = rig.private.derive_priv(&Secp256k1::new(), &path).unwrap();
    let key = key.to_keypair(&Secp256k1::new()).public_key().serialize_uncompressed();
    let address = alloy_primitives::Address::from_raw_public_key(&key[1..]);
    assert_eq!(told.address, address.to_checksum(None));
    rig.end().await;
}

/// Row: S14
#[tokio::test(flavor = "multi_thread")]
async fn every_request_has_an_address_of_its_own_at_a_place_that_is_used_once() {
    let rig = Rig::new().await;
    let messages: Vec<_> = (0..12).map(|_| prepare_message("eth", 18, milli_ether(5))).collect();
    for message in messages.iter().chain(&messages) {
        rig.say(message).await;
    }
    let mut addresses = BTreeSet::new();
    for message in &messages {
        addresses.insert(rig.prepared(message).await.address);
    }
    assert_eq!(addresses.len(), messages.len());
    let kept = "select count(distinct derivation_index) || ' ' || count(distinct payment_id)
        || ' ' || count(distinct address_key) || ' ' || count(*) from address";
    assert_eq!(rig.ask_database(kept).await, "12 12 12 12");

    // Whoever writes it: a place, an address or a request is not there twice.
    for (columns, refused) in [
        ("'\\x01', address, derivation_index, gen_random_uuid()", "address_index_once"),
        ("'\\x01', address, 2147483647, payment_id", "address_of_one_payment"),
        ("address_key, address, 2147483647, gen_random_uuid()", "address_pk"),
    ] {
        let insert = format!(
            "insert into address (address_key, address, derivation_index, payment_id, given_at)
             select {columns}, now() from address limit 1"
        );
        let told = sqlx::query(AssertSqlSafe(insert)).execute(&rig.pool).await.unwrap_err();
        assert!(told.to_string().contains(refused), "{told}");
    }
    rig.end().await;
}

/// Row: F2
#[tokio::test(flavor = "multi_thread")]
async fn a_closing_that_overtakes_its_request_leaves_nothing_to_pay() {
    let rig = Rig::new().await;
    let message = prepare_message("eth", 18, milli_ether(100));
    let asked = Asked {
        booking_id: message.booking_id,
        payment_id: message.payment_id,
        address: String::new(),
    };
    rig.say(&close_message(&asked)).await;
    let first = rig.hear(asked.payment_id, closed).await;
    let nothing = Closing::Closed { received: units(0), settled: units(0) };
    assert_eq!(first.closing, nothing);

    rig.say(&message).await;
    let again = rig
        .hear(asked.payment_id, |heard| closed(heard).filter(|closed| closed.seq > first.seq))
        .await;
    assert_eq!(again.closing, nothing, "the same answer");
    assert_eq!(rig.journal(asked.payment_id).await, ["closed", "refused"]);
    assert_eq!(rig.ask_database("select count(*) from address").await, "0");
    assert!(!rig.said(asked.payment_id).iter().any(|heard| matches!(heard, Heard::Prepared(_))));
    rig.end().await;
}

/// Row: F2
#[tokio::test(flavor = "multi_thread")]
async fn everything_heard_twice_leaves_the_same_database() {
    let rig = Rig::new().await;
    let prepare = prepare_message("eth", 18, milli_ether(60));
    let ids: Vec<_> = (0..4).map(|_| Uuid::now_v7()).collect();
    rig.say_in(ids[0], &prepare, None).await;
    let asked = rig.prepared(&prepare).await;
    rig.pay(&asked.address, milli_ether(61)).await;
    rig.anvil.mine(2).await;
    rig.watch().await;
    rig.settled(asked.payment_id).await;
    let close = close_message(&asked);
    let refund = refund_message(&asked, Uuid::now_v7(), milli_ether(61));
    rig.say_in(ids[1], &close, None).await;
    let answer = rig.hear(asked.payment_id, closed).await;
    assert_eq!(answer.closing, Closing::AlreadySettled { settled: units(milli_ether(61)) });
    rig.say_in(ids[2], &refund, None).await;
    rig.hear(asked.payment_id, |heard| matches!(heard, Heard::Refund(_)).then_some(())).await;
    let marker = prepare_message("eth", 18, 1);
    rig.say_in(ids[3], &marker, None).await;
    rig.prepared(&marker).await;

    let before = rig.everything().await;
    let said = rig.said(asked.payment_id);
    // The log once more, and in another order; then the same commands under other ids, as if
    // booking had asked again.
    for round in 0..3 {
        let again = |n: usize| if round < 2 { ids[n] } else { Uuid::now_v7() };
        rig.say_in(again(2), &refund, None).await;
        rig.say_in(again(1), &close, None).await;
        rig.say_in(again(0), &prepare, None).await;
        rig.say_in(again(3), &marker, None).await;
    }
    let wanted =
        "select count(*) from inbox where consumer = 'payment-verification' and state = 'done'";
    testkit::until("everything to be handled", async || {
        (rig.ask_database(wanted).await == "8").then_some(())
    })
    .await;
    assert_eq!(rig.everything().await, before);
    assert_eq!(rig.said(asked.payment_id), said, "nothing is said twice");
    rig.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refund_is_granted_once_out_of_final_money() {
    let rig = Rig::new().await;
    let asked = rig.prepare(milli_ether(30)).await;
    rig.say(&close_message(&asked)).await;
    rig.until_journal(asked.payment_id, "close_asked").await;
    rig.mine_after(5).await;
    rig.watch().await;
    rig.hear(asked.payment_id, closed).await;
    rig.pay(&asked.address, milli_ether(30)).await;
    rig.watch().await;
    let too_early = refund_message(&asked, Uuid::now_v7(), milli_ether(30));
    rig.say(&too_early).await;
    testkit::until("the refusal", async || {
        let journal = rig.journal(asked.payment_id).await;
        journal.iter().any(|kind| kind == "refund_refused").then_some(())
    })
    .await;
    assert_eq!(rig.ask_database("select count(*) from refund").await, "0");

    rig.anvil.mine(2).await;
    rig.watch().await;
    assert_eq!(rig.settled(asked.payment_id).await.received, units(milli_ether(30)));
    let refund = refund_message(&asked, Uuid::now_v7(), milli_ether(30));
    rig.say(&refund).await;
    rig.say(&refund).await;
    let granted = rig
        .hear(asked.payment_id, |heard| match heard {
            Heard::Refund(refund) if refund.state == RefundState::Granted => Some(refund.clone()),
            _ => None,
        })
        .await;
    assert_eq!((granted.refund_id, granted.units), (refund.refund_id, refund.units));
    let rows = "select string_agg(state || ' ' || units || ' ' || address, ', ') from refund";
    let to = refund.to.unwrap();
    assert_eq!(rig.ask_database(rows).await, format!("granted {} {to}", milli_ether(30)));
    rig.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_seen_later_is_part_of_the_trace_that_asked() {
    let rig = Rig::new().await;
    let trace_id = format!("{:032x}", Uuid::now_v7().as_u128());
    let traceparent = format!("00-{trace_id}-00f067aa0ba902b7-01");
    let message = prepare_message("eth", 18, milli_ether(20));
    let trace = TraceContext { traceparent, tracestate: None };
    rig.say_in(Uuid::now_v7(), &message, Some(trace)).await;
    let asked = rig.prepared(&message).await;
    rig.pay(&asked.address, milli_ether(20)).await;
    rig.anvil.mine(2).await;
    rig.watch().await;
    rig.settled(asked.payment_id).await;
    let spans = rig.service.logs.spans();
    let of_trace: Vec<_> = spans
        .iter()
        .filter(|span| span.span_context.trace_id().to_string() == trace_id)
        .map(|span| span.name.to_string())
        .collect();
    for name in ["see transfer", "see depth"] {
        assert!(of_trace.iter().any(|span| span == name), "{name} in {of_trace:?}");
    }
    rig.end().await;
}
