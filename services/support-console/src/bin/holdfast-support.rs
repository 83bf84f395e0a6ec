//! The console from a terminal: flags in, lines and an exit code out.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a command talks to whoever called it"
)]

use std::{
    io::{ErrorKind, Write as _},
    process::ExitCode,
};

use chassis::SecretString;
use clap::Parser as _;
use support_console::cli::{Ended, Flags, printable, run};

const REFUSED: u8 = 1;
const USAGE: u8 = 2;
const UNKNOWN: u8 = 3;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let flags = Flags::parse();
    let url = flags.url.clone().or_else(|| std::env::var("HOLDFAST_SUPPORT_URL").ok());
    let Some(url) = url else { return wrong("no address: --url or HOLDFAST_SUPPORT_URL") };
    // Never a flag: everybody on the machine sees those.
    let Some(token) = token() else {
        return wrong(
            "no token: HOLDFAST_SUPPORT_TOKEN, or HOLDFAST_SUPPORT_TOKEN_FILE with its path",
        );
    };
    let call = match flags.call() {
        Ok(call) => call,
        Err(error) => return wrong(&error),
    };
    match run(&url, &token, call).await {
        Ok(Ended::Done(answer)) => {
            let lines = flags.lines(&answer);
            let text = if flags.json { answer.to_string() } else { lines.trim_end().to_owned() };
            match writeln!(std::io::stdout(), "{text}") {
                Err(error) if error.kind() != ErrorKind::BrokenPipe => wrong(&error.to_string()),
                // Whoever reads has read enough.
                Ok(()) | Err(_) => ExitCode::SUCCESS,
            }
        }
        Ok(Ended::Refused(why)) => {
            eprintln!("refused: {}", printable(&why));
            ExitCode::from(REFUSED)
        }
        Ok(Ended::Unknown(why)) => {
            eprintln!("no answer: {}", printable(&why));
            ExitCode::from(UNKNOWN)
        }
        Err(error) => {
            eprintln!("{}", printable(&format!("{error:#}")));
            ExitCode::from(UNKNOWN)
        }
    }
}

fn token() -> Option<SecretString> {
    let file = || std::fs::read_to_string(std::env::var("HOLDFAST_SUPPORT_TOKEN_FILE").ok()?).ok();
    let token = std::env::var("HOLDFAST_SUPPORT_TOKEN").ok().or_else(file)?;
    Some(token.trim().to_owned().into())
}

fn wrong(what: &str) -> ExitCode {
    eprintln!("{}", printable(what));
    ExitCode::from(USAGE)
}
