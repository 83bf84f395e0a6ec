//! Blocks come and leave, and a watcher follows.

use chrono::TimeDelta;
use contracts::asset::Units;

use super::{Happening, World};
use crate::{parcel::Role, sometimes::Sometimes};

impl World {
    /// Somebody sends money.
    pub(super) fn transfer(&mut self, address: &str, units: Units) {
        self.chain.send(address, units, false);
        self.plan_block();
    }

    /// A block comes soon while somebody waits for it, and after a while for a closing.
    pub(super) fn plan_block(&mut self) {
        let soon = self.now + TimeDelta::seconds(self.seconds(2, 25));
        let at = match self.payments.closing_waits_for() {
            _ if self.chain.is_busy() => soon,
            Some(after) => soon.max(after + TimeDelta::seconds(1)),
            None => return,
        };
        if self.mining.is_none_or(|planned| at < planned) {
            self.mining = Some(at);
            self.agenda.put(at, Happening::Mine);
        }
    }

    pub(super) fn mine(&mut self) {
        if self.mining != Some(self.now) {
            return;
        }
        self.mining = None;
        if self.chance(self.faults.reorg) {
            self.reorg();
        }
        self.chain.mine(self.now);
        self.plan_watch(1);
        self.plan_block();
    }

    /// The newest blocks are replaced by one more than they were.
    fn reorg(&mut self) {
        let depth = self.seconds(1, i64::from(self.faults.reorg_depth_max));
        let deep = self.chance(self.faults.reorg_deep);
        let depth = if deep { self.seconds(8, 20) } else { depth };
        let depth = usize::try_from(depth).unwrap();
        let drops = self.faults.transfer_dropped;
        let mut drawn: Vec<bool> = (0..16).map(|_| self.chance(drops)).collect();
        let dropped = self.chain.reorg(depth, || drawn.pop().unwrap_or(false));
        self.hit(Sometimes::Reorg);
        if deep {
            self.hit(Sometimes::ReorgBelowFinal);
        }
        self.tell(None, || format!("{depth} blocks leave, {dropped} transfers with them for good"));
        for _ in 0..dropped {
            self.hit(Sometimes::TransferDropped);
        }
        // What stood in them comes back at once, or only on top of the blocks that replace them.
        let waiting = match self.chance(500) {
            true => std::mem::take(&mut self.chain.waiting),
            false => Vec::new(),
        };
        for _ in 0..depth {
            self.chain.mine(self.now);
        }
        self.chain.waiting = waiting;
    }

    pub(super) fn plan_watch(&mut self, seconds: i64) {
        if !self.watching {
            self.watching = true;
            self.agenda.put(self.now + TimeDelta::seconds(seconds), Happening::Watch);
        }
    }

    pub(super) fn watch(&mut self) {
        self.watching = false;
        if self.chance(self.faults.node_away) {
            let seconds = self.seconds(5, 240);
            return self.plan_watch(seconds);
        }
        let Some(commit) = self.payments.watch(&self.chain, self.now) else { return };
        if self.crashes() {
            self.hit(Sometimes::CrashBeforeCommit);
            return self.plan_watch(5);
        }
        self.transact(Role::Payments, commit);
        self.plan_watch(1);
    }
}
