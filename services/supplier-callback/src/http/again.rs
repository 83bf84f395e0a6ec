//! A stored callback taken again: said once more, as it is read today, so that whoever hears of it
//! looks again. Nothing is stored anew.

use axum::{extract::State, http::StatusCode};
use chassis::{
    ApiError, fields,
    http::{Json, Path},
    mint,
};
use contracts::{
    ids::{CallbackId, MessageId},
    internal::LookUpRequest,
    supplier::Supplier,
};
use messaging::{Outgoing, StoreError};
use suppliers::{Callback, Covers};

use super::support::failed;
use crate::{
    App,
    store::{self, Received},
    taking::verify,
};

/// No name of a member of staff is longer.
const STAFF_MAX: usize = 200;

/// Says a callback once more. 202, or 404 where there is none.
pub(super) async fn take(
    State(app): State<App>,
    Path(id): Path<CallbackId>,
    Json(LookUpRequest { staff }): Json<LookUpRequest>,
) -> Result<StatusCode, ApiError> {
    if staff.is_empty() || staff.chars().count() > STAFF_MAX {
        return Err(ApiError::unprocessable("bad_staff", "say who asks"));
    }
    let supplier = say(&app, id, &staff).await.map_err(|error| failed(&error))?;
    let supplier = supplier.ok_or_else(ApiError::not_found)?;
    tracing::info!({ fields::SUPPLIER } = %supplier, staff, "a callback is taken again");
    Ok(StatusCode::ACCEPTED)
}

async fn say(app: &App, id: CallbackId, staff: &str) -> Result<Option<Supplier>, StoreError> {
    let mut tx = app.messaging.begin().await?;
    let Some(known) = store::load(tx.conn(), id).await? else { return Ok(None) };
    let Ok(supplier) = known.supplier.parse::<Supplier>() else { return Ok(None) };
    let raw = store::open(tx.conn(), &app.sealer, id).await?;
    let age_max = app.policy.of(supplier).callback_age_max;
    // It was believed then; a secret that is not ours any more takes back nothing.
    let callback = verify(app, supplier, &raw, known.received_at, age_max);
    let callback = callback.unwrap_or_else(|_unsigned| as_stored(&known));
    let now = store::now(tx.conn()).await?;
    let message = store::said(id, supplier, &callback, known.received_at);
    let message_id = MessageId(mint::uuid7());
    store::note_said(tx.conn(), now, &[(message_id, id)], Some(staff)).await?;
    tx.say(Outgoing::new(message_id, now, &message));
    tx.commit().await?;
    Ok(Some(supplier))
}

/// What was read of it when it came. It claims nothing, so it is looked into whatever is known.
fn as_stored(known: &Received) -> Callback {
    Callback {
        id: known.external_id.clone(),
        client_reference: known.client_reference.clone(),
        reference: known.reference.clone(),
        event: known.event.clone(),
        claim: None,
        covers: Covers::Sender,
    }
}
