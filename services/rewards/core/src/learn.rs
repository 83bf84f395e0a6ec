//! What happened out there, and what it means for an account. Facts are never refused.

use chrono::{DateTime, Utc};
use contracts::{ids::BookingId, money::Money, mutants::mutant};

use crate::{
    draft::Draft,
    event::Event,
    fact::Fact,
    policy::Policy,
    rules::{self, Rule, Tier},
    state::{Account, Lot, LotId, Stage},
};

/// Learns a fact; nothing for a repeat, beyond what was due anyway.
#[must_use]
pub fn learn(account: &Account, fact: &Fact, policy: &Policy, now: DateTime<Utc>) -> Vec<Event> {
    let mut draft = Draft::at(account, now);
    let mut later = None;
    let event = match *fact {
        Fact::Confirmed { booking_id, paid, over_at } => {
            earn(&draft.account, booking_id, paid, policy.available_at(over_at), policy)
        }
        Fact::LegCancelled { booking_id, paid } => reduce(&draft.account, booking_id, paid, policy),
        Fact::LegReplaced { booking_id, paid, over_at } => {
            // What another leg costs less is money that went back, as of a leg that was cancelled.
            later = postpone(&draft.account, booking_id, over_at, policy);
            reduce(&draft.account, booking_id, paid, policy)
        }
        Fact::Moved { booking_id, over_at } => {
            postpone(&draft.account, booking_id, over_at, policy)
        }
        Fact::Cancelled { booking_id } | Fact::Failed { booking_id } => {
            take_back(&draft.account, booking_id).filter(|_| !mutant("earned_points_stay"))
        }
        Fact::MoneyReversed { booking_id, version, away } => {
            let known = account.money.get(&booking_id).map_or(0, |money| money.version);
            let news = version > known;
            news.then_some(match away {
                true => Event::Frozen { booking_id, version },
                false => Event::Thawed { booking_id, version },
            })
        }
        Fact::Completed { booking_id, taken } => taken
            .filter(|_| !policy.no_show_earns)
            .and_then(|taken| reduce(&draft.account, booking_id, taken, policy)),
        Fact::Due => None,
    };
    for event in event.into_iter().chain(later) {
        draft.happen(event);
    }
    draft.finish(now)
}

fn earn(
    account: &Account,
    booking_id: BookingId,
    paid: Money,
    available_at: DateTime<Utc>,
    policy: &Policy,
) -> Option<Event> {
    let rule = Rule::Stay;
    let known = account.lots.contains_key(&LotId::Earned(rule, booking_id))
        || (account.barred.contains(&booking_id) && !mutant("barred_forgotten"));
    let percent = policy.earn_percent;
    let paid = least(paid, account.limits.get(&booking_id).copied());
    let later = account.later.get(&booking_id).copied();
    let available_at = later.map_or(available_at, |later| later.max(available_at));
    (!known).then(|| Event::Earned {
        booking_id,
        rule,
        tier: Tier::Member,
        percent,
        paid,
        points: rules::points_for(paid, percent),
        available_at,
        expires_at: policy.expires_at(available_at),
    })
}

/// Takes back what was earned on money that went back. What is paid later for another leg earns
/// nothing, so the least that was heard is what counts.
fn reduce(account: &Account, booking_id: BookingId, paid: Money, policy: &Policy) -> Option<Event> {
    let id = LotId::Earned(Rule::Stay, booking_id);
    let Some(lot) = account.lots.get(&id) else {
        let known = account.limits.get(&booking_id).copied();
        let news = least(paid, known);
        let open = !account.barred.contains(&booking_id) && known != Some(news);
        return open.then_some(Event::EarnLimited { booking_id, paid: news });
    };
    let percent = if lot.percent == 0 { policy.earn_percent } else { lot.percent };
    let points = lot.points.saturating_sub(rules::points_for(paid, percent));
    let gone = points.min(lot.free);
    let expired = points.saturating_sub(gone).min(lot.expired);
    let owed = points.saturating_sub(gone).saturating_sub(expired);
    let (voided, taken) = match lot.stage {
        Stage::Pending => (gone, 0),
        Stage::Available => (0, gone),
        Stage::Voided | Stage::Reversed => return None,
    };
    (points > 0).then_some(Event::Reduced { lot: id, voided, taken, expired, owed })
}

/// Points that are pending wait for the end of a booking that ends later than it did. One that ends
/// earlier changes nothing, so that it does not matter in which order its ends are heard.
fn postpone(
    account: &Account,
    booking_id: BookingId,
    over_at: DateTime<Utc>,
    policy: &Policy,
) -> Option<Event> {
    let id = LotId::Earned(Rule::Stay, booking_id);
    let available_at = policy.available_at(over_at);
    let Some(lot) = account.lots.get(&id) else {
        let known = account.later.get(&booking_id).is_some_and(|known| *known >= available_at);
        let open = !known && !account.barred.contains(&booking_id);
        return open.then_some(Event::EarnPostponed { booking_id, available_at });
    };
    let waits = lot.stage == Stage::Pending && lot.available_at < available_at;
    let expires_at = policy.expires_at(available_at);
    waits.then_some(Event::Postponed { lot: id, available_at, expires_at })
}

fn least(paid: Money, limit: Option<Money>) -> Money {
    limit.filter(|limit| limit.minor < paid.minor).unwrap_or(paid)
}

fn take_back(account: &Account, booking_id: BookingId) -> Option<Event> {
    let id = LotId::Earned(Rule::Stay, booking_id);
    match account.lots.get(&id) {
        Some(lot) => take_back_lot(id, lot),
        None if account.barred.contains(&booking_id) => None,
        None => Some(Event::EarnBarred { booking_id }),
    }
}

fn take_back_lot(id: LotId, lot: &Lot) -> Option<Event> {
    // What was owed when a part was taken back is paid: points that came back to the lot since then
    // are its owner's.
    let taken = lot.free.min(lot.points);
    match lot.stage {
        Stage::Pending => Some(Event::Voided { lot: id, points: taken }),
        // What expired is gone already; whatever else is not there any more is owed.
        Stage::Available => Some(Event::Reversed {
            lot: id,
            taken,
            owed: lot.points.saturating_sub(taken).saturating_sub(lot.expired),
        }),
        Stage::Voided | Stage::Reversed => None,
    }
}
