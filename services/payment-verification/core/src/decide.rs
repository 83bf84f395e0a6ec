//! What is asked of a payment: answered by events, or refused.

use chrono::{DateTime, TimeDelta, Utc};
use contracts::{asset::Units, money::Money};
use serde::{Deserialize, Serialize};

use crate::{
    assets::{Asset, Chain, Family, cards},
    closing,
    command::{Command, Terms},
    depth::{self, Head},
    event::Event,
    refund,
    state::{Deposit, Payment, Request},
};

/// Why something that was asked cannot be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(tag = "why", rename_all = "snake_case", deny_unknown_fields)]
pub enum Refusal {
    /// The payment was closed before it was asked for.
    #[error("the payment is closed")]
    Closed,
    /// It was asked for with other terms before.
    #[error("the payment has other terms")]
    OtherTerms,
    /// The registry has no such asset, or with other decimals.
    #[error("the asset is not in the registry")]
    UnknownAsset,
    /// The amount is nothing.
    #[error("there is nothing to pay")]
    NothingToPay,
    /// The refund was asked for with another amount, value or place before.
    #[error("the refund has other terms")]
    OtherRefund,
    /// Only as many units as were paid could be given back once; old journals have it.
    #[error("the refund is of a value that is not computed here")]
    OtherBasis,
    /// Where the refund is wanted is no address that could receive it.
    #[error("the refund has no address that can receive it")]
    NoAddress,
    /// The refund is of nothing.
    #[error("there is nothing to refund")]
    NothingToRefund,
    /// The payment is neither settled nor closed, so its money is not to go back.
    #[error("the payment is still open")]
    StillOpen,
    /// Only final money goes back, and only once.
    #[error("more than what is final and not yet granted")]
    NotSettled {
        /// How much could be granted.
        available: Units,
    },
}

/// What a preparation needs from outside: what the registry knows of the asset, and an address.
#[derive(Debug, Clone)]
pub struct Means<'a> {
    /// The asset asked for, if the registry has it.
    pub asset: Option<&'a Asset>,
    /// An address that was never given to anybody.
    pub deposit: Option<Deposit>,
    /// How long money may come after its deadline, and be away after its block left.
    pub patience: Patience,
    /// What may go back before a second person has to let it go; nothing where that is not known.
    pub refund_alone_max: Option<Money>,
    /// The payment that money is to go to instead of leaving, if it is known.
    pub into: Option<&'a Payment>,
    /// The newest block of the chain that the payment is on, where money is to go to another one.
    pub head: Option<Head>,
}

/// How long money is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// After the deadline, and at least after its block left.
    pub grace: TimeDelta,
    /// How often the asset's chain makes a block.
    pub block_time: TimeDelta,
}

/// How many blocks' time money sent in time has to be mined in, on chains that make blocks by
/// chance. Half of all waits for a block are longer than two thirds of its time, and one in fifty
/// is longer than four of it. No more than that: the booking waits for the answer meanwhile.
const BLOCKS_OF_CHANCE: i32 = 4;

impl Patience {
    /// How long money is waited for on a chain; the grace alone where that is not known.
    #[must_use]
    pub fn on(chain: Option<&Chain>, grace: TimeDelta) -> Self {
        let Some(chain) = chain else { return Self { grace, block_time: TimeDelta::zero() } };
        let block_time = TimeDelta::from_std(chain.block_time).unwrap_or(TimeDelta::MAX);
        let by_chance = match chain.family {
            Family::Evm { .. } | Family::Card => TimeDelta::zero(),
            Family::Utxo { .. } => {
                block_time.checked_mul(BLOCKS_OF_CHANCE).unwrap_or(TimeDelta::MAX)
            }
        };
        Self { grace: grace.max(by_chance), block_time }
    }
}

/// Whether a command will use up an address; the shell asks before it takes one. The card gateway
/// gives its own.
#[must_use]
pub fn needs_deposit(payment: &Payment, command: &Command) -> bool {
    let Command::Prepare(terms) = command else { return false };
    cards::currency_of(&terms.amount.asset).is_none()
        && payment.request.is_none()
        && payment.closing.is_none()
}

/// Decides what was asked; nothing for a repeat.
///
/// # Errors
/// When it cannot be; the shell keeps the refusal in the journal.
pub fn decide(
    payment: &Payment,
    command: &Command,
    means: &Means<'_>,
    now: DateTime<Utc>,
) -> Result<Vec<Event>, Refusal> {
    match command {
        Command::Prepare(terms) => prepare(payment, terms, means),
        Command::Close(because) => Ok(closing::ask(payment, *because, now)),
        Command::Refund(asked) => refund::decide(payment, asked, means),
    }
}

/// What the journal keeps of something that cannot be.
#[must_use]
pub fn refused(payment: &Payment, command: &Command, refusal: Refusal) -> Event {
    match command {
        Command::Refund(asked) => refund::refused(payment, asked, refusal),
        Command::Prepare(_) | Command::Close(_) => Event::Refused { refusal },
    }
}

fn prepare(payment: &Payment, terms: &Terms, means: &Means<'_>) -> Result<Vec<Event>, Refusal> {
    match (payment.request.as_ref().or(payment.asked.as_ref()), &payment.closing) {
        (Some(request), _) if request.terms == *terms => return Ok(vec![]),
        (Some(_), _) => return Err(Refusal::OtherTerms),
        (None, Some(_)) => return Err(Refusal::Closed),
        (None, None) => {}
    }
    if terms.amount.units.is_zero() {
        return Err(Refusal::NothingToPay);
    }
    let known =
        means.asset.filter(|a| a.id == terms.amount.asset && a.decimals == terms.amount.decimals);
    let Some(asset) = known else { return Err(Refusal::UnknownAsset) };
    let deposit = match (&asset.family, &means.deposit) {
        (Family::Card, _) => Deposit { address: String::new(), index: 0 },
        (Family::Evm { .. } | Family::Utxo { .. }, Some(deposit)) => deposit.clone(),
        (Family::Evm { .. } | Family::Utxo { .. }, None) => return Err(Refusal::UnknownAsset),
    };
    let confirmations = asset.confirmations_for(terms.amount.units);
    let Patience { grace, block_time } = means.patience;
    let blocks = i32::try_from(confirmations).unwrap_or(i32::MAX);
    let deep_in = block_time.checked_mul(blocks).unwrap_or(TimeDelta::MAX);
    let scheme = match &asset.family {
        Family::Utxo { scheme, .. } => scheme.clone(),
        Family::Evm { .. } | Family::Card => None,
    };
    let request = Request {
        terms: terms.clone(),
        chain: asset.chain.clone(),
        contract: asset.contract.clone(),
        scheme,
        deposit,
        confirmations,
        finalized: depth::waits_for_chain(asset, terms.amount.units),
        deeper: depth::deeper_than(asset, terms.amount.units),
        dust: asset.dust,
        grace_ms: grace.num_milliseconds(),
        away_for_max_ms: grace.max(deep_in).num_milliseconds(),
    };
    Ok(vec![match asset.family {
        Family::Card => Event::CardAsked(request),
        Family::Evm { .. } | Family::Utxo { .. } => Event::Prepared(request),
    }])
}
