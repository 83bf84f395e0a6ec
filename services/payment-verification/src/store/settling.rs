//! How long payments took to be final, read from the newest of them.

use std::{collections::BTreeMap, time::Duration};

use contracts::asset::{AssetId, Units};
use messaging::{StoreError, database};
use payment_verification_core::settling::Settled;
use sqlx::PgConnection;

/// How many payments are looked at: enough for every tier in use, few enough to read by key.
const NEWEST: i64 = 1_000;

/// The payments among the newest that settled, by asset. Their ids are in the order of time.
pub(crate) async fn settled_lately(
    conn: &mut PgConnection,
) -> Result<BTreeMap<AssetId, Vec<Settled>>, StoreError> {
    let rows: Vec<(Option<String>, Option<String>, i64)> = sqlx::query_as(
        "select p.state #>> '{request,terms,amount,asset}',
                p.state #>> '{request,terms,amount,units}',
                (extract(epoch from settled.at - seen.at) * 1000)::bigint
           from (select payment_id, state from payment order by payment_id desc limit $1) as p
          cross join lateral (
                select min(at) as at from payment_event e
                 where e.payment_id = p.payment_id and e.kind = 'transfer_seen'
          ) as seen
          cross join lateral (
                select min(at) as at from payment_event e
                 where e.payment_id = p.payment_id and e.kind = 'settled'
          ) as settled
          where settled.at >= seen.at",
    )
    .bind(NEWEST)
    .fetch_all(conn)
    .await
    .map_err(database("measuring how long payments take"))?;
    let mut settled: BTreeMap<AssetId, Vec<Settled>> = BTreeMap::new();
    for (asset, asked, took_ms) in rows {
        let asset = asset.and_then(|asset| AssetId::parse(&asset).ok());
        let asked = asked.and_then(|asked| Units::parse(&asked).ok());
        let took = u64::try_from(took_ms).map(Duration::from_millis);
        if let (Some(asset), Some(asked), Ok(took)) = (asset, asked, took) {
            settled.entry(asset).or_default().push(Settled { asked, took });
        }
    }
    Ok(settled)
}
