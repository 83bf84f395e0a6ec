//! Asks something of an account's booking, and shows the booking as it is then.

use axum::response::{IntoResponse as _, Response};
use booking_core::{Booking, Command, next_actions_at};
use chassis::{ApiError, http::Json};
use contracts::ids::{AccountId, BookingId};
use http::StatusCode;
use messaging::StoreError;
use serde_json::json;

use super::{
    bookings::busy,
    people::{self, LegParty},
    reader, refused, store_failed, views,
};
use crate::{
    App,
    handle::{self, Cause, Input, Unhandled},
    store,
};

const CONFLICTS_MAX: usize = 5;

/// Reads an account's booking; another account's is as if it did not exist.
pub(super) async fn booking_of(
    app: &App,
    account: &AccountId,
    booking_id: BookingId,
) -> Result<Booking, ApiError> {
    let mut conn = reader(app).await?;
    let found = store::load_for_account(&mut conn, account, booking_id).await;
    found.map_err(store_failed)?.ok_or_else(ApiError::not_found)
}

/// Does what is asked, to its end even when the customer hangs up.
pub(super) async fn ask(
    app: &App,
    account: AccountId,
    booking_id: BookingId,
    command: Command,
) -> Result<Response, ApiError> {
    ask_for(app, account, booking_id, command, None).await
}

/// The same, and keeps who is on a leg of it.
pub(super) async fn ask_for(
    app: &App,
    account: AccountId,
    booking_id: BookingId,
    command: Command,
    named: Option<LegParty>,
) -> Result<Response, ApiError> {
    booking_of(app, &account, booking_id).await?;
    let cause = Cause {
        source: "request",
        actor: account.to_string(),
        id: None,
        span: tracing::Span::current(),
    };
    let task = app.clone();
    let done = app.process.tasks.to_the_end("ask", async move {
        ask_now(&task, booking_id, &cause, &command, named.as_ref()).await
    });
    let done = done.await.unwrap_or_else(|| Err(ApiError::internal_logged()));
    let booking = booking_of(app, &account, booking_id).await?;
    done.map_err(|error| instead(app, &booking, error))?;
    let shown = Json(views::booking(app, &booking).await);
    Ok((StatusCode::ACCEPTED, shown).into_response())
}

/// Beside a "no", what the booking allows now.
pub(super) fn instead(app: &App, booking: &Booking, error: ApiError) -> ApiError {
    if error.status != StatusCode::CONFLICT {
        return error;
    }
    let allowed = next_actions_at(booking, app.clock.now());
    error.with("next_actions", json!(allowed))
}

/// Does it once, however often somebody else changes the booking first.
pub(super) async fn ask_now(
    app: &App,
    booking_id: BookingId,
    cause: &Cause,
    command: &Command,
    named: Option<&LegParty>,
) -> Result<(), ApiError> {
    for _ in 0..CONFLICTS_MAX {
        let mut tx = app.messaging.begin().await.map_err(store_failed)?;
        let now = app.clock.now();
        let inputs = vec![(booking_id.0, Input::Command(command.clone()), cause.clone())];
        match handle::handle(app, &mut tx, inputs, now).await {
            Ok(answers) => match answers.into_iter().find_map(Result::err) {
                Some(Unhandled::Refused(refusal)) => return Err(refused(&refusal)),
                // It was told of where it was found.
                Some(Unhandled::Unreadable(_)) => return Err(ApiError::internal_logged()),
                None => {
                    if let Some(named) = named {
                        people::keep(app, tx.conn(), booking_id, named).await?;
                    }
                    return tx.commit().await.map_err(store_failed);
                }
            },
            Err(StoreError::Conflict) => {}
            Err(error) if store::is_lock_wait(&error) => return Err(busy()),
            Err(error) => return Err(store_failed(error)),
        }
    }
    Err(busy())
}
