//! Coin that contracts send on a chain one of whose nodes has no traces: told by balances.
//!
//! The newest addresses are looked at with every step, all others in turn, so that money is found
//! at every address that was ever given out. A chain on which this was done once is looked at for
//! good, whatever its nodes learn to tell: what was claimed by a balance has to be claimed again
//! when its block leaves.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use chrono::{DateTime, Utc};
use contracts::{asset::Units, ids::PaymentId};
use messaging::{StoreError, database};
use payment_verification_core::{balance::Held, chain::BlockRef};
use sqlx::PgConnection;
use uuid::Uuid;

use super::Watcher;
use crate::{
    chains::{BlockHead, ChainError},
    handle::Desk,
    store::balance::{self as store, Known},
};

/// How many of the newest addresses are looked at with every step.
const NEWEST: i64 = 10_000;
/// How many of the others.
const IN_TURN: i64 = 500;

/// The last of the addresses that were looked at in turn.
pub(super) type Turn = Arc<Mutex<PaymentId>>;

/// What was found at a block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Look {
    /// The nodes tell everything by themselves.
    NotNeeded,
    /// The nodes do not say what was held at that block; a newer one will tell.
    Missed,
    /// What is held at the end of the block by addresses that hold more than was known before.
    Held(BTreeMap<PaymentId, (Units, u64)>),
}

impl Look {
    /// The payments to which there may be something to say.
    pub(super) fn payments(&self) -> impl Iterator<Item = PaymentId> {
        let held = match self {
            Self::NotNeeded | Self::Missed => None,
            Self::Held(held) => Some(held.keys().copied()),
        };
        held.into_iter().flatten()
    }

    /// Whether it is known of everything up to the block.
    pub(super) fn is_whole(&self) -> bool {
        *self != Self::Missed
    }
}

impl Watcher {
    /// Looks at what addresses hold at the end of a block.
    ///
    /// A node may not say it: one that keeps the state of its newest blocks only not of old ones,
    /// and one whose state is broken of none. That is no reason to stop, for what blocks tell by
    /// themselves is most of what is paid; but nothing is called unpaid meanwhile.
    pub(super) async fn look_at_balances(
        &self,
        at: BlockRef,
        newest: &BlockHead,
    ) -> Result<Look, StoreError> {
        let pool = self.app.messaging.pool();
        if !self.is_looked_at().await? {
            return Ok(Look::NotNeeded);
        }
        let mut known = store::newest(pool, &self.chain, NEWEST).await?;
        let after = *self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let in_turn = store::after(pool, &self.chain, after, IN_TURN).await?;
        // After the last of them comes the first again.
        let last = in_turn.last().map_or(PaymentId(Uuid::nil()), |known| known.payment_id);
        known.extend(in_turn);
        let held = match self.held(at, &known).await {
            Ok(held) => held,
            Err(ChainError::Refused { code, .. }) if at != newest.at => {
                tracing::warn!(chain = self.chain, height = at.height, code, "old state is gone");
                return Ok(Look::Missed);
            }
            Err(error) => {
                tracing::warn!(
                    chain = self.chain,
                    height = at.height,
                    error = %chassis::chain(&error),
                    "nobody says what addresses hold; a later block will tell"
                );
                return Ok(Look::Missed);
            }
        };
        *self.turn.lock().unwrap_or_else(PoisonError::into_inner) = last;
        Ok(Look::Held(held))
    }

    async fn is_looked_at(&self) -> Result<bool, StoreError> {
        let pool = self.app.messaging.pool();
        Ok(!self.nodes.sees_inside() || store::is_looked_at(pool, &self.chain).await?)
    }

    /// Whether it is known of everything up to the block that is taken in last, where nothing came
    /// after it: the look at it may have been missed.
    pub(super) async fn looked_at(&self, newest: &BlockHead) -> Result<bool, StoreError> {
        if !self.is_looked_at().await? {
            return Ok(true);
        }
        let pool = self.app.messaging.pool();
        let mut conn = pool.acquire().await.map_err(database("looking for the last look"))?;
        let looked_at = store::looked_at(&mut conn, &self.chain).await?;
        Ok(looked_at.is_some_and(|at| newest.stamped_at <= at))
    }

    /// What is held by those addresses that hold more than is known to have come.
    async fn held(
        &self,
        at: BlockRef,
        known: &[Known],
    ) -> Result<BTreeMap<PaymentId, (Units, u64)>, ChainError> {
        let addresses: Vec<&str> = known.iter().map(|known| known.address.as_str()).collect();
        let balances = self.nodes.balances(at, &addresses).await?;
        let more: Vec<(&Known, Units)> =
            known.iter().zip(balances).filter(|(known, units)| *units > known.received).collect();
        let addresses: Vec<&str> = more.iter().map(|(known, _)| known.address.as_str()).collect();
        let sent = self.nodes.sent(at, &addresses).await?;
        let held = more.into_iter().zip(sent);
        Ok(held.map(|((known, units), sent)| (known.payment_id, (units, sent))).collect())
    }

    /// Tells payments what came to their addresses from within contracts. What was not there at
    /// the last look and is there now counts as of the last look, for it may have come just then.
    pub(super) async fn credit(
        &self,
        desk: &mut Desk<'_>,
        conn: &mut PgConnection,
        look: &Look,
        held: Held,
        now: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        let Look::Held(found) = look else { return Ok(()) };
        let before = store::looked_at(conn, &self.chain).await?;
        store::look(conn, &self.chain, held.stamped_at).await?;
        let stamped_at = before.map_or(held.stamped_at, |at| at.min(held.stamped_at));
        let held = Held { stamped_at, ..held };
        for (&id, &(units, sent)) in found {
            desk.held(id, Held { units, sent, ..held }, now)?;
        }
        Ok(())
    }
}
