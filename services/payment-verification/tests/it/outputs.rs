//! A chain of the Bitcoin family, on a real node: outputs pay, at their depth, once, and only while
//! their block is canonical.

use contracts::{messages::CloseBecause, shown::waiting_key};
use messaging::Step;
use payment_verification::watcher::Watcher;
use serde_json::json;
use testkit::Litecoin;

use crate::{
    front::{Front, Manner},
    rig::{Asked, Heard, Rig, close_because, units},
};

/// One coin in its smallest unit.
pub(crate) const COIN: u128 = 100_000_000;

pub(crate) struct World {
    pub(crate) rig: Rig,
    pub(crate) node: Litecoin,
    watcher: Watcher,
}

impl World {
    pub(crate) async fn new() -> Self {
        let node = Litecoin::start().await;
        let rig = Rig::beside(&[format!("{}={}", Litecoin::CHAIN, node.url())]).await;
        let watcher = rig.watcher_of(Litecoin::CHAIN);
        Self { rig, node, watcher }
    }

    /// With two nodes that have to agree, in front of the one.
    pub(crate) async fn with_two_nodes() -> (Self, [Front; 2]) {
        let node = Litecoin::start().await;
        let fronts = [Front::before_node(node.url()).await, Front::before_node(node.url()).await];
        let others = fronts.each_ref().map(|front| format!("{}={}", Litecoin::CHAIN, front.url()));
        let rig = Rig::beside(&others).await;
        let watcher = rig.watcher_of(Litecoin::CHAIN);
        (Self { rig, node, watcher }, fronts)
    }

    async fn fails_with(&self, what: &str) {
        let error = self.watcher.step().await.unwrap_err();
        let told = chassis::chain(&error).to_string();
        assert!(told.contains(what), "{told} does not say {what:?}");
    }

    pub(crate) async fn watch(&self) {
        while let Step::Did(_) = self.watcher.step().await.unwrap() {}
    }

    pub(crate) async fn mine(&self, blocks: u64) {
        self.node.mine(blocks).await;
        self.watch().await;
    }

    async fn journal(&self, asked: &Asked) -> Vec<String> {
        self.rig.journal(asked.payment_id).await
    }

    /// What is shown to wait for a payment.
    async fn waits(&self, asked: &Asked) -> String {
        let shown = self.rig.redis_get(&waiting_key(&asked.payment_id.to_string())).await;
        shown["units"].as_str().unwrap_or("0").to_owned()
    }

    /// The sums that were said to be seen, in the order of their versions.
    fn sums(&self, asked: &Asked) -> Vec<String> {
        let said = self.rig.said(asked.payment_id).into_iter();
        let mut seen: Vec<_> = said
            .filter_map(|heard| match heard {
                Heard::Seen(seen) => Some((seen.seq, seen.received.to_string())),
                _ => None,
            })
            .collect();
        seen.sort();
        seen.into_iter().map(|(_, sum)| sum).collect()
    }

    /// Spends what a transaction that waits spends, to somebody else, for a higher fee.
    async fn double_spend(&self, transaction: &str) -> String {
        let raw = self.node.rpc("getrawtransaction", json!([transaction, true])).await;
        let spent: Vec<_> = raw["vin"]
            .as_array()
            .unwrap()
            .iter()
            .map(|input| json!({ "txid": input["txid"], "vout": input["vout"], "sequence": 0 }))
            .collect();
        let elsewhere = self.node.text("getnewaddress", json!(["", "bech32"])).await;
        let made =
            self.node.text("createrawtransaction", json!([spent, [{ elsewhere: "0.5" }]])).await;
        let signed = self.node.rpc("signrawtransactionwithwallet", json!([made])).await;
        // All that is not paid out is the fee; zero lifts the node's limit.
        self.node.text("sendrawtransaction", json!([signed["hex"], 0])).await
    }
}

/// Row: C1
/// Row: C7
#[tokio::test(flavor = "multi_thread")]
async fn outputs_pay_together_and_settle_at_the_depth_of_their_tier() {
    let world = World::new().await;
    let asked = world.rig.prepare_in("ltc", 8, 3 * COIN).await;
    assert!(asked.address.starts_with("rltc1q"), "{}", asked.address);
    let other = world.rig.prepare_in("ltc", 8, 6 * COIN).await;

    world.node.pay(&asked.address, "1.25").await;
    world.watch().await;
    assert_eq!(world.waits(&asked).await, "125000000", "it waits, and that is shown");
    assert_eq!(world.journal(&asked).await, ["prepared"], "and counts for nothing");
    let many = json!({ &asked.address: "1.75", &other.address: "6" });
    world.node.rpc("sendmany", json!(["", many])).await;
    world.mine(1).await;
    assert_eq!(world.waits(&asked).await, "0");
    assert!(!world.journal(&asked).await.contains(&"settled".to_owned()));
    world.mine(1).await;
    assert_eq!(world.rig.settled(asked.payment_id).await.received, units(3 * COIN));
    assert!(!world.journal(&other).await.contains(&"settled".to_owned()), "it must be deeper");
    world.mine(2).await;
    assert_eq!(world.rig.settled(other.payment_id).await.received, units(6 * COIN));
    let keys =
        "select count(distinct (transaction_hash, position)) || ' ' || count(*) from transfer";
    assert_eq!(world.rig.ask_database(keys).await, "3 3");
    world.rig.end().await;
}

/// Row: C2
/// Row: C6
#[tokio::test(flavor = "multi_thread")]
async fn two_requests_of_as_many_coins_get_only_their_own_and_what_is_short_is_topped_up() {
    let world = World::new().await;
    let first = world.rig.prepare_in("ltc", 8, 2 * COIN).await;
    let second = world.rig.prepare_in("ltc", 8, 2 * COIN).await;
    assert_ne!(first.address, second.address);

    world.node.pay(&second.address, "1.5").await;
    world.mine(4).await;
    let part = world.journal(&second).await;
    assert!(part.len() > 1 && !part.contains(&"settled".to_owned()), "{part:?}: it is short");
    world.node.pay(&second.address, "0.5").await;
    world.mine(4).await;
    assert_eq!(world.rig.settled(second.payment_id).await.received, units(2 * COIN));
    assert_eq!(world.journal(&first).await, ["prepared"]);

    world.node.pay(&first.address, "2").await;
    world.mine(4).await;
    assert_eq!(world.rig.settled(first.payment_id).await.received, units(2 * COIN));
    world.rig.end().await;
}

/// Row: C4
/// Row: C7
#[tokio::test(flavor = "multi_thread")]
async fn a_payment_that_was_replaced_counts_once_and_one_that_was_double_spent_not_at_all() {
    let world = World::new().await;
    let bumped = world.rig.prepare_in("ltc", 8, COIN).await;
    let robbed = world.rig.prepare_in("ltc", 8, 2 * COIN).await;
    let first = world.node.pay(&bumped.address, "1").await;
    let second = world.node.rpc("bumpfee", json!([first])).await;
    assert_ne!(second["txid"], first.as_str());
    world.watch().await;
    assert_eq!(world.waits(&bumped).await, COIN.to_string(), "one of the two waits");

    // Mined, then replaced together with its block by one that holds the double spend.
    let paid = world.node.pay(&robbed.address, "2").await;
    world.mine(1).await;
    world.node.reorg(1).await;
    world.double_spend(&paid).await;
    world.mine(3).await;
    assert_eq!(world.rig.settled(bumped.payment_id).await.received, units(COIN));
    let sums = world.sums(&robbed);
    assert_eq!(sums.first().unwrap(), &(2 * COIN).to_string());
    assert_eq!(sums.last().unwrap(), "0", "{sums:?}");
    let journal = world.journal(&robbed).await;
    assert!(!journal.iter().any(|kind| kind == "finalised"), "{journal:?}");
    // The loser is still told of by its id, and stands in no block.
    let standing = "select string_agg(stands::text, ' ' order by units) from transfer";
    assert_eq!(world.rig.ask_database(standing).await, "true false");
    world.rig.end().await;
}

/// Row: C7
#[tokio::test(flavor = "multi_thread")]
async fn a_payment_that_is_mined_again_after_a_reorg_counts_once_and_its_depth_begins_anew() {
    let world = World::new().await;
    let asked = world.rig.prepare_in("ltc", 8, COIN).await;
    world.node.pay(&asked.address, "1").await;
    world.mine(1).await;
    let block = world.rig.ask_database("select encode(block_hash, 'hex') from transfer").await;
    world.node.reorg(1).await;
    world.mine(1).await;
    let now = world.rig.ask_database("select encode(block_hash, 'hex') from transfer").await;
    assert_ne!(block, now, "it stands in another block");
    assert!(!world.journal(&asked).await.contains(&"finalised".to_owned()));
    world.mine(1).await;
    assert_eq!(world.rig.settled(asked.payment_id).await.received, units(COIN));
    assert_eq!(world.rig.ask_database("select count(*) from transfer").await, "1");
    world.rig.end().await;
}

/// Row: C9
#[tokio::test(flavor = "multi_thread")]
async fn a_node_of_outputs_that_answers_nonsense_settles_nothing_and_stops_nothing_for_good() {
    let (world, [_, second]) = World::with_two_nodes().await;
    let asked = world.rig.prepare_in("ltc", 8, COIN).await;
    world.watch().await;
    world.node.pay(&asked.address, "1").await;
    world.node.mine(2).await;
    let wrong = |says| Manner { says: Some(says), ..Manner::default() };
    for (manner, what) in [
        (wrong("<html><body>Checking your browser</body></html>"), "cannot be read"),
        (wrong(r#"[{"jsonrpc":"2.0","id":0,"result":"53"},{"jsonr"#), "cannot be read"),
        (wrong(r#"[{"id":0,"result":"0x53"},{"id":1,"result":{}}]"#), "cannot be read"),
        (wrong(r#"[{"id":0,"error":{"code":-28}},{"id":1,"result":null}]"#), "refused"),
        (wrong(r#"{"error":{"code":-32005,"message":"rate limit"}}"#), "cannot be read"),
        (Manner { other_first: true, ..Manner::default() }, "serves chain 5555"),
        (Manner { odd_units: true, ..Manner::default() }, "cannot be read"),
        (Manner { down: true, ..Manner::default() }, "refused"),
    ] {
        second.behave(manner);
        world.fails_with(what).await;
    }
    assert_eq!(world.journal(&asked).await, ["prepared"]);
    second.behave(Manner::default());
    world.watch().await;
    assert_eq!(world.rig.settled(asked.payment_id).await.received, units(COIN));
    world.rig.end().await;
}

/// Row: C9
/// Row: C1
#[tokio::test(flavor = "multi_thread")]
async fn what_one_node_of_outputs_alone_says_counts_for_nothing() {
    let (world, fronts) = World::with_two_nodes().await;
    let asked = world.rig.prepare_in("ltc", 8, COIN).await;
    world.watch().await;
    world.node.pay(&asked.address, "1").await;
    world.node.mine(2).await;
    let lie = |units, hash, parent| Manner {
        other_units: units,
        other_hash: hash,
        other_parent: parent,
        ..Manner::default()
    };
    for lie in [lie(true, false, false), lie(false, true, false), lie(false, false, true)] {
        // The first is believed no more than the second.
        for front in &fronts {
            front.behave(lie.clone());
            world.fails_with("do not agree").await;
            front.behave(Manner::default());
        }
    }
    // Where both of them tell of a block that stands on none that is known, neither is believed.
    for front in &fronts {
        front.behave(lie(false, false, true));
    }
    for _look in 0..2 {
        world.fails_with("do not fit together").await;
    }
    assert_eq!(world.journal(&asked).await, ["prepared"]);
    for front in &fronts {
        front.behave(Manner::default());
    }
    world.watch().await;
    assert_eq!(world.rig.settled(asked.payment_id).await.received, units(COIN));
    world.rig.end().await;
}

/// Row: C5
#[tokio::test(flavor = "multi_thread")]
async fn settled_coins_that_leave_are_a_case_that_closes_when_they_are_final_again() {
    let world = World::new().await;
    let asked = world.rig.prepare_in("ltc", 8, COIN).await;
    let other = world.rig.prepare_in("ltc", 8, 2 * COIN).await;
    let stays = world.node.pay(&asked.address, "1").await;
    world.mine(1).await;
    let robbed = world.node.pay(&other.address, "2").await;
    world.mine(3).await;
    world.rig.settled(asked.payment_id).await;
    world.rig.settled(other.payment_id).await;

    // Both leave; one is mined again, the other one is spent elsewhere.
    world.rig.service.logs.expect("settled money left its chain");
    world.node.reorg(4).await;
    world.double_spend(&robbed).await;
    world.mine(1).await;
    let [one, two] = crate::cases::cases(&world.rig).await.try_into().unwrap();
    let open = [&one, &two].map(|case| (case.reason.as_str(), case.closed_at.is_none()));
    assert_eq!(open, [("payment_reversed", true); 2]);
    for (asked, coins) in [(&asked, COIN), (&other, 2 * COIN)] {
        let away = |heard: &Heard| match heard {
            Heard::Reversed(told) => {
                ((told.gone, told.settled) == (units(coins), units(0))).then_some(())
            }
            _ => None,
        };
        world.rig.hear(asked.payment_id, away).await;
        assert!(world.journal(asked).await.contains(&"reversed".to_owned()));
    }
    world.mine(5).await;
    let cases = crate::cases::cases(&world.rig).await;
    let still: Vec<_> = cases.iter().filter(|case| case.closed_at.is_none()).collect();
    let [still] = still.as_slice() else { panic!("{cases:?}") };
    assert_eq!(still.payment_id, other.payment_id, "the one that is lost");
    assert_eq!(world.journal(&asked).await.last().unwrap(), "restored");
    assert!(!world.journal(&other).await.contains(&"restored".to_owned()));
    let place = world.node.rpc("getrawtransaction", json!([stays, true])).await;
    assert!(place["confirmations"].as_i64().unwrap() >= 2);
    world.rig.end().await;
}

/// Row: C1
#[tokio::test(flavor = "multi_thread")]
async fn what_a_block_itself_makes_settles_only_once_it_can_be_spent() {
    let world = World::new().await;
    let asked = world.rig.prepare_in("ltc", 8, COIN).await;
    world.node.mine_to(&asked.address, 1).await;
    world.mine(98).await;
    let journal = world.journal(&asked).await;
    assert_eq!(journal.last().unwrap(), "seen_changed", "{journal:?}");
    world.mine(1).await;
    assert!(world.rig.settled(asked.payment_id).await.complete);
    world.rig.end().await;
}

/// Miners may stamp a block two hours ahead, which makes nobody late.
///
/// Row: C3
/// Row: C9
#[tokio::test(flavor = "multi_thread")]
async fn a_block_that_is_stamped_ahead_of_time_makes_no_payment_late() {
    let world = World::new().await;
    let asked = world.rig.prepare_in("ltc", 8, COIN).await;
    let other = world.rig.prepare_in("ltc", 8, COIN).await;
    // The deadline is in twenty minutes.
    let ahead = (chrono::Utc::now() + chrono::TimeDelta::minutes(100)).timestamp();
    world.node.rpc("setmocktime", json!([ahead])).await;
    for asked in [&asked, &other] {
        world.rig.say(&close_because(asked, CloseBecause::NotPaid)).await;
        world.rig.until_journal(asked.payment_id, "close_asked").await;
    }
    world.node.pay(&asked.address, "1").await;
    world.mine(2).await;
    assert_eq!(world.rig.settled(asked.payment_id).await.received, units(COIN));
    assert_eq!(world.journal(&other).await.last().unwrap(), "close_asked", "its time is not over");
    world.rig.end().await;
}

/// Watched again after hours: a block of long ago that was stamped ahead says nothing of what stands
/// in the blocks after it.
///
/// Row: C9
#[tokio::test(flavor = "multi_thread")]
async fn a_block_stamped_ahead_closes_nothing_while_there_are_more_blocks_to_read() {
    let world = World::new().await;
    let paid = world.rig.prepare_in("ltc", 8, COIN).await;
    let unpaid = world.rig.prepare_in("ltc", 8, COIN).await;
    world.watch().await;
    // Nobody watches. Blocks are stamped far past every deadline, and the money comes after them, in
    // one that is stamped as it should be.
    let now = chrono::Utc::now();
    let set = async |minutes| {
        let at = (now + chrono::TimeDelta::minutes(minutes)).timestamp();
        world.node.rpc("setmocktime", json!([at])).await;
    };
    set(110).await;
    world.node.mine(4).await;
    set(5).await;
    world.node.pay(&paid.address, "1").await;
    world.node.mine(5).await;
    set(109).await;
    world.node.mine(1).await;
    world.rig.service.database.offset_clock(chrono::TimeDelta::minutes(110)).await;
    for asked in [&paid, &unpaid] {
        world.rig.say(&close_because(asked, CloseBecause::NotPaid)).await;
        world.rig.until_journal(asked.payment_id, "close_asked").await;
    }
    assert!(matches!(world.watcher.step().await.unwrap(), Step::Did(4)), "no money yet");
    assert_eq!(world.journal(&paid).await.last().unwrap(), "close_asked");
    world.watch().await;
    let journal = world.journal(&paid).await;
    assert!(journal.iter().any(|kind| kind == "settled"), "{journal:?}");
    let journal = world.journal(&unpaid).await;
    assert_eq!(journal.last().unwrap(), "closed", "{journal:?}");
    world.rig.end().await;
}
