//! Transfers to addresses of refunds: where they stand, and which refund each is claimed for.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use contracts::{asset::Units, ids::PaymentId};
use messaging::{StoreError, database};
use payment_verification_core::{
    chain::{BlockRef, Hash32, TransferKey},
    fact::Sighted,
};
use sqlx::{FromRow, PgConnection};
use uuid::Uuid;

use super::{corrupt, refund::Wanted, signed, unsigned};
use crate::chains::{Block, BlockHead, Transfer};

/// A payout of a refund, where it was seen last.
#[derive(Debug, Clone)]
pub(crate) struct Claimed {
    pub(crate) payment_id: PaymentId,
    pub(crate) refund_id: Uuid,
    pub(crate) sighted: Sighted,
}

/// Finds which of these addresses belong to refunds that are open, as our own are found.
pub(crate) async fn addresses_of_refunds(
    conn: &mut PgConnection,
    chain: &str,
    address_keys: &BTreeSet<Vec<u8>>,
) -> Result<BTreeSet<Vec<u8>>, StoreError> {
    if address_keys.is_empty() {
        return Ok(BTreeSet::new());
    }
    let keys: Vec<Vec<u8>> = sqlx::query_scalar(
        "select distinct address_key from refund
         where address_key = any($2) and chain = $1 and next_ask_at is not null",
    )
    .bind(chain)
    .bind(Vec::from_iter(address_keys.iter().cloned()))
    .fetch_all(conn)
    .await
    .map_err(database("looking for addresses of refunds"))?;
    Ok(keys.into_iter().collect())
}

/// Keeps the transfers of these blocks that go to addresses of refunds, claims those that the
/// treasury named, and says of all that are claimed where they stand.
///
/// `look` is the number of the first block.
pub(crate) async fn take_in(
    conn: &mut PgConnection,
    chain: &str,
    blocks: &[Block],
    look: u64,
) -> Result<Vec<Claimed>, StoreError> {
    let all = blocks.iter().flat_map(|block| &block.transfers);
    let keys: BTreeSet<Vec<u8>> = all.map(|transfer| transfer.to.clone()).collect();
    let ours = addresses_of_refunds(conn, chain, &keys).await?;
    if ours.is_empty() {
        return Ok(vec![]);
    }
    let looks = (0..).map(|n: u64| look.saturating_add(n));
    let seen: Vec<Seen<'_>> = blocks
        .iter()
        .zip(looks)
        .flat_map(|(block, look)| {
            let head = &block.head;
            let transfers = block.transfers.iter().filter(|t| ours.contains(&t.to));
            transfers.map(move |transfer| Seen { transfer, head, look })
        })
        .collect();
    add(conn, chain, &seen).await?;
    let hashes: Vec<_> = seen.iter().map(|s| s.transfer.key.transaction.0.to_vec()).collect();
    for wanted in super::refund::told_of(conn, chain, hashes.clone()).await? {
        claim(conn, &wanted).await?;
    }
    claimed_in(conn, chain, hashes).await
}

struct Seen<'a> {
    transfer: &'a Transfer,
    head: &'a BlockHead,
    look: u64,
}

/// A transfer that was seen before stands where it is seen now, and stays claimed.
async fn add(conn: &mut PgConnection, chain: &str, seen: &[Seen<'_>]) -> Result<(), StoreError> {
    sqlx::query(
        "insert into payout (chain, transaction_hash, position, address_key, contract, units,
             height, block_hash, stamped_at, look, stands)
         select $1, s.transaction_hash, s.position, s.address_key, s.contract, s.units::numeric,
             s.height, s.block_hash, s.stamped_at, s.look, true
         from unnest($2::bytea[], $3::text[], $4::bytea[], $5::text[], $6::text[], $7::bigint[],
                 $8::bytea[], $9::timestamptz[], $10::bigint[])
             as s (transaction_hash, position, address_key, contract, units, height, block_hash,
                 stamped_at, look)
         on conflict (chain, transaction_hash, position) do update set
             address_key = excluded.address_key, contract = excluded.contract,
             units = excluded.units, height = excluded.height, block_hash = excluded.block_hash,
             stamped_at = excluded.stamped_at, look = excluded.look, stands = true",
    )
    .bind(chain)
    .bind(seen.iter().map(|s| s.transfer.key.transaction.0.to_vec()).collect::<Vec<_>>())
    .bind(seen.iter().map(|s| s.transfer.key.position.as_str()).collect::<Vec<_>>())
    .bind(seen.iter().map(|s| s.transfer.to.clone()).collect::<Vec<_>>())
    .bind(seen.iter().map(|s| s.transfer.contract.as_deref()).collect::<Vec<_>>())
    .bind(seen.iter().map(|s| s.transfer.units.to_string()).collect::<Vec<_>>())
    .bind(seen.iter().map(|s| signed(s.head.at.height)).collect::<Vec<_>>())
    .bind(seen.iter().map(|s| s.head.at.hash.0.to_vec()).collect::<Vec<_>>())
    .bind(seen.iter().map(|s| s.head.stamped_at).collect::<Vec<_>>())
    .bind(seen.iter().map(|s| signed(s.look)).collect::<Vec<_>>())
    .execute(conn)
    .await
    .map_err(database("keeping transfers to addresses of refunds"))
    .map(drop)
}

/// Claims, for a refund, one transfer of a transaction that the treasury named for it: to its
/// address, in its asset, claimed by nobody; of the right amount if there is one.
///
/// Whoever comes second to the same transfer finds it claimed, and takes another or none.
pub(crate) async fn claim(conn: &mut PgConnection, wanted: &Wanted) -> Result<(), StoreError> {
    sqlx::query(
        "with free as (
             select p.chain, p.transaction_hash, p.position
             from refund r join payout p on p.chain = r.chain and p.address_key = r.address_key
                 and lower(p.contract) is not distinct from lower(r.contract)
             where r.refund_id = $1 and p.transaction_hash = $2 and p.refund_id is null
                 and not exists (
                     select from payout own where own.chain = p.chain
                         and own.transaction_hash = p.transaction_hash
                         and own.refund_id = r.refund_id)
             order by p.units = coalesce(r.sends, r.units) desc, p.position limit 1
             for update of p
         )
         update payout p set refund_id = $1 from free
         where p.chain = free.chain and p.transaction_hash = free.transaction_hash
             and p.position = free.position and p.refund_id is null",
    )
    .bind(wanted.refund_id)
    .bind(wanted.transaction.0.as_slice())
    .execute(conn)
    .await
    .map_err(database("claiming a payout"))
    .map(drop)
}

#[derive(FromRow)]
struct Row {
    refund_id: Uuid,
    payment_id: Uuid,
    transaction_hash: Vec<u8>,
    position: String,
    units: String,
    height: i64,
    block_hash: Vec<u8>,
    stamped_at: DateTime<Utc>,
    look: i64,
}

/// The claimed and standing transfers of these transactions.
pub(crate) async fn claimed_in(
    conn: &mut PgConnection,
    chain: &str,
    transactions: Vec<Vec<u8>>,
) -> Result<Vec<Claimed>, StoreError> {
    let rows: Vec<Row> = sqlx::query_as(
        "select r.refund_id, r.payment_id, p.transaction_hash, p.position, p.units::text as units,
             p.height, p.block_hash, p.stamped_at, p.look
         from payout p join refund r using (refund_id)
         where p.chain = $1 and p.transaction_hash = any($2) and p.stands
         order by p.height, p.transaction_hash, p.position",
    )
    .bind(chain)
    .bind(transactions)
    .fetch_all(conn)
    .await
    .map_err(database("reading payouts"))?;
    rows.into_iter().map(Row::read).collect()
}

impl Row {
    fn read(self) -> Result<Claimed, StoreError> {
        let hash = |bytes: &[u8]| super::chain::hash("payout", bytes);
        let units = Units::parse(&self.units)
            .map_err(|source| corrupt("payout", hex::encode(&self.transaction_hash), source))?;
        let transaction = hash(&self.transaction_hash)?;
        let sighted = Sighted {
            key: TransferKey { transaction, position: self.position },
            units,
            block: BlockRef { height: unsigned(self.height), hash: hash(&self.block_hash)? },
            look: unsigned(self.look),
            stamped_at: self.stamped_at,
            rests: 0,
        };
        let payment_id = PaymentId(self.payment_id);
        Ok(Claimed { payment_id, refund_id: self.refund_id, sighted })
    }
}

/// Notes that these blocks left, and says of which payments they held payouts.
pub(crate) async fn leave(
    conn: &mut PgConnection,
    chain: &str,
    blocks: &[Hash32],
) -> Result<Vec<(PaymentId, Hash32)>, StoreError> {
    let rows: Vec<(Option<Uuid>, Vec<u8>)> = sqlx::query_as(
        "with gone as (
             update payout set stands = false
             where chain = $1 and block_hash = any($2) and stands
             returning refund_id, block_hash
         )
         select r.payment_id, gone.block_hash from gone left join refund r using (refund_id)",
    )
    .bind(chain)
    .bind(blocks.iter().map(|block| block.0.to_vec()).collect::<Vec<_>>())
    .fetch_all(conn)
    .await
    .map_err(database("taking back payouts of blocks that left"))?;
    let claimed = rows.into_iter().filter_map(|(id, bytes)| Some((PaymentId(id?), bytes)));
    claimed.map(|(id, bytes)| Ok((id, super::chain::hash("payout", &bytes)?))).collect()
}

/// Finds payments with payouts that become final at this head.
pub(crate) async fn payments_final_at(
    conn: &mut PgConnection,
    chain: &str,
    head: u64,
) -> Result<Vec<PaymentId>, StoreError> {
    let rows: Vec<Uuid> = sqlx::query_scalar(
        "select distinct r.payment_id from payout p join refund r using (refund_id)
         where p.chain = $1 and p.stands and not p.final and p.height <= $2
             and p.height + r.confirmations - 1 <= $2",
    )
    .bind(chain)
    .bind(signed(head))
    .fetch_all(conn)
    .await
    .map_err(database("looking for final payouts"))?;
    Ok(rows.into_iter().map(PaymentId).collect())
}
