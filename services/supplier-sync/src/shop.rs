//! Searches and price checks: the two questions that are asked of suppliers while somebody waits.
//!
//! Each under a deadline, apart from bookings, and one call however many ask the same.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use chassis::metrics::{self, Counter};
use chrono::{DateTime, TimeDelta, Utc};
use contracts::{
    internal::PriceCheckRequest,
    offer::{Offer, PriceCheck, Search, Terms},
    policy::Policy,
    shown::{Freshness, ShownOffers, SupplierPart, search_digest},
    supplier::Supplier,
};
use futures::{
    FutureExt as _,
    future::{BoxFuture, Shared, join_all},
};
use messaging::{StoreError, database};
use rand::Rng as _;
use suppliers::{Broken, Operation, Sent, dialect};
use tokio::{sync::Semaphore, time::Instant};

use crate::{
    App, accounts,
    merge::{free_until, merge},
    store,
};

/// How often a process that does not lead looks whether the answer is there.
const LOOK_EVERY: Duration = Duration::from_millis(25);

/// So many times sooner an answer is asked for anew in which a supplier is missing.
const PARTIAL_SOONER: u32 = 10;

/// The searches under way in this process.
#[derive(Clone)]
pub(crate) struct Shop {
    flights: Arc<Mutex<BTreeMap<String, Flight>>>,
    /// Questions in flight at each supplier, so that one that hangs takes no other's places;
    /// bookings have places of their own.
    permits: Arc<BTreeMap<Supplier, Semaphore>>,
}

type Flight = Shared<BoxFuture<'static, Option<Arc<ShownOffers>>>>;

impl Shop {
    pub(crate) fn new(policy: &Policy) -> Self {
        let places = |supplier| {
            let most = usize::try_from(policy.of(supplier).calls_at_once_max).unwrap_or(1);
            (supplier, Semaphore::new(most.max(1)))
        };
        let permits = Supplier::ALL.into_iter().map(places).collect();
        Self { flights: Arc::default(), permits: Arc::new(permits) }
    }

    fn with<T>(&self, work: impl FnOnce(&mut BTreeMap<String, Flight>) -> T) -> T {
        work(&mut self.flights.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Answers a search: from the cache while it is fresh, else by one call for everybody who asks.
///
/// Nothing when the search itself failed on our side.
pub(crate) async fn search(app: &App, search: Search) -> Option<Arc<ShownOffers>> {
    let digest = search_digest(&search);
    let flight = app.shop.with(|flights| {
        let fly = || take_off(app.clone(), search, digest.clone());
        flights.entry(digest.clone()).or_insert_with(fly).clone()
    });
    flight.await
}

/// The search goes on to its end even when everybody who asked has hung up.
fn take_off(app: App, search: Search, digest: String) -> Flight {
    let work = async move {
        let tasks = app.process.tasks.clone();
        let (shop, landed) = (app.shop.clone(), digest.clone());
        let done = tasks.to_the_end("search", async move {
            let found = fly(&app, &search, &digest).await;
            // Here, where it happens although nobody waits: a flight that stayed would be taken for
            // the answer of a later search.
            app.shop.with(|flights| flights.remove(&digest));
            found
        });
        let found = done.await;
        if found.is_none() {
            // It panicked on its way.
            shop.with(|flights| flights.remove(&landed));
        }
        match found? {
            Ok(found) => Some(Arc::new(found)),
            Err(error) => {
                tracing::warn!(error = %chassis::chain(&error), "a search failed");
                None
            }
        }
    };
    work.boxed().shared()
}

async fn fly(app: &App, search: &Search, digest: &str) -> Result<ShownOffers, StoreError> {
    let by = Instant::now() + app.policy.search.deadline;
    let known = app.cache.offers(digest).await;
    if let Some(fresh) = fresh(app, known.as_ref()).await? {
        return Ok(fresh);
    }
    let leads = loop {
        if app.cache.leads(digest, app.policy.search.deadline).await {
            break true;
        }
        if Instant::now() >= by {
            break false;
        }
        tokio::time::sleep(LOOK_EVERY).await;
        let found = app.cache.offers(digest).await;
        if let Some(fresh) = fresh(app, found.as_ref()).await? {
            return Ok(fresh);
        }
    };
    // Whoever led before may have kept its answer and yielded between our look and our lead.
    let found = app.cache.offers(digest).await;
    if let Some(fresh) = fresh(app, found.as_ref()).await? {
        if leads {
            app.cache.yield_lead(digest).await;
        }
        return Ok(fresh);
    }
    let found = ask_all(app, search, by).await?;
    let anything = found.suppliers.iter().any(|part| part.state == Freshness::Fresh);
    if anything {
        let keep_for = jittered(app.policy.search.hard_for);
        app.cache.keep(search, digest, &found, keep_for).await;
    }
    // Another's lead is not ours to end.
    if leads {
        app.cache.yield_lead(digest).await;
    }
    Ok(match known {
        // Old offers that say so are worth more than none.
        Some(known) if !anything => stale(known),
        Some(_) | None => found,
    })
}

/// What is in the cache, if it is within its soft life.
async fn fresh(app: &App, known: Option<&ShownOffers>) -> Result<Option<ShownOffers>, StoreError> {
    let Some(known) = known else { return Ok(None) };
    let now = now(app).await?;
    Ok((known.soft_until > now).then(|| known.clone()))
}

async fn ask_all(app: &App, search: &Search, by: Instant) -> Result<ShownOffers, StoreError> {
    let asked = app
        .accounts
        .suppliers()
        .filter(|supplier| dialect(*supplier).sells() == search.kind())
        .filter_map(|supplier| Some((supplier, app.catalogue.local(search, supplier)?)))
        .map(|(supplier, local)| async move { (supplier, ask(app, supplier, &local, by).await) });
    let mut suppliers = Vec::new();
    let mut offers = Vec::new();
    for (supplier, answer) in join_all(asked).await {
        let state = if answer.is_some() { Freshness::Fresh } else { Freshness::Unavailable };
        suppliers.push(SupplierPart { supplier, state });
        offers.extend(answer.into_iter().flatten());
    }
    let as_of = now(app).await?;
    for offer in &mut offers {
        if let Search::Stay(stay) = search {
            offer.property_id.clone_from(&stay.property_id);
        }
        hold(app, offer.supplier, &mut offer.terms, as_of);
    }
    // An answer in which somebody is missing is asked for anew soon.
    let whole = suppliers.iter().all(|part| part.state == Freshness::Fresh);
    let soft_for = jittered(app.policy.search.soft_for) / if whole { 1 } else { PARTIAL_SOONER };
    let soft_until = as_of + TimeDelta::from_std(soft_for).unwrap_or_default();
    Ok(ShownOffers { as_of, soft_until, suppliers, offers: merge(offers) })
}

/// Says of what is held by buying it whether it can be cancelled free for long enough.
fn hold(app: &App, supplier: Supplier, terms: &mut Terms, now: DateTime<Utc>) {
    if dialect(supplier).holds_by_purchase() {
        let least = TimeDelta::from_std(app.policy.of(supplier).holds_for_min);
        let least = least.unwrap_or(TimeDelta::MAX);
        terms.holdable = terms.holdable && free_until(terms).signed_duration_since(now) >= least;
    }
}

/// Asks one supplier; nothing when it has no answer in time.
async fn ask(app: &App, supplier: Supplier, search: &Search, by: Instant) -> Option<Vec<Offer>> {
    let account = app.accounts.of(supplier)?;
    let dialect = dialect(supplier);
    // What it does not sell to so many, it has none of.
    let Some(request) = dialect.search(&account.access, accounts::signed_at(), search) else {
        return Some(Vec::new());
    };
    let sent = in_time(app, supplier, by, |within| account.send(request, within)).await;
    let answer = match &sent {
        Sent::Reply(reply) => Some(dialect.read_search(search, reply)),
        Sent::NotSent | Sent::NoAnswer => None,
    };
    count(supplier, Operation::Search, answer.as_ref().map(|a| a.as_ref().map(|_| ())));
    answer?.ok()
}

/// What a price check came to.
#[derive(Debug)]
pub(crate) enum Checked {
    Answer(PriceCheck),
    /// The offer is too old to be asked about.
    Expired,
    /// The key is none of the supplier's.
    BadKey,
    Unavailable,
}

/// Asks whether an offer still stands.
pub(crate) async fn price_check(app: &App, request: &PriceCheckRequest) -> Checked {
    let by = Instant::now() + app.policy.search.price_check_deadline;
    let Some(account) = app.accounts.of(request.supplier) else { return Checked::Unavailable };
    let dialect = dialect(request.supplier);
    let key = request.rate_key.as_str();
    let asked = dialect.price_check(&account.access, accounts::signed_at(), key);
    let Ok(asked) = asked else { return Checked::BadKey };
    let sent = in_time(app, request.supplier, by, |within| account.send(asked, within)).await;
    let answer = match &sent {
        Sent::Reply(reply) => Some(dialect.read_price_check(key, request.currency, reply)),
        Sent::NotSent | Sent::NoAnswer => None,
    };
    let counted = answer.as_ref().map(|a| a.as_ref().map(|_| ()));
    count(request.supplier, Operation::PriceCheck, counted);
    match answer {
        Some(Ok(answer)) => {
            if !matches!(answer, PriceCheck::Available { .. }) {
                app.cache.forget_rate(key).await;
            }
            match held(app, request.supplier, answer).await {
                Ok(answer) => Checked::Answer(answer),
                Err(error) => {
                    tracing::warn!(error = %chassis::chain(&error), "a price check failed");
                    Checked::Unavailable
                }
            }
        }
        Some(Err(Broken::Expired)) => Checked::Expired,
        Some(Err(Broken::Key)) => Checked::BadKey,
        Some(Err(Broken::Status { .. } | Broken::Contract { .. })) | None => Checked::Unavailable,
    }
}

/// The answer, with what it says of holding as [`hold`] says it.
async fn held(
    app: &App,
    supplier: Supplier,
    mut answer: PriceCheck,
) -> Result<PriceCheck, StoreError> {
    if dialect(supplier).holds_by_purchase()
        && let PriceCheck::Available { terms, .. } | PriceCheck::PriceChanged { terms, .. } =
            &mut answer
    {
        hold(app, supplier, terms, now(app).await?);
    }
    Ok(answer)
}

/// Sends when there is a place, with what is left of the time.
async fn in_time<F>(
    app: &App,
    supplier: Supplier,
    by: Instant,
    send: impl FnOnce(Duration) -> F,
) -> Sent
where
    F: Future<Output = Sent> + Send,
{
    let Some(permits) = app.shop.permits.get(&supplier) else { return Sent::NotSent };
    let Ok(Ok(_permit)) = tokio::time::timeout_at(by, permits.acquire()).await else {
        return Sent::NotSent;
    };
    let left = by.saturating_duration_since(Instant::now());
    // Whoever waited for somebody else's answer until its own time was out asks nobody.
    if left.is_zero() { Sent::NotSent } else { send(left).await }
}

/// Questions are counted, and those that fail are told; they are not journalled.
fn count(supplier: Supplier, operation: Operation, answer: Option<Result<(), &Broken>>) {
    let outcome = match &answer {
        Some(Ok(())) => "answered",
        Some(Err(Broken::Contract { .. })) => "broken_contract",
        Some(Err(Broken::Expired)) => "expired",
        Some(Err(Broken::Status { .. } | Broken::Key)) => "refused",
        None => "no_answer",
    };
    let labels =
        [("supplier", supplier.word()), ("operation", operation.word()), ("outcome", outcome)];
    metrics::add(Counter::SupplierCalls, &labels, 1);
    if let Some(Err(error)) = answer {
        tracing::warn!(
            supplier = supplier.word(), operation = operation.word(), why = %error,
            "a supplier's answer was of no use"
        );
    }
}

fn stale(mut known: ShownOffers) -> ShownOffers {
    for part in &mut known.suppliers {
        part.state = Freshness::Stale;
    }
    known
}

/// Between nine tenths and eleven tenths, so that keys that were filled together do not end
/// together.
fn jittered(wait: Duration) -> Duration {
    wait.mul_f64(rand::rng().random_range(0.9..=1.1))
}

async fn now(app: &App) -> Result<DateTime<Utc>, StoreError> {
    let pool = app.messaging.pool();
    let mut conn = pool.acquire().await.map_err(database("taking a connection"))?;
    store::now(&mut conn).await
}
