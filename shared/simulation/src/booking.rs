//! booking's shell without its servers: a message, a timer or a request in, a transaction out.

use std::collections::BTreeMap;

use booking_core::{
    Booking, Command, Deadline, Effect, Fact, Inbound, Policy, Recorded, Refusal, State, decide,
    effects, learn, record,
};
use chrono::{DateTime, Utc};
use contracts::{
    ids::{BookingId, MessageId},
    message::Message as _,
    messages::{
        LegChanged, PaymentClosed, PaymentPrepared, PaymentRefundChanged, PaymentReversed,
        PaymentSeen, PaymentSettled, PointsChanged,
    },
};
use messaging_core::Trouble;

use crate::{
    commit::{Commit, Handled, Rows, Timer},
    parcel::Parcel,
};

/// booking's rows.
#[derive(Debug)]
pub(crate) struct Bookings {
    pub(crate) policy: Policy,
    pub(crate) rows: BTreeMap<BookingId, Box<Booking>>,
    pub(crate) journals: BTreeMap<BookingId, Vec<Recorded>>,
}

impl Bookings {
    pub(crate) fn state(&self, id: BookingId) -> State {
        self.rows.get(&id).cloned()
    }

    pub(crate) fn hear(&self, parcel: &Parcel, now: DateTime<Utc>) -> Handled {
        let Inbound { booking_id, fact } = match parcel.kind {
            LegChanged::TYPE => parcel.open::<LegChanged>().into(),
            PaymentPrepared::TYPE => parcel.open::<PaymentPrepared>().into(),
            PaymentSeen::TYPE => parcel.open::<PaymentSeen>().into(),
            PaymentSettled::TYPE => parcel.open::<PaymentSettled>().into(),
            PaymentReversed::TYPE => parcel.open::<PaymentReversed>().into(),
            PaymentClosed::TYPE => parcel.open::<PaymentClosed>().into(),
            PaymentRefundChanged::TYPE => parcel.open::<PaymentRefundChanged>().into(),
            PointsChanged::TYPE => parcel.open::<PointsChanged>().into(),
            other => panic!("booking does not hear {other}"),
        };
        if !self.rows.contains_key(&booking_id) {
            return Err(Trouble::Transient);
        }
        Ok(self.learn(booking_id, &fact, now))
    }

    pub(crate) fn fire(&self, id: BookingId, deadline: Deadline, now: DateTime<Utc>) -> Commit {
        self.learn(id, &Fact::Passed(deadline), now)
    }

    pub(crate) fn ask(
        &self,
        id: BookingId,
        command: &Command,
        now: DateTime<Utc>,
    ) -> Result<Commit, Refusal> {
        let state = self.state(id);
        let events = decide(&state, command, &self.policy, now)?;
        Ok(commit(state, events, now))
    }

    fn learn(&self, id: BookingId, fact: &Fact, now: DateTime<Utc>) -> Commit {
        let state = self.state(id);
        let events = learn(&state, fact, now);
        commit(state, events, now)
    }
}

fn commit(state: State, events: Vec<booking_core::Event>, now: DateTime<Utc>) -> Commit {
    let mut commit = Commit::default();
    if events.is_empty() {
        return commit;
    }
    let (state, recorded) = record(state, events, now);
    let after = state.as_deref().unwrap();
    for entry in &recorded {
        for (n, effect) in (0_u64..).zip(effects(after, entry)) {
            let id = MessageId::caused_by(entry.at, after.booking_id.0, entry.version, n);
            commit.said.push(match effect {
                Effect::WakeAt { deadline, at } => {
                    commit.timers.push((Timer::Booking(after.booking_id, deadline), at));
                    continue;
                }
                Effect::Leg(message) => Parcel::of(id, &message),
                Effect::Guests(message) => Parcel::of(id, &message),
                Effect::Points(message) => Parcel::of(id, &message),
                Effect::Prepare(message) => Parcel::of(id, &message),
                Effect::Close(message) => Parcel::of(id, &message),
                Effect::Refund(message) => Parcel::of(id, &message),
                Effect::Confirmed(message) => Parcel::of(id, &message),
                Effect::Failed(message) => Parcel::of(id, &message),
                Effect::Cancelled(message) => Parcel::of(id, &message),
                Effect::LegReplaced(message) => Parcel::of(id, &message),
                Effect::LegCancelled(message) => Parcel::of(id, &message),
                Effect::Moved(message) => Parcel::of(id, &message),
                Effect::MoneyReversed(message) => Parcel::of(id, &message),
                Effect::Completed(message) => Parcel::of(id, &message),
            });
        }
    }
    commit.rows.push(Rows::Booking(state, recorded));
    commit
}
