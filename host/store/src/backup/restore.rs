//! Makes a database of a dump: whole, or not at all.
//!
//! On PostgreSQL it is one transaction in a database without tenants. On SQLite it is a file beside the one that is to be there, which
//! gets its name when it is on the disk.

use std::path::{Path, PathBuf};

use sqlx::{AssertSqlSafe, SqlSafeStr, SqliteConnection};

use super::dump::{see_all_tenants, see_tenant};
use super::schema::{Column, columns, lists, quoted};
use super::{COMPONENTS, DumpedTable, DumpedTenant, FIRST, Head, Part, tables};
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
    /// Only this tenant comes, into a database that others have.
    tenant: Option<DumpedTenant>,
}

/// Numbers of tenants go on behind those that are there.
const COUNT_ON: &str = "SELECT setval(pg_get_serial_sequence('tenants', 'id'), (SELECT MAX(id) FROM tenants)) \
                        WHERE EXISTS (SELECT 1 FROM tenants)";

/// The file that is made, and the one that it becomes.
struct Made {
    file: PathBuf,
    becomes: PathBuf,
}

struct Insert {
    table: String,
    columns: usize,
    sql: String,
    /// Where a row says whose it is.
    owner: Option<usize>,
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
        Ok(Restore { link, opener, made, insert, rows, bytes, deferred, tenant: None })
    }

    /// Takes one tenant into the database at `url`, beside those that are there. Its number must be nobody's, and the database as new as
    /// the one that it comes from.
    pub async fn begin_tenant(url: &str, head: &Head) -> Result<Restore, StoreError> {
        let opener = Opener::parse(url)?;
        let tenant = head.tenant.clone().ok_or_else(|| StoreError::Corrupt("it is of no one tenant".to_owned()))?;
        let newest = opener.newest_schema();
        if head.schema != newest {
            return Err(StoreError::Newer { found: head.schema, known: newest });
        }
        let mut link = opener.connect_to_make().await?;
        let begun = begin_beside(&mut link, &tenant).await;
        let deferred = match begun {
            Ok(deferred) => deferred,
            Err(error) => {
                link.close().await;
                return Err(error);
            }
        };
        let (insert, rows, bytes) = (None, Vec::new(), 0);
        Ok(Restore { link, opener, made: None, insert, rows, bytes, deferred, tenant: Some(tenant) })
    }

    /// The parts behind the head, in their order.
    pub async fn take(&mut self, part: Part) -> Result<(), StoreError> {
        match part {
            Part::Head(_) => Err(StoreError::Corrupt("the backup has two heads".to_owned())),
            Part::Table(table) => self.begin_table(table).await,
            Part::End => self.end_table().await,
            Part::Row(row) => {
                self.must_be_its_own(&row)?;
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
        let mut sql = insert(&self.link.conn(), &table, &columns);
        if self.tenant.is_some() && table == COMPONENTS {
            // Another tenant may have the plugin, too.
            sql.push_str(" WHERE true ON CONFLICT DO NOTHING");
        }
        let whose = if table == FIRST { "id" } else { "tenant_id" };
        let owner = names.iter().position(|name| name == whose);
        self.insert = Some(Insert { table, columns: columns.len(), sql, owner });
        Ok(())
    }

    /// A file of one tenant has rows of nobody else, whoever wrote it.
    fn must_be_its_own(&self, row: &str) -> Result<(), StoreError> {
        let Some((tenant, insert)) = self.tenant.as_ref().zip(self.insert.as_ref()) else { return Ok(()) };
        if insert.table == COMPONENTS {
            return Ok(());
        }
        let columns: Vec<serde_json::Value> = serde_json::from_str(row).unwrap_or_default();
        let whose = insert.owner.and_then(|owner| columns.get(owner)?.as_i64());
        match whose == Some(tenant.id) {
            true => Ok(()),
            false => Err(StoreError::Corrupt(format!("a row of {} is another tenant's", insert.table))),
        }
    }

    async fn end_table(&mut self) -> Result<(), StoreError> {
        self.insert().await?;
        match self.insert.take() {
            Some(ended) if ended.table == FIRST && self.tenant.is_none() => see_all_tenants(self.link.conn()).await,
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
            Ok(_) if self.tenant.is_some() && insert.table == COMPONENTS => Ok(()),
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

    /// What a tenant had with others stays with them: their numbers are those of others here, or of nobody.
    async fn part_with(&mut self, tenant: i64) -> Result<(), StoreError> {
        let cuts = [
            "UPDATE partitions SET owner = NULL, session = NULL WHERE tenant_id = $1",
            "UPDATE tenants SET sends_held = 1, parent_id = NULL, operations_at = NULL WHERE id = $1",
            "UPDATE subscriptions SET provider_id = -ABS(provider_id), ended_at = COALESCE(ended_at, requested_at), \
             contract = CASE contract WHEN 0 THEN 5 WHEN 1 THEN 2 ELSE contract END WHERE tenant_id = $1",
            "UPDATE statements SET provider_id = -ABS(provider_id) WHERE tenant_id = $1",
            "UPDATE usage_reports SET reporter_id = -ABS(reporter_id) WHERE tenant_id = $1 AND reporter_id <> $1",
            "UPDATE shares SET recipient_id = -ABS(recipient_id), \
             standing = CASE WHEN standing < 2 THEN 3 ELSE standing END WHERE tenant_id = $1",
            "DELETE FROM share_keys WHERE tenant_id = $1",
            "UPDATE erasure_requests SET status = 3, who = NULL, due_at = NULL \
             WHERE tenant_id = $1 AND status = 0 AND plugin LIKE 'share:%'",
        ];
        for cut in cuts {
            execute!(self.link.conn(), cut, tenant)?;
        }
        if let Conn::Postgres(conn) = self.link.conn() {
            sqlx::query(COUNT_ON).execute(conn).await?;
        }
        Ok(())
    }

    /// No node of those that wrote what was dumped moves it here.
    async fn let_go(&mut self, sends: Sends) -> Result<(), StoreError> {
        if let Some(tenant) = self.tenant.as_ref().map(|tenant| tenant.id) {
            return self.part_with(tenant).await;
        }
        execute!(self.link.conn(), "UPDATE partitions SET owner = NULL, session = NULL")?;
        let held = i64::from(sends == Sends::Held);
        execute!(self.link.conn(), "UPDATE tenants SET sends_held = $1", held)?;
        if let Conn::Postgres(conn) = self.link.conn() {
            sqlx::query(COUNT_ON).execute(conn).await?;
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

/// A transaction in a database that others use.
async fn begin_beside(link: &mut Link, tenant: &DumpedTenant) -> Result<Vec<ForeignKey>, StoreError> {
    let keys = match link.conn() {
        Conn::Sqlite(_) => {
            link.raw("BEGIN IMMEDIATE; PRAGMA defer_foreign_keys = ON").await?;
            Vec::new()
        }
        Conn::Postgres(_) => {
            link.raw("BEGIN; SET LOCAL statement_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0")
                .await?;
            let keys = foreign_keys(link.conn()).await?;
            for (table, name) in &keys {
                alter(link, table, name, "DEFERRABLE INITIALLY DEFERRED").await?;
            }
            keys
        }
    };
    let taken = "SELECT name FROM tenants WHERE id = $1 OR name = $2 LIMIT 1";
    match fetch_optional!(link.conn(), (String,), taken, tenant.id, &tenant.name)? {
        Some((name,)) => Err(StoreError::AlreadyExists(name)),
        None => {
            see_tenant(link.conn(), tenant.id).await?;
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
