//! What was seen on chains: how far they are watched, the newest blocks, and the transfers.

use std::{collections::BTreeMap, ops::RangeInclusive};

use chrono::{DateTime, Utc};
use contracts::ids::PaymentId;
use messaging::{StoreError, database};
use payment_verification_core::{
    Payment,
    chain::{BlockRef, Hash32, TransferKey},
    depth::Head,
    state::Posted,
};
use sqlx::{FromRow, PgConnection, PgPool};
use uuid::Uuid;

use super::{corrupt, signed, unsigned};
use crate::chains::BlockHead;

/// How far a chain is watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cursor {
    pub(crate) at: BlockRef,
    /// The number of the last thing the watcher took in.
    pub(crate) look: u64,
    /// The database's time.
    pub(crate) now: DateTime<Utc>,
}

#[derive(FromRow)]
struct CursorRow {
    height: i64,
    block_hash: Vec<u8>,
    look: i64,
    now: DateTime<Utc>,
}

impl CursorRow {
    fn read(self) -> Result<Cursor, StoreError> {
        let at = BlockRef { height: unsigned(self.height), hash: hash("watch", &self.block_hash)? };
        Ok(Cursor { at, look: unsigned(self.look), now: self.now })
    }
}

/// Reads how far a chain is watched.
pub(crate) async fn cursor(pool: &PgPool, chain: &str) -> Result<Option<Cursor>, StoreError> {
    let row: Option<CursorRow> = sqlx::query_as(
        "select height, block_hash, look, holdfast_now() as now from watch where chain = $1",
    )
    .bind(chain)
    .fetch_optional(pool)
    .await
    .map_err(database("reading how far a chain is watched"))?;
    row.map(CursorRow::read).transpose()
}

/// Reads of each chain how high it is taken in, and for how many seconds nothing came.
pub(crate) async fn progress(pool: &PgPool) -> Result<Vec<(String, i64, i64)>, StoreError> {
    sqlx::query_as(
        "select chain, height, extract(epoch from holdfast_now() - changed_at)::bigint
         from watch order by chain",
    )
    .fetch_all(pool)
    .await
    .map_err(database("reading how far chains are watched"))
}

/// Reads of each chain which block is its newest that was taken in, as one's own transaction sees
/// it.
pub(crate) async fn heads(conn: &mut PgConnection) -> Result<BTreeMap<String, Head>, StoreError> {
    let rows: Vec<(String, i64, Option<i64>)> =
        sqlx::query_as("select chain, height, finalized from watch")
            .fetch_all(conn)
            .await
            .map_err(database("reading the newest blocks"))?;
    let head = |(chain, height, finalized): (String, i64, Option<i64>)| {
        (chain, Head { height: unsigned(height), finalized: finalized.map(unsigned) })
    };
    Ok(rows.into_iter().map(head).collect())
}

/// Locks the cursor of a chain, so that one watcher at a time moves it.
pub(crate) async fn lock_cursor(
    conn: &mut PgConnection,
    chain: &str,
) -> Result<Option<Cursor>, StoreError> {
    let row: Option<CursorRow> = sqlx::query_as(
        "select height, block_hash, look, holdfast_now() as now
         from watch where chain = $1 for update",
    )
    .bind(chain)
    .fetch_optional(conn)
    .await
    .map_err(database("locking how far a chain is watched"))?;
    row.map(CursorRow::read).transpose()
}

/// Begins to watch a chain at a block; nothing when it is watched already.
pub(crate) async fn begin(
    conn: &mut PgConnection,
    chain: &str,
    at: BlockRef,
) -> Result<(), StoreError> {
    sqlx::query(
        "insert into watch (chain, height, block_hash, look, changed_at)
         values ($1, $2, $3, 0, holdfast_now()) on conflict (chain) do nothing",
    )
    .bind(chain)
    .bind(signed(at.height))
    .bind(at.hash.0.as_slice())
    .execute(conn)
    .await
    .map_err(database("beginning to watch a chain"))
    .map(drop)
}

/// Where the cursor of a chain is to be.
pub(crate) struct To {
    pub(crate) at: BlockRef,
    pub(crate) look: u64,
    /// Up to which height the chain itself calls what was taken in final, if it was asked.
    pub(crate) finalized: Option<u64>,
}

/// Moves the locked cursor of a chain.
pub(crate) async fn move_cursor(
    conn: &mut PgConnection,
    chain: &str,
    to: To,
) -> Result<(), StoreError> {
    sqlx::query(
        "update watch set height = $2, block_hash = $3, look = $4, finalized = $5,
                changed_at = holdfast_now()
         where chain = $1",
    )
    .bind(chain)
    .bind(signed(to.at.height))
    .bind(to.at.hash.0.as_slice())
    .bind(signed(to.look))
    .bind(to.finalized.map(signed))
    .execute(conn)
    .await
    .map_err(database("moving on a chain"))
    .map(drop)
}

/// Adds canonical blocks, and forgets those lower than `keep_from`.
pub(crate) async fn add_blocks(
    conn: &mut PgConnection,
    chain: &str,
    blocks: &[BlockHead],
    keep_from: u64,
) -> Result<(), StoreError> {
    sqlx::query(
        "with forgotten as (delete from block where chain = $1 and height < $6)
         insert into block (chain, height, block_hash, parent_hash, stamped_at)
         select $1, b.height, b.block_hash, b.parent_hash, b.stamped_at
         from unnest($2::bigint[], $3::bytea[], $4::bytea[], $5::timestamptz[])
             as b (height, block_hash, parent_hash, stamped_at)
         on conflict (chain, height) do nothing",
    )
    .bind(chain)
    .bind(blocks.iter().map(|block| signed(block.at.height)).collect::<Vec<_>>())
    .bind(blocks.iter().map(|block| block.at.hash.0.to_vec()).collect::<Vec<_>>())
    .bind(blocks.iter().map(|block| block.parent.0.to_vec()).collect::<Vec<_>>())
    .bind(blocks.iter().map(|block| block.stamped_at).collect::<Vec<_>>())
    .bind(signed(keep_from))
    .execute(conn)
    .await
    .map_err(database("adding blocks"))
    .map(drop)
}

/// Reads the hashes of canonical blocks that are remembered.
pub(crate) async fn hashes(
    pool: &PgPool,
    chain: &str,
    heights: RangeInclusive<u64>,
) -> Result<BTreeMap<u64, Hash32>, StoreError> {
    let rows: Vec<(i64, Vec<u8>)> = sqlx::query_as(
        "select height, block_hash from block where chain = $1 and height between $2 and $3",
    )
    .bind(chain)
    .bind(signed(*heights.start()))
    .bind(signed(*heights.end()))
    .fetch_all(pool)
    .await
    .map_err(database("reading blocks"))?;
    rows.into_iter().map(|(height, bytes)| Ok((unsigned(height), hash("block", &bytes)?))).collect()
}

/// Takes away the blocks above a height and says which they were.
pub(crate) async fn drop_blocks_above(
    conn: &mut PgConnection,
    chain: &str,
    height: u64,
) -> Result<Vec<Hash32>, StoreError> {
    let rows: Vec<Vec<u8>> = sqlx::query_scalar(
        "delete from block where chain = $1 and height > $2 returning block_hash",
    )
    .bind(chain)
    .bind(signed(height))
    .fetch_all(conn)
    .await
    .map_err(database("dropping blocks that left"))?;
    rows.iter().map(|bytes| hash("block", bytes)).collect()
}

/// Finds whose addresses these are, of all that were ever given out.
pub(crate) async fn payments_at(
    conn: &mut PgConnection,
    address_keys: Vec<Vec<u8>>,
) -> Result<BTreeMap<Vec<u8>, PaymentId>, StoreError> {
    if address_keys.is_empty() {
        return Ok(BTreeMap::new());
    }
    let rows: Vec<(Vec<u8>, Uuid)> =
        sqlx::query_as("select address_key, payment_id from address where address_key = any($1)")
            .bind(address_keys)
            .fetch_all(conn)
            .await
            .map_err(database("looking for our addresses"))?;
    Ok(rows.into_iter().map(|(key, id)| (key, PaymentId(id))).collect())
}

/// Finds payments with transfers that become final at this head.
pub(crate) async fn payments_final_at(
    conn: &mut PgConnection,
    chain: &str,
    head: u64,
) -> Result<Vec<PaymentId>, StoreError> {
    let rows: Vec<Uuid> = sqlx::query_scalar(
        "select distinct payment_id from transfer
         where chain = $1 and final_at <= $2 and stands and not final",
    )
    .bind(chain)
    .bind(signed(head))
    .fetch_all(conn)
    .await
    .map_err(database("looking for final transfers"))?;
    Ok(rows.into_iter().map(PaymentId).collect())
}

/// Finds payments whose closing waits for a block of this time, or an earlier one.
pub(crate) async fn payments_to_close(
    conn: &mut PgConnection,
    chain: &str,
    stamped_at: DateTime<Utc>,
) -> Result<Vec<PaymentId>, StoreError> {
    let rows: Vec<Uuid> = sqlx::query_scalar(
        "select payment_id from payment where close_chain = $1 and close_after < $2",
    )
    .bind(chain)
    .bind(stamped_at)
    .fetch_all(conn)
    .await
    .map_err(database("looking for closings that wait"))?;
    Ok(rows.into_iter().map(PaymentId).collect())
}

/// Finds payments with transfers in these blocks, with the block.
pub(crate) async fn payments_in(
    conn: &mut PgConnection,
    chain: &str,
    blocks: &[Hash32],
) -> Result<Vec<(PaymentId, Hash32)>, StoreError> {
    let rows: Vec<(Uuid, Vec<u8>)> = sqlx::query_as(
        "select distinct payment_id, block_hash from transfer
         where chain = $1 and block_hash = any($2) and stands",
    )
    .bind(chain)
    .bind(blocks.iter().map(|block| block.0.to_vec()).collect::<Vec<_>>())
    .fetch_all(conn)
    .await
    .map_err(database("looking for transfers in blocks that left"))?;
    rows.into_iter().map(|(id, bytes)| Ok((PaymentId(id), hash("transfer", &bytes)?))).collect()
}

/// A transfer that changed, in the payment as it is now.
pub(crate) struct Touched<'a> {
    pub(crate) payment: &'a Payment,
    pub(crate) key: TransferKey,
}

/// Writes transfers as their payments have them.
///
/// A key belongs to one payment as long as it stands. Another payment that claims a standing
/// transfer is our bug, and everything that came with it is rolled back.
pub(crate) async fn save_transfers(
    conn: &mut PgConnection,
    touched: &[Touched<'_>],
) -> Result<(), StoreError> {
    let rows: Vec<TransferRow<'_>> = touched.iter().filter_map(TransferRow::of).collect();
    if rows.is_empty() {
        return Ok(());
    }
    let written: Vec<bool> = sqlx::query_scalar(
        "insert into transfer (chain, transaction_hash, position, payment_id, units, height,
             block_hash, stands, final, final_at)
         select t.chain, t.transaction_hash, t.position, t.payment_id, t.units::numeric, t.height,
             t.block_hash, t.stands, t.final, t.final_at
         from unnest($1::text[], $2::bytea[], $3::text[], $4::uuid[], $5::text[], $6::bigint[],
                 $7::bytea[], $8::boolean[], $9::boolean[], $10::bigint[])
             as t (chain, transaction_hash, position, payment_id, units, height,
                 block_hash, stands, final, final_at)
         on conflict (chain, transaction_hash, position) do update
             set payment_id = excluded.payment_id, units = excluded.units, height = excluded.height,
                 block_hash = excluded.block_hash, stands = excluded.stands, final = excluded.final,
                 final_at = excluded.final_at
             where transfer.payment_id = excluded.payment_id or not transfer.stands
         returning stands",
    )
    .bind(rows.iter().map(|row| row.chain).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| row.key.transaction.0.to_vec()).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| row.key.position.as_str()).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| row.payment_id.0).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| row.units.clone()).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| signed(row.height)).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| row.block.0.to_vec()).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| row.stands).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| row.is_final).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| signed(row.final_at)).collect::<Vec<_>>())
    .fetch_all(conn)
    .await
    .map_err(database("writing transfers"))?;
    let standing = rows.iter().filter(|row| row.stands).count();
    if written.iter().filter(|stands| **stands).count() == standing {
        Ok(())
    } else {
        Err(corrupt(
            "transfer",
            rows.len(),
            "a transfer that pays one payment was claimed for another",
        ))
    }
}

struct TransferRow<'a> {
    chain: &'a str,
    key: &'a TransferKey,
    payment_id: PaymentId,
    units: String,
    height: u64,
    block: Hash32,
    stands: bool,
    is_final: bool,
    final_at: u64,
}

impl<'a> TransferRow<'a> {
    fn of(touched: &'a Touched<'a>) -> Option<Self> {
        let Touched { payment, key } = touched;
        let request = payment.request.as_ref()?;
        let transfer = payment.transfers.get(key)?;
        let standing = payment.stands(transfer);
        let newest = transfer.sightings.iter().max_by_key(|(_, sighting)| sighting.look);
        let shown =
            transfer.sightings.iter().find(|(_, sighting)| Some(**sighting) == standing).or(newest);
        let (block, sighting) = shown?;
        let more = u64::from(request.confirmations.max(sighting.rests).saturating_sub(1));
        Some(Self {
            chain: &request.chain,
            key,
            payment_id: payment.payment_id,
            units: sighting.units.to_string(),
            height: sighting.height,
            block: *block,
            stands: standing.is_some(),
            is_final: matches!(transfer.posted, Posted::Final(_)),
            final_at: sighting.height.saturating_add(more),
        })
    }
}

pub(crate) fn hash(table: &'static str, bytes: &[u8]) -> Result<Hash32, StoreError> {
    bytes.try_into().map(Hash32).map_err(|source| corrupt(table, hex::encode(bytes), source))
}

#[cfg(test)]
mod tests;
