//! The long-lived system of `./scripts/up`: starts it, says how it is, ends it.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command talks to whoever called it"
)]

use std::{process::ExitCode, time::Instant};

use clap::{Parser, Subcommand};
use e2e::{
    Profile, SERVICES, Stack,
    up::{self, MAIN},
};

#[derive(Parser)]
#[command(name = "stack")]
struct Flags {
    /// Another stack than that of `./scripts/up`
    #[arg(long, hide = true, global = true, default_value = MAIN)]
    name: String,
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Starts everything, or says that it runs
    Up {
        /// Durations: default, fast (for tests from outside) or demo
        #[arg(long)]
        profile: Option<Profile>,
    },
    /// Ends what `up` started, and nothing else
    Down,
    /// Says what runs
    Status,
}

#[tokio::main]
async fn main() -> ExitCode {
    let Flags { name, what } = Flags::parse();
    let done = match what {
        What::Up { profile } => start(&name, profile).await,
        What::Down => down(&name),
        What::Status => status(&name).await,
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("stack: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn start(name: &str, profile: Option<Profile>) -> anyhow::Result<()> {
    let begun = Instant::now();
    let up = up::up(name, profile, Profile::Default).await?;
    let (how, took) = (if up.started { "up" } else { "up already" }, begun.elapsed().as_secs_f32());
    let endpoints = up.endpoints;
    println!("{how} ({took:.1} s), profile {}", endpoints.profile);
    println!("  gateway  {}", endpoints.gateway);
    println!("  console  {} (staff in the file below)", endpoints.console);
    println!("  traces   {}", endpoints.otlp);
    println!("  doubles  {}", endpoints.doubles);
    println!("all addresses and tokens: {}", up::endpoints_file(name).display());
    Ok(())
}

fn down(name: &str) -> anyhow::Result<()> {
    if up::down(name)? {
        println!("down; the logs stay in .run/{name}/");
    } else {
        println!("nothing runs");
    }
    Ok(())
}

async fn status(name: &str) -> anyhow::Result<()> {
    let Some(stack) = Stack::open(name)? else {
        println!("nothing runs");
        return Ok(());
    };
    let ailing = stack.ailing().await;
    for service in SERVICES {
        let lacks = ailing.iter().find(|(name, _)| *name == service);
        let how = lacks.map_or_else(|| "well".to_owned(), |(_, why)| why.clone());
        println!("{service:<22} {:<28} {how}", stack.url(service));
    }
    for (name, why) in ailing.iter().filter(|(name, _)| !SERVICES.contains(name)) {
        println!("{name:<22} {:<28} {why}", stack.url(name));
    }
    anyhow::ensure!(ailing.is_empty(), "{} of its parts are not well", ailing.len());
    Ok(())
}
