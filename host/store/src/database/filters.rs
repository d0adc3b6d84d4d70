//! SQL that is made at run time, for either database. Nowhere else does a string become SQL: what is pushed is part of the
//! program's text, and every value that came from outside is bound.
//!
//! Lists use it for their filters; `conditions` builds truths on it.

use openhub_model::{PartId, TenantId};
use sqlx::postgres::PgRow;
use sqlx::sqlite::SqliteRow;
use sqlx::{FromRow, Postgres, QueryBuilder, Sqlite};

use crate::database::connection::{Conn, within};
use crate::database::room::{Room, Texts, gather};
use crate::error::StoreError;

/// A statement under construction, for either database.
pub(crate) enum Sql {
    Sqlite(QueryBuilder<Sqlite>),
    Postgres(QueryBuilder<Postgres>),
}

impl Sql {
    pub(crate) fn new(conn: &Conn<'_>, sql: &'static str) -> Sql {
        match conn {
            Conn::Sqlite(_) => Sql::Sqlite(QueryBuilder::new(sql)),
            Conn::Postgres(_) => Sql::Postgres(QueryBuilder::new(sql)),
        }
    }

    pub(crate) fn push(&mut self, sql: &'static str) -> &mut Self {
        match self {
            Sql::Sqlite(builder) => drop(builder.push(sql)),
            Sql::Postgres(builder) => drop(builder.push(sql)),
        }
        self
    }

    pub(crate) fn int(&mut self, value: i64) -> &mut Self {
        match self {
            Sql::Sqlite(builder) => drop(builder.push_bind(value)),
            Sql::Postgres(builder) => drop(builder.push_bind(value)),
        }
        self
    }

    pub(crate) fn real(&mut self, value: f64) -> &mut Self {
        match self {
            Sql::Sqlite(builder) => drop(builder.push_bind(value)),
            Sql::Postgres(builder) => drop(builder.push_bind(value)),
        }
        self
    }

    /// The form of each database, where they differ.
    pub(crate) fn either(&mut self, sqlite: &'static str, postgres: &'static str) -> &mut Self {
        match self {
            Sql::Sqlite(builder) => drop(builder.push(sqlite)),
            Sql::Postgres(builder) => drop(builder.push(postgres)),
        }
        self
    }

    /// U+0000 is stored as U+FFFD, so it is looked for as such.
    pub(crate) fn text(&mut self, value: &str) -> &mut Self {
        let value = value.replace('\0', "\u{FFFD}");
        match self {
            Sql::Sqlite(builder) => drop(builder.push_bind(value)),
            Sql::Postgres(builder) => drop(builder.push_bind(value)),
        }
        self
    }

    /// For a FROM clause: the parts of the customer that a part belongs to, as `own`; the table behind is looked up for each
    /// of them.
    pub(crate) fn each_part_of(&mut self, tenant: TenantId, part: PartId) -> &mut Self {
        self.parts_with(tenant, part).push(" AS owner CROSS JOIN ")
    }

    /// A query for the parts of the customer that a part belongs to, itself at least, as `own`.
    pub(crate) fn parts_with(&mut self, tenant: TenantId, part: PartId) -> &mut Self {
        let part = part.to_string();
        self.push("(SELECT CAST(")
            .text(&part)
            .push(" AS TEXT) AS own UNION SELECT part_id FROM parts WHERE tenant_id = ");
        self.int(tenant.0).push(" AND customer_id = (SELECT customer_id FROM parts WHERE tenant_id = ").int(tenant.0);
        self.push(" AND part_id = ").text(&part).push("))")
    }

    pub(crate) async fn fetch_all<R>(mut self, conn: Conn<'_>) -> Result<Vec<R>, StoreError>
    where
        R: for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow> + Send + Unpin,
    {
        let rows = match (&mut self, conn) {
            (Sql::Sqlite(builder), Conn::Sqlite(conn)) => builder.build_query_as::<R>().fetch_all(conn).await,
            (Sql::Postgres(builder), Conn::Postgres(conn)) => {
                within(builder.build_query_as::<R>().fetch_all(conn)).await
            }
            _ => unreachable!("a statement is built for the connection that it runs on"),
        };
        Ok(rows?)
    }

    /// All rows, if there is room for them.
    pub(crate) async fn fetch_within<R>(mut self, conn: Conn<'_>, room: &Room) -> Result<Vec<R>, StoreError>
    where
        R: for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow> + Texts + Send + Unpin,
    {
        match (&mut self, conn) {
            (Sql::Sqlite(builder), Conn::Sqlite(conn)) => {
                gather(builder.build_query_as::<R>().fetch(conn), room).await?
            }
            (Sql::Postgres(builder), Conn::Postgres(conn)) => {
                within(gather(builder.build_query_as::<R>().fetch(conn), room)).await?
            }
            _ => unreachable!("a statement is built for the connection that it runs on"),
        }
    }
}
