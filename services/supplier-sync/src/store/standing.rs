//! What a person would call the state of a booking's legs, for previews.

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
