//! When a payment is called unpaid: after everything that came in time was read, and not before.

use chrono::TimeDelta;
use contracts::{
    ids::PaymentId,
    messages::{CloseBecause, Closing},
};
use serde_json::json;

use crate::{
    front::Manner,
    rig::{Asked, Heard, Rig, close_because, milli_ether, text, units},
};

/// From the asking to the deadline.
const WINDOW_S: i64 = 20 * 60;
/// How long after the deadline money still counts.
const GRACE_S: i64 = 10 * 60;

fn closing(heard: &Heard) -> Option<Closing> {
    match heard {
        Heard::Closed(closed) => Some(closed.closing),
        _ => None,
    }
}

/// How the payment was closed, if it was.
fn closed(rig: &Rig, payment: PaymentId) -> Option<Closing> {
    rig.said(payment).iter().find_map(closing)
}

/// The deadline passed by everybody's clock, and booking asks.
async fn asks_whether_paid(rig: &Rig, asked: &Asked) {
    rig.say(&close_because(asked, CloseBecause::NotPaid)).await;
    rig.until_journal(asked.payment_id, "close_asked").await;
}

async fn is_open(rig: &Rig, asked: &Asked) -> bool {
    !rig.journal(asked.payment_id).await.iter().any(|kind| kind == "closed")
}

/// Row: C9
/// Row: C12
#[tokio::test(flavor = "multi_thread")]
async fn money_mined_in_time_is_found_although_the_node_was_away_for_an_hour_over_the_deadline() {
    let rig = Rig::new().await;
    let (paid, unpaid) = (rig.prepare(milli_ether(80)).await, rig.prepare(milli_ether(80)).await);
    rig.watch().await;
    rig.front.behave(Manner { down: true, ..Manner::default() });
    rig.pay(&paid.address, milli_ether(80)).await;
    rig.mine_after(3_600).await;
    rig.anvil.mine(2).await;
    rig.service.database.offset_clock(TimeDelta::hours(1)).await;
    for asked in [&paid, &unpaid] {
        asks_whether_paid(&rig, asked).await;
    }
    for _look in 0..3 {
        rig.watcher.step().await.unwrap_err();
    }
    assert!(is_open(&rig, &paid).await && is_open(&rig, &unpaid).await, "nobody could know");

    rig.front.behave(Manner::default());
    rig.watch().await;
    let settled = units(milli_ether(80));
    assert_eq!(rig.settled(paid.payment_id).await.received, settled);
    let answer = rig.hear(paid.payment_id, closing).await;
    assert_eq!(answer, Closing::AlreadySettled { settled });
    let nothing = Closing::Closed { received: units(0), settled: units(0) };
    assert_eq!(rig.hear(unpaid.payment_id, closing).await, nothing);
    rig.end().await;
}

/// Row: C9
#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_cannot_give_many_blocks_at_once_is_asked_for_fewer() {
    let rig = Rig::new().await;
    let asked = rig.prepare(milli_ether(80)).await;
    rig.watch().await;
    rig.front.behave(Manner { blocks_max: Some(1), ..Manner::default() });
    rig.anvil.mine(40).await;
    rig.pay(&asked.address, milli_ether(80)).await;
    rig.anvil.mine(2).await;
    // Sixteen, eight, four and two are too many.
    for _refused in 0..4 {
        rig.watcher.step().await.unwrap_err();
    }
    rig.watcher.step().await.unwrap();
    let mut settled = false;
    for _step in 0..200 {
        drop(rig.watcher.step().await);
        let journal = rig.journal(asked.payment_id).await;
        settled = journal.iter().any(|kind| kind == "settled");
        if settled {
            break;
        }
    }
    assert!(settled, "{:?}", rig.journal(asked.payment_id).await);
    rig.end().await;
}

/// Row: C9
#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_stands_still_proves_no_absence() {
    let rig = Rig::new().await;
    let asked = rig.prepare(milli_ether(80)).await;
    // A last block past the deadline and its grace; then the node stalls, and an hour goes by.
    rig.mine_after(WINDOW_S + GRACE_S + 60).await;
    rig.service.database.offset_clock(TimeDelta::hours(2)).await;
    asks_whether_paid(&rig, &asked).await;
    rig.watch().await;
    rig.watch().await;
    assert!(is_open(&rig, &asked).await, "its newest block is an hour and a half old");

    rig.mine_after(3_600).await;
    rig.watch().await;
    assert!(is_open(&rig, &asked).await, "and so is this one, by half an hour");
    rig.mine_after(30 * 60).await;
    rig.watch().await;
    let nothing = Closing::Closed { received: units(0), settled: units(0) };
    assert_eq!(rig.hear(asked.payment_id, closing).await, nothing);
    rig.end().await;
}

/// Row: C9
#[tokio::test(flavor = "multi_thread")]
async fn silence_is_believed_only_after_a_block_past_the_deadline_and_its_grace() {
    let rig = Rig::new().await;
    let (never, late) = (rig.prepare(milli_ether(10)).await, rig.prepare(milli_ether(10)).await);
    for asked in [&never, &late] {
        asks_whether_paid(&rig, asked).await;
    }
    rig.mine_after(WINDOW_S + 10).await;
    rig.watch().await;
    rig.mine_after(GRACE_S - 60).await;
    rig.watch().await;
    assert!(is_open(&rig, &never).await, "within the grace");
    // Not deep when the grace is over, and in time all the same.
    rig.pay(&late.address, milli_ether(10)).await;
    rig.watch().await;
    rig.mine_after(120).await;
    rig.watch().await;
    let nothing = Closing::Closed { received: units(0), settled: units(0) };
    assert_eq!(rig.hear(never.payment_id, closing).await, nothing);
    assert!(is_open(&rig, &late).await, "money that was in time is given its depth");
    rig.mine_after(1).await;
    rig.watch().await;
    let settled = units(milli_ether(10));
    let answer = rig.hear(late.payment_id, closing).await;
    assert_eq!(answer, Closing::AlreadySettled { settled });
    rig.end().await;
}

/// Asked for while nothing comes: an answer needs no further block when one of that time was read.
#[tokio::test(flavor = "multi_thread")]
async fn a_closing_that_is_asked_late_is_answered_by_the_block_that_is_there() {
    let rig = Rig::new().await;
    let asked = rig.prepare(milli_ether(10)).await;
    rig.mine_after(WINDOW_S + GRACE_S + 10).await;
    rig.watch().await;
    asks_whether_paid(&rig, &asked).await;
    rig.watch().await;
    let nothing = Closing::Closed { received: units(0), settled: units(0) };
    assert_eq!(rig.hear(asked.payment_id, closing).await, nothing);
    let waiting = "select count(*) from payment where close_after is not null";
    assert_eq!(rig.ask_database(waiting).await, "0");
    rig.end().await;
}

/// Row: C4
#[tokio::test(flavor = "multi_thread")]
async fn money_in_time_whose_block_left_pays_when_it_is_mined_again_within_the_grace() {
    let amount = milli_ether(70);
    for (comes_after_s, pays) in [(8 * 60, true), (11 * 60, false)] {
        let rig = Rig::new().await;
        let asked = rig.prepare(amount).await;
        // Just before the deadline and its grace are over.
        let almost = WINDOW_S + GRACE_S - 60;
        rig.service.database.offset_clock(TimeDelta::seconds(almost)).await;
        rig.mine_after(almost).await;
        let transaction = rig.pay(&asked.address, amount).await;
        let raw = rig.anvil.rpc("eth_getRawTransactionByHash", json!([transaction])).await;
        rig.watch().await;
        rig.hear(asked.payment_id, |heard| match heard {
            Heard::Seen(seen) if seen.complete => Some(()),
            _ => None,
        })
        .await;
        asks_whether_paid(&rig, &asked).await;

        rig.anvil.reorg(1).await;
        rig.watch().await;
        rig.hear(asked.payment_id, |heard| match heard {
            Heard::Seen(seen) if seen.received.is_zero() && !seen.complete => Some(()),
            _ => None,
        })
        .await;
        rig.mine_after(4 * 60).await;
        rig.watch().await;
        assert!(is_open(&rig, &asked).await, "past the grace of the deadline, not of the reorg");
        assert_eq!(rig.ask_database("select count(*) from ledger_entry").await, "0");

        rig.service.database.offset_clock(TimeDelta::seconds(almost + comes_after_s)).await;
        rig.anvil.rpc("evm_increaseTime", json!([comes_after_s - 4 * 60])).await;
        rig.anvil.rpc("eth_sendRawTransaction", json!([text(&raw)])).await;
        rig.anvil.mine(3).await;
        rig.watch().await;
        let received = units(amount);
        let answer = rig.hear(asked.payment_id, closing).await;
        if pays {
            assert_eq!(answer, Closing::AlreadySettled { settled: received });
        } else {
            let Closing::Closed { .. } = answer else { panic!("{answer:?}") };
            let due = "select sum(units) from ledger_entry where account = 'refund_due'";
            assert_eq!(rig.ask_database(due).await, amount.to_string());
        }
        rig.end().await;
    }
}

/// Row: C2
/// Row: C11
#[tokio::test(flavor = "multi_thread")]
async fn too_little_is_told_topped_up_or_due_back_and_dust_is_forgiven() {
    let rig = Rig::new().await;
    let [topped, short, dusty] = [
        rig.prepare_in("usdc", 6, 9_000_000).await,
        rig.prepare_in("usdc", 6, 9_000_000).await,
        rig.prepare_in("usdc", 6, 9_000_000).await,
    ];
    rig.pay_token(0, &topped.address, 5_000_000).await;
    rig.pay_token(0, &short.address, 8_999_997).await;
    rig.pay_token(0, &dusty.address, 8_999_998).await;
    rig.watch().await;
    for (asked, received, complete) in
        [(&topped, 5_000_000, false), (&short, 8_999_997, false), (&dusty, 8_999_998, true)]
    {
        let seen = |heard: &Heard| match heard {
            Heard::Seen(seen) => Some((seen.received, seen.complete)),
            _ => None,
        };
        // What is left to pay can be told from that.
        assert_eq!(rig.hear(asked.payment_id, seen).await, (units(received), complete));
    }
    rig.pay_token(1, &topped.address, 4_000_000).await;
    for asked in [&topped, &short, &dusty] {
        asks_whether_paid(&rig, asked).await;
    }
    rig.mine_after(WINDOW_S + GRACE_S + 10).await;
    rig.watch().await;
    for (asked, received) in [(&topped, 9_000_000), (&dusty, 8_999_998)] {
        let settled = rig.settled(asked.payment_id).await;
        assert_eq!((settled.received, settled.complete), (units(received), true));
    }
    let part = units(8_999_997);
    let answer = rig.hear(short.payment_id, closing).await;
    assert_eq!(answer, Closing::Closed { received: part, settled: part });
    let balance = |asked: &Asked, account: &str| {
        let (rig, payment) = (&rig, asked.payment_id);
        let query = format!(
            "select coalesce(sum(units), 0) from ledger_entry
             where payment_id = '{payment}' and account = '{account}'"
        );
        async move { rig.ask_database(&query).await }
    };
    assert_eq!(balance(&short, "refund_due").await, "8999997");
    assert_eq!(balance(&dusty, "price").await, "9000000");
    assert_eq!(balance(&dusty, "dust").await, "-2");
    for asked in [&topped, &short, &dusty] {
        assert_eq!(balance(asked, "customer").await, "0");
    }
    rig.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_booking_that_is_undone_waits_for_one_block_and_for_none_where_nothing_was_shown() {
    let rig = Rig::new().await;
    let (shown, unseen) = (rig.prepare(milli_ether(10)).await, rig.prepare(milli_ether(10)).await);
    rig.watch().await;
    rig.say(&close_because(&unseen, CloseBecause::NeverShown)).await;
    let nothing = Closing::Closed { received: units(0), settled: units(0) };
    assert_eq!(rig.hear(unseen.payment_id, closing).await, nothing, "no block was needed");

    rig.pay(&shown.address, milli_ether(10)).await;
    rig.say(&close_because(&shown, CloseBecause::Undone)).await;
    rig.until_journal(shown.payment_id, "close_asked").await;
    assert_eq!(closed(&rig, shown.payment_id), None);
    rig.mine_after(5).await;
    rig.watch().await;
    let received = units(milli_ether(10));
    let answer = rig.hear(shown.payment_id, closing).await;
    assert_eq!(answer, Closing::Closed { received, settled: units(0) }, "it is known by then");
    rig.end().await;
}
