//! Repairs of legs that do not go on: only what their owner says is safe, and the audit has each.

use axum::extract::State;
use chassis::{
    ApiError,
    auth::Bearer,
    http::{Json, Path},
};
use contracts::{
    ids::{BookingId, LegId},
    internal::{LegAct, LegActRequest, LegStanding, LegsReply},
};
use http::StatusCode;
use serde::Deserialize;

use super::{
    APPROVER, OPERATOR,
    acting::{self, Actor, Attempt},
    elsewhere::{self, Told},
    in_a_column, may_look,
};
use crate::App;

const OWNER: &str = "supplier-sync";

/// What is done about a leg, and why.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wanted {
    #[serde(deserialize_with = "acting::reason")]
    pub(crate) reason: String,
    /// What the supplier said, when and to whom.
    pub(crate) evidence: Option<String>,
    pub(crate) act: LegAct,
}

/// How the legs of a booking stand, and what is safe; none when their owner does not say.
pub(crate) async fn standing(app: &App, booking_id: BookingId) -> Option<LegsReply> {
    let path = format!("/internal/bookings/{booking_id}/legs");
    app.owners.one(OWNER, &path).await?.ok()
}

/// The legs of a booking, each with its attempts and what is safe.
pub(crate) async fn list(
    State(app): State<App>,
    Bearer(claims): Bearer,
    Path(booking_id): Path<BookingId>,
) -> Result<Json<LegsReply>, ApiError> {
    may_look(&claims)?;
    standing(&app, booking_id).await.map(Json).ok_or_else(|| elsewhere::silent(OWNER))
}

/// The word for an act in the audit, and the least role that may do it.
pub(crate) const fn act_of(act: &LegAct) -> (&'static str, &'static str) {
    match act {
        LegAct::LookUp {} => ("look_up", OPERATOR),
        LegAct::Cancel { .. } => ("cancel_at_supplier", OPERATOR),
        LegAct::Adopt { .. } => ("adopt", APPROVER),
        LegAct::DeclareAbsent { .. } => ("declare_absent", APPROVER),
    }
}

/// Does it, if the leg's owner finds it safe. 202: what comes of it is in the timeline.
pub(crate) async fn act(
    State(app): State<App>,
    actor: Actor,
    Path((booking_id, leg_id)): Path<(BookingId, LegId)>,
    body: Result<Json<Wanted>, ApiError>,
) -> Result<(StatusCode, Json<LegStanding>), ApiError> {
    let wanted = match body {
        Ok(Json(wanted)) => wanted,
        Err(error) => {
            // Nobody learns from a mistake in the body what their role would have allowed.
            drop(Attempt::permit(&app, actor, "leg_act", None, OPERATOR).await?);
            return Err(error);
        }
    };
    let (name, role) = act_of(&wanted.act);
    let attempt = Attempt::permit_about(&app, actor, name, booking_id.into(), role).await?;
    let attempt = attempt.because(&wanted.reason)?;
    in_a_column("/evidence", wanted.evidence.as_deref())?;
    let request = LegActRequest {
        staff: attempt.actor_name().to_owned(),
        why: wanted.reason,
        evidence: wanted.evidence.filter(|text| !text.trim().is_empty()),
        act: wanted.act,
    };
    // The act is recorded under the booking that the caller named: it must be the leg's.
    let Some(booking) = standing(&app, booking_id).await else {
        return Err(attempt.refused(elsewhere::silent(OWNER)).await);
    };
    if !booking.legs.iter().any(|leg| leg.leg_id == leg_id) {
        return Err(attempt.refused(ApiError::not_found()).await);
    }
    let told = Told { owner: OWNER, path: format!("/internal/legs/{leg_id}/acts"), body: request };
    let standing = elsewhere::tell(&app, attempt, told).await?;
    Ok((StatusCode::ACCEPTED, Json(standing)))
}
