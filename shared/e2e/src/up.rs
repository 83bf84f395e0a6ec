//! The long-lived stack that `./scripts/up` starts and `./scripts/demo` uses.

use std::path::PathBuf;

use crate::{
    Options, Profile, SERVICES, Stack,
    checkout::Checkout,
    endpoints::Endpoints,
    processes::{CACHE, LOCKS, TRACES},
};

/// Its name.
pub const MAIN: &str = "main";
const FILE: &str = "endpoints.json";
/// Beside the services, what holds nothing that is not elsewhere, too.
const FORGETS: [&str; 3] = [CACHE, LOCKS, TRACES];

/// The stack, and whether it was started just now.
pub struct Up {
    pub stack: Stack,
    pub endpoints: Endpoints,
    pub started: bool,
}

/// Where all addresses are written to: `.run/endpoints.json` for [`MAIN`], else in the stack's
/// folder.
#[must_use]
pub fn endpoints_file(name: &str) -> PathBuf {
    let run = Checkout::find().run();
    if name == MAIN { run.join(FILE) } else { run.join(name).join(FILE) }
}

/// Finds the stack, starts again what died of it and holds nothing that is not elsewhere, or starts
/// it anew; writes `.run/endpoints.json`.
///
/// # Errors
/// When it runs with another profile, or is not well, or cannot be started.
pub async fn up(name: &str, profile: Option<Profile>, otherwise: Profile) -> anyhow::Result<Up> {
    let (stack, started) = match running(name, profile).await? {
        Some(stack) => (stack, false),
        None => {
            let options = Options {
                lasting: true,
                talks: true,
                coins: true,
                profile: profile.unwrap_or(otherwise),
                ..Options::test(name)
            };
            (Stack::start(options).await?, true)
        }
    };
    stack.staff().await?;
    let endpoints = stack.endpoints()?;
    endpoints.save(&endpoints_file(name))?;
    Ok(Up { stack, endpoints, started })
}

/// The stack that runs already; none when it must be started anew.
async fn running(name: &str, profile: Option<Profile>) -> anyhow::Result<Option<Stack>> {
    let Some(stack) = Stack::open(name)? else { return Ok(None) };
    let ailing = stack.ailing().await;
    let dead: Vec<_> = ailing.iter().filter(|(name, _)| !stack.lives(name)).collect();
    // Without the node or the doubles, what the services remember is about a world that is gone.
    let world = dead.iter().find(|(name, _)| !SERVICES.contains(name) && !FORGETS.contains(name));
    if let Some((name, _)) = world {
        eprintln!("{name} had ended, and with it all that was booked; beginning anew");
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

/// Ends the stack's processes. Its databases stay until the next one is started.
///
/// # Errors
/// When its files cannot be read.
pub fn down(name: &str) -> anyhow::Result<bool> {
    let Some(stack) = Stack::open(name)? else { return Ok(false) };
    stack.end();
    std::fs::remove_file(stack.dir().join("stack.json")).ok();
    std::fs::remove_file(endpoints_file(name)).ok();
    Ok(true)
}
