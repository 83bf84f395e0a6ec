//! Bookings are found by an e-mail address that stands nowhere: by a keyed digest of it.

use anyhow::{Context as _, ensure};
use chassis::{Process, blind::BlindIndex, seal::Sealer};
use messaging::DatabaseConfig;
use sqlx::PgPool;
use uuid::Uuid;

use crate::{Config, ROLE, http::Party, store};

const AT_ONCE: i64 = 500;

/// The digest of an e-mail address. People write one in capitals or small, with a space after it.
pub(crate) fn email_index(index: &BlindIndex, email: &str) -> Vec<u8> {
    index.digest("email", &email.trim().to_lowercase())
}

/// `booking index`: makes the digests of bookings that have none.
pub(crate) async fn index(
    config: Config,
    _process: Process,
    arguments: Vec<String>,
) -> anyhow::Result<()> {
    ensure!(arguments.is_empty(), "`index` takes no arguments");
    let url = config.database_url.clone();
    let pool = messaging::connect(&DatabaseConfig::new(url, 2, ROLE)).await;
    let pool = pool.context("connecting to booking's database")?;
    let sealer = Sealer::from_config(&config.seal_keys).context("reading BOOKING_SEAL_KEYS")?;
    let blind = BlindIndex::from_config(&config.contact_key);
    let made = make(&pool, &sealer, &blind.context("reading BOOKING_CONTACT_KEY")?).await?;
    crate::replay::say(&serde_json::json!({ "indexed": made }).to_string());
    Ok(())
}

/// Makes the digests of bookings that have none; says of how many.
///
/// # Errors
/// When the database fails.
pub(crate) async fn make(
    pool: &PgPool,
    sealer: &Sealer,
    blind: &BlindIndex,
) -> anyhow::Result<u64> {
    let (mut made, mut last) = (0, Uuid::nil());
    loop {
        let mut conn = pool.acquire().await.context("connecting to the database")?;
        let rows = store::travellers_unindexed(&mut conn, last, AT_ONCE).await?;
        let Some((newest, _)) = rows.last() else { return Ok(made) };
        last = *newest;
        let mut digests = Vec::with_capacity(rows.len());
        for (id, sealed) in &rows {
            let plain = sealer.open(sealed, id.as_bytes());
            let party = plain.ok().and_then(|plain| serde_json::from_slice::<Party>(&plain).ok());
            match party {
                Some(party) => digests.push((*id, email_index(blind, party.email()))),
                // Sealed with a key that is gone: nobody can show it either.
                None => tracing::warn!(booking.id = %id, "travellers cannot be opened"),
            }
        }
        store::index_travellers(&mut conn, &digests).await?;
        made += u64::try_from(digests.len()).unwrap_or(0);
    }
}
