//! supplier-sync's shell without its servers: wishes, hints, answers and timers in, transactions
//! and calls out.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use contracts::{
    ids::{LegId, MessageId},
    message::Message as _,
    messages::{CallbackReceived, LegState, LegWanted, WantedLeg},
    supplier::Supplier,
};
use messaging_core::{Cause, Trouble};
use supplier_sync_core::{
    Effect, Event, Fact, Inbound, Leg, Policy, Recorded, State, decide, effects, learn, record,
    wake_at,
};
use suppliers::Answer;

use crate::{
    commit::{Commit, Handled, Rows, Timer},
    parcel::Parcel,
    world::Sabotage,
};

/// supplier-sync's rows.
#[derive(Debug)]
pub(crate) struct Legs {
    pub(crate) policies: BTreeMap<Supplier, Policy>,
    pub(crate) rows: BTreeMap<LegId, Box<Leg>>,
    pub(crate) journals: BTreeMap<LegId, Vec<Recorded>>,
    /// Legs by the client reference of their attempts.
    pub(crate) by_reference: BTreeMap<String, LegId>,
    pub(crate) sabotage: Sabotage,
}

impl Legs {
    pub(crate) fn state(&self, id: LegId) -> State {
        self.rows.get(&id).cloned()
    }

    pub(crate) fn hear(&self, parcel: &Parcel, now: DateTime<Utc>) -> Handled {
        match parcel.kind {
            LegWanted::TYPE => {
                let message: LegWanted = parcel.open();
                let policy = self.policy(message.order.supplier);
                let Inbound { leg_id, command } = message.into();
                let state = self.state(leg_id);
                match decide(&state, &command, policy, now) {
                    Ok(events) => Ok(self.commit(state, events, now)),
                    Err(_) => Err(Trouble::Permanent(Cause::Rejected)),
                }
            }
            CallbackReceived::TYPE => {
                let message: CallbackReceived = parcel.open();
                let Some(leg_id) = self.meant(&message) else { return Ok(Commit::default()) };
                let CallbackReceived { callback_id, client_reference, reference, claim, .. } =
                    message;
                let callback_id = Some(callback_id);
                let fact = Fact::Hinted { callback_id, client_reference, reference, claim };
                Ok(self.learn(leg_id, &fact, now))
            }
            other => panic!("supplier-sync does not hear {other}"),
        }
    }

    /// Which leg a callback means: by our reference, else by the supplier's.
    fn meant(&self, message: &CallbackReceived) -> Option<LegId> {
        let ours = message.client_reference.as_ref();
        if let Some(known) = ours.and_then(|ours| self.by_reference.get(ours)) {
            return Some(*known);
        }
        let theirs = message.reference.as_deref()?;
        let is_meant = |leg: &Leg| {
            let named = |(_, reference, _): (_, &str, _)| reference == theirs;
            leg.order.supplier == message.supplier && leg.reservations().any(named)
        };
        self.rows.values().find(|leg| is_meant(leg)).map(|leg| leg.leg_id)
    }

    pub(crate) fn policy(&self, supplier: Supplier) -> &Policy {
        &self.policies[&supplier]
    }

    pub(crate) fn learn(&self, id: LegId, fact: &Fact, now: DateTime<Utc>) -> Commit {
        let state = self.state(id);
        let policy = self.policy(state.as_ref().map_or(Supplier::Rapid, |leg| leg.order.supplier));
        let events = match self.without_late_evidence(&state, fact) {
            Some(fact) => learn(&state, &fact, policy, now),
            None => learn(&state, fact, policy, now),
        };
        self.commit(state, events, now)
    }

    /// For the canary alone: what is left of a fact where a closed leg is believed to stay closed.
    fn without_late_evidence(&self, state: &State, fact: &Fact) -> Option<Fact> {
        if self.sabotage != Sabotage::LateEvidenceDropped {
            return None;
        }
        let leg = state.as_deref()?;
        let Fact::Answered { exchange, answer: Answer::Seen(_) } = fact else { return None };
        let told = &leg.told.as_ref()?.state;
        let closed = matches!(told, LegState::Gone { .. } | LegState::Refused { .. });
        (leg.wanted == WantedLeg::Released && closed)
            .then_some(Fact::Answered { exchange: *exchange, answer: Answer::NotFound })
    }

    fn commit(&self, state: State, events: Vec<Event>, now: DateTime<Utc>) -> Commit {
        let mut commit = Commit::default();
        if events.is_empty() {
            return commit;
        }
        let mut state = state;
        let mut journal = Vec::new();
        for event in events {
            let (after, recorded) = record(state, vec![event], now);
            for entry in &recorded {
                let leg = after.as_deref().unwrap();
                for (n, effect) in (0_u64..).zip(effects(leg, entry)) {
                    let id = MessageId::caused_by(entry.at, leg.leg_id.0, entry.version, n);
                    match effect {
                        Effect::Call(call) => commit.calls.push(*call),
                        Effect::Tell(message) => commit.said.push(Parcel::of(id, &*message)),
                        Effect::TellGuests(message) => commit.said.push(Parcel::of(id, &*message)),
                    }
                }
            }
            state = after;
            journal.extend(recorded);
        }
        let leg = state.as_deref().unwrap();
        if let Some(at) = wake_at(leg, self.policy(leg.order.supplier)) {
            commit.timers.push((Timer::Leg(leg.leg_id), at));
        }
        commit.rows.push(Rows::Leg(state, journal));
        commit
    }
}
