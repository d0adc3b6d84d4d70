//! Opening a database: connections and their settings, the version checks, the migrations. What is only looked at is
//! neither made nor migrated.

use sqlx::migrate::{MigrateError, Migrator};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection, PgConnection, SqlSafeStr, SqliteConnection};
use std::fs::{Metadata, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use crate::database::connection::{Conn, Pool, Readers, within};
use crate::database::log_bound::LogBound;
use crate::error::StoreError;
use crate::weights::Weights;

static SQLITE: Migrator = sqlx::migrate!("migrations/sqlite");
static POSTGRES: Migrator = sqlx::migrate!("migrations/postgres");

/// The first SQLite without the fault that can lose committed pages when a WAL is reset.
const SQLITE_MIN: [u32; 3] = [3, 51, 3];
/// Another process (the command line) may hold SQLite's write lock for a moment.
const BUSY: Duration = Duration::from_secs(10);
/// KiB, negative as SQLite wants it. A reader's cache is void after each commit, so it serves a statement or two.
const READER_CACHE: &str = "-4096";
pub(crate) const ACQUIRE: Duration = Duration::from_secs(10);
/// How long it may take to connect to PostgreSQL.
pub(crate) const CONNECT: Duration = Duration::from_secs(5);
/// What PostgreSQL ends by itself. A statement that runs so long;
pub(crate) const STATEMENT: Duration = Duration::from_secs(15);
/// a wait for a row that another node has;
const LOCK: Duration = Duration::from_secs(10);
/// and a transaction whose node says nothing: its process is frozen, or its host is gone. Less than a lease lasts.
const SILENT: Duration = Duration::from_secs(8);

/// How to connect; knows which database it is.
#[derive(Clone)]
pub(crate) enum Opener {
    Sqlite(SqliteConnectOptions),
    Postgres(PgConnectOptions),
}

/// The write connection.
pub(crate) enum Link {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

impl Opener {
    pub(crate) fn is_sqlite(&self) -> bool {
        matches!(self, Opener::Sqlite(_))
    }

    pub(crate) fn parse(url: &str) -> Result<Opener, StoreError> {
        let unreachable = |error: sqlx::Error| StoreError::Unreachable { reason: error.to_string() };
        if url.starts_with("sqlite:") {
            let options = SqliteConnectOptions::from_str(url).map_err(unreachable)?;
            let bound = LogBound::beside(options.get_filename());
            return Ok(Opener::Sqlite(
                options
                    .page_size(4096)
                    .journal_mode(SqliteJournalMode::Wal)
                    .synchronous(SqliteSynchronous::Full)
                    .foreign_keys(true)
                    .busy_timeout(BUSY)
                    .row_buffer_size(1024)
                    .pragma("cache_size", "-40960")
                    .pragma("temp_store", "MEMORY")
                    // The writer's own checkpoint is the last resort: see `checkpoints`.
                    .pragma("wal_autocheckpoint", bound.writers_pages().to_string())
                    // More than it grows to before it is moved, so that its blocks are written anew and not allocated.
                    .pragma("journal_size_limit", bound.bytes().to_string()),
            ));
        }
        if url.starts_with("postgres:") || url.starts_with("postgresql:") {
            let options = PgConnectOptions::from_str(url).map_err(unreachable)?;
            let millis = |limit: Duration| limit.as_millis().to_string();
            let limits = [
                // A condition is a large statement over few rows a customer: compiling it costs more than running it.
                ("jit", "off".to_owned()),
                ("statement_timeout", millis(STATEMENT)),
                ("lock_timeout", millis(LOCK)),
                ("idle_in_transaction_session_timeout", millis(SILENT)),
                // A peer that is gone without a word is noticed by the server, too.
                ("tcp_keepalives_idle", "10".to_owned()),
                ("tcp_keepalives_interval", "5".to_owned()),
                ("tcp_keepalives_count", "3".to_owned()),
                ("tcp_user_timeout", millis(SILENT)),
            ];
            return Ok(Opener::Postgres(options.application_name("openhub").options(limits)));
        }
        Err(StoreError::Unreachable {
            reason: "the URL of the database must start with `sqlite:` or `postgres:`".to_owned(),
        })
    }

    pub(crate) async fn connect(&self) -> Result<Link, StoreError> {
        Ok(match self {
            Opener::Sqlite(options) => Link::Sqlite(options.clone().create_if_missing(true).connect().await?),
            Opener::Postgres(options) => Link::Postgres(options.connect().await?),
        })
    }

    /// The write connection of a database that this version knows, migrated.
    pub(crate) async fn open(&self) -> Result<Link, StoreError> {
        let unreachable = |error: &dyn std::fmt::Display| StoreError::Unreachable { reason: error.to_string() };
        if let Opener::Sqlite(options) = self {
            private(options.get_filename()).await.map_err(|error| unreachable(&error))?;
        }
        let mut link = match self {
            Opener::Sqlite(options) => Link::Sqlite(
                options.clone().create_if_missing(true).connect().await.map_err(|error| unreachable(&error))?,
            ),
            Opener::Postgres(options) => {
                let connecting = tokio::time::timeout(ACQUIRE, options.connect()).await;
                let connected = connecting.map_err(|_| unreachable(&"the database does not answer"))?;
                Link::Postgres(connected.map_err(|error| unreachable(&error))?)
            }
        };
        match &mut link {
            // The migrator takes no lock on SQLite: `migrate` does.
            Link::Sqlite(conn) => check_sqlite(conn).await?,
            Link::Postgres(conn) => check_role(conn).await?,
        }
        self.migrate(&mut link).await?;
        Ok(link)
    }

    /// The file of a SQLite database.
    pub(crate) fn sqlite_file(&self) -> Option<&Path> {
        match self {
            Opener::Sqlite(options) => Some(options.get_filename()),
            Opener::Postgres(_) => None,
        }
    }

    /// The newest migration that this version knows.
    pub(crate) fn newest_schema(&self) -> i64 {
        newest(self.migrator())
    }

    const fn migrator(&self) -> &'static Migrator {
        match self {
            Opener::Sqlite(_) => &SQLITE,
            Opener::Postgres(_) => &POSTGRES,
        }
    }

    /// A connection that writes nothing.
    pub(crate) async fn connect_to_read(&self) -> Result<Link, StoreError> {
        Ok(match self {
            Opener::Sqlite(options) => {
                let options = SqliteConnectOptions::new().filename(options.get_filename()).busy_timeout(BUSY);
                Link::Sqlite(options.pragma("query_only", "ON").connect().await?)
            }
            Opener::Postgres(options) => Link::Postgres(options.connect().await?),
        })
    }

    /// A connection to a PostgreSQL database that may be empty.
    pub(crate) async fn connect_to_make(&self) -> Result<Link, StoreError> {
        let mut link = self.connect().await.map_err(|error| match error {
            StoreError::Database(error) => StoreError::Unreachable { reason: error.to_string() },
            other => other,
        })?;
        if let Link::Postgres(conn) = &mut link {
            check_role(conn).await?;
        }
        Ok(link)
    }

    /// A new SQLite file, which is worth nothing before it is whole: rows go in as fast as they can, in any order.
    pub(crate) async fn make(&self, file: &Path) -> Result<Link, StoreError> {
        let unreachable = |error: &dyn std::fmt::Display| StoreError::Unreachable { reason: error.to_string() };
        private(file).await.map_err(|error| unreachable(&error))?;
        let options = SqliteConnectOptions::new()
            .filename(file)
            .page_size(4096)
            .journal_mode(SqliteJournalMode::Memory)
            .synchronous(SqliteSynchronous::Off)
            .foreign_keys(false)
            .pragma("cache_size", "-65536")
            .pragma("temp_store", "MEMORY");
        let mut conn = options.connect().await.map_err(|error| unreachable(&error))?;
        check_sqlite(&mut conn).await?;
        Ok(Link::Sqlite(conn))
    }

    /// Runs the migrations that are missing, up to `schema`.
    pub(crate) async fn migrate_to(&self, link: &mut Link, schema: i64) -> Result<(), StoreError> {
        let migrator = self.migrator();
        match link {
            Link::Sqlite(conn) => {
                let mut tx = conn.begin_with("BEGIN IMMEDIATE").await?;
                migrated(migrator, migrator.run_to(schema, &mut *tx).await)?;
                tx.commit().await?;
            }
            Link::Postgres(conn) => {
                // A migration takes as long as it takes, and waits for one that another node runs.
                sqlx::raw_sql("SET statement_timeout = 0; SET lock_timeout = 0").execute(&mut *conn).await?;
                migrated(migrator, migrator.run_to(schema, &mut *conn).await)?;
                sqlx::raw_sql("RESET statement_timeout; RESET lock_timeout").execute(&mut *conn).await?;
            }
        }
        Ok(())
    }

    /// Runs the migrations that are missing.
    pub(crate) async fn migrate(&self, link: &mut Link) -> Result<(), StoreError> {
        self.migrate_to(link, self.newest_schema()).await
    }

    /// Connections that look at what is there.
    pub(crate) async fn look(&self, connections: u32) -> Result<Readers, StoreError> {
        let unreachable = |error: sqlx::Error| StoreError::Unreachable { reason: error.to_string() };
        let (pool, migrator, applied) = match self {
            Opener::Sqlite(options) => {
                let file = options.get_filename();
                match tokio::fs::metadata(file).await {
                    Ok(found) if found.len() > 0 => {
                        by_one_name(file, &found).map_err(|reason| StoreError::Unreachable { reason })?;
                    }
                    _ => return Err(StoreError::Absent(format!("there is no database {}", file.display()))),
                }
                let options = SqliteConnectOptions::new().filename(file).busy_timeout(BUSY).pragma("query_only", "ON");
                let pool = SqlitePoolOptions::new().max_connections(connections.max(1)).acquire_timeout(ACQUIRE);
                let pool = pool.connect_with(options).await.map_err(unreachable)?;
                let there = "SELECT CAST(COUNT(*) AS BIGINT) FROM sqlite_schema WHERE name = '_sqlx_migrations'";
                let there: i64 = sqlx::query_scalar(there).fetch_one(&pool).await.map_err(unreachable)?;
                let applied = match there {
                    0 => Vec::new(),
                    _ => sqlx::query_scalar(APPLIED).fetch_all(&pool).await?,
                };
                (Pool::Sqlite(pool), &SQLITE, applied)
            }
            Opener::Postgres(options) => {
                let pool = PgPoolOptions::new().max_connections(connections.max(1)).acquire_timeout(ACQUIRE);
                let pool = pool.connect_with(options.clone()).await.map_err(unreachable)?;
                let there = "SELECT CAST(COUNT(*) AS BIGINT) FROM pg_class WHERE oid = to_regclass('_sqlx_migrations')";
                let there: i64 = sqlx::query_scalar(there).fetch_one(&pool).await.map_err(unreachable)?;
                let applied = match there {
                    0 => Vec::new(),
                    _ => sqlx::query_scalar(APPLIED).fetch_all(&pool).await?,
                };
                (Pool::Postgres(pool), &POSTGRES, applied)
            }
        };
        match of_this_version(migrator, &applied) {
            Ok(()) => Ok(Readers::new(pool, connections, &Weights::default())),
            Err(error) => {
                pool.close().await;
                Err(error)
            }
        }
    }

    /// One more than `connections`: that one is for what belongs to no tenant.
    pub(crate) async fn readers(&self, turns: u32, weights: &Weights) -> Result<Readers, StoreError> {
        let connections = turns.max(1) + 1;
        let pool = match self {
            Opener::Sqlite(options) => {
                let options = options.clone().pragma("query_only", "ON").pragma("cache_size", READER_CACHE);
                let pool = SqlitePoolOptions::new().max_connections(connections).acquire_timeout(ACQUIRE);
                Pool::Sqlite(pool.connect_lazy_with(options))
            }
            Opener::Postgres(options) => {
                let pool = PgPoolOptions::new().max_connections(connections).acquire_timeout(ACQUIRE);
                Pool::Postgres(pool.connect_lazy_with(options.clone()))
            }
        };
        Ok(Readers::new(pool, turns, weights))
    }
}

/// Refuses a role whom row-level security does not hold.
pub(crate) async fn check_role(conn: &mut PgConnection) -> Result<(), StoreError> {
    let above = "SELECT rolname FROM pg_roles WHERE rolname = current_user AND (rolsuper OR rolbypassrls)";
    let role: Option<(String,)> = sqlx::query_as(above).fetch_optional(conn).await?;
    role.map_or(Ok(()), |(role,)| Err(StoreError::AbovePolicies { role }))
}

const APPLIED: &str = "SELECT version FROM _sqlx_migrations WHERE success ORDER BY version";

fn of_this_version(migrator: &Migrator, applied: &[i64]) -> Result<(), StoreError> {
    let known: Vec<i64> = migrator.iter().map(|migration| migration.version).collect();
    let newest = newest(migrator);
    match applied.last() {
        None => Err(StoreError::Absent("the database is empty".to_owned())),
        Some(found) if *found > newest => Err(StoreError::Newer { found: *found, known: newest }),
        Some(_) if known.iter().any(|version| !applied.contains(version)) => Err(StoreError::Older),
        Some(_) => Ok(()),
    }
}

fn newest(migrator: &Migrator) -> i64 {
    migrator.iter().map(|migration| migration.version).max().unwrap_or(0)
}

/// A database file is its owner's alone; the files that SQLite makes beside it take after it.
async fn private(file: &Path) -> std::io::Result<()> {
    if file.to_string_lossy().starts_with("file:") {
        return Ok(());
    }
    if let Some(folder) = file.parent() {
        tokio::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).await?;
    }
    match tokio::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(file).await {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
        made => return made.map(drop),
    }
    // Of an older version, maybe.
    for ending in ["", "-wal", "-shm"] {
        let mut name = file.as_os_str().to_owned();
        name.push(ending);
        let Ok(found) = tokio::fs::metadata(&name).await else { continue };
        // What is not ours stays as it is: a folder that nobody else may enter any more takes all of a machine with it.
        if !found.is_file() {
            return Err(std::io::Error::other(format!("{} is no file", Path::new(&name).display())));
        }
        if ending.is_empty() {
            by_one_name(file, &found).map_err(std::io::Error::other)?;
        }
        if found.permissions().mode() & 0o077 != 0 {
            tokio::fs::set_permissions(&name, Permissions::from_mode(0o600)).await?;
        }
    }
    Ok(())
}

/// What was committed last lies in files that are called after the database. Who opens it by another name does not see it, and both
/// damage it: so it has one name. A symbolic link is none of its own.
fn by_one_name(file: &Path, found: &Metadata) -> Result<(), String> {
    match found.nlink() {
        0 | 1 => Ok(()),
        names => Err(format!(
            "the file {} has {names} names (hard links), and SQLite can use it by one of them only: remove the others (`find / -xdev \
             -inum {}` shows them)",
            file.display(),
            found.ino()
        )),
    }
}

async fn check_sqlite(conn: &mut SqliteConnection) -> Result<(), StoreError> {
    let version: String = sqlx::query_scalar("SELECT sqlite_version()").fetch_one(conn).await?;
    let mut numbers = version.split('.').map(|number| number.parse().unwrap_or(0));
    let found = [(); 3].map(|()| numbers.next().unwrap_or(0));
    if found < SQLITE_MIN {
        return Err(StoreError::Unreachable {
            reason: format!("SQLite {version} is too old: at least 3.51.3 is needed"),
        });
    }
    Ok(())
}

fn migrated(migrator: &Migrator, result: Result<(), MigrateError>) -> Result<(), StoreError> {
    let known = newest(migrator);
    match result {
        Ok(()) => Ok(()),
        Err(MigrateError::VersionMissing(found)) if found > known => Err(StoreError::Newer { found, known }),
        Err(MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _)) => Err(error.into()),
        Err(error) => Err(StoreError::Corrupt(error.to_string())),
    }
}

impl Link {
    pub(crate) fn conn(&mut self) -> Conn<'_> {
        match self {
            Link::Sqlite(conn) => Conn::Sqlite(conn),
            Link::Postgres(conn) => Conn::Postgres(conn),
        }
    }

    /// Statements of transaction control: prepared on SQLite, in one round trip on PostgreSQL.
    pub(crate) async fn raw(&mut self, sql: impl SqlSafeStr) -> Result<(), StoreError> {
        match self {
            Link::Sqlite(conn) => {
                sqlx::query(sql).execute(conn).await?;
            }
            Link::Postgres(conn) => {
                within(sqlx::raw_sql(sql).execute(conn)).await?;
            }
        }
        Ok(())
    }

    /// Undoes the savepoint of one piece of work.
    pub(crate) async fn roll_back(&mut self) -> Result<(), StoreError> {
        self.raw("ROLLBACK TO work").await?;
        self.raw("RELEASE work").await
    }

    pub(crate) async fn close(self) {
        let closed = match self {
            Link::Sqlite(conn) => conn.close().await,
            Link::Postgres(conn) => within(conn.close()).await,
        };
        if let Err(error) = closed {
            tracing::warn!(error = %error, "the write connection did not close cleanly");
        }
    }
}
