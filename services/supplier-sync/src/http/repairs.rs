//! What staff may do about legs: how each stands, what is safe, and the acts themselves.

use axum::{extract::State, http::StatusCode};
use chassis::{
    ApiError, FieldError,
    http::{Json, Path},
};
use chrono::{DateTime, Utc};
use contracts::{
    ids::{BookingId, LegId},
    internal::{
        AttemptKnown, AttemptStanding, LegActRequest, LegStanding, LegsReply, ReservationStage,
        ReservationStanding, Versions,
    },
    messages::LegState,
};
use messaging::StoreError;
use serde_json::json;
use supplier_sync_core::{
    Act, Attempt, Blind, Command, Leg, Policy, Refusal, Reservation, Stage, safe_acts,
};

use super::support::{CONFLICTS_MAX, STAFF_MAX, connection, failed};
use crate::{
    App,
    handle::{self, Cause, Input, Work, feed},
    store,
};

const WHY_MAX: usize = 500;
const EVIDENCE_MAX: usize = 2_000;

/// How the legs of a booking stand.
pub(super) async fn legs(
    State(app): State<App>,
    Path(booking_id): Path<BookingId>,
) -> Result<Json<LegsReply>, ApiError> {
    let mut conn = connection(&app).await?;
    let legs = store::legs_of_booking(&mut conn, booking_id).await.map_err(|e| failed(&e))?;
    let now = store::now(&mut conn).await.map_err(|e| failed(&e))?;
    let legs = legs.iter().filter_map(|leg| standing_of(&app, leg, now)).collect();
    Ok(Json(LegsReply { legs }))
}

/// Does one thing about a leg, if it is safe.
pub(super) async fn act(
    State(app): State<App>,
    Path(leg_id): Path<LegId>,
    Json(asked): Json<LegActRequest>,
) -> Result<(StatusCode, Json<LegStanding>), ApiError> {
    check(&asked)?;
    let LegActRequest { staff, why, evidence, act } = asked;
    let act = Act { by: staff, why, evidence, act };
    let mut conflicts = 0;
    let done = loop {
        match once(&app, leg_id, &act).await {
            Err(StoreError::Conflict) if conflicts < CONFLICTS_MAX => conflicts += 1,
            done => break done.map_err(|error| failed(&error))?,
        }
    };
    match done {
        Ok(leg) => Ok((StatusCode::ACCEPTED, Json(leg))),
        Err(Refusal::EvidenceNeeded) => {
            let detail = "say what the supplier said, when, and to whom";
            Err(ApiError::invalid(vec![FieldError::new("/evidence", "missing", detail)]))
        }
        Err(Refusal::NotSafe { safe }) => {
            let detail = "it is not safe as things stand at the supplier";
            Err(ApiError::conflict("not_safe_now", detail).with("safe", json!(safe)))
        }
        Err(Refusal::Unknown | Refusal::OtherBooking | Refusal::OtherSupplier) => {
            Err(ApiError::not_found())
        }
    }
}

fn check(asked: &LegActRequest) -> Result<(), ApiError> {
    let fits = |text: &str, most: usize| {
        (1..=most).contains(&text.trim().chars().count()) && !text.contains('\0')
    };
    let fields = [
        ("/staff", Some(&asked.staff), STAFF_MAX),
        ("/why", Some(&asked.why), WHY_MAX),
        ("/evidence", asked.evidence.as_ref(), EVIDENCE_MAX),
    ];
    let wrong = fields.iter().filter(|(_, text, most)| text.is_some_and(|text| !fits(text, *most)));
    let wrong: Vec<_> = wrong
        .map(|(field, _, most)| {
            FieldError::new(*field, "invalid", format!("must have 1 to {most} characters"))
        })
        .collect();
    if wrong.is_empty() { Ok(()) } else { Err(ApiError::invalid(wrong)) }
}

/// Decides, writes what follows and begins it; the leg as it stands then.
async fn once(
    app: &App,
    leg_id: LegId,
    act: &Act,
) -> Result<Result<LegStanding, Refusal>, StoreError> {
    let mut tx = app.messaging.begin().await?;
    let now = store::now(tx.conn()).await?;
    let found = store::load_for_update(tx.conn(), &[leg_id.0]).await?.pop();
    let Some(before) = found.map(|(leg, _)| leg.version) else { return Ok(Err(Refusal::Unknown)) };
    let cause = Cause { source: "staff", id: None, span: tracing::Span::current() };
    let input = Input::Command(Command::Act(act.clone()));
    let fed = feed(app, &mut tx, vec![Work { leg_id, input, cause }], Vec::new(), now).await?;
    if let Some(Err(refusal)) = fed.answers.into_iter().next() {
        return Ok(Err(refusal));
    }
    let after = store::load_for_update(tx.conn(), &[leg_id.0]).await?.pop();
    tx.commit().await?;
    handle::committed(app, fed.follows);
    let standing = after.and_then(|(leg, _)| {
        let versions = Some(Versions { before, after: leg.version });
        Some(LegStanding { versions, ..standing_of(app, &leg, now)? })
    });
    Ok(standing.ok_or(Refusal::Unknown))
}

/// Nothing for a supplier that this version does not know the rules of.
fn standing_of(app: &App, leg: &Leg, now: DateTime<Utc>) -> Option<LegStanding> {
    let policy = app.rules.get(&leg.order.supplier)?;
    let told = leg.told.as_ref();
    Some(LegStanding {
        leg_id: leg.leg_id,
        supplier: leg.order.supplier,
        wanted: leg.wanted,
        told: told.map(|told| told.state.clone()),
        undo_failing: told.and_then(|told| told.undo_failing),
        in_doubt_since: match told.map(|told| &told.state) {
            Some(LegState::InDoubt { since }) => Some(*since),
            _ => leg.in_doubt_since(policy),
        },
        attempts: leg.attempts.iter().map(|attempt| attempt_of(leg, attempt, policy)).collect(),
        safe: safe_acts(leg, policy, now),
        versions: None,
    })
}

fn attempt_of(leg: &Leg, attempt: &Attempt, policy: &Policy) -> AttemptStanding {
    let chosen = leg.chosen(policy).map(|(_, reference, _)| reference);
    let known = match attempt.blind {
        _ if !attempt.reservations.is_empty() => AttemptKnown::Named,
        _ if attempt.proven_dead => AttemptKnown::Dead,
        Blind::NotSent => AttemptKnown::NotSent,
        Blind::Unknown => AttemptKnown::Unknown,
        Blind::NotFound { .. } => AttemptKnown::NotFound,
        Blind::Refused { .. } => AttemptKnown::Refused,
    };
    let each = attempt.reservations.iter();
    AttemptStanding {
        attempt: attempt.number,
        client_reference: attempt.client_reference.clone(),
        known,
        sent_until: attempt.sent_until,
        looked_at: attempt.looks.last_at,
        reservations: each
            .map(|(reference, one)| {
                reservation_of(leg, reference, one, chosen == Some(reference.as_str()))
            })
            .collect(),
    }
}

fn reservation_of(
    leg: &Leg,
    reference: &str,
    reservation: &Reservation,
    chosen: bool,
) -> ReservationStanding {
    let content = reservation.content.as_ref();
    ReservationStanding {
        reference: reference.to_owned(),
        stage: match reservation.stage {
            Stage::Listed => ReservationStage::Listed,
            Stage::Held => ReservationStage::Held,
            Stage::Confirmed => ReservationStage::Confirmed,
            Stage::Gone { .. } => ReservationStage::Gone,
        },
        chosen,
        differs: content.is_some_and(|content| content.differs_from(&leg.order)),
        adopted: reservation.is_adopted(),
        check_in: content.and_then(|content| content.check_in),
        check_out: content.and_then(|content| content.check_out),
        price: content.and_then(|content| content.price),
        read_at: reservation.read_asked_at,
        missing_since: reservation.missing.map(|missing| missing.first_asked_at),
        undo_tries: reservation.undo.map_or(0, |undo| undo.tries),
    }
}
