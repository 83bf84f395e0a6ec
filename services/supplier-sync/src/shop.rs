//! What suppliers are asked while somebody waits: what there is, and what it costs now.
//!
//! Each under a deadline, apart from bookings.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use chassis::{
    Flights,
    metrics::{self, Counter},
};
use chrono::{DateTime, TimeDelta, Utc};
use contracts::{
    internal::PriceCheckRequest,
    offer::{Offer, PriceCheck, ProductKind, Search, Terms},
    policy::Policy,
    shown::ShownOffers,
    supplier::Supplier,
};
use messaging::{StoreError, database};
use suppliers::{Broken, Operation, Sent, dialect};
use tokio::{sync::Semaphore, time::Instant};

use crate::{App, accounts, merge::free_until, store};

/// What questions share in this process.
#[derive(Clone)]
pub(crate) struct Shop {
    /// The searches under way.
    pub(crate) flights: Flights<Option<Arc<ShownOffers>>>,
    /// Questions in flight at each supplier, so that one that hangs takes no other's places;
    /// bookings have places of their own.
    permits: Arc<BTreeMap<Supplier, Semaphore>>,
}

impl Shop {
    pub(crate) fn new(policy: &Policy) -> Self {
        let places = |supplier| {
            let most = usize::try_from(policy.of(supplier).calls_at_once_max).unwrap_or(1);
            (supplier, Semaphore::new(most.max(1)))
        };
        let permits = Supplier::ALL.into_iter().map(places).collect();
        Self { flights: Flights::default(), permits: Arc::new(permits) }
    }
}

/// Says of what is held by buying it whether it can be cancelled free for long enough.
pub(crate) fn hold(app: &App, supplier: Supplier, terms: &mut Terms, now: DateTime<Utc>) {
    if dialect(supplier).holds_by_purchase() {
        let least = TimeDelta::from_std(app.policy.of(supplier).holds_for_min);
        let least = least.unwrap_or(TimeDelta::MAX);
        terms.holdable = terms.holdable && free_until(terms).signed_duration_since(now) >= least;
    }
}

/// Asks one supplier; nothing when it has no answer in time.
pub(crate) async fn ask(
    app: &App,
    supplier: Supplier,
    search: &Search,
    by: Instant,
) -> Option<Vec<Offer>> {
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
            match &answer {
                PriceCheck::Available { book_key, .. } if dialect.sells() != ProductKind::Stay => {
                    app.cache.book_by(key, book_key).await;
                }
                PriceCheck::Available { .. } => {}
                PriceCheck::PriceChanged { .. } | PriceCheck::SoldOut => {
                    app.cache.forget_rate(key).await;
                }
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

pub(crate) async fn now(app: &App) -> Result<DateTime<Utc>, StoreError> {
    let pool = app.messaging.pool();
    let mut conn = pool.acquire().await.map_err(database("taking a connection"))?;
    store::now(&mut conn).await
}
