//! Bookings that wait for a person: why, since when, whose they are, and what is safe to do.

use axum::extract::State;
use booking_core::{Booking, Command, Settle, StuckStep, safe_acts};
use chassis::{
    ApiError, FieldError,
    http::{Json, Path},
};
use chrono::{DateTime, Utc};
use contracts::{
    ids::BookingId,
    internal::{OpenReview, ReviewAct, ReviewActRequest, ReviewReply, StuckStanding, Versions},
};

use super::{acts, reader, store_failed};
use crate::{App, handle::Cause, store};

const NAME_MAX: usize = 200;
const WHY_MAX: usize = 500;

/// How a booking's review stands.
pub(super) async fn show(
    State(app): State<App>,
    Path(booking_id): Path<BookingId>,
) -> Result<Json<ReviewReply>, ApiError> {
    let booking = load(&app, booking_id).await?;
    Ok(Json(reply(&booking, app.clock.now())))
}

/// Takes a review, leaves it to others, or settles a leg of it.
pub(super) async fn act(
    State(app): State<App>,
    Path(booking_id): Path<BookingId>,
    Json(asked): Json<ReviewActRequest>,
) -> Result<Json<ReviewReply>, ApiError> {
    let fits = |text: &str, most: usize| {
        (1..=most).contains(&text.trim().chars().count()) && !text.contains('\0')
    };
    let fields = [("/staff", &asked.staff, NAME_MAX), ("/why", &asked.why, WHY_MAX)];
    let wrong = fields.iter().filter(|(_, text, most)| !fits(text, *most));
    let wrong: Vec<_> = wrong
        .map(|(field, _, most)| {
            FieldError::new(*field, "invalid", format!("must have 1 to {most} characters"))
        })
        .collect();
    if !wrong.is_empty() {
        return Err(ApiError::invalid(wrong));
    }
    let ReviewActRequest { staff, why, act, leg_id } = asked;
    let how = match act {
        ReviewAct::Take | ReviewAct::Release => None,
        ReviewAct::LeaveLeg => Some(Settle::LeaveThere),
        ReviewAct::GiveBackLeg => Some(Settle::GiveBack),
    };
    if how.is_some() != leg_id.is_some() {
        let detail = "names the leg that the act is about, if it is about one";
        return Err(ApiError::invalid(vec![FieldError::new("/leg_id", "invalid", detail)]));
    }
    let actor = format!("staff:{staff}");
    let cause = Cause { source: "staff", actor, id: None, span: tracing::Span::current() };
    let command = match how.zip(leg_id) {
        None => Command::Review { act, by: staff, why },
        Some((how, leg_id)) => Command::SettleLeg { leg_id, how, by: staff, why },
    };
    let before = load(&app, booking_id).await?.version;
    acts::ask_now(&app, booking_id, &cause, &command, None).await?;
    let booking = load(&app, booking_id).await?;
    let versions = Some(Versions { before, after: booking.version });
    Ok(Json(ReviewReply { versions, ..reply(&booking, app.clock.now()) }))
}

async fn load(app: &App, booking_id: BookingId) -> Result<Booking, ApiError> {
    let mut conn = reader(app).await?;
    let found = store::load(&mut conn, booking_id).await.map_err(store_failed)?;
    found.ok_or_else(ApiError::not_found)
}

fn reply(booking: &Booking, now: DateTime<Utc>) -> ReviewReply {
    let review = booking.review.map(|review| {
        let reviewer = booking.reviewer.as_ref();
        OpenReview {
            booking_id: booking.booking_id,
            why: word(&review.why),
            stuck: review.stuck.map(|stuck| StuckStanding {
                step: step(&stuck.step).to_owned(),
                reason: word(&stuck.reason),
                attempts: stuck.attempts,
                leg_id: match stuck.step {
                    StuckStep::ReleaseLeg { leg_id } => Some(leg_id),
                    _ => None,
                },
                refund_id: match stuck.step {
                    StuckStep::SendRefund { refund_id } => Some(refund_id),
                    _ => None,
                },
            }),
            since: review.since,
            by: review.by,
            owner: reviewer.map(|reviewer| reviewer.name.clone()),
            owned_since: reviewer.map(|reviewer| reviewer.since),
        }
    });
    ReviewReply { review, safe: safe_acts(booking, now), versions: None }
}

/// The word that the journal has for it.
fn word(value: &impl serde::Serialize) -> String {
    let value = serde_json::to_value(value).unwrap_or_default();
    value.as_str().unwrap_or_default().to_owned()
}

const fn step(step: &StuckStep) -> &'static str {
    match step {
        StuckStep::ReleaseLeg { .. } => "release_leg",
        StuckStep::ReleasePoints => "release_points",
        StuckStep::ClosePayment => "close_payment",
        StuckStep::SettleMoney => "settle_money",
        StuckStep::SendRefund { .. } => "send_refund",
    }
}
