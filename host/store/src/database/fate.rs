//! What became of a COMMIT whose answer was lost: it is neither done nor undone until somebody has looked.
//!
//! On PostgreSQL each transaction of a writer writes its number into the writer's own row of `turns`, in the round trip of its
//! BEGIN. Who has lost the connection ends what the server may still hold of it, and reads the row on a new one: the row
//! waits for the fate of the transaction, and tells it. SQLite's COMMIT is answered by this very process.

use std::time::{Duration, Instant};

use sqlx::{AssertSqlSafe, PgConnection, Row, SqlSafeStr};

use crate::database::connection::{Conn, execute, within};
use crate::database::open::{CONNECT, Link, Opener};
use crate::error::StoreError;

/// How long the fate of a transaction is looked for. Who waits is told the truth, if it is found until then.
const LOOK: Duration = Duration::from_secs(10);
const AGAIN: Duration = Duration::from_millis(100);

/// The transactions of one writer, numbered.
pub(crate) struct Turns {
    /// Hexadecimal: nothing to escape.
    writer: String,
    turn: i64,
    /// PostgreSQL's number of the transaction, while its fate is open.
    open: Option<String>,
}

/// What became of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Committed,
    Undone,
    /// The database did not answer in time.
    Unknown,
}

impl Turns {
    pub(crate) fn of(writer: String) -> Turns {
        Turns { writer, turn: 0, open: None }
    }

    /// Begins the next transaction of the writer.
    pub(crate) async fn begin(&mut self, link: &mut Link) -> Result<(), StoreError> {
        let conn = match link.conn() {
            Conn::Sqlite(conn) => {
                let begin = crate::database::dialect::begin_write(&Conn::Sqlite(&mut *conn));
                return execute!(Conn::Sqlite(conn), begin).map(drop);
            }
            Conn::Postgres(conn) => conn,
        };
        self.turn += 1;
        let Turns { writer, turn, .. } = self;
        let begin = AssertSqlSafe(format!(
            "BEGIN; INSERT INTO turns (writer, turn, at) VALUES ('{writer}', {turn}, now()) ON CONFLICT (writer) \
             DO UPDATE SET turn = excluded.turn, at = excluded.at RETURNING CAST(pg_current_xact_id() AS TEXT)"
        ));
        let rows = within(sqlx::raw_sql(begin.into_sql_str()).fetch_all(conn)).await?;
        self.open = rows.first().map(|row| row.try_get(0)).transpose()?;
        Ok(())
    }

    /// The transaction was answered.
    pub(crate) fn ended(&mut self) {
        self.open = None;
    }

    /// Ends what the server may still have of a transaction whose connection was lost, so that its locks are free.
    pub(crate) async fn bury(&mut self, link: &mut Link) -> Result<(), StoreError> {
        let (Some(open), Conn::Postgres(conn)) = (&self.open, link.conn()) else { return Ok(()) };
        let end = "SELECT pg_terminate_backend(pid, 2000) FROM pg_stat_activity WHERE backend_xid = CAST(CAST($1 AS xid8) AS xid) \
                   AND datname = current_database() AND usename = current_user";
        within(sqlx::query(end).bind(open).fetch_all(conn)).await?;
        self.open = None;
        Ok(())
    }

    /// Looks until it is known, on a new connection each time; answers the last one.
    pub(crate) async fn look(&mut self, opener: &Opener) -> (Fate, Option<Link>) {
        let began = Instant::now();
        while began.elapsed() < LOOK {
            match self.read(opener).await {
                Ok((fate, link)) => return (fate, Some(link)),
                Err(error) => tracing::warn!(%error, "The fate of a transaction cannot be read yet."),
            }
            tokio::time::sleep(AGAIN).await;
        }
        (Fate::Unknown, None)
    }

    async fn read(&mut self, opener: &Opener) -> Result<(Fate, Link), StoreError> {
        let mut link = connect(opener).await?;
        let open = self.open.clone();
        self.bury(&mut link).await?;
        let Conn::Postgres(conn) = link.conn() else { return Ok((Fate::Undone, link)) };
        let fate = last_turn(conn, &self.writer).await.map(|turn| match turn == self.turn {
            true => Fate::Committed,
            false => Fate::Undone,
        });
        if fate.is_err() {
            self.open = open;
        }
        Ok((fate?, link))
    }
}

pub(crate) async fn connect(opener: &Opener) -> Result<Link, StoreError> {
    tokio::time::timeout(CONNECT, opener.connect()).await.map_err(|_| StoreError::Unavailable)?
}

/// Waits for a transaction that has the row, also for one that makes it.
async fn last_turn(conn: &mut PgConnection, writer: &str) -> Result<i64, StoreError> {
    let look = "INSERT INTO turns (writer, turn, at) VALUES ($1, 0, now()) ON CONFLICT (writer) DO UPDATE SET at = excluded.at \
                RETURNING turn";
    Ok(within(sqlx::query_scalar(look).bind(writer).fetch_one(conn)).await?)
}

/// Forgets writers that are gone.
pub(crate) async fn forget_gone(link: &mut Link) -> Result<(), StoreError> {
    let Conn::Postgres(conn) = link.conn() else { return Ok(()) };
    within(sqlx::query("DELETE FROM turns WHERE at < now() - INTERVAL '1 day'").execute(conn)).await?;
    Ok(())
}
