//! Money that is due back of one payment and pays another: both rows change in one transaction, and
//! nothing is sent.

use contracts::{
    instruction::place_of_payment,
    messages::{CloseBecause, PaymentRefund, RefundState},
};
use uuid::Uuid;

use crate::{
    approvals::read,
    refunds::{ledger, new_wallet, news, sent, state},
    rig::{Asked, Heard, Rig, close_because, milli_ether, refund_message},
};

/// A payment that was closed before it was paid, all the same.
async fn paid_too_late(rig: &Rig, units: u128) -> Asked {
    let asked = rig.prepare(units).await;
    rig.say(&close_because(&asked, CloseBecause::NeverShown)).await;
    rig.hear(asked.payment_id, |heard| matches!(heard, Heard::Closed(_)).then_some(())).await;
    rig.pay(&asked.address, units).await;
    rig.anvil.mine(2).await;
    rig.watch().await;
    rig.settled(asked.payment_id).await;
    asked
}

fn into(from: &Asked, other: &Asked, units: u128) -> PaymentRefund {
    let to = Some(place_of_payment(other.payment_id));
    PaymentRefund { to, ..refund_message(from, Uuid::now_v7(), units) }
}

/// Row: C3
/// Row: C11
#[tokio::test(flavor = "multi_thread")]
async fn money_after_the_end_pays_another_booking_once_or_goes_back_and_never_both() {
    let rig = Rig::new().await;
    let units = milli_ether(10);
    let from = paid_too_late(&rig, units).await;
    let other = rig.prepare(units).await;
    // Said three times, and all of it asked back to a wallet at the same instant.
    let (moved, wallet) = (into(&from, &other, units), Some(new_wallet()));
    let back = PaymentRefund { to: wallet, ..refund_message(&from, Uuid::now_v7(), units) };
    tokio::join!(rig.say(&moved), rig.say(&back), rig.say(&moved), rig.say(&moved));
    news(&rig, &from, RefundState::Failed).await;
    rig.until_journal(from.payment_id, "refund_granted").await;
    let granted = rig.journal(from.payment_id).await;
    assert_eq!(granted.iter().filter(|kind| *kind == "refund_granted").count(), 1, "{granted:?}");
    let won = granted.iter().any(|kind| kind == "refund_moved");
    let (of_from, of_other) = (ledger(&rig, &from).await, ledger(&rig, &other).await);
    let units = units.to_string();
    if won {
        rig.settled(other.payment_id).await;
        assert_eq!(state(&rig, moved.refund_id).await, "confirmed");
        assert_eq!(of_from["moved"], units);
        assert_eq!(of_other["moved"], format!("-{units}"));
        assert_eq!(of_other["price"], units);
        assert_eq!(sent(&rig, moved.refund_id).await, Vec::<String>::new(), "nothing leaves");
        let due = "select count(*) from refund where next_ask_at is not null";
        assert_eq!(rig.ask_database(due).await, "0", "the treasury is never asked");
    } else {
        assert_eq!(of_from["refund_granted"], units);
        assert!(of_other.is_empty(), "{of_other:?}");
    }
    rig.end().await;
}

/// Row: C3
#[tokio::test(flavor = "multi_thread")]
async fn what_moves_and_what_is_sent_besides_pay_one_booking_together() {
    let rig = Rig::new().await;
    let from = paid_too_late(&rig, milli_ether(6)).await;
    let other = rig.prepare(milli_ether(10)).await;
    let moved = into(&from, &other, milli_ether(6));
    rig.say(&moved).await;
    news(&rig, &from, RefundState::Confirmed).await;
    rig.pay(&other.address, milli_ether(4)).await;
    rig.anvil.mine(2).await;
    rig.watch().await;
    let settled = rig.settled(other.payment_id).await;
    assert!(settled.complete && settled.received.to_string() == milli_ether(10).to_string());
    assert_eq!(ledger(&rig, &other).await["price"], milli_ether(10).to_string());
    for (asked, what) in [(&from, "refund moved"), (&other, "moved in")] {
        let (_, told) = read(&rig, &format!("/internal/timeline/{}", asked.booking_id)).await;
        let mut entries = told["entries"].as_array().unwrap().iter();
        let moved = entries.find(|entry| entry["what"] == what).unwrap();
        assert_eq!(moved["actor"], "booking", "no chain saw it: {moved}");
    }
    // A payment that was paid takes no more: the money stays due.
    let late = paid_too_late(&rig, milli_ether(3)).await;
    rig.say(&into(&late, &other, milli_ether(3))).await;
    news(&rig, &late, RefundState::Failed).await;
    assert_eq!(ledger(&rig, &late).await["refund_due"], milli_ether(3).to_string());
    rig.end().await;
}

/// Row: C1
/// Row: C3
#[tokio::test(flavor = "multi_thread")]
async fn what_moves_lies_as_deep_as_the_price_that_it_is_to_pay_needs() {
    let rig = Rig::new().await;
    let from = paid_too_late(&rig, milli_ether(900)).await;
    // Amounts of more than one ether lie six deep.
    let other = rig.prepare(milli_ether(1_800)).await;
    rig.say(&into(&from, &other, milli_ether(900))).await;
    news(&rig, &from, RefundState::Failed).await;
    assert_eq!(ledger(&rig, &from).await["refund_due"], milli_ether(900).to_string());
    assert!(ledger(&rig, &other).await.is_empty());
    rig.anvil.mine(3).await;
    rig.watch().await;
    rig.say(&into(&from, &other, milli_ether(900))).await;
    news(&rig, &from, RefundState::Confirmed).await;
    assert_eq!(ledger(&rig, &other).await["moved"], format!("-{}", milli_ether(900)));
    rig.end().await;
}
