//! One refund: granted here, sent by the treasury, proven on its chain.
//!
//! A payout is a transfer in a transaction that the treasury named for this refund, to the refund's
//! address, in its asset. The treasury's word alone proves nothing, and neither does a transfer
//! that it does not own up to: people receive money from others, too.

pub mod approval;
pub mod ending;
pub mod value;

use std::collections::{BTreeMap, BTreeSet};

use contracts::{
    asset::Units,
    ids::PaymentId,
    instruction::{CARD, payment_at},
    messages::{RefundBasis, RefundPriced, RefundState},
    mutants::mutant,
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    address, card,
    chain::{Hash32, TransferKey},
    command::RefundAsked,
    decide::{Means, Refusal},
    event::{Event, Grant},
    evolve::evolve,
    fact::Sighted,
    ledger::Account,
    moving,
    refund::{approval::Approval, ending::Ending, value::Value},
    state::{Payment, Posted, Sighting, Transfer},
};

/// One granted refund.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Refund {
    /// How much.
    pub units: Units,
    /// Where to, once the customer said so.
    pub to: Option<String>,
    /// At which value it goes back.
    pub basis: RefundBasis,
    /// That value, where it is not of as many units as were paid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Value>,
    /// Whether a second person has to let it go, and who did.
    #[serde(default)]
    pub approval: Approval,
    /// The member of staff who looked into the booking when it was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handled_by: Option<String>,
    /// How deep a payout must be to be final.
    pub confirmations: u32,
    /// How far.
    pub state: RefundState,
    /// Every payout ever seen.
    pub payouts: BTreeMap<TransferKey, Transfer>,
    /// The payout that proves it, once it is final.
    pub proof: Option<TransferKey>,
    /// How it ended without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ending: Option<Ending>,
    /// What was found out once and is not told again.
    pub told: BTreeSet<Finding>,
}

/// Something about a refund that a person must look into.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "what", content = "transaction", rename_all = "snake_case", deny_unknown_fields)]
pub enum Finding {
    /// It was not proven in time.
    Overdue,
    /// The treasury has something else under its id, forgot what it had, or has what it said it
    /// could not send.
    Disputed,
    /// A transaction that the treasury named is final and brings its address nothing.
    Astray(Hash32),
}

/// Why a payout does not prove its refund.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Misspent {
    /// It is not of the amount that was granted.
    WrongAmount,
    /// Another payout proved the refund already.
    Twice,
    /// The refund had failed.
    AfterFailure,
}

/// What happened to one refund.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case", deny_unknown_fields)]
pub enum RefundChange {
    /// It was asked for and cannot be granted; asked for again, it is looked at anew.
    Refused {
        /// How much was asked for.
        units: Units,
        /// Why not.
        refusal: Refusal,
    },
    /// A second person let it go.
    Approved {
        /// Who.
        by: String,
        /// Why.
        why: String,
    },
    /// It is known how much is sent for what it is worth.
    Priced(RefundPriced),
    /// The customer said where to; it stays so.
    AddressGiven {
        /// Where to.
        to: String,
    },
    /// The customer named an address that cannot receive it; what it was of is due again, for a
    /// refund to another one.
    AddressRefused {
        /// How much is due again.
        units: Units,
    },
    /// The treasury says that it cannot send it; what it was of is due again.
    Failed {
        /// How much is due again.
        units: Units,
    },
    /// A payout stands in a block.
    PayoutSeen(Sighted),
    /// A payout of the right amount stands on canonical blocks.
    Sent {
        /// Which.
        payout: TransferKey,
    },
    /// No such payout stands any more.
    Unsent,
    /// It pays another booking instead, as the customer chose: it went into that payment.
    Moved {
        /// Which payment.
        into: PaymentId,
        /// How much.
        units: Units,
    },
    /// A payout of the right amount is final: the refund arrived.
    Confirmed {
        /// Which.
        payout: TransferKey,
        /// How much.
        units: Units,
        /// How much was granted, where it went back by value.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        granted: Option<Units>,
    },
    /// Payouts of other amounts are final and bring all of it together: the refund arrived.
    AddedUp(Ending),
    /// A member of staff answers for what is missing: nothing more is to come.
    Settled {
        /// How much came, and how much did not.
        ending: Ending,
        /// Who.
        by: String,
        /// Why.
        why: String,
    },
    /// What it had ended by left the chain in part: it goes on.
    FellShort(Ending),
    /// A payout is final and proves nothing.
    Misspent {
        /// Which.
        payout: TransferKey,
        /// How much.
        units: Units,
        /// Why.
        why: Misspent,
    },
    /// A payout that had been final left the chain: the reorg was deeper than the policy.
    Reversed {
        /// Which.
        payout: TransferKey,
        /// How much.
        units: Units,
        /// Whether it was the proof.
        proof: bool,
        /// How much was granted, where it was the proof of one that went back by value.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        granted: Option<Units>,
    },
    /// Something was found out that a person must look into.
    Found(Finding),
    /// A member of staff named the transaction that brought it; the chain has to prove it.
    ProofNamed {
        /// Which.
        transaction: Hash32,
        /// Who.
        by: String,
        /// Why.
        why: String,
    },
}

impl RefundChange {
    /// The change's name in the journal and in the ledger.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Refused { .. } => "refund_refused",
            Self::Approved { .. } => "refund_approved",
            Self::Priced(_) => "refund_priced",
            Self::AddressGiven { .. } => "refund_address_given",
            Self::AddressRefused { .. } => "refund_address_refused",
            Self::Failed { .. } => "refund_failed",
            Self::PayoutSeen(_) => "payout_seen",
            Self::Sent { .. } => "refund_sent",
            Self::Moved { .. } => "refund_moved",
            Self::Unsent => "refund_unsent",
            Self::Confirmed { .. } => "refund_confirmed",
            Self::AddedUp(_) => "refund_added_up",
            Self::Settled { .. } => "refund_settled",
            Self::FellShort(_) => "refund_fell_short",
            Self::Misspent { .. } => "payout_misspent",
            Self::Reversed { .. } => "payout_reversed",
            Self::Found(_) => "refund_finding",
            Self::ProofNamed { .. } => "refund_proof_named",
        }
    }

    /// The reason for which a person must look into it, if one must.
    #[must_use]
    pub const fn case(&self) -> Option<&'static str> {
        match self {
            Self::Failed { .. } => Some("refund_failed"),
            Self::Misspent { why: Misspent::WrongAmount, .. } => Some("refund_wrong_amount"),
            Self::Misspent { why: Misspent::Twice, .. } => Some("refund_sent_twice"),
            Self::Misspent { why: Misspent::AfterFailure, .. } => Some("refund_sent_after_failure"),
            Self::Reversed { .. } => Some("refund_reversed"),
            Self::Found(Finding::Overdue) => Some("refund_overdue"),
            Self::Found(Finding::Disputed) => Some("refund_disputed"),
            Self::Found(Finding::Astray(_)) => Some("refund_astray"),
            Self::Refused { .. }
            | Self::Approved { .. }
            | Self::Priced(_)
            | Self::AddressGiven { .. }
            | Self::AddressRefused { .. }
            | Self::PayoutSeen(_)
            | Self::Sent { .. }
            | Self::Unsent
            | Self::Moved { .. }
            | Self::Confirmed { .. }
            | Self::AddedUp(_)
            | Self::Settled { .. }
            | Self::FellShort(_)
            | Self::ProofNamed { .. } => None,
        }
    }

    /// The transaction it is about, if it is about one.
    #[must_use]
    pub const fn transaction(&self) -> Option<Hash32> {
        match self {
            Self::PayoutSeen(sighted) => Some(sighted.key.transaction),
            Self::Sent { payout }
            | Self::Confirmed { payout, .. }
            | Self::Misspent { payout, .. }
            | Self::Reversed { payout, .. } => Some(payout.transaction),
            Self::Found(Finding::Astray(transaction)) | Self::ProofNamed { transaction, .. } => {
                Some(*transaction)
            }
            Self::Refused { .. }
            | Self::Approved { .. }
            | Self::Priced(_)
            | Self::AddressGiven { .. }
            | Self::AddressRefused { .. }
            | Self::Failed { .. }
            | Self::Unsent
            | Self::Moved { .. }
            | Self::AddedUp(_)
            | Self::Settled { .. }
            | Self::FellShort(_)
            | Self::Found(Finding::Overdue | Finding::Disputed) => None,
        }
    }

    /// What the change moves between which accounts.
    #[must_use]
    pub fn moves(&self) -> Vec<(Account, Account, Units)> {
        use Account::{Misspent as Wasted, Moved, PaidOut, RefundDue, RefundGranted};
        match self {
            Self::AddressRefused { units } | Self::Failed { units } => {
                vec![(RefundGranted, RefundDue, *units)]
            }
            Self::Confirmed { units, granted, .. } => arrived(*units, *granted),
            Self::Moved { units, .. } => vec![(RefundGranted, Moved, *units)],
            Self::Misspent { units, .. } => vec![(Wasted, PaidOut, *units)],
            Self::AddedUp(ending) | Self::Settled { ending, .. } => ending.moves(),
            Self::FellShort(ending) => turned(ending.moves()),
            Self::Reversed { units, proof: true, granted, .. } => turned(arrived(*units, *granted)),
            Self::Reversed { units, proof: false, .. } => vec![(PaidOut, Wasted, *units)],
            Self::Refused { .. }
            | Self::Approved { .. }
            | Self::Priced(_)
            | Self::AddressGiven { .. }
            | Self::PayoutSeen(_)
            | Self::Sent { .. }
            | Self::Unsent
            | Self::Found(_)
            | Self::ProofNamed { .. } => vec![],
        }
    }
}

/// What a refund that arrived moves. Where more or less was sent than was granted, because a coin
/// is worth less or more than it was, the difference is ours.
fn arrived(sent: Units, granted: Option<Units>) -> Vec<(Account, Account, Units)> {
    use Account::{ExchangeDifference, PaidOut, RefundGranted};
    let granted = granted.unwrap_or(sent);
    vec![
        (RefundGranted, PaidOut, granted.min(sent)),
        (RefundGranted, ExchangeDifference, granted.saturating_sub(sent)),
        (ExchangeDifference, PaidOut, sent.saturating_sub(granted)),
    ]
}

/// The same lines the other way round.
fn turned(lines: Vec<(Account, Account, Units)>) -> Vec<(Account, Account, Units)> {
    lines.into_iter().map(|(debit, credit, units)| (credit, debit, units)).collect()
}

/// Decides what was asked of a refund; nothing for a repeat.
pub(crate) fn decide(
    payment: &Payment,
    asked: &RefundAsked,
    means: &Means<'_>,
) -> Result<Vec<Event>, Refusal> {
    let can_receive = |to: &str| match means.asset {
        Some(asset) => address::can_receive(&asset.family, to),
        // Without its asset no more is known of the chain than that this is an address of one.
        None => to == CARD || address::key(to).is_some(),
    };
    let into = asked.to.as_deref().and_then(payment_at);
    let may_move = |into| moving::may_move(payment, into, asked.units, means.head);
    let can_take = || means.into.is_some_and(may_move);
    let reaches = match into {
        Some(_) => can_take(),
        None => asked.to.as_deref().is_none_or(can_receive),
    };
    let mut events = match payment.refunds.get(&asked.refund_id) {
        Some(granted) => again(granted, asked, reaches)?,
        None if !reaches => return Err(Refusal::NoAddress),
        None => grant(payment, asked, means)?,
    };
    if let Some(into) = into.filter(|_| !events.is_empty()) {
        let change = RefundChange::Moved { into, units: asked.units };
        events.push(Event::Refund { refund_id: asked.refund_id, change });
    }
    Ok(events)
}

/// The same refund once more: it may bring the address that was missing, and nothing else.
fn again(granted: &Refund, asked: &RefundAsked, reaches: bool) -> Result<Vec<Event>, Refusal> {
    if (granted.units, granted.basis) != (asked.units, asked.basis) {
        return Err(Refusal::OtherRefund);
    }
    match (&granted.to, &asked.to) {
        (_, None) => Ok(vec![]),
        (Some(known), Some(to)) if known.eq_ignore_ascii_case(to) => Ok(vec![]),
        (Some(_), Some(_)) => Err(Refusal::OtherRefund),
        (None, Some(_)) if !reaches => Err(Refusal::NoAddress),
        // It failed for its address, so another one is another refund's.
        (None, Some(_)) if granted.state == RefundState::Failed => Err(Refusal::OtherRefund),
        (None, Some(_)) if mutant("refund_address_dropped") => Ok(vec![]),
        (None, Some(to)) => {
            let change = RefundChange::AddressGiven { to: to.clone() };
            Ok(vec![Event::Refund { refund_id: asked.refund_id, change }])
        }
    }
}

fn grant(payment: &Payment, asked: &RefundAsked, means: &Means<'_>) -> Result<Vec<Event>, Refusal> {
    let Some(request) = &payment.request else { return Err(Refusal::NothingToRefund) };
    if asked.units.is_zero() {
        return Err(Refusal::NothingToRefund);
    }
    if !payment.settled && payment.closing.is_none() {
        return Err(Refusal::StillOpen);
    }
    let available = payment.final_units().saturating_sub(payment.refunded());
    if asked.units > available {
        return Err(Refusal::NotSettled { available });
    }
    let of_due = asked.units.min(payment.book.credit_of(Account::RefundDue));
    let of_excess = asked.units.saturating_sub(of_due).min(payment.book.credit_of(Account::Excess));
    let depth = means.asset.map(|asset| asset.confirmations_for(asked.units));
    Ok(vec![Event::RefundGranted(Grant {
        refund_id: asked.refund_id,
        units: asked.units,
        to: asked.to.clone(),
        basis: asked.basis,
        value: Value::of(payment, request, asked),
        needs_second: approval::is_needed(payment, request, asked.units, means.refund_alone_max),
        handled_by: asked.handled_by.clone(),
        confirmations: depth.unwrap_or(request.confirmations),
        of_due,
        of_excess,
        of_price: asked.units.saturating_sub(of_due).saturating_sub(of_excess),
    })])
}

/// What is kept of a refund that was refused. One that was granted before goes on as it is, unless
/// it waits for an address and was given one of no use: then whoever asked has to know.
pub(crate) fn refused(payment: &Payment, asked: &RefundAsked, refusal: Refusal) -> Event {
    let refund_id = asked.refund_id;
    match payment.refunds.get(&refund_id) {
        None => {
            let change = RefundChange::Refused { units: asked.units, refusal };
            Event::Refund { refund_id, change }
        }
        Some(granted) if refusal == Refusal::NoAddress && granted.state == RefundState::Granted => {
            let change = RefundChange::AddressRefused { units: granted.units };
            Event::Refund { refund_id, change }
        }
        Some(_) => Event::Refused { refusal },
    }
}

/// Applies a change, no questions asked.
pub(crate) fn apply(payment: &mut Payment, refund_id: Uuid, change: &RefundChange) {
    let Some(refund) = payment.refunds.get_mut(&refund_id) else { return };
    match change {
        RefundChange::Refused { .. } | RefundChange::ProofNamed { .. } => {}
        RefundChange::Approved { by, .. } => refund.approval = Approval::Given { by: by.clone() },
        RefundChange::Priced(priced) => {
            if let Some(value) = &mut refund.value {
                value.priced = Some(priced.clone());
            }
        }
        RefundChange::AddressGiven { to } => refund.to = Some(to.clone()),
        RefundChange::AddressRefused { .. } | RefundChange::Failed { .. } => {
            refund.state = RefundState::Failed;
        }
        RefundChange::PayoutSeen(sighted) => {
            let payout = refund.payouts.entry(sighted.key.clone()).or_default();
            payout.sightings.insert(sighted.block.hash, Sighting::of(sighted));
        }
        RefundChange::Sent { .. } => refund.state = RefundState::Sent,
        RefundChange::Moved { .. } => refund.state = RefundState::Confirmed,
        RefundChange::Unsent => refund.state = RefundState::Granted,
        RefundChange::Confirmed { payout, units, .. } => {
            refund.post(payout, Posted::Final(*units));
            refund.proof = Some(payout.clone());
            refund.state = RefundState::Confirmed;
        }
        RefundChange::AddedUp(ending) | RefundChange::Settled { ending, .. } => {
            refund.ending = Some(*ending);
            refund.state = RefundState::Confirmed;
        }
        RefundChange::FellShort(_) => {
            refund.ending = None;
            refund.state = RefundState::Granted;
        }
        RefundChange::Misspent { payout, units, .. } => refund.post(payout, Posted::Final(*units)),
        RefundChange::Reversed { payout, proof, .. } => {
            refund.post(payout, Posted::Nothing);
            if *proof {
                refund.proof = None;
                refund.state = RefundState::Granted;
            }
        }
        RefundChange::Found(finding) => drop(refund.told.insert(*finding)),
    }
}

impl Refund {
    /// A refund that was just granted.
    pub(crate) fn granted(grant: &Grant) -> Self {
        Self {
            units: grant.units,
            to: grant.to.clone(),
            basis: grant.basis,
            value: grant.value.clone(),
            approval: if grant.needs_second { Approval::Waits } else { Approval::NotNeeded },
            handled_by: grant.handled_by.clone(),
            confirmations: grant.confirmations,
            state: RefundState::Granted,
            payouts: BTreeMap::new(),
            proof: None,
            ending: None,
            told: BTreeSet::new(),
        }
    }

    fn post(&mut self, payout: &TransferKey, posted: Posted) {
        if let Some(payout) = self.payouts.get_mut(payout) {
            payout.posted = posted;
        }
    }
}

/// A payout was seen; nothing for a repeat.
pub(crate) fn seen(payment: &Payment, refund_id: Uuid, sighted: &Sighted) -> Vec<Event> {
    let Some(refund) = payment.refunds.get(&refund_id) else { return vec![] };
    let known = refund.payouts.get(&sighted.key);
    let known = known.and_then(|payout| payout.sightings.get(&sighted.block.hash));
    if known.is_some_and(|known| known.look >= sighted.look) {
        return vec![];
    }
    vec![Event::Refund { refund_id, change: RefundChange::PayoutSeen(sighted.clone()) }]
}

/// The treasury, or the card gateway, says that it cannot send it, and has not.
pub(crate) fn rejected(payment: &Payment, refund_id: Uuid) -> Vec<Event> {
    let Some(refund) = payment.refunds.get(&refund_id) else { return vec![] };
    let by_card = payment.request.as_ref().is_some_and(card::is_card);
    // What left a chain may be mined again; what a card gateway sent back is gone.
    let may_come = |payout| !by_card || payment.stands(payout).is_some();
    if refund.state != RefundState::Granted || refund.payouts.values().any(may_come) {
        return vec![];
    }
    vec![Event::Refund { refund_id, change: RefundChange::Failed { units: refund.units } }]
}

/// Something was found out; nothing when it was known, or when the refund arrived in time.
pub(crate) fn found(payment: &Payment, refund_id: Uuid, finding: Finding) -> Vec<Event> {
    let Some(refund) = payment.refunds.get(&refund_id) else { return vec![] };
    let ended = matches!(refund.state, RefundState::Confirmed | RefundState::Failed);
    if refund.told.contains(&finding) || (finding == Finding::Overdue && ended) {
        return vec![];
    }
    vec![Event::Refund { refund_id, change: RefundChange::Found(finding) }]
}

/// A member of staff named a transaction; nothing for a repeat.
pub(crate) fn proof_named(
    payment: &Payment,
    refund_id: Uuid,
    transaction: Hash32,
    by: &str,
    why: &str,
) -> Vec<Event> {
    let Some(refund) = payment.refunds.get(&refund_id) else { return vec![] };
    if refund.payouts.keys().any(|key| key.transaction == transaction) {
        return vec![];
    }
    let (by, why) = (by.to_owned(), why.to_owned());
    let change = RefundChange::ProofNamed { transaction, by, why };
    vec![Event::Refund { refund_id, change }]
}

/// What follows for the refunds from everything that is known, at a head if one is known.
pub(crate) fn follow(payment: &Payment, head: Option<(u64, u64)>) -> Vec<Event> {
    let (mut payment, mut events) = (payment.clone(), vec![]);
    let ids: Vec<Uuid> = payment.refunds.keys().copied().collect();
    for refund_id in ids {
        while let Some(change) = next(&payment, refund_id, head) {
            let event = Event::Refund { refund_id, change };
            payment = evolve(payment, &event);
            events.push(event);
        }
    }
    events
}

/// The next thing that follows for one refund; nothing when it is at rest.
fn next(payment: &Payment, refund_id: Uuid, head: Option<(u64, u64)>) -> Option<RefundChange> {
    let refund = payment.refunds.get(&refund_id)?;
    // A token's contract may move another amount in another block.
    let gone = refund.payouts.iter().find_map(|(key, payout)| match payout.posted {
        Posted::Final(units) => {
            let stands = payment.stands(payout).is_some_and(|sighting| sighting.units == units);
            (!stands).then(|| (key.clone(), units))
        }
        Posted::Nothing | Posted::Reversed(_) => None,
    });
    if let Some((payout, units)) = gone {
        let proof = refund.proof.as_ref() == Some(&payout);
        let granted = refund.granted_otherwise().filter(|_| proof);
        return Some(RefundChange::Reversed { payout, units, proof, granted });
    }
    if let Some(ending) = refund.falls_short() {
        return Some(RefundChange::FellShort(ending));
    }
    // The oldest first, so that of two payouts the second is the one too many.
    let mut open: Vec<(Sighting, &TransferKey)> = refund
        .payouts
        .iter()
        .filter(|(_, payout)| payout.posted == Posted::Nothing)
        .filter_map(|(key, payout)| Some((payment.stands(payout)?, key)))
        .collect();
    open.sort_by_key(|(sighting, key)| (sighting.height, (*key).clone()));
    let sends = refund.sends();
    let right = open.iter().find(|(sighting, _)| Some(sighting.units) == sends);
    match (refund.state, right) {
        (RefundState::Granted, Some((_, key))) => {
            return Some(RefundChange::Sent { payout: (*key).clone() });
        }
        (RefundState::Sent, None) => return Some(RefundChange::Unsent),
        _ => {}
    }
    if let Some(ending) = refund.adds_up().filter(|_| right.is_none()) {
        return Some(RefundChange::AddedUp(ending));
    }
    let (head, look) = head?;
    let is_final = |sighting: &Sighting| {
        let depth = head.saturating_add(1).saturating_sub(sighting.height);
        sighting.look <= look && depth >= u64::from(refund.confirmations)
    };
    let (sighting, payout) = open.into_iter().find(|(sighting, _)| is_final(sighting))?;
    let (payout, units) = (payout.clone(), sighting.units);
    let why = match refund.state {
        _ if Some(units) != sends => Misspent::WrongAmount,
        RefundState::Sent | RefundState::Granted => {
            let granted = refund.granted_otherwise();
            return Some(RefundChange::Confirmed { payout, units, granted });
        }
        RefundState::Confirmed => Misspent::Twice,
        RefundState::Failed => Misspent::AfterFailure,
    };
    Some(RefundChange::Misspent { payout, units, why })
}
