//! Payments whose rows cannot be read. What their chain tells of them is kept in its order and told
//! to each once its row is mended, before anything else.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use contracts::ids::PaymentId;
use messaging::StoreError;
use payment_verification_core::{
    Fact,
    balance::{Held, claims},
    fact::Sighted,
    matching::{Match, Moved, judge},
};
use sqlx::PgConnection;

use super::Desk;
use crate::store::{
    case::{NewCase, Shown, Turn},
    untold::{self, Kept, Untold},
};

/// What is put aside, and what was taken up again.
#[derive(Debug, Default)]
pub(super) struct Aside {
    chain: String,
    /// The payments, and why each cannot be read.
    payments: BTreeMap<PaymentId, String>,
    untold: Vec<(PaymentId, Untold)>,
    /// What was kept before and is told now.
    told: Vec<i64>,
    taken_up: Vec<PaymentId>,
}

impl Aside {
    pub(super) fn on(chain: &str, unreadable: BTreeMap<PaymentId, StoreError>) -> Self {
        let why = |(id, error): (_, StoreError)| (id, chassis::chain(&error).to_string());
        let payments = unreadable.into_iter().map(why).collect();
        Self { chain: chain.to_owned(), payments, ..Self::default() }
    }

    /// The first payment that cannot be told everything, and why.
    pub(super) fn unread(&self) -> Option<(PaymentId, String)> {
        self.payments.iter().next().map(|(id, why)| (*id, why.clone()))
    }

    pub(super) async fn save(&self, conn: &mut PgConnection) -> Result<(), StoreError> {
        if !self.payments.is_empty() {
            for id in untold::put_aside(conn, &self.chain, &self.payments).await? {
                let why = self.payments.get(&id).map_or("?", String::as_str);
                let said = "a payment is put aside: its row cannot be read";
                tracing::error!(payment.id = %id, error = why, "{said}");
            }
            untold::keep(conn, &self.chain, &self.untold).await?;
        }
        if !self.taken_up.is_empty() {
            untold::forget(conn, &self.told).await?;
            untold::take_up(conn, &self.taken_up).await?;
        }
        Ok(())
    }
}

impl Desk<'_> {
    /// Tells payments that can be read again what happened meanwhile, as of when it was seen.
    pub(super) async fn catch_up(&mut self, conn: &mut PgConnection) -> Result<(), StoreError> {
        let open = self.open.iter().filter(|(_, open)| open.loaded.is_behind);
        let behind: Vec<PaymentId> = open.map(|(id, _)| *id).collect();
        if behind.is_empty() {
            return Ok(());
        }
        let mut kept = untold::of(conn, &behind).await?;
        // One that cannot be told everything is told nothing: it stays aside.
        let unread = kept.extract_if(.., |kept| kept.untold.is_err());
        let unread: Vec<Kept> = unread.collect();
        for Kept { payment_id, untold, .. } in unread {
            if let (Err(error), Some(_)) = (untold, self.open.remove(&payment_id)) {
                self.aside.payments.insert(payment_id, chassis::chain(&error).to_string());
            }
        }
        kept.retain(|kept| self.open.contains_key(&kept.payment_id));
        for Kept { untold_id, payment_id, chain, kept_at, untold } in kept {
            self.aside.told.push(untold_id);
            self.tell_kept((payment_id, &chain), untold?, kept_at)?;
        }
        self.aside.taken_up = behind.into_iter().filter(|id| self.open.contains_key(id)).collect();
        Ok(())
    }

    fn tell_kept(
        &mut self,
        (id, chain): (PaymentId, &str),
        untold: Untold,
        kept_at: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        match untold {
            Untold::Aside {} => Ok(()),
            Untold::Came { contract, sighted } => {
                self.came(id, chain, contract.as_deref(), sighted, kept_at)
            }
            Untold::Held { units, sent, block, look, stamped_at } => {
                self.held(id, Held { units, sent, block, look, stamped_at }, kept_at)
            }
            Untold::BlockLeft { block, look } => {
                self.tell(id, &Fact::BlockLeft { block, look }, kept_at)
            }
            Untold::Payout { refund_id, sighted } => {
                self.tell(id, &Fact::PayoutSeen { refund_id, sighted }, kept_at)
            }
        }
    }

    /// Tells a payment of a transfer to its address; what does not pay becomes a case.
    pub(crate) fn came(
        &mut self,
        id: PaymentId,
        chain: &str,
        contract: Option<&str>,
        sighted: Sighted,
        now: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        if self.aside.payments.contains_key(&id) {
            let contract = contract.map(str::to_owned);
            self.aside.untold.push((id, Untold::Came { contract, sighted }));
            return Ok(());
        }
        let request = self.payment(id).and_then(|payment| payment.request.as_ref());
        let Some(request) = request else { return Ok(()) };
        match judge(request, Moved { chain, contract, units: sighted.units }) {
            Match::Pays => self.tell(id, &Fact::TransferSeen(sighted), now),
            Match::Stray(reason) => {
                tracing::warn!(payment.id = %id, chain, "does not pay: {reason}");
                let shown = Shown {
                    chain: chain.to_owned(),
                    key: sighted.key,
                    contract: contract.map(str::to_owned),
                    units: sighted.units,
                    block: sighted.block.hash,
                };
                let stray = NewCase::of_transfer(id, reason, shown);
                self.cases.push(Turn::Opens(stray));
                self.at.get_or_insert(now);
                Ok(())
            }
        }
    }

    /// Tells a payment what its address held: what that explains came from within contracts.
    pub(crate) fn held(
        &mut self,
        id: PaymentId,
        held: Held,
        now: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        if self.aside.payments.contains_key(&id) {
            let Held { units, sent, block, look, stamped_at } = held;
            let untold = Untold::Held { units, sent, block, look, stamped_at };
            self.aside.untold.push((id, untold));
            return Ok(());
        }
        let Some(payment) = self.payment(id) else { return Ok(()) };
        for sighted in claims(payment, &held) {
            self.tell(id, &Fact::TransferSeen(sighted), now)?;
        }
        Ok(())
    }

    /// Keeps a fact for a payment that was put aside. Depth and time are told again by each block,
    /// and everything else is told by who finds the payment readable.
    pub(super) fn keep_fact(&mut self, id: PaymentId, fact: &Fact) {
        if !self.aside.payments.contains_key(&id) {
            return;
        }
        let untold = match fact {
            Fact::BlockLeft { block, look } => Untold::BlockLeft { block: *block, look: *look },
            Fact::PayoutSeen { refund_id, sighted } => {
                Untold::Payout { refund_id: *refund_id, sighted: sighted.clone() }
            }
            _ => return,
        };
        self.aside.untold.push((id, untold));
    }
}
