//! Proves that rows are what their journals fold into: of the whole database, and of an export.

use anyhow::{Context as _, bail, ensure};
use chassis::Process;
use contracts::internal::ExportReply;
use messaging::DatabaseConfig;
use serde_json::json;
use uuid::Uuid;

use crate::{Config, ROLE, store};

const AT_ONCE: i64 = 500;
/// How many are named that differ.
const NAMED_MAX: usize = 20;

/// `booking check`: folds every journal of the database and compares it with its row.
pub(crate) async fn check(
    config: Config,
    _process: Process,
    arguments: Vec<String>,
) -> anyhow::Result<()> {
    ensure!(arguments.is_empty(), "`check` takes no arguments");
    let database = DatabaseConfig::new(config.database_url.clone(), 1, ROLE);
    let pool = messaging::connect(&database).await.context("connecting to booking's database")?;
    let mut conn = pool.acquire().await.context("connecting to booking's database")?;
    let (mut checked, mut differ, mut last) = (0_u64, Vec::<Uuid>::new(), None);
    loop {
        let ids = store::ids_after(&mut conn, last, AT_ONCE).await?;
        let Some(newest) = ids.last() else { break };
        last = Some(*newest);
        for id in ids {
            if !store::rebuild(&mut conn, id).await? {
                differ.push(id);
            }
            checked = checked.saturating_add(1);
        }
    }
    let named: Vec<_> = differ.iter().take(NAMED_MAX).collect();
    say(&json!({"bookings": checked, "differ": differ.len(), "first": named}).to_string());
    ensure!(differ.is_empty(), "{} rows are not the fold of their journals", differ.len());
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
    let text = tokio::fs::read_to_string(path).await.with_context(|| format!("reading {path}"))?;
    let export: ExportReply = serde_json::from_str(&text).context("reading the export")?;
    let journal = export.journal.iter().map(|entry| entry.body.as_str());
    let row = store::folded(export.booking_id.0, journal).context("folding the journal")?;
    ensure!(row == export.row, "the journal folds into another row than was exported");
    say(&row);
    Ok(())
}

#[expect(clippy::print_stdout, reason = "the command's answer belongs on stdout")]
fn say(text: &str) {
    println!("{text}");
}
