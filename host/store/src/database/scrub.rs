//! What SQLite leaves behind of a deleted row: copies in free pages, and in the unused parts of pages that were once
//! split. `secure_delete` does not reach those (it overwrites the row where it stands now), so the file is written anew.

use std::time::Duration;

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, SqliteConnection};

use crate::database::open::Opener;
use crate::error::StoreError;

/// Files up to this size are written anew while the hub runs: a second or two in which other writes wait.
const MOST: i64 = 512 * 1024 * 1024;
/// Readers hold an old state of the log for a moment; then it can be emptied.
const PATIENCE: u32 = 100;
const PAUSE: Duration = Duration::from_millis(20);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scrubbed {
    Done,
    /// The file is too large to be written anew while others wait.
    TooLarge,
    /// PostgreSQL does this by itself, in its own time (VACUUM).
    NotHere,
}

pub(crate) async fn scrub(opener: &Opener) -> Result<Scrubbed, StoreError> {
    match opener {
        Opener::Postgres(_) => Ok(Scrubbed::NotHere),
        Opener::Sqlite(options) => {
            // A copy of the file is made on the way: not in memory.
            let mut conn = SqliteConnectOptions::clone(options).pragma("temp_store", "FILE").connect().await?;
            let scrubbed = write_anew(&mut conn).await;
            conn.close().await?;
            scrubbed
        }
    }
}

async fn write_anew(conn: &mut SqliteConnection) -> Result<Scrubbed, StoreError> {
    let (pages,): (i64,) = sqlx::query_as("PRAGMA page_count").fetch_one(&mut *conn).await?;
    let (size,): (i64,) = sqlx::query_as("PRAGMA page_size").fetch_one(&mut *conn).await?;
    if pages * size > MOST {
        return Ok(Scrubbed::TooLarge);
    }
    sqlx::query("VACUUM").execute(&mut *conn).await?;
    for _ in 0..PATIENCE {
        let (busy, ..): (i64, i64, i64) =
            sqlx::query_as("PRAGMA wal_checkpoint(TRUNCATE)").fetch_one(&mut *conn).await?;
        if busy == 0 {
            return Ok(Scrubbed::Done);
        }
        tokio::time::sleep(PAUSE).await;
    }
    Err(StoreError::Unavailable)
}
