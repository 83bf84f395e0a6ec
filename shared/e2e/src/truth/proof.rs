//! The whole of a running system compared with the world: every booking it has, every supplier's
//! list, the chain, both ledgers, and every booking with its own journal.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use chrono::{DateTime, Utc};
use contracts::internal::{AccountReply, FindReply};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use http::StatusCode;
use serde::Serialize;
use sqlx::{Connection as _, PgConnection};
use uuid::Uuid;

use super::{AT_ONCE, Accepted, Comparison, LOOK_EVERY, World, ledgers::Ledgers, prices};
use crate::{
    Stack,
    cards::Cards,
    console::Console,
    double::Reservation,
    gateway::{Gateway, Shown, describe},
    processes::DOUBLES,
};

/// What a service calls itself that only looks.
const ASKS_AS: &str = "support-console";

/// What the proof found.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Proof {
    #[serde(flatten)]
    pub compared: Comparison,
    /// Bookings of which the ledger of money says something else than the chain or the booking, or
    /// does not balance.
    pub money: usize,
    /// Bought reservations that cost something else at their supplier than we know.
    pub prices: usize,
    /// Accounts whose points are not what their ledger gives.
    pub points: usize,
    /// Bookings that are not what their journal gives; 1 when that is not known.
    pub journals: usize,
    /// Odd payments that wait for somebody.
    pub cases: usize,
    /// Messages that wait for somebody.
    pub parked: usize,
    /// Refunds that should have arrived by now, and reviews that should be over.
    pub late: usize,
    /// All of what is wrong.
    pub differences: usize,
}

/// One booking as its own service lists it.
struct Listed {
    accepted: Accepted,
    id: Uuid,
    created_at: DateTime<Utc>,
}

/// Compares everything, and again for so long while something differs: what is under way is not
/// wrong yet. A booking that is open for longer than `open_for_max` is.
///
/// # Errors
/// When something cannot be asked: then nothing is proven.
pub async fn prove(
    stack: &Stack,
    within: Duration,
    open_for_max: Duration,
) -> anyhow::Result<Proof> {
    let until = Instant::now() + within;
    loop {
        let proof = once(stack, open_for_max).await?;
        if proof.differences == 0 || Instant::now() > until {
            return Ok(proof);
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

async fn once(stack: &Stack, open_for_max: Duration) -> anyhow::Result<Proof> {
    let listed = listed(stack).await?;
    let accepted: Vec<Accepted> = listed.iter().map(|one| one.accepted.clone()).collect();
    let world = World::whole(stack);
    let ledgers = Ledgers::read(stack).await?;
    // Of everybody, however much an account shows.
    let entries = accepted.iter().map(|one| {
        let id = one.booking_id.clone();
        let own = ledgers.entries.get(&id).cloned().unwrap_or_default();
        (id, own)
    });
    let compared = world.compare_with(&accepted, &entries.collect()).await?;
    let mut proof = Proof { compared, ..Proof::default() };
    proof.money(&world, &ledgers, &listed, open_for_max).await?;
    let bookings: Vec<String> = accepted.iter().map(|one| one.booking_id.clone()).collect();
    let owner = internal(stack, "supplier-sync");
    let prices = prices::differing(&world, &owner, &bookings).await?;
    proof.prices = prices.len();
    proof.compared.wrong.extend(prices);
    proof.points(stack, &ledgers).await?;
    if let Err(why) = stack.command("booking", &["check"]).await {
        proof.journals += 1;
        proof.compared.wrong.push(format!("journals: {why:#}"));
    }
    proof.parked =
        Console::of(stack, "support_viewer").list("?state=parked").await.context("parked")?.len();
    let cases = internal(stack, "payment-verification").get("/internal/cases").await?;
    let open = |case: &&serde_json::Value| case["closed_at"].is_null();
    proof.cases = cases.json()["cases"].as_array().into_iter().flatten().filter(open).count();
    let Comparison { lost, double, orphaned, overcharged, given_away, .. } = &proof.compared;
    let compared = lost + double + orphaned + overcharged + given_away;
    let own = proof.money + proof.prices + proof.points + proof.journals + proof.late;
    proof.differences = compared + own;
    Ok(proof)
}

impl Proof {
    async fn money(
        &mut self,
        world: &World,
        ledgers: &Ledgers,
        listed: &[Listed],
        open_for_max: Duration,
    ) -> anyhow::Result<()> {
        let by_card = world.cards.taken().await?;
        let by_card = &by_card;
        let asked = listed.iter().map(|one| async move {
            let shown = world.gateway.with_token(&one.accepted.token);
            let shown = shown.booking(&one.accepted.booking_id).await?;
            // What a card was charged went to no address.
            let payments = std::iter::once(&shown.0["payment"]).chain(shown.further());
            let ids = payments.filter_map(|payment| payment["payment_id"].as_str());
            let mut came = ids.filter_map(|id| by_card.get(id)).sum();
            for address in ledgers.addresses.get(&one.id).into_iter().flatten() {
                // Of chains that there is no node of here nothing can be said.
                if address.starts_with("0x") || world.coins.is_some() {
                    let there = world.holds(shown.contract(), address).await?;
                    came += there.to_string().parse::<i128>().context("an amount")?;
                }
            }
            anyhow::Ok((one, shown, came))
        });
        let all: Vec<(&Listed, Shown, i128)> =
            stream::iter(asked).buffered(AT_ONCE).try_collect().await?;
        let moves = ledgers.wrong_moves();
        self.money += usize::from(moves.is_some());
        self.compared.wrong.extend(moves);
        for (one, shown, came) in all {
            let wrong = ledgers.wrong_money(one.id, &shown, came);
            self.money += usize::from(!wrong.is_empty());
            self.compared.wrong.extend(wrong);
            let late = shown.overdue(Utc::now());
            self.late += late.len();
            let late = late.iter().map(|what| format!("{}: {what} is late", one.id));
            self.compared.wrong.extend(late);
            let age = (Utc::now() - one.created_at).to_std().unwrap_or_default();
            if !shown.ended() && !shown.in_review() && age > open_for_max {
                self.compared.lost += 1;
                let status = shown.status();
                self.compared.wrong.push(format!("{}: {status} since {}", one.id, one.created_at));
            }
        }
        Ok(())
    }

    async fn points(&mut self, stack: &Stack, ledgers: &Ledgers) -> anyhow::Result<()> {
        let rewards = internal(stack, "rewards");
        let asked = ledgers.accounts().map(|account| {
            let rewards = rewards.clone();
            async move {
                let answer = rewards.get(&format!("/internal/accounts/{account}")).await?;
                anyhow::ensure!(answer.status == StatusCode::OK, "{}", describe(&answer));
                anyhow::Ok((account, serde_json::from_slice::<AccountReply>(&answer.body)?))
            }
        });
        let all: Vec<_> = stream::iter(asked).buffered(AT_ONCE).try_collect().await?;
        for (account, told) in all {
            let wrong = ledgers.wrong_points(account, &told);
            self.points += usize::from(!wrong.is_empty());
            self.compared.wrong.extend(wrong);
        }
        Ok(())
    }
}

/// Every booking there is.
async fn listed(stack: &Stack) -> anyhow::Result<Vec<Listed>> {
    let mut conn = PgConnection::connect(&stack.database_url("booking")).await?;
    let rows: Vec<(Uuid, String, DateTime<Utc>)> =
        sqlx::query_as("select booking_id, account_id, created_at from booking order by 1")
            .fetch_all(&mut conn)
            .await
            .context("listing the bookings")?;
    let listed = rows.into_iter().map(|(id, account, created_at)| Listed {
        accepted: Accepted {
            booking_id: id.to_string(),
            token: stack.token(&account, &["customer"]),
            guest: String::new(),
            refund_to: None,
            places: BTreeSet::new(),
        },
        id,
        created_at,
    });
    Ok(listed.collect())
}

/// A service's way for other services.
fn internal(stack: &Stack, service: &str) -> Gateway {
    Gateway::new(&stack.url(service), &stack.internal_token(ASKS_AS))
}

impl World {
    /// The whole world of a stack: every supplier, and everything that is reserved there. What is
    /// under way is counted as open.
    #[must_use]
    pub fn whole(stack: &Stack) -> Self {
        Self {
            gateway: Gateway::new(&stack.url("booking"), ""),
            doubles: stack.doubles(),
            cards: Cards::at(&stack.url(DOUBLES)),
            node: stack.node(),
            coins: stack.coins(),
            before: BTreeSet::new(),
            owner_of_legs: Some(internal(stack, "supplier-sync")),
        }
    }

    /// Whether a reservation is one of a booking that is under way.
    pub(super) async fn is_under_way(
        &self,
        reservation: &Reservation,
        open: &BTreeSet<&str>,
    ) -> anyhow::Result<bool> {
        let (Some(owner), Some(key)) = (&self.owner_of_legs, &reservation.client_reference) else {
            return Ok(false);
        };
        let answer = owner.get(&format!("/internal/find?key={key}")).await?;
        anyhow::ensure!(answer.status == StatusCode::OK, "{}", describe(&answer));
        let reply: FindReply = serde_json::from_slice(&answer.body)?;
        Ok(reply.found.iter().any(|found| open.contains(found.booking_id.to_string().as_str())))
    }
}
