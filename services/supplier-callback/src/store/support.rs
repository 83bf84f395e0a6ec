//! What support reads of the callbacks: everything but what is sealed.

use chrono::{DateTime, Utc};
use contracts::{ids::CallbackId, internal::SupplierReferences, supplier::Supplier};
use messaging::{StoreError, database};
use sqlx::PgConnection;
use uuid::Uuid;

/// As much as one answer tells.
const ENTRIES_MAX: i64 = 1_000;

/// A callback, without its sealed parts.
#[derive(sqlx::FromRow)]
pub(crate) struct Received {
    pub(crate) callback_id: Uuid,
    pub(crate) supplier: String,
    pub(crate) external_id: String,
    pub(crate) event: Option<String>,
    pub(crate) client_reference: Option<String>,
    pub(crate) reference: Option<String>,
    pub(crate) received_at: DateTime<Utc>,
    /// As which message it was said when it came.
    pub(crate) message_id: Option<Uuid>,
}

/// A callback by our id of it.
pub(crate) async fn load(
    conn: &mut PgConnection,
    id: CallbackId,
) -> Result<Option<Received>, StoreError> {
    sqlx::query_as(
        "select callback_id, supplier, external_id, event, client_reference, reference, received_at,
                null::uuid as message_id
           from callback where callback_id = $1",
    )
    .bind(id.0)
    .fetch_optional(conn)
    .await
    .map_err(database("reading a callback"))
}

/// The newest callbacks that name one of these references.
pub(crate) async fn about(
    conn: &mut PgConnection,
    references: &SupplierReferences,
) -> Result<Vec<Received>, StoreError> {
    sqlx::query_as(
        "select callback_id, supplier, external_id, event, client_reference, reference, received_at,
                (select s.message_id from callback_said as s
                  where s.callback_id = callback.callback_id order by s.at limit 1) as message_id
           from callback
          where supplier = $1 and (client_reference = any($2) or reference = any($3))
          order by received_at desc limit $4",
    )
    .bind(references.supplier.word())
    .bind(&references.client_references)
    .bind(&references.references)
    .bind(ENTRIES_MAX)
    .fetch_all(conn)
    .await
    .map_err(database("reading callbacks"))
}

/// The references that a callback names, by our id of it, by the supplier's, or by the id of a
/// message that it was said as.
pub(crate) async fn named_by(
    conn: &mut PgConnection,
    key: &str,
) -> Result<Vec<String>, StoreError> {
    let suppliers: Vec<&str> = Supplier::ALL.into_iter().map(Supplier::word).collect();
    let rows: Vec<(Option<String>, Option<String>)> = sqlx::query_as(
        "select client_reference, reference from callback where callback_id = $1
          union
         select client_reference, reference from callback
          where supplier = any($2) and external_id = $3
          union
         select client_reference, reference from callback join callback_said using (callback_id)
          where message_id = $1",
    )
    .bind(key.parse::<Uuid>().ok())
    .bind(suppliers)
    .bind(key)
    .fetch_all(conn)
    .await
    .map_err(database("finding a callback"))?;
    Ok(rows.into_iter().flat_map(|(ours, theirs)| ours.into_iter().chain(theirs)).collect())
}
