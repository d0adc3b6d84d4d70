//! The columns of a table, and how each kind of database writes them as text and reads them back.

use crate::database::connection::{Conn, fetch_all};
use crate::error::StoreError;

/// How a column is written in a dump.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Number,
    Text,
    Bytes,
    /// A text on SQLite, and in a dump.
    Json,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Column {
    pub name: String,
    pub kind: Kind,
}

impl Column {
    /// As an expression that [`list_of`] takes.
    pub(super) fn written(&self, conn: &Conn<'_>) -> String {
        let name = quoted(&self.name);
        match (conn, self.kind) {
            (Conn::Sqlite(_), Kind::Bytes) => format!("iif({name} IS NULL, NULL, '\\x' || hex({name}))"),
            (Conn::Postgres(_), Kind::Json) => format!("{name}::TEXT"),
            _ => name,
        }
    }

    /// From the list `value`, where it stands at `place`.
    pub(super) fn read(&self, conn: &Conn<'_>, place: usize) -> String {
        let text = format!("value ->> {place}");
        match (conn, self.kind) {
            (_, Kind::Number) => format!("CAST({text} AS BIGINT)"),
            (_, Kind::Text) | (Conn::Sqlite(_), Kind::Json) => text,
            (Conn::Sqlite(_), Kind::Bytes) => format!("unhex(substr({text}, 3))"),
            (Conn::Postgres(_), Kind::Bytes) => format!("decode(substr({text}, 3), 'hex')"),
            (Conn::Postgres(_), Kind::Json) => format!("CAST({text} AS JSONB)"),
        }
    }
}

/// The function that makes a JSON list of its arguments.
pub(super) const fn list_of(conn: &Conn<'_>) -> &'static str {
    match conn {
        Conn::Sqlite(_) => "json_array",
        Conn::Postgres(_) => "json_build_array",
    }
}

/// The rows of a JSON list of lists, as `value`.
pub(super) const fn lists(conn: &Conn<'_>) -> &'static str {
    match conn {
        Conn::Sqlite(_) => "json_each($1)",
        Conn::Postgres(_) => "json_array_elements(CAST($1 AS JSON)) AS lists (value)",
    }
}

/// Names of the schema's own, which hold no quotes.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{name}\"")
}

/// The columns of a table that are not computed; none if it is not there.
pub(super) async fn columns(conn: Conn<'_>, table: &str) -> Result<Vec<Column>, StoreError> {
    let sql = match conn {
        Conn::Sqlite(_) => "SELECT name, type FROM pragma_table_info($1) ORDER BY cid",
        Conn::Postgres(_) => {
            "SELECT attname::TEXT, format_type(atttypid, NULL) FROM pg_attribute WHERE attrelid = to_regclass($1) \
             AND attnum > 0 AND NOT attisdropped AND attgenerated = '' ORDER BY attnum"
        }
    };
    let rows = fetch_all!(conn, (String, String), sql, table)?;
    rows.into_iter()
        .map(|(name, kind)| {
            let kind = match kind.to_lowercase().as_str() {
                "bigint" | "integer" => Kind::Number,
                "text" => Kind::Text,
                "blob" | "bytea" => Kind::Bytes,
                "jsonb" => Kind::Json,
                other => return Err(StoreError::Corrupt(format!("the column {table}.{name} is of the type {other}"))),
            };
            Ok(Column { name, kind })
        })
        .collect()
}
