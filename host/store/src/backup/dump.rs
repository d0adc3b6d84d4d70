//! Reads all rows of a database, as of one moment.

use futures::{Stream, StreamExt};
use sqlx::{AssertSqlSafe, SqlSafeStr};
use tokio::sync::mpsc;

use super::schema::{Column, columns, list_of, quoted};
use super::{COMPONENTS, DumpedTable, DumpedTenant, FIRST, Head, OF_THE_HUB, Part, tables};
use crate::database::connection::{Conn, execute, fetch_optional};
use crate::database::open::{Link, Opener};
use crate::error::StoreError;

/// Reads the database at `url` into `parts`. Nothing of it is made, migrated or written. [`StoreError::Undone`] if nobody takes the parts
/// any more.
pub async fn dump(url: &str, parts: mpsc::Sender<Part>) -> Result<(), StoreError> {
    let opener = Opener::parse(url)?;
    // That it is there, and of this version.
    opener.look(1).await?.close().await;
    let mut link = opener.connect_to_read().await?;
    let dumped = dump_all(&mut link, None, &parts).await;
    link.close().await;
    dumped
}

/// As [`dump`], of one tenant alone: its rows, and the components of its plugins.
pub async fn dump_tenant(url: &str, tenant: DumpedTenant, parts: mpsc::Sender<Part>) -> Result<(), StoreError> {
    let opener = Opener::parse(url)?;
    opener.look(1).await?.close().await;
    let mut link = opener.connect_to_read().await?;
    let dumped = dump_all(&mut link, Some(tenant), &parts).await;
    link.close().await;
    dumped
}

async fn dump_all(link: &mut Link, tenant: Option<DumpedTenant>, parts: &mpsc::Sender<Part>) -> Result<(), StoreError> {
    let begin = snapshot(&link.conn());
    link.raw(begin).await?;
    let newest = "SELECT version FROM _sqlx_migrations WHERE success ORDER BY version DESC LIMIT 1";
    let schema = fetch_optional!(link.conn(), (i64,), newest)?;
    let (schema,) = schema.ok_or_else(|| StoreError::Absent("the database is empty".to_owned()))?;
    let database = match link.conn() {
        Conn::Sqlite(_) => "sqlite",
        Conn::Postgres(_) => "postgres",
    };
    let id = tenant.as_ref().map(|tenant| tenant.id);
    send(parts, Part::Head(Head { schema, database: database.to_owned(), tenant })).await?;
    match id {
        Some(id) => see_tenant(link.conn(), id).await?,
        None => see_all_tenants(link.conn()).await?,
    }
    for table in tables().filter(|table| id.is_none() || !OF_THE_HUB.contains(table)) {
        let columns = columns(link.conn(), table).await?;
        let names = columns.iter().map(|column| column.name.clone()).collect();
        send(parts, Part::Table(DumpedTable { table: table.to_owned(), columns: names })).await?;
        let sql = AssertSqlSafe(select(&link.conn(), table, &columns, id)).into_sql_str();
        match link.conn() {
            Conn::Sqlite(conn) => send_rows(sqlx::query_scalar(sql).fetch(conn), parts).await?,
            Conn::Postgres(conn) => send_rows(sqlx::query_scalar(sql).fetch(conn), parts).await?,
        }
    }
    link.raw("COMMIT").await?;
    send(parts, Part::End).await
}

/// A transaction that sees the database as it is now, for as long as it takes.
const fn snapshot(conn: &Conn<'_>) -> &'static str {
    match conn {
        Conn::Sqlite(_) => "BEGIN",
        Conn::Postgres(_) => {
            "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL statement_timeout = 0; \
             SET LOCAL idle_in_transaction_session_timeout = 0"
        }
    }
}

/// Of PostgreSQL's row-level security, which else shows rows of none. For the rest of the transaction.
pub(super) async fn see_all_tenants(conn: Conn<'_>) -> Result<(), StoreError> {
    if matches!(conn, Conn::Sqlite(_)) {
        return Ok(());
    }
    let all =
        "SELECT set_config('openhub.tenants', (SELECT COALESCE(string_agg(id::TEXT, ','), '') FROM tenants), true)";
    execute!(conn, all).map(drop)
}

/// The same of one tenant.
pub(super) async fn see_tenant(conn: Conn<'_>, tenant: i64) -> Result<(), StoreError> {
    if matches!(conn, Conn::Sqlite(_)) {
        return Ok(());
    }
    execute!(conn, "SELECT set_config('openhub.tenants', $1, true)", tenant.to_string()).map(drop)
}

/// All rows, or those of one tenant.
fn select(conn: &Conn<'_>, table: &str, columns: &[Column], tenant: Option<i64>) -> String {
    let all = select_all(conn, table, columns);
    match (tenant, table) {
        (None, _) => all,
        (Some(tenant), FIRST) => format!("{all} WHERE id = {tenant}"),
        (Some(tenant), COMPONENTS) => format!(
            "{all} WHERE digest IN (SELECT digest FROM plugins WHERE tenant_id = {tenant} \
             UNION SELECT digest FROM plugin_versions WHERE tenant_id = {tenant})"
        ),
        (Some(tenant), _) => format!("{all} WHERE tenant_id = {tenant}"),
    }
}

fn select_all(conn: &Conn<'_>, table: &str, columns: &[Column]) -> String {
    let columns: Vec<String> = columns.iter().map(|column| column.written(conn)).collect();
    format!("SELECT CAST({}({}) AS TEXT) FROM {}", list_of(conn), columns.join(", "), quoted(table))
}

async fn send_rows(
    mut rows: impl Stream<Item = Result<String, sqlx::Error>> + Unpin,
    parts: &mpsc::Sender<Part>,
) -> Result<(), StoreError> {
    while let Some(row) = rows.next().await {
        send(parts, Part::Row(row?)).await?;
    }
    Ok(())
}

async fn send(parts: &mpsc::Sender<Part>, part: Part) -> Result<(), StoreError> {
    parts.send(part).await.map_err(|_| StoreError::Undone)
}
