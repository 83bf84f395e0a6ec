//! rewards' shell without its servers.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use contracts::{
    ids::AccountId,
    message::Message as _,
    messages::{
        BookingCancelled, BookingCompleted, BookingConfirmed, BookingFailed, BookingLegCancelled,
        BookingLegReplaced, BookingMoneyReversed, BookingMoved, PointsWanted,
    },
};
use messaging_core::{Cause, Trouble};
use rewards_core::{
    Account, Effect, Fact, Policy, decide, effects, evolve, learn,
    translate::{Inbound, Input, message_id},
};

use crate::{
    commit::{Commit, Handled, Rows, Timer},
    parcel::Parcel,
};

/// rewards' rows.
#[derive(Debug)]
pub(crate) struct Accounts {
    pub(crate) policy: Policy,
    pub(crate) rows: BTreeMap<AccountId, Account>,
    pub(crate) journals: BTreeMap<AccountId, Vec<rewards_core::Event>>,
}

impl Accounts {
    pub(crate) fn hear(&self, parcel: &Parcel, now: DateTime<Utc>) -> Handled {
        let inbound: Inbound = match parcel.kind {
            PointsWanted::TYPE => parcel.open::<PointsWanted>().into(),
            BookingConfirmed::TYPE => parcel.open::<BookingConfirmed>().into(),
            BookingFailed::TYPE => parcel.open::<BookingFailed>().into(),
            BookingCancelled::TYPE => parcel.open::<BookingCancelled>().into(),
            BookingLegCancelled::TYPE => parcel.open::<BookingLegCancelled>().into(),
            BookingLegReplaced::TYPE => parcel.open::<BookingLegReplaced>().into(),
            BookingMoneyReversed::TYPE => parcel.open::<BookingMoneyReversed>().into(),
            BookingMoved::TYPE => parcel.open::<BookingMoved>().into(),
            BookingCompleted::TYPE => parcel.open::<BookingCompleted>().into(),
            other => panic!("rewards does not hear {other}"),
        };
        self.feed(&inbound, now).map_err(|_| Trouble::Permanent(Cause::Rejected))
    }

    pub(crate) fn fire(&self, id: &AccountId, now: DateTime<Utc>) -> Commit {
        self.feed(&Inbound::fact(id.clone(), Fact::Due), now).unwrap()
    }

    pub(crate) fn feed(
        &self,
        inbound: &Inbound,
        now: DateTime<Utc>,
    ) -> Result<Commit, rewards_core::Refusal> {
        let id = &inbound.account_id;
        let mut account = self.rows.get(id).cloned().unwrap_or_default();
        let events = match &inbound.input {
            Input::Command(command) => decide(&account, command, &self.policy, now)?,
            Input::Fact(fact) => learn(&account, fact, &self.policy, now),
        };
        let mut commit = Commit::default();
        if events.is_empty() {
            return Ok(commit);
        }
        for event in &events {
            account = evolve(account, event);
            for effect in effects(&account, event) {
                let Effect::Say(message) = effect;
                commit.said.push(Parcel::of(message_id(now, id, account.version), &message));
            }
        }
        if let Some(at) = account.wake_at() {
            commit.timers.push((Timer::Account(id.clone()), at));
        }
        commit.rows.push(Rows::Account(id.clone(), account, events));
        Ok(commit)
    }
}
