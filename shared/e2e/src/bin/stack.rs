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
    checkout::Checkout,
    up::{self, MAIN},
};

#[derive(Parser)]
#[command(name = "stack")]
struct Flags {
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
    let done = match Flags::parse().what {
        What::Up { profile } => start(profile).await,
        What::Down => down(),
        What::Status => status().await,
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("stack: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn start(profile: Option<Profile>) -> anyhow::Result<()> {
    let begun = Instant::now();
    let up = up::up(profile, Profile::Default).await?;
    let (how, took) = (if up.started { "up" } else { "up already" }, begun.elapsed().as_secs_f32());
    let endpoints = up.endpoints;
    println!("{how} ({took:.1} s), profile {}", endpoints.profile);
    println!("  gateway  {}", endpoints.gateway);
    println!("  console  {}", endpoints.console);
    println!("  traces   {}", endpoints.otlp);
    println!("  doubles  {}", endpoints.doubles);
    println!(
        "all addresses and tokens: {}",
        Checkout::find().run().join("endpoints.json").display()
    );
    Ok(())
}

fn down() -> anyhow::Result<()> {
    let was_up = up::down()?;
    println!("{}", if was_up { "down; the logs stay in .run/main/" } else { "nothing runs" });
    Ok(())
}

async fn status() -> anyhow::Result<()> {
    let Some(stack) = Stack::open(MAIN)? else {
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
