//! What suppliers are asked while somebody waits: what there is, and what it costs now.
//!
//! Each under a deadline, apart from bookings.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

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
use supplier_sync_core::gate::Class;
use suppliers::{Broken, HttpReply, HttpRequest, Left, Operation, Sent, dialect};
use tokio::{sync::Semaphore, time::Instant};

use crate::{
    App,
    accounts::{self, Account},
    cache::Passage,
    merge::free_until,
    sample,
    store::{self, NewCase},
};

/// A supplier that had less time for an answer is not said to be ill.
const FAIR: Duration = Duration::from_secs(1);
/// Pages of one answer that are asked for: each is a call that other searches do not make.
const PAGES_MAX: usize = 5;
/// Nobody who waits for a price waits longer than this for its journal.
const KEEP_WITHIN: Duration = Duration::from_secs(1);
/// A contract that stays broken is written down again after this.
const TELL_EVERY: Duration = Duration::from_secs(10);
/// So many broken contracts are remembered; those beyond are written each time.
const TOLD_MAX: usize = 1_000;

/// What questions share in this process.
#[derive(Clone)]
pub(crate) struct Shop {
    /// The searches under way.
    pub(crate) flights: Flights<Option<Arc<ShownOffers>>>,
    /// Questions in flight at each supplier, so that one that hangs takes no other's places;
    /// bookings have places of their own.
    permits: Arc<BTreeMap<Supplier, Semaphore>>,
    /// The broken contracts that were told lately.
    told: Arc<Mutex<BTreeMap<(&'static str, String), Instant>>>,
}

impl Shop {
    pub(crate) fn new(policy: &Policy) -> Self {
        let places = |supplier| {
            let most = usize::try_from(policy.of(supplier).calls_at_once_max).unwrap_or(1);
            (supplier, Semaphore::new(most.max(1)))
        };
        let permits = Supplier::ALL.into_iter().map(places).collect();
        Self { flights: Flights::default(), permits: Arc::new(permits), told: Arc::default() }
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

/// Asks one supplier, page after page where it answers in several; nothing when it has no answer in
/// time. A further page that does not come takes nothing of those before away.
pub(crate) async fn ask(
    app: &App,
    supplier: Supplier,
    search: &Search,
    by: Instant,
) -> Option<Vec<Offer>> {
    let account = app.accounts.of(supplier)?;
    let dialect = dialect(supplier);
    // What it does not sell to so many, it has none of.
    let Some(first) = dialect.search(&account.access, accounts::signed_at(), search) else {
        return Some(Vec::new());
    };
    let place = Place { supplier, operation: Operation::Search, by };
    let (mut offers, reply) = page(app, account, &place, search, first).await?;
    let mut replies = vec![reply];
    while replies.len() < PAGES_MAX {
        let now = accounts::signed_at();
        let Some(next) = dialect.search_on(&account.access, now, search, &replies) else { break };
        let Some((more, reply)) = page(app, account, &place, search, next).await else { break };
        // What moved to a later page while they were read is there already.
        offers.extend(more);
        let mut known = BTreeSet::new();
        offers.retain(|offer| known.insert(offer.rate_key.clone()));
        replies.push(reply);
    }
    Some(offers)
}

/// One page of what a supplier has, and the answer that it was read from.
async fn page(
    app: &App,
    account: &Account,
    place: &Place,
    search: &Search,
    request: HttpRequest,
) -> Option<(Vec<Offer>, HttpReply)> {
    let asked = in_time(app, account, place, request).await?;
    let answer = match &asked.sent {
        Sent::Reply(reply) => Some(dialect(place.supplier).read_search(search, reply)),
        Sent::NotSent | Sent::NoAnswer => None,
    };
    heard(app, place, &asked, answer.as_ref().map(|a| a.as_ref().map(|_| ()))).await;
    let found = answer?.ok()?;
    let Sent::Reply(reply) = asked.sent else { return None };
    if let Some(Broken::Contract { what }) = &found.left_out {
        tell(app, sample::contract(place.supplier, place.operation, what, &reply.body)).await;
    }
    Some((found.offers, reply))
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
    let by = Instant::now() + app.policy.of(request.supplier).price_check_deadline;
    let Some(account) = app.accounts.of(request.supplier) else { return Checked::Unavailable };
    let dialect = dialect(request.supplier);
    let key = request.rate_key.as_str();
    let asked = dialect.price_check(&account.access, accounts::signed_at(), key);
    let Ok(asked) = asked else { return Checked::BadKey };
    // Whoever asks was shown an answer of which somebody ordered since.
    if request.supplier.sells_a_search_once() && app.cache.was_forgotten(key).await {
        return Checked::Expired;
    }
    let place = Place { supplier: request.supplier, operation: Operation::PriceCheck, by };
    let Some(asked) = in_time(app, account, &place, asked).await else {
        return Checked::Unavailable;
    };
    let answer = match &asked.sent {
        Sent::Reply(reply) => Some(dialect.read_price_check(key, request.currency, reply)),
        Sent::NotSent | Sent::NoAnswer => None,
    };
    heard(app, &place, &asked, answer.as_ref().map(|a| a.as_ref().map(|_| ()))).await;
    keep(app, &place, &asked, answer.as_ref()).await;
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
        Some(Err(Broken::Expired)) => {
            // What is shown would lead here again.
            app.cache.forget_rate(key).await;
            Checked::Expired
        }
        Some(Err(Broken::Key)) => Checked::BadKey,
        Some(Err(Broken::Status { .. } | Broken::Contract { .. } | Broken::Foreign)) | None => {
            Checked::Unavailable
        }
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

/// Which question, at whom, and until when an answer is of use.
struct Place {
    supplier: Supplier,
    operation: Operation,
    by: Instant,
}

/// A question that went out.
struct Asked {
    sent: Sent,
    path: String,
    /// The same as it went out, without its headers, which are our signature and nothing else.
    request: Vec<u8>,
    /// How long its answer could be waited for, and how long it took.
    within: Duration,
    took: Duration,
}

/// Sends when there is a place and the supplier may be asked, with what is left of the time;
/// nothing when it was not asked.
async fn in_time(
    app: &App,
    account: &Account,
    place: &Place,
    request: HttpRequest,
) -> Option<Asked> {
    let Place { supplier, operation, by } = *place;
    let permits = app.shop.permits.get(&supplier)?;
    let Ok(Ok(_permit)) = tokio::time::timeout_at(by, permits.acquire()).await else {
        held_back(place, "no_place");
        return None;
    };
    let path = request.path_and_query.clone();
    let text = accounts::written(&request);
    // Whoever waited for somebody else's answer until its own time was out asks nobody; a gate that
    // is asked counts the call, and perhaps waits for what comes of it.
    if by <= Instant::now() {
        held_back(place, "no_time");
        return None;
    }
    let why = match app.gates.ask(supplier, Class::of(operation), &path).await {
        Passage::Go => None,
        Passage::Wait(_) => Some("put_off"),
        Passage::Open(_) => Some("turned_away"),
    };
    let within = by.saturating_duration_since(Instant::now());
    let why = why.or_else(|| within.is_zero().then_some("no_time"));
    if let Some(why) = why {
        held_back(place, why);
        return None;
    }
    let began = Instant::now();
    let sent = account.send(request, within).await;
    Some(Asked { sent, path, request: text, within, took: began.elapsed() })
}

/// Writes a price check into its journal. Whoever waits for the price gets it also where that
/// fails.
async fn keep(
    app: &App,
    place: &Place,
    asked: &Asked,
    answer: Option<&Result<PriceCheck, Broken>>,
) {
    let check_id = chassis::mint::uuid7();
    let seal = |column: &str, plain: &[u8]| {
        let place = store::price_check_place(check_id, column);
        app.sealer.seal(plain, place.as_bytes()).ok()
    };
    let reply = match &asked.sent {
        Sent::Reply(reply) => Some(reply),
        Sent::NotSent | Sent::NoAnswer => None,
    };
    let (outcome, book_key) = match answer {
        Some(Ok(PriceCheck::Available { book_key, .. })) => ("available", Some(book_key)),
        Some(Ok(PriceCheck::PriceChanged { book_key, .. })) => ("price_changed", Some(book_key)),
        Some(Ok(PriceCheck::SoldOut)) => ("sold_out", None),
        None if matches!(asked.sent, Sent::NotSent) => ("not_sent", None),
        answer => (outcome(answer.map(|answer| answer.as_ref().map(drop))), None),
    };
    let broken = answer.and_then(|answer| answer.as_ref().err());
    let check = store::NewPriceCheck {
        check_id,
        supplier: place.supplier.word(),
        book_key: book_key.cloned(),
        status: reply.map(|reply| reply.status),
        outcome,
        // A column takes every character but one.
        detail: broken.map(|broken| broken.to_string().replace('\0', "?")),
        request_sealed: seal("request", &asked.request),
        reply_sealed: reply.and_then(|reply| seal("reply", &reply.body)),
        took_ms: i32::try_from(asked.took.as_millis()).unwrap_or(i32::MAX),
    };
    let pool = app.messaging.pool();
    let kept = async {
        let mut conn = pool.acquire().await.map_err(database("taking a connection"))?;
        store::keep_price_check(&mut conn, &check).await
    };
    let error = match tokio::time::timeout(KEEP_WITHIN, kept).await {
        Ok(Ok(())) => return,
        Ok(Err(error)) => chassis::chain(&error).to_string(),
        Err(_) => "the database did not answer in time".to_owned(),
    };
    tracing::warn!(error, "a price check is not in its journal");
}

/// Counts a question that was not asked.
fn held_back(place: &Place, why: &'static str) {
    let Place { supplier, operation, .. } = place;
    let labels = [("supplier", supplier.word()), ("operation", operation.word()), ("outcome", why)];
    metrics::add(Counter::SupplierCalls, &labels, 1);
}

/// Tells the supplier's gate what came of a question, and counts it.
async fn heard(app: &App, place: &Place, asked: &Asked, answer: Option<Result<(), &Broken>>) {
    let Place { supplier, operation, .. } = *place;
    let quota = match &asked.sent {
        Sent::Reply(reply) => dialect(supplier).quota(reply, accounts::signed_at()),
        Sent::NotSent | Sent::NoAnswer => None,
    };
    let spent = quota.is_some_and(|quota| quota.left == Left::Nothing);
    let well = match answer {
        // Being asked too much is no illness, and no answer within no time is none.
        _ if spent => None,
        None if asked.within < FAIR => None,
        None | Some(Err(Broken::Contract { .. } | Broken::Foreign)) => Some(false),
        Some(Err(Broken::Status { status, .. })) => Some(*status < 500),
        Some(Ok(()) | Err(Broken::Expired | Broken::Key)) => Some(true),
    };
    let place = (Class::of(operation), asked.path.as_str());
    app.gates.hear(supplier, place, quota.as_ref(), well).await;
    count(supplier, operation, answer);
    if let (Sent::Reply(reply), Some(Err(Broken::Contract { what }))) = (&asked.sent, answer) {
        tell(app, sample::contract(supplier, operation, what, &reply.body)).await;
    }
}

/// Opens a case, or counts it. One that is seen all the time is written now and then: nobody who
/// searches waits for the others' row.
pub(crate) async fn tell(app: &App, case: NewCase) {
    let new = {
        let mut told = app.shop.told.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (case.supplier, case.subject.clone());
        let new = told.get(&key).is_none_or(|at| at.elapsed() >= TELL_EVERY);
        if new && told.len() < TOLD_MAX {
            told.insert(key, Instant::now());
        }
        new
    };
    if !new {
        return;
    }
    let pool = app.messaging.pool();
    let told = async {
        let mut conn = pool.acquire().await.map_err(database("taking a connection"))?;
        store::open_cases(&mut conn, [&case]).await
    };
    if let Err(error) = told.await {
        tracing::warn!(error = %chassis::chain(&error), "a case could not be written");
    }
}

/// The word used in metrics and in the journal of price checks.
const fn outcome(answer: Option<Result<(), &Broken>>) -> &'static str {
    match answer {
        Some(Ok(())) => "answered",
        Some(Err(Broken::Contract { .. } | Broken::Foreign)) => "broken_contract",
        Some(Err(Broken::Expired)) => "expired",
        Some(Err(Broken::Status { .. } | Broken::Key)) => "refused",
        None => "no_answer",
    }
}

/// Questions are counted, and those that fail are told; of searches nothing else is kept.
fn count(supplier: Supplier, operation: Operation, answer: Option<Result<(), &Broken>>) {
    let outcome = outcome(answer);
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
