//! Compares everything that a supplier has of us with what we have: every night, and when asked.
//!
//! One page, or one batch of our legs, is a step: it passes the supplier's gate as a search does,
//! so it gives way to everybody who books; what was read is committed with where the next begins.

use std::time::Duration;

use chassis::{
    metrics::{self, Counter},
    trace::TraceContext,
};
use chrono::{DateTime, NaiveTime, TimeDelta, Utc};
use contracts::{ids::LegId, supplier::Supplier};
use messaging::{Step, StoreError};
use serde_json::{Value, json};
use sqlx::PgConnection;
use supplier_sync_core::{
    DriftKind, Fact, Leg,
    compare::{self, News},
    gate::{self, Class},
};
use suppliers::{
    Broken, HttpReply, Left, ListPage, Listed, Operation, Period, SeenState, Sent, dialect,
};
use uuid::Uuid;

use crate::{
    App, accounts,
    cache::Passage,
    handle::{self, Cause, Input, Work, feed},
    sample,
    store::{self, Compared, NewCase},
};

/// When the night's comparisons begin: hours, in UTC, after midnight.
const AT_HOUR: u32 = 3;
/// How long a page may take. The step is another's to make after twice that.
const PAGE_WITHIN: Duration = Duration::from_secs(60);
/// A step that failed is made again after this, twice as long each time.
const AGAIN_AFTER: Duration = Duration::from_secs(30);
/// So many failures in a row end a comparison: some four hours.
const FAILURES_MAX: i32 = 10;
/// Legs of one step.
const LEGS_AT_ONCE: i64 = 200;
/// Who asks for the look-ups.
const BY: &str = "comparison";

/// Begins the comparisons that this night is due, and makes one step of one that is under way.
///
/// # Errors
/// When the database fails; the step is made again.
pub async fn compare(app: &App) -> Result<Step, StoreError> {
    let mut tx = app.messaging.begin().await?;
    let now = store::now(tx.conn()).await?;
    for supplier in app.accounts.suppliers().filter(|supplier| lists(app, *supplier)) {
        store::begin_comparison(tx.conn(), supplier, None, Some(last_night(now))).await?;
    }
    let claimed = store::claim_comparison(tx.conn(), PAGE_WITHIN.as_secs_f64() * 2.0).await?;
    tx.commit().await?;
    let Some(step) = claimed else { return Ok(Step::Idle) };
    let Ok(supplier) = step.supplier.parse::<Supplier>() else { return Ok(Step::Idle) };
    if step.stage == "missing" {
        missing(app, supplier, &step).await?;
    } else {
        listing(app, supplier, &step).await?;
    }
    Ok(Step::Did(1))
}

/// Whether a supplier is sold here and has a list of everything.
pub(crate) fn lists(app: &App, supplier: Supplier) -> bool {
    let period = Period { from: DateTime::UNIX_EPOCH, until: DateTime::UNIX_EPOCH, cursor: None };
    app.accounts.of(supplier).is_some_and(|account| {
        dialect(supplier).list(&account.access, accounts::signed_at(), &period).is_some()
    })
}

/// When the newest night began, by its hour.
fn last_night(now: DateTime<Utc>) -> DateTime<Utc> {
    let at = NaiveTime::from_hms_opt(AT_HOUR, 0, 0).unwrap_or(NaiveTime::MIN);
    let tonight = now.date_naive().and_time(at).and_utc();
    if tonight <= now { tonight } else { tonight - TimeDelta::days(1) }
}

/// Reads one page of the supplier's list.
async fn listing(app: &App, supplier: Supplier, step: &Compared) -> Result<(), StoreError> {
    let period =
        Period { from: step.made_from, until: step.begun_at, cursor: step.next_page.as_deref() };
    match page(app, supplier, &period).await {
        Paged::Read { asked_at, reply, page } => {
            page_read(app, supplier, step, asked_at, &reply, page).await
        }
        Paged::Later(wait) => {
            let mut tx = app.messaging.begin().await?;
            store::delay_comparison(tx.conn(), step, wait.as_secs_f64(), false).await?;
            tx.commit().await
        }
        Paged::Failed { broken, reply } => failed(app, supplier, step, &broken, reply).await,
    }
}

/// What came of asking for a page.
enum Paged {
    Read {
        asked_at: DateTime<Utc>,
        reply: HttpReply,
        page: ListPage,
    },
    /// Not before so long.
    Later(Duration),
    Failed {
        broken: Broken,
        reply: Option<HttpReply>,
    },
}

async fn page(app: &App, supplier: Supplier, period: &Period<'_>) -> Paged {
    let silent = || Broken::contract("no answer");
    let (dialect, now) = (dialect(supplier), accounts::signed_at());
    let request = app
        .accounts
        .of(supplier)
        .and_then(|account| Some((account, dialect.list(&account.access, now, period)?)));
    let Some((account, request)) = request else {
        return Paged::Failed { broken: silent(), reply: None };
    };
    let path = request.path_and_query.clone();
    match app.gates.ask(supplier, Class::Search, &path).await {
        Passage::Go => {}
        Passage::Wait(wait) | Passage::Open(wait) => return Paged::Later(wait),
    }
    let sent = account.send(request, PAGE_WITHIN).await;
    let Sent::Reply(reply) = sent else { return Paged::Failed { broken: silent(), reply: None } };
    if let Some(quota) = dialect.quota(&reply, accounts::signed_at()) {
        app.gates.hear(supplier, (Class::Search, &path), Some(&quota), None).await;
        if quota.left == Left::Nothing && reply.status != 200 {
            return Paged::Later(gate::wait(&quota));
        }
    }
    match dialect.read_list(period, &reply) {
        Ok(page) => Paged::Read { asked_at: now, reply, page },
        Err(broken) => Paged::Failed { broken, reply: Some(reply) },
    }
}

/// Tries again later, and in the end not any more.
async fn failed(
    app: &App,
    supplier: Supplier,
    step: &Compared,
    broken: &Broken,
    reply: Option<HttpReply>,
) -> Result<(), StoreError> {
    let mut tx = app.messaging.begin().await?;
    if let (Broken::Contract { what }, Some(reply)) = (broken, reply) {
        let case = sample::contract(supplier, Operation::Lookup, what, &reply.body);
        store::open_cases(tx.conn(), [&case]).await?;
    }
    if step.failures + 1 < FAILURES_MAX {
        let times = u32::try_from(step.failures).unwrap_or(0).min(9);
        let wait = AGAIN_AFTER * (1 << times);
        store::delay_comparison(tx.conn(), step, wait.as_secs_f64(), true).await?;
        tracing::warn!(%supplier, why = %broken, "a page of a supplier's list could not be read");
    } else {
        store::give_up_comparison(tx.conn(), step).await?;
        tracing::error!(
            %supplier, why = %broken,
            "a supplier's list cannot be read; it was not compared with ours"
        );
    }
    tx.commit().await
}

/// Compares one page, and notes it.
async fn page_read(
    app: &App,
    supplier: Supplier,
    step: &Compared,
    asked_at: DateTime<Utc>,
    reply: &HttpReply,
    page: ListPage,
) -> Result<(), StoreError> {
    let Some(rules) = app.rules.get(&supplier) else { return Ok(()) };
    let mut tx = app.messaging.begin().await?;
    let now = store::now(tx.conn()).await?;
    let known = store::legs_of_listed(tx.conn(), supplier, &page.reservations).await?;
    let ids: Vec<Uuid> = known.iter().flatten().map(|(leg_id, _)| leg_id.0).collect();
    let legs = readable(tx.conn(), &ids).await?;
    let mut found = Found::default();
    // What changed while the page was asked for knows more than the page.
    let settled = now - rules.window() - (accounts::signed_at() - asked_at);
    for (listed, known) in page.reservations.iter().zip(&known) {
        match known {
            None => found.unknown(supplier, listed),
            Some((_, changed_at)) if *changed_at > settled => {}
            Some((leg_id, _)) => {
                let leg = legs.iter().find(|(leg, _)| leg.leg_id == *leg_id);
                if let Some((leg, _)) = leg {
                    let whose = Some((leg.leg_id, leg.booking_id));
                    let odd = sample::odd(supplier, Operation::Lookup, &listed.seen, &reply.body);
                    found.cases.extend(odd.map(|case| NewCase { leg: whose, ..case }));
                    found.note(supplier, whose, compare::listed(leg, listed));
                }
            }
        }
    }
    let references: Vec<&str> =
        page.reservations.iter().map(|one| one.seen.reference.as_str()).collect();
    let count = store::Count {
        pages: 1,
        listed: i32::try_from(references.len()).unwrap_or(i32::MAX),
        ..found.count
    };
    let next = page.next.as_deref();
    store::page_compared(tx.conn(), step, &references, next, count).await?;
    finish(app, tx, found, now).await
}

/// Looks for one batch of our legs among what was listed.
async fn missing(app: &App, supplier: Supplier, step: &Compared) -> Result<(), StoreError> {
    let Some(rules) = app.rules.get(&supplier) else { return Ok(()) };
    let mut tx = app.messaging.begin().await?;
    let now = store::now(tx.conn()).await?;
    let settled = step.begun_at - rules.window();
    let ids = store::legs_at(tx.conn(), supplier, step.after_leg, settled, LEGS_AT_ONCE).await?;
    let legs = readable(tx.conn(), &ids).await?;
    let expected = |leg, rules| compare::expected(leg, rules, step.begun_at);
    let references: Vec<&str> = legs.iter().flat_map(|(leg, _)| expected(&**leg, rules)).collect();
    let gone = store::not_listed(tx.conn(), step.comparison_id, &references).await?;
    let mut found = Found::default();
    for (leg, _) in &legs {
        if expected(leg, rules).any(|reference| gone.iter().any(|one| one == reference)) {
            found.looks.push((leg.leg_id, None));
            found.count.missing += 1;
        }
    }
    let all = i64::try_from(ids.len()).unwrap_or(i64::MAX) < LEGS_AT_ONCE;
    let after = ids.last().copied().filter(|_| !all).map(LegId);
    store::legs_compared(tx.conn(), step, after, found.count).await?;
    finish(app, tx, found, now).await
}

/// Loads legs without those that cannot be read: each is told of, and holds up no other.
async fn readable(
    conn: &mut PgConnection,
    ids: &[Uuid],
) -> Result<Vec<(Box<Leg>, Option<TraceContext>)>, StoreError> {
    match store::load_for_update(conn, ids).await {
        Err(StoreError::Corrupt { .. }) => {}
        loaded => return loaded,
    }
    let mut legs = Vec::with_capacity(ids.len());
    for leg_id in ids {
        match store::load_for_update(conn, &[*leg_id]).await {
            Ok(one) => legs.extend(one),
            Err(error @ StoreError::Corrupt { .. }) => tracing::error!(
                leg.id = %leg_id, error = %chassis::chain(&error),
                "a leg cannot be read, and is compared with no list"
            ),
            Err(error) => return Err(error),
        }
    }
    Ok(legs)
}

/// What a step found.
#[derive(Default)]
struct Found {
    /// The attempts to look up; without a number, all of a leg that may have been sent.
    looks: Vec<(LegId, Option<u32>)>,
    cases: Vec<NewCase>,
    count: store::Count,
}

impl Found {
    fn note(
        &mut self,
        supplier: Supplier,
        leg: Option<(LegId, contracts::ids::BookingId)>,
        news: Option<News>,
    ) {
        match news {
            None => return,
            Some(News::Look { attempt, .. }) => {
                self.looks.extend(leg.map(|(leg_id, _)| (leg_id, Some(attempt))));
            }
            Some(News::Tell(drift)) => self.cases.push(NewCase {
                supplier: supplier.word(),
                kind: drift.kind.word(),
                subject: drift.reference,
                leg,
                ours: drift.ours,
                theirs: drift.theirs,
            }),
        }
        self.count.differing += 1;
    }

    /// Something that stands there in our name and that no leg of ours knows: nothing of ours can
    /// say that it may be cancelled.
    fn unknown(&mut self, supplier: Supplier, listed: &Listed) {
        let seen = &listed.seen;
        if seen.state == SeenState::Gone {
            return;
        }
        self.count.unknown += 1;
        self.cases.push(NewCase {
            supplier: supplier.word(),
            kind: DriftKind::Orphan.word(),
            subject: seen.reference.clone(),
            leg: None,
            ours: Value::Null,
            theirs: json!({
                "status": seen.state.word(),
                "client_reference": listed.client_reference,
                "check_in": seen.check_in,
                "check_out": seen.check_out,
                "price": seen.price,
            }),
        });
    }
}

/// Writes cases, has the legs looked up, and commits.
async fn finish(
    app: &App,
    mut tx: messaging::Tx,
    found: Found,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let Found { mut looks, cases, .. } = found;
    looks.sort_unstable();
    looks.dedup();
    let works = looks.into_iter().map(|(leg_id, attempt)| {
        let cause = Cause { source: "timer", id: None, span: tracing::Span::current() };
        let asked = Fact::LookAsked { by: BY.to_owned(), attempt };
        Work { leg_id, input: Input::Fact(asked), cause }
    });
    let fed = feed(app, &mut tx, works.collect(), cases.clone(), now).await?;
    tx.commit().await?;
    handle::committed(app, fed.follows);
    for case in &cases {
        let labels = [("supplier", case.supplier), ("kind", case.kind)];
        metrics::add(Counter::DriftCases, &labels, 1);
    }
    Ok(())
}
