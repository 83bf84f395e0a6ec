//! Card money as facts of a payment: what the gateway holds is seen, what it took is final.
//!
//! The gateway is a chain of its own to the payment. Its newest block is always the second one:
//! what is held lies in that one, what was taken lies one deeper and is final. What it lets go of
//! left its block. So every rule about money that comes, is final, comes late or leaves holds for
//! cards, too.

use alloy_primitives::keccak256;
use chrono::{DateTime, Utc};
use contracts::{
    asset::Units,
    instruction::CARD_CHAIN,
    messages::{CloseBecause, RefundState},
    mutants::mutant,
};
use uuid::Uuid;

use crate::{
    assets::cards::TAKEN_DEEP,
    chain::{BlockRef, Hash32, TransferKey},
    closing,
    fact::{Fact, Sighted},
    state::{Payment, Request, Transfer},
};

/// The height of what is held, and of the newest block; what was taken lies one deeper.
pub const HEAD: u64 = 2;

/// How far the gateway is with a payment, as it told when it was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// The customer has not paid, or is asked by the bank who they are.
    Waits,
    /// So much is held on the customer's card.
    Held(Units),
    /// So much was taken.
    Taken(Units),
    /// Nothing is held and nothing can be any more.
    Over,
}

/// A refund as the gateway tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToldRefund {
    /// The gateway's name of it.
    pub id: String,
    /// Whose it is, as we said when we asked for it; nothing where somebody else did.
    pub refund_id: Option<Uuid>,
    /// How much.
    pub units: Units,
    /// How far.
    pub state: ToldState,
}

/// How far the gateway is with a refund.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ToldState {
    /// On its way.
    Pending,
    /// The customer has it.
    Arrived,
    /// It came back, or never went.
    Failed,
}

/// What the gateway told of one payment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// The gateway's name of it.
    pub intent: String,
    /// How far.
    pub stage: Stage,
    /// Whether the customer's bank took the money back for good.
    pub is_lost: bool,
    /// Everything that was given back or is to be.
    pub refunds: Vec<ToldRefund>,
}

/// What is to be asked of the gateway next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wish {
    /// Nothing for now.
    Wait,
    /// Take what is held.
    Take,
    /// Give up what is held, or what nobody paid.
    LetGo,
    /// Give back so much of what was taken.
    GiveBack {
        /// For which refund.
        refund_id: Uuid,
        /// How much.
        units: Units,
    },
}

/// Whether a request is paid by card.
#[must_use]
pub fn is_card(request: &Request) -> bool {
    request.chain == CARD_CHAIN
}

/// What a payment learns from what the gateway told.
#[must_use]
pub fn facts(payment: &Payment, told: &Told, now: DateTime<Utc>) -> Vec<Fact> {
    let look = payment.seq.saturating_add(1);
    let mut facts = vec![];
    let key = key_of(&told.intent);
    let known = payment.transfers.get(&key);
    match told.stage {
        Stage::Waits => {}
        Stage::Held(units) => {
            let height = if mutant("held_card_is_final") { 1 } else { HEAD };
            facts.extend(sight(payment, known, &key, ("held", height), units, now).map(seen));
        }
        Stage::Taken(_) if told.is_lost && !mutant("lost_charge_counts") => {
            facts.extend(left(payment, known, look));
        }
        Stage::Taken(units) => {
            let deep = HEAD.saturating_sub(u64::from(TAKEN_DEEP).saturating_sub(1));
            facts.extend(sight(payment, known, &key, ("taken", deep), units, now).map(seen));
        }
        Stage::Over => facts.extend(left(payment, known, look)),
    }
    for refund in &told.refunds {
        facts.extend(of_refund(payment, refund, look, now));
    }
    facts.push(Fact::HeadMoved { head: HEAD, look, finalized: None });
    match told.stage {
        // Nothing more can come, so everything that came is known.
        Stage::Taken(_) | Stage::Over => facts.push(Fact::ReadUpTo { stamped_at: now }),
        Stage::Waits | Stage::Held(_) => {}
    }
    facts
}

const fn seen(sighted: Sighted) -> Fact {
    Fact::TransferSeen(sighted)
}

/// A sight of money in a stage; nothing when it is known to stand there.
fn sight(
    payment: &Payment,
    known: Option<&Transfer>,
    key: &TransferKey,
    (stage, height): (&str, u64),
    units: Units,
    now: DateTime<Utc>,
) -> Option<Sighted> {
    let hash = hash_of(&format!("{} {stage} {units}", key.transaction));
    let standing = known.and_then(|transfer| payment.stands(transfer));
    let here = known.and_then(|transfer| transfer.sightings.get(&hash));
    if here.is_some() && here == standing.as_ref() {
        return None;
    }
    // Money is as old as its first sight: taken in time is what was held in time.
    let first = known.into_iter().flat_map(|transfer| transfer.sightings.values());
    let stamped_at = first.map(|sighting| sighting.stamped_at).min().unwrap_or(now);
    let (block, look) = (BlockRef { height, hash }, payment.seq.saturating_add(1));
    Some(Sighted { key: key.clone(), units, block, look, stamped_at, rests: 0 })
}

/// The money is not there any more, if it was.
fn left(payment: &Payment, known: Option<&Transfer>, look: u64) -> Vec<Fact> {
    let Some(transfer) = known else { return vec![] };
    let mut left = vec![];
    for (block, sighting) in &transfer.sightings {
        let gone = payment.left.get(block).is_some_and(|gone_at| *gone_at >= sighting.look);
        if !gone {
            left.push(Fact::BlockLeft { block: *block, look });
        }
    }
    left
}

fn of_refund(payment: &Payment, told: &ToldRefund, look: u64, now: DateTime<Utc>) -> Vec<Fact> {
    let refund = told.refund_id.and_then(|id| Some((id, payment.refunds.get(&id)?)));
    let Some((refund_id, refund)) = refund else { return vec![] };
    let key = key_of(&told.id);
    let known = refund.payouts.get(&key);
    match told.state {
        ToldState::Pending => vec![],
        ToldState::Arrived => {
            let sighted = sight(payment, known, &key, ("arrived", 1), told.units, now);
            sighted.map(|sighted| Fact::PayoutSeen { refund_id, sighted }).into_iter().collect()
        }
        // It may have arrived before, and come back since.
        ToldState::Failed => {
            let mut facts = left(payment, known, look);
            facts.push(Fact::PayoutRejected { refund_id });
            facts
        }
    }
}

/// What is to be asked of the gateway, as the payment stands.
#[must_use]
pub fn wish(payment: &Payment, told: &Told, now: DateTime<Utc>) -> Wish {
    match told.stage {
        Stage::Over => Wish::Wait,
        Stage::Waits | Stage::Held(_) if is_unwanted(payment, now) && !mutant("card_kept_held") => {
            Wish::LetGo
        }
        Stage::Held(_) if payment.seen.complete && !payment.settled => Wish::Take,
        Stage::Waits | Stage::Held(_) => Wish::Wait,
        // Its holder has it back already.
        Stage::Taken(_) if told.is_lost => Wish::Wait,
        Stage::Taken(_) => give_back(payment, told).unwrap_or(Wish::Wait),
    }
}

/// The next refund that was granted and of which the gateway has nothing.
fn give_back(payment: &Payment, told: &Told) -> Option<Wish> {
    let asked = |id: &Uuid| told.refunds.iter().any(|refund| refund.refund_id == Some(*id));
    let mut open = payment.refunds.iter().filter(|(id, refund)| {
        let may_go = refund.approval.lets_go();
        refund.state == RefundState::Granted && refund.payouts.is_empty() && may_go && !asked(id)
    });
    let (refund_id, refund) = open.next()?;
    Some(Wish::GiveBack { refund_id: *refund_id, units: refund.units })
}

/// Whether nothing is to be paid any more: the payment was closed, or is to be and cannot pay.
fn is_unwanted(payment: &Payment, now: DateTime<Utc>) -> bool {
    if payment.closing.is_some() {
        return true;
    }
    let Some(asked) = payment.close_asked else { return false };
    match asked.because {
        CloseBecause::NeverShown | CloseBecause::Undone | CloseBecause::CalledOff => true,
        CloseBecause::NotPaid => {
            let late = closing::in_time_until(payment).is_none_or(|until| now > until);
            late && !closing::will_pay(payment)
        }
    }
}

fn key_of(name: &str) -> TransferKey {
    TransferKey { transaction: hash_of(name), position: String::new() }
}

fn hash_of(text: &str) -> Hash32 {
    Hash32(keccak256(text.as_bytes()).0)
}

#[cfg(test)]
mod tests;
