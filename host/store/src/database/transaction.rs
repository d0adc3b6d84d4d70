//! A piece of work in the writer's transaction: what it sees, and how it is undone without the others.

use openhub_model::TenantId;

use crate::database::connection::{Conn, execute, within};
use crate::database::open::Link;
use crate::database::signals::Signal;
use crate::error::StoreError;

/// How much a piece of work writes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Weight {
    Light,
    /// So much that on SQLite a transaction and a sync of its own cost less than the copies that a savepoint makes of all
    /// the pages that are changed in it. What waits beside it is then answered before it, too.
    Heavy,
}

/// The transaction as a piece of work sees it.
pub(crate) struct Tx<'t> {
    conn: Conn<'t>,
    bounds: Bounds,
    signals: Vec<Signal>,
}

/// What undoes one piece of work and no other.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bounds {
    Savepoint,
    /// The work is alone in its transaction, which needs no savepoint in it: SQLite copies each page that a savepoint
    /// changes. Appends of one tenant are one work.
    Transaction,
}

impl<'t> Tx<'t> {
    pub(super) fn of(link: &'t mut Link, bounds: Bounds) -> Tx<'t> {
        Tx { conn: link.conn(), bounds, signals: Vec::new() }
    }

    /// What is to be told once it is committed.
    pub(super) fn into_signals(self) -> Vec<Signal> {
        self.signals
    }

    pub(crate) fn conn(&mut self) -> Conn<'_> {
        match &mut self.conn {
            Conn::Sqlite(conn) => Conn::Sqlite(conn),
            Conn::Postgres(conn) => Conn::Postgres(conn),
        }
    }

    /// From here on the work sees the rows of all these tenants, and of no others.
    pub(crate) async fn see(&mut self, tenants: &[TenantId]) -> Result<(), StoreError> {
        if let Conn::Postgres(conn) = &mut self.conn {
            within(sqlx::raw_sql(crate::database::dialect::see_tenants(tenants)).execute(&mut **conn)).await?;
        }
        Ok(())
    }

    /// Undoes what this piece of work has written so far, so that it can look at what was there before.
    pub(crate) async fn rewind(&mut self, tenant: TenantId) -> Result<(), StoreError> {
        if self.bounds == Bounds::Transaction {
            execute!(self.conn(), "ROLLBACK")?;
            let begin = crate::database::dialect::begin_write(&self.conn);
            return execute!(self.conn(), begin).map(drop);
        }
        let sql = crate::database::dialect::rewind(&self.conn, tenant);
        match &mut self.conn {
            Conn::Sqlite(conn) => {
                sqlx::query(sql).execute(&mut **conn).await?;
            }
            Conn::Postgres(conn) => {
                within(sqlx::raw_sql(sql).execute(&mut **conn)).await?;
            }
        }
        Ok(())
    }

    /// Once this is committed, there is something new to do for the engine or for delivery.
    pub(crate) fn signal_appended(&mut self, tenant: TenantId) {
        self.signals.push(Signal::Appended(tenant));
    }

    /// Once this is committed, so many arrived events wait for the engine.
    pub(crate) fn signal_behind(&mut self, tenant: TenantId, events: i64) {
        self.signals.push(Signal::Behind(tenant, events));
    }

    pub(crate) fn signal_checkpoint(&mut self, tenant: TenantId, position: i64) {
        self.signals.push(Signal::Checkpoint(tenant, position));
    }
}

pub(super) async fn begin(link: &mut Link, bounds: Bounds, tenant: Option<TenantId>) -> Result<(), StoreError> {
    match bounds {
        Bounds::Savepoint => {
            let savepoint = crate::database::dialect::savepoint(&link.conn(), tenant);
            link.raw(savepoint).await
        }
        Bounds::Transaction => Ok(()),
    }
}

pub(super) async fn keep(link: &mut Link, bounds: Bounds) -> Result<(), StoreError> {
    match bounds {
        Bounds::Savepoint => link.raw("RELEASE work").await,
        Bounds::Transaction => Ok(()),
    }
}

/// Undoes a piece of work; the transaction goes on.
pub(super) async fn undo(link: &mut Link, bounds: Bounds) -> Result<(), StoreError> {
    match bounds {
        Bounds::Savepoint => link.roll_back().await,
        Bounds::Transaction => {
            link.raw("ROLLBACK").await?;
            let begin = crate::database::dialect::begin_write(&link.conn());
            link.raw(begin).await
        }
    }
}
