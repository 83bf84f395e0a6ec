//! Starting, failing and stopping.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use anyhow::anyhow;
use tokio::sync::mpsc;

use super::{AtEnd, Command, Process, STOP_WITHIN, arguments, chain};

const NO_TIME: Duration = Duration::from_millis(100);

/// Runs a process whose work is to spawn something; signals come from the test.
async fn lived(
    spawn: impl FnOnce(&Process),
    signals: &[&'static str],
) -> (Result<(), String>, Process) {
    let process = Process::standalone("inn");
    let (sender, receiver) = mpsc::unbounded_channel();
    let work = async {
        spawn(&process);
        for signal in signals {
            sender.send(*signal).unwrap();
        }
        Ok(())
    };
    let ended = process.live(work, AtEnd::Stay, receiver).await;
    (ended.map_err(|error| chain(error.as_ref()).to_string()), process)
}

/// A loop as services have them: it ends when it is asked to.
fn spawn_loop(process: &Process) {
    let shutdown = process.shutdown.clone();
    process.tasks.spawn("loop", async move {
        shutdown.cancelled().await;
        Ok(())
    });
}

#[tokio::test(start_paused = true)]
async fn one_signal_stops_it_well() {
    let (ended, process) = lived(spawn_loop, &["SIGTERM"]).await;
    assert_eq!(ended, Ok(()));
    assert!(process.tasks.is_empty());
}

#[tokio::test(start_paused = true)]
async fn work_in_progress_is_finished_first() {
    let finished = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&finished);
    let spawn = |process: &Process| {
        spawn_loop(process);
        process.tasks.spawn_short("work", async move {
            tokio::time::sleep(STOP_WITHIN - Duration::from_secs(1)).await;
            finished.store(true, Ordering::SeqCst);
        });
    };
    let (ended, _) = lived(spawn, &["SIGTERM"]).await;
    assert_eq!(ended, Ok(()));
    assert!(seen.load(Ordering::SeqCst));
}

#[tokio::test(start_paused = true)]
async fn what_does_not_end_in_time_is_named() {
    let spawn = |process: &Process| {
        spawn_loop(process);
        process.tasks.spawn_short("stubborn", std::future::pending());
    };
    let (ended, _) = lived(spawn, &["SIGTERM"]).await;
    assert_eq!(ended, Err("still running after 25s: running: stubborn (1)".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn a_second_signal_does_not_wait() {
    let begun = tokio::time::Instant::now();
    let spawn = |process: &Process| process.tasks.spawn_short("stubborn", std::future::pending());
    let (ended, _) = lived(spawn, &["SIGTERM", "SIGINT"]).await;
    assert_eq!(ended, Err("a second SIGINT came: running: stubborn (1)".to_owned()));
    assert!(begun.elapsed() < NO_TIME);
}

#[tokio::test(start_paused = true)]
async fn a_task_that_fails_takes_the_process_down_and_is_named() {
    let spawn = |process: &Process| {
        spawn_loop(process);
        process
            .tasks
            .spawn("relay", async { Err(anyhow!("refused").context("asking the broker")) });
    };
    let (ended, process) = lived(spawn, &[]).await;
    assert_eq!(ended, Err("the task `relay` failed: asking the broker: refused".to_owned()));
    assert!(process.shutdown.is_cancelled() && process.tasks.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_task_that_panics_takes_the_process_down() {
    let spawn = |process: &Process| {
        spawn_loop(process);
        process.tasks.spawn("relay", async { panic!("index out of bounds") });
    };
    let (ended, _) = lived(spawn, &[]).await;
    assert_eq!(ended, Err("the task `relay` failed: it panicked: index out of bounds".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn a_loop_that_ends_in_silence_takes_the_process_down() {
    let spawn = |process: &Process| {
        spawn_loop(process);
        process.tasks.spawn("consumer", async { Ok(()) });
    };
    let (ended, _) = lived(spawn, &[]).await;
    let why = "the task `consumer` failed: it ended although nobody asked it to";
    assert_eq!(ended, Err(why.to_owned()));
}

#[tokio::test(start_paused = true)]
async fn a_panic_of_one_request_takes_nothing_down() {
    let process = Process::standalone("inn");
    spawn_loop(&process);
    process.tasks.spawn_short("request", async { panic!("one bad request") });
    tokio::task::yield_now().await;
    tokio::task::yield_now().await;
    assert!(!process.shutdown.is_cancelled());
    assert_eq!(process.tasks.to_string(), "running: loop (1)");
    process.stop(NO_TIME).await.unwrap();
    assert_eq!(process.tasks.to_string(), "no task is running");
}

#[tokio::test(start_paused = true)]
async fn a_start_that_fails_stops_what_it_began() {
    let process = Process::standalone("inn");
    let (_sender, receiver) = mpsc::unbounded_channel();
    let work = async {
        spawn_loop(&process);
        Err(anyhow!("the database is away"))
    };
    let ended = process.live(work, AtEnd::Stay, receiver).await;
    assert_eq!(ended.unwrap_err().to_string(), "the database is away");
    assert!(process.tasks.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_command_ends_when_it_is_done() {
    let process = Process::standalone("inn");
    let (_sender, receiver) = mpsc::unbounded_channel();
    let work = async {
        spawn_loop(&process);
        Ok(())
    };
    process.live(work, AtEnd::Stop, receiver).await.unwrap();
    assert!(process.tasks.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_test_that_stops_a_process_learns_of_its_failures() {
    let process = Process::standalone("inn");
    process.tasks.spawn("relay", async { Err(anyhow!("refused")) });
    let error = process.stop(NO_TIME).await.unwrap_err();
    assert_eq!(chain(error.as_ref()).to_string(), "the task `relay` failed: refused");

    let process = Process::standalone("inn");
    process.tasks.spawn_short("stubborn", std::future::pending());
    assert!(process.stop(NO_TIME).await.is_err());
}

#[test]
fn the_command_line_is_one_word_and_what_follows_it() {
    let commands =
        [Command::<()>::new("migrate", "brings the tables up", |(), _, _| async { Ok(()) })];
    let choose = |line: &str| {
        let words = line.split_whitespace().map(str::to_owned).collect();
        match arguments::choose(words, &commands) {
            Ok(arguments::Choice::Serve) => "serve".to_owned(),
            Ok(arguments::Choice::Help) => "help".to_owned(),
            Ok(arguments::Choice::Run(command, rest)) => format!("{} {rest:?}", command.name),
            Err(sentence) => sentence,
        }
    };
    assert_eq!(choose(""), "serve");
    assert_eq!(choose("serve"), "serve");
    assert_eq!(choose("--help"), "help");
    assert_eq!(choose("migrate --dry x"), "migrate [\"--dry\", \"x\"]");
    assert_eq!(choose("migrat"), "there is no command `migrat`");
    assert_eq!(choose("serve now"), "`serve` takes no argument, not `now`");
    assert!(arguments::usage("inn", &commands).contains("migrate      brings the tables up"));
}
