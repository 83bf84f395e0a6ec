//! Refunds that wait for a second person, as that person sees them.

use chrono::{DateTime, Utc};
use contracts::{
    asset::{AssetAmount, AssetId, Units},
    ids::{BookingId, PaymentId},
    internal::WaitingRefund,
    messages::RefundBasis,
    money::{Currency, Money},
};
use messaging::{StoreError, database};
use sqlx::{FromRow, PgPool};
use uuid::Uuid;

use super::corrupt;

#[derive(FromRow)]
struct Row {
    refund_id: Uuid,
    booking_id: Uuid,
    payment_id: Uuid,
    units: String,
    decimals: Option<i32>,
    asset: String,
    basis: String,
    worth_minor: Option<i64>,
    worth_currency: Option<String>,
    sends: Option<String>,
    has_address: bool,
    handled_by: Option<String>,
    granted_at: DateTime<Utc>,
}

/// Reads which refunds wait, or whether one does, the oldest first.
pub(crate) async fn waiting(
    pool: &PgPool,
    refund_id: Option<Uuid>,
    at_most: i64,
) -> Result<Vec<WaitingRefund>, StoreError> {
    let rows: Vec<Row> = sqlx::query_as(
        "select refund_id, booking_id, payment_id, units::text as units,
             decimals, asset, basis, worth_minor, worth_currency, sends::text as sends,
             address is not null as has_address, handled_by, granted_at
         from refund
         where approval = 'waits' and state = 'granted' and ($1::uuid is null or refund_id = $1)
         order by granted_at, refund_id limit $2",
    )
    .bind(refund_id)
    .bind(at_most)
    .fetch_all(pool)
    .await
    .map_err(database("reading which refunds wait for a second person"))?;
    rows.into_iter().map(Row::read).collect()
}

impl Row {
    fn read(self) -> Result<WaitingRefund, StoreError> {
        let id = self.refund_id;
        let units = Units::parse(&self.units).map_err(|source| corrupt("refund", id, source))?;
        let asset = AssetId::parse(&self.asset).map_err(|source| corrupt("refund", id, source))?;
        // Whatever waits was granted since its decimals are kept.
        let decimals = self.decimals.and_then(|decimals| u8::try_from(decimals).ok());
        let decimals = decimals.ok_or_else(|| corrupt("refund", id, "it has no decimals"))?;
        let sends = self.sends.as_deref().map(Units::parse).transpose();
        let sends = sends.map_err(|source| corrupt("refund", id, source))?;
        let amount = AssetAmount { units, decimals, asset };
        let sends = sends.map(|units| AssetAmount { units, ..amount.clone() });
        let code = self.worth_currency.as_deref();
        let currency = Currency::ALL.into_iter().find(|known| Some(known.code()) == code);
        let basis = match self.basis.as_str() {
            "then" => RefundBasis::Then,
            "now" => RefundBasis::Now,
            "fiat" => RefundBasis::Fiat,
            _ => return Err(corrupt("refund", id, "its basis is not known")),
        };
        Ok(WaitingRefund {
            refund_id: self.refund_id,
            booking_id: BookingId(self.booking_id),
            payment_id: PaymentId(self.payment_id),
            amount_decimal: amount.decimal(),
            amount,
            basis,
            sends_decimal: sends.as_ref().map(AssetAmount::decimal),
            worth: self.worth_minor.zip(currency).map(|(minor, of)| Money::new(minor, of)),
            has_address: self.has_address,
            handled_by: self.handled_by,
            granted_at: self.granted_at,
        })
    }
}
