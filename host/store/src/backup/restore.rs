//! Makes a database of a dump: whole, or not at all.
//!
//! On PostgreSQL it is one transaction in a database without tenants. On SQLite it is a file beside the one that is to be there, which
//! gets its name when it is on the disk.

use std::path::{Path, PathBuf};

use sqlx::{AssertSqlSafe, SqlSafeStr, SqliteConnection};

use super::dump::see_all_tenants;
use super::schema::{Column, columns, lists, quoted};
use super::{DumpedTable, FIRST, Head, Part, tables};
use crate::database::connection::{Conn, execute, fetch_all, fetch_optional};
use crate::database::open::{Link, Opener};
use crate::error::StoreError;

/// Rows are inserted by so many, or as soon as they are so large.
const ROWS: usize = 500;
const BYTES: usize = 1 << 20;

/// Whether what is restored sends at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sends {
    /// Not before [`crate::Store::release_sends`]: another hub may have sent since.
    Held,
    Free,
}

/// A database that is being made of the parts of a dump.
pub struct Restore {
    link: Link,
    opener: Opener,
    made: Option<Made>,
    /// How the rows that come are inserted.
    insert: Option<Insert>,
    rows: Vec<String>,
    bytes: usize,
    deferred: Vec<ForeignKey>,
}

/// The file that is made, and the one that it becomes.
struct Made {
    file: PathBuf,
    becomes: PathBuf,
}

struct Insert {
    table: String,
    columns: usize,
    sql: String,
}

/// By its table.
type ForeignKey = (String, String);

impl Restore {
    /// The database at `url` must be empty, or not there.
    pub async fn begin(url: &str, head: &Head) -> Result<Restore, StoreError> {
        let opener = Opener::parse(url)?;
        let newest = opener.newest_schema();
        if head.schema > newest {
            return Err(StoreError::Newer { found: head.schema, known: newest });
        }
        let (mut link, made) = match opener.sqlite_file() {
            Some(becomes) => {
                if tokio::fs::metadata(becomes).await.is_ok_and(|found| found.len() > 0) {
                    return Err(StoreError::AlreadyExists(becomes.display().to_string()));
                }
                let made = Made { file: beside(becomes, ".restoring"), becomes: becomes.to_owned() };
                remove(&made.file).await?;
                (opener.make(&made.file).await?, Some(made))
            }
            None => (opener.connect_to_make().await?, None),
        };
        let begun = begin(&opener, &mut link, head).await;
        let deferred = match begun {
            Ok(deferred) => deferred,
            Err(error) => {
                link.close().await;
                return Err(error);
            }
        };
        let (insert, rows, bytes) = (None, Vec::new(), 0);
        Ok(Restore { link, opener, made, insert, rows, bytes, deferred })
    }

    /// The parts behind the head, in their order.
    pub async fn take(&mut self, part: Part) -> Result<(), StoreError> {
        match part {
            Part::Head(_) => Err(StoreError::Corrupt("the backup has two heads".to_owned())),
            Part::Table(table) => self.begin_table(table).await,
            Part::End => self.end_table().await,
            Part::Row(row) => {
                self.bytes += row.len();
                self.rows.push(row);
                if self.rows.len() >= ROWS || self.bytes >= BYTES { self.insert().await } else { Ok(()) }
            }
        }
    }

    async fn begin_table(&mut self, dumped: DumpedTable) -> Result<(), StoreError> {
        self.end_table().await?;
        let DumpedTable { table, columns: names } = dumped;
        if !tables().any(|known| known == table) {
            return Err(StoreError::Corrupt(format!("the backup has a table `{table}` that no hub has")));
        }
        let there = columns(self.link.conn(), &table).await?;
        let column = |name: &String| {
            let found = there.iter().find(|column| column.name == *name).cloned();
            found.ok_or_else(|| StoreError::Corrupt(format!("the backup has a column {table}.{name} that is not here")))
        };
        let columns: Vec<Column> = names.iter().map(column).collect::<Result<_, _>>()?;
        let sql = insert(&self.link.conn(), &table, &columns);
        self.insert = Some(Insert { table, columns: columns.len(), sql });
        Ok(())
    }

    async fn end_table(&mut self) -> Result<(), StoreError> {
        self.insert().await?;
        match self.insert.take() {
            Some(ended) if ended.table == FIRST => see_all_tenants(self.link.conn()).await,
            _ => Ok(()),
        }
    }

    async fn insert(&mut self) -> Result<(), StoreError> {
        if self.rows.is_empty() {
            return Ok(());
        }
        let Some(insert) = &self.insert else {
            return Err(StoreError::Corrupt("the backup has rows before its first table".to_owned()));
        };
        let expected = self.rows.len();
        let rows = format!("[{}]", self.rows.join(","));
        self.rows.clear();
        self.bytes = 0;
        if insert.columns == 0 {
            return Err(StoreError::Corrupt(format!("the backup has no columns for {}", insert.table)));
        }
        let sql = AssertSqlSafe(insert.sql.clone()).into_sql_str();
        let inserted = execute!(self.link.conn(), sql, rows)?;
        match usize::try_from(inserted) {
            Ok(inserted) if inserted == expected => Ok(()),
            _ => Err(StoreError::Corrupt(format!("{inserted} of {expected} rows went into {}", insert.table))),
        }
    }

    /// Puts the database in its place, migrated to this version.
    pub async fn finish(mut self, sends: Sends) -> Result<(), StoreError> {
        self.end_table().await?;
        self.let_go(sends).await?;
        if let Conn::Sqlite(conn) = self.link.conn() {
            check_keys(conn).await?;
        }
        check_and_fasten(&mut self.link, &self.deferred).await?;
        self.link.raw("COMMIT").await?;
        self.opener.migrate(&mut self.link).await?;
        let Some(Made { file, becomes }) = self.made.take() else {
            self.link.close().await;
            return Ok(());
        };
        self.link.close().await;
        put(&file, &becomes).await.map_err(|error| StoreError::Unreachable { reason: error.to_string() })
    }

    /// No node of those that wrote what was dumped moves it here.
    async fn let_go(&mut self, sends: Sends) -> Result<(), StoreError> {
        execute!(self.link.conn(), "UPDATE partitions SET owner = NULL, session = NULL")?;
        let held = i64::from(sends == Sends::Held);
        execute!(self.link.conn(), "UPDATE tenants SET sends_held = $1", held)?;
        if let Conn::Postgres(conn) = self.link.conn() {
            // It counts on behind those that are there.
            let ids = "SELECT setval(pg_get_serial_sequence('tenants', 'id'), (SELECT MAX(id) FROM tenants)) \
                       WHERE EXISTS (SELECT 1 FROM tenants)";
            sqlx::query(ids).execute(conn).await?;
        }
        Ok(())
    }

    /// Leaves nothing of what was restored so far.
    pub async fn give_up(self) {
        self.link.close().await;
        if let Some(Made { file, .. }) = self.made
            && let Err(error) = remove(&file).await
        {
            tracing::warn!(file = %file.display(), error = error.detail(), "What a restore had made is still there.");
        }
    }
}

/// The schema that the dump was made of, in a transaction that waits for rows.
async fn begin(opener: &Opener, link: &mut Link, head: &Head) -> Result<Vec<ForeignKey>, StoreError> {
    if let Conn::Postgres(_) = link.conn() {
        let there = "SELECT COALESCE((SELECT 1 FROM pg_class WHERE oid = to_regclass('tenants')), 0)::BIGINT";
        let there = fetch_optional!(link.conn(), (i64,), there)?;
        if there == Some((1,)) && fetch_optional!(link.conn(), (i64,), "SELECT id FROM tenants LIMIT 1")?.is_some() {
            return Err(StoreError::AlreadyExists("a tenant in that database".to_owned()));
        }
    }
    opener.migrate_to(link, head.schema).await?;
    match link.conn() {
        Conn::Sqlite(_) => {
            link.raw("BEGIN").await?;
            Ok(Vec::new())
        }
        Conn::Postgres(_) => {
            link.raw(
                "BEGIN; SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0",
            )
            .await?;
            let keys = foreign_keys(link.conn()).await?;
            for (table, name) in &keys {
                let sql = "DEFERRABLE INITIALLY DEFERRED";
                alter(link, table, name, sql).await?;
            }
            Ok(keys)
        }
    }
}

async fn foreign_keys(conn: Conn<'_>) -> Result<Vec<ForeignKey>, StoreError> {
    let keys = "SELECT relname::TEXT, conname::TEXT FROM pg_constraint JOIN pg_class ON pg_class.oid = conrelid \
                WHERE contype = 'f' AND relnamespace = to_regnamespace(current_schema()) AND NOT condeferrable ORDER BY 1, 2";
    fetch_all!(conn, ForeignKey, keys)
}

async fn alter(link: &mut Link, table: &str, constraint: &str, to: &str) -> Result<(), StoreError> {
    let sql = format!("ALTER TABLE {} ALTER CONSTRAINT {} {to}", quoted(table), quoted(constraint));
    link.raw(AssertSqlSafe(sql)).await
}

/// What was to be checked at the end is checked, and from now on at once again.
async fn check_and_fasten(link: &mut Link, deferred: &[ForeignKey]) -> Result<(), StoreError> {
    if let Conn::Postgres(conn) = link.conn() {
        // It takes as long as there are rows.
        sqlx::raw_sql("SET CONSTRAINTS ALL IMMEDIATE").execute(conn).await?;
    }
    for (table, name) in deferred {
        alter(link, table, name, "NOT DEFERRABLE").await?;
    }
    Ok(())
}

/// What SQLite did not look at while rows came in any order.
async fn check_keys(conn: &mut SqliteConnection) -> Result<(), StoreError> {
    let broken: Option<(String,)> =
        sqlx::query_as("SELECT \"table\" FROM pragma_foreign_key_check LIMIT 1").fetch_optional(conn).await?;
    match broken {
        None => Ok(()),
        Some((table,)) => {
            Err(StoreError::Corrupt(format!("a row of {table} belongs to one that the backup does not have")))
        }
    }
}

fn insert(conn: &Conn<'_>, table: &str, columns: &[Column]) -> String {
    let names: Vec<String> = columns.iter().map(|column| quoted(&column.name)).collect();
    let values: Vec<String> = columns.iter().enumerate().map(|(place, column)| column.read(conn, place)).collect();
    format!("INSERT INTO {} ({}) SELECT {} FROM {}", quoted(table), names.join(", "), values.join(", "), lists(conn))
}

fn beside(file: &Path, ending: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

/// With what SQLite may have made beside it.
async fn remove(file: &Path) -> Result<(), StoreError> {
    for ending in ["", "-journal", "-wal", "-shm"] {
        match tokio::fs::remove_file(beside(file, ending)).await {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(StoreError::Unreachable { reason: error.to_string() });
            }
            _ => {}
        }
    }
    Ok(())
}

/// On the disk first, then under its name. What is left of an earlier database under that name goes: it would be taken for its last commits.
async fn put(file: &Path, becomes: &Path) -> std::io::Result<()> {
    tokio::fs::File::open(file).await?.sync_all().await?;
    for ending in ["-wal", "-shm"] {
        match tokio::fs::remove_file(beside(becomes, ending)).await {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    tokio::fs::rename(file, becomes).await?;
    let folder = becomes.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    tokio::fs::File::open(folder).await?.sync_all().await
}
