//! The few true differences between the databases, all in one place.

use openhub_model::{NewEvent, TenantId};
use sqlx::{AssertSqlSafe, PgConnection, SqlSafeStr, SqlStr, SqliteConnection};
use std::fmt::Write;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use crate::database::connection::{Conn, execute, within};
use crate::error::StoreError;
use crate::history::properties::Kept;

/// Names the tenants whose rows the rest of the transaction sees (PostgreSQL's row-level security).
fn set_tenants(tenant: Option<TenantId>) -> String {
    // A number, so nothing to escape.
    tenant.map(|TenantId(tenant)| format!("; SET LOCAL openhub.tenants = '{tenant}'")).unwrap_or_default()
}

/// The same from the middle of a transaction on, for several tenants.
pub(crate) fn see_tenants(tenants: &[TenantId]) -> SqlStr {
    let numbers: Vec<String> = tenants.iter().map(|TenantId(tenant)| tenant.to_string()).collect();
    AssertSqlSafe(format!("SET LOCAL openhub.tenants = '{}'", numbers.join(","))).into_sql_str()
}

pub(crate) fn begin_read(tenant: Option<TenantId>) -> SqlStr {
    AssertSqlSafe(format!("BEGIN READ ONLY{}", set_tenants(tenant))).into_sql_str()
}

/// For the rest of a transaction on PostgreSQL. At least a millisecond: none would mean no bound.
pub(crate) fn statement_timeout(left: Duration) -> SqlStr {
    AssertSqlSafe(format!("SET LOCAL statement_timeout = {}", left.as_millis().max(1))).into_sql_str()
}

/// SQLite takes its write lock at once, so that a transaction never fails in its middle for want of it.
pub(crate) fn begin_write(conn: &Conn<'_>) -> &'static str {
    match conn {
        Conn::Sqlite(_) => "BEGIN IMMEDIATE",
        Conn::Postgres(_) => "BEGIN",
    }
}

pub(crate) fn savepoint(conn: &Conn<'_>, tenant: Option<TenantId>) -> SqlStr {
    match conn {
        Conn::Sqlite(_) => "SAVEPOINT work".into_sql_str(),
        Conn::Postgres(_) => AssertSqlSafe(format!("SAVEPOINT work{}", set_tenants(tenant))).into_sql_str(),
    }
}

pub(crate) fn rewind(conn: &Conn<'_>, tenant: TenantId) -> SqlStr {
    match conn {
        Conn::Sqlite(_) => "ROLLBACK TO work".into_sql_str(),
        Conn::Postgres(_) => AssertSqlSafe(format!("ROLLBACK TO work{}", set_tenants(Some(tenant)))).into_sql_str(),
    }
}

/// The partitions to claim: on PostgreSQL another node may be claiming at the same moment.
pub(crate) fn claim_statement(conn: &Conn<'_>) -> &'static str {
    macro_rules! claim {
        ($lock:literal) => {
            concat!(
                "UPDATE partitions SET owner = $1, session = $2, fence = fence + 1 ",
                "WHERE (tenant_id, bucket) IN (SELECT tenant_id, bucket FROM partitions ",
                "WHERE session IS NULL OR session IN (SELECT nodes.session FROM nodes ",
                "WHERE alive_until <= CAST(unixepoch('subsec') * 1000000 AS BIGINT)) ",
                "ORDER BY tenant_id, bucket LIMIT $3",
                $lock,
                ") RETURNING tenant_id, bucket, fence, checkpoint, clock, commits, ",
                "(SELECT tenants.clock FROM tenants WHERE tenants.id = partitions.tenant_id) AS clock_kind, ",
                "(SELECT sends_held FROM tenants WHERE tenants.id = partitions.tenant_id) AS sends_held"
            )
        };
    }
    match conn {
        Conn::Sqlite(_) => claim!(""),
        Conn::Postgres(_) => claim!(" FOR UPDATE SKIP LOCKED"),
    }
}

/// The tenants of a node whom somebody has called: they are looked at from now on. Whoever holds a row is not waited for, so that two
/// nodes do not wait for each other.
pub(crate) fn heard_statement(conn: &Conn<'_>) -> &'static str {
    macro_rules! heard {
        ($lock:literal) => {
            concat!(
                "UPDATE partitions SET due_at = 0 WHERE (tenant_id, bucket) IN (SELECT tenant_id, bucket FROM partitions ",
                "WHERE session = $1 AND due_at = -1",
                $lock,
                ") RETURNING tenant_id"
            )
        };
    }
    match conn {
        Conn::Sqlite(_) => heard!(""),
        Conn::Postgres(_) => heard!(" FOR UPDATE SKIP LOCKED"),
    }
}

/// Keeps the engine's commits, and others' appends, away from a tenant until the transaction ends: they take the same row first.
/// On SQLite nothing else is written meanwhile.
pub(crate) fn hold_statement(conn: &Conn<'_>) -> &'static str {
    match conn {
        Conn::Sqlite(_) => "SELECT head FROM partitions WHERE tenant_id = $1 AND bucket = 0",
        Conn::Postgres(_) => "SELECT head FROM partitions WHERE tenant_id = $1 AND bucket = 0 FOR UPDATE",
    }
}

/// How texts compare: by their bytes. SQLite does so by itself.
pub(crate) const POSTGRES_COLLATION: &str = " COLLATE \"C\"";

/// Inserts arrived events at `first`, `first + 1`, …; those whose `message_id` exists are left out. Answers how many went in.
pub(crate) async fn insert_events(
    conn: Conn<'_>,
    tenant: TenantId,
    first: i64,
    events: &[&NewEvent],
) -> Result<u64, StoreError> {
    match conn {
        Conn::Sqlite(conn) => insert_events_sqlite(conn, tenant, first, events).await,
        Conn::Postgres(conn) => insert_events_postgres(conn, tenant, first, events).await,
    }
}

/// What a commit has passed joins its customers' events: arrived events behind `passed.0` up to `passed.1`, and caused ones
/// behind `arrived`, which the commit has just added; with what is kept of the former. Sorted, so that each page of the tree is
/// visited once; `OR FAIL` as in [`Forms`].
pub(crate) async fn put_customer_events(
    conn: Conn<'_>,
    tenant: TenantId,
    passed: (i64, i64),
    arrived: i64,
    kept: &Kept,
) -> Result<(), StoreError> {
    macro_rules! insert {
        ($head:literal) => {
            concat!(
                $head,
                " INTO customer_events (tenant_id, part_id, occurred_at, position, origin, name, properties) \
                 SELECT tenant_id, part_id, occurred_at, position, origin, name, kept.atom \
                 FROM json_each($6) kept CROSS JOIN events WHERE tenant_id = $1 AND position = kept.key + CAST($5 AS BIGINT) \
                 AND position > $2 AND position <= $3 AND origin = 0 AND part_id IS NOT NULL AND kept.atom IS NOT NULL \
                 UNION ALL SELECT tenant_id, part_id, occurred_at, position, origin, name, NULL FROM events \
                 WHERE tenant_id = $1 AND position > $2 AND position <= $3 AND origin = 0 AND part_id IS NOT NULL \
                 AND position NOT IN (SELECT key + CAST($5 AS BIGINT) FROM json_each($6) WHERE atom IS NOT NULL) \
                 UNION ALL SELECT tenant_id, part_id, occurred_at, position, origin, name, NULL FROM events \
                 WHERE tenant_id = $1 AND position > $4 AND origin = 1 AND part_id IS NOT NULL \
                 ORDER BY 1, 2, 3, 4"
            )
        };
    }
    let Kept { first, list } = kept;
    match conn {
        Conn::Sqlite(_) => {
            execute!(conn, insert!("INSERT OR FAIL"), tenant.0, passed.0, passed.1, arrived, *first, list)
        }
        Conn::Postgres(_) => execute!(conn, insert!("INSERT"), tenant.0, passed.0, passed.1, arrived, *first, list),
    }
    .map(drop)
}

/// Inserts the bodies of events, by position.
pub(crate) async fn insert_bodies(conn: Conn<'_>, tenant: TenantId, bodies: &[(i64, &str)]) -> Result<(), StoreError> {
    match conn {
        Conn::Sqlite(conn) => {
            let mut rest = bodies;
            while !rest.is_empty() {
                let (form, size) = BODIES.fitting(rest.len());
                let (chunk, others) = rest.split_at(size);
                let mut query = sqlx::query(form);
                for (position, body) in chunk {
                    query = query.bind(tenant.0).bind(*position).bind((*body).to_owned());
                }
                query.execute(&mut *conn).await?;
                rest = others;
            }
        }
        Conn::Postgres(conn) => {
            let (positions, bodies): (Vec<i64>, Vec<&str>) = bodies.iter().copied().unzip();
            let insert = sqlx::query(
                "INSERT INTO event_bodies (tenant_id, position, body) \
                 SELECT $1, * FROM UNNEST($2::BIGINT[], $3::TEXT[])",
            );
            within(insert.bind(tenant.0).bind(positions).bind(bodies).execute(conn)).await?;
        }
    }
    Ok(())
}

/// A multi-row insert at a few fixed sizes, so that each is prepared once. Its parameters have no numbers: the driver
/// looks a number up in a list, for each of thousands. `OR FAIL`, since SQLite otherwise copies each page that the statement
/// changes, for the case that it fails in its middle: then all of its piece of work is undone anyway.
struct Forms(Vec<(usize, Arc<str>)>);

static EVENTS: LazyLock<Forms> = LazyLock::new(|| {
    Forms::new(
        "INSERT OR FAIL INTO events (tenant_id, position, origin, message_id, kind, name, part_id, occurred_at, received_at, \
         historical, authority, cause) VALUES ",
        "(?, ?, 0, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        " ON CONFLICT (tenant_id, message_id) DO NOTHING",
    )
});
static BODIES: LazyLock<Forms> = LazyLock::new(|| {
    Forms::new("INSERT OR FAIL INTO event_bodies (tenant_id, position, body) VALUES ", "(?, ?, ?)", "")
});

impl Forms {
    fn new(head: &str, row: &str, tail: &str) -> Forms {
        let form = |size: usize| {
            let mut sql = head.to_owned();
            for index in 0..size {
                let comma = if index == 0 { "" } else { ", " };
                write!(sql, "{comma}{row}").expect("writing to memory does not fail");
            }
            (size, Arc::from(sql + tail))
        };
        Forms([500, 100, 20, 5, 1].map(form).into())
    }

    /// The greatest form that `rows` rows fill.
    fn fitting(&self, rows: usize) -> (AssertSqlSafe<Arc<str>>, usize) {
        let (size, sql) = self.0.iter().find(|(size, _)| *size <= rows).unwrap_or(&self.0[self.0.len() - 1]);
        (AssertSqlSafe(Arc::clone(sql)), *size)
    }
}

async fn insert_events_sqlite(
    conn: &mut SqliteConnection,
    tenant: TenantId,
    first: i64,
    events: &[&NewEvent],
) -> Result<u64, StoreError> {
    let (mut rest, mut position, mut inserted) = (events, first, 0);
    while !rest.is_empty() {
        let (form, size) = EVENTS.fitting(rest.len());
        let (chunk, others) = rest.split_at(size);
        let mut query = sqlx::query(form);
        for event in chunk {
            query = query
                .bind(tenant.0)
                .bind(position)
                .bind(event.message_id.clone())
                .bind(event.kind.code())
                .bind(event.name.clone())
                .bind(event.part.map(|part| part.to_string()))
                .bind(event.occurred_at.micros())
                .bind(event.received_at.micros())
                .bind(i64::from(event.historical))
                .bind(event.authority.code())
                .bind(event.cause.clone());
            position += 1;
        }
        inserted += query.execute(&mut *conn).await?.rows_affected();
        rest = others;
    }
    Ok(inserted)
}

async fn insert_events_postgres(
    conn: &mut PgConnection,
    tenant: TenantId,
    first: i64,
    events: &[&NewEvent],
) -> Result<u64, StoreError> {
    fn column<T>(events: &[&NewEvent], of: impl Fn(&NewEvent) -> T) -> Vec<T> {
        events.iter().map(|event| of(event)).collect()
    }
    let insert = sqlx::query(
        "INSERT INTO events (tenant_id, position, origin, message_id, kind, name, part_id, occurred_at, received_at, \
         historical, authority, cause) SELECT $1, $2 + ordinality - 1, 0, message_id, kind, name, part_id, occurred_at, \
         received_at, historical, authority, cause FROM UNNEST($3::TEXT[], $4::BIGINT[], $5::TEXT[], $6::TEXT[], \
         $7::BIGINT[], $8::BIGINT[], $9::BIGINT[], $10::BIGINT[], $11::TEXT[]) WITH ORDINALITY AS rows (message_id, \
         kind, name, part_id, occurred_at, received_at, historical, authority, cause, ordinality) ON CONFLICT (tenant_id, message_id) DO NOTHING",
    )
    .bind(tenant.0)
    .bind(first)
    .bind(events.iter().map(|event| event.message_id.as_str()).collect::<Vec<_>>())
    .bind(column(events, |event| event.kind.code()))
    .bind(events.iter().map(|event| event.name.as_str()).collect::<Vec<_>>())
    .bind(column(events, |event| event.part.map(|part| part.to_string())))
    .bind(column(events, |event| event.occurred_at.micros()))
    .bind(column(events, |event| event.received_at.micros()))
    .bind(column(events, |event| i64::from(event.historical)))
    .bind(column(events, |event| event.authority.code()))
    .bind(events.iter().map(|event| event.cause.as_deref()).collect::<Vec<_>>());
    Ok(within(insert.execute(conn)).await?.rows_affected())
}

/// From now on SQLite overwrites what is deleted on this connection. Off by default, since it costs every write; PostgreSQL
/// keeps what is deleted until it is vacuumed.
pub(crate) async fn overwrite(conn: Conn<'_>, overwriting: Overwriting) -> Result<(), StoreError> {
    let Conn::Sqlite(conn) = conn else { return Ok(()) };
    let sql = match overwriting {
        Overwriting::On => "PRAGMA secure_delete = ON",
        Overwriting::Off => "PRAGMA secure_delete = OFF",
    };
    sqlx::query(sql).fetch_all(conn).await?;
    Ok(())
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Overwriting {
    On,
    Off,
}
