//! Whether what a call would buy is still wanted when its turn comes.

use contracts::ids::LegId;
use messaging::{StoreError, database};
use supplier_sync_core::{Call, Doing};

use crate::{App, store};

/// Whether a call may still be made: what buys is made only while its leg is wanted.
///
/// It may have waited for a place, or for who travels, for as long as its lease allows, and what is
/// bought may cost everything to give back. Where the database does not say, it is not made either:
/// the same may be sent later. A hold costs nothing to give back, and is not asked about.
pub(super) async fn stands(app: &App, call: &Call) -> bool {
    if !matches!(call.doing, Doing::Reserve { hold: false } | Doing::Confirm) {
        return true;
    }
    match is_released(app, call.leg_id).await {
        Ok(released) => !released,
        Err(error) => {
            tracing::warn!(
                error = %chassis::chain(&error), leg.id = %call.leg_id,
                "whether a leg is still wanted could not be read; nothing is bought for it now"
            );
            false
        }
    }
}

async fn is_released(app: &App, leg_id: LegId) -> Result<bool, StoreError> {
    let taken = app.messaging.pool().acquire().await;
    let mut conn = taken.map_err(database("taking a connection"))?;
    store::is_released(&mut conn, leg_id).await
}
