//! How legs are wanted: in a person's words, for previews, and whether one is given up by now.

use contracts::ids::LegId;
use messaging::{StoreError, database};
use sqlx::PgConnection;
use uuid::Uuid;

/// What each leg of a booking is wanted as, and what was last told of it.
pub(crate) async fn standing(
    conn: &mut PgConnection,
    booking_id: Uuid,
) -> Result<Option<String>, StoreError> {
    sqlx::query_scalar(
        "select string_agg('wanted ' || (state ->> 'wanted') || ', told '
                           || coalesce(state #>> '{told,state,is}', 'nothing'),
                           '; ' order by leg_id)
           from leg where booking_id = $1",
    )
    .bind(booking_id)
    .fetch_one(conn)
    .await
    .map_err(database("reading the state of a booking's legs"))
}

/// Whether a leg is wanted no more.
pub(crate) async fn is_released(
    conn: &mut PgConnection,
    leg_id: LegId,
) -> Result<bool, StoreError> {
    sqlx::query_scalar("select state ->> 'wanted' = 'released' from leg where leg_id = $1")
        .bind(leg_id.0)
        .fetch_one(conn)
        .await
        .map_err(database("reading how a leg is wanted"))
}
