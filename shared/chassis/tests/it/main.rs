//! The smallest service as a real process: exit codes, signals, what it prints.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::too_many_lines,
    clippy::disallowed_methods,
    reason = "a panic is a failed test"
)]

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    path::PathBuf,
    process::{Child, ChildStdout, Command, Output, Stdio},
    time::{Duration, Instant},
};

use serde_json::Value;

/// Cargo builds the examples with the tests, beside them.
fn inn() -> Command {
    let test = std::env::current_exe().unwrap();
    let path: PathBuf = test.parent().and_then(|deps| deps.parent()).unwrap().join("examples/inn");
    let mut command = Command::new(path);
    command.env_clear();
    command
}

/// A running inn; killed if the test forgets it.
struct Running {
    child: Child,
    lines: BufReader<ChildStdout>,
    addr: SocketAddr,
}

impl Running {
    fn start(serving: &str) -> Self {
        let mut child = inn()
            .env("INN_HTTP_ADDR", "127.0.0.1:0")
            .env("INN_SERVING", serving)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        let line = next_line(&mut lines);
        let message = line["message"].as_str().unwrap();
        let addr = message.strip_prefix("inn listens on ").unwrap().parse().unwrap();
        Self { child, lines, addr }
    }

    fn ask(&self, path: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.addr).unwrap();
        let head = format!("GET {path} HTTP/1.1\r\nhost: inn\r\n\r\n");
        stream.write_all(head.as_bytes()).unwrap();
        stream
    }

    fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([name, &pid]).status().unwrap().success());
    }

    /// Waits for the end; the exit code, everything else logged, and what it said on stderr.
    fn ended(mut self) -> (Option<i32>, Vec<Value>, String) {
        let give_up_at = Instant::now() + Duration::from_secs(30);
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(Instant::now() < give_up_at, "it does not end");
            std::thread::sleep(Duration::from_millis(5));
        };
        let logged =
            (&mut self.lines).lines().map(|it| serde_json::from_str(&it.unwrap()).unwrap());
        let logged = logged.collect();
        let mut said = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        (status.code(), logged, said)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.child.kill());
    }
}

fn next_line(lines: &mut BufReader<ChildStdout>) -> Value {
    let mut line = String::new();
    lines.read_line(&mut line).unwrap();
    serde_json::from_str(&line).unwrap()
}

fn said(output: &Output) -> (Option<i32>, String) {
    (output.status.code(), String::from_utf8(output.stderr.clone()).unwrap())
}

#[test]
fn every_problem_of_the_configuration_is_said_at_once_with_64() {
    let output = inn().env("INN_SERVING", "long").env("INN_LOG_FORMAT", "xml").output().unwrap();
    let (code, text) = said(&output);
    assert_eq!(code, Some(64));
    let keys: Vec<_> = text.lines().filter_map(|line| line.split(' ').next()).collect();
    assert_eq!(keys, ["INN_HTTP_ADDR", "INN_SERVING", "INN_LOG_FORMAT"], "{text}");
    assert!(output.stdout.is_empty());
}

#[test]
fn help_is_given_and_unknown_words_are_not_guessed_at() {
    let output = inn().arg("--help").output().unwrap();
    assert!(output.status.success());
    assert!(String::from_utf8(output.stdout).unwrap().contains("fail         fails, with a cause"));
    let (code, text) = said(&inn().arg("migrat").output().unwrap());
    assert_eq!(code, Some(64));
    assert!(text.starts_with("inn: there is no command `migrat`"), "{text}");
}

#[test]
fn a_command_that_fails_says_its_whole_cause_with_1() {
    let output = inn().arg("fail").env("INN_HTTP_ADDR", "127.0.0.1:0").output().unwrap();
    let (code, text) = said(&output);
    assert_eq!((code, text.as_str()), (Some(1), "inn: fetching wine: the cellar is empty\n"));
}

#[test]
fn a_port_that_is_taken_is_said_in_one_line() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = taken.local_addr().unwrap().to_string();
    let (code, text) = said(&inn().env("INN_HTTP_ADDR", &addr).output().unwrap());
    assert_eq!(code, Some(1));
    assert!(
        text.starts_with(&format!("inn: cannot listen on {addr}: Address already in use")),
        "{text}"
    );
    assert_eq!(text.lines().count(), 1);
}

#[test]
fn a_running_request_is_answered_before_a_soft_stop_ends_the_process() {
    let mut inn = Running::start("700ms");
    let mut request = inn.ask("/guest");
    let line = next_line(&mut inn.lines);
    assert_eq!(line["message"], "a guest is served");
    assert_eq!(line["trace_id"].as_str().map(str::len), Some(32), "{line}");
    assert_eq!(line["http.route"], "/guest");

    // A connection that is open and idle does not hold up the end.
    let _idle = TcpStream::connect(inn.addr).unwrap();
    inn.signal("-TERM");
    let mut answer = String::new();
    request.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK") && answer.ends_with("served"), "{answer}");
    let (code, logged, text) = inn.ended();
    assert_eq!((code, text.as_str()), (Some(0), ""));
    assert_eq!(logged[0]["message"], "inn stops after SIGTERM");
}

#[test]
fn no_new_connection_is_taken_while_it_stops() {
    let mut inn = Running::start("20s");
    let _request = inn.ask("/guest");
    next_line(&mut inn.lines);
    inn.signal("-TERM");
    next_line(&mut inn.lines);
    // The line above comes first, so the socket may stay open for a moment; the guest stays longer.
    let give_up_at = Instant::now() + Duration::from_secs(10);
    while TcpStream::connect_timeout(&inn.addr, Duration::from_secs(1)).is_ok() {
        assert!(Instant::now() < give_up_at, "it still takes connections");
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(inn.child.try_wait().unwrap().is_none(), "it ended before it refused");
}

#[test]
fn a_second_signal_ends_it_at_once_with_a_failure() {
    let mut inn = Running::start("20s");
    let _request = inn.ask("/guest");
    next_line(&mut inn.lines);
    let begun = Instant::now();
    inn.signal("-INT");
    next_line(&mut inn.lines);
    inn.signal("-TERM");
    let (code, _, text) = inn.ended();
    assert_eq!(code, Some(1));
    assert_eq!(text, "inn: a second SIGTERM came: running: http (1)\n");
    assert!(begun.elapsed() < Duration::from_secs(5));
}

#[test]
fn a_task_that_fails_ends_the_process_with_1_and_its_name() {
    let inn = Running::start("1ms");
    let mut answer = String::new();
    inn.ask("/burn").read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    let (code, logged, text) = inn.ended();
    assert_eq!((code, text.as_str()), (Some(1), "inn: the task `kitchen` failed: it burns\n"));
    let last = logged.last().unwrap();
    assert_eq!(
        (last["level"].as_str(), last["error"].as_str()),
        (Some("ERROR"), Some("the task `kitchen` failed: it burns"))
    );
}
