//! How fast payment-verification takes in full blocks that an outage left to be read, with few
//! addresses given out and with many.

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use contracts::asset::Units;
use serde_json::{Value, json};
use sqlx::{Connection as _, PgConnection};

use crate::{
    SERVICES, Stack,
    measure::{Figure, Goal},
    node::{Node, Transfer},
    processes::CHAIN_ID,
    traveller::{Traveller, some_stay},
};

const SERVICE: &str = "payment-verification";
/// As busy as Ethereum's main net is.
const TRANSACTIONS_PER_BLOCK: usize = 200;
/// One in a hundred is for us.
const OURS_PER_BLOCK: usize = 2;
const BLOCKS_PER_SECOND_ASKED: usize = 30;
/// Twenty times the main net's rate, of one block in twelve seconds.
const BLOCKS_PER_SECOND_MIN: f64 = 20.0 / 12.0;
const BLOCKS_OF_A_DAY: f64 = 7_200.0;
const DAY_IN_S_MAX: f64 = 600.0;
/// With a hundred times the addresses it is no slower, give or take what the machine does besides.
const PART_OF_FEW: f64 = 0.9;
const FEW: i64 = 1_000;
const SOME: i64 = 10_000;
const MANY: i64 = 100_000;
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// A pass that takes longer is stuck.
const PATIENCE: Duration = Duration::from_secs(300);
/// Blocks that the bare reader asks for in one request, as the watcher does.
const BLOCKS_AT_ONCE: u64 = 16;

/// Blocks that are there to be read, and where they begin.
struct Outage {
    conn: PgConnection,
    chain: String,
    before: (i64, Vec<u8>),
    head: i64,
}

pub(super) async fn run(stack: &Stack, seconds: usize) -> anyhow::Result<Vec<Figure>> {
    let count = BLOCKS_PER_SECOND_ASKED * seconds;
    let (node, traveller) = (stack.node(), Traveller::of(stack, "chain").await?);
    let trip = traveller.book(&some_stay()).await?;
    traveller.until_payable(&trip, Duration::from_secs(60)).await?;
    for service in SERVICES {
        stack.pause(service).await?;
    }
    node.stand_still().await?;
    let mut conn = PgConnection::connect(&stack.database_url(SERVICE)).await?;
    let chain = format!("eip155:{CHAIN_ID}");
    let before: (i64, Vec<u8>) =
        sqlx::query_as("select height, block_hash from watch where chain = $1")
            .bind(&chain)
            .fetch_one(&mut conn)
            .await?;
    give_out(&mut conn, 0, FEW).await?;
    eprintln!("{count} blocks of {TRANSACTIONS_PER_BLOCK} transactions");
    make_blocks(&node, &mut conn, count).await?;
    let head = i64::try_from(node.height().await?)?;
    let bare = read_bare(&node, before.0, head).await?;
    eprintln!("  read without anything else at {bare:.1} blocks a second");

    let mut outage = Outage { conn, chain, before, head };
    // What is seen for the first time is written once more than what is seen again.
    catch_up(stack, &mut outage).await?;
    let few = catch_up(stack, &mut outage).await?;
    give_out(&mut outage.conn, FEW, SOME).await?;
    let some = catch_up(stack, &mut outage).await?;
    give_out(&mut outage.conn, SOME, MANY).await?;
    let many = catch_up(stack, &mut outage).await?;
    Ok(vec![
        Figure::new(
            "chain_blocks_10000_addresses",
            some,
            "1/s",
            Some(bare),
            Goal::AtLeast(BLOCKS_PER_SECOND_MIN),
        ),
        Figure::new("chain_blocks_1000_addresses", few, "1/s", Some(bare), Goal::None),
        Figure::new(
            "chain_blocks_100000_addresses",
            many,
            "1/s",
            Some(few),
            Goal::OfFloor(PART_OF_FEW),
        ),
        Figure::new(
            "chain_day_of_outage_extrapolated",
            BLOCKS_OF_A_DAY / some,
            "s",
            None,
            Goal::AtMost(DAY_IN_S_MAX),
        ),
    ])
}

/// Gives out addresses: copies of one that was given out for a booking, each with a payment of its
/// own that nobody has paid.
async fn give_out(conn: &mut PgConnection, from: i64, to: i64) -> anyhow::Result<()> {
    let made = sqlx::query(
        "with known as (
             select p.*, a.address, a.native_chain from payment p join address a using (payment_id)
             order by a.derivation_index limit 1
         ), copy as (
             select n, gen_random_uuid() as payment_id, gen_random_uuid() as booking_id,
                 md5(n::text) || substr(md5(n::text || ' '), 1, 8) as digits
             from generate_series($1::bigint, $2::bigint - 1) as n
         ), given as (
             insert into address (address_key, address, derivation_index, payment_id, given_at,
                 native_chain)
             select decode(copy.digits, 'hex'), '0x' || copy.digits, 1000000000 + copy.n,
                 copy.payment_id, known.created_at, known.native_chain
             from copy, known
         )
         insert into payment (payment_id, booking_id, seq, state, created_at, changed_at)
         select copy.payment_id, copy.booking_id, known.seq,
             replace(replace(replace(known.state::text, known.payment_id::text,
                 copy.payment_id::text), known.booking_id::text, copy.booking_id::text),
                 known.address, '0x' || copy.digits)::json,
             known.created_at, known.changed_at
         from copy, known",
    )
    .bind(from)
    .bind(to)
    .execute(&mut *conn)
    .await
    .context("giving out addresses")?;
    ensure!(made.rows_affected() == u64::try_from(to - from)?, "not all were given out");
    sqlx::query("analyze payment, address").execute(conn).await?;
    Ok(())
}

/// Mines full blocks; some of what is in them is for payments of ours.
async fn make_blocks(node: &Node, conn: &mut PgConnection, count: usize) -> anyhow::Result<()> {
    let from = node.accounts().await?.remove(0);
    let ours: Vec<String> = sqlx::query_scalar(
        "select address from address where derivation_index >= 1000000000
         order by derivation_index",
    )
    .fetch_all(conn)
    .await?;
    let one = Units::parse("1")?;
    let stranger = |n: usize| format!("0x{:040x}", n + 1_000_000);
    let begun = Instant::now();
    for block in 0..count {
        let transfers: Vec<Transfer> = (0..TRANSACTIONS_PER_BLOCK)
            .map(|n| match n < OURS_PER_BLOCK {
                true => ours[(block * OURS_PER_BLOCK + n) % ours.len()].clone(),
                false => stranger(block * TRANSACTIONS_PER_BLOCK + n),
            })
            .map(|to| Transfer { to, units: one })
            .collect();
        node.pay_all(&from, &transfers).await?;
        node.mine(1).await?;
    }
    let newest: Value = node.call("eth_getBlockByNumber", json!(["latest", false])).await?;
    let inside = newest["transactions"].as_array().map_or(0, Vec::len);
    ensure!(inside == TRANSACTIONS_PER_BLOCK, "the newest block has {inside} transactions");
    eprintln!("  made in {:.1?}", begun.elapsed());
    Ok(())
}

/// Blocks a second that the node tells of to a reader that does nothing with them.
async fn read_bare(node: &Node, before: i64, head: i64) -> anyhow::Result<f64> {
    let (first, last) = (u64::try_from(before)? + 1, u64::try_from(head)?);
    let begun = Instant::now();
    for from in (first..=last).step_by(usize::try_from(BLOCKS_AT_ONCE)?) {
        let heights = from..=last.min(from + BLOCKS_AT_ONCE - 1);
        let calls = heights.flat_map(|height| {
            let height = format!("{height:#x}");
            [
                ("eth_getBlockByNumber", json!([height, true])),
                ("eth_getBlockReceipts", json!([height])),
            ]
        });
        node.call_all(calls).await?;
    }
    Ok((last + 1 - first) as f64 / begun.elapsed().as_secs_f64())
}

/// Has the service read all blocks anew, as after an outage; blocks a second from the first that
/// it took in to the last.
async fn catch_up(stack: &Stack, outage: &mut Outage) -> anyhow::Result<f64> {
    let Outage { conn, chain, before, head } = outage;
    sqlx::query("update watch set height = $2, block_hash = $3 where chain = $1")
        .bind(&*chain)
        .bind(before.0)
        .bind(&before.1)
        .execute(&mut *conn)
        .await?;
    sqlx::query("delete from block where chain = $1 and height > $2")
        .bind(&*chain)
        .bind(before.0)
        .execute(&mut *conn)
        .await?;
    let restarted = stack.restart(SERVICE);
    let read = async {
        let until = Instant::now() + PATIENCE;
        let mut first = None;
        loop {
            let height: i64 = sqlx::query_scalar("select height from watch where chain = $1")
                .bind(&*chain)
                .fetch_one(&mut *conn)
                .await?;
            let now = Instant::now();
            if height > before.0 {
                let (from, since) = *first.get_or_insert((height, now));
                if height >= *head {
                    ensure!(from < height, "all was read at once");
                    return anyhow::Ok((height - from) as f64 / (now - since).as_secs_f64());
                }
            }
            ensure!(now < until, "read up to {height} of {head} after {PATIENCE:?}");
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    let ((), rate) = tokio::try_join!(restarted, read)?;
    eprintln!("  caught up at {rate:.1} blocks a second");
    stack.pause(SERVICE).await?;
    Ok(rate)
}
