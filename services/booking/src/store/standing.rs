//! What a person would call the state of a booking, for previews.

use messaging::{StoreError, database};
use sqlx::PgConnection;
use uuid::Uuid;

/// The phase of a booking; none when there is no such booking.
pub(crate) async fn standing(
    conn: &mut PgConnection,
    booking_id: Uuid,
) -> Result<Option<String>, StoreError> {
    sqlx::query_scalar("select phase from booking where booking_id = $1")
        .bind(booking_id)
        .fetch_optional(conn)
        .await
        .map_err(database("reading a booking's phase"))
}
