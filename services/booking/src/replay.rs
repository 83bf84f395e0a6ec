//! Rows made again from their journals: compared, restored, carried elsewhere.

use anyhow::{Context as _, bail, ensure};
use chassis::Process;
use contracts::{ids::BookingId, internal::ExportReply};
use messaging::DatabaseConfig;
use serde_json::json;
use sqlx::PgPool;
use uuid::Uuid;

use crate::{Config, ROLE, config::Stack, masked::masked, store};

const AT_ONCE: i64 = 500;
/// How many are named that differ.
const NAMED_MAX: usize = 20;

/// What became of the rows that were compared.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Rebuilt {
    pub checked: u64,
    /// Rows that are not what their journals fold into.
    pub differ: Vec<Uuid>,
    /// Those of them that are now.
    pub restored: u64,
}

/// `booking check`: what `booking rebuild --check` does.
pub(crate) async fn check(
    config: Config,
    _process: Process,
    arguments: Vec<String>,
) -> anyhow::Result<()> {
    ensure!(arguments.is_empty(), "`check` takes no arguments");
    rebuild_and_say(&config, None, true).await
}

/// `booking rebuild [--check] [ID]`: folds the journal of one booking, or of every one, and
/// restores the rows that differ; with `--check` it only names them.
pub(crate) async fn rebuild(
    config: Config,
    _process: Process,
    arguments: Vec<String>,
) -> anyhow::Result<()> {
    let (flags, ids): (Vec<_>, Vec<_>) =
        arguments.iter().map(String::as_str).partition(|argument| argument.starts_with('-'));
    ensure!(flags.iter().all(|flag| *flag == "--check"), "`rebuild` knows only `--check`");
    let id = match ids.as_slice() {
        [] => None,
        [id] => Some(id.parse().context("reading the booking's id")?),
        _ => bail!("`rebuild` takes one booking's id at most"),
    };
    rebuild_and_say(&config, id, !flags.is_empty()).await
}

async fn rebuild_and_say(config: &Config, id: Option<Uuid>, only: bool) -> anyhow::Result<()> {
    let pool = connect(config).await?;
    let rebuilt = rows(&pool, id, only).await?;
    let differ = rebuilt.differ.len();
    let named: Vec<_> = rebuilt.differ.iter().take(NAMED_MAX).collect();
    let told = json!({
        "bookings": rebuilt.checked, "differ": differ, "restored": rebuilt.restored, "first": named,
    });
    say(&told.to_string());
    ensure!(id.is_none() || rebuilt.checked == 1, "there is no such booking");
    let left = u64::try_from(differ)?.saturating_sub(rebuilt.restored);
    ensure!(left == 0, "{left} rows are not the fold of their journals");
    Ok(())
}

/// Compares the row of one booking, or of every one, with what its journal folds into, and restores
/// those that differ, unless it is `only` to look. A journal that cannot be read restores nothing.
///
/// # Errors
/// When the database fails.
pub async fn rows(pool: &PgPool, id: Option<Uuid>, only: bool) -> anyhow::Result<Rebuilt> {
    let (mut rebuilt, mut last) = (Rebuilt::default(), None);
    loop {
        let ids = match (id, last) {
            (Some(id), None) => vec![id],
            (Some(_), Some(_)) => Vec::new(),
            (None, last) => {
                let mut conn = pool.acquire().await.context("connecting to the database")?;
                store::ids_after(&mut conn, last, AT_ONCE).await?
            }
        };
        let Some(newest) = ids.last() else { return Ok(rebuilt) };
        last = Some(*newest);
        for id in ids {
            row(pool, id, only, &mut rebuilt).await?;
        }
    }
}

/// One row. It is locked from the comparison to the end, so that nobody changes it meanwhile; who
/// only looks, reads what it was at one instant.
#[expect(clippy::disallowed_methods, reason = "rows are mended; nothing is said with it")]
async fn row(pool: &PgPool, id: Uuid, only: bool, rebuilt: &mut Rebuilt) -> anyhow::Result<()> {
    let mut tx = pool.begin().await.context("connecting to the database")?;
    if only {
        store::at_one_instant(&mut tx).await?;
    } else {
        store::lock(&mut tx, id).await?;
    }
    let Some(export) = store::export(&mut tx, BookingId(id)).await? else { return Ok(()) };
    rebuilt.checked = rebuilt.checked.saturating_add(1);
    if store::is_whole(&mut tx, &export).await? {
        return Ok(());
    }
    rebuilt.differ.push(id);
    if only {
        return Ok(());
    }
    let journal = export.journal.iter().map(|entry| entry.body.as_str());
    match store::folded(id, journal) {
        Ok(state) if state.is_empty() => {
            tracing::error!(booking.id = %id, "a journal has no beginning; its row stays");
        }
        Ok(state) => {
            store::restore(&mut tx, id, &state).await?;
            tx.commit().await.context("restoring a row")?;
            rebuilt.restored = rebuilt.restored.saturating_add(1);
        }
        Err(error) => {
            tracing::error!(booking.id = %id, %error, "a journal cannot be read; its row stays");
        }
    }
    Ok(())
}

/// `booking replay FILE`: folds an export and prints the row it gives, which must be the exported
/// one, byte for byte. Needs no database.
pub(crate) async fn replay(
    _config: Config,
    _process: Process,
    arguments: Vec<String>,
) -> anyhow::Result<()> {
    let [path] = arguments.as_slice() else { bail!("`replay` takes the file of one export") };
    let export = read(path).await?;
    say(&whole(&export)?);
    Ok(())
}

/// `booking export ID`: prints one booking with all of its journal, without what is about a person
/// or opens something.
pub(crate) async fn export(
    config: Config,
    _process: Process,
    arguments: Vec<String>,
) -> anyhow::Result<()> {
    let [id] = arguments.as_slice() else { bail!("`export` takes the id of one booking") };
    let id = BookingId(id.parse().context("reading the booking's id")?);
    let export = without_persons(&connect(&config).await?, id).await?;
    say(&serde_json::to_string(&export).context("writing the export")?);
    Ok(())
}

/// Reads a booking with all of its journal, masked.
///
/// # Errors
/// When there is no such booking, or its row is not what its journal folds into.
pub async fn without_persons(pool: &PgPool, id: BookingId) -> anyhow::Result<ExportReply> {
    let mut conn = pool.acquire().await.context("connecting to booking's database")?;
    let found = store::export(&mut conn, id).await?.context("there is no such booking")?;
    whole(&found)?;
    masked(&found)
}

/// `booking import FILE`: takes an export of `booking export` into a development stack, and into no
/// other. It does nothing there by itself: no timer is set and nothing is said.
pub(crate) async fn import(
    config: Config,
    _process: Process,
    arguments: Vec<String>,
) -> anyhow::Result<()> {
    let [path] = arguments.as_slice() else { bail!("`import` takes the file of one export") };
    may_import(&config)?;
    let export = read(path).await?;
    let pool = connect(&config).await?;
    let account = take(&pool, &export).await?;
    say(&json!({ "booking_id": export.booking_id, "account": account }).to_string());
    Ok(())
}

/// Whether this stack takes bookings of another one.
///
/// # Errors
/// When it is not said to be for development.
pub fn may_import(config: &Config) -> anyhow::Result<()> {
    ensure!(
        config.stack == Stack::Development,
        "this is no development stack: `import` writes only where BOOKING_STACK=development"
    );
    Ok(())
}

/// Writes an export down as a booking; gives the account that it belongs to.
///
/// # Errors
/// When it is not masked, does not fold into its row, or the booking is there.
#[expect(clippy::disallowed_methods, reason = "rows are mended; nothing is said with it")]
pub async fn take(pool: &PgPool, export: &ExportReply) -> anyhow::Result<String> {
    ensure!(masked(export)? == *export, "the export is not masked; `booking export` masks");
    let row = whole(export)?;
    let mut tx = pool.begin().await.context("connecting to booking's database")?;
    let account = store::import(&mut tx, export, &row).await?;
    tx.commit().await.context("importing a booking")?;
    Ok(account)
}

/// The row of an export, which its journal must fold into.
fn whole(export: &ExportReply) -> anyhow::Result<String> {
    let journal = export.journal.iter().map(|entry| entry.body.as_str());
    let row = store::folded(export.booking_id.0, journal).context("folding the journal")?;
    ensure!(
        !row.is_empty() && row == export.row,
        "the journal folds into another row than was exported"
    );
    Ok(row)
}

async fn read(path: &str) -> anyhow::Result<ExportReply> {
    let text = tokio::fs::read_to_string(path).await.with_context(|| format!("reading {path}"))?;
    serde_json::from_str(&text).context("reading the export")
}

async fn connect(config: &Config) -> anyhow::Result<PgPool> {
    let database = DatabaseConfig::new(config.database_url.clone(), 1, ROLE);
    messaging::connect(&database).await.context("connecting to booking's database")
}

#[expect(clippy::print_stdout, reason = "the command's answer belongs on stdout")]
pub(crate) fn say(text: &str) {
    println!("{text}");
}
