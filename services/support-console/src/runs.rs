//! Replays of many letters: in steps that grow, each after the one before went well, no faster than
//! was said, and no further once too many fail. What to do next is decided by a pure function; a
//! job does it, and nothing is kept anywhere but in the database.

use std::time::Duration;

use chassis::Process;
use chrono::TimeDelta;
use messaging::{Step, StoreError, database, job};
use uuid::Uuid;

use crate::{
    App, replay,
    state::{self, Wish},
    store::{self, NewEvent, Run},
};

const LOOK_EVERY: Duration = Duration::from_millis(200);
/// Letters of one transaction.
const AT_ONCE_MAX: u64 = 100;

/// How far a run is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Progress {
    /// Not sent yet.
    pub(crate) left: u64,
    /// Sent, and nobody knows what came of it.
    pub(crate) pending: u64,
    pub(crate) succeeded: u64,
    pub(crate) failed: u64,
    /// Could not be sent: somebody else did something about it meanwhile.
    pub(crate) refused: u64,
}

/// What a run does next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Next {
    /// Sends so many.
    Send(u64),
    /// Waits for what was sent, or for its time.
    Wait,
    Stop(String),
    Done,
}

/// Says what a run does next, this long after it sent letters last.
pub(crate) fn next(
    ladder: &[i32],
    per_second: u64,
    failed_percent_max: u64,
    progress: Progress,
    since_last: TimeDelta,
) -> Next {
    let known = progress.succeeded + progress.failed;
    if progress.failed * 100 > failed_percent_max * known {
        return Next::Stop(format!(
            "{} of {known} failed again; no more than {failed_percent_max} % may",
            progress.failed
        ));
    }
    if progress.left == 0 {
        return if progress.pending == 0 { Next::Done } else { Next::Wait };
    }
    // A letter that could not be sent shows nothing: the ladder counts those that were.
    let taken = progress.pending + known;
    let end = step_end(ladder, taken);
    if is_step(ladder, taken) && progress.pending > 0 {
        return Next::Wait;
    }
    let millis = since_last.num_milliseconds().clamp(0, 1_000).unsigned_abs();
    let due = per_second * millis / 1_000;
    match due.min(end.saturating_sub(taken)).min(progress.left).min(AT_ONCE_MAX) {
        0 => Next::Wait,
        some => Next::Send(some),
    }
}

/// Where the step ends in which the letter after `taken` is.
fn step_end(ladder: &[i32], taken: u64) -> u64 {
    ends(ladder).find(|end| *end > taken).unwrap_or(u64::MAX)
}

/// Whether a step ends with the last letter that was taken.
fn is_step(ladder: &[i32], taken: u64) -> bool {
    ends(ladder).any(|end| end == taken)
}

/// Where each step ends, counted from the first letter.
pub(crate) fn ends(ladder: &[i32]) -> impl Iterator<Item = u64> {
    ladder.iter().scan(0_u64, |sum, step| {
        *sum += u64::from(step.unsigned_abs());
        Some(*sum)
    })
}

pub(crate) fn start(app: &App, process: &Process) {
    let app = app.clone();
    job(process, "replay many", LOOK_EVERY, move || {
        let app = app.clone();
        async move { replay_many(&app).await }
    });
}

/// Takes every run on by what it does next: one that waits holds up no other.
///
/// # Errors
/// When the database fails.
pub async fn replay_many(app: &App) -> Result<Step, StoreError> {
    let runs = {
        let taken = app.pool.acquire().await;
        store::running(&mut *taken.map_err(database("taking a connection"))?).await?
    };
    let mut sent = 0;
    for id in runs {
        sent += go_on(app, id).await?;
    }
    Ok(Step::of(sent))
}

/// Takes one run on; says how many letters it sent.
async fn go_on(app: &App, id: Uuid) -> Result<usize, StoreError> {
    let mut tx = app.messaging.begin().await?;
    // Another instance may be at another run; the same one is never two instances'.
    let Some(run) = store::take_running(tx.conn(), id).await? else { return Ok(0) };
    let progress = store::progress(tx.conn(), run.replay_run_id).await?;
    let per_second = u64::from(run.per_second.unsigned_abs());
    let percent = u64::from(run.failed_percent_max.unsigned_abs());
    let next = next(&run.ladder, per_second, percent, progress, run.now - run.sent_at);
    let sent = match next {
        Next::Wait => return Ok(0),
        Next::Done => {
            store::change_run(tx.conn(), run.replay_run_id, "done", None).await?;
            0
        }
        Next::Stop(why) => {
            tracing::warn!(run.id = %run.replay_run_id, why, "a replay of many stopped by itself");
            store::change_run(tx.conn(), run.replay_run_id, "stopped", Some(&why)).await?;
            0
        }
        Next::Send(some) => {
            let letters = store::waiting_letters(tx.conn(), run.replay_run_id, some).await?;
            for (place, dead_letter_id) in &letters {
                send(app, &mut tx, &run, *place, *dead_letter_id).await?;
            }
            store::touch_run(tx.conn(), run.replay_run_id).await?;
            letters.len()
        }
    };
    tx.commit().await?;
    Ok(sent)
}

/// Sends one letter of a run, or notes why it cannot be sent.
async fn send(
    app: &App,
    tx: &mut messaging::Tx,
    run: &Run,
    place: i32,
    id: Uuid,
) -> Result<(), StoreError> {
    let note = store::note_letter;
    let run_id = run.replay_run_id;
    let Some(whole) = store::load(tx.conn(), id).await? else {
        return note(tx.conn(), run_id, place, None, Some("it is not there")).await;
    };
    let summary = &whole.summary;
    let may = state::may(Wish::Replay, summary.state, summary.restorable_until, whole.now);
    if let Err(refusal) = may {
        return note(tx.conn(), run_id, place, None, Some(refusal.detail)).await;
    }
    let next = store::next_attempt(tx.conn(), summary.message_id).await?;
    let replay = match replay::plan(&whole, next, None) {
        Ok(plan) => plan.replay,
        Err(error) => {
            let why = error.detail.as_deref().unwrap_or(error.code);
            return note(tx.conn(), run_id, place, None, Some(why)).await;
        }
    };
    let span = replay::span(&whole, &replay);
    let event = NewEvent::Replayed {
        message_id: summary.message_id,
        consumer: replay.consumer.clone(),
        attempt: i32::try_from(replay.attempt).unwrap_or(i32::MAX),
        trace_id: chassis::trace::trace_id(&span),
        mended: None,
    };
    let version = summary.version.saturating_add(1);
    if !store::add_event(tx.conn(), id, version, run.act_id, &event).await? {
        return note(tx.conn(), run_id, place, None, Some("somebody else was first")).await;
    }
    tx.send(app.messaging.replay(replay, chassis::trace::of(&span)));
    note(tx.conn(), run_id, place, Some(version), None).await
}

#[cfg(test)]
mod tests {
    use super::*;

    const LADDER: [i32; 3] = [1, 5, 20];

    fn at(left: u64, pending: u64, succeeded: u64, failed: u64) -> Next {
        let refused = 0;
        let progress = Progress { left, pending, succeeded, failed, refused };
        next(&LADDER, 50, 10, progress, TimeDelta::seconds(5))
    }

    /// Row: G3
    #[test]
    fn a_step_begins_when_all_of_the_one_before_is_known_and_went_well() {
        assert_eq!(at(100, 0, 0, 0), Next::Send(1));
        assert_eq!(at(99, 1, 0, 0), Next::Wait);
        assert_eq!(at(99, 0, 1, 0), Next::Send(5));
        assert_eq!(at(97, 2, 1, 0), Next::Send(3), "the rest of the step");
        assert_eq!(at(94, 1, 5, 0), Next::Wait);
        assert_eq!(at(94, 0, 6, 0), Next::Send(20));
        assert_eq!(at(74, 0, 26, 0), Next::Send(50), "all others, as fast as is allowed");
        assert_eq!(at(24, 50, 26, 0), Next::Send(24));
        assert_eq!(at(0, 3, 97, 0), Next::Wait);
        assert_eq!(at(0, 0, 100, 0), Next::Done);
    }

    /// Row: G3
    #[test]
    fn a_letter_that_could_not_be_sent_is_no_step_that_went_well() {
        let after = |left, pending, refused| {
            let progress = Progress { left, pending, refused, ..Progress::default() };
            next(&LADDER, 50, 10, progress, TimeDelta::seconds(5))
        };
        assert_eq!(after(99, 0, 1), Next::Send(1));
        assert_eq!(after(70, 0, 30), Next::Send(1));
        assert_eq!(after(69, 1, 30), Next::Wait);
    }

    /// Row: G3
    #[test]
    fn it_stops_by_itself_when_too_many_fail() {
        assert!(matches!(at(99, 0, 0, 1), Next::Stop(_)));
        assert!(matches!(at(94, 0, 5, 1), Next::Stop(_)), "1 of 6 is more than 10 %");
        assert_eq!(at(24, 50, 24, 2), Next::Send(24), "2 of 26 is not");
        assert!(matches!(at(24, 47, 26, 3), Next::Stop(_)), "3 of 29 is");
        assert!(matches!(at(0, 0, 80, 20), Next::Stop(_)));
    }

    /// Row: G3
    #[test]
    fn it_is_no_faster_than_was_said() {
        let progress = Progress { left: 900, succeeded: 100, ..Progress::default() };
        let after = |ms| next(&LADDER, 50, 10, progress, TimeDelta::milliseconds(ms));
        assert_eq!(after(0), Next::Wait);
        assert_eq!(after(19), Next::Wait);
        assert_eq!(after(200), Next::Send(10));
        assert_eq!(after(3_600_000), Next::Send(50), "what was not used is not saved up");
    }
}
