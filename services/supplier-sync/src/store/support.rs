//! What support reads: the journals of a booking's legs, and whose a reference is.

use chrono::{DateTime, Utc};
use contracts::{ids::BookingId, internal::Found};
use messaging::{StoreError, database};
use sqlx::PgConnection;
use supplier_sync_core::Leg;
use uuid::Uuid;

use super::corrupt;

/// As much as one answer tells.
const ENTRIES_MAX: i64 = 1_000;
const FOUND_MAX: i64 = 50;

/// One entry of a leg's journal, as it is kept.
#[derive(sqlx::FromRow)]
pub(crate) struct Told {
    pub(crate) leg_id: Uuid,
    pub(crate) supplier: String,
    pub(crate) at: DateTime<Utc>,
    pub(crate) event: String,
    pub(crate) source: String,
    pub(crate) cause_id: Option<Uuid>,
    pub(crate) trace_id: Option<String>,
}

/// One exchange, without what was sent and answered.
#[derive(sqlx::FromRow)]
pub(crate) struct Exchanged {
    pub(crate) leg_id: Uuid,
    pub(crate) number: i32,
    pub(crate) supplier: String,
    pub(crate) operation: String,
    pub(crate) client_reference: String,
    pub(crate) status: Option<i32>,
    pub(crate) outcome: String,
    pub(crate) detail: Option<String>,
    pub(crate) began_at: DateTime<Utc>,
    pub(crate) took_ms: i32,
}

/// The newest entries of the journals of a booking's legs.
pub(crate) async fn journal_of(
    conn: &mut PgConnection,
    booking_id: BookingId,
) -> Result<Vec<Told>, StoreError> {
    sqlx::query_as(
        "select e.leg_id, l.supplier, e.at, e.event::text as event, e.source, e.cause_id, e.trace_id
           from leg l join leg_event e using (leg_id)
          where l.booking_id = $1
          order by e.at desc, e.version desc limit $2",
    )
    .bind(booking_id.0)
    .bind(ENTRIES_MAX)
    .fetch_all(conn)
    .await
    .map_err(database("reading the journals of a booking"))
}

/// The newest exchanges of a booking's legs.
pub(crate) async fn exchanges_of(
    conn: &mut PgConnection,
    booking_id: BookingId,
) -> Result<Vec<Exchanged>, StoreError> {
    sqlx::query_as(
        "select x.leg_id, x.number, x.supplier, x.operation, x.client_reference, x.status,
                x.outcome, x.detail, x.began_at, x.took_ms
           from leg l join exchange x using (leg_id)
          where l.booking_id = $1
          order by x.began_at desc, x.number desc limit $2",
    )
    .bind(booking_id.0)
    .bind(ENTRIES_MAX)
    .fetch_all(conn)
    .await
    .map_err(database("reading the exchanges of a booking"))
}

/// The bookings that are known under `key`.
pub(crate) async fn find(conn: &mut PgConnection, key: &str) -> Result<Vec<Found>, StoreError> {
    let rows: Vec<(Uuid, String)> = sqlx::query_as(
        "select booking_id, 'booking' from leg where booking_id = $2
         union select booking_id, 'leg' from leg where leg_id = $2
         union select l.booking_id, 'client_reference'
                 from attempt a join leg l using (leg_id) where a.client_reference = $1
         union select l.booking_id, 'supplier_reference'
                 from reservation r join leg l using (leg_id) where r.reference = $1
         union select l.booking_id, 'callback'
                 from leg_event e join leg l using (leg_id)
                where e.callback_id = $2
         union select l.booking_id, 'message'
                 from leg_event e join leg l using (leg_id)
                where e.cause_id = $2
         order by 1, 2 limit $3",
    )
    .bind(key)
    .bind(key.parse::<Uuid>().ok())
    .bind(FOUND_MAX)
    .fetch_all(conn)
    .await
    .map_err(database("finding a booking"))?;
    Ok(rows.into_iter().map(|(id, by)| Found { booking_id: BookingId(id), by }).collect())
}

/// The legs of a booking, in the order of their ids.
pub(crate) async fn legs_of_booking(
    conn: &mut PgConnection,
    booking_id: BookingId,
) -> Result<Vec<Leg>, StoreError> {
    let rows: Vec<(Uuid, String)> =
        sqlx::query_as("select leg_id, state::text from leg where booking_id = $1 order by leg_id")
            .bind(booking_id.0)
            .fetch_all(conn)
            .await
            .map_err(database("reading the legs of a booking"))?;
    let leg = |(id, state): (Uuid, String)| {
        serde_json::from_str(&state).map_err(|error| corrupt("leg", &id, error))
    };
    rows.into_iter().map(leg).collect()
}
