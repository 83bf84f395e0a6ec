//! Whole bookings: accepted, held at the supplier, paid on the chain and final, confirmed, points
//! in the ledger.

use std::{
    collections::BTreeSet,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use sqlx::{Connection as _, PgConnection};
use uuid::Uuid;

use super::{backend, prepare, servers};
use crate::{
    SERVICES, Stack,
    gateway::Gateway,
    measure::{
        Figure, Goal,
        load::{self, Shot},
        usage::{Group, Usage, peak_mib},
    },
    node::{Node, Transfer},
};

const PER_SECOND_MIN: f64 = 300.0;
const CPU_MS_MAX: f64 = 5.0;
const MEMORY_MIB_MAX: f64 = 100.0;
const BOOKINGS_PER_SECOND_ASKED: usize = 1000;
const CONNECTIONS: usize = 64;
/// How often the load generator looks who can pay and who is done.
const LOOK_EVERY: Duration = Duration::from_millis(250);
const PAYMENTS_AT_ONCE: usize = 250;
/// A booking that takes longer is stuck.
const PATIENCE: Duration = Duration::from_secs(240);

pub(super) async fn run(stack: &Stack, seconds: usize) -> anyhow::Result<Vec<Figure>> {
    let count = BOOKINGS_PER_SECOND_ASKED * seconds;
    eprintln!("{count} whole bookings");
    let alone = node_alone(&stack.node()).await?;
    let shots = prepare::shots(stack, count, "whole").await?;
    let mut payable = PgConnection::connect(&stack.database_url("booking")).await?;
    let mut earned = PgConnection::connect(&stack.database_url("rewards")).await?;
    let groups = servers(stack, &mut [&mut payable, &mut earned]).await?;
    let asked = [backend(&mut payable).await?, backend(&mut earned).await?];
    let beside = ["anvil", "doubles"].map(|name| (name, stack.pid(name))).into_iter();
    let beside =
        beside.chain([("looks_payable", Some(asked[0])), ("looks_earned", Some(asked[1]))]);
    let beside = beside.filter_map(|(name, pid)| Some((name.to_owned(), Group::One(pid?))));
    let beside = beside.collect();
    let (before, before_beside) = (Usage::of(&groups), Usage::of(&beside));
    let begun = Instant::now();
    // Accepting, paying and counting go on side by side, as customers do.
    let accepting = async {
        let outcome = load::closed(shots.clone(), CONNECTIONS).await;
        let accepted = outcome.accepted.len();
        ensure!(accepted == count, "{accepted} of {count}: {:?}", outcome.refused);
        Ok(outcome.took)
    };
    let paying = pay_all(stack, &mut payable, &shots);
    let counting = until_points(&mut earned, count, begun);
    let (accepted_in, (), ended_in) = tokio::try_join!(accepting, paying, counting)?;
    let used = Usage::of(&groups).since(&before);
    let used_beside = Usage::of(&beside).since(&before_beside);
    eprintln!("  accepted in {accepted_in:.1?}, all points in {ended_in:.1?}");
    Ok(figures(stack, count, ended_in, &used, &used_beside, alone))
}

fn figures(
    stack: &Stack,
    count: usize,
    ended_in: Duration,
    used: &Usage,
    beside: &Usage,
    alone: f64,
) -> Vec<Figure> {
    let each = |used: Duration| used.as_secs_f64() * 1000.0 / count as f64;
    let rate = count as f64 / ended_in.as_secs_f64();
    let mut figures = vec![
        Figure::new("whole_per_second", rate, "1/s", Some(alone), Goal::AtLeast(PER_SECOND_MIN)),
        Figure::new("whole_cpu", each(used.total()), "ms", None, Goal::AtMost(CPU_MS_MAX)),
        Figure::new("node_alone_per_second", alone, "1/s", None, Goal::None),
    ];
    for (name, used) in used.0.iter().chain(&beside.0) {
        let name = format!("whole_cpu_{name}");
        figures.push(Figure::new(&name, each(*used), "ms", None, Goal::None));
    }
    for service in SERVICES {
        if let Some(peak) = stack.pid(service).and_then(peak_mib) {
            let name = format!("peak_memory_{service}");
            figures.push(Figure::new(&name, peak, "MiB", None, Goal::AtMost(MEMORY_MIB_MAX)));
        }
    }
    figures
}

/// Transfers a second that the node takes and mines when nothing else happens.
async fn node_alone(node: &Node) -> anyhow::Result<f64> {
    const TRANSFERS: usize = 2_000;
    let from = node.accounts().await?.remove(0);
    let to = format!("0x{}", "11".repeat(20));
    let one = Transfer { to: to.clone(), units: contracts::asset::Units::parse("1")? };
    let begun = Instant::now();
    for _ in 0..TRANSFERS / PAYMENTS_AT_ONCE {
        node.pay_all(&from, &vec![one.clone(); PAYMENTS_AT_ONCE]).await?;
    }
    node.mine(1).await?;
    ensure!(node.balance(&to).await?.to_string() == TRANSFERS.to_string(), "some were not mined");
    Ok(TRANSFERS as f64 / begun.elapsed().as_secs_f64())
}

/// Pays each booking as soon as its address is shown, many in one request to the node.
async fn pay_all(
    stack: &Stack,
    conn: &mut PgConnection,
    shots: &Arc<Vec<Shot>>,
) -> anyhow::Result<()> {
    let (gateway, node) = (Gateway::new(&stack.url("booking"), ""), stack.node());
    let from = node.accounts().await?.remove(0);
    let mut paid = BTreeSet::new();
    let until = Instant::now() + PATIENCE;
    while paid.len() < shots.len() {
        ensure!(Instant::now() < until, "{} of {} became payable", paid.len(), shots.len());
        // Who waits for a payment is asked of the database: a poll of every booking would be the
        // load.
        let payable: Vec<(Uuid, String)> = sqlx::query_as(
            "select booking_id, account_id from booking where phase = 'awaiting_payment'",
        )
        .fetch_all(&mut *conn)
        .await?;
        let payable: Vec<_> = payable.into_iter().filter(|(id, _)| !paid.contains(id)).collect();
        if payable.is_empty() {
            tokio::time::sleep(LOOK_EVERY).await;
        }
        for some in payable.chunks(PAYMENTS_AT_ONCE) {
            // Address and amount are the customer's to read, by HTTP.
            let shown = some.iter().map(|(id, account)| {
                let gateway = gateway.with_token(&stack.token(account, &["customer"]));
                async move {
                    let shown = gateway.booking(&id.to_string()).await?;
                    let to = shown.address().map(str::to_owned);
                    let amount = shown.amount().map(|amount| amount.units);
                    anyhow::Ok(to.zip(amount).map(|(to, units)| (*id, Transfer { to, units })))
                }
            });
            let shown: Vec<_> = stream::iter(shown).buffered(32).try_collect().await?;
            let (ids, transfers): (Vec<_>, Vec<_>) = shown.into_iter().flatten().unzip();
            node.pay_all(&from, &transfers).await?;
            paid.extend(ids);
        }
    }
    Ok(())
}

/// Waits until every booking has its points; how long that took.
async fn until_points(
    conn: &mut PgConnection,
    count: usize,
    begun: Instant,
) -> anyhow::Result<Duration> {
    let mut told = Instant::now();
    loop {
        let earned: i64 = sqlx::query_scalar(
            "select count(distinct booking_id) from account_event where booking_id is not null",
        )
        .fetch_one(&mut *conn)
        .await?;
        let earned = usize::try_from(earned).context("a count")?;
        if earned >= count {
            return Ok(begun.elapsed());
        }
        if told.elapsed() > Duration::from_secs(5) {
            eprintln!("  {:.0?}: {earned} have their points", begun.elapsed());
            told = Instant::now();
        }
        ensure!(begun.elapsed() < PATIENCE, "{earned} of {count} after {PATIENCE:?}");
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
