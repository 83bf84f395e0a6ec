//! What the chain itself calls final, where amounts wait for that.

use super::{WatchError, Watcher};
use crate::{chains::Block, store::chain as store};

impl Watcher {
    /// Up to which height the chain calls blocks final that were taken in; nothing where it is not
    /// asked, or has not said so yet.
    ///
    /// A height alone says nothing of whose block is meant: what a node names counts only while it
    /// is the block of that height here, `new` ones that are about to be taken in among them.
    pub(super) async fn finalized(&self, new: &[Block]) -> Result<Option<u64>, WatchError> {
        let chain = self.app.registry.chain(&self.chain);
        if !chain.is_some_and(|chain| chain.finalized) {
            return Ok(None);
        }
        let told = self.nodes.finalized().await?;
        let heights = told.iter().map(|block| block.height);
        let (Some(lowest), Some(highest)) = (heights.clone().min(), heights.max()) else {
            return Ok(None);
        };
        let pool = self.app.messaging.pool();
        let mut ours = store::hashes(pool, &self.chain, lowest..=highest).await?;
        ours.extend(new.iter().map(|block| (block.head.at.height, block.head.at.hash)));
        for block in told {
            if ours.get(&block.height).is_some_and(|hash| *hash != block.hash) {
                let (chain, height) = (&self.chain, block.height);
                tracing::warn!(chain, height, "what the node calls final is no block of its own");
                return Ok(None);
            }
        }
        // What is not taken in yet counts once it is.
        Ok(ours.contains_key(&lowest).then_some(lowest))
    }
}
