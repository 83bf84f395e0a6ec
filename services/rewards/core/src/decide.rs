//! What is asked of an account, and what it says to it.

use chrono::{DateTime, Utc};
use contracts::{ids::BookingId, messages::WantedPoints};

use crate::{
    command::{Command, GrantId, Refusal},
    draft::Draft,
    event::Event,
    policy::Policy,
    state::{Account, LotId, Redemption, RedemptionState},
};

/// Decides what follows from a command; nothing for a repeat, beyond what was due anyway.
///
/// # Errors
/// When the account says no; nothing happens then.
pub fn decide(
    account: &Account,
    command: &Command,
    policy: &Policy,
    now: DateTime<Utc>,
) -> Result<Vec<Event>, Refusal> {
    let mut draft = Draft::at(account, now);
    match *command {
        Command::Want { booking_id, version, wanted, points } => {
            let wish = Wish { booking_id, version, wanted, points };
            if let Some(event) = redeem(&draft, &wish) {
                draft.happen(event);
            }
        }
        Command::Grant { grant_id, points } => {
            if let Some(event) = grant(account, grant_id, points, policy, now)? {
                draft.happen(event);
            }
        }
    }
    Ok(draft.finish(now))
}

struct Wish {
    booking_id: BookingId,
    version: u32,
    wanted: WantedPoints,
    points: u64,
}

fn redeem(draft: &Draft, wish: &Wish) -> Option<Event> {
    let Some(redemption) = draft.account.redemptions.get(&wish.booking_id) else {
        return Some(from_nothing(draft, wish));
    };
    if wish.version <= redemption.version {
        return None;
    }
    Some(match redemption.state {
        RedemptionState::Refused => from_nothing(draft, wish),
        RedemptionState::Held => from_held(redemption, wish),
        RedemptionState::Captured => from_captured(redemption, wish),
        RedemptionState::Released => noted(wish),
    })
}

/// Nothing is out: points are taken if there are enough, and a release is remembered.
fn from_nothing(draft: &Draft, wish: &Wish) -> Event {
    let Wish { booking_id, version, points, .. } = *wish;
    let picked = |taken: fn(BookingId, u32, _) -> Event| match draft.pick(points) {
        Some(parts) => taken(booking_id, version, parts),
        None => Event::Refused { booking_id, version, points },
    };
    match wish.wanted {
        WantedPoints::Held => {
            picked(|booking_id, version, parts| Event::Held { booking_id, version, parts })
        }
        WantedPoints::Captured => {
            picked(|booking_id, version, parts| Event::Spent { booking_id, version, parts })
        }
        WantedPoints::Released => {
            Event::Released { booking_id, version, parts: std::collections::BTreeMap::new() }
        }
    }
}

fn from_held(redemption: &Redemption, wish: &Wish) -> Event {
    let Wish { booking_id, version, .. } = *wish;
    let parts = redemption.parts.clone();
    match wish.wanted {
        WantedPoints::Held => noted(wish),
        WantedPoints::Captured => Event::Captured { booking_id, version, parts },
        WantedPoints::Released => Event::Released { booking_id, version, parts },
    }
}

fn from_captured(redemption: &Redemption, wish: &Wish) -> Event {
    let Wish { booking_id, version, .. } = *wish;
    match wish.wanted {
        WantedPoints::Held | WantedPoints::Captured => noted(wish),
        WantedPoints::Released => {
            Event::Returned { booking_id, version, parts: redemption.parts.clone() }
        }
    }
}

fn noted(wish: &Wish) -> Event {
    Event::WishNoted { booking_id: wish.booking_id, version: wish.version }
}

fn grant(
    account: &Account,
    grant_id: GrantId,
    points: u64,
    policy: &Policy,
    now: DateTime<Utc>,
) -> Result<Option<Event>, Refusal> {
    let most = policy.grant_points_max;
    match account.lots.get(&LotId::Granted(grant_id)) {
        Some(lot) if lot.points == points => Ok(None),
        Some(lot) => Err(Refusal::GrantDiffers { given: lot.points }),
        None if !(1..=most).contains(&points) => Err(Refusal::GrantOutOfRange { most }),
        None => {
            let expires_at = policy.expires_at(now);
            Ok(Some(Event::Granted { grant_id, points, available_at: now, expires_at }))
        }
    }
}
