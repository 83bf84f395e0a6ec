//! Every service goes over to another build while customers book: both builds run side by side for
//! a while, on the same rows and queues.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc, time::Duration};

use super::{Report, ended, load::Load};
use crate::{Options, Profile, SERVICES, Stack, truth::World};

/// Starts a system from the binaries in `from`, and goes over to those of this checkout; each state
/// (all old, both, all new) lasts so long. `tell` hears of each.
///
/// # Errors
/// When the system cannot be started, or a service of either build does not get ready.
pub async fn upgrade(
    from: PathBuf,
    each: Duration,
    per_second: u32,
    tell: impl Fn(&str),
) -> anyhow::Result<Report> {
    let options = Options {
        profile: Profile::Demo,
        share_of_traces: 0.0,
        services_from: Some(from),
        ..Options::test("upgrade")
    };
    let stack = Arc::new(Stack::start(options).await?);
    let world = World::of(&stack).await?;
    let load = Load::begin(Arc::clone(&stack), per_second);
    tell("all are of the old build");
    tokio::time::sleep(each).await;
    stack.go_over(Profile::Demo).await?;
    tell("the new build's schema is there, and the old build goes on");
    let mut beside = Vec::new();
    for service in SERVICES {
        beside.push(stack.twin(service, &[]).await?);
    }
    tell("one of each build runs side by side");
    tokio::time::sleep(each).await;
    let mut counts = BTreeMap::new();
    for service in SERVICES {
        stack.pause(service).await?;
        stack.restart(service).await?;
        *counts.entry("gone over".to_owned()).or_default() += 1;
    }
    drop(beside);
    tell("all are of the new build");
    tokio::time::sleep(each).await;
    ended(stack, &world, load, true, counts, 0).await
}
