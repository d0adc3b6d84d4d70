//! Moves SQLite's write-ahead log into the database file beside the writer, which would otherwise stop for it in the
//! middle of a COMMIT. A passive checkpoint waits for nobody and holds nobody up.
//!
//! The log starts anew only once all of it has been moved; under a load that never pauses, the writer's own
//! checkpoint (`wal_autocheckpoint`) does the small rest.

use std::time::Duration;

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, SqliteConnection};
use tokio::sync::watch;

use crate::database::log_bound::LogBound;

const PAUSE: Duration = Duration::from_millis(100);

/// Runs until the writer ends, which drops `commits`.
pub(crate) async fn run(options: SqliteConnectOptions, mut commits: watch::Receiver<u64>) {
    let mut link = None;
    let pages = LogBound::beside(options.get_filename()).pages();
    while commits.changed().await.is_ok() {
        if let Err(error) = turn(&options, pages, &mut link).await {
            tracing::warn!(%error, "The write-ahead log could not be moved; the writer will do it.");
            link = None;
        }
        tokio::time::sleep(PAUSE).await;
    }
    if let Some(link) = link
        && let Err(error) = link.close().await
    {
        tracing::warn!(%error, "The connection of checkpoints did not close cleanly.");
    }
}

async fn turn(
    options: &SqliteConnectOptions,
    pages: i64,
    link: &mut Option<SqliteConnection>,
) -> Result<(), sqlx::Error> {
    let link = match link {
        Some(link) => link,
        None => link.insert(options.connect().await?),
    };
    let (_, log, moved): (i64, i64, i64) = sqlx::query_as("PRAGMA wal_checkpoint(NOOP)").fetch_one(&mut *link).await?;
    if log - moved >= pages {
        sqlx::query("PRAGMA wal_checkpoint(PASSIVE)").execute(link).await?;
    }
    Ok(())
}
