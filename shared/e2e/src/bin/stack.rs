//! The long-lived system of `./scripts/up`: starts it, says how it is, ends it.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command talks to whoever called it"
)]

use std::{process::ExitCode, time::Instant};

use clap::{Parser, Subcommand};
use e2e::{Options, Profile, SERVICES, Stack, checkout::Checkout};

/// The name of the stack that `./scripts/up` starts.
const MAIN: &str = "main";

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
        What::Up { profile } => up(profile).await,
        What::Down => down().await,
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

async fn up(profile: Option<Profile>) -> anyhow::Result<()> {
    let begun = Instant::now();
    let stack = match running(profile).await? {
        Some(stack) => stack,
        None => {
            let options = Options {
                lasting: true,
                talks: true,
                profile: profile.unwrap_or(Profile::Default),
                ..Options::test(MAIN)
            };
            Stack::start(options).await?
        }
    };
    let endpoints = stack.endpoints()?;
    let path = Checkout::find().run().join("endpoints.json");
    endpoints.save(&path)?;
    println!("up after {:.1} s, profile {}", begun.elapsed().as_secs_f32(), endpoints.profile);
    println!("  gateway  {}", endpoints.gateway);
    println!("  console  {}", endpoints.console);
    println!("  traces   {}", endpoints.otlp);
    println!("  doubles  {}", endpoints.doubles);
    println!("all addresses and tokens: {}", path.display());
    Ok(())
}

/// The stack that runs already, with services that died started again; none when it must be started anew.
async fn running(profile: Option<Profile>) -> anyhow::Result<Option<Stack>> {
    let Some(stack) = Stack::open(MAIN)? else { return Ok(None) };
    let ailing = stack.ailing().await;
    let dead: Vec<_> = ailing.iter().filter(|(name, _)| !stack.lives(name)).collect();
    // Without the node or the doubles, what the services remember is about a world that is gone.
    if dead.iter().any(|(name, _)| !SERVICES.contains(name)) {
        return Ok(None);
    }
    let wanted = profile.unwrap_or(stack.profile());
    anyhow::ensure!(
        wanted == stack.profile(),
        "it runs with profile {}; ./scripts/down first",
        stack.profile().name()
    );
    for (name, _) in &dead {
        eprintln!("{name} had ended; starting it again");
        stack.restart(name).await?;
    }
    let ailing = stack.ailing().await;
    let lacks: Vec<String> = ailing.iter().map(|(name, why)| format!("{name}: {why}")).collect();
    anyhow::ensure!(lacks.is_empty(), "it runs but is not well: {}", lacks.join("; "));
    Ok(Some(stack))
}

async fn down() -> anyhow::Result<()> {
    let Some(stack) = Stack::open(MAIN)? else {
        println!("nothing runs");
        return Ok(());
    };
    let dir = stack.dir();
    stack.stop().await?;
    std::fs::remove_file(dir.join("stack.json")).ok();
    std::fs::remove_file(Checkout::find().run().join("endpoints.json")).ok();
    println!("down; the logs are in {}", dir.display());
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
