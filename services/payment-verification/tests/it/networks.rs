//! Two networks of one family at once: an address is the same on both, and a payment is of one.

use testkit::Anvil;

use crate::{
    cases::cases,
    finality::{pay, watch},
    rig::{Rig, milli_ether, units},
};

const OTHER: &str = "eip155:31338";

/// Row: C8
/// Row: S13
#[tokio::test(flavor = "multi_thread")]
async fn two_networks_are_paid_at_once_and_money_on_the_wrong_one_is_a_case() {
    let other = Anvil::of_chain(31_338);
    let rig = Rig::beside(&[format!("{OTHER}={}", other.url())]).await;
    let elsewhere = rig.watcher_of(OTHER);
    let here = rig.prepare(milli_ether(10)).await;
    let there = rig.prepare_in("eth-final", 18, milli_ether(20)).await;
    let mine_and_watch = async || {
        rig.anvil.mine(4).await;
        other.mine(4).await;
        tokio::join!(rig.watch(), watch(&elsewhere));
    };

    // The right amount at the right address, each on the other's network.
    rig.pay(&there.address, milli_ether(20)).await;
    pay(&other, &here, milli_ether(10)).await;
    mine_and_watch().await;
    let mut told: Vec<_> = cases(&rig).await;
    told.sort_by_key(|case| case.units);
    let told = told.iter().map(|case| (case.payment_id, case.reason.as_str(), case.units));
    let expected = [
        (here.payment_id, "other_chain", Some(units(milli_ether(10)))),
        (there.payment_id, "other_chain", Some(units(milli_ether(20)))),
    ];
    assert_eq!(told.collect::<Vec<_>>(), expected);
    for asked in [&here, &there] {
        assert_eq!(rig.journal(asked.payment_id).await, ["prepared"], "nothing was credited");
    }

    rig.pay(&here.address, milli_ether(10)).await;
    pay(&other, &there, milli_ether(20)).await;
    mine_and_watch().await;
    for (asked, wei) in [(&here, 10), (&there, 20)] {
        let settled = rig.settled(asked.payment_id).await;
        assert_eq!((settled.received, settled.complete), (units(milli_ether(wei)), true));
    }
    assert_eq!(cases(&rig).await.len(), 2, "no other");
    rig.end().await;
}
