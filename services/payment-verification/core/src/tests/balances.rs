//! Coin that contracts send, on a chain whose node tells of balances alone.

use contracts::asset::Units;
use proptest::{collection::vec, prelude::*};

use super::world::{World, hash, head, left, prepare, seen, start, undone, units};
use crate::{
    Event, Fact,
    balance::{Held, claims},
    chain::BlockRef,
    ledger::Account,
};

/// One block: what transactions and what contracts bring to the address.
#[derive(Debug, Clone, Default)]
struct Block {
    name: u8,
    plain: Option<(u8, u64)>,
    inside: u64,
}

/// A chain and a watcher that follows it without traces.
struct Chain {
    world: World,
    blocks: Vec<Block>,
    names: u8,
    look: u64,
    sent: u64,
}

impl Chain {
    fn new(price: u64) -> Self {
        let mut world = World::at_an_account();
        world.ask(&prepare(price));
        Self { world, blocks: vec![], names: 0, look: 0, sent: 0 }
    }

    fn mine(&mut self, plain: Option<u64>, inside: u64) {
        self.names += 1;
        let plain = plain.map(|amount| (self.names, amount));
        self.add(Block { name: self.names, plain, inside });
    }

    /// Takes in a block without looking at balances.
    fn add(&mut self, block: Block) {
        self.look += 1;
        let height = u64::try_from(self.blocks.len()).unwrap();
        if let Some((transfer, amount)) = block.plain {
            let Fact::TransferSeen(mut sighted) = seen(transfer, amount, block.name, self.look)
            else {
                unreachable!()
            };
            sighted.block.height = height;
            self.world.tell(&Fact::TransferSeen(sighted));
        }
        self.blocks.push(block);
    }

    fn holds(&self) -> u64 {
        self.blocks.iter().map(|b| b.inside + b.plain.map_or(0, |(_, amount)| amount)).sum()
    }

    /// Looks at what the address holds at the end of the newest block, and at how deep all is.
    fn look(&mut self) {
        let Some(newest) = self.blocks.last() else { return };
        let height = u64::try_from(self.blocks.len() - 1).unwrap();
        let held = Held {
            units: units(self.holds()),
            sent: self.sent,
            block: BlockRef { height, hash: hash(newest.name) },
            look: self.look,
            stamped_at: start(),
        };
        for sighted in claims(&self.world.payment, &held) {
            self.world.tell(&Fact::TransferSeen(sighted));
        }
        self.world.tell(&head(height, self.look));
    }

    /// The newest blocks leave; what stood in them is said, for balances as for transfers.
    fn leave(&mut self, depth: usize) -> Vec<Block> {
        let left_at = self.blocks.len().saturating_sub(depth);
        let gone = self.blocks.split_off(left_at);
        for block in &gone {
            self.look += 1;
            self.world.tell(&left(block.name, self.look));
        }
        gone
    }

    fn count(&self, kind: &str) -> usize {
        self.world.journal.iter().filter(|event| event.kind() == kind).count()
    }
}

/// Row: C8
#[test]
fn what_a_balance_alone_tells_of_is_credited_once_and_pays_when_it_is_deep() {
    let mut chain = Chain::new(100);
    chain.mine(Some(30), 70);
    chain.look();
    assert_eq!(chain.world.payment.received(), units(100));
    assert!(!chain.world.payment.settled, "one block deep");
    for _block in 0..4 {
        chain.mine(None, 0);
        chain.look();
    }
    assert!(chain.world.payment.settled);
    assert_eq!((chain.count("transfer_seen"), chain.count("exceeded")), (2, 0), "counted once");
    chain.mine(None, 5);
    for _block in 0..4 {
        chain.mine(None, 0);
        chain.look();
    }
    assert_eq!(chain.world.payment.book.credit_of(Account::Excess), units(5));
}

/// What left after it had paid and is claimed again is the same money, and nobody's excess.
///
/// Row: C8
/// Row: C5
#[test]
fn a_balance_that_leaves_after_it_paid_and_comes_back_is_restored_and_not_credited_again() {
    let mut chain = Chain::new(100);
    chain.mine(None, 60);
    chain.look();
    chain.mine(None, 40);
    for _block in 0..4 {
        chain.mine(None, 0);
        chain.look();
    }
    assert!(chain.world.payment.settled);
    let gone = chain.leave(6);
    assert_eq!(chain.count("reversed"), 2);
    assert_eq!(chain.world.payment.final_units(), Units::ZERO);
    // Other blocks, and all of it in one of them.
    chain.mine(None, gone.iter().map(|block| block.inside).sum());
    for _block in 0..4 {
        chain.mine(None, 0);
        chain.look();
    }
    assert_eq!((chain.count("restored"), chain.count("exceeded")), (1, 0));
    assert_eq!(chain.world.payment.final_units(), units(100));
    assert_eq!(chain.world.payment.book.credit_of(Account::Reversed), Units::ZERO);
}

/// Row: C8
#[test]
fn an_address_that_sent_something_is_not_explained_by_its_balance() {
    let mut chain = Chain::new(100);
    chain.mine(Some(100), 0);
    chain.look();
    // Swept: the hand that did it is outside, and what is there now says nothing of what came.
    chain.sent = 1;
    chain.mine(None, 50);
    chain.look();
    assert_eq!(chain.world.payment.received(), units(100));
}

#[derive(Debug, Clone)]
enum Turn {
    Mined(Option<u64>, u64),
    Looked,
    /// How many blocks leave, and how many of them come back as they were.
    Reorg(usize, usize),
    Closed,
}

fn turns() -> impl Strategy<Value = Vec<Turn>> {
    let amount = || prop_oneof![3 => Just(0_u64), 2 => 1..80_u64];
    let mined = (prop::option::weighted(0.3, 1..80_u64), amount());
    let turn = prop_oneof![
        6 => mined.prop_map(|(plain, inside)| Turn::Mined(plain, inside)),
        5 => Just(Turn::Looked),
        2 => (1..7_usize, 0..7_usize).prop_map(|(out, back)| Turn::Reorg(out, back)),
        1 => Just(Turn::Closed),
    ];
    vec(turn, 1..40)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Whatever comes, by transactions or from contracts, and whatever leaves: after a look the
    /// payment has received exactly what its address holds, and nothing more is ever final.
    ///
    /// Row: C8
    #[test]
    fn what_is_credited_is_what_the_address_holds(turns in turns()) {
        let mut chain = Chain::new(100);
        for turn in &turns {
            match turn {
                Turn::Mined(plain, inside) => chain.mine(*plain, *inside),
                Turn::Looked => {
                    chain.look();
                    if !chain.blocks.is_empty() {
                        prop_assert_eq!(chain.world.payment.received(), units(chain.holds()));
                    }
                }
                Turn::Reorg(out, back) => {
                    let gone = chain.leave(*out);
                    for block in gone.into_iter().take(*back) {
                        chain.add(block);
                    }
                }
                Turn::Closed => drop(chain.world.ask(&undone())),
            }
            let payment = &chain.world.payment;
            prop_assert!(payment.final_units() <= units(chain.holds()), "final and not held");
            prop_assert!(payment.received() <= units(chain.holds()), "received and not held");
        }
        for _block in 0..8 {
            chain.mine(None, 0);
            chain.look();
        }
        let payment = &chain.world.payment;
        prop_assert_eq!(payment.final_units(), units(chain.holds()));
        let settled = chain.world.journal.iter().filter(|e| matches!(e, Event::Settled { .. }));
        prop_assert!(settled.count() <= 1);
    }
}
