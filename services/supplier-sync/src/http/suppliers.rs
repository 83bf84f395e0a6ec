//! How suppliers do: breakers, budgets, and what was found odd about them.

use axum::{extract::State, http::StatusCode};
use chassis::{
    ApiError, FieldError,
    http::{Json, Path},
};
use chrono::{DateTime, TimeDelta, Utc};
use contracts::{
    internal::{
        BreakerReset, BreakerResetRequest, BreakerStanding, BreakerState, CaseCloseRequest,
        CompareRequest, ComparisonStanding, QuotaStanding, SupplierCase, SupplierCasesReply,
        SupplierStanding, SuppliersReply,
    },
    supplier::Supplier,
};
use messaging::StoreError;
use supplier_sync_core::gate::{Breaker, Rules};
use uuid::Uuid;

use super::support::{STAFF_MAX, connection, failed};
use crate::{App, cache::Seen, compare::lists, shop, store, undelivered::Fetched};

const WHY_MAX: usize = 2_000;
const CASES_MAX: i64 = 1_000;

/// Every supplier that is sold.
pub(super) async fn all(State(app): State<App>) -> Result<Json<SuppliersReply>, ApiError> {
    let now = shop::now(&app).await.map_err(|error| failed(&error))?;
    let mut suppliers = Vec::new();
    for supplier in app.accounts.suppliers() {
        suppliers.extend(standing(&app, supplier, now).await);
    }
    Ok(Json(SuppliersReply { suppliers }))
}

/// Closes a breaker by hand. What it counted is forgotten, so it opens again only for new reasons.
pub(super) async fn reset(
    State(app): State<App>,
    Path(supplier): Path<Supplier>,
    Json(BreakerResetRequest { staff, why }): Json<BreakerResetRequest>,
) -> Result<Json<SupplierStanding>, ApiError> {
    check("/staff", &staff, STAFF_MAX)?;
    check("/why", &why, WHY_MAX)?;
    if app.accounts.of(supplier).is_none() {
        return Err(ApiError::not_found());
    }
    let now = shop::now(&app).await.map_err(|error| failed(&error))?;
    let reset = BreakerReset { staff, why, at: now };
    let text = serde_json::to_string(&reset).unwrap_or_default();
    if !app.gates.close(supplier, &text).await {
        let detail = "Redis does not answer: the breakers of other instances are as they were";
        return Err(ApiError::unavailable("breaker_not_shared", detail));
    }
    tracing::info!(
        supplier = supplier.word(),
        by = reset.staff,
        "a member of staff closed a breaker"
    );
    standing(&app, supplier, now).await.map(Json).ok_or_else(ApiError::not_found)
}

/// Begins a comparison of a supplier's whole list with ours; while one is under way, that one is
/// shown.
pub(super) async fn compare(
    State(app): State<App>,
    Path(supplier): Path<Supplier>,
    Json(CompareRequest { staff }): Json<CompareRequest>,
) -> Result<(StatusCode, Json<ComparisonStanding>), ApiError> {
    check("/staff", &staff, STAFF_MAX)?;
    if app.accounts.of(supplier).is_none() {
        return Err(ApiError::not_found());
    }
    if !lists(&app, supplier) {
        let detail = "the supplier has no list; each attempt is looked up by itself";
        return Err(ApiError::conflict("no_list", detail));
    }
    let mut conn = connection(&app).await?;
    let begun = store::begin_comparison(&mut conn, supplier, Some(&staff), None).await;
    begun.map_err(|error| failed(&error))?;
    newest(&app, supplier).await.map(|standing| (StatusCode::ACCEPTED, standing))
}

/// The newest comparison with a supplier.
pub(super) async fn compared(
    State(app): State<App>,
    Path(supplier): Path<Supplier>,
) -> Result<Json<ComparisonStanding>, ApiError> {
    newest(&app, supplier).await
}

async fn newest(app: &App, supplier: Supplier) -> Result<Json<ComparisonStanding>, ApiError> {
    let mut conn = connection(app).await?;
    let newest = store::newest_comparison(&mut conn, supplier).await;
    newest.map_err(|error| failed(&error))?.map(Json).ok_or_else(ApiError::not_found)
}

/// Fetches callbacks that a supplier could not deliver: their bodies, as they came. It gives each
/// out once, so whoever asks keeps them. 404 where it keeps none, 503 where it does not say.
pub(super) async fn undelivered(
    State(app): State<App>,
    Path(supplier): Path<Supplier>,
) -> Result<Json<Vec<String>>, ApiError> {
    match crate::undelivered::fetch(&app, supplier).await {
        Fetched::Callbacks(bodies) => Ok(Json(bodies)),
        Fetched::NoneKept => Err(ApiError::not_found()),
        Fetched::Unavailable => Err(ApiError::unavailable(
            "supplier_unavailable",
            "the supplier did not say what it could not deliver",
        )),
    }
}

/// What was found odd and nobody is done with, the oldest first.
pub(super) async fn cases(State(app): State<App>) -> Result<Json<SupplierCasesReply>, ApiError> {
    let mut conn = connection(&app).await?;
    let cases = store::cases(&mut conn, CASES_MAX).await.map_err(|error| failed(&error))?;
    Ok(Json(SupplierCasesReply { cases }))
}

/// One case, open or closed.
pub(super) async fn case(
    State(app): State<App>,
    Path(case_id): Path<Uuid>,
) -> Result<Json<SupplierCase>, ApiError> {
    let mut conn = connection(&app).await?;
    let case = store::case(&mut conn, case_id).await.map_err(|error| failed(&error))?;
    case.map(Json).ok_or_else(ApiError::not_found)
}

/// Closes a case. Told again it changes nothing: who closed it first, and why, stays.
pub(super) async fn close(
    State(app): State<App>,
    Path(case_id): Path<Uuid>,
    Json(CaseCloseRequest { staff, why }): Json<CaseCloseRequest>,
) -> Result<Json<SupplierCase>, ApiError> {
    check("/staff", &staff, STAFF_MAX)?;
    check("/why", &why, WHY_MAX)?;
    let mut conn = connection(&app).await?;
    let closed = store::close_case(&mut conn, case_id, &staff, &why).await;
    closed.map_err(|error| failed(&error))?;
    let case = store::case(&mut conn, case_id).await.map_err(|error| failed(&error))?;
    case.map(Json).ok_or_else(ApiError::not_found)
}

fn check(field: &str, text: &str, most: usize) -> Result<(), ApiError> {
    let fits = (1..=most).contains(&text.trim().chars().count()) && !text.contains('\0');
    let wrong = || FieldError::new(field, "invalid", format!("must have 1 to {most} characters"));
    if fits { Ok(()) } else { Err(ApiError::invalid(vec![wrong()])) }
}

async fn standing(app: &App, supplier: Supplier, now: DateTime<Utc>) -> Option<SupplierStanding> {
    let rules = app.gates.rules(supplier)?;
    let seen = app.gates.standing(supplier).await;
    let at = |ms: i64| at(&seen, now, ms);
    let quotas = seen.gate.allowances.iter().filter(|(_, told)| told.until > seen.now);
    let quotas = quotas.map(|(name, told)| QuotaStanding {
        path: (!name.is_empty()).then(|| name.clone()),
        left_percent: u32::try_from(told.left.saturating_mul(100) / told.of.max(1)).unwrap_or(0),
        until: at(told.until),
    });
    let free = seen.gate.level(rules, seen.now).max(0) / 1_000;
    Some(SupplierStanding {
        supplier,
        shared: seen.shared,
        breaker: breaker(&seen, &seen.gate.booking, rules, &at),
        search_breaker: Some(breaker(&seen, &seen.gate.searching, rules, &at)),
        calls_per_minute_max: u32::try_from(rules.limit).unwrap_or(u32::MAX),
        calls_free: u32::try_from(free).unwrap_or(u32::MAX),
        quotas: quotas.collect(),
    })
}

/// A supplier that is not asked for offers: its breaker of searches is not closed.
pub(super) struct NotSearched {
    pub(super) supplier: Supplier,
    pub(super) opened_at: DateTime<Utc>,
    /// When one search is let through.
    pub(super) probes_at: DateTime<Utc>,
}

pub(super) async fn not_searched(app: &App) -> Result<Vec<NotSearched>, StoreError> {
    let now = shop::now(app).await?;
    let mut found = Vec::new();
    for supplier in app.accounts.suppliers() {
        let seen = app.gates.standing(supplier).await;
        found.extend(seen.gate.searching.open.map(|(since, until)| NotSearched {
            supplier,
            opened_at: at(&seen, now, since),
            probes_at: at(&seen, now, until.max(seen.gate.searching.probe_until)),
        }));
    }
    Ok(found)
}

/// When something was or will be. Gates count milliseconds of a clock of their own.
fn at(seen: &Seen, now: DateTime<Utc>, ms: i64) -> DateTime<Utc> {
    now + TimeDelta::milliseconds(ms.saturating_sub(seen.now))
}

fn breaker(
    seen: &Seen,
    gate: &Breaker,
    rules: &Rules,
    at: &impl Fn(i64) -> DateTime<Utc>,
) -> BreakerStanding {
    let (began, calls, failed) = gate.window;
    let counts = seen.now.saturating_sub(began) < rules.window_ms || gate.open.is_some();
    let count = |n: i64| if counts { u32::try_from(n).unwrap_or(u32::MAX) } else { 0 };
    BreakerStanding {
        state: match gate.open {
            None => BreakerState::Closed,
            Some((_, until)) if seen.now < until => BreakerState::Open,
            Some(_) => BreakerState::HalfOpen,
        },
        opened_at: gate.open.map(|(since, _)| at(since)),
        probes_at: gate.open.map(|(_, until)| at(until.max(gate.probe_until))),
        calls: count(calls),
        failed: count(failed),
        reset: seen.reset.as_deref().and_then(|text| serde_json::from_str(text).ok()),
    }
}
