//! Replays of many letters: in steps that grow, each after the one before went well, no faster than
//! was said, and no further once too many fail. What to do next is decided by a pure function; a
//! job does it, and nothing is kept anywhere but in the database.

use std::{collections::BTreeMap, time::Duration};

use chassis::Process;
use chrono::TimeDelta;
use messaging::{Step, StoreError, StoreTrouble, database, job};
use uuid::Uuid;

use crate::{
    App,
    replay::{self, What},
    state::{self, Wish},
    store::{self, NewReplay, Run, Taken, Whole},
};

const LOOK_EVERY: Duration = Duration::from_millis(200);
/// Letters of one transaction.
const AT_ONCE_MAX: u64 = 1_000;
/// Bytes of bodies in one transaction.
const BYTES_AT_ONCE: i64 = 16 * 1024 * 1024;
/// Sooner after the last letters none are sent: a few at a time cost as much as many.
const PACE: TimeDelta = TimeDelta::milliseconds(100);

/// How far a run is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Progress {
    /// Not sent yet.
    pub(crate) left: u64,
    /// Sent, and nobody knows what came of it.
    pub(crate) pending: u64,
    /// Sent so long ago that nobody waits for it: it counts as one that failed.
    pub(crate) late: u64,
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
    let amiss = progress.failed + progress.late;
    let known = progress.succeeded + amiss;
    if amiss * 100 > failed_percent_max * known {
        let Progress { failed, late, .. } = progress;
        let unheard = if late == 0 { String::new() } else { format!(", {late} were not heard of") };
        return Next::Stop(format!(
            "{failed} of {known} failed again{unheard}; no more than {failed_percent_max} % may"
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
    if since_last < PACE {
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

/// Takes every run on by what it does next: one that waits, or cannot go on, holds up no other.
///
/// # Errors
/// When the database fails.
pub async fn replay_many(app: &App) -> Result<Step, StoreError> {
    let runs = {
        let taken = app.pool.acquire().await;
        store::running(&mut *taken.map_err(database("taking a connection"))?).await?
    };
    let mut sent = 0;
    let mut away = None;
    for id in runs {
        match go_on(app, id).await {
            Ok(some) => sent += some,
            Err(error) if error.kind() == StoreTrouble::Broken => give_up(app, id, &error).await?,
            Err(error) => away = Some(error),
        }
    }
    away.map_or_else(|| Ok(Step::of(sent)), Err)
}

/// Ends a run that cannot go on: it would fail each time, and somebody has to look.
async fn give_up(app: &App, id: Uuid, error: &StoreError) -> Result<(), StoreError> {
    tracing::error!(run.id = %id, error = %chassis::chain(error), "a replay of many cannot go on");
    let mut conn = app.pool.acquire().await.map_err(database("taking a connection"))?;
    let why = format!("it cannot go on: {error}");
    store::change_run(&mut conn, id, "stopped", Some(&why)).await.map(drop)
}

/// Takes one run on; says how many letters it sent.
async fn go_on(app: &App, id: Uuid) -> Result<usize, StoreError> {
    let mut tx = app.messaging.begin().await?;
    // Another instance may be at another run; the same one is never two instances'.
    let Some(run) = store::take_running(tx.conn(), id).await? else { return Ok(0) };
    let progress = store::progress(tx.conn(), &run, app.support.replay_known_within).await?;
    let per_second = u64::from(run.per_second.unsigned_abs());
    let percent = u64::from(run.failed_percent_max.unsigned_abs());
    let next = next(&run.ladder, per_second, percent, progress, run.now - run.sent_at);
    let sent = match next {
        Next::Wait => return Ok(0),
        Next::Done => {
            let listed = i64::from(app.support.replay_listed);
            if store::list_more(tx.conn(), &run, progress, listed).await? == 0 {
                store::change_run(tx.conn(), run.replay_run_id, "done", None).await?;
            }
            0
        }
        Next::Stop(why) => {
            tracing::warn!(run.id = %run.replay_run_id, why, "a replay of many stopped by itself");
            store::change_run(tx.conn(), run.replay_run_id, "stopped", Some(&why)).await?;
            0
        }
        Next::Send(some) => {
            let next = store::waiting_letters(tx.conn(), run.replay_run_id, some, BYTES_AT_ONCE);
            let letters = next.await?;
            send(app, &mut tx, &run, &letters).await?;
            store::touch_run(tx.conn(), run.replay_run_id).await?;
            letters.len()
        }
    };
    tx.commit().await?;
    Ok(sent)
}

/// Sends letters of a run, or notes why one cannot be sent: a few statements for all of them.
async fn send(
    app: &App,
    tx: &mut messaging::Tx,
    run: &Run,
    letters: &[(i32, Uuid)],
) -> Result<(), StoreError> {
    let ids: Vec<Uuid> = letters.iter().map(|(_, id)| *id).collect();
    let read = store::load_many(tx.conn(), &ids).await?;
    let messages: Vec<Uuid> = read.iter().map(|whole| whole.summary.message_id).collect();
    let mut attempts = store::next_attempts(tx.conn(), &messages).await?;
    let read: BTreeMap<Uuid, Whole> =
        read.into_iter().map(|whole| (whole.summary.dead_letter_id, whole)).collect();
    let mut planned = Vec::with_capacity(letters.len());
    let mut taken = Vec::with_capacity(letters.len());
    for (place, id) in letters {
        match plan(read.get(id), &mut attempts) {
            Ok(plan) => planned.push((*place, plan)),
            Err(why) => taken.push(Taken { place: *place, version: None, refusal: Some(why) }),
        }
    }
    let events: Vec<&NewReplay> = planned.iter().map(|(_, plan)| &plan.event).collect();
    let added = store::add_replays(tx.conn(), run.act_id, &events).await?;
    for (place, Planned { event, replay, span }) in planned {
        let ours = added.contains(&event.dead_letter_id);
        if ours {
            tx.send(app.messaging.replay(replay, chassis::trace::of(&span)));
        }
        let version = ours.then_some(event.version);
        let refusal = (!ours).then(|| "somebody else was first".to_owned());
        taken.push(Taken { place, version, refusal });
    }
    store::note_letters(tx.conn(), run.replay_run_id, &taken).await
}

/// A letter that is about to be sent.
struct Planned {
    event: NewReplay,
    replay: messaging::Replay,
    span: tracing::Span,
}

/// What is sent for a letter, as its message's next attempt; or why nothing can be.
fn plan(whole: Option<&Whole>, attempts: &mut BTreeMap<Uuid, i64>) -> Result<Planned, String> {
    let whole = whole.ok_or("it is not there")?;
    let summary = &whole.summary;
    state::may(Wish::Replay, summary.state, false, summary.restorable_until, whole.now)
        .map_err(|refusal| refusal.detail.to_owned())?;
    let next = attempts.entry(summary.message_id).or_insert(1);
    let replay = replay::plan(whole, *next, What::Original)
        .map_err(|error| error.detail.unwrap_or_else(|| error.code.to_owned()))?
        .replay;
    // Another consumer may have given up the same message: its replay is another attempt.
    *next += 1;
    let span = replay::span(whole, &replay);
    let event = NewReplay {
        dead_letter_id: summary.dead_letter_id,
        version: summary.version.saturating_add(1),
        message_id: summary.message_id,
        consumer: replay.consumer.clone(),
        attempt: i32::try_from(replay.attempt).unwrap_or(i32::MAX),
        trace_id: chassis::trace::trace_id(&span),
    };
    Ok(Planned { event, replay, span })
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;
    use crate::{state::State, store::Summary};

    const LADDER: [i32; 3] = [1, 5, 20];

    fn at(left: u64, pending: u64, succeeded: u64, failed: u64) -> Next {
        let refused = 0;
        let progress = Progress { left, pending, succeeded, failed, refused, late: 0 };
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

    /// Row: H4
    #[test]
    fn a_replay_that_nobody_heard_of_counts_as_failed_and_is_waited_for_no_more() {
        let after = |left, late, succeeded| {
            let progress = Progress { left, late, succeeded, ..Progress::default() };
            next(&LADDER, 50, 10, progress, TimeDelta::seconds(5))
        };
        let Next::Stop(why) = after(99, 1, 0) else { panic!("the first step shows nothing") };
        assert!(why.contains("1 were not heard of"), "{why}");
        assert_eq!(after(74, 1, 25), Next::Send(50));
        assert_eq!(after(0, 1, 99), Next::Done);
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
        let fast = |ms| next(&LADDER, 5_000, 10, progress, TimeDelta::milliseconds(ms));
        assert_eq!(fast(99), Next::Wait, "many at once, now and then");
        assert_eq!(fast(150), Next::Send(750));
    }

    fn letter(consumer: &str, state: State) -> Whole {
        let at = DateTime::UNIX_EPOCH;
        let summary = Summary {
            dead_letter_id: Uuid::nil(),
            queue: format!("{consumer}.dead"),
            consumer: Some(consumer.to_owned()),
            cause: "rejected".to_owned(),
            detail: None,
            message_id: Uuid::from_u128(7),
            message_type: None,
            attempt: 1,
            attempts: 1,
            exchange: "holdfast.events".to_owned(),
            routing_key: "x".to_owned(),
            subject: None,
            booking_id: None,
            trace_id: None,
            first_at: at,
            last_at: at,
            parked_at: at,
            addressee: Some(consumer.to_owned()),
            state,
            state_at: None,
            restorable_until: None,
            replay_attempt: None,
            next_dead_letter_id: None,
            letter_cause_id: Uuid::nil(),
            version: 0,
        };
        Whole { summary, headers: serde_json::Map::new(), body: Vec::new(), now: at }
    }

    /// Row: G4
    #[test]
    fn letters_of_one_message_in_one_batch_are_attempts_one_after_the_other() {
        let mut attempts = BTreeMap::from([(Uuid::from_u128(7), 4)]);
        let mut attempt = |consumer, state| {
            let planned = plan(Some(&letter(consumer, state)), &mut attempts);
            planned.map(|planned| (planned.event.consumer, planned.event.attempt))
        };
        assert_eq!(attempt("rewards", State::Parked), Ok(("rewards".to_owned(), 4)));
        let pending = attempt("booking", State::Replaying).unwrap_err();
        assert!(pending.contains("under way"), "{pending}");
        assert_eq!(attempt("booking", State::Parked), Ok(("booking".to_owned(), 5)));
        assert_eq!(plan(None, &mut attempts).err(), Some("it is not there".to_owned()));
    }
}
