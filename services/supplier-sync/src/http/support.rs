//! What support asks: what happened to a booking's legs, whose a reference is, and a look-up now.

use std::collections::{BTreeMap, BTreeSet};

use axum::{extract::State, http::StatusCode};
use chassis::{
    ApiError,
    http::{Json, Path, Query},
};
use contracts::{
    ids::{BookingId, CallbackId, LegId},
    internal::{
        AttentionItem, AttentionKind, AttentionReply, FindReply, FoundCallback, LookUpReply,
        LookUpRequest, ReferencesReply, SupplierReferences, TimelineReply,
    },
    supplier::Supplier,
};
use messaging::{StoreError, database};
use serde::Deserialize;
use sqlx::{Postgres, pool::PoolConnection};
use supplier_sync_core::{Fact, Leg};

use super::{
    suppliers::{self, NotSearched},
    timeline::entries,
};
use crate::{
    App, ROLE,
    handle::{self, Cause, Input, Work, feed},
    store::{self, NotCompared, Unjoined},
};

/// The most that one answer tells.
const ENTRIES_MAX: usize = 1_000;
const IN_DOUBT_MAX: i64 = 200;
const CALLBACKS_MAX: i64 = 50;
/// No name of a member of staff is longer.
pub(super) const STAFF_MAX: usize = 200;
/// How often a request is tried again after somebody else changed the leg first.
pub(super) const CONFLICTS_MAX: usize = 5;

pub(super) async fn timeline(
    State(app): State<App>,
    Path(booking_id): Path<BookingId>,
) -> Result<Json<TimelineReply>, ApiError> {
    let mut conn = connection(&app).await?;
    let journal = store::journal_of(&mut conn, booking_id).await.map_err(|e| failed(&e))?;
    let exchanges = store::exchanges_of(&mut conn, booking_id).await.map_err(|e| failed(&e))?;
    let checks = store::price_checks_of(&mut conn, booking_id).await.map_err(|e| failed(&e))?;
    let entries = entries(&journal, &exchanges, &checks, ENTRIES_MAX);
    Ok(Json(TimelineReply { owner: ROLE.to_owned(), entries }))
}

/// What is searched for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Key {
    key: String,
}

pub(super) async fn find(
    State(app): State<App>,
    Query(Key { key }): Query<Key>,
) -> Result<Json<FindReply>, ApiError> {
    let mut conn = connection(&app).await?;
    let found = store::find(&mut conn, &key).await.map_err(|e| failed(&e))?;
    let waiting = store::unjoined_named(&mut conn, &key, CALLBACKS_MAX).await;
    let callbacks = waiting.map_err(|e| failed(&e))?.into_iter().map(|waits| FoundCallback {
        callback_id: CallbackId(waits.callback_id),
        supplier: waits.supplier,
        received_at: waits.received_at,
    });
    Ok(Json(FindReply { found, callbacks: callbacks.collect() }))
}

/// Legs of which nobody knows how they stand, then callbacks about nothing that is known, suppliers
/// whose lists were not compared with ours, and those that are out of sale.
pub(super) async fn attention(State(app): State<App>) -> Result<Json<AttentionReply>, ApiError> {
    let mut conn = connection(&app).await?;
    let found = store::in_doubt(&mut conn, IN_DOUBT_MAX + 1).await.map_err(|e| failed(&e))?;
    let callbacks = store::unjoined(&mut conn, CALLBACKS_MAX).await.map_err(|e| failed(&e))?;
    let uncompared = store::not_compared(&mut conn).await.map_err(|e| failed(&e))?;
    let most = usize::try_from(IN_DOUBT_MAX).unwrap_or(usize::MAX);
    let more = found.len() > most;
    let mut counts = BTreeMap::new();
    if more {
        let count = store::count_in_doubt(&mut conn).await.map_err(|e| failed(&e))?;
        counts.insert(AttentionKind::UnknownOutcome, count);
    }
    let items = found.into_iter().take(most).map(|leg| AttentionItem {
        kind: AttentionKind::UnknownOutcome,
        booking_id: Some(BookingId(leg.booking_id)),
        what: format!(
            "what {} has of it is not known, or not as ordered; it is looked up",
            leg.supplier
        ),
        since: leg.doubt_since,
        by: leg.wake_at,
    });
    let items = items.chain(callbacks.into_iter().map(about_nothing));
    let items = items.chain(uncompared.into_iter().map(not_compared));
    drop(conn);
    let unasked = suppliers::not_searched(&app).await.map_err(|e| failed(&e))?;
    let items = items.chain(unasked.into_iter().map(out_of_sale)).collect();
    Ok(Json(AttentionReply { owner: ROLE.to_owned(), items, more, counts }))
}

fn about_nothing(callback: Unjoined) -> AttentionItem {
    let Unjoined { callback_id, supplier, client_reference, reference, received_at } = callback;
    let names: Vec<String> = client_reference.into_iter().chain(reference).collect();
    let names = if names.is_empty() { "nothing".to_owned() } else { names.join(" and ") };
    AttentionItem {
        kind: AttentionKind::Callback,
        booking_id: None,
        what: format!("{supplier} pushed {callback_id}, which names {names}: no leg has that"),
        since: received_at,
        by: None,
    }
}

fn not_compared(list: NotCompared) -> AttentionItem {
    let NotCompared { supplier, begun_at, given_up } = list;
    let why = if given_up { "it could not be read" } else { "it is still being read" };
    AttentionItem {
        kind: AttentionKind::Overdue,
        booking_id: None,
        what: format!("{supplier}'s list of all it has of us is not compared with ours: {why}"),
        since: begun_at,
        by: None,
    }
}

fn out_of_sale(unasked: NotSearched) -> AttentionItem {
    let NotSearched { supplier, opened_at, probes_at } = unasked;
    AttentionItem {
        kind: AttentionKind::Overdue,
        booking_id: None,
        what: format!(
            "{supplier}'s searches failed too often and are not asked: it is out of sale until \
             one goes well"
        ),
        since: opened_at,
        by: Some(probes_at),
    }
}

pub(super) async fn references(
    State(app): State<App>,
    Path(booking_id): Path<BookingId>,
) -> Result<Json<ReferencesReply>, ApiError> {
    let mut conn = connection(&app).await?;
    let legs = store::legs_of_booking(&mut conn, booking_id).await.map_err(|e| failed(&e))?;
    Ok(Json(ReferencesReply { suppliers: known_as(&legs) }))
}

/// Under which references each supplier knows legs.
fn known_as(legs: &[Leg]) -> Vec<SupplierReferences> {
    let mut each: BTreeMap<Supplier, (BTreeSet<String>, BTreeSet<String>)> = BTreeMap::new();
    for leg in legs {
        let (ours, theirs) = each.entry(leg.order.supplier).or_default();
        ours.extend(leg.attempts.iter().map(|attempt| attempt.client_reference.clone()));
        theirs.extend(leg.reservations().map(|(_, reference, _)| reference.to_owned()));
    }
    let told = |(supplier, (ours, theirs)): (_, (BTreeSet<_>, BTreeSet<_>))| SupplierReferences {
        supplier,
        client_references: ours.into_iter().collect(),
        references: theirs.into_iter().collect(),
    };
    each.into_iter().map(told).collect()
}

/// Looks up every attempt of a leg that may have been sent. Why it was asked for is kept where it
/// was asked: in the console's audit.
pub(super) async fn look_up(
    State(app): State<App>,
    Path(leg_id): Path<LegId>,
    Json(LookUpRequest { staff }): Json<LookUpRequest>,
) -> Result<(StatusCode, Json<LookUpReply>), ApiError> {
    if staff.is_empty() || staff.chars().count() > STAFF_MAX {
        return Err(ApiError::unprocessable("bad_staff", "say who asks"));
    }
    let mut conflicts = 0;
    let asked = loop {
        match ask(&app, leg_id, &staff).await {
            Err(StoreError::Conflict) if conflicts < CONFLICTS_MAX => conflicts += 1,
            asked => break asked.map_err(|error| failed(&error))?,
        }
    };
    match asked {
        None => Err(ApiError::not_found()),
        Some(0) => Err(ApiError::conflict("nothing_sent", "nothing of this leg was ever sent")),
        Some(attempts) => Ok((StatusCode::ACCEPTED, Json(LookUpReply { attempts }))),
    }
}

/// How many attempts are looked up; nothing when there is no such leg.
async fn ask(app: &App, leg_id: LegId, staff: &str) -> Result<Option<u32>, StoreError> {
    let mut tx = app.messaging.begin().await?;
    let now = store::now(tx.conn()).await?;
    let Some((leg, _)) = store::load_for_update(tx.conn(), &[leg_id.0]).await?.pop() else {
        return Ok(None);
    };
    let sent = leg.attempts.iter().filter(|attempt| leg.may_have_sent(attempt)).count();
    let cause = Cause { source: "staff", id: None, span: tracing::Span::current() };
    let input = Input::Fact(Fact::LookAsked { by: staff.to_owned(), attempt: None });
    let fed = feed(app, &mut tx, vec![Work { leg_id, input, cause }], Vec::new(), now).await?;
    tx.commit().await?;
    handle::committed(app, fed.follows);
    Ok(Some(u32::try_from(sent).unwrap_or(u32::MAX)))
}

pub(super) async fn connection(app: &App) -> Result<PoolConnection<Postgres>, ApiError> {
    let taken = app.messaging.pool().acquire().await;
    taken.map_err(|error| failed(&database("taking a connection")(error)))
}

pub(super) fn failed(error: &StoreError) -> ApiError {
    ApiError::internal(error)
}
