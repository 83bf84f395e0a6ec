//! The journal of exchanges with suppliers.

use chrono::{DateTime, Utc};
use messaging::{StoreError, database};
use sqlx::PgConnection;
use uuid::Uuid;

/// One exchange, as it is kept.
pub(crate) struct Exchange {
    pub(crate) leg_id: Uuid,
    pub(crate) number: u32,
    pub(crate) supplier: &'static str,
    pub(crate) operation: &'static str,
    pub(crate) client_reference: String,
    pub(crate) status: Option<u16>,
    pub(crate) outcome: &'static str,
    pub(crate) detail: Option<String>,
    pub(crate) request_sealed: Option<Vec<u8>>,
    pub(crate) reply_sealed: Option<Vec<u8>>,
    pub(crate) began_at: DateTime<Utc>,
    pub(crate) took_ms: i32,
}

/// What a sealed column of an exchange is sealed for: it opens in its own row and column only.
pub(crate) fn exchange_place(leg_id: Uuid, number: u32, column: &str) -> String {
    format!("exchange/{leg_id}/{number}/{column}")
}

/// Writes exchanges that ended. The same one again, after a commit that was not answered, is no
/// error.
pub(crate) async fn journal<'a>(
    conn: &mut PgConnection,
    exchanges: impl IntoIterator<Item = &'a Exchange>,
) -> Result<(), StoreError> {
    let mut columns = Columns::default();
    for exchange in exchanges {
        columns.push(exchange);
    }
    if columns.ids.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "insert into exchange
                (leg_id, number, supplier, operation, client_reference, status, outcome, detail,
                 request_sealed, reply_sealed, began_at, took_ms)
         select * from unnest($1::uuid[], $2::integer[], $3::text[], $4::text[], $5::text[],
                              $6::integer[], $7::text[], $8::text[], $9::bytea[], $10::bytea[],
                              $11::timestamptz[], $12::integer[])
         on conflict do nothing",
    )
    .bind(&columns.ids)
    .bind(&columns.numbers)
    .bind(&columns.suppliers)
    .bind(&columns.operations)
    .bind(&columns.client_references)
    .bind(&columns.statuses)
    .bind(&columns.outcomes)
    .bind(&columns.details)
    .bind(&columns.requests)
    .bind(&columns.replies)
    .bind(&columns.began)
    .bind(&columns.took)
    .execute(conn)
    .await
    .map_err(database("writing exchanges"))
    .map(drop)
}

#[derive(Default)]
struct Columns<'a> {
    ids: Vec<Uuid>,
    numbers: Vec<i32>,
    suppliers: Vec<&'a str>,
    operations: Vec<&'a str>,
    client_references: Vec<&'a str>,
    statuses: Vec<Option<i32>>,
    outcomes: Vec<&'a str>,
    details: Vec<Option<&'a str>>,
    requests: Vec<Option<&'a [u8]>>,
    replies: Vec<Option<&'a [u8]>>,
    began: Vec<DateTime<Utc>>,
    took: Vec<i32>,
}

impl<'a> Columns<'a> {
    fn push(&mut self, exchange: &'a Exchange) {
        self.ids.push(exchange.leg_id);
        self.numbers.push(i32::try_from(exchange.number).unwrap_or(i32::MAX));
        self.suppliers.push(exchange.supplier);
        self.operations.push(exchange.operation);
        self.client_references.push(&exchange.client_reference);
        self.statuses.push(exchange.status.map(i32::from));
        self.outcomes.push(exchange.outcome);
        self.details.push(exchange.detail.as_deref());
        self.requests.push(exchange.request_sealed.as_deref());
        self.replies.push(exchange.reply_sealed.as_deref());
        self.began.push(exchange.began_at);
        self.took.push(exchange.took_ms);
    }
}
