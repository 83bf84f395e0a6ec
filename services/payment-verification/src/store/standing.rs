//! What a person would call the state of a booking's payments, for previews.

use messaging::{StoreError, database};
use sqlx::PgConnection;
use uuid::Uuid;

/// Whether each payment of a booking is asked for, settled, closed, and how many refunds it has.
pub(crate) async fn standing(
    conn: &mut PgConnection,
    booking_id: Uuid,
) -> Result<Option<String>, StoreError> {
    sqlx::query_scalar(
        "select string_agg(
                  concat_ws(', ',
                    case when state ->> 'request' is null then 'never asked for'
                         else 'asked for' end,
                    case when (state ->> 'settled')::boolean then 'settled' end,
                    case when state ->> 'closing' is not null then 'closed' end,
                    (select count(*) || ' refunds' from json_object_keys(state -> 'refunds')
                     having count(*) > 0)),
                  '; ' order by payment_id)
           from payment where booking_id = $1",
    )
    .bind(booking_id)
    .fetch_one(conn)
    .await
    .map_err(database("reading the state of a booking's payments"))
}
