//! One statement text, two drivers: a borrowed connection to either database, and the macros that run a
//! statement on it by expanding the same expression in each arm.

use sqlx::pool::PoolConnection;
use sqlx::{PgConnection, PgPool, Postgres, Sqlite, SqliteConnection, SqlitePool};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::database::open::{ACQUIRE, STATEMENT};
use crate::database::turns::{Turn, Turns};
use crate::error::StoreError;
use crate::scope::Scope;
use crate::weights::Weights;

/// After so many of its virtual machine's instructions SQLite asks whether to go on: some tens of microseconds.
const SQLITE_STEPS: i32 = 10_000;

/// How long PostgreSQL may take to answer: a little longer than it lets a statement run.
const ANSWER: Duration = STATEMENT.saturating_add(Duration::from_secs(3));
/// How long a caller waits for its turn, or for an answer; its work may be done all the same.
pub(crate) const WAIT: Duration = Duration::from_secs(15);
/// How long PostgreSQL may take to say that a connection is still one before it goes back to the pool.
const RETURN: Duration = Duration::from_secs(5);

pub(crate) enum Conn<'c> {
    Sqlite(&'c mut SqliteConnection),
    Postgres(&'c mut PgConnection),
}

/// Runs a statement and answers how many rows it affected.
macro_rules! execute {
    ($conn:expr, $sql:expr $(, $arg:expr)* $(,)?) => {
        match $conn {
            $crate::database::connection::Conn::Sqlite(conn) =>
                sqlx::query($sql)$(.bind($arg))*.execute(&mut *conn).await.map(|done| done.rows_affected()),
            $crate::database::connection::Conn::Postgres(conn) =>
                $crate::database::connection::within(sqlx::query($sql)$(.bind($arg))*.execute(&mut *conn)).await
                    .map(|done| done.rows_affected()),
        }
        .map_err($crate::error::StoreError::from)
    };
}

/// All rows of a statement, as `$row`.
macro_rules! fetch_all {
    ($conn:expr, $row:ty, $sql:expr $(, $arg:expr)* $(,)?) => {
        match $conn {
            $crate::database::connection::Conn::Sqlite(conn) =>
                sqlx::query_as::<_, $row>($sql)$(.bind($arg))*.fetch_all(&mut *conn).await,
            $crate::database::connection::Conn::Postgres(conn) =>
                $crate::database::connection::within(sqlx::query_as::<_, $row>($sql)$(.bind($arg))*.fetch_all(&mut *conn)).await,
        }
        .map_err($crate::error::StoreError::from)
    };
}

/// The first row of a statement, as `$row`, if there is one.
macro_rules! fetch_optional {
    ($conn:expr, $row:ty, $sql:expr $(, $arg:expr)* $(,)?) => {
        match $conn {
            $crate::database::connection::Conn::Sqlite(conn) =>
                sqlx::query_as::<_, $row>($sql)$(.bind($arg))*.fetch_optional(&mut *conn).await,
            $crate::database::connection::Conn::Postgres(conn) =>
                $crate::database::connection::within(sqlx::query_as::<_, $row>($sql)$(.bind($arg))*.fetch_optional(&mut *conn)).await,
        }
        .map_err($crate::error::StoreError::from)
    };
}

/// All rows of one statement on a read connection of the store.
macro_rules! select {
    ($store:expr, $scope:expr, $row:ty, $sql:expr $(, $arg:expr)* $(,)?) => {{
        let mut reading = $store.reading($scope).await?;
        let rows = $crate::database::connection::fetch_all!(reading.conn(), $row, $sql $(, $arg)*)?;
        reading.done().await?;
        rows
    }};
}

/// All rows of one statement, as [`select`], if there is room for them.
macro_rules! select_within {
    ($store:expr, $scope:expr, $room:expr, $row:ty, $sql:expr $(, $arg:expr)* $(,)?) => {{
        use $crate::database::{connection::{Conn, within}, room::gather};
        let mut reading = $store.reading($scope).await?;
        let rows = match reading.conn() {
            Conn::Sqlite(conn) => gather(sqlx::query_as::<_, $row>($sql)$(.bind($arg))*.fetch(conn), $room).await?,
            Conn::Postgres(conn) =>
                within(gather(sqlx::query_as::<_, $row>($sql)$(.bind($arg))*.fetch(conn), $room)).await?,
        }?;
        reading.done().await?;
        rows
    }};
}

pub(crate) use {execute, fetch_all, fetch_optional, select, select_within};

/// A statement of PostgreSQL, but no longer than [`ANSWER`]: a connection that falls silent is lost like one that breaks. What
/// takes long is ended by the server before: see `open`.
pub(crate) async fn within<T>(statement: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, sqlx::Error> {
    match tokio::time::timeout(ANSWER, statement).await {
        Ok(answered) => answered,
        Err(_) => Err(sqlx::Error::Io(std::io::Error::new(std::io::ErrorKind::TimedOut, "the database is silent"))),
    }
}

/// Waits for what others hold who may wait for the database, and no longer than for the database itself: in a silence, those who
/// stand in line would else wait for all before them in turn.
pub async fn in_time<T>(waiting: impl Future<Output = T>) -> Result<T, StoreError> {
    tokio::time::timeout(WAIT, waiting).await.map_err(|_| StoreError::Unavailable)
}

/// How much of the tenant a read looks at.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Breadth {
    Some,
    /// At all its customers, one by one.
    All,
}

/// The read connections, and whose turn they are: see `turns`.
#[derive(Clone)]
pub(crate) struct Readers {
    pool: Pool,
    turns: Arc<Turns>,
    broad: Arc<Turns>,
}

/// What a reader holds besides its connection.
pub(crate) struct Held {
    _turn: Option<Turn>,
    _broad: Option<Turn>,
}

impl Readers {
    /// `pool` has a connection more than `turns`.
    pub(crate) fn new(pool: Pool, turns: u32, weights: &Weights) -> Readers {
        let turns = turns.max(1) as usize;
        Readers { pool, turns: Turns::new(turns, weights), broad: Turns::new((turns / 2).max(1), weights) }
    }

    pub(crate) async fn read(&self, scope: Option<&Scope>, breadth: Breadth) -> Result<Reading, StoreError> {
        let mut held = Held { _turn: None, _broad: None };
        if let Some(scope) = scope {
            if breadth == Breadth::All {
                held._broad = Some(self.broad.take(scope.tenant(), ACQUIRE).await?);
            }
            held._turn = Some(self.turns.take(scope.tenant(), ACQUIRE).await?);
        }
        self.pool.read(scope, held).await
    }

    pub(crate) async fn close(&self) {
        self.pool.close().await;
    }
}

#[derive(Clone)]
pub(crate) enum Pool {
    Sqlite(SqlitePool),
    Postgres(PgPool),
}

impl Pool {
    /// Borrows a read connection; on PostgreSQL in a transaction that sees the rows of `scope` only.
    async fn read(&self, scope: Option<&Scope>, held: Held) -> Result<Reading, StoreError> {
        match self {
            Pool::Sqlite(pool) => Ok(Reading::Sqlite { conn: pool.acquire().await?, bound: false, _held: held }),
            Pool::Postgres(pool) => {
                let mut reading = Reading::Postgres { conn: pool.acquire().await?, open: true, held: Some(held) };
                if let Reading::Postgres { conn, .. } = &mut reading {
                    let begin = crate::database::dialect::begin_read(scope.map(Scope::tenant));
                    within(sqlx::raw_sql(begin).execute(&mut **conn)).await?;
                }
                Ok(reading)
            }
        }
    }

    pub(crate) async fn close(&self) {
        match self {
            Pool::Sqlite(pool) => pool.close().await,
            Pool::Postgres(pool) => pool.close().await,
        }
    }
}

/// A borrowed read connection.
///
/// A future that is cancelled between begin and [`Reading::done`] drops this with the transaction open: the
/// connection is then closed instead of going back to the pool. So is one whose statements are still bound in time.
/// On its way back it is asked whether it lives, and that must have an end, too: a connection that falls silent there would
/// keep its place in the pool for good, and whoever closes the pool would wait for it.
pub(crate) enum Reading {
    Sqlite { conn: PoolConnection<Sqlite>, bound: bool, _held: Held },
    Postgres { conn: PoolConnection<Postgres>, open: bool, held: Option<Held> },
}

impl Reading {
    pub(crate) fn conn(&mut self) -> Conn<'_> {
        match self {
            Reading::Sqlite { conn, .. } => Conn::Sqlite(conn),
            Reading::Postgres { conn, .. } => Conn::Postgres(conn),
        }
    }

    /// From now on a statement that runs past `deadline` is ended there: see [`StoreError::is_cut_off`].
    pub(crate) async fn bind_to(&mut self, deadline: Instant) -> Result<(), StoreError> {
        match self {
            Reading::Sqlite { conn, bound, .. } => {
                *bound = true;
                let mut handle = conn.lock_handle().await?;
                handle.set_progress_handler(SQLITE_STEPS, move || Instant::now() < deadline);
            }
            Reading::Postgres { conn, .. } => {
                let left = deadline.saturating_duration_since(Instant::now());
                within(sqlx::raw_sql(crate::database::dialect::statement_timeout(left)).execute(&mut **conn)).await?;
            }
        }
        Ok(())
    }

    /// A transaction in which a statement was ended is rolled back, which is all the same to a reader.
    pub(crate) async fn done(mut self) -> Result<(), StoreError> {
        match &mut self {
            Reading::Sqlite { conn, bound, .. } if *bound => {
                conn.lock_handle().await?.remove_progress_handler();
                *bound = false;
            }
            Reading::Sqlite { .. } => {}
            Reading::Postgres { conn, open, .. } => {
                within(sqlx::raw_sql("COMMIT").execute(&mut **conn)).await?;
                *open = false;
            }
        }
        Ok(())
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        match self {
            Reading::Sqlite { conn, bound: true, .. } => conn.close_on_drop(),
            Reading::Postgres { conn, open: true, .. } => conn.close_on_drop(),
            Reading::Postgres { conn, open: false, held } => {
                let (held, returned) = (held.take(), tokio::time::timeout(RETURN, conn.return_to_pool()));
                tokio::spawn(async move {
                    drop(returned.await);
                    drop(held);
                });
            }
            Reading::Sqlite { bound: false, .. } => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;
    use openhub_model::TenantId;

    const SHOP: Scope = Scope::of(TenantId(1));
    const OTHER: Scope = Scope::of(TenantId(2));

    async fn readers(turns: u32) -> Readers {
        crate::database::open::Opener::parse("sqlite::memory:")
            .unwrap()
            .readers(turns, &Weights::default())
            .await
            .unwrap()
    }

    #[tokio::test]
    async fn a_key_is_looked_up_while_a_tenant_reads_on_every_connection_it_may_have() {
        let readers = readers(2).await;
        let mut held = Vec::new();
        for _ in 0..2 {
            held.push(readers.read(Some(&SHOP), Breadth::Some).await.unwrap());
        }
        assert!(readers.read(Some(&OTHER), Breadth::Some).now_or_never().is_none(), "all turns are taken");
        let key = readers.read(None, Breadth::Some).await.unwrap();
        key.done().await.unwrap();
    }

    #[tokio::test]
    async fn reads_of_all_customers_leave_half_of_the_turns() {
        let readers = readers(4).await;
        let mut held = Vec::new();
        for _ in 0..2 {
            held.push(readers.read(Some(&SHOP), Breadth::All).await.unwrap());
        }
        assert!(readers.read(Some(&SHOP), Breadth::All).now_or_never().is_none());
        for _ in 0..2 {
            held.push(readers.read(Some(&OTHER), Breadth::Some).await.unwrap());
        }
    }
}
