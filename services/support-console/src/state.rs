//! How a dead letter stands, and what may be done about it then. Pure.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// How a dead letter stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It waits for somebody to decide.
    Parked,
    /// It was sent again, and nobody knows yet what became of it.
    Replaying,
    /// Its consumer says that it took effect.
    Succeeded,
    /// It became another dead letter.
    FailedAgain,
    /// Somebody decided that it needs no effect.
    Discarded,
}

/// What a member of staff may want with a dead letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Wish {
    /// Send it again.
    Replay,
    /// Put it aside.
    Discard,
    /// Take it back from where it was put aside.
    Restore,
    /// See what of it is masked.
    Unmask,
}

/// Why something cannot be done as a letter stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refusal {
    /// A stable word.
    pub code: &'static str,
    /// One line for a person.
    pub detail: &'static str,
}

/// The text is not the word for a state.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no state of a dead letter")]
pub struct NotAState(String);

impl State {
    const ALL: [Self; 5] =
        [Self::Parked, Self::Replaying, Self::Succeeded, Self::FailedAgain, Self::Discarded];

    /// The word in the table.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Parked => "parked",
            Self::Replaying => "replaying",
            Self::Succeeded => "succeeded",
            Self::FailedAgain => "failed_again",
            Self::Discarded => "discarded",
        }
    }
}

impl TryFrom<String> for State {
    type Error = NotAState;

    fn try_from(text: String) -> Result<Self, NotAState> {
        let found = Self::ALL.into_iter().find(|state| state.as_str() == text);
        found.ok_or(NotAState(text))
    }
}

impl Wish {
    /// The word in the table.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Replay => "replay",
            Self::Discard => "discard",
            Self::Restore => "restore",
            Self::Unmask => "unmask",
        }
    }
}

/// Says whether a wish can be granted.
///
/// A letter is replayed once: if that fails, what came of it is another letter, with a later
/// attempt, and only that one can be replayed. An earlier attempt sent again would have no effect.
/// A replay of which nobody heard for too long (`late`) may be lost: it is sent again as a later
/// attempt, and of both no more than one takes effect.
///
/// # Errors
/// Why not.
pub fn may(
    wish: Wish,
    state: State,
    late: bool,
    restorable_until: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
) -> Result<(), Refusal> {
    let refuse = |code, detail| Err(Refusal { code, detail });
    match (wish, state) {
        (Wish::Unmask, _) | (Wish::Replay | Wish::Discard, State::Parked) => Ok(()),
        (Wish::Replay | Wish::Discard, State::Replaying) if late => Ok(()),
        (Wish::Restore, State::Discarded) => {
            if restorable_until.is_some_and(|until| now <= until) {
                return Ok(());
            }
            refuse("restore_too_late", "it was discarded too long ago to be restored")
        }
        (Wish::Restore, _) => refuse("not_discarded", "it is not discarded"),
        (_, State::Replaying) => refuse(
            "replay_pending",
            "a replay of it is under way, and its outcome is not known yet",
        ),
        (_, State::Succeeded) => refuse("already_succeeded", "its replay took effect"),
        (_, State::FailedAgain) => {
            refuse("failed_again", "its replay became another dead letter; see to that one")
        }
        (_, State::Discarded) => refuse("discarded", "it is discarded; restore it first"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_parked_is_replayed_or_discarded_and_only_what_is_discarded_is_restored() {
        let now = DateTime::UNIX_EPOCH;
        let until = Some(now);
        let code =
            |wish, state| may(wish, state, false, until, now).err().map(|refusal| refusal.code);
        let expected = [
            None,
            Some("replay_pending"),
            Some("already_succeeded"),
            Some("failed_again"),
            Some("discarded"),
        ];
        assert_eq!(State::ALL.map(|state| code(Wish::Replay, state)), expected);
        assert_eq!(State::ALL.map(|state| code(Wish::Discard, state)), expected);
        let not = Some("not_discarded");
        let restored = State::ALL.map(|state| code(Wish::Restore, state));
        assert_eq!(restored, [not, not, not, not, None]);
        assert_eq!(State::ALL.map(|state| code(Wish::Unmask, state)), [None; 5]);
    }

    /// Row: H4
    #[test]
    fn a_replay_that_nobody_heard_of_for_long_is_sent_again_or_given_up() {
        let now = DateTime::UNIX_EPOCH;
        let late = |wish| may(wish, State::Replaying, true, None, now);
        assert_eq!((late(Wish::Replay), late(Wish::Discard)), (Ok(()), Ok(())));
        assert!(late(Wish::Restore).is_err());
    }

    #[test]
    fn a_discard_can_be_taken_back_until_the_shown_instant_and_not_after() {
        let until = DateTime::from_timestamp_millis(1_800_000_000_000).unwrap();
        let at = |now| may(Wish::Restore, State::Discarded, false, Some(until), now).is_ok();
        assert!(at(until));
        assert!(!at(until + chrono::TimeDelta::milliseconds(1)));
        assert!(may(Wish::Restore, State::Discarded, false, None, until).is_err());
    }
}
