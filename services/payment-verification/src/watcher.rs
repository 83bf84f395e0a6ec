//! Follows one chain block by block: what came, what left, what became final.
//!
//! A step takes in some blocks in one transaction that holds the chain's cursor. Two watchers of
//! the same chain do no harm: the one that finds the cursor moved drops what it read.

mod balances;
mod finality;
mod pace;

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::{Not as _, RangeInclusive},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use chrono::{DateTime, Utc};
use contracts::{asset::Units, ids::PaymentId};
use messaging::{Step, StoreError, database};
use payment_verification_core::{Fact, balance::Held, chain::BlockRef, fact::Sighted};

use self::{balances::Look, pace::Pace};
use crate::{
    App,
    chains::{Block, BlockHead, ChainError, Nodes, Transfer},
    handle::Desk,
    store::{
        case::{self, NewCase, Shown},
        chain::{self as store, Cursor},
        payout::{self, Claimed},
        untold,
    },
};

/// How many heads are compared at a time, when blocks left.
const HEADS_AT_ONCE: u64 = 32;
/// How many of the newest blocks are remembered: a chain that changes deeper needs a person.
const BLOCKS_KEPT: u64 = 2048;

/// Watches one chain through its nodes.
#[derive(Debug, Clone)]
pub struct Watcher {
    app: App,
    chain: String,
    nodes: Nodes,
    // The payments that something was shown to wait for.
    waits: Arc<Mutex<BTreeSet<PaymentId>>>,
    turn: balances::Turn,
    pace: Pace,
}

/// Why a step did not come to its end; the next one begins where this one did.
#[derive(Debug, thiserror::Error)]
pub enum WatchError {
    /// The node is of no use.
    #[error("the chain could not be read")]
    Chain(#[from] ChainError),
    /// The database is of no use.
    #[error("the chain could not be written down")]
    Store(#[from] StoreError),
    /// The chain that the node shows has nothing in common with the blocks that are remembered.
    #[error(
        "the node's chain has no block in common with the last {BLOCKS_KEPT} that were taken in"
    )]
    NothingInCommon,
}

impl Watcher {
    /// A watcher of a chain.
    #[must_use]
    pub fn new(app: App, chain: String, nodes: Nodes) -> Self {
        let turn = Arc::new(Mutex::new(PaymentId(uuid::Uuid::nil())));
        let pace = Pace::of(nodes.blocks_at_once());
        Self { app, chain, nodes, waits: Arc::default(), turn, pace }
    }

    /// The chain, as CAIP-2 writes it.
    #[must_use]
    pub fn chain(&self) -> &str {
        &self.chain
    }

    /// Begins at the chain's head, if the chain was never watched. Addresses are given out only
    /// after that, so no payment lies before the beginning.
    ///
    /// # Errors
    /// When the node or the database is of no use.
    pub async fn begin(&self) -> Result<(), WatchError> {
        if store::cursor(self.app.messaging.pool(), &self.chain).await?.is_some() {
            return Ok(());
        }
        let height = self.nodes.newest().await?.at.height;
        let heads = self.nodes.heads(height.saturating_sub(HEADS_AT_ONCE)..=height).await?;
        let Some(head) = heads.last() else { return Err(ChainError::Changed { height }.into()) };
        let mut tx = self.app.messaging.begin().await?;
        store::begin(tx.conn(), &self.chain, head.at).await?;
        store::add_blocks(tx.conn(), &self.chain, &heads, 0).await?;
        tx.commit().await?;
        tracing::info!(chain = self.chain, height, "watching begins");
        Ok(())
    }

    /// Takes in the next blocks, or finds out which left.
    ///
    /// # Errors
    /// When the node or the database is of no use.
    pub async fn step(&self) -> Result<Step, WatchError> {
        let pool = self.app.messaging.pool();
        let Some(cursor) = store::cursor(pool, &self.chain).await? else {
            self.begin().await?;
            return Ok(Step::Did(1));
        };
        let newest = self.nodes.newest().await?;
        let height = newest.at.height;
        let next = cursor.at.height.saturating_add(1);
        if height < next {
            return self.stay_or_walk_back(&cursor, &newest).await;
        }
        let last = height.min(cursor.at.height.saturating_add(self.pace.blocks()));
        let blocks = self.nodes.blocks(next..=last).await;
        self.pace.went(&blocks);
        let blocks = linked(&cursor, blocks?);
        let Some(last) = blocks.last() else {
            return match self.walk_back(&cursor, cursor.at.height).await? {
                // Nothing left, and what comes next does not stand on it.
                Step::Idle => Err(ChainError::Changed { height: next }.into()),
                went @ Step::Did(_) => Ok(went),
            };
        };
        let look = self.look_at_balances(last.head.at, &newest).await?;
        // Stamps that run ahead prove no deadline while there are more blocks to read: what came
        // in time may stand in one of those.
        let is_whole = !self.nodes.stamps_run_ahead() || last.head.at == newest.at;
        // What is not whole says of nothing that it did not come.
        let is_fresh = self.is_fresh(&cursor, &newest) && look.is_whole() && is_whole;
        let finalized = self.finalized(&blocks).await?;
        self.take_in(&cursor, &blocks, &look, is_fresh, finalized).await
    }

    /// Nothing new: either nothing happened, or the newest blocks were replaced by as many or
    /// fewer.
    async fn stay_or_walk_back(
        &self,
        cursor: &Cursor,
        newest: &BlockHead,
    ) -> Result<Step, WatchError> {
        let at_rest = newest.at == cursor.at;
        if at_rest && self.is_fresh(cursor, newest) && self.looked_at(newest).await? {
            let closed = self.close_at_rest(cursor, newest).await?;
            if closed > 0 {
                return Ok(Step::Did(closed));
            }
        }
        self.walk_back(cursor, newest.at.height).await
    }

    /// Finds the newest block that the node shares, and takes back what left since.
    async fn walk_back(&self, cursor: &Cursor, height: u64) -> Result<Step, WatchError> {
        let top = height.min(cursor.at.height);
        let Some(common) = self.common_block(top).await? else {
            return Err(WatchError::NothingInCommon);
        };
        // The node's own newest block is known here: it is at rest, or behind another node that was
        // asked before.
        if common.height == top {
            self.app.cache.show_head(&self.chain, cursor.at.height, cursor.now).await;
            self.show_waiting(cursor.now).await?;
            return Ok(Step::Idle);
        }
        self.take_back(cursor, common).await
    }

    /// Shows what waits to be mined for payments of ours, where the chain's nodes tell of it.
    async fn show_waiting(&self, now: DateTime<Utc>) -> Result<(), WatchError> {
        let waiting = self.nodes.waiting().await?;
        let pool = self.app.messaging.pool();
        let mut conn = pool.acquire().await.map_err(database("looking for what waits"))?;
        let keys: BTreeSet<_> = waiting.iter().map(|transfer| transfer.to.clone()).collect();
        let owners = store::payments_at(&mut conn, Vec::from_iter(keys)).await?;
        drop(conn);
        let mut sums: BTreeMap<PaymentId, Units> = BTreeMap::new();
        for transfer in waiting {
            if let Some(id) = owners.get(&transfer.to) {
                let sum = sums.entry(*id).or_default();
                *sum = sum.checked_add(transfer.units).unwrap_or(*sum);
            }
        }
        let before = std::mem::replace(&mut *self.waits(), sums.keys().copied().collect());
        let no_more: Vec<_> = before.into_iter().filter(|id| !sums.contains_key(id)).collect();
        self.app.cache.show_waiting(&sums, &no_more, now).await;
        Ok(())
    }

    fn waits(&self) -> MutexGuard<'_, BTreeSet<PaymentId>> {
        self.waits.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether what the node does not have may be believed not to be: its newest block is young.
    fn is_fresh(&self, cursor: &Cursor, newest: &BlockHead) -> bool {
        let age = cursor.now.signed_duration_since(newest.stamped_at);
        // One that is ahead of our clock is as young as can be.
        age.to_std().is_ok_and(|age| age > self.app.policy.head_age_max).not()
    }

    /// When a block was made, as far as that can be believed: where stamps may run ahead, not later
    /// than now.
    fn stamp(&self, head: &BlockHead, now: DateTime<Utc>) -> DateTime<Utc> {
        let ahead = self.nodes.stamps_run_ahead();
        if ahead { head.stamped_at.min(now) } else { head.stamped_at }
    }

    /// Answers closings that were asked for since the newest block was taken in.
    async fn close_at_rest(&self, seen: &Cursor, newest: &BlockHead) -> Result<usize, WatchError> {
        let pool = self.app.messaging.pool();
        let mut conn = pool.acquire().await.map_err(database("looking for closings that wait"))?;
        let stamped_at = self.stamp(newest, seen.now);
        let due = store::payments_to_close(&mut conn, &self.chain, stamped_at).await?;
        drop(conn);
        if due.is_empty() {
            return Ok(0);
        }
        let mut tx = self.app.messaging.begin().await?;
        let Some(cursor) = self.lock(tx.conn(), seen).await? else { return Ok(1) };
        let mut desk = Desk::open_on(&self.chain, &self.app, tx.conn(), &due).await?;
        let read = Fact::ReadUpTo { stamped_at };
        for id in due {
            desk.tell(id, &read, cursor.now)?;
        }
        let answered = desk.changed().count();
        desk.save(&mut tx).await?;
        tx.commit().await?;
        Ok(answered)
    }

    /// The highest block up to `top` that the node and we both hold canonical. The first look is at
    /// one block only, because almost always that is it.
    async fn common_block(&self, top: u64) -> Result<Option<BlockRef>, WatchError> {
        let (mut top, mut compared) = (top, 1);
        loop {
            let heights: RangeInclusive<u64> = top.saturating_sub(compared - 1)..=top;
            let pool = self.app.messaging.pool();
            let ours = store::hashes(pool, &self.chain, heights.clone()).await?;
            if ours.is_empty() {
                return Ok(None);
            }
            let theirs = self.nodes.heads(heights.clone()).await?;
            // The node said that it is at least this high. One that has not got these blocks now is
            // another one, behind the first: that says nothing of blocks that left.
            if let Some(missing) = heights.clone().nth(theirs.len()) {
                return Err(ChainError::Changed { height: missing }.into());
            }
            let same = |head: &&BlockHead| ours.get(&head.at.height) == Some(&head.at.hash);
            if let Some(head) = theirs.iter().rev().find(same) {
                return Ok(Some(head.at));
            }
            if *heights.start() == 0 {
                return Ok(None);
            }
            (top, compared) = (heights.start().saturating_sub(1), HEADS_AT_ONCE);
        }
    }

    /// Blocks above `common` left, with what stood in them.
    async fn take_back(&self, seen: &Cursor, common: BlockRef) -> Result<Step, WatchError> {
        let mut tx = self.app.messaging.begin().await?;
        let Some(cursor) = self.lock(tx.conn(), seen).await? else { return Ok(Step::Did(1)) };
        let left = store::drop_blocks_above(tx.conn(), &self.chain, common.height).await?;
        // What a payment was not told yet stands in no table by its block. Asked first: one that is
        // told meanwhile is among those that have something in a block.
        let behind = untold::payments(tx.conn(), &self.chain).await?;
        let mut affected = store::payments_in(tx.conn(), &self.chain, &left).await?;
        affected.extend(payout::leave(tx.conn(), &self.chain, &left).await?);
        for id in behind {
            affected.extend(left.iter().map(|block| (id, *block)));
        }
        let affected = BTreeSet::from_iter(affected);
        let ids: BTreeSet<PaymentId> = affected.iter().map(|(id, _)| *id).collect();
        let ids = Vec::from_iter(ids);
        let mut desk = Desk::open_on(&self.chain, &self.app, tx.conn(), &ids).await?;
        let look = cursor.look.saturating_add(1);
        for (id, block) in affected {
            desk.tell(id, &Fact::BlockLeft { block, look }, cursor.now)?;
        }
        let to = store::To { at: common, look, finalized: None };
        store::move_cursor(tx.conn(), &self.chain, to).await?;
        tracing::info!(
            chain = self.chain,
            height = common.height,
            count = left.len(),
            "blocks left"
        );
        let shown = shown_of(&desk);
        desk.save(&mut tx).await?;
        tx.commit().await?;
        self.app.cache.show_payments(&shown, cursor.now).await;
        Ok(Step::Did(left.len().max(1)))
    }

    async fn take_in(
        &self,
        seen: &Cursor,
        blocks: &[Block],
        balances: &Look,
        is_fresh: bool,
        finalized: Option<u64>,
    ) -> Result<Step, WatchError> {
        let Some(newest) = blocks.last() else { return Ok(Step::Idle) };
        let height = newest.head.at.height;
        let mut tx = self.app.messaging.begin().await?;
        let Some(cursor) = self.lock(tx.conn(), seen).await? else { return Ok(Step::Did(1)) };
        let stamped_at = self.stamp(&newest.head, cursor.now);
        let keys: BTreeSet<_> = blocks.iter().flat_map(Block::addresses).collect();
        let owners = store::payments_at(tx.conn(), Vec::from_iter(keys)).await?;
        let mut ids: BTreeSet<_> = owners.values().copied().chain(balances.payments()).collect();
        ids.extend(store::payments_final_at(tx.conn(), &self.chain, height).await?);
        let payouts =
            payout::take_in(tx.conn(), &self.chain, blocks, cursor.look.saturating_add(1)).await?;
        ids.extend(payouts.iter().map(|payout| payout.payment_id));
        ids.extend(payout::payments_final_at(tx.conn(), &self.chain, height).await?);
        if is_fresh {
            ids.extend(store::payments_to_close(tx.conn(), &self.chain, stamped_at).await?);
        }
        ids.extend(untold::payments(tx.conn(), &self.chain).await?);
        let listed = Vec::from_iter(ids.iter().copied());
        let mut desk = Desk::open_on(&self.chain, &self.app, tx.conn(), &listed).await?;
        let (mut cases, mut look) = (vec![], cursor.look);
        for block in blocks {
            look = look.saturating_add(1);
            cases.extend(self.sort(&mut desk, &owners, block, look, cursor.now)?);
        }
        let held = Held { units: Units::ZERO, sent: 0, block: newest.head.at, look, stamped_at };
        self.credit(&mut desk, tx.conn(), balances, held, cursor.now).await?;
        for Claimed { payment_id, refund_id, sighted } in payouts {
            desk.tell(payment_id, &Fact::PayoutSeen { refund_id, sighted }, cursor.now)?;
        }
        for id in ids {
            // A transfer here to an address of another chain's request is a case and no more: this
            // chain's heights and stamps say nothing of how deep or how late money is on that one.
            if !desk.payment(id).is_some_and(|payment| payment.is_on(&self.chain)) {
                continue;
            }
            desk.tell(id, &Fact::HeadMoved { head: height, look, finalized }, cursor.now)?;
            if is_fresh {
                desk.tell(id, &Fact::ReadUpTo { stamped_at }, cursor.now)?;
            }
        }
        let heads: Vec<_> = blocks.iter().map(|block| block.head).collect();
        store::add_blocks(tx.conn(), &self.chain, &heads, height.saturating_sub(BLOCKS_KEPT))
            .await?;
        case::open(tx.conn(), &cases, cursor.now).await?;
        let to = store::To { at: newest.head.at, look, finalized };
        store::move_cursor(tx.conn(), &self.chain, to).await?;
        let shown = shown_of(&desk);
        desk.save(&mut tx).await?;
        tx.commit().await?;
        self.app.cache.show_head(&self.chain, height, cursor.now).await;
        self.app.cache.show_payments(&shown, cursor.now).await;
        Ok(Step::Did(blocks.len()))
    }

    /// Tells each payment what came to its address in a block; what does not pay becomes a case.
    fn sort(
        &self,
        desk: &mut Desk<'_>,
        owners: &BTreeMap<Vec<u8>, PaymentId>,
        block: &Block,
        look: u64,
        now: DateTime<Utc>,
    ) -> Result<Vec<NewCase>, StoreError> {
        let mut cases = vec![];
        let (at, stamped_at) = (block.head.at, self.stamp(&block.head, now));
        for transfer in &block.transfers {
            let Some(&payment_id) = owners.get(&transfer.to) else { continue };
            let (key, units, rests) = (transfer.key.clone(), transfer.units, transfer.rests);
            let sighted = Sighted { key, units, block: at, look, stamped_at, rests };
            desk.came(payment_id, &self.chain, transfer.contract.as_deref(), sighted, now)?;
        }
        for oddity in &block.oddities {
            if let Some(&payment_id) = owners.get(&oddity.transfer.to) {
                cases.push(self.stray(payment_id, oddity.why, &oddity.transfer, block));
            }
        }
        Ok(cases)
    }

    fn stray(
        &self,
        payment_id: PaymentId,
        reason: &'static str,
        transfer: &Transfer,
        block: &Block,
    ) -> NewCase {
        tracing::warn!(payment.id = %payment_id, chain = self.chain, "does not pay: {reason}");
        let shown = Shown {
            chain: self.chain.clone(),
            key: transfer.key.clone(),
            contract: transfer.contract.clone(),
            units: transfer.units,
            block: block.head.at.hash,
        };
        NewCase::of_transfer(payment_id, reason, shown)
    }

    /// The locked cursor, if it still stands where it stood when the chain was read.
    async fn lock(
        &self,
        conn: &mut sqlx::PgConnection,
        seen: &Cursor,
    ) -> Result<Option<Cursor>, StoreError> {
        let cursor = store::lock_cursor(conn, &self.chain).await?;
        Ok(cursor.filter(|cursor| (cursor.at, cursor.look) == (seen.at, seen.look)))
    }
}

/// The blocks that stand on the cursor's, one on the other.
fn linked(cursor: &Cursor, blocks: Vec<Block>) -> Vec<Block> {
    let mut under = cursor.at;
    let mut linked = vec![];
    for block in blocks {
        let head = block.head;
        if head.parent != under.hash || head.at.height != under.height.saturating_add(1) {
            break;
        }
        under = head.at;
        linked.push(block);
    }
    linked
}

fn shown_of(desk: &Desk<'_>) -> Vec<(PaymentId, Option<u64>)> {
    desk.changed().map(|payment| (payment.payment_id, payment.newest_height())).collect()
}
